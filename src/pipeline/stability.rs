//! Judges whether a camera works more than it fails: by its runs of pictures, and by its single frames. Pure.

use std::time::{Duration, Instant};

/// A camera that fails often works again after pictures for at least this long.
const SETTLED: Duration = Duration::from_secs(1);
/// No longer outage counts.
const LONGEST: Duration = Duration::from_secs(30);
/// Good frames that make up for any number of failed ones.
const MOST_FAILED: u32 = 10;

/// The runs of pictures between faults.
#[derive(Debug, Default)]
pub struct Stability {
    /// First and last picture of the current run.
    run: Option<(Instant, Instant)>,
    /// Last picture before the current or the last fault.
    before: Option<Instant>,
    /// Time without a picture before the current run.
    outage: Duration,
    /// Runs in a row that were shorter than the outage before them.
    short_runs: u32,
    /// Frames without a picture that no pictures have made up for, and the first of them.
    failed: u32,
    failed_since: Option<Instant>,
}

impl Stability {
    /// Records a picture at `now`.
    pub fn record_picture(&mut self, now: Instant) {
        let (outage, before) = (&mut self.outage, self.before);
        let (first, last) = self.run.get_or_insert_with(|| {
            *outage = before.map_or(Duration::ZERO, |before| now - before).min(LONGEST);
            (now, now)
        });
        *last = now;
        self.failed = self.failed.saturating_sub(1);
        if self.failed == 0 {
            self.failed_since = None;
        }
        if now - *first >= self.outage.max(SETTLED) {
            self.short_runs = 0;
        }
    }

    /// Records a frame, or an answer of a camera of stills, that gave no picture.
    pub fn record_failed(&mut self, now: Instant) {
        self.failed = (self.failed + 1).min(MOST_FAILED);
        self.failed_since.get_or_insert(now);
    }

    /// How long most frames have failed.
    pub fn failed_for(&self, now: Instant) -> Duration {
        self.failed_since.map_or(Duration::ZERO, |since| now - since)
    }

    /// True if a picture came since the last fault.
    pub fn has_pictures(&self) -> bool {
        self.run.is_some()
    }

    /// Records a fault. True if pictures came since the last one.
    pub fn record_fault(&mut self) -> bool {
        let Some((first, last)) = self.run.take() else { return false };
        self.before = Some(last);
        self.short_runs = if last - first < self.outage { self.short_runs + 1 } else { 0 };
        true
    }

    /// Number of runs in a row that were shorter than the outage before them, or of frames that failed, whichever is
    /// more; 0 once pictures keep coming.
    pub fn failures(&self) -> u32 {
        self.short_runs.max(self.failed)
    }

    /// True if a camera that had a fault works more than it fails. It may have failed `most` times in a row.
    pub fn is_settled(&self, most: u32) -> bool {
        self.short_runs < most && self.failed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A camera after `times` runs of `run_ms`, a picture each 100 ms, with outages of `outage_ms`.
    fn failing(run_ms: u64, outage_ms: u64, times: u32) -> (Stability, Instant) {
        let (mut stability, mut now) = (Stability::default(), Instant::now());
        for _ in 0..times {
            for ms in (0..=run_ms).step_by(100) {
                stability.record_picture(now + Duration::from_millis(ms));
            }
            assert!(stability.record_fault());
            assert!(!stability.record_fault(), "no picture came since");
            now += Duration::from_millis(run_ms + outage_ms);
        }
        (stability, now)
    }

    #[test]
    fn runs_are_compared_with_the_outages_between_them() {
        for (run, outage, most) in [(300, 500, 4), (0, 3500, 4), (2000, 600, 0), (20_000, 19_000, 0)] {
            assert_eq!(failing(run, outage, 5).0.failures(), most, "{run} ms, then {outage} ms without");
        }
    }

    #[test]
    fn pictures_for_as_long_as_the_outage_settle_it() {
        let (mut stability, start) = failing(0, 3500, 5);
        for (ms, left) in [(0, 4), (3400, 4), (3500, 0)] {
            stability.record_picture(start + Duration::from_millis(ms));
            assert_eq!(stability.failures(), left, "after {ms} ms");
        }
    }
    #[test]
    fn single_pictures_do_not_make_up_for_more_failed_frames() {
        let start = Instant::now();
        // Failed frames before each good one.
        for (failed, settles) in [(0, true), (1, true), (2, false), (4, false)] {
            let mut stability = Stability::default();
            let mut at = 0;
            let mut now = || {
                at += 100;
                start + Duration::from_millis(at)
            };
            for _ in 0..30 {
                (0..failed).for_each(|_| stability.record_failed(now()));
                stability.record_picture(now());
            }
            assert_eq!(stability.is_settled(3), settles, "{failed}");
            assert_eq!(stability.failed_for(now()) > Duration::from_secs(5), !settles, "{failed}");
            (0..MOST_FAILED).for_each(|_| stability.record_picture(now()));
            assert!(stability.is_settled(3), "{failed}");
            assert_eq!(stability.failed_for(now()), Duration::ZERO, "{failed}");
        }
    }
}
