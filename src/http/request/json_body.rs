//! Request bodies: JSON, or a form with the same content. Pure.
//!
//! Content types are read leniently: scripts forget them, and `curl -d` calls any body a form. A body that begins
//! like JSON is JSON, and one that is called a form is read as a form. Only a body with any other type is refused.

use std::collections::HashSet;

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use tallycam_config::may_be_secret;

/// Maximum number of keys. No request needs more, and the server's own thread searches each among all known ones.
pub const MOST_KEYS: usize = 1000;

/// The form field that names a key with the value `null`, which a form cannot express otherwise.
const NULL: &str = "_null";

/// The keys whose values are lists: a form may have them item by item.
const LISTS: [&str; 3] = ["classes", "ids", "scopes"];

/// Why a body was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// There is no body.
    #[error("this request needs a body of JSON")]
    Missing,
    /// It is not JSON.
    #[error("the request's body is no JSON: {0}")]
    NotJson(String),
    /// A key (first) has a number (second) that is not JSON or too large.
    #[error("`{0}` holds {1}, which is no finite number")]
    NoNumber(String, String),
    /// It has another media type.
    #[error("{0} is not understood here")]
    Kind(String),
    /// It is JSON, but a list, a text or a number.
    #[error(
        "the request's body is not what is wanted here: it should be an object, as in {{\"name\": \"Front door\"}}"
    )]
    NoObject,
    /// It has more keys than any request needs.
    #[error("the request's body has more than {MOST_KEYS} keys")]
    TooMany,
    /// A key (first) occurs twice, with ambiguous values (second).
    #[error("`{0}` is given twice")]
    Repeated(String, String),
    /// It is an object of the wrong shape.
    #[error("the request's body is not what is wanted here: {0}")]
    Wrong(String),
}

impl PayloadError {
    /// A remedy for the caller.
    pub fn hint(&self) -> &'static str {
        match self {
            PayloadError::Kind(_) => "send application/json or application/x-www-form-urlencoded",
            _ => "`/api/v1/openapi.json` says what is expected",
        }
    }
}

/// Reads a body as `T`, always an object. A list is refused: serde would accept it as the fields in the order of
/// their declaration, which is not part of the API.
///
/// # Errors
/// [`PayloadError`].
pub fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, PayloadError> {
    read_or_nothing(headers, body)?.ok_or(PayloadError::Missing)
}

/// Reads an optional body as `T`.
///
/// # Errors
/// [`PayloadError`].
pub fn read_or_nothing<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<T>, PayloadError> {
    let begin = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let Some(begin) = begin else { return Ok(None) };
    let kind = kind(headers);
    let value = match kind.as_str() {
        _ if *begin == b'{' => Value::Object(object(body)?.into_iter().collect()),
        _ if *begin == b'[' => json(body)?,
        "application/x-www-form-urlencoded" => {
            let fields = Query::parse(&String::from_utf8_lossy(body));
            if fields.pairs().len() > MOST_KEYS {
                return Err(PayloadError::TooMany);
            }
            // As with JSON, no key may repeat; a list may come item by item.
            let mut known = HashSet::with_capacity(fields.pairs().len());
            let again = fields.pairs().iter().find(|(key, _)| {
                key != NULL && !LISTS.contains(&key.as_str()) && !known.insert(key.as_str())
            });
            if let Some((key, _)) = again {
                let values = fields.pairs().iter().filter(|(name, _)| name == key);
                return Err(repeated(key, values.map(|(_, text)| Value::from(text.as_str()))));
            }
            form(&fields)
        }
        "" | "text/plain" => json(body)?,
        json_kind if json_kind == "application/json" || json_kind.ends_with("+json") => json(body)?,
        _ => return Err(PayloadError::Kind(kind)),
    };
    match value.as_object().map(Map::len) {
        None => return Err(PayloadError::NoObject),
        Some(keys) if keys > MOST_KEYS => return Err(PayloadError::TooMany),
        Some(_) => {}
    }
    serde_json::from_value(value).map(Some).map_err(|e| PayloadError::Wrong(e.to_string()))
}

