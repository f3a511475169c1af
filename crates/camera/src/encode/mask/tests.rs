#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use tallycam_base::ClockTime;

use super::*;
use crate::encode::Encoder;
use crate::encode::turbo::{Decompressor, testing};

/// A triangle and a part that begins beyond the edge.
fn mask() -> PrivacyMask {
    PrivacyMask::new(&[
        vec![[0.2, 0.2], [0.6, 0.3], [0.3, 0.8]],
        vec![[0.8, -0.5], [1.5, -0.5], [1.5, 0.4], [0.8, 0.4]],
    ])
}

/// True if the point is in an area: the number of sides to its right is odd.
fn is_in(mask: &PrivacyMask, [x, y]: [f64; 2]) -> bool {
    mask.0.iter().any(|area| {
        let sides = (0..area.len()).filter(|&n| {
            let (a, b) = (area[n], area[(n + 1) % area.len()]);
            (a[1] > y) != (b[1] > y) && x < a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1])
        });
        sides.count() % 2 == 1
    })
}

fn frame(fourcc: Fourcc, (width, height): (u32, u32), stride: u32, data: &[u8]) -> Frame<'_> {
    Frame { fourcc, width, height, stride, data, second: None, stamp: ClockTime::now(), sequence: 7 }
}

fn pixels(jpeg: &[u8]) -> (Vec<u8>, (usize, usize)) {
    let mut pixels = Vec::new();
    let size = Decompressor::new().unwrap().decompress_rgb(jpeg, &mut pixels).unwrap();
    (pixels, size)
}

/// Asserts that each pixel under `mask` is black, and that no pixel farther than `far` pixels from it differs by more
/// than `most` from the same one of `before`.
#[track_caller]
fn assert_masked(mask: &PrivacyMask, after: &[u8], before: &[u8], far: f64, most: u8) {
    let ((after, size), (before, size_before)) = (pixels(after), pixels(before));
    assert_eq!(size, size_before);
    let (mut black, mut same) = (0, 0);
    for (x, y) in (0..size.0).flat_map(|x| (0..size.1).map(move |y| (x, y))) {
        let at =
            |dx: f64, dy: f64| [(x as f64 + 0.5 + dx) / size.0 as f64, (y as f64 + 0.5 + dy) / size.1 as f64];
        let of = |pixels: &[u8]| <[u8; 3]>::try_from(&pixels[3 * (y * size.0 + x)..][..3]).unwrap();
        let (is, was) = (of(&after), of(&before));
        if is_in(mask, at(0.0, 0.0)) {
            assert!(is.iter().all(|&v| v < 40), "{x} {y}: {is:?}");
            black += 1;
        }
        let steps = || (-6..=6).map(|n| f64::from(n) * far / 6.0);
        if !steps().any(|dx| steps().any(|dy| is_in(mask, at(dx, dy)))) {
            assert!(is.iter().zip(was).all(|(is, was)| is.abs_diff(was) <= most), "{x} {y}: {is:?} {was:?}");
            same += 1;
        }
    }
    assert!(black > 50 && same > 20, "{black} {same}");
}

/// Bytes of a bright image with some texture.
fn bright(len: usize) -> Vec<u8> {
    (0..len).map(|n| 150 + ((n * 7 + n / 40 * 13) % 60) as u8).collect()
}

#[test]
fn raw_frames_of_every_format_are_blackened() {
    for fourcc in Fourcc::USABLE.into_iter().filter(|fourcc| !fourcc.is_jpeg()) {
        for ((width, height), padding) in [((96, 80), 0), ((97, 81), 12), ((64, 33), 2)] {
            let stride = fourcc.tight_stride(width).unwrap().next_multiple_of(2) + padding;
            let data = bright(fourcc.frame_len(stride, height).unwrap());
            let whole = frame(fourcc, (width, height), stride, &data);
            let mut masker = Masker::default();
            let masked = masker.apply(&whole, &mask(), 90).unwrap();
            assert_eq!((masked.width, masked.height, masked.sequence), (width, height, 7));
            let mut encoder = Encoder::new(95).unwrap();
            let [after, before] = [&masked, &whole].map(|frame| encoder.encode(frame).unwrap().jpeg());
            assert_masked(&mask(), &after, &before, 18.0, 3);
            // The bytes themselves: no luma under the mask is left.
            for (x, y) in (0..width).flat_map(|x| (0..height).map(move |y| (x, y))) {
                let at = [(f64::from(x) + 0.5) / f64::from(width), (f64::from(y) + 0.5) / f64::from(height)];
                let luma = match fourcc {
                    Fourcc::YUYV => 2 * x,
                    Fourcc::UYVY => 2 * x + 1,
                    _ => x,
                };
                let luma = masked.data.get((y * stride + luma) as usize);
                assert!(!is_in(&mask(), at) || luma.is_none_or(|&luma| luma == 0), "{fourcc} {x} {y}");
            }
        }
    }
}

