//! Reads the store: lists, items, chunks, pictures.
//!
//! A read-only connection of its own; its methods block. Each call is one short read transaction on one chunk at
//! most, because the writer waits for it. A list of chunks is read in several. Pictures are read at their position,
//! without the rest of their chunk.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, MAIN_DB, OptionalExtension, params, params_from_iter};
use tallycam_base::ClockTime;

use super::retention::apply as apply_retention;
use super::rows::{self, MediaRowError, SELECT_CHUNKS, SELECT_ITEMS};
use super::schema::{chunk_id, media_error, open_to_read};
use super::{
    ChunkFrame, ChunkRow, Item, ItemPage, MediaError, MediaKind, MediaQuery, RetentionPlan, RetentionRules,
    Storage, frames, storage,
};

/// Maximum number of items in a page.
const LARGEST_PAGE: usize = 1000;

/// Rows of `chunks` per transaction. They are spread over the file, a page for every few of them. For a long
/// recording on a card they take a second and more, and the writer would wait.
const ROWS_AT_ONCE: usize = if cfg!(test) { 3 } else { 128 };

/// A read-only connection with short transactions. Its methods block.
pub struct MediaReader {
    connection: Connection,
    file: PathBuf,
}

impl std::fmt::Debug for MediaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MediaReader").field("file", &self.file).finish_non_exhaustive()
    }
}

impl MediaReader {
    /// Opens `file` read-only.
    ///
    /// # Errors
    /// The file does not exist, is damaged or foreign, or has another version than this program's.
    pub fn open(file: &Path) -> Result<MediaReader, MediaError> {
        Ok(MediaReader { connection: open_to_read(file)?, file: file.to_owned() })
    }

    /// A page of items, newest first unless the query says otherwise.
    ///
    /// # Errors
    /// The cursor is invalid, or the file cannot be read.
    pub fn list(&self, query: &MediaQuery) -> Result<ItemPage, MediaError> {
        let cursor = query.cursor.as_deref().map(read_cursor).transpose()?;
        self.map_error(self.read_list(query, cursor))
    }

