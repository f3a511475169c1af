//! A file system that hangs below `[source] path`: the camera is silent, and nobody waits for it.

use std::fs;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::common::client::{self, Client};
use crate::common::daemon::Daemon;
use crate::common::hung::Hung;
use crate::common::items::jpeg;
use crate::common::wait_until;
use serde_json::json;

/// The hanging thread is left behind. Generous, and far below the time for which the file hangs.
const SOON: Duration = Duration::from_secs(15);

#[test]
fn hanging_files_make_a_silent_camera_and_delay_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("1.jpg");
    fs::write(&picture, jpeg(1)).unwrap();
    let _hung = Hung::new(&picture);
    let path = format!("source.path={}", picture.display());
    let sets = ["source.kind=files", &path, "source.silent_after=1s", "source.failed_reads=1"];
    let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
    let program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let mut daemon = Daemon::start(program, &[&sets[..], &["--set", "detect.backend=none"]].concat());
    let mut viewer = Client::new(TcpStream::connect(daemon.address).unwrap());
    viewer.send("GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_until("it is silent", || daemon.state()["state"] == "silent");
    let reason = daemon.state()["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("the thread files waits for its file system"), "{reason}");
    assert_eq!(client::get(daemon.address, "/health").text(), "False");

    let began = Instant::now();
    let quality = json!({"stream.quality": 70});
    let changed = client::send_json(daemon.address, "PATCH", "/api/v1/settings", &quality);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert!(daemon.stop().success(), "{}", daemon.said());
    assert!(began.elapsed() < SOON, "it took {:?}: {}", began.elapsed(), daemon.said());
}
