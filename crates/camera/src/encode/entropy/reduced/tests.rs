//! Compares the vector code with the plain loops. The tests of the planes compare them with libjpeg-turbo.

#![allow(clippy::unwrap_used)]
use super::*;

fn random(seed: &mut u64, most: u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed % most
}

#[test]
fn vectors_and_loops_agree() {
    let mut seed = 0x2545_f491_4f6c_dd1d;
    let mut in_range = 0;
    for round in 0..20_000u32 {
        let last = [LAST_OF_CORNER, 63, 5][round as usize % 3];
        // Ordinary values, large ones, and any.
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
        // Samples out of range are undefined.
        assert!(!told || a == b, "{coefficients:?} {quantization:?}");
        let told_two = super::two(&coefficients, &quantization, &mut a);
        assert_eq!(told_two, plain::two(&coefficients, &quantization, &mut b));
        assert!(!told_two || a == b, "{coefficients:?} {quantization:?}");
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
            let is_in_range = samples::<4>(&coefficients, &quantization, 1, &mut to);
            // If a product wraps at 16 bits, only one of the two reports it, and the image is left to libjpeg-turbo.
            assert!(flat.is_none() || is_in_range, "{dc} {quantum}");
            assert!(flat.is_none_or(|flat| to == [[flat; 4]; 4]), "{dc} {quantum}");
            let flat = super::dc_only_sample::<3>(dc, &quantization);
            assert_eq!(flat.is_some(), samples::<3>(&coefficients, &quantization, 1, &mut to));
            assert!(
                flat.is_none_or(|flat| to[..3].iter().all(|row| row[..3] == [flat; 3])),
                "{dc} {quantum}"
            );
        }
    }
}
