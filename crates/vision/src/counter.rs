//! The whole way from detections to crossings: validate, filter, suppress overlaps, track, watch lines and zones. A
//! [`Counter`] is plain data; it lives on the thread that receives the detector's results.
//!
//! The same detections and times give the same crossings on every machine: the arithmetic uses only operations that
//! IEEE 754 defines to the last bit.

use std::collections::BTreeMap;

use super::crossing::Crossing;
use super::detection::{Class, Detection};
use super::filter::Filter;
use super::geometry::{Aspect, Bounds, Point, Polygon};
use super::labels::Labels;
use super::line::{CountingLine, Recrossing, Segment};
use super::near_miss::{Fate, NearMiss, NearMisses};
use super::nms;
use super::passage::{CrossingMoment, Hysteresis, Passage};
use super::passers::Passers;
use super::tracker::{Track, TrackId, TrackState, Tracker, TrackerOptions, kalman};
use super::zone::ground::GroundSpeeds;
use super::zone::movement::MovementMap;
use super::zone::{Occupancy, Stay, Stays, Zone};
use tallycam_base::Fault;

/// Upper limit of detections in a frame. No scene has that many; a faulty model gives thousands.
const MOST_DETECTIONS: usize = 1000;

/// Maximum number of kept frames, and of detections of each.
const MOST_KEPT: usize = 100_000;
const MOST_KEPT_EACH: usize = 60;

/// A track that first appears within this distance of a line and moves away from it has crossed it unseen. In sizes
/// of its box.
const BESIDE: f32 = 1.0;
/// Unseen crossings are reported from `MANY` on, if `RARELY` times their number is at least the number counted.
const MANY: u64 = 3;
const RARELY: u64 = 3;

/// Options of counting.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterOptions {
    /// The detections that matter.
    pub filter: Filter,
    /// Overlapping boxes of one group compete above this IoU (0–1); the one with the highest score stays.
    pub most_iou: f32,
    /// Options of the tracker.
    pub tracker: TrackerOptions,
    /// Conditions for a track's arrival on the other side of a line.
    pub hysteresis: Hysteresis,
}

impl Default for CounterOptions {
    fn default() -> CounterOptions {
        CounterOptions {
            filter: Filter::default(),
            most_iou: 0.5,
            tracker: TrackerOptions::default(),
            hysteresis: Hysteresis::default(),
        }
    }
}

/// A confirmed track as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackView {
    /// The object ID.
    pub id: TrackId,
    /// The most likely class.
    pub class: Class,
    /// Score (0–1) of the last detection.
    pub score: f32,
    /// Bounds, in fractions of the frame.
    pub bounds: Bounds,
    /// Velocity of its centre, in fractions of the frame a second.
    pub velocity: Point,
    /// The newest frame shows the object; otherwise `bounds` is predicted.
    pub in_sight: bool,
}

/// The overlay of a frame: boxes and zones to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct CounterOverlay {
    /// The time of the frame, in microseconds of the frames' clock.
    pub time_us: u64,
    /// Confirmed tracks, in order of ids.
    pub tracks: Vec<TrackView>,
    /// Occupancy of each zone, in the order of the zones.
    pub zones: Vec<Occupancy>,
    /// The part of the frame that was searched; inverted if none was.
    pub searched: Bounds,
}

/// The results of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Crossings counted by this frame, line by line. Within a line, departed tracks come first, then the others in
    /// order of track ids.
    pub crossings: Vec<Crossing>,
    /// The overlay to draw.
    pub overlay: CounterOverlay,
    /// Tracks that ended with this frame and may have crossed a line unseen.
    pub missed: Vec<NearMiss>,
    /// Stays in zones that have ended.
    pub stays: Vec<Stay>,
}

/// The detections of a frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialFrame {
    /// Time in microseconds of the frames' clock.
    pub time_us: u64,
    /// The part of the frame that was searched.
    pub part: Bounds,
    /// Nobody can be followed from the frame before to this one.
    pub restarts: bool,
    /// The detections.
    pub detections: Vec<Detection>,
}

