//! Tells the second box of a vehicle from a second vehicle: the cab of a lorry, the rear half of a bus.
//!
//! A part's box lies within the box of another vehicle of its group whenever both are seen, and moves with it. A
//! vehicle that overtakes moves otherwise, and one nearer to the camera stands lower. People have no parts here: a
//! child may well walk before an adult.

use super::super::geometry::Aspect;
use super::field::AT_EDGE;
use super::kalman::mean_side;
use super::track::{Track, TrackId};

/// A part reaches beyond the whole by at most this, in sizes of the part.
const BEYOND: f32 = 0.08;
/// Its area is at most this share of the whole's (0–1).
const MOST_AREA: f32 = 0.9;
/// Largest difference of their velocities, in sizes of the part a second.
const SAME_SPEED: f32 = 0.5;
/// Least number of observations as a part, and least share of them (0–1).
const LEAST: u16 = 3;
const MOSTLY: f32 = 0.8;
/// Number of observations that count; older ones fade.
const MOST: u16 = 16;
/// A vehicle that moves less than this, in sizes of the part a second, stands: whatever stands before it is no part.
const STANDS: f32 = 0.1;
/// After this many frames without the vehicle around it, a part is a vehicle of its own again.
const LOST: u16 = 20;

/// The evidence that a track is a part of another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartEvidence {
    /// The track around it, and the observations of both: within it, and not.
    around: Option<TrackId>,
    within: u16,
    apart: u16,
    /// Frames in a row that showed it without the track around it.
    alone: u16,
}

impl PartEvidence {
    /// The track that it is a part of.
    pub(super) fn of(&self) -> Option<TrackId> {
        let seen = f32::from(self.within) + f32::from(self.apart);
        let is_part = self.within >= LEAST && f32::from(self.within) >= MOSTLY * seen;
        self.around.filter(|_| is_part)
    }

    /// Takes in a frame of this aspect that shows the track as `own`. `others` are all tracks of its group in it.
    pub(super) fn observe<'a>(
        &mut self,
        own: &Track,
        others: impl Iterator<Item = &'a Track> + Clone,
        aspect: Aspect,
    ) {
        let does_hold = |track: &&Track| is_within(own, track, aspect);
        let area = |track: &Track| track.measured_in_heights().area();
        let known = self.around.map(|id| others.clone().find(|track| track.id() == id));
        let is_held = match known {
            // Only a frame that shows both tells.
            Some(None) if self.alone >= LOST => return *self = PartEvidence::default(),
            Some(None) => return self.alone += 1,
            Some(Some(around)) if stands(around, own) => return,
            Some(Some(around)) => does_hold(&around),
            None => {
                let moving = others.filter(|other| !stands(other, own)).filter(does_hold);
                let around = moving.max_by(|a, b| area(a).total_cmp(&area(b)));
                self.around = around.map(Track::id);
                around.is_some()
            }
        };
        self.alone = 0;
        if self.within + self.apart >= MOST {
            (self.within, self.apart) = (self.within / 2, self.apart / 2);
        }
        let votes = if is_held { &mut self.within } else { &mut self.apart };
        *votes += 1;
        if !is_held && self.of().is_none() {
            (self.around, self.within) = (None, 0);
        }
    }
}

fn stands(whole: &Track, part: &Track) -> bool {
    let (speed, most) = (whole.velocity(), STANDS * mean_side(&part.measured_in_heights()));
    speed.x * speed.x + speed.y * speed.y <= most * most
}

fn is_within(part: &Track, whole: &Track, aspect: Aspect) -> bool {
    let (a, b) = (part.measured_in_heights(), whole.measured_in_heights());
    let size = mean_side(&a);
    let most = BEYOND * size;
    let is_inside = a.left >= b.left - most
        && a.top >= b.top - most
        && a.right <= b.right + most
        && a.bottom <= b.bottom + most
        && a.area() <= MOST_AREA * b.area();
    let (one, other) = (part.velocity(), whole.velocity());
    let (x, y) = (one.x - other.x, one.y - other.y);
    let is_as_fast = x * x + y * y <= SAME_SPEED * SAME_SPEED * size * size;
    // At the edge of the frame a box grows, and its centre moves slower than the vehicle.
    let is_cut =
        b.left < AT_EDGE || b.top < AT_EDGE || b.right > aspect.ratio() - AT_EDGE || b.bottom > 1.0 - AT_EDGE;
    is_inside && (is_as_fast || is_cut)
}