    /// All items by number, oldest first, in the form of the old program: number, date, name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn legacy_list(&self) -> Result<Vec<(u64, String, String)>, MediaError> {
        self.map_error((|| {
            let mut query = self.connection.prepare("SELECT id, date, filename FROM media ORDER BY id")?;
            query.query_map([], |row| Ok((rows::unsigned(row, 0)?, row.get(1)?, row.get(2)?)))?.collect()
        })())
    }

    /// The item with this number.
    ///
    /// # Errors
    /// It does not exist, or the file cannot be read. The same holds for the other methods.
    pub fn item(&self, id: u64) -> Result<Item, MediaError> {
        let found = self.map_error(self.in_transaction(|| rows::item_of(&self.connection, id)))?;
        found.ok_or_else(|| MediaError::Unknown(id.to_string()))
    }

    /// The item with exactly this name.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn by_name(&self, name: &str) -> Result<Item, MediaError> {
        let text = format!("{SELECT_ITEMS} WHERE name = ?1 AND state < 2");
        let found = self.map_error(self.in_transaction(|| {
            let found = self.connection.query_row(&text, [name], rows::read_item).optional()?;
            found.map(|item| rows::complete(&self.connection, item)).transpose()
        }))?;
        found.ok_or_else(|| MediaError::Unknown(format!("called {name:?}")))
    }

    /// The JPEG of a snapshot.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn snapshot(&self, id: u64) -> Result<Bytes, MediaError> {
        let found = self.map_error(self.in_transaction(|| {
            let text = "SELECT EXISTS (SELECT 1 FROM items WHERE id = ?1 AND state = 0 AND kind = ?2)";
            let is_there: bool =
                self.connection
                    .query_row(text, params![id as i64, MediaKind::Snapshot.as_str()], |row| row.get(0))?;
            if is_there { self.read_bytes(id, 0, 0, None) } else { Ok(None) }
        }))?;
        found.ok_or_else(|| MediaError::Unknown(id.to_string()))
    }

    /// The chunks of a recording in order, without their pictures.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn chunks(&self, id: u64) -> Result<Vec<ChunkRow>, MediaError> {
        let text = format!("{SELECT_CHUNKS} WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT {ROWS_AT_ONCE}");
        let mut chunks: Vec<ChunkRow> = Vec::new();
        loop {
            let next = chunks.last().map_or(0, |last| last.number + 1);
            let found = self.map_error(self.in_transaction(|| {
                if !self.has_item(id)? {
                    return Ok(None);
                }
                let mut query = self.connection.prepare(&text)?;
                let piece = query.query_map([chunk_id(id, next), chunk_id(id + 1, 0)], rows::chunk)?;
                piece.collect::<Result<Vec<_>, _>>().map(Some)
            }))?;
            let piece = found.ok_or_else(|| MediaError::Unknown(id.to_string()))?;
            let is_last = piece.len() < ROWS_AT_ONCE;
            chunks.extend(piece);
            // While the item exists, chunks are only appended.
            if is_last {
                return Ok(chunks);
            }
        }
    }

    /// The newest chunk that starts at or before `at_us`, or else the first one; `None` for a recording without
    /// chunks. The cost hardly depends on the recording's length.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn chunk_at(&self, id: u64, at_us: u64) -> Result<Option<ChunkRow>, MediaError> {
        let found = self.map_error(self.in_transaction(|| {
            if !self.has_item(id)? {
                return Ok(None);
            }
            self.search(id, at_us).map(Some)
        }))?;
        found.ok_or_else(|| MediaError::Unknown(id.to_string()))
    }

    /// The index of one chunk.
    ///
    /// # Errors
    /// As [`MediaReader::item`], and [`MediaError::Unknown`] if retention has deleted the item meanwhile. Removed
    /// items are not readable even if their bytes are not freed yet.
    pub fn frames(&self, id: u64, chunk: u64) -> Result<Vec<ChunkFrame>, MediaError> {
        let found = self.map_error((|| {
            let found: Option<(u64, Vec<u8>)> = self
                .connection
                .query_row(
                    "SELECT from_us, frames_index FROM chunks, items
                     WHERE chunks.id = ?1 AND items.id = ?2 AND items.state < 2",
                    [chunk_id(id, chunk), id as i64],
                    |row| Ok((rows::unsigned(row, 0)?, row.get(1)?)),
                )
                .optional()?;
            let Some((from_us, index)) = found else { return Ok(None) };
            let frames = frames::decode(&index, from_us);
            frames
                .map(Some)
                .ok_or_else(|| rows::unreadable_row("index of pictures", &format!("{id}.{chunk}")))
        })())?;
        found.ok_or_else(|| MediaError::Unknown(format!("{id}.{chunk}")))
    }

    /// `len` bytes of a chunk's pictures, from `offset` on.
    ///
    /// # Errors
    /// As [`MediaReader::frames`].
    pub fn bytes(&self, id: u64, chunk: u64, offset: u32, len: u32) -> Result<Bytes, MediaError> {
        let found = self.map_error(self.read_bytes(id, chunk, offset as usize, Some(len as usize)))?;
        found.ok_or_else(|| MediaError::Unknown(format!("{id}.{chunk}")))
    }

    /// The storage figures under these rules.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn storage(&self, rules: &RetentionRules) -> Result<Storage, MediaError> {
        let now = tallycam_base::ClockTime::now();
        self.map_error(self.in_transaction(|| storage::read(&self.connection, &self.file, rules, now)))
    }

    /// The items that retention with these rules would delete at `now`, which is the writer's current time
    /// ([`super::Media::retention_now`]).
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn plan(&self, rules: &RetentionRules, now: ClockTime) -> Result<RetentionPlan, MediaError> {
        let directory = self.file.parent().unwrap_or(Path::new("."));
        self.map_error(self.in_transaction(|| {
            let totals = storage::Totals::read(&self.connection)?;
            apply_retention::plan(&self.connection, directory, rules, &totals, now)
        }))
    }

    /// When the newest item was added, in microseconds since 1970; 0 without items.
    pub(super) fn newest_us(&self) -> Result<u64, MediaError> {
        let newest = "SELECT ifnull(max(added_us), 0) FROM items WHERE state < 2";
        self.map_error(self.connection.query_row(newest, [], |row| rows::unsigned(row, 0)))
    }

    /// A small value that [`super::Media::set_setting`] stored.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn setting(&self, key: &str) -> Result<Option<String>, MediaError> {
        self.map_error(rows::read_setting(&self.connection, key))
    }

    fn read_list(&self, query: &MediaQuery, cursor: Option<(i64, i64)>) -> Result<ItemPage, MediaRowError> {
        let mut text = format!("{SELECT_ITEMS} WHERE state < 2");
        let mut values: Vec<Value> = Vec::new();
        let mut also = |condition: &str, value: Value| {
            values.push(value);
            text.push_str(&format!(" AND {}", condition.replace('?', &format!("?{}", values.len()))));
        };
        if let Some(kind) = query.kind {
            also("kind = ?", Value::from(kind.as_str().to_owned()));
        }
        if let Some(is_kept) = query.is_kept {
            also("kept = ?", Value::from(i64::from(is_kept)));
        }
        if let Some(from_us) = query.from_us {
            also("at_us >= ?", Value::from(number(from_us)));
        }
        if let Some(to_us) = query.to_us {
            also("at_us < ?", Value::from(number(to_us)));
        }
        let (after, order) = if query.is_upward { ('>', "ASC") } else { ('<', "DESC") };
        if let Some((at_us, id)) = cursor {
            values.extend([Value::from(at_us), Value::from(id)]);
            text.push_str(&format!(" AND (at_us, id) {after} (?{}, ?{})", values.len() - 1, values.len()));
        }
        text.push_str(&format!(" ORDER BY at_us {order}, id {order}"));
        let wanted = query.text.as_deref().map(str::to_lowercase).filter(|text| !text.is_empty());
        let limit = query.limit.clamp(1, LARGEST_PAGE);
        self.in_transaction(|| {
            let mut statement = self.connection.prepare(&text)?;
            let mut found = statement.query(params_from_iter(values.iter()))?;
            let mut items = Vec::new();
            while let Some(row) = found.next()? {
                let item = rows::read_item(row)?;
                if !wanted.as_deref().is_none_or(|wanted| contains_words(&item, wanted)) {
                    continue;
                }
                if items.len() == limit {
                    let next = items.last().map(Item::cursor);
                    return Ok(ItemPage { items, next });
                }
                items.push(rows::complete(&self.connection, item)?);
            }
            Ok(ItemPage { items, next: None })
        })
    }

    /// The newest chunk that starts at or before `at_us`, or else the first one, by binary search.
    fn search(&self, id: u64, at_us: u64) -> Result<Option<ChunkRow>, MediaRowError> {
        let upward = format!("{SELECT_CHUNKS} WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1");
        let downward = format!("{SELECT_CHUNKS} WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1");
        let (mut first_from, mut last_to) =
            (self.connection.prepare(&upward)?, self.connection.prepare(&downward)?);
        let end = chunk_id(id + 1, 0);
        let Some(first) = first_from.query_row([chunk_id(id, 0), end], rows::chunk).optional()? else {
            return Ok(None);
        };
        let last = last_to.query_row([chunk_id(id, 0), end], rows::chunk)?;
        if last.from_us <= at_us {
            return Ok(Some(last));
        }
        // `low` starts at or before `at_us` or is the first; all from `high` on start later.
        let (mut low, mut high) = (first, last.number);
        while high - low.number > 1 {
            let middle = low.number + (high - low.number) / 2;
            // Numbers may be missing: the chunk at the middle, or the next one below it.
            let found =
                last_to.query_row([chunk_id(id, low.number), chunk_id(id, middle) + 1], rows::chunk)?;
            if found.number > low.number && found.from_us <= at_us {
                low = found;
            } else if found.number > low.number {
                high = found.number;
            } else {
                // None between: continue above the middle.
                let above = first_from.query_row([chunk_id(id, middle), end], rows::chunk)?;
                if above.number >= high || above.from_us > at_us {
                    high = middle;
                } else {
                    low = above;
                }
            }
        }
        Ok(Some(low))
    }

    /// Bytes of a chunk's pictures, `len` of them or all. `None` if the item or chunk does not exist, or is shorter.
    fn read_bytes(
        &self,
        id: u64,
        chunk: u64,
        offset: usize,
        len: Option<usize>,
    ) -> Result<Option<Bytes>, MediaRowError> {
        self.in_transaction(|| {
            let row = chunk_id(id, chunk);
            let is_there: bool = self.connection.query_row(
                "SELECT EXISTS (SELECT 1 FROM chunks, items
                 WHERE chunks.id = ?1 AND items.id = ?2 AND items.state < 2)",
                [row, id as i64],
                |row| row.get(0),
            )?;
            if !is_there {
                return Ok(None);
            }
            let blob = self.connection.blob_open(MAIN_DB, "chunks", "jpegs", row, true)?;
            let len = len.unwrap_or(blob.len().saturating_sub(offset));
            if offset.checked_add(len).is_none_or(|end| end > blob.len()) {
                return Ok(None);
            }
            let mut bytes = vec![0; len];
            blob.read_at_exact(&mut bytes, offset)?;
            blob.close()?;
            Ok(Some(Bytes::from(bytes)))
        })
    }

    fn has_item(&self, id: u64) -> Result<bool, MediaRowError> {
        let text = "SELECT EXISTS (SELECT 1 FROM items WHERE id = ?1 AND state < 2)";
        self.connection.query_row(text, [id as i64], |row| row.get(0))
    }

    /// Wraps several queries in one read transaction, or joins the current one.
    fn in_transaction<T>(&self, read: impl FnOnce() -> Result<T, MediaRowError>) -> Result<T, MediaRowError> {
        if !self.connection.is_autocommit() {
            return read();
        }
        let transaction = self.connection.unchecked_transaction()?;
        let read = read()?;
        transaction.commit()?;
        Ok(read)
    }

    fn map_error<T>(&self, read: Result<T, MediaRowError>) -> Result<T, MediaError> {
        read.map_err(|error| media_error(&self.file, &error))
    }
}

/// Whether the item's texts contain `wanted`, which is in lower case.
fn contains_words(item: &Item, wanted: &str) -> bool {
    [&item.name, &item.note, &item.date, &item.camera]
        .into_iter()
        .any(|words| words.to_lowercase().contains(wanted))
}

fn read_cursor(cursor: &str) -> Result<(i64, i64), MediaError> {
    let read = cursor.split_once('.').and_then(|(at_us, id)| Some((at_us.parse().ok()?, id.parse().ok()?)));
    read.ok_or_else(|| MediaError::Wrong(String::from("the cursor is none that a page has given")))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
