//! Snapshots and recordings in a temporary folder, and the program run on them.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tallycam::base::{ClockTime, Worker};
use tallycam::encode::Encoder;
use tallycam::media::{Fourcc, Frame};
use tallycam::store::media::{
    Chunk, ChunkFrame, Ended, Item, Media, MediaOrigin, MediaReader, MediaSettings, NewRecording,
    NewSnapshot, RetentionRules,
};
use tempfile::TempDir;

use super::daemon::Daemon;
use super::testcam::numbered_jpeg;
use super::{client, wait_until};

/// 2026-06-01T10:00:00Z in microseconds.
pub const MONDAY: u64 = 1_780_308_000_000_000;

/// A picture of 160 × 120 pixels, different for each number.
pub fn jpeg(number: u8) -> Vec<u8> {
    let data: Vec<u8> = (0..160 * 120_usize).map(|at| ((at % 160) as u8).wrapping_add(number * 3)).collect();
    let stamp = ClockTime { monotonic_us: 1, wall_us: 1, wall_trusted: true };
    let frame = Frame {
        fourcc: Fourcc::GREY,
        width: 160,
        height: 120,
        stride: 160,
        data: &data,
        second: None,
        stamp,
        sequence: 1,
    };
    Encoder::new(80).unwrap().encode(&frame).unwrap().jpeg().to_vec()
}

/// The time `at_us` after [`MONDAY`], trusted.
pub fn stamp(at_us: u64) -> ClockTime {
    ClockTime { monotonic_us: 1_000_000 + at_us, wall_us: MONDAY + at_us, wall_trusted: true }
}

/// A folder with a store in it.
pub struct Items {
    pub folder: TempDir,
}

impl Items {
    pub fn new() -> Items {
        Items { folder: TempDir::new().unwrap() }
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn settings(&self) -> MediaSettings {
        MediaSettings {
            directory: self.state(),
            camera: String::from("door"),
            zone: jiff::tz::TimeZone::UTC,
            retention: RetentionRules::default(),
        }
    }

    /// Opens the store for `fill`, and closes it again.
    pub fn fill<T>(&self, fill: impl FnOnce(&Media) -> T) -> T {
        let (media, worker): (Media, Worker) = Media::open(self.settings()).unwrap();
        let made = fill(&media);
        media.stop();
        drop(worker);
        made
    }

    pub fn reader(&self) -> MediaReader {
        MediaReader::open(&self.state().join("media.db")).unwrap()
    }

    /// The daemon on this state, with more `arguments`, once it has opened the store (it listens earlier).
    pub fn serve_with(&self, arguments: &[&str]) -> Daemon {
        let mut program = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        program.args(["--config", "/dev/null"]).current_dir(self.folder.path());
        let state = format!("store.directory={}", self.state().display());
        let sets = ["name=door", "detect.backend=none", "counts.time_zone=UTC", &state];
        let sets: Vec<&str> = sets.into_iter().flat_map(|set| ["--set", set]).collect();
        let daemon = Daemon::start(program, &[&sets[..], arguments].concat());
        wait_until("it has the store", || {
            matches!(client::get(daemon.address, "/api/v1/media/storage").status, 200 | 403)
        });
        daemon
    }

    /// The same, with the simulation.
    pub fn serve(&self) -> Daemon {
        self.serve_with(&["--set", "source.kind=sim"])
    }

    pub fn names(&self) -> Vec<String> {
        self.reader().legacy_list().unwrap().into_iter().map(|(_, _, name)| name).collect()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallycam"));
        // Nobody listens on the discard port, so no daemon of this machine is asked by mistake.
        command
            .args(["--config", "/dev/null", "--set", "http.listen=[\"127.0.0.1:9\"]", "--set", "name=door"])
            .args(["--set", "counts.time_zone=UTC"])
            .args(["--set", &format!("store.directory={}", self.state().display())])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_remove("STATE_DIRECTORY")
            .env("COLUMNS", "100")
            .stdin(Stdio::null());
        command
    }

    /// Exit code, standard output, standard error.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        output_of(&self.command(arguments).output().unwrap())
    }

