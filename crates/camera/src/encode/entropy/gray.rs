//! Extracts the luma of a JPEG as a JPEG of its own. AC bits are copied unchanged, with their table. Only the DC
//! differences are coded again, because the blocks change from units to rows (T.81 A.2.2, A.2.3).

use memchr::memchr;

use super::bits::{BitReader, EntropyScan};
use super::headers::Headers;
use super::huffman::{Dc, Tables};
use super::planes::{Units, skip_ac};

/// A block's AC bits and its DC.
#[derive(Debug, Clone, Copy, Default)]
struct BlockBits {
    /// Bit positions in the scan.
    begin: u32,
    end: u32,
    dc: i32,
}

/// Buffers and the resulting JPEG.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Luma blocks of one row of units, row by row.
    blocks: Vec<BlockBits>,
    coded: Coded,
    jpeg: Vec<u8>,
}

impl Buffers {
    /// The last JPEG made.
    pub fn jpeg(&self) -> &[u8] {
        &self.jpeg
    }
}

/// Reads `scan` and makes the JPEG of its luma.
pub fn read(
    headers: &Headers<'_>,
    scan: &EntropyScan,
    tables: &Tables,
    places: &[usize],
    buffers: &mut Buffers,
) -> Option<()> {
    let (units_across, units_down) = headers.units();
    let luma = headers.components().first()?;
    let mut all = Vec::with_capacity(3);
    for &places in places {
        all.push(tables.get(places)?);
    }
    let (&own, chroma) = all.split_first()?;
    let (blocks_across, blocks_down) = headers.blocks(luma);
    let stride = units_across * luma.across;
    buffers.blocks.clear();
    buffers.blocks.resize(stride * luma.down, BlockBits::default());
    buffers.coded.reset(scan.bytes().len() + 4 * blocks_across * blocks_down);
    let codes = own.dc.codes.codes_by_symbol::<12>();
    let mut bits = scan.bits();
    let mut units = Units { scan, restart: headers.restart, segment: 0, left: headers.restart };
    let (mut read_dc, mut coded_dc) = (0, 0);
    for unit_row in 0..units_down {
        for unit in 0..units_across {
            if let Some(next) = units.begin_unit(&bits).ok()? {
                (bits, read_dc) = (next, 0);
            }
            for row in 0..luma.down {
                for column in 0..luma.across {
                    read_dc += read_dc_difference(&mut bits, &own.dc)?;
                    let begin = bits.position() as u32;
                    skip_ac(&mut bits, &own.ac, 0)?;
                    let block = BlockBits { begin, end: bits.position() as u32, dc: read_dc };
                    *buffers.blocks.get_mut(row * stride + unit * luma.across + column)? = block;
                }
            }
            for coding in chroma {
                read_dc_difference(&mut bits, &coding.dc)?;
                skip_ac(&mut bits, &coding.ac, 0)?;
            }
        }
        if !scan.contains_bit(units.segment, bits.position()) {
            return None;
        }
        let rows = (blocks_down - unit_row * luma.down).min(luma.down);
        for row in buffers.blocks.chunks_exact(stride).take(rows) {
            for block in &row[..blocks_across] {
                // libjpeg stores it in 16 bits.
                i16::try_from(block.dc).ok()?;
                buffers.coded.write_dc_difference(block.dc - coded_dc, &codes)?;
                buffers.coded.copy(scan.bytes(), block.begin as usize, block.end as usize)?;
                coded_dc = block.dc;
            }
        }
    }
    write_headers(headers, &mut buffers.jpeg)?;
    write_stuffed(buffers.coded.finish()?, &mut buffers.jpeg);
    buffers.jpeg.extend([0xff, 0xd9]);
    Some(())
}

#[inline(always)]
pub(super) fn read_dc_difference(bits: &mut BitReader<'_>, dc: &Dc) -> Option<i32> {
    bits.refill();
    let (difference, count) = dc.read(bits.peek())?;
    bits.skip(count);
    Some(difference)
}

/// Bits before byte stuffing.
#[derive(Debug, Default)]
pub(super) struct Coded {
    bytes: Vec<u8>,
    /// Number of complete bytes.
    at: usize,
    /// The remaining bits, from the highest on: fewer than eight.
    buffer: u64,
    count: u32,
}

impl Coded {
    /// Starts again, with room for this many bytes.
    pub(super) fn reset(&mut self, room: usize) {
        if self.bytes.len() < room + 8 {
            self.bytes.resize(room + 8, 0);
        }
        (self.at, self.buffer, self.count) = (0, 0, 0);
    }

