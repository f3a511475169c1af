//! The one table of routes: method, address, handler, and what the API's document says of it.
//! Whatever comes in is looked up here; 404, 405, `OPTIONS`, `HEAD` and the guard against other
//! sites follow from the table.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{HeaderMap, Method, Response, StatusCode};

use super::body::Body;
use super::connection::Link;
use super::problem::{BodyError, Miss, Problem};
use super::query::Query;
use super::{Site, guard, legacy, page, pictures, v1};
use crate::ui;

/// The media type of old text answers.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The longest body of a request: forms and settings need less.
const MAX_BODY: usize = 64 * 1024;

/// What a handler gets.
#[derive(Debug)]
pub struct Request {
    /// The server's pieces.
    pub site: Rc<Site>,
    /// The connection it came over.
    pub link: Rc<Link>,
    /// `GET`, `HEAD` (answered by the same handler; hyper leaves the body away) or the route's own.
    pub method: Method,
    /// The query, decoded.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
}

type Handler = fn(Request) -> Pin<Box<dyn Future<Output = Response<Body>>>>;

/// One route.
pub struct Route {
    /// `GET` stands for `HEAD` too.
    pub method: Method,
    /// The path, exactly.
    pub path: &'static str,
    /// What it does, for the document.
    pub doc: Doc,
    handler: Handler,
}

/// What the document says of a route.
pub struct Doc {
    /// The group it is listed in.
    pub tag: Tag,
    /// One line.
    pub summary: &'static str,
    /// Keys of the query: name and what it does.
    pub query: &'static [(&'static str, &'static str)],
    /// Status, words, and what the body is.
    pub answers: &'static [(u16, &'static str, Content)],
}

/// Groups of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Pages for people.
    Pages,
    /// Streams and snapshots.
    Pictures,
    /// This program's own.
    Api,
    /// What older programs offered.
    Legacy,
}

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    Nothing,
    /// Words.
    Text,
    /// A page.
    Html,
    /// One picture.
    Jpeg,
    /// Pictures without end.
    Multipart,
    /// Figures for Prometheus.
    Metrics,
    /// JSON whose schema the document has under this name.
    Json(&'static str),
    /// JSON of no fixed form.
    AnyJson,
    /// A problem (RFC 9457).
    Problem,
    /// An icon.
    Svg,
}

macro_rules! route {
    ($method:ident $path:literal $handler:path, $tag:ident, $summary:literal, [$($query:expr),*], [$($answer:expr),+ $(,)?]) => {
        Route {
            method: Method::$method,
            path: $path,
            doc: Doc { tag: Tag::$tag, summary: $summary, query: &[$($query),*], answers: &[$($answer),+] },
            handler: |request| Box::pin($handler(request)),
        }
    };
}

const FPS: (&str, &str) =
    ("fps", "At most so many pictures a second, 0.01 and up; anything else is ignored.");
const STREAM: (u16, &str, Content) = (200, "Pictures, until the viewer leaves.", Content::Multipart);
const FULL: (u16, &str, Content) =
    (503, "All places for viewers are taken; Retry-After says when to try again.", Content::Text);
const JPEG: (u16, &str, Content) =
    (200, "The newest picture; X-Timestamp is when it was taken.", Content::Jpeg);
const CARD: (u16, &str, Content) = (503, "There is no live picture: a card that says why.", Content::Jpeg);
const STATE: (u16, &str, Content) = (200, "How things are.", Content::Json("State"));
const FOREIGN: (u16, &str, Content) = (403, "A browser sent this for another site.", Content::Text);
const API_FOREIGN: (u16, &str, Content) = (403, "A browser sent this for another site.", Content::Problem);

