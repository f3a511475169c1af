//! What keeps the camera from its work: read from the report of the state, which judges; here nothing is judged again. Every
//! page's banner and head, and the API, have it from here.

use jiff::{Timestamp, Zoned};
use serde::Serialize;
use serde_json::{Value, json};

use crate::http::report::findings::SET_CLOCK;
use crate::http::report::schema_parts::object;
use crate::http::report::state::StateReport;
use crate::ui::{AlertFacts, AlertKind};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AlertReport {
    /// What it is about.
    pub kind: &'static str,
    /// Of counting, why, in one word: `no_model`; of the camera its kind of trouble.
    pub why: Option<String>,
    /// In a few words: "Not counting".
    pub headline: &'static str,
    /// Why, in a sentence.
    pub reason: Option<String>,
    /// What the reader can do.
    pub hint: Option<String>,
    /// Since when, RFC 3339, where that is known.
    pub since: Option<String>,
    /// The camera or counting does not work; else it works, and something is to be done.
    pub bad: bool,
    #[serde(skip)]
    about: AlertKind,
    /// Since when, for people.
    #[serde(skip)]
    since_words: String,
}

impl AlertReport {
    fn new(about: AlertKind, headline: &'static str) -> AlertReport {
        AlertReport {
            kind: about.as_str(),
            why: None,
            headline,
            reason: None,
            hint: None,
            since: None,
            bad: about.is_bad(),
            about,
            since_words: String::new(),
        }
    }

    /// The same for pages.
    pub fn to_facts(&self) -> AlertFacts {
        AlertFacts {
            kind: self.about,
            why: self.why.clone().unwrap_or_default(),
            headline: self.headline.to_owned(),
            reason: self.reason.clone().unwrap_or_default(),
            hint: self.hint.clone().unwrap_or_default(),
            since: self.since_words.clone(),
        }
    }

    /// Its JSON schema.
    pub fn schema() -> Value {
        let maybe = json!({"type": ["string", "null"]});
        object(json!({
            "kind": {"type": "string", "enum": AlertKind::ALL.map(AlertKind::as_str)},
            "why": maybe, "headline": {"type": "string"}, "reason": maybe, "hint": maybe,
            "since": {"type": ["string", "null"], "format": "date-time"}, "bad": {"type": "boolean"},
        }))
    }
}

/// What is wrong, the worst first.
pub fn of(state: &StateReport, now: &Zoned) -> Vec<AlertReport> {
    let mut alerts = Vec::new();
    // A date of a clock that is not set is none.
    let since = |text: &String| Some(text.clone()).filter(|_| state.time_sure);
    if !matches!(state.state, "live" | "asleep" | "waking" | "paused") {
        alerts.push(AlertReport {
            why: Some(state.state.to_owned()),
            reason: state.reason.clone(),
            hint: state.hint.clone(),
            since: since(&state.since),
            ..AlertReport::new(AlertKind::Camera, state.headline)
        });
    }
    if let Some(counting) = state.counting.as_ref().filter(|counting| counting.word == "trouble") {
        alerts.push(AlertReport {
            why: counting.why.map(str::to_owned),
            reason: counting.reason.clone(),
            hint: counting.hint.clone(),
            since: since(&counting.since),
            ..AlertReport::new(AlertKind::Counting, "Not counting")
        });
    }
    if let Some(storage) = state.storage.as_ref().filter(|storage| storage.full || storage.trouble.is_some())
    {
        let headline = if storage.full { "Disk full" } else { "Nothing is stored" };
        let full = "No snapshot or recording can be stored. Streaming and counting go on.";
        alerts.push(AlertReport {
            why: Some(String::from(if storage.full { "full" } else { "trouble" })),
            reason: storage.trouble.clone().or_else(|| Some(String::from(full))),
            hint: storage.hint.clone(),
            ..AlertReport::new(AlertKind::Storage, headline)
        });
    }
    if !state.time_sure {
        alerts.push(AlertReport {
            reason: Some(String::from(
                "Crossings are kept in order, and dated as soon as the time is known.",
            )),
            hint: Some(SET_CLOCK.to_owned()),
            ..AlertReport::new(AlertKind::Clock, "Clock not set")
        });
    }
    if state.open {
        alerts.push(AlertReport {
            reason: Some(String::from("Anyone on this network can watch and change this camera.")),
            ..AlertReport::new(AlertKind::Password, "No password")
        });
    }
    for alert in &mut alerts {
        alert.since_words = alert.since.as_deref().map(|since| in_words(since, now)).unwrap_or_default();
    }
    alerts
}

/// "14:02" of today, "3 Nov 14:02" of another day, in the zone of `now`.
fn in_words(since: &str, now: &Zoned) -> String {
    let Ok(at) = since.parse::<Timestamp>() else { return String::new() };
    let at = at.to_zoned(now.time_zone().clone());
    let format = if at.date() == now.date() { "%H:%M" } else { "%-d %b %H:%M" };
    at.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_time_is_told_as_a_clock_on_the_wall_has_it() {
        let now: Zoned = "2026-11-12T15:00:00+01:00[+01:00]".parse().unwrap();
        assert_eq!(in_words("2026-11-12T13:02:37.000Z", &now), "14:02");
        assert_eq!(in_words("2026-11-03T13:02:37.000Z", &now), "3 Nov 14:02");
        assert_eq!(in_words("", &now), "");
    }
}
