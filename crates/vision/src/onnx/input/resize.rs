//! Resizes planes of bytes row by row to floats. Pure; allocates only when a size changes.
//!
//! An axis reduced to less than half is averaged over areas; any other is interpolated between two samples. Each row
//! of a plane is brought to the new width once, and those rows are mixed. Mixes of few samples have integer weights,
//! so that the results are the same, bit by bit, with any vector unit.

/// Samples that are computed together.
pub const LANES: usize = 8;

/// Sum of the integer weights of a mix.
const WHOLE: i16 = 1 << 14;

/// The samples of a row (or rows of a plane) that contribute to each result, with weights. Every result has `each` of
/// them, stored one after the other.
#[derive(Debug, Default)]
struct Taps {
    starts: Vec<usize>,
    /// They add up to 1.
    weights: Vec<f32>,
    each: usize,
}

impl Taps {
    /// From `from` samples to `to` of them. Only the first `extent` samples (perhaps a fraction) show the frame.
    fn new(from: usize, extent: f64, to: usize) -> Taps {
        let step = extent / to as f64;
        let each = if step > 2.0 { step.ceil() as usize + 1 } else { 2 }.min(from);
        let mut taps = Taps { starts: Vec::with_capacity(to), weights: Vec::with_capacity(to * each), each };
        for at in 0..to {
            // The centre of a pixel is at its half.
            let (begin, end) = if step > 2.0 {
                (at as f64 * step, (at + 1) as f64 * step)
            } else {
                let middle = ((at as f64 + 0.5) * step).clamp(0.5, from as f64 - 0.5);
                (middle - 0.5, middle + 0.5)
            };
            let start = (begin as usize).min(from - each);
            taps.starts.push(start);
            let row = taps.weights.len();
            for sample in start..start + each {
                let shared = end.min(sample as f64 + 1.0) - begin.max(sample as f64);
                taps.weights.push(shared.max(0.0) as f32);
            }
            let sum: f32 = taps.weights[row..].iter().sum();
            taps.weights[row..].iter_mut().for_each(|weight| *weight /= sum);
        }
        taps
    }

    fn weights_at(&self, at: usize) -> (usize, &[f32]) {
        (self.starts[at], &self.weights[at * self.each..(at + 1) * self.each])
    }
}

/// Resizes a row to another width.
#[derive(Debug)]
enum ResizeColumns {
    /// Each result mixes two samples.
    Two(Vec<Mix<2, 8>>),
    /// Up to four.
    Four(Vec<Mix<4, 4>>),
    /// Any number.
    Any(Taps),
}

impl Default for ResizeColumns {
    fn default() -> ResizeColumns {
        ResizeColumns::Any(Taps::default())
    }
}

/// Samples of a row that are read for a [`Mix`].
const REACH: usize = 16;

/// `OUT` results, each mixed of `EACH` samples; sixteen in all.
#[derive(Debug, Clone)]
struct Mix<const EACH: usize, const OUT: usize> {
    /// Start of the [`REACH`] samples that contain all needed ones.
    begin: usize,
    /// For each result, the offsets of its samples from `begin`.
    places: [[u8; EACH]; OUT],
    /// The weights of each result add up to [`WHOLE`].
    weights: [[i16; EACH]; OUT],
}

impl<const EACH: usize, const OUT: usize> Mix<EACH, OUT> {
    /// Mixes for all results of `taps` on a row of `from` samples. `None` if some reach too far or have too many
    /// samples.
    fn for_row(taps: &Taps, from: usize) -> Option<Vec<Self>> {
        let parts = taps.starts.chunks(OUT).zip(taps.weights.chunks(OUT * taps.each));
        parts.map(|(starts, weights)| Mix::new(starts, weights, taps.each, from)).collect()
    }

