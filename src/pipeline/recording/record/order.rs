//! What is wanted of the recorder, and what becomes of it: an order, then a recording under way.

use std::time::Duration;

use crate::base::ClockTime;
use crate::base::clock::monotonic_us;
use crate::pipeline::recording::assembly::{Recording, RecordingLimits};
use crate::pipeline::recording::shared::Begun;
use crate::pipeline::recording::time_lapse::TimeLapse;
use crate::pipeline::recording::trigger::Trigger;
use crate::pipeline::recording::{AS_SHOWN, RecordError, RecorderSettings, RecordingRequest};
use crate::store::media::{Ended, MediaOrigin, NewRecording, Recorded, RecordingHandle};

/// A recording that is wanted.
pub struct RecordingPlan {
    pub request: RecordingRequest,
    pub origin: MediaOrigin,
    pub begun: Option<Begun>,
    pub until_us: u64,
}

/// A recording under way.
pub struct ActiveRecording {
    pub recording: Recording<RecordingHandle>,
    pub id: u64,
    pub name: String,
    pub as_shown: bool,
    pub origin: MediaOrigin,
    pub every: Option<Duration>,
    pub began_us: u64,
    /// It ends at this time, whether pictures come or not.
    pub until_us: Option<u64>,
    pub begun: Option<Begun>,
    /// One that a crossing began: ends when nothing has crossed until then.
    pub quiet_us: Option<u64>,
    pub lapse: Option<TimeLapse>,
    /// Since when the camera of a time-lapse wakes.
    pub woken_us: Option<u64>,
    /// How long waking took, until its picture.
    pub took_us: Option<u64>,
    /// It is to end as soon as its row is made.
    pub is_to_end: Option<Ended>,
}

impl RecordingPlan {
    /// The plan of its time-lapse, if it is one, with the first picture due at `began_us`.
    pub fn plan_time_lapse(&self, settings: &RecorderSettings, began_us: u64) -> Option<TimeLapse> {
        let worth_us = settings.sleeps_from.as_micros() as u64;
        self.request.every.map(|every| TimeLapse::new(every.as_micros() as u64, began_us, worth_us))
    }

    /// It begins with the picture of `first`: what runs from now on, and the row that is to be made.
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
        // A time-lapse is meant to be long: the configured time is for recordings that somebody forgets.
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

    /// It does not begin.
    pub fn reject(self, why: RecordError) {
        match self.begun {
            // Who has gone does not mind.
            Some(begun) => drop(begun.send(Err(why))),
            None => log::warn!("no recording on a crossing: {why}"),
        }
    }
}

impl ActiveRecording {
    /// What is told of it: what is on the disk, so that nothing is promised that a full one takes back.
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
