//! The simulated strip: it shows nothing itself; the page and the API show its pixels.

use super::{Color, Strip};
use crate::media::SourceError;

/// A strip that accepts all pixels.
pub(crate) struct SimStrip;

impl Strip for SimStrip {
    fn show(&mut self, _: &[Color]) -> Result<(), SourceError> {
        Ok(())
    }
}
