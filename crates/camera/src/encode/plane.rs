//! Crops, reduces and rotates planes of samples. Plain loops without branches, which the compiler vectorizes.
//!
//! Pure; runs on the thread that transforms an image.

use crate::media::{Crop, Orientation};

/// A borrowed plane: rows of `width` samples, with a stride in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Samples<'a> {
    pub bytes: &'a [u8],
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a> Samples<'a> {
    /// The samples within `part`, which is clipped to the plane.
    pub fn part(self, part: Crop) -> Samples<'a> {
        let left = (part.left as usize).min(self.width);
        let top = (part.top as usize).min(self.height);
        Samples {
            bytes: self.bytes.get(top * self.stride + left..).unwrap_or_default(),
            stride: self.stride,
            width: (part.width as usize).min(self.width - left),
            height: (part.height as usize).min(self.height - top),
        }
    }

    fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.stride..][..self.width]
    }
}

/// One plane of samples without padding.
#[derive(Debug, Default)]
pub(crate) struct Plane {
    pub samples: Vec<u8>,
    pub width: usize,
    pub height: usize,
    /// Column sums of the row in progress.
    sums: Vec<u32>,
}

/// Denominator of the weights of samples.
const PARTS: usize = 64;

/// Planes are rotated in tiles of this side: the rows and columns of a tile fit the processor's cache.
const TILE: usize = 32;

impl Plane {
    /// Resizes `from` to `to` samples across and down. `spare` is a buffer.
    pub(crate) fn resize_from(&mut self, from: Samples<'_>, to: (usize, usize), spare: &mut Plane) {
        if (from.width, from.height) == to {
            return self.copy(from);
        }
        if to == (from.width.div_ceil(2), from.height.div_ceil(2)) {
            return self.downsample_by_two(from);
        }
        // The chroma of 4:2:2, as most webcams send it.
        if from.height.is_multiple_of(2) && to == (from.width, from.height / 2) {
            return self.halve_rows(from);
        }
        if to == (from.width.div_ceil(4), from.height.div_ceil(4))
            || to == (from.width.div_ceil(8), from.height.div_ceil(8))
        {
            spare.downsample_by_two(from);
            let half = std::mem::take(&mut spare.samples);
            let (width, height) = (spare.width, spare.height);
            self.resize_from(Samples { bytes: &half, stride: width, width, height }, to, spare);
            spare.samples = half;
            return;
        }
        self.average(from, to);
    }

    fn copy(&mut self, from: Samples<'_>) {
        (self.width, self.height) = (from.width, from.height);
        self.samples.clear();
        self.samples.reserve(from.width * from.height);
        for row in 0..from.height {
            self.samples.extend_from_slice(from.row(row));
        }
    }

    /// Halves both axes, rounded up: the mean of each two by two samples.
    fn downsample_by_two(&mut self, from: Samples<'_>) {
        (self.width, self.height) = (from.width.div_ceil(2), from.height.div_ceil(2));
        self.samples.resize(self.width * self.height, 0);
        let pairs = from.width / 2;
        for (row, to) in self.samples.chunks_exact_mut(self.width.max(1)).enumerate() {
            let upper = from.row(2 * row);
            let lower = from.row((2 * row + 1).min(from.height - 1));
            for ((to, a), b) in to.iter_mut().zip(upper.chunks_exact(2)).zip(lower.chunks_exact(2)) {
                let sum = u16::from(a[0]) + u16::from(a[1]) + u16::from(b[0]) + u16::from(b[1]);
                *to = ((sum + 2) / 4) as u8;
            }
            if pairs < to.len() {
                let last = from.width - 1;
                to[pairs] = (u16::from(upper[last]) + u16::from(lower[last])).div_ceil(2) as u8;
            }
        }
    }

    /// Halves an even number of rows: the mean of each two, as in [`Plane::average`].
    fn halve_rows(&mut self, from: Samples<'_>) {
        (self.width, self.height) = (from.width, from.height / 2);
        self.samples.resize(self.width * self.height, 0);
        for (row, to) in self.samples.chunks_exact_mut(self.width.max(1)).enumerate() {
            for ((to, a), b) in to.iter_mut().zip(from.row(2 * row)).zip(from.row(2 * row + 1)) {
                *to = (u16::from(*a) + u16::from(*b)).div_ceil(2) as u8;
            }
        }
    }

