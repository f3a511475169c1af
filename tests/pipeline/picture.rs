//! Changes of the picture: for everyone, live and without disconnecting anybody; for single viewers, once for equal
//! views; and their effect on counting, recordings and the old switches.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use crate::common::client::Client;
use crate::common::daemon::Daemon;
use crate::common::served::{Served, serve_run};
use crate::common::testcam::Running;
use crate::common::{DEADLINE, wait_until};
use tallycam::base::{ClockTime, Fault, Stop, Worker};
use tallycam::encode::Encoder;
use tallycam::http::{self, Server};
use tallycam::media::{Fourcc, Frame, SmallImage, SourceError, View, jpeg};
use tallycam::pipeline::recording::{PictureChange, RecordingRequest, SnapshotRequest, Which};
use tallycam::pipeline::{
    CaptureOptions, Counting, CountingSettings, LoadedDetector, Pipeline, RecorderHandle, RecorderSettings,
    Views,
};
use tallycam::source::{Opener, Source, StreamFormat};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tallycam::store::{self, Counts, LineDraft, Scene};
use tallycam::vision::{Bounds, Class, CounterOptions, Detection, Detector, Labels, Point};

const WIDTH: usize = 128;
const HEIGHT: usize = 64;

/// A camera whose picture has a bright, blue upper left quarter. Clones share it.
#[derive(Clone)]
pub struct Scenery {
    shared: Arc<(Mutex<State>, Condvar)>,
    fourcc: Fourcc,
    data: Arc<Vec<u8>>,
}

struct State {
    /// Frames still to be given; `None` gives one every 10 ms.
    due: Option<u64>,
    sequence: u64,
}

impl Scenery {
    pub fn yuyv() -> Scenery {
        let mut data = Vec::new();
        for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
            let is_bright = x < WIDTH / 2 && y < HEIGHT / 2;
            data.push(if is_bright { 200 } else { 50 });
            data.push(if is_bright && x % 2 == 0 { 200 } else { 128 });
        }
        let state = State { due: None, sequence: 0 };
        Scenery {
            shared: Arc::new((Mutex::new(state), Condvar::new())),
            fourcc: Fourcc::YUYV,
            data: Arc::new(data),
        }
    }

    pub fn mjpg() -> Scenery {
        let raw = Scenery::yuyv();
        let frame = raw.frame(Fourcc::YUYV, &raw.data, 1);
        let jpeg = Encoder::new(95).unwrap().encode(&frame).unwrap().jpeg();
        Scenery { fourcc: Fourcc::MJPG, data: Arc::new(jpeg.to_vec()), ..raw }
    }

    /// Gives frames only on request.
    pub fn on_request(self) -> Scenery {
        self.shared.0.lock().unwrap().due = Some(0);
        self
    }

    pub fn give(&self) {
        let mut state = self.shared.0.lock().unwrap();
        state.due = Some(state.due.unwrap_or(0) + 1);
        self.shared.1.notify_all();
    }

    fn frame<'a>(&self, fourcc: Fourcc, data: &'a [u8], sequence: u64) -> Frame<'a> {
        let (width, height) = (WIDTH as u32, HEIGHT as u32);
        Frame {
            fourcc,
            width,
            height,
            stride: 2 * width,
            data,
            second: None,
            stamp: ClockTime::now(),
            sequence,
        }
    }

    fn run(&self) -> (Pipeline, Worker) {
        let settings =
            CaptureOptions { silent_after: Duration::from_secs(3600), ..CaptureOptions::default() };
        Pipeline::start(Box::new(self.clone()), settings).unwrap()
    }
}

impl Opener for Scenery {
    fn describe(&self) -> String {
        String::from("the scenery")
    }

    fn open(&mut self, _: &Stop) -> Result<Box<dyn Source>, SourceError> {
        let delivers = StreamFormat {
            name: String::from("Scenery"),
            fourcc: self.fourcc,
            width: WIDTH as u32,
            height: HEIGHT as u32,
            fps: None,
            notes: Vec::new(),
            is_simulated: false,
        };
        Ok(Box::new(Open { scenery: self.clone(), delivers }))
    }
}

