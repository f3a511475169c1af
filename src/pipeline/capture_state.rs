//! State shared by the capture thread and its users: requests one way, state and figures the other.
//!
//! Locks are taken one at a time or in this order: requests, opening, sweep, state, view, figures, the hub's own.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use tallycam_base::{ClockTime, Stop, WakeFd};
use tallycam_camera::media::{CameraFormat, Frame, Hub, Picture, SmallImage, SourceError, View};
use tallycam_camera::source::StreamFormat;

use super::commands::{CameraControls, CaptureCommand, ControlsError, SavedControls};
use super::focus::UnderWay;
use super::lights::LightSwitch;
use super::rate::RateMeter;
use super::single_flight::SingleFlight;
use super::stability::Stability;
use super::warm_up::WarmUp;
use super::{CameraState, CaptureOptions};

/// Maximum number of waiting requests for the largest size; one open serves them all.
const LARGEST_AT_ONCE: usize = 8;

/// Outcome of a request for a picture of the camera's largest size.
#[derive(Debug, Clone)]
pub enum Largest {
    Picture(Picture),
    /// The stream already has the largest size.
    NothingLarger,
    /// The picture could not be taken.
    Failed(SourceError),
}

/// The pictures made of one frame. Without changes for viewers both are the same picture.
#[derive(Debug, Default)]
pub struct Shots {
    /// The picture for viewers; `None` while there are none.
    pub shown: Option<Picture>,
    /// The camera's original; `None` if nobody wants it and it would have to be encoded.
    pub original: Option<Picture>,
}

/// Shared by the capture thread, every [`super::Pipeline`] handle and every [`super::Demand`].
#[derive(Debug)]
pub struct CaptureState {
    /// Pictures for viewers.
    pub hub: Hub,
    /// The camera's original pictures.
    pub originals: Hub,
    /// Changes of the pictures for everyone.
    pub view: watch::Sender<Arc<View>>,
    requests: Mutex<CaptureRequests>,
    /// A request is pending. The capture thread checks this between two frames.
    is_asked: AtomicBool,
    /// Wakes a source that waits for a frame when a request arrives.
    pub wake_fd: WakeFd,
    changed: Condvar,
    pub figures: Mutex<CaptureFigures>,
    pub state: watch::Sender<CameraState>,
    /// Number of the source that the capture thread has open or is opening, counted from 1. It changes from `None`
    /// with the requests locked, so that a requester knows which source was open before its request.
    pub opening: watch::Sender<Option<u64>>,
    /// The focus sweep in progress. A change of the saved values ends it with the requests locked.
    pub sweep: watch::Sender<Option<UnderWay>>,
    /// The light for snapshots, once it exists.
    pub light: OnceLock<LightSwitch>,
    /// The newest frame of a camera's second stream, for the detector.
    small: Mutex<Small>,
    /// Recent controls of the camera, for readers.
    pub controls: SingleFlight<Result<CameraControls, ControlsError>>,
    /// Recent formats of the camera, for readers.
    pub formats: SingleFlight<Result<Vec<CameraFormat>, ControlsError>>,
}

/// The small second stream of a camera. A detector uses it in place of the picture, because it needs no decoding.
#[derive(Debug, Default)]
struct Small {
    /// Minimum width and height in pixels; `None` if nobody wants the stream.
    least: Option<(u32, u32)>,
    newest: Option<Arc<SmallImage>>,
}

/// Requests to the capture thread.
#[derive(Debug)]
pub struct CaptureRequests {
    /// Number of demands for the camera.
    pub demands: usize,
    /// Time at which that number last fell to zero.
    pub last_needed: Instant,
    pub is_held: bool,
    /// Number of holds so far, to tell one hold from a later one.
    pub holds: u64,
    pub is_paused: bool,
    /// A pause that the capture thread has not yet carried out, even if the pause is over.
    pub is_to_close: bool,
    pub is_stopping: bool,
    /// A new viewer wants pictures: a camera in trouble is tried now.
    pub try_now: bool,
    /// A resume or hold: even a source that has ended for good is tried again.
    pub try_again: bool,
    /// Ends an open in progress.
    pub interrupt: Stop,
    /// Requesters of a picture of the largest size. Dropped without an answer if no picture is possible.
    pub largest: Vec<oneshot::Sender<Largest>>,
    /// Other requests in order; at most [`AT_ONCE`](super::commands::AT_ONCE). `None` after the thread has ended.
    pub commands: Option<VecDeque<CaptureCommand>>,
    /// Settings of the pipeline.
    pub settings: CaptureOptions,
    /// Values that controls get after every open.
    pub saved: Arc<SavedControls>,
    /// The capture thread has not seen the current `saved` yet.
    pub has_new_saved: bool,
    /// Number of demands so far, to tell whether another one arrived meanwhile.
    taken: u64,
}

