//! The JSON schemas of the OpenAPI document: of answers, from their types, and of bodies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::access::{Role, Scope};
use crate::http::api::camera::{lens, light, picture};
use crate::http::api::counting::{model, recount};
use crate::http::api::machine::{activity, backup, logs, password, people, settings, update};
use crate::http::api::media::uploads;
use crate::http::legacy::LegacyRow;
use crate::http::openapi::schemas_media;
use crate::http::report::schema_parts::{closed, count, draft, list, maybe, name, object, text};
use crate::http::report::{controls, counts, media, state, wire};
use crate::http::request::problem::{ProblemJson, WrongValueOf};
use crate::http::site::videos::VideosReport;
use crate::store::media::{AsideFile, Item, RetentionRules, Vacuumed};
use crate::store::{LineRow, Reset};
use crate::ui::{Finding, LensReport, LightReport, LogLine, PresetReport, RangeReport, ZoneNow};

/// All schemas by name.
pub fn all() -> Value {
    let mut all = told();
    let sent = [
        of_what_is_drawn(&mut all),
        of_the_camera(),
        activity::schemas(),
        lens::schemas(),
        light::schemas(),
        picture::schemas(&all["Picture"]),
        of_access(),
        schemas_media::all(&all["MediaItem"]),
    ];
    all.extend(sent.into_iter().filter_map(|part| part.as_object().cloned()).flatten());
    Value::Object(all)
}

/// Registers these types, and pairs each schema's name with its name in the document.
macro_rules! named {
    ($generator:ident: $($name:literal $kind:ty),+ $(,)?) => {
        [$({
            $generator.subschema_for::<$kind>();
            (<$kind>::schema_name().into_owned(), $name)
        }),+]
    };
}

/// The schemas of answers: those of the types, and of the types inside them under their own names.
fn told() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut generator =
        settings.with(|settings| settings.definitions_path = "/components/schemas".into()).into_generator();
    #[rustfmt::skip]
    let names = named!(generator:
        "State" state::StateReport, "Picture" picture::PictureReport, "Light" LightReport, "Lens" LensReport,
        "Controls" controls::ControlsReport, "Formats" controls::FormatsReport, "Problem" ProblemJson<'_>,
        "Diagnosis" wire::WholeList<Finding>, "Line" LineRow, "Lines" wire::List<LineRow>, "Zone" ZoneNow,
        "Zones" wire::List<ZoneNow>, "Occupancy" wire::List<wire::OccupancyReport>,
        "ZoneOccupancy" wire::OccupancyReport, "Crossing" wire::CrossingReport<'_>,
        "Crossings" wire::List<wire::CrossingReport<'_>>, "CountsReport" counts::CountsReport<'_>, "Reset" Reset,
        "Recount" recount::RecountReport, "RecountDraft" recount::RecountBody, "Tracks" wire::TracksReport,
        "Tallies" wire::TalliesReport, "Model" model::ModelReport, "Settings" settings::SettingsReport,
        "Password" password::PasswordReport, "MadePassword" password::MadePassword, "Me" people::MeReport,
        "Users" wire::List<people::UserReport>, "Tokens" wire::List<people::TokenReport>,
        "MadeToken" people::MadeToken, "Sessions" wire::List<people::SessionReport>, "MadeLink" people::LinkReport,
        "Log" wire::WholeList<LogLine>, "OldLine" logs::OldLine, "Restored" backup::RestoredReport,
        "Update" update::UpdateReport, "MediaItem" Item, "MediaItems" wire::List<Item>,
        "MediaTaken" uploads::TakenReport, "RecordingStatus" media::RecordingReport, "VideoStatus" VideosReport,
        "Storage" media::StorageReport, "AsideFile" AsideFile, "Retention" media::RetentionReport<'_>,
        "RulesInForce" RetentionRules, "CheckReport" media::CheckedReport, "VacuumReport" Vacuumed,
        "OldItem" LegacyRow, "LightRange" RangeReport, "LightPreset" PresetReport, "StorageOfKind" media::KindReport,
        "RetentionPlan" media::PlanReport<'_>, "PlannedItem" media::GoesReport<'_>,
        "RefusedFile" uploads::RefusedReport, "WrongValue" WrongValueOf, "CameraOfControls" controls::CameraName,
        "ControlOption" controls::ControlChoice, "RecountLine" recount::LineOfThen,
        "RecountCrossing" recount::CrossingBody,
    );
    let names = BTreeMap::from(names);
    let called = |name: &str| {
        let other = || name.strip_suffix("Report").unwrap_or(name);
        names.get(name).copied().unwrap_or_else(other).to_owned()
    };
    let told = generator.take_definitions(true).into_iter().map(|(name, mut schema)| {
        tidy(&mut schema, &called);
        (called(&name), schema)
    });
    told.collect()
}

