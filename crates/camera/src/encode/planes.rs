//! Converts raw frames to separate 4:2:0 planes, which libjpeg-turbo compresses without another conversion.
//!
//! The loops process two bytes at a time without a branch; the compiler vectorizes them on every supported CPU
//! (checked: SSE2 and NEON).

use crate::media::{Fourcc, Frame};

/// Planes of one frame; `u` and `v` are empty for grey. Chroma is 4:2:0: planes of ⌈width/2⌉ × ⌈height/2⌉. Unless it
/// is grey, `y` has an even number of rows and columns; odd sizes repeat the last ones, because libjpeg-turbo reads
/// whole 2×2 blocks.
#[derive(Debug)]
pub(crate) struct Planar<'a> {
    pub width: usize,
    pub height: usize,
    pub y: &'a [u8],
    pub y_stride: usize,
    pub u: &'a [u8],
    pub v: &'a [u8],
    pub chroma_stride: usize,
}

/// Buffers that grow to the largest frame seen.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    y: Vec<u8>,
    u: Vec<u8>,
    v: Vec<u8>,
    /// One row of interleaved chroma, averaged over two rows.
    row: Vec<u8>,
}

impl Planes {
    /// Splits `frame` into planes: in place if they are separate already, else copied to the buffers. `None` for an
    /// unsupported format. The caller has checked that the frame has the bytes for its format and size. With
    /// `luma_only` the result is grey, and chroma is not read.
    pub fn split<'a>(&'a mut self, frame: &Frame<'a>, luma_only: bool) -> Option<Planar<'a>> {
        if luma_only {
            return self.split_luma(frame);
        }
        let (width, height) = (frame.width as usize, frame.height as usize);
        let stride = frame.stride as usize;
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        match frame.fourcc {
            Fourcc::GREY => Some(Planar {
                width,
                height,
                y: frame.data,
                y_stride: stride,
                u: &[],
                v: &[],
                chroma_stride: 0,
            }),
            Fourcc::YU12 => {
                let chroma_stride = stride.div_ceil(2);
                let (y, chroma) = frame.data.split_at(stride * height);
                let (u, v) = chroma.split_at(chroma_stride * chroma_height);
                let (y, y_stride) = pad_luma_to_even(y, stride, width, height, &mut self.y);
                Some(Planar { width, height, y, y_stride, u, v, chroma_stride })
            }
            Fourcc::NV12 => {
                self.u.resize(chroma_width * chroma_height, 0);
                self.v.resize(chroma_width * chroma_height, 0);
                let (y, chroma) = frame.data.split_at(stride * height);
                let rows = self.u.chunks_exact_mut(chroma_width).zip(self.v.chunks_exact_mut(chroma_width));
                for ((u, v), uv) in rows.zip(chroma.chunks(stride)) {
                    deinterleave_pairs(&uv[..(2 * chroma_width).min(stride)], u, v);
                }
                let (y, y_stride) = pad_luma_to_even(y, stride, width, height, &mut self.y);
                Some(Planar {
                    width,
                    height,
                    y,
                    y_stride,
                    u: &self.u,
                    v: &self.v,
                    chroma_stride: chroma_width,
                })
            }
            Fourcc::YUYV => self.unpack::<0>(frame, width, height),
            Fourcc::UYVY => self.unpack::<1>(frame, width, height),
            _ => None,
        }
    }

    fn split_luma<'a>(&'a mut self, frame: &Frame<'a>) -> Option<Planar<'a>> {
        let (width, height) = (frame.width as usize, frame.height as usize);
        let stride = frame.stride as usize;
        let (y, y_stride) = match frame.fourcc {
            Fourcc::GREY | Fourcc::YU12 | Fourcc::NV12 => (frame.data, stride),
            Fourcc::YUYV | Fourcc::UYVY => {
                let is_first = frame.fourcc == Fourcc::YUYV;
                self.y.resize(width * height, 0);
                for (row, to) in frame.data.chunks(stride).zip(self.y.chunks_exact_mut(width)) {
                    // With an odd width, the last pair may end after its luma.
                    let row = &row[..(2 * width).min(stride)];
                    if is_first { copy_every_second::<0>(row, to) } else { copy_every_second::<1>(row, to) }
                }
                (&self.y[..], width)
            }
            _ => return None,
        };
        Some(Planar { width, height, y, y_stride, u: &[], v: &[], chroma_stride: 0 })
    }

