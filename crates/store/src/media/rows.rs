//! Rows of the file as plain data.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::schema::{OPEN, chunk_id, chunk_number};
use super::{ChunkRow, Ended, Item, MediaKind, MediaOrigin, frames, names};

/// A row cannot be read: SQLite's error, or an unknown word.
pub(super) type MediaRowError = rusqlite::Error;

/// The error for an unknown word in a row.
pub(super) fn unreadable_row(what: &str, word: &str) -> MediaRowError {
    MediaRowError::FromSqlConversionFailure(0, Type::Text, format!("no {what}: {word:?}").into())
}

/// A number that is never negative in a sound file.
pub(super) fn unsigned(row: &Row<'_>, column: usize) -> Result<u64, MediaRowError> {
    Ok(row.get::<_, i64>(column)?.max(0) as u64)
}

/// The columns for [`read_item`]; conditions follow.
pub(super) const SELECT_ITEMS: &str = "SELECT id, name, kind, date, at_us, boot IS NULL OR mono_us IS NULL, added_us, \
     duration_us, frames, gaps, width, height, bytes, camera, source, origin, note, kept, state, version FROM items";

/// A row of [`SELECT_ITEMS`]. The sums of an open item are zero there; [`complete`] adds them.
pub(super) fn read_item(row: &Row<'_>) -> Result<Item, MediaRowError> {
    let kind = row.get_ref(2)?.as_str()?;
    let origin = row.get_ref(15)?.as_str()?;
    Ok(Item {
        id: unsigned(row, 0)?,
        name: names::cleaned(row.get(1)?),
        kind: MediaKind::parse(kind).ok_or_else(|| unreadable_row("kind", kind))?,
        date: row.get(3)?,
        at_us: unsigned(row, 4)?,
        is_sure: row.get(5)?,
        added_us: unsigned(row, 6)?,
        duration_us: unsigned(row, 7)?,
        frames: unsigned(row, 8)?,
        gaps: unsigned(row, 9)?,
        width: row.get(10)?,
        height: row.get(11)?,
        bytes: unsigned(row, 12)?,
        camera: row.get(13)?,
        source: row.get(14)?,
        origin: MediaOrigin::parse(origin).ok_or_else(|| unreadable_row("origin", origin))?,
        note: row.get(16)?,
        is_kept: row.get(17)?,
        is_open: row.get::<_, i64>(18)? == OPEN,
        version: unsigned(row, 19)?,
    })
}

/// Reads every row that this program reads.
///
/// # Errors
/// A row that cannot be read, or an item without a proper name.
pub(crate) fn read_every_row(connection: &Connection) -> Result<(), MediaRowError> {
    let mut items = connection.prepare(SELECT_ITEMS)?;
    let mut rows = items.query(())?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        names::check_name(&name).map_err(|_| unreadable_row("name", &name))?;
        read_item(row)?;
    }
    let mut chunks = connection.prepare(&format!("{SELECT_CHUNKS} ORDER BY id"))?;
    let mut rows = chunks.query(())?;
    while let Some(row) = rows.next()? {
        chunk(row)?;
    }
    let mut indices = connection.prepare("SELECT from_us, frames_index FROM chunks ORDER BY id")?;
    let mut rows = indices.query(())?;
    while let Some(row) = rows.next()? {
        let index = frames::decode(row.get_ref(1)?.as_blob()?, unsigned(row, 0)?);
        index.ok_or_else(|| unreadable_row("index of pictures", ""))?;
    }
    Ok(())
}

/// The item with this number, with the sums of its chunks if it is being recorded.
pub(super) fn item_of(connection: &Connection, id: u64) -> Result<Option<Item>, MediaRowError> {
    let text = format!("{SELECT_ITEMS} WHERE id = ?1 AND state < 2");
    let found = connection.query_row(&text, [id as i64], read_item).optional()?;
    found.map(|item| complete(connection, item)).transpose()
}

