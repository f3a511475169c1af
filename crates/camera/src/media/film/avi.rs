//! AVI: RIFF as in Microsoft's "AVI RIFF File Reference", above a gigabyte in parts with indexes as in OpenDML's "AVI
//! File Format Extensions" (1996). Pure.
//!
//! AVI has a constant interval between frames. If frames come evenly it is the mean, every slot has a frame, and all
//! headers state the number of frames. A few that were lost on the way do not matter: no frame is more than
//! [`EVEN_US`] off its time.
//!
//! Otherwise it is the interval where they come fastest. Every frame is in the slot of its time (or the next free
//! one). Slots without a frame hold an empty chunk, for which a player keeps showing the frame before. Times and the
//! total length are thus exact within one interval. The header of the file states the number of frames and their mean
//! interval; that of the stream has to state the slots, as its length.
//!
//! RIFF pads odd lengths. Each of the store's chunks ends with a `JUNK` chunk that makes up for frames without
//! padding, so that all offsets follow from the rows alone.

use std::ops::Range;

use super::footage::{FilmChunk, FilmReadError, Footage, film_too_long};
use super::layout::{Film, Layout, OpenedChunk, Table};
use super::start::FilmStart;
use super::timeline::{CLOSEST_US, ChunkPosition, TimeUnit, Timeline, fastest_interval_us};
use tallycam_base::Fault;

/// Maximum size of a part in bytes: 32 bits are enough then, also signed ones.
pub const PART: u64 = (1 << 30) - (1 << 20);

/// Frames are even if no chunk would begin more than this off its time, or more than an interval. Microseconds.
const EVEN_US: u64 = 250_000;

/// A chunk that repeats the frame before.
const EMPTY: [u8; 8] = *b"00dc\0\0\0\0";
/// Index flag of a frame that does not depend on others.
const KEY_FRAME: u32 = 0x10;
/// Main header flag: there is an index.
const HAS_INDEX: u32 = 0x10;

/// Bytes of a chunk in the file: a head for each slot, the frames, padding for each, and the `JUNK` that evens it
/// out.
fn chunk_len(place: &ChunkPosition, next: &ChunkPosition) -> u64 {
    let frames = next.first - place.first;
    8 * (next.start - place.start) + u64::from(place.bytes) + 8 + padding(place, frames)
}

/// Bytes of padding, in the `JUNK` or not: together with the frames the sum is even.
fn padding(place: &ChunkPosition, frames: u64) -> u64 {
    frames + (u64::from(place.bytes) + frames) % 2
}

/// Lays a film out in parts of at most `most` bytes of frames and indexes.
pub(crate) fn layout_film(
    rows: &[FilmChunk],
    began: FilmStart,
    end_us: u64,
    most: u64,
) -> Result<Film, Fault> {
    let (step, timeline) = match even_timeline(rows, end_us) {
        Some(even) => even,
        None => {
            let step = fastest_interval_us(rows, end_us).min(u64::from(u32::MAX));
            (step, Timeline::new(rows, end_us, TimeUnit { numerator: 1, denominator: step }))
        }
    };
    let parts = split_parts(&timeline, most)?;
    if timeline.units() > u64::from(u32::MAX) || parts.len() > 10_000 {
        return Err(film_too_long());
    }
    let largest = rows.iter().map(|row| row.bytes).max().unwrap_or(0);
    Ok(AviHeader { timeline, parts, step: step as u32, largest, info: info(began) }.into_film())
}