    /// Unpacks packed 4:2:2 with luma in byte `LUMA` of each pair. Averages two rows of chroma.
    fn unpack<'a, const LUMA: usize>(
        &'a mut self,
        frame: &Frame<'_>,
        width: usize,
        height: usize,
    ) -> Option<Planar<'a>> {
        let stride = frame.stride as usize;
        let (chroma_width, chroma_height) = (width.div_ceil(2), height.div_ceil(2));
        // A packed row has whole pairs; with an odd width the last pixel is invisible.
        let pairs = chroma_width * 2;
        let used = (pairs * 2).min(stride);
        self.y.resize(pairs * chroma_height * 2, 0);
        self.u.resize(chroma_width * chroma_height, 0);
        self.v.resize(chroma_width * chroma_height, 0);
        self.row.resize(pairs, 0);
        for index in 0..chroma_height {
            let top = &frame.data[2 * index * stride..][..used];
            let has_bottom = 2 * index + 1 < height;
            let bottom = if has_bottom { &frame.data[(2 * index + 1) * stride..][..used] } else { top };
            copy_every_second::<LUMA>(top, &mut self.y[2 * index * pairs..][..pairs]);
            copy_every_second::<LUMA>(bottom, &mut self.y[(2 * index + 1) * pairs..][..pairs]);
            match LUMA {
                0 => average_every_second::<1>(top, bottom, &mut self.row),
                _ => average_every_second::<0>(top, bottom, &mut self.row),
            }
            let chroma = index * chroma_width..(index + 1) * chroma_width;
            deinterleave_pairs(&self.row, &mut self.u[chroma.clone()], &mut self.v[chroma]);
        }
        Some(Planar {
            width,
            height,
            y: &self.y,
            y_stride: pairs,
            u: &self.u,
            v: &self.v,
            chroma_stride: chroma_width,
        })
    }
}

/// The luma plane with an even number of rows and columns, and its stride: in place if it is even, else copied with
/// the last row and column repeated.
fn pad_luma_to_even<'a>(
    y: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
    scratch: &'a mut Vec<u8>,
) -> (&'a [u8], usize) {
    if width.is_multiple_of(2) && height.is_multiple_of(2) {
        return (y, stride);
    }
    let to_stride = width.next_multiple_of(2);
    scratch.resize(to_stride * height.next_multiple_of(2), 0);
    for (row, to) in scratch.chunks_exact_mut(to_stride).enumerate() {
        let from = &y[row.min(height - 1) * stride..][..width];
        to[..width].copy_from_slice(from);
        to[width..].fill(from[width - 1]);
    }
    (scratch, to_stride)
}

/// Copies byte `AT` of each pair of `from`.
fn copy_every_second<const AT: usize>(from: &[u8], to: &mut [u8]) {
    for (to, pair) in to.iter_mut().zip(from.chunks_exact(2)) {
        *to = pair[AT];
    }
}

/// The mean of byte `AT` of each pair of two rows, rounded up.
fn average_every_second<const AT: usize>(a: &[u8], b: &[u8], to: &mut [u8]) {
    for ((to, a), b) in to.iter_mut().zip(a.chunks_exact(2)).zip(b.chunks_exact(2)) {
        *to = (u16::from(a[AT]) + u16::from(b[AT])).div_ceil(2) as u8;
    }
}

