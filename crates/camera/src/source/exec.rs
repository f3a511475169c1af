//! A configured program that writes JPEGs to its standard output: `ffmpeg`, `rpicam-vid`, anything. No shell is
//! involved.
//!
//! Everything happens on the capture thread. Both outputs of the program are non-blocking pipes that are polled
//! together, so that a program that writes nothing, or too much, blocks nobody. The program leads its own process
//! group; dropping the source ends the whole group (SIGTERM, then SIGKILL) and reaps the program. If this process is
//! killed, the program gets SIGTERM from the kernel.

use std::collections::VecDeque;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdout, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::multipart::{MAX_PICTURE, MultipartReader, Newest};
use super::{FormatRequest, LateStart, Opener, Source, StreamFormat};
use crate::media::{Fourcc, Frame, SourceError, SourceErrorKind};
use tallycam_base::child;
use tallycam_base::redact::{redact_command, redact_known, secrets_in_command};
use tallycam_base::{ClockTime, Stop};

/// Values of `{width}`, `{height}` and `{fps}` without a request.
const DEFAULT_SIZE: (u32, u32) = (1280, 720);
const DEFAULT_FPS: f64 = 30.0;

/// Bytes of one read.
const RUN: usize = 64 << 10;
/// Reads in a row before searching for frames.
const RUNS_AT_ONCE: usize = 16;
/// Time limit of the first frame.
const FIRST_WITHIN: Duration = Duration::from_secs(15);
/// Maximum number of bytes on the program's standard input: any pipe holds this much, so that writing never blocks.
const MOST_INPUT: usize = 16 << 10;
/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_millis(700);
/// Lines of standard error kept to explain an end.
const LAST_WORDS: usize = 5;
/// Least length in bytes of a secret that is searched for in the program's messages.
const SHORTEST_SECRET: usize = 3;
/// Maximum length of such a line in bytes.
const LONGEST_LINE: usize = 300;

/// Opens a program's output; see the module.
#[derive(Clone)]
pub struct ExecOpener {
    command: Vec<String>,
    described: String,
    /// Removed from every message, because programs quote their arguments.
    secrets: Vec<String>,
    /// Text for its standard input; may be empty.
    input: String,
    delivers: StreamFormat,
    first_within: Duration,
    late: Option<LateStart>,
}

impl ExecOpener {
    /// Runs `command`: program and arguments. In the arguments `{width}`, `{height}` and `{fps}` are replaced by the
    /// requested values, else by 1280, 720 and 30.
    pub fn new(command: Vec<String>, wanted: FormatRequest) -> ExecOpener {
        let (width, height) =
            (wanted.width.unwrap_or(DEFAULT_SIZE.0), wanted.height.unwrap_or(DEFAULT_SIZE.1));
        let fps = wanted.fps.unwrap_or(DEFAULT_FPS);
        let takes = |name: &str| command.iter().any(|argument| argument.contains(name));
        let mut notes = Vec::new();
        let unheard = |request: Option<u32>, name: &str| request.is_some() && !takes(name);
        if unheard(wanted.width, "{width}") || unheard(wanted.height, "{height}") {
            notes.push("the command decides the size of its pictures: it has no {width} and {height}".into());
        }
        if wanted.fps.is_some() && !takes("{fps}") {
            notes.push("the command decides how many pictures it sends: it has no {fps}".into());
        }
        let delivers = StreamFormat {
            name: command.first().cloned().unwrap_or_default(),
            fourcc: Fourcc::MJPG,
            width: 0,
            height: 0,
            fps: takes("{fps}").then_some(fps),
            notes,
            is_simulated: false,
        };
        let command: Vec<String> = command
            .into_iter()
            .map(|argument| {
                argument
                    .replace("{width}", &width.to_string())
                    .replace("{height}", &height.to_string())
                    .replace("{fps}", &fps.to_string())
            })
            .collect();
        let shown = redact_command(&command);
        let mut secrets = secrets_in_command(&command);
        // Single letters occur in every message.
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        let described = shown.into_iter().next().unwrap_or_default();
        let (input, first_within, late) = (String::new(), FIRST_WITHIN, None);
        ExecOpener { command, described, secrets, input, delivers, first_within, late }
    }

