//! Tests of transformations, sample by sample.

#![allow(clippy::unwrap_used)]
use super::*;

/// A JPEG of `width` × `height`: left half dark, right half light, the upper half red, the lower one blue.
fn quarters(width: usize, height: usize) -> Bytes {
    let (wide, high) = (width.next_multiple_of(2), height.next_multiple_of(2));
    let y: Vec<u8> = (0..wide * high).map(|i| if i % wide < wide / 2 { 60 } else { 180 }).collect();
    let half = wide / 2 * (high / 2);
    let chroma = |upper, lower| -> Vec<u8> {
        (0..half).map(|i| if i / (wide / 2) < high / 4 { upper } else { lower }).collect()
    };
    let (u, v) = (chroma(100, 200), chroma(200, 100));
    let planar = Planar { width, height, y: &y, y_stride: wide, u: &u, v: &v, chroma_stride: wide / 2 };
    Bytes::copy_from_slice(Compressor::new(95).unwrap().compress(&planar).unwrap())
}

/// Luma, U and V in the middle of the four quarters: upper left, upper right, lower left, lower right.
fn looks(jpeg: &[u8]) -> [[i32; 3]; 4] {
    let (planes, (width, height), half) = decoded(jpeg);
    [(1, 1), (3, 1), (1, 3), (3, 3)].map(|(x, y)| {
        let luma = planes[0][height * y / 4 * width + width * x / 4];
        let at = |plane: &[u8]| match plane.is_empty() {
            true => 0,
            false => i32::from(plane[half.1 * y / 4 * half.0 + half.0 * x / 4]),
        };
        [i32::from(luma), at(&planes[1]), at(&planes[2])]
    })
}

type Size = (usize, usize);

/// The planes of a JPEG without padding, its size, and that of its chroma.
fn decoded(jpeg: &[u8]) -> ([Vec<u8>; 3], Size, Size) {
    let mut decompressor = Decompressor::new().unwrap();
    let header = decompressor.header(jpeg).unwrap();
    let layout = header.layout(8).unwrap();
    let mut planes = vec![0; layout.len()];
    decompressor.decompress(jpeg, &layout, &mut planes).unwrap();
    let whole = Crop { left: 0, top: 0, width: layout.width as u32, height: layout.height as u32 };
    let size = (layout.width, layout.height);
    let ground = Ground::decoded(&layout, &planes, false, (whole.width, whole.height), whole, size);
    let tight = |samples: Samples<'_>| {
        let mut plane = Plane::default();
        plane.resize_from(samples, (samples.width, samples.height), &mut Plane::default());
        plane.samples
    };
    match ground.chroma {
        Some([u, v]) => ([tight(ground.y), tight(u), tight(v)], size, (u.width, u.height)),
        None => ([tight(ground.y), Vec::new(), Vec::new()], size, (0, 0)),
    }
}

#[track_caller]
fn assert_like(jpeg: &Bytes, want: [[i32; 3]; 4]) {
    let is = looks(jpeg);
    for (is, want) in is.as_flattened().iter().zip(want.as_flattened()) {
        assert!((is - want).abs() <= 6, "{is:?} is not like {want:?}");
    }
}

const GRAY: View = View {
    gray: true,
    eighths: 8,
    rotate: 0,
    mirror: false,
    flip: false,
    crop: None,
    text: None,
    timestamp: None,
};

fn turned(rotate: u16) -> View {
    View { rotate, ..View::default() }
}

const UPPER_LEFT: [i32; 3] = [60, 100, 200];
const UPPER_RIGHT: [i32; 3] = [180, 100, 200];
const LOWER_LEFT: [i32; 3] = [60, 200, 100];
const LOWER_RIGHT: [i32; 3] = [180, 200, 100];

