//! Associates detections from frame to frame: ByteTrack (Y. Zhang et al., "ByteTrack: Multi-Object Tracking by
//! Associating Every Detection Box", ECCV 2022) with real time steps.
//!
//! For every frame, the tracker predicts all tracks at the frame's time ([`kalman`]). It then matches them with the
//! frame's detections in three rounds, each an optimal [`assignment`]:
//!
//! 1. Confirmed and lost tracks are matched with the sure detections. The track of a rider may also match a vehicle in
//!    the same place, and the reverse, if nothing else matches them.
//! 2. Confirmed tracks that are still unmatched are matched with the unsure detections: a person half behind a lamp
//!    post is still there. Lost tracks are not.
//! 3. Tentative tracks are matched with the remaining sure detections, then with unsure ones, which keep a track
//!    alive without confirming it. The sure detections that still remain start new tracks.
//!
//! The tracker differs from the paper, because frames arrive at irregular times, when the machine has time for them.
//! Velocities and noise are per second, patience is in seconds. Similarity combines overlap *and* how well the
//! position fits the motion, so that objects whose boxes do not overlap from one frame to the next are tracked too.
//! No track starts on an object that is already tracked. A track ends when it leaves the frame. If an object stood
//! still when it was lost, and is found in the same place much later, it gets a new track that names the old one
//! ([`Track::continues`]).
//!
//! Invariants: an id is never used twice; there are never more than [`TrackerOptions::most_tracks`] tracks;
//! [`Tracker::tracks`] is sorted by id.

pub(crate) mod assignment;
mod field;
pub(super) mod kalman;
mod part;
mod track;
mod whole;

pub use kalman::{Motion, mean_side};
pub use track::{Track, TrackId, TrackState};

use self::assignment::Assignment;
use self::field::DetectionField;
use self::kalman::Kalman;
use super::detection::Detection;
use super::geometry::{Aspect, Bounds, Point};
use super::labels::Labels;

/// Parameters of tracks. Times are in seconds, lengths in sizes (see [`Motion`]).
#[derive(Debug, Clone, PartialEq)]
pub struct TrackerOptions {
    /// From this score (0–1) on a detection is sure: it finds lost tracks and starts new ones.
    pub sure_score: f32,
    /// Detections below this score (0–1) are ignored.
    pub least_score: f32,
    /// Least score (0–1) to start a track.
    pub birth_score: f32,
    /// A track is confirmed after sure detections in this many frames...
    pub confirm_after: u32,
    /// ...and at this age, because in a fast stream a false box lasts for several frames. Crossings before the
    /// confirmation are counted then. Seconds.
    pub confirm_age: f32,
    /// A tentative track that is unseen for longer than this is forgotten; one missed frame is always allowed.
    /// Seconds.
    pub tentative_patience: f32,
    /// A confirmed track that is unseen for longer than this is forgotten; so is a tentative one not confirmed by
    /// then. Seconds.
    pub lost_patience: f32,
    /// Least similarity (0–1) of a sure detection and a track, see [`Tracker`].
    pub least_likeness: f32,
    /// Increase of the least similarity for every second in which a confirmed track was unseen: a predicted position
    /// becomes less certain and proves less. Per second.
    pub likeness_rise: f32,
    /// Least IoU (0–1) of an unsure detection and the predicted box of a track. Unsure boxes are often parts of
    /// objects, heads or legs, and would drag the track after them.
    pub least_unsure_iou: f32,
    /// Coverage (0–1) above which a box starts no track. A box covered by more than this by a tracked one of its
    /// group and of similar size is a part of that object. A box that covers more than this of a tracked one is a box
    /// around several objects.
    pub most_covered: f32,
    /// Position error of a box beyond the motion's, in sizes (standard deviation): an occlusion moves the centre of
    /// the box.
    pub slack: f32,
    /// How long a lost track that stood is recognized in the same place. Seconds.
    pub rest_patience: f32,
    /// Maximum number of tracks at one time; no new ones start beyond it.
    pub most_tracks: usize,
    /// How people and animals move; vehicles move by `Motion::vehicle`.
    pub motion: Motion,
}

