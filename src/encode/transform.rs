//! A picture changed as a [`View`] wants it: turned, mirrored, cropped, made smaller, without its colour, written into.
//! What streams, snapshots, `?w=` and thumbnails are made with. Nothing to be done gives the very bytes that came.
//!
//! Of a finished JPEG as little is decoded as can be. Turning, cropping and taking the colour away are done to the
//! coefficients of whole blocks, without loss, where the blocks come out even (`Header::is_lossless`); where they do
//! not (1080 rows of 4:2:0 are no whole number of blocks) the picture is decoded and encoded, so that its size is
//! always exact and no edge is lost. Smaller pictures are decoded at that scale in the DCT domain. Of a raw frame the
//! planes are changed before they are compressed, so that less is compressed than without the change.
//!
//! Blocks the thread that calls, for some milliseconds at most. Reuses its buffers.

use std::sync::Arc;

use bytes::Bytes;

use super::EncodeError;
use super::memory_budget::{MemoryBudget, NoRoom};
use super::plane::{Plane, Samples};
use super::planes::{Planar, Planes};
use super::turbo::{CompressError, Compressor, Decompressor, Header, Turner, YuvLayout};
use crate::media::caption::{Caption, Paper};
use crate::media::jpeg::{self, JpegError};
use crate::media::{Crop, Frame, Picture, PicturePool, View};

/// The narrowest and the widest that may be asked for.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

/// Why a picture could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// It is no JPEG.
    #[error("the picture is no JPEG that is understood: {0}")]
    Jpeg(#[from] JpegError),
    /// It holds no luma and chroma: CMYK, lossless, or subsampled as nobody does.
    #[error("the picture cannot be changed so: {0}")]
    Kind(&'static str),
    /// libjpeg-turbo refused, or there is no memory for it.
    #[error(transparent)]
    Turbo(#[from] CompressError),
}

impl TransformError {
    /// The memory that there is not, if that is why.
    pub fn out_of_memory(&self) -> Option<&NoRoom> {
        match self {
            TransformError::Turbo(CompressError::NoRoom(none)) => Some(none),
            _ => None,
        }
    }
}

/// A picture that was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformed {
    /// The JPEG: the one that came, if there was nothing to do.
    pub jpeg: Bytes,
    /// Pixels in a row.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// Changes pictures. Reuses its buffers.
#[derive(Debug)]
pub struct Transformer {
    decompressor: Decompressor,
    compressor: Compressor,
    turner: Turner,
    caption: Caption,
    /// The planes as libjpeg-turbo leaves them.
    decoded: Vec<u8>,
    /// The planes of a raw frame.
    raw: Planes,
    shaped: Shaped,
    pool: PicturePool,
}

/// What is made of a picture, all of it known before any is decoded.
struct TransformPlan<'a> {
    view: &'a View,
    /// The part that is shown, before it is turned.
    part: Crop,
    /// The size that is wanted.
    size: (u32, u32),
    gray: bool,
    words: Option<&'a str>,
}

/// Where the JPEG that was made lies.
enum TransformedJpeg<'a> {
    /// It is the one that came.
    Same,
    New(&'a [u8]),
}

impl<'a> TransformPlan<'a> {
    /// Of a picture of `size` pixels, shown at most `width` pixels wide.
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

    /// The size before it is turned.
    fn size_before_orientation(&self) -> (usize, usize) {
        let (width, height) = self.view.geometry().orientation.oriented_size(self.size);
        (width as usize, height as usize)
    }

    fn is_smaller(&self) -> bool {
        self.size_before_orientation() != (self.part.width as usize, self.part.height as usize)
    }
}

impl Transformer {
    /// A transformer.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<Transformer, CompressError> {
        Transformer::with_budget(&MemoryBudget::process_wide())
    }

    /// One whose pictures take of that memory.
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

    /// `jpeg` as `view` shows it, with at most `width` pixels a row, never more than it has, and with `words` written
    /// into it ([`View::caption_text`]). `quality` (1–100, libjpeg's scale) is used where it must be encoded again.
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

    /// `picture` as `view` shows it, with its own stamp and number; the same picture where there is nothing to do.
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

    /// A picture of the raw `frame`, as `view` shows it.
    ///
    /// # Errors
    /// As [`super::Encoder::encode`].
    pub fn render_frame(
        &mut self,
        frame: &Frame<'_>,
        view: &View,
        quality: u8,
    ) -> Result<Picture, EncodeError> {
        super::check(frame)?;
        let words = view.caption_text(&frame.stamp);
        let planar = self.raw.split(frame, view.gray).ok_or(EncodeError::Format(frame.fourcc))?;
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
        // Also keeps pictures of absurd sizes away from the buffers.
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

    /// Decodes `jpeg` at the least scale at which the part that is shown has the size that is wanted.
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

/// Planes that a picture is made of, and what part of them is shown.
struct Ground<'a> {
    y: Samples<'a>,
    /// Blue and red; `None` for grey.
    chroma: Option<[Samples<'a>; 2]>,
    /// The part of the luma.
    part: Crop,
    /// Samples of luma, across and down, that one of chroma stands for.
    across: usize,
    down: usize,
}

impl<'a> Ground<'a> {
    /// A raw frame's planes, of which `part` is shown.
    fn new(planar: &Planar<'a>, part: Crop) -> Ground<'a> {
        let (width, height) = (planar.width, planar.height);
        let y = Samples { bytes: planar.y, stride: planar.y_stride, width, height };
        let (wide, high) = (width.div_ceil(2), height.div_ceil(2));
        let plane = |bytes| Samples { bytes, stride: planar.chroma_stride, width: wide, height: high };
        let chroma = (!planar.u.is_empty()).then(|| [plane(planar.u), plane(planar.v)]);
        Ground { y, chroma, part, across: 2, down: 2 }
    }

    /// What libjpeg-turbo has decoded, maybe at a smaller scale than the picture of `size`, of which `part` is shown,
    /// to be made `wanted`.
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
        // The part at this scale: to the nearest sample, and exactly as large as wanted where the scale allows.
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

    /// The part where it lies, if that is how the compressor wants it.
    fn crop_in_place(&self, colour: Option<[Samples<'a>; 2]>) -> Option<Planar<'a>> {
        let (left, top) = (self.part.left as usize, self.part.top as usize);
        let (width, height) = (self.part.width as usize, self.part.height as usize);
        let from = |plane: Samples<'a>, left: usize, top: usize, width: usize, height: usize| {
            let bytes = plane.bytes.get(top * plane.stride + left..)?;
            // Rows beyond the last one and samples beside them are there where the compressor reads whole blocks.
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

/// Planes of 4:2:0 as they are compressed.
#[derive(Debug, Default)]
struct Shaped {
    planes: [Plane; 3],
    spare: Plane,
}

impl Shaped {
    /// Makes the JPEG that `plan` wants of `ground`.
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
