//! Transforms a picture for a [`View`]: rotate, mirror, crop, scale, remove colour, add a caption. Used for streams,
//! snapshots, `?w=` and thumbnails. Without a change the original bytes are returned.
//!
//! As little as possible of a JPEG is decoded. Rotation, cropping and removal of colour work on the coefficients of
//! whole blocks, without loss, if the blocks fit (`Header::is_lossless`). If not (1080 rows of 4:2:0 are no whole
//! number of blocks), the picture is decoded and encoded, so that its size is always exact and no edge is lost.
//! Smaller pictures are decoded at the smaller scale in the DCT domain. The planes of a raw frame are transformed
//! before they are compressed, so that less is compressed.
//!
//! Blocks the calling thread for some milliseconds at most. Reuses its buffers.

use std::sync::Arc;

use bytes::Bytes;

use super::memory_budget::{MemoryBudget, NoRoom};
use super::plane::{Plane, Samples};
use super::planes::{Planar, Planes};
use super::turbo::{CompressError, Compressor, Decompressor, Header, Turner, YuvLayout};
use crate::media::caption::{Caption, Paper};
use crate::media::jpeg::{self, JpegError};
use crate::media::{Crop, Frame, Picture, PicturePool, View};
use tallycam_base::Fault;

/// Range of widths that may be requested, in pixels.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

/// Why a picture could not be transformed.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// It is no valid JPEG.
    #[error("the picture is no JPEG that is understood: {0}")]
    Jpeg(#[from] JpegError),
    /// It is not of luma and chroma (CMYK, lossless), or has an unusual subsampling.
    #[error("the picture cannot be changed so: {0}")]
    Kind(&'static str),
    /// libjpeg-turbo failed, or there is no memory for it.
    #[error(transparent)]
    Turbo(#[from] CompressError),
}

impl TransformError {
    /// The exhausted memory budget, if that is the reason.
    pub fn out_of_memory(&self) -> Option<&NoRoom> {
        match self {
            TransformError::Turbo(CompressError::NoRoom(none)) => Some(none),
            _ => None,
        }
    }
}

/// A transformed picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformed {
    /// The JPEG: the original one if nothing changed.
    pub jpeg: Bytes,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// Transforms pictures. Reuses its buffers.
#[derive(Debug)]
pub struct Transformer {
    decompressor: Decompressor,
    compressor: Compressor,
    turner: Turner,
    caption: Caption,
    /// The planes from libjpeg-turbo.
    decoded: Vec<u8>,
    raw: Planes,
    shaped: Shaped,
    pool: PicturePool,
}

/// The steps of a transformation, known before anything is decoded.
struct TransformPlan<'a> {
    view: &'a View,
    /// The visible part, before rotation.
    part: Crop,
    /// The final size.
    size: (u32, u32),
    gray: bool,
    words: Option<&'a str>,
}

/// The resulting JPEG.
enum TransformedJpeg<'a> {
    /// The original one.
    Same,
    New(&'a [u8]),
}

impl<'a> TransformPlan<'a> {
    /// The plan for a picture of `size` pixels, scaled to at most `width`.
    fn new(
        view: &'a View,
        size: (u32, u32),
        width: Option<u32>,
        has_colour: bool,
        words: Option<&'a str>,
    ) -> TransformPlan<'a> {
        let shown = view.output_size(size);
        let size_wanted = match width.map(|width| width.clamp(*WIDTHS.start(), *WIDTHS.end())) {
            Some(width) if width < shown.0 => {
                let height =
                    (u64::from(shown.1) * u64::from(width) + u64::from(shown.0) / 2) / u64::from(shown.0);
                (width, (height as u32).max(1))
            }
            _ => shown,
        };
        TransformPlan {
            view,
            part: view.geometry().source_part(size),
            size: size_wanted,
            gray: view.gray && has_colour,
            words,
        }
    }

    fn size_before_orientation(&self) -> (usize, usize) {
        let (width, height) = self.view.geometry().orientation.oriented_size(self.size);
        (width as usize, height as usize)
    }

    fn is_smaller(&self) -> bool {
        self.size_before_orientation() != (self.part.width as usize, self.part.height as usize)
    }
}

