//! Counting with a camera and a detector that the test directs: crossings, status, and a stream that is never
//! disturbed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::testcam::{Manner, Running, TestCam, trouble};
use crate::common::{DEADLINE, wait_until};
use tallycam::base::{Fault, Worker};
use tallycam::media::{SmallImage, SourceErrorKind};
use tallycam::pipeline::{
    CameraState, CaptureOptions, Counting, CountingSettings, CountingStatus, LoadedDetector,
};
use tallycam::store::{
    self, BucketSize, Counts, CountsQuery, CrossingsQuery, LineDraft, LineRow, Scene, StoreError,
    StoredCrossing,
};
use tallycam::vision::{
    Bounds, Class, CounterOptions, Detection, Detector, Direction, Filter, Labels, Point,
};

/// The detections in the nth frame since the detector began.
type Scenery = fn(u64) -> Vec<Detection>;

/// A detector that a test directs. Clones share it.
#[derive(Clone)]
struct Directed(Arc<Direct>);

struct Direct {
    labels: Labels,
    tells_classes: bool,
    scenery: Scenery,
    /// The number of the first frame that was examined; 0 before it.
    first: AtomicU64,
    looks: AtomicU64,
    made: AtomicU64,
    is_to_fail: AtomicBool,
    is_to_panic: AtomicBool,
    refusal: Mutex<Option<Fault>>,
    /// While set, every detection waits for a message.
    gate: Mutex<Option<Receiver<()>>>,
}

impl Directed {
    fn new(labels: &[&str], scenery: Scenery) -> Directed {
        Directed(Arc::new(Direct {
            labels: Labels::new(labels.to_vec()),
            tells_classes: labels != ["moving"],
            scenery,
            first: AtomicU64::new(0),
            looks: AtomicU64::new(0),
            made: AtomicU64::new(0),
            is_to_fail: AtomicBool::new(false),
            is_to_panic: AtomicBool::new(false),
            refusal: Mutex::new(None),
            gate: Mutex::new(None),
        }))
    }

    fn looks(&self) -> u64 {
        self.0.looks.load(Ordering::SeqCst)
    }

    fn made(&self) -> u64 {
        self.0.made.load(Ordering::SeqCst)
    }

    fn make(&self) -> Result<LoadedDetector, Fault> {
        if let Some(refusal) = self.0.refusal.lock().unwrap().clone() {
            return Err(refusal);
        }
        self.0.made.fetch_add(1, Ordering::SeqCst);
        self.0.first.store(0, Ordering::SeqCst);
        Ok(LoadedDetector { detector: Box::new(self.clone()), backend: "replay", notes: Vec::new() })
    }
}

impl Detector for Directed {
    fn name(&self) -> &str {
        "the directed one"
    }

    fn labels(&self) -> &Labels {
        &self.0.labels
    }

    fn has_classes(&self) -> bool {
        self.0.tells_classes
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        (width / 2, height / 2)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        found.clear();
        assert_eq!((image.width, image.height, image.of), (32, 24, (64, 48)), "reduced as it was asked");
        if let Some(gate) = &*self.0.gate.lock().unwrap() {
            let _ = gate.recv();
        }
        self.0.looks.fetch_add(1, Ordering::SeqCst);
        if self.0.is_to_panic.swap(false, Ordering::SeqCst) {
            panic!("the test wants it so");
        }
        if self.0.is_to_fail.load(Ordering::SeqCst) {
            return Err(Fault::wrong("the model the directed one failed: the test wants it so"));
        }
        let _ = self.0.first.compare_exchange(0, image.sequence, Ordering::SeqCst, Ordering::SeqCst);
        *found = (self.0.scenery)(image.sequence - self.0.first.load(Ordering::SeqCst));
        Ok(())
    }
}

fn person(x: f32) -> Detection {
    Detection { class: Class(0), score: 0.9, bounds: Bounds::centered_at(Point::new(x, 0.5), 0.1, 0.3) }
}

