//! NeoPixels at an SPI bus. The data line (MOSI, GPIO 10) is the strip's wire; clock and chip select stay open. No
//! root is needed: the group `spi` may use the bus.
//!
//! A message is sent in one transfer or refused. A message longer than the driver's buffer (`spidev.bufsiz`) would
//! pause in the middle, and the strip would take that for its end.

use std::path::Path;

use super::code::Code;
use super::order::PixelOrder;
use super::pi::SpiBus;
use super::{Color, Strip, StripSettings};
use crate::media::{SourceError, SourceErrorKind};

const DEVICE: &str = "/dev/spidev0.0";

/// The driver's default buffer size in bytes.
pub(crate) const DEFAULT_BUFFER: usize = 4096;

/// File with the driver's buffer size.
const BUFFER: &str = "/sys/module/spidev/parameters/bufsiz";

struct SpiStrip {
    bus: SpiBus,
    order: PixelOrder,
    colors: Vec<u8>,
    sent: Vec<u8>,
}

fn code(order: PixelOrder) -> Code {
    if order.has_white() { Code::WITH_WHITE } else { Code::THREE_COLORS }
}

/// All bytes of a message on the bus.
pub fn message(pixels: &[Color], order: PixelOrder) -> Vec<u8> {
    let (mut colors, mut sent) = (Vec::new(), Vec::new());
    encode_pixels(pixels, order, &mut colors, &mut sent);
    sent
}

fn encode_pixels(pixels: &[Color], order: PixelOrder, colors: &mut Vec<u8>, sent: &mut Vec<u8>) {
    colors.clear();
    for pixel in pixels {
        order.push(*pixel, colors);
    }
    code(order).encode(colors, sent);
}

/// Opens the strip.
pub fn open(settings: &StripSettings) -> Result<Box<dyn Strip>, SourceError> {
    let order = settings.order;
    let buffer = std::fs::read_to_string(BUFFER).ok().and_then(|text| text.trim().parse().ok());
    check_fits_buffer(settings.count(), order, buffer.unwrap_or(DEFAULT_BUFFER))?;
    let device = settings.device.as_deref().unwrap_or(Path::new(DEVICE));
    let bus = SpiBus::open(device, code(order).hertz)?;
    Ok(Box::new(SpiStrip { bus, order, colors: Vec::new(), sent: Vec::new() }))
}

/// Refuses a number of pixels that does not fit the driver's buffer in one transfer.
fn check_fits_buffer(pixels: usize, order: PixelOrder, buffer: usize) -> Result<(), SourceError> {
    let len = code(order).len(pixels * order.bytes());
    if len <= buffer {
        return Ok(());
    }
    let most = (0..pixels).rev().find(|fewer| code(order).len(fewer * order.bytes()) <= buffer).unwrap_or(0);
    let what = format!(
        "{pixels} pixels need {len} bytes in one piece, and the SPI driver takes {buffer}, which is {most} pixels"
    );
    let enough = len.next_power_of_two();
    Err(SourceError::new(SourceErrorKind::Unsupported, what).hint(format!(
        "add spidev.bufsiz={enough} to the line in /boot/firmware/cmdline.txt and restart the machine"
    )))
}

impl Strip for SpiStrip {
    fn show(&mut self, pixels: &[Color]) -> Result<(), SourceError> {
        encode_pixels(pixels, self.order, &mut self.colors, &mut self.sent);
        self.bus.send(&self.sent)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The bytes between the leading and the trailing low.
    fn between(pixels: &[Color], order: PixelOrder) -> String {
        let message = message(pixels, order);
        let rest = code(order).idle_bytes();
        let (begin, end) = (&message[..rest], message.len() - rest);
        assert!(begin.iter().chain(&message[end..]).all(|byte| *byte == 0));
        hex(&message[rest..end])
    }

    /// The bits of known colours: `100` or `1000` for 0, `110` or `1100` for 1.
    #[test]
    fn known_colours_bit_for_bit() {
        let pixel = [0xff, 0x80, 0x01];
        // Red, green and blue with three colours; then the same after the common part (01) has become white.
        let [ff, x80, x01, x00] = ["db6db6", "d24924", "924926", "924924"];
        let [w_fe, w_7f, w_00, w_01] = ["ccccccc8", "8ccccccc", "88888888", "8888888c"];
        for (order, want) in [
            (PixelOrder::Grb, [x80, ff, x01].concat()),
            (PixelOrder::Rgb, [ff, x80, x01].concat()),
            (PixelOrder::Bgr, [x01, x80, ff].concat()),
            (PixelOrder::Grbw, [w_7f, w_fe, w_00, w_01].concat()),
            (PixelOrder::Rgbw, [w_fe, w_7f, w_00, w_01].concat()),
            (PixelOrder::Bgrw, [w_00, w_7f, w_fe, w_01].concat()),
        ] {
            assert_eq!(between(&[pixel], order), want, "{order:?}");
        }
        let red_then_dark = [x00, ff, x00, x00, x00, x00].concat();
        assert_eq!(between(&[[255, 0, 0], [0; 3]], PixelOrder::Grb), red_then_dark);
        assert_eq!(between(&[[255; 3]], PixelOrder::Grbw), "888888888888888888888888cccccccc");
    }

    #[test]
    fn a_message_longer_than_the_buffer_is_refused_with_a_hint() {
        assert!(check_fits_buffer(435, PixelOrder::Grb, 4096).is_ok());
        assert!(check_fits_buffer(241, PixelOrder::Grbw, 4096).is_ok());
        assert!(check_fits_buffer(1000, PixelOrder::Grbw, 16384).is_ok());
        let refused = check_fits_buffer(436, PixelOrder::Grb, 4096).unwrap_err();
        assert_eq!(refused.kind, SourceErrorKind::Unsupported);
        assert!(refused.what.starts_with("436 pixels need 4104 bytes"), "{refused}");
        assert!(refused.what.ends_with("takes 4096, which is 435 pixels"), "{refused}");
        assert!(refused.hint.unwrap().contains("spidev.bufsiz=8192 "));
        assert_eq!(message(&vec![[0; 3]; 435], PixelOrder::Grb).len(), 4095);
    }

    #[test]
    fn a_missing_bus_is_reported_with_a_hint() {
        let device = Some("/dev/spidev9.9".into());
        let settings = StripSettings { kind: super::super::StripKind::Spi, device, ..Default::default() };
        let Err(trouble) = open(&settings) else { panic!("there is none") };
        assert!(
            trouble.kind == SourceErrorKind::Absent || trouble.kind == SourceErrorKind::Unsupported,
            "{trouble}"
        );
        let device = Some("/dev/spidev6.2".into());
        let Err(trouble) = open(&StripSettings { device, ..settings }) else { panic!("there is none") };
        assert_eq!(trouble.kind, SourceErrorKind::Absent, "{trouble}");
        assert!(trouble.hint.unwrap().contains("dtparam=spi=on"));
    }
}
