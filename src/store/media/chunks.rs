//! Chunks on their way into the file, and what a recording's row says when it ends.

use rusqlite::{Connection, MAIN_DB, params};

use super::rows::{MediaRowError, StoredSums, unsigned};
use super::schema::{GOING, THERE, chunk_id};
use super::{Chunk, ChunkFrame, Ended, MediaOrigin, frames};

/// The pictures of a row of `chunks`.
pub(super) struct ChunkPictures<'a> {
    pub frames: &'a [ChunkFrame],
    pub jpegs: &'a [u8],
    pub size: (u32, u32),
    pub is_after_gap: bool,
    /// As [`Chunk::last_us`].
    pub last_us: Option<u64>,
}

impl<'a> From<&'a Chunk> for ChunkPictures<'a> {
    fn from(chunk: &'a Chunk) -> ChunkPictures<'a> {
        ChunkPictures {
            frames: &chunk.frames,
            jpegs: &chunk.jpegs,
            size: (chunk.width, chunk.height),
            last_us: chunk.last_us,
            is_after_gap: chunk.is_after_gap,
        }
    }
}

/// What is wrong with a chunk, if anything: what is on record must be readable.
pub(super) fn find_fault(chunk: &Chunk) -> Option<&'static str> {
    let mut offset = 0u64;
    let mut at_us = 0;
    for frame in &chunk.frames {
        if u64::from(frame.offset) != offset {
            return Some("its pictures do not lie back to back");
        }
        if frame.at_us < at_us {
            return Some("its pictures are not in order");
        }
        offset += u64::from(frame.len);
        at_us = frame.at_us;
    }
    match () {
        () if chunk.frames.is_empty() => Some("it has no picture"),
        () if offset != chunk.jpegs.len() as u64 => Some("its bytes are not those of its pictures"),
        () if at_us > i64::MAX as u64 / 2 => Some("its times are none"),
        () => None,
    }
}

/// Puts a chunk on record as the next one of an item that has come to `sums`, and adds it to them.
pub(super) fn insert(
    connection: &Connection,
    item: u64,
    sums: &mut StoredSums,
    pictures: &ChunkPictures<'_>,
) -> Result<(), MediaRowError> {
    let (Some(first), Some(last)) = (pictures.frames.first(), pictures.frames.last()) else { return Ok(()) };
    let id = chunk_id(item, sums.next);
    let count = pictures.frames.len() as u64;
    let usual_us = match count {
        1 if sums.frames > 0 && !pictures.is_after_gap => first.at_us.saturating_sub(sums.to_us),
        1 => sums.step_us,
        more => (last.at_us - first.at_us) / (more - 1),
    };
    let step_us = pictures.last_us.unwrap_or(usual_us);
    let numbers = [
        first.at_us as i64,
        last.at_us as i64,
        count as i64,
        pictures.jpegs.len() as i64,
        i64::from(pictures.size.0),
        i64::from(pictures.size.1),
        i64::from(pictures.is_after_gap),
        sums.frames as i64,
        sums.bytes as i64,
        sums.gaps as i64,
        step_us as i64,
    ];
    let index = frames::encode(pictures.frames, first.at_us);
    // The row first, with room for the pictures; then they are copied into its pages. Handed over as a value they would
    // be copied twice more.
    let mut insert = connection.prepare(
        "INSERT INTO chunks (id, from_us, to_us, frames, bytes, width, height, gap, frames_before, bytes_before,
           gaps_before, step_us, frames_index, jpegs, filling)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, zeroblob(?5), zeroblob(?14))",
    )?;
    insert.raw_bind_parameter(1, id)?;
    for (number, place) in numbers.iter().zip(2_usize..) {
        insert.raw_bind_parameter(place, number)?;
    }
    insert.raw_bind_parameter(13, &index)?;
    // None: no bytes.
    insert.raw_bind_parameter(14, page_fill(&numbers, index.len(), pictures.jpegs.len()))?;
    insert.raw_execute()?;
    let mut blob = connection.blob_open(MAIN_DB, "chunks", "jpegs", id, false)?;
    blob.write_all_at(pictures.jpegs, 0)?;
    blob.close()?;
    if sums.frames == 0 {
        sums.size = pictures.size;
    }
    sums.next += 1;
    sums.frames += count;
    sums.bytes += pictures.jpegs.len() as u64;
    sums.gaps += u64::from(pictures.is_after_gap);
    sums.to_us = last.at_us;
    sums.step_us = step_us;
    Ok(())
}

/// A row's bytes in its leaf page are at least so many, and at most so many, when it has overflow pages of 4 KiB
/// (SQLite's M and X, sqlite.org/fileformat2.html, 1.6).
const LEAST_IN_LEAF: usize = (4096 - 12) * 32 / 255 - 23;
const MOST_IN_LEAF: usize = 4096 - 35;

/// What an overflow page of 4 KiB holds.
const OVERFLOW: usize = 4096 - 4;

/// A row that has so little more than the least in its leaf is left so.
const LITTLE: usize = 600;

