//! One error type for the log, pages, the API and the terminal.

use std::fmt;

/// Kind of a fault; the HTTP status and the exit code follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The input cannot be used.
    Wrong,
    /// The thing does not exist, or its existence is not disclosed.
    Unknown,
    /// The camera, the light or the machine has no such part or ability.
    Unsupported,
    /// The thing already exists.
    Taken,
    /// Somebody else is using it.
    Busy,
    /// There is no room left.
    Full,
    /// A file cannot be read or written.
    File,
    /// Another machine cannot be reached.
    Unreachable,
    /// Another machine sent unusable data.
    Foreign,
    /// A retry without changes may succeed.
    Passing,
}

/// A failure and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The class of its cause.
    pub kind: FaultKind,
    /// The message: a sentence without its full stop.
    pub what: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(kind: FaultKind, what: impl Into<String>) -> Fault {
        Fault { kind, what: without_error_number(what.into()), hint: None }
    }

    /// A fault of the kind [`FaultKind::Wrong`].
    pub fn wrong(what: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Wrong, what)
    }

    /// A fault of the kind [`FaultKind::Passing`].
    pub fn passing(what: impl Into<String>) -> Fault {
        Fault::new(FaultKind::Passing, what)
    }

    /// Adds the remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Fault {
        Fault { hint: Some(hint.into()), ..self }
    }
}

/// `text` without the numbers that the standard library adds to the system's messages: " (os error 111)".
pub fn without_error_number(mut text: String) -> String {
    const BEGIN: &str = " (os error ";
    while let Some(at) = text.find(BEGIN) {
        let Some(len) = text[at..].find(')') else { break };
        text.replace_range(at..=at + len, "");
    }
    text
}

/// `text` with a full stop unless it has an end of its own; an empty text stays empty. The first letter stays, because
/// it may begin a path.
pub fn sentence(text: &str) -> String {
    let text = text.trim();
    let stop = if text.is_empty() || text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{text}{stop}")
}

/// Makes a foreign message a sentence: with a full stop, and a capital letter unless it starts with a file name.
pub fn as_sentence(text: &str) -> String {
    let first = text.split([' ', ',', ';']).next().unwrap_or_default();
    if first.chars().all(char::is_alphabetic) { sentence(&capital(text)) } else { sentence(text) }
}

/// `text` with its first letter as a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_has_no_error_number() {
        let refused = std::io::Error::from_raw_os_error(111);
        assert_eq!(Fault::passing(format!("no: {refused}; yes")).what, "no: Connection refused; yes");
        assert_eq!(without_error_number(String::from("cut (os error 1")), "cut (os error 1");
    }
}
