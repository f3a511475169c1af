//! The fields of a request's body: an object whose keys are all known, and each value of its kind. Strict: unknown
//! keys and wrong values are refused in words, never ignored. Pure.

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::HeaderMap;
use hyper::StatusCode;
use serde_json::{Map, Value};

use crate::config::{parse_duration, parse_size};
use crate::http::request::json_body;
use crate::http::request::json_body::PayloadError;
use crate::http::request::problem::{Problem, WrongField};
use crate::http::request::query::Query;

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Not JSON, or not an object.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// An unknown key.
    #[error("{key} is not known here; {}", those_are(known))]
    Unknown {
        key: String,
        /// The known keys; empty if there are none.
        known: String,
        /// Its value, at most 100 characters of it.
        given: String,
    },
    /// A list with too many items.
    #[error("{key} names {count} items, and {most} are the most that may be named at once")]
    TooMany {
        key: &'static str,
        count: usize,
        /// The maximum.
        most: usize,
    },
    /// A value of the wrong kind or out of its range.
    #[error("{key} should be {expected}")]
    Wrong {
        key: &'static str,
        expected: String,
        /// The given value, at most 100 characters of it, if known.
        given: Option<String>,
    },
}

/// The known keys, as the end of a sentence.
fn those_are(known: &str) -> String {
    match known {
        "" => String::from("nothing is"),
        several if several.contains(',') => format!("{several} are"),
        one => format!("{one} is"),
    }
}

/// The expected value of a place.
pub const PLACE: &str = "[x, y] in fractions of the picture";

/// Longest time in seconds, if given as a number: some thirty years.
pub const MOST_SECONDS: f64 = 1e9;

/// The expected value of a list of places.
pub const PLACES: &str = "a list of [x, y] in fractions of the picture";

/// The keys and values of a body.
#[derive(Debug, Default)]
pub struct Fields(Map<String, Value>);

