//! What can be wrong with a camera: one value from which the log line, the page's sentence,
//! `/state`, `/health` and the still card are made, so that they never disagree.

use std::fmt;

/// Kinds of trouble. The [`TroubleKind::word`] is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TroubleKind {
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

impl TroubleKind {
    /// Every kind, for documents and tests.
    pub const ALL: [TroubleKind; 9] = [
        TroubleKind::Absent,
        TroubleKind::Busy,
        TroubleKind::Denied,
        TroubleKind::Unplugged,
        TroubleKind::Silent,
        TroubleKind::Broken,
        TroubleKind::Unsupported,
        TroubleKind::Ended,
        TroubleKind::Failed,
    ];

    /// One lower-case word for programs: `/state` and metrics use it.
    pub fn word(self) -> &'static str {
        match self {
            TroubleKind::Absent => "absent",
            TroubleKind::Busy => "busy",
            TroubleKind::Denied => "denied",
            TroubleKind::Unplugged => "unplugged",
            TroubleKind::Silent => "silent",
            TroubleKind::Broken => "broken",
            TroubleKind::Unsupported => "unsupported",
            TroubleKind::Ended => "ended",
            TroubleKind::Failed => "failed",
        }
    }

    /// A short headline for people: still card and page.
    pub fn headline(self) -> &'static str {
        match self {
            TroubleKind::Absent => "No camera",
            TroubleKind::Busy => "Camera in use",
            TroubleKind::Denied => "Camera not allowed",
            TroubleKind::Unplugged => "Camera unplugged",
            TroubleKind::Silent => "Camera silent",
            TroubleKind::Broken => "Broken pictures",
            TroubleKind::Unsupported => "Camera cannot do this",
            TroubleKind::Ended => "End of the recording",
            TroubleKind::Failed => "Camera failed",
        }
    }

    /// What anybody may be told of it, in a sentence: no address, path or program.
    pub fn told(self) -> &'static str {
        match self {
            TroubleKind::Absent => "The camera is not there, or does not answer.",
            TroubleKind::Busy => "Another program uses the camera.",
            TroubleKind::Denied => "The camera may not be opened, or wants another password.",
            TroubleKind::Unplugged => "The camera has gone. It is opened again when it is back.",
            TroubleKind::Silent => "The camera is open and sends nothing.",
            TroubleKind::Broken => "What the camera sends is no picture.",
            TroubleKind::Unsupported => "The camera cannot do what its settings ask for.",
            TroubleKind::Ended => "The recording was played to its end.",
            TroubleKind::Failed => "Something is wrong with the camera.",
        }
    }

    /// Whether waiting cannot help: only Resume, another configuration or a restart will.
    pub fn is_final(self) -> bool {
        matches!(self, TroubleKind::Ended)
    }
}

/// Where the rest is, beside [`TroubleKind::told`].
pub const SEE_DIAGNOSIS: &str = "The page \"Diagnosis\" says more to the camera's operators.";

/// What is wrong, with what, and what to do about it. Its words are for operators; anybody may be told its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its kind.
    pub kind: TroubleKind,
    /// One sentence without a full stop that names the thing: "/dev/video0 is in use by another program".
    pub what: String,
    /// What led to it, outermost first; often the operating system's words.
    pub causes: Vec<String>,
    /// What the reader can do: "`fuser /dev/video0` names it".
    pub hint: Option<String>,
}

impl Trouble {
    /// A trouble with nothing but its kind and sentence.
    pub fn new(kind: TroubleKind, what: impl Into<String>) -> Trouble {
        Trouble { kind, what: what.into(), causes: Vec::new(), hint: None }
    }

    /// Adds a cause.
    #[must_use]
    pub fn because(mut self, cause: impl fmt::Display) -> Trouble {
        self.causes.push(cause.to_string().trim_end_matches('.').to_owned());
        self
    }

    /// Adds what can be done.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Trouble {
        self.hint = Some(hint.into());
        self
    }

    /// All of it in one line: "what: cause: cause; hint".
    pub fn line(&self) -> String {
        let mut line = self.what.clone();
        for cause in &self.causes {
            line.push_str(": ");
            line.push_str(cause);
        }
        if let Some(hint) = &self.hint {
            line.push_str("; ");
            line.push_str(hint);
        }
        line
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line())
    }
}

impl std::error::Error for Trouble {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it_all() {
        let t = Trouble::new(TroubleKind::Busy, "/dev/video0 is in use by another program")
            .because("Device or resource busy (os error 16)")
            .hint("`fuser /dev/video0` names it");
        assert_eq!(
            t.to_string(),
            "/dev/video0 is in use by another program: Device or resource busy (os error 16); `fuser /dev/video0` names it"
        );
    }

    #[test]
    fn words_are_distinct() {
        let words: std::collections::HashSet<_> = TroubleKind::ALL.iter().map(|k| k.word()).collect();
        assert_eq!(words.len(), TroubleKind::ALL.len());
    }
}
