//! Decodes a JPEG to the small planar image for a detector, in libjpeg-turbo's DCT domain.
//!
//! An image at an eighth of its size costs little more than decoding the Huffman codes, without a conversion through
//! RGB. Runs on the thread that needs the image. Allocates memory only for the first image of a size.

use super::memory_budget::NoRoom;
use super::plane::{Plane, Samples};
use super::turbo::{CompressError, Decompressor, YuvLayout};
use crate::media::{Crop, Geometry, Orientation, Picture, SmallImage};

/// Why the JPEG of a picture could not be reduced.
#[derive(Debug, thiserror::Error)]
pub enum ReduceError {
    /// It is broken or truncated.
    #[error("the JPEG of picture {sequence} ({len} bytes) is broken: {source}")]
    Broken {
        /// The picture's number.
        sequence: u64,
        /// Bytes of the JPEG.
        len: usize,
        /// libjpeg-turbo's message.
        source: CompressError,
    },
    /// It is not of luma and chroma (CMYK, lossless), or has an unusual subsampling.
    #[error("the JPEG of picture {sequence} is none of luma and chroma: {what}")]
    Kind {
        /// The picture's number.
        sequence: u64,
        /// The kind that it is.
        what: &'static str,
    },
}

impl ReduceError {
    /// The exhausted memory budget, if that is the reason.
    pub fn out_of_memory(&self) -> Option<&NoRoom> {
        match self {
            ReduceError::Broken { source: CompressError::NoRoom(none), .. } => Some(none),
            _ => None,
        }
    }
}

/// Reduces pictures. Reuses its buffers.
#[derive(Debug)]
pub struct Reducer {
    decompressor: Decompressor,
    /// The planes from libjpeg-turbo, padded to whole blocks of chroma.
    planes: Vec<u8>,
    /// Buffer for rotation.
    plane: Plane,
    spare: Plane,
}

