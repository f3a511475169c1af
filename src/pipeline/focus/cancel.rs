//! Ends a focus sweep: another request moves the lens, or the user cancels it.

use std::time::Duration;

use tokio::time::timeout;

use super::UnderWay;
use crate::pipeline::Pipeline;
use tallycam_camera::media::ControlValue;

/// Timeout of a move that waits for a sweep to end.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Ends the current sweep if one of `wanted` moves its lens, and waits until it is over. The sweep does not
    /// restore the lens, because the caller moves it. Returns the last state of the sweep.
    pub(in crate::pipeline) async fn stop_sweep_for(&self, wanted: &[ControlValue]) -> Option<UnderWay> {
        self.end_sweep(true, |sweep| wanted.iter().any(|request| sweep.back.is_moved_by(&request.name))).await
    }

    /// Ends the current sweep if `is_meant` accepts it, and waits until it is over. The sweep restores the lens
    /// unless `is_taken_over`. Returns the last state of the sweep, if there was one.
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
            // Other values may be saved until the sweep is over.
            loop {
                match sweep.borrow_and_update().as_ref() {
                    Some(now) if now.cancel.is_set() => last = Some(now.clone()),
                    // Another sweep has started since.
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
