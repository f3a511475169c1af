//! A stored recording as a film: what its rows say, and its pictures as [`Film`] asks for them.

use bytes::Bytes;

use super::{ChunkRow, Item, MediaError, MediaReader};
use crate::media::film::{Film, FilmChunk, FilmError, FilmFormat, FilmFrame, Footage};

/// The pictures of one recording. Reading blocks.
#[derive(Debug)]
pub struct StoredFootage<'a> {
    /// What reads them.
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

/// The chunks `rows` of the recording `item` as a film.
///
/// # Errors
/// There is no picture, or the format cannot hold so many.
pub fn film(item: &Item, rows: &[ChunkRow], format: FilmFormat) -> Result<Film, FilmError> {
    let chunk = |row: &ChunkRow| FilmChunk {
        number: row.number,
        frames: row.frames,
        bytes: row.bytes,
        from_us: row.from_us,
        to_us: row.to_us,
        width: row.width,
        height: row.height,
    };
    // The row counts from the recording's beginning, a film from its first picture: those before it may have been
    // lost to a slow disk, or to a damaged page.
    let lost_us = rows.first().map_or(0, |first| first.from_us);
    let began_us = item.at_us.saturating_add(lost_us);
    Film::new(format, rows.iter().map(chunk), began_us, item.duration_us.saturating_sub(lost_us))
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::super::{MediaKind, Origin};
    use super::*;

    /// The head of a film needs no picture.
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

    /// The head of a film of ten pictures in a second, the first one `lost_us` after the recording's beginning.
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
            origin: Origin::Asked,
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
        let film = film(&item, &[row], FilmFormat::Mp4).expect("a film");
        film.read(0, 1 << 16, &mut Nothing).expect("its head")
    }

    #[test]
    fn a_film_is_no_longer_for_what_was_lost_before_its_first_picture() {
        assert!(head(0).windows(4).any(|name| name == b"mvhd"));
        assert!(head(0) == head(3_000_000));
    }
}
