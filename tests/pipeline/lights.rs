//! The light: a strip and a camera that the test directs, with the real thread and the real pipeline.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::common::testcam::{LARGER, Manner, Running, TestCam, number_of, trouble};
use crate::common::{DEADLINE, wait_until};
use tallycam::base::{Worker, clock};
use tallycam::media::{Picture, SourceError, SourceErrorKind};
use tallycam::pipeline::lights::{
    Color, Lights, LightsSettings, LitLight, OpenStrip, Shows, Strip, StripKind, StripSettings,
};
use tallycam::pipeline::recording::RecordingRequest;
use tallycam::pipeline::{CameraState, CaptureOptions, NoPicture, RecorderHandle, RecorderSettings};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tokio::runtime::Runtime;

const FULL: Color = [255; 3];
const RED: Color = [255, 0, 0];
const DARK: Color = [0; 3];

#[derive(Debug, Clone, PartialEq)]
enum Event {
    /// It was opened.
    Opened,
    /// Opening it failed.
    Refused,
    /// Its last pixel has this colour since this time; the camera had been opened this often by then.
    Shows { color: Color, at_us: u64, opens: u64 },
    /// It was closed.
    Dropped,
}

/// The strip's current behaviour.
#[derive(Debug, Default)]
struct Script {
    events: Vec<Event>,
    open_fault: Option<SourceError>,
    show_fault: Option<SourceError>,
    panics: bool,
    /// Showing takes until this is over.
    is_held_up: bool,
}

/// A directed strip. Clones share it.
#[derive(Clone)]
struct Stage(Arc<(Mutex<Script>, Condvar)>, TestCam);

impl Stage {
    fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn events(&self) -> Vec<Event> {
        self.0.0.lock().unwrap().events.clone()
    }

    /// The colours that it showed, in order.
    fn colors(&self) -> Vec<Color> {
        let color = |event: &Event| match event {
            Event::Shows { color, .. } => Some(*color),
            _ => None,
        };
        self.events().iter().filter_map(color).collect()
    }

    fn opener(&self) -> OpenStrip {
        let stage = self.clone();
        Box::new(move |_| {
            let mut script = stage.0.0.lock().unwrap();
            if let Some(fault) = script.open_fault.clone() {
                script.events.push(Event::Refused);
                return Err(fault);
            }
            script.events.push(Event::Opened);
            Ok(Box::new(stage.clone()))
        })
    }
}

impl Strip for Stage {
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError> {
        let opens = self.1.opens();
        let script = self.0.0.lock().unwrap();
        let mut script = self.0.1.wait_while(script, |script| script.is_held_up).unwrap();
        if let Some(fault) = script.show_fault.clone() {
            return Err(fault);
        }
        if std::mem::take(&mut script.panics) {
            drop(script);
            panic!("the test wants it so");
        }
        let color = *pixels.last().unwrap();
        script.events.push(Event::Shows { color, at_us: clock::monotonic_us(), opens });
        Ok(())
    }
}

/// Records when the thread drops the strip.
struct Guarded(Stage);

impl Strip for Guarded {
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError> {
        self.0.show(pixels)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.0.script(|script| script.events.push(Event::Dropped));
    }
}

/// A light beside a camera, stopped in order when dropped.
struct Bench {
    lights: Lights,
    worker: Option<Worker>,
    stage: Stage,
    run: Running,
    runtime: Runtime,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.end();
    }
}

fn strip() -> StripSettings {
    StripSettings { kind: StripKind::Sim, pixels: 2, ..StripSettings::default() }
}

/// Red while it is on, and full light for a snapshot.
fn for_shots(is_on: bool) -> LightsSettings {
    LightsSettings {
        strip: strip(),
        is_on,
        light: LitLight { color: RED, brightness: 255, ranges: Vec::new() },
        for_shots: true,
        settle: Duration::from_millis(150),
        ..LightsSettings::default()
    }
}

impl Bench {
    fn new(cam: &TestCam, settings: LightsSettings) -> Bench {
        Bench::with(cam, settings, |_| {})
    }

