//! The configuration: the file as typed, with the place of every value; the configuration as
//! meant; and complaints that point at what is wrong.
//!
//! Order of precedence, highest first: command line (`--set`), environment (`TALLYCAM_SECTION_KEY`),
//! file, what was set on the page ([`Saved`]), default. Every value knows where it came from.
//!
//! Plain data and pure functions, except for reading the one file; lives on whichever thread asks
//! (at start the main one, at a reload the daemon's). [`keys`] is the one table of all keys: reading,
//! complaining, environment names and the shipped `config.toml` come from it, so a new key is one
//! field here and one entry there.

mod default_file;
mod defaults;
mod diagnostic;
mod duration;
mod file;
mod geometry;
pub mod keys;
pub mod kind;
mod listen;
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
use std::time::Duration;

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

/// `[source]`: which camera, and what is wanted of it.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceConfig {
    /// `kind`, default `"auto"`.
    pub kind: SourceKind,
    /// `device`: for `v4l2`: a path, a `/dev/v4l/by-id` name or an index; `None`: the first camera.
    pub device: Option<String>,
    /// `url`: for `url`.
    pub url: Option<String>,
    /// `username`, for `url`; one inside the URL counts too.
    pub username: Option<String>,
    /// `password`, for `url`.
    pub password: Option<String>,
    /// `command`: for `exec`: program and arguments (one line is split as a shell splits).
    pub command: Vec<String>,
    /// `path`: for `files`: a folder, a list or a file.
    pub path: Option<PathBuf>,
    /// `loop`, for `files`: begin again at the end; default true.
    pub looped: bool,
    /// `speed`, for `files` and `sim`: `"real"` (default: true) or `"full"` (false: as fast as it goes).
    pub real_time: bool,
    /// `seed`, for `sim`: the same number gives the same scene; default 1.
    pub seed: u64,
    /// `width`, pixels, 16–8192; `None` ("auto"): the camera's or back end's choice.
    pub width: Option<u32>,
    /// `height`, pixels, 16–8192.
    pub height: Option<u32>,
    /// `fps`, frames a second, 0.01–240.
    pub fps: Option<f64>,
    /// `format`: a fourcc in upper case; `None` ("auto").
    pub format: Option<String>,
    /// `silent_after`: a camera that sends nothing for this long is silent; default 3 s, 0.5–60 s.
    pub silent_after: Duration,
    /// `failed_reads`: so many failed reads in a row make `/health` False; default 3, 1–1000.
    pub failed_reads: u32,
    /// `[source.controls]`: camera controls to set after every open, by name; booleans are 0 and 1.
    pub controls: Vec<(String, f64)>,
}

/// `[stream]`: what viewers get.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamConfig {
    /// `quality` of pictures made from raw frames, 1–100; default 80.
    pub quality: u8,
    /// `fps`: at most so many pictures a second for everyone; `None` ("auto"): as the camera gives.
    pub fps: Option<f64>,
    /// `idle_stop`: the camera is closed so long after nobody needs it; default 30 s; `None` for `"never"`.
    pub idle_stop: Option<Duration>,
    /// `max_viewers`: streams at once; default 200, 1–10000.
    pub max_viewers: usize,
    /// `stall`: a viewer that takes nothing for so long is let go; default 5 s, 1–300 s.
    pub stall: Duration,
}

/// `[picture]`: what is done to the picture before anybody sees it. In this order: turned, mirrored and flipped, cropped,
/// made smaller, without colour, written into.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureConfig {
    /// `gray`: without colour; default false.
    pub gray: bool,
    /// `scale`: so many eighths of its width and height are left: 8 (`"1"`, the default), 4, 2 or 1.
    pub eighths: u8,
    /// `rotate`: turned clockwise by 0 (the default), 90, 180 or 270 degrees.
    pub rotate: u16,
    /// `mirror`: left and right are swapped; default false.
    pub mirror: bool,
    /// `flip`: top and bottom are swapped; default false.
    pub flip: bool,
    /// `crop`: left, top, width and height, as fractions of the turned picture, within it; `None`: all of it.
    pub crop: Option<[f64; 4]>,
    /// `text` that is written into it.
    pub text: Option<String>,
    /// `timestamp`: date and time are written into it; default false.
    pub timestamp: bool,
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

