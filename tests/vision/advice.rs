//! Advice from a check: five seeded faults, each named as the most common cause, and each with a change that helps.
//!
//! The clip with its truth may be absent, as in `accuracy.rs`. Low light and the pillar also need `ffmpeg`, which draws
//! them. The built-in model looks at the drawn frames.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tallycam::base::ClockTime;
use tallycam::encode::Reducer;
use tallycam::media::{PictureBuilder, SmallImage, jpeg};
use tallycam::models::Models;
use tallycam::store::{CauseAdvice, CheckAdvice, CheckTaps};
use tallycam::vision::onnx::OnnxDetector;
use tallycam::vision::{
    Aspect, Bounds, Counter, CounterOptions, CountingLine, Detection, Detector as _, Direction, Filter,
    Labels, LineId, MissCause, Point, Trial, TrialChange,
};

const SIZE: (f32, f32) = (768.0, 576.0);
/// The line D of vtest.avi, in pixels.
const D: [f32; 4] = [300.0, 400.0, 300.0, 120.0];
const STEP_US: u64 = 100_000;
const FRAMES: usize = 795;
/// Pixels.
const EDGE: f32 = 60.0;

fn testdata() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("detections").is_dir() && folder.join("video/vtest.avi").is_file() {
        return Some(folder);
    }
    println!("LEFT OUT: no clip with detections in {}", folder.display());
    None
}

/// Each person's box by frame, in pixels: the ground truth.
fn people(data: &Path) -> Vec<Vec<(usize, [f32; 4])>> {
    let text = fs::read_to_string(data.join("groundtruth/PETS09-S2L1.gt.txt")).unwrap();
    let mut people: Vec<Vec<(usize, [f32; 4])>> = Vec::new();
    for row in
        text.lines().map(|row| row.split(',').map(|field| field.parse::<f32>().unwrap()).collect::<Vec<_>>())
    {
        let id = row[1] as usize;
        people.resize(people.len().max(id + 1), Vec::new());
        if row[6] != 0.0 {
            people[id].push((row[0] as usize, [row[2], row[3], row[2] + row[4], row[3] + row[5]]));
        }
    }
    people
}

/// Taps of what truly crosses the upright line at `line`, with the foot. A person at the edge of the frame goes on
/// for some seconds as before: the ground truth ends there.
fn taps(data: &Path, line: [f32; 4]) -> Vec<(u64, Direction)> {
    let mut taps = Vec::new();
    for person in people(data) {
        let mut way: Vec<(f32, f32, f32)> = person
            .iter()
            .map(|(frame, [left, _, right, bottom])| (*frame as f32, (left + right) / 2.0, *bottom))
            .collect();
        for is_end in [false, true] {
            way.reverse();
            let (Some(&last), Some(&before)) = (way.last(), way.iter().rev().nth(10)) else { continue };
            let speed = (last.1 - before.1) / (last.0 - before.0).abs();
            if last.1 < EDGE && speed < 0.0 || last.1 > SIZE.0 - EDGE && speed > 0.0 {
                let steps = (1..40).map(|n| n as f32);
                let sign = if is_end { 1.0 } else { -1.0 };
                way.extend(steps.map(|n| (last.0 + sign * n, last.1 + speed * n, last.2)));
            }
        }
        for pair in way.windows(2) {
            let is_between = (line[3].min(line[1])..=line[1].max(line[3])).contains(&pair[1].2);
            if (pair[0].1 < line[0]) != (pair[1].1 < line[0]) && is_between {
                let direction = if pair[1].1 > pair[0].1 { Direction::Out } else { Direction::In };
                taps.push(((pair[1].0.max(1.0) as u64 - 1) * STEP_US, direction));
            }
        }
    }
    taps.sort_by_key(|tap| tap.0);
    taps
}

#[derive(Clone)]
struct Fault<'a> {
    line: [f32; 4],
    rate: Option<f64>,
    score: Option<f32>,
    light: u8,
    /// Detections of each frame.
    seen: &'a [Vec<Detection>],
    labels: &'a Labels,
    own: CounterOptions,
}

impl Fault<'_> {
    fn advice(&self, taps: Vec<(u64, Direction)>) -> CheckAdvice {
        let mut options = self.own.clone();
        options.filter = Filter { classes: vec![self.labels.class("person").unwrap()], ..options.filter };
        let own = options.tracker.clone();
        if let Some(score) = self.score {
            options.tracker.set_score(score);
        }
        let mut counter = Counter::new(options, self.labels.clone(), Aspect::new(768, 576));
        let [ax, ay, bx, by] = self.line;
        let (a, b) = (Point::new(ax / SIZE.0, ay / SIZE.1), Point::new(bx / SIZE.0, by / SIZE.1));
        counter.set_lines(vec![CountingLine::new(LineId(1), "D", a, b).unwrap()]).unwrap();
        counter.keep_detections();
        for (at, seen) in self.seen.iter().enumerate() {
            counter.update(seen, at as u64 * STEP_US * FRAMES as u64 / self.seen.len() as u64);
        }
        let mut trial = Trial::new(counter, LineId(1), own).unwrap();
        trial.rate = self.rate;
        let span = (0, FRAMES as u64 * STEP_US);
        CheckTaps { span, taps, left_out: Vec::new(), light: Some(self.light) }.advise(7, &trial)
    }
}

