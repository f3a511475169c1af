//! Lowers the priority of computing threads without starving them.
//!
//! A thread that computes for tens of milliseconds delays threads of its class on a machine with few processors,
//! whatever its niceness. The scheduler lets it finish its slice (sched(7)). A `SCHED_IDLE` thread is preempted at
//! once. On a machine with busy processors, however, it gets almost no time, and one task would take minutes.
//!
//! The thread `giving-way`, which [`ThreadPriority`] owns, therefore measures how long such threads wait for a
//! processor. If they wait most of the time, it moves them to `SCHED_OTHER` with a high niceness for a while. It also
//! keeps the heartbeat alive during work of unpredictable length, such as a large network on a small machine. If the
//! system forbids a change, the threads stay as they are.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::{Heartbeat, Stop, Worker};

/// Niceness of a low-priority thread in both classes. Five steps are a third of the weight (sched(7)).
const NICE: i32 = 5;

/// Interval between two measurements. Two intervals and the work under way must end before the watchdog considers a
/// thread stuck.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A thread that waits for a processor for more than this share of the time is starved.
const STARVED: f64 = 0.5;

/// A thread that ran and waited for less than this share of the time has nothing to do. The other threads are then
/// not searched.
const AT_REST: f64 = 0.01;

/// A thread that computes longer than this without a beat of its own makes no progress.
const LONGEST: Duration = Duration::from_secs(600);

/// Time that a starved thread spends in [`Policy::Nice`].
const NICE_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// `SCHED_OTHER`, with [`NICE`].
    Nice,
    /// `SCHED_IDLE`.
    Idle,
}

/// Low priority for the starting thread and for threads with certain names, until this is dropped.
#[derive(Debug)]
pub struct ThreadPriority {
    stop: Stop,
    /// Joined after the stop is set. `None` if the system reports no waiting times or provides no thread.
    _attends: Option<Worker>,
}

impl ThreadPriority {
    /// Lowers the priority of the calling thread and of every thread whose name begins with one of `names`. While
    /// they compute, `beat` continues.
    pub fn start(names: &'static [&'static str], beat: &Heartbeat) -> ThreadPriority {
        let stop = Stop::new();
        let task = rustix::thread::gettid().as_raw_nonzero().get();
        // Started before this thread lowers its priority, because a new thread inherits it.
        let attends = times(task).and_then(|_| {
            let mut attendant = Attendant::new(task, names, beat.clone());
            let run = {
                let stop = stop.clone();
                move |_: &Heartbeat| {
                    while !stop.sleep(LOOK_EVERY) {
                        attendant.adjust_class();
                    }
                }
            };
            Worker::spawn("giving-way", run)
                .map_err(|error| log::debug!("nobody can attend to giving way: {error}"))
                .ok()
        });
        // Without a process id, Linux applies this to the calling thread (setpriority(2), BUGS). A higher niceness
        // stays.
        let nice = rustix::process::getpriority_process(None).unwrap_or(0);
        if let Err(error) = rustix::process::setpriority_process(None, NICE.max(nice)) {
            log::debug!("a thread cannot give way to others: {error}");
        }
        if attends.is_some() {
            apply_class(task, Policy::Idle);
        }
        ThreadPriority { stop, _attends: attends }
    }
}

impl Drop for ThreadPriority {
    fn drop(&mut self) {
        self.stop.set();
    }
}

/// Processor time of a thread since it started.
#[derive(Debug, Clone, Copy, Default)]
struct CpuTimes {
    ran: Duration,
    /// Time in which the thread was runnable but had no processor.
    waited: Duration,
}

/// Measures the low-priority threads and chooses their class.
#[derive(Debug)]
struct Attendant {
    names: &'static [&'static str],
    beat: Heartbeat,
    /// Last value of the heartbeat that this attendant wrote, and the time of the last beat from elsewhere.
    kept_us: u64,
    beaten: Instant,
    class: Policy,
    since: Instant,
    looked: Instant,
    /// Times at the previous measurement, of the starting thread and of the others that were found.
    seen: HashMap<i32, CpuTimes>,
}

