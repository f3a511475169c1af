//! The stays of objects in zones, from the tracks of each frame.

use std::collections::BTreeMap;

use super::{Zone, ZoneId};
use crate::detection::Class;
use crate::geometry::Aspect;
use crate::tracker::{TrackId, TrackState, Tracker};

/// A shorter time outside belongs to the stay: an object at the edge of a zone goes in and out. Microseconds.
const OUTSIDE_US: u64 = 1_000_000;
/// A shorter stay is only a touch of the zone. Microseconds.
const LEAST_US: u64 = 500_000;
/// Across a longer gap between two frames nothing is known of the objects. Microseconds.
const LONGEST_STEP_US: u64 = 10_000_000;

/// One object's stay in a zone. It lasts while the tracker knows the object, even if unseen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The zone.
    pub zone: ZoneId,
    /// The track at its end.
    pub track: TrackId,
    /// The class in the last frame inside.
    pub class: Class,
    /// First time inside, in microseconds of the frames' clock.
    pub from_us: u64,
    /// First time outside; the last time inside if the object was not seen leaving.
    pub to_us: u64,
    /// The object was inside when counting began or ended, so it stayed longer than this tells.
    pub is_cut: bool,
}

/// The stays of all objects in all zones.
#[derive(Debug, Default)]
pub(crate) struct Stays {
    open: BTreeMap<(ZoneId, TrackId), OpenStay>,
    ended: Vec<Stay>,
    /// Times of the first frame since tracking began, and of the newest one.
    frames_us: Option<(u64, u64)>,
    /// Zones that are new or were changed since; their first frame is still to come if it has no time.
    new_zones: BTreeMap<ZoneId, Option<u64>>,
}

#[derive(Debug)]
struct OpenStay {
    class: Class,
    from_us: u64,
    seen_us: u64,
    /// Since when it is outside.
    left_us: Option<u64>,
    is_confirmed: bool,
}

impl Stays {
    /// Takes in the tracks of a frame.
    pub(crate) fn update(&mut self, zones: &[Zone], tracker: &Tracker, aspect: Aspect, time_us: u64) {
        let is_gap = |(_, newest_us): &(u64, u64)| time_us.saturating_sub(*newest_us) > LONGEST_STEP_US;
        if self.frames_us.as_ref().is_some_and(is_gap) {
            self.cut();
        }
        let began_us = self.frames_us.map_or(time_us, |(began_us, _)| began_us);
        self.frames_us = Some((began_us, time_us));
        self.new_zones.values_mut().for_each(|first_us| {
            first_us.get_or_insert(time_us);
        });
        for track in tracker.tracks() {
            for zone in zones {
                let key = (zone.id, track.id());
                if let Some(stay) = track.continues().and_then(|old| self.open.remove(&(zone.id, old))) {
                    self.open.insert(key, stay);
                }
                if tracker.is_shown_part(track) {
                    // The whole object has a stay of its own.
                    self.open.remove(&key);
                    continue;
                }
                if !track.is_matched() || track.cut_edges().hides_anchor(zone.anchor) {
                    continue;
                }
                let is_inside = zone.contains(track.class(), &zone.anchor.points(&track.bounds(aspect)));
                let new = OpenStay {
                    class: track.class(),
                    from_us: time_us,
                    seen_us: time_us,
                    left_us: None,
                    is_confirmed: false,
                };
                if is_inside {
                    let stay = self.open.entry(key).or_insert(new);
                    (stay.seen_us, stay.left_us, stay.class) = (time_us, None, track.class());
                    stay.is_confirmed |= track.state() == TrackState::Confirmed;
                } else if let Some(stay) = self.open.get_mut(&key) {
                    stay.left_us.get_or_insert(time_us);
                }
            }
        }
        let Stays { open, ended, new_zones, .. } = self;
        open.retain(|key, stay| {
            let is_known = tracker.track(key.1).is_some()
                || tracker.lost_tracks().iter().any(|track| track.id() == key.1);
            let has_left = stay.left_us.is_some_and(|left_us| time_us.saturating_sub(left_us) >= OUTSIDE_US);
            if has_left || !is_known {
                ended.extend(stay.end(*key, first_us(new_zones, key.0, began_us), false));
            }
            is_known && !has_left
        });
    }

