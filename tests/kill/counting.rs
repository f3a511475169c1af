//! `kill -9` during counting, over and over: every announced crossing is stored, exactly once.
//!
//! `cargo test` kills it five times, `make kill` a hundred (`TALLYCAM_KILLS`), which is about two thousand crossings.
//! Movers in many lanes cross one line, from recorded detections. A client reads the crossings as they are announced,
//! and resumes from the last number it knows, like any EventSource. The test prints its figures.
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::common::client::get;
use crate::common::daemon::Daemon;
use crate::common::{DEADLINE, say};

/// Crossings announced before each kill.
const CROSSINGS_PER_LIFE: usize = 21;

/// Lanes one below the other. In each an object moves from left to right every two seconds.
const LANES: usize = 28;

/// The recording's frames, more than any life reaches.
const FRAMES: usize = 2400;

/// Frames between the departures in one lane, and frames from one side to the other.
const EVERY: usize = 50;
const TAKES: usize = 36;

#[test]
fn announced_crossings_survive_a_kill() {
    let kills: usize = std::env::var("TALLYCAM_KILLS").map_or(5, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("detections.csv");
    std::fs::write(&recording, recorded()).unwrap();

    let mut known = BTreeMap::new();
    for life in 0..kills {
        let mut daemon = start(folder.path(), &recording, "replay");
        let before = known.len();
        let mut events = Events::after(daemon.address, last(&known));
        while known.len() < before + CROSSINGS_PER_LIFE {
            events.next(&mut known);
        }
        // The number varies, to reach other points of a transaction.
        for _ in 0..life % 7 {
            events.next(&mut known);
        }
        daemon.kill();
        // Crossings still in the socket were announced, too.
        events.drain(&mut known);
    }

    // Counting is off now. The client gets the crossings that it missed, and then knows all.
    let daemon = start(folder.path(), &recording, "none");
    let counts_db = counts_db(daemon.address);
    let mut events = Events::after(daemon.address, last(&known));
    while known.len() < counts_db.len() {
        events.next(&mut known);
    }
    assert_eq!(known, counts_db, "announced crossings, and stored ones");
    let names: std::collections::BTreeSet<&String> = counts_db.values().collect();
    assert_eq!(names.len(), counts_db.len(), "a crossing is stored twice");
    let sums = get(daemon.address, "/api/v1/counts?from=-2d&bucket=total&by=line").json();
    let sum: u64 = sums["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|i| i["in"].as_u64().unwrap_or(0) + i["out"].as_u64().unwrap_or(0))
        .sum();
    assert_eq!(sum, counts_db.len() as u64, "the sums are those of the crossings: {sums}");
    say(&format!(
        "kill: {kills} kills, {} crossings announced, {} on record, none twice",
        known.len(),
        counts_db.len()
    ));
}

fn last(known: &BTreeMap<u64, String>) -> u64 {
    known.last_key_value().map_or(0, |(id, _)| *id)
}

fn start(folder: &Path, recording: &Path, backend: &str) -> Daemon {
    let sets = [
        String::from("source.kind=sim"),
        String::from("source.width=320"),
        String::from("source.height=180"),
        format!("detect.backend={backend}"),
        format!("detect.replay={}", recording.display()),
        String::from("detect.fps=30"),
        format!("store.directory={}", folder.join("data").display()),
        String::from("line=[{name = \"Middle\", a = [0.5, 1.0], b = [0.5, 0.0]}]"),
    ];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set.as_str()]).collect();
    Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments)
}

/// Recorded detections of pictures of 320 × 180 pixels.
fn recorded() -> String {
    let mut text = String::from("frame,class,score,x1,y1,x2,y2\n");
    for frame in 0..FRAMES {
        for lane in 0..LANES {
            let late = lane * 17 % EVERY;
            let at = (frame + EVERY - late) % EVERY;
            if at >= TAKES {
                continue;
            }
            let x = 112.0 + 72.0 * at as f64 / TAKES as f64;
            let y = 4.0 + 6.0 * lane as f64;
            let _ = writeln!(text, "{},person,0.9,{x:.1},{y:.1},{:.1},{:.1}", frame + 1, x + 24.0, y + 9.0);
        }
    }
    text
}

/// All stored crossings: number, and a key that is unique among all.
fn counts_db(address: SocketAddr) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    let mut path = String::from("/api/v1/crossings?order=oldest&scene=sim&limit=500");
    loop {
        let page = get(address, &path).json();
        for crossing in page["items"].as_array().unwrap() {
            assert!(all.insert(crossing["id"].as_u64().unwrap(), name(crossing)).is_none());
        }
        match &page["next"] {
            Value::String(cursor) => {
                path = format!("/api/v1/crossings?order=oldest&scene=sim&limit=500&cursor={cursor}")
            }
            _ => return all,
        }
    }
}

fn name(crossing: &Value) -> String {
    ["run", "line", "track", "ordinal", "class", "direction"].map(|key| crossing[key].to_string()).join(" ")
}

struct Events(BufReader<TcpStream>);

impl Events {
    fn after(address: SocketAddr, id: u64) -> Events {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let request = format!(
            "GET /api/v1/events?types=crossing HTTP/1.1\r\nHost: 192.0.2.1\r\nAccept: text/event-stream\r\nLast-Event-ID: {id}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        Events(BufReader::new(stream))
    }

    /// The next crossing, which must be a new one.
    fn next(&mut self, known: &mut BTreeMap<u64, String>) {
        assert!(self.try_next(known), "the stream of events ended");
    }

    fn drain(&mut self, known: &mut BTreeMap<u64, String>) {
        while self.try_next(known) {}
    }

    fn try_next(&mut self, known: &mut BTreeMap<u64, String>) -> bool {
        let mut id = None;
        loop {
            let mut line = String::new();
            match self.0.read_line(&mut line) {
                Ok(0) | Err(_) => return false,
                Ok(_) if !line.ends_with('\n') => return false,
                Ok(_) => {}
            }
            let line = line.trim_end();
            if let Some(number) = line.strip_prefix("id:") {
                id = Some(number.trim().parse::<u64>().unwrap());
            } else if let (Some(data), Some(id)) = (line.strip_prefix("data:"), id) {
                let crossing: Value = serde_json::from_str(data).unwrap();
                assert_eq!(crossing["id"], id);
                assert!(id > last(known), "{id} after {}", last(known));
                known.insert(id, name(&crossing));
                return true;
            }
        }
    }
}
