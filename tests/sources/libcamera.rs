//! Cameras through libcamera's helper. Here a fake helper speaks the protocol and makes faults on request.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tallycam::base::{Stop, WakeFd};
use tallycam::media::{Control, ControlValue, Fourcc, SourceError, SourceErrorKind};
use tallycam::source::libcamera::{LibcameraOpener, survey_libcamera};
use tallycam::source::{FormatRequest, Opener, Source};

use super::helper::{CAMERA, Helpers, is_running};
use super::{LONG, open, refused};

const HELPER: &str = "libcamera-0.7";

fn opener(helpers: &Helpers) -> LibcameraOpener {
    LibcameraOpener::new(helpers.folder(), None, FormatRequest::ANYTHING)
}

fn next(source: &mut dyn Source) -> Result<u64, SourceError> {
    let until = Instant::now() + LONG;
    loop {
        if let Some(frame) = source.next(Duration::from_millis(200))? {
            return Ok(frame.sequence);
        }
        assert!(Instant::now() < until, "no frame comes");
    }
}

fn end(source: &mut dyn Source) -> SourceError {
    loop {
        if let Err(trouble) = next(source) {
            return trouble;
        }
    }
}

fn all_gone(helpers: &Helpers) {
    let until = Instant::now() + LONG;
    while helpers.processes().into_iter().any(is_running) {
        assert!(Instant::now() < until, "a helper is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn control(source: &mut dyn Source, name: &str) -> Control {
    source.controls().unwrap().into_iter().find(|control| control.name == name).unwrap()
}

fn set(source: &mut dyn Source, name: &str, value: f64) -> Result<f64, SourceError> {
    source.set_control(&ControlValue { name: name.to_owned(), value })
}

#[test]
fn frames_are_lent_in_place_with_a_smaller_one_beside() {
    let helpers = Helpers::new();
    let mut source = open(&mut opener(&helpers));
    let delivers = source.source_info().clone();
    assert_eq!(delivers.name, "imx708 (libcamera 0.7.1)");
    assert_eq!((delivers.fourcc, delivers.width, delivers.height), (Fourcc::NV12, 1280, 720));
    assert_eq!((delivers.fps, delivers.notes.len()), (Some(30.0), 0));
    assert_eq!(source.identity().as_deref(), Some(CAMERA));
    let mut places = std::collections::BTreeSet::new();
    let mut last = 0;
    for _ in 0..40 {
        let frame = loop {
            // The borrow of a frame that did not come ends here.
            if source.next(Duration::from_millis(200)).unwrap().is_some() {
                break source.next(LONG).unwrap().unwrap();
            }
        };
        assert!(frame.sequence > last);
        last = frame.sequence;
        assert_eq!((frame.stride, frame.data.len()), (1280, 1280 * 720 * 3 / 2));
        assert!(frame.stamp.age() < LONG);
        let second = frame.second.unwrap();
        assert_eq!((second.width, second.height, second.stride), (640, 360, 640));
        // The block that moves is at the same place in both.
        let middle = |data: &[u8], width: usize, height: usize| {
            data[width * (height / 2)..][..width].iter().position(|&luma| luma == 230).unwrap() as f64
                / width as f64
        };
        assert!((middle(frame.data, 1280, 720) - middle(second.data, 640, 360)).abs() < 0.01);
        places.insert(frame.data.as_ptr() as usize);
    }
    assert!((2..=4).contains(&places.len()), "there are four buffers, and no copies");
    drop(source);
    all_gone(&helpers);
}

#[test]
fn a_requested_size_and_padded_rows() {
    let helpers = Helpers::new();
    let wanted =
        FormatRequest { width: Some(1000), height: Some(562), fps: Some(60.0), ..FormatRequest::ANYTHING };
    let mut source = open(&mut LibcameraOpener::new(helpers.folder(), Some("imx708".into()), wanted));
    let frame = source.next(LONG).unwrap().unwrap();
    assert_eq!((frame.width, frame.height, frame.stride), (1000, 562, 1024));
    let second = frame.second.unwrap();
    assert_eq!((second.width, second.height), (640, 358));
    drop(source);
    helpers.goes_wrong(HELPER, &json!({"one_stream": true}));
    let mut source = open(&mut opener(&helpers));
    assert!(source.next(LONG).unwrap().unwrap().second.is_none());
}

#[test]
fn controls_are_set_answered_and_kept_across_a_rotation() {
    let helpers = Helpers::new();
    let mut source = open(&mut opener(&helpers));
    let _ = next(&mut *source).unwrap();
    assert_eq!(set(&mut *source, "ae_enable", 0.0), Ok(0.0));
    assert_eq!(set(&mut *source, "analogue_gain", 2.5), Ok(2.5));
    assert_eq!(set(&mut *source, "lens_position", 3.25), Ok(3.25));
    let gain = control(&mut *source, "analogue_gain");
    assert_eq!((gain.value, gain.default, gain.unit.as_str(), gain.inactive), (2.5, 1.0, "×", false));
    assert_eq!((control(&mut *source, "lux").value, control(&mut *source, "af_state").value), (412.0, 2.0));
    // Automatic white balance controls it, so the measured value is shown.
    let temperature = control(&mut *source, "colour_temperature");
    assert_eq!((temperature.value, temperature.inactive), (4200.0, true));
    let refused = set(&mut *source, "analogue_gain", 99.0).unwrap_err();
    assert_eq!(refused.kind, SourceErrorKind::Unsupported);
    assert!(
        refused.line().contains("analogue_gain to 99") && refused.line().contains("out of range"),
        "{refused}"
    );
    assert_eq!(set(&mut *source, "no_such", 1.0).unwrap_err().kind, SourceErrorKind::Unsupported);
    let before = helpers.requests().len();
    assert_eq!(set(&mut *source, "orientation", 1.0), Ok(1.0));
    assert_eq!(helpers.requests()[before]["open"]["orientation"], "rotated180");
    assert_eq!(control(&mut *source, "orientation").value, 1.0);
    assert_eq!(control(&mut *source, "analogue_gain").value, 2.5);
    assert!(set(&mut *source, "orientation", 7.0).is_err());
    next(&mut *source).unwrap();
    assert_eq!(
        helpers.set(),
        [
            ("ae_enable".to_owned(), 0.0),
            ("analogue_gain".into(), 2.5),
            ("lens_position".into(), 3.25),
            ("analogue_gain".into(), 99.0),
            // It was configured again for the rotation.
            ("ae_enable".into(), 0.0),
            ("analogue_gain".into(), 2.5),
            ("lens_position".into(), 3.25),
        ]
    );
}

#[test]
fn a_rotated_camera_is_reopened_with_its_rotation() {
    let helpers = Helpers::new();
    let mut opener = opener(&helpers);
    let mut source = open(&mut opener);
    set(&mut *source, "orientation", 3.0).unwrap();
    drop(source);
    let asleep =
        opener.controls().unwrap().into_iter().find(|control| control.name == "orientation").unwrap();
    assert_eq!(asleep.value, 3.0);
    let mut source = open(&mut opener);
    assert_eq!(control(&mut *source, "orientation").value, 3.0);
    assert_eq!(helpers.requests().iter().filter(|requests| requests.get("open").is_some()).count(), 3);
}

#[test]
fn the_controls_of_an_idle_camera() {
    let helpers = Helpers::new();
    let mut opener = opener(&helpers);
    assert_eq!(opener.identity().as_deref(), Some(CAMERA));
    assert_eq!(opener.largest_size(), Some((4608, 2592)));
    assert_eq!(opener.formats().unwrap()[0].modes.len(), 4);
    assert!(opener.controls().unwrap().iter().any(|control| control.name == "lens_position"));
    assert_eq!(helpers.processes().len(), 1, "it was asked once");
    all_gone(&helpers);
    let mut source = opener.open_largest(&Stop::new()).map_err(|t| t.line()).unwrap();
    assert_eq!(source.next(LONG).unwrap().unwrap().width, 4608);
}

/// The fault of an open with a helper that misbehaves like this.
fn refused_by(how: Value) -> SourceError {
    let helpers = Helpers::new();
    helpers.goes_wrong(HELPER, &how);
    let trouble = refused(&mut opener(&helpers));
    all_gone(&helpers);
    trouble
}

#[test]
fn nonsense_of_a_helper_is_refused_in_words_and_nothing_is_left_running() {
    let size = |width: u32, height: u32, stride: u32| json!({"configured": {"streams": [{"fourcc": "NV12", "width": width, "height": height, "stride": stride}]}});
    for how in [
        size(0, 720, 1280),
        size(65536, 65536, 65536),
        size(1280, 720, 3),
        json!({"configured": {"streams": []}}),
        json!({"configured": {"buffers": 0}}),
        json!({"configured": {"buffers": 4_000_000_000_u32}}),
        json!({"configured": {"fps": null}}),
        json!({"buffer": "pipe"}),
        json!({"buffer": "unsealed"}),
        json!({"buffer": "short"}),
        json!({"buffer": "small"}),
        json!({"buffer": "none"}),
    ] {
        let trouble = refused_by(how.clone());
        assert_eq!(trouble.kind, SourceErrorKind::Broken, "{how}: {trouble}");
        assert!(trouble.what.contains("libcamera-0.7 does not say what tallycam understands"), "{trouble}");
    }
    let other = refused_by(json!({"protocol": 2}));
    assert_eq!(other.kind, SourceErrorKind::Unsupported);
    assert!(other.line().contains("of the same version"), "{other}");
    let busy = refused_by(json!({"open": ["busy", "imx708 is in use by \u{1b}[31manother\n program"]}));
    assert_eq!(busy.kind, SourceErrorKind::Busy);
    assert!(busy.what.contains("in use") && !busy.what.contains(['\u{1b}', '\n']), "{busy}");
    assert_eq!(busy.causes, ["as libcamera has it"]);
    let none = refused_by(json!({"cameras": []}));
    assert_eq!(none.kind, SourceErrorKind::Absent);
    let crash = refused_by(json!({"exit": 134, "words": "FATAL agc.cpp assertion failed"}));
    assert_eq!((crash.kind, crash.causes.len()), (SourceErrorKind::Failed, 1));
}

#[test]
fn a_camera_with_a_hostile_name_is_shown_without_its_control_characters() {
    let helpers = Helpers::new();
    let name = "im\u{1b}[2Jx\u{202e}708\n";
    let camera = json!({"id": name, "model": name, "location": "back", "formats": [], "orientations": [],
        "controls": [{"name": "x\u{1b}", "kind": "boolean", "unit": "", "min": 0, "max": 1, "step": 0, "default": 0, "choices": []}]});
    helpers.goes_wrong(HELPER, &json!({"cameras": [camera]}));
    let mut opener = opener(&helpers);
    let source = open(&mut opener);
    for shown in [source.source_info().name.clone(), source.identity().unwrap(), opener.describe()] {
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\n']), "{shown:?}");
    }
    assert!(opener.controls().unwrap().is_empty());
}

#[test]
fn how_a_stream_can_end() {
    for (how, kind, word) in [
        ("crash", SourceErrorKind::Failed, "FATAL IPA"),
        ("garbage", SourceErrorKind::Broken, "none of this protocol"),
        ("half", SourceErrorKind::Broken, "none of this protocol"),
        ("unplug", SourceErrorKind::Unplugged, "has gone"),
        ("fault", SourceErrorKind::Failed, "the sensor has stopped"),
    ] {
        let helpers = Helpers::new();
        helpers.goes_wrong(HELPER, &json!({"after": 5, "then": how}));
        let mut source = open(&mut opener(&helpers));
        let trouble = end(&mut *source);
        assert_eq!(trouble.kind, kind, "{how}: {trouble}");
        assert!(trouble.line().contains(word), "{how}: {trouble}");
        drop(source);
        all_gone(&helpers);
    }
    for frame in [json!({"buffer": 9}), json!({"bytes": 9_000_000_000_u64})] {
        let helpers = Helpers::new();
        helpers.goes_wrong(HELPER, &json!({"frame": frame}));
        assert_eq!(end(&mut *open(&mut opener(&helpers))).kind, SourceErrorKind::Broken);
    }
}

#[test]
fn a_silent_or_endless_helper_delays_nobody() {
    for how in ["hang", "flood"] {
        let helpers = Helpers::new();
        helpers.goes_wrong(HELPER, &json!({"after": 3, "then": how, "set": "silent"}));
        let mut source = open(&mut opener(&helpers));
        for _ in 0..3 {
            next(&mut *source).unwrap();
        }
        let began = Instant::now();
        assert_eq!(source.next(Duration::from_millis(100)).map(|frame| frame.is_some()), Ok(false), "{how}");
        assert_eq!(set(&mut *source, "brightness", 0.5).unwrap_err().kind, SourceErrorKind::Silent, "{how}");
        // A rotation configures it again.
        assert_eq!(set(&mut *source, "orientation", 1.0).unwrap_err().kind, SourceErrorKind::Silent, "{how}");
        drop(source);
        assert!(began.elapsed() < LONG, "{how}");
        all_gone(&helpers);
    }
}

#[test]
fn a_bell_ends_one_wait_and_not_the_next() {
    let helpers = Helpers::new();
    helpers.goes_wrong(HELPER, &json!({"after": 1, "then": "stall"}));
    let mut source = open(&mut opener(&helpers));
    let wake_fd = WakeFd::new();
    source.set_wake_bell(&wake_fd);
    next(&mut *source).unwrap();
    wake_fd.notify();
    assert!(source.next(LONG).unwrap().is_none(), "it has waited for no frame");
    let began = Instant::now();
    assert!(source.next(Duration::from_millis(300)).unwrap().is_none());
    assert!(began.elapsed() >= Duration::from_millis(300), "the bell rings no more");
}

#[test]
fn a_helper_that_ignores_the_end_and_sigterm_is_killed() {
    let helpers = Helpers::new();
    helpers.goes_wrong(HELPER, &json!({"ignores_the_end": true}));
    let mut source = open(&mut opener(&helpers));
    next(&mut *source).unwrap();
    drop(source);
    all_gone(&helpers);
}

#[test]
fn a_control_that_vanishes_is_refused_and_frames_go_on() {
    let helpers = Helpers::new();
    helpers.goes_wrong(HELPER, &json!({"gone": ["brightness"]}));
    let mut source = open(&mut opener(&helpers));
    let trouble = set(&mut *source, "brightness", 0.5).unwrap_err();
    assert!(trouble.line().contains("no such control any more"), "{trouble}");
    next(&mut *source).unwrap();
}

#[test]
fn one_camera_is_opened_once() {
    let helpers = Helpers::new();
    let mut first = open(&mut opener(&helpers));
    let second = refused(&mut opener(&helpers));
    assert_eq!(second.kind, SourceErrorKind::Busy);
    assert!(second.hint.is_some_and(|hint| hint.contains("another tallycam")));
    next(&mut *first).unwrap();
}

#[test]
fn the_newest_helper_whose_libcamera_is_there_is_used() {
    let helpers = Helpers::new();
    helpers.put("libcamera-0.4");
    let loader = "libcamera.so.0.7: cannot open shared object file: No such file or directory";
    helpers.goes_wrong(HELPER, &json!({"exit": 127, "words": loader}));
    let survey_ = survey_libcamera(&helpers.folder());
    let found = survey_.used.as_ref().unwrap();
    assert!(found.helper.ends_with("libcamera-0.4"), "{}", survey_.describe());
    assert_eq!((found.cameras.len(), survey_.helpers.len()), (1, 2));
    next(&mut *open(&mut opener(&helpers))).unwrap();
    // An upgrade of libcamera is found at the next opening.
    let mut opener = opener(&helpers);
    drop(open(&mut opener));
    helpers.behaves();
    helpers.goes_wrong("libcamera-0.4", &json!({"exit": 127, "words": "libcamera.so.0.4: cannot open"}));
    next(&mut *open(&mut opener)).unwrap();
    // If none fits, the reason is reported.
    helpers.goes_wrong(HELPER, &json!({"exit": 127}));
    let trouble = refused(&mut opener);
    assert_eq!(trouble.kind, SourceErrorKind::Unsupported);
    assert!(trouble.what.contains("libcamera"), "{trouble}");
}

#[test]
fn many_openings_leave_nothing_behind() {
    let helpers = Helpers::new();
    let mut opener = opener(&helpers);
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    drop(open(&mut opener));
    // Other tests of this program open descriptors meanwhile; a leak here would be at least three per opening.
    let before = descriptors();
    for _ in 0..30 {
        let mut source = open(&mut opener);
        next(&mut *source).unwrap();
    }
    assert!(descriptors() < before + 60, "{before} before, {} after", descriptors());
    all_gone(&helpers);
}
