//! Crossings counted from recorded detections, compared one by one with the ground truth.
//!
//! The recordings and their ground truth may be absent from this repository (the truth is MOTChallenge's, CC
//! BY-NC-SA). The tests read them from `../shared/testdata` beside it, or from the folder in `TALLYCAM_TESTDATA`;
//! without them they say so and pass.
//!
//! One set of parameters serves all clips, models and rates: the defaults.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Direction, Filter, Labels,
    LineId, Point,
};

/// Maximum distance of a crossing from the true one, in seconds.
const TOLERANCE: f64 = 1.0;

pub(crate) struct Clip {
    name: &'static str,
    pub(crate) frames: u64,
    pub(crate) fps: f64,
    pub(crate) size: (u32, u32),
    pub(crate) lines: &'static [(&'static str, [f32; 4])],
}

pub(crate) const VTEST: Clip = Clip {
    name: "vtest",
    frames: 795,
    fps: 10.0,
    size: (768, 576),
    lines: &[("D", [300.0, 400.0, 300.0, 120.0]), ("A", [384.0, 576.0, 384.0, 0.0])],
};

const ONE_BY_ONE: Clip = Clip {
    name: "one-by-one-person-detection",
    frames: 1394,
    fps: 10.0,
    size: (768, 432),
    lines: &[("exit", [600.0, 432.0, 600.0, 0.0])],
};

pub(crate) const YOLOX: &str = "yolox_nano_416";
const SSDLITE: &str = "ssdlite_mnv2_coco300";

/// A crossing: seconds of the clip, and its direction.
type Event = (f64, Direction);

pub(crate) fn testdata() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("detections").is_dir() {
        return Some(folder);
    }
    println!("LEFT OUT: no recorded detections in {}", folder.display());
    None
}

/// All detections of a clip by a model, by frame (the first is 1).
pub(crate) fn detections(clip: &Clip, model: &str, labels: &Labels) -> Option<BTreeMap<u64, Vec<Detection>>> {
    let text = fs::read_to_string(testdata()?.join(format!("detections/{}.{model}.csv", clip.name))).unwrap();
    let (width, height) = (clip.size.0 as f32, clip.size.1 as f32);
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for row in text.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |at: usize| fields[at].parse::<f32>().unwrap();
        frames.entry(fields[0].parse().unwrap()).or_default().push(Detection {
            class: labels.class(fields[1]).unwrap(),
            score: number(2),
            bounds: Bounds::new(number(3) / width, number(4) / height, number(5) / width, number(6) / height),
        });
    }
    Some(frames)
}

/// The true crossings, in order of time.
fn truth(clip: &Clip, line: &str) -> Vec<Event> {
    if clip.name == ONE_BY_ONE.name {
        // Six persons leave to the right, one after another. The time of each was read from the clip's frames, to
        // half a second.
        return [19.0, 44.0, 69.0, 86.0, 119.0, 135.0].map(|time| (time, Direction::Out)).to_vec();
    }
    let path = testdata().unwrap().join("groundtruth/PETS09-S2L1.crossings.csv");
    let mut events: Vec<Event> = fs::read_to_string(path)
        .unwrap()
        .lines()
        .map(|row| row.split(',').map(str::to_owned).collect::<Vec<_>>())
        .filter(|fields| fields[0] == line && fields[1] == "foot")
        .map(|fields| {
            let direction = if fields[4] == "L>R" { Direction::Out } else { Direction::In };
            ((fields[2].parse::<f64>().unwrap() - 1.0) / clip.fps, direction)
        })
        .collect();
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    events
}

/// Counts with every `every`th frame, beginning with frame 1 + `first`.
fn count(
    clip: &Clip,
    seen: &BTreeMap<u64, Vec<Detection>>,
    labels: &Labels,
    every: u64,
    first: u64,
) -> Vec<Vec<Event>> {
    let (width, height) = (clip.size.0 as f32, clip.size.1 as f32);
    let persons = Filter { classes: vec![labels.class("person").unwrap()], ..Filter::default() };
    let options = CounterOptions { filter: persons, ..CounterOptions::default() };
    let mut counter = Counter::new(options, labels.clone(), Aspect::new(clip.size.0, clip.size.1));
    let line = |(n, (name, ends)): (usize, &(&str, [f32; 4]))| {
        let [ax, ay, bx, by] = *ends;
        let (a, b) = (Point::new(ax / width, ay / height), Point::new(bx / width, by / height));
        CountingLine::new(LineId(n as u64), *name, a, b).unwrap()
    };
    counter.set_lines(clip.lines.iter().enumerate().map(line).collect()).unwrap();
    let mut found = vec![Vec::new(); clip.lines.len()];
    for frame in (1 + first..=clip.frames).step_by(every as usize) {
        let time_us = ((frame - 1) as f64 * 1e6 / clip.fps) as u64;
        for crossing in counter.update(seen.get(&frame).map_or(&[], Vec::as_slice), time_us).crossings {
            assert_eq!(crossing.class, Class(0));
            found[crossing.line.0 as usize].push((crossing.time_us as f64 / 1e6, crossing.direction));
        }
    }
    found
}

