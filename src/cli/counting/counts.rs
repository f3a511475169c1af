//! `tallycam counts`: shows counts.db and resets today's sums. `recount` counts recordings again.

use std::fmt::Write as _;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::common::daemon::{Answer, Daemon, RequestBody};
use crate::cli::counting::recount;
use crate::cli::media::local_time;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::store_settings;
use crate::http::report::counts::{BUCKETS, By};
use tallycam_base::unicode::percent_encoded;
use tallycam_store::{Scene, StoreError};

/// Show, export, reset or recount counts (needs the running service)
#[derive(Debug, Subcommand)]
pub enum CountsCommand {
    /// Show the counts as a table.
    ///
    /// Time without counting shows as a dash, never as zero.
    Show(CountsShowArgs),
    /// Print the counts as CSV or JSON, for programs.
    Export(CountsExportArgs),
    /// Reset today's counters to zero. Nothing is deleted.
    Reset(CountsResetArgs),
    Recount(recount::RecountArgs),
}

impl CountsCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match self {
            CountsCommand::Show(show) => show.run(given),
            CountsCommand::Export(export) => export.run(given),
            CountsCommand::Reset(reset) => reset.run(given),
            CountsCommand::Recount(recount) => recount.run(given),
        }
    }
}

/// The selected counts.
#[derive(Debug, Args)]
struct SpanArgs {
    /// Start: a date, a time, today, yesterday, -24h, -7d
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// End
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Length of a row
    #[arg(long, value_name = "LENGTH", value_parser = bucket(), default_value = "hour")]
    bucket: String,
    /// Columns, separated by commas: line, class, direction
    #[arg(long, value_name = "WHAT,...", value_parser = By::WORDS, value_delimiter = ',', default_values = By::WORDS)]
    by: Vec<String>,
    /// Counts of camera, files or sim; default: the configured source's
    #[arg(long, value_name = "SCENE", value_parser = ["camera", "files", "sim"])]
    scene: Option<String>,
}

/// The allowed lengths of a row.
fn bucket() -> PossibleValuesParser {
    PossibleValuesParser::new(BUCKETS.map(|(word, _)| word))
}

impl SpanArgs {
    fn request(&self, daemon: &Daemon, scene: Option<&str>, format: &str) -> Result<Answer, Failure> {
        let (from, to) = (percent_encoded(&self.from), percent_encoded(&self.to));
        let (bucket, by) = (&self.bucket, self.by.join(","));
        let mut path = format!("/api/v1/counts?from={from}&to={to}&bucket={bucket}&by={by}&format={format}");
        if let Some(scene) = scene {
            path.push_str(&format!("&scene={scene}"));
        }
        daemon.request("GET", &path, RequestBody::Nothing)?.expect_valid("counts could not be read")
    }

    /// Reads the counts as the API gives them. If they are empty and no scene was named, a hint on standard error
    /// names the scenes that have counts.
    fn read(&self, daemon: &Daemon) -> Result<Value, Failure> {
        let report: Value = self.request(daemon, self.scene.as_deref(), "json")?.read()?;
        let is_known = |report: &Value| rows(report).iter().any(|row| !row["in"].is_null());
        if self.scene.is_some() || is_known(&report) {
            return Ok(report);
        }
        let of = report["scene"].as_str().unwrap_or_default();
        let mut others = Vec::new();
        for scene in Scene::ALL.map(Scene::as_str) {
            if scene != of && is_known(&self.request(daemon, Some(scene), "json")?.read()?) {
                others.push(format!("--scene {scene}"));
            }
        }
        if !others.is_empty() {
            eprintln!("hint: no counts of {of} for that time, but of: {}", others.join(" or "));
        }
        Ok(report)
    }
}

