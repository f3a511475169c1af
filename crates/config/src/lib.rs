//! The configuration: the file as typed with the place of every value, the resolved values, and diagnostics that
//! point at faults.
//!
//! Order of precedence, highest first: command line (`--set`), environment (`TALLYCAM_SECTION_KEY`), file, values set
//! on the page ([`Saved`]), default. Every value knows its origin.
//!
//! Plain data and pure functions, except for reading the file. They run on the calling thread: the main one at start,
//! the daemon's at a reload. [`keys`] is the only table of keys. Reader, diagnostics, names of variables, defaults,
//! the shipped `config.toml`, the page of settings and the API come from it: a new key is one row there.
//!
//! ```
//! use std::path::Path;
//! use tallycam_config::Config;
//!
//! let text = "name = \"door\"\n[stream]\nquality = 70\n";
//! let config = Config::from_text(Path::new("config.toml"), text, &[], []).expect("no faults").config;
//! assert_eq!((config.name.as_str(), config.stream.quality), ("door", 70));
//!
//! let faults = Config::from_text(Path::new("config.toml"), "nmae = 1\n", &[], []).expect_err("a typing error");
//! assert!(faults.to_string().contains("did you mean"), "{faults}");
//! ```

mod default_file;
mod defaults;
mod diagnostic;
mod duration;
mod file;
mod geometry;
pub mod keys;
pub mod kind;
mod mqtt;
mod origin;
mod overrides;
mod redact;
mod resolve;
mod size;

pub use default_file::default_text;
pub use diagnostic::{Diagnostic, Diagnostics, closest_match};
pub use duration::format_duration as show_duration;
pub use duration::parse as parse_duration;
pub use geometry::{ANCHORS, LineConfig, ZoneConfig};
pub use keys::{
    AccessConfig, CountsConfig, DetectConfig, HttpConfig, LensConfig, LightsConfig, LogConfig,
    MessagesConfig, MqttConfig, PictureConfig, PowerConfig, PrivacyConfig, RecordConfig, RetentionConfig,
    SnapshotConfig, SourceConfig, StoreConfig, StreamConfig, UpdateConfig,
};
pub use kind::{MailServer, NotifyRule, RuleTo, RuleWhen};
pub use mqtt::MqttBroker;
pub use overrides::{Faulty, Saved, control_of, control_path, is_settable_on_page, quote_key_part};
pub use redact::may_be_secret;
pub use resolve::{FILES, OperatorConfig, Origin, Resolved, ResolvedSetting};
pub use size::{parse as parse_size, show_size};

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The resolved configuration: every key has a value, and every value is in its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `name`: the camera's name, shown everywhere.
    pub name: String,
    /// `[[notify]]`, in the order of the file.
    pub notify: Vec<NotifyRule>,
    /// `[source]`.
    pub source: SourceConfig,
    /// `[controls."IDENTITY"]`: controls of single cameras, by identity and name; booleans are 0 and 1.
    pub controls: BTreeMap<String, BTreeMap<String, f64>>,
    /// `[stream]`.
    pub stream: StreamConfig,
    /// `[picture]`.
    pub picture: PictureConfig,
    /// `[lens]`.
    pub lens: LensConfig,
    /// `[lights]`.
    pub lights: LightsConfig,
    /// `[detect]`.
    pub detect: DetectConfig,
    /// `[[line]]`, in the order of the file.
    pub lines: Vec<LineConfig>,
    /// `[[zone]]`, in the order of the file.
    pub zones: Vec<ZoneConfig>,
    /// `[counts]`.
    pub counts: CountsConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[snapshot]`.
    pub snapshot: SnapshotConfig,
    /// `[record]`.
    pub record: RecordConfig,
    /// `[retention]`.
    pub retention: RetentionConfig,
    /// `[privacy]`.
    pub privacy: PrivacyConfig,
    /// `[http]`.
    pub http: HttpConfig,
    /// `[access]`.
    pub access: AccessConfig,
    /// `[power]`.
    pub power: PowerConfig,
    /// `[update]`.
    pub update: UpdateConfig,
    /// `[messages]`.
    pub messages: MessagesConfig,
    /// `[mqtt]`.
    pub mqtt: MqttConfig,
    /// `[log]`.
    pub log: LogConfig,
}

/// `[source] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The first camera that works.
    Auto,
    /// A V4L2 device.
    V4l2,
    /// A camera through libcamera.
    Libcamera,
    /// A network camera.
    Url,
    /// A program that writes MJPEG to its standard output.
    Exec,
    /// Images or a clip from the file system.
    Files,
    /// The simulation.
    Sim,
}

/// `[lens] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensKind {
    /// The camera's controls, if it has any for focus.
    Auto,
    /// The camera's V4L2 controls.
    V4l2,
    /// A simulated lens.
    Sim,
    /// None: focus is set by hand at the lens.
    None,
}

/// `[lights] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LightKind {
    /// No light.
    None,
    /// NeoPixels at an SPI bus.
    Spi,
    /// NeoPixels at a PWM or PCM pin.
    Pwm,
    /// A lamp on a pin.
    Gpio,
    /// A simulated strip.
    Sim,
}

/// Order of the colours in a pixel's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColorOrder {
    /// Green, red, blue: WS2812.
    Grb,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Green, red, blue, white: SK6812.
    Grbw,
    /// Red, green, blue, white.
    Rgbw,
    /// Blue, green, red, white.
    Bgrw,
}

/// Maximum number of pixels of a strip.
pub const MOST_PIXELS: u16 = 1000;

/// Maximum number of pixel ranges with their own colour.
pub const MOST_RANGES: usize = 100;

/// Pixels with their own colour, written as `0-3 FF0000` or `7 0000FF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRange {
    /// The first pixel, from 0.
    pub from: u16,
    /// The last pixel, not before the first.
    pub to: u16,
    /// Red, green and blue.
    pub color: [u8; 3],
}

impl fmt::Display for PixelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PixelRange { from, to, color: [red, green, blue] } = self;
        write!(f, "{from}")?;
        if to > from {
            write!(f, "-{to}")?;
        }
        write!(f, " {red:02X}{green:02X}{blue:02X}")
    }
}

/// `[detect] backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectorKind {
    /// A model if one is found; motion without one and for the simulation.
    Auto,
    /// A model, through ONNX.
    Onnx,
    /// Motion detection by a background model.
    Motion,
    /// Recorded detections.
    Replay,
    /// No detection, so no counting.
    None,
}

impl StoreConfig {
    /// The state directory of `tallycam.service` (`StateDirectory=` in systemd/tallycam.service).
    pub const SERVICE: &'static str = "/var/lib/tallycam";
}

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `"0.0.0.0:8080"`, `"[::1]:80"`.
    Tcp(SocketAddr),
    /// `"https://0.0.0.0:8443"`.
    Https(SocketAddr),
    /// `"unix:/run/tallycam/http.sock"`.
    Unix(PathBuf),
}
