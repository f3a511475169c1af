//! What stands beside every command: where the configuration is, and keys for this run.

use std::path::PathBuf;

use clap::Args;

use crate::config::{Diagnostics, OperatorConfig, Resolved};
use crate::daemon::settings::Started;

/// Where the configuration is to be found. May stand before the command or after it.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct ConfigArgs {
    /// Configuration file; default: ./config.toml, else /etc/tallycam/config.toml, if it exists
    #[arg(long = "config", value_name = "FILE")]
    pub(in crate::cli) file: Option<PathBuf>,
    /// Set a key for this run, for example --set stream.quality=90; may be repeated
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    pub(in crate::cli) sets: Vec<String>,
}

impl ConfigArgs {
    /// What was given before a command and after it, together; what stands later goes before.
    pub(in crate::cli) fn merge(&self, later: &ConfigArgs) -> ConfigArgs {
        ConfigArgs {
            file: later.file.clone().or_else(|| self.file.clone()),
            sets: self.sets.iter().chain(&later.sets).cloned().collect(),
        }
    }

    /// What the operator gives.
    pub(in crate::cli) fn read(&self) -> OperatorConfig {
        OperatorConfig::read(self.file.as_deref(), &self.sets, std::env::vars_os())
    }

    /// The configuration in force, with what was set on the page.
    pub(in crate::cli) fn load(&self) -> Result<Resolved, Diagnostics> {
        Ok(self.load_all()?.resolved)
    }

    /// The same, with what is wrong with what was set on the page.
    pub(in crate::cli) fn load_all(&self) -> Result<Started, Diagnostics> {
        Started::read(self.read())
    }
}
