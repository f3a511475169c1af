//! Bodies of requests as structs that derive `Deserialize` and `JsonSchema`: each key is one line. Strict: unknown keys
//! and wrong values are refused in words, never ignored. The texts of a form are read as the values that they spell.
//! Pure.

use std::sync::LazyLock;

use hyper::HeaderMap;
use hyper::StatusCode;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};

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
    #[error("`{key}` is not known here; {}", those_are(known))]
    Unknown {
        key: String,
        /// The known keys; empty if there are none.
        known: String,
        /// Its value, at most 100 characters of it.
        given: String,
    },
    /// A list with too many items.
    #[error("`{key}` names {count} items, and {most} are the most that may be named at once")]
    TooMany {
        key: &'static str,
        count: usize,
        /// The maximum.
        most: usize,
    },
    /// A value of the wrong kind or out of its range.
    #[error("`{key}` should be {expected}")]
    Wrong {
        key: String,
        expected: String,
        /// The given value, at most 100 characters of it, if known.
        given: Option<String>,
    },
    /// Required keys that are absent, each with its expected value.
    #[error("{}", .0.first().map(|(key, expected)| format!("`{key}` should be {expected}")).unwrap_or_default())]
    Missing(Vec<(String, String)>),
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
const PLACE: &str = "[x, y] in fractions of the picture";

/// The expected value of a text, which a key's description says better.
const TEXT: &str = "a text";

/// Reads a required body.
///
/// # Errors
/// [`FieldError`].
pub fn read<T: DeserializeOwned + JsonSchema>(headers: &HeaderMap, body: &[u8]) -> Result<T, FieldError> {
    of(&json_body::read(headers, body)?, &[])
}

/// Reads an optional body; a missing one has no keys.
///
/// # Errors
/// [`FieldError`].
pub fn read_or_nothing<T: DeserializeOwned + JsonSchema>(
    headers: &HeaderMap,
    body: &[u8],
) -> Result<T, FieldError> {
    of(&json_body::read_or_nothing(headers, body)?.unwrap_or_else(nothing), &[])
}

/// Checks that the body is empty or an object without keys, for routes that take none.
///
/// # Errors
/// [`FieldError`].
pub fn read_none(headers: &HeaderMap, body: &[u8]) -> Result<(), FieldError> {
    #[derive(serde::Deserialize, JsonSchema)]
    struct Nothing {}
    read_or_nothing(headers, body).map(|Nothing {}| ())
}

/// An object without keys.
pub fn nothing() -> Value {
    Value::Object(Map::new())
}

/// Reads the object `sent`. The keys `beside` are known, too; the caller reads their values.
///
/// # Errors
/// [`FieldError`].
pub fn of<T: DeserializeOwned + JsonSchema>(
    sent: &Value,
    beside: &'static [&'static str],
) -> Result<T, FieldError> {
    T::deserialize(SentValue { value: sent, beside }).map_err(|error| {
        let FieldError::Wrong { key, .. } = &error else { return error };
        let schema = schema_of::<T>();
        if sent.get(key).is_some_and(|value| !value.is_null()) {
            return named_words(error, &schema);
        }
        let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let missing = required.filter(|key| sent.get(key).is_none_or(Value::is_null));
        let missing: Vec<_> = missing.map(|key| (key.to_owned(), expected::<T>(key, &schema))).collect();
        if missing.is_empty() { null(key) } else { FieldError::Missing(missing) }
    })
}

/// The error with the words of its key's schema, if it only says that a text is expected.
fn named_words(error: FieldError, schema: &Value) -> FieldError {
    match error {
        FieldError::Wrong { key, expected, given } if expected == TEXT => {
            let words = schema["properties"][&key]["enum"].as_array().into_iter().flatten();
            let words: Vec<&str> = words.filter_map(Value::as_str).collect();
            let expected = if words.is_empty() { expected } else { format!("one of {}", words.join(", ")) };
            FieldError::Wrong { key, expected, given }
        }
        error => error,
    }
}

