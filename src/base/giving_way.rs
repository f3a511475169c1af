//! Giving way to everybody else on the machine's processors, without being starved by them.
//!
//! A thread that computes for tens of milliseconds at a time keeps threads of the same class waiting for
//! milliseconds on a machine with few processors, however nice it is: the scheduler lets what runs finish its slice
//! (sched(7)). A thread of the class `SCHED_IDLE` is put aside at once by whatever wakes up. But on a machine whose
//! processors are all busy it gets next to nothing; so who gives way looks once a second how long it has waited for a
//! processor, and is merely nice for a while where that was most of the time.
//!
//! Lives on the thread that gives way. Where the system does not allow one or the other, the thread stays as it is.

use std::fs;
use std::time::Duration;

use super::clock::monotonic_us;

/// The niceness of a thread that gives way, in both classes: five steps are a third of the weight (sched(7)).
const NICE: i32 = 5;

/// Between two looks at how it goes.
const LOOK_EVERY_US: u64 = 1_000_000;

/// Whoever waits for a processor for more than this share of the time is starved.
const STARVED: f64 = 0.5;

/// So long a starved thread is merely nice.
const NICE_FOR: Duration = Duration::from_secs(60);

/// The list of threads is made again so often at most, where they come and go.
const MOST_LISTS: i32 = 20;

/// How a thread is scheduled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `SCHED_OTHER`, with [`NICE`].
    Nice,
    /// `SCHED_IDLE`.
    Idle,
}

/// The calling thread and those of certain names that it has started, giving way together.
#[derive(Debug)]
pub struct GivingWay {
    /// Beginnings of the names of the threads that are meant.
    names: &'static [&'static str],
    /// Others that are meant, which had not taken their names when they were found.
    unnamed: Vec<i32>,
    class: Class,
    since_us: u64,
    /// When they were last looked at, and how long they had waited by then.
    last: Option<(u64, u64)>,
    /// The system does not let a thread leave `SCHED_IDLE`, or tells no waiting times.
    is_settled: bool,
}

impl GivingWay {
    /// The calling thread, and every thread of this process whose name begins with one of `names`, give way from now on.
    pub fn begin(names: &'static [&'static str]) -> GivingWay {
        // No process is named: Linux takes that for the calling thread (setpriority(2), BUGS). Who is nicer already stays so.
        let nice = rustix::process::getpriority_process(None).unwrap_or(0);
        if let Err(error) = rustix::process::setpriority_process(None, NICE.max(nice)) {
            log::debug!("a thread cannot give way to others: {error}");
        }
        let mut way = GivingWay {
            names,
            unnamed: Vec::new(),
            class: Class::Nice,
            since_us: monotonic_us(),
            last: None,
            is_settled: waited_us(0).is_none(),
        };
        if !way.is_settled {
            way.enter(Class::Idle);
        }
        way
    }

    /// Looks how it goes; to be called before and after each piece of work, does something once a second.
    pub fn attend(&mut self) {
        if self.is_settled {
            return;
        }
        let now_us = monotonic_us();
        let Some((then_us, waited_then)) = self.last else {
            self.last = self.waited_us().map(|waited| (now_us, waited));
            return;
        };
        if now_us < then_us + LOOK_EVERY_US {
            return;
        }
        // One of them may have ended meanwhile: then there is less than before.
        let waited = self.waited_us().unwrap_or(0);
        let share = waited.saturating_sub(waited_then) as f64 / (now_us - then_us) as f64;
        self.last = Some((now_us, waited));
        let class = next(self.class, share, Duration::from_micros(now_us.saturating_sub(self.since_us)));
        if class != self.class {
            log::debug!("waited for a processor for {:.0} % of the time: {class:?} now", 100.0 * share);
            self.enter(class);
        }
    }

    /// Does one long piece of work, during which nobody can look how it goes, merely nicely: on a busy machine it would take
    /// a hundred times as long.
    pub fn in_one_piece<T>(&mut self, work: impl FnOnce() -> T) -> T {
        if self.is_settled {
            return work();
        }
        let was_idle = self.class == Class::Idle;
        if was_idle {
            self.enter(Class::Nice);
        }
        let before: Vec<i32> = threads().map(|(task, _)| task).collect();
        let done = work();
        if !self.names.is_empty() {
            let own = fs::read_to_string("/proc/thread-self/comm").unwrap_or_default();
            self.unnamed = still_unnamed(threads(), &own, &before, &self.unnamed);
        }
        if was_idle && !self.is_settled {
            self.enter(Class::Idle);
            // How long it waited in between says nothing of this class.
            self.last = None;
        }
        done
    }

    fn enter(&mut self, class: Class) {
        for task in self.tasks() {
            let scheduled = schedule(task, class);
            // One that has ended since it was found needs nothing more.
            if let Err(error) = scheduled.or_else(|error| match error.raw_os_error() {
                Some(libc::ESRCH) => Ok(()),
                _ => Err(error),
            }) {
                // To leave SCHED_IDLE takes a limit (RLIMIT_NICE) that the service's unit sets.
                log::debug!("a thread cannot be scheduled as {class:?}: {error}");
                self.is_settled = true;
            }
        }
        (self.class, self.since_us) = (class, monotonic_us());
    }

    /// How long the threads have waited for a processor since they began; the one that waited most.
    fn waited_us(&self) -> Option<u64> {
        self.tasks().into_iter().filter_map(waited_us).max()
    }

    /// The calling thread, as 0, and the others that are meant.
    fn tasks(&self) -> Vec<i32> {
        let is_meant = |(task, name): &(i32, String)| {
            self.names.iter().any(|beginning| name.starts_with(beginning)) || self.unnamed.contains(task)
        };
        let others = (!self.names.is_empty()).then(threads).into_iter().flatten().filter(is_meant);
        [0].into_iter().chain(others.map(|(task, _)| task)).collect()
    }
}

