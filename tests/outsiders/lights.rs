//! Bytes that are sent to LED strips.

use tallycam::lights::{PixelOrder, message};

use crate::row;

#[test]
fn the_bits_of_one_red_pixel_come_after_a_reset() {
    let sent = message(&[[255, 0, 0]], PixelOrder::Grb);
    let low = sent.iter().take_while(|byte| **byte == 0).count();
    // 280 µs at 2.4 MHz.
    assert!(low * 8 >= 672, "{low} bytes of low");
    assert_eq!(sent[low..low + 9], [0x92, 0x49, 0x24, 0xdb, 0x6d, 0xb6, 0x92, 0x49, 0x24]);
    row(
        "Storage and lights",
        "an SPI bus that rests high",
        "a reset of low goes before the first pixel: red is red",
    );
}
