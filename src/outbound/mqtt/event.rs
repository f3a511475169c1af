//! The event of a crossing, for Home Assistant: it is about now, so a late crossing makes none.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::message::{MqttMessage, json};
use super::topics::Topics;

/// Greatest age of a crossing in milliseconds. Events of older ones would start automations for people who have left.
const FRESH_MS: i64 = 30_000;

#[derive(Serialize)]
struct CrossingEvent<'a> {
    /// One of the announced ones: Home Assistant complains of others.
    event_type: &'a str,
    class: &'a str,
    time: &'a str,
    id: u64,
}

/// The message about `crossing`, a row of the API. `None` if it is old, a correction, or taken back.
pub(super) fn line_event(topics: &Topics, crossing: &Value, now_ms: i64) -> Option<MqttMessage> {
    let time = crossing["time"].as_str()?;
    let age_ms = now_ms - time.parse::<Timestamp>().ok()?.as_millisecond();
    let id = crossing["id"].as_u64()?;
    // A corrected time gets a later place in the order of changes. Its event was sent before.
    let is_first = crossing["seq"].as_u64() == Some(id);
    let direction = crossing["direction"].as_str().filter(|way| matches!(*way, "in" | "out"))?;
    // A clock that was set back makes times in the future.
    if !is_first || !(-FRESH_MS..FRESH_MS).contains(&age_ms) {
        return None;
    }
    let event = CrossingEvent {
        event_type: direction,
        class: crossing["class"].as_str().unwrap_or_default(),
        time,
        id,
    };
    let topic = topics.own(&format!("lines/{}/crossing", crossing["line_id"].as_u64()?));
    Some(MqttMessage::passing(topic, json(&event)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;
    use crate::outbound::mqtt::samples::topics;

    const AT_MS: i64 = 1_780_308_003_000;

    fn crossing() -> Value {
        json!({
            "ledger": "5c1e0d2f9b7a4468", "id": 7, "seq": 7, "run": 2, "camera": "door", "scene": "sim",
            "line": "Door + # /", "line_id": 3, "track": 2, "ordinal": 1, "class": "person", "direction": "out",
            "score": 0.5, "time": "2026-06-01T10:00:03.000Z", "time_sure": true, "thumbnail": null,
        })
    }

    #[test]
    fn a_fresh_crossing_is_an_event_that_nobody_keeps() {
        let message = line_event(&topics(), &crossing(), AT_MS + 900).unwrap();
        assert_eq!((message.topic.as_str(), message.is_retained), ("tallycam/door/lines/3/crossing", false));
        let payload: Value = serde_json::from_slice(&message.payload).unwrap();
        let told =
            json!({"event_type": "out", "class": "person", "time": "2026-06-01T10:00:03.000Z", "id": 7});
        assert_eq!(payload, told);
    }

    #[test]
    fn a_crossing_is_fresh_for_thirty_seconds() {
        for (now_ms, is_fresh) in [
            (AT_MS, true),
            (AT_MS + 29_999, true),
            (AT_MS + 30_000, false),
            (AT_MS + 86_400_000, false),
            (AT_MS - 29_000, true),
            (AT_MS - 31_000, false),
            (0, false),
        ] {
            assert_eq!(line_event(&topics(), &crossing(), now_ms).is_some(), is_fresh, "{now_ms}");
        }
    }

    #[test]
    fn corrections_and_rows_of_another_shape_are_no_events() {
        let with = |key: &str, value: Value| {
            let mut row = crossing();
            row[key] = value;
            row
        };
        let gone = json!({"ledger": "5c1e0d2f9b7a4468", "id": 7, "seq": 9, "gone": true});
        let rows = [
            ("a mended time", with("seq", json!(9))),
            ("taken back", gone),
            ("no time", with("time", Value::Null)),
            ("a time in words", with("time", json!("yesterday"))),
            ("no line", with("line_id", Value::Null)),
            ("another direction", with("direction", json!("up"))),
            ("no object", json!([])),
        ];
        for (what, row) in rows {
            assert_eq!(line_event(&topics(), &row, AT_MS), None, "{what}");
        }
    }
}
