//! Turns frames into pictures: a camera's own JPEG passes through unchanged, raw frames become JPEG.
//!
//! Lives on the capture thread. Raw frames go to libjpeg-turbo as planar 4:2:0 YUV, never through RGB: for 1280×720
//! that is the difference between 2 ms and 10 ms. Planes that are already separate (YU12, the Y of NV12) are used in
//! place.

mod avi;
mod entropy;
mod mask;
mod memory_budget;
mod plane;
mod planes;
mod reduce;
mod repair;
mod transform;
mod turbo;

use crate::media::jpeg::{self, JpegError};
use crate::media::{Fourcc, Frame, Orientation, Picture, PicturePool};
use tallycam_base::{Fault, FaultKind};

pub use avi::AviWriter;
pub use mask::{Masker, PrivacyMask};
pub use memory_budget::NoRoom;
use planes::Planes;
pub use reduce::{ReduceError, Reducer};
use repair::{Doubts, Mender};
pub use transform::{TransformError, Transformed, Transformer};
pub use turbo::CompressError;
use turbo::Compressor;

/// Turns frames into pictures. Owns the compressor, its planes and the pictures' buffers, so that a frame allocates
/// memory only while earlier pictures are still in use.
#[derive(Debug)]
pub struct Encoder {
    compressor: Compressor,
    quality: u8,
    planes: Planes,
    doubts: Doubts,
    /// Created for the first JPEG that needs decoding.
    mender: Option<Box<Mender>>,
    pool: PicturePool,
}

impl Encoder {
    /// An encoder of `quality` 1–100 (libjpeg's scale) for raw frames.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new(quality: u8) -> Result<Encoder, CompressError> {
        let compressor = Compressor::new(quality)?;
        Ok(Encoder {
            compressor,
            quality,
            planes: Planes::default(),
            doubts: Doubts::default(),
            mender: None,
            pool: PicturePool::default(),
        })
    }

    /// Sets the quality, 1–100, of later pictures.
    ///
    /// # Errors
    /// libjpeg-turbo refuses it.
    pub fn set_quality(&mut self, quality: u8) -> Result<(), CompressError> {
        self.quality = quality;
        self.compressor.set_quality(quality)
    }

    /// Makes a picture of `frame`.
    ///
    /// # Errors
    /// A sentence with its cause; the encoder stays usable, and the next frame may be tried.
    pub fn encode(&mut self, frame: &Frame<'_>) -> Result<Picture, Fault> {
        if frame.fourcc.is_jpeg() { self.encode_passthrough(frame) } else { self.compress(frame, false) }
    }

    /// Makes a picture of a card.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn encode_card(&mut self, card: &Frame<'_>) -> Result<Picture, Fault> {
        self.compress(card, true)
    }

    /// Passes the camera's bytes on without trailing bytes after the end. It adds the standard Huffman tables if the
    /// camera omits them, as many UVC cameras do; no browser accepts that. A JPEG that views cannot use, or that has
    /// lost rows, is decoded here ([`Mender`]).
    fn encode_passthrough(&mut self, frame: &Frame<'_>) -> Result<Picture, Fault> {
        let broken = |cause: JpegError| {
            let what = format!("the camera sent a broken JPEG of {} bytes: {cause}", frame.data.len());
            Fault::new(FaultKind::Foreign, what)
        };
        let found = jpeg::inspect_open(frame.data).map_err(broken)?;
        let parts = found.decoder_parts(frame.data);
        let must_be_mended = !found.is_usual || found.orientation != Orientation::default();
        if self.doubts.has(frame, &found) || must_be_mended {
            let mender = match &mut self.mender {
                Some(mender) => mender,
                none => none.insert(Box::new(Mender::new()?)),
            };
            let jpeg = parts.concat();
            if found.is_usual {
                mender.check(&jpeg).map_err(|error| match error {
                    CompressError::NoRoom(_) => Fault::from(error),
                    CompressError::Turbo(_) => broken(JpegError::Damaged),
                })?;
            }
            self.doubts.is_whole(found.len);
            if must_be_mended {
                let (jpeg, width, height) = mender.repair(&jpeg, &found, self.quality, |_, _| {})?;
                let mut picture = self.pool.builder(jpeg.len());
                picture.push(jpeg);
                return Ok(picture.finish(width, height, frame.stamp, frame.sequence, false));
            }
        }
        let mut picture = self.pool.builder(found.len + jpeg::STANDARD_HUFFMAN_TABLES.len());
        parts.iter().for_each(|part| picture.push(part));
        Ok(picture.finish(found.width, found.height, frame.stamp, frame.sequence, false))
    }

    fn compress(&mut self, frame: &Frame<'_>, is_card: bool) -> Result<Picture, Fault> {
        check(frame)?;
        let planar = self.planes.split(frame, false).ok_or_else(|| unsupported(frame.fourcc))?;
        let jpeg = self.compressor.compress(&planar)?;
        let mut picture = self.pool.builder(jpeg.len());
        picture.push(jpeg);
        Ok(picture.finish(frame.width, frame.height, frame.stamp, frame.sequence, is_card))
    }
}

fn unsupported(format: Fourcc) -> Fault {
    let what =
        format!("frames in the format {format} cannot be shown; MJPG, YUYV, UYVY, NV12, YU12 and GREY can");
    Fault::wrong(what)
}

/// Checks that a raw frame has the bytes that its format and size need.
fn check(frame: &Frame<'_>) -> Result<(), Fault> {
    let needed =
        frame.fourcc.frame_len(frame.stride, frame.height).ok_or_else(|| unsupported(frame.fourcc))?;
    // Embedding programs have sources of their own, whose faults must not panic here.
    let fits = frame.fourcc.tight_stride(frame.width).is_some_and(|tight| tight <= frame.stride);
    let named = format_args!("a {} frame of {}×{} pixels", frame.fourcc, frame.width, frame.height);
    if frame.width == 0 || frame.height == 0 || !fits {
        let what = format!("{named} cannot have {} bytes a row", frame.stride);
        return Err(Fault::new(FaultKind::Foreign, what));
    }
    if frame.data.len() < needed {
        let what = format!("{named} needs {needed} bytes and has {}", frame.data.len());
        return Err(Fault::new(FaultKind::Foreign, what));
    }
    Ok(())
}