impl Default for TrackerOptions {
    /// The least score and the IoU of 0.5 are ByteTrack's. Its sure score of 0.6 is for a far larger detector; small
    /// ones give most objects 0.45 or more. Three detections make a track: two false boxes in succession at one place
    /// are common, three are not. After 3 s unseen the required similarity is 0.65, which only a box right at the
    /// predicted position reaches. A box that shows by a tenth beside another of its size may well be another person
    /// walking abreast.
    fn default() -> TrackerOptions {
        TrackerOptions {
            sure_score: 0.45,
            least_score: 0.1,
            birth_score: 0.45,
            confirm_after: 3,
            confirm_age: 0.25,
            tentative_patience: 0.3,
            lost_patience: 3.0,
            least_likeness: 0.2,
            likeness_rise: 0.15,
            least_unsure_iou: 0.5,
            most_covered: 0.9,
            slack: 0.15,
            rest_patience: 60.0,
            most_tracks: 500,
            motion: Motion::default(),
        }
    }
}

/// The squared Mahalanobis distance that 99 of 100 objects keep within (χ², two degrees of freedom).
const FARTHEST: f32 = 9.21;

/// Boxes that differ by more than this factor in width or height are not of the same object.
const MOST_LARGER: f32 = 2.5;

/// Least similarity of a rider and a vehicle that match each other: they differ in size.
const RIDES_ALIKE: f32 = 0.45;

/// Recovery of a lost track: least IoU with its last box, and least share of a partial box that must lie within that.
const SAME_PLACE: f32 = 0.6;
const PART_THERE: f32 = 0.85;

/// Maximum number of remembered lost tracks that stood.
const MOST_RESTING: usize = 64;

/// Cost of an impossible pair; all other pairs cost 1 − similarity.
const IMPOSSIBLE: f32 = 1.0;

/// Tracks objects from frame to frame.
///
/// The *similarity* of a track and a detection is between 0 and 1. Half of it is the IoU of the predicted and the
/// seen box; half is 1 − d²/9.21 (not below 0), with d² the squared Mahalanobis distance of the centres. It is 0 for
/// boxes of different groups of labels, and for boxes that differ by more than a factor of 2.5 in width or height.
#[derive(Debug)]
pub struct Tracker {
    options: TrackerOptions,
    aspect: Aspect,
    tracks: Vec<Track>,
    departed: Vec<Track>,
    /// Tracks that stood when they were lost and are no longer followed; the newest last.
    resting: Vec<Track>,
    next_id: u64,
    newest_us: Option<u64>,
    /// The part of the frame that the newest detection saw.
    field: DetectionField,
    assignment: Assignment,
    work: TrackerBuffers,
}

/// Buffers of one update, kept between frames.
#[derive(Debug, Default)]
struct TrackerBuffers {
    /// Detections of the frame in heights, and whether each is still free.
    seen: Vec<Observation>,
    costs: Vec<f32>,
    rows: Vec<usize>,
    columns: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Observation {
    detection: Detection,
    /// Bounds in heights.
    bounds: Bounds,
    group: u16,
    free: bool,
}

impl Tracker {
    /// A tracker for frames of this aspect.
    pub fn new(options: TrackerOptions, aspect: Aspect) -> Tracker {
        Tracker {
            options,
            aspect,
            tracks: Vec::new(),
            departed: Vec::new(),
            resting: Vec::new(),
            next_id: 1,
            newest_us: None,
            field: DetectionField::new(&Bounds::PICTURE, aspect),
            assignment: Assignment::default(),
            work: TrackerBuffers::default(),
        }
    }

    /// All tracks, tentative and lost ones too, in order of their ids.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Tracks that the newest frame ended because they left the frame, in order of ids: confirmed ones that were not
    /// seen again and must be wholly outside by now.
    pub(crate) fn departed_tracks(&self) -> &[Track] {
        &self.departed
    }

    /// The track with this id, also if it ended with the newest frame because it left.
    pub(crate) fn track(&self, id: TrackId) -> Option<&Track> {
        match self.tracks.binary_search_by_key(&id, Track::id) {
            Ok(at) => Some(&self.tracks[at]),
            Err(_) => self.departed.iter().find(|track| track.id() == id),
        }
    }

    /// The track is a part of another object that is shown.
    pub(crate) fn is_shown_part(&self, track: &Track) -> bool {
        let whole = track.part_of().and_then(|whole| self.track(whole));
        whole.is_some_and(|whole| whole.state() != TrackState::Tentative)
    }

    /// Lost tracks that stood and may be found again.
    pub(crate) fn lost_tracks(&self) -> &[Track] {
        &self.resting
    }

