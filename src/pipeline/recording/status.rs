//! Status of recording.

use tallycam_store::media::Recorded;

/// Status of recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingStatus {
    /// The current recording.
    pub now: Option<Recorded>,
    /// Pictures dropped since the start because the disk was too slow.
    pub dropped: u64,
    /// The present obstacle (disk full, camera lost) in words. Recording continues when it ends.
    pub trouble: Option<String>,
    /// Seconds in the pre-roll.
    pub pre_roll_s: f64,
}
