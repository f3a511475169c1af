//! Crossings: what counting is for.

use super::detection::Class;
use super::line::{Direction, LineId};
use super::tracker::TrackId;

/// Somebody or something crossed a line. Within one run of the daemon, line, track and ordinal
/// together name it: to write it twice is to write it once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crossing {
    /// Which line.
    pub line: LineId,
    /// Who.
    pub track: TrackId,
    /// The how-manieth crossing of this line by this track, from 1.
    pub ordinal: u32,
    /// What the track was taken for then.
    pub class: Class,
    /// Which way.
    pub direction: Direction,
    /// The score (0–1) of the detection by which it was counted.
    pub score: f32,
    /// When it was on the line, in microseconds of the frames' clock; that may be between two
    /// frames, and is before the crossing was sure.
    pub time_us: u64,
}
