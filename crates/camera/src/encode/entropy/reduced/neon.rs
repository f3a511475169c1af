//! The transforms in NEON, which every 64-bit Arm target has. They are those of simd/arm/jidctred-neon.c of
//! libjpeg-turbo, with a shortcut for blocks whose coefficients are all in the first four rows and columns.

use std::arch::aarch64::*;

use super::block::{Coefficients, MOST, Quantization, Samples};

/// As [`super::plain::four`].
#[inline(always)]
pub fn four(
    coefficients: &Coefficients,
    quantization: &Quantization,
    is_corner: bool,
    to: &mut Samples,
) -> bool {
    // SAFETY: NEON is among the target's own features: the compiler uses it everywhere.
    unsafe { four_by_vectors(coefficients, quantization, is_corner, to) }
}

/// As [`super::plain::two`].
#[inline(always)]
pub fn two(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    // SAFETY: NEON is among the target's own features: the compiler uses it everywhere.
    unsafe { two_by_vectors(coefficients, quantization, to) }
}

#[inline]
#[target_feature(enable = "neon")]
fn products(coefficients: &Coefficients, quantization: &Quantization, row: usize) -> int16x8_t {
    let at = 8 * row;
    vmulq_s16(
        eight(coefficients[at..].first_chunk().unwrap_or(&[0; 8])),
        eight(quantization[at..].first_chunk().unwrap_or(&[0; 8])),
    )
}

#[inline]
#[target_feature(enable = "neon")]
fn eight(row: &[i16; 8]) -> int16x8_t {
    // SAFETY: there are eight numbers to be read.
    unsafe { vld1q_s16(row.as_ptr()) }
}

/// True if all products of the first row are in range.
#[inline]
#[target_feature(enable = "neon")]
fn is_in_range(first: int16x8_t) -> bool {
    // The least 16-bit number has no opposite: saturated, it stays out of range.
    vmaxvq_s16(vqabsq_s16(first)) <= MOST as i16
}

/// Combines even and odd parts of four numbers each: their sums and differences.
#[inline]
#[target_feature(enable = "neon")]
fn joined(even: int32x4_t, second: int32x4_t, odd0: int32x4_t, odd2: int32x4_t) -> [int32x4_t; 4] {
    let (tenth, twelfth) = (vaddq_s32(even, second), vsubq_s32(even, second));
    [vaddq_s32(tenth, odd2), vaddq_s32(twelfth, odd0), vsubq_s32(twelfth, odd0), vsubq_s32(tenth, odd2)]
}

/// The odd part of the outer samples, of four rows or columns: contribution of the positions 1 and 3.
#[inline]
#[target_feature(enable = "neon")]
fn outer(r1: int16x4_t, r3: int16x4_t) -> int32x4_t {
    vmlal_n_s16(vmull_n_s16(r1, 20995), r3, 7373)
}

/// Adds the contribution of the positions 5 and 7.
#[inline]
#[target_feature(enable = "neon")]
fn outer_high(sum: int32x4_t, r5: int16x4_t, r7: int16x4_t) -> int32x4_t {
    vmlal_n_s16(vmlal_n_s16(sum, r5, -4926), r7, -4176)
}

/// The odd part of the middle samples: contribution of the positions 1 and 3.
#[inline]
#[target_feature(enable = "neon")]
fn middle(r1: int16x4_t, r3: int16x4_t) -> int32x4_t {
    vmlal_n_s16(vmull_n_s16(r1, 8697), r3, -17799)
}

/// Adds the contribution of the positions 5 and 7.
#[inline]
#[target_feature(enable = "neon")]
fn middle_high(sum: int32x4_t, r5: int16x4_t, r7: int16x4_t) -> int32x4_t {
    vmlal_n_s16(vmlal_n_s16(sum, r5, 11893), r7, -1730)
}

