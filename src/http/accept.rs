//! Accepts connections and starts a task for each; [`Stop`] ends them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, UnixListener};
use tokio::task::{JoinHandle, LocalSet};

use crate::http::connection;
use crate::http::connection::OpenConnection;
use crate::http::dispatch;
use crate::http::server::https::Https;
use crate::http::server::link::Link;
use crate::http::server::listen;
use crate::http::server::listen::Listener;
use crate::http::server::socket::Socket;
use crate::http::server::tls::Tls;
use crate::http::server::viewers;
use crate::http::site::{Server, Site};
use tallycam_base::Stop;
use tallycam_config::Listen;

/// Time for responses under way to end when the server stops.
const FINISH: Duration = Duration::from_secs(1);

/// Interval at which the sums of refusals go to the audit list.
const TELL_SUMS: Duration = Duration::from_secs(10);

/// Pause between tries while the process has no free descriptor.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// Shortest time between two log lines with the same fault of accepting.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Interval between tries of an address that is not there yet.
const ADDRESS_AGAIN: Duration = Duration::from_secs(2);

/// This many surplus connections at a time get an answer; further ones are closed silently.
const REFUSALS: usize = 64;

impl Server {
    /// Serves on `listeners` until `stop` is set, then ends within about a second. Runs on the polling thread and
    /// starts no other. Needs a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// A listener cannot be used. Later errors are logged and do not end the server.
    pub async fn run(mut self, listeners: Vec<Listener>, stop: Stop) -> io::Result<()> {
        let absent = std::mem::take(&mut self.absent);
        let calls = self.calls.take();
        let is_reached = listeners.iter().any(Listener::is_reached) || !absent.is_empty();
        let is_secure = listeners.iter().any(Listener::is_https)
            || absent.iter().any(|address| matches!(address, Listen::Https(_)));
        let https = self.https.take().filter(|_| is_secure).map(Https::new);
        if is_secure && https.is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "HTTPS needs a certificate"));
        }
        listeners.iter().for_each(|listener| https.iter().for_each(|https| https.take_port(listener)));
        let listeners = listeners.into_iter().map(AsyncListener::new).collect::<io::Result<Vec<_>>>()?;
        let site = Rc::new(Site::new(self, stop.clone(), is_reached, https));
        let tasks = LocalSet::new();
        site.each_viewers(|viewers| drop(tasks.spawn_local(viewers::relay(viewers.clone()))));
        tasks.spawn_local({
            let site = site.clone();
            async move { connection::sweep(&site).await }
        });
        tasks.spawn_local(apply_settings(site.clone()));
        tasks.spawn_local({
            let audit = site.audit.clone();
            async move {
                loop {
                    tokio::time::sleep(TELL_SUMS).await;
                    audit.tell_sums();
                }
            }
        });
        if let Some(calls) = calls {
            tasks.spawn_local(dispatch::serve_inside(site.clone(), calls));
        }
        let doors: Doors = Rc::default();
        let open = |door| tasks.spawn_local(accept(site.clone(), door));
        doors.borrow_mut().extend(listeners.into_iter().map(open));
        let late = tasks.spawn_local(listen_later(site.clone(), absent, doors.clone()));
        tasks
            .run_until(async {
                stop.stopped().await;
                // Aborting drops them: the listeners are closed before the streams end.
                late.abort();
                for door in doors.take() {
                    door.abort();
                    let _ = door.await;
                }
                site.each_viewers(|viewers| viewers.end());
                site.links.finish_within(FINISH).await;
                site.audit.tell_sums();
            })
            .await;
        Ok(())
    }
}

/// The tasks that accept connections.
type Doors = Rc<RefCell<Vec<JoinHandle<()>>>>;

