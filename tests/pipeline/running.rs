//! The pipeline on a directed camera: on demand, in every fault, and back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::common::testcam::{Manner, TestCam, number_of, trouble};
use crate::common::{DEADLINE, wait_until};
use tallycam::base::Stop;
use tallycam::media::{SourceError, SourceErrorKind, Subscriber};
use tallycam::pipeline::{CameraState, CaptureOptions, HoldOutcome, Pipeline};
use tallycam::source::{Opener, Source};

fn settings() -> CaptureOptions {
    CaptureOptions {
        idle_stop: Some(Duration::ZERO),
        silent_after: Duration::from_millis(300),
        ..CaptureOptions::default()
    }
}

/// The next picture: its number, or `None` for a card.
fn next(subscriber: &mut Subscriber) -> Option<u64> {
    let picture = subscriber.next_timeout(DEADLINE).expect("no picture").expect("the hub is closed");
    let number = number_of(&picture.jpeg());
    assert_eq!(number.is_none(), picture.is_card);
    number
}

fn next_live(subscriber: &mut Subscriber) -> u64 {
    loop {
        if let Some(number) = next(subscriber) {
            return number;
        }
    }
}

#[test]
fn the_camera_is_open_only_while_needed() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    assert_eq!(run.pipeline.status().state, CameraState::Asleep);
    assert!(run.pipeline.status().is_healthy);
    for opens in 1..=3 {
        let demand = run.pipeline.demand();
        let mut subscriber = run.pipeline.hub().subscribe();
        // An idle camera leaves no old picture for the next viewer.
        assert!(next_live(&mut subscriber) > 0);
        assert_eq!((cam.opens(), cam.is_open()), (opens, true));
        drop(demand);
        wait_until("the camera is closed", || !cam.is_open());
        wait_until("the state is idle", || run.pipeline.status().state == CameraState::Asleep);
        assert!(run.pipeline.hub().newest().is_none());
    }
    assert_eq!(cam.open_at_most(), 1);
}

#[test]
fn idle_stop_never_keeps_it_open() {
    let cam = TestCam::new();
    let run = cam.pipeline(CaptureOptions { idle_stop: None, ..settings() });
    drop(run.pipeline.demand());
    let mut subscriber = run.pipeline.hub().subscribe();
    let _demand = run.pipeline.demand();
    next_live(&mut subscriber);
    drop(_demand);
    let from = cam.sequence();
    wait_until("twenty more frames came", || cam.sequence() > from + 20);
    assert_eq!((cam.is_open(), cam.opens()), (true, 1));
}

#[test]
fn every_picture_once_for_all_and_untouched() {
    let cam = TestCam::new();
    cam.manner(Manner::OnRequest);
    let run = cam.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut all: Vec<_> = (0..50).map(|_| run.pipeline.hub().subscribe()).collect();
    for n in 1..=10 {
        cam.give();
        for subscriber in &mut all {
            let picture = subscriber.next_timeout(DEADLINE).unwrap().unwrap();
            assert_eq!(picture.jpeg(), crate::common::testcam::numbered_jpeg(n, 0));
        }
    }
    let status = run.pipeline.status();
    assert_eq!((status.frames, status.pictures, status.broken, status.lost), (10, 10, 0, 0));
}

#[test]
fn each_fault_at_opening_is_shown_and_heals() {
    for kind in
        [SourceErrorKind::Busy, SourceErrorKind::Denied, SourceErrorKind::Absent, SourceErrorKind::Failed]
    {
        let cam = TestCam::new();
        cam.open_fault(Some(trouble(kind)));
        let run = cam.pipeline(CaptureOptions { failed_reads: 1, ..settings() });
        let demand = run.pipeline.demand();
        let mut viewer = run.pipeline.hub().subscribe();
        assert_eq!(next(&mut viewer), None, "a card comes first");
        let status = run.pipeline.status();
        assert_eq!(status.state, CameraState::Trouble(trouble(kind)));
        assert!(!status.is_healthy);
        // Even without viewers it is tried again, so that health can return.
        drop(demand);
        cam.open_fault(None);
        wait_until("it is healthy", || run.pipeline.status().is_healthy);
        let _demand = run.pipeline.demand();
        assert!(next_live(&mut viewer) > 0, "the same viewer sees the picture");
    }
}