    /// For the taps `starts` and their `weights`.
    fn new(starts: &[usize], weights: &[f32], each: usize, from: usize) -> Option<Self> {
        let begin = (*starts.first()?).min(from.checked_sub(REACH)?);
        let mut mix = Mix { begin, places: [[0; EACH]; OUT], weights: [[0; EACH]; OUT] };
        for (lane, (start, weights)) in starts.iter().zip(weights.chunks_exact(each)).enumerate() {
            let (places, own) = (mix.places.get_mut(lane)?, mix.weights.get_mut(lane)?);
            let mut left = WHOLE;
            for (tap, &weight) in weights.iter().enumerate() {
                let place = start + tap - begin;
                (*places.get_mut(tap)?, *own.get_mut(tap)?) =
                    (place as u8, (weight * f32::from(WHOLE)).round() as i16);
                left -= own[tap];
                if place >= REACH {
                    return None;
                }
            }
            // The heaviest weight absorbs the rounding error.
            *own.iter_mut().max()? += left;
        }
        Some(mix)
    }

    /// Applies each of `mixes` to `line` with `mix`.
    #[inline(always)]
    fn apply_all(
        mixes: &[Self],
        line: &[u8],
        out: &mut [[f32; LANES]],
        mix: impl Fn(&Self, &[u8; REACH]) -> [f32; OUT],
    ) {
        for (out, own) in out.as_flattened_mut().as_chunks_mut().0.iter_mut().zip(mixes) {
            let Some(reach) = line.get(own.begin..).and_then(<[u8]>::first_chunk) else { return };
            *out = mix(own, reach);
        }
    }
}

impl ResizeColumns {
    fn new(from: usize, extent: f64, to: usize) -> ResizeColumns {
        let taps = Taps::new(from, extent, to);
        let two = || Some(ResizeColumns::Two(Mix::for_row(&taps, from)?));
        let four = || Some(ResizeColumns::Four(Mix::for_row(&taps, from)?));
        two().or_else(four).unwrap_or(ResizeColumns::Any(taps))
    }

    /// Resizes `line` to the width of the result.
    #[inline(always)]
    fn resample_row(
        &self,
        line: &[u8],
        out: &mut [[f32; LANES]],
        two: impl Fn(&Mix<2, 8>, &[u8; REACH]) -> [f32; 8],
        four: impl Fn(&Mix<4, 4>, &[u8; REACH]) -> [f32; 4],
    ) {
        match self {
            ResizeColumns::Two(mixes) => Mix::apply_all(mixes, line, out, two),
            ResizeColumns::Four(mixes) => Mix::apply_all(mixes, line, out, four),
            ResizeColumns::Any(taps) => {
                let taps = taps.starts.iter().zip(taps.weights.chunks_exact(taps.each.max(1)));
                for (out, (&start, weights)) in out.as_flattened_mut().iter_mut().zip(taps) {
                    let samples = line[start..].iter().map(|&sample| f32::from(sample));
                    *out = samples.zip(weights).map(|(sample, weight)| sample * weight).sum();
                }
            }
        }
    }
}

#[cfg(any(test, not(target_arch = "aarch64")))]
fn mixed<const EACH: usize, const OUT: usize>(mix: &Mix<EACH, OUT>, reach: &[u8; REACH]) -> [f32; OUT] {
    std::array::from_fn(|lane| {
        let products = mix.places[lane].iter().zip(mix.weights[lane]);
        let sum: i32 = products
            .map(|(&place, weight)| i32::from(reach[usize::from(place) % REACH]) * i32::from(weight))
            .sum();
        sum as f32 * (1.0 / f32::from(WHOLE))
    })
}

