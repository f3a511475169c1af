//! The fake camera behaves like a real one for Debian's `v4l2-ctl` and µStreamer.
//!
//! If one of them is not installed, its tests say so and are left out; with `CI=true` they fail.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/fakecam.rs"]
mod fakecam;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fakecam::{FakeCam, Stamp};

/// `program` is installed. Says so if not, and fails if every test must run.
fn have(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()));
    if !found {
        let message = format!("left out: {program} is not installed (apt install v4l-utils ustreamer)");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
        println!("{message}");
    }
    found
}

/// Runs `v4l2-ctl` on the camera; `None` if it is not installed.
fn v4l2_ctl(camera: &FakeCam, arguments: &[&str]) -> Option<Output> {
    have("v4l2-ctl")
        .then(|| camera.command("v4l2-ctl").arg("-d").arg(camera.path()).args(arguments).output().unwrap())
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Captures `count` frames with `v4l2-ctl` and returns their concatenated bytes.
fn capture(camera: &FakeCam, folder: &Path, count: usize, arguments: &[&str]) -> Option<Vec<u8>> {
    let file = folder.join("frames");
    let to = format!("--stream-to={}", file.display());
    let count = format!("--stream-count={count}");
    let mut all = vec!["--stream-mmap", &count, &to];
    all.extend(arguments);
    let output = v4l2_ctl(camera, &all)?;
    assert!(output.status.success(), "{}", text(&output));
    Some(std::fs::read(file).unwrap())
}

#[test]
fn v4l2_ctl_sees_a_camera_with_its_name_formats_sizes_and_rates() {
    let camera = FakeCam::new().formats("YUYV,MJPG").sizes("800x600,320x240").fps("25,7.5").name("Porch");
    let Some(all) = v4l2_ctl(&camera, &["--all"]) else { return };
    let all = text(&all);
    assert!(all.contains("Card type        : Porch"), "{all}");
    assert!(all.contains("Width/Height      : 800/600"), "{all}");
    assert!(all.contains("Bytes per Line    : 1600"), "{all}");
    assert!(all.contains("25.000 (25/1)"), "{all}");

    let formats = text(&v4l2_ctl(&camera, &["--list-formats-ext"]).unwrap());
    for wanted in ["[0]: 'YUYV'", "[1]: 'MJPG' (Motion-JPEG, compressed)", "Discrete 320x240", "(7.500 fps)"]
    {
        assert!(formats.contains(wanted), "{wanted} in {formats}");
    }
    assert_eq!(formats.matches("Discrete 800x600").count(), 2, "once for each format: {formats}");
}

#[test]
fn v4l2_ctl_sees_the_controls_and_a_menu_with_gaps() {
    let camera = FakeCam::new();
    let Some(list) = v4l2_ctl(&camera, &["--list-ctrls-menus"]) else { return };
    let list = text(&list);
    let line = |name: &str| list.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
    assert!(line("brightness").contains("(int)    : min=0 max=255 step=1 default=128 value=128"), "{list}");
    assert!(line("do_white_balance").contains("(button)"), "{list}");
    assert!(line("power_line_frequency").contains("value=2 (60 Hz)"), "{list}");
    for ruled in ["white_balance_temperature", "exposure_time_absolute", "focus_absolute"] {
        assert!(line(ruled).contains("flags=inactive"), "{ruled}: {list}");
    }
    let exposure: Vec<&str> = list
        .lines()
        .skip_while(|line| !line.contains("auto_exposure"))
        .skip(1)
        .take_while(|line| line.starts_with('\t'))
        .map(str::trim)
        .collect();
    assert_eq!(exposure, ["1: Manual Mode", "3: Aperture Priority Mode"], "0 and 2 are gaps");
}

#[test]
fn set_controls_are_logged_and_the_end_of_an_automatic_mode_frees_its_control() {
    let camera = FakeCam::new();
    let set = "--set-ctrl=brightness=200,focus_automatic_continuous=0,focus_absolute=13,auto_exposure=1";
    let Some(output) = v4l2_ctl(&camera, &[set, "--list-ctrls", "--get-ctrl=brightness,focus_absolute"])
    else {
        return;
    };
    let output = text(&output);
    assert!(output.contains("brightness: 200"), "{output}");
    assert!(output.contains("focus_absolute: 15"), "13 is rounded to a step of 5: {output}");
    for line in output.lines().filter(|l| l.contains("focus_absolute 0x") || l.contains("exposure_time")) {
        assert!(!line.contains("inactive"), "{line}");
    }
    let log = camera.log();
    for wanted in ["ctrl brightness=200", "ctrl focus_absolute=15", "ctrl auto_exposure=1"] {
        assert!(log.contains(wanted), "{wanted} in {log}");
    }
    let refused = text(&v4l2_ctl(&camera, &["--set-ctrl=auto_exposure=2"]).unwrap());
    assert!(refused.contains("Invalid argument"), "a gap of the menu: {refused}");
}

#[test]
fn a_camera_may_have_no_focus_or_no_controls_at_all() {
    let Some(list) = v4l2_ctl(&FakeCam::new().faults("nofocus"), &["--list-ctrls"]) else { return };
    assert!(text(&list).contains("brightness") && !text(&list).contains("focus"), "{}", text(&list));
    let none = text(&v4l2_ctl(&FakeCam::new().faults("nocontrols"), &["--list-ctrls"]).unwrap());
    assert_eq!(none.trim(), "");
}

#[test]
fn every_raw_frame_carries_its_stamp() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["YUYV", "UYVY", "NV12", "YU12", "GREY"] {
        let camera = FakeCam::new().formats(format).sizes("320x240").fps("200");
        let Some(bytes) = capture(&camera, folder.path(), 20, &[]) else { return };
        let bits = match format {
            "GREY" => 8,
            "NV12" | "YU12" => 12,
            _ => 16,
        };
        let size = 320 * 240 * bits / 8;
        assert_eq!(bytes.len(), 20 * size, "{format}");
        let stamps: Vec<Stamp> = bytes
            .chunks(size)
            .map(|frame| {
                let luma = |x: usize, y: usize| match format {
                    "YUYV" => frame[(y * 320 + x) * 2],
                    "UYVY" => frame[(y * 320 + x) * 2 + 1],
                    _ => frame[y * 320 + x],
                };
                Stamp::in_pixels(luma, 320).expect("a stamp")
            })
            .collect();
        for pair in stamps.windows(2) {
            assert!(pair[1].sequence > pair[0].sequence && pair[1].micros > pair[0].micros, "{pair:?}");
        }
    }
}

