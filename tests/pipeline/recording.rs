//! Recordings and snapshots: a directed camera, the real pipeline, the real recorder, the real store.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::common::testcam::{LARGER, Manner, Running, TestCam, USUAL, number_of, numbered_jpeg, trouble};
use crate::common::{DEADLINE, wait_until};
use tallycam::base::{Worker, clock};
use tallycam::media::{SourceErrorKind, View};
use tallycam::pipeline::recording::{
    PictureChange, RecordError, RecordingRequest, RecordingStatus, SnapshotRequest, Which,
};
use tallycam::pipeline::{CameraState, CaptureOptions, RecorderHandle, RecorderSettings};
use tallycam::store::media::{
    ChunkFrame, Item, Media, MediaError, MediaKind, MediaOrigin, MediaSettings, RetentionRules,
};
use tallycam::store::{self, Counts, LineDraft, NewCrossing, Scene};
use tallycam::vision::Direction;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Recorder and store on a directed camera, stopped in order when dropped.
struct Bench {
    recorder: RecorderHandle,
    media: Media,
    run: Running,
    runtime: Runtime,
    workers: Vec<Worker>,
    folder: TempDir,
}

fn media_settings(folder: &Path) -> MediaSettings {
    MediaSettings {
        directory: folder.to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        retention: RetentionRules::default(),
    }
}

fn pipeline_settings() -> CaptureOptions {
    CaptureOptions {
        idle_stop: Some(Duration::ZERO),
        silent_after: Duration::from_millis(300),
        ..CaptureOptions::default()
    }
}

impl Bench {
    fn new(cam: &TestCam, settings: RecorderSettings) -> Bench {
        Bench::with(cam, settings, None)
    }

    fn with(cam: &TestCam, settings: RecorderSettings, counts: Option<Counts>) -> Bench {
        let folder = TempDir::new().unwrap();
        let run = cam.pipeline(pipeline_settings());
        let (media, writer) = Media::open(media_settings(folder.path())).unwrap();
        let (recorder, recording) =
            RecorderHandle::start(&run.pipeline, Ok(media.clone()), counts, settings).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Bench { recorder, media, run, runtime, workers: vec![recording, writer], folder }
    }

    fn record(&self, named: RecordingRequest) -> Result<Item, RecordError> {
        self.runtime.block_on(self.recorder.record(named))
    }

    fn end(&self) -> Option<Item> {
        self.runtime.block_on(self.recorder.end_recording()).unwrap()
    }

    fn picture(&self, which: Which, change: PictureChange) -> Result<tallycam::media::Picture, RecordError> {
        self.runtime.block_on(self.recorder.picture(which, change, DEADLINE))
    }

    fn wait(&self, name: &str, mut is_so: impl FnMut(&RecordingStatus) -> bool) {
        wait_until(name, || is_so(&self.recorder.status()));
    }

    fn wait_frames(&self, frames: u64) {
        self.wait("so many pictures are recorded", |status| {
            status.now.as_ref().is_some_and(|now| now.frames >= frames)
        });
    }

    fn item(&self, id: u64) -> Item {
        self.media.reader().unwrap().item(id).unwrap()
    }

    fn items(&self) -> Vec<Item> {
        let query = store::media::MediaQuery { limit: 1000, ..Default::default() };
        self.media.reader().unwrap().list(&query).unwrap().items
    }

    /// Every picture of a recording, true if it comes after a gap, and its JPEG.
    fn pictures(&self, id: u64) -> Vec<(ChunkFrame, bool, Vec<u8>)> {
        let reader = self.media.reader().unwrap();
        let mut pictures = Vec::new();
        for chunk in reader.chunks(id).unwrap() {
            for (n, frame) in reader.frames(id, chunk.number).unwrap().into_iter().enumerate() {
                let jpeg = reader.bytes(id, chunk.number, frame.offset, frame.len).unwrap();
                pictures.push((frame, n == 0 && chunk.is_after_gap, jpeg.to_vec()));
            }
        }
        pictures
    }

