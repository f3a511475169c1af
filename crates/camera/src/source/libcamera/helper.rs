//! A helper process: start, messages, end.
//!
//! The helper leads its own process group and has the socket as its standard input. It ends when the socket is
//! closed; if it does not, dropping this value ends it with signals. Every wait here has a limit set by the caller.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use tallycam_libcamera::{
    Camera, Channel, Fault, FaultKind, FromHelper, Hello, NOT_INSTALLED, ReceiveError, ToHelper, VERSION,
};

use super::super::exec::{LastLines, Program};
use super::clean::sanitise_text;
use crate::media::{SourceError, SourceErrorKind};
use tallycam_base::child;
use tallycam_base::{Stop, WakeFd};

/// How long a helper may take to introduce itself and list the cameras: libcamera loads a camera's algorithms for
/// that.
const HELLO_WITHIN: Duration = Duration::from_secs(8);
/// How long it may take to end when its socket is closed. It stops the camera meanwhile.
const ENDS_WITHIN: Duration = Duration::from_millis(800);
/// How often the wait for its first message checks the stop flag.
const LOOK: Duration = Duration::from_millis(50);

/// A running helper.
#[derive(Debug)]
pub(crate) struct Helper {
    /// `None` once it is dropped.
    channel: Option<Channel>,
    stderr: Option<ChildStderr>,
    words: LastLines,
    program: Program,
    path: PathBuf,
    libcamera: String,
}

/// Why a helper could not start.
#[derive(Debug)]
pub(crate) enum HelperStartError {
    /// Its version of libcamera is not installed; the loader's message.
    NotInstalled(String),
    /// Any other fault.
    Trouble(SourceError),
}

impl Helper {
    /// Starts the helper at `path` and waits for its first messages: its introduction and its cameras.
    ///
    /// # Errors
    /// [`HelperStartError`].
    pub fn start(path: &Path, stop: &Stop) -> Result<(Helper, Vec<Camera>), HelperStartError> {
        let mut helper = Helper::spawn(path).map_err(HelperStartError::Trouble)?;
        let until = Instant::now() + HELLO_WITHIN;
        let hello = helper.first(until, stop, |message| match message {
            FromHelper::Hello(hello) => Some(hello),
            _ => None,
        })?;
        helper.check(&hello).map_err(HelperStartError::Trouble)?;
        helper.libcamera = sanitise_text(&hello.libcamera);
        let cameras = helper.first(until, stop, |message| match message {
            FromHelper::Cameras(cameras) => Some(cameras),
            _ => None,
        })?;
        Ok((helper, cameras))
    }

    fn spawn(path: &Path) -> Result<Helper, SourceError> {
        let failed = |error: std::io::Error| {
            let kind = match error.kind() {
                ErrorKind::NotFound => SourceErrorKind::Absent,
                ErrorKind::PermissionDenied => SourceErrorKind::Denied,
                _ => SourceErrorKind::Failed,
            };
            SourceError::new(kind, format!("{} could not be started", path.display())).because(error)
        };
        let (channel, theirs) = Channel::pair().map_err(failed)?;
        let mut child = child::command(path)
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let stderr = child.stderr.take();
        // From here on any failure ends the program.
        let program = Program::new(child);
        if let Some(stderr) = &stderr {
            fcntl_setfl(stderr, OFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
        }
        Ok(Helper {
            channel: Some(channel),
            stderr,
            words: LastLines::default(),
            program,
            path: path.to_owned(),
            libcamera: String::new(),
        })
    }

    /// The version of libcamera that it has loaded.
    pub fn libcamera(&self) -> &str {
        &self.libcamera
    }

    fn check(&self, hello: &Hello) -> Result<(), SourceError> {
        if hello.protocol == VERSION {
            return Ok(());
        }
        let what = format!(
            "{} is of another version ({}) than tallycam ({})",
            self.path.display(),
            sanitise_text(&hello.helper),
            env!("CARGO_PKG_VERSION")
        );
        Err(SourceError::new(SourceErrorKind::Unsupported, what)
            .hint("install tallycam and tallycam-libcamera of the same version"))
    }

    /// Waits for its next message, which `wanted` must accept.
    fn first<T>(
        &mut self,
        until: Instant,
        stop: &Stop,
        wanted: impl Fn(FromHelper) -> Option<T>,
    ) -> Result<T, HelperStartError> {
        loop {
            match self.channel.as_mut().map_or(Err(ReceiveError::Closed), Channel::receive) {
                Ok(Some((FromHelper::Fault(fault), _))) => {
                    return Err(HelperStartError::Trouble(self.helper_fault(fault)));
                }
                Ok(Some((message, _))) => {
                    return wanted(message)
                        .ok_or_else(|| HelperStartError::Trouble(self.unexpected_message()));
                }
                Ok(None) => {}
                Err(error) => return Err(self.start_failure(error)),
            }
            if stop.is_set() || Instant::now() >= until {
                let what = format!("{} has not answered for {HELLO_WITHIN:?}", self.path.display());
                return Err(HelperStartError::Trouble(
                    self.with_stderr(SourceError::new(SourceErrorKind::Silent, what)),
                ));
            }
            self.wait(LOOK, None);
        }
    }

    fn start_failure(&mut self, error: ReceiveError) -> HelperStartError {
        if !matches!(error, ReceiveError::Closed) {
            return HelperStartError::Trouble(self.broken_fault(&error));
        }
        let ended = self.program.wait_exit_within(ENDS_WITHIN);
        self.listen();
        if ended.and_then(|status| status.code()) == Some(NOT_INSTALLED) {
            return HelperStartError::NotInstalled(self.words.lines().last().unwrap_or_default());
        }
        HelperStartError::Trouble(self.exit_fault(ended))
    }

    /// Its next message with the descriptor sent along; `None` if there is none now. Does not wait.
    ///
    /// # Errors
    /// It has ended, has sent an invalid message, or reports that the camera is unusable.
    pub(crate) fn receive(&mut self) -> Result<Option<(FromHelper, Option<OwnedFd>)>, SourceError> {
        match self.channel.as_mut().map_or(Err(ReceiveError::Closed), Channel::receive) {
            Ok(Some((FromHelper::Fault(fault), _))) => Err(self.helper_fault(fault)),
            Ok(message) => Ok(message),
            Err(ReceiveError::Closed) => {
                let ended = self.program.wait_exit_within(ENDS_WITHIN);
                self.listen();
                Err(self.exit_fault(ended))
            }
            Err(error) => Err(self.broken_fault(&error)),
        }
    }

    /// Sends it a message.
    ///
    /// # Errors
    /// It has ended, or reads nothing any more.
    pub fn send(&mut self, message: &ToHelper) -> Result<(), SourceError> {
        let sent = match &self.channel {
            Some(channel) => channel.send(message, None, true),
            None => Err(ErrorKind::BrokenPipe.into()),
        };
        match sent {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                let what = format!("{} does not read what it is told", self.path.display());
                Err(self.with_stderr(SourceError::new(SourceErrorKind::Silent, what)))
            }
            Err(_) => {
                // Its last message says more than the closed socket.
                while self.receive()?.is_some() {}
                Err(self.exit_fault(None))
            }
        }
    }