/// One person comes from the right, crosses the middle once, and stays.
fn once(frame: u64) -> Vec<Detection> {
    let gone = (frame as f32 - 20.0).clamp(0.0, 60.0) / 60.0;
    vec![person(0.8 - 0.6 * gone)]
}

/// One person goes to and fro over the middle.
fn to_and_fro(frame: u64) -> Vec<Detection> {
    let round = (frame % 120) as f32 / 60.0;
    vec![person(0.2 + 0.6 * (1.0 - round).abs())]
}

/// One person stands left of the middle.
fn stands(_: u64) -> Vec<Detection> {
    vec![person(0.3)]
}

/// The camera, counts.db and counting, stopped in order when dropped.
struct Bench {
    cam: TestCam,
    detector: Directed,
    run: Running,
    counting: Counting,
    workers: Vec<Worker>,
    counts_db: Option<(Counts, Worker)>,
    _folder: tempfile::TempDir,
}

fn settings() -> CountingSettings {
    CountingSettings {
        is_on: true,
        // At least every picture of the camera.
        fps: Some(60.0),
        classes: Vec::new(),
        score: None,
        region: None,
        filter: Default::default(),
        scene: Scene::Camera,
        may_be_simulated: false,
        thumbnails: false,
        movement_map: false,
        counts_only: false,
    }
}

impl Bench {
    fn new(cam: TestCam, detector: Directed) -> Bench {
        Bench::with(cam, detector, settings())
    }

    fn with(cam: TestCam, detector: Directed, settings: CountingSettings) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let counts_db = Counts::open(store::CountsOptions {
            directory: folder.path().to_owned(),
            camera: String::from("door"),
            zone: jiff::tz::TimeZone::UTC,
            day_starts: 0,
        });
        Bench::of(cam, detector, settings, counts_db, folder)
    }

    fn of(
        cam: TestCam,
        detector: Directed,
        settings: CountingSettings,
        counts_db: Result<(Counts, Worker), StoreError>,
        folder: tempfile::TempDir,
    ) -> Bench {
        let run = cam.pipeline(CaptureOptions {
            idle_stop: Some(Duration::ZERO),
            silent_after: Duration::from_millis(500),
            ..CaptureOptions::default()
        });
        let (counts, counts_db) = match counts_db {
            Ok((counts, writer)) => (Ok(counts.clone()), Some((counts, writer))),
            Err(error) => (Err(error), None),
        };
        let make = Box::new({
            let detector = detector.clone();
            move |_: Scene, _: Option<&str>| detector.make()
        });
        let (counting, workers) = Counting::start(&run.pipeline, counts, make, settings).unwrap();
        Bench { cam, detector, run, counting, workers, counts_db, _folder: folder }
    }

    fn counts(&self) -> &Counts {
        self.counting.counts().unwrap()
    }

    /// Draws a line upwards through the middle: to the left is in.
    fn draw(&self, name: &str, classes: &[&str]) -> LineRow {
        self.draw_in(Scene::Camera, name, classes)
    }

    fn draw_in(&self, scene: Scene, name: &str, classes: &[&str]) -> LineRow {
        let draft = LineDraft {
            classes: classes.iter().map(|&class| class.to_owned()).collect(),
            ..LineDraft::new(name, [0.5, 1.0], [0.5, 0.0])
        };
        wait_for(self.counts().add_line(scene, draft)).unwrap()
    }

    fn status(&self) -> CountingStatus {
        self.counting.status()
    }

    #[track_caller]
    fn wait_for_word(&self, word: &str) {
        let mut last = String::new();
        wait_until(&format!("the word is {word}"), || {
            let status = self.status();
            if last != format!("{}: {}", status.state, status.reason) {
                last = format!("{}: {}", status.state, status.reason);
                println!("{last}");
            }
            status.state == word
        });
    }

    #[track_caller]
    fn wait_for_looks(&self, more: u64) {
        let from = self.detector.looks();
        wait_until("it has looked", || self.detector.looks() >= from + more);
    }

    /// The stored crossings, oldest first.
    fn crossings(&self) -> Vec<StoredCrossing> {
        let query = CrossingsQuery {
            scene: Some(Scene::Camera),
            from_us: None,
            to_us: None,
            lines: Vec::new(),
            classes: Vec::new(),
            direction: None,
            after: None,
            oldest_first: true,
            limit: 1000,
        };
        self.counts().reader().unwrap().crossings(&query).unwrap()
    }

    fn gaps(&self) -> Vec<String> {
        self.gaps_of(&[])
    }

    /// The same for these lines.
    fn gaps_of(&self, lines: &[u64]) -> Vec<String> {
        let reader = self.counts().reader().unwrap();
        let now_us = tallycam::base::clock::wall_us();
        let gaps =
            reader.gaps_of_lines(Scene::Camera, lines, now_us - 3_600_000_000, now_us + 60_000_000).unwrap();
        gaps.into_iter().map(|gap| gap.why).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A detection that waits for a message would wait for ever.
        *self.detector.0.gate.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = None;
        self.run.stop();
        self.counting.stop();
        for worker in self.workers.drain(..) {
            worker.join_within(DEADLINE).unwrap();
        }
        if let Some((counts, writer)) = self.counts_db.take() {
            counts.stop();
            writer.join_within(DEADLINE).unwrap();
        }
    }
}

