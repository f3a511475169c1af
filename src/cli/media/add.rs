//! `tallycam media add`: files become items.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::tz::TimeZone;
use rustix::fs::OFlags;
use serde::Deserialize;
use serde_json::json;

use super::{Store, bytes, check_storing_allowed, file, store_failure};
use crate::base::clock::rfc3339;
use crate::base::unicode::percent_encoded;
use crate::cli::common::daemon::{RequestBody, WORKS_WITHIN};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::config::Config;
use crate::daemon::counting::store_settings;
use crate::pipeline::recording::import::{ImportError, ImportRequest, import};
use crate::store::media::{Item, MediaError, MediaReader};

/// Add files: JPEGs become snapshots; MJPEG files and AVI, MP4 and MOV files with MJPEG become recordings.
///
/// Nothing is decoded: every frame keeps its bytes. An MP4 or MOV keeps its times and its date.
#[derive(Debug, Args)]
pub struct MediaAddArgs {
    /// The files
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Name; default: the file's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Date: YYYY-MM-DD, optionally with THH:MM or THH:MM:SS, and Z or +05:00; default: the file's
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// A note
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    note: String,
    /// Frame rate of an MJPEG file; default: 30; of other films their own
    #[arg(long, value_name = "FPS", value_parser = parse_fps)]
    fps: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn parse_fps(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(fps) if (0.01..=240.0).contains(&fps) => Ok(fps),
        _ => Err(String::from("a number from 0.01 to 240")),
    }
}

impl MediaAddArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        check_storing_allowed(&config)?;
        if self.name.is_some() && self.files.len() > 1 {
            return Err(Failure::usage("--name is for one file, and several are named")
                .hint("add them one by one, or without --name"));
        }
        let store = Store::open(&config)?;
        let mut items = Vec::new();
        let mut refused = 0;
        for path in &self.files {
            let options = self.import_options(&config, path)?;
            let added = match open(path) {
                Err(error) if self.files.len() > 1 => {
                    Err(NotAdded::Refused { message: format!("it could not be read: {error}"), hint: None })
                }
                _ => add(&config, &store, path, options),
            };
            match added {
                Ok(added) => {
                    if !self.json {
                        print_stdout(&describe_added(&added))?;
                    }
                    items.push(added.item);
                }
                // One of several: the others are taken all the same.
                Err(NotAdded::Refused { message, hint }) if self.files.len() > 1 => {
                    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    eprintln!("tallycam: {}: {message}{hint}", path.display());
                    refused += 1;
                }
                Err(not) => return Err(not.failure(path)),
            }
        }
        if self.json {
            print_json(&json!({"items": items, "next": null}))?;
        }
        if refused == 0 {
            return Ok(());
        }
        let message = format!("{refused} of {} files could not be added", self.files.len());
        Err(Failure::failed(message).hint("the lines above say why"))
    }

    fn import_options(&self, config: &Config, path: &Path) -> Result<AddOptions, Failure> {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => path.file_name().and_then(|name| name.to_str()).map(str::to_owned).ok_or_else(|| {
                Failure::usage(format!("{} has no usable name", path.display()))
                    .hint("give it one: --name NAME")
            })?,
        };
        let zone = store_settings(config).zone;
        let modified_us = if self.date.is_some() { None } else { modified_us(path) };
        let note = self.note.clone();
        let source = format!("file {}", path.file_name().unwrap_or_default().to_string_lossy());
        Ok(AddOptions { name, source, date: self.date.clone(), modified_us, note, fps: self.fps, zone })
    }
}

fn describe_added(added: &AddedItem) -> String {
    let Item { id, name, frames, bytes: size, .. } = &added.item;
    let pictures = if *frames == 1 { String::new() } else { format!(", {frames} pictures") };
    let left_out = match added.left_out {
        0 => String::new(),
        1 => String::from("; 1 invalid frame is skipped"),
        more => format!("; {more} invalid frames are skipped"),
    };
    format!("{id} {name}: {}{pictures}{left_out}\n", bytes(*size))
}

/// What is known of a file beside its bytes.
#[derive(Debug, Clone)]
struct AddOptions {
    /// What it is to be called; refused if that is taken.
    name: String,
    /// Where it comes from, in words; a daemon says it by the name.
    source: String,
    /// Its date as given.
    date: Option<String>,
    /// When the file was written: its time where it says no other.
    modified_us: Option<u64>,
    note: String,
    /// Pictures a second of a clip that does not say.
    fps: Option<f64>,
    /// The zone of dates.
    zone: TimeZone,
}

/// A file that has become an item.
#[derive(Debug)]
struct AddedItem {
    item: Item,
    /// Pictures of the file that were none.
    left_out: u64,
}

/// Why a file has not become one.
#[derive(Debug)]
enum NotAdded {
    /// This file cannot be taken; others may.
    Refused {
        /// Why.
        message: String,
        /// What can be done.
        hint: Option<String>,
    },
    /// Nothing can be taken.
    Failed(Failure),
}

