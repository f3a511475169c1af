//! Films in other players: ffprobe, ffmpeg and OpenCV agree with the index on every picture and its time. A test
//! whose program is missing says so and is left out.
use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::testcam::has;
use bytes::Bytes;
use tallycam::media::film::{Film, FilmChunk, FilmFormat, FilmFrame, Footage};

/// Debian's own Python, because Debian's OpenCV is installed for it.
const PYTHON: &str = "/usr/bin/python3";

/// Reads all pictures, then seeks to some of them: prints number, time in milliseconds, brightness.
const OPENCV: &str = "
import cv2, sys
video = cv2.VideoCapture(sys.argv[1])
print('count', int(video.get(cv2.CAP_PROP_FRAME_COUNT)))
print('size', int(video.get(cv2.CAP_PROP_FRAME_WIDTH)), int(video.get(cv2.CAP_PROP_FRAME_HEIGHT)))
print('fps', video.get(cv2.CAP_PROP_FPS))
n = 0
while True:
    good, picture = video.read()
    if not good: break
    print('read', n, round(picture.mean()))
    n += 1
for n in map(int, sys.argv[2:]):
    video.set(cv2.CAP_PROP_POS_FRAMES, n)
    good, picture = video.read()
    print('sought', n, round(picture.mean()) if good else -1)
";

/// Pictures, their bytes, and their size in pixels.
type Reel = (Vec<FilmFrame>, Vec<u8>, (u32, u32));

struct Reels(Vec<Reel>);

impl Footage for Reels {
    type Error = Infallible;

    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, Infallible> {
        Ok(self.0[number as usize].0.clone())
    }

    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, Infallible> {
        let bytes = &self.0[number as usize].1;
        Ok(Bytes::copy_from_slice(&bytes[offset as usize..(offset + len) as usize]))
    }
}

fn brightness(n: usize) -> u8 {
    (20 + n * 37 % 200) as u8
}

/// A picture of one brightness.
fn jpeg(n: usize, (width, height): (u32, u32)) -> Vec<u8> {
    let (wide, high) = (width as usize, height as usize);
    let pixels = vec![brightness(n); wide * high * 3];
    let format = turbojpeg::PixelFormat::RGB;
    let image = turbojpeg::Image { pixels: &pixels[..], width: wide, pitch: 3 * wide, height: high, format };
    turbojpeg::compress(image, 90, turbojpeg::Subsamp::Sub2x2).unwrap().to_vec()
}

impl Reels {
    /// Chunks of pictures at these times, in microseconds.
    fn new(chunks: &[(Vec<u64>, (u32, u32))]) -> Reels {
        let mut n = 0;
        let mut reels = Vec::new();
        for (times, size) in chunks {
            let (mut frames, mut bytes) = (Vec::new(), Vec::new());
            for at_us in times {
                frames.push(FilmFrame { at_us: *at_us, offset: bytes.len() as u32 });
                bytes.extend(jpeg(n, *size));
                n += 1;
            }
            reels.push((frames, bytes, *size));
        }
        Reels(reels)
    }

    fn film(&self, format: FilmFormat) -> Film {
        let row = |(n, (frames, bytes, size)): (usize, &Reel)| FilmChunk {
            number: n as u64,
            frames: frames.len() as u32,
            bytes: bytes.len() as u32,
            from_us: frames[0].at_us,
            to_us: frames[frames.len() - 1].at_us,
            width: size.0,
            height: size.1,
        };
        Film::new(format, self.0.iter().enumerate().map(row), 1_763_650_387_000_000, 0).unwrap()
    }

    /// Seconds since the first picture.
    fn times(&self) -> Vec<f64> {
        let times = self.0.iter().flat_map(|(frames, ..)| frames.iter().map(|frame| frame.at_us));
        times.map(|at_us| (at_us - self.0[0].0[0].at_us) as f64 / 1e6).collect()
    }

    fn write(&mut self, format: FilmFormat, folder: &Path) -> PathBuf {
        let film = self.film(format);
        let path = folder.join(format!("film.{}", format.as_str()));
        let mut file = Vec::new();
        while (file.len() as u64) < film.len() {
            file.extend_from_slice(&film.read(file.len() as u64, 100_000, self).unwrap());
        }
        std::fs::write(&path, file).unwrap();
        path
    }
}

/// 25 fps with jitter, then 10 fps, then a gap of three seconds, then 25 fps again.
fn uneven() -> Reels {
    let size = (160, 120);
    let mut chunks = Vec::new();
    let mut now = 3_000_000;
    for (rate, seconds, pause) in [(25u64, 3, 0), (10, 3, 3_000_000), (25, 2, 0)] {
        for _ in 0..seconds {
            let at = |n: u64| now + n * 1_000_000 / rate + n * 7919 % 2000;
            chunks.push(((0..rate).map(at).collect(), size));
            now += 1_000_000;
        }
        now += pause;
    }
    Reels::new(&chunks)
}

