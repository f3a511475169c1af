//! The motion gate loses nothing: counting with it gives the same as counting without it.
//!
//! Each scene is counted twice in one pass, by two schedules that get the same pictures and the same boxes. Boxes of
//! the simulation are the true ones; those of clips were recorded (see `accuracy.rs`). With the network itself, all
//! clips and the CPU time of counting:
//! `cargo test --release --test vision gate:: -- --ignored --nocapture`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallycam::base::{ClockTime, Fault, Stop};
use tallycam::encode::{Encoder, ReduceError, Reducer};
use tallycam::media::{Fourcc, Frame, Picture, SmallImage};
use tallycam::models::Models;
use tallycam::pipeline::clip::ClipRun;
use tallycam::source::ClipReader;
use tallycam::source::sim::{self, SimOpener};
use tallycam::source::{FormatRequest, Opener};
use tallycam::vision::onnx::OnnxDetector;
use tallycam::vision::steps::MotionGate;
use tallycam::vision::{
    Aspect, Bounds, Class, Counter, CounterOptions, CountingLine, Detection, Detector, Direction, Labels,
    LineId, Point, ReadPicture, RegionMode, RegionSchedule, RegionShape, region_geometry,
};

const SIZE: (u32, u32) = (320, 180);
const MIDDLE: [f32; 4] = [160.0, 180.0, 160.0, 0.0];
/// A tenth of a second. Microseconds.
const STEP_US: u64 = 100_000;
/// Crossings of the same direction this far apart are the same. Seconds.
const TOLERANCE: f64 = 1.0;

/// Stands for a network whose boxes are known: it is asked like a network, and detects nothing itself.
struct Known {
    labels: Labels,
    waits: bool,
}

impl Detector for Known {
    fn name(&self) -> &str {
        "known"
    }

    fn labels(&self) -> &Labels {
        &self.labels
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        (width.min(300), height.min(300))
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, _: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        Ok(())
    }

    fn waits_for_motion(&self) -> bool {
        self.waits
    }

    fn set_region(&mut self, _: RegionMode, _: RegionShape, _: (u32, u32)) -> bool {
        true
    }
}

/// A small picture with known content; a region of it is given as the whole picture.
struct Shown<'a>(&'a SmallImage);

impl ReadPicture for Shown<'_> {
    type Error = Infallible;

    fn size(&self) -> (u32, u32) {
        self.0.of
    }

    fn time_us(&self) -> u64 {
        self.0.stamp.monotonic_us
    }

    fn read(&mut self, _: &Bounds, _: (u32, u32)) -> Result<&SmallImage, Infallible> {
        Ok(self.0)
    }
}

struct Counting {
    schedule: RegionSchedule,
    detector: Known,
    counter: Counter,
    size: (u32, u32),
    pictures: u64,
    looks: u64,
    crossings: Vec<(LineId, f64, Direction)>,
}

impl Counting {
    fn new(lines: &[[f32; 4]], size: (u32, u32), waits: bool) -> Counting {
        let labels = labels();
        let mut counter =
            Counter::new(CounterOptions::default(), labels.clone(), Aspect::new(size.0, size.1));
        counter.set_lines(lines_on(lines, size)).unwrap();
        let schedule = RegionSchedule::new(RegionMode::Line);
        let detector = Known { labels, waits };
        Counting { schedule, detector, counter, size, pictures: 0, looks: 0, crossings: Vec::new() }
    }

    /// Handles the next picture, which contains `boxes`, as `pipeline::counting` does.
    fn look(&mut self, image: &SmallImage, boxes: &[Detection]) {
        if self.size != image.of {
            self.size = image.of;
            self.counter.set_aspect(Aspect::new(self.size.0, self.size.1));
            self.counter.restart();
            self.schedule.restart();
        }
        self.pictures += 1;
        let Counting { schedule, detector, counter, looks, .. } = self;
        let Ok(outcome) = schedule.detect(&mut Shown(image), detector, counter, |_, _, part, found| {
            *looks += 1;
            found.clear();
            found.extend(boxes.iter().filter_map(|found| seen_in(part, found)));
            Ok(())
        });
        self.crossings
            .extend(outcome.crossings.iter().map(|c| (c.line, c.time_us as f64 / 1e6, c.direction)));
    }
}

