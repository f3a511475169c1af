//! MP4: ISO/IEC 14496-12 ("ISO base media file format"), with the sample entry `jpeg` of Apple's "QuickTime File
//! Format Specification" (Photo-JPEG: each frame is a complete JFIF). Pure.
//!
//! QuickTime, VLC, ffmpeg, GStreamer and OpenCV all accept `jpeg`. ISO's own way (`mp4v` with the object type 0x6C of
//! ISO/IEC 14496-1) works in ffmpeg and VLC, but not in QuickTime.
//!
//! `moov` comes before `mdat`, so that a player starts at once. Every frame has its own entry in `stts`, and every
//! chunk one in `stsc`, so that the lengths of the tables follow from the rows. Every frame is a sync sample (no
//! `stss`).

use super::footage::{FilmChunk, film_too_long};
use super::layout::{Film, Layout, OpenedChunk, Table};
use super::start::FilmStart;
use super::timeline::{TimeUnit, Timeline, longest_us};
use tallycam_base::Fault;

/// Seconds from 1904, the epoch of the format, to 1970.
pub(crate) const SINCE_1904: u64 = 2_082_844_800;

/// Candidates for units a second: a microsecond, unless an interval between frames does not fit 31 bits (ffmpeg takes
/// it for signed).
const SCALES: [u64; 6] = [1_000_000, 100_000, 10_000, 1_000, 100, 1];

/// Lays a film out.
pub(crate) fn layout_film(rows: &[FilmChunk], began: FilmStart, end_us: u64) -> Result<Film, Fault> {
    let longest = longest_us(rows, end_us);
    // A chunk's frames may need a few units more than there are.
    let fits = |scale: &u64| u128::from(longest) * u128::from(*scale) / 1_000_000 < (1 << 31) - (1 << 20);
    let scale = SCALES.into_iter().find(fits).ok_or_else(film_too_long)?;
    let timeline = Timeline::new(rows, end_us, TimeUnit { numerator: scale, denominator: 1_000_000 });
    let is_wide = head_len(&timeline, true) + 16 + timeline.bytes() > u64::from(u32::MAX);
    if head_len(&timeline, is_wide) > u64::from(u32::MAX) {
        return Err(film_too_long());
    }
    Ok(Mp4Header { timeline, began, scale, is_wide }.into_film())
}

struct Mp4Header {
    timeline: Timeline,
    began: FilmStart,
    /// Units a second.
    scale: u64,
    /// Offsets in the file need 64 bits.
    is_wide: bool,
}

/// Upper bound of the bytes before `mdat`, most of them in the tables.
fn head_len(timeline: &Timeline, is_wide: bool) -> u64 {
    let chunk = if is_wide { 20 } else { 16 };
    2000 + 12 * timeline.frames() + chunk * timeline.chunks() as u64
}

impl Mp4Header {
    fn into_film(self) -> Film {
        let chunks = 0..self.timeline.chunks();
        let (frames, count) = (self.timeline.frames(), self.timeline.chunks() as u64);
        let tables = [
            (b"stts", Table::Durations, frames, 8),
            (b"stsc", Table::Together, count, 12),
            (b"stsz", Table::Sizes, frames, 4),
        ];
        let width = if self.is_wide { 8 } else { 4 };
        // Length of a table's head: box head, version and flags, number of entries; `stsz` has a common size of 0
        // before the count.
        let head_of = |name: &[u8; 4]| if name == b"stsz" { 20 } else { 16 };
        let tables_len =
            tables.iter().map(|(name, _, count, each)| head_of(name) + count * each).sum::<u64>()
                + 16
                + width * count;
        let mut head = file_type();
        self.movie(&mut head, tables_len);
        let mut layout = Layout::default();
        for (name, table, count, each) in tables {
            write_box_header(&mut head, name, (head_of(name) + count * each) as u32);
            push_u32(&mut head, 0);
            if name == b"stsz" {
                push_u32(&mut head, 0);
            }
            push_u32(&mut head, count as u32);
            layout.push_fixed(std::mem::take(&mut head));
            layout.for_each_entry(table, chunks.clone(), count * each);
        }
        write_box_header(
            &mut head,
            if self.is_wide { b"co64" } else { b"stco" },
            (16 + width * count) as u32,
        );
        push_u32(&mut head, 0);
        push_u32(&mut head, count as u32);
        layout.push_fixed(std::mem::take(&mut head));
        let bytes = self.timeline.bytes();
        // A 32-bit size if it fits, else 1, and 64 bits after the name.
        match u32::try_from(bytes + 8) {
            Ok(len) => write_box_header(&mut head, b"mdat", len),
            Err(_) => {
                write_box_header(&mut head, b"mdat", 1);
                push_u64(&mut head, bytes + 16);
            }
        }
        let base = layout.len + width * count + head.len() as u64;
        let offsets = Table::Offsets { base, is_wide: self.is_wide };
        layout.for_each_entry(offsets, chunks.clone(), width * count);
        layout.push_fixed(head);
        layout.for_each_entry(Table::Pictures, chunks, bytes);
        layout.film(self.timeline)
    }

