//! The transforms in SSE2, which every x86-64 has. They are those of simd/x86_64/jidctred-sse2.asm of libjpeg-turbo,
//! with a shortcut for blocks whose coefficients are all in the first four rows and columns.

use std::arch::x86_64::*;

use super::block::{Coefficients, MOST, Quantization, Samples};

/// As [`super::plain::four`].
#[inline(always)]
pub fn four(
    coefficients: &Coefficients,
    quantization: &Quantization,
    is_corner: bool,
    to: &mut Samples,
) -> bool {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { four_by_vectors(coefficients, quantization, is_corner, to) }
}

/// As [`super::plain::two`].
#[inline(always)]
pub fn two(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    // SAFETY: every x86-64 processor has SSE2.
    unsafe { two_by_vectors(coefficients, quantization, to) }
}

/// Two factors, repeated four times.
#[inline]
#[target_feature(enable = "sse2")]
fn factor_pairs(first: i16, second: i16) -> __m128i {
    _mm_set1_epi32(i32::from(second) << 16 | i32::from(first as u16))
}

#[inline]
#[target_feature(enable = "sse2")]
fn products(coefficients: &Coefficients, quantization: &Quantization, row: usize) -> __m128i {
    let at = 8 * row;
    _mm_mullo_epi16(
        eight(coefficients[at..].first_chunk().unwrap_or(&[0; 8])),
        eight(quantization[at..].first_chunk().unwrap_or(&[0; 8])),
    )
}

#[inline]
#[target_feature(enable = "sse2")]
fn eight(row: &[i16; 8]) -> __m128i {
    // SAFETY: there are 16 bytes to be read, and they need no alignment.
    unsafe { _mm_loadu_si128(row.as_ptr().cast()) }
}

/// True if all products of the first row are in range.
#[inline]
#[target_feature(enable = "sse2")]
fn is_in_range(first: __m128i) -> bool {
    let most = _mm_set1_epi16(MOST as i16);
    let least = _mm_set1_epi16(-MOST as i16);
    let beyond = _mm_or_si128(_mm_cmpgt_epi16(first, most), _mm_cmplt_epi16(first, least));
    _mm_movemask_epi8(beyond) == 0
}

/// 16-bit numbers of the lower or upper half, widened to 32 bits and scaled by 2¹⁴.
#[inline]
#[target_feature(enable = "sse2")]
fn widen_low_half(words: __m128i) -> __m128i {
    _mm_srai_epi32(_mm_unpacklo_epi16(_mm_setzero_si128(), words), 2)
}

#[inline]
#[target_feature(enable = "sse2")]
fn widen_high_half(words: __m128i) -> __m128i {
    _mm_srai_epi32(_mm_unpackhi_epi16(_mm_setzero_si128(), words), 2)
}

/// Combines even and odd parts of four numbers each: sums and differences, rounded, shifted down by `DOWN` bits.
#[inline]
#[target_feature(enable = "sse2")]
fn joined<const DOWN: i32>(even: __m128i, second: __m128i, odd0: __m128i, odd2: __m128i) -> [__m128i; 4] {
    let half = _mm_set1_epi32(1 << (DOWN - 1));
    let even = _mm_add_epi32(even, half);
    let (tenth, twelfth) = (_mm_add_epi32(even, second), _mm_sub_epi32(even, second));
    [
        _mm_srai_epi32(_mm_add_epi32(tenth, odd2), DOWN),
        _mm_srai_epi32(_mm_add_epi32(twelfth, odd0), DOWN),
        _mm_srai_epi32(_mm_sub_epi32(twelfth, odd0), DOWN),
        _mm_srai_epi32(_mm_sub_epi32(tenth, odd2), DOWN),
    ]
}

