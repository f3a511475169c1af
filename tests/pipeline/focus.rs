//! A focus sweep on the simulation, and changes of the lens during the sweep.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::DEADLINE;
use crate::common::testcam::{Running, trouble};
use tallycam::base::Stop;
use tallycam::config::LensKind;
use tallycam::media::{Control, ControlValue, Frame, SourceError, SourceErrorKind};
use tallycam::pipeline::focus::{CANCELLED, Focus, FocusSettings, LensAfterSweep, Move, SweepEnd};
use tallycam::pipeline::{CaptureOptions, Pipeline, SavedControls, WantedControls};
use tallycam::source::sim::SimOpener;
use tallycam::source::{FormatRequest, Opener, Source, StreamFormat};

const PLACE: &str = "focus_absolute";
const AUTO: &str = "focus_automatic_continuous";

/// The simulation. On request its controls can no longer be set. It logs the positions of its lens.
struct Scene {
    scene: SimOpener,
    is_gone: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<i64>>>,
    identity: Arc<Mutex<String>>,
}

struct OpenScene {
    scene: Box<dyn Source>,
    is_gone: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<i64>>>,
    identity: Arc<Mutex<String>>,
}

impl Opener for Scene {
    fn describe(&self) -> String {
        self.scene.describe()
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let scene = self.scene.open(stop)?;
        let (is_gone, sent) = (Arc::clone(&self.is_gone), Arc::clone(&self.sent));
        Ok(Box::new(OpenScene { scene, is_gone, sent, identity: Arc::clone(&self.identity) }))
    }

    fn identity(&mut self) -> Option<String> {
        (!self.is_gone.load(Ordering::SeqCst)).then(|| self.identity.lock().unwrap().clone())
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.scene.controls()
    }
}

impl Source for OpenScene {
    fn source_info(&self) -> &StreamFormat {
        self.scene.source_info()
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        self.scene.next(wait)
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.lock().unwrap().clone())
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.scene.controls()
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        if self.is_gone.load(Ordering::SeqCst) {
            return Err(trouble(SourceErrorKind::Unplugged));
        }
        if wanted.name == PLACE {
            self.sent.lock().unwrap().push(wanted.value as i64);
        }
        self.scene.set_control(wanted)
    }
}

/// A pipeline on the scene, with a saved lens position of 30.
struct Bench {
    run: Running,
    focus: Focus,
    is_gone: Arc<AtomicBool>,
    sent: Arc<Mutex<Vec<i64>>>,
    identity: Arc<Mutex<String>>,
}

impl Bench {
    fn new() -> Bench {
        let wanted = FormatRequest { width: Some(320), height: Some(180), ..FormatRequest::ANYTHING };
        let is_gone = Arc::new(AtomicBool::new(false));
        let sent = Arc::default();
        let identity = Arc::new(Mutex::new(String::from("sim")));
        let scene = SimOpener::new(1, wanted, true);
        let (gone, places) = (Arc::clone(&is_gone), Arc::clone(&sent));
        let scene = Scene { scene, is_gone: gone, sent: places, identity: Arc::clone(&identity) };
        let (pipeline, worker) = Pipeline::start(Box::new(scene), CaptureOptions::default()).unwrap();
        pipeline.set_saved_controls(saved(&[(AUTO, 0), (PLACE, 30)]));
        let focus = Focus::new(pipeline.clone(), FocusSettings::default());
        Bench { run: Running::of(pipeline, worker), focus, is_gone, sent, identity }
    }

    fn pipeline(&self) -> &Pipeline {
        &self.run.pipeline
    }

    /// Runs a sweep that `meanwhile` ends. `meanwhile` starts after two positions. Returns how the sweep ended.
    async fn swept(&self, meanwhile: impl Future<Output = ()>) -> SweepEnd {
        let mut sweeping = self.focus.start_sweep(LensKind::Auto).await.unwrap();
        let begun = async {
            while self.focus.status(LensKind::Auto).await.sweep.is_some_and(|(done, _)| done < 2) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(self.is_sweeping().await, "it has ended by itself");
            meanwhile.await;
        };
        // The sweep runs until it is dropped.
        let run = async move { sweeping.run().await };
        let swept = async { tokio::join!(run, begun).0 };
        let found = tokio::time::timeout(DEADLINE, swept).await.expect("the sweep did not end");
        assert_eq!(found, None, "it has found something");
        self.focus.status(LensKind::Auto).await.ended.unwrap()
    }

    async fn is_sweeping(&self) -> bool {
        self.focus.status(LensKind::Auto).await.sweep.is_some()
    }

    async fn set(&self, name: &str, value: i64) {
        let wanted = ControlValue { name: name.to_owned(), value: value as f64 };
        let identity = self.pipeline().controls().await.unwrap().identity;
        let wanted = WantedControls { identity, values: vec![wanted] };
        self.pipeline().set_controls(wanted).await.unwrap();
    }

    /// Autofocus, and the position of the lens.
    async fn stands(&self) -> (i64, i64) {
        let controls = self.pipeline().controls().await.unwrap().controls;
        let value = |name: &str| controls.iter().find(|control| control.name == name).unwrap().value as i64;
        (value(AUTO), value(PLACE))
    }
}

fn saved(values: &[(&str, i64)]) -> SavedControls {
    let values = values.iter().map(|&(name, value)| (name.to_owned(), value as f64)).collect();
    SavedControls { cameras: BTreeMap::from([(String::from("sim"), values)]), ..SavedControls::default() }
}

fn ended(lens: LensAfterSweep) -> SweepEnd {
    SweepEnd::NotFound { why: CANCELLED.into(), lens }
}