impl CaptureRequests {
    /// Requests a picture of the largest size; `None` if too many wait for one.
    pub fn request_largest(&mut self) -> Option<oneshot::Receiver<Largest>> {
        self.largest.retain(|waits| !waits.is_closed());
        (self.largest.len() < LARGEST_AT_ONCE).then(|| {
            let (answer, answered) = oneshot::channel();
            self.largest.push(answer);
            answered
        })
    }
}

/// Counters of the capture thread.
#[derive(Debug)]
pub struct CaptureFigures {
    pub since: ClockTime,
    /// The source that is or will be opened, in words.
    pub source: String,
    pub delivers: Option<StreamFormat>,
    /// Time at which the current source was opened (monotonic microseconds).
    pub opened_us: u64,
    /// Number of pictures after an open that are not used as snapshots.
    pub warm_up: u32,
    warming: WarmUp,
    /// Capture time of its first picture after the warm-up.
    warm_us: Option<u64>,
    pub size: Option<(u32, u32)>,
    pub rate: RateMeter,
    pub frames: u64,
    pub lost: u64,
    pub broken: u64,
    pub pictures: u64,
    pub bytes: u64,
    /// Pictures that were changed for everyone.
    pub changed: u64,
    pub opens: u64,
    /// Failed opens and failed streams.
    pub failures: u64,
    pub failed_reads: u32,
    pub stability: Stability,
}

impl CaptureState {
    pub fn new(source: String, settings: CaptureOptions) -> CaptureState {
        let hub = Hub::new();
        CaptureState {
            originals: hub.derive(),
            hub,
            view: watch::Sender::default(),
            is_asked: AtomicBool::new(false),
            wake_fd: WakeFd::new(),
            requests: Mutex::new(CaptureRequests {
                demands: 0,
                last_needed: Instant::now(),
                is_held: false,
                holds: 0,
                is_paused: false,
                is_to_close: false,
                is_stopping: false,
                try_now: false,
                try_again: false,
                interrupt: Stop::new(),
                largest: Vec::new(),
                commands: Some(VecDeque::new()),
                settings,
                saved: Arc::default(),
                has_new_saved: false,
                taken: 0,
            }),
            changed: Condvar::new(),
            figures: Mutex::new(CaptureFigures {
                since: ClockTime::now(),
                source,
                delivers: None,
                opened_us: 0,
                warm_up: 0,
                warming: WarmUp::default(),
                warm_us: None,
                size: None,
                rate: RateMeter::default(),
                frames: 0,
                lost: 0,
                broken: 0,
                pictures: 0,
                bytes: 0,
                changed: 0,
                opens: 0,
                failures: 0,
                failed_reads: 0,
                stability: Stability::default(),
            }),
            state: watch::Sender::new(CameraState::Asleep),
            opening: watch::Sender::new(None),
            sweep: watch::Sender::new(None),
            light: OnceLock::new(),
            small: Mutex::default(),
            controls: SingleFlight::default(),
            formats: SingleFlight::default(),
        }
    }

    /// Locks the requests.
    pub fn lock_requests(&self) -> MutexGuard<'_, CaptureRequests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the requests and wakes the capture thread.
    pub fn update_requests<T>(&self, change: impl FnOnce(&mut CaptureRequests) -> T) -> T {
        let result = change(&mut self.lock_requests());
        self.changed.notify_all();
        result
    }

    /// Sends a request to the capture thread. It wakes, or serves the request between two frames.
    pub fn request<T>(&self, ask: impl FnOnce(&mut CaptureRequests) -> T) -> T {
        let result = self.update_requests(|requests| {
            let result = ask(requests);
            self.is_asked.store(true, Ordering::Release);
            result
        });
        self.wake_fd.notify();
        result
    }

