//! Converts a device's answers to [`Control`]s. Pure. Controls that no slider, switch or menu could set are omitted
//! with a reason.

use std::io;

use super::sys::ControlAnswer;
use crate::media::control_name;
use crate::media::{Control, ControlKind};

/// `V4L2_CTRL_TYPE_…` of `linux/videodev2.h`.
const INTEGER: u32 = 1;
const BOOLEAN: u32 = 2;
const MENU: u32 = 3;
const BUTTON: u32 = 4;
const INTEGER64: u32 = 5;
const CLASS: u32 = 6;
const STRING: u32 = 7;
const BITMASK: u32 = 8;
const INTEGER_MENU: u32 = 9;

/// `V4L2_CTRL_FLAG_…`.
const DISABLED: u32 = 0x01;
const GRABBED: u32 = 0x02;
const READ_ONLY: u32 = 0x04;
const INACTIVE: u32 = 0x10;
const WRITE_ONLY: u32 = 0x40;

/// Maximum number of menu choices that are queried, in case a camera claims to have far more.
const CHOICES: u32 = 256;

/// Queries for values that a control's first answer does not contain.
pub trait Ask {
    /// The current value of a 32-bit control.
    ///
    /// # Errors
    /// The system's.
    fn value(&self, id: u32) -> io::Result<i32>;

    /// Range, default and current value of a 64-bit control: least, greatest, step, default, value.
    ///
    /// # Errors
    /// The system's.
    fn query_wide(&self, id: u32) -> io::Result<[i64; 5]>;

    /// The last value that a write-only control was set to.
    fn last_written(&self, id: u32) -> Option<i64>;

    /// Choice `index` of a menu; `None` for a gap.
    fn query_choice(&self, id: u32, index: u32, is_number: bool) -> Option<String>;
}

/// Why a control is omitted: the reason, or `None` if it is of no use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut(pub Option<String>);

/// The control described by `answer`.
///
/// # Errors
/// Why it is omitted.
pub fn control(answer: ControlAnswer, ask: &impl Ask) -> Result<Control, LeftOut> {
    let ControlAnswer { id, kind, title, minimum, maximum, step, default, flags } = answer;
    if kind == CLASS || flags & DISABLED != 0 {
        return Err(LeftOut(None));
    }
    let left_out = |why: String| LeftOut(Some(why));
    // A write-only control has its last written value; before that, the value after power-on is the likeliest.
    let value = |default: i64| {
        if flags & WRITE_ONLY != 0 {
            return Ok(ask.last_written(id).unwrap_or(default));
        }
        ask.value(id).map(i64::from).map_err(|error| left_out(format!("its value cannot be read: {error}")))
    };
    let (kind, default, value) = match kind {
        INTEGER => {
            let range = ControlKind::integer(minimum.into(), maximum.into(), i64::from(step).max(1));
            (range, default.into(), value(default.into())?)
        }
        BOOLEAN => {
            let default = i64::from(default != 0);
            (ControlKind::Boolean, default, i64::from(value(default)? != 0))
        }
        MENU | INTEGER_MENU => {
            let first = u32::try_from(minimum).unwrap_or(0);
            let last = u32::try_from(maximum).unwrap_or(0).min(first.saturating_add(CHOICES - 1));
            let choice = |index| Some((i64::from(index), ask.query_choice(id, index, kind == INTEGER_MENU)?));
            let choices: Vec<(i64, String)> = (first..=last).filter_map(choice).collect();
            if choices.is_empty() {
                return Err(left_out(String::from("it is a menu without choices")));
            }
            (ControlKind::Menu(choices), default.into(), value(default.into())?)
        }
        BUTTON => (ControlKind::Button, 0, 0),
        INTEGER64 => {
            let [min, max, step, default, value] =
                ask.query_wide(id).map_err(|error| left_out(format!("its value cannot be read: {error}")))?;
            (ControlKind::integer(min, max, step.max(1)), default, value)
        }
        BITMASK => {
            // The settable bits are those of the greatest value; the driver refuses others.
            let bits = |number: i32| i64::from(number as u32);
            let value = if flags & WRITE_ONLY == 0 {
                value(bits(default)).map(|value| bits(value as i32))?
            } else {
                ask.last_written(id).unwrap_or(bits(default))
            };
            (ControlKind::integer(0, bits(maximum), 1), bits(default), value)
        }
        STRING => return Err(left_out(String::from("it is a text"))),
        other => return Err(left_out(format!("it is of a kind ({other:#x}) that is no number"))),
    };
    if let ControlKind::Number { min, max, .. } = kind
        && min > max
    {
        return Err(left_out(format!("its range, from {min} to {max}, is none")));
    }
    let default = allowed(&kind, default, value);
    let name = control_name(&title);
    let name = if name.is_empty() { format!("control_{id:08x}") } else { name };
    Ok(Control {
        default,
        value: value as f64,
        read_only: flags & (READ_ONLY | GRABBED) != 0,
        inactive: flags & INACTIVE != 0,
        ..Control::new(id, name, title, kind)
    })
}

