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
/// A vehicle slower than this, in sizes of the part a second, waits: a box that lies within its box may be a part, or
/// a car before it. A car in a jam creeps faster.
const WAITS: f32 = 0.1;
/// After this time without the vehicle around it, a part is a vehicle of its own again. The tracker's patience with a
/// lost track is as long. Seconds.
const LOST_S: f32 = 3.0;

/// The evidence that a track is a part of another.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PartEvidence {
    /// The track around it, and the observations of both: within it, and not.
    around: Option<TrackId>,
    within: u16,
    apart: u16,
    /// Time of the first of the newest frames that show it without the track around it, in microseconds.
    alone_since_us: Option<u64>,
}

impl PartEvidence {
    /// The track that it is a part of.
    pub(super) fn of(&self) -> Option<TrackId> {
        let seen = f32::from(self.within) + f32::from(self.apart);
        let is_part = self.within >= LEAST && f32::from(self.within) >= MOSTLY * seen;
        self.around.filter(|_| is_part)
    }

    /// Takes in a frame of this aspect and time that shows the track as `own`. `others` are all tracks of its group
    /// in it.
    pub(super) fn observe<'a>(
        &mut self,
        own: &Track,
        others: impl Iterator<Item = &'a Track> + Clone,
        aspect: Aspect,
        now_us: u64,
    ) {
        let does_hold = |track: &&Track| is_within(own, track, aspect);
        let area = |track: &Track| track.measured_in_heights().area();
        let known = self.around.map(|id| others.clone().find(|track| track.id() == id));
        if let Some(None) = known {
            // Only a frame that shows both tells.
            let since_us = *self.alone_since_us.get_or_insert(now_us);
            if now_us.saturating_sub(since_us) as f32 / 1e6 >= LOST_S {
                *self = PartEvidence::default();
            }
            return;
        }
        self.alone_since_us = None;
        let is_held = match known.flatten() {
            Some(around) => match does_hold(&around) {
                true if waits(around, own) => return,
                holds => holds,
            },
            None => {
                let moving = others.filter(|other| !waits(other, own)).filter(does_hold);
                let around = moving.max_by(|a, b| area(a).total_cmp(&area(b)));
                self.around = around.map(Track::id);
                around.is_some()
            }
        };
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

fn waits(whole: &Track, part: &Track) -> bool {
    let (speed, most) = (whole.velocity(), WAITS * mean_side(&part.measured_in_heights()));
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

#[cfg(test)]
mod tests {
    use super::super::super::detection::{Class, Detection};
    use super::super::super::geometry::Bounds;
    use super::super::super::labels::Labels;
    use super::super::{Tracker, TrackerOptions};

    /// The track that the car is a part of after each of `frames` detections, five a second. `places` tells the left
    /// edges of the bus (hidden if `None`) and of the car.
    fn parts(frames: u64, places: impl Fn(f32) -> (Option<f32>, f32)) -> Vec<Option<u64>> {
        let labels = Labels::new(["bus", "car"]);
        let mut tracker = Tracker::new(TrackerOptions::default(), super::Aspect::new(4, 3));
        let frame = |frame: u64| {
            let (bus, car) = places(frame as f32);
            let seen = |class, left, top, width, height| Detection {
                class: Class(class),
                score: 0.9,
                bounds: Bounds::new(left, top, left + width, top + height),
            };
            let bus = bus.map(|left| seen(0, left, 0.3, 0.4, 0.4));
            let boxes: Vec<Detection> = bus.into_iter().chain([seen(1, car, 0.45, 0.15, 0.2)]).collect();
            tracker.update(&boxes, &labels, frame * 200_000);
            let car = tracker.tracks().iter().find(|track| track.class() == Class(1))?;
            car.part_of().map(|whole| whole.0)
        };
        (0..frames).map(frame).collect()
    }

    #[test]
    fn a_car_that_drives_on_from_a_waiting_bus_is_no_part_of_it() {
        // Both drive, both wait, and the car drives on within the bus's box and out of it.
        let told = parts(40, |n| {
            let bus = 0.2 + 0.02 * n.min(8.0);
            (Some(bus), bus + 0.02 + 0.025 * (n - 20.0).clamp(0.0, 15.0))
        });
        assert!(told[8].is_some(), "while it moves with the bus: {told:?}");
        assert!(told[8..=20].iter().all(|part| *part == told[8]), "while both wait: {told:?}");
        assert!(told[30..].iter().all(Option::is_none), "from then on: {told:?}");
    }

    #[test]
    fn a_part_without_its_bus_is_a_vehicle_after_3_s() {
        // The bus is seen for six frames and then every tenth; later not at all.
        let told = parts(60, |n| {
            let bus = 0.2 + 0.008 * n;
            ((n < 6.0 || n < 40.0 && (n as u64).is_multiple_of(10)).then_some(bus), bus + 0.02)
        });
        assert!(told[8..=44].iter().all(Option::is_some), "{told:?}");
        assert!(told[47..].iter().all(Option::is_none), "{told:?}");
    }

    #[test]
    fn a_car_beside_a_waiting_bus_is_no_part_of_it() {
        // It waits there, too; it drives past.
        for speed in [0.0, 0.01] {
            let told = parts(30, |n| (Some(0.3), 0.32 + speed * n));
            assert!(told.iter().all(Option::is_none), "{speed}: {told:?}");
        }
    }
}