/// Detections and times in, crossings out.
#[derive(Debug)]
pub struct Counter {
    pub(super) options: CounterOptions,
    pub(super) labels: Labels,
    pub(super) aspect: Aspect,
    tracker: Tracker,
    lines: Vec<Watched>,
    /// Removed lines with their still living tracks. Ordinals continue if such a line comes back.
    gone: Vec<Watched>,
    zones: Vec<Zone>,
    stays: Stays,
    speeds: GroundSpeeds,
    movement: Option<MovementMap>,
    near_misses: NearMisses,
    detections: Vec<Detection>,
    /// The frames so far, if they are kept.
    pub(super) kept: Option<Vec<TrialFrame>>,
    /// All tracks were forgotten before the next frame.
    is_restarted: bool,
}

/// A line with the progress of each track.
#[derive(Debug)]
struct Watched {
    line: CountingLine,
    segment: Segment,
    progress: BTreeMap<TrackId, LineProgress>,
    passers: Passers,
    /// Crossings counted, and tracks that first appeared just beyond the line and moved away from it.
    counted: u64,
    past: u64,
}

/// First position of a track that appeared right beside a line. In heights.
#[derive(Debug, Clone, Copy)]
struct Appeared {
    at: Point,
    size: f32,
}

impl Appeared {
    fn near_line(segment: &Segment, at: Point, size: f32) -> Option<Appeared> {
        (segment.signed_distance(at).abs() <= BESIDE * size).then_some(Appeared { at, size })
    }

    /// True if the track crossed the line before it was first seen. `None` until it has moved far enough to tell.
    fn has_crossed(&self, segment: &Segment, now: Point) -> Option<bool> {
        let (gone_x, gone_y) = (now.x - self.at.x, now.y - self.at.y);
        if gone_x * gone_x + gone_y * gone_y < self.size * self.size {
            return None;
        }
        let (before, after) = (segment.signed_distance(self.at), segment.signed_distance(now));
        let away = if before >= 0.0 { after - before } else { before - after };
        // It moves mostly away from the line, and its path drawn backwards meets the line.
        let is_straight = away > 0.0 && 2.0 * away * away >= gone_x * gone_x + gone_y * gone_y;
        let back = (before.abs() + 1e-3) / away.max(1e-6);
        let from = Point::new(self.at.x - gone_x * back, self.at.y - gone_y * back);
        Some(is_straight && segment.intersect(from, self.at).is_some_and(|(_, is_between)| is_between))
    }
}

/// The mean of an anchor's points.
pub(super) fn centroid(points: [Point; 4]) -> Point {
    let sum = points.iter().fold(Point::new(0.0, 0.0), |sum, p| Point::new(sum.x + p.x, sum.y + p.y));
    Point::new(sum.x / 4.0, sum.y / 4.0)
}

/// One track on one line.
#[derive(Debug, Default)]
struct LineProgress {
    /// `None` after the line was moved, until the track is seen again.
    passage: Option<Passage>,
    /// How many crossings of this track were counted here.
    times: u32,
    /// Crossings while the track was tentative; they count once it is confirmed.
    waiting: Vec<Crossing>,
    /// First position, while the track may have crossed the line before it was seen.
    appeared: Option<Appeared>,
}

impl Counter {
    /// A counter without lines for frames of this aspect.
    pub fn new(options: CounterOptions, labels: Labels, aspect: Aspect) -> Counter {
        let tracker = Tracker::new(options.tracker.clone(), aspect);
        Counter {
            options,
            labels,
            aspect,
            tracker,
            lines: Vec::new(),
            gone: Vec::new(),
            zones: Vec::new(),
            stays: Stays::default(),
            speeds: GroundSpeeds::default(),
            movement: None,
            near_misses: NearMisses::default(),
            detections: Vec::new(),
            kept: None,
            is_restarted: false,
        }
    }

    /// Keeps the detections from now on, for a [`Trial`](crate::Trial).
    pub fn keep_detections(&mut self) {
        self.kept = Some(Vec::new());
    }

