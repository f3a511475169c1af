//! The vector code and the plain loops, held to one another. Against libjpeg-turbo they are held by the planes' tests.

#![allow(clippy::unwrap_used)]
use super::*;

fn random(seed: &mut u64, most: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % most
}

#[test]
fn vectors_and_loops_are_one() {
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let mut in_range = 0;
    for round in 0..20_000u32 {
        let last = [LAST_OF_CORNER, 63, 5][round as usize % 3];
        // Ordinary ones, large ones, and whatever fits.
        let most = [40, 1024, 65536][round as usize / 3 % 3];
        let mut coefficients = [0; 256];
        for &place in &NATURAL[..=last as usize] {
            if random(&mut seed, 3) > 0 {
                coefficients[usize::from(place)] = (random(&mut seed, most) as i64 - most as i64 / 2) as i16;
            }
        }
        let quantization = std::array::from_fn(|_| random(&mut seed, 256) as i16);
        let (mut a, mut b) = ([[0; 4]; 4], [[0; 4]; 4]);
        let is_corner = last <= LAST_OF_CORNER;
        let told = super::four(&coefficients, &quantization, is_corner, &mut a);
        assert_eq!(told, plain::four(&coefficients, &quantization, is_corner, &mut b));
        // What is out of range is of no worth.
        assert!(!told || a == b, "{coefficients:?} {quantization:?}");
        let told_two = super::two(&coefficients, &quantization, &mut a);
        assert_eq!(told_two, plain::two(&coefficients, &quantization, &mut b));
        assert!(!told_two || a == b, "{coefficients:?} {quantization:?}");
        super::two_by_four(&coefficients, &quantization, &mut a);
        narrow::two_by_four(&coefficients, &quantization, &mut b);
        assert!(a.map(|row| [row[0], row[1]]) == b.map(|row| [row[0], row[1]]), "{coefficients:?}");
        in_range += u32::from(told);
    }
    assert!(in_range > 5_000, "{in_range}");
}

#[test]
fn a_block_of_one_value_is_flat_at_every_scale() {
    for dc in -1100..1100i16 {
        for quantum in [1, 3, 16, 255] {
            let mut quantization = [1; 64];
            quantization[0] = quantum;
            let mut coefficients = [0; 256];
            coefficients[0] = dc;
            let mut to = [[0; 4]; 4];
            let flat = dc_only_sample::<4>(dc, &quantization);
            let is_in_range = samples::<4, 4>(&coefficients, &quantization, 1, &mut to);
            // Where a product wraps at 16 bits, only one of the two says so, and the picture is left to libjpeg-turbo.
            assert!(flat.is_none() || is_in_range, "{dc} {quantum}");
            assert!(flat.is_none_or(|flat| to == [[flat; 4]; 4]), "{dc} {quantum}");
            assert_eq!(flat.is_some(), samples::<2, 4>(&coefficients, &quantization, 1, &mut to));
            assert!(flat.is_none_or(|flat| to.iter().all(|row| row[..2] == [flat; 2])), "{dc} {quantum}");
            let flat = super::dc_only_sample::<3>(dc, &quantization);
            assert_eq!(flat.is_some(), samples::<3, 3>(&coefficients, &quantization, 1, &mut to));
            assert!(
                flat.is_none_or(|flat| to[..3].iter().all(|row| row[..3] == [flat; 3])),
                "{dc} {quantum}"
            );
        }
    }
}

#[test]
fn two_by_four_are_the_sums_of_cosines_with_sharpened_differences() {
    use std::f64::consts::{PI, SQRT_2};
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    for _ in 0..2_000 {
        let mut coefficients = [0; 256];
        let quantization = std::array::from_fn(|_| 1 + random(&mut seed, 30) as i16);
        for (place, to) in coefficients[..8].iter_mut().enumerate() {
            let most = if place % 4 == 0 { 20 } else { 8 };
            *to = random(&mut seed, most) as i16 - most as i16 / 2;
        }
        let mut samples = [[0; 4]; 4];
        super::two_by_four(&coefficients, &quantization, &mut samples);
        for (y, row) in samples.iter().enumerate() {
            for (x, &sample) in row[..2].iter().enumerate() {
                let mut sum = 0.0;
                for column in 0..2 {
                    for frequency in 0..4 {
                        let place = 4 * column + frequency;
                        let product = f64::from(coefficients[place]) * f64::from(quantization[place]);
                        let down = (PI * frequency as f64 * (2 * y + 1) as f64 / 8.0).cos();
                        let down = if frequency == 0 { 1.0 } else { SQRT_2 * down };
                        sum += product * down * [1.0, if x == 0 { 1.25 } else { -1.25 }][column];
                    }
                }
                let want = (sum / 8.0 + 128.0).clamp(0.0, 255.0);
                assert!((want - f64::from(sample)).abs() < 0.6, "{want} {sample}");
            }
        }
    }
}
