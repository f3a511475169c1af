//! The camera's part of `/api/v1/`: state, pause and resume, metrics.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use crate::http::api::camera::metrics;
use crate::http::api::media::storage;
use crate::http::report::state::StateReport;
use crate::http::request::reply::{json, no_store};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;

/// `GET /api/v1/state`, and `/state`.
pub async fn state(request: Request) -> Response<Body> {
    read_storage_usage(&request).await;
    json(StateReport::of(&request.site, &request.reader().await).json())
}

/// Longest wait for the disk usage: the state is requested every second, even while a disk hangs.
const ROOM_WAIT: Duration = Duration::from_millis(500);

/// Measures the disk usage if that is due. The fault of an unreadable store is reported elsewhere.
async fn read_storage_usage(request: &Request) {
    if request.site.media().is_err() {
        return;
    }
    match timeout(ROOM_WAIT, storage::room(&request.site)).await {
        Ok(Ok(_)) => {}
        Ok(Err(problem)) => log::debug!("the room for pictures could not be looked at: {}", problem.detail),
        Err(_) => log::debug!("the room for pictures could not be looked at in time"),
    }
}

/// `POST /api/v1/pause`: releases the camera before the answer, which is the state.
pub async fn pause(request: Request) -> Response<Body> {
    request.site.pause().await;
    state(request).await
}

/// `POST /api/v1/resume`: returns the camera to demand.
pub async fn resume(request: Request) -> Response<Body> {
    request.site.resume();
    state(request).await
}

/// `GET /metrics`.
pub async fn figures(request: Request) -> Response<Body> {
    read_storage_usage(&request).await;
    let mut response = no_store(Response::new(Body::full(metrics::text(&request.site))));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE));
    *response.status_mut() = StatusCode::OK;
    response
}
