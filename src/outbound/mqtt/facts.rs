//! The facts that the service's own API tells now.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::outbound::api::ApiCaller;
use crate::pipeline::lights::StripKind;
use tallycam_base::{Fault, FaultKind};

/// The facts that the service's own API tells now.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Facts {
    pub(super) state: StateFacts,
    /// The lines of the shown scene in the order of their numbers; `None` while counts.db cannot be read.
    pub(super) lines: Option<Vec<LineFacts>>,
    /// The zones likewise, without those that are excluded from counting.
    pub(super) zones: Option<Vec<ZoneFacts>>,
    /// `None` without a light.
    pub(super) light: Option<LightFacts>,
    /// Address of the page.
    pub(super) page: String,
    /// Pictures are published.
    pub(super) has_picture: bool,
}

/// The part of `/api/v1/state` that is published.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct StateFacts {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) state: String,
    pub(super) headline: String,
    pub(super) reason: Option<String>,
    pub(super) hint: Option<String>,
    pub(super) healthy: bool,
    pub(super) fps: f64,
    pub(super) time_sure: bool,
    pub(super) alerts: Vec<AlertFacts>,
    pub(super) counting: Option<CountingFacts>,
    pub(super) recording: Option<RecordingFacts>,
    light: Option<IgnoredAny>,
}

/// A fault of the service.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct AlertFacts {
    pub(super) headline: String,
    pub(super) reason: Option<String>,
    pub(super) hint: Option<String>,
    /// Camera, counting or storage does not work.
    pub(super) bad: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct CountingFacts {
    pub(super) state: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct RecordingFacts {
    pub(super) recording: bool,
}

/// A line with its sums.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LineFacts {
    pub(super) line_id: u64,
    pub(super) line: String,
    pub(super) r#in: u64,
    pub(super) out: u64,
    pub(super) inside: u64,
    pub(super) in_total: u64,
    pub(super) out_total: u64,
    pub(super) since: String,
    pub(super) in_name: String,
    pub(super) out_name: String,
    pub(super) by_class: BTreeMap<String, [u64; 2]>,
}

/// A zone with its occupancy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct ZoneFacts {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) occupancy: u64,
    exclude: bool,
}

/// The light.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct LightFacts {
    kind: String,
    pub(super) on: bool,
    pub(super) brightness: u8,
    /// RRGGBB.
    color: String,
}

impl LightFacts {
    /// Red, green and blue; `None` if it is a lamp that is on or off.
    pub(super) fn color(&self) -> Option<[u8; 3]> {
        if self.kind == StripKind::Lamp.as_str() {
            return None;
        }
        let value = u32::from_str_radix(&self.color, 16).ok()?;
        let [_, red, green, blue] = value.to_be_bytes();
        Some([red, green, blue])
    }
}

impl StateFacts {
    /// The worst fault that keeps the camera from its work.
    pub(super) fn problem(&self) -> Option<&AlertFacts> {
        self.alerts.iter().find(|alert| alert.bad)
    }
}

#[derive(Deserialize)]
struct TalliesFacts {
    lines: Vec<LineFacts>,
}

#[derive(Deserialize)]
struct ZonesFacts {
    items: Vec<ZoneFacts>,
}

/// Reads the facts. `page` is the address of the page, and `has_picture` is true if pictures are published.
///
/// # Errors
/// The service does not answer: it stops.
pub(super) async fn read(api: &ApiCaller, page: &str, has_picture: bool) -> Result<Facts, Fault> {
    let state: StateFacts = get(api, "/api/v1/state").await?.map_err(Fault::passing)?;
    let lines = get::<TalliesFacts>(api, "/api/v1/tallies").await?.ok().map(|tallies| {
        let mut lines = tallies.lines;
        lines.sort_by_key(|line| line.line_id);
        lines
    });
    let zones = get::<ZonesFacts>(api, "/api/v1/zones").await?.ok().map(|zones| {
        let mut zones: Vec<ZoneFacts> = zones.items.into_iter().filter(|zone| !zone.exclude).collect();
        zones.sort_by_key(|zone| zone.id);
        zones
    });
    let light = match state.light {
        Some(_) => Some(get(api, "/api/v1/light").await?.map_err(Fault::passing)?),
        None => None,
    };
    Ok(Facts { state, lines, zones, light, page: page.to_owned(), has_picture })
}