struct Open {
    scenery: Scenery,
    delivers: StreamFormat,
}

impl Source for Open {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let (state, changed) = &*self.scenery.shared;
        let mut state = state.lock().unwrap();
        if state.due.is_none() {
            drop(state);
            std::thread::sleep(Duration::from_millis(10));
            state = self.scenery.shared.0.lock().unwrap();
        } else {
            state = changed.wait_timeout_while(state, wait, |state| state.due == Some(0)).unwrap().0;
            match state.due.as_mut() {
                Some(0) => return Ok(None),
                Some(due) => *due -= 1,
                None => {}
            }
        }
        state.sequence += 1;
        let sequence = state.sequence;
        drop(state);
        Ok(Some(self.scenery.frame(self.scenery.fourcc, &self.scenery.data, sequence)))
    }
}

/// The server on a scenery, with views.
struct Bench {
    scenery: Scenery,
    served: Served,
    views: Views,
    worker: Option<Worker>,
}

impl Bench {
    fn new(scenery: Scenery) -> Bench {
        Bench::with(scenery, |server| server)
    }

    fn with(scenery: Scenery, more: impl FnOnce(Server) -> Server) -> Bench {
        let (pipeline, capture) = scenery.run();
        let (views, worker) = Views::start(&pipeline).unwrap();
        let served = serve_run(Running::of(pipeline, capture), None, |pipeline| {
            more(Server::new(http::ServerSettings::default(), pipeline, None).with_views(views.clone()))
        });
        Bench { scenery, served, views, worker: Some(worker) }
    }

    fn pipeline(&self) -> &Pipeline {
        &self.served.run.pipeline
    }

    /// The value of the first line of `/metrics` with this prefix.
    fn metric(&self, begin: &str) -> u64 {
        let answer = self.served.get("/metrics");
        let line = answer.text().lines().find(|line| line.starts_with(begin)).map(str::to_owned);
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("no {begin}"))
    }

    fn made(&self) -> u64 {
        self.metric("tallycam_pictures_changed_total{camera=\"camera\",for=\"views\"}")
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.served.stop();
        self.served.join();
        self.views.stop();
        self.worker.take().unwrap().join_within(DEADLINE).unwrap();
    }
}

pub fn size(jpeg: &[u8]) -> (u32, u32) {
    let found = jpeg::inspect(jpeg).unwrap();
    (found.width, found.height)
}

/// True if it has colour, and the quarter of the picture that is bright: left or right, upper or lower.
pub fn look(jpeg: &[u8]) -> (bool, &'static str) {
    let image = turbojpeg::decompress(jpeg, turbojpeg::PixelFormat::GRAY).unwrap();
    let at = |x: usize, y: usize| image.pixels[image.height * y / 4 * image.pitch + image.width * x / 4];
    let words = [("upper left", 1, 1), ("upper right", 3, 1), ("lower left", 1, 3), ("lower right", 3, 3)];
    let bright: Vec<&str> =
        words.iter().filter(|(_, x, y)| at(*x, *y) > 125).map(|(word, ..)| *word).collect();
    let word = match bright[..] {
        [one] => one,
        [] => "nowhere",
        _ => "everywhere",
    };
    (jpeg::inspect(jpeg).unwrap().components == 3, word)
}

/// The viewer's next picture for which `is_so` holds; those before it may be older.
#[track_caller]
fn until(viewer: &mut Client, what: &str, mut is_so: impl FnMut(&[u8]) -> bool) -> Vec<u8> {
    for _ in 0..1000 {
        let jpeg = viewer.part().expect("the stream was cut");
        if is_so(&jpeg) {
            return jpeg;
        }
    }
    panic!("no picture is {what}")
}

