//! What went wrong, as the log, a page, the API and the terminal all tell it.

use std::fmt;

/// What a status of HTTP and an exit code are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// What was given cannot be used.
    Wrong,
    /// There is no such thing, or it is not said.
    Unknown,
    /// It is there already.
    Taken,
    /// Somebody else is at it.
    Busy,
    /// There is no room for it.
    Full,
    /// A file cannot be read or written.
    File,
    /// Another machine cannot be reached.
    Unreachable,
    /// What another machine has sent is of no use.
    Foreign,
    /// It may work the next time, as it is.
    Passing,
}

/// What went wrong, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// A sentence without its full stop.
    pub what: String,
    /// What can be done.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Fault {
        Fault { kind, what: what.into(), hint: None }
    }

    /// What was given cannot be used.
    pub fn wrong(what: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Wrong, what)
    }

    /// Adds what can be done.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}
