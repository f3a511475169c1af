//! Decides whether one track has crossed one line: a small state machine, fed with the track's anchor point in every
//! frame that shows it.
//!
//! ```text
//!              first seen                     beyond the band on the other side
//!   (nothing) ───────────► on a side ─────────────────────────────────────────► on the other side
//!                           ▲     │ in the band, or not long enough beyond it          │
//!                           └─────┘                             counted if the way led through the line
//! ```
//!
//! A track is *on* a side until it has *settled* on the other. It settles there when it is seen [`Hysteresis::stay`]
//! times running and for [`Hysteresis::stay_for`], at least [`Hysteresis::near`] away from the line. A single
//! observation suffices at least [`Hysteresis::far`] away, or at least `near` away just before it left the frame.
//!
//! A track that lingers, turns back or trembles on the line never settles. A smoothed position moves on for a while
//! after a stop, so the measured box must be beyond the band in the last frame, too.
//!
//! Settling counts if the path since the last settling led through the line between its ends. The path is made of
//! straight steps from one observation to the next, whatever their interval; passes in opposite directions cancel. A
//! track that walks round an end has changed sides without a crossing.
//!
//! Distances are in sizes of the box (the mean of its width and height), because a box trembles in proportion to its
//! size.

use super::geometry::Point;
use super::line::{Direction, Segment};

/// Conditions for a track's arrival on the other side of a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hysteresis {
    /// A track nearer to the line than this has not arrived. Sizes of the box.
    pub near: f32,
    /// At this distance one observation is enough. Sizes of the box.
    pub far: f32,
    /// Otherwise it must be seen at least `near` away this many times running...
    pub stay: u32,
    /// ...and for this long, from the first of these times: in a fast stream a box is off for several frames.
    /// Seconds.
    pub stay_for: f32,
}

impl Default for Hysteresis {
    /// A detector's box trembles by about a twentieth of its size (standard deviation): 0.15 is beyond nearly all of
    /// it, and 0.25 beyond everything but an occlusion. At ten frames a second two observations are 0.1 s apart;
    /// `stay_for` is a little less, to allow for rounded time stamps.
    fn default() -> Hysteresis {
        Hysteresis { near: 0.15, far: 0.25, stay: 2, stay_for: 0.09 }
    }
}

/// A crossing found by a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrossingMoment {
    /// The direction.
    pub direction: Direction,
    /// Time at which the (last) anchor point was on the line, in microseconds of the frames' clock.
    pub time_us: u64,
}

/// One track on one line.
#[derive(Debug, Clone)]
pub struct Passage {
    /// It is on the left side.
    left: bool,
    points: [Point; 4],
    seen_us: u64,
    /// Per point since the last settling: passes through the line to the left minus passes to the right.
    through: [i32; 4],
    /// Time of a point's last pass through the line.
    passed_us: u64,
    /// How many times running it was seen beyond the band on the other side.
    stayed: u32,
    /// In the last frame the measured box was beyond the band, too.
    is_measured_beyond: bool,
    /// Time of the first of these.
    beyond_us: u64,
}

impl Passage {
    /// A track that first appears with its anchor at `points` (in heights).
    pub fn new(segment: &Segment, points: [Point; 4], time_us: u64) -> Passage {
        let leftness: f32 = points.iter().map(|&p| segment.signed_distance(p)).sum();
        Passage {
            left: leftness >= 0.0,
            points,
            seen_us: time_us,
            through: [0; 4],
            passed_us: time_us,
            stayed: 0,
            is_measured_beyond: false,
            beyond_us: time_us,
        }
    }

