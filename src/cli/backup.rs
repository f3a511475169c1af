//! `tallycam backup`, `restore` and `reset`: the state of the camera as a whole.

use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use super::daemon::{Daemon, Sent, WORKS_WITHIN};
use super::media::{OwnCopy, bytes};
use super::placing::{is_there, not_written, place};
use super::{Failure, Given, print};
use crate::config::{Config, Resolved};
use crate::daemon::counting::state_directory;
use crate::maintenance::backup::{Contents, Head, write};
use crate::maintenance::restore::{Terms, lay, verify};
use crate::maintenance::start::finish;
use crate::maintenance::{Fault, want_reset};

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let (message, hint) = (fault.to_string(), fault.hint().map(String::from));
        match fault {
            Fault::System { .. } => Failure::Io { message, hint },
            _ => Failure::Failed { message, hint },
        }
    }
}

/// Write a backup: settings, lines, zones, counts, added models and users in one file.
///
/// Keep the file private: it contains the camera's password in plain text and hashes of users' passwords. A running
/// service makes the backup and goes on. The backup is checked before it gets its name.
#[derive(Debug, Args)]
pub struct Backup {
    #[command(flatten)]
    given: Given,
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

impl Backup {
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let given = given.and(&self.given);
        let resolved = given.load()?;
        if !self.force && self.to.exists() {
            return Err(is_there(&self.to));
        }
        let head = place(&self.to, self.force, |part, beside| {
            keep_private(part).map_err(|error| not_written(&self.to, &error))?;
            match Daemon::find(&resolved.config) {
                Some(daemon) => self.ask(&daemon.patient(WORKS_WITHIN), part)?,
                None => self.make(&given, &resolved, part)?,
            }
            let again = File::open(beside).map_err(|error| not_written(&self.to, &error))?;
            Ok(verify(BufReader::with_capacity(256 << 10, again))?)
        })?;
        let len = self.to.metadata().map(|about| about.len()).unwrap_or_default();
        let with = if head.media { "with" } else { "without" };
        print(&format!("{}: {}, checked, {with} snapshots and recordings\n", self.to.display(), bytes(len)))
    }

    fn ask(&self, daemon: &Daemon, part: &mut File) -> Result<(), Failure> {
        let path = if self.media { "/api/v1/backup?media=1" } else { "/api/v1/backup" };
        let mut body = daemon.ask("GET", path, Sent::Nothing)?.done("there is no backup")?.body();
        io::copy(&mut body, part).map(drop).map_err(|error| not_written(&self.to, &error))
    }

    fn make(&self, given: &Given, resolved: &Resolved, part: &mut File) -> Result<(), Failure> {
        let config = &resolved.config;
        let contents = Contents {
            state: state_directory(config),
            name: config.name.clone(),
            config: given.read().file().map(Path::to_owned),
            pictures: !config.privacy.counts_only,
        };
        let mut own = if self.media { OwnCopy::begin(config)? } else { None };
        let mut out = io::BufWriter::with_capacity(256 << 10, part);
        write(&contents, own.as_mut().map(|own| &mut own.copy), &mut out)?;
        out.flush().map_err(|error| not_written(&self.to, &error))
    }
}

/// It is for its owner only.
fn keep_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Restore a backup: settings, lines, zones, counts and users.
///
/// Snapshots and recordings are replaced if the backup has them. The whole file is checked before anything changes. A
/// running service checks it and restarts with it.
#[derive(Debug, Args)]
pub struct Restore {
    #[command(flatten)]
    given: Given,
    /// A file from `tallycam backup` or the page
    #[arg(value_name = "FILE")]
    from: PathBuf,
}

/// What a daemon answers.
#[derive(Debug, Deserialize)]
struct Restored {
    name: String,
    made: String,
}

impl From<Head> for Restored {
    fn from(Head { name, made, .. }: Head) -> Restored {
        Restored { name, made }
    }
}

impl Restore {
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.and(&self.given).load()?.config;
        let mut file = File::open(&self.from).map_err(|error| Failure::Io {
            message: format!("{} could not be read: {error}", self.from.display()),
            hint: None,
        })?;
        let (Restored { name, made }, when) = match Daemon::find(&config) {
            Some(daemon) => {
                let sent = Sent::File(&mut file);
                let daemon = daemon.patient(WORKS_WITHIN);
                (
                    daemon.json("POST", "/api/v1/restore", sent, "nothing was restored")?,
                    "the service restarts with it",
                )
            }
            None => {
                let state = state_directory(&config);
                let terms = Terms { floor: config.retention.min_free, by: None };
                let head = lay(&state, BufReader::with_capacity(256 << 10, file), terms)?;
                (head.into(), carried_out(&state, "it is in force"))
            }
        };
        print(&format!("the backup of {name:?} of {made} is valid; {when}\n"))
    }
}

/// Does at once what the next start would do, where nobody has the state.
fn carried_out(state: &Path, done: &'static str) -> &'static str {
    match finish(state) {
        Ok(_) => done,
        Err(_) => "the next start of the service restores it",
    }
}

/// Factory reset: delete settings, lines, counts, snapshots, recordings and users.
///
/// The configuration file stays. On a card, tallycam.toml is applied again.
#[derive(Debug, Args)]
pub struct Reset {
    #[command(flatten)]
    given: Given,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

impl Reset {
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let config = given.and(&self.given).load()?.config;
        if !self.yes {
            confirm(&config)?;
        }
        let when = match Daemon::find(&config) {
            Some(daemon) => {
                let name = json!({"name": name_in_force(&daemon)?});
                let asked = daemon.ask("POST", "/api/v1/factory-reset", Sent::Json(&name))?;
                asked.done("nothing was removed")?;
                "the service restarts"
            }
            None => {
                let state = state_directory(&config);
                want_reset(&state)?;
                carried_out(&state, "it is as new")
            }
        };
        print(&format!("everything is deleted; {when}\n"))
    }
}

/// The camera's name, as the daemon has it.
fn name_in_force(daemon: &Daemon) -> Result<String, Failure> {
    #[derive(Deserialize)]
    struct State {
        name: String,
    }
    Ok(daemon.json::<State>("GET", "/api/v1/state", Sent::Nothing, "nothing was removed")?.name)
}

/// Has the camera's name typed.
fn confirm(config: &Config) -> Result<(), Failure> {
    let refused = |message: String| Failure::Failed {
        message,
        hint: Some(String::from("nothing was removed; type the camera's name, or give --yes")),
    };
    let mut err = io::stderr().lock();
    let asked = writeln!(
        err,
        "This deletes settings, lines, counts, snapshots, recordings and users of this camera.\nIts name, to confirm ({}):",
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
