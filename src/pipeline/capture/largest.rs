//! One picture of the camera's largest size, of which nobody else sees anything: the camera is opened anew for it.

use std::sync::Arc;
use std::time::Instant;

use super::terms::silence;
use super::{Capture, FRAME_WAIT, OPEN_TAKES, broken_pictures, in_words, silent};
use crate::base::Stop;
use crate::media::{Trouble, TroubleKind};
use crate::pipeline::shared::Largest;
use crate::pipeline::warm_up::WarmUp;

impl Capture<'_> {
    /// Whether the camera is to be opened anew for a picture larger than `now`. Who waits for one where there is
    /// nothing larger is told so.
    pub(super) fn is_largest_wanted(&mut self, now: Option<(u32, u32)>) -> bool {
        if self.shared.wishes().largest.is_empty() {
            return false;
        }
        self.beat.beat_before(OPEN_TAKES);
        let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let largest = self.opener.largest_size().map_or(0, pixels);
        self.beat.beat();
        let is_larger = largest > now.map_or(0, pixels);
        if !is_larger {
            self.answer(&Largest::NothingLarger);
        }
        is_larger
    }

    /// Takes one picture of the largest size for all who wait for one. Nobody else sees it.
    pub(super) fn give_largest(&mut self, interrupt: &Stop) {
        let largest = self.take_largest(interrupt);
        if let Largest::Failed(trouble) = &largest {
            log::warn!("no frame of the camera's largest size: {trouble}");
        }
        self.answer(&largest);
    }

    fn answer(&self, largest: &Largest) {
        let waiting = std::mem::take(&mut self.shared.wishes().largest);
        for waits in waiting {
            // Who has gone does not mind.
            let _ = waits.send(largest.clone());
        }
    }

    fn take_largest(&mut self, interrupt: &Stop) -> Largest {
        self.beat.beat_before(OPEN_TAKES);
        let mut source = match self.opener.open_largest(interrupt) {
            Ok(source) => source,
            Err(trouble) => return Largest::Failed(trouble),
        };
        log::info!("camera open for one frame: {}", in_words(source.delivers()));
        let saved = Arc::clone(&self.shared.wishes().saved);
        self.tuning.opened(&mut *source, &saved);
        let settings = self.shared.settings();
        self.set_quality(settings.quality);
        let allowed = source.first_frame_within().max(silence(&settings, source.delivers().fps));
        let mut warming = WarmUp::of(self.shared.figures().warm_up);
        let began = Instant::now();
        let mut last_frame = began;
        loop {
            self.beat.beat();
            if interrupt.is_set() {
                let what = String::from("the camera was let go before its picture was taken");
                return Largest::Failed(Trouble::new(TroubleKind::Failed, what));
            }
            let frame = match source.next(FRAME_WAIT) {
                Ok(Some(frame)) => frame,
                Ok(None) if last_frame.elapsed() >= allowed => {
                    return Largest::Failed(silent(&self.opener.describe(), allowed));
                }
                Ok(None) => continue,
                Err(trouble) => return Largest::Failed(trouble),
            };
            last_frame = Instant::now();
            if !warming.is_over(frame.stamp.monotonic_us) {
                continue;
            }
            match self.encoder.encode(&frame) {
                Ok(picture) => return Largest::Picture(picture),
                Err(error) if began.elapsed() >= allowed.saturating_mul(2) => {
                    return Largest::Failed(broken_pictures(&self.opener.describe(), &error));
                }
                Err(_) => {}
            }
        }
    }
}
