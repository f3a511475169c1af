//! Failures of commands: messages and exit codes.

use std::io;
use std::process::ExitCode;

use crate::cli::common::terminal::{coloured, shown, takes_colour};
use tallycam_base::{Fault, FaultKind, without_error_number};
use tallycam_camera::media::SourceError;
use tallycam_config::Diagnostics;

/// The reason why a command failed. Exit codes as in `sysexits.h`.
#[derive(Debug)]
pub enum Failure {
    /// No command was given: the help, on standard error; 64.
    Help(String),
    /// The command line is wrong; 64.
    Usage {
        /// One line.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// The camera gives no picture; 69.
    Device(SourceError),
    /// A file or socket failed; 74.
    Io {
        /// The failed operation and its object.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// The configuration is wrong; 78.
    Configuration(Diagnostics),
    /// Anything else; 1.
    Failed {
        /// One line.
        message: String,
        /// The remedy.
        hint: Option<String>,
    },
    /// Standard output could not be written; 74, or a quiet 0 if its reader has gone (`| head`).
    Output(io::Error),
    /// Standard output already says everything; only this exit code is left.
    AlreadyReported(u8),
}

/// The command failed.
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
    /// A failure of another kind, in one line.
    pub fn failed(message: impl Into<String>) -> Failure {
        Failure::Failed { message: message.into(), hint: None }
    }

    /// A failed file or socket: the operation and its object.
    pub fn io(message: impl Into<String>) -> Failure {
        Failure::Io { message: message.into(), hint: None }
    }

    /// A wrong command line, in one line.
    pub fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), hint: None }
    }

    /// Adds a hint to a failure that has a message.
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

    /// The text for standard error; empty if there is none.
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

    /// Prints the text and returns the exit code.
    pub fn report(&self) -> ExitCode {
        use io::Write as _;
        let text = self.to_text();
        let text = shown(&text);
        let text = if takes_colour(&io::stderr()) { coloured(&text) } else { text.into_owned() };
        if !text.is_empty() {
            // If standard error is closed too, only the exit code is left.
            let _ = writeln!(io::stderr(), "{text}");
        }
        ExitCode::from(self.code())
    }
}

fn with_hint(message: &str, hint: Option<&str>) -> String {
    let message = without_error_number(message.to_owned());
    match hint {
        Some(hint) => format!("tallycam: {message}\nhint: {hint}"),
        None => format!("tallycam: {message}"),
    }
}
