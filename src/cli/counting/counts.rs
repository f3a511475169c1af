//! `tallycam counts`: shows counts.db and resets today's sums. `recount` counts recordings again.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::common::daemon::{Answer, Daemon, RequestBody};
use crate::cli::common::table::{format_columns, short_time};
use crate::cli::common::terminal::{ask, can_ask};
use crate::cli::common::text_field;
use crate::cli::counting::recount;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::store_settings;
use crate::http::report::counts::{BUCKETS, By};
use tallycam_base::clock;
use tallycam_base::unicode::percent_encoded;
use tallycam_store::{Scene, StoreError};

/// Show, export, reset or recount counts (needs the running service)
#[derive(Debug, Subcommand)]
pub enum CountsCommand {
    /// Show the counts as a table: a column for each line and direction, and a last row with the sums.
    ///
    /// Time without counting shows as a dash, never as zero. "covered" is the counted share of the time that has
    /// passed since counting began, as on the page Counts.
    Show(CountsShowArgs),
    /// Print the counts as CSV or JSON, for programs.
    Export(CountsExportArgs),
    /// Reset today's counters to zero. Nothing is deleted, and `--undo` takes it back.
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
    /// Start: a date, a time, today, "yesterday 9:00", -24h, -7d
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// End
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Length of a row
    #[arg(long, value_name = "LENGTH", value_parser = bucket(), default_value = "hour")]
    bucket: String,
    /// Groups, separated by commas: line, class, direction; default: a table shows line and direction, an export all
    #[arg(long, value_name = "WHAT,...", value_parser = By::WORDS, value_delimiter = ',')]
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
    /// Asks for the counts of `scene`, by the groups of `--by`, else by `by`.
    fn request(
        &self,
        daemon: &Daemon,
        scene: Option<&str>,
        by: &[&str],
        format: &str,
    ) -> Result<Answer, Failure> {
        let (from, to) = (percent_encoded(&self.from), percent_encoded(&self.to));
        let by = if self.by.is_empty() { by.join(",") } else { self.by.join(",") };
        let bucket = &self.bucket;
        let mut path = format!("/api/v1/counts?from={from}&to={to}&bucket={bucket}&by={by}&format={format}");
        if let Some(scene) = scene {
            path.push_str(&format!("&scene={scene}"));
        }
        daemon.request("GET", &path, RequestBody::Nothing)?.expect_valid("counts could not be read")
    }

