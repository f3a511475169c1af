//! What a page shows of the light, as plain data.

/// The light at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LightFacts {
    /// The word of the configuration: `spi`, `pwm`, `gpio`, `sim`.
    pub kind: &'static str,
    /// Whether it has colours, and more than one pixel; else it is a lamp.
    pub has_colors: bool,
    /// Whether it was switched on.
    pub is_on: bool,
    /// 0–255.
    pub brightness: u8,
    /// Red, green, blue of every pixel without a colour of its own.
    pub color: [u8; 3],
    /// Pixels with colours of their own.
    pub ranges: Vec<LightRange>,
    /// How many pixels there are.
    pub pixels: usize,
    /// What each of them shows now.
    pub colors: Vec<[u8; 3]>,
    /// Colours with a name.
    pub presets: Vec<(&'static str, [u8; 3])>,
    /// What shines: `off`, `on`, `auto` or `shot`.
    pub shows: &'static str,
    /// Why it does not work, in a sentence; empty when it does.
    pub reason: String,
    /// What to do about it, in a sentence; may be empty.
    pub hint: String,
    /// It goes on by itself where the picture is darker than this, of 255.
    pub auto_below: Option<f64>,
    /// How bright the picture is, of 255, where that is measured.
    pub luma: Option<f64>,
    /// Where the operator's file sets one of these, which then cannot be changed: `config.toml:12`.
    pub pinned: Option<String>,
}

/// Pixels with a colour of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LightRange {
    /// The first of them, from 0.
    pub from: u16,
    /// The last of them.
    pub to: u16,
    /// Red, green, blue.
    pub color: [u8; 3],
}
