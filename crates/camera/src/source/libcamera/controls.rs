//! Converts libcamera's controls: their definitions, current values, and which automatic mode rules them. Pure.
//!
//! libcamera does not report current values. A control has the value it was set to, else its default. A control ruled
//! by an automatic mode has the value that the camera measured last.

use std::collections::BTreeMap;

use tallycam_libcamera::{Control as Offered, Kind, Orientation, Value};

use super::clean::sanitise_text;
use crate::media::{Control, ControlKind};

/// The control that rotates and mirrors frames before they leave the camera. tallycam adds it: a change configures
/// the camera again.
pub(crate) const ORIENTATION: &str = "orientation";

/// Maximum number of controls; a helper's surplus is ignored.
const MOST: usize = 200;

/// A mode, its value for manual control, and the controls that it rules otherwise.
const MODES: [(&str, f64, &[&str]); 4] = [
    ("ae_enable", 0.0, &["exposure_time", "analogue_gain"]),
    ("awb_enable", 0.0, &["colour_gains_red", "colour_gains_blue", "colour_temperature"]),
    ("af_mode", 0.0, &["lens_position"]),
    ("af_metering", 1.0, &["af_window_x", "af_window_y"]),
];

/// Read-only measured values: name, title, unit, and step.
const MEASURED: [(&str, &str, &str, f64); 6] = [
    ("lux", "Brightness of the scene", "lux", 1.0),
    ("colour_temperature", "Colour temperature", "K", 1.0),
    ("exposure_time", "Exposure time", "µs", 1.0),
    ("digital_gain", "Digital gain", "×", 0.01),
    ("sensor_temperature", "Temperature of the sensor", "°C", 0.1),
    ("focus_fom", "Sharpness as the camera sees it", "", 1.0),
];

/// The states of autofocus (libcamera, controls::AfState).
const AF_STATES: [&str; 4] = ["Idle", "Scanning", "Focused", "Failed"];

/// The controls of a camera with their values.
#[derive(Debug, Default)]
pub(crate) struct LibcameraControls {
    offered: Vec<Control>,
    set: BTreeMap<String, f64>,
    measured: BTreeMap<String, f64>,
    orientations: Vec<Orientation>,
    orientation: Orientation,
}

impl LibcameraControls {
    /// The valid ones of the `offered` controls, for a camera with these orientations.
    pub fn new(
        offered: Vec<Offered>,
        orientations: &[Orientation],
        orientation: Orientation,
    ) -> LibcameraControls {
        let mut known: Vec<Control> = Vec::new();
        for control in offered.into_iter().filter_map(control) {
            if known.len() < MOST && known.iter().all(|before| before.name != control.name) {
                known.push(control);
            }
        }
        let mut orientations = orientations.to_vec();
        orientations.sort_by_key(|orientation| number(*orientation));
        orientations.dedup();
        LibcameraControls { offered: known, orientations, orientation, ..LibcameraControls::default() }
    }

    /// Takes over settings and measurements from before the camera was configured again.
    pub(crate) fn carry_over(&mut self, before: LibcameraControls) {
        self.set = before.set;
        self.set.retain(|name, _| self.offered.iter().any(|control| control.name == *name));
        self.measured = before.measured;
    }

    /// True if there is a settable control of this name.
    pub fn has(&self, name: &str) -> bool {
        self.offered.iter().any(|control| control.name == name)
    }

    /// Records that a control has this value from now on.
    pub(crate) fn record_set(&mut self, Value { name, value }: Value) {
        self.set.insert(name, value);
    }

    /// All settings, modes before the controls that they rule.
    pub(crate) fn values_to_restore(&self) -> Vec<Value> {
        let is_mode = |name: &str| MODES.iter().any(|(mode, ..)| *mode == name);
        let (modes, values): (Vec<_>, Vec<_>) = self.set.iter().partition(|(name, _)| is_mode(name));
        let value = |(name, value): (&String, &f64)| Value { name: name.clone(), value: *value };
        modes.into_iter().chain(values).map(value).collect()
    }

    /// Records measurements; drops values that are not finite.
    pub(crate) fn record_measured(&mut self, measured: Vec<(String, f64)>) {
        self.measured = measured.into_iter().filter(|(_, value)| value.is_finite()).take(MOST).collect();
    }

    /// The current orientation of frames.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// The current orientation as the control's value.
    pub(crate) fn orientation_value(&self) -> f64 {
        number(self.orientation) as f64
    }

    /// The orientation for `value` of the control, if the camera has it.
    pub(crate) fn orientation_of(&self, value: f64) -> Option<Orientation> {
        self.orientations.iter().copied().find(|orientation| number(*orientation) as f64 == value)
    }

