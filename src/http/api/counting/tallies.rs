//! The current counts: `/api/v1/tracks`, `/api/v1/tallies`, and the reset of counters.

use hyper::{Response, StatusCode};

use crate::http::report::wire;
use crate::http::report::wire::{TalliesReport, TracksReport};
use crate::http::request::body;
use crate::http::request::kinds::{Given, WholeIn};
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use tallycam_store::EditError;

/// `GET /api/v1/tracks`.
pub async fn tracks(request: Request) -> Result<Response<Body>, Problem> {
    let overlay = request.site.counting()?.overlay().borrow().clone();
    Ok(reply::json(wire::json(&TracksReport::from(&*overlay))))
}

/// `GET /api/v1/tallies`.
pub async fn tallies(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let tallies = counts.subscribe_tallies().borrow().clone();
    Ok(reply::json(wire::json(&TalliesReport::of(&tallies, counts))))
}

/// The problem of a failed reset: the line's ID is in the body, not in the address.
fn not_reset(error: EditError) -> Problem {
    let unknown = if let EditError::Unknown { id, .. } = error { Some(id) } else { None };
    let problem = Problem::from(error);
    match unknown {
        Some(id) => problem.wrong("line", "the number of a line that is there", id.to_string()),
        None => problem,
    }
}

/// `DELETE /api/v1/counts/reset/{id}`: undoes a reset.
pub async fn undo_reset(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.undo_reset(request.id).await?;
    Ok(reply::no_content())
}

/// A reset of counters, or the number inside a line.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct ResetDraft {
    line: Given<WholeIn<1, { u64::MAX }>>,
    /// Sets only the number inside the line; its counters stay.
    inside: Given<WholeIn<0, 1_000_000>>,
}

/// `POST /api/v1/counts/reset`: the counters of one line, or of all if none is named; or the number inside a line.
pub async fn reset(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let draft = body::read_or_nothing(&request.headers, &request.body);
    let ResetDraft { line, inside } = draft.map_err(Problem::unprocessable)?;
    let reset = match (line.0, inside.0) {
        (line, None) => counts.reset(line.map(|line| line.0)).await,
        (Some(line), Some(inside)) => counts.set_inside(line.0, inside.0).await,
        (None, Some(_)) => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "the number inside belongs to one line",
            )
            .wrong("line", "the number of a line", ""));
        }
    };
    let reset = reset.map_err(not_reset)?;
    let mut response = reply::json(wire::json(&reset));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}
