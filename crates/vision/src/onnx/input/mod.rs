//! From a frame to a network's input: resized, light stretched, laid out.

pub mod letterbox;
pub mod light;
pub(super) mod resize;
