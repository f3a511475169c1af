//! Files of the pages: style, scripts, the icon.

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::request::handler::Request;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::ui::{self, Asset};

/// `GET /favicon.ico`: the icon; its media type says what it is.
pub async fn favicon(request: Request) -> Response<Body> {
    match ui::asset("icon.svg") {
        Some(icon) => asset(icon, &request.headers),
        None => {
            let mut response = Response::new(Body::full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// An embedded file. Browsers ask each time whether it is still the same, which costs no bytes.
pub fn asset(asset: &'static Asset, asked: &HeaderMap) -> Response<Body> {
    let mut response = reply::fixed(asset.content_type, asset.body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, HeaderValue::from_static(asset.etag));
    if is_known(asked, asset.etag) {
        headers.remove(CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::full("");
    }
    response
}

/// Whether `If-None-Match` names `etag` (RFC 9110 §13.1.2, weak comparison).
fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let tags = asked.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// `GET /robots.txt`: a camera is nothing for search engines.
pub async fn robots(_: Request) -> Response<Body> {
    reply::fixed(reply::TEXT, "User-agent: *\nDisallow: /\n")
}
