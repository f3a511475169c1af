//! The tables of a track: offset, length and time of each frame.

use super::scan::{ByteRegion, RUN, Spool};
use crate::source::container::ContainerError;

/// Seconds from 1904, the epoch of the format, to 1970.
const SINCE_1904: u64 = 2_082_844_800;

/// An earlier creation date, in seconds since 1970, comes from a clock that was not set.
const YEAR: u64 = 366 * 86_400;

/// A longer duration of a frame, in units, is broken: players take the number for signed.
pub(super) const LONGEST: u32 = i32::MAX as u32;

/// No time is later than this, in microseconds: the end of the year 9999.
pub(super) const LATEST_US: u64 = 253_402_300_799_000_000;

/// The common start of the headers of a movie and of a track's media.
pub(super) struct Timed {
    pub(super) created_us: Option<u64>,
    /// Units a second; not 0.
    pub(super) scale: u32,
}

impl Timed {
    pub(super) fn read(spool: &Spool, body: ByteRegion) -> Result<Timed, ContainerError> {
        let is_long = spool.bytes(body, 0)? == Some([1]);
        let created = if is_long {
            spool.bytes(body, 4)?.map(u64::from_be_bytes)
        } else {
            spool.read_u32(body, 4)?.map(u64::from)
        };
        let scale = spool.read_u32(body, if is_long { 20 } else { 12 })?.filter(|scale| *scale > 0);
        // Some writers count from 1970; no file is older than that.
        let seconds = created.map(|created| created.checked_sub(SINCE_1904).unwrap_or(created));
        let created_us =
            seconds.filter(|seconds| *seconds >= YEAR).and_then(|seconds| seconds.checked_mul(1_000_000));
        Ok(Timed {
            created_us: created_us.filter(|us| *us <= LATEST_US),
            scale: scale.ok_or_else(|| ContainerError::damaged("it has no time scale"))?,
        })
    }
}

/// A table of the index, read through a small buffer.
#[derive(Debug, Clone)]
pub(super) struct Entries {
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) buffer: Vec<u8>,
    pub(super) used: usize,
}

impl Entries {
    pub(super) fn new(body: ByteRegion, head: u64) -> Entries {
        Entries { at: body.at.saturating_add(head), end: body.end, buffer: Vec::new(), used: 0 }
    }

    pub(super) fn next<const N: usize>(&mut self, spool: &Spool) -> Result<Option<[u8; N]>, ContainerError> {
        if self.buffer.len() - self.used < N {
            // Entries of a table have one length, so a remainder is the table's torn end.
            let len = RUN / N * N;
            let len = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(len);
            self.buffer.resize(len, 0);
            let read = spool.read(self.at, &mut self.buffer)?;
            self.buffer.truncate(read);
            self.at += read as u64;
            self.used = 0;
        }
        let entry = self.buffer[self.used..].first_chunk::<N>().copied();
        self.used += if entry.is_some() { N } else { 0 };
        Ok(entry)
    }

    pub(super) fn next_u32(&mut self, spool: &Spool) -> Result<Option<u32>, ContainerError> {
        Ok(self.next(spool)?.map(u32::from_be_bytes))
    }
}

/// A frame in the file.
pub(super) struct Sample {
    pub(super) at: u64,
    pub(super) len: u64,
    /// Begin and end in microseconds; `None` if the edit list omits it.
    pub(super) shown_us: Option<(u64, u64)>,
}

#[derive(Debug)]
pub(super) struct Mp4Track {
    /// Units a second.
    pub(super) scale: u32,
    pub(super) sizes: SampleSizes,
    pub(super) times: SampleTimes,
    pub(super) places: ChunkOffsets,
    pub(super) edit: EditListEntry,
}

impl Mp4Track {
    pub(super) fn read(
        spool: &Spool,
        track: ByteRegion,
        media: ByteRegion,
        table: ByteRegion,
        movie_scale: u32,
    ) -> Result<Mp4Track, ContainerError> {
        let damaged = |what| move || ContainerError::damaged(what);
        let head = spool.find_child(media, b"mdhd")?.ok_or_else(damaged("its video has no head"))?;
        let scale = Timed::read(spool, head)?.scale;
        let child = |name, what| spool.find_child(table, name)?.ok_or_else(damaged(what));
        let times = child(b"stts", "it has no times")?;
        let runs = child(b"stsc", "it has no chunks")?;
        let (offsets, is_wide) = match spool.find_child(table, b"co64")? {
            Some(wide) => (wide, true),
            None => (child(b"stco", "it does not say where the pictures are")?, false),
        };
        let edits = spool
            .find_child(track, b"edts")?
            .map(|edits| spool.find_child(edits, b"elst"))
            .transpose()?
            .flatten();
        let edit = match edits {
            Some(list) => EditListEntry::read(spool, list, movie_scale, scale)?,
            None => EditListEntry::default(),
        };
        Ok(Mp4Track {
            scale,
            sizes: SampleSizes::read(spool, table)?,
            times: SampleTimes { entries: Entries::new(times, 8), left: 0, step: 0, at: 0 },
            places: ChunkOffsets {
                runs: Entries::new(runs, 8),
                offsets: Entries::new(offsets, 8),
                is_wide,
                chunk: 0,
                in_each: 0,
                next_run: None,
                left: 0,
                at: 0,
            },
            edit,
        })
    }

