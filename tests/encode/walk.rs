//! The JPEG walk on real pictures, compared with the decoder.

use tallycam::media::jpeg::{EndSearch, JpegError, STANDARD_HUFFMAN_TABLES, end_of_picture, inspect};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// A picture with enough detail to use every kind of code.
fn real(width: usize, height: usize, subsampling: Subsamp, progressive: bool) -> Vec<u8> {
    let mut seed = 1u32;
    let pixels: Vec<u8> = (0..width * height * 3)
        .map(|i| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((i / 40) as u8).wrapping_add((seed >> 27) as u8)
        })
        .collect();
    let image = Image { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(90).unwrap();
    compressor.set_subsamp(subsampling).unwrap();
    if progressive {
        compressor.set_progressive(true).unwrap();
    }
    compressor.compress_to_vec(image).unwrap()
}

/// `jpeg` as UVC cameras send it.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let mut bare = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != 0xc4 {
            bare.extend(&jpeg[at..end]);
        }
        at = end;
    }
    bare.extend(&jpeg[at..]);
    bare
}

#[test]
fn real_pictures_are_measured() {
    for (subsampling, components) in
        [(Subsamp::Sub2x2, 3), (Subsamp::Sub2x1, 3), (Subsamp::None, 3), (Subsamp::Gray, 1)]
    {
        for progressive in [false, true] {
            let mut jpeg = real(123, 77, subsampling, progressive);
            let len = jpeg.len();
            jpeg.resize(len + 1000, 0);
            let seen = inspect(&jpeg).unwrap();
            assert_eq!((seen.width, seen.height, seen.components), (123, 77, components));
            assert_eq!((seen.len, seen.is_progressive), (len, progressive));
            assert!(seen.has_huffman_tables);
            assert_eq!(end_of_picture(&jpeg, seen.scan_at), Some(len));
            assert_eq!(EndSearch::new().advance(&jpeg), Ok(Some(len)));
        }
    }
}

#[test]
fn every_prefix_of_a_real_picture_is_cut_short() {
    for progressive in [false, true] {
        let jpeg = real(64, 48, Subsamp::Sub2x2, progressive);
        for len in 0..jpeg.len() {
            assert_eq!(inspect(&jpeg[..len]), Err(JpegError::Truncated), "{len} of {} bytes", jpeg.len());
        }
    }
}

#[test]
fn a_picture_without_tables_is_whole_with_the_standard_ones() {
    let jpeg = real(320, 240, Subsamp::Sub2x1, false);
    let bare = without_tables(&jpeg);
    let seen = inspect(&bare).unwrap();
    assert!(!seen.has_huffman_tables);
    let (before, after) = bare.split_at(seen.tables_at);
    let mended = [before, STANDARD_HUFFMAN_TABLES, after].concat();
    assert!(inspect(&mended).unwrap().has_huffman_tables);
    let pixels = |jpeg: &[u8]| turbojpeg::decompress(jpeg, PixelFormat::RGB).unwrap().pixels;
    assert!(pixels(&mended) == pixels(&jpeg), "the pixels differ");
}
