//! `tallycam media rename`, `date`, `note`, `keep`, `remove` and `new`.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::{
    LocalStore, Store, bytes, file, find_item, format_count, open, reader, require_store_daemon,
    store_failure,
};
use crate::cli::common::daemon::RequestBody;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::config::Config;
use crate::daemon::counting::store_settings;
use crate::store::media::{AsideFile, Item, Media, MediaEdit, MediaError};

/// Rename an item
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// Its new name, which must be unique
    #[arg(value_name = "NAME")]
    name: String,
    /// Print what is known of it then as JSON
    #[arg(long)]
    json: bool,
}

impl RenameArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let edit = MediaEdit { name: Some(self.name.clone()), ..MediaEdit::default() };
        edit_one(&given.load()?.config, &self.item, edit, self.json)
    }
}

/// Change the date of an item
#[derive(Debug, Args)]
pub struct DateArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// YYYY-MM-DD, optionally with THH:MM or THH:MM:SS, and Z or +05:00, which also moves its time
    #[arg(value_name = "DATE")]
    date: String,
    /// Print what is known of it then as JSON
    #[arg(long)]
    json: bool,
}

impl DateArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let edit = MediaEdit { date: Some(self.date.clone()), ..MediaEdit::default() };
        edit_one(&given.load()?.config, &self.item, edit, self.json)
    }
}

/// Set the note of an item
#[derive(Debug, Args)]
pub struct NoteArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// The new note; "" removes it
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    note: String,
    /// Print what is known of it then as JSON
    #[arg(long)]
    json: bool,
}

impl NoteArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let edit = MediaEdit { note: Some(self.note.clone()), ..MediaEdit::default() };
        edit_one(&given.load()?.config, &self.item, edit, self.json)
    }
}

/// Changes an item, and says how it is then.
fn edit_one(config: &Config, wanted: &str, edit: MediaEdit, json: bool) -> Result<(), Failure> {
    let reader = reader(config)?;
    let before = find_item(&reader, wanted)?;
    let after = match Store::open(config)? {
        // The version is not asked for: what was named is meant, whatever it is called by now.
        Store::Own(own) => own.wait(own.media.edit(before.id, None, edit))?,
        Store::Daemon(daemon) => {
            let mut body = serde_json::Map::new();
            let mut put =
                |key: &str, value: Option<Value>| value.map(|value| body.insert(key.to_owned(), value));
            put("name", edit.name.map(Value::from));
            put("date", edit.date.map(Value::from));
            put("note", edit.note.map(Value::from));
            put("kept", edit.is_kept.map(Value::from));
            let path = format!("/api/v1/media/{}", before.id);
            let _: IgnoredAny = daemon.json(
                "PATCH",
                &path,
                RequestBody::Json(&Value::Object(body)),
                "nothing was changed",
            )?;
            reader.item(before.id).map_err(store_failure)?
        }
    };
    if json {
        return print_json(&after);
    }
    let mut messages = Vec::new();
    if after.name != before.name {
        messages.push(format!("{:?} is called {:?} now", before.name, after.name));
    }
    if (&after.date, after.at_us) != (&before.date, before.at_us) {
        messages.push(format!("{:?} has the date {} now", after.name, after.date));
    }
    if after.note != before.note {
        messages.push(format!("the note on {:?} is changed", after.name));
    }
    if messages.is_empty() {
        messages.push(format!("{:?} is so already", after.name));
    }
    print_stdout(&format!("{}\n", messages.join("\n")))
}

/// Protect items from retention
#[derive(Debug, Args)]
pub struct KeepArgs {
    /// Their numbers or names; id:7 and name:7 say which
    #[arg(value_name = "ITEM", required = true)]
    items: Vec<String>,
    /// Let retention have them again
    #[arg(long)]
    off: bool,
}

impl KeepArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let items = find_items(&config, &self.items)?;
        match Store::open(&config)? {
            Store::Own(own) => own.wait(own.media.set_kept(ids(&items), !self.off))?,
            Store::Daemon(daemon) => {
                let body = json!({"ids": ids(&items), "kept": !self.off});
                let what = "nothing was changed";
                let _: IgnoredAny =
                    daemon.json("POST", "/api/v1/media/keep", RequestBody::Json(&body), what)?;
            }
        }
        let words = if self.off { "may be deleted by retention again" } else { "kept" };
        print_stdout(&format!("{} {words}\n", format_count(items.len(), "item")))
    }
}

