//! Maps a camera's controls to a lens position of 0…1 and back.
//!
//! V4L2 has three controls of focus, which are found by number (Linux media user-space API, "Camera Control
//! Reference"). `FOCUS_ABSOLUTE` "sets the focal point of the camera to the specified position"; more is closer.
//! `FOCUS_RELATIVE` "moves the focal point of the camera by the specified amount" and is write only. `FOCUS_AUTO` is
//! a switch with two names: `focus_automatic_continuous`, in old drivers `focus_auto`.
//!
//! libcamera's controls are found by name. `lens_position` is in dioptres; 0 is far. The menu `af_mode` has 0 Manual,
//! 1 Auto (runs when `af_trigger` is pressed) and 2 Continuous. The menu `af_metering` has 0 Auto and 1 Windows.
//! `af_window_x` and `af_window_y` are the middle of the window, 0…1 of the camera's own frame.

use crate::media::{Control, ControlKind, ControlValue};
use tallycam_base::{Fault, FaultKind};

/// `V4L2_CID_FOCUS_ABSOLUTE` (linux/v4l2-controls.h).
const FOCUS_ABSOLUTE: u32 = 0x009a_090a;
/// `V4L2_CID_FOCUS_RELATIVE`.
const FOCUS_RELATIVE: u32 = 0x009a_090b;
/// `V4L2_CID_FOCUS_AUTO`.
const FOCUS_AUTO: u32 = 0x009a_090c;

/// The controls of a camera that move its lens, with their current values.
#[derive(Debug, Clone, PartialEq)]
pub struct Drive {
    absolute: Option<NumberControl>,
    relative: Option<NumberControl>,
    auto: Option<SwitchControl>,
    window: Option<FocusWindow>,
}

#[derive(Debug, Clone, PartialEq)]
struct FocusWindow {
    /// Middle of the area, 0…1 of the camera's own frame; `None` for the whole frame.
    at: Option<[f64; 2]>,
    /// Autofocus has a trigger; in the mode Auto it waits for it.
    has_trigger: bool,
}

const METERING: &str = "af_metering";
const WINDOW: [&str; 2] = ["af_window_x", "af_window_y"];
const TRIGGER: &str = "af_trigger";

#[derive(Debug, Clone, PartialEq)]
struct NumberControl {
    name: String,
    min: f64,
    max: f64,
    step: f64,
    value: f64,
    default: f64,
}

/// A control that is off (0) or on.
#[derive(Debug, Clone, PartialEq)]
struct SwitchControl {
    name: String,
    /// The value for on.
    on: f64,
    value: f64,
    default: f64,
}

/// A requested lens movement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Move {
    /// To this position, 0…1; switches autofocus off.
    To(f64),
    /// By this share of the range, −1…1, from the current position; switches autofocus off.
    By(f64),
    /// Autofocus on or off. When it goes off, the lens stays at its position.
    Auto(bool),
    /// To the camera's defaults.
    Reset,
}

/// Control changes that move a lens.
#[derive(Debug, Clone, PartialEq)]
pub struct LensChange {
    /// Controls to set, the auto mode first.
    pub values: Vec<ControlValue>,
    /// Values to restore after each open, by control name; `None` removes the stored value.
    ///
    /// A relative step is not stored, because every open would repeat it. Neither is a position while autofocus is
    /// on.
    pub kept: Vec<(String, Option<f64>)>,
}

