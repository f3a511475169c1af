//! An open source: its frames become pictures until it is closed or fails.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::card::WAKING_CARD;
use super::sensor_pace::SensorPace;
use super::timeouts::OpenOptions;
use super::trial::trial_abandoned;
use super::{Capture, FRAME_WAIT, OPEN_TAKES, StreamEnd};
use crate::pipeline::capture_state::Shots;
use crate::pipeline::rate::{RateLimit, Spacing};
use crate::pipeline::{CameraState, CaptureOptions};
use tallycam_base::{Fault, Stop};
use tallycam_camera::media::{Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam_camera::source::{LateStart, Source, StreamFormat};

/// Interval at which the opener is asked for a better source.
const LOOK_FOR_BETTER: Duration = Duration::from_secs(3);
/// Time until viewers of an old picture get the card of a starting camera.
const STALE: Duration = Duration::from_secs(2);

/// An open source and the state of its frames. A step breaks with the reason why the session ends.
pub(super) struct OpenCamera<'s, 'a> {
    capture: &'s mut Capture<'a>,
    began: Instant,
    fps: Option<f64>,
    size: (u32, u32),
    terms: OpenOptions,
    limit: Option<RateLimit>,
    last_frame: Instant,
    last_good: Instant,
    last_look: Instant,
    /// For a camera on this machine that promises a rate.
    pace: Option<SensorPace>,
    /// A change of the pace that is not told yet: the frames a second of a slow camera.
    pace_change: Option<Option<f64>>,
    spacing: Spacing,
    /// Longer one of the last two intervals between frames, in microseconds.
    interval_us: Option<u64>,
    late: Option<LateStart>,
    /// The first frame is late, and that has been told.
    is_late: bool,
    next_sequence: Option<u64>,
    /// No picture has been published yet.
    is_first: bool,
    is_card_shown: bool,
}

impl Capture<'_> {
    /// Takes frames from the source until it is closed or fails. Opening began at `began`.
    pub(super) fn stream(
        &mut self,
        mut source: Box<dyn Source>,
        began: Instant,
        interrupt: &Stop,
    ) -> StreamEnd {
        OpenCamera::start(self, &mut *source, began).run(&mut *source, interrupt)
    }
}

impl<'s, 'a> OpenCamera<'s, 'a> {
    /// Prepares the source. Opening began at `began`.
    pub fn start(
        capture: &'s mut Capture<'a>,
        source: &mut dyn Source,
        began: Instant,
    ) -> OpenCamera<'s, 'a> {
        let shared = Arc::clone(&capture.shared);
        let mut delivers = source.source_info().clone();
        // A camera that fails again and again must not fill the log.
        let (level, for_notes) = match capture.trouble {
            Some(_) => (log::Level::Debug, log::Level::Debug),
            None => (log::Level::Info, log::Level::Warn),
        };
        log::log!(level, "camera open: {} {}", delivers.name, describe_source(&delivers));
        source.set_wake_bell(&shared.wake_fd);
        let saved = Arc::clone(&shared.lock_requests().saved);
        delivers.notes.extend(capture.tuning.apply_on_open(source, &saved));
        capture.known.record_open(source.identity());
        capture.known.update_controls(capture.tuning.known_controls());
        for note in &delivers.notes {
            log::log!(for_notes, "{note}");
        }
        let (fps, size) = (delivers.fps, (delivers.width, delivers.height));
        let terms = OpenOptions::new(shared.settings(), fps, source.first_frame_within());
        capture.set_quality(terms.settings.quality);
        shared.lock_figures().record_open(delivers);
        shared.update_requests(|requests| requests.last_needed = Instant::now());
        let opened = Instant::now();
        OpenCamera {
            capture,
            began,
            fps,
            size,
            limit: terms.settings.fps.map(RateLimit::new),
            terms,
            last_frame: opened,
            last_good: opened,
            last_look: opened,
            pace: fps.filter(|_| source.identity().is_some()).map(|fps| SensorPace::new(fps, opened)),
            pace_change: None,
            spacing: Spacing::default(),
            interval_us: None,
            late: source.late_start(),
            is_late: false,
            next_sequence: None,
            is_first: true,
            is_card_shown: shared.hub.newest().is_some_and(|picture| picture.is_card),
        }
    }

