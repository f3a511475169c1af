//! Changes of the source and its settings while pictures flow: viewers stay, and a source without pictures is rolled
//! back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::common::testcam::{LARGER, Manner, TestCam, number_of, trouble};
use crate::common::{DEADLINE, wait_until};
use tallycam::base::Stop;
use tallycam::media::{
    CameraFormat, Control, ControlKind, ControlValue, Fourcc, Frame, SourceError, SourceErrorKind, Subscriber,
};
use tallycam::pipeline::{
    CameraControls, CameraState, CaptureOptions, ControlsError, Pipeline, WantedControls,
};
use tallycam::source::sim::SimOpener;
use tallycam::source::{FormatRequest, Opener, Source, StreamFormat};

fn settings() -> CaptureOptions {
    CaptureOptions {
        idle_stop: Some(Duration::ZERO),
        silent_after: Duration::from_millis(100),
        ..CaptureOptions::default()
    }
}

/// A camera that must give its first picture soon.
fn camera() -> TestCam {
    TestCam::new().first_within(Duration::from_millis(100))
}

/// The next picture, which must not be a card.
fn next_live(subscriber: &mut Subscriber) {
    let picture = subscriber.next_timeout(DEADLINE).expect("no picture").expect("the hub is closed");
    assert!(number_of(&picture.jpeg()).is_some(), "a card came between");
}

#[tokio::test]
async fn another_source_takes_over_and_viewers_stay() {
    let (old, new) = (camera(), camera());
    let run = old.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    next_live(&mut viewer);
    run.pipeline.replace_source(Box::new(new.clone())).await.unwrap();
    assert!(new.is_open() && !old.is_open());
    next_live(&mut viewer);
    assert_eq!(run.pipeline.status().state, CameraState::Live);
    assert_eq!((old.opens(), new.opens(), run.pipeline.status().opens), (1, 1, 2));
}

#[tokio::test]
async fn a_source_without_pictures_is_rolled_back_with_the_reason() {
    let old = camera();
    let run = old.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    next_live(&mut viewer);
    let absent = camera();
    absent.open_fault(Some(trouble(SourceErrorKind::Absent)));
    let with = |manner| {
        let cam = camera();
        cam.manner(manner);
        cam
    };
    let unplugged = with(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    let silent = with(Manner::Silent);
    let broken = with(Manner::Broken(Duration::from_millis(5)));
    let wrong = [
        (absent, SourceErrorKind::Absent),
        (unplugged, SourceErrorKind::Unplugged),
        (silent, SourceErrorKind::Silent),
        (broken, SourceErrorKind::Broken),
    ];
    for (n, (cam, kind)) in wrong.into_iter().enumerate() {
        let error = run.pipeline.replace_source(Box::new(cam.clone())).await.unwrap_err();
        assert_eq!(error.kind, kind);
        wait_until("the old one is open", || old.opens() == n as u64 + 2);
        next_live(&mut viewer);
        assert!(!cam.is_open());
        assert_eq!(
            (run.pipeline.status().state, run.pipeline.status().is_healthy),
            (CameraState::Live, true)
        );
    }
}

#[tokio::test]
async fn an_idle_camera_is_opened_for_one_picture() {
    let (old, new, dead) = (camera(), camera(), camera());
    dead.manner(Manner::Silent);
    let run = old.pipeline(CaptureOptions { idle_stop: None, ..settings() });
    let mut states = run.pipeline.states();
    let error = run.pipeline.replace_source(Box::new(dead.clone())).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Silent);
    wait_until("it sleeps", || *states.borrow_and_update() == CameraState::Asleep);
    run.pipeline.replace_source(Box::new(new.clone())).await.unwrap();
    wait_until("it is idle again", || !new.is_open() && *states.borrow_and_update() == CameraState::Asleep);
    assert_eq!((old.opens(), dead.opens(), new.opens()), (0, 1, 1));
    assert!(run.pipeline.hub().newest().is_none());
}

