//! What the API says of the camera's controls and formats: the wire types, and how they are filled.

use serde::Serialize;
use serde_json::{Value, json};

use crate::http::api::camera::controls::{is_saved, pinned};
use crate::http::preferences::SettingsInForce;
use crate::http::report::schema_parts::{count, list, maybe, number, object, text};
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::media::control::number_json;
use crate::media::{CameraFormat, Control, ControlKind};
use crate::pipeline::CameraControls;

/// The camera's controls.
#[derive(Debug, Serialize)]
pub struct ControlsReport {
    camera: CameraName,
    items: Vec<ControlReport>,
    /// Why there are none; `null` where there are.
    reason: Option<String>,
    /// What came out otherwise than it was asked.
    notes: Vec<String>,
    /// Names of those that were to be set and that the camera did not set.
    refused: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CameraName {
    identity: Option<String>,
    name: String,
}

#[derive(Debug, Serialize)]
struct ControlReport {
    name: String,
    title: String,
    kind: &'static str,
    /// Empty: none.
    unit: String,
    min: Option<Value>,
    max: Option<Value>,
    step: Option<Value>,
    choices: Vec<ControlChoice>,
    default: Value,
    value: Value,
    read_only: bool,
    inactive: bool,
    /// It is kept for this camera.
    saved: bool,
    /// The operator sets it, and nobody else.
    pinned: bool,
    /// Where the operator does.
    place: Option<String>,
}

#[derive(Debug, Serialize)]
struct ControlChoice {
    value: i64,
    title: String,
}

impl ControlsReport {
    /// What the camera has, and what of it is kept or pinned.
    pub fn of(controls: &CameraControls, in_force: Option<&SettingsInForce>) -> ControlsReport {
        let identity = controls.identity.as_deref();
        let item = |control: &Control| {
            let saved = in_force.is_some_and(|it| is_saved(it, identity, &control.name));
            let place = in_force.and_then(|it| pinned(it, identity, &control.name));
            ControlReport::of(control, saved, place)
        };
        let reason = format!("{} has no controls that could be set here.", controls.camera);
        ControlsReport {
            camera: CameraName { identity: controls.identity.clone(), name: controls.camera.clone() },
            items: controls.controls.iter().map(item).collect(),
            reason: controls.controls.is_empty().then_some(reason),
            notes: controls.notes.clone(),
            refused: controls.refused.clone(),
        }
    }

    pub fn schema() -> Value {
        object(json!({
            "camera": object(json!({"identity": maybe(text()), "name": text()})),
            "items": list(json!({"$ref": "#/components/schemas/Control"})),
            "reason": maybe(text()),
            "notes": list(text()),
            "refused": list(text()),
        }))
    }

    /// The schema of one control.
    pub fn item_schema() -> Value {
        let value = || json!({"type": ["number", "boolean", "null"]});
        let signed = || json!({"type": "number"});
        object(json!({
            "name": text(), "title": text(),
            "kind": {"type": "string", "enum": ["integer", "decimal", "boolean", "menu", "button"]},
            "unit": text(), "min": maybe(signed()), "max": maybe(signed()), "step": maybe(number()),
            "choices": list(object(json!({"value": {"type": "integer"}, "title": text()}))),
            "default": value(), "value": value(),
            "read_only": {"type": "boolean"}, "inactive": {"type": "boolean"},
            "saved": {"type": "boolean"}, "pinned": {"type": "boolean"}, "place": maybe(text()),
        }))
    }
}

impl Redact for ControlsReport {
    fn redact(&mut self) {
        // A network camera's name is its address.
        self.camera = CameraName { identity: None, name: String::from("the camera") };
        if let Some(reason) = &mut self.reason {
            *reason = String::from("The camera has no controls that could be set here.");
        }
        self.notes.clear();
        self.items.iter_mut().for_each(|item| wire::redact_place(&mut item.place));
    }
}

impl ControlReport {
    fn of(control: &Control, saved: bool, place: Option<String>) -> ControlReport {
        let (kind, range, choices) = match &control.kind {
            kind @ ControlKind::Number { min, max, step } => {
                let word = if kind.is_integer() { "integer" } else { "decimal" };
                (word, Some([*min, *max, *step].map(number_json)), Vec::new())
            }
            ControlKind::Boolean => ("boolean", None, Vec::new()),
            ControlKind::Menu(choices) => {
                let choice =
                    |(value, title): &(i64, String)| ControlChoice { value: *value, title: title.clone() };
                ("menu", None, choices.iter().map(choice).collect())
            }
            ControlKind::Button => ("button", None, Vec::new()),
        };
        let value = |value: f64| match control.kind {
            ControlKind::Boolean => Value::from(value != 0.0),
            ControlKind::Button => Value::Null,
            _ => number_json(value),
        };
        let [min, max, step] = range.map_or_else(Default::default, |range| range.map(Some));
        ControlReport {
            name: control.name.clone(),
            title: control.title.clone(),
            kind,
            unit: control.unit.clone(),
            min,
            max,
            step,
            choices,
            default: value(control.default),
            value: value(control.value),
            read_only: control.read_only,
            inactive: control.inactive,
            saved,
            pinned: place.is_some(),
            place,
        }
    }
}

/// The formats that the camera offers.
#[derive(Debug, Serialize)]
pub struct FormatsReport {
    items: Vec<FormatReport>,
    /// Why there are none; `null` where there are.
    reason: Option<&'static str>,
}

/// A size of a format.
#[derive(Debug, Serialize)]
struct FormatReport {
    format: String,
    description: String,
    width: u32,
    height: u32,
    fps: Vec<f64>,
    /// Sizes between the smallest and the largest of this format can be had in these steps.
    steps: Option<(u32, u32)>,
}

impl FormatsReport {
    /// Each size of each format, in the camera's order.
    pub fn of(formats: &[CameraFormat]) -> FormatsReport {
        let sizes = |format: &CameraFormat| {
            let (fourcc, description, steps) = (format.fourcc, format.description.clone(), format.steps);
            let size = move |mode: &crate::media::Mode| FormatReport {
                format: fourcc.to_string(),
                description: description.clone(),
                width: mode.width,
                height: mode.height,
                fps: mode.fps.clone(),
                steps,
            };
            format.modes.iter().map(size).collect::<Vec<_>>()
        };
        let items: Vec<FormatReport> = formats.iter().flat_map(sizes).collect();
        let reason = "This source has one format, which it chooses itself.";
        FormatsReport { reason: items.is_empty().then_some(reason), items }
    }

    pub fn schema() -> Value {
        object(json!({
            "items": list(object(json!({
                "format": text(), "description": text(), "width": count(), "height": count(),
                "fps": list(number()),
                "steps": maybe(json!({
                    "type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2,
                })),
            }))),
            "reason": maybe(text()),
        }))
    }
}
