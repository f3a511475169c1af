//! What the capture thread and everyone else share: wishes one way, state and figures the other.
//!
//! Locks are taken in this order, or one at a time: wishes, opening, state, figures; the hub's own is the
//! last of all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::base::{Stamp, Stop};
use crate::media::{Hub, Picture};
use crate::source::Delivers;

use super::counting::Annotating;
use super::rate::RateMeter;
use super::{Settings, State};

/// Shared by the capture thread, every [`super::Pipeline`] handle and every [`super::Demand`].
#[derive(Debug)]
pub struct Shared {
    pub hub: Hub,
    pub settings: Settings,
    /// What is to be opened, in words.
    pub source: String,
    wishes: Mutex<Wishes>,
    changed: Condvar,
    pub figures: Mutex<Figures>,
    pub state: watch::Sender<State>,
    /// Which source the capture thread has open (or is opening), counted from 1. It changes from
    /// `None` with the wishes locked: who has changed a wish knows what was opened before.
    pub opening: watch::Sender<Option<u64>>,
}

/// What others want of the capture thread.
#[derive(Debug)]
pub struct Wishes {
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
    /// A resume or hold: even what has ended for good is tried anew.
    pub try_again: bool,
    /// Ends an open that is under way.
    pub interrupt: Stop,
}

/// What the capture thread counts.
#[derive(Debug)]
pub struct Figures {
    pub since: Stamp,
    pub delivers: Option<Delivers>,
    /// Since when the source that was opened last is open.
    pub opened_us: u64,
    pub size: Option<(u32, u32)>,
    pub rate: RateMeter,
    pub frames: u64,
    pub lost: u64,
    pub broken: u64,
    pub pictures: u64,
    pub bytes: u64,
    pub opens: u64,
    /// Attempts to open that ended in trouble, and streams that did.
    pub failures: u64,
    pub failed_reads: u32,
}

impl Shared {
    pub fn new(source: String, settings: Settings) -> Shared {
        Shared {
            hub: Hub::new(),
            settings,
            source,
            wishes: Mutex::new(Wishes {
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
            }),
            changed: Condvar::new(),
            figures: Mutex::new(Figures {
                since: Stamp::now(),
                delivers: None,
                opened_us: 0,
                size: None,
                rate: RateMeter::default(),
                frames: 0,
                lost: 0,
                broken: 0,
                pictures: 0,
                bytes: 0,
                opens: 0,
                failures: 0,
                failed_reads: 0,
            }),
            state: watch::Sender::new(State::Asleep),
            opening: watch::Sender::new(None),
        }
    }

    /// Looks at the wishes.
    pub fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the wishes and wakes the capture thread.
    pub fn wish<T>(&self, change: impl FnOnce(&mut Wishes) -> T) -> T {
        let result = change(&mut self.wishes());
        self.changed.notify_all();
        result
    }

    /// The capture thread's sleep: until wishes change, but at most `time`.
    pub fn wait<'a>(&self, wishes: MutexGuard<'a, Wishes>, time: Duration) -> MutexGuard<'a, Wishes> {
        self.changed.wait_timeout(wishes, time).unwrap_or_else(PoisonError::into_inner).0
    }

    pub fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a state. Entering the state that is allows nothing to change, not even its time.
    pub fn enter(&self, state: State) {
        self.enter_if(|_| true, state);
    }

    /// Enters a state if `is_to` says so of the one that is, with nobody between the two.
    pub fn enter_if(&self, is_to: impl FnOnce(&State) -> bool, state: State) {
        self.state.send_if_modified(|now| {
            let changes = *now != state && is_to(now);
            if changes {
                self.figures().since = Stamp::now();
                *now = state;
            }
            changes
        });
    }

    /// Counts and publishes a live picture.
    pub fn publish(&self, picture: Picture) {
        {
            let mut figures = self.figures();
            figures.pictures += 1;
            figures.bytes += picture.jpeg_len() as u64;
            figures.size = Some((picture.width, picture.height));
            figures.failed_reads = 0;
            figures.rate.count(picture.stamp.monotonic_us);
        }
        self.hub.publish(picture);
    }
}

/// One who needs the camera. See [`super::Pipeline::demand`].
#[derive(Debug)]
pub struct Demand {
    shared: Arc<Shared>,
    /// Of one who watches annotated pictures.
    annotating: Option<Annotating>,
}

impl Demand {
    pub(super) fn new(shared: &Arc<Shared>) -> Demand {
        Demand::of(shared, None)
    }

    /// A demand of one who watches annotated pictures, too.
    pub(super) fn annotated(shared: &Arc<Shared>, annotating: Annotating) -> Demand {
        Demand::of(shared, Some(annotating))
    }

    fn of(shared: &Arc<Shared>, annotating: Option<Annotating>) -> Demand {
        shared.wish(|wishes| {
            wishes.demands += 1;
            wishes.try_now = true;
        });
        Demand { shared: Arc::clone(shared), annotating }
    }
}

impl Drop for Demand {
    fn drop(&mut self) {
        drop(self.annotating.take());
        let mut wishes = self.shared.wishes();
        wishes.demands -= 1;
        if wishes.demands == 0 {
            wishes.last_needed = Instant::now();
        }
    }
}
