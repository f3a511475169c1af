//! The retained topics that say how things are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{Facts, LightFacts, LineFacts, StateFacts};
use super::message::MqttMessage;
use super::topics::Topics;

/// The words of switches.
pub(super) const ON: &str = "ON";
pub(super) const OFF: &str = "OFF";

/// The topics `state`, `lines/N`, `zones/N`, `light`, `recording`, `camera`, `update`. Nothing is said about lines and
/// zones while they cannot be read.
pub(super) fn messages(topics: &Topics, facts: &Facts) -> Vec<MqttMessage> {
    let state = &facts.state;
    let is_recording = state.recording.as_ref().is_some_and(|recording| recording.recording);
    let mut messages = vec![
        MqttMessage::retained_json(topics.own("state"), &StateTopic::of(state)),
        MqttMessage::retained(topics.own("recording"), word(is_recording)),
        MqttMessage::retained(topics.own("camera"), word(state.state != "paused")),
        MqttMessage::retained_json(topics.own("update"), &UpdateTopic::of(state)),
    ];
    if let Some(light) = &facts.light {
        messages.push(MqttMessage::retained_json(topics.own("light"), &LightTopic::of(light)));
    }
    for line in facts.lines.iter().flatten() {
        let topic = topics.own(&format!("lines/{}", line.line_id));
        messages.push(MqttMessage::retained_json(topic, &LineTopic::of(line)));
    }
    for zone in facts.zones.iter().flatten() {
        let told = ZoneTopic { name: &zone.name, occupancy: zone.occupancy };
        messages.push(MqttMessage::retained_json(topics.own(&format!("zones/{}", zone.id)), &told));
    }
    messages
}

fn word(is_on: bool) -> &'static str {
    if is_on { ON } else { OFF }
}

#[derive(Serialize)]
struct StateTopic<'a> {
    name: &'a str,
    state: &'a str,
    headline: &'a str,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
    healthy: bool,
    /// Something keeps the camera from its work; the words above are about it.
    problem: bool,
    counting: &'a str,
    /// Whole frames per second: a tenth more or less is no news.
    fps: u64,
    time_sure: bool,
}

impl<'a> StateTopic<'a> {
    fn of(state: &'a StateFacts) -> StateTopic<'a> {
        let problem = state.problem();
        let (headline, reason, hint) = match problem {
            Some(alert) => (&alert.headline, &alert.reason, &alert.hint),
            None => (&state.headline, &state.reason, &state.hint),
        };
        StateTopic {
            name: &state.name,
            state: &state.state,
            headline,
            reason: reason.as_deref(),
            hint: hint.as_deref(),
            healthy: state.healthy,
            problem: problem.is_some() || !state.healthy,
            counting: state.counting.as_ref().map_or("off", |counting| &counting.state),
            fps: state.fps.round().max(0.0) as u64,
            time_sure: state.time_sure,
        }
    }
}

/// In Home Assistant's words.
#[derive(Serialize)]
struct UpdateTopic<'a> {
    installed_version: &'a str,
    /// tallycam asks nobody for newer versions.
    latest_version: &'a str,
}

impl<'a> UpdateTopic<'a> {
    fn of(state: &'a StateFacts) -> UpdateTopic<'a> {
        UpdateTopic { installed_version: &state.version, latest_version: &state.version }
    }
}

/// Home Assistant's JSON of a light.
#[derive(Serialize)]
struct LightTopic {
    state: &'static str,
    color_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    brightness: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    color: Option<BTreeMap<&'static str, u8>>,
}

impl LightTopic {
    fn of(light: &LightFacts) -> LightTopic {
        let color = light.color();
        LightTopic {
            state: word(light.on),
            color_mode: color_mode(light),
            brightness: color.map(|_| light.brightness),
            color: color.map(|[red, green, blue]| BTreeMap::from([("r", red), ("g", green), ("b", blue)])),
        }
    }
}

/// The light's abilities in Home Assistant's words.
pub(super) fn color_mode(light: &LightFacts) -> &'static str {
    if light.color().is_some() { "rgb" } else { "onoff" }
}

/// The sums as the API tells them.
#[derive(Serialize)]
struct LineTopic<'a> {
    name: &'a str,
    r#in: u64,
    out: u64,
    inside: u64,
    in_total: u64,
    out_total: u64,
    since: &'a str,
    in_name: &'a str,
    out_name: &'a str,
    by_class: &'a BTreeMap<String, [u64; 2]>,
}

