//! The program on a small disk that fills up during a recording: it goes on streaming and counting, reports the
//! fault, and records again when there is room.
//!
//! And on a disk that refuses writes. The disk is a tmpfs, which needs the right to mount; without it the tests say
//! that they are left out.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::client::{Client, ask, get, send_json};
use crate::common::daemon::Daemon;
use crate::common::{say, wait_until};
use serde_json::{Value, json};
use tallycam::store::media::check_offline;

/// A file system of a few megabytes, unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        mounted.is_ok_and(|status| status.success()).then(|| SmallDisk(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Remounts it `rw` or `ro`; true if this machine allows it.
    fn remount(&self, how: &str) -> bool {
        let options = format!("remount,{how}");
        let mount =
            Command::new("mount").args(["-o", &options]).arg(self.path()).stderr(Stdio::null()).status();
        mount.is_ok_and(|status| status.success())
    }

    /// Takes all that is free; called again, also what has come free since.
    fn fill(&self) {
        let mut ballast =
            std::fs::File::options().create(true).append(true).open(self.path().join("ballast")).unwrap();
        for len in [64 << 10, 4096, 1] {
            while ballast.write_all(&vec![1; len]).is_ok() {}
        }
    }

    /// Fills it except for `left` bytes.
    fn fill_but(&self, left: u64) {
        self.fill();
        let ballast = std::fs::File::options().write(true).open(self.path().join("ballast")).unwrap();
        ballast.set_len(ballast.metadata().unwrap().len() - left).unwrap();
    }

    fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, in case something still has it open.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn post(daemon: &Daemon, path: &str) -> Value {
    let answer = send_json(daemon.address, "POST", path, &json!({}));
    assert!(matches!(answer.status, 200 | 201), "{path}: {}", answer.text());
    answer.json()
}

