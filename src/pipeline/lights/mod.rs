//! Connects the light to everything else: settings, status, brightness and snapshots.
//!
//! ```text
//! settings (page, API, old routes) ─┐
//! a snapshot is taken ──────────────┼─► mailbox (1, newest wins) ─► [lights] ─► Scene ─► pixels ─► Strip
//!                                   │        camera, recording, disk ──┘ ▲
//!                                   └─ Hub: the newest picture ─► brightness (once a second, only if wanted)
//! ```
//!
//! The thread `lights` opens the strip, shows pixels and drops the strip, because some drivers may not change
//! threads. Order of precedence: a snapshot's light, the light that was switched on, the automatic light, none. The
//! status LED covers all but the first. If a strip cannot be opened, fails or panics, the status reports it, and
//! nothing else is affected. It is retried at every change and every half minute. Without a light the thread sleeps.
//!
//! `auto` is pure. `shared` is the state of thread and handles, `worker` is the thread, and `shot` is a snapshot's
//! light.

mod auto;
mod settings;
mod shared;
mod shot;
mod worker;

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::timeout;

use tallycam_base::{Fault, Worker};
use tallycam_camera::lights;

use super::recording::RecorderHandle;
use super::{Pipeline, not_started};
pub use settings::{LightsSettings, OpenStrip};
use shared::LightState;
pub use shared::{LightStatus, Shows};
use shot::LIT_WITHIN;
pub(super) use shot::{LightSwitch, LitShot};
pub use tallycam_camera::lights::{
    Color, LitLight, PRESETS, Paint, PixelOrder, Strip, StripKind, StripSettings,
};
pub use worker::brightness;

/// The light. Clones share it.
#[derive(Debug, Clone)]
pub struct Lights {
    shared: Arc<LightState>,
}

impl Lights {
    /// Starts the thread `lights`. From then on snapshots of `pipeline` use the light if the settings say so. The
    /// status LED shows the recordings and full disk of `recorder`.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start(
        pipeline: &Pipeline,
        recorder: Option<RecorderHandle>,
        settings: LightsSettings,
    ) -> Result<(Lights, Worker), Fault> {
        Lights::start_with(pipeline, recorder, settings, Box::new(lights::open))
    }

    /// Like [`Lights::start`] with another function that opens a strip: for programs with their own strip, and for
    /// tests.
    ///
    /// # Errors
    /// The thread could not be started.
    pub fn start_with(
        pipeline: &Pipeline,
        recorder: Option<RecorderHandle>,
        settings: LightsSettings,
        open: OpenStrip,
    ) -> Result<(Lights, Worker), Fault> {
        let shared = Arc::new(LightState::new(settings));
        let worker = Worker::spawn("lights", {
            let (shared, pipeline) = (Arc::clone(&shared), pipeline.clone());
            move |beat| worker::run(&shared, &pipeline, recorder.as_ref(), open, beat)
        })
        .map_err(not_started("the thread of the light"))?;
        pipeline.set_snapshot_light(LightSwitch::new(&shared));
        Ok((Lights { shared }, worker))
    }

    /// Replaces the settings at once; of several quick changes the last one wins. A faulty strip is retried.
    pub fn set(&self, settings: LightsSettings) {
        self.shared.request(|requests| requests.settings = Arc::new(settings));
    }

    /// The latest settings.
    pub fn settings(&self) -> Arc<LightsSettings> {
        Arc::clone(&self.shared.lock_requests().settings)
    }

    /// Waits until the latest settings are in force or have failed, or for a moment if the light hangs.
    pub async fn wait_applied(&self) {
        let mut obeyed = self.shared.obeyed.subscribe();
        let number = self.shared.last_request();
        // The status reports a light that hangs.
        let _ = timeout(LIT_WITHIN, obeyed.wait_for(|obeyed| obeyed.number >= number)).await;
    }

    /// Status of the light; cheap.
    pub fn status(&self) -> Arc<LightStatus> {
        self.shared.status()
    }

    /// Status of the light, as a channel.
    pub fn statuses(&self) -> watch::Receiver<Arc<LightStatus>> {
        self.shared.status.subscribe()
    }

    /// Switches the light off and ends the thread.
    pub fn stop(&self) {
        self.shared.request(|requests| requests.is_stopping = true);
    }
}
