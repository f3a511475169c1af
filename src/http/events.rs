//! `/api/v1/events`: what happens, as server-sent events (WHATWG HTML §9.2), one task a client.
//!
//! ```text
//! ledger ── after Last-Event-ID ──►┐
//! committed crossings ────────────►┼─► task ─► 4 pieces ─► body ─► hyper ─► socket
//! tallies, lines, overlay, state ─►┤   (newest only)
//! media, recording ───────────────►┘   (newest only, once a second)
//! ```
//!
//! **Crossings** are sent in the order of the ledger, each once, none left out, from the one after the
//! id that the client names on. They come as they are committed; whoever is too slow for that, or was
//! away, gets them from the ledger, piece by piece, and the newest id given decides where that ends.
//! A client that names no id starts from now, and is told from where. They are of all scenes, as the
//! ledger is one: each names its own. Lines, sums and overlay are those of the scene that is shown.
//!
//! **Everything else** is newest only. An overlay is made only when nothing waits to leave for the
//! client, as a picture is: see [`super::viewers`].
//!
//! Bounded: so many clients, four pieces for each, and what a stalled one holds is let go with it by
//! the server's sweep. Nobody who listens keeps the camera open.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use super::body::{Body, Cut};
use super::connection::Link;
use super::ledger::Ledger;
use super::problem::{Problem, TooManyListeners};
use super::query::{Query, WrongValue};
use super::route::{Request, no_store};
use super::wire::{self, CountingReport, CrossingReport, OverlayReport, TalliesReport};
use super::wire_media::{MediaEvent, RecordingReport};
use super::{Site, lines};
use crate::base::Stop;
use crate::pipeline::State;
use crate::pipeline::counting::{Counting, Overlay};
use crate::pipeline::keeping::RecordingStatus;
use crate::store::media::MediaStatus;
use crate::store::{Counts, Crossing, CrossingsQuery, LineRow, Scene, StoreError, Tallies};

/// The media type.
pub const CONTENT_TYPE_VALUE: &str = "text/event-stream";

/// Clients at once, beyond those who watch.
const LISTENERS: usize = 100;

/// Pieces that wait for a slow client.
const WAITING: usize = 4;

/// Crossings that are read from the ledger at once: some 40 kB.
const PIECE: usize = 100;

/// A browser that lost the connection comes back after this time, in milliseconds.
const RETRY_MS: u32 = 2000;

/// A client that has not taken what was sent is looked at again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How counting is going is looked at so often: it has no channel of its own.
const LOOK_AT_STATE: Duration = Duration::from_secs(1);

/// What is kept, and how recording stands, is told so often at most.
const TELL_OF_KEEPING: Duration = Duration::from_secs(1);

const ALL: [&str; 7] = ["crossing", "tally", "overlay", "lines", "state", "media", "recording"];

/// Which events a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Types {
    crossing: bool,
    tally: bool,
    overlay: bool,
    lines: bool,
    state: bool,
    media: bool,
    recording: bool,
}

impl Types {
    fn of(query: &Query) -> Result<Types, WrongValue> {
        let wanted = query.list("types");
        if let Some(unknown) = wanted.iter().find(|word| !ALL.contains(word)) {
            return Err(WrongValue::new("types", unknown, format!("any of {}, with commas", ALL.join(", "))));
        }
        let wants = |word: &str| wanted.is_empty() || wanted.contains(&word);
        Ok(Types {
            crossing: wants("crossing"),
            tally: wants("tally"),
            overlay: wants("overlay"),
            lines: wants("lines"),
            state: wants("state"),
            media: wants("media"),
            recording: wants("recording"),
        })
    }
}

/// Those who listen, and what is said most often, to all of them alike.
#[derive(Debug, Default)]
pub struct Listeners {
    present: Cell<usize>,
    overlay: Said<Overlay>,
}

impl Listeners {
    /// How many there are.
    pub fn count(&self) -> usize {
        self.present.get()
    }
}

/// An event that was made for one client, for the next who is to get the same.
#[derive(Debug)]
struct Said<T>(RefCell<Option<(Arc<T>, Bytes)>>);

