//! The current sweep as other requests see it: its progress, its cancellation, and the position to restore.
//!
//! Invariant: the latest requested position of the lens wins. Lives in the pipeline's shared state, because code that
//! sets a control knows nothing of sweeps. Used in the tasks of the callers.

use crate::pipeline::SavedControls;
use tallycam_base::Stop;
use tallycam_camera::lens::Drive;

/// A current sweep. A pipeline has at most one.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// Measured positions.
    pub done: u32,
    /// Maximum number of positions.
    pub of: u32,
    /// Ends the sweep.
    pub cancel: Stop,
    /// The camera's permanent identity.
    pub identity: Option<String>,
    /// The state to restore if no sharpest position is found: the previous one, or one saved since.
    pub back: Drive,
    /// A new state was saved since.
    pub is_sent: bool,
    /// The caller that ended the sweep moves the lens, so it is not restored.
    pub is_taken_over: bool,
}

impl UnderWay {
    /// Adopts new saved values. If one of them moves the lens, the sweep ends and the lens goes there. Returns true
    /// then.
    pub fn sync_saved(&mut self, before: &SavedControls, after: &SavedControls) -> bool {
        let identity = self.identity.as_deref();
        let (before, after) = (before.for_camera(identity), after.for_camera(identity));
        let changed = before.keys().chain(after.keys()).filter(|name| before.get(*name) != after.get(*name));
        let mut is_moved = false;
        for name in changed {
            is_moved |= self.back.record_value(name, after.get(name).copied());
        }
        if is_moved {
            self.is_sent = true;
            self.cancel.set();
        }
        is_moved
    }
}
