//! Errors of the daemon's start and end.

use tallycam_base::Fault;
use tallycam_camera::media::SourceError;
use tallycam_config::Diagnostics;

/// The reason why the daemon could not start or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// The operator's configuration is wrong.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// `[source]` cannot be used.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Any other fault.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// A restart is needed to apply this change of the state.
    #[error("{0}; a new start takes it")]
    Reopen(&'static str),
}

impl DaemonError {
    /// The remedy for the user.
    pub fn hint(&self) -> Option<String> {
        match self {
            DaemonError::Source(trouble) => trouble.advice(),
            DaemonError::Fault(fault) => fault.hint.clone(),
            _ => None,
        }
    }

    /// The operating system refused a runtime or signals.
    pub fn refused(what: &str, error: &std::io::Error) -> DaemonError {
        Fault::passing(format!("the operating system refused {what}: {error}")).into()
    }
}
