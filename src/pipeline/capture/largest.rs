//! One frame of the camera's largest size. The camera is reopened for it, and other viewers do not see it.

use std::sync::Arc;
use std::time::Instant;

use super::session::{broken_pictures_fault, describe_source, silent_fault};
use super::timeouts::silence_timeout;
use super::{Capture, FRAME_WAIT, OPEN_TAKES};
use crate::pipeline::CaptureOptions;
use crate::pipeline::capture_state::Largest;
use crate::pipeline::warm_up::WarmUp;
use tallycam_base::Stop;
use tallycam_camera::media::{SourceError, SourceErrorKind};

impl Capture<'_> {
    /// True if the camera must be reopened for a frame larger than `now`. If there is no larger one, or none on which
    /// the privacy mask is sure to fit, the requesters get that answer.
    pub(super) fn needs_largest(&mut self, now: Option<(u32, u32)>) -> bool {
        if self.shared.lock_requests().largest.is_empty() {
            return false;
        }
        self.beat.beat_with_extension(OPEN_TAKES);
        let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
        let pixels = |(width, height): (u32, u32)| product(width, height);
        let largest = self.opener.largest_size();
        self.beat.beat();
        // A camera may cut a frame of another shape out of its sensor: the mask would lie elsewhere.
        let usual = now.or(self.shared.lock_figures().size);
        let is_alike = usual.zip(largest).is_some_and(|((width, height), (wide, high))| {
            product(width, high).abs_diff(product(height, wide)) * 100 <= product(width, high)
        });
        let is_fit = is_alike || self.shared.settings().mask.is_empty();
        let is_larger = is_fit && largest.map_or(0, pixels) > now.map_or(0, pixels);
        if !is_larger {
            self.reply(&Largest::NothingLarger);
        }
        is_larger
    }

    /// Takes one frame of the largest size for all requesters. Nobody else sees it.
    pub(super) fn serve_largest(&mut self, interrupt: &Stop) {
        let largest = self.capture_largest(interrupt);
        if let Largest::Failed(trouble) = &largest {
            log::warn!("no frame of the camera's largest size: {trouble}");
        }
        self.reply(&largest);
    }

    fn reply(&self, largest: &Largest) {
        let waiting = std::mem::take(&mut self.shared.lock_requests().largest);
        for waits in waiting {
            // A requester may be gone.
            let _ = waits.send(largest.clone());
        }
    }

    fn capture_largest(&mut self, interrupt: &Stop) -> Largest {
        self.beat.beat_with_extension(OPEN_TAKES);
        let mut source = match self.opener.open_largest(interrupt) {
            Ok(source) => source,
            Err(trouble) => return Largest::Failed(trouble),
        };
        log::info!("camera open for one frame: {}", describe_source(source.source_info()));
        let saved = Arc::clone(&self.shared.lock_requests().saved);
        self.tuning.apply_on_open(&mut *source, &saved);
        let settings = self.shared.settings();
        self.set_quality(settings.quality);
        let allowed = source.first_frame_within().max(silence_timeout(&settings, source.source_info().fps));
        let mut warming = WarmUp::new(self.shared.lock_figures().warm_up);
        let began = Instant::now();
        let mut last_frame = began;
        loop {
            self.beat.beat();
            if interrupt.is_set() {
                let what = String::from("the camera was let go before its picture was taken");
                return Largest::Failed(SourceError::new(SourceErrorKind::Failed, what));
            }
            let frame = match source.next(FRAME_WAIT) {
                Ok(Some(frame)) => frame,
                Ok(None) if last_frame.elapsed() >= allowed => {
                    return Largest::Failed(silent_fault(&self.opener.describe(), allowed));
                }
                Ok(None) => continue,
                Err(trouble) => return Largest::Failed(trouble),
            };
            last_frame = Instant::now();
            if !warming.is_warm_after(frame.stamp.monotonic_us) {
                continue;
            }
            let CaptureOptions { mask, quality, .. } = self.shared.settings();
            let masked = self.masker.get_or_insert_default().apply(&frame, &mask, quality);
            match masked.and_then(|frame| self.encoder.encode(&frame)) {
                Ok(picture) => return Largest::Picture(picture),
                Err(error) if began.elapsed() >= allowed.saturating_mul(2) => {
                    return Largest::Failed(broken_pictures_fault(&self.opener.describe(), &error));
                }
                Err(_) => {}
            }
        }
    }
}
