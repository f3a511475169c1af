//! Repairs a camera's JPEG that cannot be passed on: truncated, damaged, in colours or subsampling that views do not
//! support, or to be rotated by its Exif header. The result is a complete, upright Y'CbCr JPEG.

use super::turbo::{CompressError, Compressor, Decompressor};
use crate::media::jpeg::Jpeg;
use crate::media::{Frame, Orientation};
use tallycam_base::Fault;

/// A picture of less than this share of the last complete one's bytes may have lost rows.
const FEW: (usize, usize) = (3, 4);
/// Pictures at least this far apart are all decoded, because that costs little.
const FAR_APART_US: u64 = 400_000;

/// Decides which pictures must be decoded to prove that they are complete. Decoding all pictures of a fast camera
/// would cost a Pi a tenth of a core.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    whole_bytes: usize,
    looked_at_us: u64,
}

impl Doubts {
    /// True if the JPEG that was `found` in `frame` must be decoded.
    pub fn has(&mut self, frame: &Frame<'_>, found: &Jpeg) -> bool {
        let now = frame.stamp.monotonic_us;
        let is_far = now.saturating_sub(self.looked_at_us) >= FAR_APART_US;
        self.looked_at_us = now;
        is_far || !found.has_end || found.len * FEW.1 < self.whole_bytes * FEW.0
    }

    /// Records a complete picture of this many bytes.
    pub fn is_whole(&mut self, bytes: usize) {
        self.whole_bytes = bytes;
    }
}

/// Repairs JPEGs. Reuses its buffers.
#[derive(Debug)]
pub(crate) struct Mender {
    decompressor: Decompressor,
    compressor: Compressor,
    /// Luma at an eighth of the size, or three bytes a pixel.
    pixels: Vec<u8>,
    turned: Vec<u8>,
}

impl Mender {
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<Mender, Fault> {
        Ok(Mender {
            decompressor: Decompressor::new()?,
            compressor: Compressor::new(75)?,
            pixels: Vec::new(),
            turned: Vec::new(),
        })
    }

    /// Checks that all rows of a regular `jpeg` can be decoded.
    ///
    /// # Errors
    /// A row cannot be decoded.
    pub fn check(&mut self, jpeg: &[u8]) -> Result<(), CompressError> {
        self.decompressor.check(jpeg, &mut self.pixels)
    }

    /// `jpeg` in a form that views accept, with width and height; valid until the next call. `blacken` gets the upright
    /// pixels of three bytes, and their width and height.
    ///
    /// # Errors
    /// It cannot be decoded; the next one may be tried.
    pub fn repair(
        &mut self,
        jpeg: &[u8],
        found: &Jpeg,
        quality: u8,
        blacken: impl FnOnce(&mut [u8], (usize, usize)),
    ) -> Result<(&[u8], u32, u32), Fault> {
        let size = self.decompressor.decompress_rgb(jpeg, &mut self.pixels)?;
        let (width, height) = found.orientation.oriented_size(size);
        let pixels = match found.orientation {
            upright if upright == Orientation::default() => &mut self.pixels,
            orientation => {
                orient_pixels(&self.pixels, size, orientation, &mut self.turned);
                &mut self.turned
            }
        };
        blacken(pixels, (width, height));
        self.compressor.set_quality(quality)?;
        let jpeg = self.compressor.compress_rgb(pixels, width, height)?;
        Ok((jpeg, width as u32, height as u32))
    }
}

/// Rotates pixels of three bytes.
fn orient_pixels(
    pixels: &[u8],
    (width, height): (usize, usize),
    orientation: Orientation,
    turned: &mut Vec<u8>,
) {
    turned.clear();
    let (wide, high) = orientation.oriented_size((width, height));
    for row in 0..high {
        for column in 0..wide {
            let column = if orientation.mirrored { wide - 1 - column } else { column };
            let (x, y) = match orientation.quarters % 4 {
                1 => (row, height - 1 - column),
                2 => (width - 1 - column, height - 1 - row),
                3 => (width - 1 - row, column),
                _ => (column, row),
            };
            turned.extend_from_slice(&pixels[3 * (y * width + x)..][..3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_rotated_as_exif_defines() {
        // a b c
        // d e f
        let pixels: Vec<u8> = b"abcdef".iter().flat_map(|&letter| [letter; 3]).collect();
        for (quarters, mirrored, want) in [
            (0, true, "cbafed"),
            (1, false, "daebfc"),
            (1, true, "adbecf"),
            (2, false, "fedcba"),
            (2, true, "defabc"),
            (3, false, "cfbead"),
            (3, true, "fcebda"),
        ] {
            let mut turned = Vec::new();
            orient_pixels(&pixels, (3, 2), Orientation { quarters, mirrored }, &mut turned);
            let seen: String = turned.iter().step_by(3).map(|&letter| char::from(letter)).collect();
            assert_eq!(seen, want, "{quarters} {mirrored}");
        }
    }
}
