//! Two samples in each of four rows, in plain loops, which the compiler turns into vector code but on x86.

use super::block::{COSINES, Coefficients, Quantization, SHARPENED, Samples};

/// As `jpeg_idct_2x4` of libjpeg 8 (jidctint.c), which libjpeg-turbo has not: a 4-point transform of each column, then
/// a 2-point one of each row, with [`SHARPENED`] differences. `coefficients` lie column by column, as [`super::NARROW`]
/// has them; products wrap at 16 bits.
#[inline(always)]
pub fn two_by_four(coefficients: &Coefficients, quantization: &Quantization, to: &mut Samples) {
    let product = |place: usize| i32::from(coefficients[place].wrapping_mul(quantization[place]));
    let column = |at: usize, [one, cos_1, cos_3]: [i16; 3]| -> [i32; 4] {
        let rows = [product(at), product(at + 1), product(at + 2), product(at + 3)];
        let of =
            |cosines: [i16; 4]| rows.iter().zip(cosines).map(|(row, cosine)| row * i32::from(cosine)).sum();
        [
            of([one, cos_1, one, cos_3]),
            of([one, cos_3, -one, -cos_1]),
            of([one, -cos_3, -one, cos_1]),
            of([one, -cos_1, one, -cos_3]),
        ]
    };
    let (sums, differences) = (column(0, COSINES), column(4, SHARPENED));
    for ((to, sum), difference) in to.iter_mut().zip(sums).zip(differences) {
        let sum = sum.wrapping_add((128 << 16) + (1 << 15));
        let sample = |value: i32| (value >> 16).clamp(0, 255) as u8;
        (to[0], to[1]) = (sample(sum.wrapping_add(difference)), sample(sum.wrapping_sub(difference)));
    }
}
