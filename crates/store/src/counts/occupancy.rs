//! Occupancy of zones: rows of a few minutes, merged into rows of an hour after [`FINE_US`]. Called by the writer and
//! the reader.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::clock_correction::WallClock;
use super::rows::{CountsRowError, unsigned};
use super::sums::calendar::Calendar;
use super::{BucketSize, OccupancyRow, OccupancySpan, Scene};

/// Age in microseconds up to which rows of a few minutes are kept: 90 days.
pub(super) const FINE_US: i64 = 90 * DAY_US;
const DAY_US: i64 = 86_400_000_000;

/// Key of the setting with the wall time before which rows are of an hour.
const ROLLED: &str = "occupancy_rolled_us";

/// Stores rows; a row with the same time is replaced.
pub fn insert(
    connection: &Connection,
    spans: &[OccupancySpan],
    run: i64,
    wall: WallClock,
) -> Result<(), CountsRowError> {
    let mut row = connection.prepare(
        "INSERT INTO occupancy (run, scene, zone, watched_us, inside_us, most, most_after_us, mono_us, wall_us, sure)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 WHERE EXISTS (SELECT 1 FROM zones WHERE id = ?3 AND NOT deleted)
         ON CONFLICT DO UPDATE SET watched_us = excluded.watched_us, inside_us = excluded.inside_us,
           most = excluded.most, most_after_us = excluded.most_after_us",
    )?;
    for span in spans {
        let mono_us = span.monotonic_us as i64;
        row.execute(params![
            run,
            span.scene.as_str(),
            span.zone as i64,
            span.watched_us as i64,
            span.inside_us as i64,
            span.peak,
            span.peak_after_us as i64,
            mono_us,
            wall.wall_us(mono_us),
            wall.is_sure
        ])?;
    }
    Ok(())
}

/// Merges rows older than [`FINE_US`] into rows of an hour, a day at a time. Rows of unsure times stay, because they
/// may still move.
pub(crate) fn roll_up(
    connection: &Connection,
    calendar: &Calendar,
    now_us: i64,
) -> Result<(), CountsRowError> {
    let limit_us = calendar.bucket(BucketSize::Hour, now_us.saturating_sub(FINE_US)).0;
    let Some(from_us) = rolled_us(connection)? else {
        let first = "SELECT min(wall_us) FROM occupancy WHERE sure";
        let first_us: Option<i64> = connection.query_row(first, [], |row| row.get(0))?;
        return first_us.map_or(Ok(()), |first_us| keep_rolled(connection, first_us));
    };
    if limit_us.saturating_sub(from_us) < DAY_US {
        return Ok(());
    }
    let to_us = calendar.bucket(BucketSize::Hour, from_us.saturating_add(DAY_US)).0;
    let mut query = connection.prepare(
        "SELECT id, run, scene, zone, wall_us, watched_us, inside_us, most, most_after_us FROM occupancy
         WHERE sure AND wall_us >= ?1 AND wall_us < ?2 ORDER BY run, scene, zone, wall_us",
    )?;
    let mut update = connection.prepare(
        "UPDATE occupancy SET watched_us = ?2, inside_us = ?3, most = ?4, most_after_us = ?5 WHERE id = ?1",
    )?;
    let mut delete = connection.prepare("DELETE FROM occupancy WHERE id = ?1")?;
    let mut rows = query.query([from_us, to_us])?;
    let mut hour: Option<Hour> = None;
    let mut hours = Vec::new();
    while let Some(row) = rows.next()? {
        let wall_us: i64 = row.get(4)?;
        let key = (row.get(1)?, row.get(2)?, row.get(3)?, calendar.bucket(BucketSize::Hour, wall_us).0);
        let (id, figures): (i64, [i64; 4]) =
            (row.get(0)?, [row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?]);
        match hour.as_mut().filter(|hour| hour.key == key) {
            Some(hour) => hour.add(id, wall_us, figures),
            None => hours.extend(hour.replace(Hour { key, id, wall_us, figures, others: Vec::new() })),
        }
    }
    hours.extend(hour);
    for Hour { id, figures: [watched, inside, most, after], others, .. } in hours {
        if !others.is_empty() {
            update.execute([id, watched, inside, most, after])?;
        }
        for other in others {
            delete.execute([other])?;
        }
    }
    keep_rolled(connection, to_us)
}

