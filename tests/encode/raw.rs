//! The encoder on real pixels: right picture, right size, JPEGs of the camera unchanged.

use tallycam::base::ClockTime;
use tallycam::encode::Encoder;
use tallycam::media::jpeg::{self, STANDARD_HUFFMAN_TABLES};
use tallycam::media::{Fourcc, Frame};

const WIDTH: usize = 322;
const HEIGHT: usize = 181;

/// A smooth scene with some detail: luma and both chroma planes at full resolution.
fn scene(x: usize, y: usize) -> [u8; 3] {
    let wave = |period: f64, phase: f64| {
        (128.0 + 90.0 * ((x as f64 + phase) / period).sin() * ((y as f64) / (period * 1.3)).cos()) as u8
    };
    [wave(23.0, 0.0), wave(120.0, 9.0), wave(150.0, 40.0)]
}

fn raw(fourcc: Fourcc, stride: usize) -> Vec<u8> {
    let chroma = |x: usize, y: usize, c: usize| scene(x.min(WIDTH - 1), y.min(HEIGHT - 1))[c];
    let mut data = vec![0; fourcc.frame_len(stride as u32, HEIGHT as u32).unwrap()];
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let luma = scene(x, y)[0];
            match fourcc {
                Fourcc::YUYV => {
                    data[y * stride + 2 * x] = luma;
                    data[y * stride + 2 * x + 1] = chroma(x & !1, y, 1 + x % 2);
                }
                Fourcc::UYVY => {
                    data[y * stride + 2 * x + 1] = luma;
                    data[y * stride + 2 * x] = chroma(x & !1, y, 1 + x % 2);
                }
                _ => data[y * stride + x] = luma,
            }
        }
    }
    let (chroma_width, chroma_height) = (WIDTH.div_ceil(2), HEIGHT.div_ceil(2));
    for y in 0..chroma_height {
        for x in 0..chroma_width {
            let [_, u, v] = scene(2 * x, 2 * y);
            match fourcc {
                Fourcc::NV12 => {
                    let at = stride * HEIGHT + y * stride + 2 * x;
                    data[at] = u;
                    data[at + 1] = v;
                }
                Fourcc::YU12 => {
                    let at = stride * HEIGHT + y * (stride / 2) + x;
                    data[at] = u;
                    data[at + (stride / 2) * chroma_height] = v;
                }
                _ => {}
            }
        }
    }
    data
}

fn frame(fourcc: Fourcc, stride: usize, data: &[u8]) -> Frame<'_> {
    Frame {
        fourcc,
        width: WIDTH as u32,
        height: HEIGHT as u32,
        stride: stride as u32,
        data,
        second: None,
        stamp: ClockTime::now(),
        sequence: 3,
    }
}

/// Peak signal-to-noise ratio of one plane of the decoded picture against the scene, in dB.
fn psnr(jpeg: &[u8], plane: usize) -> f64 {
    let yuv = turbojpeg::decompress_to_yuv(jpeg).unwrap();
    let (subsampled, step) = if plane == 0 { (false, 1) } else { (true, 2) };
    let stride = yuv.y_width();
    let chroma = yuv.uv_width();
    let start = match plane {
        0 => 0,
        1 => stride * yuv.y_height(),
        _ => stride * yuv.y_height() + chroma * yuv.uv_height(),
    };
    let row = if subsampled { chroma } else { stride };
    let (mut sum, mut count) = (0.0, 0.0);
    for y in 0..HEIGHT / step {
        for x in 0..WIDTH / step {
            let want = f64::from(scene(x * step, y * step)[plane]);
            let got = f64::from(yuv.pixels[start + y * row + x]);
            sum += (want - got).powi(2);
            count += 1.0;
        }
    }
    10.0 * (255.0 * 255.0 / (sum / count)).log10()
}

#[test]
fn every_raw_format_encodes_the_scene() {
    for fourcc in [Fourcc::YUYV, Fourcc::UYVY, Fourcc::NV12, Fourcc::YU12] {
        for padding in [0, 30] {
            let stride = fourcc.tight_stride(WIDTH as u32).unwrap() as usize + padding;
            let data = raw(fourcc, stride);
            let mut encoder = Encoder::new(90).unwrap();
            let picture = encoder.encode(&frame(fourcc, stride, &data)).unwrap();
            assert_eq!((picture.width, picture.height, picture.sequence), (322, 181, 3));
            let found = jpeg::inspect(&picture.jpeg()).unwrap();
            assert_eq!((found.width, found.height, found.len), (322, 181, picture.jpeg_len()));
            for (plane, least) in [(0, 38.0), (1, 36.0), (2, 36.0)] {
                let db = psnr(&picture.jpeg(), plane);
                assert!(db > least, "{fourcc} padding {padding} plane {plane}: {db:.1} dB");
            }
        }
    }
}

