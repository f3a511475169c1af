//! `tallycam focus`: moves the lens through the running service.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use tallycam_base::Stop;

/// Control focus (needs the running service).
#[derive(Debug, Args)]
pub struct FocusArgs {
    #[command(flatten)]
    how: How,
    #[command(subcommand)]
    what: Option<FocusCommand>,
}

/// Options that every subcommand takes.
#[derive(Debug, Args)]
struct How {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum FocusCommand {
    /// Show the focus position and the sharpness
    Show {
        #[command(flatten)]
        how: How,
    },
    /// Switch autofocus on or off
    Auto {
        /// on or off
        #[arg(value_parser = ["on", "off"])]
        to: String,
        #[command(flatten)]
        how: How,
    },
    /// Set the focus position, from 0 (far) to 1 (near); switches autofocus off
    Set {
        /// The position
        #[arg(value_name = "PLACE", value_parser = parse_place, allow_hyphen_values = true)]
        to: f64,
        #[command(flatten)]
        how: How,
    },
    /// Move the focus by a step, such as +0.05 or -0.05; switches autofocus off
    Step {
        /// The step
        #[arg(value_name = "STEP", value_parser = parse_step, allow_hyphen_values = true)]
        by: f64,
        #[command(flatten)]
        how: How,
    },
    /// Focus on a spot of the picture as shown; without X and Y on all of it
    At {
        /// From the left, 0 to 1
        #[arg(value_parser = parse_place, requires = "y")]
        x: Option<f64>,
        /// From the top, 0 to 1
        #[arg(value_parser = parse_place)]
        y: Option<f64>,
        #[command(flatten)]
        how: How,
    },
    /// Return to the camera's default
    Reset {
        #[command(flatten)]
        how: How,
    },
    /// Find the sharpest position and stay there
    Sweep {
        #[command(flatten)]
        how: How,
    },
}

impl FocusCommand {
    fn action(&self) -> &How {
        match self {
            FocusCommand::Show { how }
            | FocusCommand::Auto { how, .. }
            | FocusCommand::Set { how, .. }
            | FocusCommand::Step { how, .. }
            | FocusCommand::At { how, .. }
            | FocusCommand::Reset { how }
            | FocusCommand::Sweep { how } => how,
        }
    }
}

/// A sweep tries 25 positions and waits at each.
const SWEEPS_WITHIN: Duration = Duration::from_secs(300);

/// Interval between questions for the progress of a sweep.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// The service may have to open the camera first, and a driver may be slow.
const PATIENCE: Duration = Duration::from_secs(30);

fn number(text: &str, least: f64, expected: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|number: &f64| (least..=1.0).contains(number));
    number.ok_or_else(|| format!("should be {expected}"))
}

fn parse_place(text: &str) -> Result<f64, String> {
    number(text, 0.0, "a number from 0 to 1")
}

fn parse_step(text: &str) -> Result<f64, String> {
    let expected = "a number from -1 to 1 that is not 0";
    number(text, -1.0, expected)
        .and_then(|by| if by == 0.0 { Err(format!("should be {expected}")) } else { Ok(by) })
}

impl FocusArgs {
    /// Sends the request and prints the state of the lens after it.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let how = self.what.as_ref().map_or(&self.how, FocusCommand::action);
        let config = given.load()?.config;
        let daemon = Daemon::require(&config, "focusing")?.with_timeout(PATIENCE);
        let not = "the lens was not moved";
        let patch = |change: Value| daemon.json("PATCH", LENS, RequestBody::Json(&change), not);
        let lens: Value = match &self.what {
            None | Some(FocusCommand::Show { .. }) => fetch_lens(&daemon)?,
            Some(FocusCommand::Auto { to, .. }) => patch(json!({"auto": to == "on"}))?,
            Some(FocusCommand::Set { to, .. }) => patch(json!({"position": to}))?,
            Some(FocusCommand::Step { by, .. }) => patch(json!({"step": by}))?,
            Some(FocusCommand::At { x, y, .. }) => {
                patch(json!({"window": x.zip(*y).map(|(x, y)| json!({"x": x, "y": y}))}))?
            }
            Some(FocusCommand::Reset { .. }) => {
                daemon.json("POST", "/api/v1/lens/reset", RequestBody::Nothing, not)?
            }
            Some(FocusCommand::Sweep { .. }) => run_sweep(&daemon)?,
        };
        if self.how.json || how.json { print_json(&lens) } else { print_stdout(&describe_lens(&lens)) }
    }
}