    /// The same program under another name: `described` replaces the command line in messages, and `secrets` are
    /// removed from all of its messages.
    #[must_use]
    pub fn described(mut self, described: String, secrets: Vec<String>) -> ExecOpener {
        self.delivers.name.clone_from(&described);
        self.described = described;
        self.secrets = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        self
    }

    /// Gives the program `input` on standard input: every user of the machine can read a command line.
    #[must_use]
    pub(crate) fn with_stdin(mut self, input: String) -> ExecOpener {
        self.input = input;
        self
    }

    /// Sets [`Source::first_frame_within`] and [`Source::late_start`].
    #[must_use]
    pub fn first_within(self, first_within: Duration, late: Option<LateStart>) -> ExecOpener {
        ExecOpener { first_within, late, ..self }
    }

    fn spawn(&self) -> Result<ExecSource, SourceError> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(SourceError::new(SourceErrorKind::Unsupported, "there is no command to run")
                .hint("write one: a program and its arguments"));
        };
        if self.input.len() > MOST_INPUT {
            let what = format!("the address of {} is too long", self.described);
            return Err(
                SourceError::new(SourceErrorKind::Unsupported, what).hint("shorten the camera's address")
            );
        }
        let mut command = child::command(program);
        child::end_with_parent(&mut command);
        let child = command
            .args(arguments)
            .stdin(if self.input.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        let mut child = child.map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                SourceError::new(SourceErrorKind::Absent, format!("there is no program {program}"))
                    .because(error)
                    .hint("install it, or give its whole path")
            }
            ErrorKind::PermissionDenied => {
                SourceError::new(SourceErrorKind::Denied, format!("{program} may not be run"))
                    .because(error)
                    .hint(
                        "the service runs programs in /usr and /opt, and others where ExecPaths= in a drop-in says so",
                    )
                    .shell(format!("`ls -l {program}` shows who may run it"))
            }
            _ => SourceError::new(SourceErrorKind::Failed, format!("{program} could not be started")).because(error),
        })?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends before it reads this explains itself.
            let _ = stdin.write_all(self.input.as_bytes());
        }
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        // From here on any failure ends the program.
        let program = Program::new(child);
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
            return Err(SourceError::new(SourceErrorKind::Failed, "the program has no outputs"));
        };
        for pipe in [stdout.as_fd(), stderr.as_fd()] {
            fcntl_setfl(pipe, OFlags::NONBLOCK).map_err(|error| {
                SourceError::new(SourceErrorKind::Failed, "the program's output could not be read")
                    .because(error)
            })?;
        }
        // Room for a whole frame, so that the program need not wait; if refused, it waits.
        let _ = rustix::pipe::fcntl_setpipe_size(&stdout, 1 << 20);
        Ok(ExecSource {
            stdout: Some(stdout),
            stderr: Some(stderr),
            program,
            described: self.described.clone(),
            secrets: self.secrets.clone(),
            delivers: self.delivers.clone(),
            first_within: self.first_within,
            late: self.late,
            reader: MultipartReader::new(MAX_PICTURE),
            words: LastLines::default(),
            sequence: 0,
            is_reported: false,
        })
    }
}

/// In the displayed form: the command may contain secrets.
impl fmt::Debug for ExecOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExecOpener({})", self.described)
    }
}

impl Opener for ExecOpener {
    fn describe(&self) -> String {
        self.described.clone()
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.spawn()?))
    }
}

struct ExecSource {
    /// `None` at its end.
    stdout: Option<ChildStdout>,
    stderr: Option<ChildStderr>,
    /// Dropped after the pipes, so that a program that still writes gets SIGPIPE as well.
    program: Program,
    described: String,
    secrets: Vec<String>,
    delivers: StreamFormat,
    first_within: Duration,
    late: Option<LateStart>,
    reader: MultipartReader,
    words: LastLines,
    sequence: u64,
    /// A faulty frame has been logged.
    is_reported: bool,
}

