//! `tallycam status`: one screen about the running service.

use clap::Args;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::table::format_columns;
use crate::cli::common::{number_field, text_field};
use crate::cli::{ConfigArgs, Failure, media, print_coloured, print_json};
use crate::daemon::counting::store_settings;

/// Show the running service on one screen: camera, counting, today's counts, disk, troubles
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Print JSON: the service's state, and today's counts
    #[arg(long)]
    json: bool,
}

impl StatusArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let daemon = Daemon::require(&config, "this")?;
        let read = |path: &str, what: &str| daemon.json("GET", path, RequestBody::Nothing, what);
        let state: Value = read("/api/v1/state", "the state could not be read")?;
        let tallies: Value = read("/api/v1/tallies", "today's counts could not be read")?;
        if self.json {
            return print_json(&json!({"state": state, "tallies": tallies}));
        }
        print_coloured(&describe(&state, &tallies, &store_settings(&config).zone))
    }
}

/// The screen. A fault starts with ✗, a note with !, and what is well with ✓.
fn describe(state: &Value, tallies: &Value, zone: &TimeZone) -> String {
    let up = media::format_duration((state["uptime_s"].as_f64().unwrap_or_default() * 1e6) as u64);
    let mut text =
        format!("{}  tallycam {}, up {up}\n\n", text_field(state, "name"), text_field(state, "version"));
    let rows = [
        camera(state),
        counting(&state["counting"]),
        recording(&state["recording"]),
        disk(&state["storage"]),
    ];
    let rows =
        rows.map(|(is_well, what, words)| vec![format!("{} {what}", if is_well { '✓' } else { '✗' }), words]);
    text.push_str(&format_columns(&rows, |_| false));
    for alert in state["alerts"].as_array().into_iter().flatten() {
        let mark = if alert["bad"] == true { '✗' } else { '!' };
        text.push_str(&format!(
            "{mark} {}: {}\n",
            text_field(alert, "headline"),
            text_field(alert, "reason")
        ));
        if let Some(hint) = alert["hint"].as_str() {
            text.push_str(&format!("    hint: {hint}\n"));
        }
    }
    text + "\n" + &today(tallies, zone)
}

type Row = (bool, &'static str, String);

fn camera(state: &Value) -> Row {
    let words = match (text_field(state, "state"), state["width"].as_u64(), state["height"].as_u64()) {
        ("live", Some(width), Some(height)) => {
            let viewers = media::format_count(number_field(state, "viewers") as usize, "viewer");
            let fps = state["fps"].as_f64().unwrap_or_default();
            let camera = state["camera"].as_str().unwrap_or("live");
            format!("{camera}, {width} × {height}, {fps:.1} frames a second, {viewers}")
        }
        _ => format!("{}. {}", text_field(state, "headline"), text_field(state, "reason")),
    };
    let is_well = matches!(text_field(state, "state"), "live" | "idle" | "starting" | "paused");
    (is_well, "camera", words.trim_end_matches(". ").to_owned())
}

fn counting(counting: &Value) -> Row {
    let state = text_field(counting, "state");
    let words = match state {
        "counting" => {
            let backend = text_field(counting, "backend");
            let model =
                Some(text_field(counting, "model")).filter(|model| !model.is_empty()).unwrap_or(backend);
            let rate = counting["detections_per_second"].as_f64().unwrap_or_default();
            format!("{model}, {rate:.1} detections a second")
        }
        _ => counting["reason"].as_str().unwrap_or(state).to_owned(),
    };
    (matches!(state, "counting" | "idle" | "off"), "counting", words)
}

fn recording(recording: &Value) -> Row {
    let now = &recording["now"];
    let words = match (recording["fault"].as_str(), now["name"].as_str()) {
        (Some(fault), _) => fault.to_owned(),
        (None, Some(name)) => format!("{name}, {}", media::bytes(number_field(now, "bytes"))),
        (None, None) => String::from("nothing is being recorded"),
    };
    (recording["fault"].is_null(), "recording", words)
}

fn disk(storage: &Value) -> Row {
    let count = |key, unit| media::format_count(number_field(storage, key) as usize, unit);
    let mut words = format!(
        "{} free; {} and {} in {}",
        media::bytes(number_field(storage, "free")),
        count("recordings", "recording"),
        count("snapshots", "snapshot"),
        media::bytes(number_field(storage, "bytes"))
    );
    if let Some(fault) = storage["fault"].as_str() {
        words = format!("{fault}; {words}");
    }
    (storage["fault"].is_null() && storage["full"] != true, "disk", words)
}

/// Today's counts, a row a line, and their sum.
fn today(tallies: &Value, zone: &TimeZone) -> String {
    let lines = tallies["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        return String::from("No line is drawn. Draw one on the page \"Lines\".\n");
    }
    let keys = ["in", "out", "inside"];
    let head = ["Today", "in", "out", "inside"].map(str::to_owned).to_vec();
    let day = text_field(tallies, "day").parse::<Timestamp>().unwrap_or_default();
    let row = |line: &Value| {
        let cells = keys.map(|key| number_field(line, key).to_string());
        [vec![text_field(line, "line").to_owned()], cells.to_vec(), vec![describe_origin(line, day, zone)]]
            .concat()
    };
    let mut rows: Vec<Vec<String>> = [vec![head], lines.iter().map(row).collect()].concat();
    if lines.len() > 1 {
        let sum = |key: &str| lines.iter().map(|line| number_field(line, key)).sum::<u64>().to_string();
        rows.push(vec![String::from("Total"), sum("in"), sum("out"), String::new()]);
    }
    format_columns(&rows, |column| matches!(column, 1..=3))
}

