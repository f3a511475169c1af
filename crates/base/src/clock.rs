//! The only module that reads a clock.
//!
//! A Raspberry Pi has no clock battery. After a power cut its wall clock may show 1970 or the last shutdown until the
//! network sets it. A [`ClockTime`] therefore carries both clocks, orders by the monotonic one only, and records
//! whether the wall clock was plausible.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// 2026-01-01T00:00:00Z in microseconds. This program is younger, so an earlier wall clock is not set yet.
pub const EARLIEST_PLAUSIBLE_US: u64 = 1_767_225_600_000_000;

/// One moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockTime {
    /// `CLOCK_MONOTONIC` in microseconds: V4L2 stamps frames with it, and stamps are ordered by it.
    pub monotonic_us: u64,
    /// Wall time in microseconds since 1970-01-01T00:00:00Z.
    pub wall_us: u64,
    /// The wall clock showed a plausible time.
    pub wall_trusted: bool,
}

impl ClockTime {
    /// The present moment.
    pub fn now() -> ClockTime {
        let wall_us = wall_us();
        ClockTime { monotonic_us: monotonic_us(), wall_us, wall_trusted: wall_us >= EARLIEST_PLAUSIBLE_US }
    }

    /// The stamp of an event at `monotonic_us`, as a driver reports it.
    ///
    /// A time in the future or more than ten seconds ago means that the driver uses another clock. The present moment
    /// replaces it.
    pub fn at_monotonic(monotonic_us: u64) -> ClockTime {
        let now = ClockTime::now();
        match now.monotonic_us.checked_sub(monotonic_us) {
            Some(age) if age < 10_000_000 => {
                ClockTime { monotonic_us, wall_us: now.wall_us.saturating_sub(age), ..now }
            }
            _ => now,
        }
    }

    /// Time since this stamp; zero for a stamp in the future.
    pub fn age(&self) -> Duration {
        Duration::from_micros(monotonic_us().saturating_sub(self.monotonic_us))
    }

    /// Monotonic time from `earlier` to this stamp; zero if `earlier` is later.
    pub fn since(&self, earlier: &ClockTime) -> Duration {
        Duration::from_micros(self.monotonic_us.saturating_sub(earlier.monotonic_us))
    }
}

/// `CLOCK_MONOTONIC` in microseconds.
pub fn monotonic_us() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000 + t.tv_nsec as u64 / 1_000
}

/// Wall time in microseconds since 1970; 0 for a clock set before that.
pub fn wall_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

/// Wall time in seconds since 1970.
pub fn wall_s() -> u64 {
    wall_us() / 1_000_000
}

/// Flag file that systemd-timesyncd creates once it has set the clock, and removes when it is switched off
/// (systemd-timesyncd.service(8)).
const SET_BY_TIMESYNCD: &str = "/run/systemd/timesync/synchronized";

/// Somebody has confirmed the wall clock since the start of the program.
static CONFIRMED: AtomicBool = AtomicBool::new(false);

/// The wall clock is right: NTP, PTP or GPS keeps it, or somebody has confirmed it.
pub fn is_synchronised() -> bool {
    CONFIRMED.load(Ordering::Relaxed) || is_set_by_network()
}

/// Counts the wall clock as right from now on, until the program ends.
pub fn confirm() {
    CONFIRMED.store(true, Ordering::Relaxed);
}

/// Sets the wall clock. False if the system does not let this program do it.
pub fn set_wall_us(wall_us: u64) -> bool {
    let (tv_sec, tv_nsec) = ((wall_us / 1_000_000) as i64, (wall_us % 1_000_000 * 1000) as i64);
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, rustix::time::Timespec { tv_sec, tv_nsec })
        .is_ok()
}

/// NTP, PTP or GPS keeps the wall clock right, according to the kernel (`STA_UNSYNC`, adjtimex(2)).
///
/// The service's sandbox forbids that call. There the flag file of systemd-timesyncd answers instead.
pub fn is_set_by_network() -> bool {
    // SAFETY: `timex` is plain numbers, for which zeros are valid; `modes` 0 only asks.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a whole `timex` that lives through the call.
    let answer = unsafe { libc::adjtimex(&mut state) };
    if answer == -1 {
        return std::path::Path::new(SET_BY_TIMESYNCD).exists();
    }
    state.status & libc::STA_UNSYNC == 0
}

/// `wall_us` as RFC 3339 in UTC with milliseconds, e.g. `2026-11-20T08:41:02.123Z`.
pub fn rfc3339(wall_us: u64) -> String {
    jiff::Timestamp::from_microsecond(wall_us as i64)
        .map_or_else(|_| String::from("1970-01-01T00:00:00.000Z"), |t| format!("{t:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_stamp_keeps_its_age() {
        let now = monotonic_us();
        let s = ClockTime::at_monotonic(now - 5_000);
        assert_eq!(s.monotonic_us, now - 5_000);
        assert!(s.age() >= Duration::from_millis(5));
        assert!(wall_us() - s.wall_us >= 5_000);
    }

    #[test]
    fn a_stamp_of_another_clock_is_replaced_by_now() {
        let now = monotonic_us();
        for foreign in [0, now + 60_000_000, wall_us()] {
            let s = ClockTime::at_monotonic(foreign);
            assert!(s.monotonic_us >= now, "{foreign} was believed");
        }
    }

    #[test]
    fn the_kernel_says_whether_the_clock_is_set_by_network() {
        // Reading the state changes nothing, so the answer stays the same.
        assert_eq!(is_synchronised(), is_synchronised());
        assert!(monotonic_us() <= monotonic_us());
    }

    #[test]
    fn rfc3339_has_milliseconds_and_zulu() {
        assert_eq!(rfc3339(1_767_225_600_123_456), "2026-01-01T00:00:00.123Z");
    }
}