/// The threads of this process and their names, with the line end that the kernel gives them.
fn threads() -> impl Iterator<Item = (i32, String)> {
    whole(task_ids)
        .into_iter()
        .filter_map(|task| Some((task, fs::read_to_string(format!("/proc/self/task/{task}/comm")).ok()?)))
}

/// The kernel's list of this process's threads, as far as it goes.
fn task_ids() -> Vec<i32> {
    let listed = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// A list that is whole: the kernel's ends early at a thread that ends while it is made (`next_tid` in fs/proc/base.c), so one
/// is believed that comes twice.
fn whole(mut list: impl FnMut() -> Vec<i32>) -> Vec<i32> {
    let mut last = list();
    for _ in 0..MOST_LISTS {
        let again = list();
        if again == last {
            break;
        }
        last = again;
    }
    last
}

/// Of `threads`, those that the thread named `own` has started since there were only those `before`, or that were `known`
/// to be so, and that have not run yet: until a thread does and takes its own name, it has that of the one that started it.
fn still_unnamed(
    threads: impl Iterator<Item = (i32, String)>,
    own: &str,
    before: &[i32],
    known: &[i32],
) -> Vec<i32> {
    let is_ours = |task: &i32| !before.contains(task) || known.contains(task);
    threads.filter(|(task, name)| name == own && is_ours(task)).map(|(task, _)| task).collect()
}

/// What is right for a thread that has been `class` for `since` and waited for a processor for `share` of the last second.
fn next(class: Class, share: f64, since: Duration) -> Class {
    match class {
        Class::Idle if share > STARVED => Class::Nice,
        Class::Nice if since >= NICE_FOR => Class::Idle,
        as_it_is => as_it_is,
    }
}

/// How long a thread (0: the calling one) has waited for a processor while it could run, in microseconds
/// (`schedstat`, Documentation/scheduler/sched-stats.rst: the second number, nanoseconds).
fn waited_us(task: i32) -> Option<u64> {
    let path = match task {
        0 => String::from("/proc/thread-self/schedstat"),
        task => format!("/proc/self/task/{task}/schedstat"),
    };
    let text = fs::read_to_string(path).ok()?;
    text.split_whitespace().nth(1)?.parse::<u64>().ok().map(|ns| ns / 1000)
}

/// Has the calling thread and those that it starts merely be nice from now on: for who cannot look how it goes, and
/// would be starved.
///
/// # Errors
/// The system does not let a thread leave `SCHED_IDLE`; it stays as it is.
pub fn be_merely_nice() -> std::io::Result<()> {
    schedule(0, Class::Nice)
}

fn schedule(task: i32, class: Class) -> std::io::Result<()> {
    let policy = match class {
        Class::Nice => libc::SCHED_OTHER,
        Class::Idle => libc::SCHED_IDLE,
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
    use crate::base::Worker;

    fn policy() -> i32 {
        // SAFETY: no pointer is given; 0 is the calling thread.
        unsafe { libc::sched_getscheduler(0) }
    }

    fn nice() -> i32 {
        rustix::process::getpriority_process(None).unwrap()
    }

    #[test]
    fn who_gives_way_and_whom_it_starts_do_so_and_nobody_else() {
        let ours = (policy(), nice());
        let (tell, told) = channel();
        let worker = Worker::spawn("gives", move |_| {
            let _way = GivingWay::begin(&[]);
            let child = Worker::spawn("child", {
                let tell = tell.clone();
                move |_| tell.send((policy(), nice())).unwrap()
            });
            drop(child);
            tell.send((policy(), nice())).unwrap();
        })
        .unwrap();
        worker.join_within(Duration::from_secs(10)).unwrap();
        let expected = match waited_us(0) {
            Some(_) => libc::SCHED_IDLE,
            None => libc::SCHED_OTHER,
        };
        assert_eq!(told.iter().collect::<Vec<_>>(), [(expected, ours.1.max(NICE)); 2]);
        assert_eq!((policy(), nice()), ours);
    }

    #[test]
    fn who_starves_is_merely_nice_for_a_while() {
        let second = Duration::from_secs(1);
        assert_eq!(next(Class::Idle, 0.4, second), Class::Idle);
        assert_eq!(next(Class::Idle, 0.9, second), Class::Nice);
        assert_eq!(next(Class::Nice, 0.0, second), Class::Nice);
        assert_eq!(next(Class::Nice, 0.9, NICE_FOR), Class::Idle);
    }

    #[test]
    fn a_thread_that_has_not_run_yet_is_one_of_those_that_were_started() {
        let threads = |named: &[(i32, &str)]| {
            let named: Vec<_> = named.iter().map(|&(task, name)| (task, name.to_owned())).collect();
            named.into_iter()
        };
        // The thread itself is 1; 2 was there before, of the same name.
        let first = [(1, "detect\n"), (2, "detect\n"), (3, "detect\n"), (4, "network-0\n"), (5, "other\n")];
        let unnamed = still_unnamed(threads(&first), "detect\n", &[1, 2, 5], &[]);
        assert_eq!(unnamed, [3]);
        // It has not run by the end of the next piece of work, either, which started 6.
        let second = [(1, "detect\n"), (2, "detect\n"), (3, "detect\n"), (6, "detect\n")];
        let unnamed = still_unnamed(threads(&second), "detect\n", &[1, 2, 3], &unnamed);
        assert_eq!(unnamed, [3, 6]);
        // 3 has taken its name, 6 has ended.
        let third = [(1, "detect\n"), (2, "detect\n"), (3, "network-1\n")];
        assert!(still_unnamed(threads(&third), "detect\n", &[1, 2, 3], &unnamed).is_empty());
    }

    #[test]
    fn a_list_that_ended_early_is_made_again() {
        let mut lists = [vec![1, 2], vec![1], vec![1, 3, 4], vec![1, 3, 4], vec![]].into_iter();
        assert_eq!(whole(|| lists.next().unwrap()), [1, 3, 4]);
        let mut made = 0;
        let never_the_same = || {
            made += 1;
            vec![made]
        };
        assert_eq!(whole(never_the_same), [1 + MOST_LISTS]);
    }

    #[test]
    fn threads_without_a_name_are_kept_in_mind_in_either_class() {
        for class in [Class::Idle, Class::Nice] {
            let minds = move || {
                // No thread of another test has such a name.
                let mut way = GivingWay::begin(&["minded-"]);
                if way.is_settled || be_merely_nice().is_err() {
                    // Past what keeps a test's output: it is to be seen where it passes.
                    return writeln!(
                        std::io::stderr(),
                        "LEFT OUT: a thread may not leave the idle class here"
                    )
                    .unwrap();
                }
                way.enter(class);
                let (go, wait) = channel::<()>();
                // Who is given no name has that of the one that started it, as one that has not run yet.
                let thread = way.in_one_piece(|| std::thread::spawn(move || wait.recv().unwrap_err()));
                let started = way.unnamed.clone();
                assert_eq!((started.len(), way.class), (1, class));
                way.in_one_piece(|| ());
                assert_eq!(way.unnamed, started, "it has not run since, either");
                assert!(way.tasks().contains(&started[0]));
                drop(go);
                thread.join().unwrap();
                // What is joined may be seen for a moment still.
                let gone = (0..1000).any(|_| {
                    std::thread::sleep(Duration::from_millis(5));
                    way.in_one_piece(|| ());
                    way.unnamed.is_empty()
                });
                assert!(gone);
            };
            // What fails in it fails here.
            std::thread::Builder::new().name(String::from("minds")).spawn(minds).unwrap().join().unwrap();
        }
    }

    #[test]
    fn one_long_piece_of_work_is_done_merely_nicely() {
        let (tell, told) = channel();
        let worker = Worker::spawn("piece", move |_| {
            let mut way = GivingWay::begin(&[]);
            let before = policy();
            let within = way.in_one_piece(policy);
            let after = policy();
            // Leaving the idle class takes a right: whether it is there is tried, not asked of what is tested.
            let may_leave = before != libc::SCHED_IDLE || be_merely_nice().is_ok();
            tell.send((before, within, after, may_leave)).unwrap();
        })
        .unwrap();
        worker.join_within(Duration::from_secs(10)).unwrap();
        let (before, within, after, may_leave) = told.recv().unwrap();
        assert_eq!(after, before);
        assert_eq!(within, if may_leave { libc::SCHED_OTHER } else { libc::SCHED_IDLE });
    }

    #[test]
    fn threads_that_a_piece_of_work_started_give_way_after_it() {
        let (tell, told) = channel();
        let worker = Worker::spawn("pool", move |_| {
            // One of the same name, which was there before.
            let (tell_other, told_other) = channel();
            let (go_on, goes_on) = channel::<()>();
            let other = Worker::spawn("pool", move |_| {
                tell_other.send(policy()).unwrap();
                let _ = goes_on.recv();
                tell_other.send(policy()).unwrap();
            })
            .unwrap();
            let class_before = told_other.recv().unwrap();
            let mut way = GivingWay::begin(&["network-"]);
            let (go, wait) = std::sync::mpsc::sync_channel::<()>(0);
            let wait = std::sync::Arc::new(std::sync::Mutex::new(wait));
            // Some of them run for the first time, and have their name, when it is over.
            let threads = way.in_one_piece(|| {
                let start = |n| {
                    let (tell, wait) = (tell.clone(), std::sync::Arc::clone(&wait));
                    let run = move || {
                        let _ = wait.lock().unwrap().recv();
                        tell.send(policy()).unwrap();
                    };
                    std::thread::Builder::new().name(format!("network-{n}")).spawn(run).unwrap()
                };
                [0, 1, 2, 3, 4, 5, 6, 7].map(start)
            });
            drop(go);
            for thread in threads {
                thread.join().unwrap();
            }
            tell.send(policy()).unwrap();
            drop(go_on);
            assert_eq!(told_other.recv(), Ok(class_before));
            drop(other);
        })
        .unwrap();
        worker.join_within(Duration::from_secs(10)).unwrap();
        let policies: Vec<i32> = told.iter().collect();
        assert_eq!(policies, [policies[8]; 9]);
    }

    #[test]
    fn the_class_is_left_where_the_system_allows_it() {
        let (tell, told) = channel();
        let worker = Worker::spawn("leaves", move |_| {
            let mut way = GivingWay::begin(&["leaves"]);
            assert!(waited_us(0).is_none() || way.waited_us().is_some());
            way.enter(Class::Nice);
            // Without the right to leave SCHED_IDLE it is settled there.
            let is_out = policy() == libc::SCHED_OTHER;
            tell.send((is_out || way.is_settled, nice() >= NICE)).unwrap();
        })
        .unwrap();
        worker.join_within(Duration::from_secs(10)).unwrap();
        assert_eq!(told.recv(), Ok((true, true)));
    }
}