#[tokio::test]
async fn a_camera_that_never_idles_is_open_again_after_a_trial_and_a_largest_picture() {
    let (old, dead) = (camera().with_larger(), camera());
    dead.manner(Manner::Silent);
    let run = old.pipeline(CaptureOptions { idle_stop: None, ..settings() });
    let demand = run.pipeline.demand();
    wait_until("it is live", || run.pipeline.status().state == CameraState::Live);
    // Nobody watches, and it still stays open.
    drop(demand);
    let error = run.pipeline.replace_source(Box::new(dead.clone())).await.unwrap_err();
    assert_eq!(error.kind, SourceErrorKind::Silent);
    wait_until("it is open again", || old.opens() == 2 && run.pipeline.status().state == CameraState::Live);
    assert_eq!(run.pipeline.largest_picture(DEADLINE).await.unwrap().width, LARGER.0);
    wait_until("it is open as it was", || old.opens() == 4 && old.is_open());
    // An idle camera stays idle.
    run.pipeline.pause().await;
    run.pipeline.resume();
    run.pipeline.replace_source(Box::new(dead.clone())).await.unwrap_err();
    wait_until("it sleeps", || run.pipeline.status().state == CameraState::Asleep);
    assert_eq!((old.opens(), dead.opens()), (4, 2));
}

#[tokio::test]
async fn a_paused_camera_stays_closed() {
    let (old, new) = (camera(), camera());
    let run = old.pipeline(settings());
    run.pipeline.pause().await;
    run.pipeline.replace_source(Box::new(new.clone())).await.unwrap();
    assert_eq!((run.pipeline.status().state, new.opens()), (CameraState::Paused, 0));
    run.pipeline.resume();
    let _demand = run.pipeline.demand();
    wait_until("the new one is open", || new.is_open());
    assert_eq!(old.opens(), 0);
}

/// A camera with a gain control. It counts its openings and searches.
#[derive(Clone)]
struct Watched {
    cam: TestCam,
    gain: Arc<AtomicI64>,
    looks: Arc<AtomicU64>,
}

impl Watched {
    fn new() -> Watched {
        Watched { cam: camera(), gain: Arc::new(AtomicI64::new(1)), looks: Arc::default() }
    }

    fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    fn all(&self) -> Vec<Control> {
        let value = self.gain.load(Ordering::Relaxed) as f64;
        let control = Control::new(1, "gain", "Gain", ControlKind::integer(0, 100, 1));
        vec![Control { default: 1.0, value, ..control }]
    }
}

impl Opener for Watched {
    fn describe(&self) -> String {
        self.cam.describe()
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.look();
        Ok(Box::new(WatchedSource { source: self.cam.open(stop)?, watched: self.clone() }))
    }

    fn identity(&mut self) -> Option<String> {
        self.look();
        Some(String::from("watched"))
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        self.look();
        Ok(self.all())
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        self.look();
        let description = String::from("Motion-JPEG");
        Ok(vec![CameraFormat { fourcc: Fourcc::MJPG, description, modes: Vec::new(), steps: None }])
    }
}

struct WatchedSource {
    source: Box<dyn Source>,
    watched: Watched,
}

impl Source for WatchedSource {
    fn source_info(&self) -> &StreamFormat {
        self.source.source_info()
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        self.source.next(wait)
    }

    fn identity(&self) -> Option<String> {
        Some(String::from("watched"))
    }

    fn controls(&mut self) -> Result<Vec<Control>, SourceError> {
        Ok(self.watched.all())
    }

    fn set_control(&mut self, wanted: &ControlValue) -> Result<f64, SourceError> {
        self.watched.gain.store(wanted.value as i64, Ordering::Relaxed);
        Ok(wanted.value)
    }
}

fn gain(value: i64) -> WantedControls {
    let values = vec![ControlValue { name: String::from("gain"), value: value as f64 }];
    WantedControls { identity: Some(String::from("watched")), values }
}

fn gain_of(controls: Result<CameraControls, ControlsError>) -> i64 {
    controls.unwrap().controls[0].value as i64
}

