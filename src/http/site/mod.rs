//! The state that all handlers share ([`Site`]), and the [`Server`] that it is built from.

pub(in crate::http) mod findings;
pub(in crate::http) mod forms;
pub(in crate::http) mod handler;
pub(in crate::http) mod html;
pub(in crate::http) mod listeners;
pub(in crate::http) mod model_store;
pub(in crate::http) mod place;
pub(in crate::http) mod power_switch;
pub(in crate::http) mod preferences;
pub(in crate::http) mod readers;
pub(in crate::http) mod still;
pub(in crate::http) mod storage_usage;
pub(in crate::http) mod task;
pub(in crate::http) mod videos;
pub(in crate::http) mod way;

use std::cell::{Cell, RefCell};
use std::ops::Deref;
use std::rc::{Rc, Weak};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hyper::{HeaderMap, Method, StatusCode, Uri, Version};
use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::http::auth::audit::Audit;
use crate::http::auth::authenticate::Auth;
use crate::http::auth::caller::Caller;
use crate::http::request::problem::{Problem, counts_only, no_counting, too_many_views};
use crate::http::server::https::Https;
use crate::http::server::link::{ConnectionUse, Link, Links, kept};
use crate::http::server::tls::TlsIdentity;
use crate::http::server::viewers;
use crate::http::server::viewers::{ViewerPlaces, Viewers};
use crate::http::site::findings::{Diagnose, FindingsCache, Stills};
use crate::http::site::listeners::Listeners;
use crate::http::site::model_store::ModelLibrary;
use crate::http::site::power_switch::Power;
use crate::http::site::preferences::Preferences;
use crate::http::site::readers::{CountsReaders, MediaReaders};
use crate::http::site::still::Still;
use crate::http::site::storage_usage::StorageUsage;
use crate::http::site::videos::Videos;
use crate::maintenance::Maintenance;
use crate::outbound::api::ApiCalls;
use crate::outbound::neighbours::Neighbours;
use crate::outbound::notify::Notifier;
use crate::pipeline::counting::{Counting, Trials};
use crate::pipeline::focus::{Focus, FocusSettings};
use crate::pipeline::{CameraStatus, Lights, Pipeline, RecorderHandle, Views};
use crate::ui::LocalClock;
use tallycam_base::{Recent, Stop, clock};
use tallycam_camera::media::View;
use tallycam_config::Listen;
use tallycam_store::Counts;
use tallycam_store::media::{ClockWait, Media};

/// Uploads at the same time.
const UPLOADS: usize = 2;

/// Thumbnails made at the same time: few, because a Raspberry Pi has other work to do.
const THUMBNAILS: usize = 2;

/// How the server behaves. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerSettings {
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
    /// Plain HTTP requests that only read are redirected to HTTPS, if there is an HTTPS listener.
    pub redirect: bool,
    /// Browsers shall use only HTTPS for this time, if they came by it.
    pub hsts: Option<Duration>,
    /// Scripts of pages from these origins may read pictures and counts.
    pub allow_origins: Vec<String>,
    /// Pages from these origins may show ours in a frame.
    pub allow_frames: Vec<String>,
    /// A peer that takes no pending bytes for this time is disconnected.
    pub stall: Duration,
    /// Longest silence on an event stream; a comment is sent after it.
    pub heartbeat: Duration,
    /// The time zone of days and hours.
    pub zone: TimeZone,
    /// The hour, 0–23, at which a day begins.
    pub day_starts: u8,
    /// Privacy mode: no images are served.
    pub counts_only: bool,
    /// Keys of `[retention]` that the operator's file pins, for example `snapshots_age`.
    pub pinned_retention: Vec<String>,
    /// How long a session lasts after signing in.
    pub session: Duration,
    /// Programs on this machine need no password over TCP either.
    pub is_local_open: bool,
    /// Reading needs no password.
    pub is_view_open: bool,
    /// The first browser on the network sets the first password.
    pub is_claimed_by_network: bool,
    /// Other tallycams, as origins.
    pub neighbours: Vec<String>,
    /// Host names of this machine, besides those that no resolver can lead elsewhere.
    pub names: Vec<String>,
    /// Key that the old power-off addresses require.
    pub power_key: Option<String>,
    /// The minisign public key that verifies updates.
    pub update_key: Option<String>,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            name: String::from("camera"),
            max_connections: 512,
            max_viewers: 200,
            max_head: 8192,
            head_timeout: Duration::from_secs(10),
            keep_alive: Duration::from_secs(60),
            redirect: true,
            hsts: None,
            allow_origins: Vec::new(),
            allow_frames: Vec::new(),
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
            neighbours: Vec::new(),
            names: Vec::new(),
            power_key: None,
            update_key: None,
        }
    }
}

