//! `tallycam settings`: shows and changes the settings of the running service.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use tallycam_config::{keys, kind};

/// Time limit for a change: a new camera or model is tried first.
const PATIENCE: Duration = Duration::from_secs(120);

const SETTINGS: &str = "/api/v1/settings";
const FILE: &str = "/api/v1/settings.toml";

/// A longer file is refused.
const LONGEST: u64 = 64 * 1024;

/// Show and change the settings of the running service.
///
/// Settings apply at once and survive a restart. Keys of the configuration file are pinned and cannot be changed here.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct SettingsDocument {
    #[command(subcommand)]
    what: Option<SettingsCommand>,
    /// Only settings made here
    #[arg(long)]
    changed: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SettingsCommand {
    List(SettingsListArgs),
    Get(SettingsGetArgs),
    Set(SettingsSetArgs),
    Unset(SettingsUnsetArgs),
    Export(SettingsExportArgs),
    Import(SettingsImportArgs),
}

/// Show every setting, its value and its origin (default command)
#[derive(Debug, Args)]
struct SettingsListArgs {
    /// Only those of this section
    #[arg(value_name = "SECTION")]
    section: Option<String>,
    /// Only settings made here
    #[arg(long)]
    changed: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Show one setting's value
#[derive(Debug, Args)]
struct SettingsGetArgs {
    /// The setting, such as stream.quality
    #[arg(value_name = "SECTION.KEY")]
    path: String,
    /// As JSON, with its range and what it does
    #[arg(long)]
    json: bool,
}

/// Change settings: all of them, or none if one is wrong
#[derive(Debug, Args)]
struct SettingsSetArgs {
    /// The settings and their values, for example stream.quality=70 name=door
    #[arg(value_name = "SECTION.KEY=VALUE", required = true)]
    changes: Vec<String>,
    /// Also if it deletes snapshots or recordings
    #[arg(long)]
    yes: bool,
}

/// Return to the value of the configuration file or the default
#[derive(Debug, Args)]
struct SettingsUnsetArgs {
    /// The settings
    #[arg(value_name = "SECTION.KEY", required = true)]
    paths: Vec<String>,
    /// Also if it deletes snapshots or recordings
    #[arg(long)]
    yes: bool,
}

/// Export all settings made here as a configuration file. Passwords, and all of a URL but its host, become "***"
#[derive(Debug, Args)]
struct SettingsExportArgs {
    /// Output file, which must not exist yet; default: standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Replace all settings made here by those of a file
#[derive(Debug, Args)]
struct SettingsImportArgs {
    /// A file that `tallycam settings export` wrote; - is standard input
    #[arg(id = "from", value_name = "FILE")]
    from: PathBuf,
    /// Also if it deletes snapshots or recordings
    #[arg(long)]
    yes: bool,
}

/// The service's answer, as far as it is used here.
#[derive(Debug, Deserialize)]
struct All {
    complaint: String,
    needs_restart: Vec<String>,
    items: Vec<SettingItem>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SettingItem {
    path: String,
    section: String,
    value: Value,
    origin: String,
    place: String,
    pinned: bool,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

impl SettingsDocument {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match &self.what {
            // A section alone needs `list`, because its name could be a subcommand.
            None => print_settings(given, None, self.changed, self.json),
            Some(SettingsCommand::List(list)) => {
                print_settings(given, list.section.as_deref(), list.changed, list.json)
            }
            Some(SettingsCommand::Get(get)) => get.run(given),
            Some(SettingsCommand::Set(set)) => set.run(given),
            Some(SettingsCommand::Unset(unset)) => unset.run(given),
            Some(SettingsCommand::Export(export)) => export.run(given),
            Some(SettingsCommand::Import(import)) => import.run(given),
        }
    }
}

fn daemon(given: &ConfigArgs) -> Result<Daemon, Failure> {
    Ok(Daemon::require(&given.load()?.config, "showing and changing settings")?.with_timeout(PATIENCE))
}

fn fetch_settings(daemon: &Daemon) -> Result<All, Failure> {
    daemon.json("GET", SETTINGS, RequestBody::Nothing, "settings could not be read")
}

/// Prints the settings of one section or all, each with its origin.
fn print_settings(
    given: &ConfigArgs,
    section: Option<&str>,
    is_changed_only: bool,
    json: bool,
) -> Result<(), Failure> {
    let mut all = fetch_settings(&daemon(given)?)?;
    all.items.retain(|item| {
        let is_of = |section: &str| {
            item.section == section || item.section.strip_prefix(section).is_some_and(|s| s.starts_with('.'))
        };
        section.is_none_or(is_of) && (!is_changed_only || item.origin == "page")
    });
    if json {
        return print_json(&all.items);
    }
    let mut text = String::new();
    for item in &all.items {
        let line = format!("{} = {}", item.path, item.value);
        let place = match (item.origin.as_str(), item.pinned) {
            ("default", _) => String::from("default"),
            (_, true) => format!("{}, only there", item.place),
            (_, false) => item.place.clone(),
        };
        text.push_str(&format!("{line:<44} # {place}\n"));
    }
    print_stdout(&text)?;
    print_stdout(&notes(&all))
}

impl SettingsGetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let all = fetch_settings(&daemon(given)?)?;
        let Some(item) = all.items.iter().find(|item| item.path == self.path) else {
            return Err(Failure::usage(format!("there is no setting {}", self.path))
                .hint("`tallycam settings list` names them all"));
        };
        if self.json {
            return print_json(item);
        }
        match &item.value {
            Value::String(text) => print_stdout(&format!("{text}\n")),
            value => print_stdout(&format!("{value}\n")),
        }
    }
}

impl SettingsSetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let mut changes = Map::new();
        for change in &self.changes {
            let Some((path, text)) = change.split_once('=') else {
                return Err(Failure::usage(format!("{change} must be SECTION.KEY=VALUE"))
                    .hint("for example `tallycam settings set stream.quality=70`"));
            };
            let text = normalise_typed(path.trim(), text);
            // As for controls, two values for one key are ambiguous.
            if changes.insert(path.trim().to_owned(), Value::from(text)).is_some() {
                return Err(Failure::usage(format!("{} is given twice", path.trim())));
            }
        }
        change_settings(given, changes, self.yes)
    }
}