#[test]
fn nothing_to_do_gives_the_very_bytes() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = quarters(64, 48);
    for (width, rotate) in [(None, 0), (Some(64), 0), (Some(8000), 0), (None, 360)] {
        let done = transformer.transform(&jpeg, &turned(rotate), width, None, 50).unwrap();
        assert_eq!((done.width, done.height), (64, 48));
        assert_eq!(done.jpeg.as_ptr(), jpeg.as_ptr(), "not even copied");
    }
    let gray = transformer.transform(&jpeg, &GRAY, None, None, 50).unwrap().jpeg;
    assert_eq!(transformer.transform(&gray, &GRAY, None, None, 50).unwrap().jpeg.as_ptr(), gray.as_ptr());
}

#[test]
fn rotation_is_clockwise_at_full_and_reduced_size() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = quarters(128, 96);
    for (rotate, want) in [
        (90, [LOWER_LEFT, UPPER_LEFT, LOWER_RIGHT, UPPER_RIGHT]),
        (180, [LOWER_RIGHT, LOWER_LEFT, UPPER_RIGHT, UPPER_LEFT]),
        (270, [UPPER_RIGHT, LOWER_RIGHT, UPPER_LEFT, LOWER_LEFT]),
    ] {
        let lies = rotate != 180;
        let whole = transformer.transform(&jpeg, &turned(rotate), None, None, 90).unwrap();
        assert_eq!((whole.width, whole.height), if lies { (96, 128) } else { (128, 96) });
        assert_like(&whole.jpeg, want);
        // Lossless: rotated back it is the original, bit for bit (except for the metadata).
        let back = transformer.transform(&whole.jpeg, &turned(360 - rotate), None, None, 1).unwrap();
        assert_eq!(looks(&back.jpeg), looks(&jpeg));
        let small = transformer.transform(&jpeg, &turned(rotate), Some(51), None, 90).unwrap();
        assert_eq!((small.width, small.height), if lies { (51, 68) } else { (51, 38) });
        assert_like(&small.jpeg, want);
    }
}

#[test]
fn removing_colour_keeps_luma() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = quarters(128, 96);
    for width in [None, Some(40)] {
        let gray = transformer.transform(&jpeg, &GRAY, width, None, 90).unwrap();
        assert_eq!(jpeg::inspect(&gray.jpeg).unwrap().components, 1);
        assert_like(&gray.jpeg, [UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT].map(|[y, ..]| [y, 0, 0]));
    }
}

#[test]
fn any_width_is_met_and_the_aspect_is_kept() {
    let mut transformer = Transformer::new().unwrap();
    for (width, height) in [(640, 480), (101, 67), (1920, 1080), (17, 200)] {
        let jpeg = quarters(width, height);
        for wanted in [16, 33, 100, 320, 500] {
            let done = transformer.transform(&jpeg, &View::default(), Some(wanted), None, 75).unwrap();
            assert_eq!(done.width, wanted.min(width as u32));
            let right = f64::from(done.width) * height as f64 / width as f64;
            assert!((f64::from(done.height) - right).abs() <= 0.5, "{done:?}");
            let seen = jpeg::inspect(&done.jpeg).unwrap();
            assert_eq!((seen.width, seen.height), (done.width, done.height));
            if done.width > 16 {
                assert_like(&done.jpeg, [UPPER_LEFT, UPPER_RIGHT, LOWER_LEFT, LOWER_RIGHT]);
            }
        }
    }
}

#[test]
fn an_invalid_jpeg_is_an_error_and_the_next_is_accepted() {
    let mut transformer = Transformer::new().unwrap();
    let good = quarters(64, 48);
    for bad in [Bytes::new(), Bytes::from_static(b"GIF89a"), good.slice(..good.len() / 2)] {
        assert!(transformer.transform(&bad, &turned(90), Some(32), None, 75).is_err());
    }
    assert!(transformer.transform(&good, &turned(90), Some(32), None, 75).is_ok());
}

