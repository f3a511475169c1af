//! Findings of the diagnosis, in the words that the diagnosis, `tallycam check` and systemd's status line share.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;

use crate::http::request::time_param;
use crate::ui::format_bytes;
pub use crate::ui::{Finding, Verdict};
use tallycam_base::ClockTime;
use tallycam_camera::media::{Picture, SourceError};
use tallycam_config::Config;
use tallycam_store::media::Storage;

/// Findings stay valid for this time.
const FRESH: Duration = Duration::from_secs(1);

/// Room for this many days or fewer counts as scarce.
const FEW_DAYS: f64 = 3.0;

/// The hint for a clock that has never been set.
pub const SET_CLOCK: &str =
    "connect the machine to a network with a time server, or set the clock with `sudo timedatectl set-time`";

/// The fault of a wall clock that cannot be trusted, as the text after "the clock". `None` if it can be trusted. The
/// diagnosis, the status page and systemd's line share it. It names only the day, because a permanent message must
/// not keep changing.
pub fn clock_is_wrong(now: ClockTime, zone: &TimeZone) -> Option<String> {
    let time = (!now.wall_trusted).then(|| time_param::local(now.wall_us, zone))?;
    time.split('T').next().map(|day| format!("is not set: it says {day}"))
}

/// A camera of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCamera {
    /// `[source] kind` for it.
    pub kind: &'static str,
    /// `[source] device` for it: a persistent name if it has one.
    pub device: String,
    /// The camera's own name.
    pub name: String,
    /// Its formats and its place on the machine.
    pub about: String,
}

/// Diagnoses the machine: devices, permissions, files, clock, temperature. Called on a thread that may block.
pub trait Diagnose: fmt::Debug + Send + Sync {
    /// The findings; `config` is in force.
    fn look(&self, config: &Config) -> Vec<Finding>;

    /// The cameras to choose from.
    fn cameras(&self, _config: &Config) -> Vec<FoundCamera> {
        Vec::new()
    }

    /// A picture from a short opening of the camera with this [`FoundCamera::kind`] and [`FoundCamera::device`];
    /// `None` if there is no such camera.
    fn still(&self, _config: &Config, _kind: &str, _device: &str) -> Option<Result<Picture, SourceError>> {
        None
    }

    /// True if libcamera cameras can be used.
    fn has_libcamera(&self) -> bool {
        false
    }
}

/// The latest findings.
#[derive(Debug, Default)]
pub(in crate::http) struct FindingsCache {
    /// Held during a diagnosis: further requests wait and find its result.
    pub(in crate::http) turn: tokio::sync::Mutex<()>,
    pub(in crate::http) found: RefCell<Option<(Instant, Vec<Finding>)>>,
}

impl FindingsCache {
    pub(in crate::http) fn fresh(&self) -> Option<Vec<Finding>> {
        let found = self.found.borrow();
        found.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, found)| found.clone())
    }
}

/// The latest stills of unused cameras, each under its kind, device and mask. The lock is held while a camera is open.
pub(in crate::http) type Stills = Arc<tokio::sync::Mutex<Vec<(Instant, String, Picture)>>>;

/// The finding about stored media and the room that is left.
pub fn room_finding(name: &'static str, room: &Storage, is_full: bool) -> Finding {
    let (snapshots, recordings) = (room.snapshots.0, room.recordings.0);
    let kept = format!(
        "{snapshots} snapshots, {recordings} recordings, {}; {} are free",
        format_bytes(room.file_bytes),
        format_bytes(room.free_bytes)
    );
    let hint = "delete what is not needed, or set limits for what is kept";
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