    /// Writes the `count` highest of `bits`, at most 56. The other bits must be 0.
    #[inline(always)]
    pub(super) fn write_bits(&mut self, bits: u64, count: u32) -> Option<()> {
        self.buffer |= bits >> self.count;
        self.count += count;
        *self.bytes.get_mut(self.at..)?.first_chunk_mut()? = self.buffer.to_be_bytes();
        let whole = self.count & !7;
        self.at += (whole >> 3) as usize;
        self.buffer <<= whole;
        self.count &= 7;
        Some(())
    }

    /// Writes a DC difference (T.81 F.1.2.1). `None` if there is no code for one so large.
    #[inline(always)]
    pub(super) fn write_dc_difference(&mut self, difference: i32, codes: &[(u16, u8); 12]) -> Option<()> {
        let size = 32 - difference.unsigned_abs().leading_zeros();
        let &(code, length) = codes.get(size as usize)?;
        if length == 0 {
            return None;
        }
        // A negative difference is coded as the bits of the number below it.
        let extra = (difference + (difference >> 31)) as u32 & ((1 << size) - 1);
        let bits = u64::from(code) << size | u64::from(extra);
        let count = u32::from(length) + size;
        self.write_bits(bits << (64 - count), count)
    }

    /// Copies the bits of `bytes` from `begin` to `end`.
    #[inline(always)]
    pub(super) fn copy(&mut self, bytes: &[u8], mut begin: usize, end: usize) -> Option<()> {
        while begin < end {
            let next = u64::from_be_bytes(*bytes.get(begin / 8..)?.first_chunk()?);
            let count = (end - begin).min(56) as u32;
            let bits = next << (begin % 8) >> (64 - count) << (64 - count);
            self.write_bits(bits, count)?;
            begin += count as usize;
        }
        Some(())
    }

    /// Fills the last byte with ones and returns all bytes.
    pub(super) fn finish(&mut self) -> Option<&[u8]> {
        let rest = (8 - self.count) % 8;
        if rest > 0 {
            self.write_bits(!0 << (64 - rest), rest)?;
        }
        self.bytes.get(..self.at)
    }
}

/// Appends `coded` with a zero after each 0xff.
pub(super) fn write_stuffed(mut coded: &[u8], to: &mut Vec<u8>) {
    to.reserve(coded.len() + coded.len() / 64 + 16);
    while let Some(ff) = memchr(0xff, coded) {
        to.extend_from_slice(&coded[..=ff]);
        to.push(0);
        coded = &coded[ff + 1..];
    }
    to.extend_from_slice(coded);
}

const JFIF: &[u8] = b"JFIF\0";

/// Writes everything before the scan, as libjpeg-turbo's transform does: JFIF (with the image's own density), then
/// the other segments of metadata, then the tables.
fn write_headers(headers: &Headers<'_>, to: &mut Vec<u8>) -> Option<()> {
    let luma = headers.components().first()?;
    let (quantization, dc, ac) = headers.tables(luma)?;
    to.clear();
    to.extend([0xff, 0xd8]);
    let is_jfif = |segment: &&[u8]| segment[1] == 0xe0 && segment[4..].starts_with(JFIF);
    // Version and density of the last JFIF segment, as libjpeg reads it; else libjpeg's defaults.
    let own = headers.beside.iter().rev().find(|segment| is_jfif(segment) && segment.len() >= 18);
    let facts = own.map_or(&[1, 1, 0, 0, 1, 0, 1][..], |segment| &segment[9..16]);
    let mut jfif = [JFIF, facts, &[0, 0]].concat();
    if jfif[5] != 1 {
        // As libjpeg, which knows only this version.
        jfif[5..7].copy_from_slice(&[1, 1]);
    }
    write_segment(0xe0, &[&jfif], to)?;
    for segment in headers.beside.iter().filter(|segment| !is_jfif(segment)) {
        to.extend_from_slice(segment);
    }
    write_segment(0xdb, &[&[0], quantization], to)?;
    let [x1, x0] = u16::try_from(headers.width).ok()?.to_be_bytes();
    let [y1, y0] = u16::try_from(headers.height).ok()?.to_be_bytes();
    write_segment(0xc0, &[&[8, y1, y0, x1, x0, 1, 1, 0x11, 0]], to)?;
    write_segment(0xc4, &[&[0], dc, &[0x10], ac], to)?;
    write_segment(0xda, &[&[1, 1, 0, 0, 63, 0]], to)
}

fn write_segment(marker: u8, parts: &[&[u8]], to: &mut Vec<u8>) -> Option<()> {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    to.extend([0xff, marker]);
    to.extend(u16::try_from(len + 2).ok()?.to_be_bytes());
    for part in parts {
        to.extend_from_slice(part);
    }
    Some(())
}
