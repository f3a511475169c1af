//! Tracks that ended at a line without being counted there: the object may have crossed it unseen.

use std::collections::{BTreeMap, BTreeSet};

use super::counter::centroid;
use super::crossing::Crossing;
use super::detection::Class;
use super::geometry::{Aspect, Bounds};
use super::line::{CountingLine, LineId, Segment};
use super::tracker::{TrackId, kalman};

/// A track that ended within this distance of a line may have crossed it. In sizes of its box.
const NEAR: f32 = 0.5;

/// A track that ended at a line and was not counted there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearMiss {
    /// The line.
    pub line: LineId,
    /// The track.
    pub track: TrackId,
    /// The track's class.
    pub class: Class,
    /// Time of its last detection, in microseconds of the frames' clock.
    pub time_us: u64,
}

/// The fate of a track that is no longer tracked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It has ended.
    Ended,
    /// A standing object that may be found again: see `Tracker::lost_tracks`.
    Resting,
    /// It was found again, as another track.
    Continued,
}

/// Follows confirmed tracks to their ends. Holds a few numbers for each living track.
#[derive(Debug, Default)]
pub(crate) struct NearMisses {
    last_seen: BTreeMap<TrackId, (u64, Class, Bounds)>,
    counted: BTreeSet<(TrackId, LineId)>,
}

impl NearMisses {
    /// Takes in a frame's confirmed tracks (with boxes for those it shows) and its crossings of `lines`. Returns the
    /// near misses among the tracks that ended with it.
    pub fn update<'a>(
        &mut self,
        tracks: impl Iterator<Item = (TrackId, Class, Option<Bounds>)>,
        crossings: &[Crossing],
        lines: impl Iterator<Item = (&'a CountingLine, &'a Segment)> + Clone,
        aspect: Aspect,
        time_us: u64,
        fate: impl Fn(TrackId) -> Fate,
    ) -> Vec<NearMiss> {
        self.counted.extend(crossings.iter().map(|crossing| (crossing.track, crossing.line)));
        let mut ended = std::mem::take(&mut self.last_seen);
        for (id, class, shown) in tracks {
            let before = ended.remove(&id);
            let now = shown.map(|bounds| (time_us, class, bounds));
            self.last_seen.extend(now.or(before).map(|seen| (id, seen)));
        }
        let mut missed = Vec::new();
        for (track, seen) in ended {
            let (time_us, class, bounds) = seen;
            match fate(track) {
                Fate::Ended => {}
                Fate::Continued => continue,
                Fate::Resting => {
                    self.last_seen.insert(track, seen);
                    continue;
                }
            }
            let bounds = aspect.box_in_heights(&bounds);
            let may_have_crossed = |(line, segment): &(&CountingLine, &Segment)| {
                let at = centroid(line.anchor.points(&bounds));
                line.counts(class)
                    && !self.counted.contains(&(track, line.id))
                    && segment.is_near(at, NEAR * kalman::mean_side(&bounds))
            };
            let at = lines.clone().filter(may_have_crossed);
            missed.extend(at.map(|(line, _)| NearMiss { line: line.id, track, class, time_us }));
        }
        self.counted.retain(|(track, _)| self.last_seen.contains_key(track));
        missed
    }

    /// Forgets all tracks.
    pub fn restart(&mut self) {
        *self = NearMisses::default();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Point;

    const ASPECT: (u32, u32) = (1000, 500);

    fn door() -> CountingLine {
        CountingLine::new(LineId(1), "door", Point::new(0.5, 0.2), Point::new(0.5, 0.8)).unwrap()
    }

    const HIDDEN: (TrackId, Class, Option<Bounds>) = (TrackId(7), Class(0), None);

    fn track(x: f32, y: f32) -> (TrackId, Class, Option<Bounds>) {
        (TrackId(7), Class(0), Some(Bounds::new(x - 0.02, y - 0.2, x + 0.02, y)))
    }

    /// Near misses of a track that is seen at these places, hidden once, and ends.
    fn missed(way: &[(f32, f32)], crossings: &[Crossing]) -> Vec<u64> {
        let (line, mut misses) = (door(), NearMisses::default());
        let aspect = Aspect::new(ASPECT.0, ASPECT.1);
        let segment = Segment::new(&line, aspect);
        let mut update = |tracks: &[(TrackId, Class, Option<Bounds>)], crossings: &[Crossing], time_us| {
            let lines = std::iter::once((&line, &segment));
            misses.update(tracks.iter().copied(), crossings, lines, aspect, time_us, |_| Fate::Ended)
        };
        let mut now = 0;
        for &(x, y) in way {
            assert_eq!(update(&[track(x, y)], crossings, now), []);
            now += 1;
        }
        assert_eq!(update(&[HIDDEN], &[], now), []);
        let missed = update(&[], &[], now + 1);
        assert_eq!(update(&[], &[], now + 2), []);
        missed.iter().map(|miss| miss.time_us).collect()
    }

    #[test]
    fn a_standing_object_that_may_be_found_again_is_no_near_miss_yet() {
        let (line, aspect) = (door(), Aspect::new(ASPECT.0, ASPECT.1));
        let segment = Segment::new(&line, aspect);
        for (end, missed) in [(Fate::Ended, 1), (Fate::Continued, 0)] {
            let mut misses = NearMisses::default();
            let mut update = |tracks: &[(TrackId, Class, Option<Bounds>)], fate| {
                let lines = std::iter::once((&line, &segment));
                misses.update(tracks.iter().copied(), &[], lines, aspect, 0, |_| fate).len()
            };
            assert_eq!(update(&[track(0.48, 0.7)], Fate::Ended), 0);
            assert_eq!((update(&[], Fate::Resting), update(&[], Fate::Resting)), (0, 0));
            assert_eq!((update(&[], end), update(&[], end)), (missed, 0));
        }
    }

    #[test]
    fn only_a_track_that_ends_at_a_line_is_a_near_miss() {
        assert_eq!(missed(&[(0.3, 0.5), (0.48, 0.7)], &[]), [1]);
        assert_eq!(missed(&[(0.52, 0.5)], &[]), [0]);
        assert!(missed(&[(0.6, 0.5)], &[]).is_empty());
        assert!(missed(&[(0.5, 0.95)], &[]).is_empty(), "below its end");
    }

    #[test]
    fn a_counted_track_is_no_near_miss() {
        let crossing = Crossing {
            line: LineId(1),
            track: TrackId(7),
            ordinal: 1,
            class: Class(0),
            direction: crate::Direction::In,
            score: 0.9,
            time_us: 0,
            kmh: None,
        };
        assert!(missed(&[(0.48, 0.5)], &[crossing]).is_empty());
    }
}