/// Vector versions with the same results.
#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{Mix, REACH, WHOLE};

    /// Products of samples and weights, added in pairs.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn pairs<const EACH: usize, const OUT: usize>(mix: &Mix<EACH, OUT>, reach: &[u8; REACH]) -> __m256i {
        const { assert!(EACH * OUT == REACH) };
        // SAFETY: there are 16, 16 and 32 bytes to be read, and none need be aligned.
        let (reach, places, weights) = unsafe {
            (
                _mm_loadu_si128(reach.as_ptr().cast()),
                _mm_loadu_si128(mix.places.as_ptr().cast()),
                _mm256_loadu_si256(mix.weights.as_ptr().cast()),
            )
        };
        _mm256_madd_epi16(_mm256_cvtepu8_epi16(_mm_shuffle_epi8(reach, places)), weights)
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn two(mix: &Mix<2, 8>, reach: &[u8; REACH]) -> [f32; 8] {
        let sums = _mm256_cvtepi32_ps(pairs(mix, reach));
        let mixed = _mm256_mul_ps(sums, _mm256_set1_ps(1.0 / f32::from(WHOLE)));
        let mut out = [0.0; 8];
        // SAFETY: there is room for eight floats, which need not be aligned.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr(), mixed) };
        out
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn four(mix: &Mix<4, 4>, reach: &[u8; REACH]) -> [f32; 4] {
        let pairs = pairs(mix, reach);
        let sums = _mm_hadd_epi32(_mm256_castsi256_si128(pairs), _mm256_extracti128_si256::<1>(pairs));
        let mixed = _mm_mul_ps(_mm_cvtepi32_ps(sums), _mm_set1_ps(1.0 / f32::from(WHOLE)));
        let mut out = [0.0; 4];
        // SAFETY: there is room for four floats, which need not be aligned.
        unsafe { _mm_storeu_ps(out.as_mut_ptr(), mixed) };
        out
    }
}

/// Vector versions with the same results.
#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::{Mix, REACH, WHOLE};

    /// Products of samples and weights, added in pairs.
    #[inline(always)]
    fn pairs<const EACH: usize, const OUT: usize>(
        mix: &Mix<EACH, OUT>,
        reach: &[u8; REACH],
    ) -> (int32x4_t, int32x4_t) {
        const { assert!(EACH * OUT == REACH) };
        let weights = mix.weights.as_ptr().cast();
        // SAFETY: every 64-bit ARM has NEON; there are 16, 16 and 32 bytes to be read.
        unsafe {
            let samples = vqtbl1q_u8(vld1q_u8(reach.as_ptr()), vld1q_u8(mix.places.as_ptr().cast()));
            let (weights, others) = (vld1q_s16(weights), vld1q_s16(weights.add(8)));
            let low = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(samples)));
            let high = vreinterpretq_s16_u16(vmovl_high_u8(samples));
            let first = vmull_s16(vget_low_s16(low), vget_low_s16(weights));
            let third = vmull_s16(vget_low_s16(high), vget_low_s16(others));
            (vpaddq_s32(first, vmull_high_s16(low, weights)), vpaddq_s32(third, vmull_high_s16(high, others)))
        }
    }

    #[inline(always)]
    pub fn two(mix: &Mix<2, 8>, reach: &[u8; REACH]) -> [f32; 8] {
        let (low, high) = pairs(mix, reach);
        let mut out = [0.0; 8];
        // SAFETY: every 64-bit ARM has NEON; there is room for eight floats.
        unsafe {
            vst1q_f32(out.as_mut_ptr(), vmulq_n_f32(vcvtq_f32_s32(low), 1.0 / f32::from(WHOLE)));
            vst1q_f32(out.as_mut_ptr().add(4), vmulq_n_f32(vcvtq_f32_s32(high), 1.0 / f32::from(WHOLE)));
        }
        out
    }

    #[inline(always)]
    pub fn four(mix: &Mix<4, 4>, reach: &[u8; REACH]) -> [f32; 4] {
        let (low, high) = pairs(mix, reach);
        let mut out = [0.0; 4];
        // SAFETY: every 64-bit ARM has NEON; there is room for four floats.
        unsafe {
            let sums = vpaddq_s32(low, high);
            vst1q_f32(out.as_mut_ptr(), vmulq_n_f32(vcvtq_f32_s32(sums), 1.0 / f32::from(WHOLE)));
        }
        out
    }
}

/// Resizes one plane.
#[derive(Debug, Default)]
pub(crate) struct Resize {
    width: usize,
    columns: ResizeColumns,
    rows: Taps,
    /// Ring of rows at the new width, as many as contribute to one result row: row `n` is at index `n` modulo their
    /// number.
    across: Vec<Vec<[f32; LANES]>>,
    /// The next row of the plane that is not in the ring yet.
    next: usize,
    /// A row of the result, padded to whole lanes.
    out: Vec<[f32; LANES]>,
}

