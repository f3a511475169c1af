//! The V4L2 source on the fake camera, through the real rscam.
//!
//! The fake camera exists only in processes that preload it, so each test runs itself again as a child process under
//! `LD_PRELOAD`. The checks run in the child.

#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/fakecam.rs"]
mod fakecam;

use std::ffi::OsStr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fakecam::{FakeCam, Stamp};
use tallycam::base::{Stop, WakeFd};
use tallycam::media::{ControlKind, ControlValue, Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam::pipeline::{CaptureOptions, Pipeline};
use tallycam::source::AutoOpener;
use tallycam::source::sim::SimOpener;
use tallycam::source::v4l2::{self, V4l2Opener};
use tallycam::source::{FormatRequest, Opener, Source, StreamFormat};

/// Tells the child the root of its camera's `dev` folder.
const ROOT: &str = "TALLYCAM_TEST_ROOT";

const PATIENCE: Duration = Duration::from_secs(30);

struct Bench {
    root: PathBuf,
}

/// Runs `check` in a child process that sees `camera`. `test` is the name of the calling test.
#[track_caller]
fn with_camera(test: &str, camera: FakeCam, check: impl FnOnce(&Bench)) {
    if let Some(root) = std::env::var_os(ROOT) {
        return check(&Bench { root: root.into() });
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("dev")).unwrap();
    let output = camera
        .at(&root.path().join("dev/video3"))
        .command(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(ROOT, root.path())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{}:\n{said}", output.status);
}

impl Bench {
    fn opener(&self, wanted: FormatRequest) -> V4l2Opener {
        V4l2Opener::with_root(&self.root, Some("3".to_owned()), wanted)
    }

    fn open(&self, wanted: FormatRequest) -> Box<dyn Source> {
        self.try_open(wanted).map_err(|trouble| trouble.line()).unwrap()
    }

    fn try_open(&self, wanted: FormatRequest) -> Result<Box<dyn Source>, SourceError> {
        self.opener(wanted).open(&Stop::new())
    }

    fn trouble(&self) -> SourceError {
        self.try_open(FormatRequest::ANYTHING).err().expect("the camera works")
    }

    /// The lines of the camera's log with `what`, without their times.
    fn log(&self, what: &str) -> Vec<String> {
        let log = std::env::var_os("FAKECAM_LOG").expect("no camera");
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let entries = log.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
        entries.filter(|entry| entry.starts_with(what)).map(str::to_owned).collect()
    }

    /// Plugs the camera in again and waits until it is there.
    fn plug(&self) {
        self.control("plug");
        let until = Instant::now() + PATIENCE;
        while !self.root.join("dev/video3").exists() {
            assert!(Instant::now() < until, "it did not come back");
            std::thread::yield_now();
        }
    }

    /// Steers the camera, as `FakeCam::control` does from outside.
    fn control(&self, word: &str) {
        let file = PathBuf::from(std::env::var_os("FAKECAM_CTL").expect("no camera"));
        std::fs::write(file.with_extension("new"), word).unwrap();
        std::fs::rename(file.with_extension("new"), file).unwrap();
    }
}

fn format(fourcc: Fourcc) -> FormatRequest {
    FormatRequest { format: Some(fourcc), ..FormatRequest::ANYTHING }
}

/// Passes the next frame to `look`.
#[track_caller]
fn next<T>(source: &mut Box<dyn Source>, look: impl FnOnce(Frame<'_>) -> T) -> T {
    let frame = source.next(PATIENCE).map_err(|trouble| trouble.line()).unwrap();
    look(frame.expect("no frame came"))
}

/// The sequence number that the camera has drawn into a raw frame.
fn drawn_sequence(frame: &Frame<'_>) -> u32 {
    let (step, first) = match frame.fourcc {
        Fourcc::YUYV => (2, 0),
        Fourcc::UYVY => (2, 1),
        _ => (1, 0),
    };
    let luma = |x, y| frame.data[y * frame.stride as usize + x * step + first];
    Stamp::in_pixels(luma, frame.width as usize).expect("the picture's mark is damaged").sequence
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn every_raw_format_is_opened_and_moves() {
    let camera = FakeCam::new().formats("YUYV,UYVY,NV12,YU12,GREY,MJPG");
    with_camera("every_raw_format_is_opened_and_moves", camera, |bench| {
        for fourcc in [Fourcc::YUYV, Fourcc::UYVY, Fourcc::NV12, Fourcc::YU12, Fourcc::GREY] {
            let mut source = bench.open(format(fourcc));
            let delivers = source.source_info().clone();
            assert_eq!((delivers.fourcc, delivers.width, delivers.height), (fourcc, 1280, 720));
            assert_eq!(delivers.fps, Some(30.0));
            assert_eq!(delivers.notes, [""; 0]);
            let mut last: Option<(u32, u64)> = None;
            for _ in 0..3 {
                let now = next(&mut source, |frame| {
                    assert_eq!((frame.fourcc, frame.width, frame.height), (fourcc, 1280, 720));
                    assert_eq!(Some(frame.stride), fourcc.tight_stride(1280));
                    assert_eq!(Some(frame.data.len()), fourcc.frame_len(frame.stride, 720));
                    assert!(frame.stamp.age() < PATIENCE);
                    (drawn_sequence(&frame), frame.sequence)
                });
                if let Some(last) = last {
                    assert!(now.0 > last.0, "{fourcc}: the picture stands still");
                    let drawn = u64::from(now.0 - last.0);
                    assert_eq!(now.1 - last.1, drawn, "{fourcc}: the number is not the picture's");
                }
                last = Some(now);
            }
        }
    });
}

#[test]
fn a_cameras_own_jpeg_is_preferred_and_moves() {
    with_camera("a_cameras_own_jpeg_is_preferred_and_moves", FakeCam::new().name("Test Camera"), |bench| {
        let mut source = bench.open(FormatRequest::ANYTHING);
        assert_eq!(source.source_info().fourcc, Fourcc::MJPG);
        let name = format!("Test Camera ({})", bench.root.join("dev/video3").display());
        assert_eq!(source.source_info().name, name);
        let pictures: Vec<Vec<u8>> = (0..3)
            .map(|_| {
                next(&mut source, |frame| {
                    assert_eq!((frame.stride, frame.width, frame.height), (0, 1280, 720));
                    assert!(frame.data.starts_with(b"\xff\xd8") && frame.data.ends_with(b"\xff\xd9"));
                    frame.data.to_vec()
                })
            })
            .collect();
        assert!(pictures[0] != pictures[1] && pictures[1] != pictures[2], "the picture stands still");
    });
}

#[test]
fn an_unavailable_format_is_replaced_by_the_nearest_or_refused() {
    with_camera("an_unavailable_format_is_replaced_by_the_nearest_or_refused", FakeCam::new(), |bench| {
        let wanted =
            FormatRequest { width: Some(600), height: Some(500), fps: Some(50.0), ..format(Fourcc::YUYV) };
        let mut source = bench.open(wanted);
        let StreamFormat { width, height, fps, notes, .. } = source.source_info();
        assert_eq!((*width, *height, *fps), (640, 480, Some(30.0)));
        assert_eq!(
            *notes,
            [
                "The camera has no 600×500: 640×480 is the nearest.",
                "The camera has no 50 frames a second at 640×480: 30 is the nearest."
            ]
        );
        next(&mut source, |frame| assert_eq!((frame.width, frame.stride), (640, 1280)));
        drop(source);

        let trouble = bench.try_open(format(Fourcc::NV12)).err().unwrap();
        assert_eq!(trouble.kind, SourceErrorKind::Unsupported);
        assert!(trouble.what.contains("offers no NV12, only YUYV, MJPG"), "{trouble}");
    });
}

#[test]
fn a_slow_rate_is_kept() {
    with_camera("a_slow_rate_is_kept", FakeCam::new().fps("30,12.5,5"), |bench| {
        let source = bench.open(FormatRequest { fps: Some(12.5), ..FormatRequest::ANYTHING });
        assert_eq!((source.source_info().fps, source.source_info().notes.len()), (Some(12.5), 0));
        drop(source);
        assert!(bench.log("streamon")[0].starts_with("streamon 12.500 fps, 4 buffers"));
    });
}

#[test]
fn a_busy_camera_is_reported() {
    with_camera("a_busy_camera_is_reported", FakeCam::new().faults("busy"), |bench| {
        let trouble = bench.trouble();
        assert_eq!(trouble.kind, SourceErrorKind::Busy);
        assert!(trouble.line().contains("video3 is in use by another program"), "{trouble}");
        assert_eq!(bench.opener(FormatRequest::ANYTHING).is_present(), Some(true));
    });
}

#[test]
fn a_streaming_camera_is_busy_but_can_be_listed() {
    let test = "a_streaming_camera_is_busy_but_can_be_listed";
    with_camera(test, FakeCam::new().name("Test Camera"), |bench| {
        let mut source = bench.open(FormatRequest::ANYTHING);
        next(&mut source, |_| ());
        assert_eq!(bench.trouble().kind, SourceErrorKind::Busy);

        let nodes = v4l2::list_under(&bench.root);
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].path, bench.root.join("dev/video3"));
        let facts = nodes[0].facts.as_ref().unwrap();
        assert_eq!((facts.card.as_str(), facts.driver.as_str()), ("Test Camera", "fakecam"));
        assert_eq!(facts.unusable, None);
        let offered: Vec<Fourcc> = facts.formats.iter().map(|format| format.fourcc).collect();
        assert_eq!(offered, [Fourcc::YUYV, Fourcc::MJPG]);
        let mode = &facts.formats[1].modes[0];
        assert_eq!((mode.width, mode.height, mode.fps.as_slice()), (1280, 720, &[30.0, 15.0, 5.0][..]));
        assert!(facts.controls.iter().any(|control| control.name == "brightness"));

        next(&mut source, |_| ());
    });
}

#[test]
fn a_camera_without_permission_is_reported() {
    with_camera("a_camera_without_permission_is_reported", FakeCam::new().faults("deny"), |bench| {
        let trouble = bench.trouble();
        assert_eq!(trouble.kind, SourceErrorKind::Denied);
        assert!(trouble.shell.unwrap().contains("usermod -aG video"));
        let listed = v4l2::list_under(&bench.root);
        assert_eq!(listed[0].facts.as_ref().unwrap_err().kind, SourceErrorKind::Denied);
    });
}

#[test]
fn a_bus_without_bandwidth_is_reported() {
    with_camera("a_bus_without_bandwidth_is_reported", FakeCam::new().faults("nospace"), |bench| {
        let trouble = bench.trouble();
        assert_eq!(trouble.kind, SourceErrorKind::Failed);
        assert!(trouble.what.contains("USB bus has no room"), "{trouble}");
        assert!(trouble.hint.unwrap().contains("another USB port"));
    });
}

#[test]
fn an_unplugged_camera_is_opened_again() {
    with_camera("an_unplugged_camera_is_opened_again", FakeCam::new().faults("unplug@5"), |bench| {
        let before = descriptors();
        let mut source = bench.open(FormatRequest::ANYTHING);
        let trouble = loop {
            match source.next(PATIENCE) {
                Ok(frame) => assert!(frame.is_some(), "silence"),
                Err(trouble) => break trouble,
            }
        };
        assert_eq!(trouble.kind, SourceErrorKind::Unplugged);
        let opener = bench.opener(FormatRequest::ANYTHING);
        assert_eq!(opener.is_present(), Some(false));
        assert_eq!(bench.trouble().kind, SourceErrorKind::Absent);
        drop(source);
        assert_eq!(descriptors(), before);

        bench.plug();
        assert_eq!(opener.is_present(), Some(true));
        let mut source = bench.open(FormatRequest::ANYTHING);
        next(&mut source, |_| ());
    });
}

#[test]
fn a_silent_camera_keeps_nobody_waiting() {
    with_camera("a_silent_camera_keeps_nobody_waiting", FakeCam::new().faults("stall@3"), |bench| {
        let mut source = bench.open(FormatRequest::ANYTHING);
        let got = (0..4).filter(|_| source.next(Duration::from_millis(300)).unwrap().is_some()).count();
        assert!(got <= 3, "{got} frames of 3");
        assert!(source.next(Duration::from_millis(1)).unwrap().is_none());
        drop(source);
        // It is free for the next user, though silent.
        drop(bench.open(FormatRequest::ANYTHING));
    });
}

/// The numbers of `count` consecutive frames, each passed to `look`.
fn numbers(source: &mut Box<dyn Source>, count: usize, look: impl Fn(&Frame<'_>)) -> Vec<u64> {
    let one = |_| {
        next(source, |frame| {
            look(&frame);
            frame.sequence
        })
    };
    (0..count).map(one).collect()
}

#[test]
fn short_frames_are_left_out() {
    with_camera("short_frames_are_left_out", FakeCam::new().faults("short%3"), |bench| {
        let mut source = bench.open(format(Fourcc::YUYV));
        let numbers = numbers(&mut source, 8, |frame| {
            assert_eq!(frame.data.len(), 1280 * 720 * 2);
            drawn_sequence(frame);
        });
        // Every third frame is short.
        assert!(numbers.windows(3).all(|three| three[2] > three[0] + 2), "{numbers:?}");
    });
}

#[test]
fn frames_with_incomplete_rows_are_left_out() {
    let camera = FakeCam::new().faults("badlen%2");
    with_camera("frames_with_incomplete_rows_are_left_out", camera, |bench| {
        let mut source = bench.open(format(Fourcc::YUYV));
        let numbers = numbers(&mut source, 4, |frame| {
            drawn_sequence(frame);
        });
        assert!(numbers.windows(2).all(|two| two[1] > two[0] + 1), "{numbers:?}");
    });
}

#[test]
fn empty_frames_are_left_out() {
    with_camera("empty_frames_are_left_out", FakeCam::new().faults("empty%2"), |bench| {
        let mut source = bench.open(format(Fourcc::MJPG));
        let numbers = numbers(&mut source, 4, |frame| assert!(frame.data.starts_with(b"\xff\xd8")));
        assert!(numbers.windows(2).all(|two| two[1] > two[0] + 1), "{numbers:?}");
    });
}

#[test]
fn nothing_but_short_frames_is_a_broken_camera() {
    with_camera("nothing_but_short_frames_is_a_broken_camera", FakeCam::new().faults("short%1"), |bench| {
        let mut source = bench.open(format(Fourcc::YUYV));
        let trouble = loop {
            match source.next(PATIENCE) {
                Ok(frame) => assert!(frame.is_none(), "a short frame was lent"),
                Err(trouble) => break trouble,
            }
        };
        assert_eq!(trouble.kind, SourceErrorKind::Broken);
        assert_eq!(trouble.causes, ["921600 bytes are no YUYV frame of 1280×720"]);
    });
}

#[test]
fn controls_are_set_while_it_streams_and_reported_as_accepted() {
    let name = "controls_are_set_while_it_streams_and_reported_as_accepted";
    with_camera(name, FakeCam::new(), |bench| {
        let control = |name: &str, value: i64| ControlValue { name: name.to_owned(), value: value as f64 };
        let mut source = bench.open(FormatRequest::ANYTHING);
        next(&mut source, |_| ());
        assert_eq!(source.set_control(&control("focus_automatic_continuous", 0)).unwrap(), 0.0);
        assert_eq!(source.set_control(&control("focus_absolute", 43)).unwrap(), 45.0, "what the camera took");
        assert_eq!(source.set_control(&control("auto_exposure", 1)).unwrap(), 1.0);
        source.set_control(&control("do_white_balance", 1)).unwrap();
        let gap = source.set_control(&control("auto_exposure", 2)).unwrap_err();
        assert!(
            gap.line().contains("does not set its control auto_exposure to 2: Invalid argument"),
            "{gap}"
        );
        let none = source.set_control(&control("sharpness", 3)).unwrap_err();
        assert!(none.line().contains("has no control sharpness"), "{none}");
        next(&mut source, |_| ());
        let set =
            ["focus_automatic_continuous=0", "focus_absolute=45", "auto_exposure=1", "do_white_balance=1"];
        assert_eq!(bench.log("ctrl"), set.map(|set| format!("ctrl {set}")));
        assert_eq!(bench.log("streamon").len(), 1);

        let controls = source.controls().unwrap();
        let find = |name: &str| controls.iter().find(|c| c.name == name).unwrap();
        assert_eq!(find("focus_absolute").value, 45.0);
        assert_eq!(find("focus_absolute").kind, ControlKind::integer(0, 255, 5));
        assert!(!find("focus_absolute").inactive && find("white_balance_temperature").inactive);
        let modes = vec![(1, "Manual Mode".to_owned()), (3, "Aperture Priority Mode".to_owned())];
        assert_eq!(find("auto_exposure").kind, ControlKind::Menu(modes));
        assert_eq!((find("auto_exposure").value, find("auto_exposure").default), (1.0, 3.0));
        assert_eq!(find("focus_automatic_continuous").kind, ControlKind::Boolean);
        assert_eq!(find("do_white_balance").kind, ControlKind::Button);
    });
}

#[test]
fn a_bell_ends_a_wait_for_a_frame_and_the_next_one_comes() {
    let cam = FakeCam::new().fps("1");
    with_camera("a_bell_ends_a_wait_for_a_frame_and_the_next_one_comes", cam, |bench| {
        let mut source = bench.open(FormatRequest::ANYTHING);
        let wake_fd = WakeFd::new();
        source.set_wake_bell(&wake_fd);
        next(&mut source, |_| ());
        wake_fd.notify();
        // Far longer than a frame takes: only the wake-up descriptor can end the wait without a frame.
        assert!(source.next(PATIENCE).unwrap().is_none());
        assert!(source.next(PATIENCE).unwrap().is_some(), "it rings no longer");
    });
}

#[test]
fn a_closed_camera_reports_name_controls_and_formats() {
    let cam = FakeCam::new().formats("MJPG,YUYV").sizes("640x480,320x240").fps("30,10");
    with_camera("a_closed_camera_reports_name_controls_and_formats", cam, |bench| {
        let mut opener = bench.opener(FormatRequest::ANYTHING);
        let identity = opener.identity().unwrap();
        assert!(identity.starts_with("fakecam:Fake Camera:"), "{identity}");
        assert_eq!(opener.controls().unwrap().len(), 11);
        let formats = opener.formats().unwrap();
        assert_eq!(
            formats.iter().map(|format| format.fourcc).collect::<Vec<_>>(),
            [Fourcc::MJPG, Fourcc::YUYV]
        );
        assert_eq!((formats[1].modes[1].width, formats[1].modes[1].fps.clone()), (320, vec![30.0, 10.0]));
        assert_eq!(bench.log("streamon"), [""; 0]);

        let by_id = bench.root.join("dev/v4l/by-id");
        std::fs::create_dir_all(&by_id).unwrap();
        std::os::unix::fs::symlink("../../video3", by_id.join("usb-Fake_Camera_7-video-index0")).unwrap();
        assert_eq!(opener.identity().as_deref(), Some("usb-Fake_Camera_7"));
        assert_eq!(bench.open(FormatRequest::ANYTHING).identity().as_deref(), Some("usb-Fake_Camera_7"));
    });
}

#[test]
fn a_dropped_camera_is_free_and_leaves_nothing_open() {
    with_camera("a_dropped_camera_is_free_and_leaves_nothing_open", FakeCam::new(), |bench| {
        drop(bench.open(FormatRequest::ANYTHING));
        let before = descriptors();
        for fourcc in [Fourcc::YUYV, Fourcc::MJPG].into_iter().cycle().take(10) {
            let mut source = bench.open(format(fourcc));
            // Dropped while a frame is lent.
            next(&mut source, |_| ());
            drop(source);
            assert_eq!(descriptors(), before);
        }
        assert_eq!(bench.log("streamoff").len(), 11);
        assert_eq!(bench.log("open").len(), bench.log("close").len());
    });
}

#[test]
fn two_threads_opening_and_closing_find_their_own_descriptors() {
    with_camera("two_threads_opening_and_closing_find_their_own_descriptors", FakeCam::new(), |bench| {
        let mut source = bench.open(FormatRequest::ANYTHING);
        let before = descriptors();
        std::thread::scope(|scope| {
            let list = || {
                for _ in 0..50 {
                    let nodes = v4l2::list_under(&bench.root);
                    assert_eq!(nodes[0].facts.as_ref().unwrap().formats.len(), 2);
                }
            };
            let lists = [scope.spawn(list), scope.spawn(list)];
            lists.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(descriptors(), before);
        next(&mut source, |_| ());
    });
}

#[test]
fn a_slow_reader_gets_the_newest_frame() {
    with_camera("a_slow_reader_gets_the_newest_frame", FakeCam::new(), |bench| {
        let mut source = bench.open(format(Fourcc::YUYV));
        let (drawn, sequence) = next(&mut source, |frame| {
            // Until every buffer except the lent one has been filled.
            while frame.stamp.age() < Duration::from_secs(1) {
                std::thread::sleep(Duration::from_millis(5));
            }
            (drawn_sequence(&frame), frame.sequence)
        });
        next(&mut source, |frame| {
            assert!(drawn_sequence(&frame) >= drawn + 3, "an old frame was lent");
            assert_eq!(frame.sequence - sequence, u64::from(drawn_sequence(&frame) - drawn));
        });
    });
}

#[test]
fn auto_skips_devices_that_are_no_cameras() {
    with_camera("auto_skips_devices_that_are_no_cameras", FakeCam::new(), |bench| {
        symlink("/dev/null", bench.root.join("dev/video0")).unwrap();
        std::fs::write(bench.root.join("dev/video1"), "").unwrap();
        let mut auto = AutoOpener::with_root(
            &bench.root,
            OsStr::new(""),
            bench.root.clone(),
            FormatRequest::ANYTHING,
            None,
        );
        let mut source = auto.open(&Stop::new()).map_err(|trouble| trouble.line()).unwrap();
        assert!(source.source_info().name.starts_with("Fake Camera ("));
        assert_eq!(source.source_info().notes, [""; 0]);
        next(&mut source, |_| ());
    });
}

#[test]
fn auto_reports_a_camera_that_it_cannot_open() {
    with_camera("auto_reports_a_camera_that_it_cannot_open", FakeCam::new().faults("busy"), |bench| {
        let mut auto = AutoOpener::with_root(
            &bench.root,
            OsStr::new(""),
            bench.root.clone(),
            FormatRequest::ANYTHING,
            None,
        );
        assert_eq!(auto.open(&Stop::new()).err().unwrap().kind, SourceErrorKind::Busy);
    });
}

#[test]
fn the_first_camera_is_found_without_a_name() {
    with_camera("the_first_camera_is_found_without_a_name", FakeCam::new(), |bench| {
        let mut any = V4l2Opener::with_root(&bench.root, None, FormatRequest::ANYTHING);
        let mut source = any.open(&Stop::new()).map_err(|trouble| trouble.line()).unwrap();
        next(&mut source, |_| ());
    });
}

#[test]
fn padded_rows_have_their_stride() {
    let camera = FakeCam::new().formats("YUYV,NV12,YU12,GREY").sizes("640x480").stride(96);
    with_camera("padded_rows_have_their_stride", camera, |bench| {
        for fourcc in [Fourcc::YUYV, Fourcc::NV12, Fourcc::YU12, Fourcc::GREY] {
            let mut source = bench.open(format(fourcc));
            let (stride, len) = next(&mut source, |frame| {
                drawn_sequence(&frame);
                (frame.stride, frame.data.len())
            });
            assert_eq!(stride, fourcc.tight_stride(640).unwrap().next_multiple_of(96));
            assert_eq!(Some(len), fourcc.frame_len(stride, 480));
        }
    });
}

#[test]
fn a_camera_is_opened_once_it_is_no_longer_busy() {
    with_camera("a_camera_is_opened_once_it_is_no_longer_busy", FakeCam::new(), |bench| {
        for (word, kind) in [("busy", SourceErrorKind::Busy), ("deny", SourceErrorKind::Denied)] {
            bench.control(word);
            assert_eq!(bench.trouble().kind, kind);
            bench.control("well");
            let mut source = bench.open(FormatRequest::ANYTHING);
            next(&mut source, |_| ());
        }
    });
}

#[test]
fn auto_finds_a_camera_that_returned_between_two_searches() {
    let test = "auto_finds_a_camera_that_returned_between_two_searches";
    with_camera(test, FakeCam::new().faults("unplug@2"), |bench| {
        let mut auto = AutoOpener::with_root(
            &bench.root,
            OsStr::new(""),
            bench.root.clone(),
            FormatRequest::ANYTHING,
            None,
        );
        let mut source = auto.open(&Stop::new()).map_err(|trouble| trouble.line()).unwrap();
        while source.next(PATIENCE).is_ok() {}
        drop(source);
        assert_eq!(auto.open(&Stop::new()).err().unwrap().kind, SourceErrorKind::Absent);
        assert_eq!(auto.is_present(), Some(false));
        bench.plug();
        assert_eq!(auto.is_present(), Some(true));
        let mut source = auto.open(&Stop::new()).map_err(|trouble| trouble.line()).unwrap();
        next(&mut source, |_| ());
    });
}

#[test]
fn a_freed_camera_replaces_the_simulation_for_good() {
    let test = "a_freed_camera_replaces_the_simulation_for_good";
    with_camera(test, FakeCam::new().formats("MJPG").sizes("640x480"), |bench| {
        bench.control("busy");
        let wanted = FormatRequest { width: Some(320), height: Some(240), ..FormatRequest::ANYTHING };
        let scene = Box::new(SimOpener::new(1, wanted, true));
        let auto = AutoOpener::with_root(
            &bench.root,
            OsStr::new(""),
            bench.root.clone(),
            FormatRequest::ANYTHING,
            Some(scene),
        );
        let (pipeline, worker) = Pipeline::start(Box::new(auto), CaptureOptions::default()).unwrap();
        let _demand = pipeline.demand();
        let mut viewer = pipeline.hub().subscribe();
        // The width of the next picture, and true if it is a card.
        let mut next = || {
            let picture = viewer.next_timeout(PATIENCE).expect("no picture").expect("the hub is closed");
            (picture.width, picture.is_card)
        };
        assert_eq!(next(), (320, false));
        assert!(pipeline.status().delivers.is_some_and(|delivers| delivers.is_simulated));
        bench.control("well");
        while next() != (640, false) {}
        assert!(pipeline.status().delivers.is_some_and(|delivers| !delivers.is_simulated));
        // A camera that has worked is missed: a card of its size takes its place.
        bench.control("unplug");
        while next() == (640, false) {}
        for _ in 0..3 {
            assert_eq!(next(), (640, true));
        }
        bench.plug();
        while next() != (640, false) {}
        pipeline.stop();
        worker.join_within(PATIENCE).unwrap();
    });
}
