//! The library rs_ws281x (the only file that names it), in builds with the feature `pwm`.
//!
//! Its controller maps the machine's registers, which needs root, and writes them by DMA. It belongs to the thread
//! that opened it.

use rs_ws281x::{ChannelBuilder, Controller, ControllerBuilder, StripType, WS2811Error};

use super::order::PixelOrder;
use super::pwm::{DMA, HERTZ, Wiring, raw};
use super::{Color, Strip};
use crate::media::{SourceError, SourceErrorKind};

struct PwmStrip {
    controller: Controller,
    wiring: Wiring,
}

/// Opens the strip.
pub fn open(wiring: Wiring) -> Result<Box<dyn Strip>, SourceError> {
    let channel = ChannelBuilder::new()
        .pin(i32::from(wiring.pin))
        .count(wiring.count)
        .strip_type(strip_type(wiring.order))
        .brightness(255)
        .build();
    let built = ControllerBuilder::new().freq(HERTZ).dma(DMA).channel(wiring.channel, channel).build();
    let controller = built.map_err(|error| failure(wiring.pin, error))?;
    Ok(Box::new(PwmStrip { controller, wiring }))
}

fn strip_type(order: PixelOrder) -> StripType {
    match order {
        PixelOrder::Grb => StripType::Ws2811Grb,
        PixelOrder::Rgb => StripType::Ws2811Rgb,
        PixelOrder::Bgr => StripType::Ws2811Bgr,
        PixelOrder::Grbw => StripType::Sk6812Grbw,
        PixelOrder::Rgbw => StripType::Sk6812Rgbw,
        PixelOrder::Bgrw => StripType::Sk6812Bgrw,
    }
}

impl Strip for PwmStrip {
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError> {
        let places = self.controller.leds_mut(self.wiring.channel);
        for (place, pixel) in places.iter_mut().zip(pixels) {
            *place = raw(*pixel, self.wiring.order);
        }
        let rendered = self.controller.render().and_then(|()| self.controller.wait());
        rendered.map_err(|error| failure(self.wiring.pin, error))
    }
}

fn failure(pin: u8, error: WS2811Error) -> SourceError {
    match error {
        WS2811Error::HwNotSupported => {
            SourceError::new(SourceErrorKind::Unsupported, "this machine's PWM pins drive no strip")
                .because(error)
                .hint("a Pi 5 and machines that are no Pi take a strip at SPI only: kind = \"spi\", GPIO 10")
        }
        WS2811Error::Mmap | WS2811Error::MapRegisters | WS2811Error::MailboxDevice | WS2811Error::MemLock => {
            SourceError::new(
                SourceErrorKind::Denied,
                format!("the registers behind GPIO {pin} may not be used"),
            )
            .because(error)
            .hint("PWM needs root: see docs/lights.md; kind = \"spi\" does not")
        }
        _ => {
            SourceError::new(SourceErrorKind::Failed, format!("the strip at GPIO {pin} could not be driven"))
                .because(error)
        }
    }
}
