//! Resets: a row with its time sets today's counters to zero, or the number inside to another one. No crossing is
//! deleted, and the row can be taken back.

use rusqlite::params;

use crate::counts::rows::{CountsRowError, unsigned};
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{EditError, Reset, Scene};

/// With `inside` only the number inside is set.
pub(crate) fn reset_tallies(
    tx: &CountsTransaction<'_>,
    line: Option<u64>,
    inside: Option<u64>,
) -> Result<Reset, CountsFault> {
    if let Some(id) = line {
        let is_there: bool = tx.connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM lines WHERE id = ?1 AND NOT deleted)",
            [id as i64],
            |row| row.get(0),
        )?;
        if !is_there {
            return Err(EditError::Unknown { what: "line", id }.into());
        }
    }
    let at = tx.moment;
    tx.connection.execute(
        "INSERT INTO resets (run, scene, line, after, mono_us, wall_us, sure, inside)
         VALUES (?1, ?2, ?3, (SELECT ifnull(max(id), 0) FROM crossings), ?4, ?5, ?6, ?7)",
        params![
            at.run,
            tx.scene.as_str(),
            line.map(|id| id as i64),
            at.mono_us,
            at.wall_us,
            at.is_sure,
            inside.map(|inside| inside as i64)
        ],
    )?;
    let id = tx.connection.last_insert_rowid() as u64;
    Ok(Reset { id, time_us: at.wall_us as u64, line_id: line, inside })
}

/// Takes back a reset.
pub fn undo_reset(tx: &CountsTransaction<'_>, id: u64) -> Result<(), CountsFault> {
    let gone = tx
        .connection
        .execute("DELETE FROM resets WHERE id = ?1 AND scene = ?2", params![id as i64, tx.scene.as_str()])?;
    if gone == 0 {
        return Err(EditError::Unknown { what: "reset", id }.into());
    }
    Ok(())
}

/// The stored resets of a scene between two wall times, oldest first.
pub(crate) fn load_resets(
    connection: &rusqlite::Connection,
    scene: Scene,
    from_us: i64,
    to_us: i64,
) -> Result<Vec<Reset>, CountsRowError> {
    let mut query = connection.prepare(
        "SELECT id, wall_us, line, inside FROM resets WHERE scene = ?1 AND wall_us >= ?2 AND wall_us < ?3 ORDER BY id",
    )?;
    let rows = query.query_map(params![scene.as_str(), from_us, to_us], |row| {
        let whole =
            |column| Ok::<_, CountsRowError>(row.get::<_, Option<i64>>(column)?.map(|number| number as u64));
        Ok(Reset { id: unsigned(row, 0)?, time_us: unsigned(row, 1)?, line_id: whole(2)?, inside: whole(3)? })
    })?;
    rows.collect()
}