#[test]
fn everyone_sees_a_change_in_the_next_pictures_and_stays_connected() {
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let is_jpeg = scenery.fourcc == Fourcc::MJPG;
        let bench = Bench::new(scenery);
        let mut viewer = bench.served.watch("/stream");
        let plain = viewer.part().unwrap();
        assert_eq!((size(&plain), look(&plain)), ((128, 64), (true, "upper left")));
        for (view, is_size, looks) in [
            (View { rotate: 90, ..View::default() }, (64, 128), (true, "upper right")),
            (View { gray: true, flip: true, ..View::default() }, (128, 64), (false, "lower left")),
            (View { eighths: 4, mirror: true, ..View::default() }, (64, 32), (true, "upper right")),
            (View { crop: Some([0.0, 0.0, 0.5, 0.5]), ..View::default() }, (64, 32), (true, "everywhere")),
        ] {
            bench.pipeline().set_view(view.clone());
            until(&mut viewer, "changed", |jpeg| (size(jpeg), look(jpeg)) == (is_size, looks));
            let snapshot = bench.served.get("/snapshot");
            assert_eq!((size(&snapshot.body), look(&snapshot.body)), (is_size, looks), "{view:?}");
            let original = bench.served.get("/state").json();
            assert_eq!(
                (original["width"].as_u64(), original["height"].as_u64()),
                (Some(is_size.0.into()), Some(is_size.1.into()))
            );
        }
        bench.pipeline().set_view(View { text: Some(String::from("door")), ..View::default() });
        until(&mut viewer, "written into", |jpeg| size(jpeg) == (128, 64) && jpeg != plain);
        bench.pipeline().set_view(View::default());
        until(&mut viewer, "plain again", |jpeg| jpeg == plain);
        if is_jpeg {
            assert_eq!(plain, *bench.scenery.data, "the camera's own bytes");
        }
    }
}

#[test]
fn pictures_without_viewers_are_not_changed() {
    let scenery = Scenery::mjpg();
    let (pipeline, worker) = scenery.run();
    let run = Running::of(pipeline, worker);
    let pipeline = &run.pipeline;
    pipeline.set_view(View { gray: true, rotate: 90, ..View::default() });
    let _demand = pipeline.demand();
    let mut originals = pipeline.originals().subscribe();
    for _ in 0..10 {
        let original = originals.next_timeout(DEADLINE).unwrap().unwrap();
        assert_eq!(original.jpeg()[..], scenery.data[..]);
    }
    assert_eq!(pipeline.status().changed, 0);
    assert_eq!(pipeline.status().size, Some((64, 128)));
    // A new subscriber gets the newest one at once, changed.
    let mut shown = pipeline.hub().subscribe();
    let picture = shown.next_timeout(DEADLINE).unwrap().unwrap();
    assert_eq!(look(&picture.jpeg()), (false, "upper right"));
    assert!(pipeline.status().changed >= 1);
    drop(shown);
    wait_until("nothing is changed any more", || {
        let before = pipeline.status();
        let _ = originals.next_timeout(DEADLINE);
        let _ = originals.next_timeout(DEADLINE);
        pipeline.status().changed == before.changed
    });
    wait_until("no new viewer gets an old one", || pipeline.hub().newest().is_none());
}

#[test]
fn a_slow_cameras_newest_picture_is_changed_for_a_new_viewer() {
    let scenery = Scenery::mjpg().on_request();
    let bench = Bench::new(scenery);
    bench.pipeline().set_view(View { gray: true, ..View::default() });
    let mut originals = bench.pipeline().originals().subscribe();
    let _demand = bench.pipeline().demand();
    bench.scenery.give();
    originals.next_timeout(DEADLINE).unwrap().unwrap();
    // No other frame comes.
    let part = bench.served.watch("/stream").part().unwrap();
    assert_eq!(look(&part), (false, "upper left"));
}

