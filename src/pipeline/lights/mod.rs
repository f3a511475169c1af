//! The one place that joins the light to everything else: what was set, how things are, how dark it is, and who takes a
//! picture.
//!
//! ```text
//!  settings (page, API, old routes) ─┐
//!  a snapshot is taken ──────────────┼─► mailbox (1, newest wins) ─► [lights] ─► Scene ─► pixels ─► Strip
//!                                    │        camera, recording, disk ──┘ ▲
//!                                    └─ Hub: the newest picture ─► how dark it is (once a second, only if wanted)
//! ```
//!
//! The thread `lights` opens the strip, shows it what is wanted, and drops it: what drives a strip may not change
//! threads. What wants to shine, in this order: a snapshot, the light that was switched on, the light that goes on by
//! itself, none; the status pixel lies over all but the first. A strip that cannot be opened or fails, or panics, is
//! trouble that is told; nothing else minds, and it is tried again at every change and every half minute. Where there
//! is no light the thread sleeps until there is one.
//!
//! `auto` is pure; `shared` is what the thread and the handles share, `worker` is the thread, `shot` a snapshot's
//! light.

mod auto;
mod settings;
mod shared;
mod shot;
mod worker;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use crate::base::Worker;
use crate::lights;

use super::Pipeline;
use super::recording::RecorderHandle;
pub use crate::lights::{Color, LitLight, PRESETS, Paint, PixelOrder, Strip, StripKind, StripSettings};
pub use settings::{LightsSettings, OpenStrip};
use shared::LightState;
pub use shared::{LightStatus, Shows};
use shot::LIT_WITHIN;
pub(super) use shot::{LightSwitch, LitShot};

/// The light could not be started.
#[derive(Debug, thiserror::Error)]
#[error("the thread of the light could not be started: {0}")]
pub struct LightsError(#[from] std::io::Error);

/// The light. Clones share it.
#[derive(Debug, Clone)]
pub struct Lights {
    shared: Arc<LightState>,
}

impl Lights {
    /// Starts the thread `lights`. From then on snapshots of `pipeline` have their light, if they are to. `recorder`
    /// tells the status pixel of recordings and a full disk.
    ///
    /// # Errors
    /// [`LightsError`].
    pub fn start(
        pipeline: &Pipeline,
        recorder: Option<RecorderHandle>,
        settings: LightsSettings,
    ) -> Result<(Lights, Worker), LightsError> {
        Lights::start_with(pipeline, recorder, settings, Box::new(lights::open))
    }

    /// The same with another way to open a strip: for programs that have one of their own, and tests.
    ///
    /// # Errors
    /// [`LightsError`].
    pub fn start_with(
        pipeline: &Pipeline,
        recorder: Option<RecorderHandle>,
        settings: LightsSettings,
        open: OpenStrip,
    ) -> Result<(Lights, Worker), LightsError> {
        let shared = Arc::new(LightState::new(settings));
        let worker = Worker::spawn("lights", {
            let (shared, pipeline) = (Arc::clone(&shared), pipeline.clone());
            move |beat| worker::run(&shared, &pipeline, recorder.as_ref(), open, beat)
        })?;
        pipeline.set_snapshot_light(LightSwitch::new(&shared));
        Ok((Lights { shared }, worker))
    }

    /// Other settings, in force at once: the newest of several that come quickly. A strip in trouble is tried again.
    pub fn set(&self, settings: LightsSettings) {
        self.shared.request(|requests| requests.settings = Arc::new(settings));
    }

    /// What was set last.
    pub fn settings(&self) -> Arc<LightsSettings> {
        Arc::clone(&self.shared.lock_requests().settings)
    }

    /// Returns when what was set last is in force, or has failed; after a moment anyway, where the light hangs.
    pub async fn wait_applied(&self) {
        let mut obeyed = self.shared.obeyed.subscribe();
        let number = self.shared.last_request();
        // That it hangs the status tells.
        let _ = timeout(LIT_WITHIN, obeyed.wait_for(|obeyed| obeyed.number >= number)).await;
    }

    /// How the light is; cheap.
    pub fn status(&self) -> Arc<LightStatus> {
        self.shared.status()
    }

    /// The same, to wait for changes.
    pub fn statuses(&self) -> watch::Receiver<Arc<LightStatus>> {
        self.shared.status.subscribe()
    }

    /// Switches it off for good and ends the thread.
    pub fn stop(&self) {
        self.shared.request(|requests| requests.is_stopping = true);
    }
}
