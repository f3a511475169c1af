//! Switching the machine off and on again, as whoever implements [`Power`] does it.

use std::fmt;

use hyper::StatusCode;

use crate::http::request::problem::Problem;

/// What is to become of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    Off,
    /// Off and on again.
    Reboot,
}

impl fmt::Display for PowerAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PowerAction::Off => "switched off",
            PowerAction::Reboot => "restarted",
        })
    }
}

/// The machine stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine could not be {action}: {reason}")]
pub struct NotSwitched {
    /// What was wanted.
    pub action: PowerAction,
    /// What was said.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What can switch the machine.
pub trait Power: fmt::Debug + Send + Sync {
    /// Has it switched; returns when that is under way. May take seconds, and is called on a thread that may wait.
    ///
    /// # Errors
    /// [`NotSwitched`].
    fn switch(&self, action: PowerAction) -> Result<(), NotSwitched>;
}

impl From<NotSwitched> for Problem {
    fn from(error: NotSwitched) -> Problem {
        Problem {
            hint: error.hint.clone(),
            ..Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
        }
    }
}
