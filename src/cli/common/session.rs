//! Starts the daemon for the command `serve`.

use std::os::unix::process::CommandExt as _;

use crate::cli::Failure;
use crate::daemon::{self, DaemonError};
use tallycam_base::child;
use tallycam_config::OperatorConfig;

/// Serves until stopped.
///
/// # Errors
/// [`Failure::Configuration`] for a wrong configuration, [`Failure::Device`] if `[source]` cannot be used,
/// [`Failure::Io`] if an address cannot be served, [`Failure::Failed`] for the rest.
pub fn serve(
    operator: OperatorConfig,
    reload: impl Fn() -> OperatorConfig + Send + Sync + 'static,
    fallback_to_sim: bool,
) -> Result<(), Failure> {
    daemon::serve(operator, reload, fallback_to_sim).map_err(|error| {
        if matches!(error, DaemonError::Reopen(_)) && !daemon::is_supervised() {
            return restart_failure();
        }
        let (message, hint) = (error.to_string(), error.hint());
        match error {
            DaemonError::Configuration(complaints) => Failure::Configuration(complaints),
            DaemonError::Source(trouble) => Failure::Device(trouble),
            DaemonError::Fault(fault) => fault.into(),
            _ => Failure::Failed { message, hint },
        }
    })
}

/// Restarts as systemd restarts a service: executes this program again, with the same arguments, in this process.
/// Returns only if that fails.
fn restart_failure() -> Failure {
    let refused = |error: std::io::Error| {
        Failure::failed(format!("a restart was needed and failed: {error}")).hint("start it again")
    };
    // Uses the name from the command line: an upgrade removes the file of the running program.
    let mut words = std::env::args_os();
    refused(child::reexec_command(words.next().unwrap_or_default()).args(words).exec())
}
