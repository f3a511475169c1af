//! Flows and speeds between two lines, through counts.db, compared with the ground truth of `accuracy` and with the
//! simulation.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tallycam::source::sim;
use tallycam::store::{
    BucketSize, Counts, CountsOptions, CountsReader, FlowEnds, LineDraft, LineRow, NewCrossing, Scene,
    SpeedRow,
};
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Direction, Labels, LineId,
    Point, Polygon, Zone, ZoneId,
};

use crate::accuracy::{VTEST, YOLOX, detections, testdata};

type Crossed = (String, Direction);
type Flows = BTreeMap<(Crossed, Crossed), u64>;

const CLASSES: [&str; 6] = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];

/// Counts detections in frames on lines, from their ends in fractions, and stores the crossings. Returns the lines, the
/// reader, and the time of the first frame in microseconds.
fn stored(
    folder: &std::path::Path,
    size: (u32, u32),
    lines: &[(&str, [f32; 4])],
    fps: f64,
    frames: impl Iterator<Item = Vec<Detection>>,
) -> (Vec<LineRow>, Counts, CountsReader, u64) {
    let (counts, writer) = Counts::open(CountsOptions {
        directory: folder.to_owned(),
        camera: String::from("street"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    })
    .unwrap();
    let drafts = lines.iter().map(|(name, [ax, ay, bx, by])| {
        let [a, b] = [[*ax, *ay], [*bx, *by]].map(|end| end.map(f64::from));
        (LineDraft::new(*name, a, b), String::from("config.toml:1"))
    });
    counts.pin(drafts.collect(), Vec::new()).unwrap();
    let rows = counts.lines().borrow().to_vec();
    if let [one, other] = &rows[..] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(counts.set_distance(other.id, Some((one.id, METRES)))).unwrap();
    }
    let mut counter =
        Counter::new(CounterOptions::default(), Labels::new(CLASSES), Aspect::new(size.0, size.1));
    let line = |row: &LineRow| {
        let [a, b] = [row.draft.a, row.draft.b].map(|[x, y]| Point::new(x as f32, y as f32));
        CountingLine::new(LineId(row.id), row.draft.name.clone(), a, b).unwrap()
    };
    counter.set_lines(rows.iter().map(line).collect()).unwrap();
    let began_us = tallycam::ClockTime::now().monotonic_us;
    for (frame, found) in frames.enumerate() {
        let time_us = began_us + (frame as f64 * 1e6 / fps) as u64;
        let crossings = counter.update(&found, time_us).crossings.into_iter().map(|crossing| NewCrossing {
            line: crossing.line.0,
            scene: Scene::Camera,
            track: crossing.track.0,
            ordinal: crossing.ordinal,
            class: Arc::from(CLASSES[usize::from(crossing.class.0)]),
            direction: crossing.direction,
            score: crossing.score,
            monotonic_us: crossing.time_us,
            kmh: None,
            thumbnail: None,
        });
        counts.record(crossings.collect()).unwrap();
    }
    counts.stop();
    writer.join_within(Duration::from_secs(30)).unwrap();
    let reader = counts.reader().unwrap();
    (rows, counts, reader, began_us)
}

/// The boxes of the ground truth as sure detections.
fn true_boxes() -> Option<BTreeMap<u64, Vec<Detection>>> {
    let text = fs::read_to_string(testdata()?.join("groundtruth/PETS09-S2L1.gt.txt")).unwrap();
    let (width, height) = (VTEST.size.0 as f32, VTEST.size.1 as f32);
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for row in text.lines() {
        let of: Vec<f32> = row.split(',').map(|field| field.parse().unwrap()).collect();
        let bounds =
            Bounds::new(of[2] / width, of[3] / height, (of[2] + of[4]) / width, (of[3] + of[5]) / height);
        if of[6] > 0.0 {
            frames.entry(of[0] as u64).or_default().push(Detection { class: Class(0), score: 0.9, bounds });
        }
    }
    Some(frames)
}

