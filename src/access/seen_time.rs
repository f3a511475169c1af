//! The time that ends of sessions, tokens and links are measured against: the greatest that any run has seen, so that
//! a clock that is set back revives nothing.
//!
//! The clock may be wrong at the start, and what it ends stays ended. Its time is remembered only once the clock is
//! synchronised, or if nothing has synchronised it for a while: then there is no other clock.

use std::sync::atomic::{AtomicU64, Ordering};

use tallycam_base::clock;

/// The greatest time is saved when it has grown by this many seconds.
const SAVED_EVERY_S: u64 = 600;

/// Uptime of the machine without a synchronised clock, in seconds, after which none is expected any more.
const SETTLED_S: u64 = 600;

/// An unsynchronised clock that is further ahead is wrong. A camera without network time may be off for a year, as
/// one of a yearly survey.
const MOST_AHEAD_S: u64 = 400 * 24 * 3600;

/// An earlier clock is not set yet.
const EARLIEST_S: u64 = clock::EARLIEST_PLAUSIBLE_US / 1_000_000;

/// The first time that no clock and no file is believed: the year 2100.
const LATEST_S: u64 = 4_102_444_800;

/// The greatest time ever seen.
#[derive(Debug)]
pub(super) struct SeenTime {
    /// The greatest time less the monotonic time, in seconds. It goes on if the clock is set back.
    ahead_s: AtomicU64,
    /// The greatest time that was given to be saved.
    saved_s: AtomicU64,
}

impl SeenTime {
    /// With the greatest time that a former run has saved; 0 without one.
    pub fn new(saved_s: u64) -> SeenTime {
        let saved_s = saved_s.min(LATEST_S);
        SeenTime {
            ahead_s: AtomicU64::new(saved_s.saturating_sub(monotonic_s())),
            saved_s: AtomicU64::new(saved_s),
        }
    }

    /// The present time, in seconds since 1970.
    pub fn now_s(&self) -> u64 {
        self.now_by(clock::wall_s(), clock::is_synchronised(), monotonic_s())
    }

    fn now_by(&self, wall_s: u64, is_synchronised: bool, monotonic_s: u64) -> u64 {
        let seen_s = self.ahead_s.load(Ordering::Relaxed) + monotonic_s;
        let (now_s, is_remembered) = judge_clock(wall_s, is_synchronised, monotonic_s, seen_s);
        if is_remembered {
            self.ahead_s.fetch_max(now_s.saturating_sub(monotonic_s), Ordering::Relaxed);
        }
        now_s
    }

    /// The time to save, in seconds since 1970.
    pub fn seen_s(&self) -> u64 {
        self.ahead_s.load(Ordering::Relaxed) + monotonic_s()
    }

    /// True once for each time that is to be saved.
    pub fn is_news(&self) -> bool {
        let (seen_s, saved_s) = (self.seen_s(), self.saved_s.load(Ordering::Relaxed));
        seen_s >= saved_s + SAVED_EVERY_S && self.saved_s.swap(seen_s, Ordering::Relaxed) == saved_s
    }
}

/// The present time, and whether it is remembered, for the time `seen_s` that was seen before.
fn judge_clock(wall_s: u64, is_synchronised: bool, monotonic_s: u64, seen_s: u64) -> (u64, bool) {
    let is_plausible = (EARLIEST_S..LATEST_S).contains(&wall_s);
    // Nothing was seen before, or only clocks that were not set.
    let is_first = seen_s < EARLIEST_S;
    let is_far = wall_s.saturating_sub(seen_s) > MOST_AHEAD_S;
    if wall_s <= seen_s || !is_plausible || (is_far && !is_first && !is_synchronised) {
        return (seen_s, false);
    }
    (wall_s, is_synchronised || monotonic_s >= SETTLED_S)
}

fn monotonic_s() -> u64 {
    clock::monotonic_us() / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: u64 = 1_795_000_000;
    const DAY: u64 = 24 * 3600;
    const UP: u64 = SETTLED_S;

    #[test]
    fn a_clock_is_believed_and_remembered_as_far_as_it_deserves() {
        for (case, wall_s, is_synchronised, monotonic_s, seen_s, expected) in [
            ("it goes on", SEEN + 1, true, UP, SEEN, (SEEN + 1, true)),
            ("set back", SEEN - DAY, true, UP, SEEN, (SEEN, false)),
            ("set back, and synchronised by nothing", SEEN - DAY, false, UP, SEEN, (SEEN, false)),
            ("two hours ahead at the boot: local time", SEEN + 7200, false, 20, SEEN, (SEEN + 7200, false)),
            ("no network time at all", SEEN + 7200, false, UP, SEEN, (SEEN + 7200, true)),
            (
                "no network time, and off for a year",
                SEEN + 365 * DAY,
                false,
                UP,
                SEEN,
                (SEEN + 365 * DAY, true),
            ),
            ("years ahead at the boot", SEEN + 4000 * DAY, false, 20, SEEN, (SEEN, false)),
            ("years ahead for good", SEEN + 4000 * DAY, false, UP, SEEN, (SEEN, false)),
            ("off for years", SEEN + 800 * DAY, true, 20, SEEN, (SEEN + 800 * DAY, true)),
            ("1970", 20, false, 20, SEEN, (SEEN, false)),
            ("1970, and nothing was seen", 20, false, 30, 30, (30, false)),
            ("the day systemd was built, and nothing was seen", EARLIEST_S - DAY, false, UP, UP, (UP, false)),
            ("the first start", SEEN, false, 20, 20, (SEEN, false)),
            ("the first start without network time", SEEN, false, UP, UP, (SEEN, true)),
            ("the first start, synchronised", SEEN, true, 20, 20, (SEEN, true)),
            ("only a clock that was not set was seen", SEEN, true, 20, EARLIEST_S - DAY, (SEEN, true)),
            ("beyond all belief", LATEST_S, true, UP, SEEN, (SEEN, false)),
        ] {
            assert_eq!(judge_clock(wall_s, is_synchronised, monotonic_s, seen_s), expected, "{case}");
        }
    }

    #[test]
    fn a_clock_that_is_wrong_at_the_start_is_forgotten_and_one_that_is_set_back_is_not() {
        let seen = SeenTime::new(0);
        assert_eq!(seen.now_by(SEEN + 7200, false, 20), SEEN + 7200);
        assert_eq!(seen.now_by(SEEN, true, 30), SEEN, "network time has come");
        assert_eq!(seen.now_by(SEEN + 900 * DAY, false, 40), SEEN + 10, "years ahead");
        assert_eq!(seen.now_by(SEEN - DAY, true, 50), SEEN + 20, "set back");
        assert_eq!(seen.now_by(0, false, 60), SEEN + 30);
        assert_eq!(seen.now_by(SEEN + 900 * DAY, true, 70), SEEN + 900 * DAY);
        // A file cannot claim any time.
        assert!(SeenTime::new(u64::MAX).seen_s() < LATEST_S + monotonic_s());
    }
}