    /// Counts on `lines` from now on; may be called at any time.
    ///
    /// - An unchanged line keeps its state.
    /// - A moved line (same id; other ends or another anchor) knows no track's side until it sees the track again. A
    ///   line that sweeps over a track counts nothing.
    /// - A removed line keeps only how often it has counted each track.
    ///
    /// # Errors
    /// Two lines share an id or a name.
    pub fn set_lines(&mut self, lines: Vec<CountingLine>) -> Result<(), Fault> {
        for (at, line) in lines.iter().enumerate() {
            if lines[..at].iter().any(|other| other.id == line.id) {
                return Err(Fault::wrong(format!("two lines have the number {}", line.id.0)));
            }
            if lines[..at].iter().any(|other| other.name == line.name) {
                let name = &line.name;
                return Err(Fault::wrong(format!(
                    "two lines are called {name:?}; give each a name of its own"
                )));
            }
        }
        let mut old = std::mem::take(&mut self.lines);
        old.append(&mut self.gone);
        for line in lines {
            let segment = Segment::new(&line, self.aspect);
            let mut progress = BTreeMap::new();
            let (mut counted, mut past) = (0, 0);
            if let Some(before) = old.iter_mut().find(|watched| watched.line.id == line.id) {
                progress = std::mem::take(&mut before.progress);
                counted = before.counted;
                past = before.past;
                if before.segment != segment || before.line.anchor != line.anchor {
                    progress.values_mut().for_each(|p| p.clear_place());
                    (counted, past) = (0, 0);
                }
            }
            self.lines.push(Watched { line, segment, progress, passers: Passers::default(), counted, past });
        }
        for mut watched in old {
            watched.progress.retain(|_, progress| progress.times > 0);
            watched.progress.values_mut().for_each(|progress| {
                progress.clear_place();
                progress.waiting.clear();
            });
            self.gone.push(watched);
        }
        self.gone.retain(|watched| !watched.progress.is_empty());
        Ok(())
    }

    /// The lines that are counted on.
    pub fn lines(&self) -> impl Iterator<Item = &CountingLine> {
        self.lines.iter().map(|watched| &watched.line)
    }

    /// The zones that are watched.
    pub fn zones(&self) -> impl Iterator<Item = &Zone> {
        self.zones.iter()
    }

    /// Watches these zones from now on. Stays in a zone that is changed or gone end, cut.
    pub fn set_zones(&mut self, zones: Vec<Zone>) {
        let watched = |zone: &Zone| (zone.id, zone.area.clone(), zone.classes.clone(), zone.anchor);
        let kept: Vec<_> = zones.iter().map(watched).collect();
        let is_kept = |zone: &&Zone| kept.contains(&watched(zone));
        let is_changed = |id| !self.zones.iter().filter(is_kept).any(|zone| zone.id == id);
        self.stays.set_zones(&zones, is_changed);
        self.speeds.set_zones(&zones);
        self.zones = zones;
    }

    /// Makes a movement map from now on, or none.
    pub fn set_movement_map(&mut self, is_on: bool) {
        if is_on != self.movement.is_some() {
            self.movement = is_on.then(MovementMap::new);
        }
    }

    /// The movement map since the last call: for each cell of [`super::MOVEMENT_GRID`], row by row, how many objects
    /// came into it. `None` if none is made or nothing has moved.
    pub fn take_movement(&mut self) -> Option<Vec<u16>> {
        self.movement.as_mut()?.take()
    }

    /// Ends all stays, cut, because counting ends. Returns them with those that have ended since the last frame.
    pub fn end_stays(&mut self) -> Vec<Stay> {
        self.stays.cut();
        self.stays.take()
    }

    /// True if a line or zone of these classes (all if empty) can count a vehicle; without `vehicles`, anything else.
    pub fn may_count(&self, classes: &[Class], vehicles: bool) -> bool {
        let is_among = |classes: &[Class], class| classes.is_empty() || classes.contains(&class);
        let all = (0..self.labels.names().len()).map(|class| Class(class as u16));
        let mut counted =
            all.filter(|&class| is_among(classes, class) && is_among(&self.options.filter.classes, class));
        counted.any(|class| self.labels.is_vehicle(class) == vehicles)
    }

    /// Ignores detections in these areas from now on.
    pub fn set_excluded(&mut self, areas: Vec<Polygon>) {
        self.options.filter.excluded = areas;
    }

    /// Sets the aspect of the frames. Another aspect means that the camera sees another part of the world: all tracks
    /// are forgotten. Lines and zones keep their fractions.
    pub fn set_aspect(&mut self, aspect: Aspect) {
        if aspect == self.aspect {
            return;
        }
        self.aspect = aspect;
        for watched in &mut self.lines {
            watched.segment = Segment::new(&watched.line, aspect);
        }
        self.restart();
    }

