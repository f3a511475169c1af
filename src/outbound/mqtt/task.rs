//! The task: settings, who the camera is, one connection after the other, and what a lost one means.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::discovery::Published;
use super::handle::{MqttHandle, MqttReport, MqttState};
use super::link::BrokerLink;
use super::message::MqttMessage;
use super::rows::{self, Behind};
use super::session::SendSession;
use super::topics::Topics;
use super::wire::{ClientRefusal, Wire, WireClient};
use crate::outbound::api::ApiCaller;
use crate::outbound::connect::{HostLimit, OutboundSocket, connect, load_tls};
use crate::outbound::follow::{self, Announcements, NewestCrossing, varied};
use crate::outbound::kept::{KeptFile, save};
use crate::outbound::page;
use crate::outbound::parts::{TaskParts, zone};
use tallycam_base::json::Rfc3339;
use tallycam_base::{Fault, FaultKind, clock};
use tallycam_config::{MqttBroker, Origin, Resolved};

/// Name of the file with the progress.
const FILE: &str = "mqtt.json";

/// The broker publishes `offline` 45 s after the last sign of life.
const KEEP_ALIVE_S: u16 = 30;

/// Pauses after a failure: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Pause before counts.db is asked again.
const READS_PAUSE: Duration = Duration::from_secs(5);

/// This many take-overs within this time mean another client with the same id.
const TAKE_OVERS: usize = 5;
const TAKE_OVERS_WITHIN: Duration = Duration::from_secs(60);

/// Messages of fewer bytes are never too large for a broker.
const SMALL: usize = 2048;

/// The progress that survives a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct MqttProgress {
    /// The id that was made for this camera.
    id: String,
    /// URL of the broker that `sent` belongs to.
    broker: String,
    /// The ledger of the counts.db that `sent` belongs to.
    pub(super) ledger: String,
    /// The place in counts.db up to which the broker has acknowledged everything.
    sent: u64,
    /// End of the told covered time, wall clock.
    pub(super) covered_us: u64,
    /// The topic of the picture is not empty.
    pub(super) has_picture: bool,
    pub(super) published: Published,
}

impl MqttProgress {
    /// Finds where to begin at the broker `url`. A broker that has followed an earlier counts.db gets all of a new or
    /// restored one, because nobody knows which of its rows were sent. Without `is_history_sent`, a first broker
    /// gets only what is new.
    fn begin(&mut self, url: &str, newest: NewestCrossing, is_history_sent: bool) {
        let is_other_broker = self.broker != url;
        if self.ledger != newest.ledger || (is_other_broker && is_history_sent) {
            let is_new_only = is_other_broker && !is_history_sent;
            (self.sent, self.covered_us) = (if is_new_only { newest.place } else { 0 }, 0);
        }
        if is_other_broker {
            self.published = Published::default();
        }
        (self.ledger, self.broker) = (newest.ledger, url.to_owned());
    }
}

/// The settings of `[mqtt]`, and others that it needs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MqttSettings {
    url: String,
    broker: MqttBroker,
    username: Option<String>,
    password: Option<String>,
    ca: Option<PathBuf>,
    id: Option<String>,
    prefix: String,
    discovery: String,
    pub(super) has_control: bool,
    pub(super) has_pictures: bool,
    is_history_sent: bool,
    limit: HostLimit,
    /// Address of the page.
    pub(super) page: String,
    zone: TimeZone,
    /// The password is the operator's, and the broker was named on the page.
    is_password_withheld: bool,
}

impl MqttSettings {
    /// `None` if MQTT is off.
    fn of(resolved: &Resolved) -> Option<MqttSettings> {
        let (config, mqtt) = (&resolved.config, &resolved.config.mqtt);
        let url = mqtt.url.clone()?;
        let is_operators = |path| resolved.origin(path).is_some_and(Origin::is_operators);
        Some(MqttSettings {
            broker: MqttBroker::parse(&url)?,
            url,
            username: mqtt.username.clone(),
            password: mqtt.password.clone(),
            ca: mqtt.ca.clone(),
            id: mqtt.id.clone(),
            prefix: mqtt.prefix.clone().unwrap_or_else(|| String::from("tallycam")),
            discovery: mqtt.discovery.clone().unwrap_or_default(),
            has_control: mqtt.has_control,
            has_pictures: mqtt.sends_snapshots && !config.privacy.counts_only,
            is_history_sent: mqtt.is_history_sent,
            limit: HostLimit::of(resolved, "mqtt.url"),
            page: page::address(config),
            zone: zone(config),
            is_password_withheld: mqtt.password.is_some()
                && is_operators("mqtt.password")
                && !is_operators("mqtt.url"),
        })
    }