/// jidctred.c, `jpeg_idct_4x4`. With `is_corner` only the first four rows and columns are set.
#[inline]
#[target_feature(enable = "sse2")]
fn four_by_vectors(
    coefficients: &Coefficients,
    quantization: &Quantization,
    is_corner: bool,
    to: &mut Samples,
) -> bool {
    let row = |row| products(coefficients, quantization, row);
    let (f184_mf076, f256_f089) = (factor_pairs(15137, -6270), factor_pairs(20995, 7373));
    let (f106_mf217, mf060_mf050) = (factor_pairs(8697, -17799), factor_pairs(-4926, -4176));
    let f145_mf021 = factor_pairs(11893, -1730);
    let (r0, r1, r2, r3) = (row(0), row(1), row(2), row(3));
    let zero = _mm_setzero_si128();

    // Columns, two to a vector: 0 and 1, 2 and 3, 4 and 5, 6 and 7.
    let (c01, c23, c45, c67);
    let low13 = _mm_unpacklo_epi16(r1, r3);
    if is_corner {
        let second = _mm_madd_epi16(_mm_unpacklo_epi16(r2, zero), f184_mf076);
        let (odd2, odd0) = (_mm_madd_epi16(low13, f256_f089), _mm_madd_epi16(low13, f106_mf217));
        let [l0, l1, l2, l3] = joined::<12>(widen_low_half(r0), second, odd0, odd2);
        let (l01, l23) = (_mm_packs_epi32(l0, l1), _mm_packs_epi32(l2, l3));
        let (even, odd) = (_mm_unpacklo_epi16(l01, l23), _mm_unpackhi_epi16(l01, l23));
        (c01, c23) = (_mm_unpacklo_epi16(even, odd), _mm_unpackhi_epi16(even, odd));
        (c45, c67) = (zero, zero);
    } else {
        let (r5, r6, r7) = (row(5), row(6), row(7));
        let (high13, low57) = (_mm_unpackhi_epi16(r1, r3), _mm_unpacklo_epi16(r5, r7));
        let (high57, low26) = (_mm_unpackhi_epi16(r5, r7), _mm_unpacklo_epi16(r2, r6));
        let high26 = _mm_unpackhi_epi16(r2, r6);
        let odd2 =
            |of13, of57| _mm_add_epi32(_mm_madd_epi16(of13, f256_f089), _mm_madd_epi16(of57, mf060_mf050));
        let odd0 =
            |of13, of57| _mm_add_epi32(_mm_madd_epi16(of13, f106_mf217), _mm_madd_epi16(of57, f145_mf021));
        let lower = joined::<12>(
            widen_low_half(r0),
            _mm_madd_epi16(low26, f184_mf076),
            odd0(low13, low57),
            odd2(low13, low57),
        );
        let upper = joined::<12>(
            widen_high_half(r0),
            _mm_madd_epi16(high26, f184_mf076),
            odd0(high13, high57),
            odd2(high13, high57),
        );
        let line = |n: usize| _mm_packs_epi32(lower[n], upper[n]);
        let (l0, l1, l2, l3) = (line(0), line(1), line(2), line(3));
        let (low01, high01) = (_mm_unpacklo_epi16(l0, l1), _mm_unpackhi_epi16(l0, l1));
        let (low23, high23) = (_mm_unpacklo_epi16(l2, l3), _mm_unpackhi_epi16(l2, l3));
        (c01, c23) = (_mm_unpacklo_epi32(low01, low23), _mm_unpackhi_epi32(low01, low23));
        (c45, c67) = (_mm_unpacklo_epi32(high01, high23), _mm_unpackhi_epi32(high01, high23));
    }

    let odd13 = _mm_unpackhi_epi16(c01, c23);
    let (mut odd2, mut odd0) = (_mm_madd_epi16(odd13, f256_f089), _mm_madd_epi16(odd13, f106_mf217));
    if !is_corner {
        let odd57 = _mm_unpackhi_epi16(c45, c67);
        odd2 = _mm_add_epi32(odd2, _mm_madd_epi16(odd57, mf060_mf050));
        odd0 = _mm_add_epi32(odd0, _mm_madd_epi16(odd57, f145_mf021));
    }
    let second = _mm_madd_epi16(_mm_unpacklo_epi16(c23, c67), f184_mf076);
    let [s0, s1, s2, s3] = joined::<19>(widen_low_half(c01), second, odd0, odd2);
    let (s02, s13) = (_mm_packs_epi32(s0, s2), _mm_packs_epi32(s1, s3));
    let (left, right) = (_mm_unpacklo_epi16(s02, s13), _mm_unpackhi_epi16(s02, s13));
    let samples = _mm_packs_epi16(_mm_unpacklo_epi32(left, right), _mm_unpackhi_epi32(left, right));
    store_samples(_mm_add_epi8(samples, _mm_set1_epi8(-128)), to);
    is_in_range(r0)
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_samples(samples: __m128i, to: &mut Samples) {
    let low = (_mm_cvtsi128_si64(samples) as u64).to_le_bytes();
    let high = (_mm_cvtsi128_si64(_mm_unpackhi_epi64(samples, samples)) as u64).to_le_bytes();
    for (to, from) in to.iter_mut().zip([&low[..4], &low[4..], &high[..4], &high[4..]]) {
        to.copy_from_slice(from);
    }
}

/// jidctred.c, `jpeg_idct_2x2`.
#[inline]
#[target_feature(enable = "sse2")]
fn two_by_vectors(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    let row = |row| products(coefficients, quantization, row);
    let (r0, r1, r3, r5, r7) = (row(0), row(1), row(3), row(5), row(7));
    let (f362_mf127, f085_mf072) = (factor_pairs(29692, -10426), factor_pairs(6967, -5906));
    let upper_words = _mm_set1_epi32(0xffff_0000u32 as i32);
    // Columns 1, 3, 5 and 7, with column 0 in the lowest position.
    let pair = |a, b| _mm_or_si128(_mm_srli_epi32(a, 16), _mm_and_si128(b, upper_words));
    let odd =
        _mm_add_epi32(_mm_madd_epi16(pair(r1, r3), f362_mf127), _mm_madd_epi16(pair(r5, r7), f085_mf072));
    let odd_first = _mm_add_epi32(
        _mm_madd_epi16(_mm_unpacklo_epi16(r1, r3), f362_mf127),
        _mm_madd_epi16(_mm_unpacklo_epi16(r5, r7), f085_mf072),
    );
    let even = _mm_srai_epi32(_mm_and_si128(r0, upper_words), 1);
    let even_first = _mm_srai_epi32(_mm_slli_epi32(r0, 16), 1);
    let half = _mm_set1_epi32(1 << 12);
    let down = |value| _mm_srai_epi32(_mm_add_epi32(value, half), 13);
    // (A0 B0), (A1 A3 B1 B3), (A5 A7 B5 B7).
    let (a, b) = (_mm_add_epi32(even, odd), _mm_sub_epi32(even, odd));
    let first =
        down(_mm_unpacklo_epi32(_mm_add_epi32(even_first, odd_first), _mm_sub_epi32(even_first, odd_first)));
    let of13 = down(_mm_unpacklo_epi64(a, b));
    let of57 = down(_mm_unpackhi_epi64(a, b));

    let odd = _mm_add_epi32(
        _mm_madd_epi16(_mm_packs_epi32(of13, of13), f362_mf127),
        _mm_madd_epi16(_mm_packs_epi32(of57, of57), f085_mf072),
    );
    let even = _mm_add_epi32(_mm_slli_epi32(first, 15), _mm_set1_epi32(1 << 19));
    let left = _mm_srai_epi32(_mm_add_epi32(even, odd), 20);
    let right = _mm_srai_epi32(_mm_sub_epi32(even, odd), 20);
    let samples = _mm_unpacklo_epi32(left, right);
    let samples = _mm_packs_epi16(_mm_packs_epi32(samples, samples), _mm_setzero_si128());
    let four = (_mm_cvtsi128_si32(_mm_add_epi8(samples, _mm_set1_epi8(-128))) as u32).to_le_bytes();
    to[0][..2].copy_from_slice(&four[..2]);
    to[1][..2].copy_from_slice(&four[2..]);
    is_in_range(r0)
}