    /// Forgets all tracks, because the frames show something else from now on. Object IDs continue; lines and zones
    /// stay.
    pub fn restart(&mut self) {
        self.tracker.restart(self.aspect);
        self.near_misses.restart();
        self.stays.cut();
        self.is_restarted = true;
        self.gone.clear();
        for watched in &mut self.lines {
            watched.progress.clear();
            watched.passers = Passers::default();
        }
    }

    /// Lines beyond which many tracks first appear, with how many did since the line was drawn. The line is then too
    /// near to the edge of the frame or to something that hides objects.
    pub fn late_appearances(&self) -> impl Iterator<Item = (&CountingLine, u64)> {
        let often = |watched: &&Watched| watched.past >= MANY && watched.past * RARELY >= watched.counted;
        self.lines.iter().filter(often).map(|watched| (&watched.line, watched.past))
    }

    /// The highest object ID so far; 0 before the first.
    pub fn highest_track_id(&self) -> u64 {
        self.tracker.highest_track_id()
    }

    /// All tracks, tentative ones too, in order of ids.
    pub fn tracks(&self) -> &[Track] {
        self.tracker.tracks()
    }

    /// True if a track should be within `part`, in fractions of the frame.
    pub(crate) fn has_track_within(&self, part: &Bounds) -> bool {
        self.tracker.has_track_within(part)
    }

    /// True if a track moves, or is not yet confirmed.
    pub(crate) fn has_moving_track(&self) -> bool {
        self.tracker.has_moving_track()
    }

    /// How many detections confirm a track, and its least age, in microseconds.
    pub(crate) fn confirmation(&self) -> (u64, u64) {
        let TrackerOptions { confirm_after, confirm_age, .. } = self.options.tracker;
        (confirm_after.into(), (confirm_age * 1e6) as u64)
    }

    /// Takes in the detections of a frame. `time_us` is in microseconds of a clock that does not go back. Frames may
    /// be skipped, but a frame without detections must not be.
    pub fn update(&mut self, detections: &[Detection], time_us: u64) -> Outcome {
        self.update_region(detections, time_us, &Bounds::PICTURE)
    }

    /// Like [`update`](Counter::update), for a detector that saw only `part`, in fractions of the frame. Tracks
    /// outside `part` do not count as missed. A box that is cut off by the edge of `part` crosses nothing.
    pub(crate) fn update_region(&mut self, detections: &[Detection], time_us: u64, part: &Bounds) -> Outcome {
        self.select(detections);
        if let Some(kept) = self.kept.as_mut().filter(|kept| kept.len() < MOST_KEPT) {
            let detections = self.detections.iter().take(MOST_KEPT_EACH).copied().collect();
            let restarts = std::mem::take(&mut self.is_restarted);
            kept.push(TrialFrame { time_us, part: *part, restarts, detections });
        }
        self.tracker.update_region(&self.detections, &self.labels, time_us, part);
        let tracker = &self.tracker;
        self.speeds.update(tracker, self.aspect, time_us);
        let mut crossings = Vec::new();
        for watched in &mut self.lines {
            let counted = crossings.len();
            watched.finish_departed(&self.labels, tracker, &mut crossings);
            watched.retain_tracked(tracker);
            watched.update(&self.labels, tracker, time_us, &self.options.hysteresis, &mut crossings);
            watched.passers.update(&self.labels, tracker, counted, &mut crossings);
            watched.counted += (crossings.len() - counted) as u64;
        }
        crossings.iter_mut().for_each(|crossing| crossing.kmh = self.speeds.kmh(crossing.track));
        for watched in &mut self.gone {
            watched.retain_tracked(tracker);
        }
        self.gone.retain(|watched| !watched.progress.is_empty());
        self.stays.update(&self.zones, tracker, self.aspect, time_us);
        if let Some(movement) = &mut self.movement {
            movement.update(tracker, self.aspect);
        }
        let overlay = self.overlay(time_us, *part);
        let lines = self.lines.iter().map(|watched| (&watched.line, &watched.segment));
        let shown = overlay.tracks.iter().map(|t| (t.id, t.class, t.in_sight.then_some(t.bounds)));
        let fate = |id: TrackId| {
            if tracker.lost_tracks().iter().any(|track| track.id() == id) {
                return Fate::Resting;
            }
            let is_continued = |track: &Track| {
                track.continues() == Some(id) || (track.id() == id && track.part_of().is_some())
            };
            if tracker.tracks().iter().any(is_continued) { Fate::Continued } else { Fate::Ended }
        };
        let missed = self.near_misses.update(shown, &crossings, lines, self.aspect, time_us, fate);
        Outcome { crossings, overlay, missed, stays: self.stays.take() }
    }

