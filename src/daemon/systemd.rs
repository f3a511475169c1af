//! Messages to systemd: ready, reloading, stopping, status and watchdog.
//!
//! Protocol: sd_notify(3). Without `NOTIFY_SOCKET` in the environment every call does nothing. A failed message is
//! logged at level debug and stops nothing.

use std::time::Duration;

use jiff::tz::TimeZone;
use sd_notify::NotifyState;

use crate::http::clock_is_wrong;
use crate::pipeline::recording::RecordingStatus;
use crate::pipeline::{CameraState, CameraStatus, CountingStatus};
use tallycam_base::{ClockTime, Heartbeat, IDLE, clock};

/// Silence after which a thread counts as stuck, for example in a driver's call.
///
/// A thread beats at least once a second while it works, also with the camera closed, and once in [`IDLE`] while it
/// waits for requests. Known slow steps (an open, the load of a model, a detection) add their own time.
pub const STUCK_AFTER: Duration = Duration::from_secs(10);

const _: () = assert!(IDLE.as_millis() * 2 <= STUCK_AFTER.as_millis());

/// True if a service manager listens.
pub fn is_listening() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

/// Reports that the daemon answers requests.
pub fn notify_ready() {
    notify(&[NotifyState::Ready]);
}

/// Reports that the configuration is read again; [`notify_ready`] ends it.
pub fn notify_reloading() {
    notify(&[NotifyState::Reloading, NotifyState::MonotonicUsec(i128::from(clock::monotonic_us()))]);
}

/// Reports that the daemon stops.
pub fn notify_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("Stopping")]);
}

/// Reports why the daemon ends. `systemctl status` shows it, also while systemd waits to restart it.
pub fn notify_failing(reason: &dyn std::fmt::Display, hint: Option<&str>) {
    let mut text = reason.to_string();
    if let Some(hint) = hint {
        text = format!("{text}; {hint}");
    }
    notify(&[NotifyState::Status(&text.replace(['\n', '\r'], " "))]);
}

fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        log::debug!("systemd could not be told: {error}");
    }
}

/// Interval between updates of the status line; changes of the camera are shown at once.
pub const SHOWN_EVERY: Duration = Duration::from_secs(2);

/// The status line of `systemctl status`, sent only when it changes.
#[derive(Debug, Default)]
pub struct StatusLine {
    sent: String,
}

impl StatusLine {
    /// Sets the line to `text`.
    pub fn set(&mut self, text: String) {
        if text != self.sent {
            notify(&[NotifyState::Status(&text)]);
            self.sent = text;
        }
    }
}

/// The status in one line of words.
pub fn status_text(
    status: &CameraStatus,
    viewers: usize,
    counting: &CountingStatus,
    recording: &RecordingStatus,
) -> String {
    let state = match &status.state {
        CameraState::Asleep => String::from("Idle: the camera opens when somebody watches"),
        CameraState::Waking => format!("Starting {}", status.source),
        CameraState::Live => {
            let name = status.delivers.as_ref().map_or(&status.source, |delivers| &delivers.name);
            match status.size {
                Some((width, height)) => format!("Live: {name}, {width} × {height}"),
                None => format!("Live: {name}"),
            }
        }
        CameraState::Trouble(trouble) => format!("{}: {}", trouble.kind.headline(), trouble.what),
        CameraState::Paused => String::from("Paused: the camera is closed until Resume"),
    };
    // A line end would end the field.
    let state = state.replace(['\n', '\r'], " ");
    let state = match viewers {
        0 => state,
        1 => format!("{state}; 1 viewer"),
        n => format!("{state}; {n} viewers"),
    };
    let state = match (&recording.now, &recording.trouble) {
        (None, _) => state,
        (Some(now), None) => format!("{state}; recording {}", now.name),
        (Some(now), Some(why)) => {
            format!("{state}; recording {} with gaps: {}", now.name, why.replace(['\n', '\r'], " "))
        }
    };
    match counting.state {
        "counting" => format!("{state}; counting"),
        "fault" => format!("{state}; not counting: {}", counting.reason.replace(['\n', '\r'], " ")),
        _ => state,
    }
}

/// Appends a warning to `line` if the clock was never set, because then times are uncertain and retention by age
/// waits. `zone` is called only then, since the line is made every other second.
pub fn with_clock(line: String, now: ClockTime, zone: impl FnOnce() -> TimeZone) -> String {
    if now.wall_trusted {
        return line;
    }
    match clock_is_wrong(now, &zone()) {
        Some(wrong) => format!("{line}; the clock {wrong}"),
        None => line,
    }
}

/// Feeds systemd's watchdog, but only on progress.
///
/// The runtime that serves viewers feeds it, so a hanging runtime does not. It is fed only while the threads beat, so
/// a driver's call that never returns leads to a restart. A camera that is silent, gone or broken never does.
#[derive(Debug)]
pub struct Watchdog {
    hearts: Vec<WatchedThread>,
}

#[derive(Debug)]
struct WatchedThread {
    name: String,
    beat: Heartbeat,
    is_stuck: bool,
}

impl Watchdog {
    /// A watchdog for these threads.
    pub fn new(hearts: impl Iterator<Item = (String, Heartbeat)>) -> Watchdog {
        Watchdog {
            hearts: hearts.map(|(name, beat)| WatchedThread { name, beat, is_stuck: false }).collect(),
        }
    }

    /// Interval of feeding: half of systemd's limit. `None` if systemd has set no limit.
    pub fn interval() -> Option<Duration> {
        sd_notify::watchdog_enabled().map(|limit| (limit / 2).max(Duration::from_millis(1)))
    }