    fn place(&self) -> String {
        let MqttBroker { host, port, .. } = &self.broker;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    pub(super) fn unreachable(&self, what: &str) -> Fault {
        Fault::new(FaultKind::Unreachable, format!("the broker at {} {what}", self.place()))
    }

    pub(super) fn no_broker(&self, what: &str) -> Fault {
        let fault = format!("there is no MQTT broker at {}: it {what}", self.place());
        let hint = match self.broker.is_secure {
            true => "is this the port for MQTT with TLS? brokers use 8883",
            false => "brokers use port 1883; if this port speaks TLS, write mqtts://",
        };
        Fault::new(FaultKind::Foreign, fault).hint(hint)
    }
}

/// Why a connection has ended.
#[derive(Debug)]
pub(super) enum LinkEnd {
    /// The configuration has changed, or the service stops.
    Left,
    /// The broker was made to forget this camera.
    Forgotten,
    Lost(Fault),
    /// The other side has closed a connection that worked. `largest`: bytes of the largest message in flight.
    Closed {
        fault: Fault,
        largest: usize,
    },
}

/// The take-overs of the last minute. Pure; the clock is given.
#[derive(Debug, Default)]
pub(super) struct TakeOvers(VecDeque<Instant>);

impl TakeOvers {
    /// A connection that worked was closed, and the broker is there still. Returns true if this is the fifth in a
    /// minute.
    fn note(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        self.0.retain(|at| now.saturating_duration_since(*at) < TAKE_OVERS_WITHIN);
        self.0.len() >= TAKE_OVERS
    }
}

pub(super) struct MqttTask {
    pub(super) parts: TaskParts,
    pub(super) config: watch::Receiver<Arc<Resolved>>,
    pub(super) api: ApiCaller,
    pub(super) handle: MqttHandle,
    pub(super) kept: Rc<RefCell<KeptFile<MqttProgress>>>,
    pub(super) announced: Announcements,
    pub(super) settings: MqttSettings,
    pub(super) topics: Topics,
    pub(super) behind: Behind,
    /// Bytes of the largest message that the broker takes.
    pub(super) largest: usize,
    pause: Duration,
    take_overs: TakeOvers,
    /// The last connection was closed by the other side, with a message of this size in flight.
    closed_at: Option<usize>,
}

/// Follows the configuration until the daemon stops. Files are in `directory`.
pub async fn follow(parts: TaskParts, handle: MqttHandle, directory: PathBuf) {
    let Ok(kept) = spawn_blocking(move || KeptFile::read(&directory, FILE)).await else { return };
    let kept = Rc::new(RefCell::new(kept));
    let mut config = parts.config.clone();
    while !parts.stop.is_set() {
        let settings = MqttSettings::of(&config.borrow_and_update());
        let Some(settings) = settings else {
            handle.set(None);
            tokio::select! {
                () = parts.stop.stopped() => return,
                changed = config.changed() => if changed.is_err() { return },
            }
            continue;
        };
        let mut task = MqttTask {
            api: parts.api.named("mqtt"),
            announced: Announcements::of(parts.counts.as_ref()),
            parts: parts.clone(),
            config: config.clone(),
            handle: handle.clone(),
            kept: kept.clone(),
            topics: Topics {
                prefix: settings.prefix.clone(),
                id: String::new(),
                discovery: settings.discovery.clone(),
            },
            settings,
            behind: Behind::default(),
            largest: usize::MAX,
            pause: FIRST_PAUSE,
            take_overs: TakeOvers::default(),
            closed_at: None,
        };
        task.serve().await;
        save(&kept, false).await;
    }
}

impl MqttTask {
    /// True if the configuration is another one for MQTT.
    pub(super) fn is_changed(&mut self) -> bool {
        MqttSettings::of(&self.config.borrow_and_update()).as_ref() != Some(&self.settings)
    }