    fn stop(&mut self) {
        self.run.pipeline.stop();
        self.recorder.stop();
        self.workers.remove(0).join_within(DEADLINE).unwrap();
        self.media.stop();
        self.workers.remove(0).join_within(DEADLINE).unwrap();
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        if !self.workers.is_empty() {
            self.stop();
        }
    }
}

fn named(name: &str) -> RecordingRequest {
    RecordingRequest { name: Some(name.to_owned()), ..RecordingRequest::default() }
}

/// The reported reason for a missing store is that of the latest attempt to open it.
#[test]
fn the_latest_reason_for_a_missing_store_is_reported() {
    let cam = TestCam::new();
    let run = cam.pipeline(pipeline_settings());
    let locked = MediaError::Locked { file: "media.lock".into() };
    let (recorder, recording) =
        RecorderHandle::start(&run.pipeline, Err(locked), None, RecorderSettings::default()).unwrap();
    assert!(matches!(recorder.media(), Err(MediaError::Locked { .. })));
    recorder.set_open_error(MediaError::Full);
    assert!(matches!(recorder.media(), Err(MediaError::Full)));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let refused = runtime.block_on(recorder.record(named("None"))).unwrap_err();
    assert!(matches!(refused, RecordError::Media(MediaError::Full)), "{refused:?}");
    run.pipeline.stop();
    recorder.stop();
    recording.join_within(DEADLINE).unwrap();
}

#[test]
fn a_recording_is_the_cameras_own_bytes_with_their_true_times() {
    let cam = TestCam::new().picture_len(5000);
    let bench = Bench::new(&cam, RecorderSettings::default());
    let demand = bench.run.pipeline.demand();
    // Another subscriber records the time of each picture.
    let hub = bench.run.pipeline.hub().clone();
    let seen = std::thread::spawn(move || {
        let stamps = hub.subscribe().into_iter().map(|picture| (picture.sequence, picture.stamp));
        stamps.collect::<BTreeMap<_, _>>()
    });
    let begun = bench.record(named("a.mp4")).unwrap();
    assert_eq!(
        (begun.name.as_str(), begun.kind, begun.is_open, begun.frames),
        ("a.mp4", MediaKind::Recording, true, 0)
    );
    assert_eq!(bench.recorder.status().now.map(|now| now.id), Some(begun.id));
    bench.wait_frames(120);
    let item = bench.end().unwrap();
    assert!(!item.is_open);
    assert_eq!(bench.recorder.status().now, None);
    assert_eq!(bench.item(item.id), item, "it is on the disk when that is answered");
    let pictures = bench.pictures(item.id);
    drop(demand);
    drop(bench);
    let stamps = seen.join().unwrap();

    assert_eq!(pictures.len() as u64, item.frames);
    assert!(item.frames >= 120);
    assert_eq!((item.width, item.height), USUAL);
    assert_eq!((item.source.as_str(), item.origin), ("Test camera", MediaOrigin::Asked));
    let first = stamps[&pictures[0].0.sequence];
    assert_eq!(item.at_us, first.wall_us);
    let mut bytes = 0;
    for (frame, _, jpeg) in &pictures {
        assert_eq!(*jpeg, numbered_jpeg(frame.sequence, 5000));
        bytes += jpeg.len() as u64;
        if let Some(stamp) = stamps.get(&frame.sequence) {
            assert_eq!(frame.at_us, stamp.monotonic_us - first.monotonic_us);
        }
    }
    assert_eq!(item.bytes, bytes);
    assert!(item.duration_us >= pictures.last().unwrap().0.at_us);
    let gaps = gaps_are_where_pictures_are_missing(&pictures);
    assert_eq!(item.gaps, gaps);
}

