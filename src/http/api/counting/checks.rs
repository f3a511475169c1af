//! `/api/v1/checks`: what somebody tapped while watching a line, matched with what was counted.

use std::rc::Rc;
use std::time::Duration;

use hyper::header::{HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::api::counting::counts::{CountsFormat, as_table, format, table_begins};
use crate::http::api::media::thumbnail::{self, ThumbnailRequest};
use crate::http::api::media::video;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Who;
use crate::http::report::wire::{self, List, Redact};
use crate::http::request::csv::CsvTable;
use crate::http::request::kinds::{SentKind, kinds};
use crate::http::request::problem::Problem;
use crate::http::request::{json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::pipeline::lights;
use crate::ui::CheckBadge;
use tallycam_base::clock;
use tallycam_store::media::{Item, MediaReader};
use tallycam_store::{
    CheckAdvice, CheckDraft, CheckSetup, CountsReader, Direction, EditError, LineCheck, LineRow, StoreError,
};

/// Default and maximum number of checks on a page.
const USUAL: u64 = 100;
const MOST: u64 = 1000;

/// Crossings are stored at most this long after they happened: at one detection a second two detections settle one,
/// and counts.db is written once a second.
const STORED_WITHIN_US: u64 = 5_000_000;

/// A trial that takes longer is ended.
const LONGEST_RUN: Duration = Duration::from_secs(6 * 3600);

kinds!([] SentTime);

/// A time, in microseconds since 1970 or as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentTime(u64);

impl SentKind for SentTime {
    fn of(given: &Value) -> Result<SentTime, String> {
        let text = || -> Option<u64> {
            let time: jiff::Timestamp = given.as_str()?.parse().ok()?;
            time.as_microsecond().try_into().ok()
        };
        given
            .as_u64()
            .or_else(text)
            .map(SentTime)
            .ok_or_else(|| String::from("microseconds since 1970, or a time such as 2026-11-20T08:00:00.5Z"))
    }

    fn schema() -> Value {
        json!({"oneOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]})
    }
}

/// A tap.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckTap {
    /// When.
    time: SentTime,
    /// The direction of the crossing.
    direction: Direction,
}

/// A watched line, and the taps.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["line", "from", "to", "taps"]))]
pub struct CheckBody {
    /// The number of the line.
    line: u64,
    /// Start.
    from: SentTime,
    /// End.
    to: SentTime,
    /// Everything that crossed; a tap may come up to two seconds late.
    #[schemars(length(max = 5000))]
    taps: Vec<CheckTap>,
    /// Starts and ends of times in which nobody watched.
    #[serde(default)]
    #[schemars(length(max = 5000))]
    pauses: Vec<(SentTime, SentTime)>,
    /// The recording that was watched; it was live without it.
    #[serde(default)]
    recording: Option<u64>,
}

/// Begins the privacy mask in the words of a view.
const MASK: &str = ", mask ";

impl Redact for LineCheck {
    fn redact(&mut self) {
        self.setup.source.clear();
        let without_mask = self.setup.view.split(MASK).next().map(str::len);
        self.setup.view.truncate(without_mask.unwrap_or_default());
        self.trial_failed = None;
    }
}

/// The present circumstances; the brightness is unknown.
fn setup(site: &Site) -> Result<CheckSetup, Problem> {
    let (counting, camera) = (site.counting()?.status(), site.pipeline.status());
    let geometry = site.pipeline.view().borrow().geometry();
    let turned = u16::from(geometry.orientation.quarters) * 90;
    let mirrored = if geometry.orientation.mirrored { ", mirrored" } else { "" };
    let crop = geometry.crop.map_or_else(String::new, |crop| format!(", crop {crop:?}"));
    let in_force = site.preferences()?.in_force();
    let mask = match &in_force.resolved.config.privacy.mask[..] {
        [] => String::new(),
        areas => format!("{MASK}{areas:?}"),
    };
    Ok(CheckSetup {
        model: if counting.backend == "motion" { String::from("motion") } else { counting.model },
        objects: String::new(),
        camera: site.settings().name.clone(),
        light: None,
        size: camera.size,
        view: format!("{turned}°{mirrored}{crop}{mask}"),
        source: camera.source,
        rate: None,
    })
}

/// The brightness in the middle of a check of a recording, or now.
async fn light(site: &Site, recording: Option<Item>, middle_us: u64) -> Result<Option<u8>, Problem> {
    let jpeg = match recording {
        _ if site.is_counts_only() => None,
        None => site
            .pipeline
            .originals()
            .newest()
            .filter(|picture| !picture.is_card)
            .map(|picture| picture.jpeg()),
        Some(item) => {
            let at = ThumbnailRequest::Time(middle_us.saturating_sub(item.at_us));
            let media = site.media_readers()?;
            media.read(move |reader| thumbnail::find(reader, &item, at)).await?.map(|found| found.jpeg)
        }
    };
    let Some(jpeg) = jpeg else { return Ok(None) };
    Ok(tokio::task::spawn_blocking(move || lights::brightness(&jpeg)).await.ok().flatten())
}

/// A check of a whole recording without taps.
pub fn whole(site: &Site, line: u64, item: &Item) -> Result<CheckDraft, Problem> {
    let (from_us, to_us) = (item.at_us, item.at_us.saturating_add(item.duration_us.min(86_400_000_000)));
    let (scene, setup) = (site.counts()?.scene(), CheckSetup::default());
    let (recording, taps, pauses) = (Some(item.id), Vec::new(), Vec::new());
    let is_as_shown = item.is_as_shown();
    Ok(CheckDraft { line, scene, from_us, to_us, recording, taps, pauses, is_as_shown, setup })
}

/// `POST /api/v1/checks`.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let (site, counts) = (&request.site, request.site.counts()?);
    let CheckBody { line, from, to, taps, pauses, recording } =
        json_body::read_beside(request.body.clone()).await?;
    let left_us = (to.0.saturating_add(STORED_WITHIN_US)).saturating_sub(site.clock().now_us);
    if left_us > 2 * STORED_WITHIN_US {
        let words = "the check is not over yet";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words).wrong(
            "to",
            "a time that has passed",
            clock::rfc3339(to.0),
        ));
    }
    tokio::time::sleep(Duration::from_micros(left_us)).await;
    let mut setup = setup(site)?;
    let item = match recording {
        Some(id) => Some(site.media_readers()?.read(move |reader| reader.item(id)).await?),
        None => None,
    };
    let is_as_shown = item.as_ref().is_some_and(Item::is_as_shown);
    if let Some(item) = &item {
        if !item.is_recording() || from.0 < item.at_us || from.0 >= item.at_us + item.duration_us {
            let words = format!("`from` is not a time of recording {}", item.id);
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words).wrong(
                "recording",
                "a recording of that time",
                item.id.to_string(),
            ));
        }
        let size = (item.width, item.height);
        // The present one is that of the shown picture.
        let shown = || site.pipeline.view().borrow().output_size(size);
        setup.size = Some(if is_as_shown { size } else { shown() });
        // Before that the detector may have been another one; a recount of the recording tells its model.
        if from.0 < site.counting()?.status().since_us {
            (setup.model, setup.view, setup.source) = Default::default();
        }
    }
    let rate = site.counting()?.status().detections_per_second;
    setup.rate = (recording.is_none() && rate > 0.0).then_some((rate * 10.0).round() / 10.0);
    setup.light = light(site, item, from.0 / 2 + to.0 / 2).await?;
    let draft = CheckDraft {
        line,
        scene: counts.scene(),
        from_us: from.0,
        to_us: to.0,
        recording,
        taps: taps.iter().map(|tap| (tap.time.0, tap.direction)).collect(),
        pauses: pauses.iter().map(|(from, to)| (from.0, to.0)).collect(),
        is_as_shown,
        setup,
    };
    let new = site.counts_readers()?.read(move |reader| reader.new_check(draft)).await??;
    let id = counts.add_check(new).await?;
    if recording.is_none() {
        let missed = site.counting()?.missed(line, from.0);
        let ended: Vec<u64> = missed.iter().map(|track| track.time_us).collect();
        let stored = check(site, &request.who, id).await?;
        // The check is stored, with it or without it.
        if let Err(error) = counts.set_advice(id, CheckAdvice::from_near_misses(&stored, &ended)).await {
            log::warn!("check {id} has no advice: {error}");
        }
    }
    let mut response = one(&request, id).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("checks/{id}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// The checks that `read` finds, each with the reasons why it no longer holds, redacted for `who`.
pub async fn found(
    site: &Site,
    who: &Who,
    read: impl FnOnce(&CountsReader) -> Result<Vec<LineCheck>, StoreError> + Send + 'static,
) -> Result<Vec<LineCheck>, Problem> {
    let counts_db = site.counts_readers()?;
    let read = counts_db.read(move |reader| Ok((read(reader)?, reader.lines()?)));
    let (checks, lines): (Vec<LineCheck>, Vec<LineRow>) = read.await?;
    let (now, now_us) = (setup(site)?, site.clock().now_us);
    let faded = |mut check: LineCheck| {
        (check.trial, check.trial_failed) = site.trials.progress(check.id);
        check.fade(&now, lines.iter().find(|line| line.id == check.line_id), now_us);
        wire::redacted_for(who, check)
    };
    Ok(checks.into_iter().map(faded).collect())
}

/// The check with this number, with its crossings.
///
/// # Errors
/// There is none.
pub async fn check(site: &Site, who: &Who, id: u64) -> Result<LineCheck, Problem> {
    let checks = found(site, who, move |reader| Ok(reader.checked(id)?.into_iter().collect())).await?;
    checks.into_iter().next().ok_or_else(|| EditError::Unknown { what: "check", id }.into())
}

/// The badges of the lines that were checked.
pub async fn badges(site: &Site, who: &Who) -> Vec<CheckBadge> {
    let clock = site.clock();
    let checks = found(site, who, |reader| reader.newest_checks()).await.unwrap_or_default();
    checks.iter().map(|check| CheckBadge::new(check, &clock)).collect()
}

async fn one(request: &Request, id: u64) -> Result<Response<Body>, Problem> {
    let check = check(&request.site, &request.reader().await, id).await?;
    Ok(noted(reply::json(wire::json(&check)), AuditNote::Of(check.line)))
}

/// `GET /api/v1/checks/{id}`.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    one(&request, request.id).await
}

