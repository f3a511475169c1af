//! One tracked object: its filter, its state and its class.

use super::super::detection::{Class, Detection};
use super::super::geometry::{Aspect, Bounds, Point};
use super::TrackerOptions;
use super::field::{CutEdges, DetectionField};
use super::kalman::{Kalman, Motion};
use super::part::PartEvidence;
use super::whole::{STANDS, Whole};

/// The object ID; never used twice in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// Confidence in a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackState {
    /// Seen too few times to be confirmed.
    Tentative,
    /// Confirmed and seen in the newest frame.
    Confirmed,
    /// Confirmed but not seen in the newest frame.
    Lost,
}

/// Maximum number of remembered classes of a track: detectors waver between two or three.
const MOST_VOTES: usize = 4;
/// Share of the heaviest vote from which another class is no mistake.
const GOOD_PART: f32 = 0.25;
/// Factor on a vote at each observation. After 13 observations it has halved.
const VOTE_KEEPS: f32 = 0.95;

/// A tracked object.
#[derive(Debug, Clone)]
pub struct Track {
    id: TrackId,
    state: TrackState,
    /// Motion parameters of its class.
    motion: Motion,
    kalman: Kalman,
    whole: Whole,
    /// The last measured box, completed to the whole object, in heights.
    measured: Bounds,
    /// The edges at which the newest detection's region cut the box off.
    cut: CutEdges,
    pub(super) part: PartEvidence,
    /// Classes with their summed scores, the heaviest first.
    votes: Vec<(Class, f32)>,
    score: f32,
    hits: u32,
    misses: u32,
    matched: bool,
    born_us: u64,
    seen_us: u64,
    heir_of: Option<TrackId>,
}

impl Track {
    pub(super) fn new(
        id: TrackId,
        detection: &Detection,
        bounds: &Bounds,
        now_us: u64,
        motion: Motion,
        options: &TrackerOptions,
    ) -> Track {
        let at_once = options.confirm_after <= 1 && options.confirm_age <= 0.0;
        let state = if at_once { TrackState::Confirmed } else { TrackState::Tentative };
        Track {
            id,
            state,
            motion,
            kalman: Kalman::new(bounds, &motion),
            whole: Whole::new(bounds),
            measured: *bounds,
            cut: CutEdges::default(),
            part: PartEvidence::default(),
            votes: vec![(detection.class, detection.score)],
            score: detection.score,
            hits: 1,
            misses: 0,
            matched: true,
            born_us: now_us,
            seen_us: now_us,
            heir_of: None,
        }
    }

    /// Makes this track the successor of `old`, found again where that was last seen.
    pub(super) fn continue_from(mut self, old: &Track, seen: &Detection, bounds: &Bounds) -> Track {
        self.whole = old.whole;
        // As if no time had passed, because it stood.
        let nowhere = Bounds::new(0.0, 0.0, f32::INFINITY, 1.0);
        self.measured = self.whole.complete(bounds, &old.measured, 0.0, 0.0, &nowhere);
        self.kalman = Kalman::new(&self.measured, &self.motion);
        self.heir_of = Some(old.id);
        self.votes.clone_from(&old.votes);
        self.vote_class(seen.class, seen.score);
        self
    }

    /// Sets the edges that `field` cut off the seen `bounds`.
    pub(super) fn with_cut_edges(mut self, field: &DetectionField, bounds: &Bounds) -> Track {
        self.cut = field.cut_edges(bounds);
        self
    }

    /// The edges of its box at which the detection's region ended.
    pub(crate) fn cut_edges(&self) -> CutEdges {
        self.cut
    }

    /// The object ID.
    pub fn id(&self) -> TrackId {
        self.id
    }

    /// Tentative, confirmed or lost.
    pub fn state(&self) -> TrackState {
        self.state
    }

    /// The track that it continues, if it was found again where that was lost. The old track has ended.
    pub(crate) fn continues(&self) -> Option<TrackId> {
        self.heir_of
    }

    /// The track of the vehicle that it is a part of, as a cab is of its lorry.
    pub(crate) fn part_of(&self) -> Option<TrackId> {
        self.part.of()
    }