/// A typed value as a field of the form would have it. Quotes that the shell has left are TOML's.
fn normalise_typed(path: &str, typed: &str) -> String {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let is_list = keys::find(section, name).is_some_and(|key| key.kind.shape().word == "list");
    match kind::parse_given(typed).ok().map(|value| value.into_inner()) {
        // An item keeps its quotes: the field of a list knows only one kind of them.
        Some(toml::de::DeValue::String(text)) if is_list && !text.is_empty() => kind::quoted(&text),
        Some(toml::de::DeValue::String(text)) => text.into_owned(),
        _ => typed.trim().to_owned(),
    }
}

impl SettingsUnsetArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let changes = self.paths.iter().map(|path| (path.clone(), Value::Null)).collect();
        change_settings(given, changes, self.yes)
    }
}

/// The address, with confirmation of deletions if `is_sure`.
fn confirmed(address: &str, is_sure: bool) -> String {
    format!("{address}{}", if is_sure { "?confirm=1" } else { "" })
}

fn change_settings(given: &ConfigArgs, changes: Map<String, Value>, is_sure: bool) -> Result<(), Failure> {
    let changes = Value::Object(changes);
    let address = confirmed(SETTINGS, is_sure);
    let all: All =
        daemon(given)?.json("PATCH", &address, RequestBody::Json(&changes), "nothing was changed")?;
    print_stdout(&notes(&all))
}

impl SettingsExportArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = daemon(given)?;
        let mut answer = daemon
            .request("GET", FILE, RequestBody::Nothing)?
            .expect_success("settings could not be exported")?;
        let mut text = String::new();
        answer
            .read_to_string(&mut text)
            .map_err(|error| Failure::failed(format!("the service's answer was cut off: {error}")))?;
        match &self.output {
            None => print_stdout(&text),
            Some(file) => write_new(file, &text),
        }
    }
}

impl SettingsImportArgs {
    fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let name = self.from.display();
        let unread = |error: std::io::Error| Failure::io(format!("{name} cannot be read: {error}"));
        let mut text = String::new();
        let read = if self.from.as_os_str() == "-" {
            std::io::stdin().take(LONGEST + 1).read_to_string(&mut text)
        } else {
            File::open(&self.from).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
        };
        read.map_err(unread)?;
        if text.len() as u64 > LONGEST {
            return Err(unread(std::io::Error::other("the file is too long")));
        }
        let daemon = daemon(given)?;
        let what = match self.from.as_os_str() == "-" {
            true => String::from("nothing was imported from standard input"),
            false => format!("nothing was imported from {name}"),
        };
        let all: All = daemon.json("PUT", &confirmed(FILE, self.yes), RequestBody::Text(&text), &what)?;
        print_stdout(&notes(&all))
    }
}

/// Writes a new file.
///
/// # Errors
/// The file exists or cannot be written.
fn write_new(file: &std::path::Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    opened.and_then(|mut out| out.write_all(text.as_bytes())).map_err(|error| Failure::Io {
        message: format!("{} cannot be written: {error}", file.display()),
        hint: (error.kind() == std::io::ErrorKind::AlreadyExists)
            .then(|| String::from("name a file that is not there yet")),
    })
}

/// Remarks below the settings.
fn notes(all: &All) -> String {
    let mut text = String::new();
    if !all.needs_restart.is_empty() {
        text.push_str(&format!("# in force only after a restart: {}\n", all.needs_restart.join(", ")));
    }
    for line in all.complaint.lines() {
        text.push_str(&format!("# {line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_tomls_and_items_of_a_list_keep_theirs() {
        for (path, typed, want) in [
            ("name", "\"Front door\"", "Front door"),
            ("name", " Front door ", "Front door"),
            ("record.on_crossing", r#""5\" pipe""#, r#""5\" pipe""#),
            ("record.on_crossing", "'a, b'", r#""a, b""#),
            ("record.on_crossing", r#""a", "b""#, r#""a", "b""#),
            ("record.on_crossing", "a, b", "a, b"),
            ("record.on_crossing", "['a, b']", "['a, b']"),
            // An empty text is no item.
            ("record.on_crossing", "\"\"", ""),
        ] {
            assert_eq!(normalise_typed(path, typed), want, "{path}={typed}");
        }
    }
}