fn wait_for<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(what)
}

#[test]
fn a_crossing_is_counted_once_and_stored() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person", "car"], once));
    let line = bench.draw("door", &["person"]);
    wait_until("the crossing is stored", || !bench.crossings().is_empty());
    bench.wait_for_looks(40);
    let found = bench.crossings();
    let [crossing] = &found[..] else { panic!("{found:?}") };
    assert_eq!((crossing.line_id, &*crossing.line, &*crossing.class), (line.id, "door", "person"));
    assert_eq!((crossing.direction, crossing.ordinal, crossing.track), (Direction::In, 1, 1));
    assert!(!crossing.has_thumbnail);
    assert_eq!(bench.counting.since_start(), (1, 0), "from the daemon's start, without a request");
    let status = bench.status();
    assert_eq!((status.state, status.reason.as_str(), status.backend), ("counting", "", "replay"));
    assert_eq!(status.labels, ["person", "car"]);
    assert!(status.tells_classes && status.holds_camera && status.detections > 0 && status.detection_s > 0.0);
    let overlay = bench.counting.overlay().borrow().clone();
    assert_eq!(overlay.size, (64, 48));
    // On a busy machine the person may have been lost and found again, under another number.
    assert_eq!(&*overlay.tracks[0].class, "person");
}

#[test]
fn a_line_that_can_count_nothing_has_a_gap_and_no_zero_while_another_counts() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person", "car"], once));
    let door = bench.draw("door", &["person"]).id;
    let (dogs, cars) = (bench.draw("dogs", &["dog"]).id, bench.draw("cars", &["car"]).id);
    bench.wait_for_word("counting");
    let is_without_class = |line: u64| bench.gaps_of(&[line]).iter().any(|why| why == "no_class");
    let covered = |line: u64| {
        let now_us = tallycam::base::clock::wall_us();
        let query = CountsQuery {
            scene: Scene::Camera,
            from_us: now_us - 60_000_000,
            to_us: now_us,
            bucket: BucketSize::Total,
            lines: vec![line],
            classes: Vec::new(),
            hours: None,
        };
        bench.counts().reader().unwrap().counts(&query).unwrap()[0].covered
    };
    wait_until("two are covered", || covered(door) > 0.0 && covered(cars) > 0.0);
    wait_until("the third has its gap", || is_without_class(dogs));
    assert_eq!(covered(dogs), 0.0);
    assert!(!is_without_class(door) && !is_without_class(cars));
    // Classes that the settings leave out are not counted either.
    let settings = CountingSettings { classes: vec![String::from("person")], ..settings() };
    wait_for(bench.counting.set_settings(settings, None)).unwrap();
    wait_until("counts.db has it", || is_without_class(cars));
    assert!(!is_without_class(door));
    let notes = bench.status().notes;
    assert!(
        notes.contains(&"line “cars” counts nothing: `detect.classes` leaves out “car”.".to_owned()),
        "{notes:?}"
    );
}