/// Asserts that gaps are marked where pictures are missing and nowhere else; returns their number. (A picture missing
/// in an uneven run may go unmarked.)
fn gaps_are_where_pictures_are_missing(pictures: &[(ChunkFrame, bool, Vec<u8>)]) -> u64 {
    let mut gaps = 0;
    for pair in pictures.windows(2) {
        let missing = pair[1].0.sequence - pair[0].0.sequence - 1;
        assert!(!pair[1].1 || missing > 0, "a gap is marked before {}", pair[1].0.sequence);
        assert!(pair[1].1 || missing < 10, "{missing} are missing before {}", pair[1].0.sequence);
        gaps += u64::from(pair[1].1);
    }
    gaps
}

#[test]
fn one_recording_at_a_time_and_no_row_without_a_picture() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    assert_eq!(bench.end(), None);
    bench.record(named("a.mp4")).unwrap();
    let refused = bench.record(named("b.mp4"));
    let why = refused.unwrap_err().to_string();
    assert_eq!(why, "\"a.mp4\" is being recorded already");
    let item = bench.end().unwrap();
    assert!(item.frames > 0);
    wait_until("the camera is closed", || !cam.is_open());
    assert_eq!(bench.recorder.demand_count(), 0);
    // A name that is taken gets a number.
    let again = bench.record(named("a.mp4")).unwrap();
    assert_eq!(again.name, "a-2.mp4");
    bench.end().unwrap();
    // A camera that is still open gives pictures.
    wait_until("the camera is closed again", || !cam.is_open());

    cam.open_fault(Some(trouble(SourceErrorKind::Absent)));
    let refused = bench.record(named("c.mp4"));
    assert!(
        matches!(&refused, Err(RecordError::NoPicture(why, ..)) if why.contains("absent")),
        "{refused:?}"
    );
    assert!(matches!(bench.record(named("d/e.mp4")), Err(RecordError::NoPicture(..))));
    cam.open_fault(None);
    wait_until("it can be had again", || {
        bench.record(named("a/b.mp4")).is_err_and(|e| matches!(e, RecordError::Media(_)))
    });
    assert_eq!(bench.items().len(), 2);
    assert_eq!(bench.recorder.status().now, None);
}

#[test]
fn a_recording_that_ends_before_its_first_picture_is_not_stored() {
    let cam = TestCam::new();
    cam.manner(Manner::OnRequest);
    let bench = Bench::new(&cam, RecorderSettings::default());
    let recorder = bench.recorder.clone();
    let (begun, ended) = bench.runtime.block_on(async {
        let begin = recorder.record(named("a.mp4"));
        let end = async {
            while recorder.demand_count() == 0 {
                tokio::task::yield_now().await;
            }
            recorder.end_recording().await
        };
        tokio::join!(begin, end)
    });
    assert!(matches!(begun, Err(RecordError::NoPicture(..))));
    assert_eq!(ended.unwrap(), None);
    assert!(bench.items().is_empty());
}

#[test]
fn limits_and_fewer_pictures() {
    let cam = TestCam::new().fps(100.0);
    let bench =
        Bench::new(&cam, RecorderSettings { max_bytes: Some(1_000_000), ..RecorderSettings::default() });
    let short = RecordingRequest {
        duration: Some(Duration::from_millis(1500)),
        fps: Some(10.0),
        ..named("short.mp4")
    };
    let id = bench.record(short).unwrap().id;
    bench.wait("it ends by itself", |status| status.now.is_none());
    let item = bench.item(id);
    let span_us = bench.pictures(id).last().unwrap().0.at_us;
    assert!(span_us < 1_600_000, "{span_us}");
    assert!(item.frames as f64 <= span_us as f64 / 1e5 + 2.0, "{} in {span_us} µs", item.frames);
    assert!(item.frames > 1);

    let one = numbered_jpeg(0, 0).len() as u64;
    let id = bench.record(RecordingRequest { bytes: Some(10 * one + 1), ..named("small.mp4") }).unwrap().id;
    bench.wait("it ends by itself", |status| status.now.is_none());
    assert_eq!(bench.item(id).frames, 10);
}

