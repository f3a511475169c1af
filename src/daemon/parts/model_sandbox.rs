//! Tries a model in a process of its own before the daemon loads it. A network of a few hundred bytes may ask for any
//! amount of memory or time, in more ways than can be listed; there it ends a child, which may have no more than
//! there is, and nothing else.
//!
//! Runs on the thread that makes detectors. The child is this program (`tallycam model prove`), gives itself its
//! limits, and dies with that thread.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::base::{Fault, FaultKind, child};
use crate::models::Proof;
use crate::pipeline::counting::LOOK_TAKES;
use crate::vision::onnx::SMALLER;

/// The child loads the model and looks once; longer than that nobody waits for counting to begin.
pub const WITHIN: Duration = Duration::from_secs(60);

/// How often it is asked whether it has ended.
const STEP: Duration = Duration::from_millis(20);

/// No model that is of use needs more.
const MOST_MEMORY: u64 = 4 << 30;

/// A stop of the daemon may also stop its child: that says nothing of the model.
const FROM_OUTSIDE: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// How a program that panics exits.
const PANIC: i32 = 101;

/// Where it is not known how much there is.
const USUAL_MEMORY: u64 = 512 << 20;

/// With less than that even what is of use is ended: what comes of it would say nothing of the model.
const LEAST_MEMORY: u64 = 64 << 20;

/// More than a verdict has.
const LONGEST_VERDICT: u64 = 16 << 10;

/// Letters of a reason at most: names in it are the file's, of any length.
const LONGEST_REASON: usize = 500;

/// What the child says of a model, on its standard output.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxVerdict {
    /// Why it cannot be used; empty: it can.
    pub reason: String,
    /// What can be done about that.
    pub hint: Option<String>,
    /// Whether a file could not be read: it may be the next time, as it is.
    pub may_pass: bool,
}

impl SandboxVerdict {
    /// Of what came of trying it, with names that are not too long.
    pub fn from_result(tried: Result<Proof, Fault>) -> SandboxVerdict {
        let short = |text: String| text.chars().take(LONGEST_REASON).collect();
        let longest_ms = LOOK_TAKES.as_secs_f64() * 1000.0 / 2.0;
        let error = match tried {
            Ok(proof) if proof.look_ms <= longest_ms => return SandboxVerdict::default(),
            Ok(proof) => {
                Fault::wrong(format!("it takes {:.0} s to look once", proof.look_ms / 1000.0)).hint(SMALLER)
            }
            Err(error) => error,
        };
        let may_pass = error.kind == FaultKind::File;
        SandboxVerdict { reason: short(error.to_string()), hint: error.hint.map(short), may_pass }
    }
}

/// What came of it, where nothing speaks against a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proved {
    /// It was tried and is good.
    Good,
    /// It could not be tried.
    Untried,
}

/// The program that tries models.
#[derive(Debug, Clone)]
pub struct Prover {
    program: PathBuf,
    within: Duration,
}

impl Prover {
    /// This program; also where its file has been replaced since it began.
    pub fn from_current_exe() -> Prover {
        Prover { program: PathBuf::from("/proc/self/exe"), within: WITHIN }
    }

    /// Has the network at `onnx` loaded and run once, for pictures of `size` if that is not its own, with so many
    /// threads.
    ///
    /// # Errors
    /// It cannot be used, or not with what memory there is and in this time. Where no child can be started it is not
    /// tried, which the log says.
    pub fn prove_in_child(
        &self,
        onnx: &Path,
        size: Option<(u32, u32)>,
        threads: usize,
    ) -> Result<Proved, Fault> {
        let memory = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
        let memory =
            child_memory(memory.unwrap_or(USUAL_MEMORY).min(available_memory().unwrap_or(u64::MAX)))?;
        let mut command = child::command(&self.program);
        command.args(["model", "prove", "--memory", &memory.to_string(), "--threads", &threads.to_string()]);
        if let Some((width, height)) = size {
            command.args(["--size", &format!("{width}x{height}")]);
        }
        command.arg("--").arg(onnx);
        match command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn() {
            Ok(child) => self.wait(child, memory),
            Err(error) => {
                log::warn!("{} is not tested before it is loaded: {error}", onnx.display());
                Ok(Proved::Untried)
            }
        }
    }

