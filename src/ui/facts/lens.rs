//! The lens as the API and the pages show it.

use serde::Serialize;

/// The lens and its focus sweep.
#[derive(Debug, Clone, PartialEq, Default, Serialize, schemars::JsonSchema)]
pub struct LensReport {
    /// The lens can be focused from here.
    pub supported: bool,
    /// Why it cannot be focused, in a sentence.
    pub reason: Option<String>,
    /// Focus position, 0 (far) to 1 (near); `null` if the camera only takes steps or does not report it.
    #[schemars(range(min = 0, max = 1))]
    pub position: Option<f64>,
    /// Autofocus is on; `null` without autofocus.
    pub auto: Option<bool>,
    /// A position can be set and a sweep run; false if the camera only takes steps.
    #[serde(skip)]
    pub has_position: bool,
    /// Autofocus can be limited to a part of the picture.
    pub has_window: bool,
    /// The part that autofocus uses; `null` for all of the picture.
    pub window: Option<LensWindow>,
    /// Sharpness of the newest picture: higher is sharper, without an upper limit. `null` without a live picture.
    pub sharpness: Option<f64>,
    /// The focus sweep under way.
    pub sweep: Option<SweepProgress>,
    /// How the last focus sweep ended.
    pub last_sweep: Option<LastSweep>,
    /// Why changes are not stored.
    pub unsaved: Option<String>,
}

/// A place, in fractions of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LensWindow {
    pub x: f64,
    pub y: f64,
}

/// Number of positions that a focus sweep has tried, and the maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct SweepProgress {
    pub done: u32,
    pub of: u32,
}

/// How a focus sweep ended, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct LastSweep {
    pub found: bool,
    pub message: String,
}