/// The true flows: consecutive crossings of one person. Twice the same crossing is left out: one person goes back below
/// the end of A, at the lower edge of the frame, where the ground truth does not tell its way.
fn true_flows() -> Flows {
    let text = fs::read_to_string(testdata().unwrap().join("groundtruth/PETS09-S2L1.crossings.csv")).unwrap();
    let mut ways: BTreeMap<String, Vec<(u64, Crossed)>> = BTreeMap::new();
    for row in text.lines() {
        let of: Vec<&str> = row.split(',').collect();
        let direction = if of[4] == "L>R" { Direction::Out } else { Direction::In };
        if of[1] == "foot" {
            let way = ways.entry(of[3].to_owned()).or_default();
            way.push((of[2].parse().unwrap(), (of[0].into(), direction)));
        }
    }
    let mut flows = Flows::new();
    for mut way in ways.into_values() {
        way.sort();
        for two in way.windows(2).filter(|two| two[0].1 != two[1].1) {
            *flows.entry((two[0].1.clone(), two[1].1.clone())).or_default() += 1;
        }
    }
    flows
}

/// The flows of the street.
fn flows(seen: &BTreeMap<u64, Vec<Detection>>) -> Flows {
    let folder = tempfile::tempdir().unwrap();
    let (width, height) = (VTEST.size.0 as f32, VTEST.size.1 as f32);
    let line = |(name, [ax, ay, bx, by]): &(&'static str, [f32; 4])| {
        (*name, [ax / width, ay / height, bx / width, by / height])
    };
    let lines: Vec<_> = VTEST.lines.iter().map(line).collect();
    let frames = (1..=VTEST.frames).map(|frame| seen.get(&frame).cloned().unwrap_or_default());
    let (rows, _counts, reader, _) = stored(folder.path(), VTEST.size, &lines, VTEST.fps, frames);
    let name = |id: u64| rows.iter().find(|row| row.id == id).unwrap().draft.name.clone();
    let to_us = tallycam::ClockTime::now().wall_us + 86_400_000_000;
    let read = reader.flows(Scene::Camera, 0, to_us, BucketSize::Total, None, &FlowEnds::default()).unwrap();
    let crossed = |of: tallycam::store::LineCrossed| (name(of.line), of.direction);
    read[0].counts.iter().map(|flow| ((crossed(flow.from), crossed(flow.to)), flow.count)).collect()
}

fn apart(one: &Flows, other: &Flows) -> u64 {
    let keys = one.keys().chain(other.keys().filter(|key| !one.contains_key(*key)));
    let of = |flows: &Flows, key| flows.get(key).copied().unwrap_or(0);
    keys.map(|key| of(one, key).abs_diff(of(other, key))).sum()
}

#[test]
fn flows_by_the_true_boxes_are_the_true_flows() {
    let Some(boxes) = true_boxes() else { return };
    let (counted, truth) = (flows(&boxes), true_flows());
    println!("counted {counted:?}\ntruth {truth:?}");
    assert_eq!(counted, truth);
}

#[test]
fn flows_by_a_model_are_near_the_true_ones() {
    let Some(seen) = detections(&VTEST, YOLOX, &Labels::new(CLASSES)) else { return };
    let (counted, truth) = (flows(&seen), true_flows());
    println!("counted {counted:?}\ntruth {truth:?}");
    let sum: u64 = truth.values().sum();
    assert!(apart(&counted, &truth) * 4 <= sum, "{} of {sum} are wrong", apart(&counted, &truth));
}

/// The distance between the lines, whatever the scale of the street.
const METRES: f64 = 10.0;
const LINES: [f32; 2] = [0.35, 0.65];
const SIZE: (u32, u32) = (1280, 720);
const SECONDS: u64 = 600;

