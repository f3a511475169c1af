//! The overlay: the data drawn over a picture.

use std::sync::Arc;

use tallycam_base::ClockTime;

/// A track in the overlay.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownTrack {
    /// Its number, unique within the run.
    pub id: u64,
    /// Name of its class.
    pub class: Arc<str>,
    /// Its confidence, 0–1.
    pub score: f32,
    /// Left, top, right, bottom in fractions of the picture; may extend beyond it.
    pub bounds: [f32; 4],
    /// Velocity of its centre in fractions of the picture per second.
    pub velocity: [f32; 2],
    /// The newest detection has found it; otherwise its position is extrapolated.
    pub in_sight: bool,
}

/// The overlay of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// Stamp of the analysed picture.
    pub stamp: ClockTime,
    /// Number of the picture.
    pub sequence: u64,
    /// Width and height of the picture in pixels.
    pub size: (u32, u32),
    /// Tracks in order of their numbers.
    pub tracks: Vec<ShownTrack>,
    /// Number and occupancy of each zone.
    pub zones: Vec<(u64, u32)>,
    /// Left, top, right, bottom of the searched part, in fractions of the picture; inverted if none was searched.
    pub searched: [f32; 4],
}

/// The overlay while there are no detections.
pub fn empty_overlay() -> Overlay {
    let (tracks, zones) = (Vec::new(), Vec::new());
    Overlay { stamp: ClockTime::now(), sequence: 0, size: (0, 0), tracks, zones, searched: [0.0; 4] }
}