#[test]
fn the_pre_roll_precedes_the_recording() {
    let cam = TestCam::new();
    let settings = RecorderSettings { pre_roll: Duration::from_secs(1), ..RecorderSettings::default() };
    let bench = Bench::new(&cam, settings);
    wait_until("it keeps the camera open", || cam.is_open());
    assert_eq!(bench.recorder.demand_count(), 1);
    bench.wait("there is some", |status| status.pre_roll_s > 0.8);
    // A busy machine has to catch up first.
    let newest_is = || bench.run.pipeline.hub().newest().unwrap().stamp.monotonic_us;
    wait_until("the newest one is new", || clock::monotonic_us() - newest_is() < 100_000);
    let asked = clock::monotonic_us();
    let newest = bench.run.pipeline.hub().newest().unwrap();
    let begun = bench.record(named("a.mp4")).unwrap();
    let answered = clock::monotonic_us();
    bench.wait_frames(60);
    let item = bench.end().unwrap();
    let pictures = bench.pictures(begun.id);
    let first_us = newest.stamp.monotonic_us - (newest.stamp.wall_us - item.at_us);
    assert!(answered - first_us > 700_000, "it begins {} µs before", answered - first_us);
    // The pre-roll precedes the start of the recording, which on a busy machine is later than the request.
    let held_up = answered - asked;
    assert!(pictures[0].0.sequence < newest.sequence || held_up > 500_000, "{held_up} µs held up");
    gaps_are_where_pictures_are_missing(&pictures);
    // The ring fills again, and the camera stays open.
    bench.wait("there is some again", |status| status.pre_roll_s > 0.1);
    assert!(cam.is_open());
}

#[test]
fn the_rings_bytes_are_bounded() {
    let cam = TestCam::new().picture_len(50_000);
    let settings = RecorderSettings {
        pre_roll: Duration::from_secs(60),
        pre_roll_bytes: 500_000,
        ..RecorderSettings::default()
    };
    let bench = Bench::new(&cam, settings);
    wait_until("more came than fits", || cam.sequence() > 40);
    let begun = bench.record(named("a.mp4")).unwrap();
    bench.end().unwrap();
    let newest = bench.run.pipeline.hub().newest().unwrap().sequence;
    assert!(bench.pictures(begun.id)[0].0.sequence > 25, "of {newest}");
}

#[test]
fn a_time_lapse_closes_the_camera_between_its_pictures() {
    let cam = TestCam::new();
    let settings =
        RecorderSettings { sleeps_from: Duration::from_secs(6), warm_up: 2, ..RecorderSettings::default() };
    let bench = Bench::new(&cam, settings);
    let lapse = RecordingRequest { every: Some(Duration::from_secs(6)), ..named("lapse.mp4") };
    let begun = bench.record(lapse).unwrap();
    assert_eq!(begun.origin, MediaOrigin::TimeLapse);
    wait_until("the camera is idle", || !cam.is_open());
    assert_eq!(bench.recorder.status().now.unwrap().every, Some(Duration::from_secs(6)));
    let reader = bench.media.reader().unwrap();
    wait_until("the first picture is on the disk", || reader.chunks(begun.id).unwrap().len() == 1);
    wait_until("the second picture is on the disk", || reader.chunks(begun.id).unwrap().len() == 2);
    wait_until("the camera is idle again", || !cam.is_open());
    assert_eq!(cam.opens(), 2);
    let item = bench.end().unwrap();
    let pictures = bench.pictures(begun.id);
    assert_eq!((item.frames, item.gaps, pictures.len()), (2, 0, 2));
    assert!(pictures[0].0.sequence > 2, "its first frames are passed over");
    assert!(pictures[1].0.at_us.abs_diff(6_000_000) < 2_000_000, "{}", pictures[1].0.at_us);
}

