//! The JSON schemas of the API's document: what is sent, and what is answered.

use serde_json::{Value, json};

use crate::access::{Role, Scope};
use crate::http::api::camera::picture::PictureReport;
use crate::http::api::camera::{lens, light};
use crate::http::api::machine::{activity, diagnosis, settings};
use crate::http::report::controls::{ControlsReport, FormatsReport};
use crate::http::report::schema_parts::{
    all_of_it, closed, count, draft, list, maybe, name, number, object, page_of, places, text, time,
    time_sure,
};
use crate::http::report::schemas_media;
use crate::http::report::state::{StateReport, ViewerReport};
use crate::http::server::https::HttpsReport;
use crate::store::Anchor;

/// Every schema by its name.
pub fn all() -> Value {
    let parts = [
        of_the_camera(),
        of_what_is_drawn(),
        of_what_is_counted(),
        of_models(),
        activity::schemas(),
        diagnosis::schemas(),
        lens::schemas(),
        light::schemas(),
        of_access(),
        schemas_media::all(),
        settings::schemas(),
    ];
    parts.into_iter().filter_map(|part| part.as_object().cloned()).flatten().collect()
}

fn of_the_camera() -> Value {
    json!({
        "State": StateReport::schema(),
        "Viewer": ViewerReport::schema(),
        "Https": HttpsReport::schema(),
        "Picture": PictureReport::schema(),
        "PicturePatch": PictureReport::change_schema(),
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "hint": {"type": "string"},
                "field": {"type": "string"},
                "range": {"type": "string"},
                "given": {"type": "string"},
                "errors": list(json!({
                    "type": "object",
                    "required": ["path", "given", "message", "hint"],
                    "properties": {"path": text(), "given": text(), "message": text(), "hint": maybe(text())},
                })),
            },
        },
        "StreamStatus": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": {"type": "string", "enum": ["started", "already_running", "error", "stopped"]},
                "message": {"type": "string"},
            },
        },
        "Controls": ControlsReport::schema(),
        "Control": ControlsReport::item_schema(),
        "ControlsPatch": {
            "type": "object", "minProperties": 1,
            "additionalProperties": {"type": ["integer", "boolean", "null"]},
        },
        "Formats": FormatsReport::schema(),
        "Counts": object(json!({"in_count": count(), "out_count": count()})),
        "Counting": object(json!({
            "word": {"type": "string", "enum": ["counting", "idle", "waiting", "off", "trouble"]},
            "why": maybe(text()), "since": {"type": "string", "format": "date-time"}, "reason": maybe(text()), "hint": maybe(text()), "notes": list(text()), "backend": text(),
            "model": text(), "looks_per_second": number(), "looks": count(), "looks_saved": count(),
            "look_ms": number(), "tracks": count(),
            "scene": scene(), "lines": count(), "ledger": maybe(text()),
        })),
    })
}

fn of_access() -> Value {
    let level =
        json!({"type": "string", "enum": crate::http::api::machine::logs::LEVELS.map(|(word, _)| word)});
    json!({
        "Password": {
            "type": "object", "required": ["set"],
            "properties": {"set": {"type": "boolean"}, "first": {"type": "boolean"}, "sessions": count(), "file": text()},
        },
        "Me": object(json!({"name": text(), "role": maybe(role(true)), "view": {"type": "string", "enum": ["open", "password"]}})),
        "Users": object(json!({"items": list(object(json!({"name": text(), "role": role(false)}))), "next": maybe(text())})),
        "UserDraft": {
            "type": "object", "minProperties": 1, "additionalProperties": false,
            "properties": {"role": maybe(role(false)), "password": maybe(text()), "current": maybe(text())},
        },
        "Tokens": object(json!({"items": list(object(token())), "next": maybe(text())})),
        "MadeToken": object(with(token(), "token", text())),
        "TokenDraft": {
            "type": "object", "required": ["name", "scopes"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,40}$"},
                "scopes": {"type": "array", "items": scope(), "minItems": 1},
                "days": maybe(json!({"type": "integer", "minimum": 1, "maximum": 3660})),
            },
        },
        "Sessions": object(json!({"items": list(object(json!({
            "id": count(), "user": text(), "role": role(true), "begun": time(), "until": time(), "from": text(),
            "browser": text(), "own": {"type": "boolean"},
        }))), "next": maybe(text())})),
        "LinkDraft": {
            "type": "object", "required": ["address"], "additionalProperties": false,
            "properties": {"address": text(), "hours": maybe(json!({"type": "integer", "minimum": 1, "maximum": 8784}))},
        },
        "MadeLink": object(json!({"link": text(), "until": time()})),
        "PasswordDraft": closed(json!({"password": text(), "current": text()}), &["password"]),
        "MadePassword": object(json!({"password": text()})),
        "Log": object(json!({"items": list(object(json!({
            "time": time(), "level": level, "target": text(), "message": text(),
        })))})),
        "OldLog": list(object(json!({"time": time(), "level": level, "message": text()}))),
        "Restored": object(json!({"name": text(), "made": text(), "version": text(), "media": {"type": "boolean"}})),
        "Update": object(json!({
            "version": text(), "built": maybe(text()), "by": {"type": "string", "enum": ["page", "apt", "key"]},
            "phase": maybe(text()), "words": maybe(text()), "time": maybe(text()),
        })),
        "ResetWish": closed(json!({"name": text()}), &["name"]),
        "PowerWish": closed(json!({"action": {"type": "string", "enum": ["off", "reboot"]}}), &["action"]),
    })
}

