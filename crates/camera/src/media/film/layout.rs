//! The layout of a file: sections of fixed bytes, and sections with a part for each chunk.

use std::ops::Range;

use super::timeline::Timeline;

/// A recording laid out as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    pub(super) timeline: Timeline,
    /// Fixed interval between frames in microseconds; `None` for the frames' own times.
    pub(super) step_us: Option<u64>,
    /// The sections in order, without gaps.
    pub(super) sections: Vec<FilmSection>,
    pub(super) len: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct FilmSection {
    pub(super) at: u64,
    pub(super) what: FilmPart,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum FilmPart {
    Fixed(Vec<u8>),
    /// A part for each chunk.
    Each(Table, Range<usize>),
}

/// Kinds of data for each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// The frames without gaps.
    Pictures,
    /// MP4: duration of each frame (`stts`).
    Durations,
    /// MP4: number of contiguous frames (`stsc`).
    Together,
    /// MP4: bytes of each frame (`stsz`).
    Sizes,
    /// MP4: offset of the chunk in the file, in 32 or 64 bits (`stco`, `co64`), the first at `base`.
    Offsets { base: u64, is_wide: bool },
    /// AVI: frames, and empty chunks between them.
    Slots,
    /// AVI: offset of each slot, counted from `base` (`ix00`).
    SlotIndex { base: u64 },
    /// AVI: the same for old players (`idx1`).
    OldIndex { base: u64 },
}

/// A chunk with the index of its frames.
pub(super) struct OpenedChunk {
    /// Offset of each frame in the chunk's bytes, and the end of the last one.
    pub(super) bounds: Vec<u32>,
    /// Begin of each frame in the format's units, and that of the next chunk.
    pub(super) ticks: Vec<u64>,
}

impl OpenedChunk {
    pub(super) fn frames(&self) -> usize {
        self.bounds.len() - 1
    }

    pub(super) fn size(&self, frame: usize) -> u32 {
        self.bounds[frame + 1] - self.bounds[frame]
    }
}

/// A layout under construction, from front to back.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) sections: Vec<FilmSection>,
    pub(super) len: u64,
}

impl Layout {
    pub(super) fn push_fixed(&mut self, bytes: Vec<u8>) {
        let len = bytes.len() as u64;
        self.push(FilmPart::Fixed(bytes), len);
    }

    pub(super) fn for_each_entry(&mut self, table: Table, chunks: Range<usize>, len: u64) {
        self.push(FilmPart::Each(table, chunks), len);
    }

    pub(super) fn push(&mut self, what: FilmPart, len: u64) {
        // An empty section would hide the next one.
        if len > 0 {
            self.sections.push(FilmSection { at: self.len, what });
            self.len += len;
        }
    }

    pub(super) fn film(self, timeline: Timeline) -> Film {
        Film { timeline, step_us: None, sections: self.sections, len: self.len }
    }
}