    fn with(cam: &TestCam, settings: LightsSettings, script: impl FnOnce(&mut Script)) -> Bench {
        let stage = Stage(Arc::default(), cam.clone());
        stage.script(script);
        let run = cam.pipeline(CaptureOptions {
            silent_after: Duration::from_millis(300),
            ..CaptureOptions::default()
        });
        let open = {
            let (stage, mut open) = (stage.clone(), stage.opener());
            move |settings: &StripSettings| {
                open(settings).map(|_| Box::new(Guarded(stage.clone())) as Box<dyn Strip>)
            }
        };
        let (lights, worker) = Lights::start_with(&run.pipeline, None, settings, Box::new(open)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Bench { lights, worker: Some(worker), stage, run, runtime }
    }

    fn end(&mut self) {
        self.stage.script(|script| script.is_held_up = false);
        self.lights.stop();
        if let Some(worker) = self.worker.take() {
            worker.join_within(DEADLINE).expect("the thread did not end");
        }
    }

    fn snapshot(&self, wait: Duration) -> Result<Picture, Box<NoPicture>> {
        self.runtime.block_on(self.run.pipeline.snapshot(wait)).map_err(Box::new)
    }

    /// Keeps the camera open and waits for its pictures.
    fn live(&self) -> tallycam::pipeline::Demand {
        let demand = self.run.pipeline.demand();
        wait_until("pictures flow", || self.run.pipeline.status().state == CameraState::Live);
        demand
    }

    fn wait_colors(&self, last: &[Color]) {
        wait_until(&format!("it ends with {last:?}"), || self.stage.colors().ends_with(last));
    }

    /// When the strip last began to show full light.
    fn lit(&self) -> (u64, u64) {
        let lit = |event: &Event| match event {
            Event::Shows { color: FULL, at_us, opens } => Some((*at_us, *opens)),
            _ => None,
        };
        self.stage.events().iter().rev().find_map(lit).unwrap()
    }
}

fn denied() -> SourceError {
    SourceError::new(SourceErrorKind::Denied, "the strip may not be opened").hint("read the test")
}

#[test]
fn a_snapshot_waits_for_its_light_and_the_former_colour_returns_at_once() {
    for is_on in [false, true] {
        let cam = TestCam::new();
        let bench = Bench::new(&cam, for_shots(is_on));
        let before = if is_on { RED } else { DARK };
        bench.wait_colors(&[before]);
        let _demand = bench.live();
        let mut all = bench.run.pipeline.hub().subscribe_to_all(64 << 20);
        let picture = bench.snapshot(DEADLINE).unwrap();
        bench.wait_colors(&[before, FULL, before]);
        let settled_us = bench.lit().0 + 150_000;
        assert!(picture.stamp.monotonic_us >= settled_us, "it was taken before the camera had adjusted");
        // The first picture after that, or the one after it, because the strip's clock was read a little before ours.
        let mut later = 0;
        while let Ok(Some(other)) = all.next_timeout(Duration::ZERO) {
            let is_between = other.stamp.monotonic_us >= settled_us && other.sequence < picture.sequence;
            later += u32::from(is_between);
        }
        assert!(later <= 1, "{later} good pictures were let pass");
    }
}

#[test]
fn an_idle_camera_opens_in_the_light() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(false));
    bench.wait_colors(&[DARK]);
    let picture = bench.snapshot(DEADLINE).unwrap();
    assert!(picture.stamp.monotonic_us >= bench.lit().0 + 150_000);
    bench.wait_colors(&[DARK, FULL, DARK]);
}

#[test]
fn without_the_setting_nothing_flashes() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, LightsSettings { for_shots: false, ..for_shots(true) });
    bench.wait_colors(&[RED]);
    bench.snapshot(DEADLINE).unwrap();
    bench.lights.set(LightsSettings { for_shots: false, ..for_shots(false) });
    bench.wait_colors(&[RED, DARK]);
}

#[test]
fn a_failed_or_cancelled_snapshot_restores_the_former_colour() {
    let cam = TestCam::new();
    cam.manner(Manner::Silent);
    let settings = LightsSettings { settle: Duration::ZERO, ..for_shots(true) };
    let bench = Bench::new(&cam, settings);
    bench.wait_colors(&[RED]);
    assert!(bench.snapshot(Duration::from_millis(50)).is_err());
    bench.wait_colors(&[RED, FULL, RED]);

    // The client leaves while the light is on.
    bench.runtime.block_on(async {
        let stage = bench.stage.clone();
        let shines = async {
            while stage.colors().last() != Some(&FULL) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = bench.run.pipeline.snapshot(DEADLINE) => panic!("there is no picture"),
            () = shines => {}
        }
    });
    bench.wait_colors(&[RED, FULL, RED, FULL, RED]);
}

#[test]
fn without_a_picture_nothing_flashes() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Absent)));
    let bench = Bench::new(&cam, for_shots(true));
    bench.wait_colors(&[RED]);
    let _demand = bench.run.pipeline.demand();
    wait_until("there is a fault", || matches!(bench.run.pipeline.status().state, CameraState::Trouble(_)));
    assert!(bench.snapshot(DEADLINE).is_err());
    bench.runtime.block_on(bench.run.pipeline.pause());
    assert!(bench.snapshot(DEADLINE).is_err());
    assert_eq!(bench.stage.colors(), [RED]);
}

