//! Faults of a camera. The log line, the page's sentence, `/state`, `/health` and the still card are made from one
//! value, so that they never disagree.

use std::fmt;

use tallycam_base::{Fault, json, without_error_number};

json::words! {
    SourceErrorKind {
        Absent "absent", Busy "busy", Denied "denied", Unplugged "unplugged", Silent "silent", Broken "broken",
        Unsupported "unsupported", Ended "ended", Failed "failed"
    }
}

/// Kinds of faults. Their [`SourceErrorKind::as_str`] is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceErrorKind {
    /// No such device, file or host.
    Absent,
    /// Another program uses it.
    Busy,
    /// Not allowed: permissions, or a wrong password.
    Denied,
    /// It has been removed.
    Unplugged,
    /// It is open and sends nothing.
    Silent,
    /// It sends invalid frames.
    Broken,
    /// It does not support the configuration.
    Unsupported,
    /// A list of files that is played once has ended.
    Ended,
    /// Any other error of the system.
    Failed,
}

impl SourceErrorKind {
    /// A short headline for people: still card and page.
    pub fn headline(self) -> &'static str {
        match self {
            SourceErrorKind::Absent => "No camera",
            SourceErrorKind::Busy => "Camera in use",
            SourceErrorKind::Denied => "Camera not allowed",
            SourceErrorKind::Unplugged => "Camera unplugged",
            SourceErrorKind::Silent => "Camera silent",
            SourceErrorKind::Broken => "Broken pictures",
            SourceErrorKind::Unsupported => "Camera cannot do this",
            SourceErrorKind::Ended => "End of the recording",
            SourceErrorKind::Failed => "Camera failed",
        }
    }

    /// A sentence for everybody: without an address, path or program.
    pub fn public_message(self) -> &'static str {
        match self {
            SourceErrorKind::Absent => "The camera is not there, or does not answer.",
            SourceErrorKind::Busy => "Another program uses the camera.",
            SourceErrorKind::Denied => "The camera may not be opened, or wants another password.",
            SourceErrorKind::Unplugged => "The camera has gone. It is opened again when it is back.",
            SourceErrorKind::Silent => "The camera is open and sends nothing.",
            SourceErrorKind::Broken => "What the camera sends is no picture.",
            SourceErrorKind::Unsupported => "The camera cannot do what its settings ask for.",
            SourceErrorKind::Ended => "The recording was played to its end.",
            SourceErrorKind::Failed => "Something is wrong with the camera.",
        }
    }

    /// True if waiting cannot help, but only Resume, another configuration or a restart.
    pub fn is_final(self) -> bool {
        matches!(self, SourceErrorKind::Ended)
    }
}

/// A reference to the details, for [`SourceErrorKind::public_message`].
pub const SEE_DIAGNOSIS: &str = "The page \"Diagnosis\" says more to the camera's operators.";

/// A fault with its hint. Its words are for operators; its kind is for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    /// The class of its cause.
    pub kind: SourceErrorKind,
    /// One sentence without a full stop that names the thing: "/dev/video0 is in use by another program".
    pub what: String,
    /// Causes, the outermost first; often the operating system's message.
    pub causes: Vec<String>,
    /// A hint for every interface: "end that program, or choose another camera". It names no command.
    pub hint: Option<String>,
    /// A further hint for users with a shell: "`sudo fuser -v /dev/video0` names it". No page shows it.
    pub shell: Option<Box<str>>,
}

impl SourceError {
    /// A fault with only its kind and sentence.
    pub fn new(kind: SourceErrorKind, what: impl Into<String>) -> SourceError {
        SourceError { kind, what: what.into(), causes: Vec::new(), hint: None, shell: None }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> SourceError {
        self.causes.push(without_error_number(cause.to_string()).trim_end_matches('.').to_owned());
        self
    }

    /// Adds the hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> SourceError {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the further hint for users with a shell.
    #[must_use]
    pub fn shell(mut self, shell: impl Into<String>) -> SourceError {
        self.shell = Some(shell.into().into_boxed_str());
        self
    }

    /// The fault and its causes: "what: cause: cause".
    pub fn reason(&self) -> String {
        self.causes.iter().fold(self.what.clone(), |line, cause| format!("{line}: {cause}"))
    }

    /// Both hints: "hint; shell".
    pub fn advice(&self) -> Option<String> {
        let parts: Vec<&str> = [self.hint.as_deref(), self.shell.as_deref()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// Everything in one line: "what: cause: cause; hint; shell".
    pub fn line(&self) -> String {
        self.advice().map_or_else(|| self.reason(), |advice| format!("{}; {advice}", self.reason()))
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl std::error::Error for SourceError {}

/// Without the hint for users with a shell.
impl From<SourceError> for Fault {
    fn from(trouble: SourceError) -> Fault {
        Fault { hint: trouble.hint.clone(), ..Fault::passing(trouble.reason()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_all_parts() {
        let t = SourceError::new(SourceErrorKind::Busy, "/dev/video0 is in use by another program")
            .because("Device or resource busy (os error 16)")
            .hint("end that program")
            .shell("`fuser /dev/video0` names it");
        assert_eq!(
            t.to_string(),
            "/dev/video0 is in use by another program: Device or resource busy; end that program; `fuser \
             /dev/video0` names it"
        );
        assert_eq!(SourceError::new(SourceErrorKind::Busy, "it is").line(), "it is");
    }

    #[test]
    fn words_are_distinct() {
        let words: std::collections::HashSet<_> = SourceErrorKind::ALL.iter().map(|k| k.as_str()).collect();
        assert_eq!(words.len(), SourceErrorKind::ALL.len());
    }
}
