//! Real client programs on the program with a V4L2 camera: curl, ffmpeg and Python's OpenCV read the stream at the
//! same time and at full rate. None of them has to reconnect when the camera is unplugged and comes back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "common/fakecam.rs"]
mod fakecam;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::daemon::Daemon;
use common::wait_until;
use fakecam::{FakeCam, Stamp};

/// Debian's own Python, because Debian's OpenCV is installed for it.
const PYTHON: &str = "/usr/bin/python3";

/// Reads a stream as any OpenCV program does, and prints the number of pictures after each.
const OPENCV: &str = "
import cv2, sys
video = cv2.VideoCapture(sys.argv[1])
count = 0
while True:
    good, picture = video.read()
    if not good: break
    count += 1
    print(count, picture.shape[1], picture.shape[0], flush=True)
";

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `program` is installed. In CI it must be.
fn has(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    let has = ran.is_ok_and(|status| status.success());
    if !has {
        println!("LEFT OUT: {program} {} does not run here", arguments.join(" "));
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{program} is missing");
    }
    has
}

fn serve(camera: &FakeCam) -> Daemon {
    let device = format!("source.device=\"{}\"", camera.path().display());
    let sets = ["source.kind=\"v4l2\"", &device, "source.format=\"MJPG\""];
    let arguments = sets.map(|set| ["--set", set]).concat();
    Daemon::start(camera.command(env!("CARGO_BIN_EXE_tallycam")), &arguments)
}

fn curl(address: SocketAddr, into: &Path) -> Running {
    let curl =
        Command::new("curl").arg("-sN").arg("-o").arg(into).arg(format!("http://{address}/stream")).spawn();
    Running(curl.unwrap())
}

fn ffmpeg(address: SocketAddr, into: &Path) -> Running {
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-f", "mpjpeg", "-i"])
        .arg(format!("http://{address}/stream"))
        .args(["-c", "copy", "-flush_packets", "1", "-f", "mjpeg"])
        .arg(into)
        .spawn();
    Running(ffmpeg.unwrap())
}

/// OpenCV, with the number and sizes of the pictures that it has read.
struct OpenCv {
    _running: Running,
    count: Arc<AtomicU64>,
    sizes: Arc<Mutex<Vec<String>>>,
}

fn opencv(address: SocketAddr) -> OpenCv {
    let mut python = Command::new(PYTHON)
        .args(["-c", OPENCV])
        .arg(format!("http://{address}/stream.mjpg"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(python.stdout.take().unwrap()).lines();
    let (count, sizes) = (Arc::new(AtomicU64::new(0)), Arc::new(Mutex::new(Vec::new())));
    let (counting, seen) = (Arc::clone(&count), Arc::clone(&sizes));
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let (number, size) = line.split_once(' ').unwrap();
            if !seen.lock().unwrap().iter().any(|s| s == size) {
                seen.lock().unwrap().push(size.to_owned());
            }
            counting.store(number.parse().unwrap(), Ordering::Relaxed);
        }
    });
    OpenCv { _running: Running(python), count, sizes }
}

struct Readers {
    camera: FakeCam,
    daemon: Daemon,
    files: [PathBuf; 2],
    opencv: OpenCv,
    _running: [Running; 2],
    _folder: tempfile::TempDir,
}

impl Readers {
    /// A camera, the daemon, and the three readers; `None` if a program is missing.
    fn start() -> Option<Readers> {
        let all =
            has("curl", &["--version"]) && has("ffmpeg", &["-version"]) && has(PYTHON, &["-c", "import cv2"]);
        all.then(|| {
            let folder = tempfile::tempdir().unwrap();
            let files = [folder.path().join("curl"), folder.path().join("ffmpeg.mjpeg")];
            let camera = FakeCam::new().formats("MJPG").sizes("640x480").fps("10");
            let daemon = serve(&camera);
            let running = [curl(daemon.address, &files[0]), ffmpeg(daemon.address, &files[1])];
            let opencv = opencv(daemon.address);
            Readers { camera, daemon, files, opencv, _running: running, _folder: folder }
        })
    }

