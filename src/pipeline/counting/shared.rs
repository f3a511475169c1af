//! State shared by the threads of counting and their users: requests one way; overlay, figures and annotated pictures
//! the other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::inference::MissedTrack;
use super::overlay::empty_overlay;
use super::{CountingSettings, CountingStatus, MakeDetector, Overlay};
use crate::pipeline::{Demand, NewestSource, Pipeline, RateMeter};
use tallycam_base::{ClockTime, Fault, Stop};
use tallycam_camera::media::Hub;
use tallycam_store::{Counts, LineRow, NewStay, Scene, StayRow, StoreError, Tallies, ZoneRow};

/// Number of detections in the medians of times.
const TIMES: usize = 64;

/// Requests to the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DetectorRequests {
    /// The hold of `/start_stream` is on.
    pub is_held: bool,
    /// Number of holds so far, so that a new one is noticed during another.
    pub holds: u64,
    /// Number of viewers of annotated pictures.
    pub annotating: usize,
}

/// A request for a change of counting.
pub struct CountingRequest {
    /// The change.
    pub wanted: DetectorRequest,
    /// Receives the outcome. After an error nothing has changed.
    pub answer: oneshot::Sender<Result<(), Fault>>,
}

/// A change of counting.
pub enum DetectorRequest {
    /// The model, by its name; `None` means the configured one.
    Model(Option<String>),
    /// The settings, and a new maker of detectors unless it stays.
    Settings(CountingSettings, Option<MakeDetector>),
}

/// Shared by the two threads and every [`super::Counting`] handle.
#[derive(Debug)]
pub struct DetectorState {
    pub pipeline: Pipeline,
    pub counts_db: Result<Counts, StoreError>,
    settings: RwLock<Arc<CountingSettings>>,
    pub requests: watch::Sender<DetectorRequests>,
    pub overlay: watch::Sender<Arc<Overlay>>,
    pub annotated: Hub,
    pub stop: Stop,
    /// Figures of the detect thread. The lock is held only to copy.
    figures: Mutex<CountingFigures>,
    since_start: Mutex<(u64, u64)>,
    /// Empty shapes and counts, in place of a missing counts.db.
    no_lines: watch::Sender<Arc<Vec<LineRow>>>,
    no_zones: watch::Sender<Arc<Vec<ZoneRow>>>,
    no_tallies: watch::Sender<Arc<Tallies>>,
}

/// Figures of the detect thread.
#[derive(Debug)]
pub struct CountingFigures {
    /// The status; its figures are filled in on request.
    pub status: CountingStatus,
    /// Rate of detections.
    pub rate: RateMeter,
    /// Times of the last detections: total and inference.
    pub times: DetectionTimes,
    /// The vertical middle line counts.
    pub with_middle: bool,
    /// Possibly missed crossings of the last hour.
    pub missed: MissedTracks,
    /// Stays since the start.
    pub stays: StaySums,
}

/// Sums of the stays since the start, by zone number: the number in each step of the histogram, and their length.
#[derive(Debug, Clone, Default)]
pub struct StaySums(pub BTreeMap<u64, ([u64; StayRow::STEPS_S.len() + 1], u64)>);

impl StaySums {
    /// Adds stays. Cut ones have no known length.
    pub fn add(&mut self, stays: &[NewStay]) {
        for stay in stays.iter().filter(|stay| !stay.is_cut) {
            let (steps, length_us) = self.0.entry(stay.zone).or_default();
            steps[StayRow::step_of(stay.length_us / 1000)] += 1;
            *length_us += stay.length_us;
        }
    }
}

/// Maximum age of possibly missed crossings in microseconds, and their maximum number.
const MISSED_US: u64 = 3_600_000_000;
const MOST_MISSED: usize = 500;

/// Possibly missed crossings of the last hour, oldest first.
#[derive(Debug, Default)]
pub struct MissedTracks(VecDeque<MissedTrack>);

impl MissedTracks {
    /// Adds the possibly missed crossings of a detection at `now_us` (wall time).
    pub fn add(&mut self, missed: Vec<MissedTrack>, now_us: u64) {
        self.0.extend(missed);
        let is_old = |track: &MissedTrack| track.time_us.saturating_add(MISSED_US) < now_us;
        while self.0.len() > MOST_MISSED || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
    }

    /// Those of a line since a time.
    pub fn of_line(&self, line: u64, since_us: u64) -> Vec<MissedTrack> {
        let is_wanted = |track: &&MissedTrack| track.line == line && track.time_us >= since_us;
        self.0.iter().filter(is_wanted).cloned().collect()
    }
}

/// Times of the last detections.
#[derive(Debug, Default)]
pub struct DetectionTimes {
    looks: Vec<(Duration, Duration)>,
    next: usize,
}

impl DetectionTimes {
    /// Adds a detection that took `all`; `inference` is the network's part
    /// ([`super::inference::InferenceResult::inference`]).
    pub fn add(&mut self, all: Duration, inference: Duration) {
        if self.looks.len() < TIMES {
            self.looks.push((all, inference));
        } else {
            self.looks[self.next] = (all, inference);
        }
        self.next = (self.next + 1) % TIMES;
    }

