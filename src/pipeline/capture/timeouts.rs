//! What an open source is held to: how long it may be silent, and what its pictures are.

use std::time::Duration;

use crate::pipeline::CaptureOptions;

/// What holds while a source is open, made again when settings change.
pub struct OpenOptions {
    /// What this is made from.
    pub settings: CaptureOptions,
    /// Silent after this time without a frame.
    pub silent_after: Duration,
    /// Broken after this time without a good frame.
    pub broken_after: Duration,
    /// Limit for the first frame.
    pub first_within: Duration,
}

impl OpenOptions {
    pub fn new(settings: CaptureOptions, fps: Option<f64>, first_within: Duration) -> OpenOptions {
        let silent_after = silence_timeout(&settings, fps);
        OpenOptions {
            silent_after,
            // Of pictures held down to fewer, as many must be broken.
            broken_after: silent_after.max(silence_timeout(&settings, settings.fps)),
            first_within: first_within.max(silent_after),
            settings,
        }
    }
}

/// How long without a frame is silence: a camera that promises one in ten seconds is not silent
/// after three.
pub fn silence_timeout(settings: &CaptureOptions, fps: Option<f64>) -> Duration {
    let frames = fps.filter(|fps| *fps > 0.0).map_or(Duration::ZERO, |fps| {
        // Fewer than one in the age of the universe is never.
        Duration::try_from_secs_f64(3.0 / fps).unwrap_or(Duration::MAX)
    });
    settings.silent_after.max(frames)
}
