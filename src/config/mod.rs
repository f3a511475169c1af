//! The configuration: the file as typed, with the place of every value; the configuration as
//! meant; and complaints that point at what is wrong.
//!
//! Order of precedence, highest first: command line (`--set`), environment (`TALLYCAM_SECTION_KEY`),
//! file, what was set on the page ([`Saved`]), default. Every value knows where it came from.
//!
//! Plain data and pure functions, except for reading the one file; lives on whichever thread asks
//! (at start the main one, at a reload the daemon's). [`keys`] is the one table of all keys: reading,
//! complaining, environment names, defaults, the shipped `config.toml`, the page of settings and the API
//! come from it, so a new key is one row there.

mod default_file;
mod defaults;
mod diagnostic;
mod duration;
mod file;
mod geometry;
pub mod keys;
pub mod kind;
mod origin;
mod overrides;
mod redact;
mod resolve;
mod size;

pub use default_file::default_text;
pub use diagnostic::{Diagnostic, Diagnostics, closest_match};
pub use duration::format_duration as show_duration;
pub use duration::parse as parse_duration;
pub use geometry::{ANCHORS, LineConfig, RECROSSINGS, ZoneConfig};
pub use keys::{
    AccessConfig, CountsConfig, DetectConfig, HttpConfig, LensConfig, LightsConfig, LogConfig, PictureConfig,
    PowerConfig, PrivacyConfig, RecordConfig, RetentionConfig, SnapshotConfig, SourceConfig, StoreConfig,
    StreamConfig, UpdateConfig,
};
pub use overrides::{
    Faulty, Saved, WrongChange, control_of, control_path, is_settable_on_page, quote_key_part,
};
pub use redact::may_be_secret;
pub use resolve::{FILES, OperatorConfig, Origin, Resolved, ResolvedSetting};
pub use size::format_size as show_size;
pub use size::parse as parse_size;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The configuration as meant: every key has a value, every value is in its range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `name`: the camera's name, a label everywhere.
    pub name: String,
    /// `[source]`.
    pub source: SourceConfig,
    /// `[controls."IDENTITY"]`: controls of certain cameras, by identity and name; booleans are 0 and 1.
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
    /// Pictures or a clip from the file system.
    Files,
    /// The simulated scene.
    Sim,
}

/// `[lens] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LensKind {
    /// As the camera offers it.
    Auto,
    /// By its V4L2 controls.
    V4l2,
    /// A simulated one.
    Sim,
    /// It is set by hand.
    None,
}

/// `[lights] kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LightKind {
    /// There is no light.
    None,
    /// NeoPixels at an SPI bus.
    Spi,
    /// NeoPixels at a PWM or PCM pin.
    Pwm,
    /// A lamp that a pin switches.
    Gpio,
    /// A simulated strip.
    Sim,
}

/// In which order a pixel takes its colours.
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

/// A strip has at most so many pixels.
pub const MOST_PIXELS: u16 = 1000;

/// At most so many ranges of pixels have a colour of their own.
pub const MOST_RANGES: usize = 100;

/// Pixels with a colour of their own. Written as `0-3 FF0000`, or `7 0000FF`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PixelRange {
    /// The first of them, from 0.
    pub from: u16,
    /// The last of them, not before the first.
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
    /// A model where one is found, motion for the simulated scene and where none is.
    Auto,
    /// A model, through ONNX.
    Onnx,
    /// A background model: counts what moves.
    Motion,
    /// Recorded detections.
    Replay,
    /// Nothing is counted.
    None,
}

impl StoreConfig {
    /// The state directory of `tallycam.service` (`StateDirectory=` in systemd/tallycam.service).
    pub const SERVICE: &'static str = "/var/lib/tallycam";
}

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `"0.0.0.0:8080"`, `"[::1]:80"`.
    Tcp(SocketAddr),
    /// `"https://0.0.0.0:8443"`.
    Https(SocketAddr),
    /// `"unix:/run/tallycam/http.sock"`.
    Unix(PathBuf),
}