/// The interval and the slots of evenly spaced frames: each slot has a frame, so that the headers have the exact
/// number of frames. `None` if a chunk would begin too far off its time.
fn even_timeline(rows: &[FilmChunk], end_us: u64) -> Option<(u64, Timeline)> {
    let from_us = rows.first()?.from_us;
    let frames: u64 = rows.iter().map(|row| u64::from(row.frames)).sum();
    // Rounded up: no slot remains at the end.
    let step = end_us.saturating_sub(from_us).div_ceil(frames.max(1)).max(CLOSEST_US);
    let timeline = Timeline::even(rows, step);
    let is_on_time = |(place, row): (&ChunkPosition, &FilmChunk)| {
        place.start.saturating_mul(step).abs_diff(row.from_us.saturating_sub(from_us)) <= step.max(EVEN_US)
    };
    let is_even = step <= u64::from(u32::MAX) && timeline.places.iter().zip(rows).all(is_on_time);
    is_even.then_some((step, timeline))
}

fn split_parts(timeline: &Timeline, most: u64) -> Result<Vec<Range<usize>>, Fault> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut used = 0;
    for (chunk, pair) in timeline.places.windows(2).enumerate() {
        let [place, next] = pair else { continue };
        // Counts both indexes, whether the part has both or not.
        let len = chunk_len(place, next) + (8 + 16) * (next.start - place.start);
        if len > most {
            return Err(film_too_long());
        }
        match parts.last_mut() {
            Some(part) if used + len <= most => {
                part.end = chunk + 1;
                used += len;
            }
            _ => {
                parts.push(chunk..chunk + 1);
                used = len;
            }
        }
    }
    Ok(parts)
}

struct AviHeader {
    timeline: Timeline,
    parts: Vec<Range<usize>>,
    /// Microseconds between slots.
    step: u32,
    /// Bytes of the largest of the store's chunks; no frame is larger.
    largest: u32,
    /// The list with the capture time.
    info: Vec<u8>,
}

/// The list `INFO` with the capture time of the first frame.
fn info(began: FilmStart) -> Vec<u8> {
    let mut text = began.text().into_bytes();
    text.push(0);
    let len = text.len() as u32;
    text.resize(text.len().next_multiple_of(2), 0);
    let mut out = b"LIST".to_vec();
    push_u32s(&mut out, &[4 + 8 + text.len() as u32]);
    out.extend(b"INFOICRD");
    push_u32s(&mut out, &[len]);
    out.extend(text);
    out
}

impl AviHeader {
    /// True if there is more than one part.
    fn is_open_dml(&self) -> bool {
        self.parts.len() > 1
    }

    fn slots(&self, part: &Range<usize>) -> u64 {
        self.timeline.places[part.end].start - self.timeline.places[part.start].start
    }

    fn frames(&self, part: &Range<usize>) -> u64 {
        self.timeline.places[part.end].first - self.timeline.places[part.start].first
    }

    /// Bytes of a part's frames.
    fn pictures(&self, part: &Range<usize>) -> u64 {
        self.timeline.places[part.start..=part.end].windows(2).map(|pair| chunk_len(&pair[0], &pair[1])).sum()
    }

    /// Bytes of a part's index, including its head.
    fn index_len(&self, part: &Range<usize>) -> u64 {
        if self.is_open_dml() { 32 + 8 * self.slots(part) } else { 0 }
    }