#[tokio::test]
async fn setting_a_control_of_the_lens_ends_a_sweep_and_takes_effect() {
    let bench = Bench::new();
    let end = bench.swept(async {
        bench.set("brightness", 3).await;
        assert!(bench.is_sweeping().await, "another control does not end the sweep");
        bench.set(PLACE, 190).await;
        assert!(!bench.is_sweeping().await);
    });
    assert_eq!(end.await, ended(LensAfterSweep::Sent));
    assert_eq!(bench.stands().await, (0, 190));
}

#[tokio::test]
async fn another_saved_value_of_the_lens_ends_a_sweep_and_the_lens_goes_there() {
    let bench = Bench::new();
    for (later, stands) in [
        (saved(&[(AUTO, 0), (PLACE, 190), ("brightness", 3)]), (0, Some(190))),
        // No longer saved: the camera's own value applies.
        (saved(&[("brightness", 3)]), (1, None)),
    ] {
        let end = bench.swept(async {
            bench.pipeline().set_saved_controls(later.clone());
            // For another camera.
            bench.pipeline().set_saved_controls(SavedControls {
                cameras: later.cameras.into_iter().chain([(String::from("cam"), BTreeMap::new())]).collect(),
                ..SavedControls::default()
            });
        });
        assert_eq!(end.await, ended(LensAfterSweep::Sent));
        let (auto, place) = bench.stands().await;
        assert_eq!((auto, stands.1.map(|_| place)), stands);
    }
}

#[tokio::test]
async fn saving_the_present_position_of_the_lens_ends_a_sweep_too() {
    let bench = Bench::new();
    bench.set(PLACE, 50).await;
    let end = bench.swept(async { bench.pipeline().set_saved_controls(saved(&[(AUTO, 0), (PLACE, 50)])) });
    assert_eq!(end.await, ended(LensAfterSweep::Sent));
    assert_eq!(bench.stands().await, (0, 50));
}

#[tokio::test]
async fn a_sweep_is_under_way_until_its_result_is_stored() {
    let bench = Bench::new();
    let mut sweeping = bench.focus.start_sweep(LensKind::Auto).await.unwrap();
    let found = tokio::time::timeout(DEADLINE, sweeping.run()).await.expect("the sweep did not end");
    let planned = found.expect("it is found");
    let set = bench.set(PLACE, 10);
    let keep = async {
        // Long enough for a caller that does not wait.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let swept = bench.stands().await.1;
        bench.pipeline().set_saved_controls(saved(&[(AUTO, 0), (PLACE, swept)]));
        assert!(
            planned.change.values.contains(&ControlValue { name: PLACE.to_owned(), value: swept as f64 })
        );
        drop(sweeping);
    };
    tokio::join!(set, keep);
    assert_eq!(bench.stands().await, (0, 10), "the later word holds");
}

#[tokio::test]
async fn saved_values_of_other_controls_do_not_end_a_sweep() {
    let bench = Bench::new();
    let end = bench.swept(async {
        bench.pipeline().set_saved_controls(saved(&[(AUTO, 0), (PLACE, 30), ("brightness", 3)]));
        assert!(bench.is_sweeping().await);
        assert!(bench.focus.cancel_sweep().await);
    });
    assert_eq!(end.await, ended(LensAfterSweep::Back));
    assert_eq!(bench.stands().await, (0, 30));
}

#[tokio::test]
async fn a_step_during_a_sweep_starts_from_the_former_position() {
    let bench = Bench::new();
    let end = bench.swept(async {
        let planned = bench.focus.plan(LensKind::Auto, Move::By(0.05)).await.unwrap();
        assert!(
            planned.before.contains(&ControlValue { name: PLACE.to_owned(), value: 30.0 }),
            "{planned:?}"
        );
        assert!(bench.is_sweeping().await, "nothing has moved the lens yet");
        bench.focus.set(planned.controls()).await.unwrap();
    });
    assert_eq!(end.await, ended(LensAfterSweep::Sent));
    assert_eq!(bench.stands().await, (0, 40));
    // Not first back to its place, and then away again.
    let sent = bench.sent.lock().unwrap().clone();
    assert_eq!(sent.iter().filter(|at| **at == 30).count(), 1, "{sent:?}");
}

#[tokio::test]
async fn a_lens_that_cannot_be_moved_back_is_not_reported_at_its_former_position() {
    let bench = Bench::new();
    let end = bench.swept(async { bench.is_gone.store(true, Ordering::SeqCst) }).await;
    let SweepEnd::NotFound { lens: LensAfterSweep::Astray, .. } = &end else {
        panic!("{end:?}");
    };
    let text = end.describe();
    assert!(text.starts_with("The sweep came to no end: "), "{text}");
    assert!(text.ends_with("The lens could not be brought back to where it was."), "{text}");
}

#[tokio::test]
async fn a_sweep_leaves_the_lens_of_another_camera_alone() {
    let bench = Bench::new();
    let end = bench.swept(async { *bench.identity.lock().unwrap() = String::from("another") }).await;
    let SweepEnd::NotFound { why, lens: LensAfterSweep::Other } = &end else {
        panic!("{end:?}");
    };
    assert_eq!(why, "The sweep came to no end: another camera is there now.");
    // Saved for the camera that is gone, and sent before the sweep.
    let sent = bench.sent.lock().unwrap().clone();
    assert_eq!(sent.iter().filter(|at| **at == 30).count(), 1, "{sent:?}");
    // Moves now apply to this camera.
    let planned = bench.focus.plan(LensKind::Auto, Move::By(0.05)).await.unwrap();
    assert_eq!(planned.identity.as_deref(), Some("another"));
}
