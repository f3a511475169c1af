//! Decodes the blocks of a scan to planes of fewer samples.

use super::bits::{BitReader, EntropyScan, REFILLED};
use super::headers::{Component, Headers};
use super::huffman::{Ac, BLOCK, Coding, END, LOOK, Tables, UNKNOWN};
use super::reduced::{self, Coefficients, Quantization, Samples};

/// An output plane: rows of `stride` bytes.
#[derive(Debug)]
pub(crate) struct OutputPlane<'a> {
    pub samples: &'a mut [u8],
    pub stride: usize,
}

/// State of a component while it is decoded.
struct ScanReader<'a> {
    component: Component,
    /// Visible blocks across and down.
    blocks: (usize, usize),
    coding: &'a Coding,
    quantization: Quantization,
    last_dc: i32,
    /// Samples in a row of all its blocks.
    stride: usize,
}

/// One block of each unit.
struct BlockPosition {
    /// Index of its component.
    number: usize,
    /// Offset of its samples in the first unit, and the step to the next unit. They have 32 bits, so that a single
    /// comparison checks the bounds.
    begin: u32,
    step: u32,
}

/// Decodes `scan` at `SIDE` samples a side of a block into `planes`: luma alone or all. `strips` is a buffer. Samples
/// of `planes` that no block reaches repeat the last one.
pub fn read<const SIDE: usize>(
    headers: &Headers<'_>,
    scan: &EntropyScan,
    tables: &Tables,
    places: &[usize],
    strips: &mut [Vec<u8>; 3],
    planes: &mut [OutputPlane<'_>],
) -> Option<()> {
    let (units_across, units_down) = headers.units();
    let mut readings = Vec::with_capacity(3);
    let mut blocks = Vec::with_capacity(6);
    for (number, (component, &place)) in headers.components().iter().zip(places).enumerate() {
        let coding = tables.get(place)?;
        let (in_order, ..) = headers.tables(component)?;
        let mut quantization = [0; 64];
        for (&value, &place) in in_order.iter().zip(&reduced::NATURAL) {
            if let Some(to) = quantization.get_mut(usize::from(place)) {
                *to = i16::from(value);
            }
        }
        let (across, stride) = (component.across, units_across * component.across * SIDE);
        for block in 0..across * component.down {
            let begin = block / across * stride * SIDE + block % across * SIDE;
            blocks.push(BlockPosition { number, begin: begin as u32, step: (across * SIDE) as u32 });
        }
        let shown = headers.blocks(component);
        let component = *component;
        readings.push(ScanReader { component, blocks: shown, coding, quantization, last_dc: 0, stride });
    }
    for ((strip, reading), _) in strips.iter_mut().zip(&readings).zip(planes.iter()) {
        strip.resize(reading.stride * reading.component.down * SIDE, 0);
    }
    // The second chroma component usually shares the coding of the first; flat blocks look nothing up.
    if const { SIDE > 1 } {
        readings.iter().take(planes.len().min(2)).for_each(|reading| reading.coding.prefetch());
    }
    let mut units = Units { scan, restart: headers.restart, segment: 0, left: headers.restart };
    let mut bits = scan.bits();
    let wanted = planes.len();
    for unit_row in 0..units_down {
        let mut to: [&mut [u8]; 3] = Default::default();
        let there = planes.iter_mut().zip(strips.iter_mut()).zip(&readings);
        for (to, ((plane, strip), reading)) in to.iter_mut().zip(there) {
            let lies = reading.fits_plane::<SIDE>(unit_row, plane);
            *to = if lies { plane.samples.get_mut(unit_row * strip.len()..)? } else { strip };
        }
        read_units::<SIDE>(&mut units, &mut bits, units_across, &mut readings, &blocks, wanted, &mut to)?;
        if !scan.contains_bit(units.segment, bits.position()) {
            return None;
        }
        for ((plane, strip), reading) in planes.iter_mut().zip(strips.iter()).zip(&readings) {
            if !reading.fits_plane::<SIDE>(unit_row, plane) {
                reading.copy::<SIDE>(unit_row, strip, plane)?;
            }
        }
    }
    for (plane, reading) in planes.iter_mut().zip(&readings) {
        repeat_last_row(plane, reading.blocks.1 * SIDE)?;
    }
    Some(())
}

impl ScanReader<'_> {
    /// True if the samples of a row of units have the same layout in `plane` as in a strip.
    fn fits_plane<const SIDE: usize>(&self, unit_row: usize, plane: &OutputPlane<'_>) -> bool {
        let rows = (unit_row + 1) * self.component.down * SIDE;
        plane.stride == self.stride
            && self.blocks.0 * SIDE == self.stride
            && rows <= self.blocks.1 * SIDE
            && rows * self.stride <= plane.samples.len()
    }

    /// Copies the visible part of a row of units from `strip` to `plane`.
    fn copy<const SIDE: usize>(
        &self,
        unit_row: usize,
        strip: &[u8],
        plane: &mut OutputPlane<'_>,
    ) -> Option<()> {
        let from = unit_row * self.component.down * SIDE;
        let taken = (self.blocks.0 * SIDE).min(plane.stride);
        let rows = plane.samples.chunks_exact_mut(plane.stride).take(self.blocks.1 * SIDE).skip(from);
        for (strip, row) in strip.chunks_exact(self.stride).zip(rows) {
            row[..taken].copy_from_slice(strip.get(..taken)?);
            row[taken..].fill(*strip.get(taken - 1)?);
        }
        Some(())
    }
}

