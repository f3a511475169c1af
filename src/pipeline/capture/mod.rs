//! The capture thread: waits until somebody needs the camera, opens it, turns its frames into
//! pictures, and lets it go again.
//!
//! Invariants: at most one source is open (two only while a stand-in gives way to what it stood in
//! for), and it is dropped on this thread before the state says that it is closed; every wait ends
//! when a request changes; the heart beats at least once a second unless a driver does not return; a
//! picture is encoded once, for all viewers; the hub is closed when this ends, by a panic too.

mod camera_info;
mod card;
mod commands;
pub(super) mod controls;
mod largest;
mod render;
mod session;
mod timeouts;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{Heartbeat, Stop};
use crate::encode::Encoder;
use crate::media::{SourceError, SourceErrorKind};
use crate::source::{Opener, Source};

use super::CameraState;
use super::backoff::{Backoff, SHORTEST};
use super::capture_state::{CaptureRequests, CaptureState};
use camera_info::CameraInfo;
use card::WakingCard;
pub use card::{CARD_SIZE, card_of, draw_card, out_of_memory_card};
use controls::CameraTuning;
use render::Renderer;
use trial::{SourceTrial, Swap, source_released};

/// Longest wait for one frame: how late a pause or stop may be noticed.
const FRAME_WAIT: Duration = Duration::from_millis(200);
/// How often an absent camera is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// An open may take so long on top of the usual time between heartbeats: `auto` may try several
/// cameras, and a slow one takes seconds to begin.
const OPEN_TAKES: Duration = Duration::from_secs(20);
/// Longest sleep between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// Why a stream of frames ended.
enum StreamEnd {
    /// Nobody needs it, a pause, or the stop: look at the requests.
    Released,
    /// The source is of no more use.
    Failed(SourceError),
    /// This one takes its place.
    Replaced(Box<dyn Source>),
    /// Somebody waits for a picture of the largest size: it is opened again for that, and then as before.
    ForLargest,
    /// Another source is to be tried.
    Swap(Swap),
}

/// The thread's own things.
pub struct Capture<'a> {
    shared: Arc<CaptureState>,
    opener: Box<dyn Opener>,
    encoder: Encoder,
    showing: Renderer,
    beat: &'a Heartbeat,
    /// How many times a source was opened, or tried to be.
    openings: u64,
    /// The trouble the camera is in, with the time of the next try. While there is one, tries go
    /// on even without demand, so that `/health` can turn True again.
    trouble: Option<Retry>,
    /// When the last trouble was ended by a picture, and how far its pauses had grown.
    recovery: Option<(Instant, Backoff)>,
    /// The camera's controls.
    tuning: CameraTuning,
    /// What a paused camera is answered from.
    known: CameraInfo,
    /// A source that has not given a picture yet, in the place of another that waits for its failure.
    trial: Option<SourceTrial>,
    /// It is tried only to see whether it gives a picture: nobody needed the camera.
    was_tried_asleep: bool,
    /// It was live since it was woken: where it is never to sleep, what it is closed for in between changes nothing.
    was_live: bool,
}