#[test]
fn a_new_viewer_sees_no_picture_from_before_a_change() {
    let crop = View { crop: Some([0.5, 0.5, 0.5, 0.5]), ..View::default() };
    let bench = Bench::new(Scenery::mjpg().on_request());
    let _demand = bench.pipeline().demand();
    bench.scenery.give();
    let mut viewer = bench.served.watch("/stream");
    assert_eq!(viewer.part().unwrap(), *bench.scenery.data);
    // No other frame comes, and the hidden part is no longer shown to existing viewers either.
    for (view, is) in [
        (crop.clone(), ((64, 32), (true, "nowhere"))),
        (View { gray: true, ..View::default() }, ((128, 64), (false, "upper left"))),
        (View::default(), ((128, 64), (true, "upper left"))),
        (crop, ((64, 32), (true, "nowhere"))),
    ] {
        bench.pipeline().set_view(view);
        for jpeg in [
            bench.served.get("/snapshot").body,
            bench.served.watch("/stream").part().unwrap(),
            viewer.part().unwrap(),
        ] {
            assert_eq!((size(&jpeg), look(&jpeg)), is);
        }
        let size = bench.pipeline().status().size;
        assert_eq!(size, Some(is.0));
    }
    // A card is no picture of the camera, and stays.
    assert_eq!(bench.served.post("/api/v1/pause").status, 200);
    let card = || bench.pipeline().hub().newest().filter(|newest| newest.is_card);
    wait_until("there is a card", || card().is_some());
    let before = card().unwrap().jpeg();
    bench.pipeline().set_view(View::default());
    assert_eq!(card().map(|card| card.jpeg()), Some(before));
}

#[tokio::test]
async fn a_picture_in_progress_during_a_change_is_not_shown_in_the_old_view() {
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let (pipeline, worker) = scenery.run();
        let run = Running::of(pipeline, worker);
        let _demand = run.pipeline.demand();
        run.pipeline.snapshot(DEADLINE).await.unwrap();
        for n in 0..100 {
            let rotate = if n % 2 == 0 { 90 } else { 0 };
            run.pipeline.set_view(View { rotate, ..View::default() });
            let picture = run.pipeline.snapshot(DEADLINE).await.unwrap();
            let is = if rotate == 90 { (64, 128) } else { (128, 64) };
            assert_eq!((picture.width, picture.height), is, "{n}");
            // At varying times within a frame.
            tokio::time::sleep(Duration::from_micros(n * 97 % 10_000)).await;
        }
    }
}

#[test]
fn a_view_is_made_once_for_all_its_viewers_and_only_while_there_are_any() {
    let bench = Bench::new(Scenery::mjpg().on_request());
    let path = "/stream?gray=1&scale=1/2&rotate=90&mirror=1";
    let mut first = bench.served.watch(path);
    let mut second = bench.served.watch(path);
    let mut other = bench.served.watch("/live?flip=1&_=123");
    let mut plain = bench.served.watch("/stream.mjpg");
    bench.scenery.give();
    for viewer in [&mut first, &mut second] {
        let jpeg = viewer.part().unwrap();
        assert_eq!((size(&jpeg), look(&jpeg)), ((32, 64), (false, "upper left")));
    }
    assert_eq!(look(&other.part().unwrap()), (true, "lower left"));
    assert_eq!(plain.part().unwrap(), *bench.scenery.data, "others see the camera's own bytes");
    assert_eq!((bench.views.count(), bench.metric("tallycam_views{")), (2, 2));
    let before = bench.made();
    for n in 1..=5 {
        bench.scenery.give();
        wait_until("the frame was changed", || bench.made() >= before + 2 * n);
    }
    assert_eq!(bench.made(), before + 10, "once for each view, for all viewers");
    assert_eq!(bench.metric("tallycam_pictures_changed_total{camera=\"camera\",for=\"all\"}"), 0);
    drop((first, second, other));
    wait_until("the views are no longer made", || {
        bench.scenery.give();
        bench.views.count() == 0
    });
    let mut after = plain.part().unwrap();
    // A picture that was already being made may be counted a little later.
    wait_until("the last one is finished", || {
        let made = bench.made();
        std::thread::sleep(Duration::from_millis(50));
        made == bench.made()
    });
    let before = bench.made();
    for _ in 0..5 {
        bench.scenery.give();
        after = plain.part().unwrap();
    }
    assert_eq!(after, *bench.scenery.data);
    assert_eq!(bench.made(), before);
    wait_until("all viewers are counted out", || bench.served.state()["viewers"] == 1);
}

