//! HTTPS of this server's own: its certificate, and the way there from plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper::header::{CACHE_CONTROL, HOST, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::http::auth::caller::Caller;
use crate::http::auth::csrf;
use crate::http::report::schema_parts::object;
use crate::http::server::body::Body;
use crate::http::server::listen::Listener;
use crate::http::server::tls::TlsIdentity;

/// HTTPS, where it is listened for.
#[derive(Debug)]
pub struct Https {
    /// The certificate of connections that come now.
    identity: watch::Receiver<Arc<TlsIdentity>>,
    /// Where plain HTTP is sent to.
    port: u16,
}

/// `https` of `/api/v1/state`.
#[derive(Debug, Serialize)]
pub struct HttpsReport {
    /// The SHA-256 of the certificate, `AB:CD:…`.
    pub fingerprint: String,
}

impl Https {
    /// HTTPS at the first of `listeners` that is for it; `None` where there is none, or no certificate.
    pub fn of(identity: Option<watch::Receiver<Arc<TlsIdentity>>>, listeners: &[Listener]) -> Option<Https> {
        let first = listeners.iter().find_map(|listener| match listener {
            Listener::Https(tcp) => tcp.local_addr().ok(),
            _ => None,
        })?;
        Some(Https { identity: identity?, port: first.port() })
    }

    /// The certificate of connections that come now.
    pub fn identity(&self) -> Arc<TlsIdentity> {
        self.identity.borrow().clone()
    }
}

/// Where a request is to go instead: over HTTPS, if it came over plain HTTP from another machine and only asks for something.
/// What a proxy has from its client over HTTPS is there already.
pub fn redirect(https: &Https, caller: Caller<'_>) -> Option<Response<Body>> {
    let is_from_afar = caller.address.is_some_and(|address| !address.to_canonical().is_loopback());
    let is_read = matches!(*caller.method, Method::GET | Method::HEAD);
    if !is_from_afar || !is_read || caller.is_https() {
        return None;
    }
    let location = location(caller.headers.get(HOST)?.to_str().ok()?, https.port, caller.uri)?;
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(LOCATION, location);
    // A browser would keep it for ever, whatever is set here later.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

/// The same address over HTTPS; `None` where `host` is none.
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

/// What is answered to plain HTTP at an address for HTTPS begins so.
pub const SPEAKS_HTTPS: &str = "this port speaks HTTPS: ";

/// What is answered to plain HTTP at an address for HTTPS.
pub fn speaks_https(address: Option<SocketAddr>) -> String {
    let address = address.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()).to_string());
    format!("{SPEAKS_HTTPS}https://{}/\n", address.unwrap_or_default())
}

impl HttpsReport {
    /// What is served now; `None` without HTTPS.
    pub fn of(https: Option<&Https>) -> Option<HttpsReport> {
        let fingerprint = https?.identity().fingerprint().to_owned();
        Some(HttpsReport { fingerprint })
    }

    /// Its JSON schema.
    pub fn schema() -> Value {
        object(
            json!({"fingerprint": {"type": "string", "description": "SHA-256 of the certificate, AB:CD:…"}}),
        )
    }
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

    #[test]
    fn who_speaks_http_is_told_where_https_is() {
        let answer = |at: &str| speaks_https(Some(at.parse().unwrap()));
        assert_eq!(answer("[::ffff:10.0.0.2]:8443"), "this port speaks HTTPS: https://10.0.0.2:8443/\n");
        assert!(answer("[fd00::2]:8443").contains("https://[fd00::2]:8443/"));
    }
}
