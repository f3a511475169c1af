//! Moving objects: regions of this detection assigned to those of earlier ones.
//!
//! A region belongs to the mover at its position, so that an object in pieces stays one. A region in which several
//! movers should be for the greater part belongs to all of them: within it they are carried on at their velocity
//! until they part. A region without a mover starts a new one.

use super::regions::{Glare, Region};
use crate::geometry::{Bounds, Point};

/// Smaller regions are specks: shares of the frame's area and height.
const LEAST_AREA: f32 = 0.0008;
const LEAST_HEIGHT: f32 = 0.05;
/// A region closer to a mover than this share of the frame's width may be a part of it.
const REACH: f32 = 0.012;
/// A mover that is unseen for longer is gone. Seconds.
const PATIENCE_S: f32 = 1.0;
/// A mover that was seen alone for this long, clear of the frame's edges, is no piece of another. Seconds.
const PROVED_S: f32 = 0.5;
/// A mover lower than this share of its region is a piece of another mover there.
const LEAST_SHARE: f32 = 0.25;
/// In the dark, what shines joins what moves within this gap (a share of the frame's width): the lit road before a car
/// is that far from its lamps, and both have that share of the lower one's height in common.
const COMPANION_GAP: f32 = 0.06;
const COMMON_HEIGHT: f32 = 0.3;
/// Movers that differ by less than this share of the faster velocity, for this time, move as one. The edges of a dark
/// car are uncertain, those of a lamp are not. Seconds.
const SAME_PACE: f32 = 0.6;
const TOGETHER_S: f32 = 0.2;
const LAMPS_ALIKE: f32 = 0.3;
const LAMPS_TOGETHER_S: f32 = 0.5;
/// Slower ones say nothing: a box trembles by half a pixel. Shares of the frame's width a second.
const LEAST_PACE: f32 = 0.05;
const LAMPS_LEAST_PACE: f32 = 0.02;
/// Two lamps are level within this share of the lower one's height, and as large within this factor.
const LEVEL: f32 = 0.2;
const AS_LARGE: f32 = 0.6;
/// Largest side of a spot, as a share of the frame's height: an insect close to the lamp has a tenth or more. Several
/// that meet are larger, and twice as wide as high or the reverse.
const SPOT: f32 = 0.2;
const SWARM: f32 = 0.3;
const SPOT_SHAPE: std::ops::Range<f32> = 0.4..2.5;
/// Least share of its area that glares: of an insect's it is an eighth, of a car's with its beam a fortieth.
const GLARES: f32 = 0.1;
/// Least share of the glare's bounds that glares in one spot: round ones have 0.78.
const ONE_GLARE: f32 = 0.45;
/// Least width by height of the bounds of two lamps.
const TWO_LAMPS: f32 = 2.5;
/// Time constant of the velocity: it follows the observations by 63 % in this time. Seconds.
const FOLLOW_S: f32 = 0.25;

/// All moving objects.
#[derive(Debug, Default)]
pub(crate) struct MotionTracks {
    movers: Vec<MotionTrack>,
    /// The mover that each region belongs to.
    owners: Vec<Option<usize>>,
}

#[derive(Debug, Clone, Copy)]
struct MotionTrack {
    /// The last seen or the predicted bounds, in pixels.
    bounds: Bounds,
    /// Pixels a second.
    velocity: Point,
    age: f32,
    /// Seconds in which it was seen alone, clear of the frame's edges.
    alone: f32,
    unseen: f32,
    /// Seconds in which it was a small bright spot in the dark, and in which it was more.
    spot: f32,
    more: f32,
    /// It is two lamps or more.
    has_lamps: bool,
    /// Seconds for which it still counts as shining.
    shines: f32,
    /// Seconds in which it moved like a neighbour, and one of the two shone.
    together: f32,
    /// The region that should contain most of it.
    main: Option<usize>,
    /// The seen part of it in this detection.
    seen: Option<Region>,
}

impl MotionTracks {
    pub(crate) fn clear(&mut self) {
        self.movers.clear();
    }