fn rows(report: &Value) -> &[Value] {
    report["items"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[derive(Debug, Args)]
pub struct CountsShowArgs {
    #[command(flatten)]
    span: SpanArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CountsShowArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let report = self.span.read(&Daemon::require_own(&config, "this")?)?;
        if self.json {
            return print_json(&report);
        }
        // The service made the rows in its own time zone.
        let zone = report["time_zone"].as_str().and_then(|name| TimeZone::get(name).ok());
        print_stdout(&format_table(&report, &zone.unwrap_or_else(|| store_settings(&config).zone)))
    }
}

/// The table for people.
fn format_table(report: &Value, zone: &TimeZone) -> String {
    let mut text = format!("{:25} {:>7} {:>6} {:>6}  {}\n", "from", "covered", "in", "out", "of these");
    let number = |sum: &Value| sum.as_u64().map_or_else(|| String::from("–"), |sum| sum.to_string());
    for row in rows(report) {
        let kind = |group: &Value| {
            let words = By::WORDS.iter().filter_map(|word| group[*word].as_str());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            format!("{} {}", words.join(" "), group["count"]).trim().to_owned()
        };
        let kinds: Vec<String> = row["counts"].as_array().into_iter().flatten().map(kind).collect();
        let start = local_time(row["start"].as_str().unwrap_or_default(), zone);
        let (into, out) = (number(&row["in"]), number(&row["out"]));
        let covered = format!("{:.0} %", (row["covered"].as_f64().unwrap_or_default() * 100.0).floor());
        let line = format!("{start:25} {covered:>7} {into:>6} {out:>6}  {}", kinds.join(", "));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[derive(Debug, Args)]
pub struct CountsExportArgs {
    #[command(flatten)]
    span: SpanArgs,
    /// Print CSV, the default
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CountsExportArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require_own(&given.load()?.config, "this")?;
        let report = self.span.read(&daemon)?;
        if self.json {
            return print_json(&report);
        }
        print_stdout(&self.span.request(&daemon, self.span.scene.as_deref(), "csv")?.table()?)
    }
}

#[derive(Debug, Args)]
pub struct CountsResetArgs {
    /// The number of one line; without it all lines
    #[arg(long, value_name = "NUMBER")]
    line: Option<u64>,
    /// Set only the number inside the line to this; its counters stay
    #[arg(long, value_name = "NUMBER", requires = "line")]
    inside: Option<u64>,
}

impl CountsResetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require_own(&given.load()?.config, "this")?;
        let given = [("line", self.line), ("inside", self.inside)];
        let given = given.into_iter().filter_map(|(key, number)| Some((key.to_owned(), json!(number?))));
        let body = Value::Object(given.collect());
        let answer = daemon.request("POST", "/api/v1/counts/reset", RequestBody::Json(&body))?;
        answer.expect_success("nothing was reset")?;
        match self.inside {
            Some(inside) => print_stdout(&format!("{inside} inside now; all counts stay\n")),
            None => print_stdout("today's counters are zero now; all counts stay stored\n"),
        }
    }
}

pub fn store_failure(error: StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::File(fault) => fault.into(),
        StoreError::Busy => Failure::failed(message),
        StoreError::TooManyBuckets => Failure::usage(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uncovered_time_shows_a_dash_and_no_zero() {
        let report = json!({"items": [
            {"start": "2026-01-01T00:00:00.000Z", "covered": 0.9999, "in": 5, "out": 0,
                "counts": [
                    {"line": "Door", "class": "car", "direction": "in", "count": 2}, {"class": "person", "count": 3},
                ]},
            {"start": "2026-01-01T01:00:00.000Z", "covered": 1.0, "in": 0, "out": 0, "counts": [{"count": 5}]},
            {"start": "2026-01-01T02:00:00.000Z", "covered": 0.0, "in": null, "out": null, "counts": []},
        ]});
        let shown = format_table(&report, &TimeZone::UTC);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].starts_with("2026-01-01T00:00:00+00:00 "), "{}", lines[1]);
        assert!(lines[1].ends_with("99 %      5      0  Door car in 2, person 3"), "{}", lines[1]);
        assert!(lines[2].ends_with("100 %      0      0  5"), "{}", lines[2]);
        assert!(lines[3].ends_with("0 %      –      –"), "{}", lines[3]);
    }
}
