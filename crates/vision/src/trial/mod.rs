//! Counts the detections of a recording again with one setting changed, and tells why a crossing was missed.

use std::collections::BTreeMap;

use super::counter::{Counter, CounterOptions, TrialFrame, centroid};
use super::detection::Detection;
use super::geometry::{Aspect, Bounds, Point};
use super::labels::Labels;
use super::line::{CountingLine, Direction, LineId, Recrossing, Segment};
use super::tracker::{TrackId, TrackerOptions, kalman};
use tallycam_base::json;

/// Tracks are followed within this distance of the line. Sizes of the box.
const NEAR: f32 = 3.0;
/// An object is on the line within this distance. Sizes.
const ON: f32 = 0.5;
/// It stands there from this time on. Microseconds.
const STANDS_US: u64 = 4_000_000;
/// A track that ends this long before a crossing, or begins this long after it, may be the same object. Microseconds.
const AROUND_US: u64 = 4_000_000;
/// A track is lost at the line, or begins there, within this distance. Sizes.
const BESIDE: f32 = 2.0;
/// Both sides of a line are seen if one has less than this many times the sights of the other.
const BOTH: usize = 5;
/// Two crossings within this time may be seen as one. Microseconds.
const ABREAST_US: u64 = 1_200_000;
/// No line is moved nearer to the edge of the frame than this, in fractions of it.
const EDGE: f32 = 0.02;
/// Longest time from a moved line to the line. Microseconds.
const LONGEST_US: f64 = 6e6;

/// One setting that differs.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrialChange {
    /// Detections per second.
    Rate(f64),
    /// The confidence that starts a track, 0–1.
    Score(f32),
    /// The ends of the line, in fractions of the frame: ax, ay, bx, by.
    Line([f32; 4]),
    /// Each object counts once.
    Once(bool),
}

json::words! { MissCause {
    Late "late", Ended "ended", Score "score", Dark "dark", Merged "merged", Rate "rate", Hidden "hidden",
    Standing "standing", Unknown "unknown"
} }

/// Why a crossing was missed, or counted although nobody crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissCause {
    /// It was first seen past the line.
    Late,
    /// Its track ended at the line.
    Ended,
    /// The detector was not sure enough.
    Score,
    /// The detector was not sure enough, and it is dark.
    Dark,
    /// It was one with another.
    Merged,
    /// It was too fast for the detection rate.
    Rate,
    /// It went behind something at the line.
    Hidden,
    /// It stood on the line.
    Standing,
    /// Nothing tells.
    Unknown,
}

/// A crossing of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialCrossing {
    /// Time in microseconds of the frames' clock; for a moved line the time at the line where it was.
    pub time_us: u64,
    /// The direction.
    pub direction: Direction,
    /// The object crossed before, or stood on the line.
    pub lingers: bool,
}

/// The sight of a track: time, and distance to the left of the line in sizes of its box.
type Sight = (u64, f32);

/// Tracks near a line.
#[derive(Debug, Default)]
pub struct TrialTracks(BTreeMap<TrackId, Vec<Sight>>);

/// The detections of a recording, with the settings of their count.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// Names of the classes.
    pub labels: Labels,
    /// The frames' aspect.
    pub aspect: Aspect,
    /// The options in force.
    pub options: CounterOptions,
    /// The detector's own options of the tracker.
    pub own: TrackerOptions,
    /// The line.
    pub line: CountingLine,
    /// Detections per second in force; `None` for every frame.
    pub rate: Option<f64>,
    /// The frames in order of time.
    pub frames: Vec<TrialFrame>,
}

impl TrackerOptions {
    /// Starts tracks from this score (0–1) on.
    pub fn set_score(&mut self, score: f32) {
        self.birth_score = score;
        self.sure_score = self.sure_score.min(score);
        self.least_score = self.least_score.min(score);
    }
}

impl Trial {
    /// The kept detections of `counter`, for counts on the line with this id with other settings. `own` are the
    /// detector's options. `None` if there is no such line, or nothing was kept.
    pub fn new(counter: Counter, line: LineId, own: TrackerOptions) -> Option<Trial> {
        let line = counter.lines().find(|own| own.id == line)?.clone();
        let Counter { options, labels, aspect, kept, .. } = counter;
        Some(Trial { labels, aspect, options, own, line, rate: None, frames: kept? })
    }

