//! Proves a model on a picture: it is loaded as it will be, runs once, and what it sees is told.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use super::ModelError;
use crate::base::{Stamp, Stop, clock};
use crate::encode::{Encoder, Reducer};
use crate::media::{Fourcc, Picture, PictureBuilder, SmallImage, jpeg};
use crate::source::sim::SimOpener;
use crate::source::{Opener as _, Wanted};
use crate::vision::onnx::{Card, OnnxDetector};
use crate::vision::{Detector as _, nms};

/// A larger JPEG is not read.
const MOST_PICTURE_BYTES: u64 = 64 << 20;
/// The frame of the drawn street that is looked at: by then it is busy.
const FRAME: u64 = 200;
const QUALITY: u8 = 90;

/// What a model saw.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The picture, in words: a file's name, or "the drawn street".
    pub picture: String,
    /// Pixels in a row and rows of it.
    pub of: (u32, u32),
    /// Pixels in a row and rows of what the network looks at.
    pub input: (u32, u32),
    /// How long the look took, from small picture to boxes, in milliseconds. The first look of a
    /// network is its slowest.
    pub look_ms: f64,
    /// What is surely there, the surest first.
    pub seen: Vec<Seen>,
    /// The score (0–1) from which on it counts as sure.
    pub sure_score: f32,
}

/// A thing in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// What it is.
    pub class: String,
    /// How sure, 0–1.
    pub score: f32,
    /// Left, top, right and bottom in fractions of the picture.
    pub bounds: [f32; 4],
}

/// Runs the network in `onnx`, described by `card`, for pictures of a size, if that is not its own, and with so many
/// threads, on the JPEG at `picture`, or on the drawn street.
pub(super) fn prove(
    name: &str,
    onnx: &[u8],
    card: &Card,
    (size, threads): (Option<(u32, u32)>, usize),
    picture: Option<&Path>,
) -> Result<Proof, ModelError> {
    let mut detector = OnnxDetector::new(name, onnx, card, size, threads)?;
    let what = picture.map_or_else(|| String::from("the drawn street"), |path| path.display().to_string());
    let no_picture = |reason: String| ModelError::Picture { what: what.clone(), reason };
    let picture = match picture {
        Some(path) => read(path).map_err(no_picture)?,
        None => drawn().map_err(no_picture)?,
    };
    let mut image = SmallImage {
        width: 1,
        height: 1,
        y: Vec::new(),
        u: Vec::new(),
        v: Vec::new(),
        chroma_width: 0,
        chroma_height: 0,
        of: (1, 1),
        stamp: picture.stamp,
        sequence: 0,
    };
    let least = detector.least_size(picture.width, picture.height);
    let mut reducer = Reducer::for_detectors().map_err(|error| no_picture(error.to_string()))?;
    reducer.reduce(&picture, least, &mut image).map_err(|error| no_picture(error.to_string()))?;
    let mut found = Vec::new();
    let begun = clock::monotonic_us();
    detector.detect(&image, &mut found)?;
    let look_ms = (clock::monotonic_us() - begun) as f64 / 1000.0;
    let options = detector.options();
    found.retain(|detection| {
        detection.defect().is_none()
            && detection.score >= options.tracker.sure_score
            && options.filter.lets_through(detection)
    });
    nms::suppress(&mut found, detector.labels(), options.most_iou);
    let seen = found.iter().map(|detection| Seen {
        class: detector.labels().name(detection.class).unwrap_or_default().to_owned(),
        score: detection.score,
        bounds: {
            let b = &detection.bounds;
            [b.left, b.top, b.right, b.bottom]
        },
    });
    Ok(Proof {
        picture: what,
        of: (picture.width, picture.height),
        input: (detector.input().width, detector.input().height),
        look_ms,
        seen: seen.collect(),
        sure_score: options.tracker.sure_score,
    })
}

fn read(path: &Path) -> Result<Picture, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_PICTURE_BYTES).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let header = jpeg::inspect(&bytes).map_err(|error| error.to_string())?;
    let mut builder = PictureBuilder::with_capacity(bytes.len());
    builder.push(&bytes);
    Ok(builder.finish(header.width, header.height, Stamp::now(), 0, false))
}

fn drawn() -> Result<Picture, String> {
    let wanted =
        Wanted { width: Some(640), height: Some(480), format: Some(Fourcc::YU12), ..Wanted::ANYTHING };
    let failed = |trouble: crate::media::Trouble| trouble.line();
    let mut street = SimOpener::new(1, wanted, false).open(&Stop::new()).map_err(failed)?;
    let mut encoder = Encoder::new(QUALITY).map_err(|error| error.to_string())?;
    loop {
        match street.next(Duration::from_secs(1)).map_err(failed)? {
            Some(frame) if frame.sequence >= FRAME => {
                return encoder.encode(&frame).map_err(|error| error.to_string());
            }
            _ => {}
        }
    }
}