#[tokio::test]
async fn controls_meant_for_another_camera_are_not_set() {
    let cam = Watched::new();
    let (pipeline, worker) = Pipeline::start(Box::new(cam.clone()), settings()).unwrap();
    let of_another =
        || WantedControls { identity: Some(String::from("the one before")), values: gain(3).values };
    let is_refused = |set: Result<CameraControls, ControlsError>| {
        matches!(set, Err(ControlsError::OtherCamera)) && cam.gain.load(Ordering::Relaxed) == 1
    };
    // First closed, then open.
    assert!(is_refused(pipeline.set_controls(of_another()).await));
    assert!(is_refused(pipeline.reset_controls(of_another()).await));
    let _demand = pipeline.demand();
    wait_until("it is live", || pipeline.status().state == CameraState::Live);
    assert!(is_refused(pipeline.set_controls(of_another()).await));
    assert!(is_refused(pipeline.reset_controls(of_another()).await));
    assert_eq!(gain_of(pipeline.set_controls(gain(3)).await), 3);
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
}

/// Asserts that every request about a paused camera is answered with "paused".
async fn says_that_it_is_paused(pipeline: &Pipeline) {
    for refused in [
        pipeline.controls().await.err(),
        pipeline.recent_controls().await.err(),
        pipeline.set_controls(gain(3)).await.err(),
        pipeline.formats().await.err(),
    ] {
        let Some(ControlsError::Camera(trouble)) = refused else { panic!("{refused:?}") };
        assert!(trouble.what.contains("is paused"), "{trouble}");
    }
}

#[tokio::test]
async fn a_paused_camera_is_never_searched_for() {
    let cam = Watched::new();
    let (pipeline, worker) = Pipeline::start(Box::new(cam.clone()), settings()).unwrap();
    // Nobody has asked for its controls yet: they are read before the pause begins.
    pipeline.pause().await;
    let looks = cam.looks();
    assert_eq!(gain_of(pipeline.controls().await), 1);
    assert_eq!(gain_of(pipeline.recent_controls().await), 1);
    assert_eq!(gain_of(pipeline.set_controls(gain(3)).await), 3);
    assert_eq!((cam.looks(), cam.gain.load(Ordering::Relaxed)), (looks, 1));

    // The values read while it was open are reported. Values set during the pause apply from the next open on.
    pipeline.resume();
    let demand = pipeline.demand();
    wait_until("it is live", || pipeline.status().state == CameraState::Live);
    assert_eq!(gain_of(pipeline.set_controls(gain(5)).await), 5);
    let formats = pipeline.formats().await.unwrap();
    pipeline.pause().await;
    let looks = cam.looks();
    assert_eq!(gain_of(pipeline.controls().await), 5);
    assert_eq!(gain_of(pipeline.recent_controls().await), 5);
    assert_eq!(pipeline.formats().await.unwrap(), formats);
    assert_eq!(gain_of(pipeline.set_controls(gain(7)).await), 7);
    assert!(matches!(pipeline.set_controls(gain(101)).await, Err(ControlsError::Wrong(_))));
    assert_eq!(gain_of(pipeline.controls().await), 7);
    assert_eq!((cam.looks(), cam.gain.load(Ordering::Relaxed)), (looks, 5));
    pipeline.resume();
    wait_until("it is set", || cam.gain.load(Ordering::Relaxed) == 7);

    // The same for values read from a closed camera.
    drop(demand);
    wait_until("it sleeps", || pipeline.status().state == CameraState::Asleep);
    assert_eq!(gain_of(pipeline.controls().await), 7);
    pipeline.pause().await;
    let looks = cam.looks();
    assert_eq!(gain_of(pipeline.controls().await), 7);
    assert_eq!(pipeline.formats().await.unwrap(), formats);

    // Another camera has no known values.
    let other = Watched::new();
    pipeline.replace_source(Box::new(other.clone())).await.unwrap();
    says_that_it_is_paused(&pipeline).await;
    assert_eq!((cam.looks(), other.looks()), (looks, 0));
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
}

