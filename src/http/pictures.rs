//! The picture: as a stream without end, and one at a time.

use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};

use super::body::Body;
use super::problem::{Problem, RETRY_PICTURE};
use super::route::{Request, no_store};
use super::stream;
use crate::media::Picture;

/// A sleeping camera's first picture is waited for so long.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(10);

/// The stream, at most `?fps=` pictures a second. Other keys, and values that are none, change
/// nothing.
pub async fn stream(request: Request) -> Response<Body> {
    if request.method == Method::HEAD {
        return stream::head(Body::full(""));
    }
    let site = &request.site;
    let fps = request.query.number("fps");
    match site.viewers.admit(&request.link, fps, site.pipeline.demand()) {
        Ok(viewer) => stream::head(Body::viewer(viewer)),
        Err(full) => Problem::from(full).respond(false),
    }
}

/// The newest picture; without one 503, with the still card that says why.
pub async fn snapshot(request: Request) -> Response<Body> {
    match request.site.pipeline.snapshot(SNAPSHOT_WAIT).await {
        Ok(picture) => jpeg(&picture),
        Err(none) => {
            let Some(card) = &none.card else { return Problem::from(&none).respond(false) };
            let mut response = jpeg(card);
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_PICTURE));
            response
        }
    }
}

/// The newest picture for programs; without one a problem.
pub async fn api_snapshot(request: Request) -> Response<Body> {
    match request.site.pipeline.snapshot(SNAPSHOT_WAIT).await {
        Ok(picture) => jpeg(&picture),
        Err(none) => Problem::from(&none).respond(true),
    }
}

fn jpeg(picture: &Picture) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(picture.jpeg())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    let stamp = format!("{}.{:06}", picture.stamp.wall_us / 1_000_000, picture.stamp.wall_us % 1_000_000);
    if let Ok(stamp) = HeaderValue::from_str(&stamp) {
        headers.insert(HeaderName::from_static("x-timestamp"), stamp);
    }
    response
}