    /// True if a track should be within `part`, in fractions of the frame.
    pub(crate) fn has_track_within(&self, part: &Bounds) -> bool {
        let field = DetectionField::new(part, self.aspect);
        self.tracks.iter().any(|track| field.contains(&track.bounds_in_heights()))
    }

    /// True if a track moves or is not confirmed yet.
    pub(crate) fn has_moving_track(&self) -> bool {
        self.tracks
            .iter()
            .any(|track| track.state() == TrackState::Tentative || track.speed() > whole::STANDS)
    }

    /// The highest object ID so far; 0 before the first.
    pub fn highest_track_id(&self) -> u64 {
        self.next_id - 1
    }

    /// Forgets all tracks, because the frames show something else now. Ids continue.
    pub fn restart(&mut self, aspect: Aspect) {
        self.aspect = aspect;
        self.tracks.clear();
        self.departed.clear();
        self.resting.clear();
    }

    /// Takes in the valid detections of a frame. `time_us` is in microseconds of any clock that does not go back; if
    /// it does go back, no time has passed.
    pub fn update(&mut self, detections: &[Detection], labels: &Labels, time_us: u64) -> &[Track] {
        self.update_region(detections, labels, time_us, &Bounds::PICTURE)
    }

    /// Like [`update`](Tracker::update) for a detection on a region, in fractions of the frame. Tracks outside it are
    /// not missed.
    pub(crate) fn update_region(
        &mut self,
        detections: &[Detection],
        labels: &Labels,
        time_us: u64,
        part: &Bounds,
    ) -> &[Track] {
        self.field = DetectionField::new(part, self.aspect);
        let before_us = self.newest_us.unwrap_or(time_us);
        let now_us = time_us.max(before_us);
        self.newest_us = Some(now_us);
        // Before the matching: a position from a minute ago proves nothing.
        let TrackerOptions { lost_patience, rest_patience, .. } = self.options;
        let lost = self.tracks.extract_if(.., |track| track.unseen_seconds(now_us) > lost_patience);
        self.resting.extend(lost.filter(Track::is_recoverable));
        self.resting.retain(|track| track.unseen_seconds(now_us) <= rest_patience);
        self.resting.drain(..self.resting.len().saturating_sub(MOST_RESTING));
        let seconds = (now_us - before_us) as f32 / 1e6;
        for track in &mut self.tracks {
            track.predict(seconds);
        }
        let aspect = self.aspect;
        self.work.seen.clear();
        self.work.seen.extend(detections.iter().map(|detection| Observation {
            detection: *detection,
            bounds: aspect.box_in_heights(&detection.bounds),
            group: labels.group_id(detection.class),
            free: detection.score >= self.options.least_score,
        }));

        let sure = self.options.sure_score;
        let tentative = |t: &Track| t.state() == TrackState::Tentative;
        let in_sight = |t: &Track| t.state() == TrackState::Confirmed;
        self.match_round(labels, now_us, Pairs::Alike, |t| !tentative(t), |d| d.score >= sure);
        self.match_round(labels, now_us, Pairs::Riding, |t| !tentative(t), |d| d.score >= sure);
        self.match_round(labels, now_us, Pairs::Alike, in_sight, |d| d.score < sure);
        self.match_round(labels, now_us, Pairs::Alike, tentative, |d| d.score >= sure);
        self.match_round(
            labels,
            now_us,
            Pairs::Alike,
            |t| tentative(t) && t.missed_frames() == 0,
            |d| d.score < sure,
        );

        self.drop_expired(now_us);
        self.start_tracks(labels, now_us);
        self.observe_parts(labels, now_us);
        &self.tracks
    }

    /// Notes which of the vehicles seen are parts of others.
    fn observe_parts(&mut self, labels: &Labels, now_us: u64) {
        for at in 0..self.tracks.len() {
            let own = &self.tracks[at];
            if !own.is_matched() || !labels.has_parts(own.class()) {
                continue;
            }
            let group = labels.group_id(own.class());
            let others = self.tracks.iter().filter(|track| {
                track.is_matched() && track.id() != own.id() && labels.group_id(track.class()) == group
            });
            let mut part = own.part;
            part.observe(own, others, self.aspect, now_us);
            self.tracks[at].part = part;
        }
    }

