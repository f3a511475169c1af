//! The banner at the top of every page: the faults, their start, and a link to the remedy.

use std::fmt::Write;

use super::escape::{MarkedText, Text};
use super::facts::{Alert, AlertKind, Reader};
use super::form::{change_link, field, form_to};
use super::format::as_sentence;

/// The banner of `alerts`. Faults are shown in full with their remedies, or the first alert if there is no fault; the
/// others are only named. `page.js` fetches the banner again when `data-key` changes.
pub(super) fn banner(alerts: &[Alert], reader: Reader) -> String {
    let mut key = String::new();
    for alert in alerts {
        let _ = write!(key, "{} {},", alert.kind.as_str(), alert.why());
    }
    let bad = alerts.iter().filter(|alert| alert.kind.is_bad()).count();
    let (shown, named) = alerts.split_at(bad.max(1).min(alerts.len()));
    let mut inner = String::new();
    for (n, alert) in shown.iter().enumerate() {
        inner.push_str(&one(alert, if n + 1 == shown.len() { named } else { &[] }, reader));
    }
    format!("<div id=\"alerts\" data-key=\"{}\">{inner}</div>\n", Text(&key))
}

fn one(alert: &Alert, more: &[Alert], reader: Reader) -> String {
    let (look, role) = if alert.kind.is_bad() { (" trouble", " role=\"alert\"") } else { ("", "") };
    // A page's button replaces a hint for the command line.
    let hint = alert.hint.as_deref().filter(|_| remedy(alert).is_none()).unwrap_or_default();
    let words = [alert.reason.as_deref().unwrap_or_default(), hint].map(as_sentence).join(" ");
    let since = match alert.since_words.as_str() {
        "" => String::new(),
        since => format!(" since {}", Text(since)),
    };
    let also = match more {
        [] => String::new(),
        more => {
            let names: Vec<String> = more.iter().map(|alert| alert.headline.to_lowercase()).collect();
            format!(" <span class=\"muted\">Also: {}.</span>", Text(&names.join(", ")))
        }
    };
    format!(
        "<div class=\"banner{look}\"{role}><p><b>{headline}</b>{since}. {words}{also}</p>{actions}</div>",
        headline = Text(alert.headline),
        words = MarkedText(words.trim()),
        actions = actions(alert, reader),
    )
}

/// The page that helps, and the label of its link.
fn remedy(alert: &Alert) -> Option<(&'static str, &'static str)> {
    Some(match (alert.kind, alert.why()) {
        (AlertKind::Camera, "denied" | "unsupported" | "broken") => ("settings#camera", "Camera settings"),
        (AlertKind::Camera, _) => ("cameras", "Choose a camera"),
        (AlertKind::Counting, "no_model" | "detector") => ("models", "Choose a model"),
        (AlertKind::Counting, "no_class") => ("lines", "Choose other classes"),
        // No page repairs a database. A full disk has its own alert.
        (AlertKind::Counting, "counts_db") => return None,
        (AlertKind::Counting, _) => ("diagnosis", "Look at the diagnosis"),
        (AlertKind::Storage, "full") => ("media", "Free space"),
        (AlertKind::Storage, _) => ("database", "Look at the database"),
        (AlertKind::Password, _) => ("access", "Set a password"),
        (AlertKind::Clock, "unconfirmed") => ("diagnosis", "Look at the diagnosis"),
        (AlertKind::Clock, _) => return None,
    })
}

fn actions(alert: &Alert, reader: Reader) -> String {
    let link = remedy(alert)
        .map(|(address, words)| {
            let least = match address {
                "diagnosis" => Reader::Viewer,
                "lines" | "media" => Reader::Operator,
                _ => Reader::Admin,
            };
            change_link(reader, least, "btn", address, words)
        })
        .unwrap_or_default();
    let motion = if reader == Reader::Admin && matches!(alert.why(), "no_model" | "no_class" | "detector") {
        let (form, backend) =
            (form_to("patch", "api/v1/settings", "models", ""), field("detect.backend", "motion"));
        format!("{form}{backend}<button class=\"btn\">Count by motion</button></form>")
    } else {
        String::new()
    };
    if link.is_empty() && motion.is_empty() {
        return String::new();
    }
    format!("<div class=\"row\">{link}{motion}</div>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(kind: AlertKind, why: &str) -> Alert {
        Alert {
            why: Some(why.into()),
            reason: Some("no model <here>".into()),
            hint: Some("run `tallycam model add`".into()),
            since_words: "14:02".into(),
            ..Alert::new(kind, "Not counting")
        }
    }

    #[test]
    fn the_first_alert_is_shown_with_its_remedy_and_the_others_are_named() {
        let html =
            banner(&[alert(AlertKind::Counting, "no_model"), alert(AlertKind::Password, "")], Reader::Admin);
        assert!(html.contains("role=\"alert\"><p><b>Not counting</b> since 14:02. No model"), "{html}");
        assert!(html.contains("No model &lt;here&gt;."), "{html}");
        assert!(
            html.contains("href=\"models\">Choose a model</a>")
                && html.contains("name=\"detect.backend\" value=\"motion\"")
        );
        assert!(!html.contains("tallycam model"), "a page is the remedy: {html}");
        assert!(html.contains("Also: not counting."), "{html}");
        assert!(html.contains("data-key=\"counting no_model,password ,\""), "{html}");
    }

    #[test]
    fn every_fault_is_shown_in_full() {
        let full = Alert {
            headline: "Disk full",
            reason: Some("no room".into()),
            ..alert(AlertKind::Storage, "full")
        };
        let html = banner(
            &[alert(AlertKind::Counting, "counts_db"), full, alert(AlertKind::Password, "")],
            Reader::Admin,
        );
        let (counts_db, disk) = html.split_once("<b>Disk full</b>").unwrap_or_default();
        assert!(
            counts_db.contains("<code>tallycam model add</code>") && !counts_db.contains("class=\"btn\""),
            "{html}"
        );
        assert!(disk.contains("No room.") && disk.contains("href=\"media\">Free space</a>"), "{html}");
        assert!(!counts_db.contains("Also:") && disk.contains("Also: not counting."), "{html}");
    }

    #[test]
    fn every_alert_has_a_link_and_no_alert_gives_an_empty_banner() {
        for kind in AlertKind::ALL {
            let html = banner(&[alert(kind, "full")], Reader::Admin);
            let is_told = html.contains("class=\"btn\"") || html.contains("<code>tallycam model add</code>");
            assert!(is_told, "{html}");
        }
        assert_eq!(banner(&[], Reader::Admin), "<div id=\"alerts\" data-key=\"\"></div>\n");
    }
}