    /// Ends the stays in zones for which `is_changed`, cut. Of the `zones` from now on, changed ones begin anew.
    pub(crate) fn set_zones(&mut self, zones: &[Zone], is_changed: impl Fn(ZoneId) -> bool) {
        let began_us = self.frames_us.map_or(0, |(began_us, _)| began_us);
        let Stays { open, ended, new_zones, .. } = self;
        open.retain(|key, stay| {
            let ends = is_changed(key.0);
            if ends {
                ended.extend(stay.end(*key, first_us(new_zones, key.0, began_us), true));
            }
            !ends
        });
        new_zones.retain(|id, _| zones.iter().any(|zone| zone.id == *id));
        new_zones.extend(zones.iter().filter(|zone| is_changed(zone.id)).map(|zone| (zone.id, None)));
    }

    /// Ends all stays, because tracking ends or starts again.
    pub(crate) fn cut(&mut self) {
        self.set_zones(&[], |_| true);
        self.frames_us = None;
    }

    /// The ended stays since the last call.
    pub(crate) fn take(&mut self) -> Vec<Stay> {
        std::mem::take(&mut self.ended)
    }
}

/// Time of the first frame in which a zone was watched.
fn first_us(new_zones: &BTreeMap<ZoneId, Option<u64>>, zone: ZoneId, began_us: u64) -> u64 {
    new_zones.get(&zone).copied().flatten().map_or(began_us, |first_us| first_us.max(began_us))
}

impl OpenStay {
    /// The stay at its end; `None` if it does not count.
    fn end(&self, (zone, track): (ZoneId, TrackId), began_us: u64, is_cut: bool) -> Option<Stay> {
        let to_us = self.left_us.unwrap_or(self.seen_us);
        let is_cut = (is_cut && self.left_us.is_none()) || self.from_us.saturating_sub(began_us) < OUTSIDE_US;
        let counts = self.is_confirmed && to_us.saturating_sub(self.from_us) >= LEAST_US;
        counts.then_some(Stay { zone, track, class: self.class, from_us: self.from_us, to_us, is_cut })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Anchor, Bounds, Counter, CounterOptions, Detection, Labels, Point, Polygon};

    /// The zone is the middle half of a frame of 640 × 480 pixels.
    fn hall(classes: Vec<Class>) -> Counter {
        let p = Point::new;
        let labels = Labels::new(["person", "car"]);
        let mut counter = Counter::new(CounterOptions::default(), labels, Aspect::new(640, 480));
        let area = Polygon::new(vec![p(0.25, 0.0), p(0.75, 0.0), p(0.75, 1.0), p(0.25, 1.0)]).unwrap();
        counter.set_zones(vec![Zone { classes, ..Zone::new(ZoneId(3), "hall", area) }]);
        counter
    }

    fn person(x: f32, y: f32) -> Detection {
        let bounds = Bounds::centered_at(Point::new(x, y), 0.06, 0.2);
        Detection { class: Class(0), score: 0.9, bounds }
    }

    const FRAME_US: u64 = 200_000;

    /// One person at `x` in each frame, five frames a second; unseen at `None`.
    fn watch(counter: &mut Counter, way: impl IntoIterator<Item = Option<f32>>, first: u64) -> Vec<Stay> {
        let frames = way.into_iter().zip(first..);
        let seen = |(x, n): (Option<f32>, u64)| {
            let found: Vec<Detection> = x.map(|x| person(x, 0.5)).into_iter().collect();
            counter.update(&found, n * FRAME_US).stays
        };
        frames.flat_map(seen).collect()
    }

    fn seconds(stays: &[Stay]) -> Vec<(f64, bool)> {
        let length = |stay: &Stay| ((stay.to_us - stay.from_us) as f64 / 1e6, stay.is_cut);
        stays.iter().map(length).collect()
    }

    /// Comes in at frame 20, waits at the counter for `wait` frames, and goes out.
    fn visit(wait: usize) -> Vec<Option<f32>> {
        let come = (0..40).map(|n| 0.05 + 0.01 * n as f32);
        let go = (0..40).map(|n| 0.45 + 0.01 * n as f32);
        come.chain(std::iter::repeat_n(0.45, wait)).chain(go).map(Some).collect()
    }

