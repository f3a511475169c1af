//! libjpeg-turbo: the only file that names `turbojpeg`.

use turbojpeg::{
    Colorspace, DecompressHeader, Image, PixelFormat, ScalingFactor, Subsamp, Transform, TransformOp,
    YuvImage, YuvPlanesImage, compressed_buf_len,
};

use super::planes::Planar;

/// libjpeg-turbo's own words.
#[derive(Debug, thiserror::Error)]
#[error("libjpeg-turbo: {0}")]
pub struct CompressError(#[from] turbojpeg::Error);

/// A compressor and the buffer it writes to.
#[derive(Debug)]
pub struct Compressor {
    turbo: turbojpeg::Compressor,
    /// Room for the largest JPEG of the present size. Pages that no JPEG reaches are never touched,
    /// so it costs address space, not memory.
    out: Vec<u8>,
}

impl Compressor {
    /// A compressor of `quality` 1–100.
    pub fn new(quality: u8) -> Result<Compressor, CompressError> {
        let mut turbo = turbojpeg::Compressor::new()?;
        turbo.set_quality(i32::from(quality.clamp(1, 100)))?;
        Ok(Compressor { turbo, out: Vec::new() })
    }

    /// Another quality, 1–100, from the next picture on.
    pub fn set_quality(&mut self, quality: u8) -> Result<(), CompressError> {
        Ok(self.turbo.set_quality(i32::from(quality.clamp(1, 100)))?)
    }

    /// The JPEG of `planar`, until the next call.
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
}

/// A decompressor to planes.
#[derive(Debug)]
pub struct Decompressor {
    turbo: turbojpeg::Decompressor,
}

/// Turns JPEGs, and takes their colour away, without decoding their blocks: what is left is bit for bit what was
/// there.
#[derive(Debug)]
pub struct Turner {
    turbo: turbojpeg::Transformer,
}

impl Turner {
    /// A turner.
    pub fn new() -> Result<Turner, CompressError> {
        Ok(Turner { turbo: turbojpeg::Transformer::new()? })
    }

    /// `jpeg` turned clockwise by `quarters` quarters, without colour if `gray`. Blocks that are not whole cannot be
    /// moved from the right or lower edge to another one: they are cut off. What is written about the picture in it
    /// goes when it is turned, for it says how to turn it.
    pub fn turn(&mut self, jpeg: &[u8], quarters: u16, gray: bool) -> Result<Vec<u8>, CompressError> {
        let op = match quarters % 4 {
            1 => TransformOp::Rot90,
            2 => TransformOp::Rot180,
            3 => TransformOp::Rot270,
            _ => TransformOp::None,
        };
        let mut transform = Transform::op(op);
        transform.gray = gray;
        transform.trim = true;
        transform.copy_none = op != TransformOp::None;
        Ok(self.turbo.transform_to_vec(&transform, jpeg)?)
    }
}

/// What a JPEG says of itself.
#[derive(Debug)]
pub struct Header(DecompressHeader);

/// How libjpeg-turbo lays a picture out in planes: Y, U, V one after the other. Rows and columns of
/// luma are padded to whole blocks of chroma.
#[derive(Debug)]
pub struct YuvLayout {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Bytes from one row of luma to the next, and rows there are.
    pub y_stride: usize,
    pub y_rows: usize,
    /// The same of each plane of chroma; 0 for grey.
    pub chroma_stride: usize,
    pub chroma_rows: usize,
    /// Pixels across and down that one sample of chroma stands for.
    pub across: usize,
    pub down: usize,
    scale: ScalingFactor,
    subsamp: Subsamp,
}

impl Decompressor {
    /// A decompressor.
    pub fn new() -> Result<Decompressor, CompressError> {
        let mut turbo = turbojpeg::Decompressor::new()?;
        // A progressive file may hold a thousand scans of nothing; honest ones have ten.
        turbo.set_scan_limit(100)?;
        Ok(Decompressor { turbo })
    }

    /// Reads the header of a JPEG.
    pub fn header(&mut self, jpeg: &[u8]) -> Result<Header, CompressError> {
        Ok(Header(self.turbo.read_header(jpeg)?))
    }

    /// Decodes a JPEG whose header gave `layout` into `planes`, which has room for it.
    pub fn decompress(
        &mut self,
        jpeg: &[u8],
        layout: &YuvLayout,
        planes: &mut [u8],
    ) -> Result<(), CompressError> {
        self.turbo.set_scaling_factor(layout.scale)?;
        let image = YuvImage {
            pixels: planes,
            width: layout.width,
            align: 1,
            height: layout.height,
            subsamp: layout.subsamp,
        };
        match self.turbo.decompress_to_yuv(jpeg, image) {
            // Many cheap cameras leave a few bytes between the last block and the end: all of the
            // picture is there.
            Err(turbojpeg::Error::TurboJpegError(words)) if words.contains("extraneous bytes before") => {
                Ok(())
            }
            done => Ok(done?),
        }
    }
}

impl Header {
    /// Pixels in a row, rows.
    pub fn size(&self) -> (usize, usize) {
        (self.0.width, self.0.height)
    }

    /// Whether it has no colour.
    pub fn is_gray(&self) -> bool {
        self.0.subsamp == Subsamp::Gray
    }

    /// The planes at `eighths`/8 of the size. The error says what the JPEG is instead.
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
        let scale = ScalingFactor::new(eighths, 8);
        let (width, height) = (scale.scale(self.0.width), scale.scale(self.0.height));
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
            scale,
            subsamp: self.0.subsamp,
        })
    }
}

impl YuvLayout {
    /// Bytes of all planes.
    pub fn len(&self) -> usize {
        self.y_stride * self.y_rows + 2 * self.chroma_stride * self.chroma_rows
    }
}