/// The state that all handlers share.
#[derive(Debug)]
pub(crate) struct Site {
    server: Server,
    /// Readers of `media.db`; created on first use, because the store may open late.
    pub(super) media_readers: OnceLock<MediaReaders>,
    pub(super) focus: Focus,
    /// The latest findings of the machine's diagnosis.
    pub(super) looked: FindingsCache,
    /// Stills of the cameras that are not in use.
    pub(super) stills: Stills,
    /// The other tallycams of the network.
    pub(super) neighbours: Neighbours,
    /// The last measured disk usage of recordings and snapshots.
    pub(super) storage_usage: StorageUsage,
    /// Permits for [`UPLOADS`].
    pub(super) uploading: Arc<Semaphore>,
    /// Present if counting runs and `counts.db` could be opened.
    pub(super) counts_readers: Option<CountsReaders>,
    pub(super) places: Rc<ViewerPlaces>,
    pub(super) viewers: Rc<Viewers>,
    /// Viewers of the annotated stream.
    pub(super) annotated: Option<Rc<Viewers>>,
    /// Viewers of one view: the view, whether its pictures are annotated, and the viewers.
    pub(super) viewed: RefCell<Vec<(View, bool, Weak<Viewers>)>>,
    pub(super) listeners: Listeners,
    pub(super) auth: Auth,
    pub(super) https: Option<Https>,
    /// The server listens, or will listen, beyond this machine.
    pub(super) is_reached: bool,
    /// Permit for one update package at a time.
    pub(super) updating: Arc<Semaphore>,
    /// The line editor's still in privacy mode.
    pub(super) still: Still,
    /// Permit for one model download at a time.
    pub(super) fetching: Arc<Semaphore>,
    /// Permits for [`THUMBNAILS`].
    pub(super) thumbnails: Arc<Semaphore>,
    /// The videos in the making.
    pub(super) videos: Videos,
    /// Trials of checks.
    pub(super) trials: Trials,
    pub(super) links: Links,
    /// The audit list: sign-ins, refusals, changes.
    pub(super) audit: Rc<Audit>,
    pub(super) stop: Stop,
    pub(super) started: Instant,
    pub(super) accepted: Cell<u64>,
    pub(super) refused: Cell<u64>,
    /// Answers by the first digit of their status; index 0 is 1xx.
    pub(super) answered: Cell<[u64; 5]>,
}

/// Gives access to the server's fields as if they were the site's. `access` and `https` are empty here: the site has
/// taken them.
impl Deref for Site {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Site {
    pub(super) fn new(mut server: Server, stop: Stop, is_reached: bool, https: Option<Https>) -> Site {
        let places: Rc<ViewerPlaces> = Rc::default();
        let counts_db = server.counting.as_ref().and_then(|counting| counting.counts().ok());
        let audit = Rc::new(Audit::new(counts_db.cloned()));
        let annotated = server.counting.as_ref().map(|counting| counting.annotated().clone());
        Site {
            viewers: Viewers::new(server.pipeline.hub().clone(), places.clone()),
            annotated: annotated.map(|hub| Viewers::new(hub, places.clone())),
            places,
            focus: Focus::new(server.pipeline.clone(), FocusSettings::default()),
            looked: FindingsCache::default(),
            stills: Stills::default(),
            neighbours: Neighbours::default(),
            counts_readers: counts_db.cloned().map(CountsReaders::new),
            media_readers: OnceLock::new(),
            storage_usage: StorageUsage::default(),
            uploading: Arc::new(Semaphore::new(UPLOADS)),
            viewed: RefCell::default(),
            listeners: Listeners::default(),
            auth: Auth::new(server.access.take(), audit.clone()),
            https,
            is_reached,
            updating: Arc::new(Semaphore::new(1)),
            still: Still::default(),
            fetching: Arc::new(Semaphore::new(1)),
            thumbnails: Arc::new(Semaphore::new(THUMBNAILS)),
            videos: Videos::default(),
            trials: Trials::default(),
            links: Links::default(),
            audit,
            stop,
            started: Instant::now(),
            accepted: Cell::new(0),
            refused: Cell::new(0),
            answered: Cell::new([0; 5]),
            server,
        }
    }

