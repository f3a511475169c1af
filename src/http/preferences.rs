//! Settings that are made while the daemon runs: what is in force, where each value comes from, and how others are put
//! in force. What is valid, how it takes effect and where it is kept is the business of whoever implements
//! [`Preferences`]; pages, the API, the old routes and the command line all go through it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::config::Resolved;

/// Settings as they are at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct InForce {
    /// Another one after every change: what the ETag is made of.
    pub version: u64,
    /// Every value, and where it comes from.
    pub resolved: Arc<Resolved>,
    /// What is wrong with a file that was read, and what is in force instead; empty when all is well. For people.
    pub complaint: String,
    /// Why what was changed last is in force but not kept, a sentence; empty when all is kept.
    pub unkept: String,
    /// Keys that were changed and are in force only after a restart: `http.listen`.
    pub needs_restart: Vec<String>,
}

impl InForce {
    /// Everything that is wrong with it, for people; empty when all is well.
    pub fn faults(&self) -> String {
        let both = [self.complaint.as_str(), self.unkept.as_str()];
        both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// What a configuration with this text says, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub fn of(text: &str) -> InForce {
        let path = std::path::Path::new("c.toml");
        InForce {
            version: 1,
            resolved: Arc::new(crate::config::Config::from_text(path, text, &[], []).unwrap()),
            complaint: String::new(),
            unkept: String::new(),
            needs_restart: Vec::new(),
        }
    }
}

/// What is to be changed: for each key (`stream.quality`; of a camera's control `controls.IDENTITY.NAME`) its value as
/// TOML, or `None` for what the operator's file or the default says. All of it or nothing.
pub type Changes = BTreeMap<String, Option<String>>;

/// A value cannot be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// The key; of a file that is no TOML the place: `line 3, column 7`.
    pub path: String,
    /// What was given.
    pub given: String,
    /// What is wrong, and what was expected, in a sentence.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Settings were not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSet {
    /// Values mean nothing or are out of their range: nothing was changed.
    #[error("{}", list(.0))]
    Wrong(Vec<WrongSetting>),
    /// The operator sets this key elsewhere, and that goes before what is set here.
    #[error("{path} is set in {place} and can be changed only there")]
    Pinned {
        /// The key.
        path: String,
        /// Where: `config.toml:12`, `environment TALLYCAM_NAME`, `--set`.
        place: String,
    },
    /// As many changes wait for their turn as can.
    #[error("too many changes wait for their turn")]
    Busy,
    /// Their file would be too long to be read again.
    #[error("this would be more settings than there is room for: their file has 64 kB at most")]
    TooMuch,
    /// Somebody else has changed settings meanwhile.
    #[error("settings were changed by somebody else meanwhile")]
    Changed,
    /// It was tried, did not work, and everything is as it was.
    #[error("{reason}; everything is as it was")]
    RolledBack {
        /// What did not work.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It could not be kept, and is not in force. Of what is of the moment ([`is_of_the_moment`]) it is in force all the
    /// same, and [`InForce::unkept`] says so.
    #[error("settings could not be written to {file}: {reason}")]
    NotKept {
        /// The file.
        file: String,
        /// What the operating system said.
        reason: String,
    },
}

fn list(wrong: &[WrongSetting]) -> String {
    wrong.iter().map(|wrong| wrong.message.as_str()).collect::<Vec<_>>().join(" ")
}

/// Whether the setting `path` is a switch to be turned here and now, which has to work when the disk is full or can
/// only be read: the light, the picture, and the camera's own controls, of which the lens is one.
pub fn is_of_the_moment(path: &str) -> bool {
    matches!(path, "lights.on" | "lights.brightness" | "lights.color" | "lights.ranges")
        || ["picture.", "source.controls.", "controls."].iter().any(|section| path.starts_with(section))
}

/// A change that is under way.
pub type Changing<'a> = Pin<Box<dyn Future<Output = Result<Arc<InForce>, NotSet>> + Send + 'a>>;

/// Settings that can be changed while the daemon runs.
pub trait Preferences: fmt::Debug + Send + Sync {
    /// What is in force. Cheap: nothing is read.
    fn in_force(&self) -> Arc<InForce>;

    /// Checks `changes`, puts them in force and keeps them, in this order; done when they are on the disk. With
    /// `expected`, only if that is still the version. One change at a time: others wait, and where too many do one more is
    /// refused. What is of the moment ([`is_of_the_moment`]) holds, too, when it cannot be kept; the next change that can
    /// be takes it along.
    ///
    /// # Errors
    /// [`NotSet`]: nothing has changed then.
    fn change(&self, changes: Changes, expected: Option<u64>) -> Changing<'_>;

    /// Everything that was set here, as a configuration file: what waits below the operator's value, too, and of secrets
    /// a stand-in. Where it is imported again at once, nothing changes.
    fn export(&self) -> String;

    /// Takes the place of everything that was set here. With `expected`, only if that is still the version.
    ///
    /// # Errors
    /// [`NotSet`]: nothing has changed then.
    fn import(&self, toml: String, expected: Option<u64>) -> Changing<'_>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::KEYS;

    #[test]
    fn what_is_of_the_moment_are_switches() {
        let those: Vec<String> =
            KEYS.iter().map(|key| key.path()).filter(|path| is_of_the_moment(path)).collect();
        let of = |section: &str| those.iter().filter(|path| path.starts_with(section)).count();
        assert_eq!((of("lights."), of("lights.") + of("picture.")), (4, those.len()), "{those:?}");
        for path in ["controls.\"usb\".focus_absolute", "source.controls.gain"] {
            assert!(is_of_the_moment(path), "{path}");
        }
    }
}
