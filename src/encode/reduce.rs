//! From a finished JPEG to the small planar picture a detector wants, in libjpeg-turbo's DCT domain.

use super::turbo::CompressError;
use crate::media::{Picture, SmallImage};

/// Reduces pictures. Reuses its buffers.
#[derive(Debug)]
pub struct Reducer {}

#[allow(clippy::todo, unused_variables)]
impl Reducer {
    /// A reducer.
    pub fn new() -> Result<Reducer, CompressError> {
        todo!()
    }

    /// Decodes `picture` at the smallest of libjpeg-turbo's scales (1/8 … 1) that still has `least` pixels a
    /// row and rows, into `out`.
    pub fn reduce(
        &mut self,
        picture: &Picture,
        least: (u32, u32),
        out: &mut SmallImage,
    ) -> Result<(), CompressError> {
        todo!()
    }
}