/// The recording that shows a check: the watched one, or one of its middle. True if it still runs.
pub async fn recording(site: &Site, check: &LineCheck) -> Option<(u64, bool)> {
    if site.is_counts_only() {
        return None;
    }
    let (watched, middle_us) = (check.recording, check.from_us / 2 + check.to_us / 2);
    let read = move |reader: &MediaReader| match watched {
        Some(id) => reader.item(id).map(|item| Some((item.id, item.is_open))),
        None => {
            let items = video::recordings_before(reader, middle_us)?;
            let shown = items.iter().filter(|item| video::covers(item, middle_us));
            Ok(shown.min_by_key(|item| item.is_open).map(|item| (item.id, item.is_open)))
        }
    };
    site.media_readers().ok()?.read(read).await.ok().flatten()
}

/// `POST /api/v1/checks/{id}/advice`: starts a trial.
pub async fn advise(request: Request) -> Result<Response<Body>, Problem> {
    let (id, site) = (request.id, Rc::clone(&request.site));
    let counts = site.counts()?.clone();
    let stored = check(&site, &request.who, id).await?;
    let refused = |words: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, words.to_owned());
    if let Some([why, hint]) = stored.untriable() {
        return Err(refused(why).hint(hint));
    }
    let recording = match recording(&site, &stored).await {
        Some((recording, false)) => recording,
        Some(_) => {
            return Err(refused("the recording of that time still runs").hint("try it once it has ended"));
        }
        None => {
            let hint = "check the line on a recording, or record while you watch";
            return Err(refused("no recording shows that time").hint(hint));
        }
    };
    if let Err(other) = site.trials.take(id) {
        let words = format!("check {other} is being tried; one is at a time");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, words).retry_after(60));
    }
    let trials = site.trials.clone();
    tokio::task::spawn_local(async move {
        let trial = trials.clone();
        let mut run = tokio::task::spawn_blocking(move || trial.run(id, recording));
        let advice = match tokio::time::timeout(LONGEST_RUN, &mut run).await {
            Ok(advice) => advice,
            Err(_) => {
                trials.cancel(id);
                run.await
            }
        };
        let failed = match advice {
            Ok(Ok(advice)) => counts.set_advice(id, advice).await.map_err(|error| error.to_string()),
            Ok(Err(fault)) => Err(fault.to_string()),
            Err(panicked) => Err(panicked.to_string()),
        };
        trials.end(id, failed.err());
    });
    let mut response = one(&request, id).await?;
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}