/// `[lens]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LensConfig {
    /// `kind`, default `"auto"`.
    pub kind: LensKind,
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

/// `[lights]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LightsConfig {
    /// `kind`, default `"none"`.
    pub kind: LightKind,
    /// `pixels` of the strip, 1–1000; default 16.
    pub pixels: u16,
    /// `order` of colours, default `"GRB"`.
    pub order: ColorOrder,
    /// `device` of the SPI bus, default `/dev/spidev0.0`.
    pub device: Option<PathBuf>,
    /// `pin`: a GPIO number, 0–53; `None` ("auto"): 18 for PWM, 17 for a lamp.
    pub pin: Option<u8>,
    /// `chip`: the character device of the lamp's pin; `None`: a Pi's own pins.
    pub chip: Option<PathBuf>,
    /// `active_low`: the lamp is on while the pin is low; default false.
    pub active_low: bool,
    /// `limit`: no colour is brighter, 1–255; default 255.
    pub limit: u8,
    /// `gamma`: exponent from what is asked for to what a pixel gets, 0.2–5; default 1.
    pub gamma: f64,
    /// `on`; default false.
    pub on: bool,
    /// `brightness`, 0–255; default 255.
    pub brightness: u8,
    /// `color`: red, green, blue; default white.
    pub color: [u8; 3],
    /// `ranges`: pixels with a colour of their own, later ones over earlier ones; default none.
    pub ranges: Vec<PixelRange>,
    /// `status`: the first pixel tells how things are; default false.
    pub status: bool,
    /// `shot`: full light for a snapshot; default false.
    pub shot: bool,
    /// `settle`: so long the camera adjusts to that light, 0–10 s; default 300 ms.
    pub settle: Duration,
    /// `auto_below`: the light goes on where the picture is darker, of 255; `None` ("off", the default).
    pub auto_below: Option<f64>,
    /// `old_status`: what `/light?status=` means: as the old documentation says (false, the default: `false` is on)
    /// or as the old program did (true).
    pub old_status_as_program: bool,
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

/// `[detect]`: how things are seen that are counted.
#[derive(Debug, Clone, PartialEq)]
pub struct DetectConfig {
    /// `backend`, default `"auto"`.
    pub backend: DetectorKind,
    /// `model`: a name in the folders of models, or a path; `None`: the one chosen on the page, else
    /// the shipped one.
    pub model: Option<String>,
    /// `size` at which the model looks, width and height in pixels, 64–2048; `None` ("auto"): the model's own.
    pub size: Option<(u32, u32)>,
    /// `region` that it looks at: around lines (`true`) or all of the picture; `None` ("auto"): what suits the model.
    pub at_lines: Option<bool>,
    /// `threads` of one inference, 1–16; default 1.
    pub threads: usize,
    /// `fps`: at most so many detections a second, 0.1–60; `None` ("auto"): 5 with a model, 15 with motion.
    pub fps: Option<f64>,
    /// `classes` that are counted, by name; all that the model's description names if empty.
    pub classes: Vec<String>,
    /// `score` that a detection needs to begin a track, 0.01–1; `None` ("auto"): the model's own.
    pub score: Option<f64>,
    /// `least_height` of what is followed, as a share of the picture's, 0.01–1; `None` ("auto"): any.
    pub least_height: Option<f64>,
    /// `most_height` of what is followed, likewise.
    pub most_height: Option<f64>,
    /// `replay`: recorded detections, for `replay`.
    pub replay: Option<PathBuf>,
    /// `thumbnails`: keep a small picture of whoever crosses; default false.
    pub thumbnails: bool,
}

/// `[counts]`: how counts are summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountsConfig {
    /// `time_zone`: an IANA name; `None` ("auto"): the system's.
    pub time_zone: Option<String>,
    /// `day_starts`: the hour at which a day begins, 0–23; default 0.
    pub day_starts: u8,
}

/// `[store]`: where things are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `directory`; `None`: systemd's state directory, else `unit`, else `data` in the working directory.
    pub directory: Option<PathBuf>,
    /// The state directory of the unit that runs with this file, if it is one of those in `/etc/tallycam`: no key, but known by
    /// the file's place, so that a command by hand finds what the service keeps.
    pub unit: Option<PathBuf>,
}