/// Every route there is. Embedded files, which pages refer to, are found by [`ui::asset`].
pub static ROUTES: &[Route] = &[
    route!(GET "/" legacy::root, Pages, "The live page.",
        [("action", "`stream` or `snapshot`, as mjpg-streamer has them."), FPS],
        [(200, "The page; or pictures, with `action`.", Content::Html)]),
    route!(GET "/stream" pictures::stream, Pictures, "The live picture, for an img tag.", [FPS], [STREAM, FULL]),
    route!(GET "/stream.mjpg" pictures::stream, Pictures, "The same.", [FPS], [STREAM, FULL]),
    route!(GET "/live" pictures::stream, Pictures, "The same.", [FPS], [STREAM, FULL]),
    route!(GET "/video_feed" pictures::stream, Pictures, "The same; annotated once this program counts.", [FPS], [STREAM, FULL]),
    route!(GET "/snapshot.jpg" pictures::snapshot, Pictures, "The newest picture.", [], [JPEG, CARD]),
    route!(GET "/snapshot" legacy::snapshot, Pictures, "The newest picture.",
        [("filename", "Asks to save the picture under this name, which this version cannot do yet.")],
        [JPEG, CARD, (500, "`Error with snapshot`: it was not saved.", Content::Text)]),
    route!(GET "/health" legacy::health, Legacy, "Whether the camera delivers.", [],
        [(200, "`True`", Content::Text), (503, "`False`: too many failed reads in a row.", Content::Text)]),
    route!(GET "/state" v1::state, Api, "How things are.", [], [STATE]),
    route!(GET "/metrics" v1::figures, Api, "Figures for Prometheus.", [],
        [(200, "Text format 0.0.4.", Content::Metrics)]),
    route!(GET "/api/v1/state" v1::state, Api, "How things are.", [], [STATE]),
    route!(GET "/api/v1/snapshot" pictures::api_snapshot, Api, "The newest picture.", [],
        [JPEG, (503, "There is no live picture.", Content::Problem)]),
    route!(POST "/api/v1/pause" v1::pause, Api, "Lets the camera go until it is resumed.", [], [STATE, API_FOREIGN]),
    route!(POST "/api/v1/resume" v1::resume, Api, "Ends a pause: the camera opens on demand.", [], [STATE, API_FOREIGN]),
    route!(GET "/api/v1/openapi.json" v1::document, Api, "This document.", [],
        [(200, "OpenAPI 3.1.", Content::AnyJson)]),
    route!(POST "/pause" legacy::pause, Pages, "Pause, from a form.", [],
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(POST "/resume" legacy::resume, Pages, "Resume, from a form.", [],
        [(303, "Back to the page.", Content::Nothing), FOREIGN]),
    route!(POST "/start_stream" legacy::start_stream, Legacy, "Opens the camera and holds it open.", [],
        [(200, "`started`, `already_running` or `error`.", Content::Json("StreamStatus")), FOREIGN]),
    route!(POST "/stop_stream" legacy::stop_stream, Legacy, "Lets the camera go, whoever needs it.", [],
        [(200, "`stopped`: the camera is released.", Content::Json("StreamStatus")), FOREIGN]),
    route!(POST "/shutdown" legacy::shutdown, Legacy, "As `/stop_stream`.", [],
        [(200, "`Capture released`", Content::Text), FOREIGN]),
    route!(GET "/get_counts" legacy::get_counts, Legacy, "How many went in and out.", [],
        [(200, "The counts.", Content::Json("Counts"))]),
    route!(GET "/robots.txt" page::robots, Pages, "Search engines are to stay away.", [],
        [(200, "Nothing is allowed.", Content::Text)]),
    route!(GET "/favicon.ico" page::favicon, Pages, "The icon.", [],
        [(200, "The icon.", Content::Svg), (304, "It is the same.", Content::Nothing)]),
];

/// Where a request goes.
enum Found {
    Route(&'static Route),
    Asset(&'static ui::Asset),
    Options(String),
}

fn find(method: &Method, path: &str) -> Result<Found, Miss> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    if let Some(route) = ROUTES.iter().find(|route| route.path == path && route.method == *method) {
        return Ok(Found::Route(route));
    }
    let asset = path.strip_prefix('/').and_then(ui::asset);
    match asset {
        Some(asset) if *method == Method::GET => return Ok(Found::Asset(asset)),
        _ => {}
    }
    let mut methods: Vec<&str> =
        ROUTES.iter().filter(|route| route.path == path).map(|route| route.method.as_str()).collect();
    if asset.is_some() {
        methods.push("GET");
    }
    if methods.is_empty() && !(path == "*" && *method == Method::OPTIONS) {
        return Err(Miss::Path { path: path.chars().take(200).collect() });
    }
    if path == "*" {
        methods.extend(["GET", "POST"]);
    }
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    let allow = methods.join(", ");
    if *method == Method::OPTIONS {
        Ok(Found::Options(allow))
    } else {
        Err(Miss::Method { path: path.to_owned(), allow })
    }
}

/// Answers one request of one connection.
pub async fn serve(
    site: Rc<Site>,
    link: Rc<Link>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let method = head.method.clone();
    let answered = answer(&site, &link, &method, path, head.uri.query(), head.headers, body).await;
    let mut response = answered.unwrap_or_else(|problem| problem.respond(path.starts_with("/api/")));
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // Pictures are for `<img>` tags anywhere, also on pages that isolate themselves. Scripts of
    // other sites may show them too, but not read them: `Access-Control-Allow-Origin` is not given.
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    );
    log::debug!("{} {method} {path} {}", link.peer(), response.status().as_u16());
    site.count_request(response.status());
    Ok(response.map(|body| body.tells(link)))
}

async fn answer(
    site: &Rc<Site>,
    link: &Rc<Link>,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    let route = match find(method, path)? {
        Found::Route(route) => route,
        Found::Asset(asset) => return Ok(page::asset(asset, &headers)),
        Found::Options(allow) => return Ok(options(&allow)),
    };
    if route.method != Method::GET {
        guard::check(&headers).inspect_err(|e| log::warn!("{method} {path} from {}: {e}", link.peer()))?;
    }
    if !body.is_end_stream() {
        drain(body, site.settings.head_timeout).await.inspect_err(|_| link.cut())?;
    }
    let query = Query::parse(query.unwrap_or_default());
    let (site, link) = (site.clone(), link.clone());
    Ok((route.handler)(Request { site, link, method: method.clone(), query, headers }).await)
}

/// Takes the body of a request: no route wants one yet, but the connection's next request comes
/// after it.
async fn drain(body: Incoming, within: std::time::Duration) -> Result<(), BodyError> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(BodyError::TooLong { limit: MAX_BODY });
    }
    match tokio::time::timeout(within, Limited::new(body, MAX_BODY).collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(BodyError::TooLong { limit: MAX_BODY }),
        Ok(Err(_)) => Err(BodyError::Broken),
        Ok(Ok(_)) => Ok(()),
    }
}