/// ffmpeg's complaints, without "EOI missing", which it prints for every JPEG that it parses without decoding.
fn complaints(errors: &[u8]) -> Vec<String> {
    let errors = String::from_utf8_lossy(errors);
    let is_one = |line: &&str| !line.trim().is_empty() && !line.contains("EOI missing, emulating");
    errors.lines().filter(is_one).map(String::from).collect()
}

fn ask(program: &str, arguments: &[&str], file: &Path) -> String {
    let mut command = Command::new(program);
    command.args(arguments).arg(file).stdin(Stdio::null());
    let ran = command.output().unwrap();
    let complaints = complaints(&ran.stderr);
    assert!(ran.status.success() && complaints.is_empty(), "{program} of {}: {complaints:?}", file.display());
    String::from_utf8(ran.stdout).unwrap()
}

/// ffprobe's view of a file: time and bytes of each packet, number of decoded frames, duration.
fn probe(file: &Path) -> (Vec<(f64, u64)>, u64, f64) {
    let arguments = ["-v", "warning", "-of", "csv=p=0", "-show_entries", "packet=pts_time,size"];
    let packets = ask("ffprobe", &arguments, file);
    let packets = packets.lines().map(|line| {
        let mut fields = line.split(',');
        (fields.next().unwrap().parse().unwrap(), fields.next().unwrap().parse().unwrap())
    });
    let arguments = [
        "-v",
        "warning",
        "-of",
        "csv=p=0",
        "-count_frames",
        "-show_entries",
        "stream=nb_read_frames,duration",
    ];
    let stream = ask("ffprobe", &arguments, file);
    let (duration, frames) = stream.trim().split_once(',').unwrap();
    (packets.collect(), frames.parse().unwrap(), duration.parse().unwrap())
}