    /// Averages the samples that each result covers, weighted by the covered share. Enlarging repeats samples.
    fn average(&mut self, from: Samples<'_>, to: (usize, usize)) {
        (self.width, self.height) = to;
        self.samples.clear();
        self.samples.reserve(to.0 * to.1);
        for y in 0..to.1 {
            // Rows are averaged first, in one pass over each.
            self.sums.clear();
            self.sums.resize(from.width, 0);
            let weight = for_each_covered(y, from.height, to.1, |row, weight| {
                for (sum, sample) in self.sums.iter_mut().zip(from.row(row)) {
                    *sum += u32::from(*sample) * weight;
                }
            });
            for x in 0..to.0 {
                let mut sum = 0u64;
                let across = for_each_covered(x, from.width, to.0, |column, weight| {
                    sum += u64::from(self.sums[column]) * u64::from(weight);
                });
                let all = u64::from(weight) * u64::from(across);
                self.samples.push(((sum + all / 2) / all) as u8);
            }
        }
    }

    /// Rotates and mirrors the plane; `spare` is a buffer.
    pub(crate) fn orient(&mut self, orientation: Orientation, spare: &mut Plane) {
        if orientation == Orientation::default() || self.samples.is_empty() {
            return;
        }
        let (width, height) = (self.width, self.height);
        let (wide, high) = orientation.oriented_size((width, height));
        spare.samples.resize(wide * high, 0);
        // The sample that becomes the upper left corner, and the steps to its neighbours there.
        let (w, h) = (width as isize, height as isize);
        let (corner, right, down) = match orientation.quarters % 4 {
            1 => ((h - 1) * w, -w, 1),
            2 => (h * w - 1, -1, -w),
            3 => (w - 1, w, -1),
            _ => (0, 1, w),
        };
        let (corner, right) = match orientation.mirrored {
            true => (corner + (wide as isize - 1) * right, -right),
            false => (corner, right),
        };
        let at = |x: usize, y: usize| (corner + x as isize * right + y as isize * down) as usize;
        if right.abs() == 1 {
            for (y, row) in spare.samples.chunks_exact_mut(wide).enumerate() {
                if right == 1 {
                    row.copy_from_slice(&self.samples[at(0, y)..][..wide]);
                } else {
                    let from = &self.samples[at(wide - 1, y)..][..wide];
                    for (to, from) in row.iter_mut().zip(from.iter().rev()) {
                        *to = *from;
                    }
                }
            }
        } else {
            for top in (0..high).step_by(TILE) {
                let rows = top..(top + TILE).min(high);
                for left in (0..wide).step_by(TILE) {
                    let columns = left..(left + TILE).min(wide);
                    for y in rows.clone() {
                        let row = &mut spare.samples[y * wide..][..wide][columns.clone()];
                        for (x, to) in columns.clone().zip(row) {
                            *to = self.samples[at(x, y)];
                        }
                    }
                }
            }
        }
        (self.width, self.height) = (wide, high);
        std::mem::swap(&mut self.samples, &mut spare.samples);
    }

    /// Repeats the last row and column if their number is odd, as the compressor requires.
    pub(crate) fn pad_to_even(&mut self, spare: &mut Plane) {
        if self.width % 2 == 1 {
            spare.samples.clear();
            spare.samples.reserve((self.width + 1) * (self.height + 1));
            for row in self.samples.chunks_exact(self.width) {
                spare.samples.extend_from_slice(row);
                spare.samples.extend(row.last());
            }
            std::mem::swap(&mut self.samples, &mut spare.samples);
            self.width += 1;
        }
        if self.height % 2 == 1 {
            let last = self.samples.len() - self.width;
            self.samples.extend_from_within(last..);
            self.height += 1;
        }
    }
}