    /// All controls with their current values.
    pub fn list(&self) -> Vec<Control> {
        let mut list: Vec<Control> = self.offered.iter().map(|control| self.current(control)).collect();
        if self.orientations.len() > 1 {
            let choice = |orientation: &Orientation| {
                (number(*orientation), orientation_title(*orientation).to_owned())
            };
            let kind = ControlKind::Menu(self.orientations.iter().map(choice).collect());
            let control = Control::new(0, ORIENTATION, "Orientation of the picture", kind);
            list.push(Control { value: self.orientation_value(), ..control });
        }
        if let Some(state) = self.measured.get("af_state") {
            let choices = AF_STATES.iter().zip(0..).map(|(title, number)| (number, (*title).to_owned()));
            let kind = ControlKind::Menu(choices.collect());
            let control = Control::new(0, "af_state", "Autofocus now", kind);
            list.push(Control { value: *state, read_only: true, ..control });
        }
        for (name, title, unit, step) in MEASURED {
            if let Some(value) = self.measured.get(name).filter(|_| !self.has(name)) {
                let kind = ControlKind::Number { min: value.min(0.0), max: value.max(1e6), step };
                let control = Control::new(0, name, title, kind);
                list.push(Control { value: *value, unit: unit.to_owned(), read_only: true, ..control });
            }
        }
        list
    }

    fn value(&self, name: &str) -> Option<f64> {
        let default =
            || self.offered.iter().find(|control| control.name == name).map(|control| control.default);
        self.set.get(name).copied().or_else(default)
    }

    fn is_managed(&self, name: &str) -> bool {
        let rules = |&(mode, free, ruled): &(&str, f64, &[&str])| {
            ruled.contains(&name) && self.value(mode).is_some_and(|value| value != free)
        };
        // A scan can start only in its own mode.
        let is_idle_trigger = name == "af_trigger" && self.value("af_mode").is_some_and(|mode| mode != 1.0);
        is_idle_trigger || MODES.iter().any(rules)
    }

    fn current(&self, control: &Control) -> Control {
        let inactive = self.is_managed(&control.name);
        let measured = self.measured.get(&control.name).filter(|_| inactive);
        let value = measured.copied().or_else(|| self.value(&control.name)).unwrap_or(control.default);
        let value = match control.kind {
            ControlKind::Button => 0.0,
            ControlKind::Number { min, max, .. } => control.kind.round_decimals(value).clamp(min, max),
            _ => value,
        };
        Control { value, inactive, ..control.clone() }
    }
}

fn number(orientation: Orientation) -> i64 {
    match orientation {
        Orientation::Upright => 0,
        Orientation::Rotated180 => 1,
        Orientation::Mirrored => 2,
        Orientation::Flipped => 3,
    }
}

fn orientation_title(orientation: Orientation) -> &'static str {
    match orientation {
        Orientation::Upright => "As it is mounted",
        Orientation::Rotated180 => "Turned by 180°",
        Orientation::Mirrored => "Mirrored",
        Orientation::Flipped => "Upside down",
    }
}

/// Converts a control; `None` if its definition is invalid.
fn control(offered: Offered) -> Option<Control> {
    let Offered { name, kind, unit, min, max, step, default, choices } = offered;
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    if !(1..=64).contains(&name.len()) || !name.bytes().all(is_letter) || name == ORIENTATION {
        return None;
    }
    let kind = match kind {
        Kind::Boolean => ControlKind::Boolean,
        Kind::Button => ControlKind::Button,
        Kind::Menu => {
            let choices: Vec<_> =
                choices.into_iter().map(|(number, title)| (number, sanitise_text(&title))).collect();
            let is_sound = !choices.is_empty() && choices.len() <= 64;
            is_sound.then_some(ControlKind::Menu(choices))?
        }
        Kind::Integer | Kind::Decimal => {
            if !min.is_finite() || !max.is_finite() || min >= max {
                return None;
            }
            let fine = if kind == Kind::Integer { 1.0 } else { fraction(max - min) };
            let step = if step.is_finite() && step > 0.0 && step <= max - min { step } else { fine };
            ControlKind::Number { min, max, step }
        }
    };
    let default = match &kind {
        ControlKind::Number { min, max, .. } if default.is_finite() => {
            kind.round_decimals(default).clamp(*min, *max)
        }
        ControlKind::Number { min, .. } => *min,
        ControlKind::Menu(choices) if choices.iter().all(|(number, _)| *number as f64 != default) => {
            choices[0].0 as f64
        }
        ControlKind::Boolean => f64::from(default == 1.0),
        ControlKind::Menu(_) => default,
        ControlKind::Button => 0.0,
    };
    let mut title = name.replace('_', " ");
    title[..1].make_ascii_uppercase();
    let unit = sanitise_text(&unit).chars().take(16).collect();
    Some(Control { unit, default, value: default, ..Control::new(0, name, title, kind) })
}