    fn wait(&self, mut child: Child, memory: u64) -> Result<Proved, Fault> {
        let end = Instant::now() + self.within;
        // What it says is shorter than a pipe is long: it does not wait for us.
        let ended = loop {
            match child.try_wait() {
                Ok(None) if Instant::now() < end => std::thread::sleep(STEP),
                Ok(None) | Err(_) => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                Ok(Some(status)) => break Some(status),
            }
        };
        let mut said = String::new();
        if let (Some(_), Some(output)) = (ended, child.stdout.take()) {
            let _ = output.take(LONGEST_VERDICT).read_to_string(&mut said);
        }
        match (serde_json::from_str::<SandboxVerdict>(&said), ended) {
            (Ok(verdict), _) if verdict.reason.is_empty() => Ok(Proved::Good),
            (Ok(SandboxVerdict { reason, hint, may_pass }), _) => {
                let kind = if may_pass { FaultKind::Passing } else { FaultKind::Wrong };
                Err(Fault { hint, ..Fault::new(kind, reason) })
            }
            (Err(_), Some(status))
                if status.signal().is_some_and(|signal| FROM_OUTSIDE.contains(&signal)) =>
            {
                let what = "it was being tried when that was ended from outside";
                Err(Fault::new(FaultKind::Passing, what))
            }
            // It has not begun, whatever is wrong with the program; a panic is the model's.
            (Err(_), Some(status)) if status.code().is_some_and(|code| code != PANIC) => {
                log::warn!("a model is not tested before it is loaded: {status}");
                Ok(Proved::Untried)
            }
            (Err(_), _) => {
                let (memory, seconds) = (memory / 1_000_000, self.within.as_secs());
                Err(Fault::wrong(format!(
                    "it takes more than {memory} MB of memory, or than {seconds} s, to be loaded and to look once"
                ))
                .hint(format!("{SMALLER}; `tallycam model check` tries it without these limits")))
            }
        }
    }
}

#[cfg(test)]
impl Prover {
    /// A program in `folder` that does `script` there, in the place of ours.
    pub fn of_script(folder: &Path, script: &str) -> Prover {
        let program = folder.join("program");
        let text = format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.display());
        // Written by another process: a file that this one has open cannot be run by children that another thread
        // begins.
        let write = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
        let made = child::command("sh").arg("-c").arg(write).arg(&program).arg(text).status();
        assert!(made.is_ok_and(|made| made.success()));
        Prover { program, within: WITHIN }
    }
}

/// Bytes that can be had: "MemAvailable:    1234 kB" (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes of the `free` ones that the child may have.
///
/// # Errors
/// They are too few to tell anything.
fn child_memory(free: u64) -> Result<u64, Fault> {
    let share = (free / 4 * 3).min(MOST_MEMORY);
    if share >= LEAST_MEMORY {
        return Ok(share);
    }
    let what = format!("with {} MB of free memory it cannot be tried", free / 1_000_000);
    Err(Fault::new(FaultKind::Passing, what).hint("end other programs, or choose the built-in model"))
}

/// Bytes that the service may have on top of what it has, where somebody has limited it or what it is a part of
/// (cgroup v2): beyond a `memory.high` it would be held up as a whole.
fn available_memory() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    least_headroom_in(Path::new("/sys/fs/cgroup"), Path::new(own))
}

/// The least of a group's room and of those that it is in, `own` in the tree at `root`.
fn least_headroom_in(root: &Path, own: &Path) -> Option<u64> {
    let room = |group: &Path| {
        let read = |name: &str| fs::read_to_string(root.join(group).join(name)).unwrap_or_default();
        group_headroom(&read("memory.high"), &read("memory.max"), &read("memory.stat"))
    };
    own.ancestors().filter_map(room).min()
}