/// Why a line's figures are not in and out of the whole day: "since 12:25, 14 corrected".
fn describe_origin(line: &Value, day: Timestamp, zone: &TimeZone) -> String {
    let after = |key: &str| {
        let at = text_field(line, key).parse::<Timestamp>().ok().filter(|at| *at > day)?;
        Some(at.to_zoned(zone.clone()).strftime("since %H:%M").to_string())
    };
    let all = after("since");
    let inside = after("inside_since").filter(|inside| Some(inside) != all.as_ref());
    let corrected = Some(number_field(line, "inside_corrected")).filter(|corrected| *corrected > 0);
    let words = [
        all,
        inside.map(|since| format!("inside {since}")),
        corrected.map(|corrected| format!("{corrected} corrected")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_screen_tells_camera_counts_disk_and_troubles() {
        let state = json!({
            "name": "Gate", "version": "0.1.0", "uptime_s": 3723.4, "state": "live", "healthy": false, "camera": "HQ",
            "width": 1280, "height": 720, "fps": 29.97, "viewers": 1,
            "counting": {"state": "fault", "reason": "The model is missing."},
            "recording": {"now": {"name": "a.avi", "bytes": 12_345_678}, "fault": null},
            "storage": {"free": 5_000_000_000u64, "bytes": 999, "recordings": 1, "snapshots": 2, "full": false},
            "alerts": [{"headline": "Time not confirmed", "reason": "Nobody has.", "hint": "set it", "bad": false}],
        });
        let day = "2026-11-30T00:00:00.000Z";
        let noon = "2026-11-30T12:25:00.000Z";
        let tallies = json!({"day": day, "lines": [
            {"line": "Door", "in": 204, "out": 159, "inside": 45, "since": day, "inside_since": day},
            {"line": "Gate", "in": 6, "out": 20, "inside": 0, "since": day, "inside_since": noon,
             "inside_corrected": 14},
            {"line": "Yard", "in": 1, "out": 0, "inside": 1, "since": noon, "inside_since": noon},
        ]});
        let expected = "\
Gate  tallycam 0.1.0, up 1:02:03

✓ camera     HQ, 1280 × 720, 30.0 frames a second, 1 viewer
✗ counting   The model is missing.
✓ recording  a.avi, 12.3 MB
✓ disk       5.0 GB free; 1 recording and 2 snapshots in 999 B
! Time not confirmed: Nobody has.
    hint: set it

Today   in  out  inside
Door   204  159      45
Gate     6   20       0  inside since 12:25, 14 corrected
Yard     1    0       1  since 12:25
Total  211  179
";
        assert_eq!(describe(&state, &tallies, &TimeZone::UTC), expected);
        let none = describe(
            &json!({"state": "missing", "headline": "No camera", "reason": null}),
            &json!({}),
            &TimeZone::UTC,
        );
        assert!(
            none.contains("✗ camera     No camera\n") && none.ends_with("on the page \"Lines\".\n"),
            "{none}"
        );
    }
}
