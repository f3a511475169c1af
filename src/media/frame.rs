//! A frame as the source gave it.

use crate::base::ClockTime;

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
    /// The same picture smaller, where the camera gives both.
    pub second: Option<SecondFrame<'a>>,
    /// When it was captured.
    pub stamp: ClockTime,
    /// The source's own number; a jump is a frame the source or its driver lost.
    pub sequence: u64,
}

/// What a camera gives beside a frame: the same picture, at the same moment, smaller. Planar 4:2:0 (NV12 or YU12).
/// Where its shape is another, it is stretched: fractions of it are fractions of the frame.
#[derive(Debug, Clone, Copy)]
pub struct SecondFrame<'a> {
    /// Pixel format.
    pub fourcc: Fourcc,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// Bytes from one row of luma to the next.
    pub stride: u32,
    /// The bytes, at least `fourcc.frame_len(stride, height)`.
    pub data: &'a [u8],
}

impl<'a> SecondFrame<'a> {
    /// As a frame of its own, of the moment of `frame`.
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
