//! The sockets to serve on: those of systemd, else our own.
//!
//! systemd's protocol is sd_listen_fds(3): `LISTEN_FDS` descriptors from 3 on, for the process `LISTEN_PID`. They
//! replace `[http] listen` altogether, so that a `.socket` unit alone decides. TCP sockets with the name `https`
//! (`FileDescriptorName=`) speak HTTPS.

use std::io::{IsTerminal, Write};
use std::net::TcpListener;

use listenfd::ListenFd;
use log::info;
use socket2::SockRef;

use super::addresses::{Listening, MachineAddresses};
use super::error::DaemonError;
use crate::base::{Fault, FaultKind};
use crate::config::Listen;
use crate::http;

/// systemd's sockets; empty if it passes none.
///
/// Reads and clears `LISTEN_FDS` and `LISTEN_PID`, so that no child process takes them for its own. Call it before
/// the first thread starts.
///
/// # Errors
/// A descriptor is no listening socket.
pub fn systemd_listeners() -> Result<Vec<http::Listener>, DaemonError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    take_listeners(ListenFd::from_env(), &names)
}

/// Binds `listen`.
///
/// # Errors
/// A socket cannot be bound.
pub fn bind(listen: &[Listen]) -> Result<Vec<http::Listener>, DaemonError> {
    Ok(listen.iter().map(http::listen::bind).collect::<Result<_, _>>()?)
}

fn take_listeners(mut fds: ListenFd, names: &str) -> Result<Vec<http::Listener>, DaemonError> {
    (0..fds.len())
        .map(|n| {
            let refused = |error: std::io::Error| {
                let number = 3 + n;
                let what =
                    format!("descriptor {number}, handed over by systemd, cannot be served on: {error}");
                let hint = "the .socket unit needs ListenStream= and Accept=no";
                DaemonError::from(Fault::new(FaultKind::File, what).hint(hint))
            };
            // Another kind of socket stays in its place, and the second attempt reports it.
            if let Ok(Some(tcp)) = fds.take_tcp_listener(n) {
                let is_https = names.split(':').nth(n) == Some("https");
                return Ok(if is_https { http::Listener::Https(tcp) } else { http::Listener::Tcp(tcp) });
            }
            let unix = fds.take_unix_listener(n).map_err(refused)?;
            unix.map(http::Listener::Unix).ok_or_else(|| refused(std::io::ErrorKind::NotFound.into()))
        })
        .collect()
}

/// The TCP addresses of `listeners`.
pub fn addresses(listeners: &[http::Listener]) -> Vec<Listening> {
    let tcp = listeners.iter().filter_map(|listener| match listener {
        http::Listener::Tcp(tcp) | http::Listener::Https(tcp) => Some(Listening {
            address: tcp.local_addr().ok()?,
            with_ipv4: serves_ipv4(tcp),
            is_https: listener.is_https(),
        }),
        http::Listener::Unix(_) => None,
    });
    tcp.collect()
}

/// The URLs of the page on `listeners`. Logs each listener.
pub fn urls(listeners: &[http::Listener]) -> Vec<String> {
    let machine = MachineAddresses::detect();
    for listener in listeners {
        info!("listening on {}", listener.address());
    }
    let listening = addresses(listeners);
    let mut urls: Vec<String> = listening.iter().flat_map(|at| machine.urls(at)).collect();
    urls.dedup();
    urls
}

/// Prints the URLs to standard output if the daemon was started by hand or by `make run`, else logs them.
pub fn announce(urls: &[String]) {
    if urls.is_empty() {
        return;
    }
    // make sets MAKELEVEL for its commands.
    if std::io::stdout().is_terminal() || std::env::var_os("MAKELEVEL").is_some() {
        let list: String = urls.iter().map(|url| format!("    {url}\n")).collect();
        // The daemon serves even if standard output is closed.
        let _ = write!(std::io::stdout(), "\n  tallycam is here:\n{list}\n  Ctrl-C stops it.\n\n");
    } else {
        info!("open {}", urls.join(" or "));
    }
}

/// True if IPv4 clients reach it: an IPv6 socket takes them too, unless `IPV6_V6ONLY` is set (ipv6(7)).
fn serves_ipv4(tcp: &TcpListener) -> bool {
    tcp.local_addr().is_ok_and(|address| address.is_ipv4())
        || SockRef::from(tcp).only_v6().is_ok_and(|only| !only)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn nothing_handed_over_is_an_empty_list() {
        assert!(take_listeners(ListenFd::empty(), "").expect("no descriptors").is_empty());
    }
}
