//! Settings that are made while the daemon runs: what is in force, where each value comes from, and how others are put
//! in force. What is valid, how it takes effect and where it is kept is the business of whoever implements
//! [`Preferences`]; pages, the API, the old routes and the command line all go through it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use toml::de::DeValue;

use crate::config::keys::{self, SECTIONS};
use crate::config::{Resolved, control_of, kind};
use crate::http::request::problem::{Problem, WrongField, WrongValueOf};
use crate::store::media::RetentionPlan;

/// Settings as they are at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsInForce {
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

impl SettingsInForce {
    /// Everything that is wrong with it, for people; empty when all is well.
    pub fn faults(&self) -> String {
        let both = [self.complaint.as_str(), self.unkept.as_str()];
        both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// What a configuration with this text says, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub fn of(text: &str) -> SettingsInForce {
        let path = std::path::Path::new("c.toml");
        SettingsInForce {
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
pub type PreferenceChanges = BTreeMap<String, Option<String>>;

/// On what terms settings are changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Only if this is still the version in force.
    pub expected: Option<u64>,
    /// Whoever asks has confirmed that media are deleted.
    pub may_delete: bool,
}

impl From<Option<u64>> for Terms {
    fn from(expected: Option<u64>) -> Terms {
        Terms { expected, ..Terms::default() }
    }
}

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
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
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
    /// Media would be deleted at once, which nobody has confirmed.
    #[error("this would delete {0}, and nothing was changed")]
    Deletes(Box<RetentionPlan>),
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
    /// It could not be kept, and is not in force. Of what is of the moment ([`is_of_the_moment`]) it is in force all
    /// the same, and [`SettingsInForce::unkept`] says so.
    #[error("settings could not be written to {file}: {reason}")]
    NotKept {
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
pub type Changing<'a> = Pin<Box<dyn Future<Output = Result<Arc<SettingsInForce>, NotSet>> + Send + 'a>>;

/// Settings that can be changed while the daemon runs.
pub trait Preferences: fmt::Debug + Send + Sync {
    /// What is in force. Cheap: nothing is read.
    fn in_force(&self) -> Arc<SettingsInForce>;

    /// Checks `changes`, puts them in force and keeps them, in this order; done when they are on the disk. One change
    /// at a time: others wait, and where too many do one more is refused. What is of the moment ([`is_of_the_moment`])
    /// holds, too, when it cannot be kept; the next change that can be takes it along.
    ///
    /// # Errors
    /// [`NotSet`]: nothing has changed then.
    fn change(&self, changes: PreferenceChanges, terms: Terms) -> Changing<'_>;

    /// Everything that was set here, as a configuration file: what waits below the operator's value, too, and of
    /// secrets a stand-in. Where it is imported again at once, nothing changes.
    fn export(&self) -> String;

    /// Takes the place of everything that was set here.
    ///
    /// # Errors
    /// [`NotSet`]: nothing has changed then.
    fn import(&self, toml: String, terms: Terms) -> Changing<'_>;
}

impl From<WrongSetting> for WrongValueOf {
    fn from(wrong: WrongSetting) -> WrongValueOf {
        let WrongSetting { path, given, message, hint } = wrong;
        WrongValueOf { path, given: bare(given), message, hint }
    }
}

/// Nothing was changed, for what the page has shown is no longer so.
pub fn meanwhile() -> Problem {
    let detail = "Somebody else has set one of these meanwhile: nothing of yours was changed.";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
        .hint("The field shows the current value; send yours again to replace it.")
}

impl From<NotSet> for Problem {
    fn from(not: NotSet) -> Problem {
        let detail = not.to_string();
        match not {
            NotSet::Wrong(wrong) => {
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                let Some(WrongSetting { path, given, hint, .. }) = wrong.first().cloned() else {
                    return problem;
                };
                let range = taken_by(&path);
                let mut problem = Problem { hint, ..problem.wrong(path, range, bare(given)) };
                if let Some(first) = &mut problem.wrong {
                    first.errors = wrong.into_iter().map(WrongValueOf::from).collect();
                }
                problem
            }
            NotSet::Pinned { path, .. } => {
                let field = WrongField { field: path, ..WrongField::default() };
                Problem { wrong: Some(Box::new(field)), ..Problem::new(StatusCode::CONFLICT, detail) }
            }
            NotSet::Deletes(_) => Problem::new(StatusCode::CONFLICT, detail).hint(
                "it cannot be undone: to confirm it, send the same with ?confirm=1 (`--yes` of the command), or \
                 protect what is to stay",
            ),
            NotSet::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5),
            NotSet::TooMuch => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
                .hint("remove settings that are no longer needed, such as controls of former cameras"),
            NotSet::Changed => Problem::new(StatusCode::PRECONDITION_FAILED, detail)
                .hint("read the current ones, and change those"),
            NotSet::RolledBack { hint, .. } => Problem { hint, ..Problem::new(StatusCode::CONFLICT, detail) },
            NotSet::NotKept { .. } => Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail)
                .hint("`tallycam check` says what is wrong with the directory"),
        }
    }
}

/// What the setting `path` takes, in words; for what is no key those that there are in its place.
fn taken_by(path: &str) -> String {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    if control_of(path).is_some() || [keys::CONTROLS, keys::BY_CAMERA].contains(&section) {
        return String::from("a number, true or false");
    }
    // A place of a file whose keys nobody can tell.
    if path.contains(", column ") {
        return String::from("TOML");
    }
    let sections = || SECTIONS.iter().map(|section| section.name);
    let list = |names: Vec<String>| names.join(", ");
    match keys::find(section, name) {
        Some(key) if key.is_settable_on_page() => key.kind.describe_expected(),
        // Only the operator sets it.
        Some(_) => String::from("nothing"),
        None if keys::is_section(path) => String::from("a section of keys"),
        None if section.is_empty() => {
            let keys = keys::keys_of_section("").map(|key| key.path());
            format!("one of {}", list(keys.chain(sections().map(String::from)).collect()))
        }
        None if keys::is_section(section) => {
            format!("one of {}", list(keys::keys_of_section(section).map(|key| key.path()).collect()))
        }
        None => format!("one of the sections {}", list(sections().map(String::from).collect())),
    }
}

/// What was given for a setting, which is TOML, as it is told of everything else: a text without its quotes.
fn bare(given: String) -> String {
    match kind::parse_given(&given).map(|value| value.into_inner()) {
        Ok(DeValue::String(text)) => text.into_owned(),
        _ => given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_moment_are_switches() {
        let those: Vec<String> =
            keys::all().map(|key| key.path()).filter(|path| is_of_the_moment(path)).collect();
        let of = |section: &str| those.iter().filter(|path| path.starts_with(section)).count();
        assert_eq!((of("lights."), of("lights.") + of("picture.")), (4, those.len()), "{those:?}");
        for path in ["controls.\"usb\".focus_absolute", "source.controls.gain"] {
            assert!(is_of_the_moment(path), "{path}");
        }
    }
}
