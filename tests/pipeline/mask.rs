//! The privacy mask: every output of the pipeline is black where the camera has its bright quarter. This is so from
//! the first frame on, and in each moment after a change of the mask.

use std::sync::Arc;
use std::time::Duration;

use crate::common::served::serve_run;
use crate::common::testcam::Running;
use crate::common::{DEADLINE, wait_until};
use crate::picture::{Scenery, Witness, look, size};
use tallycam::base::Stop;
use tallycam::encode::PrivacyMask;
use tallycam::http::{self, Server};
use tallycam::media::{Fourcc, Frame, Picture, SecondFrame, SourceError, View};
use tallycam::pipeline::recording::{PictureChange, RecordingRequest, SnapshotRequest, Which};
use tallycam::pipeline::{
    CaptureOptions, Counting, CountingSettings, LoadedDetector, Pipeline, RecorderHandle, RecorderSettings,
    Views,
};
use tallycam::source::{Opener, Source, StreamFormat};
use tallycam::store::media::{Media, MediaSettings, RetentionRules};
use tallycam::store::{self, Counts, LineDraft, Scene};
use tallycam::vision::Labels;

/// Covers the bright quarter.
fn mask() -> PrivacyMask {
    PrivacyMask::new(&[vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.5]]])
}

fn options(mask: PrivacyMask) -> CaptureOptions {
    CaptureOptions {
        mask,
        idle_stop: None,
        silent_after: Duration::from_secs(3600),
        ..CaptureOptions::default()
    }
}

/// A scenery with a larger size and a second stream, both as bright in their upper left quarter.
struct Whole(Scenery);

struct WithSecond(Box<dyn Source>, Vec<u8>);

/// A 64×32 NV12 image.
fn second() -> Vec<u8> {
    (0..64 * 32 * 3 / 2).map(|at| if at % 64 < 32 && at / 64 < 16 { 200 } else { 50 }).collect()
}

impl Opener for Whole {
    fn describe(&self) -> String {
        self.0.describe()
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(WithSecond(self.0.open(stop)?, second())))
    }

    fn largest_size(&mut self) -> Option<(u32, u32)> {
        Some((4000, 3000))
    }

    fn open_largest(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        self.0.open(stop)
    }
}

impl Source for WithSecond {
    fn source_info(&self) -> &StreamFormat {
        self.0.source_info()
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let small = SecondFrame { fourcc: Fourcc::NV12, width: 64, height: 32, stride: 64, data: &self.1 };
        Ok(self.0.next(wait)?.map(|frame| Frame { second: Some(small), ..frame }))
    }
}

#[track_caller]
fn assert_black(jpeg: &[u8]) {
    assert_eq!(look(jpeg).1, "nowhere");
}

fn media(folder: &std::path::Path) -> (Media, tallycam::base::Worker) {
    Media::open(MediaSettings {
        directory: folder.to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        retention: RetentionRules::default(),
    })
    .unwrap()
}

/// The frames of a stored item.
fn frames(media: &Media, id: u64) -> Vec<Vec<u8>> {
    let reader = media.reader().unwrap();
    let all = reader.frames(id, 0).unwrap();
    all.iter().map(|frame| reader.bytes(id, 0, frame.offset, frame.len).unwrap().to_vec()).collect()
}

#[test]
fn streams_and_snapshots_are_black_under_the_mask_in_every_view() {
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let (pipeline, worker) = Pipeline::start(Box::new(Whole(scenery)), options(mask())).unwrap();
        let (views, maker) = Views::start(&pipeline).unwrap();
        let mut served = serve_run(Running::of(pipeline, worker), None, |pipeline| {
            Server::new(http::ServerSettings::default(), pipeline, None).with_views(views.clone())
        });
        // The first frame of all.
        assert_black(&served.watch("/stream").part().unwrap());
        let own = ["", "?gray=1", "?rotate=90", "?scale=1/2", "?crop=0,0,0.5,0.5", "?flip=1&text=door"];
        let all = [
            View::default(),
            View { rotate: 90, ..View::default() },
            View { crop: Some([0.0, 0.0, 0.5, 0.5]), ..View::default() },
            View { gray: true, ..View::default() },
            View { eighths: 4, mirror: true, ..View::default() },
        ];
        for view in all {
            served.run.pipeline.set_view(view);
            for own in own {
                let mut viewer = served.watch(&format!("/stream{own}"));
                for _ in 0..3 {
                    assert_black(&viewer.part().unwrap());
                }
            }
            for path in ["/snapshot.jpg", "/snapshot.jpg?width=64", "/api/v1/snapshot.jpg"] {
                let answer = served.get(path);
                if answer.status == 200 {
                    assert_black(&answer.body);
                }
            }
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let largest = runtime.block_on(served.run.pipeline.largest_picture(DEADLINE)).unwrap();
        assert_black(&largest.jpeg());
        served.stop();
        served.join();
        views.stop();
        maker.join_within(DEADLINE).unwrap();
    }
}