/// The most common cause, which its change improves.
fn first(advice: &CheckAdvice) -> CauseAdvice {
    println!("{:?}", advice.before);
    for cause in &advice.causes {
        println!(
            "  {:?} missed {} false {} {:?} {:?}",
            cause.cause, cause.missed, cause.wrong, cause.change, cause.after
        );
    }
    let first = advice.causes[0].clone();
    let recall = |figures: tallycam::store::TrialFigures| figures.recall.unwrap().value;
    assert!(recall(first.after.unwrap()) > recall(advice.before), "{first:?}");
    first
}

/// Recorded detections of the clip.
fn recorded(data: &Path, labels: &Labels) -> Vec<Vec<Detection>> {
    let text = fs::read_to_string(data.join("detections/vtest.yolox_nano_416.csv")).unwrap();
    let mut frames = vec![Vec::new(); FRAMES];
    for row in text.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>()) {
        let number = |at: usize| row[at].parse::<f32>().unwrap();
        if let Some(class) = labels.class(row[1]) {
            let bounds =
                Bounds::new(number(3) / SIZE.0, number(4) / SIZE.1, number(5) / SIZE.0, number(6) / SIZE.1);
            frames[number(0) as usize - 1].push(Detection { class, score: number(2), bounds });
        }
    }
    frames
}

#[test]
fn the_rate_of_uneven_frames_is_their_mean_without_gaps() {
    let labels = Labels::new(["person"]);
    let mut counter = Counter::new(CounterOptions::default(), labels, Aspect::new(768, 576));
    let line = CountingLine::new(LineId(1), "D", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).unwrap();
    counter.set_lines(vec![line]).unwrap();
    counter.keep_detections();
    for from_us in [0, 600_000_000] {
        counter.restart();
        // The camera gives 25 frames per second, the detector takes 15 of them.
        for at_us in (0..50).flat_map(|five| [0, 80_000, 160_000].map(|us| from_us + five * 200_000 + us)) {
            counter.update(&[], at_us);
        }
    }
    let trial = Trial::new(counter, LineId(1), CounterOptions::default().tracker).unwrap();
    assert!((trial.frame_rate() - 15.0).abs() < 0.1, "{}", trial.frame_rate());
}

#[test]
fn faults_of_settings_and_of_the_line_are_named() {
    let Some(data) = testdata() else { return };
    let labels = Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"]);
    let seen = recorded(&data, &labels);
    let none = Fault {
        line: D,
        rate: None,
        score: None,
        light: 110,
        seen: &seen,
        labels: &labels,
        own: CounterOptions::default(),
    };
    assert_eq!(none.advice(taps(&data, D)).causes, [], "nothing is wrong");
    let slow = first(&Fault { rate: Some(1.0), ..none.clone() }.advice(taps(&data, D)));
    assert_eq!(slow.cause, MissCause::Rate);
    let strict = first(&Fault { score: Some(0.85), ..none.clone() }.advice(taps(&data, D)));
    assert_eq!(strict.cause, MissCause::Score);
    // Twelve of the 21 people are not seen on both sides of it.
    let at_edge = [755.0, 576.0, 755.0, 0.0];
    let edge = first(&Fault { line: at_edge, ..none.clone() }.advice(taps(&data, at_edge)));
    assert!(matches!(edge.cause, MissCause::Ended | MissCause::Late), "{edge:?}");
    assert!(matches!(edge.change, Some(TrialChange::Line([x, ..])) if x < 0.95), "{edge:?}");
}

/// Every second frame of the clip, changed by a filter of ffmpeg, as the built-in model sees it.
fn looked_at(data: &Path, filter: &str) -> Option<(Vec<Vec<Detection>>, Labels, CounterOptions)> {
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(data.join("video/vtest.avi"))
        .args(["-vf", &format!("select=not(mod(n\\,2)),{filter}"), "-vsync", "0", "-q:v", "3"])
        .arg(folder.path().join("%d.jpg"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("LEFT OUT: ffmpeg cannot read the clip");
        return None;
    }
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let models = Models::with_places(vec![own], folder.path().join("none"));
    let (card, bytes) = models.load("yolox_nano_320").unwrap();
    let mut detector = OnnxDetector::new("yolox_nano_320", &bytes, &card, None, 2).unwrap();
    let mut reducer = Reducer::new().unwrap();
    let mut frames = Vec::new();
    while let Ok(bytes) = fs::read(folder.path().join(format!("{}.jpg", frames.len() + 1))) {
        let header = jpeg::inspect(&bytes).unwrap();
        let mut builder = PictureBuilder::with_capacity(bytes.len());
        builder.push(&bytes);
        let picture = builder.finish(header.width, header.height, ClockTime::at_monotonic(0), 0, false);
        let (mut image, mut found) = (SmallImage::empty(), Vec::new());
        reducer.reduce(&picture, detector.least_size(header.width, header.height), &mut image).unwrap();
        detector.detect(&image, &mut found).unwrap();
        frames.push(found);
    }
    Some((frames, detector.labels().clone(), detector.options()))
}

#[test]
fn low_light_and_a_pillar_are_named() {
    let Some(data) = testdata() else { return };
    let dark = ("lutyuv=y=val*0.12", 13, MissCause::Dark);
    let pillar = ("drawbox=230:100:140:400:black:fill", 110, MissCause::Hidden);
    for (filter, light, cause) in [dark, pillar] {
        let Some((seen, labels, own)) = looked_at(&data, filter) else { return };
        let fault = Fault { line: D, rate: None, score: None, light, seen: &seen, labels: &labels, own };
        assert_eq!(first(&fault.advice(taps(&data, D))).cause, cause, "{filter}");
    }
}
