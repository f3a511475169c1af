//! A file that is laid out: sections of fixed bytes, and of what each chunk gives.

use std::ops::Range;

use super::timeline::Timeline;

/// A recording laid out as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Film {
    pub(super) timeline: Timeline,
    /// From one picture to the next, microseconds, whatever the pictures' own times are; `None`: as those are.
    pub(super) step_us: Option<u64>,
    /// In order, none overlapping, together the file.
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
    /// Something of each chunk.
    Each(Table, Range<usize>),
}

/// What of each chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// The pictures as they lie.
    Pictures,
    /// MP4: how long each picture is shown (`stts`).
    Durations,
    /// MP4: how many pictures lie together (`stsc`).
    Together,
    /// MP4: bytes of each picture (`stsz`).
    Sizes,
    /// MP4: where the chunk lies in the file, as 32 or 64 bits (`stco`, `co64`), the first at `base`.
    Offsets { base: u64, is_wide: bool },
    /// AVI: pictures, and empty chunks between them.
    Slots,
    /// AVI: where each slot's bytes lie, counted from `base` (`ix00`).
    SlotIndex { base: u64 },
    /// AVI: the same as old players want it (`idx1`).
    OldIndex { base: u64 },
}

/// A chunk that has been looked into.
pub(super) struct OpenedChunk {
    /// Where each picture begins in the chunk's bytes, and where the last one ends.
    pub(super) bounds: Vec<u32>,
    /// When each is shown, in the format's units, and when the next chunk begins.
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

/// A file that is being laid out, from front to back.
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
        // A section without bytes would stand in the way of the next one.
        if len > 0 {
            self.sections.push(FilmSection { at: self.len, what });
            self.len += len;
        }
    }

    pub(super) fn film(self, timeline: Timeline) -> Film {
        Film { timeline, step_us: None, sections: self.sections, len: self.len }
    }
}
