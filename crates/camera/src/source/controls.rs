//! The order in which controls are set, and which values are refused. Pure.
//!
//! A manual value has no effect while an auto mode rules it, so auto modes are set first, whatever the order in the
//! configuration.

use crate::media::{Control, ControlKind, ControlValue};

/// The settable part of a request, in order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ControlPlan {
    /// Auto modes: set first.
    pub modes: Vec<ControlValue>,
    /// Everything else, in the order of the request.
    pub values: Vec<ControlValue>,
    /// Refused values with reasons.
    pub objections: Vec<Objection>,
    /// Sentences about values that are set to something else than requested.
    pub notes: Vec<String>,
}

impl ControlPlan {
    /// All settings in their order.
    pub fn settings(&self) -> impl Iterator<Item = &ControlValue> {
        self.modes.iter().chain(&self.values)
    }
}

/// A refused value.
#[derive(Debug, Clone, PartialEq)]
pub struct Objection {
    /// The request.
    pub wanted: ControlValue,
    /// The reason and the alternatives, in a sentence.
    pub why: String,
}

/// The part of `wanted` that a camera with `controls` accepts. A value between two steps is rounded to the nearest
/// step.
pub fn plan(controls: &[Control], wanted: &[ControlValue]) -> ControlPlan {
    let mut plan = ControlPlan::default();
    for request in wanted {
        let control = controls.iter().find(|control| control.name == request.name);
        let why = match control {
            None => Some(unknown_control_message(controls, &request.name)),
            Some(control) => validate_value(control, request.value),
        };
        if let Some(why) = why {
            plan.objections.push(Objection { wanted: request.clone(), why });
        } else if let Some(control) = control {
            let value = control.kind.round_to_step(request.value);
            if value != request.value {
                let (name, given) = (&request.name, request.value);
                plan.notes
                    .push(format!("The camera's control `{name}` has no {given}: it is set to {value}."));
            }
            let list = if is_auto_mode(control) { &mut plan.modes } else { &mut plan.values };
            list.push(ControlValue { name: request.name.clone(), value });
        }
    }
    plan
}

/// libcamera's automatic modes whose names do not say so. `af_metering` decides whether autofocus uses its window.
const AUTO_MODES: [&str; 6] =
    ["ae_enable", "awb_enable", "af_mode", "af_metering", "exposure_time_mode", "analogue_gain_mode"];

/// True if the control decides whether others have an effect. Neither V4L2 nor libcamera states that; the names do.
pub fn is_auto_mode(control: &Control) -> bool {
    matches!(control.kind, ControlKind::Boolean | ControlKind::Menu(_))
        && (control.name.contains("auto")
            || control.name.contains("dynamic_framerate")
            || AUTO_MODES.contains(&control.name.as_str()))
}

/// Message that a camera with `controls` has none of this name, with the most similar name.
pub fn unknown_control_message(controls: &[Control], name: &str) -> String {
    let likeness = |control: &&Control| strsim::jaro_winkler(&control.name, name);
    let nearest = controls.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|c| likeness(c) > 0.8) {
        Some(near) => format!("The camera has no control `{name}`; it has `{}`.", near.name),
        None => format!("The camera has no control `{name}`; `tallycam devices` lists those it has."),
    }
}

