//! One connection: its socket, its [`Link`], and its end.
//!
//! The [`Link`] tells whether a head is late, a connection idle or a viewer stalled. One [`sweep`] over all
//! connections asks about once a second, so that a connection needs no timer of its own. This whole module lives on
//! the server's one thread.

use std::io;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use hyper::server::conn::http1;
use hyper::service::service_fn;

use crate::http::dispatch;
use crate::http::server::https::speaks_https;
use crate::http::server::link::{Link, LinkIo, LinkLimits, LinkVerdict, response, say};
use crate::http::server::socket::Socket;
use crate::http::site::Site;

/// After the last response, the peer may still send this much for this long before the connection is reset. An
/// immediate reset would destroy the response.
const LINGER_BYTES: usize = 256 * 1024;
const LINGER: Duration = Duration::from_secs(2);

/// Serves one connection to its end.
pub(in crate::http) async fn serve(site: Rc<Site>, link: Rc<Link>) {
    let settings = site.settings();
    let service = service_fn({
        let (site, link) = (site.clone(), link.clone());
        move |request| {
            let was_here = link.asked();
            let (site, link) = (site.clone(), link.clone());
            async move {
                // Pipelined requests yield after each answer, so that other connections get their turn even if
                // answers are cheap.
                if was_here {
                    tokio::task::yield_now().await;
                }
                dispatch::serve(site, link, request).await
            }
        }
    });
    let connection = http1::Builder::new()
        .half_close(false)
        .pipeline_flush(false)
        .writev(true)
        // The sweep watches the time.
        .header_read_timeout(None)
        // Also the maximum size of a head, and of the part of a response that hyper buffers: beyond it, a picture is
        // written before the next is requested.
        .max_buf_size(settings.max_head.max(MIN_HEAD))
        .serve_connection(LinkIo(link.clone()), service);
    {
        tokio::pin!(connection);
        loop {
            tokio::select! {
                biased;
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        log::debug!("{}: {error}", link.peer);
                        link.cut();
                    }
                    // hyper treats an end of input before the first request as a quiet close.
                    if link.tls.as_ref().is_some_and(|tls| tls.is_plain()) {
                        link.say("400 Bad Request", &speaks_https(link.socket.local_addr()));
                        link.cut();
                    }
                    break;
                }
                () = link.called.notified() => match link.verdict.get() {
                    Some(LinkVerdict::Finish) => connection.as_mut().graceful_shutdown(),
                    Some(LinkVerdict::TooLate) => {
                        link.say("408 Request Timeout", "the request's head did not come in time\n");
                        link.cut();
                        break;
                    }
                    Some(LinkVerdict::Close) => return,
                    Some(LinkVerdict::Shed | LinkVerdict::Revoke) => {
                        link.socket.reset_on_close();
                        return;
                    }
                    None => {}
                },
            }
        }
    }
    if link.is_cut.get() && !link.at_end.get() {
        linger(&link.socket).await;
    }
}

/// hyper's minimum.
const MIN_HEAD: usize = 8192;

/// Answers 503 to a surplus connection. Bounded in time and in the bytes that it reads.
pub(in crate::http) async fn refuse(socket: Socket) {
    let status = "503 Service Unavailable";
    say(&socket, status, &response(status, "Retry-After: 5\r\n", "all connections are in use\n"));
    linger(&socket).await;
}

/// Ends our side and lets the peer read the last response before the socket closes. Closing with unread bytes would
/// reset the connection and destroy the response (RFC 9112 §9.6).
async fn linger(socket: &Socket) {
    let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Write);
    let mut buffer = [0; 4096];
    let mut left = LINGER_BYTES;
    let drained = std::future::poll_fn(|cx| {
        while left > 0 {
            match socket.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(bytes) => left = left.saturating_sub(bytes),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                    if ready!(socket.poll_readable(cx)).is_err() {
                        break;
                    }
                }
                Err(_) => break,
            }
        }
        Poll::Ready(())
    });
    let _ = tokio::time::timeout(LINGER, drained).await;
}

/// Keeps a connection in [`Links`](crate::http::server::link::Links) while it lives. The connection's task owns it: a
/// panic in a handler also frees the place.
pub(in crate::http) struct OpenConnection {
    pub site: Rc<Site>,
    pub link: Rc<Link>,
}

impl OpenConnection {
    pub fn new(site: Rc<Site>, link: Rc<Link>) -> OpenConnection {
        site.links.enter(link.clone());
        OpenConnection { site, link }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.site.links.leave(&self.link);
    }
}

/// Enforces the time limits of connections while the server lives. Idle while there are none.
pub(in crate::http) async fn sweep(site: &Site) {
    let links = &site.links;
    loop {
        if links.count() == 0 {
            links.arrival.notified().await;
        }
        // Often enough for the shortest limit, and at most once a second for usual ones.
        let settings = site.settings();
        let shortest = settings.stall.min(settings.head_timeout).min(settings.keep_alive);
        let pause = (shortest / 4).clamp(Duration::from_millis(10), Duration::from_secs(1));
        tokio::time::sleep(pause).await;
        let (settings, now) = (site.settings(), Instant::now());
        let limits = LinkLimits {
            stall: settings.stall,
            head_timeout: settings.head_timeout,
            keep_alive: settings.keep_alive,
        };
        for link in links.open.borrow().iter() {
            let revoked = || link.is_revoked().then_some(LinkVerdict::Revoke);
            let Some(verdict) = link.judge(now, &limits).or_else(revoked) else { continue };
            match verdict {
                LinkVerdict::Revoke => log::info!("{}: its right to what it was sent has ended", link.peer),
                LinkVerdict::Shed if link.is_viewer.get() => {
                    log::info!(
                        "viewer {} received nothing for {:?} and was disconnected",
                        link.peer,
                        settings.stall
                    );
                }
                _ => log::debug!("{}: {verdict:?}", link.peer),
            }
            link.call(verdict);
        }
    }
}
