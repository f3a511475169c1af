//! Query strings, read leniently: old clients append anything that defeats a cache (`&123456`, `&_=…`), and that
//! never fails a picture. The API is stricter: it names the wrong value and the expected ones ([`wrong_value`]). It
//! also names an unknown key, except those that defeat caches ([`Query::known`]). Pure.

use hyper::StatusCode;

use crate::http::request::keys::{MayBe, QueryKey};
use crate::http::request::problem::Problem;
use tallycam_base::unicode::percent_decoded;
use tallycam_config::may_be_secret;

/// The problem of a malformed value of a query. At most 100 characters of the value are shown.
pub fn wrong_value(key: &'static str, value: &str, expected: impl Into<String>) -> Problem {
    let (value, expected): (String, String) = (value.chars().take(100).collect(), expected.into());
    let detail = format!("`{key}` is {value:?}, and should be {expected}");
    Problem::new(StatusCode::BAD_REQUEST, detail).wrong(key, expected, value)
}

pub const FLAGS: [(&str, bool); 4] = [("1", true), ("true", true), ("0", false), ("false", false)];

/// Names that programs give to a number that changes with each request, to defeat caches.
const AGAINST_CACHES: [&str; 14] = [
    "t",
    "ts",
    "r",
    "v",
    "cb",
    "rnd",
    "rand",
    "random",
    "time",
    "cache",
    "nocache",
    "no_cache",
    "cachebuster",
    "cache_buster",
];

fn is_against_caches(key: &str) -> bool {
    key.starts_with('_')
        || key.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        || AGAINST_CACHES.iter().any(|name| key.eq_ignore_ascii_case(name))
}