    /// Writes `moov` up to its tables, which have `tables` bytes.
    fn movie(&self, out: &mut Vec<u8>, tables: u64) {
        let mut table = Vec::new();
        self.description(&mut table);
        let stbl = 8 + table.len() as u64 + tables;
        let times = self.times();
        let mut media = Vec::new();
        times.media_head(&mut media);
        let mut information = Vec::new();
        write_information(&mut information);
        let minf = 8 + information.len() as u64 + stbl;
        let mdia = 8 + media.len() as u64 + minf;
        let mut track = Vec::new();
        times.track_head(&mut track);
        let trak = 8 + track.len() as u64 + mdia;
        let mut movie = Vec::new();
        times.movie_head(&mut movie);
        // The time with its fraction: a length, the language "und", and a text.
        let text = self.began.text();
        write_box_header(&mut movie, b"udta", 8 + 12 + text.len() as u32);
        write_box_header(&mut movie, b"\xa9day", 12 + text.len() as u32);
        movie.extend((text.len() as u16).to_be_bytes());
        movie.extend([0x55, 0xc4]);
        movie.extend(text.as_bytes());
        let moov = 8 + movie.len() as u64 + trak;
        for (name, len, content) in [
            (b"moov", moov, &movie),
            (b"trak", trak, &track),
            (b"mdia", mdia, &media),
            (b"minf", minf, &information),
            (b"stbl", stbl, &table),
        ] {
            write_box_header(out, name, len as u32);
            out.extend(content);
        }
    }

    fn times(&self) -> MovieTimes {
        let (units, size) = (self.timeline.units(), self.timeline.size);
        let created = self.began.us / 1_000_000 + SINCE_1904;
        MovieTimes { created, scale: self.scale, units, size }
    }

    /// `stsd` with a single description, also for changing sizes. ISO requires one for each size, but ffmpeg 5 cannot
    /// decode such a file and takes each frame's size from the JPEG anyway.
    fn description(&self, out: &mut Vec<u8>) {
        let (width, height) = self.timeline.size;
        write_box_header(out, b"stsd", 16 + 86);
        push_u32(out, 0);
        push_u32(out, 1);
        write_box_header(out, b"jpeg", 86);
        // Reserved; the first data reference; version, revision, vendor, qualities.
        out.extend([0, 0, 0, 0, 0, 0, 0, 1]);
        out.extend([0; 16]);
        out.extend((width as u16).to_be_bytes());
        out.extend((height as u16).to_be_bytes());
        // 72 dots an inch both ways; reserved; one frame a sample.
        push_u32(out, 0x0048_0000);
        push_u32(out, 0x0048_0000);
        push_u32(out, 0);
        out.extend([0, 1]);
        // Name of the compressor: a length and 31 letters. 24 bits a pixel, no colour table.
        let mut name = [0; 32];
        name[..12].copy_from_slice(b"\x0bMotion JPEG");
        out.extend(name);
        out.extend([0, 24, 0xff, 0xff]);
    }
}

/// Common contents of the boxes `mvhd`, `tkhd` and `mdhd`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MovieTimes {
    /// Seconds since 1904.
    pub created: u64,
    /// Units a second.
    pub scale: u64,
    /// Duration in units.
    pub units: u64,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

impl MovieTimes {
    /// Times and durations need 64 bits.
    fn needs_64_bit(&self) -> bool {
        self.units.max(self.created) > u64::from(u32::MAX)
    }

    /// Writes the head of a box with times: creation, modification, the output of `between`, duration.
    fn write_timed_head(
        &self,
        out: &mut Vec<u8>,
        name: &[u8; 4],
        rest: u32,
        flags: u32,
        between: impl FnOnce(&mut Vec<u8>),
    ) {
        let is_long = self.needs_64_bit();
        write_box_header(out, name, 12 + if is_long { 24 } else { 12 } + rest);
        push_u32(out, u32::from(is_long) << 24 | flags);
        let number = |out: &mut Vec<u8>, value: u64| {
            if is_long { push_u64(out, value) } else { push_u32(out, value as u32) }
        };
        number(out, self.created);
        number(out, self.created);
        between(out);
        number(out, self.units);
    }