fn of_what_is_drawn() -> Value {
    json!({
        "Line": line(),
        "Lines": page_of(json!({"$ref": "#/components/schemas/Line"})),
        "LineDraft": draft(line(), &LINE_KEYS, &["name", "a", "b"]),
        "LinePatch": draft(line(), &LINE_KEYS, &[]),
        "Zone": zone(),
        "Zones": page_of(json!({"$ref": "#/components/schemas/Zone"})),
        "ZoneDraft": draft(zone(), &ZONE_KEYS, &["name", "points"]),
        "ZonePatch": draft(zone(), &ZONE_KEYS, &[]),
        "Occupancy": page_of(object(json!({
            "zone_id": count(), "zone": text(), "peak": maybe(count()), "peak_at": maybe(time()),
            "buckets": list(object(json!({
                "start": time(), "end": time(), "watched_s": number(), "mean": maybe(number()), "peak": maybe(count()),
            }))),
        }))),
    })
}

fn of_what_is_counted() -> Value {
    let span = json!({"type": "array", "items": count(), "minItems": 2, "maxItems": 2});
    json!({
        "Crossing": object(json!({
            "id": count(), "run": count(), "camera": text(), "scene": scene(), "line": text(),
            "line_id": count(), "track": count(), "ordinal": count(), "class": text(),
            "direction": direction(), "score": number(), "time": time(), "time_sure": time_sure(CLOCK_WAS_SET),
            "thumbnail": maybe(json!({"type": "string", "format": "uri-reference"})),
        })),
        "Crossings": page_of(json!({"$ref": "#/components/schemas/Crossing"})),
        "CountsReport": object(json!({
            "camera": text(), "scene": scene(), "time_zone": text(), "from": time(), "to": time(),
            "bucket": {"type": "string", "enum": ["hour", "day", "week", "month", "total"]},
            "by": list(json!({"type": "string", "enum": ["line", "class", "direction"]})),
            "items": list(json!({"$ref": "#/components/schemas/Bucket"})),
            "gaps": list(gap()),
            "line_gaps": maybe(list(object(json!({"line_id": count(), "line": text(), "gaps": list(gap())})))),
            "next": maybe(text()),
        })),
        "Bucket": object(json!({
            "start": time(), "end": time(),
            "covered": {"type": "number", "minimum": 0, "maximum": 1},
            "in": maybe(count()), "out": maybe(count()),
            "counts": list(json!({
                "type": "object", "required": ["count"],
                "properties": {
                    "line_id": count(), "line": text(), "class": text(), "direction": direction(),
                    "count": count(),
                },
            })),
        })),
        "ResetDraft": closed(json!({"line": {"type": "integer", "minimum": 1}}), &[]),
        "Reset": object(json!({"id": count(), "time": time(), "line_id": maybe(count())})),
        "RecountDraft": all_of_it(json!({
            "scene": scene(), "camera": text(), "recording": text(), "model": text(),
            "time_sure": time_sure(CLOCK_WAS_SET),
            "spans": {"type": "array", "items": span, "minItems": 1, "maxItems": 10_000},
            "lines": {
                "type": "array", "minItems": 1, "maxItems": 1000,
                "items": all_of_it(json!({"id": count(), "version": count()})),
            },
            "crossings": list(all_of_it(json!({
                "line_id": count(), "track": count(), "ordinal": count(), "class": text(),
                "direction": direction(), "score": number(), "time_us": count(),
            }))),
        })),
        "Recount": object(json!({"id": maybe(count()), "superseded": count(), "counted": count()})),
        "Tracks": object(json!({
            "time": time(), "picture": object(json!({"width": count(), "height": count()})),
            "items": list(object(json!({
                "id": count(), "class": text(), "score": number(), "box": places(4), "velocity": places(2),
                "in_sight": {"type": "boolean"},
            }))),
            "next": maybe(text()),
        })),
        "Tallies": object(json!({
            "day": time(), "scene": scene(),
            "lines": list(object(json!({
                "line_id": count(), "line": text(), "in": count(), "out": count(), "inside": count(),
                "since": time(), "in_name": text(), "out_name": text(),
                "by_class": {"type": "object", "additionalProperties": places(2)},
            }))),
        })),
    })
}