#[tokio::test]
async fn a_faulty_camera_is_replaced_and_another_faulty_one_changes_nothing() {
    let (old, worse, new) = (camera(), camera(), camera());
    old.open_fault(Some(trouble(SourceErrorKind::Busy)));
    worse.open_fault(Some(trouble(SourceErrorKind::Denied)));
    let run = old.pipeline(settings());
    let _demand = run.pipeline.demand();
    let busy = CameraState::Trouble(trouble(SourceErrorKind::Busy));
    wait_until("it has a fault", || run.pipeline.status().state == busy);
    let error = run.pipeline.replace_source(Box::new(worse)).await.unwrap_err();
    assert_eq!((error.kind, run.pipeline.status().state), (SourceErrorKind::Denied, busy));
    run.pipeline.replace_source(Box::new(new)).await.unwrap();
    wait_until("it is live", || run.pipeline.status().state == CameraState::Live);
}

#[tokio::test]
async fn a_cancelled_replacement_changes_nothing() {
    let (old, new) = (camera(), camera().first_within(DEADLINE));
    new.manner(Manner::OnRequest);
    let run = old.pipeline(settings());
    let _demand = run.pipeline.demand();
    let gone = run.pipeline.replace_source(Box::new(new.clone()));
    assert!(tokio::time::timeout(Duration::from_millis(50), gone).await.is_err());
    wait_until("it is tried", || new.is_open());
    let before = old.opens();
    new.give();
    wait_until("the old one is open again", || old.opens() > before && !new.is_open());
}

#[tokio::test]
async fn two_at_once_are_tried_one_after_the_other() {
    let (old, one, other) = (camera(), camera(), camera());
    let run = old.pipeline(settings());
    let replace = |cam: &TestCam| run.pipeline.replace_source(Box::new(cam.clone()));
    // The camera is idle; both requests wait when the thread wakes up.
    let both = async { tokio::join!(replace(&one), replace(&other)) };
    let (first, second) = tokio::time::timeout(DEADLINE, both).await.unwrap();
    first.unwrap();
    second.unwrap();
    assert_eq!((one.opens(), other.opens()), (1, 1));
}

#[tokio::test]
async fn a_pause_ends_a_trial() {
    let (old, new) = (camera(), camera().first_within(DEADLINE));
    new.manner(Manner::Silent);
    let run = old.pipeline(settings());
    let _demand = run.pipeline.demand();
    let pipeline = run.pipeline.clone();
    let trial = tokio::spawn({
        let new = new.clone();
        async move { pipeline.replace_source(Box::new(new)).await }
    });
    while !new.is_open() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    run.pipeline.pause().await;
    let error = trial.await.unwrap().unwrap_err();
    assert!(error.what.contains("let go before"), "{error}");
    run.pipeline.resume();
    wait_until("the old one is open", || old.is_open());
}

#[tokio::test]
async fn settings_apply_from_the_next_frame_on() {
    let cam = camera();
    let run = cam.pipeline(CaptureOptions { idle_stop: None, ..settings() });
    let mut viewer = run.pipeline.hub().subscribe();
    let demand = run.pipeline.demand();
    next_live(&mut viewer);
    run.pipeline.set_settings(CaptureOptions { idle_stop: None, fps: Some(0.01), ..settings() });
    // One frame may still be under way, and the first one at the new rate passes.
    let from = cam.sequence();
    wait_until("ten frames later", || cam.sequence() > from + 10);
    let pictures = run.pipeline.status().pictures;
    let from = cam.sequence();
    wait_until("ten more", || cam.sequence() > from + 10);
    assert_eq!(run.pipeline.status().pictures, pictures);
    drop(demand);
    run.pipeline.set_settings(settings());
    wait_until("it is closed", || !cam.is_open());
}

