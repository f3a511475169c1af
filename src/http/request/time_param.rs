//! Times as people and programs write them in an address: `today`, `-7d`, `2026-11-20`, RFC 3339. Pure: callers pass
//! the current time.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::ui::LocalClock;

/// The allowed times, for error messages.
const EXPECTED: &str = "a time such as 2026-11-20T08:00:00Z, a date such as 2026-11-20, \
    today, yesterday 9:00, tomorrow, now, or a time ago such as -24h or -7d";

/// The same, for times before the epoch.
const FROM_1970: &str = "no earlier than 1970-01-01T00:00:00Z";

/// Reads `text`, the value of `key`, as microseconds of wall time.
///
/// A date, or a word like `today`, is the start of that day: `day_starts` hours after midnight by the clock. After the
/// word there may be a time of that date: `today 9:00`. A time without an offset is in the clock's zone. Minutes and
/// hours ago are exact durations; days and weeks ago are calendar days with the same time of day.
///
/// # Errors
/// The fault and the expected values, for any other text and for times before 1970.
pub fn instant(key: &'static str, text: &str, clock: &LocalClock) -> Result<u64, Problem> {
    let time = read(text.trim(), clock).ok_or_else(|| wrong_value(key, text, EXPECTED))?;
    // 1 January 1970 begins before the epoch east of Greenwich.
    u64::try_from(time.as_microsecond()).map_err(|_| wrong_value(key, text, FROM_1970))
}

/// The start of the current day, or of the day `from_today` days later, in microseconds of wall time.
pub fn day(clock: &LocalClock, from_today: i64) -> u64 {
    local_date(clock, from_today)
        .and_then(|date| begin(date, clock))
        .and_then(|time| u64::try_from(time.as_microsecond()).ok())
        .unwrap_or(0)
}

/// `time_us` as local time with its offset: `2026-11-20T08:00:00+01:00`.
pub fn local(time_us: u64, zone: &TimeZone) -> String {
    let time = Timestamp::from_microsecond(i64::try_from(time_us).unwrap_or(i64::MAX)).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// As [`local`], to the millisecond: `2026-11-20T08:00:00.975+01:00`.
pub fn local_exactly(time_us: u64, zone: &TimeZone) -> String {
    let time = Timestamp::from_microsecond(i64::try_from(time_us).unwrap_or(i64::MAX)).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S.%3f%:z").to_string()
}

/// The format that spreadsheets read as a time: `2026-11-20 08:00:00`, local, without an offset.
pub fn for_spreadsheets(time_us: u64, zone: &TimeZone) -> String {
    let time = Timestamp::from_microsecond(i64::try_from(time_us).unwrap_or(i64::MAX)).unwrap_or_default();
    time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The zone's name; if it has none or is unknown, its offset at `now_us`.
pub fn name_of(zone: &TimeZone, now_us: u64) -> String {
    zone.iana_name().filter(|_| !zone.is_unknown()).map_or_else(
        || {
            let now = local(now_us, zone);
            now.get(now.len().saturating_sub(6)..).unwrap_or_default().to_owned()
        },
        str::to_owned,
    )
}

fn read(text: &str, clock: &LocalClock) -> Option<Timestamp> {
    let (word, time) = text.split_once(' ').map_or((text, None), |(word, time)| (word, Some(time)));
    let from_today = match word {
        "now" if time.is_none() => return now(clock).map(|now| now.timestamp()),
        "today" => Some(0),
        "yesterday" => Some(-1),
        "tomorrow" => Some(1),
        _ => None,
    };
    if let Some(from_today) = from_today {
        let date = local_date(clock, from_today)?;
        let Some(time) = time else { return begin(date, clock) };
        let time: Time = format!("{time:0>5}").parse().ok()?;
        return Some(date.to_datetime(time).to_zoned(clock.zone.clone()).ok()?.timestamp());
    }
    if let Some(ago) = text.strip_prefix('-') {
        return before(ago, clock);
    }
    // In an address, an unescaped `+` means a space.
    let text = match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't']) => format!("{time}+{offset}"),
        _ => text.to_owned(),
    };
    if text.len() == "2026-11-20".len() {
        return begin(text.parse().ok()?, clock);
    }
    moment(&text, &clock.zone)
}

/// RFC 3339, or a date and a time of day in `zone`.
pub fn moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let time: DateTime = text.parse().ok().filter(|_| text.contains(['T', 't', ' ']))?;
    Some(time.to_zoned(zone.clone()).ok()?.timestamp())
}

fn now(clock: &LocalClock) -> Option<Zoned> {
    let now = Timestamp::from_microsecond(i64::try_from(clock.now_us).ok()?).ok()?;
    Some(now.to_zoned(clock.zone.clone()))
}

fn local_date(clock: &LocalClock, from_today: i64) -> Option<Date> {
    let now = now(clock)?;
    let late = if now.hour() < day_starts(clock) { 1 } else { 0 };
    now.date().checked_add(Span::new().try_days(from_today - late).ok()?).ok()
}

fn begin(date: Date, clock: &LocalClock) -> Option<Timestamp> {
    Some(date.at(day_starts(clock), 0, 0, 0).to_zoned(clock.zone.clone()).ok()?.timestamp())
}

fn day_starts(clock: &LocalClock) -> i8 {
    i8::try_from(clock.day_starts.min(23)).unwrap_or(0)
}

