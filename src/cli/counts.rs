//! `tallycam counts`: what the ledger says, and setting today's sums to zero. Counting recordings again: `recount`.
//!
//! Showing and exporting read the file itself, read-only, whether `tallycam serve` runs or not. A reset is
//! the daemon's to write while it runs: it is asked over HTTP, and only where nobody listens is the ledger opened here.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::json;

use super::daemon::{Daemon, Sent};
use super::{Failure, Given, print, print_json, recount};
use crate::base::block_on;
use crate::base::clock::{rfc3339, wall_us};
use crate::config::Config;
use crate::daemon::counting::{settings, store_settings};
use crate::http::csv::Table;
use crate::http::when;
use crate::http::wire::{GapReport, LineGapsReport};
use crate::store::{
    BucketRow, BucketSize, Counts, CountsQuery, EditError, Gap, LineRow, Reader, Scene, StoreError,
};
use crate::ui::Clock;
use crate::vision::Direction;

/// Show, export, reset or recount what was counted
#[derive(Debug, Subcommand)]
pub enum CountsCommand {
    /// Show the counts as a table.
    ///
    /// Where counting did not run, and nothing was counted, the table has a dash and no zero.
    Show(Show),
    /// Print the counts as CSV or JSON, for programs.
    Export(Export),
    /// Set today's sums to zero from now on. Nothing is deleted: it is a note in the ledger.
    Reset(Reset),
    Recount(recount::Recount),
}

impl CountsCommand {
    /// Does it.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        match self {
            CountsCommand::Show(show) => show.run(given),
            CountsCommand::Export(export) => export.run(given),
            CountsCommand::Reset(reset) => reset.run(given),
            CountsCommand::Recount(recount) => recount.run(given),
        }
    }
}

/// Which counts.
#[derive(Debug, Args)]
struct Span {
    /// From this time on: a date, a time, today, yesterday, -24h, -7d
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// Up to this time
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// How long a row is
    #[arg(long, value_name = "LENGTH", value_enum, default_value_t = Bucket::Hour)]
    bucket: Bucket,
    /// What a row tells apart, with commas: line, class, direction
    #[arg(long, value_name = "WHAT,...", value_enum, value_delimiter = ',', default_values_t = [By::Line, By::Class, By::Direction])]
    by: Vec<By>,
    /// What was looked at: camera, files or sim; without it that of the configured source
    #[arg(long, value_name = "SCENE", value_parser = ["camera", "files", "sim"])]
    scene: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Bucket {
    Hour,
    Day,
    Week,
    Month,
    Total,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Line,
    Class,
    Direction,
}

/// What a row may tell apart, in the order of columns.
const COLUMNS: [(By, &str); 3] = [(By::Line, "line"), (By::Class, "class"), (By::Direction, "direction")];

/// What was read.
struct Rows {
    rows: Vec<BucketRow>,
    gaps: Vec<Gap>,
    /// Of each line, where lines are told apart.
    line_gaps: Option<Vec<(LineRow, Vec<Gap>)>>,
    camera: String,
    scene: Scene,
    /// Other scenes of which something is on record, where nothing is of this one.
    elsewhere: Vec<Scene>,
    zone: jiff::tz::TimeZone,
    span_us: (u64, u64),
}

impl Span {
    fn read(&self, config: &Config, is_for_json: bool) -> Result<Rows, Failure> {
        let ledger = store_settings(config);
        let clock = Clock { now_us: wall_us(), zone: ledger.zone.clone(), day_starts: ledger.day_starts };
        let instant = |key, text: &str| {
            when::instant(key, text, &clock)
                .map_err(|wrong| Failure::Usage { message: wrong.to_string(), hint: None })
        };
        let (from_us, to_us) = (instant("from", &self.from)?, instant("to", &self.to)?);
        if to_us <= from_us {
            return Err(Failure::Usage {
                message: String::from("--to is not later than --from"),
                hint: None,
            });
        }
        let scene = self.scene.as_deref().and_then(Scene::of_word).unwrap_or(settings(config).scene);
        let bucket = match self.bucket {
            Bucket::Hour => BucketSize::Hour,
            Bucket::Day => BucketSize::Day,
            Bucket::Week => BucketSize::Week,
            Bucket::Month => BucketSize::Month,
            Bucket::Total => BucketSize::Total,
        };
        let query = CountsQuery { scene, from_us, to_us, bucket, lines: Vec::new(), classes: Vec::new() };
        let reader = Reader::open(&ledger).map_err(unread)?;
        let rows = reader.counts(&query).map_err(unread)?;
        let gaps = reader.gaps(scene, from_us, to_us).map_err(unread)?;
        let by_line =
            (is_for_json && self.tells(By::Line)).then(|| reader.gaps_by_line(scene, &[], from_us, to_us));
        let line_gaps = by_line.transpose().map_err(unread)?;
        let mut elsewhere = Vec::new();
        if !rows.iter().any(is_known) {
            for other in [Scene::Camera, Scene::Files, Scene::Sim].into_iter().filter(|other| *other != scene)
            {
                let rows = reader.counts(&CountsQuery { scene: other, ..query.clone() }).map_err(unread)?;
                elsewhere.extend(rows.iter().any(is_known).then_some(other));
            }
        }
        let (camera, zone) = (ledger.camera, ledger.zone);
        Ok(Rows { rows, gaps, line_gaps, camera, scene, elsewhere, zone, span_us: (from_us, to_us) })
    }