/// Zeros to come last in a row of `chunks`, so that its end fills an overflow page. SQLite puts what fills none into
/// the leaf, where then two rows fit at most: nearly each chunk would begin a leaf and the end of another, with what is
/// above and beside them, each written twice over. In a ring of 0.3 MB/s a chunk of 68 pages costs 82.8 pages with them
/// and 84.8 without. `None`: it is well as it is.
///
/// The row's length is reckoned as SQLite will lay it out (1.6 and 2.1 of the same document). Were it wrong, more would
/// be written, and nothing else.
fn page_fill(numbers: &[i64], index: usize, jpegs: usize) -> Option<i64> {
    let varint = |number: usize| (70 - (number as u64 | 1).leading_zeros() as usize) / 7;
    let whole = |number: &i64| match number.unsigned_abs() {
        0 | 1 if *number >= 0 => 0,
        0..0x80 => 1,
        0x80..0x8000 => 2,
        0x8000..0x80_0000 => 3,
        0x80_0000..0x8000_0000 => 4,
        0x8000_0000..0x8000_0000_0000 => 6,
        _ => 8,
    };
    // The header's length, a type for each column (the number of the row is none, nor is what fills), and the columns.
    let header = 1 + 1 + numbers.len() + varint(12 + 2 * index) + varint(12 + 2 * jpegs) + 1;
    let row = header + numbers.iter().map(whole).sum::<usize>() + index + jpegs;
    let rest = row.checked_sub(LEAST_IN_LEAF)? % OVERFLOW;
    let is_well = row <= MOST_IN_LEAF || rest <= LITTLE || rest > MOST_IN_LEAF - LEAST_IN_LEAF;
    (!is_well).then(|| (MOST_IN_LEAF - LEAST_IN_LEAF + 1 - rest) as i64)
}

/// Ends a recording that has come to `sums`; one without a picture leaves no row. Of one that was cut short the end is
/// a gap, too.
pub(super) fn close(
    connection: &Connection,
    item: u64,
    sums: &StoredSums,
    ended: Ended,
) -> Result<(), MediaRowError> {
    if sums.frames == 0 {
        connection.execute("DELETE FROM items WHERE id = ?1", [item as i64])?;
        return Ok(());
    }
    connection.execute(
        "UPDATE items SET state = ?2, duration_us = ?3, frames = ?4, gaps = ?5, bytes = ?6, width = ?7, height = ?8,
           ended = ?9, version = version + 1
         WHERE id = ?1",
        params![
            item as i64,
            THERE,
            sums.duration_us() as i64,
            sums.frames as i64,
            (sums.gaps + u64::from(ended == Ended::Cut)) as i64,
            sums.bytes as i64,
            sums.size.0,
            sums.size.1,
            ended.as_str()
        ],
    )?;
    Ok(())
}

/// Ends a recording that nobody goes on with. What is there of it stays; but of a file that was being brought in
/// nothing does: it lies where it was, and half of it would have its name when it is brought in again.
pub(super) fn end_recording(
    connection: &Connection,
    item: u64,
    sums: &StoredSums,
    ended: Ended,
) -> Result<(), MediaRowError> {
    close(connection, item, sums, ended)?;
    connection.execute(
        "UPDATE items SET state = ?2 WHERE id = ?1 AND origin = ?3",
        params![item as i64, GOING, MediaOrigin::Import.as_str()],
    )?;
    Ok(())
}

/// Ends recordings that are open in the file and not `under_way`: those that an earlier run left. Tells how many.
pub(super) fn end_leftover_recordings(
    connection: &Connection,
    under_way: impl Fn(u64) -> bool,
) -> Result<usize, MediaRowError> {
    let mut query = connection.prepare("SELECT id FROM items WHERE state = 1")?;
    let open: Vec<u64> = query.query_map([], |row| unsigned(row, 0))?.collect::<Result<_, _>>()?;
    let mut count = 0;
    for id in open.into_iter().filter(|&id| !under_way(id)) {
        end_recording(
            connection,
            id,
            &StoredSums::read(connection, id)?.unwrap_or_default(),
            Ended::Interrupted,
        )?;
        count += 1;
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::schema;
    use super::*;

    /// Whatever a chunk's length, three rows at least are in a leaf: SQLite lays them out as [`filling`] reckons.
    #[test]
    fn rows_end_with_their_overflow_pages() {
        let folder = tempfile::tempdir().unwrap();
        let connection = schema::open_to_write(&folder.path().join("media.db")).unwrap();
        let mut sums = StoredSums::default();
        for n in 0..60 {
            let jpegs = vec![n as u8; 20_000 + 137 * n];
            let frames =
                [ChunkFrame { at_us: n as u64, offset: 0, len: jpegs.len() as u32, sequence: n as u64 }];
            let pictures = ChunkPictures {
                frames: &frames,
                jpegs: &jpegs,
                size: (640, 480),
                is_after_gap: false,
                last_us: None,
            };
            insert(&connection, 1, &mut sums, &pictures).unwrap();
            let stored: Vec<u8> = connection
                .query_row("SELECT jpegs FROM chunks ORDER BY id DESC LIMIT 1", [], |row| row.get(0))
                .unwrap();
            assert!(stored == jpegs, "{n}");
        }
        let leaves: i64 = connection
            .query_row("SELECT count(*) FROM dbstat WHERE name = 'chunks' AND pagetype = 'leaf'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert!((7..=21).contains(&leaves), "{leaves} leaves for 60 rows");
        assert_eq!(page_fill(&[0; 11], 1, 1000), None, "it is all in the leaf");
    }
}
