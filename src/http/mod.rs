//! The server: one thread, every connection a task on it, and a picture to all of them for the
//! price of one `Bytes` each.
//!
//! ```text
//! [accept] ─► connection ─► route ─► legacy · pictures · page · v1 · lines · counts · events …
//!              │  ▲                              │                       │
//!        hyper │  │ sweep: late heads, idle      ▼                       ▼
//!              ▼  │ connections, stalled peers  viewers ◄── relay ◄── Hub, ledger (4 readers)
//!             socket ◄───────────────────────────┘
//! ```
//!
//! Nothing here blocks and nothing waits for a slow peer: connections, viewers and listeners are
//! limited in number, heads and bodies in size and time, and what a stalled viewer holds is one
//! picture. The ledger is read on threads of the runtime's pool, by a few at a time.
//! On [`Stop`] the listeners close, streams end themselves, and what is left after a second is cut.

mod access;
mod activity;
mod audit;
mod backup;
mod body;
mod connection;
mod controls;
mod cors;
mod counts;
mod crossings;
pub mod csv;
mod diagnosis;
mod download;
mod etag;
mod events;
mod facts;
mod facts_media;
mod facts_settings;
mod fields;
mod form_data;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod guard;
mod https;
mod keys;
mod lane;
mod ledger;
mod legacy;
mod lens;
mod light;
mod lines;
pub mod listen;
mod logs;
mod media;
mod metrics;
mod model;
mod names;
mod openapi;
mod page;
mod page_hands;
mod page_media;
mod page_settings;
mod payload;
mod people;
mod picture;
mod pictures;
mod power;
mod preferences;
mod problem;
mod query;
mod range;
mod recordings;
mod recount;
mod refusals;
mod replay;
mod right;
mod route;
mod routes;
mod schemas;
mod schemas_media;
mod settings;
mod sign_in;
mod snapshots;
mod socket;
mod state;
mod storage;
pub mod stream;
mod tallies;
mod thumbnail;
mod tls;
mod turns;
mod update;
mod upload;
mod uploads;
mod v1;
mod view;
mod viewers;
pub mod when;
pub(crate) mod wire;
mod wire_controls;
pub(crate) mod wire_counts;
mod wire_media;
mod zip;
mod zones;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper::StatusCode;
use jiff::tz::TimeZone;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::LocalSet;

pub use crate::ui::bytes_in_words;
pub use activity::{in_words as activity_in_words, table as activity_table};
pub use diagnosis::{Diagnose, Finding, FindingReport, SET_CLOCK, Verdict, clock_is_wrong, room_finding};
pub use https::SPEAKS_HTTPS;
pub use listen::Listener;
pub use model::{CatalogueModel, FoundModel, Models, NotFetched};
pub use power::{NotSwitched, Power, PowerAction};
pub use preferences::{Changes, Changing, InForce, NotSet, Preferences, WrongSetting, is_of_the_moment};
pub use recount::{RecountBody, RecountReport};
pub use tls::{Identity, IdentityError};
pub use wire_media::ItemReport;

use crate::access::Access;
use crate::base::{Recent, Stop, clock};
use crate::maintenance::Maintenance;
use crate::media::View;
use crate::pipeline::counting::Counting;
use crate::pipeline::focus::{Focus, FocusSettings};
use crate::pipeline::{Keeping, Lights, Pipeline, Status, TooManyViews, Views};
use crate::store::Counts;
use crate::store::media::Media;
use crate::ui::Clock;
use access::{Asker, Gate};
use audit::Audit;
use connection::{Link, Links, Open, Use};
use events::Listeners;
use https::Https;
use ledger::{Album, Ledger};
use problem::{NoCounting, NoKeeping, NoPreferences, Problem, Withheld};
use socket::Socket;
use storage::Room;
use tls::Tls;
use viewers::{Places, Viewers};

/// The program's version, as pages and the API name it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Responses under way when the server stops have so long to end.
const FINISH: Duration = Duration::from_secs(1);

