//! Reads the form of the camera's controls on the settings page: each control under its name, and in `was.NAME` its
//! value when the page was made.

use serde_json::Value;

use crate::http::request::problem::{Problem, WrongField, WrongValueOf};
use crate::http::request::query::Query;
use crate::http::site::preferences::meanwhile;
use crate::ui;
use tallycam_camera::media::{Control, ControlKind};

/// The typed values of the controls that were moved.
pub fn typed(form: &Query, controls: &[Control]) -> Vec<(String, f64)> {
    let moved = moved(form, controls).into_iter();
    moved.filter_map(|(name, _, wanted)| Some((name.to_owned(), number(wanted)?))).collect()
}

/// The controls that differ from the page: name, former value, wanted value. A switch that is off sends only its
/// former value.
fn moved<'a>(form: &'a Query, controls: &[Control]) -> Vec<(&'a str, &'a str, &'a str)> {
    let moved = form.pairs().iter().filter_map(|(name, was)| {
        let name = name.strip_prefix("was.")?;
        let wanted = form.get(name).unwrap_or("0");
        let control = controls.iter().find(|control| control.name == name);
        let is_same =
            wanted == was || control.is_some_and(|control| number(wanted) == at_field(control, number(was)));
        (!is_same).then_some((name, was.as_str(), wanted))
    });
    moved.collect()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// The value that a form field shows for `value`: browsers round a slider to its nearest step and select the first
/// choice of a menu without a selection.
fn at_field(control: &Control, value: Option<f64>) -> Option<f64> {
    let value = value?;
    Some(match &control.kind {
        ControlKind::Number { .. } => control.kind.round_to_step(value),
        ControlKind::Boolean => f64::from(value != 0.0),
        ControlKind::Menu(choices) if choices.iter().all(|(choice, _)| *choice as f64 != value) => {
            choices.first()?.0 as f64
        }
        ControlKind::Menu(_) | ControlKind::Button => value,
    })
}

/// The changes that the form makes to `controls`.
///
/// # Errors
/// Somebody else has set some of them meanwhile: names and values, in words.
pub fn changes(form: &Query, controls: &[Control]) -> Result<Vec<(String, Value)>, Problem> {
    let (mut changes, mut theirs) = (Vec::new(), Vec::new());
    for (name, was, wanted) in moved(form, controls) {
        if let Some(control) = controls.iter().find(|control| control.name == name) {
            let is = Some(control.value);
            if number(wanted) == is {
                continue;
            }
            // An automatic mode moves its controls by itself.
            if !control.inactive && at_field(control, number(was)) != at_field(control, is) {
                let is = ui::control_in_words(control, control.value);
                theirs.push(WrongValueOf {
                    path: name.to_owned(),
                    given: wanted.to_owned(),
                    message: format!("Somebody else has set this to {is} meanwhile"),
                    hint: None,
                });
            }
        }
        changes.push((name.to_owned(), Value::from(wanted)));
    }
    let Some(first) = theirs.first() else { return Ok(changes) };
    let wrong = WrongField { field: first.path.clone(), errors: theirs, ..WrongField::default() };
    Err(Problem { wrong: Some(Box::new(wrong)), ..meanwhile() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn control(name: &str, kind: ControlKind, value: i64) -> Control {
        Control { value: value as f64, ..Control::new(1, name, name, kind) }
    }

    #[test]
    fn only_controls_that_somebody_has_moved_are_changed() {
        let mains = ControlKind::Menu(vec![(1, "50 Hz".into()), (2, "60 Hz".into())]);
        let mut controls = vec![
            control("gain", ControlKind::integer(0, 255, 1), 128),
            control("focus", ControlKind::integer(0, 255, 5), 42),
            control("zoom", ControlKind::integer(10, 52, 10), 300),
            control("flip", ControlKind::Boolean, 1),
            control("mains", mains, 0),
        ];
        let shown = "was.gain=128&was.focus=42&was.zoom=300&was.flip=1&was.mains=0";
        let changes = |controls: &[Control], typed: &str| {
            let told = |problem: Problem| {
                let errors = problem.wrong.unwrap().errors.into_iter();
                errors.map(|wrong| (wrong.path, wrong.message)).collect::<Vec<_>>()
            };
            super::changes(&Query::parse(&format!("{shown}&{typed}")), controls).map_err(told)
        };
        let is = |name: &str, value: &str| Ok(vec![(name.to_owned(), Value::from(value))]);
        // A form without changes: each slider at one of its steps, a menu at its first choice.
        let untouched = "focus=40&zoom=50&flip=1&mains=1";
        assert_eq!(changes(&controls, &format!("gain=128&{untouched}")), Ok(Vec::new()));
        assert_eq!(changes(&controls, &format!("gain=60&{untouched}")), is("gain", "60"));
        assert_eq!(changes(&controls, "gain=128&focus=45&zoom=50&flip=1&mains=1"), is("focus", "45"));
        assert_eq!(changes(&controls, "gain=128&focus=40&zoom=50&mains=1"), is("flip", "0"));
        assert_eq!(changes(&controls, "gain=128&focus=40&zoom=50&flip=1&mains=2"), is("mains", "2"));

        // Somebody else has moved a control that this form leaves alone, and one that it moves.
        (controls[0].value, controls[3].value) = (200.0, 0.0);
        assert_eq!(changes(&controls, "gain=128&focus=45&zoom=50&flip=1&mains=1"), is("focus", "45"));
        let theirs = |name: &str, is: &str| {
            Err(vec![(name.to_owned(), format!("Somebody else has set this to {is} meanwhile"))])
        };
        assert_eq!(
            changes(&controls, "gain=60&focus=45&zoom=50&flip=1&mains=1"),
            theirs("gain", "200"),
            "and nothing of the rest is set"
        );
        assert_eq!(changes(&controls, &format!("gain=200&{untouched}")), Ok(Vec::new()), "the same");
        // Values between the same two steps, and values that an automatic mode rules, do not count as moved.
        (controls[1].value, controls[0].inactive) = (41.0, true);
        assert_eq!(changes(&controls, "gain=128&focus=55&zoom=50&flip=1&mains=1"), is("focus", "55"));
        assert_eq!(changes(&controls, &format!("gain=60&{untouched}")), is("gain", "60"));
        assert_eq!(changes(&controls, &format!("gain=128&was.no=1&no=2&{untouched}")), is("no", "2"));
    }
}
