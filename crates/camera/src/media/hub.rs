//! Distributes the newest picture to all subscribers and never waits for any.
//!
//! There is one slot, and the newest picture wins. A late subscriber finds the newest picture, and a slow one skips
//! pictures. Publishing costs the same whether all keep up or none does. (A `Direct` costs the publisher a call,
//! which must not wait, but saves waking others.)
//!
//! A subscriber to every picture (a recorder) has its own queue, bounded in bytes: when it is full, its oldest
//! pictures are dropped. It may be woken only once for many pictures. Subscribers are threads
//! ([`Subscriber::next_timeout`], [`Pictures`]) or tasks ([`Subscriber::poll_next`]).
//!
//! Pictures of before a change of the privacy mask are given to nobody ([`Hub::expire`]). Cards always are.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Picture;
use tallycam_base::clock::monotonic_us;

/// The distributor of pictures. Clones share it.
///
/// Invariants: `number` grows by one with every publication; a subscriber never gets the same publication twice, nor
/// an older one after a newer.
#[derive(Debug, Clone, Default)]
pub struct Hub(Arc<HubInner>, Expiry);

/// Monotonic microseconds; pictures captured before are expired. Shared by a hub and those derived from it.
type Expiry = Arc<AtomicU64>;

fn is_valid(expiry: &Expiry, picture: &Picture) -> bool {
    picture.is_card || picture.stamp.monotonic_us >= expiry.load(Ordering::Acquire)
}

/// A receiver that gets each picture on the publisher's thread.
pub trait Direct: std::fmt::Debug + Send + Sync {
    /// Offers the publication `number`; must not wait. Returns true if it is handled; otherwise the subscribers that
    /// stand by are woken.
    fn offer(&self, number: u64, picture: &Picture) -> bool;
}

#[derive(Debug, Default)]
struct HubInner {
    state: Mutex<HubState>,
    threads: Condvar,
}

#[derive(Debug, Default)]
struct HubState {
    newest: Option<Picture>,
    number: u64,
    closed: bool,
    /// One slot for each subscriber; it has a waker while its task waits.
    tasks: Vec<Slot>,
    free: Vec<usize>,
    /// Kept between publications so that waking allocates nothing.
    waking: Vec<Waker>,
    threads_waiting: usize,
    direct: Option<Arc<dyn Direct>>,
}

#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    /// The queue of a subscriber to every picture.
    queue: Option<Queue>,
    /// Not woken for publications that the hub's `Direct` has handled.
    stands_by: bool,
}

/// Publications that a subscriber has not taken yet, with their numbers.
#[derive(Debug)]
struct Queue {
    waiting: VecDeque<(u64, Picture)>,
    bytes: usize,
    most_bytes: usize,
    /// Least number of waiting bytes that wakes the subscriber; a card always does.
    wakes_at: usize,
}

impl Queue {
    /// Appends a picture and drops the oldest ones if needed. A single picture fits, however large it is.
    fn push(&mut self, number: u64, picture: Picture) {
        self.bytes += picture.jpeg_len();
        self.waiting.push_back((number, picture));
        while self.bytes > self.most_bytes && self.waiting.len() > 1 {
            self.pop();
        }
    }

    /// True if the subscriber must be woken.
    fn needs_wake(&self) -> bool {
        self.bytes >= self.wakes_at || self.waiting.back().is_some_and(|(_, newest)| newest.is_card)
    }

    fn pop(&mut self) -> Option<(u64, Picture)> {
        let (number, picture) = self.waiting.pop_front()?;
        self.bytes -= picture.jpeg_len();
        Some((number, picture))
    }
}

impl Hub {
    /// An empty hub.
    pub fn new() -> Hub {
        Hub::default()
    }

    /// An empty hub for pictures made of this one's: [`Hub::expire`] of either applies to both.
    pub fn derive(&self) -> Hub {
        Hub(Arc::default(), Arc::clone(&self.1))
    }

