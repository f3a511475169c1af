//! `tallycam card apply`: sets up a card at each start, before its network and before each start of the service.

mod boot;
mod root;
mod state;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use self::boot::Boot;
use self::root::Root;
use self::state::{CardStateDirectory, Memory};
use crate::card::accounts::{Accounts, Ids, ids, is_system};
use crate::card::files::{Before, FileChange, Write, format_origin, plan};
use crate::card::{
    Applied, CardReport, CardSettings, Entry, OWN, Password, REPORT, ReadFiles, SettingOrigin, Severity,
    Sourced, SystemInfo, replace_password,
};
use crate::cli::{Failure, print_stdout};
use crate::daemon::diagnosis::card as diagnosis;
use tallycam_base::child;
use tallycam_config::{Config, Saved, is_settable_on_page};

/// The configuration that the daemon reads.
const CONFIG: &str = "etc/tallycam/config.toml";

/// The configuration of the image, as it was before the first run.
const SHIPPED: &str = "run/tallycam-card/config.toml";

/// Messages of the initrd, one per line.
const NOTES: &str = "run/tallycam-card/notes";

const CONFIG_HEAD: &str = "\
# The configuration of tallycam on this card. `tallycam card apply` writes it at each start: put your own settings
# into tallycam.toml on the boot partition. What may be set on the page is not here, but in the state directory.
";

/// Set up a card from the files on its boot partition
#[derive(Debug, Subcommand)]
pub enum CardCommand {
    Apply(ApplyArgs),
}

/// Apply tallycam.toml and the files of Raspberry Pi Imager to the system of a card.
///
/// Runs at each start, before the network, and before each start of the service. Errors do not stop it:
/// tallycam-report.txt beside the files and the page Diagnosis list them. It refuses to run on a system that is no
/// card.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// Mount point of the boot partition
    #[arg(long, value_name = "FOLDER", default_value = "/boot/firmware")]
    boot: PathBuf,
    /// Mount point of the state partition; with --settings the state directory of the service
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = "/state",
        default_value_if("settings", "true", "/var/lib/tallycam")
    )]
    state: PathBuf,
    /// The root of the system
    #[arg(long, value_name = "FOLDER", default_value = "/")]
    root: PathBuf,
    /// Apply only the settings and the page's password of tallycam.toml, on a system that is no card
    #[arg(long)]
    settings: bool,
}

impl CardCommand {
    /// Runs the command.
    pub fn run(&self) -> Result<(), Failure> {
        let CardCommand::Apply(apply) = self;
        apply.run()
    }
}

/// The state of one run.
struct Applying {
    root: Root,
    entries: Vec<Entry>,
    applied: Vec<Applied>,
}

impl ApplyArgs {
    fn run(&self) -> Result<(), Failure> {
        let root = Root::open(&self.root)
            .map_err(|error| Failure::io(format!("{}: {error}", self.root.display())))?;
        if !self.settings && !root.has(diagnosis::MARKER) {
            return Err(Failure::failed(format!(
                "this system is no card: there is no /{}",
                diagnosis::MARKER
            ))
            .hint("--settings applies tallycam's own settings alone"));
        }
        let is_live = self.root == Path::new("/");
        let mut work = Applying { root, entries: Vec::new(), applied: Vec::new() };
        let before = work.read_before();
        let mut boot = Boot::open(&self.boot, is_live && !self.settings);
        let mut found = work.find_wanted(&boot, &before, self.settings);
        let owner = ids(&before.accounts.passwd, "tallycam");
        let mut units = Vec::new();
        let given = if self.settings {
            work.report_not_used(&found.wanted, &found.settings);
            found.settings.clone()
        } else {
            work.notes();
            work.drop_directory_settings(&mut found.settings);
            units = work.write_system_files(&mut found.wanted, &before);
            work.given_settings(&found)
        };
        let state = if self.settings { self.state.clone() } else { self.state.join("tallycam") };
        let state = CardStateDirectory::open(state, owner);
        let is_kept = work.daemon(&state, &mut boot, &found, &given);
        if !self.settings {
            work.configuration(&given, !is_kept, owner);
        }
        let report = CardReport::new(work.entries, work.applied);
        let report = write_report(&work.root, &mut boot, report, !self.settings);
        drop(boot);
        if is_live && !self.settings {
            start(&found.wanted, &units);
        }
        print_stdout(&report.text())
    }
}

