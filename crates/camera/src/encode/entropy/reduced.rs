//! Inverse DCTs that make fewer samples of a block: 4×4, 3×3, 2×2 or one. Pure.
//!
//! The arithmetic is that of libjpeg (jidctred.c, jidctint.c) as in libjpeg-turbo's vector code: products with the
//! quantization wrap at 16 bits. The samples are therefore libjpeg-turbo's, bit by bit. The exception is luma far out
//! of range, which no encoder produces and which libjpeg-turbo's variants treat differently. These blocks are
//! reported and left to libjpeg-turbo.

mod block;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;

use block::MOST;
pub(crate) use block::{Coefficients, Quantization, Samples};
#[cfg(target_arch = "aarch64")]
use neon::{four, two};
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use plain::{four, two};
#[cfg(target_arch = "x86_64")]
use sse2::{four, two};

/// Row-major positions in a block of the coefficients in the order of the file (T.81 figure A.6); indices beyond the
/// last map to a position outside the block.
pub(crate) const NATURAL: [u8; 256] = {
    let order: [u8; 64] = [
        0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13,
        6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38,
        31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
    ];
    let mut all = [64; 256];
    let mut at = 0;
    while at < 64 {
        all[at] = order[at];
        at += 1;
    }
    all
};

/// Index in the order of the file. All coefficients up to it are in the first four rows and columns, except one in
/// the fifth row, which no transform uses.
pub(crate) const LAST_OF_CORNER: u32 = 13;

/// Index, in the order of the file, of the last coefficient that is read for this many samples a side. It may be
/// later than needed: reading on is often faster than skipping the few that remain.
pub(crate) const fn last_coefficient(side: usize) -> u32 {
    match side {
        1 => 0,
        3 => 12,
        _ => 63,
    }
}

/// The sample of a block with only DC at `SIDE` samples a side, the same everywhere. `None` if it is out of range.
#[inline(always)]
pub(crate) fn dc_only_sample<const SIDE: usize>(dc: i16, quantization: &Quantization) -> Option<u8> {
    let product = i32::from(dc) * i32::from(quantization[0]);
    let value = (product + 4) >> 3;
    (product.abs() <= MOST).then(|| match SIDE {
        2 | 4 => (value + 128).clamp(0, 255) as u8,
        _ => wrap_sample(value),
    })
}

/// Computes the samples of a block at `SIDE` a side; `last` is its last coefficient. `false` if it is out of range.
#[inline(always)]
pub fn samples<const SIDE: usize>(
    coefficients: &Coefficients,
    quantization: &Quantization,
    last: u32,
    to: &mut Samples,
) -> bool {
    match SIDE {
        4 => four(coefficients, quantization, last <= LAST_OF_CORNER, to),
        3 => three(coefficients, quantization, to),
        _ => two(coefficients, quantization, to),
    }
}

/// Converts a difference from the middle to a sample; wraps at 10 bits as in libjpeg.
#[inline(always)]
fn wrap_sample(value: i32) -> u8 {
    (((value << 22) >> 22) + 128).clamp(0, 255) as u8
}

/// jidctint.c, `jpeg_idct_3x3`.
#[inline(always)]
fn three(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    const C1: i64 = 10033;
    const C2: i64 = 5793;
    let mut rows = [[0i64; 3]; 3];
    let [first, middle, last] = &mut rows;
    let mut is_in_range = true;
    for (column, ((first, middle), last)) in first.iter_mut().zip(middle).zip(last).enumerate() {
        let product = |row: usize| {
            let place = 8 * row + column;
            i64::from(i32::from(coefficients[place]) * i32::from(quantization[place]))
        };
        is_in_range &= product(0).abs() <= i64::from(MOST);
        let even = (product(0) << 13) + (1 << 10);
        let second = product(2) * C2;
        let odd = product(1) * C1;
        *first = (even + second + odd) >> 11;
        *middle = (even - 2 * second) >> 11;
        *last = (even + second - odd) >> 11;
    }
    for (row, to) in rows.iter().zip(to) {
        let even = (row[0] + 16) << 13;
        let second = row[2] * C2;
        let odd = row[1] * C1;
        to[0] = wrap_sample(((even + second + odd) >> 18) as i32);
        to[1] = wrap_sample(((even - 2 * second) >> 18) as i32);
        to[2] = wrap_sample(((even + second - odd) >> 18) as i32);
    }
    is_in_range
}

#[cfg(test)]
mod tests;
