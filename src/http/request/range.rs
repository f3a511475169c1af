//! Ranges of a file, and conditions on its entity tag (RFC 9110 §13, §14). Pure.
//!
//! A single range is answered with that part. Several ranges are answered with the whole file, as the RFC allows.
//! Players and download programs ask for one at a time, and many small ones would be a way to overload a server.

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};

use tallycam_camera::media::zip;

/// The requested part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    Whole,
    Bytes(Range<u64>),
    /// None: the range lies beyond the file.
    None,
}

/// The part that a GET requests of a file with `len` bytes and the entity tag `tag`. A malformed range is ignored.
pub fn part(headers: &HeaderMap, len: u64, tag: &str) -> FilePart {
    let Some(range) = text(headers, RANGE) else { return FilePart::Whole };
    // The client has a part of another version: it gets the whole file. Dates are unreliable and are not sent.
    if text(headers, IF_RANGE).is_some_and(|wanted| wanted.trim() != tag) {
        return FilePart::Whole;
    }
    let Some((unit, ranges)) = range.split_once('=') else { return FilePart::Whole };
    let mut ranges = ranges.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (Some(one), None) = (ranges.next(), ranges.next()) else { return FilePart::Whole };
    let Some((first, last)) = one.split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))
    else {
        return FilePart::Whole;
    };
    // A number too large to parse lies beyond any file.
    let number = |text: &str| -> Option<u64> {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let wanted = match (number(first.trim()), number(last.trim())) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(len),
        (Some(first), None) if last.trim().is_empty() => first..len,
        (None, Some(count)) if first.trim().is_empty() => len - count.min(len)..len,
        _ => return FilePart::Whole,
    };
    if wanted.is_empty() { FilePart::None } else { FilePart::Bytes(wanted) }
}

/// True if the client already has the file with this tag.
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = |value: &str| {
        let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
        value.trim() == "*" || value.split(',').any(|known| bare(known) == tag)
    };
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(known)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The value of `Content-Disposition` (RFC 6266): an ASCII name for all clients, and the full name for those that
/// know RFC 8187. Cut to the longest possible file name.
pub fn disposition(is_download: bool, name: &str) -> String {
    let kind = if is_download { "attachment" } else { "inline" };
    let plain = |c: char| if matches!(c, ' '..='~') && !matches!(c, '"' | '\\' | '%') { c } else { '_' };
    let name = zip::truncate_name(name);
    let ascii: String = name.chars().map(plain).collect();
    if ascii == name {
        return format!("{kind}; filename=\"{ascii}\"");
    }
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn asked(range: &str, if_range: Option<&str>) -> FilePart {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
        if let Some(tag) = if_range {
            headers.insert(IF_RANGE, HeaderValue::from_str(tag).unwrap());
        }
        part(&headers, 1000, "\"a\"")
    }

    #[test]
    fn the_table_of_ranges() {
        for (range, want) in [
            ("bytes=0-0", FilePart::Bytes(0..1)),
            ("bytes=0-999", FilePart::Bytes(0..1000)),
            ("bytes=500-", FilePart::Bytes(500..1000)),
            ("Bytes= 500 - 5000 ", FilePart::Bytes(500..1000)),
            ("bytes=-1", FilePart::Bytes(999..1000)),
            ("bytes=-5000", FilePart::Bytes(0..1000)),
            ("bytes=999-99999999999999999999999", FilePart::Bytes(999..1000)),
            ("bytes=,0-4,", FilePart::Bytes(0..5)),
            ("bytes=1000-", FilePart::None),
            ("bytes=-0", FilePart::None),
            ("bytes=99999999999999999999999-", FilePart::None),
            // Malformed or several ranges: the whole file.
            ("bytes=5-4", FilePart::Whole),
            ("bytes=0-4,6-9", FilePart::Whole),
            ("bytes=", FilePart::Whole),
            ("bytes=-", FilePart::Whole),
            ("bytes=a-b", FilePart::Whole),
            ("bytes=+1-2", FilePart::Whole),
            ("pages=1-2", FilePart::Whole),
            ("bytes", FilePart::Whole),
        ] {
            assert_eq!(asked(range, None), want, "{range}");
        }
        assert_eq!(part(&HeaderMap::new(), 1000, "\"a\""), FilePart::Whole);
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole_file() {
        assert_eq!(asked("bytes=1-2", Some("\"a\"")), FilePart::Bytes(1..3));
        for other in ["\"b\"", "W/\"a\"", "Fri, 20 Nov 2026 14:53:07 GMT"] {
            assert_eq!(asked("bytes=1-2", Some(other)), FilePart::Whole);
        }
    }

    #[test]
    fn a_known_file_is_not_sent_again() {
        for (value, want) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(value).unwrap());
            assert_eq!(is_known(&headers, "\"a\""), want, "{value}");
        }
    }

    #[test]
    fn names_go_safely_into_a_header() {
        for (name, want) in [
            ("a b.jpg", "inline; filename=\"a b.jpg\""),
            ("ä\".jpg", "inline; filename=\"__.jpg\"; filename*=UTF-8''%C3%A4%22.jpg"),
            ("50%.jpg", "inline; filename=\"50_.jpg\"; filename*=UTF-8''50%25.jpg"),
            ("a\r\nX: b", "inline; filename=\"a__X: b\"; filename*=UTF-8''a%0D%0AX%3A%20b"),
        ] {
            assert_eq!(disposition(false, name), want);
        }
        let long = disposition(false, &("ä".repeat(196) + ".jpg"));
        let want = format!(
            "inline; filename=\"{}.jpg\"; filename*=UTF-8''{}.jpg",
            "_".repeat(125),
            "%C3%A4".repeat(125)
        );
        assert_eq!(long, want);
        assert!(disposition(true, "x").starts_with("attachment; "));
    }

    proptest! {
        #[test]
        fn any_header_is_read_and_any_name_written(value in "[ -~]{0,40}", name in ".{0,60}") {
            if let FilePart::Bytes(range) = asked(&value, None) {
                prop_assert!(range.start < range.end && range.end <= 1000);
            }
            prop_assert!(HeaderValue::from_str(&disposition(true, &name)).is_ok());
        }
    }
}
