//! Reads from the API what goes out besides the state: crossings, replays, covered time, and how many are behind.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::event::line_event;
use super::message::{MqttMessage, json as bytes};
use super::session::{PAGE, PlacedRow, RowsWanted};
use super::topics::Topics;
use crate::outbound::api::ApiCaller;
use crate::outbound::follow::{self, place};
use tallycam_base::Fault;
use tallycam_base::clock::{self, rfc3339};

/// Covered time of this length is sent a second time.
const COVERED_AGAIN_US: u64 = 15 * 60 * 1_000_000;

/// Covered time from before this is not told.
const COVERED_AT_MOST_US: u64 = 7 * 86_400 * 1_000_000;

/// Bytes of the largest picture.
const LARGEST_PICTURE: u64 = 1 << 20;

/// Hours of covered time of all lines together in one go: some 60 kB.
const COVERED_HOURS: u64 = 96;
const HOUR_US: u64 = 3_600_000_000;

/// Rows that were read.
#[derive(Debug, Default)]
pub(super) struct RowsRead {
    pub(super) rows: Vec<PlacedRow>,
    /// Events of new crossings.
    pub(super) events: Vec<MqttMessage>,
    pub(super) is_more: bool,
}

/// Reads the rows of `wanted` from the counts.db with this `ledger`.
///
/// # Errors
/// The API refuses. The same holds for the other functions.
pub(super) async fn read(
    api: &ApiCaller,
    topics: &Topics,
    ledger: &str,
    wanted: RowsWanted,
) -> Result<RowsRead, Fault> {
    let (since, is_live) = match wanted {
        RowsWanted::Live(since) => (since, true),
        RowsWanted::Backlog(since) => (since, false),
        RowsWanted::Replay(since, until) => return replay(api, topics, ledger, since, until).await,
    };
    let page = follow::after(api, since, PAGE, "").await?;
    let now_ms = i64::try_from(clock::wall_us() / 1000).unwrap_or(i64::MAX);
    let events = page.items.iter().filter(|_| is_live).filter_map(|row| line_event(topics, row, now_ms));
    Ok(RowsRead {
        events: events.collect(),
        rows: page.items.iter().filter_map(|row| placed(topics, row)).collect(),
        is_more: page.is_more,
    })
}

/// A row as the API tells it.
fn placed(topics: &Topics, row: &Value) -> Option<PlacedRow> {
    let message = MqttMessage::passing(topics.own("crossing"), bytes(row));
    Some(PlacedRow { place: place(row)?, message })
}

/// Tells of every number after `since` up to `until`: the crossing that has it as its id or as its place, or that it is
/// gone.
async fn replay(
    api: &ApiCaller,
    topics: &Topics,
    ledger: &str,
    since: u64,
    until: u64,
) -> Result<RowsRead, Fault> {
    let many = usize::try_from(until - since).unwrap_or(PAGE).clamp(1, PAGE);
    // A cursor of 0 is none.
    let cursor = if since == 0 { String::new() } else { format!("&cursor={since}") };
    let by_id = api.read(format!("/api/v1/crossings?order=oldest&scene=all&limit={many}{cursor}")).await?;
    let by_place = follow::after(api, since, many, "").await?;
    let by_id = by_id["items"].as_array().into_iter().flatten();
    let by_id = by_id.filter(|row| row["id"].as_u64().is_some_and(|id| id <= until));
    let by_place = by_place.items.iter().filter(|row| place(row).is_some_and(|place| place <= until));
    let rows = answer(since, until, by_id.chain(by_place), ledger);
    Ok(RowsRead { rows: rows.iter().filter_map(|row| placed(topics, row)).collect(), ..RowsRead::default() })
}

/// One row for each number, from these rows. Pure.
fn answer<'a>(since: u64, until: u64, found: impl Iterator<Item = &'a Value>, ledger: &str) -> Vec<Value> {
    let (mut rows, mut told, mut known) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    for row in found {
        let (id, place) = (row["id"].as_u64(), place(row));
        told.extend(id.into_iter().chain(place));
        if known.insert((id, place)) {
            rows.push(row.clone());
        }
    }
    let gone = (since + 1..=until).filter(|number| !told.contains(number));
    rows.extend(gone.map(|number| json!({"ledger": ledger, "id": number, "seq": number, "gone": true})));
    rows.sort_by_key(|row| (place(row), row["id"].as_u64()));
    rows
}

