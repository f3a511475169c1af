//! Applies retention to the stored rows.

use std::path::Path;

use rusqlite::Connection;

use super::RetentionSums;
use super::reclaim;
use crate::media::retention;
use crate::media::rows::{self, MediaRowError, SELECT_ITEMS};
use crate::media::storage::{self, Totals};
use crate::media::{RetentionPlan, RetentionRules};
use tallycam_base::{ClockTime, ballast};

/// The plan of these rules at `now`. In a steady state it reads one row, however many there are.
pub fn plan(
    connection: &Connection,
    directory: &Path,
    rules: &RetentionRules,
    totals: &Totals,
    now: ClockTime,
) -> Result<RetentionPlan, MediaRowError> {
    let (_, unused) = storage::pages(connection)?;
    // A file system of unknown size counts as having enough room.
    let free = ballast::space(directory).map_or(u64::MAX, |(free, _)| free);
    let sums = RetentionSums {
        snapshots: totals.snapshots.1,
        recordings: totals.recordings.1,
        unused,
        going: totals.going,
        free,
    };
    // By number, which is the order of adding even while the clock is not set.
    let mut query = connection.prepare(&format!("{SELECT_ITEMS} WHERE state < 2 ORDER BY id"))?;
    let items = query.query_map([], rows::read_item)?;
    retention::plan(rules, now, &sums, items)
}

/// Marks the items that the rules delete. Returns their number, and why the rules are still not met, if so.
pub fn apply(
    connection: &Connection,
    directory: &Path,
    rules: &RetentionRules,
    totals: &mut Totals,
    now: ClockTime,
) -> Result<(usize, Option<String>), MediaRowError> {
    if *rules == RetentionRules::default() {
        return Ok((0, None));
    }
    let plan = plan(connection, directory, rules, totals, now)?;
    if !plan.goes.is_empty() {
        ballast::release_if_full(directory);
    }
    for (item, reason) in &plan.goes {
        log::info!("media.db: {:?} deleted by retention ({})", item.name, reason.as_str());
        reclaim::mark_retired(connection, item, totals)?;
    }
    Ok((plan.goes.len(), plan.unmet))
}
