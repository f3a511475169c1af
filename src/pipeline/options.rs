//! How the pipeline behaves. Plain data.

use std::time::Duration;

/// How the pipeline behaves. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptureOptions {
    /// JPEG quality of raw frames, 1–100.
    pub quality: u8,
    /// At most this many pictures a second are made; `None`: as many as the source gives.
    pub fps: Option<f64>,
    /// The camera is closed this long after nobody needs it; `None`: never.
    pub idle_stop: Option<Duration>,
    /// A camera that sends nothing for this long is silent: still card, and it is opened again.
    pub silent_after: Duration,
    /// This many failed reads in a row make the pipeline unhealthy, and `/health` False.
    pub failed_reads: u32,
}

impl Default for CaptureOptions {
    fn default() -> CaptureOptions {
        CaptureOptions {
            quality: 80,
            fps: None,
            idle_stop: Some(Duration::from_secs(30)),
            silent_after: Duration::from_secs(3),
            failed_reads: 3,
        }
    }
}