/// The rows that are not sent yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) rows: u64,
    /// Wall time of the oldest crossing.
    pub(super) since_us: Option<u64>,
}

/// The rows after the place `sent`, with those that are gone.
pub(super) async fn behind(api: &ApiCaller, sent: u64) -> Result<Behind, Fault> {
    let page = api.read(format!("/api/v1/crossings?since={sent}&scene=all&limit=1&left=1")).await?;
    let Some(first) = page["items"].get(0) else { return Ok(Behind::default()) };
    let at = first["time"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
    Ok(Behind {
        rows: 1 + page["left"].as_u64().unwrap_or(0),
        since_us: at.and_then(|at| u64::try_from(at.as_microsecond()).ok()),
    })
}

/// A stored snapshot.
#[derive(Debug)]
pub(super) struct SentSnapshot {
    pub(super) id: u64,
    pub(super) jpeg: Vec<u8>,
}

/// The newest snapshot, unless it is `known` or too large. `None` too in privacy mode, which refuses it.
pub(super) async fn snapshot(api: &ApiCaller, known: Option<u64>) -> Result<Option<SentSnapshot>, Fault> {
    let page = api.read("/api/v1/media?kind=snapshot&limit=1").await?;
    let item = &page["items"][0];
    let Some(id) = item["id"].as_u64().filter(|id| Some(*id) != known) else { return Ok(None) };
    if item["bytes"].as_u64().is_none_or(|bytes| bytes > LARGEST_PICTURE) {
        return Ok(None);
    }
    let reply = api.get(format!("/api/v1/media/{id}/content")).await;
    let reply = reply.map_err(|error| Fault::passing(error.to_string()))?;
    Ok(reply.is_success().then(|| SentSnapshot { id, jpeg: reply.body.to_vec() }))
}

/// Covered time, one message for each line.
#[derive(Debug)]
pub(super) struct CoveredTime {
    /// End of the told time, wall clock.
    pub(super) until_us: u64,
    pub(super) messages: Vec<MqttMessage>,
}

/// Reads the covered time of all lines in steps of five minutes, from `told_us` on.
pub(super) async fn coverage(
    api: &ApiCaller,
    topics: &Topics,
    ledger: &str,
    told_us: u64,
) -> Result<CoveredTime, Fault> {
    let now_us = clock::wall_us();
    let lines = api.read("/api/v1/lines").await?;
    let lines: Vec<u64> =
        lines["items"].as_array().into_iter().flatten().filter_map(|line| line["id"].as_u64()).collect();
    let from_us =
        told_us.saturating_sub(COVERED_AGAIN_US).max(now_us.saturating_sub(COVERED_AT_MOST_US)).min(now_us);
    let hours = (COVERED_HOURS / lines.len().max(1) as u64).clamp(1, 24);
    let until_us = now_us.min(from_us + hours * HOUR_US);
    let mut messages = Vec::new();
    if from_us == until_us {
        // The clock went back.
        return Ok(CoveredTime { until_us, messages });
    }
    let (from, to) = (rfc3339(from_us), rfc3339(until_us));
    for line in lines {
        let address = format!("/api/v1/counts?line={line}&from={from}&to={to}&bucket=5min&by=");
        let counts = api.read(address).await?;
        let items = counts["items"].as_array().into_iter().flatten();
        let items: Vec<Value> =
            items.map(|item| json!({"start": item["start"], "covered": item["covered"]})).collect();
        let message = json!({
            "ledger": ledger, "line_id": line, "bucket": "5min", "time_zone": counts["time_zone"], "items": items,
        });
        messages.push(MqttMessage::passing(topics.own("coverage"), bytes(&message)));
    }
    Ok(CoveredTime { until_us, messages })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_replay_tells_of_every_number() {
        let found = [
            json!({"id": 3, "seq": 3}),
            // Its time was mended: 4 is its id, and 90 its place.
            json!({"id": 4, "seq": 90}),
            json!({"id": 3, "seq": 3}),
            json!({"id": 1, "seq": 6, "gone": true}),
        ];
        let rows = answer(2, 7, found.iter(), "L");
        let told: Vec<(u64, u64, bool)> = rows
            .iter()
            .map(|row| (row["id"].as_u64().unwrap(), place(row).unwrap(), row["gone"] == true))
            .collect();
        assert_eq!(told, [(3, 3, false), (5, 5, true), (1, 6, true), (7, 7, true), (4, 90, false)]);
        assert_eq!(rows[1]["ledger"], "L");
    }
}
