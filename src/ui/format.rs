//! Times and figures in words, the same on every page.

use std::future::Future;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

pub(crate) use tallycam_base::{as_sentence, capital, sentence};
use tallycam_camera::media::SourceErrorKind;
use tallycam_store::Gap;

/// The moment on the local clock of `zone`; 1970 if no calendar contains it.
pub(super) fn to_zoned(us: u64, zone: &TimeZone) -> Zoned {
    let us = i64::try_from(us).unwrap_or_default();
    Timestamp::from_microsecond(us).unwrap_or_default().to_zoned(zone.clone())
}

/// Microseconds since 1970; 0 before.
pub(super) fn micros(at: &Zoned) -> u64 {
    u64::try_from(at.timestamp().as_microsecond()).unwrap_or_default()
}

/// As in `2026-11-20T13:00:00Z`, the form of the API's addresses, which needs no escaping.
pub(super) fn rfc3339(us: u64) -> String {
    format!("{:.0}", Timestamp::from_microsecond(i64::try_from(us).unwrap_or_default()).unwrap_or_default())
}

/// As in "14:02".
pub(super) fn minute(at: &Zoned) -> String {
    format!("{:02}:{:02}", at.hour(), at.minute())
}

/// As in "14:02:37".
pub(super) fn second(at: &Zoned) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// The name of a class; motion knows no classes.
pub(super) fn class_name(class: &str) -> &str {
    if class == "moving" { "object" } else { class }
}

/// The weekdays of the heat map.
pub(super) const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// As in "12 Nov".
pub(super) fn day(at: &Zoned) -> String {
    at.strftime("%-d %b").to_string()
}

/// As in "Thursday 12 November".
pub(super) fn format_long_day(at: &Zoned) -> String {
    at.strftime("%A %-d %B").to_string()
}

/// A moment, as short as it is clear at `now`: "14:02" today, else "12 Nov 14:02", with the year if it is another.
pub(super) fn format_when(at: &Zoned, now: &Zoned) -> String {
    if at.date() == now.date() {
        minute(at)
    } else if at.year() == now.year() {
        format!("{} {}", day(at), minute(at))
    } else {
        format!("{} {} {}", day(at), at.year(), minute(at))
    }
}

/// A duration: "41 s", "79 min", "7 h 58", "12 days".
pub(super) fn format_duration(us: u64) -> String {
    let seconds = (us + 500_000) / 1_000_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..7_200 => format!("{} min", (seconds + 30) / 60),
        7_200..172_800 => format!("{} h {:02}", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} days", (seconds + 43_200) / 86_400),
    }
}

/// The start of counting, if it is among `gaps`, oldest first. It is the end of the adjacent gaps that begin with the
/// one before the start of counting.
pub(super) fn began_us(gaps: &[Gap]) -> Option<u64> {
    let first = gaps.iter().position(|gap| gap.why == "not_begun")?;
    let joined = |end: u64, gap: &Gap| if gap.from_us <= end { end.max(gap.to_us) } else { end };
    Some(gaps[first..].iter().fold(gaps[first].to_us, joined))
}

/// A shorter time without counting is of no interest to people, in microseconds.
pub(super) const LEAST_GAP_US: u64 = 60_000_000;

/// True for a gap that is long enough for a list.
pub(super) fn is_listed(gap: &Gap) -> bool {
    gap.to_us.saturating_sub(gap.from_us) >= LEAST_GAP_US
}

/// True for a gap before the start of counting, when nothing was to be counted.
pub(super) fn is_before_begin(gap: &Gap, began_us: Option<u64>) -> bool {
    began_us.is_some_and(|us| gap.to_us <= us)
}

/// The words for a gap's reason in counts.db.
pub(super) fn not_counted_reason(word: &str) -> String {
    match word {
        "off" => "tallycam off".into(),
        "not_begun" => "counting had not started".into(),
        "paused" => "paused".into(),
        "no_line" => "no line".into(),
        "no_class" => "class not detected".into(),
        "no_model" => "no usable model".into(),
        // Builds before 0.1.0 wrote "asleep", "waking" and "ledger".
        "idle" | "starting" | "asleep" | "waking" => "waiting for the camera".into(),
        "counts_db" | "ledger" => "disk full or failing".into(),
        word => match SourceErrorKind::ALL.into_iter().find(|kind| kind.as_str() == word) {
            Some(kind) => kind.headline().to_lowercase(),
            None => word.replace('_', " "),
        },
    }
}