#[tokio::test]
async fn another_quality_applies_to_a_camera_that_was_idle() {
    let wanted = FormatRequest { width: Some(320), height: Some(240), ..FormatRequest::ANYTHING };
    let scene = Box::new(SimOpener::new(1, wanted, true));
    let usual = CaptureOptions { quality: 95, idle_stop: Some(Duration::ZERO), ..CaptureOptions::default() };
    let (pipeline, worker) = Pipeline::start(scene, usual.clone()).unwrap();
    let fine = pipeline.snapshot(DEADLINE).await.unwrap().jpeg_len();
    wait_until("it sleeps", || pipeline.status().state == CameraState::Asleep);
    pipeline.set_settings(CaptureOptions { quality: 10, ..usual.clone() });
    let coarse = pipeline.snapshot(DEADLINE).await.unwrap().jpeg_len();
    assert!(2 * coarse < fine, "{coarse} of {fine} bytes");
    let _demand = pipeline.demand();
    pipeline.snapshot(DEADLINE).await.unwrap();
    pipeline.set_settings(usual);
    wait_until("it is fine again while it is open", || {
        pipeline.hub().newest().is_some_and(|picture| 2 * coarse < picture.jpeg_len())
    });
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
}

/// A camera whose `open` ends only on the stop flag.
struct Slow;

impl Opener for Slow {
    fn describe(&self) -> String {
        String::from("a slow camera")
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        stop.sleep(2 * DEADLINE);
        Err(trouble(SourceErrorKind::Failed))
    }
}

/// A camera that is slow to report its formats and controls.
struct Talkative(TestCam);

impl Opener for Talkative {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.0.open(stop)
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        std::thread::sleep(Duration::from_millis(5));
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn pictures_flow_during_many_requests() {
    let (pipeline, worker) = Pipeline::start(Box::new(Talkative(camera())), settings()).unwrap();
    let ask = |pipeline: Pipeline| async move {
        loop {
            pipeline.formats().await.unwrap();
        }
    };
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        asking.spawn(ask(pipeline.clone()));
    }
    // First idle, then open.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _demand = pipeline.demand();
    let mut viewer = pipeline.hub().subscribe();
    for _ in 0..3 {
        let picture = tokio::time::timeout(DEADLINE, viewer.next()).await.unwrap();
        assert!(picture.is_some());
    }
    asking.shutdown().await;
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
}

/// A camera that opens slowly, and records a request for its formats.
struct Asked(Arc<AtomicBool>, Arc<AtomicBool>);

impl Opener for Asked {
    fn describe(&self) -> String {
        String::from("a camera that is asked")
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        while !self.0.load(Ordering::Relaxed) && !stop.sleep(Duration::from_millis(2)) {}
        Err(trouble(SourceErrorKind::Failed))
    }

    fn formats(&mut self) -> Result<Vec<CameraFormat>, SourceError> {
        self.1.store(true, Ordering::Relaxed);
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn cancelled_requests_are_not_carried_out() {
    let (may_go_on, was_asked) = (Arc::default(), Arc::default());
    let opener = Asked(Arc::clone(&may_go_on), Arc::clone(&was_asked));
    let (pipeline, worker) = Pipeline::start(Box::new(opener), settings()).unwrap();
    let _demand = pipeline.demand();
    wait_until("it is being opened", || pipeline.status().state == CameraState::Waking);
    assert!(tokio::time::timeout(Duration::from_millis(1), pipeline.formats()).await.is_err());
    may_go_on.store(true, Ordering::Relaxed);
    // Later requests are carried out later.
    pipeline.controls().await.unwrap();
    assert!(!was_asked.load(Ordering::Relaxed));
    pipeline.formats().await.unwrap();
    assert!(was_asked.load(Ordering::Relaxed));
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
}

#[tokio::test]
async fn waiting_requests_are_limited_and_all_learn_of_the_end() {
    let (pipeline, worker) = Pipeline::start(Box::new(Slow), settings()).unwrap();
    let _demand = pipeline.demand();
    wait_until("it is being opened", || pipeline.status().state == CameraState::Waking);
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..17 {
        let pipeline = pipeline.clone();
        waiting.spawn(async move { pipeline.controls().await });
    }
    assert_eq!(waiting.join_next().await.unwrap().unwrap(), Err(ControlsError::Busy));
    pipeline.stop();
    while let Some(answer) = waiting.join_next().await {
        assert_eq!(answer.unwrap(), Err(ControlsError::Ending));
    }
    assert_eq!(pipeline.formats().await, Err(ControlsError::Ending));
    worker.join_within(DEADLINE).unwrap();
}
