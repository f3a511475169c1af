//! `tallycam backup`, `restore` and `reset`: the whole state of the camera.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::access::RestoredAccess;
use crate::cli::common::atomic_file::{already_exists, write_atomically, write_failure};
use crate::cli::common::daemon::{Daemon, RequestBody, WORKS_WITHIN};
use crate::cli::common::terminal::confirm;
use crate::cli::media::{OwnCopy, bytes};
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::daemon::counting::state_directory;
use crate::daemon::settings_file;
use crate::maintenance::backup::{Contents, write};
use crate::maintenance::request_reset;
use crate::maintenance::restore::{RestoreOptions, StagedRestore, stage_restore, verify_archive};
use crate::maintenance::start::finish;
use tallycam_config::{Config, Resolved};

/// Write a backup: settings, lines, zones, counts, added models and users in one file.
///
/// Keep the file private: it contains the camera's password in plain text and hashes of users' passwords. A running
/// service makes the backup and goes on. The backup is checked before it gets its name.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Output file, a tar archive
    #[arg(value_name = "FILE")]
    to: PathBuf,
    /// Include snapshots and recordings
    #[arg(long)]
    media: bool,
    /// Overwrite FILE
    #[arg(long)]
    force: bool,
}

impl BackupArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let resolved = given.load()?;
        if !self.force && self.to.exists() {
            return Err(already_exists(&self.to));
        }
        let head = write_atomically(&self.to, self.force, |part, beside| {
            restrict_to_owner(part).map_err(|error| write_failure(&self.to, &error))?;
            match Daemon::find(&resolved.config) {
                Some(daemon) => self.download(&daemon.with_timeout(WORKS_WITHIN), part)?,
                None => self.create_offline(given, &resolved, part)?,
            }
            let again = File::open(beside).map_err(|error| write_failure(&self.to, &error))?;
            Ok(verify_archive(BufReader::with_capacity(256 << 10, again))?)
        })?;
        let len = self.to.metadata().map(|about| about.len()).unwrap_or_default();
        let with = if head.media { "with" } else { "without" };
        print_stdout(&format!(
            "{}: {}, checked, {with} snapshots and recordings\n",
            self.to.display(),
            bytes(len)
        ))
    }

    fn download(&self, daemon: &Daemon, part: &mut File) -> Result<(), Failure> {
        let path = if self.media { "/api/v1/backup?media=1" } else { "/api/v1/backup" };
        let mut body =
            daemon.request("GET", path, RequestBody::Nothing)?.expect_success("there is no backup")?;
        io::copy(&mut body, part).map(drop).map_err(|error| write_failure(&self.to, &error))
    }

    fn create_offline(
        &self,
        given: &ConfigArgs,
        resolved: &Resolved,
        part: &mut File,
    ) -> Result<(), Failure> {
        let config = &resolved.config;
        let state = state_directory(config);
        let contents = Contents {
            settings: settings_file::read(&state).saved.to_toml(),
            state,
            name: config.name.clone(),
            config: given.read().file().map(Path::to_owned),
            pictures: !config.privacy.counts_only,
        };
        let mut own = if self.media { OwnCopy::open(config)? } else { None };
        let mut out = io::BufWriter::with_capacity(256 << 10, part);
        write(&contents, contents.copy_counts()?, own.as_mut().map(|own| &mut own.copy), &mut out)?;
        out.flush().map_err(|error| write_failure(&self.to, &error))
    }
}

/// Only the owner may read a backup.
fn restrict_to_owner(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Restore a backup: settings, lines, zones, counts and users.
///
/// Snapshots and recordings are replaced if the backup has them. The whole file is checked before anything changes. A
/// running service checks it and restarts with it.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file from `tallycam backup` or the page
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// Do not ask
    #[arg(long, short = 'y')]
    yes: bool,
}

/// The service's answer.
#[derive(Debug, Deserialize)]
struct Restored {
    name: String,
    made: String,
    users: Vec<String>,
    tokens: Vec<String>,
    #[serde(default)]
    open: bool,
}

