//! Building blocks of the OpenAPI document's JSON schemas.

use serde_json::{Value, json};

/// The schema of a draft: the answer's schema `whole`, of which the body sets the keys of `own`, all required ones if it
/// `is_whole`. The other keys may be sent back and change nothing; unknown keys are refused.
pub fn draft(mut whole: Value, own: &Value, is_whole: bool) -> Value {
    whole["required"] = if is_whole { own["required"].clone() } else { json!([]) };
    whole["additionalProperties"] = json!(false);
    for (key, schema) in whole["properties"].as_object_mut().into_iter().flatten() {
        if own["properties"].get(key).is_none() {
            schema["readOnly"] = json!(true);
        }
    }
    whole
}

/// A page of a list.
pub fn page_of(item: Value) -> Value {
    object(json!({"items": list(item), "next": maybe(text())}))
}

pub fn list(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

/// This or `null`.
pub fn maybe(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

pub fn text() -> Value {
    json!({"type": "string"})
}

/// Characters that no name may contain: invisible ones and control characters.
const UNSEEN: &str = r"\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb";

/// A name: at most `longest` characters, at least one of them visible, and none of `not`.
pub fn name(longest: usize, not: &str) -> Value {
    let any = format!("[^{UNSEEN}{not}]*");
    let seen = format!(r"[^{UNSEEN}{not}\s\u200c\u200d\u2800\ufe00-\ufe0f]");
    json!({"type": "string", "minLength": 1, "maxLength": longest, "pattern": format!("^{any}{seen}{any}$")})
}

/// A moment.
pub fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

/// A non-negative integer.
pub fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

/// A non-negative number.
pub fn number() -> Value {
    json!({"type": "number", "minimum": 0})
}

/// An object that requires all of `properties`.
pub fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().map(|p| p.keys().collect()).unwrap_or_default();
    json!({"type": "object", "required": required, "properties": properties})
}
