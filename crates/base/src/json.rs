//! JSON formats of rows: times in UTC, durations in seconds, enums as words. Also quoting for JSON and TOML.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};

use super::clock::rfc3339;
use super::unicode::is_unseen_control;

/// Gives each variant of an enum its one word: for programs, for JSON and for the API document.
#[macro_export]
macro_rules! words {
    ($($kind:ident { $($variant:ident $word:literal),+ })+) => {$(
        #[allow(dead_code)]
        impl $kind {
            /// All variants with their words.
            pub const WORDS: [(&'static str, $kind); [$($word),+].len()] = [$(($word, $kind::$variant)),+];

            /// All variants.
            pub const ALL: [$kind; [$($word),+].len()] = [$($kind::$variant),+];

            /// The word of this variant.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($kind::$variant => $word),+
                }
            }

            /// The variant with this word.
            pub fn parse(word: &str) -> Option<$kind> {
                $kind::WORDS.iter().find(|(own, _)| *own == word).map(|(_, kind)| *kind)
            }
        }

        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<$kind, D::Error> {
                let given = serde_json::Value::deserialize(from)?;
                let expected = || serde::de::Error::custom(concat!("one of", $(" ", $word, ","),+).trim_end_matches(','));
                given.as_str().and_then($kind::parse).ok_or_else(expected)
            }
        }

        impl schemars::JsonSchema for $kind {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($kind).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "enum": [$($word),+]})
            }
        }
    )+};
}
pub use crate::words;

/// A time in microseconds since 1970, written as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rfc3339(pub u64);

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        time(&self.0, to)
    }
}

impl JsonSchema for Rfc3339 {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Rfc3339".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

/// `text` as a TOML basic string, which is also a JSON string.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if is_unseen_control(c) => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Writes microseconds since 1970 as RFC 3339.
pub fn time<S: Serializer>(us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*us))
}

/// Like [`time()`]; `None` becomes `null`.
pub fn maybe_time<S: Serializer>(us: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    us.map(rfc3339).serialize(to)
}

/// Writes microseconds as seconds.
pub fn seconds<S: Serializer>(us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(*us as f64 / 1e6)
}

/// Writes a score with its three significant decimals.
pub fn score<S: Serializer>(score: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(thousandths(*score))
}

/// `value` rounded to three decimals.
pub fn thousandths(value: f32) -> f64 {
    (f64::from(value) * 1e3).round() / 1e3
}

/// An optional duration in seconds.
pub mod maybe_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes seconds or `null`.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs_f64()).serialize(to)
    }

    /// Reads seconds. A negative or too large number becomes `None`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds: Option<f64> = Option::deserialize(from)?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}
