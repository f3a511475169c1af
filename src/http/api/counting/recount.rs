//! `POST /api/v1/counts/recount`: the counts of a recording, counted again, replace those of its time.
//!
//! `tallycam counts recount` counts in a process of its own and sends its results here, because counts.db has one
//! writer. Times are microseconds: comparisons must not suffer from rounding.

use std::sync::Arc;

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::{json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use tallycam_store::{Direction, EditError, FoundAgain, Recount, RecountResult, Scene};

/// The results of a recount.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecountBody {
    #[schemars(with = "Scene")]
    scene: String,
    camera: String,
    recording: String,
    model: String,
    /// The machine's clock was set at that time.
    time_sure: bool,
    /// Start and end, in microseconds since 1970.
    #[schemars(with = "Vec<[u64; 2]>", length(min = 1, max = 10_000))]
    spans: Vec<(u64, u64)>,
    #[schemars(length(min = 1, max = 1000))]
    lines: Vec<LineOfThen>,
    crossings: Vec<CrossingBody>,
}

/// A line that was counted, in the version of that time.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineOfThen {
    id: u64,
    version: u64,
}

#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CrossingBody {
    line_id: u64,
    track: u64,
    ordinal: u32,
    class: String,
    #[schemars(with = "Direction")]
    direction: String,
    score: f32,
    /// Microseconds since 1970.
    time_us: u64,
}

/// The effect of a recount.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
pub struct RecountReport {
    /// The recount's ID; `null` if counts.db had the same counts already.
    pub id: Option<u64>,
    /// Replaced crossings.
    pub superseded: u64,
    /// Crossings that count instead.
    pub counted: u64,
}

impl From<&Recount> for RecountBody {
    fn from(recount: &Recount) -> RecountBody {
        RecountBody {
            scene: recount.scene.as_str().to_owned(),
            camera: recount.camera.clone(),
            recording: recount.recording.clone(),
            model: recount.model.clone(),
            time_sure: recount.is_time_sure,
            spans: recount.spans.clone(),
            lines: recount.lines.iter().map(|&(id, version)| LineOfThen { id, version }).collect(),
            crossings: recount
                .crossings
                .iter()
                .map(|found| CrossingBody {
                    line_id: found.line,
                    track: found.track,
                    ordinal: found.ordinal,
                    class: found.class.to_string(),
                    direction: found.direction.as_str().to_owned(),
                    score: found.score,
                    time_us: found.time_us,
                })
                .collect(),
        }
    }
}

impl TryFrom<RecountBody> for Recount {
    type Error = EditError;

    fn try_from(body: RecountBody) -> Result<Recount, EditError> {
        let wrong = |key: &'static str, word: &str, expected: &str| {
            EditError::out_of_range(key, expected, format!("`{key}` is {word:?}, and should be {expected}"))
        };
        let scene =
            Scene::parse(&body.scene).ok_or_else(|| wrong("scene", &body.scene, "camera, files or sim"))?;
        let crossings = body.crossings.into_iter().map(|found| {
            let direction = Direction::parse(&found.direction)
                .ok_or_else(|| wrong("direction", &found.direction, "in or out"))?;
            if !(0.0..=1.0).contains(&found.score) {
                return Err(EditError::out_of_range(
                    "score",
                    "a number from 0 to 1",
                    "a score is a number from 0 to 1",
                ));
            }
            Ok(FoundAgain {
                line: found.line_id,
                track: found.track,
                ordinal: found.ordinal,
                class: Arc::from(found.class),
                direction,
                score: found.score,
                time_us: found.time_us,
            })
        });
        Ok(Recount {
            scene,
            camera: body.camera,
            recording: body.recording,
            model: body.model,
            is_time_sure: body.time_sure,
            spans: body.spans,
            lines: body.lines.iter().map(|line| (line.id, line.version)).collect(),
            crossings: crossings.collect::<Result<_, _>>()?,
        })
    }
}

impl From<RecountResult> for RecountReport {
    fn from(made: RecountResult) -> RecountReport {
        RecountReport { id: made.id, superseded: made.superseded, counted: made.counted }
    }
}

/// `POST /api/v1/counts/recount`.
pub async fn recount(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let body: RecountBody = json_body::read_beside(request.body).await?;
    let made = counts.recount(Recount::try_from(body)?).await?;
    let is_new = made.id.is_some();
    let mut response = reply::json(wire::json(&RecountReport::from(made)));
    if is_new {
        *response.status_mut() = StatusCode::CREATED;
    }
    Ok(response)
}