    pub(super) fn next(&mut self, spool: &Spool) -> Result<Option<Sample>, ContainerError> {
        let Some(len) = self.sizes.next(spool)? else { return Ok(None) };
        let Some(at) = self.places.next(spool, len)? else { return Ok(None) };
        let (begin, end) = self.times.next(spool)?;
        let shown = self.edit.shown_range(begin, end);
        let us = |units: u64| {
            u64::try_from(u128::from(units) * 1_000_000 / u128::from(self.scale))
                .unwrap_or(LATEST_US)
                .min(LATEST_US)
        };
        Ok(Some(Sample { at, len: u64::from(len), shown_us: shown.map(|(begin, end)| (us(begin), us(end))) }))
    }
}

/// Length in bytes of each frame.
#[derive(Debug)]
pub(super) struct SampleSizes {
    pub(super) left: u32,
    /// Common length of all frames; 0 if each has an entry.
    pub(super) common: u32,
    /// Bits of an entry: 32, 16, 8 or 4.
    pub(super) bits: u8,
    pub(super) entries: Entries,
    /// The second of two entries that share a byte.
    pub(super) second: Option<u8>,
}

impl SampleSizes {
    pub(super) fn read(spool: &Spool, table: ByteRegion) -> Result<SampleSizes, ContainerError> {
        let none = || ContainerError::damaged("it does not say how large the pictures are");
        let (body, is_compact) = match spool.find_child(table, b"stsz")? {
            Some(body) => (body, false),
            None => (spool.find_child(table, b"stz2")?.ok_or_else(none)?, true),
        };
        let field = spool.read_u32(body, 4)?.ok_or_else(none)?;
        let left = spool.read_u32(body, 8)?.ok_or_else(none)?;
        let (common, bits) = match (is_compact, field & 0xff) {
            (false, _) => (field, 32),
            (true, bits @ (4 | 8 | 16)) => (0, bits as u8),
            _ => return Err(none()),
        };
        Ok(SampleSizes { left, common, bits, entries: Entries::new(body, 12), second: None })
    }

    pub(super) fn next(&mut self, spool: &Spool) -> Result<Option<u32>, ContainerError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        if self.common > 0 {
            return Ok(Some(self.common));
        }
        if let Some(second) = self.second.take() {
            return Ok(Some(u32::from(second)));
        }
        Ok(match self.bits {
            32 => self.entries.next_u32(spool)?,
            16 => self.entries.next(spool)?.map(|two| u32::from(u16::from_be_bytes(two))),
            8 => self.entries.next(spool)?.map(|[one]| u32::from(one)),
            _ => self.entries.next(spool)?.map(|[both]| {
                self.second = Some(both & 15);
                u32::from(both >> 4)
            }),
        })
    }
}

/// Duration of each frame.
#[derive(Debug)]
pub(super) struct SampleTimes {
    pub(super) entries: Entries,
    /// Remaining frames of the current entry.
    pub(super) left: u32,
    pub(super) step: u32,
    pub(super) at: u64,
}

impl SampleTimes {
    /// Begin and end of the next frame, in units. Beyond the table the last duration is repeated.
    pub(super) fn next(&mut self, spool: &Spool) -> Result<(u64, u64), ContainerError> {
        while self.left == 0 {
            let Some(entry) = self.entries.next::<8>(spool)? else { break };
            let [a, b, c, d, step @ ..] = entry;
            self.left = u32::from_be_bytes([a, b, c, d]);
            self.step = Some(u32::from_be_bytes(step)).filter(|step| *step <= LONGEST).unwrap_or(0);
        }
        self.left = self.left.saturating_sub(1);
        let begin = self.at;
        self.at = begin.saturating_add(u64::from(self.step));
        Ok((begin, self.at))
    }
}

