//! Crossings in counts.db after an ID, of all scenes, for clients that were away or too slow.

use tallycam_store::{CountsReader, CrossingsQuery, StoreError, StoredCrossing};

/// Crossings read from counts.db at a time: some 40 kB.
const PIECE: usize = 100;

/// The newest ID in counts.db; 0 if it is empty.
pub(super) fn newest_id(reader: &CountsReader) -> Result<u64, StoreError> {
    let newest = reader.crossings(&CrossingsQuery::newest(None, 1))?;
    Ok(newest.first().map_or(0, |row| row.id))
}

/// The crossings after `after` of all scenes, in order, and whether there may be more.
pub(super) fn following(
    reader: &CountsReader,
    after: u64,
) -> Result<(Vec<StoredCrossing>, bool), StoreError> {
    let all = CrossingsQuery::newest(None, PIECE);
    let found = reader.crossings(&CrossingsQuery { after: Some(after), oldest_first: true, ..all })?;
    let has_more = found.len() >= PIECE;
    Ok((found, has_more))
}
