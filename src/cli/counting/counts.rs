//! `tallycam counts`: what counts.db says, and setting today's sums to zero. Counting recordings again: `recount`.
//!
//! Showing and exporting read the file itself, read-only, whether `tallycam serve` runs or not. A reset is
//! the daemon's to write while it runs: it is asked over HTTP, and only where nobody listens is counts.db opened here.

use std::fmt::Write as _;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use jiff::tz::TimeZone;
use serde::de::IgnoredAny;
use serde_json::json;

use crate::base::block_on;
use crate::base::clock::wall_us;
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::counting::recount;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::config::Config;
use crate::daemon::counting::{settings, state_directory, store_settings};
use crate::http::report::counts::{BUCKETS, By, Counted, grouped, is_known, sum};
use crate::http::time_param;
use crate::store::{BucketSize, Counts, CountsQuery, CountsReader, EditError, Scene, StoreError};
use crate::ui::LocalClock;
use crate::vision::Direction;

/// Show, export, reset or recount counts
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
    /// Does it.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
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
struct SpanArgs {
    /// Start: a date, a time, today, yesterday, -24h, -7d
    #[arg(long, value_name = "TIME", default_value = "today", allow_hyphen_values = true)]
    from: String,
    /// End
    #[arg(long, value_name = "TIME", default_value = "now", allow_hyphen_values = true)]
    to: String,
    /// Length of a row
    #[arg(long, value_name = "LENGTH", value_parser = bucket(), default_value = "hour")]
    bucket: BucketSize,
    /// Columns, separated by commas: line, class, direction
    #[arg(long, value_name = "WHAT,...", value_parser = By::WORDS, value_delimiter = ',', default_values = By::WORDS)]
    by: Vec<String>,
    /// Counts of camera, files or sim; default: the configured source's
    #[arg(long, value_name = "SCENE", value_parser = ["camera", "files", "sim"])]
    scene: Option<String>,
}

/// The words for the length of a row.
fn bucket() -> impl TypedValueParser<Value = BucketSize> {
    PossibleValuesParser::new(BUCKETS.map(|(word, _)| word)).try_map(|given| {
        let known = BUCKETS.into_iter().find(|(word, _)| *word == given);
        known.map(|(_, size)| size).ok_or("is no length of a row")
    })
}

/// What was read.
struct StoredCounts {
    counted: Counted,
    camera: String,
    clock: LocalClock,
    /// Other scenes of which something is on record, where nothing is of this one.
    elsewhere: Vec<Scene>,
}

impl SpanArgs {
    fn read(&self, config: &Config, is_for_json: bool) -> Result<StoredCounts, Failure> {
        let counts_db = store_settings(config);
        let clock =
            LocalClock { now_us: wall_us(), zone: counts_db.zone.clone(), day_starts: counts_db.day_starts };
        let instant = |key, text: &str| {
            time_param::instant(key, text, &clock).map_err(|wrong| Failure::usage(wrong.to_string()))
        };
        let (from_us, to_us) = (instant("from", &self.from)?, instant("to", &self.to)?);
        if to_us <= from_us {
            return Err(Failure::usage("--to is not later than --from"));
        }
        let given = self.scene.as_deref().and_then(Scene::parse);
        let scene = given.or_else(|| running_scene(config)).unwrap_or(settings(config).scene);
        let (bucket, by) = (self.bucket, By::of_words(self.by.iter().map(String::as_str)));
        let by = by.map_err(|word| Failure::usage(format!("--by {word}")))?;
        let query = CountsQuery {
            scene,
            from_us,
            to_us,
            bucket,
            lines: Vec::new(),
            classes: Vec::new(),
            hours: None,
        };
        if !state_directory(config).join("counts.db").exists() {
            // Before the first start nothing was counted, and there is nothing to read.
            let (rows, gaps, line_gaps) = (Vec::new(), Vec::new(), None);
            let counted = Counted { scene, from_us, to_us, bucket, by, rows, gaps, line_gaps };
            return Ok(StoredCounts { counted, camera: counts_db.camera, clock, elsewhere: Vec::new() });
        }
        let reader = CountsReader::open(&counts_db).map_err(store_failure)?;
        let rows = reader.counts(&query).map_err(store_failure)?;
        let (gaps, line_gaps) = if !is_for_json {
            (Vec::new(), None)
        } else if by.line {
            let gaps = reader.gaps_by_line(scene, &[], from_us, to_us).map_err(store_failure)?;
            (gaps.all, Some(gaps.by_line))
        } else {
            (reader.gaps(scene, from_us, to_us).map_err(store_failure)?, None)
        };
        let mut elsewhere = Vec::new();
        if !rows.iter().any(is_known) {
            for other in [Scene::Camera, Scene::Files, Scene::Sim].into_iter().filter(|other| *other != scene)
            {
                let rows =
                    reader.counts(&CountsQuery { scene: other, ..query.clone() }).map_err(store_failure)?;
                elsewhere.extend(rows.iter().any(is_known).then_some(other));
            }
        }
        let counted = Counted { scene, from_us, to_us, bucket, by, rows, gaps, line_gaps }
            .with_whole_buckets(clock.now_us);
        Ok(StoredCounts { counted, camera: counts_db.camera, clock, elsewhere })
    }

    /// The same; where nothing is on record of a scene that nobody named, standard error says of which something is.
    fn read_with_hint(&self, config: &Config, is_for_json: bool) -> Result<StoredCounts, Failure> {
        let read = self.read(config, is_for_json)?;
        if let (None, Some(hint)) = (&self.scene, read.other_scene_hint()) {
            eprintln!("hint: {hint}");
        }
        Ok(read)
    }
}

