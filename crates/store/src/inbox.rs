//! A writer's inbox: a bounded queue, in order, read by one thread.
//!
//! When it is full, a sending thread waits for a given time and is then refused; a task tries again. A closed inbox
//! accepts nothing, but its content can still be taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded queue.
pub(super) struct Inbox<T> {
    capacity: usize,
    state: Mutex<InboxState<T>>,
    /// Signals a new item or the closing.
    filled: Condvar,
    /// Signals a taken item or the closing.
    emptied: Condvar,
}

struct InboxState<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Why an item was refused. Contains the item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError<T> {
    /// The inbox is full.
    Full(T),
    /// The inbox is closed.
    Closed(T),
}

impl<T> Inbox<T> {
    /// An inbox for `capacity` items.
    pub(super) fn new(capacity: usize) -> Inbox<T> {
        Inbox {
            capacity,
            state: Mutex::new(InboxState { waiting: VecDeque::new(), is_closed: false }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Adds `item`; waits at most `patience` for a place.
    pub(super) fn push(&self, item: T, patience: Duration) -> Result<(), SendError<T>> {
        let began = Instant::now();
        let mut state = self.lock();
        while !state.is_closed && state.waiting.len() >= self.capacity {
            let Some(left) = patience.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                return Err(SendError::Full(item));
            };
            state = self.emptied.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.is_closed {
            return Err(SendError::Closed(item));
        }
        state.waiting.push_back(item);
        self.filled.notify_one();
        Ok(())
    }

    /// Adds `item`; waits about `patience` for a place, without holding a thread.
    pub(super) async fn push_from_task(&self, mut item: T, patience: Duration) -> Result<(), SendError<T>> {
        let pause = Duration::from_millis(50);
        let mut waited = Duration::ZERO;
        loop {
            match self.push(item, Duration::ZERO) {
                Err(SendError::Full(back)) if waited < patience => item = back,
                done => return done,
            }
            tokio::time::sleep(pause).await;
            waited += pause;
        }
    }

    /// Adds `item` regardless of the capacity, for senders with their own bound.
    pub(super) fn push_unbounded(&self, item: T) -> Result<(), SendError<T>> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(SendError::Closed(item));
        }
        state.waiting.push_back(item);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits at most `patience` for an item. True if the inbox is closed.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let state = self.lock();
        let is_idle = |state: &mut InboxState<T>| state.waiting.is_empty() && !state.is_closed;
        let waited = self.filled.wait_timeout_while(state, patience, is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    /// Sleeps for `time`, or until the inbox is closed. New items do not wake it.
    pub(super) fn sleep_unless_closed(&self, time: Duration) {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, time, |state| !state.is_closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn take_all(&self) -> VecDeque<T> {
        let taken = std::mem::take(&mut self.lock().waiting);
        self.emptied.notify_all();
        taken
    }

    /// Refuses further items.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
        self.emptied.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, InboxState<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAPACITY: usize = 16;

    #[test]
    fn a_full_inbox_refuses_and_a_closed_one_too() {
        let inbox = Inbox::new(CAPACITY);
        for number in 0..CAPACITY {
            assert_eq!(inbox.push(number, Duration::ZERO), Ok(()));
        }
        assert_eq!(inbox.push(7777, Duration::from_millis(1)), Err(SendError::Full(7777)));
        assert_eq!(inbox.push_unbounded(CAPACITY), Ok(()));
        assert!(inbox.take_all().into_iter().eq(0..=CAPACITY));
        assert_eq!(inbox.push(1, Duration::ZERO), Ok(()));
        inbox.close();
        assert_eq!(inbox.push(2, Duration::from_secs(3600)), Err(SendError::Closed(2)));
        assert_eq!(inbox.push_unbounded(2), Err(SendError::Closed(2)));
        assert!(inbox.wait(Duration::from_secs(3600)));
        assert_eq!(inbox.take_all(), [1]);
    }

    #[test]
    fn a_sender_waits_for_a_place() {
        let inbox = Inbox::new(CAPACITY);
        (0..CAPACITY).for_each(|number| inbox.push(number, Duration::ZERO).expect("there is room"));
        std::thread::scope(|scope| {
            let sender = scope.spawn(|| inbox.push(CAPACITY, Duration::from_secs(3600)));
            let mut taken = inbox.take_all();
            assert_eq!(sender.join().expect("the sender panicked"), Ok(()));
            taken.extend(inbox.take_all());
            assert!(taken.into_iter().eq(0..=CAPACITY));
        });
    }
}
