//! The lens as plain data that pages show, filled by whoever serves them.

/// The lens, and what is under way with it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LensFacts {
    /// Whether it can be focused from here. A page that is not about what is wrong leaves the lens out where not.
    pub is_supported: bool,
    /// Why it cannot be focused, in a sentence; empty where it can.
    pub reason: String,
    /// Where it stands, 0 (far) to 1 (near); `None` where the camera only takes steps, or does not tell.
    pub position: Option<f64>,
    /// Whether the camera focuses by itself; `None` where it has no autofocus.
    pub auto: Option<bool>,
    /// Whether a position can be set and a sweep be made: not where the camera only takes steps.
    pub has_position: bool,
    /// Whether autofocus can be told where to look.
    pub has_window: bool,
    /// How sharp the newest picture is (more is sharper, there is no end to it); `None` without a live picture.
    pub sharpness: Option<f64>,
    /// How many places a focus sweep has looked at, and how many it will at most; `None` while there is none.
    pub sweep: Option<(u32, u32)>,
    /// How the last focus sweep ended, in a sentence; empty before the first.
    pub swept: String,
}