    /// Boxes, in pixels, of the movers seen in the last detection.
    pub(crate) fn visible_boxes(&self) -> impl Iterator<Item = Bounds> {
        self.movers.iter().filter(|mover| mover.unseen == 0.0 && !mover.is_insect()).map(|mover| mover.bounds)
    }

    /// True if a mover is seen that is left out.
    pub(crate) fn has_insects(&self) -> bool {
        self.movers.iter().any(MotionTrack::is_insect)
    }

    /// Takes in the regions of a frame of `size`, `seconds` after the one before. In a dark frame what moves together
    /// with a lamp is one with it: other lamps, their beam, and what they light of the vehicle.
    pub(crate) fn update(&mut self, regions: &[Region], size: (f32, f32), seconds: f32, is_dark: bool) {
        let reach = REACH * size.0;
        for mover in &mut self.movers {
            mover.predict(regions, reach, seconds);
        }
        self.merge_regions(regions);
        self.assign_regions(regions, size, reach);
        for number in 0..self.movers.len() {
            let mut mover = self.movers[number];
            let shared = mover.main.filter(|&main| self.owners[main] != Some(number));
            match (mover.seen, shared) {
                (Some(seen), _) => {
                    mover.observe(&seen.bounds, size, seconds, is_dark);
                    mover.judge(&seen, size, seconds);
                }
                (None, Some(region)) if mover.is_still_in(&regions[region].bounds, reach) => {
                    mover.unseen = 0.0
                }
                (None, _) => mover.unseen += seconds,
            }
            mover.age += seconds;
            self.movers[number] = mover;
        }
        self.merge_movers(reach);
        if is_dark {
            self.merge_companions(size.0, seconds);
        }
        self.add_new(regions, size, reach, seconds);
        self.movers.retain(|mover| {
            let b = &mover.bounds;
            let inside = b.right > 0.0 && b.left < size.0 && b.bottom > 0.0 && b.top < size.1;
            inside && mover.unseen <= PATIENCE_S.min(mover.age)
        });
    }

    /// Decides which of several movers in one region remain: those that are proved and are more than a foot or hat of
    /// the region. If there is none, the largest remains.
    fn merge_regions(&mut self, regions: &[Region]) {
        for (region, Region { bounds, .. }) in regions.iter().enumerate() {
            let is_somebody =
                |m: &MotionTrack| m.alone >= PROVED_S && m.bounds.height() >= LEAST_SHARE * bounds.height();
            let mut claims = self.movers.iter().enumerate().filter(|(_, m)| m.main == Some(region));
            let rank = |m: &MotionTrack| (m.alone.min(PROVED_S), m.bounds.area());
            let first = claims.next().map(|first| {
                claims.fold(first, |best, other| if rank(other.1) > rank(best.1) { other } else { best }).0
            });
            let mut at = 0;
            self.movers.retain(|mover| {
                at += 1;
                mover.main != Some(region) || first == Some(at - 1) || is_somebody(mover)
            });
        }
    }

    /// Assigns regions to movers. A mover gets the region that should contain most of it, if no other mover claims
    /// that. It also gets the pieces at its predicted position that are near to its seen part: within `reach`, or
    /// farther where one of both shines, because a car by night shows now these pieces and now those. Insects that meet
    /// are no pieces of each other.
    fn assign_regions(&mut self, regions: &[Region], size: (f32, f32), reach: f32) {
        let gap = COMPANION_GAP * size.0;
        self.owners.clear();
        for number in 0..regions.len() {
            let mut claims = self.movers.iter().enumerate().filter(|(_, m)| m.main == Some(number));
            self.owners.push(match (claims.next(), claims.next()) {
                (Some((only, _)), None) => Some(only),
                _ => None,
            });
        }
        for (number, mover) in self.movers.iter_mut().enumerate() {
            let main = mover.main.filter(|&main| self.owners[main] == Some(number));
            mover.seen = main.map(|main| regions[main]);
        }
        for (number, region) in regions.iter().enumerate() {
            if self.movers.iter().any(|mover| mover.main == Some(number)) {
                continue;
            }
            let reach = |mover: &MotionTrack| if mover.may_join(region) { gap } else { reach };
            let inside =
                |mover: &MotionTrack| expanded(&mover.bounds, reach(mover)).intersection_area(&region.bounds);
            let best = self.movers.iter().enumerate().max_by(|a, b| inside(a.1).total_cmp(&inside(b.1)));
            let Some(owner) = best.map(|(owner, _)| owner) else { continue };
            let mover = &mut self.movers[owner];
            let are_insects = mover.is_insect() && is_spot(region, size.1);
            if are_insects || inside(mover) <= 0.5 * region.bounds.area() {
                continue;
            }
            match mover.seen {
                // The mover shares a region with others; so may this piece.
                None => self.owners[number] = Some(owner),
                Some(seen) if is_piece_near(&seen.bounds, &region.bounds, reach(mover)) => {
                    mover.seen = Some(seen.union(region));
                    self.owners[number] = Some(owner);
                }
                Some(_) => {}
            }
        }
    }