    /// Reads the counts as the API gives them. If they are empty and no scene was named, a hint on standard error
    /// names the scenes that have counts.
    fn read(&self, daemon: &Daemon, by: &[&str]) -> Result<Value, Failure> {
        let report: Value = self.request(daemon, self.scene.as_deref(), by, "json")?.read()?;
        let is_known = |report: &Value| rows(report).iter().any(|row| !row["in"].is_null());
        if self.scene.is_some() || is_known(&report) {
            return Ok(report);
        }
        let of = report["scene"].as_str().unwrap_or_default();
        let mut others = Vec::new();
        for scene in Scene::ALL.map(Scene::as_str) {
            if scene != of && is_known(&self.request(daemon, Some(scene), by, "json")?.read()?) {
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
        let by: &[&str] = if self.json { &By::WORDS } else { &["line", "direction"] };
        let daemon = Daemon::require_own(&config, "this")?;
        let now_s = clock::wall_us() as f64 / 1e6;
        let report = self.span.read(&daemon, by)?;
        if self.json {
            return print_json(&report);
        }
        // The service made the rows in its own time zone.
        let zone = report["time_zone"].as_str().and_then(|name| TimeZone::get(name).ok());
        print_stdout(&format_table(&report, &zone.unwrap_or_else(|| store_settings(&config).zone), now_s))
    }
}

/// The table for people: times, covered share, sums, and a column for each group; the last row has the totals.
fn format_table(report: &Value, zone: &TimeZone, now_s: f64) -> String {
    let name = |group: &Value| {
        let words = By::WORDS.iter().filter_map(|word| group[*word].as_str());
        words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
    };
    let groups = |row: &Value| row["counts"].as_array().cloned().unwrap_or_default();
    let mut names: Vec<String> = rows(report).iter().flat_map(&groups).map(|group| name(&group)).collect();
    names.retain(|name| !name.is_empty());
    names.sort();
    names.dedup();
    let head = ["from", "covered", "in", "out"].map(str::to_owned);
    let mut table = vec![[head.to_vec(), names.clone()].concat()];
    let mut totals = vec![None; 2 + names.len()];
    let began_s = began_s(report);
    let (mut covered_s, mut all_s) = (0.0, 0.0);
    for row in rows(report) {
        let is_counted = row["in"].is_u64();
        let mut sums = vec![row["in"].as_u64(), row["out"].as_u64()];
        let of_name = |wanted: &String| {
            let mine = groups(row).into_iter().filter(|group| name(group) == *wanted);
            mine.filter_map(|group| group["count"].as_u64()).sum::<u64>()
        };
        sums.extend(names.iter().map(|name| is_counted.then(|| of_name(name))));
        for (total, sum) in totals.iter_mut().zip(&sums) {
            *total = total.map_or(*sum, |total: u64| Some(total + sum.unwrap_or(0)));
        }
        let (covered, passed) = covered_seconds(row, began_s, now_s);
        covered_s += covered;
        all_s += passed;
        let first = vec![short_time(text_field(row, "start"), zone), percent(covered, passed)];
        table.push([first, sums.into_iter().map(count).collect()].concat());
    }
    if table.len() > 2 {
        let first = vec![String::from("total"), percent(covered_s, all_s)];
        table.push([first, totals.into_iter().map(count).collect()].concat());
    }
    format_columns(&table, |column| column > 0)
}

/// A dash for what is unknown.
fn count(sum: Option<u64>) -> String {
    sum.map_or_else(|| String::from("–"), |sum| sum.to_string())
}

/// The covered seconds of a row, and its seconds between the start of counting and now.
fn covered_seconds(row: &Value, began_s: f64, now_s: f64) -> (f64, f64) {
    let (start, end) = (seconds(row, "start"), seconds(row, "end"));
    let length = end - start;
    let passed = (end.min(now_s) - start.max(began_s)).max(0.0);
    let covered = row["covered"].as_f64().unwrap_or_default() * length;
    // The service rounds the share of the whole row down to four decimals, and knows the last second a moment later.
    let unsure = if passed < length { length / 1e4 + 1.0 } else { 0.0 };
    (if covered > 0.0 && covered + unsure >= passed { passed } else { covered }, passed)
}

/// The start of counting if the report contains it, else 0: the end of the adjacent gaps from the one before it.
fn began_s(report: &Value) -> f64 {
    let gaps = report["gaps"].as_array().into_iter().flatten();
    gaps.skip_while(|gap| gap["why"] != "not_begun").fold(0.0, |end, gap| {
        if end <= 0.0 || seconds(gap, "from") <= end { seconds(gap, "to").max(end) } else { end }
    })
}

/// A share that is less than all never becomes 100 %, and one that is more than nothing never 0 %.
fn percent(part: f64, all: f64) -> String {
    let share = if all > 0.0 { (part / all * 100.0).floor() } else { 0.0 };
    if part > 0.0 && share < 1.0 { String::from("<1 %") } else { format!("{share:.0} %") }
}

/// The time of this key in seconds since 1970; 0 for what is no time.
fn seconds(value: &Value, key: &str) -> f64 {
    text_field(value, key).parse::<Timestamp>().map_or(0.0, |time| time.as_microsecond() as f64 / 1e6)
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
        let report = self.span.read(&daemon, &By::WORDS)?;
        if self.json {
            return print_json(&report);
        }
        print_stdout(&self.span.request(&daemon, self.span.scene.as_deref(), &By::WORDS, "csv")?.table()?)
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
    /// Undo the reset with this number
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["line", "inside"])]
    undo: Option<u64>,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

impl CountsResetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require_own(&given.load()?.config, "this")?;
        if let Some(id) = self.undo {
            let answer =
                daemon.request("DELETE", &format!("/api/v1/counts/reset/{id}"), RequestBody::Nothing)?;
            answer.expect_success("nothing was undone")?;
            return print_stdout(&format!("reset {id} is taken back\n"));
        }
        let of = self.line.map_or_else(|| String::from("of all lines"), |line| format!("of line {line}"));
        let is_asked = !self.yes && self.inside.is_none() && can_ask();
        if is_asked && !ask(&format!("Set today's counters {of} to zero?"))? {
            return print_stdout("nothing was reset\n");
        }
        let given = [("line", self.line), ("inside", self.inside)];
        let given = given.into_iter().filter_map(|(key, number)| Some((key.to_owned(), json!(number?))));
        let body = Value::Object(given.collect());
        let what = "nothing was reset";
        let reset: Value = daemon.json("POST", "/api/v1/counts/reset", RequestBody::Json(&body), what)?;
        let undo = format!("; `tallycam counts reset --undo {}` takes it back\n", reset["id"]);
        match self.inside {
            Some(inside) => print_stdout(&format!("{inside} inside now; all counts stay{undo}")),
            None => {
                print_stdout(&format!("today's counters {of} are zero now; all counts stay stored{undo}"))
            }
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
    fn uncovered_time_shows_a_dash_and_no_zero_and_the_last_row_has_the_sums() {
        let group =
            |direction: &str, count: u64| json!({"line": "Door", "direction": direction, "count": count});
        let row = |from: u8, covered: f64, sums: [Value; 2], counts: Value| {
            let [into, out] = sums;
            let (start, end) =
                (format!("2019-01-01T{from:02}:00:00Z"), format!("2019-01-01T{:02}:00:00Z", from + 1));
            json!({"start": start, "end": end, "covered": covered, "in": into, "out": out, "counts": counts})
        };
        let report = json!({"items": [
            row(0, 0.9999, [json!(5), json!(2)], json!([group("in", 5), group("out", 2)])),
            row(1, 1.0, [json!(0), json!(0)], json!([])),
            row(2, 0.0, [Value::Null, Value::Null], json!([])),
        ]});
        let expected = "\
from                  covered  in  out  Door in  Door out
Tue 1 Jan 2019 00:00     99 %   5    2        5         2
Tue 1 Jan 2019 01:00    100 %   0    0        0         0
Tue 1 Jan 2019 02:00      0 %   –    –        –         –
total                    66 %   5    2        5         2
";
        assert_eq!(format_table(&report, &TimeZone::UTC, 1_800_000_000.0), expected);
    }

    #[test]
    fn coverage_is_of_the_time_from_the_start_of_counting_until_now() {
        let table = |covered: f64, gaps: Value| {
            let (start, end) = ("2019-01-01T00:00:00Z", "2019-01-02T00:00:00Z");
            let row =
                json!({"start": start, "end": end, "covered": covered, "in": 11, "out": 28, "counts": []});
            let six_pm_s = 1_546_300_800.0 + 18.0 * 3600.0;
            format_table(&json!({"items": [row], "gaps": gaps}), &TimeZone::UTC, six_pm_s)
        };
        let gap = |from: &str, to: &str, why: &str| json!({"from": from, "to": to, "why": why});
        let at = |hour: u8| format!("2019-01-01T{hour:02}:00:00Z");
        let before = [gap(&at(0), &at(9), "not_begun"), gap(&at(9), &at(12), "no_line")];
        assert!(table(0.2499, json!(before)).contains("  100 %  11"), "{}", table(0.2499, json!(before)));
        assert!(table(0.2499, json!([])).contains("  33 %  11"), "{}", table(0.2499, json!([])));
        assert!(table(0.0031, json!([])).contains("  <1 %  11"), "{}", table(0.0031, json!([])));
    }
}
