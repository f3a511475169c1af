//! `tallycam controls`: shows and sets the camera's own controls through the running service.

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::failure::FAILED;
use crate::cli::common::terminal::shown;
use crate::cli::common::text_field;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use tallycam_camera::media::number_json;

const CONTROLS: &str = "/api/v1/controls";

/// Show and set camera controls: brightness, exposure, focus …
///
/// Needs the running service. Values apply at once, are saved for this camera, and are set again after every open.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ControlsArgs {
    #[command(subcommand)]
    what: Option<ControlsCommand>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum ControlsCommand {
    List(ControlsListArgs),
    Set(ControlsSetArgs),
    Reset(ControlsResetArgs),
}

/// List controls with values and ranges (default command)
#[derive(Debug, Args)]
struct ControlsListArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Set controls: all of them, or none if one is invalid
#[derive(Debug, Args)]
struct ControlsSetArgs {
    /// A number, `on` or `off`, the number of a menu entry, or `default`; `on` presses a button
    #[arg(value_name = "NAME=VALUE", required = true)]
    values: Vec<String>,
    /// Print all controls after the change as JSON
    #[arg(long)]
    json: bool,
}

/// Set every control to the camera's default and forget saved values
#[derive(Debug, Args)]
struct ControlsResetArgs {
    /// Print all controls after the change as JSON
    #[arg(long)]
    json: bool,
}

impl ControlsArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match &self.what {
            None => print_controls(given, self.json),
            Some(ControlsCommand::List(list)) => print_controls(given, list.json),
            Some(ControlsCommand::Set(set)) => set.run(given),
            Some(ControlsCommand::Reset(reset)) => reset.run(given),
        }
    }
}

fn daemon(given: &ConfigArgs) -> Result<Daemon, Failure> {
    let config = given.load()?.config;
    Ok(Daemon::require(&config, "setting the camera")?.with_timeout(PATIENCE))
}

/// Includes the time in which a camera opens.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

fn print_controls(given: &ConfigArgs, json: bool) -> Result<(), Failure> {
    let report: Value =
        daemon(given)?.json("GET", CONTROLS, RequestBody::Nothing, "the camera's controls cannot be read")?;
    if json {
        return print_json(&report);
    }
    print_stdout(&as_text(&report))?;
    notes(&report);
    Ok(())
}

impl ControlsSetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let wanted = parse_assignments(&self.values)?;
        let daemon = daemon(given)?;
        let names: Vec<String> = wanted.keys().cloned().collect();
        let report: Value =
            daemon.json("PATCH", CONTROLS, RequestBody::Json(&Value::Object(wanted)), "nothing was set")?;
        if self.json {
            print_json(&report)?;
        } else {
            print_stdout(&lines(&report, |name| names.iter().any(|wanted| wanted == name)))?;
        }
        report_outcome(&report)
    }
}

impl ControlsResetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = daemon(given)?;
        let path = format!("{CONTROLS}/reset");
        let report: Value = daemon.json("POST", &path, RequestBody::Nothing, "nothing was set")?;
        if self.json {
            print_json(&report)?;
        } else {
            print_stdout(&as_text(&report))?;
        }
        report_outcome(&report)
    }
}

/// Reports what the camera changed or refused; a refusal is a failure.
fn report_outcome(report: &Value) -> Result<(), Failure> {
    notes(report);
    if list(report, "refused").is_empty() { Ok(()) } else { Err(Failure::AlreadyReported(FAILED)) }
}

fn notes(report: &Value) {
    for note in list(report, "notes").iter().filter_map(Value::as_str) {
        eprintln!("tallycam: {}", shown(note));
    }
}

/// Reads `NAME=VALUE`; each name may appear once.
fn parse_assignments(values: &[String]) -> Result<Map<String, Value>, Failure> {
    let usage = |message: String| {
        Failure::usage(message)
            .hint("as in `tallycam controls set brightness=128`; `tallycam controls list` lists them")
    };
    let mut wanted = Map::new();
    for text in values {
        let (name, value) =
            text.split_once('=').ok_or_else(|| usage(format!("{text:?} is not NAME=VALUE")))?;
        let value = match value.trim() {
            "on" | "true" => Value::from(true),
            "off" | "false" => Value::from(false),
            "default" => Value::Null,
            number => {
                let given = number.parse().ok().filter(|number: &f64| number.is_finite());
                given.map_or_else(|| Value::from(number), number_json)
            }
        };
        if wanted.insert(name.trim().to_owned(), value).is_some() {
            return Err(usage(format!("{} is given twice", name.trim())));
        }
    }
    Ok(wanted)
}

fn as_text(report: &Value) -> String {
    let name = report.pointer("/camera/name").and_then(Value::as_str).unwrap_or_default();
    match report.get("reason").and_then(Value::as_str) {
        Some(reason) => format!("{reason}\n"),
        None => {
            // The name under which config.toml stores the values of this camera.
            let identity = report.pointer("/camera/identity").and_then(Value::as_str);
            let identity = identity.map_or_else(String::new, |id| format!("  kept as [controls.{id:?}]\n"));
            format!("{name}\n{identity}{}", lines(report, |_| true))
        }
    }
}

