//! Opening hours: takes hourly buckets between two hours of the wall clock, and merges them into buckets of any size.
//! Pure.

use super::calendar::Calendar;
use crate::counts::{BucketRow, BucketSize, OccupancyRow};

/// The first hour, 0–23, and the closing hour, 1–24. If the second is not larger, the time spans midnight.
pub type OpeningHours = (u8, u8);

/// Whether `hour` is within the opening hours.
pub fn is_open((open, close): OpeningHours, hour: u8) -> bool {
    if open < close { (open..close).contains(&hour) } else { hour >= open || hour < close }
}

/// An hourly bucket that can be merged.
pub(crate) trait Bucket {
    /// Start and end, wall time in microseconds.
    fn bounds(&mut self) -> (&mut u64, &mut u64);
    /// Adds a further hour.
    fn add(&mut self, hour: Self);
    /// Completes the bucket. `hours` is the number of its hours that have begun.
    fn finish(&mut self, hours: u32);
}

/// Empty buckets with these bounds, wall times in microseconds.
pub(crate) fn empty_buckets<T: Bucket + Default>(bounds: &[(i64, i64)]) -> Vec<T> {
    let empty = |&(start_us, end_us): &(i64, i64)| {
        let mut bucket = T::default();
        let (start, end) = bucket.bounds();
        (*start, *end) = (start_us.max(0) as u64, end_us.max(0) as u64);
        bucket
    };
    bounds.iter().map(empty).collect()
}

/// All of these buckets as one.
pub(crate) fn total<T: Bucket + Clone + Default>(buckets: &[T]) -> T {
    let mut total = buckets.first().cloned().unwrap_or_default();
    for mut bucket in buckets.iter().skip(1).cloned() {
        let end_us = *bucket.bounds().1;
        *total.bounds().1 = end_us;
        total.add(bucket);
    }
    total.finish(0);
    total
}

/// The size of the buckets to be read before those outside the opening hours are left out.
pub(crate) fn read_size(size: BucketSize, hours: Option<OpeningHours>) -> BucketSize {
    if hours.is_some() && !matches!(size, BucketSize::Minutes(_)) { BucketSize::Hour } else { size }
}

/// Merges the buckets of `hourly` (in order) that are within `hours` into buckets of this size. Buckets without an
/// open hour are left out. Without `hours` the input is returned unchanged.
pub(crate) fn open_buckets<T: Bucket>(
    hourly: Vec<T>,
    size: BucketSize,
    hours: Option<OpeningHours>,
    calendar: &Calendar,
    now_us: i64,
) -> Vec<T> {
    let Some(hours) = hours else { return hourly };
    let mut buckets: Vec<((i64, i64), u32, T)> = Vec::new();
    for mut hour in hourly {
        let (&mut start_us, &mut end_us) = hour.bounds();
        let at_us = i64::try_from(start_us).unwrap_or(i64::MAX);
        if !is_open(hours, calendar.hour_of_day(at_us)) {
            continue;
        }
        let begun = u32::from(at_us < now_us);
        let whole = calendar.bucket(size, at_us);
        match buckets.last_mut().filter(|(bounds, ..)| *bounds == whole && size != BucketSize::Hour) {
            Some((_, count, bucket)) => {
                *count += begun;
                bucket.add(hour);
                if size == BucketSize::Total {
                    *bucket.bounds().1 = end_us;
                }
            }
            None => {
                if !matches!(size, BucketSize::Minutes(_) | BucketSize::Hour | BucketSize::Total) {
                    let (start, end) = hour.bounds();
                    (*start, *end) = (whole.0.max(0) as u64, whole.1.max(0) as u64);
                }
                buckets.push((whole, begun, hour));
            }
        }
    }
    let finished = buckets.into_iter().map(|(_, count, mut bucket)| {
        bucket.finish(count);
        bucket
    });
    finished.collect()
}

impl Bucket for BucketRow {
    fn bounds(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.start_us, &mut self.end_us)
    }

    fn add(&mut self, hour: BucketRow) {
        self.covered += hour.covered;
        for count in hour.counts {
            let key = (count.line_id, &count.class, count.direction);
            match self.counts.binary_search_by(|own| (own.line_id, &own.class, own.direction).cmp(&key)) {
                Ok(at) => self.counts[at].count += count.count,
                Err(at) => self.counts.insert(at, count),
            }
        }
    }

    fn finish(&mut self, hours: u32) {
        self.covered /= f64::from(hours.max(1));
    }
}

impl Bucket for OccupancyRow {
    fn bounds(&mut self) -> (&mut u64, &mut u64) {
        (&mut self.start_us, &mut self.end_us)
    }

