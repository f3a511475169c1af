//! The words of keys with a choice, each with its meaning.

use super::super::{ColorOrder, DetectorKind, LensKind, LightKind, SourceKind};

/// The words of `[source] kind`.
pub const KINDS: [(&str, SourceKind); 7] = [
    ("auto", SourceKind::Auto),
    ("v4l2", SourceKind::V4l2),
    ("libcamera", SourceKind::Libcamera),
    ("url", SourceKind::Url),
    ("exec", SourceKind::Exec),
    ("files", SourceKind::Files),
    ("sim", SourceKind::Sim),
];

/// The words of `[lights] kind`.
pub(crate) const LIGHTS: [(&str, LightKind); 5] = [
    ("none", LightKind::None),
    ("spi", LightKind::Spi),
    ("pwm", LightKind::Pwm),
    ("gpio", LightKind::Gpio),
    ("sim", LightKind::Sim),
];

/// The words of `[lens] kind`.
pub(crate) const LENSES: [(&str, LensKind); 4] =
    [("auto", LensKind::Auto), ("v4l2", LensKind::V4l2), ("sim", LensKind::Sim), ("none", LensKind::None)];

/// The words of `[access] view`: true if viewing needs no password.
pub(crate) const VIEWS: [(&str, bool); 2] = [("open", true), ("password", false)];

/// The words of `[access] local`: true if a user at this machine needs no password.
pub(crate) const LOCALS: [(&str, bool); 2] = [("password", false), ("open", true)];

/// The words of `[access] claim`: true if the first browser on the network chooses the first password.
pub(crate) const CLAIMS: [(&str, bool); 2] = [("here", false), ("network", true)];

/// The words of `[detect] region`: true for the area around lines.
pub(crate) const REGIONS: [(&str, Option<bool>); 3] =
    [("auto", None), ("line", Some(true)), ("picture", Some(false))];

/// The words of `[lights] order`.
pub(crate) const ORDERS: [(&str, ColorOrder); 6] = [
    ("GRB", ColorOrder::Grb),
    ("RGB", ColorOrder::Rgb),
    ("BGR", ColorOrder::Bgr),
    ("GRBW", ColorOrder::Grbw),
    ("RGBW", ColorOrder::Rgbw),
    ("BGRW", ColorOrder::Bgrw),
];

/// The words of `[picture] scale`: the remaining eighths.
pub const SCALES: [(&str, u8); 4] = [("1", 8), ("1/2", 4), ("1/4", 2), ("1/8", 1)];

/// The words of `[lights] old_status`: true for the behaviour of the earlier program.
pub(crate) const OLD_STATUS: [(&str, bool); 2] = [("documented", false), ("program", true)];

/// The words of `[detect] backend`.
pub(crate) const DETECTORS: [(&str, DetectorKind); 5] = [
    ("auto", DetectorKind::Auto),
    ("onnx", DetectorKind::Onnx),
    ("motion", DetectorKind::Motion),
    ("replay", DetectorKind::Replay),
    ("none", DetectorKind::None),
];

/// The words of `[mqtt] picture`: true if snapshots are sent.
pub(crate) const MQTT_PICTURES: [(&str, bool); 2] = [("off", false), ("snapshot", true)];

/// The words of `[mqtt] history`: true if the first connection sends all stored crossings.
pub(crate) const MQTT_HISTORIES: [(&str, bool); 2] = [("new", false), ("all", true)];

/// The words of `[log] level`.
pub const LEVELS: [(&str, log::LevelFilter); 5] = [
    ("error", log::LevelFilter::Error),
    ("warn", log::LevelFilter::Warn),
    ("info", log::LevelFilter::Info),
    ("debug", log::LevelFilter::Debug),
    ("trace", log::LevelFilter::Trace),
];

impl SourceKind {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("auto", |(word, _)| word)
    }
}
