//! Unusual JPEGs, each as the only picture of a folder.

use std::fs;
use std::process::Command;

use crate::common::client;
use crate::common::daemon::Daemon;
use crate::row;

const NO_END: &[u8] = include_bytes!("data/no-eoi.jpg");
const TURNED: &[u8] = include_bytes!("data/orientation-6.jpg");
const TWO: &[u8] = include_bytes!("data/two-in-one.jpg");
const CHROMA_410: &[u8] = include_bytes!("data/chroma-410.jpg");

/// The service's report, in words, of a folder with only this picture.
fn shown(jpeg: &[u8]) -> String {
    let folder = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let pictures = folder.path().join("pictures");
    fs::create_dir(&pictures).unwrap();
    fs::write(pictures.join("a.jpg"), jpeg).unwrap();
    let path = format!("source.path={}", pictures.display());
    let sets = ["source.kind=files", &path, "source.loop=true", "source.fps=10", "detect.backend=motion"];
    let arguments: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
    let daemon = Daemon::start(Command::new(env!("CARGO_BIN_EXE_tallycam")), &arguments);
    let state = || daemon.state();
    client::ask(
        daemon.address,
        "POST /start_stream HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Length: 0\r\n\r\n",
    );
    for _ in 0..200 {
        let now = state();
        if now["frames"].as_u64() > Some(3) || now["broken"].as_u64() > Some(3) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let now = state();
    if now["broken"].as_u64() > Some(0) {
        return String::from("counted as broken, not shown");
    }
    let size = |path: &str| {
        let answer = client::get(daemon.address, path);
        assert_eq!(answer.status, 200, "{path}");
        let image: turbojpeg::Image<Vec<u8>> =
            turbojpeg::decompress(&answer.body, turbojpeg::PixelFormat::RGB).unwrap();
        (image.width, image.height)
    };
    let whole = size("/snapshot");
    let half = size("/snapshot?scale=1/2");
    assert_eq!(half, (whole.0.div_ceil(2), whole.1.div_ceil(2)));
    let mut viewer = client::Client::new(std::net::TcpStream::connect(daemon.address).unwrap());
    viewer.watch("/stream?scale=1/2");
    assert!(viewer.part().is_some(), "no part of the stream at half its size");
    let now = state();
    assert_eq!(
        (now["width"].as_u64(), now["height"].as_u64()),
        (Some(whole.0 as u64), Some(whole.1 as u64)),
        "{now}"
    );
    format!("shown, {} × {}, at half its size too", whole.0, whole.1)
}

/// A JPEG without the last third of its entropy-coded bytes, with an end marker.
fn cut(jpeg: &[u8]) -> Vec<u8> {
    [&jpeg[..jpeg.len() * 2 / 3], &[0xff, 0xd9]].concat()
}

#[test]
fn a_missing_end_is_put_in() {
    row("JPEGs", "without its end (FF D9), all rows there", &shown(NO_END));
    let padded = [NO_END, &[0; 500]].concat();
    row("JPEGs", "without its end, zeros behind it", &shown(&padded));
}

#[test]
fn lost_rows_are_reported() {
    let whole = [NO_END, &[0xff, 0xd9]].concat();
    row("JPEGs", "a third of its rows missing, an end behind what is left", &shown(&cut(&whole)));
    row("JPEGs", "a third of its rows missing, no end", &shown(&whole[..whole.len() * 2 / 3]));
}

#[test]
fn the_first_of_two_is_the_picture() {
    row("JPEGs", "a second, smaller picture behind the first", &shown(TWO));
}

#[test]
fn the_exif_orientation_is_applied() {
    row("JPEGs", "640 × 480 with Exif orientation 6", &shown(TURNED));
}

#[test]
fn other_colours_and_subsamplings_are_converted() {
    row("JPEGs", "chroma 4:1:0", &shown(CHROMA_410));
    let pixels: Vec<u8> = (0..64 * 48 * 4).map(|n| (n / 7 % 251) as u8).collect();
    let image = turbojpeg::Image {
        pixels: &pixels[..],
        width: 64,
        pitch: 256,
        height: 48,
        format: turbojpeg::PixelFormat::CMYK,
    };
    let cmyk = turbojpeg::compress(image, 90, turbojpeg::Subsamp::None).unwrap();
    row("JPEGs", "CMYK", &shown(&cmyk));
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_colorspace(turbojpeg::Colorspace::RGB).unwrap();
    let format = turbojpeg::PixelFormat::RGB;
    let image =
        turbojpeg::Image { pixels: &pixels[..64 * 48 * 3], width: 64, pitch: 192, height: 48, format };
    row("JPEGs", "RGB", &shown(&compressor.compress_to_vec(image).unwrap()));
}
