//! Runs a service with a wrong configuration: it shows the error and starts normally once the file is valid.
//!
//! A service that ended would leave the reason only to the journal, and would never read the file again. Nothing is
//! shown, counted or written meanwhile, and no camera is opened, because the settings of privacy and places are
//! unknown. Only sockets from systemd are answered, since no other address is known, and always with 503.
//!
//! Runs on the main thread before any other thread starts, on its own runtime, whose pool answers connections.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::Socket;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, spawn_blocking};

use super::error::DaemonError;
use super::settings::Started;
use super::systemd;
use super::waits::{SignalName, Signals, new_interval};
use crate::http::Listener;
use tallycam_base::block_on;
use tallycam_config::{Diagnostics, OperatorConfig};

/// Longest interval between reads of the file; the watchdog may need a shorter one.
const AGAIN: Duration = Duration::from_secs(2);

/// Time limit for the request and for the answer of each client.
const ASKED_WITHIN: Duration = Duration::from_secs(2);

/// Connections that are answered at the same time; others wait in the socket's backlog.
const AT_ONCE: usize = 8;

/// Bytes of a request that are read.
const HEAD: usize = 8192;

/// Waits until `reload` returns a valid configuration. `None` after a stop signal. `handed` are systemd's sockets.
///
/// # Errors
/// The operating system provides no runtime or no signals.
pub fn wait_for_valid_config(
    wrong: Diagnostics,
    reload: &dyn Fn() -> OperatorConfig,
    handed: &[Listener],
) -> Result<Option<Started>, DaemonError> {
    let refused = |what| move |error| DaemonError::refused(what, &error);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(AT_ONCE)
        .build()
        .map_err(refused("a runtime"))?;
    let ended = block_on(&runtime, async {
        let signals = Signals::new().map_err(refused("signals"))?;
        wait(wrong, reload, handed, signals).await.map_err(refused("a socket"))
    });
    runtime.shutdown_timeout(ASKED_WITHIN);
    ended
}

async fn wait(
    mut wrong: Diagnostics,
    reload: &dyn Fn() -> OperatorConfig,
    handed: &[Listener],
    mut signals: Signals,
) -> std::io::Result<Option<Started>> {
    let (shows, shown) = watch::channel(page(&wrong));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut answering = JoinSet::new();
    // Without a configuration there is no certificate: HTTPS clients wait in the backlog.
    for listener in handed.iter().filter(|listener| !listener.is_https()) {
        answering.spawn(serve_error_page(HeldListener::new(listener)?, shown.clone(), Arc::clone(&places)));
    }
    let mut status = systemd::StatusLine::default();
    let mut watchdog = systemd::Watchdog::new(std::iter::empty());
    let mut looking = new_interval(systemd::Watchdog::interval().unwrap_or(AGAIN).min(AGAIN));
    print_complaints(&wrong);
    status.set(status_text(&wrong));
    // The starter need not wait, because the status line says the rest.
    systemd::notify_ready();
    loop {
        let is_asked = tokio::select! {
            _ = looking.tick() => {
                watchdog.pet();
                false
            }
            signal = signals.next() => match signal {
                SignalName::Hup => {
                    systemd::notify_reloading();
                    true
                }
                SignalName::Term | SignalName::Int => {
                    systemd::notify_stopping();
                    return Ok(None);
                }
            },
        };
        let read = Started::read(reload());
        if is_asked {
            systemd::notify_ready();
        }
        match read {
            Ok(started) => {
                status.set(String::from("The configuration is good now: starting"));
                // The watchdog is fed next when everything is up; this call gives the start its whole interval.
                watchdog.pet();
                answering.shutdown().await;
                return Ok(Some(started));
            }
            Err(now) if now != wrong => {
                print_complaints(&now);
                status.set(status_text(&now));
                shows.send_replace(page(&now));
                wrong = now;
            }
            Err(_) => {}
        }
    }
}

/// A duplicate of systemd's socket. The daemon later uses the original.
enum HeldListener {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

impl HeldListener {
    fn new(listener: &Listener) -> std::io::Result<HeldListener> {
        match listener {
            Listener::Tcp(tcp) | Listener::Https(tcp) => {
                let tcp = tcp.try_clone()?;
                tcp.set_nonblocking(true)?;
                tokio::net::TcpListener::from_std(tcp).map(HeldListener::Tcp)
            }
            Listener::Unix(unix) => {
                let unix = unix.try_clone()?;
                unix.set_nonblocking(true)?;
                tokio::net::UnixListener::from_std(unix).map(HeldListener::Unix)
            }
        }
    }

