//! Settings of the pipeline.

use std::time::Duration;

pub use tallycam_camera::encode::PrivacyMask;

/// Settings of the pipeline. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureOptions {
    /// JPEG quality of raw frames, 1–100.
    pub quality: u8,
    /// Maximum pictures per second; `None` means the rate of the source.
    pub fps: Option<f64>,
    /// Time after the last demand until the camera closes; `None` means never.
    pub idle_stop: Option<Duration>,
    /// Time without a frame after which the camera counts as silent: still card, and reopen.
    pub silent_after: Duration,
    /// Number of failed reads in a row that makes the pipeline unhealthy, and `/health` False.
    pub failed_reads: u32,
    /// Parts of every frame that are blackened before anything is made of it.
    pub mask: PrivacyMask,
}

impl Default for CaptureOptions {
    fn default() -> CaptureOptions {
        CaptureOptions {
            quality: 80,
            fps: None,
            idle_stop: Some(Duration::from_secs(30)),
            silent_after: Duration::from_secs(3),
            failed_reads: 3,
            mask: PrivacyMask::default(),
        }
    }
}
