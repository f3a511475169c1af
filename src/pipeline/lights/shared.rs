//! What the thread `lights` and every handle share: a mailbox of one request, and how the light is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Color, LightsSettings};
use crate::base::json;
use crate::media::{SourceError, SourceErrorKind};

json::words! { Shows { Off "off", On "on", Auto "auto", Shot "shot" } }

/// A strip that accepts nothing for this time hangs.
const HANGS_AFTER: Duration = Duration::from_secs(3);

/// What shines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Shows {
    /// Nothing (but perhaps the status pixel).
    #[default]
    Off,
    /// The light that was switched on.
    On,
    /// The light that went on by itself.
    Auto,
    /// Full light for a snapshot.
    Shot,
}

/// How the light is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LightStatus {
    /// What shines.
    pub shows: Shows,
    /// What its pixels were sent last: red, green and blue after brightness, gamma and limit. Dark where it has
    /// trouble.
    pub pixels: Vec<Color>,
    /// Why it does not work.
    pub trouble: Option<SourceError>,
    /// How bright the picture was when that was last measured: mean luma, 0–255. `None` while nobody wants to know.
    pub luma: Option<f64>,
}

/// What is wanted of the thread.
#[derive(Debug)]
pub struct LightCommands {
    pub settings: Arc<LightsSettings>,
    /// Snapshots that are being taken.
    pub shots: usize,
    pub is_stopping: bool,
    /// Grows with every change.
    number: u64,
    /// When the oldest change came that the thread has not obeyed yet.
    waiting_since: Option<Instant>,
}

/// The newest request, as the thread takes it out of its mailbox.
#[derive(Debug)]
pub struct LightCommand {
    pub settings: Arc<LightsSettings>,
    pub is_shot: bool,
    pub is_stopping: bool,
    pub number: u64,
}

/// How far the thread is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LightApplied {
    /// The request that is in force.
    pub number: u64,
    /// Since when what shines for a snapshot does so, `CLOCK_MONOTONIC` in microseconds; `None`: nothing does. It may
    /// have shone before: another snapshot is being taken, or just this was switched on.
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
                // The thread has seen none yet.
                number: 1,
                waiting_since: Some(Instant::now()),
            }),
            changed: Condvar::new(),
            status: watch::Sender::default(),
            obeyed: watch::Sender::default(),
        }
    }

    /// Looks at the requests.
    pub fn lock_requests(&self) -> MutexGuard<'_, LightCommands> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the last request.
    pub fn last_request(&self) -> u64 {
        self.lock_requests().number
    }

    /// Changes the requests, wakes the thread, and gives the number of the request.
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

    /// The thread's sleep: until there is a request newer than number `seen`, but at most `time`. Gives the newest.
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

    /// The request `number` is in force, or has failed: its waiters go on. `lit_us`: see [`LightApplied`].
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

    /// How the light is. That the thread hangs in a driver it cannot say itself.
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
    fn the_newest_wish_wins_and_none_is_waited_for_twice() {
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
        // Nothing newer: the wait ends by time.
        assert_eq!(shared.wait(newest.number, Some(Duration::from_millis(1))).number, newest.number);
    }

    #[test]
    fn a_thread_that_hangs_is_told_of() {
        let shared = LightState::new(LightsSettings::default());
        shared.complete_request(1, None);
        assert_eq!(shared.status().trouble, None);
        let number = shared.request(|_| {});
        assert_eq!(shared.status().trouble, None, "it has only just been asked");
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
