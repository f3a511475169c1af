//! Answers as most handlers make them.

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::request::range;
use crate::http::server::body::Body;
use crate::http::server::gzip;

/// The media type of old text answers.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Which pages may show what is answered (Fetch §3.7).
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A response with a body that is part of the program.
pub fn fixed(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A text that stays the same while the program runs. A client asks each time whether it has that one, and gets the
/// compressed form where it takes gzip.
pub fn kept(
    asked: &HeaderMap,
    kind: &'static str,
    tag: &'static str,
    text: Bytes,
    compressed: impl FnOnce() -> Option<Bytes>,
) -> Response<Body> {
    let mut response = fixed(kind, text);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, HeaderValue::from_static(tag));
    if range::is_known(asked, tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::full("");
    } else if let Some(compressed) = compressed().filter(|_| gzip::takes_gzip(asked)) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        *response.body_mut() = Body::full(compressed);
    }
    response
}

/// The same response, which no page of another site may show, whatever it makes of it.
pub fn for_own_pages(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The same response, which nobody is to keep.
pub fn no_store(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
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