/// The wall time before which rows are of an hour.
fn rolled_us(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    let rolled = "SELECT CAST(value AS INTEGER) FROM settings WHERE key = ?1";
    connection.query_row(rolled, [ROLLED], |row| row.get(0)).optional()
}

/// Makes one bucket of those within an hour whose rows are of the whole hour.
pub(crate) fn merge_rolled(
    connection: &Connection,
    calendar: &Calendar,
    bounds: &mut Vec<(i64, i64)>,
) -> Result<(), CountsRowError> {
    let rolled_us = rolled_us(connection)?.unwrap_or(i64::MIN);
    for bucket in bounds.iter_mut().filter(|(start_us, _)| *start_us < rolled_us) {
        let hour = calendar.bucket(BucketSize::Hour, bucket.0);
        *bucket = (hour.0.min(bucket.0), hour.1.max(bucket.1));
    }
    bounds.dedup();
    Ok(())
}

fn keep_rolled(connection: &Connection, up_to_us: i64) -> Result<(), CountsRowError> {
    let text = "INSERT OR REPLACE INTO settings (key, value) VALUES (?1, ?2)";
    connection.execute(text, params![ROLLED, up_to_us.to_string()])?;
    Ok(())
}

/// The rows of an hour of a run, to be merged into the first of them.
struct Hour {
    /// Run, scene, zone, and start of the hour.
    key: (i64, String, i64, i64),
    id: i64,
    wall_us: i64,
    /// Watched time, inside time, peak, and the peak's time after the row's start.
    figures: [i64; 4],
    others: Vec<i64>,
}

impl Hour {
    fn add(&mut self, id: i64, wall_us: i64, [watched, inside, most, after]: [i64; 4]) {
        self.others.push(id);
        self.figures[0] += watched;
        self.figures[1] += inside;
        if most > self.figures[2] {
            self.figures[2] = most;
            self.figures[3] = wall_us.saturating_add(after).saturating_sub(self.wall_us);
        }
    }
}

/// For each zone of `scene` with data, its occupancy in each bucket of `bounds`.
pub fn read(
    connection: &Connection,
    scene: Scene,
    bounds: &[(i64, i64)],
) -> Result<BTreeMap<u64, Vec<OccupancyRow>>, CountsRowError> {
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(BTreeMap::new()) };
    let empty = || {
        let bucket = |&(start_us, end_us): &(i64, i64)| OccupancyRow {
            start_us: start_us.max(0) as u64,
            end_us: end_us.max(0) as u64,
            ..OccupancyRow::default()
        };
        bounds.iter().map(bucket).collect::<Vec<_>>()
    };
    let mut zones: BTreeMap<u64, Vec<OccupancyRow>> = BTreeMap::new();
    let mut query = connection.prepare(
        "SELECT zone, wall_us, watched_us, inside_us, most, most_after_us FROM occupancy
         WHERE zone IN (SELECT id FROM zones WHERE NOT deleted) AND scene = ?1 AND wall_us >= ?2 AND wall_us < ?3
         ORDER BY wall_us",
    )?;
    let mut rows = query.query(params![scene.as_str(), first.0, last.1])?;
    while let Some(row) = rows.next()? {
        let wall_us: i64 = row.get(1)?;
        let at = bounds.partition_point(|&(_, end_us)| end_us <= wall_us);
        let buckets = zones.entry(unsigned(row, 0)?).or_insert_with(empty);
        let Some(bucket) = buckets.get_mut(at) else { continue };
        let (watched_us, inside_us, peak) = (unsigned(row, 2)?, unsigned(row, 3)?, row.get(4)?);
        // Holds the sum of times until all rows are read, then the mean.
        bucket.watched_us += watched_us;
        bucket.mean += inside_us as f64;
        if peak > bucket.peak {
            bucket.peak = peak;
            bucket.peak_us = wall_us.max(0) as u64 + unsigned(row, 5)?;
        }
    }
    for bucket in zones.values_mut().flatten() {
        bucket.mean /= bucket.watched_us.max(1) as f64;
    }
    Ok(zones)
}
