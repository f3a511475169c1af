//! V4L2 drivers with gaps and errors, on the fake camera.
//!
//! The fake camera exists only in processes that preload it, so each test runs itself again as a child process under
//! `LD_PRELOAD`. The checks run in the child.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tallycam::base::{ClockTime, Stop};
use tallycam::pipeline::{CaptureOptions, Pipeline};
use tallycam::source::v4l2::V4l2Opener;
use tallycam::source::{FormatRequest, Opener, Source};

use crate::fakecam::FakeCam;
use crate::row;

/// Tells the child the root of its camera's `dev` folder.
const ROOT: &str = "TALLYCAM_TEST_ROOT";

const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `check` with an opener of `camera` in a child process that sees it. `test` is the name of the calling test.
#[track_caller]
fn with_camera(test: &str, camera: FakeCam, wanted: FormatRequest, check: impl FnOnce(V4l2Opener)) {
    if let Some(root) = std::env::var_os(ROOT) {
        return check(V4l2Opener::with_root(&PathBuf::from(root), Some("3".to_owned()), wanted));
    }
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("dev")).unwrap();
    let output = camera
        .at(&root.path().join("dev/video3"))
        .command(std::env::current_exe().unwrap())
        .args(["--exact", &format!("usb::{test}"), "--nocapture", "--test-threads=1"])
        .env(ROOT, root.path())
        .output()
        .unwrap();
    let said =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{}:\n{said}", output.status);
}

/// Size, rate and notes of an open camera that sends frames.
fn opened(mut opener: V4l2Opener) -> String {
    let mut source = opener.open(&Stop::new()).map_err(|fault| fault.line()).unwrap();
    let (width, height) = next(&mut source, |_, size| size);
    let info = source.source_info();
    let fps = info.fps.map_or_else(|| String::from("at its own rate"), |fps| format!("at {fps} a second"));
    format!("{width}×{height} {fps}; {}", info.notes.join(" "))
}

/// Passes the time stamp and the size of the next frame to `look`.
fn next<T>(source: &mut Box<dyn Source>, look: impl FnOnce(u64, (u32, u32)) -> T) -> T {
    let frame = source.next(PATIENCE).map_err(|fault| fault.line()).unwrap().expect("no frame came");
    look(frame.stamp.monotonic_us, (frame.width, frame.height))
}

#[test]
fn a_driver_without_rates_and_sizes() {
    let camera = FakeCam::new().formats("YUYV").sizes("720x576").faults("norates,nosizes,noparm");
    let wanted = FormatRequest { fps: Some(10.0), ..FormatRequest::ANYTHING };
    with_camera("a_driver_without_rates_and_sizes", camera, wanted, |opener| {
        row("V4L2 cameras", "a driver without a frame rate and without a list of sizes", &opened(opener));
    });
}

#[test]
fn a_driver_that_refuses_a_rate() {
    let camera = FakeCam::new().formats("YUYV").sizes("640x480").faults("norates,noparm:22");
    with_camera("a_driver_that_refuses_a_rate", camera, FormatRequest::ANYTHING, |opener| {
        row("V4L2 cameras", "a driver that refuses any frame rate (EINVAL)", &opened(opener));
    });
}

/// Frames of a driver with wrong stamps rise, and soon have the time of their arrival.
fn wrong_stamps(test: &str, kind: &str, sample: &str) {
    let camera = FakeCam::new().formats("YUYV").sizes("320x240").fps("30").stamps(kind);
    with_camera(test, camera, FormatRequest::ANYTHING, |mut opener| {
        let mut source = opener.open(&Stop::new()).map_err(|fault| fault.line()).unwrap();
        let mut last_us = 0;
        for n in 0..60 {
            let before_us = ClockTime::now().monotonic_us;
            let stamp_us = next(&mut source, |stamp_us, _| stamp_us);
            assert!(stamp_us > last_us && stamp_us <= ClockTime::now().monotonic_us, "frame {n}");
            assert!(n < 20 || stamp_us >= before_us, "frame {n} is {} us old", before_us - stamp_us);
            last_us = stamp_us;
        }
        row("V4L2 cameras", sample, "frames have the times of their arrival");
    });
}

#[test]
fn stamps_that_jump() {
    wrong_stamps("stamps_that_jump", "jump", "time stamps that jump back by 4 s");
}

#[test]
fn stamps_that_stand_still() {
    wrong_stamps("stamps_that_stand_still", "still", "time stamps that stand still");
}

#[test]
fn stamps_at_half_the_speed() {
    wrong_stamps("stamps_at_half_the_speed", "slow", "time stamps at half the speed");
}

#[test]
fn stamps_of_another_clock() {
    wrong_stamps("stamps_of_another_clock", "real", "time stamps of another clock");
}

#[test]
fn a_camera_in_dim_light() {
    let camera = FakeCam::new().formats("MJPG").sizes("640x480").fps("30").faults("dim@1:5");
    with_camera("a_camera_in_dim_light", camera, FormatRequest::ANYTHING, |opener| {
        let (pipeline, worker) = Pipeline::start(Box::new(opener), CaptureOptions::default()).unwrap();
        let _demand = pipeline.demand();
        let notes = || pipeline.status().delivers.map(|delivers| delivers.notes).unwrap_or_default();
        let until = Instant::now() + PATIENCE;
        while notes().is_empty() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let note = notes().pop().unwrap_or_default();
        pipeline.stop();
        worker.join_within(PATIENCE).unwrap();
        assert!(note.starts_with("The camera sends "), "{note:?}");
        let about = note.split_once(" frames a second").map_or("", |(_, about)| about);
        row(
            "V4L2 cameras",
            "5 of 30 frames a second, in dim light",
            &format!("a note on the frames a second{about}"),
        );
    });
}