#[test]
fn recordings_snapshots_and_thumbnails_are_black_under_the_mask() {
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let (pipeline, worker) = Pipeline::start(Box::new(Whole(scenery)), options(mask())).unwrap();
        let run = Running::of(pipeline, worker);
        let folder = tempfile::tempdir().unwrap();
        let (media, writer) = media(folder.path());
        let settings = RecorderSettings { pre_roll: Duration::from_secs(5), ..RecorderSettings::default() };
        let (recorder, recording) =
            RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        run.pipeline.set_view(View { rotate: 90, ..View::default() });
        for as_shown in [false, true] {
            let request = RecordingRequest { as_shown, ..RecordingRequest::default() };
            runtime.block_on(recorder.record(request)).unwrap();
            wait_until("frames are recorded", || recorder.status().now.is_some_and(|now| now.frames >= 3));
            let item = runtime.block_on(recorder.end_recording()).unwrap().unwrap();
            let frames = frames(&media, item.id);
            assert!(frames.len() >= 3);
            frames.iter().for_each(|jpeg| assert_black(jpeg));
        }
        for which in [Which::Shown, Which::Original, Which::Largest] {
            let taken = recorder.picture(which, PictureChange::default(), DEADLINE);
            assert_black(&runtime.block_on(taken).unwrap().jpeg());
        }
        let item = runtime.block_on(recorder.snapshot(SnapshotRequest::default())).unwrap();
        frames(&media, item.id).iter().for_each(|jpeg| assert_black(jpeg));
        recorder.stop();
        run.pipeline.stop();
        recording.join_within(DEADLINE).unwrap();
        media.stop();
        writer.join_within(DEADLINE).unwrap();
    }
}

#[test]
fn the_detector_and_the_annotated_stream_see_no_masked_part() {
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let (pipeline, worker) = Pipeline::start(Box::new(Whole(scenery)), options(mask())).unwrap();
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
            movement_map: false,
            is_on: true,
            fps: Some(60.0),
            classes: Vec::new(),
            score: None,
            region: None,
            filter: Default::default(),
            scene: Scene::Camera,
            may_be_simulated: false,
            thumbnails: true,
            counts_only: false,
        };
        let make = Box::new({
            let witness = witness.clone();
            move |_: Scene, _: Option<&str>| {
                Ok(LoadedDetector {
                    detector: Box::new(witness.clone()),
                    backend: "replay",
                    notes: Vec::new(),
                })
            }
        });
        let (counting, workers) = Counting::start(&run.pipeline, Ok(counts.clone()), make, settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let line = LineDraft::new("door", [0.5, 1.0], [0.5, 0.0]);
        runtime.block_on(counts.add_line(Scene::Camera, line)).unwrap();
        let mut seen = 0;
        wait_until("it looks several times", || {
            if let Some(image) = witness.0.lock().unwrap().0.take() {
                let brightest = image.y.iter().max().copied();
                assert!(brightest < Some(125), "{brightest:?}");
                seen += 1;
            }
            seen > 5
        });
        assert!(counting.overlay().borrow().tracks.is_empty());
        counting.stop();
        run.pipeline.stop();
        for worker in workers {
            worker.join_within(DEADLINE).unwrap();
        }
        counts.stop();
        counts_db.join_within(DEADLINE).unwrap();
    }
}

