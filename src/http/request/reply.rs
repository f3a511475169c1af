//! Builders of common answers.

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderName, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::request::range;
use crate::http::server::body::Body;
use crate::http::server::gzip;

/// The media type of the old text answers.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Restricts which pages may embed the answer (Fetch §3.7).
pub const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A response with a body that is part of the program.
pub fn fixed(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// A text that is constant while the program runs. Clients revalidate it with each request, and get the compressed
/// form if they accept gzip.
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

/// The same response, which pages of other sites cannot embed in any way.
pub fn for_own_pages(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The same response, not to be cached.
pub fn no_store(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A JSON answer, not to be cached.
pub fn json(body: String) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(body)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// 204: done, without a body.
pub fn no_content() -> Response<Body> {
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
