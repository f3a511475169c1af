//! One connection at work. Everything happens in one loop: what arrives, what is read from the API, what goes out.

mod exchange;
mod hearing;
mod second;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::pin::Pin;
use std::time::{Duration, Instant};

use tokio::io::AsyncWrite as _;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use super::discovery::{self, Published};
use super::facts::{self, Facts};
use super::handle::RuleArrival;
use super::message::MqttMessage;
use super::rows::{self, Behind, CoveredTime, RowsRead, SentSnapshot};
use super::session::{RowsWanted, SendSession};
use super::task::{LinkEnd, MqttTask};
use super::wire::{Wire, WireFault};
use super::{command, state};
use crate::outbound::connect::OutboundSocket;
use crate::outbound::follow::READS_AFTER;
use exchange::{MovedBytes, exchange};
use tallycam_base::{Fault, FaultKind, clock};

/// Interval of pings.
const PINGS_EVERY: Duration = Duration::from_secs(20);

/// A broker that says nothing for this long is gone.
const HEARD_WITHIN: Duration = Duration::from_secs(45);

/// Time limit for the broker's answer, and for the camera's own `online` to come back.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Time limit for an acknowledgement, on a link that is not slow.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// Bytes in a second of the slowest link. A picture takes minutes there, and all that follows waits behind it.
const SLOWEST: usize = 4 << 10;

/// Time limit for the goodbye.
const LEAVES_WITHIN: Duration = Duration::from_secs(1);

/// Shortest and longest time between two looks at the state.
const FACTS_PAUSE: Duration = Duration::from_secs(1);
const FACTS_EVERY: Duration = Duration::from_secs(3);

/// Interval of covered time.
const COVERAGE_EVERY: Duration = Duration::from_secs(300);

/// Shortest time between two pictures.
const PICTURE_PAUSE: Duration = Duration::from_secs(10);

/// Shortest time between two counts of what is behind.
const BEHIND_PAUSE: Duration = Duration::from_secs(2);

/// Pause after the API has refused.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// Bytes that wait for the socket before more is published.
const OUTGOING: usize = 16 << 10;

/// Bytes that may wait for the socket: a picture, and answers to the broker.
const MOST_OUTGOING: usize = 2 << 20;

/// A read from the API under way; one at a time.
type Job = Pin<Box<dyn Future<Output = Done>>>;

/// Its result.
enum Done {
    Rows(RowsWanted, Result<RowsRead, Fault>),
    Facts(Box<Result<Facts, Fault>>),
    Acted(String, Result<(), Fault>),
    Coverage(Result<CoveredTime, Fault>),
    Behind(Result<Behind, Fault>),
    Picture(Result<Option<SentSnapshot>, Fault>),
}

/// The step after all messages of a group are acknowledged.
enum TopicGroup {
    Published(Published),
    Covered(u64),
    Picture,
    Arrived(RuleArrival),
    /// The broker keeps nothing of this camera.
    Forgotten(oneshot::Sender<()>),
}

/// When each of these is due.
struct Due {
    facts: Instant,
    coverage: Instant,
    picture: Instant,
    behind: Instant,
    ping: Instant,
    /// Some changes have no announcement.
    news: Instant,
    /// After a refusal nothing is read before this.
    reads: Instant,
    complaint: Instant,
    /// Everything is published again.
    again: Option<Instant>,
}

pub(super) struct BrokerLink<'a> {
    task: &'a mut MqttTask,
    wire: Wire,
    session: SendSession,
    began: Instant,
    /// The broker has accepted the client.
    is_accepted: bool,
    /// The camera's own `online` has come back: what it writes is not dropped.
    is_confirmed: bool,
    heard: Instant,
    due: Due,
    facts_read: Instant,
    /// When each message in flight must be acknowledged, and its bytes.
    flying: BTreeMap<u16, (Instant, usize)>,
    /// Hashes of the published state topics.
    known: HashMap<String, u64>,
    ledger_told: Option<u64>,
    /// The published picture.
    picture: Option<u64>,
    groups: HashMap<u64, (usize, TopicGroup)>,
    next_mark: u64,
    commands: VecDeque<(String, Vec<u8>)>,
    this_second: second::HeardInSecond,
    trouble: Option<Fault>,
    /// Home Assistant does not get all lines and zones.
    warning: Option<Fault>,
    /// The last messages of this camera are under way.
    is_forgetting: bool,
    is_forgotten: bool,
}

