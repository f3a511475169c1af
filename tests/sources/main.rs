//! Network cameras, programs and files as sources, against real sockets, processes and files.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod exec;
mod files;
#[path = "../common/helper.rs"]
mod helper;
#[path = "../common/hung.rs"]
mod hung;
mod libcamera;
mod tls;
mod url;

use std::time::{Duration, Instant};

use tallycam::base::Stop;
use tallycam::media::SourceError;
use tallycam::source::{Opener, Source};

/// Generous: nothing here takes this long unless it hangs.
const LONG: Duration = Duration::from_secs(30);

/// A real JPEG of 64 × 48 pixels, distinguished by `n`.
fn picture(n: u8) -> Bytes {
    let pixels: Vec<u8> = (0..64 * 48).map(|i| ((i * usize::from(n) + i / 64) % 251) as u8).collect();
    let format = turbojpeg::PixelFormat::GRAY;
    let image = turbojpeg::Image { pixels: &pixels[..], width: 64, pitch: 64, height: 48, format };
    Bytes(turbojpeg::compress(image, 90, turbojpeg::Subsamp::Gray).unwrap().to_vec())
}

fn pictures(count: u8) -> Vec<Bytes> {
    (1..=count).map(picture).collect()
}

fn joined(pictures: &[Bytes]) -> Vec<u8> {
    pictures.iter().flat_map(|picture| picture.0.clone()).collect()
}

fn open(opener: &mut dyn Opener) -> Box<dyn Source> {
    opener.open(&Stop::new()).unwrap_or_else(|trouble| panic!("it does not open: {trouble}"))
}

fn refused(opener: &mut dyn Opener) -> SourceError {
    opener.open(&Stop::new()).err().expect("it opens")
}

/// A frame's bytes; their debug output is short, for a test that fails.
#[derive(Clone, PartialEq, Eq)]
struct Bytes(Vec<u8>);

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (1..=50).find(|&n| picture(n) == *self) {
            Some(n) => write!(f, "picture {n}"),
            None => write!(f, "{} bytes {:02x?}…", self.0.len(), &self.0[..self.0.len().min(8)]),
        }
    }
}

/// The next frame's bytes and number, or the fault.
fn next(source: &mut dyn Source) -> Result<(Bytes, u64), SourceError> {
    let until = Instant::now() + LONG;
    loop {
        if let Some(frame) = source.next(Duration::from_millis(200))? {
            return Ok((Bytes(frame.data.to_vec()), frame.sequence));
        }
        assert!(Instant::now() < until, "nothing came");
    }
}

/// Frames up to the one that equals `last`; any may be skipped in between.
fn until(source: &mut dyn Source, last: &Bytes) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while frames.last().is_none_or(|frame| frame != last) {
        frames.push(next(source).unwrap_or_else(|trouble| panic!("{trouble}")).0);
    }
    frames
}

/// The frames of a source, and the fault that ends it.
fn to_the_end(source: &mut dyn Source) -> (Vec<Bytes>, SourceError) {
    let mut frames = Vec::new();
    loop {
        match next(source) {
            Ok((frame, _)) => frames.push(frame),
            Err(trouble) => return (frames, trouble),
        }
    }
}
