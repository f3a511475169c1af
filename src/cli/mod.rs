//! The command line: one file per command, in folders by subject. The arguments' doc comments are the help text.
//!
//! Commands run on the main thread. Standard output carries only results. A [`Failure`] sets the exit code; standard
//! error shows it as `tallycam: …`, and a second line, `hint: …`, if there is a remedy.

mod camera;
mod card;
mod checking;
mod common;
mod counting;
mod examples;
mod media;
mod people;
mod service;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use camera::{controls, devices, focus, light, record, snapshot};
use checking::check;
use counting::{advise, count, counts, model, prove};
use people::{audit, password, users};
use service::{backup, completions, config, mqtt, serve, settings, status, update};

use crate::maintenance::update::describe_version;

pub use common::failure::Failure;
pub(in crate::cli) use common::{ConfigArgs, print_coloured, print_json, print_stdout, write_stdout};

/// Shows what a camera sees to any number of browsers, and counts what crosses a line.
#[derive(Debug, Parser)]
#[command(name = "tallycam", version = VERSION.as_str(), subcommand_required = true, arg_required_else_help = true)]
#[command(max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The version, and the build date if known.
static VERSION: LazyLock<String> = LazyLock::new(describe_version);

const EXIT_CODES: &str = "Exit codes: 0 done, 1 failed, 64 wrong usage, 69 no picture from the camera, \
                          74 a file or socket failed, 78 wrong configuration";

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Status(status::StatusArgs),
    Check(check::CheckArgs),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Devices(devices::DevicesArgs),
    Controls(controls::ControlsArgs),
    Settings(settings::SettingsDocument),
    #[command(subcommand)]
    Model(model::ModelCommand),
    Focus(focus::FocusArgs),
    Snapshot(snapshot::SnapshotArgs),
    Record(record::RecordArgs),
    Light(light::LightArgs),
    Count(count::CountArgs),
    Prove(prove::ProveArgs),
    #[command(subcommand)]
    Counts(counts::CountsCommand),
    #[command(subcommand)]
    Media(media::MediaCommand),
    #[command(subcommand)]
    Password(password::PasswordCommand),
    #[command(subcommand)]
    User(users::UserCommand),
    #[command(subcommand)]
    Token(users::TokenCommand),
    Link(users::LinkArgs),
    Audit(audit::AuditArgs),
    #[command(subcommand)]
    Mqtt(mqtt::BrokerCommand),
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Reset(backup::FactoryResetArgs),
    Update(update::UpdateArgs),
    #[command(subcommand)]
    Card(card::CardCommand),
    Completions(completions::CompletionsArgs),
}

/// The whole command line, from which manual pages and completions are made.
pub fn command() -> clap::Command {
    let command = Cli::command().mut_subcommands(ConfigArgs::add_to_tree);
    examples::with_examples(ConfigArgs::add_to(command))
}

/// Runs the command of `arguments`, which start with the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = command().try_get_matches_from(arguments).and_then(|matches| {
        Ok((Cli::from_arg_matches(&matches)?.command, ConfigArgs::from_levels(&matches)?))
    });
    let done = match parsed {
        Ok((command, given)) => match command {
            Command::Serve(command) => match command.advise[..] {
                [check, recording] => advise::run(&given, check, recording),
                _ => command.run(&given),
            },
            Command::Status(command) => command.run(&given),
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
            Command::Prove(command) => command.run(&given),
            Command::Counts(command) => command.run(&given),
            Command::Media(command) => command.run(&given),
            Command::Password(command) => command.run(&given),
            Command::User(command) => command.run(&given),
            Command::Token(command) => command.run(&given),
            Command::Link(command) => command.run(&given),
            Command::Audit(command) => command.run(&given),
            Command::Mqtt(command) => command.run(&given),
            Command::Backup(command) => command.run(&given),
            Command::Restore(command) => command.run(&given),
            Command::Reset(command) => command.run(&given),
            Command::Update(command) => command.run(&given),
            Command::Card(command) => command.run(),
            Command::Completions(command) => command.run(),
        },
        Err(error) => report_usage(&error),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Prints help and version, or turns an error into a usage error of our own form.
fn report_usage(error: &clap::Error) -> Result<(), Failure> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => print_coloured(&text),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Failure::Help(text)),
        _ => Err(usage_failure(&text)),
    }
}

/// Turns a clap error (`error: …`, indented details, `tip: …`, `Usage: …`) into one line and a hint.
fn usage_failure(text: &str) -> Failure {
    let mut message: Vec<&str> = Vec::new();
    let mut hints: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")) {
        if let Some(tip) = line.strip_prefix("tip: ") {
            hints.push(tip);
        } else if !line.is_empty() && !line.starts_with("For more information") {
            message.push(line.strip_prefix("error: ").unwrap_or(line));
        }
    }
    let words = message.join(" ").replace("number too large to fit in target type", "it is too large");
    let words = words.replace("invalid digit found in string", "it is no whole number");
    hints.truncate(1);
    let hint = hints.pop().map_or_else(
        || format!("`{} --help` explains the usage and has examples", meant_command(text)),
        str::to_owned,
    );
    Failure::usage(words).hint(hint)
}

/// The intended command, from the usage in clap's error: "tallycam count".
fn meant_command(text: &str) -> String {
    let usage = text.lines().find_map(|line| line.trim().strip_prefix("Usage: ")).unwrap_or("tallycam");
    let is_name =
        |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-');
    usage.split(' ').take_while(is_name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_missing_argument_hints_at_the_help_of_its_command() {
        let hint = |words: &[&str]| {
            let error = command().try_get_matches_from(words).map(drop);
            let Err(Failure::Usage { hint, .. }) =
                error.map_err(|error| usage_failure(&error.render().to_string()))
            else {
                return String::new();
            };
            hint.unwrap_or_default()
        };
        assert_eq!(
            hint(&["tallycam", "count"]),
            "`tallycam count --help` explains the usage and has examples"
        );
        assert_eq!(
            hint(&["tallycam", "media", "rename", "1"]),
            "`tallycam media rename --help` explains the usage and has examples"
        );
    }

    #[test]
    fn options_before_the_command_count() {
        let given = |line: &str| {
            let matches = command().try_get_matches_from(line.split(' ')).unwrap();
            ConfigArgs::from_levels(&matches).unwrap()
        };
        let all = given("tallycam --config a --set x=1 media list --config b --set x=2 --set x=3");
        assert_eq!(all.file, Some("b".into()));
        assert_eq!(all.sets, ["x=1", "x=2", "x=3"]);
        assert_eq!(given("tallycam --config a media list").file, Some("a".into()));
        assert_eq!(given("tallycam --config a card apply").file, Some("a".into()));
    }
}
