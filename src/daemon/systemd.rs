//! What systemd is told: ready, reloading, stopping, how things are, and that there is progress.
//!
//! Protocol: sd_notify(3). Without `NOTIFY_SOCKET` in the environment nobody listens, and every
//! call here does nothing. A message that cannot be sent is logged at level debug: a service
//! manager that does not listen is no reason to stop.

use std::time::Duration;

use sd_notify::NotifyState;

use crate::base::{Beat, clock};
use crate::pipeline::{State, Status};

/// A capture thread that has not beaten for this long is stuck in a driver's call: it beats at
/// least once a second while it lives, even when the camera is asleep. An open has 20 s more.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

/// Whether a service manager listens.
pub fn is_listening() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// The daemon answers requests.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// The configuration is being read again; [`ready`] ends it.
pub fn reloading() {
    tell(&[NotifyState::Reloading, NotifyState::MonotonicUsec(i128::from(clock::monotonic_us()))]);
}

/// The daemon is on its way out.
pub fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("Stopping")]);
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd could not be told: {error}");
    }
}

/// The line that `systemctl status` shows, sent only when it changes.
#[derive(Debug, Default)]
pub struct StatusLine {
    sent: String,
}

impl StatusLine {
    /// Makes `text` the line.
    pub fn show(&mut self, text: String) {
        if text != self.sent {
            tell(&[NotifyState::Status(&text)]);
            self.sent = text;
        }
    }
}

/// How things are, in one line of words.
pub fn status_text(status: &Status, viewers: usize) -> String {
    let state = match &status.state {
        State::Asleep => String::from("Asleep: the camera is opened when somebody watches"),
        State::Waking => format!("Waking {}", status.source),
        State::Live => {
            let name = status.delivers.as_ref().map_or(&status.source, |delivers| &delivers.name);
            match status.size {
                Some((width, height)) => format!("Live: {name}, {width} × {height}"),
                None => format!("Live: {name}"),
            }
        }
        State::Trouble(trouble) => format!("{}: {}", trouble.kind.headline(), trouble.what),
        State::Paused => String::from("Paused: the camera is let go until Resume"),
    };
    // One line: a line end inside would end the field.
    let state = state.replace(['\n', '\r'], " ");
    match viewers {
        0 => state,
        1 => format!("{state}; 1 viewer"),
        n => format!("{state}; {n} viewers"),
    }
}

/// Feeds systemd's watchdog, but only on progress.
///
/// It is fed from the runtime that serves viewers, so a runtime that hangs does not feed it; and
/// only while the capture thread beats, so a driver's call that never returns gets the daemon
/// restarted. A camera that is merely silent, gone or broken never does.
#[derive(Debug)]
pub struct Watchdog {
    capture: Beat,
    starving: bool,
}

impl Watchdog {
    /// A watchdog that listens to the capture thread's heart.
    pub fn new(capture: Beat) -> Watchdog {
        Watchdog { capture, starving: false }
    }

    /// How often it is to be fed: twice in systemd's limit. `None`: systemd has set no limit.
    pub fn interval() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| (limit / 2).max(Duration::from_millis(1)))
    }

    /// Feeds it if there is progress.
    pub fn feed(&mut self) {
        if self.is_to_be_fed(self.capture.age()) {
            tell(&[NotifyState::Watchdog]);
        }
    }

    /// Whether a capture thread that has not beaten for `silence` is alive; logs when that changes.
    fn is_to_be_fed(&mut self, silence: Duration) -> bool {
        let starves = silence > STUCK_AFTER;
        match (starves, self.starving) {
            (true, false) => log::error!(
                "the capture thread has been stuck for {} s, probably in the camera's driver: \
                 the watchdog is no longer fed, systemd will restart the service",
                silence.as_secs()
            ),
            (false, true) => log::info!("the capture thread goes on: the watchdog is fed again"),
            _ => {}
        }
        self.starving = starves;
        !starves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::media::{Trouble, TroubleKind};

    fn status(state: State) -> Status {
        Status {
            state,
            since: Stamp::now(),
            source: String::from("/dev/video0"),
            delivers: None,
            size: Some((1280, 720)),
            fps: 29.97,
            frames: 0,
            lost: 0,
            broken: 0,
            pictures: 0,
            bytes: 0,
            opens: 0,
            failed_reads: 0,
            is_healthy: true,
            is_held: false,
            demands: 0,
        }
    }

    #[test]
    fn the_line_says_state_and_viewers() {
        assert_eq!(status_text(&status(State::Live), 2), "Live: /dev/video0, 1280 × 720; 2 viewers");
        assert_eq!(status_text(&status(State::Waking), 1), "Waking /dev/video0; 1 viewer");
        assert_eq!(
            status_text(&status(State::Asleep), 0),
            "Asleep: the camera is opened when somebody watches"
        );
    }

    #[test]
    fn trouble_is_one_line() {
        let trouble = Trouble::new(TroubleKind::Busy, "/dev/video0 is in use\nby another program");
        assert_eq!(
            status_text(&status(State::Trouble(trouble)), 0),
            "Camera in use: /dev/video0 is in use by another program"
        );
    }

    #[test]
    fn a_stuck_capture_thread_is_not_fed_until_it_goes_on() {
        let mut watchdog = Watchdog::new(Beat::new());
        let fed: Vec<bool> = [0, 9, 11, 60, 1]
            .into_iter()
            .map(|seconds| watchdog.is_to_be_fed(Duration::from_secs(seconds)))
            .collect();
        assert_eq!(fed, [true, true, false, false, true]);
    }
}