#[test]
fn equal_views_are_one_however_they_are_written() {
    let bench = Bench::new(Scenery::mjpg());
    let mut turned = bench.served.watch("/stream?rotate=180");
    let mut flipped = bench.served.watch("/stream?mirror=1&flip=1&crop=0,0,1,1");
    assert!(turned.part().is_some() && flipped.part().is_some());
    assert_eq!(bench.views.count(), 1);
}

#[test]
fn text_and_time_are_drawn_on_request() {
    let bench = Bench::new(Scenery::mjpg());
    let mut plain = bench.served.watch("/stream");
    let mut written = bench.served.watch("/stream?text=door&timestamp=1");
    let (plain, written) = (plain.part().unwrap(), written.part().unwrap());
    assert_eq!(size(&written), size(&plain));
    assert_eq!(plain, *bench.scenery.data, "others see the camera's own bytes");
    assert_ne!(written, plain);
}

#[test]
fn a_view_applies_after_the_change_for_everyone_and_follows_it() {
    let bench = Bench::new(Scenery::yuyv());
    bench.pipeline().set_view(View { rotate: 90, ..View::default() });
    let mut viewer = bench.served.watch("/?action=stream&crop=0.5,0,0.5,0.5&gray=1");
    until(&mut viewer, "both", |jpeg| (size(jpeg), look(jpeg)) == ((32, 64), (false, "everywhere")));
    bench.pipeline().set_view(View { rotate: 180, ..View::default() });
    until(&mut viewer, "both again", |jpeg| (size(jpeg), look(jpeg)) == ((64, 32), (false, "nowhere")));
    let snapshot = bench.served.get("/state");
    assert_eq!(snapshot.status, 200);
    // Invalid values on an old address change nothing.
    let mut lenient = bench.served.watch("/live?rotate=45&gray=yes&scale=0&crop=nan,0,1,1&mirror=1");
    until(&mut lenient, "mirrored", |jpeg| (size(jpeg), look(jpeg)) == ((128, 64), (true, "lower left")));
}

#[test]
fn stamps_and_numbers_are_those_of_the_camera() {
    let scenery = Scenery::mjpg().on_request();
    let (pipeline, worker) = scenery.run();
    let run = Running::of(pipeline, worker);
    let (views, maker) = Views::start(&run.pipeline).unwrap();
    run.pipeline.set_view(View { gray: true, ..View::default() });
    let viewed = views.watch(&View { rotate: 90, ..View::default() }, None).unwrap();
    // On another hub, as for annotated pictures.
    let over = views.watch(&View { rotate: 90, ..View::default() }, Some(run.pipeline.hub())).unwrap();
    let hubs = [run.pipeline.originals(), run.pipeline.hub(), viewed.hub(), over.hub()];
    let mut all = hubs.map(|hub| hub.subscribe());
    let _demand = run.pipeline.demand();
    for _ in 0..3 {
        scenery.give();
        let pictures = all.each_mut().map(|one| one.next_timeout(DEADLINE).unwrap().unwrap());
        for picture in &pictures {
            assert_eq!((picture.stamp, picture.sequence), (pictures[0].stamp, pictures[0].sequence));
        }
        let looks = pictures.map(|picture| look(&picture.jpeg()));
        assert_eq!(
            looks,
            [(true, "upper left"), (false, "upper left"), (false, "upper right"), (false, "upper right")]
        );
    }
    drop((viewed, over));
    assert_eq!(views.count(), 0);
    views.stop();
    maker.join_within(DEADLINE).unwrap();
}

