//! What a diagnosis found: the API, the page, `tallycam check` and systemd's line tell the same.

use serde::Serialize;

use crate::base::json;

json::words! { Verdict { Good "good", Warning "warning", Bad "bad", None "none" } }

/// How something was found; worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does not work.
    Bad,
    /// It works, and will not for long, or not as it should.
    Warning,
    /// It is not there, or there is nothing to say of it.
    None,
    /// It works.
    Good,
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Finding {
    /// What it is about, in a few words that stay the same.
    pub name: &'static str,
    /// How it was found.
    #[serde(rename = "state")]
    pub verdict: Verdict,
    /// What was found, in a sentence or as a list.
    pub said: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding without a hint.
    pub fn new(name: &'static str, verdict: Verdict, said: impl Into<String>) -> Finding {
        Finding { name, verdict, said: said.into(), hint: None }
    }

    /// It works.
    pub fn good(name: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Good, said)
    }

    /// There is nothing to say.
    pub fn none(name: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::None, said)
    }

    /// It will not work for long, or not as it should.
    pub fn warning(name: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Warning, said)
    }

    /// It does not work.
    pub fn bad(name: &'static str, said: impl Into<String>) -> Finding {
        Finding::new(name, Verdict::Bad, said)
    }

    /// Adds what can be done.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Finding {
        Finding { hint: Some(hint.into()), ..self }
    }

    /// Adds what can be done, where that is known.
    #[must_use]
    pub fn maybe_hint(self, hint: Option<String>) -> Finding {
        Finding { hint, ..self }
    }
}
