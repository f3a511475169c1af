//! The transforms in plain loops, which the compiler vectorizes where it can.

use super::block::{Coefficients, MOST, Quantization, Samples};

/// A number saturated to 16 bits.
#[inline(always)]
fn packed(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

/// Converts a difference from the middle to a sample.
#[inline(always)]
fn to_sample(value: i32) -> u8 {
    (packed(value).clamp(-128, 127) + 128) as u8
}

/// Products of the first `N` columns of a row.
#[inline(always)]
fn products<const N: usize>(
    coefficients: &Coefficients,
    quantization: &Quantization,
    row: usize,
) -> [i32; N] {
    std::array::from_fn(|column| {
        let place = 8 * row + column;
        i32::from(coefficients[place].wrapping_mul(quantization[place]))
    })
}

#[inline(always)]
fn is_in_range(first: &[i32]) -> bool {
    first.iter().all(|product| product.abs() <= MOST)
}

/// jidctred.c, `jpeg_idct_4x4`. With `is_corner` only the first four rows and columns are set.
pub fn four(
    coefficients: &Coefficients,
    quantization: &Quantization,
    _is_corner: bool,
    to: &mut Samples,
) -> bool {
    let row = |row| products::<8>(coefficients, quantization, row);
    let [r0, r1, r2, r3, r5, r6, r7] = [row(0), row(1), row(2), row(3), row(5), row(6), row(7)];
    let mut lines = [[0i32; 8]; 4];
    for c in 0..8 {
        let even = r0[c] << 14;
        let second = r2[c] * 15137 - r6[c] * 6270;
        let [odd0, odd2] = odd_part(r7[c], r5[c], r3[c], r1[c]);
        let down = |value: i32| packed(value.wrapping_add(1 << 11) >> 12);
        let (tenth, twelfth) = (even.wrapping_add(second), even.wrapping_sub(second));
        lines[0][c] = down(tenth.wrapping_add(odd2));
        lines[3][c] = down(tenth.wrapping_sub(odd2));
        lines[1][c] = down(twelfth.wrapping_add(odd0));
        lines[2][c] = down(twelfth.wrapping_sub(odd0));
    }
    for (line, to) in lines.iter().zip(to) {
        let even = line[0] << 14;
        let second = line[2] * 15137 - line[6] * 6270;
        let [odd0, odd2] = odd_part(line[7], line[5], line[3], line[1]);
        let down = |value: i32| to_sample(value.wrapping_add(1 << 18) >> 19);
        let (tenth, twelfth) = (even.wrapping_add(second), even.wrapping_sub(second));
        *to = [
            down(tenth.wrapping_add(odd2)),
            down(twelfth.wrapping_add(odd0)),
            down(twelfth.wrapping_sub(odd0)),
            down(tenth.wrapping_sub(odd2)),
        ];
    }
    is_in_range(&r0)
}

/// The odd part of four samples: of the middle ones, and of the outer ones.
#[inline(always)]
fn odd_part(z1: i32, z2: i32, z3: i32, z4: i32) -> [i32; 2] {
    let sum = |a: i32, b: i32, c: i32, d: i32| {
        (z4 * a).wrapping_add(z3 * b).wrapping_add((z2 * c).wrapping_add(z1 * d))
    };
    [sum(8697, -17799, 11893, -1730), sum(20995, 7373, -4926, -4176)]
}

/// jidctred.c, `jpeg_idct_2x2`.
pub fn two(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) -> bool {
    let row = |row| products::<8>(coefficients, quantization, row);
    let [r0, r1, r3, r5, r7] = [row(0), row(1), row(3), row(5), row(7)];
    let sum = |z1: i32, z2: i32, z3: i32, z4: i32| {
        (z4 * 29692).wrapping_add(z3 * -10426).wrapping_add((z2 * 6967).wrapping_add(z1 * -5906))
    };
    let mut lines = [[0i32; 8]; 2];
    for c in 0..8 {
        let even = r0[c] << 15;
        let odd = sum(r7[c], r5[c], r3[c], r1[c]);
        let down = |value: i32| value.wrapping_add(1 << 12) >> 13;
        (lines[0][c], lines[1][c]) = (down(even.wrapping_add(odd)), down(even.wrapping_sub(odd)));
    }
    for (line, to) in lines.iter().zip(to) {
        let even = line[0] << 15;
        let odd = sum(packed(line[7]), packed(line[5]), packed(line[3]), packed(line[1]));
        let down = |value: i32| to_sample(value.wrapping_add(1 << 19) >> 20);
        (to[0], to[1]) = (down(even.wrapping_add(odd)), down(even.wrapping_sub(odd)));
    }
    is_in_range(&r0)
}
