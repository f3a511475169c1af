//! Faults that keep the camera from its work, taken from the state report, which judges them. Banner and head of
//! every page, and the API, use this list.

use jiff::{Timestamp, Zoned};

use crate::http::report::state::StateReport;
use crate::http::site::findings::SET_CLOCK;
use crate::ui::{Alert, AlertKind};
use tallycam_base::clock;

/// The faults, worst first.
pub fn of(state: &StateReport, now: &Zoned) -> Vec<Alert> {
    let mut alerts = Vec::new();
    // A date from an unset clock is meaningless.
    let since = |text: &String| Some(text.clone()).filter(|_| state.is_clock_set);
    if !matches!(state.state, "live" | "idle" | "starting" | "paused") {
        alerts.push(Alert {
            why: Some(state.state.to_owned()),
            reason: state.reason.clone(),
            hint: state.hint.clone(),
            since: since(&state.since),
            ..Alert::new(AlertKind::Camera, state.headline)
        });
    }
    let is_full = state.storage.as_ref().is_some_and(|storage| storage.full);
    // One alert for one cause: a full disk says what waits.
    let waiting = state.counting.as_ref().filter(|counting| is_full && counting.why == Some("counts_db"));
    if let Some(counting) = state.counting.as_ref().filter(|one| one.state == "fault" && waiting.is_none()) {
        alerts.push(Alert {
            why: counting.why.map(str::to_owned),
            reason: counting.reason.clone(),
            hint: counting.hint.clone(),
            since: since(&counting.since),
            pinned: counting.pinned.clone(),
            ..Alert::new(AlertKind::Counting, "Not counting")
        });
    }
    if let Some(storage) = state.storage.as_ref().filter(|storage| storage.full || storage.fault.is_some()) {
        let full = "Snapshots and recordings cannot be saved. Counting goes on.";
        alerts.push(match storage.full {
            true => Alert {
                why: Some(String::from("full")),
                // Without the hint the reader may not see the reason.
                reason: waiting
                    .filter(|counting| counting.hint.is_some())
                    .and_then(|counting| counting.reason.clone())
                    .or_else(|| Some(full.to_owned())),
                since: waiting.and_then(|counting| since(&counting.since)),
                ..Alert::new(AlertKind::Storage, "Disk full")
            },
            false => Alert {
                why: Some(String::from("fault")),
                reason: storage.fault.clone(),
                hint: storage.hint.clone(),
                ..Alert::new(AlertKind::Storage, "Nothing is stored")
            },
        });
    }
    if !state.is_clock_set {
        alerts.push(Alert {
            reason: Some(String::from(
                "Crossings are kept in order, and dated as soon as the time is known.",
            )),
            hint: Some(SET_CLOCK.to_owned()),
            ..Alert::new(AlertKind::Clock, "Clock not set")
        });
    }
    if state.open {
        alerts.push(Alert {
            reason: Some(String::from("Anyone on this network can watch and change this camera.")),
            ..Alert::new(AlertKind::Password, "No password")
        });
    }
    // The camera works: more urgent alerts come first.
    if state.is_clock_set && !state.time_sure {
        let ages = state.ages_wait_us.map(|us| {
            format!(" Deletion by age starts when it is set, or at {}.", in_words(&clock::rfc3339(us), now))
        });
        alerts.push(Alert {
            why: Some(String::from("unconfirmed")),
            reason: Some(format!("Times with ~ may be off.{}", ages.unwrap_or_default())),
            hint: Some(SET_CLOCK.to_owned()),
            ..Alert::new(AlertKind::Clock, "Clock not set by the network")
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
    use crate::http::report::media::StorageSummary;
    use crate::ui::CountingReport;

    fn told(state: &StateReport) -> Vec<(AlertKind, &'static str, Option<String>)> {
        let now: Zoned = "2026-11-12T15:00:00+01:00[+01:00]".parse().unwrap();
        of(state, &now).into_iter().map(|alert| (alert.kind, alert.headline, alert.why)).collect()
    }

    fn with(change: impl FnOnce(&mut StateReport)) -> StateReport {
        let mut state = StateReport::default();
        (state.state, state.headline) = ("live", "Live");
        (state.time_sure, state.is_clock_set) = (true, true);
        change(&mut state);
        state
    }

    fn counting(word: &'static str) -> Option<CountingReport> {
        let mut report = CountingReport::default();
        (report.state, report.why) = (word, Some("no_model"));
        Some(report)
    }

    fn storage(full: bool, trouble: Option<&str>) -> Option<StorageSummary> {
        let mut summary = StorageSummary::default();
        (summary.full, summary.fault) = (full, trouble.map(str::to_owned));
        Some(summary)
    }

    #[test]
    fn a_healthy_state_has_no_alerts() {
        for state in ["live", "idle", "starting", "paused"] {
            assert_eq!(told(&with(|report| report.state = state)), [], "{state}");
        }
        for word in ["counting", "idle", "waiting", "off"] {
            assert_eq!(told(&with(|report| report.counting = counting(word))), [], "{word}");
        }
        assert_eq!(told(&with(|report| report.storage = storage(false, None))), []);
    }

    #[test]
    fn alerts_come_worst_first() {
        type Row = (fn(&mut StateReport), AlertKind, &'static str, Option<&'static str>);
        const ROWS: [Row; 7] = [
            (
                |r| (r.state, r.headline) = ("missing", "No camera"),
                AlertKind::Camera,
                "No camera",
                Some("missing"),
            ),
            (|r| r.counting = counting("fault"), AlertKind::Counting, "Not counting", Some("no_model")),
            (|r| r.storage = storage(true, None), AlertKind::Storage, "Disk full", Some("full")),
            (|r| (r.time_sure, r.is_clock_set) = (false, false), AlertKind::Clock, "Clock not set", None),
            (|r| r.open = true, AlertKind::Password, "No password", None),
            (
                |r| r.storage = storage(false, Some("damaged")),
                AlertKind::Storage,
                "Nothing is stored",
                Some("fault"),
            ),
            (|r| r.time_sure = false, AlertKind::Clock, "Clock not set by the network", Some("unconfirmed")),
        ];
        for (change, kind, headline, why) in ROWS {
            assert_eq!(told(&with(change)), [(kind, headline, why.map(str::to_owned))]);
        }
        let mut all = with(|report| {
            report.since = String::from("2026-11-12T13:02:37Z");
            ROWS[..5].iter().for_each(|(change, ..)| change(report));
        });
        assert_eq!(told(&all).iter().map(|alert| alert.0).collect::<Vec<_>>(), AlertKind::ALL);
        let now: Zoned = "2026-11-12T15:00:00+01:00[+01:00]".parse().unwrap();
        assert!(
            of(&all, &now).iter().all(|alert| alert.since.is_none()),
            "a clock that is not set has no dates"
        );
        all.is_clock_set = true;
        all.ages_wait_us = Some(1_794_492_120_000_000);
        let alerts = of(&all, &now);
        assert_eq!(alerts[0].since_words, "14:02", "an unconfirmed clock gives a time");
        let clock = alerts.last().filter(|alert| alert.kind == AlertKind::Clock).unwrap();
        assert!(clock.reason.as_deref().unwrap().ends_with("or at 15:02."), "{clock:?}");
    }

    #[test]
    fn a_full_disk_is_one_alert_that_says_what_waits() {
        let now: Zoned = "2026-11-12T15:00:00+01:00[+01:00]".parse().unwrap();
        let state = with(|report| {
            report.storage = storage(true, Some("no room"));
            report.counting = counting("fault");
            let counting = report.counting.as_mut().unwrap();
            counting.why = Some("counts_db");
            counting.reason = Some(String::from("307 crossings are waiting to be saved."));
            counting.hint = Some(String::from("make room"));
        });
        let alerts = of(&state, &now);
        assert_eq!(alerts.len(), 1, "{alerts:?}");
        assert_eq!((alerts[0].headline, alerts[0].hint.as_deref()), ("Disk full", None));
        assert_eq!(alerts[0].reason.as_deref(), Some("307 crossings are waiting to be saved."));
    }

    #[test]
    fn times_are_local() {
        let now: Zoned = "2026-11-12T15:00:00+01:00[+01:00]".parse().unwrap();
        assert_eq!(in_words("2026-11-12T13:02:37.000Z", &now), "14:02");
        assert_eq!(in_words("2026-11-03T13:02:37.000Z", &now), "3 Nov 14:02");
        assert_eq!(in_words("", &now), "");
    }
}
