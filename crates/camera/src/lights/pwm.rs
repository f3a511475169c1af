//! NeoPixels at a PWM or PCM pin, through the library rs_ws281x.
//!
//! This file prepares the library's input in every build. The library itself is only part of builds with the feature
//! `pwm`: it needs git and libclang to build, and root to run.
//!
//! The library sends 3 bits at 2.4 MHz for each bit, like `Code::THREE_COLORS`, also to pixels with a white
//! light. Their data sheet wants a shorter 1, which they get over SPI (`Code::WITH_WHITE`). The library
//! orders the colours itself: a pixel is passed as blue, green, red, white (0xWWRRGGBB, lowest byte first).

// Without the feature only the tests use this file.
#![cfg_attr(not(feature = "pwm"), allow(dead_code))]

use super::order::{PixelOrder, split, without_white};
use super::{Color, Strip, StripSettings};
use crate::media::{SourceError, SourceErrorKind};

const PIN: u8 = 18;

/// Bits per second on the strip's wire.
pub(crate) const HERTZ: u32 = 800_000;

/// The DMA channel. Channel 5, a common choice, belongs to the SD card on a Pi 3.
pub(crate) const DMA: i32 = 10;

/// The library's settings of a strip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wiring {
    /// GPIO number.
    pub pin: u8,
    /// The library's channel that drives the pin, 0 or 1.
    pub channel: usize,
    /// Number of pixels.
    pub count: i32,
    /// Colour order of the pixels.
    pub order: PixelOrder,
}

/// The library's settings for a strip. The library's documentation lists the pins: PWM 0 and PCM are its first
/// channel, PWM 1 is its second.
pub(crate) fn wiring(settings: &StripSettings) -> Result<Wiring, SourceError> {
    let pin = settings.pin.unwrap_or(PIN);
    let channel = match pin {
        12 | 18 | 40 | 52 | 21 | 31 => 0,
        13 | 19 | 41 | 45 | 53 => 1,
        _ => {
            let what = format!("GPIO {pin} is no PWM or PCM pin");
            return Err(SourceError::new(SourceErrorKind::Unsupported, what)
                .hint("use 18, 12, 13, 19 or 21; for GPIO 10 choose kind = \"spi\""));
        }
    };
    let count = i32::try_from(settings.count()).unwrap_or(i32::MAX);
    Ok(Wiring { pin, channel, count, order: settings.order })
}

/// A pixel in the library's format.
pub fn raw(color: Color, order: PixelOrder) -> [u8; 4] {
    let [red, green, blue, white] = if order.has_white() { split(color) } else { without_white(color) };
    [blue, green, red, white]
}

/// Opens the strip.
#[cfg(feature = "pwm")]
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, SourceError> {
    super::ws281x::open(wiring(settings)?)
}

/// Refuses, with a hint on the build that is needed.
#[cfg(not(feature = "pwm"))]
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, SourceError> {
    wiring(settings)?;
    Err(SourceError::new(SourceErrorKind::Unsupported, "this tallycam was built without what drives PWM pins")
        .hint("choose kind = \"spi\" (GPIO 10, without root), or build it on the Pi: cargo build --release --features \
            pwm"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lights::StripKind;
    use crate::lights::code::{Code, SK6812, Sheet, WS2812B};

    #[test]
    fn pixels_have_the_librarys_format() {
        for (order, want) in [
            (PixelOrder::Grb, [100, 200, 255, 0]),
            (PixelOrder::Rgb, [100, 200, 255, 0]),
            (PixelOrder::Bgr, [100, 200, 255, 0]),
            (PixelOrder::Grbw, [0, 100, 155, 100]),
            (PixelOrder::Rgbw, [0, 100, 155, 100]),
            (PixelOrder::Bgrw, [0, 100, 155, 100]),
        ] {
            assert_eq!(raw([255, 200, 100], order), want, "{order:?}");
        }
        // The library's own examples write 0xWWRRGGBB.
        assert_eq!(u32::from_le_bytes(raw([0x12, 0x34, 0x56], PixelOrder::Grb)), 0x0012_3456);
        assert_eq!(u32::from_le_bytes(raw([0x12, 0x34, 0x56], PixelOrder::Grbw)), 0x1200_2244);
    }

    #[test]
    fn the_librarys_bits_meet_the_data_sheet() {
        // The library sends 110 and 100 at three times its frequency (SYMBOL_HIGH 0x6, SYMBOL_LOW 0x4 of its
        // ws2811.c).
        let code = Code::THREE_COLORS;
        assert_eq!((code.hertz, code.one, code.zero), (3 * HERTZ, 0x6, 0x4));
        // One of its bits lasts 1/(3 × 800 kHz).
        let ns = |bits: u32| 1e9 * f64::from(bits) / f64::from(3 * HERTZ);
        let keeps_to = |sheet: Sheet| {
            [(ns(1), sheet.t0h), (ns(2), sheet.t0l), (ns(2), sheet.t1h), (ns(1), sheet.t1l)]
                .map(|(ns, window)| window.allows(ns))
        };
        assert_eq!(keeps_to(WS2812B), [true; 4]);
        assert_eq!(
            keeps_to(SK6812),
            [true, true, false, false],
            "its 1 is longer than pixels with white want it"
        );
    }

    #[test]
    fn pins_and_their_channels() {
        let of = |pin| wiring(&StripSettings { kind: StripKind::Pwm, pin, ..StripSettings::default() });
        assert_eq!(of(None).unwrap(), Wiring { pin: 18, channel: 0, count: 16, order: PixelOrder::Grb });
        assert_eq!(of(Some(13)).unwrap().channel, 1);
        assert_eq!(of(Some(21)).unwrap().channel, 0);
        for none in [0, 10, 17, 54] {
            assert_eq!(of(Some(none)).unwrap_err().kind, SourceErrorKind::Unsupported, "{none}");
        }
    }

    #[test]
    #[cfg(not(feature = "pwm"))]
    fn without_the_library_the_hint_names_the_build() {
        let settings = StripSettings { kind: StripKind::Pwm, ..StripSettings::default() };
        let trouble = open(&settings).err().unwrap();
        assert!(trouble.hint.unwrap().contains("--features pwm"));
    }
}
