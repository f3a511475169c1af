//! Messages: short, in words, with a link; and the CloudEvent that a webhook gets. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use ring::hmac;
use serde_json::{Value, json};

use tallycam_base::clock::rfc3339;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The same for the same event, however often it is sent.
    pub id: String,
    /// The last part of the event's type: `crossing`, `trouble`.
    pub kind: &'static str,
    /// Wall time in microseconds.
    pub at_us: u64,
    /// The camera's name and what happened.
    pub text: String,
    /// The page to look at.
    pub link: String,
    /// The API's own report of the crossing.
    pub crossing: Option<Value>,
    /// Its small picture, a JPEG.
    pub picture: Option<Bytes>,
}

impl Message {
    /// The CloudEvent (version 1.0, structured mode) of this message, from the page `source`, by the rule `rule`.
    pub fn cloud_event(&self, source: &str, rule: &str) -> Bytes {
        let mut data = json!({"rule": rule, "text": self.text, "link": self.link});
        if let Some(crossing) = &self.crossing {
            data["crossing"] = crossing.clone();
        }
        if let Some(picture) = &self.picture {
            data["picture"] = json!(STANDARD.encode(picture));
        }
        let event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": format!("tallycam.{}", self.kind),
            "time": rfc3339(self.at_us),
            "datacontenttype": "application/json",
            "data": data,
        });
        event.to_string().into()
    }
}

/// The signature of `body`: the value of `X-Tallycam-Signature`.
pub fn signature(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// The time of a crossing.
pub fn time_of(crossing: &Value) -> Option<Timestamp> {
    crossing["time"].as_str()?.parse().ok()
}

/// A crossing in words: "14:02:33 person in at Door".
pub fn crossing_in_words(crossing: &Value, zone: &TimeZone) -> String {
    let text = |key: &str| crossing[key].as_str().unwrap_or_default();
    let at = time_of(crossing).map(|at| at.to_zoned(zone.clone()));
    let at = at.map_or_else(String::new, |at: Zoned| at.strftime("%H:%M:%S ").to_string());
    format!("{at}{} {} at {}", text("class"), text("direction"), text("line"))
}

/// Today's counts in words: "Door 12 in, 9 out", from the API's report by line and direction.
pub fn counts_in_words(report: &Value) -> String {
    let counts = report["items"].as_array().into_iter().flatten();
    let counts = counts.flat_map(|bucket| bucket["counts"].as_array().into_iter().flatten());
    let mut lines: Vec<(&str, [u64; 2])> = Vec::new();
    for count in counts {
        let (name, number) =
            (count["line"].as_str().unwrap_or_default(), count["count"].as_u64().unwrap_or(0));
        let at = lines.iter().position(|(line, _)| *line == name).unwrap_or_else(|| {
            lines.push((name, [0, 0]));
            lines.len() - 1
        });
        lines[at].1[usize::from(count["direction"] != "in")] += number;
    }
    let words: Vec<String> = lines.iter().map(|(line, [i, o])| format!("{line} {i} in, {o} out")).collect();
    if words.is_empty() { String::from("nothing was counted") } else { words.join("; ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_message_is_a_cloud_event() {
        let message = Message {
            id: String::from("crossing-7"),
            kind: "crossing",
            at_us: 1_795_000_000_000_000,
            text: String::from("gate: person in at Door"),
            link: String::from("http://gate.local/counts"),
            crossing: Some(json!({"id": 7})),
            picture: Some(Bytes::from_static(b"jpeg")),
        };
        let event: Value =
            serde_json::from_slice(&message.cloud_event("http://gate.local/", "Till")).unwrap();
        assert_eq!((&event["specversion"], &event["type"]), (&json!("1.0"), &json!("tallycam.crossing")));
        assert_eq!(
            (&event["data"]["crossing"]["id"], &event["data"]["picture"]),
            (&json!(7), &json!("anBlZw=="))
        );
        assert_eq!((&event["id"], &event["time"]), (&json!("crossing-7"), &json!(rfc3339(message.at_us))));
    }

    #[test]
    fn the_signature_is_the_one_of_rfc_4231() {
        let signed = signature("Jefe", b"what do ya want for nothing?");
        assert_eq!(signed, "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn counts_are_summed_by_line() {
        let count = |line: &str, direction: &str, count: u64| {
            let number = json!(count);
            json!({"line": line, "direction": direction, "count": number})
        };
        let counts = json!([count("Door", "in", 12), count("Door", "out", 9), count("Gate", "in", 1)]);
        assert_eq!(
            counts_in_words(&json!({"items": [{"counts": counts}]})),
            "Door 12 in, 9 out; Gate 1 in, 0 out"
        );
        assert_eq!(counts_in_words(&json!({"items": []})), "nothing was counted");
    }

    #[test]
    fn a_crossing_has_its_local_time() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let crossing =
            json!({"time": "2026-11-12T13:02:33.5Z", "class": "person", "direction": "in", "line": "Door"});
        assert_eq!(crossing_in_words(&crossing, &zone), "14:02:33 person in at Door");
    }
}