/// Offsets of the frames.
#[derive(Debug, Clone)]
pub(super) struct ChunkOffsets {
    pub(super) runs: Entries,
    pub(super) offsets: Entries,
    pub(super) is_wide: bool,
    /// Number of the current chunk; the first is 1.
    pub(super) chunk: u32,
    /// Frames in each chunk of the current run.
    pub(super) in_each: u32,
    /// The first chunk of the next run, and the frames in each of its chunks.
    pub(super) next_run: Option<(u32, u32)>,
    /// Remaining frames of this chunk, and the offset of the next one.
    pub(super) left: u32,
    pub(super) at: u64,
}

impl ChunkOffsets {
    pub(super) fn offset(&mut self, spool: &Spool) -> Result<Option<u64>, ContainerError> {
        Ok(if self.is_wide {
            self.offsets.next(spool)?.map(u64::from_be_bytes)
        } else {
            self.offsets.next_u32(spool)?.map(u64::from)
        })
    }

    /// Offset of the next frame, which has `len` bytes.
    pub(super) fn next(&mut self, spool: &Spool, len: u32) -> Result<Option<u64>, ContainerError> {
        while self.left == 0 {
            let Some(at) = self.offset(spool)? else { return Ok(None) };
            self.at = at;
            self.chunk = self.chunk.saturating_add(1);
            loop {
                if self.next_run.is_none() {
                    self.next_run = self.runs.next::<12>(spool)?.map(|[a, b, c, d, e, f, g, h, ..]| {
                        (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
                    });
                }
                match self.next_run {
                    Some((first, in_each)) if first <= self.chunk => {
                        self.in_each = in_each;
                        self.next_run = None;
                    }
                    _ => break,
                }
            }
            self.left = self.in_each;
        }
        self.left -= 1;
        let at = self.at;
        self.at = at.saturating_add(u64::from(len));
        Ok(Some(at))
    }

    /// True if the chunks are in ascending order without overlap, from `at` on.
    pub(super) fn are_ascending_from(&mut self, spool: &Spool, mut at: u64) -> Result<bool, ContainerError> {
        while let Some(offset) = self.offset(spool)? {
            if offset < at {
                return Ok(false);
            }
            at = offset;
        }
        Ok(true)
    }
}

/// The shown part of the media, and when it begins.
#[derive(Debug, Default)]
pub(super) struct EditListEntry {
    /// Time before anything is shown, in units of the media.
    pub(super) delay: u64,
    pub(super) from: u64,
    pub(super) to: Option<u64>,
}

impl EditListEntry {
    /// If a film is edited together from several pieces, all frames are used, in the order of the file.
    pub(super) fn read(
        spool: &Spool,
        list: ByteRegion,
        movie_scale: u32,
        scale: u32,
    ) -> Result<EditListEntry, ContainerError> {
        let is_long = spool.bytes(list, 0)? == Some([1]);
        let count = spool.read_u32(list, 4)?.unwrap_or(0);
        let mut entries = Entries::new(list, 8);
        let units = |duration: u64| {
            let units = (u128::from(duration) * u128::from(scale)).div_ceil(u128::from(movie_scale));
            u64::try_from(units).unwrap_or(u64::MAX)
        };
        let mut edit = EditListEntry::default();
        let mut pieces = 0;
        for _ in 0..count {
            let entry = if is_long {
                entries.next::<20>(spool)?.map(|[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..]| {
                    let duration = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
                    (duration, i64::from_be_bytes([i, j, k, l, m, n, o, p]))
                })
            } else {
                entries.next::<12>(spool)?.map(|[a, b, c, d, e, f, g, h, ..]| {
                    let duration = u64::from(u32::from_be_bytes([a, b, c, d]));
                    (duration, i64::from(i32::from_be_bytes([e, f, g, h])))
                })
            };
            let Some((duration, from)) = entry else { break };
            match u64::try_from(from) {
                Err(_) if pieces == 0 => edit.delay = edit.delay.saturating_add(units(duration)),
                Err(_) => {}
                Ok(from) => {
                    pieces += 1;
                    edit.from = from;
                    edit.to = (duration > 0).then(|| from.saturating_add(units(duration)));
                }
            }
        }
        Ok(if pieces == 1 { edit } else { EditListEntry { delay: edit.delay, ..EditListEntry::default() } })
    }

    /// When a frame of this time is shown; `None` if it is not.
    pub(super) fn shown_range(&self, begin: u64, end: u64) -> Option<(u64, u64)> {
        let is_shown = (end > self.from || begin >= self.from) && self.to.is_none_or(|to| begin < to);
        let moved = |at: u64| (at.max(self.from) - self.from).saturating_add(self.delay);
        is_shown.then(|| (moved(begin), moved(self.to.map_or(end, |to| end.min(to)))))
    }
}