    /// Other classes with a good share of the recent observations.
    pub(crate) fn other_likely_classes(&self) -> impl Iterator<Item = Class> + '_ {
        let least = self.votes[0].1 * GOOD_PART;
        self.votes[1..].iter().filter(move |vote| vote.1 >= least).map(|vote| vote.0)
    }

    /// The most frequent class, weighted towards recent observations.
    pub fn class(&self) -> Class {
        self.votes[0].0
    }

    /// Score (0–1) of the last detection.
    pub fn score(&self) -> f32 {
        self.score
    }

    /// Time of the first detection, in microseconds of the frames' clock.
    pub(crate) fn born_us(&self) -> u64 {
        self.born_us
    }

    /// Estimated bounds (predicted for a lost track), in fractions of a frame of this aspect.
    pub fn bounds(&self, aspect: Aspect) -> Bounds {
        aspect.box_in_fractions(&self.kalman.bounds())
    }

    /// Estimated bounds, in heights.
    pub(crate) fn bounds_in_heights(&self) -> Bounds {
        self.kalman.bounds()
    }

    /// The last measured box in heights, completed if something covered a part of it. It trembles, but it is not
    /// beyond the point where the object stopped.
    pub(crate) fn measured_in_heights(&self) -> Bounds {
        self.measured
    }

    /// Velocity of its centre, in heights a second.
    pub fn velocity(&self) -> Point {
        self.kalman.velocity()
    }

    /// True if it was seen in the newest frame.
    pub fn is_matched(&self) -> bool {
        self.matched
    }

    pub(super) fn kalman(&self) -> &Kalman {
        &self.kalman
    }

    /// The predicted visible part in heights, if as much is covered as in the last observation; `None` if nothing
    /// was.
    pub(super) fn visible_bounds(&self) -> Option<Bounds> {
        self.whole.is_part().then(|| self.whole.visible_part(&self.kalman.bounds()))
    }

    /// In sizes a second.
    pub(super) fn speed(&self) -> f32 {
        self.kalman.speed()
    }

    /// True if it stood when it was last seen, and was confirmed or continues a confirmed track.
    pub(super) fn is_recoverable(&self) -> bool {
        let is_known = self.state != TrackState::Tentative || self.heir_of.is_some();
        is_known && self.speed() <= STANDS
    }

    pub(super) fn missed_frames(&self) -> u32 {
        self.misses
    }

    /// Seconds since it was last seen.
    pub(super) fn unseen_seconds(&self, now_us: u64) -> f32 {
        now_us.saturating_sub(self.seen_us) as f32 / 1e6
    }

    /// Seconds since it was first seen.
    pub(super) fn age(&self, now_us: u64) -> f32 {
        now_us.saturating_sub(self.born_us) as f32 / 1e6
    }

    /// Moves on to a new frame, in which it is not seen yet.
    pub(super) fn predict(&mut self, seconds: f32) {
        self.kalman.predict(seconds, self.state != TrackState::Lost, &self.motion);
        self.matched = false;
    }

    /// It was seen in the newest frame.
    pub(super) fn observe(
        &mut self,
        detection: &Detection,
        bounds: &Bounds,
        now_us: u64,
        field: &DetectionField,
        options: &TrackerOptions,
    ) {
        let seconds = self.unseen_seconds(now_us);
        let speed = self.speed();
        let whole = self.whole.complete(bounds, &self.kalman.bounds(), seconds, speed, &field.bounds);
        let doubt = if detection.score >= options.sure_score { 1.0 } else { 2.0 };
        self.kalman.correct(&whole, seconds, doubt, &self.motion);
        self.measured = whole;
        self.cut = field.cut_edges(bounds);
        self.vote_class(detection.class, detection.score);
        self.score = detection.score;
        self.hits = self.hits.saturating_add(u32::from(detection.score >= options.sure_score));
        self.misses = 0;
        self.matched = true;
        self.seen_us = now_us;
        let proved = self.hits >= options.confirm_after && self.age(now_us) >= options.confirm_age;
        if self.state == TrackState::Lost || proved {
            self.state = TrackState::Confirmed;
        }
    }

    /// It was not seen in the newest frame.
    pub(super) fn record_miss(&mut self) {
        self.misses = self.misses.saturating_add(1);
        if self.state == TrackState::Confirmed {
            self.state = TrackState::Lost;
        }
    }

    fn vote_class(&mut self, class: Class, score: f32) {
        for vote in &mut self.votes {
            vote.1 *= VOTE_KEEPS;
        }
        match self.votes.iter_mut().find(|vote| vote.0 == class) {
            Some(vote) => vote.1 += score,
            None => {
                self.votes.truncate(MOST_VOTES - 1);
                self.votes.push((class, score));
            }
        }
        self.votes.sort_by(|a, b| b.1.total_cmp(&a.1));
    }
}