impl ExecSource {
    /// Reads the pipes, within bounds, and returns the newest frame.
    fn read_pipes(&mut self) -> Result<Option<Newest>, SourceError> {
        for _ in 0..RUNS_AT_ONCE {
            let Some(stdout) = &mut self.stdout else { break };
            let room = self.reader.read_buffer(RUN);
            match stdout.read(&mut room[..RUN]) {
                Ok(0) => self.stdout = None,
                Ok(len) => self.reader.fill(len),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => {
                    return Err(SourceError::new(
                        SourceErrorKind::Failed,
                        format!("the output of {} could not be read", self.described),
                    )
                    .because(e));
                }
            }
        }
        self.listen();
        match self.reader.newest() {
            Err(noise) if self.sequence == 0 => {
                let what = format!("{} writes no pictures", self.described);
                let fault = SourceError::new(SourceErrorKind::Broken, what).because(noise);
                Err(self.with_stderr(fault).hint("its standard output must be MJPEG (ffmpeg: -f mjpeg -)"))
            }
            // After a faulty frame noise is expected; if it goes on, the source counts as silent.
            Err(_) => Ok(None),
            Ok(newest) => Ok(newest),
        }
    }

    /// Reads the program's standard error.
    fn listen(&mut self) {
        if let Some(stderr) = &mut self.stderr
            && !self.words.read_stderr(stderr)
        {
            self.stderr = None;
        }
    }

    /// Waits at most `wait` until a pipe is readable.
    fn wait(&self, wait: Duration) {
        let Some(stdout) = &self.stdout else { return };
        // Without standard error the other descriptor is listed twice.
        let stderr = self.stderr.as_ref().map_or(stdout.as_fd(), AsFd::as_fd);
        let mut polled = [stdout.as_fd(), stderr].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let time = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // The caller checks the clock, so an interrupted wait does no harm.
        let _ = poll(&mut polled, Some(&time));
    }

    /// The fault for a program that has ended.
    fn end_fault(&mut self) -> SourceError {
        // Standard output closes a moment before the program can be reaped.
        let ended = self.program.wait_exit_within(Duration::from_millis(300));
        self.listen();
        let what = match ended {
            Some(status) => format!("{} ended ({status})", self.described),
            None => format!("{} closed its output", self.described),
        };
        self.with_stderr(SourceError::new(SourceErrorKind::Failed, what))
    }

    fn with_stderr(&self, fault: SourceError) -> SourceError {
        self.words.lines().fold(fault, |fault, line| fault.because(redact_known(&line, &self.secrets)))
    }
}

impl Source for ExecSource {
    fn source_info(&self) -> &StreamFormat {
        &self.delivers
    }

    fn first_frame_within(&self) -> Duration {
        self.first_within
    }

    fn late_start(&self) -> Option<LateStart> {
        self.late
    }

    fn next(&mut self, wait: Duration) -> Result<Option<Frame<'_>>, SourceError> {
        let until = Instant::now() + wait;
        let newest = loop {
            if let Some(newest) = self.read_pipes()? {
                break newest;
            }
            if self.stdout.is_none() {
                return Err(self.end_fault());
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.wait(left);
        };
        if let Some(error) = newest.error.filter(|_| !std::mem::replace(&mut self.is_reported, true)) {
            log::warn!("{}: {error}; continuing with the next", self.described);
        }
        self.sequence += newest.found;
        Ok(Some(self.reader.frame(newest.range, ClockTime::now(), self.sequence)))
    }
}

/// A program that leads its own process group; dropping this ends the group.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    is_reaped: bool,
}

impl Program {
    /// A program that was started as the leader of its own process group.
    pub(super) fn new(child: Child) -> Program {
        Program { child, is_reaped: false }
    }