    /// Matches the tracks chosen by `whom` and not yet seen at `now_us` with the free detections chosen by `what`.
    fn match_round(
        &mut self,
        labels: &Labels,
        now_us: u64,
        pairs: Pairs,
        whom: impl Fn(&Track) -> bool,
        what: impl Fn(&Detection) -> bool,
    ) {
        let TrackerBuffers { seen, costs, rows, columns } = &mut self.work;
        rows.clear();
        rows.extend((0..self.tracks.len()).filter(|&at| {
            let track = &self.tracks[at];
            !track.is_matched() && whom(track)
        }));
        columns.clear();
        columns.extend((0..seen.len()).filter(|&at| seen[at].free && what(&seen[at].detection)));
        costs.clear();
        for &row in rows.iter() {
            let track = &self.tracks[row];
            let group = labels.group_id(track.class());
            let mut least = self.options.required_similarity(track, now_us);
            if pairs == Pairs::Riding {
                least = least.max(RIDES_ALIKE);
            }
            let predicted = Predicted::new(track, self.options.slack);
            for &column in columns.iter() {
                let other = &seen[column];
                let can_be = match pairs {
                    Pairs::Alike => other.group == group,
                    Pairs::Riding => labels.can_ride(track.class(), other.detection.class),
                };
                if !can_be || !predicted.may_overlap(&other.bounds) {
                    costs.push(IMPOSSIBLE);
                    continue;
                }
                let alike = self.options.similarity(&predicted, other);
                costs.push(if alike >= least { 1.0 - alike } else { IMPOSSIBLE });
            }
        }
        let pairs = self.assignment.solve(costs, rows.len(), columns.len(), IMPOSSIBLE);
        for (row, column) in pairs.into_iter().enumerate() {
            let Some(column) = column else { continue };
            let seen = &mut seen[columns[column]];
            seen.free = false;
            self.tracks[rows[row]].observe(&seen.detection, &seen.bounds, now_us, &self.field, &self.options);
        }
    }

    fn drop_expired(&mut self, now_us: u64) {
        let TrackerOptions { tentative_patience, lost_patience, .. } = self.options;
        let aspect = self.aspect;
        let field = &self.field;
        let is_missed =
            |track: &&mut Track| !track.is_matched() && field.contains(&track.bounds_in_heights());
        self.tracks.iter_mut().filter(is_missed).for_each(Track::record_miss);
        let gone = self.tracks.extract_if(.., |track| {
            let patient = track.missed_frames() <= 1 || track.unseen_seconds(now_us) <= tentative_patience;
            track.state() == TrackState::Tentative && !(patient && track.age(now_us) <= lost_patience)
        });
        self.resting.extend(gone.filter(Track::is_recoverable));
        self.departed.clear();
        self.departed.extend(self.tracks.extract_if(.., |track| {
            track.state() == TrackState::Lost && !overlaps_picture(&track.bounds_in_heights(), aspect)
        }));
    }

    /// Starts tracks on the unmatched sure detections.
    fn start_tracks(&mut self, labels: &Labels, now_us: u64) {
        let mut old = self.tracks.len();
        for at in 0..self.work.seen.len() {
            let seen = self.work.seen[at];
            let room = self.tracks.len() < self.options.most_tracks;
            if !(room && seen.free && seen.detection.score >= self.options.birth_score) {
                continue;
            }
            let explains = |track: &Track| {
                track.is_matched()
                    && track.state() == TrackState::Confirmed
                    && labels.group_id(track.class()) == seen.group
                    && self.options.is_same_object(&track.bounds_in_heights(), &seen.bounds)
            };
            if self.tracks[..old].iter().any(explains) {
                continue;
            }
            let id = TrackId(self.next_id);
            self.next_id += 1;
            let lost = self.find_lost_at(labels, &seen);
            old -= usize::from(matches!(lost, Some(Rest::Lost(_))));
            let motion = match labels.is_vehicle(seen.detection.class) {
                true => Motion::vehicle(),
                false => self.options.motion,
            };
            let track = Track::new(id, &seen.detection, &seen.bounds, now_us, motion, &self.options);
            let track = match lost.map(|rest| self.recover(rest)) {
                Some(old) => track.continue_from(&old, &seen.detection, &seen.bounds),
                None => track,
            };
            let track = track.with_cut_edges(&self.field, &seen.bounds);
            self.tracks.push(track);
        }
    }