/// Deleting, changing settings and lines, and the end of a recording work on a full disk, and crossings are stored.
/// Without the ballast they wait, which one sentence says, and all of it goes on as soon as there is room.
#[test]
fn a_full_disk_is_no_dead_end() {
    let Some(disk) = SmallDisk::mount("48m") else {
        say("left out: nothing can be mounted here");
        return;
    };
    let state = disk.path().join("state");
    let settings = "[detect]\nbackend = \"none\"\n\n[retention]\nmin_free = \"0B\"\n";
    std::fs::create_dir(&state).unwrap();
    std::fs::write(state.join("settings.toml"), settings).unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.args(["--config", "/dev/null"]);
    let directory = format!("store.directory={}", state.display());
    let mut sets = vec!["--set", &directory];
    for set in ["source.kind=sim", "source.width=320", "source.height=180"] {
        sets.extend(["--set", set]);
    }
    let mut daemon = Daemon::start(program, &sets);
    let patch = |path: &str, body: Value| send_json(daemon.address, "PATCH", path, &body);
    let recording = || get(daemon.address, "/api/v1/recording").json();
    wait_until("it has its store", || get(daemon.address, "/api/v1/media").status == 200);
    let id = post(&daemon, "/api/v1/recordings")["id"].as_u64().unwrap();
    wait_until("it records", || recording()["now"]["frames"].as_u64() > Some(30));
    assert!(state.join(BALLAST).exists());
    disk.fill();
    wait_until("pictures are dropped", || recording()["dropped"].as_u64() > Some(10));

    let item = post(&daemon, "/api/v1/recording/stop");
    assert_eq!((item["id"].as_u64(), &item["open"]), (Some(id), &json!(false)), "{item}");
    let media = get(daemon.address, "/media").text().to_owned();
    assert!(!media.to_lowercase().contains("recording now"), "{media}");
    let changed =
        patch("/api/v1/settings", json!({"retention.recordings_age": "30d", "detect.backend": "motion"}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let line = json!({"name": "Gate", "a": [0.2, 0.0], "b": [0.2, 1.0]});
    let drawn = send_json(daemon.address, "POST", "/api/v1/lines", &line);
    assert_eq!(drawn.status, 201, "{}", drawn.text());
    let note = patch(&format!("/api/v1/media/{id}"), json!({"note": "a word"}));
    assert_eq!(note.status, 200, "{}", note.text());
    let gone = send_json(daemon.address, "DELETE", &format!("/api/v1/media/{id}"), &json!({}));
    assert_eq!(gone.status, 204, "{}", gone.text());

    let _ = std::fs::remove_file(state.join(BALLAST));
    disk.make_room();
    wait_until("the ballast is made again", || state.join(BALLAST).exists());
    std::fs::remove_file(state.join(BALLAST)).unwrap();
    // media.db still gives back the room of what was deleted, at a time of its own.
    wait_until("crossings wait", || {
        disk.fill();
        figure(&daemon, "tallycam_counts_db_healthy") == 0
    });
    // Until somebody crosses, nothing waits.
    let words = ["waiting to be saved.", "counts.db cannot be written."];
    let waits = || {
        let banners = banners(&daemon);
        banners.len() == 1 && words.iter().any(|words| banners[0].contains(words))
    };
    wait_until("one banner says so", waits);
    let backup = get(daemon.address, "/api/v1/backup");
    assert_eq!(backup.status, 507, "{}", backup.text());
    disk.make_room();
    wait_until("they are stored", || figure(&daemon, "tallycam_counts_db_healthy") == 1);
    wait_until("no banner is left", || banners(&daemon).is_empty());
    daemon.kill();
    assert_eq!(check_offline(&state, false).unwrap().faults, Vec::<String>::new());
}

/// The file that gives room on a full disk.
const BALLAST: &str = "ballast.bin";

/// The faults that the page Media shows in banners.
fn banners(daemon: &Daemon) -> Vec<String> {
    let page = get(daemon.address, "/media").text().to_owned();
    let found = page.split("class=\"banner trouble\"").skip(1);
    found.map(|rest| rest.split_once("</p>").map_or(rest, |(words, _)| words).to_owned()).collect()
}

/// A value of `/metrics`, by name and labels, such as `name{camera="camera"} 7`.
fn figure(daemon: &Daemon, name: &str) -> u64 {
    let answer = get(daemon.address, "/metrics");
    let (_, value) = answer
        .text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "))
        .unwrap_or_else(|| panic!("no {name}"));
    value.parse::<f64>().unwrap() as u64
}

#[test]
fn a_disk_that_fills_up_stops_no_stream_and_no_counting() {
    let Some(disk) = SmallDisk::mount("48m") else {
        say("left out: nothing can be mounted here");
        return;
    };
    let config = tempfile::NamedTempFile::new().unwrap();
    let state = disk.path().join("state");
    std::fs::write(
        config.path(),
        format!(
            "[source]\nkind = \"sim\"\nwidth = 320\nheight = 180\n\n[detect]\nbackend = \"motion\"\n\n\
             [store]\ndirectory = \"{}\"\n\n[retention]\nmin_free = \"0B\"\n\n\
             [[line]]\nname = \"Door\"\na = [0.5, 0.0]\nb = [0.5, 1.0]\n",
            state.display()
        ),
    )
    .unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
    program.arg("--config").arg(config.path());
    let mut daemon = Daemon::start(program, &[]);
    let storage = || get(daemon.address, "/api/v1/media/storage").json();
    let recording = || get(daemon.address, "/api/v1/recording").json();
    let frames = || recording()["now"]["frames"].as_u64().unwrap_or(0);
    wait_until("it counts", || figure(&daemon, "tallycam_detections_total") > 5);
    let id = post(&daemon, "/api/v1/recordings")["id"].as_u64().unwrap();
    wait_until("it records", || frames() > 30);

    disk.fill();
    wait_until("pictures are dropped", || recording()["dropped"].as_u64() > Some(10));
    let full = storage();
    assert_eq!(full["full"], true, "{full}");
    let says = |words: &str| matches!(&banners(&daemon)[..], [one] if one.contains("Disk full") && one.contains(words));
    wait_until("one banner says so", || says("Snapshots and recordings cannot be saved. Counting goes on."));
    wait_until("counts.db has the room of the ballast", || {
        figure(&daemon, "tallycam_counts_db_healthy") == 1
    });
    let refused = send_json(daemon.address, "POST", "/api/v1/snapshots", &json!({}));
    assert_eq!(refused.status, 507, "{}", refused.text());
    let mut viewer = Client::new(TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream");
    for _ in 0..30 {
        viewer.part().expect("a picture");
    }
    let looks = figure(&daemon, "tallycam_detections_total");
    wait_until("it counts on", || figure(&daemon, "tallycam_detections_total") > looks + 10);
    assert_eq!(recording()["now"]["id"], id, "it is the same recording");

    disk.make_room();
    wait_until("it is well again", || storage()["fault"].is_null() && recording()["fault"].is_null());
    let before = frames();
    wait_until("it records on", || frames() > before + 60);
    wait_until("counts.db is well, too", || figure(&daemon, "tallycam_counts_db_healthy") == 1);
    let item = post(&daemon, "/api/v1/recording/stop");
    assert_eq!(item["id"], id);
    assert!(item["gaps"].as_u64() >= Some(1) && item["frames"].as_u64() > Some(90), "{item}");
    let report = post(&daemon, "/api/v1/media/check");
    assert_eq!(report["faults"], Value::Array(Vec::new()));
    say(&format!(
        "the disk was full: {} pictures dropped, {} gaps, {} pictures kept",
        recording()["dropped"],
        item["gaps"],
        item["frames"]
    ));
    daemon.kill();
    let report = check_offline(&state, false).unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
}

/// The announced part is stored. The lost end is reported, too: at once, or as soon as it can be written.
#[test]
fn a_recording_that_is_stopped_on_a_full_disk_reports_its_lost_end() {
    for (left, has_ballast) in [(3 << 20, true), (0, true), (0, false)] {
        let Some(disk) = SmallDisk::mount("32m") else {
            say("left out: nothing can be mounted here");
            return;
        };
        let state = disk.path().join("state");
        let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        program.args(["--config", "/dev/null"]);
        let directory = format!("store.directory={}", state.display());
        let mut sets = vec!["--set", &directory, "--set", "retention.min_free=0B"];
        for set in ["source.kind=sim", "source.width=320", "source.height=180", "detect.backend=none"] {
            sets.extend(["--set", set]);
        }
        let mut daemon = Daemon::start(program, &sets);
        let recording = || get(daemon.address, "/api/v1/recording").json();
        wait_until("it has its store", || get(daemon.address, "/api/v1/media").status == 200);
        let id = post(&daemon, "/api/v1/recordings")["id"].as_u64().unwrap();
        wait_until("it records", || recording()["now"]["frames"].as_u64() > Some(30));
        if !has_ballast {
            std::fs::remove_file(state.join(BALLAST)).unwrap();
        }
        disk.fill_but(left);
        wait_until("pictures are dropped", || recording()["dropped"].as_u64() > Some(10));
        let status_now = recording()["now"].clone();
        let stop = ask(
            daemon.address,
            "POST /api/v1/recording/stop HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 0\r\n\r\n",
        );
        if !has_ballast {
            assert_eq!(stop.status, 507, "{}", stop.text());
            let detail = stop.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.starts_with("the recording has ended, and is closed when"), "{detail}");
            disk.make_room();
        } else {
            assert_eq!(stop.status, 200, "{}", stop.text());
        }
        let item = || get(daemon.address, &format!("/api/v1/media/{id}")).json();
        wait_until("it is closed", || item()["open"] == false);
        let item = item();
        assert_eq!(item["frames"], status_now["frames"], "{item} {status_now}");
        assert_eq!(
            item["gaps"].as_u64(),
            status_now["gaps"].as_u64().map(|gaps| gaps + 1),
            "{item} {status_now}"
        );
        assert!(recording()["dropped"].as_u64() > Some(30), "{}", recording());
        assert_eq!(daemon.log().matches("the end of recording").count(), 1, "{}", daemon.log());
        if has_ballast && left == 0 {
            let is_full = || daemon.state()["storage"]["full"] == true;
            wait_until("the disk counts as full while the ballast is used up", is_full);
        }
        if has_ballast {
            disk.make_room();
        }
        let report = post(&daemon, "/api/v1/media/check");
        assert_eq!(report["faults"], Value::Array(Vec::new()));
        daemon.kill();
    }
}

/// The stored data stay as they are, the stream goes on, the fault is reported, and pictures are stored again as soon
/// as possible.
#[test]
fn a_disk_that_cannot_be_written_to_stops_no_stream() {
    let Some(disk) = SmallDisk::mount("48m") else {
        say("left out: nothing can be mounted here");
        return;
    };
    let state = disk.path().join("state");
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(
        config.path(),
        format!(
            "[source]\nkind = \"sim\"\nwidth = 320\nheight = 180\n\n[detect]\nbackend = \"none\"\n\n\
             [store]\ndirectory = \"{}\"\n\n[retention]\nmin_free = \"0B\"\n",
            state.display()
        ),
    )
    .unwrap();
    let start = || {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        program.arg("--config").arg(config.path());
        Daemon::start(program, &[])
    };
    let list = |daemon: &Daemon| get(daemon.address, "/api/v1/media").status;
    let mut daemon = start();
    wait_until("it keeps", || list(&daemon) == 200);
    let first = post(&daemon, "/api/v1/snapshots")["id"].as_u64().unwrap();
    daemon.kill();
    let before = std::fs::read(state.join("media.db")).unwrap();
    if !disk.remount("ro") {
        say("left out: nothing can be mounted again here");
        return;
    }

    let daemon = start();
    assert_eq!(list(&daemon), 503);
    let trouble = daemon.state()["storage"]["fault"].as_str().unwrap_or_default().to_owned();
    assert!(trouble.to_lowercase().contains("read-only"), "{trouble:?} has no reason");
    let mut viewer = Client::new(TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream");
    for _ in 0..10 {
        viewer.part().expect("a picture");
    }
    assert!(std::fs::read(state.join("media.db")).unwrap() == before, "it was changed");

    assert!(disk.remount("rw"));
    wait_until("it has its store", || list(&daemon) == 200);
    let second = post(&daemon, "/api/v1/snapshots")["id"].as_u64().unwrap();
    assert!(second > first);
    assert_eq!(get(daemon.address, &format!("/api/v1/media/{first}")).status, 200);
}