    /// Frames per second, without the gaps. Steps may be uneven.
    pub fn frame_rate(&self) -> f64 {
        let whole = self.frames.windows(2).filter(|pair| !pair[1].restarts);
        let steps = whole.map(|pair| pair[1].time_us - pair[0].time_us).filter(|step| *step > 0);
        let (count, us) = steps.fold((0_u64, 0), |(count, us), step| (count + 1, us + step));
        if count == 0 { 0.0 } else { count as f64 * 1e6 / us as f64 }
    }

    /// The line as it is, `by` heights to its left; `None` outside the frame.
    fn moved(&self, by: f32) -> Option<CountingLine> {
        let [a, b] = [self.line.start(), self.line.b()].map(|end| self.aspect.to_heights(end));
        let (x, y) = (b.x - a.x, b.y - a.y);
        let length = x.hypot(y);
        let place =
            |end: Point| Point::new((end.x + by * y / length) / self.aspect.ratio(), end.y - by * x / length);
        let middle = place(Point::new((a.x + b.x) / 2.0, (a.y + b.y) / 2.0));
        let is_inside = |at: f32| (EDGE..=1.0 - EDGE).contains(&at);
        let mut line = CountingLine::new(self.line.id, "moved", place(a), place(b)).ok()?;
        line.classes.clone_from(&self.line.classes);
        (line.anchor, line.recrossing) = (self.line.anchor, self.line.recrossing);
        (is_inside(middle.x) && is_inside(middle.y)).then_some(line)
    }

    /// Other places of the line, nearest first: heights to its left, and the change. `sizes` are multiples of the
    /// usual size of what crosses there.
    pub fn places(&self, sizes: &[f32]) -> Vec<(f32, TrialChange)> {
        let size = self.usual_size();
        let both = sizes.iter().flat_map(|times| [size * times, -size * times]);
        let moved = both.filter_map(|by| {
            let line = self.moved(by)?;
            let (a, b) = (line.start(), line.b());
            Some((by, TrialChange::Line([a.x, a.y, b.x, b.y])))
        });
        moved.collect()
    }

    /// The median size of boxes near the line, in heights.
    fn usual_size(&self) -> f32 {
        let segment = Segment::new(&self.line, self.aspect);
        let near = |detection: &Detection| {
            let bounds = self.aspect.box_in_heights(&detection.bounds);
            let size = kalman::mean_side(&bounds);
            let at = centroid(self.line.anchor.points(&bounds));
            let counts = self.line.counts(detection.class) && self.options.filter.accepts(detection);
            (counts && segment.is_near(at, NEAR * size)).then_some(size)
        };
        let mut sizes: Vec<f32> =
            self.frames.iter().flat_map(|frame| frame.detections.iter().filter_map(near)).collect();
        sizes.sort_by(f32::total_cmp);
        sizes.get(sizes.len() / 2).copied().unwrap_or(0.1)
    }

    /// Counts with each of `changes`, which agree in rate and score; without one, with the settings in force.
    /// `moved` says how far each line is moved, in heights to its left.
    pub fn count(&self, changes: &[(f32, Option<TrialChange>)]) -> (Vec<Vec<TrialCrossing>>, TrialTracks) {
        let (mut options, mut rate) = (self.options.clone(), self.rate);
        let mut lines = Vec::new();
        for (at, (by, change)) in changes.iter().enumerate() {
            let mut line = self.moved(*by).unwrap_or_else(|| self.line.clone());
            (line.id, line.name) = (LineId(at as u64), at.to_string());
            match change {
                Some(TrialChange::Rate(other)) => rate = Some(*other),
                Some(TrialChange::Score(score)) => {
                    let mut tracker = self.own.clone();
                    tracker.set_score(*score);
                    options.tracker = tracker;
                }
                Some(TrialChange::Once(_)) => line.recrossing = Recrossing::Once,
                Some(TrialChange::Line(_)) | None => {}
            }
            lines.push(line);
        }
        let mut counter = Counter::new(options, self.labels.clone(), self.aspect);
        let mut found = vec![Vec::new(); lines.len()];
        let mut tracks = TrialTracks::default();
        if counter.set_lines(lines).is_err() {
            return (found, tracks);
        }
        let own = Segment::new(&self.line, self.aspect);
        let share = rate.map_or(1.0, |rate| rate / self.frame_rate());
        // Each part of the frame keeps its share of the detections.
        let mut turns: Vec<(Bounds, f64)> = Vec::new();
        for frame in &self.frames {
            if frame.restarts {
                counter.restart();
            }
            let at = turns.iter().position(|turn| turn.0 == frame.part).unwrap_or_else(|| {
                turns.push((frame.part, 1.0 - share));
                turns.len() - 1
            });
            turns[at].1 = (turns[at].1 + share).min(1.0 + share);
            if turns[at].1 < 1.0 - 1e-6 {
                continue;
            }
            turns[at].1 -= 1.0;
            let outcome = counter.update_region(&frame.detections, frame.time_us, &frame.part);
            tracks.observe(&counter, &self.line, &own, frame.time_us);
            for crossing in outcome.crossings {
                let at = crossing.line.0 as usize;
                let early_us =
                    counter.tracks().iter().find(|track| track.id() == crossing.track).map(|track| {
                        let speed =
                            own.signed_distance(track.velocity()) - own.signed_distance(Point::new(0.0, 0.0));
                        let is_so = (speed > 0.0) == (crossing.direction == Direction::In);
                        if is_so { f64::from(changes[at].0 / speed) * 1e6 } else { 0.0 }
                    });
                let early_us = early_us.filter(|early_us| early_us.abs() <= LONGEST_US).unwrap_or(0.0);
                found[at].push(TrialCrossing {
                    time_us: crossing.time_us.saturating_add_signed(-(early_us as i64)),
                    direction: crossing.direction,
                    lingers: crossing.ordinal > 1 || tracks.stands(crossing.track, crossing.time_us),
                });
            }
        }
        (found, tracks)
    }
}

