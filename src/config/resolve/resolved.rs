//! What holds, and where each value is from.

use std::fmt;
use std::path::PathBuf;

use crate::config::{Config, keys};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The table of keys.
    Default,
    /// It was set on the page, by the API or on the command line of a running daemon, and is kept in this file.
    Page {
        /// `settings.toml` in the state directory.
        file: PathBuf,
        /// The line, from 1; 0 where it is kept in a database.
        line: usize,
    },
    /// The file, at this line (from 1).
    File {
        /// The file as it was named.
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
    /// One lower-case word for programs: `default`, `page`, `file`, `environment`, `command_line`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::Page { .. } => "page",
            Origin::File { .. } => "file",
            Origin::Environment(_) => "environment",
            Origin::CommandLine => "command_line",
        }
    }

    /// Whether the operator has set it, so that it cannot be set on the page.
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

/// One value in force, as it may be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedSetting {
    /// `section.key`; a camera control is `source.controls.NAME`, that of a certain camera
    /// `controls."IDENTITY".NAME`.
    pub path: String,
    /// The value as TOML (which is JSON, too): a secret as `"***"`, of a URL scheme and host, of a command its program.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// A configuration with the origin of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// What is in force.
    pub config: Config,
    /// Every key in the order of the shipped file, camera controls after `source`.
    pub settings: Vec<ResolvedSetting>,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
}

impl Resolved {
    /// Where the value of `path` (`section.key`) came from; `None` for what is no key.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        self.setting(path).map(|setting| &setting.origin)
    }

    /// The value of `path` and where it came from.
    pub fn setting(&self, path: &str) -> Option<&ResolvedSetting> {
        self.settings.iter().find(|setting| setting.path == path)
    }

    /// Puts another value in the place of that of the key `path`: one that is kept elsewhere. Whether it is one for it.
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