/// The error for null as the value of `key`, where it would mean nothing.
pub fn null(key: &str) -> FieldError {
    wrong(key, "left out, or have a value; null is none", Some(String::from("null")))
}

/// The expected value of a required key: by its kind, or for a text by its description.
fn expected<T: DeserializeOwned>(key: &str, schema: &Value) -> String {
    let alone = Value::Object(Map::from_iter([(key.to_owned(), Value::Null)]));
    match T::deserialize(SentValue { value: &alone, beside: &[] }) {
        Err(FieldError::Wrong { key: wrong, expected, .. }) if wrong == key && expected != TEXT => expected,
        _ => {
            let about =
                schema["properties"][key]["description"].as_str().unwrap_or(TEXT).trim_end_matches('.');
            about.chars().take(1).flat_map(char::to_lowercase).chain(about.chars().skip(1)).collect()
        }
    }
}

/// The error for a wrong value of `key`.
pub fn wrong(key: &str, expected: impl Into<String>, given: Option<String>) -> FieldError {
    FieldError::Wrong { key: key.to_owned(), expected: expected.into(), given }
}

/// The given value of `key` in a body, even null, for people.
pub fn given_in(sent: &Value, key: &str) -> Option<String> {
    sent.get(key).map(json_body::given)
}

/// Adds the keys of `T` and those `beside` from the query to a body, as a form would send them. Other keys of the query
/// are ignored.
///
/// # Errors
/// A key occurs more than once, or also in the body: its value is ambiguous.
pub fn add_query<T: JsonSchema>(sent: &mut Value, query: &Query, beside: &[&str]) -> Result<(), FieldError> {
    let schema = schema_of::<T>();
    let own = schema["properties"].as_object().into_iter().flat_map(Map::keys);
    for key in own.map(String::as_str).chain(beside.iter().copied()) {
        let mut values = query.pairs().iter().filter(|(name, _)| name == key);
        let Some((_, value)) = values.next() else { continue };
        if sent.get(key).is_some() || values.next().is_some() {
            return Err(wrong(key, "given once, in the query or in the body", given_in(sent, key)));
        }
        sent[key] = Value::from(value.as_str());
    }
    Ok(())
}

/// The JSON schema of a body.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().for_deserialize();
    let settings = settings.with(|settings| settings.inline_subschemas = true);
    T::json_schema(&mut settings.into_generator()).to_value()
}

/// The key of an error is empty until it is known.
impl Error for FieldError {
    fn custom<E: std::fmt::Display>(expected: E) -> FieldError {
        wrong("", expected.to_string(), None)
    }

    fn missing_field(key: &'static str) -> FieldError {
        wrong(key, TEXT, None)
    }
}

/// A value of a body. Errors are the expected values.
#[derive(Clone, Copy)]
struct SentValue<'de> {
    value: &'de Value,
    /// More known keys of an object.
    beside: &'static [&'static str],
}

/// What stands for a value that is no list: its error says what the list should hold.
static NO_LIST: LazyLock<Value> = LazyLock::new(|| Value::Array(vec![Value::Null]));