    /// Settings that can be changed.
    pub(super) fn preferences(&self) -> Result<&Arc<dyn Preferences>, Problem> {
        let none = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "settings cannot be changed here");
        self.preferences.as_ref().ok_or_else(none)
    }

    /// Why the last change is not stored; `None` if it is.
    pub(super) fn unsaved(&self) -> Option<String> {
        let unsaved = self.preferences.as_ref()?.in_force().unsaved.clone();
        (!unsaved.is_empty()).then_some(unsaved)
    }

    /// The place in the operator's file that sets `key`, which pages cannot change then.
    pub(super) fn pinned(&self, key: &str) -> Option<String> {
        let in_force = self.preferences.as_ref()?.in_force();
        let origin = in_force.resolved.origin(key).filter(|origin| origin.is_operators());
        origin.map(ToString::to_string)
    }

    /// The server settings in force.
    pub(super) fn settings(&self) -> Arc<ServerSettings> {
        self.settings.borrow().clone()
    }

    /// Anybody on the network can change settings: there is no password, and the server listens beyond this machine.
    pub(super) fn is_open(&self) -> bool {
        self.is_reached && self.auth.is_open()
    }

    /// True if reading needs no password. Before the first password is set, nobody may read.
    pub(super) fn is_view_open(&self) -> bool {
        self.settings().is_view_open && !self.auth.is_unclaimed()
    }

    /// True for programs of this machine and for signed-in callers: some places are reserved for them.
    pub(super) fn is_known(&self, caller: &Caller<'_>) -> bool {
        caller.is_here() || self.auth.knows(*caller)
    }

    pub(super) fn counting(&self) -> Result<&Counting, Problem> {
        self.counting.as_ref().ok_or_else(no_counting)
    }

    /// `counts.db`, for changes.
    pub(super) fn counts(&self) -> Result<&Counts, Problem> {
        self.counting()?.counts().map_err(|error| error.clone().into())
    }

    /// `counts.db`, for reading.
    pub(super) fn counts_readers(&self) -> Result<CountsReaders, Problem> {
        self.counts()?;
        self.counts_readers.clone().ok_or_else(no_counting)
    }

    /// The recorder, unless privacy mode forbids it.
    pub(super) fn recorder(&self) -> Result<&RecorderHandle, Problem> {
        if self.is_counts_only() {
            return Err(counts_only());
        }
        let what = "keeping snapshots and recordings is not available";
        self.recorder.as_ref().ok_or_else(|| Problem::new(StatusCode::SERVICE_UNAVAILABLE, what))
    }

    /// `media.db`, for changes, unless privacy mode forbids it.
    pub(super) fn media(&self) -> Result<&Media, Problem> {
        Ok(self.recorder()?.media()?)
    }

    /// `media.db`, for reading, unless privacy mode forbids it.
    pub(super) fn media_readers(&self) -> Result<MediaReaders, Problem> {
        let media = self.media()?;
        Ok(self.media_readers.get_or_init(|| MediaReaders::new(media.clone())).clone())
    }

    /// The wall clock with the zone and the start of the day.
    pub(super) fn clock(&self) -> LocalClock {
        let settings = self.settings();
        LocalClock { now_us: clock::wall_us(), zone: settings.zone.clone(), day_starts: settings.day_starts }
    }

