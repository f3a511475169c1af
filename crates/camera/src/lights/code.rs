//! Encoding of bits for a NeoPixel's single wire. A bit is a high pulse and a low pulse whose lengths tell 0 from 1.
//! An SPI bus sends them as several SPI bits each. Pure.
//!
//! Sources:
//!
//! - Worldsemi WS2812B data sheet: T0H 0.4, T0L 0.85, T1H 0.8, T1L 0.45 µs, each ± 150 ns. Reset above 50 µs, since
//!   2017 above 280 µs.
//! - Opsco SK6812RGBW data sheet: T0H 0.3, T0L 0.9, T1H 0.6, T1L 0.6 µs, each ± 150 ns. Reset above 80 µs.

/// The range of a pulse length in a data sheet, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    /// Shortest.
    pub least: u32,
    /// Longest.
    pub most: u32,
}

impl Window {
    const fn tolerance_around(middle: u32) -> Window {
        Window { least: middle - 150, most: middle + 150 }
    }

    /// True if a pulse of `ns` nanoseconds is within the range.
    #[cfg(test)]
    pub(crate) fn allows(self, ns: f64) -> bool {
        (f64::from(self.least)..=f64::from(self.most)).contains(&ns)
    }
}

/// Pulse lengths of a data sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sheet {
    /// High time of a 0.
    pub t0h: Window,
    /// Low time of a 0.
    pub t0l: Window,
    /// High time of a 1.
    pub t1h: Window,
    /// Low time of a 1.
    pub t1l: Window,
    /// A longer low ends a message, nanoseconds. The longest value of all revisions.
    pub reset_ns: u32,
}

/// Pixels with three colours.
pub(crate) const WS2812B: Sheet = Sheet {
    t0h: Window::tolerance_around(400),
    t0l: Window::tolerance_around(850),
    t1h: Window::tolerance_around(800),
    t1l: Window::tolerance_around(450),
    reset_ns: 280_000,
};

/// Pixels with a white light.
pub(crate) const SK6812: Sheet = Sheet {
    t0h: Window::tolerance_around(300),
    t0l: Window::tolerance_around(900),
    t1h: Window::tolerance_around(600),
    t1l: Window::tolerance_around(600),
    reset_ns: 80_000,
};

/// Encoding of bits for SPI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Code {
    /// Requested clock of the bus, hertz.
    pub hertz: u32,
    /// SPI bits per bit.
    pub bits: u32,
    /// SPI bits of a 0: high for one of them.
    pub zero: u8,
    /// SPI bits of a 1: high for two of them.
    pub one: u8,
    /// Low time before and after the bits, nanoseconds: more than a reset needs.
    pub rest_ns: u32,
    /// The data sheet that this encoding meets.
    pub sheet: Sheet,
}

impl Code {
    /// For pixels with three colours: 3 SPI bits of 417 ns.
    pub(crate) const THREE_COLORS: Code =
        Code { hertz: 2_400_000, bits: 3, zero: 0b100, one: 0b110, rest_ns: 300_000, sheet: WS2812B };

    /// For pixels with a white light, whose 1 is shorter: 4 SPI bits of 312.5 ns.
    pub(crate) const WITH_WHITE: Code =
        Code { hertz: 3_200_000, bits: 4, zero: 0b1000, one: 0b1100, rest_ns: 300_000, sheet: SK6812 };

    /// Low bytes before the first bit and after the last. A bus may rest high: without the reset the first bit would
    /// start inside a pulse.
    pub(crate) fn idle_bytes(&self) -> usize {
        let bits = u64::from(self.rest_ns) * u64::from(self.hertz) / 1_000_000_000;
        usize::try_from(bits.div_ceil(8)).unwrap_or(usize::MAX)
    }

    /// Bytes on the bus for `bytes` of pixel data, with the low bytes before and after.
    pub fn len(&self, bytes: usize) -> usize {
        bytes * self.bits as usize + 2 * self.idle_bytes()
    }

