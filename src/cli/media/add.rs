//! `tallycam media add`: stores files as items.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use rustix::fs::OFlags;
use serde_json::json;

use super::{MediaItem, bytes, item_of_name, require_service};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::terminal::shown;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use tallycam_base::clock::rfc3339;
use tallycam_base::unicode::percent_encoded;

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
        if self.name.is_some() && self.files.len() > 1 {
            return Err(Failure::usage("--name is for one file, and several are named")
                .hint("add them one by one, or without --name"));
        }
        let daemon = require_service(given)?;
        let mut items = Vec::new();
        let mut refused = 0;
        for path in &self.files {
            let name = self.name_of(path)?;
            let added = match open(path) {
                Err(error) if self.files.len() > 1 => {
                    Err(NotAdded::Refused { message: format!("it could not be read: {error}"), hint: None })
                }
                opened => self.add(&daemon, path, name, opened),
            };
            match added {
                Ok(item) => {
                    if !self.json {
                        print_stdout(&describe_added(&item))?;
                    }
                    items.push(item);
                }
                // The other files are still added.
                Err(NotAdded::Refused { message, hint }) if self.files.len() > 1 => {
                    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    eprintln!("tallycam: {}", shown(&format!("{}: {message}{hint}", path.display())));
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

    fn name_of<'a>(&'a self, path: &'a Path) -> Result<&'a str, Failure> {
        let own = path.file_name().and_then(|name| name.to_str());
        self.name.as_deref().or(own).ok_or_else(|| {
            Failure::usage(format!("{} has no usable name", path.display())).hint("give it one: --name NAME")
        })
    }

    /// Lets the service store a file as an item.
    ///
    /// # Errors
    /// [`NotAdded`]; then nothing of the file is stored.
    fn add(
        &self,
        daemon: &Daemon,
        path: &Path,
        name: &str,
        opened: io::Result<Option<File>>,
    ) -> Result<MediaItem, NotAdded> {
        let refused = |message: String| NotAdded::Refused { message, hint: None };
        let file = match opened {
            Ok(Some(file)) => file,
            Ok(None) => return Err(refused(String::from("it is no file"))),
            Err(error) => {
                let message = format!("{} could not be read: {error}", path.display());
                return Err(NotAdded::Failed(Failure::io(message)));
            }
        };
        // The service would rename a duplicate.
        if item_of_name(daemon, name).map_err(NotAdded::Failed)?.is_some() {
            let message = format!("there is an item called {name:?} already");
            return Err(NotAdded::Refused {
                message,
                hint: Some(String::from("--name gives it another one")),
            });
        }
        let modified = if self.date.is_some() { None } else { modified_us(path).map(rfc3339) };
        let options = [
            ("date", self.date.clone()),
            ("modified", modified),
            ("note", Some(self.note.clone())),
            ("fps", self.fps.map(|fps| fps.to_string())),
        ];
        let mut address = format!("/api/v1/media?name={}", percent_encoded(name));
        for (key, value) in options {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                address.push_str(&format!("&{key}={}", percent_encoded(&value)));
            }
        }
        let answer = daemon.request("POST", &address, RequestBody::File(&file)).map_err(NotAdded::Failed)?;
        let is_refused = matches!(answer.status(), 400 | 409 | 413 | 415 | 422);
        let done = answer.expect_success(NOT_ADDED).map_err(|failure| match failure {
            Failure::Failed { message, hint } if is_refused => {
                let message = message.trim_start_matches(NOT_ADDED).trim_start_matches(": ").to_owned();
                NotAdded::Refused { message, hint }
            }
            failure => NotAdded::Failed(failure),
        })?;
        done.read().map_err(NotAdded::Failed)
    }
}

const NOT_ADDED: &str = "it was not added";

fn describe_added(item: &MediaItem) -> String {
    let pictures = if item.frames == 1 { String::new() } else { format!(", {} pictures", item.frames) };
    format!("{} {}: {}{pictures}\n", item.id, item.name, bytes(item.bytes))
}

/// The reason why a file was not stored.
#[derive(Debug)]
enum NotAdded {
    /// This file is refused; others may work.
    Refused {
        /// The reason.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// No file can be stored.
    Failed(Failure),
}

impl NotAdded {
    /// The failure of the command, with the file's name.
    fn failure(self, path: &Path) -> Failure {
        match self {
            NotAdded::Refused { message, hint } => {
                Failure::Failed { message: format!("{}: {message}", path.display()), hint }
            }
            NotAdded::Failed(failure) => failure,
        }
    }
}

/// The file's modification time, in microseconds since 1970.
fn modified_us(path: &Path) -> Option<u64> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok()
}

/// Opens a file for reading; `None` if it is no regular file. Does not wait for the writer of a pipe.
fn open(path: &Path) -> io::Result<Option<File>> {
    let opened = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)?;
    Ok(opened.metadata()?.is_file().then_some(opened))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::process::Command;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_pipe_is_not_waited_for() {
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
            assert_eq!(got, Ok(is_file), "a pipe without a writer blocks");
        }
    }
}
