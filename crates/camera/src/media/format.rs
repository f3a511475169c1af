//! Formats of a camera with sizes and rates: plain data for lists, forms and choices.

use super::Fourcc;

/// A pixel format of a camera.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraFormat {
    /// The format.
    pub fourcc: Fourcc,
    /// The driver's description.
    pub description: String,
    /// Sizes with their rates, in the driver's order; a range of sizes has its smallest and its largest.
    pub modes: Vec<Mode>,
    /// Sizes between the listed ones are possible, too, in these steps of width and height.
    pub steps: Option<(u32, u32)>,
}

/// One size of a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second, in the driver's order; a range of rates has its highest and its lowest. Empty if the driver
    /// does not tell.
    pub fps: Vec<f64>,
}