/// A share of 1 as "91 %". Only a full share is 100, and only an empty one 0.
pub(super) fn percent(share: f64) -> String {
    let percent = (share * 100.0).round();
    let percent = if share > 0.0 && percent < 1.0 {
        1.0
    } else if share < 0.999 && percent >= 100.0 {
        99.0
    } else {
        percent
    };
    format!("{percent:.0} %")
}

/// The change from `before` to `now`: "▲ 10 %", "▼ 2 %", "0 %".
pub(super) fn format_change(now: u64, before: u64) -> Option<String> {
    if before == 0 {
        return None;
    }
    let percent = ((now as f64 / before as f64 - 1.0) * 100.0).round();
    let arrow = if percent == 0.0 {
        ""
    } else if percent > 0.0 {
        "▲ "
    } else {
        "▼ "
    };
    Some(format!("{arrow}{:.0} %", percent.abs()))
}

/// As [`sentence`], for a text that may be absent.
pub(super) fn maybe_sentence(text: &Option<String>) -> String {
    text.as_deref().map(sentence).unwrap_or_default()
}

/// As in "8.9 MB".
pub(super) fn bytes(bytes: u64) -> String {
    let mega = bytes as f64 / 1e6;
    if mega >= 100.0 { format!("{mega:.0} MB") } else { format!("{mega:.1} MB") }
}

/// Bytes in a suitable unit: "212 kB", "8.9 MB", "18.4 GB". `page.js` formats alike.
pub(super) fn size(bytes: u64) -> String {
    let of = |unit: f64| bytes as f64 / unit;
    match bytes {
        0 => "0 bytes".into(),
        1..999_500 => format!("{:.0} kB", of(1e3).max(1.0)),
        999_500..9_950_000 => format!("{:.1} MB", of(1e6)),
        9_950_000..999_500_000 => format!("{:.0} MB", of(1e6)),
        _ if of(1e9) < 99.95 => format!("{:.1} GB", of(1e9)),
        _ => format!("{:.0} GB", of(1e9)),
    }
}

/// A time within a recording: "1:27", "1:02:05". `page.js` formats alike.
pub(super) fn format_time_in_recording(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

tokio::task_local! {
    /// The separator of thousands for the reader of the page that this task makes.
    static THOUSANDS: char;
    /// Their decimal sign is a comma.
    static HAS_DECIMAL_COMMAS: bool;
}

/// Makes a page for a reader who accepts these languages, the header `Accept-Language`.
pub async fn in_language<T>(accepted: Option<&str>, page: impl Future<Output = T>) -> T {
    let accepted = accepted.unwrap_or_default();
    let mark = thousands_in(accepted);
    // A program names no language.
    let has_commas = !matches!(mark, ',' | '’') && accepted.starts_with(char::is_alphabetic);
    THOUSANDS.scope(mark, HAS_DECIMAL_COMMAS.scope(has_commas, page)).await
}

/// The separator of the first language of `Accept-Language`; a narrow space if there is none.
fn thousands_in(accepted: &str) -> char {
    let first = accepted.split([',', ';']).next().unwrap_or_default().trim();
    let (language, region) = first.split_once('-').unwrap_or((first, ""));
    match (language, region) {
        ("" | "*" | "fr", _) => '\u{202f}',
        ("de" | "it", "CH" | "LI") => '’',
        ("es", "MX" | "US") => ',',
        ("de", "AT") | ("pt", "PT") => '\u{a0}',
        ("de" | "es" | "it" | "nl" | "da" | "pt" | "tr" | "el" | "id" | "ro" | "hr" | "sr", _) => '.',
        ("sl" | "is" | "vi" | "ca", _) => '.',
        ("sv" | "nb" | "nn" | "no" | "fi" | "cs" | "sk" | "pl" | "ru" | "uk", _) => '\u{a0}',
        ("bg" | "hu" | "lt" | "lv" | "et", _) => '\u{a0}',
        _ => ',',
    }
}

/// The reader's separator of thousands. `page.js` gets it and groups alike.
pub(super) fn thousands() -> char {
    THOUSANDS.try_with(|mark| *mark).unwrap_or('\u{202f}')
}

/// True if the reader's language writes a decimal comma, as those without a comma for thousands do.
pub fn has_decimal_commas() -> bool {
    HAS_DECIMAL_COMMAS.try_with(|is_so| *is_so).unwrap_or(false)
}

/// A number with the reader's separators for thousands: "7 236".
pub(super) fn format_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut apart = String::with_capacity(digits.len() * 2);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            apart.push(thousands());
        }
        apart.push(digit);
    }
    apart
}