/// Delete items
#[derive(Debug, Args)]
pub struct RemoveArgs {
    /// Their numbers or names (id:7 and name:7 say which); all are deleted, or none
    #[arg(value_name = "ITEM", required = true)]
    items: Vec<String>,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

impl RemoveArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let items = find_items(&config, &self.items)?;
        if !self.yes && !is_confirmed(&items)? {
            return print_stdout("nothing was removed\n");
        }
        match Store::open(&config)? {
            Store::Own(own) => own.wait(own.media.remove(ids(&items)))?,
            Store::Daemon(daemon) => {
                let body = json!({"ids": ids(&items)});
                let what = "nothing was removed";
                let _: IgnoredAny =
                    daemon.json("POST", "/api/v1/media/delete", RequestBody::Json(&body), what)?;
            }
        }
        let room: u64 = items.iter().map(|item| item.bytes).sum();
        print_stdout(&format!("{} removed, {}\n", format_count(items.len(), "item"), bytes(room)))
    }
}

/// Items that are named in the question; of more the number is told.
const NAMED: usize = 10;

/// Asks on the terminal whether these are to be deleted.
fn is_confirmed(items: &[Item]) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(Failure::usage("what is deleted cannot be brought back, and nobody can be asked here")
            .hint("--yes deletes without asking"));
    }
    let mut asked = String::new();
    for item in items.iter().take(NAMED) {
        asked.push_str(&format!("  {} {}, {}\n", item.id, item.name, bytes(item.bytes)));
    }
    if items.len() > NAMED {
        asked.push_str(&format!("  and {} more\n", items.len() - NAMED));
    }
    eprint!("{asked}Delete {} for good? [y/N] ", format_count(items.len(), "item"));
    let mut answer = String::new();
    io::stdin()
        .lock()
        .take(64)
        .read_line(&mut answer)
        .map_err(|error| Failure::io(format!("the answer could not be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The items that are named, each once.
fn find_items(config: &Config, wanted: &[String]) -> Result<Vec<Item>, Failure> {
    let reader = reader(config)?;
    let mut items: Vec<Item> = Vec::new();
    for wanted in wanted {
        let item = find_item(&reader, wanted)?;
        if !items.iter().any(|other| other.id == item.id) {
            items.push(item);
        }
    }
    Ok(items)
}

fn ids(items: &[Item]) -> Vec<u64> {
    items.iter().map(|item| item.id).collect()
}

/// Start a new database.
///
/// The current file is renamed with the date, never deleted. The page Database lists old databases and can delete them.
#[derive(Debug, Args)]
pub struct New {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What the daemon says of a file that was set aside.
#[derive(Debug, Deserialize)]
struct SetAside {
    name: String,
    bytes: u64,
}

impl From<AsideFile> for SetAside {
    fn from(file: AsideFile) -> SetAside {
        SetAside { name: file.name, bytes: file.bytes }
    }
}

impl New {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        // A store that is not there is not made to be set aside. One that cannot be read is there to be.
        if !file(&config).exists() {
            reader(&config)?;
        }
        let aside = set_store_aside(&config)?;
        if self.json {
            return print_json(&json!({"name": aside.name, "bytes": aside.bytes}));
        }
        print_stdout(&format!(
            "the database is empty now; the former one is {} ({})\n",
            aside.name,
            bytes(aside.bytes)
        ))
    }
}

/// Here where nobody has the store, also if it is too damaged to be used; else by the daemon.
fn set_store_aside(config: &Config) -> Result<SetAside, Failure> {
    match open(config) {
        Ok((media, worker)) => {
            let own = LocalStore::new(media, worker)?;
            own.wait(own.media.recreate()).map(SetAside::from)
        }
        Err(MediaError::Locked { .. }) => require_store_daemon(config)?.json(
            "POST",
            "/api/v1/media/new",
            RequestBody::Nothing,
            "nothing has changed",
        ),
        Err(error) => {
            let Some(directory) = error.unusable_store_file().and_then(Path::parent) else {
                return Err(store_failure(error));
            };
            let zone = store_settings(config).zone;
            let aside = match Media::set_aside(directory, &zone) {
                // A daemon tries it again every other second, and has it for that long.
                Err(MediaError::Locked { .. }) => {
                    std::thread::sleep(Duration::from_millis(500));
                    Media::set_aside(directory, &zone)
                }
                done => done,
            };
            let aside = aside.map_err(store_failure)?;
            // The empty one that takes its place, unless a daemon has made it already.
            match open(config) {
                Ok((media, worker)) => {
                    media.stop();
                    drop(worker);
                }
                Err(MediaError::Locked { .. }) => {}
                Err(error) => return Err(store_failure(error)),
            }
            Ok(aside.into())
        }
    }
}