/// The expected planes of a transformed picture: each sample of the original, moved one by one.
fn expected(planes: &[u8], (width, height): (usize, usize), view: &View) -> (Vec<u8>, (usize, usize)) {
    let geometry = view.geometry();
    let part = geometry.visible_part((width as u32, height as u32));
    let (turned_width, turned_height) = geometry.orientation.oriented_size((width, height));
    let mut out = Vec::new();
    for y in part.top as usize..(part.top + part.height) as usize {
        for x in part.left as usize..(part.left + part.width) as usize {
            let x = if geometry.orientation.mirrored { turned_width - 1 - x } else { x };
            let (from_x, from_y) = match geometry.orientation.quarters {
                1 => (y, turned_width - 1 - x),
                2 => (turned_width - 1 - x, turned_height - 1 - y),
                3 => (turned_height - 1 - y, x),
                _ => (x, y),
            };
            out.push(planes[from_y * width + from_x]);
        }
    }
    (out, (part.width as usize, part.height as usize))
}

/// The mean and the largest difference.
fn difference(a: &[u8], b: &[u8]) -> (f64, u8) {
    assert_eq!(a.len(), b.len());
    let all = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
    (all.clone().map(f64::from).sum::<f64>() / a.len() as f64, all.max().unwrap_or(0))
}

/// A JPEG with details everywhere and this subsampling; `None` for grey.
fn scene(width: usize, height: usize, subsamp: Option<(usize, usize)>) -> Bytes {
    let (across, down) = subsamp.unwrap_or((1, 1));
    let wave = |x: usize, y: usize, n: usize| {
        let (x, y) = (x as f64 / 17.0, y as f64 / 13.0);
        (128.0 + 60.0 * (x + n as f64).sin() + 40.0 * (y * 0.7 + x * 0.3).cos()) as u8
    };
    let (wide, high) = (width.next_multiple_of(across), height.next_multiple_of(down));
    let plane = |wide: usize, high: usize, by: (usize, usize), n: usize| -> Vec<u8> {
        (0..high)
            .flat_map(|y| (0..wide).map(move |x| (x, y)))
            .map(|(x, y)| wave(x * by.0, y * by.1, n))
            .collect()
    };
    let y = plane(wide, high, (1, 1), 0);
    let chroma = |n| plane(wide / across, high / down, (across, down), n);
    match subsamp {
        None => super::super::turbo::testing::compress_gray(&y, width, height),
        Some(subsamp) => {
            super::super::turbo::testing::compress(&y, &chroma(1), &chroma(2), width, height, subsamp)
        }
    }
}

const CROPS: [Option<[f64; 4]>; 4] = [
    None,
    // On the block grid of 4:2:0 at the sizes below.
    Some([0.25, 0.5, 0.5, 0.5]),
    Some([0.5, 0.0, 0.5, 0.25]),
    // Off it.
    Some([0.13, 0.21, 0.61, 0.55]),
];

#[test]
fn every_orientation_and_crop_of_every_kind_is_exact() {
    let mut transformer = Transformer::new().unwrap();
    for (subsamp, (width, height)) in [
        (Some((2, 2)), (128, 64)),
        (Some((2, 2)), (120, 68)),
        (Some((2, 2)), (97, 51)),
        (Some((2, 1)), (128, 64)),
        (Some((2, 1)), (72, 40)),
        (Some((1, 1)), (64, 64)),
        (Some((1, 1)), (57, 33)),
        (None, (64, 48)),
        (None, (61, 45)),
    ] {
        let jpeg = scene(width, height, subsamp);
        let (original, ..) = decoded(&jpeg);
        for (rotate, mirror, crop) in [0, 90, 180, 270]
            .into_iter()
            .flat_map(|r| [(r, false), (r, true)])
            .flat_map(|(r, m)| CROPS.map(|c| (r, m, c)))
        {
            let view = View { rotate, mirror, crop, ..View::default() };
            let done = transformer.transform(&jpeg, &view, None, None, 98).unwrap();
            let (want, size) = expected(&original[0], (width, height), &view);
            let (planes, is, _) = decoded(&done.jpeg);
            assert_eq!((is, (done.width as usize, done.height as usize)), (size, size), "{view:?}");
            let (mean, most) = difference(&planes[0], &want);
            // Lossless except for rounding if its blocks fit, else encoded once more.
            assert!(mean < 1.0 && most <= 12, "{subsamp:?} {width}×{height} {view:?}: {mean} {most}");
            assert_eq!(planes[1].is_empty(), subsamp.is_none());
            // Its colour is where its light is.
            if subsamp == Some((2, 2)) && width % 2 == 0 && height % 2 == 0 {
                let (want, _) = expected(&original[1], (width / 2, height / 2), &view);
                if crop.is_none() {
                    let (mean, most) = difference(&planes[1], &want);
                    assert!(mean < 2.0 && most <= 24, "chroma, {view:?}: {mean} {most}");
                }
            }
        }
    }
}

