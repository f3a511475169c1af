//! Moves times, days and names of items after the wall clock was set. `store/clock_correction` decides about clock
//! changes.

use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension, params};

use crate::clock_correction::{ClockChange, WallClock};
use crate::media::MediaKind;
use crate::media::names::{default_name, format_day, is_default_name, unused_name};
use crate::media::rows::{self, MediaRowError};
use tallycam_base::ClockTime;

/// Name of the pseudo boot for times that no clock can correct, those of imported files without a time.
const UNKNOWN: &str = "none";

/// The row of [`UNKNOWN`], created if missing.
pub(crate) fn unknown_boot(connection: &Connection) -> Result<i64, MediaRowError> {
    connection.execute("INSERT OR IGNORE INTO boots (boot, offset_us, sure) VALUES (?1, 0, 0)", [UNKNOWN])?;
    connection.query_row("SELECT id FROM boots WHERE boot = ?1", [UNKNOWN], |row| row.get(0))
}

/// The row and the clock of this boot, created if missing.
pub fn boot(connection: &Connection, name: &str, now: ClockTime) -> Result<(i64, WallClock), MediaRowError> {
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

/// The newest stored time of a sure clock; 0 without one.
pub(crate) fn newest_sure(connection: &Connection) -> Result<i64, MediaRowError> {
    connection
        .query_row("SELECT ifnull(max(added_us), 0) FROM items WHERE boot IS NULL", [], |row| row.get(0))
}

/// An item whose time moves with the clock.
struct Moved {
    id: i64,
    kind: Option<MediaKind>,
    name: String,
    is_dated: bool,
    from_us: i64,
    to_us: i64,
}

/// Applies a clock change to the rows of this boot. True if any has moved.
pub(crate) fn apply_change(
    connection: &Connection,
    change: ClockChange,
    boot: i64,
    wall: WallClock,
    zone: &TimeZone,
) -> Result<bool, MediaRowError> {
    if change == ClockChange::None {
        return Ok(false);
    }
    connection.execute(
        "UPDATE boots SET offset_us = ?2, sure = ?3 WHERE id = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if change == ClockChange::Step {
        return Ok(false);
    }
    let mut items = connection.prepare(
        "SELECT id, kind, name, dated, at_us, max(mono_us + ?2, 0) FROM items WHERE boot = ?1 AND mono_us IS NOT NULL",
    )?;
    let moved: Vec<Moved> = items
        .query_map([boot, wall.offset_us], |row| {
            Ok(Moved {
                id: row.get(0)?,
                kind: MediaKind::parse(&row.get::<_, String>(1)?),
                name: row.get(2)?,
                is_dated: row.get(3)?,
                from_us: row.get(4)?,
                to_us: row.get(5)?,
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut date = connection.prepare("UPDATE items SET date = ?2 WHERE id = ?1")?;
    let mut rename = connection.prepare("UPDATE items SET name = ?2 WHERE id = ?1")?;
    for item in moved {
        if !item.is_dated {
            date.execute(params![item.id, format_day(item.to_us, zone)])?;
        }
        // A name made of the time changes with it; a given name stays.
        if let Some(kind) = item.kind
            && is_default_name(&item.name, kind, item.from_us, zone)
        {
            let name = default_name(kind, item.to_us, zone);
            if !is_default_name(&item.name, kind, item.to_us, zone) {
                let is_taken = rows::has_name(connection, &name)?;
                let name = if is_taken {
                    unused_name(&name, |name| rows::has_name(connection, name))?
                } else {
                    name
                };
                rename.execute(params![item.id, name])?;
            }
        }
    }
    let count = connection.execute(
        "UPDATE items SET at_us = ifnull(max(mono_us + ?2, 0), at_us), added_us = max(added_mono_us + ?2, 0),
           boot = CASE WHEN ?3 THEN NULL ELSE boot END, version = version + 1
         WHERE boot = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if count > 0 {
        log::info!("media.db: the clock was set; the time of {count} items is corrected");
    }
    Ok(count > 0)
}