/// Number of counted crossings that are true: pairs of one direction within the tolerance, nearest first.
fn matched(counted: &[Event], truth: &[Event]) -> usize {
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (at, one) in counted.iter().enumerate() {
        for (of, other) in truth.iter().enumerate() {
            let apart = (one.0 - other.0).abs();
            if one.1 == other.1 && apart <= TOLERANCE {
                pairs.push((apart, at, of));
            }
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut used, mut found) = (vec![false; counted.len()], vec![false; truth.len()]);
    for (_, at, of) in pairs {
        if !used[at] && !found[of] {
            (used[at], found[of]) = (true, true);
        }
    }
    used.into_iter().filter(|used| *used).count()
}

fn sums(events: &[Event]) -> (i64, i64) {
    let out = events.iter().filter(|event| event.1 == Direction::Out).count() as i64;
    (out, events.len() as i64 - out)
}

/// Result of one model's detections on one line at one rate, for the worst first frame.
struct Result {
    line: &'static str,
    every: u64,
    /// Sum of the absolute errors of both directions.
    off: i64,
    precision: f64,
    recall: f64,
}

/// Prints the table of a clip and a model, and returns it.
fn table(clip: &Clip, model: &str) -> Vec<Result> {
    let labels = Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"]);
    let Some(seen) = detections(clip, model, &labels) else { return Vec::new() };
    let mut results: Vec<Result> = Vec::new();
    for every in [1, 2, 3] {
        for first in 0..every {
            for ((line, _), counted) in clip.lines.iter().zip(count(clip, &seen, &labels, every, first)) {
                let truth = truth(clip, line);
                let (out, into) = sums(&counted);
                let (true_out, true_in) = sums(&truth);
                let matched = matched(&counted, &truth) as f64;
                let off = (out - true_out).abs() + (into - true_in).abs();
                let precision = matched / counted.len().max(1) as f64;
                let recall = matched / truth.len() as f64;
                println!(
                    "{} {model} {:.1}/s from frame {}: line {line} {out}/{into}, truth {true_out}/{true_in}, \
                     off {off}, precision {precision:.3}, recall {recall:.3}",
                    clip.name,
                    clip.fps / every as f64,
                    1 + first,
                );
                match results.iter_mut().find(|r| r.line == *line && r.every == every) {
                    Some(worst) => {
                        worst.off = worst.off.max(off);
                        worst.precision = worst.precision.min(precision);
                        worst.recall = worst.recall.min(recall);
                    }
                    None => results.push(Result { line, every, off, precision, recall }),
                }
            }
        }
    }
    results
}

/// Compares a table with its targets: line, frame step, maximum error of the sums, minimum precision and recall.
fn reaches(results: &[Result], targets: &[(&str, u64, i64, f64, f64)]) {
    for (line, every, off, precision, recall) in targets {
        for r in results.iter().filter(|r| r.line == *line && r.every == *every) {
            assert!(r.off <= *off, "line {line}, every {every}: off by {}, not {off}", r.off);
            assert!(r.precision >= *precision, "line {line}, every {every}: precision {}", r.precision);
            assert!(r.recall >= *recall, "line {line}, every {every}: recall {}", r.recall);
        }
    }
}

#[test]
fn street_by_yolox() {
    let results = table(&VTEST, YOLOX);
    reaches(
        &results,
        &[("D", 1, 0, 1.0, 1.0), ("A", 1, 2, 0.93, 0.93), ("D", 2, 2, 0.95, 0.95), ("D", 3, 4, 0.95, 0.95)],
    );
}

#[test]
fn street_by_ssdlite() {
    let results = table(&VTEST, SSDLITE);
    reaches(
        &results,
        &[("D", 1, 2, 0.9, 0.95), ("A", 1, 4, 0.85, 0.9), ("D", 2, 2, 0.9, 0.9), ("D", 3, 4, 0.9, 0.9)],
    );
}

#[test]
fn one_by_one_by_both() {
    for model in [YOLOX, SSDLITE] {
        reaches(
            &table(&ONE_BY_ONE, model),
            &[("exit", 1, 0, 1.0, 1.0), ("exit", 2, 0, 1.0, 1.0), ("exit", 3, 1, 1.0, 0.8)],
        );
    }
}

#[test]
fn same_detections_same_crossings() {
    let labels = Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"]);
    let Some(seen) = detections(&VTEST, SSDLITE, &labels) else { return };
    let once = count(&VTEST, &seen, &labels, 1, 0);
    assert_eq!(once, count(&VTEST, &seen, &labels, 1, 0));
}

/// Reproducible pseudo-random numbers from −1 to 1.
fn roll(state: &mut u64) -> f32 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    (*state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// The results do not depend on these very boxes: they hold with every edge and score a little off and one box in
/// thirty removed.
#[test]
fn small_errors_change_little() {
    let labels = Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"]);
    for (model, most_off) in [(YOLOX, [0, 2]), (SSDLITE, [2, 4])] {
        for seed in 1..=10u64 {
            let Some(mut seen) = detections(&VTEST, model, &labels) else { return };
            let mut dice = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            for frame in seen.values_mut() {
                frame.retain(|_| roll(&mut dice) > -0.94);
                for Detection { bounds: b, score, .. } in frame {
                    let (w, h) = (0.03 * b.width(), 0.03 * b.height());
                    b.left += w * roll(&mut dice);
                    b.top += h * roll(&mut dice);
                    b.right += w * roll(&mut dice);
                    b.bottom += h * roll(&mut dice);
                    *score = (*score + 0.03 * roll(&mut dice)).clamp(0.0, 1.0);
                }
            }
            let counted = count(&VTEST, &seen, &labels, 1, 0);
            for (((line, _), events), most) in VTEST.lines.iter().zip(&counted).zip(most_off) {
                let ((out, into), (true_out, true_in)) = (sums(events), sums(&truth(&VTEST, line)));
                let off = (out - true_out).abs() + (into - true_in).abs();
                println!("{model}, shaken {seed}: line {line} {out}/{into}, off {off}");
                assert!(off <= most, "{model}, shaken {seed}: line {line} is off by {off}");
            }
        }
    }
}
