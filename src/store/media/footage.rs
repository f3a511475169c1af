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
    Film::new(format, rows.iter().map(chunk), item.at_us, item.duration_us)
}
