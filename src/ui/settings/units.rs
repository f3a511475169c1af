//! Units of times and sizes, as the configuration writes them and as people read them. Pure.

/// Spelling in the configuration, name for people, and whether it is always offered.
pub(super) type Unit = (&'static str, &'static str, bool);

const TIMES: &[Unit] = &[
    ("ms", "milliseconds", false),
    ("s", "seconds", true),
    ("m", "minutes", true),
    ("h", "hours", true),
    ("d", "days", true),
];

pub(super) const SIZES: &[Unit] = &[
    ("B", "bytes", false),
    ("kB", "kB", false),
    ("MB", "MB", true),
    ("MiB", "MiB", false),
    ("GB", "GB", true),
    ("TB", "TB", true),
];

/// Units of durations up to `most` ("5m"); all if that is empty.
pub(super) fn times(most: &str) -> &'static [Unit] {
    let last = TIMES.iter().position(|(word, ..)| *word == split(most).1);
    &TIMES[..last.map_or(TIMES.len(), |last| last + 1)]
}

/// Splits "7d" into "7" and "d".
pub(super) fn split(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len()))
}

/// "7d" as "7 days"; any other text unchanged.
pub(super) fn in_words(text: &str) -> String {
    let (number, unit) = split(text);
    let known = TIMES.iter().chain(SIZES).find(|(word, ..)| *word == unit).filter(|_| !number.is_empty());
    known.map_or_else(
        || text.to_owned(),
        |(_, name, _)| {
            let name = if number == "1" { name.strip_suffix('s').unwrap_or(name) } else { name };
            format!("{number} {name}")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_read_as_people_do() {
        for (text, words) in [
            ("7d", "7 days"),
            ("1d", "1 day"),
            ("500MB", "500 MB"),
            ("0B", "0 bytes"),
            ("1.5s", "1.5 seconds"),
            ("never", "never"),
            ("", ""),
        ] {
            assert_eq!(in_words(text), words);
        }
        assert_eq!(times("1m").last().map(|unit| unit.1), Some("minutes"));
        assert_eq!(times("").len(), TIMES.len());
    }
}
