//! Times the next frame, for sources without a camera that sets the pace.

use std::time::{Duration, Instant};

/// A steady pace. A delay is not made up for by a burst: after a pause the beat starts again.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    step: Duration,
    due: Option<Instant>,
}

impl Pace {
    /// One frame every `step`; `Duration::ZERO` is full speed.
    pub fn every(step: Duration) -> Pace {
        Pace { step, due: None }
    }

    /// `fps` frames a second (> 0).
    pub fn fps(fps: f64) -> Pace {
        // Fewer than one frame in the age of the universe means never.
        Pace::every(Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::MAX))
    }

    /// Sleeps until the next frame is due, but at most `wait`; returns whether it is due. The first frame is due at
    /// once.
    pub fn wait(&mut self, wait: Duration) -> bool {
        let now = Instant::now();
        let due = *self.due.get_or_insert(now);
        let left = due.saturating_duration_since(now);
        if left > wait {
            std::thread::sleep(wait);
            return false;
        }
        std::thread::sleep(left);
        // A step beyond the clock's range becomes a day, repeatedly.
        let next = due.checked_add(self.step).unwrap_or(due + Duration::from_secs(86_400));
        // More than one step late: the beat starts again.
        self.due = Some(if next < now { now + self.step } else { next });
        true
    }
}

/// Time between frames at `fps` frames a second; `None` if `fps` is zero, negative or not finite, or if the time is a
/// year or more.
pub(crate) fn frame_interval(fps: f64) -> Option<Duration> {
    let step = Duration::try_from_secs_f64(1.0 / fps).ok()?;
    (!step.is_zero() && step < Duration::from_secs(365 * 86400)).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_due_at_once_and_the_next_a_step_later() {
        let mut pace = Pace::every(Duration::from_secs(3600));
        assert!(pace.wait(Duration::ZERO));
        assert!(!pace.wait(Duration::ZERO));
    }

    #[test]
    fn invalid_frame_rates_have_no_interval() {
        assert_eq!(frame_interval(4.0), Some(Duration::from_millis(250)));
        for fps in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e-300] {
            assert_eq!(frame_interval(fps), None, "{fps}");
        }
    }

    #[test]
    fn full_speed_is_always_due() {
        let mut pace = Pace::every(Duration::ZERO);
        assert!((0..100).all(|_| pace.wait(Duration::ZERO)));
    }
}
