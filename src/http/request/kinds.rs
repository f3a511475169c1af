//! Kinds of values in bodies that are no plain Rust type: each is read, described in words and as a JSON schema in one
//! place. Pure.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::http::request::body::FieldError;
use crate::http::request::json_body::{MOST_WHOLE, whole};
use crate::http::request::keys::{AMOUNT_PATTERN, SPAN_PATTERN};
use tallycam_config::{parse_duration, parse_size};

/// Longest time in seconds, if given as a number: some thirty years.
pub const MOST_SECONDS: f64 = 1e9;

/// A kind of value; [`kinds!`] makes it a type of a body's field.
pub trait SentKind: Sized {
    /// Reads a value.
    ///
    /// # Errors
    /// It is another than expected; the error says what is expected.
    fn of(given: &Value) -> Result<Self, String>;

    /// The JSON schema.
    fn schema() -> Value;
}

/// Implements `Deserialize` and `JsonSchema` for a [`SentKind`].
macro_rules! kinds {
    ($([$($of:tt)*] $kind:ty),+ $(,)?) => {$(
        impl<'de, $($of)*> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let given = serde_json::Value::deserialize(from)?;
                $crate::http::request::kinds::SentKind::of(&given).map_err(serde::de::Error::custom)
            }
        }

        impl<$($of)*> schemars::JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::Schema::try_from(<$kind as $crate::http::request::kinds::SentKind>::schema()).unwrap_or_default()
            }
        }
    )+};
}
pub(in crate::http) use kinds;

