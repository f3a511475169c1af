//! `tallycam media check`, `vacuum`, `backup` and `retention`.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{bytes, file, format_count, reader, require_service, store_failure};
use crate::cli::common::atomic_file::{already_exists, write_atomically, write_failure};
use crate::cli::common::daemon::{Daemon, RequestBody, WORKS_WITHIN};
use crate::cli::common::terminal::{Of, Progress};
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::counting::state_directory;
use tallycam_config::{Config, show_duration};
use tallycam_store::media::{CheckReport, MediaError, RetentionRules, Vacuumed, check_offline, verify_copy};

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
        // A check does not create a missing store. It does report one that cannot be read.
        if !file(&config).exists() {
            reader(&config)?;
        }
        let progress = Progress::new("checking", Of::Unknown);
        let mut report = check(&config, self.repair)?;
        let mut left = report.faults.len();
        if !report.repaired.is_empty() {
            // Faults that remain after the repair.
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

/// Checks the files here if no process has the store open, however damaged they are; else lets the service check.
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

/// The service that has the store open.
///
/// # Errors
/// It does not answer.
fn require_store_daemon(config: &Config) -> Result<Daemon, Failure> {
    Daemon::find(config).ok_or_else(|| {
        Failure::failed(format!(
            "another tallycam uses the database in {}, and does not answer",
            state_directory(config).display()
        ))
        .hint("wait until that command is done; if it is a service, give its configuration: --config FILE")
    })
}

fn format_report(report: &CheckReport, repair: bool) -> String {
    let mut text = format!(
        "{}, {} chunks and {} frames checked\n",
        format_count(usize::try_from(report.items).unwrap_or(usize::MAX), "item"),
        report.chunks,
        report.pictures
    );
    report.repaired.iter().for_each(|repaired| text.push_str(&format!("repaired: {repaired}\n")));
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
    /// Overwrite deleted data first, which otherwise stays on the card
    #[arg(long)]
    wipe: bool,
}

impl VacuumArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = require_service(given)?;
        let progress = Progress::new("compacting", Of::Unknown);
        let options = json!({"wipe": self.wipe});
        let (path, what) = ("/api/v1/media/vacuum", "nothing was compacted");
        let Vacuumed { freed, wiped } = daemon.json("POST", path, RequestBody::Json(&options), what)?;
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
        let daemon = Daemon::require_own(&config, "this")?.with_timeout(WORKS_WITHIN);
        if !self.force && self.to.exists() {
            return Err(already_exists(&self.to));
        }
        let same = |path: &Path| path.canonicalize().ok();
        if same(&self.to).is_some_and(|to| same(&file(&config)) == Some(to)) {
            return Err(Failure::usage(format!("{} is the database itself", self.to.display()))
                .hint("choose another file for the copy"));
        }
        let len = write_atomically(&self.to, self.force, |part, beside| {
            let len = copy_from(&daemon, part, &self.to)?;
            verify_copy(beside).map_err(store_failure)?;
            Ok(len)
        })?;
        print_stdout(&format!("{}: {}, whole\n", self.to.display(), bytes(len)))
    }
}

/// Copies the database from the service. Returns the number of bytes.
fn copy_from(daemon: &Daemon, part: &mut File, to: &Path) -> Result<u64, Failure> {
    let mut answer = daemon
        .request("GET", "/api/v1/media/backup", RequestBody::Nothing)?
        .expect_success("there is no copy")?;
    let promised = answer.header("content-length").and_then(|len| len.parse::<u64>().ok());
    let progress = Progress::new("copying", promised.map_or(Of::Unknown, Of::Bytes));
    let mut piece = vec![0; 256 << 10];
    let mut len = 0;
    loop {
        // A read error concerns the service, a write error the local file.
        let got = io::Read::read(&mut answer, &mut piece).map_err(|error| interrupted_failure(&error))?;
        if got == 0 {
            break;
        }
        part.write_all(&piece[..got]).map_err(|error| write_failure(to, &error))?;
        len += got as u64;
        progress.set(len);
    }
    Ok(len)
}

fn interrupted_failure(error: &io::Error) -> Failure {
    Failure::io(format!("the copy was cut off: {error}")).hint("try again")
}

/// Show retention rules and disk space
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// Also list what the rules would delete now, and why
    #[arg(long)]
    plan: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl RetentionArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let daemon = require_service(given)?;
        let get = |path| daemon.request("GET", path, RequestBody::Nothing)?.expect_success(UNREAD);
        let storage: RoomAnswer = get("/api/v1/media/storage")?.read()?;
        let plan = if self.plan {
            Some(get("/api/v1/media/retention")?.read::<RetentionAnswer>()?.plan)
        } else {
            None
        };
        if self.json {
            print_json(&report(&storage, plan.as_ref()))
        } else {
            print_stdout(&describe_rules(&storage, plan.as_ref()))
        }
    }
}