impl StoreConfig {
    /// The state directory of `tallycam.service` (`StateDirectory=` in systemd/tallycam.service).
    pub const SERVICE: &'static str = "/var/lib/tallycam";
}

/// `[snapshot]`: how single pictures are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// `warm_up`: frames after the camera's opening that are no snapshot yet, 0–300; default 3.
    pub warm_up: u32,
}

/// `[record]`: how recordings are made.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordConfig {
    /// `fps`: at most so many pictures a second are recorded; `None` ("auto"): every one.
    pub fps: Option<f64>,
    /// `max_duration`: a recording ends after this time; default 1 h; `None` for `"never"`.
    pub max_duration: Option<Duration>,
    /// `max_size`: a recording ends at so many bytes; `None` ("unlimited", the default).
    pub max_size: Option<u64>,
    /// `pre_roll`: so much of what was before goes into a recording; default 0 s, 0–60 s.
    pub pre_roll: Duration,
    /// `on_crossing`: names of lines whose crossings start a recording; `*` for all; default none.
    pub on_crossing: Vec<String>,
    /// `after_crossing`: such a recording ends so long after the last crossing; default 10 s, 1–600 s.
    pub after_crossing: Duration,
}

/// `[retention]`: what is kept how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionConfig {
    /// `snapshots_age`: snapshots older than this go; `None` for `"never"`, the default.
    pub snapshots_age: Option<Duration>,
    /// `snapshots_size`: snapshots together are at most so many bytes; `None` ("unlimited", the default).
    pub snapshots_size: Option<u64>,
    /// `recordings_age`: recordings older than this go; `None` for `"never"`, the default.
    pub recordings_age: Option<Duration>,
    /// `recordings_size`: recordings together are at most so many bytes; `None` ("unlimited", the default).
    pub recordings_size: Option<u64>,
    /// `min_free`: the file system keeps so many bytes free; default 500 MB; 0: none.
    pub min_free: u64,
}

/// `[privacy]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivacyConfig {
    /// `counts_only`: no picture is kept or served; default false.
    pub counts_only: bool,
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

/// `[http]`.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpConfig {
    /// `listen`, default `["0.0.0.0:8080"]`; sockets handed over by systemd replace it.
    pub listen: Vec<Listen>,
    /// `certificate`, a file, for HTTPS; `None`, the default: one of tallycam's own making.
    pub certificate: Option<PathBuf>,
    /// `key`, the file of its private key; there is none without the other.
    pub key: Option<PathBuf>,
    /// `redirect`: where HTTPS is listened for, plain HTTP leads there; default true.
    pub redirect: bool,
    /// `max_connections` at once, default 512, 1–20000.
    pub max_connections: usize,
    /// `max_head`, bytes of a request head, default 8192 (the smallest), up to 65536.
    pub max_head: usize,
    /// `head_timeout`: a request head must be complete in this time; default 10 s, 1–300 s.
    pub head_timeout: Duration,
    /// `keep_alive`: an idle connection is closed after this time; default 60 s, 1–3600 s.
    pub keep_alive: Duration,
    /// `allow_origins`: pages of these origins may read pictures and counts; default none.
    pub allow_origins: Vec<String>,
    /// `names` that this machine answers to, beside those that no resolver outside leads here; default none.
    pub names: Vec<String>,
}

/// `[access]`: who may change something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessConfig {
    /// `session`: who signs in on the page stays signed in for so long; default 30 days, 1 h to 1000 days.
    pub session: Duration,
    /// `view`: "open" where to look takes no password; the default is that, and "password" with `claim` "network".
    pub is_view_open: bool,
    /// `local`: "open" where programs of this machine need no password over TCP, either; default "password".
    pub is_local_open: bool,
    /// `claim`: "network" where the first browser on the local network chooses the first password; default "here".
    pub is_claimed_by_network: bool,
}

/// `[power]`: switching the machine off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PowerConfig {
    /// `key` that `/shutdown?key=` and `/reboot?key=` ask for; `None`, the default: they answer to no key.
    pub key: Option<String>,
}

/// `[update]`: other versions of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateConfig {
    /// `key` of minisign that updates are signed with; `None`, the default: the page takes none.
    pub key: Option<String>,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// `level`: error, warn, info (default), debug, trace.
    pub level: log::LevelFilter,
}
