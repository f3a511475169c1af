//! Crossings in counts.db after an ID, of all scenes, for clients that were away or too slow.

use tallycam_store::{CountsReader, CrossingsQuery, Scene, StoreError, StoredCrossing};

/// Crossings read from counts.db at a time: some 40 kB.
const PIECE: usize = 100;

const SCENES: [Scene; 3] = Scene::ALL;

/// The newest ID in counts.db; 0 if it is empty.
pub(super) fn newest_id(reader: &CountsReader) -> Result<u64, StoreError> {
    let mut newest = 0;
    for scene in SCENES {
        let rows = reader.crossings(&CrossingsQuery::newest(scene, 1))?;
        newest = newest.max(rows.first().map_or(0, |row| row.id));
    }
    Ok(newest)
}

/// The crossings after `after` of all scenes, in order, and whether there may be more.
pub(super) fn following(
    reader: &CountsReader,
    after: u64,
) -> Result<(Vec<StoredCrossing>, bool), StoreError> {
    let mut found = Vec::new();
    // Later commits are sent as they come. If they were read here, a crossing of a scene that was read before could
    // be missing.
    let newest = newest_id(reader)?;
    // Up to this ID, the crossings of every scene are complete.
    let mut whole_up_to = u64::MAX;
    for scene in SCENES {
        let of_scene = CrossingsQuery::newest(scene, PIECE);
        let asked = CrossingsQuery { after: Some(after), oldest_first: true, ..of_scene };
        let rows = reader.crossings(&asked)?;
        if let Some(last) = rows.last().filter(|_| rows.len() >= PIECE) {
            whole_up_to = whole_up_to.min(last.id);
        }
        found.extend(rows);
    }
    found.retain(|row: &StoredCrossing| row.id <= whole_up_to.min(newest));
    found.sort_unstable_by_key(|row| row.id);
    Ok((found, whole_up_to < u64::MAX))
}
