//! What works beside the main thread.

use super::parts::{counting, picture, recording};
use crate::base::Worker;
use crate::pipeline::Lights;

/// What works beside the main thread.
pub(super) struct Threads {
    pub(super) capture: Worker,
    pub(super) counting: counting::RunningCounting,
    pub(super) recorder: recording::RunningRecorder,
    /// The light and the thread `lights`. The watchdog does not listen to its heart: a strip that hangs is no reason to
    /// restart a camera.
    pub(super) lights: (Lights, Worker),
    pub(super) views: picture::RunningViews,
}

impl Threads {
    /// All without which something is not done that should be.
    pub(super) fn required_workers(&self) -> impl Iterator<Item = &Worker> {
        let own = [&self.capture, &self.lights.1, &self.views.worker];
        own.into_iter().chain(self.counting.threads()).chain(self.recorder.threads())
    }

    /// Those whose hearts the watchdog listens to.
    pub(super) fn watched_workers(&self) -> impl Iterator<Item = &Worker> {
        let own = [&self.capture, &self.views.worker];
        own.into_iter().chain(self.counting.watched_workers()).chain(self.recorder.watched_workers())
    }

    /// Has everything end, for a daemon that does not start.
    pub(super) fn request_stop(&self) {
        self.counting.request_stop();
        self.recorder.request_stop();
        self.lights.0.stop();
        self.views.views.stop();
    }
}
