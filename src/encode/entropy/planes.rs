//! The blocks of a scan as planes of fewer samples.

use super::bits::{Bits, Scan};
use super::headers::{Component, Headers};
use super::huffman::{Ac, BLOCK, Dc, END, Tables, UNKNOWN};
use super::reduced::{self, Coefficients, NATURAL, Quantization};

/// A plane that samples are written to: rows of `stride` bytes.
#[derive(Debug)]
pub struct Plane<'a> {
    pub samples: &'a mut [u8],
    pub stride: usize,
}

/// A component while it is read.
struct Reading<'a> {
    component: Component,
    dc: &'a Dc,
    ac: &'a Ac,
    quantization: Quantization,
    /// The DC of the last block.
    last_dc: i32,
    /// Bytes from one row of the strip to the next, and where it begins.
    stride: usize,
    begin: usize,
}

/// Reads `scan` at `SIDE` samples a side of a block into `planes`: luma alone or all that there are. `strips` is used for
/// it. What of `planes` no block reaches repeats the last sample.
pub fn read<const SIDE: usize>(
    headers: &Headers<'_>,
    scan: &Scan,
    tables: &Tables,
    places: &[(usize, usize)],
    strips: &mut Vec<u8>,
    planes: &mut [Plane<'_>],
) -> Option<()> {
    let (units_across, units_down) = headers.units();
    let mut readings = Vec::with_capacity(3);
    let mut room = 0;
    for (component, &places) in headers.components().iter().zip(places) {
        let (dc, ac) = tables.get(places)?;
        let (in_order, ..) = headers.tables(component)?;
        let mut quantization = [0; 64];
        for (&value, &place) in in_order.iter().zip(&NATURAL) {
            quantization[usize::from(place)] = i16::from(value);
        }
        let stride = units_across * component.across * SIDE;
        let reading =
            Reading { component: *component, dc, ac, quantization, last_dc: 0, stride, begin: room };
        room += stride * component.down * SIDE;
        readings.push(reading);
    }
    strips.resize(room, 0);
    let mut coefficients: Coefficients = [0; 128];
    let mut bits = scan.bits();
    let (mut segment, mut units) = (0, 0);
    for unit_row in 0..units_down {
        for unit in 0..units_across {
            if headers.restart > 0 && units == headers.restart {
                scan.next_segment(segment, &mut bits)?;
                segment += 1;
                units = 0;
                readings.iter_mut().for_each(|reading| reading.last_dc = 0);
            }
            units += 1;
            for (number, reading) in readings.iter_mut().enumerate() {
                let (across, down) = (reading.component.across, reading.component.down);
                for block in 0..across * down {
                    if number >= planes.len() {
                        let (difference, count) = { bits.refill(); reading.dc.read(bits.peek())? };
                        let _ = difference;
                        bits.skip(count);
                        pass(&mut bits, reading.ac, 0)?;
                        continue;
                    }
                    let (row, column) = (block / across, unit * across + block % across);
                    let at = reading.begin + row * SIDE * reading.stride + column * SIDE;
                    let to = strips.get_mut(at..)?;
                    read_block::<SIDE>(&mut bits, reading, &mut coefficients, to)?;
                }
            }
        }
        if !scan.holds(segment, &bits) {
            return None;
        }
        for (plane, reading) in planes.iter_mut().zip(&readings) {
            let rows = reading.component.down * SIDE;
            let strip = strips.get(reading.begin..)?.get(..rows * reading.stride)?;
            let (blocks, blocks_down) = headers.blocks(&reading.component);
            let is_there = (blocks * SIDE, blocks_down * SIDE - unit_row * rows);
            copy(strip, reading.stride, is_there, plane, unit_row * rows)?;
        }
    }
    for (plane, reading) in planes.iter_mut().zip(&readings) {
        let (_, blocks_down) = headers.blocks(&reading.component);
        let filled = blocks_down * SIDE * plane.stride;
        if filled < plane.samples.len() {
            let (filled, rest) = plane.samples.split_at_mut(filled);
            let last = filled.get(filled.len().checked_sub(plane.stride)?..)?;
            for row in rest.chunks_exact_mut(plane.stride) {
                row.copy_from_slice(last);
            }
        }
    }
    Some(())
}

/// Reads one block and writes its samples to `to`. `coefficients` are zeros before and after it.
#[inline(always)]
fn read_block<const SIDE: usize>(
    bits: &mut Bits<'_>,
    reading: &mut Reading<'_>,
    coefficients: &mut Coefficients,
    to: &mut [u8],
) -> Option<()> {
    bits.refill();
    let (difference, count) = reading.dc.read(bits.peek())?;
    bits.skip(count);
    reading.last_dc += difference;
    let dc = i16::try_from(reading.last_dc).ok()?;
    let last = if reduced::last_needed(SIDE) == 0 {
        pass(bits, reading.ac, 0)?;
        0
    } else {
        read_coefficients(bits, reading.ac, reduced::last_needed(SIDE), coefficients)?
    };
    let stride = reading.stride;
    if last == 0 {
        let sample = reduced::flat::<SIDE>(dc, &reading.quantization)?;
        for row in 0..SIDE {
            to.get_mut(row * stride..)?.get_mut(..SIDE)?.fill(sample);
        }
        return Some(());
    }
    coefficients[0] = dc;
    let mut samples = [[0; 4]; 4];
    let is_in_range =
        reduced::samples::<SIDE>(coefficients, &reading.quantization, last, &mut samples);
    for (row, samples) in samples[..SIDE].iter().enumerate() {
        to.get_mut(row * stride..)?.get_mut(..SIDE)?.copy_from_slice(&samples[..SIDE]);
    }
    coefficients[..64].fill(0);
    is_in_range.then_some(())
}

/// Reads the AC coefficients of a block as far as the place `needed`, passes over the rest, and gives the place of the
/// last one that was read, or a later one; 0 if there is none.
#[inline(always)]
fn read_coefficients(
    bits: &mut Bits<'_>,
    ac: &Ac,
    needed: u32,
    coefficients: &mut Coefficients,
) -> Option<u32> {
    let mut at = 0;
    loop {
        bits.refill();
        // 5 times LOOK bits are there.
        for _ in 0..4 {
            let entry = ac.values[(bits.peek() >> (64 - super::huffman::LOOK)) as usize];
            let (first, second) = entry.steps();
            let (before, from) = (at, bits.clone());
            let (a, b) = entry.values();
            bits.skip(entry.bits());
            let at_first = at + first;
            at = at_first + second;
            coefficients[usize::from(NATURAL[at_first as usize & 255]) & 127] = a;
            coefficients[usize::from(NATURAL[at as usize & 255]) & 127] = b;
            if at < needed.min(BLOCK - 1) {
                continue;
            }
            if at == BLOCK - 1 {
                return Some(at);
            }
            if at > BLOCK - 1 {
                // Where a block ends behind its last place there is no end to be read.
                if at >= END && at < UNKNOWN && at - END < BLOCK - 1 && (first == END || second == END) {
                    return Some(at - END);
                }
                *bits = from;
                at = before;
                bits.refill();
                let one = ac.read_one(bits.peek())?;
                bits.skip(one.bits);
                if one.steps == END {
                    return Some(at);
                }
                at += one.steps;
                if at > BLOCK - 1 {
                    return None;
                }
                coefficients[usize::from(NATURAL[at as usize & 255]) & 127] = one.value;
                if at == BLOCK - 1 {
                    return Some(at);
                }
            }
            if at >= needed {
                pass(bits, ac, at)?;
                return Some(at);
            }
            break;
        }
    }
}

/// Passes over the AC coefficients of a block behind the place `at`.
#[inline(always)]
pub fn pass(bits: &mut Bits<'_>, ac: &Ac, mut at: u32) -> Option<()> {
    loop {
        bits.refill();
        // Twice LOOK + 10 bits are there.
        for _ in 0..2 {
            let entry = ac.lengths[(bits.peek() >> (64 - super::huffman::LOOK)) as usize];
            let (before, from) = (at, bits.clone());
            bits.skip(entry.bits());
            at += entry.steps();
            if at < BLOCK - 1 {
                continue;
            }
            if at == BLOCK - 1 {
                return Some(());
            }
            let is_end = entry.steps() >= END && entry.steps() < UNKNOWN;
            if is_end && at - END < BLOCK - 1 {
                return Some(());
            }
            *bits = from;
            at = before;
            bits.refill();
            let one = ac.read_one(bits.peek())?;
            bits.skip(one.bits);
            at += one.steps;
            match one.steps {
                END => return Some(()),
                _ if at == BLOCK - 1 => return Some(()),
                _ if at > BLOCK - 1 => return None,
                _ => break,
            }
        }
    }
}

/// Copies the rows of `strip`, of which `is_there` samples and rows show something, to `plane` from its row `from` on.
fn copy(
    strip: &[u8],
    stride: usize,
    (width, height): (usize, usize),
    plane: &mut Plane<'_>,
    from: usize,
) -> Option<()> {
    let taken = width.min(plane.stride);
    let mut rows = plane.samples.chunks_exact_mut(plane.stride).skip(from);
    for strip in strip.chunks_exact(stride).take(height) {
        let Some(row) = rows.next() else { return Some(()) };
        row[..taken].copy_from_slice(strip.get(..taken)?);
        row[taken..].fill(*strip.get(taken - 1)?);
    }
    Some(())
}
