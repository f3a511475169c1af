//! The stop flag: threads sleep on it, tasks await it, and no waiter misses it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A flag that is set once. Threads and tasks wait for it; clones share it.
///
/// Invariant: after [`Stop::set`] has returned, every present and future wait ends at once.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<StopInner>);

#[derive(Debug, Default)]
struct StopInner {
    set: Mutex<bool>,
    threads: Condvar,
    tasks: Notify,
}

impl Stop {
    /// A flag that is not set.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Sets the flag and wakes all waiters.
    pub fn set(&self) {
        *self.lock() = true;
        self.0.threads.notify_all();
        self.0.tasks.notify_waiters();
    }

    /// Whether the flag is set.
    pub fn is_set(&self) -> bool {
        *self.lock()
    }

    /// Sleeps for `time` or until the flag is set. Returns true if it is set.
    pub fn sleep(&self, time: Duration) -> bool {
        let began = Instant::now();
        let mut set = self.lock();
        while !*set {
            let Some(left) = time.checked_sub(began.elapsed()).filter(|left| !left.is_zero()) else {
                break;
            };
            set = self.0.threads.wait_timeout(set, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        *set
    }

    /// Ends when the flag is set.
    pub async fn stopped(&self) {
        let notified = self.0.tasks.notified();
        tokio::pin!(notified);
        // Registered before the flag is read, so that no set between the two is missed.
        notified.as_mut().enable();
        if !self.is_set() {
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, bool> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_thread_is_woken() {
        let stop = Stop::new();
        let other = stop.clone();
        let sleeper = std::thread::spawn(move || other.sleep(Duration::from_secs(3600)));
        stop.set();
        assert!(sleeper.join().expect("the sleeper panicked"));
    }

    #[test]
    fn a_short_sleep_ends_unset() {
        assert!(!Stop::new().sleep(Duration::from_millis(1)));
    }

    #[tokio::test]
    async fn a_task_sees_a_flag_set_before_and_during_its_wait() {
        let stop = Stop::new();
        let waiting = tokio::spawn({
            let stop = stop.clone();
            async move { stop.stopped().await }
        });
        tokio::task::yield_now().await;
        stop.set();
        waiting.await.expect("the task panicked");
        stop.stopped().await;
    }
}
