//! Trials of changed settings on the recording of a check, in a child process: each needs a detector and minutes.
//! The child is this program with the service's own arguments and `--advise`. It dies with the thread that reads what
//! it prints.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tallycam_base::{Fault, child};
use tallycam_store::CheckAdvice;

/// Longest message of the child, in bytes.
const LONGEST: u64 = 4096;

/// The running trial, if any, and the last failure. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Trials(Arc<Mutex<TrialState>>);

#[derive(Debug, Default)]
struct TrialState {
    /// The check, and the share that is done.
    now: Option<(u64, f64)>,
    child: Option<Child>,
    failed: Option<(u64, String)>,
}

impl Trials {
    fn with<T>(&self, work: impl FnOnce(&mut TrialState) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The share of this check's trial that is done, 0–1, while it runs; and why the last one failed.
    pub fn progress(&self, check: u64) -> (Option<f64>, Option<String>) {
        self.with(|state| {
            let failed = state.failed.as_ref().filter(|failed| failed.0 == check);
            (state.now.filter(|now| now.0 == check).map(|now| now.1), failed.map(|failed| failed.1.clone()))
        })
    }

    /// Takes the only place for the trial of this check; [`Trials::end`] frees it.
    ///
    /// # Errors
    /// It is taken; the value is the check that is tried.
    pub fn take(&self, check: u64) -> Result<(), u64> {
        self.with(|state| match state.now {
            Some((other, _)) => Err(other),
            None => {
                *state = TrialState { now: Some((check, 0.0)), ..TrialState::default() };
                Ok(())
            }
        })
    }

    /// Kills the child that tries changes for this check, if there is one.
    pub fn cancel(&self, check: u64) {
        self.with(|state| {
            if state.now.is_some_and(|now| now.0 == check) {
                let _ = state.child.as_mut().map(Child::kill);
            }
        });
    }

    /// Frees the place.
    pub fn end(&self, check: u64, failed: Option<String>) {
        let failed = failed.map(|words| (check, words));
        self.with(|state| *state = TrialState { failed, ..TrialState::default() });
    }

    /// Tries changes on a recording of the check. Blocks for minutes.
    ///
    /// # Errors
    /// The child could not be started, or it failed.
    pub fn run(&self, check: u64, recording: u64) -> Result<CheckAdvice, Fault> {
        let unstarted =
            |error: std::io::Error| Fault::passing(format!("the trial cannot be started: {error}"));
        let mut command = child::reexec_command("/proc/self/exe");
        command.args(std::env::args_os().skip(1)).arg("--advise");
        command.args([check.to_string(), recording.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        child::end_with_parent(&mut command);
        let mut child = command.spawn().map_err(unstarted)?;
        let (out, said) = (child.stdout.take(), child.stderr.take());
        self.with(|state| state.child = Some(child));
        let mut advice = None;
        for line in out.into_iter().flat_map(|out| BufReader::new(out).lines()).map_while(Result::ok) {
            match line.parse() {
                Ok(done) => self.with(|state| state.now = state.now.map(|now| (now.0, done))),
                Err(_) => advice = serde_json::from_str(&line).ok(),
            }
        }
        let mut words = String::new();
        let _ = said.map(|said| said.take(LONGEST).read_to_string(&mut words));
        let _ = self.with(|state| state.child.take()).map(|mut child| child.wait());
        let why = words.lines().find_map(|line| line.strip_prefix("tallycam: ")).unwrap_or("it ended early");
        advice.ok_or_else(|| Fault::wrong(format!("the trial failed: {why}")))
    }
}