/// Transforms four columns, given as the rows 0, 1, 2, 3, 5, 6 and 7, to four lines.
#[inline]
#[target_feature(enable = "neon")]
fn columns(r: [int16x4_t; 7]) -> [int16x4_t; 4] {
    let [r0, r1, r2, r3, r5, r6, r7] = r;
    let second = vmlal_n_s16(vmull_n_s16(r2, 15137), r6, -6270);
    let (odd0, odd2) = (middle_high(middle(r1, r3), r5, r7), outer_high(outer(r1, r3), r5, r7));
    let [l0, l1, l2, l3] = joined(even_and_half(r0), second, odd0, odd2);
    [vqshrn_n_s32::<12>(l0), vqshrn_n_s32::<12>(l1), vqshrn_n_s32::<12>(l2), vqshrn_n_s32::<12>(l3)]
}

/// The even part of the first pass, with the half for rounding.
#[inline]
#[target_feature(enable = "neon")]
fn even_and_half(r0: int16x4_t) -> int32x4_t {
    vaddq_s32(vshll_n_s16::<14>(r0), vdupq_n_s32(1 << 11))
}

/// jidctred.c, `jpeg_idct_4x4`. With `is_corner` only the first four rows and columns are set.
#[inline]
#[target_feature(enable = "neon")]
fn four_by_vectors(
    coefficients: &Coefficients,
    quantization: &Quantization,
    is_corner: bool,
    to: &mut Samples,
) -> bool {
    let r0 = products(coefficients, quantization, 0);
    let r1 = products(coefficients, quantization, 1);
    let r2 = products(coefficients, quantization, 2);
    let r3 = products(coefficients, quantization, 3);

    // Columns 0 and 1, 2 and 3, of the four lines each; then the later ones.
    let (c01, c23, c4567);
    if is_corner {
        let (r0, r1) = (vget_low_s16(r0), vget_low_s16(r1));
        let (r2, r3) = (vget_low_s16(r2), vget_low_s16(r3));
        let second_of_columns = vmull_n_s16(r2, 15137);
        let [l0, l1, l2, l3] = joined(even_and_half(r0), second_of_columns, middle(r1, r3), outer(r1, r3));
        let l01 = vqshrn_high_n_s32::<12>(vqshrn_n_s32::<12>(l0), l1);
        let l23 = vqshrn_high_n_s32::<12>(vqshrn_n_s32::<12>(l2), l3);
        let (even, odd) = (vzip1q_s16(l01, l23), vzip2q_s16(l01, l23));
        (c01, c23) = (vzip1q_s16(even, odd), vzip2q_s16(even, odd));
        c4567 = None;
    } else {
        let r5 = products(coefficients, quantization, 5);
        let r6 = products(coefficients, quantization, 6);
        let r7 = products(coefficients, quantization, 7);
        let left = columns([
            vget_low_s16(r0),
            vget_low_s16(r1),
            vget_low_s16(r2),
            vget_low_s16(r3),
            vget_low_s16(r5),
            vget_low_s16(r6),
            vget_low_s16(r7),
        ]);
        let right = columns([
            vget_high_s16(r0),
            vget_high_s16(r1),
            vget_high_s16(r2),
            vget_high_s16(r3),
            vget_high_s16(r5),
            vget_high_s16(r6),
            vget_high_s16(r7),
        ]);
        let (l0, l1) = (vcombine_s16(left[0], right[0]), vcombine_s16(left[1], right[1]));
        let (l2, l3) = (vcombine_s16(left[2], right[2]), vcombine_s16(left[3], right[3]));
        let (even, odd) = (vzip1q_s16(l0, l2), vzip1q_s16(l1, l3));
        (c01, c23) = (vzip1q_s16(even, odd), vzip2q_s16(even, odd));
        let (even, odd) = (vzip2q_s16(l0, l2), vzip2q_s16(l1, l3));
        c4567 = Some((vzip1q_s16(even, odd), vzip2q_s16(even, odd)));
    }

    let (c1, c2, c3) = (vget_high_s16(c01), vget_low_s16(c23), vget_high_s16(c23));
    let (mut odd0, mut odd2, mut second) = (middle(c1, c3), outer(c1, c3), vmull_n_s16(c2, 15137));
    if let Some((c45, c67)) = c4567 {
        let (c5, c6, c7) = (vget_high_s16(c45), vget_low_s16(c67), vget_high_s16(c67));
        (odd0, odd2) = (middle_high(odd0, c5, c7), outer_high(odd2, c5, c7));
        second = vmlal_n_s16(second, c6, -6270);
    }
    let even = vaddq_s32(vshll_n_s16::<14>(vget_low_s16(c01)), vdupq_n_s32(1 << 18));
    let [s0, s1, s2, s3] = joined(even, second, odd0, odd2);
    let (s0, s1) = (vshrq_n_s32::<19>(s0), vshrq_n_s32::<19>(s1));
    let (s2, s3) = (vshrq_n_s32::<19>(s2), vshrq_n_s32::<19>(s3));
    let s01 = vqmovn_high_s32(vqmovn_s32(s0), s1);
    let s23 = vqmovn_high_s32(vqmovn_s32(s2), s3);
    let by_column = vreinterpretq_u8_s8(vqmovn_high_s16(vqmovn_s16(s01), s23));
    const BY_ROW: [u8; 16] = [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15];
    // SAFETY: there are sixteen bytes to be read, and sixteen to be written.
    unsafe {
        let samples = vqtbl1q_u8(by_column, vld1q_u8(BY_ROW.as_ptr()));
        vst1q_u8(to.as_flattened_mut().as_mut_ptr(), veorq_u8(samples, vdupq_n_u8(128)));
    }
    is_in_range(r0)
}

