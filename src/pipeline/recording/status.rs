//! How recording stands. Plain data.

use crate::store::media::Recorded;

/// How recording stands.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RecordingStatus {
    /// The recording under way.
    pub now: Option<Recorded>,
    /// What was dropped because the disk was too slow, pictures, since the start.
    pub dropped: u64,
    /// Why it does not go on as it should (disk full, camera lost), in words; recording goes on when that ends.
    pub trouble: Option<String>,
    /// Seconds of pre-roll at hand.
    pub pre_roll_s: f64,
}