    /// Waits at most `wait` for a message from it or for `wake_fd`. Returns true if only `wake_fd` rang.
    pub fn wait(&mut self, wait: Duration, wake_fd: Option<&WakeFd>) -> bool {
        let Some(channel) = &self.channel else { return false };
        // A missing descriptor is replaced by the socket.
        let rings = wake_fd.and_then(WakeFd::descriptor).unwrap_or(channel.as_fd());
        let stderr = self.stderr.as_ref().map_or(channel.as_fd(), AsFd::as_fd);
        let mut polled =
            [channel.as_fd(), rings, stderr].map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let time = Timespec::try_from(wait).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        // The caller checks the clock, so an interrupted wait does no harm.
        let _ = poll(&mut polled, Some(&time));
        let [has_said, has_rung, has_written] = polled.map(|polled| !polled.revents().is_empty());
        if has_written {
            self.listen();
        }
        match wake_fd {
            // Otherwise it would end every later wait.
            Some(wake_fd) if has_rung && !has_said => {
                wake_fd.clear();
                true
            }
            _ => false,
        }
    }

    /// Reads its standard error: libcamera's log.
    fn listen(&mut self) {
        if let Some(stderr) = &mut self.stderr
            && !self.words.read_stderr(stderr)
        {
            self.stderr = None;
        }
    }

    fn helper_fault(&mut self, fault: Fault) -> SourceError {
        let kind = match fault.kind {
            FaultKind::Absent => SourceErrorKind::Absent,
            FaultKind::Busy => SourceErrorKind::Busy,
            FaultKind::Denied => SourceErrorKind::Denied,
            FaultKind::Unplugged => SourceErrorKind::Unplugged,
            FaultKind::Unsupported => SourceErrorKind::Unsupported,
            FaultKind::Failed => SourceErrorKind::Failed,
        };
        let trouble = SourceError::new(kind, sanitise_text(&fault.what));
        let trouble =
            fault.causes.iter().fold(trouble, |trouble, cause| trouble.because(sanitise_text(cause)));
        match kind {
            SourceErrorKind::Busy => {
                trouble.hint("stop the other program: rpicam-apps, libcamera's, or another tallycam")
            }
            SourceErrorKind::Denied => trouble.hint("its user must be in the group video"),
            SourceErrorKind::Absent => {
                trouble.hint("check the ribbon cable").shell("`tallycam devices` lists the cameras")
            }
            _ => trouble,
        }
    }

    /// The fault for a message that has no meaning now.
    pub(crate) fn unexpected_message(&self) -> SourceError {
        self.invalid_message("it says what means nothing now")
    }

    /// The fault for an invalid message.
    pub(crate) fn invalid_message(&self, why: &str) -> SourceError {
        self.broken_fault(&why)
    }

    fn broken_fault(&self, why: &dyn std::fmt::Display) -> SourceError {
        let what = format!("{} does not say what tallycam understands", self.path.display());
        let hint = "install tallycam and tallycam-libcamera of the same version";
        self.with_stderr(
            SourceError::new(SourceErrorKind::Broken, what)
                .because(sanitise_text(&why.to_string()))
                .hint(hint),
        )
    }

    fn exit_fault(&self, status: Option<std::process::ExitStatus>) -> SourceError {
        let how = match status {
            Some(status) if status.signal().is_some() || !status.success() => format!(" ({status})"),
            _ => String::new(),
        };
        self.with_stderr(SourceError::new(
            SourceErrorKind::Failed,
            format!("{} ended{how}", self.path.display()),
        ))
    }

    fn with_stderr(&self, trouble: SourceError) -> SourceError {
        self.words.lines().fold(trouble, |trouble, line| trouble.because(sanitise_text(&line)))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.channel = None;
        // It stops the camera; signals are for a helper that does not.
        self.program.wait_exit_within(ENDS_WITHIN);
    }
}