    /// The lost track that stood in the place of `seen`.
    fn find_lost_at(&self, labels: &Labels, seen: &Observation) -> Option<Rest> {
        let lost = self.tracks.iter().enumerate().filter(|(_, t)| !t.is_matched() && t.is_recoverable());
        let lost = lost.map(|(at, track)| (Rest::Lost(at), track));
        let resting = self.resting.iter().enumerate().map(|(at, track)| (Rest::Resting(at), track));
        lost.chain(resting)
            .filter(|(_, track)| {
                let class = track.class();
                labels.group_id(class) == seen.group || labels.can_ride(class, seen.detection.class)
            })
            .filter_map(|(rest, track)| {
                let there = track.measured_in_heights();
                let overlap = there.iou(&seen.bounds);
                let is_part = are_similar_size(&there, &seen.bounds)
                    && there.intersection_area(&seen.bounds) > PART_THERE * seen.bounds.area();
                (overlap >= SAME_PLACE || is_part).then_some((rest, overlap))
            })
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .map(|(rest, _)| rest)
    }

    fn recover(&mut self, rest: Rest) -> Track {
        match rest {
            Rest::Lost(at) => self.tracks.remove(at),
            Rest::Resting(at) => self.resting.remove(at),
        }
    }
}

/// The tracks and detections that a round pairs.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pairs {
    /// Those of one group of labels.
    Alike,
    /// Riders with their vehicles.
    Riding,
}

/// List and index of a lost track that stood.
#[derive(Debug, Clone, Copy)]
enum Rest {
    Lost(usize),
    Resting(usize),
}

/// A predicted track with its uncertainty.
struct Predicted<'a> {
    kalman: &'a Kalman,
    bounds: Bounds,
    /// The visible part, if something covered a part of it.
    shown: Option<Bounds>,
    /// Uncertainty beyond the motion's: a standard deviation, in heights.
    slack: f32,
    /// Centres farther off than this, sideways and downwards, do not fit the motion.
    reach: Point,
}

impl<'a> Predicted<'a> {
    fn new(track: &'a Track, slack: f32) -> Predicted<'a> {
        let (kalman, bounds) = (track.kalman(), track.bounds_in_heights());
        let slack = slack * mean_side(&bounds);
        let reach = kalman.gate_size(FARTHEST, slack);
        Predicted { kalman, bounds, shown: track.visible_bounds(), slack, reach }
    }

    /// True if a box overlaps it or is within reach. In a crowd this saves most of the work.
    fn may_overlap(&self, seen: &Bounds) -> bool {
        let own = &self.bounds;
        let sideways = (seen.left + seen.right - own.left - own.right).abs() / 2.0;
        let downwards = (seen.top + seen.bottom - own.top - own.bottom).abs() / 2.0;
        let touches_x = sideways < (own.width() + seen.width()) / 2.0;
        let touches_y = downwards < (own.height() + seen.height()) / 2.0;
        (touches_x && touches_y) || (sideways < self.reach.x && downwards < self.reach.y)
    }
}

impl TrackerOptions {
    /// Similarity of a track and a detection, see [`Tracker`].
    fn similarity(&self, track: &Predicted<'_>, seen: &Observation) -> f32 {
        let alike = |expected: &Bounds| {
            if !are_similar_size(expected, &seen.bounds) {
                return 0.0;
            }
            let overlap = expected.iou(&seen.bounds);
            if seen.detection.score < self.sure_score && overlap < self.least_unsure_iou {
                return 0.0;
            }
            let surprise = track.kalman.mahalanobis_squared(expected, &seen.bounds, track.slack);
            (overlap + (1.0 - surprise / FARTHEST).max(0.0)) / 2.0
        };
        // A half covered object may show completely again, or show the same half.
        track.shown.iter().map(alike).fold(alike(&track.bounds), f32::max)
    }

    /// True if a box is a part of a tracked one or around it, see [`TrackerOptions::most_covered`].
    fn is_same_object(&self, tracked: &Bounds, seen: &Bounds) -> bool {
        let shared = tracked.intersection_area(seen);
        let is_part = shared > self.most_covered * seen.area() && are_similar_size(tracked, seen);
        is_part || shared > self.most_covered * tracked.area()
    }