#[test]
fn the_number_of_views_is_limited() {
    let bench = Bench::new(Scenery::mjpg());
    let paths: Vec<String> =
        (0..Views::MOST).map(|n| format!("/stream?crop=0,0,0.5,{}", 0.25 + n as f64 / 16.0)).collect();
    let mut viewers: Vec<Client> = paths.iter().map(|path| bench.served.watch(path)).collect();
    for viewer in &mut viewers {
        viewer.part().unwrap();
    }
    let refused = bench.served.get("/stream?rotate=90");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("5")));
    assert!(refused.text().contains("8 different views"), "{}", refused.text());
    // An existing view is still available, and so is the unchanged picture.
    assert!(bench.served.watch(&paths[3]).part().is_some());
    assert!(bench.served.watch("/stream").part().is_some());
    viewers.pop();
    wait_until("one is given up", || bench.views.count() < Views::MOST);
    assert!(bench.served.watch("/stream?rotate=90").part().is_some());
    let is_full = bench.views.count() == Views::MOST;
    assert_eq!(bench.views.watch(&View { flip: true, ..View::default() }, None).is_none(), is_full);
}

/// A detector that sees nobody, and remembers the pictures that it got.
#[derive(Clone)]
pub struct Witness(pub Arc<Mutex<(Option<SmallImage>, u32)>>, pub Labels);

impl Detector for Witness {
    fn name(&self) -> &str {
        "witness"
    }

    fn labels(&self) -> &Labels {
        &self.1
    }

    fn least_size(&self, width: u32, height: u32) -> (u32, u32) {
        (width / 2, height / 2)
    }

    fn options(&self) -> CounterOptions {
        CounterOptions::default()
    }

    fn detect(&mut self, image: &SmallImage, found: &mut Vec<Detection>) -> Result<(), Fault> {
        self.0.lock().unwrap().0 = Some(image.clone());
        found.clear();
        // A bright spot is a person.
        let at = |x: usize, y: usize| image.y[image.height * y / 4 * image.width + image.width * x / 4];
        for (x, y) in [(1, 1), (3, 1), (1, 3), (3, 3)] {
            if at(x, y) > 125 {
                let centre = Point::new(x as f32 / 4.0, y as f32 / 4.0);
                found.push(Detection {
                    class: Class(0),
                    score: 0.9,
                    bounds: Bounds::centered_at(centre, 0.4, 0.4),
                });
            }
        }
        Ok(())
    }

    fn restart(&mut self) {
        self.0.lock().unwrap().1 += 1;
    }
}