/// The decoded keys and values of a query string, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn of(pairs: Vec<(String, String)>) -> Query {
        Query(pairs)
    }

    /// Reads `application/x-www-form-urlencoded` text without errors. A key without `=` has an empty value, a `%`
    /// without a valid escape stands for itself, and invalid UTF-8 becomes U+FFFD.
    pub fn parse(text: &str) -> Query {
        let text = text.replace('+', " ");
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (percent_decoded(key), percent_decoded(value))
        });
        Query(pairs.collect())
    }

    /// The first value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    /// The value of `key`. A repeated key is an error, because its value is ambiguous.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn once(&self, key: &'static str) -> Result<Option<&str>, Problem> {
        let mut values = self.0.iter().filter(|(k, _)| k == key).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(second)) => Err(wrong_value(key, second, "given once")),
            (first, None) => Ok(first),
        }
    }

    /// The same, without empty values.
    ///
    /// # Errors
    /// As [`Query::once`].
    pub fn given(&self, key: &'static str) -> Result<Option<&str>, Problem> {
        Ok(self.once(key)?.filter(|value| !value.trim().is_empty()))
    }

    /// The flag `key`; false if absent.
    ///
    /// # Errors
    /// It is neither `1` nor `true`, `0` or `false`.
    pub fn is_set(&self, key: &'static str) -> Result<bool, Problem> {
        Ok(self.one_of(key, &FLAGS)?.unwrap_or(false))
    }

    /// Checks that all keys are in `keys` or defeat caches.
    ///
    /// # Errors
    /// The first unknown key.
    pub fn known(&self, keys: &'static [QueryKey]) -> Result<(), Problem> {
        let is_known = |key: &str| {
            keys.iter().any(|known| known.name == key)
                || is_against_caches(key)
                || [TOKEN, LINK].contains(&key)
        };
        let Some((key, value)) = self.0.iter().find(|(key, _)| !is_known(key)) else { return Ok(()) };
        let key: String = key.chars().take(100).collect();
        let value =
            if may_be_secret(&key) { "***".into() } else { value.chars().take(100).collect::<String>() };
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        let range = if names.is_empty() { "nothing".into() } else { format!("one of {}", names.join(", ")) };
        let detail = format!("`{key}` means nothing here");
        Err(Problem::new(StatusCode::BAD_REQUEST, detail)
            .wrong(key, range, value)
            .hint("`/api/v1/openapi.json` says what every address takes"))
    }

    /// Checks that each of `keys` occurs once, unless it may repeat, and is one of its words, if it has words. Empty
    /// values count as absent.
    ///
    /// # Errors
    /// The first that is not.
    pub fn fits(&self, keys: &'static [QueryKey]) -> Result<(), Problem> {
        for key in keys.iter().filter(|key| key.may_be != MayBe::Texts) {
            let value = self.once(key.name)?.filter(|value| !value.is_empty());
            if let (Some(value), MayBe::Words(words)) = (value, key.may_be)
                && !words.contains(&value)
            {
                return Err(wrong_value(key.name, value, format!("one of {}", words.join(", "))));
            }
        }
        Ok(())
    }

    pub fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// All values of `key`, split at commas, without empty ones.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(k, _)| k == key);
        values.flat_map(|(_, value)| value.split(',')).map(str::trim).filter(|v| !v.is_empty()).collect()
    }

    /// All values of `key`, unsplit, without empty ones: a name may contain a comma.
    pub fn values(&self, key: &str) -> Vec<String> {
        let given = self.0.iter().filter(|(k, _)| k == key).map(|(_, value)| value.trim());
        given.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// The value of `key`, one of `words`; `None` if absent or empty.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, Problem> {
        let Some(value) = self.once(key)?.filter(|value| !value.is_empty()) else { return Ok(None) };
        if let Some((_, meant)) = words.iter().find(|(word, _)| *word == value) {
            return Ok(Some(*meant));
        }
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        Err(wrong_value(key, value, format!("one of {}", words.join(", "))))
    }

    /// The value of `key`, in seconds, as microseconds.
    ///
    /// # Errors
    /// It is not a number, or negative.
    pub fn seconds(&self, key: &'static str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.given(key)? else { return Ok(None) };
        match self.number(key) {
            // The cast saturates.
            Some(seconds) if seconds >= 0.0 => Ok(Some((seconds * 1e6).round() as u64)),
            _ => Err(wrong_value(key, text, "seconds, from 0 on")),
        }
    }

    /// The value of `key` as a whole number within `range`.
    ///
    /// # Errors
    /// The value is malformed.
    pub fn whole(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<u64>, Problem> {
        let Some(value) = self.once(key)?.filter(|value| !value.is_empty()) else { return Ok(None) };
        match value.trim().parse() {
            Ok(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let expected = match *range.end() {
                    u64::MAX => format!("a whole number from {} on", range.start()),
                    most => format!("a whole number from {} to {most}", range.start()),
                };
                Err(wrong_value(key, value, expected))
            }
        }
    }

    /// The first value of `key`, if it is a finite number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.trim().parse().ok().filter(|n: &f64| n.is_finite())
    }
}