impl Transformer {
    /// A transformer with the memory budget of the process.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<Transformer, CompressError> {
        Transformer::with_budget(&MemoryBudget::process_wide())
    }

    fn with_budget(room: &Arc<MemoryBudget>) -> Result<Transformer, CompressError> {
        Ok(Transformer {
            decompressor: Decompressor::with_budget(room)?,
            compressor: Compressor::new(75)?,
            turner: Turner::with_budget(room)?,
            caption: Caption::default(),
            decoded: Vec::new(),
            raw: Planes::default(),
            shaped: Shaped::default(),
            pool: PicturePool::default(),
        })
    }

    /// `jpeg` transformed for `view`, scaled to at most `width` pixels and never enlarged, with `words` written into
    /// it ([`View::caption_text`]). `quality` (1–100, libjpeg's scale) applies if it must be encoded again.
    ///
    /// # Errors
    /// [`TransformError`]; the next picture may be tried.
    pub fn transform(
        &mut self,
        jpeg: &Bytes,
        view: &View,
        width: Option<u32>,
        words: Option<&str>,
        quality: u8,
    ) -> Result<Transformed, TransformError> {
        let (made, (width, height)) = self.encode_view(jpeg, view, width, words, quality)?;
        let jpeg = match made {
            TransformedJpeg::Same => jpeg.clone(),
            TransformedJpeg::New(made) => Bytes::copy_from_slice(made),
        };
        Ok(Transformed { jpeg, width, height })
    }

    /// `picture` transformed for `view`, with its own stamp and number; the same picture if nothing changes.
    ///
    /// # Errors
    /// [`TransformError`]; the next picture may be tried.
    pub fn render(&mut self, picture: &Picture, view: &View, quality: u8) -> Result<Picture, TransformError> {
        let words = view.caption_text(&picture.stamp);
        let pool = self.pool.clone();
        let (made, (width, height)) =
            self.encode_view(&picture.jpeg(), view, None, words.as_deref(), quality)?;
        let TransformedJpeg::New(jpeg) = made else { return Ok(picture.clone()) };
        let mut builder = pool.builder(jpeg.len());
        builder.push(jpeg);
        Ok(builder.finish(width, height, picture.stamp, picture.sequence, picture.is_card))
    }

    /// Makes a picture of the raw `frame` for `view`.
    ///
    /// # Errors
    /// As [`super::Encoder::encode`].
    pub fn render_frame(&mut self, frame: &Frame<'_>, view: &View, quality: u8) -> Result<Picture, Fault> {
        super::check(frame)?;
        let words = view.caption_text(&frame.stamp);
        let planar = self.raw.split(frame, view.gray).ok_or_else(|| super::unsupported(frame.fourcc))?;
        let has_colour = !planar.u.is_empty();
        let plan = TransformPlan::new(view, (frame.width, frame.height), None, has_colour, words.as_deref());
        self.compressor.set_quality(quality)?;
        let ground = Ground::new(&planar, plan.part);
        let jpeg = self.shaped.encode(&ground, &plan, &mut self.caption, &mut self.compressor)?;
        let mut builder = self.pool.builder(jpeg.len());
        builder.push(jpeg);
        Ok(builder.finish(plan.size.0, plan.size.1, frame.stamp, frame.sequence, false))
    }

    fn encode_view(
        &mut self,
        jpeg: &[u8],
        view: &View,
        width: Option<u32>,
        words: Option<&str>,
        quality: u8,
    ) -> Result<(TransformedJpeg<'_>, (u32, u32)), TransformError> {
        // Also keeps images of absurd sizes away from the buffers.
        let found = jpeg::inspect(jpeg)?;
        let size = (found.width, found.height);
        let plan = TransformPlan::new(view, size, width, found.components != 1, words);
        let geometry = view.geometry();
        let is_at_its_size = plan.words.is_none() && !plan.is_smaller();
        if is_at_its_size && geometry.is_identity() && !plan.gray {
            return Ok((TransformedJpeg::Same, size));
        }
        let header = self.decompressor.header(jpeg)?;
        if is_at_its_size {
            let part = geometry.crop.map(|_| geometry.visible_part(size));
            if header.is_lossless(found.unit, geometry.orientation, part, plan.gray || header.is_gray()) {
                let turned = self.turner.orient(jpeg, geometry.orientation, part, plan.gray)?;
                return Ok((TransformedJpeg::New(turned), plan.size));
            }
        }
        let layout = self.decode(jpeg, &header, &plan)?;
        self.compressor.set_quality(quality)?;
        let ground = Ground::decoded(
            &layout,
            &self.decoded,
            plan.gray,
            size,
            plan.part,
            plan.size_before_orientation(),
        );
        let made = self.shaped.encode(&ground, &plan, &mut self.caption, &mut self.compressor)?;
        Ok((TransformedJpeg::New(made), plan.size))
    }

    /// Decodes `jpeg` at the smallest scale at which the visible part has the final size.
    fn decode(
        &mut self,
        jpeg: &[u8],
        header: &Header,
        plan: &TransformPlan<'_>,
    ) -> Result<YuvLayout, TransformError> {
        let wanted = plan.size_before_orientation();
        let (width, height) = (plan.part.width as usize, plan.part.height as usize);
        let eighths = (1..8)
            .find(|n| (width * n).div_ceil(8) >= wanted.0 && (height * n).div_ceil(8) >= wanted.1)
            .unwrap_or(8);
        let layout = header.layout(eighths).map_err(TransformError::Kind)?;
        if self.decompressor.reserve_memory(jpeg, header, &layout)? {
            (self.decoded, self.shaped) = (Vec::new(), Shaped::default());
        }
        let room = if plan.gray { layout.width * layout.height } else { layout.len() };
        if self.decoded.len() < room {
            self.decoded.resize(room, 0);
        }
        if plan.gray {
            self.decompressor.decompress_luma(jpeg, &layout, &mut self.decoded[..room])?;
        } else {
            self.decompressor.decompress(jpeg, &layout, &mut self.decoded[..room])?;
        }
        Ok(layout)
    }
}