#[test]
fn padded_rows_are_announced_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let camera = FakeCam::new().formats("YUYV").sizes("328x240").stride(256);
    let Some(format) = v4l2_ctl(&camera, &["--get-fmt-video"]) else { return };
    assert!(text(&format).contains("Bytes per Line    : 768"), "{}", text(&format));
    let bytes = capture(&camera, folder.path(), 3, &[]).unwrap();
    assert_eq!(bytes.len(), 3 * 768 * 240);
    for frame in bytes.chunks(768 * 240) {
        assert!(Stamp::in_pixels(|x, y| frame[y * 768 + x * 2], 328).is_some());
    }
}

#[test]
fn compressed_frames_are_whole_jpegs_with_the_stamp() {
    let folder = tempfile::tempdir().unwrap();
    let camera = FakeCam::new().formats("MJPG").sizes("640x480").fps("200");
    let Some(bytes) = capture(&camera, folder.path(), 10, &[]) else { return };
    let starts: Vec<usize> =
        (0..bytes.len() - 2).filter(|&i| bytes[i..i + 3] == [0xff, 0xd8, 0xff]).collect();
    assert_eq!(starts.len(), 10);
    for (i, &start) in starts.iter().enumerate() {
        let jpeg = &bytes[start..*starts.get(i + 1).unwrap_or(&bytes.len())];
        assert!(jpeg.ends_with(&[0xff, 0xd9]));
        assert!(Stamp::in_jpeg(jpeg).is_some());
    }
}

#[test]
fn a_camera_that_is_denied_busy_or_without_bandwidth_says_so() {
    let words =
        [("deny", "Permission denied"), ("busy", "Device or resource busy"), ("nospace", "No space left")];
    for (fault, message) in words {
        let Some(output) = v4l2_ctl(&FakeCam::new().faults(fault), &["--stream-mmap", "--stream-count=1"])
        else {
            return;
        };
        assert!(text(&output).contains(message), "{fault}: {}", text(&output));
    }
    let camera = FakeCam::new();
    camera.control("busy");
    let output = v4l2_ctl(&camera, &["--stream-mmap", "--stream-count=1"]).unwrap();
    assert!(text(&output).contains("busy"), "{}", text(&output));
    camera.control("well");
    assert!(v4l2_ctl(&camera, &["--stream-mmap", "--stream-count=1"]).unwrap().status.success());
}

