//! A reduced image for a detector: planes of luma and chroma.

use super::{Crop, Fourcc, Frame};
use tallycam_base::{ClockTime, Fault, FaultKind};

/// A small planar image. Owned, and reused from frame to frame.
///
/// Invariants: `y` has `width · height` bytes, row after row without padding. `u` and `v` have
/// `chroma_width·chroma_height` each, or nothing for a grey image. Full range BT.601, as in JFIF. Chroma is sampled
/// at the centre of the luma pixels that it covers. An image for a detector may be reduced more across than down:
/// fractions of it are fractions of the frame all the same.
#[derive(Debug, Clone, PartialEq)]
pub struct SmallImage {
    /// Width in pixels, at least 1.
    pub width: usize,
    /// Height in pixels, at least 1.
    pub height: usize,
    /// Luma, 0–255.
    pub y: Vec<u8>,
    /// Blue minus luma; 128 stands for 0.
    pub u: Vec<u8>,
    /// Red minus luma; 128 stands for 0.
    pub v: Vec<u8>,
    /// Chroma samples in a row: between half (rounded up) of `width` and `width`; 0 for grey.
    pub chroma_width: usize,
    /// Rows of chroma; 0 for grey.
    pub chroma_height: usize,
    /// Width and height in pixels of the frame that it was made from: fractions refer to that.
    pub of: (u32, u32),
    /// Capture time of the frame.
    pub stamp: ClockTime,
    /// The source's number of the frame.
    pub sequence: u64,
}

impl SmallImage {
    /// An image of one grey pixel, to be filled.
    pub fn empty() -> SmallImage {
        SmallImage {
            width: 1,
            height: 1,
            y: vec![128],
            u: Vec::new(),
            v: Vec::new(),
            chroma_width: 0,
            chroma_height: 0,
            of: (1, 1),
            stamp: ClockTime { monotonic_us: 0, wall_us: 0, wall_trusted: false },
            sequence: 0,
        }
    }

    /// The samples of luma and of chroma that show `part` of the frame of `size`, rounded to the nearest sample.
    pub fn sample_parts(&self, part: Crop, size: (u32, u32)) -> [Crop; 2] {
        let scale = |from: u32, length: u32, of: u32, now: usize| {
            let place = |at: u32| ((at as usize * now * 2 + of as usize) / (of as usize * 2)).min(now);
            let first = place(from).min(now - 1);
            (first as u32, place(from + length).max(first + 1) as u32 - first as u32)
        };
        let across = scale(part.left, part.width, size.0, self.width);
        let down = scale(part.top, part.height, size.1, self.height);
        // The chroma that belongs to the luma: rounded independently it could be too little.
        let halved = |(first, length): (u32, u32), luma: usize, chroma: usize| {
            let each = if chroma < luma { 2 } else { 1 };
            let length = length.div_ceil(each);
            ((first / each).min((chroma as u32).saturating_sub(length)), length)
        };
        let shown = |(left, width), (top, height)| Crop { left, top, width, height };
        let chroma_across = halved(across, self.width, self.chroma_width);
        [shown(across, down), shown(chroma_across, halved(down, self.height, self.chroma_height))]
    }

    /// Copies the part of this image that shows `part` of its frame to `out`.
    pub fn crop_into(&self, part: Crop, out: &mut SmallImage) {
        let [luma, chroma] = self.sample_parts(part, self.of);
        let copy = |from: &[u8], stride: usize, part: Crop, to: &mut Vec<u8>| {
            to.clear();
            let rows = from.chunks_exact(stride).skip(part.top as usize).take(part.height as usize);
            rows.for_each(|row| to.extend_from_slice(&row[part.left as usize..][..part.width as usize]));
        };
        copy(&self.y, self.width, luma, &mut out.y);
        (out.width, out.height) = (luma.width as usize, luma.height as usize);
        (out.chroma_width, out.chroma_height) = (0, 0);
        out.u.clear();
        out.v.clear();
        if self.chroma_width > 0 {
            copy(&self.u, self.chroma_width, chroma, &mut out.u);
            copy(&self.v, self.chroma_width, chroma, &mut out.v);
            (out.chroma_width, out.chroma_height) = (chroma.width as usize, chroma.height as usize);
        }
        (out.of, out.stamp, out.sequence) = ((part.width, part.height), self.stamp, self.sequence);
    }

