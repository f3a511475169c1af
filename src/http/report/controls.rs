//! The API's reports on the camera's controls and formats.

use serde::Serialize;
use serde_json::Value;

use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::site::preferences::SettingsInForce;
use crate::pipeline::CameraControls;
use tallycam_camera::media::number_json;
use tallycam_camera::media::{CameraFormat, Control, ControlKind};
use tallycam_config::{Origin, control_path, keys, quote_key_part};

/// The camera's controls.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ControlsReport {
    camera: CameraName,
    items: Vec<ControlReport>,
    /// Why there are none; otherwise `null`.
    reason: Option<String>,
    /// Results that differ from the request.
    notes: Vec<String>,
    /// Names of the controls that the camera refused to set.
    refused: Vec<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct CameraName {
    identity: Option<String>,
    name: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ControlReport {
    name: String,
    title: String,
    #[schemars(extend("enum" = ["integer", "decimal", "boolean", "menu", "button"]))]
    kind: &'static str,
    /// Empty if it has none.
    unit: String,
    #[schemars(extend("type" = ["number", "null"]))]
    min: Option<Value>,
    #[schemars(extend("type" = ["number", "null"]))]
    max: Option<Value>,
    #[schemars(with = "Option<f64>")]
    step: Option<Value>,
    choices: Vec<ControlChoice>,
    #[schemars(extend("type" = ["number", "boolean", "null"]))]
    default: Value,
    #[schemars(extend("type" = ["number", "boolean", "null"]))]
    value: Value,
    read_only: bool,
    inactive: bool,
    /// A value is stored for this camera.
    saved: bool,
    /// Pinned by the operator's file.
    pinned: bool,
    /// The place that pins it.
    place: Option<String>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ControlChoice {
    value: i64,
    title: String,
}

impl ControlsReport {
    /// The camera's controls, and which of them are stored or pinned.
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
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FormatsReport {
    items: Vec<FormatReport>,
    /// Why there are none; otherwise `null`.
    reason: Option<&'static str>,
}

/// A size of a format.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct FormatReport {
    format: String,
    description: String,
    width: u32,
    height: u32,
    fps: Vec<f64>,
    /// Step of width and height between the smallest and the largest size of this format.
    #[schemars(with = "Option<[u32; 2]>")]
    steps: Option<(u32, u32)>,
}

impl FormatsReport {
    /// Each size of each format, in the camera's order.
    pub fn of(formats: &[CameraFormat]) -> FormatsReport {
        let sizes = |format: &CameraFormat| {
            let (fourcc, description, steps) = (format.fourcc, format.description.clone(), format.steps);
            let size = move |mode: &tallycam_camera::media::Mode| FormatReport {
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
}

/// The place where the operator pins a control of this camera. A value that was set here for every camera pins
/// nothing: the next value for one camera replaces it.
pub fn pinned(in_force: &SettingsInForce, identity: Option<&str>, name: &str) -> Option<String> {
    let resolved = &in_force.resolved;
    let of_this = identity.and_then(|identity| resolved.origin(&control_path(identity, name)));
    let origins = [resolved.origin(&of_every_camera(name)), of_this];
    origins.into_iter().flatten().find(|origin| origin.is_operators()).map(ToString::to_string)
}

/// The setting of the control with this name for every camera.
pub fn of_every_camera(name: &str) -> String {
    format!("{}.{}", keys::CONTROLS, quote_key_part(name))
}

/// True if a value was set here for the control with this name for every camera.
pub fn is_set_for_every_camera(in_force: &SettingsInForce, name: &str) -> bool {
    let origin = in_force.resolved.origin(&of_every_camera(name));
    origin.is_some_and(|origin| matches!(origin, Origin::Page { .. }))
}

/// True if a value is stored for a control of this camera, or was set here for every camera.
pub fn is_saved(in_force: &SettingsInForce, identity: Option<&str>, name: &str) -> bool {
    let kept = identity.and_then(|identity| in_force.resolved.config.controls.get(identity));
    kept.is_some_and(|controls| controls.contains_key(name)) || is_set_for_every_camera(in_force, name)
}
