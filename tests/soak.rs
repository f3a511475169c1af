//! A day in miniature: very many frames, with clients that connect and leave, stall, poll and break off. Memory,
//! descriptors and threads must return to their initial numbers.
//!
//! `cargo test` runs it with 20 000 frames for each camera; `make soak` with 200 000 (`TALLYCAM_SOAK_FRAMES`) and the
//! release build. It prints its figures.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "common/fakecam.rs"]
mod fakecam;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::daemon::Daemon;
use fakecam::FakeCam;
use tallycam::store::{Counts, CountsOptions, LineDraft, NewCrossing, Scene};
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Labels, LineId, Point,
};

/// Maximum difference of the resident memory between the end and the end of the warm-up.
const MEMORY_DRIFT_KB: i64 = 1000;

/// Nothing here may take longer; this is no measure of speed.
const DEADLINE: Duration = Duration::from_secs(3600);

#[test]
fn the_simulated_scene_at_full_speed() {
    let camera = "[source]\nkind = \"sim\"\nspeed = \"full\"\nwidth = 160\nheight = 120\n\
                  [detect]\nbackend = \"none\"\n";
    soak("sim", camera, Command::new(env!("CARGO_BIN_EXE_tallycam")));
}

#[test]
fn a_camera_with_two_thousand_frames_a_second() {
    let camera = FakeCam::new().formats("MJPG").sizes("320x240").fps("2000");
    let settings = format!(
        "[source]\nkind = \"v4l2\"\ndevice = \"{}\"\nformat = \"MJPG\"\nwidth = 320\nheight = 240\n",
        camera.path().display()
    );
    soak("fake camera", &settings, camera.command(env!("CARGO_BIN_EXE_tallycam")));
}

