//! The command line: one file per command, whose doc comments are the help.
//!
//! Runs on the main thread. What was asked for goes to standard output and nothing else does;
//! what went wrong goes to standard error as `tallycam: …` and perhaps `hint: …`, and decides the
//! exit code ([`Failure`]).

mod audit;
mod backup;
mod card;
mod check;
mod config;
mod controls;
mod count;
mod count_report;
mod counts;
mod daemon;
mod devices;
mod failure;
mod focus;
mod light;
mod listening;
mod media;
mod model;
mod password;
mod people;
mod placing;
mod record;
mod recount;
mod report;
mod serve;
mod settings;
mod snapshot;
mod update;
mod wiring;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{Complaints, Operator, Resolved};
use crate::daemon::preferences::Started;
use crate::maintenance::update::version_in_words;

pub use failure::Failure;

/// Shows what a camera sees to any number of browsers.
#[derive(Debug, Parser)]
#[command(name = "tallycam", version = VERSION.as_str(), subcommand_required = true, arg_required_else_help = true)]
#[command(max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    given: Given,
    #[command(subcommand)]
    command: Command,
}

/// The version, and when it was built where that is known.
static VERSION: LazyLock<String> = LazyLock::new(version_in_words);

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 64 wrong usage, 69 no picture from the camera, \
                          74 a file or socket failed, 78 wrong configuration";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Check(check::Check),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Devices(devices::Devices),
    Controls(controls::Controls),
    Settings(settings::Settings),
    #[command(subcommand)]
    Model(model::ModelCommand),
    Focus(focus::Focus),
    Snapshot(snapshot::Snapshot),
    Record(record::Record),
    Light(light::Light),
    Count(count::Count),
    #[command(subcommand)]
    Counts(counts::CountsCommand),
    #[command(subcommand)]
    Media(media::MediaCommand),
    #[command(subcommand)]
    Password(password::PasswordCommand),
    #[command(subcommand)]
    User(people::UserCommand),
    #[command(subcommand)]
    Token(people::TokenCommand),
    Link(people::Link),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(backup::Restore),
    Reset(backup::Reset),
    Update(update::Update),
    #[command(subcommand)]
    Card(card::CardCommand),
}

/// Where the configuration is to be found. May stand before the command or after it.
#[derive(Debug, Clone, Default, Args)]
struct Given {
    /// Configuration file; default: ./config.toml, else /etc/tallycam/config.toml, if it exists
    #[arg(long = "config", value_name = "FILE")]
    file: Option<PathBuf>,
    /// Set a key for this run, for example --set stream.quality=90; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
}

impl Given {
    /// What was given before a command and after it, together; what stands later goes before.
    fn and(&self, later: &Given) -> Given {
        Given {
            file: later.file.clone().or_else(|| self.file.clone()),
            sets: self.sets.iter().chain(&later.sets).cloned().collect(),
        }
    }

    /// What the operator gives.
    fn read(&self) -> Operator {
        Operator::read(self.file.as_deref(), &self.sets, std::env::vars_os())
    }

    /// The configuration in force, with what was set on the page.
    fn load(&self) -> Result<Resolved, Complaints> {
        Ok(self.load_all()?.resolved)
    }

    /// The same, with what is wrong with what was set on the page.
    fn load_all(&self) -> Result<Started, Complaints> {
        Started::read(self.read())
    }
}

/// The whole command line as clap knows it: what manual pages and completions are made of.
pub fn command() -> clap::Command {
    <Cli as clap::CommandFactory>::command()
}

/// Runs the command that `arguments` (the program's name first) ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match Cli::try_parse_from(arguments) {
        Ok(Cli { given, command }) => match command {
            Command::Serve(command) => command.run(&given),
            Command::Check(command) => command.run(&given),
            Command::Config(command) => command.run(&given),
            Command::Devices(command) => command.run(),
            Command::Controls(command) => command.run(&given),
            Command::Settings(command) => command.run(&given),
            Command::Model(command) => command.run(&given),
            Command::Focus(command) => command.run(&given),
            Command::Snapshot(command) => command.run(&given),
            Command::Record(command) => command.run(&given),
            Command::Light(command) => command.run(&given),
            Command::Count(command) => command.run(&given),
            Command::Counts(command) => command.run(&given),
            Command::Media(command) => command.run(&given),
            Command::Password(command) => command.run(&given),
            Command::User(command) => command.run(&given),
            Command::Token(command) => command.run(&given),
            Command::Link(command) => command.run(&given),
            Command::Audit(command) => command.run(&given),
            Command::Backup(command) => command.run(&given),
            Command::Restore(command) => command.run(&given),
            Command::Reset(command) => command.run(&given),
            Command::Update(command) => command.run(&given),
            Command::Card(command) => command.run(),
        },
        Err(error) => not_understood(&error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help and version, which were asked for, or a usage error in our own form.
fn not_understood(error: &clap::Error) -> Result<(), Failure> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => print(&text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Failure::Help(text)),
        _ => Err(usage(&text)),
    }
}

/// A clap error (`error: …`, indented details, `tip: …`, `Usage: …`) as one line and a hint.
fn usage(text: &str) -> Failure {
    let mut message: Vec<&str> = Vec::new();
    let mut hints: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip);
        } else if !line.is_empty() && !line.starts_with("For more information") {
            message.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    hints.truncate(1);
    let hint =
        hints.pop().map_or_else(|| String::from("`tallycam --help` explains the usage"), str::to_owned);
    Failure::Usage { message: message.join(" "), hint: Some(hint) }
}

/// Writes `text` to standard output.
fn print(text: &str) -> Result<(), Failure> {
    write_out(text.as_bytes())
}

/// Writes `bytes` to standard output.
fn write_out(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(Failure::Output)
}

/// Writes `value` to standard output as indented JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Failed {
        message: format!("no JSON could be made: {error}"),
        hint: None,
    })?;
    print(&format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn what_stands_before_the_command_is_not_lost() {
        let before = Given { file: Some("a".into()), sets: vec!["x=1".into()] };
        let after = Given { file: Some("b".into()), sets: vec!["x=2".into()] };
        let both = before.and(&after);
        assert_eq!((both.file, both.sets), (Some("b".into()), vec!["x=1".into(), "x=2".into()]));
        assert_eq!(before.and(&Given::default()).file, Some("a".into()));
    }
}
