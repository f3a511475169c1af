//! The API of our own, `/api/v1/`: the camera's part of it, and what the others are made with.

use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderValue;
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use super::body::Body;
use super::route::{Request, no_store};
use super::state::StateReport;
use super::{metrics, openapi, storage};

/// `GET /api/v1/state`, and `/state`.
pub async fn state(request: Request) -> Response<Body> {
    look_at_room(&request).await;
    json(StateReport::of(&request.site).json())
}

/// The room for pictures is waited for so long: the state is asked for every second, also while a disk hangs.
const ROOM_WAIT: Duration = Duration::from_millis(500);

/// Has the room for pictures looked at, if that is due. A store that cannot be read says so elsewhere.
async fn look_at_room(request: &Request) {
    if request.site.media().is_err() {
        return;
    }
    match timeout(ROOM_WAIT, storage::room(&request.site)).await {
        Ok(Ok(_)) => {}
        Ok(Err(problem)) => log::debug!("the room for pictures could not be looked at: {}", problem.detail),
        Err(_) => log::debug!("the room for pictures could not be looked at in time"),
    }
}

/// `POST /api/v1/pause`: the camera is released before the answer, which is the state.
pub async fn pause(request: Request) -> Response<Body> {
    request.site.pause().await;
    state(request).await
}

/// `POST /api/v1/resume`: back to on demand.
pub async fn resume(request: Request) -> Response<Body> {
    request.site.resume();
    state(request).await
}

/// `GET /api/v1/openapi.json`.
pub async fn document(_: Request) -> Response<Body> {
    json(openapi::document().to_string())
}

/// `GET /metrics`.
pub async fn figures(request: Request) -> Response<Body> {
    look_at_room(&request).await;
    let mut response = no_store(Response::new(Body::full(metrics::text(&request.site))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    *response.status_mut() = StatusCode::OK;
    response
}

/// An answer of JSON, which nobody is to keep.
pub fn json(body: String) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// It is done, and there is nothing to say.
pub fn no_content() -> Response<Body> {
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