    /// Connects again and again, until the configuration changes or the service stops.
    async fn serve(&mut self) {
        loop {
            let fault = match self.connection().await {
                LinkEnd::Left => return,
                LinkEnd::Forgotten => {
                    let words = String::from("the broker has forgotten this camera");
                    let hint = "a restart, or a change of its settings, connects again";
                    let fault = Fault::new(FaultKind::Unknown, words.clone()).hint(hint);
                    self.show(MqttState::Stopped, Some(&fault), words);
                    save(&self.kept, false).await;
                    if self.wait(None).await {
                        return;
                    }
                    continue;
                }
                LinkEnd::Lost(fault) => {
                    self.closed_at = None;
                    fault
                }
                LinkEnd::Closed { fault, largest } => self.closed(fault, largest),
            };
            let is_copy = self.take_overs.0.len() >= TAKE_OVERS;
            let state = if is_copy { MqttState::Stopped } else { MqttState::Waiting };
            self.count_behind().await;
            self.show(state, Some(&fault), fault.what.clone());
            save(&self.kept, false).await;
            let pause = varied(self.pause);
            self.pause = (2 * self.pause).min(LONGEST_PAUSE);
            if self.wait((!is_copy).then_some(pause)).await {
                return;
            }
        }
    }

    /// Judges why the other side has closed a connection that worked.
    fn closed(&mut self, fault: Fault, largest: usize) -> Fault {
        let before = self.closed_at.replace(largest);
        if largest > SMALL && before.is_some_and(|before| before > SMALL) {
            self.largest = largest - 1;
            self.take_overs.0.clear();
            let what = format!("a message of {largest} bytes is too large for the broker, and is left out");
            return Fault::new(FaultKind::Foreign, what).hint("raise its limit of a message's size");
        }
        fault
    }