/// The audit list is told the sums of what was refused this often.
const TELL_SUMS: Duration = Duration::from_secs(10);

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
    /// Who only asks for something over plain HTTP is sent to HTTPS, where that is listened for.
    pub redirect: bool,
    /// Pages of these origins may read pictures and counts by script.
    pub allow_origins: Vec<String>,
    /// A peer that takes nothing of what is due to it for this time is let go.
    pub stall: Duration,
    /// Who listens to events hears at least a comment this often.
    pub heartbeat: Duration,
    /// The time zone that days and hours are told in.
    pub zone: TimeZone,
    /// The hour, 0–23, at which a day begins.
    pub day_starts: u8,
    /// No picture is given to anybody.
    pub counts_only: bool,
    /// Keys of `[retention]` that the operator's file sets, which nobody else changes: `snapshots_age`.
    pub pinned_retention: Vec<String>,
    /// Who signs in stays so for so long.
    pub session: Duration,
    /// Programs of this machine need no password over TCP, either.
    pub is_local_open: bool,
    /// To look takes no password.
    pub is_view_open: bool,
    /// The first browser on the network chooses the first password.
    pub is_claimed_by_network: bool,
    /// Names that this machine is asked by, beside those that no resolver leads elsewhere.
    pub names: Vec<String>,
    /// What the old addresses that switch the machine off ask for.
    pub power_key: Option<String>,
    /// The public key of minisign that updates are signed with.
    pub update_key: Option<String>,
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
            redirect: true,
            allow_origins: Vec::new(),
            stall: Duration::from_secs(5),
            heartbeat: Duration::from_secs(15),
            zone: TimeZone::system(),
            day_starts: 0,
            counts_only: false,
            pinned_retention: Vec::new(),
            session: Duration::from_secs(30 * 86_400),
            is_local_open: false,
            is_view_open: true,
            is_claimed_by_network: false,
            names: Vec::new(),
            power_key: None,
            update_key: None,
        }
    }
}

/// What handlers share: settings, the camera, what is counted, and who is there.
#[derive(Debug)]
pub(crate) struct Site {
    /// What is in force now: see [`Site::settings`].
    settings: watch::Receiver<Arc<Settings>>,
    pipeline: Pipeline,
    counting: Option<Counting>,
    models: Option<Arc<dyn Models>>,
    /// Settings that can be changed.
    preferences: Option<Arc<dyn Preferences>>,
    /// Snapshots and recordings.
    keeping: Option<Keeping>,
    /// The light.
    lights: Option<Lights>,
    /// Where pictures are kept. Made with the first look at the store, which may be opened late.
    album: OnceLock<Album>,
    /// The camera's lens.
    focus: Focus,
    /// What looks at the machine.
    machine: Option<Arc<dyn Diagnose>>,
    /// What it found.
    looked: diagnosis::Looked,
    /// What was last seen of the room for pictures.
    room: Room,
    /// Files that are taken in at the same time.
    uploading: Arc<Semaphore>,
    /// Where there is counting, and its ledger could be opened.
    ledger: Option<Ledger>,
    places: Rc<Places>,
    viewers: Rc<Viewers>,
    /// Those who watch what is counted drawn over the picture.
    annotated: Option<Rc<Viewers>>,
    /// What makes views of their own.
    views: Option<Views>,
    /// Those who watch one: the view, whether it is of annotated pictures, and they.
    viewed: RefCell<Vec<(View, bool, Weak<Viewers>)>>,
    listeners: Listeners,
    /// Who may change something.
    gate: Gate,
    /// HTTPS of its own.
    https: Option<Https>,
    /// It listens beyond this machine.
    is_reached: bool,
    /// What was logged last.
    recent: Recent,
    /// What can switch the machine off.
    power: Option<Arc<dyn Power>>,
    /// The state directory as a whole.
    maintenance: Option<Arc<Maintenance>>,
    /// One package is taken at a time.
    updating: Arc<Semaphore>,
    /// The line editor's, where only counts are wanted.
    still: pictures::Still,
    /// One model is fetched at a time.
    fetching: Arc<Semaphore>,
    /// Pictures that are made smaller at once.
    thumbnails: Arc<Semaphore>,
    links: Links,
    /// Who signed in, was refused, or changed something.
    audit: Rc<Audit>,
    stop: Stop,
    started: Instant,
    accepted: Cell<u64>,
    refused: Cell<u64>,
    /// Answers by the first digit of their status, from 1.
    answered: Cell<[u64; 5]>,
}

