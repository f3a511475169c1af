//! Crossings of lines.

use super::detection::Class;
use super::line::{Direction, LineId};
use super::tracker::TrackId;

/// An object crossed a line. Within one run of the daemon, line, track and ordinal together identify it, so that a
/// repeated write stores it only once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// The line.
    pub line: LineId,
    /// The track.
    pub track: TrackId,
    /// Number of this crossing among those of this line by this track, from 1.
    pub ordinal: u32,
    /// The track's class at that time.
    pub class: Class,
    /// The direction.
    pub direction: Direction,
    /// Score (0–1) of the detection that completed the crossing.
    pub score: f32,
    /// Time on the line, in microseconds of the frames' clock. It may lie between two frames, and is earlier than the
    /// time at which the crossing was certain.
    pub time_us: u64,
    /// Speed on the ground in kilometres an hour, just before; `None` if unknown.
    pub kmh: Option<f32>,
}