/// Calls `each` for every one of `from` samples that the result `n` of `to` covers, with the covered share in
/// [`PARTS`]; returns the sum of the shares, at least 1.
fn for_each_covered(n: usize, from: usize, to: usize, mut each: impl FnMut(usize, u32)) -> u32 {
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
    use super::*;

    fn plane(width: usize, height: usize) -> Plane {
        let samples = (0..width * height).map(|at| (at % 251) as u8).collect();
        Plane { samples, width, height, sums: Vec::new() }
    }

    fn samples(bytes: &[u8], width: usize, height: usize) -> Samples<'_> {
        Samples { bytes, stride: width, width, height }
    }

    #[test]
    fn every_orientation_moves_each_sample_to_its_position() {
        for (width, height) in [(1, 1), (3, 2), (2, 5), (40, 70), (33, 1)] {
            let from = plane(width, height);
            for (quarters, mirrored) in (0..4).flat_map(|q| [(q, false), (q, true)]) {
                let orientation = Orientation { quarters, mirrored };
                let mut to = plane(width, height);
                to.orient(orientation, &mut Plane::default());
                assert_eq!((to.width, to.height), orientation.oriented_size((width, height)));
                for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                    let (tx, ty) = match quarters {
                        1 => (height - 1 - y, x),
                        2 => (width - 1 - x, height - 1 - y),
                        3 => (y, width - 1 - x),
                        _ => (x, y),
                    };
                    let tx = if mirrored { to.width - 1 - tx } else { tx };
                    assert_eq!(
                        to.samples[ty * to.width + tx],
                        from.samples[y * width + x],
                        "{orientation:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn halves_quarters_and_eighths_are_means() {
        let mut spare = Plane::default();
        let mut to = Plane::default();
        to.resize_from(samples(&[10, 20, 9, 30, 42, 9], 3, 2), (2, 1), &mut spare);
        assert_eq!(to.samples, [26, 9]);
        for n in [2, 4, 8] {
            for (width, height) in [(1, 1), (9, 7), (16, 16), (17, 3)] {
                let flat = vec![77; width * height];
                to.resize_from(
                    samples(&flat, width, height),
                    (usize::div_ceil(width, n), usize::div_ceil(height, n)),
                    &mut spare,
                );
                assert_eq!(to.samples.len(), usize::div_ceil(width, n) * usize::div_ceil(height, n));
                assert!(to.samples.iter().all(|&sample| sample == 77));
            }
        }
    }

    #[test]
    fn averages_are_weighted_by_covered_shares() {
        let mut plane = Plane::default();
        plane.average(samples(&[0, 90, 180], 3, 1), (2, 1));
        assert_eq!(plane.samples, [30, 150]);
        plane.average(Samples { bytes: &[10, 20, 9, 30, 40, 9], stride: 3, width: 2, height: 2 }, (1, 1));
        assert_eq!(plane.samples, [25]);
        plane.average(samples(&[7], 1, 1), (2, 2));
        assert_eq!(plane.samples, [7; 4]);
    }

    #[test]
    fn rows_of_chroma_are_halved_as_averages_are() {
        let [mut spare, mut halved, mut averaged]: [Plane; 3] = Default::default();
        for (width, height) in [(1, 2), (33, 6), (320, 4)] {
            let from = plane(width, height);
            let from = samples(&from.samples, width, height);
            Plane::resize_from(&mut halved, from, (width, height / 2), &mut spare);
            averaged.average(from, (width, height / 2));
            assert_eq!(halved.samples, averaged.samples, "{width}×{height}");
        }
    }

    #[test]
    fn a_part_is_clipped_to_the_plane() {
        let plane = plane(6, 4);
        let all = samples(&plane.samples, 6, 4);
        let part = all.part(Crop { left: 4, top: 3, width: 9, height: 9 });
        assert_eq!((part.width, part.height, part.row(0)), (2, 1, &[22, 23][..]));
        let none = all.part(Crop { left: 9, top: 9, width: 1, height: 1 });
        assert_eq!((none.width, none.height), (0, 0));
    }

    #[test]
    fn odd_planes_repeat_their_last_row_and_column() {
        let mut odd = Plane { samples: vec![1, 2, 3], width: 3, height: 1, sums: Vec::new() };
        odd.pad_to_even(&mut Plane::default());
        assert_eq!((odd.width, odd.height, &odd.samples[..]), (4, 2, &[1, 2, 3, 3, 1, 2, 3, 3][..]));
    }
}