/// One line for each control that `meant` selects.
fn lines(report: &Value, meant: impl Fn(&str) -> bool) -> String {
    let items: Vec<&Value> =
        list(report, "items").iter().filter(|item| meant(text_field(item, "name"))).collect();
    let widest = items.iter().map(|item| text_field(item, "name").len()).max().unwrap_or(0);
    let refused = list(report, "refused");
    let line = |item: &Value| line(item, refused.iter().any(|name| name == text_field(item, "name")));
    items.iter().map(|item| format!("  {:<widest$}  {}\n", text_field(item, "name"), line(item))).collect()
}

/// As in "128, from 0 to 255, default 128 (kept)".
fn line(item: &Value, is_refused: bool) -> String {
    let is = |key: &str| item.get(key).and_then(Value::as_bool).unwrap_or_default();
    let of = |key: &str| item.get(key).map(format_value).unwrap_or_default();
    let (value, default) = (of("value"), of("default"));
    let mut line = match text_field(item, "kind") {
        "button" => String::from("a button"),
        "menu" => {
            let choices = list(item, "choices").iter();
            let choices: Vec<String> = choices
                .map(|choice| {
                    format!(
                        "{} {}",
                        choice.get("value").map(format_value).unwrap_or_default(),
                        text_field(choice, "title")
                    )
                })
                .collect();
            format!("{value}, of {}; default {default}", choices.join(", "))
        }
        kind @ ("integer" | "decimal") => {
            let steps = match of("step").as_str() {
                "1" => String::new(),
                _ if kind == "decimal" => String::new(),
                step => format!(" in steps of {step}"),
            };
            let unit = Some(text_field(item, "unit")).filter(|unit| !unit.is_empty());
            let unit = unit.map_or_else(String::new, |unit| format!(" {unit}"));
            format!("{value}{unit}, from {} to {}{unit}{steps}, default {default}", of("min"), of("max"))
        }
        _ => format!("{value}, default {default}"),
    };
    if let Some(place) = item.get("place").and_then(Value::as_str) {
        line.push_str(&format!(" (set in {place})"));
    } else if is("saved") && is_refused {
        line.push_str(" (the camera refuses the saved value)");
    } else if is("saved") {
        line.push_str(" (kept)");
    }
    if is("read_only") {
        line.push_str(" (cannot be set)");
    } else if is("inactive") {
        line.push_str(" (no effect now: an automatic mode controls it)");
    }
    line
}

fn format_value(value: &Value) -> String {
    match value {
        Value::Bool(true) => String::from("on"),
        Value::Bool(false) => String::from("off"),
        Value::Null => String::new(),
        value => value.to_string(),
    }
}

fn list<'a>(item: &'a Value, key: &str) -> &'a [Value] {
    item.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_numbers_words_or_nothing() {
        let texts: Vec<String> =
            ["gain=-3", "flip = on", "mains=off", "zoom=default", "x=1.5", "y=inf"].map(str::to_owned).into();
        let wanted = parse_assignments(&texts).unwrap();
        assert_eq!(
            Value::Object(wanted),
            json!({"gain": -3, "flip": true, "mains": false, "zoom": null, "x": 1.5, "y": "inf"})
        );
    }

    #[test]
    fn a_malformed_assignment_is_a_usage_error() {
        for texts in [&["gain"][..], &["gain=1", "gain=2"]] {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            assert!(matches!(parse_assignments(&texts), Err(Failure::Usage { .. })), "{texts:?}");
        }
    }

    #[test]
    fn a_line_says_value_range_and_flags() {
        let report = json!({"camera": {"name": "Cam", "identity": "usb-7"}, "items": [
            {"name": "focus", "kind": "integer", "min": 0, "max": 255, "step": 5, "value": 40, "default": 0,
                "saved": true, "inactive": true},
            {"name": "flip", "kind": "boolean", "value": true, "default": false, "place": "config.toml:3"},
            {"name": "mains", "kind": "menu", "value": 3, "default": 1,
                "choices": [{"value": 1, "title": "50 Hz"}, {"value": 3, "title": "60 Hz"}]},
            {"name": "gain", "kind": "integer", "min": 0, "max": 9, "step": 1, "value": 4, "default": 4, "saved": true},
            {"name": "press", "kind": "button", "value": null, "default": null},
        ], "refused": ["gain"]});
        assert_eq!(
            as_text(&report),
            "Cam\n\
             \x20 kept as [controls.\"usb-7\"]\n\
             \x20 focus  40, from 0 to 255 in steps of 5, default 0 (kept) (no effect now: an automatic mode controls \
             it)\n\
             \x20 flip   on, default off (set in config.toml:3)\n\
             \x20 mains  3, of 1 50 Hz, 3 60 Hz; default 1\n\
             \x20 gain   4, from 0 to 9, default 4 (the camera refuses the saved value)\n\
             \x20 press  a button\n"
        );
        assert_eq!(as_text(&json!({"reason": "It has none."})), "It has none.\n");
    }
}