    fn read_by_opencv(&self) -> u64 {
        self.opencv.count.load(Ordering::Relaxed)
    }
}

/// The complete JPEGs in a file, without the bytes between them and without an incomplete last one.
fn jpegs(path: &PathBuf) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = bytes[at..].windows(3).position(|w| w == [0xff, 0xd8, 0xff]) {
        let start = at + start;
        let Some(len) = tallycam::media::jpeg::end_of_picture(&bytes[start..], 0) else { break };
        found.push(bytes[start..start + len].to_vec());
        at = start + len;
    }
    found
}

/// The camera's numbers of the pictures in a file; still cards have none.
fn numbers(path: &PathBuf) -> Vec<Option<u32>> {
    jpegs(path).iter().map(|jpeg| Stamp::in_jpeg(jpeg).map(|stamp| stamp.sequence)).collect()
}

#[test]
fn curl_ffmpeg_and_opencv_read_at_once_at_full_rate() {
    let Some(readers) = Readers::start() else { return };
    let (daemon, files) = (&readers.daemon, &readers.files);
    // Reading whole files without a pause would leave the program too little of a small machine.
    wait_until("each has read 60 pictures", || {
        std::thread::sleep(Duration::from_millis(500));
        readers.read_by_opencv() > 60 && files.iter().all(|path| numbers(path).len() > 60)
    });
    let seen = files.each_ref().map(|path| numbers(path).into_iter().flatten().collect::<Vec<u32>>());
    let state = daemon.state();
    assert_eq!(state["viewers"], 3, "{state}");
    assert_eq!(readers.opencv.sizes.lock().unwrap()[..], ["640 480"]);
    // Full rate: between the first and the last picture hardly any is missing. Exceptions are those that the camera
    // itself left out and those that a reader skipped because it fell behind, for example on a busy machine. The
    // metrics have the sum of the skips, which is never the larger part.
    let metrics = common::client::get(daemon.address, "/metrics");
    let metric = metrics.text().lines().find(|line| line.starts_with("tallycam_viewer_skips_total")).unwrap();
    let skips: u64 = metric.rsplit_once(' ').unwrap().1.parse().unwrap();
    let lost = state["lost"].as_u64().unwrap();
    for numbers in seen {
        let made = u64::from(numbers.last().unwrap() - numbers[0] + 1).saturating_sub(lost);
        assert!(numbers.is_sorted_by(|a, b| a <= b));
        let read = numbers.len() as u64;
        assert!((read + skips) * 10 >= made * 9, "{read} of {made} pictures, {skips} skipped");
        assert!(read * 2 >= made, "{read} of {made} pictures");
    }
    let parts = std::fs::read(&files[0]).unwrap();
    let first = jpegs(&files[0])[0].len();
    assert!(String::from_utf8_lossy(&parts[..200]).contains(&format!("\r\nContent-Length: {first}\r\n")));
}

#[test]
fn an_unplugged_camera_that_returns_disconnects_nobody() {
    let Some(readers) = Readers::start() else { return };
    let (camera, daemon, files) = (&readers.camera, &readers.daemon, &readers.files);
    wait_until("all three see the camera", || {
        files.iter().all(|path| numbers(path).iter().flatten().count() > 5) && readers.read_by_opencv() > 5
    });
    camera.control("unplug");
    wait_until("the state says so", || {
        let state = daemon.state();
        matches!(state["state"].as_str(), Some("unplugged" | "absent"))
    });
    wait_until("both files hold a still card", || files.iter().all(|path| numbers(path).contains(&None)));
    let read_before = readers.read_by_opencv();
    camera.control("plug");
    wait_until("it is live again", || daemon.state()["state"] == "live");
    wait_until("all three see the camera again, on the same connections", || {
        files.iter().all(|path| {
            let numbers = numbers(path);
            let card = numbers.iter().rposition(Option::is_none).unwrap();
            numbers.len() - card > 10
        }) && readers.read_by_opencv() > read_before + 10
    });
    assert_eq!(daemon.state()["viewers"], 3);
    // The card had the camera's size, so no reader had to cope with a new size.
    assert_eq!(readers.opencv.sizes.lock().unwrap()[..], ["640 480"]);
}