    fn required_similarity(&self, track: &Track, now_us: u64) -> f32 {
        match track.state() {
            TrackState::Tentative => self.least_likeness,
            _ => self.least_likeness + self.likeness_rise * track.unseen_seconds(now_us),
        }
    }
}

/// True if the sizes of two boxes can be those of one object.
fn are_similar_size(one: &Bounds, other: &Bounds) -> bool {
    let alike = |ratio: f32| (1.0 / MOST_LARGER..=MOST_LARGER).contains(&ratio);
    alike(one.height() / other.height()) && alike(one.width() / other.width())
}

fn overlaps_picture(b: &Bounds, aspect: Aspect) -> bool {
    b.right > 0.0 && b.left < aspect.ratio() && b.bottom > 0.0 && b.top < 1.0
}

#[cfg(test)]
mod tests {
    use super::super::detection::Class;
    use super::*;

    const TENTH: u64 = 100_000;

    fn labels() -> Labels {
        Labels::new(["person", "car", "truck"])
    }

    fn tracker() -> Tracker {
        Tracker::new(TrackerOptions::default(), Aspect::new(4, 3))
    }

    fn person(x: f32, score: f32) -> Detection {
        Detection { class: Class(0), score, bounds: Bounds::centered_at(Point::new(x, 0.5), 0.05, 0.2) }
    }

    fn ids(tracker: &Tracker) -> Vec<u64> {
        tracker.tracks().iter().map(|track| track.id().0).collect()
    }

    /// A car approaches: its box grows by 1.3 between detections, a fifth of a second apart. With people's motion the
    /// last boxes share a fifth.
    #[test]
    fn an_approaching_car_is_tracked_at_five_detections_a_second() {
        let mut tracker = tracker();
        let mut shared = 0.0;
        for n in 0..9 {
            let size = 0.03 * 1.3_f32.powi(n);
            let car = Bounds::centered_at(Point::new(0.3 + size / 2.0, 0.2 + size), size * 0.75, size);
            let seen = Detection { class: Class(1), score: 0.9, bounds: car };
            tracker.update(&[seen], &labels(), n as u64 * 2 * TENTH);
            assert_eq!(ids(&tracker), [1], "{n}");
            shared = tracker.tracks()[0].bounds(Aspect::new(4, 3)).iou(&car);
        }
        assert!(shared > 0.6, "{shared}");
    }

    #[test]
    fn tentative_confirmed_lost_gone() {
        let mut tracker = tracker();
        let states: Vec<TrackState> =
            (0..5).map(|n| tracker.update(&[person(0.3, 0.9)], &labels(), n * TENTH)[0].state()).collect();
        assert_eq!(states[1], TrackState::Tentative);
        assert_eq!(states[4], TrackState::Confirmed);
        assert_eq!(tracker.update(&[], &labels(), 5 * TENTH)[0].state(), TrackState::Lost);
        assert_eq!(
            tracker.update(&[person(0.3, 0.9)], &labels(), 6 * TENTH)[0].state(),
            TrackState::Confirmed
        );
        assert_eq!(ids(&tracker), [1]);
        assert_eq!(tracker.update(&[], &labels(), 30 * TENTH).len(), 1);
        assert_eq!(tracker.update(&[], &labels(), 37 * TENTH).len(), 0, "unseen for more than 3 s");
    }

    #[test]
    fn a_fast_stream_takes_more_detections() {
        let mut tracker = tracker();
        for n in 0..6 {
            let state = tracker.update(&[person(0.3, 0.9)], &labels(), n * 33_000)[0].state();
            assert_eq!(state, TrackState::Tentative, "{n}");
        }
        let state = tracker.update(&[person(0.3, 0.9)], &labels(), 300_000)[0].state();
        assert_eq!(state, TrackState::Confirmed);
    }

    #[test]
    fn ids_are_never_used_twice() {
        let mut tracker = tracker();
        for n in 0..50u64 {
            // A person comes and goes, each time elsewhere.
            let x = if n % 2 == 0 { 0.1 } else { 0.9 };
            tracker.update(&[person(x, 0.9)], &labels(), 10 * n * TENTH);
            assert_eq!(ids(&tracker), [n + 1]);
            tracker.update(&[], &labels(), (10 * n + 4) * TENTH);
            tracker.update(&[], &labels(), (10 * n + 8) * TENTH);
        }
        tracker.restart(Aspect::new(16, 9));
        assert_eq!(tracker.tracks().len(), 0);
        tracker.update(&[person(0.3, 0.9)], &labels(), 600 * TENTH);
        assert_eq!(ids(&tracker), [51]);
    }

