//! Facts for the tests, in the shapes of the API's answers.

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::facts::{Facts, LineFacts, ZoneFacts};
use super::topics::Topics;

pub(super) fn topics() -> Topics {
    Topics {
        prefix: String::from("tallycam"),
        id: String::from("door"),
        discovery: String::from("homeassistant"),
    }
}

pub(super) fn line(number: u64, name: &str) -> LineFacts {
    let line = json!({
        "line_id": number, "line": name, "in": 3, "out": 2, "inside": 1, "in_total": 1003, "out_total": 902,
        "since": "2026-06-01T00:00:00.000Z", "in_name": "in", "out_name": "out",
        "by_class": {"person": [3, 2]},
    });
    serde_json::from_value(line).unwrap()
}

pub(super) fn zone(number: u64, name: &str) -> ZoneFacts {
    let zone = json!({"id": number, "name": name, "points": [], "exclude": false, "occupancy": 2});
    serde_json::from_value(zone).unwrap()
}

pub(super) fn state() -> Value {
    json!({
        "name": "Front door", "version": "0.1.0", "state": "live", "headline": "Live", "reason": null, "hint": null,
        "healthy": true, "fps": 14.8, "time_sure": true, "alerts": [], "counting": {"state": "counting", "why": null},
        "recording": {"recording": false}, "light": {"kind": "sim", "on": true}, "viewers": 0,
    })
}

/// A camera with a line, a zone, a light and pictures.
pub(super) fn facts() -> Facts {
    let light = json!({"kind": "spi", "on": true, "brightness": 128, "color": "FF8000", "ranges": []});
    Facts {
        state: serde_json::from_value(state()).unwrap(),
        lines: Some(vec![line(1, "Middle of the street")]),
        zones: Some(vec![zone(2, "Counter")]),
        light: Some(serde_json::from_value(light).unwrap()),
        page: String::from("http://door.local:8080/"),
        has_picture: true,
    }
}

pub(super) fn lamp() -> Value {
    json!({"kind": "gpio", "on": false, "brightness": 255, "color": "FFFFFF"})
}
