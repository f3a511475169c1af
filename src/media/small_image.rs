//! A picture made small for a detector: planes of luma and chroma, nothing else.

use crate::base::Stamp;

/// A small planar picture. Owned, and reused from one picture to the next.
///
/// Invariants: `y` holds `width · height` bytes, row after row without padding; `u` and `v` hold
/// `chroma_width · chroma_height` each, or nothing at all for a grey picture. Full range BT.601, as
/// JFIF has it. Chroma is sampled at the centre of the luma pixels it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct SmallImage {
    /// Pixels in a row, at least 1.
    pub width: usize,
    /// Rows, at least 1.
    pub height: usize,
    /// Luma, 0–255.
    pub y: Vec<u8>,
    /// Blue minus luma, 128 is none.
    pub u: Vec<u8>,
    /// Red minus luma, 128 is none.
    pub v: Vec<u8>,
    /// Chroma samples in a row: between a half (rounded up) of `width` and `width`; 0 for grey.
    pub chroma_width: usize,
    /// Rows of chroma; 0 for grey.
    pub chroma_height: usize,
    /// Pixels in a row and rows of the picture it was made from: what fractions of it refer to.
    pub of: (u32, u32),
    /// When the picture was captured.
    pub stamp: Stamp,
    /// The source's number of the frame.
    pub sequence: u64,
}
