//! One client's session: the current state first, then events as they happen.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until};

use crate::http::api::counting::events::Types;
use crate::http::api::counting::events::since::{following, newest_id};
use crate::http::api::counting::{lines, zones};
use crate::http::auth::caller::Who;
use crate::http::report::media::{MediaEvent, RecordingReport};
use crate::http::report::wire;
use crate::http::report::wire::{CrossingReport, DrawingReport, OverlayReport, Redact, TalliesReport};
use crate::http::server::body::BrokenBody;
use crate::http::server::link::Link;
use crate::http::site::Site;
use crate::http::site::readers::{CountsReadError, CountsReaders};
use crate::pipeline::CameraState;
use crate::pipeline::counting::{Counting, Overlay};
use crate::pipeline::recording::RecordingStatus;
use crate::ui::CountingReport;
use tallycam_base::Stop;
use tallycam_store::media::MediaStatus;
use tallycam_store::{Counts, LineRow, Scene, StoredCrossing, Tallies, ZoneRow};

/// Time after which a browser reconnects, in milliseconds.
const RETRY_MS: u32 = 2000;

/// Time after which a client with unsent bytes is checked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Interval for checking the state of counting, which has no channel of its own.
const LOOK_AT_STATE: Duration = Duration::from_secs(1);

/// Shortest interval between events about media and recording.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// The client has left, or the server stops.
pub(super) struct SessionEnd;

/// A value that changes often and is sent rarely: always the newest, after a minimum interval.
pub(super) struct Throttled<T> {
    newest: watch::Receiver<Arc<T>>,
    not_before: Instant,
    said: Option<Bytes>,
}

impl<T> Throttled<T> {
    pub(super) fn new(newest: watch::Receiver<Arc<T>>) -> Throttled<T> {
        Throttled { newest, not_before: Instant::now(), said: None }
    }

    /// Waits until there is a value to send; for ever if there is no such value.
    async fn changed(throttled: &mut Option<Throttled<T>>) -> Result<(), SessionEnd> {
        let Some(throttled) = throttled else { return std::future::pending().await };
        sleep_until(throttled.not_before).await;
        throttled.newest.changed().await.map_err(|_| SessionEnd)
    }

    /// The event, unless it equals the previous one.
    fn tell(&mut self, make: impl FnOnce(&T) -> Bytes) -> Option<Bytes> {
        self.not_before = Instant::now() + LEAST_INTERVAL;
        let event = make(&self.newest.borrow_and_update());
        (self.said.replace(event.clone()).as_ref() != Some(&event)).then_some(event)
    }
}

/// The event `state`.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct StateEvent {
    state: &'static str,
    headline: &'static str,
    reason: Option<String>,
    hint: Option<String>,
    #[serde(skip)]
    outside: Option<&'static str>,
    /// `null` without counting.
    counting: Option<CountingReport>,
}

impl Redact for StateEvent {
    fn redact(&mut self) {
        if let Some(said) = self.outside {
            (self.reason, self.hint) = (Some(said.to_owned()), None);
        }
        self.counting.iter_mut().for_each(Redact::redact);
    }
}

/// The counting events of one client.
pub(super) struct CountedEvent {
    committed: broadcast::Receiver<Arc<StoredCrossing>>,
    tallies: watch::Receiver<Arc<Tallies>>,
    lines: watch::Receiver<Arc<Vec<LineRow>>>,
    zones: watch::Receiver<Arc<Vec<ZoneRow>>>,
    overlay: watch::Receiver<Arc<Overlay>>,
    counts: Counts,
    counts_db: CountsReaders,
    /// The ID of the last crossing sent.
    last: u64,
    /// The scene of the lines sent last.
    shown: Option<Scene>,
}

impl CountedEvent {
    /// Starts with the crossing after `after`; without it, now.
    ///
    /// # Errors
    /// counts.db cannot be read.
    pub(super) async fn new(
        counting: &Counting,
        counts: Counts,
        counts_db: CountsReaders,
        after: Option<u64>,
    ) -> Result<CountedEvent, CountsReadError> {
        // Subscribed before counts.db is read to its end, so that no commit in between is missed.
        let committed = counts.subscribe_crossings();
        let newest = counts_db.read(newest_id).await?;
        Ok(CountedEvent {
            committed,
            tallies: counts.subscribe_tallies(),
            lines: counts.lines(),
            zones: counts.zones(),
            overlay: counting.overlay(),
            counts,
            counts_db,
            // If counts.db was replaced, the client's ID may lie beyond its end.
            last: after.map_or(newest, |after| after.min(newest)),
            shown: None,
        })
    }

