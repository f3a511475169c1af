//! HTTPS of this server's own: its certificate, and what is said to plain HTTP at its port.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

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
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct HttpsReport {
    /// SHA-256 of the certificate, AB:CD:…
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

    /// Where plain HTTP is sent to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The certificate of connections that come now.
    pub fn identity(&self) -> Arc<TlsIdentity> {
        self.identity.borrow().clone()
    }
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
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_speaks_http_is_told_where_https_is() {
        let answer = |at: &str| speaks_https(Some(at.parse().unwrap()));
        assert_eq!(answer("[::ffff:10.0.0.2]:8443"), "this port speaks HTTPS: https://10.0.0.2:8443/\n");
        assert!(answer("[fd00::2]:8443").contains("https://[fd00::2]:8443/"));
    }
}
