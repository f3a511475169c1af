//! Options that nearly every command takes: the configuration file, and keys for this run.

use std::iter::successors;
use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches as _};

use crate::daemon::settings::Started;
use tallycam_config::{Diagnostics, OperatorConfig, Resolved};

/// Options for the configuration. They may stand before the command or after it.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ConfigArgs {
    /// Configuration file; default: ./config.toml, else /etc/tallycam/config.toml, if it exists
    #[arg(id = "config", long = "config", value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Set a key for this run, for example --set stream.quality=90; may be repeated
    #[arg(id = "set", long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(in crate::cli) sets: Vec<String>,
}

impl ConfigArgs {
    /// Adds these options to `command`, before its own.
    pub(in crate::cli) fn add_to(command: Command) -> Command {
        // Not `augment_args(command)`: it replaces the description of `command` by that of this struct.
        let options = ConfigArgs::augment_args(Command::default());
        let mut order = options.get_arguments().count();
        let move_down = |own: Arg| {
            order += 1;
            own.display_order(order)
        };
        command.mut_args(move_down).args(options.get_arguments())
    }

    /// Adds these options to `command` and all below it, except groups, hidden commands, and `card`, which writes the
    /// configuration.
    ///
    /// Clap's `global` does not do: of `tallycam --set A media list --set B` it keeps only B.
    pub(in crate::cli) fn add_to_tree(command: Command) -> Command {
        if command.is_hide_set() || command.get_name() == "card" {
            return command;
        }
        let command = command.mut_subcommands(ConfigArgs::add_to_tree);
        if command.is_subcommand_required_set() { command } else { ConfigArgs::add_to(command) }
    }

    /// Collects the options from every level of the command line. The last file wins; all keys count.
    pub(in crate::cli) fn from_levels(matches: &ArgMatches) -> Result<ConfigArgs, clap::Error> {
        let mut all = ConfigArgs::default();
        let levels = successors(Some(matches), |level| Some(level.subcommand()?.1));
        // A debug build panics on an option that a level does not have.
        for level in levels.filter(|level| level.try_contains_id("config").is_ok()) {
            let ConfigArgs { file, sets } = ConfigArgs::from_arg_matches(level)?;
            all.file = file.or(all.file);
            all.sets.extend(sets);
        }
        Ok(all)
    }

    /// Reads the operator's configuration.
    pub(in crate::cli) fn read(&self) -> OperatorConfig {
        OperatorConfig::read(self.file.as_deref(), &self.sets, std::env::vars_os())
    }

    /// The configuration in force, including the settings of the page.
    pub(in crate::cli) fn load(&self) -> Result<Resolved, Diagnostics> {
        Ok(self.load_all()?.resolved)
    }

    /// As [`ConfigArgs::load`], with the complaints about the settings of the page.
    pub(in crate::cli) fn load_all(&self) -> Result<Started, Diagnostics> {
        Started::read(self.read())
    }
}
