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
    Some(MqttMessage {
        topic: topics.own(&format!("lines/{}/crossing", crossing["line_id"].as_u64()?)),
        payload: json(&event),
        is_retained: false,
    })
}
