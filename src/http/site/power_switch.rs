//! Switching the machine off or restarting it, by an implementation of [`Power`].

use std::fmt;

use hyper::StatusCode;

use crate::http::request::problem::Problem;

/// The wanted state of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerAction {
    Off,
    /// Restart.
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

/// The machine was not switched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the machine could not be {action}: {reason}")]
pub struct NotSwitched {
    /// The requested action.
    pub action: PowerAction,
    /// The reported reason.
    pub reason: String,
    /// A remedy.
    pub hint: Option<String>,
}

/// Switches the machine.
pub trait Power: fmt::Debug + Send + Sync {
    /// Starts the switch and returns when it is under way. May take seconds: called on a thread that may wait.
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
