//! `/api/v1/cameras/still.jpg`: a still of an unused camera of this machine, for choosing by sight. One camera is
//! opened at a time, for one picture, on a thread that may block.

use std::time::{Duration, Instant};

use hyper::{Response, StatusCode};

use crate::http::api::camera::live;
use crate::http::request::problem::{Problem, counts_only};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::pipeline::{CameraState, card_of};

/// A still, or the card in its place, stays valid for this time.
const FRESH: Duration = Duration::from_secs(10);

/// Longest wait for the turn: three silent cameras.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// `GET /api/v1/cameras/still.jpg?camera=KIND DEVICE`: a picture, or a card that says why there is none.
pub async fn still(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    if site.is_counts_only() {
        return Err(counts_only());
    }
    // It may be the paused one.
    if matches!(site.pipeline.status().state, CameraState::Paused) {
        let paused = "the camera is paused, and none is opened until Resume";
        return Err(Problem::new(StatusCode::CONFLICT, paused).hint("press Resume on the live page"));
    }
    let camera = request.query.get("camera").unwrap_or_default().to_owned();
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such camera is found on this machine");
    let (Some(machine), Ok(preferences)) = (site.machine.clone(), site.preferences()) else {
        return Err(missing());
    };
    let turn = tokio::time::timeout(TURN_WITHIN, site.stills.clone().lock_owned()).await;
    let mut stills = turn.map_err(|_| {
        Problem::new(StatusCode::CONFLICT, "other cameras are being looked at").retry_after(2)
    })?;
    stills.retain(|(at, ..)| at.elapsed() < FRESH);
    let in_force = preferences.in_force();
    let seen = format!("{camera} {:?}", in_force.resolved.config.privacy.mask);
    // The blocking task owns the turn, so that a client that leaves cannot let a second camera be opened.
    let look = move || {
        if let Some((.., known)) = stills.iter().find(|(_, of, _)| *of == seen) {
            return Some(known.clone());
        }
        let (kind, device) = camera.split_once(' ')?;
        let taken = machine.still(&in_force.resolved.config, kind, device)?;
        let picture = taken.map_or_else(card_of, Some)?;
        stills.push((Instant::now(), seen, picture.clone()));
        Some(picture)
    };
    let picture = tokio::task::spawn_blocking(look).await.ok().flatten().ok_or_else(missing)?;
    if site.is_counts_only() {
        return Err(counts_only());
    }
    Ok(live::or_card(&picture, live::plain_jpeg(&picture, picture.jpeg())))
}
