//! The JSON schemas of snapshots and recordings.

use serde_json::{Value, json};

use crate::http::api::media::{items, zip};
use crate::http::report::schema_parts::{
    closed, count, draft, list, maybe, name, number, object, page_of, text, time, time_sure,
};
use crate::http::request::body_fields::MOST_SECONDS;
use crate::http::request::json_body::MOST_WHOLE;
use crate::http::request::keys::{AMOUNT_PATTERN, MayBe, SPAN_PATTERN};

const ITEM_KEYS: [&str; 4] = ["name", "date", "note", "kept"];

/// Every schema by its name.
pub fn all() -> Value {
    json!({
        "MediaItem": item(),
        "MediaItems": page_of(json!({"$ref": "#/components/schemas/MediaItem"})),
        "MediaTaken": object(json!({
            "items": list(json!({"$ref": "#/components/schemas/MediaItem"})), "next": maybe(text()),
            "refused": list(object(json!({
                "name": text(), "status": count(), "detail": text(), "hint": maybe(text()),
            }))),
        })),
        "MediaPatch": patch(),
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
        "RecordingStatus": recording(),
        "VideoStatus": object(json!({
            "possible": flag(),
            "now": maybe(object(json!({"id": count(), "done": number(), "seconds_left": maybe(count())}))),
        })),
        "Storage": storage(),
        "AsideFile": aside(),
        "AsideName": closed(json!({"name": text()}), &["name"]),
        "RetentionRules": closed(
            json!({
                "snapshots_age": maybe(span()), "snapshots_size": maybe(amount(0)), "recordings_age": maybe(span()),
                "recordings_size": maybe(amount(0)), "min_free": maybe(amount(0)),
            }),
            &[],
        ),
        "Retention": retention(),
        // A name of its own: generators call what stands in `Retention` under `rules` `RetentionRules`.
        "RulesInForce": rules(),
        "CheckWish": closed(json!({"repair": flag()}), &[]),
        "CheckReport": object(json!({
            "clean": flag(), "items": count(), "chunks": count(), "pictures": count(), "faults": list(text()),
            "mended": list(text()),
        })),
        "VacuumWish": closed(json!({"wipe": maybe(flag())}), &[]),
        "VacuumReport": object(json!({"freed": count(), "wiped": count()})),
        "StorageSummary": object(json!({
            "snapshots": count(), "recordings": count(), "bytes": count(), "free": count(),
            "days_left": maybe(number()), "full": flag(), "trouble": maybe(text()), "hint": maybe(text()),
        })),
        "OldDatabase": list(object(json!({"date": text(), "filename": text()}))),
    })
}

fn item() -> Value {
    object(json!({
        "id": count(), "name": text(), "kind": {"type": "string", "enum": ["snapshot", "recording"]},
        "date": text(), "time": time(),
        "time_sure": time_sure("false: the machine's clock was not set then, or the file that was taken in tells no time"),
        "added": time(), "width": count(),
        "height": count(), "duration": number(), "frames": count(), "gaps": count(), "bytes": count(),
        "camera": text(), "source": text(), "origin": origin(), "note": text(), "kept": flag(), "open": flag(),
        "version": count(),
    }))
}

/// What can be changed of an item, and nothing else.
fn patch() -> Value {
    let mut patch = draft(item(), &ITEM_KEYS, &[]);
    if let Some(properties) = patch["properties"].as_object_mut() {
        properties.retain(|key, _| ITEM_KEYS.contains(&key.as_str()));
        properties.insert(String::from("name"), name(200, "/"));
        properties.insert(String::from("date"), MayBe::Day.schema());
        properties.insert(String::from("note"), note());
    }
    patch
}

/// Seconds are those since the first picture.
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

fn recording() -> Value {
    object(json!({
        "recording": flag(),
        "now": maybe(object(json!({
            "id": count(), "name": text(), "origin": origin(), "began": time(), "duration": number(),
            "frames": count(), "bytes": count(), "gaps": count(), "every": maybe(number()),
        }))),
        "dropped": count(), "trouble": maybe(text()), "pre_roll": number(),
    }))
}

fn storage() -> Value {
    let kind = object(json!({"items": count(), "bytes": count()}));
    object(json!({
        "file": count(), "unused": count(), "snapshots": kind, "recordings": kind, "kept": count(),
        "going": count(), "free": count(), "total": count(), "bytes_a_day": maybe(number()),
        "days_left": maybe(number()), "aside": list(aside()), "full": flag(), "trouble": maybe(text()),
        "hint": maybe(text()), "chunks_dropped": count(), "rules": {"$ref": "#/components/schemas/RulesInForce"},
    }))
}

fn retention() -> Value {
    let mut goes = item();
    goes["properties"]["why"] = json!({"type": "string", "enum": ["age", "bytes", "free"]});
    object(json!({
        "rules": {"$ref": "#/components/schemas/RulesInForce"}, "pinned": list(text()),
        "time_sure": time_sure("whether the machine's clock is set; nothing is removed by its age until it is"),
        "plan": object(json!({
            "items": list(goes), "count": count(), "bytes": count(), "unmet": maybe(text()),
        })),
    }))
}

fn rules() -> Value {
    object(json!({
        "snapshots_age": maybe(number()), "snapshots_size": maybe(count()), "recordings_age": maybe(number()),
        "recordings_size": maybe(count()), "min_free": maybe(count()),
    }))
}

fn aside() -> Value {
    object(json!({"name": text(), "bytes": count(), "time": time()}))
}

fn ids(most: usize) -> Value {
    json!({"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": MOST_WHOLE}, "minItems": 1, "maxItems": most})
}

fn origin() -> Value {
    json!({"type": "string", "enum": ["asked", "crossing", "time-lapse", "import"]})
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
