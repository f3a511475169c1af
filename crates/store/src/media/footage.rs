//! A stored recording as a film: its rows, and its pictures as [`Film`] requests them.

use bytes::Bytes;

use super::{ChunkRow, Item, MediaError, MediaOrigin, MediaReader};
use tallycam_base::Fault;
use tallycam_camera::media::film::{Film, FilmChunk, FilmFormat, FilmFrame, FilmStart, Footage, empty_film};

/// The pictures of one recording. Reading blocks.
#[derive(Debug)]
pub struct StoredFootage<'a> {
    /// The reader.
    pub reader: &'a MediaReader,
    /// The recording's number.
    pub id: u64,
}

impl Footage for StoredFootage<'_> {
    type Error = MediaError;

    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, MediaError> {
        let frames = self.reader.frames(self.id, number)?;
        Ok(frames.iter().map(|frame| FilmFrame { at_us: frame.at_us, offset: frame.offset }).collect())
    }

    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, MediaError> {
        self.reader.bytes(self.id, number, offset, len)
    }
}

/// Time from one picture to the next in a time-lapse: 25 pictures a second.
pub(crate) const TIME_LAPSE_STEP_US: u64 = 40_000;

impl Item {
    /// Time between pictures if they are shown evenly, as in a time-lapse; `None` if at their own times.
    pub fn even_step_us(&self) -> Option<u64> {
        (self.origin == MediaOrigin::TimeLapse).then_some(TIME_LAPSE_STEP_US)
    }
}

/// The pictures that a part of a recording has of its first and last chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FootageCut {
    /// The first chunk's number, the number of its leading pictures that are left out, and their bytes.
    first: (u64, usize, u32),
    /// The last chunk's number, and the number of its pictures up to the end of the part.
    last: (u64, usize),
}

/// The pictures of a part of a recording. Reading blocks.
#[derive(Debug)]
pub struct CutFootage<'a> {
    /// The whole recording.
    pub whole: StoredFootage<'a>,
    /// The part.
    pub cut: FootageCut,
}

impl Footage for CutFootage<'_> {
    type Error = MediaError;

    fn frames(&mut self, number: u64) -> Result<Vec<FilmFrame>, MediaError> {
        let mut frames = self.whole.frames(number)?;
        if number == self.cut.last.0 {
            frames.truncate(self.cut.last.1);
        }
        if number == self.cut.first.0 {
            frames.drain(..self.cut.first.1.min(frames.len()));
            frames.iter_mut().for_each(|frame| frame.offset = frame.offset.saturating_sub(self.cut.first.2));
        }
        Ok(frames)
    }

    fn bytes(&mut self, number: u64, offset: u32, len: u32) -> Result<Bytes, MediaError> {
        let before = if number == self.cut.first.0 { self.cut.first.2 } else { 0 };
        self.whole.bytes(number, offset.saturating_add(before), len)
    }
}

/// A part of a recording as a film: from the picture that is shown at `from_us` until `to_us`, both in microseconds
/// since its first picture. Also returns the start of the film in microseconds since 1970. Reading blocks.
///
/// # Errors
/// The recording cannot be read. The inner error: there is no picture.
pub fn clip(
    reader: &MediaReader,
    item: &Item,
    rows: &[ChunkRow],
    (from_us, to_us): (u64, u64),
    format: FilmFormat,
) -> Result<Result<(Film, FootageCut, u64), Fault>, MediaError> {
    let Some(begin_us) = rows.first().map(|row| row.from_us) else { return Ok(Err(empty_film())) };
    let (from_us, to_us) = (begin_us.saturating_add(from_us), begin_us.saturating_add(to_us));
    let first = rows.partition_point(|row| row.from_us <= from_us).saturating_sub(1);
    let last = rows.partition_point(|row| row.from_us < to_us).saturating_sub(1).max(first);
    let frames = reader.frames(item.id, rows[first].number)?;
    let skipped = frames.partition_point(|frame| frame.at_us <= from_us).saturating_sub(1);
    let Some(start) = frames.get(skipped).copied() else { return Ok(Err(empty_film())) };
    let frames = if last == first { frames } else { reader.frames(item.id, rows[last].number)? };
    let least = if last == first { skipped + 1 } else { 1 };
    let kept = frames.partition_point(|frame| frame.at_us < to_us).max(least).min(frames.len());
    let cut =
        FootageCut { first: (rows[first].number, skipped, start.offset), last: (rows[last].number, kept) };
    let mut chunks: Vec<FilmChunk> = rows[first..=last].iter().map(film_chunk).collect();
    if let Some(chunk) = chunks.last_mut() {
        chunk.bytes = frames.get(kept).map_or(chunk.bytes, |frame| frame.offset);
        chunk.frames = kept as u32;
        chunk.to_us = frames.get(kept.saturating_sub(1)).map_or(chunk.to_us, |frame| frame.at_us);
    }
    if let Some(chunk) = chunks.first_mut() {
        chunk.bytes = chunk.bytes.saturating_sub(start.offset);
        chunk.frames = chunk.frames.saturating_sub(skipped as u32);
        chunk.from_us = start.at_us;
    }
    // The row of an unfinished recording does not have its end yet.
    let end_us = rows.last().map_or(0, |row| row.to_us + 1).max(item.duration_us).min(to_us);
    let began_us = item.at_us.saturating_add(start.at_us);
    let began = FilmStart { us: began_us, is_sure: item.is_sure };
    let film = match item.even_step_us() {
        Some(step_us) => Film::evenly(format, chunks, began, step_us),
        None => Film::new(format, chunks, began, end_us.saturating_sub(start.at_us)),
    };
    Ok(film.map(|film| (film, cut, began_us)))
}