impl Site {
    fn new(server: Server, stop: Stop, is_reached: bool, https: Option<Https>) -> Site {
        let Server {
            settings,
            pipeline,
            counting,
            models,
            preferences,
            keeping,
            access,
            https: _,
            recent,
            power,
            maintenance,
            views,
            lights,
            machine,
        } = server;
        let places: Rc<Places> = Rc::default();
        let ledger = counting.as_ref().and_then(|counting| counting.counts().ok());
        let audit = Rc::new(Audit::new(ledger.cloned()));
        let annotated = counting.as_ref().map(|counting| counting.annotated().clone());
        Site {
            viewers: Viewers::new(pipeline.hub().clone(), places.clone()),
            annotated: annotated.map(|hub| Viewers::new(hub, places.clone())),
            places,
            settings,
            focus: Focus::new(pipeline.clone(), FocusSettings::default()),
            machine,
            looked: diagnosis::Looked::default(),
            pipeline,
            ledger: ledger.cloned().map(Ledger::new),
            counting,
            models,
            preferences,
            album: OnceLock::new(),
            keeping,
            lights,
            room: Room::default(),
            uploading: Arc::new(Semaphore::new(uploads::PLACES)),
            views,
            viewed: RefCell::default(),
            listeners: Listeners::default(),
            gate: Gate::new(access, audit.clone()),
            https,
            is_reached,
            recent,
            power,
            maintenance,
            updating: Arc::new(Semaphore::new(1)),
            still: pictures::Still::default(),
            fetching: Arc::new(Semaphore::new(1)),
            thumbnails: Arc::new(Semaphore::new(thumbnail::PLACES)),
            links: Links::default(),
            audit,
            stop,
            started: Instant::now(),
            accepted: Cell::new(0),
            refused: Cell::new(0),
            answered: Cell::new([0; 5]),
        }
    }

    /// Settings, to be changed.
    fn preferences(&self) -> Result<&Arc<dyn Preferences>, NoPreferences> {
        self.preferences.as_ref().ok_or(NoPreferences)
    }

    /// Why what was changed last is not kept; `None` when it is.
    fn unkept(&self) -> Option<String> {
        let unkept = self.preferences.as_ref()?.in_force().unkept.clone();
        (!unkept.is_empty()).then_some(unkept)
    }

    /// How the server behaves now.
    fn settings(&self) -> Arc<Settings> {
        self.settings.borrow().clone()
    }

    /// Whoever reaches the camera can change it, and it can be reached from other machines.
    fn is_open(&self) -> bool {
        access::is_open(self)
    }

    /// To look takes no password. Where somebody has yet to choose one nobody looks.
    fn is_view_open(&self) -> bool {
        self.settings().is_view_open && !self.gate.is_unclaimed()
    }

    /// Whether somebody is a program of this machine, or known by what they show: some places are kept for them.
    fn is_known(&self, asker: &Asker<'_>) -> bool {
        asker.is_here() || self.gate.knows(*asker)
    }

    /// What counts.
    fn counting(&self) -> Result<&Counting, NoCounting> {
        self.counting.as_ref().ok_or(NoCounting)
    }

    /// The ledger, to be changed and to be waited for.
    fn counts(&self) -> Result<&Counts, Problem> {
        self.counting()?.counts().map_err(|error| error.clone().into())
    }