    /// From now on, pictures captured before this moment are given to nobody.
    pub fn expire(&self) {
        self.1.fetch_max(monotonic_us(), Ordering::AcqRel);
    }

    /// The moment of the last [`Hub::expire`], in monotonic microseconds; 0 before the first.
    pub fn expired_us(&self) -> u64 {
        self.1.load(Ordering::Acquire)
    }

    /// Makes `picture` the newest and wakes all waiting subscribers, except those whose `Direct` has handled it.
    pub fn publish(&self, picture: Picture) {
        if !is_valid(&self.1, &picture) {
            return;
        }
        let mut state = self.lock();
        state.number += 1;
        let number = state.number;
        for queue in state.tasks.iter_mut().filter_map(|slot| slot.queue.as_mut()) {
            queue.push(number, picture.clone());
        }
        let Some(direct) = state.direct.clone() else {
            state.newest = Some(picture);
            return self.wake(state, false);
        };
        state.newest = Some(picture.clone());
        // Outside the lock: it may take as long as a system call.
        drop(state);
        let is_dealt_with = direct.offer(number, &picture);
        self.wake(self.lock(), is_dealt_with);
    }

    /// Offers every later picture to `direct` before any subscriber is woken; `None` ends that. An offer in progress
    /// may still complete.
    pub fn set_direct(&self, direct: Option<Arc<dyn Direct>>) {
        self.lock().direct = direct;
    }

    /// Drops the newest picture if it no longer shows what the camera sees: new subscribers wait for the next one.
    pub fn clear(&self) {
        self.lock().newest = None;
    }

    /// Like [`clear`](Hub::clear), but keeps a card, which does not show what the camera sees anyway.
    pub fn clear_unless_card(&self) {
        let mut state = self.lock();
        state.newest = state.newest.take().filter(|newest| newest.is_card);
    }