    /// Reduces `frame`, which is planar 4:2:0 (YU12, NV12) or grey, into this image. Each pixel is the mean of a box,
    /// as large (up to 8 × 8) as leaves at least `least` (width, height) pixels. Boxes at the right and lower edges
    /// average the pixels that exist. Allocates only for the first frame of a size.
    ///
    /// # Errors
    /// Another format, no pixels, rows that do not fit, or fewer bytes than the frame needs; the image is unchanged.
    pub fn reduce(&mut self, frame: &Frame<'_>, least: (u32, u32)) -> Result<(), Fault> {
        let Frame { fourcc, width, height, stride, data, .. } = *frame;
        if !matches!(fourcc, Fourcc::YU12 | Fourcc::NV12 | Fourcc::GREY) {
            return Err(Fault::wrong(format!("a {fourcc} frame cannot be reduced; YU12, NV12 and GREY can")));
        }
        let needed = fourcc.frame_len(stride, height).unwrap_or(usize::MAX);
        if width == 0 || height == 0 || stride < width || data.len() < needed {
            let size = format_args!("{width}×{height} pixels, {stride} bytes a row");
            let what = format!("a frame of {size}, needs {needed} bytes and has {}", data.len());
            return Err(Fault::new(FaultKind::Foreign, what));
        }
        let fits = |size: &u32| width.div_ceil(*size) >= least.0 && height.div_ceil(*size) >= least.1;
        let size = (2..=8).rev().find(fits).unwrap_or(1) as usize;
        let (wide, high, stride) = (width as usize, height as usize, stride as usize);
        (self.width, self.height) = (wide.div_ceil(size), high.div_ceil(size));
        average_boxes(data, (stride, 1), wide, high, size, &mut self.y);
        if fourcc == Fourcc::GREY {
            (self.chroma_width, self.chroma_height) = (0, 0);
            self.u.clear();
            self.v.clear();
        } else {
            let (wide, high) = (wide.div_ceil(2), high.div_ceil(2));
            let chroma = &data[stride * height as usize..];
            let (u, v, layout) = match fourcc {
                Fourcc::NV12 => (chroma, &chroma[1..], (stride, 2)),
                _ => {
                    let chroma_stride = stride.div_ceil(2);
                    (chroma, &chroma[chroma_stride * high..], (chroma_stride, 1))
                }
            };
            (self.chroma_width, self.chroma_height) = (wide.div_ceil(size), high.div_ceil(size));
            average_boxes(u, layout, wide, high, size, &mut self.u);
            average_boxes(v, layout, wide, high, size, &mut self.v);
        }
        self.of = (width, height);
        self.stamp = frame.stamp;
        self.sequence = frame.sequence;
        Ok(())
    }
}

