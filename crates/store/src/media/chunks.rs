//! Stores chunks, and closes the row of a recording when it ends.

use rusqlite::{Connection, MAIN_DB, params};

use super::rows::{MediaRowError, StoredSums, unsigned};
use super::schema::{GOING, THERE, chunk_id};
use super::{Chunk, ChunkFrame, Ended, MediaOrigin, frames};

/// The pictures for a row of `chunks`.
pub(super) struct ChunkPictures<'a> {
    pub frames: &'a [ChunkFrame],
    pub jpegs: &'a [u8],
    pub size: (u32, u32),
    pub is_after_gap: bool,
    /// Same as [`Chunk::last_us`].
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

/// The fault of a chunk, if any. Every stored chunk must be readable.
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

/// Stores a chunk as the next one of an item with the sums `sums`, and adds it to them.
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
    // Inserts the row with room for the pictures, then copies them into its pages. Passed as a value they would be
    // copied twice more.
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
    // `None` binds NULL, so the column has no bytes.
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

/// Minimum and maximum bytes of a row in its leaf page, if it has overflow pages of 4 KiB (SQLite's M and X,
/// sqlite.org/fileformat2.html, 1.6).
const LEAST_IN_LEAF: usize = (4096 - 12) * 32 / 255 - 23;
const MOST_IN_LEAF: usize = 4096 - 35;

/// Payload of an overflow page of 4 KiB.
const OVERFLOW: usize = 4096 - 4;

/// A row with at most this many bytes beyond the minimum in its leaf is not filled.
const LITTLE: usize = 600;

/// Number of zeros at the end of a row of `chunks` that let it end with a full overflow page; `None` if none are
/// needed.
///
/// SQLite puts the remainder of a row into the leaf, which then holds two rows at most. Nearly each chunk would start
/// a leaf and end another one, and write them, their parents and neighbours twice. In a ring of 0.3 MB/s a chunk of
/// 68 pages costs 82.8 pages with the zeros and 84.8 without.
///
/// The row's length is computed as SQLite lays it out (1.6 and 2.1 of the same document). An error would only cost
/// extra writes.
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
    // The header's length, a type for each column, and the columns' content. The row's number has none, and the zeros
    // are not counted.
    let header = 1 + 1 + numbers.len() + varint(12 + 2 * index) + varint(12 + 2 * jpegs) + 1;
    let row = header + numbers.iter().map(whole).sum::<usize>() + index + jpegs;
    let rest = row.checked_sub(LEAST_IN_LEAF)? % OVERFLOW;
    let is_well = row <= MOST_IN_LEAF || rest <= LITTLE || rest > MOST_IN_LEAF - LEAST_IN_LEAF;
    (!is_well).then(|| (MOST_IN_LEAF - LEAST_IN_LEAF + 1 - rest) as i64)
}

/// Ends a recording with the sums `sums`; without a picture its row is deleted. If it was cut short, its end counts
/// as a gap.
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

/// Ends a recording that nobody continues. Its pictures stay. An unfinished import is deleted instead: the source
/// file still exists, and the half import would occupy its name.
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

/// Ends open recordings that an earlier run left, which are those not `under_way`. Returns their number.
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

    /// For any length of chunks, a leaf has at least three rows. SQLite lays them out as [`page_fill`] computes.
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
