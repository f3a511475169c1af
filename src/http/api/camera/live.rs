//! The live picture: as an endless stream, and as single snapshots. In privacy mode (`privacy.counts_only`) neither
//! is served, except the line editor's still, for callers who may change something, and rarely renewed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Response, StatusCode};

use crate::http::api::camera::view_query;
use crate::http::api::media::snapshots;
use crate::http::request::problem::{Problem, RETRY_PICTURE, counts_only};
use crate::http::request::reply::{for_own_pages, no_store};
use crate::http::server::body::Body;
use crate::http::server::link::ConnectionUse;
use crate::http::server::multipart;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::place;
use crate::pipeline::recording::RecordError;
use tallycam_camera::media::Picture;
use tallycam_camera::media::exif::{Label, labelled};

/// Longest wait for the first picture of an idle camera: many clients give up after five seconds.
const SNAPSHOT_WAIT: Duration = Duration::from_secs(4);

/// The same for the line editor, whose page waits.
const STILL_WAIT: Duration = Duration::from_secs(10);

/// The stream, with at most `?fps=` pictures per second, and with boxes and lines for `?annotated=1`. `?gray=`,
/// `?scale=`, `?rotate=`, `?mirror=`, `?flip=`, `?crop=`, `?text=` and `?timestamp=` change the picture. Unknown keys
/// and malformed values are ignored.
pub async fn stream(request: Request) -> Result<Response<Body>, Problem> {
    let is_annotated = matches!(request.query.get("annotated"), Some("1" | "true"));
    watch(request, is_annotated)
}

/// `GET /video_feed`: annotated while counting is on.
pub async fn video_feed(request: Request) -> Result<Response<Body>, Problem> {
    let word = request.site.counting.as_ref().map(|counting| counting.status().state);
    watch(request, matches!(word, Some("counting" | "waiting")))
}

fn watch(request: Request, is_annotated: bool) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    if site.is_counts_only() {
        return Err(counts_only());
    }
    if request.method == Method::HEAD {
        return Ok(multipart::head(Body::full("")));
    }
    place::take_place(site, &request.link, ConnectionUse::Stream, site.settings().max_viewers)?;
    let fps = request.query.number("fps");
    let view = view_query::of_old_query(&request.query, &site.settings().zone);
    let is_annotated = is_annotated && site.annotated.is_some();
    if !view.is_identity()
        && let Some(viewers) = site.viewers_of(&request.link, &view, is_annotated)?
    {
        let demand = match &site.counting {
            Some(counting) if is_annotated => counting.annotate(),
            _ => site.pipeline.demand(),
        };
        return Ok(multipart::head(Body::viewer(viewers.admit(&request.link, fps, demand))));
    }
    let viewer = match (&site.annotated, &site.counting) {
        (Some(viewers), Some(counting)) if is_annotated => {
            viewers.admit(&request.link, fps, counting.annotate())
        }
        _ => site.viewers.admit(&request.link, fps, site.pipeline.demand()),
    };
    Ok(multipart::head(Body::viewer(viewer)))
}

/// The newest picture; if there is none, 503 with the still card that says why.
pub async fn snapshot(request: Request) -> Result<Response<Body>, Problem> {
    if request.site.is_counts_only() {
        return Err(counts_only());
    }
    let wait = match snapshots::picture(&request, true).await? {
        None => SNAPSHOT_WAIT,
        Some(Ok(picture)) => return Ok(jpeg(&request.site, &picture)),
        // The wait is over; the card is the same in every view.
        Some(Err(RecordError::NoPicture(..))) => Duration::ZERO,
        Some(Err(error)) => return Err(error.into()),
    };
    match request.site.pipeline.snapshot(wait).await {
        Ok(picture) => Ok(jpeg(&request.site, &picture)),
        Err(none) => {
            let Some(card) = &none.card else { return Err(Problem::from(&none)) };
            Ok(or_card(card, jpeg(&request.site, card)))
        }
    }
}

/// The answer, with status 503 if the picture is a card.
pub fn or_card(picture: &Picture, mut response: Response<Body>) -> Response<Body> {
    if picture.is_card {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_PICTURE));
    }
    response
}

/// The newest picture for programs; a problem if there is none.
pub async fn api_snapshot(request: Request) -> Result<Response<Body>, Problem> {
    if request.site.is_counts_only() {
        return Err(counts_only());
    }
    if let Some(picture) = snapshots::picture(&request, false).await? {
        return Ok(jpeg(&request.site, &picture?));
    }
    let picture = request.site.pipeline.snapshot(SNAPSHOT_WAIT).await;
    picture.map(|picture| jpeg(&request.site, &picture)).map_err(|none| Problem::from(&none))
}

/// `GET /api/v1/still.jpg`: a picture for the line editor to draw on, also in privacy mode.
pub async fn still(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let counting = site.counting()?;
    let is_counts_only = site.is_counts_only();
    let expired_us = || site.pipeline.hub().expired_us();
    if is_counts_only && let Some(picture) = site.still.newest(Instant::now(), expired_us()) {
        return Ok(for_own_pages(jpeg(site, &picture)));
    }
    let picture = counting.still_picture(STILL_WAIT).await.map_err(|none| Problem::from(&none))?;
    // A request from before privacy mode was not checked for its right.
    match (is_counts_only, site.is_counts_only()) {
        (true, _) => {
            let still = site.still.instead_of(picture, Instant::now(), expired_us());
            Ok(for_own_pages(jpeg(site, &still)))
        }
        (false, true) => Err(counts_only()),
        (false, false) => Ok(jpeg(site, &picture)),
    }
}

/// The picture with date and camera in its Exif header; a card has none.
fn jpeg(site: &Site, picture: &Picture) -> Response<Body> {
    let mut bytes = picture.jpeg();
    if !picture.is_card {
        let settings = site.settings();
        let model = site.pipeline.source_name();
        let label = Label { name: &settings.name, model: &model, stamp: picture.stamp, zone: &settings.zone };
        bytes = labelled(bytes, &label);
    }
    plain_jpeg(picture, bytes)
}

/// `bytes` as the answer for `picture`, with its time.
pub fn plain_jpeg(picture: &Picture, bytes: Bytes) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(bytes)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("image/jpeg"));
    let stamp = format!("{}.{:06}", picture.stamp.wall_us / 1_000_000, picture.stamp.wall_us % 1_000_000);
    if let Ok(stamp) = HeaderValue::from_str(&stamp) {
        headers.insert(HeaderName::from_static("x-timestamp"), stamp);
    }
    response
}
