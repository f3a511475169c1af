//! What handlers share: settings, the camera, what is counted, and who is there; and the [`Server`] it is made of.

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

use hyper::StatusCode;
use jiff::tz::TimeZone;
use tokio::sync::{Semaphore, watch};

use crate::access::Access;
use crate::base::{Recent, Stop, clock};
use crate::http::auth::audit::Audit;
use crate::http::auth::authenticate::Auth;
use crate::http::auth::caller::Caller;
use crate::http::request::problem::{NoCounting, NoPreferences, NoRecorder, Problem, Withheld};
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
use crate::media::View;
use crate::pipeline::counting::Counting;
use crate::pipeline::focus::{Focus, FocusSettings};
use crate::pipeline::{CameraStatus, Lights, Pipeline, RecorderHandle, TooManyViews, Views};
use crate::store::Counts;
use crate::store::media::{ClockWait, Media};
use crate::ui::LocalClock;

/// Files that are taken in at the same time.
const UPLOADS: usize = 2;

/// Pictures that are made smaller at once: a Raspberry Pi has other things to do.
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
    server: Server,
    /// Where pictures are kept. Made with the first look at the store, which may be opened late.
    pub(super) media_readers: OnceLock<MediaReaders>,
    /// The camera's lens.
    pub(super) focus: Focus,
    /// What was found of the machine.
    pub(super) looked: FindingsCache,
    /// What its cameras show that are not in use.
    pub(super) stills: Stills,
    /// What was last seen of the room for pictures.
    pub(super) storage_usage: StorageUsage,
    /// Files that are taken in at the same time.
    pub(super) uploading: Arc<Semaphore>,
    /// Where there is counting, and its ledger could be opened.
    pub(super) counts_readers: Option<CountsReaders>,
    pub(super) places: Rc<ViewerPlaces>,
    pub(super) viewers: Rc<Viewers>,
    /// Those who watch what is counted drawn over the picture.
    pub(super) annotated: Option<Rc<Viewers>>,
    /// Those who watch one: the view, whether it is of annotated pictures, and they.
    pub(super) viewed: RefCell<Vec<(View, bool, Weak<Viewers>)>>,
    pub(super) listeners: Listeners,
    /// Who may change something.
    pub(super) auth: Auth,
    pub(super) https: Option<Https>,
    /// It listens beyond this machine.
    pub(super) is_reached: bool,
    /// One package is taken at a time.
    pub(super) updating: Arc<Semaphore>,
    /// The line editor's, where only counts are wanted.
    pub(super) still: Still,
    /// One model is fetched at a time.
    pub(super) fetching: Arc<Semaphore>,
    /// Pictures that are made smaller at once.
    pub(super) thumbnails: Arc<Semaphore>,
    /// Which video is being made.
    pub(super) videos: Videos,
    pub(super) links: Links,
    /// Who signed in, was refused, or changed something.
    pub(super) audit: Rc<Audit>,
    pub(super) stop: Stop,
    pub(super) started: Instant,
    pub(super) accepted: Cell<u64>,
    pub(super) refused: Cell<u64>,
    /// Answers by the first digit of their status, from 1.
    pub(super) answered: Cell<[u64; 5]>,
}