fn labels() -> Labels {
    Labels::new(["person", "bicycle", "car", "motorcycle", "bus", "truck"])
}

fn lines_on(lines: &[[f32; 4]], (width, height): (u32, u32)) -> Vec<CountingLine> {
    let at = |x: f32, y: f32| Point::new(x / width as f32, y / height as f32);
    let line = |(n, [ax, ay, bx, by]): (usize, &[f32; 4])| {
        CountingLine::new(LineId(n as u64), n.to_string(), at(*ax, *ay), at(*bx, *by)).unwrap()
    };
    lines.iter().enumerate().map(line).collect()
}

/// A box as a detector that gets only `part` sees it, in fractions of `part`; `None` if less than a third of the box
/// is inside.
fn seen_in(part: &Bounds, found: &Detection) -> Option<Detection> {
    let b = &found.bounds;
    let (left, top) = (b.left.max(part.left), b.top.max(part.top));
    let (right, bottom) = (b.right.min(part.right), b.bottom.min(part.bottom));
    let shows = right > left && bottom > top && (right - left) * (bottom - top) > b.area() / 3.0;
    let across = |x: f32| (x - part.left) / part.width();
    let down = |y: f32| (y - part.top) / part.height();
    let bounds = Bounds::new(across(left), down(top), across(right), down(bottom));
    shows.then_some(Detection { bounds, ..*found })
}

struct Compared {
    gated: Counting,
    always: Counting,
}

impl Compared {
    fn new(lines: &[[f32; 4]], size: (u32, u32)) -> Compared {
        Compared { gated: Counting::new(lines, size, true), always: Counting::new(lines, size, false) }
    }

    fn look(&mut self, image: &SmallImage, boxes: &[Detection]) {
        self.gated.look(image, boxes);
        self.always.look(image, boxes);
    }

    /// Prints and returns the result: fraction of saved detections (0–1), crossings without the gate, and those of
    /// them that it lost.
    fn print_summary(&self, what: &str) -> (f64, usize, usize) {
        let saved = 1.0 - self.gated.looks as f64 / self.gated.pictures as f64;
        let mut left = self.gated.crossings.clone();
        let lost = self.always.crossings.iter().filter(|&&one| {
            let same = left.iter().position(|other| {
                (other.0, other.2) == (one.0, one.2) && (other.1 - one.1).abs() <= TOLERANCE
            });
            same.map(|at| left.swap_remove(at)).is_none()
        });
        let lost: Vec<_> = lost.copied().collect();
        let all = self.always.crossings.len();
        println!(
            "{what}: {:.0} % of {} pictures saved, {all} crossings, lost {lost:?}, more {left:?}",
            100.0 * saved,
            self.gated.pictures,
        );
        (saved, all, lost.len())
    }
}

/// Changes luma and chroma of a frame of the street by its number; each comes with its width.
type Effect = fn(u64, &mut [u8], &mut [u8], usize);