    /// The current time in the configured zone.
    pub(super) fn now(&self) -> jiff::Zoned {
        let us = i64::try_from(clock::wall_us()).unwrap_or(i64::MAX);
        let now = jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX);
        now.to_zoned(self.settings().zone.clone())
    }

    /// True if the wall clock is known to be right: according to the stores, which stamp the times, or to the kernel
    /// if there is no store.
    pub(super) fn is_time_sure(&self) -> bool {
        let counts = self.counting.as_ref().and_then(|counting| counting.counts().ok());
        let media = self.recorder.as_ref().and_then(|recorder| recorder.media().ok());
        let told =
            [counts.map(Counts::is_clock_sure), media.map(|media| media.status().borrow().is_clock_sure)];
        match told.iter().flatten().copied().reduce(|one, other| one && other) {
            Some(is_sure) => is_sure,
            None => clock::ClockTime::now().wall_trusted && clock::is_synchronised(),
        }
    }

    /// Why retention by age waits for the clock, if a rule by age exists.
    pub(super) fn clock_wait(&self) -> Option<ClockWait> {
        let media = self.media().ok()?;
        let rules = media.retention();
        media.clock_wait().filter(|_| rules.snapshots_age.is_some() || rules.recordings_age.is_some())
    }

    /// The answer of `/health`: the camera delivers, and crossings are recorded.
    pub(super) fn is_healthy(&self, status: &CameraStatus) -> bool {
        let counts_fault = self.counting.as_ref().and_then(Counting::counts_error);
        status.is_healthy && counts_fault.is_none()
    }

    /// True in privacy mode: nobody gets an image.
    pub(super) fn is_counts_only(&self) -> bool {
        self.settings().counts_only
            || self.counting.as_ref().is_some_and(Counting::is_counts_only)
            || self.recorder.as_ref().is_some_and(RecorderHandle::is_counts_only)
    }

    /// Closes the camera for everyone.
    pub(super) async fn pause(&self) {
        if let Some(counting) = &self.counting {
            counting.release();
        }
        self.pipeline.pause().await;
        if let Some(recorder) = &self.recorder {
            // The recording ends by itself; the next request finds it complete.
            recorder.wait_closed().await;
        }
    }

    /// Returns the camera to demand.
    pub(super) fn resume(&self) {
        if let Some(counting) = &self.counting {
            counting.release();
        }
        self.pipeline.resume();
    }

    /// The caller of a request with this head on this connection.
    pub(super) fn caller<'a>(
        &self,
        link: &'a Link,
        version: Version,
        method: &'a Method,
        uri: &'a Uri,
        headers: &'a HeaderMap,
    ) -> Caller<'a> {
        Caller {
            address: link.address(),
            version,
            method,
            headers,
            uri,
            over_tls: link.is_tls(),
            is_local_open: self.settings().is_local_open,
            is_view_open: self.is_view_open(),
        }
    }

    /// Calls `each` for the viewers of every stream and view.
    pub(super) fn each_viewers(&self, mut each: impl FnMut(&Rc<Viewers>)) {
        [Some(&self.viewers), self.annotated.as_ref()].into_iter().flatten().for_each(&mut each);
        self.viewed
            .borrow()
            .iter()
            .filter_map(|(_, _, viewers)| viewers.upgrade())
            .for_each(|one| each(&one));
    }

    /// The viewers of this view, annotated if `is_annotated`; started if there are none. `None` if views are not
    /// available.
    pub(super) fn viewers_of(
        &self,
        link: &Link,
        view: &View,
        is_annotated: bool,
    ) -> Result<Option<Rc<Viewers>>, Problem> {
        let Some(views) = &self.views else { return Ok(None) };
        let over = match (&self.counting, is_annotated) {
            (Some(counting), true) => Some(counting.annotated()),
            (_, true) => return Ok(None),
            (_, false) => None,
        };
        // Equal views share their viewers, however each request spells the view.
        let view = &view.canonical();
        let mut all = self.viewed.borrow_mut();
        all.retain(|(_, _, viewers)| viewers.strong_count() > 0);
        let known = all.iter().find(|(known, annotated, _)| known == view && *annotated == is_annotated);
        if let Some(viewers) = known.and_then(|(_, _, viewers)| viewers.upgrade()) {
            return Ok(Some(viewers));
        }
        let is_rest_full = views.count() + kept(Views::MOST) >= Views::MOST;
        if is_rest_full && !link.is_known() {
            return Err(too_many_views());
        }
        self.links.take_place(link, ConnectionUse::View, 2 * Views::MOST).map_err(|_| too_many_views())?;
        let viewers =
            Viewers::of_view(views.watch(view, over).ok_or_else(too_many_views)?, self.places.clone());
        all.push((view.clone(), is_annotated, Rc::downgrade(&viewers)));
        tokio::task::spawn_local(viewers::relay(viewers.clone()));
        Ok(Some(viewers))
    }

    /// Pictures that viewers skipped since the start.
    pub(super) fn skipped(&self) -> u64 {
        let mut skipped = self.places.skipped_before();
        self.each_viewers(|viewers| skipped += viewers.skipped());
        skipped
    }

    pub(super) fn count_request(&self, status: StatusCode) {
        let mut answered = self.answered.get();
        if let Some(class) = answered.get_mut(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            *class += 1;
        }
        self.answered.set(answered);
    }
}