/// Endless crossings, through the counter and counts.db: neither grows in memory.
#[test]
fn endless_crossings_use_no_memory() {
    let crossings: u64 = std::env::var("TALLYCAM_SOAK_CROSSINGS").map_or(10_000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let (counts, writer) = Counts::open(CountsOptions {
        directory: folder.path().to_owned(),
        camera: String::from("soak"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    })
    .unwrap();
    let draft = LineDraft::new("Middle", [0.5, 1.0], [0.5, 0.0]);
    counts.pin(vec![(draft, String::from("config.toml:1"))], Vec::new()).unwrap();
    let line = counts.lines().borrow()[0].id;
    let mut counter = Counter::new(CounterOptions::default(), Labels::new(["person"]), Aspect::new(640, 480));
    let (a, b) = (Point::new(0.5, 1.0), Point::new(0.5, 0.0));
    counter.set_lines(vec![CountingLine::new(LineId(line), "Middle", a, b).unwrap()]).unwrap();

    let class: std::sync::Arc<str> = "person".into();
    let began = tallycam::base::clock::monotonic_us();
    let (mut counted, mut warm) = (0, None);
    for frame in 0u64.. {
        // In each of 20 lanes a person crosses the line every five seconds, in ten frames.
        let seen: Vec<Detection> = (0..20u64)
            .filter_map(|lane| {
                let at = (frame + lane * 7) % 50;
                let x = 0.35 + 0.3 * at as f32 / 40.0;
                let middle = Point::new(x, 0.05 + 0.045 * lane as f32);
                (at < 40).then(|| Detection {
                    class: Class(0),
                    score: 0.9,
                    bounds: Bounds::centered_at(middle, 0.06, 0.04),
                })
            })
            .collect();
        let crossed: Vec<NewCrossing> = counter
            .update(&seen, began + frame * 100_000)
            .crossings
            .iter()
            .map(|crossing| NewCrossing {
                line,
                scene: Scene::Files,
                track: crossing.track.0,
                ordinal: crossing.ordinal,
                class: class.clone(),
                direction: crossing.direction,
                score: crossing.score,
                monotonic_us: crossing.time_us,
                kmh: None,
                thumbnail: None,
            })
            .collect();
        counted += crossed.len() as u64;
        if !crossed.is_empty() {
            counts.record(crossed).unwrap();
        }
        if warm.is_none() && counted >= crossings / 5 {
            warm = Some(own_memory_kb());
        }
        if counted >= crossings {
            break;
        }
    }
    let (warm, end) = (warm.unwrap(), own_memory_kb());
    counts.stop();
    writer.join_within(DEADLINE / 30).unwrap();
    println!("soak, crossings: {counted} crossings; memory {warm} → {end} kB");
    // Other tests run in this process, too.
    assert!(end - warm <= 20 * MEMORY_DRIFT_KB, "{warm} → {end} kB");
}

fn own_memory_kb() -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn soak(name: &str, source: &str, program: Command) {
    let frames: u64 = std::env::var("TALLYCAM_SOAK_FRAMES").map_or(20_000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let visited = Visited::start(program, source, folder.path());
    let began = Instant::now();

    visited.be_busy_until(frames / 5);
    let warm = visited.at_rest();
    visited.be_busy_until(frames);
    let rests = Instant::now();
    let mut end = visited.at_rest();
    // A thread pool or a descriptor may close late.
    while (end.held() > warm.held() || end.threads > warm.threads) && rests.elapsed() < DEADLINE / 30 {
        thread::sleep(Duration::from_millis(100));
        end = visited.at_rest();
    }

    let state = visited.daemon.state();
    println!(
        "soak, {name}: {} frames, {} pictures, {} lost, {} opens, {} clients in {:.0} s; \
         memory {} → {} kB, descriptors {} → {}, threads {} → {}",
        state["frames"],
        state["pictures"],
        state["lost"],
        state["opens"],
        visited.clients.load(Ordering::Relaxed),
        began.elapsed().as_secs_f64(),
        warm.memory_kb,
        end.memory_kb,
        warm.descriptors.len(),
        end.descriptors.len(),
        warm.threads,
        end.threads,
    );
    assert_eq!(state["broken"], 0, "every frame was a good one");
    assert!(end.memory_kb - warm.memory_kb <= MEMORY_DRIFT_KB, "{warm:?} became {end:?}");
    // Fewer are fine: a pool's threads end after a long idle time.
    assert!(end.held() <= warm.held(), "{:#?} became {:#?}", warm.descriptors, end.descriptors);
    for file in STORES {
        let open = end.descriptors.iter().filter(|path| path.ends_with(file)).count();
        assert!(open <= OPEN_AT_MOST, "{file}: {:#?}", end.descriptors);
    }
    assert!(end.threads <= warm.threads, "{warm:?} became {end:?}");
}

/// The stores' files. If two clients ask at once, the server opens another reader and keeps it.
const STORES: [&str; 2] = ["media.db", "counts.db"];
/// For each: four readers, the writer, and its descriptor past the page cache.
const OPEN_AT_MOST: usize = 6;

#[derive(Debug)]
struct Size {
    memory_kb: i64,
    descriptors: Vec<PathBuf>,
    threads: usize,
}

impl Size {
    /// Number of descriptors that must not grow: all except the stores' files and SQLite's files beside them.
    fn held(&self) -> usize {
        let of_a_store = |path: &Path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            STORES.iter().any(|store| name.starts_with(store))
        };
        self.descriptors.iter().filter(|path| !of_a_store(path)).count()
    }
}

struct Visited {
    daemon: Daemon,
    clients: AtomicU64,
}

impl Visited {
    fn start(program: Command, source: &str, folder: &Path) -> Visited {
        let config = folder.join("config.toml");
        let text = format!("{source}[stream]\nidle_stop = \"1s\"\nstall = \"1s\"\n[log]\nlevel = \"warn\"\n");
        fs::write(&config, text).unwrap();
        let daemon = Daemon::start(program, &["--config", config.to_str().unwrap()]);
        Visited { daemon, clients: AtomicU64::new(0) }
    }

    /// Sends a request; `None` if the daemon refuses it (its limits are part of the test).
    fn ask(&self, path: &str) -> Option<TcpStream> {
        let mut stream = TcpStream::connect(self.daemon.address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: 192.0.2.1\r\nConnection: close\r\n\r\n").ok()?;
        self.clients.fetch_add(1, Ordering::Relaxed);
        Some(stream)
    }

    fn frames(&self) -> u64 {
        self.daemon.state()["frames"].as_u64().expect("a count")
    }

    /// Clients of every kind connect and leave until this many frames were taken.
    fn be_busy_until(&self, frames: u64) {
        let done = AtomicBool::new(false);
        let began = Instant::now();
        thread::scope(|scope| {
            let viewer = |seed| visits(&done, seed, |dice| self.view(8 + dice % 120));
            scope.spawn(|| visits(&done, 1, |_| self.view_until(&done)));
            scope.spawn(move || viewer(2));
            scope.spawn(move || viewer(3));
            scope.spawn(|| visits(&done, 4, |dice| self.stall(dice, &done)));
            scope.spawn(|| visits(&done, 5, |_| self.poll("/snapshot")));
            scope.spawn(|| visits(&done, 6, |_| self.poll("/metrics")));
            scope.spawn(|| visits(&done, 7, |dice| self.break_off(dice)));
            while self.frames() < frames {
                if began.elapsed() > DEADLINE {
                    done.store(true, Ordering::Relaxed);
                    panic!("no {frames} frames in {DEADLINE:?}: {}", self.daemon.state());
                }
                thread::sleep(Duration::from_millis(20));
            }
            done.store(true, Ordering::Relaxed);
        });
    }

    /// Waits until the camera is closed and everybody has left, and measures the daemon.
    fn at_rest(&self) -> Size {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let state = self.daemon.state();
            if state["state"] == "idle" && state["viewers"] == 0 && state["connections"].as_u64() <= Some(1) {
                break;
            }
            assert!(Instant::now() < deadline, "it does not come to rest: {state}");
            thread::sleep(Duration::from_millis(50));
        }
        let proc = Path::new("/proc").join(self.daemon.id().to_string());
        let status = fs::read_to_string(proc.join("status")).unwrap();
        let field = |name: &str| -> i64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_start_matches(':').split_whitespace().next().unwrap().parse().unwrap()
        };
        // The last connection may still be closing, so the minimum of several counts is taken.
        let descriptors = (0..40).map(|_| {
            thread::sleep(Duration::from_millis(2));
            let all = fs::read_dir(proc.join("fd")).unwrap();
            all.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok()).collect::<Vec<_>>()
        });
        Size {
            memory_kb: field("RssAnon") + field("RssFile"),
            descriptors: descriptors.min_by_key(Vec::len).unwrap(),
            threads: field("Threads") as usize,
        }
    }

    /// Watches some 4 KiB blocks of the stream and leaves in the middle of a picture.
    fn view(&self, blocks: u64) {
        let Some(mut stream) = self.ask("/stream") else { return };
        let mut block = [0; 4096];
        for _ in 0..blocks {
            if !matches!(stream.read(&mut block), Ok(1..)) {
                return;
            }
        }
    }

    fn view_until(&self, done: &AtomicBool) {
        let Some(mut stream) = self.ask("/stream") else { return };
        let mut block = [0; 65536];
        while !done.load(Ordering::Relaxed) && matches!(stream.read(&mut block), Ok(1..)) {}
    }

    /// Reads nothing: leaves after a while, or is disconnected.
    fn stall(&self, dice: u64, done: &AtomicBool) {
        let Some(mut stream) = self.ask("/stream") else { return };
        let until = Instant::now() + Duration::from_millis(dice % 2500);
        while Instant::now() < until && !done.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = stream.read(&mut [0; 65536]);
    }

    fn poll(&self, path: &str) {
        let Some(mut stream) = self.ask(path) else { return };
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        thread::sleep(Duration::from_millis(5));
    }

    /// Disconnects before, within or after its request.
    fn break_off(&self, dice: u64) {
        let request = b"GET /stream HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n";
        if let Ok(mut stream) = TcpStream::connect(self.daemon.address) {
            let _ = stream.write_all(&request[..dice as usize % (request.len() + 1)]);
        }
        self.clients.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(5));
    }
}

/// Visits the daemon over and over, each time with another number; the numbers are the same in each run.
fn visits(done: &AtomicBool, seed: u64, mut visit: impl FnMut(u64)) {
    let mut state = seed;
    while !done.load(Ordering::Relaxed) {
        // Knuth's MMIX generator; its high bits are the good ones.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        visit(state >> 33);
    }
}
