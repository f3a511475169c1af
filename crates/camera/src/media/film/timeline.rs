//! Positions of a film's chunks, in bytes and in time. Pure.

use super::footage::FilmChunk;

/// Conversion of microseconds to a format's units: times `numerator` / `denominator`, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TimeUnit {
    pub numerator: u64,
    pub denominator: u64,
}

/// The unit of a microsecond.
pub(crate) const MICROSECONDS: TimeUnit = TimeUnit { numerator: 1, denominator: 1 };

/// Position of a chunk in the film.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ChunkPosition {
    /// The chunk's number in the store.
    pub number: u64,
    /// Number of frames before it.
    pub first: u64,
    /// Begin, in units.
    pub start: u64,
    /// Offset of its bytes: among the frames, or in the file.
    pub at: u64,
    /// Bytes of its frames.
    pub bytes: u32,
}

/// All chunks in order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Timeline {
    /// One more than there are chunks: the last one is the end of the film.
    pub places: Vec<ChunkPosition>,
    /// Width and height in pixels of the first frame.
    pub size: (u32, u32),
    base_us: u64,
    unit: TimeUnit,
}

/// Duration of a single frame without a known duration, in microseconds.
const ALONE_US: u64 = 1_000_000;

impl Timeline {
    /// Lays out `rows`, at least one, until `end_us`. Their bytes are contiguous.
    pub fn new(rows: &[FilmChunk], end_us: u64, unit: TimeUnit) -> Timeline {
        let base_us = rows.first().map_or(0, |row| row.from_us);
        let mut timeline = Timeline { places: Vec::new(), size: (0, 0), base_us, unit };
        timeline.place(rows, end_us, |timeline, us, next| timeline.tick_at(us).max(next));
        timeline
    }

    /// Lays out `rows`, at least one, with one frame in each `step_us` microseconds, whatever its time.
    pub fn even(rows: &[FilmChunk], step_us: u64) -> Timeline {
        let unit = TimeUnit { numerator: 1, denominator: step_us };
        let base_us = rows.first().map_or(0, |row| row.from_us);
        let mut timeline = Timeline { places: Vec::new(), size: (0, 0), base_us, unit };
        timeline.place(rows, 0, |_, _, next| next);
        timeline
    }

    /// `start` gives the begin of a chunk from its time and the end of the chunk before.
    fn place(&mut self, rows: &[FilmChunk], end_us: u64, start: impl Fn(&Timeline, u64, u64) -> u64) {
        self.size = rows.first().map_or((0, 0), |row| (row.width, row.height));
        let mut next = ChunkPosition::default();
        for row in rows {
            let start = start(self, row.from_us, next.start);
            self.places.push(ChunkPosition { number: row.number, start, bytes: row.bytes, ..next });
            next.first += u64::from(row.frames);
            next.start = start + u64::from(row.frames);
            next.at += u64::from(row.bytes);
        }
        next.start = start(self, end_us, next.start);
        self.places.push(next);
    }

    /// The time `us` in units.
    pub(crate) fn tick_at(&self, us: u64) -> u64 {
        let TimeUnit { numerator, denominator } = self.unit;
        let units =
            u128::from(us.saturating_sub(self.base_us)) * u128::from(numerator) / u128::from(denominator);
        units as u64
    }

    fn end_place(&self) -> ChunkPosition {
        self.places.last().copied().unwrap_or_default()
    }

    pub fn chunks(&self) -> usize {
        self.places.len() - 1
    }

    /// Total number of frames.
    pub fn frames(&self) -> u64 {
        self.end_place().first
    }

    /// Total duration in units.
    pub fn units(&self) -> u64 {
        self.end_place().start
    }

    /// Total duration in microseconds.
    pub fn duration_us(&self) -> u64 {
        let TimeUnit { numerator, denominator } = self.unit;
        (u128::from(self.units()) * u128::from(denominator) / u128::from(numerator)) as u64
    }

    /// Total number of bytes.
    pub fn bytes(&self) -> u64 {
        self.end_place().at
    }
}

/// End of the film of `rows`: after `duration_us`, or a typical interval after the last frame.
pub fn end_us(rows: &[FilmChunk], duration_us: u64) -> u64 {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return 0 };
    let to_us = last.to_us.max(last.from_us);
    let stated_end_us = first.from_us.saturating_add(duration_us);
    if stated_end_us > to_us {
        return stated_end_us;
    }
    let frames: u64 = rows.iter().map(|row| u64::from(row.frames)).sum();
    let steps = frames - 1;
    let usual = to_us.saturating_sub(first.from_us).checked_div(steps).filter(|usual| *usual > 0);
    to_us.saturating_add(usual.unwrap_or(ALONE_US))
}

/// Upper bound of the intervals between frames, in microseconds.
pub fn longest_us(rows: &[FilmChunk], end_us: u64) -> u64 {
    let next = rows.iter().skip(1).map(|row| row.from_us).chain([end_us]);
    rows.iter().zip(next).map(|(row, next)| next.saturating_sub(row.from_us)).max().unwrap_or(0)
}

/// Least sustained interval of a camera's frames, in microseconds; stamps may be closer.
pub(crate) const CLOSEST_US: u64 = 1_000;

/// The typical interval between frames where they come fastest, in microseconds.
pub(crate) fn fastest_interval_us(rows: &[FilmChunk], end_us: u64) -> u64 {
    let within = |least: u32| {
        rows.iter()
            .filter(move |row| row.frames >= least.max(2))
            .map(|row| row.to_us.saturating_sub(row.from_us) / u64::from(row.frames - 1))
            .filter(|step| *step > 0)
            .min()
    };
    // A few frames may be closer by chance.
    let between = || {
        let next = rows.iter().skip(1).map(|row| row.from_us);
        rows.iter()
            .zip(next)
            .map(|(row, next)| next.saturating_sub(row.from_us))
            .filter(|step| *step > 0)
            .min()
    };
    // Repeated stamps: assume even intervals.
    let alone = || {
        let frames: u64 = rows.iter().map(|row| u64::from(row.frames)).sum();
        end_us.saturating_sub(rows.first().map_or(0, |row| row.from_us)) / frames.max(1)
    };
    within(8).or_else(|| within(2)).or_else(between).unwrap_or_else(alone).max(CLOSEST_US)
}