    /// Waits for the pause, forever without one. Returns true if the configuration has changed or the service stops.
    async fn wait(&mut self, pause: Option<Duration>) -> bool {
        let pause = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = self.parts.stop.stopped() => return true,
                () = &mut pause => return false,
                changed = self.config.changed() => if changed.is_err() || self.is_changed() { return true },
            }
        }
    }

    /// One connection, from the ledger to its end.
    async fn connection(&mut self) -> LinkEnd {
        let (sent, newest) = loop {
            match self.identify().await {
                Ok(places) => break places,
                Err(fault) => {
                    self.show(MqttState::Waiting, Some(&fault), fault.what.clone());
                    if self.wait(Some(READS_PAUSE)).await {
                        return LinkEnd::Left;
                    }
                }
            }
        };
        let opened = loop {
            let mut config = self.config.clone();
            tokio::select! {
                () = self.parts.stop.stopped() => return LinkEnd::Left,
                opened = self.open() => break opened,
                changed = config.changed() => if changed.is_err() || self.is_changed() { return LinkEnd::Left },
            }
        };
        let socket = match opened {
            Ok(socket) => socket,
            Err(fault) => {
                // The broker was away, and may take larger messages now.
                self.take_overs.0.clear();
                self.largest = usize::MAX;
                return LinkEnd::Lost(fault);
            }
        };
        if self.closed_at.is_some() && self.take_overs.note(Instant::now()) {
            let what = format!("another client has the id {}: is this card a copy?", self.topics.id);
            let hint = "give each camera an id of its own as `mqtt.id`; then restart this one";
            return LinkEnd::Lost(Fault::new(FaultKind::Taken, what).hint(hint));
        }
        let will = MqttMessage::retained(self.topics.own("availability"), "offline");
        let client = WireClient {
            id: &self.topics.id,
            username: self.settings.username.as_deref(),
            password: self.settings.password.as_deref(),
            will: &will,
            keep_alive_s: KEEP_ALIVE_S,
        };
        let wire = match Wire::connect(&client) {
            Ok(wire) => wire,
            Err(error) => {
                return LinkEnd::Lost(Fault::wrong(format!("the broker cannot be greeted: {error:?}")));
            }
        };
        let session = SendSession::new(sent, newest, clock::monotonic_us() / 1000);
        BrokerLink::new(self, wire, session).run(socket).await
    }

    /// Reads the ledger, and finds where to begin and what the camera is called.
    async fn identify(&mut self) -> Result<(u64, u64), Fault> {
        let newest = follow::newest(&self.api).await?;
        let made = match self.kept.borrow().content().id.as_str() {
            "" => own_id(&newest.ledger),
            id => id.to_owned(),
        };
        self.topics.id = self.settings.id.clone().unwrap_or_else(|| made.clone());
        let place = newest.place;
        let sent = self.kept.borrow_mut().change(|kept| {
            kept.id = made;
            kept.begin(&self.settings.url, newest, self.settings.is_history_sent);
            kept.sent
        });
        save(&self.kept, false).await;
        Ok((sent, place))
    }

    async fn open(&self) -> Result<Box<dyn OutboundSocket>, Fault> {
        if self.settings.is_password_withheld {
            return Err(Fault::wrong(
                "the password of the configuration file is not sent to a broker of the page",
            )
            .hint("set `mqtt.url` beside it, or the password on the page"));
        }
        let MqttBroker { host, port, is_secure } = &self.settings.broker;
        let tls = if *is_secure { Some(load_tls(self.settings.ca.clone()).await?) } else { None };
        connect(host, *port, tls.as_ref(), &self.settings.limit).await
    }

    // For the connection

    /// The connection works.
    pub(super) fn confirmed(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// Notes that everything up to the place `sent` is acknowledged. The next written change takes it along, such as
    /// covered time every five minutes. Each write wears a card, and a lost place only makes rows come again.
    pub(super) fn keep_sent(&mut self, sent: u64) {
        if self.kept.borrow().content().sent != sent {
            self.kept.borrow_mut().change(|kept| kept.sent = sent);
        }
    }

    /// Changes the progress and writes it.
    pub(super) fn keep(&mut self, change: impl FnOnce(&mut MqttProgress)) {
        self.kept.borrow_mut().change(change);
        let kept = self.kept.clone();
        // The connection does not wait for the disk.
        tokio::task::spawn_local(async move { save(&kept, false).await });
    }

    pub(super) fn not_allowed(&self) -> Fault {
        let base = self.topics.base();
        Fault::new(FaultKind::Foreign, format!("this camera is not allowed to write and read {base}"))
            .hint(format!("allow the client at the broker: `pattern readwrite {}/%c/#`", self.topics.prefix))
    }

    /// The broker refuses the client.
    pub(super) fn refused(&self, refusal: ClientRefusal) -> Fault {
        let foreign = |what: String| Fault::new(FaultKind::Foreign, what);
        let place = self.settings.place();
        match refusal {
            ClientRefusal::Version => foreign(format!("the broker at {place} does not speak MQTT 3.1.1")),
            ClientRefusal::Id => {
                foreign(format!("the broker at {place} does not take the id {}", self.topics.id))
                    .hint("set `mqtt.id` to one that it allows")
            }
            ClientRefusal::Away => foreign(format!("the broker at {place} takes no clients at the moment")),
            ClientRefusal::User => foreign(format!("wrong user or password for the broker at {place}"))
                .hint("set `mqtt.username` and `mqtt.password`"),
        }
    }

    // Telling

    async fn count_behind(&mut self) {
        let sent = self.kept.borrow().content().sent;
        if let Ok(behind) = rows::behind(&self.api, sent).await {
            self.behind = behind;
        }
    }

    /// Tells of a connection that works, with what does not work beside it.
    pub(super) fn report_connected(&mut self, trouble: Option<&Fault>) {
        let left_out = || {
            let what = format!("messages of more than {} bytes are too large for the broker", self.largest);
            Fault::new(FaultKind::Foreign, what)
        };
        let left_out = (self.largest < usize::MAX).then(left_out);
        let trouble = trouble.or(left_out.as_ref());
        let mut words = format!("connected to {}", self.settings.place());
        if let Some(trouble) = trouble {
            words = format!("{words}; {}", trouble.what);
        }
        self.show(MqttState::Connected, trouble, words);
    }

    fn show(&self, state: MqttState, fault: Option<&Fault>, mut words: String) {
        let Behind { rows, since_us } = self.behind;
        if rows > 0 {
            words = format!("{words}; {}", behind_in_words(rows, since_us, &self.settings.zone));
        }
        let report = MqttReport {
            state,
            topic: self.topics.base(),
            words: Some(words.clone()),
            hint: fault.and_then(|fault| fault.hint.clone()),
            behind: rows,
            behind_since: since_us.map(Rfc3339),
            is_faulty: fault.is_some(),
        };
        if self.handle.set(Some(report)) {
            match fault {
                Some(_) => log::warn!("MQTT: {words}"),
                None => log::info!("MQTT: {words}"),
            }
        }
    }
}

