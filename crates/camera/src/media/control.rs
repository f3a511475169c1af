//! Camera controls as named ranges: the controls of a device, and requested values.

/// The values that a control accepts.
#[derive(Debug, Clone, PartialEq)]
pub enum ControlKind {
    /// Numbers `min..=max` in steps of `step` (> 0) from `min` on.
    Number {
        /// Smallest value.
        min: f64,
        /// Largest value.
        max: f64,
        /// Distance between values.
        step: f64,
    },
    /// Off and on: 0 and 1.
    Boolean,
    /// One of these numbered choices; numbers may have gaps.
    Menu(Vec<(i64, String)>),
    /// Triggers an action when set; has no value.
    Button,
}

/// One control a camera offers.
#[derive(Debug, Clone, PartialEq)]
pub struct Control {
    /// The device's own number (V4L2: `V4L2_CID_…`).
    pub id: u32,
    /// Key in configuration and API, made from the title as `v4l2-ctl` does: lower case, runs of other characters
    /// become one `_`.
    pub name: String,
    /// The device's title.
    pub title: String,
    /// The values that it accepts.
    pub kind: ControlKind,
    /// Unit of its values, such as "µs"; empty for none.
    pub unit: String,
    /// The device's default; 0 for a button. A fraction is rounded by `ControlKind::round_decimals`, as `value` is.
    pub default: f64,
    /// The current value; 0 for a button.
    pub value: f64,
    /// It can be read but not set.
    pub read_only: bool,
    /// It has no effect now, because another control (an auto mode) rules it.
    pub inactive: bool,
}

impl ControlKind {
    /// Whole numbers.
    pub fn integer(min: i64, max: i64, step: i64) -> ControlKind {
        ControlKind::Number { min: min as f64, max: max as f64, step: step as f64 }
    }

    /// True for a [`ControlKind::Number`] without fractions.
    pub fn is_integer(&self) -> bool {
        matches!(self, ControlKind::Number { min, step, .. } if min.fract() == 0.0 && step.fract() == 0.0)
    }

    /// Number of steps from the smallest value to the largest.
    pub fn steps(&self) -> f64 {
        let ControlKind::Number { min, max, step } = *self else { return 0.0 };
        // A step that is no binary fraction ends near the largest value, perhaps just before it.
        ((max - min) / step + 1e-3).floor()
    }

    /// The nearest value on a step; the smallest one for NaN.
    pub fn round_to_step(&self, value: f64) -> f64 {
        let ControlKind::Number { min, max, step } = *self else { return value };
        let steps = ((value - min) / step).round().max(0.0).min(self.steps());
        self.round_decimals(min + steps * step).clamp(min, max)
    }

    /// `value` with the decimal places that the steps need: 1.1 for 1.10000002, which a camera makes of 1.1.
    pub(crate) fn round_decimals(&self, value: f64) -> f64 {
        let ControlKind::Number { min, step, .. } = *self else { return value };
        let needs = |number: f64, tens: f64| {
            ((number * tens).round() - number * tens).abs() > 1e-6 * (number * tens).abs().max(1.0)
        };
        let mut tens = 1.0;
        while tens < 1e6 && (needs(min, tens) || needs(step, tens)) {
            tens *= 10.0;
        }
        // No -0.
        (value * tens).round() / tens + 0.0
    }
}

/// `value` as JSON: whole numbers without a fraction.
pub fn number_json(value: f64) -> serde_json::Value {
    if value.fract() == 0.0 && value.abs() < i64::MAX as f64 { (value as i64).into() } else { value.into() }
}

/// V4L2's controls that move something by an amount, or while they are not 0: `PAN_RELATIVE`, `TILT_RELATIVE`,
/// `FOCUS_RELATIVE`, `ZOOM_RELATIVE`, `ZOOM_CONTINUOUS`, `IRIS_RELATIVE`, `PAN_SPEED` and `TILT_SPEED`
/// (linux/v4l2-controls.h, the camera class).
const MOVES: [u32; 8] =
    [0x009a_0904, 0x009a_0905, 0x009a_090b, 0x009a_090e, 0x009a_090f, 0x009a_0912, 0x009a_0920, 0x009a_0921];

impl Control {
    /// A settable control whose default and value are 0.
    pub fn new(id: u32, name: impl Into<String>, title: impl Into<String>, kind: ControlKind) -> Control {
        Control {
            id,
            name: name.into(),
            title: title.into(),
            kind,
            unit: String::new(),
            default: 0.0,
            value: 0.0,
            read_only: false,
            inactive: false,
        }
    }

    /// A number's range as text: "0 to 255 in steps of 5", "0 to 15 dioptres".
    pub fn range(&self) -> String {
        let ControlKind::Number { min, max, step } = self.kind else { return String::new() };
        let steps = if step == 1.0 || !self.kind.is_integer() {
            String::new()
        } else {
            format!(" in steps of {step}")
        };
        format!("{min} to {max}{}{steps}", self.spaced_unit())
    }

    /// The unit with a space before it; empty without a unit.
    pub fn spaced_unit(&self) -> String {
        if self.unit.is_empty() { String::new() } else { format!(" {}", self.unit) }
    }

    /// True if setting it acts once, like a button, and must not be repeated at every open: a moving part would
    /// creep. A camera's own controls of this kind are recognized by their names.
    pub fn is_momentary(&self) -> bool {
        self.kind == ControlKind::Button || MOVES.contains(&self.id) || self.name.ends_with("_relative")
    }
}

/// A requested value of a control.
#[derive(Debug, Clone, PartialEq)]
pub struct ControlValue {
    /// The control's `name`.
    pub name: String,
    /// The value; for a menu the choice's number.
    pub value: f64,
}

/// `title` as a key, e.g. "White Balance, Automatic" → `white_balance_automatic`.
pub(crate) fn control_name(title: &str) -> String {
    let mut name = String::with_capacity(title.len());
    for c in title.chars() {
        if c.is_ascii_alphanumeric() {
            name.push(c.to_ascii_lowercase());
        } else if !name.ends_with('_') && !name.is_empty() {
            name.push('_');
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_as_v4l2_ctl_makes_them() {
        assert_eq!(control_name("White Balance, Automatic"), "white_balance_automatic");
        assert_eq!(control_name("Focus, Absolute"), "focus_absolute");
        assert_eq!(control_name("  (Gain) "), "gain");
    }

    #[test]
    fn fractions_have_as_many_digits_as_their_steps_need() {
        let gain = ControlKind::Number { min: 1.0, max: 16.0, step: f64::from(0.1_f32) };
        assert_eq!(gain.round_to_step(f64::from(1.1_f32)), 1.1);
        assert_eq!(
            (gain.round_to_step(99.0), gain.round_to_step(f64::NAN), gain.round_to_step(-3.0)),
            (16.0, 1.0, 1.0)
        );
        let brightness = ControlKind::Number { min: -1.0, max: 1.0, step: 0.25 };
        assert_eq!(brightness.round_to_step(-0.1).to_string(), "0");
        assert_eq!((brightness.round_to_step(0.3), brightness.is_integer()), (0.25, false));
        assert!(ControlKind::integer(-3, 9, 4).is_integer() && !ControlKind::Boolean.is_integer());
        assert_eq!(
            ControlKind::integer(i64::MIN, i64::MAX, 1).round_to_step(i64::MAX as f64),
            i64::MAX as f64
        );
    }

    #[test]
    fn whole_numbers_are_written_without_a_fraction() {
        assert_eq!(
            [128.0, -3.0, 1.5, 1e300].map(|value| number_json(value).to_string()),
            ["128", "-3", "1.5", "1e+300"]
        );
    }
}
