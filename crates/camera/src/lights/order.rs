//! The colour order of a pixel, and its share of white. Pure.
//!
//! A pixel with a white light shows the common part of red, green and blue as white, and the rest in colour: (255,
//! 200, 100) becomes white 100 with (155, 100, 0).

use super::Color;

/// Order of the colours in a pixel's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PixelOrder {
    /// Green, red, blue: WS2812B.
    Grb,
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
    /// Green, red, blue, white: SK6812.
    Grbw,
    /// Red, green, blue, white.
    Rgbw,
    /// Blue, green, red, white.
    Bgrw,
}

impl PixelOrder {
    /// The pixels have a white light.
    pub(crate) fn has_white(self) -> bool {
        matches!(self, PixelOrder::Grbw | PixelOrder::Rgbw | PixelOrder::Bgrw)
    }

    /// Bytes per pixel.
    pub fn bytes(self) -> usize {
        if self.has_white() { 4 } else { 3 }
    }

    /// Appends a pixel's bytes in the order of the wire.
    pub fn push(self, color: Color, out: &mut Vec<u8>) {
        let [red, green, blue, white] = if self.has_white() { split(color) } else { without_white(color) };
        match self {
            PixelOrder::Grb | PixelOrder::Grbw => out.extend([green, red, blue]),
            PixelOrder::Rgb | PixelOrder::Rgbw => out.extend([red, green, blue]),
            PixelOrder::Bgr | PixelOrder::Bgrw => out.extend([blue, green, red]),
        }
        if self.has_white() {
            out.push(white);
        }
    }
}

/// Red, green, blue and white of a pixel with a white light.
pub fn split([red, green, blue]: Color) -> [u8; 4] {
    let white = red.min(green).min(blue);
    [red - white, green - white, blue - white, white]
}

/// Red, green, blue and zero of a pixel without a white light.
pub(crate) fn without_white([red, green, blue]: Color) -> [u8; 4] {
    [red, green, blue, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_in_their_order() {
        for (order, want) in [
            (PixelOrder::Grb, &[200, 255, 100][..]),
            (PixelOrder::Rgb, &[255, 200, 100]),
            (PixelOrder::Bgr, &[100, 200, 255]),
            (PixelOrder::Grbw, &[100, 155, 0, 100]),
            (PixelOrder::Rgbw, &[155, 100, 0, 100]),
            (PixelOrder::Bgrw, &[0, 100, 155, 100]),
        ] {
            let mut out = Vec::new();
            order.push([255, 200, 100], &mut out);
            assert_eq!((out.as_slice(), out.len()), (want, order.bytes()), "{order:?}");
        }
    }

    #[test]
    fn white_is_the_common_part_of_all_colours() {
        for (color, want) in [
            ([255, 255, 255], [0, 0, 0, 255]),
            ([0, 0, 0], [0, 0, 0, 0]),
            ([255, 0, 0], [255, 0, 0, 0]),
            ([10, 20, 30], [0, 10, 20, 10]),
        ] {
            assert_eq!(split(color), want);
        }
    }
}
