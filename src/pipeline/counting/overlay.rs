//! What is drawn over the picture. Plain data.

use std::sync::Arc;

use crate::base::ClockTime;

/// A track as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct ShownTrack {
    /// Its number, unique within the run.
    pub id: u64,
    /// The name of its class.
    pub class: Arc<str>,
    /// Its score, 0–1.
    pub score: f32,
    /// Left, top, right, bottom in fractions of the picture; may reach beyond it.
    pub bounds: [f32; 4],
    /// Velocity of its centre in fractions of the picture a second.
    pub velocity: [f32; 2],
    /// Whether the newest look has seen it; if not, it is where it should be.
    pub in_sight: bool,
}

/// What is drawn over the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Overlay {
    /// The stamp of the picture that was looked at.
    pub stamp: ClockTime,
    /// Its number.
    pub sequence: u64,
    /// Its width and height in pixels.
    pub size: (u32, u32),
    /// In order of numbers.
    pub tracks: Vec<ShownTrack>,
    /// For each zone, its number and how many are in it.
    pub zones: Vec<(u64, u32)>,
}

/// The overlay while nobody looks.
pub fn empty_overlay() -> Overlay {
    Overlay { stamp: ClockTime::now(), sequence: 0, size: (0, 0), tracks: Vec::new(), zones: Vec::new() }
}
