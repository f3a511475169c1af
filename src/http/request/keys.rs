//! Query keys as the table of routes lists them, with their JSON schemas for the OpenAPI document. Pure.

use serde_json::{Value, json};

/// A key of a query.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueryKey {
    pub name: &'static str,
    /// The allowed values.
    pub may_be: MayBe,
    /// The description.
    pub about: &'static str,
    /// The key is required.
    pub is_needed: bool,
}

/// The allowed values of a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MayBe {
    /// Text with a maximum number of characters.
    Text(u64),
    /// Texts: the key may repeat.
    Texts,
    /// One of these.
    Words(&'static [&'static str]),
    /// Several of these, separated by commas.
    Several(&'static [&'static str]),
    /// A whole number in this inclusive range.
    Whole(u64, u64),
    /// A number in this inclusive range.
    Number(f64, f64),
    /// Text that a regular expression matches.
    Like(&'static str),
    /// The same, or a word for no limit.
    OrNoLimit(&'static str),
    /// A moment in any spelling of the module `time_param`.
    Moment,
    /// A day, optionally with a time.
    Day,
}

/// Text without a limit of its own.
pub const TEXT: MayBe = MayBe::Text(u64::MAX);

pub const FLAG: MayBe = MayBe::Words(&["1", "true", "0", "false"]);

/// The ID of a stored row.
pub const ID: MayBe = MayBe::Whole(1, u64::MAX);

pub const SECONDS: MayBe = MayBe::Number(0.0, f64::MAX);

/// A duration, or no limit.
pub const SPAN: MayBe = MayBe::OrNoLimit(SPAN_PATTERN);

/// A duration in words.
pub const SPAN_PATTERN: &str =
    "^([1-9][0-9]{0,4}(\\.[0-9]{1,3})?|([1-9][0-9]{0,4}(\\.[0-9]{1,3})? ?(ms|s|min|m|h|d)){1,4})$";

/// A size in bytes, or no limit.
pub const AMOUNT: MayBe = MayBe::OrNoLimit(AMOUNT_PATTERN);

/// A size in bytes, in words.
pub const AMOUNT_PATTERN: &str =
    "^([0-9]{1,15}|[1-9][0-9]{0,4}(\\.[0-9])? ?[kKMGT]B|[1-9][0-9]{0,4} ?([kKMGT]i)?B)$";

const DATE: &str = "(19[7-9]|[2-8][0-9]{2})[0-9]-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-9]))";
const TIME: &str =
    "(T([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9])?)?";

/// An optional key.
pub const fn key(name: &'static str, may_be: MayBe, about: &'static str) -> QueryKey {
    QueryKey { name, may_be, about, is_needed: false }
}

/// A required key.
pub const fn needed(name: &'static str, may_be: MayBe, about: &'static str) -> QueryKey {
    QueryKey { name, may_be, about, is_needed: true }
}

impl MayBe {
    /// True if the schema allows an empty value.
    pub fn may_be_empty(self) -> bool {
        matches!(self, MayBe::Text(_) | MayBe::Texts)
    }

    /// The JSON schema.
    pub fn schema(self) -> Value {
        let like = |pattern: String| json!({"type": "string", "pattern": pattern});
        match self {
            MayBe::Text(u64::MAX) => json!({"type": "string"}),
            MayBe::Text(most) => json!({"type": "string", "maxLength": most}),
            MayBe::Texts => json!({"type": "array", "items": {"type": "string"}}),
            MayBe::Words(words) => json!({"type": "string", "enum": words}),
            MayBe::Several(words) => {
                let one = words.join("|");
                like(format!("^({one})(,({one}))*$"))
            }
            MayBe::Whole(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
            MayBe::Number(least, f64::MAX) => json!({"type": "number", "minimum": least}),
            MayBe::Number(f64::MIN, most) => json!({"type": "number", "maximum": most}),
            MayBe::Number(least, most) => json!({"type": "number", "minimum": least, "maximum": most}),
            MayBe::Like(pattern) => like(pattern.to_owned()),
            MayBe::OrNoLimit(pattern) => json!({
                "anyOf": [like(pattern.to_owned()), {"type": "string", "enum": ["never", "unlimited", "none"]}],
            }),
            MayBe::Moment => {
                like(format!("^(now|today|yesterday|tomorrow|-[0-9]{{1,3}}[mhdw]|{DATE}{TIME})$"))
            }
            MayBe::Day => like(format!("^{DATE}{TIME}$")),
        }
    }
}