/// "behind: 7 crossings since 14:02".
fn behind_in_words(rows: u64, since_us: Option<u64>, zone: &TimeZone) -> String {
    let crossings = if rows == 1 { "crossing" } else { "crossings" };
    let moment = |us| Timestamp::from_microsecond(i64::try_from(us).ok()?).ok();
    let at = since_us.and_then(moment);
    let today = moment(clock::wall_us()).map(|now| now.to_zoned(zone.clone()).date());
    let since = at.map_or_else(String::new, |at| {
        let at = at.to_zoned(zone.clone());
        let is_today = Some(at.date()) == today;
        at.strftime(if is_today { " since %H:%M" } else { " since %F %H:%M" }).to_string()
    });
    format!("behind: {rows} {crossings}{since}")
}

/// The id of this camera: of its machine and its ledger, so that two cards from one image differ.
fn own_id(ledger: &str) -> String {
    let machine = std::fs::read(Path::new("/etc/machine-id")).unwrap_or_default();
    let hash = digest(&SHA256, &[machine.as_slice(), ledger.as_bytes()].concat());
    let hex: String = hash.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("cam-{hex}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tallycam_config::{OperatorConfig, Saved};

    use super::*;

    #[test]
    fn the_fifth_take_over_in_a_minute_is_a_copy() {
        let (mut often, began) = (TakeOvers::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert!([0, 10, 20, 30].iter().all(|second| !often.note(at(*second))));
        assert!(often.note(at(59)));
        let mut rare = TakeOvers::default();
        assert!((0..100).all(|n| !rare.note(at(n * 15))), "four in a minute");
    }

    #[test]
    fn only_the_first_connection_to_a_broker_leaves_history_out() {
        let mut kept = MqttProgress::default();
        let mut began = |url, ledger: &str, place, is_history_sent| {
            let newest = NewestCrossing { ledger: ledger.to_owned(), place, id: place };
            kept.begin(url, newest, is_history_sent);
            let sent = kept.sent;
            kept.sent = place;
            sent
        };
        assert_eq!(began("a", "one", 7, false), 7);
        assert_eq!(began("a", "one", 9, false), 7, "an earlier connection ended here");
        assert_eq!(began("a", "restored", 8, false), 0, "it may have rows that were not sent");
        assert_eq!(began("b", "restored", 9, false), 8, "what is behind goes to another broker");
        assert_eq!(began("b", "restored", 9, true), 9);
        assert_eq!(began("c", "restored", 9, true), 0);
        assert_eq!(began("d", "new", 3, false), 3);
    }

    #[test]
    fn behind_is_told_in_words() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(behind_in_words(1, None, &zone), "behind: 1 crossing");
        // 2026-01-02 03:04 UTC.
        let told = behind_in_words(7, Some(1_767_323_040_000_000), &zone);
        assert_eq!(told, "behind: 7 crossings since 2026-01-02 04:04");
    }

    #[test]
    fn ids_differ_by_ledger() {
        let id = own_id("one");
        assert!(id != own_id("two") && id == own_id("one") && id.len() == 12, "{id}");
        assert!(id.starts_with("cam-"), "{id}");
    }

    #[test]
    fn the_operators_password_is_not_for_a_broker_of_the_page() {
        let (url, password) = ("url = \"mqtt://[::1]\"\n", "password = \"pw\"\n");
        for (sets, page, is_anywhere, is_withheld) in [
            (&["mqtt.url=mqtt://[::1]", "mqtt.password=pw"][..], String::new(), true, false),
            (&["mqtt.url=mqtt://[::1]"], password.to_owned(), true, false),
            (&["mqtt.password=pw"], url.to_owned(), false, true),
            (&["mqtt.password="], url.to_owned(), false, false),
            (&[], format!("{url}{password}"), false, false),
        ] {
            let saved = Saved::read(Path::new("settings.toml"), &format!("[mqtt]\n{page}")).unwrap().0;
            let sets: Vec<String> = sets.iter().copied().map(String::from).collect();
            let operator = OperatorConfig::read(Some(Path::new("/dev/null")), &sets, []);
            let settings = MqttSettings::of(&operator.resolve(Some(&saved)).unwrap()).unwrap();
            assert_eq!(settings.limit == HostLimit::Anywhere, is_anywhere, "{sets:?}");
            assert_eq!(settings.is_password_withheld, is_withheld, "{sets:?}");
            assert_eq!(settings.place(), "[::1]:1883");
        }
    }
}