#[test]
fn counting_sees_the_same_part_and_rotation_in_colour_and_at_full_size() {
    let scenery = Scenery::mjpg();
    let (pipeline, worker) = scenery.run();
    let run = Running::of(pipeline, worker);
    let folder = tempfile::tempdir().unwrap();
    let (counts, counts_db) = Counts::open(store::CountsOptions {
        directory: folder.path().to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    })
    .unwrap();
    let witness = Witness(Arc::default(), Labels::new(["person"]));
    let settings = CountingSettings {
        is_on: true,
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
    };
    let make = Box::new({
        let witness = witness.clone();
        move |_: Scene, _: Option<&str>| {
            Ok(LoadedDetector { detector: Box::new(witness.clone()), backend: "replay", notes: Vec::new() })
        }
    });
    let (counting, workers) = Counting::start(&run.pipeline, Ok(counts.clone()), make, settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let line = LineDraft::new("door", [0.5, 1.0], [0.5, 0.0]);
    runtime.block_on(counts.add_line(Scene::Camera, line)).unwrap();
    let seen = || witness.0.lock().unwrap().0.take();
    let mut last = None;
    wait_until("it looks", || {
        last = seen();
        last.is_some()
    });
    let image = last.take().unwrap();
    assert_eq!((image.width, image.height, image.of), (64, 32, (128, 64)));
    let overlay = counting.overlay();
    let tracks = || overlay.borrow().tracks.iter().map(|track| (track.id, track.bounds)).collect::<Vec<_>>();
    wait_until("a person is tracked", || !tracks().is_empty());
    let (first, bounds) = tracks()[0];
    assert!(bounds[0] < 0.3 && bounds[1] < 0.3, "upper left: {bounds:?}");

    // Colour and size make no difference: the tracks stay.
    run.pipeline.set_view(View {
        gray: true,
        eighths: 2,
        text: Some(String::from("door")),
        ..View::default()
    });
    seen();
    wait_until("detection goes on", || {
        seen().is_some_and(|image| image.of == (128, 64) && !image.u.is_empty())
    });
    assert_eq!(witness.0.lock().unwrap().1, 0);
    assert_eq!(tracks().first().map(|track| track.0), Some(first));

    // Rotated and cropped, the detector sees what viewers see, and the tracks are new.
    run.pipeline.set_view(View { rotate: 90, crop: Some([0.0, 0.0, 1.0, 0.75]), ..View::default() });
    wait_until("it gets the rotated picture", || {
        seen().is_some_and(|image| {
            (image.width, image.height, image.of) == (32, 48, (64, 96)) && !image.u.is_empty()
        })
    });
    assert!(witness.0.lock().unwrap().1 >= 1, "the tracks are gone");
    wait_until("a new track begins", || {
        tracks().first().is_some_and(|&(id, bounds)| id != first && bounds[0] > 0.4 && bounds[1] < 0.3)
    });

    counting.stop();
    run.pipeline.stop();
    for worker in workers {
        worker.join_within(DEADLINE).unwrap();
    }
    counts.stop();
    counts_db.join_within(DEADLINE).unwrap();
}

#[test]
fn recordings_and_snapshots_take_the_original_or_the_shown_picture() {
    let scenery = Scenery::mjpg();
    let (pipeline, worker) = scenery.run();
    let run = Running::of(pipeline, worker);
    let folder = tempfile::tempdir().unwrap();
    let (media, writer) = Media::open(MediaSettings {
        directory: folder.path().to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        retention: RetentionRules::default(),
    })
    .unwrap();
    let (recorder, recording) =
        RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, RecorderSettings::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    run.pipeline.set_view(View { rotate: 90, gray: true, ..View::default() });
    for as_shown in [false, true] {
        let options = RecordingRequest { as_shown, ..RecordingRequest::default() };
        runtime.block_on(recorder.record(options)).unwrap();
        wait_until("pictures are recorded", || recorder.status().now.is_some_and(|now| now.frames >= 3));
        let item = runtime.block_on(recorder.end_recording()).unwrap().unwrap();
        let reader = media.reader().unwrap();
        let frames = reader.frames(item.id, 0).unwrap();
        let jpeg = reader.bytes(item.id, 0, frames[0].offset, frames[0].len).unwrap();
        if as_shown {
            assert_eq!((item.width, item.height, look(&jpeg)), (64, 128, (false, "upper right")));
        } else {
            assert_eq!((item.width, item.height, &jpeg[..]), (128, 64, &scenery.data[..]));
        }
        assert_eq!(item.source.ends_with(", as shown"), as_shown);
    }
    let picture = |which, change| runtime.block_on(recorder.picture(which, change, DEADLINE)).unwrap().jpeg();
    let shown = picture(Which::Shown, PictureChange::default());
    assert_eq!((size(&shown), look(&shown)), ((64, 128), (false, "upper right")));
    assert_eq!(picture(Which::Original, PictureChange::default())[..], scenery.data[..]);
    // First the change for everyone, then the one for this request.
    let view = View { rotate: 90, eighths: 4, ..View::default() };
    let both = picture(Which::Shown, PictureChange { width: None, view: view.clone() });
    assert_eq!((size(&both), look(&both)), ((64, 32), (false, "lower right")));
    let own = picture(Which::Original, PictureChange { width: None, view });
    assert_eq!((size(&own), look(&own)), ((32, 64), (true, "upper right")));
    let item = runtime.block_on(recorder.snapshot(SnapshotRequest::default())).unwrap();
    assert_eq!((item.width, item.height), (64, 128));
    recorder.stop();
    run.pipeline.stop();
    recording.join_within(DEADLINE).unwrap();
    media.stop();
    writer.join_within(DEADLINE).unwrap();
}

/// The program itself: through the old switches, the API, and again after a restart, which keeps the view.
#[test]
fn the_old_switches_and_the_api_change_what_everyone_sees() {
    let program = std::process::Command::new(env!("CARGO_BIN_EXE_tallycam"));
    let daemon = Daemon::start(program, &["--set", "source.kind=sim", "--set", "picture.mirror=true"]);
    let get = |path: &str| crate::common::client::get(daemon.address, path);
    let send = |method: &str, lines: &str, body: &str| {
        let len = body.len();
        crate::common::client::ask(
            daemon.address,
            &format!(
                "{method} /api/v1/picture HTTP/1.1\r\nHost: 192.0.2.1\r\nContent-Type: application/json\r\n{lines}Content-Length: {len}\r\n\r\n{body}"
            ),
        )
    };
    let components = || jpeg::inspect(&get("/snapshot.jpg").body).unwrap().components;
    let whole = size(&get("/snapshot.jpg").body);
    assert_eq!(components(), 3);
    for path in
        ["/grayscale?status=false", "/resolution?status=false", "/grayscale?status=maybe", "/resolution"]
    {
        let answer = get(path);
        assert_eq!((answer.status, answer.text()), (200, "200"), "{path}");
    }
    wait_until("it is grey", || components() == 1);
    wait_until("it is half as large", || size(&get("/snapshot.jpg").body) == (whole.0 / 2, whole.1 / 2));
    let now = get("/api/v1/picture");
    let tag = now.header("etag").unwrap().to_owned();
    let now = now.json();
    assert_eq!(
        (&now["gray"], &now["scale"], &now["mirror"], &now["crop"]),
        (&true.into(), &"1/2".into(), &true.into(), &serde_json::Value::Null)
    );
    let foreign =
        "GET /grayscale?status=true HTTP/1.1\r\nHost: 192.0.2.1\r\nSec-Fetch-Site: cross-site\r\n\r\n";
    assert_eq!(crate::common::client::ask(daemon.address, foreign).status, 403);
    assert_eq!(get("/grayscale?status=true").text(), "200");
    wait_until("it has colour", || components() == 3);

    let changed = send(
        "PATCH",
        "",
        r#"{"scale":null,"rotate":270,"crop":[0,0,0.5,0.5],"text":"a \"door\"","timestamp":true}"#,
    );
    assert_eq!(changed.status, 200, "{}", changed.text());
    let changed = changed.json();
    assert_eq!(
        (&changed["rotate"], &changed["scale"], &changed["timestamp"]),
        (&270.into(), &"1".into(), &true.into())
    );
    wait_until("it is turned", || size(&get("/snapshot.jpg").body) == (whole.1 / 2, whole.0 / 2));
    let view = View { rotate: 90, ..View::default() }.compose(&View::default());
    assert!(!view.is_identity());
    for (lines, body, status, field) in [
        (format!("If-Match: {tag}\r\n"), r#"{"gray":true}"#, 412, None),
        (String::new(), r#"{"rotate":45}"#, 422, Some("picture.rotate")),
        (String::new(), r#"{"crop":[0.5,0,0.6,1]}"#, 422, Some("picture.crop")),
        (String::new(), r#"{"scale":"1/3"}"#, 422, Some("picture.scale")),
        (String::new(), r#"{"gray":"NaN"}"#, 422, Some("picture.gray")),
        (String::new(), r#"{"hue":1}"#, 422, Some("picture.hue")),
        (String::new(), r#"{"mirror":false}"#, 409, Some("picture.mirror")),
    ] {
        let answer = send("PATCH", &lines, body);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (status, Some("application/problem+json")),
            "{body}: {}",
            answer.text()
        );
        assert_eq!(answer.json()["field"].as_str(), field, "{body}");
    }
    let strict = get("/api/v1/snapshot?rotate=45");
    assert_eq!((strict.status, strict.json()["field"].as_str()), (400, Some("rotate")));
    let strict = get("/api/v1/snapshot?timestamp=perhaps");
    assert_eq!((strict.status, strict.json()["field"].as_str()), (400, Some("timestamp")));
    assert_eq!(get("/api/v1/snapshot?text=door&timestamp=1").status, 200);
}
