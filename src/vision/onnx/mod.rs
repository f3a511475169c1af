//! The ONNX back end: a network read from a file and run.

pub mod dense;
pub mod depthwise;
pub mod kernel;
pub mod layout;
pub mod network;
pub mod silu;
mod surgery;

pub use network::{InputShape, Layout, Network, NetworkError, Output, OutputShape, Outputs};