#[test]
fn unplugged_silent_and_broken_cameras_come_back() {
    let faults = [
        (Manner::Fails(trouble(SourceErrorKind::Unplugged)), SourceErrorKind::Unplugged),
        (Manner::Silent, SourceErrorKind::Silent),
        (Manner::Broken(Duration::from_millis(5)), SourceErrorKind::Broken),
    ];
    for (manner, kind) in faults {
        let cam = TestCam::new();
        let run = cam.pipeline(settings());
        let _demand = run.pipeline.demand();
        let mut viewer = run.pipeline.hub().subscribe();
        next_live(&mut viewer);
        cam.manner(manner);
        while next(&mut viewer).is_some() {}
        let CameraState::Trouble(now) = run.pipeline.status().state else { panic!("it has no fault") };
        assert_eq!(now.kind, kind);
        cam.manner(Manner::Flows(Duration::from_millis(20)));
        next_live(&mut viewer);
        wait_until("it is live", || run.pipeline.status().state == CameraState::Live);
        assert_eq!(run.pipeline.status().failed_reads, 0);
        assert_eq!(cam.open_at_most(), 1);
    }
}

#[test]
fn a_client_that_waits_for_a_camera_with_broken_pictures_gets_a_card() {
    let cam = TestCam::new();
    cam.manner(Manner::Broken(Duration::from_millis(5)));
    let run = cam.pipeline(CaptureOptions { silent_after: 2 * DEADLINE, ..settings() });
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    assert_eq!(next(&mut viewer), None);
    assert_eq!(run.pipeline.status().state, CameraState::Waking);
}

#[test]
fn health_calls_no_live_camera_broken() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    let _demand = run.pipeline.demand();
    next_live(&mut run.pipeline.hub().subscribe());
    cam.manner(Manner::Broken(Duration::from_millis(5)));
    wait_until("it is unhealthy", || {
        let status = run.pipeline.status();
        assert!(status.is_healthy || matches!(status.state, CameraState::Trouble(_)), "{status:?}");
        !status.is_healthy
    });
}

#[tokio::test]
async fn a_camera_of_mostly_broken_frames_has_a_fault_and_gives_its_good_ones() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    next_live(&mut viewer);
    cam.manner(Manner::MostlyBroken(Duration::from_millis(5)));
    wait_until("it has a fault", || matches!(run.pipeline.status().state, CameraState::Trouble(_)));
    wait_until("it is unhealthy", || !run.pipeline.status().is_healthy);
    let from = run.pipeline.status().pictures;
    wait_until("pictures come again", || run.pipeline.status().pictures > from + 2);
    for _ in 0..5 {
        next_live(&mut viewer);
        let CameraState::Trouble(now) = run.pipeline.status().state else { panic!("it is called live") };
        assert_eq!(now.kind, SourceErrorKind::Broken);
        let shot = run.pipeline.snapshot(DEADLINE).await.unwrap();
        assert!(number_of(&shot.jpeg()).is_some());
    }
    assert!(!run.pipeline.status().is_healthy);
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::Started);
    cam.manner(Manner::Broken(Duration::from_millis(5)));
    while next(&mut viewer).is_some() {}
    assert!(run.pipeline.snapshot(DEADLINE).await.is_err(), "an old picture passes for a new one");
    cam.manner(Manner::Flows(Duration::from_millis(5)));
    wait_until("it is live", || run.pipeline.status().state == CameraState::Live);
}

#[test]
fn a_camera_that_returns_is_used_at_once() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Absent)));
    cam.is_there(Some(false));
    let run = cam.pipeline(settings());
    let mut states = run.pipeline.states();
    let _demand = run.pipeline.demand();
    wait_until("it has a fault", || matches!(*states.borrow_and_update(), CameraState::Trouble(_)));
    cam.open_fault(None);
    cam.is_there(Some(true));
    wait_until("it is live", || *states.borrow_and_update() == CameraState::Live);
}

#[test]
fn a_camera_replaces_a_stand_in_without_a_card() {
    let (scene, camera) = (TestCam::new(), TestCam::new());
    let run = scene.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    next_live(&mut viewer);
    scene.gives_way_to(&camera);
    while !camera.is_open() {
        assert!(next(&mut viewer).is_some(), "a card came between");
    }
    wait_until("the scene is closed", || !scene.is_open());
    let from = camera.sequence();
    wait_until("the camera's frames flow", || camera.sequence() > from + 2);
    assert!(next(&mut viewer).is_some());
    assert_eq!(run.pipeline.status().state, CameraState::Live);
    assert_eq!((scene.opens(), camera.opens(), run.pipeline.status().opens), (1, 1, 2));
}

