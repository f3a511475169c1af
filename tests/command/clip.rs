//! Clips are read through the real `ffmpeg` and counted with a simple detector.

use std::path::{Path, PathBuf};
use std::process::Command;

use tallycam::base::Fault;
use tallycam::media::SmallImage;
use tallycam::pipeline::clip::{ClipCount, ClipRun};
use tallycam::source::{ClipFrame, ClipReader};
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Detector, Direction, Labels,
    LineId, Point, RegionMode,
};

/// Makes a clip in `folder`.
fn ffmpeg(folder: &Path, arguments: &str, to: &str) -> PathBuf {
    let to = folder.join(to);
    let words = shlex::split(arguments).expect("quotes that close");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y"])
        .args(words)
        .arg(&to)
        .current_dir(folder)
        .status()
        .expect("ffmpeg is in the prerequisites");
    assert!(status.success());
    to
}

/// A white box of 20 × 40 that moves to the right on black, 4 pixels a frame, for 40 frames.
const WALK: &str = "-f lavfi -i \"color=black:s=160x120:r=10:d=4[a];color=white:s=20x40:r=10:d=4[b];\
                    [a][b]overlay=x='n*4-10':y=50:eval=frame\" -pix_fmt yuv420p -c:v ffv1";

fn frames(clip: &Path) -> (Vec<ClipFrame>, Option<String>) {
    let mut reader = ClipReader::open(clip, None).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = reader.next(Vec::new()).unwrap() {
        frames.push(frame);
    }
    (frames, reader.incomplete_reason().map(str::to_owned))
}

/// Detects the box around all white pixels.
struct White {
    labels: Labels,
    restarts: u32,
}

impl White {
    fn new() -> White {
        White { labels: Labels::new(["person"]), restarts: 0 }
    }
}

impl Detector for White {
    fn name(&self) -> &str {
        "white"
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        (width, height)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        let white = image.y.iter().enumerate().filter(|(_, luma)| **luma > 128).map(|(at, _)| at);
        let mut bounds: Option<Bounds> = None;
        for at in white {
            let (x, y) = ((at % image.width) as f32, (at / image.width) as f32);
            let b = bounds.get_or_insert(Bounds::new(x, y, x, y));
            *b = Bounds::new(b.left.min(x), b.top.min(y), b.right.max(x + 1.0), b.bottom.max(y + 1.0));
        }
        let (width, height) = (image.width as f32, image.height as f32);
        found.extend(bounds.map(|b| Detection {
            class: Class(0),
            score: 0.9,
            bounds: Bounds::new(b.left / width, b.top / height, b.right / width, b.bottom / height),
        }));
        Ok(())
    }

    fn restart(&mut self) {
        self.restarts += 1;
    }
}

/// Counts on a vertical line in the middle.
fn count(clip: &Path, every: u64) -> (ClipCount, White) {
    let run = ClipRun::open(clip, None).unwrap();
    let mut detector = White::new();
    let mut counter = Counter::new(detector.options(), detector.labels.clone(), Aspect::new(1, 1));
    let line = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).unwrap();
    counter.set_lines(vec![line]).unwrap();
    let count = run.count(&mut detector, &mut counter, every, RegionMode::Picture, |_| Ok(())).unwrap();
    (count, detector)
}

#[test]
fn every_frame_comes_once_in_its_size_and_at_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let clip = ffmpeg(folder.path(), WALK, "walk.mkv");
    let (frames, broken_off) = frames(&clip);
    assert_eq!(broken_off, None);
    let numbers: Vec<u64> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert!(frames.iter().all(|frame| (frame.width, frame.height) == (160, 120)));
    assert!(frames.iter().all(|frame| frame.time_us == (frame.number - 1) * 100_000));
    // Frame 11 shows the box from x = 34 on, in full range.
    let luma = |x: usize, y: usize| frames[10].planes[y * 160 + x];
    assert!(luma(33, 70) < 5 && luma(34, 70) > 250 && luma(34, 49) < 5, "{}", luma(34, 70));
}

