//! Removal: items are marked, and their chunks freed one by one.
//!
//! Marking costs only the item's row, however large the item is, and takes it out of every list at once. The writer
//! frees about as many bytes as it writes, in the same transaction and after the writes. The next writes use the
//! freed pages, so the file does not grow. While nothing is written, freeing continues in small turns.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::media::rows::{MediaRowError, unsigned};
use crate::media::schema::{GOING, OPEN, chunk_id};
use crate::media::storage::Totals;
use crate::media::writer::transaction::MediaFault;
use crate::media::{Item, MediaError, MediaKind};

/// Maximum number of rows that one turn deletes, so that many small ones do not delay other work.
const MOST_ROWS: usize = 256;

/// Approximate bytes that a separate turn frees.
const BYTES_A_TURN: u64 = 4 << 20;

/// Marks items for removal: all or none.
pub fn remove(connection: &Connection, ids: &[u64], totals: &mut Totals) -> Result<(), MediaFault> {
    let mut about = connection.prepare("SELECT state, kind, bytes FROM items WHERE id = ?1 AND state < 2")?;
    let mut done = std::collections::BTreeSet::new();
    for &id in ids {
        if !done.insert(id) {
            continue;
        }
        let found: Option<(i64, String, u64)> = about
            .query_row([id as i64], |row| Ok((row.get(0)?, row.get(1)?, unsigned(row, 2)?)))
            .optional()?;
        match found {
            None => return Err(MediaError::Unknown(id.to_string()).into()),
            Some((OPEN, ..)) => return Err(MediaError::Open(id).into()),
            Some((_, kind, bytes)) => {
                mark_for_deletion(connection, id, MediaKind::parse(&kind), bytes, totals)?
            }
        }
    }
    Ok(())
}

/// Marks an item that retention deletes.
pub(crate) fn mark_retired(
    connection: &Connection,
    item: &Item,
    totals: &mut Totals,
) -> Result<(), MediaRowError> {
    mark_for_deletion(connection, item.id, Some(item.kind), item.bytes, totals)
}

fn mark_for_deletion(
    connection: &Connection,
    id: u64,
    kind: Option<MediaKind>,
    bytes: u64,
    totals: &mut Totals,
) -> Result<(), MediaRowError> {
    connection.execute("UPDATE items SET state = ?2 WHERE id = ?1", params![id as i64, GOING])?;
    let of_kind = totals.for_kind(kind);
    of_kind.0 = of_kind.0.saturating_sub(1);
    of_kind.1 = of_kind.1.saturating_sub(bytes);
    totals.going += bytes;
    Ok(())
}

/// Frees about `budget` bytes of marked items. True if there is more.
pub(crate) fn free_up_to(
    connection: &Connection,
    budget: u64,
    totals: &mut Totals,
) -> Result<bool, MediaRowError> {
    let mut next_item = connection.prepare("SELECT id FROM items WHERE state = 2 ORDER BY id LIMIT 1")?;
    let mut next_chunk =
        connection.prepare("SELECT id, bytes FROM chunks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 1")?;
    let mut delete_chunk = connection.prepare("DELETE FROM chunks WHERE id = ?1")?;
    let mut freed = 0;
    let mut going: Option<u64> = None;
    for _ in 0..MOST_ROWS {
        let id = match going {
            Some(id) => id,
            None => match next_item.query_row([], |row| unsigned(row, 0)).optional()? {
                Some(id) => id,
                None => {
                    totals.going = 0;
                    return Ok(false);
                }
            },
        };
        going = Some(id);
        let chunk: Option<(i64, u64)> = next_chunk
            .query_row([chunk_id(id, 0), chunk_id(id + 1, 0)], |row| Ok((row.get(0)?, unsigned(row, 1)?)))
            .optional()?;
        match chunk {
            Some((chunk, bytes)) if freed == 0 || freed + bytes <= budget => {
                delete_chunk.execute([chunk])?;
                freed += bytes;
                totals.going = totals.going.saturating_sub(bytes);
            }
            Some(_) => return Ok(true),
            None => {
                connection.execute("DELETE FROM items WHERE id = ?1", [id as i64])?;
                going = None;
            }
        }
    }
    Ok(true)
}

/// Runs a separate turn of freeing in a transaction, if any item is marked. True if there is more.
pub(crate) fn free_some(connection: &Connection, totals: &mut Totals) -> Result<bool, MediaRowError> {
    if !has_marked_items(connection)? {
        return Ok(false);
    }
    let mut left = *totals;
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let is_more = free_up_to(&transaction, BYTES_A_TURN, &mut left)?;
    transaction.commit()?;
    *totals = left;
    Ok(is_more)
}

/// Whether any item is marked.
pub(crate) fn has_marked_items(connection: &Connection) -> Result<bool, MediaRowError> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM items WHERE state = 2)", [], |row| row.get(0))
}