#[tokio::test]
async fn the_end_of_a_panicking_thread_is_noticed() {
    let cam = TestCam::new();
    cam.manner(Manner::Panics);
    let run = cam.pipeline(settings());
    let mut viewer = run.pipeline.hub().subscribe();
    let _demand = run.pipeline.demand();
    run.worker().wait_ended().await;
    let end = viewer.next_timeout(DEADLINE).expect("a viewer is left waiting");
    assert!(end.is_none());
    assert!(run.pipeline.snapshot(DEADLINE).await.is_err());
    assert!(!cam.is_open());
}

/// A camera that is absent, and whose search for the device is slow.
struct SlowLook {
    looks: Sender<()>,
    goes_on: Mutex<Receiver<()>>,
}

impl Opener for SlowLook {
    fn describe(&self) -> String {
        String::from("a camera on a slow bus")
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Err(trouble(SourceErrorKind::Absent))
    }

    fn is_present(&self) -> Option<bool> {
        let _ = self.looks.send(());
        let _ = self.goes_on.lock().unwrap_or_else(PoisonError::into_inner).recv();
        Some(false)
    }
}

#[test]
fn a_search_for_the_device_delays_nobody() {
    let (looks, looked) = channel();
    let (go, goes_on) = channel();
    let camera = Box::new(SlowLook { looks, goes_on: Mutex::new(goes_on) });
    let (pipeline, worker) = Pipeline::start(camera, settings()).unwrap();
    let _demand = pipeline.demand();
    // The first search is at the beginning of the fault, the second during the wait.
    looked.recv_timeout(DEADLINE).unwrap();
    go.send(()).unwrap();
    looked.recv_timeout(DEADLINE).unwrap();
    let (answers, answered) = channel();
    std::thread::spawn({
        let pipeline = pipeline.clone();
        move || {
            let _another = pipeline.demand();
            answers.send(pipeline.status().demands)
        }
    });
    let demands = answered.recv_timeout(DEADLINE);
    drop(go);
    pipeline.stop();
    worker.join_within(DEADLINE).unwrap();
    assert_eq!(demands, Ok(2));
}

#[test]
fn an_ended_source_stays_ended_until_resumed() {
    let cam = TestCam::new();
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Ended)));
    let run = cam.pipeline(settings());
    let mut viewer = run.pipeline.hub().subscribe();
    let first = run.pipeline.demand();
    assert_eq!(next(&mut viewer), None);
    cam.manner(Manner::Flows(Duration::from_millis(5)));
    drop(first);
    let _second = run.pipeline.demand();
    assert_eq!((cam.opens(), run.pipeline.status().state.as_str()), (1, "ended"));
    run.pipeline.resume();
    next_live(&mut viewer);
}

#[tokio::test]
async fn pause_releases_the_camera_before_it_returns() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    let _demand = run.pipeline.demand();
    let mut viewer = run.pipeline.hub().subscribe();
    assert!(viewer.next().await.is_some());
    run.pipeline.pause().await;
    assert!(!cam.is_open());
    assert_eq!(run.pipeline.status().state, CameraState::Paused);
    assert!(run.pipeline.status().is_healthy);
    let no = run.pipeline.snapshot(DEADLINE).await.expect_err("a snapshot does not reopen it");
    assert!(no.card.expect("no card").is_card);
    assert_eq!((no.state, cam.is_open()), (CameraState::Paused, false));
    run.pipeline.resume();
    assert!(!run.pipeline.snapshot(DEADLINE).await.expect("no picture").is_card);
    assert!(!run.pipeline.status().is_held);
}

#[tokio::test]
async fn pausing_twice_and_pausing_an_idle_camera_return() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    run.pipeline.pause().await;
    run.pipeline.pause().await;
    assert_eq!((run.pipeline.status().state, cam.opens()), (CameraState::Paused, 0));
}

#[tokio::test]
async fn a_hold_keeps_it_open_unwatched() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::Started);
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::AlreadyRunning);
    let from = cam.sequence();
    tokio::task::spawn_blocking({
        let cam = cam.clone();
        move || wait_until("frames flow unwatched", || cam.sequence() > from + 10)
    })
    .await
    .unwrap();
    run.pipeline.pause().await;
    assert!(!cam.is_open());
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::Started, "a hold ends a pause");
    run.pipeline.resume();
    tokio::task::spawn_blocking(move || wait_until("on demand again", || !cam.is_open())).await.unwrap();
}