/// ffmpeg gives luma two rows of blocks a unit where one would suffice: `testsrc=s=40x24`, `-pix_fmt yuvj422p` and
/// `yuvj444p`.
#[test]
fn units_are_as_large_as_the_file_has_them() {
    let mut transformer = Transformer::new().unwrap();
    for jpeg in [
        &include_bytes!("../../../../../tests/pictures/ffmpeg-422.jpg")[..],
        include_bytes!("../../../../../tests/pictures/ffmpeg-444.jpg"),
    ] {
        let jpeg = Bytes::copy_from_slice(jpeg);
        let (original, size, _) = decoded(&jpeg);
        let crops = [None, Some([0.0, 0.0, 1.0, 1.0 / 3.0]), Some([0.4, 1.0 / 3.0, 0.6, 2.0 / 3.0])];
        for (rotate, mirror, crop) in [0, 90, 180, 270]
            .into_iter()
            .flat_map(|r| [(r, false), (r, true)])
            .flat_map(|(r, m)| crops.map(|c| (r, m, c)))
        {
            let view = View { rotate, mirror, crop, ..View::default() };
            let done = transformer.transform(&jpeg, &view, None, None, 98).unwrap();
            let (want, shown) = expected(&original[0], (40, 24), &view);
            let (planes, is, _) = decoded(&done.jpeg);
            assert_eq!(
                (is, (done.width as usize, done.height as usize)),
                (shown, shown),
                "{size:?} {view:?}"
            );
            let (mean, _) = difference(&planes[0], &want);
            assert!(mean < 2.0, "{view:?}: {mean}");
        }
    }
}

#[test]
fn whole_blocks_are_transformed_without_loss() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = scene(128, 64, Some((2, 2)));
    let (original, ..) = decoded(&jpeg);
    for (rotate, mirror) in [(0, true), (90, false), (180, true), (270, false)] {
        let crop = Some([0.25, 0.5, 0.5, 0.5]);
        let view = View { rotate, mirror, crop, ..View::default() };
        // With quality 1 any re-encoding would show.
        let done = transformer.transform(&jpeg, &view, None, None, 1).unwrap();
        let (want, _) = expected(&original[0], (128, 64), &view);
        // Rows and columns of a block change places: rounding may differ by one.
        assert!(difference(&decoded(&done.jpeg).0[0], &want).1 <= 1, "{view:?}");
    }
    // Grey has blocks of eight, so 1080 rows are whole blocks.
    let high = scene(64, 1080 / 8, Some((2, 2)));
    let view = View { gray: true, rotate: 180, ..View::default() };
    let done = transformer.transform(&high, &view, None, None, 1).unwrap();
    assert_eq!((done.width, done.height), (64, 135));
}

#[test]
fn a_thousand_and_eighty_rows_keep_their_edge() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = scene(64, 1080, Some((2, 2)));
    let (original, ..) = decoded(&jpeg);
    for (view, size) in [
        (View { flip: true, ..View::default() }, (64, 1080)),
        (View { rotate: 90, ..View::default() }, (1080, 64)),
        (View { rotate: 180, gray: true, ..View::default() }, (64, 1080)),
    ] {
        let done = transformer.transform(&jpeg, &view, None, None, 97).unwrap();
        assert_eq!((done.width, done.height), size);
        let (want, _) = expected(&original[0], (64, 1080), &view);
        let (mean, most) = difference(&decoded(&done.jpeg).0[0], &want);
        assert!(mean < 1.0 && most <= 12, "{view:?}: {mean} {most}");
    }
}