    /// Takes in an observation. The smoothed box has its anchor at `points`, the measured box at `measured` (both in
    /// heights); `size` is the size of the box.
    pub fn observe(
        &mut self,
        segment: &Segment,
        points: [Point; 4],
        measured: [Point; 4],
        size: f32,
        time_us: u64,
        hysteresis: &Hysteresis,
    ) -> Option<CrossingMoment> {
        let mut passed: Option<f32> = None;
        for (at, through) in self.through.iter_mut().enumerate() {
            if let Some((share, true)) = segment.intersect(self.points[at], points[at]) {
                *through += if segment.signed_distance(points[at]) >= 0.0 { 1 } else { -1 };
                passed = Some(passed.map_or(share, |earlier| earlier.max(share)));
            }
        }
        if let Some(share) = passed {
            let elapsed = time_us.saturating_sub(self.seen_us);
            self.passed_us = self.seen_us + (elapsed as f64 * f64::from(share)).round() as u64;
        }
        self.points = points;
        self.seen_us = time_us;

        // Distance of the nearest anchor point beyond the line, from the current side.
        let how_far = |points: [Point; 4]| {
            let leftness = points.map(|p| segment.signed_distance(p));
            leftness
                .map(|leftness| if self.left { -leftness } else { leftness })
                .into_iter()
                .fold(f32::INFINITY, f32::min)
                / size
        };
        let beyond = how_far(points);
        // After a stop the smoothed position alone may be beyond.
        self.is_measured_beyond = how_far(measured) >= hysteresis.near;
        if beyond >= hysteresis.near && beyond > 0.0 {
            if self.stayed == 0 {
                self.beyond_us = time_us;
            }
            self.stayed = self.stayed.saturating_add(1);
        } else {
            self.stayed = 0;
            let back = points.iter().all(|&p| {
                let leftness = segment.signed_distance(p);
                (leftness >= 0.0) == self.left && leftness.abs() >= hysteresis.near * size
            });
            if back {
                self.through = [0; 4];
            }
        }
        let stayed_s = time_us.saturating_sub(self.beyond_us) as f32 / 1e6;
        // A single observation is enough if the options ask for only one.
        let long = hysteresis.stay <= 1 || stayed_s >= hysteresis.stay_for;
        let has_stayed = self.stayed >= hysteresis.stay && long;
        if self.stayed == 0 || !self.is_measured_beyond || !(has_stayed || beyond >= hysteresis.far) {
            return None;
        }
        self.commit()
    }

    /// The track has left the frame. If it was last seen beyond the band, it has arrived: no second observation is
    /// possible.
    pub fn finish(&mut self) -> Option<CrossingMoment> {
        if self.stayed > 0 && self.is_measured_beyond { self.commit() } else { None }
    }