/// Why `value` is refused; `None` if it is accepted.
fn validate_value(control: &Control, value: f64) -> Option<String> {
    let name = &control.name;
    if control.read_only {
        return Some(format!("The camera's control `{name}` can be read but not set."));
    }
    match control.kind {
        ControlKind::Number { min, max, .. } if !(min..=max).contains(&value) => {
            Some(format!("The camera's control `{name}` takes {min} to {max}, not {value}."))
        }
        ControlKind::Boolean if value != 0.0 && value != 1.0 => {
            Some(format!("The camera's control `{name}` takes 0 (off) or 1 (on), not {value}."))
        }
        ControlKind::Menu(ref choices) if !choices.iter().any(|&(number, _)| number as f64 == value) => {
            let list: Vec<String> =
                choices.iter().map(|(number, title)| format!("{number} ({title})")).collect();
            Some(format!("The camera's control `{name}` takes {}, not {value}.", list.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::control_name;

    fn control(id: u32, title: &str, kind: ControlKind) -> Control {
        Control::new(id, control_name(title), title, kind)
    }

    fn camera() -> Vec<Control> {
        let number = ControlKind::integer(3, 2047, 1);
        let exposure = vec![(1, "Manual Mode".to_owned()), (3, "Aperture Priority Mode".to_owned())];
        let mut serial = control(9, "Serial Number", number.clone());
        serial.read_only = true;
        vec![
            control(1, "Exposure Time, Absolute", number.clone()),
            control(2, "Focus, Absolute", number.clone()),
            control(3, "Auto Exposure", ControlKind::Menu(exposure)),
            control(4, "Focus, Automatic Continuous", ControlKind::Boolean),
            control(5, "Exposure, Dynamic Framerate", ControlKind::Boolean),
            // An integer whose name happens to contain "auto" is a value like any other.
            control(6, "Auto Exposure Bias", number),
            control(7, "Do White Balance", ControlKind::Button),
            serial,
        ]
    }

    fn request(name: &str, value: i64) -> ControlValue {
        ControlValue { name: name.to_owned(), value: value as f64 }
    }

    #[test]
    fn auto_modes_come_first_and_the_rest_keeps_its_order() {
        let plan = plan(
            &camera(),
            &[
                request("focus_absolute", 40),
                request("auto_exposure_bias", 9),
                request("focus_automatic_continuous", 0),
                request("exposure_time_absolute", 100),
                request("auto_exposure", 1),
                request("do_white_balance", 1),
                request("exposure_dynamic_framerate", 0),
            ],
        );
        let modes: Vec<&str> = plan.modes.iter().map(|setting| setting.name.as_str()).collect();
        assert_eq!(modes, ["focus_automatic_continuous", "auto_exposure", "exposure_dynamic_framerate"]);
        let all: Vec<&str> = plan.settings().map(|setting| setting.name.as_str()).collect();
        let values = ["focus_absolute", "auto_exposure_bias", "exposure_time_absolute", "do_white_balance"];
        assert_eq!(all, [modes, values.to_vec()].concat());
        assert_eq!((plan.objections.len(), plan.notes.len()), (0, 0));
    }

    #[test]
    fn libcameras_auto_modes_come_first() {
        let mode = || ControlKind::Menu(vec![(0, String::from("Manual")), (1, String::from("Auto"))]);
        let gain = ControlKind::Number { min: 1.0, max: 16.0, step: 0.1 };
        let cam = [
            control(1, "analogue_gain", gain),
            control(2, "analogue_gain_mode", mode()),
            control(3, "af_mode", mode()),
            control(4, "awb_enable", ControlKind::Boolean),
            control(5, "af_metering", mode()),
            control(6, "af_window_x", ControlKind::Number { min: 0.0, max: 1.0, step: 0.1 }),
        ];
        let names =
            ["analogue_gain", "af_window_x", "af_metering", "awb_enable", "af_mode", "analogue_gain_mode"];
        let plan = plan(&cam, &names.map(|name| request(name, 1)));
        let all: Vec<&str> = plan.settings().map(|setting| setting.name.as_str()).collect();
        let modes = ["af_metering", "awb_enable", "af_mode", "analogue_gain_mode"];
        assert_eq!(all, [&modes[..], &["analogue_gain", "af_window_x"]].concat());
    }

    #[test]
    fn refused_values_are_reported_and_the_rest_is_set() {
        let plan = plan(
            &camera(),
            &[
                request("focus_absolut", 40),
                request("zoom", 1),
                request("exposure_time_absolute", 5000),
                request("auto_exposure", 2),
                request("focus_automatic_continuous", 2),
                request("serial_number", 7),
                request("focus_absolute", 3),
            ],
        );
        assert_eq!(plan.settings().collect::<Vec<_>>(), [&request("focus_absolute", 3)]);
        assert_eq!(plan.objections[0].wanted, request("focus_absolut", 40));
        assert_eq!(
            plan.objections.into_iter().map(|objection| objection.why).collect::<Vec<_>>(),
            [
                "The camera has no control `focus_absolut`; it has `focus_absolute`.",
                "The camera has no control `zoom`; `tallycam devices` lists those it has.",
                "The camera's control `exposure_time_absolute` takes 3 to 2047, not 5000.",
                "The camera's control `auto_exposure` takes 1 (Manual Mode), 3 (Aperture Priority Mode), not 2.",
                "The camera's control `focus_automatic_continuous` takes 0 (off) or 1 (on), not 2.",
                "The camera's control `serial_number` can be read but not set.",
            ]
        );
    }
    #[test]
    fn a_value_between_two_steps_becomes_the_nearest() {
        let kind = ControlKind::integer(3, 20, 5);
        for (asked, set) in [(3, 3), (5, 3), (6, 8), (17, 18), (20, 18)] {
            let plan = plan(&[control(1, "Zoom", kind.clone())], &[request("zoom", asked)]);
            assert_eq!(plan.values, [request("zoom", set)]);
            assert_eq!(plan.notes.is_empty(), asked == set, "{:?}", plan.notes);
        }
    }
}
