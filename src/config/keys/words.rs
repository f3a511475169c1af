//! The words that keys with a choice take, each table beside what its words mean.

use super::super::{ColorOrder, DetectorKind, LensKind, LightKind, SourceKind};

/// The words of a table, in its order.
const fn table_words<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        words[at] = table[at].0;
        at += 1;
    }
    words
}

/// The words of `[source] kind`, and what they mean.
pub const KINDS: [(&str, SourceKind); 7] = [
    ("auto", SourceKind::Auto),
    ("v4l2", SourceKind::V4l2),
    ("libcamera", SourceKind::Libcamera),
    ("url", SourceKind::Url),
    ("exec", SourceKind::Exec),
    ("files", SourceKind::Files),
    ("sim", SourceKind::Sim),
];

/// The words of `[lights] kind`, and what they mean.
pub const LIGHTS: [(&str, LightKind); 5] = [
    ("none", LightKind::None),
    ("spi", LightKind::Spi),
    ("pwm", LightKind::Pwm),
    ("gpio", LightKind::Gpio),
    ("sim", LightKind::Sim),
];

pub const LIGHT_WORDS: [&str; LIGHTS.len()] = table_words(&LIGHTS);

/// The words of `[lens] kind`, and what they mean.
pub const LENSES: [(&str, LensKind); 4] =
    [("auto", LensKind::Auto), ("v4l2", LensKind::V4l2), ("sim", LensKind::Sim), ("none", LensKind::None)];

pub const LENS_WORDS: [&str; LENSES.len()] = table_words(&LENSES);

/// The words of `[access] view`: whether to look takes no password.
pub const VIEWS: [(&str, bool); 2] = [("open", true), ("password", false)];

pub const VIEW_WORDS: [&str; VIEWS.len()] = table_words(&VIEWS);

/// The words of `[access] local`: whether who sits at this machine needs no password.
pub const LOCALS: [(&str, bool); 2] = [("password", false), ("open", true)];

pub const LOCAL_WORDS: [&str; LOCALS.len()] = table_words(&LOCALS);

/// The words of `[access] claim`: whether the first browser on the network chooses the first password.
pub const CLAIMS: [(&str, bool); 2] = [("here", false), ("network", true)];

pub const CLAIM_WORDS: [&str; CLAIMS.len()] = table_words(&CLAIMS);

/// The words of `[detect] region`, and whether it is what is around lines.
pub const REGIONS: [(&str, Option<bool>); 3] =
    [("auto", None), ("line", Some(true)), ("picture", Some(false))];

pub const REGION_WORDS: [&str; REGIONS.len()] = table_words(&REGIONS);

/// The words of `[lights] order`.
pub const ORDERS: [(&str, ColorOrder); 6] = [
    ("GRB", ColorOrder::Grb),
    ("RGB", ColorOrder::Rgb),
    ("BGR", ColorOrder::Bgr),
    ("GRBW", ColorOrder::Grbw),
    ("RGBW", ColorOrder::Rgbw),
    ("BGRW", ColorOrder::Bgrw),
];

pub const ORDER_WORDS: [&str; ORDERS.len()] = table_words(&ORDERS);

/// The words of `[picture] scale`: the eighths that are left.
pub const SCALES: [(&str, u8); 4] = [("1", 8), ("1/2", 4), ("1/4", 2), ("1/8", 1)];
pub const SCALE_WORDS: [&str; SCALES.len()] = table_words(&SCALES);

/// `[picture] rotate`: degrees, clockwise.
pub const ANGLES: [i64; 4] = [0, 90, 180, 270];

/// The words of `[lights] old_status`.
pub const OLD_STATUS_WORDS: [&str; 2] = ["documented", "program"];

/// The words of `[detect] backend`, and what they mean.
pub const DETECTORS: [(&str, DetectorKind); 5] = [
    ("auto", DetectorKind::Auto),
    ("onnx", DetectorKind::Onnx),
    ("motion", DetectorKind::Motion),
    ("replay", DetectorKind::Replay),
    ("none", DetectorKind::None),
];

pub const DETECTOR_WORDS: [&str; DETECTORS.len()] = table_words(&DETECTORS);

pub const KIND_WORDS: [&str; KINDS.len()] = table_words(&KINDS);

pub const LEVELS: [log::LevelFilter; 5] = [
    log::LevelFilter::Error,
    log::LevelFilter::Warn,
    log::LevelFilter::Info,
    log::LevelFilter::Debug,
    log::LevelFilter::Trace,
];

pub const LEVEL_WORDS: [&str; LEVELS.len()] = ["error", "warn", "info", "debug", "trace"];

impl SourceKind {
    /// Its word in the configuration.
    pub fn as_str(self) -> &'static str {
        KINDS.iter().find(|(_, kind)| *kind == self).map_or("auto", |(word, _)| word)
    }
}
