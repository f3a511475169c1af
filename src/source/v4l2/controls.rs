//! In which order controls are set, and which values are refused: pure functions.
//!
//! A manual value means nothing to a camera whose auto mode rules it, so auto modes are set first,
//! whatever the order in the configuration.

use crate::media::{Control, ControlKind, ControlValue};

/// One control to set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The device's number for the control.
    pub id: u32,
    /// The control's name, for messages.
    pub name: String,
    /// The value.
    pub value: i64,
}

/// What of `wanted` can be set on a camera with `controls`, in the order to set it, and a sentence
/// for everything that cannot.
pub fn plan(controls: &[Control], wanted: &[ControlValue]) -> (Vec<Setting>, Vec<String>) {
    let mut modes = Vec::new();
    let mut values = Vec::new();
    let mut notes = Vec::new();
    for wish in wanted {
        match controls.iter().find(|control| control.name == wish.name) {
            None => notes.push(unknown(controls, &wish.name)),
            Some(control) => match objection(control, wish.value) {
                Some(note) => notes.push(note),
                None => {
                    let list = if is_auto_mode(control) { &mut modes } else { &mut values };
                    list.push(Setting { id: control.id, name: wish.name.clone(), value: wish.value });
                }
            },
        }
    }
    modes.append(&mut values);
    (modes, notes)
}

/// Whether the control decides if others have an effect. V4L2 does not say; the names do.
fn is_auto_mode(control: &Control) -> bool {
    matches!(control.kind, ControlKind::Boolean | ControlKind::Menu(_))
        && (control.name.contains("auto") || control.name.contains("dynamic_framerate"))
}

fn unknown(controls: &[Control], name: &str) -> String {
    let likeness = |control: &&Control| strsim::jaro_winkler(&control.name, name);
    let nearest = controls.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    match nearest.filter(|c| likeness(c) > 0.8) {
        Some(near) => format!("The camera has no control {name}; it has {}.", near.name),
        None => format!("The camera has no control {name}; `tallycam devices` lists those it has."),
    }
}

/// Why `value` cannot be set; `None`: it can.
fn objection(control: &Control, value: i64) -> Option<String> {
    let name = &control.name;
    if control.read_only {
        return Some(format!("The camera's control {name} can be read but not set."));
    }
    match control.kind {
        ControlKind::Integer { min, max, .. } if !(min..=max).contains(&value) => {
            Some(format!("The camera's control {name} takes {min} to {max}, not {value}."))
        }
        ControlKind::Boolean if !(0..=1).contains(&value) => {
            Some(format!("The camera's control {name} takes 0 (off) or 1 (on), not {value}."))
        }
        ControlKind::Menu(ref choices) if !choices.iter().any(|&(number, _)| number == value) => {
            let list: Vec<String> =
                choices.iter().map(|(number, title)| format!("{number} ({title})")).collect();
            Some(format!("The camera's control {name} takes {}, not {value}.", list.join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::control::control_name;

    fn control(id: u32, title: &str, kind: ControlKind) -> Control {
        Control {
            id,
            name: control_name(title),
            title: title.to_owned(),
            kind,
            default: 0,
            value: 0,
            read_only: false,
            inactive: false,
        }
    }

    fn camera() -> Vec<Control> {
        let number = ControlKind::Integer { min: 3, max: 2047, step: 1 };
        let exposure = vec![(1, "Manual Mode".to_owned()), (3, "Aperture Priority Mode".to_owned())];
        let mut serial = control(9, "Serial Number", number.clone());
        serial.read_only = true;
        vec![
            control(1, "Exposure Time, Absolute", number.clone()),
            control(2, "Focus, Absolute", number.clone()),
            control(3, "Auto Exposure", ControlKind::Menu(exposure)),
            control(4, "Focus, Automatic Continuous", ControlKind::Boolean),
            control(5, "Exposure, Dynamic Framerate", ControlKind::Boolean),
            // An integer whose name happens to speak of automatics is a value like any other.
            control(6, "Auto Exposure Bias", number),
            control(7, "Do White Balance", ControlKind::Button),
            serial,
        ]
    }

    fn wish(name: &str, value: i64) -> ControlValue {
        ControlValue { name: name.to_owned(), value }
    }

    #[test]
    fn auto_modes_come_first_and_else_the_order_stays() {
        let (settings, notes) = plan(
            &camera(),
            &[
                wish("focus_absolute", 40),
                wish("auto_exposure_bias", 9),
                wish("focus_automatic_continuous", 0),
                wish("exposure_time_absolute", 100),
                wish("auto_exposure", 1),
                wish("do_white_balance", 1),
                wish("exposure_dynamic_framerate", 0),
            ],
        );
        assert_eq!(settings.iter().map(|s| s.id).collect::<Vec<_>>(), [4, 3, 5, 2, 6, 1, 7]);
        assert_eq!(notes, [""; 0]);
    }

    #[test]
    fn what_cannot_be_set_is_told_and_the_rest_is_set() {
        let (settings, notes) = plan(
            &camera(),
            &[
                wish("focus_absolut", 40),
                wish("zoom", 1),
                wish("exposure_time_absolute", 5000),
                wish("auto_exposure", 2),
                wish("focus_automatic_continuous", 2),
                wish("serial_number", 7),
                wish("focus_absolute", 3),
            ],
        );
        assert_eq!(settings, [Setting { id: 2, name: "focus_absolute".to_owned(), value: 3 }]);
        assert_eq!(
            notes,
            [
                "The camera has no control focus_absolut; it has focus_absolute.",
                "The camera has no control zoom; `tallycam devices` lists those it has.",
                "The camera's control exposure_time_absolute takes 3 to 2047, not 5000.",
                "The camera's control auto_exposure takes 1 (Manual Mode), 3 (Aperture Priority Mode), not 2.",
                "The camera's control focus_automatic_continuous takes 0 (off) or 1 (on), not 2.",
                "The camera's control serial_number can be read but not set.",
            ]
        );
    }
}