    /// The same; where nothing is on record of a scene that nobody named, standard error says of which something is.
    fn read_and_hint(&self, config: &Config, is_for_json: bool) -> Result<Rows, Failure> {
        let rows = self.read(config, is_for_json)?;
        if let (None, Some(hint)) = (&self.scene, rows.hint()) {
            eprintln!("hint: {hint}");
        }
        Ok(rows)
    }

    fn tells(&self, what: By) -> bool {
        self.by.contains(&what)
    }

    /// The counts of a bucket, told apart as asked for.
    fn groups(&self, row: &BucketRow) -> Vec<Group> {
        // By line, class and direction, as far as these are told apart.
        type Key = (Option<u64>, Option<String>, Option<Direction>);
        let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
        for count in &row.counts {
            let line_id = self.tells(By::Line).then_some(count.line_id);
            let class = self.tells(By::Class).then(|| count.class.to_string());
            let direction = self.tells(By::Direction).then_some(count.direction);
            let group = groups.entry((line_id, class.clone(), direction)).or_insert_with(|| Group {
                line_id,
                line: line_id.map(|_| count.line.to_string()),
                class,
                direction: direction.map(Direction::word),
                count: 0,
            });
            group.count += count.count;
        }
        groups.into_values().collect()
    }
}

impl Rows {
    /// Where else something is on record.
    fn hint(&self) -> Option<String> {
        let others: Vec<String> =
            self.elsewhere.iter().map(|scene| format!("--scene {}", scene.word())).collect();
        let scene = self.scene.word();
        (!others.is_empty()).then(|| {
            format!(
                "nothing of the scene {scene} is on record for that time; of another: {}",
                others.join(" or ")
            )
        })
    }
}

/// How many of one kind; what is not told apart is left out.
#[derive(Debug, Serialize)]
struct Group {
    #[serde(skip_serializing_if = "Option::is_none")]
    line_id: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'static str>,
    count: u64,
}

/// What was counted between two times, as the API has it.
#[derive(Debug, Serialize)]
struct Report {
    camera: String,
    scene: &'static str,
    time_zone: String,
    from: String,
    to: String,
    bucket: String,
    by: Vec<&'static str>,
    items: Vec<ItemReport>,
    gaps: Vec<GapReport>,
    line_gaps: Option<Vec<LineGapsReport>>,
    /// There is no other page.
    next: Option<String>,
}

#[derive(Debug, Serialize)]
struct ItemReport {
    start: String,
    end: String,
    covered: f64,
    r#in: Option<u64>,
    out: Option<u64>,
    counts: Vec<Group>,
}

/// Whether it is known how many there were: counting ran at least for a while.
fn is_known(row: &BucketRow) -> bool {
    row.covered > 0.0 || !row.counts.is_empty()
}

/// How many crossed in one direction; `None` where counting did not run and nothing was counted.
fn sum(row: &BucketRow, direction: Direction) -> Option<u64> {
    is_known(row).then(|| row.counts.iter().filter(|c| c.direction == direction).map(|c| c.count).sum())
}

/// With four decimals, 1 only if nothing is missing and 0 only if nothing was covered.
fn share(covered: f64) -> f64 {
    // A moment that was covered is not nothing: beside 0 there is no count, which is not a count of 0.
    if covered > 0.0 { (covered * 1e4).floor().max(1.0) / 1e4 } else { 0.0 }
}

fn report(span: &Span, rows: &Rows) -> Report {
    let item = |row: &BucketRow| ItemReport {
        start: rfc3339(row.start_us),
        end: rfc3339(row.end_us),
        covered: share(row.covered),
        r#in: sum(row, Direction::In),
        out: sum(row, Direction::Out),
        counts: span.groups(row),
    };
    let told = |(by, name)| span.tells(by).then_some(name);
    Report {
        camera: rows.camera.clone(),
        scene: rows.scene.word(),
        time_zone: when::name_of(&rows.zone, wall_us()),
        from: rfc3339(rows.span_us.0),
        to: rfc3339(rows.span_us.1),
        bucket: span.bucket.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
        by: COLUMNS.into_iter().filter_map(told).collect(),
        items: rows.rows.iter().map(item).collect(),
        gaps: rows.gaps.iter().map(GapReport::from).collect(),
        line_gaps: rows.line_gaps.as_ref().map(|lines| lines.iter().map(LineGapsReport::from).collect()),
        next: None,
    }
}

#[derive(Debug, Args)]
pub struct Show {
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    span: Span,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.and(&self.given).load()?.config;
        let rows = self.span.read_and_hint(&config, self.json)?;
        if self.json { print_json(&report(&self.span, &rows)) } else { print(&table(&self.span, &rows)) }
    }
}