    fn into_film(mut self) -> Film {
        let mut layout = Layout::default();
        // All lengths are known, so the offset of each part's index is known before its frames.
        let mut places = Vec::new();
        let mut at = 12 + self.lists_len();
        for (n, part) in self.parts.iter().enumerate() {
            let movi = at + if n == 0 { 8 } else { 12 + 8 };
            let index = movi + 4 + self.pictures(part);
            places.push((movi, index));
            at = index + self.index_len(part);
            if n == 0 {
                at += 8 + 16 * self.slots(part);
            }
        }
        let parts = self.parts.clone();
        for (n, (part, (movi, index))) in parts.into_iter().zip(&places).enumerate() {
            let list = 4 + self.pictures(&part) + self.index_len(&part);
            let slots = self.slots(&part);
            let mut head = Vec::new();
            head.extend(b"RIFF");
            if n == 0 {
                let old = 8 + 16 * slots;
                push_u32s(&mut head, &[(4 + self.lists_len() + 8 + list + old) as u32]);
                head.extend(b"AVI ");
                self.headers(&mut head, &places);
                head.extend(&self.info);
            } else {
                push_u32s(&mut head, &[(4 + 8 + list) as u32]);
                head.extend(b"AVIX");
            }
            head.extend(b"LIST");
            push_u32s(&mut head, &[list as u32]);
            head.extend(b"movi");
            layout.push_fixed(head);
            let begin = layout.len;
            let mut at = begin;
            for chunk in part.clone() {
                let len = chunk_len(&self.timeline.places[chunk], &self.timeline.places[chunk + 1]);
                self.timeline.places[chunk].at = at;
                at += len;
            }
            layout.for_each_entry(Table::Slots, part.clone(), at - begin);
            if self.is_open_dml() {
                let mut head = Vec::new();
                head.extend(b"ix00");
                push_u32s(&mut head, &[24 + 8 * slots as u32]);
                // Two words an entry; an index of chunks.
                head.extend([2, 0, 0, 1]);
                push_u32s(&mut head, &[slots as u32]);
                head.extend(b"00dc");
                head.extend(movi.to_le_bytes());
                push_u32s(&mut head, &[0]);
                debug_assert_eq!(layout.len, *index);
                layout.push_fixed(head);
                layout.for_each_entry(Table::SlotIndex { base: *movi }, part.clone(), 8 * slots);
            }
            if n == 0 {
                let mut head = b"idx1".to_vec();
                push_u32s(&mut head, &[16 * slots as u32]);
                layout.push_fixed(head);
                layout.for_each_entry(Table::OldIndex { base: *movi }, part, 16 * slots);
            }
        }
        layout.film(self.timeline)
    }

    /// Bytes of the lists before the frames, including their own heads.
    fn lists_len(&self) -> u64 {
        self.header_len() + self.info.len() as u64
    }

    /// Bytes of the list of headers, including its own head.
    fn header_len(&self) -> u64 {
        12 + (8 + 56) + self.stream_len() + if self.is_open_dml() { 12 + 8 + 248 } else { 0 }
    }

    /// Bytes of the list of stream headers, including its own head.
    fn stream_len(&self) -> u64 {
        let index = if self.is_open_dml() { 8 + 24 + 16 * self.parts.len() as u64 } else { 0 };
        12 + (8 + 56) + (8 + 40) + index
    }

    /// `places`: offsets of `movi` and of the index of each part.
    fn headers(&self, out: &mut Vec<u8>, places: &[(u64, u64)]) {
        let (width, height) = self.timeline.size;
        let slots = self.timeline.units() as u32;
        let buffer = self.largest.saturating_add(8);
        let frames = self.timeline.frames();
        let first = self.frames(&self.parts[0]) as u32;
        let step = self.step;
        let mean =
            (u64::from(slots) * u64::from(step)).div_ceil(frames.max(1)).min(u64::from(u32::MAX)) as u32;
        out.extend(b"LIST");
        push_u32s(out, &[self.header_len() as u32 - 8]);
        out.extend(b"hdrlavih");
        push_u32s(out, &[56, mean, 0, 0, HAS_INDEX, first, 0, 1, buffer, width, height, 0, 0, 0, 0]);
        out.extend(b"LIST");
        push_u32s(out, &[self.stream_len() as u32 - 8]);
        out.extend(b"strlstrh");
        push_u32s(out, &[56]);
        out.extend(b"vidsMJPG");
        // Flags, priority, initial frames, scale and rate (their ratio is the frame rate), start, length, buffer,
        // quality, no common size.
        push_u32s(out, &[0, 0, 0, step, 1_000_000, 0, slots, buffer, u32::MAX, 0]);
        for edge in [0, 0, width, height] {
            out.extend((edge as u16).to_le_bytes());
        }
        out.extend(b"strf");
        // A BITMAPINFOHEADER: its size, width, height, planes and bits a pixel.
        push_u32s(out, &[40, 40, width, height, 1 | 24 << 16]);
        out.extend(b"MJPG");
        push_u32s(out, &[width.saturating_mul(height).saturating_mul(3), 0, 0, 0, 0]);
        if !self.is_open_dml() {
            return;
        }
        out.extend(b"indx");
        push_u32s(out, &[24 + 16 * self.parts.len() as u32]);
        // Four words an entry; an index of indexes.
        out.extend([4, 0, 0, 0]);
        push_u32s(out, &[self.parts.len() as u32]);
        out.extend(b"00dc");
        push_u32s(out, &[0, 0, 0]);
        for (part, (_, index)) in self.parts.iter().zip(places) {
            out.extend(index.to_le_bytes());
            push_u32s(out, &[self.index_len(part) as u32, self.slots(part) as u32]);
        }
        out.extend(b"LIST");
        push_u32s(out, &[4 + 8 + 248]);
        out.extend(b"odmldmlh");
        push_u32s(out, &[248, frames as u32]);
        out.extend([0; 244]);
    }
}

