//! `tallycam media check`, `vacuum`, `backup` and `retention`.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::{LocalStore, Store, bytes, file, format_count, reader, require_store_daemon, store_failure};
use crate::base::{ClockTime, block_on};
use crate::cli::common::atomic_file::{already_exists, write_atomically, write_failure};
use crate::cli::common::daemon::{Daemon, RequestBody, WORKS_WITHIN};
use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::config::{Config, Resolved, show_duration};
use crate::daemon::counting::state_directory;
use crate::daemon::recording::retention;
use crate::store::media::{
    CheckReport, MediaError, MediaReader, RetentionPlan, RetentionRules, Storage, Vacuumed, check_offline,
    offline_retention_now, verify_copy,
};

/// Check all media: every frame, every index, the file itself.
///
/// The exit code is 1 if a fault was found and not repaired.
#[derive(Debug, Args)]
pub struct MediaCheckArgs {
    /// Repair what can be repaired
    #[arg(long)]
    repair: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl MediaCheckArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        // A store that is not there is not made to be checked. What cannot be read is for the check to tell.
        if !file(&config).exists() {
            reader(&config)?;
        }
        let progress = Progress::new("checking", Of::Unknown);
        let mut report = check(&config, self.repair)?;
        let mut left = report.faults.len();
        if !report.mended.is_empty() {
            // What is left is what is found now.
            let again = check(&config, false)?;
            left = again.faults.len();
            (report.items, report.chunks, report.pictures) = (again.items, again.chunks, again.pictures);
            report.faults = again.faults;
        }
        drop(progress);
        if self.json {
            print_json(&report)?;
        } else {
            print_stdout(&format_report(&report, self.repair))?;
        }
        if left == 0 { Ok(()) } else { Err(Failure::AlreadyReported(1)) }
    }
}

/// Here where nobody has the store, also if it is too damaged to be used; else by the daemon.
fn check(config: &Config, repair: bool) -> Result<CheckReport, Failure> {
    match check_offline(&state_directory(config), repair) {
        Ok(report) => Ok(report),
        Err(MediaError::Locked { .. }) => {
            let daemon = require_store_daemon(config)?.with_timeout(WORKS_WITHIN);
            let body = json!({"repair": repair});
            daemon.json("POST", "/api/v1/media/check", RequestBody::Json(&body), "nothing was checked")
        }
        Err(error) => Err(store_failure(error)),
    }
}

fn format_report(report: &CheckReport, repair: bool) -> String {
    let mut text = format!(
        "{}, {} chunks and {} frames checked\n",
        format_count(usize::try_from(report.items).unwrap_or(usize::MAX), "item"),
        report.chunks,
        report.pictures
    );
    report.mended.iter().for_each(|mended| text.push_str(&format!("mended: {mended}\n")));
    report.faults.iter().for_each(|fault| text.push_str(&format!("wrong: {fault}\n")));
    if report.faults.is_empty() {
        text.push_str("no faults\n");
    } else if !repair {
        text.push_str("`tallycam media check --repair` repairs what can be repaired\n");
    }
    text
}

/// Compact the database
#[derive(Debug, Args)]
pub struct VacuumArgs {
    /// Overwrite what was deleted first: until then its bytes stay on the card
    #[arg(long)]
    wipe: bool,
}

impl VacuumArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        drop(reader(&config)?);
        let progress = Progress::new("compacting", Of::Unknown);
        let Vacuumed { freed, wiped } = match Store::open(&config)? {
            Store::Own(own) => own.wait(own.media.vacuum(self.wipe))?,
            Store::Daemon(daemon) => {
                let daemon = daemon.with_timeout(WORKS_WITHIN);
                let options = json!({"wipe": self.wipe});
                daemon.json(
                    "POST",
                    "/api/v1/media/vacuum",
                    RequestBody::Json(&options),
                    "nothing was compacted",
                )?
            }
        };
        drop(progress);
        if self.wipe {
            print_stdout(&format!("{} overwritten\n", bytes(wiped)))?;
        }
        print_stdout(&format!("{} given back\n", bytes(freed)))
    }
}

/// Write a copy of the whole database.
///
/// A running service makes the copy, and recording continues. The copy is checked before it gets its name. It is a
/// `media.db` that can replace the current one.
#[derive(Debug, Args)]
pub struct MediaBackupArgs {
    /// Output file
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Overwrite FILE
    #[arg(long)]
    force: bool,
}

