//! The accuracy of counting is more than luck: it holds on lines that were not used to choose the parameters, and
//! with every parameter a fifth off.
//!
//! The truth of any line is computed from the public ground truth of the scene (PETS 2009 S2.L1, as MOTChallenge has
//! it, CC BY-NC-SA: not part of this repository). The tests read it from `../shared/testdata` beside it, or from the
//! folder in `TALLYCAM_TESTDATA`; without it they say so and pass.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use tallycam::vision::{
    Anchor, Aspect, Bounds, Counter, CounterOptions, CountingLine, Detection, Direction, Filter, Labels,
    LineId, Point,
};

const SIZE: (f32, f32) = (768.0, 576.0);
const FPS: f64 = 10.0;
const FRAMES: u64 = 795;
/// Maximum distance of a crossing from the true one, in seconds.
const TOLERANCE: f64 = 1.0;
/// Distance beyond a line, in pixels, that a true crossing reaches on both sides. A box that trembles on the line in
/// the hand-drawn truth has crossed nothing. A tenth of a person.
const BAND: f32 = 8.0;

const MODELS: [&str; 2] = ["yolox_nano_416", "ssdlite_mnv2_coco300"];

type Event = (f64, Direction);

/// Lines all over the scene, none of them D or A: vertical, horizontal, slanting, long, short, drawn in either
/// direction.
const LINES: [[f32; 4]; 16] = [
    [150.0, 576.0, 150.0, 0.0],
    [200.0, 100.0, 200.0, 500.0],
    [250.0, 500.0, 250.0, 100.0],
    [340.0, 450.0, 340.0, 100.0],
    [430.0, 100.0, 430.0, 500.0],
    [480.0, 500.0, 480.0, 100.0],
    [530.0, 100.0, 530.0, 400.0],
    [580.0, 500.0, 580.0, 100.0],
    [640.0, 100.0, 640.0, 500.0],
    [100.0, 250.0, 700.0, 250.0],
    [700.0, 300.0, 100.0, 300.0],
    [100.0, 350.0, 700.0, 350.0],
    [200.0, 400.0, 500.0, 150.0],
    [600.0, 400.0, 300.0, 150.0],
    [150.0, 200.0, 450.0, 450.0],
    [650.0, 150.0, 450.0, 450.0],
];

fn testdata() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("groundtruth").is_dir() && folder.join("detections").is_dir() {
        return Some(folder);
    }
    println!("LEFT OUT: no recorded detections and ground truth in {}", folder.display());
    None
}

fn labels() -> Labels {
    Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"])
}

/// All detections of the street by a model, by frame (the first is 1).
fn detections(folder: &std::path::Path, model: &str) -> BTreeMap<u64, Vec<Detection>> {
    let text = fs::read_to_string(folder.join(format!("detections/vtest.{model}.csv"))).unwrap();
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for row in text.lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |at: usize| fields[at].parse::<f32>().unwrap();
        let bounds =
            Bounds::new(number(3) / SIZE.0, number(4) / SIZE.1, number(5) / SIZE.0, number(6) / SIZE.1);
        let class = labels().class(fields[1]).unwrap();
        frames.entry(fields[0].parse().unwrap()).or_default().push(Detection {
            class,
            score: number(2),
            bounds,
        });
    }
    frames
}

/// Everybody's boxes: left, top, right, bottom in pixels, by frame.
fn people(folder: &std::path::Path) -> Vec<Vec<(u64, [f32; 4])>> {
    let text = fs::read_to_string(folder.join("groundtruth/PETS09-S2L1.gt.txt")).unwrap();
    let mut people: BTreeMap<u64, Vec<(u64, [f32; 4])>> = BTreeMap::new();
    for row in text.lines() {
        let f: Vec<f32> = row.split(',').map(|field| field.parse().unwrap()).collect();
        if f[6] != 0.0 {
            let whole = [f[2], f[3], f[2] + f[4], f[3] + f[5]];
            people.entry(f[1] as u64).or_default().push((f[0] as u64, whole));
        }
    }
    people
        .into_values()
        .map(|mut way| {
            way.sort_by_key(|place| place.0);
            way
        })
        .collect()
}

fn point(anchor: Anchor, [left, top, right, bottom]: [f32; 4]) -> (f32, f32) {
    match anchor {
        Anchor::Center => ((left + right) / 2.0, (top + bottom) / 2.0),
        Anchor::TopCenter => ((left + right) / 2.0, top),
        _ => ((left + right) / 2.0, bottom),
    }
}