/// `DELETE /api/v1/checks/{id}`.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.delete_check(request.id).await?;
    request.site.trials.cancel(request.id);
    Ok(noted(reply::no_content(), AuditNote::Of(request.id.to_string())))
}

/// `GET /api/v1/checks`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let query = &request.query;
    let (line, before) = (query.whole("line", 1..=u64::MAX)?, query.whole("cursor", 1..=u64::MAX)?);
    let (limit, format) = (query.whole("limit", 1..=MOST)?, format(query)?);
    let begins = table_begins(query)?;
    let limit = limit.unwrap_or(if format == CountsFormat::Csv { MOST } else { USUAL }) as usize;
    let who = request.reader().await;
    let mut checks = found(&request.site, &who, move |reader| reader.checks(line, before, limit + 1)).await?;
    let has_more = checks.len() > limit;
    checks.truncate(limit);
    if format == CountsFormat::Csv {
        return Ok(as_table("checks.csv", Body::full(format!("{begins}{}", table(&checks)))));
    }
    let next = checks.last().filter(|_| has_more).map(|last| last.id.to_string());
    Ok(reply::json(wire::json(&List { items: checks, next })))
}

/// The columns of a table; a share and its interval have three.
#[rustfmt::skip]
const COLUMNS: [&str; 28] = [
    "id", "made", "line_id", "line", "version", "scene", "from", "to", "checked_s", "recording", "model", "camera",
    "light", "found", "missed", "false", "marked", "late_s", "precision", "precision_low", "precision_high", "recall",
    "recall_low", "recall_high", "sum_error", "sum_error_low", "sum_error_high", "faded",
];

/// `checks` as CSV.
fn table(checks: &[LineCheck]) -> String {
    let mut table = CsvTable::new(&COLUMNS, false);
    for check in checks {
        let row = json!(check);
        for column in COLUMNS {
            let value = match column.rsplit_once('_') {
                Some((share, end @ ("low" | "high"))) => &row[share][end],
                _ if row[column].is_object() => &row[column]["value"],
                _ => &row[column],
            };
            match value {
                Value::Null => table.empty(),
                Value::String(text) => table.text(text),
                Value::Array(_) => table.text(&check.faded.join("; ")),
                number => table.plain(number),
            }
        }
        table.end_row();
    }
    table.take()
}
