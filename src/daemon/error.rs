//! Why the daemon could not start, or did not end well.

use crate::base::{Fault, FaultKind};
use crate::config::Diagnostics;
use crate::media::SourceError;
use crate::pipeline;

/// Why the daemon could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// What the operator gives is wrong.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// `[source]` cannot be used as it is.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The capture thread could not be started.
    #[error(transparent)]
    Pipeline(#[from] pipeline::StartError),
    /// The threads that count could not be started.
    #[error(transparent)]
    Counting(#[from] pipeline::CountingError),
    /// The thread that records could not be started.
    #[error(transparent)]
    RecorderHandle(#[from] pipeline::RecorderStartError),
    /// The thread of the light could not be started.
    #[error(transparent)]
    Lights(#[from] pipeline::LightsError),
    /// Anything else.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Something is there that only a new start takes: this.
    #[error("{0}; a new start takes it")]
    Reopen(&'static str),
}

impl DaemonError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            DaemonError::Source(trouble) => trouble.advice(),
            DaemonError::Fault(fault) => fault.hint.clone(),
            _ => None,
        }
    }

    /// That the operating system gives no runtime, or no signals.
    pub fn refused(what: &str, error: &std::io::Error) -> DaemonError {
        Fault::new(FaultKind::Passing, format!("the operating system refused {what}: {error}")).into()
    }
}