impl Drive {
    /// The controls in `controls` that move a lens; `None` if there are none.
    pub fn from_controls(controls: &[Control]) -> Option<Drive> {
        let settable = |id: u32, names: &[&str]| {
            let is = |control: &&Control| control.id == id || names.contains(&control.name.as_str());
            controls.iter().filter(|control| !control.read_only).find(is)
        };
        let places = |control: &Control| match control.kind {
            // V4L2's values have 32 bits. A wider range has no countable positions.
            ControlKind::Number { min, max, step }
                if min < max && f64::from(i32::MIN) <= min && max <= f64::from(i32::MAX) =>
            {
                Some(NumberControl {
                    name: control.name.clone(),
                    min,
                    max,
                    // A camera that reports a wrong step still has positions.
                    step: if step > 0.0 { step } else { 1.0 }.min(max - min),
                    value: control.value.clamp(min, max),
                    default: control.default.clamp(min, max),
                })
            }
            _ => None,
        };
        let on = |control: &Control| match &control.kind {
            ControlKind::Boolean => Some(1.0),
            ControlKind::Menu(choices) if control.name == "af_mode" => {
                let modes = choices.iter().map(|(mode, _)| *mode).filter(|mode| (1..=2).contains(mode));
                modes.max().map(|mode| mode as f64)
            }
            _ => None,
        };
        let auto = settable(FOCUS_AUTO, &["focus_automatic_continuous", "focus_auto", "af_mode"]).and_then(
            |control| {
                let (value, default) = (control.value, control.default);
                Some(SwitchControl { name: control.name.clone(), on: on(control)?, value, default })
            },
        );
        let named = |name: &str| controls.iter().find(|control| !control.read_only && control.name == name);
        let window = named(METERING).zip(named(WINDOW[0])).zip(named(WINDOW[1])).map(|((metering, x), y)| {
            FocusWindow {
                at: (metering.value != 0.0).then_some([x.value, y.value]),
                has_trigger: named(TRIGGER).is_some(),
            }
        });
        let absolute = settable(FOCUS_ABSOLUTE, &["focus_absolute", "lens_position"]).and_then(places);
        let relative = settable(FOCUS_RELATIVE, &["focus_relative"]).and_then(places);
        let drive = Drive { absolute, relative, auto, window };
        (drive.has_position() || drive.relative.is_some() || drive.auto.is_some()).then_some(drive)
    }

    /// The lens can be sent to a position.
    pub fn has_position(&self) -> bool {
        self.absolute.is_some()
    }

    /// The lens can be moved other than by its own autofocus.
    pub fn is_movable(&self) -> bool {
        self.absolute.is_some() || self.relative.is_some()
    }

    /// The current position, 0 (far) to 1 (near).
    pub fn position(&self) -> Option<f64> {
        self.absolute.as_ref().map(|places| places.to_share(places.value))
    }

    /// True if autofocus is on; `None` if there is none.
    pub fn auto(&self) -> Option<bool> {
        self.auto.as_ref().map(|auto| auto.value != 0.0)
    }

    /// The index of the nearest position; index 0 is the farthest.
    pub fn last_place(&self) -> Option<i64> {
        self.absolute.as_ref().map(|places| places.kind().steps() as i64)
    }

    /// The values that restore the current state: autofocus, or the position if autofocus is off.
    pub fn current_values(&self) -> Vec<ControlValue> {
        let auto = self.auto.as_ref().map(|auto| value(&auto.name, auto.value));
        let is_auto = self.auto() == Some(true);
        let place = self.absolute.as_ref().filter(|_| !is_auto);
        auto.into_iter().chain(place.map(|places| value(&places.name, places.value))).collect()
    }

    /// True if the control `name` moves the lens.
    pub fn is_moved_by(&self, name: &str) -> bool {
        let places = self.absolute.iter().chain(&self.relative).map(|places| &places.name);
        self.auto.iter().map(|auto| &auto.name).chain(places).any(|own| own == name)
    }

    /// Records a new `value` of the control `name`; `None` means its default. Returns true if that moves the lens.
    pub fn record_value(&mut self, name: &str, value: Option<f64>) -> bool {
        if let Some(auto) = self.auto.as_mut().filter(|auto| auto.name == name) {
            auto.value = value.unwrap_or(auto.default);
        }
        if let Some(places) = self.absolute.as_mut().filter(|places| places.name == name) {
            places.value = value.unwrap_or(places.default).clamp(places.min, places.max);
        }
        self.is_moved_by(name)
    }

