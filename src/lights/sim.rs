//! The simulated strip: nothing shines, and the pixels are seen on the page and in the API.

use super::{Color, Strip};
use crate::media::SourceError;

/// A strip that takes everything.
pub struct SimStrip;

impl Strip for SimStrip {
    fn show(&mut self, _: &[Color]) -> Result<(), SourceError> {
        Ok(())
    }
}
