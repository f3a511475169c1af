//! The sweep that is under way, as others meet it: how far it is, how it is ended, and where the lens goes then.
//!
//! Invariant: of all that is said meanwhile of where the lens is to be, the last word holds. Lives in the pipeline's
//! shared state, since code that sets a control knows nothing of sweeps; used in the tasks of those who ask.

use crate::base::Stop;
use crate::lens::Drive;
use crate::pipeline::SavedControls;

/// A sweep that is under way. A pipeline has one at most.
#[derive(Debug, Clone)]
pub struct UnderWay {
    /// Places looked at.
    pub done: u32,
    /// How many there will be at most.
    pub of: u32,
    /// Ends it.
    pub cancel: Stop,
    /// The camera's lasting name.
    pub identity: Option<String>,
    /// The lens as it is to stand when the sharpest place is not found: as it was, or as it was saved since.
    pub back: Drive,
    /// It was saved since.
    pub is_sent: bool,
    /// The caller that ended the sweep moves the lens: it is not brought back.
    pub is_taken_over: bool,
}

impl UnderWay {
    /// Other values are saved: where one of them moves the lens, the sweep ends, and the lens goes there. Tells
    /// whether.
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