impl TrialTracks {
    fn observe(&mut self, counter: &Counter, line: &CountingLine, own: &Segment, time_us: u64) {
        for track in counter.tracks().iter().filter(|track| track.is_matched() && line.counts(track.class()))
        {
            let bounds = track.bounds_in_heights();
            let (size, at) = (kalman::mean_side(&bounds), centroid(line.anchor.points(&bounds)));
            if own.is_near(at, NEAR * size) {
                self.0.entry(track.id()).or_default().push((time_us, own.signed_distance(at) / size));
            }
        }
    }

    /// True if this track was on the line for long around that time.
    fn stands(&self, track: TrackId, time_us: u64) -> bool {
        let Some(sights) = self.0.get(&track) else { return false };
        let on = |sight: &&Sight| sight.1.abs() <= ON && sight.0.abs_diff(time_us) <= 2 * STANDS_US;
        let mut times = sights.iter().filter(on).map(|sight| sight.0);
        let first = times.next();
        first.zip(times.next_back()).is_some_and(|(first, last)| last - first >= STANDS_US)
    }

    /// True if objects are seen on both sides of the line, each at least a size away from it.
    fn has_both_sides(&self) -> bool {
        let count = |sign: f32| self.0.values().flatten().filter(|sight| sight.1 * sign >= 1.0).count();
        let (left, right) = (count(1.0), count(-1.0));
        left.min(right) * BOTH > left.max(right)
    }

    /// Why a crossing at this time was missed. `counted` are the others.
    pub fn cause(&self, time_us: u64, direction: Direction, counted: &[(u64, Direction)]) -> MissCause {
        let sign = if direction == Direction::In { 1.0 } else { -1.0 };
        let (mut ended, mut begun, mut stands) = (false, false, false);
        for (track, sights) in &self.0 {
            let (Some(first), Some(last)) = (sights.first(), sights.last()) else { continue };
            stands |= self.stands(*track, time_us);
            let (from, to) = (first.1 * sign, last.1 * sign);
            let is_before = last.0.abs_diff(time_us) <= AROUND_US && last.0 <= time_us + AROUND_US / 3;
            let is_after = first.0.abs_diff(time_us) <= AROUND_US && first.0 + AROUND_US / 3 >= time_us;
            // It came to the line and was lost there; or it came from there.
            ended |= is_before && to > -BESIDE && to < ON && (to > from || to > -ON);
            begun |= is_after && to > from && to > ON && from < BESIDE && from > -ON;
        }
        let is_beside =
            |other: &(u64, Direction)| other.1 == direction && other.0.abs_diff(time_us) <= ABREAST_US;
        match (ended, begun) {
            _ if stands => MissCause::Standing,
            (true, _) | (_, true) if self.has_both_sides() => MissCause::Hidden,
            (true, _) => MissCause::Ended,
            (_, true) => MissCause::Late,
            _ if counted.iter().any(is_beside) => MissCause::Merged,
            _ => MissCause::Unknown,
        }
    }
}