    #[test]
    fn the_median_of_known_stays_is_right_within_three_tenths_of_a_second() {
        // Each walks through the zone, 10 s, and waits for some time; boxes tremble, a tenth of them is missing.
        let mut noise = 7u32;
        let mut next = || {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 8) as f32 / (1u32 << 24) as f32
        };
        let (mut known, mut told) = (Vec::new(), Vec::new());
        for wait in [0, 10, 20, 35, 50, 75, 100, 150, 200, 300, 600] {
            let mut counter = hall(Vec::new());
            let mut way = visit(wait);
            for x in way.iter_mut().skip(5) {
                *x = x.filter(|_| next() > 0.1).map(|x| x + (next() - 0.5) * 0.01);
            }
            // Behind a pillar for two seconds.
            let pillar = 40 + wait / 2;
            way[pillar..pillar + 10].fill(None);
            // The anchor is inside from 0.25 to 0.75.
            known.push((50 + wait) as f64 * 0.2);
            way.extend([None; 100]);
            let stays = watch(&mut counter, way, 0);
            let [(length, false)] = seconds(&stays)[..] else { panic!("{wait}: {stays:?}") };
            told.push(length);
        }
        let middle = |mut of: Vec<f64>| {
            of.sort_by(f64::total_cmp);
            of[of.len() / 2]
        };
        for (known, told) in known.iter().zip(&told) {
            assert!((known - told).abs() < 0.7, "{known} {told}");
        }
        let (known, told) = (middle(known), middle(told));
        assert!((known - told).abs() < 0.3, "{known} {told}");
    }

    #[test]
    fn a_short_way_out_and_a_rest_unseen_belong_to_the_stay() {
        let mut counter = hall(Vec::new());
        // At the edge, in and out for less than a second.
        let edge = (0..60).map(|n| Some(if n % 4 == 3 { 0.247 } else { 0.256 }));
        let way = (0..20).map(|n| Some(0.056 + 0.01 * n as f32)).chain(edge).chain([None; 400]);
        let stays = watch(&mut counter, way, 0);
        assert_eq!(stays.len(), 1, "{stays:?}");
        // Somebody stands, is hidden for 20 s, and is found again.
        let mut counter = hall(Vec::new());
        let mut way = visit(300);
        way[150..250].fill(None);
        way.extend([None; 100]);
        let stays = watch(&mut counter, way, 0);
        let [(length, false)] = seconds(&stays)[..] else { panic!("{stays:?}") };
        assert!((length - 70.0).abs() < 0.7, "{length}");
        // Somebody who only touches the zone, and what the zone does not count.
        let mut counter = hall(Vec::new());
        let way = [0.1, 0.15, 0.2, 0.24, 0.26, 0.24, 0.2, 0.15, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1].map(Some);
        assert_eq!(watch(&mut counter, way, 0), []);
        let mut counter = hall(vec![Class(1)]);
        assert_eq!(watch(&mut counter, visit(20).into_iter().chain([None; 100]), 0), []);
    }

    #[test]
    fn a_stay_is_cut_where_counting_begins_and_ends() {
        let there = |count| std::iter::repeat_n(Some(0.5), count);
        // There before counting began.
        let mut counter = hall(Vec::new());
        let stays = watch(&mut counter, there(50).chain([None; 400]), 0);
        assert_eq!(seconds(&stays), [(9.8, true)]);
        // Still there when counting ends.
        let mut counter = hall(Vec::new());
        assert_eq!(watch(&mut counter, visit(50).into_iter().take(80), 0), []);
        let stays = counter.end_stays();
        assert!(matches!(seconds(&stays)[..], [(length, true)] if (length - 12.0).abs() < 0.5), "{stays:?}");
        assert_eq!(counter.end_stays(), []);
        // After a gap without frames, and in a zone that is changed; a new name changes nothing.
        let mut counter = hall(Vec::new());
        watch(&mut counter, visit(50).into_iter().take(60), 0);
        let stays = watch(&mut counter, there(2), 200);
        assert!(matches!(seconds(&stays)[..], [(_, true)]), "{stays:?}");
        let mut counter = hall(Vec::new());
        watch(&mut counter, visit(50).into_iter().take(60), 0);
        let zone = counter.zones().next().unwrap().clone();
        counter.set_zones(vec![Zone { name: "yard".into(), ..zone.clone() }]);
        assert_eq!(watch(&mut counter, there(1), 60), []);
        counter.set_zones(vec![Zone { anchor: Anchor::Center, ..zone }]);
        let stays = watch(&mut counter, there(1), 61);
        assert!(matches!(seconds(&stays)[..], [(_, true)]), "{stays:?}");
        // Nobody knows when the new stay began.
        let out = (0..30).map(|n| Some(0.5 + 0.015 * n as f32));
        let stays = watch(&mut counter, out, 62);
        assert!(matches!(seconds(&stays)[..], [(length, true)] if length > 1.0), "{stays:?}");
    }
}
