//! What the capture thread and everyone else share: requests one way, state and figures the other.
//!
//! Locks are taken in this order, or one at a time: requests, opening, sweep, state, view, figures; the hub's own is
//! the last of all.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::base::{ClockTime, Stop, WakeFd};
use crate::media::{CameraFormat, Frame, Hub, Picture, SmallImage, SourceError, View};
use crate::source::StreamFormat;

use super::commands::{CameraControls, CaptureCommand, ControlsError, SavedControls};
use super::focus::UnderWay;
use super::lights::LightSwitch;
use super::rate::RateMeter;
use super::single_flight::SingleFlight;
use super::warm_up::WarmUp;
use super::{CameraState, CaptureOptions};

/// Pictures of the largest size that are waited for at once; one opening serves them all.
const LARGEST_AT_ONCE: usize = 8;

/// What came of asking for a picture of the camera's largest size.
#[derive(Debug, Clone)]
pub enum Largest {
    /// Here it is.
    Picture(Picture),
    /// What it gives anyhow is the largest.
    NothingLarger,
    /// It could not be taken.
    Failed(SourceError),
}

/// What was made of one frame. While the view is plain both are the same picture.
#[derive(Debug, Default)]
pub struct Shots {
    /// As viewers see it; `None` while nobody does.
    pub shown: Option<Picture>,
    /// The camera's own; `None` while nobody wants it and it would have to be encoded for that.
    pub original: Option<Picture>,
}

/// Shared by the capture thread, every [`super::Pipeline`] handle and every [`super::Demand`].
#[derive(Debug)]
pub struct CaptureState {
    /// As viewers see it.
    pub hub: Hub,
    /// The camera's own.
    pub originals: Hub,
    /// What is done to the pictures for everyone.
    pub view: watch::Sender<Arc<View>>,
    requests: Mutex<CaptureRequests>,
    /// Something new is asked of the capture thread, which looks at this between two frames.
    is_asked: AtomicBool,
    /// Rings when something was asked, for a source that is waiting for a frame.
    pub wake_fd: WakeFd,
    changed: Condvar,
    pub figures: Mutex<CaptureFigures>,
    pub state: watch::Sender<CameraState>,
    /// Which source the capture thread has open (or is opening), counted from 1. It changes from
    /// `None` with the requests locked: who has changed a request knows what was opened before.
    pub opening: watch::Sender<Option<u64>>,
    /// The focus sweep that is under way. Other saved values end it with the requests locked.
    pub sweep: watch::Sender<Option<UnderWay>>,
    /// The light for snapshots, once there is one.
    pub light: OnceLock<LightSwitch>,
    /// The newest frame of a camera's second stream, for the detector.
    small: Mutex<Small>,
    /// What those who only look at the camera's controls are told.
    pub controls: SingleFlight<Result<CameraControls, ControlsError>>,
    /// And at its formats.
    pub formats: SingleFlight<Result<Vec<CameraFormat>, ControlsError>>,
}

/// A camera's second, small stream, which a detector takes in place of the picture: nothing has to be decoded for it.
#[derive(Debug, Default)]
struct Small {
    /// The pixels of a row, and rows, that are wanted at least; `None`: nobody wants it.
    least: Option<(u32, u32)>,
    newest: Option<Arc<SmallImage>>,
}

/// What others want of the capture thread.
#[derive(Debug)]
pub struct CaptureRequests {
    /// How many need the camera.
    pub demands: usize,
    /// When that number last fell to zero.
    pub last_needed: Instant,
    pub is_held: bool,
    /// Holds so far: a hold that was ended is told from a later one.
    pub holds: u64,
    pub is_paused: bool,
    /// A pause that the open camera has not obeyed yet, even if it is over by then.
    pub is_to_close: bool,
    pub is_stopping: bool,
    /// Somebody new wants pictures: a camera in trouble is worth a try now.
    pub try_now: bool,
    /// A resume or hold: even what has ended for good is tried again.
    pub try_again: bool,
    /// Ends an open that is under way.
    pub interrupt: Stop,
    /// Who waits for a picture of the camera's largest size. Dropped unanswered while there is none to be had.
    pub largest: Vec<oneshot::Sender<Largest>>,
    /// What else is asked, in its order; at most [`AT_ONCE`](super::commands::AT_ONCE). None is taken any more when the
    /// thread has ended.
    pub commands: Option<VecDeque<CaptureCommand>>,
    /// How the pipeline behaves.
    pub settings: CaptureOptions,
    /// Which values controls are to have.
    pub saved: Arc<SavedControls>,
    /// Others than the capture thread has seen.
    pub has_new_saved: bool,
    /// Demands so far: one that nobody else came during is told from others.
    taken: u64,
}

impl CaptureRequests {
    /// Has the camera give one picture of its largest size; `None` when too many wait for one.
    pub fn request_largest(&mut self) -> Option<oneshot::Receiver<Largest>> {
        self.largest.retain(|waits| !waits.is_closed());
        (self.largest.len() < LARGEST_AT_ONCE).then(|| {
            let (answer, answered) = oneshot::channel();
            self.largest.push(answer);
            answered
        })
    }
}

/// What the capture thread counts.
#[derive(Debug)]
pub struct CaptureFigures {
    pub since: ClockTime,
    /// What is (to be) opened, in words.
    pub source: String,
    pub delivers: Option<StreamFormat>,
    /// Since when the source that was opened last is open.
    pub opened_us: u64,
    /// So many pictures after an opening are not given as snapshots.
    pub warm_up: u32,
    /// Of the source that was opened last.
    warming: WarmUp,
    /// When its first picture that is good was captured.
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
    /// Attempts to open that ended in trouble, and streams that did.
    pub failures: u64,
    pub failed_reads: u32,
}

