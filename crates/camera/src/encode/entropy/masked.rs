//! Blackens units of a JPEG. The bits of all other blocks are copied; only the DC difference after a blackened block
//! is coded again. Metadata and restart markers are left out.

use super::bits::EntropyScan;
use super::gray::{Coded, read_dc_difference, write_stuffed};
use super::headers::Headers;
use super::huffman::Tables;
use super::planes::{Units, skip_ac};

const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const COM: u8 = 0xfe;

/// Bits of a black block at most: its DC difference and its end.
const BLACK_BITS: usize = 16 + 11 + 16;

/// MaskedImage and the resulting JPEG.
#[derive(Debug, Default)]
pub(crate) struct MaskedImage {
    coded: Coded,
    pub(super) jpeg: Vec<u8>,
}

/// Reads the scan of `jpeg`, and makes the JPEG with units in black, those for which `is_masked` (counted row by
/// row).
pub fn read(
    jpeg: &[u8],
    headers: &Headers<'_>,
    scan: &EntropyScan,
    tables: &Tables,
    places: &[usize],
    is_masked: impl Fn(usize) -> bool,
    buffers: &mut MaskedImage,
) -> Option<()> {
    let (units_across, units_down) = headers.units();
    let mut blocks = Vec::with_capacity(6);
    for (number, (component, &place)) in headers.components().iter().zip(places).enumerate() {
        let coding = tables.get(place)?;
        let (quantization, ..) = headers.tables(component)?;
        // Eight times 128 below the middle; what is darker than black is black.
        let black =
            if number == 0 { -i32::from(1024_u16.div_ceil(u16::from(quantization[0].max(1)))) } else { 0 };
        let codes = coding.dc.codes.codes_by_symbol::<12>();
        let (end, end_bits) = coding.ac.end_of_block()?;
        for _ in 0..component.across * component.down {
            blocks.push((
                number,
                coding,
                black,
                codes,
                u64::from(end) << (64 - u32::from(end_bits)),
                end_bits,
            ));
        }
    }
    let coded = &mut buffers.coded;
    coded.reset(scan.bytes().len() + units_across * units_down * blocks.len() * BLACK_BITS / 8);
    let mut bits = scan.bits();
    let mut units = Units { scan, restart: headers.restart, segment: 0, left: headers.restart };
    let (mut read_dc, mut coded_dc) = ([0; 3], [0; 3]);
    // Bits that are copied, but not yet.
    let mut same = 0..0;
    for unit in 0..units_across * units_down {
        if let Some(next) = units.begin_unit(&bits).ok()? {
            coded.copy(scan.bytes(), same.start, same.end)?;
            (bits, read_dc) = (next, [0; 3]);
            same = bits.position()..bits.position();
        }
        let is_masked = is_masked(unit);
        for (number, coding, black, codes, end, end_bits) in &blocks {
            let (read_dc, coded_dc) = (read_dc.get_mut(*number)?, coded_dc.get_mut(*number)?);
            let difference = read_dc_difference(&mut bits, &coding.dc)?;
            let begin = bits.position();
            skip_ac(&mut bits, &coding.ac, 0)?;
            *read_dc += difference;
            // libjpeg stores it in 16 bits.
            let dc = if is_masked { *black } else { i16::try_from(*read_dc).ok()?.into() };
            if is_masked {
                coded.copy(scan.bytes(), same.start, same.end)?;
                coded.write_dc_difference(dc - *coded_dc, codes)?;
                coded.write_bits(*end, u32::from(*end_bits))?;
                same = bits.position()..bits.position();
            } else if dc - *coded_dc != difference {
                coded.copy(scan.bytes(), same.start, same.end)?;
                coded.write_dc_difference(dc - *coded_dc, codes)?;
                same = begin..bits.position();
            }
            *coded_dc = dc;
            same.end = bits.position();
        }
        let is_row_end = (unit + 1) % units_across == 0;
        if is_row_end && !scan.contains_bit(units.segment, bits.position()) {
            return None;
        }
    }
    coded.copy(scan.bytes(), same.start, same.end)?;
    write_headers(jpeg.get(..headers.scan_at)?, &mut buffers.jpeg)?;
    write_stuffed(coded.finish()?, &mut buffers.jpeg);
    buffers.jpeg.extend([0xff, 0xd9]);
    Some(())
}

/// Copies the segments that the image needs.
fn write_headers(mut from: &[u8], to: &mut Vec<u8>) -> Option<()> {
    to.clear();
    to.extend_from_slice(from.split_off(..2)?);
    while let [0xff, code, high, low, ..] = *from {
        let segment = from.split_off(..2 + usize::from(u16::from_be_bytes([high, low])))?;
        if code < APP0 && code != DRI || code > COM {
            to.extend_from_slice(segment);
        }
    }
    from.is_empty().then_some(())
}
