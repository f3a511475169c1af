//! `tallycam record`: starts and stops recordings in the running service.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::{number_field, text_field};
use crate::cli::{ConfigArgs, Failure, media, print_json, print_stdout};

/// Covers the opening of the camera and the write of the last chunk.
const PATIENCE: Duration = Duration::from_secs(60);

const RECORDING: &str = "/api/v1/recording";

/// Between two questions of --wait.
const POLL: Duration = Duration::from_millis(500);

/// Record until `tallycam record stop`.
///
/// Needs the running service. Returns when the recording has started, with --wait when it has ended.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RecordArgs {
    #[command(subcommand)]
    what: Option<Other>,
    #[command(flatten)]
    begin: RecordBeginArgs,
}

#[derive(Debug, Subcommand)]
enum Other {
    Stop(RecordStopArgs),
    Status(RecordStatusArgs),
}

#[derive(Debug, Args)]
struct RecordBeginArgs {
    /// Name; default: date and time
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Date; default: today
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// A note
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Maximum frame rate; default: as configured
    #[arg(long, value_name = "FPS", conflicts_with = "every")]
    fps: Option<f64>,
    /// Time-lapse: one frame per interval, 1s to 1h; the camera closes in between
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// Max. length: 90s, 10m, 2h; default: as configured
    #[arg(long, value_name = "TIME")]
    duration: Option<String>,
    /// Max. size: 500MB, 2GB; default: as configured
    #[arg(long, value_name = "SIZE")]
    size: Option<String>,
    /// Record the camera's own frames, or the picture as shown (rotated, cropped, with overlays)
    #[arg(long, value_name = "WHICH", value_parser = ["original", "shown"])]
    picture: Option<String>,
    /// Wait for the end of the recording, for example of its --duration; Ctrl-C ends only the waiting
    #[arg(long)]
    wait: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Stop the recording. Returns when all of it is on the disk
#[derive(Debug, Args)]
struct RecordStopArgs {
    /// Print JSON; null if no recording was running
    #[arg(long)]
    json: bool,
}

/// Show the recording in progress
#[derive(Debug, Args)]
struct RecordStatusArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RecordArgs {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match &self.what {
            None => self.begin.run(given),
            Some(Other::Stop(stop)) => stop.run(given),
            Some(Other::Status(status)) => status.run(given),
        }
    }
}

fn daemon(given: &ConfigArgs) -> Result<Daemon, Failure> {
    let config = given.load()?.config;
    Ok(Daemon::require(&config, "recording")?.with_timeout(PATIENCE))
}

impl RecordBeginArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = daemon(given)?;
        let texts = [
            ("name", &self.name),
            ("date", &self.date),
            ("note", &self.note),
            ("every", &self.every),
            ("duration", &self.duration),
            ("bytes", &self.size),
            ("picture", &self.picture),
        ];
        let mut options: Map<String, Value> = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key.to_owned(), Value::from(text.as_deref()?))))
            .collect();
        if let Some(fps) = self.fps {
            options.insert(String::from("fps"), Value::from(fps));
        }
        let what = "nothing is recorded";
        let item: Value =
            daemon.json("POST", "/api/v1/recordings", RequestBody::Json(&Value::Object(options)), what)?;
        match (self.json, self.wait) {
            (true, false) => return print_json(&item),
            (true, true) => {}
            (false, _) => {
                let (id, name) = (number_field(&item, "id"), text_field(&item, "name"));
                print_stdout(&format!("{id} {name}: recording started\n"))?;
            }
        }
        if !self.wait {
            return Ok(());
        }
        let item = wait_for_end(&daemon, number_field(&item, "id")).map_err(|failure| {
            // A service that stops closes its sockets one after the other.
            std::thread::sleep(POLL);
            match failure {
                Failure::Io { .. } if !daemon.is_heard() => {
                    Failure::io("the service has stopped; the recording ends there")
                }
                failure => failure,
            }
        })?;
        if self.json { print_json(&item) } else { print_stdout(&describe_recorded(&item)) }
    }
}

/// Waits until this item is no longer being recorded, and returns it.
fn wait_for_end(daemon: &Daemon, id: u64) -> Result<Value, Failure> {
    loop {
        let what = "the status of recording cannot be read";
        let status: Value = daemon.json("GET", RECORDING, RequestBody::Nothing, what)?;
        if status["now"]["id"].as_u64() != Some(id) {
            let path = format!("/api/v1/media/{id}");
            return daemon.json("GET", &path, RequestBody::Nothing, "the recording cannot be read");
        }
        std::thread::sleep(POLL);
    }
}

/// A line about a recording.
fn describe_recorded(item: &Value) -> String {
    format!(
        "{} {}: {}, {} pictures, {}{}\n",
        number_field(item, "id"),
        text_field(item, "name"),
        format_duration(item),
        number_field(item, "frames"),
        media::bytes(number_field(item, "bytes")),
        match number_field(item, "gaps") {
            0 => String::new(),
            gaps => format!(", gaps: {gaps}"),
        },
    )
}

impl RecordStopArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = daemon(given)?;
        let path = "/api/v1/recording/stop";
        let item: Option<Value> =
            daemon.json("POST", path, RequestBody::Nothing, "the recording was not stopped")?;
        if self.json {
            return print_json(&item);
        }
        match item {
            None => print_stdout("nothing was being recorded\n"),
            Some(item) => print_stdout(&describe_recorded(&item)),
        }
    }
}

impl RecordStatusArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = daemon(given)?;
        let status: Value =
            daemon.json("GET", RECORDING, RequestBody::Nothing, "the status of recording cannot be read")?;
        if self.json {
            return print_json(&status);
        }
        let mut words = match status.get("now").filter(|now| !now.is_null()) {
            None => String::from("nothing is being recorded\n"),
            Some(now) => format!(
                "{} {}: {} so far, {} pictures, {}, {}\n",
                number_field(now, "id"),
                text_field(now, "name"),
                format_duration(now),
                number_field(now, "frames"),
                media::bytes(number_field(now, "bytes")),
                match number_field(now, "gaps") {
                    0 => String::from("no gap"),
                    gaps => format!("gaps: {gaps}"),
                },
            ),
        };
        if let Some(trouble) = status.get("fault").and_then(Value::as_str) {
            words.push_str(&format!("fault: {trouble}\n"));
        }
        print_stdout(&words)
    }
}

fn format_duration(item: &Value) -> String {
    media::format_duration((item.get("duration").and_then(Value::as_f64).unwrap_or_default() * 1e6) as u64)
}
