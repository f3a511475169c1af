//! From a picture to the numbers that a network wants: resized, light stretched, laid out.

pub mod letterbox;
pub mod light;
pub(super) mod resize;