    /// True if a request arrived since the last call. Costs one load per frame.
    pub fn take_request_flag(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed) && self.is_asked.swap(false, Ordering::Acquire)
    }

    /// Like [`CaptureState::take_request_flag`], without clearing the flag.
    pub fn has_request(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Notes that a request is left.
    pub fn set_request_flag(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    /// Settings of the pipeline.
    pub fn settings(&self) -> CaptureOptions {
        self.lock_requests().settings.clone()
    }

    /// The source that is or will be opened, in words.
    pub fn source(&self) -> String {
        self.lock_figures().source.clone()
    }

    /// Sleep of the capture thread until requests change, at most `time`.
    pub fn wait<'a>(
        &self,
        requests: MutexGuard<'a, CaptureRequests>,
        time: Duration,
    ) -> MutexGuard<'a, CaptureRequests> {
        self.changed.wait_timeout(requests, time).unwrap_or_else(PoisonError::into_inner).0
    }

    pub fn lock_figures(&self) -> MutexGuard<'_, CaptureFigures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a state. Entering the current state changes nothing, not even its time.
    pub fn set_state(&self, state: CameraState) {
        self.set_state_if(|_| true, state);
    }

    /// Enters a state if `is_to` accepts the current one. Check and change are atomic.
    pub fn set_state_if(&self, is_to: impl FnOnce(&CameraState) -> bool, state: CameraState) {
        self.state.send_if_modified(|now| {
            let changes = *now != state && is_to(now);
            if changes {
                self.lock_figures().since = ClockTime::now();
                *now = state;
            }
            changes
        });
    }

    /// True if no picture comes in `state`: the camera is paused, or has given none since its last fault. One that
    /// fails most of the time gives pictures between its faults.
    pub fn is_hopeless(&self, state: &CameraState) -> bool {
        match state {
            CameraState::Paused => true,
            CameraState::Trouble(_) => !self.lock_figures().stability.has_pictures(),
            CameraState::Asleep | CameraState::Waking | CameraState::Live => false,
        }
    }

    /// Removes the newest pictures.
    pub fn clear(&self) {
        self.hub.clear();
        self.originals.clear();
    }

    /// Closes both hubs.
    pub fn close(&self) {
        self.hub.close();
        self.originals.close();
    }

    /// Publishes a still card.
    pub fn publish_card(&self, card: Picture) {
        self.originals.publish(card.clone());
        self.hub.publish(card);
    }

    /// Sets the minimum size of small images that a subscriber wants; `None` for none.
    pub fn request_small(&self, least: Option<(u32, u32)>) {
        let mut small = self.lock_second_frame();
        if small.least != least {
            *small = Small { least, newest: None };
        }
    }

    /// Stores the second image of `frame` if it is wanted and large enough.
    pub fn keep_second_frame(&self, frame: &Frame<'_>) {
        let Some(second) = frame.second else { return };
        let mut small = self.lock_second_frame();
        let Some(least) = small.least.filter(|l| l.0 <= second.width && l.1 <= second.height) else { return };
        let image = small.newest.take().and_then(|image| Arc::try_unwrap(image).ok());
        let mut image = image.unwrap_or_else(SmallImage::empty);
        if image.reduce(&second.to_frame(frame), least).is_ok() {
            image.of = (frame.width, frame.height);
            small.newest = Some(Arc::new(image));
        }
    }

    /// The small image of the same moment as `picture`, if it is still stored.
    pub fn small_image_of(&self, picture: &Picture) -> Option<Arc<SmallImage>> {
        let is_same = |image: &&Arc<SmallImage>| {
            (image.sequence, image.stamp.monotonic_us) == (picture.sequence, picture.stamp.monotonic_us)
        };
        self.lock_second_frame().newest.as_ref().filter(is_same).cloned()
    }

    fn lock_second_frame(&self) -> MutexGuard<'_, Small> {
        self.small.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and publishes live pictures. Publishes the shown one only if `view` is still the current view, so that
    /// later subscribers do not see the old view. Returns true if it is.
    pub fn publish(&self, Shots { shown, original }: Shots, view: &Arc<View>) -> bool {
        // Held until they are published: a change of the view removes shown pictures.
        let now = self.view.borrow();
        let is_current = Arc::ptr_eq(&now, view);
        let (picture, size) = match (&shown, &original) {
            (Some(shown), _) => (shown, (shown.width, shown.height)),
            (None, Some(original)) => (original, now.output_size((original.width, original.height))),
            (None, None) => return true,
        };
        {
            let mut figures = self.lock_figures();
            figures.pictures += 1;
            figures.bytes += picture.jpeg_len() as u64;
            if is_current {
                figures.size = Some(size);
            }
            figures.stability.record_picture(Instant::now());
            // Single pictures between faults do not make a camera healthy.
            figures.failed_reads = figures.stability.failures();
            let at_us = picture.stamp.monotonic_us;
            figures.rate.count(at_us);
            if figures.warm_us.is_none() && figures.warming.is_warm_after(at_us) {
                figures.warm_us = Some(at_us);
            }
        }
        // Unwanted pictures are not made. The next subscriber must not get an old one instead.
        match original {
            Some(original) => self.originals.publish(original),
            None => self.originals.clear(),
        }
        match shown {
            _ if !is_current => {}
            Some(shown) => self.hub.publish(shown),
            None => self.hub.clear(),
        }
        is_current
    }

    /// Publishes the newest picture again in `view`, unless the view has changed since.
    pub fn republish(&self, shown: Picture, view: &Arc<View>) {
        // Held, as in [`CaptureState::publish`].
        let now = self.view.borrow();
        if Arc::ptr_eq(&now, view) {
            self.lock_figures().size = Some((shown.width, shown.height));
            self.hub.publish(shown);
        }
    }
}

