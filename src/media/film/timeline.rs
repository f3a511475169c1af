//! Where the chunks of a film lie, in its bytes and in time. Pure.

use super::footage::FilmChunk;

/// How microseconds become a format's units: `numerator` / `denominator` of them, rounded down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeUnit {
    pub numerator: u64,
    pub denominator: u64,
}

/// Units of a microsecond.
pub const MICROSECONDS: TimeUnit = TimeUnit { numerator: 1, denominator: 1 };

/// One chunk in the film.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChunkPosition {
    /// The chunk's number in the store.
    pub number: u64,
    /// Pictures before it.
    pub first: u64,
    /// When it begins, in units.
    pub start: u64,
    /// Where its bytes begin: among the pictures, or in the file.
    pub at: u64,
    /// Bytes of its pictures.
    pub bytes: u32,
}

/// All chunks in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// One more than there are: the last tells where the film ends.
    pub places: Vec<ChunkPosition>,
    /// Pixels in a row and rows of the first picture.
    pub size: (u32, u32),
    base_us: u64,
    unit: TimeUnit,
}

/// The last picture is shown so long where nothing says how long: there is no other.
const ALONE_US: u64 = 1_000_000;

impl Timeline {
    /// Lays out `rows`, of which there is at least one, until `end_us`. Their bytes lie back to back.
    pub fn new(rows: &[FilmChunk], end_us: u64, unit: TimeUnit) -> Timeline {
        let (base_us, size) = rows.first().map_or((0, (0, 0)), |row| (row.from_us, (row.width, row.height)));
        let mut timeline = Timeline { places: Vec::with_capacity(rows.len() + 1), size, base_us, unit };
        let mut next = ChunkPosition::default();
        for row in rows {
            let start = timeline.tick_at(row.from_us).max(next.start);
            timeline.places.push(ChunkPosition { number: row.number, start, bytes: row.bytes, ..next });
            next.first += u64::from(row.frames);
            next.start = start + u64::from(row.frames);
            next.at += u64::from(row.bytes);
        }
        next.start = timeline.tick_at(end_us).max(next.start);
        timeline.places.push(next);
        timeline
    }

    /// The unit in which `us` lies.
    pub fn tick_at(&self, us: u64) -> u64 {
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

    /// Pictures in all.
    pub fn frames(&self) -> u64 {
        self.end_place().first
    }

    /// Units in all.
    pub fn units(&self) -> u64 {
        self.end_place().start
    }

    /// Units in all as microseconds.
    pub fn duration_us(&self) -> u64 {
        let TimeUnit { numerator, denominator } = self.unit;
        (u128::from(self.units()) * u128::from(denominator) / u128::from(numerator)) as u64
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.end_place().at
    }
}

/// When the film of `rows` ends: after `duration_us`, or a usual step after the last picture.
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

/// The longest time from one picture to the next, at most, in microseconds.
pub fn longest_us(rows: &[FilmChunk], end_us: u64) -> u64 {
    let next = rows.iter().skip(1).map(|row| row.from_us).chain([end_us]);
    rows.iter().zip(next).map(|(row, next)| next.saturating_sub(row.from_us)).max().unwrap_or(0)
}

/// Two pictures of a camera are no closer than this for long, in microseconds; stamps may be.
pub const CLOSEST_US: u64 = 1_000;

/// The usual time between two pictures where they come fastest, in microseconds.
pub fn fastest_interval_us(rows: &[FilmChunk], end_us: u64) -> u64 {
    let within = |least: u32| {
        rows.iter()
            .filter(move |row| row.frames >= least.max(2))
            .map(|row| row.to_us.saturating_sub(row.from_us) / u64::from(row.frames - 1))
            .filter(|step| *step > 0)
            .min()
    };
    // A few pictures only may be closer by chance.
    let between = || {
        let next = rows.iter().skip(1).map(|row| row.from_us);
        rows.iter()
            .zip(next)
            .map(|(row, next)| next.saturating_sub(row.from_us))
            .filter(|step| *step > 0)
            .min()
    };
    // Stamps that stand still: evenly, then.
    let alone = || {
        let frames: u64 = rows.iter().map(|row| u64::from(row.frames)).sum();
        end_us.saturating_sub(rows.first().map_or(0, |row| row.from_us)) / frames.max(1)
    };
    within(8).or_else(|| within(2)).or_else(between).unwrap_or_else(alone).max(CLOSEST_US)
}
