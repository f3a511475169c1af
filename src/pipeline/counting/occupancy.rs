//! Aggregates the occupancy of zones, detection by detection, into rows of five minutes. Pure.

use std::collections::BTreeMap;

use tallycam_base::ClockTime;
use tallycam_store::{OccupancySpan, Scene};

/// Length of a row, in microseconds of wall time.
const PERIOD_US: u64 = 300_000_000;
/// Interval at which the current row is recorded again, the same as that of the coverage in counts.db.
const TELL_US: u64 = 30_000_000;
/// The shorter interval if a zone has a new peak in that row.
const TELL_MORE_US: u64 = 5_000_000;
/// Across a longer gap between two detections the occupancy is unknown.
const LONGEST_STEP_US: u64 = 10_000_000;

/// The current rows.
#[derive(Debug, Default)]
pub struct OccupancyLog {
    rows: BTreeMap<u64, OccupancySpan>,
    period: Option<(u64, Scene)>,
    began_us: u64,
    told_us: u64,
    has_more: bool,
    /// Time of the last detection, and the occupancy of each zone.
    last: Option<(u64, Vec<(u64, u32)>)>,
}

impl OccupancyLog {
    /// Adds the occupancy of each zone in a detection. Returns the rows to record now.
    pub fn observe(&mut self, stamp: ClockTime, scene: Scene, zones: &[(u64, u32)]) -> Vec<OccupancySpan> {
        let now_us = stamp.monotonic_us;
        if let Some((last_us, inside)) = self.last.take() {
            let step_us = now_us.saturating_sub(last_us);
            for (zone, inside) in inside.into_iter().filter(|_| step_us <= LONGEST_STEP_US) {
                if let Some(row) = self.rows.get_mut(&zone) {
                    row.watched_us += step_us;
                    row.inside_us += step_us * u64::from(inside);
                }
            }
        }
        let period = Some((stamp.wall_us / PERIOD_US, scene));
        let mut due = Vec::new();
        if period != self.period {
            due = self.take();
            (self.period, self.began_us, self.told_us) = (period, now_us, now_us);
        }
        for &(zone, inside) in zones {
            let began_us = self.began_us;
            let row = self.rows.entry(zone).or_insert(OccupancySpan {
                zone,
                scene,
                monotonic_us: began_us,
                watched_us: 0,
                inside_us: 0,
                peak: 0,
                peak_after_us: 0,
            });
            if inside > row.peak {
                (row.peak, row.peak_after_us) = (inside, now_us.saturating_sub(began_us));
                self.has_more = true;
            }
        }
        self.last = Some((now_us, zones.to_vec()));
        let since_us = now_us.saturating_sub(self.told_us);
        if since_us >= TELL_US || (self.has_more && since_us >= TELL_MORE_US) {
            (self.told_us, self.has_more) = (now_us, false);
            due.extend(self.rows.values().copied());
        }
        due
    }

    /// Suspends until the next detection. The row keeps its data so far.
    pub fn pause(&mut self) {
        self.last = None;
    }

    /// Takes the current rows; the next detection starts new ones.
    pub fn take(&mut self) -> Vec<OccupancySpan> {
        (self.period, self.has_more) = (None, false);
        std::mem::take(&mut self.rows).into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn at(seconds: u64) -> ClockTime {
        ClockTime {
            monotonic_us: seconds * SECOND,
            wall_us: (900_000 + seconds) * SECOND,
            wall_trusted: true,
        }
    }

    fn figures(rows: &[OccupancySpan]) -> Vec<(u64, u64, u64, u32, u64)> {
        let row = |row: &OccupancySpan| {
            (row.zone, row.watched_us / SECOND, row.inside_us / SECOND, row.peak, row.peak_after_us / SECOND)
        };
        rows.iter().map(row).collect()
    }

    #[test]
    fn a_row_has_the_time_and_the_peak_of_five_minutes() {
        let mut log = OccupancyLog::default();
        let mut rows = Vec::new();
        for second in 0..300 {
            let inside = if (100..110).contains(&second) { 3 } else { 1 };
            let due = log.observe(at(second), Scene::Camera, &[(7, inside)]);
            assert!(due.iter().all(|row| row.monotonic_us == 0), "the same row again");
            rows = if due.is_empty() { rows } else { due };
        }
        // The last step belongs to the row that it ends.
        let last = log.observe(at(300), Scene::Camera, &[(7, 0)]);
        assert_eq!(figures(&last), [(7, 300, 320, 3, 100)]);
        assert_eq!(figures(&rows)[0].3, 3, "it was recorded before it was full");
        assert_eq!(figures(&log.take()), [(7, 0, 0, 0, 0)]);
    }

    #[test]
    fn a_peak_is_recorded_soon_and_a_gap_adds_no_time() {
        let mut log = OccupancyLog::default();
        assert_eq!(log.observe(at(0), Scene::Camera, &[(7, 0)]), []);
        assert_eq!(log.observe(at(4), Scene::Camera, &[(7, 2)]), []);
        assert_eq!(figures(&log.observe(at(5), Scene::Camera, &[(7, 2)])), [(7, 5, 2, 2, 4)]);
        assert_eq!(log.observe(at(6), Scene::Camera, &[(7, 1)]), [], "no more than before");
        log.pause();
        assert_eq!(log.observe(at(9), Scene::Camera, &[(7, 1)]), []);
        assert_eq!(figures(&log.observe(at(100), Scene::Camera, &[(7, 1)])), [(7, 6, 4, 2, 4)]);
        assert_eq!(log.observe(at(101), Scene::Sim, &[(9, 1)])[0].zone, 7, "another scene, another row");
    }
}
