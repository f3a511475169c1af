//! The wall clock as a store believes it: when it is sure, and what a change of it means.
//!
//! Pure, but for [`SystemClock`]. The wall time of anything is its monotonic time plus the offset
//! of this boot. A Pi has no clock battery, so that offset may be wrong until the network sets the
//! clock, and then it was wrong for all that was recorded since the boot:
//! - until the clock is known to be right, rows are *not sure*. If the clock is set (the offset
//!   changes by more than a second), every row of this boot that is not sure moves with it;
//! - it is known to be right when the kernel says that it is synchronised, it shows a plausible
//!   time, and not one before the newest sure row on record. Then all rows of this boot are sure,
//!   and so is everything later until the machine is started again: sure rows never move;
//! - if a sure clock is set, later rows follow it and earlier ones stay.

use crate::base::{ClockTime, clock};

/// Where a store has its time from; tests have a script instead.
pub(super) trait Clock: Send {
    /// The present moment.
    fn now(&self) -> ClockTime;
    /// Whether something keeps the wall clock right.
    fn is_synchronised(&self) -> bool;
    /// What tells this boot of the machine from every other.
    fn boot(&self) -> String;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> ClockTime {
        ClockTime::now()
    }

    fn is_synchronised(&self) -> bool {
        clock::is_synchronised()
    }

    fn boot(&self) -> String {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        match id.trim() {
            // A boot of its own for every run: nothing is ever mended by mistake.
            "" => format!("unknown {} {}", std::process::id(), clock::wall_us()),
            id => id.to_owned(),
        }
    }
}

/// Less than this is no change of the clock, but how it is kept.
const STEP_US: i64 = 1_000_000;

/// What a store believes of the wall clock in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WallClock {
    /// Wall time minus monotonic time, in microseconds.
    pub offset_us: i64,
    /// Whether it is known to be right.
    pub is_sure: bool,
}

/// What is to be done after a look at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockChange {
    /// Nothing.
    None,
    /// The rows of this boot that are not sure get their wall time again, and are sure if the clock is.
    Mend,
    /// A sure clock was set: new rows follow it.
    Step,
}

impl WallClock {
    /// Looks at the clock. `newest_sure_us` is the newest sure wall time on record before this boot.
    pub(super) fn observe(
        &mut self,
        now: ClockTime,
        is_synchronised: bool,
        newest_sure_us: i64,
    ) -> ClockChange {
        let offset_us = now.wall_us as i64 - now.monotonic_us as i64;
        let has_stepped = (offset_us - self.offset_us).abs() > STEP_US;
        if has_stepped {
            self.offset_us = offset_us;
        }
        if self.is_sure {
            return if has_stepped { ClockChange::Step } else { ClockChange::None };
        }
        self.is_sure = is_synchronised
            && now.wall_trusted
            && now.wall_us as i64 >= newest_sure_us.saturating_sub(STEP_US);
        if has_stepped || self.is_sure { ClockChange::Mend } else { ClockChange::None }
    }

    /// The wall time of a moment of `CLOCK_MONOTONIC`; not before 1970.
    pub(super) fn wall_us(&self, mono_us: i64) -> i64 {
        mono_us.saturating_add(self.offset_us).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;
    const RIGHT: i64 = 1_800_000_000 * S;

    fn stamp(mono: i64, wall: i64) -> ClockTime {
        ClockTime { monotonic_us: mono as u64, wall_us: wall as u64, wall_trusted: wall >= 1_767_225_600 * S }
    }

    #[test]
    fn a_clock_that_is_set_moves_what_is_not_sure() {
        let mut clock = WallClock { offset_us: 0, is_sure: false };
        assert_eq!(clock.observe(stamp(5 * S, 5 * S), false, 0), ClockChange::None);
        assert_eq!(clock.observe(stamp(6 * S, RIGHT), false, 0), ClockChange::Mend);
        assert!(!clock.is_sure, "a step is no proof");
        assert_eq!(clock.wall_us(5 * S), RIGHT - S);
        assert_eq!(clock.observe(stamp(7 * S, RIGHT + S), true, 0), ClockChange::Mend);
        assert!(clock.is_sure);
        assert_eq!(
            clock.observe(stamp(8 * S, RIGHT + 2 * S), false, 0),
            ClockChange::None,
            "sure until the next boot"
        );
    }

    #[test]
    fn a_sure_clock_moves_nothing() {
        let mut clock = WallClock { offset_us: RIGHT, is_sure: true };
        assert_eq!(clock.observe(stamp(S, RIGHT - 3600 * S), true, 0), ClockChange::Step);
        assert_eq!(clock.wall_us(S), RIGHT - 3600 * S);
    }

    #[test]
    fn what_cannot_be_right_is_not_believed() {
        let mut clock = WallClock { offset_us: 0, is_sure: false };
        assert_eq!(clock.observe(stamp(S, S), true, 0), ClockChange::None, "1970");
        assert_eq!(
            clock.observe(stamp(S, RIGHT), true, RIGHT + 5 * S),
            ClockChange::Mend,
            "before the newest row"
        );
        assert!(!clock.is_sure);
        assert_eq!(clock.observe(stamp(7 * S, RIGHT + 6 * S), true, RIGHT + 5 * S), ClockChange::Mend);
        assert!(clock.is_sure);
    }

    #[test]
    fn less_than_a_second_is_no_step() {
        let mut clock = WallClock { offset_us: RIGHT, is_sure: true };
        assert_eq!(clock.observe(stamp(S, RIGHT + S + S / 2), true, 0), ClockChange::None);
        assert_eq!(clock.offset_us, RIGHT);
    }

    #[test]
    fn the_machine_has_a_boot() {
        assert_eq!(SystemClock.boot(), SystemClock.boot());
        assert!(!SystemClock.boot().is_empty());
    }
}
