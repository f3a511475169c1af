//! Checks a counts.db: the integrity of the file, and that redundant data agree.

use std::collections::BTreeMap;

use rusqlite::{Connection, Row};

use super::geometry::{lines, zones};
use super::rows::{
    CountsRowError, SELECT_CROSSINGS, crossing, direction_of, parse_anchor, parse_line_ids, parse_scene,
    unsigned,
};
use super::sums::calendar::Calendar;
use super::sums::rollups::{RollupTable, for_each_crossing};
use super::{BucketSize, audit, checks};

/// Maximum number of faults of one kind in the report; further ones are only counted.
const MOST_TOLD: usize = 10;

/// Reads every row that this program reads.
///
/// # Errors
/// A row that cannot be read.
pub(crate) fn read_every_row(connection: &Connection) -> Result<(), CountsRowError> {
    lines::load_all(connection)?;
    zones::load_all(connection)?;
    audit::rows(connection, None, i64::MAX as usize)?;
    checks::read_all(connection)?;
    let each = |query: &str, read: &dyn Fn(&Row<'_>) -> Result<(), CountsRowError>| {
        let mut statement = connection.prepare(query)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            read(row)?;
        }
        Ok::<_, CountsRowError>(())
    };
    let in_all = |column: &str, tables: &[&str]| {
        let each =
            tables.iter().map(|table| format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL"));
        each.collect::<Vec<_>>().join(" UNION ")
    };
    each(SELECT_CROSSINGS, &|row| crossing(row).map(drop))?;
    each("SELECT lines FROM recounts", &|row| parse_line_ids(row.get_ref(0)?.as_str()?).map(drop))?;
    each("SELECT anchor FROM line_changes", &|row| parse_anchor(row.get_ref(0)?.as_str()?).map(drop))?;
    let sums = ["crossings", "superseded", "hourly", "daily", "least_totals"];
    each(&in_all("direction", &sums), &|row| direction_of(row.get_ref(0)?.as_str()?).map(drop))?;
    let others =
        ["lines", "zones", "spans", "resets", "recounts", "recount_spans", "occupancy", "stays", "movement"];
    let scenes = in_all("scene", &[&sums[..], &others].concat());
    each(&scenes, &|row| parse_scene(row.get_ref(0)?.as_str()?).map(drop))
}

/// A sentence for every fault; empty for a sound file.
pub(super) fn find_faults(
    connection: &Connection,
    calendar: &Calendar,
) -> Result<Vec<String>, CountsRowError> {
    // One transaction, so that all queries see the same state.
    let _state = connection.unchecked_transaction()?;
    let mut faults = Vec::new();
    sentences(connection, &mut faults, "PRAGMA integrity_check(10)", |text| {
        (text != "ok").then(|| format!("the file is damaged: {text}"))
    })?;
    let mut orphans = connection.prepare("PRAGMA foreign_key_check")?;
    let mut rows = orphans.query([])?;
    let mut count = 0u64;
    while rows.next()?.is_some() {
        count += 1;
    }
    if count > 0 {
        faults.push(format!("{count} rows belong to a line, run or crossing that is not there"));
    }
    sums(connection, calendar, &mut faults)?;
    sentences(
        connection,
        &mut faults,
        "SELECT 'crossing ' || id || ' is counted though a recount took its place' FROM superseded
         WHERE id IN (SELECT id FROM crossings)",
        |text| Some(text.to_owned()),
    )?;
    sentences(
        connection,
        &mut faults,
        "SELECT 'span ' || id || ' ends before it begins' FROM spans WHERE to_us < from_us",
        |text| Some(text.to_owned()),
    )?;
    // Each sure span must start after the previous sure spans have ended.
    sentences(
        connection,
        &mut faults,
        "SELECT 'span ' || id || ' begins before an earlier one ends' FROM
           (SELECT id, from_us, max(to_us) OVER (ORDER BY from_us, to_us, id
              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
            FROM spans WHERE sure AND to_us > from_us)
         WHERE from_us < before",
        |text| Some(text.to_owned()),
    )?;
    Ok(faults)
}

/// Adds the faults that a query with one text column returns.
fn sentences(
    connection: &Connection,
    faults: &mut Vec<String>,
    query: &str,
    word: impl Fn(&str) -> Option<String>,
) -> Result<(), CountsRowError> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    let mut told = 0;
    while let Some(row) = rows.next()? {
        if let Some(fault) = word(row.get_ref(0)?.as_str()?) {
            told += 1;
            if told <= MOST_TOLD {
                faults.push(fault);
            }
        }
    }
    if told > MOST_TOLD {
        faults.push(format!("and {} more of that kind", told - MOST_TOLD));
    }
    Ok(())
}

/// Compares the sums with the crossings, by naive addition.
fn sums(
    connection: &Connection,
    calendar: &Calendar,
    faults: &mut Vec<String>,
) -> Result<(), CountsRowError> {
    type Sums = BTreeMap<(i64, RollupTable), i64>;
    let mut right: [Sums; 2] = [Sums::new(), Sums::new()];
    let mut bounds: BTreeMap<(i64, RollupTable), (i64, i64)> = BTreeMap::new();
    for_each_crossing(connection, |id, kind, wall_us| {
        for (size, right) in [BucketSize::Hour, BucketSize::Day].into_iter().zip(&mut right) {
            let start = calendar.bucket(size, wall_us).0;
            *right.entry((start, kind.clone())).or_insert(0) += 1;
            if size == BucketSize::Day {
                let bound = bounds.entry((start, kind.clone())).or_insert((id, id));
                *bound = (bound.0.min(id), bound.1.max(id));
            }
        }
        Ok(())
    })?;
    for (table, mut right) in ["hourly", "daily"].into_iter().zip(right) {
        let mut wrong = 0u64;
        let edges = if table == "daily" { "first, last" } else { "0, 0" };
        let mut statement = connection.prepare(&format!(
            "SELECT scene, start_us, line, class, direction, count, {edges} FROM {table}"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let kind = RollupTable {
                scene: parse_scene(row.get_ref(0)?.as_str()?)?,
                line: unsigned(row, 2)?,
                class: row.get(3)?,
                direction: direction_of(row.get_ref(4)?.as_str()?)?,
            };
            let key = (row.get(1)?, kind);
            let holds = table == "hourly"
                || bounds.get(&key).is_some_and(|&(first, last)| {
                    row.get(6).is_ok_and(|edge: i64| edge <= first)
                        && row.get(7).is_ok_and(|edge: i64| edge >= last)
                });
            if right.remove(&key) != Some(row.get(5)?) || !holds {
                wrong += 1;
            }
        }
        wrong += right.len() as u64;
        if wrong > 0 {
            faults.push(format!("{wrong} of the {table} sums are not what the crossings say"));
        }
    }
    Ok(())
}
