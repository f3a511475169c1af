//! Tries a model in a child process before the daemon loads it.
//!
//! A network of a few hundred bytes may ask for any amount of memory or time, in more ways than a check could list.
//! In the child, which has limits, it ends nothing else. Runs on the thread that makes detectors. The child is this
//! program (`tallycam model prove`), limits itself, and dies with that thread.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::pipeline::counting::DETECTION_TAKES;
use tallycam_base::{Fault, FaultKind, child};
use tallycam_vision::models::Proof;
use tallycam_vision::onnx::SMALLER;

/// Time limit for loading the model and one detection. Counting waits no longer for a trial.
pub const WITHIN: Duration = Duration::from_secs(60);

/// Interval between checks whether the child has ended.
const STEP: Duration = Duration::from_millis(20);

/// Largest memory limit in bytes; no useful model needs more.
const MOST_MEMORY: u64 = 4 << 30;

/// Signals that a stop of the daemon may also send to its child. They say nothing about the model.
const FROM_OUTSIDE: [i32; 3] = [libc::SIGHUP, libc::SIGINT, libc::SIGTERM];

/// Exit code of a Rust program that panics.
const PANIC: i32 = 101;

/// Assumed free memory in bytes if it is unknown.
const USUAL_MEMORY: u64 = 512 << 20;

/// Least memory limit in bytes: with less, even a good model would fail.
const LEAST_MEMORY: u64 = 64 << 20;

/// Longest verdict in bytes; real ones are shorter.
const LONGEST_VERDICT: u64 = 16 << 10;

/// Longest reason in characters: names in it come from the file and may have any length.
const LONGEST_REASON: usize = 500;

/// The child's verdict on a model, on its standard output.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxVerdict {
    /// Why the model cannot be used; empty if it can.
    pub reason: String,
    /// The remedy.
    pub hint: Option<String>,
    /// True if a file could not be read, which may work the next time.
    pub may_pass: bool,
}

impl SandboxVerdict {
    /// The verdict for the result of a trial, with texts cut to `LONGEST_REASON`.
    pub fn from_result(tried: Result<Proof, Fault>) -> SandboxVerdict {
        let short = |text: String| text.chars().take(LONGEST_REASON).collect();
        let longest_ms = DETECTION_TAKES.as_secs_f64() * 1000.0 / 2.0;
        let error = match tried {
            Ok(proof) if proof.detection_ms <= longest_ms => return SandboxVerdict::default(),
            Ok(proof) => Fault::wrong(format!("it takes {:.0} s to look once", proof.detection_ms / 1000.0))
                .hint(SMALLER),
            Err(error) => error,
        };
        let may_pass = error.kind == FaultKind::File;
        SandboxVerdict { reason: short(error.to_string()), hint: error.hint.map(short), may_pass }
    }
}

/// The program that tries models.
#[derive(Debug, Clone)]
pub struct Prover {
    program: PathBuf,
    within: Duration,
}

impl Prover {
    /// This program, also if its file has been replaced since its start.
    pub fn from_current_exe() -> Prover {
        Prover { program: PathBuf::from("/proc/self/exe"), within: WITHIN }
    }

    /// Lets a child load the network at `onnx` and run it once, with `threads` threads and frames of `size`, or the
    /// model's own size.
    ///
    /// # Errors
    /// The model cannot be used, or not within the available memory and time, or it could not be tried.
    pub fn prove_in_child(&self, onnx: &Path, size: Option<(u32, u32)>, threads: usize) -> Result<(), Fault> {
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
            Err(error) => Err(untried(&error)),
        }
    }

    fn wait(&self, mut child: Child, memory: u64) -> Result<(), Fault> {
        let end = Instant::now() + self.within;
        // The verdict fits into a pipe, so the child never waits for us.
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
            (Ok(verdict), _) if verdict.reason.is_empty() => Ok(()),
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
            // The child failed before the trial, by a fault of the program; only a panic is the model's.
            (Err(_), Some(status)) if status.code().is_some_and(|code| code != PANIC) => {
                Err(untried(&status))
            }
            (Err(_), ended) => Err(self.unfinished(ended, memory)),
        }
    }
}

/// The fault of a model that could not be tried. It is not loaded untried.
fn untried(why: &dyn fmt::Display) -> Fault {
    Fault::passing(format!("it could not be tried before it is loaded: {why}"))
        .hint("it is tried again by itself; restart tallycam if this stays")
}

impl Prover {
    /// The fault of a model whose trial ended without a verdict, or had to be ended (`None`).
    fn unfinished(&self, ended: Option<ExitStatus>, memory: u64) -> Fault {
        let (memory, time) =
            (format!("{} MB of memory", memory / 1_000_000), format!("{} s", self.within.as_secs()));
        let limit = match ended.map(|status| (status.signal(), status)) {
            None => time,
            // A failed allocation aborts.
            Some((Some(libc::SIGABRT), _)) => memory,
            // The kernel kills for both reasons.
            Some((Some(libc::SIGKILL), _)) => format!("{memory}, or than {time},"),
            Some((_, status)) => {
                return Fault::wrong(format!("the program that tried it failed: {status}"))
                    .hint("`tallycam model check` says more");
            }
        };
        Fault::wrong(format!("it takes more than {limit} to be loaded and to look once"))
            .hint(format!("{SMALLER}; `tallycam model check` tries it without these limits"))
    }
}