impl<T> Default for Said<T> {
    fn default() -> Said<T> {
        Said(RefCell::default())
    }
}

impl<T> Said<T> {
    fn of(&self, what: &Arc<T>, make: impl FnOnce() -> Bytes) -> Bytes {
        let mut said = self.0.borrow_mut();
        match &*said {
            Some((known, event)) if Arc::ptr_eq(known, what) => event.clone(),
            _ => {
                let event = make();
                *said = Some((Arc::clone(what), event.clone()));
                event
            }
        }
    }
}

/// A place among those who listen; free again when it is dropped.
struct Place(Rc<Site>);

impl Place {
    fn take(site: &Rc<Site>) -> Result<Place, TooManyListeners> {
        let present = &site.listeners.present;
        if present.get() >= LISTENERS {
            return Err(TooManyListeners { limit: LISTENERS });
        }
        present.set(present.get() + 1);
        Ok(Place(site.clone()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let present = &self.0.listeners.present;
        present.set(present.get() - 1);
    }
}

/// `GET /api/v1/events`.
pub async fn events(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let types = Types::of(&request.query)?;
    let counting = site.counting()?.clone();
    let counts = site.counts()?.clone();
    let after = last_event_id(&request.headers, &request.query)?;
    if request.method == Method::HEAD {
        return Ok(head(Body::full("")));
    }
    let place = Place::take(site)?;
    let ledger = site.ledger()?;
    let newest = ledger.read(newest_id).await?;
    // Of a ledger that was begun anew no id is known yet that the client could have seen.
    let after = after.map_or(newest, |after| after.min(newest));
    let (pieces, body) = mpsc::channel(WAITING);
    let talk = Talk {
        // Before the ledger is read up to its end: nothing is committed in between unseen.
        committed: counts.committed(),
        tallies: counts.tallies(),
        lines: counts.lines(),
        overlay: counting.overlay(),
        states: site.pipeline.states(),
        media: site.media().ok().filter(|_| types.media).map(|media| Told::new(media.status())),
        recording: site
            .keeping()
            .ok()
            .filter(|_| types.recording)
            .map(|keeping| Told::new(keeping.statuses())),
        counting,
        counts,
        ledger,
        last: after,
        types,
        link: request.link.clone(),
        pieces,
        stop: site.stop.clone(),
        heartbeat: site.settings.heartbeat,
        site: site.clone(),
        shown: None,
        said: None,
        _place: place,
    };
    request.link.watches();
    tokio::task::spawn_local(talk.run());
    Ok(head(Body::pieces(body)))
}

fn head(body: Body) -> Response<Body> {
    let mut response = no_store(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_VALUE));
    // nginx would else collect events before it passes them on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The id after which a client wants to go on. A browser repeats what it was given, in a header; what
/// is not ours there says nothing. Scripts that cannot set a header use the query.
fn last_event_id(headers: &HeaderMap, query: &Query) -> Result<Option<u64>, WrongValue> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match header.and_then(|text| text.trim().parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => query.whole("last_event_id", 0..=u64::MAX),
    }
}

const SCENES: [Scene; 3] = [Scene::Camera, Scene::Files, Scene::Sim];

fn all_of(scene: Scene) -> CrossingsQuery {
    CrossingsQuery {
        scene,
        from_us: None,
        to_us: None,
        lines: Vec::new(),
        classes: Vec::new(),
        direction: None,
        after: None,
        oldest_first: false,
        limit: 1,
    }
}

/// The newest id in the ledger; 0 of an empty one.
fn newest_id(reader: &crate::store::Reader) -> Result<u64, StoreError> {
    let mut newest = 0;
    for scene in SCENES {
        let rows = reader.crossings(&all_of(scene))?;
        newest = newest.max(rows.first().map_or(0, |row| row.id));
    }
    Ok(newest)
}

/// The crossings after `after` of all scenes, in order, and whether there may be more.
fn following(reader: &crate::store::Reader, after: u64) -> Result<(Vec<Crossing>, bool), StoreError> {
    let mut found = Vec::new();
    // Up to this id nothing is missing of any scene.
    let mut whole_up_to = u64::MAX;
    for scene in SCENES {
        let asked = CrossingsQuery { after: Some(after), oldest_first: true, limit: PIECE, ..all_of(scene) };
        let rows = reader.crossings(&asked)?;
        if let Some(last) = rows.last().filter(|_| rows.len() >= PIECE) {
            whole_up_to = whole_up_to.min(last.id);
        }
        found.extend(rows);
    }
    found.retain(|row| row.id <= whole_up_to);
    found.sort_unstable_by_key(|row| row.id);
    Ok((found, whole_up_to < u64::MAX))
}

/// The client has left, or the server stops.
struct Over;

/// Something that changes often and is told seldom: the newest, when some time has gone by.
struct Told<T> {
    newest: watch::Receiver<Arc<T>>,
    not_before: Instant,
    said: Option<Bytes>,
}

impl<T> Told<T> {
    fn new(newest: watch::Receiver<Arc<T>>) -> Told<T> {
        Told { newest, not_before: Instant::now(), said: None }
    }

