//! Rules for names, dates and notes, and free names in place of taken ones. Pure, except for the question whether a
//! name is taken.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};

use super::{MediaEdit, MediaError, MediaKind};
use tallycam_base::unicode::{is_blank, is_unseen_control};

/// Maximum characters of a name.
const LONGEST_NAME: usize = 200;
/// Maximum characters of a date.
const LONGEST_DATE: usize = 64;
/// Maximum characters of a note.
const LONGEST_NOTE: usize = 2000;

/// Checks a name. A valid one is stored unchanged.
pub(super) fn check_name(name: &str) -> Result<(), MediaError> {
    let wrong = match () {
        () if name.chars().all(is_blank) => "a name needs a character that can be seen",
        () if name.chars().count() > LONGEST_NAME => "a name has at most 200 characters",
        () if name.chars().any(is_unseen_control) => {
            "a name has no control characters, nor marks that are not seen, or turn or break the line it is in"
        }
        () if name.contains('/') => "a name is no path: it has no slash",
        () if name == "." || name == ".." => "a name is no path",
        () => return Ok(()),
    };
    Err(MediaError::Wrong(String::from(wrong)))
}

/// A stored name, which is never a path or an escape of a terminal: a name that [`check_name`] refuses, in a file of
/// another program, has underscores instead.
pub(super) fn cleaned(name: String) -> String {
    if check_name(&name).is_ok() {
        return name;
    }
    let is_odd = |letter: char| letter == '/' || is_unseen_control(letter) || is_blank(letter);
    let plain = name.chars().take(LONGEST_NAME).map(|letter| if is_odd(letter) { '_' } else { letter });
    match plain.collect::<String>() {
        plain if ["", ".", ".."].contains(&plain.as_str()) => String::from("_"),
        plain => plain,
    }
}

/// Checks the date of an item. Any words are valid, because the old program's index has such dates; see
/// [`check_day`].
pub(super) fn check_date(date: &str) -> Result<(), MediaError> {
    if date.chars().count() > LONGEST_DATE {
        return Err(MediaError::Wrong(String::from("a date has at most 64 characters")));
    }
    if date.chars().any(is_unseen_control) {
        return Err(MediaError::Wrong(String::from(
            "a date has no control characters, nor marks that are not seen",
        )));
    }
    if is_invalid_day(date) { Err(invalid_day(date)) } else { Ok(()) }
}

/// The field of an edit that is invalid.
pub fn wrong_field(edit: &MediaEdit) -> Option<&'static str> {
    let is_wrong = |text: &Option<String>, check: fn(&str) -> Result<(), MediaError>| {
        text.as_deref().is_some_and(|text| check(text).is_err())
    };
    let all = [
        ("name", is_wrong(&edit.name, check_name)),
        ("date", is_wrong(&edit.date, check_date)),
        ("note", is_wrong(&edit.note, check_note)),
    ];
    all.into_iter().find(|(_, is_wrong)| *is_wrong).map(|(field, _)| field)
}

/// Checks a date that a user sets now: a day, or a time on a day, that an item can have in `zone`.
///
/// # Errors
/// [`MediaError::Wrong`].
pub fn check_day(date: &str, zone: &TimeZone) -> Result<(), MediaError> {
    check_date(date)?;
    if edited_date(date, 0, zone).1.is_some() { Ok(()) } else { Err(invalid_day(date)) }
}

fn invalid_day(date: &str) -> MediaError {
    MediaError::Wrong(format!(
        "{date:?} is no date: there is no such day or time; write one such as 2026-11-20 or 2026-11-20T14:05"
    ))
}

/// Whether `date` has the form of a day or a time on a day but does not exist. Other texts are stored as words.
fn is_invalid_day(date: &str) -> bool {
    let is_written_so = |text: &str| {
        text.bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
    };
    let date = date.trim();
    match date.split_at_checked(10) {
        Some((day, "")) if is_written_so(day) => day.parse::<civil::Date>().is_err(),
        Some((day, time)) if is_written_so(day) && time.starts_with('T') => {
            parse_timestamp(date, &TimeZone::UTC).is_none()
        }
        _ => false,
    }
}

