//! The server: one thread, every connection a task on it, and a picture to all of them for the
//! price of one `Bytes` each.
//!
//! ```text
//! [accept] ─► connection ─► route ─► legacy · v1 · pictures · page
//!              │  ▲                              │
//!        hyper │  │ sweep: late heads, idle      ▼
//!              ▼  │ connections, stalled peers  viewers ◄── relay ◄── Hub
//!             socket ◄───────────────────────────┘
//! ```
//!
//! Nothing here blocks and nothing waits for a slow peer: connections and viewers are limited in
//! number, heads and bodies in size and time, and what a stalled viewer holds is one picture.
//! On [`Stop`] the listeners close, streams end themselves, and what is left after a second is cut.

mod body;
mod connection;
mod guard;
mod legacy;
pub mod listen;
mod metrics;
mod openapi;
mod page;
mod pictures;
mod problem;
mod query;
mod route;
mod socket;
mod state;
pub mod stream;
mod v1;
mod viewers;

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hyper::StatusCode;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::LocalSet;

pub use listen::Listener;

use crate::base::Stop;
use crate::pipeline::Pipeline;
use connection::{Link, Links};
use socket::Socket;
use viewers::Viewers;

/// The program's version, as pages and the API name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Responses under way when the server stops have so long to end.
const FINISH: Duration = Duration::from_secs(1);

/// While the process has no descriptor to spare, accepting pauses so long between tries.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(100);

/// The same complaint about accepting is logged this often at most.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// So many connections too many are told so at once; those beyond are closed without a word.
const REFUSALS: usize = 64;

/// How the server behaves. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The camera's name.
    pub name: String,
    /// Connections at once; those beyond get 503.
    pub max_connections: usize,
    /// Streams at once; those beyond get 503.
    pub max_viewers: usize,
    /// Bytes of a request's head, at least 8192; longer ones get 431.
    pub max_head: usize,
    /// A request's head, and its body, must be complete in this time; 408.
    pub head_timeout: Duration,
    /// An idle connection is closed after this time.
    pub keep_alive: Duration,
    /// A peer that takes nothing of what is due to it for this time is let go.
    pub stall: Duration,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: String::from("camera"),
            max_connections: 512,
            max_viewers: 200,
            max_head: 8192,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            stall: Duration::from_secs(5),
        }
    }
}

/// What handlers share: settings, the camera, and who is there.
#[derive(Debug)]
pub(crate) struct Site {
    settings: Settings,
    pipeline: Pipeline,
    viewers: Rc<Viewers>,
    links: Links,
    started: Instant,
    accepted: Cell<u64>,
    refused: Cell<u64>,
    /// Answers by the first digit of their status, from 1.
    answered: Cell<[u64; 5]>,
}

impl Site {
    fn new(settings: Settings, pipeline: Pipeline) -> Site {
        Site {
            viewers: Viewers::new(pipeline.hub().clone(), settings.max_viewers),
            settings,
            pipeline,
            links: Links::default(),
            started: Instant::now(),
            accepted: Cell::new(0),
            refused: Cell::new(0),
            answered: Cell::new([0; 5]),
        }
    }

    fn count_request(&self, status: StatusCode) {
        let mut answered = self.answered.get();
        if let Some(class) = answered.get_mut(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            *class += 1;
        }
        self.answered.set(answered);
    }
}

/// Serves a pipeline's pictures over HTTP.
#[derive(Debug)]
pub struct Server {
    settings: Settings,
    pipeline: Pipeline,
}

impl Server {
    /// A server that has not begun.
    pub fn new(settings: Settings, pipeline: Pipeline) -> Server {
        Server { settings, pipeline }
    }

    /// Serves on `listeners` until `stop` is set, then ends within about a second. Runs on the
    /// thread that polls it and starts no other; wants a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// A listener cannot be used; later errors are logged and survived.
    pub async fn run(self, listeners: Vec<Listener>, stop: Stop) -> io::Result<()> {
        let listeners = listeners.into_iter().map(Door::new).collect::<io::Result<Vec<_>>>()?;
        let site = Rc::new(Site::new(self.settings, self.pipeline));
        let tasks = LocalSet::new();
        tasks.spawn_local(viewers::relay(site.viewers.clone()));
        tasks.spawn_local({
            let site = site.clone();
            async move { connection::sweep(&site.links, &site.settings).await }
        });
        let doors: Vec<_> =
            listeners.into_iter().map(|door| tasks.spawn_local(accept(site.clone(), door))).collect();
        tasks
            .run_until(async {
                stop.stopped().await;
                // Dropped with their tasks: the listeners are closed before the streams end.
                for door in doors {
                    door.abort();
                    let _ = door.await;
                }
                site.viewers.end();
                site.links.finish_within(FINISH).await;
            })
            .await;
        Ok(())
    }
}

/// A listener on the runtime.
enum Door {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Door {
    fn new(listener: Listener) -> io::Result<Door> {
        rustix::io::ioctl_fionbio(listener.as_fd(), true)?;
        Ok(match listener {
            Listener::Tcp(tcp) => Door::Tcp(TcpListener::from_std(tcp)?),
            Listener::Unix(unix) => Door::Unix(UnixListener::from_std(unix)?),
        })
    }

    async fn accept(&self) -> io::Result<(Socket, Rc<str>)> {
        match self {
            Door::Tcp(tcp) => {
                let (socket, peer) = tcp.accept().await?;
                // An IPv4 peer of an IPv6 socket is named as people know it.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Socket::Tcp(socket), peer.to_string().into()))
            }
            Door::Unix(unix) => {
                let (socket, _) = unix.accept().await?;
                Ok((Socket::Unix(socket), "unix".into()))
            }
        }
    }
}

/// Accepts for ever. No error ends it: one that lasts is waited out.
async fn accept(site: Rc<Site>, door: Door) {
    let mut complained: Option<Instant> = None;
    let refusing = Rc::new(Cell::new(0));
    loop {
        let (socket, peer) = match door.accept().await {
            Ok(accepted) => accepted,
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(e) => {
                if complained.is_none_or(|at| at.elapsed() >= COMPLAIN_EVERY) {
                    log::warn!("a connection could not be accepted: {e}; more are tried ten times a second");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                continue;
            }
        };
        site.accepted.set(site.accepted.get() + 1);
        if site.links.count() >= site.settings.max_connections {
            site.refused.set(site.refused.get() + 1);
            log::debug!("{peer}: refused, {} connections are open", site.settings.max_connections);
            if refusing.get() < REFUSALS {
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
        let link = Link::new(socket, peer);
        site.links.enter(link.clone());
        tokio::task::spawn_local({
            let site = site.clone();
            async move {
                connection::serve(site.clone(), link.clone()).await;
                site.links.leave(&link);
            }
        });
    }
}