    /// Takes frames until the session ends.
    pub fn run(mut self, source: &mut (dyn Source + 'static), interrupt: &Stop) -> StreamEnd {
        loop {
            if let ControlFlow::Break(end) = self.step(source, interrupt) {
                return end;
            }
        }
    }

    fn step(&mut self, source: &mut (dyn Source + 'static), interrupt: &Stop) -> ControlFlow<StreamEnd> {
        self.capture.beat.beat();
        self.check_demand()?;
        self.handle_requests(source)?;
        self.look_for_better(source, interrupt)?;
        self.note_pace(source);
        self.show_waking_card();
        self.capture.publish_to_newcomers(self.terms.settings.quality);
        match source.next(FRAME_WAIT) {
            Ok(Some(frame)) => self.on_frame(&frame),
            Ok(None) => match source.take_missed() {
                Some(fault) => self.on_missed(fault),
                None => self.on_silence(),
            },
            Err(trouble) => ControlFlow::Break(StreamEnd::Failed(trouble)),
        }
    }

    fn check_demand(&mut self) -> ControlFlow<StreamEnd> {
        if let Some(why) = self.capture.release_reason() {
            log::info!("camera closed: {why}");
            return ControlFlow::Break(StreamEnd::Released);
        }
        if self.capture.needs_largest(Some(self.size)) {
            return ControlFlow::Break(StreamEnd::ForLargest);
        }
        ControlFlow::Continue(())
    }

    fn handle_requests(&mut self, source: &mut (dyn Source + 'static)) -> ControlFlow<StreamEnd> {
        if !self.capture.shared.take_request_flag() {
            return ControlFlow::Continue(());
        }
        if let Some(swap) = self.capture.handle_next(Some(source)) {
            log::info!("camera closed: trying another source");
            return ControlFlow::Break(StreamEnd::Swap(swap));
        }
        let new = self.capture.shared.settings();
        if new != self.terms.settings {
            if new.fps != self.terms.settings.fps {
                self.limit = new.fps.map(RateLimit::new);
            }
            self.terms = OpenOptions::new(new, self.fps, source.first_frame_within());
            self.capture.set_quality(self.terms.settings.quality);
        }
        ControlFlow::Continue(())
    }

    fn look_for_better(&mut self, source: &dyn Source, interrupt: &Stop) -> ControlFlow<StreamEnd> {
        if self.last_look.elapsed() < LOOK_FOR_BETTER {
            return ControlFlow::Continue(());
        }
        self.capture.beat.beat_with_extension(OPEN_TAKES);
        if let Some(better) = self.capture.opener.find_better(interrupt) {
            log::info!("{} is replaced by a better source", source.source_info().name);
            return ControlFlow::Break(StreamEnd::Replaced(better));
        }
        self.capture.beat.beat();
        self.last_look = Instant::now();
        ControlFlow::Continue(())
    }

    /// Shows the card of a starting camera if the first picture takes long.
    fn show_waking_card(&mut self) {
        if !self.is_first || self.is_card_shown || self.capture.trouble.is_some() {
            return;
        }
        let has_picture = self.capture.shared.hub.newest().is_some();
        if self.began.elapsed() >= if has_picture { STALE } else { WAKING_CARD } {
            self.is_card_shown = true;
            // A stand-in was live until now.
            self.capture.shared.set_state(CameraState::Waking);
            self.capture.show_card(&CameraState::Waking);
        }
    }

    fn on_frame(&mut self, frame: &Frame<'_>) -> ControlFlow<StreamEnd> {
        self.last_frame = Instant::now();
        self.interval_us = self.spacing.record_picture((self.last_frame - self.began).as_micros() as u64);
        self.count_frame(frame.sequence);
        if !self.is_due(frame) {
            return ControlFlow::Continue(());
        }
        // The newest mask: frames captured after its change have it.
        let CaptureOptions { mask, quality, .. } = self.capture.shared.settings();
        let mut masker = self.capture.masker.take();
        let masked = match mask.is_empty() {
            true => Ok(Frame { ..*frame }),
            false => masker.get_or_insert_default().apply(frame, &mask, quality),
        };
        let flow = match masked.and_then(|frame| Ok((self.capture.encode_shots(&frame, quality)?, frame))) {
            Ok((shots, frame)) => self.on_picture(&frame, shots),
            Err(error) => self.on_broken(&error),
        };
        // Its buffers are as large as frames.
        self.capture.masker = masker.filter(|_| !mask.is_empty());
        flow
    }

    fn count_frame(&mut self, sequence: u64) {
        let gap = self.next_sequence.map_or(0, |expected| sequence.saturating_sub(expected));
        self.next_sequence = Some(sequence.saturating_add(1));
        if let Some(change) = self.pace.as_mut().and_then(|pace| pace.record_frame(gap, self.last_frame)) {
            self.pace_change = Some(change);
        }
        let mut figures = self.capture.shared.lock_figures();
        figures.frames += 1;
        figures.lost += gap;
    }

    /// Tells that the camera sends fewer frames than it promises, or no longer does.
    fn note_pace(&mut self, source: &mut dyn Source) {
        let (Some(change), Some(pace)) = (self.pace_change.take(), &self.pace) else { return };
        let controls = change.and_then(|_| source.controls().ok()).unwrap_or_default();
        let note = {
            let mut figures = self.capture.shared.lock_figures();
            let Some(delivers) = &mut figures.delivers else { return };
            pace.note(&mut delivers.notes, change, &controls);
            change.and_then(|_| delivers.notes.last().cloned())
        };
        if let Some(note) = note {
            log::warn!("{note}");
        }
    }

    /// True if the frame becomes a picture at the configured rate. Subscribers without a picture, after a change of
    /// the view, get the next frame at once.
    fn is_due(&mut self, frame: &Frame<'_>) -> bool {
        let hub = &self.capture.shared.hub;
        let is_missed = || hub.has_subscribers() && hub.newest().is_none();
        self.limit.as_mut().is_none_or(|limit| limit.accepts(frame.stamp.monotonic_us)) || is_missed()
    }

    fn on_picture(&mut self, frame: &Frame<'_>, shots: Shots) -> ControlFlow<StreamEnd> {
        self.last_good = self.last_frame;
        if self.capture.trial.is_some() && !self.capture.has_trial_passed() {
            return ControlFlow::Break(StreamEnd::Failed(trial_abandoned()));
        }
        let shared = Arc::clone(&self.capture.shared);
        // Stored before the picture is published, because its receiver looks for it.
        shared.keep_second_frame(frame);
        // The picture goes before the state, so that a reader of "live" finds one.
        if !shared.publish(shots, self.capture.showing.view())
            && let Ok(Shots { shown: Some(again), .. }) =
                self.capture.encode_shots(frame, self.terms.settings.quality)
        {
            shared.republish(again, self.capture.showing.view());
        }
        if self.is_first || self.capture.trouble.is_some() {
            self.is_first = false;
            self.go_live()?;
        }
        ControlFlow::Continue(())
    }

    fn go_live(&mut self) -> ControlFlow<StreamEnd> {
        let capture = &mut *self.capture;
        if capture.trouble.is_some() {
            let most = self.terms.settings.failed_reads;
            if !capture.shared.lock_figures().stability.is_settled(most) {
                // It fails most of the time: the next picture may be the last one again.
                return ControlFlow::Continue(());
            }
            capture.trouble = None;
            log::info!("the camera is back");
        }
        capture.shared.set_state(CameraState::Live);
        if std::mem::take(&mut capture.was_tried_asleep) && !capture.is_needed() {
            log::info!("camera closed: nobody needs it");
            return ControlFlow::Break(StreamEnd::Released);
        }
        capture.was_live = true;
        ControlFlow::Continue(())
    }

    fn on_silence(&mut self) -> ControlFlow<StreamEnd> {
        let (allowed, silent_for) = (self.patience(), self.last_frame.elapsed());
        if silent_for < allowed {
            return ControlFlow::Continue(());
        }
        let fault = silent_fault(&self.capture.opener.describe(), allowed);
        let Some(late) = self.late.filter(|_| self.is_first) else {
            return ControlFlow::Break(StreamEnd::Failed(fault));
        };
        let fault = fault.hint(late.hint);
        if silent_for >= late.within || self.capture.trial.is_some() {
            return ControlFlow::Break(StreamEnd::Failed(fault));
        }
        if !std::mem::replace(&mut self.is_late, true) {
            self.capture.record_fault(fault);
        }
        ControlFlow::Continue(())
    }

    /// How long the next frame may take. A camera slower than its timeout is known by its last frames.
    fn patience(&self) -> Duration {
        let OpenOptions { first_within, silent_after, .. } = self.terms;
        match self.interval_us {
            _ if self.is_first => first_within,
            None if self.late.is_some() => first_within,
            None => silent_after,
            Some(us) => silent_after.max(first_within.min(Duration::from_micros(us.saturating_mul(3)))),
        }
    }

    fn on_broken(&mut self, error: &Fault) -> ControlFlow<StreamEnd> {
        let broken = {
            let mut figures = self.capture.shared.lock_figures();
            figures.broken += 1;
            figures.broken
        };
        let failed_reads = self.count_failed_read();
        // The first, then ever rarer: a loose cable must not fill the log.
        if broken.is_power_of_two() || failed_reads == self.terms.settings.failed_reads {
            log::warn!("{}, {broken} so far", error);
        }
        self.judge_failed(4, |source| broken_pictures_fault(source, error))
    }

    /// An answer without a picture, of a camera of stills.
    fn on_missed(&mut self, fault: SourceError) -> ControlFlow<StreamEnd> {
        self.last_frame = Instant::now();
        log::debug!("{fault}; it is asked again");
        self.count_failed_read();
        // Some cameras lock out whoever shows a wrong password too often.
        let patience = if fault.kind == SourceErrorKind::Denied { 1 } else { 4 };
        self.judge_failed(patience, |_| fault)
    }

    /// The number of failed reads in a row. A trial does not affect health.
    fn count_failed_read(&self) -> u32 {
        let mut figures = self.capture.shared.lock_figures();
        if self.capture.trial.is_none() {
            figures.stability.record_failed(Instant::now());
            figures.failed_reads = figures.failed_reads.saturating_add(1);
        }
        figures.failed_reads
    }

    /// Decides after a failed frame: it may be one of a few, a fault of an open camera, or its end after `patience`
    /// times as long without a picture.
    fn judge_failed(
        &mut self,
        patience: u32,
        fault: impl FnOnce(&str) -> SourceError,
    ) -> ControlFlow<StreamEnd> {
        let (without, allowed) = (self.last_good.elapsed(), self.terms.broken_after);
        let patience = if self.capture.trial.is_some() { 1 } else { patience };
        let fault = || fault(&self.capture.opener.describe());
        if without >= allowed.saturating_mul(patience) {
            return ControlFlow::Break(StreamEnd::Failed(fault()));
        }
        let (had_pictures, failed_for) = {
            let stability = &self.capture.shared.lock_figures().stability;
            (stability.has_pictures(), stability.failed_for(Instant::now()))
        };
        let is_new = self.capture.trouble.is_none();
        if (without >= allowed && (is_new || had_pictures)) || (is_new && failed_for >= allowed) {
            let fault = fault();
            self.capture.record_fault(fault);
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn silent_fault(source: &str, time: Duration) -> SourceError {
    SourceError::new(
        SourceErrorKind::Silent,
        format!("{source} has sent no frame for {:.1} s", time.as_secs_f64()),
    )
    .hint(
        "it is reopened; if this repeats, check its cable and power supply, or raise the camera timeout in \
             Settings for a slow camera",
    )
}

pub(super) fn broken_pictures_fault(source: &str, error: &Fault) -> SourceError {
    SourceError::new(SourceErrorKind::Broken, format!("{source} sends broken pictures"))
        .because(error)
        .hint("check its cable, or try a smaller size or another format")
}

pub(super) fn describe_source(delivers: &StreamFormat) -> String {
    let size =
        if delivers.width > 0 { format!("{}×{} ", delivers.width, delivers.height) } else { String::new() };
    let format = if delivers.fourcc == Fourcc::JPEG { Fourcc::MJPG } else { delivers.fourcc };
    let fps = delivers.fps.map_or_else(String::new, |fps| format!(" at {fps:.4} fps"));
    format!("{size}{format}{fps}")
}
