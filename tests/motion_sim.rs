//! The simulated street through the real path, with no model: frame, JPEG, reduced JPEG, motion, line.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use tallycam::base::{Stamp, Stop};
use tallycam::encode::{Encoder, Reducer};
use tallycam::media::SmallImage;
use tallycam::source::sim::{self, SimOpener};
use tallycam::source::{Opener, Wanted};
use tallycam::vision::{Aspect, Counter, CountingLine, Detector, Direction, LineId, MotionDetector, Point};

const SIZE: (u32, u32) = (1280, 720);

/// What is counted on the middle line, and what crossed it: times in seconds.
fn street(seed: u64, fps: f64, seconds: f64) -> (Vec<(f64, Direction)>, Vec<(f64, Direction, String)>) {
    let wanted = Wanted { width: Some(SIZE.0), height: Some(SIZE.1), fps: Some(fps), ..Wanted::ANYTHING };
    let mut source = SimOpener::new(seed, wanted, false).open(&Stop::new()).unwrap();
    let mut encoder = Encoder::new(80).unwrap();
    let mut reducer = Reducer::new().unwrap();
    let mut image = SmallImage::empty();
    let mut detector = MotionDetector::new();
    let mut counter = Counter::new(detector.options(), detector.labels().clone(), Aspect::of(SIZE.0, SIZE.1));
    let middle = CountingLine::new(LineId(1), "middle", Point::new(0.5, 1.0), Point::new(0.5, 0.0)).unwrap();
    counter.set_lines(vec![middle]).unwrap();
    let frames = (seconds * fps) as u64;
    let (mut found, mut counted) = (Vec::new(), Vec::new());
    let (mut spent, least) = (Duration::ZERO, detector.least_size(SIZE.0, SIZE.1));
    let debug = std::env::var("TALLYCAM_SHOW").is_ok();
    for number in 0..frames {
        let mut frame = source.next(Duration::ZERO).unwrap().unwrap();
        let time_us = (number as f64 * 1e6 / fps) as u64;
        frame.stamp = Stamp { monotonic_us: time_us, wall_us: time_us, wall_trusted: true };
        let picture = encoder.encode(&frame).unwrap();
        reducer.reduce(&picture, least, &mut image).unwrap();
        let begun = std::time::Instant::now();
        detector.detect(&image, &mut found).unwrap();
        spent += begun.elapsed();
        let outcome = counter.update(&found, time_us);
        if let Ok(range) = std::env::var("DUMP") {
            let (a, b) = range.split_once('-').unwrap();
            let t = number as f64 / fps;
            if t >= a.parse().unwrap() && t <= b.parse::<f64>().unwrap() {
                let (w, h) = (image.width, image.height);
                let mut grey: Vec<[u8; 3]> = image.y.iter().map(|&y| [y, y, y]).collect();
                let mut rect = |b: [f32; 4], c: [u8; 3]| {
                    let x = |f: f32| ((f * w as f32) as i32).clamp(0, w as i32 - 1) as usize;
                    let y = |f: f32| ((f * h as f32) as i32).clamp(0, h as i32 - 1) as usize;
                    for i in x(b[0])..=x(b[2]) {
                        grey[y(b[1]) * w + i] = c;
                        grey[y(b[3]) * w + i] = c;
                    }
                    for i in y(b[1])..=y(b[3]) {
                        grey[i * w + x(b[0])] = c;
                        grey[i * w + x(b[2])] = c;
                    }
                };
                for d in &found {
                    rect([d.bounds.left, d.bounds.top, d.bounds.right, d.bounds.bottom], [255, 0, 0]);
                }
                for t in &outcome.overlay.tracks {
                    rect(
                        [t.bounds.left, t.bounds.top, t.bounds.right, t.bounds.bottom],
                        if t.in_sight { [0, 255, 0] } else { [255, 255, 0] },
                    );
                }
                let mut data = format!("P6 {w} {h} 255\n").into_bytes();
                data.extend(grey.iter().flatten());
                std::fs::write(format!("/tmp/motion/{seed}-{number:04}.ppm"), data).unwrap();
            }
        }
        for c in outcome.crossings {
            if debug {
                let b = counter.tracks().iter().find(|t| t.id() == c.track).unwrap().bounds_in_heights();
                println!(
                    "  counted at {:.1} {:?} track {} box {:.2},{:.2}..{:.2},{:.2}",
                    c.time_us as f64 / 1e6,
                    c.direction,
                    c.track.0,
                    b.left,
                    b.top,
                    b.right,
                    b.bottom
                );
            }
            counted.push((c.time_us as f64 / 1e6, c.direction));
        }
    }
    if debug {
        println!("look: {:?}", spent / frames as u32);
    }
    let known = sim::crossings(seed, 0, frames, fps)
        .iter()
        .map(|c| {
            let direction = match c.direction {
                sim::Direction::LeftToRight => Direction::Out,
                sim::Direction::RightToLeft => Direction::In,
            };
            (c.frame as f64 / fps, direction, format!("{} {}", c.class.word(), c.id))
        })
        .collect();
    (counted, known)
}

#[test]
fn explore() {
    let seeds = std::env::var("SEEDS").unwrap_or("1-5".into());
    let (a, b) = seeds.split_once('-').unwrap();
    let fps: f64 = std::env::var("FPS").ok().and_then(|f| f.parse().ok()).unwrap_or(10.0);
    let seconds: f64 = std::env::var("SECONDS").ok().and_then(|f| f.parse().ok()).unwrap_or(60.0);
    let (mut all, mut missed, mut extra, mut bad) = (0, 0, 0, 0);
    for seed in a.parse().unwrap()..=b.parse::<u64>().unwrap() {
        let (counted, mut known) = street(seed, fps, seconds);
        let inside = |t: f64| t > 6.0 && t < seconds - 1.0;
        all += known.iter().filter(|k| inside(k.0)).count();
        let mut wrong = Vec::new();
        for one in counted {
            if let Some(at) = known.iter().position(|k| k.1 == one.1 && (k.0 - one.0).abs() <= 1.0) {
                known.remove(at);
            } else if inside(one.0) {
                wrong.push(one);
            }
        }
        known.retain(|k| inside(k.0));
        if !known.is_empty() || !wrong.is_empty() {
            println!("seed {seed}: missed {known:?} extra {wrong:?}");
            bad += 1;
        }
        missed += known.len();
        extra += wrong.len();
    }
    println!("{fps}/s: {all} crossed, {missed} missed, {extra} extra, {bad} seeds wrong");
}