/// What the server was made of is at hand as the site's own fields are, but for `access` and `https`, which the site
/// has taken out of it.
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

    /// Settings, to be changed.
    pub(super) fn preferences(&self) -> Result<&Arc<dyn Preferences>, NoPreferences> {
        self.preferences.as_ref().ok_or(NoPreferences)
    }

    /// Why what was changed last is not kept; `None` when it is.
    pub(super) fn unkept(&self) -> Option<String> {
        let unkept = self.preferences.as_ref()?.in_force().unkept.clone();
        (!unkept.is_empty()).then_some(unkept)
    }

    /// How the server behaves now.
    pub(super) fn settings(&self) -> Arc<ServerSettings> {
        self.settings.borrow().clone()
    }

    /// Whoever reaches the camera can change it, and it can be reached from other machines.
    pub(super) fn is_open(&self) -> bool {
        self.is_reached && self.auth.is_open()
    }

    /// To look takes no password. Where somebody has yet to choose one nobody looks.
    pub(super) fn is_view_open(&self) -> bool {
        self.settings().is_view_open && !self.auth.is_unclaimed()
    }

    /// Whether somebody is a program of this machine, or known by what they show: some places are kept for them.
    pub(super) fn is_known(&self, caller: &Caller<'_>) -> bool {
        caller.is_here() || self.auth.knows(*caller)
    }

    /// What counts.
    pub(super) fn counting(&self) -> Result<&Counting, NoCounting> {
        self.counting.as_ref().ok_or(NoCounting)
    }

    /// counts.db, to be changed and to be waited for.
    pub(super) fn counts(&self) -> Result<&Counts, Problem> {
        self.counting()?.counts().map_err(|error| error.clone().into())
    }

    /// counts.db, to be read.
    pub(super) fn counts_readers(&self) -> Result<CountsReaders, Problem> {
        self.counts()?;
        Ok(self.counts_readers.clone().ok_or(NoCounting)?)
    }

    /// What keeps pictures, where that is allowed.
    pub(super) fn recorder(&self) -> Result<&RecorderHandle, Problem> {
        if self.is_counts_only() {
            return Err(Withheld.into());
        }
        Ok(self.recorder.as_ref().ok_or(NoRecorder)?)
    }

    /// The store of pictures, to be changed and to be waited for, where pictures may be kept.
    pub(super) fn media(&self) -> Result<&Media, Problem> {
        Ok(self.recorder()?.media()?)
    }

    /// The store of pictures, to be read, where pictures may be given.
    pub(super) fn media_readers(&self) -> Result<MediaReaders, Problem> {
        let media = self.media()?;
        Ok(self.media_readers.get_or_init(|| MediaReaders::new(media.clone())).clone())
    }

    /// The clock on the wall.
    pub(super) fn clock(&self) -> LocalClock {
        let settings = self.settings();
        LocalClock { now_us: clock::wall_us(), zone: settings.zone.clone(), day_starts: settings.day_starts }
    }

    /// Now, in the zone that days and hours are told in.
    pub(super) fn now(&self) -> jiff::Zoned {
        let us = i64::try_from(clock::wall_us()).unwrap_or(i64::MAX);
        let now = jiff::Timestamp::from_microsecond(us).unwrap_or(jiff::Timestamp::MAX);
        now.to_zoned(self.settings().zone.clone())
    }

    /// Whether the wall clock is known to be right, as the stores say, which tell the times; without one, as the kernel
    /// does.
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

    /// What keeps all that is too old from going, where a rule wants it to go.
    pub(super) fn clock_wait(&self) -> Option<ClockWait> {
        let media = self.media().ok()?;
        let rules = media.retention();
        media.clock_wait().filter(|_| rules.snapshots_age.is_some() || rules.recordings_age.is_some())
    }

    /// What `/health` says: the camera delivers, and what crosses is recorded.
    pub(super) fn is_healthy(&self, status: &CameraStatus) -> bool {
        let ledger_trouble = self.counting.as_ref().and_then(Counting::counts_error);
        status.is_healthy && ledger_trouble.is_none()
    }

    /// Whether nobody is given a picture.
    pub(super) fn is_counts_only(&self) -> bool {
        self.settings().counts_only
            || self.counting.as_ref().is_some_and(Counting::is_counts_only)
            || self.recorder.as_ref().is_some_and(RecorderHandle::is_counts_only)
    }

    /// Lets the camera go, whoever holds it.
    pub(super) async fn pause(&self) {
        if let Some(counting) = &self.counting {
            counting.release();
        }
        self.pipeline.pause().await;
        if let Some(recorder) = &self.recorder {
            // What was being recorded ends by itself; who asks next finds it whole.
            recorder.wait_closed().await;
        }
    }

    /// Back to on demand.
    pub(super) fn resume(&self) {
        if let Some(counting) = &self.counting {
            counting.release();
        }
        self.pipeline.resume();
    }

    /// Does `each` with all who watch, whatever they watch.
    pub(super) fn each_viewers(&self, mut each: impl FnMut(&Rc<Viewers>)) {
        [Some(&self.viewers), self.annotated.as_ref()].into_iter().flatten().for_each(&mut each);
        self.viewed
            .borrow()
            .iter()
            .filter_map(|(_, _, viewers)| viewers.upgrade())
            .for_each(|one| each(&one));
    }

    /// Those who watch this view, of annotated pictures if `is_annotated`; they are begun if there are none. `None`
    /// where no views are made.
    pub(super) fn viewers_of(
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
        let is_rest_full = views.count() + kept(Views::MOST) >= Views::MOST;
        if is_rest_full && !link.is_known() {
            return Err(TooManyViews);
        }
        self.links.take_place(link, ConnectionUse::View, 2 * Views::MOST).map_err(|_| TooManyViews)?;
        let viewers = Viewers::of_view(views.watch(view, over)?, self.places.clone());
        all.push((view.clone(), is_annotated, Rc::downgrade(&viewers)));
        tokio::task::spawn_local(viewers::relay(viewers.clone()));
        Ok(Some(viewers))
    }

    /// Pictures that viewers did not get, since the start.
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

/// Serves a pipeline's pictures, and what is counted in them, over HTTP.
#[derive(Debug)]
pub struct Server {
    /// What is in force now: see [`Site::settings`].
    pub(super) settings: watch::Receiver<Arc<ServerSettings>>,
    pub(super) pipeline: Pipeline,
    pub(super) counting: Option<Counting>,
    pub(super) models: Option<Arc<dyn ModelLibrary>>,
    /// Settings that can be changed.
    pub(super) preferences: Option<Arc<dyn Preferences>>,
    /// Snapshots and recordings.
    pub(super) recorder: Option<RecorderHandle>,
    pub(super) access: Option<Access>,
    pub(super) https: Option<watch::Receiver<Arc<TlsIdentity>>>,
    /// What was logged last.
    pub(super) recent: Recent,
    /// What can switch the machine off.
    pub(super) power: Option<Arc<dyn Power>>,
    /// The state directory as a whole.
    pub(super) maintenance: Option<Arc<Maintenance>>,
    /// What makes views of their own.
    pub(super) views: Option<Views>,
    pub(super) lights: Option<Lights>,
    /// What looks at the machine.
    pub(super) machine: Option<Arc<dyn Diagnose>>,
}

impl Server {
    /// A server that has not begun. Without `counting` it shows pictures only, and whoever asks for
    /// counts is told so.
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
    pub fn with_live_settings(self, settings: watch::Receiver<Arc<ServerSettings>>) -> Server {
        Server { settings, ..self }
    }

    /// The same, where models can be chosen and fetched.
    #[must_use]
    pub fn with_models(self, models: Arc<dyn ModelLibrary>) -> Server {
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
    pub fn with_https(self, identity: watch::Receiver<Arc<TlsIdentity>>) -> Server {
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
    pub fn with_recorder(self, recorder: RecorderHandle) -> Server {
        Server { recorder: Some(recorder), ..self }
    }

    /// The same, where there may be a light.
    #[must_use]
    pub fn with_lights(self, lights: Lights) -> Server {
        Server { lights: Some(lights), ..self }
    }
}