impl<'a> LineTopic<'a> {
    fn of(line: &'a LineFacts) -> LineTopic<'a> {
        LineTopic {
            name: &line.line,
            r#in: line.r#in,
            out: line.out,
            inside: line.inside,
            in_total: line.in_total,
            out_total: line.out_total,
            since: &line.since,
            in_name: &line.in_name,
            out_name: &line.out_name,
            by_class: &line.by_class,
        }
    }
}

#[derive(Serialize)]
struct ZoneTopic<'a> {
    name: &'a str,
    occupancy: u64,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::{Value, json};

    use super::*;
    use crate::outbound::mqtt::samples::{self, facts, line, topics};

    /// The topics below the camera's own, and their JSON; text is a JSON text.
    fn told(facts: &Facts) -> BTreeMap<String, Value> {
        let told = messages(&topics(), facts).into_iter().map(|message| {
            assert!(message.is_retained, "{}", message.topic);
            let text = String::from_utf8(message.payload).unwrap();
            let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
            (message.topic.strip_prefix("tallycam/door/").unwrap().to_owned(), value)
        });
        told.collect()
    }

    #[test]
    fn each_topic_says_how_its_part_is() {
        let told = told(&facts());
        let expected = [
            (
                "state",
                json!({
                    "name": "Front door", "state": "live", "headline": "Live", "reason": null, "hint": null,
                    "healthy": true, "problem": false, "counting": "counting", "fps": 15, "time_sure": true,
                }),
            ),
            ("recording", json!("OFF")),
            ("camera", json!("ON")),
            ("update", json!({"installed_version": "0.1.0", "latest_version": "0.1.0"})),
            (
                "light",
                json!({
                    "state": "ON", "color_mode": "rgb", "brightness": 128, "color": {"r": 255, "g": 128, "b": 0},
                }),
            ),
            (
                "lines/1",
                json!({
                    "name": "Middle of the street", "in": 3, "out": 2, "inside": 1, "in_total": 1003,
                    "out_total": 902, "since": "2026-06-01T00:00:00.000Z", "in_name": "in", "out_name": "out",
                    "by_class": {"person": [3, 2]},
                }),
            ),
            ("zones/2", json!({"name": "Counter", "occupancy": 2})),
        ];
        assert_eq!(told.len(), expected.len(), "{told:?}");
        for (topic, value) in expected {
            assert_eq!(told[topic], value, "{topic}");
        }
    }

    #[test]
    fn a_problem_is_told_in_its_own_words() {
        let mut state = samples::state();
        state["alerts"] = json!([
            {"kind": "password", "headline": "No password", "reason": "x", "hint": null, "bad": false},
            {"kind": "counting", "headline": "Not counting", "reason": "No model.", "hint": "choose one", "bad": true},
        ]);
        let mut facts = facts();
        facts.state = serde_json::from_value(state).unwrap();
        let told = &told(&facts)["state"];
        assert_eq!((&told["problem"], &told["headline"]), (&json!(true), &json!("Not counting")));
        assert_eq!((&told["reason"], &told["hint"]), (&json!("No model."), &json!("choose one")));
    }

    #[test]
    fn a_service_that_is_not_healthy_has_a_problem() {
        let mut facts = facts();
        facts.state.healthy = false;
        assert_eq!(told(&facts)["state"]["problem"], json!(true));
    }

    #[test]
    fn pause_and_recording_are_switches() {
        let mut facts = facts();
        facts.state.state = String::from("paused");
        facts.state.recording.as_mut().unwrap().recording = true;
        assert_eq!((&told(&facts)["camera"], &told(&facts)["recording"]), (&json!("OFF"), &json!("ON")));
        facts.state.recording = None;
        assert_eq!(told(&facts)["recording"], json!("OFF"), "without a store nothing is recorded");
    }

    #[test]
    fn a_lamp_has_no_brightness_and_a_camera_without_light_no_topic() {
        let mut facts = facts();
        facts.light = Some(serde_json::from_value(samples::lamp()).unwrap());
        assert_eq!(told(&facts)["light"], json!({"state": "OFF", "color_mode": "onoff"}));
        facts.light = None;
        assert!(!told(&facts).contains_key("light"));
    }

    #[test]
    fn nothing_is_said_about_lines_that_cannot_be_read() {
        let mut facts = facts();
        (facts.lines, facts.zones) = (None, None);
        assert!(told(&facts).keys().all(|topic| !topic.contains('/')));
    }

    #[test]
    fn a_name_is_never_part_of_a_topic() {
        let mut facts = facts();
        let name = "+ # / ü \"{{".repeat(20);
        facts.lines = Some(vec![line(9, &name)]);
        assert_eq!(told(&facts)["lines/9"]["name"], json!(name));
    }
}