    /// Merges a mover that lies in another and moves with it.
    fn merge_movers(&mut self, reach: f32) {
        let mut at = 0;
        while at < self.movers.len() {
            let piece = self.movers[at];
            let whole = self.movers.iter().enumerate().position(|(number, whole)| {
                let inside =
                    expanded(&whole.bounds, reach).intersection_area(&piece.bounds) / piece.bounds.area();
                let apart = (whole.velocity.x - piece.velocity.x).abs();
                let pace = whole.velocity.x.abs().max(piece.velocity.x.abs());
                number != at
                    && whole.bounds.area() > piece.bounds.area()
                    && inside > 0.7
                    && (piece.unseen > 0.0 || apart < 0.4 * pace)
            });
            if let Some(whole) = whole {
                self.movers[whole].bounds = self.movers[whole].bounds.union(&piece.bounds);
                self.movers.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// Merges neighbours that have moved alike for a while, if one of them shines.
    fn merge_companions(&mut self, width: f32, seconds: f32) {
        for at in 0..self.movers.len() {
            let own = &self.movers[at];
            let is_beside =
                |(other, mover): (usize, &MotionTrack)| other != at && own.is_companion(mover, width);
            let has_companion = self.movers.iter().enumerate().any(is_beside);
            self.movers[at].together = if has_companion { own.together + seconds } else { 0.0 };
        }
        let mut at = 0;
        while at < self.movers.len() {
            let other = self.movers[at];
            let is_one = |one: &MotionTrack| {
                let are_lamps = one.is_insect() && other.is_insect();
                let least = if are_lamps { LAMPS_TOGETHER_S } else { TOGETHER_S };
                one.together.min(other.together) >= least && one.is_companion(&other, width)
            };
            if let Some(whole) = self.movers[..at].iter().position(is_one) {
                let one = &mut self.movers[whole];
                one.bounds = one.bounds.union(&other.bounds);
                one.has_lamps |= other.has_lamps || one.is_insect() && other.is_insect();
                one.shines = one.shines.max(other.shines);
                one.spot = 0.0;
                self.movers.remove(at);
            } else {
                at += 1;
            }
        }
    }

    fn add_new(&mut self, regions: &[Region], size: (f32, f32), reach: f32, seconds: f32) {
        let known = self.movers.len();
        for (number, region) in regions.iter().enumerate() {
            let is_taken = self.owners[number].is_some()
                || self.movers[..known].iter().any(|mover| mover.main == Some(number));
            if is_taken || region.area < LEAST_AREA * size.0 * size.1 {
                continue;
            }
            // A piece of a car by night.
            let beside = |mover: &&mut MotionTrack| {
                mover.may_join(region)
                    && gap(&mover.bounds, &region.bounds) <= COMPANION_GAP * size.0
                    && have_common_height(&mover.bounds, &region.bounds)
            };
            if let Some(mover) = self.movers[..known].iter_mut().find(beside) {
                mover.bounds = mover.bounds.union(&region.bounds);
                continue;
            }
            // A region above or below another new one is a part of that.
            let near = self.movers[known..].iter_mut().find(|mover| {
                let (a, b) = (&mover.bounds, &region.bounds);
                let common = a.right.min(b.right) - a.left.max(b.left);
                common > 0.5 * a.width().min(b.width()) && expanded(a, 2.0 * reach).intersection_area(b) > 0.0
            });
            match near {
                Some(mover) => mover.bounds = mover.bounds.union(&region.bounds),
                None => {
                    let mut mover = MotionTrack::new(region.bounds);
                    mover.judge(region, size, seconds);
                    self.movers.push(mover);
                }
            }
        }
        let mut at = 0;
        self.movers.retain(|mover| {
            at += 1;
            at <= known || mover.bounds.height() >= LEAST_HEIGHT * size.1
        });
    }
}

impl MotionTrack {
    /// True for a spot that looks like an insect before an infrared lamp, even where another covers it for a while.
    fn is_insect(&self) -> bool {
        self.spot > self.more && !self.has_lamps
    }

    /// True if the region may be a further piece of it by night. An insect lights nothing beside it.
    fn may_join(&self, region: &Region) -> bool {
        (self.shines > 0.0 || region.glare.is_some()) && !self.is_insect()
    }

    /// True if one of them shines, and both move at one velocity, close to each other and at one height.
    fn is_companion(&self, other: &MotionTrack, width: f32) -> bool {
        let (a, b) = (&self.bounds, &other.bounds);
        let apart = square(self.velocity.x - other.velocity.x) + square(self.velocity.y - other.velocity.y);
        let pace = |mover: &MotionTrack| square(mover.velocity.x) + square(mover.velocity.y);
        let faster = pace(self).max(pace(other));
        let are_pair = || {
            let (low, high) = (a.height().min(b.height()), a.height().max(b.height()));
            (a.center().y - b.center().y).abs() <= LEVEL * low && low >= AS_LARGE * high
        };
        let (alike, least) = match self.is_insect() && other.is_insect() {
            // Two lamps keep their distance; insects are seldom so.
            true if are_pair() => (LAMPS_ALIKE, LAMPS_LEAST_PACE),
            true => return false,
            false => (SAME_PACE, LEAST_PACE),
        };
        self.shines.max(other.shines) > 0.0
            && have_common_height(a, b)
            && gap(a, b) <= COMPANION_GAP * width
            && faster >= square(least * width)
            && apart <= square(alike) * faster
    }

    fn new(bounds: Bounds) -> MotionTrack {
        MotionTrack {
            bounds,
            velocity: Point::new(0.0, 0.0),
            age: 0.0,
            alone: 0.0,
            unseen: 0.0,
            spot: 0.0,
            more: 0.0,
            has_lamps: false,
            shines: 0.0,
            together: 0.0,
            main: None,
            seen: None,
        }
    }

    /// Notes whether it shines and is a spot. At the edge of a frame of this size even a spot is not round.
    fn judge(&mut self, seen: &Region, size: (f32, f32), seconds: f32) {
        self.shines = if seen.glare.is_some() { PATIENCE_S } else { self.shines - seconds };
        let b = &seen.bounds;
        let is_clear = b.left > 1.0 && b.top > 1.0 && b.right < size.0 - 1.0 && b.bottom < size.1 - 1.0;
        let is_large = b.height().max(b.width()) >= SPOT * size.1;
        if is_spot(seen, size.1) {
            self.spot += seconds;
        } else if is_large || is_clear && seen.area >= LEAST_AREA * size.0 * size.1 {
            self.more += seconds;
        }
    }

    /// Moves on at its velocity and finds the region that should contain most of it.
    fn predict(&mut self, regions: &[Region], reach: f32, seconds: f32) {
        self.bounds = translated(&self.bounds, self.velocity.x * seconds, self.velocity.y * seconds);
        self.seen = None;
        let place = expanded(&self.bounds, reach);
        let inside = |region: &Region| {
            // Regions seldom fill their boxes.
            place.intersection_area(&region.bounds) * region.area / region.bounds.area()
        };
        self.main = (0..regions.len())
            .max_by(|&a, &b| inside(&regions[a]).total_cmp(&inside(&regions[b])))
            .filter(|&best| inside(&regions[best]) > 0.0);
    }

    /// Takes in its seen bounds. An edge at the edge of the frame says nothing about its motion.
    /// In the dark pieces come and go, and the edge that is where it should be tells most.
    fn observe(&mut self, seen: &Bounds, size: (f32, f32), seconds: f32, is_dark: bool) {
        let shift = |before: (f32, f32), now: (f32, f32), end: f32| {
            let (first, last) = (now.0 - before.0, now.1 - before.1);
            match (now.0 <= 1.0, now.1 >= end - 1.0) {
                (false, false) if is_dark && self.age > seconds => {
                    if first.abs() < last.abs() {
                        first
                    } else {
                        last
                    }
                }
                (false, false) => (first + last) / 2.0,
                (true, false) => last,
                (false, true) => first,
                (true, true) => 0.0,
            }
        };
        let b = &self.bounds;
        let x = shift((b.left, b.right), (seen.left, seen.right), size.0);
        let y = shift((b.top, b.bottom), (seen.top, seen.bottom), size.1);
        // The second observation is the first that tells the velocity.
        let share = if self.age <= seconds { 1.0 } else { (seconds / FOLLOW_S).min(1.0) };
        self.velocity.x += share * x / seconds;
        self.velocity.y += share * y / seconds;
        self.bounds = *seen;
        self.unseen = 0.0;
        if seen.left > 1.0 && seen.right < size.0 - 1.0 {
            self.alone += seconds;
        }
    }

    /// Moves within a region that it shares with others. Returns true if its own motion brings it there, within
    /// `reach`: another mover's region does not carry it away.
    fn is_still_in(&mut self, region: &Bounds, reach: f32) -> bool {
        let keep = |from: f32, to: f32, least: f32, most: f32| {
            if to - from > most - least { 0.0 } else { (least - from).max(0.0) + (most - to).min(0.0) }
        };
        let b = self.bounds;
        let x = keep(b.left, b.right, region.left, region.right);
        let y = keep(b.top, b.bottom, region.top, region.bottom);
        self.bounds = translated(&b, x.clamp(-reach, reach), y.clamp(-reach, reach));
        x.abs() <= reach && y.abs() <= reach
    }
}

/// True for a small bright spot in a frame of this height, or a few. People are taller than wide or do not glare, and a
/// car has two lamps side by side.
fn is_spot(region: &Region, height: f32) -> bool {
    let Some(Glare { bounds: lit, area }) = region.glare else { return false };
    let b = &region.bounds;
    let is_one = area >= ONE_GLARE * lit.area();
    let most = if is_one { SPOT } else { SWARM };
    b.height().max(b.width()) < most * height
        && SPOT_SHAPE.contains(&(b.width() / b.height()))
        && area >= GLARES * region.area
        && lit.width() < TWO_LAMPS * lit.height()
}

fn square(v: f32) -> f32 {
    v * v
}

/// Distance between two boxes along an axis; negative if they overlap.
fn gap(a: &Bounds, b: &Bounds) -> f32 {
    (a.left - b.right).max(b.left - a.right).max(a.top - b.bottom).max(b.top - a.bottom)
}

fn have_common_height(a: &Bounds, b: &Bounds) -> bool {
    a.bottom.min(b.bottom) - a.top.max(b.top) >= COMMON_HEIGHT * a.height().min(b.height())
}

/// True if one may be a piece of the other: beside it within `reach`, or above or below it within half the other's
/// height.
fn is_piece_near(whole: &Bounds, piece: &Bounds, reach: f32) -> bool {
    let beside = (piece.left - whole.right).max(whole.left - piece.right);
    let above = (piece.top - whole.bottom).max(whole.top - piece.bottom);
    beside <= reach && above <= 0.5 * whole.height()
}

fn expanded(b: &Bounds, by: f32) -> Bounds {
    Bounds::new(b.left - by, b.top - by, b.right + by, b.bottom + by)
}

fn translated(b: &Bounds, x: f32, y: f32) -> Bounds {
    Bounds::new(b.left + x, b.top + y, b.right + x, b.bottom + y)
}