#[test]
fn a_reduced_picture_is_the_mean_of_the_original() {
    let mut transformer = Transformer::new().unwrap();
    for (width, height) in [(128, 96), (97, 51), (1280, 72)] {
        for subsamp in [Some((2, 2)), Some((2, 1)), Some((1, 1)), None] {
            let jpeg = scene(width, height, subsamp);
            let (original, ..) = decoded(&jpeg);
            for (eighths, rotate, crop) in
                [(4, 0, None), (2, 90, None), (1, 180, None), (4, 270, CROPS[3]), (4, 0, CROPS[1])]
            {
                let view = View { eighths, rotate, crop, gray: rotate == 180, ..View::default() };
                let done = transformer.transform(&jpeg, &view, None, None, 95).unwrap();
                assert_eq!((done.width, done.height), view.output_size((width as u32, height as u32)));
                let (planes, is, _) = decoded(&done.jpeg);
                // With odd sizes, the edge that covers fewer samples is rotated, too.
                let whole = Samples { bytes: &original[0], stride: width, width, height };
                let wanted = View { eighths, ..View::default() }.output_size((width as u32, height as u32));
                let mut small = Plane::default();
                small.resize_from(whole, (wanted.0 as usize, wanted.1 as usize), &mut Plane::default());
                let (small, size) = expected(&small.samples, (small.width, small.height), &view);
                if size != is {
                    // The part is not a whole number of samples at this scale.
                    continue;
                }
                let (mean, _) = difference(&planes[0], &small);
                assert!(mean < 5.0, "{width}×{height} {subsamp:?} {view:?}: {mean}");
                assert_eq!(planes[1].is_empty(), subsamp.is_none() || view.gray);
            }
        }
    }
}

#[test]
fn raw_frames_are_transformed_like_their_jpegs() {
    let mut transformer = Transformer::new().unwrap();
    let (width, height) = (96, 50);
    let jpeg = scene(width, height, Some((2, 2)));
    let (planes, ..) = decoded(&jpeg);
    let yu12 = planes.concat();
    let stamp = tallycam_base::ClockTime::now();
    let frame = Frame {
        fourcc: crate::media::Fourcc::YU12,
        width: width as u32,
        height: height as u32,
        stride: width as u32,
        data: &yu12,
        second: None,
        stamp,
        sequence: 7,
    };
    let plain = transformer.render_frame(&frame, &View::default(), 90).unwrap();
    assert_eq!((plain.width, plain.height, plain.sequence, plain.stamp), (96, 50, 7, stamp));
    let crop = Some([0.25, 0.2, 0.5, 0.6]);
    for view in [
        View { gray: true, ..View::default() },
        View { eighths: 4, ..View::default() },
        View { rotate: 90, mirror: true, crop, ..View::default() },
        View { eighths: 2, rotate: 270, crop, gray: true, ..View::default() },
        View { text: Some(String::from("door")), ..View::default() },
    ] {
        let raw = transformer.render_frame(&frame, &view, 90).unwrap();
        let words = view.caption_text(&stamp);
        let of_jpeg = transformer.transform(&jpeg, &view, None, words.as_deref(), 90).unwrap();
        assert_eq!((raw.width, raw.height), (of_jpeg.width, of_jpeg.height));
        let (a, b) = (decoded(&raw.jpeg()).0, decoded(&of_jpeg.jpeg).0);
        assert!(difference(&a[0], &b[0]).0 < 4.0, "{view:?}");
        assert_eq!(a[1].is_empty(), view.gray);
        assert_eq!(a[1].len(), b[1].len());
        if !view.gray {
            assert!(raw.jpeg_len() > 0 && difference(&a[1], &b[1]).0 < 4.0, "{view:?}");
        }
    }
    let gray = transformer.render_frame(&frame, &View { gray: true, ..View::default() }, 90).unwrap();
    assert!(gray.jpeg_len() < plain.jpeg_len(), "no chroma is compressed");
}