#[tokio::test]
async fn a_hold_that_fails_says_so_and_holds_nothing() {
    let cam = TestCam::new();
    cam.open_fault(Some(trouble(SourceErrorKind::Busy)));
    let run = cam.pipeline(settings());
    for _ in 0..2 {
        assert_eq!(run.pipeline.hold_open().await, HoldOutcome::CouldNotOpen(trouble(SourceErrorKind::Busy)));
        assert!(!run.pipeline.status().is_held);
    }
    cam.open_fault(None);
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::Started);
}

#[tokio::test]
async fn a_pause_that_is_ended_at_once_still_releases_the_camera() {
    let cam = TestCam::new().fps(5.0);
    let run = cam.pipeline(settings());
    assert_eq!(run.pipeline.hold_open().await, HoldOutcome::Started);
    let opens = cam.opens();
    let (_, held) = tokio::join!(run.pipeline.pause(), run.pipeline.hold_open());
    assert_eq!(held, HoldOutcome::Started);
    tokio::task::spawn_blocking(move || wait_until("it was opened again", || cam.opens() == opens + 1))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_pause_ends_a_hold_that_still_waits() {
    let cam = TestCam::new();
    cam.manner(Manner::Silent);
    let run = cam.pipeline(CaptureOptions { silent_after: DEADLINE, ..settings() });
    let hold = tokio::spawn({
        let pipeline = run.pipeline.clone();
        async move { pipeline.hold_open().await }
    });
    while !run.pipeline.status().is_held {
        tokio::task::yield_now().await;
    }
    run.pipeline.pause().await;
    match hold.await.unwrap() {
        HoldOutcome::CouldNotOpen(trouble) => assert_eq!(trouble.kind, SourceErrorKind::Failed),
        held => panic!("{held:?}"),
    }
    assert_eq!((run.pipeline.status().state, run.pipeline.status().is_held), (CameraState::Paused, false));
}

#[tokio::test]
async fn a_snapshot_opens_the_camera_and_lets_it_close() {
    let cam = TestCam::new();
    let run = cam.pipeline(settings());
    for opens in 1..=2 {
        assert!(!run.pipeline.snapshot(DEADLINE).await.expect("no picture").is_card);
        assert_eq!(cam.opens(), opens);
        let cam = cam.clone();
        tokio::task::spawn_blocking(move || wait_until("it sleeps", || !cam.is_open())).await.unwrap();
        wait_asleep(&run.pipeline).await;
    }
    cam.open_fault(Some(trouble(SourceErrorKind::Denied)));
    let no = run.pipeline.snapshot(DEADLINE).await.expect_err("there is no picture");
    assert_eq!(no.state, CameraState::Trouble(trouble(SourceErrorKind::Denied)));
}

async fn wait_asleep(pipeline: &tallycam::pipeline::Pipeline) {
    pipeline.states().wait_for(|state| *state == CameraState::Asleep).await.unwrap();
}

#[test]
fn the_configured_rate_is_kept() {
    let cam = TestCam::new();
    cam.manner(Manner::OnRequest);
    let run = cam.pipeline(CaptureOptions { fps: Some(0.001), ..settings() });
    let _demand = run.pipeline.demand();
    for _ in 0..20 {
        cam.give();
    }
    wait_until("all frames are taken", || run.pipeline.status().frames == 20);
    assert_eq!(run.pipeline.status().pictures, 1);
}

#[test]
fn one_broken_picture_of_few_is_no_fault() {
    let cam = TestCam::new();
    // At one frame per second the last good one is always older than a silent camera's may be.
    let run = cam.pipeline(CaptureOptions { fps: Some(1.0), ..settings() });
    let _demand = run.pipeline.demand();
    let mut states = run.pipeline.states();
    wait_until("it is live", || *states.borrow_and_update() == CameraState::Live);
    cam.manner(Manner::Broken(Duration::from_millis(20)));
    wait_until("one was broken", || run.pipeline.status().broken == 1);
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    let before = run.pipeline.status().pictures;
    wait_until("a good one came", || run.pipeline.status().pictures > before);
    assert!(!states.has_changed().unwrap(), "{:?}", run.pipeline.status().state);
}

#[test]
fn stop_ends_everything_in_every_state() {
    for manner in [Manner::Flows(Duration::from_millis(5)), Manner::Silent, Manner::OnRequest] {
        let cam = TestCam::new();
        cam.manner(manner);
        let mut run = cam.pipeline(settings());
        let _demand = run.pipeline.demand();
        let mut viewer = run.pipeline.hub().subscribe();
        wait_until("it is open", || cam.is_open());
        assert!(run.stop());
        assert!(!cam.is_open());
        // The last picture may still be available; then the end.
        assert!(viewer.next_timeout(DEADLINE).expect("the wait did not end").is_none());
    }
}