impl<'a> BrokerLink<'a> {
    pub(super) fn new(task: &'a mut MqttTask, wire: Wire, session: SendSession) -> BrokerLink<'a> {
        let now = Instant::now();
        BrokerLink {
            task,
            wire,
            session,
            began: now,
            is_accepted: false,
            is_confirmed: false,
            heard: now,
            due: Due {
                facts: now,
                coverage: now,
                picture: now,
                behind: now,
                ping: now + PINGS_EVERY,
                news: now + READS_AFTER,
                reads: now,
                complaint: now,
                again: None,
            },
            facts_read: now,
            flying: BTreeMap::new(),
            known: HashMap::new(),
            ledger_told: None,
            picture: None,
            groups: HashMap::new(),
            next_mark: 1,
            commands: VecDeque::new(),
            this_second: second::HeardInSecond::default(),
            trouble: None,
            warning: None,
            is_forgetting: false,
            is_forgotten: false,
        }
    }

    /// Works until the connection is lost, the configuration changes or the service stops.
    pub(super) async fn run(mut self, mut socket: Box<dyn OutboundSocket>) -> LinkEnd {
        let mut buffer = vec![0; 4096];
        let mut job: Option<Job> = None;
        loop {
            if let Err(ended) = self.advance(&mut job) {
                return ended;
            }
            if self.is_forgotten {
                // Without it the broker would publish the will.
                self.say_goodbye(socket).await;
                return LinkEnd::Forgotten;
            }
            let wait = self.wait();
            tokio::select! {
                () = self.task.parts.stop.stopped() => return self.leave(socket).await,
                changed = self.task.config.changed() => {
                    if changed.is_err() || self.task.is_changed() {
                        return self.leave(socket).await;
                    }
                }
                moved = exchange(&mut socket, self.wire.outgoing(), &mut buffer) => {
                    let outcome = match moved {
                        Ok(MovedBytes::Sent(bytes)) => {
                            self.wire.sent(bytes);
                            Ok(())
                        }
                        Ok(MovedBytes::Received(0)) => Err(self.closed(None)),
                        Ok(MovedBytes::Received(bytes)) => self.receive(&buffer[..bytes]),
                        Err(error) => Err(self.closed(Some(&error))),
                    };
                    if let Err(ended) = outcome {
                        return ended;
                    }
                }
                done = finished(&mut job) => {
                    job = None;
                    self.done(done);
                }
                () = self.task.announced.next() => {
                    self.session.news();
                    self.due.facts = self.due.facts.min(self.facts_read + FACTS_PAUSE);
                }
                () = self.task.handle.queued() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// The time until something may be due.
    fn wait(&self) -> Duration {
        if self.session.is_throttled() { Duration::from_millis(40) } else { Duration::from_millis(500) }
    }

    /// Does what is due.
    fn advance(&mut self, job: &mut Option<Job>) -> Result<(), LinkEnd> {
        let now = Instant::now();
        self.check_answers(now)?;
        if !self.is_accepted {
            return Ok(());
        }
        if now >= self.due.ping {
            self.due.ping = now + PINGS_EVERY;
            self.wire.ping().map_err(|fault| self.broken(&fault))?;
        }
        if !self.is_confirmed {
            return Ok(());
        }
        if let Some(forgotten) = self.task.handle.take_forgetting() {
            self.forget(forgotten);
        }
        if self.is_forgetting {
            return self.publish(now);
        }
        if now >= self.due.news {
            self.due.news = now + READS_AFTER;
            self.session.news();
        }
        if self.due.again.is_some_and(|again| now >= again) {
            self.due.again = None;
            self.known.clear();
            self.ledger_told = None;
            self.due.facts = now;
        }
        self.tell_ledger();
        while let Some(rule) = self.task.handle.take() {
            self.push_group(vec![rule.message], TopicGroup::Arrived(rule.arrived));
        }
        if job.is_none() {
            *job = self.next_job(now);
        }
        self.publish(now)?;
        self.task.keep_sent(self.session.sent());
        self.report();
        Ok(())
    }

    /// Ends a connection whose broker does not answer.
    fn check_answers(&self, now: Instant) -> Result<(), LinkEnd> {
        let is_late = |since: Instant, within: Duration| now.saturating_duration_since(since) > within;
        let settings = &self.task.settings;
        if !self.is_accepted && is_late(self.began, ANSWERS_WITHIN) {
            return Err(LinkEnd::Lost(settings.no_broker("takes the connection and says nothing")));
        }
        if self.is_accepted && !self.is_confirmed && is_late(self.began, ANSWERS_WITHIN) {
            return Err(LinkEnd::Lost(self.task.not_allowed()));
        }
        if self.wire.outgoing().len() > MOST_OUTGOING {
            return Err(LinkEnd::Lost(settings.unreachable("sends and does not read")));
        }
        let is_stuck = self.flying.values().any(|(due, _)| now > *due);
        if is_late(self.heard, HEARD_WITHIN + on_the_way(self.in_flight())) || is_stuck {
            return Err(LinkEnd::Lost(settings.unreachable("does not answer any more")));
        }
        Ok(())
    }

    /// Bytes of all messages in flight.
    fn in_flight(&self) -> usize {
        self.flying.values().map(|(_, bytes)| bytes).sum()
    }

    /// Publishes as much as may go.
    fn publish(&mut self, now: Instant) -> Result<(), LinkEnd> {
        let now_ms = clock::monotonic_us() / 1000;
        while self.wire.outgoing().len() < OUTGOING {
            let before = self.in_flight();
            let (wire, flying) = (&mut self.wire, &mut self.flying);
            let published = self.session.next(now_ms, |message| {
                let id = wire.publish(message)?;
                let bytes = message.topic.len() + message.payload.len();
                flying.insert(id, (now + ACKNOWLEDGED_WITHIN + on_the_way(before + bytes), bytes));
                Ok::<u16, WireFault>(id)
            });
            match published {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => return Err(self.broken(&fault)),
            }
        }
        Ok(())
    }

    /// Queues messages. `then` happens when all are acknowledged, and never if one is too large for the broker.
    fn push_group(&mut self, messages: Vec<MqttMessage>, then: TopicGroup) {
        let mark = self.next_mark;
        self.next_mark += 1;
        if messages.is_empty() {
            return self.group_done(then);
        }
        if messages.iter().all(|message| self.fits(message)) {
            self.groups.insert(mark, (messages.len(), then));
        }
        for message in messages {
            if self.fits(&message) {
                self.session.push(message, mark);
            }
        }
    }

    fn push(&mut self, message: MqttMessage) {
        if self.fits(&message) {
            self.session.push(message, 0);
        }
    }

    /// The broker takes a message of this size.
    fn fits(&self, message: &MqttMessage) -> bool {
        message.topic.len() + message.payload.len() <= self.task.largest
    }

    fn group_done(&mut self, then: TopicGroup) {
        match then {
            TopicGroup::Published(published) => self.task.keep(|kept| kept.published = published),
            TopicGroup::Covered(until_us) => self.task.keep(|kept| kept.covered_us = until_us),
            TopicGroup::Picture => {}
            TopicGroup::Arrived(arrived) => arrived.tell(),
            TopicGroup::Forgotten(forgotten) => {
                self.task.keep(|kept| (kept.published, kept.has_picture) = (Published::default(), false));
                self.is_forgotten = true;
                let _ = forgotten.send(());
            }
        }
    }

    /// Makes the broker forget this camera. Nothing else is said from now on.
    fn forget(&mut self, forgotten: oneshot::Sender<()>) {
        let published = self.published();
        self.groups.retain(|_, (_, then)| !matches!(then, TopicGroup::Published(_)));
        self.is_forgetting = true;
        self.push_group(discovery::forget(&self.task.topics, &published), TopicGroup::Forgotten(forgotten));
    }

    /// The broker's memory of this camera, once the announcement under way has arrived.
    fn published(&self) -> Published {
        let under_way = self.groups.values().find_map(|(_, then)| match then {
            TopicGroup::Published(published) => Some(published.clone()),
            _ => None,
        });
        under_way.unwrap_or_else(|| self.task.kept.borrow().content().published.clone())
    }

    fn is_under_way(&self, is_it: impl Fn(&TopicGroup) -> bool) -> bool {
        self.groups.values().any(|(_, then)| is_it(then))
    }

    /// Tells of the ledger once everything before has arrived.
    fn tell_ledger(&mut self) {
        let sent = self.session.sent();
        let is_first = self.ledger_told.is_none();
        if self.ledger_told != Some(sent) && (is_first || self.session.is_settled()) {
            self.ledger_told = Some(sent);
            let ledger = self.ledger();
            let told = serde_json::json!({"ledger": ledger, "last": sent});
            self.push(MqttMessage::retained_json(self.task.topics.own("ledger"), &told));
        }
    }

    // Reading

    fn ledger(&self) -> String {
        self.task.kept.borrow().content().ledger.clone()
    }

    /// The next read: commands, news, the state, the backlog, and the rest.
    fn next_job(&mut self, now: Instant) -> Option<Job> {
        if now < self.due.reads {
            return None;
        }
        let (api, topics, ledger) = (self.task.api.clone(), self.task.topics.clone(), self.ledger());
        if let Some((topic, payload)) = self.commands.pop_front() {
            return Some(Box::pin(async move {
                let outcome = command::act(&api, &topics, &topic, &payload).await;
                Done::Acted(topic, outcome)
            }));
        }
        let is_first = |wanted: &RowsWanted| matches!(wanted, RowsWanted::Live(_)) || now < self.due.facts;
        if let Some(wanted) = self.session.wanted().filter(is_first) {
            return Some(Box::pin(async move {
                Done::Rows(wanted, rows::read(&api, &topics, &ledger, wanted).await)
            }));
        }
        if now >= self.due.facts {
            (self.due.facts, self.facts_read) = (now + FACTS_EVERY, now);
            let (page, has_picture) = (self.task.settings.page.clone(), self.task.settings.has_pictures);
            return Some(Box::pin(async move {
                Done::Facts(Box::new(facts::read(&api, &page, has_picture).await))
            }));
        }
        if self.session.has_backlog() && now >= self.due.behind {
            self.due.behind = now + BEHIND_PAUSE;
            let sent = self.session.sent();
            return Some(Box::pin(async move { Done::Behind(rows::behind(&api, sent).await) }));
        }
        let is_covering = self.is_under_way(|then| matches!(then, TopicGroup::Covered(_)));
        if now >= self.due.coverage && !is_covering {
            self.due.coverage = now + COVERAGE_EVERY;
            let told_us = self.task.kept.borrow().content().covered_us;
            return Some(Box::pin(async move {
                Done::Coverage(rows::coverage(&api, &topics, &ledger, told_us).await)
            }));
        }
        let is_showing = self.is_under_way(|then| matches!(then, TopicGroup::Picture));
        if self.task.settings.has_pictures && now >= self.due.picture && !is_showing {
            self.due.picture = now + PICTURE_PAUSE;
            let known = self.picture;
            return Some(Box::pin(async move { Done::Picture(rows::snapshot(&api, known).await) }));
        }
        None
    }

    fn done(&mut self, done: Done) {
        if self.is_forgetting {
            return;
        }
        let outcome = match done {
            Done::Rows(wanted, outcome) => outcome.map(|read| {
                self.session.read(wanted, read.rows, read.is_more);
                read.events.into_iter().for_each(|event| self.push(event));
            }),
            Done::Facts(outcome) => outcome.map(|facts| self.tell_facts(&facts)),
            Done::Behind(outcome) => outcome.map(|behind| self.task.behind = behind),
            Done::Coverage(outcome) => outcome.map(|covered| self.tell_coverage(covered)),
            Done::Picture(outcome) => outcome.map(|snapshot| {
                if let Some(snapshot) = snapshot {
                    self.picture = Some(snapshot.id);
                    self.task.keep(|kept| kept.has_picture = true);
                    let picture = MqttMessage::retained(self.task.topics.own("picture"), snapshot.jpeg);
                    self.push_group(vec![picture], TopicGroup::Picture);
                }
            }),
            Done::Acted(topic, outcome) => {
                self.due.facts = self.due.facts.min(self.facts_read + FACTS_PAUSE);
                if let Err(fault) = outcome {
                    self.complain(&topic, &fault.what);
                }
                return;
            }
        };
        if outcome.is_err() {
            self.due.reads = Instant::now() + REFUSED_PAUSE;
        }
        self.trouble = outcome.err();
    }

    fn tell_facts(&mut self, facts: &Facts) {
        let warning = discovery::warning(facts).filter(|_| self.task.topics.device_config().is_some());
        self.warning = warning.map(|what| Fault::new(FaultKind::Full, what));
        let states = state::messages(&self.task.topics, facts);
        let was = self.published();
        let mut published = was.clone();
        let has_control = self.task.settings.has_control;
        let announced = discovery::messages(&self.task.topics, facts, &states, &mut published, has_control);
        let news: Vec<MqttMessage> = announced.into_iter().filter(|message| self.is_news(message)).collect();
        if published != was || !news.is_empty() {
            self.groups.retain(|_, (_, then)| !matches!(then, TopicGroup::Published(_)));
            self.push_group(news, TopicGroup::Published(published));
        }
        for message in states {
            if self.is_news(&message) {
                self.push(message);
            }
        }
    }

    /// Notes the message. Returns false if the same was published last on its topic. One that is too large stays news.
    fn is_news(&mut self, message: &MqttMessage) -> bool {
        if !self.fits(message) {
            return true;
        }
        let mut hasher = DefaultHasher::new();
        message.payload.hash(&mut hasher);
        let hash = hasher.finish();
        self.known.insert(message.topic.clone(), hash) != Some(hash)
    }

    fn tell_coverage(&mut self, covered: CoveredTime) {
        let is_behind = covered.until_us + 600_000_000 < clock::wall_us();
        if is_behind {
            self.due.coverage = Instant::now();
        }
        self.push_group(covered.messages, TopicGroup::Covered(covered.until_us));
    }

    // Ends

    fn report(&mut self) {
        if !self.session.has_backlog() {
            self.task.behind = Behind::default();
        }
        self.task.report_connected(self.trouble.as_ref().or(self.warning.as_ref()));
    }

    /// The bytes of the other side make no sense.
    fn broken(&self, fault: &WireFault) -> LinkEnd {
        let settings = &self.task.settings;
        LinkEnd::Lost(match fault {
            WireFault::NoBroker => settings.no_broker("answers in another protocol"),
            WireFault::TooLarge(bytes) => {
                settings.unreachable(&format!("sends a message of {bytes} bytes, and 16384 are the limit"))
            }
            WireFault::Protocol(error) => {
                settings.unreachable(&format!("does not keep to the protocol: {error}"))
            }
        })
    }

    /// The other side has closed the connection.
    fn closed(&self, error: Option<&io::Error>) -> LinkEnd {
        let settings = &self.task.settings;
        if !self.is_accepted {
            return LinkEnd::Lost(settings.no_broker("closes the connection"));
        }
        if !self.is_confirmed {
            return LinkEnd::Lost(self.task.not_allowed());
        }
        let why = error.map_or_else(String::new, |error| format!(": {error}"));
        LinkEnd::Closed {
            fault: settings.unreachable(&format!("has closed the connection{why}")),
            largest: self.flying.values().map(|(_, bytes)| *bytes).max().unwrap_or(0),
        }
    }

    /// Says goodbye, so that everybody knows at once that the camera is away.
    async fn leave(mut self, socket: Box<dyn OutboundSocket>) -> LinkEnd {
        let offline = MqttMessage::retained(self.task.topics.own("availability"), "offline");
        if self.is_confirmed && self.wire.publish(&offline).is_ok() {
            self.say_goodbye(socket).await;
        }
        self.task.keep_sent(self.session.sent());
        LinkEnd::Left
    }

    async fn say_goodbye(&mut self, mut socket: Box<dyn OutboundSocket>) {
        if self.wire.disconnect().is_ok() {
            let goodbye = async {
                let mut buffer = [0; 1024];
                while !self.wire.outgoing().is_empty() {
                    match exchange(&mut socket, self.wire.outgoing(), &mut buffer).await {
                        Ok(MovedBytes::Sent(bytes)) => self.wire.sent(bytes),
                        Ok(MovedBytes::Received(bytes)) if bytes > 0 => {}
                        _ => return,
                    }
                }
                let _ = poll_fn(|context| Pin::new(&mut socket).poll_shutdown(context)).await;
            };
            let _ = timeout(LEAVES_WITHIN, goodbye).await;
        }
    }
}

/// The time that so many bytes take on the slowest link.
fn on_the_way(bytes: usize) -> Duration {
    Duration::from_secs((bytes / SLOWEST) as u64)
}

/// Waits for the job; forever without one.
async fn finished(job: &mut Option<Job>) -> Done {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_time_on_a_slow_link() {
        // 1 MiB at 64 kbit/s.
        assert!(on_the_way(1 << 20) > Duration::from_secs(131));
        assert_eq!(on_the_way(500), Duration::ZERO);
    }
}
