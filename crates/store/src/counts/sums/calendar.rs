//! The local calendar: starts of hours, days, weeks and months in a time zone.
//!
//! Pure. Buckets of one size tile time, whatever the clocks do. Each moment is in exactly one of them, none is empty,
//! and each ends where the next starts.
//!
//! - An hour starts at every full hour of the wall clock and at every clock change. The repeated hour in autumn is
//!   two buckets. In zones that change by half an hour, there are two half-hour buckets.
//! - A day starts at the chosen hour of the wall clock. If that hour is skipped, it starts at the first moment after
//!   it; if it is repeated, at the first one. Days may have 23 to 25 hours.
//! - Weeks start on Monday, months on the 1st, at the hour at which days start.
//!
//! Times are microseconds since 1970; the calendar ends in the year 9999.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use crate::counts::BucketSize;

const HOUR_US: i64 = 3_600_000_000;
const MINUTE_US: i64 = 60_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Calendar {
    zone: TimeZone,
    day_starts: i8,
}

impl Calendar {
    /// The calendar of `zone`, with days from `day_starts` o'clock (0–23; larger values count as 23).
    pub fn new(zone: TimeZone, day_starts: u8) -> Calendar {
        Calendar { zone, day_starts: day_starts.min(23) as i8 }
    }

    /// Identifies the calendar: the zone, the hour, and a digest of the zone's clock changes. Governments change a
    /// zone's rules and keep its name.
    pub fn identity(&self) -> String {
        let from = instant(1_704_067_200_000_000); // 2024-01-01
        let mut digest = 0xcbf2_9ce4_8422_2325u64; // FNV-1a
        let mut add = |number: i64| {
            for byte in number.to_le_bytes() {
                digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        add(i64::from(self.zone.to_offset(from).seconds()));
        for change in self.zone.following(from).take(40) {
            add(change.timestamp().as_second());
            add(i64::from(change.offset().seconds()));
        }
        let name = self.zone.iana_name().unwrap_or("local");
        format!("{name} {:02}:00 {digest:016x}", self.day_starts)
    }

    /// The bucket that contains `at_us`: its start, and the start of the next one. A total is all of time.
    pub fn bucket(&self, size: BucketSize, at_us: i64) -> (i64, i64) {
        match size {
            BucketSize::Minutes(minutes) => self.minutes(at_us, minutes),
            BucketSize::Hour => self.hour(at_us),
            BucketSize::Day => self.day(at_us),
            BucketSize::Week => {
                let day = self.date(at_us);
                let monday =
                    add_saturating(day, Span::new().days(-i64::from(day.weekday().to_monday_zero_offset())));
                self.range_us(monday, add_saturating(monday, Span::new().days(7)))
            }
            BucketSize::Month => {
                let first = self.date(at_us).first_of_month();
                self.range_us(first, add_saturating(first, Span::new().months(1)))
            }
            BucketSize::Total => (i64::MIN, i64::MAX),
        }
    }

    /// The hour of the wall clock, 0–23.
    pub(crate) fn hour_of_day(&self, at_us: i64) -> u8 {
        self.zone.to_datetime(instant(at_us)).hour().unsigned_abs()
    }

    fn minutes(&self, at_us: i64, minutes: u8) -> (i64, i64) {
        let (hour, next) = self.hour(at_us);
        let length_us = i64::from(minutes.max(1)) * MINUTE_US;
        let offset_us = i64::from(self.zone.to_offset(instant(at_us)).seconds()) * 1_000_000;
        let start = at_us - (at_us + offset_us).rem_euclid(length_us);
        (start.max(hour), (start + length_us).min(next))
    }

    fn hour(&self, at_us: i64) -> (i64, i64) {
        let at = instant(at_us);
        let offset = i64::from(self.zone.to_offset(at).seconds()) * 1_000_000;
        let start = at_us - (at_us + offset).rem_euclid(HOUR_US);
        let end = start + HOUR_US;
        // The last clock change and the next one cut the hour short. Most hours have neither.
        let before = self.zone.to_offset(instant(start)).seconds();
        let after = self.zone.to_offset(instant(end)).seconds();
        if i64::from(before) * 1_000_000 == offset && i64::from(after) * 1_000_000 == offset {
            return (start, end);
        }
        let second_after = instant(at_us.div_euclid(1_000_000).saturating_add(1).saturating_mul(1_000_000));
        let last = self.zone.preceding(second_after).next().map(|t| t.timestamp().as_microsecond());
        let next = self.zone.following(at).next().map(|t| t.timestamp().as_microsecond());
        let last = last.filter(|&last| last <= at_us);
        (start.max(last.unwrap_or(start)), end.min(next.unwrap_or(end)))
    }

    fn day(&self, at_us: i64) -> (i64, i64) {
        let date = self.date(at_us);
        self.range_us(date, add_saturating(date, Span::new().days(1)))
    }

    /// The date of the day that contains `at_us`.
    fn date(&self, at_us: i64) -> Date {
        let mut date = self.zone.to_datetime(instant(at_us)).date();
        // The wall clock's date may be off by a day or so, because days start late and clocks go back.
        for _ in 0..3 {
            if self.day_start_us(date) <= at_us {
                break;
            }
            date = add_saturating(date, Span::new().days(-1));
        }
        for _ in 0..3 {
            let next = add_saturating(date, Span::new().days(1));
            if next == date || self.day_start_us(next) > at_us {
                break;
            }
            date = next;
        }
        date
    }

    fn range_us(&self, from: Date, to: Date) -> (i64, i64) {
        let start = self.day_start_us(from);
        // Only the last date has no next one.
        let end = if to > from { self.day_start_us(to) } else { i64::MAX };
        (start, end)
    }

    /// The start of the day of this date.
    fn day_start_us(&self, date: Date) -> i64 {
        let time = Time::new(self.day_starts, 0, 0, 0).unwrap_or_default();
        let at = self.zone.to_ambiguous_timestamp(date.to_datetime(time)).compatible();
        at.map_or(i64::MAX, |at| at.as_microsecond())
    }
}

/// `date` plus `span`; unchanged beyond the calendar's end.
fn add_saturating(date: Date, span: Span) -> Date {
    date.checked_add(span).unwrap_or(date)
}

/// The time as a timestamp, limited to the possible range.
fn instant(at_us: i64) -> Timestamp {
    Timestamp::from_microsecond(at_us).unwrap_or(if at_us < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZES: [BucketSize; 6] = [
        BucketSize::Minutes(5),
        BucketSize::Minutes(15),
        BucketSize::Hour,
        BucketSize::Day,
        BucketSize::Week,
        BucketSize::Month,
    ];
    /// Zones with today's rules, so that the tests need no time zone database.
    const ZONES: [(&str, &str); 8] = [
        ("UTC", "UTC0"),
        ("Europe/Berlin", "CET-1CEST,M3.5.0,M10.5.0/3"),
        ("Asia/Kathmandu", "<+0545>-5:45"),
        ("America/New_York", "EST5EDT,M3.2.0,M11.1.0"),
        ("Australia/Lord_Howe", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0"),
        ("America/St_Johns", "NST3:30NDT,M3.2.0,M11.1.0"),
        ("Pacific/Chatham", "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45"),
        ("America/Havana", "CST5CDT,M3.2.0/0,M11.1.0/1"),
    ];

    fn calendar(place: &str, day_starts: u8) -> Calendar {
        let (_, rules) = ZONES.iter().find(|(name, _)| *name == place).expect("a place of the list");
        Calendar::new(TimeZone::posix(rules).expect("rules"), day_starts)
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().expect("a time").as_microsecond()
    }

    /// Lengths in minutes of the buckets in `from..to`.
    fn lengths(calendar: &Calendar, size: BucketSize, from: &str, to: &str) -> Vec<i64> {
        let (mut place, to) = (at(from), at(to));
        let mut lengths = Vec::new();
        while place < to {
            let (start, end) = calendar.bucket(size, place);
            assert_eq!(start, place);
            lengths.push((end - start) / 60_000_000);
            place = end;
        }
        lengths
    }

    #[test]
    fn a_repeated_hour_is_two_buckets() {
        let berlin = calendar("Europe/Berlin", 0);
        assert_eq!(
            lengths(&berlin, BucketSize::Hour, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z").len(),
            25
        );
        assert_eq!(
            lengths(&berlin, BucketSize::Day, "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z"),
            [25 * 60, 24 * 60]
        );
        assert_eq!(
            lengths(&berlin, BucketSize::Day, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            [23 * 60]
        );
    }

    #[test]
    fn clocks_that_change_by_half_an_hour_make_short_hours() {
        let island = calendar("Australia/Lord_Howe", 0);
        // 2026-04-05: from 02:00 (UTC+11) back to 01:30 (UTC+10:30).
        let autumn = lengths(&island, BucketSize::Hour, "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z");
        assert_eq!(autumn, [60, 30, 60]);
        // 2026-10-04: from 02:00 (UTC+10:30) to 02:30 (UTC+11).
        let spring = lengths(&island, BucketSize::Hour, "2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z");
        assert_eq!(spring, [60, 30, 60]);
    }

    #[test]
    fn quarters_follow_the_wall_clock() {
        let kathmandu = calendar("Asia/Kathmandu", 0);
        let quarter = kathmandu.bucket(BucketSize::Minutes(30), at("2026-05-01T12:00:00Z"));
        assert_eq!(quarter, (at("2026-05-01T11:45:00Z"), at("2026-05-01T12:15:00Z")));
        let berlin = calendar("Europe/Berlin", 0);
        let night = lengths(&berlin, BucketSize::Minutes(15), "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(night, [15; 100], "the repeated hour has quarters of its own");
    }

    #[test]
    fn hours_follow_the_wall_clock() {
        let kathmandu = calendar("Asia/Kathmandu", 0);
        let (start, end) = kathmandu.bucket(BucketSize::Hour, at("2026-05-01T12:00:00Z"));
        assert_eq!((start, end), (at("2026-05-01T11:15:00Z"), at("2026-05-01T12:15:00Z")));
    }

    #[test]
    fn a_day_begins_at_the_chosen_hour() {
        let berlin = calendar("Europe/Berlin", 5);
        let day = |text| berlin.bucket(BucketSize::Day, at(text)).0;
        assert_eq!(day("2026-07-02T02:59:59Z"), at("2026-07-01T03:00:00Z"));
        assert_eq!(day("2026-07-02T03:00:00Z"), at("2026-07-02T03:00:00Z"));
        assert_eq!(
            berlin.bucket(BucketSize::Week, at("2026-07-06T02:00:00Z")).1,
            at("2026-07-06T03:00:00Z"),
            "a Monday at 4 belongs to the week before"
        );
        assert_eq!(
            berlin.bucket(BucketSize::Month, at("2026-08-01T02:00:00Z")),
            (at("2026-07-01T03:00:00Z"), at("2026-08-01T03:00:00Z"))
        );
        // The skipped hour, and the repeated one.
        let at_two = calendar("Europe/Berlin", 2);
        assert_eq!(at_two.bucket(BucketSize::Day, at("2026-03-29T12:00:00Z")).0, at("2026-03-29T01:00:00Z"));
        assert_eq!(at_two.bucket(BucketSize::Day, at("2026-10-25T12:00:00Z")).0, at("2026-10-25T00:00:00Z"));
    }

    #[test]
    fn the_identity_tells_calendars_apart() {
        let mut all: Vec<String> = ZONES.iter().map(|zone| calendar(zone.0, 0).identity()).collect();
        all.push(calendar("UTC", 1).identity());
        all.sort();
        all.dedup();
        assert_eq!(all.len(), ZONES.len() + 1);
        assert_eq!(calendar("Europe/Berlin", 5).identity(), calendar("Europe/Berlin", 5).identity());
    }

    proptest! {
        #[test]
        fn buckets_tile_time(zone in 0..ZONES.len(), day_starts in 0u8..24, at_us in 0i64..4_000_000_000_000_000) {
            let calendar = calendar(ZONES[zone].0, day_starts);
            for size in SIZES {
                let (start, end) = calendar.bucket(size, at_us);
                prop_assert!(start <= at_us && at_us < end, "{size:?} {start} {at_us} {end}");
                prop_assert_eq!(calendar.bucket(size, start), (start, end));
                prop_assert_eq!(calendar.bucket(size, end - 1), (start, end));
                prop_assert_eq!(calendar.bucket(size, end).0, end);
                prop_assert_eq!(calendar.bucket(size, start - 1).1, start);
            }
            // Days consist of hours; weeks and months consist of days.
            let (day, next) = calendar.bucket(BucketSize::Day, at_us);
            prop_assert_eq!(calendar.bucket(BucketSize::Hour, day).0, day);
            prop_assert_eq!(calendar.bucket(BucketSize::Hour, next).0, next);
            for size in [BucketSize::Week, BucketSize::Month] {
                let (start, end) = calendar.bucket(size, at_us);
                prop_assert_eq!(calendar.bucket(BucketSize::Day, start).0, start);
                prop_assert_eq!(calendar.bucket(BucketSize::Day, end).0, end);
            }
        }

        /// Near the clock changes.
        #[test]
        fn buckets_tile_the_changes(zone in 0..ZONES.len(), day_starts in 0u8..24, change in 0usize..20, off in -90_000i64..90_000) {
            let calendar = calendar(ZONES[zone].0, day_starts);
            let from = instant(1_767_225_600_000_000);
            let change = calendar.zone.following(from).nth(change).map(|t| t.timestamp().as_second());
            let at_us = (change.unwrap_or(1_800_000_000) + off) * 1_000_000;
            for size in SIZES {
                let (start, end) = calendar.bucket(size, at_us);
                prop_assert!(start <= at_us && at_us < end);
                prop_assert_eq!(calendar.bucket(size, end).0, end);
                prop_assert_eq!(calendar.bucket(size, start - 1).1, start);
                if !matches!(size, BucketSize::Minutes(_)) {
                    prop_assert_eq!(calendar.bucket(BucketSize::Hour, start).0, start);
                    prop_assert_eq!(calendar.bucket(BucketSize::Minutes(15), start).0, start);
                }
            }
        }
    }
}