/// The default. Some cameras report one outside the control's own range; it becomes the nearest settable value.
/// Otherwise a reset of all controls would fail because of this one.
fn allowed(kind: &ControlKind, default: i64, value: i64) -> f64 {
    match kind {
        ControlKind::Number { min, max, .. } => (default as f64).clamp(*min, *max),
        ControlKind::Menu(choices) => {
            let is_choice = |wanted: i64| choices.iter().any(|(choice, _)| *choice == wanted);
            let first = choices.first().map_or(default, |(choice, _)| *choice);
            [default, value].into_iter().find(|wanted| is_choice(*wanted)).unwrap_or(first) as f64
        }
        ControlKind::Boolean | ControlKind::Button => default as f64,
    }
}

/// Makes names unique: the second control with the same title becomes `NAME_2`.
pub(crate) fn make_names_unique(controls: &mut [Control]) {
    for at in 1..controls.len() {
        let (before, rest) = controls.split_at_mut(at);
        let Some(control) = rest.first_mut() else { return };
        let title = control.name.clone();
        let mut number = 2;
        while before.iter().any(|other| other.name == control.name) {
            control.name = format!("{title}_{number}");
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Gives the same value for every query, and has the choices 1 and 3.
    struct Answers(io::Result<i32>);

    impl Ask for Answers {
        fn value(&self, _id: u32) -> io::Result<i32> {
            self.0.as_ref().map(|value| *value).map_err(|error| io::Error::from(error.kind()))
        }

        fn query_wide(&self, _id: u32) -> io::Result<[i64; 5]> {
            Ok([-1 << 40, 1 << 40, 1 << 20, 0, 7])
        }

        fn last_written(&self, _id: u32) -> Option<i64> {
            (self.0.is_err()).then_some(3)
        }

        fn query_choice(&self, _id: u32, index: u32, is_number: bool) -> Option<String> {
            let word = if is_number { "30000" } else { "Manual" };
            [1, 3].contains(&index).then(|| word.to_owned())
        }
    }

    fn answer(kind: u32, flags: u32) -> ControlAnswer {
        let title = String::from("Gain, Analogue");
        ControlAnswer { id: 9, kind, title, minimum: 0, maximum: 3, step: 0, default: 1, flags }
    }

    fn kind_of(kind: u32) -> ControlKind {
        control(answer(kind, 0), &Answers(Ok(2))).unwrap().kind
    }

    #[test]
    fn every_settable_kind_is_offered() {
        assert_eq!(kind_of(INTEGER), ControlKind::integer(0, 3, 1));
        assert_eq!(kind_of(BOOLEAN), ControlKind::Boolean);
        assert_eq!(kind_of(MENU), ControlKind::Menu(vec![(1, "Manual".into()), (3, "Manual".into())]));
        assert_eq!(kind_of(INTEGER_MENU), ControlKind::Menu(vec![(1, "30000".into()), (3, "30000".into())]));
        assert_eq!(kind_of(BUTTON), ControlKind::Button);
        assert_eq!(kind_of(INTEGER64), ControlKind::integer(-1 << 40, 1 << 40, 1 << 20));
        assert_eq!(kind_of(BITMASK), ControlKind::integer(0, 3, 1));
        let bits = ControlAnswer { maximum: -1, default: -1, ..answer(BITMASK, 0) };
        let bits = control(bits, &Answers(Ok(-2))).unwrap();
        assert_eq!(bits.kind, ControlKind::integer(0, 0xffff_ffff, 1));
        assert_eq!((bits.default, bits.value), (f64::from(u32::MAX), f64::from(u32::MAX - 1)));
    }

    #[test]
    fn flags_are_reported() {
        let with = |flags| control(answer(INTEGER, flags), &Answers(Ok(2))).unwrap();
        assert_eq!((with(0).read_only, with(0).inactive), (false, false));
        assert!(with(READ_ONLY).read_only && with(GRABBED).read_only && with(INACTIVE).inactive);
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let unread = control(answer(INTEGER, WRITE_ONLY), &Answers(Err(refused())));
        assert_eq!(unread.unwrap().value, 3.0, "the last written value stands for an unreadable one");
        let unset = control(answer(INTEGER, WRITE_ONLY), &Answers(Ok(2)));
        assert_eq!(unset.unwrap().value, 1.0, "or the default");
    }

    #[test]
    fn an_invalid_default_becomes_a_settable_one() {
        let of = |kind, default, value| {
            control(ControlAnswer { default, ..answer(kind, 0) }, &Answers(Ok(value))).unwrap().default
        };
        // As a real camera reports its backlight compensation.
        assert_eq!((of(INTEGER, 57_343, 1), of(INTEGER, -1, 1), of(INTEGER, 2, 1)), (3.0, 0.0, 2.0));
        assert_eq!((of(BITMASK, -1, 1), of(BITMASK, 1, 1)), (3.0, 1.0));
        // The choices are 1 and 3: the current value, else the first.
        assert_eq!((of(MENU, 3, 1), of(MENU, 2, 3), of(MENU, 2, 2)), (3.0, 3.0, 1.0));
    }

    #[test]
    fn an_omitted_control_has_a_reason() {
        let why = |answer, value: io::Result<i32>| control(answer, &Answers(value)).unwrap_err().0;
        assert_eq!(why(answer(CLASS, 0), Ok(0)), None);
        assert_eq!(why(answer(INTEGER, DISABLED), Ok(0)), None);
        assert_eq!(why(answer(STRING, 0), Ok(0)).unwrap(), "it is a text");
        assert!(why(answer(0x100, 0), Ok(0)).unwrap().contains("0x100"));
        let refused = why(answer(INTEGER, 0), Err(io::ErrorKind::PermissionDenied.into())).unwrap();
        assert!(refused.starts_with("its value cannot be read"), "{refused}");
        let none = ControlAnswer { minimum: 5, maximum: 4, ..answer(INTEGER, 0) };
        assert_eq!(why(none, Ok(0)).unwrap(), "its range, from 5 to 4, is none");
        // Four thousand million choices are not queried.
        let many = ControlAnswer { minimum: 4, maximum: i32::MAX, ..answer(MENU, 0) };
        assert_eq!(why(many, Ok(0)).unwrap(), "it is a menu without choices");
    }

    #[test]
    fn controls_of_the_same_title_have_different_names() {
        let one = || control(answer(INTEGER, 0), &Answers(Ok(2))).unwrap();
        let mut controls = [one(), one(), one()];
        make_names_unique(&mut controls);
        assert_eq!(
            controls.map(|control| control.name),
            ["gain_analogue", "gain_analogue_2", "gain_analogue_3"]
        );
        let title = String::from("***");
        let nameless = control(ControlAnswer { title, ..answer(INTEGER, 0) }, &Answers(Ok(2))).unwrap();
        assert_eq!(nameless.name, "control_00000009");
    }
}
