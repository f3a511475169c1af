//! Outcomes of the last detections: the share that failed, and the rate of its log messages. Pure.

use std::time::{Duration, Instant};

/// Number of detections in the window.
const REMEMBERED: u32 = 100;
/// Minimum time between two log messages.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// Outcomes of the last detections.
#[derive(Debug, Default)]
pub struct RecentDetections {
    /// One bit per detection, the newest lowest; a set bit is a failure.
    failures: u128,
    count: u32,
    reason: String,
    logged: Option<Instant>,
}

impl RecentDetections {
    pub fn succeeded(&mut self) {
        self.add(false);
    }

    /// Records a failure. Returns a line for the log, unless there was one in the last minute.
    pub fn record_failure(&mut self, reason: String, now: Instant) -> Option<String> {
        self.add(true);
        self.reason = reason;
        if self.logged.is_some_and(|logged| now - logged < LOG_EVERY) {
            return None;
        }
        self.logged = Some(now);
        self.sentence()
    }

    /// The reason if the last detection failed.
    pub fn last_failure(&self) -> Option<&str> {
        (self.failures & 1 == 1).then_some(&*self.reason)
    }

    /// "3 of 100 detections failed: …"; `None` without failures.
    pub fn sentence(&self) -> Option<String> {
        let (failed, count, reason) = (self.failures.count_ones(), self.count, &self.reason);
        (failed > 0).then(|| format!("{failed} of {count} detections failed: {reason}"))
    }

    fn add(&mut self, is_failure: bool) {
        self.failures = (self.failures << 1 | u128::from(is_failure)) & ((1 << REMEMBERED) - 1);
        self.count = (self.count + 1).min(REMEMBERED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_last_hundred_and_the_log_hears_once_a_minute() {
        let (mut detections, start) = (RecentDetections::default(), Instant::now());
        assert_eq!((detections.sentence(), detections.last_failure()), (None, None));
        let mut lines = Vec::new();
        for second in 0..300_u64 {
            let now = start + Duration::from_secs(second);
            match second % 50 {
                0 => lines.extend(detections.record_failure(format!("reason {second}"), now)),
                _ => detections.succeeded(),
            }
        }
        assert_eq!(lines[0], "1 of 1 detections failed: reason 0");
        assert_eq!(lines[1], "2 of 100 detections failed: reason 100");
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(detections.sentence().as_deref(), Some("2 of 100 detections failed: reason 250"));
        assert_eq!(detections.last_failure(), None);
        (0..100).for_each(|_| detections.succeeded());
        assert_eq!(detections.sentence(), None);
    }
}
