//! Compares the built-in reader with libjpeg-turbo, bit by bit, on whole images and on damaged ones.

#![allow(clippy::unwrap_used)]
use super::testing::{compress, compress_gray};
use super::*;

fn random(seed: &mut u64, most: usize) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed % most as u64) as usize
}

/// An image of noise, of waves or of squares.
fn picture(seed: &mut u64, subsampling: Option<(usize, usize)>) -> Vec<u8> {
    let (width, height) = (1 + random(seed, 90), 1 + random(seed, 90));
    let (kind, side) = (random(seed, 3), 1 + random(seed, 40));
    let (across, down) = subsampling.unwrap_or((1, 1));
    let mut plane = |width: usize, height: usize| -> Vec<u8> {
        let places = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let sample = |(x, y): (usize, usize)| match kind {
            0 => random(seed, 256) as u8,
            1 => (128.0 + 60.0 * (x as f64 / side as f64).sin() + 50.0 * (y as f64 / 9.0).cos()) as u8,
            _ => [20, 230][(x / side + y / side) % 2],
        };
        places.map(sample).collect()
    };
    let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
    let y = plane(wide, high);
    if subsampling.is_none() {
        return compress_gray(&y, width, height).to_vec();
    }
    let (u, v) = (plane(wide / across, high / down), plane(wide / across, high / down));
    compress(&y, &u, &v, width, height, (across, down)).to_vec()
}

/// Compares at every scale; returns how many scales the built-in reader supports.
fn compare(jpeg: &[u8]) -> usize {
    let mut known = 0;
    let mut own = Decompressor::new().unwrap();
    let mut turbo = Decompressor::new().unwrap();
    let Ok(header) = turbo.header(jpeg) else { return 0 };
    let (width, height) = header.size();
    if width * height > 1_000_000 {
        return 0;
    }
    for eighths in 1..=4 {
        let Ok(layout) = header.layout(eighths) else { continue };
        let (mut a, mut b) = (vec![0; layout.len()], vec![0; layout.len()]);
        if own.read_planes(jpeg, &layout, &mut a).is_none() {
            continue;
        }
        known += 1;
        turbo.decompress_by_turbo(jpeg, &layout, &mut b).unwrap();
        // libjpeg-turbo leaves old bytes after the last block.
        let reach = (width.div_ceil(8) * eighths, height.div_ceil(8) * eighths);
        let luma = layout.y_stride * layout.y_rows;
        for (at, (a, b)) in a[..luma].iter().zip(&b[..luma]).enumerate() {
            let is_there = at % layout.y_stride < reach.0 && at / layout.y_stride < reach.1;
            assert!(!is_there || a == b, "luma at {at}, {eighths}/8 of {width}×{height}");
        }
        assert!(a[luma..] == b[luma..], "chroma, {eighths}/8 of {width}×{height}");
        let (mut a, mut b) = (vec![0; layout.width * layout.height], vec![0; layout.width * layout.height]);
        own.read_luma(jpeg, &layout, &mut a).unwrap();
        turbo.decompress_luma_by_turbo(jpeg, &layout, &mut b).unwrap();
        assert!(a == b, "luma alone, {eighths}/8 of {width}×{height}");
    }
    known
}

/// Compares the images without colour through libjpeg-turbo; true if the built-in reader supports the JPEG.
fn compare_gray(jpeg: &[u8]) -> bool {
    let mut turner = Turner::with_budget(&MemoryBudget::process_wide()).unwrap();
    if turner.reader.make_gray(jpeg).is_none() {
        return false;
    }
    let own = turner.reader.gray().to_vec();
    let plain = Orientation::default();
    let by_turbo = turner.orient_by_turbo(jpeg, plain, None, true).unwrap().to_vec();
    // The same encoder with the same tables: equal coefficients give equal bytes.
    let rewritten = turner.orient_by_turbo(&own, plain, None, true).unwrap();
    assert!(rewritten == by_turbo);
    true
}

const KINDS: [Option<(usize, usize)>; 5] = [Some((1, 1)), Some((2, 1)), Some((1, 2)), Some((2, 2)), None];

#[test]
fn whole_pictures_are_read_as_libjpeg_turbo_reads_them() {
    let mut seed = 0x2545_f491_4f6c_dd1d;
    for round in 0..120 {
        let kind = KINDS[round % KINDS.len()];
        let jpeg = picture(&mut seed, kind);
        assert_eq!(compare(&jpeg), 4, "{round}");
        assert_eq!(compare_gray(&jpeg), kind.is_some(), "{round}");
    }
}

#[test]
fn damaged_pictures_are_left_alone_or_read_as_libjpeg_turbo_reads_them() {
    let mut seed = 0x9e37_79b9_7f4a_7c15;
    let mut known = 0;
    for round in 0..400 {
        let mut jpeg = picture(&mut seed, KINDS[round % KINDS.len()]);
        let from = if round % 3 == 0 { 2 } else { jpeg.len() / 2 };
        for _ in 0..1 + round % 3 {
            let at = from + random(&mut seed, jpeg.len() - from);
            jpeg[at] = random(&mut seed, 256) as u8;
        }
        if round % 5 == 0 {
            jpeg.truncate(from + random(&mut seed, jpeg.len() - from));
            jpeg.extend([0xff, 0xd9]);
        }
        known += compare(&jpeg);
        compare_gray(&jpeg);
    }
    assert!(known > 100, "{known}");
}

#[test]
fn a_file_of_a_thousand_scans_is_not_turned() {
    let gray = testing::compress_gray(&[90; 64 * 64], 64, 64);
    let progressive = testing::progressive(&gray);
    let turned = Orientation { quarters: 1, mirrored: false };
    let mut turner = Turner::with_budget(&MemoryBudget::process_wide()).unwrap();
    turner.orient(&progressive, turned, None, false).unwrap();
    let last = progressive.windows(2).rposition(|marker| marker == [0xff, 0xda]).unwrap();
    let end = progressive.len() - 2;
    let scans = progressive[last..end].repeat(1000);
    let long = [&progressive[..end], &scans, &progressive[end..]].concat();
    let refused = turner.orient(&long, turned, None, false).unwrap_err();
    assert!(refused.to_string().contains("more than 100 scans"), "{refused}");
    turner.orient(&progressive, turned, None, false).unwrap();
}

#[test]
fn scans_are_counted_by_their_markers() {
    let scan = [0xffu8, 0xda, 0x00];
    assert!(!has_too_many_scans(&scan.repeat(100)));
    assert!(has_too_many_scans(&scan.repeat(101)));
}
