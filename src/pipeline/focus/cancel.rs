//! Ending the sweep that is under way: somebody else moves the lens, or wants it back.

use std::time::Duration;

use tokio::time::timeout;

use super::UnderWay;
use crate::media::ControlValue;
use crate::pipeline::Pipeline;

/// Limit of a move's wait for a sweep to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Ends the sweep that is under way if one of `wanted` moves its lens; done when it is over. It does not bring the
    /// lens back then: who asks moves it, and gets how it was under way last.
    pub(in crate::pipeline) async fn stop_sweep_for(&self, wanted: &[ControlValue]) -> Option<UnderWay> {
        self.end_sweep(true, |sweep| wanted.iter().any(|request| sweep.back.is_moved_by(&request.name))).await
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