#[test]
fn the_camera_is_open_exactly_while_something_is_to_be_counted() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.wait_for_word("idle");
    assert_eq!(bench.cam.opens(), 0);
    let line = bench.draw("door", &[]);
    bench.wait_for_word("counting");
    assert!(bench.cam.is_open());
    wait_for(bench.counts().delete_line(line.id, None)).unwrap();
    bench.wait_for_word("idle");
    wait_until("the camera is closed", || !bench.cam.is_open());
    assert!(bench.counting.overlay().borrow().tracks.is_empty(), "nothing is seen any more");
    assert_eq!(bench.run.pipeline.status().demands, 0);
}

#[test]
fn the_configured_scene_is_reported_from_the_first_request_on() {
    // Whether the thread begins late is chance, so it is tried several times.
    for _ in 0..10 {
        let settings = CountingSettings { scene: Scene::Files, ..settings() };
        let bench = Bench::with(TestCam::new(), Directed::new(&["person"], stands), settings);
        assert_eq!(bench.counts().scene(), Scene::Files);
    }
}

#[test]
fn a_line_in_a_stand_in_scene_opens_the_camera_to_find_the_scene() {
    let settings = CountingSettings { may_be_simulated: true, ..settings() };
    let bench = Bench::with(TestCam::new().simulated(), Directed::new(&["person"], stands), settings.clone());
    // Before any viewer, as after a restart.
    bench.draw_in(Scene::Sim, "street", &[]);
    bench.wait_for_word("counting");
    assert_eq!(bench.counts().scene(), Scene::Sim);
    // If it is a camera, it is closed again, because its scene has no line.
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], stands), settings);
    bench.wait_for_word("idle");
    assert_eq!(bench.cam.opens(), 0);
    bench.draw_in(Scene::Sim, "street", &[]);
    wait_until("the scene is known", || bench.cam.opens() == 1 && !bench.cam.is_open());
    bench.wait_for_word("idle");
    assert_eq!(bench.counts().scene(), Scene::Camera);
}

#[test]
fn a_line_drawn_before_the_scene_is_known_belongs_to_the_scene_that_appears() {
    let settings = CountingSettings { may_be_simulated: true, ..settings() };
    for (cam, want) in [(TestCam::new().simulated(), Scene::Sim), (TestCam::new(), Scene::Camera)] {
        let bench = Bench::with(cam, Directed::new(&["person"], stands), settings.clone());
        assert_eq!(wait_for(bench.counting.scene(DEADLINE)).unwrap(), want);
        assert_eq!(bench.cam.opens(), 1);
    }
    // The scene is unknown while the camera is paused.
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], stands), settings);
    wait_for(bench.run.pipeline.pause());
    assert!(wait_for(bench.counting.scene(DEADLINE)).is_err());
}

#[test]
fn a_paused_camera_counts_nothing_until_it_is_resumed() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    wait_for(bench.run.pipeline.pause());
    bench.wait_for_word("waiting");
    assert!(!bench.cam.is_open());
    wait_until("the pause is stored", || bench.gaps().iter().any(|why| why == "paused"));
    bench.run.pipeline.resume();
    bench.wait_for_word("counting");
}

#[test]
fn a_detector_that_hangs_does_not_slow_the_stream() {
    let detector = Directed::new(&["person"], stands);
    let (go, gate): (Sender<()>, _) = channel();
    *detector.0.gate.lock().unwrap() = Some(gate);
    let bench = Bench::new(TestCam::new(), detector);
    bench.draw("door", &[]);
    wait_until("it is made", || bench.detector.made() == 1);
    let mut viewer = bench.run.pipeline.hub().subscribe();
    let mut numbers = Vec::new();
    while numbers.len() < 60 {
        numbers.push(viewer.next_timeout(DEADLINE).unwrap().unwrap().sequence);
    }
    assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(bench.detector.looks(), 0, "it hung the whole time");
    assert_ne!(bench.status().state, "counting");
    // One detection at a time, each on a newer picture: the pictures between are skipped.
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    wait_until("it has looked thrice", || bench.detector.looks() == 3);
    drop(go);
}