    /// Waits until there is something to tell; for ever where there is nothing of this kind.
    async fn changed(told: &mut Option<Told<T>>) -> Result<(), Over> {
        let Some(told) = told else { return std::future::pending().await };
        sleep_until(told.not_before).await;
        told.newest.changed().await.map_err(|_| Over)
    }

    /// The event, unless it says what the one before said.
    fn tell(&mut self, make: impl FnOnce(&T) -> Bytes) -> Option<Bytes> {
        self.not_before = Instant::now() + TELL_OF_KEEPING;
        let event = make(&self.newest.borrow_and_update());
        (self.said.replace(event.clone()).as_ref() != Some(&event)).then_some(event)
    }
}

/// What the event `state` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StateEvent {
    state: &'static str,
    headline: &'static str,
    reason: Option<String>,
    hint: Option<String>,
    counting: CountingReport,
}

/// One client's task.
struct Talk {
    committed: broadcast::Receiver<Arc<Crossing>>,
    tallies: watch::Receiver<Arc<Tallies>>,
    lines: watch::Receiver<Arc<Vec<LineRow>>>,
    overlay: watch::Receiver<Arc<Overlay>>,
    states: watch::Receiver<State>,
    /// How the store of pictures is, and how recording stands, where pictures are kept.
    media: Option<Told<MediaStatus>>,
    recording: Option<Told<RecordingStatus>>,
    counting: Counting,
    counts: Counts,
    ledger: Ledger,
    /// The id of the last crossing sent.
    last: u64,
    types: Types,
    link: Rc<Link>,
    pieces: mpsc::Sender<Result<Bytes, Cut>>,
    stop: Stop,
    heartbeat: Duration,
    site: Rc<Site>,
    /// The scene whose lines were sent last.
    shown: Option<Scene>,
    /// Word and state that were sent last.
    said: Option<(&'static str, &'static str)>,
    _place: Place,
}

/// What a client is to hear of next.
enum News {
    Crossing(Arc<Crossing>),
    /// It was too slow for those that were committed.
    Missed,
    Tallies,
    Lines,
    State,
    Media,
    Recording,
    Overlay,
    /// A look whether it has taken what was sent.
    Look,
    Heartbeat,
}

