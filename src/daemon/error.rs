//! Why the daemon could not start, or did not end well.

use crate::config::Diagnostics;
use crate::media::SourceError;
use crate::{http, pipeline};

/// Why the daemon could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// What the operator gives is wrong.
    #[error(transparent)]
    Configuration(#[from] Diagnostics),
    /// `[source]` cannot be used as it is.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// An address of `[http] listen` cannot be served on.
    #[error(transparent)]
    Listen(#[from] http::listen::ListenError),
    /// What systemd handed over is not what it should be.
    #[error("descriptor {number}, handed over by systemd, cannot be served on: {error}")]
    NoSocket {
        /// The descriptor's number.
        number: usize,
        /// What is wrong with it.
        error: std::io::Error,
    },
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
    /// The operating system gives no runtime or no signals.
    #[error("the operating system refused {what}: {error}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What it said.
        error: std::io::Error,
    },
    /// The server ended by itself.
    #[error("the HTTP server ended: {0}")]
    Server(String),
    /// A thread panicked: a mistake in tallycam, which a restart may get over.
    #[error("the thread {0} ended by itself")]
    Thread(String),
    /// Something is there that only a new start takes: this.
    #[error("{0}; a new start takes it")]
    Reopen(&'static str),
    /// A second signal came during the stop: the rest of it was skipped.
    #[error("stopped at once by a second {0}")]
    Hurried(&'static str),
}

impl DaemonError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            DaemonError::Source(trouble) => trouble.advice(),
            DaemonError::Listen(error) => error.hint(),
            DaemonError::NoSocket { .. } => {
                Some(String::from("the .socket unit needs ListenStream= and Accept=no"))
            }
            DaemonError::Thread(_) => {
                Some(String::from("this is a mistake in tallycam: please report the lines above"))
            }
            DaemonError::Configuration(_)
            | DaemonError::Pipeline(_)
            | DaemonError::Counting(_)
            | DaemonError::RecorderHandle(_)
            | DaemonError::Lights(_)
            | DaemonError::System { .. }
            | DaemonError::Server(_)
            | DaemonError::Reopen(_)
            | DaemonError::Hurried(_) => None,
        }
    }
}