#[test]
fn a_varying_frame_rate_keeps_its_times() {
    let folder = tempfile::tempdir().unwrap();
    // Half the frame rate from frame 20 on.
    let slower = WALK.replace("eval=frame", "eval=frame,setpts='if(lt(N,20),N,20+(N-20)*2)/10/TB'");
    let clip = ffmpeg(folder.path(), &format!("{slower} -fps_mode vfr"), "vary.mkv");
    let (frames, broken_off) = frames(&clip);
    assert_eq!((frames.len(), broken_off), (40, None));
    assert_eq!(
        (frames[19].time_us, frames[20].time_us, frames[21].time_us),
        (1_900_000, 2_000_000, 2_200_000)
    );
}

#[test]
fn an_upright_film_is_upright() {
    let folder = tempfile::tempdir().unwrap();
    let walk = ffmpeg(folder.path(), &WALK.replace("ffv1", "mpeg4"), "walk.mp4");
    let turned = folder.path().join("turned.mp4");
    // As a phone writes it: frames in the sensor's orientation, and the angle of rotation. Newer and older options.
    let turn = |before: &[&str], after: &[&str]| {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "quiet", "-nostdin", "-y"]).args(before).arg("-i").arg(&walk);
        command.args(["-c", "copy"]).args(after).arg(&turned).status().unwrap().success()
    };
    assert!(turn(&["-display_rotation", "90"], &[]) || turn(&[], &["-metadata:s:v", "rotate=90"]));
    let (frames, _) = frames(&turned);
    assert_eq!((frames.len(), frames[0].width, frames[0].height), (40, 120, 160));
    assert_eq!(frames[0].planes.len(), 160 * 120 * 3 / 2);
}

#[test]
fn odd_sizes_have_whole_planes() {
    let folder = tempfile::tempdir().unwrap();
    let clip =
        ffmpeg(folder.path(), "-f lavfi -i testsrc=s=33x17:r=5:d=1 -pix_fmt yuv420p -c:v ffv1", "odd.mkv");
    let (frames, _) = frames(&clip);
    assert_eq!(frames.len(), 5);
    assert!(frames.iter().all(|frame| frame.planes.len() == 33 * 17 + 2 * 17 * 9));
}

#[test]
fn a_clip_is_counted_and_says_in_which_frame() {
    let folder = tempfile::tempdir().unwrap();
    let clip = ffmpeg(folder.path(), WALK, "walk.mkv");
    let (counted, _) = count(&clip, 1);
    assert_eq!((counted.frames, counted.detections, &counted.broken_off), (40, 40, &None));
    let [found] = &counted.crossings[..] else { panic!("{:?}", counted.crossings) };
    // The middle of the box is on the line in frame 21.
    assert_eq!(found.crossing.direction, Direction::Out);
    assert!((20..=22).contains(&found.frame), "{found:?}");
    assert!(found.crossing.time_us <= (found.frame - 1) * 100_000);
    let (again, _) = count(&clip, 1);
    assert_eq!(again, counted, "the same answer");
    let (third, _) = count(&clip, 3);
    assert_eq!((third.frames, third.detections, third.crossings.len()), (40, 14, 1));
}

#[test]
fn a_change_of_size_begins_another_picture() {
    let folder = tempfile::tempdir().unwrap();
    let walk = WALK.replace("ffv1", "mpeg2video -q:v 2");
    let one = ffmpeg(folder.path(), &format!("{walk} -f mpegts"), "one.ts");
    let two = ffmpeg(folder.path(), &format!("{} -f mpegts", walk.replace("160x120", "192x120")), "two.ts");
    let both = folder.path().join("both.ts");
    std::fs::write(&both, [std::fs::read(one).unwrap(), std::fs::read(two).unwrap()].concat()).unwrap();
    let (counted, detector) = count(&both, 1);
    let [(frame, 192, 120)] = counted.resized[..] else { panic!("{:?}", counted.resized) };
    assert!((39..=41).contains(&frame), "{frame}");
    assert_eq!(detector.restarts, 1);
    assert_eq!(counted.crossings.len(), 2, "once in each size");
    assert!(counted.crossings[0].crossing.track != counted.crossings[1].crossing.track);
}

