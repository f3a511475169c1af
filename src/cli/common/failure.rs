//! What can go wrong with a command, what is said about it, and the exit code.

use std::io;
use std::process::ExitCode;

use crate::base::{Fault, FaultKind};
use crate::cli::common::terminal::{coloured, takes_colour};
use crate::config::Diagnostics;
use crate::media::SourceError;

/// Why a command did not do what was asked. Codes as in `sysexits.h`.
#[derive(Debug)]
pub enum Failure {
    /// Nothing was asked for: the help, on standard error; 64.
    Help(String),
    /// The command line is wrong; 64.
    Usage {
        /// One line.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The camera gives no picture; 69.
    Device(SourceError),
    /// A file or socket failed; 74.
    Io {
        /// What could not be done, with what.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The configuration is wrong; 78.
    Configuration(Diagnostics),
    /// Anything else; 1.
    Failed {
        /// One line.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// Standard output could not be written; 74, or a quiet 0 when its reader has gone (`| head`).
    Output(io::Error),
    /// All has been said on standard output; this is the exit code.
    AlreadyReported(u8),
}

/// It did not work.
pub const FAILED: u8 = 1;
/// The command line is wrong (`EX_USAGE`).
pub const USAGE: u8 = 64;
/// The camera gives no picture (`EX_UNAVAILABLE`).
pub const DEVICE: u8 = 69;
/// A file or socket failed (`EX_IOERR`).
pub const IO: u8 = 74;
/// The configuration is wrong (`EX_CONFIG`).
pub const CONFIGURATION: u8 = 78;

impl From<Diagnostics> for Failure {
    fn from(complaints: Diagnostics) -> Failure {
        Failure::Configuration(complaints)
    }
}

impl From<SourceError> for Failure {
    fn from(trouble: SourceError) -> Failure {
        Failure::Device(trouble)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let (message, hint) = (fault.to_string(), fault.hint);
        match fault.kind {
            FaultKind::File | FaultKind::Unreachable | FaultKind::Taken => Failure::Io { message, hint },
            _ => Failure::Failed { message, hint },
        }
    }
}

impl Failure {
    /// Something else did not work, said in one line.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure::Failed { message: message.into(), hint: None }
    }

    /// A file or socket failed: what could not be done, with what.
    pub fn io(message: impl Into<String>) -> Failure {
        Failure::Io { message: message.into(), hint: None }
    }

    /// The command line is wrong, said in one line.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), hint: None }
    }

    /// With what to do about it, for a failure that is made of a message.
    #[must_use]
    pub fn hint(mut self, words: impl Into<String>) -> Failure {
        if let Failure::Usage { hint, .. } | Failure::Io { hint, .. } | Failure::Failed { hint, .. } =
            &mut self
        {
            *hint = Some(words.into());
        }
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Failure::Help(_) | Failure::Usage { .. } => USAGE,
            Failure::Device(_) => DEVICE,
            Failure::Io { .. } => IO,
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Failure::Output(_) => IO,
            Failure::Configuration(_) => CONFIGURATION,
            Failure::Failed { .. } => 1,
            Failure::AlreadyReported(code) => *code,
        }
    }

    /// What is said about it on standard error; empty when nothing is.
    pub fn to_text(&self) -> String {
        match self {
            Failure::Help(text) => text.trim_end().to_owned(),
            Failure::Usage { message, hint }
            | Failure::Io { message, hint }
            | Failure::Failed { message, hint } => with_hint(message, hint.as_deref()),
            Failure::Device(trouble) => with_hint(&trouble.reason(), trouble.advice().as_deref()),
            Failure::Configuration(complaints) => {
                format!("{complaints}\n\ntallycam: {} in the configuration", complaints.count_text())
            }
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => String::new(),
            Failure::Output(error) => {
                with_hint(&format!("standard output could not be written: {error}"), None)
            }
            Failure::AlreadyReported(_) => String::new(),
        }
    }

    /// Says it, and gives the exit code.
    pub fn report(&self) -> ExitCode {
        use io::Write as _;
        let text = self.to_text();
        let text = if takes_colour(&io::stderr()) { coloured(&text) } else { text };
        if !text.is_empty() {
            // Where standard error is closed, too, the exit code is all that can be said.
            let _ = writeln!(io::stderr(), "{text}");
        }
        ExitCode::from(self.code())
    }
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("tallycam: {message}\nhint: {hint}"),
        None => format!("tallycam: {message}"),
    }
}