/// The street in steps of a tenth of a second, in this weather. Half a minute, then `empty` seconds of the frame in
/// which it was empty, then another half a minute.
fn street(seed: u64, empty: u64, lines: &[[f32; 4]], effect: Effect) -> Compared {
    let wanted = FormatRequest {
        width: Some(SIZE.0),
        height: Some(SIZE.1),
        fps: Some(10.0),
        ..FormatRequest::ANYTHING
    };
    let mut source = SimOpener::new(seed, wanted, false).open(&Stop::new()).unwrap();
    let mut compared = Compared::new(lines, SIZE);
    let boxes = |number: u64| sim::boxes(seed, number, 10.0, SIZE.0, SIZE.1);
    let still = (300..900).find(|&number| boxes(number).is_empty()).expect("a moment without anybody");
    let (mut at, mut image) = (0, SmallImage::empty());
    let labels = labels();
    for number in 0..=still + 300 {
        let mut frame = source.next(Duration::ZERO).unwrap().unwrap();
        if number + 300 < still {
            continue;
        }
        let planes = frame.data.to_vec();
        let seen: Vec<Detection> = boxes(number)
            .iter()
            .map(|b| Detection {
                class: labels.class(b.class.as_str()).unwrap(),
                score: 0.9,
                bounds: Bounds::new(b.left, b.top, b.right, b.bottom),
            })
            .collect();
        for _ in 0..if number == still { 10 * empty } else { 1 } {
            let mut changed = planes.clone();
            let (luma, chroma) = changed.split_at_mut((SIZE.0 * SIZE.1) as usize);
            effect(at, luma, chroma, SIZE.0 as usize);
            frame.stamp = stamp(at * STEP_US);
            image.reduce(&Frame { data: &changed, ..frame }, MotionGate::least_size(SIZE)).unwrap();
            compared.look(&image, &seen);
            at += 1;
        }
    }
    compared
}

fn stamp(time_us: u64) -> ClockTime {
    ClockTime { monotonic_us: time_us, wall_us: time_us, wall_trusted: true }
}

/// A reproducible pseudo-random number for each place and time, 0–255.
fn dice(at: u64, place: u64) -> u8 {
    let mut n = at.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ place.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    n ^= n >> 29;
    (n.wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 56) as u8
}

/// Grain of a sensor, a few levels.
fn grain(at: u64, luma: &mut [u8], _: &mut [u8], _: usize) {
    for (place, y) in luma.iter_mut().enumerate() {
        *y = y.saturating_add(dice(at, place as u64) % 7).saturating_sub(3);
    }
}

/// Mains flicker with an unsynchronised shutter: the whole picture is brighter and darker by a tenth.
fn flicker(at: u64, luma: &mut [u8], _: &mut [u8], _: usize) {
    let by = 1.0 + 0.1 * (at as f32 * 2.3).sin();
    luma.iter_mut().for_each(|y| *y = (f32::from(*y) * by).min(255.0) as u8);
}

/// A hundred bright streaks at other places in each frame.
fn rain(at: u64, luma: &mut [u8], _: &mut [u8], width: usize) {
    for drop in 0..100 {
        let x = (usize::from(dice(at, 2 * drop)) * 256 + usize::from(dice(at, 2 * drop + 1))) % width;
        let top = usize::from(dice(at, 1000 + drop)) % (luma.len() / width);
        for row in luma.chunks_exact_mut(width).skip(top).take(8) {
            row[x] = row[x].saturating_add(70);
        }
    }
}

/// A tree on the left that sways all the time.
fn tree(at: u64, luma: &mut [u8], _: &mut [u8], width: usize) {
    let sway = (3.0 * (at as f32 * 0.7).sin()) as i32 + 10;
    for (y, row) in luma.chunks_exact_mut(width).enumerate().take(75) {
        for (x, luma) in row[..75].iter_mut().enumerate() {
            *luma = if ((x as i32 + sway) / 6 + y as i32 / 6) % 2 == 0 { 40 } else { 110 };
        }
    }
}

/// A tenth of the light, no colour, and noise.
fn night(at: u64, luma: &mut [u8], chroma: &mut [u8], _: usize) {
    for (place, y) in luma.iter_mut().enumerate() {
        *y = 16 + *y / 10 + dice(at, place as u64) % 5;
    }
    chroma.fill(128);
}

fn as_it_is(_: u64, _: &mut [u8], _: &mut [u8], _: usize) {}

#[test]
fn a_street_with_long_empty_stretches_loses_nobody_and_saves_the_detections_between() {
    for (what, effect) in [("street", as_it_is as Effect), ("grain", grain)] {
        let (saved, all, lost) = street(1, 90, &[MIDDLE], effect).print_summary(what);
        assert!(all > 5 && lost == 0, "{what}");
        assert!(saved > 0.5, "{what}: it is empty for a minute and a half of two and a half");
    }
}