/// As people read it.
fn table(span: &Span, rows: &Rows) -> String {
    let mut text = format!("{:25} {:>7} {:>6} {:>6}  {}\n", "from", "covered", "in", "out", "of these");
    let number = |sum: Option<u64>| sum.map_or_else(|| String::from("–"), |sum| sum.to_string());
    for row in &rows.rows {
        let kinds: Vec<String> = span
            .groups(row)
            .into_iter()
            .map(|group| {
                let line = group.line.unwrap_or_default();
                let words =
                    [line.as_str(), group.class.as_deref().unwrap_or(""), group.direction.unwrap_or("")];
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                format!("{} {}", words.join(" "), group.count).trim().to_owned()
            })
            .collect();
        let start = when::local(row.start_us, &rows.zone);
        let (into, out) = (number(sum(row, Direction::In)), number(sum(row, Direction::Out)));
        let covered = format!("{:.0} %", (row.covered * 100.0).floor());
        let line = format!("{start:25} {covered:>7} {into:>6} {out:>6}  {}", kinds.join(", "));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[derive(Debug, Args)]
pub struct Export {
    #[command(flatten)]
    given: Given,
    #[command(flatten)]
    span: Span,
    /// Print CSV, the default
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Export {
    fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.and(&self.given).load()?.config;
        let rows = self.span.read_and_hint(&config, self.json)?;
        if self.json { print_json(&report(&self.span, &rows)) } else { print(&csv(&self.span, &rows)) }
    }
}

/// As `/api/v1/counts?format=csv` has it. A count that is not known is empty.
fn csv(span: &Span, rows: &Rows) -> String {
    let told: Vec<&str> = COLUMNS.iter().filter(|(by, _)| span.tells(*by)).map(|(_, name)| *name).collect();
    let mut header = vec!["start", "end", "covered"];
    header.extend(told);
    header.push("count");
    header.extend(span.tells(By::Line).then_some("line_id"));
    let mut table = Table::new(&header);
    for row in &rows.rows {
        let mut groups = span.groups(row);
        let is_empty = groups.is_empty();
        if is_empty {
            groups.push(Group { line_id: None, line: None, class: None, direction: None, count: 0 });
        }
        for group in groups {
            table.plain(when::local(row.start_us, &rows.zone));
            table.plain(when::local(row.end_us, &rows.zone));
            table.plain(share(row.covered));
            let words = [
                (By::Line, group.line.as_deref()),
                (By::Class, group.class.as_deref()),
                (By::Direction, group.direction),
            ];
            for (_, word) in words.into_iter().filter(|(by, _)| span.tells(*by)) {
                table.text(word.unwrap_or_default());
            }
            if is_empty && row.covered <= 0.0 {
                table.empty();
            } else {
                table.plain(group.count);
            }
            match group.line_id {
                Some(line_id) => table.plain(line_id),
                None if span.tells(By::Line) => table.empty(),
                None => {}
            }
            table.end_row();
        }
    }
    table.take()
}

#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    given: Given,
    /// The number of one line; without it all lines
    #[arg(long, value_name = "NUMBER")]
    line: Option<u64>,
}

impl Reset {
    fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.and(&self.given).load()?.config;
        let Some(daemon) = Daemon::find(&config) else { return self.write(&config) };
        let body = self.line.map_or_else(|| json!({}), |line| json!({"line": line}));
        daemon.json::<IgnoredAny>("POST", "/api/v1/counts/reset", Sent::Json(&body), "nothing was reset")?;
        done()
    }

    /// Writes it, where no daemon runs.
    fn write(&self, config: &Config) -> Result<(), Failure> {
        let ledger = store_settings(config);
        // A ledger that is not there is not made for a reset.
        Reader::open(&ledger).map_err(unread)?;
        let (counts, worker) = Counts::open(ledger).map_err(unread)?;
        counts.show(settings(config).scene);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let written = match runtime {
            Ok(runtime) => block_on(&runtime, counts.reset(self.line)).map_err(|error| match error {
                EditError::Store(error) => unread(error),
                error => Failure::Failed { message: error.to_string(), hint: None },
            }),
            Err(error) => Err(Failure::Failed { message: error.to_string(), hint: None }),
        };
        counts.stop();
        drop(worker);
        written?;
        done()
    }
}

