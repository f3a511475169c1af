//! One thing that is followed: its filter, its state, and what it is taken for.

use super::super::detection::{Class, Detection};
use super::super::geometry::{Aspect, Bounds, Point};
use super::TrackerOptions;
use super::field::{CutEdges, DetectionField};
use super::kalman::{Kalman, Motion};
use super::whole::{STANDS, Whole};

/// The number of a track; never used twice in one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrackId(pub u64);

/// How sure it is that a track is something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackState {
    /// Seen too few times to be believed.
    Tentative,
    /// Believed, and seen in the newest frame.
    Confirmed,
    /// Believed, but not seen in the newest frame.
    Lost,
}

/// How many classes are remembered of one track: detectors waver between two or three.
const MOST_VOTES: usize = 4;
/// From this share of the heaviest vote on another class is no mistake.
const GOOD_PART: f32 = 0.25;
/// What a vote still weighs at the next sight. After 13 sights it has lost half.
const VOTE_KEEPS: f32 = 0.95;

/// A thing that is followed.
#[derive(Debug, Clone)]
pub struct Track {
    id: TrackId,
    state: TrackState,
    /// How such things move.
    motion: Motion,
    kalman: Kalman,
    whole: Whole,
    /// Its box as it was last seen, completed to all of it, in heights.
    measured: Bounds,
    /// Which edges of the newest detection's region cut it off.
    cut: CutEdges,
    /// The classes it was seen as, and their summed scores; the heaviest first.
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

    /// This track as the heir of `old`, found again where that was last seen.
    pub(super) fn continue_from(mut self, old: &Track, seen: &Detection, bounds: &Bounds) -> Track {
        self.whole = old.whole;
        // As if no time had passed: it stood.
        let nowhere = Bounds::new(0.0, 0.0, f32::INFINITY, 1.0);
        self.measured = self.whole.complete(bounds, &old.measured, 0.0, 0.0, &nowhere);
        self.kalman = Kalman::new(&self.measured, &self.motion);
        self.heir_of = Some(old.id);
        self.votes.clone_from(&old.votes);
        self.vote_class(seen.class, seen.score);
        self
    }

    /// The same, seen as `bounds` in a detection on `field`.
    pub(super) fn with_cut_edges(mut self, field: &DetectionField, bounds: &Bounds) -> Track {
        self.cut = field.cut_edges(bounds);
        self
    }

    /// Which edges of its box are not its own: the region of the detection ended there.
    pub fn cut_edges(&self) -> CutEdges {
        self.cut
    }

    /// Its number.
    pub fn id(&self) -> TrackId {
        self.id
    }

    /// Tentative, confirmed or lost.
    pub fn state(&self) -> TrackState {
        self.state
    }

    /// The track that it goes on from, if it was found again where that was lost. That one is no more.
    pub fn continues(&self) -> Option<TrackId> {
        self.heir_of
    }

    /// What it was seen as lately beside its class, where that is a good part of the sights.
    pub fn other_likely_classes(&self) -> impl Iterator<Item = Class> + '_ {
        let least = self.votes[0].1 * GOOD_PART;
        self.votes[1..].iter().filter(move |vote| vote.1 >= least).map(|vote| vote.0)
    }

    /// What it has been seen as most, the newest sights weighing most.
    pub fn class(&self) -> Class {
        self.votes[0].0
    }

    /// The score (0–1) of the detection it was last seen as.
    pub fn score(&self) -> f32 {
        self.score
    }

    /// When it was first seen, in microseconds of the frames' clock.
    pub fn born_us(&self) -> u64 {
        self.born_us
    }

    /// Where it is (a lost one: where it should be), in fractions of a picture of this aspect.
    pub fn bounds(&self, aspect: Aspect) -> Bounds {
        aspect.box_in_fractions(&self.kalman.bounds())
    }

    /// Where it is, in heights.
    pub fn bounds_in_heights(&self) -> Bounds {
        self.kalman.bounds()
    }

    /// Where it was last seen, as its box was measured (and completed, where something covered a part of it), in
    /// heights: it trembles, but nobody who stops is beyond it.
    pub fn measured_in_heights(&self) -> Bounds {
        self.measured
    }

    /// Velocity of its centre, in heights a second.
    pub fn velocity(&self) -> Point {
        self.kalman.velocity()
    }

    /// Whether it was seen in the newest frame.
    pub fn is_matched(&self) -> bool {
        self.matched
    }

    pub(super) fn kalman(&self) -> &Kalman {
        &self.kalman
    }

    /// What shows of it if as much is covered as when it was last seen, in heights; `None` if nothing was.
    pub(super) fn visible_bounds(&self) -> Option<Bounds> {
        self.whole.is_part().then(|| self.whole.visible_part(&self.kalman.bounds()))
    }

    /// In sizes a second.
    pub(super) fn speed(&self) -> f32 {
        self.kalman.speed()
    }

    /// Whether it stood when it was seen last, and was believed then or goes on from what was.
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

    /// It is seen in the newest frame.
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

    /// It is not seen in the newest frame.
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
