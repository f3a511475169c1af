//! What the API and the pages tell of the lens.

use serde::Serialize;

/// The lens, and what is under way with it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, schemars::JsonSchema)]
pub struct LensReport {
    /// Whether it can be focused from here. A page that is not about what is wrong leaves the lens out where not.
    pub supported: bool,
    /// Why it cannot be focused, in a sentence.
    pub reason: Option<String>,
    /// Where it stands, 0 (far) to 1 (near); `null` where the camera only takes steps, or does not tell.
    #[schemars(range(min = 0, max = 1))]
    pub position: Option<f64>,
    /// Whether the camera focuses by itself; `null` where it has no autofocus.
    pub auto: Option<bool>,
    /// Whether a position can be set and a sweep be made: not where the camera only takes steps.
    #[serde(skip)]
    pub has_position: bool,
    /// Whether autofocus can be told where to look.
    pub has_window: bool,
    /// Where it looks; `null`: at all of the picture.
    pub window: Option<LensWindow>,
    /// How sharp the newest picture is (more is sharper, there is no end to it); `null` without a live picture.
    pub sharpness: Option<f64>,
    /// The focus sweep under way.
    pub sweep: Option<SweepProgress>,
    /// How the last focus sweep ended.
    pub last_sweep: Option<LastSweep>,
    /// Why changes are not kept.
    pub unkept: Option<String>,
}

/// A place, in fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LensWindow {
    pub x: f64,
    pub y: f64,
}

/// How many places a focus sweep has looked at, and how many it will at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SweepProgress {
    pub done: u32,
    pub of: u32,
}

/// How a focus sweep ended, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LastSweep {
    pub found: bool,
    pub said: String,
}
