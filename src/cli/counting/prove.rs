//! `tallycam prove`: checks a line by taps on the keyboard, or by a file of them.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::table::format_columns;
use crate::cli::common::text_field;
use crate::cli::counting::count::report::TrueCrossing;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use tallycam_base::clock;
use tallycam_store::{CauseAdvice, Scene};

const NOT_CHECKED: &str = "the line was not checked";
const MINUTE_US: u64 = 60_000_000;
/// A tap may come this long after the end.
const LATEST_US: u64 = 2_000_000;
/// Default length in minutes.
const USUAL: u64 = 15;

/// Check whether a line counts right: watch it, and tap what crosses it.
///
/// Keys: i for in, o for out, u takes the last tap back, Space pauses, q ends. Counts are not shown meanwhile.
/// Afterwards the taps are matched with the crossings: the same direction, within 1.5 s. Needs the running service.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Number or name of the line
    #[arg(value_name = "LINE")]
    line: String,
    /// How long; default: 15, for a recording all of it
    #[arg(long, value_name = "MINUTES", value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: Option<u64>,
    /// Taps from a file: rows of the line's name, seconds, and in or out, as for `tallycam count --truth`
    #[arg(long, value_name = "TAPS.csv", requires = "start")]
    taps: Option<PathBuf>,
    /// Time of second 0 of the file: 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME", group = "start", requires = "taps")]
    from: Option<Timestamp>,
    /// Number of the recording that was watched; its first picture is second 0
    #[arg(long, value_name = "NUMBER", group = "start", requires = "taps")]
    recording: Option<u64>,
    /// Then try changed settings on the recording, which may take minutes
    #[arg(long)]
    advise: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Times are microseconds since 1970.
struct TappedCheck {
    from_us: u64,
    to_us: u64,
    taps: Vec<(u64, &'static str)>,
    pauses: Vec<(u64, u64)>,
}

impl ProveArgs {
    /// Takes the taps, sends them, and prints the result.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = Daemon::require_own(&given.load()?.config, "this")?;
        let (line, name) = self.line(&daemon)?;
        let watched = match &self.taps {
            Some(_) => self.read(&daemon, &name)?,
            None => self.watch(&name)?,
        };
        let taps: Vec<Value> =
            watched.taps.iter().map(|(us, way)| json!({"time": us, "direction": way})).collect();
        let body = json!({
            "line": line, "from": watched.from_us, "to": watched.to_us, "taps": taps, "pauses": watched.pauses,
            "recording": self.recording,
        });
        let answer = daemon.request("POST", "/api/v1/checks", RequestBody::Json(&body))?;
        let mut check: Value = answer.expect_valid(NOT_CHECKED)?.read()?;
        let tried = if self.advise { ProveArgs::try_changes(&daemon, &mut check) } else { Ok(()) };
        if self.json {
            print_json(&check)?
        } else {
            print_stdout(&in_words(&check))?
        }
        tried
    }

