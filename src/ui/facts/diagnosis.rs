//! Findings of the diagnosis, shared by the API, the page, `tallycam check` and systemd's status line.

use serde::Serialize;

use tallycam_base::json;

json::words! { Verdict { Good "good", Warning "warning", Bad "bad", None "none" } }

/// The verdict of a finding; worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Broken.
    Bad,
    /// Works, but not as it should or not for long.
    Warning,
    /// Absent, or nothing to report.
    None,
    /// Works.
    Good,
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// The subject, in a few words that never change.
    pub name: &'static str,
    /// The verdict.
    #[serde(rename = "state")]
    pub verdict: Verdict,
    /// The result, as a sentence or a list.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding without a hint.
    pub fn new(name: &'static str, verdict: Verdict, message: impl Into<String>) -> Finding {
        Finding { name, verdict, message: message.into(), hint: None }
    }

    /// A finding with [`Verdict::Good`].
    pub fn good(name: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Good, message)
    }

    /// A finding with [`Verdict::None`].
    pub fn none(name: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::None, message)
    }

    /// A finding with [`Verdict::Warning`].
    pub fn warning(name: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Warning, message)
    }

    /// A finding with [`Verdict::Bad`].
    pub fn bad(name: &'static str, message: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Bad, message)
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }

    /// Adds a hint if there is one.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Finding {
        Finding { hint, ..self }
    }
}