    /// Waits at most `time` until it has ended by itself, then ends the rest of its group and reaps it.
    pub(super) fn wait_exit_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let pid = self.pid()?;
        if !wait_exit_without_reaping(pid, time) {
            return None;
        }
        let _ = kill_process_group(pid, Signal::KILL);
        self.reap()
    }

    /// Process id, also that of its group; `None` once it is reaped, because the id may be reused then.
    fn pid(&self) -> Option<Pid> {
        if self.is_reaped { None } else { i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) }
    }

    fn reap(&mut self) -> Option<ExitStatus> {
        self.is_reaped = true;
        self.child.wait().inspect_err(|e| log::warn!("a program could not be reaped: {e}")).ok()
    }
}

/// Waits at most `time` until the program has ended, without reaping it. Its id cannot be reused before that, so
/// signals to its group reach no other process.
fn wait_exit_without_reaping(pid: Pid, time: Duration) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let until = Instant::now() + time;
    while matches!(waitid(WaitId::Pid(pid), options), Ok(None)) {
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

impl Drop for Program {
    fn drop(&mut self) {
        let Some(pid) = self.pid() else { return };
        let _ = kill_process_group(pid, Signal::TERM);
        wait_exit_without_reaping(pid, GRACE);
        // The rest of the group: the program itself, or children it left behind.
        let _ = kill_process_group(pid, Signal::KILL);
        self.reap();
    }
}

/// The last lines of a program's standard error.
#[derive(Debug, Default)]
pub(super) struct LastLines {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl LastLines {
    /// Reads `stderr`, which does not block; true if more may come.
    pub(super) fn read_stderr(&mut self, stderr: &mut ChildStderr) -> bool {
        let mut run = [0; 4096];
        for _ in 0..RUNS_AT_ONCE {
            match stderr.read(&mut run) {
                Ok(0) => return false,
                Ok(len) => self.push(&run[..len]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return e.kind() == ErrorKind::WouldBlock,
            }
        }
        true
    }

    fn push(&mut self, run: &[u8]) {
        for piece in run.split_inclusive(|&b| b == b'\n' || b == b'\r') {
            let room = LONGEST_LINE.saturating_sub(self.unfinished.len());
            let (text, ends) = match piece.split_last() {
                Some((b'\n' | b'\r', text)) => (text, true),
                _ => (piece, false),
            };
            self.unfinished.extend(&text[..text.len().min(room)]);
            if ends {
                let line = String::from_utf8_lossy(&self.unfinished).trim().to_owned();
                self.unfinished.clear();
                if !line.is_empty() {
                    if self.lines.len() == LAST_WORDS {
                        self.lines.pop_front();
                    }
                    self.lines.push_back(line);
                }
            }
        }
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let last = String::from_utf8_lossy(&self.unfinished).trim().to_owned();
        self.lines.iter().cloned().chain((!last.is_empty()).then_some(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut words = LastLines::default();
        for n in 0..100 {
            words.push(format!("line {n}\r\n").as_bytes());
        }
        words.push(&[b'x'; 10_000]);
        let lines: Vec<String> = words.lines().collect();
        assert_eq!(lines[..LAST_WORDS], ["line 95", "line 96", "line 97", "line 98", "line 99"]);
        assert_eq!(lines[LAST_WORDS..], ["x".repeat(LONGEST_LINE)]);
    }

    #[test]
    fn placeholders_are_replaced() {
        let command = ["cam", "--size={width}x{height}", "{fps}"].map(String::from).to_vec();
        let opener = ExecOpener::new(command.clone(), FormatRequest::ANYTHING);
        assert_eq!(opener.command, ["cam", "--size=1280x720", "30"]);
        assert_eq!(opener.describe(), "cam");
        let wanted =
            FormatRequest { width: Some(640), height: Some(480), fps: Some(12.5), ..FormatRequest::ANYTHING };
        let opener = ExecOpener::new(command, wanted.clone());
        assert_eq!(opener.command, ["cam", "--size=640x480", "12.5"]);
        assert!(opener.delivers.notes.is_empty());
        assert_eq!(ExecOpener::new(vec!["cam".into()], wanted).delivers.notes.len(), 2);
    }
}