#[test]
fn the_largest_picture_is_taken_in_the_light_too() {
    let cam = TestCam::new().with_larger();
    let bench = Bench::new(&cam, for_shots(false));
    bench.wait_colors(&[DARK]);
    let _demand = bench.live();
    let picture = bench.runtime.block_on(bench.run.pipeline.largest_picture(DEADLINE)).unwrap();
    assert_eq!((picture.width, picture.height), LARGER);
    let (lit_us, opens) = bench.lit();
    assert_eq!(opens, 1, "it shone before the camera was opened again");
    assert!(picture.stamp.monotonic_us >= lit_us + 150_000);
    bench.wait_colors(&[DARK, FULL, DARK]);

    // A camera without a larger size gives its usual one, in the same light.
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(false));
    bench.wait_colors(&[DARK]);
    let picture = bench.runtime.block_on(bench.run.pipeline.largest_picture(DEADLINE)).unwrap();
    assert!(picture.stamp.monotonic_us >= bench.lit().0 + 150_000);
    bench.wait_colors(&[DARK]);
}

#[test]
fn two_snapshots_at_once_share_one_light() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(false));
    bench.wait_colors(&[DARK]);
    let _demand = bench.live();
    bench.runtime.block_on(async {
        let pipeline = &bench.run.pipeline;
        let (one, other) = tokio::join!(pipeline.snapshot(DEADLINE), pipeline.snapshot(DEADLINE));
        assert!(number_of(&one.unwrap().jpeg()).is_some() && number_of(&other.unwrap().jpeg()).is_some());
    });
    bench.wait_colors(&[DARK]);
    assert_eq!(bench.stage.colors(), [DARK, FULL, DARK]);
}

#[test]
fn a_strip_that_cannot_be_opened_stops_nothing_and_is_tried_again_at_a_change() {
    let cam = TestCam::new();
    let bench = Bench::with(&cam, for_shots(true), |script| script.open_fault = Some(denied()));
    wait_until("it says why", || bench.lights.status().trouble == Some(denied()));
    assert_eq!(bench.lights.status().shows, Shows::Off);
    // A picture is not delayed.
    bench.snapshot(DEADLINE).unwrap();
    assert!(bench.stage.colors().is_empty());

    bench.stage.script(|script| script.open_fault = None);
    bench.lights.set(for_shots(true));
    bench.wait_colors(&[RED]);
    wait_until("it is well", || bench.lights.status().trouble.is_none());
    assert_eq!(bench.lights.status().pixels, [RED, RED]);
}

#[test]
fn a_failing_strip_is_closed_and_opened_again() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(true));
    bench.wait_colors(&[RED]);
    let failed = SourceError::new(SourceErrorKind::Failed, "the bus is gone");
    bench.stage.script(|script| script.show_fault = Some(failed.clone()));
    bench.lights.set(for_shots(false));
    wait_until("it says so", || bench.lights.status().trouble == Some(failed.clone()));
    assert_eq!(bench.lights.status().pixels, [DARK, DARK]);
    assert_eq!(bench.stage.events().last(), Some(&Event::Dropped));
    bench.stage.script(|script| script.show_fault = None);
    bench.lights.set(for_shots(true));
    bench.wait_colors(&[RED, RED]);
    let opened = bench.stage.events().iter().filter(|event| **event == Event::Opened).count();
    assert_eq!(opened, 2);
}

#[test]
fn a_strip_that_panics_ends_nothing() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(false));
    bench.wait_colors(&[DARK]);
    bench.stage.script(|script| script.panics = true);
    bench.lights.set(for_shots(true));
    wait_until("it says so", || bench.lights.status().trouble.is_some());
    assert!(bench.lights.status().trouble.as_ref().unwrap().to_string().contains("the test wants it so"));
    bench.lights.set(for_shots(true));
    bench.wait_colors(&[DARK, RED]);
    wait_until("it is well", || bench.lights.status().trouble.is_none());
}

#[test]
fn a_strip_that_is_held_up_gets_the_newest_only() {
    let cam = TestCam::new();
    let bench = Bench::with(&cam, for_shots(false), |script| script.is_held_up = true);
    for brightness in 1..=255 {
        let mut settings = for_shots(true);
        settings.light.brightness = brightness;
        bench.lights.set(settings);
    }
    // A snapshot does not wait for a strip that hangs.
    bench.snapshot(DEADLINE).unwrap();
    bench.stage.script(|script| script.is_held_up = false);
    bench.wait_colors(&[RED]);
    assert!(bench.stage.colors().len() <= 2, "{:?}", bench.stage.colors());
}