#[test]
fn weather_and_night_lose_nobody() {
    for (what, effect) in [("flicker", flicker as Effect), ("rain", rain), ("tree", tree), ("night", night)] {
        let (_, all, lost) = street(2, 20, &[MIDDLE], effect).print_summary(what);
        assert!(all > 5 && lost == 0, "{what}");
    }
}

#[test]
fn a_tree_at_one_line_starves_no_other() {
    let lines = [[30.0, 70.0, 30.0, 10.0], [280.0, 175.0, 280.0, 100.0]];
    let (_, all, lost) = street(3, 20, &lines, tree).print_summary("tree beside");
    // A car is in the region for three detections, and each of them may be the one that counts it.
    assert!(all > 10 && lost <= 1);
}

#[test]
fn a_rotated_camera_is_detected_again() {
    let turned = (SIZE.1, SIZE.0);
    let mut compared = Compared::new(&[MIDDLE], SIZE);
    // A person crosses the middle from left to right, before and after.
    for at in 0..200_u64 {
        let size = if at < 100 { SIZE } else { turned };
        let x = 0.2 + 0.006 * (at % 100) as f32;
        let (width, height) = ((size.0 / 4) as usize, (size.1 / 4) as usize);
        let mut y = vec![120_u8; width * height];
        let bounds = Bounds::new(x, 0.4, x + 0.05, 0.6);
        for row in y.chunks_exact_mut(width).skip(height * 2 / 5).take(height / 5) {
            row[(x * width as f32) as usize..][..width / 20].fill(40);
        }
        let image = SmallImage {
            width,
            height,
            y,
            of: size,
            stamp: stamp(at * STEP_US),
            sequence: at,
            ..SmallImage::empty()
        };
        compared.look(&image, &[Detection { class: Class(0), score: 0.9, bounds }]);
    }
    let (_, all, lost) = compared.print_summary("turned");
    assert_eq!((all, lost), (2, 0));
}

// Clips that may be absent from this repository.

const VTEST: (&str, &[[f32; 4]]) = (
    "vtest.avi",
    &[
        [300.0, 400.0, 300.0, 120.0],
        [384.0, 576.0, 384.0, 0.0],
        [500.0, 576.0, 500.0, 0.0],
        [150.0, 330.0, 620.0, 160.0],
    ],
);
const ONE_BY_ONE: (&str, &[[f32; 4]]) = ("one-by-one-person-detection.mp4", &[[600.0, 432.0, 600.0, 0.0]]);
const ROAD: (&str, &[[f32; 4]]) =
    ("person-bicycle-car-detection.mp4", &[[384.0, 432.0, 384.0, 0.0], [0.0, 216.0, 768.0, 216.0]]);

fn testdata() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("video/vtest.avi").exists() {
        return Some(folder);
    }
    println!("LEFT OUT: no clips in {}", folder.display());
    None
}

/// A model's detections in a clip of `size`, by frame (the first is 1).
fn recorded(path: &Path, size: (u32, u32)) -> BTreeMap<u64, Vec<Detection>> {
    let (width, height, labels) = (size.0 as f32, size.1 as f32, labels());
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for row in fs::read_to_string(path).unwrap().lines().skip(1) {
        let fields: Vec<&str> = row.split(',').collect();
        let number = |at: usize| fields[at].parse::<f32>().unwrap();
        let bounds =
            Bounds::new(number(3) / width, number(4) / height, number(5) / width, number(6) / height);
        let class = labels.class(fields[1]).unwrap();
        frames.entry(fields[0].parse().unwrap()).or_default().push(Detection {
            class,
            score: number(2),
            bounds,
        });
    }
    frames
}