    /// Ends the pictures: every subscriber's wait returns `None`.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake(state, false);
    }

    /// True after [`Hub::close`].
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// True if there are subscribers.
    pub fn has_subscribers(&self) -> bool {
        let state = self.lock();
        state.tasks.len() > state.free.len()
    }

    /// True if this is another handle of the same hub.
    pub fn is_same(&self, other: &Hub) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The newest picture, if there is one.
    pub fn newest(&self) -> Option<Picture> {
        self.lock().newest.clone().filter(|newest| is_valid(&self.1, newest))
    }

    /// A subscriber whose first picture is the newest one, if there is one.
    pub fn subscribe(&self) -> Subscriber {
        self.subscribe_with(None)
    }

    /// A subscriber to every picture, starting with the newest one. Pictures that it has not taken are queued, up to
    /// `most_bytes` together; beyond that the oldest are skipped.
    pub fn subscribe_to_all(&self, most_bytes: usize) -> Subscriber {
        self.subscribe_with(Some(Queue { waiting: VecDeque::new(), bytes: 0, most_bytes, wakes_at: 0 }))
    }

    fn subscribe_with(&self, queue: Option<Queue>) -> Subscriber {
        let mut state = self.lock();
        let slot = state.free.pop().unwrap_or_else(|| {
            state.tasks.push(Slot::default());
            state.tasks.len() - 1
        });
        let seen = state.number.saturating_sub(u64::from(state.newest.is_some()));
        let newest = state.newest.clone().filter(|newest| is_valid(&self.1, newest));
        let number = state.number;
        state.tasks[slot].queue = queue.map(|mut queue| {
            newest.into_iter().for_each(|picture| queue.push(number, picture));
            queue
        });
        Subscriber { hub: self.clone(), slot, seen, skipped: 0 }
    }

    /// Wakes all waiting subscribers, except one that stands by if the picture `is_dealt_with`.
    fn wake(&self, mut state: MutexGuard<'_, HubState>, is_dealt_with: bool) {
        let mut waking = std::mem::take(&mut state.waking);
        let is_closed = state.closed;
        // If several subscribers stand by, the `Direct` belongs to only one of them.
        let is_dealt_with = is_dealt_with && state.tasks.iter().filter(|slot| slot.stands_by).count() == 1;
        let is_due = |slot: &&mut Slot| {
            is_closed
                || !(is_dealt_with && slot.stands_by) && slot.queue.as_ref().is_none_or(Queue::needs_wake)
        };
        waking.extend(state.tasks.iter_mut().filter(is_due).filter_map(|slot| slot.waker.take()));
        let threads = state.threads_waiting > 0;
        drop(state);
        if threads {
            self.0.threads.notify_all();
        }
        // Outside the lock: a woken task may poll at once on another thread.
        for waker in waking.drain(..) {
            waker.wake();
        }
        self.lock().waking = waking;
    }

    fn lock(&self) -> MutexGuard<'_, HubState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A subscriber to a [`Hub`].
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
    /// Does not allocate. The waker is kept for the next publication.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Picture>> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        if let Some(ready) = self.take_next(&mut state) {
            return Poll::Ready(ready);
        }
        match &mut state.tasks[self.slot].waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            place => *place = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    /// The newest picture not seen yet; `None` when the hub is closed.
    pub async fn next(&mut self) -> Option<Picture> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Blocks the thread for at most `wait` until there is a picture not seen yet. `Ok(None)` when the hub is closed,
    /// `Err(TimedOut)` without a picture.
    ///
    /// # Errors
    /// [`TimedOut`].
    pub fn next_timeout(&mut self, wait: Duration) -> Result<Option<Picture>, TimedOut> {
        let until = Instant::now() + wait;
        let hub = self.hub.clone();
        let mut state = hub.lock();
        loop {
            if let Some(ready) = self.take_next(&mut state) {
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

    /// Applies to a task that subscribes to every picture: it is woken only when `bytes` of pictures wait, by a card,
    /// and by the end. Waiting pictures can be taken at any time. Other subscribers are not affected.
    pub fn wake_at_bytes(&mut self, bytes: usize) {
        if let Some(queue) = &mut self.hub.lock().tasks[self.slot].queue {
            queue.wakes_at = bytes;
        }
    }

    /// From now on its task is not woken for publications that the hub's `Direct` has handled.
    pub fn suppress_wakes(&mut self) {
        self.hub.lock().tasks[self.slot].stands_by = true;
    }

    /// The number of the last publication it has seen.
    pub fn last_seen(&self) -> u64 {
        self.seen
    }

    /// Records that `count` publications up to `number` were handled for it; the others up to there were skipped.
    pub fn record_handled(&mut self, count: u64, number: u64) {
        self.skipped += number.saturating_sub(self.seen).saturating_sub(count);
        self.seen = self.seen.max(number);
    }

    /// Takes the next picture without waiting: `Some(None)` when the hub is closed.
    pub fn try_next(&mut self) -> Option<Option<Picture>> {
        let hub = self.hub.clone();
        let mut state = hub.lock();
        self.take_next(&mut state)
    }

    /// Number of publications that this subscriber has missed since it subscribed.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn take_next(&mut self, state: &mut HubState) -> Option<Option<Picture>> {
        let (number, picture) = match &mut state.tasks[self.slot].queue {
            Some(queue) => loop {
                match queue.pop() {
                    Some(next) if is_valid(&self.hub.1, &next.1) => break next,
                    Some(_) => {}
                    None if state.closed => return Some(None),
                    None => return None,
                }
            },
            None if state.closed => return Some(None),
            None => {
                let is_next = |newest: &Picture| state.number > self.seen && is_valid(&self.hub.1, newest);
                (state.number, state.newest.clone().filter(is_next)?)
            }
        };
        self.skipped += number - self.seen - 1;
        self.seen = number;
        Some(Some(picture))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        state.tasks[self.slot] = Slot::default();
        state.free.push(self.slot);
    }
}

/// `for picture in hub.subscribe()`: every next newest picture, blocking the thread, until the hub is closed.
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
            // The wait is unlimited; it is repeated daily because the call needs a limit.
            if let Ok(next) = self.0.next_timeout(Duration::from_secs(86_400)) {
                return next;
            }
        }
    }
}

