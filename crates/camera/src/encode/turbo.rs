//! libjpeg-turbo: the only file that names `turbojpeg`.

use std::sync::Arc;

use turbojpeg::{
    Colorspace, DecompressHeader, Image, PixelFormat, ScalingFactor, Subsamp, Transform, TransformCrop,
    TransformOp, YuvImage, YuvPlanesImage, compressed_buf_len,
};

use super::entropy::{JpegReader, OutputPlane};
use super::memory_budget::{MemoryBudget, NoRoom, Share};
use super::planes::Planar;
use crate::media::{Crop, Orientation, jpeg};
use tallycam_base::Fault;

/// Why a JPEG was not decoded, transformed or made.
#[derive(Debug, thiserror::Error)]
pub enum CompressError {
    /// libjpeg-turbo's own message.
    #[error("libjpeg-turbo: {0}")]
    Turbo(#[from] turbojpeg::Error),
    /// The memory budget is exhausted.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl From<CompressError> for Fault {
    fn from(error: CompressError) -> Fault {
        Fault::passing(error.to_string())
    }
}

/// Bytes that a sample takes while an image is decoded: for the decoded planes, for the transformed ones, and for the
/// buffers in between.
const PER_SAMPLE: u64 = 4;
/// Bytes of a coefficient. All of them are in memory if an image has several scans or is rotated.
const PER_COEFFICIENT: u64 = 2;

/// A compressor and the buffer it writes to.
#[derive(Debug)]
pub struct Compressor {
    turbo: turbojpeg::Compressor,
    /// Room for the largest JPEG of the present size. Pages that no JPEG reaches are never touched, so it costs
    /// address space, not memory.
    out: Vec<u8>,
}

impl Compressor {
    /// A compressor of `quality` 1–100.
    pub fn new(quality: u8) -> Result<Compressor, CompressError> {
        let mut turbo = turbojpeg::Compressor::new()?;
        turbo.set_quality(i32::from(quality.clamp(1, 100)))?;
        Ok(Compressor { turbo, out: Vec::new() })
    }

    /// Sets the quality, 1–100, of later images.
    pub fn set_quality(&mut self, quality: u8) -> Result<(), CompressError> {
        Ok(self.turbo.set_quality(i32::from(quality.clamp(1, 100)))?)
    }

    /// The JPEG of `planar`, valid until the next call.
    pub fn compress(&mut self, planar: &Planar<'_>) -> Result<&[u8], CompressError> {
        let subsamp = if planar.u.is_empty() { Subsamp::Gray } else { Subsamp::Sub2x2 };
        let room = compressed_buf_len(planar.width, planar.height, subsamp)?;
        if self.out.len() != room {
            self.out = vec![0; room];
        }
        let len = if subsamp == Subsamp::Gray {
            self.turbo.set_subsamp(subsamp)?;
            let image = Image {
                pixels: planar.y,
                width: planar.width,
                pitch: planar.y_stride,
                height: planar.height,
                format: PixelFormat::GRAY,
            };
            self.turbo.compress_to_slice(image, &mut self.out)?
        } else {
            let image = YuvPlanesImage {
                y_plane: planar.y,
                u_plane: planar.u,
                v_plane: planar.v,
                width: planar.width,
                height: planar.height,
                y_stride: planar.y_stride,
                u_stride: planar.chroma_stride,
                v_stride: planar.chroma_stride,
                subsamp,
            };
            self.turbo.compress_yuv_planes_to_slice(&image, &mut self.out)?
        };
        Ok(&self.out[..len])
    }

    /// The JPEG of pixels of three bytes (red, green, blue), valid until the next call.
    pub(crate) fn compress_rgb(
        &mut self,
        pixels: &[u8],
        width: usize,
        height: usize,
    ) -> Result<&[u8], CompressError> {
        self.turbo.set_subsamp(Subsamp::Sub2x2)?;
        let image = Image { pixels, width, pitch: 3 * width, height, format: PixelFormat::RGB };
        self.out = self.turbo.compress_to_vec(image)?;
        Ok(&self.out)
    }
}

/// Decodes JPEGs to planes. The built-in reader decodes the kinds that cameras send at half the size or less, to the
/// same samples where libjpeg-turbo has the scale. libjpeg-turbo does everything else.
#[derive(Debug)]
pub struct Decompressor {
    turbo: turbojpeg::Decompressor,
    reader: JpegReader,
    /// For the decoded planes and their owner's buffers.
    share: Share,
}

/// Rotates and crops JPEGs and removes their colour without decoding blocks: the rest stays bit for bit the same.
#[derive(Debug)]
pub(crate) struct Turner {
    turbo: turbojpeg::Transformer,
    room: Arc<MemoryBudget>,
    /// Removes colour from the kinds of JPEG that cameras send.
    reader: JpegReader,
    /// It has processed an image.
    is_used: bool,
    /// As in [`Compressor`].
    out: Vec<u8>,
}

impl Turner {
    /// A turner with this memory budget.
    pub(crate) fn with_budget(room: &Arc<MemoryBudget>) -> Result<Turner, CompressError> {
        let turbo = turbojpeg::Transformer::new()?;
        Ok(Turner {
            turbo,
            room: Arc::clone(room),
            reader: JpegReader::default(),
            is_used: false,
            out: Vec::new(),
        })
    }

