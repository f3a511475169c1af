//! Camera controls as named ranges: what a device offers, and what is asked of it.

/// What a control takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlKind {
    /// Whole numbers `min..=max` in steps of `step` (≥ 1).
    Integer {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// Distance between values.
        step: i64,
    },
    /// Off and on: 0 and 1.
    Boolean,
    /// One of these numbered choices; numbers may have gaps.
    Menu(Vec<(i64, String)>),
    /// Does something when set; has no value.
    Button,
}

/// One control a camera offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// The device's own number for it (V4L2: `V4L2_CID_…`).
    pub id: u32,
    /// Its key in configuration and API, made from the title as `v4l2-ctl` does:
    /// lower case, runs of other characters become one `_`.
    pub name: String,
    /// Its title as the device gives it.
    pub title: String,
    /// What it takes.
    pub kind: ControlKind,
    /// The device's default; 0 for a button.
    pub default: i64,
    /// The present value; 0 for a button.
    pub value: i64,
    /// It can be read but not set.
    pub read_only: bool,
    /// It has no effect now, since another control (an auto mode) rules it.
    pub inactive: bool,
}

/// V4L2's controls that move something by so much, or for as long as they are not 0: `PAN_RELATIVE`, `TILT_RELATIVE`,
/// `FOCUS_RELATIVE`, `ZOOM_RELATIVE`, `ZOOM_CONTINUOUS`, `IRIS_RELATIVE`, `PAN_SPEED` and `TILT_SPEED`
/// (linux/v4l2-controls.h, the camera class).
const MOVES: [u32; 8] =
    [0x009a_0904, 0x009a_0905, 0x009a_090b, 0x009a_090e, 0x009a_090f, 0x009a_0912, 0x009a_0920, 0x009a_0921];

impl Control {
    /// Whether to set it is to do something once, as a button does, and is not to be repeated at every opening: what moves
    /// something would creep. Cameras' own are told by their names.
    pub fn is_momentary(&self) -> bool {
        self.kind == ControlKind::Button || MOVES.contains(&self.id) || self.name.ends_with("_relative")
    }
}

/// A value asked of a control, by the control's `name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlValue {
    /// The control's `name`.
    pub name: String,
    /// The value; for a menu the choice's number.
    pub value: i64,
}

/// `title` as a key, e.g. "White Balance, Automatic" → `white_balance_automatic`.
pub fn control_name(title: &str) -> String {
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
}
