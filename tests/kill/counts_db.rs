//! `kill -9` at any time: every acknowledged crossing is stored exactly once, and counts.db is sound.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use tallycam::base::clock;
use tallycam::store::{Counts, CountsOptions, Coverage, CrossingsQuery, LineDraft, NewCrossing, Scene};
use tallycam::vision::Direction;

const DIRECTORY: &str = "TALLYCAM_KILL_DIRECTORY";

fn settings(directory: &Path) -> CountsOptions {
    let zone = jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("rules of a zone");
    CountsOptions { directory: directory.to_owned(), camera: String::from("door"), zone, day_starts: 0 }
}

/// Records without end and prints `run track` of each acknowledged crossing.
#[test]
#[ignore = "the process that is killed; the test below starts it"]
fn child() {
    let directory = std::env::var_os(DIRECTORY).expect("the test below says where");
    let (counts, _worker) = Counts::open(settings(Path::new(&directory))).expect("counts.db opens");
    let draft = LineDraft::new("Door", [0.1, 0.5], [0.9, 0.5]);
    counts.pin(vec![(draft, String::from("config.toml:1"))], vec![]).expect("pinned");
    let line = counts.lines().borrow()[0].id;
    counts.set_coverage(Coverage::Counting(Scene::Camera));
    let mut committed = counts.subscribe_crossings();
    let mut out = std::io::stdout();
    let mut track = 0;
    loop {
        let crossings = (0..7).map(|_| {
            track += 1;
            NewCrossing {
                line,
                scene: Scene::Camera,
                track,
                ordinal: 1,
                class: Arc::from("person"),
                direction: if track % 2 == 0 { Direction::In } else { Direction::Out },
                score: 0.5,
                monotonic_us: clock::monotonic_us(),
                kmh: None,
                thumbnail: None,
            }
        });
        counts.record(crossings.collect()).expect("there is room");
        let first = committed.blocking_recv().expect("it is told");
        let mut told = format!("told {} {}\n", first.run, first.track);
        while let Ok(crossing) = committed.try_recv() {
            told.push_str(&format!("told {} {}\n", crossing.run, crossing.track));
        }
        out.write_all(told.as_bytes()).expect("the test reads");
        out.flush().expect("the test reads");
    }
}

#[test]
fn acknowledged_crossings_survive_every_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut acknowledged: Vec<(u64, u64)> = Vec::new();
    for kill in 0..20u64 {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--ignored", "--exact", "counts_db::child", "--nocapture"])
            .env(DIRECTORY, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let out = BufReader::new(child.stdout.take().expect("its output"));
        let mut left = 1 + (kill * 7919) % 23;
        for line in out.lines() {
            // The last line may be incomplete.
            let line = line.unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if let ["told", run, track] = words[..] {
                acknowledged.push((run.parse().expect("a run"), track.parse().expect("a track")));
                left = left.saturating_sub(1);
                if left == 0 {
                    child.kill().expect("killed");
                }
            }
        }
        child.wait().expect("gone");
    }
    let (counts, worker) = Counts::open(settings(folder.path())).expect("counts.db opens");
    let reader = counts.reader().expect("it can be read");
    assert_eq!(reader.check().expect("it can be read"), Vec::<String>::new());
    let query = CrossingsQuery {
        scene: Some(Scene::Camera),
        from_us: None,
        to_us: None,
        lines: vec![],
        classes: vec![],
        direction: None,
        after: None,
        oldest_first: true,
        limit: 10_000,
    };
    let recorded: Vec<(u64, u64)> =
        reader.crossings(&query).expect("it can be read").iter().map(|c| (c.run, c.track)).collect();
    // In order, each once. Each run is complete up to some crossing, which is not before the last acknowledged one.
    let mut once = recorded.clone();
    once.dedup();
    assert_eq!(once, recorded);
    let mut runs: Vec<u64> = acknowledged.iter().map(|told| told.0).collect();
    runs.dedup();
    assert_eq!(runs.len(), 20);
    for run in runs {
        let of = |all: &[(u64, u64)]| all.iter().filter(|c| c.0 == run).map(|c| c.1).collect::<Vec<u64>>();
        let (recorded, told) = (of(&recorded), of(&acknowledged));
        assert!(recorded.iter().copied().eq(1..=recorded.len() as u64), "run {run}: {recorded:?}");
        assert!(told.iter().copied().eq(1..=told.len() as u64), "run {run}: {told:?}");
        assert!(
            told.len() <= recorded.len(),
            "run {run}: {} acknowledged, {} stored",
            told.len(),
            recorded.len()
        );
    }
    let lines = counts.lines().borrow().clone();
    assert_eq!(lines.len(), 1, "a pinned line is the same line in every run");
    counts.stop();
    drop(worker);
}