    /// The ledger, to be read.
    fn ledger(&self) -> Result<Ledger, Problem> {
        self.counts()?;
        Ok(self.ledger.clone().ok_or(NoCounting)?)
    }

    /// What keeps pictures, where that is allowed.
    fn keeping(&self) -> Result<&Keeping, Problem> {
        if self.is_counts_only() {
            return Err(Withheld.into());
        }
        Ok(self.keeping.as_ref().ok_or(NoKeeping)?)
    }

    /// The store of pictures, to be changed and to be waited for, where pictures may be kept.
    fn media(&self) -> Result<&Media, Problem> {
        Ok(self.keeping()?.media()?)
    }

    /// The store of pictures, to be read, where pictures may be given.
    fn album(&self) -> Result<Album, Problem> {
        let media = self.media()?;
        Ok(self.album.get_or_init(|| Album::new(media.clone())).clone())
    }

    /// The clock on the wall.
    fn clock(&self) -> Clock {
        let settings = self.settings();
        Clock { now_us: clock::wall_us(), zone: settings.zone.clone(), day_starts: settings.day_starts }
    }

    /// What `/health` says: the camera delivers, and what crosses is recorded.
    fn is_healthy(&self, status: &Status) -> bool {
        let ledger_trouble = self.counting.as_ref().and_then(Counting::ledger_trouble);
        status.is_healthy && ledger_trouble.is_none()
    }

    /// Whether nobody is given a picture.
    fn is_counts_only(&self) -> bool {
        self.settings().counts_only
            || self.counting.as_ref().is_some_and(Counting::is_counts_only)
            || self.keeping.as_ref().is_some_and(Keeping::is_counts_only)
    }

    /// Lets the camera go, whoever holds it.
    async fn pause(&self) {
        if let Some(counting) = &self.counting {
            counting.let_go();
        }
        self.pipeline.pause().await;
        if let Some(keeping) = &self.keeping {
            // What was being recorded ends by itself; who asks next finds it whole.
            keeping.closed().await;
        }
    }

    /// Back to on demand.
    fn resume(&self) {
        if let Some(counting) = &self.counting {
            counting.let_go();
        }
        self.pipeline.resume();
    }

    /// Does `each` with all who watch, whatever they watch.
    fn each_viewers(&self, mut each: impl FnMut(&Rc<Viewers>)) {
        [Some(&self.viewers), self.annotated.as_ref()].into_iter().flatten().for_each(&mut each);
        self.viewed
            .borrow()
            .iter()
            .filter_map(|(_, _, viewers)| viewers.upgrade())
            .for_each(|one| each(&one));
    }

    /// Those who watch this view, of annotated pictures if `is_annotated`; they are begun if there are none. `None` where
    /// no views are made.
    fn viewers_of(
        &self,
        link: &Link,
        view: &View,
        is_annotated: bool,
    ) -> Result<Option<Rc<Viewers>>, TooManyViews> {
        let Some(views) = &self.views else { return Ok(None) };
        let over = match (&self.counting, is_annotated) {
            (Some(counting), true) => Some(counting.annotated()),
            (_, true) => return Ok(None),
            (_, false) => None,
        };
        // Those who watch what looks the same are one crowd, however they said it.
        let view = &view.canonical();
        let mut all = self.viewed.borrow_mut();
        all.retain(|(_, _, viewers)| viewers.strong_count() > 0);
        let known = all.iter().find(|(known, annotated, _)| known == view && *annotated == is_annotated);
        if let Some(viewers) = known.and_then(|(_, _, viewers)| viewers.upgrade()) {
            return Ok(Some(viewers));
        }
        let is_rest_full = views.count() + connection::kept(Views::MOST) >= Views::MOST;
        if is_rest_full && !link.is_known() {
            return Err(TooManyViews);
        }
        self.links.take_place(link, Use::View, 2 * Views::MOST).map_err(|_| TooManyViews)?;
        let viewers = Viewers::of_view(views.watch(view, over)?, self.places.clone());
        all.push((view.clone(), is_annotated, Rc::downgrade(&viewers)));
        tokio::task::spawn_local(viewers::relay(viewers.clone()));
        Ok(Some(viewers))
    }