    /// Leaves the detections to be tracked in `self.detections`.
    fn select(&mut self, detections: &[Detection]) {
        let chosen = &mut self.detections;
        chosen.clear();
        let filter = &self.options.filter;
        let is_wanted = |it: &&Detection| it.find_defect().is_none() && filter.accepts(it);
        chosen.extend(detections.iter().filter(is_wanted));
        if chosen.len() > MOST_DETECTIONS {
            chosen.sort_by(|a, b| b.score.total_cmp(&a.score));
            chosen.truncate(MOST_DETECTIONS);
        }
        nms::suppress_overlaps(chosen, &self.labels, self.options.most_iou);
    }

    fn overlay(&self, time_us: u64, searched: Bounds) -> CounterOverlay {
        let ratio = self.aspect.ratio();
        let shown = self.tracker.tracks().iter().filter(|track| track.state() != TrackState::Tentative);
        let tracks: Vec<TrackView> = shown
            .filter(|track| !self.tracker.is_shown_part(track))
            .map(|track| TrackView {
                id: track.id(),
                class: track.class(),
                score: track.score(),
                bounds: track.bounds(self.aspect),
                velocity: Point::new(track.velocity().x / ratio, track.velocity().y),
                in_sight: track.is_matched(),
            })
            .collect();
        let zones = self.zones.iter().map(|zone| occupancy(zone, &tracks)).collect();
        CounterOverlay { time_us, tracks, zones, searched }
    }
}

/// Counts all tracks in the zone, hidden ones too: somebody behind a pillar has not left the room.
fn occupancy(zone: &Zone, tracks: &[TrackView]) -> Occupancy {
    let mut occupancy = Occupancy::empty(zone.id);
    for track in tracks.iter().filter(|t| zone.contains(t.class, &zone.anchor.points(&t.bounds))) {
        occupancy.add(track.class);
    }
    occupancy
}

impl LineProgress {
    /// Forgets the position because the line moved.
    fn clear_place(&mut self) {
        (self.passage, self.appeared) = (None, None);
    }

    /// The track has crossed the line: adds a crossing if the line counts it.
    fn count(
        &mut self,
        line: &CountingLine,
        labels: &Labels,
        tracker: &Tracker,
        track: &Track,
        passed: CrossingMoment,
    ) {
        let again = self.times > 0 && line.recrossing == Recrossing::Once;
        // An object seen now as a rider, now as a vehicle, counts as both.
        // A cab may leave the frame before its lorry.
        let whole = track.part_of().and_then(|whole| tracker.track(whole));
        let own = whole.unwrap_or(track).class();
        let other = track.other_likely_classes().filter(|&class| labels.can_ride(own, class));
        let class = std::iter::once(own).chain(other).find(|&class| line.counts(class));
        let Some(class) = class.filter(|_| !again) else { return };
        self.times += 1;
        self.waiting.push(Crossing {
            line: line.id,
            track: track.id(),
            ordinal: self.times,
            class,
            direction: passed.direction,
            score: track.score(),
            time_us: passed.time_us,
            kmh: None,
        });
    }
}

impl Watched {
    /// Finishes the passages of tracks that have left the frame.
    fn finish_departed(&mut self, labels: &Labels, tracker: &Tracker, out: &mut Vec<Crossing>) {
        for track in tracker.departed_tracks() {
            let Some(mut progress) = self.progress.remove(&track.id()) else { continue };
            if let Some(passed) = progress.passage.as_mut().and_then(Passage::finish) {
                progress.count(&self.line, labels, tracker, track, passed);
                out.append(&mut progress.waiting);
            }
        }
    }

