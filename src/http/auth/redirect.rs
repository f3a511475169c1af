//! Redirects plain HTTP to HTTPS, and refuses passwords over it.

use hyper::header::{CACHE_CONTROL, HOST, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode, Uri};

use crate::http::auth::caller::Caller;
use crate::http::auth::csrf;
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::server::https::Https;

/// The redirect for a reading request over plain HTTP from another machine. A request that a proxy received over
/// HTTPS needs none.
pub fn to_https(https: &Https, caller: Caller<'_>) -> Option<Response<Body>> {
    if !matches!(*caller.method, Method::GET | Method::HEAD) || !is_plain_from_afar(caller) {
        return None;
    }
    let location = same_over_https(https, caller)?;
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    // Browsers would keep the redirect for ever, even after the setting changes.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// True for the pages with a form for a password: it is typed over HTTPS even where the rest is not.
pub fn takes_password(path: &str) -> bool {
    ["/sign-in", "/claim"].contains(&path)
}

/// Refuses a password that comes over plain HTTP from another machine, if there is HTTPS.
///
/// # Errors
/// 403, with the address.
pub fn refuse_plain(https: Option<&Https>, caller: Caller<'_>) -> Result<(), Problem> {
    let is_served = |https: &&Https| https.port().is_some();
    let Some(https) = https.filter(is_served).filter(|_| is_plain_from_afar(caller)) else { return Ok(()) };
    let location = same_over_https(https, caller);
    let location = location.as_ref().and_then(|location| location.to_str().ok()).unwrap_or("https://");
    Err(Problem::new(StatusCode::FORBIDDEN, "a password is not taken over plain HTTP while there is HTTPS")
        .hint(format!("open {location}")))
}

fn is_plain_from_afar(caller: Caller<'_>) -> bool {
    let is_from_afar = caller.address.is_some_and(|address| !address.to_canonical().is_loopback());
    is_from_afar && !caller.is_https()
}

fn same_over_https(https: &Https, caller: Caller<'_>) -> Option<HeaderValue> {
    location(caller.headers.get(HOST)?.to_str().ok()?, https.port()?, caller.uri)
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