fn done() -> Result<(), Failure> {
    print("today's sums are zero from now on; what was counted stays on record\n")
}

pub fn unread(error: StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::File { hint, .. } => Failure::Io { message, hint },
        StoreError::Busy => Failure::Failed { message, hint: None },
        StoreError::TooManyBuckets => Failure::Usage { message, hint: None },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::Count;

    fn span(by: &[By]) -> Span {
        let (from, to) = (String::from("today"), String::from("now"));
        Span { from, to, bucket: Bucket::Hour, by: by.to_vec(), scene: None }
    }

    fn rows() -> Rows {
        let count = |line: &str, class: &str, direction, count| Count {
            line_id: 1,
            line: line.into(),
            class: class.into(),
            direction,
            count,
        };
        let row = |n: u64, covered, counts| BucketRow {
            start_us: n * 3_600_000_000,
            end_us: (n + 1) * 3_600_000_000,
            covered,
            counts,
        };
        let counts =
            vec![count("=Door", "person", Direction::In, 3), count("=Door", "car", Direction::In, 2)];
        let rows = vec![row(0, 0.99999, counts), row(1, 1.0, vec![]), row(2, 0.0, vec![])];
        let (camera, zone) = (String::from("hall"), jiff::tz::TimeZone::UTC);
        let gaps =
            vec![Gap { from_us: 2 * 3_600_000_000, to_us: 3 * 3_600_000_000, why: String::from("paused") }];
        let (scene, elsewhere) = (Scene::Camera, Vec::new());
        Rows { rows, gaps, line_gaps: None, camera, scene, elsewhere, zone, span_us: (0, 1) }
    }

    #[test]
    fn what_was_not_covered_is_no_zero() {
        let text = csv(&span(&[By::Line, By::Direction]), &rows());
        assert_eq!(
            text,
            "start,end,covered,line,direction,count,line_id\r\n\
             1970-01-01T00:00:00+00:00,1970-01-01T01:00:00+00:00,0.9999,'=Door,in,5,1\r\n\
             1970-01-01T01:00:00+00:00,1970-01-01T02:00:00+00:00,1,,,0,\r\n\
             1970-01-01T02:00:00+00:00,1970-01-01T03:00:00+00:00,0,,,,\r\n"
        );
        let shown = table(&span(&[By::Class]), &rows());
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].ends_with("99 %      5      0  car 2, person 3"), "{}", lines[1]);
        assert!(lines[3].ends_with("0 %      –      –"), "{}", lines[3]);
        let json = serde_json::to_value(report(&span(&[]), &rows())).unwrap();
        assert_eq!(json["items"][0]["counts"], serde_json::json!([{"count": 5}]));
        assert_eq!((&json["items"][1]["in"], &json["items"][2]["in"]), (&0.into(), &serde_json::Value::Null));
        assert_eq!(
            (&json["time_zone"], &json["bucket"], &json["next"]),
            (&json!("UTC"), &json!("hour"), &json!(null))
        );
        let gap =
            json!({"from": "1970-01-01T02:00:00.000Z", "to": "1970-01-01T03:00:00.000Z", "why": "paused"});
        assert_eq!((&json["by"], &json["gaps"]), (&json!([]), &json!([gap])));
        let by = serde_json::to_value(report(&span(&[By::Direction, By::Line]), &rows())).unwrap();
        assert_eq!(by["by"], json!(["line", "direction"]));
    }
}