    /// Medians of both times in seconds; 0 before the first detection.
    fn medians(&self) -> (f64, f64) {
        let median = |mut times: Vec<Duration>| {
            times.sort_unstable();
            times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
        };
        (
            median(self.looks.iter().map(|look| look.0).collect()),
            median(self.looks.iter().map(|look| look.1).collect()),
        )
    }
}

impl DetectorState {
    pub fn new(
        pipeline: Pipeline,
        counts_db: Result<Counts, StoreError>,
        settings: CountingSettings,
    ) -> DetectorState {
        let status = CountingStatus {
            state: "waiting",
            why: "no_picture",
            since_us: ClockTime::now().wall_us,
            reason: "It begins in a moment.".to_owned(),
            scene: settings.scene,
            ..CountingStatus::default()
        };
        DetectorState {
            annotated: pipeline.hub().derive(),
            pipeline,
            counts_db,
            settings: RwLock::new(Arc::new(settings)),
            requests: watch::Sender::new(DetectorRequests::default()),
            overlay: watch::Sender::new(Arc::new(empty_overlay())),
            stop: Stop::new(),
            figures: Mutex::new(CountingFigures {
                status,
                rate: RateMeter::default(),
                times: DetectionTimes::default(),
                with_middle: false,
                missed: MissedTracks::default(),
                stays: StaySums::default(),
            }),
            since_start: Mutex::new((0, 0)),
            no_lines: watch::Sender::new(Arc::new(Vec::new())),
            no_zones: watch::Sender::new(Arc::new(Vec::new())),
            no_tallies: watch::Sender::new(Arc::new(Tallies::default())),
        }
    }

    /// The scene of a source; the configured one before the first source.
    pub fn scene_of_source(&self, source: Option<NewestSource>) -> Scene {
        let is_simulated = source.is_some_and(|source| source.is_simulated);
        if is_simulated { Scene::Sim } else { self.settings().scene }
    }

    /// True if only the first open of the source will tell the scene.
    pub fn is_scene_unknown(&self) -> bool {
        self.settings().may_be_simulated && self.pipeline.newest_source().is_none()
    }

    /// The current settings.
    pub fn settings(&self) -> Arc<CountingSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the settings.
    pub fn set_settings(&self, settings: Arc<CountingSettings>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub fn lock_figures(&self) -> MutexGuard<'_, CountingFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts for clients of the earlier programs: in, out.
    pub fn lock_since_start(&self) -> MutexGuard<'_, (u64, u64)> {
        self.since_start.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lines(&self) -> watch::Receiver<Arc<Vec<LineRow>>> {
        self.counts_db.as_ref().map_or_else(|_| self.no_lines.subscribe(), Counts::lines)
    }

    pub fn zones(&self) -> watch::Receiver<Arc<Vec<ZoneRow>>> {
        self.counts_db.as_ref().map_or_else(|_| self.no_zones.subscribe(), Counts::zones)
    }

    pub fn subscribe_tallies(&self) -> watch::Receiver<Arc<Tallies>> {
        self.counts_db.as_ref().map_or_else(|_| self.no_tallies.subscribe(), Counts::subscribe_tallies)
    }

    pub fn status(&self) -> CountingStatus {
        let figures = self.lock_figures();
        let (detection_s, inference_s) = figures.times.medians();
        CountingStatus {
            detections_per_second: figures.rate.per_second(ClockTime::now().monotonic_us),
            detection_s,
            inference_s,
            ..figures.status.clone()
        }
    }

    /// Adds a viewer of annotated pictures, until the demand is dropped.
    pub fn annotate(self: &Arc<DetectorState>) -> Demand {
        self.requests.send_modify(|requests| requests.annotating += 1);
        Demand::with_guard(&self.pipeline.shared, Box::new(Annotating(Arc::clone(self))))
    }
}

#[derive(Debug)]
struct Annotating(Arc<DetectorState>);

impl Drop for Annotating {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| requests.annotating -= 1);
    }
}

/// The runtime in which a thread waits for pictures, changes and its stop. It runs no tasks.
///
/// # Errors
/// The operating system's error.
pub fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_time().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_the_last_looks() {
        let mut times = DetectionTimes::default();
        assert_eq!(times.medians(), (0.0, 0.0));
        for n in 0..1000 {
            let ms = if n < 1000 - TIMES { 500 } else { 20 + n as u64 % 2 * 10 };
            times.add(Duration::from_millis(ms), Duration::from_millis(ms / 2));
        }
        assert_eq!(times.medians(), (0.03, 0.015));
        assert_eq!(times.looks.len(), TIMES);
    }

    #[test]
    fn possibly_missed_crossings_are_kept_for_an_hour_within_a_bound() {
        let track =
            |line, track| MissedTrack { line, track, class: "person".into(), time_us: track * 1_000_000 };
        let mut missed = MissedTracks::default();
        missed.add(vec![track(1, 10), track(2, 10), track(1, 20)], 20_000_000);
        assert_eq!(missed.of_line(1, 15_000_000), [track(1, 20)]);
        missed.add(vec![track(1, 3605)], 3_615_000_000);
        assert_eq!(missed.of_line(1, 0), [track(1, 20), track(1, 3605)]);
        missed.add((0..2000).map(|n| track(1, 3700 + n)).collect(), 3_615_000_000);
        assert_eq!(missed.of_line(1, 0).len(), MOST_MISSED);
    }
}