/// Of the texts of those files; what files take up there makes way by itself, and does not count.
fn group_headroom(high: &str, max: &str, stat: &str) -> Option<u64> {
    // "max": no limit.
    let most = [high, max].iter().filter_map(|limit| limit.trim().parse::<u64>().ok()).min()?;
    let taken = stat.lines().find_map(|line| line.strip_prefix("anon "))?.trim().parse().ok()?;
    Some(most.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_the_child_says_or_that_it_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let asked = |prover: Prover| prover.prove_in_child(Path::new("a.onnx"), Some((64, 32)), 3);
        let prove = |script: &str| asked(Prover::of_script(folder.path(), script));
        let good = "shift 4 && test \"$*\" = '--threads 3 --size 64x32 -- a.onnx' && echo \
            '{\"reason\":\"\",\"hint\":null,\"may_pass\":false}'";
        assert_eq!(prove(good).unwrap(), Proved::Good);
        let refused = prove("echo '{\"reason\":\"no network\",\"hint\":\"another\",\"may_pass\":false}'");
        assert!(matches!(refused, Err(fault) if fault.to_string() == "no network" && fault.hint.is_some()));
        for end in ["kill -ABRT $$", "exit 101"] {
            assert!(prove(end).unwrap_err().to_string().starts_with("it takes more than"), "{end}");
        }
        let within = Duration::from_millis(500);
        let slow = Prover { within, ..Prover::of_script(folder.path(), "exec sleep 100") };
        assert!(asked(slow).unwrap_err().to_string().contains(" MB of memory, or than 0 s,"));
        assert!(prove("kill -TERM $$").unwrap_err().to_string().ends_with("ended from outside"));
        for nothing in ["exit 64", "exit 127", "echo nonsense"] {
            assert_eq!(prove(nothing).unwrap(), Proved::Untried, "{nothing}");
        }
        let unread = prove("echo '{\"reason\":\"x\",\"hint\":null,\"may_pass\":true}'");
        assert_eq!(unread.unwrap_err().kind, FaultKind::Passing);
        let none = Prover { program: folder.path().join("not there"), within: WITHIN };
        assert_eq!(none.prove_in_child(Path::new("a.onnx"), None, 1).unwrap(), Proved::Untried);
    }

    #[test]
    fn who_looks_for_longer_than_anybody_waits_is_refused() {
        let looking = |look_ms| {
            let (of, input) = ((64, 64), (64, 64));
            SandboxVerdict::from_result(Ok(Proof {
                picture: String::new(),
                of,
                input,
                look_ms,
                seen: Vec::new(),
                sure_score: 0.5,
            }))
        };
        assert_eq!(looking(900.0), SandboxVerdict::default());
        assert!(looking(11_000.0).reason.contains("11 s"), "{:?}", looking(11_000.0));
    }

    #[test]
    fn names_of_a_file_are_not_told_at_any_length() {
        let verdict = SandboxVerdict::from_result(Err(Fault::wrong("x".repeat(1 << 20))));
        assert_eq!((verdict.reason.chars().count(), verdict.may_pass), (LONGEST_REASON, false));
        assert!(SandboxVerdict::from_result(Err(Fault::new(FaultKind::File, "a"))).may_pass);
        assert_eq!(available("MemTotal: 3 kB\nMemAvailable:    2 kB\n"), Some(2048));
        assert_eq!(available("MemAvailable: x"), None);
    }

    #[test]
    fn where_the_service_is_limited_there_is_only_so_much_room() {
        assert_eq!(group_headroom("600\n", "800\n", "file 500\nanon 150\n"), Some(450));
        assert_eq!(group_headroom("max\n", "800\n", "anon 900\n"), Some(0));
        assert_eq!(group_headroom("max\n", "max\n", "anon 900\n"), None);
        assert_eq!(group_headroom("", "", ""), None);
        let root = tempfile::tempdir().unwrap();
        let own = Path::new("system.slice/tallycam.service");
        fs::create_dir_all(root.path().join(own)).unwrap();
        assert_eq!(least_headroom_in(root.path(), own), None);
        for (group, max) in [(own, 900), (Path::new("system.slice"), 700)] {
            let group = root.path().join(group);
            fs::write(group.join("memory.max"), max.to_string()).unwrap();
            fs::write(group.join("memory.stat"), "anon 100\n").unwrap();
        }
        assert_eq!(least_headroom_in(root.path(), own), Some(600), "of the slice that it is in");
    }

    #[test]
    fn too_little_memory_is_not_the_models_fault() {
        assert_eq!(child_memory(400 << 20).unwrap(), 300 << 20);
        assert_eq!(child_memory(u64::MAX).unwrap(), MOST_MEMORY);
        let refused = child_memory(50_000_000).unwrap_err();
        assert!(refused.to_string().contains("50 MB"), "{refused}");
        assert_eq!(refused.kind, FaultKind::Passing);
    }
}
