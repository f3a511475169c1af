//! Speed of counts.db: a month's chart from a million crossings, and commits of crossings with none and with a
//! million stored.
//!
//! `cargo run --release --example counts [CROSSINGS]`; prints a table. The file is in the directory for temporary
//! files; set `TMPDIR` to try another disk.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tallycam::base::clock;
use tallycam::store::{
    BucketSize, Counts, CountsOptions, CountsQuery, CountsReader, CrossingsQuery, LineDraft, NewCrossing,
    Scene,
};
use tallycam::vision::{Anchor, Direction, Recrossing};

const DAY_US: u64 = 86_400_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let wanted: u64 = std::env::args().nth(1).map_or(Ok(1_000_000), |word| word.parse())?;
    let directory = std::env::temp_dir().join(format!("tallycam-ledger-{}", std::process::id()));
    let settings = CountsOptions {
        directory: directory.clone(),
        camera: String::from("street"),
        zone: jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3")?,
        day_starts: 0,
    };
    let measured = measure(&settings, wanted);
    std::fs::remove_dir_all(&directory)?;
    measured
}

fn measure(settings: &CountsOptions, wanted: u64) -> Result<(), Box<dyn Error>> {
    let (counts, worker) = Counts::open(settings.clone())?;
    let draft = |name: String, y: f64| LineDraft {
        name,
        a: [0.0, y],
        b: [1.0, y],
        in_name: String::from("in"),
        out_name: String::from("out"),
        classes: Vec::new(),
        anchor: Anchor::default(),
        recrossing: Recrossing::default(),
    };
    let pinned = (1..=4).map(|n| (draft(format!("Line {n}"), f64::from(n) / 5.0), format!("here:{n}")));
    counts.pin(pinned.collect(), Vec::new())?;
    let lines: Vec<u64> = counts.lines().borrow().iter().map(|line| line.id).collect();
    let classes: [Arc<str>; 5] = ["person", "bicycle", "car", "bus", "truck"].map(Arc::from);

    let mut track = 0;
    let (now, wall) = (clock::monotonic_us(), clock::wall_us());
    // Thirty days up to now. counts.db has no monotonic times before the boot, but wall times.
    let ago = |share: f64| ((now as i64) - (30.0 * DAY_US as f64 * (1.0 - share)) as i64) as u64;
    let mut make = |at_us: u64| {
        track += 1;
        NewCrossing {
            line: lines[track as usize % lines.len()],
            scene: Scene::Camera,
            track,
            ordinal: 1,
            class: Arc::clone(&classes[(track / 7) as usize % classes.len()]),
            direction: if track % 2 == 0 { Direction::In } else { Direction::Out },
            score: 0.8,
            monotonic_us: at_us,
            kmh: None,
            thumbnail: None,
        }
    };
    let empty = append(&counts, &mut make, ago(0.0))?;
    let began = Instant::now();
    let mut told = 0;
    while told < wanted {
        let batch = (0..5_000).map(|n| make(ago((told + n) as f64 / wanted as f64))).collect();
        counts.record(batch)?;
        told += 5_000;
    }
    // The last one is acknowledged, so all are stored.
    append(&counts, &mut make, now)?;
    let filled = began.elapsed();
    let full = append(&counts, &mut make, now)?;

    println!("{wanted} crossings on record in {:.1} s", filled.as_secs_f64());
    println!(
        "one crossing to its commit: {:.2} ms with none on record, {:.2} ms with all: {:.2} ×",
        ms(empty.0),
        ms(full.0),
        full.0.as_secs_f64() / empty.0.as_secs_f64()
    );
    println!("bytes to the disk per commit of one: {} and {}", empty.1, full.1);

    let reader = counts.reader()?;
    let month = (wall - 30 * DAY_US, wall);
    for (name, bucket) in [
        ("hours", BucketSize::Hour),
        ("days", BucketSize::Day),
        ("weeks", BucketSize::Week),
        ("total", BucketSize::Total),
    ] {
        let query = CountsQuery {
            scene: Scene::Camera,
            from_us: month.0,
            to_us: month.1,
            bucket,
            hours: None,
            lines: Vec::new(),
            classes: Vec::new(),
        };
        let (time, rows) = median(|| reader.counts(&query))?;
        let counts: usize = rows.iter().map(|row| row.counts.len()).sum();
        println!("a month by {name}: {:.2} ms ({} buckets, {counts} counts)", ms(time), rows.len());
    }
    page(&reader, "newest page of 100", |_| {})?;
    page(&reader, "page of 100 in the middle of one line", |query| {
        query.lines = vec![lines[0]];
        query.after = Some(wanted / 2);
    })?;
    page(&reader, "page of 100 of a day of the past", |query| {
        query.from_us = Some(wall - 20 * DAY_US);
        query.to_us = Some(wall - 19 * DAY_US);
    })?;
    let began = Instant::now();
    let faults = reader.check()?;
    println!("check: {:.1} s, {} faults", began.elapsed().as_secs_f64(), faults.len());
    counts.stop();
    worker.join_within(Duration::from_secs(60))?;
    let bytes = std::fs::metadata(settings.directory.join("counts.db"))?.len();
    println!("file: {:.1} MB, {} bytes a crossing", bytes as f64 / 1e6, bytes / wanted);
    let began = Instant::now();
    let (counts, worker) = Counts::open(settings.clone())?;
    println!("opened again in {:.1} ms", ms(began.elapsed()));
    counts.stop();
    worker.join_within(Duration::from_secs(60))?;
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// Commits single crossings in turn: the median time beyond the writer's pace of ten per second, and the bytes
/// written to the disk for each.
fn append(
    counts: &Counts,
    make: &mut impl FnMut(u64) -> NewCrossing,
    at_us: u64,
) -> Result<(Duration, u64), Box<dyn Error>> {
    const COMMITS: u64 = 21;
    let mut committed = counts.subscribe_crossings();
    let mut times = Vec::new();
    let before = written();
    for _ in 0..COMMITS {
        // Slower than the pace: the writer is idle when the crossing comes.
        std::thread::sleep(Duration::from_millis(120));
        let new = make(at_us);
        let track = new.track;
        let began = Instant::now();
        counts.record(vec![new])?;
        loop {
            match committed.blocking_recv() {
                Ok(crossing) if crossing.track == track => break,
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok((times[times.len() / 2], (written() - before) / COMMITS))
}

/// Bytes that this process wrote to block devices (proc(5), `/proc/pid/io`); 0 if unknown.
fn written() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

fn page(
    reader: &CountsReader,
    name: &str,
    ask: impl FnOnce(&mut CrossingsQuery),
) -> Result<(), Box<dyn Error>> {
    let mut query = CrossingsQuery::newest(Scene::Camera, 100);
    ask(&mut query);
    let (time, rows) = median(|| reader.crossings(&query))?;
    println!("{name}: {:.2} ms ({} rows)", ms(time), rows.len());
    Ok(())
}

/// The median time of eleven runs, and the result of the last one.
fn median<T, E>(mut go: impl FnMut() -> Result<T, E>) -> Result<(Duration, T), E> {
    let mut timed = || {
        let began = Instant::now();
        go().map(|given| (began.elapsed(), given))
    };
    let mut times = (0..10).map(|_| timed().map(|(time, _)| time)).collect::<Result<Vec<_>, _>>()?;
    let (time, given) = timed()?;
    times.push(time);
    times.sort_unstable();
    Ok((times[times.len() / 2], given))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