/// The scene that the running service counts, which may have been started with another source than is configured.
fn running_scene(config: &Config) -> Option<Scene> {
    #[derive(serde::Deserialize)]
    struct CountedScene {
        scene: String,
    }
    let daemon = Daemon::find(config)?;
    // What does not answer is no reason to show nothing.
    let tallies: CountedScene = daemon.json("GET", "/api/v1/tallies", RequestBody::Nothing, "").ok()?;
    Scene::parse(&tallies.scene)
}

impl StoredCounts {
    /// Where else something is on record.
    fn other_scene_hint(&self) -> Option<String> {
        let others: Vec<String> =
            self.elsewhere.iter().map(|scene| format!("--scene {}", scene.as_str())).collect();
        let scene = self.counted.scene.as_str();
        (!others.is_empty())
            .then(|| format!("no counts of {scene} for that time, but of: {}", others.join(" or ")))
    }

    /// As the API has it.
    fn print_json(&self) -> Result<(), Failure> {
        print_json(&self.counted.report(&self.camera, &self.clock))
    }
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
        let read = self.span.read_with_hint(&config, self.json)?;
        if self.json {
            read.print_json()
        } else {
            print_stdout(&format_table(&read.counted, &read.clock.zone))
        }
    }
}

/// As people read it.
fn format_table(counted: &Counted, zone: &TimeZone) -> String {
    let mut text = format!("{:25} {:>7} {:>6} {:>6}  {}\n", "from", "covered", "in", "out", "of these");
    let number = |sum: Option<u64>| sum.map_or_else(|| String::from("–"), |sum| sum.to_string());
    for row in &counted.rows {
        let kinds: Vec<String> = grouped(&row.counts, counted.by)
            .into_iter()
            .map(|group| {
                let words = [group.line, group.class, group.direction];
                let words: Vec<&str> = words.into_iter().flatten().filter(|word| !word.is_empty()).collect();
                format!("{} {}", words.join(" "), group.count).trim().to_owned()
            })
            .collect();
        let start = time_param::local(row.start_us, zone);
        let (into, out) = (number(sum(row, Direction::In)), number(sum(row, Direction::Out)));
        let covered = format!("{:.0} %", (row.covered * 100.0).floor());
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
        let config = given.load()?.config;
        let read = self.span.read_with_hint(&config, self.json)?;
        if self.json { read.print_json() } else { print_stdout(&read.counted.csv(&read.clock.zone)) }
    }
}

#[derive(Debug, Args)]
pub struct CountsResetArgs {
    /// The number of one line; without it all lines
    #[arg(long, value_name = "NUMBER")]
    line: Option<u64>,
}

impl CountsResetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let Some(daemon) = Daemon::find(&config) else { return self.write(&config) };
        let body = self.line.map_or_else(|| json!({}), |line| json!({"line": line}));
        daemon.json::<IgnoredAny>(
            "POST",
            "/api/v1/counts/reset",
            RequestBody::Json(&body),
            "nothing was reset",
        )?;
        print_done()
    }

    /// Writes it, where no daemon runs.
    fn write(&self, config: &Config) -> Result<(), Failure> {
        let counts_db = store_settings(config);
        // A counts.db that is not there is not made for a reset.
        CountsReader::open(&counts_db).map_err(store_failure)?;
        let (counts, worker) = Counts::open(counts_db).map_err(store_failure)?;
        counts.show_scene(settings(config).scene);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let written = match runtime {
            Ok(runtime) => block_on(&runtime, counts.reset(self.line)).map_err(|error| match error {
                EditError::Store(error) => store_failure(error),
                error => Failure::failed(error.to_string()),
            }),
            Err(error) => Err(Failure::failed(error.to_string())),
        };
        counts.stop();
        drop(worker);
        written?;
        print_done()
    }
}

fn print_done() -> Result<(), Failure> {
    print_stdout("today's counters are zero now; all counts stay stored\n")
}

pub fn store_failure(error: StoreError) -> Failure {
    let message = error.to_string();
    match error {
        StoreError::File { hint, .. } => Failure::Io { message, hint },
        StoreError::Busy => Failure::failed(message),
        StoreError::TooManyBuckets => Failure::usage(message),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::{BucketRow, Count};

    #[test]
    fn what_was_not_covered_has_a_dash_and_no_zero() {
        let count = |class: &str, direction, count| Count {
            line_id: 1,
            line: "Door".into(),
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
        let counts = vec![count("person", Direction::In, 3), count("car", Direction::In, 2)];
        let counted = |words: &[&'static str]| Counted {
            scene: Scene::Camera,
            from_us: 0,
            to_us: 1,
            bucket: BucketSize::Hour,
            by: By::of_words(words.iter().copied()).unwrap(),
            rows: vec![row(0, 0.99999, counts.clone()), row(1, 1.0, vec![]), row(2, 0.0, vec![])],
            gaps: Vec::new(),
            line_gaps: None,
        };
        let shown = format_table(&counted(&["class"]), &TimeZone::UTC);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(lines[1].ends_with("99 %      5      0  car 2, person 3"), "{}", lines[1]);
        assert!(lines[2].ends_with("100 %      0      0"), "{}", lines[2]);
        assert!(lines[3].ends_with("0 %      –      –"), "{}", lines[3]);
        let shown = format_table(&counted(&["direction", "line"]), &TimeZone::UTC);
        assert!(shown.lines().nth(1).unwrap().ends_with("  Door in 5"), "{shown}");
        assert!(format_table(&counted(&[]), &TimeZone::UTC).lines().nth(1).unwrap().ends_with("0  5"));
    }
}
