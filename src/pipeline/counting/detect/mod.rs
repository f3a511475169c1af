//! The thread `detect`: runs the detector on the newest picture at its own rate, counts, and publishes its status.
//!
//! It is a subscriber of the hub. The hub serves as an inbox with one place, so a slow detector skips pictures and
//! delays nobody. The thread waits for pictures and changes in its own runtime, which runs no tasks; slow work
//! happens outside of it.
//!
//! Invariants: The camera is demanded exactly while something should be counted. counts.db records coverage only
//! between the first and the last detection of the current view. No two tracks of one run have the same number. The
//! heart beats at least once a second, except while a detector is being made or runs.

mod detector;
mod plan;
mod publish;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use super::inference::{Crossed, InferenceResult, LineStatuses, MIDDLE, PictureReader, Watch};
use super::occupancy::OccupancyLog;
use super::overlay::empty_overlay;
use super::pending::Unrecorded;
use super::recent::RecentDetections;
use super::shared::{CountingRequest, DetectorRequests, DetectorState};
use super::thumbnail::Cutter;
use super::{MODEL_SETTING, MakeDetector, Overlay};
use crate::pipeline::backoff::Backoff;
use crate::pipeline::rate::RateLimit;
use crate::pipeline::{CameraState, Demand, NewestSource};
use plan::{CounterLines, Needs, ShapeCount, plan};
use tallycam_base::{ClockTime, Fault, Heartbeat, ThreadPriority, block_on};
use tallycam_camera::media::{Geometry, Picture, Subscriber, View};
use tallycam_store::{Coverage, LineRow, NewCrossing, Scene, ZoneRow};
use tallycam_vision::Direction;

/// Longest sleep between heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Extra time until the next heartbeat while a detector is tested and loaded.
const MAKING_TAKES: Duration = Duration::from_secs(120);
/// Extra time until the next heartbeat during one detection, for slow machines.
pub const DETECTION_TAKES: Duration = Duration::from_secs(20);
/// Counting ends after this time without a picture. A slow camera or a low detection rate gets this many steps
/// instead.
const OVERDUE: Duration = Duration::from_millis(1500);
const OVERDUE_STEPS: f64 = 2.5;
/// Default detections per second with a model and by motion. Ten per second count no better with a model
/// (docs/accuracy.md).
pub const MODEL_FPS: f64 = 5.0;
pub const MOTION_FPS: f64 = 15.0;
/// The class that the earlier programs count.
const PERSON: &str = "person";

/// Input of a detector: the scene, and the model chosen on the page.
type MadeFor = (Scene, Option<String>);

enum DetectEvent {
    Picture(Picture),
    Asked(CountingRequest),
    Changed,
    Stopped,
}

/// The shapes, and the lines that the counter has.
#[derive(Debug, Default)]
struct Drawn {
    lines: Arc<Vec<LineRow>>,
    zones: Arc<Vec<ZoneRow>>,
    /// `None` for a new counter.
    told: Option<CounterLines>,
}

#[derive(Debug, Clone, Copy)]
struct LastDetection {
    at: Instant,
    /// Time since the detection before; zero for the first.
    step: Duration,
}

#[derive(Debug)]
struct RefusedPicture {
    made_for: MadeFor,
    why: Fault,
    /// Time of the next try, because a file may be repaired; and the growing pauses.
    again_at: Instant,
    pauses: Backoff,
}

impl RefusedPicture {
    /// `before` is the previous failure, if this was a retry.
    fn new(made_for: MadeFor, why: Fault, before: Option<RefusedPicture>) -> RefusedPicture {
        if before.as_ref().is_none_or(|before| before.why != why) {
            log::error!("counting: {why}");
        }
        let mut pauses = before.map(|before| before.pauses).unwrap_or_default();
        RefusedPicture { made_for, why, again_at: Instant::now() + pauses.next_pause(), pauses }
    }
}