const LENS: &str = "/api/v1/lens";

fn fetch_lens(daemon: &Daemon) -> Result<Value, Failure> {
    daemon.json("GET", LENS, RequestBody::Nothing, "the lens could not be read")
}

/// Starts a sweep and waits for its end.
fn run_sweep(daemon: &Daemon) -> Result<Value, Failure> {
    let mut lens: Value =
        daemon.json("POST", "/api/v1/lens/sweep", RequestBody::Nothing, "no focus sweep")?;
    let wait = Stop::new();
    for _ in 0..SWEEPS_WITHIN.as_millis() / ASK_EVERY.as_millis() {
        if lens["sweep"].is_null() {
            let last = &lens["last_sweep"];
            if last["found"] == json!(true) {
                return Ok(lens);
            }
            let said = last["message"].as_str().unwrap_or("the state of the sweep is unknown");
            return Err(Failure::failed(said));
        }
        wait.sleep(ASK_EVERY);
        lens = fetch_lens(daemon)?;
    }
    Err(Failure::failed("the sweep does not end"))
}

/// The state of the lens as lines for people.
fn describe_lens(lens: &Value) -> String {
    if lens["supported"] != json!(true) {
        let why = lens["reason"].as_str().unwrap_or("it has none");
        return format!("no focus: {why}\n");
    }
    let mut lines = Vec::new();
    match lens["position"].as_f64() {
        Some(position) => lines.push(format!("position   {position:.3}")),
        None => lines.push(String::from("position   not told")),
    }
    lines.push(match lens["auto"].as_bool() {
        Some(true) => String::from("autofocus  on"),
        Some(false) => String::from("autofocus  off"),
        None => String::from("autofocus  none"),
    });
    let window = &lens["window"];
    if let (Some(x), Some(y)) = (window["x"].as_f64(), window["y"].as_f64()) {
        lines.push(format!("looks at   {x:.2} from the left, {y:.2} from the top"));
    }
    lines.push(match lens["sharpness"].as_f64() {
        Some(sharpness) => format!("sharpness  {sharpness:.2}"),
        None => String::from("sharpness  no live picture"),
    });
    let sweep = &lens["sweep"];
    if let (Some(done), Some(of)) = (sweep["done"].as_u64(), sweep["of"].as_u64()) {
        lines.push(format!("sweep      {done} of {of} places"));
    }
    lines.extend(lens["unsaved"].as_str().map(|note| format!("note       {note}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_steps_are_numbers_in_their_range() {
        assert_eq!(
            (parse_place("0.4"), parse_step("+0.05"), parse_step("-1")),
            (Ok(0.4), Ok(0.05), Ok(-1.0))
        );
        for wrong in [
            parse_place("1.1"),
            parse_place("-0.1"),
            parse_place("NaN"),
            parse_place(""),
            parse_step("0"),
            parse_step("inf"),
            parse_step("x"),
        ] {
            assert!(wrong.is_err());
        }
    }

    #[test]
    fn a_lens_is_described_in_words() {
        let sweep = json!({"done": 3, "of": 25});
        let lens =
            json!({"supported": true, "position": 0.4, "auto": false, "sharpness": 31.256, "sweep": sweep});
        assert_eq!(
            describe_lens(&lens),
            "position   0.400\nautofocus  off\nsharpness  31.26\nsweep      3 of 25 places\n"
        );
        assert_eq!(
            describe_lens(&json!({"supported": false, "reason": "X has no control"})),
            "no focus: X has no control\n"
        );
    }
}
