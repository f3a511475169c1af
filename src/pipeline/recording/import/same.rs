//! Whether an item is what taking a file would make: so that taking a folder again doubles nothing.

use std::io::{Cursor, Read};

use crate::media::jpeg::{self, STANDARD_HUFFMAN_TABLES};
use crate::source::avi::AviReader;
use crate::source::mp4::Mp4Reader;
use crate::store::media::{ChunkFrame, ChunkRow, Item, MediaKind as ItemKind, MediaReader};

use super::{AviFrames, Forward, Frames, HEAD, ImportError, ImportKind, Mp4Frames, Pictures, create_spool};

/// Whether the pictures of `item` are those of the file, all of them, in order, byte for byte as they would be kept.
/// Reads both at most once, a picture and a chunk at a time. Blocks.
///
/// # Errors
/// The file cannot be read or taken, or the store cannot be read.
pub fn has_same_pictures(
    reader: &MediaReader,
    item: &Item,
    mut input: impl Read,
) -> Result<bool, ImportError> {
    let mut head = Vec::with_capacity(HEAD);
    input.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let kind = ImportKind::detect(&head)?;
    let whole = Cursor::new(head).chain(input);
    if item.kind == ItemKind::Snapshot {
        let ImportKind::Jpegs = kind else { return Ok(false) };
        let kept = reader.snapshot(item.id)?;
        let mut pictures = Pictures::jpegs(whole);
        let first = pictures.next()?;
        return Ok(first.is_some_and(|first| kept == normalise_jpeg(first.jpeg).unwrap_or_default()));
    }
    let stored = Stored {
        reader,
        id: item.id,
        chunks: reader.chunks(item.id)?.into_iter(),
        frames: Vec::new().into_iter(),
        number: 0,
    };
    match kind {
        ImportKind::Avi => {
            let reader = AviReader::open(Forward::new(whole))?;
            compare_pictures(AviFrames { reader, jpeg: Vec::new() }, stored)
        }
        ImportKind::Mp4 => {
            let reader = Mp4Reader::open(whole, create_spool(reader.file())?)?;
            compare_pictures(Mp4Frames { reader, jpeg: Vec::new() }, stored)
        }
        ImportKind::Jpegs => compare_pictures(Pictures::jpegs(whole), stored),
    }
}

fn compare_pictures(mut pictures: impl Frames, mut stored: Stored<'_>) -> Result<bool, ImportError> {
    while let Some(frame) = pictures.next()? {
        // What is none is left out when it is taken.
        let Some(jpeg) = normalise_jpeg(frame.jpeg) else { continue };
        if stored.next()?.as_deref() != Some(&jpeg[..]) {
            return Ok(false);
        }
    }
    Ok(stored.next()?.is_none())
}

/// A picture as it is kept: up to its end, with the tables that an AVI leaves out; `None` if it is none.
fn normalise_jpeg(jpeg: &[u8]) -> Option<Vec<u8>> {
    let found = jpeg::inspect(jpeg).ok()?;
    let mut kept = jpeg.get(..found.len)?.to_vec();
    if !found.has_huffman_tables {
        kept.splice(found.tables_at..found.tables_at, STANDARD_HUFFMAN_TABLES.iter().copied());
    }
    Some(kept)
}

/// The pictures of a stored recording, one after the other.
struct Stored<'a> {
    reader: &'a MediaReader,
    id: u64,
    chunks: std::vec::IntoIter<ChunkRow>,
    frames: std::vec::IntoIter<ChunkFrame>,
    /// The chunk that `frames` are of.
    number: u64,
}

impl Stored<'_> {
    fn next(&mut self) -> Result<Option<bytes::Bytes>, ImportError> {
        loop {
            if let Some(frame) = self.frames.next() {
                let bytes = self.reader.bytes(self.id, self.number, frame.offset, frame.len)?;
                return Ok(Some(bytes));
            }
            let Some(chunk) = self.chunks.next() else { return Ok(None) };
            self.number = chunk.number;
            self.frames = self.reader.frames(self.id, chunk.number)?.into_iter();
        }
    }
}
