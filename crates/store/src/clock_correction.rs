//! A store's view of the wall clock: whether its time is sure, and which rows a clock change moves.
//!
//! Pure, except for [`SystemClock`]. A wall time is a monotonic time plus the offset of this boot. A Pi has no clock
//! battery, so the offset may be wrong until the network sets the clock. Then it was wrong since the boot.
//!
//! Until the clock is known to be right, rows are *not sure*. If the offset changes by more than a second, all such
//! rows of this boot move with it.
//!
//! The clock is known to be right when the kernel reports it as synchronized, and its time is plausible and not
//! before the newest stored sure row. Then all rows of this boot become sure, and so are later ones. Sure rows never
//! move. If a sure clock is set, later rows follow it and earlier ones stay.

use tallycam_base::{ClockTime, clock};

/// A store's source of time; tests have a scripted one.
pub(super) trait Clock: Send {
    /// The current time.
    fn now(&self) -> ClockTime;
    /// Whether the kernel reports the wall clock as synchronized.
    fn is_synchronised(&self) -> bool;
    /// Identifies this boot of the machine.
    fn boot(&self) -> String;
}

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
            // Each run counts as a boot of its own, so no row is moved by mistake.
            "" => format!("unknown {} {}", std::process::id(), clock::wall_us()),
            id => id.to_owned(),
        }
    }
}

/// Smaller changes of the offset are adjustments of the clock, not steps.
const STEP_US: i64 = 1_000_000;

/// A store's view of the wall clock in this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WallClock {
    /// Wall time minus monotonic time, in microseconds.
    pub offset_us: i64,
    /// The clock is known to be right.
    pub is_sure: bool,
}

/// The consequence of an observation of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClockChange {
    /// No consequence.
    None,
    /// The unsure rows of this boot get their wall time again, and become sure if the clock is.
    Mend,
    /// A sure clock was set: new rows follow it.
    Step,
}

impl WallClock {
    /// Observes the clock. `newest_sure_us` is the newest sure wall time stored before this boot.
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

    /// The wall time of a `CLOCK_MONOTONIC` time; not before 1970.
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
    fn setting_an_unsure_clock_moves_its_rows() {
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
    fn an_impossible_time_is_not_sure() {
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
