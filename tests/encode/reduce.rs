//! The reducer on real JPEGs: every scale and subsampling, odd sizes, broken files.

use tallycam::base::ClockTime;
use tallycam::encode::{ReduceError, Reducer};
use tallycam::media::PictureBuilder;
use tallycam::media::{Geometry, Orientation, Picture, SmallImage};
use tallycam::vision::{Detector, MotionDetector};
use turbojpeg::{Compressor, PixelFormat, Subsamp};

/// A brightness gradient with a red half and a blue half.
fn picture(width: usize, height: usize, subsamp: Subsamp) -> Picture {
    let mut pixels = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let light = (row * 160 / height) as u8 + 40;
            let right = column * 2 >= width;
            pixels.extend([if right { light / 4 } else { light }, light / 2, if right { light } else { 20 }]);
        }
    }
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(95).unwrap();
    compressor.set_subsamp(subsamp).unwrap();
    let image =
        turbojpeg::Image { pixels: &pixels[..], width, pitch: width * 3, height, format: PixelFormat::RGB };
    made(&compressor.compress_to_vec(image).unwrap(), width, height)
}

fn made(jpeg: &[u8], width: usize, height: usize) -> Picture {
    let mut builder = PictureBuilder::with_capacity(jpeg.len());
    builder.push(jpeg);
    builder.finish(width as u32, height as u32, ClockTime::now(), 42, false)
}

const SUBSAMPLINGS: [(Subsamp, usize, usize); 7] = [
    (Subsamp::None, 1, 1),
    (Subsamp::Sub2x1, 2, 1),
    (Subsamp::Sub2x2, 2, 2),
    (Subsamp::Sub1x2, 1, 2),
    (Subsamp::Sub4x1, 2, 1),
    (Subsamp::Sub1x4, 1, 2),
    (Subsamp::Gray, 0, 0),
];

#[test]
fn every_scale_of_every_kind_shows_the_same_picture() {
    let mut reducer = Reducer::new().unwrap();
    let mut out = SmallImage::empty();
    for (width, height) in [(320, 240), (321, 243), (97, 55), (17, 9)] {
        for (subsamp, across, down) in SUBSAMPLINGS {
            let picture = picture(width, height, subsamp);
            for eighths in 1..=8 {
                let least = ((width * eighths).div_ceil(8), (height * eighths).div_ceil(8));
                reducer.reduce(&picture, (least.0 as u32, least.1 as u32), &mut out).unwrap();
                assert_eq!((out.width, out.height), least, "{subsamp:?} {eighths}/8 of {width}×{height}");
                assert_eq!(out.of, (width as u32, height as u32));
                assert_eq!((out.sequence, out.stamp), (42, picture.stamp));
                assert_eq!(out.y.len(), out.width * out.height);
                let light = |column: usize, row: usize| i32::from(out.y[row * out.width + column]);
                // Darker above, lighter below; left and right differ in brightness.
                assert!(light(0, out.height - 1) > light(0, 0) + 40);
                if across == 0 {
                    assert!(
                        (out.chroma_width, out.chroma_height) == (0, 0)
                            && out.u.is_empty()
                            && out.v.is_empty()
                    );
                    continue;
                }
                assert_eq!(
                    (out.chroma_width, out.chroma_height),
                    (out.width.div_ceil(across), out.height.div_ceil(down)),
                    "{subsamp:?}"
                );
                assert_eq!((out.u.len(), out.v.len()), (out.chroma_width * out.chroma_height, out.u.len()));
                if width < 64 {
                    // Here one or two chroma samples cover the whole picture.
                    continue;
                }
                let last = out.chroma_width * out.chroma_height - 1;
                let left = last + 1 - out.chroma_width;
                assert!(
                    out.v[left] > 140 && out.v[last] < 115,
                    "red to the left: {:?}",
                    (out.v[left], out.v[last])
                );
                assert!(out.u[left] < 115 && out.u[last] > 140, "blue to the right");
            }
        }
    }
}