/// The true passes: seconds at the second line of `LINES`, and kilometres an hour.
fn true_speeds(seed: u64) -> Vec<(f64, f64)> {
    const FPS: f64 = 25.0;
    let mut last: BTreeMap<u64, f32> = BTreeMap::new();
    let mut times: BTreeMap<u64, [Option<f64>; 2]> = BTreeMap::new();
    for frame in 0..(SECONDS as f64 * FPS) as u64 {
        for b in sim::boxes(seed, frame, FPS, SIZE.0, SIZE.1) {
            let x = (b.left + b.right) / 2.0;
            let before = last.insert(b.id, x).unwrap_or(x);
            for (line, at) in LINES.iter().enumerate() {
                if (before < *at) != (x < *at) {
                    let share = f64::from((at - before) / (x - before));
                    times.entry(b.id).or_default()[line] = Some((frame as f64 - 1.0 + share) / FPS);
                }
            }
        }
    }
    let passes = times.into_values().filter_map(|[one, other]| one.zip(other));
    passes.map(|(one, other)| (other, METRES / (other - one).abs() * 3.6)).collect()
}

/// The boxes of the simulation as detections; their sides tremble by 0.2 % of the frame.
fn simulated(seed: u64, fps: f64, labels: &Labels) -> impl Iterator<Item = Vec<Detection>> {
    let mut noise = seed as u32;
    let mut tremble = move || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((noise >> 8) as f32 / (1u32 << 24) as f32 - 0.5) * 0.004
    };
    (0..(SECONDS as f64 * fps) as u64).map(move |frame| {
        let found = sim::boxes(seed, frame, fps, SIZE.0, SIZE.1).into_iter().map(|b| Detection {
            class: labels.class(b.class.as_str()).unwrap(),
            score: 0.9,
            bounds: Bounds::new(b.left + tremble(), b.top, b.right + tremble(), b.bottom),
        });
        found.collect()
    })
}

#[test]
fn speeds_in_the_simulation_are_right_within_5_per_cent() {
    const FPS: f64 = 5.0;
    let labels = Labels::new(CLASSES);
    for seed in [3, 8] {
        let folder = tempfile::tempdir().unwrap();
        let frames = simulated(seed, FPS, &labels);
        let lines: Vec<_> =
            ["one", "other"].into_iter().zip(LINES).map(|(n, x)| (n, [x, 1.0, x, 0.0])).collect();
        let (_, _counts, reader, began_us) = stored(folder.path(), SIZE, &lines, FPS, frames);
        let read = reader
            .speeds(
                Scene::Camera,
                0,
                tallycam::ClockTime::now().wall_us + 86_400_000_000,
                BucketSize::Total,
                None,
            )
            .unwrap();
        let began_wall_us =
            tallycam::ClockTime::now().wall_us - (tallycam::ClockTime::now().monotonic_us - began_us);
        let row: &SpeedRow = &read[0].1[0];
        let truth = true_speeds(seed);
        let mut errors: Vec<f64> = Vec::new();
        for speed in &row.measured {
            let at = (speed.time_us as f64 - began_wall_us as f64) / 1e6;
            let near = truth.iter().filter(|(time, _)| (time - at).abs() < 0.5);
            let error = near.map(|(_, kmh)| (speed.kmh / kmh - 1.0).abs()).min_by(f64::total_cmp);
            errors.push(error.unwrap_or(1.0));
        }
        errors.sort_by(f64::total_cmp);
        let right = errors.iter().filter(|error| **error <= 0.05).count();
        let true_mean = truth.iter().map(|(_, kmh)| kmh).sum::<f64>() / truth.len() as f64;
        let mut sorted: Vec<f64> = truth.iter().map(|(_, kmh)| *kmh).collect();
        sorted.sort_by(f64::total_cmp);
        let true_v85 = sorted[(sorted.len() as f64 * 0.85).ceil() as usize - 1];
        let (mean, v85) = (row.mean_kmh().unwrap(), row.v85_kmh().unwrap());
        println!(
            "seed {seed}: {} passes, {} crossings, {} measured, {right} within 5 %, median error {:.4}, mean {mean:.2} \
             of {true_mean:.2}, V85 {v85:.2} of {true_v85:.2}",
            truth.len(),
            row.crossings,
            row.measured.len(),
            errors[errors.len() / 2],
        );
        assert!(right * 100 >= row.measured.len() * 95, "{errors:?}");
        assert!(row.measured.len() * 100 >= truth.len() * 90, "{} of {}", row.measured.len(), truth.len());
        assert!((mean / true_mean - 1.0).abs() < 0.05 && (v85 / true_v85 - 1.0).abs() < 0.05);
    }
}