#[tokio::test]
async fn no_frame_from_before_a_change_of_the_mask_is_given_out() {
    let other = || PrivacyMask::new(&[vec![[0.5, 0.5], [1.0, 0.5], [1.0, 1.0], [0.5, 1.0]]]);
    for scenery in [Scenery::mjpg(), Scenery::yuyv()] {
        let (pipeline, worker) = Pipeline::start(Box::new(Whole(scenery)), options(other())).unwrap();
        let run = Running::of(pipeline, worker);
        let (views, maker) = Views::start(&run.pipeline).unwrap();
        let viewed = views.watch(&View { gray: true, ..View::default() }, None).unwrap();
        let (_demand, mut every) =
            (run.pipeline.demand(), run.pipeline.originals().subscribe_to_all(1 << 20));
        assert_ne!(look(&run.pipeline.snapshot(DEADLINE).await.unwrap().jpeg()).1, "nowhere");
        for n in 0..100 {
            run.pipeline.set_settings(options(other()));
            // Frames of all ages lie in the hubs and queues then.
            tokio::time::sleep(Duration::from_micros(n * 331 % 25_000)).await;
            run.pipeline.set_settings(options(mask()));
            let next =
                |picture: Option<Picture>| picture.iter().for_each(|picture| assert_black(&picture.jpeg()));
            for hub in [run.pipeline.hub(), run.pipeline.originals(), viewed.hub()] {
                next(hub.newest());
            }
            next(every.try_next().flatten());
            assert_black(&run.pipeline.snapshot(DEADLINE).await.unwrap().jpeg());
            next(viewed.hub().subscribe().try_next().flatten());
        }
        views.stop();
        maker.join_within(DEADLINE).unwrap();
    }
}

#[test]
fn a_pre_roll_from_before_the_mask_is_not_stored() {
    let (pipeline, worker) =
        Pipeline::start(Box::new(Scenery::mjpg()), options(PrivacyMask::default())).unwrap();
    let run = Running::of(pipeline, worker);
    let folder = tempfile::tempdir().unwrap();
    let (media, writer) = media(folder.path());
    let settings = RecorderSettings { pre_roll: Duration::from_secs(60), ..RecorderSettings::default() };
    let (recorder, recording) =
        RecorderHandle::start(&run.pipeline, Ok(media.clone()), None, settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    wait_until("there is a pre-roll", || recorder.status().pre_roll_s > 0.2);
    run.pipeline.set_settings(options(mask()));
    runtime.block_on(recorder.record(RecordingRequest::default())).unwrap();
    wait_until("frames are recorded", || recorder.status().now.is_some_and(|now| now.frames >= 3));
    let item = runtime.block_on(recorder.end_recording()).unwrap().unwrap();
    frames(&media, item.id).iter().for_each(|jpeg| assert_black(jpeg));
    recorder.stop();
    run.pipeline.stop();
    recording.join_within(DEADLINE).unwrap();
    media.stop();
    writer.join_within(DEADLINE).unwrap();
}

/// Half of each frame is missing.
struct Cut;

impl Opener for Cut {
    fn describe(&self) -> String {
        String::from("the cut camera")
    }

    fn open(&mut self, stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(HalfFrames(Scenery::mjpg().open(stop)?)))
    }
}

struct HalfFrames(Box<dyn Source>);

impl Source for HalfFrames {
    fn source_info(&self) -> &StreamFormat {
        self.0.source_info()
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        Ok(self.0.next(wait)?.map(|frame| Frame { data: &frame.data[..frame.data.len() / 2], ..frame }))
    }
}

#[test]
fn a_frame_that_cannot_be_masked_is_a_fault_in_words() {
    let settings = CaptureOptions { silent_after: Duration::from_millis(200), ..options(mask()) };
    let (pipeline, worker) = Pipeline::start(Box::new(Cut), settings).unwrap();
    let run = Running::of(pipeline, worker);
    let _demand = run.pipeline.demand();
    let words = || format!("{:?}", run.pipeline.status().state);
    wait_until("the fault is told", || words().contains("the privacy mask cannot be applied"));
    assert_eq!(run.pipeline.status().pictures, 0);
    wait_until("the card is drawn", || run.pipeline.hub().newest().is_some());
    let newest = run.pipeline.hub().newest().unwrap();
    assert!(newest.is_card && size(&newest.jpeg()).0 > 0);
}
