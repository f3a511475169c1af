//! What the rows need when the wall clock is set: their times and days anew. What a change of the clock is says
//! `store/mending`.

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, params};

use super::names::day_of;
use super::rows::ReadError;
use crate::base::Stamp;
use crate::store::mending::{Change, WallClock};

/// What is known of this boot's clock; a boot that is not on record yet is put there.
pub(super) fn boot(connection: &Connection, name: &str, now: Stamp) -> Result<(i64, WallClock), ReadError> {
    let known = connection
        .query_row("SELECT id, offset_us, sure FROM boots WHERE boot = ?1", [name], |row| {
            Ok((row.get(0)?, WallClock { offset_us: row.get(1)?, is_sure: row.get(2)? }))
        })
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let wall = WallClock { offset_us: now.wall_us as i64 - now.monotonic_us as i64, is_sure: false };
    connection.execute(
        "INSERT INTO boots (boot, offset_us, sure) VALUES (?1, ?2, 0)",
        params![name, wall.offset_us],
    )?;
    Ok((connection.last_insert_rowid(), wall))
}

/// The newest time on record that a sure clock has given; 0 if there is none.
pub(super) fn newest_sure(connection: &Connection) -> Result<i64, ReadError> {
    connection
        .query_row("SELECT ifnull(max(added_us), 0) FROM items WHERE boot IS NULL", [], |row| row.get(0))
}

/// Does to the rows of this boot what a change of the clock demands; tells whether any has moved.
pub(super) fn apply_change(
    connection: &Connection,
    change: Change,
    boot: i64,
    wall: WallClock,
    zone: &TimeZone,
) -> Result<bool, ReadError> {
    if change == Change::None {
        return Ok(false);
    }
    connection.execute(
        "UPDATE boots SET offset_us = ?2, sure = ?3 WHERE id = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if change == Change::Step {
        return Ok(false);
    }
    let mut days = connection.prepare(
        "SELECT id, max(mono_us + ?2, 0) FROM items WHERE boot = ?1 AND mono_us IS NOT NULL AND NOT dated",
    )?;
    let moved: Vec<(i64, i64)> = days
        .query_map([boot, wall.offset_us], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    let mut date = connection.prepare("UPDATE items SET date = ?2 WHERE id = ?1")?;
    for (id, at_us) in moved {
        date.execute(params![id, day_of(at_us, zone)])?;
    }
    let count = connection.execute(
        "UPDATE items SET at_us = ifnull(max(mono_us + ?2, 0), at_us), added_us = max(added_mono_us + ?2, 0),
           boot = CASE WHEN ?3 THEN NULL ELSE boot END, version = version + 1
         WHERE boot = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if count > 0 {
        log::info!("media.db: the clock was set; {count} items of this boot have their right time now");
    }
    Ok(count > 0)
}