    /// `jpeg` rotated by `orientation`, then cropped to `part` (in pixels of the rotated image) if given, without
    /// colour if `gray`; valid until the next call. Metadata is dropped by rotation or cropping, because it describes
    /// how to show the image.
    ///
    /// Fails if incomplete blocks would move away from the right or lower edge, or if the part does not begin at a
    /// block: ask [`Header::is_lossless`] before.
    pub(crate) fn orient(
        &mut self,
        jpeg: &[u8],
        orientation: Orientation,
        part: Option<Crop>,
        gray: bool,
    ) -> Result<&[u8], CompressError> {
        let is_gray_alone = gray && orientation == Orientation::default() && part.is_none();
        if is_gray_alone && self.reader.make_gray(jpeg).is_some() {
            return Ok(self.reader.gray());
        }
        self.orient_by_turbo(jpeg, orientation, part, gray)
    }

    fn orient_by_turbo(
        &mut self,
        jpeg: &[u8],
        orientation: Orientation,
        part: Option<Crop>,
        gray: bool,
    ) -> Result<&[u8], CompressError> {
        if has_too_many_scans(jpeg) {
            let words = format!("it has more than {MOST_SCANS} scans");
            return Err(turbojpeg::Error::TurboJpegError(words).into());
        }
        // For input and output coefficients; libjpeg-turbo frees them at once.
        let mut share = Share::new(&self.room);
        if let Ok(found) = jpeg::inspect_open(jpeg) {
            share.grow(2 * PER_COEFFICIENT * samples(&found))?;
        }
        let op = match (orientation.quarters % 4, orientation.mirrored) {
            (0, false) => TransformOp::None,
            (0, true) => TransformOp::Hflip,
            (1, false) => TransformOp::Rot90,
            (1, true) => TransformOp::Transpose,
            (2, false) => TransformOp::Rot180,
            (2, true) => TransformOp::Vflip,
            (_, false) => TransformOp::Rot270,
            (_, true) => TransformOp::Transverse,
        };
        let mut transform = Transform::op(op);
        transform.gray = gray;
        transform.perfect = true;
        transform.copy_none = op != TransformOp::None || part.is_some();
        transform.crop = part.map(|part| TransformCrop {
            x: part.left as usize,
            y: part.top as usize,
            width: Some(part.width as usize),
            height: Some(part.height as usize),
        });
        // Blocks are written with other Huffman tables than before: they may take more room, but not twice as much.
        // Metadata keeps its size.
        let room = 2 * jpeg.len() + 4096;
        if self.out.len() < room || self.out.len() / 4 > room {
            self.out = vec![0; room.next_multiple_of(1 << 16)];
        }
        let mut done = self.turbo.transform_to_slice(&transform, jpeg, &mut self.out);
        let is_of_use = |error: &turbojpeg::Error| match error {
            turbojpeg::Error::TurboJpegError(words) => {
                words.contains(EXTRANEOUS) || words.contains("too small")
            }
            _ => false,
        };
        if done.as_ref().is_err_and(|error| !is_of_use(error)) && self.is_used {
            // Remains of a damaged image (Huffman tables) fail good ones, too.
            self.turbo = turbojpeg::Transformer::new()?;
            done = self.turbo.transform_to_slice(&transform, jpeg, &mut self.out);
        }
        self.is_used = true;
        match done {
            Ok(len) => Ok(&self.out[..len]),
            Err(turbojpeg::Error::TurboJpegError(words)) if words.contains(EXTRANEOUS) => {
                // It is complete; only its length is not reported.
                let end = jpeg::EndSearch::new().advance(&self.out).ok().flatten();
                let error = CompressError::from(turbojpeg::Error::TurboJpegError(words));
                end.map(|end| &self.out[..end]).ok_or(error)
            }
            Err(turbojpeg::Error::TurboJpegError(words)) if words.contains("too small") => {
                // More room is needed after all.
                self.out = self.turbo.transform_to_vec(&transform, jpeg)?;
                Ok(&self.out)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Maximum number of scans. A file may hold a thousand empty scans; each costs a pass over the image, even in a file
/// that is not progressive. Real files have ten.
const MOST_SCANS: u32 = 100;

/// True if a JPEG has more scans than that. libjpeg-turbo's transformer has no limit of its own.
fn has_too_many_scans(jpeg: &[u8]) -> bool {
    let is_scan = |&at: &usize| jpeg.get(at + 1) == Some(&0xda);
    memchr::memchr_iter(0xff, jpeg).filter(is_scan).count() > MOST_SCANS as usize
}

/// The header of a JPEG.
#[derive(Debug)]
pub struct Header(DecompressHeader);

/// Layout of libjpeg-turbo's planes: Y, U, V one after the other. Rows and columns of luma are padded to whole blocks
/// of chroma.
#[derive(Debug)]
pub(crate) struct YuvLayout {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Stride and number of rows of luma, with padding.
    pub y_stride: usize,
    pub y_rows: usize,
    /// The same of each chroma plane; 0 for grey.
    pub chroma_stride: usize,
    pub chroma_rows: usize,
    /// Pixels across and down for one sample of chroma.
    pub across: usize,
    pub down: usize,
    /// Scale in eighths.
    eighths: usize,
    subsamp: Subsamp,
}

impl YuvLayout {
    fn scale(&self) -> ScalingFactor {
        ScalingFactor::new(self.eighths, 8)
    }

    /// Width and height of a chroma plane in samples, without padding; 0 for grey.
    pub(crate) fn chroma_size(&self) -> (usize, usize) {
        match self.chroma_stride {
            0 => (0, 0),
            _ => (self.width.div_ceil(self.across), self.height.div_ceil(self.down)),
        }
    }
}

fn new_decompressor() -> Result<turbojpeg::Decompressor, turbojpeg::Error> {
    let mut turbo = turbojpeg::Decompressor::new()?;
    turbo.set_scan_limit(MOST_SCANS)?;
    Ok(turbo)
}

impl Decompressor {
    /// A decompressor with the memory budget of the process.
    pub fn new() -> Result<Decompressor, CompressError> {
        Decompressor::with_budget(&MemoryBudget::process_wide())
    }

    /// A decompressor with this memory budget.
    pub(crate) fn with_budget(room: &Arc<MemoryBudget>) -> Result<Decompressor, CompressError> {
        Ok(Decompressor {
            turbo: new_decompressor()?,
            reader: JpegReader::default(),
            share: Share::new(room),
        })
    }

    /// The owner has freed its decoded images.
    pub fn release(&mut self) {
        self.share.release();
    }

    /// Reserves memory for `layout` of the `jpeg` with this header; call it before allocating. Returns true if
    /// buffers of a much larger image must be freed.
    pub(crate) fn reserve_memory(
        &mut self,
        jpeg: &[u8],
        header: &Header,
        layout: &YuvLayout,
    ) -> Result<bool, CompressError> {
        let scans = if header.is_large() { coefficients(jpeg) } else { 0 };
        Ok(self.share.grow(PER_SAMPLE * layout.len() as u64 + scans * PER_COEFFICIENT)?)
    }

    /// Reads the header of a JPEG.
    pub fn header(&mut self, jpeg: &[u8]) -> Result<Header, CompressError> {
        match self.turbo.read_header(jpeg) {
            Ok(header) => Ok(Header(header)),
            Err(error) => self.reset_after(error),
        }
    }

    /// Remains of a damaged image (Huffman tables) must not fail the next one.
    fn reset_after<T>(&mut self, error: turbojpeg::Error) -> Result<T, CompressError> {
        self.turbo = new_decompressor()?;
        Err(error.into())
    }

    /// Decodes a JPEG whose header gave `layout` into `planes`, which has room for it.
    pub fn decompress(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        planes: &mut [u8],
    ) -> Result<(), CompressError> {
        if self.read_planes(jpeg, layout, planes).is_some() {
            return Ok(());
        }
        self.decompress_by_turbo(jpeg, layout, planes)
    }

    /// The same, always with libjpeg-turbo.
    pub(crate) fn decompress_by_turbo(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        planes: &mut [u8],
    ) -> Result<(), CompressError> {
        self.turbo.set_scaling_factor(layout.scale())?;
        let image = YuvImage {
            pixels: planes,
            width: layout.width,
            align: 1,
            height: layout.height,
            subsamp: layout.subsamp,
        };
        let done = self.turbo.decompress_to_yuv(jpeg, image);
        self.check_complete(done)
    }

    /// Decodes with the built-in reader. `None` if it does not support the JPEG.
    fn read_planes(&mut self, jpeg: &[u8], layout: &YuvLayout, planes: &mut [u8]) -> Option<()> {
        let (y, chroma) = planes.split_at_mut_checked(layout.y_stride * layout.y_rows)?;
        let len = layout.chroma_stride * layout.chroma_rows;
        let (u, rest) = chroma.split_at_mut_checked(len)?;
        let v = rest.get_mut(..len)?;
        let stride = layout.chroma_stride;
        let mut planes = [
            OutputPlane { samples: y, stride: layout.y_stride },
            OutputPlane { samples: u, stride },
            OutputPlane { samples: v, stride },
        ];
        let planes = if stride == 0 { &mut planes[..1] } else { &mut planes };
        self.read(jpeg, layout, planes)
    }

    /// Decodes a JPEG to planes without padding with the built-in reader. `planes` are luma and chroma of
    /// [`YuvLayout::chroma_size`], or nothing for grey. `None`, with undefined planes, if it does not support the
    /// JPEG.
    pub(crate) fn decode_unpadded(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        planes: [&mut [u8]; 3],
    ) -> Option<()> {
        let [y, u, v] = planes;
        let stride = layout.chroma_size().0;
        let mut planes = [
            OutputPlane { samples: y, stride: layout.width },
            OutputPlane { samples: u, stride },
            OutputPlane { samples: v, stride },
        ];
        let planes = if stride == 0 { &mut planes[..1] } else { &mut planes };
        self.read(jpeg, layout, planes)
    }

    fn read_luma(&mut self, jpeg: &[u8], layout: &YuvLayout, plane: &mut [u8]) -> Option<()> {
        let samples = plane.get_mut(..layout.width * layout.height)?;
        self.read(jpeg, layout, &mut [OutputPlane { samples, stride: layout.width }])
    }

    /// Fills `planes` with the built-in reader. `None` if it does not support the JPEG.
    fn read(&mut self, jpeg: &[u8], layout: &YuvLayout, planes: &mut [OutputPlane<'_>]) -> Option<()> {
        let (size, subsampling) = ((layout.width, layout.height), (layout.across, layout.down));
        self.reader.decode(jpeg, layout.eighths, size, subsampling, planes)
    }

    /// Decodes only luma, without padding. Skipping chroma halves the cost.
    pub(crate) fn decompress_luma(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        plane: &mut [u8],
    ) -> Result<(), CompressError> {
        if self.read_luma(jpeg, layout, plane).is_some() {
            return Ok(());
        }
        self.decompress_luma_by_turbo(jpeg, layout, plane)
    }

    fn decompress_luma_by_turbo(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        plane: &mut [u8],
    ) -> Result<(), CompressError> {
        self.turbo.set_scaling_factor(layout.scale())?;
        let image = Image {
            pixels: plane,
            width: layout.width,
            pitch: layout.width,
            height: layout.height,
            format: PixelFormat::GRAY,
        };
        let done = self.turbo.decompress(jpeg, image);
        self.check_complete(done)
    }

    /// Decodes all blocks of a JPEG of luma and chroma at an eighth of its size into `scratch`. Missing or damaged
    /// rows are an error.
    pub fn check(&mut self, jpeg: &[u8], scratch: &mut Vec<u8>) -> Result<(), CompressError> {
        let header = self.header(jpeg)?;
        let eighth = ScalingFactor::new(1, 8);
        let (width, height) = (eighth.scale(header.0.width), eighth.scale(header.0.height));
        let scans = if header.is_large() { coefficients(jpeg) } else { 0 };
        self.share.grow((width * height) as u64 + scans * PER_COEFFICIENT)?;
        scratch.resize(width * height, 0);
        self.turbo.set_scaling_factor(eighth)?;
        let format = PixelFormat::GRAY;
        let done = self
            .turbo
            .decompress(jpeg, Image { pixels: &mut scratch[..], width, pitch: width, height, format });
        match done {
            // Its other warnings leave no hole.
            Err(turbojpeg::Error::TurboJpegError(words)) if !LOST.iter().any(|lost| words.contains(lost)) => {
                Ok(())
            }
            done => self.check_complete(done),
        }
    }

    /// Decodes a JPEG of any colours to pixels of three bytes: red, green, blue. Returns width and height.
    pub(crate) fn decompress_rgb(
        &mut self,
        jpeg: &[u8],
        pixels: &mut Vec<u8>,
    ) -> Result<(usize, usize), CompressError> {
        let header = self.header(jpeg)?;
        let (width, height) = header.size();
        let is_print = matches!(header.0.colorspace, Colorspace::CMYK | Colorspace::YCCK);
        let (format, each) = if is_print { (PixelFormat::CMYK, 4) } else { (PixelFormat::RGB, 3) };
        if self.share.grow(PER_SAMPLE * (each * width * height) as u64)? {
            *pixels = Vec::new();
        }
        pixels.resize(each * width * height, 0);
        self.turbo.set_scaling_factor(ScalingFactor::ONE)?;
        let done = self
            .turbo
            .decompress(jpeg, Image { pixels: &mut pixels[..], width, pitch: each * width, height, format });
        self.check_complete(done)?;
        if is_print {
            // Adobe's inks are inverted, and all other writers of such JPEGs follow Adobe.
            for at in 0..width * height {
                let [cyan, magenta, yellow, black] = [0, 1, 2, 3].map(|ink| u16::from(pixels[4 * at + ink]));
                let light = [cyan, magenta, yellow].map(|ink| (ink * black / 255) as u8);
                pixels[3 * at..3 * at + 3].copy_from_slice(&light);
            }
            pixels.truncate(3 * width * height);
        }
        Ok((width, height))
    }

    /// An image is also complete if there are only extra bytes before its end.
    fn check_complete(&mut self, done: Result<(), turbojpeg::Error>) -> Result<(), CompressError> {
        match done {
            Ok(()) => Ok(()),
            Err(turbojpeg::Error::TurboJpegError(words)) if words.contains(EXTRANEOUS) => Ok(()),
            Err(error) => self.reset_after(error),
        }
    }
}

/// libjpeg's warning about bytes between the last block and the end. Many cheap cameras leave a few; the image is
/// complete.
const EXTRANEOUS: &str = "extraneous bytes before";

/// libjpeg's warnings about missing or destroyed rows.
const LOST: [&str; 4] = ["premature end", "Premature end", "bad Huffman code", "found marker"];

/// Number of coefficients of a JPEG with several scans, which are all in memory while it is decoded; 0 for others.
fn coefficients(jpeg: &[u8]) -> u64 {
    let Ok(found) = jpeg::inspect_open(jpeg) else { return 0 };
    // The number of components in the first scan (T.81 B.2.3).
    let is_one_scan = jpeg.get(found.tables_at + 4) == Some(&found.components);
    if found.is_progressive || !is_one_scan { samples(&found) } else { 0 }
}

/// Number of samples of all components.
fn samples(found: &jpeg::Jpeg) -> u64 {
    let pixels = u64::from(found.width) * u64::from(found.height);
    let each = u64::from(found.unit.0 / 8 * (found.unit.1 / 8)).max(1);
    pixels + u64::from(found.components.saturating_sub(1)) * pixels.div_ceil(each)
}

/// Images of fewer pixels are not checked for their memory.
const LARGE: usize = 4_000_000;

impl Header {
    /// True if it may need much memory.
    fn is_large(&self) -> bool {
        self.0.width * self.0.height > LARGE
    }

    /// Width and height in pixels.
    pub fn size(&self) -> (usize, usize) {
        (self.0.width, self.0.height)
    }

    /// True if it has no colour.
    pub fn is_gray(&self) -> bool {
        self.0.subsamp == Subsamp::Gray
    }

    /// True if it can be rotated by `orientation` without decoding, and `part` (in pixels of the rotated image)
    /// cropped. No incomplete block may move to the left or upper edge, and the part must begin at a block. `unit` is
    /// the size of the image's units in pixels, which libjpeg-turbo does not report: 4:2:2 has 8 rows, or 16 from
    /// ffmpeg.
    pub(crate) fn is_lossless(
        &self,
        unit: (u32, u32),
        orientation: Orientation,
        part: Option<Crop>,
        gray: bool,
    ) -> bool {
        if self.0.subsamp == Subsamp::Unknown {
            return orientation == Orientation::default() && part.is_none();
        }
        // Without chroma, blocks are independent.
        let (width, height) = if gray { (8, 8) } else { (unit.0 as usize, unit.1 as usize) };
        let (reverses_columns, reverses_rows) = match (orientation.quarters % 4, orientation.mirrored) {
            (0, false) | (1, true) => (false, false),
            (0, true) | (3, false) => (true, false),
            (1, false) | (2, true) => (false, true),
            _ => (true, true),
        };
        let is_whole = (!reverses_columns || self.0.width.is_multiple_of(width))
            && (!reverses_rows || self.0.height.is_multiple_of(height));
        let (across, down) = orientation.oriented_size((width, height));
        is_whole
            && part.is_none_or(|part| {
                (part.left as usize).is_multiple_of(across) && (part.top as usize).is_multiple_of(down)
            })
    }

    /// The planes at `eighths`/8 of the size. The error names the unsupported kind.
    pub fn layout(&self, eighths: usize) -> Result<YuvLayout, &'static str> {
        if self.0.is_lossless {
            return Err("it is lossless");
        }
        if !matches!(self.0.colorspace, Colorspace::YCbCr | Colorspace::Gray) {
            return Err("its colours are RGB or CMYK");
        }
        let (across, down) = match self.0.subsamp {
            Subsamp::Gray | Subsamp::None => (1, 1),
            Subsamp::Sub2x1 => (2, 1),
            Subsamp::Sub1x2 => (1, 2),
            Subsamp::Sub2x2 => (2, 2),
            Subsamp::Sub4x1 => (4, 1),
            Subsamp::Sub1x4 => (1, 4),
            _ => return Err("its chroma is subsampled in a way that is not known"),
        };
        let scaled = |length: usize| ScalingFactor::new(eighths, 8).scale(length);
        let (width, height) = (scaled(self.0.width), scaled(self.0.height));
        let (y_stride, y_rows) = (width.next_multiple_of(across), height.next_multiple_of(down));
        let grey = self.0.subsamp == Subsamp::Gray;
        Ok(YuvLayout {
            width,
            height,
            y_stride,
            y_rows,
            chroma_stride: if grey { 0 } else { y_stride / across },
            chroma_rows: if grey { 0 } else { y_rows / down },
            across,
            down,
            eighths,
            subsamp: self.0.subsamp,
        })
    }
}

impl YuvLayout {
    /// Total length of the planes in bytes.
    pub fn len(&self) -> usize {
        self.y_stride * self.y_rows + 2 * self.chroma_stride * self.chroma_rows
    }
}

/// JPEGs of any subsampling, for tests.
#[cfg(test)]
pub(crate) mod testing {
    #![allow(clippy::unwrap_used)]
    use bytes::Bytes;
    use turbojpeg::{Image, PixelFormat, Subsamp, YuvPlanesImage};

    /// Compresses planes whose chroma stands for this many samples across and down.
    pub fn compress(
        y: &[u8],
        u: &[u8],
        v: &[u8],
        width: usize,
        height: usize,
        (across, down): (usize, usize),
    ) -> Bytes {
        let mut turbo = turbojpeg::Compressor::new().unwrap();
        turbo.set_quality(95).unwrap();
        let wide = width.next_multiple_of(across);
        let image = YuvPlanesImage {
            y_plane: y,
            u_plane: u,
            v_plane: v,
            width,
            height,
            y_stride: wide,
            u_stride: wide / across,
            v_stride: wide / across,
            subsamp: match (across, down) {
                (1, 1) => Subsamp::None,
                (2, 1) => Subsamp::Sub2x1,
                (1, 2) => Subsamp::Sub1x2,
                _ => Subsamp::Sub2x2,
            },
        };
        Bytes::from(turbo.compress_yuv_planes_to_vec(&image).unwrap())
    }

    /// The same image, progressive.
    pub fn progressive(jpeg: &[u8]) -> Vec<u8> {
        let mut transform = turbojpeg::Transform::op(turbojpeg::TransformOp::None);
        transform.progressive = true;
        turbojpeg::Transformer::new().unwrap().transform_to_vec(&transform, jpeg).unwrap()
    }

    /// Compresses luma alone.
    pub(crate) fn compress_gray(y: &[u8], width: usize, height: usize) -> Bytes {
        let mut turbo = turbojpeg::Compressor::new().unwrap();
        turbo.set_quality(95).unwrap();
        turbo.set_subsamp(Subsamp::Gray).unwrap();
        let image = Image { pixels: y, width, pitch: width, height, format: PixelFormat::GRAY };
        Bytes::from(turbo.compress_to_vec(image).unwrap())
    }
}

#[cfg(test)]
mod tests;