/// There was no picture in the given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no new picture came in time")]
pub struct TimedOut;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PictureBuilder;
    use tallycam_base::ClockTime;

    fn picture(sequence: u64) -> Picture {
        PictureBuilder::with_capacity(0).finish(1, 1, ClockTime::now(), sequence, false)
    }

    /// Handles every second picture.
    #[derive(Debug, Default)]
    struct EverySecond(Mutex<Vec<u64>>);

    impl Direct for EverySecond {
        fn offer(&self, number: u64, picture: &Picture) -> bool {
            self.0.lock().unwrap().push(picture.sequence);
            number.is_multiple_of(2)
        }
    }

    #[derive(Default)]
    struct Woken(std::sync::atomic::AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }

    #[test]
    fn an_expired_picture_is_given_to_nobody() {
        let hub = Hub::new();
        let made = hub.derive();
        let (mut newest, mut all) = (hub.subscribe(), made.subscribe_to_all(1000));
        let old = picture(1);
        hub.publish(old.clone());
        made.publish(old.clone());
        std::thread::sleep(Duration::from_millis(1));
        made.expire();
        assert!(hub.newest().is_none() && newest.try_next().is_none() && all.try_next().is_none());
        // Also one that was on its way.
        hub.publish(old);
        assert!(hub.newest().is_none() && hub.subscribe().try_next().is_none());
        let (card, next) = (PictureBuilder::with_capacity(0), picture(3));
        let stamp = ClockTime { monotonic_us: 0, ..ClockTime::now() };
        hub.publish(card.finish(1, 1, stamp, 2, true));
        assert!(hub.newest().is_some_and(|newest| newest.is_card));
        made.publish(next);
        assert_eq!(all.try_next().flatten().map(|picture| picture.sequence), Some(3));
    }

    #[test]
    fn a_subscriber_that_stands_by_is_not_woken_for_handled_pictures() {
        let hub = Hub::new();
        let direct = Arc::new(EverySecond::default());
        let (mut stands_by, mut other) = (hub.subscribe(), hub.subscribe());
        stands_by.suppress_wakes();
        hub.set_direct(Some(direct.clone()));
        let published = |number: u64, who: &mut Subscriber| {
            let woken = Arc::new(Woken::default());
            let waker = Waker::from(woken.clone());
            while who.poll_next(&mut Context::from_waker(&waker)).is_ready() {}
            hub.publish(picture(number));
            woken.0.load(std::sync::atomic::Ordering::Relaxed)
        };
        assert!(published(1, &mut stands_by));
        assert!(!published(2, &mut stands_by));
        assert!(published(3, &mut stands_by));
        assert!(published(4, &mut other));
        hub.set_direct(None);
        assert!(published(5, &mut stands_by));
        assert!(published(6, &mut stands_by));
        assert_eq!(*direct.0.lock().unwrap(), [1, 2, 3, 4], "without a direct receiver nothing is offered");
        // With two that stand by, the owner of the `Direct` is unknown.
        hub.set_direct(Some(direct.clone()));
        let mut second = hub.subscribe();
        second.suppress_wakes();
        assert!(published(7, &mut stands_by) && published(8, &mut stands_by) && published(9, &mut second));
        drop(second);
        assert!(!published(10, &mut stands_by));
        // The end wakes everybody.
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        while stands_by.poll_next(&mut Context::from_waker(&waker)).is_ready() {}
        hub.close();
        assert!(woken.0.load(std::sync::atomic::Ordering::Relaxed));
    }

    #[test]
    fn handled_publications_count_as_seen_and_the_rest_as_skipped() {
        let hub = Hub::new();
        let mut s = hub.subscribe();
        (1..=9).for_each(|number| hub.publish(picture(number)));
        // Two of these nine were handled, the last of them the seventh.
        s.record_handled(2, 7);
        assert_eq!((s.last_seen(), s.skipped()), (7, 5));
        assert_eq!(take(&mut s), Some(9));
        assert_eq!(s.skipped(), 6);
        s.record_handled(1, 3);
        assert_eq!((s.last_seen(), s.skipped()), (9, 6), "an old one changes nothing");
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

    fn sized(sequence: u64, bytes: usize) -> Picture {
        let mut builder = PictureBuilder::with_capacity(bytes);
        builder.push(&vec![0; bytes]);
        builder.finish(1, 1, ClockTime::now(), sequence, false)
    }

    #[test]
    fn a_subscriber_to_all_gets_all_that_fit_its_queue() {
        let hub = Hub::new();
        hub.publish(sized(1, 10));
        let mut all = hub.subscribe_to_all(30);
        (2..=3).for_each(|n| hub.publish(sized(n, 10)));
        assert_eq!(
            [take(&mut all), take(&mut all), take(&mut all), take(&mut all)],
            [Some(1), Some(2), Some(3), None]
        );
        assert_eq!(all.skipped(), 0);
        (4..=8).for_each(|n| hub.publish(sized(n, 10)));
        assert_eq!((take(&mut all), all.skipped()), (Some(6), 2));
        // A picture larger than the queue is kept; the earlier ones are dropped.
        hub.publish(sized(9, 1000));
        assert_eq!((take(&mut all), all.skipped()), (Some(9), 4));
        // Pictures from before the end are still delivered.
        hub.publish(sized(10, 10));
        hub.close();
        assert_eq!(take(&mut all), Some(10));
        assert!(matches!(all.next_timeout(Duration::ZERO), Ok(None)));
        // Its slot is reused by a subscriber to the newest picture.
        drop(all);
        assert!(hub.subscribe().hub.lock().tasks[0].queue.is_none());
    }

    #[tokio::test]
    async fn a_batching_subscriber_is_woken_for_many_for_a_card_and_at_the_end() {
        let hub = Hub::new();
        let mut all = hub.subscribe_to_all(100);
        all.wake_at_bytes(30);
        let woken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        struct Count(std::sync::Arc<std::sync::atomic::AtomicUsize>);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }
        }
        let waker = Waker::from(Arc::new(Count(Arc::clone(&woken))));
        let mut context = Context::from_waker(&waker);
        let times = || woken.load(std::sync::atomic::Ordering::Relaxed);
        assert!(all.poll_next(&mut context).is_pending());
        (1..=2).for_each(|n| hub.publish(sized(n, 10)));
        assert_eq!(times(), 0);
        hub.publish(sized(3, 10));
        assert_eq!(times(), 1);
        // All pictures are there, including those published while nobody waits.
        let taken: Vec<u64> = std::iter::from_fn(|| all.try_next().flatten()).map(|p| p.sequence).collect();
        assert_eq!((taken, all.skipped()), (vec![1, 2, 3], 0));
        assert!(all.poll_next(&mut context).is_pending());
        hub.publish(PictureBuilder::with_capacity(0).finish(1, 1, ClockTime::now(), 4, true));
        assert_eq!((times(), take(&mut all)), (2, Some(4)));
        assert!(all.poll_next(&mut context).is_pending());
        hub.close();
        assert_eq!(times(), 3);
        assert!(matches!(all.try_next(), Some(None)));
    }

    #[test]
    fn new_subscribers_of_a_cleared_hub_wait() {
        let hub = Hub::new();
        hub.publish(picture(1));
        hub.clear();
        let mut s = hub.subscribe();
        assert_eq!(take(&mut s), None);
        hub.publish(picture(2));
        assert_eq!((take(&mut s), s.skipped()), (Some(2), 0));
    }

    #[test]
    fn slots_are_reused() {
        let hub = Hub::new();
        assert!(!hub.has_subscribers());
        for _ in 0..100 {
            let one = hub.subscribe();
            assert!(hub.has_subscribers());
            drop(one);
            assert!(!hub.has_subscribers());
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