/// True if a body is a form.
pub fn is_form(headers: &HeaderMap, body: &[u8]) -> bool {
    let begin = body.iter().find(|byte| !byte.is_ascii_whitespace());
    kind(headers) == "application/x-www-form-urlencoded" && !matches!(begin, Some(b'{' | b'['))
}

/// The raw fields of a form; `None` for another body.
pub fn form_of(headers: &HeaderMap, body: &[u8]) -> Option<Query> {
    is_form(headers, body).then(|| Query::parse(&String::from_utf8_lossy(body)))
}

/// Reads the keys and values of a JSON or form body in their order. Values of a form are texts. A repeated key is an
/// error.
///
/// # Errors
/// [`PayloadError`].
pub fn read_pairs(headers: &HeaderMap, body: &[u8]) -> Result<Vec<(String, Value)>, PayloadError> {
    if body.trim_ascii().is_empty() {
        return Err(PayloadError::Missing);
    }
    let pairs: Vec<(String, Value)> = if let Some(fields) = form_of(headers, body) {
        let pair = |(key, text): &(String, String)| match key.as_str() {
            NULL => (text.clone(), Value::Null),
            _ => (key.clone(), Value::from(text.as_str())),
        };
        fields.pairs().iter().map(pair).collect()
    } else {
        // Distinguishes JSON without an object from invalid JSON.
        read::<Map<String, Value>>(headers, body)?;
        object(body)?
    };
    each_once(pairs)
}

/// An object's keys and values in their order. A repeated key is an error, because its value is ambiguous.
fn object(body: &[u8]) -> Result<Vec<(String, Value)>, PayloadError> {
    let (mut from, mut read) = (serde_json::Deserializer::from_slice(body), None);
    let pairs = from.deserialize_map(Each(&mut read)).and_then(|pairs| from.end().map(|()| pairs));
    each_once(pairs.map_err(|error| match read.zip(no_number(body, &error)) {
        Some((key, word)) => {
            let given = given_of(&key, &Value::from(word));
            PayloadError::NoNumber(key.chars().take(60).collect(), given)
        }
        None => PayloadError::NotJson(error.to_string()),
    })?)
}

/// The number that made `body` unreadable: `NaN`, `-Infinity` or `1e400`. Programs write them without knowing JSON,
/// and their users know the key, not the column.
fn no_number(body: &[u8], error: &serde_json::Error) -> Option<String> {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let (before, after) = line.split_at_checked(error.column().checked_sub(1)?)?;
    let is_apart = |byte: &u8| !byte.is_ascii_alphanumeric() && !b"+-.".contains(byte);
    let begin = before.iter().rposition(is_apart).map_or(0, |at| at + 1);
    let end = after.iter().position(is_apart).unwrap_or(after.len());
    let word = std::str::from_utf8(line.get(begin..before.len() + end)?).ok()?;
    word.parse::<f64>().is_ok_and(|number| !number.is_finite()).then(|| word.to_owned())
}

fn each_once(pairs: Vec<(String, Value)>) -> Result<Vec<(String, Value)>, PayloadError> {
    if pairs.len() > MOST_KEYS {
        return Err(PayloadError::TooMany);
    }
    let mut known = HashSet::with_capacity(pairs.len());
    match pairs.iter().find(|(key, _)| !known.insert(key.as_str())) {
        Some((key, _)) => {
            let values = pairs.iter().filter(|(name, _)| name == key);
            Err(repeated(key, values.map(|(_, value)| value.clone())))
        }
        None => Ok(pairs),
    }
}

/// The error for a repeated `key`, with its first two values.
fn repeated(key: &str, values: impl Iterator<Item = Value>) -> PayloadError {
    let values: Vec<String> = values.take(2).map(|value| given_of(key, &value)).collect();
    PayloadError::Repeated(key.chars().take(60).collect(), values.join(" and "))
}