impl Resize {
    /// Resizes a plane of `width` × `height` to `to.0` × `to.1`, all above 0. `of` is the size of the luma plane; a
    /// sample stands for one or two of its pixels.
    pub fn new(width: usize, height: usize, of: (usize, usize), to: (usize, usize)) -> Resize {
        // Half of an odd width is rounded up: the last sample reaches beyond the frame.
        let extent = |own: usize, of: usize| if own * 2 == of + 1 { of as f64 / 2.0 } else { own as f64 };
        let rows = Taps::new(height, extent(height, of.1), to.1);
        let row = vec![[0.0; LANES]; to.0.div_ceil(LANES)];
        Resize {
            width,
            columns: ResizeColumns::new(width, extent(width, of.0), to.0),
            across: vec![row.clone(); rows.each],
            rows,
            next: 0,
            out: row,
        }
    }

    /// A plane that gives `sample` everywhere.
    pub(crate) fn constant_sample(sample: f32, width: usize) -> Resize {
        Resize { out: vec![[sample; LANES]; width.div_ceil(LANES)], ..Resize::default() }
    }

    /// The last row, padded to whole lanes with arbitrary values.
    #[inline(always)]
    pub(crate) fn last_row(&self) -> &[[f32; LANES]] {
        &self.out
    }

    /// Makes row `at` of the result from `plane`. Rows must be requested in order, from the first on.
    #[inline]
    pub fn row(&mut self, plane: &[u8], at: usize) {
        #[cfg(target_arch = "aarch64")]
        self.row_by(plane, at, neon::two, neon::four);
        #[cfg(not(target_arch = "aarch64"))]
        self.row_by(plane, at, mixed, mixed);
    }

    /// Gives the same numbers as [`row`](Resize::row).
    #[cfg(target_arch = "x86_64")]
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn row_avx2(&mut self, plane: &[u8], at: usize) {
        self.row_by(plane, at, |mix, reach| avx2::two(mix, reach), |mix, reach| avx2::four(mix, reach));
    }