#[cfg(test)]
impl Prover {
    /// A program in `folder` that does `script` there, in the place of ours.
    pub fn of_script(folder: &Path, script: &str) -> Prover {
        let program = folder.join("program");
        let text = format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.display());
        // Another process writes the script: a file that this process has open for writing cannot be executed by
        // children that other threads start.
        let write = r#"printf %s "$1" >"$0" && chmod 755 "$0""#;
        let made = child::command("sh").arg("-c").arg(write).arg(&program).arg(text).status();
        assert!(made.is_ok_and(|made| made.success()));
        Prover { program, within: WITHIN }
    }
}

/// Available memory in bytes: "MemAvailable:    1234 kB" (proc_meminfo(5)).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// The child's share of the `free` bytes.
///
/// # Errors
/// The share is too small for a trial.
fn child_memory(free: u64) -> Result<u64, Fault> {
    let share = (free / 4 * 3).min(MOST_MEMORY);
    if share >= LEAST_MEMORY {
        return Ok(share);
    }
    let what = format!("with {} MB of free memory it cannot be tried", free / 1_000_000);
    Err(Fault::new(FaultKind::Passing, what).hint("end other programs, or choose the built-in model"))
}

/// Bytes that the service may still take within its cgroup limits and those of its parents (cgroup v2). Beyond
/// `memory.high` the whole service would be throttled. `None` without a limit.
fn available_memory() -> Option<u64> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    least_headroom_in(Path::new("/sys/fs/cgroup"), Path::new(own))
}

/// The least headroom of the group `own` and its parents, in the tree at `root`.
fn least_headroom_in(root: &Path, own: &Path) -> Option<u64> {
    let room = |group: &Path| {
        let read = |name: &str| fs::read_to_string(root.join(group).join(name)).unwrap_or_default();
        group_headroom(&read("memory.high"), &read("memory.max"), &read("memory.stat"))
    };
    own.ancestors().filter_map(room).min()
}

/// Headroom from the texts of these files. Cached file pages do not count, because the kernel reclaims them.
fn group_headroom(high: &str, max: &str, stat: &str) -> Option<u64> {
    // The word "max" means no limit.
    let most = [high, max].iter().filter_map(|limit| limit.trim().parse::<u64>().ok()).min()?;
    let taken = stat.lines().find_map(|line| line.strip_prefix("anon "))?.trim().parse().ok()?;
    Some(most.saturating_sub(taken))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_childs_verdict_or_its_silence_decides() {
        let folder = tempfile::tempdir().unwrap();
        let asked = |prover: Prover| prover.prove_in_child(Path::new("a.onnx"), Some((64, 32)), 3);
        let prove = |script: &str| asked(Prover::of_script(folder.path(), script));
        let good = "shift 4 && test \"$*\" = '--threads 3 --size 64x32 -- a.onnx' && echo \
            '{\"reason\":\"\",\"hint\":null,\"may_pass\":false}'";
        assert_eq!(prove(good), Ok(()));
        let refused = prove("echo '{\"reason\":\"no network\",\"hint\":\"another\",\"may_pass\":false}'");
        assert!(matches!(refused, Err(fault) if fault.to_string() == "no network" && fault.hint.is_some()));
        let why = |script: &str| prove(script).unwrap_err().to_string();
        assert!(why("kill -ABRT $$").contains(" MB of memory to be loaded"));
        assert_eq!(why("exit 101"), "the program that tried it failed: exit status: 101");
        assert!(why("kill -SEGV $$").starts_with("the program that tried it failed: signal: 11"));
        let within = Duration::from_millis(500);
        let slow = Prover { within, ..Prover::of_script(folder.path(), "exec sleep 100") };
        assert!(asked(slow).unwrap_err().to_string().contains("more than 0 s to be loaded"));
        assert!(prove("kill -TERM $$").unwrap_err().to_string().ends_with("ended from outside"));
        for nothing in ["exit 64", "exit 127", "echo nonsense"] {
            let untried = prove(nothing).unwrap_err();
            assert!(untried.to_string().contains("could not be tried"), "{nothing}: {untried}");
            assert_eq!(untried.kind, FaultKind::Passing);
        }
        let unread = prove("echo '{\"reason\":\"x\",\"hint\":null,\"may_pass\":true}'");
        assert_eq!(unread.unwrap_err().kind, FaultKind::Passing);
        let none = Prover { program: folder.path().join("not there"), within: WITHIN };
        let untried = none.prove_in_child(Path::new("a.onnx"), None, 1).unwrap_err();
        assert!(untried.to_string().contains("could not be tried"), "{untried}");
    }

    #[test]
    fn a_too_slow_model_is_refused() {
        let looking = |detection_ms| {
            let (of, input) = ((64, 64), (64, 64));
            SandboxVerdict::from_result(Ok(Proof {
                picture: String::new(),
                of,
                input,
                detection_ms,
                seen: Vec::new(),
                sure_score: 0.5,
                is_quantised: false,
                doubt: None,
            }))
        };
        assert_eq!(looking(900.0), SandboxVerdict::default());
        assert!(looking(11_000.0).reason.contains("11 s"), "{:?}", looking(11_000.0));
    }

    #[test]
    fn long_names_of_a_file_are_cut() {
        let verdict = SandboxVerdict::from_result(Err(Fault::wrong("x".repeat(1 << 20))));
        assert_eq!((verdict.reason.chars().count(), verdict.may_pass), (LONGEST_REASON, false));
        assert!(SandboxVerdict::from_result(Err(Fault::new(FaultKind::File, "a"))).may_pass);
        assert_eq!(available("MemTotal: 3 kB\nMemAvailable:    2 kB\n"), Some(2048));
        assert_eq!(available("MemAvailable: x"), None);
    }

    #[test]
    fn limits_of_the_service_bound_the_childs_memory() {
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
        assert_eq!(least_headroom_in(root.path(), own), Some(600), "the limit of its slice");
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
