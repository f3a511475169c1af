//! The trial run of a model: loads it as for counting, runs it once on a picture, and returns its detections.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::guess::{NO_BOXES, NO_SCORES};
use crate::detection::Defect;
use crate::geometry::Bounds;
use crate::onnx::{Card, OnnxDetector};
use crate::{Class, Detection, Detector as _, nms};
use tallycam_base::{ClockTime, Fault, clock};
use tallycam_camera::encode::Reducer;
use tallycam_camera::media::{Picture, PictureBuilder, SmallImage, jpeg};

/// Maximum length of a JPEG in bytes.
const MOST_PICTURE_BYTES: u64 = 64 << 20;
/// A person, a cat, and a cup on a table. models/README.md names their sources.
const TEST_PICTURE: &[u8] = include_bytes!("test_picture.jpg");
/// The objects of the test picture: left, top, right and bottom in fractions of it.
pub(super) const THINGS: [[f32; 4]; 4] =
    [[0.0, 0.02, 0.49, 1.0], [0.53, 0.0, 1.0, 0.5], [0.66, 0.52, 0.91, 0.92], [0.52, 0.5, 1.0, 1.0]];
const TEST: &str = "the test picture";

/// The result of a trial run.
#[derive(Debug, Clone, PartialEq)]
pub struct Proof {
    /// The picture, in words: a file's name, or "the test picture".
    pub picture: String,
    /// Width and height of the picture in pixels.
    pub of: (u32, u32),
    /// Width and height of the network's input in pixels.
    pub input: (u32, u32),
    /// Time of the detection, from small picture to boxes, in milliseconds. A network's first run is its slowest.
    pub detection_ms: f64,
    /// Detections above `sure_score`, the highest score first.
    pub seen: Vec<ProofRun>,
    /// The score (0–1) from which a detection counts as sure.
    pub sure_score: f32,
    /// The network's file is quantised; the same network in floats is faster here.
    pub is_quantised: bool,
    /// Why its numbers may mean something else than its description says.
    pub doubt: Option<String>,
}

/// A detection in the picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ProofRun {
    /// The class.
    pub class: String,
    /// The score, 0–1.
    pub score: f32,
    /// Left, top, right and bottom in fractions of the picture.
    pub bounds: [f32; 4],
}

/// Runs the network in `onnx`, described by `card`, on the JPEG at `picture` or on the test picture. `size` replaces
/// the network's own input size; the other number is the number of threads.
///
/// # Errors
/// It fails, or its output cannot be boxes.
pub(super) fn prove_model(
    name: &str,
    onnx: &[u8],
    card: &Card,
    (size, threads): (Option<(u32, u32)>, usize),
    picture: Option<&Path>,
) -> Result<Proof, Fault> {
    let mut detector = OnnxDetector::new(name, onnx, card, size, threads)?;
    run(&mut detector, card, picture, &mut Vec::new())
}

/// Like [`prove_model`], with one thread. A model that knows people and cats must also see one of those on the test
/// picture, and none may see dozens of things there: otherwise its numbers mean something else. One for another kind of
/// picture, such as a thermal one, is only doubted: if its card `is_written` by somebody, or if it sees such a thing on
/// the `picture`.
///
/// # Errors
/// As for [`prove_model`], or it does not fit the test picture.
pub(super) fn prove_new_model(
    name: &str,
    onnx: &[u8],
    (card, is_written): (&Card, bool),
    size: Option<(u32, u32)>,
    picture: Option<&Path>,
) -> Result<Proof, Fault> {
    let mut detector = OnnxDetector::new(name, onnx, card, size, 1)?;
    let own = picture.map(|_| run(&mut detector, card, picture, &mut Vec::new())).transpose()?;
    let mut found = Vec::new();
    let known = run(&mut detector, card, None, &mut found)?;
    let doubt = find_doubt(&detector, &known, &found);
    let labels = detector.labels();
    let is_alive = |seen: &ProofRun| {
        is_cat(&seen.class) || labels.class(&seen.class).is_some_and(|class| labels.is_person(class))
    };
    let fits = |own: &Proof| own.seen.len() < MOST_SEEN && own.seen.iter().any(is_alive);
    match doubt {
        Some(what) if !is_written && !own.as_ref().is_some_and(fits) => Err(Fault::wrong(what).hint(
            "try it with --picture and a JPEG of the kind that it was trained for, with a person; or write a .toml of \
             its name (see models/README.md); or name its classes with --labels FILE if it knows no people and cats",
        )),
        doubt => Ok(Proof { doubt, ..own.unwrap_or(known) }),
    }
}

/// From this number of sure detections on the test picture, most are false.
const MOST_SEEN: usize = 24;
/// From this score (0–1) on, a person or cat on the test picture is seen.
const SEEN_SCORE: f32 = 0.25;

fn is_cat(name: &str) -> bool {
    name.eq_ignore_ascii_case("cat")
}

