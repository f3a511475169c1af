//! The ONNX back end: a network from a file, described by a [`Card`], as a detector.
//!
//! ```text
//! image ─► input: resized, lit ─► network ─► families: decoded ─► detections
//! ```
//!
//! Everything is made and checked when the detector is made; a detection allocates nothing of its own. It
//! lives on the detect thread.

pub(crate) mod card;
mod detector;
pub(crate) mod families;
pub(crate) mod input;
mod network;
#[cfg(test)]
mod tests;

pub use card::Card;
pub use detector::OnnxDetector;
pub use input::letterbox::Letterbox;
pub use input::light::GainOffset;
pub use network::error::{SMALLER, require_engine};
pub(crate) use network::other::format_by_ending;
pub use network::{InputShape, Network, OnnxHeader, Output, OutputShape, Outputs, TensorLayout};
