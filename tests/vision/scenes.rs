//! Counting scenes: text files under `tests/scenes/` with the movements and the expected crossings.
//! `tests/scenes/README.md` describes the format.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use tallycam::vision::steps::{Passage, Segment, TrackState, mean_side};
use tallycam::vision::{
    Anchor, Aspect, Bounds, Counter, CounterOptions, CountingLine, Detection, Direction, Labels, LineId,
    Point, Recrossing,
};

const CLASSES: [&str; 6] = ["person", "bicycle", "car", "motorcycle", "bus", "truck"];

struct Scene {
    title: String,
    width: f32,
    height: f32,
    rate: f64,
    every: u64,
    skipped: Vec<(u64, u64)>,
    last: u64,
    /// Changes of the lines, each from a frame on.
    lines: Vec<(u64, LineChange)>,
    options: CounterOptions,
    things: Vec<Thing>,
    tracks: Vec<KnownTrack>,
    expected: Vec<Expected>,
    confirmed: Option<usize>,
}

enum LineChange {
    Draw(CountingLine),
    Remove(String),
}

struct Thing {
    class: String,
    score: f32,
    jitter: f32,
    /// Frame, foot, size.
    way: Vec<(u64, Point, (f32, f32))>,
    hidden: Vec<(u64, u64)>,
    unsure: Vec<(u64, u64)>,
    taken_for: Vec<(String, (u64, u64))>,
}

struct KnownTrack {
    class: String,
    boxes: Vec<(u64, Bounds)>,
}

#[derive(Debug)]
struct Expected {
    line: String,
    direction: Direction,
    frames: (u64, u64),
    class: String,
}

/// A counted crossing; the frame with its fraction.
#[derive(Debug, Clone)]
struct Counted {
    line: String,
    direction: Direction,
    frame: f64,
    class: String,
}

fn within(ranges: &[(u64, u64)], frame: u64) -> bool {
    ranges.iter().any(|&(from, to)| (from..=to).contains(&frame))
}

// Reading.

fn range(word: &str) -> (u64, u64) {
    let (from, to) = word.split_once('-').expect("FROM-TO");
    (from.parse().expect("a frame"), to.parse().expect("a frame"))
}

fn pair(word: &str, between: char) -> (f32, f32) {
    let (a, b) = word.split_once(between).unwrap_or_else(|| panic!("two numbers, not {word:?}"));
    (a.parse().expect("a number"), b.parse().expect("a number"))
}

impl Scene {
    fn new(title: &str) -> Scene {
        Scene {
            title: title.to_owned(),
            width: 100.0,
            height: 100.0,
            rate: 10.0,
            every: 1,
            skipped: Vec::new(),
            last: 0,
            lines: Vec::new(),
            options: CounterOptions::default(),
            things: Vec::new(),
            tracks: Vec::new(),
            expected: Vec::new(),
            confirmed: None,
        }
    }

    fn fraction(&self, (x, y): (f32, f32)) -> Point {
        Point::new(x / self.width, y / self.height)
    }

    fn line(&self, words: &[&str]) -> CountingLine {
        let (a, b) = (self.fraction(pair(words[1], ',')), self.fraction(pair(words[2], ',')));
        // A line that is moved keeps its number.
        let known = self.lines.iter().find_map(|(_, change)| match change {
            LineChange::Draw(line) if line.name == words[0] => Some(line.id),
            _ => None,
        });
        let id = known.unwrap_or(LineId(self.lines.len() as u64 + 1));
        let mut line = CountingLine::new(id, words[0], a, b).expect("a line");
        for option in &words[3..] {
            match option.split_once('=').unwrap_or((option, "")) {
                ("once", _) => line.recrossing = Recrossing::Once,
                ("anchor", name) => {
                    line.anchor = match name {
                        "bottom" => Anchor::BottomCenter,
                        "centre" => Anchor::Center,
                        "top" => Anchor::TopCenter,
                        "left" => Anchor::LeftCenter,
                        "right" => Anchor::RightCenter,
                        "box" => Anchor::WholeBox,
                        other => panic!("no anchor is called {other:?}"),
                    };
                }
                ("classes", names) => {
                    let labels = Labels::new(CLASSES);
                    line.classes =
                        names.split(',').map(|name| labels.class(name).expect("a class")).collect();
                }
                other => panic!("a line has no option {other:?}"),
            }
        }
        line
    }

