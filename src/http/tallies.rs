//! What is counted at this moment: `/api/v1/tracks`, `/api/v1/tallies`, and setting the sums to zero.

use hyper::{Response, StatusCode};

use super::body::Body;
use super::fields::Fields;
use super::problem::Problem;
use super::route::Request;
use super::v1;
use super::wire::{self, ResetReport, TalliesReport, TracksReport};

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

/// `POST /api/v1/counts/reset`: the sums of one line; of all of them where none is named.
pub async fn reset(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = Fields::read_or_nothing(&request.headers, &request.body, &["line"]);
    let fields = fields.map_err(Problem::unprocessable)?;
    fields.no_null(&["line"]).map_err(Problem::unprocessable)?;
    let line = fields.whole("line", 1..=u64::MAX).map_err(Problem::unprocessable)?;
    let reset = counts.reset(line).await?;
    let mut response = v1::json(wire::json(&ResetReport::from(&reset)));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
