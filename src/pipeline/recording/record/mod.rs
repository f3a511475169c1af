//! The thread `record`: starts recordings, fills them with the hub's pictures, ends them.
//!
//! ```text
//! idle ── request, crossing ─► wanted ── first picture ─► running ── end, limit, quiet, pause, stop ─► ending ─► idle
//!  └ armed: the ring of the pre-roll                     └ row being made (pool), then chunk by chunk    └ (pool)
//! ```
//!
//! While a recording runs or the ring is filled, pictures wait in the hub, and the thread takes several at once. It
//! takes all waiting pictures before it handles another event, so that the event finds the recording up to date.
//!
//! The thread waits on its own small runtime. Blocking work (creating a row, writing the last chunk) runs on that
//! runtime's pool. Pictures are taken and the heart beats, however slow the disk is. At most one recording is wanted,
//! running or ending; a request during an ending waits for it.

mod lifecycle;
pub(super) mod order;
pub(super) mod view;
pub(super) mod waits;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use super::assembly::FrameTally;
use super::error::{describe_state, no_picture_error};
use super::queue::{Backlog, Shot};
use super::shared::{CameraHold, EndReply, RecorderState, RecordingCommand};
use super::time_lapse::TimeLapse;
use super::trigger::Trigger;
use super::{RecordError, RecorderSettings, RecordingStatus};
use crate::pipeline::CameraState;
use crate::pipeline::rate::RateLimit;
use order::{ActiveRecording, RecordingPlan};
use tallycam_base::clock::monotonic_us;
use tallycam_base::{Heartbeat, block_on, wait_job};
use tallycam_store::media::{Ended, Item, Media, MediaError, Recorded, RecordingHandle};
use tallycam_store::{Counts, LineRow, StoredCrossing};
use view::{NextPicture, RecordedView};
use waits::{next, next_crossing};

/// Result of starting a recording in the store.
type HasBegun = Result<(RecordingHandle, Item), MediaError>;

/// Result of ending a recording in the store, and its size.
type HasEnded = (Result<Option<Item>, MediaError>, FrameTally);

/// Timeout of a recording's first picture.
const FIRST_WITHIN: Duration = Duration::from_secs(10);

/// Maximum bytes of pictures behind a refused chunk, if there is no pre-roll.
const ROOM: usize = 2 << 20;

/// Time until a refused chunk is offered again, microseconds.
const AGAIN_US: u64 = 50_000;

/// Longest sleep between heartbeats.
const HEARTBEAT_US: u64 = 1_000_000;

/// Interval at which waiting pictures are taken, microseconds.
const LOOK_US: u64 = 250_000;

/// Minimum time between two updates of the status, microseconds.
const TELL_US: u64 = 250_000;

/// State of the thread.
pub struct Recorder<'a> {
    shared: Arc<RecorderState>,
    media: Media,
    beat: &'a Heartbeat,
    commands: mpsc::Receiver<RecordingCommand>,
    counts: Option<Counts>,
    crossings: Option<broadcast::Receiver<Arc<StoredCrossing>>>,
    trigger: Option<Trigger>,
    /// The lines for crossings, if crossings start recordings.
    lines: Option<watch::Receiver<Arc<Vec<LineRow>>>>,
    states: watch::Receiver<CameraState>,
    settings: watch::Receiver<Arc<RecorderSettings>>,
    view: Option<RecordedView>,
    armed: Option<CameraHold>,
    demand: Option<CameraHold>,
    backlog: Backlog,
    ring_limit: Option<RateLimit>,
    ring_gap: bool,
    wanted: Option<RecordingPlan>,
    running: Option<ActiveRecording>,
    beginning: Option<JoinHandle<HasBegun>>,
    ending: Option<JoinHandle<HasEnded>>,
    end_told: Vec<EndReply>,
    closing: Option<Recorded>,
    /// Starts when the ending one has ended.
    next: Option<RecordingPlan>,
    /// Pictures of ended recordings that the store did not accept.
    dropped: u64,
    /// The reason why a recording on a crossing did not start, or a recording did not end properly.
    failure: Option<String>,
    /// A message about configured lines that do not exist.
    unknown: Option<String>,
    told_us: u64,
}

