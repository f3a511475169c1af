//! The server's own HTTPS: its certificate, and the answer to plain HTTP at its port.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::watch;

use crate::http::server::listen::Listener;
use crate::http::server::tls::TlsIdentity;

/// HTTPS, present if there is a listener for it, or one is to come.
#[derive(Debug)]
pub struct Https {
    /// The certificate for new connections.
    identity: watch::Receiver<Arc<TlsIdentity>>,
    /// Plain HTTP is redirected to this port, once a listener has it.
    port: Cell<Option<u16>>,
}

/// `https` of `/api/v1/state`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct HttpsReport {
    /// SHA-256 of the certificate, AB:CD:…
    pub fingerprint: String,
}

impl Https {
    /// HTTPS with this certificate, without a listener.
    pub fn new(identity: watch::Receiver<Arc<TlsIdentity>>) -> Https {
        Https { identity, port: Cell::default() }
    }

    /// Takes the port of `listener`, if it is the first for HTTPS.
    pub fn take_port(&self, listener: &Listener) {
        if let (Listener::Https(tcp), None) = (listener, self.port.get()) {
            self.port.set(tcp.local_addr().ok().map(|first| first.port()));
        }
    }

    /// The port that plain HTTP is redirected to; `None` until there is one.
    pub fn port(&self) -> Option<u16> {
        self.port.get()
    }

    /// The certificate for new connections.
    pub fn identity(&self) -> Arc<TlsIdentity> {
        self.identity.borrow().clone()
    }
}

/// Start of the answer to plain HTTP at an HTTPS address.
pub const SPEAKS_HTTPS: &str = "this port speaks HTTPS: ";

/// The answer to plain HTTP at an HTTPS address.
pub fn speaks_https(address: Option<SocketAddr>) -> String {
    let address = address.map(|at| SocketAddr::new(at.ip().to_canonical(), at.port()).to_string());
    format!("{SPEAKS_HTTPS}https://{}/\n", address.unwrap_or_default())
}

impl HttpsReport {
    /// The certificate in use; `None` without HTTPS.
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
    fn plain_http_gets_the_https_address() {
        let answer = |at: &str| speaks_https(Some(at.parse().unwrap()));
        assert_eq!(answer("[::ffff:10.0.0.2]:8443"), "this port speaks HTTPS: https://10.0.0.2:8443/\n");
        assert!(answer("[fd00::2]:8443").contains("https://[fd00::2]:8443/"));
    }
}