    fn to_value(&self, at: f64) -> Vec<ControlValue> {
        let place = self.absolute.as_ref().map(|places| value(&places.name, places.snap_to_place(at)));
        self.autofocus_off().into_iter().chain(place).collect()
    }

    /// The position with the index `at` (see [`Drive::last_place`]) as 0…1.
    pub fn share_of_place(&self, at: i64) -> Option<f64> {
        self.absolute.as_ref().map(|places| places.to_share(places.nth_place(at)))
    }

    /// The fault of a lens that cannot be sent to a place.
    pub fn no_place(&self) -> Fault {
        unsupported(match self.is_movable() {
            true => "this camera's lens only takes steps: it cannot be sent to a place",
            false => "this camera focuses by itself and not by hand",
        })
    }

    /// The control changes for `request`.
    ///
    /// # Errors
    /// This lens cannot move like that.
    pub fn change(&self, request: Move) -> Result<LensChange, Fault> {
        let values = match request {
            Move::To(share) => {
                self.to_value(self.absolute.as_ref().ok_or_else(|| self.no_place())?.at_share(share))
            }
            Move::By(by) => match (&self.absolute, &self.relative) {
                (Some(places), _) => self.to_value(places.step_by(by)),
                (None, Some(places)) => {
                    let step = value(&places.name, places.relative_step(by));
                    self.autofocus_off().into_iter().chain([step]).collect()
                }
                (None, None) => return Err(self.no_place()),
            },
            Move::Auto(is_on) => {
                let auto = self.auto.as_ref().ok_or_else(|| unsupported("this camera has no autofocus"))?;
                let place = self.absolute.as_ref().filter(|_| !is_on);
                let place = place.map(|places| value(&places.name, places.value));
                [value(&auto.name, if is_on { auto.on } else { 0.0 })].into_iter().chain(place).collect()
            }
            Move::Reset => {
                let auto = self.auto.as_ref().map(|auto| value(&auto.name, auto.default));
                let is_auto = self.auto.as_ref().is_some_and(|auto| auto.default != 0.0);
                let place = self.absolute.as_ref().filter(|_| !is_auto);
                let place = place.map(|places| value(&places.name, places.default));
                let window = self.window.as_ref().map(|_| value(METERING, 0.0));
                auto.into_iter().chain(place).chain(window).collect()
            }
        };
        let kept = self.values_to_save(&values, request == Move::Reset);
        Ok(LensChange { values, kept })
    }

    /// The part of `values` to restore after each open: see [`LensChange::kept`].
    fn values_to_save(&self, values: &[ControlValue], is_reset: bool) -> Vec<(String, Option<f64>)> {
        let names = self.auto.iter().map(|auto| &auto.name).chain(self.absolute.iter().map(|at| &at.name));
        let value = |name: &str| values.iter().find(|value| value.name == name).map(|value| value.value);
        let kept = names.map(|name| (name.clone(), value(name).filter(|_| !is_reset)));
        let window = self.window.iter().filter(|_| is_reset).flat_map(|_| [METERING, WINDOW[0], WINDOW[1]]);
        kept.chain(window.map(|name| (name.to_owned(), None))).collect()
    }

    /// The change that switches autofocus off and moves the lens to the index `at` (see [`Drive::last_place`]).
    pub fn move_to(&self, at: i64) -> LensChange {
        let values = self.to_value(self.absolute.as_ref().map_or(0.0, |places| places.nth_place(at)));
        let kept = self.values_to_save(&values, false);
        LensChange { values, kept }
    }

    /// Middle of the area that autofocus measures, 0…1 of the camera's own frame. The inner `None` is the whole
    /// frame; the outer `None` means that the camera has no such setting.
    pub fn window(&self) -> Option<Option<[f64; 2]>> {
        self.window.as_ref().map(|window| window.at)
    }