#[test]
fn a_second_frame_is_blackened_too() {
    let data = bright(96 * 80 * 2);
    let small = SecondFrame { fourcc: Fourcc::NV12, width: 48, height: 40, stride: 48, data: &data };
    let whole = Frame { second: Some(small), ..frame(Fourcc::YUYV, (96, 80), 192, &data) };
    let mut masker = Masker::default();
    let second = masker.apply(&whole, &mask(), 90).unwrap().second.unwrap().to_frame(&whole);
    let mut encoder = Encoder::new(95).unwrap();
    let [after, before] =
        [second, small.to_frame(&whole)].map(|frame| encoder.encode(&frame).unwrap().jpeg());
    assert_masked(&mask(), &after, &before, 18.0, 3);
}

/// A bright JPEG whose chroma stands for this many samples.
fn jpeg((width, height): (usize, usize), (across, down): (usize, usize)) -> Vec<u8> {
    let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
    let (y, chroma) = (bright(wide * high), bright(wide * high / across / down));
    testing::compress(&y, &chroma, &chroma, width, height, (across, down)).to_vec()
}

/// `jpeg` with a segment after its SOI.
fn with_segment(jpeg: &[u8], code: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, code], &len[..], body, &jpeg[2..]].concat()
}

fn masked(jpeg: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut masker = Masker::default();
    masker.apply(&frame(Fourcc::MJPG, (0, 0), 0, jpeg), &mask(), 95).map(|masked| masked.data.to_vec())
}

#[test]
fn blocks_of_a_jpeg_are_blackened_and_the_others_stay() {
    for size in [(160, 128), (161, 121), (250, 40)] {
        for sampling in [(1, 1), (2, 1), (1, 2), (2, 2)] {
            let whole = jpeg(size, sampling);
            let mut reader = JpegReader::default();
            assert!(reader.blacken(&whole, |_| false).is_some(), "{size:?} {sampling:?}");
            assert_eq!(pixels(reader.blackened()), pixels(&whole), "{size:?} {sampling:?}");
            let after = masked(&whole).unwrap();
            assert_masked(&mask(), &after, &whole, 24.0, if sampling == (1, 1) { 0 } else { 2 });
            // Black is flat: what was there takes no bits.
            assert!(after.len() < whole.len(), "{} {}", after.len(), whole.len());
        }
        let gray = testing::compress_gray(&bright(size.0 * size.1), size.0, size.1);
        assert_masked(&mask(), &masked(&gray).unwrap(), &gray, 24.0, 0);
    }
}

/// A JPEG of 160×128 with a restart marker after each row of units, made of the scans of its strips.
fn with_restarts() -> Vec<u8> {
    let strip = jpeg((160, 8), (2, 1));
    let scan_at = jpeg::inspect(&strip).unwrap().scan_at;
    let scan = &strip[scan_at..strip.len() - 2];
    let mut whole = with_segment(&strip[..scan_at], 0xdd, &[0, 10]);
    let sof = whole.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    whole[sof + 6] = 128;
    for row in 0..16 {
        whole.extend_from_slice(scan);
        whole.extend([0xff, if row == 15 { 0xd9 } else { 0xd0 + row % 8 }]);
    }
    whole
}

#[test]
fn restart_intervals_are_read() {
    let mut whole = with_restarts();
    let mut reader = JpegReader::default();
    assert!(reader.blacken(&whole, |_| false).is_some());
    assert_eq!(pixels(reader.blackened()), pixels(&whole));
    assert_masked(&mask(), &masked(&whole).unwrap(), &whole, 24.0, 2);
    // A lost interval is no picture.
    let at = whole.windows(2).position(|two| two == [0xff, 0xd1]).unwrap();
    whole.splice(at - 40..at, []);
    assert!(masked(&whole).is_err());
}

#[test]
fn other_jpegs_are_decoded_and_compressed_again() {
    let whole = jpeg((160, 128), (2, 2));
    assert_masked(&mask(), &masked(&testing::progressive(&whole)).unwrap(), &whole, 26.0, 40);
    // Called red, green and blue.
    let mut rgb = jpeg((160, 128), (1, 1));
    let sof = rgb.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    let sos = rgb.windows(2).position(|two| two == [0xff, 0xda]).unwrap();
    for (n, name) in b"RGB".iter().enumerate() {
        (rgb[sof + 10 + 3 * n], rgb[sos + 5 + 2 * n]) = (*name, *name);
    }
    // Without JFIF, whose colours are others.
    rgb.splice(2..20, []);
    assert_masked(&mask(), &masked(&rgb).unwrap(), &rgb, 26.0, 60);
}

#[test]
fn an_exif_orientation_turns_the_picture_before_the_mask_is_applied() {
    let exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    let turned = with_segment(&jpeg((160, 128), (2, 2)), 0xe1, exif);
    let before = Encoder::new(95).unwrap().encode(&frame(Fourcc::MJPG, (160, 128), 0, &turned)).unwrap();
    assert_eq!((before.width, before.height), (128, 160));
    assert_masked(&mask(), &masked(&turned).unwrap(), &before.jpeg(), 26.0, 12);
}