impl MediaBackupArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        drop(reader(&config)?);
        if !self.force && self.to.exists() {
            return Err(already_exists(&self.to));
        }
        let same = |path: &Path| path.canonicalize().ok();
        if same(&self.to).is_some_and(|to| same(&file(&config)) == Some(to)) {
            return Err(Failure::usage(format!("{} is the database itself", self.to.display()))
                .hint("choose another file for the copy"));
        }
        let store = Store::open(&config)?;
        let len = write_atomically(&self.to, self.force, |part, beside| {
            let len = match &store {
                Store::Own(own) => copy_own(own, part, &self.to)?,
                Store::Daemon(daemon) => copy_from(daemon, part, &self.to)?,
            };
            verify_copy(beside).map_err(store_failure)?;
            Ok(len)
        })?;
        print_stdout(&format!("{}: {}, whole\n", self.to.display(), bytes(len)))
    }
}

/// From the daemon. Gives the bytes.
fn copy_from(daemon: &Daemon, part: &mut File, to: &Path) -> Result<u64, Failure> {
    let daemon = daemon.clone().with_timeout(WORKS_WITHIN);
    let answer = daemon
        .request("GET", "/api/v1/media/backup", RequestBody::Nothing)?
        .expect_success("there is no copy")?;
    let promised = answer.header("content-length").and_then(|len| len.parse::<u64>().ok());
    let progress = Progress::new("copying", promised.map_or(Of::Unknown, Of::Bytes));
    let mut body = answer.body();
    let mut piece = vec![0; 256 << 10];
    let mut len = 0;
    loop {
        // What fails when reading is the daemon's end, what fails when writing is this one.
        let got = io::Read::read(&mut body, &mut piece).map_err(|error| interrupted_failure(&error))?;
        if got == 0 {
            break;
        }
        part.write_all(&piece[..got]).map_err(|error| write_failure(to, &error))?;
        len += got as u64;
        progress.set(len);
    }
    match promised {
        Some(promised) if promised != len => Err(interrupted_failure(&io::ErrorKind::UnexpectedEof.into())),
        _ => Ok(len),
    }
}

fn interrupted_failure(error: &io::Error) -> Failure {
    Failure::io(format!("the copy was cut off: {error}")).hint("try again")
}

/// From the store that we have opened.
fn copy_own(own: &LocalStore, part: &mut File, to: &Path) -> Result<u64, Failure> {
    block_on(&own.runtime, async {
        let mut backup = own.media.backup().await.map_err(store_failure)?;
        let mut len = 0;
        let progress = Progress::new("copying", Of::Bytes(backup.len));
        while let Some(piece) = backup.pieces.recv().await {
            let piece = piece.map_err(store_failure)?;
            part.write_all(&piece).map_err(|error| write_failure(to, &error))?;
            len += piece.len() as u64;
            progress.set(len);
        }
        if len == backup.len {
            Ok(len)
        } else {
            Err(interrupted_failure(&io::ErrorKind::UnexpectedEof.into()))
        }
    })
}

/// Show retention rules and disk space
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// Also what would go now, and why; nothing is removed
    #[arg(long)]
    plan: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RetentionArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let resolved = given.load()?;
        let reader = reader(&resolved.config)?;
        let (rules, now) = effective_rules(&resolved, &reader)?;
        let storage = reader.storage(&rules).map_err(store_failure)?;
        let plan = if self.plan { Some(reader.plan(&rules, now).map_err(store_failure)?) } else { None };
        if self.json {
            print_json(&report(&rules, &storage, plan.as_ref()))
        } else {
            print_stdout(&describe_rules(&rules, &storage, plan.as_ref()))
        }
    }
}