    fn thing(words: &[&str]) -> Thing {
        let mut thing = Thing {
            class: words[0].to_owned(),
            score: 0.9,
            jitter: 0.0,
            way: vec![(0, Point::new(0.0, 0.0), pair(words[1], 'x'))],
            hidden: Vec::new(),
            unsure: Vec::new(),
            taken_for: Vec::new(),
        };
        for option in &words[2..] {
            match option.split_once('=').expect("NAME=VALUE") {
                ("score", value) => thing.score = value.parse().expect("a score"),
                ("jitter", value) => thing.jitter = value.parse().expect("pixels"),
                other => panic!("a thing has no option {other:?}"),
            }
        }
        thing
    }

    fn read(&mut self, words: &[&str]) {
        match words {
            ["picture", width, height] => {
                (self.width, self.height) = (width.parse().unwrap(), height.parse().unwrap());
            }
            ["rate", rate] => self.rate = rate.parse().unwrap(),
            ["every", every] => self.every = every.parse().unwrap(),
            ["skip", frames] => self.skipped.push(range(frames)),
            ["last", frame] => self.last = frame.parse().unwrap(),
            ["hysteresis", near, far, stay] => {
                self.options.hysteresis.near = near.parse().unwrap();
                self.options.hysteresis.far = far.parse().unwrap();
                self.options.hysteresis.stay = stay.parse().unwrap();
            }
            ["line", rest @ ..] => self.lines.push((0, LineChange::Draw(self.line(rest)))),
            ["from", frame, "line", rest @ ..] => {
                self.lines.push((frame.parse().unwrap(), LineChange::Draw(self.line(rest))));
            }
            ["from", frame, "remove", name] => {
                self.lines.push((frame.parse().unwrap(), LineChange::Remove((*name).to_owned())));
            }
            ["thing", rest @ ..] => self.things.push(Scene::thing(rest)),
            ["hidden", frames] => self.things.last_mut().unwrap().hidden.push(range(frames)),
            ["unsure", frames] => self.things.last_mut().unwrap().unsure.push(range(frames)),
            ["seen", "as", class, frames] => {
                self.things.last_mut().unwrap().taken_for.push(((*class).to_owned(), range(frames)));
            }
            ["track", _, class] => {
                self.tracks.push(KnownTrack { class: (*class).to_owned(), boxes: Vec::new() });
            }
            ["crossing", line, direction, frames, class] => self.expected.push(Expected {
                line: (*line).to_owned(),
                direction: if *direction == "in" { Direction::In } else { Direction::Out },
                frames: range(frames),
                class: (*class).to_owned(),
            }),
            ["tracks", count] => self.confirmed = Some(count.parse().unwrap()),
            [frame, places @ ..] => self.read_place(frame.parse().expect("a frame"), places),
            [] => {}
        }
    }

    /// A place on the way of the newest object or track.
    fn read_place(&mut self, frame: u64, places: &[&str]) {
        self.last = self.last.max(frame);
        let first = pair(places[0], ',');
        if let Some(track) = self.tracks.last_mut() {
            let (right, bottom) = pair(places[1], ',');
            let b = Bounds::new(
                first.0 / self.width,
                first.1 / self.height,
                right / self.width,
                bottom / self.height,
            );
            track.boxes.push((frame, b));
            return;
        }
        let way = &mut self.things.last_mut().expect("a thing or a track").way;
        let size = places.get(1).map_or(way[way.len() - 1].2, |word| pair(word, 'x'));
        if way[0].0 == 0 {
            way.clear();
        }
        way.push((frame, Point::new(first.0, first.1), size));
    }
}

fn scenes(path: &Path) -> Vec<Scene> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut scenes: Vec<Scene> = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or("");
        if let Some(title) = line.strip_prefix("scene ") {
            scenes.push(Scene::new(title.trim()));
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            scenes.last_mut().expect("a scene").read(&words);
        }
    }
    scenes
}

// Playing.

