//! What is counted at this moment: `/api/v1/tracks`, `/api/v1/tallies`, and setting the sums to zero.

use hyper::{Response, StatusCode};
use serde::Deserialize;

use super::body::Body;
use super::payload;
use super::problem::Problem;
use super::route::Request;
use super::v1;
use super::wire::{self, ResetReport, TalliesReport, TracksReport};

/// Which line is set to zero; all of them where none is named.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    line: Option<u64>,
}

/// `GET /api/v1/tracks`.
pub async fn tracks(request: Request) -> Result<Response<Body>, Problem> {
    let overlay = request.site.counting()?.overlay().borrow().clone();
    Ok(v1::json(wire::json(&TracksReport::from(&*overlay))))
}

/// `GET /api/v1/tallies`.
pub async fn tallies(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let tallies = counts.tallies().borrow().clone();
    Ok(v1::json(wire::json(&TalliesReport::of(&tallies, counts))))
}

/// `POST /api/v1/counts/reset`.
pub async fn reset(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let wanted: Option<ResetBody> = payload::read_or_nothing(&request.headers, &request.body)?;
    let reset = counts.reset(wanted.unwrap_or_default().line).await?;
    let mut response = v1::json(wire::json(&ResetReport::from(&reset)));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