impl From<StagedRestore> for Restored {
    fn from(StagedRestore { head, access }: StagedRestore) -> Restored {
        let RestoredAccess { users, tokens, is_open } = access;
        Restored { name: head.name, made: head.made, users, tokens, open: is_open }
    }
}

impl RestoreArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        let file = File::open(&self.from)
            .map_err(|error| Failure::io(format!("{} could not be read: {error}", self.from.display())))?;
        let what = format!(
            "Replace settings, lines, counts, users and tokens of {:?}, and its snapshots and recordings if the backup \
             has them?",
            config.name
        );
        if !self.yes && !confirm(&what, "what is replaced cannot be brought back")? {
            return print_stdout("nothing was restored\n");
        }
        let (Restored { name, made, users, tokens, open }, when) = match Daemon::find(&config) {
            Some(daemon) => {
                let sent = RequestBody::File(&file);
                let daemon = daemon.with_timeout(WORKS_WITHIN);
                (
                    daemon.json("POST", "/api/v1/restore", sent, "nothing was restored")?,
                    "the service restarts with it",
                )
            }
            None => {
                let state = state_directory(&config);
                let terms = RestoreOptions { floor: config.retention.min_free, by: None };
                let staged = stage_restore(&state, BufReader::with_capacity(256 << 10, file), terms)?;
                (staged.into(), apply_if_idle(&state, "it is in force"))
            }
        };
        let all = |who: &[String]| if who.is_empty() { String::from("none") } else { who.join(", ") };
        let open = if open { "it has no password: whoever reaches the camera can change it\n" } else { "" };
        print_stdout(&format!(
            "the backup of {name:?} of {made} is valid; {when}\nusers: {}\ntokens: {}\n{open}",
            all(&users),
            all(&tokens)
        ))
    }
}

/// Does the work of the next start at once, if no process has the state open.
fn apply_if_idle(state: &Path, done: &'static str) -> &'static str {
    match finish(state) {
        Ok(_) => done,
        Err(_) => "the next start of the service restores it",
    }
}

/// Factory reset: delete settings, lines, counts, snapshots, recordings and users.
///
/// The configuration file stays. On a card, tallycam.toml is applied again.
#[derive(Debug, Args)]
pub struct FactoryResetArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl FactoryResetArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        if !self.yes {
            confirm_camera_name(&config)?;
        }
        let when = match Daemon::find(&config) {
            Some(daemon) => {
                let name = json!({"name": fetch_camera_name(&daemon)?});
                let asked = daemon.request("POST", "/api/v1/factory-reset", RequestBody::Json(&name))?;
                asked.expect_success("nothing was removed")?;
                "the service restarts"
            }
            None => {
                let state = state_directory(&config);
                request_reset(&state)?;
                apply_if_idle(&state, "it is as new")
            }
        };
        print_stdout(&format!("everything is deleted; {when}\n"))
    }
}

fn fetch_camera_name(daemon: &Daemon) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct NameAnswer {
        name: String,
    }
    Ok(daemon.json::<NameAnswer>("GET", "/api/v1/state", RequestBody::Nothing, "nothing was removed")?.name)
}

/// Lets the user type the camera's name.
fn confirm_camera_name(config: &Config) -> Result<(), Failure> {
    let refused = |message: String| {
        Failure::failed(message).hint("nothing was removed; type the camera's name, or give --yes")
    };
    let mut err = io::stderr().lock();
    let asked = writeln!(
        err,
        "This deletes settings, lines, counts, snapshots, recordings and users of this camera.\nIts name, to confirm \
         ({}):",
        config.name
    );
    asked.and_then(|()| err.flush()).map_err(Failure::Output)?;
    let mut typed = String::new();
    io::stdin().read_line(&mut typed).map_err(|error| refused(format!("nothing could be read: {error}")))?;
    if typed.trim() == config.name.trim() {
        return Ok(());
    }
    Err(refused(format!("{:?} is not the name of this camera", typed.trim())))
}