#[test]
fn a_lost_camera_ends_the_coverage_until_it_is_back() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    bench.cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    bench.wait_for_word("waiting");
    assert!(bench.status().reason.contains("The camera has gone"), "{:?}", bench.status());
    wait_until("the gap is stored", || bench.gaps().iter().any(|why| why == "unplugged"));
    assert!(bench.counting.overlay().borrow().tracks.is_empty());
    bench.cam.manner(Manner::Flows(Duration::from_millis(20)));
    bench.wait_for_word("counting");
    // No object is tracked from one opening of the camera into the next.
    wait_until("a new track is shown", || bench.counting.overlay().borrow().tracks.iter().any(|t| t.id > 1));
}

#[test]
fn a_silent_camera_ends_the_coverage_before_its_timeout() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    bench.cam.manner(Manner::Silent);
    bench.wait_for_word("waiting");
}

#[test]
fn a_line_drawn_while_it_runs_counts_at_once() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], to_and_fro));
    bench.draw("first", &[]);
    wait_until("the first line counts", || !bench.crossings().is_empty());
    let second = bench.draw("second", &[]);
    wait_until("the second line counts", || bench.crossings().iter().any(|c| c.line_id == second.id));
    assert_eq!(bench.detector.made(), 1);
    // Both are at the same place, so they count alike from now on.
    let of = |id| bench.crossings().iter().filter(|c| c.line_id == id).count();
    let from = of(second.id);
    wait_until("it counts on", || of(second.id) >= from + 2);
}

#[test]
fn classes_unknown_to_the_detector_are_reported() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], to_and_fro));
    bench.draw("dogs", &["dog"]);
    bench.wait_for_word("fault");
    bench.wait_for_looks(60);
    assert!(bench.status().notes[0].contains("“dog”"), "{:?}", bench.status().notes);
    assert!(bench.crossings().is_empty());
    bench.draw("both", &["dog", "person"]);
    bench.wait_for_word("counting");
    wait_until("the other class is counted", || !bench.crossings().is_empty());
    assert_eq!(bench.status().notes.len(), 2);
    assert!(bench.crossings().iter().all(|crossing| &*crossing.line == "both"));
}

#[test]
fn impossible_lines_of_the_file_are_reported() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    let drawn = bench.draw("door", &[]);
    let of_the_file = (drawn.draft, String::from("config.toml:7"));
    assert!(bench.counts().pin(vec![of_the_file.clone()], Vec::new()).is_err());
    wait_until("it is said", || {
        bench.status().notes.iter().any(|note| note.contains("line \"door\" of config"))
    });
    bench.wait_for_word("counting");
    wait_for(bench.counts().delete_line(drawn.id, None)).unwrap();
    assert_eq!(bench.counts().lines().borrow()[0].pinned, Some(of_the_file.1), "its name is free now");
    wait_until("it is well", || bench.status().notes.is_empty());
}

#[test]
fn a_hold_counts_on_the_middle_while_no_line_is_drawn() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], to_and_fro));
    bench.wait_for_word("idle");
    bench.counting.force_on();
    bench.wait_for_word("counting");
    wait_until("both ways are counted", || {
        let (count_in, count_out) = bench.counting.since_start();
        count_in > 0 && count_out > 0
    });
    let (count_in, count_out) = bench.counting.since_start();
    assert!(count_in.abs_diff(count_out) <= 1);
    assert!(bench.crossings().is_empty(), "it is not stored");
    bench.counting.release();
    bench.wait_for_word("idle");
    let kept = bench.counting.since_start();
    assert!(kept.0 >= count_in && kept.1 >= count_out, "the counts stay after the stop");
    bench.counting.force_on();
    assert_eq!(bench.counting.since_start(), (0, 0), "and from zero again");
}