/// Repeats the last of `rows` rows if `plane` has more.
fn repeat_last_row(plane: &mut OutputPlane<'_>, rows: usize) -> Option<()> {
    if rows * plane.stride < plane.samples.len() {
        let (filled, rest) = plane.samples.split_at_mut(rows * plane.stride);
        let last = filled.get(filled.len().checked_sub(plane.stride)?..)?;
        for row in rest.chunks_exact_mut(plane.stride) {
            row.copy_from_slice(last);
        }
    }
    Some(())
}

/// Counts units between restart markers.
pub(crate) struct Units<'a> {
    pub scan: &'a EntropyScan,
    pub restart: usize,
    pub segment: usize,
    pub left: usize,
}

impl<'a> Units<'a> {
    /// Begins a unit. `Some(bits)` if a new segment begins with it; `Err` if the one before does not end here.
    #[inline(always)]
    pub(crate) fn begin_unit(&mut self, bits: &BitReader<'_>) -> Result<Option<BitReader<'a>>, ()> {
        if self.restart == 0 {
            return Ok(None);
        }
        if self.left > 0 {
            self.left -= 1;
            return Ok(None);
        }
        let next = self.scan.segment_after(self.segment, bits.position()).ok_or(())?;
        self.segment += 1;
        self.left = self.restart - 1;
        Ok(Some(next))
    }
}

/// Decodes a row of units: writes the samples of the first `wanted` components to `to` and skips the others.
#[inline(always)]
fn read_units<'a, const SIDE: usize>(
    units: &mut Units<'a>,
    from: &mut BitReader<'a>,
    count: usize,
    readings: &mut [ScanReader<'_>],
    blocks: &[BlockPosition],
    wanted: usize,
    to: &mut [&mut [u8]; 3],
) -> Option<()> {
    let mut coefficients: Coefficients = [0; 256];
    let mut bits = from.clone();
    for unit in 0..count {
        if let Some(next) = units.begin_unit(&bits).ok()? {
            bits = next;
            readings.iter_mut().for_each(|reading| reading.last_dc = 0);
        }
        for place in blocks {
            let reading = readings.get_mut(place.number)?;
            bits.refill();
            let (difference, last) = if const { SIDE == 1 } || place.number >= wanted {
                let (difference, length) = reading.coding.dc.read(bits.peek())?;
                bits.skip(length);
                skip_ac(&mut bits, &reading.coding.ac, 0)?;
                (difference, 0)
            } else {
                read_block::<SIDE>(&mut bits, reading.coding, &mut coefficients)?
            };
            if place.number >= wanted {
                continue;
            }
            reading.last_dc += difference;
            let dc = i16::try_from(reading.last_dc).ok()?;
            let to = to.get_mut(place.number)?;
            let begin = place.begin + unit as u32 * place.step;
            if last == 0 {
                let sample = reduced::dc_only_sample::<SIDE>(dc, &reading.quantization)?;
                write_samples::<SIDE>(to, begin, reading.stride, &[[sample; 4]; 4])?;
                continue;
            }
            coefficients[0] = dc;
            let mut samples = [[0; 4]; 4];
            if !reduced::samples::<SIDE>(&coefficients, &reading.quantization, last, &mut samples) {
                return None;
            }
            coefficients[..64].fill(0);
            write_samples::<SIDE>(to, begin, reading.stride, &samples)?;
        }
    }
    *from = bits;
    Some(())
}

/// Writes the samples of a block to a plane of this stride, from `begin` on.
#[inline(always)]
fn write_samples<const SIDE: usize>(
    to: &mut [u8],
    begin: u32,
    stride: usize,
    samples: &Samples,
) -> Option<()> {
    let mut at = begin;
    for row in &samples[..SIDE] {
        let place = at as usize;
        to.get_mut(place..place + SIDE)?.copy_from_slice(&row[..SIDE]);
        at = at.wrapping_add(stride as u32);
    }
    Some(())
}

/// Decodes a block whose bits are available: the DC difference, and the needed AC coefficients to `coefficients`,
/// whose DC stays undefined. Skips the others. Returns the difference and a position at or after the last AC
/// coefficient read; 0 if there is none.
#[inline(always)]
fn read_block<const SIDE: usize>(
    bits: &mut BitReader<'_>,
    coding: &Coding,
    coefficients: &mut Coefficients,
) -> Option<(i32, u32)> {
    // Four more lookups may follow this one before a refill.
    const { assert!(5 * LOOK <= REFILLED) };
    let entry = coding.begins[(bits.peek() >> (64 - LOOK)) as usize];
    let (_, last) = entry.steps();
    if last >= UNKNOWN {
        let (difference, length) = coding.dc.read(bits.peek())?;
        bits.skip(length);
        bits.refill();
        return Some((difference, read_coefficients::<SIDE>(bits, &coding.ac, 0, coefficients)?));
    }
    bits.skip(entry.bits());
    let (difference, value) = entry.values();
    if entry.is_end() {
        return Some((difference.into(), 0));
    }
    coefficients[usize::from(reduced::NATURAL[usize::from(last as u8)])] = value;
    Some((difference.into(), read_coefficients::<SIDE>(bits, &coding.ac, last, coefficients)?))
}

/// Decodes the needed AC coefficients of a block after the position `at`. Returns a position at or after the last one
/// read; 0 if there is none. Four times LOOK bits are available.
#[inline(always)]
fn read_coefficients<const SIDE: usize>(
    bits: &mut BitReader<'_>,
    ac: &Ac,
    mut at: u32,
    coefficients: &mut Coefficients,
) -> Option<u32> {
    let needed = const { reduced::last_coefficient(SIDE) };
    let places = &reduced::NATURAL;
    loop {
        for _ in 0..4 {
            let entry = ac.values[(bits.peek() >> (64 - LOOK)) as usize];
            let (first, last) = entry.steps();
            let (first, last) = (at + first, at + last);
            let (first_value, last_value) = entry.values();
            coefficients[usize::from(places[usize::from(first as u8)])] = first_value;
            coefficients[usize::from(places[usize::from(last as u8)])] = last_value;
            if last < needed {
                bits.skip(entry.bits());
                at = last;
                continue;
            }
            // A block that contains its last coefficient has no end code.
            if entry.is_end() && last < END + BLOCK - 1 {
                bits.skip(entry.bits());
                return Some(last - END);
            }
            if last < BLOCK {
                bits.skip(entry.bits());
                at = last;
            } else {
                bits.refill();
                let one = ac.read_one(bits.peek())?;
                bits.skip(one.bits);
                if one.steps == END {
                    return Some(at);
                }
                at += one.steps;
                if at >= BLOCK {
                    return None;
                }
                coefficients[usize::from(places[usize::from(at as u8)])] = one.value;
            }
            if at >= needed {
                if at < BLOCK - 1 {
                    skip_ac(bits, ac, at)?;
                }
                return Some(at);
            }
            break;
        }
        bits.refill();
    }
}

/// Skips the AC coefficients of a block after the position `at`, which is not the last one.
#[inline(always)]
pub(crate) fn skip_ac(bits: &mut BitReader<'_>, ac: &Ac, mut at: u32) -> Option<()> {
    loop {
        bits.refill();
        // Twice LOOK + 10 bits are available.
        for _ in 0..2 {
            let entry = ac.lengths[(bits.peek() >> (64 - LOOK)) as usize];
            let last = at + entry.steps();
            if last < BLOCK - 1 {
                bits.skip(entry.bits());
                at = last;
                continue;
            }
            let is_end = entry.is_end() && last < END + BLOCK - 1;
            if is_end || last == BLOCK - 1 {
                bits.skip(entry.bits());
                return Some(());
            }
            bits.refill();
            let one = ac.read_one(bits.peek())?;
            bits.skip(one.bits);
            at += one.steps;
            match one.steps {
                END => return Some(()),
                _ if at == BLOCK - 1 => return Some(()),
                _ if at >= BLOCK => return None,
                _ => break,
            }
        }
    }
}
