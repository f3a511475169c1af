//! What the API and the pages tell of the light.

use serde::Serialize;

/// A colour, as it is told.
const COLOR: &str = "^[0-9A-F]{6}$";

/// The light at one moment. Colours are `RRGGBB`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LightReport {
    /// The word of the configuration: `spi`, `pwm`, `gpio`, `sim`; `none`.
    #[schemars(extend("enum" = ["none", "spi", "pwm", "gpio", "sim"]))]
    pub kind: &'static str,
    /// Whether it has colours, and more than one pixel; else it is a lamp.
    #[serde(skip)]
    pub has_colors: bool,
    /// Whether it was switched on.
    #[serde(rename = "on")]
    pub is_on: bool,
    /// 0–255.
    pub brightness: u8,
    /// That of every pixel without a colour of its own.
    #[schemars(regex(pattern = COLOR))]
    pub color: String,
    /// Pixels with colours of their own.
    pub ranges: Vec<RangeReport>,
    /// How many pixels there are.
    pub pixels: usize,
    /// What shines: `off`, `on`, `auto` or `shot`.
    #[schemars(extend("enum" = ["off", "on", "auto", "shot"]))]
    pub shows: &'static str,
    /// What each pixel shows now.
    #[schemars(inner(regex(pattern = COLOR)))]
    pub colors: Vec<String>,
    /// Why it does not work, in a sentence.
    pub reason: Option<String>,
    /// What to do about it, in a sentence.
    pub hint: Option<String>,
    /// Whether it went on by itself; `null` where it never does.
    pub auto: Option<bool>,
    /// It goes on by itself where the picture is darker than this, of 255.
    pub auto_below: Option<f64>,
    /// How bright the picture is, of 255, where that is measured.
    pub luma: Option<f64>,
    /// Where the operator's file sets one of these, which then cannot be changed: `config.toml:12`.
    pub pinned: Option<String>,
    /// Why changes are not kept.
    pub unkept: Option<String>,
    /// Colours with a name.
    pub presets: Vec<PresetReport>,
}

/// Pixels with a colour of their own: the first of them, from 0, and the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct RangeReport {
    pub from: u16,
    pub to: u16,
    #[schemars(regex(pattern = COLOR))]
    pub color: String,
}

/// A colour with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct PresetReport {
    pub name: &'static str,
    #[schemars(regex(pattern = COLOR))]
    pub color: String,
}