/// As [`given`], but masks values of keys that may hold secrets.
pub fn given_of(key: &str, value: &Value) -> String {
    if may_be_secret(key) { String::from("***") } else { given(value) }
}

/// The largest whole number up to which every JSON reader distinguishes neighbours (RFC 8259 §6).
pub const MOST_WHOLE: u64 = 1 << f64::MANTISSA_DIGITS;

/// A whole number up to [`MOST_WHOLE`]. As in JSON Schema, `435.0` is also one.
pub fn whole(value: &Value) -> Option<u64> {
    let exact = |number: &f64| number.fract() == 0.0 && (0.0..=MOST_WHOLE as f64).contains(number);
    let whole = value.as_u64().or_else(|| value.as_f64().filter(exact).map(|number| number as u64));
    whole.filter(|number| *number <= MOST_WHOLE)
}

/// Makes serde read whole numbers by [`whole`].
pub fn wholes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u64>, D::Error> {
    let values = Vec::<Value>::deserialize(from)?;
    let wrong = |value: &Value| serde::de::Error::custom(format!("{value} is no whole number"));
    values.iter().map(|value| whole(value).ok_or_else(|| wrong(value))).collect()
}

/// The given value as text, at most 100 characters; a text without its quotes.
pub fn given(value: &Value) -> String {
    match value {
        Value::String(text) => text.chars().take(100).collect(),
        other => other.to_string().chars().take(100).collect(),
    }
}

/// Reads an object's keys and values in their order, including repeated keys. The field holds the key whose value is
/// being read, for the error if that value is invalid.
struct Each<'a>(&'a mut Option<String>);

impl<'de> Visitor<'de> for Each<'_> {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            let key = self.0.insert(key);
            let value = map.next_value()?;
            pairs.push((std::mem::take(key), value));
            *self.0 = None;
        }
        Ok(pairs)
    }
}

/// Reads a long JSON body as `T` directly: a tree of its values would take ten times the memory. Takes time in
/// proportion to the length; not for the server's own thread.
///
/// # Errors
/// [`PayloadError`].
pub fn read_long<T: DeserializeOwned>(body: &[u8]) -> Result<T, PayloadError> {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => return Err(PayloadError::Missing),
        Some(b'{') => {}
        Some(b'[') => return Err(PayloadError::NoObject),
        Some(_) => return Err(PayloadError::NotJson(String::from("it does not begin as an object does"))),
    }
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => PayloadError::Wrong(error.to_string()),
        _ => PayloadError::NotJson(error.to_string()),
    })
}

/// The same away from the runtime's threads: parsing some megabytes there would delay streams.
pub async fn read_beside<T: DeserializeOwned + Send + 'static>(body: Bytes) -> Result<T, Problem> {
    let read = tokio::task::spawn_blocking(move || read_long(&body)).await;
    Ok(read.map_err(|panicked| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()))??)
}

fn json(body: &[u8]) -> Result<Value, PayloadError> {
    serde_json::from_slice(body).map_err(|e| PayloadError::NotJson(e.to_string()))
}

/// The media type in lower case without parameters; empty if none is given.
fn kind(headers: &HeaderMap) -> String {
    let text = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().chars().take(100).collect()
}

/// A form as the equivalent JSON. A place is `0.2,0.8`, places are separated by spaces, and a list has commas or
/// repeated keys.
fn form(fields: &Query) -> Value {
    let mut object = Map::new();
    for (key, text) in fields.pairs() {
        let value = match key.as_str() {
            "a" | "b" => place(text),
            "points" => text.split_whitespace().map(place).collect(),
            list if LISTS.contains(&list) => fields.list(list).into_iter().map(Value::from).collect(),
            NULL => {
                object.insert(text.clone(), Value::Null);
                continue;
            }
            "line" => number(text).filter(|n| n.is_u64()).unwrap_or_else(|| Value::from(text.as_str())),
            _ => Value::from(text.as_str()),
        };
        // An empty form field counts as absent.
        if !text.trim().is_empty() {
            object.insert(key.clone(), value);
        }
    }
    Value::Object(object)
}