/// Adds the sums of its chunks to an item that is being recorded.
pub(super) fn complete(connection: &Connection, mut item: Item) -> Result<Item, MediaRowError> {
    if item.is_open
        && let Some(sums) = StoredSums::read(connection, item.id)?
    {
        item.duration_us = sums.duration_us();
        item.frames = sums.frames;
        item.gaps = sums.gaps;
        item.bytes = sums.bytes;
        (item.width, item.height) = sums.size;
    }
    Ok(item)
}

/// The sums of a recording up to its newest chunk. Reading them takes two rows, however long the recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct StoredSums {
    /// The number of the next chunk.
    pub next: u64,
    /// Number of pictures.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Number of gaps.
    pub gaps: u64,
    /// Time of the newest picture in microseconds since the recording's start.
    pub to_us: u64,
    /// The usual time between pictures, in microseconds.
    pub step_us: u64,
    /// Size in pixels of the first picture.
    pub size: (u32, u32),
}

impl StoredSums {
    /// Reads the sums from the chunks; `None` without chunks.
    pub(super) fn read(connection: &Connection, item: u64) -> Result<Option<StoredSums>, MediaRowError> {
        let range = [chunk_id(item, 0), chunk_id(item + 1, 0)];
        let newest = connection
            .query_row(
                "SELECT id, to_us, frames, bytes, gap, frames_before, bytes_before, gaps_before, step_us FROM chunks
                 WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1",
                range,
                |row| {
                    Ok(StoredSums {
                        next: chunk_number(row.get(0)?) + 1,
                        to_us: unsigned(row, 1)?,
                        frames: unsigned(row, 2)? + unsigned(row, 5)?,
                        bytes: unsigned(row, 3)? + unsigned(row, 6)?,
                        gaps: unsigned(row, 4)? + unsigned(row, 7)?,
                        step_us: unsigned(row, 8)?,
                        size: (0, 0),
                    })
                },
            )
            .optional()?;
        let Some(mut sums) = newest else { return Ok(None) };
        sums.size = connection.query_row(
            "SELECT width, height FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1",
            range,
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(Some(sums))
    }

    /// From the recording's start to its newest picture, plus one usual step.
    pub(super) fn duration_us(&self) -> u64 {
        self.to_us.saturating_add(self.step_us)
    }
}

/// Gaps of an item outside its chunks: the lost end of a recording that was cut short.
pub(super) fn gaps_at_end(connection: &Connection, item: u64) -> Result<u64, MediaRowError> {
    let query = "SELECT ended IS ?2 FROM items WHERE id = ?1";
    connection.query_row(query, params![item as i64, Ended::Cut.as_str()], |row| unsigned(row, 0))
}

/// The columns for [`chunk`]; conditions follow.
pub(super) const SELECT_CHUNKS: &str =
    "SELECT id, frames_before, from_us, to_us, frames, bytes, width, height, gap FROM chunks";

/// A row of [`SELECT_CHUNKS`].
pub(super) fn chunk(row: &Row<'_>) -> Result<ChunkRow, MediaRowError> {
    Ok(ChunkRow {
        number: chunk_number(row.get(0)?),
        first_frame: unsigned(row, 1)?,
        from_us: unsigned(row, 2)?,
        to_us: unsigned(row, 3)?,
        frames: row.get(4)?,
        bytes: row.get(5)?,
        width: row.get(6)?,
        height: row.get(7)?,
        is_after_gap: row.get(8)?,
    })
}

/// Whether an existing item has this name.
pub(super) fn has_name(connection: &Connection, name: &str) -> Result<bool, MediaRowError> {
    connection.query_row(
        "SELECT EXISTS (SELECT 1 FROM items WHERE name = ?1 AND state < 2)",
        params![name],
        |row| row.get(0),
    )
}

/// The small value stored under `key`.
pub(super) fn read_setting(connection: &Connection, key: &str) -> Result<Option<String>, MediaRowError> {
    connection.query_row("SELECT value FROM settings WHERE key = ?1", [key], |row| row.get(0)).optional()
}
