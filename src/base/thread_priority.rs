//! Giving way to everybody else on the machine's processors, without being starved by them.
//!
//! A thread that computes for tens of milliseconds at a time keeps threads of the same class waiting for milliseconds
//! on a machine with few processors, however nice it is: the scheduler lets what runs finish its slice (sched(7)). A
//! thread of the class `SCHED_IDLE` is put aside at once by whatever wakes up. But on a machine whose processors are
//! all busy it gets next to nothing: one piece of work would take minutes. So somebody else looks how long it has
//! waited for a processor, and has it be merely nice for a while where that was most of the time. Who looks sees that
//! there is progress, too, in work that takes longer than anybody could say: a large network on a small machine.
//!
//! That is a thread of its own, `giving-way`, which [`ThreadPriority`] owns. Where the system does not allow one or the
//! other, the threads stay as they are.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use super::{Heartbeat, Stop, Worker};

/// The niceness of a thread that gives way, in both classes: five steps are a third of the weight (sched(7)).
const NICE: i32 = 5;

/// Between two looks at how it goes: two of them, and the work that is under way, are to be over before a thread is
/// taken for stuck.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whoever waits for a processor for more than this share of the time is starved.
const STARVED: f64 = 0.5;

/// Whoever has run and waited for less than this share of the time has nothing to do: the others are not looked for.
const AT_REST: f64 = 0.01;

/// Whoever computes for longer without a beat of its own makes no progress.
const LONGEST: Duration = Duration::from_secs(600);

/// So long a starved thread is merely nice.
const NICE_FOR: Duration = Duration::from_secs(60);

/// How a thread is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Policy {
    /// `SCHED_OTHER`, with [`NICE`].
    Nice,
    /// `SCHED_IDLE`.
    Idle,
}

/// The thread that began it and those of certain names, giving way together until this is dropped.
#[derive(Debug)]
pub struct ThreadPriority {
    stop: Stop,
    /// Joined after the stop is set. `None`: the system tells no waiting times, or has no thread.
    _attends: Option<Worker>,
}

impl ThreadPriority {
    /// The calling thread, and every thread of this process whose name begins with one of `names`, give way from now
    /// on. While they compute, `beat` goes on.
    pub fn start(names: &'static [&'static str], beat: &Heartbeat) -> ThreadPriority {
        let stop = Stop::new();
        let task = rustix::thread::gettid().as_raw_nonzero().get();
        // Started before this thread gives way: it would inherit that.
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
        // No process is named: Linux takes that for the calling thread (setpriority(2), BUGS). Who is nicer already
        // stays so.
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

/// What a thread has had of the processors since it began.
#[derive(Debug, Clone, Copy, Default)]
struct CpuTimes {
    ran: Duration,
    /// While it could run.
    waited: Duration,
}

/// Looks how it goes with the threads that give way.
#[derive(Debug)]
struct Attendant {
    names: &'static [&'static str],
    beat: Heartbeat,
    /// What was made of it here, and when somebody else was last seen to have made something else of it.
    kept_us: u64,
    beaten: Instant,
    class: Policy,
    since: Instant,
    looked: Instant,
    /// Of the thread that began it, and of the others that were found.
    seen: HashMap<i32, CpuTimes>,
}

impl Attendant {
    /// `task` is in [`Policy::Idle`] from now on.
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
        // A thread that has not run yet is without its name: it is found at the next look.
        for task in threads_named(self.names) {
            if let Some(times) = times(task) {
                self.seen.insert(task, times);
            }
        }
        for &task in self.seen.keys() {
            apply_class(task, class);
        }
    }

    /// There is progress, as far as can be seen.
    fn extend_heartbeat(&mut self, now: Instant) {
        if self.beat.due_us() != self.kept_us {
            self.beaten = now;
        }
        if now.duration_since(self.beaten) < LONGEST {
            self.kept_us = self.beat.record_external_progress();
        }
    }

    /// What each has had since the last look; nothing of those that have ended.
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

    /// The class that is right for all, by the one that waited most.
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

/// What is right for a thread that has been `class` for `since` and waited for a processor for `share` of the last
/// look's time.
fn next(class: Policy, share: f64, since: Duration) -> Policy {
    match class {
        Policy::Idle if share > STARVED => Policy::Nice,
        Policy::Nice if since >= NICE_FOR => Policy::Idle,
        as_it_is => as_it_is,
    }
}

/// What a thread has had since it began
/// (`schedstat`, Documentation/scheduler/sched-stats.rst: nanoseconds that it ran, and that it waited).
fn times(task: i32) -> Option<CpuTimes> {
    let text = fs::read_to_string(format!("/proc/self/task/{task}/schedstat")).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok().map(Duration::from_nanos));
    Some(CpuTimes { ran: numbers.next()??, waited: numbers.next()?? })
}

/// Has the calling thread and those that it starts merely be nice from now on: for who cannot look how it goes, and
/// would be starved.
///
/// # Errors
/// The system does not let a thread leave `SCHED_IDLE`; it stays as it is.
pub fn set_nice_only() -> std::io::Result<()> {
    schedule(0, Policy::Nice)
}

fn apply_class(task: i32, class: Policy) {
    match schedule(task, class) {
        // One that has ended since it was found needs nothing more.
        Err(error) if error.raw_os_error() != Some(libc::ESRCH) => {
            // To leave SCHED_IDLE takes a limit (RLIMIT_NICE) that the service's unit sets.
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
    fn who_gives_way_and_whom_it_starts_do_so_and_nobody_else() {
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
    fn who_starves_is_only_nice_for_a_while() {
        let second = Duration::from_secs(1);
        assert_eq!(next(Policy::Idle, 0.4, second), Policy::Idle);
        assert_eq!(next(Policy::Idle, 0.9, second), Policy::Nice);
        assert_eq!(next(Policy::Nice, 0.0, second), Policy::Nice);
        assert_eq!(next(Policy::Nice, 0.9, NICE_FOR), Policy::Idle);
    }

    #[test]
    fn who_computes_lives_for_a_while() {
        let beat = Heartbeat::new();
        let mut attendant = Attendant::new(own_task(), &[], beat.clone());
        let minute = Duration::from_secs(60);
        let far = beat.due_us() + 1_000_000_000;
        beat.beat_with_extension(Duration::from_secs(1000));
        attendant.extend_heartbeat(Instant::now());
        assert!(beat.due_us() >= far, "what is known to be slow keeps its time");
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
        assert!(beat.due_us() > before, "it has beaten by itself since");
    }

    /// One long piece of work on a processor that somebody else has taken: neither thread looks how it goes.
    #[test]
    fn who_starves_in_the_middle_of_its_work_is_helped_by_somebody_else() {
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
            // Past what keeps a test's output: it is to be seen where it passes.
            writeln!(std::io::stderr(), "LEFT OUT: a thread may not leave the idle class here").unwrap();
        }
    }
}
