//! NeoPixel strips and lamps: a scene becomes pixels, and pixels become the bytes of a strip.
//!
//! ```text
//! Scene ─► pixels (red, green, blue) ─► order, white ─► SPI bits        spi   ─► pi    rppal
//!                                    ├─► the library's values           pwm   ─► ws281x  (feature `pwm`)
//!                                    ├─► on or off                      lamp  ─► pi or chip
//!                                    └─► nothing                        sim
//! ```
//!
//! `scene`, `order` and `code` are pure. A [`Strip`] is opened, used and dropped on one thread, because some drivers
//! may not change threads. A strip does not retry: it returns a [`SourceError`], and its owner opens it again later.

mod chip;
mod code;
mod lamp;
mod order;
mod pi;
mod pwm;
mod scene;
mod sim;
mod spi;
mod strip;
#[cfg(feature = "pwm")]
mod ws281x;

use crate::media::SourceError;

pub use order::PixelOrder;
pub use scene::{LightScene, LitLight, PRESETS, Paint, pixels};
pub use spi::message;
pub use strip::{Color, Strip, StripKind, StripSettings};

/// Opens the light, on the thread that will use it. A lamp is off then; a strip shows anything until the first
/// [`Strip::show`].
///
/// # Errors
/// The cause, with a hint.
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, SourceError> {
    match settings.kind {
        StripKind::Spi => spi::open(settings),
        StripKind::Pwm => pwm::open(settings),
        StripKind::Lamp => lamp::open(settings),
        StripKind::None | StripKind::Sim => Ok(Box::new(sim::SimStrip)),
    }
}
