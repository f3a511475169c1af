//! Sets the wall clock of a machine whose network has no time server, by an implementation of
//! [`Power`](crate::http::Power).

use hyper::{Response, StatusCode};
use serde::Deserialize;

use super::power;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::request::body;
use crate::http::request::problem::Problem;
use crate::http::request::{reply, time_param};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use tallycam_base::clock;

/// A clock so far ahead would let the retention delete everything.
const YEAR_2100_US: u64 = 4_102_444_800_000_000;

/// The body of `POST /api/v1/clock`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ClockWish {
    /// The time now: RFC 3339, or the time by the clock on the wall, `2026-11-30T14:02:37`.
    time: String,
}

/// `POST /api/v1/clock`. A clock that the network keeps is left alone. Without a password only programs of this machine
/// may, as in [`power`](super::power).
pub async fn set(request: Request) -> Result<Response<Body>, Problem> {
    let wish: ClockWish = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let expected = "the time now, from 2026 to 2099, as in 2026-11-30T14:02:37";
    let time = time_param::moment(wish.time.trim(), &request.site.clock().zone);
    let wall_us = time.and_then(|time| u64::try_from(time.as_microsecond()).ok()).unwrap_or(0);
    if !(clock::EARLIEST_PLAUSIBLE_US..YEAR_2100_US).contains(&wall_us) {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "this is no time to set the clock to")
            .wrong("time", expected, &wish.time));
    }
    power::require_here(&request, "without a password the clock is set on the machine only")?;
    if clock::is_set_by_network() {
        return Err(Problem::new(StatusCode::CONFLICT, "the network sets this clock, and it is right"));
    }
    let none =
        || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this program cannot set the clock of its machine");
    let machine = request.site.power.clone().ok_or_else(none)?;
    let before = clock::rfc3339(clock::wall_us());
    machine.set_clock(wall_us).inspect_err(|fault| log::error!("{fault}"))?;
    let did = format!("set the clock from {before} to {}", clock::rfc3339(wall_us));
    log::warn!("{} {did}", request.link.peer());
    Ok(noted(reply::no_content(), AuditNote::Did(did)))
}
