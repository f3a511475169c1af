//! `tallycam media list` and `show`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{MediaItem, bytes, find_item, list_items, local_time};
use crate::cli::common::daemon::Daemon;
use crate::cli::common::table::{format_columns, short_time};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::store_settings;

/// Items that are read at once.
const PAGE: usize = 1000;

/// List snapshots and recordings, newest first
#[derive(Debug, Args)]
pub struct MediaListArgs {
    /// Only these
    #[arg(long, value_name = "KIND", value_parser = ["snapshot", "recording"])]
    kind: Option<String>,
    /// Only those whose name, note, date or camera contains this
    #[arg(long, short = 'q', value_name = "TEXT")]
    search: Option<String>,
    /// Start: a date, a time, today, "yesterday 9:00", -24h, -7d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// End
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only protected items
    #[arg(long, conflicts_with = "not_kept")]
    kept: bool,
    /// Only unprotected items
    #[arg(long)]
    not_kept: bool,
    /// Maximum number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: Option<u64>,
    /// Continue a list that --limit cut: `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MediaListArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let daemon = Daemon::require_own(&config, "this")?;
        let wanted = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut cursor = self.cursor.clone();
        let mut items: Vec<MediaItem> = Vec::new();
        loop {
            let page = list_items(&daemon, &self.query(PAGE.min(wanted - items.len()), cursor))?;
            items.extend(page.items);
            cursor = page.next;
            if cursor.is_none() || items.len() >= wanted {
                break;
            }
        }
        if self.json {
            return print_json(&json!({"items": items, "next": cursor}));
        }
        print_stdout(&format_table(&items, &store_settings(&config).zone))
    }

    fn query(&self, limit: usize, cursor: Option<String>) -> Vec<(&'static str, String)> {
        let kept = (self.kept || self.not_kept).then(|| u8::from(self.kept).to_string());
        let texts = [
            ("kind", self.kind.clone()),
            ("q", self.search.clone()),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
            ("kept", kept),
            ("limit", Some(limit.to_string())),
            ("cursor", cursor),
        ];
        texts.into_iter().filter_map(|(key, text)| Some((key, text?))).collect()
    }
}

/// The table for people.
fn format_table(items: &[MediaItem], zone: &jiff::tz::TimeZone) -> String {
    if items.is_empty() {
        return String::from("nothing\n");
    }
    let mut rows = vec![["id", "time", "kind", "length", "size", "name"].map(str::to_owned).to_vec()];
    for item in items {
        let marks = [(item.open, "being recorded"), (item.kept, "kept")];
        let marks: Vec<&str> = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word).collect();
        let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join(", ")) };
        rows.push(vec![
            item.id.to_string(),
            short_time(&item.time, zone),
            item.kind.clone(),
            if item.is_recording() { item.length() } else { String::new() },
            bytes(item.bytes),
            format!("{}{marks}", item.name),
        ]);
    }
    format_columns(&rows, |column| matches!(column, 0 | 3 | 4))
}

/// Show the details of an item
#[derive(Debug, Args)]
pub struct MediaShowArgs {
    /// Its number or its name; id:7 and name:7 say which
    #[arg(value_name = "ITEM")]
    item: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MediaShowArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let item = find_item(&Daemon::require_own(&config, "this")?, &self.item)?;
        if self.json {
            return print_json(&item);
        }
        print_stdout(&describe_item(&item, &store_settings(&config).zone))
    }
}

fn describe_item(item: &MediaItem, zone: &jiff::tz::TimeZone) -> String {
    let mut text = String::new();
    let mut fact = |what: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{what:10} {value}");
        }
    };
    let unsure = if item.time_sure { "" } else { " (the clock was not set)" };
    fact("number", item.id.to_string());
    fact("name", item.name.clone());
    fact("kind", item.kind.clone());
    fact("date", item.date.clone());
    fact("time", format!("{}{unsure}", local_time(&item.time, zone)));
    fact("added", local_time(&item.added, zone));
    fact("size", format!("{} × {} pixels, {}", item.width, item.height, bytes(item.bytes)));
    if item.is_recording() {
        let gaps = match item.gaps {
            0 => String::from("no gap"),
            1 => String::from("1 gap"),
            gaps => format!("{gaps} gaps"),
        };
        let open = if item.open { ", being recorded" } else { "" };
        fact("length", format!("{}, {} pictures, {gaps}{open}", item.length(), item.frames));
    }
    fact("camera", item.camera.clone());
    fact("source", item.source.clone());
    fact("origin", item.origin.clone());
    fact("kept", String::from(if item.kept { "yes: protected from retention" } else { "" }));
    fact("note", item.note.clone());
    text
}