fn film_chunk(row: &ChunkRow) -> FilmChunk {
    FilmChunk {
        number: row.number,
        frames: row.frames,
        bytes: row.bytes,
        from_us: row.from_us,
        to_us: row.to_us,
        width: row.width,
        height: row.height,
    }
}

/// The chunks `rows` of the recording `item` as a film. A time-lapse has 25 pictures a second.
///
/// # Errors
/// There is no picture, or too many for the format.
pub fn film(item: &Item, rows: &[ChunkRow], format: FilmFormat) -> Result<Film, Fault> {
    // The row counts from the recording's start, a film from its first picture. Pictures between may have been lost
    // to a slow disk or a damaged page.
    let lost_us = rows.first().map_or(0, |first| first.from_us);
    let began = FilmStart { us: item.at_us.saturating_add(lost_us), is_sure: item.is_sure };
    let chunks = rows.iter().map(film_chunk);
    match item.even_step_us() {
        Some(step_us) => Film::evenly(format, chunks, began, step_us),
        None => Film::new(format, chunks, began, item.duration_us.saturating_sub(lost_us)),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::{MediaKind, MediaOrigin};
    use super::*;

    /// Footage without pictures, enough for the head of a film.
    struct Nothing;

    impl Footage for Nothing {
        type Error = Infallible;

        fn frames(&mut self, _: u64) -> Result<Vec<FilmFrame>, Infallible> {
            Ok(Vec::new())
        }

        fn bytes(&mut self, _: u64, _: u32, _: u32) -> Result<Bytes, Infallible> {
            Ok(Bytes::new())
        }
    }

    /// The head of a film with ten pictures in a second, the first one `lost_us` after the recording's start.
    fn head(lost_us: u64) -> Bytes {
        let item = Item {
            id: 1,
            name: String::from("a.mp4"),
            kind: MediaKind::Recording,
            date: String::new(),
            at_us: 1_800_000_000_000_000 - lost_us,
            is_sure: true,
            added_us: 0,
            duration_us: lost_us + 1_000_000,
            frames: 10,
            gaps: 0,
            width: 8,
            height: 8,
            bytes: 100,
            camera: String::new(),
            source: String::new(),
            origin: MediaOrigin::Asked,
            note: String::new(),
            is_kept: false,
            is_open: false,
            version: 1,
        };
        let row = ChunkRow {
            number: 0,
            first_frame: 0,
            from_us: lost_us,
            to_us: lost_us + 900_000,
            frames: 10,
            bytes: 100,
            width: 8,
            height: 8,
            is_after_gap: false,
        };
        let film = film(&item, &[row], FilmFormat::Mov).expect("a film");
        film.read(0, 1 << 16, &mut Nothing).expect("its head")
    }

    #[test]
    fn pictures_lost_at_the_start_do_not_lengthen_a_film() {
        assert!(head(0).windows(4).any(|name| name == b"mvhd"));
        assert!(head(0) == head(3_000_000));
    }
}