impl Applying {
    fn report_mistake(&mut self, message: String) {
        self.entries.push(Entry::mistake("", 0, "", message, None));
    }

    fn write(&mut self, write: &Write) {
        if let Err(error) = self.root.write(write) {
            self.report_mistake(format!("/{} could not be written: {error}", write.path));
        }
    }

    /// The system's present settings.
    fn read_before(&mut self) -> Before {
        let mut text = |path: &str| match self.root.read_text(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("/{path} could not be read: {error}");
                self.entries.push(Entry::mistake("", 0, "", message, None));
                String::new()
            }
        };
        let accounts =
            Accounts { passwd: text("etc/passwd"), group: text("etc/group"), shadow: text("etc/shadow") };
        Before {
            accounts,
            hosts: text("etc/hosts"),
            has_resolved: self.root.has("usr/lib/systemd/systemd-resolved"),
            has_bash: self.root.has("bin/bash"),
        }
    }

    /// The settings that the files on the boot partition ask for.
    fn find_wanted(&mut self, boot: &Result<Boot, String>, before: &Before, is_own_alone: bool) -> ReadFiles {
        let root = &self.root;
        let is_zone = |zone: &str| {
            let start = root.read(&format!("usr/share/zoneinfo/{zone}"), 4);
            start.is_ok_and(|start| start.as_deref() == Some(b"TZif"))
        };
        let Accounts { passwd, group, .. } = &before.accounts;
        let is_system_user = |name: &str| is_system(passwd, group, name);
        let facts = SystemInfo { is_zone: &is_zone, is_system_user: &is_system_user };
        let load = |name: &str| match boot {
            Ok(boot) if name == OWN || !is_own_alone => boot.read(name),
            _ => Ok(None),
        };
        let mut found = crate::card::read(&load, &facts);
        self.entries.append(&mut found.entries);
        match boot {
            Err(why) => {
                // The file is unreadable, so nothing is known of its settings.
                found.is_broken = true;
                self.report_mistake(why.clone());
            }
            Ok(boot) => {
                let misnamed = format!("{OWN}.txt");
                if found.own_text.is_none() && boot.has(&misnamed) {
                    let hint = Some(format!("rename it to {OWN}; Windows hides the ending .txt"));
                    self.entries.push(Entry::mistake(&misnamed, 0, "", "is not read for its name", hint));
                }
            }
        }
        found
    }

    fn notes(&mut self) {
        let notes = self.root.read_text(NOTES).unwrap_or_default();
        self.entries.extend(notes.lines().filter(|line| !line.trim().is_empty()).map(Entry::note));
    }

    /// Drops `store.directory`: a card stores everything on its state partition, where a reset finds it.
    fn drop_directory_settings(&mut self, settings: &mut Saved) {
        const DIRECTORY: &str = "store.directory";
        if settings.get(DIRECTORY).is_some() {
            let what = "not used: a card keeps everything on its state partition";
            self.entries.push(Entry::not_used(OWN, settings.line(DIRECTORY), DIRECTORY, what, None));
            *settings = settings.without_key(DIRECTORY);
        }
    }

    /// Reports the system's settings as unused, on a system that is set up by other means.
    fn report_not_used(&mut self, wanted: &CardSettings, settings: &Saved) {
        self.entries.retain(|entry| entry.severity != Severity::Note);
        let CardSettings { host, time_zone, country, wifi, wired, wireless, user, keys, .. } = wanted;
        fn origin<T>(given: &Option<Sourced<T>>) -> Option<&SettingOrigin> {
            given.as_ref().map(|given| &given.origin)
        }
        // Nobody asked for a host name that was derived from the camera's name.
        let host = origin(host).filter(|origin| origin.key == "host");
        let texts = [host, origin(time_zone), origin(country), origin(user)];
        let all =
            texts.into_iter().chain([origin(wifi), origin(wired), origin(wireless), origin(keys)]).flatten();
        for SettingOrigin { file, line, key } in all {
            let what = "not used: this system is no card of tallycam's";
            let hint = Some(String::from("set it in Raspberry Pi Imager, or on the system"));
            self.entries.push(Entry::not_used(file, *line, key, what, hint));
        }
        for path in settings.paths().filter(|path| !is_settable_on_page(path)) {
            let what = "not used: can only be set in the configuration file";
            let hint = Some(format!("put it into /{CONFIG}"));
            self.entries.push(Entry::not_used(OWN, settings.line(path), path, what, hint));
        }
    }

    /// Writes the system's files. Returns the units to start afterwards.
    fn write_system_files(&mut self, wanted: &mut CardSettings, before: &Before) -> Vec<&'static str> {
        if before.accounts.passwd.is_empty() && wanted.keys.take().is_some() {
            self.report_mistake(String::from("no user is made: /etc/passwd is not known"));
        }
        let mut plan = plan(wanted, before);
        if let Some(problem) = plan.problem {
            self.report_mistake(problem.to_owned());
        }
        for write in &plan.writes {
            self.write(write);
        }
        self.applied.append(&mut plan.applied);
        plan.units
    }

    /// Applies the settings and the password to the state directory. True if the settings could be stored.
    fn daemon(
        &mut self,
        state: &Result<CardStateDirectory, String>,
        boot: &mut Result<Boot, String>,
        found: &ReadFiles,
        given: &Saved,
    ) -> bool {
        let last = match state {
            Ok(state) => state.memory(&mut self.entries),
            Err(_) => Memory::default(),
        };
        let mut memory = last.clone();
        let is_kept = |path: &str| {
            let is_faulty = |wrong: &String| path == wrong || path.starts_with(&format!("{wrong}."));
            found.is_broken || found.faulty.iter().any(is_faulty)
        };
        let kept = match state {
            Ok(state) => state.settings(given, &is_kept, &mut memory),
            Err(why) => Err(why.clone()),
        };
        let of_page = match kept {
            Ok(of_page) => Some(of_page),
            Err(why) => {
                let what = format!("settings cannot be kept, and cannot be changed on the page: {why}");
                self.report_mistake(what);
                None
            }
        };
        self.report_in_force(&found.settings, of_page.as_deref().unwrap_or_default());
        if let Some(Sourced { value: password, origin }) = &found.wanted.password {
            let to_entry = |message: String| Entry::mistake(OWN, origin.line, &origin.key, message, None);
            let hash = state::hash(password, &last);
            let set = match (state, &hash) {
                (Ok(state), Ok(hash)) => state.password(hash, &mut memory),
                (Err(why), _) | (_, Err(why)) => Err(why.clone()),
            };
            match set {
                // Reported alike for a new and an unchanged password, so that the next start gives the same report.
                Ok(()) => {
                    self.applied.push(Applied::new("password of the page", "set", format_origin(origin)))
                }
                Err(why) => self.entries.push(to_entry(format!("could not be set: {why}"))),
            }
            if let (Password::Plain(_, span), Ok(hash), Some(text)) = (password, &hash, &found.own_text) {
                let replaced =
                    replace_password(text, span, hash).ok_or_else(|| String::from("it is not found"));
                let written = replaced.and_then(|text| match boot {
                    Ok(boot) => boot.write(OWN, text.as_bytes()).map_err(|error| error.to_string()),
                    Err(why) => Err(why.clone()),
                });
                if let Err(why) = written {
                    let what = format!(
                        "is readable there for everybody, and could not be replaced by its hash: {why}"
                    );
                    self.entries.push(to_entry(what));
                }
            }
        }
        if let Ok(state) = state
            && let Err(error) = state.save_memory(&memory, &last)
        {
            self.report_mistake(format!(
                "what was applied could not be recorded, and will be applied again: {error}"
            ));
        }
        of_page.is_some()
    }

    /// Merges the settings, highest priority first: `tallycam.toml`, the name that Imager gives, the image.
    fn given_settings(&mut self, found: &ReadFiles) -> Saved {
        let read = match self.root.read_text(SHIPPED) {
            Ok(text) if !text.is_empty() => Ok(text),
            _ => self.root.read_text(CONFIG).inspect(|text| {
                let what = FileChange::File(text.clone().into_bytes(), 0o600);
                // Without the copy the next run would take this run's file for the image's.
                let _ = self.root.write(&Write { path: SHIPPED.to_owned(), what, owner: None });
            }),
        };
        let file = PathBuf::from(format!("/{CONFIG}"));
        let shipped = read.map_err(|error| error.to_string()).and_then(|text| {
            let read = Saved::read_shared(&file, &text, &[]).map_err(|complaints| complaints.count_text())?;
            Ok(read.0)
        });
        let mut given = shipped.unwrap_or_else(|why| {
            self.report_mistake(format!("{}: the file is ignored: {why}", file.display()));
            Saved::empty(file)
        });
        if let Some(host) = found.wanted.host.as_ref().filter(|host| host.origin.file != OWN) {
            // The name has only letters, digits and dashes.
            let _ = given.set("name", Some(&format!("\"{}\"", host.value)));
        }
        for path in found.settings.paths() {
            given.copy(path, &found.settings);
        }
        given
    }

    /// Writes `/etc/tallycam/config.toml`: the settings that the page cannot change, or with `with_all` every
    /// setting.
    fn configuration(&mut self, given: &Saved, with_all: bool, owner: Option<Ids>) {
        let mut config = Saved::empty(PathBuf::from(CONFIG));
        for path in given.paths().filter(|path| with_all || !is_settable_on_page(path)) {
            config.copy(path, given);
        }
        let text = config.to_config(CONFIG_HEAD);
        if let Err(complaints) = Config::from_text(Path::new("/etc/tallycam/config.toml"), &text, &[], []) {
            let what = format!(
                "the settings contradict each other, and the image's defaults are used: {complaints}"
            );
            return self.report_mistake(what);
        }
        // The settings may include secrets.
        let owner = owner.map(|ids| Ids { user: 0, ..ids });
        let mode = if owner.is_some() { 0o640 } else { 0o644 };
        self.write(&Write {
            path: CONFIG.to_owned(),
            what: FileChange::File(text.into_bytes(), mode),
            owner,
        });
    }

    /// Reports which settings are in force.
    fn report_in_force(&mut self, settings: &Saved, of_page: &[String]) {
        for path in settings.paths() {
            let line = settings.line(path);
            let is_unused = |entry: &Entry| entry.severity == Severity::NotUsed && entry.key == path;
            if self.entries.iter().any(is_unused) {
                continue;
            } else if of_page.iter().any(|changed| changed == path) {
                let what =
                    "has been changed on the page since it was applied, and the page's value is in force";
                let hint = Some(String::from("a new value here overrides the page's"));
                let entry = Entry::mistake(OWN, line, path, what, hint);
                self.entries.push(Entry { severity: Severity::Note, ..entry });
            } else {
                self.applied.push(Applied::new("setting", path, format!("{OWN}:{line}")));
            }
        }
    }
}