/// The bytes of a chunk's slots, `room` of them from `within` on.
pub(crate) fn slots<F: Footage>(
    timeline: &Timeline,
    chunk: usize,
    opened: &OpenedChunk,
    within: u64,
    room: usize,
    out: &mut Vec<u8>,
    footage: &mut F,
) -> Result<(), FilmReadError<F::Error>> {
    let (place, next) = (&timeline.places[chunk], &timeline.places[chunk + 1]);
    let end = within.saturating_add(room as u64);
    // Reads all needed frames at once.
    let mut needed: Option<(u32, u32)> = None;
    let mut at = 0;
    for frame in 0..opened.frames() {
        let size = opened.size(frame);
        let begin = at + 8;
        let low = within.clamp(begin, begin + u64::from(size)) - begin;
        let high = end.clamp(begin, begin + u64::from(size)) - begin;
        if low < high {
            let from = opened.bounds[frame];
            let (first, _) = needed.unwrap_or((from + low as u32, 0));
            needed = Some((first, from + high as u32));
        }
        at = begin
            + u64::from(size.next_multiple_of(2))
            + 8 * (opened.ticks[frame + 1] - opened.ticks[frame] - 1);
    }
    let (first, last) = needed.unwrap_or((0, 0));
    let bytes = match last - first {
        0 => bytes::Bytes::new(),
        len => footage.bytes(place.number, first, len).map_err(FilmReadError::Footage)?,
    };
    if bytes.len() as u64 != u64::from(last - first) {
        return Err(FilmReadError::Odd(place.number));
    }
    let mut window = ByteWindow { out, skip: within, room };
    let mut odd = 0;
    for frame in 0..opened.frames() {
        let size = opened.size(frame);
        let mut head = EMPTY;
        head[4..].copy_from_slice(&size.to_le_bytes());
        window.write_bytes(&head);
        let (from, to) = (opened.bounds[frame], opened.bounds[frame + 1]);
        // Bytes that were not read are not needed.
        let (low, high) = (from.clamp(first, last), to.clamp(first, last));
        if low < high {
            window.skip(u64::from(low - from));
            window.write_bytes(&bytes[(low - first) as usize..(high - first) as usize]);
            window.skip(u64::from(to - high));
        } else {
            window.skip(u64::from(size));
        }
        odd += u64::from(size % 2);
        window.write_repeated(&[0], u64::from(size % 2));
        window.write_repeated(&EMPTY, opened.ticks[frame + 1] - opened.ticks[frame] - 1);
    }
    let rest = padding(place, next.first - place.first) - odd;
    let mut junk = *b"JUNK\0\0\0\0";
    junk[4..].copy_from_slice(&(rest as u32).to_le_bytes());
    window.write_bytes(&junk);
    window.write_repeated(&[0], rest);
    Ok(())
}