    /// The JSON that a successful command prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let (code, out, err) = self.run(arguments);
        assert_eq!(code, 0, "{arguments:?}: {out}{err}");
        serde_json::from_str(&out).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {out}{err}"))
    }
}

pub fn output_of(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

/// Waits for the store on this thread.
pub fn wait<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A snapshot of 64 × 48 pixels, taken now on request.
pub fn new_snapshot(name: &str, jpeg: Vec<u8>) -> NewSnapshot {
    NewSnapshot {
        name: Some(name.to_owned()),
        may_rename: false,
        date: None,
        jpeg: jpeg.into(),
        stamp: ClockTime::now(),
        width: 64,
        height: 48,
        source: String::from("test"),
        origin: MediaOrigin::Asked,
        note: String::new(),
    }
}

pub fn new_recording(name: &str, origin: MediaOrigin, stamp: ClockTime) -> NewRecording {
    NewRecording {
        name: Some(name.to_owned()),
        may_rename: false,
        date: None,
        stamp,
        source: String::from("test"),
        origin,
        note: String::new(),
    }
}

pub fn push_frame(chunk: &mut Chunk, at_us: u64, sequence: u64, jpeg: &[u8]) {
    let (offset, len) = (chunk.jpegs.len() as u32, jpeg.len() as u32);
    chunk.frames.push(ChunkFrame { at_us, offset, len, sequence });
    chunk.jpegs.extend_from_slice(jpeg);
}

/// Stores a snapshot of [`jpeg`] `number`, taken `at_us` after [`MONDAY`].
pub fn snapshot(media: &Media, name: &str, number: u8, at_us: u64) -> Item {
    wait(media.add_snapshot(NewSnapshot {
        stamp: stamp(at_us),
        width: 160,
        height: 120,
        origin: MediaOrigin::Import,
        ..new_snapshot(name, jpeg(number))
    }))
    .unwrap()
}

/// Stores a recording that began `at_us` after [`MONDAY`], with pictures at these times (microseconds from its
/// beginning), numbered from 1, ten per chunk. It is marked as imported, so that no clock of this machine moves it.
pub fn recording(media: &Media, name: &str, at_us: u64, times: &[u64]) -> Item {
    recording_of(media, name, MediaOrigin::Import, stamp(at_us), times)
}

/// The same with any origin and time.
pub fn recording_of(media: &Media, name: &str, origin: MediaOrigin, stamp: ClockTime, times: &[u64]) -> Item {
    let mut handle = media.begin_recording(new_recording(name, origin, stamp)).unwrap();
    for (at, times) in times.chunks(10).enumerate() {
        let mut chunk = Chunk { width: 160, height: 120, ..Chunk::default() };
        for (n, &at_us) in times.iter().enumerate() {
            let number = at * 10 + n + 1;
            push_frame(&mut chunk, at_us, number as u64, &jpeg((number % 80) as u8));
        }
        handle.append_waiting(chunk).unwrap();
    }
    handle.end(Ended::Asked).unwrap().unwrap()
}

/// Stores a recording of 20 MB, more than two kernels buffer, and returns its number.
pub fn long_recording(media: &Media) -> u64 {
    let new = new_recording("long", MediaOrigin::Asked, ClockTime::now());
    let mut handle = media.begin_recording(new).unwrap();
    for second in 0..20 {
        let mut chunk = Chunk { width: 64, height: 48, ..Chunk::default() };
        for number in second * 10..(second + 1) * 10 {
            push_frame(&mut chunk, number * 100_000, number, &numbered_jpeg(number, 100_000));
        }
        handle.append_waiting(chunk).unwrap();
    }
    handle.end(Ended::Asked).unwrap().unwrap().id
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
