//! Opening hours: of buckets by the hour, what is between two hours of the clock on the wall, as longer buckets.

use jiff::civil::{Date, Weekday};

use super::range::{counting_day, day_start_us, days_before};
use crate::store::{BucketRow, Count};
use crate::ui::facts::Clock;
use crate::ui::format::to_zoned;

/// Whether a bucket begins between these hours.
pub(super) fn is_open(bucket: &BucketRow, (open, close): (u8, u8), clock: &Clock) -> bool {
    let hour = u8::try_from(to_zoned(bucket.start_us, &clock.zone).hour()).unwrap_or(0);
    (open..close).contains(&hour)
}

/// What is between these hours of `hourly`, as buckets of this kind (`hour`, `day`, `week` or `month`).
pub fn within_hours(hourly: Vec<BucketRow>, kind: &str, hours: (u8, u8), clock: &Clock) -> Vec<BucketRow> {
    let open = hourly.into_iter().filter(|bucket| is_open(bucket, hours, clock));
    if kind == "hour" {
        return open.collect();
    }
    // With each longer bucket its first day, and of how many hours it is.
    let mut longer: Vec<(Date, u32, BucketRow)> = Vec::new();
    for hour in open {
        let day = counting_day(hour.start_us, clock);
        let (first, next) = match kind {
            "week" => {
                let monday = days_before(day, i32::from(day.weekday().since(Weekday::Monday)));
                (monday, days_before(monday, -7))
            }
            "month" => (day.first_of_month(), days_before(day.last_of_month(), -1)),
            _ => (day, days_before(day, -1)),
        };
        match longer.last_mut().filter(|(own, ..)| *own == first) {
            Some((_, count, bucket)) => {
                *count += 1;
                bucket.covered += hour.covered;
                hour.counts.into_iter().for_each(|kind| add(&mut bucket.counts, kind));
            }
            None => {
                let (start_us, end_us) = (day_start_us(first, clock), day_start_us(next, clock));
                longer.push((first, 1, BucketRow { start_us, end_us, ..hour }));
            }
        }
    }
    let mean = |(_, count, bucket): (Date, u32, BucketRow)| BucketRow {
        covered: bucket.covered / f64::from(count),
        ..bucket
    };
    longer.into_iter().map(mean).collect()
}

fn add(counts: &mut Vec<Count>, kind: Count) {
    let is_same = |own: &&mut Count| {
        (own.line_id, own.direction, &own.class) == (kind.line_id, kind.direction, &kind.class)
    };
    match counts.iter_mut().find(is_same) {
        Some(own) => own.count += kind.count,
        None => counts.push(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::fixtures;

    #[test]
    fn a_day_is_what_was_counted_while_it_was_open() {
        let clock = fixtures::clock();
        let all = fixtures::hours(fixtures::MIDNIGHT, 24);
        let open = within_hours(all.clone(), "hour", (9, 18), &clock);
        assert_eq!(open.len(), 9);
        let day = within_hours(all, "day", (9, 18), &clock);
        let sum = |buckets: &[BucketRow]| -> u64 {
            buckets.iter().flat_map(|bucket| &bucket.counts).map(|kind| kind.count).sum()
        };
        assert_eq!((day.len(), sum(&day)), (1, sum(&open)));
        assert_eq!(day[0].end_us - day[0].start_us, 24 * 3_600_000_000);
        let covered: f64 = open.iter().map(|bucket| bucket.covered).sum();
        assert!((day[0].covered - covered / 9.0).abs() < 1e-9);
    }
}
