//! The light for a snapshot: full before the picture, and restored at once after it, however that ends.
//!
//! It costs only its settle time. An open camera uses the first picture after that time, and an idle camera opens in
//! the light. A further snapshot meanwhile waits only for the rest of the time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::shared::LightState;
use tallycam_camera::media::Picture;

/// Timeout of the strip.
pub(super) const LIT_WITHIN: Duration = Duration::from_millis(500);

/// The light from the view of a pipeline. It holds no reference to the pipeline.
#[derive(Debug, Clone)]
pub struct LightSwitch {
    shared: Arc<LightState>,
}

/// Full light until it is dropped.
#[derive(Debug)]
pub struct LitShot {
    shared: Arc<LightState>,
    /// Time at which the camera has adjusted to it, `CLOCK_MONOTONIC` in microseconds; 0 if the light is off and
    /// needs no adjustment.
    from_us: u64,
}

impl LightSwitch {
    pub(super) fn new(shared: &Arc<LightState>) -> LightSwitch {
        LightSwitch { shared: Arc::clone(shared) }
    }

    /// Switches to full light, if snapshots have it and the light works. Returns once it is on.
    pub async fn full_light(&self) -> Option<LitShot> {
        let settle = {
            let settings = Arc::clone(&self.shared.lock_requests().settings);
            let is_wanted = settings.for_shots && settings.strip.count() > 0;
            (is_wanted && self.shared.status().trouble.is_none()).then_some(settings.settle)?
        };
        let mut obeyed = self.shared.obeyed.subscribe();
        let number = self.shared.request(|requests| requests.shots += 1);
        // From here on a cancelled snapshot restores the light.
        let mut shot = LitShot { shared: Arc::clone(&self.shared), from_us: 0 };
        let lit = timeout(LIT_WITHIN, obeyed.wait_for(|obeyed| obeyed.number >= number)).await;
        let lit_us = lit.ok().and_then(Result::ok).and_then(|obeyed| obeyed.lit_us);
        match lit_us {
            Some(lit_us) => {
                let settle_us = u64::try_from(settle.as_micros()).unwrap_or(u64::MAX);
                shot.from_us = lit_us.saturating_add(settle_us);
            }
            None => log::warn!("snapshot without light: the light does not work"),
        }
        Some(shot)
    }
}

impl LitShot {
    /// True if `picture` was captured in this light, after the camera had adjusted.
    pub fn is_lit_in(&self, picture: &Picture) -> bool {
        picture.stamp.monotonic_us >= self.from_us
    }

    /// Waits until the camera has adjusted.
    pub async fn wait_settled(&self) {
        let left = self.from_us.saturating_sub(tallycam_base::clock::monotonic_us());
        tokio::time::sleep(Duration::from_micros(left)).await;
    }

    /// Remaining time until then.
    pub fn remaining(&self) -> Duration {
        Duration::from_micros(self.from_us.saturating_sub(tallycam_base::clock::monotonic_us()))
    }
}

impl Drop for LitShot {
    fn drop(&mut self) {
        self.shared.request(|requests| requests.shots = requests.shots.saturating_sub(1));
    }
}