/// Writes the report beside the files, if it has changed, and for the service.
fn write_report(
    root: &Root,
    boot: &mut Result<Boot, String>,
    mut report: CardReport,
    for_daemon: bool,
) -> CardReport {
    if let Ok(boot) = boot {
        let text = report.text();
        let is_there = boot.read(REPORT).is_ok_and(|there| there.as_deref() == Some(text.as_bytes()));
        if let Err(error) = if is_there { Ok(()) } else { boot.write(REPORT, text.as_bytes()) } {
            let message = format!("could not be written: {error}");
            report.entries.push(Entry::mistake(REPORT, 0, "", message, None));
        }
    }
    if !for_daemon {
        return report;
    }
    let json = serde_json::to_vec_pretty(&report).unwrap_or_default();
    let what = FileChange::File(json, 0o644);
    if let Err(error) = root.write(&Write { path: diagnosis::REPORT.to_owned(), what, owner: None }) {
        let message = format!("/{} could not be written: {error}", diagnosis::REPORT);
        report.entries.push(Entry::mistake("", 0, "", message, None));
    }
    report
}

/// Applies settings that take effect only in the running system. Failures go to the journal.
fn start(wanted: &CardSettings, units: &[&str]) {
    if let Some(host) = &wanted.host
        && let Err(error) = rustix::system::sethostname(host.value.as_bytes())
    {
        log::error!("the host name is set at the next start only: {error}");
    }
    for unit in units {
        match child::command("systemctl").args(["--no-block", "start", unit]).status() {
            Ok(status) if status.success() => {}
            Ok(status) => log::error!("{unit} could not be started: systemctl: {status}"),
            Err(error) => log::error!("{unit} could not be started: {error}"),
        }
    }
}
