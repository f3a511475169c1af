//! The simulated street through the real path without a model: frame, JPEG, reduced JPEG, motion, line. Exactly the
//! true crossings are counted, from the first frame on, although the street is already busy when the detector begins
//! to learn it.

use std::time::Duration;

use tallycam::base::{ClockTime, Stop};
use tallycam::encode::{Encoder, Reducer};
use tallycam::media::SmallImage;
use tallycam::source::sim::{self, SimOpener};
use tallycam::source::{FormatRequest, Opener};
use tallycam::vision::{Aspect, Counter, CountingLine, Detector, Direction, LineId, MotionDetector, Point};

const SIZE: (u32, u32) = (1280, 720);

/// A crossing this early after the first frame may be missed, because the detector still learns the background and
/// the tracks. Counted crossings must be right even then. Seconds.
const LEARNING: f64 = 1.5;

/// A crossing this late may be missed, because the object may not arrive on the other side before the clip ends.
/// Seconds.
const ARRIVING: f64 = 0.7;

/// Times in seconds, and directions.
type Crossings = Vec<(f64, Direction)>;

/// Counted and true crossings of the middle line.
fn street(seed: u64, fps: f64, seconds: f64) -> (Crossings, Crossings) {
    let wanted = FormatRequest {
        width: Some(SIZE.0),
        height: Some(SIZE.1),
        fps: Some(fps),
        ..FormatRequest::ANYTHING
    };
    let mut source = SimOpener::new(seed, wanted, false).open(&Stop::new()).unwrap();
    let mut encoder = Encoder::new(80).unwrap();
    let mut reducer = Reducer::new().unwrap();
    let mut image = SmallImage::empty();
    let mut detector = MotionDetector::new();
    let mut counter =
        Counter::new(detector.options(), detector.labels().clone(), Aspect::new(SIZE.0, SIZE.1));
    let middle = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).unwrap();
    counter.set_lines(vec![middle]).unwrap();
    let frames = (seconds * fps) as u64;
    let (mut found, mut counted) = (Vec::new(), Vec::new());
    let least = detector.least_size(SIZE.0, SIZE.1);
    for number in 0..frames {
        let mut frame = source.next(Duration::ZERO).unwrap().unwrap();
        let time_us = (number as f64 * 1e6 / fps) as u64;
        frame.stamp = ClockTime { monotonic_us: time_us, wall_us: time_us, wall_trusted: true };
        let picture = encoder.encode(&frame).unwrap();
        reducer.reduce(&picture, least, &mut image).unwrap();
        detector.detect(&image, &mut found).unwrap();
        let crossings = counter.update(&found, time_us).crossings;
        counted.extend(crossings.iter().map(|c| (c.time_us as f64 / 1e6, c.direction)));
    }
    let known = sim::crossings(seed, 0, frames, fps)
        .iter()
        .map(|c| {
            let direction = match c.direction {
                sim::Heading::LeftToRight => Direction::Out,
                sim::Heading::RightToLeft => Direction::In,
            };
            (c.frame as f64 / fps, direction)
        })
        .collect();
    (counted, known)
}

/// Counts the streets of `seeds`. Asserts that each crossing is counted and each count is a crossing of the same
/// direction at most a second away. Lists all errors at the end.
fn count_exactly(seeds: impl Iterator<Item = u64>, fps: f64, seconds: f64) {
    let (mut all, mut wrong) = (0, Vec::new());
    for seed in seeds {
        let (counted, mut known) = street(seed, fps, seconds);
        for one in counted {
            match known.iter().position(|k| k.1 == one.1 && (k.0 - one.0).abs() <= 1.0) {
                Some(at) => {
                    known.remove(at);
                    all += 1;
                }
                None => wrong.push(format!("seed {seed} counts {one:?}")),
            }
        }
        known.retain(|k| (LEARNING..seconds - ARRIVING).contains(&k.0));
        wrong.extend(known.iter().map(|k| format!("seed {seed} misses {k:?}")));
    }
    println!("{fps}/s: {all} crossings counted, {} wrong", wrong.len());
    assert!(all > 0, "an empty street proves nothing");
    assert!(wrong.is_empty(), "{fps}/s: {wrong:#?}");
}

#[test]
fn a_street_is_counted_exactly_ten_times_a_second() {
    count_exactly(1..=2, 10.0, 20.0);
}

#[test]
fn a_street_is_counted_exactly_fifteen_times_a_second() {
    count_exactly(3..=4, 15.0, 15.0);
}

// All seeds, a minute each: `cargo test --release --test vision motion:: -- --ignored --nocapture`.

#[test]
#[ignore = "takes minutes"]
fn every_seed_is_counted_exactly_ten_times_a_second() {
    count_exactly(1..=50, 10.0, 60.0);
}

#[test]
#[ignore = "takes minutes"]
fn every_seed_is_counted_exactly_fifteen_times_a_second() {
    count_exactly(1..=50, 15.0, 60.0);
}
