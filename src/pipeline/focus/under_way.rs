//! The sweep that is under way, as others meet it: how far it is, how it is ended, and where the lens goes then.
//!
//! Invariant: of all that is said meanwhile of where the lens is to be, the last word holds. Lives in the pipeline's
//! shared state, since whoever sets a control knows nothing of sweeps; used in the tasks of those who ask.

use std::time::Duration;

use tokio::time::timeout;

use crate::base::Stop;
use crate::lens::Drive;
use crate::media::ControlValue;
use crate::pipeline::{Pipeline, SavedControls};

/// Who moves the lens waits at most so long for a sweep to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

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
    /// Whoever ended the sweep moves the lens: it is not brought back.
    pub is_taken_over: bool,
}

impl UnderWay {
    /// Other values are saved: where one of them moves the lens, the sweep ends, and the lens goes there. Tells whether.
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

impl Pipeline {
    /// Ends the sweep that is under way if one of `wanted` moves its lens; done when it is over. It does not bring the
    /// lens back then: who asks moves it, and gets how it was under way last.
    pub(in crate::pipeline) async fn stop_sweep_for(&self, wanted: &[ControlValue]) -> Option<UnderWay> {
        self.end_sweep(true, |sweep| wanted.iter().any(|wish| sweep.back.is_moved_by(&wish.name))).await
    }

    /// Ends the sweep that is under way if it is meant; done when it is over, and the lens brought back, unless that is
    /// taken over. Gives how it was under way last, if there was one.
    pub(super) async fn end_sweep(
        &self,
        is_taken_over: bool,
        is_meant: impl Fn(&UnderWay) -> bool,
    ) -> Option<UnderWay> {
        let mut sweep = self.shared.sweep.subscribe();
        let mut last = None;
        self.shared.sweep.send_if_modified(|now| {
            now.as_mut().filter(|now| is_meant(now)).is_some_and(|now| {
                now.is_taken_over |= is_taken_over;
                now.cancel.set();
                last = Some(now.clone());
                true
            })
        });
        last.as_ref()?;
        let ended = async {
            // Until it is over other values may be saved.
            loop {
                match sweep.borrow_and_update().as_ref() {
                    Some(now) if now.cancel.is_set() => last = Some(now.clone()),
                    // Another one has begun since.
                    Some(_) | None => return,
                }
                if sweep.changed().await.is_err() {
                    return;
                }
            }
        };
        if timeout(ENDS_WITHIN, ended).await.is_err() {
            log::warn!("a focus sweep has not ended within {ENDS_WITHIN:?}");
        }
        last
    }
}
