//! How many were in each zone, in rows of a few minutes. Called by the writer and by the reader.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::clock_correction::WallClock;
use super::rows::{ReadError, unsigned};
use super::{Occupancy, OccupancySpan, Scene};

/// Puts rows on record; one of a moment that has one already replaces it.
pub fn insert(
    connection: &Connection,
    spans: &[OccupancySpan],
    run: i64,
    wall: WallClock,
) -> Result<(), ReadError> {
    let mut row = connection.prepare(
        "INSERT INTO occupancy (run, scene, zone, watched_us, inside_us, most, most_after_us, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
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

/// For each zone of `scene` of which anything is known, what was seen in each of the buckets between these bounds.
pub fn read(
    connection: &Connection,
    scene: Scene,
    bounds: &[(i64, i64)],
) -> Result<BTreeMap<u64, Vec<Occupancy>>, ReadError> {
    let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else { return Ok(BTreeMap::new()) };
    let empty = || {
        let bucket = |&(start_us, end_us): &(i64, i64)| Occupancy {
            start_us: start_us.max(0) as u64,
            end_us: end_us.max(0) as u64,
            ..Occupancy::default()
        };
        bounds.iter().map(bucket).collect::<Vec<_>>()
    };
    let mut zones: BTreeMap<u64, Vec<Occupancy>> = BTreeMap::new();
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
        // The sum of times until all rows are read; the mean of them then.
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
