//! `tallycam media rename`, `date`, `note`, `keep`, `remove` and `new`.

use clap::Args;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{MediaItem, bytes, find_item, format_count, require_service};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::terminal::confirm;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};

/// Rename an item
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// Its new name, which must be unique
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the changed item as JSON
    #[arg(long)]
    json: bool,
}

impl RenameArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        edit_one(given, &self.item, &json!({"name": self.name}), self.json)
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
    /// Print the changed item as JSON
    #[arg(long)]
    json: bool,
}

impl DateArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        edit_one(given, &self.item, &json!({"date": self.date}), self.json)
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
    /// Print the changed item as JSON
    #[arg(long)]
    json: bool,
}

impl NoteArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        edit_one(given, &self.item, &json!({"note": self.note}), self.json)
    }
}

/// Changes an item and prints the result.
fn edit_one(given: &ConfigArgs, wanted: &str, edit: &Value, json: bool) -> Result<(), Failure> {
    let daemon = require_service(given)?;
    let before = find_item(&daemon, wanted)?;
    // No version is sent: the named item is meant, even if it was renamed since.
    let path = format!("/api/v1/media/{}", before.id);
    let answer = daemon.request("PATCH", &path, RequestBody::Json(edit))?;
    let after: MediaItem = answer.expect_valid("nothing was changed")?.read()?;
    if json {
        return print_json(&after);
    }
    let mut messages = Vec::new();
    if after.name != before.name {
        messages.push(format!("{:?} is called {:?} now", before.name, after.name));
    }
    if (&after.date, &after.time) != (&before.date, &before.time) {
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
    /// End the protection
    #[arg(long)]
    off: bool,
}

impl KeepArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = require_service(given)?;
        let items = find_items(&daemon, &self.items)?;
        let body = json!({"ids": ids(&items), "kept": !self.off});
        let answer = daemon.request("POST", "/api/v1/media/keep", RequestBody::Json(&body))?;
        answer.expect_success("nothing was changed")?;
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
        let daemon = require_service(given)?;
        let items = find_items(&daemon, &self.items)?;
        if !self.yes && !is_confirmed(&items)? {
            return print_stdout("nothing was removed\n");
        }
        let body = json!({"ids": ids(&items)});
        let answer = daemon.request("POST", "/api/v1/media/delete", RequestBody::Json(&body))?;
        answer.expect_success("nothing was removed")?;
        let room: u64 = items.iter().map(|item| item.bytes).sum();
        print_stdout(&format!("{} removed, {}\n", format_count(items.len(), "item"), bytes(room)))
    }
}

/// Most items that the question names; further ones are only counted.
const NAMED: usize = 10;

/// Asks on the terminal whether to delete these items.
fn is_confirmed(items: &[MediaItem]) -> Result<bool, Failure> {
    let mut asked = String::new();
    for item in items.iter().take(NAMED) {
        asked.push_str(&format!("  {} {}, {}\n", item.id, item.name, bytes(item.bytes)));
    }
    if items.len() > NAMED {
        asked.push_str(&format!("  and {} more\n", items.len() - NAMED));
    }
    let asked = format!("{asked}Delete {} for good?", format_count(items.len(), "item"));
    confirm(&asked, "what is deleted cannot be brought back")
}

/// Finds the named items, each once.
fn find_items(daemon: &Daemon, wanted: &[String]) -> Result<Vec<MediaItem>, Failure> {
    let mut items: Vec<MediaItem> = Vec::new();
    for wanted in wanted {
        let item = find_item(daemon, wanted)?;
        if !items.iter().any(|other| other.id == item.id) {
            items.push(item);
        }
    }
    Ok(items)
}

fn ids(items: &[MediaItem]) -> Vec<u64> {
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

/// The service's answer about a file that was set aside.
#[derive(Debug, Deserialize)]
struct SetAside {
    name: String,
    bytes: u64,
}

impl New {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let (path, what) = ("/api/v1/media/new", "nothing has changed");
        let aside: SetAside = require_service(given)?.json("POST", path, RequestBody::Nothing, what)?;
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