/// The rounded means of the boxes of `size` × `size` samples of a plane; `stride` and `apart` are the distances in
/// bytes of its rows and samples.
fn average_boxes(
    from: &[u8],
    (stride, apart): (usize, usize),
    width: usize,
    height: usize,
    size: usize,
    to: &mut Vec<u8>,
) {
    to.clear();
    to.reserve(width.div_ceil(size) * height.div_ceil(size));
    for top in (0..height).step_by(size) {
        let rows = size.min(height - top);
        let start = to.len();
        for left in (0..width).step_by(size) {
            let columns = size.min(width - left);
            let sum: u32 = (top..top + rows)
                .map(|row| from[row * stride + left * apart..].iter().step_by(apart).take(columns))
                .map(|samples| samples.map(|&b| u32::from(b)).sum::<u32>())
                .sum();
            let count = (rows * columns) as u32;
            to.push(((sum + count / 2) / count) as u8);
        }
        debug_assert_eq!(to.len() - start, width.div_ceil(size));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn frame(fourcc: Fourcc, width: u32, height: u32, stride: u32, data: &[u8]) -> Frame<'_> {
        Frame { fourcc, width, height, stride, data, second: None, stamp: ClockTime::now(), sequence: 9 }
    }

    #[test]
    fn boxes_are_averaged_and_padding_is_not() {
        // 4×2 with rows of 6 bytes, chroma rows of 3.
        let data = [
            &[10, 20, 30, 41, 99, 99][..], //
            &[30, 20, 30, 41, 99, 99],
            &[100, 110, 99],
            &[50, 61, 99],
        ]
        .concat();
        let mut image = SmallImage::empty();
        image.reduce(&frame(Fourcc::YU12, 4, 2, 6, &data), (2, 1)).unwrap();
        assert_eq!((image.width, image.height, &image.y[..]), (2, 1, &[23, 41][..]));
        assert_eq!((image.chroma_width, image.chroma_height), (1, 1));
        assert_eq!((&image.u[..], &image.v[..], image.of), (&[105][..], &[56][..], (4, 2)));
        image.reduce(&frame(Fourcc::YU12, 4, 2, 6, &data), (3, 1)).unwrap();
        assert_eq!((image.width, &image.y[..4], &image.u[..]), (4, &[10, 20, 30, 41][..], &[100, 110][..]));
        image.reduce(&frame(Fourcc::GREY, 4, 2, 6, &data), (0, 0)).unwrap();
        assert_eq!((&image.y[..], image.u.len(), image.chroma_width), (&[28][..], 0, 0));
        assert_eq!(image.sequence, 9);
    }

    #[test]
    fn nv12_gives_the_same_as_yu12() {
        let luma: Vec<u8> = (0..6 * 4).map(|n| n * 9).collect();
        let (u, v) = ([1, 2, 3, 4, 5, 6], [60, 50, 40, 30, 20, 10]);
        let mixed: Vec<u8> = u.iter().zip(v).flat_map(|(u, v)| [*u, v]).collect();
        let apart = [&luma[..], &u, &v].concat();
        let together = [&luma[..], &mixed].concat();
        for least in [(6, 4), (3, 2), (1, 1)] {
            let (mut a, mut b) = (SmallImage::empty(), SmallImage::empty());
            a.reduce(&frame(Fourcc::YU12, 6, 4, 6, &apart), least).unwrap();
            b.reduce(&frame(Fourcc::NV12, 6, 4, 6, &together), least).unwrap();
            b.stamp = a.stamp;
            assert_eq!(a, b);
        }
    }

    #[test]
    fn every_small_size_is_consistent_and_at_least_as_large_as_requested() {
        for (width, height) in (1..20).flat_map(|w| (1..12).map(move |h| (w, h))) {
            for least in [(0, 0), (1, 1), (5, 3), (9, 9), (100, 1)] {
                let data = vec![7; Fourcc::YU12.frame_len(width, height).unwrap()];
                let mut image = SmallImage::empty();
                image.reduce(&frame(Fourcc::YU12, width, height, width, &data), least).unwrap();
                assert!(image.width >= width.min(least.0) as usize);
                assert!(image.height >= height.min(least.1) as usize);
                assert_eq!(image.y, vec![7; image.width * image.height]);
                assert_eq!(image.v, vec![7; image.chroma_width * image.chroma_height]);
                assert!((image.width.div_ceil(2)..=image.width).contains(&image.chroma_width));
            }
        }
    }

    #[test]
    fn invalid_frames_are_refused() {
        let mut image = SmallImage::empty();
        let data = [0; 6];
        let error = image.reduce(&frame(Fourcc::YUYV, 1, 1, 2, &data), (1, 1)).unwrap_err();
        assert!(error.to_string().starts_with("a YUYV frame cannot"));
        for (width, height, stride) in [(0, 1, 4), (4, 0, 4), (4, 2, 4), (4, 1, 2)] {
            let error = image.reduce(&frame(Fourcc::YU12, width, height, stride, &data), (1, 1)).unwrap_err();
            assert!(error.what.ends_with(" bytes and has 6"), "{error}");
        }
        assert_eq!(image, SmallImage::empty());
    }
}