#[test]
fn a_hold_counts_only_persons_if_the_model_distinguishes_classes() {
    fn car(frame: u64) -> Vec<Detection> {
        to_and_fro(frame).into_iter().map(|seen| Detection { class: Class(1), ..seen }).collect()
    }
    let bench = Bench::new(TestCam::new(), Directed::new(&["person", "car"], car));
    bench.draw("street", &[]);
    bench.counting.force_on();
    wait_until("cars are stored", || bench.crossings().len() >= 2);
    assert_eq!(bench.counting.since_start(), (0, 0));

    let bench = Bench::new(TestCam::new(), Directed::new(&["moving"], to_and_fro));
    bench.counting.force_on();
    wait_until("moving objects are counted", || bench.counting.since_start().0 > 0);
}

#[test]
fn an_unusable_model_is_reported_and_another_can_be_chosen() {
    let detector = Directed::new(&["person"], stands);
    let refusal = Fault::wrong("there is no such model").hint("choose another one");
    *detector.0.refusal.lock().unwrap() = Some(refusal.clone());
    let bench = Bench::new(TestCam::new(), detector);
    bench.draw("door", &[]);
    bench.wait_for_word("fault");
    let status = bench.status();
    assert_eq!(status.reason, "there is no such model.");
    assert_eq!(status.hint.as_deref(), Some("choose another one"));
    wait_until("the stream flows", || bench.run.pipeline.status().pictures > 20);
    wait_until("the gap is stored", || bench.gaps().iter().any(|why| why == "no_model"));
    let chosen = wait_for(bench.counting.use_model(Some(String::from("better"))));
    assert_eq!(chosen, Err(refusal));
    assert_eq!(bench.counts().setting("detect.model"), None);
    *bench.detector.0.refusal.lock().unwrap() = None;
    wait_for(bench.counting.use_model(Some(String::from("better")))).unwrap();
    assert_eq!(bench.counts().setting("detect.model").as_deref(), Some("better"));
    bench.wait_for_word("counting");
    assert_eq!(bench.detector.made(), 1);
}

#[test]
fn a_repaired_model_is_used_automatically() {
    let detector = Directed::new(&["person"], stands);
    let refusal = Fault::wrong("its file is damaged");
    *detector.0.refusal.lock().unwrap() = Some(refusal);
    let bench = Bench::new(TestCam::new(), detector);
    bench.draw("door", &[]);
    bench.wait_for_word("fault");
    wait_until("the gap is stored", || bench.gaps().iter().any(|why| why == "no_model"));
    *bench.detector.0.refusal.lock().unwrap() = None;
    bench.wait_for_word("counting");
    // The trial itself has made no gaps.
    assert_eq!(bench.gaps().iter().filter(|why| *why == "no_model").count(), 1);
}

#[test]
fn a_failing_detector_stops_counting_and_may_recover() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    bench.detector.0.is_to_fail.store(true, Ordering::SeqCst);
    bench.wait_for_word("fault");
    wait_until("the gap is stored", || bench.gaps().iter().any(|why| why == "detector"));
    assert!(bench.status().failed > 0);
    let notes = bench.status().notes;
    assert!(notes.iter().any(|note| note.contains(" detections failed: ")), "{notes:?}");
    bench.detector.0.is_to_fail.store(false, Ordering::SeqCst);
    bench.wait_for_word("counting");
    assert_eq!(bench.detector.made(), 1);
}

#[test]
fn a_panicking_detector_is_replaced_and_no_track_number_is_reused() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], to_and_fro));
    bench.draw("door", &[]);
    wait_until("a person has crossed", || bench.crossings().len() == 1);
    let before = bench.crossings()[0].track;
    bench.detector.0.is_to_panic.store(true, Ordering::SeqCst);
    bench.wait_for_word("fault");
    bench.wait_for_word("counting");
    assert_eq!(bench.detector.made(), 2);
    wait_until("a person crosses again", || bench.crossings().last().unwrap().track != before);
    assert!(bench.crossings().last().unwrap().track > before);
    assert_eq!(bench.run.pipeline.status().state, CameraState::Live);
}

