//! Answers that scripts of other sites may read (Fetch §3.2): pictures, state and counts, for pages of the origins in
//! `[http] allow_origins`. Routes that change something are never included. Browsers send no cookies and no stored
//! passwords with them; a page with a token of its own sends that in the query or in a header.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, VARY,
};
use hyper::{Method, Uri};

use crate::http::request::query::Query;
use crate::http::site::handler::Route;

/// Paths of the readable routes.
const READABLE: [&str; 19] = [
    "/stream",
    "/stream.mjpg",
    "/live",
    "/video_feed",
    "/snapshot",
    "/snapshot.jpg",
    "/api/v1/snapshot",
    "/api/v1/snapshot.jpg",
    "/state",
    "/api/v1/state",
    "/metrics",
    "/get_counts",
    "/api/v1/counts",
    "/api/v1/crossings",
    "/api/v1/events",
    "/api/v1/tallies",
    "/api/v1/lines",
    "/api/v1/lines/{id}",
    "/health",
];

/// Request headers that a preflight grants: a token, those of a conditional GET, and of resumed events. Others are not
/// needed.
const REQUEST_HEADERS: &str = "Authorization, If-None-Match, Cache-Control, Last-Event-ID";

/// Adds the headers that let a page of `origin` read the answer to `method` and `uri`, if `allowed` contains the
/// origin.
pub fn allow(
    table: &[Route],
    headers: &mut HeaderMap,
    allowed: &[String],
    method: &Method,
    uri: &Uri,
    origin: Option<&HeaderValue>,
) {
    if allowed.is_empty() || !is_readable(table, method, uri) {
        return;
    }
    // A cache must not give one site's answer to another.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    let Some(origin) = origin.filter(|origin| allowed.iter().any(|one| one.as_bytes() == origin.as_bytes()))
    else {
        return;
    };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    if *method == Method::OPTIONS {
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(REQUEST_HEADERS));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("X-Timestamp, Retry-After"));
    }
}

fn is_readable(table: &[Route], method: &Method, uri: &Uri) -> bool {
    if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return false;
    }
    let query = Query::parse(uri.query().unwrap_or_default());
    // The addresses of MJPG-Streamer; without the query the path is a page.
    let is_action = uri.path() == "/" && matches!(query.get("action"), Some("stream" | "snapshot"));
    is_action
        || table.iter().any(|route| {
            route.method == Method::GET
                && READABLE.contains(&route.path)
                && route.matches(uri.path()).is_some()
                && !route.is_change(&query)
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::routes::ROUTES;

    fn granted(method: &Method, uri: &str, origin: &str) -> HeaderMap {
        let allowed = [String::from("https://panel.example")];
        let (uri, origin) = (uri.parse().unwrap(), HeaderValue::from_str(origin).unwrap());
        let mut headers = HeaderMap::new();
        allow(ROUTES, &mut headers, &allowed, method, &uri, Some(&origin));
        headers
    }

    #[test]
    fn every_readable_path_is_a_route_that_changes_nothing() {
        for path in READABLE {
            assert!(is_readable(ROUTES, &Method::GET, &path.replace("{id}", "1").parse().unwrap()), "{path}");
        }
    }

    #[test]
    fn only_a_named_origin_may_read_and_only_routes_that_change_nothing() {
        let panel = "https://panel.example";
        for readable in ["/stream?fps=1", "/?action=stream", "/?action=snapshot&gray=1"] {
            assert_eq!(granted(&Method::GET, readable, panel)[ACCESS_CONTROL_ALLOW_ORIGIN], panel);
        }
        assert_eq!(
            granted(&Method::OPTIONS, "/api/v1/lines", panel)[ACCESS_CONTROL_ALLOW_METHODS],
            "GET, HEAD"
        );
        // The token of a dashboard; cookies are not granted.
        let preflight = granted(&Method::OPTIONS, "/?action=stream", panel);
        assert!(preflight[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap().starts_with("Authorization, "));
        assert!(!preflight.contains_key("access-control-allow-credentials"));
        for other in
            ["https://panel.example.evil", "http://panel.example", "null", "https://panel.example:443"]
        {
            let headers = granted(&Method::GET, "/stream", other);
            assert_eq!((headers.len(), &headers[VARY]), (1, &HeaderValue::from_static("Origin")), "{other}");
        }
        for (method, uri) in [
            (Method::GET, "/snapshot?filename=a"),
            (Method::OPTIONS, "/snapshot?filename=a"),
            (Method::POST, "/api/v1/lines"),
            (Method::PUT, "/api/v1/lines/1"),
            (Method::GET, "/"),
            (Method::GET, "/settings"),
            (Method::GET, "/api/v1/settings"),
            (Method::GET, "/api/v1/still.jpg"),
            (Method::GET, "/api/v1/media"),
            (Method::GET, "/logs"),
        ] {
            assert!(granted(&method, uri, panel).is_empty(), "{method} {uri}");
        }
    }
}