/// A fine step for a range without its own: a power of ten that divides it into some hundreds to some thousands of
/// steps.
fn fraction(range: f64) -> f64 {
    10_f64.powf((range / 300.0).log10().floor()).clamp(0.001, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(name: &str, kind: Kind, range: (f64, f64), default: f64) -> Offered {
        let (min, max) = range;
        let (name, unit) = (name.to_owned(), String::new());
        Offered { name, kind, unit, min, max, step: 0.0, default, choices: Vec::new() }
    }

    fn module_3() -> LibcameraControls {
        let menu = |name: &str, titles: &[&str], default| Offered {
            choices: (0..).zip(titles).map(|(number, title)| (number, (*title).to_owned())).collect(),
            ..offered(name, Kind::Menu, (0.0, 2.0), default)
        };
        let all = vec![
            offered("ae_enable", Kind::Boolean, (0.0, 1.0), 1.0),
            offered("exposure_time", Kind::Integer, (14.0, 1_722_331.0), 20_000.0),
            offered("analogue_gain", Kind::Decimal, (1.0, 16.0), 1.0),
            menu("af_mode", &["Manual", "Auto", "Continuous"], 2.0),
            offered("lens_position", Kind::Decimal, (0.0, 15.0), 1.0),
            offered("af_trigger", Kind::Button, (0.0, 1.0), 0.0),
            offered("brightness", Kind::Decimal, (-1.0, 1.0), 0.0),
        ];
        LibcameraControls::new(all, &[Orientation::Rotated180, Orientation::Upright], Orientation::Upright)
    }

    fn find(controls: &LibcameraControls, name: &str) -> Control {
        controls.list().into_iter().find(|control| control.name == name).unwrap()
    }

    #[test]
    fn a_ruled_control_shows_the_measured_value_else_the_setting() {
        let mut controls = module_3();
        controls.record_measured(vec![
            ("exposure_time".into(), 8333.0),
            ("lens_position".into(), 2.5),
            ("lux".into(), 412.0),
            ("af_state".into(), 2.0),
            ("digital_gain".into(), f64::NAN),
        ]);
        let exposure = find(&controls, "exposure_time");
        assert_eq!((exposure.value, exposure.inactive), (8333.0, true));
        assert_eq!(find(&controls, "analogue_gain").value, 1.0, "gain was not measured");
        assert!(find(&controls, "af_trigger").inactive);
        let lux = find(&controls, "lux");
        assert_eq!((lux.value, lux.read_only, lux.unit.as_str()), (412.0, true, "lux"));
        assert_eq!(find(&controls, "af_state").value, 2.0);
        assert!(controls.list().iter().all(|control| control.name != "digital_gain"));
        for (name, value) in [("ae_enable", 0.0), ("exposure_time", 500.0), ("af_mode", 1.0)] {
            controls.record_set(Value { name: name.into(), value });
        }
        let exposure = find(&controls, "exposure_time");
        assert_eq!((exposure.value, exposure.inactive, exposure.default), (500.0, false, 20_000.0));
        assert!(!find(&controls, "af_trigger").inactive && find(&controls, "lens_position").inactive);
        // The values survive a new configuration, except those of controls that are no longer offered.
        let mut anew = module_3();
        anew.carry_over(controls);
        assert_eq!(find(&anew, "exposure_time").value, 500.0);
        let mut less = LibcameraControls::new(Vec::new(), &[], Orientation::Upright);
        less.carry_over(anew);
        assert!(!less.has("exposure_time") && less.set.is_empty());
    }

    #[test]
    fn orientations_are_those_of_the_camera() {
        let controls = module_3();
        let orientation = find(&controls, ORIENTATION);
        let choices = vec![(0, "As it is mounted".into()), (1, "Turned by 180°".into())];
        assert_eq!(orientation.kind, ControlKind::Menu(choices));
        assert_eq!(controls.orientation_of(1.0), Some(Orientation::Rotated180));
        assert_eq!((controls.orientation_of(2.0), controls.orientation_of(0.5)), (None, None));
        let fixed = LibcameraControls::new(Vec::new(), &[Orientation::Upright], Orientation::Upright);
        assert!(fixed.list().is_empty());
    }

    #[test]
    fn invalid_controls_are_dropped_and_the_rest_has_valid_ranges() {
        let nan = f64::NAN;
        let bad = vec![
            offered("no name", Kind::Boolean, (0.0, 1.0), 0.0),
            offered("", Kind::Boolean, (0.0, 1.0), 0.0),
            offered("x\u{1b}[2J", Kind::Boolean, (0.0, 1.0), 0.0),
            offered("gain", Kind::Decimal, (nan, 1.0), 0.0),
            offered("gain", Kind::Decimal, (1.0, 1.0), 0.0),
            offered("gain", Kind::Decimal, (0.0, f64::INFINITY), 0.0),
            offered("mode", Kind::Menu, (0.0, 1.0), 0.0),
            offered(ORIENTATION, Kind::Boolean, (0.0, 1.0), 0.0),
        ];
        assert!(LibcameraControls::new(bad, &[], Orientation::Upright).list().is_empty());
        let odd = vec![
            offered("gain", Kind::Decimal, (1.0, 16.0), nan),
            offered("time", Kind::Integer, (1.0, 9.0), 99.0),
            offered("time", Kind::Integer, (1.0, 9.0), 3.0),
        ];
        let list = LibcameraControls::new(odd, &[], Orientation::Upright).list();
        assert_eq!(list.iter().map(|c| c.default).collect::<Vec<_>>(), [1.0, 9.0]);
        assert_eq!(list[0].kind, ControlKind::Number { min: 1.0, max: 16.0, step: 0.01 });
        assert_eq!(fraction(2.0), 0.001);
    }
}
