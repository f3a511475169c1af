//! Stores crossings with their sums and thumbnails.

use std::collections::BTreeSet;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use crate::clock_correction::WallClock;
use crate::counts::rows::{CountsRowError, SELECT_CROSSINGS, crossing, number, unsigned};
use crate::counts::sums::rollups::{RollupChanges, RollupTable};
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{CrossingMark, EditError, NewCrossing, StoredCrossing};

/// Maximum number of thumbnails, some 50 MB; only the newest stay. `counts.db` keeps crossings for ever, so their
/// images must not fill the disk.
pub(crate) const MOST_THUMBNAILS: i64 = 10_000;

pub(super) fn load_line_ids(connection: &Connection) -> Result<BTreeSet<u64>, CountsRowError> {
    let mut query = connection.prepare("SELECT id FROM lines")?;
    query.query_map([], |row| unsigned(row, 0))?.collect()
}

/// Takes numbers for changes of stored crossings, in order, from the sequence of the ids: a single cursor orders new
/// crossings and changes. Returns the first number; `None` if none is needed.
pub(crate) fn reserve_numbers(connection: &Connection, count: usize) -> rusqlite::Result<Option<i64>> {
    if count == 0 {
        return Ok(None);
    }
    let of_crossings = "FROM sqlite_sequence WHERE name = 'crossings'";
    let last: i64 = connection.query_row(&format!("SELECT seq {of_crossings}"), [], |row| row.get(0))?;
    let taken = "UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'crossings'";
    connection.execute(taken, [count as i64])?;
    Ok(Some(last + 1))
}

/// Marks the crossing `id`. The tables of sums keep it: reading subtracts what is excluded.
pub(in crate::counts) fn mark_crossing(
    tx: &CountsTransaction<'_>,
    id: u64,
    mark: CrossingMark,
) -> Result<StoredCrossing, CountsFault> {
    let unknown = EditError::Unknown { what: "crossing", id };
    let (id, mark) = (number(id), mark as i64);
    let known: Option<i64> = tx
        .connection
        .query_row("SELECT mark FROM crossings WHERE id = ?1", [id], |row| row.get(0))
        .optional()?;
    let Some(known) = known else { return Err(unknown.into()) };
    if known != mark {
        let revised = reserve_numbers(tx.connection, 1)?;
        tx.connection.execute(
            "UPDATE crossings SET mark = ?2, revised = ?3 WHERE id = ?1",
            params![id, mark, revised],
        )?;
    }
    Ok(tx.connection.query_row(&format!("{SELECT_CROSSINGS} WHERE c.id = ?1"), [id], crossing)?)
}

/// Stores crossings, and adds the new ones to the sums.
pub(super) fn insert_crossings(
    connection: &Connection,
    crossings: &[NewCrossing],
    run: i64,
    wall: WallClock,
    lines: &BTreeSet<u64>,
    sums: &mut RollupChanges<'_>,
) -> Result<(), CountsRowError> {
    let mut row = connection.prepare(
        "INSERT INTO crossings (run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure, \
         speed)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO NOTHING",
    )?;
    let mut has_thumbnails = false;
    for new in crossings {
        if !lines.contains(&new.line) {
            log::error!("counts.db: a crossing of line {}, which never was, is not recorded", new.line);
            continue;
        }
        let mono_us = new.monotonic_us as i64;
        let wall_us = wall.wall_us(mono_us);
        // SQLite cannot store NaN.
        let score = if new.score.is_finite() { f64::from(new.score) } else { 0.0 };
        let inserted = row.execute(params![
            run,
            new.scene.as_str(),
            new.line as i64,
            new.track as i64,
            new.ordinal,
            new.class,
            new.direction.as_str(),
            score,
            mono_us,
            wall_us,
            wall.is_sure,
            new.kmh.map(|kmh| (kmh * 10.0).round() as i64)
        ])?;
        if inserted == 0 {
            continue;
        }
        let id = connection.last_insert_rowid();
        let kind = RollupTable {
            scene: new.scene,
            line: new.line,
            class: Arc::clone(&new.class),
            direction: new.direction,
        };
        sums.add(kind, wall_us, id, 1);
        if let Some(jpeg) = &new.thumbnail {
            connection
                .execute("INSERT INTO thumbnails (crossing, jpeg) VALUES (?1, ?2)", params![id, &jpeg[..]])?;
            has_thumbnails = true;
        }
    }
    if has_thumbnails {
        // The oldest are the first rows of the table, so there is no search. Without enough crossings, nothing is old.
        connection.execute(
            "DELETE FROM thumbnails
             WHERE crossing < (SELECT id FROM crossings ORDER BY id DESC LIMIT 1 OFFSET ?1)",
            [MOST_THUMBNAILS - 1],
        )?;
    }
    Ok(())
}