/// As in "4 in, 2 out".
pub(super) fn format_sums((count_in, out): (u64, u64)) -> String {
    format!("{} in, {} out", format_thousands(count_in), format_thousands(out))
}

/// As in "1 recording", "3 recordings".
pub(super) fn format_count(number: u64, one: &str) -> String {
    let more = if number == 1 { "" } else { "s" };
    format!("{} {one}{more}", format_thousands(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_clear() {
        for (seconds, words) in [
            (0, "0 s"),
            (41, "41 s"),
            (90, "2 min"),
            (4_740, "79 min"),
            (28_680, "7 h 58"),
            (864_000, "10 days"),
        ] {
            assert_eq!(format_duration(seconds * 1_000_000), words);
        }
    }

    #[test]
    fn bytes_have_the_unit_that_suits_them() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (1, "1 kB"),
            (212_400, "212 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (8_900_000, "8.9 MB"),
            (27_300_000, "27 MB"),
            (999_499_999, "999 MB"),
            (18_400_000_000, "18.4 GB"),
            (512_000_000_000, "512 GB"),
        ] {
            assert_eq!(size(bytes), words);
        }
    }

    #[test]
    fn times_in_a_recording_look_as_in_a_player() {
        for (us, words) in [(0, "0:00"), (87_900_000, "1:27"), (3_725_000_000, "1:02:05")] {
            assert_eq!(format_time_in_recording(us), words);
        }
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, words) in
            [(0, "0"), (999, "999"), (7_236, "7\u{202f}236"), (1_234_567, "1\u{202f}234\u{202f}567")]
        {
            assert_eq!(format_thousands(number), words);
        }
        assert_eq!(format_count(1, "item"), "1 item");
        assert_eq!(format_count(0, "item"), "0 items");
    }

    #[test]
    fn thousands_are_those_of_the_reader() {
        for (accepted, mark) in [
            ("", '\u{202f}'),
            ("*", '\u{202f}'),
            ("en-US,en;q=0.9,de;q=0.8", ','),
            ("ja", ','),
            ("de", '.'),
            ("de-CH, de;q=0.9", '’'),
            ("fr-FR", '\u{202f}'),
            ("es-MX", ','),
            ("sv;q=0.9", '\u{a0}'),
        ] {
            assert_eq!(thousands_in(accepted), mark, "{accepted}");
        }
    }

    #[test]
    fn shares_are_100_or_0_only_when_exact() {
        for (share, words) in
            [(0.0, "0 %"), (0.001, "1 %"), (0.91, "91 %"), (0.998, "99 %"), (0.9995, "100 %"), (1.0, "100 %")]
        {
            assert_eq!(percent(share), words);
        }
    }

    #[test]
    fn changes_have_a_sign() {
        assert_eq!(format_change(11, 10).as_deref(), Some("▲ 10 %"));
        assert_eq!(format_change(98, 100).as_deref(), Some("▼ 2 %"));
        assert_eq!(format_change(1000, 1001).as_deref(), Some("0 %"));
        assert_eq!(format_change(5, 0), None);
    }

    #[test]
    fn reasons_of_gaps_are_words() {
        assert_eq!(not_counted_reason("no_line"), "no line");
        assert_eq!(not_counted_reason("not_begun"), "counting had not started");
        for kind in SourceErrorKind::ALL {
            assert_eq!(not_counted_reason(kind.as_str()), kind.headline().to_lowercase());
        }
        assert_eq!(not_counted_reason("moon_too_bright"), "moon too bright");
    }

    #[test]
    fn times_are_shown_in_their_zone() {
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        // 2026-11-12T13:02:37Z
        let at = to_zoned(1_794_488_557_000_000, &zone);
        assert_eq!(second(&at), "14:02:37");
        assert_eq!(format_long_day(&at), "Thursday 12 November");
        assert_eq!(day(&at), "12 Nov");
        assert_eq!(rfc3339(micros(&at)), "2026-11-12T13:02:37Z");
        assert_eq!(format_when(&at, &to_zoned(1_794_492_000_000_000, &zone)), "14:02");
        assert_eq!(format_when(&at, &to_zoned(1_794_592_000_000_000, &zone)), "12 Nov 14:02");
        assert_eq!(format_when(&at, &to_zoned(1_834_592_000_000_000, &zone)), "12 Nov 2026 14:02");
    }
}