impl NotAdded {
    /// The same as a command's failure, with the file's name.
    fn failure(self, path: &Path) -> Failure {
        match self {
            NotAdded::Refused { message, hint } => {
                Failure::Failed { message: format!("{}: {message}", path.display()), hint }
            }
            NotAdded::Failed(failure) => failure,
        }
    }
}

/// When the file was last written, microseconds since 1970.
fn modified_us(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

/// The file, to be read; `None` if it is none. A pipe is not waited for until somebody writes into it.
fn open(path: &Path) -> io::Result<Option<File>> {
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    Ok(opened.metadata()?.is_file().then_some(opened))
}

/// Takes a file into the store.
///
/// # Errors
/// [`NotAdded`]; then nothing is left of it.
fn add(config: &Config, store: &Store, path: &Path, options: AddOptions) -> Result<AddedItem, NotAdded> {
    let refused = |message: String| NotAdded::Refused { message, hint: None };
    let mut opened = match open(path) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Err(refused(String::from("it is no file"))),
        Err(error) => {
            let message = format!("{} could not be read: {error}", path.display());
            return Err(NotAdded::Failed(Failure::io(message)));
        }
    };
    match store {
        Store::Own(own) => {
            let import_wish = ImportRequest {
                name: Some(options.name),
                may_rename: false,
                date: options.date,
                note: options.note,
                stamp: None,
                modified_us: options.modified_us,
                fps: options.fps,
                source: options.source,
                zone: options.zone,
            };
            let imported = import(&own.media, &mut opened, import_wish).map_err(import_failure)?;
            Ok(AddedItem { item: imported.item, left_out: imported.left_out })
        }
        Store::Daemon(daemon) => {
            let reader = MediaReader::open(&file(config)).map_err(|e| NotAdded::Failed(store_failure(e)))?;
            match reader.by_name(&options.name) {
                Ok(item) => return Err(name_taken(&item.name)),
                Err(MediaError::Unknown(_)) => {}
                Err(error) => return Err(NotAdded::Failed(store_failure(error))),
            }
            let date = options.date.unwrap_or_default();
            let modified = options.modified_us.map(rfc3339).unwrap_or_default();
            let mut path = format!("/api/v1/media?name={}", percent_encoded(&options.name));
            for (key, value) in [("date", &date), ("modified", &modified), ("note", &options.note)] {
                if !value.is_empty() {
                    path.push_str(&format!("&{key}={}", percent_encoded(value)));
                }
            }
            if let Some(fps) = options.fps {
                path.push_str(&format!("&fps={fps}"));
            }
            opened.seek(SeekFrom::Start(0)).map_err(|error| refused(error.to_string()))?;
            let daemon = daemon.clone().with_timeout(WORKS_WITHIN);
            let answer =
                daemon.request("POST", &path, RequestBody::File(&mut opened)).map_err(NotAdded::Failed)?;
            let is_refused = matches!(answer.status, 400 | 409 | 413 | 415 | 422);
            let done = answer.expect_success("it was not added").map_err(|failure| match failure {
                Failure::Failed { message, hint } if is_refused => {
                    let message = message.strip_prefix("it was not added: ").unwrap_or(&message).to_owned();
                    NotAdded::Refused { message, hint }
                }
                failure => NotAdded::Failed(failure),
            })?;
            let taken: UploadedReport = done.read().map_err(NotAdded::Failed)?;
            let item = reader.item(taken.id).map_err(|error| NotAdded::Failed(store_failure(error)))?;
            Ok(AddedItem { item, left_out: taken.left_out })
        }
    }
}

/// What the daemon says of a file that it has taken.
#[derive(Debug, Deserialize)]
struct UploadedReport {
    id: u64,
    #[serde(default)]
    left_out: u64,
}

fn name_taken(name: &str) -> NotAdded {
    NotAdded::Refused {
        message: format!("there is an item called {name:?} already"),
        hint: Some(String::from("--name gives it another one")),
    }
}

fn import_failure(error: ImportError) -> NotAdded {
    let hint = error.hint().map(str::to_owned);
    match error {
        ImportError::Media(MediaError::SameName(name)) => name_taken(&name),
        ImportError::Media(error @ MediaError::Wrong(_)) => {
            NotAdded::Refused { message: error.to_string(), hint }
        }
        ImportError::Media(error) => NotAdded::Failed(store_failure(error)),
        error => NotAdded::Refused { message: error.to_string(), hint },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, file) = (folder.path().join("pipe"), folder.path().join("file"));
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::fs::write(&file, "").unwrap();
        let (sender, opened) = mpsc::channel();
        let paths = [pipe, file, folder.path().to_owned()];
        std::thread::spawn(move || {
            for path in paths {
                sender.send(open(&path).unwrap().is_some()).unwrap();
            }
        });
        for is_file in [false, true, false] {
            let got = opened.recv_timeout(Duration::from_secs(10));
            assert_eq!(got, Ok(is_file), "a pipe into which nobody writes holds it up");
        }
    }
}
