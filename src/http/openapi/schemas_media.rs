//! The JSON schemas of snapshots and recordings.

use serde_json::{Value, json};

use crate::http::api::media::{items, zip};
use crate::http::report::schema_parts::{closed, count, draft, list, maybe, name, number, object, text};
use crate::http::request::body_fields::MOST_SECONDS;
use crate::http::request::json_body::MOST_WHOLE;
use crate::http::request::keys::{AMOUNT_PATTERN, MayBe, SPAN_PATTERN};

const ITEM_KEYS: [&str; 4] = ["name", "date", "note", "kept"];

/// All schemas by name; `item` is that of an item.
pub fn all(item: &Value) -> Value {
    json!({
        "MediaPatch": patch(item),
        "MediaIds": closed(json!({"ids": ids(items::MOST_AT_ONCE)}), &["ids"]),
        "ArchiveIds": closed(json!({"ids": ids(zip::MOST)}), &["ids"]),
        "MediaKeep": closed(json!({"ids": ids(items::MOST_AT_ONCE), "kept": flag()}), &["ids"]),
        "SnapshotDraft": closed(
            json!({
                "name": maybe(name(200, "/")), "date": maybe(MayBe::Day.schema()), "note": maybe(note()),
                "picture": maybe(json!({"type": "string", "enum": ["shown", "original", "largest"]})),
                "w": maybe(json!({"type": "integer", "minimum": 16, "maximum": 8192})),
                "rotate": maybe(json!({"type": "integer", "enum": [0, 90, 180, 270]})),
                "gray": maybe(flag()), "scale": maybe(json!({"type": "string", "enum": ["1", "1/2", "1/4", "1/8"]})),
                "mirror": maybe(flag()), "flip": maybe(flag()),
                "crop": maybe(json!({"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number", "minimum": 0, "maximum": 1}})),
                "text": maybe(json!({"type": "string", "maxLength": 200})), "timestamp": maybe(flag()),
            }),
            &[],
        ),
        "RecordingDraft": closed(
            json!({
                "name": maybe(name(200, "/")), "date": maybe(MayBe::Day.schema()), "note": maybe(note()),
                "fps": maybe(json!({"type": "number", "minimum": 0.01, "maximum": 1000})),
                "every": maybe(every()), "duration": maybe(span()), "bytes": maybe(amount(1)),
                "picture": maybe(json!({"type": "string", "enum": ["shown", "original"]})),
            }),
            &[],
        ),
        "MediaIndex": index(),
        "AsideName": closed(json!({"name": text()}), &["name"]),
        "RetentionRules": closed(
            json!({
                "snapshots_age": maybe(span()), "snapshots_size": maybe(amount(0)), "recordings_age": maybe(span()),
                "recordings_size": maybe(amount(0)), "min_free": maybe(amount(0)),
            }),
            &[],
        ),
        "CheckWish": closed(json!({"repair": flag()}), &[]),
        "VacuumWish": closed(json!({"wipe": maybe(flag())}), &[]),
    })
}

/// The properties of an item that can be changed.
fn patch(item: &Value) -> Value {
    let mut patch = draft(item.clone(), &ITEM_KEYS, &[]);
    if let Some(properties) = patch["properties"].as_object_mut() {
        properties.retain(|key, _| ITEM_KEYS.contains(&key.as_str()));
        properties.insert(String::from("name"), name(200, "/"));
        properties.insert(String::from("date"), MayBe::Day.schema());
        properties.insert(String::from("note"), note());
    }
    patch
}

/// Times are seconds since the first picture.
fn index() -> Value {
    let picture = json!({
        "type": "array", "minItems": 3, "maxItems": 3, "items": number(),
        "description": "The second, the number from 0, and the bytes of a picture.",
    });
    object(json!({
        "duration": number(), "frames": count(), "gaps": list(object(json!({"from": number(), "to": number()}))),
        "items": list(picture), "next": maybe(text()),
    }))
}

fn ids(most: usize) -> Value {
    json!({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": MOST_WHOLE}, "minItems": 1, "maxItems": most})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn note() -> Value {
    json!({"type": "string", "maxLength": 2000, "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"})
}

/// Seconds, or as in the configuration: `"30d"`.
fn span() -> Value {
    json!({"type": ["number", "string"], "exclusiveMinimum": 0, "maximum": MOST_SECONDS, "pattern": SPAN_PATTERN})
}

/// From a second to an hour.
fn every() -> Value {
    json!({"type": ["number", "string"], "minimum": 1, "maximum": 3600, "pattern": "^([1-9][0-9]{0,2}s?|([1-9]|[1-5][0-9]|60)m|1h)$"})
}

/// Bytes, or as in the configuration: `"2GB"`.
fn amount(least: u64) -> Value {
    json!({"type": ["integer", "string"], "minimum": least, "pattern": AMOUNT_PATTERN})
}
