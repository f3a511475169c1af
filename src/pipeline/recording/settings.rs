//! How pictures are kept. Plain data.

use std::time::Duration;

use jiff::tz::TimeZone;

/// Default limit of the pre-roll, bytes.
const PRE_ROLL_BYTES: usize = 16 << 20;

/// How pictures are kept. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct RecorderSettings {
    /// The camera's name.
    pub name: String,
    /// The time zone that dates are told in.
    pub zone: TimeZone,
    /// Frames after a camera's opening that are no snapshot yet: its exposure settles.
    pub warm_up: u32,
    /// A recording ends after this time; `None`: when somebody ends it.
    pub max_duration: Option<Duration>,
    /// A recording ends at so many bytes.
    pub max_bytes: Option<u64>,
    /// At most so many pictures a second are recorded; `None`: every one.
    pub fps: Option<f64>,
    /// So much of what was before goes into a recording (needs the camera awake); zero: nothing.
    pub pre_roll: Duration,
    /// The pre-roll holds at most so many bytes.
    pub pre_roll_bytes: usize,
    /// Crossings of these lines (by name; `*`: of every line) start a recording.
    pub on_crossing: Vec<String>,
    /// Such a recording ends this long after the last crossing.
    pub after_crossing: Duration,
    /// A time-lapse of at least so much from picture to picture lets the camera sleep between.
    pub sleeps_from: Duration,
    /// No picture is kept.
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