impl CaptureState {
    pub fn new(source: String, settings: CaptureOptions) -> CaptureState {
        CaptureState {
            hub: Hub::new(),
            originals: Hub::new(),
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

    /// Looks at the requests.
    pub fn lock_requests(&self) -> MutexGuard<'_, CaptureRequests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the requests and wakes the capture thread.
    pub fn update_requests<T>(&self, change: impl FnOnce(&mut CaptureRequests) -> T) -> T {
        let result = change(&mut self.lock_requests());
        self.changed.notify_all();
        result
    }

    /// Asks something of the capture thread; it does it between two frames, or wakes for it.
    pub fn request<T>(&self, ask: impl FnOnce(&mut CaptureRequests) -> T) -> T {
        let result = self.update_requests(|requests| {
            let result = ask(requests);
            self.is_asked.store(true, Ordering::Release);
            result
        });
        self.wake_fd.notify();
        result
    }

    /// Whether something was asked since the last time. Costs a frame one look.
    pub fn take_request_flag(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed) && self.is_asked.swap(false, Ordering::Acquire)
    }

    /// As [`CaptureState::take_request_flag`], and stays so.
    pub fn has_request(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }

    /// Something is left that was asked.
    pub fn set_request_flag(&self) {
        self.is_asked.store(true, Ordering::Release);
    }

    /// How the pipeline behaves.
    pub fn settings(&self) -> CaptureOptions {
        self.lock_requests().settings.clone()
    }

    /// What is (to be) opened, in words.
    pub fn source(&self) -> String {
        self.lock_figures().source.clone()
    }

    /// The capture thread's sleep: until requests change, but at most `time`.
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

    /// Enters a state. Entering the state that is allows nothing to change, not even its time.
    pub fn set_state(&self, state: CameraState) {
        self.set_state_if(|_| true, state);
    }

    /// Enters a state if `is_to` says so of the one that is, with nobody between the two.
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

    /// Forgets the newest pictures.
    pub fn clear(&self) {
        self.hub.clear();
        self.originals.clear();
    }

    /// No more pictures will come.
    pub fn close(&self) {
        self.hub.close();
        self.originals.close();
    }

    /// Publishes a still card.
    pub fn publish_card(&self, card: Picture) {
        self.originals.publish(card.clone());
        self.hub.publish(card);
    }

    /// Small images of at least this size are wanted from now on; `None`: none.
    pub fn request_small(&self, least: Option<(u32, u32)>) {
        let mut small = self.lock_second_frame();
        if small.least != least {
            *small = Small { least, newest: None };
        }
    }

    /// Keeps the second frame that came with `frame`, where it is wanted and large enough.
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

    /// The small image of the same moment as `picture`, where it is there still.
    pub fn small_image_of(&self, picture: &Picture) -> Option<Arc<SmallImage>> {
        let is_same = |image: &&Arc<SmallImage>| {
            (image.sequence, image.stamp.monotonic_us) == (picture.sequence, picture.stamp.monotonic_us)
        };
        self.lock_second_frame().newest.as_ref().filter(is_same).cloned()
    }

    fn lock_second_frame(&self) -> MutexGuard<'_, Small> {
        self.small.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts and publishes live pictures. What is shown only if no other view was set since it was made as `view` has
    /// it: later subscribers do not see it as it was shown before. Tells whether.
    pub fn publish(&self, Shots { shown, original }: Shots, view: &Arc<View>) -> bool {
        // Held until they are published: who sets another view takes what is shown away again.
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
            figures.failed_reads = 0;
            let at_us = picture.stamp.monotonic_us;
            figures.rate.count(at_us);
            if figures.warm_us.is_none() && figures.warming.is_warm_after(at_us) {
                figures.warm_us = Some(at_us);
            }
        }
        // What nobody wanted is not made: who comes next is not to take an old one for it.
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

    /// Publishes the newest picture once more, made as `view` has it, unless another one was set since.
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
    /// Another source is open, and delivers this.
    pub fn record_open(&mut self, delivers: StreamFormat) {
        self.opens += 1;
        self.delivers = Some(delivers);
        self.opened_us = ClockTime::now().monotonic_us;
        self.warming = WarmUp::new(self.warm_up);
        self.warm_us = None;
    }

    /// Whether a picture was captured after the camera had settled.
    pub fn is_warm(&self, picture: &Picture) -> bool {
        self.warm_us.is_some_and(|warm_us| picture.stamp.monotonic_us >= warm_us)
    }
}

/// Something that lasts as long as a [`Demand`].
pub type Guard = Box<dyn fmt::Debug + Send + Sync>;

/// One who needs the camera. See [`super::Pipeline::demand`].
#[derive(Debug)]
pub struct Demand {
    shared: Arc<CaptureState>,
    /// What else ends with it, just before.
    guard: Option<Guard>,
    /// Of one who comes for a moment: since when the camera was not needed, and the how-manieth demand it is.
    brief: Option<(Instant, u64)>,
}

impl Demand {
    pub(super) fn new(shared: &Arc<CaptureState>) -> Demand {
        Demand::register(shared, |_| ()).0
    }

    /// A demand for a moment: when it ends and nobody else came meanwhile, the camera is as idle as if it had
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