    pub(crate) fn movie_head(&self, out: &mut Vec<u8>) {
        self.write_timed_head(out, b"mvhd", 84, 0, |out| push_u32(out, self.scale as u32));
        // Normal speed, full volume.
        push_u32(out, 0x0001_0000);
        out.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        matrix(out);
        for number in [0, 0, 0, 0, 0, 0, 2] {
            push_u32(out, number);
        }
    }

    pub(crate) fn track_head(&self, out: &mut Vec<u8>) {
        // Enabled, in the movie, in its preview. The track's number, and a reserved word before the duration.
        self.write_timed_head(out, b"tkhd", 68, 7, |out| {
            push_u32(out, 1);
            push_u32(out, 0);
        });
        for number in [0, 0, 0, 0] {
            push_u32(out, number);
        }
        matrix(out);
        let (width, height) = self.size;
        push_u32(out, width << 16);
        push_u32(out, height << 16);
    }

    pub(crate) fn media_head(&self, out: &mut Vec<u8>) {
        self.write_timed_head(out, b"mdhd", 8, 0, |out| push_u32(out, self.scale as u32));
        // The language "und", five bits a letter.
        push_u32(out, 0x55c4_0000);
        let name = b"tallycam\0";
        write_box_header(out, b"hdlr", 32 + name.len() as u32);
        push_u32(out, 0);
        push_u32(out, 0);
        out.extend(b"vide");
        out.extend([0; 12]);
        out.extend(name);
    }
}

/// Writes the entries of a chunk's frames, from byte `within` on.
pub(crate) fn write_picture_entries(table: Table, opened: &OpenedChunk, within: u64, out: &mut Vec<u8>) {
    let each = if table == Table::Durations { 8 } else { 4 };
    let (first, cut) = ((within / each) as usize, (within % each) as usize);
    let begin = out.len();
    for frame in first..opened.frames() {
        if table == Table::Durations {
            push_u32(out, 1);
            push_u32(out, (opened.ticks[frame + 1] - opened.ticks[frame]) as u32);
        } else {
            push_u32(out, opened.size(frame));
        }
    }
    out.drain(begin..begin + cut);
}

/// Writes the entry of a chunk, from byte `within` on.
pub(crate) fn write_chunk_entry(
    table: Table,
    timeline: &Timeline,
    chunk: usize,
    within: u64,
    out: &mut Vec<u8>,
) {
    let (place, next) = (&timeline.places[chunk], &timeline.places[chunk + 1]);
    let begin = out.len();
    match table {
        Table::Offsets { base, is_wide: true } => push_u64(out, base + place.at),
        Table::Offsets { base, .. } => push_u32(out, (base + place.at) as u32),
        _ => {
            push_u32(out, chunk as u32 + 1);
            push_u32(out, (next.first - place.first) as u32);
            push_u32(out, 1);
        }
    }
    out.drain(begin..begin + within as usize);
}

/// `vmhd` and `dinf`. Video: no transfer mode, no colour. The frames are in this file.
pub(crate) fn write_information(out: &mut Vec<u8>) {
    write_box_header(out, b"vmhd", 20);
    for number in [1, 0, 0] {
        push_u32(out, number);
    }
    write_box_header(out, b"dinf", 36);
    write_box_header(out, b"dref", 28);
    push_u32(out, 0);
    push_u32(out, 1);
    write_box_header(out, b"url ", 12);
    push_u32(out, 1);
}

fn file_type() -> Vec<u8> {
    let mut out = Vec::new();
    write_box_header(&mut out, b"ftyp", 32);
    out.extend(b"isom");
    push_u32(&mut out, 512);
    out.extend(b"isomiso2mp41qt  ");
    out
}

pub(crate) fn write_box_header(out: &mut Vec<u8>, name: &[u8; 4], len: u32) {
    push_u32(out, len);
    out.extend(name);
}

pub(crate) fn push_u32(out: &mut Vec<u8>, number: u32) {
    out.extend(number.to_be_bytes());
}

pub(crate) fn push_u64(out: &mut Vec<u8>, number: u64) {
    out.extend(number.to_be_bytes());
}

/// The identity matrix.
fn matrix(out: &mut Vec<u8>) {
    for number in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        push_u32(out, number);
    }
}