#[test]
fn a_fast_time_lapse_keeps_the_camera_open_and_its_grid() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    let lapse = RecordingRequest { every: Some(Duration::from_secs(1)), ..named("lapse.mp4") };
    let begun = bench.record(lapse).unwrap();
    let reader = bench.media.reader().unwrap();
    wait_until("three pictures are on the disk", || reader.chunks(begun.id).unwrap().len() >= 3);
    assert_eq!((cam.opens(), cam.is_open()), (1, true));
    // A lost camera misses pictures, and the grid stays.
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    bench.wait("it says so", |status| status.trouble.is_some());
    let lost = reader.chunks(begun.id).unwrap().len();
    let missed_us = reader.chunks(begun.id).unwrap().last().unwrap().to_us + 2_500_000;
    let until = clock::monotonic_us() + 2_500_000;
    wait_until("two pictures are missed", || clock::monotonic_us() > until);
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    wait_until("it goes on", || reader.chunks(begun.id).unwrap().len() > lost);
    let item = bench.end().unwrap();
    assert!(item.gaps >= 1);
    let gap = bench.pictures(begun.id).into_iter().find(|picture| picture.1).unwrap();
    assert!(gap.0.at_us > missed_us - 1_500_000);
}

#[test]
fn a_pause_closes_a_recording() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    let begun = bench.record(named("a.mp4")).unwrap();
    bench.wait_frames(5);
    bench.runtime.block_on(async {
        bench.run.pipeline.pause().await;
        bench.recorder.wait_closed().await;
    });
    let item = bench.item(begun.id);
    assert!(!item.is_open && item.frames >= 5);
    assert_eq!(bench.recorder.demand_count(), 0);
    let refused = bench.record(named("b.mp4"));
    assert!(
        matches!(&refused, Err(RecordError::NoPicture(why, ..)) if why.contains("Paused")),
        "{refused:?}"
    );
    bench.run.pipeline.resume();
    bench.record(named("b.mp4")).unwrap();
}

#[test]
fn a_lost_camera_is_a_gap_and_the_recording_goes_on() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    let begun = bench.record(named("a.mp4")).unwrap();
    bench.wait_frames(20);
    cam.manner(Manner::Fails(trouble(SourceErrorKind::Unplugged)));
    bench.wait("it says so", |status| status.trouble.as_ref().is_some_and(|why| why.contains("unplugged")));
    let before = bench.recorder.status().now.unwrap().frames;
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    bench.wait_frames(before + 20);
    bench.wait("all is well", |status| status.trouble.is_none());
    let item = bench.end().unwrap();
    assert_eq!(item.id, begun.id);
    assert!(item.gaps >= 1);
    let pictures = bench.pictures(begun.id);
    assert!(
        pictures.iter().all(|(frame, _, jpeg)| number_of(jpeg) == Some(frame.sequence)),
        "a card was recorded"
    );
    assert_eq!(pictures.iter().filter(|picture| picture.1).count() as u64, item.gaps);
}

#[test]
fn a_camera_that_fails_most_of_the_time_is_recorded_while_it_gives_pictures() {
    let cam = TestCam::new();
    cam.manner(Manner::MostlyBroken(Duration::from_millis(5)));
    let bench = Bench::new(&cam, RecorderSettings::default());
    let _demand = bench.run.pipeline.demand();
    let status = || bench.run.pipeline.status();
    wait_until("it has a fault", || matches!(status().state, CameraState::Trouble(_)));
    let from = status().pictures;
    wait_until("pictures come again", || status().pictures > from + 2);
    bench.record(named("a.mp4")).unwrap();
    bench.wait_frames(5);
    assert!(matches!(status().state, CameraState::Trouble(_)));
    assert!(bench.end().unwrap().frames >= 5);
}

