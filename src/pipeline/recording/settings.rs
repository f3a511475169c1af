//! Settings of snapshots and recordings.

use std::time::Duration;

use jiff::tz::TimeZone;

/// Default limit of the pre-roll, bytes.
const PRE_ROLL_BYTES: usize = 16 << 20;

/// Settings of snapshots and recordings. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct RecorderSettings {
    /// The camera's name.
    pub name: String,
    /// Time zone of dates.
    pub zone: TimeZone,
    /// Frames to skip after the camera opens, while exposure settles.
    pub warm_up: u32,
    /// Maximum length of a recording; `None` means no limit.
    pub max_duration: Option<Duration>,
    /// Maximum bytes of a recording.
    pub max_bytes: Option<u64>,
    /// Maximum pictures per second of a recording; `None` records every picture.
    pub fps: Option<f64>,
    /// Length of the pre-roll, which keeps the camera open; zero is none.
    pub pre_roll: Duration,
    /// Maximum bytes of the pre-roll.
    pub pre_roll_bytes: usize,
    /// Lines whose crossings start a recording, by name; `*` means every line.
    pub on_crossing: Vec<String>,
    /// Time from the last crossing to the end of such a recording.
    pub after_crossing: Duration,
    /// Minimum interval at which a time-lapse closes the camera between pictures.
    pub sleeps_from: Duration,
    /// No image is stored.
    pub counts_only: bool,
}

impl Default for RecorderSettings {
    fn default() -> RecorderSettings {
        RecorderSettings {
            name: String::from("camera"),
            zone: TimeZone::system(),
            warm_up: 3,
            max_duration: Some(Duration::from_secs(3600)),
            max_bytes: None,
            fps: None,
            pre_roll: Duration::ZERO,
            pre_roll_bytes: PRE_ROLL_BYTES,
            on_crossing: Vec::new(),
            after_crossing: Duration::from_secs(10),
            sleeps_from: Duration::from_secs(20),
            counts_only: false,
        }
    }
}
