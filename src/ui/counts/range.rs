//! The query of the page `/counts`, parsed into spans of time.
//!
//! Pure: the present time is an argument. Days begin at [`LocalClock::day_starts`] of the local clock, whatever
//! daylight saving does to their length.

use jiff::ToSpan;
use jiff::civil::{Date, Weekday};

use crate::ui::chart::is_fine;
use crate::ui::facts::LocalClock;
use crate::ui::format::{micros, to_zoned};
use tallycam_base::json;
use tallycam_store::FlowEnds;

/// Longest range in days that is compared with the time before it: hours are read for both.
const MOST_COMPARED: i32 = 92;
/// Buckets of minutes, and the longest range in days that is shown by them.
const MINUTES: [(&str, i32); 3] = [("5min", 1), ("15min", 2), ("30min", 4)];
/// Longest range in days that is shown by the hour.
const MOST_HOURLY: i32 = 31;
/// Longest range in days that is shown by the day.
const MOST_DAILY: i32 = 800;
/// Longest range in days: 20 years.
const MOST: i32 = 7305;

/// A span of time and its buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateSpan {
    /// Start, in microseconds since 1970.
    pub from_us: u64,
    /// End, excluded.
    pub to_us: u64,
    /// `5min`, `15min`, `30min`, `hour`, `day`, `week` or `month`, as in `/api/v1/counts`.
    pub bucket: &'static str,
}

json::words! { Heatmap { In "in", Out "out", Both "both" } }

/// Direction that the heat map shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heatmap {
    In,
    Out,
    /// In and out together.
    Both,
}

/// The parsed query of the page, and the spans that must be read for it.
#[derive(Debug, Clone, PartialEq)]
pub struct CountsAsk {
    /// `today`, `yesterday`, `7d`, `30d`, `month`, `year` or `own`.
    pub range: &'static str,
    pub first: Date,
    /// The last day shown.
    pub last: Date,
    /// Limits the page to this line.
    pub line: Option<u64>,
    /// Limits the page to this class.
    pub class: Option<String>,
    /// The lines from and to which flows are shown; all, if there are none.
    pub ends: FlowEnds,
    pub heat: Heatmap,
    /// The shown span.
    pub shown: DateSpan,
    /// The shown span by the hour or finer, and the earlier span to compare it with, in the same way, which starts
    /// [`CountsAsk::days_back`] days before. `None` if it is too long to compare.
    pub compared: Option<[DateSpan; 2]>,
    /// Days between the shown span and the compared one. Whole weeks, so that weekdays match, unless another
    /// comparison was chosen.
    pub days_back: i32,
    /// The chosen comparison: `before`, `4w`, `year` or a date.
    pub with: Option<String>,
    /// Limits each day to the time between these local hours; `None` for all day.
    pub hours: Option<(u8, u8)>,
    /// The four weeks up to the last shown day, by the hour, for the heat map.
    pub weeks: DateSpan,
    /// Notes about ignored parts of the query, in sentences.
    pub misread: Vec<String>,
}

