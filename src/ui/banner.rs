//! The banner at the top of every page: the worst fault, its start, and a link to the remedy.

use std::fmt::Write;

use super::escape::{MarkedText, Text};
use super::facts::{Alert, AlertKind, Reader};
use super::form::{change_link, field, form_to};
use super::format::as_sentence;
use super::frame::hidden_attribute;

/// The banner of `alerts`: one slim line for the worst that the reader has not closed, with its remedy. The others
/// unfold below it. `page.js` fetches the banner again when `data-key` changes.
pub(super) fn banner(alerts: &[Alert], reader: Reader) -> String {
    let mut key = String::new();
    for alert in alerts {
        let _ = write!(key, "{} {},", alert.kind.as_str(), alert.why());
    }
    let mut shown = alerts.iter().filter(|alert| !alert.is_closed);
    let inner =
        shown.next().map_or_else(String::new, |worst| line(worst, &shown.collect::<Vec<_>>(), reader));
    format!(
        "<section id=\"alerts\" aria-label=\"Alerts\" data-key=\"{}\"{}>{inner}</section>\n",
        Text(&key),
        hidden_attribute(inner.is_empty()),
    )
}

fn line(alert: &Alert, others: &[&Alert], reader: Reader) -> String {
    let mut text = words(alert);
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|other| other.headline.to_lowercase()).collect();
        let more: String = others
            .iter()
            .map(|other| format!("<div><p>{}</p>{}</div>", words(other), actions(other, reader)))
            .collect();
        text = format!(
            "<details><summary><span>{text} <span class=\"muted\">Also: {}.</span></span></summary>{more}</details>",
            Text(&names.join(", ")),
        );
    } else {
        text = format!("<p>{text}</p>");
    }
    let close = format!(
        "<button class=\"btn quiet\" type=\"button\" data-close=\"{}\" aria-label=\"Close for today\">×</button>",
        alert.kind.as_str()
    );
    let (look, role, close) =
        if alert.kind.is_bad() { (" trouble", " role=\"alert\"", "") } else { ("", "", close.as_str()) };
    format!("<div class=\"banner{look}\"{role}>{text}{}{close}</div>", actions(alert, reader))
}

/// Headline, start, reason and remedy of an alert as HTML.
fn words(alert: &Alert) -> String {
    // A page's button replaces a hint for the command line.
    let hint = alert.hint.as_deref().filter(|_| remedy(alert).is_none()).unwrap_or_default();
    let words = [alert.reason.as_deref().unwrap_or_default(), hint].map(as_sentence).join(" ");
    let since = match alert.since_words.as_str() {
        "" => String::new(),
        since => format!(" since {}", Text(since)),
    };
    format!("<b>{}</b>{since}. {}", Text(alert.headline), MarkedText(words.trim()))
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
        (AlertKind::Counting, _) => ("diagnosis", "Open diagnosis"),
        (AlertKind::Storage, "full") => ("media", "Free space"),
        (AlertKind::Storage, _) => ("database", "Open database"),
        (AlertKind::Password, _) => ("access", "Set a password"),
        (AlertKind::Clock, _) => ("diagnosis#clock", "Set the clock"),
    })
}

fn actions(alert: &Alert, reader: Reader) -> String {
    let link = remedy(alert)
        .map(|(address, words)| {
            let least = match address {
                "diagnosis" => Reader::Visitor,
                "diagnosis#clock" => Reader::Admin,
                "lines" | "media" => Reader::Operator,
                _ => Reader::Admin,
            };
            // A note does not ask others to sign in.
            if reader < least && !alert.kind.is_bad() {
                return String::new();
            }
            change_link(reader, least, "btn", address, words)
        })
        .unwrap_or_default();
    let by_motion = reader == Reader::Admin && matches!(alert.why(), "no_model" | "no_class" | "detector");
    let motion = if let Some(place) = alert.pinned.as_ref().filter(|_| by_motion) {
        // A button that cannot work is not offered.
        format!("<span class=\"small\">The detector is set in {}.</span>", Text(place))
    } else if by_motion {
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
        let line = "trouble\" role=\"alert\"><details><summary><span><b>Not counting</b> since 14:02. No";
        assert!(html.contains(line), "{html}");
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
    fn a_button_that_cannot_work_is_not_offered() {
        let pinned = Alert { pinned: Some("config.toml:9".into()), ..alert(AlertKind::Counting, "no_model") };
        let html = banner(&[pinned], Reader::Admin);
        assert!(
            !html.contains("Count by motion") && html.contains("The detector is set in config.toml:9."),
            "{html}"
        );
    }

    #[test]
    fn one_fault_is_shown_and_the_others_unfold_with_their_remedies() {
        let full = Alert {
            headline: "Disk full",
            reason: Some("no room".into()),
            ..alert(AlertKind::Storage, "full")
        };
        let html = banner(
            &[alert(AlertKind::Counting, "counts_db"), full, alert(AlertKind::Password, "")],
            Reader::Admin,
        );
        let (line, more) = html.split_once("</summary>").unwrap_or_default();
        assert!(
            line.contains("<code>tallycam model add</code>") && line.contains("Also: disk full, not"),
            "{html}"
        );
        assert!(
            more.contains("<b>Disk full</b>") && more.contains("href=\"media\">Free space</a>"),
            "{html}"
        );
        assert_eq!(html.matches("class=\"banner").count(), 1, "{html}");
        assert!(!html.contains("data-close"), "a fault cannot be closed: {html}");
    }

    #[test]
    fn a_note_that_was_closed_makes_room_for_the_next() {
        let closed = Alert { is_closed: true, ..alert(AlertKind::Clock, "unconfirmed") };
        let html = banner(&[closed.clone(), alert(AlertKind::Password, "")], Reader::Admin);
        assert!(html.contains("href=\"access\"") && html.contains("data-close=\"password\""), "{html}");
        assert!(
            !html.contains("Also:") && html.contains("data-key=\"clock unconfirmed,password ,\""),
            "{html}"
        );
        assert!(
            banner(&[closed], Reader::Admin).contains("data-key=\"clock unconfirmed,\" hidden></section>")
        );
    }

    #[test]
    fn every_alert_has_a_link_and_no_alert_gives_an_empty_banner() {
        for kind in AlertKind::ALL {
            let html = banner(&[alert(kind, "full")], Reader::Admin);
            let is_told = html.contains("class=\"btn\"") || html.contains("<code>tallycam model add</code>");
            assert!(is_told, "{html}");
        }
        let html = banner(&[], Reader::Admin);
        assert_eq!(html, "<section id=\"alerts\" aria-label=\"Alerts\" data-key=\"\" hidden></section>\n");
    }
}