/// A window on a sequence of bytes that is produced from front to back.
struct ByteWindow<'a> {
    out: &'a mut Vec<u8>,
    /// Bytes before the window.
    skip: u64,
    /// Remaining size of the window.
    room: usize,
}

impl ByteWindow<'_> {
    fn write_bytes(&mut self, bytes: &[u8]) {
        let from = self.skip.min(bytes.len() as u64);
        self.skip -= from;
        let rest = &bytes[from as usize..];
        let taken = &rest[..rest.len().min(self.room)];
        self.out.extend_from_slice(taken);
        self.room -= taken.len();
    }

    /// Skips `len` bytes, which are outside the window.
    fn skip(&mut self, len: u64) {
        self.skip -= self.skip.min(len);
    }

    /// Writes `bytes` `times` times; `times` may be very large.
    fn write_repeated(&mut self, bytes: &[u8], times: u64) {
        let len = bytes.len() as u64;
        let before = (self.skip / len).min(times);
        self.skip -= before * len;
        for _ in before..times {
            if self.room == 0 {
                break;
            }
            self.write_bytes(bytes);
        }
    }
}

/// Offset of a slot in its chunk's region, and bytes of its frame.
fn slot(opened: &OpenedChunk, slot: u64, begins: &[u64]) -> (u64, u32) {
    let heads = 8 * (slot - opened.ticks[0].min(slot));
    let next = opened.ticks[..opened.frames()].partition_point(|tick| *tick <= slot);
    match next.checked_sub(1) {
        Some(frame) if opened.ticks[frame] == slot => (heads + begins[frame], opened.size(frame)),
        _ => (heads + begins[next], 0),
    }
}

/// Bytes of padded frames before each frame, and in all.
fn picture_offsets(opened: &OpenedChunk) -> Vec<u64> {
    let mut begins = Vec::with_capacity(opened.frames() + 1);
    let mut at = 0;
    begins.push(at);
    for frame in 0..opened.frames() {
        at += u64::from(opened.size(frame).next_multiple_of(2));
        begins.push(at);
    }
    begins
}

/// Entries of `ix00`, `room` bytes of them from `within` on.
pub(crate) fn slot_index(
    place: &ChunkPosition,
    opened: &OpenedChunk,
    base: u64,
    within: u64,
    room: usize,
    out: &mut Vec<u8>,
) {
    entries(place, opened, (within, room, 8), out, |out, at, size| {
        // The highest bit marks a frame that needs another one.
        let size = if size == 0 { 1 << 31 } else { size };
        push_u32s(out, &[(place.at + at + 8 - base) as u32, size]);
    });
}

/// Entries of `idx1`, as [`slot_index`].
pub(crate) fn write_old_index(
    place: &ChunkPosition,
    opened: &OpenedChunk,
    base: u64,
    within: u64,
    room: usize,
    out: &mut Vec<u8>,
) {
    entries(place, opened, (within, room, 16), out, |out, at, size| {
        out.extend(b"00dc");
        push_u32s(out, &[if size == 0 { 0 } else { KEY_FRAME }, (place.at + at - base) as u32, size]);
    });
}

fn entries(
    place: &ChunkPosition,
    opened: &OpenedChunk,
    (within, room, each): (u64, usize, u64),
    out: &mut Vec<u8>,
    entry: impl Fn(&mut Vec<u8>, u64, u32),
) {
    let begins = picture_offsets(opened);
    let (begin, cut) = (out.len(), (within % each) as usize);
    let mut at = place.start + within / each;
    let end = opened.ticks[opened.frames()];
    while at < end && out.len() - begin < room + cut {
        let (offset, size) = slot(opened, at, &begins);
        entry(out, offset, size);
        at += 1;
    }
    out.drain(begin..begin + cut);
}

fn push_u32s(out: &mut Vec<u8>, numbers: &[u32]) {
    for number in numbers {
        out.extend(number.to_le_bytes());
    }
}