impl Attendant {
    /// The caller puts `task` into [`Policy::Idle`].
    fn new(task: i32, names: &'static [&'static str], beat: Heartbeat) -> Attendant {
        let now = Instant::now();
        let seen = HashMap::from([(task, times(task).unwrap_or_default())]);
        Attendant { names, beat, kept_us: 0, beaten: now, class: Policy::Idle, since: now, looked: now, seen }
    }

    fn adjust_class(&mut self) {
        let now = Instant::now();
        let elapsed = now.duration_since(self.looked);
        let had = self.times_since_last();
        self.looked = now;
        self.seen.retain(|&task, seen| times(task).map(|times| *seen = times).is_some());
        if had.values().all(|had| had.ran + had.waited < elapsed.mul_f64(AT_REST)) {
            return;
        }
        self.extend_heartbeat(now);
        let class = self.choose_class(&had, elapsed, now);
        // A new thread has no name before it runs; the next measurement finds it.
        for task in threads_named(self.names) {
            if let Some(times) = times(task) {
                self.seen.insert(task, times);
            }
        }
        for &task in self.seen.keys() {
            apply_class(task, class);
        }
    }

    /// Extends the heartbeat unless the threads' own beats have been missing for [`LONGEST`].
    fn extend_heartbeat(&mut self, now: Instant) {
        if self.beat.due_us() != self.kept_us {
            self.beaten = now;
        }
        if now.duration_since(self.beaten) < LONGEST {
            self.kept_us = self.beat.record_external_progress();
        }
    }

    /// Time of each thread since the last measurement, without threads that have ended.
    fn times_since_last(&self) -> HashMap<i32, CpuTimes> {
        let had = |(&task, seen): (&i32, &CpuTimes)| {
            let now = times(task)?;
            Some((
                task,
                CpuTimes {
                    ran: now.ran.saturating_sub(seen.ran),
                    waited: now.waited.saturating_sub(seen.waited),
                },
            ))
        };
        self.seen.iter().filter_map(had).collect()
    }

    /// The class for all threads, chosen by the one that waited most.
    fn choose_class(&mut self, had: &HashMap<i32, CpuTimes>, elapsed: Duration, now: Instant) -> Policy {
        let waited = had.values().map(|had| had.waited).max().unwrap_or_default();
        let share = waited.as_secs_f64() / elapsed.as_secs_f64();
        let class = next(self.class, share, now.duration_since(self.since));
        if class != self.class {
            log::debug!("waited for a processor for {:.0} % of the time: {class:?} now", 100.0 * share);
            (self.class, self.since) = (class, now);
        }
        class
    }
}

/// The threads of this process whose names begin with one of `beginnings`.
fn threads_named(beginnings: &[&str]) -> Vec<i32> {
    let listed = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let tasks = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let name = |task: &i32| fs::read_to_string(format!("/proc/self/task/{task}/comm")).unwrap_or_default();
    tasks.filter(|task| beginnings.iter().any(|beginning| name(task).starts_with(beginning))).collect()
}

/// The next class of threads that have been in `class` for `since` and waited for `share` of the last interval.
fn next(class: Policy, share: f64, since: Duration) -> Policy {
    match class {
        Policy::Idle if share > STARVED => Policy::Nice,
        Policy::Nice if since >= NICE_FOR => Policy::Idle,
        as_it_is => as_it_is,
    }
}

/// Processor time of a thread since it started (`schedstat`, Documentation/scheduler/sched-stats.rst: nanoseconds
/// running, then waiting).
fn times(task: i32) -> Option<CpuTimes> {
    let text = fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok().map(Duration::from_nanos));
    Some(CpuTimes { ran: numbers.next()??, waited: numbers.next()?? })
}

/// Gives the calling thread and the threads that it starts a high niceness for good. For threads that nobody
/// measures, which would starve in `SCHED_IDLE`.
///
/// # Errors
/// The system does not let a thread leave `SCHED_IDLE`; the thread stays as it is.
pub fn set_nice_only() -> std::io::Result<()> {
    schedule(0, Policy::Nice)
}

fn apply_class(task: i32, class: Policy) {
    match schedule(task, class) {
        // The thread may have ended since it was found.
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
            // Leaving `SCHED_IDLE` needs the limit RLIMIT_NICE that the service's unit sets.
            log::debug!("a thread cannot be scheduled as {class:?}: {error}");
        }
        _ => {}
    }
}