/// Serves the pictures and counts of a pipeline over HTTP.
#[derive(Debug)]
pub struct Server {
    /// The settings in force: see [`Site::settings`].
    pub(super) settings: watch::Receiver<Arc<ServerSettings>>,
    pub(super) pipeline: Pipeline,
    pub(super) counting: Option<Counting>,
    pub(super) models: Option<Arc<dyn ModelLibrary>>,
    pub(super) preferences: Option<Arc<dyn Preferences>>,
    pub(super) recorder: Option<RecorderHandle>,
    pub(super) access: Option<Access>,
    pub(super) https: Option<watch::Receiver<Arc<TlsIdentity>>>,
    /// Addresses that are listened at once they are there.
    pub(super) absent: Vec<Listen>,
    /// The latest log lines.
    pub(super) recent: Recent,
    /// Switches the machine off.
    pub(super) power: Option<Arc<dyn Power>>,
    /// Backup and restore of the state directory.
    pub(super) maintenance: Option<Arc<Maintenance>>,
    /// Makes views for single viewers.
    pub(super) views: Option<Views>,
    pub(super) lights: Option<Lights>,
    /// Diagnoses the machine.
    pub(super) machine: Option<Arc<dyn Diagnose>>,
    /// Calls of the service's own parts.
    pub(super) calls: Option<ApiCalls>,
    /// How the rules of notifications do.
    pub(super) notifier: Option<Notifier>,
}

impl Server {
    /// A server that has not started. Without `counting` it shows pictures only, and requests for counts are refused.
    pub fn new(settings: ServerSettings, pipeline: Pipeline, counting: Option<Counting>) -> Server {
        let settings = watch::Sender::new(Arc::new(settings)).subscribe();
        Server {
            settings,
            pipeline,
            counting,
            models: None,
            preferences: None,
            recorder: None,
            access: None,
            https: None,
            absent: Vec::new(),
            recent: Recent::default(),
            power: None,
            maintenance: None,
            views: None,
            lights: None,
            machine: None,
            calls: None,
            notifier: None,
        }
    }

    /// The same, with settings that may change. Each request uses the value that `settings` holds then; a response
    /// under way may end by the old ones.
    #[must_use]
    pub fn with_live_settings(self, settings: watch::Receiver<Arc<ServerSettings>>) -> Server {
        Server { settings, ..self }
    }

    /// The same, with models to choose and download.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn ModelLibrary>) -> Server {
        Server { models: Some(models), ..self }
    }

    /// The same, with settings that can be changed.
    #[must_use]
    pub fn with_preferences(self, preferences: Arc<dyn Preferences>) -> Server {
        Server { preferences: Some(preferences), ..self }
    }

    /// The same, with access control: changes from other machines need a password.
    #[must_use]
    pub fn with_access(self, access: Access) -> Server {
        Server { access: Some(access), ..self }
    }

    /// The same, with the certificate of the HTTPS listeners. Each connection uses the current one.
    #[must_use]
    pub fn with_https(self, identity: watch::Receiver<Arc<TlsIdentity>>) -> Server {
        Server { https: Some(identity), ..self }
    }

    /// The same, also at these addresses once they are there.
    #[must_use]
    pub fn with_absent(self, absent: Vec<Listen>) -> Server {
        Server { absent, ..self }
    }

    /// The same, with the latest log lines to show.
    #[must_use]
    pub fn with_recent(self, recent: Recent) -> Server {
        Server { recent, ..self }
    }

    /// The same, with power off and restart of the machine.
    #[must_use]
    pub fn with_power(self, power: Arc<dyn Power>) -> Server {
        Server { power: Some(power), ..self }
    }

    /// The same, with backup and restore.
    #[must_use]
    pub fn with_maintenance(self, maintenance: Arc<Maintenance>) -> Server {
        Server { maintenance: Some(maintenance), ..self }
    }

    /// The same, with a diagnosis of the machine.
    #[must_use]
    pub fn with_machine(self, machine: Arc<dyn Diagnose>) -> Server {
        Server { machine: Some(machine), ..self }
    }

    /// The same, which also answers the service's own parts.
    #[must_use]
    pub fn with_calls(self, calls: ApiCalls) -> Server {
        Server { calls: Some(calls), ..self }
    }

    /// The same, with notifications.
    #[must_use]
    pub fn with_notifier(self, notifier: Notifier) -> Server {
        Server { notifier: Some(notifier), ..self }
    }

    /// The same, with views for single viewers. Without it, everyone gets the unchanged picture.
    #[must_use]
    pub fn with_views(self, views: Views) -> Server {
        Server { views: Some(views), ..self }
    }

    /// The same, with snapshots and recordings.
    #[must_use]
    pub fn with_recorder(self, recorder: RecorderHandle) -> Server {
        Server { recorder: Some(recorder), ..self }
    }

    /// The same, with lights.
    #[must_use]
    pub fn with_lights(self, lights: Lights) -> Server {
        Server { lights: Some(lights), ..self }
    }
}
