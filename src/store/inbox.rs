//! A writer's inbox: bounded, in order, waited on by one thread.
//!
//! When it is full a sender on a thread waits, at most as long as it is told to, and is then refused;
//! a task asks again. After it was closed nothing comes in, and what is in it can be taken.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A bounded queue.
pub(super) struct Inbox<T> {
    /// Items that wait at most.
    capacity: usize,
    state: Mutex<InboxState<T>>,
    /// Something came in, or it was closed.
    filled: Condvar,
    /// Something was taken, or it was closed.
    emptied: Condvar,
}

struct InboxState<T> {
    waiting: VecDeque<T>,
    is_closed: bool,
}

/// Why something was not taken in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError<T> {
    /// It is full; here it is back.
    Full(T),
    /// It is closed; here it is back.
    Closed(T),
}

impl<T> Inbox<T> {
    /// With room for `capacity`.
    pub(super) fn new(capacity: usize) -> Inbox<T> {
        Inbox {
            capacity,
            state: Mutex::new(InboxState { waiting: VecDeque::new(), is_closed: false }),
            filled: Condvar::new(),
            emptied: Condvar::new(),
        }
    }

    /// Puts `item` in; waits at most `patience` for a place.
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

    /// Puts `item` in; waits about `patience` at most for a place, without holding a thread.
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

    /// Puts `item` in however much waits, for senders with a bound of their own.
    pub(super) fn push_unbounded(&self, item: T) -> Result<(), SendError<T>> {
        let mut state = self.lock();
        if state.is_closed {
            return Err(SendError::Closed(item));
        }
        state.waiting.push_back(item);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits at most `patience` for something to be there; tells whether the inbox is closed.
    pub(super) fn wait(&self, patience: Duration) -> bool {
        let state = self.lock();
        let is_idle = |state: &mut InboxState<T>| state.waiting.is_empty() && !state.is_closed;
        let waited = self.filled.wait_timeout_while(state, patience, is_idle);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_closed
    }

    /// Waits for `time`, or until the inbox is closed, whatever comes in.
    pub(super) fn sleep_unless_closed(&self, time: Duration) {
        let state = self.lock();
        let waited = self.filled.wait_timeout_while(state, time, |state| !state.is_closed);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes everything that waits.
    pub(super) fn take_all(&self) -> VecDeque<T> {
        let taken = std::mem::take(&mut self.lock().waiting);
        self.emptied.notify_all();
        taken
    }

    /// From now on nothing comes in.
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