/// The answer to `GET address`, or the reason of a refusal.
async fn get<T: DeserializeOwned>(api: &ApiCaller, address: &str) -> Result<Result<T, String>, Fault> {
    let reply = api.get(address).await.map_err(|error| Fault::passing(error.to_string()))?;
    if !reply.is_success() {
        return Ok(Err(reply.refusal()));
    }
    let read = serde_json::from_slice(&reply.body);
    // The API is ours: another shape is a mistake in tallycam.
    read.map(Ok).map_err(|error| Fault::new(FaultKind::Foreign, format!("{address} answered oddly: {error}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use serde_json::{Value, json};

    use super::*;
    use crate::outbound::api;
    use crate::outbound::mqtt::samples;

    /// Reads from an API with these answers; another address gets 503.
    async fn read_from(answers: &[(&str, Value)]) -> Result<Facts, Fault> {
        let (caller, mut calls) = api::channel();
        let answering = async move {
            while let Some(call) = calls.recv().await {
                let known = answers.iter().find(|(address, _)| *address == call.address);
                match known {
                    Some((_, body)) => call.answer(200, Bytes::from(body.to_string())),
                    None => call.answer(503, Bytes::from_static(br#"{"detail":"counts.db is damaged"}"#)),
                }
            }
        };
        let reading = async move { read(&caller, "http://door.local/", false).await };
        tokio::join!(reading, answering).0
    }

    fn tallies(numbers: &[u64]) -> Value {
        let line = |number: &u64| {
            json!({
                "line_id": number, "line": "Door", "in": 1, "out": 1, "inside": 0, "in_total": 1, "out_total": 1,
                "since": "2026-06-01T00:00:00.000Z", "in_name": "in", "out_name": "out", "by_class": {},
            })
        };
        json!({"day": "2026-06-01T00:00:00.000Z", "lines": numbers.iter().map(line).collect::<Vec<_>>()})
    }

    #[tokio::test]
    async fn lines_come_in_the_order_of_their_numbers_and_zones_without_the_excluded() {
        let zone =
            |id: u64, exclude: bool| json!({"id": id, "name": "x", "exclude": exclude, "occupancy": 0});
        let answers = [
            ("/api/v1/state", samples::state()),
            ("/api/v1/tallies", tallies(&[7, 2])),
            (
                "/api/v1/zones",
                json!({"items": [zone(4, false), zone(3, true), zone(1, false)], "next": null}),
            ),
            ("/api/v1/light", samples::lamp()),
        ];
        let facts = read_from(&answers).await.unwrap();
        let lines: Vec<u64> = facts.lines.unwrap().iter().map(|line| line.line_id).collect();
        let zones: Vec<u64> = facts.zones.unwrap().iter().map(|zone| zone.id).collect();
        assert_eq!((lines, zones), (vec![2, 7], vec![1, 4]));
        assert_eq!(facts.light.unwrap().color(), None);
    }

    #[tokio::test]
    async fn lines_that_cannot_be_read_are_unknown() {
        let mut state = samples::state();
        state["light"] = Value::Null;
        let facts = read_from(&[("/api/v1/state", state)]).await.unwrap();
        assert_eq!((facts.lines, facts.zones, facts.light), (None, None, None));
    }

    #[tokio::test]
    async fn an_answer_of_another_shape_is_a_fault() {
        let fault = read_from(&[("/api/v1/state", json!({"name": 5}))]).await.unwrap_err();
        assert!(fault.what.starts_with("/api/v1/state answered oddly"), "{fault}");
    }

    #[test]
    fn a_color_is_three_bytes() {
        let light = json!({"kind": "pwm", "on": true, "brightness": 1, "color": "0A0B0C"});
        let light: LightFacts = serde_json::from_value(light).unwrap();
        assert_eq!(light.color(), Some([10, 11, 12]));
    }
}