    /// Feeds the watchdog if every thread makes progress.
    pub fn pet(&mut self) {
        // Every thread is checked, so that each stuck one is logged.
        let stuck = self.hearts.iter_mut().filter_map(|heart| heart.is_stuck().then_some(())).count();
        if stuck == 0 {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

impl WatchedThread {
    fn is_stuck(&mut self) -> bool {
        self.is_stuck_for(self.beat.age())
    }

    /// True if a thread with this `silence` is stuck; logs when that changes.
    fn is_stuck_for(&mut self, silence: Duration) -> bool {
        let is_stuck = silence > STUCK_AFTER;
        match (is_stuck, self.is_stuck) {
            (true, false) => log::error!(
                "the thread {} has been stuck for {} s{}: the watchdog is no longer fed, systemd will \
                 restart the service",
                self.name,
                silence.as_secs(),
                if self.name == "capture" { ", probably in the camera's driver" } else { "" },
            ),
            (false, true) => log::info!("the thread {} goes on: the watchdog is fed again", self.name),
            _ => {}
        }
        self.is_stuck = is_stuck;
        is_stuck
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tallycam_camera::media::{SourceError, SourceErrorKind};
    use tallycam_store::media::{MediaOrigin, Recorded};

    fn status(state: CameraState) -> CameraStatus {
        CameraStatus {
            state,
            since: ClockTime::now(),
            source: String::from("/dev/video0"),
            delivers: None,
            size: Some((1280, 720)),
            fps: 29.97,
            frames: 0,
            lost: 0,
            broken: 0,
            pictures: 0,
            bytes: 0,
            changed: 0,
            opens: 0,
            failed_reads: 0,
            is_healthy: true,
            is_held: false,
            demands: 0,
        }
    }

    fn counting(word: &'static str) -> CountingStatus {
        CountingStatus {
            state: word,
            reason: if word == "fault" { String::from("No such\nmodel.") } else { String::new() },
            ..CountingStatus::default()
        }
    }

    #[test]
    fn the_line_says_what_is_recorded() {
        let now = Recorded {
            id: 7,
            name: String::from("a.mp4"),
            origin: MediaOrigin::Asked,
            began_us: 0,
            duration_us: 0,
            frames: 0,
            bytes: 0,
            gaps: 0,
            every: None,
        };
        let mut recording = RecordingStatus { now: Some(now), ..RecordingStatus::default() };
        let line =
            |recording: &_| status_text(&status(CameraState::Live), 0, &counting("counting"), recording);
        assert_eq!(line(&recording), "Live: /dev/video0, 1280 × 720; recording a.mp4; counting");
        recording.trouble = Some(String::from("no\nroom"));
        assert_eq!(
            line(&recording),
            "Live: /dev/video0, 1280 × 720; recording a.mp4 with gaps: no room; counting"
        );
    }

    #[test]
    fn the_line_says_whether_it_counts() {
        let line =
            |word| status_text(&status(CameraState::Live), 0, &counting(word), &RecordingStatus::default());
        assert_eq!(line("counting"), "Live: /dev/video0, 1280 × 720; counting");
        assert_eq!(line("fault"), "Live: /dev/video0, 1280 × 720; not counting: No such model.");
    }

    #[test]
    fn the_line_says_state_and_viewers() {
        assert_eq!(
            status_text(&status(CameraState::Live), 2, &counting("idle"), &RecordingStatus::default()),
            "Live: /dev/video0, 1280 × 720; 2 viewers"
        );
        assert_eq!(
            status_text(&status(CameraState::Waking), 1, &counting("waiting"), &RecordingStatus::default()),
            "Starting /dev/video0; 1 viewer"
        );
        assert_eq!(
            status_text(&status(CameraState::Asleep), 0, &counting("off"), &RecordingStatus::default()),
            "Idle: the camera opens when somebody watches"
        );
    }

    #[test]
    fn the_line_says_that_the_clock_is_not_set_until_it_is() {
        let line = |wall_us, wall_trusted| {
            let now = ClockTime { monotonic_us: 1, wall_us, wall_trusted };
            with_clock(String::from("Live: /dev/video0; counting"), now, || TimeZone::UTC)
        };
        assert_eq!(
            line(86_402_000_000, false),
            "Live: /dev/video0; counting; the clock is not set: it says 1970-01-02"
        );
        // The text stays equal while time passes, because every change of the line is sent.
        assert_eq!(line(86_402_000_000, false), line(86_403_000_000, false));
        assert_eq!(line(1_795_000_000_000_000, true), "Live: /dev/video0; counting");
    }

    #[test]
    fn trouble_is_one_line() {
        let trouble = SourceError::new(SourceErrorKind::Busy, "/dev/video0 is in use\nby another program");
        assert_eq!(
            status_text(
                &status(CameraState::Trouble(trouble)),
                0,
                &counting("waiting"),
                &RecordingStatus::default()
            ),
            "Camera in use: /dev/video0 is in use by another program"
        );
    }

    #[test]
    fn a_stuck_capture_thread_is_not_fed_until_it_goes_on() {
        let mut heart =
            WatchedThread { name: String::from("capture"), beat: Heartbeat::new(), is_stuck: false };
        let fed: Vec<bool> = [0, 9, 11, 60, 1]
            .into_iter()
            .map(|seconds| !heart.is_stuck_for(Duration::from_secs(seconds)))
            .collect();
        assert_eq!(fed, [true, true, false, false, true]);
    }
}
