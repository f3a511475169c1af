//! What stands for the engine in a build without the feature `onnx`: it loads nothing.

use super::{InputShape, Network, OutputShape};
use tallycam_base::{Fault, FaultKind};

pub(super) use NoEngine as Engine;

/// An engine that does not exist.
#[derive(Debug)]
pub(super) enum NoEngine {}

impl NoEngine {
    pub(super) fn takes_bytes(&self) -> bool {
        match *self {}
    }

    pub(super) fn values(&self, _: usize) -> Option<&[f32]> {
        match *self {}
    }

    pub(super) fn run(&mut self, _: &InputShape, _: &[f32], _: &[OutputShape]) -> Result<(), String> {
        match *self {}
    }
}

/// Refuses every network.
pub(super) fn load(_: &[u8], _: Option<(u32, u32)>, _: usize) -> Result<Network, Fault> {
    Err(Fault::new(FaultKind::Unsupported, "there is no engine"))
}