    #[test]
    fn there_are_never_too_many_tracks() {
        let options = TrackerOptions { most_tracks: 7, ..TrackerOptions::default() };
        let mut tracker = Tracker::new(options, Aspect::new(4, 3));
        let crowd: Vec<Detection> = (0..15).map(|n| person(0.05 + 0.06 * n as f32, 0.9)).collect();
        for n in 0..5 {
            assert_eq!(tracker.update(&crowd, &labels(), n * TENTH).len(), 7);
        }
    }

    #[test]
    fn time_that_goes_back_counts_as_zero() {
        let mut tracker = tracker();
        for n in 0..10 {
            tracker.update(&[person(0.3 + 0.01 * n as f32, 0.9)], &labels(), 1_000_000 + n * TENTH);
        }
        tracker.update(&[person(0.4, 0.9)], &labels(), 0);
        tracker.update(&[person(0.4, 0.9)], &labels(), 2_000_000);
        assert_eq!(ids(&tracker), [1]);
    }

    #[test]
    fn a_person_does_not_become_a_car_but_a_car_may_become_a_truck() {
        let mut tracker = tracker();
        let as_class = |class| Detection { class: Class(class), ..person(0.3, 0.9) };
        for n in 0..5 {
            tracker.update(&[as_class(1)], &labels(), n * TENTH);
        }
        tracker.update(&[as_class(2)], &labels(), 5 * TENTH);
        assert_eq!(ids(&tracker), [1]);
        assert_eq!(tracker.tracks()[0].class(), Class(1), "one detection does not change the class");
        for n in 6..40 {
            tracker.update(&[as_class(2)], &labels(), n * TENTH);
        }
        assert_eq!(tracker.tracks()[0].class(), Class(2), "many do");
        tracker.update(&[as_class(0)], &labels(), 40 * TENTH);
        assert_eq!(ids(&tracker), [1, 2]);
    }

    #[test]
    fn a_track_that_leaves_the_frame_departs_at_once() {
        let mut tracker = tracker();
        for n in 0..20 {
            tracker.update(&[person(0.68 + 0.015 * n as f32, 0.9)], &labels(), n * TENTH);
        }
        let mut gone = None;
        for n in 20..50 {
            tracker.update(&[], &labels(), n * TENTH);
            if !tracker.departed_tracks().is_empty() {
                gone = Some((n, tracker.departed_tracks()[0].id().0));
                break;
            }
        }
        assert!(gone.is_some_and(|(n, id)| n < 30 && id == 1), "{gone:?}");
        assert_eq!(tracker.tracks().len(), 0);
    }

    #[test]
    fn a_part_of_a_tracked_person_starts_no_track() {
        let chest =
            Detection { bounds: Bounds::centered_at(Point::new(0.3, 0.45), 0.04, 0.1), ..person(0.3, 0.8) };
        let mut tracker = tracker();
        for n in 0..20 {
            let seen = [person(0.3, 0.9), chest];
            tracker.update(if n < 5 { &seen[..1] } else { &seen }, &labels(), n * TENTH);
        }
        assert_eq!(ids(&tracker), [1]);
    }

    #[test]
    fn a_person_before_a_car_or_in_a_huge_false_box_starts_a_track() {
        let car = Detection { class: Class(1), bounds: Bounds::new(0.1, 0.3, 0.6, 0.7), score: 0.9 };
        let huge = Detection { class: Class(0), bounds: Bounds::new(0.0, 0.0, 0.9, 0.9), score: 0.9 };
        for cover in [car, huge] {
            let mut tracker = tracker();
            for n in 0..20 {
                let seen = [cover, person(0.3, 0.9)];
                tracker.update(if n < 5 { &seen[..1] } else { &seen }, &labels(), n * TENTH);
            }
            let confirmed = tracker.tracks().iter().filter(|t| t.state() == TrackState::Confirmed);
            assert_eq!(confirmed.count(), 2);
        }
    }

    #[test]
    fn a_box_around_several_objects_starts_no_track() {
        let around = Detection { bounds: Bounds::new(0.1, 0.2, 0.6, 0.9), ..person(0.3, 0.8) };
        let mut tracker = tracker();
        for n in 0..20 {
            let seen = [person(0.2, 0.9), person(0.5, 0.9), around];
            tracker.update(if n < 5 { &seen[..2] } else { &seen }, &labels(), n * TENTH);
        }
        assert_eq!(ids(&tracker), [1, 2]);
    }
}