#[test]
fn ffprobe_agrees_on_every_picture_of_an_mp4() {
    if !has("ffprobe", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reels = uneven();
    let file = reels.write(FilmFormat::Mov, folder.path());
    let (packets, frames, duration) = probe(&file);
    let times = reels.times();
    assert_eq!((packets.len(), frames), (times.len(), times.len() as u64));
    for ((stated, _), is) in packets.iter().zip(&times) {
        assert!((stated - is).abs() < 2e-6, "{is} s is reported as {stated}");
    }
    let step = times[times.len() - 1] / (times.len() - 1) as f64;
    assert!((duration - times[times.len() - 1] - step).abs() < 1e-5, "{duration}");
    let arguments = [
        "-v",
        "error",
        "-of",
        "default=nk=1:nw=1",
        "-show_entries",
        "stream=codec_name,codec_tag_string,width,height:stream_tags=creation_time",
    ];
    assert_eq!(ask("ffprobe", &arguments, &file), "mjpeg\njpeg\n160\n120\n2025-11-20T14:53:07.000000Z\n");
}

#[test]
fn ffprobe_agrees_on_an_avi_within_a_step() {
    if !has("ffprobe", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reels = uneven();
    let file = reels.write(FilmFormat::Avi, folder.path());
    let (packets, frames, duration) = probe(&file);
    let times = reels.times();
    let pictures: Vec<f64> = packets.iter().filter(|(_, size)| *size > 0).map(|(time, _)| *time).collect();
    assert_eq!((pictures.len(), frames), (times.len(), times.len() as u64));
    let step = 0.042;
    for (stated, is) in pictures.iter().zip(&times) {
        assert!((stated - is).abs() <= step, "{is} s is reported as {stated}");
    }
    assert!((duration - times[times.len() - 1]).abs() < 4.0 * step, "{duration}");
}

#[test]
fn ffmpeg_decodes_every_picture_of_every_format_without_complaint() {
    if !has("ffmpeg", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut reels = uneven();
    for format in [FilmFormat::Mov, FilmFormat::Avi, FilmFormat::Mjpeg] {
        let file = reels.write(format, folder.path());
        let arguments = ["-v", "error", "-i", file.to_str().unwrap(), "-fps_mode", "passthrough"];
        let arguments = [&arguments[..], &["-vf", "scale=1:1,format=gray", "-f", "rawvideo"]].concat();
        let ran = Command::new("ffmpeg").args(arguments).arg("-").stdin(Stdio::null()).output().unwrap();
        let complaints = complaints(&ran.stderr);
        assert!(complaints.is_empty(), "{format:?}: {complaints:?}");
        assert_eq!(ran.stdout.len(), reels.times().len(), "{format:?}");
        for (n, seen) in ran.stdout.iter().enumerate() {
            assert!(seen.abs_diff(brightness(n)) <= 3, "{format:?}: picture {n} is {seen}");
        }
    }
}

#[test]
fn a_change_of_size_is_shown_as_it_is() {
    if !has("ffprobe", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let second = |n: u64| (0..10).map(|i| n * 1_000_000 + i * 100_000).collect();
    let mut reels = Reels::new(&[(second(0), (160, 120)), (second(1), (320, 240)), (second(2), (160, 120))]);
    for format in [FilmFormat::Mov, FilmFormat::Avi] {
        let file = reels.write(format, folder.path());
        let arguments = ["-v", "error", "-of", "csv=p=0", "-show_entries", "frame=width,height"];
        let want = (0..30).fold(String::new(), |mut want, n| {
            let size = if n / 10 == 1 { "320,240" } else { "160,120" };
            writeln!(want, "{size}").unwrap();
            want
        });
        assert_eq!(ask("ffprobe", &arguments, &file), want, "{format:?}");
    }
}

#[test]
fn opencv_counts_reads_and_seeks() {
    if !has(PYTHON, &["-c", "import cv2"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let size = (160, 120);
    let even: Vec<(Vec<u64>, (u32, u32))> =
        (0..5).map(|s| ((0..25).map(|n| s * 1_000_000 + n * 40_000).collect(), size)).collect();
    for (name, mut reels) in [("even", Reels::new(&even)), ("uneven", uneven())] {
        let count = reels.times().len();
        for format in [FilmFormat::Mov, FilmFormat::Avi] {
            let file = reels.write(format, folder.path());
            let sought = [0, count / 3, 7, count - 1];
            let mut python = Command::new(PYTHON);
            python.args(["-c", OPENCV]).arg(&file).args(sought.map(|n| n.to_string()));
            let ran = python.stdin(Stdio::null()).output().unwrap();
            let said = String::from_utf8(ran.stdout).unwrap();
            let lines: Vec<Vec<&str>> = said.lines().map(|line| line.split(' ').collect()).collect();
            let of = |word: &'static str| lines.iter().filter(move |line| line[0] == word);
            let number = |text: &str| text.parse::<f64>().unwrap();
            assert_eq!(of("size").next().unwrap()[1..], ["160", "120"]);
            assert_eq!(of("read").count(), count, "{name} {format:?}: {said}");
            for (n, line) in of("read").enumerate() {
                assert!(
                    (number(line[2]) - f64::from(brightness(n))).abs() <= 3.0,
                    "{name} {format:?}: {line:?}"
                );
            }
            if name == "uneven" {
                // OpenCV seeks by the mean rate. For a film that has none the test only requires that it reads again.
                assert!(of("sought").all(|line| number(line[2]) >= 0.0), "{format:?}: {said}");
                continue;
            }
            assert_eq!(of("count").next().unwrap()[1], count.to_string(), "{format:?}");
            assert!((number(of("fps").next().unwrap()[1]) - 25.0).abs() < 0.01, "{format:?}: {said}");
            for (line, n) in of("sought").zip(sought) {
                let want = f64::from(brightness(n));
                assert!((number(line[2]) - want).abs() <= 3.0, "{format:?}: {line:?} is not {want}");
            }
        }
    }
}

#[test]
fn odd_films_open() {
    if !has("ffprobe", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let size = (64, 48);
    // One picture; a picture an hour; equal times.
    let hourly: Vec<_> = (0..30).map(|n| (vec![n * 3_600_000_000], size)).collect();
    for (chunks, duration) in
        [(vec![(vec![7], size)], 1.0), (hourly, 30.0 * 3600.0), (vec![(vec![5, 5, 5], size)], 1.0)]
    {
        let mut reels = Reels::new(&chunks);
        let count = reels.times().len();
        for format in [FilmFormat::Mov, FilmFormat::Avi] {
            let (packets, frames, stated) = probe(&reels.write(format, folder.path()));
            let pictures = packets.iter().filter(|(_, size)| *size > 0).count();
            assert_eq!((pictures, frames), (count, count as u64), "{format:?}");
            assert!((stated - duration).abs() <= 0.01, "{format:?}: {stated} s, not {duration}");
        }
    }
}

#[test]
fn a_hundred_thousand_pictures_are_laid_out_at_once_and_probed() {
    if !has("ffprobe", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let picture = jpeg(3, (16, 16));
    let chunk = |s: u64| {
        let frames = (0..30).map(|n| FilmFrame {
            at_us: s * 1_000_000 + n * 33_333,
            offset: n as u32 * picture.len() as u32,
        });
        (frames.collect(), picture.repeat(30), (16, 16))
    };
    let mut reels = Reels((0..3334).map(chunk).collect());
    for format in [FilmFormat::Mov, FilmFormat::Avi] {
        let file = reels.write(format, folder.path());
        let arguments = [
            "-v",
            "warning",
            "-of",
            "csv=p=0",
            "-count_packets",
            "-show_entries",
            "stream=nb_read_packets,duration",
        ];
        let said = ask("ffprobe", &arguments, &file);
        let (duration, packets) = said.trim().split_once(',').unwrap();
        let (duration, packets): (f64, u64) = (duration.parse().unwrap(), packets.parse().unwrap());
        assert!((duration - 3334.0).abs() < 0.1, "{format:?}: {duration} s");
        assert_eq!(packets, 100_020, "{format:?}");
        std::fs::remove_file(file).unwrap();
    }
}
