//! A frame as the source gave it.

use crate::base::Stamp;

use super::Fourcc;

/// One frame, lent by a source until it is asked for the next.
///
/// Scarce: `data` may lie in a driver's buffer, so a frame is not `Clone` and cannot outlive its
/// source. What is to be kept becomes a [`super::Picture`].
///
/// Invariants, upheld by whoever makes one: for raw formats `data.len()` is at least
/// `fourcc.frame_len(stride, height)`; for JPEG `stride` is 0 and nothing is promised of `data`.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Pixels in a row; for JPEG what the source claims (the picture's own header decides).
    pub width: u32,
    /// Rows; for JPEG what the source claims.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 for JPEG. In YU12 the chroma planes
    /// have half of it (rounded up), as V4L2 defines.
    pub stride: u32,
    /// The bytes.
    pub data: &'a [u8],
    /// When it was captured.
    pub stamp: Stamp,
    /// The source's own number; a jump is a frame the source or its driver lost.
    pub sequence: u64,
}