#[test]
fn a_truncated_clip_is_counted_up_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let endings = [
        ("ffv1", "", "whole.mkv"),
        ("mpeg4 -q:v 1", "-movflags faststart", "whole.mp4"),
        ("mpeg4 -q:v 1", "", "whole.avi"),
    ];
    for (codec, options, name) in endings {
        let whole = ffmpeg(folder.path(), &format!("{} {options}", WALK.replace("ffv1", codec)), name);
        assert_eq!(frames(&whole).1, None, "{name}");
        let bytes = std::fs::read(&whole).unwrap();
        let part = folder.path().join(format!("part-{name}"));
        std::fs::write(&part, &bytes[..bytes.len() * 3 / 4]).unwrap();
        let (counted, _) = count(&part, 1);
        assert!(counted.broken_off.is_some(), "{name} is taken for whole");
        assert!((20..40).contains(&counted.frames), "{name}: {} frames", counted.frames);
        assert_eq!(counted.crossings.len(), 1, "{name}");
    }
}

#[test]
fn a_stream_of_unknown_length_that_ends_within_a_picture_is_incomplete() {
    let folder = tempfile::tempdir().unwrap();
    // Each picture is coded by itself and none is small, so that no cut falls between two.
    let made = "-f lavfi -i testsrc=s=320x240:r=10:d=4 -pix_fmt yuvj420p -g 1 -c:v";
    for (codec, name) in [
        ("libx264", "x264.ts"),
        ("libx264", "x264.h264"),
        ("mpeg2video -q:v 2", "mpeg2.ts"),
        ("mjpeg -f mjpeg", "jpegs.mjpeg"),
    ] {
        let whole = ffmpeg(folder.path(), &format!("{made} {codec}"), name);
        let (all, broken_off) = frames(&whole);
        assert_eq!((all.len(), broken_off), (40, None), "{name}");
        let bytes = std::fs::read(&whole).unwrap();
        let part = folder.path().join(format!("part-{name}"));
        std::fs::write(&part, &bytes[..bytes.len() * 3 / 4]).unwrap();
        let (some, broken_off) = frames(&part);
        assert!((20..40).contains(&some.len()), "{name}: {} frames", some.len());
        assert_eq!(broken_off.as_deref(), Some("its last data is damaged or missing"), "{name}");
    }
    // Matroska does not give its number of pictures either. A file that was allocated before it was filled has its
    // full length.
    for (codec, name) in [("libx264", "x264.mkv"), ("mjpeg", "jpegs.mkv")] {
        let whole = ffmpeg(folder.path(), &format!("{made} {codec}"), name);
        let (all, broken_off) = frames(&whole);
        assert_eq!((all.len(), broken_off), (40, None), "{name}");
        let mut bytes = std::fs::read(&whole).unwrap();
        let filled = bytes.len() * 3 / 4;
        bytes[filled..].fill(0);
        std::fs::write(&whole, bytes).unwrap();
        let (some, broken_off) = frames(&whole);
        assert!((20..40).contains(&some.len()), "{name}: {} frames", some.len());
        assert!(broken_off.is_some(), "{name} is taken for whole");
    }
    let bytes = std::fs::read(folder.path().join("jpegs.mjpeg")).unwrap();
    // A damaged picture well before the end, or near it where the length is known, is not an end.
    for (copied, nth) in [("early.mjpeg", 20), ("late.avi", 37)] {
        let whole = folder.path().join(copied);
        if copied == "late.avi" {
            ffmpeg(folder.path(), &format!("{made} mjpeg"), copied);
        }
        let mut bytes = if whole.exists() { std::fs::read(&whole).unwrap() } else { bytes.clone() };
        let (end, _) =
            memchr::memmem::find_iter(&bytes, &[0xFF, 0xD9]).zip(1..).find(|(_, n)| *n == nth).unwrap();
        bytes[end..end + 2].copy_from_slice(&[0, 0]);
        std::fs::write(&whole, bytes).unwrap();
        let (all, broken_off) = frames(&whole);
        assert_eq!((all.len(), broken_off), (40, None), "{copied}");
    }
    // Some cameras always leave out the end marker of a JPEG.
    let endless = folder.path().join("endless.mjpeg");
    let ends =
        |at: usize| bytes[at..].starts_with(&[0xFF, 0xD9]) && matches!(bytes.get(at + 2), None | Some(0xFF));
    let kept: Vec<u8> =
        (0..bytes.len()).filter(|&at| !(ends(at) || at > 0 && ends(at - 1))).map(|at| bytes[at]).collect();
    std::fs::write(&endless, kept).unwrap();
    let (all, broken_off) = frames(&endless);
    assert_eq!((all.len(), broken_off), (40, None));
}