#[test]
fn the_end_of_the_daemon_closes_a_recording() {
    let cam = TestCam::new();
    let mut bench = Bench::new(&cam, RecorderSettings::default());
    let begun = bench.record(named("a.mp4")).unwrap();
    bench.wait_frames(30);
    bench.stop();
    let (media, writer) = Media::open(media_settings(bench.folder.path())).unwrap();
    let item = media.reader().unwrap().item(begun.id).unwrap();
    assert!(!item.is_open && item.frames >= 30);
    media.stop();
    drop(writer);
}

#[test]
fn a_disk_that_refuses_writes_costs_a_gap_and_nothing_else() {
    let cam = TestCam::new().picture_len(60_000);
    let bench = Bench::new(&cam, RecorderSettings::default());
    let begun = bench.record(named("a.mp4")).unwrap();
    bench.wait_frames(60);
    let file = rusqlite::Connection::open(bench.media.file()).unwrap();
    file.busy_timeout(DEADLINE).unwrap();
    // As a program with exclusive use of the file.
    file.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut viewer = bench.run.pipeline.hub().subscribe();
    bench.wait("pictures are dropped", |status| status.dropped > 0);
    let (from, mut seen) = (cam.sequence(), 0);
    while cam.sequence() < from + 30 {
        assert!(!viewer.next_timeout(DEADLINE).unwrap().unwrap().is_card);
        seen += 1;
    }
    assert!(seen > 10, "viewers see {seen} of 30");
    bench.wait("it says so", |status| status.trouble.is_some());
    file.execute_batch("ROLLBACK").unwrap();
    drop(file);
    bench.wait("it goes on", |status| status.trouble.is_none());
    let frames = bench.recorder.status().now.unwrap().frames;
    bench.wait_frames(frames + 120);
    let item = bench.end().unwrap();
    let pictures = bench.pictures(begun.id);
    assert_eq!(pictures.len() as u64, item.frames);
    let gaps = gaps_are_where_pictures_are_missing(&pictures);
    assert!(gaps >= 1);
    assert_eq!(item.gaps, gaps);
    assert!(bench.recorder.status().dropped > 0);
}

#[test]
fn snapshots_skip_the_first_frames_and_keep_the_original_bytes() {
    let cam = TestCam::new();
    cam.manner(Manner::OnRequest);
    let bench = Bench::new(&cam, RecorderSettings { warm_up: 3, ..RecorderSettings::default() });
    (0..20).for_each(|_| cam.give());
    let item = bench
        .runtime
        .block_on(
            bench
                .recorder
                .snapshot(SnapshotRequest { name: Some(String::from("a.jpg")), ..Default::default() }),
        )
        .unwrap();
    let jpeg = bench.media.reader().unwrap().snapshot(item.id).unwrap();
    let number = number_of(&jpeg).unwrap();
    assert!(number >= 4, "{number}");
    // After its Exif header, which comes first.
    assert!(jpeg.starts_with(b"\xff\xd8\xff\xe1") && jpeg.ends_with(&numbered_jpeg(number, 0)[2..]));
    assert_eq!((item.kind, item.frames, (item.width, item.height)), (MediaKind::Snapshot, 1, USUAL));
    assert_eq!(
        (item.name.as_str(), item.bytes, item.origin),
        ("a.jpg", jpeg.len() as u64, MediaOrigin::Asked)
    );
    // An open camera gives its newest picture at once.
    cam.manner(Manner::Flows(Duration::from_millis(20)));
    let _demand = bench.run.pipeline.demand();
    let first = bench.picture(Which::Shown, PictureChange::default()).unwrap();
    cam.manner(Manner::Silent);
    let again = bench.picture(Which::Original, PictureChange::default()).unwrap();
    assert!(again.sequence >= first.sequence);
}

