//! Settings that change while the service runs: the values in force, their origin, and the way to change them. An
//! implementation of [`Preferences`] validates, applies and stores them. Pages, the API, the old routes and the
//! command line all use it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use hyper::StatusCode;
use toml::de::DeValue;

use crate::http::request::problem::{Problem, WrongField, WrongValueOf};
use tallycam_base::Fault;
use tallycam_config::keys::{self, SECTIONS};
use tallycam_config::{Resolved, control_of, kind};
use tallycam_store::media::RetentionPlan;

/// Settings as they are at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsInForce {
    /// Differs after every change; the ETag is made of it.
    pub version: u64,
    /// Every value with its origin.
    pub resolved: Arc<Resolved>,
    /// The fault of a configuration file and the values in force instead, for people; empty if all is well.
    pub complaint: String,
    /// Why the last change is in force but not stored, as a sentence; empty if all is stored.
    pub unsaved: String,
    /// Changed keys that need a restart, for example `http.listen`.
    pub needs_restart: Vec<String>,
}

impl SettingsInForce {
    /// Everything that is wrong, for people; empty if all is well.
    pub fn faults(&self) -> String {
        let both = [self.complaint.as_str(), self.unsaved.as_str()];
        both.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n")
    }

    /// The settings of a configuration with this text, for tests.
    #[cfg(test)]
    #[allow(clippy::unwrap_used)]
    pub fn of(text: &str) -> SettingsInForce {
        let path = std::path::Path::new("c.toml");
        SettingsInForce {
            version: 1,
            resolved: Arc::new(tallycam_config::Config::from_text(path, text, &[], []).unwrap()),
            complaint: String::new(),
            unsaved: String::new(),
            needs_restart: Vec::new(),
        }
    }
}

/// Changes by key (`stream.quality`, or `controls.IDENTITY.NAME` for a camera's control). A value is TOML; `None`
/// returns to the operator's file or the default. All changes apply, or none.
pub type PreferenceChanges = BTreeMap<String, Option<String>>;

/// Conditions of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Terms {
    /// Only if this version is still in force.
    pub expected: Option<u64>,
    /// The caller has confirmed that media will be deleted.
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
    /// The key; for a file that is not TOML the place: `line 3, column 7`.
    pub path: String,
    /// The given value.
    pub given: String,
    /// A sentence: what is wrong and what was expected.
    pub message: String,
    /// A remedy.
    pub hint: Option<String>,
}

/// Why settings were not changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotSet {
    /// Values are malformed or out of range.
    #[error("{}", list(.0))]
    Wrong(Vec<WrongSetting>),
    /// The operator pins this key elsewhere.
    #[error("`{path}` is set in `{place}` and can be changed only there")]
    Pinned {
        /// The key.
        path: String,
        /// The place: `config.toml:12`, `environment TALLYCAM_NAME`, `--set`.
        place: String,
    },
    /// The change would delete media, and nobody has confirmed it.
    #[error("this would delete {0}, and nothing was changed")]
    Deletes(Box<RetentionPlan>),
    /// The queue of changes is full.
    #[error("too many changes wait for their turn")]
    Busy,
    /// Somebody else has changed settings meanwhile.
    #[error("settings were changed by somebody else meanwhile")]
    Changed,
    /// The change was tried, failed, and was undone.
    #[error("{0}; everything is as it was")]
    RolledBack(Fault),
    /// The settings would be too long to be read again, or could not be stored and are not in force. An immediate
    /// setting ([`is_of_the_moment`]) that is not stored stays in force, and [`SettingsInForce::unsaved`] says so.
    #[error(transparent)]
    Fault(#[from] Fault),
}

fn list(wrong: &[WrongSetting]) -> String {
    wrong.iter().map(|wrong| wrong.message.as_str()).collect::<Vec<_>>().join(" ")
}

/// True if the setting `path` is an immediate switch: the light, the picture, or one of the camera's own controls,
/// which include the lens. It must work with a full or read-only disk.
pub fn is_of_the_moment(path: &str) -> bool {
    matches!(path, "lights.on" | "lights.brightness" | "lights.color" | "lights.ranges")
        || ["picture.", "source.controls.", "controls."].iter().any(|section| path.starts_with(section))
}

/// A change under way.
pub type Changing<'a> = Pin<Box<dyn Future<Output = Result<Arc<SettingsInForce>, NotSet>> + Send + 'a>>;

/// Settings that can be changed while the service runs.
pub trait Preferences: fmt::Debug + Send + Sync {
    /// The settings in force. Cheap: no file is read.
    fn in_force(&self) -> Arc<SettingsInForce>;

    /// Checks `changes`, applies them and stores them, in this order; completes when they are on the disk. Changes
    /// run one at a time; further ones wait, and are refused if too many wait. Immediate settings
    /// ([`is_of_the_moment`]) stay in force even if they cannot be stored; the next successful change stores them
    /// too.
    ///
    /// # Errors
    /// [`NotSet`]: nothing has changed then.
    fn change(&self, changes: PreferenceChanges, terms: Terms) -> Changing<'_>;

    /// Everything that was set here, as a configuration file. It includes values that the operator's file overrides,
    /// and a placeholder for each secret. Importing it at once changes nothing.
    fn export(&self) -> String;

    /// `settings.toml` as it is in force, whatever has happened to the file, with secrets: for a backup.
    fn stored(&self) -> String;

    /// Replaces everything that was set here.
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

/// The refusal of a change whose page has shown outdated values.
pub fn meanwhile() -> Problem {
    let detail = "Somebody else has set one of these meanwhile: nothing of yours was changed.";
    Problem::new(StatusCode::PRECONDITION_FAILED, detail)
        .hint("Look at the newer value; send yours again to replace it.")
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
                "it cannot be undone: protect what is to stay. Send the same with `?confirm=1` (`--yes` of the command) \
                 to confirm it",
            ),
            NotSet::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(5),
            NotSet::Changed => Problem::new(StatusCode::PRECONDITION_FAILED, detail)
                .hint("read the current ones, and change those"),
            NotSet::RolledBack(fault) => {
                Problem { hint: fault.hint, ..Problem::new(StatusCode::CONFLICT, detail) }
            }
            NotSet::Fault(fault) => fault.into(),
        }
    }
}

/// The expected values of the setting `path`, in words; for an unknown key, the known ones.
fn taken_by(path: &str) -> String {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    if control_of(path).is_some() || [keys::CONTROLS, keys::BY_CAMERA].contains(&section) {
        return String::from("a number, true or false");
    }
    // A place in a file, where the key is unknown.
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

/// A given TOML value as problems show it: a text loses its quotes.
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
    fn immediate_settings_are_switches() {
        let those: Vec<String> =
            keys::all().map(|key| key.path()).filter(|path| is_of_the_moment(path)).collect();
        let of = |section: &str| those.iter().filter(|path| path.starts_with(section)).count();
        assert_eq!((of("lights."), of("lights.") + of("picture.")), (4, those.len()), "{those:?}");
        for path in ["controls.\"usb\".focus_absolute", "source.controls.gain"] {
            assert!(is_of_the_moment(path), "{path}");
        }
    }
}
