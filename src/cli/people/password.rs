//! `tallycam password status|set|random|remove`: through the running service, else in the file itself.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use clap::Subcommand;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::{Value, json};

use crate::access::{Access, AccessError, AccessGuard, random_password};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::daemon::counting::state_directory;
use tallycam_config::Config;

/// Set, generate or remove the admin's password
#[derive(Debug, Subcommand)]
pub enum PasswordCommand {
    /// Show whether there is a password, and where to find it.
    ///
    /// It is stored as a hash and cannot be read back. A first password that the service made is in the journal.
    #[command(alias = "show-how")]
    Status,
    /// Set a password, and end all sessions.
    ///
    /// It is prompted for twice, or read as one line if standard input is no terminal.
    Set,
    /// Generate a password, print it, and end all sessions.
    Random,
    /// Remove the password. Then anybody who reaches the camera can change it, and every page says so.
    Remove,
}

/// Message for a refusal of the service.
const UNDONE: &str = "the password has not changed";

/// Owner of the password file: the running service or this process.
enum PasswordFile {
    Daemon(Daemon),
    File(Access),
}

impl PasswordFile {
    fn from_config(config: &Config) -> PasswordFile {
        match Daemon::find(config) {
            Some(daemon) => PasswordFile::Daemon(daemon),
            None => PasswordFile::File(Access::open(&state_directory(config))),
        }
    }
}

impl PasswordCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        let config = given.load()?.config;
        match self {
            PasswordCommand::Status => print_how_to_set(&config),
            PasswordCommand::Set => set(&config, &read_password()?),
            PasswordCommand::Random => random(&config),
            PasswordCommand::Remove => remove(&config),
        }
    }
}

fn print_how_to_set(config: &Config) -> Result<(), Failure> {
    let (is_set, is_first, sessions, file) = match PasswordFile::from_config(config) {
        PasswordFile::Daemon(daemon) => {
            let what = "the service does not answer that";
            let report: Value = daemon.json("GET", "/api/v1/password", RequestBody::Nothing, what)?;
            // An admin also gets the sessions and the file.
            let file = report["file"].as_str().map(str::to_owned);
            (report["set"] == true, report["first"] == true, report["sessions"].as_u64(), file)
        }
        PasswordFile::File(access) => {
            if let AccessGuard::Unreadable(why) = access.guard() {
                let hint = Some(String::from("`tallycam password random` makes a new one"));
                return Err(Failure::Io { message: format!("the password cannot be read: {why}"), hint });
            }
            let file = access.file().display().to_string();
            let sessions = access.sessions(access.now_s()).len() as u64;
            (access.guard() == AccessGuard::Password, access.is_first(), Some(sessions), Some(file))
        }
    };
    print_stdout(&if is_set {
        let signed_in = match sessions {
            None => String::new(),
            Some(0) => String::from("; nobody is signed in"),
            Some(1) => String::from("; 1 browser is signed in"),
            Some(n) => format!("; {n} browsers are signed in"),
        };
        let place = file.map(|file| format!(" in {file}")).unwrap_or_default();
        let first = match is_first {
            true => "The first password is in the journal: journalctl -u tallycam -g password\n",
            false => "",
        };
        format!(
            "There is a password{signed_in}. It is stored{place} as a hash and cannot be read back.\n{first}\
             `tallycam password set` sets another one, `tallycam password random` makes one.\n"
        )
    } else {
        String::from(
            "There is no password: anybody who reaches the camera can change it.\n\
             `tallycam password set` sets one, `tallycam password random` makes one.\n",
        )
    })
}

fn set(config: &Config, password: &str) -> Result<(), Failure> {
    match PasswordFile::from_config(config) {
        PasswordFile::Daemon(daemon) => {
            let sent = json!({"password": password});
            let _: Value = daemon.json("PUT", "/api/v1/password", RequestBody::Json(&sent), UNDONE)?;
        }
        PasswordFile::File(access) => access.set(password).map_err(failure)?,
    }
    print_stdout("The password is set. All sessions have ended.\n")
}

fn random(config: &Config) -> Result<(), Failure> {
    let password = match PasswordFile::from_config(config) {
        PasswordFile::Daemon(daemon) => {
            let made: Value = daemon.json("POST", "/api/v1/password/random", RequestBody::Nothing, UNDONE)?;
            made["password"].as_str().unwrap_or_default().to_owned()
        }
        PasswordFile::File(access) => {
            let password = random_password().map_err(failure)?;
            access.set(&password).map_err(failure)?;
            password
        }
    };
    print_stdout(&format!("{password}\n"))
}

fn remove(config: &Config) -> Result<(), Failure> {
    match PasswordFile::from_config(config) {
        PasswordFile::Daemon(daemon) => {
            let _: Value = daemon.json("DELETE", "/api/v1/password", RequestBody::Nothing, UNDONE)?;
        }
        PasswordFile::File(access) => access.remove().map_err(failure)?,
    }
    print_stdout("The password is removed: anybody who reaches the camera can change it.\n")
}

fn failure(error: AccessError) -> Failure {
    let message = format!("{UNDONE}: {error}");
    match error {
        AccessError::NotKept { .. } => {
            Failure::io(message).hint("run it as the user that tallycam runs as, or as root")
        }
        AccessError::Claimed { .. } => Failure::failed(message).hint(
            "a service runs, but not at the addresses of this configuration: give its file with --config",
        ),
        _ => Failure::failed(message),
    }
}

/// Reads a password: typed twice without echo, or one line of standard input if that is no terminal.
pub(in crate::cli) fn read_password() -> Result<String, Failure> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return line();
    }
    let unseen = |prompt: &str| {
        // The prompt goes to standard error, because standard output is for results.
        let _ = write!(io::stderr(), "{prompt}: ");
        let shown = tcgetattr(&stdin).map_err(|error| stdin_failure(&error.into()))?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).map_err(|error| stdin_failure(&error.into()))?;
        let typed = line();
        let _ = tcsetattr(&stdin, OptionalActions::Flush, &shown);
        let _ = writeln!(io::stderr());
        typed
    };
    let password = unseen("New password")?;
    if unseen("Again")? == password {
        return Ok(password);
    }
    Err(Failure::failed(format!("{UNDONE}: the two are not the same")))
}

fn line() -> Result<String, Failure> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(|error| stdin_failure(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

fn stdin_failure(error: &io::Error) -> Failure {
    Failure::io(format!("{UNDONE}: standard input could not be read: {error}"))
}
