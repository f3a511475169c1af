//! The sockets to serve on: those that systemd hands over, else our own.
//!
//! systemd's protocol is sd_listen_fds(3): descriptors from 3 on, `LISTEN_FDS` of them, meant for
//! the process `LISTEN_PID`. What is handed over replaces `[http] listen` altogether, so that a
//! `.socket` unit is the only place that decides. HTTPS is spoken over those that are called `https`
//! (`FileDescriptorName=`), but over Unix sockets.

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

/// systemd's sockets; none where it hands over none.
///
/// Reads and clears `LISTEN_FDS` and `LISTEN_PID`, so that no child believes they are meant for
/// it: call it before the first thread is started.
///
/// # Errors
/// A descriptor that is no listening socket.
pub fn systemd_listeners() -> Result<Vec<http::Listener>, DaemonError> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    take_listeners(ListenFd::from_env(), &names)
}

/// Binds `listen`.
///
/// # Errors
/// A socket that cannot be bound.
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
            // What is no TCP socket stays in its place, and the second try says what it is.
            if let Ok(Some(tcp)) = fds.take_tcp_listener(n) {
                let is_https = names.split(':').nth(n) == Some("https");
                return Ok(if is_https { http::Listener::Https(tcp) } else { http::Listener::Tcp(tcp) });
            }
            let unix = fds.take_unix_listener(n).map_err(refused)?;
            unix.map(http::Listener::Unix).ok_or_else(|| refused(std::io::ErrorKind::NotFound.into()))
        })
        .collect()
}

/// Where `listeners` are reached over TCP.
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

/// The addresses at which people find the page served on `listeners`.
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

/// Says where the page is to be found: on standard output when a person who started the daemon by
/// hand (or by `make run`) reads it there, else in the log.
pub fn announce(urls: &[String]) {
    if urls.is_empty() {
        return;
    }
    // make sets MAKELEVEL for what it runs.
    if std::io::stdout().is_terminal() || std::env::var_os("MAKELEVEL").is_some() {
        let list: String = urls.iter().map(|url| format!("    {url}\n")).collect();
        // A closed standard output is no reason not to serve.
        let _ = write!(std::io::stdout(), "\n  tallycam is here:\n{list}\n  Ctrl-C stops it.\n\n");
    } else {
        info!("open {}", urls.join(" or "));
    }
}

/// Whether IPv4 clients reach it: an IPv6 socket takes them too, unless it was told not to (ipv6(7)).
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
