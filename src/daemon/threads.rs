//! The threads beside the main thread.

use super::parts::{counting, picture, recording};
use crate::pipeline::Lights;
use tallycam_base::Worker;

/// The threads beside the main thread, with the handles to end them.
pub(super) struct Threads {
    pub(super) capture: Worker,
    pub(super) counting: counting::RunningCounting,
    pub(super) recorder: recording::RunningRecorder,
    /// The light and the thread `lights`. The watchdog does not watch it: a hanging strip is no reason to restart a
    /// camera.
    pub(super) lights: (Lights, Worker),
    pub(super) views: picture::RunningViews,
}

impl Threads {
    /// The threads that must not end by themselves.
    pub(super) fn required_workers(&self) -> impl Iterator<Item = &Worker> {
        let own = [&self.capture, &self.lights.1, &self.views.worker];
        own.into_iter().chain(self.counting.threads()).chain(self.recorder.threads())
    }

    /// The threads that the watchdog watches.
    pub(super) fn watched_workers(&self) -> impl Iterator<Item = &Worker> {
        let own = [&self.capture, &self.views.worker];
        own.into_iter().chain(self.counting.watched_workers()).chain(self.recorder.watched_workers())
    }

    /// Tells every thread to end, after a failed start.
    pub(super) fn request_stop(&self) {
        self.counting.request_stop();
        self.recorder.request_stop();
        self.lights.0.stop();
        self.views.views.stop();
    }
}