/// The true crossings of a line: ways from one side to the other, each time beyond the band, that led through the
/// segment. Written independently of the product's own code.
fn truth(people: &[Vec<(u64, [f32; 4])>], [ax, ay, bx, by]: [f32; 4], anchor: Anchor) -> Vec<Event> {
    let length = (bx - ax).hypot(by - ay);
    let left_of = |(x, y): (f32, f32)| ((by - ay) * (x - ax) - (bx - ax) * (y - ay)) / length;
    let along = |(x, y): (f32, f32)| ((bx - ax) * (x - ax) + (by - ay) * (y - ay)) / length;
    let mut events = Vec::new();
    for way in people {
        let mut side: Option<bool> = None;
        let mut before: Option<(f32, f32)> = None;
        // Passes through the segment since the side was certain: time, and how many to the left.
        let mut passes: (f64, i32) = (0.0, 0);
        for (frame, bounds) in way {
            let at = point(anchor, *bounds);
            let d = left_of(at);
            if let Some(before) = before {
                let e = left_of(before);
                if (e >= 0.0) != (d >= 0.0) {
                    let share = e / (e - d);
                    let place = along(before) + share * (along(at) - along(before));
                    if (0.0..=length).contains(&place) {
                        passes.0 = (*frame as f64 - 2.0 + f64::from(share)) / FPS;
                        passes.1 += if d >= 0.0 { 1 } else { -1 };
                    }
                }
            }
            before = Some(at);
            if d.abs() < BAND {
                continue;
            }
            let now = d > 0.0;
            if side.is_some_and(|side| side != now) && passes.1 == if now { 1 } else { -1 } {
                events.push((passes.0, if now { Direction::In } else { Direction::Out }));
            }
            side = Some(now);
            passes.1 = 0;
        }
    }
    events.sort_by(|a, b| a.0.total_cmp(&b.0));
    events
}

fn count(
    options: CounterOptions,
    seen: &BTreeMap<u64, Vec<Detection>>,
    lines: &[[f32; 4]],
    anchor: Anchor,
    every: usize,
) -> Vec<Vec<Event>> {
    let persons = Filter { classes: vec![labels().class("person").unwrap()], ..Filter::default() };
    let options = CounterOptions { filter: persons, ..options };
    let mut counter = Counter::new(options, labels(), Aspect::new(SIZE.0 as u32, SIZE.1 as u32));
    let line = |(n, [ax, ay, bx, by]): (usize, &[f32; 4])| {
        let (a, b) = (Point::new(ax / SIZE.0, ay / SIZE.1), Point::new(bx / SIZE.0, by / SIZE.1));
        let mut line = CountingLine::new(LineId(n as u64), n.to_string(), a, b).unwrap();
        line.anchor = anchor;
        line
    };
    counter.set_lines(lines.iter().enumerate().map(line).collect()).unwrap();
    let mut found = vec![Vec::new(); lines.len()];
    for frame in (1..=FRAMES).step_by(every) {
        let time_us = ((frame - 1) as f64 * 1e6 / FPS) as u64;
        for crossing in counter.update(seen.get(&frame).map_or(&[], Vec::as_slice), time_us).crossings {
            found[crossing.line.0 as usize].push((crossing.time_us as f64 / 1e6, crossing.direction));
        }
    }
    found
}

/// Number of counted crossings that are true: pairs of one direction within the tolerance.
fn matched(counted: &[Event], truth: &[Event]) -> usize {
    let mut free = truth.to_vec();
    counted
        .iter()
        .filter(|one| {
            let near = |other: &Event| one.1 == other.1 && (one.0 - other.0).abs() <= TOLERANCE;
            let best = (0..free.len())
                .filter(|&at| near(&free[at]))
                .min_by(|&a, &b| (free[a].0 - one.0).abs().total_cmp(&(free[b].0 - one.0).abs()));
            best.is_some_and(|at| {
                free.remove(at);
                true
            })
        })
        .count()
}

/// Precision, recall, and their harmonic mean over all lines.
fn scores(counted: &[Vec<Event>], truths: &[Vec<Event>]) -> (f64, f64, f64) {
    let hits: usize = counted.iter().zip(truths).map(|(counted, truth)| matched(counted, truth)).sum();
    let all = |events: &[Vec<Event>]| events.iter().map(Vec::len).sum::<usize>() as f64;
    let (precision, recall) = (hits as f64 / all(counted), hits as f64 / all(truths));
    (precision, recall, 2.0 * precision * recall / (precision + recall))
}