#[test]
fn a_stand_in_is_another_scene_and_yields_to_the_camera() {
    let stand_in = TestCam::new().simulated();
    let bench = Bench::new(stand_in.clone(), Directed::new(&["person"], to_and_fro));
    // Drawn where the camera should be: counting waits for the camera.
    bench.draw("door", &[]);
    wait_until("the stand-in is open", || bench.status().scene == Scene::Sim);
    // The scene has its own line, which counts.
    bench.wait_for_word("counting");
    wait_until("the stand-in's tracks are shown", || !bench.counting.overlay().borrow().tracks.is_empty());
    let highest = bench.counting.overlay().borrow().tracks.iter().map(|track| track.id).max().unwrap();
    assert!(bench.crossings().is_empty(), "none of it belongs to the camera");
    stand_in.gives_way_to(&TestCam::new());
    wait_until("the camera has come", || bench.status().scene == Scene::Camera);
    wait_until("somebody crosses", || !bench.crossings().is_empty());
    assert!(bench.crossings().iter().all(|crossing| crossing.track > highest));
}

#[test]
fn without_a_counts_db_pictures_flow_and_the_status_says_why() {
    let refused = StoreError::file("counts.db".as_ref(), "the disk is full", None);
    let folder = tempfile::tempdir().unwrap();
    let detector = Directed::new(&["person"], to_and_fro);
    let bench = Bench::of(TestCam::new(), detector, settings(), Err(refused), folder);
    bench.wait_for_word("fault");
    assert!(bench.status().reason.contains("the disk is full"), "{:?}", bench.status());
    assert!(bench.counting.counts().is_err());
    assert!(wait_for(bench.run.pipeline.snapshot(DEADLINE)).is_ok());
    // The old programs' counts need no counts.db.
    bench.counting.force_on();
    wait_until("it counts", || bench.counting.since_start().0 > 0);
}

#[test]
fn counting_can_be_switched_off() {
    let settings = CountingSettings { is_on: false, ..settings() };
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], to_and_fro), settings);
    bench.draw("door", &[]);
    bench.counting.force_on();
    bench.wait_for_word("off");
    let _viewer = bench.run.pipeline.demand();
    wait_until("the stream flows", || bench.run.pipeline.status().pictures > 20);
    assert_eq!((bench.detector.made(), bench.counting.since_start()), (0, (0, 0)));
    assert!(wait_for(bench.counting.use_model(None)).is_err());
}

#[test]
fn objects_outside_the_size_limits_are_not_tracked() {
    // The person is 0.3 of the picture high.
    let filters = [
        Filter { least_height: 0.4, ..Filter::default() },
        Filter { most_height: Some(0.2), ..Filter::default() },
    ];
    for filter in filters {
        let settings = CountingSettings { filter, ..settings() };
        let bench = Bench::with(TestCam::new(), Directed::new(&["person"], to_and_fro), settings.clone());
        bench.draw("door", &[]);
        bench.wait_for_word("counting");
        bench.wait_for_looks(60);
        assert!(bench.crossings().is_empty(), "{settings:?}");
        assert!(bench.counting.overlay().borrow().tracks.is_empty(), "{settings:?}");
        // Admitted while it runs.
        let wider = CountingSettings { filter: Filter::default(), ..settings };
        wait_for(bench.counting.set_settings(wider, None)).unwrap();
        wait_until("the crossing is stored", || !bench.crossings().is_empty());
    }
    let nobody = Filter { least_height: 0.5, most_height: Some(0.4), ..Filter::default() };
    let settings = CountingSettings { filter: nobody, ..settings() };
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], to_and_fro), settings);
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    assert!(bench.status().notes.iter().any(|note| note.contains("nothing is followed")));
}