    /// The values that make autofocus measure the area around `at`, or the whole frame for `None`. For an area they
    /// also switch autofocus on.
    ///
    /// # Errors
    /// Autofocus always measures the whole frame.
    pub fn focus_on(&self, at: Option<[f64; 2]>) -> Result<Vec<ControlValue>, Fault> {
        let none = || unsupported("this camera's autofocus cannot be told where to look");
        let window = self.window.as_ref().ok_or_else(none)?;
        let switched = self.auto.as_ref().filter(|auto| at.is_some() && auto.value == 0.0);
        let mode = self.auto.as_ref().map(|auto| if switched.is_some() { auto.on } else { auto.value });
        let waits = self.auto.as_ref().is_some_and(|auto| auto.name == "af_mode") && mode == Some(1.0);
        let trigger = (waits && window.has_trigger).then(|| value(TRIGGER, 1.0));
        let switched = switched.map(|auto| value(&auto.name, auto.on));
        let place = at.into_iter().flat_map(|at| [value(WINDOW[0], at[0]), value(WINDOW[1], at[1])]);
        let metering = value(METERING, if at.is_some() { 1.0 } else { 0.0 });
        Ok(switched.into_iter().chain([metering]).chain(place).chain(trigger).collect())
    }

    fn autofocus_off(&self) -> Option<ControlValue> {
        self.auto.as_ref().map(|auto| value(&auto.name, 0.0))
    }
}

fn unsupported(what: &str) -> Fault {
    Fault::new(FaultKind::Unsupported, what)
}

impl NumberControl {
    fn width(&self) -> f64 {
        self.max - self.min
    }

    fn to_share(&self, at: f64) -> f64 {
        ((at - self.min) / self.width()).clamp(0.0, 1.0)
    }

    fn nth_place(&self, at: i64) -> f64 {
        self.snap_to_place(self.min + at as f64 * self.step)
    }

    fn at_share(&self, share: f64) -> f64 {
        self.snap_to_place(self.min + share.clamp(0.0, 1.0) * self.width())
    }

    /// The valid position nearest to `at`, within the limits.
    fn snap_to_place(&self, at: f64) -> f64 {
        self.kind().round_to_step(at)
    }

    fn kind(&self) -> ControlKind {
        ControlKind::Number { min: self.min, max: self.max, step: self.step }
    }

    /// The target of a step: at least the next position, at most the last.
    fn step_by(&self, by: f64) -> f64 {
        let wanted = self.snap_to_place(self.value + by * self.width());
        match by.partial_cmp(&0.0) {
            Some(std::cmp::Ordering::Greater) if wanted <= self.value => {
                self.snap_to_place(self.value + self.step)
            }
            Some(std::cmp::Ordering::Less) if wanted >= self.value => {
                self.snap_to_place(self.value - self.step)
            }
            _ => wanted,
        }
    }

    /// A relative control's value for a step: a share of its range in that direction, at least one step.
    fn relative_step(&self, by: f64) -> f64 {
        let most = if by < 0.0 { self.min } else { self.max };
        let leap = (by.abs().min(1.0) * most / self.step).round() * self.step;
        match leap {
            0.0 if by < 0.0 => (-self.step).max(self.min),
            0.0 => self.step.min(self.max),
            leap => leap,
        }
    }
}