/// Adapts a schema for its readers. It drops the width of numbers, sets a minimum of 0 unless there is another, and
/// removes `null` from optional properties.
fn tidy(schema: &mut Value, called: &dyn Fn(&str) -> String) {
    let Some(map) = schema.as_object_mut() else {
        return schema.as_array_mut().into_iter().flatten().for_each(|inner| tidy(inner, called));
    };
    match map.get("format").cloned() {
        Some(Value::String(format)) if ["date-time", "uri", "uri-reference"].contains(&format.as_str()) => {}
        Some(Value::String(format)) => {
            map.remove("format");
            if matches!(format.as_str(), "double" | "float") {
                map.entry("minimum").or_insert(json!(0));
            }
        }
        Some(Value::Null) => drop(map.remove("format")),
        _ => {}
    }
    let required = map.get("required").cloned().unwrap_or_default();
    let required: Vec<&str> = required.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in map.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        for key in ["type", "enum"] {
            let some = property.get_mut(key).and_then(Value::as_array_mut);
            if let Some(some) = some.filter(|_| !required.contains(&name.as_str())) {
                some.retain(|one| *one != "null" && !one.is_null());
                if key == "type" {
                    property[key] = some.first().cloned().unwrap_or_default();
                }
            }
        }
    }
    if map.contains_key("maxItems")
        && let Some(items) = map.get_mut("items").and_then(Value::as_object_mut)
    {
        // A place may be beyond the frame's edge, and velocities have signs.
        items.remove("format");
    }
    if let Some(Value::String(to)) = map.get_mut("$ref") {
        let (place, name) = to.split_at(to.rfind('/').map_or(0, |at| at + 1));
        *to = format!("{place}{}", called(name));
    }
    if let Some(Value::String(words)) = map.get_mut("description") {
        *words = words.replace('\n', " ");
    }
    map.values_mut().for_each(|inner| tidy(inner, called));
}

fn of_the_camera() -> Value {
    json!({
        "StreamStatus": {
            "type": "object",
            "required": ["status"],
            "properties": {
                "status": {"type": "string", "enum": ["started", "already_running", "error", "stopped"]},
                "message": {"type": "string"},
            },
        },
        "ControlsPatch": {
            "type": "object", "minProperties": 1,
            "additionalProperties": {"type": ["integer", "boolean", "null"]},
        },
        "SettingsPatch": {
            "type": "object",
            "description": "Paths and values, as in {\"stream.quality\": 70, \"name\": \"door\", \"stream.fps\": \
             null}.",
            "additionalProperties": true,
        },
        "OldLog": list(json!({"$ref": "#/components/schemas/OldLine"})),
        "OldDatabase": list(json!({"$ref": "#/components/schemas/OldItem"})),
        "Counts": object(json!({"in_count": count(), "out_count": count()})),
        "ResetDraft": closed(json!({"line": {"type": "integer", "minimum": 1}}), &[]),
        "ModelChoice": closed(json!({"name": maybe(text())}), &[]),
        "ModelName": closed(json!({"name": text()}), &["name"]),
    })
}

fn of_access() -> Value {
    let role = json!({"type": "string", "enum": Role::ALL.map(Role::as_str)});
    json!({
        "UserDraft": {
            "type": "object", "minProperties": 1, "additionalProperties": false,
            "properties": {"role": maybe(role), "password": maybe(text()), "current": maybe(text())},
        },
        "TokenDraft": {
            "type": "object", "required": ["name", "scopes"], "additionalProperties": false,
            "properties": {
                "name": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,40}$"},
                "scopes": {"type": "array", "items": {"type": "string", "enum": Scope::ALL}, "minItems": 1},
                "days": maybe(json!({"type": "integer", "minimum": 1, "maximum": 3660})),
            },
        },
        "LinkDraft": {
            "type": "object", "required": ["address"], "additionalProperties": false,
            "properties": {"address": text(), "hours": maybe(json!({"type": "integer", "minimum": 1, "maximum": 8784}))},
        },
        "PasswordDraft": closed(json!({"password": text(), "current": text()}), &["password"]),
        "ResetWish": closed(json!({"name": text()}), &["name"]),
        "PowerWish": closed(json!({"action": {"type": "string", "enum": ["off", "reboot"]}}), &["action"]),
    })
}

const LINE_KEYS: [&str; 8] = ["name", "a", "b", "in_name", "out_name", "classes", "anchor", "recrossing"];
const ZONE_KEYS: [&str; 5] = ["name", "points", "classes", "anchor", "exclude"];

/// The schemas of bodies for lines and zones; also sets the length of names in `all`.
fn of_what_is_drawn(all: &mut Map<String, Value>) -> Value {
    for (kind, key, longest) in
        [("Line", "name", 60), ("Line", "in_name", 30), ("Line", "out_name", 30), ("Zone", "name", 60)]
    {
        all[kind]["properties"][key] = name(longest, "");
        all[kind]["properties"]["classes"]["items"] = name(100, "");
    }
    let (line, zone) = (&all["Line"], &all["Zone"]);
    json!({
        "LineDraft": draft(line.clone(), &LINE_KEYS, &["name", "a", "b"]),
        "LinePatch": draft(line.clone(), &LINE_KEYS, &[]),
        "ZoneDraft": draft(zone.clone(), &ZONE_KEYS, &["name", "points"]),
        "ZonePatch": draft(zone.clone(), &ZONE_KEYS, &[]),
    })
}
