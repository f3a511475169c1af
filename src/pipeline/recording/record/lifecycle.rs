//! Start and end of a recording: wanted, row being created, running, ended.

use tokio::task::{JoinError, spawn_blocking};

use super::order::{ActiveRecording, RecordingPlan};
use super::waits::{create_row, ended_before_start};
use super::{FIRST_WITHIN, Recorder};
use crate::pipeline::recording::assembly::FrameTally;
use crate::pipeline::recording::error::no_picture_error;
use crate::pipeline::recording::shared::{Begun, CameraHold, RecordingCommand};
use crate::pipeline::recording::{RecordError, RecordingRequest};
use tallycam_base::clock::{monotonic_us, wall_us};
use tallycam_base::{Fault, FaultKind};
use tallycam_store::StoredCrossing;
use tallycam_store::media::{Ended, Item, MediaError, MediaOrigin, RecordingHandle};

impl Recorder<'_> {
    pub(super) fn handle(&mut self, command: RecordingCommand) {
        match command {
            RecordingCommand::Begin(request, begun) => self.request_recording(*request, begun),
            RecordingCommand::End(reply) => {
                if let Some(next) = self.next.take() {
                    next.reject(ended_before_start());
                }
                self.reject_waiting(&ended_before_start());
                if self.running.is_some() {
                    self.end_told.push(reply);
                    self.finish(Ended::Asked);
                } else if self.ending.is_some() {
                    self.end_told.push(reply);
                } else {
                    // The requester may be gone.
                    let _ = reply.send(Ok(None));
                }
            }
        }
    }

    /// Handles a request for a recording. It replaces one that a crossing started.
    pub(super) fn request_recording(&mut self, request: RecordingRequest, begun: Begun) {
        let under_way = match (&self.running, &self.wanted, &self.next) {
            (Some(running), ..) if running.origin != MediaOrigin::Crossing => Some(running.name.clone()),
            (_, Some(order), _) | (_, _, Some(order)) if order.origin != MediaOrigin::Crossing => {
                Some(order.request.name.clone().unwrap_or_default())
            }
            _ => None,
        };
        if let Some(name) = under_way {
            let fault = Fault::new(FaultKind::Taken, format!("{name:?} is being recorded already"));
            let _ = begun.send(Err(fault.hint("stop that recording first").into()));
            return;
        }
        self.wanted = None;
        self.next = None;
        let origin = if request.every.is_some() { MediaOrigin::TimeLapse } else { MediaOrigin::Asked };
        let until_us = monotonic_us() + FIRST_WITHIN.as_micros() as u64;
        let order = RecordingPlan { request, origin, begun: Some(begun), until_us };
        self.finish(Ended::Asked);
        if self.ending.is_some() || self.running.is_some() {
            self.next = Some(order);
        } else {
            self.wake_camera_for(order);
        }
    }

    pub(super) fn handle_crossing(&mut self, crossing: &StoredCrossing) {
        let (Some(trigger), Some(counts)) = (&self.trigger, &self.counts) else { return };
        if !trigger.matches(crossing, counts.scene(), wall_us()) {
            return;
        }
        let now_us = monotonic_us();
        if let Some(running) = &mut self.running {
            if running.origin == MediaOrigin::Crossing {
                running.quiet_us = Some(now_us + trigger.quiet_time().as_micros() as u64);
            }
            return;
        }
        if self.wanted.is_some() || self.next.is_some() {
            return;
        }
        let order = RecordingPlan {
            request: RecordingRequest {
                note: format!("{} {}", crossing.line, crossing.class),
                ..RecordingRequest::default()
            },
            origin: MediaOrigin::Crossing,
            begun: None,
            until_us: now_us + FIRST_WITHIN.as_micros() as u64,
        };
        if self.ending.is_some() {
            self.next = Some(order);
        } else {
            self.wake_camera_for(order);
        }
    }

    /// Opens the camera for a recording, which starts with its first picture or the oldest of the pre-roll.
    pub(super) fn wake_camera_for(&mut self, order: RecordingPlan) {
        let state = self.states.borrow_and_update().clone();
        if self.shared.pipeline.shared.is_hopeless(&state) {
            order.reject(no_picture_error(&state));
            return;
        }
        // The camera may have been closed meanwhile.
        let pre_roll_us = self.shared.settings().pre_roll.as_micros() as u64;
        let expired_us = self.shared.pipeline.originals().expired_us();
        self.backlog.drop_before(monotonic_us().saturating_sub(pre_roll_us).max(expired_us));
        let lapse = order.plan_time_lapse(&self.shared.settings(), 0);
        if lapse.is_some() {
            self.backlog.clear();
        }
        let is_brief = lapse.is_some_and(|lapse| lapse.is_sleeping_between());
        self.demand = Some(CameraHold::new(&self.shared, is_brief));
        self.wanted = Some(order);
        self.update_subscription();
        if self.backlog.oldest().is_some() {
            self.create_row();
        }
    }

    /// Creates the row of the recording at its first picture, while more pictures arrive.
    pub(super) fn create_row(&mut self) {
        let Some(first) = self.backlog.oldest().map(|shot| shot.picture.stamp) else { return };
        let Some(order) = self.wanted.take() else { return };
        let (running, new) = order.start(
            &self.shared.settings(),
            self.trigger.as_ref(),
            first,
            self.shared.pipeline.source_name(),
        );
        self.running = Some(running);
        let media = self.media.clone();
        self.beginning = Some(spawn_blocking(move || create_row(&media, new)));
    }

    pub(super) fn handle_row_created(
        &mut self,
        made: Result<Result<(RecordingHandle, Item), MediaError>, JoinError>,
    ) {
        let Some(running) = &mut self.running else { return };
        let made = made.unwrap_or_else(|panicked| Err(MediaError::Wrong(panicked.to_string())));
        match made {
            Ok((handle, item)) => {
                log::info!("recording {:?} begins ({})", item.name, item.origin.as_str());
                running.recording.attach_sink(handle);
                (running.id, running.name) = (item.id, item.name.clone());
                let (begun, is_to_end) = (running.begun.take(), running.is_to_end.take());
                self.failure = None;
                // The status goes before the answer, so that the requester finds the recording there.
                self.publish_status(monotonic_us());
                if let Some(begun) = begun {
                    let _ = begun.send(Ok(item));
                }
                if let Some(ended) = is_to_end {
                    self.finish(ended);
                }
            }
            Err(error) => {
                let begun = running.begun.take();
                self.clear_running();
                self.backlog.clear();
                match begun {
                    Some(begun) => drop(begun.send(Err(error.into()))),
                    None => self.log_failure(format!("nothing is recorded at a crossing: {error}")),
                }
                for reply in self.end_told.drain(..) {
                    let _ = reply.send(Ok(None));
                }
                self.start_next_order();
            }
        }
    }

    /// Ends the current recording. Its last chunk is written on the pool.
    pub(super) fn finish(&mut self, ended: Ended) {
        let Some(running) = &mut self.running else { return };
        if self.beginning.is_some() {
            running.is_to_end.get_or_insert(ended);
            return;
        }
        let backlog = std::mem::take(&mut self.backlog);
        let Some(running) = self.clear_running() else { return };
        log::info!("recording {:?} ends: {}", running.name, ended.as_str());
        self.closing = Some(running.recorded());
        self.ending = Some(spawn_blocking(move || running.recording.finish(backlog, ended)));
    }

    /// Clears the current recording and releases the camera.
    pub(super) fn clear_running(&mut self) -> Option<ActiveRecording> {
        self.demand = None;
        let running = self.running.take();
        self.update_subscription();
        running
    }

    pub(super) fn handle_recording_ended(
        &mut self,
        ended: Result<(Result<Option<Item>, MediaError>, FrameTally), JoinError>,
    ) {
        let (result, tally) = match ended {
            Ok(ended) => ended,
            Err(panicked) => (Err(MediaError::Wrong(panicked.to_string())), FrameTally::default()),
        };
        let closing = self.closing.take();
        // Includes pictures that the store accepted and could not write.
        let unwritten = match (&result, &closing) {
            (Ok(Some(item)), _) => tally.frames.saturating_sub(item.frames),
            (Err(_), Some(closing)) => tally.frames.saturating_sub(closing.frames),
            _ => 0,
        };
        self.dropped += tally.dropped + unwritten;
        let lost = tally.dropped_at_end + unwritten;
        if lost > 0 {
            let name = closing.map(|closing| closing.name).unwrap_or_default();
            log::error!("the end of recording {name:?} is lost, {lost} pictures: the store took no more");
        }
        match &result {
            Ok(Some(item)) => log::info!(
                "recorded {:?}: {} pictures, {} gaps, {} bytes",
                item.name,
                item.frames,
                item.gaps,
                item.bytes
            ),
            Ok(None) => {}
            Err(error) => {
                self.log_failure(format!("a recording could not be ended, and is closed later: {error}"))
            }
        }
        self.publish_status(monotonic_us());
        for reply in self.end_told.drain(..) {
            let _ = reply.send(result.clone().map_err(|why| RecordError::NotClosed { lost, why }));
        }
        self.start_next_order();
    }

    pub(super) fn start_next_order(&mut self) {
        if let Some(mut order) = self.next.take() {
            order.until_us = order.until_us.max(monotonic_us() + FIRST_WITHIN.as_micros() as u64);
            self.wake_camera_for(order);
        }
    }

    pub(super) fn log_failure(&mut self, failure: String) {
        if self.failure.as_ref() != Some(&failure) {
            log::error!("{failure}");
            self.failure = Some(failure);
        }
    }

    pub(super) fn reject_waiting(&mut self, why: &RecordError) {
        if let Some(order) = self.wanted.take() {
            order.reject(why.clone());
            self.clear_running();
        }
    }
}