#[test]
fn grey_stays_grey() {
    let data = raw(Fourcc::GREY, WIDTH);
    let picture = Encoder::new(90).unwrap().encode(&frame(Fourcc::GREY, WIDTH, &data)).unwrap();
    let image = turbojpeg::decompress(&picture.jpeg(), turbojpeg::PixelFormat::GRAY).unwrap();
    let error: f64 = (0..HEIGHT * WIDTH)
        .map(|i| (f64::from(image.pixels[i]) - f64::from(scene(i % WIDTH, i / WIDTH)[0])).powi(2))
        .sum::<f64>()
        / (HEIGHT * WIDTH) as f64;
    assert!(error < 10.0, "{error}");
}

#[test]
fn the_quality_is_the_requested_one() {
    let data = raw(Fourcc::YUYV, 2 * WIDTH);
    let size = |quality| {
        let mut encoder = Encoder::new(quality).unwrap();
        encoder.encode(&frame(Fourcc::YUYV, 2 * WIDTH, &data)).unwrap().jpeg_len()
    };
    assert!(size(20) < size(60) && size(60) < size(95));
}

#[test]
fn a_camera_jpeg_passes_untouched_but_for_padding() {
    let data = raw(Fourcc::YUYV, 2 * WIDTH);
    let mut encoder = Encoder::new(80).unwrap();
    let jpeg = encoder.encode(&frame(Fourcc::YUYV, 2 * WIDTH, &data)).unwrap().jpeg();
    let mut padded = jpeg.to_vec();
    padded.resize(padded.len() + 1000, 0);
    let picture = encoder.encode(&frame(Fourcc::MJPG, 0, &padded)).unwrap();
    assert_eq!(picture.jpeg(), jpeg);
    assert_eq!((picture.width, picture.height), (322, 181));
}

#[test]
fn missing_huffman_tables_are_put_in() {
    let data = raw(Fourcc::YUYV, 2 * WIDTH);
    let mut encoder = Encoder::new(80).unwrap();
    let whole = encoder.encode(&frame(Fourcc::YUYV, 2 * WIDTH, &data)).unwrap().jpeg();
    // libjpeg-turbo's default tables are the standard ones: without them the picture equals a UVC camera's JPEG.
    let mut bare = Vec::new();
    let mut at = 2;
    bare.extend(&whole[..2]);
    while whole[at + 1] != 0xda {
        let len = 2 + usize::from(u16::from_be_bytes([whole[at + 2], whole[at + 3]]));
        if whole[at + 1] != 0xc4 {
            bare.extend(&whole[at..at + len]);
        }
        at += len;
    }
    bare.extend(&whole[at..]);
    assert!(turbojpeg::decompress(&bare, turbojpeg::PixelFormat::RGB).is_err() || bare.len() < whole.len());
    let picture = encoder.encode(&frame(Fourcc::MJPG, 0, &bare)).unwrap();
    assert_eq!(picture.jpeg_len(), bare.len() + STANDARD_HUFFMAN_TABLES.len());
    let pixels = |jpeg: &[u8]| turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::RGB).unwrap().pixels;
    assert_eq!(pixels(&picture.jpeg()), pixels(&whole));
}

#[test]
fn a_broken_picture_is_refused_and_the_next_one_accepted() {
    let data = raw(Fourcc::YUYV, 2 * WIDTH);
    let mut encoder = Encoder::new(80).unwrap();
    let good = frame(Fourcc::YUYV, 2 * WIDTH, &data);
    let jpeg = encoder.encode(&good).unwrap().jpeg();
    for broken in [&jpeg[..jpeg.len() / 2], &jpeg[1..], &[][..], &data[..]] {
        let error = encoder.encode(&frame(Fourcc::MJPG, 0, broken)).unwrap_err();
        assert!(error.what.starts_with("the camera sent a broken JPEG of "), "{error}");
    }
    let short = encoder.encode(&frame(Fourcc::YUYV, 2 * WIDTH, &data[..data.len() - 1])).unwrap_err();
    assert!(short.what.ends_with("needs 116564 bytes and has 116563"), "{short}");
    let unknown = encoder.encode(&frame(Fourcc(*b"H264"), 2 * WIDTH, &data)).unwrap_err();
    assert!(unknown.what.starts_with("frames in the format H264 cannot be shown"), "{unknown}");
    for fourcc in [Fourcc::YUYV, Fourcc::UYVY, Fourcc::NV12, Fourcc::YU12, Fourcc::GREY] {
        for (width, height, stride) in [(0, 181, 644), (322, 0, 644), (322, 181, 0), (322, 181, 321)] {
            let size = Frame { width, height, ..frame(fourcc, stride, &data) };
            let error = encoder.encode(&size).unwrap_err();
            assert!(error.what.ends_with(" bytes a row"), "{fourcc} {width}×{height}: {error}");
        }
    }
    assert!(encoder.encode(&good).is_ok());
}