/// Metres to the right of the middle of the simulated street, as its perspective is (`source/sim/scene.rs`).
fn metres(x: f32, bottom: f32) -> f64 {
    f64::from((x - 0.5) * SIZE.0 as f32 / SIZE.1 as f32 / per_metre(bottom))
}

fn per_metre(bottom: f32) -> f32 {
    (bottom - 0.167) * 0.297
}

#[test]
fn speeds_on_the_ground_of_the_simulation_are_right_within_5_per_cent() {
    const FPS: f64 = 5.0;
    const TRUE_FPS: u64 = 25;
    let labels = Labels::new(CLASSES);
    // 6 m wide; all go straight across, so that its depth makes no difference.
    let corner =
        |metres: f32, y: f32| Point::new(0.5 + metres * per_metre(y) * SIZE.1 as f32 / SIZE.0 as f32, y);
    let area = Polygon::new(vec![corner(-3.0, 0.95), corner(3.0, 0.95), corner(3.0, 0.5), corner(-3.0, 0.5)]);
    let area = area.unwrap();
    for seed in [3, 8] {
        let mut counter =
            Counter::new(CounterOptions::default(), labels.clone(), Aspect::new(SIZE.0, SIZE.1));
        let zone = Zone { ground: Some([6.0, 9.0]), ..Zone::new(ZoneId(1), "street", area.clone()) };
        counter.set_zones(vec![zone]);
        let line =
            CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).unwrap();
        counter.set_lines(vec![line]).unwrap();
        let frames = simulated(seed, FPS, &labels).enumerate();
        let told: Vec<(f64, Option<f32>)> = frames
            .flat_map(|(frame, found)| counter.update(&found, (frame as f64 * 1e6 / FPS) as u64).crossings)
            .map(|crossing| (crossing.time_us as f64 / 1e6, crossing.kmh))
            .collect();
        // The true speed: of the second before the crossing.
        let place = |frame: u64, id: u64| {
            let boxes = sim::boxes(seed, frame, TRUE_FPS as f64, SIZE.0, SIZE.1);
            boxes.into_iter().find(|b| b.id == id).map(|b| metres((b.left + b.right) / 2.0, b.bottom))
        };
        let truth: Vec<(f64, f64)> = sim::crossings(seed, TRUE_FPS, SECONDS * TRUE_FPS, TRUE_FPS as f64)
            .into_iter()
            .filter_map(|crossing| {
                let way =
                    place(crossing.frame, crossing.id)? - place(crossing.frame - TRUE_FPS, crossing.id)?;
                Some((crossing.frame as f64 / TRUE_FPS as f64, way.abs() * 3.6))
            })
            .collect();
        let measured: Vec<(f64, f64)> =
            told.iter().filter_map(|(at, kmh)| Some((*at, f64::from((*kmh)?)))).collect();
        let is_right = |(at, kmh): &&(f64, f64)| {
            let mut near = truth.iter().filter(|(time, _)| (time - at).abs() < 0.5);
            near.any(|(_, known)| (kmh / known - 1.0).abs() <= 0.05)
        };
        let right = measured.iter().filter(is_right).count();
        let mean = |of: &[(f64, f64)]| of.iter().map(|(_, kmh)| kmh).sum::<f64>() / of.len() as f64;
        println!(
            "seed {seed}: {} passes, {} crossings, {} measured, {right} within 5 %, mean {:.2} of {:.2}",
            truth.len(),
            told.len(),
            measured.len(),
            mean(&measured),
            mean(&truth)
        );
        assert!(measured.len() * 100 >= truth.len() * 90 && right * 100 >= measured.len() * 95);
        assert!((mean(&measured) / mean(&truth) - 1.0).abs() < 0.05);
    }
}