/// Reproducible pseudo-random numbers from −1 to 1.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

impl Thing {
    /// Its box in a frame, in pixels, if it is there.
    fn bounds(&self, frame: u64, dice: &mut Dice) -> Option<Bounds> {
        let after = self.way.iter().position(|place| place.0 >= frame)?;
        let (to_frame, to, to_size) = self.way[after];
        let (from_frame, from, from_size) = self.way[after.saturating_sub(1)];
        if frame < self.way[0].0 {
            return None;
        }
        let share = if to_frame == from_frame {
            1.0
        } else {
            (frame - from_frame) as f32 / (to_frame - from_frame) as f32
        };
        let mix = |a: f32, b: f32| a + (b - a) * share;
        let (x, y) = (mix(from.x, to.x), mix(from.y, to.y));
        let (w, h) = (mix(from_size.0, to_size.0), mix(from_size.1, to_size.1));
        let mut off = || self.jitter * dice.roll();
        Some(Bounds::new(x - w / 2.0 + off(), y - h + off(), x + w / 2.0 + off(), y + off()))
    }

    fn detection(&self, frame: u64, dice: &mut Dice, scene: &Scene, labels: &Labels) -> Option<Detection> {
        let b = self.bounds(frame, dice)?;
        if within(&self.hidden, frame) {
            return None;
        }
        let taken_for = self.taken_for.iter().find(|(_, frames)| within(&[*frames], frame));
        let class = taken_for.map_or(&self.class, |(class, _)| class);
        Some(Detection {
            class: labels.class(class).expect("a class"),
            score: if within(&self.unsure, frame) { 0.2 } else { self.score },
            bounds: Bounds::new(
                b.left / scene.width,
                b.top / scene.height,
                b.right / scene.width,
                b.bottom / scene.height,
            ),
        })
    }
}

/// The lines as they are from a frame on, if they change there.
fn lines_at(scene: &Scene, frame: u64, lines: &mut Vec<CountingLine>) -> bool {
    let mut changed = false;
    for (_, change) in scene.lines.iter().filter(|(from, _)| (*from).max(1) == frame) {
        changed = true;
        match change {
            LineChange::Draw(line) => {
                lines.retain(|old| old.id != line.id);
                lines.push(line.clone());
            }
            LineChange::Remove(name) => lines.retain(|old| old.name != *name),
        }
    }
    changed
}

/// Plays objects through the whole counter. Returns the crossings, and the number of confirmed tracks.
fn play_things(scene: &Scene, labels: &Labels) -> (Vec<Counted>, usize) {
    let aspect = Aspect::new(scene.width as u32, scene.height as u32);
    let mut counter = Counter::new(scene.options.clone(), labels.clone(), aspect);
    let mut dice: Vec<Dice> =
        (0..scene.things.len()).map(|n| Dice(0x9E37_79B9_7F4A_7C15 + n as u64)).collect();
    let mut lines = Vec::new();
    let mut counted = Vec::new();
    let mut confirmed = BTreeSet::new();
    for frame in 1..=scene.last {
        let detections: Vec<Detection> = scene
            .things
            .iter()
            .zip(&mut dice)
            .filter_map(|(thing, dice)| thing.detection(frame, dice, scene, labels))
            .collect();
        if lines_at(scene, frame, &mut lines) {
            counter.set_lines(lines.clone()).unwrap();
        }
        if within(&scene.skipped, frame) || (frame - 1) % scene.every != 0 {
            continue;
        }
        let time_us = (frame as f64 * 1e6 / scene.rate) as u64;
        for crossing in counter.update(&detections, time_us).crossings {
            let line = counter.lines().find(|line| line.id == crossing.line).unwrap();
            counted.push(Counted {
                line: line.name.clone(),
                direction: crossing.direction,
                frame: crossing.time_us as f64 * scene.rate / 1e6,
                class: labels.name(crossing.class).unwrap().to_owned(),
            });
        }
        let known = counter.tracks().iter().filter(|track| track.state() != TrackState::Tentative);
        confirmed.extend(known.map(|track| track.id()));
    }
    (counted, confirmed.len())
}

