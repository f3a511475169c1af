//! Switching the machine off or restarting it, and setting its clock, by an implementation of [`Power`].

use std::fmt;

use tallycam_base::{Fault, FaultKind, json};

json::words! { PowerAction { Off "off", Reboot "reboot" } }

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

/// The fault of a machine that was not switched.
pub fn not_switched(action: PowerAction, reason: &str) -> Fault {
    Fault::new(FaultKind::File, format!("the machine could not be {action}: {reason}"))
}

/// Switches the machine.
pub trait Power: fmt::Debug + Send + Sync {
    /// Starts the switch and returns when it is under way. May take seconds: called on a thread that may wait.
    ///
    /// # Errors
    /// [`not_switched`].
    fn switch(&self, action: PowerAction) -> Result<(), Fault>;

    /// Sets the wall clock to this time, in microseconds since 1970, and counts it as right from then on.
    ///
    /// # Errors
    /// The machine does not let this program do it.
    fn set_clock(&self, _wall_us: u64) -> Result<(), Fault> {
        Err(Fault::new(FaultKind::File, "this program cannot set the clock of its machine"))
    }
}
