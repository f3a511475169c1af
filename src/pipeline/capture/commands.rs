//! Requests that the capture thread serves between two frames: the camera's controls and formats, a source on trial,
//! other settings.

use std::sync::Arc;
use std::time::Instant;

use super::camera_info::{CameraInfo, ClosedCamera};
use super::trial::{SourceTrial, Swap};
use super::{Capture, OPEN_TAKES};
use crate::pipeline::CameraState;
use crate::pipeline::commands::{CaptureCommand, ControlsError};
use tallycam_camera::media::SourceError;
use tallycam_camera::source::{Opener as _, Source};

impl Capture<'_> {
    /// Serves one request, in order, so that frames come between many of them. Returns another source to try; the
    /// caller closes `open` first. A camera that a pause has closed is not accessed.
    pub(super) fn handle_next(&mut self, mut open: Option<&mut (dyn Source + 'static)>) -> Option<Swap> {
        self.beat.beat_with_extension(OPEN_TAKES);
        let shared = Arc::clone(&self.shared);
        let (command, saved, is_saved_new, is_paused) = {
            let mut requests = shared.lock_requests();
            let is_saved_new = std::mem::take(&mut requests.has_new_saved);
            let command = requests.commands.as_mut().and_then(|commands| {
                // Requesters that have gone already got an error.
                commands.retain(|waiting| !waiting.is_abandoned());
                // Only one source is on trial at a time.
                let is_source = |command: &CaptureCommand| matches!(command, CaptureCommand::Replace(..));
                let may_be = self.trial.is_none() || !commands.front().is_some_and(is_source);
                let command = if may_be { commands.pop_front() } else { None };
                if !commands.is_empty() {
                    shared.set_request_flag();
                }
                command
            });
            (command, Arc::clone(&requests.saved), is_saved_new, requests.is_paused)
        };
        if is_saved_new {
            for note in self.tuning.sync_saved(open.as_deref_mut(), &saved) {
                log::warn!("{note}");
            }
            if open.is_some() {
                self.known.update_controls(self.tuning.known_controls());
            }
        }
        let mut swap = None;
        let mut closed = ClosedCamera { known: &mut self.known, opener: &mut *self.opener, is_paused };
        // A requester may be gone by now.
        match command {
            None => {}
            Some(CaptureCommand::Controls(answer)) => {
                let _ = answer.send(match open {
                    Some(source) => closed.known.record_controls(self.tuning.read(source)),
                    None => self.tuning.read_closed(&mut closed, &saved),
                });
            }
            Some(CaptureCommand::RecentControls(answer)) => {
                let _ =
                    answer.send(match (self.tuning.recently_read(open.is_some(), Instant::now()), open) {
                        (Some(recent), _) => Ok(recent),
                        (None, Some(source)) => closed.known.record_controls(self.tuning.read(source)),
                        (None, None) => self.tuning.read_closed(&mut closed, &saved),
                    });
            }
            Some(CaptureCommand::SetControls(wanted, answer)) => {
                let _ = answer.send(match open {
                    _ if closed.is_other_camera(open.as_deref(), &wanted) => Err(ControlsError::OtherCamera),
                    Some(source) => {
                        closed.known.record_controls(self.tuning.set(source, &wanted.values, &saved))
                    }
                    None => self.tuning.set_closed(&mut closed, &wanted.values, &saved),
                });
            }
            Some(CaptureCommand::ResetControls(defaults, answer)) => {
                let _ = answer.send(match open {
                    _ if closed.is_other_camera(open.as_deref(), &defaults) => {
                        Err(ControlsError::OtherCamera)
                    }
                    Some(source) => {
                        closed.known.record_controls(self.tuning.reset(source, &defaults.values, &saved))
                    }
                    None => self.tuning.reset_closed(&mut closed, &defaults.values, &saved),
                });
            }
            Some(CaptureCommand::Formats(answer)) => {
                let _ = answer.send(closed.formats().map_err(Into::into));
            }
            Some(CaptureCommand::Replace(opener, answer)) if is_paused => {
                log::info!("the source will be {} after the pause", opener.describe());
                self.shared.lock_figures().source = opener.describe();
                self.opener = opener;
                self.known = CameraInfo::default();
                self.tuning.invalidate();
                let _ = answer.send(Ok(()));
            }
            // Later requests go to the new source.
            Some(CaptureCommand::Replace(opener, answer)) => swap = Some(Swap { opener, answer }),
        }
        self.beat.beat();
        swap
    }

    /// Puts another source in the camera's place, on trial. The source before is closed already.
    pub(super) fn start_trial(&mut self, swap: Swap) {
        let Swap { opener, answer } = swap;
        log::info!("trying another source: {}", opener.describe());
        self.was_tried_asleep = *self.shared.state.borrow() == CameraState::Asleep;
        self.shared.lock_figures().source = opener.describe();
        self.tuning.invalidate();
        let before = std::mem::replace(&mut self.opener, opener);
        self.trial = Some(SourceTrial { before, known: std::mem::take(&mut self.known), answer });
    }

    /// The source on trial has delivered a picture: it stays unless the requester has gone.
    pub(super) fn has_trial_passed(&mut self) -> bool {
        if self.trial.as_ref().is_some_and(|trial| trial.answer.is_closed()) {
            return false;
        }
        if let Some(trial) = self.trial.take() {
            log::info!("the source is now {}", self.opener.describe());
            let _ = trial.answer.send(Ok(()));
        }
        true
    }

    /// Ends a trial, if there is one, and restores the source before. Returns true if that source must be opened
    /// again now.
    pub(super) fn abort_trial(&mut self, trouble: SourceError) -> bool {
        let Some(SourceTrial { before, known, answer }) = self.trial.take() else { return false };
        log::warn!("back to {}: the other source delivers no frame: {trouble}", before.describe());
        self.shared.lock_figures().source = before.describe();
        (self.opener, self.known) = (before, known);
        self.tuning.invalidate();
        self.was_tried_asleep = false;
        let _ = answer.send(Err(trouble));
        // A source that had ended for good is not restarted.
        self.trouble.as_ref().is_none_or(|retry| !retry.kind.is_final())
    }

    pub(super) fn set_quality(&mut self, quality: u8) {
        if let Err(error) = self.encoder.set_quality(quality) {
            log::error!("the pictures' quality could not be set to {quality}: {error}");
        }
    }
}
