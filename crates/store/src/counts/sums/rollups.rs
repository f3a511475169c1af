//! Hourly and daily sums of crossings, changed in the same transaction as the crossings.
//!
//! There is a row for each scene, bucket, line, class and direction with a crossing. A daily row also has the first
//! and last number of its crossings. They let a page of crossings be found without an index. They are exact until a
//! clock change or a recount, and never too narrow.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::calendar::Calendar;
use crate::counts::rows::{CountsRowError, direction_of, parse_scene};
use crate::counts::{BucketSize, Scene};
use tallycam_vision::Direction;

/// The key of a sum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RollupTable {
    pub scene: Scene,
    pub line: u64,
    pub class: Arc<str>,
    pub direction: Direction,
}

/// Changes to the sums, collected before they are written.
#[derive(Debug)]
pub(crate) struct RollupChanges<'a> {
    calendar: &'a Calendar,
    /// The buckets of the last crossing, cached because crossings come in bunches.
    hour: (i64, i64),
    day: (i64, i64),
    hourly: BTreeMap<(i64, RollupTable), i64>,
    daily: BTreeMap<(i64, RollupTable), (i64, i64, i64)>,
}

impl<'a> RollupChanges<'a> {
    pub fn new(calendar: &'a Calendar) -> RollupChanges<'a> {
        RollupChanges { calendar, hour: (0, 0), day: (0, 0), hourly: BTreeMap::new(), daily: BTreeMap::new() }
    }

    /// Adds `count` (1 or −1) at a crossing's wall time.
    pub fn add(&mut self, kind: RollupTable, wall_us: i64, id: i64, count: i64) {
        let holds = |bucket: (i64, i64)| bucket.0 <= wall_us && wall_us < bucket.1;
        if !holds(self.hour) {
            self.hour = self.calendar.bucket(BucketSize::Hour, wall_us);
        }
        if !holds(self.day) {
            self.day = self.calendar.bucket(BucketSize::Day, wall_us);
        }
        *self.hourly.entry((self.hour.0, kind.clone())).or_insert(0) += count;
        let day = self.daily.entry((self.day.0, kind)).or_insert((0, id, id));
        *day = (day.0 + count, day.1.min(id), day.2.max(id));
    }

    /// Number of hourly rows to change.
    fn len(&self) -> usize {
        self.hourly.len()
    }

    /// Writes the collected changes and clears them.
    pub fn write(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let has_less = self.hourly.values().any(|count| *count < 0)
            || self.daily.values().any(|(count, _, _)| *count <= 0);
        let mut hour = connection.prepare(
            "INSERT INTO hourly (scene, start_us, line, class, direction, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT DO UPDATE SET count = count + excluded.count",
        )?;
        for ((start, kind), count) in std::mem::take(&mut self.hourly) {
            if count != 0 {
                let RollupTable { scene, line, class, direction } = kind;
                hour.execute(params![scene.as_str(), start, line as i64, class, direction.as_str(), count])?;
            }
        }
        let mut day = connection.prepare(
            "INSERT INTO daily (scene, start_us, line, class, direction, count, first, last)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT DO UPDATE SET count = count + excluded.count,
               first = min(first, excluded.first), last = max(last, excluded.last)",
        )?;
        for ((start, kind), (count, first, last)) in std::mem::take(&mut self.daily) {
            // Written even if the change is 0, because the numbers may differ.
            let RollupTable { scene, line, class, direction } = kind;
            day.execute(params![
                scene.as_str(),
                start,
                line as i64,
                class,
                direction.as_str(),
                count,
                first,
                last
            ])?;
        }
        if has_less {
            connection
                .execute_batch("DELETE FROM hourly WHERE count = 0; DELETE FROM daily WHERE count = 0;")?;
        }
        Ok(())
    }
}

/// Maximum number of rows in memory while all sums are rebuilt.
const MOST_GATHERED: usize = 20_000;

pub(crate) fn for_each_crossing(
    connection: &Connection,
    mut each: impl FnMut(i64, RollupTable, i64) -> Result<(), CountsRowError>,
) -> Result<(), CountsRowError> {
    let mut all =
        connection.prepare("SELECT id, scene, line, class, direction, wall_us FROM crossings ORDER BY id")?;
    let mut rows = all.query([])?;
    // Consecutive rows share one name.
    let mut class: Arc<str> = Arc::from("");
    while let Some(row) = rows.next()? {
        let name = row.get_ref(3)?.as_str()?;
        if *class != *name {
            class = Arc::from(name);
        }
        let kind = RollupTable {
            scene: parse_scene(row.get_ref(1)?.as_str()?)?,
            line: row.get::<_, i64>(2)? as u64,
            class: Arc::clone(&class),
            direction: direction_of(row.get_ref(4)?.as_str()?)?,
        };
        each(row.get(0)?, kind, row.get(5)?)?;
    }
    Ok(())
}

/// Computes all sums again from the crossings.
pub(crate) fn rebuild(connection: &Connection, calendar: &Calendar) -> Result<(), CountsRowError> {
    connection.execute_batch("DELETE FROM hourly; DELETE FROM daily;")?;
    let mut changes = RollupChanges::new(calendar);
    for_each_crossing(connection, |id, kind, wall_us| {
        changes.add(kind, wall_us, id, 1);
        if changes.len() >= MOST_GATHERED {
            changes.write(connection)?;
        }
        Ok(())
    })?;
    changes.write(connection)?;
    Ok(())
}