const UNREAD: &str = "the rules could not be read";

/// Disk space of media, and the retention rules.
#[derive(Debug, Deserialize)]
struct RoomAnswer {
    file: u64,
    unused: u64,
    snapshots: Held,
    recordings: Held,
    kept: u64,
    going: u64,
    free: u64,
    total: u64,
    bytes_a_day: Option<f64>,
    days_left: Option<f64>,
    aside: Vec<Value>,
    rules: RetentionRules,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    items: u64,
    bytes: u64,
}

#[derive(Debug, Deserialize)]
struct RetentionAnswer {
    plan: DeletionPlan,
}

/// The items that the rules would delete now.
#[derive(Debug, Deserialize)]
struct DeletionPlan {
    items: Vec<Goes>,
    /// Number of all items, including those that are not listed.
    count: usize,
    unmet: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Goes {
    why: String,
    #[serde(flatten)]
    item: Map<String, Value>,
}

fn report(storage: &RoomAnswer, plan: Option<&DeletionPlan>) -> Value {
    let mut report = json!({
        "rules": storage.rules,
        "storage": {
            "file_bytes": storage.file, "unused_bytes": storage.unused,
            "snapshots": storage.snapshots, "recordings": storage.recordings,
            "kept_bytes": storage.kept, "going_bytes": storage.going,
            "aside": storage.aside,
            "free_bytes": storage.free, "total_bytes": storage.total,
            "bytes_a_day": storage.bytes_a_day, "days_left": storage.days_left,
        },
    });
    if let Some(plan) = plan {
        let goes = plan.items.iter().map(|goes| json!({"item": goes.item, "reason": goes.why}));
        report["goes"] = goes.collect();
        // The service lists at most a thousand.
        report["count"] = json!(plan.count);
        report["unmet"] = json!(plan.unmet);
    }
    report
}

fn describe_rules(storage: &RoomAnswer, plan: Option<&DeletionPlan>) -> String {
    let rules = &storage.rules;
    let age = |age: Option<Duration>| {
        age.map_or_else(|| String::from("any age"), |age| format!("up to {}", show_duration(age)))
    };
    let amount = |most: Option<u64>| {
        most.map_or_else(|| String::from("any amount"), |most| format!("up to {}", bytes(most)))
    };
    let kind = |what: &str, held: &Held, old, most| {
        let (count, room) = (held.items, bytes(held.bytes));
        format!("{what:11} {count:>7}, {room:>9}; kept {}, {}\n", age(old), amount(most))
    };
    let mut text = kind("snapshots", &storage.snapshots, rules.snapshots_age, rules.snapshots_bytes);
    text += &kind("recordings", &storage.recordings, rules.recordings_age, rules.recordings_bytes);
    text += &format!(
        "the file    {}, of these {} to be used again\n",
        bytes(storage.file),
        bytes(storage.unused + storage.going)
    );
    for aside in &storage.aside {
        let size = aside["bytes"].as_u64().unwrap_or_default();
        text += &format!("set aside   {}, {}\n", aside["name"].as_str().unwrap_or_default(), bytes(size));
    }
    let floor = rules.min_free.map_or_else(String::new, |floor| format!("; {} stay free", bytes(floor)));
    text += &format!("the disk    {} of {} free{floor}\n", bytes(storage.free), bytes(storage.total));
    if let Some(rate) = storage.bytes_a_day {
        let left = match storage.days_left {
            Some(days) => format!("enough for {days:.0} days"),
            None => String::from("retention makes the room"),
        };
        text += &format!("added       {} a day: {left}\n", bytes(rate.max(0.0) as u64));
    }
    let Some(plan) = plan else { return text };
    text.push('\n');
    if plan.items.is_empty() {
        text += "nothing would be deleted now\n";
    }
    for Goes { why, item } in &plan.items {
        let why = match why.as_str() {
            "age" => "too old",
            "bytes" => "too much of its kind",
            _ => "the disk is too full",
        };
        let (name, size) = (item["name"].as_str().unwrap_or_default(), item["bytes"].as_u64());
        text += &format!("goes: {} {name}, {}, {why}\n", item["id"], bytes(size.unwrap_or_default()));
    }
    if plan.count > plan.items.len() {
        text += &format!("and {} more\n", plan.count - plan.items.len());
    }
    if let Some(unmet) = &plan.unmet {
        text += &format!("and yet: {unmet}\n");
    }
    text
}
