//! `tallycam media list` and `show`.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;

use super::{bytes, file, find_item, format_duration, reader, store_failure};
use crate::base::clock::wall_us;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::config::Config;
use crate::daemon::counting::store_settings;
use crate::http::time_param;
use crate::store::media::{Item, MediaKind, MediaQuery};
use crate::ui::LocalClock;

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
    /// Start: a date, a time, today, yesterday, -24h, -7d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<String>,
    /// End
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<String>,
    /// Only those that retention leaves alone
    #[arg(long, conflicts_with = "not_kept")]
    kept: bool,
    /// Only those that retention may take
    #[arg(long)]
    not_kept: bool,
    /// Maximum number
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    limit: Option<u64>,
    /// Go on where a list with --limit ended: `next` of its JSON
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MediaListArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let mut query = self.query(&config)?;
        let is_there = file(&config).exists();
        let reader = if is_there { Some(reader(&config)?) } else { None };
        let limit = self.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let mut items: Vec<Item> = Vec::new();
        // Before the first start there is no file, and nothing in it.
        while let Some(reader) = &reader {
            query.limit = PAGE.min(limit - items.len());
            let page = reader.list(&query).map_err(store_failure)?;
            items.extend(page.items);
            query.cursor = page.next;
            if query.cursor.is_none() || items.len() >= limit {
                break;
            }
        }
        if self.json {
            return print_json(&json!({"items": items, "next": query.cursor}));
        }
        print_stdout(&format_table(&items, &store_settings(&config).zone))
    }

    fn query(&self, config: &Config) -> Result<MediaQuery, Failure> {
        let counts_db = store_settings(config);
        let clock = LocalClock { now_us: wall_us(), zone: counts_db.zone, day_starts: counts_db.day_starts };
        let instant = |key, text: Option<&String>| {
            text.map(|text| time_param::instant(key, text, &clock))
                .transpose()
                .map_err(|wrong| Failure::usage(wrong.to_string()))
        };
        let (from_us, to_us) = (instant("from", self.from.as_ref())?, instant("to", self.to.as_ref())?);
        Ok(MediaQuery {
            kind: self.kind.as_deref().and_then(MediaKind::parse),
            text: self.search.clone(),
            from_us,
            to_us,
            is_kept: if self.kept || self.not_kept { Some(self.kept) } else { None },
            cursor: self.cursor.clone(),
            limit: PAGE,
        })
    }
}

/// As people read it.
fn format_table(items: &[Item], zone: &jiff::tz::TimeZone) -> String {
    let mut text = String::new();
    if items.is_empty() {
        return String::from("nothing\n");
    }
    let wide = items.iter().map(|item| item.id.to_string().len()).max().unwrap_or(0).max(2);
    let _ =
        writeln!(text, "{:>wide$}  {:25}  {:9}  {:>8}  {:>9}  name", "id", "time", "kind", "length", "size");
    for item in items {
        let length = match item.kind {
            MediaKind::Snapshot => String::new(),
            MediaKind::Recording => format_duration(item.duration_us),
        };
        let marks = [(item.is_open, "being recorded"), (item.is_kept, "kept")];
        let marks: Vec<&str> = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, word)| *word).collect();
        let marks = if marks.is_empty() { String::new() } else { format!("  ({})", marks.join(", ")) };
        let _ = writeln!(
            text,
            "{:>wide$}  {:25}  {:9}  {length:>8}  {:>9}  {}{marks}",
            item.id,
            time_param::local(item.at_us, zone),
            item.kind.as_str(),
            bytes(item.bytes),
            item.name,
        );
    }
    text
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
        let item = find_item(&reader(&config)?, &self.item)?;
        if self.json {
            return print_json(&item);
        }
        print_stdout(&describe_item(&item, &store_settings(&config).zone))
    }
}

fn describe_item(item: &Item, zone: &jiff::tz::TimeZone) -> String {
    let mut text = String::new();
    let mut fact = |what: &str, value: String| {
        if !value.is_empty() {
            let _ = writeln!(text, "{what:10} {value}");
        }
    };
    let unsure = if item.is_sure { "" } else { " (the clock was not set)" };
    fact("number", item.id.to_string());
    fact("name", item.name.clone());
    fact("kind", item.kind.as_str().to_owned());
    fact("date", item.date.clone());
    fact("time", format!("{}{unsure}", time_param::local(item.at_us, zone)));
    fact("added", time_param::local(item.added_us, zone));
    fact("size", format!("{} × {} pixels, {}", item.width, item.height, bytes(item.bytes)));
    if item.kind == MediaKind::Recording {
        let gaps = match item.gaps {
            0 => String::from("no gap"),
            1 => String::from("1 gap"),
            gaps => format!("{gaps} gaps"),
        };
        let open = if item.is_open { ", being recorded" } else { "" };
        fact(
            "length",
            format!("{}, {} pictures, {gaps}{open}", format_duration(item.duration_us), item.frames),
        );
    }
    fact("camera", item.camera.clone());
    fact("source", item.source.clone());
    fact("origin", item.origin.as_str().to_owned());
    fact("kept", String::from(if item.is_kept { "yes: protected from retention" } else { "" }));
    fact("note", item.note.clone());
    text
}