/// Every address knows this key: a program's token.
pub const TOKEN: &str = "token";
/// Every address knows this key: the end of a signed link.
pub const LINK: &str = "link";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::request::keys::{TEXT, key};
    use proptest::prelude::*;

    #[test]
    fn cache_busters_do_no_harm() {
        let q = Query::parse("action=stream&123456&_=1700000000&&=");
        assert_eq!(q.get("action"), Some("stream"));
        assert_eq!(q.get("123456"), Some(""));
        assert_eq!(q.get("fps"), None);
    }

    #[test]
    fn the_api_names_a_key_that_it_does_not_know() {
        const KEYS: &[QueryKey] = &[key("w", TEXT, "Width."), key("gray", TEXT, "Without colour.")];
        for fine in ["", "w=3&gray=1", "1700000000", "0.123&w=1", "_=5", "_ts=1", "T=1", "nocache", "&&="] {
            assert_eq!(Query::parse(fine).known(KEYS), Ok(()), "{fine}");
        }
        let unknown = Query::parse("w=3&width=7&x").known(KEYS).unwrap_err();
        let wrong = unknown.wrong.unwrap();
        assert_eq!((wrong.field.as_str(), wrong.range.as_str()), ("width", "one of w, gray"));
        assert!(Query::parse("GRAY=1").known(KEYS).is_err());
    }

    #[test]
    fn the_api_accepts_a_key_once_and_only_its_words() {
        const KEYS: &[QueryKey] = &[
            key("rotate", MayBe::Words(&["0", "90"]), "Turned."),
            key("w", MayBe::Whole(1, 9), "Width."),
            key("line", MayBe::Texts, "Lines."),
        ];
        for fine in ["", "rotate=90&w=3", "rotate=&w=", "line=a&line=b", "x=1&x=2"] {
            assert_eq!(Query::parse(fine).fits(KEYS), Ok(()), "{fine}");
        }
        for (wrong, key, expected) in [
            ("w=1&w=1", "w", "given once"),
            ("w=&w=", "w", "given once"),
            ("rotate=45", "rotate", "one of 0, 90"),
        ] {
            let wrong = Query::parse(wrong).fits(KEYS).unwrap_err().wrong.unwrap();
            assert_eq!((wrong.field.as_str(), wrong.range.as_str()), (key, expected));
        }
    }

    #[test]
    fn escapes_are_undone_and_broken_ones_stand_for_themselves() {
        for (text, want) in [
            ("a%20b+c", "a b c"),
            ("100%", "100%"),
            ("%zz", "%zz"),
            ("%4", "%4"),
            ("%C3%BC", "ü"),
            ("%ff", "\u{fffd}"),
            ("a=b", "a=b"),
        ] {
            assert_eq!(Query::parse(&format!("k={text}")).get("k"), Some(want), "{text}");
        }
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        let q = Query::parse("a=2.5&b=nan&c=inf&d=&e=x&f=%31");
        assert_eq!(q.number("a"), Some(2.5));
        assert_eq!(q.number("f"), Some(1.0));
        for key in ["b", "c", "d", "e", "none"] {
            assert_eq!(q.number(key), None, "{key}");
        }
    }

    #[test]
    fn the_api_names_the_expected_values() {
        let q = Query::parse("n=7&m=0&x=a&w=in&v=up&l=a,b&l=,c%2Cd&e=");
        assert_eq!(q.whole("n", 1..=9), Ok(Some(7)));
        assert_eq!((q.whole("e", 1..=9), q.whole("none", 1..=9)), (Ok(None), Ok(None)));
        for (key, range, want) in [
            ("m", 1..=9, r#"`m` is "0", and should be a whole number from 1 to 9"#),
            ("x", 1..=u64::MAX, r#"`x` is "a", and should be a whole number from 1 on"#),
        ] {
            assert_eq!(q.whole(key, range).unwrap_err().detail, want);
        }
        let words = [("in", 1), ("out", 2)];
        assert_eq!(q.one_of("w", &words), Ok(Some(1)));
        assert_eq!(q.one_of("v", &words).unwrap_err().detail, r#"`v` is "up", and should be one of in, out"#);
        assert_eq!(q.list("l"), ["a", "b", "c", "d"]);
        let twice = Query::parse("n=1&n=2&w=in&w=in");
        assert_eq!(twice.whole("n", 1..=9).unwrap_err().detail, r#"`n` is "2", and should be given once"#);
        assert!(twice.one_of("w", &words).is_err());
        assert!(twice.given("n").is_err());
        assert_eq!(twice.get("n"), Some("1"), "old addresses take the first");
    }

    #[test]
    fn empty_values_count_as_absent_and_flags_have_two_spellings() {
        let q = Query::parse("a=+&b=x&c=1&d=false&e=yes&f");
        assert_eq!((q.given("a"), q.given("b"), q.given("z")), (Ok(None), Ok(Some("x")), Ok(None)));
        assert_eq!(
            [q.is_set("c"), q.is_set("d"), q.is_set("f"), q.is_set("z")].map(Result::unwrap),
            [true, false, false, false]
        );
        assert_eq!(
            q.is_set("e").unwrap_err().detail,
            r#"`e` is "yes", and should be one of 1, true, 0, false"#
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in ".{0,200}") {
            let _ = Query::parse(&text).number("fps");
        }
    }
}
