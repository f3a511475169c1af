//! Hands the newest picture to everyone, and never waits for anyone.
//!
//! One place, newest wins: a subscriber that comes late finds the newest picture, one that is slow
//! skips ahead, and publishing costs the publisher the same whether all keep up or none does.
//! Subscribers may be threads ([`Subscriber::next_timeout`], [`Pictures`]) or tasks
//! ([`Subscriber::poll_next`]).

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Picture;

/// What everyone watches. Clones share it.
///
/// Invariants: `number` grows by one with every publication; a subscriber never gets the same
/// publication twice, nor an older one after a newer.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    threads: Condvar,
}

#[derive(Debug, Default)]
struct State {
    newest: Option<Picture>,
    number: u64,
    closed: bool,
    /// One slot per subscriber; filled while its task waits.
    tasks: Vec<Slot>,
    free: Vec<usize>,
    /// Kept between publications so that waking allocates nothing.
    waking: Vec<Waker>,
    threads_waiting: usize,
}

#[derive(Debug, Default)]
struct Slot(Option<Waker>);

impl Hub {
    /// An empty hub.
    pub fn new() -> Hub {
        Hub::default()
    }

    /// Makes `picture` the newest and wakes everyone who waits.
    pub fn publish(&self, picture: Picture) {
        self.change(|state| {
            state.newest = Some(picture);
            state.number += 1;
        });
    }

    /// Forgets the newest picture, when it no longer shows what the camera sees: those who come
    /// now wait for the next one.
    pub fn clear(&self) {
        self.lock().newest = None;
    }

    /// No more pictures will come: every subscriber's wait ends with `None`.
    pub fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// The newest picture, if there is one.
    pub fn newest(&self) -> Option<Picture> {
        self.lock().newest.clone()
    }

    /// A subscriber whose first picture is the newest one, if there is one.
    pub fn subscribe(&self) -> Subscriber {
        let mut state = self.lock();
        let slot = state.free.pop().unwrap_or_else(|| {
            state.tasks.push(Slot::default());
            state.tasks.len() - 1
        });
        let seen = state.number.saturating_sub(u64::from(state.newest.is_some()));
        Subscriber { hub: self.clone(), slot, seen, skipped: 0 }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        let mut waking = std::mem::take(&mut state.waking);
        waking.extend(state.tasks.iter_mut().filter_map(|slot| slot.0.take()));
        let threads = state.threads_waiting > 0;
        drop(state);
        if threads {
            self.0.threads.notify_all();
        }
        // Outside the lock: what is woken may poll at once on another thread.
        for waker in waking.drain(..) {
            waker.wake();
        }
        self.lock().waking = waking;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches a [`Hub`].
#[derive(Debug)]
pub struct Subscriber {
    hub: Hub,
    slot: usize,
    seen: u64,
    skipped: u64,
}

impl Subscriber {
    /// The newest picture not seen yet; `Ready(None)` when the hub is closed.
    ///
    /// Takes no memory. The waker is kept for the next publication.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Picture>> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        if let Some(ready) = self.take(&state) {
            return Poll::Ready(ready);
        }
        match &mut state.tasks[self.slot].0 {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            place => *place = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The newest picture not seen yet; `None` when the hub is closed.
    pub async fn next(&mut self) -> Option<Picture> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Waits at most `wait` for a picture not seen yet, blocking the thread: `Ok(None)` when the
    /// hub is closed, `Err(TimedOut)` when none came.
    ///
    /// # Errors
    /// [`TimedOut`].
    pub fn next_timeout(&mut self, wait: Duration) -> Result<Option<Picture>, TimedOut> {
        let until = Instant::now() + wait;
        let hub = self.hub.clone();
        let mut state = hub.lock();
        loop {
            if let Some(ready) = self.take(&state) {
                return Ok(ready);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(TimedOut);
            }
            state.threads_waiting += 1;
            state = hub.0.threads.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.threads_waiting -= 1;
        }
    }

    /// How many publications this subscriber did not see since it came.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn take(&mut self, state: &State) -> Option<Option<Picture>> {
        if state.closed {
            return Some(None);
        }
        let picture = state.newest.as_ref().filter(|_| state.number > self.seen)?;
        self.skipped += state.number - self.seen - 1;
        self.seen = state.number;
        Some(Some(picture.clone()))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.tasks[self.slot].0 = None;
        state.free.push(self.slot);
    }
}

/// `for picture in hub.subscribe()`: every next newest picture, blocking the thread, until the hub
/// is closed.
impl IntoIterator for Subscriber {
    type Item = Picture;
    type IntoIter = Pictures;

    fn into_iter(self) -> Pictures {
        Pictures(self)
    }
}

/// The pictures of a [`Hub`] as they come. See [`Subscriber::into_iter`].
#[derive(Debug)]
pub struct Pictures(Subscriber);

impl Iterator for Pictures {
    type Item = Picture;

    fn next(&mut self) -> Option<Picture> {
        loop {
            // The wait has no end of its own; it is cut into days only since it needs some length.
            if let Ok(next) = self.0.next_timeout(Duration::from_secs(86_400)) {
                return next;
            }
        }
    }
}

/// No picture came in the time given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no new picture came in time")]
pub struct TimedOut;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::media::PictureBuilder;

    fn picture(sequence: u64) -> Picture {
        PictureBuilder::with_capacity(0).finish(1, 1, Stamp::now(), sequence, false)
    }

    fn take(s: &mut Subscriber) -> Option<u64> {
        s.next_timeout(Duration::ZERO).ok().map(|p| p.expect("the hub is closed").sequence)
    }

    #[test]
    fn newest_only_and_never_twice() {
        let hub = Hub::new();
        let mut early = hub.subscribe();
        assert_eq!(take(&mut early), None);
        for n in 1..=3 {
            hub.publish(picture(n));
        }
        let mut late = hub.subscribe();
        assert_eq!((take(&mut early), early.skipped()), (Some(3), 2));
        assert_eq!((take(&mut late), late.skipped()), (Some(3), 0));
        assert_eq!((take(&mut early), take(&mut late)), (None, None));
    }

    #[test]
    fn a_cleared_hub_makes_newcomers_wait() {
        let hub = Hub::new();
        hub.publish(picture(1));
        hub.clear();
        let mut s = hub.subscribe();
        assert_eq!(take(&mut s), None);
        hub.publish(picture(2));
        assert_eq!((take(&mut s), s.skipped()), (Some(2), 0));
    }

    #[test]
    fn slots_are_used_again() {
        let hub = Hub::new();
        for _ in 0..100 {
            drop(hub.subscribe());
        }
        assert_eq!(hub.lock().tasks.len(), 1);
    }

    #[tokio::test]
    async fn a_waiting_task_is_woken_by_a_picture_and_by_the_end() {
        let hub = Hub::new();
        let mut s = hub.subscribe();
        let task =
            tokio::spawn(async move { (s.next().await.map(|p| p.sequence), s.next().await.is_none()) });
        tokio::task::yield_now().await;
        hub.publish(picture(9));
        tokio::task::yield_now().await;
        hub.close();
        assert_eq!(task.await.expect("the task panicked"), (Some(9), true));
    }

    #[test]
    fn a_waiting_thread_is_woken() {
        let hub = Hub::new();
        let mut s = hub.subscribe();
        let thread = std::thread::spawn(move || s.next_timeout(Duration::from_secs(3600)));
        hub.publish(picture(4));
        let got = thread.join().expect("the thread panicked");
        assert_eq!(got.map(|p| p.map(|p| p.sequence)), Ok(Some(4)));
    }
}