#[test]
fn a_file_that_is_no_clip_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let failure = |name: &str| ClipReader::open(&folder.path().join(name), None).err().unwrap();
    assert!(failure("nothing.avi").to_string().contains(" cannot be read: "));
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    assert!(failure("folder").to_string().contains(" cannot be read: "));
    std::fs::write(folder.path().join("text.mp4"), "no clip at all\n".repeat(100)).unwrap();
    assert!(failure("text.mp4").to_string().contains("is no clip that"), "{}", failure("text.mp4"));
    std::fs::write(folder.path().join("empty.mp4"), "").unwrap();
    assert!(failure("empty.mp4").to_string().contains("is no clip that"));
    ffmpeg(folder.path(), "-f lavfi -i sine=d=1", "sound.wav");
    assert!(failure("sound.wav").to_string().ends_with(" has no pictures"));
    // The index is written last.
    let whole = ffmpeg(folder.path(), &WALK.replace("ffv1", "mpeg4"), "whole.mp4");
    let bytes = std::fs::read(whole).unwrap();
    std::fs::write(folder.path().join("half.mp4"), &bytes[..bytes.len() / 2]).unwrap();
    let said = failure("half.mp4").to_string();
    assert!(
        said.ends_with("its index (moov atom) is missing, as in a recording that was never finished"),
        "{said}"
    );
    let run = ClipRun::open(&folder.path().join("text.mp4"), None);
    assert!(run.err().is_some_and(|fault| fault.what.contains("is no clip that")));
}

#[test]
fn a_name_is_a_file_and_not_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let clip = ffmpeg(folder.path(), WALK, "walk.mkv");
    let odd = folder.path().join("-i concat:a|b.mkv");
    std::fs::rename(clip, &odd).unwrap();
    assert_eq!(frames(&odd).0.len(), 40);
}

#[test]
fn a_given_rate_replaces_the_times_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let clip = ffmpeg(folder.path(), "-f lavfi -i testsrc=s=160x120:r=50:d=1 -c:v libx264 -bf 0", "raw.h264");
    let mut reader = ClipReader::open(&clip, Some(10.0)).unwrap();
    let (mut count, mut time_us) = (0, 0);
    while let Some(frame) = reader.next(Vec::new()).unwrap() {
        (count, time_us) = (count + 1, frame.time_us);
    }
    assert_eq!((count, time_us, reader.incomplete_reason()), (50, 4_900_000, None));
}

#[test]
fn a_dropped_reader_leaves_no_process_behind() {
    let folder = tempfile::tempdir().unwrap();
    let clip = ffmpeg(folder.path(), "-f lavfi -i testsrc=s=640x480:r=25:d=20 -c:v mpeg4", "long.mp4");
    // Dropped while the decoder waits for room: it must end, and ffmpeg with it.
    drop(ClipRun::open(&clip, None).unwrap());
    let mut reader = ClipReader::open(&clip, None).unwrap();
    reader.next(Vec::new()).unwrap();
    drop(reader);
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    assert_eq!(children.trim(), "", "a child process of this thread is left");
}