    /// Pictures that viewers did not get, since the start.
    fn skipped(&self) -> u64 {
        let mut skipped = self.places.skipped_before();
        self.each_viewers(|viewers| skipped += viewers.skipped());
        skipped
    }

    fn count_request(&self, status: StatusCode) {
        let mut answered = self.answered.get();
        if let Some(class) = answered.get_mut(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            *class += 1;
        }
        self.answered.set(answered);
    }
}

/// Serves a pipeline's pictures, and what is counted in them, over HTTP.
#[derive(Debug)]
pub struct Server {
    settings: watch::Receiver<Arc<Settings>>,
    pipeline: Pipeline,
    counting: Option<Counting>,
    models: Option<Arc<dyn Models>>,
    preferences: Option<Arc<dyn Preferences>>,
    keeping: Option<Keeping>,
    access: Option<Access>,
    https: Option<watch::Receiver<Arc<Identity>>>,
    recent: Recent,
    power: Option<Arc<dyn Power>>,
    maintenance: Option<Arc<Maintenance>>,
    views: Option<Views>,
    lights: Option<Lights>,
    machine: Option<Arc<dyn Diagnose>>,
}

impl Server {
    /// A server that has not begun. Without `counting` it shows pictures only, and whoever asks for
    /// counts is told so.
    pub fn new(settings: Settings, pipeline: Pipeline, counting: Option<Counting>) -> Server {
        let settings = watch::Sender::new(Arc::new(settings)).subscribe();
        Server {
            settings,
            pipeline,
            counting,
            models: None,
            preferences: None,
            keeping: None,
            access: None,
            https: None,
            recent: Recent::default(),
            power: None,
            maintenance: None,
            views: None,
            lights: None,
            machine: None,
        }
    }

    /// The same, by settings that may change: those that `settings` shows at each moment. What is under way already may
    /// end by those that it began with.
    #[must_use]
    pub fn with_live_settings(self, settings: watch::Receiver<Arc<Settings>>) -> Server {
        Server { settings, ..self }
    }