fn before(ago: &str, clock: &LocalClock) -> Option<Timestamp> {
    let unit = ago.chars().next_back()?;
    let number = ago.strip_suffix(unit)?;
    let number: i64 = Some(number).filter(|n| n.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    let now = now(clock)?;
    let then = match unit {
        'm' => now.checked_sub(SignedDuration::from_secs(number.checked_mul(60)?)),
        'h' => now.checked_sub(SignedDuration::from_secs(number.checked_mul(3600)?)),
        'd' => now.checked_sub(Span::new().try_days(number).ok()?),
        'w' => now.checked_sub(Span::new().try_weeks(number).ok()?),
        _ => return None,
    };
    Some(then.ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn clock(now: &str, day_starts: u8) -> LocalClock {
        let now: Timestamp = now.parse().unwrap();
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        LocalClock { now_us: now.as_microsecond() as u64, zone, day_starts }
    }

    fn at(text: &str, clock: &LocalClock) -> String {
        let time = instant("from", text, clock).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        Timestamp::from_microsecond(time as i64).unwrap().to_string()
    }

    #[test]
    fn words_dates_and_times() {
        let clock = clock("2026-11-20T08:30:00Z", 0);
        for (text, want) in [
            ("now", "2026-11-20T08:30:00Z"),
            ("today", "2026-11-19T23:00:00Z"),
            ("yesterday", "2026-11-18T23:00:00Z"),
            ("tomorrow", "2026-11-20T23:00:00Z"),
            ("yesterday 9:00", "2026-11-19T08:00:00Z"),
            ("today 23:59", "2026-11-20T22:59:00Z"),
            ("-24h", "2026-11-19T08:30:00Z"),
            ("-90m", "2026-11-20T07:00:00Z"),
            ("-7d", "2026-11-13T08:30:00Z"),
            ("-2w", "2026-11-06T08:30:00Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            ("2026-07-01", "2026-06-30T22:00:00Z"),
            ("2026-11-20T08:00", "2026-11-20T07:00:00Z"),
            ("2026-11-20T08:00:00Z", "2026-11-20T08:00:00Z"),
            ("2026-11-20T08:00:00+02:00", "2026-11-20T06:00:00Z"),
            ("2026-11-20T08:00:00 02:00", "2026-11-20T06:00:00Z"),
            ("2026-11-20T08:00:00.25Z", "2026-11-20T08:00:00.25Z"),
        ] {
            assert_eq!(at(text, &clock), want, "{text}");
        }
    }

    #[test]
    fn days_begin_at_the_configured_hour() {
        let early = clock("2026-11-20T02:30:00Z", 4);
        assert_eq!(at("today", &early), "2026-11-19T03:00:00Z");
        assert_eq!(at("2026-11-20", &early), "2026-11-20T03:00:00Z");
        let later = clock("2026-11-20T03:00:00Z", 4);
        assert_eq!(at("today", &later), "2026-11-20T03:00:00Z");
        assert_eq!(day(&later, 0), instant("from", "today", &later).unwrap());
        assert_eq!(at("tomorrow", &later), "2026-11-21T03:00:00Z");
    }

    #[test]
    fn a_day_ago_is_a_day_on_the_calendar() {
        // The night to 2026-10-25 has 25 hours.
        let clock = clock("2026-10-25T11:00:00Z", 0);
        assert_eq!(at("-1d", &clock), "2026-10-24T10:00:00Z");
        assert_eq!(at("-24h", &clock), "2026-10-24T11:00:00Z");
    }

    #[test]
    fn anything_else_is_refused_with_what_is_expected() {
        let clock = clock("2026-11-20T08:30:00Z", 0);
        for text in [
            "",
            "soon",
            "now 9:00",
            "today 9",
            "today 25:00",
            "-",
            "-d",
            "-7",
            "-7y",
            "--7d",
            "-+7d",
            "7d",
            "2026-13-01",
            "1969-12-31",
            "20261120x",
            "-99999999999999999999d",
            "-9223372036854775807h",
            "2026-11-20T99:00",
        ] {
            let wrong = instant("from", text, &clock).unwrap_err();
            assert!(wrong.detail.starts_with("`from`"), "{wrong:?}");
        }
    }

    #[test]
    fn times_before_1970_are_refused() {
        let clock = clock("2026-11-20T08:30:00Z", 0);
        for text in ["1970-01-01", "1969-12-31", "1969-12-31T23:59:59Z", "-5000w"] {
            let wrong = instant("from", text, &clock).unwrap_err();
            assert!(wrong.detail.ends_with("should be no earlier than 1970-01-01T00:00:00Z"), "{wrong:?}");
        }
        assert_eq!(at("1970-01-02", &clock), "1970-01-01T23:00:00Z");
    }

    #[test]
    fn an_unknown_zone_has_no_name() {
        let named = |zone: &TimeZone| name_of(zone, 1_767_225_600_000_000);
        assert_eq!(named(&TimeZone::get("Asia/Kathmandu").unwrap()), "Asia/Kathmandu");
        assert_eq!(named(&TimeZone::unknown()), "+00:00");
    }

    #[test]
    fn times_for_tables_have_the_offset_of_their_season() {
        let zone = clock("2026-11-20T08:30:00Z", 0).zone;
        assert_eq!(local(1_767_225_600_000_000, &zone), "2026-01-01T01:00:00+01:00");
        assert_eq!(local(1_782_864_000_000_000, &zone), "2026-07-01T02:00:00+02:00");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,40}") {
            let _ = instant("from", &text, &clock("2026-11-20T08:30:00Z", 0));
        }
    }
}