/// The daemon's rules where it runs, else the configuration's with those that were made on the page; and the present by
/// which items age: whether the clock is believed, the daemon knows.
fn effective_rules(
    resolved: &Resolved,
    reader: &MediaReader,
) -> Result<(RetentionRules, ClockTime), Failure> {
    if let Some(daemon) = Daemon::find(&resolved.config) {
        let answer: RetentionAnswer = daemon.json(
            "GET",
            "/api/v1/media/retention",
            RequestBody::Nothing,
            "the rules could not be read",
        )?;
        return Ok((answer.rules, ClockTime { wall_trusted: answer.time_sure, ..ClockTime::now() }));
    }
    let set = resolved.settings.iter().filter(|setting| setting.origin.is_operators());
    let pinned = set.filter_map(|setting| setting.path.strip_prefix("retention.")).map(str::to_owned);
    let pinned: Vec<String> = pinned.collect();
    let rules = reader.effective_rules(retention(&resolved.config), &pinned).map_err(store_failure)?;
    Ok((rules, offline_retention_now()))
}

#[derive(Debug, Deserialize)]
struct RetentionAnswer {
    rules: RetentionRules,
    time_sure: bool,
}

fn report(rules: &RetentionRules, storage: &Storage, plan: Option<&RetentionPlan>) -> serde_json::Value {
    let seconds = |age: Option<Duration>| age.map(|age| age.as_secs());
    let mut report = json!({
        "rules": {
            "snapshots_age": seconds(rules.snapshots_age), "snapshots_size": rules.snapshots_bytes,
            "recordings_age": seconds(rules.recordings_age), "recordings_size": rules.recordings_bytes,
            "min_free": rules.min_free,
        },
        "storage": {
            "file_bytes": storage.file_bytes, "unused_bytes": storage.unused_bytes,
            "snapshots": {"items": storage.snapshots.0, "bytes": storage.snapshots.1},
            "recordings": {"items": storage.recordings.0, "bytes": storage.recordings.1},
            "kept_bytes": storage.kept_bytes, "going_bytes": storage.going_bytes,
            "aside": storage.aside,
            "free_bytes": storage.free_bytes, "total_bytes": storage.total_bytes,
            "bytes_a_day": storage.bytes_a_day, "days_left": storage.days_left,
        },
    });
    if let Some(plan) = plan {
        let goes = plan.goes.iter().map(|(item, reason)| json!({"item": item, "reason": reason}));
        report["goes"] = goes.collect();
        report["unmet"] = json!(plan.unmet);
    }
    report
}

fn describe_rules(rules: &RetentionRules, storage: &Storage, plan: Option<&RetentionPlan>) -> String {
    let age = |age: Option<Duration>| {
        age.map_or_else(|| String::from("any age"), |age| format!("up to {}", show_duration(age)))
    };
    let amount = |most: Option<u64>| {
        most.map_or_else(|| String::from("any amount"), |most| format!("up to {}", bytes(most)))
    };
    let kind = |what: &str, (count, held): (u64, u64), old, most| {
        format!("{what:11} {count:>7}, {:>9}; kept {}, {}\n", bytes(held), age(old), amount(most))
    };
    let mut text = kind("snapshots", storage.snapshots, rules.snapshots_age, rules.snapshots_bytes);
    text += &kind("recordings", storage.recordings, rules.recordings_age, rules.recordings_bytes);
    text += &format!(
        "the file    {}, of these {} to be used again\n",
        bytes(storage.file_bytes),
        bytes(storage.unused_bytes + storage.going_bytes)
    );
    for aside in &storage.aside {
        text += &format!("set aside   {}, {}\n", aside.name, bytes(aside.bytes));
    }
    let floor = rules.min_free.map_or_else(String::new, |floor| format!("; {} stay free", bytes(floor)));
    text +=
        &format!("the disk    {} of {} free{floor}\n", bytes(storage.free_bytes), bytes(storage.total_bytes));
    if let Some(rate) = storage.bytes_a_day {
        let left = match storage.days_left {
            Some(days) => format!("enough for {days:.0} days"),
            None => String::from("retention makes the room"),
        };
        text += &format!("added       {} a day: {left}\n", bytes(rate.max(0.0) as u64));
    }
    let Some(plan) = plan else { return text };
    text.push('\n');
    if plan.goes.is_empty() {
        text += "nothing would be deleted now\n";
    }
    for (item, reason) in &plan.goes {
        let why = match reason.as_str() {
            "age" => "too old",
            "bytes" => "too much of its kind",
            _ => "the disk is too full",
        };
        text += &format!("goes: {} {}, {}, {why}\n", item.id, item.name, bytes(item.bytes));
    }
    if let Some(unmet) = &plan.unmet {
        text += &format!("and yet: {unmet}\n");
    }
    text
}
