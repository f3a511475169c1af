//! The light as the API and the pages show it.

use serde::Serialize;

/// Pattern of a colour in reports.
const COLOR: &str = "^[0-9A-F]{6}$";

/// The light at one moment. Colours are `RRGGBB`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, schemars::JsonSchema)]
pub struct LightReport {
    /// The word of the configuration: `spi`, `pwm`, `gpio`, `sim`; `none`.
    #[schemars(extend("enum" = ["none", "spi", "pwm", "gpio", "sim"]))]
    pub kind: &'static str,
    /// True for a strip with colours and several pixels, false for a lamp.
    #[serde(skip)]
    pub has_colors: bool,
    /// Whether it was switched on.
    #[serde(rename = "on")]
    pub is_on: bool,
    /// 0–255.
    pub brightness: u8,
    /// Colour of all pixels outside `ranges`.
    #[schemars(regex(pattern = COLOR))]
    pub color: String,
    /// Pixels with colours of their own.
    pub ranges: Vec<RangeReport>,
    /// How many pixels there are.
    pub pixels: usize,
    /// The light's mode now: `off`, `on`, `auto` or `shot`.
    #[schemars(extend("enum" = ["off", "on", "auto", "shot"]))]
    pub shows: &'static str,
    /// The present colour of each pixel.
    #[schemars(inner(regex(pattern = COLOR)))]
    pub colors: Vec<String>,
    /// Why it does not work, in a sentence.
    pub reason: Option<String>,
    /// The remedy, in a sentence.
    pub hint: Option<String>,
    /// It is on automatically; `null` if it never is.
    pub auto: Option<bool>,
    /// It switches on automatically if the picture is darker than this, of 255.
    pub auto_below: Option<f64>,
    /// Brightness of the picture, of 255, if measured.
    pub luma: Option<f64>,
    /// The place in the operator's file that pins one of these: `config.toml:12`.
    pub pinned: Option<String>,
    /// Why changes are not stored.
    pub unsaved: Option<String>,
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