/// Precision and recall on lines, anchors and rates by which no parameter was chosen.
#[test]
fn other_lines_anchors_and_rates() {
    let Some(folder) = testdata() else { return };
    let people = people(&folder);
    for (model, least) in MODELS.into_iter().zip([0.93, 0.86]) {
        let seen = detections(&folder, model);
        for anchor in [Anchor::BottomCenter, Anchor::Center, Anchor::TopCenter] {
            let truths: Vec<Vec<Event>> = LINES.iter().map(|&line| truth(&people, line, anchor)).collect();
            let known: usize = truths.iter().map(Vec::len).sum();
            assert!(known > 300, "the truth knows only {known} crossings");
            for every in [1, 2, 3, 5] {
                let counted = count(CounterOptions::default(), &seen, &LINES, anchor, every);
                let (precision, recall, _) = scores(&counted, &truths);
                println!(
                    "{model} {:.1}/s by {}: {known} crossed, precision {precision:.3}, recall {recall:.3}",
                    FPS / every as f64,
                    anchor.as_str(),
                );
                assert!(precision > least && recall > least, "{model}, {anchor:?}, every {every}");
            }
        }
    }
}

type Change = fn(&mut CounterOptions, f32);

/// Every parameter of tracking and of arriving beyond a line, by name.
fn parameters() -> Vec<(&'static str, Change)> {
    vec![
        ("most_iou", |o, by| o.most_iou *= by),
        ("sure_score", |o, by| o.tracker.sure_score *= by),
        ("least_score", |o, by| o.tracker.least_score *= by),
        ("birth_score", |o, by| o.tracker.birth_score *= by),
        ("sure and birth", |o, by| {
            o.tracker.birth_score *= by;
            o.tracker.sure_score *= by
        }),
        ("confirm_age", |o, by| o.tracker.confirm_age *= by),
        ("tentative_patience", |o, by| o.tracker.tentative_patience *= by),
        ("lost_patience", |o, by| o.tracker.lost_patience *= by),
        ("least_likeness", |o, by| o.tracker.least_likeness *= by),
        ("likeness_rise", |o, by| o.tracker.likeness_rise *= by),
        ("least_unsure_iou", |o, by| o.tracker.least_unsure_iou *= by),
        ("most_covered", |o, by| o.tracker.most_covered = (o.tracker.most_covered * by).min(1.0)),
        ("slack", |o, by| o.tracker.slack *= by),
        ("same_error", |o, by| o.tracker.motion.same_error *= by),
        ("measurement", |o, by| o.tracker.motion.measurement *= by),
        ("speed", |o, by| o.tracker.motion.speed *= by),
        ("acceleration", |o, by| o.tracker.motion.acceleration *= by),
        ("growth", |o, by| o.tracker.motion.growth *= by),
        ("near", |o, by| o.hysteresis.near *= by),
        ("far", |o, by| o.hysteresis.far *= by),
        ("stay_for", |o, by| o.hysteresis.stay_for *= by),
    ]
}

/// No parameter stands on a peak: a fifth more or less of any of them changes little, anywhere. Most change less than
/// 0.01. A higher minimum score is better by 0.026 for the shipped model on this clip, which is no reason to tune to
/// it.
#[test]
fn a_fifth_more_or_less_of_any_parameter_changes_little() {
    let Some(folder) = testdata() else { return };
    let people = people(&folder);
    let truths: Vec<Vec<Event>> =
        LINES.iter().map(|&line| truth(&people, line, Anchor::BottomCenter)).collect();
    for model in MODELS {
        let seen = detections(&folder, model);
        let score = |options: &CounterOptions, every| {
            scores(&count(options.clone(), &seen, &LINES, Anchor::BottomCenter, every), &truths).2
        };
        let own = [1, 2].map(|every| score(&CounterOptions::default(), every));
        for (name, change) in parameters() {
            for by in [0.8, 1.2] {
                let mut options = CounterOptions::default();
                change(&mut options, by);
                for (every, own) in [1, 2].into_iter().zip(own) {
                    let score = score(&options, every);
                    println!("{model}, every {every}, {name} × {by}: F {score:.3}, {own:.3} by default");
                    assert!((score - own).abs() < 0.03, "{model}, every {every}, {name} × {by}: {score}");
                }
            }
        }
    }
}
