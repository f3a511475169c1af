//! What was looked at and how it was found: the words that the diagnosis, `tallycam check` and systemd's line share.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::base::ClockTime;
use crate::config::Config;
use crate::http::request::time_param;
use crate::media::{Picture, SourceError};
use crate::store::media::Storage;
use crate::ui::format_bytes;
pub use crate::ui::{Finding, Verdict};

/// What was looked for stays true for so long.
const FRESH: Duration = Duration::from_secs(1);

/// StorageUsage for so many days is soon none.
const FEW_DAYS: f64 = 3.0;

/// What can be done about a clock that nothing has set.
pub const SET_CLOCK: &str =
    "connect the machine to a network with a time server, or set the clock with `sudo timedatectl set-time`";

/// What is wrong with a wall clock that cannot be believed, as what follows "the clock": the diagnosis, the page with
/// its state, and systemd's line say it in the same words. Only the day: what is shown all the time is not to change
/// all the time. `None` where the clock can be believed.
pub fn clock_is_wrong(now: ClockTime, zone: &TimeZone) -> Option<String> {
    let time = (!now.wall_trusted).then(|| time_param::local(now.wall_us, zone))?;
    time.split('T').next().map(|day| format!("is not set: it says {day}"))
}

/// A camera of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCamera {
    /// `[source] kind` for it.
    pub kind: &'static str,
    /// `[source] device` for it: a lasting name where it has one.
    pub device: String,
    /// What it calls itself.
    pub name: String,
    /// What it offers, and where it is.
    pub about: String,
}

/// Looks at the machine: devices, permissions, files, clock, temperature. Called on a thread that may block.
pub trait Diagnose: fmt::Debug + Send + Sync {
    /// What is found; `config` is in force.
    fn look(&self, config: &Config) -> Vec<Finding>;

    /// The cameras that can be chosen.
    fn cameras(&self, _config: &Config) -> Vec<FoundCamera> {
        Vec::new()
    }

    /// What the camera with this [`FoundCamera::kind`] and [`FoundCamera::device`] sees, by a short opening; `None`: no
    /// such camera is found.
    fn still(&self, _config: &Config, _kind: &str, _device: &str) -> Option<Result<Picture, SourceError>> {
        None
    }

    /// Whether cameras of libcamera can be used.
    fn has_libcamera(&self) -> bool {
        false
    }
}

/// What was looked for last.
#[derive(Debug, Default)]
pub(in crate::http) struct FindingsCache {
    /// Held while somebody looks: who comes then waits and finds it done.
    pub(in crate::http) turn: tokio::sync::Mutex<()>,
    pub(in crate::http) found: RefCell<Option<(Instant, Vec<Finding>)>>,
}

impl FindingsCache {
    pub(in crate::http) fn fresh(&self) -> Option<Vec<Finding>> {
        let found = self.found.borrow();
        found.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, found)| found.clone())
    }
}

/// What cameras showed that are not in use, each under its kind and device. Held while one is opened.
pub(in crate::http) type Stills = Arc<tokio::sync::Mutex<Vec<(Instant, String, Picture)>>>;

/// What is kept, and for how long there is room.
pub fn room_finding(name: &'static str, room: &Storage, is_full: bool) -> Finding {
    let (snapshots, recordings) = (room.snapshots.0, room.recordings.0);
    let kept = format!(
        "{snapshots} snapshots, {recordings} recordings, {}; {} are free",
        format_bytes(room.file_bytes),
        format_bytes(room.free_bytes)
    );
    let hint = "delete what is not needed, or set limits under [retention]";
    if is_full {
        return Finding::bad(name, format!("The disk is full: {kept}.")).hint(hint);
    }
    match room.days_left {
        Some(days) if days < FEW_DAYS => {
            Finding::warning(name, format!("{kept}, which will do for {days:.1} days.")).hint(hint)
        }
        Some(days) => Finding::good(name, format!("{kept}, which will do for {days:.0} days.")),
        None => Finding::good(name, format!("{kept}.")),
    }
}