impl Talk {
    async fn run(mut self) {
        // That the client has left, or the server stops, is no failure.
        let Err(Over) = self.talk().await;
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, Over> {
        // An id without data is no event, but what a browser names when it comes back.
        let opening = match self.types.crossing {
            true => format!("retry: {RETRY_MS}\nid: {}\n\n", self.last),
            false => format!("retry: {RETRY_MS}\n\n"),
        };
        self.send(opening.into()).await?;
        self.send_lines().await?;
        self.send_state().await?;
        self.send_media().await?;
        self.send_recording().await?;
        self.catch_up().await?;
        self.send_tallies().await?;
        let mut has_overlay = self.types.overlay;
        let mut state = every(LOOK_AT_STATE);
        let mut heartbeat = every(self.heartbeat);
        loop {
            match self.news(&mut state, &mut heartbeat, has_overlay).await? {
                News::Crossing(crossing) if crossing.id > self.last => {
                    self.last = crossing.id;
                    self.send(said(&crossing)).await?;
                }
                // It was read from the ledger already.
                News::Crossing(_) => {}
                News::Missed => self.catch_up().await?,
                News::Tallies => self.send_tallies().await?,
                News::Lines => self.send_lines().await?,
                News::State => self.send_state().await?,
                News::Media => self.send_media().await?,
                News::Recording => self.send_recording().await?,
                News::Overlay => has_overlay = true,
                News::Look => {}
                News::Heartbeat => self.send(Bytes::from_static(b":\n\n")).await?,
            }
            if has_overlay && self.has_room() {
                has_overlay = false;
                let overlay = self.overlay.borrow_and_update().clone();
                let event = self
                    .site
                    .listeners
                    .overlay
                    .of(&overlay, || event("overlay", &wire::json(&OverlayReport::from(&*overlay))));
                self.send(event).await?;
            }
        }
    }

    /// Waits for what is next. A channel that has closed ends the talk: the daemon stops.
    async fn news(
        &mut self,
        state: &mut Interval,
        heartbeat: &mut Interval,
        has_overlay: bool,
    ) -> Result<News, Over> {
        let types = self.types;
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(Over),
            () = self.pieces.closed() => Err(Over),
            crossing = self.committed.recv(), if types.crossing => match crossing {
                Ok(crossing) => Ok(News::Crossing(crossing)),
                Err(RecvError::Lagged(_)) => Ok(News::Missed),
                Err(RecvError::Closed) => Err(Over),
            },
            changed = self.lines.changed(), if types.lines => changed.map(|()| News::Lines).map_err(|_| Over),
            changed = self.tallies.changed(), if types.tally => {
                changed.map(|()| News::Tallies).map_err(|_| Over)
            }
            changed = self.states.changed(), if types.state => {
                changed.map(|()| News::State).map_err(|_| Over)
            }
            changed = Told::changed(&mut self.media) => changed.map(|()| News::Media),
            changed = Told::changed(&mut self.recording) => changed.map(|()| News::Recording),
            changed = self.overlay.changed(), if types.overlay && !has_overlay => {
                changed.map(|()| News::Overlay).map_err(|_| Over)
            }
            () = sleep_until(Instant::now() + LOOK_AGAIN), if has_overlay => Ok(News::Look),
            _ = state.tick(), if types.state || types.lines => match self.counts.scene() {
                scene if types.lines && self.shown != Some(scene) => Ok(News::Lines),
                _ if types.state => Ok(News::State),
                _ => Ok(News::Look),
            },
            _ = heartbeat.tick() => Ok(News::Heartbeat),
        }
    }

    /// Whether all that was sent has left this machine.
    fn has_room(&self) -> bool {
        self.pieces.capacity() == self.pieces.max_capacity() && self.link.has_room()
    }

