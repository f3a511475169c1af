//! What the threads of counting and everyone else share: requests one way, overlay, figures and
//! annotated pictures the other.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::{oneshot, watch};

use super::inference::MissedTrack;
use super::overlay::empty_overlay;
use super::{CountingSettings, CountingStatus, MakeDetector, NoDetector, Overlay};
use crate::base::{ClockTime, Stop};
use crate::media::Hub;
use crate::pipeline::{Demand, NewestSource, Pipeline, RateMeter};
use crate::store::{Counts, LineRow, Scene, StoreError, Tallies, ZoneRow};

/// Looks whose times are remembered for the medians.
const TIMES: usize = 64;

/// What others want of the threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DetectorRequests {
    /// `/start_stream`.
    pub is_held: bool,
    /// Holds so far: one that begins while another lasts is seen, too.
    pub holds: u64,
    /// How many watch annotated pictures.
    pub annotating: usize,
}

/// Somebody wants to have it counted otherwise.
pub struct CountingRequest {
    /// How.
    pub wanted: DetectorRequest,
    /// Told when it is so, or why it is not: then all is as before.
    pub answer: oneshot::Sender<Result<(), NoDetector>>,
}

/// What is wanted to be otherwise.
pub enum DetectorRequest {
    /// The model, by its name; `None`: the configured one.
    Model(Option<String>),
    /// The settings, and, where it is not to be as before, what makes detectors.
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
    /// What the detect thread says; behind a lock that is held for a copy.
    figures: Mutex<CountingFigures>,
    since_start: Mutex<(u64, u64)>,
    /// What is drawn where there is no counts.db: nothing.
    no_lines: watch::Sender<Arc<Vec<LineRow>>>,
    no_zones: watch::Sender<Arc<Vec<ZoneRow>>>,
    no_tallies: watch::Sender<Arc<Tallies>>,
}

/// What the detect thread counts and says.
#[derive(Debug)]
pub struct CountingFigures {
    /// How it stands; the figures below are filled in when somebody asks.
    pub status: CountingStatus,
    /// Looks.
    pub rate: RateMeter,
    /// Times of the last looks: all of it, and the inference.
    pub times: DetectionTimes,
    /// Whether the line down the middle counts.
    pub with_middle: bool,
    /// What may have been missed in the last hour.
    pub missed: MissedTracks,
}

/// What may have been missed is kept for so long, in microseconds, and never more than so many.
const MISSED_US: u64 = 3_600_000_000;
const MOST_MISSED: usize = 500;

/// Tracks that may have crossed a line unseen in the last hour, the oldest first.
#[derive(Debug, Default)]
pub struct MissedTracks(VecDeque<MissedTrack>);

impl MissedTracks {
    /// Adds what a look at `now_us` (wall time) may have missed.
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

/// How long the last looks took.
#[derive(Debug, Default)]
pub struct DetectionTimes {
    looks: Vec<(Duration, Duration)>,
    next: usize,
}

impl DetectionTimes {
    /// A detection took `all`, of which `inference` is the network's part
    /// ([`super::inference::InferenceResult::inference`]).
    pub fn add(&mut self, all: Duration, inference: Duration) {
        if self.looks.len() < TIMES {
            self.looks.push((all, inference));
        } else {
            self.looks[self.next] = (all, inference);
        }
        self.next = (self.next + 1) % TIMES;
    }

    /// The medians of both, in seconds; 0 before the first look.
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
            word: "waiting",
            why: "no_picture",
            since_us: ClockTime::now().wall_us,
            reason: "It begins in a moment.".to_owned(),
            scene: settings.scene,
            ..CountingStatus::default()
        };
        DetectorState {
            pipeline,
            counts_db,
            settings: RwLock::new(Arc::new(settings)),
            requests: watch::Sender::new(DetectorRequests::default()),
            overlay: watch::Sender::new(Arc::new(empty_overlay())),
            annotated: Hub::new(),
            stop: Stop::new(),
            figures: Mutex::new(CountingFigures {
                status,
                rate: RateMeter::default(),
                times: DetectionTimes::default(),
                with_middle: false,
                missed: MissedTracks::default(),
            }),
            since_start: Mutex::new((0, 0)),
            no_lines: watch::Sender::new(Arc::new(Vec::new())),
            no_zones: watch::Sender::new(Arc::new(Vec::new())),
            no_tallies: watch::Sender::new(Arc::new(Tallies::default())),
        }
    }

    /// What a source shows; the configured scene before there was one.
    pub fn scene_of_source(&self, source: Option<NewestSource>) -> Scene {
        let is_simulated = source.is_some_and(|source| source.is_simulated);
        if is_simulated { Scene::Sim } else { self.settings().scene }
    }

    /// Whether only the source's first opening will show which scene it is.
    pub fn is_scene_unknown(&self) -> bool {
        self.settings().may_be_simulated && self.pipeline.newest_source().is_none()
    }

    /// How counting is done now.
    pub fn settings(&self) -> Arc<CountingSettings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// It is done otherwise from now on.
    pub fn set_settings(&self, settings: Arc<CountingSettings>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub fn lock_figures(&self) -> MutexGuard<'_, CountingFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the old programs' readers are told: in, out.
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
        let (look_s, inference_s) = figures.times.medians();
        CountingStatus {
            looks_per_second: figures.rate.per_second(ClockTime::now().monotonic_us),
            look_s,
            inference_s,
            ..figures.status.clone()
        }
    }

    /// One more who watches annotated pictures, until the demand is dropped.
    pub fn annotate(self: &Arc<DetectorState>) -> Demand {
        self.requests.send_modify(|requests| requests.annotating += 1);
        Demand::with_guard(&self.pipeline.shared, Box::new(Annotating(Arc::clone(self))))
    }
}

/// One who watches annotated pictures.
#[derive(Debug)]
struct Annotating(Arc<DetectorState>);

impl Drop for Annotating {
    fn drop(&mut self) {
        self.0.requests.send_modify(|requests| requests.annotating -= 1);
    }
}

/// What a thread waits by: for pictures, changes and its stop, whichever comes first. It runs no
/// tasks.
///
/// # Errors
/// The operating system's.
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
    fn what_may_have_been_missed_is_kept_for_an_hour_and_never_without_end() {
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