/// jidctred.c, `jpeg_idct_2x2`.
#[inline]
#[target_feature(enable = "neon")]
fn two_by_vectors(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    let r0 = products(coefficients, quantization, 0);
    let r1 = products(coefficients, quantization, 1);
    let r3 = products(coefficients, quantization, 3);
    let r5 = products(coefficients, quantization, 5);
    let r7 = products(coefficients, quantization, 7);
    let odd = vmlal_n_s16(vmull_n_s16(vget_low_s16(r1), 29692), vget_low_s16(r3), -10426);
    let odd_low = vmlal_n_s16(vmlal_n_s16(odd, vget_low_s16(r5), 6967), vget_low_s16(r7), -5906);
    let odd = vmlal_high_n_s16(vmull_high_n_s16(r1, 29692), r3, -10426);
    let odd_high = vmlal_high_n_s16(vmlal_high_n_s16(odd, r5, 6967), r7, -5906);
    let half = vdupq_n_s32(1 << 12);
    let even_low = vaddq_s32(vshll_n_s16::<15>(vget_low_s16(r0)), half);
    let even_high = vaddq_s32(vshll_high_n_s16::<15>(r0), half);
    let a_low = vshrq_n_s32::<13>(vaddq_s32(even_low, odd_low));
    let b_low = vshrq_n_s32::<13>(vsubq_s32(even_low, odd_low));
    let a_high = vshrq_n_s32::<13>(vaddq_s32(even_high, odd_high));
    let b_high = vshrq_n_s32::<13>(vsubq_s32(even_high, odd_high));

    // The two lines of each column side by side; columns 1, 3, 5 and 7 are in the upper half of each four.
    let a = vqmovn_high_s32(vqmovn_s32(a_low), a_high);
    let b = vqmovn_high_s32(vqmovn_s32(b_low), b_high);
    let (low, high) = (vzip1q_s16(a, b), vzip2q_s16(a, b));
    let odd = vmlal_high_n_s16(vmull_n_s16(vget_low_s16(low), 29692), low, -10426);
    let odd = vmlal_high_n_s16(vmlal_n_s16(odd, vget_low_s16(high), 6967), high, -5906);
    let odd = vget_high_s32(odd);
    let even = vshl_n_s32::<15>(vget_low_s32(vzip1q_s32(a_low, b_low)));
    let even = vadd_s32(even, vdup_n_s32(1 << 19));
    let (left, right) = (vadd_s32(even, odd), vsub_s32(even, odd));
    // Left and right of the upper line, then of the lower one.
    let samples = vqmovn_s32(vshrq_n_s32::<20>(vcombine_s32(vzip1_s32(left, right), vzip2_s32(left, right))));
    let samples = veor_s8(vqmovn_s16(vcombine_s16(samples, samples)), vdup_n_s8(i8::MIN));
    let four = (vget_lane_u32::<0>(vreinterpret_u32_s8(samples))).to_le_bytes();
    to[0][..2].copy_from_slice(&four[..2]);
    to[1][..2].copy_from_slice(&four[2..]);
    is_in_range(r0)
}