/// Compares the detections on the test picture with what it shows. Returns what is wrong with them.
fn find_doubt(detector: &OnnxDetector, proof: &Proof, found: &[Detection]) -> Option<String> {
    let labels = detector.labels();
    let thing = |at: usize| Bounds::new(THINGS[at][0], THINGS[at][1], THINGS[at][2], THINGS[at][3]);
    let all = (0..labels.names().len()).map(|class| Class(class as u16));
    let knows_both =
        all.clone().any(|class| labels.is_person(class)) && labels.names().iter().any(|n| is_cat(n));
    let is_at = |one: &Detection, thing: Bounds| {
        let shared = one.bounds.intersection_area(&thing);
        shared >= 0.5 * one.bounds.area() && shared >= 0.05 * thing.area()
    };
    let sees = |one: &Detection| {
        one.score >= SEEN_SCORE
            && (labels.is_person(one.class) && is_at(one, thing(0))
                || labels.name(one.class).is_some_and(is_cat) && is_at(one, thing(1)))
    };
    let count = proof.seen.len();
    let what = if count >= MOST_SEEN {
        format!("it sees {count} things on {TEST}, which shows a person, a cat and a cup")
    } else if knows_both && !found.iter().any(sees) {
        let mut names: Vec<&str> = proof.seen.iter().map(|seen| seen.class.as_str()).collect();
        names.dedup();
        names.truncate(3);
        let instead = if names.is_empty() { String::from("nothing") } else { names.join(", ") };
        format!("it sees neither the person nor the cat on {TEST}, but {instead}")
    } else {
        return None;
    };
    let family = detector.card().family.as_str();
    Some(format!("{what}: its numbers are no rows of {family}, or the file is damaged"))
}

/// Runs `detector` on the JPEG at `picture` or on the test picture. Leaves its valid detections in `found`.
fn run(
    detector: &mut OnnxDetector,
    card: &Card,
    picture: Option<&Path>,
    found: &mut Vec<Detection>,
) -> Result<Proof, Fault> {
    let what = picture.map_or_else(|| String::from(TEST), |path| path.display().to_string());
    let image = image(picture, |width, height| detector.least_size(width, height))?;
    let begun = clock::monotonic_us();
    detector.detect(&image, found)?;
    let detection_ms = (clock::monotonic_us() - begun) as f64 / 1000.0;
    let options = detector.options();
    // Too many sure detections: the values read as scores are something else.
    let sure = found.iter().filter(|detection| detection.score >= options.tracker.sure_score).count();
    let defects =
        |defect: Defect| found.iter().filter(|detection| detection.find_defect() == Some(defect)).count();
    let no_scores = found.iter().any(|detection| detection.score > 1.001) || sure > detector.numbers() / 4;
    let no_boxes = 2 * (defects(Defect::Outside) + defects(Defect::Inverted)) > found.len();
    if no_scores || no_boxes {
        let what_is_wrong = if no_scores { NO_SCORES } else { NO_BOXES };
        let what = format!("on {what} {what_is_wrong}: it is not what its description says");
        return Err(Fault::wrong(what).hint(
            "correct family, corners, unit and activation in its .toml (models/README.md explains them), or remove it \
             and let `tallycam model add` find out",
        ));
    }
    let unnamed = found
        .iter()
        .map(|detection| detection.class.0)
        .find(|class| usize::from(*class) >= card.labels.len());
    if let Some(class) = unnamed {
        let (class, labels) = (usize::from(class) + 1, card.labels.len());
        return Err(Fault::wrong(format!(
            "it tells class {class} apart, and only {labels} labels are given"
        ))
        .hint("name all of them with --labels FILE, a label a line"));
    }
    found.retain(|detection| detection.find_defect().is_none());
    let is_sure = |detection: &Detection| {
        detection.score >= options.tracker.sure_score && options.filter.accepts(detection)
    };
    let mut seen: Vec<Detection> = found.iter().copied().filter(is_sure).collect();
    nms::suppress_overlaps(&mut seen, detector.labels(), options.most_iou);
    let seen = seen.iter().map(|detection| ProofRun {
        class: detector.labels().name(detection.class).unwrap_or_default().to_owned(),
        score: detection.score,
        bounds: {
            let b = &detection.bounds;
            [b.left, b.top, b.right, b.bottom]
        },
    });
    Ok(Proof {
        picture: what,
        of: image.of,
        input: (detector.input().width, detector.input().height),
        detection_ms,
        seen: seen.collect(),
        sure_score: options.tracker.sure_score,
        is_quantised: detector.is_quantised(),
        doubt: None,
    })
}

/// The test picture in a detector's input form.
///
/// # Errors
/// It cannot be decoded.
pub(super) fn test_image() -> Result<SmallImage, Fault> {
    image(None, |width, height| (width, height))
}

/// The JPEG at `path`, or the test picture. It is reduced as far as `least`, a function of width and height, allows.
fn image(path: Option<&Path>, least: impl Fn(u32, u32) -> (u32, u32)) -> Result<SmallImage, Fault> {
    let no_picture = |reason: String| {
        let what = path.map_or_else(|| String::from(TEST), |path| path.display().to_string());
        Fault::wrong(format!("{what} is no picture to try a model on: {reason}"))
            .hint("give a JPEG with --picture")
    };
    let picture = path.map_or_else(|| to_picture(TEST_PICTURE), read).map_err(no_picture)?;
    let mut image = SmallImage::empty();
    let mut reducer = Reducer::new().map_err(|error| no_picture(error.to_string()))?;
    let least = least(picture.width, picture.height);
    reducer.reduce(&picture, least, &mut image).map_err(|error| no_picture(error.to_string()))?;
    Ok(image)
}

fn read(path: &Path) -> Result<Picture, String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MOST_PICTURE_BYTES).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    to_picture(&bytes)
}

fn to_picture(bytes: &[u8]) -> Result<Picture, String> {
    let header = jpeg::inspect(bytes).map_err(|error| error.to_string())?;
    let mut builder = PictureBuilder::with_capacity(bytes.len());
    builder.push(bytes);
    Ok(builder.finish(header.width, header.height, ClockTime::now(), 0, false))
}
