//! Durations as users write them: `"10s"`, `"500ms"`, `"1.5s"`, `"2m"`, `"1h"`, `"1h30m"`, `"7 days"`.

use std::time::Duration;

const UNITS: [(&[&str], f64); 6] = [
    (&["ms"], 0.001),
    (&["s", "sec", "second", "seconds"], 1.0),
    (&["m", "min", "minute", "minutes"], 60.0),
    (&["h", "hour", "hours"], 3600.0),
    (&["d", "day", "days"], 86_400.0),
    (&["w", "week", "weeks"], 604_800.0),
];

/// Reads a duration in whole nanoseconds, without signs and exponents. `None` for anything else, also without a unit
/// or above 10 000 years.
pub fn parse(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let after = after.trim_start();
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let seconds = UNITS.iter().find(|(names, _)| names.contains(&unit))?.1;
        let seconds = number.parse::<f64>().ok()? * seconds;
        if seconds > 86_400.0 * 366.0 * 10_000.0 {
            return None;
        }
        total = total.checked_add(Duration::try_from_secs_f64(seconds).ok()?)?;
        rest = after.trim_start();
    }
    Some(total)
}

/// Writes a duration in the largest unit that divides it; zero is `0s`. [`parse`] reads the same one (to the
/// nanosecond below a day).
pub fn format_duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds, time.subsec_nanos()) {
        (0, 0) => String::from("0s"),
        (_, 0) if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        (_, 0) if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        (_, 0) if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        (_, 0) => format!("{seconds}s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        (_, nanos) => format!("{}s", format!("{seconds}.{nanos:09}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_spellings_are_read() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("2m", 120_000),
            ("2min", 120_000),
            ("1h", 3_600_000),
            ("1.5s", 1500),
            (" 1h 30m ", 5_400_000),
            ("0s", 0),
            ("1d", 86_400_000),
            ("10 seconds", 10_000),
            ("7 days", 604_800_000),
            ("1 week", 604_800_000),
            ("0.1s", 100),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in [
            "",
            " ",
            "10",
            "s",
            "-1s",
            "+1s",
            "1e3s",
            "10 fortnights",
            "1..5s",
            ".",
            "9999999999d",
            "1s1",
            "NaNs",
            "1h-2m",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_largest_fitting_unit_is_written() {
        for text in ["0s", "10s", "90s", "2m", "1h", "3d", "500ms", "1.5s"] {
            assert_eq!(parse(text).map(format_duration).as_deref(), Some(text));
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_is_read_back(millis in 0u64..86_400_000) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format_duration(time)), Some(time));
        }

        #[test]
        fn no_text_causes_a_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