impl Fields {
    /// Reads a required body with no other keys than `known`.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn read(headers: &HeaderMap, body: &[u8], known: &[&str]) -> Result<Fields, FieldError> {
        Fields::of(json_body::read(headers, body)?, known)
    }

    /// Reads a required body with the keys `known`. The read-only keys `told` may be sent back and change nothing.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn read_back(
        headers: &HeaderMap,
        body: &[u8],
        known: &[&str],
        told: &[&str],
    ) -> Result<Fields, FieldError> {
        let mut fields: Map<String, Value> = json_body::read(headers, body)?;
        fields.retain(|key, _| !told.contains(&key.as_str()));
        Fields::of(fields, known)
    }

    /// Checks that the body is empty or an object without keys, for routes that take none.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn read_none(headers: &HeaderMap, body: &[u8]) -> Result<(), FieldError> {
        Fields::read_or_nothing(headers, body, &[]).map(|_| ())
    }

    /// Reads an optional body; a missing one has no keys.
    ///
    /// # Errors
    /// [`FieldError`].
    pub fn read_or_nothing(headers: &HeaderMap, body: &[u8], known: &[&str]) -> Result<Fields, FieldError> {
        json_body::read_or_nothing(headers, body)?
            .map_or_else(|| Ok(Fields::default()), |fields| Fields::of(fields, known))
    }

    fn of(fields: Map<String, Value>, known: &[&str]) -> Result<Fields, FieldError> {
        match fields.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, value)) => Err(FieldError::Unknown {
                key: format!("{:?}", key.chars().take(60).collect::<String>()),
                known: known.join(", "),
                given: json_body::given_of(key, value),
            }),
            None => Ok(Fields(fields)),
        }
    }

    /// Adds the keys of the query that are in `known`, as a form would send them. Other keys are ignored.
    ///
    /// # Errors
    /// A key occurs more than once, or also in the body: its value is ambiguous.
    pub fn and_query(mut self, query: &Query, known: &[&'static str]) -> Result<Fields, FieldError> {
        for &key in known {
            let mut values = query.pairs().iter().filter(|(name, _)| name == key);
            let Some((_, value)) = values.next() else { continue };
            if self.has(key) || values.next().is_some() {
                return Err(self.wrong(key, "given once, in the query or in the body"));
            }
            self.0.insert(key.to_owned(), Value::from(value.as_str()));
        }
        Ok(self)
    }

    /// True if the key is present, even with `null`.
    pub fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// Refuses `null` for keys of a change, because it would mean nothing.
    ///
    /// # Errors
    /// [`FieldError::Wrong`].
    pub fn no_null(&self, keys: &[&'static str]) -> Result<(), FieldError> {
        match keys.iter().find(|key| self.0.get(**key).is_some_and(Value::is_null)) {
            Some(key) => Err(self.wrong(key, "left out, or have a value; null is none")),
            None => Ok(()),
        }
    }

    /// A text; `null` counts as absent.
    ///
    /// # Errors
    /// [`FieldError::Wrong`], as with the other readers below.
    pub fn text(&self, key: &'static str) -> Result<Option<String>, FieldError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// The value of `key` as a query would spell it: `1` and `0` for true and false, a list with commas.
    pub fn as_text(&self, key: &str) -> Option<String> {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Bool(flag) => String::from(if *flag { "1" } else { "0" }),
            other => other.to_string(),
        };
        match self.0.get(key).filter(|value| !value.is_null())? {
            Value::Array(list) => Some(list.iter().map(text).collect::<Vec<_>>().join(",")),
            value => Some(text(value)),
        }
    }

    /// A flag. A form sends `1`, `true` or `on`, and `0`, `false` or `off`.
    pub fn flag(&self, key: &'static str) -> Result<Option<bool>, FieldError> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(*flag)),
            Some(Value::String(word)) if matches!(word.as_str(), "1" | "true" | "on") => Ok(Some(true)),
            Some(Value::String(word)) if matches!(word.as_str(), "0" | "false" | "off") => Ok(Some(false)),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    /// A number in a range.
    pub fn number(&self, key: &'static str, range: RangeInclusive<f64>) -> Result<Option<f64>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        number
            .filter(|number| range.contains(number))
            .map(Some)
            .ok_or_else(|| self.wrong(key, format!("a number from {} to {}", range.start(), range.end())))
    }

    /// A whole number in a range.
    pub fn whole(&self, key: &'static str, range: RangeInclusive<u64>) -> Result<Option<u64>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let number = json_body::whole(value).or_else(|| value.as_str()?.trim().parse().ok());
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            self.wrong(key, format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// One of `words`.
    pub fn one_of<T: Copy>(&self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meant)| Some(*meant)).ok_or_else(|| {
            let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(key, format!("one of {}", words.join(", ")))
        })
    }

    /// A list of texts.
    pub fn texts(&self, key: &'static str) -> Result<Option<Vec<String>>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let texts = value.as_array().and_then(|list| list.iter().map(text).collect());
        texts.map(Some).ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    /// A place in the frame.
    pub fn place(&self, key: &'static str) -> Result<Option<[f64; 2]>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        place(value).map(Some).ok_or_else(|| self.wrong(key, PLACE))
    }

    /// A list of places.
    pub fn places(&self, key: &'static str) -> Result<Option<Vec<[f64; 2]>>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let places = value.as_array().and_then(|list| list.iter().map(place).collect());
        places.map(Some).ok_or_else(|| self.wrong(key, PLACES))
    }

    /// A duration: seconds up to [`MOST_SECONDS`], or as in the configuration (`"30d"`).
    pub fn time(&self, key: &'static str) -> Result<Option<Duration>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
        let time = match seconds {
            Some(seconds) if seconds > MOST_SECONDS => {
                return Err(self.wrong(key, format!("at most {MOST_SECONDS} seconds")));
            }
            Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            None => value.as_str().and_then(parse_duration),
        };
        time.map(Some)
            .ok_or_else(|| self.wrong(key, "a number of seconds, or a time such as \"30d\" or \"90m\""))
    }

    /// A size: a number of bytes, or as in the configuration (`"2GB"`).
    pub fn bytes(&self, key: &'static str) -> Result<Option<u64>, FieldError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let whole = value.as_u64().or_else(|| json_body::whole(value));
        let number = whole.or_else(|| value.as_str()?.trim().parse().ok());
        let bytes = number.or_else(|| value.as_str().and_then(parse_size));
        bytes.map(Some).ok_or_else(|| self.wrong(key, "a number of bytes, or an amount such as \"2GB\""))
    }

    /// IDs of items, at most `most`: a list, or comma-separated text from a form. Duplicates are removed.
    pub fn ids(&self, key: &'static str, most: usize) -> Result<Vec<u64>, FieldError> {
        let expected = || self.wrong(key, format!("a list of 1 to {most} numbers of items, as in [1, 2]"));
        let ids: Option<Vec<u64>> = match self.value(key) {
            Some(Value::Array(list)) => {
                let id =
                    |value: &Value| json_body::whole(value).or_else(|| value.as_str()?.trim().parse().ok());
                list.iter().map(id).collect()
            }
            Some(Value::String(text)) => text.split(',').map(|id| id.trim().parse().ok()).collect(),
            _ => None,
        };
        let mut ids = ids.ok_or_else(expected)?;
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() || ids.first() == Some(&0) {
            return Err(expected());
        }
        if ids.len() > most {
            return Err(FieldError::TooMany { key, count: ids.len(), most });
        }
        Ok(ids)
    }

    /// The error for a wrong value of `key`.
    pub fn wrong(&self, key: &'static str, expected: impl Into<String>) -> FieldError {
        FieldError::Wrong { key, expected: expected.into(), given: self.given(key) }
    }

    /// The given value of `key`, even `null`, for people.
    pub fn given(&self, key: &str) -> Option<String> {
        self.0.get(key).map(json_body::given)
    }

    /// The same error with the given value of its key, if the error lacks it.
    pub fn with_given(&self, error: FieldError) -> FieldError {
        match error {
            FieldError::Wrong { key, expected, given: None } => self.wrong(key, expected),
            error => error,
        }
    }

    /// The raw value; `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.value(key)
    }

    fn value(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Fields {
        Fields(fields)
    }
}

fn place(value: &Value) -> Option<[f64; 2]> {
    match value.as_array()?.as_slice() {
        [x, y] => Some([x.as_f64()?, y.as_f64()?]),
        _ => None,
    }
}

/// The error for a wrong value of `key`, without the given value.
pub fn wrong(key: &'static str, expected: impl Into<String>) -> FieldError {
    FieldError::Wrong { key, expected: expected.into(), given: None }
}

impl Problem {
    /// The problem of a readable body, for routes that answer 422.
    pub fn unprocessable(error: FieldError) -> Problem {
        let is_unread = matches!(&error, FieldError::Payload(error) if *error != PayloadError::NoObject);
        let problem = Problem::from(error);
        if is_unread { problem } else { Problem { status: StatusCode::UNPROCESSABLE_ENTITY, ..problem } }
    }

    /// The same with the given value from `fields`, if the problem lacks it.
    #[must_use]
    pub fn given_in(mut self, fields: &Fields) -> Problem {
        if let Some(wrong) = &mut self.wrong {
            wrong.given = wrong.given.take().or_else(|| fields.given(&wrong.field));
        }
        self
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Problem {
        match error {
            // For these routes, every unreadable body is a bad request.
            FieldError::Payload(error) if error != PayloadError::NoObject => error.into(),
            error => {
                let problem = Problem::new(StatusCode::BAD_REQUEST, error.to_string())
                    .hint("/api/v1/openapi.json says what is expected");
                match error {
                    FieldError::Wrong { key, expected, given } => {
                        let field = key.to_owned();
                        let wrong = WrongField { field, range: expected, given, errors: Vec::new() };
                        Problem { wrong: Some(Box::new(wrong)), ..problem }
                    }
                    FieldError::Unknown { key, known, given } => {
                        let range = if known.is_empty() {
                            String::from("nothing")
                        } else {
                            format!("one of {known}")
                        };
                        problem.wrong(key.trim_matches('"'), range, given)
                    }
                    FieldError::TooMany { key, count, most } => Problem {
                        status: StatusCode::UNPROCESSABLE_ENTITY,
                        ..problem.wrong(key, format!("at most {most}"), count.to_string())
                    },
                    // Only [`PayloadError::NoObject`] gets here.
                    FieldError::Payload(_) => problem.wrong_body(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::{CONTENT_TYPE, HeaderValue};

    const KNOWN: [&str; 8] = ["name", "kept", "fps", "w", "kind", "age", "size", "ids"];

    fn json(body: &str) -> Result<Fields, FieldError> {
        Fields::read(&HeaderMap::new(), body.as_bytes(), &KNOWN)
    }

    fn form(body: &str) -> Fields {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        Fields::read(&headers, body.as_bytes(), &KNOWN).unwrap()
    }

    #[test]
    fn values_are_of_their_kind_or_refused() {
        let fields = json(
            r#"{"name":"a","kept":true,"fps":2.5,"w":320,"kind":"b","age":"30d","size":"2GB","ids":[3,1,3]}"#,
        )
        .unwrap();
        assert_eq!(fields.text("name").unwrap().as_deref(), Some("a"));
        assert_eq!(fields.flag("kept"), Ok(Some(true)));
        assert_eq!(fields.number("fps", 0.1..=100.0), Ok(Some(2.5)));
        assert_eq!(fields.whole("w", 16..=8192), Ok(Some(320)));
        assert_eq!(fields.one_of("kind", &[("a", 1), ("b", 2)]), Ok(Some(2)));
        assert_eq!(fields.time("age"), Ok(Some(Duration::from_secs(30 * 86_400))));
        assert_eq!(fields.bytes("size"), Ok(Some(2_000_000_000)));
        assert_eq!(fields.ids("ids", 2), Ok(vec![1, 3]));
        assert_eq!(fields.text("none"), Ok(None));
        for wrong in [
            fields.text("kept").map(|_| ()),
            fields.flag("name").map(|_| ()),
            fields.number("fps", 3.0..=4.0).map(|_| ()),
            fields.whole("fps", 0..=9).map(|_| ()),
            fields.one_of("kind", &[("a", 1)]).map(|_| ()),
            fields.time("name").map(|_| ()),
            fields.bytes("name").map(|_| ()),
            fields.ids("name", 9).map(|_| ()),
        ] {
            assert!(matches!(wrong, Err(FieldError::Wrong { .. })), "{wrong:?}");
        }
        assert_eq!(fields.ids("ids", 1), Err(FieldError::TooMany { key: "ids", count: 2, most: 1 }));
        let same = json(r#"{"w":320.0,"ids":[3.0,1],"size":5.0}"#).unwrap();
        assert_eq!((same.whole("w", 16..=8192), same.bytes("size")), (Ok(Some(320)), Ok(Some(5))));
        assert_eq!(same.ids("ids", 2), Ok(vec![1, 3]));
        for body in [r#"{"w":320.5}"#, r#"{"w":-1.0}"#, r#"{"w":1e17}"#] {
            assert!(json(body).unwrap().whole("w", 0..=u64::MAX).is_err(), "{body}");
        }
        for body in [r#"{"age":-1}"#, r#"{"age":true}"#, r#"{"age":1e300}"#] {
            assert!(json(body).unwrap().time("age").is_err(), "{body}");
        }
        for body in [r#"{"ids":[]}"#, r#"{"ids":[0]}"#, r#"{"ids":[-1]}"#, r#"{"ids":[1.5]}"#, r#"{}"#] {
            assert!(json(body).unwrap().ids("ids", 9).is_err(), "{body}");
        }
    }

    #[test]
    fn a_form_gives_the_same_values() {
        let fields = form("name=a&kept=on&fps=2.5&w=320&kind=b&age=30d&size=5&ids=3,1");
        assert_eq!(fields.flag("kept"), Ok(Some(true)));
        assert_eq!(fields.number("fps", 0.1..=100.0), Ok(Some(2.5)));
        assert_eq!(fields.whole("w", 16..=8192), Ok(Some(320)));
        assert_eq!(fields.bytes("size"), Ok(Some(5)));
        assert_eq!(fields.ids("ids", 9), Ok(vec![1, 3]));
    }

    #[test]
    fn a_query_adds_keys_that_the_body_lacks() {
        let and = |body: &str, query: &str| json(body).unwrap().and_query(&Query::parse(query), &KNOWN);
        let fields = and(r#"{"name":"a"}"#, "w=320&kept=1&_=5").unwrap();
        assert_eq!((fields.whole("w", 16..=8192), fields.flag("kept")), (Ok(Some(320)), Ok(Some(true))));
        for (body, query) in [(r#"{"w":320}"#, "w=320"), (r#"{"w":null}"#, "w=320"), ("{}", "w=320&w=320")] {
            assert!(matches!(and(body, query), Err(FieldError::Wrong { key: "w", .. })), "{body} {query}");
        }
    }

    #[test]
    fn only_objects_of_known_keys() {
        assert_eq!(json("[1]").unwrap_err(), FieldError::Payload(PayloadError::NoObject));
        assert_eq!(json("\"name\"").unwrap_err(), FieldError::Payload(PayloadError::NoObject));
        let unknown = json(r#"{"nmae":1}"#).unwrap_err().to_string();
        assert!(unknown.starts_with("\"nmae\" is not known here; name, kept"), "{unknown}");
        assert!(matches!(json(""), Err(FieldError::Payload(PayloadError::Missing))));
        assert!(Fields::read_or_nothing(&HeaderMap::new(), b"", &KNOWN).unwrap().0.is_empty());
        for nothing in ["", " ", "{}"] {
            assert_eq!(Fields::read_none(&HeaderMap::new(), nothing.as_bytes()), Ok(()), "{nothing}");
        }
        let one = Fields::read_none(&HeaderMap::new(), br#"{"x":1}"#).unwrap_err();
        assert_eq!(one.to_string(), "\"x\" is not known here; nothing is");
        let one = Fields::read(&HeaderMap::new(), br#"{"x":1}"#, &["line"]).unwrap_err();
        assert_eq!(one.to_string(), "\"x\" is not known here; line is");
        let nothing = json(r#"{"name":null}"#).unwrap();
        assert_eq!(nothing.text("name"), Ok(None));
        assert!(nothing.no_null(&["kept"]).is_ok());
        assert!(nothing.no_null(&["name"]).is_err());
    }
}