#[test]
fn stamp_and_number_stay_and_an_unchanged_picture_is_returned() {
    let mut transformer = Transformer::new().unwrap();
    let jpeg = scene(64, 48, Some((2, 2)));
    let mut builder = crate::media::PictureBuilder::with_capacity(jpeg.len());
    builder.push(&jpeg);
    let picture = builder.finish(64, 48, tallycam_base::ClockTime::now(), 41, false);
    let same = transformer.render(&picture, &View::default(), 80).unwrap();
    assert_eq!(same.part().as_ptr(), picture.part().as_ptr());
    let zone = Some(jiff::tz::TimeZone::UTC);
    let view = View { timestamp: zone, eighths: 4, ..View::default() };
    let shown = transformer.render(&picture, &view, 80).unwrap();
    assert_eq!((shown.width, shown.height, shown.sequence, shown.stamp), (32, 24, 41, picture.stamp));
}

/// Truncated, damaged and invented JPEGs give an error or a picture, never a panic, and the next good one is
/// accepted.
#[test]
fn hostile_pictures_are_errors_or_pictures() {
    let mut transformer = Transformer::new().unwrap();
    let good = scene(80, 50, Some((2, 1)));
    let views = [
        View { gray: true, ..View::default() },
        View { rotate: 90, crop: CROPS[3], eighths: 4, ..View::default() },
        View { mirror: true, ..View::default() },
    ];
    let mut seed = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |most: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % most as u64) as usize
    };
    for round in 0..300 {
        let mut bad = good.to_vec();
        for _ in 0..1 + round % 7 {
            let at = random(bad.len());
            bad[at] = random(256) as u8;
        }
        if round % 3 == 0 {
            let cut = random(bad.len());
            bad.truncate(cut);
            bad.extend([0xff, 0xd9]);
        }
        let bad = Bytes::from(bad);
        for view in &views {
            if let Ok(done) = transformer.transform(&bad, view, None, Some("door"), 80) {
                assert!(done.width > 0 && done.height > 0);
            }
        }
    }
    transformer.transform(&good, &views[0], None, None, 80).unwrap();
}

/// 4 megapixels in some kilobytes: the limit is memory, not bytes of the file.
#[test]
fn memory_beyond_the_budget_is_refused_before_allocation() {
    let (width, height) = (2048, 2032);
    let y = vec![128; width * height];
    let quarter = vec![128; width * height / 4];
    let jpeg = super::super::turbo::testing::compress(&y, &quarter, &quarter, width, height, (2, 2));
    let turned = View { rotate: 90, ..View::default() };
    let room = MemoryBudget::new(20_000_000);
    let mut transformer = Transformer::with_budget(&room).unwrap();
    let refused = transformer.transform(&jpeg, &turned, None, Some("a"), 80).unwrap_err();
    assert!(!refused.out_of_memory().expect("it is the memory").is_temporary());
    assert_eq!(
        refused.to_string(),
        "it takes 25 MB of memory, and all pictures that are decoded may take 20 MB together"
    );
    // The same without decoding it, and for one with several scans.
    assert!(transformer.transform(&jpeg, &turned, None, None, 80).unwrap_err().out_of_memory().is_some());
    let progressive = Bytes::from(super::super::turbo::testing::progressive(&jpeg));
    let small = Some(256);
    let less = MemoryBudget::new(12_000_000);
    let mut transformer = Transformer::with_budget(&less).unwrap();
    assert!(transformer.transform(&jpeg, &turned, small, None, 80).is_ok(), "a small one takes little");
    assert!(
        transformer.transform(&progressive, &turned, small, None, 80).unwrap_err().out_of_memory().is_some()
    );
    // All share one budget.
    let room = MemoryBudget::new(60_000_000);
    let mut all: Vec<Transformer> = (0..3).map(|_| Transformer::with_budget(&room).unwrap()).collect();
    let made: Vec<bool> =
        all.iter_mut().map(|one| one.transform(&jpeg, &turned, None, Some("a"), 80).is_ok()).collect();
    assert_eq!(made, [true, true, false]);
    all.remove(0);
    assert!(all[1].transform(&jpeg, &turned, None, Some("a"), 80).is_ok());
}