impl CountsAsk {
    /// Parses a query, except for the ends of flows. `query` returns the value of a name:
    ///
    /// - `range`; `from` and `to`, dates for `range=own`, both included. Dates alone also mean `own`.
    /// - `bucket`: `5min`, `15min`, `30min`, `hour`, `day`, `week` or `month`; default: as suits the range.
    /// - `line` (a number), `class`, `heat` (`in`, `out`, `both`), `open` and `close` (hours).
    /// - `with`: `week`, `before`, `4w`, `year`, or the first day of another time.
    ///
    /// Invalid values count as absent (today, all lines, all classes). For range, dates and line, `misread` says so.
    pub fn from_query<'a>(query: impl Fn(&str) -> Option<&'a str>, clock: &LocalClock) -> CountsAsk {
        let today = counting_day(clock.now_us, clock);
        let mut misread = Vec::new();
        let given = |name: &str| query(name).map(str::trim).filter(|text| !text.is_empty());
        let mut date = |name: &str| {
            let text = given(name)?;
            let date = text.parse::<Date>().ok();
            if date.is_none() {
                misread.push(format!("{text:?} is no date: write one such as 2026-11-20."));
            }
            date
        };
        let own = match given("range") {
            Some("own") | None => [date("from"), date("to")],
            _ => [None, None],
        };
        let range = given("range").unwrap_or(if own == [None, None] { "today" } else { "own" });
        let (range, first, last) = match range {
            "yesterday" => ("yesterday", days_before(today, 1), days_before(today, 1)),
            "7d" => ("7d", days_before(today, 6), today),
            "30d" => ("30d", days_before(today, 29), today),
            "month" => ("month", today.first_of_month(), today),
            "year" => ("year", today.first_of_year(), today),
            "own" => {
                let [from, to] = own;
                let last = to.or(from).unwrap_or(today);
                let first = from.unwrap_or(last);
                if first > last {
                    misread
                        .push(format!("{first} is later than {last}: they are taken the other way round."));
                }
                let (first, last) = (first.min(last), first.max(last));
                if last > today {
                    misread.push(String::from("Days to come have no figures: shown is up to today."));
                }
                let (first, last) = (first.min(today), last.min(today));
                let earliest = days_before(last, MOST);
                if first < earliest {
                    misread.push(format!("That is too long: shown is from {earliest} on."));
                }
                ("own", first.max(earliest), last)
            }
            "today" => ("today", today, today),
            other => {
                misread.push(format!("There is no range {other:?}: shown is today."));
                ("today", today, today)
            }
        };
        let line = given("line").and_then(|text| {
            let line = text.parse().ok();
            if line.is_none() {
                misread.push(format!("{text:?} is no line's number: shown are all lines."));
            }
            line
        });
        let days = days_between(first, last) + 1;
        let allowed = buckets_for(days);
        let wanted = query("bucket").unwrap_or_default();
        let usual =
            if days <= 2 { "hour" } else { allowed.iter().copied().find(|b| !is_fine(b)).unwrap_or("day") };
        let bucket = allowed.iter().copied().find(|bucket| *bucket == wanted).unwrap_or(usual);
        // Weeks and months are shown whole, so that figures and bars agree.
        let (first, last) = match bucket {
            "week" => (monday(first), days_before(monday(last), -6).min(today)),
            "month" => (first.first_of_month(), last.last_of_month().min(today)),
            _ => (first, last),
        };
        let days = days_between(first, last) + 1;
        let span = |from: Date, to: Date, bucket| DateSpan {
            from_us: day_start_us(from, clock),
            to_us: day_start_us(days_before(to, -1), clock),
            bucket,
        };
        let weeks = (days + 6) / 7;
        let with = given("with").filter(|with| *with != "week");
        let days_back = match with {
            None => weeks * 7,
            Some("before") => days,
            Some("4w") => (days + 27) / 28 * 28,
            Some("year") => (days + 363) / 364 * 364,
            Some(text) => {
                let other = text.parse::<Date>().ok().filter(|other| *other < first);
                if other.is_none() {
                    misread.push(format!("{text:?} is no day before {first} to compare with."));
                }
                other.map_or(weeks * 7, |other| days_between(other, first))
            }
        };
        let hour = |name: &str, usual: u8, most: u8| {
            given(name).map_or(Some(usual), |text| text.parse().ok().filter(|hour| *hour <= most))
        };
        let hours = match (hour("open", 0, 23), hour("close", 24, 24)) {
            (Some(0), Some(24)) => None,
            (Some(open), Some(close)) if open != close && days <= MOST_DAILY => {
                // A closing time of 0 means the end of the day, also for a night that would go on after it.
                let hours = (open, if close == 0 { 24 } else { close });
                if hours.0 > hours.1 && !(hours.1..=hours.0).contains(&clock.day_starts) {
                    misread.push(format!(
                        "Each day shows the hours before {:02}:00 and from {:02}:00 on. To keep a night together, \
                         change “Day begins at” in Settings.",
                        hours.1, hours.0
                    ));
                }
                Some(hours)
            }
            (Some(open), Some(close)) if open != close => {
                misread.push(format!("Hours can be chosen for up to {MOST_DAILY} days: shown is all day."));
                None
            }
            _ => {
                misread.push(String::from("The hours are none, or end where they begin: shown is all day."));
                None
            }
        };
        let compared = (days <= MOST_COMPARED).then(|| {
            let then = |day| days_before(day, days_back);
            let by = if is_fine(bucket) { bucket } else { "hour" };
            [span(first, last, by), span(then(first), then(last), by)]
        });
        CountsAsk {
            range,
            first,
            last,
            line,
            class: query("class").filter(|class| !class.is_empty()).map(str::to_owned),
            ends: FlowEnds::default(),
            heat: match query("heat").unwrap_or_default() {
                "in" => Heatmap::In,
                "out" => Heatmap::Out,
                _ => Heatmap::Both,
            },
            shown: span(first, last, bucket),
            compared,
            days_back,
            with: with.map(str::to_owned),
            hours,
            weeks: span(days_before(last, 27), last, "hour"),
            misread,
        }
    }

    /// The first and last day of the same number of days before and after the shown ones; `None` in the future. Whole
    /// months step by months.
    pub(in crate::ui) fn neighbours(&self, today: Date) -> [Option<(Date, Date)>; 2] {
        let is_month =
            self.first.day() == 1 && (self.range == "month" || self.last == self.last.last_of_month());
        let (before, after) = (days_before(self.first, 1), days_before(self.last, -1));
        let (before, after) = if is_month {
            let next = days_before(self.last.last_of_month(), -1);
            ((before.first_of_month(), before), (next, next.last_of_month()))
        } else {
            let days = days_between(self.first, self.last) + 1;
            ((days_before(self.first, days), before), (after, days_before(self.last, -days)))
        };
        [Some(before), (after.0 <= today).then_some((after.0, after.1.min(today)))]
    }

    /// The buckets that suit the shown days.
    pub(in crate::ui) fn buckets(&self) -> Vec<&'static str> {
        buckets_for(days_between(self.first, self.last) + 1)
    }
}