pub(super) fn check_note(note: &str) -> Result<(), MediaError> {
    if note.chars().count() > LONGEST_NOTE {
        return Err(MediaError::Wrong(String::from("a note has at most 2000 characters")));
    }
    if note.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(MediaError::Wrong(String::from("a note has no control characters but new lines")));
    }
    Ok(())
}

/// The default name: local time, and the extension of what is stored.
pub(super) fn default_name(kind: MediaKind, at_us: i64, zone: &TimeZone) -> String {
    let extension = match kind {
        MediaKind::Snapshot => "jpg",
        MediaKind::Recording => "avi",
    };
    format!("{}.{extension}", local(at_us, zone).strftime("%Y-%m-%d_%H-%M-%S"))
}

/// Whether `name` is [`default_name`] for this time, possibly with a number.
pub(super) fn is_default_name(name: &str, kind: MediaKind, at_us: i64, zone: &TimeZone) -> bool {
    let default = default_name(kind, at_us, zone);
    let (stem, extension) = split(&default);
    // Earlier versions called recordings `.mp4`.
    let end = name.strip_suffix(extension).or_else(|| name.strip_suffix(".mp4"));
    let number = end.and_then(|end| end.strip_prefix(stem));
    number.is_some_and(|number| {
        let digits = number.strip_prefix('-').unwrap_or("0");
        (number.is_empty() || number.starts_with('-'))
            && !digits.is_empty()
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The local day of a time.
pub(super) fn format_day(at_us: i64, zone: &TimeZone) -> String {
    local(at_us, zone).strftime("%Y-%m-%d").to_string()
}

/// The local time as part of a file name.
pub(super) fn format_stamp(at_us: i64, zone: &TimeZone) -> String {
    local(at_us, zone).strftime("%Y-%m-%d-%H%M%S").to_string()
}

fn local(at_us: i64, zone: &TimeZone) -> jiff::Zoned {
    Timestamp::from_microsecond(at_us).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(zone.clone())
}

/// A parsed date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParsedDate {
    /// A day, without a time.
    Day(civil::Date),
    /// A time on a day.
    Moment(Timestamp),
}

/// Parses a date: a day, or a time on a day, with an offset (`Z`, `+05:30`) or in `zone`. `None` for other words.
pub fn parse_date(date: &str, zone: &TimeZone) -> Option<ParsedDate> {
    // Ten characters are a day; the time parser would also accept it as midnight.
    match date.len() > 10 {
        true => parse_timestamp(date, zone).map(ParsedDate::Moment),
        false => date.parse().ok().map(ParsedDate::Day),
    }
}

fn parse_timestamp(date: &str, zone: &TimeZone) -> Option<Timestamp> {
    // A zone's name may contradict the offset beside it, and would be ignored.
    if date.contains('[') {
        return None;
    }
    // In a URL an unescaped `+` means a space.
    let date = match date.rsplit_once(' ') {
        Some((time, offset)) if time.contains(['T', 't']) => format!("{time}+{offset}"),
        _ => date.to_owned(),
    };
    // Tried first, because the second parser would ignore an offset.
    date.parse::<Timestamp>()
        .or_else(|_| date.parse::<civil::DateTime>()?.to_zoned(zone.clone()).map(|time| time.timestamp()))
        .ok()
}

/// The stored words of a new date, and the time that the item moves to, if the date is a day or a time. A day keeps
/// the time of day of `at_us`. The stored day of a time is its local day, as for other items. Other words are stored
/// unchanged.
pub(super) fn edited_date(date: &str, at_us: i64, zone: &TimeZone) -> (String, Option<i64>) {
    let moved = match parse_date(date, zone) {
        Some(ParsedDate::Day(day)) => day
            .to_datetime(local(at_us, zone).time())
            .to_zoned(zone.clone())
            .map(|time| time.timestamp())
            .ok(),
        Some(ParsedDate::Moment(moment)) => Some(moment),
        None => None,
    };
    match moved.map(Timestamp::as_microsecond) {
        Some(moved_us) if moved_us >= 0 => (format_day(moved_us, zone), Some(moved_us)),
        _ => (date.to_owned(), None),
    }
}

/// A free name `name-2`, `name-3` … (with the number before the extension). Found with few queries even if thousands
/// are taken.
pub(super) fn unused_name<E>(
    name: &str,
    mut is_taken: impl FnMut(&str) -> Result<bool, E>,
) -> Result<String, E> {
    let (stem, extension) = split(name);
    let numbered = |number: u64| {
        let end = format!("-{number}{extension}");
        let room = LONGEST_NAME.saturating_sub(end.chars().count());
        let stem: String = stem.chars().take(room).collect();
        format!("{stem}{end}")
    };
    // Number `taken` is taken and `free` is free.
    let (mut taken, mut free) = (1, 2);
    while is_taken(&numbered(free))? {
        (taken, free) = (free, free.saturating_mul(2));
    }
    while free - taken > 1 {
        let middle = taken + (free - taken) / 2;
        if is_taken(&numbered(middle))? {
            taken = middle;
        } else {
            free = middle;
        }
    }
    Ok(numbered(free))
}

/// The name without its extension, and the extension with its dot, which may be empty.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot)
            if dot > 0
                && (2..=6).contains(&name[dot..].len())
                && name[dot + 1..].chars().all(|c| c.is_ascii_alphanumeric()) =>
        {
            name.split_at(dot)
        }
        _ => (name, ""),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    const NOON: i64 = 1_795_176_787_000_000; // 2026-11-20T12:13:07Z

    fn free(name: &str, taken: &BTreeSet<String>) -> String {
        let asked: Result<String, Infallible> = unused_name(name, |name| Ok(taken.contains(name)));
        match asked {
            Ok(name) => name,
            Err(never) => match never {},
        }
    }

    #[test]
    fn names_are_refused_or_kept() {
        for name in [
            "a.jpg",
            "Ünïcode 😀.jpg",
            "it's \"quoted\"",
            "..jpg",
            " a ",
            "back\\slash",
            "a..b",
            "👩\u{200d}🔬.jpg",
            "; DROP TABLE",
            "%2e",
        ] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        let long = "x".repeat(201);
        for name in
            ["", "  ", ".", "..", "../a", "/etc/passwd", "a/b", "a\0b", "a\nb", "\u{7f}", "\u{85}", &long]
                .into_iter()
                .chain(["photo\u{202e}gpj.exe", "a\u{2028}b", "a\u{2029}b", "a\u{2066}b", "\u{200f}a"])
                .chain(["a\u{200b}b", "\u{feff}a", "a\u{2060}", "pho\u{ad}to", "\u{200d}"])
        {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"😀".repeat(200)).is_ok());
    }

    #[test]
    fn a_stored_name_is_never_a_path_or_an_escape() {
        for (stored, shown) in [
            ("../../etc/cron.d/x", ".._.._etc_cron.d_x"),
            ("\u{1b}[2Jdoor.jpg", "_[2Jdoor.jpg"),
            ("..", "_"),
            ("", "_"),
            ("door 1.jpg", "door 1.jpg"),
        ] {
            assert_eq!(cleaned(String::from(stored)), shown);
            assert!(check_name(shown).is_ok(), "{shown:?}");
        }
        assert!(check_name(&cleaned("x/".repeat(300))).is_ok());
    }

    #[test]
    fn unnamed_items_are_named_after_their_time() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        assert_eq!(default_name(MediaKind::Snapshot, NOON, &zone), "2026-11-20_13-13-07.jpg");
        assert_eq!(default_name(MediaKind::Recording, NOON, &zone), "2026-11-20_13-13-07.avi");
        for (name, is_default) in [
            ("2026-11-20_13-13-07.avi", true),
            ("2026-11-20_13-13-07-2.avi", true),
            ("2026-11-20_13-13-07-2.mp4", true),
            ("2026-11-20_13-13-07-a.avi", false),
            ("2026-11-20_13-13-08.avi", false),
        ] {
            assert_eq!(is_default_name(name, MediaKind::Recording, NOON, &zone), is_default, "{name}");
        }
        assert_eq!(format_day(NOON, &zone), "2026-11-20");
    }

    #[test]
    fn a_taken_name_gets_the_first_free_number() {
        let mut taken = BTreeSet::from([String::from("a.jpg")]);
        for number in 2..3000 {
            let name = free("a.jpg", &taken);
            assert_eq!(name, format!("a-{number}.jpg"));
            taken.insert(name);
        }
        assert_eq!(free("no extension", &taken), "no extension-2");
        assert_eq!(free(".hidden", &taken), ".hidden-2");
        assert_eq!(free("v1. what is this", &taken), "v1. what is this-2");
    }

    #[test]
    fn a_text_in_the_form_of_a_date_must_be_one() {
        for date in
            ["2026-11-20", "2026-11-20T14:05", "2026-11-20T14:05:06", "in May", "20. 11. 2026", "", "2026-11"]
        {
            assert!(check_date(date).is_ok(), "{date}");
        }
        for date in ["2026-13-45", "2026-02-29", " 2026-00-10", "2026-11-20T25:00", "2026-13-45T10:00"] {
            assert!(matches!(check_date(date), Err(MediaError::Wrong(_))), "{date}");
        }
    }

    #[test]
    fn a_new_date_is_a_day_or_a_time_on_one() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        for date in [
            "2026-11-20",
            "2018-01-31T14:05",
            "1970-01-02",
            "2026-11-20T14:05:06",
            "2026-11-20T14:05Z",
            "2026-11-20T14:05:06+05:30",
        ] {
            assert!(check_day(date, &zone).is_ok(), "{date}");
        }
        for date in [
            "bad",
            "",
            "<script>",
            "0001-01-01",
            "9999-12-31T23:59:59",
            "2018-02-30",
            "1969-12-31",
            "2026-11",
            "1970-01-01T02:00:00+05:00",
            "2026-11-20T14:05+99:00",
            "2026-11-20T14:05:06[Asia/Tokyo]",
            "2026-11-20T14:05:06+05:00[Asia/Tokyo]",
        ] {
            let Err(MediaError::Wrong(words)) = check_day(date, &zone) else { panic!("{date}") };
            assert!(words.contains("write one such as 2026-11-20"), "{words}");
        }
    }

    #[test]
    fn dates_move_an_item_when_they_are_dates() {
        let zone = TimeZone::UTC;
        let day = 86_400_000_000;
        assert_eq!(edited_date("2026-11-21", NOON, &zone), (String::from("2026-11-21"), Some(NOON + day)));
        assert_eq!(
            edited_date("2026-11-20T14:13", NOON, &zone),
            (String::from("2026-11-20"), Some(NOON + 7_200_000_000 - 7_000_000))
        );
        assert_eq!(
            edited_date("2026-11-20T14:13:07", NOON, &zone),
            (String::from("2026-11-20"), Some(NOON + 7_200_000_000))
        );
        for words in ["last summer", "20.11.2026", "2026-13-45", "1960-01-01", ""] {
            assert_eq!(edited_date(words, NOON, &zone), (words.to_owned(), None));
        }
    }

    #[test]
    fn an_offset_is_part_of_the_time() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
        let at = |time: &str| time.parse::<Timestamp>().ok().map(Timestamp::as_microsecond);
        for (given, day, time) in [
            ("2020-01-01T10:00:00+05:00", "2020-01-01", "2020-01-01T05:00:00Z"),
            ("2020-01-01T10:00 05:00", "2020-01-01", "2020-01-01T05:00:00Z"),
            ("2020-01-01T10:00-05:00", "2020-01-01", "2020-01-01T15:00:00Z"),
            ("2020-01-01T10:00:00Z", "2020-01-01", "2020-01-01T10:00:00Z"),
            ("2020-01-01T10:00:00", "2020-01-01", "2020-01-01T09:00:00Z"),
            // The day is that of the local wall clock, whatever the offset.
            ("2020-07-01T22:30:00Z", "2020-07-02", "2020-07-01T22:30:00Z"),
            ("2020-07-01T02:00:00+10:00", "2020-06-30", "2020-06-30T16:00:00Z"),
        ] {
            assert_eq!(edited_date(given, NOON, &zone), (day.to_owned(), at(time)), "{given}");
            assert!(check_date(given).is_ok(), "{given}");
        }
    }

    proptest! {
        #[test]
        fn a_taken_name_becomes_a_free_one(
            name in "[^\\p{C}/]{1,200}",
            more in proptest::collection::btree_set("\\PC{1,8}", 0..5),
        ) {
            prop_assume!(check_name(&name).is_ok());
            let mut taken: BTreeSet<String> = more;
            taken.insert(name.clone());
            for _ in 0..20 {
                let new = free(&name, &taken);
                prop_assert!(check_name(&new).is_ok(), "{:?}", new);
                prop_assert!(taken.insert(new));
            }
        }
    }
}