/// Source planes and the visible part of them.
struct Ground<'a> {
    y: Samples<'a>,
    /// Blue and red; `None` for grey.
    chroma: Option<[Samples<'a>; 2]>,
    /// The visible part of the luma.
    part: Crop,
    /// Samples of luma, across and down, for one of chroma.
    across: usize,
    down: usize,
}

impl<'a> Ground<'a> {
    /// The planes of a raw frame and their visible `part`.
    fn new(planar: &Planar<'a>, part: Crop) -> Ground<'a> {
        let (width, height) = (planar.width, planar.height);
        let y = Samples { bytes: planar.y, stride: planar.y_stride, width, height };
        let (wide, high) = (width.div_ceil(2), height.div_ceil(2));
        let plane = |bytes| Samples { bytes, stride: planar.chroma_stride, width: wide, height: high };
        let chroma = (!planar.u.is_empty()).then(|| [plane(planar.u), plane(planar.v)]);
        Ground { y, chroma, part, across: 2, down: 2 }
    }

    /// The planes from libjpeg-turbo, maybe at a smaller scale than the picture of `size`, with its visible `part`
    /// that becomes `wanted`.
    fn decoded(
        layout: &YuvLayout,
        planes: &'a [u8],
        luma_only: bool,
        size: (u32, u32),
        part: Crop,
        wanted: (usize, usize),
    ) -> Ground<'a> {
        let (width, height) = (layout.width, layout.height);
        let stride = if luma_only { width } else { layout.y_stride };
        let y = Samples { bytes: planes, stride, width, height };
        let chroma = (!luma_only && layout.chroma_stride > 0).then(|| {
            let len = layout.chroma_stride * layout.chroma_rows;
            let plane = |from: usize| Samples {
                bytes: &planes[from..from + len],
                stride: layout.chroma_stride,
                width: width.div_ceil(layout.across),
                height: height.div_ceil(layout.down),
            };
            let luma = layout.y_stride * layout.y_rows;
            [plane(luma), plane(luma + len)]
        });
        // The part at this scale: rounded to the nearest sample, with the exact final size where the scale allows.
        let scale = |from: u32, length: u32, of: u32, now: usize, wanted: usize| {
            let of = u64::from(of.max(1));
            let length = (u64::from(length) * now as u64).div_ceil(of).clamp(1, now as u64);
            let length =
                if length.abs_diff(wanted as u64) <= 1 { (wanted as u64).min(now as u64) } else { length };
            let first = ((u64::from(from) * now as u64 + of / 2) / of).min(now as u64 - length);
            (first as u32, length as u32)
        };
        let (left, wide) = scale(part.left, part.width, size.0, width, wanted.0);
        let (top, high) = scale(part.top, part.height, size.1, height, wanted.1);
        let part = Crop { left, top, width: wide, height: high };
        Ground { y, chroma, part, across: layout.across, down: layout.down }
    }