#[test]
fn any_crop_keeps_chroma_aligned_and_works_with_motion() {
    let mut reducer = Reducer::new().unwrap();
    let mut out = SmallImage::empty();
    let mut found = Vec::new();
    for (width, height) in [(1280, 720), (641, 361)] {
        for (subsamp, across, down) in SUBSAMPLINGS {
            let picture = picture(width, height, subsamp);
            for (at, quarters) in (1..20u8).step_by(2).zip([0, 1, 2, 3].into_iter().cycle()) {
                let (some, rest) = (f64::from(at) / 20.0, 1.0 - f64::from(at) / 20.0);
                for crop in [[0.0, 0.0, 1.0, some], [0.0, some, some.min(rest), rest], [some, 0.0, rest, 1.0]]
                {
                    let orientation = Orientation { quarters, mirrored: at % 2 == 0 };
                    let geometry = Geometry { orientation, crop: Some(crop) };
                    let mut motion = MotionDetector::new();
                    let (wide, high) = geometry.visible_size((width as u32, height as u32));
                    let least = motion.least_size(wide, high);
                    reducer.reduce_visible(&picture, &geometry, least, &mut out).unwrap();
                    let of = |luma: usize, each: usize| if each == 0 { 0 } else { luma.div_ceil(each) };
                    let (across, down) = if quarters % 2 == 0 { (across, down) } else { (down, across) };
                    let chroma = (of(out.width, across), of(out.height, down));
                    let what = format!("{subsamp:?} {width}×{height} {crop:?}, {quarters} quarters");
                    assert_eq!((out.chroma_width, out.chroma_height), chroma, "{what}");
                    assert_eq!(
                        (out.u.len(), out.v.len()),
                        (chroma.0 * chroma.1, chroma.0 * chroma.1),
                        "{what}"
                    );
                    motion.detect(&out, &mut found).unwrap();
                }
            }
        }
    }
}

#[test]
fn the_smallest_scale_that_has_enough_is_chosen() {
    let mut reducer = Reducer::new().unwrap();
    let mut out = SmallImage::empty();
    let picture = picture(640, 360, Subsamp::Sub2x2);
    for (least, want) in [
        ((1, 1), (80, 45)),
        ((80, 45), (80, 45)),
        ((81, 45), (160, 90)),
        ((80, 46), (160, 90)),
        ((320, 180), (320, 180)),
        ((160, 180), (320, 180)),
        ((160, 136), (320, 180)),
        ((160, 135), (240, 135)),
        ((640, 1), (640, 360)),
        ((5000, 5000), (640, 360)),
    ] {
        reducer.reduce(&picture, least, &mut out).unwrap();
        assert_eq!((out.width, out.height), want, "at least {least:?}");
    }
}

#[test]
fn buffers_are_used_again() {
    let mut reducer = Reducer::new().unwrap();
    let mut out = SmallImage::empty();
    let picture = picture(321, 243, Subsamp::Sub2x1);
    reducer.reduce(&picture, (100, 100), &mut out).unwrap();
    let places = (out.y.as_ptr(), out.u.as_ptr(), out.v.as_ptr());
    for _ in 0..3 {
        reducer.reduce(&picture, (100, 100), &mut out).unwrap();
        assert_eq!((out.y.as_ptr(), out.u.as_ptr(), out.v.as_ptr()), places);
    }
}

#[test]
fn broken_pictures_are_errors_and_the_next_is_read() {
    let mut reducer = Reducer::new().unwrap();
    let mut out = SmallImage::empty();
    let whole = picture(320, 240, Subsamp::Sub2x2);
    let jpeg = whole.jpeg();
    for share in 0..10 {
        let cut = made(&jpeg[..jpeg.len() * share / 10], 320, 240);
        let error = reducer.reduce(&cut, (40, 30), &mut out).unwrap_err();
        assert!(matches!(error, ReduceError::Broken { sequence: 42, .. }), "{error}");
        assert!(error.to_string().contains("is broken"), "{error}");
        reducer.reduce(&whole, (40, 30), &mut out).unwrap();
    }
    let garbage = made(&[0x55; 5000], 320, 240);
    assert!(matches!(reducer.reduce(&garbage, (40, 30), &mut out), Err(ReduceError::Broken { .. })));
}

#[test]
fn bytes_between_the_last_block_and_the_end_are_tolerated() {
    let mut reducer = Reducer::new().unwrap();
    let (mut clean, mut out) = (SmallImage::empty(), SmallImage::empty());
    let picture = picture(320, 240, Subsamp::Sub2x1);
    let jpeg = picture.jpeg();
    let padded = [&jpeg[..jpeg.len() - 2], &[0x11, 0x22, 0x33], &jpeg[jpeg.len() - 2..]].concat();
    reducer.reduce(&picture, (160, 120), &mut clean).unwrap();
    reducer.reduce(&made(&padded, 320, 240), (160, 120), &mut out).unwrap();
    assert!(out.y == clean.y && out.u == clean.u && out.v == clean.v);
}