impl<'de> Deserializer<'de> for SentValue<'de> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.value.deserialize_any(visitor).map_err(Error::custom)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.value.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// A form sends `1`, `true` or `on`, and `0`, `false` or `off`.
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match (self.value, self.value.as_str()) {
            (Value::Bool(flag), _) => visitor.visit_bool(*flag),
            (_, Some("1" | "true" | "on")) => visitor.visit_bool(true),
            (_, Some("0" | "false" | "off")) => visitor.visit_bool(false),
            _ => Err(FieldError::custom("true or false")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_str(self.value.as_str().ok_or_else(|| FieldError::custom(TEXT))?)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let list = if self.value.is_array() { self.value } else { &*NO_LIST };
        list.deserialize_seq(visitor).map_err(|error| {
            Error::custom(match error.to_string() {
                text if text.ends_with("a string") => String::from("a list of texts"),
                word if word.starts_with("one of") => {
                    format!("a list of {}", word.replacen("one", "some", 1))
                }
                _ => format!("a list of {PLACE}"),
            })
        })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, FieldError> {
        self.value.deserialize_tuple(len, visitor).map_err(|_| FieldError::custom(PLACE))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let keys = self.value.as_object().ok_or_else(|| FieldError::custom("an object"))?;
        let known = || fields.iter().chain(self.beside);
        match keys.keys().find(|key| known().all(|known| known != key)) {
            Some(key) => Err(FieldError::Unknown {
                key: key.chars().take(60).collect(),
                known: known().copied().collect::<Vec<_>>().join(", "),
                given: json_body::given_of(key, &keys[key]),
            }),
            None => visitor.visit_map(SentKeys { left: fields.iter(), keys, key: "" }),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str bytes byte_buf unit unit_struct newtype_struct
        tuple_struct map enum identifier ignored_any
    }
}

/// The keys and values of an object, in the order of the struct's fields.
struct SentKeys<'de> {
    left: std::slice::Iter<'static, &'static str>,
    keys: &'de Map<String, Value>,
    /// The key whose value comes next.
    key: &'static str,
}

impl<'de> MapAccess<'de> for SentKeys<'de> {
    type Error = FieldError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, FieldError> {
        let keys = self.keys;
        let Some(key) = self.left.find(|key| keys.contains_key(**key)) else { return Ok(None) };
        self.key = key;
        seed.deserialize(StrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, FieldError> {
        let value = self.keys.get(self.key).unwrap_or(&Value::Null);
        let given = || Some(json_body::given(value));
        seed.deserialize(SentValue { value, beside: &[] }).map_err(|error| match error {
            FieldError::Wrong { expected, .. } => wrong(self.key, expected, given()),
            error => error,
        })
    }
}

impl Problem {
    /// The problem of a readable body, for routes that answer 422.
    pub fn unprocessable(error: FieldError) -> Problem {
        if let FieldError::Missing(keys) = &error {
            let keys: Vec<(&str, &str)> = keys.iter().map(|(key, expected)| (&**key, &**expected)).collect();
            return Problem::missing(&keys);
        }
        let is_unread = matches!(&error, FieldError::Payload(error) if *error != PayloadError::NoObject);
        let problem = Problem::from(error);
        if is_unread { problem } else { Problem { status: StatusCode::UNPROCESSABLE_ENTITY, ..problem } }
    }

    /// The same with the given value from a body, if the problem lacks it.
    #[must_use]
    pub fn given_in(mut self, sent: &Value) -> Problem {
        if let Some(wrong) = &mut self.wrong {
            wrong.given = wrong.given.take().or_else(|| given_in(sent, &wrong.field));
        }
        self
    }
}

impl From<FieldError> for Problem {
    fn from(error: FieldError) -> Problem {
        let problem = Problem::new(StatusCode::BAD_REQUEST, error.to_string())
            .hint("`/api/v1/openapi.json` says what is expected");
        let wrong = |problem, field, range, given| {
            let wrong = WrongField { field, range, given, errors: Vec::new() };
            Problem { wrong: Some(Box::new(wrong)), ..problem }
        };
        match error {
            // For these routes, every unreadable body is a bad request.
            FieldError::Payload(error) if error != PayloadError::NoObject => error.into(),
            FieldError::Payload(_) => problem.wrong_body(),
            FieldError::Wrong { key, expected, given } => wrong(problem, key, expected, given),
            FieldError::Missing(keys) => {
                let (key, expected) = keys.into_iter().next().unwrap_or_default();
                wrong(problem, key, expected, None)
            }
            FieldError::Unknown { key, known, given } => {
                let range = match known.as_str() {
                    "" => String::from("nothing"),
                    known => format!("one of {known}"),
                };
                problem.wrong(key, range, given)
            }
            FieldError::TooMany { key, count, most } => Problem {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                ..problem.wrong(key, format!("at most {most}"), count.to_string())
            },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::http::request::kinds::{Amount, Given, ItemIds, NumberIn, Span, WholeIn};
    use hyper::header::{CONTENT_TYPE, HeaderValue};
    use tallycam_store::Anchor;

    #[derive(Debug, Default, serde::Deserialize, JsonSchema)]
    #[serde(default)]
    struct Kinds {
        name: Option<String>,
        kept: Option<bool>,
        fps: Option<NumberIn<10, 10_000>>,
        w: Option<WholeIn<16, 8192>>,
        anchor: Given<Anchor>,
        age: Given<Option<Span<false>>>,
        size: Option<Amount<0>>,
        ids: Option<ItemIds<2>>,
        classes: Vec<String>,
    }

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[allow(dead_code)]
    struct Needed {
        /// Its purpose.
        name: String,
        at: [f64; 2],
        anchor: Anchor,
        points: Option<Vec<[f64; 2]>>,
    }

    fn json<T: DeserializeOwned + JsonSchema>(body: &str) -> Result<T, FieldError> {
        read(&HeaderMap::new(), body.as_bytes())
    }

    fn refused(body: &str) -> String {
        json::<Kinds>(body).unwrap_err().to_string()
    }

    #[test]
    fn json_and_a_form_give_the_same_values() {
        let body = r#"{"name":"a","kept":true,"fps":2.5,"w":320.0,"anchor":"top","age":"30d","size":"2GB","ids":[3.0,1,3],
            "classes":["car"]}"#;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        let form = b"name=a&kept=on&fps=2.5&w=320&anchor=top&age=30d&size=2GB&ids=3,1&classes=car";
        for kinds in [json::<Kinds>(body).unwrap(), read(&headers, form).unwrap()] {
            assert_eq!((kinds.name.as_deref(), kinds.kept), (Some("a"), Some(true)));
            assert_eq!((kinds.fps, kinds.w), (Some(NumberIn(2.5)), Some(WholeIn(320))));
            assert_eq!(kinds.age, Given(Some(Some(Span(Duration::from_secs(30 * 86_400))))));
            assert_eq!(kinds.size, Some(Amount(2_000_000_000)));
            assert_eq!(
                (kinds.anchor, kinds.classes),
                (Given(Some(Anchor::TopCenter)), vec![String::from("car")])
            );
            assert_eq!(kinds.ids.unwrap().taken(), Ok(vec![1, 3]));
        }
        let nulls = json::<Kinds>(r#"{"name":null,"age":null,"ids":null}"#).unwrap();
        assert_eq!((nulls.name, nulls.age, nulls.ids), (None, Given(Some(None)), None));
    }

    #[test]
    fn a_wrong_value_is_refused_with_what_is_expected() {
        let ids = "`ids` should be a list of 1 to 2 numbers of items, as in [1, 2]";
        let age = "`age` should be a number of seconds, or a time such as \"30d\" or \"90m\"";
        let w = "`w` should be a whole number from 16 to 8192";
        for (body, want) in [
            (r#"{"name":5}"#, "`name` should be a text"),
            (r#"{"kept":"perhaps"}"#, "`kept` should be true or false"),
            (r#"{"fps":0}"#, "`fps` should be a number from 0.1 to 100"),
            (r#"{"w":320.5}"#, w),
            (r#"{"w":-1.0}"#, w),
            (r#"{"w":1e17}"#, w),
            (r#"{"anchor":null}"#, "`anchor` should be left out, or have a value; null is none"),
            (r#"{"age":-1}"#, age),
            (r#"{"age":true}"#, age),
            (r#"{"age":1e300}"#, "`age` should be at most 1000000000 seconds"),
            (r#"{"size":"much"}"#, "`size` should be a number of bytes, or an amount such as \"2GB\""),
            (r#"{"ids":[]}"#, ids),
            (r#"{"ids":[0]}"#, ids),
            (r#"{"ids":[1.5]}"#, ids),
            (r#"{"classes":"car"}"#, "`classes` should be a list of texts"),
            (r#"{"classes":["car",5]}"#, "`classes` should be a list of texts"),
        ] {
            assert_eq!(refused(body), want, "{body}");
        }
        let many = json::<Kinds>(r#"{"ids":[1,2,3]}"#).unwrap().ids.unwrap().taken();
        assert_eq!(many, Err(FieldError::TooMany { key: "ids", count: 3, most: 2 }));
        let given = json::<Kinds>(r#"{"w":[1]}"#);
        assert_eq!(
            given.unwrap_err(),
            wrong("w", "a whole number from 16 to 8192", Some(String::from("[1]")))
        );
    }

    #[test]
    fn all_missing_keys_are_named_with_what_is_expected() {
        let of = |body: &str| Problem::unprocessable(json::<Needed>(body).unwrap_err()).detail;
        let (at, anchor) = (format!("`at` is missing; it should be {PLACE}"), "one of bottom, center, top");
        let all = of("{}");
        assert!(
            all.starts_with(&format!("`name` is missing; it should be its purpose. {at}. `anchor` is")),
            "{all}"
        );
        assert!(all.contains(anchor), "{all}");
        assert_eq!(of(r#"{"name":"a","at":null,"anchor":"top"}"#), at);
        let first = Problem::from(json::<Needed>("{}").unwrap_err());
        assert_eq!((first.status.as_u16(), &*first.detail), (400, "`name` should be its purpose"));
        let wrong = of(r#"{"name":"a","at":[0,1],"anchor":"top","points":[[0,1],[0,1,2]]}"#);
        assert_eq!(wrong, format!("`points` should be a list of {PLACE}"));
    }

    #[test]
    fn a_query_adds_keys_that_the_body_lacks() {
        let and = |body: &str, query: &str| {
            let mut sent = serde_json::from_str(body).unwrap();
            add_query::<Kinds>(&mut sent, &Query::parse(query), &["gray"])?;
            of::<Kinds>(&sent, &["gray"]).map(|kinds| (kinds, sent))
        };
        let (kinds, sent) = and(r#"{"name":"a"}"#, "w=320&kept=1&gray=1&_=5").unwrap();
        assert_eq!((kinds.w, kinds.kept, &sent["gray"]), (Some(WholeIn(320)), Some(true), &Value::from("1")));
        for (body, query) in [(r#"{"w":320}"#, "w=320"), (r#"{"w":null}"#, "w=320"), ("{}", "w=320&w=320")] {
            let error = and(body, query).unwrap_err();
            assert!(matches!(error, FieldError::Wrong { key, .. } if key == "w"), "{body} {query}");
        }
    }

    #[test]
    fn only_objects_of_known_keys() {
        assert_eq!(json::<Kinds>("[1]").unwrap_err(), FieldError::Payload(PayloadError::NoObject));
        assert_eq!(json::<Kinds>("\"name\"").unwrap_err(), FieldError::Payload(PayloadError::NoObject));
        assert!(refused(r#"{"nmae":1}"#).starts_with("`nmae` is not known here; name, kept, fps"));
        assert!(matches!(json::<Kinds>(""), Err(FieldError::Payload(PayloadError::Missing))));
        assert!(read_or_nothing::<Kinds>(&HeaderMap::new(), b"").unwrap().name.is_none());
        for nothing in ["", " ", "{}"] {
            assert_eq!(read_none(&HeaderMap::new(), nothing.as_bytes()), Ok(()), "{nothing}");
        }
        let one = read_none(&HeaderMap::new(), br#"{"x":1}"#).unwrap_err();
        assert_eq!(one.to_string(), "`x` is not known here; nothing is");
    }
}