impl<'a> Recorder<'a> {
    pub fn new(
        shared: Arc<RecorderState>,
        media: Media,
        counts: Option<Counts>,
        commands: mpsc::Receiver<RecordingCommand>,
        beat: &'a Heartbeat,
    ) -> Recorder<'a> {
        Recorder {
            lines: None,
            unknown: None,
            states: shared.pipeline.states(),
            settings: shared.settings.subscribe(),
            ring_limit: None,
            media,
            beat,
            commands,
            counts,
            crossings: None,
            trigger: None,
            view: None,
            armed: None,
            demand: None,
            backlog: Backlog::default(),
            ring_gap: false,
            wanted: None,
            running: None,
            beginning: None,
            ending: None,
            end_told: Vec::new(),
            closing: None,
            next: None,
            dropped: 0,
            failure: None,
            told_us: 0,
            shared,
        }
    }

    /// Runs until [`super::RecorderHandle::stop`]; closes a current recording then.
    pub fn run(mut self, runtime: &Runtime) {
        block_on(runtime, async {
            self.refresh_settings();
            let stop = self.shared.stop.clone();
            while !stop.is_set() {
                self.beat.beat();
                let sleep = Duration::from_micros(self.next_wake_us().saturating_sub(monotonic_us()));
                tokio::select! {
                    biased;
                    () = stop.stopped() => break,
                    Some(command) = self.commands.recv() => {
                        self.drain_pictures();
                        self.handle(command);
                    }
                    begun = wait_job(&mut self.beginning) => {
                        self.drain_pictures();
                        self.handle_row_created(begun);
                    }
                    ended = wait_job(&mut self.ending) => self.handle_recording_ended(ended),
                    Ok(()) = self.states.changed() => {
                        self.drain_pictures();
                        self.handle_state_change();
                    }
                    Ok(()) = self.settings.changed() => {
                        self.drain_pictures();
                        self.refresh_settings();
                    }
                    crossing = next_crossing(&mut self.crossings) => {
                        self.drain_pictures();
                        self.handle_crossing(&crossing);
                    }
                    seen = next(&mut self.view) => {
                        self.handle_picture(seen);
                        self.drain_pictures();
                    }
                    () = tokio::time::sleep(sleep) => self.drain_pictures(),
                }
                self.run_timers();
            }
            self.drain_pictures();
            self.close().await;
        });
    }

    /// Adapts trigger and pre-roll to the settings.
    fn refresh_settings(&mut self) {
        let settings = Arc::clone(&self.settings.borrow_and_update());
        let may_keep = !settings.counts_only;
        self.trigger = Trigger::new(&settings.on_crossing, settings.after_crossing).filter(|_| may_keep);
        self.crossings = match (&self.trigger, self.crossings.take()) {
            (Some(_), None) => self.counts.as_ref().map(Counts::subscribe_crossings),
            (Some(_), heard) => heard,
            (None, _) => None,
        };
        self.lines = self.trigger.as_ref().and(self.counts.as_ref()).map(|counts| {
            let mut lines = counts.lines();
            lines.mark_changed();
            lines
        });
        self.unknown = None;
        self.ring_limit = settings.fps.map(RateLimit::new);
        if settings.pre_roll.is_zero() || !may_keep {
            self.armed = None;
        } else if self.armed.is_none() {
            self.armed = Some(CameraHold::new(&self.shared, false));
        }
        if !may_keep {
            self.reject_waiting(&RecordError::CountsOnly);
            if let Some(next) = self.next.take() {
                next.reject(RecordError::CountsOnly);
            }
            self.finish(Ended::Stopped);
            self.backlog.clear();
        } else if self.armed.is_none() && self.running.is_none() && self.wanted.is_none() {
            self.backlog.clear();
        }
        self.update_subscription();
    }

    /// Ends everything properly, however long the disk takes. The caller that joins the thread has a timeout.
    async fn close(&mut self) {
        let stops = || RecordError::NoPicture(String::from("tallycam stops"), None, None);
        self.reject_waiting(&stops());
        if let Some(next) = self.next.take() {
            next.reject(stops());
        }
        self.finish(Ended::Stopped);
        if self.beginning.is_some() {
            let begun = wait_job(&mut self.beginning).await;
            self.handle_row_created(begun);
        }
        if self.ending.is_some() {
            let ended = wait_job(&mut self.ending).await;
            self.handle_recording_ended(ended);
        }
        self.publish_status(monotonic_us());
    }

    /// Time of the next work without an event.
    fn next_wake_us(&self) -> u64 {
        let now_us = monotonic_us();
        // A recording that is to end waits only for its row.
        let running = self.running.as_ref().filter(|running| running.is_to_end.is_none());
        let again = running.filter(|r| r.recording.is_refused()).map(|_| now_us + AGAIN_US);
        let is_patient = self.view.as_ref().is_some_and(RecordedView::is_batching);
        [
            is_patient.then_some(now_us + LOOK_US),
            self.wanted.as_ref().map(|order| order.until_us),
            running.and_then(|r| r.recording.chunk_ends_us()),
            running.and_then(|r| r.until_us),
            running.and_then(|r| r.quiet_us),
            running
                .and_then(|r| r.lapse.as_ref())
                .map(TimeLapse::wake_us)
                .filter(|&wake_us| wake_us > now_us),
            again,
        ]
        .into_iter()
        .flatten()
        .fold(now_us + HEARTBEAT_US, u64::min)
    }

    fn handle_state_change(&mut self) {
        let state = self.states.borrow_and_update().clone();
        if !matches!(state, CameraState::Paused | CameraState::Trouble(_)) {
            return;
        }
        if let Some(view) = &mut self.view {
            view.mark_gap();
        }
        self.reject_waiting(&no_picture_error(&state));
        if state == CameraState::Paused {
            self.finish(Ended::Stopped);
        }
    }

    fn update_subscription(&mut self) {
        let is_needed = self.armed.is_some() || self.demand.is_some();
        let as_shown = self.wanted.as_ref().is_some_and(|order| order.request.as_shown)
            || self.running.as_ref().is_some_and(|running| running.as_shown);
        match &self.view {
            _ if !is_needed => self.view = None,
            Some(view) if view.as_shown == as_shown => {}
            before => {
                if before.is_some() {
                    // The pre-roll has pictures of the other kind.
                    self.backlog = Backlog::default();
                }
                self.view = Some(RecordedView::new(&self.shared.pipeline, as_shown));
            }
        }
    }

    fn drain_pictures(&mut self) {
        while let Some(seen) = self.view.as_mut().and_then(RecordedView::try_next) {
            self.handle_picture(seen);
        }
    }

    fn handle_picture(&mut self, seen: NextPicture) {
        match seen {
            NextPicture::Shot(shot) => self.append(shot),
            NextPicture::Card => {}
            NextPicture::End => {
                // The pipeline has ended, so the recording ends, too.
                self.view = None;
                self.armed = None;
                self.finish(Ended::Stopped);
                self.reject_waiting(&RecordError::NoPicture(String::from("tallycam stops"), None, None));
            }
        }
    }

    fn append(&mut self, mut shot: Shot) {
        let at_us = shot.picture.stamp.monotonic_us;
        let is_lapse = self.wanted.as_ref().is_some_and(|order| order.request.every.is_some());
        if let Some(running) = &mut self.running {
            if let Some(lapse) = &mut running.lapse {
                if !self.shared.pipeline.is_warm(&shot.picture) {
                    return;
                }
                if let Some(woken_us) = running.woken_us.filter(|woken_us| at_us >= *woken_us) {
                    running.woken_us = None;
                    running.took_us = Some(at_us - woken_us);
                }
                let Some(missed) = lapse.take_if_due(at_us) else { return };
                // Measured only now: until then the camera is open for this picture.
                if let Some(took_us) = running.took_us.take() {
                    lapse.record_wake_time(took_us);
                }
                shot.is_after_gap = missed > 0;
            }
            self.backlog.push(shot);
            // Uses the picture's own time, so that a later waiting picture does not end the chunk of an earlier one.
            self.pump_recording(at_us);
        } else if self.wanted.is_some() {
            if !is_lapse || self.shared.pipeline.is_warm(&shot.picture) {
                self.backlog.push(shot);
                self.create_row();
            }
        } else if self.armed.is_some() {
            self.ring_gap |= shot.is_after_gap;
            if self.ring_limit.as_mut().is_none_or(|limit| limit.accepts(at_us)) {
                shot.is_after_gap = std::mem::take(&mut self.ring_gap);
                self.backlog.push(shot);
                let settings = self.shared.settings();
                self.backlog.trim_to(settings.pre_roll.as_micros() as u64, settings.pre_roll_bytes);
            }
        }
    }

    /// Moves waiting pictures to the recording as far as it accepts them.
    fn pump_recording(&mut self, now_us: u64) {
        let settings = self.shared.settings();
        let room = if settings.pre_roll.is_zero() { ROOM } else { settings.pre_roll_bytes };
        if let Some(running) = &mut self.running {
            running.recording.drain_backlog(&mut self.backlog, room, now_us);
        }
    }

    /// Handles timeouts and waiting pictures.
    fn run_timers(&mut self) {
        let now_us = monotonic_us();
        if self.wanted.as_ref().is_some_and(|order| now_us >= order.until_us) {
            self.reject_waiting(&RecordError::NoPicture(
                String::from("The camera gave no picture in time."),
                None,
                None,
            ));
        }
        self.pump_recording(now_us);
        if let Some(running) = &self.running {
            let is_after = |time: Option<u64>| time.is_some_and(|time_us| now_us >= time_us);
            if running.recording.is_closed() {
                self.finish(Ended::Stopped);
            } else if running.recording.has_reached_limit() || is_after(running.until_us) {
                self.finish(Ended::Limit);
            } else if is_after(running.quiet_us) {
                self.finish(Ended::Quiet);
            } else {
                self.run_time_lapse(now_us);
            }
        }
        // A starting recording and a time-lapse need each picture at once.
        let is_patient = self.wanted.is_none() && self.running.as_ref().is_none_or(|r| r.lapse.is_none());
        if let Some(view) = &mut self.view {
            view.set_batching(is_patient);
        }
        self.check_lines();
        if now_us >= self.told_us + TELL_US || self.has_news() {
            self.publish_status(now_us);
        }
    }

    /// Checks that the configured lines exist. A fault is logged once.
    fn check_lines(&mut self) {
        let (Some(lines), Some(trigger)) = (&mut self.lines, &self.trigger) else { return };
        if !lines.has_changed().unwrap_or(false) {
            return;
        }
        let unknown =
            trigger.unknown_names_note(lines.borrow_and_update().iter().map(|line| line.draft.name.as_str()));
        if let Some(unknown) = unknown.as_ref().filter(|now| self.unknown.as_ref() != Some(now)) {
            log::warn!("{unknown}");
        }
        self.unknown = unknown;
    }

    /// Closes the camera between the pictures of a time-lapse, and opens it in time.
    fn run_time_lapse(&mut self, now_us: u64) {
        let Some(running) = &mut self.running else { return };
        let Some(lapse) = &running.lapse else { return };
        let is_needed = !lapse.is_sleeping_between() || now_us >= lapse.wake_us();
        match (is_needed, self.demand.is_some()) {
            (true, false) => {
                running.woken_us = lapse.is_sleeping_between().then_some(now_us);
                self.demand = Some(CameraHold::new(&self.shared, lapse.is_sleeping_between()));
            }
            (false, true) => self.demand = None,
            _ => return,
        }
        self.update_subscription();
    }

    /// True if a recording has started or ended since the last status.
    fn has_news(&self) -> bool {
        let published = self.shared.status.borrow().now.as_ref().map(|now| now.id);
        let running = self.running.as_ref().map(|running| running.id).filter(|id| *id > 0);
        published != running.or(self.closing.as_ref().map(|closing| closing.id))
    }

    fn publish_status(&mut self, now_us: u64) {
        self.told_us = now_us;
        let running = self.running.as_ref().filter(|running| running.id > 0);
        let tally = self.running.as_ref().map(|running| running.recording.tally()).unwrap_or_default();
        let store = running.and_then(|running| running.recording.error()).map(|error| error.to_string());
        let camera = match &*self.states.borrow() {
            state @ CameraState::Trouble(_) if running.is_some() => Some(describe_state(state)),
            _ => None,
        };
        let status = RecordingStatus {
            now: running.map(ActiveRecording::recorded).or_else(|| self.closing.clone()),
            dropped: self.dropped + tally.dropped,
            trouble: store.or(camera).or_else(|| self.failure.clone()).or_else(|| self.unknown.clone()),
            pre_roll_s: match self.running {
                None if self.armed.is_some() => self.backlog.span_us() as f64 / 1e6,
                _ => 0.0,
            },
        };
        self.shared.status.send_if_modified(|published| {
            let is_new = **published != status;
            if is_new {
                *published = Arc::new(status);
            }
            is_new
        });
    }
}