#[test]
fn broken_frames_have_the_lengths_they_should() {
    let folder = tempfile::tempdir().unwrap();
    let whole = 320 * 240 * 2;
    for (fault, lost) in [("short@2:0.25", whole * 3 / 4), ("badlen@2", 121)] {
        let camera = FakeCam::new().formats("YUYV").sizes("320x240").fps("200").faults(fault);
        let Some(bytes) = capture(&camera, folder.path(), 5, &[]) else { return };
        assert_eq!(bytes.len(), 5 * whole - lost, "{fault}");
    }
    // v4l2-ctl does not count an empty frame and takes one more.
    let camera = FakeCam::new().formats("YUYV").sizes("320x240").fps("200").faults("empty@2");
    let bytes = capture(&camera, folder.path(), 5, &[]).unwrap();
    assert_eq!(bytes.len(), 5 * whole);
    let log = camera.wait_for_log("pacer end");
    let filled: u32 = log.split("filled=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(filled >= 6, "{log}");
}

#[test]
fn an_unplugged_camera_is_gone_and_comes_back_when_plugged_in() {
    if !have("v4l2-ctl") {
        return;
    }
    let camera = FakeCam::new().sizes("320x240").fps("100");
    let mut stream = Running::start(
        camera
            .command("v4l2-ctl")
            .arg("-d")
            .arg(camera.path())
            .args(["--stream-mmap", "--stream-count=100000"]),
    );
    camera.wait_for_log("streamon");
    camera.control("unplug");
    stream.wait();
    assert!(!camera.path().exists(), "the node goes");
    assert!(camera.log().contains("unplug for"));

    // Another process finds the camera gone until it is plugged in.
    let mut other = Running::start(camera.command("sleep").arg("600"));
    assert!(!v4l2_ctl(&camera, &["--all"]).unwrap().status.success());
    camera.control("plug");
    camera.wait_for_log(" plug");
    assert!(v4l2_ctl(&camera, &["--stream-mmap", "--stream-count=3"]).unwrap().status.success());
    other.stop();
}

#[test]
fn two_processes_cannot_stream_at_once() {
    if !have("v4l2-ctl") {
        return;
    }
    let camera = FakeCam::new().sizes("320x240");
    let mut first = Running::start(
        camera
            .command("v4l2-ctl")
            .arg("-d")
            .arg(camera.path())
            .args(["--stream-mmap", "--stream-count=100000"]),
    );
    camera.wait_for_log("streamon");
    let second = v4l2_ctl(&camera, &["--stream-mmap", "--stream-count=1"]).unwrap();
    assert!(text(&second).contains("busy"), "{}", text(&second));
    first.stop();
}

#[test]
fn ustreamer_serves_it_encoded_and_passed_through() {
    if !have("ustreamer") {
        return;
    }
    for (mode, passed_through) in [("YUYV", false), ("MJPEG", true)] {
        let camera = FakeCam::new().sizes("320x240");
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("http");
        let mut server = Running::start(
            camera
                .command("ustreamer")
                .arg("-d")
                .arg(camera.path())
                .args(["-r", "320x240", "-m", mode, "--unix"])
                .arg(&socket),
        );
        // Until the first frame it serves a larger picture of its own.
        let deadline = Instant::now() + Duration::from_secs(60);
        let jpeg = loop {
            let jpeg = snapshot(&socket);
            if size_of(&jpeg) == Some((320, 240)) {
                break jpeg;
            }
            assert!(Instant::now() < deadline, "no picture: {}", camera.log());
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(jpeg.ends_with(&[0xff, 0xd9]));
        assert_eq!(Stamp::in_jpeg(&jpeg).is_some(), passed_through, "{mode}");
        server.stop();
    }
}

/// A program that ends when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn wait(&mut self) {
        self.0.wait().unwrap();
    }

    fn stop(&mut self) {
        let _ = self.0.kill();
        self.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The body of `GET /snapshot`; empty while nobody listens.
fn snapshot(socket: &Path) -> Vec<u8> {
    let mut answer = Vec::new();
    if let Ok(mut stream) = UnixStream::connect(socket) {
        stream.write_all(b"GET /snapshot HTTP/1.0\r\n\r\n").unwrap();
        let _ = stream.read_to_end(&mut answer);
    }
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
    answer.split_off(body)
}

/// Width and height from the frame header of a JPEG.
fn size_of(jpeg: &[u8]) -> Option<(u16, u16)> {
    let at = jpeg.windows(4).position(|w| w == [0xff, 0xc0, 0, 17])?;
    let number = |i: usize| u16::from_be_bytes([jpeg[at + i], jpeg[at + i + 1]]);
    Some((number(7), number(5)))
}
