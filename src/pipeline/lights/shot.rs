//! The light for a snapshot: full before the picture, and as before at once after it, however that ends.
//!
//! It costs its settle time and nothing else: an open camera's first picture after that is taken, and a camera that has
//! to wake does so in the light. Who comes while it shines waits only for what is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::shared::LightState;
use crate::media::Picture;

/// Limit of the wait for a strip.
pub(super) const LIT_WITHIN: Duration = Duration::from_millis(500);

/// What a pipeline knows of the light. Holds nothing of the pipeline.
#[derive(Debug, Clone)]
pub struct LightSwitch {
    shared: Arc<LightState>,
}

/// Full light, until it is dropped.
#[derive(Debug)]
pub struct LitShot {
    shared: Arc<LightState>,
    /// The camera has adjusted to it then, `CLOCK_MONOTONIC` in microseconds; 0: nothing shines, so there is nothing to
    /// adjust to.
    from_us: u64,
}

impl LightSwitch {
    pub(super) fn new(shared: &Arc<LightState>) -> LightSwitch {
        LightSwitch { shared: Arc::clone(shared) }
    }

    /// Full light, if there is to be one for snapshots and there is a light that works. Returns when it shines.
    pub async fn full_light(&self) -> Option<LitShot> {
        let settle = {
            let settings = Arc::clone(&self.shared.lock_requests().settings);
            let is_wanted = settings.for_shots && settings.strip.count() > 0;
            (is_wanted && self.shared.status().trouble.is_none()).then_some(settings.settle)?
        };
        let mut obeyed = self.shared.obeyed.subscribe();
        let number = self.shared.request(|requests| requests.shots += 1);
        // From here on a cancelled shot restores the light.
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
    /// Whether `picture` was captured in this light, after the camera had adjusted to it.
    pub fn is_lit_in(&self, picture: &Picture) -> bool {
        picture.stamp.monotonic_us >= self.from_us
    }

    /// Ends when the camera has adjusted.
    pub async fn wait_settled(&self) {
        let left = self.from_us.saturating_sub(crate::base::clock::monotonic_us());
        tokio::time::sleep(Duration::from_micros(left)).await;
    }

    /// The longest that takes.
    pub fn remaining(&self) -> Duration {
        Duration::from_micros(self.from_us.saturating_sub(crate::base::clock::monotonic_us()))
    }
}

impl Drop for LitShot {
    fn drop(&mut self) {
        self.shared.request(|requests| requests.shots = requests.shots.saturating_sub(1));
    }
}
