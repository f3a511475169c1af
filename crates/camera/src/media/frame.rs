//! A frame as the source gave it.

use tallycam_base::ClockTime;

use super::Fourcc;

/// A frame, lent by a source until the next one is requested.
///
/// Scarce: `data` may be in a driver's buffer, so a frame is not `Clone` and cannot outlive its source. To keep it,
/// make a [`super::Picture`] of it.
///
/// Invariants, upheld by the source: for raw formats `data.len()` is at least `fourcc.frame_len(stride, height)`; for
/// JPEG `stride` is 0 and `data` is unchecked.
#[derive(Debug)]
pub struct Frame<'a> {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Width in pixels; for JPEG as the source claims (its own header decides).
    pub width: u32,
    /// Height in pixels; for JPEG as the source claims.
    pub height: u32,
    /// Bytes from row to row of the first plane; 0 for JPEG. The chroma planes of YU12 have half of it (rounded up),
    /// as V4L2 defines.
    pub stride: u32,
    /// The bytes.
    pub data: &'a [u8],
    /// The same image, smaller, if the camera provides both.
    pub second: Option<SecondFrame<'a>>,
    /// Capture time.
    pub stamp: ClockTime,
    /// The source's own number; a gap means frames lost by the source or its driver.
    pub sequence: u64,
}

/// A smaller version that a camera provides with a frame, captured at the same moment. Planar 4:2:0 (NV12 or YU12).
/// With another aspect it is stretched: fractions of it are fractions of the frame.
#[derive(Debug, Clone, Copy)]
pub struct SecondFrame<'a> {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from row to row of luma.
    pub stride: u32,
    /// The bytes, at least `fourcc.frame_len(stride, height)`.
    pub data: &'a [u8],
}

impl<'a> SecondFrame<'a> {
    /// Converts it to a frame with the stamp and number of `frame`.
    pub fn to_frame(&self, frame: &Frame<'_>) -> Frame<'a> {
        let SecondFrame { fourcc, width, height, stride, data } = *self;
        Frame {
            fourcc,
            width,
            height,
            stride,
            data,
            second: None,
            stamp: frame.stamp,
            sequence: frame.sequence,
        }
    }
}
