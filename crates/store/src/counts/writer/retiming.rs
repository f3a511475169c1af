//! Moves stored rows to new wall times and rebuilds their sums after a change of clock or calendar. The writer calls
//! this within its transaction. `clock_correction` decides about clock changes.

use rusqlite::{Connection, OptionalExtension, params};

use crate::counts::clock_correction::{ClockChange, WallClock};
use crate::counts::coverage::counting_time::OpenSpan;
use crate::counts::rows::{CountsRowError, direction_of, parse_scene, unsigned};
use crate::counts::sums::calendar::Calendar;
use crate::counts::sums::rollups::{self, RollupChanges, RollupTable};
use crate::counts::writer::crossings::reserve_numbers;

/// Stores the calendar of the sums. If it differs from the stored one, computes the sums again.
pub(crate) fn record_calendar(connection: &Connection, calendar: &Calendar) -> Result<(), CountsRowError> {
    let identity = calendar.identity();
    let kept: Option<String> = connection
        .query_row("SELECT value FROM settings WHERE key = 'calendar'", [], |row| row.get(0))
        .optional()?;
    if kept.as_ref() == Some(&identity) {
        return Ok(());
    }
    if let Some(kept) = kept {
        log::info!("counts.db: time zone {kept} is now {identity}: summing all counts again");
    }
    rollups::rebuild(connection, calendar)?;
    connection.execute("INSERT OR REPLACE INTO settings (key, value) VALUES ('calendar', ?1)", [identity])?;
    Ok(())
}

/// The end of the newest span of a sure clock; 0 without one.
pub(crate) fn newest_sure_end(connection: &Connection) -> Result<i64, CountsRowError> {
    connection
        .query_row("SELECT to_us FROM spans WHERE sure ORDER BY to_us DESC LIMIT 1", [], |row| row.get(0))
        .optional()
        .map(|end| end.unwrap_or(0))
}

/// The current span with its stored wall times.
pub(crate) fn reload_open_span(
    connection: &Connection,
    span: Option<OpenSpan>,
) -> Result<Option<OpenSpan>, CountsRowError> {
    let Some(mut span) = span else {
        return Ok(None);
    };
    (span.from_us, span.to_us) =
        connection.query_row("SELECT from_us, to_us FROM spans WHERE id = ?1", [span.id], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Some(span))
}

/// Applies a clock change to the rows of this boot.
pub(crate) fn apply_change(
    connection: &Connection,
    change: ClockChange,
    boot: i64,
    wall: WallClock,
    calendar: &Calendar,
) -> Result<(), CountsRowError> {
    if change == ClockChange::None {
        return Ok(());
    }
    connection.execute(
        "UPDATE boots SET offset_us = ?2, sure = ?3 WHERE id = ?1",
        params![boot, wall.offset_us, wall.is_sure],
    )?;
    if change == ClockChange::Step {
        return Ok(());
    }
    const MINE: &str = "run IN (SELECT id FROM runs WHERE boot = ?1) AND NOT sure";
    let mut sums = RollupChanges::new(calendar);
    let mut moved = connection.prepare(&format!(
        "SELECT id, scene, line, class, direction, wall_us, mono_us FROM crossings WHERE {MINE}"
    ))?;
    let mut rows = moved.query([boot])?;
    let (mut count, mut all) = (0u64, 0);
    while let Some(row) = rows.next()? {
        all += 1;
        let kind = RollupTable {
            scene: parse_scene(row.get_ref(1)?.as_str()?)?,
            line: unsigned(row, 2)?,
            class: row.get(3)?,
            direction: direction_of(row.get_ref(4)?.as_str()?)?,
        };
        let (id, was_us, is_us) = (row.get(0)?, row.get(5)?, wall.wall_us(row.get(6)?));
        if was_us != is_us {
            sums.add(kind.clone(), was_us, id, -1);
            sums.add(kind, is_us, id, 1);
            count += 1;
        }
    }
    sums.write(connection)?;
    // Each row gets a new place in the order of changes, for consumers that have its old time.
    if let Some(first) = reserve_numbers(connection, all)? {
        connection.execute(
            &format!(
                "UPDATE crossings SET revised = ?2 + moved.at
                 FROM (SELECT id AS moved_id, row_number() OVER (ORDER BY id) - 1 AS at FROM crossings WHERE {MINE})
                   AS moved
                 WHERE id = moved_id"
            ),
            params![boot, first],
        )?;
    }
    // Two stays of one track may exchange their places in the order of time.
    for table in [
        "crossings",
        "resets",
        "line_changes",
        "recounts",
        "audit",
        "occupancy",
        "movement",
        "OR REPLACE stays",
    ] {
        connection.execute(
            &format!("UPDATE {table} SET wall_us = max(mono_us + ?2, 0), sure = ?3 WHERE {MINE}"),
            params![boot, wall.offset_us, wall.is_sure],
        )?;
    }
    // Time that a sure clock covered is not covered again.
    let floor_us = if wall.is_sure { newest_sure_end(connection)? } else { 0 };
    connection.execute(
        &format!(
            "UPDATE spans SET from_us = max(from_mono_us + ?2, ?4), to_us = max(to_mono_us + ?2, ?4), sure = ?3
             WHERE {MINE}"
        ),
        params![boot, wall.offset_us, wall.is_sure, floor_us],
    )?;
    if count > 0 {
        log::info!("counts.db: the clock was set; the time of {count} crossings is corrected");
    }
    Ok(())
}
