//! Judges whether a camera that fails and returns works more than it fails. Pure.

use std::time::{Duration, Instant};

/// A camera that fails often works again after pictures for at least this long.
const SETTLED: Duration = Duration::from_secs(1);
/// No longer outage counts.
const LONGEST: Duration = Duration::from_secs(30);

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
        if now - *first >= self.outage.max(SETTLED) {
            self.short_runs = 0;
        }
    }

    /// Records a fault. True if pictures came since the last one.
    pub fn record_fault(&mut self) -> bool {
        let Some((first, last)) = self.run.take() else { return false };
        self.before = Some(last);
        self.short_runs = if last - first < self.outage { self.short_runs + 1 } else { 0 };
        true
    }

    /// Number of runs in a row that were shorter than the outage before them; 0 once pictures keep coming.
    pub fn short_runs(&self) -> u32 {
        self.short_runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short runs after `times` runs of `run_ms`, a picture each 100 ms, with outages of `outage_ms`.
    fn short_runs(run_ms: u64, outage_ms: u64, times: u32) -> (Stability, Instant) {
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
            assert_eq!(short_runs(run, outage, 5).0.short_runs(), most, "{run} ms, then {outage} ms without");
        }
    }

    #[test]
    fn pictures_for_as_long_as_the_outage_settle_it() {
        let (mut stability, start) = short_runs(0, 3500, 5);
        for (ms, left) in [(0, 4), (3400, 4), (3500, 0)] {
            stability.record_picture(start + Duration::from_millis(ms));
            assert_eq!(stability.short_runs(), left, "after {ms} ms");
        }
    }
}