#[test]
fn unchanged_pixels_are_not_sent_again_and_another_strip_is_opened() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, for_shots(true));
    bench.wait_colors(&[RED]);
    bench.lights.set(LightsSettings { settle: Duration::ZERO, ..for_shots(true) });
    let limit = |limit| LightsSettings { strip: StripSettings { limit, ..strip() }, ..for_shots(true) };
    bench.lights.set(limit(100));
    bench.wait_colors(&[RED, [100, 0, 0]]);
    let opened = |events: &[Event]| events.iter().filter(|event| **event == Event::Opened).count();
    assert_eq!(opened(&bench.stage.events()), 1, "another limit opens no other strip");

    let longer = StripSettings { pixels: 3, limit: 100, ..strip() };
    bench.lights.set(LightsSettings { strip: longer, ..for_shots(true) });
    wait_until("it is opened again", || opened(&bench.stage.events()) == 2);
    bench.wait_colors(&[[100, 0, 0], DARK, [100, 0, 0]]);
    wait_until("it has three", || bench.lights.status().pixels == [[100, 0, 0]; 3]);

    bench.lights.set(LightsSettings { strip: StripSettings::default(), ..for_shots(true) });
    bench.wait_colors(&[[100, 0, 0], DARK]);
    wait_until("it is gone", || bench.lights.status().pixels.is_empty());
}

#[test]
fn it_goes_off_at_the_end() {
    let cam = TestCam::new();
    let mut bench = Bench::new(&cam, for_shots(true));
    bench.wait_colors(&[RED]);
    bench.end();
    assert_eq!(bench.stage.colors(), [RED, DARK]);
    assert_eq!(bench.stage.events().last(), Some(&Event::Dropped));
}

#[test]
fn it_goes_on_automatically_in_the_dark_and_measures_only_shown_pictures() {
    let cam = TestCam::new();
    // The test camera's pictures have a brightness of 125 of 255.
    let dusk = |below| LightsSettings { auto_below: Some(below), ..for_shots(false) };
    let bench = Bench::new(&cam, dusk(200.0));
    bench.wait_colors(&[DARK]);
    assert_eq!(bench.lights.status().luma, None, "the camera is idle");
    let _demand = bench.live();
    bench.wait_colors(&[DARK, RED]);
    wait_until("it says so", || bench.lights.status().shows == Shows::Auto);
    let luma = bench.lights.status().luma.unwrap();
    assert!((110.0..140.0).contains(&luma), "{luma}");
    // Switched on, it is on, and nothing is measured.
    bench.lights.set(LightsSettings { is_on: true, ..dusk(200.0) });
    wait_until("it is on", || bench.lights.status().shows == Shows::On);
    bench.lights.set(dusk(60.0));
    wait_until("it is bright enough", || {
        bench.lights.status().shows == Shows::Off && bench.lights.status().luma.is_some()
    });
    bench.lights.set(for_shots(false));
    wait_until("nothing is measured", || bench.lights.status().luma.is_none());
}

#[test]
fn the_first_pixel_shows_the_status() {
    let cam = TestCam::new();
    let folder = tempfile::tempdir().unwrap();
    let run = cam
        .pipeline(CaptureOptions { silent_after: Duration::from_millis(300), ..CaptureOptions::default() });
    let (media, writer) = Media::open(MediaSettings {
        directory: folder.path().to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        retention: RetentionRules::default(),
    })
    .unwrap();
    let (recorder, recording) =
        RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, RecorderSettings::default()).unwrap();
    let settings = LightsSettings { has_status: true, for_shots: false, ..for_shots(true) };
    let (lights, worker) = Lights::start(&run.pipeline, Some(recorder.clone()), settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let wait = |pixels: [Color; 2]| wait_until(&format!("{pixels:?}"), || lights.status().pixels == pixels);

    wait([RED, RED]);
    runtime.block_on(recorder.record(RecordingRequest::default())).unwrap();
    wait([[0, 0, 96], RED]);
    // A lost camera takes precedence over a recording.
    cam.open_fault(Some(trouble(SourceErrorKind::Absent)));
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    wait([[96, 0, 0], RED]);
    cam.open_fault(None);
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    wait([[0, 0, 96], RED]);
    runtime.block_on(recorder.end_recording()).unwrap();
    wait([RED, RED]);

    lights.stop();
    recorder.stop();
    media.stop();
    for worker in [worker, recording, writer] {
        worker.join_within(DEADLINE).unwrap();
    }
}