    /// Encodes `bytes`, highest bit first: low, the bits, low.
    pub fn encode(&self, bytes: &[u8], out: &mut Vec<u8>) {
        out.clear();
        out.resize(self.idle_bytes(), 0);
        for byte in bytes {
            // 8 bits become 24 or 32, so the result has whole bytes.
            let mut coded = 0_u32;
            for bit in (0..8).rev() {
                let code = if byte >> bit & 1 == 1 { self.one } else { self.zero };
                coded = coded << self.bits | u32::from(code);
            }
            let coded = coded.to_be_bytes();
            out.extend(&coded[4 - self.bits as usize..]);
        }
        out.resize(out.len() + self.idle_bytes(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The runs of equal bits on the bus: level and number of SPI bits.
    fn runs(bytes: &[u8]) -> Vec<(bool, u32)> {
        let mut runs: Vec<(bool, u32)> = Vec::new();
        for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1 == 1)) {
            match runs.last_mut() {
                Some((level, many)) if *level == bit => *many += 1,
                _ => runs.push((bit, 1)),
            }
        }
        runs
    }

    /// The real clock of a bus: its input divided by an even number, never faster than requested.
    ///
    /// Drivers: spi-bcm2835 of the Pis up to 4, spi-dw of the Pi 5.
    fn real_hertz(input: u32, asked: u32) -> f64 {
        let divider = input.div_ceil(asked);
        f64::from(input) / f64::from(divider + divider % 2)
    }

    /// Every pulse on the bus meets the data sheet, with every Pi's input clock.
    #[test]
    fn pulse_lengths_meet_the_data_sheet() {
        // 250 MHz: core_freq=250 (Pi 3, Zero 2); 400: their default; 500: Pi 4; 200: RP1 of the Pi 5.
        for input in [200_000_000, 250_000_000, 400_000_000, 500_000_000] {
            for code in [Code::THREE_COLORS, Code::WITH_WHITE] {
                let bit_ns = 1e9 / real_hertz(input, code.hertz);
                let mut sent = Vec::new();
                let bytes: Vec<u8> = (0..=255).collect();
                code.encode(&bytes, &mut sent);
                let runs = runs(&sent);
                assert_eq!(runs.len(), 2 + 256 * 8 * 2 - 1, "a high and a low for each bit");
                let bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
                for (number, bit) in bits.enumerate() {
                    let [(true, high), (false, low)] = runs[1 + number * 2..][..2] else {
                        panic!("bit {number} is not high and then low")
                    };
                    let (high, low) = (f64::from(high) * bit_ns, f64::from(low) * bit_ns);
                    let (sheet, is_last) = (code.sheet, number == 256 * 8 - 1);
                    let (t_high, t_low) =
                        if bit == 1 { (sheet.t1h, sheet.t1l) } else { (sheet.t0h, sheet.t0l) };
                    assert!(t_high.allows(high), "{bit} is high for {high} ns at {input} Hz");
                    if is_last {
                        assert!(low > f64::from(sheet.reset_ns), "the rest is {low} ns");
                    } else {
                        assert!(t_low.allows(low), "{bit} is low for {low} ns at {input} Hz");
                    }
                }
            }
        }
    }

    #[test]
    fn a_wrong_clock_violates_the_data_sheet() {
        // A Pi 3 whose core goes to 400 MHz after the bus was set up for 250.
        let bit_ns = 1e9 / (real_hertz(250_000_000, Code::THREE_COLORS.hertz) * 1.6);
        assert!(!WS2812B.t1h.allows(2.0 * bit_ns), "core_freq must be fixed");
    }

    #[test]
    fn bits_by_hand() {
        let coded = |code: Code, byte| {
            let mut out = Vec::new();
            code.encode(&[byte], &mut out);
            assert_eq!(out.len(), code.len(1));
            let (low, sent) = out.split_at(code.idle_bytes());
            let (sent, rest) = sent.split_at(code.bits as usize);
            assert!(low.iter().chain(rest).all(|byte| *byte == 0));
            sent.to_vec()
        };
        assert_eq!(coded(Code::THREE_COLORS, 0x00), [0x92, 0x49, 0x24]);
        assert_eq!(coded(Code::THREE_COLORS, 0xff), [0xdb, 0x6d, 0xb6]);
        assert_eq!(coded(Code::THREE_COLORS, 0x80), [0xd2, 0x49, 0x24]);
        assert_eq!(coded(Code::THREE_COLORS, 0x01), [0x92, 0x49, 0x26]);
        assert_eq!(coded(Code::WITH_WHITE, 0x00), [0x88, 0x88, 0x88, 0x88]);
        assert_eq!(coded(Code::WITH_WHITE, 0xa5), [0xc8, 0xc8, 0x8c, 0x8c]);
    }

    #[test]
    fn the_rest_is_longer_than_any_reset() {
        for code in [Code::THREE_COLORS, Code::WITH_WHITE] {
            let ns = code.idle_bytes() as f64 * 8e9 / f64::from(code.hertz);
            assert!(ns >= f64::from(WS2812B.reset_ns), "{ns}");
        }
        assert_eq!((Code::THREE_COLORS.idle_bytes(), Code::WITH_WHITE.idle_bytes()), (90, 120));
    }
}