    /// Waits for the next event; for ever without counting.
    async fn news(
        counted: Option<&mut CountedEvent>,
        types: Types,
        has_overlay: bool,
    ) -> Result<ListenerNews, SessionEnd> {
        let Some(counted) = counted else { return std::future::pending().await };
        tokio::select! {
            biased;
            crossing = counted.committed.recv(), if types.crossing => match crossing {
                Ok(crossing) => Ok(ListenerNews::Crossing(crossing)),
                Err(RecvError::Lagged(_)) => Ok(ListenerNews::Missed),
                Err(RecvError::Closed) => Err(SessionEnd),
            },
            changed = counted.lines.changed(), if types.lines => changed.map(|()| ListenerNews::Lines).map_err(|_| SessionEnd),
            changed = counted.zones.changed(), if types.lines => changed.map(|()| ListenerNews::Lines).map_err(|_| SessionEnd),
            changed = counted.tallies.changed(), if types.tally => {
                changed.map(|()| ListenerNews::Tallies).map_err(|_| SessionEnd)
            }
            changed = counted.overlay.changed(), if types.overlay && !has_overlay => {
                changed.map(|()| ListenerNews::Overlay).map_err(|_| SessionEnd)
            }
            else => std::future::pending().await,
        }
    }
}

/// One client's task.
pub(super) struct SseSession {
    /// Counting, if requested and available.
    pub(super) counted: Option<CountedEvent>,
    pub(super) states: watch::Receiver<CameraState>,
    /// Media and recording, if requested and available.
    pub(super) media: Option<Throttled<MediaStatus>>,
    pub(super) recording: Option<Throttled<RecordingStatus>>,
    /// The requested and available events.
    pub(super) types: Types,
    pub(super) link: Rc<Link>,
    pub(super) pieces: mpsc::Sender<Result<Bytes, BrokenBody>>,
    pub(super) stop: Stop,
    pub(super) site: Rc<Site>,
    pub(super) who: Who,
    /// The states of camera and counting that were sent last.
    pub(super) said: Option<(&'static str, Option<&'static str>)>,
}

/// The next event of a client.
enum ListenerNews {
    Crossing(Arc<StoredCrossing>),
    /// The client was too slow for the committed crossings.
    Missed,
    Tallies,
    Lines,
    State,
    Media,
    Recording,
    Overlay,
    /// A check of values without a channel.
    Tick,
    /// A check whether the client has taken the sent bytes.
    Look,
    Heartbeat,
}

impl SseSession {
    pub(super) async fn run(mut self) {
        // A client that leaves, or a server that stops, is no failure.
        let Err(SessionEnd) = self.talk().await;
    }

    async fn talk(&mut self) -> Result<std::convert::Infallible, SessionEnd> {
        // An ID without data is no event, but browsers repeat it when they reconnect.
        let opening = match &self.counted {
            Some(counted) if self.types.crossing => format!("retry: {RETRY_MS}\nid: {}\n\n", counted.last),
            _ => format!("retry: {RETRY_MS}\n\n"),
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
        let mut heartbeat = every(self.site.settings().heartbeat);
        loop {
            match self.news(&mut state, &mut heartbeat, has_overlay).await? {
                ListenerNews::Crossing(crossing) => self.send_crossing(&crossing).await?,
                ListenerNews::Missed => self.catch_up().await?,
                ListenerNews::Tallies => self.send_tallies().await?,
                ListenerNews::Lines => self.send_lines().await?,
                ListenerNews::State => self.send_state().await?,
                ListenerNews::Media => self.send_media().await?,
                ListenerNews::Recording => self.send_recording().await?,
                ListenerNews::Overlay => has_overlay = true,
                ListenerNews::Tick => {
                    if self
                        .counted
                        .as_ref()
                        .is_some_and(|counted| counted.shown != Some(counted.counts.scene()))
                    {
                        self.send_lines().await?;
                    }
                    self.send_state().await?;
                }
                ListenerNews::Look => {}
                ListenerNews::Heartbeat => self.send(Bytes::from_static(b":\n\n")).await?,
            }
            if has_overlay && self.has_room() {
                has_overlay = false;
                self.send_overlay().await?;
            }
        }
    }

    /// Waits for the next event. A closed channel ends the session: the service stops.
    async fn news(
        &mut self,
        state: &mut Interval,
        heartbeat: &mut Interval,
        has_overlay: bool,
    ) -> Result<ListenerNews, SessionEnd> {
        let types = self.types;
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(SessionEnd),
            () = self.pieces.closed() => Err(SessionEnd),
            news = CountedEvent::news(self.counted.as_mut(), types, has_overlay) => news,
            changed = self.states.changed(), if types.state => {
                changed.map(|()| ListenerNews::State).map_err(|_| SessionEnd)
            }
            changed = Throttled::changed(&mut self.media) => changed.map(|()| ListenerNews::Media),
            changed = Throttled::changed(&mut self.recording) => changed.map(|()| ListenerNews::Recording),
            () = sleep_until(Instant::now() + LOOK_AGAIN), if has_overlay => Ok(ListenerNews::Look),
            _ = state.tick(), if types.state || types.lines => Ok(ListenerNews::Tick),
            _ = heartbeat.tick() => Ok(ListenerNews::Heartbeat),
        }
    }

    /// True if all sent bytes have left this machine.
    fn has_room(&self) -> bool {
        self.pieces.capacity() == self.pieces.max_capacity() && self.link.has_room()
    }

    /// Waits until there is room for `piece`.
    async fn send(&self, piece: Bytes) -> Result<(), SessionEnd> {
        tokio::select! {
            biased;
            () = self.stop.stopped() => Err(SessionEnd),
            sent = self.pieces.send(Ok(piece)) => sent.map_err(|_| SessionEnd),
        }
    }