/// State of the thread.
pub struct Detect<'a> {
    shared: Arc<DetectorState>,
    make: MakeDetector,
    asked: mpsc::Receiver<CountingRequest>,
    reading: PictureReader,
    cutter: Cutter,
    beat: &'a Heartbeat,
    lines: watch::Receiver<Arc<Vec<LineRow>>>,
    zones: watch::Receiver<Arc<Vec<ZoneRow>>>,
    states: watch::Receiver<CameraState>,
    views: watch::Receiver<Arc<View>>,
    /// Rotation and crop of the pictures. Lines are fractions of the result.
    geometry: Geometry,
    requests: watch::Receiver<DetectorRequests>,
    holds: u64,
    demand: Option<Demand>,
    pictures: Option<Subscriber>,
    limit: RateLimit,
    scene: Scene,
    source: Option<NewestSource>,
    chosen: Option<String>,
    watch: Option<(MadeFor, Watch)>,
    refused: Option<RefusedPicture>,
    /// Time at which a broken detector is made again, and the growing pauses.
    remake_at: Option<Instant>,
    remaking: Backoff,
    working_since: Instant,
    highest_track: u64,
    drawn: Drawn,
    /// Status of each line with this detector; `None` without a detector for this scene.
    judged: Option<LineStatuses>,
    last_look: Option<LastDetection>,
    failing: Option<String>,
    recent: RecentDetections,
    unrecorded: Unrecorded,
    occupancy: OccupancyLog,
    /// The hour of the movement map since 1970, and its first time in microseconds of `CLOCK_MONOTONIC`.
    movement: Option<(u64, u64)>,
    /// A network can take a whole small machine: the stream must not wait for it.
    _way: ThreadPriority,
}

