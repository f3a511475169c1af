//! A finished JPEG made smaller, turned, or without its colour: what `?w=`, `?rotate=`, `?gray=` and thumbnails are
//! made with. Nothing to be done gives the very bytes that came.
//!
//! Turning and taking the colour away are lossless (libjpeg-turbo moves the coefficients of whole blocks); of a picture
//! whose size is no multiple of its blocks, turning cuts up to 15 pixels off an edge. Smaller pictures are decoded
//! at the next larger eighth in the DCT domain, averaged down to the very width as planes, and encoded anew. Blocks
//! the thread that calls, for some milliseconds.

use bytes::Bytes;

use super::planes::Planar;
use super::turbo::{CompressError, Compressor, Decompressor, Header, Turner};
use crate::media::jpeg::{self, JpegError};

/// The narrowest and the widest that may be asked for.
pub const WIDTHS: std::ops::RangeInclusive<u32> = 16..=8192;

/// Why a picture could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum TransformError {
    /// It is no JPEG.
    #[error("the picture is no JPEG that is understood: {0}")]
    Jpeg(#[from] JpegError),
    /// It is turned by quarters only.
    #[error("a picture can be turned by 90, 180 or 270 degrees, not by {0}")]
    Angle(u16),
    /// It holds no luma and chroma: CMYK, lossless, or subsampled as nobody does.
    #[error("the picture cannot be made smaller: {0}")]
    Kind(&'static str),
    /// libjpeg-turbo refused.
    #[error(transparent)]
    Turbo(#[from] CompressError),
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
    /// The planes as libjpeg-turbo leaves them.
    decoded: Vec<u8>,
    planes: [Plane; 3],
    turned: Plane,
}

impl Transformer {
    /// A transformer.
    ///
    /// # Errors
    /// libjpeg-turbo could not be set up.
    pub fn new() -> Result<Transformer, CompressError> {
        Ok(Transformer {
            decompressor: Decompressor::new()?,
            compressor: Compressor::new(75)?,
            turner: Turner::new()?,
            decoded: Vec::new(),
            planes: Default::default(),
            turned: Plane::default(),
        })
    }

    /// `jpeg` with at most `width` pixels a row (never more than it has), turned clockwise by `rotate` degrees (0, 90,
    /// 180, 270), without colour if `gray`. `quality` (1–100, libjpeg's scale) is used where it must be encoded anew:
    /// for a smaller width.
    ///
    /// # Errors
    /// [`TransformError`]; the next picture may be tried.
    pub fn transform(
        &mut self,
        jpeg: &Bytes,
        width: Option<u32>,
        rotate: u16,
        gray: bool,
        quality: u8,
    ) -> Result<Transformed, TransformError> {
        if !rotate.is_multiple_of(90) {
            return Err(TransformError::Angle(rotate));
        }
        let quarters = rotate / 90 % 4;
        // Also keeps pictures of absurd sizes away from the buffers.
        let found = jpeg::inspect(jpeg)?;
        let lies = quarters % 2 == 1;
        let now = if lies { (found.height, found.width) } else { (found.width, found.height) };
        let width =
            width.map(|width| width.clamp(*WIDTHS.start(), *WIDTHS.end())).filter(|width| *width < now.0);
        let gray = gray && found.components != 1;
        let Some(width) = width else {
            if quarters == 0 && !gray {
                return Ok(Transformed { jpeg: jpeg.clone(), width: now.0, height: now.1 });
            }
            let jpeg = self.turner.turn(jpeg, quarters, gray)?;
            let (width, height) = self.decompressor.header(&jpeg)?.size();
            return Ok(Transformed { jpeg: jpeg.into(), width: width as u32, height: height as u32 });
        };
        let header = self.decompressor.header(jpeg)?;
        let height = (u64::from(now.1) * u64::from(width) + u64::from(now.0) / 2) / u64::from(now.0);
        let height = (height as u32).max(1);
        let size = if lies { (height, width) } else { (width, height) };
        let gray = gray || header.is_gray();
        self.decode(jpeg, &header, (size.0 as usize, size.1 as usize), gray)?;
        for plane in &mut self.planes[..if gray { 1 } else { 3 }] {
            plane.turn(quarters, &mut self.turned);
        }
        let (wide, high) = (width as usize, height as usize);
        if !gray {
            self.planes[0].make_even();
        }
        let [y, u, v] = &self.planes;
        let none: &[u8] = &[];
        let planar = Planar {
            width: wide,
            height: high,
            y: &y.samples,
            y_stride: y.width,
            u: if gray { none } else { &u.samples },
            v: if gray { none } else { &v.samples },
            chroma_stride: if gray { 0 } else { u.width },
        };
        self.compressor.set_quality(quality)?;
        let jpeg = Bytes::copy_from_slice(self.compressor.compress(&planar)?);
        Ok(Transformed { jpeg, width, height })
    }

    /// Decodes `jpeg` into planes of 4:2:0 for `size` pixels, or into the first one only if `gray`.
    fn decode(
        &mut self,
        jpeg: &[u8],
        header: &Header,
        size: (usize, usize),
        gray: bool,
    ) -> Result<(), TransformError> {
        let (width, height) = header.size();
        let eighths = (1..8)
            .find(|n| (width * n).div_ceil(8) >= size.0 && (height * n).div_ceil(8) >= size.1)
            .unwrap_or(8);
        let layout = header.layout(eighths).map_err(TransformError::Kind)?;
        if self.decoded.len() < layout.len() {
            self.decoded.resize(layout.len(), 0);
        }
        let decoded = &mut self.decoded[..layout.len()];
        self.decompressor.decompress(jpeg, &layout, decoded)?;
        let (luma, chroma) = decoded.split_at(layout.y_stride * layout.y_rows);
        self.planes[0].average(luma, layout.y_stride, (layout.width, layout.height), size);
        if !gray {
            let from = (layout.width.div_ceil(layout.across), layout.height.div_ceil(layout.down));
            let to = (size.0.div_ceil(2), size.1.div_ceil(2));
            let (u, v) = chroma.split_at(layout.chroma_stride * layout.chroma_rows);
            self.planes[1].average(u, layout.chroma_stride, from, to);
            self.planes[2].average(v, layout.chroma_stride, from, to);
        }
        Ok(())
    }
}

/// One plane of samples, rows back to back.
#[derive(Debug, Default)]
struct Plane {
    samples: Vec<u8>,
    width: usize,
    height: usize,
    /// Sums of the columns of one row that is being made.
    sums: Vec<u32>,
}

/// Weights of samples are counted in so many parts.
const PARTS: usize = 64;

impl Plane {
    /// The `from` samples (a row and rows) of `samples` as `to` samples: each the average of those that it covers,
    /// weighed by how much of them. Enlarging repeats.
    fn average(&mut self, samples: &[u8], stride: usize, from: (usize, usize), to: (usize, usize)) {
        (self.width, self.height) = to;
        self.samples.clear();
        self.samples.reserve(to.0 * to.1);
        if from == to {
            for row in samples.chunks(stride).take(to.1) {
                self.samples.extend_from_slice(&row[..to.0]);
            }
            return;
        }
        for y in 0..to.1 {
            // Rows are averaged first: one pass over each, which the compiler makes vectors of.
            self.sums.clear();
            self.sums.resize(from.0, 0);
            let weight = covered(y, from.1, to.1, |row, weight| {
                let row = &samples[row * stride..][..from.0];
                for (sum, sample) in self.sums.iter_mut().zip(row) {
                    *sum += u32::from(*sample) * weight;
                }
            });
            for x in 0..to.0 {
                let mut sum = 0u64;
                let across = covered(x, from.0, to.0, |column, weight| {
                    sum += u64::from(self.sums[column]) * u64::from(weight);
                });
                let all = u64::from(weight) * u64::from(across);
                self.samples.push(((sum + all / 2) / all) as u8);
            }
        }
    }

    /// Turns it clockwise by `quarters` quarters; `spare` is used for it.
    fn turn(&mut self, quarters: u16, spare: &mut Plane) {
        let (width, height) = (self.width, self.height);
        match quarters {
            1 | 3 => {
                spare.samples.clear();
                spare.samples.reserve(width * height);
                for x in 0..width {
                    let column = if quarters == 1 { x } else { width - 1 - x };
                    let from_below = quarters == 1;
                    let row = |y: usize| if from_below { height - 1 - y } else { y };
                    spare.samples.extend((0..height).map(|y| self.samples[row(y) * width + column]));
                }
                (self.width, self.height) = (height, width);
                std::mem::swap(&mut self.samples, &mut spare.samples);
            }
            2 => self.samples.reverse(),
            _ => {}
        }
    }

    /// Repeats the last row and column where their number is odd, as the compressor wants it.
    fn make_even(&mut self) {
        if self.width % 2 == 1 {
            let mut even = Vec::with_capacity((self.width + 1) * (self.height + 1));
            for row in self.samples.chunks_exact(self.width) {
                even.extend_from_slice(row);
                even.extend(row.last());
            }
            self.samples = even;
            self.width += 1;
        }
        if self.height % 2 == 1 {
            let last = self.samples.len() - self.width;
            self.samples.extend_from_within(last..);
            self.height += 1;
        }
    }
}

/// Calls `each` with every one of `from` samples that the sample `n` of `to` covers, and with how much of it, in
/// [`PARTS`]; gives their sum, at least 1.
fn covered(n: usize, from: usize, to: usize, mut each: impl FnMut(usize, u32)) -> u32 {
    let begin = n * from * PARTS / to;
    let end = ((n + 1) * from * PARTS / to).max(begin + 1);
    let mut all = 0;
    let mut at = begin;
    while at < end {
        let sample = at / PARTS;
        let next = ((sample + 1) * PARTS).min(end);
        let weight = (next - at) as u32;
        each(sample.min(from - 1), weight);
        all += weight;
        at = next;
    }
    all
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A JPEG of `width` × `height`: left half dark, right half light, the upper half red, the lower one blue.
    fn quarters(width: usize, height: usize) -> Bytes {
        let (wide, high) = (width.next_multiple_of(2), height.next_multiple_of(2));
        let y: Vec<u8> = (0..wide * high).map(|i| if i % wide < wide / 2 { 60 } else { 180 }).collect();
        let half = wide / 2 * (high / 2);
        let chroma = |upper, lower| -> Vec<u8> {
            (0..half).map(|i| if i / (wide / 2) < high / 4 { upper } else { lower }).collect()
        };
        let (u, v) = (chroma(100, 200), chroma(200, 100));
        let planar = Planar { width, height, y: &y, y_stride: wide, u: &u, v: &v, chroma_stride: wide / 2 };
        Bytes::copy_from_slice(Compressor::new(95).unwrap().compress(&planar).unwrap())
    }

    /// Luma, U and V in the middle of the four quarters: upper left, upper right, lower left, lower right.
    fn looks(jpeg: &Bytes) -> [[i32; 3]; 4] {
        let mut transformer = Transformer::new().unwrap();
        let header = transformer.decompressor.header(jpeg).unwrap();
        let (width, height) = header.size();
        transformer.decode(jpeg, &header, (width, height), header.is_gray()).unwrap();
        [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
            let at = |plane: &Plane| match plane.samples.is_empty() {
                true => 0,
                false => i32::from(plane.samples[plane.height * y / 4 * plane.width + plane.width * x / 4]),
            };
            [at(&transformer.planes[0]), at(&transformer.planes[1]), at(&transformer.planes[2])]
        })
    }

    #[track_caller]
    fn assert_like(jpeg: &Bytes, want: [[i32; 3]; 4]) {
        let is = looks(jpeg);
        for (is, want) in is.as_flattened().iter().zip(want.as_flattened()) {
            assert!((is - want).abs() <= 6, "{is:?} is not like {want:?}");
        }
    }

    const UPPER_LEFT: [i32; 3] = [60, 100, 200];
    const UPPER_RIGHT: [i32; 3] = [180, 100, 200];
    const LOWER_LEFT: [i32; 3] = [60, 200, 100];
    const LOWER_RIGHT: [i32; 3] = [180, 200, 100];

    #[test]
    fn nothing_to_do_gives_the_very_bytes() {
        let mut transformer = Transformer::new().unwrap();
        let jpeg = quarters(64, 48);
        for (width, rotate) in [(None, 0), (Some(64), 0), (Some(8000), 0), (None, 360)] {
            let done = transformer.transform(&jpeg, width, rotate, false, 50).unwrap();
            assert_eq!((done.width, done.height), (64, 48));
            assert_eq!(done.jpeg.as_ptr(), jpeg.as_ptr(), "not even copied");
        }
        let gray = transformer.transform(&jpeg, None, 0, true, 50).unwrap().jpeg;
        assert_eq!(transformer.transform(&gray, None, 0, true, 50).unwrap().jpeg.as_ptr(), gray.as_ptr());
    }

    #[test]
    fn it_turns_clockwise_at_its_own_size_and_smaller() {
        let mut transformer = Transformer::new().unwrap();
        let jpeg = quarters(128, 96);
        for (rotate, want) in [
            (90, [LOWER_LEFT, UPPER_LEFT, LOWER_RIGHT, UPPER_RIGHT]),
            (180, [LOWER_RIGHT, LOWER_LEFT, UPPER_RIGHT, UPPER_LEFT]),
            (270, [UPPER_RIGHT, LOWER_RIGHT, UPPER_LEFT, LOWER_LEFT]),
        ] {
            let lies = rotate != 180;
            let whole = transformer.transform(&jpeg, None, rotate, false, 90).unwrap();
            assert_eq!((whole.width, whole.height), if lies { (96, 128) } else { (128, 96) });
            assert_like(&whole.jpeg, want);
            // Lossless: back again it is what it was, bit for bit (but for what is written around the blocks).
            let back = transformer.transform(&whole.jpeg, None, 360 - rotate, false, 1).unwrap();
            assert_eq!(looks(&back.jpeg), looks(&jpeg));
            let small = transformer.transform(&jpeg, Some(51), rotate, false, 90).unwrap();
            assert_eq!((small.width, small.height), if lies { (51, 68) } else { (51, 38) });
            assert_like(&small.jpeg, want);
        }
        assert!(matches!(transformer.transform(&jpeg, None, 45, false, 90), Err(TransformError::Angle(45))));
    }

    #[test]
    fn colour_goes_and_light_stays() {
        let mut transformer = Transformer::new().unwrap();
        let jpeg = quarters(128, 96);
        for width in [None, Some(40)] {
            let gray = transformer.transform(&jpeg, width, 0, true, 90).unwrap();
            assert_eq!(jpeg::inspect(&gray.jpeg).unwrap().components, 1);
            assert_like(
                &gray.jpeg,
                [UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT].map(|[y, ..]| [y, 0, 0]),
            );
        }
    }

    #[test]
    fn any_width_is_met_and_the_shape_is_kept() {
        let mut transformer = Transformer::new().unwrap();
        for (width, height) in [(640, 480), (101, 67), (1920, 1080), (17, 200)] {
            let jpeg = quarters(width, height);
            for wanted in [16, 33, 100, 320, 500] {
                let done = transformer.transform(&jpeg, Some(wanted), 0, false, 75).unwrap();
                assert_eq!(done.width, wanted.min(width as u32));
                let right = f64::from(done.width) * height as f64 / width as f64;
                assert!((f64::from(done.height) - right).abs() <= 0.5, "{done:?}");
                let seen = jpeg::inspect(&done.jpeg).unwrap();
                assert_eq!((seen.width, seen.height), (done.width, done.height));
                if done.width > 16 {
                    assert_like(&done.jpeg, [UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT]);
                }
            }
        }
    }

    #[test]
    fn turning_cuts_only_what_is_no_whole_block() {
        let mut transformer = Transformer::new().unwrap();
        let jpeg = quarters(100, 70);
        let done = transformer.transform(&jpeg, None, 180, false, 90).unwrap();
        assert_eq!((done.width, done.height), (96, 64));
        assert_like(&done.jpeg, [LOWER_RIGHT, LOWER_LEFT, UPPER_RIGHT, UPPER_LEFT]);
    }

    #[test]
    fn what_is_none_is_an_error_and_the_next_is_taken() {
        let mut transformer = Transformer::new().unwrap();
        let good = quarters(64, 48);
        for bad in [Bytes::new(), Bytes::from_static(b"GIF89a"), good.slice(..good.len() / 2)] {
            assert!(transformer.transform(&bad, Some(32), 90, true, 75).is_err());
        }
        assert!(transformer.transform(&good, Some(32), 90, true, 75).is_ok());
    }

    #[test]
    fn averages_weigh_what_is_covered() {
        let mut plane = Plane::default();
        plane.average(&[0, 90, 180], 3, (3, 1), (2, 1));
        assert_eq!(plane.samples, [30, 150]);
        plane.average(&[10, 20, 9, 30, 40, 9], 3, (2, 2), (1, 1));
        assert_eq!(plane.samples, [25]);
        plane.average(&[7], 1, (1, 1), (2, 2));
        assert_eq!(plane.samples, [7; 4]);
    }
}