    /// Sends a committed crossing, unless it was already read from counts.db.
    async fn send_crossing(&mut self, crossing: &StoredCrossing) -> Result<(), SessionEnd> {
        match &mut self.counted {
            Some(counted) if crossing.id > counted.last => counted.last = crossing.id,
            _ => return Ok(()),
        }
        self.send(said(crossing)).await
    }

    /// Sends the crossings of counts.db after the last one sent.
    async fn catch_up(&mut self) -> Result<(), SessionEnd> {
        while self.types.crossing
            && let Some(counted) = &mut self.counted
        {
            let after = counted.last;
            let read = tokio::select! {
                biased;
                () = self.stop.stopped() => return Err(SessionEnd),
                read = counted.counts_db.read(move |reader| following(reader, after)) => read,
            };
            let (rows, has_more) = match read {
                Ok(read) => read,
                Err(error) => {
                    // Cut instead of leaving crossings out: the client reconnects with the last ID it has.
                    log::warn!("{}: events are cut off, {error}", self.link.peer());
                    let _ = self.pieces.send(Err(BrokenBody)).await;
                    return Err(SessionEnd);
                }
            };
            if let Some(last) = rows.last() {
                counted.last = last.id;
                let mut piece = Vec::with_capacity(rows.len() * 400);
                // A crossing found by a recount has not just happened.
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

    async fn send_tallies(&mut self) -> Result<(), SessionEnd> {
        let Some(counted) = self.counted.as_mut().filter(|_| self.types.tally) else { return Ok(()) };
        let tallies = counted.tallies.borrow_and_update().clone();
        let report = TalliesReport::of(&tallies, &counted.counts);
        self.send(event("tally", &wire::json(&report))).await
    }

    async fn send_lines(&mut self) -> Result<(), SessionEnd> {
        let Some(counted) = self.counted.as_mut().filter(|_| self.types.lines) else { return Ok(()) };
        let (rows, zones) =
            (counted.lines.borrow_and_update().clone(), counted.zones.borrow_and_update().clone());
        let (scene, overlay) = (counted.counts.scene(), counted.overlay.borrow().clone());
        counted.shown = Some(scene);
        let zones = zones.iter().filter(|row| row.is_in_scene(scene));
        let drawing = DrawingReport {
            lines: lines::reports(&self.who, &rows, scene),
            zones: zones.map(|row| wire::redacted_for(&self.who, zones::drawn(row, &overlay))).collect(),
        };
        self.send(event("lines", &wire::json(&drawing))).await
    }

    async fn send_overlay(&mut self) -> Result<(), SessionEnd> {
        let Some(counted) = &mut self.counted else { return Ok(()) };
        let overlay = counted.overlay.borrow_and_update().clone();
        let make = || event("overlay", &wire::json(&OverlayReport::from(&*overlay)));
        let event = self.site.listeners.overlay.of(&overlay, make);
        self.send(event).await
    }

    async fn send_media(&mut self) -> Result<(), SessionEnd> {
        let who = &self.who;
        let said = self.media.as_mut().and_then(|throttled| {
            throttled.tell(|status| {
                event("media", &wire::json(&wire::redacted_for(who, MediaEvent::from(status))))
            })
        });
        match said {
            Some(event) => self.send(event).await,
            None => Ok(()),
        }
    }

    async fn send_recording(&mut self) -> Result<(), SessionEnd> {
        let who = &self.who;
        let said = self.recording.as_mut().and_then(|throttled| {
            throttled.tell(|status| {
                event("recording", &wire::json(&wire::redacted_for(who, RecordingReport::from(status))))
            })
        });
        match said {
            Some(event) => self.send(event).await,
            None => Ok(()),
        }
    }

    async fn send_state(&mut self) -> Result<(), SessionEnd> {
        if !self.types.state {
            return Ok(());
        }
        let state = self.states.borrow_and_update().clone();
        let counting = self.site.counting.as_ref();
        let counting =
            counting.map(|counting| CountingReport::of(&counting.status(), counting.counts().ok()));
        let words = (state.as_str(), counting.as_ref().map(|counting| counting.state));
        if self.said.replace(words) == Some(words) {
            return Ok(());
        }
        let report = StateEvent {
            state: state.as_str(),
            headline: state.headline(),
            reason: Some(state.reason()).filter(|reason| !reason.is_empty()),
            hint: state.hint(),
            outside: state.public_reason(),
            counting,
        };
        let report = wire::redacted_for(&self.who, report);
        self.send(event("state", &wire::json(&report))).await
    }
}

/// Ticks first after `period`.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    ticks
}

/// An event without an ID. JSON has no line ends, so one line of data is enough.
fn event(name: &str, json: &str) -> Bytes {
    format!("event: {name}\ndata: {json}\n\n").into()
}

/// The event of a crossing.
fn said(crossing: &StoredCrossing) -> Bytes {
    let json = wire::json(&CrossingReport::from(crossing));
    format!("event: crossing\nid: {}\ndata: {json}\n\n", crossing.id).into()
}