/// File name of an exported table, without its ending: `tallycam-Yard-2026-11-01..2026-11-30`.
pub fn export_name(camera: &str, from_us: u64, to_us: u64, clock: &LocalClock) -> String {
    let name: String = camera.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect();
    let name = Some(name.trim_matches('-')).filter(|name| !name.is_empty()).unwrap_or("camera");
    let (first, last) = (counting_day(from_us, clock), counting_day(to_us.saturating_sub(1), clock));
    format!("tallycam-{name}-{first}..{last}")
}

/// The buckets that suit a number of days.
fn buckets_for(days: i32) -> Vec<&'static str> {
    let coarse = [
        ("hour", days <= MOST_HOURLY),
        ("day", (2..=MOST_DAILY).contains(&days)),
        ("week", days >= 14),
        ("month", days >= 60),
    ];
    let fine = MINUTES.into_iter().map(|(bucket, most)| (bucket, days <= most));
    fine.chain(coarse).filter(|(_, suits)| *suits).map(|(bucket, _)| bucket).collect()
}

/// The day that a moment belongs to. Before the hour at which days begin it is still the day before.
pub(in crate::ui) fn counting_day(us: u64, clock: &LocalClock) -> Date {
    let at = to_zoned(us, &clock.zone);
    if at.hour() < i8::try_from(clock.day_starts).unwrap_or(0) {
        days_before(at.date(), 1)
    } else {
        at.date()
    }
}

/// The start of a day, in microseconds since 1970. If daylight saving skips that hour, the day starts an hour later.
pub(in crate::ui) fn day_start_us(day: Date, clock: &LocalClock) -> u64 {
    let hour = i8::try_from(clock.day_starts.min(23)).unwrap_or(0);
    let at = day.at(hour, 0, 0, 0);
    at.to_zoned(clock.zone.clone()).map_or(0, |at| micros(&at))
}

/// The date `days` earlier, or later if negative. At the ends of the calendar `day` itself.
pub(in crate::ui) fn days_before(day: Date, days: i32) -> Date {
    day.checked_sub(days.days()).unwrap_or(day)
}

fn days_between(first: Date, last: Date) -> i32 {
    last.since(first).map_or(0, |span| span.get_days())
}

