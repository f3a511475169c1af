//! The JSON schemas of the OpenAPI document: of answers, from their types, and of bodies.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::http::api::camera::{lens, light, mask, picture};
use crate::http::api::counting::crossings::CrossingPatch;
use crate::http::api::counting::movement::{DistanceDraft, GroundDraft};
use crate::http::api::counting::{checks, model, recount, tallies};
use crate::http::api::machine::{
    activity, backup, clock, logs, notifications, password, people, power, settings, update,
};
use crate::http::api::media::{items, recordings, snapshots, storage, uploads, zip};
use crate::http::legacy::LegacyRow;
use crate::http::report::schema_parts::{count, draft, list, maybe, name, number, object, text};
use crate::http::report::{controls, counts, media, movement, state, wire};
use crate::http::request::body::schema_of;
use crate::http::request::problem::{ProblemJson, WrongValueOf};
use crate::http::site::videos::VideosReport;
use crate::outbound::notify::{DeliveryReport, NotifyReport, RuleReport};
use crate::ui::{
    Finding, LensReport, LightReport, LogLine, NeighboursReport, PresetReport, RangeReport, ZoneNow,
};
use tallycam_store::media::{AsideFile, Item, RetentionRules, Vacuumed};
use tallycam_store::{LineCheck, LineDistance, LineDraft, LineRow, Reset, ZoneDraft};

/// All schemas by name.
pub fn all() -> Value {
    let mut all = told();
    names_of_shapes(&mut all);
    let mut sent = sent();
    for (kind, own) in [("Line", schema_of::<LineDraft>()), ("Zone", schema_of::<ZoneDraft>())] {
        sent.insert(format!("{kind}Draft"), draft(all[kind].clone(), &own, true));
        sent.insert(format!("{kind}Patch"), draft(all[kind].clone(), &own, false));
    }
    let picture = picture::schema(&all["Picture"]);
    if let (Some(snapshot), Some(view)) =
        (sent["SnapshotDraft"]["properties"].as_object_mut(), picture["properties"].as_object())
    {
        snapshot.extend(view.clone());
    }
    sent.insert(String::from("PicturePatch"), picture);
    for part in [Value::Object(sent), by_hand(), activity::schemas()] {
        all.extend(part.as_object().cloned().unwrap_or_default());
    }
    Value::Object(all)
}

/// The schemas of bodies; other keys are refused.
fn sent() -> Map<String, Value> {
    macro_rules! sent {
        ($($kind:ty),+ $(,)?) => { [$((<$kind>::schema_name().into_owned(), schema_of::<$kind>())),+] };
    }
    #[rustfmt::skip]
    let sent = sent!(
        people::UserDraft, people::TokenDraft, people::LinkDraft, password::PasswordDraft, backup::ResetWish,
        power::PowerWish, clock::ClockWish, model::ModelChoice, model::ModelName, tallies::ResetDraft,
        CrossingPatch, DistanceDraft, GroundDraft, lens::LensPatch,
        light::LightPatch, mask::MaskDraft, items::MediaPatch, items::MediaIds, items::MediaKeep, zip::ArchiveIds,
        snapshots::SnapshotDraft, recordings::RecordingDraft, storage::RulesDraft, storage::AsideName,
        storage::CheckWish, storage::VacuumWish, notifications::NotifyTest,
    );
    let closed = |(name, mut schema): (String, Value)| {
        tidy(&mut schema, true, &str::to_owned);
        schema["additionalProperties"] = json!(false);
        (name, schema)
    };
    sent.map(closed).into_iter().collect()
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
        "MaskArea" mask::MaskArea, "MaskAreas" wire::List<mask::MaskArea>,
        "Controls" controls::ControlsReport, "Formats" controls::FormatsReport, "Problem" ProblemJson<'_>,
        "Diagnosis" wire::WholeList<Finding>, "Line" LineRow, "Lines" wire::List<LineRow>, "Zone" ZoneNow,
        "Zones" wire::List<ZoneNow>, "Occupancy" wire::List<movement::OccupancyReport>,
        "ZoneOccupancy" movement::OccupancyReport, "Stays" movement::StaysReport, "Flows" movement::FlowsReport,
        "Movement" movement::MovementReport, "Speeds" movement::SpeedsReport, "LineDistance" LineDistance,
        "Crossing" wire::CrossingReport<'_>,
        "Crossings" wire::CrossingsReport<'_>, "CountsReport" counts::CountsReport<'_>, "Reset" Reset,
        "Check" LineCheck, "Checks" wire::List<LineCheck>, "CheckDraft" checks::CheckBody, "CheckTap" checks::CheckTap,
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
        "RecountCrossing" recount::CrossingBody, "Neighbours" NeighboursReport, "Notifications" NotifyReport,
        "NotifyTested" notifications::TestedReport, "NotifyRule" RuleReport, "NotifyDelivery" DeliveryReport,
    );
    let names = BTreeMap::from(names);
    let called = |name: &str| {
        let other = || name.strip_suffix("Report").unwrap_or(name);
        names.get(name).copied().unwrap_or_else(other).to_owned()
    };
    let told = generator.take_definitions(true).into_iter().map(|(name, mut schema)| {
        tidy(&mut schema, false, &called);
        (called(&name), schema)
    });
    told.collect()
}

/// Adapts a schema for its readers. It drops the width of numbers, sets a minimum of 0 unless there is another, and
/// removes `null` from optional properties; what `is_sent` may be null as well as absent.
fn tidy(schema: &mut Value, is_sent: bool, called: &dyn Fn(&str) -> String) {
    let Some(map) = schema.as_object_mut() else {
        return schema.as_array_mut().into_iter().flatten().for_each(|inner| tidy(inner, is_sent, called));
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
        let mut is_nullable = false;
        for key in ["type", "enum"] {
            let some = property.get_mut(key).and_then(Value::as_array_mut);
            if let Some(some) = some.filter(|_| !required.contains(&name.as_str())) {
                let all = some.len();
                some.retain(|one| *one != "null" && !one.is_null());
                is_nullable |= some.len() < all;
                if key == "type" && some.len() == 1 {
                    property[key] = some[0].take();
                }
            }
        }
        if let Some(property) = property.as_object_mut() {
            property.remove("default");
        }
        if is_sent && is_nullable {
            *property = maybe(property.take());
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
    map.values_mut().for_each(|inner| tidy(inner, is_sent, called));
}

/// The schemas of answers that no type describes, and of bodies whose keys are the client's.
fn by_hand() -> Value {
    let place = json!({
        "type": "array", "minItems": 3, "maxItems": 3, "items": number(),
        "description": "The second, the number from 0, and the bytes of a picture.",
    });
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
        "MediaIndex": object(json!({
            "duration": number(), "frames": count(), "gaps": list(object(json!({"from": number(), "to": number()}))),
            "items": list(place), "next": maybe(text()),
        })),
    })
}

/// Sets the length of the names of lines and zones.
fn names_of_shapes(all: &mut Map<String, Value>) {
    for (kind, key, longest) in
        [("Line", "name", 60), ("Line", "in_name", 30), ("Line", "out_name", 30), ("Zone", "name", 60)]
    {
        all[kind]["properties"][key] = name(longest, "");
        all[kind]["properties"]["classes"]["items"] = name(100, "");
    }
}