#[test]
#[ignore = "takes minutes"]
fn recorded_boxes_of_clips_lose_nobody() {
    let Some(folder) = testdata() else { return };
    for (clip, lines) in [VTEST, ONE_BY_ONE] {
        let mut reader = ClipReader::open(&folder.join("video").join(clip), None).unwrap();
        let (stem, _) = clip.rsplit_once('.').unwrap();
        let mut all: Vec<(String, BTreeMap<u64, Vec<Detection>>, Compared)> = Vec::new();
        let (mut image, mut planes) = (SmallImage::empty(), Vec::new());
        while let Some(frame) = reader.next(planes).unwrap() {
            let size = (frame.width, frame.height);
            if all.is_empty() {
                for model in ["yolox_nano_416", "ssdlite_mnv2_coco300"] {
                    let boxes = recorded(&folder.join(format!("detections/{stem}.{model}.csv")), size);
                    let each = lines.iter().map(|&line| {
                        (format!("{stem} {line:?} {model}"), boxes.clone(), Compared::new(&[line], size))
                    });
                    all.extend(each);
                }
            }
            let whole = Frame {
                fourcc: Fourcc::YU12,
                width: frame.width,
                height: frame.height,
                stride: frame.width,
                data: &frame.planes,
                second: None,
                stamp: stamp(frame.time_us),
                sequence: frame.number,
            };
            image.reduce(&whole, MotionGate::least_size(size)).unwrap();
            for (_, boxes, compared) in &mut all {
                compared.look(&image, boxes.get(&frame.number).map_or(&[], Vec::as_slice));
            }
            planes = frame.planes;
        }
        for (what, _, compared) in &all {
            let (_, all, lost) = compared.print_summary(what);
            assert!(all > 0 && lost == 0, "{what}");
        }
    }
}

fn shipped() -> OnnxDetector {
    let models = Models::with_places(Vec::new(), Path::new(env!("CARGO_MANIFEST_DIR")).join("models"));
    let (card, onnx) = models.load("yolox_nano_320").unwrap();
    let again = onnx.clone();
    let detector = OnnxDetector::new("yolox_nano_320", &onnx, &card, None, 1).unwrap();
    detector.with_file(move || Some(again.clone()))
}

/// The same, without ever waiting for motion.
struct Always(OnnxDetector);

impl Detector for Always {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn labels(&self) -> &Labels {
        self.0.labels()
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        self.0.least_size(width, height)
    }

    fn options(&self) -> CounterOptions {
        self.0.options()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        self.0.detect(image, found)
    }

    fn set_region(&mut self, mode: RegionMode, shape: RegionShape, picture: (u32, u32)) -> bool {
        self.0.set_region(mode, shape, picture)
    }
}

#[test]
#[ignore = "takes minutes"]
fn with_the_network_clips_lose_nobody() {
    let Some(folder) = testdata() else { return };
    for (clip, lines) in [VTEST, ONE_BY_ONE, ROAD] {
        for line in lines {
            let mut counts = Vec::new();
            let detectors: [Box<dyn Detector>; 2] = [Box::new(shipped()), Box::new(Always(shipped()))];
            for mut detector in detectors {
                let run = ClipRun::open(&folder.join("video").join(clip), None).unwrap();
                let (size, names) = (run.size(), detector.labels().clone());
                let mut counter = Counter::new(detector.options(), names, Aspect::new(size.0, size.1));
                counter.set_lines(lines_on(&[*line], size)).unwrap();
                let count = run.count(&mut *detector, &mut counter, 1, RegionMode::Line, |_| Ok(())).unwrap();
                counts.push(count);
            }
            let ways = |at: usize| -> Vec<Direction> {
                counts[at].crossings.iter().map(|found| found.crossing.direction).collect()
            };
            println!(
                "{clip} {line:?}: {} of {} looks saved, {} crossings, {} without the gate",
                counts[0].skipped,
                counts[0].detections,
                ways(0).len(),
                ways(1).len()
            );
            assert_eq!(ways(0), ways(1), "{clip} {line:?}");
        }
    }
}

/// Seconds of CPU that this thread has used.
fn cpu() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// A picture as cameras send it.
struct Jpeg<'a> {
    picture: &'a Picture,
    reducer: &'a mut Reducer,
    image: &'a mut SmallImage,
}