fn place(text: impl AsRef<str>) -> Value {
    let text = text.as_ref();
    text.split(',').map(|part| number(part).unwrap_or_else(|| Value::from(part))).collect()
}

fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let whole = text.parse::<u64>().ok().map(Value::from);
    whole.or_else(|| text.parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from))
}

impl From<PayloadError> for Problem {
    fn from(error: PayloadError) -> Problem {
        let status = match error {
            PayloadError::Missing | PayloadError::NotJson(_) | PayloadError::NoNumber(..) => {
                StatusCode::BAD_REQUEST
            }
            PayloadError::Kind(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            PayloadError::NoObject
            | PayloadError::TooMany
            | PayloadError::Repeated(..)
            | PayloadError::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Problem::new(status, error.to_string()).hint(error.hint());
        match error {
            PayloadError::Repeated(key, given) => problem.wrong(key, "given once", given),
            PayloadError::NoNumber(key, given) => problem.wrong(key, "finite, where it is a number", given),
            PayloadError::NoObject => problem.wrong_body(),
            _ => problem,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::HeaderValue;
    use serde_json::json;

    fn of(kind: &'static str, body: &str) -> Result<Value, PayloadError> {
        let mut headers = HeaderMap::new();
        if !kind.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        read(&headers, body.as_bytes())
    }

    #[test]
    fn json_is_recognised_under_any_media_type() {
        for kind in [
            "",
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON",
            "application/merge-patch+json",
            "text/plain;charset=UTF-8",
            "application/x-www-form-urlencoded",
            "application/octet-stream",
        ] {
            assert_eq!(of(kind, " {\"a\": [0, 1]}").unwrap(), json!({"a": [0, 1]}), "{kind}");
        }
    }

    #[test]
    fn a_form_gives_the_same_values() {
        let text = "name=Front+door&a=0.5,1&b=0.5%2C0&classes=person&classes=car,dog&line=7&points=0,0+1,0+1,1&in_name=";
        assert_eq!(
            of("application/x-www-form-urlencoded", text).unwrap(),
            json!({
                "name": "Front door", "a": [0.5, 1], "b": [0.5, 0], "line": 7,
                "classes": ["person", "car", "dog"], "points": [[0, 0], [1, 0], [1, 1]],
            })
        );
    }

    #[test]
    fn a_body_that_is_not_understood_is_refused_in_words() {
        assert_eq!(of("application/json", " \r\n"), Err(PayloadError::Missing));
        assert!(matches!(of("application/json", "{\"a\":"), Err(PayloadError::NotJson(_))));
        assert!(matches!(of("application/json", "nonsense"), Err(PayloadError::NotJson(_))));
        assert_eq!(of("image/png", "x"), Err(PayloadError::Kind("image/png".into())));
        let twice = of("application/json", "{\"a\":1,\"b\":2,\"a\":3}");
        assert_eq!(
            twice,
            Err(PayloadError::Repeated("a".into(), "1 and 3".into())),
            "which of them is meant?"
        );
        let twice = of("application/x-www-form-urlencoded", "a=1&b=2&a=1");
        assert_eq!(
            twice,
            Err(PayloadError::Repeated("a".into(), "1 and 1".into())),
            "nor is it known of a form"
        );
        let headers = HeaderMap::new();
        let wrong = read::<Door>(&headers, b"{\"name\":5}").unwrap_err();
        assert!(matches!(&wrong, PayloadError::Wrong(why) if why.contains("string")), "{wrong}");
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Door {
        name: String,
    }

    #[test]
    fn a_list_is_refused_even_if_it_fits() {
        let headers = HeaderMap::new();
        for body in ["[\"Front door\"]", " [ ]", "7", "\"a\"", "null", "true"] {
            let json = read::<Door>(&headers, body.as_bytes());
            assert_eq!(json, Err(PayloadError::NoObject), "{body}");
            assert!(read_long::<Door>(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(read_long::<Door>(b"[\"Front door\"]"), Err(PayloadError::NoObject));
    }

    #[test]
    fn a_long_body_is_read_as_a_short_one_is() {
        let door = Door { name: "Front door".into() };
        assert_eq!(read_long(b" {\"name\": \"Front door\"}\n"), Ok(door));
        assert_eq!(read_long::<Door>(b" "), Err(PayloadError::Missing));
        assert!(matches!(read_long::<Door>(b"{\"name\":5}"), Err(PayloadError::Wrong(_))));
        assert!(matches!(read_long::<Door>(b"{\"name\":\"a"), Err(PayloadError::NotJson(_))));
    }

    #[test]
    fn pairs_keep_their_order_and_none_is_there_twice() {
        let pairs = |kind: &'static str, body: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            read_pairs(&headers, body.as_bytes())
        };
        let (json, form) = ("application/json", "application/x-www-form-urlencoded");
        let of = |key: &str, value: Value| (key.to_owned(), value);
        assert_eq!(pairs(json, "{\"b\":1,\"a\":null}"), Ok(vec![of("b", json!(1)), of("a", Value::Null)]));
        assert_eq!(pairs(form, "b=1&a="), Ok(vec![of("b", json!("1")), of("a", json!(""))]));
        assert_eq!(
            pairs(json, "{\"a\":1,\"b\":2,\"a\":3}"),
            Err(PayloadError::Repeated("a".into(), "1 and 3".into()))
        );
        assert_eq!(
            pairs(json, "{\"Password\":\"s3cret\",\"Password\":\"s3cret2\"}"),
            Err(PayloadError::Repeated("Password".into(), "*** and ***".into())),
            "whoever sends a secret is not shown it again"
        );
        assert_eq!(pairs(form, "a=1&a=1"), Err(PayloadError::Repeated("a".into(), "1 and 1".into())));
        let many: Vec<String> = (0..=MOST_KEYS).map(|n| format!("k{n}=1")).collect();
        let many_more: Vec<String> = (0..=MOST_KEYS).map(|n| format!("\"k{n}\":1")).collect();
        assert_eq!(pairs(form, &many.join("&")), Err(PayloadError::TooMany));
        assert_eq!(pairs(json, &format!("{{{}}}", many_more.join(","))), Err(PayloadError::TooMany));
        assert!(pairs(form, &many[1..].join("&")).is_ok());
        assert_eq!(pairs(json, "[1]"), Err(PayloadError::NoObject));
        assert_eq!(pairs(json, " "), Err(PayloadError::Missing));
        assert!(matches!(pairs(json, "{\"a\":nonsense}"), Err(PayloadError::NotJson(_))));
        assert_eq!(pairs("image/png", "x"), Err(PayloadError::Kind("image/png".into())));
    }

    #[test]
    fn an_invalid_number_is_reported_with_its_key() {
        let huge = format!("1{}", "0".repeat(400));
        for word in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "nan", huge.as_str()] {
            let given = word.chars().take(100).collect();
            let told = Err(PayloadError::NoNumber(String::from("a"), given));
            for body in
                [format!("{{\"w\": 1,\r\n \"a\":[0.5,{word}], \"b\":2}}"), format!("{{\"a\": {word} }}")]
            {
                assert_eq!(of("application/json", &body), told, "{body}");
            }
        }
        let secret = of("application/json", "{\"password\":NaN}");
        assert_eq!(secret, Err(PayloadError::NoNumber(String::from("password"), String::from("***"))));
        // No value, another fault, or a text that was not meant as a number.
        for body in ["{NaN:1}", "{\"a\":1 NaN}", "{\"a\":[1", "{\"a\":hunter2}", "{\"a\":1}NaN", "{\"a\":01}"]
        {
            assert!(matches!(of("application/json", body), Err(PayloadError::NotJson(_))), "{body}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            for kind in ["", "application/x-www-form-urlencoded"] {
                let mut headers = HeaderMap::new();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
                let _ = read::<Value>(&headers, &bytes);
            }
        }
    }
}
