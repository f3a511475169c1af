//! Orders of the recorder: a plan becomes a current recording.

use std::time::Duration;

use crate::pipeline::recording::assembly::{Recording, RecordingLimits};
use crate::pipeline::recording::shared::Begun;
use crate::pipeline::recording::time_lapse::TimeLapse;
use crate::pipeline::recording::trigger::Trigger;
use crate::pipeline::recording::{RecordError, RecorderSettings, RecordingRequest};
use tallycam_base::ClockTime;
use tallycam_base::clock::monotonic_us;
use tallycam_store::media::{AS_SHOWN, Ended, MediaOrigin, NewRecording, Recorded, RecordingHandle};

/// A planned recording.
pub struct RecordingPlan {
    pub request: RecordingRequest,
    pub origin: MediaOrigin,
    pub begun: Option<Begun>,
    pub until_us: u64,
}

/// A current recording.
pub struct ActiveRecording {
    pub recording: Recording<RecordingHandle>,
    pub id: u64,
    pub name: String,
    pub as_shown: bool,
    pub origin: MediaOrigin,
    pub every: Option<Duration>,
    pub began_us: u64,
    /// Time of its end, even without pictures.
    pub until_us: Option<u64>,
    pub begun: Option<Begun>,
    /// End of a recording on a crossing, if nothing crosses until then.
    pub quiet_us: Option<u64>,
    pub lapse: Option<TimeLapse>,
    /// Time at which the camera of a time-lapse was last opened.
    pub woken_us: Option<u64>,
    /// Time from that open to the picture.
    pub took_us: Option<u64>,
    /// It ends as soon as its row exists.
    pub is_to_end: Option<Ended>,
}

impl RecordingPlan {
    /// The plan of its time-lapse, if any, with the first picture due at `began_us`.
    pub fn plan_time_lapse(&self, settings: &RecorderSettings, began_us: u64) -> Option<TimeLapse> {
        let worth_us = settings.sleeps_from.as_micros() as u64;
        self.request.every.map(|every| TimeLapse::new(every.as_micros() as u64, began_us, worth_us))
    }

    /// Starts with the picture of `first`. Returns the current recording and the row to create.
    pub fn start(
        self,
        settings: &RecorderSettings,
        trigger: Option<&Trigger>,
        first: ClockTime,
        source: String,
    ) -> (ActiveRecording, NewRecording) {
        let now_us = monotonic_us();
        let mut lapse = self.plan_time_lapse(settings, first.monotonic_us);
        if let Some(lapse) = &mut lapse {
            lapse.take_if_due(first.monotonic_us);
        }
        let request = self.request;
        // A time-lapse is meant to be long. The configured maximum is for forgotten recordings.
        let usual = if lapse.is_some() { None } else { settings.max_duration };
        let terms = RecordingLimits {
            fps: if lapse.is_some() { None } else { request.fps.or(settings.fps) },
            until_us: request.duration.or(usual).map(|time| now_us + time.as_micros() as u64),
            bytes: request.bytes.or(settings.max_bytes),
            is_each_a_chunk: lapse.is_some(),
        };
        let quiet_us = trigger.map(|trigger| now_us + trigger.quiet_time().as_micros() as u64);
        let running = ActiveRecording {
            recording: Recording::new(first.monotonic_us, terms),
            id: 0,
            name: request.name.clone().unwrap_or_default(),
            as_shown: request.as_shown,
            origin: self.origin,
            every: request.every,
            began_us: first.wall_us,
            until_us: terms.until_us,
            begun: self.begun,
            quiet_us: quiet_us.filter(|_| self.origin == MediaOrigin::Crossing),
            lapse,
            woken_us: None,
            took_us: None,
            is_to_end: None,
        };
        let row = NewRecording {
            name: request.name,
            may_rename: true,
            date: request.date,
            stamp: first,
            source: if request.as_shown { source + AS_SHOWN } else { source },
            origin: self.origin,
            note: request.note,
        };
        (running, row)
    }

    /// Rejects the plan.
    pub fn reject(self, why: RecordError) {
        match self.begun {
            // The requester may be gone.
            Some(begun) => drop(begun.send(Err(why))),
            None => log::warn!("no recording on a crossing: {why}"),
        }
    }
}

impl ActiveRecording {
    /// Its published figures: those on the disk, so that a full disk does not revoke them.
    pub fn recorded(&self) -> Recorded {
        let written = self.recording.written();
        Recorded {
            id: self.id,
            name: self.name.clone(),
            origin: self.origin,
            began_us: self.began_us,
            duration_us: written.to_us,
            frames: written.frames,
            bytes: written.bytes,
            gaps: written.gaps,
            every: self.every,
        }
    }
}