impl ReadPicture for Jpeg<'_> {
    type Error = ReduceError;

    fn size(&self) -> (u32, u32) {
        (self.picture.width, self.picture.height)
    }

    fn time_us(&self) -> u64 {
        self.picture.stamp.monotonic_us
    }

    fn read(&mut self, region: &Bounds, least: (u32, u32)) -> Result<&SmallImage, ReduceError> {
        self.reducer.reduce_visible(self.picture, &region_geometry(region), least, self.image)?;
        Ok(self.image)
    }
}

/// CPU seconds of an hour of counting at 10 fps, from JPEGs to crossings.
fn hour(pictures: &[Picture], mode: RegionMode, detector: &mut dyn Detector) -> f64 {
    let size = (pictures[0].width, pictures[0].height);
    let (width, height) = (size.0 as f32, size.1 as f32);
    let mut counter =
        Counter::new(detector.options(), detector.labels().clone(), Aspect::new(size.0, size.1));
    counter.set_lines(lines_on(&[[width / 2.0, height, width / 2.0, 0.0]], size)).unwrap();
    let mut schedule = RegionSchedule::new(mode);
    let (mut reducer, mut image) = (Reducer::new().unwrap(), SmallImage::empty());
    let mut begun = None;
    for picture in pictures {
        let time_us = picture.stamp.monotonic_us;
        let mut jpeg = Jpeg { picture, reducer: &mut reducer, image: &mut image };
        let detect =
            |detector: &mut dyn Detector, image: &SmallImage, _: &Bounds, found: &mut Vec<Detection>| {
                detector.detect(image, found).unwrap();
                Ok(())
            };
        schedule.detect(&mut jpeg, &mut *detector, &mut counter, detect).unwrap();
        // The first seconds are left out, while it settles.
        if time_us >= 3_000_000 {
            begun.get_or_insert_with(cpu);
        }
    }
    let counted = pictures.iter().filter(|picture| picture.stamp.monotonic_us > 3_000_000).count();
    (cpu() - begun.unwrap()) * 36_000.0 / counted as f64
}

#[test]
#[ignore = "takes minutes"]
fn an_empty_scene_costs_a_twentieth_and_a_busy_one_no_more() {
    let wanted = FormatRequest { fps: Some(10.0), ..FormatRequest::ANYTHING };
    let mut source = SimOpener::new(1, wanted, false).open(&Stop::new()).unwrap();
    let mut encoder = Encoder::new(80).unwrap();
    let busy: Vec<Picture> = (0..130_u64)
        .map(|at| {
            let mut frame = source.next(Duration::ZERO).unwrap().unwrap();
            frame.stamp = stamp(at * STEP_US);
            encoder.encode(&frame).unwrap()
        })
        .collect();
    let grey: Vec<u8> = vec![128; 1280 * 720 / 2];
    let empty: Vec<Picture> = (0..430_u64)
        .map(|at| {
            let mut luma: Vec<u8> = (0..1280 * 720).map(|n: u32| (60 + n % 1280 / 16) as u8).collect();
            grain(at, &mut luma, &mut [], 1280);
            luma.extend_from_slice(&grey);
            let frame = Frame {
                fourcc: Fourcc::YU12,
                width: 1280,
                height: 720,
                stride: 1280,
                data: &luma,
                second: None,
                stamp: stamp(at * STEP_US),
                sequence: at,
            };
            encoder.encode(&frame).unwrap()
        })
        .collect();
    let whole = hour(&busy, RegionMode::Picture, &mut Always(shipped()));
    let around = hour(&busy, RegionMode::Line, &mut Always(shipped()));
    let still = hour(&empty[..130], RegionMode::Picture, &mut Always(shipped()));
    let gated = hour(&empty, RegionMode::Line, &mut shipped());
    let (busy, empty) = (around / whole, gated / still);
    println!("street: whole picture {whole:.0} s, around the line {around:.0} s ({busy:.3} ×)");
    println!("empty: every picture {still:.0} s, gated {gated:.0} s ({empty:.3} ×)");
    assert!(busy <= 1.05 && empty <= 0.05);
}
