//! Timeouts of an open source: without frames, and without good frames.

use std::time::Duration;

use crate::pipeline::CaptureOptions;

/// Settings and timeouts of an open source, made again when settings change.
pub struct OpenOptions {
    /// The settings.
    pub settings: CaptureOptions,
    /// Time without a frame after which the camera counts as silent.
    pub silent_after: Duration,
    /// Time without a good frame after which the camera counts as broken.
    pub broken_after: Duration,
    /// Timeout of the first frame.
    pub first_within: Duration,
}

impl OpenOptions {
    pub fn new(settings: CaptureOptions, fps: Option<f64>, first_within: Duration) -> OpenOptions {
        let silent_after = silence_timeout(&settings, fps);
        OpenOptions {
            silent_after,
            // At a limited frame rate, the same number of pictures must be broken.
            broken_after: silent_after.max(silence_timeout(&settings, settings.fps)),
            first_within: first_within.max(silent_after),
            settings,
        }
    }
}

/// Time without a frame that counts as silence: at least three frame intervals.
pub fn silence_timeout(settings: &CaptureOptions, fps: Option<f64>) -> Duration {
    let frames = fps.filter(|fps| *fps > 0.0).map_or(Duration::ZERO, |fps| {
        // The duration overflows for an extremely low rate.
        Duration::try_from_secs_f64(3.0 / fps).unwrap_or(Duration::MAX)
    });
    settings.silent_after.max(frames)
}