    /// The part in place, if its layout suits the compressor.
    fn crop_in_place(&self, colour: Option<[Samples<'a>; 2]>) -> Option<Planar<'a>> {
        let (left, top) = (self.part.left as usize, self.part.top as usize);
        let (width, height) = (self.part.width as usize, self.part.height as usize);
        let from = |plane: Samples<'a>, left: usize, top: usize, width: usize, height: usize| {
            let bytes = plane.bytes.get(top * plane.stride + left..)?;
            // The compressor reads whole blocks, so rows after the last one and samples beside them must exist.
            (left + width <= plane.stride && bytes.len() >= plane.stride * (height - 1) + width)
                .then_some(bytes)
        };
        let Some([u, v]) = colour else {
            let y = from(self.y, left, top, width, height)?;
            return Some(Planar {
                width,
                height,
                y,
                y_stride: self.y.stride,
                u: &[],
                v: &[],
                chroma_stride: 0,
            });
        };
        let is_even = left.is_multiple_of(2) && top.is_multiple_of(2);
        if (self.across, self.down) != (2, 2) || !is_even {
            return None;
        }
        let chroma = |plane| from(plane, left / 2, top / 2, width.div_ceil(2), height.div_ceil(2));
        Some(Planar {
            width,
            height,
            y: from(self.y, left, top, width.next_multiple_of(2), height.next_multiple_of(2))?,
            y_stride: self.y.stride,
            u: chroma(u)?,
            v: chroma(v)?,
            chroma_stride: u.stride,
        })
    }

    /// The part of the chroma that belongs to the part of the luma.
    fn chroma_part(&self) -> Crop {
        let (across, down) = (self.across as u32, self.down as u32);
        let Crop { left, top, width, height } = self.part;
        let (from, upper) = (left / across, top / down);
        Crop {
            left: from,
            top: upper,
            width: (left + width).div_ceil(across) - from,
            height: (top + height).div_ceil(down) - upper,
        }
    }
}

/// Planes of 4:2:0 ready for compression.
#[derive(Debug, Default)]
struct Shaped {
    planes: [Plane; 3],
    spare: Plane,
}

impl Shaped {
    /// Makes the JPEG of `plan` from `ground`.
    fn encode<'a>(
        &mut self,
        ground: &Ground<'_>,
        plan: &TransformPlan<'_>,
        caption: &mut Caption,
        compressor: &'a mut Compressor,
    ) -> Result<&'a [u8], CompressError> {
        let colour = ground.chroma.filter(|_| !plan.gray);
        let part = ground.part;
        let wanted = plan.size_before_orientation();
        let orientation = plan.view.geometry().orientation;
        let (width, height) = (plan.size.0 as usize, plan.size.1 as usize);
        let as_it_lies = (part.width as usize, part.height as usize) == wanted
            && orientation == Default::default()
            && plan.words.is_none();
        if as_it_lies && let Some(planar) = ground.crop_in_place(colour) {
            return compressor.compress(&planar);
        }
        self.planes[0].resize_from(ground.y.part(part), wanted, &mut self.spare);
        self.planes[0].orient(orientation, &mut self.spare);
        if let Some(chroma) = colour {
            let half = (wanted.0.div_ceil(2), wanted.1.div_ceil(2));
            let part = ground.chroma_part();
            for (plane, from) in self.planes[1..].iter_mut().zip(chroma) {
                plane.resize_from(from.part(part), half, &mut self.spare);
                plane.orient(orientation, &mut self.spare);
            }
        }
        let [y, u, v] = &mut self.planes;
        if let Some(words) = plan.words {
            let (u, v): (&mut [u8], &mut [u8]) = match colour {
                Some(_) => (&mut u.samples, &mut v.samples),
                None => (&mut [], &mut []),
            };
            caption.write(words, Paper { width, height, y: &mut y.samples, u, v });
        }
        if colour.is_some() {
            y.pad_to_even(&mut self.spare);
        }
        let none: &[u8] = &[];
        compressor.compress(&Planar {
            width,
            height,
            y: &y.samples,
            y_stride: y.width,
            u: if colour.is_some() { &u.samples } else { none },
            v: if colour.is_some() { &v.samples } else { none },
            chroma_stride: if colour.is_some() { u.width } else { 0 },
        })
    }
}

#[cfg(test)]
mod tests;