/// Listens at each address of `absent` once it is there.
async fn listen_later(site: Rc<Site>, absent: Vec<Listen>, doors: Doors) {
    let mut absent: Vec<_> = absent.into_iter().map(|address| (address, None)).collect();
    while !absent.is_empty() {
        tokio::time::sleep(ADDRESS_AGAIN).await;
        absent.retain_mut(|(address, told)| {
            let listener = match listen::bind(address) {
                Ok(listener) => listener,
                Err(cause) => {
                    let is_news =
                        !listen::is_absent(&cause) && told.replace(cause.kind()) != Some(cause.kind());
                    if is_news {
                        log::error!("{}", listen::refused(address, &cause));
                    }
                    return true;
                }
            };
            site.https.iter().for_each(|https| https.take_port(&listener));
            match AsyncListener::new(listener) {
                Ok(door) => {
                    log::info!("listening on {address}, which is there now");
                    doors.borrow_mut().push(tokio::task::spawn_local(accept(site.clone(), door)));
                }
                Err(error) => log::error!("cannot listen on {address}: {error}"),
            }
            false
        });
    }
}

/// Applies changed settings to clients that are already connected.
async fn apply_settings(site: Rc<Site>) {
    let mut settings = site.settings.clone();
    while settings.changed().await.is_ok() {
        if site.is_counts_only() {
            site.each_viewers(|viewers| viewers.dismiss());
        }
    }
}

/// A listener on the runtime.
enum AsyncListener {
    /// The flag is true for HTTPS.
    Tcp(TcpListener, bool),
    Unix(UnixListener),
}

impl AsyncListener {
    fn new(listener: Listener) -> io::Result<AsyncListener> {
        rustix::io::ioctl_fionbio(listener.as_fd(), true)?;
        Ok(match listener {
            Listener::Tcp(tcp) => AsyncListener::Tcp(TcpListener::from_std(tcp)?, false),
            Listener::Https(tcp) => AsyncListener::Tcp(TcpListener::from_std(tcp)?, true),
            Listener::Unix(unix) => AsyncListener::Unix(UnixListener::from_std(unix)?),
        })
    }

    fn is_https(&self) -> bool {
        matches!(self, AsyncListener::Tcp(_, true))
    }

    async fn accept(&self) -> io::Result<(Socket, Rc<str>, Option<IpAddr>)> {
        match self {
            AsyncListener::Tcp(tcp, _) => {
                let (socket, peer) = tcp.accept().await?;
                // An IPv4 peer of an IPv6 socket is shown as an IPv4 address.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Socket::Tcp(socket), peer.to_string().into(), Some(peer.ip())))
            }
            AsyncListener::Unix(unix) => {
                let (socket, _) = unix.accept().await?;
                Ok((Socket::Unix(socket), "unix".into(), None))
            }
        }
    }
}

/// Accepts for ever. Errors do not end it: it waits until a lasting one is over.
async fn accept(site: Rc<Site>, door: AsyncListener) {
    let mut complained: Option<Instant> = None;
    let refusing = Rc::new(Cell::new(0));
    loop {
        let (socket, peer, address) = match door.accept().await {
            Ok(accepted) => accepted,
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(e) => {
                if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                    log::warn!("a connection could not be accepted: {e}; retrying ten times a second");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                continue;
            }
        };
        site.accepted.set(site.accepted.get() + 1);
        if !site.links.has_room(address, site.settings().max_connections) {
            site.refused.set(site.refused.get() + 1);
            log::debug!("{peer}: refused, all places for connections, or its share of them, are taken");
            // A client that waits for a handshake cannot read an answer.
            if refusing.get() < REFUSALS && !door.is_https() {
                refusing.set(refusing.get() + 1);
                let refusing = refusing.clone();
                tokio::task::spawn_local(async move {
                    connection::refuse(socket).await;
                    refusing.set(refusing.get() - 1);
                });
            }
            continue;
        }
        socket.prepare();
        let https = site.https.as_ref().filter(|_| door.is_https());
        let tls = match https.map(|https| Tls::new(&https.identity())).transpose() {
            Ok(tls) => tls.map(Box::new),
            Err(e) => {
                log::debug!("{peer}: no TLS: {e}");
                continue;
            }
        };
        let open =
            OpenConnection::new(site.clone(), Link::new(socket, tls, peer, address, site.settings().stall));
        tokio::task::spawn_local(async move {
            connection::serve(open.site.clone(), open.link.clone()).await;
        });
    }
}