    /// Hands the progress of tracks that were found again on to their new ids, and forgets ended tracks.
    fn retain_tracked(&mut self, tracker: &Tracker) {
        for track in tracker.tracks() {
            let old = track.continues().and_then(|old| self.progress.remove(&old));
            if let Some(progress) = old {
                self.progress.insert(track.id(), progress);
            }
        }
        let is_followed = |id: &TrackId| tracker.tracks().binary_search_by_key(id, Track::id).is_ok();
        let rests = |id: &TrackId| tracker.lost_tracks().iter().any(|track| track.id() == *id);
        self.progress.retain(|id, _| is_followed(id) || rests(id));
    }

    /// Updates the progress of every track in the newest frame.
    fn update(
        &mut self,
        labels: &Labels,
        tracker: &Tracker,
        time_us: u64,
        hysteresis: &Hysteresis,
        out: &mut Vec<Crossing>,
    ) {
        for track in tracker.tracks().iter().filter(|track| track.is_matched()) {
            if track.cut_edges().hides_anchor(self.line.anchor) {
                continue;
            }
            let bounds = track.bounds_in_heights();
            let points = self.line.anchor.points(&bounds);
            let progress = self.progress.entry(track.id()).or_default();
            let size = kalman::mean_side(&bounds);
            let Some(passage) = &mut progress.passage else {
                progress.passage = Some(Passage::new(&self.segment, points, time_us));
                if track.born_us() == time_us {
                    progress.appeared = Appeared::near_line(&self.segment, centroid(points), size);
                }
                continue;
            };
            if track.state() == TrackState::Confirmed
                && let Some(appeared) = &progress.appeared
                && let Some(has_come_from_it) = appeared.has_crossed(&self.segment, centroid(points))
            {
                let is_new = progress.times == 0 && self.line.counts(track.class());
                self.past += u64::from(is_new && has_come_from_it);
                progress.appeared = None;
            }
            let measured = self.line.anchor.points(&track.measured_in_heights());
            if let Some(passed) = passage.observe(&self.segment, points, measured, size, time_us, hysteresis)
            {
                progress.count(&self.line, labels, tracker, track, passed);
            }
            if track.state() == TrackState::Confirmed {
                out.append(&mut progress.waiting);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Polygon;
    use super::super::line::{Direction, LineId};
    use super::super::zone::ZoneId;
    use super::*;

    fn counter() -> Counter {
        let labels = Labels::new(["person", "car"]);
        Counter::new(CounterOptions::default(), labels, Aspect::new(640, 480))
    }

    fn line(id: u64, name: &str, x: f32) -> CountingLine {
        CountingLine::new(LineId(id), name, Point::new(x, 1.0), Point::new(x, 0.0)).unwrap()
    }

    fn person(x: f32) -> Detection {
        Detection { class: Class(0), score: 0.9, bounds: Bounds::centered_at(Point::new(x, 0.5), 0.06, 0.2) }
    }

    /// Walks from one x to another in these frames, at ten frames a second.
    fn walk(counter: &mut Counter, frames: std::ops::Range<u64>, from: f32, to: f32) -> Vec<Crossing> {
        let (first, last) = (frames.start, frames.end - 1);
        frames
            .flat_map(|n| {
                let share = (n - first) as f32 / (last - first) as f32;
                counter.update(&[person(from + (to - from) * share)], n * 100_000).crossings
            })
            .collect()
    }

    /// At walking pace and faster, and with a trembling box: the smoothed position overshoots, the person does not.
    #[test]
    fn stopping_at_a_line_and_going_back_is_no_crossing() {
        for (speed, beyond) in [(0.01, 0.1), (0.02, 0.05), (0.03, 0.0), (0.05, 0.0), (0.05, 0.1)] {
            let mut counter = counter();
            counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
            // The box is 0.14 heights in size; multiplied by 0.75 (height ÷ width) that is a fraction of the width.
            let stop = 0.5 - beyond * 0.14 * 0.75;
            let steps = (0.3 / speed) as u64;
            let way = (0..steps).rev().chain([0; 30]).chain(0..steps).map(|n| stop + speed * n as f32);
            let counted: usize = (0u64..)
                .zip(way)
                .map(|(n, x)| {
                    let trembling = [-0.002, 0.001, 0.002, 0.0, -0.001][n as usize % 5];
                    counter.update(&[person(x + trembling)], n * 100_000).crossings.len()
                })
                .sum();
            assert_eq!(counted, 0, "at {speed} a frame, {beyond} sizes beyond");
        }
    }

    #[test]
    fn a_crossing_names_line_track_class_direction_and_time() {
        let mut counter = counter();
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        let crossings = walk(&mut counter, 0..41, 0.7, 0.3);
        let [crossing] = crossings[..] else { panic!("{crossings:?}") };
        assert_eq!((crossing.line, crossing.track, crossing.ordinal), (LineId(7), TrackId(1), 1));
        assert_eq!((crossing.class, crossing.direction), (Class(0), Direction::In));
        assert!(crossing.time_us.abs_diff(2_000_000) < 150_000, "{}", crossing.time_us);
        let back = walk(&mut counter, 41..82, 0.3, 0.7);
        assert_eq!((back.len(), back[0].ordinal, back[0].direction), (1, 2, Direction::Out));
    }

    /// The front of a lorry is a car's box of its own, which is beyond the line in one frame and then out of sight.
    #[test]
    fn a_cab_that_leaves_before_its_lorry_counts_as_the_lorry() {
        let mut counter =
            Counter::new(CounterOptions::default(), Labels::new(["car", "truck"]), Aspect::new(640, 480));
        counter.set_lines(vec![line(7, "road", 0.9)]).unwrap();
        let seen = |class, left: f32, right: f32, top| Detection {
            class: Class(class),
            score: 0.9,
            bounds: Bounds { left: left.max(0.0), top, right: right.min(1.0), bottom: 0.9 },
        };
        let (mut crossings, mut is_counted_early) = (Vec::new(), false);
        for n in 0..50 {
            let front = 0.448 + 0.02 * n as f32;
            let mut boxes = Vec::new();
            if front < 1.32 {
                boxes.push(seen(1, front - 0.35, front, 0.4));
            }
            if front < 1.01 {
                boxes.push(seen(0, front - 0.145, front - 0.015, 0.7));
            }
            crossings.extend(counter.update(&boxes, n * 100_000).crossings);
            is_counted_early |= front < 1.2 && crossings.len() == 1;
        }
        let [crossing] = crossings[..] else { panic!("{crossings:?}") };
        assert!(is_counted_early, "the lorry was counted, and not its cab");
        assert_eq!(counter.labels.name(crossing.class), Some("truck"));
    }

    #[test]
    fn ordinals_go_on_when_a_line_is_moved() {
        let mut counter = counter();
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        assert_eq!(walk(&mut counter, 0..41, 0.7, 0.3).len(), 1);
        counter.set_lines(vec![line(7, "door", 0.4), line(8, "gate", 0.6)]).unwrap();
        let back = walk(&mut counter, 41..82, 0.3, 0.7);
        let found: Vec<_> = back.iter().map(|c| (c.line.0, c.ordinal)).collect();
        assert_eq!(found, [(7, 2), (8, 1)]);
    }

    #[test]
    fn ordinals_go_on_when_a_line_comes_back() {
        let mut counter = counter();
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        assert_eq!(walk(&mut counter, 0..41, 0.7, 0.3).len(), 1);
        counter.set_lines(vec![line(8, "gate", 0.6)]).unwrap();
        let away = walk(&mut counter, 41..82, 0.3, 0.55);
        assert_eq!(away.len(), 0, "the door is not counted on");
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        let back = walk(&mut counter, 82..123, 0.55, 0.3);
        let found: Vec<_> = back.iter().map(|c| (c.line.0, c.track.0, c.ordinal)).collect();
        assert_eq!(found, [(7, 1, 2)]);
        // Departed tracks are forgotten there, too.
        counter.set_lines(Vec::new()).unwrap();
        assert_eq!(counter.gone.len(), 1);
        counter.restart();
        assert_eq!(counter.gone.len(), 0);
    }

    #[test]
    fn an_unchanged_line_keeps_its_state() {
        let mut counter = counter();
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        let mut found = walk(&mut counter, 0..20, 0.7, 0.505);
        let mut renamed = line(7, "front door", 0.5);
        renamed.classes = vec![Class(0)];
        counter.set_lines(vec![renamed]).unwrap();
        found.extend(walk(&mut counter, 20..40, 0.495, 0.3));
        assert_eq!(found.len(), 1);
        assert_eq!(counter.lines().next().unwrap().name, "front door");
    }

    #[test]
    fn numbers_go_on_after_a_restart() {
        let mut counter = counter();
        counter.set_lines(vec![line(7, "door", 0.5)]).unwrap();
        assert_eq!(walk(&mut counter, 0..41, 0.7, 0.3).len(), 1);
        let before = counter.highest_track_id();
        assert_eq!(before, counter.tracks().last().unwrap().id().0);
        counter.restart();
        assert!(counter.tracks().is_empty());
        // A track that is beyond the line now has not crossed it.
        assert!(walk(&mut counter, 41..60, 0.7, 0.71).is_empty());
        assert_eq!(walk(&mut counter, 60..101, 0.71, 0.3)[0].track, TrackId(before + 1));
    }

    #[test]
    fn lines_of_one_name_or_number_are_refused() {
        let mut counter = counter();
        counter.set_lines(vec![line(1, "door", 0.5)]).unwrap();
        let twice = vec![line(1, "a", 0.3), line(2, "a", 0.4)];
        assert!(counter.set_lines(twice).unwrap_err().to_string().starts_with("two lines are called \"a\""));
        let twice = vec![line(1, "a", 0.3), line(1, "b", 0.4)];
        assert_eq!(counter.set_lines(twice).unwrap_err().to_string(), "two lines have the number 1");
        assert_eq!(counter.lines().count(), 1, "the old lines stay");
    }

    #[test]
    fn another_aspect_is_another_picture() {
        let mut counter = counter();
        counter.set_lines(vec![line(1, "door", 0.5)]).unwrap();
        walk(&mut counter, 0..20, 0.7, 0.52);
        counter.set_aspect(Aspect::new(1280, 960));
        assert_eq!(counter.tracks().len(), 1, "the same aspect");
        counter.set_aspect(Aspect::new(1280, 720));
        assert_eq!(counter.tracks().len(), 0);
        assert_eq!(walk(&mut counter, 20..40, 0.48, 0.3), [], "nobody crossed in this picture");
        assert_eq!(walk(&mut counter, 40..80, 0.3, 0.7).len(), 1);
    }

    #[test]
    fn invalid_and_surplus_detections_are_dropped() {
        let mut counter = counter();
        let bad = Detection { score: f32::NAN, ..person(0.5) };
        let outside = person(3.0);
        counter.update(&[bad, outside, person(0.3)], 0);
        assert_eq!(counter.tracks().len(), 1);
        let many: Vec<Detection> = (0..1500).map(|n| person(0.05 + 0.0006 * n as f32)).collect();
        counter.select(&many);
        assert!(!counter.detections.is_empty());
        assert!(counter.detections.iter().all(|one| one.bounds.center().x < 0.65), "the first thousand");
    }

    #[test]
    fn the_filter_decides_what_is_tracked() {
        let mut counter = counter();
        counter.options.filter = Filter { classes: vec![Class(1)], ..Filter::default() };
        assert_eq!(walk(&mut counter, 0..10, 0.3, 0.4), []);
        assert_eq!(counter.tracks().len(), 0);
    }

    #[test]
    fn the_overlay_shows_confirmed_tracks_and_zones() {
        let mut counter = counter();
        let corners = [(0.2, 0.4), (0.5, 0.4), (0.5, 0.9), (0.2, 0.9)];
        let area = Polygon::new(corners.iter().map(|&(x, y)| Point::new(x, y)).collect()).unwrap();
        counter.set_zones(vec![Zone::new(ZoneId(3), "queue", area)]);
        let first = counter.update(&[person(0.3)], 0).overlay;
        assert_eq!((first.tracks.len(), first.zones[0].total()), (0, 0), "tentative");
        for n in 1..5 {
            counter.update(&[person(0.3)], n * 100_000);
        }
        let shown = counter.update(&[person(0.3)], 500_000).overlay;
        assert_eq!(shown.zones, [Occupancy { zone: ZoneId(3), by_class: vec![(Class(0), 1)] }]);
        let track = shown.tracks[0];
        assert!(track.in_sight && (track.bounds.center().x - 0.3).abs() < 0.01);
        let behind = counter.update(&[], 600_000).overlay;
        assert_eq!(behind.zones[0].total(), 1, "behind a pillar");
        assert!(!behind.tracks[0].in_sight);
    }
}