    /// Adds advice to the check, where something went wrong and a recording shows it.
    fn try_changes(daemon: &Daemon, check: &mut Value) -> Result<(), Failure> {
        let path = format!("/api/v1/checks/{}", check["id"]);
        let start = format!("{path}/advice");
        if check["missed"] == 0 && check["false"] == 0 {
            return Ok(());
        }
        let stored = format!("check {} is stored, and no change was tried", check["id"]);
        daemon.request("POST", &start, RequestBody::Nothing)?.expect_valid(&stored)?;
        eprintln!("changes are tried on the recording, which may take minutes");
        loop {
            *check = daemon.json("GET", &path, RequestBody::Nothing, "its trial goes on")?;
            if check["trial"].is_null() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_secs(2));
        }
    }

    /// Number and name of the line; those of the present source come first.
    fn line(&self, daemon: &Daemon) -> Result<(u64, String), Failure> {
        let scenes = Scene::ALL.map(|scene| format!("?scene={}", scene.as_str()));
        for scene in [String::new()].into_iter().chain(scenes) {
            let path = format!("/api/v1/lines{scene}");
            let lines: Value = daemon.json("GET", &path, RequestBody::Nothing, NOT_CHECKED)?;
            let mut lines = lines["items"].as_array().into_iter().flatten();
            let id = self.line.parse::<u64>().ok();
            let is_meant = |line: &&Value| {
                line["name"] == self.line.as_str() || id.is_some() && line["id"].as_u64() == id
            };
            if let Some(line) = lines.find(is_meant) {
                return Ok((line["id"].as_u64().unwrap_or_default(), text_field(line, "name").to_owned()));
            }
        }
        Err(Failure::usage(format!("there is no line {:?}", self.line))
            .hint("`tallycam counts show` names the lines"))
    }

    /// The taps of the file that are of this line.
    fn read(&self, daemon: &Daemon, name: &str) -> Result<TappedCheck, Failure> {
        let path = self.taps.as_deref().unwrap_or(Path::new(""));
        let wrong = |why: String| {
            Failure::usage(format!("{}: {why}", path.display()))
                .hint("taps are rows of a line's name, seconds, and in or out")
        };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let rows = TrueCrossing::read(&text).map_err(wrong)?;
        let minutes_us = self.minutes.map(|minutes| minutes * MINUTE_US);
        let (from, long_us) = match self.recording {
            Some(id) => {
                let path = format!("/api/v1/media/{id}");
                let item: Value = daemon.json("GET", &path, RequestBody::Nothing, NOT_CHECKED)?;
                let long_us = (item["duration"].as_f64().unwrap_or_default() * 1e6) as u64;
                let from = text_field(&item, "time").parse::<Timestamp>().unwrap_or_default();
                (from, long_us.min(minutes_us.unwrap_or(u64::MAX)))
            }
            None => (self.from.unwrap_or_default(), minutes_us.unwrap_or(USUAL * MINUTE_US)),
        };
        let from_us = from.as_microsecond().max(0) as u64;
        let mut others: Vec<&str> = rows.iter().map(|row| row.line.as_str()).collect();
        if !rows.is_empty() && !others.contains(&name) {
            others.sort_unstable();
            others.dedup();
            return Err(wrong(format!(
                "no row is of line {name:?}; there are rows of {}",
                others.join(", ")
            )));
        }
        let to_us = from_us + long_us;
        // The file may go on after the check.
        let own = rows.iter().filter(|row| row.line == name);
        let taps = own
            .map(|row| (from_us.saturating_add_signed((row.time_s * 1e6) as i64), row.direction.as_str()))
            .filter(|(us, _)| self.minutes.is_none() || *us <= to_us + LATEST_US);
        Ok(TappedCheck { from_us, to_us, taps: taps.collect(), pauses: Vec::new() })
    }

    /// Takes taps from the terminal.
    fn watch(&self, name: &str) -> Result<TappedCheck, Failure> {
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("taps are keys of a terminal, and there is none here")
                .hint("--taps reads them from a file"));
        }
        let keys =
            Keys::new().map_err(|error| Failure::io(format!("the terminal cannot be used: {error}")))?;
        let minutes = self.minutes.unwrap_or(USUAL);
        eprintln!("{name}, {minutes} min: i in, o out, u undo, Space pause, q end\r");
        let from_us = clock::wall_us();
        let mut watched = TappedCheck {
            from_us,
            to_us: from_us + minutes * MINUTE_US,
            taps: Vec::new(),
            pauses: Vec::new(),
        };
        let mut paused_us = None;
        loop {
            let key =
                keys.next().map_err(|error| Failure::io(format!("the terminal cannot be read: {error}")))?;
            let now_us = clock::wall_us();
            match (key.map(|key| key.to_ascii_lowercase()), paused_us) {
                (Some(b' '), Some(since_us)) => {
                    watched.pauses.push((since_us, now_us));
                    watched.to_us += now_us - since_us;
                    paused_us = None;
                }
                (Some(b' '), None) => paused_us = Some(now_us),
                (Some(b'i'), None) => watched.taps.push((now_us, "in")),
                (Some(b'o'), None) => watched.taps.push((now_us, "out")),
                (Some(b'u'), _) => {
                    watched.taps.pop();
                }
                (Some(b'q'), _) => {
                    watched.to_us = watched.to_us.min(paused_us.unwrap_or(now_us));
                    break;
                }
                // Ctrl-C
                (Some(3), _) => return Err(Failure::failed(NOT_CHECKED)),
                _ => {}
            }
            // The last taps are late.
            if paused_us.is_none() && now_us > watched.to_us + LATEST_US {
                break;
            }
            let count = |way| watched.taps.iter().filter(|(_, tapped)| *tapped == way).count();
            let left_s = watched.to_us.saturating_sub(paused_us.unwrap_or(now_us)) / 1_000_000;
            let state = if paused_us.is_some() { " paused" } else { "" };
            let (taken_in, out) = (count("in"), count("out"));
            eprint!("\r{:02}:{:02} {taken_in} in, {out} out{state}\x1b[K", left_s / 60, left_s % 60);
            let _ = io::stderr().flush();
        }
        eprint!("\r\x1b[K");
        Ok(watched)
    }
}

/// The terminal without echo, key by key; dropping it restores the terminal.
struct Keys(Termios);

impl Keys {
    fn new() -> io::Result<Keys> {
        let shown = tcgetattr(io::stdin())?;
        let mut raw = shown.clone();
        raw.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        raw.special_codes[SpecialCodeIndex::VMIN] = 0;
        raw.special_codes[SpecialCodeIndex::VTIME] = 2;
        tcsetattr(io::stdin(), OptionalActions::Flush, &raw)?;
        Ok(Keys(shown))
    }

    /// The next key, if one comes within 0.2 s.
    fn next(&self) -> io::Result<Option<u8>> {
        let mut key = [0];
        Ok((io::stdin().read(&mut key)? > 0).then_some(key[0]))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

/// The result for people.
fn in_words(check: &Value) -> String {
    let share = |name: &str| {
        let part = |key: &str| {
            check[name][key]
                .as_f64()
                .map_or_else(|| String::from("–"), |part| format!("{:.1} %", part * 100.0))
        };
        [part("value"), part("low"), part("high")]
    };
    let mut table = vec![["", "result", "from", "to (95 %)"].map(str::to_owned).to_vec()];
    for (word, name) in [("recall", "recall"), ("precision", "precision"), ("error of the sum", "sum_error")]
    {
        table.push([&[word.to_owned()][..], &share(name)].concat());
    }
    let causes: Vec<CauseAdvice> =
        serde_json::from_value(check["advice"]["causes"].clone()).unwrap_or_default();
    let advice = causes.iter().fold(String::new(), |text, one| {
        let change = one.change_in_words().map_or_else(String::new, |words| format!("; {words}"));
        text + &format!("{}: {} missed, {} false{change}\n", one.in_words(), one.missed, one.wrong)
    });
    let failed = check["trial_failed"].as_str().map_or_else(String::new, |why| format!("note: {why}\n"));
    let minutes = check["checked_s"].as_f64().unwrap_or_default() / 60.0;
    format!(
        "{}: {minutes:.1} min, {} found, {} missed, {} false; taps were {} s late\n{}\n{}\n{advice}{failed}",
        text_field(check, "line"),
        check["found"],
        check["missed"],
        check["false"],
        check["late_s"],
        format_columns(&table, |column| column > 0),
        text_field(check, "summary"),
    )
}