#[test]
fn thumbnails_are_stored_if_the_settings_say_so() {
    let wanted = CountingSettings { thumbnails: true, ..settings() };
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], once), wanted.clone());
    bench.draw("door", &[]);
    wait_until("the crossing is stored", || !bench.crossings().is_empty());
    let crossing = &bench.crossings()[0];
    assert!(crossing.has_thumbnail);
    let jpeg = bench.counts().reader().unwrap().thumbnail(crossing.id).unwrap().unwrap();
    let found = tallycam::media::jpeg::inspect(&jpeg).unwrap();
    assert!(found.width <= 160 && found.height <= 160 && found.height > found.width / 2);
    // In privacy mode no thumbnails are stored, whatever else is set.
    let private = CountingSettings { counts_only: true, ..wanted };
    let bench = Bench::with(TestCam::new(), Directed::new(&["person"], once), private);
    bench.draw("door", &[]);
    wait_until("the crossing is stored", || !bench.crossings().is_empty());
    assert!(!bench.crossings()[0].has_thumbnail);
}

/// The luma of a grey or colour JPEG, and its width.
fn luma(jpeg: &[u8]) -> (Vec<u8>, usize) {
    let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::GRAY).unwrap();
    (image.pixels, image.width)
}

#[test]
fn pictures_are_annotated_while_somebody_watches_and_only_then() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    bench.draw("door", &[]);
    bench.wait_for_word("counting");
    bench.wait_for_looks(10);
    assert!(bench.counting.annotated().newest().is_none(), "nobody watches");
    let watching = bench.counting.annotate();
    let mut viewer = bench.counting.annotated().subscribe();
    let mut clean = bench.run.pipeline.hub().subscribe();
    wait_until("a track is shown", || !bench.counting.overlay().borrow().tracks.is_empty());
    let mut next = || viewer.next_timeout(DEADLINE).unwrap().unwrap();
    let (first, later) = (next(), next());
    assert!(later.sequence > first.sequence && !later.is_card);
    let (annotated, width) = luma(&later.jpeg());
    let (original, _) = luma(&clean.next_timeout(DEADLINE).unwrap().unwrap().jpeg());
    // All pictures of the camera are the same except for their number. The box is 0.25–0.35 × 0.35–0.65.
    let differs = |x: usize, y: usize| annotated[y * width + x].abs_diff(original[y * width + x]) > 40;
    let around = |x0: usize, x1: usize, y0: usize, y1: usize| {
        (y0..y1).flat_map(|y| (x0..x1).map(move |x| (x, y))).filter(|&(x, y)| differs(x, y)).count()
    };
    assert!(around(14, 25, 15, 33) > 20, "the box is drawn");
    assert_eq!(around(0, 8, 38, 48), 0, "and nothing is drawn elsewhere");
    drop(watching);
    wait_until("nothing is drawn without a viewer", || bench.counting.annotated().newest().is_none());
}

#[test]
fn a_viewer_of_annotated_pictures_opens_the_camera_and_sees_its_cards() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    assert!(!bench.cam.is_open());
    let watching = bench.counting.annotate();
    let mut viewer = bench.counting.annotated().subscribe();
    let picture = viewer.next_timeout(DEADLINE).unwrap().unwrap();
    assert!(!picture.is_card);
    // Boxes are shown before the first line is drawn, to show whether the camera is well placed.
    wait_until("a track is shown", || !bench.counting.overlay().borrow().tracks.is_empty());
    assert_eq!(bench.status().state, "idle");
    bench.cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    while !viewer.next_timeout(DEADLINE).unwrap().unwrap().is_card {}
    drop(watching);
}

#[test]
fn the_editors_still_is_a_live_picture() {
    let bench = Bench::new(TestCam::new(), Directed::new(&["person"], stands));
    let still = wait_for(bench.counting.still_picture(DEADLINE)).unwrap();
    assert_eq!((still.width, still.height, still.is_card), (64, 48, false));
}