/// Splits pairs into first and second bytes.
fn deinterleave_pairs(pairs: &[u8], first: &mut [u8], second: &mut [u8]) {
    for ((pair, first), second) in pairs.chunks_exact(2).zip(first).zip(second) {
        *first = pair[0];
        *second = pair[1];
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tallycam_base::ClockTime;

    fn frame<'a>(fourcc: Fourcc, width: u32, height: u32, stride: u32, data: &'a [u8]) -> Frame<'a> {
        assert!(data.len() >= fourcc.frame_len(stride, height).unwrap());
        Frame { fourcc, width, height, stride, data, second: None, stamp: ClockTime::now(), sequence: 0 }
    }

    #[test]
    fn packed_rows_with_padding_are_split() {
        // 4×2, rows padded to 12 bytes; luma 1…8, U 10 and 20, V 30 and 40 (second row 2 more).
        let yuyv = [
            [1, 10, 2, 30, 3, 20, 4, 40, 0, 0, 0, 0], //
            [5, 12, 6, 32, 7, 22, 8, 42, 0, 0, 0, 0],
        ]
        .concat();
        let uyvy = [
            [10, 1, 30, 2, 20, 3, 40, 4, 9, 9, 9, 9], //
            [12, 5, 32, 6, 22, 7, 42, 8, 9, 9, 9, 9],
        ]
        .concat();
        for (fourcc, data) in [(Fourcc::YUYV, yuyv), (Fourcc::UYVY, uyvy)] {
            let mut planes = Planes::default();
            let p = planes.split(&frame(fourcc, 4, 2, 12, &data), false).unwrap();
            assert_eq!((p.y, p.y_stride), (&[1, 2, 3, 4, 5, 6, 7, 8][..], 4), "{fourcc}");
            assert_eq!((p.u, p.v, p.chroma_stride), (&[11, 21][..], &[31, 41][..], 2), "{fourcc}");
            let p = planes.split(&frame(fourcc, 4, 2, 12, &data), true).unwrap();
            assert_eq!((p.y, p.u.len()), (&[1, 2, 3, 4, 5, 6, 7, 8][..], 0), "{fourcc}");
        }
    }

    #[test]
    fn an_odd_last_row_stands_for_itself() {
        let data = [[1, 10, 2, 30], [3, 20, 4, 40], [5, 50, 6, 60]].concat();
        let mut planes = Planes::default();
        let p = planes.split(&frame(Fourcc::YUYV, 2, 3, 4, &data), false).unwrap();
        assert_eq!((p.y, p.u, p.v), (&[1, 2, 3, 4, 5, 6, 5, 6][..], &[15, 50][..], &[35, 60][..]));
    }

    #[test]
    fn planar_formats_are_used_in_place() {
        let mut data: Vec<u8> = (1..=8).collect();
        data.extend([10, 20, 30, 40]);
        let mut planes = Planes::default();
        let p = planes.split(&frame(Fourcc::YU12, 4, 2, 4, &data), false).unwrap();
        assert_eq!((p.y.as_ptr(), p.u, p.v), (data.as_ptr(), &[10, 20][..], &[30, 40][..]));
        let p = planes.split(&frame(Fourcc::NV12, 4, 2, 4, &data), false).unwrap();
        assert_eq!((p.y.as_ptr(), p.u, p.v), (data.as_ptr(), &[10, 30][..], &[20, 40][..]));
        let p = planes.split(&frame(Fourcc::GREY, 4, 2, 4, &data), false).unwrap();
        assert!(p.u.is_empty() && p.v.is_empty());
    }

    #[test]
    fn every_small_size_and_padding_is_split() {
        for fourcc in [Fourcc::YUYV, Fourcc::UYVY, Fourcc::NV12, Fourcc::YU12, Fourcc::GREY] {
            for (width, height, pad) in
                (1..9).flat_map(|w| (1..6).flat_map(move |h| (0..4).map(move |p| (w, h, p))))
            {
                // A packed or half-plane row has whole pairs of pixels.
                let even = u32::next_multiple_of(width, 2);
                let stride = fourcc.tight_stride(even).unwrap() + 2 * pad;
                let data = vec![7; fourcc.frame_len(stride, height).unwrap()];
                let mut planes = Planes::default();
                let p = planes.split(&frame(fourcc, width, height, stride, &data), false).unwrap();
                let even = |n: usize| if fourcc == Fourcc::GREY { n } else { n.next_multiple_of(2) };
                assert!(p.y.len() >= p.y_stride * (even(p.height) - 1) + even(p.width));
                assert!(p.u.iter().chain(p.v).chain(p.y).all(|&b| b == 7));
                let p = planes.split(&frame(fourcc, width, height, stride, &data), true).unwrap();
                assert!(p.u.is_empty() && p.y.len() >= p.y_stride * (p.height - 1) + p.width);
                assert!(p.y.iter().all(|&b| b == 7));
            }
        }
    }
}
