//! A lamp on a GPIO pin, without dimming: it is on unless its one pixel is black.

use super::chip::ChipPin;
use super::pi::PiPin;
use super::{Color, Strip, StripSettings};
use crate::media::SourceError;

const PIN: u8 = 17;

enum Lamp {
    /// A Pi's own pin; true if the pin is low while the lamp is on.
    Pi(PiPin, bool),
    /// A line of a GPIO chip, which handles `active_low` itself.
    Chip(ChipPin),
}

/// Opens the lamp, switched off.
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, SourceError> {
    let pin = settings.pin.unwrap_or(PIN);
    Ok(Box::new(match &settings.chip {
        Some(chip) => Lamp::Chip(ChipPin::open(chip, pin, settings.active_low)?),
        None => Lamp::Pi(PiPin::open(pin, settings.active_low)?, settings.active_low),
    }))
}

fn is_lit(pixels: &[Color]) -> bool {
    pixels.iter().flatten().any(|value| *value > 0)
}

impl Strip for Lamp {
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError> {
        let is_on = is_lit(pixels);
        match self {
            Lamp::Pi(pin, active_low) => {
                pin.set(is_on != *active_low);
                Ok(())
            }
            Lamp::Chip(pin) => pin.set(is_on),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lights::StripKind;
    use crate::media::SourceErrorKind;

    #[test]
    fn anything_but_black_is_on() {
        assert!(!is_lit(&[[0; 3]]) && !is_lit(&[]));
        assert!(is_lit(&[[0, 0, 1]]));
    }

    #[test]
    fn a_machine_without_pins_says_so() {
        let lamp = StripSettings { kind: StripKind::Lamp, ..StripSettings::default() };
        if !std::path::Path::new("/proc/device-tree/model").exists() {
            let trouble = open(&lamp).err().unwrap();
            assert_eq!(trouble.kind, SourceErrorKind::Absent, "{trouble}");
        }
        let chip = Some("/dev/gpiochip999".into());
        assert_eq!(open(&StripSettings { chip, ..lamp }).err().unwrap().kind, SourceErrorKind::Absent);
    }
}