fn schedule(task: i32, class: Policy) -> std::io::Result<()> {
    let policy = match class {
        Policy::Nice => libc::SCHED_OTHER,
        Policy::Idle => libc::SCHED_IDLE,
    };
    // SAFETY: `sched_param` is plain numbers, for which zeros are valid.
    let mut parameters: libc::sched_param = unsafe { std::mem::zeroed() };
    parameters.sched_priority = 0;
    // SAFETY: the pointer is to a whole `sched_param` that lives through the call, which only reads it.
    match unsafe { libc::sched_setscheduler(task, policy, &parameters) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;
    use std::sync::mpsc::channel;

    use super::*;

    fn policy() -> i32 {
        // SAFETY: no pointer is given; 0 is the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    fn own_task() -> i32 {
        rustix::thread::gettid().as_raw_nonzero().get()
    }

    #[test]
    fn only_the_thread_and_its_children_have_a_low_priority() {
        let ours = (policy(), nice());
        let (tell, told) = channel();
        let worker = Worker::spawn("gives", move |_| {
            let _way = ThreadPriority::start(&[], &Heartbeat::new());
            let child = Worker::spawn("child", {
                let tell = tell.clone();
                move |_| tell.send((policy(), nice())).unwrap()
            });
            drop(child);
            tell.send((policy(), nice())).unwrap();
        })
        .unwrap();
        worker.join_within(Duration::from_secs(10)).unwrap();
        let expected = match times(own_task()) {
            Some(_) => libc::SCHED_IDLE,
            None => libc::SCHED_OTHER,
        };
        assert_eq!(told.iter().collect::<Vec<_>>(), [(expected, ours.1.max(NICE)); 2]);
        assert_eq!((policy(), nice()), ours);
    }

    #[test]
    fn a_starved_thread_is_nice_for_a_while() {
        let second = Duration::from_secs(1);
        assert_eq!(next(Policy::Idle, 0.4, second), Policy::Idle);
        assert_eq!(next(Policy::Idle, 0.9, second), Policy::Nice);
        assert_eq!(next(Policy::Nice, 0.0, second), Policy::Nice);
        assert_eq!(next(Policy::Nice, 0.9, NICE_FOR), Policy::Idle);
    }

    #[test]
    fn a_computing_thread_counts_as_alive_for_a_while() {
        let beat = Heartbeat::new();
        let mut attendant = Attendant::new(own_task(), &[], beat.clone());
        let minute = Duration::from_secs(60);
        let far = beat.due_us() + 1_000_000_000;
        beat.beat_with_extension(Duration::from_secs(1000));
        attendant.extend_heartbeat(Instant::now());
        assert!(beat.due_us() >= far, "an announced slow step keeps its deadline");
        beat.beat();
        let began = Instant::now();
        attendant.extend_heartbeat(began);
        for minutes in 1..20 {
            let before = beat.due_us();
            std::thread::sleep(Duration::from_millis(1));
            attendant.extend_heartbeat(began + minutes * minute);
            assert_eq!(beat.due_us() > before, minutes < 10, "{minutes}");
        }
        beat.beat();
        let before = beat.due_us();
        std::thread::sleep(Duration::from_millis(1));
        attendant.extend_heartbeat(began + 20 * minute);
        assert!(beat.due_us() > before, "the attendant beats by itself");
    }

    /// One long task on a busy processor: neither of the two threads measures anything.
    #[test]
    fn a_thread_that_starves_during_its_work_is_promoted() {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

        let stop = Stop::new();
        let (tell, told) = channel();
        let starves = Worker::spawn("starves", {
            let stop = stop.clone();
            move |_| {
                let mut one = CpuSet::new();
                let all = sched_getaffinity(None).unwrap();
                one.set((0..CpuSet::MAX_CPU).find(|&cpu| all.is_set(cpu)).unwrap());
                sched_setaffinity(None, &one).unwrap();
                let busy = |stop: &Stop| while !stop.is_set() {};
                let takes_it_all = Worker::spawn("busy", {
                    let stop = stop.clone();
                    move |_| busy(&stop)
                })
                .unwrap();
                let way = ThreadPriority::start(&["starving-"], &Heartbeat::new());
                let helper = Worker::spawn("starving-0", {
                    let (tell, stop) = (tell.clone(), stop.clone());
                    move |_| {
                        tell.send(own_task()).unwrap();
                        busy(&stop);
                    }
                })
                .unwrap();
                tell.send(own_task()).unwrap();
                busy(&stop);
                drop((helper, takes_it_all, way));
            }
        })
        .unwrap();
        let tasks = [told.recv().unwrap(), told.recv().unwrap()];
        // SAFETY: no pointer is given.
        let policies = || tasks.map(|task| unsafe { libc::sched_getscheduler(task) });
        let may_leave = std::thread::spawn(|| {
            schedule(0, Policy::Idle).unwrap();
            set_nice_only().is_ok()
        });
        let is_left_out = !may_leave.join().unwrap() || times(tasks[0]).is_none();
        let is_helped = (0..600).any(|_| {
            std::thread::sleep(Duration::from_millis(100));
            is_left_out || policies() == [libc::SCHED_OTHER; 2]
        });
        stop.set();
        drop(starves);
        assert!(is_helped, "they starve");
        if is_left_out {
            // Written past the test's captured output, so that it is visible when the test passes.
            writeln!(std::io::stderr(), "LEFT OUT: a thread may not leave the idle class here").unwrap();
        }
    }
}