impl CaptureFigures {
    /// Records that another source was opened, which delivers this format.
    pub fn record_open(&mut self, delivers: StreamFormat) {
        self.opens += 1;
        self.delivers = Some(delivers);
        self.opened_us = ClockTime::now().monotonic_us;
        self.warming = WarmUp::new(self.warm_up);
        self.warm_us = None;
    }

    /// True if a picture was captured after the camera had settled.
    pub fn is_warm(&self, picture: &Picture) -> bool {
        self.warm_us.is_some_and(|warm_us| picture.stamp.monotonic_us >= warm_us)
    }
}

/// A value that lives as long as a [`Demand`].
pub type Guard = Box<dyn fmt::Debug + Send + Sync>;

/// A user who needs the camera. See [`super::Pipeline::demand`].
#[derive(Debug)]
pub struct Demand {
    shared: Arc<CaptureState>,
    /// Dropped just before the demand ends.
    guard: Option<Guard>,
    /// For a brief demand: the time since which the camera was not needed, and the number of this demand.
    brief: Option<(Instant, u64)>,
}

impl Demand {
    pub(super) fn new(shared: &Arc<CaptureState>) -> Demand {
        Demand::register(shared, |_| ()).0
    }

    /// A demand for a moment. If no other one arrived meanwhile, the camera's idle time continues as if this one had
    /// never been.
    pub(super) fn brief(shared: &Arc<CaptureState>) -> Demand {
        let (mut demand, brief) = Demand::register(shared, |requests| {
            let is_idle = requests.demands == 0 && !requests.is_held;
            is_idle.then_some((requests.last_needed, requests.taken + 1))
        });
        demand.brief = brief;
        demand
    }

    /// A demand that drops `guard` when it ends.
    pub(super) fn with_guard(shared: &Arc<CaptureState>, guard: Guard) -> Demand {
        let mut demand = Demand::new(shared);
        demand.guard = Some(guard);
        demand
    }

    fn register<T>(shared: &Arc<CaptureState>, look: impl FnOnce(&CaptureRequests) -> T) -> (Demand, T) {
        let seen = shared.update_requests(|requests| {
            let seen = look(requests);
            requests.demands += 1;
            requests.taken += 1;
            requests.try_now = true;
            seen
        });
        (Demand { shared: Arc::clone(shared), guard: None, brief: None }, seen)
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut requests = self.shared.lock_requests();
        requests.demands -= 1;
        if requests.demands == 0 {
            requests.last_needed = match self.brief {
                Some((idle_since, taken)) if requests.taken == taken => idle_since,
                _ => Instant::now(),
            };
        }
    }
}