#[test]
fn a_changed_picture_is_stored_as_requested() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    let view = View { rotate: 90, gray: true, ..View::default() };
    let change = PictureChange { width: Some(24), view };
    let named = SnapshotRequest { change, ..SnapshotRequest::default() };
    let item = bench.runtime.block_on(bench.recorder.snapshot(named)).unwrap();
    assert_eq!((item.width, item.height), (24, 32));
    assert!(item.name.ends_with(".jpg"));
    assert!(matches!(
        bench.picture(
            Which::Shown,
            PictureChange { view: View { rotate: 1, ..View::default() }, ..PictureChange::default() }
        ),
        Err(RecordError::Fault(_))
    ));
}

#[test]
fn the_largest_size_is_shown_to_nobody_else() {
    let cam = TestCam::new().with_larger();
    let bench = Bench::new(&cam, RecorderSettings::default());
    // The idle camera is opened for this picture.
    let picture = bench.picture(Which::Largest, PictureChange::default()).unwrap();
    assert_eq!((picture.width, picture.height), LARGER);
    wait_until("it sleeps", || bench.run.pipeline.status().state == CameraState::Asleep);
    assert_eq!((cam.opens(), cam.is_open()), (1, false));

    let begun = bench.record(named("a.mp4")).unwrap();
    let mut viewer = bench.run.pipeline.hub().subscribe();
    bench.wait_frames(30);
    let picture = bench.picture(Which::Largest, PictureChange::default()).unwrap();
    assert_eq!((picture.width, picture.height), LARGER);
    wait_until("it is open as before", || cam.opens() == 4);
    let frames = bench.recorder.status().now.unwrap().frames;
    let from = cam.sequence();
    while cam.sequence() < from + 40 {
        let seen = viewer.next_timeout(DEADLINE).unwrap().unwrap();
        assert!(!seen.is_card);
        assert_eq!((seen.width, seen.height), USUAL);
    }
    bench.wait_frames(frames + 30);
    let item = bench.end().unwrap();
    assert_eq!(cam.open_at_most(), 1);
    assert!(item.gaps >= 1, "the recording has a gap there");
    let pictures = bench.pictures(begun.id);
    assert!(pictures.iter().all(|(_, _, jpeg)| number_of(jpeg) != Some(picture.sequence)));
    gaps_are_where_pictures_are_missing(&pictures);
}

#[test]
fn the_largest_size_of_a_camera_with_one_size_is_that_size() {
    let cam = TestCam::new();
    let bench = Bench::new(&cam, RecorderSettings::default());
    let _demand = bench.run.pipeline.demand();
    let picture = bench.picture(Which::Largest, PictureChange::default()).unwrap();
    assert_eq!((picture.width, picture.height, cam.opens()), (USUAL.0, USUAL.1, 1));
    bench.runtime.block_on(bench.run.pipeline.pause());
    assert!(matches!(
        bench.picture(Which::Largest, PictureChange::default()),
        Err(RecordError::NoPicture(..))
    ));
}

#[test]
fn privacy_mode_stores_and_serves_nothing() {
    let cam = TestCam::new();
    let settings =
        RecorderSettings { counts_only: true, pre_roll: Duration::from_secs(5), ..Default::default() };
    let bench = Bench::new(&cam, settings);
    assert!(matches!(bench.record(named("a.mp4")), Err(RecordError::CountsOnly)));
    assert!(matches!(bench.picture(Which::Shown, PictureChange::default()), Err(RecordError::CountsOnly)));
    assert!(matches!(
        bench.runtime.block_on(bench.recorder.snapshot(SnapshotRequest::default())),
        Err(RecordError::CountsOnly)
    ));
    assert!(bench.items().is_empty());
    assert_eq!((cam.opens(), bench.recorder.demand_count()), (0, 0));
}

/// A counts.db with the lines `Door` and `Gate`, and its writer.
/// The writer ends when nobody uses counts.db any more, so it must be dropped last, also in a failing test.
/// Ends the writer with the test, also with one that fails.
struct CountsWriter {
    counts: Counts,
    _worker: Worker,
}

