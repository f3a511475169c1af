//! The capture thread: waits for demand, opens the camera, turns its frames into pictures, and closes it.
//!
//! Invariants: At most one source is open; a second one only while a better source replaces a stand-in. A source is
//! dropped on this thread before the state says that the camera is closed. Every wait ends when a request changes.
//! The heart beats at least once a second unless a driver call blocks. A frame is encoded once for all viewers. The
//! hub is closed when this thread ends, also by a panic. No frame is encoded or kept before the privacy mask is
//! applied.

mod camera_info;
mod card;
mod commands;
pub(super) mod controls;
mod largest;
mod render;
mod sensor_pace;
mod session;
mod timeouts;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tallycam_base::{Heartbeat, Stop};
use tallycam_camera::encode::{Encoder, Masker};
use tallycam_camera::media::{SourceError, SourceErrorKind};
use tallycam_camera::source::{Opener, Source};

use super::CameraState;
use super::backoff::{Backoff, SHORTEST};
use super::capture_state::{CaptureRequests, CaptureState};
use super::stability::Stability;
use camera_info::CameraInfo;
use card::WakingCard;
pub use card::{CARD_SIZE, card_of, draw_card, out_of_memory_card};
use controls::CameraTuning;
use render::Renderer;
use trial::{SourceTrial, Swap, source_released};

/// Longest wait for one frame, so the longest delay of a pause or stop.
const FRAME_WAIT: Duration = Duration::from_millis(200);
/// Interval at which an absent camera is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Extra time until the next heartbeat while opening: `auto` may try several cameras, and a slow one takes seconds.
const OPEN_TAKES: Duration = Duration::from_secs(20);
/// Longest sleep between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

enum StreamEnd {
    /// No demand, a pause or the stop: the requests say which.
    Released,
    /// The source is no longer usable.
    Failed(SourceError),
    /// This source replaces it.
    Replaced(Box<dyn Source>),
    /// A requester waits for a frame of the largest size. The camera is reopened for it, then as before.
    ForLargest,
    /// Another source is to be tried.
    Swap(Swap),
}

/// State of the capture thread.
pub struct Capture<'a> {
    shared: Arc<CaptureState>,
    opener: Box<dyn Opener>,
    encoder: Encoder,
    /// Every frame of a source passes through it first; `None` without a mask.
    masker: Option<Box<Masker>>,
    showing: Renderer,
    beat: &'a Heartbeat,
    openings: u64,
    /// The current fault with the time of the next try. Tries continue without demand, so that `/health` can become
    /// True again.
    trouble: Option<Retry>,
    tuning: CameraTuning,
    /// Facts that describe a paused camera.
    known: CameraInfo,
    /// A source on trial, which replaces another one until it delivers a picture or fails.
    trial: Option<SourceTrial>,
    /// The trial only tests for a picture; there is no demand.
    was_tried_asleep: bool,
    /// The camera was live since its start. With idle timeout off, a short close in between then changes nothing.
    was_live: bool,
}

struct Retry {
    kind: SourceErrorKind,
    line: String,
    at: Instant,
    last_try: Instant,
    backoff: Backoff,
    /// Presence of the device at the previous check.
    was_there: Option<bool>,
}

