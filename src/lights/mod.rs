//! Strips of NeoPixels and lamps: what is to shine becomes pixels, and pixels become what a strip is sent.
//!
//! ```text
//! Scene ─► pixels (red, green, blue) ─► order, white ─► SPI bits        spi   ─► pi    rppal
//!                                    ├─► the library's values           pwm   ─► ws281x  (feature `pwm`)
//!                                    ├─► on or off                      lamp  ─► pi or chip
//!                                    └─► nothing                        sim
//! ```
//!
//! `scene`, `order` and `code` are pure. A [`Strip`] is opened, used and dropped on one thread (what drives it may not
//! change threads). Retrying is not its business: it says what is wrong as a [`Trouble`], and is opened anew later.

mod chip;
mod code;
mod lamp;
mod order;
mod pi;
mod pwm;
mod scene;
mod sim;
mod spi;
#[cfg(feature = "pwm")]
mod ws281x;

use std::path::PathBuf;

use crate::media::Trouble;

pub use code::{Code, SK6812, Sheet, WS2812B, Window};
pub use order::Order;
pub use scene::{Color, Light, PRESETS, Paint, STATUS_BRIGHTNESS, Scene, level, pixels};
pub use spi::{DEFAULT_BUFFER, message};

/// What drives the light.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripKind {
    /// There is none.
    None,
    /// NeoPixels at an SPI bus.
    Spi,
    /// NeoPixels at a PWM or PCM pin.
    Pwm,
    /// A lamp that a pin switches: one pixel without colour.
    Lamp,
    /// Nothing but its pixels.
    Sim,
}

impl StripKind {
    /// The word of the configuration.
    pub fn word(self) -> &'static str {
        match self {
            StripKind::None => "none",
            StripKind::Spi => "spi",
            StripKind::Pwm => "pwm",
            StripKind::Lamp => "gpio",
            StripKind::Sim => "sim",
        }
    }

    /// Whether it has colours, and more than one pixel.
    pub fn has_colors(self) -> bool {
        matches!(self, StripKind::Spi | StripKind::Pwm | StripKind::Sim)
    }
}

/// What the light is made of. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct StripSettings {
    /// What drives it.
    pub kind: StripKind,
    /// Pixels, 1–1000; of a lamp one whatever this says.
    pub pixels: u16,
    /// In which order a pixel takes its colours.
    pub order: Order,
    /// The SPI bus's device; `None`: `/dev/spidev0.0`.
    pub device: Option<PathBuf>,
    /// The GPIO number; `None`: 18 for `Pwm`, 17 for `Lamp`.
    pub pin: Option<u8>,
    /// The GPIO character device of a lamp's pin; `None`: a Pi's own pins.
    pub chip: Option<PathBuf>,
    /// A lamp is on while its pin is low.
    pub active_low: bool,
    /// Nothing is brighter, 1–255.
    pub limit: u8,
    /// Exponent from what is asked for to what a pixel gets, 0.2–5.
    pub gamma: f64,
}

impl Default for StripSettings {
    fn default() -> StripSettings {
        StripSettings {
            kind: StripKind::None,
            pixels: 16,
            order: Order::Grb,
            device: None,
            pin: None,
            chip: None,
            active_low: false,
            limit: 255,
            gamma: 1.0,
        }
    }
}

impl StripSettings {
    /// How many pixels it has.
    pub fn count(&self) -> usize {
        match self.kind {
            StripKind::None => 0,
            StripKind::Lamp => 1,
            _ => usize::from(self.pixels),
        }
    }
}

/// An open light.
pub trait Strip {
    /// Has it show these pixels, of which there are [`StripSettings::count`]. Returns when they have been sent.
    ///
    /// # Errors
    /// It is of no more use and is to be dropped.
    fn show(&mut self, pixels: &[Color]) -> Result<(), Trouble>;
}

/// Opens the light, on the thread that will use it. What it shows until the first [`Strip::show`] is its own affair; a
/// lamp is off.
///
/// # Errors
/// What is wrong, and what to do about it.
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, Trouble> {
    match settings.kind {
        StripKind::Spi => spi::open(settings),
        StripKind::Pwm => pwm::open(settings),
        StripKind::Lamp => lamp::open(settings),
        StripKind::None | StripKind::Sim => Ok(Box::new(sim::SimStrip)),
    }
}