    /// Changes sides.
    fn commit(&mut self) -> Option<CrossingMoment> {
        self.left = !self.left;
        self.stayed = 0;
        let through = std::mem::take(&mut self.through);
        let counted = through.iter().all(|&passes| if self.left { passes > 0 } else { passes < 0 });
        let direction = if self.left { Direction::In } else { Direction::Out };
        counted.then_some(CrossingMoment { direction, time_us: self.passed_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Aspect;
    use crate::line::{CountingLine, LineId};

    /// Drawn upwards in the middle of a square frame, not as far as its edges.
    fn segment() -> Segment {
        let line = CountingLine::new(LineId(1), "door", Point::new(0.5, 0.8), Point::new(0.5, 0.2));
        Segment::new(&line.unwrap(), Aspect::new(100, 100))
    }

    /// The crossings on a path of points, one a second, of a box of size 0.1.
    fn walk(way: &[(f32, f32)]) -> Vec<(Direction, u64)> {
        let segment = segment();
        let points = |&(x, y): &(f32, f32)| [Point::new(x, y); 4];
        let mut passage = Passage::new(&segment, points(&way[0]), 0);
        let mut found = Vec::new();
        for (n, at) in way.iter().enumerate().skip(1) {
            let time_us = n as u64 * 1_000_000;
            if let Some(p) =
                passage.observe(&segment, points(at), points(at), 0.1, time_us, &Hysteresis::default())
            {
                found.push((p.direction, (p.time_us + 500) / 1000));
            }
        }
        found
    }

    #[test]
    fn straight_over_counts_at_the_time_of_the_passage() {
        assert_eq!(walk(&[(0.6, 0.5), (0.4, 0.5)]), [(Direction::In, 500)]);
        assert_eq!(walk(&[(0.46, 0.5), (0.54, 0.5)]), [(Direction::Out, 500)]);
    }

    #[test]
    fn a_slow_track_counts_when_it_has_stayed() {
        let way = [(0.53, 0.5), (0.51, 0.5), (0.495, 0.5), (0.483, 0.5), (0.48, 0.5)];
        assert_eq!(walk(&way).len(), 1);
        assert_eq!(walk(&way[..4]).len(), 0, "seen beyond once, and near");
    }

    #[test]
    fn a_fast_stream_takes_more_observations() {
        let segment = segment();
        let at = |x| [Point::new(x, 0.5); 4];
        let mut passage = Passage::new(&segment, at(0.6), 0);
        let mut sights = 0;
        let counted = (1..20).find(|n| {
            sights += 1;
            passage.observe(&segment, at(0.48), at(0.48), 0.1, n * 33_333, &Hysteresis::default()).is_some()
        });
        assert_eq!((counted, sights), (Some(4), 4));
    }

    #[test]
    fn leaving_the_frame_just_beyond_the_line_is_a_crossing() {
        let segment = segment();
        let at = |x| [Point::new(x, 0.5); 4];
        for (last, counted) in [(0.48, true), (0.49, false)] {
            let mut passage = Passage::new(&segment, at(0.6), 0);
            assert_eq!(passage.observe(&segment, at(last), at(last), 0.1, 1, &Hysteresis::default()), None);
            assert_eq!(passage.finish().is_some(), counted);
            assert_eq!(passage.finish(), None);
        }
    }

    #[test]
    fn trembling_on_the_line_is_no_crossing() {
        let way: Vec<(f32, f32)> = (0..100).map(|n| (0.5 + 0.009 * (n % 3 - 1) as f32, 0.5)).collect();
        assert_eq!(walk(&way), []);
        let wide: Vec<(f32, f32)> = (0..100).map(|n| (0.5 + 0.02 * (n % 2 * 2 - 1) as f32, 0.5)).collect();
        assert_eq!(walk(&wide), []);
    }

    #[test]
    fn turning_back_on_the_line_is_no_crossing() {
        assert_eq!(walk(&[(0.6, 0.5), (0.52, 0.5), (0.485, 0.5), (0.52, 0.5), (0.6, 0.5)]), []);
    }

    #[test]
    fn a_smoothed_position_beyond_the_line_alone_is_no_arrival() {
        let segment = segment();
        let at = |x| [Point::new(x, 0.5); 4];
        let mut passage = Passage::new(&segment, at(0.6), 0);
        for (n, (smoothed, measured)) in
            [(0.51, 0.5), (0.47, 0.495), (0.48, 0.49), (0.49, 0.495)].into_iter().enumerate()
        {
            let time_us = (n as u64 + 1) * 1_000_000;
            let passed =
                passage.observe(&segment, at(smoothed), at(measured), 0.1, time_us, &Hysteresis::default());
            assert_eq!(passed, None, "{smoothed}");
        }
        assert_eq!(passage.finish(), None);
    }

    #[test]
    fn round_an_end_and_back_through_the_line_counts_once() {
        let round = [(0.6, 0.5), (0.6, 0.9), (0.4, 0.9), (0.4, 0.5)];
        assert_eq!(walk(&round), []);
        let back: Vec<(f32, f32)> = round.iter().copied().chain([(0.6, 0.5)]).collect();
        assert_eq!(walk(&back), [(Direction::Out, 3500)]);
    }

    #[test]
    fn a_loop_through_the_line_and_round_its_end_within_the_band_is_forgotten() {
        // Passes through just inside the upper end, comes back just outside it, continues.
        let way = [(0.52, 0.21), (0.492, 0.205), (0.492, 0.19), (0.52, 0.19), (0.52, 0.15), (0.4, 0.15)];
        assert_eq!(walk(&way), []);
    }

    #[test]
    fn the_whole_box_has_crossed_when_all_corners_have() {
        let segment = segment();
        let corners = |x: f32| {
            [
                Point::new(x - 0.05, 0.4),
                Point::new(x + 0.05, 0.4),
                Point::new(x - 0.05, 0.5),
                Point::new(x + 0.05, 0.5),
            ]
        };
        let mut passage = Passage::new(&segment, corners(0.7), 0);
        let mut see =
            |x, n| passage.observe(&segment, corners(x), corners(x), 0.1, n, &Hysteresis::default());
        assert_eq!(see(0.5, 1), None);
        assert_eq!(see(0.46, 2), None, "a corner is still on the line");
        assert_eq!(see(0.4, 3).map(|p| p.direction), Some(Direction::In));
        assert_eq!(see(0.3, 4), None);
    }
}
