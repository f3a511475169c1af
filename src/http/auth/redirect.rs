//! Redirects plain HTTP to HTTPS.

use hyper::header::{CACHE_CONTROL, HOST, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode, Uri};

use crate::http::auth::caller::Caller;
use crate::http::auth::csrf;
use crate::http::server::body::Body;
use crate::http::server::https::Https;

/// The redirect for a reading request over plain HTTP from another machine. A request that a proxy received over
/// HTTPS needs none.
pub fn to_https(https: &Https, caller: Caller<'_>) -> Option<Response<Body>> {
    let is_from_afar = caller.address.is_some_and(|address| !address.to_canonical().is_loopback());
    let is_read = matches!(*caller.method, Method::GET | Method::HEAD);
    if !is_from_afar || !is_read || caller.is_https() {
        return None;
    }
    let location = location(caller.headers.get(HOST)?.to_str().ok()?, https.port(), caller.uri)?;
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    // Browsers would keep the redirect for ever, even after the setting changes.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The same address over HTTPS; `None` if `host` is not a name.
fn location(host: &str, port: u16, uri: &Uri) -> Option<HeaderValue> {
    let name = csrf::host(host);
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:[]%".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) {
        return None;
    }
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    HeaderValue::from_str(&format!("https://{name}{port}{path}")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_same_place_over_https() {
        let at = |host: &str, port: u16, uri: &str| {
            location(host, port, &uri.parse().unwrap()).map(|to| to.to_str().unwrap().to_owned())
        };
        for (host, port, uri, want) in [
            ("cam:8080", 8443, "/lines?line=2", "https://cam:8443/lines?line=2"),
            ("cam", 443, "/", "https://cam/"),
            ("[fd00::2]:80", 8443, "/stream", "https://[fd00::2]:8443/stream"),
            ("192.168.1.5", 443, "http://192.168.1.5/api/v1/state", "https://192.168.1.5/api/v1/state"),
        ] {
            assert_eq!(at(host, port, uri).as_deref(), Some(want));
        }
        for host in ["", ":80", "a/b", "me@cam", "cam evil", "\"cam"] {
            assert_eq!(at(host, 443, "/"), None, "{host}");
        }
    }
}