    async fn accept(&self) -> std::io::Result<Socket> {
        let connection: OwnedFd = match self {
            HeldListener::Tcp(tcp) => tcp.accept().await?.0.into_std()?.into(),
            HeldListener::Unix(unix) => unix.accept().await?.0.into_std()?.into(),
        };
        Ok(Socket::from(connection))
    }
}

/// Answers every client with the present page, at most [`AT_ONCE`] at the same time.
async fn serve_error_page(ear: HeldListener, shown: watch::Receiver<String>, places: Arc<Semaphore>) {
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Ok(socket) = ear.accept().await else {
            // The error passes, for example too many open files.
            tokio::time::sleep(AGAIN).await;
            continue;
        };
        let page = shown.borrow().clone();
        drop(spawn_blocking(move || {
            // A client that has gone or says nothing needs no answer.
            let _ = set_timeouts(&socket).and_then(|()| respond(&socket, &page));
            drop(place);
        }));
    }
}

/// Limits every wait on `socket`.
fn set_timeouts(socket: &Socket) -> std::io::Result<()> {
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(ASKED_WITHIN))?;
    socket.set_write_timeout(Some(ASKED_WITHIN))
}

/// Prints to standard error for the journal: the log is not set up yet.
fn print_complaints(wrong: &Diagnostics) {
    let text = format!(
        "{wrong}\n\ntallycam: {} about the configuration; it is read again until it is good\n",
        wrong.count_text()
    );
    // If standard error is closed, the status line still says it.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

fn status_text(wrong: &Diagnostics) -> String {
    let first =
        wrong.iter().next().map(|complaint| format!(": {}: {}", complaint.place(), complaint.message()));
    let more = match wrong.count() {
        0 | 1 => String::new(),
        n => format!(" (and {} more)", n - 1),
    };
    format!("The configuration is wrong{}{more}", first.unwrap_or_default()).replace(['\n', '\r'], " ")
}

/// The page for everybody. It shows only places: the text of an error may quote a value, which may be a password.
fn page(wrong: &Diagnostics) -> String {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut items = String::new();
    for complaint in wrong.iter() {
        items += &format!("<li>{}</li>\n", escape(complaint.place()));
    }
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\n<title>tallycam: the \
         configuration \
         is wrong</title>\n<h1>The configuration is wrong</h1>\n<ul>\n{items}</ul>\n<p>Nothing is shown or counted \
         until \
         it is mended; it is read again by itself. <code>journalctl -u tallycam</code> says what is wrong \
         there.</p></html>\n"
    )
}

/// Reads the head of any request and answers with the page.
fn respond(mut stream: impl Read + Write, page: &str) -> std::io::Result<()> {
    let mut head = [0; HEAD];
    let mut len = 0;
    // The limit covers the whole head, so that a client cannot extend it byte by byte.
    let began = Instant::now();
    while len < head.len()
        && began.elapsed() < ASKED_WITHIN
        && !head[..len].windows(4).any(|end| end == b"\r\n\r\n")
    {
        match stream.read(&mut head[len..])? {
            0 => break,
            more => len += more,
        }
    }
    let only_head = head.starts_with(b"HEAD ");
    write!(
        stream,
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Retry-After: 5\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{}",
        page.len(),
        if only_head { "" } else { page }
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::Path;

    use super::*;
    use tallycam_config::Config;

    fn wrong(text: &str) -> Diagnostics {
        Config::from_text(Path::new("config.toml"), text, &[], []).unwrap_err()
    }

    #[test]
    fn the_status_is_one_line_with_the_first_place() {
        let said = status_text(&wrong("[stream]\nquality = 900\n[http]\nmax_head = 1\n"));
        assert!(said.starts_with("The configuration is wrong: config.toml:2:11: "), "{said}");
        assert!(said.ends_with("(and 1 more)") && !said.contains('\n'), "{said}");
    }

    #[test]
    fn the_page_shows_no_line_of_the_file_and_no_markup_of_others() {
        let said = page(&wrong("<b>key = 1\n[source]\npassword = hunter2\n"));
        assert!(!said.contains("hunter2") && !said.contains("<b>"), "{said}");
        assert!(said.contains("config.toml:1:"), "{said}");
    }

    /// A connection in memory.
    struct Asked(&'static [u8], Vec<u8>);

    impl Read for Asked {
        fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(into)
        }
    }

    impl Write for Asked {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn every_request_is_answered_503() {
        for (request, has_page) in [
            (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], true),
            (b"HEAD /health HTTP/1.1\r\n\r\n", false),
            (b"", true),
            (&[b'x'; HEAD + 9], true),
        ] {
            let mut asked = Asked(request, Vec::new());
            respond(&mut asked, "<p>no").unwrap();
            let answered = String::from_utf8(asked.1).unwrap();
            assert!(answered.starts_with("HTTP/1.1 503 "), "{answered}");
            assert!(answered.contains("\r\nContent-Length: 5\r\n"), "{answered}");
            assert_eq!(answered.ends_with("<p>no"), has_page, "{answered}");
        }
    }
}
