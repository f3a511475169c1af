//! Convolutions and other operators computed by ourselves: plain arithmetic on slices, no engine.

pub mod block;
pub mod dense;
pub mod depthwise;
pub mod depthwise_rows;
pub mod kernel;
pub mod layout;
pub mod product;
pub mod silu;
pub mod vector;
