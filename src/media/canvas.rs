//! Drawing on planar YUV pictures.
use crate::{
    base::Stamp,
    media::{Fourcc, Frame},
};
pub struct Canvas {
    w: u32,
    h: u32,
    d: Vec<u8>,
}
impl Canvas {
    pub fn new(w: u32, h: u32) -> Canvas {
        Canvas { w, h, d: vec![60; (w * h + 2 * w.div_ceil(2) * h.div_ceil(2)) as usize] }
    }
    pub fn frame(&self, stamp: Stamp, sequence: u64) -> Frame<'_> {
        Frame {
            fourcc: Fourcc::YU12,
            width: self.w,
            height: self.h,
            stride: self.w,
            data: &self.d,
            stamp,
            sequence,
        }
    }
}
