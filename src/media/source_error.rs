//! What can be wrong with a camera: one value from which the log line, the page's sentence,
//! `/state`, `/health` and the still card are made, so that they never disagree.

use std::fmt;

use crate::base::json;

json::words! {
    SourceErrorKind {
        Absent "absent", Busy "busy", Denied "denied", Unplugged "unplugged", Silent "silent", Broken "broken",
        Unsupported "unsupported", Ended "ended", Failed "failed"
    }
}

/// Kinds of trouble. The [`SourceErrorKind::as_str`] is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceErrorKind {
    /// No such device, file or host.
    Absent,
    /// Another program has it.
    Busy,
    /// Not allowed: permissions, or a wrong password.
    Denied,
    /// It was there and has gone.
    Unplugged,
    /// It is open and sends nothing.
    Silent,
    /// It sends what is no picture.
    Broken,
    /// It cannot do what the configuration asks.
    Unsupported,
    /// A list of files, played once, is at its end.
    Ended,
    /// Anything else the system reports.
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

    /// What anybody may be told of it, in a sentence: no address, path or program.
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

    /// Whether waiting cannot help: only Resume, another configuration or a restart will.
    pub fn is_final(self) -> bool {
        matches!(self, SourceErrorKind::Ended)
    }
}

/// Where the rest is, beside [`SourceErrorKind::public_message`].
pub const SEE_DIAGNOSIS: &str = "The page \"Diagnosis\" says more to the camera's operators.";

/// What is wrong, with what, and what to do about it. Its words are for operators; anybody may be told its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    pub kind: SourceErrorKind,
    /// One sentence without a full stop that names the thing: "/dev/video0 is in use by another program".
    pub what: String,
    /// What led to it, outermost first; often the operating system's words.
    pub causes: Vec<String>,
    /// What the reader can do, at any door: "end that program, or choose another camera". It names no command.
    pub hint: Option<String>,
    /// What a shell tells or mends beyond that: "`sudo fuser -v /dev/video0` names it". No page says it.
    pub shell: Option<Box<str>>,
}

impl SourceError {
    /// A trouble with nothing but its kind and sentence.
    pub fn new(kind: SourceErrorKind, what: impl Into<String>) -> SourceError {
        SourceError { kind, what: what.into(), causes: Vec::new(), hint: None, shell: None }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> SourceError {
        self.causes.push(cause.to_string().trim_end_matches('.').to_owned());
        self
    }

    /// Adds what can be done.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> SourceError {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what a shell tells or mends beyond the hint.
    #[must_use]
    pub fn shell(mut self, shell: impl Into<String>) -> SourceError {
        self.shell = Some(shell.into().into_boxed_str());
        self
    }

    /// What is wrong and what led to it: "what: cause: cause".
    pub fn reason(&self) -> String {
        self.causes.iter().fold(self.what.clone(), |line, cause| format!("{line}: {cause}"))
    }

    /// What can be done, for those who have a shell: "hint; shell".
    pub fn advice(&self) -> Option<String> {
        let parts: Vec<&str> = [self.hint.as_deref(), self.shell.as_deref()].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }

    /// All of it in one line: "what: cause: cause; hint; shell".
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it_all() {
        let t = SourceError::new(SourceErrorKind::Busy, "/dev/video0 is in use by another program")
            .because("Device or resource busy (os error 16)")
            .hint("end that program")
            .shell("`fuser /dev/video0` names it");
        assert_eq!(
            t.to_string(),
            "/dev/video0 is in use by another program: Device or resource busy (os error 16); end that program; `fuser \
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