/// Makes types of texts, each with its JSON schema. What a text may hold is checked where it is used.
macro_rules! texts {
    ($($(#[$about:meta])* $kind:ident: $schema:expr;)+) => {$(
        $(#[$about])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $kind(pub String);

        impl $crate::http::request::kinds::SentKind for $kind {
            fn of(given: &serde_json::Value) -> Result<$kind, String> {
                given.as_str().map(|text| $kind(text.to_owned())).ok_or_else(|| String::from("a text"))
            }

            fn schema() -> serde_json::Value {
                $schema
            }
        }

        $crate::http::request::kinds::kinds!([] $kind);
    )+};
}
pub(in crate::http) use texts;

kinds!(
    [const LEAST: u64, const MOST: u64] WholeIn<LEAST, MOST>,
    [const LEAST: i64, const MOST: i64] NumberIn<LEAST, MOST>,
    [const IS_LONG: bool] Span<IS_LONG>,
    [const LEAST: u64] Amount<LEAST>,
    [const MOST: usize] ItemIds<MOST>,
);

/// A whole number in a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeIn<const LEAST: u64, const MOST: u64>(pub u64);

impl<const LEAST: u64, const MOST: u64> SentKind for WholeIn<LEAST, MOST> {
    fn of(given: &Value) -> Result<Self, String> {
        let number = whole(given).or_else(|| given.as_str()?.trim().parse().ok());
        let number = number.filter(|number| (LEAST..=MOST).contains(number)).map(WholeIn);
        number.ok_or_else(|| match MOST {
            u64::MAX => format!("a whole number from {LEAST} on"),
            _ => format!("a whole number from {LEAST} to {MOST}"),
        })
    }

    fn schema() -> Value {
        match MOST {
            u64::MAX => json!({"type": "integer", "minimum": LEAST}),
            most => json!({"type": "integer", "minimum": LEAST, "maximum": most}),
        }
    }
}

/// A number in a range, which is in hundredths.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NumberIn<const LEAST: i64, const MOST: i64>(pub f64);

impl<const LEAST: i64, const MOST: i64> SentKind for NumberIn<LEAST, MOST> {
    fn of(given: &Value) -> Result<Self, String> {
        let (least, most) = (LEAST as f64 / 100.0, MOST as f64 / 100.0);
        let number = given.as_f64().or_else(|| given.as_str()?.trim().parse().ok());
        let number = number.filter(|number| (least..=most).contains(number)).map(NumberIn);
        number.ok_or_else(|| format!("a number from {least} to {most}"))
    }

    fn schema() -> Value {
        let bound = |hundredths: i64| match hundredths % 100 {
            0 => json!(hundredths / 100),
            _ => json!(hundredths as f64 / 100.0),
        };
        json!({"type": "number", "minimum": bound(LEAST), "maximum": bound(MOST)})
    }
}

/// A duration: seconds up to [`MOST_SECONDS`], or as in the configuration (`"30d"`). If it `IS_LONG`, it is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<const IS_LONG: bool>(pub Duration);

impl<const IS_LONG: bool> SentKind for Span<IS_LONG> {
    fn of(given: &Value) -> Result<Self, String> {
        let seconds = given.as_f64().or_else(|| given.as_str()?.trim().parse().ok());
        let time = match seconds {
            Some(seconds) if seconds > MOST_SECONDS => return Err(format!("at most {MOST_SECONDS} seconds")),
            Some(seconds) => Duration::try_from_secs_f64(seconds).ok(),
            None => given.as_str().and_then(parse_duration),
        };
        match time {
            Some(Duration::ZERO) if IS_LONG => Err(String::from("longer than nothing")),
            Some(time) => Ok(Span(time)),
            None => Err(String::from("a number of seconds, or a time such as \"30d\" or \"90m\"")),
        }
    }

    fn schema() -> Value {
        json!({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": MOST_SECONDS, "pattern": SPAN_PATTERN})
    }
}

/// A size, which may have to be at least 1: a number of bytes, or as in the configuration (`"2GB"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Amount<const LEAST: u64>(pub u64);

impl<const LEAST: u64> SentKind for Amount<LEAST> {
    fn of(given: &Value) -> Result<Self, String> {
        let number = given.as_u64().or_else(|| whole(given)).or_else(|| given.as_str()?.trim().parse().ok());
        match number.or_else(|| given.as_str().and_then(parse_size)) {
            Some(bytes) if bytes < LEAST => Err(String::from("more than nothing")),
            Some(bytes) => Ok(Amount(bytes)),
            None => Err(String::from("a number of bytes, or an amount such as \"2GB\"")),
        }
    }

    fn schema() -> Value {
        json!({"type": ["integer", "string"], "minimum": LEAST, "pattern": AMOUNT_PATTERN})
    }
}

/// IDs of items: a list, or comma-separated text from a form. Duplicates are removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemIds<const MOST: usize>(Vec<u64>);

impl<const MOST: usize> ItemIds<MOST> {
    /// The IDs.
    ///
    /// # Errors
    /// They are too many.
    pub fn taken(self) -> Result<Vec<u64>, FieldError> {
        match self.0.len() {
            count if count > MOST => Err(FieldError::TooMany { key: "ids", count, most: MOST }),
            _ => Ok(self.0),
        }
    }
}

impl<const MOST: usize> SentKind for ItemIds<MOST> {
    fn of(given: &Value) -> Result<Self, String> {
        let id = |value: &Value| whole(value).or_else(|| value.as_str()?.trim().parse().ok());
        let ids: Option<Vec<u64>> = match given {
            Value::Array(list) => list.iter().map(id).collect(),
            Value::String(text) => text.split(',').map(|id| id.trim().parse().ok()).collect(),
            _ => None,
        };
        let mut ids = ids.unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        match ids.first() {
            None | Some(0) => Err(format!("a list of 1 to {MOST} numbers of items, as in [1, 2]")),
            Some(_) => Ok(ItemIds(ids)),
        }
    }

    fn schema() -> Value {
        let id = json!({"type": "integer", "minimum": 1, "maximum": MOST_WHOLE});
        json!({"type": "array", "items": id, "minItems": 1, "maxItems": MOST})
    }
}

/// A value that may be left out, but is not null; or, as `Given<Option<T>>`, null is a value of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given<T>(pub Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Given<T> {
        Given(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Given<T>, D::Error> {
        T::deserialize(from).map(|value| Given(Some(value)))
    }
}

impl<T: JsonSchema> JsonSchema for Given<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}
