//! The ONNX back end: a network read from a file and run.

pub mod depthwise;
pub mod kernel;
pub mod network;

pub use network::{InputShape, Layout, Network, NetworkError, Output, OutputShape, Outputs};
