//! libjpeg-turbo: the only file that names `turbojpeg`.

use turbojpeg::{Image, PixelFormat, Subsamp, YuvPlanesImage, compressed_buf_len};

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
