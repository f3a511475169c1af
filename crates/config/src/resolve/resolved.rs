//! The values in force, with their origins.

use std::fmt;
use std::path::PathBuf;

use crate::{Config, keys};

/// Origin of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The table of keys.
    Default,
    /// Set on the page, by the API or by a command of the running service, and stored in this file.
    Page {
        /// `settings.toml` in the state directory.
        file: PathBuf,
        /// The line, from 1; 0 if it is stored in a database.
        line: usize,
    },
    /// The file, at this line.
    File {
        /// The file's path as it was given.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// This environment variable.
    Environment(String),
    /// `--set`.
    CommandLine,
}

impl Origin {
    /// A lower-case word for programs: `default`, `page`, `file`, `environment`, `command_line`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Page { .. } => "page",
            Origin::File { .. } => "file",
            Origin::Environment(_) => "environment",
            Origin::CommandLine => "command_line",
        }
    }

    /// The operator has set the value, so it cannot be changed on the page.
    pub fn is_operators(&self) -> bool {
        match self {
            Origin::Default | Origin::Page { .. } => false,
            Origin::File { .. } | Origin::Environment(_) | Origin::CommandLine => true,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Page { file, line: 0 } => write!(f, "{}", file.display()),
            Origin::Page { file, line } | Origin::File { file, line } => {
                write!(f, "{}:{line}", file.display())
            }
            Origin::Environment(variable) => write!(f, "environment {variable}"),
            Origin::CommandLine => f.write_str("--set"),
        }
    }
}

/// A value in force, in its redacted form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSetting {
    /// `section.key`. A control of the open camera is `source.controls.NAME`, of a single camera
    /// `controls."IDENTITY".NAME`.
    pub path: String,
    /// The value as TOML (also valid JSON). A secret is `"***"`; a URL keeps scheme and host, a command its program.
    pub value: String,
    /// Origin of the value.
    pub origin: Origin,
}

/// A configuration with the origins of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The values in force.
    pub config: Config,
    /// All keys in the order of the shipped file; camera controls follow `source`.
    pub settings: Vec<ResolvedSetting>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

impl Resolved {
    /// Origin of the value of `path` (`section.key`); `None` for an unknown key.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.setting(path).map(|setting| &setting.origin)
    }

    /// The value of `path` with its origin.
    pub fn setting(&self, path: &str) -> Option<&ResolvedSetting> {
        self.settings.iter().find(|setting| setting.path == path)
    }

    /// Replaces the value of the key `path` by one that is stored elsewhere. Returns true if it is valid.
    pub fn override_value(&mut self, path: &str, toml: &str, origin: Origin) -> bool {
        let Some(key) = keys::find_path(path) else { return false };
        let Some(setting) = self.settings.iter_mut().find(|setting| setting.path == path) else {
            return false;
        };
        match key.kind.apply_text(toml, &mut self.config) {
            Ok(value) => {
                (setting.value, setting.origin) = (value, origin);
                true
            }
            Err(_) => false,
        }
    }
}