fn monday(day: Date) -> Date {
    days_before(day, i32::from(day.weekday().since(Weekday::Monday)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use jiff::tz::TimeZone;

    use super::*;

    /// Friday 20 November 2026, 14:02 in Berlin.
    fn clock(day_starts: u8) -> LocalClock {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let now = "2026-11-20T14:02".parse::<jiff::civil::DateTime>().unwrap();
        LocalClock { now_us: micros(&now.to_zoned(zone.clone()).unwrap()), zone, day_starts }
    }

    fn ask(query: &str, clock: &LocalClock) -> CountsAsk {
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        CountsAsk::from_query(
            |name| pairs.iter().find(|(own, _)| *own == name).map(|(_, value)| *value),
            clock,
        )
    }

    /// A span in local time: "2026-11-20T00:00 2026-11-21T00:00 hour".
    fn told(span: &DateSpan, clock: &LocalClock) -> String {
        let local = |us| to_zoned(us, &clock.zone).strftime("%Y-%m-%dT%H:%M").to_string();
        format!("{} {} {}", local(span.from_us), local(span.to_us), span.bucket)
    }

    #[test]
    fn the_ranges() {
        let clock = clock(0);
        for (query, want) in [
            ("", "2026-11-20T00:00 2026-11-21T00:00 hour"),
            ("range=nonsense", "2026-11-20T00:00 2026-11-21T00:00 hour"),
            ("range=yesterday", "2026-11-19T00:00 2026-11-20T00:00 hour"),
            ("range=7d", "2026-11-14T00:00 2026-11-21T00:00 day"),
            ("range=7d&bucket=hour", "2026-11-14T00:00 2026-11-21T00:00 hour"),
            ("range=30d", "2026-10-22T00:00 2026-11-21T00:00 day"),
            ("range=month", "2026-11-01T00:00 2026-11-21T00:00 day"),
            // Monday of the first week.
            ("range=month&bucket=week", "2026-10-26T00:00 2026-11-21T00:00 week"),
            ("range=own&from=2026-03-29&to=2026-03-29", "2026-03-29T00:00 2026-03-30T00:00 hour"),
            ("range=own&from=2026-03-29", "2026-03-29T00:00 2026-03-30T00:00 hour"),
            ("from=2026-11-18&to=2026-11-18", "2026-11-18T00:00 2026-11-19T00:00 hour"),
            ("to=2026-11-18", "2026-11-18T00:00 2026-11-19T00:00 hour"),
            // Swapped dates, and dates in the future.
            ("range=own&from=2026-11-18&to=2026-11-14", "2026-11-14T00:00 2026-11-19T00:00 day"),
            ("range=own&from=2026-12-24&to=2026-11-18", "2026-11-18T00:00 2026-11-21T00:00 day"),
            ("range=own&from=2026-12-24&to=2026-12-25", "2026-11-20T00:00 2026-11-21T00:00 hour"),
            ("range=own&from=2026-11-18&to=2027-11-18", "2026-11-18T00:00 2026-11-21T00:00 day"),
            ("range=own&from=2020-02-10&to=2024-02-10", "2020-02-10T00:00 2024-02-12T00:00 week"),
            ("range=own&from=2020-02-10&to=2024-02-10&bucket=hour", "2020-02-10T00:00 2024-02-12T00:00 week"),
            (
                "range=own&from=2020-02-10&to=2024-02-10&bucket=month",
                "2020-02-01T00:00 2024-03-01T00:00 month",
            ),
            ("range=own&from=x&to=y", "2026-11-20T00:00 2026-11-21T00:00 hour"),
        ] {
            assert_eq!(told(&ask(query, &clock).shown, &clock), want, "{query}");
        }
    }

    #[test]
    fn ignored_parts_of_the_query_are_noted() {
        let clock = clock(0);
        for query in
            ["", "range=own", "range=&from=&to=&line=&class=", "range=7d&from=x", "from=2026-11-18", "line=3"]
        {
            assert_eq!(ask(query, &clock).misread, [""; 0], "{query}");
        }
        for (query, words) in [
            ("range=bogus", "no range"),
            ("from=x", "no date"),
            ("range=own&to=2026-02-30", "no date"),
            ("from=2026-11-18&to=2026-11-17", "the other way round"),
            ("from=2026-11-18&to=2026-12-01", "Days to come"),
            ("from=1970-01-01&to=2026-11-20", "too long"),
            ("line=abc", "no line's number"),
            ("with=2026-11-21", "no day before"),
            ("open=9&close=9", "end where they begin"),
            ("open=9&close=25", "The hours are none"),
            ("open=18&close=2", "Day begins at"),
            ("from=2022-01-01&to=2026-11-20&open=9", "up to 800 days"),
        ] {
            let told = ask(query, &clock).misread;
            assert!(told.len() == 1 && told[0].contains(words), "{query}: {told:?}");
        }
    }

    #[test]
    fn compared_spans_have_the_same_weekdays() {
        let clock = clock(0);
        for (query, days, want) in [
            ("", 7, "2026-11-13T00:00 2026-11-14T00:00 hour"),
            ("range=7d", 7, "2026-11-07T00:00 2026-11-14T00:00 hour"),
            ("range=30d", 35, "2026-09-17T00:00 2026-10-17T00:00 hour"),
            ("with=before", 1, "2026-11-19T00:00 2026-11-20T00:00 hour"),
            ("range=7d&with=4w", 28, "2026-10-17T00:00 2026-10-24T00:00 hour"),
            ("with=year", 364, "2025-11-21T00:00 2025-11-22T00:00 hour"),
            ("range=7d&with=2026-11-01", 13, "2026-11-01T00:00 2026-11-08T00:00 hour"),
        ] {
            let ask = ask(query, &clock);
            assert_eq!(ask.days_back, days);
            assert_eq!(told(&ask.compared.unwrap()[1], &clock), want, "{query}");
        }
        assert_eq!(ask("range=own&from=2020-01-01&to=2026-01-01", &clock).compared, None);
        assert_eq!(told(&ask("", &clock).weeks, &clock), "2026-10-24T00:00 2026-11-21T00:00 hour");
    }

    #[test]
    fn a_day_begins_at_the_configured_hour() {
        let mut clock = clock(5);
        assert_eq!(told(&ask("", &clock).shown, &clock), "2026-11-20T05:00 2026-11-21T05:00 hour");
        // Ten hours earlier it is 04:02: still yesterday.
        clock.now_us -= 10 * 3_600_000_000;
        assert_eq!(told(&ask("", &clock).shown, &clock), "2026-11-19T05:00 2026-11-20T05:00 hour");
    }

    #[test]
    fn neighbours_have_as_many_days_or_are_whole_months() {
        let clock = clock(0);
        let today: Date = "2026-11-20".parse().unwrap();
        for (query, before, after) in [
            ("", "2026-11-19 2026-11-19", None),
            ("range=yesterday", "2026-11-18 2026-11-18", Some("2026-11-20 2026-11-20")),
            ("range=7d", "2026-11-07 2026-11-13", None),
            ("from=2026-11-01&to=2026-11-15", "2026-10-17 2026-10-31", Some("2026-11-16 2026-11-20")),
            ("range=month", "2026-10-01 2026-10-31", None),
            ("from=2026-10-01&to=2026-10-31", "2026-09-01 2026-09-30", Some("2026-11-01 2026-11-20")),
        ] {
            let told = ask(query, &clock).neighbours(today).map(|days| days.map(|(a, b)| format!("{a} {b}")));
            assert_eq!(told, [Some(before.to_owned()), after.map(str::to_owned)], "{query}");
        }
    }

    #[test]
    fn an_exported_table_is_named_after_camera_and_days() {
        let clock = clock(0);
        let DateSpan { from_us, to_us, .. } = ask("range=7d", &clock).shown;
        assert_eq!(
            export_name("Back yard", from_us, to_us, &clock),
            "tallycam-Back-yard-2026-11-14..2026-11-20"
        );
        let day = |camera: &str| export_name(camera, from_us, from_us + 1, &clock);
        assert_eq!(day("前/Tür"), "tallycam-前-Tür-2026-11-14..2026-11-14");
        assert_eq!(day("../"), "tallycam-camera-2026-11-14..2026-11-14");
    }

    #[test]
    fn filters_are_taken_over_unchanged() {
        let clock = clock(0);
        let with = ask("line=3&class=cell phone&heat=out", &clock);
        assert_eq!(
            (with.line, with.class.as_deref(), with.heat),
            (Some(3), Some("cell phone"), Heatmap::Out)
        );
        assert_eq!(ask("open=9&close=18", &clock).hours, Some((9, 18)));
        assert_eq!(ask("open=18&close=2", &clock).hours, Some((18, 2)));
        let bar = self::clock(4);
        let night = ask("open=18&close=2", &bar);
        assert_eq!((night.hours, night.misread), (Some((18, 2)), Vec::<String>::new()));
        assert_eq!((ask("open=9", &clock).hours, ask("close=24", &clock).hours), (Some((9, 24)), None));
        let without = ask("line=x&class=&heat=", &clock);
        assert_eq!((without.line, without.class, without.heat), (None, None, Heatmap::Both));
    }
}