#[test]
fn thumbnails_and_bytes_behind_a_jpeg_are_left_out() {
    let (whole, small) = (jpeg((160, 128), (2, 1)), jpeg((16, 16), (1, 1)));
    let exif = [b"Exif\0\0", &small[..]].concat();
    let jfxx = [b"JFXX\0\x10", &small[..]].concat();
    let mut sent = whole.clone();
    for (code, body) in [(0xe1, &exif), (0xe0, &jfxx), (0xe2, &exif), (0xfe, &small), (0xef, &small)] {
        sent = with_segment(&sent, code, body);
    }
    sent.extend_from_slice(&small);
    let after = masked(&sent).unwrap();
    let has = |bytes: &[u8]| bytes.windows(small.len()).any(|part| part == small);
    assert!(has(&sent) && !has(&after));
    assert!(!after.windows(4).any(|part| part == b"Exif" || part == b"JFIF" || part == b"JFXX"));
    assert_masked(&mask(), &after, &whole, 24.0, 2);
    // Huffman tables that the camera leaves out are added.
    let mut bare = whole.clone();
    while let Some(at) = bare.windows(2).position(|two| two == [0xff, 0xc4]) {
        let len = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
        bare.splice(at..at + 2 + len, []);
    }
    assert_masked(&mask(), &masked(&bare).unwrap(), &whole, 24.0, 2);
}

#[test]
fn a_frame_that_cannot_be_masked_is_refused_in_words() {
    let whole = jpeg((160, 128), (2, 1));
    let mut masker = Masker::default();
    for broken in [&whole[..whole.len() / 2], &whole[..300], b"no picture", b""] {
        let fault = masker.apply(&frame(Fourcc::MJPG, (160, 128), 0, broken), &mask(), 80).err().unwrap();
        assert!(fault.what.contains("the privacy mask cannot be applied: "), "{fault:?}");
    }
    let data = [200; 64 * 64 * 4];
    for (fourcc, stride) in [(Fourcc(*b"RGB3"), 192), (Fourcc(*b"Y16 "), 128), (Fourcc::YUYV, 64)] {
        assert!(masker.apply(&frame(fourcc, (64, 64), stride, &data), &mask(), 80).is_err(), "{fourcc}");
    }
    assert!(masker.apply(&frame(Fourcc::NV12, (64, 64), 64, &data[..64 * 64]), &mask(), 80).is_err());
    let small = SecondFrame { fourcc: Fourcc(*b"RGB3"), width: 8, height: 8, stride: 24, data: &data };
    let both = Frame { second: Some(small), ..frame(Fourcc::GREY, (64, 64), 64, &data) };
    assert!(masker.apply(&both, &mask(), 80).is_err());
    // The next good one is masked.
    assert!(masker.apply(&frame(Fourcc::MJPG, (160, 128), 0, &whole), &mask(), 80).is_ok());
}

#[test]
fn without_a_mask_the_frame_itself_goes_on() {
    let data = jpeg((160, 128), (2, 1));
    let mut masker = Masker::default();
    let same = masker.apply(&frame(Fourcc::MJPG, (160, 128), 0, &data), &PrivacyMask::default(), 80).unwrap();
    assert_eq!(same.data.as_ptr(), data.as_ptr());
}

#[test]
fn another_mask_or_size_applies_to_the_next_frame() {
    let data = bright(96 * 80);
    let all = PrivacyMask::new(&[vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]);
    let mut masker = Masker::default();
    let mut dark = |size: (u32, u32), mask: &PrivacyMask| {
        let masked = masker.apply(&frame(Fourcc::GREY, size, size.0, &data), mask, 80).unwrap();
        masked.data[..(size.0 * size.1) as usize].iter().filter(|&&luma| luma == 0).count()
    };
    let some = dark((96, 80), &mask());
    assert!((1..96 * 80 / 2).contains(&some), "{some}");
    assert_eq!((dark((96, 80), &all), dark((48, 40), &all)), (96 * 80, 48 * 40));
    assert_eq!(dark((96, 80), &mask()), some);
}

proptest! {
    /// A cell is touched if any of its points is in the area.
    #[test]
    fn every_touched_cell_is_found(
        corners in prop::collection::vec((-20..120, -20..120), 3..8),
        size in (1usize..60, 1usize..60),
        cell in (1usize..17, 1usize..17),
    ) {
        let area = corners.iter().map(|&(x, y)| [f64::from(x) / 100.0, f64::from(y) / 100.0]).collect();
        let mask = PrivacyMask::new(&[area]);
        let mut cells = Cells::default();
        cells.fit(&mask, size, cell);
        let (fine, mut seen) = (5, vec![false; size.0 * size.1]);
        for (rows, columns) in cells.pixels() {
            rows.for_each(|row| seen[row * size.0..][columns.clone()].fill(true));
        }
        for (x, y) in (0..size.0 * fine).flat_map(|x| (0..size.1 * fine).map(move |y| (x, y))) {
            let part = |at: usize, of: usize| (at as f64 + 0.5) / (of * fine) as f64;
            if is_in(&mask, [part(x, size.0), part(y, size.1)]) {
                prop_assert!(seen[y / fine * size.0 + x / fine], "{x} {y}");
            }
        }
    }
}
