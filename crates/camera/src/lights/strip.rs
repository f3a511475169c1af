//! Kinds and settings of lights, and the trait of an open one.

use std::path::PathBuf;

use super::order::PixelOrder;
use crate::media::SourceError;
use tallycam_base::json;

json::words! { StripKind { None "none", Spi "spi", Pwm "pwm", Lamp "gpio", Sim "sim" } }

/// Red, green and blue, 0–255 each.
pub type Color = [u8; 3];

/// Kind of a light, by its driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StripKind {
    /// No light.
    None,
    /// NeoPixels at an SPI bus.
    Spi,
    /// NeoPixels at a PWM or PCM pin.
    Pwm,
    /// A lamp that a pin switches: one pixel without colour.
    Lamp,
    /// A simulated strip: only its pixels exist.
    Sim,
}

impl StripKind {
    /// The light has colours and more than one pixel.
    pub fn has_colors(self) -> bool {
        matches!(self, StripKind::Spi | StripKind::Pwm | StripKind::Sim)
    }
}

/// Settings of a light. The defaults are those of the shipped configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct StripSettings {
    /// Kind of the light.
    pub kind: StripKind,
    /// Number of pixels, 1–1000; a lamp always has one.
    pub pixels: u16,
    /// Colour order of the pixels.
    pub order: PixelOrder,
    /// The SPI bus's device; `None` means `/dev/spidev0.0`.
    pub device: Option<PathBuf>,
    /// GPIO number; `None` means 18 for `Pwm` and 17 for `Lamp`.
    pub pin: Option<u8>,
    /// The GPIO character device of a lamp's pin; `None` means a Pi's own pins.
    pub chip: Option<PathBuf>,
    /// The lamp is on while its pin is low.
    pub active_low: bool,
    /// Maximum level of a colour, 1–255.
    pub limit: u8,
    /// Exponent from the requested to the shown level, 0.2–5.
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
    /// Number of pixels.
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
    /// Shows [`StripSettings::count`] pixels. Returns when they have been sent.
    ///
    /// # Errors
    /// The strip is no longer usable; the caller drops it.
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError>;
}