/// Plays tracks whose identities are known through the lines alone.
fn play_tracks(scene: &Scene, labels: &Labels) -> Vec<Counted> {
    let aspect = Aspect::new(scene.width as u32, scene.height as u32);
    let mut counted = Vec::new();
    for (_, change) in &scene.lines {
        let LineChange::Draw(line) = change else { panic!("lines do not go away here") };
        let segment = Segment::new(line, aspect);
        for track in scene.tracks.iter().filter(|track| line.counts(labels.class(&track.class).unwrap())) {
            let mut passage: Option<Passage> = None;
            let mut times = 0;
            for (frame, bounds) in &track.boxes {
                let bounds = aspect.box_in_heights(bounds);
                let points = line.anchor.points(&bounds);
                let time_us = frame * 1_000_000;
                let Some(passage) = &mut passage else {
                    passage = Some(Passage::new(&segment, points, time_us));
                    continue;
                };
                let size = mean_side(&bounds);
                let passed =
                    passage.observe(&segment, points, points, size, time_us, &scene.options.hysteresis);
                let Some(passed) = passed else { continue };
                times += 1;
                if times > 1 && line.recrossing == Recrossing::Once {
                    continue;
                }
                counted.push(Counted {
                    line: line.name.clone(),
                    direction: passed.direction,
                    // The first frame that shows it beyond the line.
                    frame: passed.time_us as f64 / 1e6,
                    class: track.class.clone(),
                });
            }
        }
    }
    counted
}

/// The differences from the expected crossings; empty if there are none.
fn compare(scene: &Scene, counted: &[Counted]) -> String {
    let mut complaints = String::new();
    let mut left: Vec<Counted> = counted.to_vec();
    for expected in &scene.expected {
        let fits = |c: &Counted| {
            // A passage between two frames belongs to the later one.
            let frames = (expected.frames.0 as f64 - 1.0, expected.frames.1 as f64);
            c.line == expected.line
                && c.direction == expected.direction
                && c.class == expected.class
                && (frames.0..=frames.1 + 1e-3).contains(&c.frame)
        };
        match left.iter().position(fits) {
            Some(at) => drop(left.remove(at)),
            None => writeln!(complaints, "    missing: {expected:?}").unwrap(),
        }
    }
    for counted in left {
        writeln!(complaints, "    not expected: {counted:?}").unwrap();
    }
    complaints
}

fn play(file: &str) {
    let labels = Labels::new(CLASSES);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes").join(file);
    let mut complaints = String::new();
    let mut titles: BTreeMap<String, usize> = BTreeMap::new();
    for scene in scenes(&path) {
        *titles.entry(scene.title.clone()).or_default() += 1;
        assert!(scene.things.is_empty() || scene.tracks.is_empty(), "{}: things or tracks", scene.title);
        let (counted, confirmed) = if scene.tracks.is_empty() {
            play_things(&scene, &labels)
        } else {
            (play_tracks(&scene, &labels), scene.tracks.len())
        };
        let mut wrong = compare(&scene, &counted);
        if let Some(tracks) = scene.confirmed.filter(|tracks| *tracks != confirmed) {
            writeln!(wrong, "    {confirmed} tracks were confirmed, not {tracks}").unwrap();
        }
        if !wrong.is_empty() {
            write!(complaints, "  scene {}\n{wrong}", scene.title).unwrap();
        }
    }
    assert!(!titles.is_empty(), "{file} holds no scene");
    assert!(titles.values().all(|times| *times == 1), "two scenes of one title in {file}");
    assert!(complaints.is_empty(), "{file}:\n{complaints}");
    println!("{file}: {} scenes", titles.len());
}

#[test]
fn linezone() {
    play("linezone.scenes");
}

#[test]
fn lines() {
    play("lines.scenes");
}

#[test]
fn street() {
    play("street.scenes");
}

#[test]
fn covered() {
    play("covered.scenes");
}

#[test]
fn riders() {
    play("riders.scenes");
}

#[test]
fn every_file_of_scenes_is_played() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenes");
    let mut files: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".scenes"))
        .collect();
    files.sort();
    assert_eq!(
        files,
        ["covered.scenes", "lines.scenes", "linezone.scenes", "riders.scenes", "street.scenes"]
    );
}