fn value(name: &str, value: f64) -> ControlValue {
    ControlValue { name: name.to_owned(), value }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::media::control_name;
    use tallycam_base::proptest_floats::between;

    fn control(id: u32, title: &str, kind: ControlKind, value: i64) -> Control {
        Control { value: value as f64, ..Control::new(id, control_name(title), title, kind) }
    }

    fn absolute(min: i64, max: i64, step: i64, value: i64) -> Control {
        control(FOCUS_ABSOLUTE, "Focus, Absolute", ControlKind::integer(min, max, step), value)
    }

    fn auto(is_on: bool) -> Control {
        let control =
            control(FOCUS_AUTO, "Focus, Automatic Continuous", ControlKind::Boolean, i64::from(is_on));
        Control { default: 1.0, ..control }
    }

    #[test]
    fn no_value_leads_beyond_the_limits() {
        let places = NumberControl {
            name: String::from("focus_absolute"),
            min: -10.0,
            max: 255.0,
            step: 5.0,
            value: 100.0,
            default: 0.0,
        };
        for (by, at) in [(f64::INFINITY, 255), (1e300, 255), (f64::NEG_INFINITY, -10), (f64::NAN, -10)] {
            assert_eq!(places.step_by(by), f64::from(at), "{by}");
        }
        assert_eq!(places.at_share(f64::NAN), -10.0);
    }

    fn values(change: &LensChange) -> Vec<(&str, i64)> {
        change.values.iter().map(|value| (value.name.as_str(), value.value as i64)).collect()
    }

    fn kept(change: &LensChange) -> Vec<(&str, Option<i64>)> {
        change.kept.iter().map(|(name, value)| (name.as_str(), value.map(|value| value as i64))).collect()
    }

    const AUTO: &str = "focus_automatic_continuous";
    const PLACE: &str = "focus_absolute";

    #[test]
    fn a_camera_without_focus_has_no_drive() {
        let zoom = control(0x009a_090d, "Zoom, Absolute", ControlKind::integer(0, 9, 1), 0);
        assert_eq!(Drive::from_controls(&[zoom]), None);
        assert_eq!(Drive::from_controls(&[Control { read_only: true, ..absolute(0, 9, 1, 0) }]), None);
        // A camera that reports an empty or inverted range has no positions.
        assert_eq!(Drive::from_controls(&[absolute(5, 5, 1, 5)]), None);
        assert_eq!(Drive::from_controls(&[absolute(9, 3, 0, 5)]), None);
    }

    #[test]
    fn a_place_switches_autofocus_off_first() {
        let drive = Drive::from_controls(&[absolute(0, 250, 5, 30), auto(true)]).unwrap();
        assert_eq!((drive.position(), drive.auto()), (Some(0.12), Some(true)));
        let to = drive.change(Move::To(0.5)).unwrap();
        assert_eq!(values(&to), [(AUTO, 0), (PLACE, 125)]);
        assert_eq!(kept(&to), [(AUTO, Some(0)), (PLACE, Some(125))]);
        assert_eq!(kept(&drive.change(Move::Auto(true)).unwrap()), [(AUTO, Some(1)), (PLACE, None)]);
        assert_eq!(kept(&drive.change(Move::Reset).unwrap()), [(AUTO, None), (PLACE, None)]);
        assert_eq!(values(&drive.change(Move::By(0.05)).unwrap()), [(AUTO, 0), (PLACE, 45)]);
        assert_eq!(values(&drive.change(Move::By(-0.5)).unwrap()), [(AUTO, 0), (PLACE, 0)]);
        assert_eq!(values(&drive.change(Move::Auto(true)).unwrap()), [(AUTO, 1)]);
        assert_eq!(values(&drive.change(Move::Auto(false)).unwrap()), [(AUTO, 0), (PLACE, 30)]);
        assert_eq!(values(&drive.change(Move::Reset).unwrap()), [(AUTO, 1)]);
        assert_eq!(drive.current_values(), [value(AUTO, 1.0)]);
    }

    #[test]
    fn the_current_values_restore_the_state() {
        let mut drive = Drive::from_controls(&[absolute(0, 250, 5, 30), auto(false)]).unwrap();
        assert!(!drive.record_value("zoom_absolute", Some(3.0)) && !drive.is_moved_by("zoom_absolute"));
        assert_eq!(drive.current_values(), [value(AUTO, 0.0), value(PLACE, 30.0)]);
        assert!(drive.record_value(PLACE, Some(900.0)) && drive.is_moved_by(PLACE));
        assert_eq!(drive.current_values(), [value(AUTO, 0.0), value(PLACE, 250.0)]);
        assert!(drive.record_value(PLACE, None) && drive.record_value(AUTO, Some(0.0)));
        assert_eq!(drive.current_values(), [value(AUTO, 0.0), value(PLACE, 0.0)]);
        assert!(drive.record_value(AUTO, None) && drive.is_moved_by(AUTO));
        assert_eq!(drive.current_values(), [value(AUTO, 1.0)]);
    }

    #[test]
    fn a_missing_ability_is_reported() {
        let by_hand = Drive::from_controls(&[absolute(1, 1023, 1, 1)]).unwrap();
        assert_eq!(by_hand.auto(), None);
        assert_eq!(by_hand.change(Move::Auto(true)).unwrap_err().what, "this camera has no autofocus");
        assert_eq!(values(&by_hand.change(Move::To(1.0)).unwrap()), [(PLACE, 1023)]);
        assert_eq!(values(&by_hand.change(Move::Reset).unwrap()), [(PLACE, 1)]);
        let by_itself = Drive::from_controls(&[auto(false)]).unwrap();
        assert_eq!((by_itself.position(), by_itself.is_movable()), (None, false));
        assert!(by_itself.change(Move::By(0.1)).unwrap_err().what.contains("focuses by itself"));
        assert_eq!(values(&by_itself.change(Move::Auto(true)).unwrap()), [(AUTO, 1)]);
    }

    #[test]
    fn a_relative_step_is_taken_and_not_stored() {
        let relative = control(FOCUS_RELATIVE, "Focus, Relative", ControlKind::integer(-100, 100, 1), 0);
        let drive = Drive::from_controls(&[relative]).unwrap();
        assert_eq!((drive.position(), drive.has_position(), drive.is_movable()), (None, false, true));
        let step = drive.change(Move::By(-0.05)).unwrap();
        assert_eq!((values(&step), kept(&step)), (vec![("focus_relative", -5)], vec![]));
        assert_eq!(values(&drive.change(Move::By(0.001)).unwrap()), [("focus_relative", 1)]);
        assert!(drive.change(Move::To(0.5)).unwrap_err().what.contains("only takes steps"));
        assert!(drive.change(Move::Reset).unwrap().values.is_empty());
    }

    #[test]
    fn an_old_drivers_name_is_known() {
        let old = control(7, "Focus, Auto", ControlKind::Boolean, 1);
        assert_eq!(Drive::from_controls(&[old]).unwrap().auto(), Some(true));
    }

    /// The controls of a Camera Module 3.
    fn module_3(mode: i64, position: f64) -> Vec<Control> {
        let menu = |titles: &[&str]| {
            ControlKind::Menu((0..).zip(titles).map(|(n, title)| (n, (*title).to_owned())).collect())
        };
        let dioptres = ControlKind::Number { min: 0.0, max: 15.0, step: 0.01 };
        let share = ControlKind::Number { min: 0.0, max: 1.0, step: 0.001 };
        vec![
            control(1, "af_mode", menu(&["Manual", "Auto", "Continuous"]), mode),
            Control { value: position, default: 1.0, ..control(2, "lens_position", dioptres, 0) },
            control(3, "af_metering", menu(&["Auto", "Windows"]), 0),
            control(4, "af_window_x", share.clone(), 0),
            control(5, "af_window_y", share, 0),
            control(6, "af_trigger", ControlKind::Button, 0),
        ]
    }

    #[test]
    fn a_lens_in_dioptres_moves_like_any_other() {
        let drive = Drive::from_controls(&module_3(2, 2.5)).unwrap();
        assert_eq!((drive.auto(), drive.last_place()), (Some(true), Some(1500)));
        let set =
            |to: &LensChange| to.values.iter().map(|own| (own.name.clone(), own.value)).collect::<Vec<_>>();
        let both = |mode, at| vec![(String::from("af_mode"), mode), (String::from("lens_position"), at)];
        assert_eq!(set(&drive.change(Move::To(0.5)).unwrap()), both(0.0, 7.5));
        assert_eq!(set(&drive.move_to(123)), both(0.0, 1.23));
        assert_eq!(set(&drive.change(Move::Auto(false)).unwrap()), both(0.0, 2.5));
        assert_eq!(drive.current_values(), [ControlValue { name: String::from("af_mode"), value: 2.0 }]);
        let by_hand = Drive::from_controls(&module_3(0, 2.5)).unwrap();
        assert_eq!(values(&by_hand.change(Move::Auto(true)).unwrap()), [("af_mode", 2)]);
        assert_eq!(set(&by_hand.change(Move::By(0.1)).unwrap()), both(0.0, 4.0));
        let reset = by_hand.change(Move::Reset).unwrap();
        assert_eq!(values(&reset), [("af_mode", 0), ("lens_position", 1), ("af_metering", 0)]);
        assert!(reset.kept.len() == 5 && reset.kept.iter().all(|(_, value)| value.is_none()));
        // A lens without continuous autofocus.
        let mut old = module_3(0, 2.5);
        old[0].kind = ControlKind::Menu(vec![(0, "Manual".into()), (1, "Auto".into())]);
        assert_eq!(
            values(&Drive::from_controls(&old).unwrap().change(Move::Auto(true)).unwrap()),
            [("af_mode", 1)]
        );
    }

    #[test]
    fn autofocus_measures_the_requested_area() {
        let named = |values: Vec<ControlValue>| {
            values.into_iter().map(|own| format!("{}={}", own.name, own.value)).collect::<Vec<_>>().join(" ")
        };
        let spot = |mode| {
            named(Drive::from_controls(&module_3(mode, 0.0)).unwrap().focus_on(Some([0.25, 0.5])).unwrap())
        };
        assert_eq!(spot(0), "af_mode=2 af_metering=1 af_window_x=0.25 af_window_y=0.5", "autofocus is off");
        assert_eq!(spot(2), "af_metering=1 af_window_x=0.25 af_window_y=0.5");
        assert_eq!(spot(1), "af_metering=1 af_window_x=0.25 af_window_y=0.5 af_trigger=1");
        let drive = Drive::from_controls(&module_3(2, 0.0)).unwrap();
        assert_eq!(
            (drive.window(), named(drive.focus_on(None).unwrap())),
            (Some(None), "af_metering=0".into())
        );
        let usb = Drive::from_controls(&[absolute(0, 9, 1, 0), auto(true)]).unwrap();
        assert!(usb.window().is_none() && usb.focus_on(None).is_err());
    }

    proptest! {
        #[test]
        fn every_move_ends_at_a_place_that_the_control_has(
            min in -5000_i64..5000, width in 1_i64..5000, step in -3_i64..300, at in -9000_i64..9000,
            share in between(0.0_f64, 1.0), by in between(-1.0_f64, 1.0),
        ) {
            let drive = Drive::from_controls(&[absolute(min, min + width, step, at), auto(true)]).unwrap();
            let (first, last) = (min as f64, drive.last_place().unwrap());
            let step = step.clamp(1, width) as f64;
            prop_assert_eq!(last, width / step as i64);
            for request in [Move::To(share), Move::By(by), Move::Reset] {
                for value in drive.change(request).unwrap().values.iter().filter(|value| value.name == PLACE) {
                    prop_assert!((first..=first + last as f64 * step).contains(&value.value));
                    prop_assert!((value.value - first) % step == 0.0);
                }
            }
            prop_assert!((0.0..=1.0).contains(&drive.position().unwrap()));
        }

        #[test]
        fn steps_lead_somewhere_until_the_end_and_back(width in 1_i64..2000, step in 1_i64..50) {
            let step = step.min(width);
            let mut at = 0;
            for direction in [0.05, -0.05] {
                for _ in 0..width + 21 {
                    let drive = Drive::from_controls(&[absolute(0, width, step, at)]).unwrap();
                    let next = drive.change(Move::By(direction)).unwrap().values[0].value as i64;
                    let is_at_end = if direction > 0.0 { at == width / step * step } else { at == 0 };
                    prop_assert_eq!(next == at, is_at_end);
                    at = next;
                }
                prop_assert_eq!(at, if direction > 0.0 { width / step * step } else { 0 });
            }
        }
    }
}