    #[inline(always)]
    fn row_by(
        &mut self,
        plane: &[u8],
        at: usize,
        two: impl Fn(&Mix<2, 8>, &[u8; REACH]) -> [f32; 8],
        four: impl Fn(&Mix<4, 4>, &[u8; REACH]) -> [f32; 4],
    ) {
        let count = self.across.len();
        if count == 0 {
            return;
        }
        if at == 0 {
            self.next = 0;
        }
        let (start, weights) = self.rows.weights_at(at);
        for row in self.next.max(start)..start + count {
            let line = &plane[row * self.width..(row + 1) * self.width];
            self.columns.resample_row(line, &mut self.across[row % count], &two, &four);
        }
        self.next = start + count;
        let across = |row: usize| self.across[row % count].as_flattened();
        let out = self.out.as_flattened_mut();
        let [first, last] = weights else {
            out.fill(0.0);
            for (row, &weight) in weights.iter().enumerate() {
                for (mixed, sample) in out.iter_mut().zip(across(start + row)) {
                    *mixed += weight * sample;
                }
            }
            return;
        };
        for (mixed, (above, below)) in out.iter_mut().zip(across(start).iter().zip(across(start + 1))) {
            *mixed = first * above + last * below;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Every row of `plane` (of `size`), resized to `to`.
    fn resized(
        plane: &[u8],
        size: (usize, usize),
        to: (usize, usize),
        by: fn(&mut Resize, &[u8], usize),
    ) -> Vec<f32> {
        all_rows(&mut Resize::new(size.0, size.1, size, to), plane, to, by)
    }

    fn all_rows(
        resize: &mut Resize,
        plane: &[u8],
        to: (usize, usize),
        by: fn(&mut Resize, &[u8], usize),
    ) -> Vec<f32> {
        let mut all = Vec::new();
        for at in 0..to.1 {
            by(resize, plane, at);
            all.extend_from_slice(&resize.last_row().as_flattened()[..to.0]);
        }
        all
    }

    #[test]
    fn the_last_sample_of_half_an_odd_width_reaches_beyond_the_picture() {
        // Two chroma samples stand for three pixels: only half of the second one shows the frame.
        let mut resize = Resize::new(2, 1, (3, 1), (3, 1));
        resize.row(&[0, 90], 0);
        let found = &resize.last_row().as_flattened()[..3];
        assert!(found.iter().zip([0.0, 22.5, 67.5]).all(|(f, w)| (f - w).abs() < 1e-3), "{found:?}");
    }

    /// The result by definition: the sum of all samples, each weighted by its share of rows times its share of
    /// columns.
    fn by_definition(plane: &[u8], size: (usize, usize), to: (usize, usize)) -> Vec<f64> {
        let shares = |from: usize, to: usize| {
            let taps = Taps::new(from, from as f64, to);
            let all = (0..to).map(|at| taps.weights_at(at));
            all.map(|(start, weights)| {
                let mut shares = vec![0.0; from];
                weights
                    .iter()
                    .enumerate()
                    .for_each(|(tap, &weight)| shares[start + tap] += f64::from(weight));
                shares
            })
            .collect::<Vec<_>>()
        };
        let (columns, rows) = (shares(size.0, to.0), shares(size.1, to.1));
        let mixed = |row: &[f64], column: &[f64]| {
            let lines = plane.chunks_exact(size.0).zip(row);
            lines
                .map(|(line, share)| {
                    share * line.iter().zip(column).map(|(&s, c)| f64::from(s) * c).sum::<f64>()
                })
                .sum()
        };
        rows.iter().flat_map(|row| columns.iter().map(move |column| mixed(row, column))).collect()
    }

    fn plain_row(resize: &mut Resize, plane: &[u8], at: usize) {
        resize.row_by(plane, at, mixed, mixed);
    }

    /// By the processor's vector unit, if there is code for it.
    fn row_by_vectors(resize: &mut Resize, plane: &[u8], at: usize) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: The call needs AVX2, which the processor has: the line above asked for it.
            return unsafe { resize.row_avx2(plane, at) };
        }
        resize.row(plane, at);
    }

    proptest! {
        #[test]
        fn every_size_comes_out_as_defined_and_alike_by_vectors(
            size in (1usize..70, 1usize..12),
            to in (1usize..60, 1usize..20),
            seed: u32,
        ) {
            let mut state = seed;
            let plane: Vec<u8> = (0..size.0 * size.1)
                .map(|_| {
                    state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (state >> 24) as u8
                })
                .collect();
            let plain = resized(&plane, size, to, plain_row);
            // Earlier input of the same plan leaves no trace.
            let mut again = Resize::new(size.0, size.1, size, to);
            let inverse: Vec<u8> = plane.iter().map(|sample| !sample).collect();
            let rows = [&inverse, &plane].map(|plane| all_rows(&mut again, plane, to, Resize::row));
            prop_assert_eq!(&rows[1], &plain);
            for (found, wanted) in plain.iter().zip(by_definition(&plane, size, to)) {
                // Weights are rounded to 16384ths, twice.
                prop_assert!((f64::from(*found) - wanted).abs() < 0.05, "{found} is not {wanted}");
            }
            prop_assert_eq!(resized(&plane, size, to, row_by_vectors), plain);
        }
    }

    #[test]
    fn one_grey_stays_that_grey() {
        for (size, to) in [((640, 4), (300, 3)), ((320, 3), (300, 5)), ((17, 2), (90, 2)), ((5, 5), (3, 3))] {
            for grey in [0, 1, 77, 255] {
                let plane = vec![grey; size.0 * size.1];
                for sample in resized(&plane, size, to, Resize::row) {
                    assert!(
                        (sample - f32::from(grey)).abs() < 1e-4,
                        "{sample} of {grey}, {size:?} to {to:?}"
                    );
                }
            }
        }
    }
}