fn options(allow: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// A response with a body that is part of the program.
pub fn fixed(kind: &'static str, body: impl Into<bytes::Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The same response, which nobody is to keep.
pub fn no_store(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_route_is_found_by_itself_and_by_nothing_else() {
        for (n, route) in ROUTES.iter().enumerate() {
            let Ok(Found::Route(found)) = find(&route.method, route.path) else {
                panic!("{} {} is not found", route.method, route.path)
            };
            assert!(std::ptr::eq(found, &ROUTES[n]), "{} {} is there twice", route.method, route.path);
        }
    }

    #[test]
    fn a_get_answers_head_and_a_post_does_not() {
        assert!(matches!(find(&Method::HEAD, "/health"), Ok(Found::Route(_))));
        assert!(matches!(find(&Method::HEAD, "/stop_stream"), Err(Miss::Method { .. })));
    }

    #[test]
    fn a_wrong_method_learns_the_right_ones() {
        for (method, path, want) in [
            (Method::POST, "/health", "GET, HEAD, OPTIONS"),
            (Method::GET, "/stop_stream", "POST, OPTIONS"),
            (Method::DELETE, "/icon.svg", "GET, HEAD, OPTIONS"),
        ] {
            match find(&method, path) {
                Err(Miss::Method { allow, .. }) => assert_eq!(allow, want),
                _ => panic!("{method} {path}"),
            }
        }
        assert!(
            matches!(find(&Method::OPTIONS, "/state"), Ok(Found::Options(allow)) if allow == "GET, HEAD, OPTIONS")
        );
        assert!(matches!(find(&Method::OPTIONS, "*"), Ok(Found::Options(_))));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for path in ["/nothing", "/stream/", "//", "/api/v1/", "", "/../etc/passwd", "*"] {
            assert!(matches!(find(&Method::GET, path), Err(Miss::Path { .. })), "{path}");
        }
    }
}