impl Reducer {
    /// A reducer with empty buffers.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<Reducer, CompressError> {
        Ok(Reducer {
            decompressor: Decompressor::new()?,
            planes: Vec::new(),
            plane: Plane::default(),
            spare: Plane::default(),
        })
    }

    /// Frees its memory.
    pub fn release(&mut self) {
        self.decompressor.release();
        (self.planes, self.plane, self.spare) = Default::default();
    }

    /// Decodes `picture` into `out` at the smallest of libjpeg-turbo's scales (1/8, 2/8 … 8/8) that has at least
    /// `least` (width, height) pixels, or at full size. Lengths are rounded up. Chroma keeps the subsampling of the
    /// file: 4:4:4, 4:2:2, 4:4:0, 4:2:0 or none. For the rare 4:1:1 and 4:4:1 each sample is doubled.
    ///
    /// # Errors
    /// See [`ReduceError`]; `out` is then undefined, and the next picture may be tried.
    pub fn reduce(
        &mut self,
        picture: &Picture,
        least: (u32, u32),
        out: &mut SmallImage,
    ) -> Result<(), ReduceError> {
        self.reduce_visible(picture, &Geometry::default(), least, out)
    }

    /// Like [`reduce`](Reducer::reduce) for the part of the picture that `geometry` shows: `least` and the size of
    /// the original in `out` refer to that part.
    ///
    /// # Errors
    /// As [`Reducer::reduce`].
    pub fn reduce_visible(
        &mut self,
        picture: &Picture,
        geometry: &Geometry,
        least: (u32, u32),
        out: &mut SmallImage,
    ) -> Result<(), ReduceError> {
        let (sequence, jpeg) = (picture.sequence, picture.jpeg());
        let broken = |source| ReduceError::Broken { sequence, len: jpeg.len(), source };
        let header = self.decompressor.header(&jpeg).map_err(broken)?;
        let (width, height) = header.size();
        let size = (width as u32, height as u32);
        let part = geometry.source_part(size);
        let (least_width, least_height) =
            geometry.orientation.oriented_size((least.0 as usize, least.1 as usize));
        let (wide, high) = (part.width as usize, part.height as usize);
        let eighths = (1..8)
            .find(|n| (wide * n).div_ceil(8) >= least_width && (high * n).div_ceil(8) >= least_height)
            .unwrap_or(8);
        let kind = |what| ReduceError::Kind { sequence, what };
        let layout = header.layout(eighths).map_err(kind)?;
        if self.decompressor.reserve_memory(&jpeg, &header, &layout).map_err(broken)? {
            (self.planes, self.plane, self.spare) = Default::default();
            *out = SmallImage::empty();
        }
        out.of = geometry.visible_size(size);
        out.stamp = picture.stamp;
        out.sequence = picture.sequence;
        let is_straight = layout.across <= 2 && layout.down <= 2;
        if !is_straight || self.decode_directly(&jpeg, &layout, out).is_none() {
            (out.width, out.height) = (layout.width, layout.height);
            (out.chroma_width, out.chroma_height) = layout.chroma_size();
            if self.planes.len() != layout.len() {
                self.planes.resize(layout.len(), 0);
            }
            let decompressor = &mut self.decompressor;
            let done = match is_straight {
                // The built-in reader has already failed on it.
                true => decompressor.decompress_by_turbo(&jpeg, &layout, &mut self.planes),
                false => decompressor.decompress(&jpeg, &layout, &mut self.planes),
            };
            done.map_err(broken)?;
            self.copy_planes(&layout, out);
        }
        if !geometry.is_identity() {
            self.crop_and_orient(geometry.orientation, part, size, out);
        }
        Ok(())
    }

    /// Decodes into `out` itself and sets its sizes. `None` if the built-in reader does not support the JPEG.
    fn decode_directly(&mut self, jpeg: &[u8], layout: &YuvLayout, out: &mut SmallImage) -> Option<()> {
        (out.width, out.height) = (layout.width, layout.height);
        (out.chroma_width, out.chroma_height) = layout.chroma_size();
        out.y.resize(out.width * out.height, 0);
        for plane in [&mut out.u, &mut out.v] {
            plane.resize(out.chroma_width * out.chroma_height, 0);
        }
        self.decompressor.decode_unpadded(jpeg, layout, [&mut out.y, &mut out.u, &mut out.v])
    }

    /// Crops `out`, a small image of a picture of `size`, to `part`, and rotates it.
    fn crop_and_orient(
        &mut self,
        orientation: Orientation,
        part: Crop,
        size: (u32, u32),
        out: &mut SmallImage,
    ) {
        let luma = (out.width, out.height);
        let chroma = (out.chroma_width, out.chroma_height);
        let [part, chroma_part] = out.sample_parts(part, size);
        (out.width, out.height) = self.crop_plane(orientation, part, luma, &mut out.y);
        if chroma.0 > 0 && chroma.1 > 0 {
            let part = chroma_part;
            (out.chroma_width, out.chroma_height) = self.crop_plane(orientation, part, chroma, &mut out.u);
            self.crop_plane(orientation, part, chroma, &mut out.v);
        }
    }

    fn crop_plane(
        &mut self,
        orientation: Orientation,
        part: Crop,
        (width, height): (usize, usize),
        plane: &mut Vec<u8>,
    ) -> (usize, usize) {
        let part = Samples { bytes: plane, stride: width, width, height }.part(part);
        self.plane.resize_from(part, (part.width, part.height), &mut self.spare);
        self.plane.orient(orientation, &mut self.spare);
        std::mem::swap(&mut self.plane.samples, plane);
        (self.plane.width, self.plane.height)
    }

    /// Copies the planes without their padding.
    fn copy_planes(&self, layout: &YuvLayout, out: &mut SmallImage) {
        let (luma, chroma) = self.planes.split_at(layout.y_stride * layout.y_rows);
        copy_rows(luma, layout.y_stride, layout.width, layout.height, &mut out.y);
        if layout.chroma_stride == 0 {
            (out.chroma_width, out.chroma_height) = (0, 0);
            out.u.clear();
            out.v.clear();
            return;
        }
        // A subsampling by four is delivered as one by two.
        let repeat = (if layout.across == 4 { 2 } else { 1 }, if layout.down == 4 { 2 } else { 1 });
        out.chroma_width = layout.width.div_ceil(layout.across / repeat.0);
        out.chroma_height = layout.height.div_ceil(layout.down / repeat.1);
        let planes = chroma.split_at(layout.chroma_stride * layout.chroma_rows);
        for (from, to) in [(planes.0, &mut out.u), (planes.1, &mut out.v)] {
            if repeat == (1, 1) {
                copy_rows(from, layout.chroma_stride, out.chroma_width, out.chroma_height, to);
                continue;
            }
            to.clear();
            for row in 0..out.chroma_height {
                let from = &from[row / repeat.1 * layout.chroma_stride..][..layout.chroma_stride];
                to.extend((0..out.chroma_width).map(|column| from[column / repeat.0]));
            }
        }
    }
}

/// Copies the first `width` bytes of each of `height` rows of `from`.
fn copy_rows(from: &[u8], stride: usize, width: usize, height: usize, to: &mut Vec<u8>) {
    to.clear();
    to.reserve(width * height);
    for row in from.chunks_exact(stride).take(height) {
        to.extend_from_slice(&row[..width]);
    }
}
