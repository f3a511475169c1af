//! Threads with a name, a heartbeat and an owner that joins them. Also waiting: a thread for a future, a task for a
//! job.

use std::future::pending;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::JoinError;

use super::clock::monotonic_us;
use super::{Fault, Stop};

/// Longest sleep of an idle thread between two beats. Waking many threads every second would cost a twentieth of the
/// CPU that one viewer of a camera's own JPEGs takes.
pub const IDLE: Duration = Duration::from_secs(4);

/// Time of a worker's last progress. The worker writes it; the watchdog's feeder reads it.
#[derive(Debug, Clone)]
pub struct Heartbeat(Arc<AtomicU64>);

impl Heartbeat {
    /// A heartbeat that has just beaten.
    pub fn new() -> Heartbeat {
        Heartbeat(Arc::new(AtomicU64::new(monotonic_us())))
    }

    /// Records progress. One atomic store: cheap enough for every frame.
    pub fn beat(&self) {
        self.0.store(monotonic_us(), Ordering::Relaxed);
    }

    /// Records progress before a slow step: the next beat may come `slow` later than usual.
    pub fn beat_with_extension(&self, slow: Duration) {
        let slow_us = u64::try_from(slow.as_micros()).unwrap_or(u64::MAX);
        self.0.store(monotonic_us().saturating_add(slow_us), Ordering::Relaxed);
    }

    /// Records progress that another thread saw. An announced slow step keeps its deadline. Returns
    /// [`Heartbeat::due_us`].
    pub(crate) fn record_external_progress(&self) -> u64 {
        let now_us = monotonic_us();
        self.0.fetch_max(now_us, Ordering::Relaxed).max(now_us)
    }

    /// Time of the last beat, or the end of an announced slow step (microseconds of the monotonic clock).
    pub fn due_us(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Time since the last beat; zero during an announced slow step.
    pub fn age(&self) -> Duration {
        Duration::from_micros(monotonic_us().saturating_sub(self.due_us()))
    }
}

impl Default for Heartbeat {
    fn default() -> Heartbeat {
        Heartbeat::new()
    }
}

/// A running named thread. Dropping it joins it, so set its [`super::Stop`] first.
#[derive(Debug)]
pub struct Worker {
    name: String,
    beat: Heartbeat,
    thread: Option<JoinHandle<()>>,
    ended: Stop,
}

/// Sets the flag when the thread ends, also by a panic.
struct SetAtEnd(Stop);

impl Drop for SetAtEnd {
    fn drop(&mut self) {
        self.0.set();
    }
}

impl Worker {
    /// Starts a thread called `name` (Linux shows the first 15 bytes).
    ///
    /// # Errors
    /// The operating system's error if no thread can be started.
    pub fn spawn(name: &str, run: impl FnOnce(&Heartbeat) + Send + 'static) -> std::io::Result<Worker> {
        let beat = Heartbeat::new();
        let ended = Stop::new();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn({
            let (beat, end) = (beat.clone(), SetAtEnd(ended.clone()));
            move || {
                // Dropped at the end of `run`, also when a panic unwinds it.
                let _end = end;
                run(&beat);
            }
        })?;
        Ok(Worker { name: name.to_owned(), beat, thread: Some(thread), ended })
    }

    /// The thread's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its sign of progress.
    pub fn heartbeat(&self) -> &Heartbeat {
        &self.beat
    }

    /// Completes when the thread has ended, by return or panic.
    pub async fn wait_ended(&self) {
        self.ended.stopped().await;
    }

    /// Waits at most `time` for the thread to end. Returns true if it has.
    pub fn wait_ended_within(&self, time: Duration) -> bool {
        self.ended.sleep(time)
    }

    /// Waits at most `time` for the thread to end, then leaves it behind: it continues alone, usually in a driver call
    /// that does not return.
    ///
    /// # Errors
    /// The thread is still running.
    pub fn join_within(mut self, time: Duration) -> Result<(), Fault> {
        let thread = self.thread.take();
        if !self.wait_ended_within(time) {
            let name = std::mem::take(&mut self.name);
            return Err(Fault::passing(format!(
                "thread {name} did not end within {time:?} and was left behind"
            )));
        }
        // The thread has returned or panicked, so the join is short.
        join(&self.name, thread);
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        join(&self.name, self.thread.take());
    }
}

fn join(name: &str, thread: Option<JoinHandle<()>>) {
    if thread.is_some_and(|t| t.join().is_err()) {
        log::error!("thread {name} panicked");
    }
}

/// Runs `future` on this thread to its end. Unlike [`Runtime::block_on`] it is not compiled again for each future
/// type.
pub fn block_on<T>(runtime: &Runtime, future: impl Future<Output = T>) -> T {
    let mut output = None;
    {
        let whole = pin!(async { output = Some(future.await) });
        let whole: Pin<&mut dyn Future<Output = ()>> = whole;
        runtime.block_on(whole);
    }
    // The future has ended, so its output is set.
    match output {
        Some(output) => output,
        None => unreachable!("a future that has ended has an output"),
    }
}

/// The result of a job, once; pending for ever if there is no job.
pub async fn wait_job<T>(job: &mut Option<tokio::task::JoinHandle<T>>) -> Result<T, JoinError> {
    match job {
        Some(running) => {
            let result = running.await;
            *job = None;
            result
        }
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Stop;

    #[test]
    fn a_worker_that_listens_is_joined() {
        let stop = Stop::new();
        let worker = Worker::spawn("listens", {
            let stop = stop.clone();
            move |beat| {
                while !stop.sleep(Duration::from_millis(1)) {
                    beat.beat()
                }
            }
        })
        .expect("no thread");
        stop.set();
        worker.join_within(Duration::from_secs(10)).expect("left behind");
    }

    #[test]
    fn a_worker_that_does_not_listen_is_left_behind() {
        let stop = Stop::new();
        let worker = Worker::spawn("deaf", {
            let stop = stop.clone();
            move |_| {
                stop.sleep(Duration::from_secs(3600));
            }
        })
        .expect("no thread");
        let left = worker.join_within(Duration::from_millis(1)).expect_err("it cannot have ended");
        assert!(left.what.starts_with("thread deaf did not end"), "{left}");
        stop.set();
    }

    #[tokio::test]
    async fn a_panic_also_counts_as_the_end() {
        Worker::spawn("returns", |_| {}).expect("no thread").wait_ended().await;
        let panics = Worker::spawn("panics", |_| panic!("as it should")).expect("no thread");
        panics.wait_ended().await;
        panics.join_within(Duration::from_secs(10)).expect("left behind");
    }

    #[test]
    fn an_announced_slow_step_has_its_time() {
        let beat = Heartbeat::new();
        beat.beat_with_extension(Duration::from_secs(3600));
        assert_eq!(beat.age(), Duration::ZERO);
        beat.beat_with_extension(Duration::MAX);
        assert_eq!(beat.age(), Duration::ZERO);
    }

    #[test]
    fn a_future_returns_its_value_and_may_borrow() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let mut seen = Vec::new();
        let sum = block_on(&runtime, async {
            tokio::task::yield_now().await;
            seen.push(1);
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            seen.push(2);
            seen.iter().sum::<i32>()
        });
        assert_eq!((sum, seen), (3, vec![1, 2]));
    }
}
