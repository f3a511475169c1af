//! How recording stands. Plain data.

use std::time::Duration;

use crate::store::media::Origin;

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

/// A recording under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its number.
    pub id: u64,
    pub name: String,
    /// What had it made.
    pub origin: Origin,
    /// When it began, microseconds since 1970.
    pub began_us: u64,
    /// Its length, microseconds.
    pub duration_us: u64,
    /// Pictures on the disk so far: those of the last second are on their way.
    pub frames: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Gaps so far.
    pub gaps: u64,
    /// Between two pictures of a time-lapse.
    pub every: Option<Duration>,
}
