//! How rows are written in JSON: times in UTC, lengths of time in seconds, enums by their word; and how JSON and TOML
//! quote.

use serde::{Serialize, Serializer};

use super::clock::rfc3339;
use super::unicode::is_unseen_control;

/// Writes each of these enums as its `as_str` says.
macro_rules! serialize_by_word {
    ($($kind:ty),+) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(self.as_str())
            }
        }
    )+};
}
pub(crate) use serialize_by_word;

/// `text` as a TOML basic string, which is a JSON string too.
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

/// Microseconds since 1970 as RFC 3339.
pub fn time<S: Serializer>(us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*us))
}

/// The same, or `null`.
pub fn maybe_time<S: Serializer>(us: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
    us.map(rfc3339).serialize(to)
}

/// Microseconds as seconds.
pub fn seconds<S: Serializer>(us: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(*us as f64 / 1e6)
}

/// A score, as far as it means anything.
pub fn score<S: Serializer>(score: &f32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(thousandths(*score))
}

/// A number with three decimals.
pub fn thousandths(value: f32) -> f64 {
    (f64::from(value) * 1e3).round() / 1e3
}

/// A length of time or none, in seconds.
pub mod maybe_span {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// In seconds.
    pub fn serialize<S: Serializer>(span: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs_f64()).serialize(to)
    }

    /// What is no length of time is none.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        let seconds: Option<f64> = Option::deserialize(from)?;
        Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
    }
}
