//! State shared by the thread `lights` and its handles: a mailbox with one request, and the status.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Color, LightsSettings};
use tallycam_base::json;
use tallycam_camera::media::{SourceError, SourceErrorKind};

json::words! { Shows { Off "off", On "on", Auto "auto", Shot "shot" } }

/// A strip that accepts nothing for this time counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(3);

/// Kind of the current light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shows {
    /// None, except perhaps the status LED.
    #[default]
    Off,
    /// The light that was switched on.
    On,
    /// The automatic light.
    Auto,
    /// Full light for a snapshot.
    Shot,
}

/// Status of the light.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LightStatus {
    /// Kind of the current light.
    pub shows: Shows,
    /// The last pixels: red, green and blue after brightness, gamma and limit. Black during a fault.
    pub pixels: Vec<Color>,
    /// The fault, if the light does not work.
    pub trouble: Option<SourceError>,
    /// Last measured brightness: mean luma, 0–255. `None` while it is not needed.
    pub luma: Option<f64>,
}

/// Requests to the thread.
#[derive(Debug)]
pub struct LightCommands {
    pub settings: Arc<LightsSettings>,
    /// Number of snapshots in progress.
    pub shots: usize,
    pub is_stopping: bool,
    number: u64,
    /// Time of the oldest change that is not in force yet.
    waiting_since: Option<Instant>,
}

/// The newest request, as taken from the mailbox.
#[derive(Debug)]
pub struct LightCommand {
    pub settings: Arc<LightsSettings>,
    pub is_shot: bool,
    pub is_stopping: bool,
    pub number: u64,
}

/// Progress of the thread.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LightApplied {
    /// Number of the request in force.
    pub number: u64,
    /// Time since which full light for a snapshot is shown, `CLOCK_MONOTONIC` in microseconds; `None` if it is not.
    /// The time may precede the request: another snapshot or the switched-on light showed the same pixels.
    pub lit_us: Option<u64>,
}

/// Shared by the thread, every [`super::Lights`] handle and every [`super::shot::LitShot`].
#[derive(Debug)]
pub struct LightState {
    requests: Mutex<LightCommands>,
    changed: Condvar,
    pub status: watch::Sender<Arc<LightStatus>>,
    pub obeyed: watch::Sender<LightApplied>,
}

impl LightState {
    pub fn new(settings: LightsSettings) -> LightState {
        LightState {
            requests: Mutex::new(LightCommands {
                settings: Arc::new(settings),
                shots: 0,
                is_stopping: false,
                // The thread has not seen a request yet.
                number: 1,
                waiting_since: Some(Instant::now()),
            }),
            changed: Condvar::new(),
            status: watch::Sender::default(),
            obeyed: watch::Sender::default(),
        }
    }

    /// Locks the requests.
    pub fn lock_requests(&self) -> MutexGuard<'_, LightCommands> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of the latest request.
    pub fn last_request(&self) -> u64 {
        self.lock_requests().number
    }

    /// Changes the requests and wakes the thread. Returns the number of the request.
    pub fn request(&self, change: impl FnOnce(&mut LightCommands)) -> u64 {
        let number = {
            let mut requests = self.lock_requests();
            change(&mut requests);
            requests.number += 1;
            requests.waiting_since.get_or_insert_with(Instant::now);
            requests.number
        };
        self.changed.notify_all();
        number
    }

    /// Sleep of the thread until there is a request after number `seen`, at most `time`. Returns the newest one.
    pub fn wait(&self, seen: u64, time: Option<Duration>) -> LightCommand {
        let until = time.map(|time| Instant::now() + time);
        let mut requests = self.lock_requests();
        while requests.number == seen {
            let Some(until) = until else {
                requests = self.changed.wait(requests).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            requests = self.changed.wait_timeout(requests, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        LightCommand {
            settings: Arc::clone(&requests.settings),
            is_shot: requests.shots > 0,
            is_stopping: requests.is_stopping,
            number: requests.number,
        }
    }

    /// Reports that the request `number` is in force or has failed, which wakes its waiters. For `lit_us` see
    /// [`LightApplied`].
    pub fn complete_request(&self, number: u64, lit_us: Option<u64>) {
        {
            let mut requests = self.lock_requests();
            if requests.number == number {
                requests.waiting_since = None;
            } else {
                requests.waiting_since = Some(Instant::now());
            }
        }
        self.obeyed.send_if_modified(|obeyed| {
            let now = LightApplied { number, lit_us };
            std::mem::replace(obeyed, now) != now
        });
    }

    /// The status. A thread that hangs in a driver cannot report that itself.
    pub fn status(&self) -> Arc<LightStatus> {
        let status = Arc::clone(&self.status.borrow());
        let hangs = self.lock_requests().waiting_since.is_some_and(|since| since.elapsed() >= HANGS_AFTER);
        if !hangs || status.trouble.is_some() {
            return status;
        }
        let trouble = SourceError::new(SourceErrorKind::Silent, "the light does not take what it is sent")
            .hint("if this persists, check its wiring and restart tallycam");
        Arc::new(LightStatus { trouble: Some(trouble), ..status.as_ref().clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_request_wins_and_none_is_returned_twice() {
        let shared = LightState::new(LightsSettings::default());
        let first = shared.wait(0, None);
        for brightness in 1..=200 {
            shared.request(|requests| {
                let mut settings = LightsSettings::clone(&requests.settings);
                settings.light.brightness = brightness;
                requests.settings = Arc::new(settings);
            });
        }
        let newest = shared.wait(first.number, None);
        assert_eq!(newest.settings.light.brightness, 200);
        assert_eq!(newest.number, first.number + 200);
        // Without a newer request the wait ends by time.
        assert_eq!(shared.wait(newest.number, Some(Duration::from_millis(1))).number, newest.number);
    }

    #[test]
    fn a_hanging_thread_is_reported() {
        let shared = LightState::new(LightsSettings::default());
        shared.complete_request(1, None);
        assert_eq!(shared.status().trouble, None);
        let number = shared.request(|_| {});
        assert_eq!(shared.status().trouble, None, "the request is new");
        shared.lock_requests().waiting_since = Instant::now().checked_sub(HANGS_AFTER);
        let trouble = shared.status().trouble.clone();
        assert_eq!(trouble.map(|trouble| trouble.kind), Some(SourceErrorKind::Silent));
        shared.complete_request(number, Some(7));
        assert_eq!(shared.status().trouble, None);
        assert_eq!(*shared.obeyed.borrow(), LightApplied { number, lit_us: Some(7) });
        shared.complete_request(number, None);
        assert_eq!(shared.obeyed.borrow().lit_us, None);
    }
}