    /// The same, where models can be chosen and fetched.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn Models>) -> Server {
        Server { models: Some(models), ..self }
    }

    /// The same, where settings can be changed.
    #[must_use]
    pub fn with_preferences(self, preferences: Arc<dyn Preferences>) -> Server {
        Server { preferences: Some(preferences), ..self }
    }

    /// The same, where who changes something from another machine has to know a password.
    #[must_use]
    pub fn with_access(self, access: Access) -> Server {
        Server { access: Some(access), ..self }
    }

    /// The same, with the certificate of its listeners for HTTPS: the one that is there when somebody connects.
    #[must_use]
    pub fn with_https(self, identity: watch::Receiver<Arc<Identity>>) -> Server {
        Server { https: Some(identity), ..self }
    }

    /// The same, which shows what was logged last.
    #[must_use]
    pub fn with_recent(self, recent: Recent) -> Server {
        Server { recent, ..self }
    }

    /// The same, which can have the machine switched off.
    #[must_use]
    pub fn with_power(self, power: Arc<dyn Power>) -> Server {
        Server { power: Some(power), ..self }
    }

    /// The same, where a backup can be made and restored.
    #[must_use]
    pub fn with_maintenance(self, maintenance: Arc<Maintenance>) -> Server {
        Server { maintenance: Some(maintenance), ..self }
    }

    /// The same, where the machine is looked at.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn Diagnose>) -> Server {
        Server { machine: Some(machine), ..self }
    }

    /// The same, where single viewers may have views of their own. Elsewhere they get the picture as everyone does.
    #[must_use]
    pub fn with_views(self, views: Views) -> Server {
        Server { views: Some(views), ..self }
    }

    /// The same, where pictures are kept.
    #[must_use]
    pub fn with_keeping(self, keeping: Keeping) -> Server {
        Server { keeping: Some(keeping), ..self }
    }

    /// The same, where there may be a light.
    #[must_use]
    pub fn with_lights(self, lights: Lights) -> Server {
        Server { lights: Some(lights), ..self }
    }

    /// Serves on `listeners` until `stop` is set, then ends within about a second. Runs on the
    /// thread that polls it and starts no other; wants a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// A listener cannot be used; later errors are logged and survived.
    pub async fn run(self, listeners: Vec<Listener>, stop: Stop) -> io::Result<()> {
        let is_reached = listeners.iter().any(Listener::is_reached);
        let https = Https::of(self.https.clone(), &listeners);
        if https.is_none() && listeners.iter().any(Listener::is_https) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "HTTPS needs a certificate"));
        }
        let listeners = listeners.into_iter().map(Door::new).collect::<io::Result<Vec<_>>>()?;
        let site = Rc::new(Site::new(self, stop.clone(), is_reached, https));
        let tasks = LocalSet::new();
        site.each_viewers(|viewers| drop(tasks.spawn_local(viewers::relay(viewers.clone()))));
        tasks.spawn_local({
            let site = site.clone();
            async move { connection::sweep(&site).await }
        });
        tasks.spawn_local(heed_settings(site.clone()));
        tasks.spawn_local({
            let audit = site.audit.clone();
            async move {
                loop {
                    tokio::time::sleep(TELL_SUMS).await;
                    audit.tell_sums();
                }
            }
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
                site.each_viewers(|viewers| viewers.end());
                site.links.finish_within(FINISH).await;
                site.audit.tell_sums();
            })
            .await;
        Ok(())
    }
}

/// Does what other settings demand of those who are there already.
async fn heed_settings(site: Rc<Site>) {
    let mut settings = site.settings.clone();
    while settings.changed().await.is_ok() {
        if site.is_counts_only() {
            site.each_viewers(|viewers| viewers.dismiss());
        }
    }
}

/// A listener on the runtime.
enum Door {
    /// With TLS, if it is for HTTPS.
    Tcp(TcpListener, bool),
    Unix(UnixListener),
}

impl Door {
    fn new(listener: Listener) -> io::Result<Door> {
        rustix::io::ioctl_fionbio(listener.as_fd(), true)?;
        Ok(match listener {
            Listener::Tcp(tcp) => Door::Tcp(TcpListener::from_std(tcp)?, false),
            Listener::Https(tcp) => Door::Tcp(TcpListener::from_std(tcp)?, true),
            Listener::Unix(unix) => Door::Unix(UnixListener::from_std(unix)?),
        })
    }

    fn is_https(&self) -> bool {
        matches!(self, Door::Tcp(_, true))
    }

    async fn accept(&self) -> io::Result<(Socket, Rc<str>, Option<IpAddr>)> {
        match self {
            Door::Tcp(tcp, _) => {
                let (socket, peer) = tcp.accept().await?;
                // An IPv4 peer of an IPv6 socket is named as people know it.
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Socket::Tcp(socket), peer.to_string().into(), Some(peer.ip())))
            }
            Door::Unix(unix) => {
                let (socket, _) = unix.accept().await?;
                Ok((Socket::Unix(socket), "unix".into(), None))
            }
        }
    }
}

/// Accepts for ever. No error ends it: one that lasts is waited out.
async fn accept(site: Rc<Site>, door: Door) {
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
            // To whom waits for a handshake nothing can be said.
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
        let open = Open::new(site.clone(), Link::new(socket, tls, peer, address, site.settings().stall));
        tokio::task::spawn_local(async move {
            connection::serve(open.site.clone(), open.link.clone()).await;
        });
    }
}
