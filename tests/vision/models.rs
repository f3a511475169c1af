//! Real models on real frames, compared with onnxruntime's detections in the same frames.
//!
//! Recordings and their detections may be absent from this repository. The tests read them from `../shared/testdata`
//! beside it, or from the folder in `TALLYCAM_TESTDATA`; without them, or without ffmpeg to read the clip, they say
//! so and pass. `TALLYCAM_FRAMES` sets the number of frames.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use tallycam::base::ClockTime;
use tallycam::encode::Reducer;
use tallycam::media::{PictureBuilder, SmallImage, jpeg};
use tallycam::models::{Addition, Models};
use tallycam::vision::onnx::OnnxDetector;
use tallycam::vision::steps::suppress_overlaps;
use tallycam::vision::{Bounds, Detection, Detector as _, Labels};

/// Enough to check the decoding; more are for measuring.
const FRAMES: usize = 3;
/// Minimum score of detections that are compared.
const SURE: f32 = 0.4;
const CLIP_FRAMES: usize = 795;
const CLIP_SIZE: (f32, f32) = (768.0, 576.0);

fn testdata() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/testdata");
    let folder = std::env::var_os("TALLYCAM_TESTDATA").map_or(beside, PathBuf::from);
    if folder.join("video/vtest.avi").exists() {
        return Some(folder);
    }
    println!("LEFT OUT: no clips in {}", folder.display());
    None
}

/// Numbers (the first is 1) and JPEGs of some frames of the clip.
fn frames(clip: &Path, folder: &Path) -> Option<Vec<(usize, Vec<u8>)>> {
    let count = std::env::var("TALLYCAM_FRAMES").map_or(FRAMES, |n| n.parse().unwrap());
    let step = CLIP_FRAMES / count;
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(clip)
        .args(["-vf", &format!("select=not(mod(n\\,{step}))"), "-vsync", "0", "-q:v", "2"])
        .arg(folder.join("%d.jpg"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("LEFT OUT: ffmpeg cannot read {}", clip.display());
        return None;
    }
    let read = |n: usize| fs::read(folder.join(format!("{n}.jpg"))).ok();
    Some((1..=count).map_while(|n| Some(((n - 1) * step + 1, read(n)?))).collect())
}

/// onnxruntime's detections in a frame, limited to the classes of the model.
fn reference(text: &str, frame: usize, labels: &Labels) -> Vec<Detection> {
    let begins = format!("{frame},");
    text.lines()
        .filter(|line| line.starts_with(&begins))
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').collect();
            let number = |at: usize| fields[at].parse::<f32>().unwrap();
            let (width, height) = CLIP_SIZE;
            let bounds =
                Bounds::new(number(3) / width, number(4) / height, number(5) / width, number(6) / height);
            Some(Detection { class: labels.class(fields[1])?, score: number(2), bounds })
        })
        .filter(|detection| detection.score >= SURE)
        .collect()
}

/// Number of boxes in `found` that are also in `wanted`, each used once: an IoU of 0.5 and a class of the same group.
fn matched(found: &[Detection], wanted: &[Detection], labels: &Labels) -> usize {
    let mut left = wanted.to_vec();
    let is_same = |a: &Detection, b: &Detection| {
        labels.group_id(a.class) == labels.group_id(b.class) && a.bounds.iou(&b.bounds) >= 0.5
    };
    found
        .iter()
        .filter(|f| left.iter().position(|w| is_same(f, w)).map(|at| left.swap_remove(at)).is_some())
        .count()
}

/// Precision and recall against onnxruntime.
fn compare(mut detector: OnnxDetector, csv: &Path, frames: &[(usize, Vec<u8>)]) -> (f64, f64) {
    let text = fs::read_to_string(csv).unwrap();
    let mut reducer = Reducer::new().unwrap();
    let (mut all_found, mut all_wanted, mut all_matched) = (0, 0, 0);
    let options = detector.options();
    let labels = detector.labels().clone();
    for (number, bytes) in frames {
        let header = jpeg::inspect(bytes).unwrap();
        let mut builder = PictureBuilder::with_capacity(bytes.len());
        builder.push(bytes);
        let (width, height) = (header.width, header.height);
        let picture = builder.finish(width, height, ClockTime::at_monotonic(0), 0, false);
        let mut image = SmallImage::empty();
        reducer.reduce(&picture, detector.least_size(width, height), &mut image).unwrap();
        let mut found = Vec::new();
        let began = Instant::now();
        detector.detect(&image, &mut found).unwrap();
        // The network's share of the time is only a part of it.
        let all = began.elapsed();
        assert!(detector.inference().is_some_and(|part| !part.is_zero() && part < all));
        found.retain(|detection| detection.score >= SURE);
        suppress_overlaps(&mut found, &labels, options.most_iou);
        let mut wanted = reference(&text, *number, &labels);
        suppress_overlaps(&mut wanted, &labels, options.most_iou);
        all_matched += matched(&found, &wanted, &labels);
        all_found += found.len();
        all_wanted += wanted.len();
    }
    assert!(all_wanted > 0, "nothing to compare with");
    let precision = f64::from(all_matched as u32) / f64::from(all_found.max(1) as u32);
    let recall = f64::from(all_matched as u32) / f64::from(all_wanted as u32);
    println!(
        "{}: {} frames, {all_found} found, {all_wanted} by onnxruntime, precision {precision:.3}, recall {recall:.3}",
        detector.name(),
        frames.len()
    );
    (precision, recall)
}

#[test]
fn ssdlite_agrees_with_onnxruntime_on_the_original() {
    let Some(data) = testdata() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(frames) = frames(&data.join("video/vtest.avi"), folder.path()) else { return };
    let catalogue = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/catalogue");
    let models = Models::with_places(vec![catalogue], folder.path().join("none"));
    let (card, bytes) = models.load("ssdlite_mobilenet_v2").unwrap();
    let detector = OnnxDetector::new("ssdlite_mobilenet_v2", &bytes, &card, None, 1).unwrap();
    let (precision, recall) =
        compare(detector, &data.join("detections/vtest.ssdlite_mnv2_coco300.csv"), &frames);
    assert!(precision > 0.8 && recall > 0.8);
}

/// The built-in model has the weights of the export at 416 × 416, rounded.
#[test]
fn the_built_in_model_agrees_with_onnxruntime_on_the_export() {
    let Some(data) = testdata() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(frames) = frames(&data.join("video/vtest.avi"), folder.path()) else { return };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let models = Models::with_places(vec![shipped], folder.path().join("none"));
    let (card, bytes) = models.load("yolox_nano_320").unwrap();
    let detector = OnnxDetector::new("yolox_nano_320", &bytes, &card, Some((416, 416)), 1).unwrap();
    let (precision, recall) = compare(detector, &data.join("detections/vtest.yolox_nano_416.csv"), &frames);
    assert!(precision > 0.8 && recall > 0.8);
}

#[test]
fn yolox_agrees_with_onnxruntime() {
    let Some(data) = testdata() else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(frames) = frames(&data.join("video/vtest.avi"), folder.path()) else { return };
    let models = Models::with_places(Vec::new(), folder.path().join("models"));
    models.add(&data.join("models/yolox_nano_416.onnx"), &Addition::default()).unwrap();
    let (card, bytes) = models.load("yolox_nano_416").unwrap();
    let detector = OnnxDetector::new("yolox-nano", &bytes, &card, None, 1).unwrap();
    let (precision, recall) = compare(detector, &data.join("detections/vtest.yolox_nano_416.csv"), &frames);
    assert!(precision > 0.8 && recall > 0.8);
}