fn of_models() -> Value {
    json!({
        "Model": object(json!({
            "backend": text(), "model": text(), "labels": list(text()), "tells_classes": {"type": "boolean"},
            "looks_per_second": number(), "look_ms": number(), "inference_ms": number(),
            "chosen": maybe(text()), "pinned": maybe(text()),
            "items": list(object(json!({
                "name": text(), "about": text(), "family": text(), "input": maybe(places(2)), "classes": count(),
                "licence": text(), "bytes": count(), "in_use": {"type": "boolean"},
                "notes": list(text()), "problem": maybe(text()),
            }))),
            "catalogue": list(object(json!({
                "name": text(), "about": text(), "licence": text(), "bytes": count(),
                "url": {"type": "string", "format": "uri"}, "here": {"type": "boolean"},
            }))),
            "next": maybe(text()),
        })),
        "ModelChoice": closed(json!({"name": maybe(text())}), &[]),
        "ModelName": closed(json!({"name": text()}), &["name"]),
    })
}

const LINE_KEYS: [&str; 8] = ["name", "a", "b", "in_name", "out_name", "classes", "anchor", "recrossing"];
const ZONE_KEYS: [&str; 5] = ["name", "points", "classes", "anchor", "exclude"];

/// A role; a guest's, too, which no user has.
fn role(with_guest: bool) -> Value {
    let guest = with_guest.then_some("guest");
    let words: Vec<&str> = guest.into_iter().chain(Role::ALL.map(Role::as_str)).collect();
    json!({"type": "string", "enum": words})
}

fn scope() -> Value {
    json!({"type": "string", "enum": Scope::ALL.map(Scope::as_str)})
}

fn token() -> Value {
    json!({
        "id": count(), "name": text(), "scopes": list(scope()), "created": time(), "until": maybe(time()),
        "used": maybe(time()),
    })
}

fn with(mut properties: Value, name: &str, schema: Value) -> Value {
    properties[name] = schema;
    properties
}

fn line() -> Value {
    object(json!({
        "id": count(), "version": count(), "name": name(60, ""), "a": places(2), "b": places(2),
        "in_name": name(30, ""), "out_name": name(30, ""),
        "classes": list(name(100, "")), "anchor": anchor(),
        "recrossing": {"type": "string", "enum": ["every", "once"]},
        "scene": maybe(scene()), "pinned": maybe(text()), "created": time(), "moved": maybe(time()),
        "deleted": maybe(time()),
    }))
}

fn zone() -> Value {
    object(json!({
        "id": count(), "name": name(60, ""),
        "points": {"type": "array", "items": places(2), "minItems": 3, "maxItems": 32},
        "classes": list(name(100, "")), "anchor": anchor(), "exclude": {"type": "boolean"},
        "scene": maybe(scene()), "pinned": maybe(text()), "occupancy": count(),
    }))
}

/// A time without counting.
fn gap() -> Value {
    object(json!({"from": time(), "to": time(), "why": text()}))
}

const CLOCK_WAS_SET: &str = "whether the machine's clock was set then";

fn scene() -> Value {
    json!({"type": "string", "enum": ["camera", "files", "sim"]})
}

fn direction() -> Value {
    json!({"type": "string", "enum": ["in", "out"]})
}

fn anchor() -> Value {
    json!({"type": "string", "enum": Anchor::WORDS.map(|(word, _)| word)})
}
