//! The formats a camera offers, with their sizes and rates: plain data for lists, forms and choices.

use super::Fourcc;

/// One pixel format a camera offers.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraFormat {
    /// The format.
    pub fourcc: Fourcc,
    /// The driver's words for it.
    pub description: String,
    /// Its sizes with their rates, in the driver's order; of a range of sizes the smallest and the largest.
    pub modes: Vec<Mode>,
    /// Sizes between those listed can be had too, in these steps of width and height.
    pub steps: Option<(u32, u32)>,
}

/// One size of a format.
#[derive(Debug, Clone, PartialEq)]
pub struct Mode {
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Frames a second, in the driver's order; of a range of rates the highest and the lowest.
    /// Empty when the driver does not tell.
    pub fps: Vec<f64>,
}