impl<'a> Detect<'a> {
    /// Runs on the thread itself, and lowers its priority.
    pub fn new(
        shared: Arc<DetectorState>,
        make: MakeDetector,
        asked: mpsc::Receiver<CountingRequest>,
        reading: PictureReader,
        cutter: Cutter,
        beat: &'a Heartbeat,
    ) -> Detect<'a> {
        let chosen = shared.counts_db.as_ref().ok().and_then(|counts| counts.setting(MODEL_SETTING));
        let scene = shared.settings().scene;
        Detect {
            make,
            asked,
            reading,
            cutter,
            beat,
            lines: shared.lines(),
            zones: shared.zones(),
            states: shared.pipeline.states(),
            geometry: shared.pipeline.view().borrow().geometry(),
            views: shared.pipeline.view(),
            requests: shared.requests.subscribe(),
            holds: 0,
            demand: None,
            pictures: None,
            limit: RateLimit::new(MODEL_FPS),
            scene,
            source: None,
            chosen,
            watch: None,
            refused: None,
            remake_at: None,
            remaking: Backoff::default(),
            working_since: Instant::now(),
            highest_track: 0,
            drawn: Drawn::default(),
            judged: None,
            last_look: None,
            failing: None,
            recent: RecentDetections::default(),
            unrecorded: Unrecorded::default(),
            occupancy: OccupancyLog::default(),
            movement: None,
            _way: ThreadPriority::start(&["network-"], beat),
            shared,
        }
    }

    /// Runs until counting stops.
    pub fn run(mut self, runtime: &Runtime) {
        self.switch_scene(self.shared.settings().scene);
        loop {
            self.beat.beat();
            self.refresh();
            match block_on(runtime, self.wait()) {
                DetectEvent::Picture(picture) => {
                    self.picture(&picture);
                }
                DetectEvent::Asked(request) => self.handle(request),
                DetectEvent::Changed => {}
                DetectEvent::Stopped => break,
            }
        }
        self.unrecorded.flush(&self.shared.counts_db);
        let rows = self.occupancy.take();
        self.record_occupancy(rows);
        self.end_stays();
        self.record_movement(None);
        self.record_cover(Coverage::Not("off"));
    }

    /// The next picture for the detector, or another event.
    async fn wait(&mut self) -> DetectEvent {
        let sleep = tokio::time::sleep(self.longest_wait());
        tokio::pin!(sleep);
        loop {
            tokio::select! {
                biased;
                () = self.shared.stop.stopped() => return DetectEvent::Stopped,
                Some(request) = self.asked.recv() => return DetectEvent::Asked(request),
                // The senders live as long as `self.shared`, so these cannot fail.
                Ok(()) = self.lines.changed() => return DetectEvent::Changed,
                Ok(()) = self.zones.changed() => return DetectEvent::Changed,
                Ok(()) = self.states.changed() => return DetectEvent::Changed,
                Ok(()) = self.views.changed() => return DetectEvent::Changed,
                Ok(()) = self.requests.changed() => return DetectEvent::Changed,
                picture = next_picture(&mut self.pictures) => match picture {
                    Some(picture) if self.needs_inference(&picture) => return DetectEvent::Picture(picture),
                    Some(_) => {}
                    // The pipeline ends; the stop will end this thread, too.
                    None => self.pictures = None,
                },
                () = &mut sleep => return DetectEvent::Changed,
            }
        }
    }

    fn longest_wait(&self) -> Duration {
        let now = Instant::now();
        let overdue = self.last_look.map(|last| last.at + self.overdue_after(&last));
        overdue
            .into_iter()
            .chain(self.remake_at)
            .map(|at| at.saturating_duration_since(now))
            .filter(|wait| !wait.is_zero())
            .fold(HEARTBEAT, Duration::min)
    }

    /// Time after this detection until pictures count as overdue.
    fn overdue_after(&self, last: &LastDetection) -> Duration {
        let pace = self.shared.settings().fps.map_or(0.0, |fps| 1.0 / fps);
        let step = last.step.as_secs_f64().max(pace);
        OVERDUE.max(Duration::try_from_secs_f64(step * OVERDUE_STEPS).unwrap_or(OVERDUE))
    }

    fn needs_inference(&mut self, picture: &Picture) -> bool {
        !picture.is_card && self.limit.accepts(picture.stamp.monotonic_us)
    }

    /// Adapts everything to the requests and the facts, and publishes the status.
    fn refresh(&mut self) {
        // Each call of counts.db may block for some seconds.
        self.beat.beat();
        self.refresh_source();
        self.refresh_view();
        let requests = *self.requests.borrow_and_update();
        let camera = self.states.borrow_and_update().clone();
        let lines = Arc::clone(&self.lines.borrow_and_update());
        let zones = Arc::clone(&self.zones.borrow_and_update());
        let needs = self.needs(requests, &camera, &lines, &zones);
        let plan = plan(&needs);

        if plan.retries_detector {
            self.refused = None;
        }
        match (plan.demands_camera, &self.demand) {
            (true, None) => self.demand = Some(self.shared.pipeline.demand()),
            (true, Some(_)) => {}
            (false, _) => self.demand = None,
        }
        match (plan.takes_pictures, &self.pictures) {
            (true, None) => self.pictures = Some(self.shared.pipeline.originals().subscribe()),
            (false, Some(_)) => {
                self.pictures = None;
                self.shared.pipeline.request_small(None);
            }
            _ => {}
        }
        if plan.clears_results {
            self.clear_results();
        }
        if self.is_picture_overdue() {
            self.clear_overlay();
        }
        self.holds = requests.holds;
        self.drawn = Drawn { lines, zones, told: Some(plan.lines) };
        match &mut self.watch {
            Some((made_for, watch)) if plan.tells_counter => {
                let CounterLines { scene, with_middle } = plan.lines;
                let judged = watch.set_lines(&self.drawn.lines, &self.drawn.zones, scene, with_middle);
                // A detector of another scene cannot judge these lines. The next picture makes one for this scene.
                self.judged = (made_for.0 == scene).then_some(judged);
            }
            Some(_) => {}
            None => self.judged = None,
        }
        self.publish_status(needs.here.lines, plan.lines.with_middle, requests.is_held, &camera);
    }

    fn needs<'n>(
        &self,
        requests: DetectorRequests,
        camera: &'n CameraState,
        lines: &Arc<Vec<LineRow>>,
        zones: &Arc<Vec<ZoneRow>>,
    ) -> Needs<'n> {
        let settings = self.shared.settings();
        let shapes_in = |scene| ShapeCount {
            lines: lines.iter().filter(|row| row.is_in_scene(scene)).count(),
            zones: zones.iter().filter(|row| row.is_in_scene(scene) && !row.draft.exclude).count(),
        };
        Needs {
            is_on: settings.is_on,
            camera,
            requests,
            is_hold_new: self.holds != requests.holds,
            scene: self.scene,
            here: shapes_in(self.scene),
            configured: shapes_in(settings.scene),
            possible: match self.shared.is_scene_unknown() {
                true => shapes_in(Scene::Sim),
                false => ShapeCount::default(),
            },
            are_shapes_new: !Arc::ptr_eq(lines, &self.drawn.lines) || !Arc::ptr_eq(zones, &self.drawn.zones),
            told: self.drawn.told,
            has_pictures: self.pictures.is_some(),
        }
    }

    fn is_picture_overdue(&self) -> bool {
        self.last_look.is_some_and(|last| last.at.elapsed() >= self.overdue_after(&last))
    }

    /// Adopts a new source, if there is one. Tracks do not continue across it.
    fn refresh_source(&mut self) {
        let newest = self.shared.pipeline.newest_source();
        if newest == self.source {
            return;
        }
        self.source = newest;
        self.refused = None;
        self.clear_results();
        if let Some((_, watch)) = &mut self.watch {
            watch.restart();
        }
        // They belong to the scene before.
        self.end_stays();
        self.record_movement(None);
        self.switch_scene(self.current_scene());
    }

    fn current_scene(&self) -> Scene {
        self.shared.scene_of_source(self.source)
    }

    /// Adopts a new rotation or crop. Tracks do not continue across it. Other changes of the picture do not matter.
    fn refresh_view(&mut self) {
        let geometry = self.views.borrow_and_update().geometry();
        if geometry == self.geometry {
            return;
        }
        self.record_movement(None);
        self.geometry = geometry;
        self.clear_results();
        if let Some((_, watch)) = &mut self.watch {
            watch.restart();
        }
        log::info!("counting: the picture has changed; tracking starts again");
    }

    fn switch_scene(&mut self, scene: Scene) {
        if scene != self.scene {
            log::info!("counting: source class is now {}", scene.as_str());
            self.scene = scene;
        }
        self.publish_scene();
    }

    /// Tells counts.db the current scene. The next call repeats a failed attempt.
    fn publish_scene(&self) {
        if let Ok(counts) = &self.shared.counts_db {
            counts.show_scene(self.scene);
        }
    }

    /// Discards the results, which do not describe the current view.
    fn clear_results(&mut self) {
        self.last_look = None;
        self.occupancy.pause();
        self.clear_overlay();
    }

    fn clear_overlay(&mut self) {
        self.shared.lock_figures().status.tracks = 0;
        self.shared.overlay.send_if_modified(|overlay| {
            let shows = !overlay.tracks.is_empty() || !overlay.zones.is_empty();
            if shows {
                *overlay = Arc::new(empty_overlay());
            }
            shows
        });
    }

    /// Makes a detector if there is none for this scene and choice, and runs it on the picture.
    fn picture(&mut self, picture: &Picture) {
        if self.shared.pipeline.newest_source() != self.source {
            self.refresh();
            if self.pictures.is_none() {
                return;
            }
        }
        // A picture of the previous source may still be in the hub.
        if self.source.is_some_and(|source| picture.stamp.monotonic_us < source.opened_us) {
            return;
        }
        let wanted = (self.scene, self.chosen.clone());
        if self.watch.as_ref().is_none_or(|(made_for, _)| *made_for != wanted) {
            if !self.can_make_watch(&wanted) {
                return;
            }
            self.release_watch();
            let chosen = wanted.1.clone();
            let before = self.refused.take().filter(|refused| refused.made_for == wanted);
            // Until it succeeds, the published status stays.
            let made = match before {
                None => self.make_watch(wanted.0, chosen.as_deref()),
                Some(_) => self.try_make_watch(wanted.0, chosen.as_deref()),
            };
            match made {
                Ok(watch) => self.install_watch(wanted, watch),
                Err(why) => {
                    self.refused = Some(RefusedPicture::new(wanted, why, before));
                    return;
                }
            }
            self.refresh();
            // This picture may be seconds old by now: the detector gets the next one.
            return;
        }
        self.run_inference(picture);
    }

    fn run_inference(&mut self, picture: &Picture) {
        let Some((_, watch)) = &mut self.watch else { return };
        self.beat.beat_with_extension(DETECTION_TAKES);
        let began = Instant::now();
        // Takes effect from the next picture on, if the camera has a second stream.
        self.shared.pipeline.request_small(Some(watch.least_size((picture.width, picture.height))));
        let small = self.shared.pipeline.small_image_of(picture);
        let looked = watch.run_inference(&mut self.reading, picture, small.as_deref(), &self.geometry);
        let tells_classes = watch.tells_classes;
        self.beat.beat();
        match looked {
            Ok(seen) => self.handle_result(picture, seen, began, tells_classes),
            Err(error) => self.handle_failure(&error),
        }
    }

    fn handle_result(
        &mut self,
        picture: &Picture,
        seen: InferenceResult,
        began: Instant,
        tells_classes: bool,
    ) {
        let InferenceResult { crossed, missed, overlay, stays, inference } = seen;
        self.failing = None;
        self.recent.succeeded();
        let now = Instant::now();
        let step = self.last_look.map_or(Duration::ZERO, |last| now - last.at);
        self.last_look = Some(LastDetection { at: now, step });
        self.count_for_legacy_api(&crossed, tells_classes);
        self.record_crossings(picture, crossed);
        {
            let mut figures = self.shared.lock_figures();
            figures.missed.add(missed, picture.stamp.wall_us);
            figures.status.detections += 1;
            figures.status.tracks = overlay.tracks.len();
            figures.rate.count(ClockTime::now().monotonic_us);
            match inference {
                Some(inference) => figures.times.add(began.elapsed(), inference),
                None => figures.status.detections_skipped += 1,
            }
        }
        self.record_movement(Some(overlay.stamp));
        let rows = self.occupancy.observe(overlay.stamp, self.scene, &overlay.zones);
        self.record_occupancy(rows);
        self.record_stays(stays);
        self.publish(overlay);
    }

    fn publish(&self, overlay: Overlay) {
        self.shared.overlay.send_replace(Arc::new(overlay));
    }

    fn count_for_legacy_api(&self, crossed: &[Crossed], tells_classes: bool) {
        let mut since_start = self.shared.lock_since_start();
        for crossed in crossed.iter().filter(|crossed| !tells_classes || &*crossed.class == PERSON) {
            match crossed.direction {
                Direction::In => since_start.0 += 1,
                Direction::Out => since_start.1 += 1,
            }
        }
    }

    fn record_crossings(&mut self, picture: &Picture, crossed: Vec<Crossed>) {
        let settings = self.shared.settings();
        let with_thumbnails = settings.thumbnails && !settings.counts_only;
        for crossed in crossed.into_iter().filter(|crossed| crossed.line != MIDDLE) {
            let bounds = crossed.bounds.filter(|_| with_thumbnails);
            self.unrecorded.add(NewCrossing {
                line: crossed.line,
                scene: self.scene,
                track: crossed.track,
                ordinal: crossed.ordinal,
                class: crossed.class,
                direction: crossed.direction,
                score: crossed.score,
                monotonic_us: crossed.monotonic_us,
                kmh: crossed.kmh,
                thumbnail: bounds.and_then(|bounds| {
                    self.cutter.encode(&mut self.reading, picture, &self.geometry, bounds)
                }),
            });
        }
        self.unrecorded.flush(&self.shared.counts_db);
    }

    fn handle_failure(&mut self, error: &Fault) {
        let is_lost = self.watch.as_ref().is_some_and(|(_, watch)| watch.has_panicked);
        self.shared.lock_figures().status.failed += 1;
        if let Some(line) = self.recent.record_failure(error.to_string(), Instant::now()) {
            log::error!("counting: {line}");
        }
        // A single failed detection among others is not a failure of counting.
        if !is_lost && self.last_look.is_some() && !self.is_picture_overdue() {
            return;
        }
        self.failing = Some(error.to_string());
        self.clear_results();
        if is_lost {
            self.release_watch();
            let now = Instant::now();
            self.remaking = self.remaking.clone().after_running(now - self.working_since);
            self.remake_at = Some(now + self.remaking.next_pause());
        }
    }
}

impl Drop for Detect<'_> {
    fn drop(&mut self) {
        // Also after a panic: the last overlay must not pass for current.
        self.shared.overlay.send_replace(Arc::new(empty_overlay()));
    }
}

/// The next picture; pending while nobody wants one.
async fn next_picture(pictures: &mut Option<Subscriber>) -> Option<Picture> {
    match pictures {
        Some(pictures) => pictures.next().await,
        None => std::future::pending().await,
    }
}
