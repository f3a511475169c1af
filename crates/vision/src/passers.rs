//! Merges crossings of one passer: a rider and the vehicle are two tracks in one place, and count once. A vehicle and
//! its parts count once, too.

use super::crossing::Crossing;
use super::detection::Class;
use super::geometry::{Bounds, Point};
use super::labels::Labels;
use super::line::Direction;
use super::tracker::{Track, TrackId, Tracker, kalman};

/// Feet cross a line later than wheels, by at most this. Microseconds.
const APART_US: u64 = 2_000_000;
/// Least share of the smaller box within the larger one (0–1), and largest horizontal distance of their centres, in
/// widths of the larger one.
const SHARED: f32 = 0.3;
const ASIDE: f32 = 0.5;
/// Largest difference of their velocities, which are measured. Sizes a second.
const SAME_SPEED: f32 = 0.8;

/// The recent passers of one line.
#[derive(Debug, Default)]
pub(super) struct Passers(Vec<Passer>);

#[derive(Debug)]
struct Passer {
    track: TrackId,
    /// The vehicle that the track is a part of, or the track itself.
    whole: TrackId,
    class: Class,
    direction: Direction,
    time_us: u64,
    at: Place,
    /// Classes of the tracks that pass with it and are not counted.
    along: Vec<Class>,
}

/// Position and velocity of a track, in heights.
#[derive(Debug, Clone, Copy)]
struct Place {
    bounds: Bounds,
    velocity: Point,
}

impl Place {
    fn from_track(track: &Track) -> Place {
        Place { bounds: track.bounds_in_heights(), velocity: track.velocity() }
    }

    fn is_on(&self, other: &Place) -> bool {
        let (a, b) = (&self.bounds, &other.bounds);
        let least = a.area().min(b.area());
        let aside = (a.center().x - b.center().x).abs();
        let off = Point::new(self.velocity.x - other.velocity.x, self.velocity.y - other.velocity.y);
        let most = SAME_SPEED * kalman::mean_side(a).max(kalman::mean_side(b));
        a.intersection_area(b) >= SHARED * least
            && aside <= ASIDE * a.width().max(b.width())
            && off.x * off.x + off.y * off.y <= most * most
    }
}

impl Passers {
    /// Merges the crossings in `out` from index `from` on: one remains for each passer.
    pub(super) fn update(
        &mut self,
        labels: &Labels,
        tracker: &Tracker,
        from: usize,
        out: &mut Vec<Crossing>,
    ) {
        let whole = |track: &Track| track.part_of().unwrap_or(track.id());
        for passer in &mut self.0 {
            if let Some(now) = tracker.track(passer.track) {
                (passer.at, passer.whole) = (Place::from_track(now), whole(now));
            }
        }
        let counted: Vec<Crossing> = out.drain(from..).collect();
        for crossing in counted {
            // A box that cannot be compared with others counts by itself.
            let Some(own) = tracker.track(crossing.track) else {
                out.push(crossing);
                continue;
            };
            let at = Place::from_track(own);
            let is_recent = |passer: &Passer| passer.time_us.abs_diff(crossing.time_us) <= APART_US;
            // A long lorry takes its time.
            let is_there = |passer: &Passer| tracker.tracks().iter().any(|t| whole(t) == passer.whole);
            self.0.retain(|passer| is_recent(passer) || is_there(passer));
            let with = self.0.iter_mut().find(|passer| {
                let is_other = |class: &Class| labels.can_ride(*class, crossing.class);
                let is_rider = || {
                    is_recent(passer)
                        && is_other(&passer.class)
                        && passer.along.iter().all(is_other)
                        && passer.at.is_on(&at)
                };
                let is_part = passer.track != crossing.track && passer.whole == whole(own);
                passer.direction == crossing.direction && (is_part || is_rider())
            });
            if let Some(passer) = with {
                passer.along.push(crossing.class);
                continue;
            }
            self.0.push(Passer {
                track: crossing.track,
                whole: whole(own),
                class: crossing.class,
                direction: crossing.direction,
                time_us: crossing.time_us,
                at,
                along: Vec::new(),
            });
            out.push(crossing);
        }
    }
}
