//! The pause before a camera in trouble is tried again. Pure.

use std::time::Duration;

/// A pause that doubles from half a second to half a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backoff {
    last: Duration,
    next: Duration,
}

/// The first pause.
pub const SHORTEST: Duration = Duration::from_millis(500);
pub const LONGEST: Duration = Duration::from_secs(30);

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { last: Duration::ZERO, next: SHORTEST }
    }
}

impl Backoff {
    /// The pause after one more failure.
    pub fn next_pause(&mut self) -> Duration {
        self.last = self.next;
        self.next = (self.last * 2).min(LONGEST);
        self.last
    }

    /// The backoff of the next fault, after pictures came for `time`. It starts again only if `time` was at least the
    /// last pause. Otherwise a source that gives one picture and dies would be opened and logged twice a second for
    /// ever.
    pub fn after_running(self, time: Duration) -> Backoff {
        if time < self.last { self } else { Backoff::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_half_a_minute() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..9).map(|_| backoff.next_pause().as_secs_f64()).collect();
        assert_eq!(pauses, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    }

    #[test]
    fn starts_again_only_after_pictures_for_as_long_as_the_pause() {
        let mut backoff = Backoff::default();
        let lives = |seconds| Duration::from_secs_f64(seconds);
        assert_eq!(backoff.clone().after_running(Duration::ZERO), Backoff::default());
        backoff.next_pause();
        backoff.next_pause();
        assert_eq!(backoff.clone().after_running(lives(0.9)).next_pause(), lives(2.0));
        assert_eq!(backoff.after_running(lives(1.0)).next_pause(), SHORTEST);
    }
}
