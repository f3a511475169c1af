//! The addresses of mjpg-streamer, µStreamer and the Flask programs: frozen, byte-exact, and
//! nothing but translation to what the pipeline and the rest of this module do.

use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};

use super::body::Body;
use super::problem::Problem;
use super::route::{self, Request, TEXT, no_store};
use super::{page, pictures};
use crate::pipeline::Held;

const JSON: &str = "application/json";

/// A fixed answer; old text bodies have no trailing newline.
fn say(status: StatusCode, kind: &'static str, body: &'static str) -> Response<Body> {
    let mut response = route::fixed(kind, body);
    *response.status_mut() = status;
    response
}

/// `GET /`: the page; `?action=stream` and `?action=snapshot` as mjpg-streamer has them.
pub async fn root(request: Request) -> Result<Response<Body>, Problem> {
    match request.query.get("action") {
        Some("stream") => pictures::stream(request).await,
        Some("snapshot") => pictures::snapshot(request).await,
        _ => Ok(page::live(request).await),
    }
}

/// `GET /snapshot`: the JPEG. With the key `filename` it is to be saved, which fails while there is
/// no store to save it in.
pub async fn snapshot(request: Request) -> Result<Response<Body>, Problem> {
    if request.query.get("filename").is_some() && !request.site.is_counts_only() {
        return Ok(say(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "Error with snapshot"));
    }
    pictures::snapshot(request).await
}

/// `GET /health`.
pub async fn health(request: Request) -> Response<Body> {
    let site = &request.site;
    let (status, body) = match site.is_healthy(&site.pipeline.status()) {
        true => (StatusCode::OK, "True"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "False"),
    };
    no_store(say(status, TEXT, body))
}

/// `POST /start_stream`: the camera is held open, and counting begins again from zero for those who
/// read `/get_counts`.
pub async fn start_stream(request: Request) -> Response<Body> {
    let site = &request.site;
    let body = match site.pipeline.hold().await {
        Held::Started => {
            if let Some(counting) = &site.counting {
                counting.hold();
            }
            r#"{"status":"started"}"#
        }
        Held::AlreadyRunning => r#"{"status":"already_running"}"#,
        Held::CouldNotOpen(trouble) => {
            log::info!("/start_stream from {}: {trouble}", request.link.peer());
            r#"{"status":"error","message":"Could not open camera."}"#
        }
    };
    say(StatusCode::OK, JSON, body)
}

/// `POST /stop_stream`: the camera is released before the answer.
pub async fn stop_stream(request: Request) -> Response<Body> {
    request.site.pause().await;
    say(StatusCode::OK, JSON, r#"{"status":"stopped"}"#)
}

/// `POST /shutdown`: the same, in other words.
pub async fn shutdown(request: Request) -> Response<Body> {
    request.site.pause().await;
    say(StatusCode::OK, TEXT, "Capture released")
}

/// `GET /get_counts`: 0/0 where nothing counts.
pub async fn get_counts(request: Request) -> Response<Body> {
    let counting = request.site.counting.as_ref();
    let (count_in, count_out) = counting.map_or((0, 0), |counting| counting.since_start());
    no_store(route::fixed(JSON, format!(r#"{{"in_count":{count_in},"out_count":{count_out}}}"#)))
}

/// `POST /pause`, from the page's form without JavaScript.
pub async fn pause(request: Request) -> Response<Body> {
    request.site.pause().await;
    back_to_page()
}

/// `POST /resume`, likewise.
pub async fn resume(request: Request) -> Response<Body> {
    request.site.resume();
    back_to_page()
}

fn back_to_page() -> Response<Body> {
    let mut response = say(StatusCode::SEE_OTHER, TEXT, "");
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.insert(hyper::header::LOCATION, hyper::header::HeaderValue::from_static("./"));
    response
}