impl<'a> Capture<'a> {
    pub fn new(
        shared: Arc<CaptureState>,
        opener: Box<dyn Opener>,
        encoder: Encoder,
        beat: &'a Heartbeat,
    ) -> Capture<'a> {
        Capture {
            showing: Renderer::new(shared.view.subscribe()),
            shared,
            opener,
            encoder,
            masker: None,
            beat,
            openings: 0,
            trouble: None,
            tuning: CameraTuning::default(),
            known: CameraInfo::default(),
            trial: None,
            was_tried_asleep: false,
            was_live: false,
        }
    }

    /// Runs until the pipeline stops.
    pub fn run(mut self) {
        while let Some(interrupt) = self.wait_until_wanted() {
            let mut end = self.open(&interrupt);
            // The source of the previous stream is dropped by now.
            loop {
                end = match end {
                    StreamEnd::Replaced(source) => self.stream(source, Instant::now(), &interrupt),
                    StreamEnd::ForLargest => {
                        self.serve_largest(&interrupt);
                        self.open(&interrupt)
                    }
                    StreamEnd::Swap(swap) => {
                        self.start_trial(swap);
                        self.open(&interrupt)
                    }
                    StreamEnd::Failed(trouble) if self.trial.is_some() => {
                        if !self.abort_trial(trouble) {
                            break;
                        }
                        self.open(&interrupt)
                    }
                    StreamEnd::Failed(trouble) => {
                        self.handle_failure(trouble);
                        break;
                    }
                    StreamEnd::Released => break,
                };
            }
            // A source that was closed before its first picture was not tried.
            self.abort_trial(source_released());
            self.shared.opening.send_replace(None);
        }
    }

    /// Opens the source and streams from it, unless only one picture of the largest size is needed.
    fn open(&mut self, interrupt: &Stop) -> StreamEnd {
        if self.needs_largest(None) {
            return StreamEnd::ForLargest;
        }
        if !self.is_needed() {
            return StreamEnd::Released;
        }
        let (began, silent_after) = (Instant::now(), self.shared.settings().silent_after);
        self.beat.beat_with_extension(OPEN_TAKES + silent_after);
        self.opener.set_silent_after(silent_after);
        let card = self.trouble.is_none().then(|| WakingCard::start(&self.shared));
        let opened = self.opener.open(interrupt);
        drop(card);
        match opened {
            Ok(source) => self.stream(source, began, interrupt),
            // An interrupted open is not a fault.
            Err(_) if interrupt.is_set() => StreamEnd::Released,
            Err(trouble) => StreamEnd::Failed(trouble),
        }
    }

    /// True if there is demand beyond one picture of the largest size, a fault to end, or a camera that never idles
    /// and was closed only for a moment.
    fn is_needed(&self) -> bool {
        let requests = self.shared.lock_requests();
        let stays_open = self.was_live && requests.settings.idle_stop.is_none();
        self.trouble.is_some()
            || self.trial.is_some()
            || requests.demands > 0
            || requests.is_held
            || stays_open
    }

    /// Sleeps until the camera must be opened. Returns the interrupt of that open; `None` at the end of the pipeline.
    fn wait_until_wanted(&mut self) -> Option<Stop> {
        let shared = Arc::clone(&self.shared);
        loop {
            self.beat.beat();
            if self.shared.take_request_flag()
                && !self.shared.lock_requests().is_stopping
                && let Some(swap) = self.handle_next(None)
            {
                self.start_trial(swap);
            }
            // Before the lock, which the server's thread takes too: this may access a file system.
            let came_back = self.has_device_returned();
            let mut requests = shared.lock_requests();
            if requests.is_stopping {
                return None;
            }
            if requests.is_paused || self.trouble.is_some() {
                // No picture is possible; the requesters see the reason in the state.
                requests.largest.clear();
            }
            let wait = if self.trial.is_some() {
                if *shared.state.borrow() == CameraState::Asleep {
                    shared.set_state(CameraState::Waking);
                }
                return Some(self.start_open(&mut requests));
            } else if requests.is_paused {
                if *shared.state.borrow() != CameraState::Paused {
                    drop(requests);
                    self.handle_paused();
                    continue;
                }
                HEARTBEAT
            } else if let Some(retry) = &mut self.trouble {
                if std::mem::take(&mut requests.try_again) {
                    retry.at = Instant::now();
                }
                if std::mem::take(&mut requests.try_now) && !retry.kind.is_final() {
                    retry.at = retry.at.min(retry.last_try + SHORTEST);
                }
                let now = Instant::now();
                if came_back || now >= retry.at {
                    retry.last_try = now;
                    return Some(self.start_open(&mut requests));
                }
                (retry.at - now).min(LOOK)
            } else if requests.demands > 0 || requests.is_held || !requests.largest.is_empty() {
                if *shared.state.borrow() == CameraState::Paused {
                    shared.clear();
                }
                shared.set_state(CameraState::Waking);
                return Some(self.start_open(&mut requests));
            } else {
                // An old picture must not pass for a new one.
                shared.clear();
                shared.set_state(CameraState::Asleep);
                HEARTBEAT
            };
            // Requests that arrived since, or are left over, must not wait for the end of a sleep.
            let wait = if shared.has_request() { Duration::ZERO } else { wait };
            drop(shared.wait(requests, wait));
        }
    }

    /// True if the device of a camera in trouble was gone at the previous check and is back.
    fn has_device_returned(&mut self) -> bool {
        let Some(retry) = &mut self.trouble else { return false };
        let there = self.opener.is_present();
        let came_back = retry.was_there == Some(false) && there == Some(true);
        retry.was_there = there.or(retry.was_there);
        came_back
    }

    /// Makes a new interrupt for an open that begins now.
    fn start_open(&mut self, requests: &mut CaptureRequests) -> Stop {
        requests.try_now = false;
        requests.try_again = false;
        requests.is_to_close = false;
        requests.interrupt = Stop::new();
        self.was_live = false;
        self.openings += 1;
        self.shared.opening.send_replace(Some(self.openings));
        requests.interrupt.clone()
    }

    /// The reason to close the open camera, if the requests give one.
    fn release_reason(&self) -> Option<&'static str> {
        let requests = self.shared.lock_requests();
        if requests.is_stopping {
            Some("tallycam stops")
        } else if requests.is_paused || requests.is_to_close {
            Some("paused")
        } else if requests.demands == 0
            && !requests.is_held
            // A camera that returns stays open until its first picture, which ends the fault.
            && self.trouble.is_none()
            // A source on trial stays open until it has decided.
            && self.trial.is_none()
            && requests.settings.idle_stop.is_some_and(|idle| requests.last_needed.elapsed() >= idle)
        {
            Some("nobody needs it")
        } else {
            None
        }
    }

    /// Handles a source that could not be opened or is no longer usable.
    fn handle_failure(&mut self, trouble: SourceError) {
        {
            let mut figures = self.shared.lock_figures();
            figures.failures += 1;
            figures.failed_reads = figures.failed_reads.saturating_add(1);
        }
        self.record_fault(trouble);
    }

    /// Shows and logs a fault (each kind once), and sets the time of the next try.
    fn record_fault(&mut self, trouble: SourceError) {
        let now = Instant::now();
        let before = self.trouble.take();
        let is_news = before.as_ref().is_none_or(|r| r.kind != trouble.kind || r.line != trouble.line());
        // The pause grows only while no picture comes.
        let had_pictures = self.shared.lock_figures().stability.record_fault();
        let mut backoff = before.filter(|_| !had_pictures).map(|r| r.backoff).unwrap_or_default();
        let pause = backoff.next_pause();
        if is_news {
            log::error!("{trouble}");
        }
        log::debug!("next try in {pause:?}: {}", trouble.what);
        // A source that has ended for good is retried only on request.
        let at =
            if trouble.kind.is_final() { now + Duration::from_secs(365 * 24 * 3600) } else { now + pause };
        self.trouble = Some(Retry {
            kind: trouble.kind,
            line: trouble.line(),
            at,
            last_try: now,
            backoff,
            was_there: self.opener.is_present(),
        });
        self.shared.update_requests(|requests| requests.try_now = false);
        let state = CameraState::Trouble(trouble);
        if is_news {
            self.shared.set_state(state.clone());
        }
        self.show_card(&state);
    }

    fn handle_paused(&mut self) {
        if self.trouble.is_none() {
            // From now on nothing accesses the camera; these facts describe it.
            self.beat.beat_with_extension(OPEN_TAKES);
            self.known.probe_once(&mut *self.opener);
            self.beat.beat();
        }
        self.trouble = None;
        {
            let mut figures = self.shared.lock_figures();
            figures.failed_reads = 0;
            figures.stability = Stability::default();
        }
        self.shared.set_state(CameraState::Paused);
        self.show_card(&CameraState::Paused);
    }

    fn show_card(&mut self, state: &CameraState) {
        let size = self.shared.lock_figures().size.unwrap_or(CARD_SIZE);
        match draw_card(&mut self.encoder, state, size) {
            Some(card) => self.shared.publish_card(card),
            None => self.shared.clear(),
        }
    }
}

impl Drop for Capture<'_> {
    fn drop(&mut self) {
        // Dropping the commands tells their requesters that no answer will come.
        self.shared.lock_requests().commands = None;
        self.shared.close();
    }
}
