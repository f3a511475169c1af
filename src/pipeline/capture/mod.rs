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
mod timeouts;
mod trial;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::base::{Heartbeat, Stop};
use crate::encode::Encoder;
use crate::media::{Fourcc, SourceError, SourceErrorKind};
use crate::source::{Opener, Source};

use super::CameraState;
use super::backoff::{Backoff, SHORTEST};
use super::capture_state::{CaptureRequests, CaptureState, Shots};
use super::rate::RateLimit;
use camera_info::CameraInfo;
pub use card::{CARD_SIZE, card_of, draw_card, out_of_memory_card};
use card::{WAKING_CARD, WakingCard};
use controls::CameraTuning;
use render::Renderer;
use timeouts::OpenOptions;
use trial::{SourceTrial, Swap, source_released, trial_abandoned};

/// Longest wait for one frame: how late a pause or stop may be noticed.
const FRAME_WAIT: Duration = Duration::from_millis(200);
/// How often an absent camera is looked for.
const LOOK: Duration = Duration::from_millis(500);
/// How often an open source's opener is asked for a better one.
const LOOK_FOR_BETTER: Duration = Duration::from_secs(3);
/// An open may take so long on top of the usual time between heartbeats: `auto` may try several
/// cameras, and a slow one takes seconds to begin.
const OPEN_TAKES: Duration = Duration::from_secs(20);
/// Longest sleep between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Viewers who see the last picture of a camera that is opened again get the card of a waking camera after this time.
const STALE: Duration = Duration::from_secs(2);
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

    /// Whether anybody needs more than one picture of the largest size, or trouble is to be ended, or it was closed only
    /// for a moment and is never to sleep.
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

    /// Takes frames and publishes pictures until the camera is to be let go or fails. `began`: when it began to be opened.
    fn stream(&mut self, mut source: Box<dyn Source>, began: Instant, interrupt: &Stop) -> StreamEnd {
        let shared = Arc::clone(&self.shared);
        let mut delivers = source.source_info().clone();
        log::info!("camera open: {} {}", delivers.name, describe_source(&delivers));
        source.set_wake_bell(&shared.wake_fd);
        let saved = Arc::clone(&shared.lock_requests().saved);
        delivers.notes.extend(self.tuning.apply_on_open(&mut *source, &saved));
        self.known.record_open(source.identity());
        self.known.update_controls(self.tuning.known_controls());
        for note in &delivers.notes {
            log::warn!("{note}");
        }
        let fps = delivers.fps;
        let mut terms = OpenOptions::new(shared.settings(), fps, source.first_frame_within());
        self.set_quality(terms.settings.quality);
        let size = {
            let size = (delivers.width, delivers.height);
            shared.lock_figures().record_open(delivers);
            size
        };
        shared.update_requests(|requests| requests.last_needed = Instant::now());

        let mut limit = terms.settings.fps.map(RateLimit::new);
        let opened = Instant::now();
        let (mut last_frame, mut last_good, mut last_look) = (opened, opened, opened);
        let mut next_sequence = None;
        let mut is_first = true;
        let mut card_shown = shared.hub.newest().is_some_and(|picture| picture.is_card);
        loop {
            self.beat.beat();
            if let Some(why) = self.release_reason() {
                log::info!("camera closed: {why}");
                return StreamEnd::Released;
            }
            if self.needs_largest(Some(size)) {
                return StreamEnd::ForLargest;
            }
            if shared.take_request_flag() {
                if let Some(swap) = self.handle_next(Some(&mut *source)) {
                    log::info!("camera closed: trying another source");
                    return StreamEnd::Swap(swap);
                }
                let new = shared.settings();
                if new != terms.settings {
                    if new.fps != terms.settings.fps {
                        limit = new.fps.map(RateLimit::new);
                    }
                    terms = OpenOptions::new(new, fps, source.first_frame_within());
                    self.set_quality(terms.settings.quality);
                }
            }
            if last_look.elapsed() >= LOOK_FOR_BETTER {
                self.beat.beat_with_extension(OPEN_TAKES);
                if let Some(better) = self.opener.find_better(interrupt) {
                    log::info!("{} is replaced by a better source", source.source_info().name);
                    return StreamEnd::Replaced(better);
                }
                self.beat.beat();
                last_look = Instant::now();
            }
            let patience = || if shared.hub.newest().is_none() { WAKING_CARD } else { STALE };
            if is_first && !card_shown && self.trouble.is_none() && began.elapsed() >= patience() {
                card_shown = true;
                // What took a stand-in's place is live until now.
                shared.set_state(CameraState::Waking);
                self.show_card(&CameraState::Waking);
            }
            self.publish_to_newcomers(terms.settings.quality);
            let frame = match source.next(FRAME_WAIT) {
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    let allowed = if is_first { terms.first_within } else { terms.silent_after };
                    if last_frame.elapsed() >= allowed {
                        return StreamEnd::Failed(silent_fault(&self.opener.describe(), allowed));
                    }
                    continue;
                }
                Err(trouble) => return StreamEnd::Failed(trouble),
            };
            last_frame = Instant::now();
            let gap = next_sequence.map_or(0, |expected| frame.sequence.saturating_sub(expected));
            next_sequence = Some(frame.sequence.saturating_add(1));
            {
                let mut figures = shared.lock_figures();
                figures.frames += 1;
                figures.lost += gap;
            }
            // Who watches and has nothing, since it is shown otherwise from now on, does not wait for the next that is due.
            let is_missed = || shared.hub.has_subscribers() && shared.hub.newest().is_none();
            if limit.as_mut().is_some_and(|limit| !limit.accepts(frame.stamp.monotonic_us)) && !is_missed() {
                continue;
            }
            match self.encode_shots(&frame, terms.settings.quality) {
                Ok(shots) => {
                    last_good = last_frame;
                    if self.trial.is_some() && !self.has_trial_passed() {
                        return StreamEnd::Failed(trial_abandoned());
                    }
                    // Before the picture: who takes that looks for what belongs to it.
                    shared.keep_second_frame(&frame);
                    // First the picture, then the word: who reads "live" finds one.
                    if !shared.publish(shots, self.showing.view())
                        && let Ok(Shots { shown: Some(again), .. }) =
                            self.encode_shots(&frame, terms.settings.quality)
                    {
                        shared.republish(again, self.showing.view());
                    }
                    if is_first || self.trouble.is_some() {
                        is_first = false;
                        if let Some(retry) = self.trouble.take() {
                            log::info!("the camera is back");
                            self.recovery = Some((last_frame, retry.backoff));
                        }
                        shared.set_state(CameraState::Live);
                        if std::mem::take(&mut self.was_tried_asleep) && !self.is_needed() {
                            log::info!("camera closed: nobody needs it");
                            return StreamEnd::Released;
                        }
                        self.was_live = true;
                    }
                }
                Err(error) => {
                    let (broken, failed_reads) = {
                        let mut figures = shared.lock_figures();
                        figures.broken += 1;
                        // What is only tried makes nobody unhealthy.
                        let failed = u32::from(self.trial.is_none());
                        figures.failed_reads = figures.failed_reads.saturating_add(failed);
                        (figures.broken, figures.failed_reads)
                    };
                    // The first, then ever rarer: a cable that flickers must not fill the log.
                    if broken.is_power_of_two() || failed_reads == terms.settings.failed_reads {
                        log::warn!("{}, {broken} so far", error_chain(&error));
                    }
                    let without = last_good.elapsed();
                    let is_hopeless = if self.trial.is_some() { 1 } else { 4 };
                    if without >= terms.broken_after.saturating_mul(is_hopeless) {
                        return StreamEnd::Failed(broken_pictures_fault(&self.opener.describe(), &error));
                    }
                    if without >= terms.broken_after && self.trouble.is_none() {
                        let trouble = broken_pictures_fault(&self.opener.describe(), &error);
                        self.record_fault(trouble);
                    }
                }
            }
        }
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

fn silent_fault(source: &str, time: Duration) -> SourceError {
    SourceError::new(SourceErrorKind::Silent, format!("{source} has sent no frame for {:.1} s", time.as_secs_f64()))
        .hint(
            "it is reopened; if this repeats, check its cable and power supply, or raise silent_after in [source] for \
             a slow camera",
        )
}

fn broken_pictures_fault(source: &str, error: &crate::encode::EncodeError) -> SourceError {
    SourceError::new(SourceErrorKind::Broken, format!("{source} sends broken pictures"))
        .because(error_chain(error))
        .hint("check its cable, or try a smaller size or another format")
}

/// An error with its causes, in one line.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}

fn describe_source(delivers: &crate::source::StreamFormat) -> String {
    let size =
        if delivers.width > 0 { format!("{}×{} ", delivers.width, delivers.height) } else { String::new() };
    let format = if delivers.fourcc == Fourcc::JPEG { Fourcc::MJPG } else { delivers.fourcc };
    let fps = delivers.fps.map_or_else(String::new, |fps| format!(" at {fps:.4} fps"));
    format!("{size}{format}{fps}")
}