impl Drop for CountsWriter {
    fn drop(&mut self) {
        self.counts.stop();
    }
}

fn counts_db(folder: &Path) -> (CountsWriter, Counts) {
    let settings = store::CountsOptions {
        directory: folder.to_owned(),
        camera: String::from("door"),
        zone: jiff::tz::TimeZone::UTC,
        day_starts: 0,
    };
    let (counts, writer) = Counts::open(settings).unwrap();
    let line = |name: &str| LineDraft::new(name, [0.1, 0.5], [0.9, 0.5]);
    let origin = String::from("config.toml:1");
    counts.pin(vec![(line("Door"), origin.clone()), (line("Gate"), origin)], vec![]).unwrap();
    (CountsWriter { counts: counts.clone(), _worker: writer }, counts)
}

fn cross(counts: &Counts, line: &str, track: u64) {
    let lines = counts.lines().borrow().clone();
    let line = lines.iter().find(|row| row.draft.name == line).unwrap().id;
    let crossing = NewCrossing {
        line,
        scene: counts.scene(),
        track,
        ordinal: 1,
        class: Arc::from("person"),
        direction: Direction::In,
        score: 0.5,
        monotonic_us: clock::monotonic_us(),
        kmh: None,
        thumbnail: None,
    };
    counts.record(vec![crossing]).unwrap();
}

#[test]
fn a_crossing_starts_a_recording_and_each_more_prolongs_it() {
    let folder = TempDir::new().unwrap();
    let (writer, counts) = counts_db(folder.path());
    counts.show_scene(Scene::Camera);
    let cam = TestCam::new();
    let settings = RecorderSettings {
        on_crossing: vec![String::from("Door")],
        after_crossing: Duration::from_secs(3),
        pre_roll: Duration::from_secs(1),
        ..RecorderSettings::default()
    };
    let bench = Bench::with(&cam, settings, Some(counts.clone()));
    bench.wait("there is a pre-roll", |status| status.pre_roll_s > 0.5);
    let mut committed = counts.subscribe_crossings();
    cross(&counts, "Gate", 1);
    committed.blocking_recv().unwrap();
    cross(&counts, "Door", 2);
    bench.wait("it begins", |status| status.now.is_some());
    let now = bench.recorder.status().now.unwrap();
    assert_eq!(now.origin, MediaOrigin::Crossing);
    let began = clock::monotonic_us();
    for track in 3..6 {
        let until = clock::monotonic_us() + 500_000;
        wait_until("half a second later", || clock::monotonic_us() > until);
        cross(&counts, "Door", track);
        assert_eq!(bench.recorder.status().now.map(|now| now.id), Some(now.id), "it goes on");
    }
    bench.wait("it ends by itself", |status| status.now.is_none());
    assert!(clock::monotonic_us() - began > 2_000_000);
    let items = bench.items();
    assert_eq!(items.len(), 1, "the gate starts nothing");
    assert_eq!(items[0].note, "Door person");
    assert!(items[0].duration_us > 2_500_000, "with its pre-roll");

    // A recording on a person's request takes over.
    cross(&counts, "Door", 7);
    bench.wait("it begins", |status| status.now.is_some());
    let mine = bench.record(named("mine.mp4")).unwrap();
    assert_eq!(bench.recorder.status().now.map(|now| now.origin), Some(MediaOrigin::Asked));
    cross(&counts, "Door", 8);
    while committed.blocking_recv().unwrap().track != 8 {}
    let until = clock::monotonic_us() + 500_000;
    wait_until("the recorder has heard of it", || clock::monotonic_us() > until);
    assert_eq!(bench.end().map(|item| item.id), Some(mine.id));
    let items = bench.items();
    assert_eq!(items.len(), 3);
    assert!(items.iter().all(|item| !item.is_open && item.frames > 0));
    drop(bench);
    drop(writer);
}
