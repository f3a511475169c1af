//! The sockets to serve on: those that systemd hands over, else our own.
//!
//! systemd's protocol is sd_listen_fds(3): descriptors from 3 on, `LISTEN_FDS` of them, meant for
//! the process `LISTEN_PID`. What is handed over replaces `[http] listen` altogether, so that a
//! `.socket` unit is the only place that decides.

use listenfd::ListenFd;

use super::DaemonError;
use super::addresses::Machine;
use crate::config::Listen;
use crate::http;

/// Takes systemd's sockets, or else binds `listen`.
///
/// Reads and clears `LISTEN_FDS` and `LISTEN_PID`, so that no child believes they are meant for
/// it: call it before the first thread is started.
///
/// # Errors
/// A socket that cannot be bound, or a descriptor that is no listening socket.
pub fn open(listen: &[Listen]) -> Result<Vec<http::Listener>, DaemonError> {
    let handed = take(ListenFd::from_env())?;
    if !handed.is_empty() {
        log::info!("serving on {} socket(s) from systemd; [http] listen is not used", handed.len());
        return Ok(handed);
    }
    Ok(http::listen::bind(listen)?)
}

fn take(mut fds: ListenFd) -> Result<Vec<http::Listener>, DaemonError> {
    (0..fds.len())
        .map(|n| {
            if let Ok(Some(tcp)) = fds.take_tcp_listener(n) {
                return Ok(http::Listener::Tcp(tcp));
            }
            match fds.take_unix_listener(n) {
                Ok(Some(unix)) => Ok(http::Listener::Unix(unix)),
                Ok(None) => Err(DaemonError::NoSocket { number: 3 + n, reason: String::from("it is gone") }),
                Err(error) => Err(DaemonError::NoSocket { number: 3 + n, reason: error.to_string() }),
            }
        })
        .collect()
}

/// Writes where the page is to be found: to the log, and to standard output when a person who
/// started the daemon by hand (or by `make run`) reads it there.
pub fn announce(listeners: &[http::Listener]) {
    use std::io::{IsTerminal, Write};

    let machine = Machine::look();
    let mut urls = Vec::new();
    for listener in listeners {
        match listener {
            http::Listener::Tcp(tcp) => match tcp.local_addr() {
                Ok(address) => urls.extend(machine.urls(address)),
                Err(error) => log::warn!("a listening socket does not tell its address: {error}"),
            },
            http::Listener::Unix(unix) => {
                let path = unix.local_addr().ok().and_then(|a| a.as_pathname().map(std::path::PathBuf::from));
                log::info!("serving on the unix socket {}", path.unwrap_or_default().display());
            }
        }
    }
    urls.dedup();
    if urls.is_empty() {
        return;
    }
    log::info!("open {}", urls.join(" or "));
    // make sets MAKELEVEL for what it runs.
    if std::io::stdout().is_terminal() || std::env::var_os("MAKELEVEL").is_some() {
        let list: String = urls.iter().map(|url| format!("    {url}\n")).collect();
        // A closed standard output is no reason not to serve.
        let _ = write!(std::io::stdout(), "\n  tallycam is here:\n{list}\n  Ctrl-C stops it.\n\n");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;

    #[test]
    fn nothing_handed_over_is_an_empty_list() {
        assert!(take(ListenFd::empty()).expect("no descriptors").is_empty());
    }
}
