//! What drives a light, what it is made of, and what can be asked of an open one.

use std::path::PathBuf;

use super::order::PixelOrder;
use crate::base::json;
use crate::media::SourceError;

json::words! { StripKind { None "none", Spi "spi", Pwm "pwm", Lamp "gpio", Sim "sim" } }

/// Red, green and blue, 0–255 each.
pub type Color = [u8; 3];

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
    pub order: PixelOrder,
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
            order: PixelOrder::Grb,
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
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError>;
}