    fn add(&mut self, hour: OccupancyRow) {
        let inside = self.mean * self.watched_us as f64 + hour.mean * hour.watched_us as f64;
        self.watched_us += hour.watched_us;
        self.mean = inside / self.watched_us.max(1) as f64;
        if hour.peak > self.peak {
            (self.peak, self.peak_us) = (hour.peak, hour.peak_us);
        }
    }

    fn finish(&mut self, _: u32) {}
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::tz::TimeZone;

    use super::*;
    use crate::counts::Count;
    use tallycam_vision::Direction;

    const HOUR_US: u64 = 3_600_000_000;

    fn count(line_id: u64, count: u64) -> Count {
        Count { line_id, line: Arc::from(""), class: Arc::from("person"), direction: Direction::In, count }
    }

    /// Two days of hours: one on line 1 in each hour, and one on line 2 in each even hour.
    fn hourly(now_hour: u64) -> Vec<BucketRow> {
        let row = |hour: u64| BucketRow {
            start_us: hour * HOUR_US,
            end_us: (hour + 1) * HOUR_US,
            covered: match hour {
                _ if hour >= now_hour => 0.0,
                _ if hour.is_multiple_of(2) => 1.0,
                _ => 0.5,
            },
            counts: if hour.is_multiple_of(2) { vec![count(1, 1), count(2, 1)] } else { vec![count(1, 1)] },
        };
        (0..48).map(row).collect()
    }

    fn opened(size: BucketSize, now_hour: u64) -> Vec<(u64, u64, f64, Vec<u64>)> {
        opened_between((9, 13), 0, size, now_hour)
    }

    fn opened_between(
        hours: OpeningHours,
        day_starts: u8,
        size: BucketSize,
        now_hour: u64,
    ) -> Vec<(u64, u64, f64, Vec<u64>)> {
        let calendar = Calendar::new(TimeZone::UTC, day_starts);
        let rows = open_buckets(hourly(now_hour), size, Some(hours), &calendar, (now_hour * HOUR_US) as i64);
        let told = |row: BucketRow| {
            let counts = row.counts.iter().map(|count| count.count).collect();
            (row.start_us / HOUR_US, row.end_us / HOUR_US, row.covered, counts)
        };
        rows.into_iter().map(told).collect()
    }

    #[test]
    fn a_day_has_the_counts_of_its_open_hours() {
        assert_eq!(opened(BucketSize::Hour, 99).len(), 8);
        let day = |first: u64| (first, first + 24, 0.75, vec![4, 2]);
        assert_eq!(opened(BucketSize::Day, 99), [day(0), day(24)]);
        assert_eq!(opened(BucketSize::Total, 99), [(9, 37, 0.75, vec![8, 4])]);
        // Future hours do not change the covered share.
        assert_eq!(opened(BucketSize::Day, 34)[1], (24, 48, 0.5, vec![4, 2]));
    }

    #[test]
    fn with_days_from_4_a_night_belongs_to_its_first_day() {
        let night = |day_starts| opened_between((22, 3), day_starts, BucketSize::Day, 99);
        // Two days from midnight: the hours 0 to 2 and 22 to 23 of each.
        assert_eq!(night(0), [(0, 24, 0.8, vec![5, 3]), (24, 48, 0.8, vec![5, 3])]);
        // Days from 4 o'clock: the end of a night, a whole night, and the start of one.
        let per_day: Vec<Vec<u64>> = night(4).into_iter().map(|(.., counts)| counts).collect();
        assert_eq!(per_day, [vec![3, 2], vec![5, 3], vec![2, 1]]);
    }

    #[test]
    fn the_mean_of_a_zone_is_weighted_by_watched_time() {
        let hour = |start: u64, watched_us, mean, peak| OccupancyRow {
            start_us: start * HOUR_US,
            end_us: (start + 1) * HOUR_US,
            watched_us,
            mean,
            peak,
            peak_us: start * HOUR_US + 5,
        };
        let calendar = Calendar::new(TimeZone::UTC, 0);
        let hours =
            vec![hour(8, 100, 9.0, 9), hour(9, 100, 1.0, 2), hour(10, 300, 3.0, 4), hour(11, 0, 0.0, 0)];
        let day = open_buckets(hours, BucketSize::Day, Some((9, 18)), &calendar, i64::MAX);
        let want = OccupancyRow {
            start_us: 0,
            end_us: 24 * HOUR_US,
            watched_us: 400,
            mean: 2.5,
            peak: 4,
            peak_us: 10 * HOUR_US + 5,
        };
        assert_eq!(day, [want]);
    }
}
