//! `tallycam config check|show|default`.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::common::failure::CONFIGURATION;
use crate::cli::{ConfigArgs, Failure, print_json, print_stdout};
use crate::daemon::settings::Started;
use tallycam_config::{Origin, Resolved, default_text};

/// Check, show or write the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration and show all errors.
    Check,
    Show(ConfigShowArgs),
    /// Print the default configuration: every key explained, commented out.
    Default,
}

/// Show every value in force and its origin.
///
/// The output is a configuration itself. "***" stands for passwords, and for all of a URL but its host and of a command
/// but its program.
#[derive(Debug, Args)]
pub struct ConfigShowArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl ConfigCommand {
    /// Runs the command.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        match self {
            ConfigCommand::Check => {
                let read = given.load_all()?;
                print_stdout(&format!("{}\n", summary(&read.resolved)))?;
                match read.found.complaint.as_str() {
                    "" => Ok(()),
                    complaint => {
                        print_stdout(&format!("\n{complaint}\n"))?;
                        Err(Failure::AlreadyReported(CONFIGURATION))
                    }
                }
            }
            ConfigCommand::Show(show) => {
                let Started { resolved, found, .. } = given.load_all()?;
                let complaint = &found.complaint;
                if show.json {
                    print_json(&as_json(&resolved, complaint))
                } else {
                    print_stdout(&as_toml(&resolved, complaint))
                }
            }
            ConfigCommand::Default => print_stdout(&default_text()),
        }
    }
}

/// Summary of a valid configuration: "config.toml is good: 3 keys set in it, 1 elsewhere".
pub fn summary(resolved: &Resolved) -> String {
    let count = |is: fn(&Origin) -> bool| resolved.settings.iter().filter(|s| is(&s.origin)).count();
    let in_file = count(|origin| matches!(origin, Origin::File { .. }));
    let elsewhere = count(|origin| matches!(origin, Origin::Environment(_) | Origin::CommandLine));
    let on_page = count(|origin| matches!(origin, Origin::Page { .. }));
    let keys = |n: usize| if n == 1 { String::from("1 key") } else { format!("{n} keys") };
    let mut also = match elsewhere {
        0 => String::new(),
        n => format!(", {} set by the environment or the command line", keys(n)),
    };
    if on_page > 0 {
        also.push_str(&format!(", {} set on the page", keys(on_page)));
    }
    match &resolved.file {
        Some(file) => format!("{} is good: {} set in it{also}", file.display(), keys(in_file)),
        None if also.is_empty() => String::from("no configuration file: everything is at its default"),
        None => format!("no configuration file{also}"),
    }
}

/// Column of the origins, in characters.
const ORIGINS_AT: usize = 36;

fn as_toml(resolved: &Resolved, complaint: &str) -> String {
    let mut out = match &resolved.file {
        Some(file) => format!("# {}\n", file.display()),
        None => String::from("# no configuration file\n"),
    };
    for line in complaint.lines() {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
    let mut section = "";
    for setting in &resolved.settings {
        let (of, name) = setting.path.rsplit_once('.').unwrap_or(("", &setting.path));
        if of != section {
            out.push_str(&format!("\n[{of}]\n"));
            section = of;
        }
        let line = format!("{name} = {}", setting.value);
        out.push_str(&format!("{line:<ORIGINS_AT$} # {}\n", setting.origin));
    }
    out
}

fn as_json(resolved: &Resolved, complaint: &str) -> Value {
    let values: Map<String, Value> = resolved
        .settings
        .iter()
        .map(|setting| {
            let value: Value = serde_json::from_str(&setting.value).unwrap_or_default();
            let mut entry = json!({"value": value, "origin": setting.origin.as_str()});
            match &setting.origin {
                Origin::File { line, .. } => entry["line"] = json!(line),
                Origin::Page { file, line } => {
                    entry["file"] = json!(file.display().to_string());
                    entry["line"] = json!(line);
                }
                Origin::Environment(variable) => entry["variable"] = json!(variable),
                Origin::Default | Origin::CommandLine => {}
            }
            (setting.path.clone(), entry)
        })
        .collect();
    let file = resolved.file.as_ref().map(|file| file.display().to_string());
    let mut all = json!({"file": file, "values": values});
    if !complaint.is_empty() {
        all["complaint"] = json!(complaint);
    }
    all
}
