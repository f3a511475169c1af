//! The schedule of a time-lapse: times of its pictures, and times at which the camera must open. Pure: times are
//! microseconds of the monotonic clock.
//!
//! Pictures are due at `began + n × every`, even after a late one, so an hour has the right number of them.

use crate::pipeline::rate::Spacing;

/// Assumed time for opening the camera before the first measurement.
const WAKES_IN_US: u64 = 3_000_000;

/// Minimum and maximum time allowed for opening, whatever the last open took.
const LEAD_US: std::ops::RangeInclusive<u64> = 1_000_000..=20_000_000;

/// Maximum by which a picture may be early, because cameras jitter. It is also limited to a quarter of the step and
/// half the usual interval of pictures; otherwise the next picture is closer to the due time.
const EARLY_US: u64 = 250_000;

/// The schedule of one time-lapse.
#[derive(Debug, Clone)]
pub struct TimeLapse {
    every_us: u64,
    began_us: u64,
    /// Number of the next due picture, from 0.
    next: u64,
    /// Minimum interval at which the camera closes between pictures; for less it is not worthwhile.
    worth_us: u64,
    /// Time from opening the camera to the due picture.
    lead_us: u64,
    spacing: Spacing,
}

impl TimeLapse {
    /// A picture every `every_us` (> 0), the first at `began_us`. The camera closes between pictures that are at
    /// least `worth_us` apart.
    pub fn new(every_us: u64, began_us: u64, worth_us: u64) -> TimeLapse {
        TimeLapse {
            every_us: every_us.max(1),
            began_us,
            next: 0,
            worth_us,
            lead_us: WAKES_IN_US,
            spacing: Spacing::default(),
        }
    }

    /// Time at which the next picture is due.
    pub fn due_us(&self) -> u64 {
        self.began_us + self.next * self.every_us
    }

    /// Time at which the camera must open for it.
    pub fn wake_us(&self) -> u64 {
        self.due_us().saturating_sub(self.lead_us)
    }

    /// True if the camera closes between two pictures.
    pub fn is_sleeping_between(&self) -> bool {
        self.every_us >= self.worth_us.max(2 * self.lead_us)
    }

    /// Call for every picture. If the picture captured at `at_us` is due, returns the number of missed pictures
    /// before it and advances to the next one.
    pub fn take_if_due(&mut self, at_us: u64) -> Option<u64> {
        let half_us = self.spacing.record_picture(at_us).map_or(u64::MAX, |spacing_us| spacing_us / 2);
        let tick = self.due_picture(at_us, half_us.min(EARLY_US))?;
        let missed = tick.checked_sub(self.next)?;
        self.next = tick + 1;
        Some(missed)
    }

    /// Records the time from opening the camera to a settled picture.
    pub fn record_wake_time(&mut self, took_us: u64) {
        self.lead_us = (took_us + took_us / 2 + 500_000).clamp(*LEAD_US.start(), *LEAD_US.end());
    }

    /// Number of the latest due picture at `at_us`, if a picture may be early by `early_us`.
    fn due_picture(&self, at_us: u64, early_us: u64) -> Option<u64> {
        let early_us = early_us.min(self.every_us / 4);
        Some((at_us + early_us).checked_sub(self.began_us)? / self.every_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000;
    const WORTH: u64 = 20 * S;

    #[test]
    fn pictures_are_even_whatever_the_camera_does() {
        // 30 per second, one wanted every five seconds: the nearest one to each time.
        let mut lapse = TimeLapse::new(5 * S, 100 * S, WORTH);
        let taken: Vec<u64> =
            (0..=1800).map(|n| 100 * S + n * 33_333).filter(|&at| lapse.take_if_due(at).is_some()).collect();
        assert_eq!(taken.len(), 13, "a minute, and the first picture");
        for (n, at) in taken.iter().enumerate() {
            assert!(at.abs_diff(100 * S + n as u64 * 5 * S) <= 33_333 / 2, "{taken:?}");
        }
        // One per second with jitter, all wanted.
        let mut lapse = TimeLapse::new(S, 0, WORTH);
        let jitter = [0, 60_000, 20_000, 0, 40_000];
        let missed: Vec<_> = (0..50)
            .map(|n| lapse.take_if_due((n * S + jitter[n as usize % 5]).max(30_000) - 30_000))
            .collect();
        assert_eq!(missed, [Some(0); 50]);
    }

    #[test]
    fn missed_ones_are_reported_and_the_grid_stays() {
        let mut lapse = TimeLapse::new(60 * S, 0, WORTH);
        assert_eq!(lapse.take_if_due(0), Some(0));
        assert_eq!(lapse.take_if_due(30 * S), None);
        assert_eq!(lapse.take_if_due(59 * S), None);
        assert_eq!(lapse.take_if_due(61 * S), Some(0), "late, but it is the due one");
        assert_eq!(lapse.due_us(), 120 * S);
        assert_eq!(lapse.take_if_due(310 * S), Some(3));
        assert_eq!(lapse.due_us(), 360 * S);
    }

    #[test]
    fn the_camera_closes_if_worthwhile_and_opens_early_enough() {
        assert!(!TimeLapse::new(10 * S, 0, WORTH).is_sleeping_between());
        let mut lapse = TimeLapse::new(30 * S, 0, WORTH);
        lapse.take_if_due(0);
        assert!(lapse.is_sleeping_between());
        assert_eq!((lapse.due_us(), lapse.wake_us()), (30 * S, 27 * S));
        lapse.record_wake_time(6 * S);
        assert_eq!(lapse.wake_us(), 30 * S - 9 * S - S / 2);
        assert!(lapse.is_sleeping_between());
        lapse.record_wake_time(11 * S);
        assert!(!lapse.is_sleeping_between(), "it would hardly be closed");
        lapse.record_wake_time(100_000);
        assert_eq!(lapse.wake_us(), 29 * S);
        lapse.record_wake_time(3600 * S);
        assert_eq!(lapse.wake_us(), 10 * S);
    }
}