    /// Waits until there is room for `piece`.
    async fn send(&self, piece: Bytes) -> Result<(), Over> {
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(Over),
            sent = self.pieces.send(Ok(piece)) => sent.map_err(|_| Over),
        }
    }

    /// Sends the crossings that the ledger has beyond the last one sent.
    async fn catch_up(&mut self) -> Result<(), Over> {
        while self.types.crossing {
            let after = self.last;
            let read = tokio::select! {
                biased;
                () = self.stop.stopped() => return Err(Over),
                read = self.ledger.read(move |reader| following(reader, after)) => read,
            };
            let (rows, has_more) = match read {
                Ok(read) => read,
                Err(error) => {
                    // Cut rather than left out: the client comes back and names the last it has.
                    log::warn!("{}: events are cut off, {error}", self.link.peer());
                    let _ = self.pieces.send(Err(Cut)).await;
                    return Err(Over);
                }
            };
            if let Some(last) = rows.last() {
                self.last = last.id;
                let mut piece = Vec::with_capacity(rows.len() * 400);
                // What was found in a recording has not just happened.
                let new = rows.iter().filter(|row| !row.is_recounted);
                new.for_each(|row| piece.extend_from_slice(&said(row)));
                if !piece.is_empty() {
                    self.send(piece.into()).await?;
                }
            }
            if !has_more {
                break;
            }
        }
        Ok(())
    }

    async fn send_tallies(&mut self) -> Result<(), Over> {
        if !self.types.tally {
            return Ok(());
        }
        let tallies = self.tallies.borrow_and_update().clone();
        self.send(event("tally", &wire::json(&TalliesReport::of(&tallies, &self.counts)))).await
    }

    async fn send_lines(&mut self) -> Result<(), Over> {
        if !self.types.lines {
            return Ok(());
        }
        let (rows, scene) = (self.lines.borrow_and_update().clone(), self.counts.scene());
        self.shown = Some(scene);
        self.send(event("lines", &lines::reports(&rows, scene))).await
    }

    async fn send_media(&mut self) -> Result<(), Over> {
        let said = self
            .media
            .as_mut()
            .and_then(|told| told.tell(|status| event("media", &wire::json(&MediaEvent::from(status)))));
        match said {
            Some(event) => self.send(event).await,
            None => Ok(()),
        }
    }

    async fn send_recording(&mut self) -> Result<(), Over> {
        let said = self.recording.as_mut().and_then(|told| {
            told.tell(|status| event("recording", &wire::json(&RecordingReport::from(status))))
        });
        match said {
            Some(event) => self.send(event).await,
            None => Ok(()),
        }
    }

    async fn send_state(&mut self) -> Result<(), Over> {
        if !self.types.state {
            return Ok(());
        }
        let state = self.states.borrow_and_update().clone();
        let counting = CountingReport::of(&self.counting.status(), Some(&self.counts));
        let words = (state.word(), counting.word);
        if self.said.replace(words) == Some(words) {
            return Ok(());
        }
        let report = StateEvent {
            state: state.word(),
            headline: state.headline(),
            reason: Some(state.reason()).filter(|reason| !reason.is_empty()),
            hint: state.hint(),
            counting,
        };
        self.send(event("state", &wire::json(&report))).await
    }
}

/// Rings for the first time after `period`.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

/// An event without an id. JSON has no line end in it: one line of data will do.
fn event(name: &str, json: &str) -> Bytes {
    format!("event: {name}\ndata: {json}\n\n").into()
}

/// The event of a crossing.
fn said(crossing: &Crossing) -> Bytes {
    let json = wire::json(&CrossingReport::from(crossing));
    format!("event: crossing\nid: {}\ndata: {json}\n\n", crossing.id).into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn types_are_all_or_those_named() {
        let of = |text: &str| Types::of(&Query::parse(text));
        let all = of("").unwrap();
        assert!(all.crossing && all.tally && all.overlay && all.lines && all.state);
        let two = of("types=crossing,tally").unwrap();
        assert!(two.crossing && two.tally && !two.overlay && !two.lines && !two.state);
        let wrong = of("types=crossing,pictures").unwrap_err().to_string();
        assert_eq!(
            wrong,
            r#"types is "pictures", and should be any of crossing, tally, overlay, lines, state, media, recording, with commas"#
        );
    }

    #[test]
    fn the_header_decides_and_nonsense_in_it_says_nothing() {
        let of = |header: Option<&'static str>, query: &str| {
            let mut headers = HeaderMap::new();
            if let Some(text) = header {
                headers.insert("last-event-id", HeaderValue::from_static(text));
            }
            last_event_id(&headers, &Query::parse(query))
        };
        assert_eq!(of(None, ""), Ok(None));
        assert_eq!(of(Some("7"), "last_event_id=3"), Ok(Some(7)));
        assert_eq!(of(Some("abc"), "last_event_id=3"), Ok(Some(3)));
        assert_eq!(of(Some(""), ""), Ok(None));
        assert_eq!(of(None, "last_event_id=0"), Ok(Some(0)));
        assert!(of(None, "last_event_id=abc").is_err());
    }

    #[test]
    fn what_is_said_to_all_is_made_once() {
        let said = Said::default();
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            Bytes::from_static(b"x")
        };
        let (one, other) = (Arc::new(1), Arc::new(1));
        said.of(&one, make);
        said.of(&one, make);
        assert_eq!(made.get(), 1);
        said.of(&other, make);
        assert_eq!(made.get(), 2);
    }
}