struct Retry {
    kind: SourceErrorKind,
    line: String,
    at: Instant,
    last_try: Instant,
    backoff: Backoff,
    /// What the last look for the device saw.
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
            beat,
            openings: 0,
            trouble: None,
            recovery: None,
            tuning: CameraTuning::default(),
            known: CameraInfo::default(),
            trial: None,
            was_tried_asleep: false,
            was_live: false,
        }
    }

    /// Runs until the pipeline is stopped.
    pub fn run(mut self) {
        while let Some(interrupt) = self.wait_until_wanted() {
            let mut end = self.open(&interrupt);
            // Whatever has ended, its source is dropped by now.
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
            // What was let go before it could give a picture has not been tried.
            self.abort_trial(source_released());
            self.shared.opening.send_replace(None);
        }
    }

    /// Opens the source and streams from it, unless it is not needed for more than one picture.
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
            // An open that was told to end has failed nobody.
            Err(_) if interrupt.is_set() => StreamEnd::Released,
            Err(trouble) => StreamEnd::Failed(trouble),
        }
    }

    /// Whether anybody needs more than one picture of the largest size, or trouble is to be ended, or it was closed
    /// only for a moment and is never to sleep.
    fn is_needed(&self) -> bool {
        let requests = self.shared.lock_requests();
        let stays_open = self.was_live && requests.settings.idle_stop.is_none();
        self.trouble.is_some()
            || self.trial.is_some()
            || requests.demands > 0
            || requests.is_held
            || stays_open
    }

    /// Sleeps until the camera is to be opened, and returns what can interrupt that; `None` at the
    /// end of it all.
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
            // Before the lock, which the server's thread takes too: this may touch a file system.
            let came_back = self.has_device_returned();
            let mut requests = shared.lock_requests();
            if requests.is_stopping {
                return None;
            }
            if requests.is_paused || self.trouble.is_some() {
                // There is none to be had: who waits for one looks at the state.
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
                // Nobody is to take an old picture for a new one.
                shared.clear();
                shared.set_state(CameraState::Asleep);
                HEARTBEAT
            };
            // What was asked since the look above, and what is left of it, is not to wait for the end of a sleep.
            let wait = if shared.has_request() { Duration::ZERO } else { wait };
            drop(shared.wait(requests, wait));
        }
    }

    /// Whether the device of a camera in trouble was gone at the last look and is there again.
    fn has_device_returned(&mut self) -> bool {
        let Some(retry) = &mut self.trouble else { return false };
        let there = self.opener.is_present();
        let came_back = retry.was_there == Some(false) && there == Some(true);
        retry.was_there = there.or(retry.was_there);
        came_back
    }

    /// A new interrupt for the open that begins now.
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

    /// Whether requests say that the open camera is to be closed, and why.
    fn release_reason(&self) -> Option<&'static str> {
        let requests = self.shared.lock_requests();
        if requests.is_stopping {
            Some("tallycam stops")
        } else if requests.is_paused || requests.is_to_close {
            Some("paused")
        } else if requests.demands == 0
            && !requests.is_held
            // A camera that comes back is kept until its first picture: that ends the trouble.
            && self.trouble.is_none()
            // And one that is tried, since that decides.
            && self.trial.is_none()
            && requests.settings.idle_stop.is_some_and(|idle| requests.last_needed.elapsed() >= idle)
        {
            Some("nobody needs it")
        } else {
            None
        }
    }

    /// The source could not be opened, or is of no more use.
    fn handle_failure(&mut self, trouble: SourceError) {
        {
            let mut figures = self.shared.lock_figures();
            figures.failures += 1;
            figures.failed_reads = figures.failed_reads.saturating_add(1);
        }
        self.record_fault(trouble);
    }

    /// Shows and logs trouble (each kind of it once), and sets the time of the next try.
    fn record_fault(&mut self, trouble: SourceError) {
        let now = Instant::now();
        let before = self.trouble.take();
        let is_news = before.as_ref().is_none_or(|r| r.kind != trouble.kind || r.line != trouble.line());
        let recovered = self.recovery.take().map(|(at, backoff)| backoff.after_running(now - at));
        let mut backoff = before.map(|r| r.backoff).or(recovered).unwrap_or_default();
        let pause = backoff.next_pause();
        if is_news {
            log::error!("{trouble}");
        }
        log::debug!("next try in {pause:?}: {}", trouble.what);
        // What has ended for good is tried again only when somebody asks again.
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

    /// The camera has been let go by a pause.
    fn handle_paused(&mut self) {
        if self.trouble.is_none() {
            // From now on nothing looks: who asks is answered from this.
            self.beat.beat_with_extension(OPEN_TAKES);
            self.known.probe_once(&mut *self.opener);
            self.beat.beat();
        }
        self.trouble = None;
        self.recovery = None;
        self.shared.lock_figures().failed_reads = 0;
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
        // Who waits for an answer is told that there will be none.
        self.shared.lock_requests().commands = None;
        self.shared.close();
    }
}
