//! Recounts: the result of counting a recording again replaces the crossings of its time.
//!
//! Nothing is deleted. A replaced crossing moves from `crossings` to `superseded`, with its thumbnail, its number,
//! and the number of the recount. Sums, pages, charts and the check use only `crossings`. Everything happens in one
//! transaction.
//!
//! A recount is a run of its own that has already ended, so its tracks cannot be confused with the daemon's. It
//! replaces only crossings of its own lines, and only at times with frames in the recording. Crossings in a gap, and
//! those of lines deleted since, stay. Repeating a recount changes nothing.
//!
//! The writer calls this within its transaction.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use super::rows::{CountsRowError, direction_of, parse_line_ids, to_json, unsigned};
use super::sums::calendar::Calendar;
use super::sums::rollups::{RollupChanges, RollupTable};
use super::writer::crossings::reserve_numbers;
use super::writer::transaction::{CountsFault, CountsTransaction};
use super::{BucketSize, EditError, Scene};
use tallycam_base::unicode::is_unseen_control;
use tallycam_vision::Direction;

/// Maximum number of crossings in a recount: an hour of a very busy street.
pub(crate) const MOST_RECOUNTED: usize = 20_000;

/// Maximum number of spans in a recount.
const MOST_SPANS: usize = 10_000;

/// Maximum number of lines in a recount.
const MOST_LINES: usize = 1000;

/// Maximum characters of a stored name.
const LONGEST_NAME: usize = 250;

/// The result of counting a recording again.
#[derive(Debug, Clone, PartialEq)]
pub struct Recount {
    /// The scene of the recording.
    pub scene: Scene,
    /// The name of the recording camera.
    pub camera: String,
    /// The recording, in words: "recording 7, door.mp4".
    pub recording: String,
    /// The detector: a model's name, or `motion`.
    pub model: String,
    /// The recording's times are sure and will not move.
    pub is_time_sure: bool,
    /// The times without gaps in the recording, wall time in microseconds, both ends included; in order and disjoint.
    pub spans: Vec<(u64, u64)>,
    /// The lines of the recount, each with its version at that time.
    pub lines: Vec<(u64, u64)>,
    /// The crossings.
    pub crossings: Vec<FoundAgain>,
}

/// A crossing of a recount.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundAgain {
    /// The number of the line.
    pub line: u64,
    /// The track, unique within the recount.
    pub track: u64,
    /// The number of this crossing among those of this track and line, from 1.
    pub ordinal: u32,
    /// The name of the class.
    pub class: Arc<str>,
    /// The direction.
    pub direction: Direction,
    /// The score, 0–1.
    pub score: f32,
    /// Wall time in microseconds; within one of the spans.
    pub time_us: u64,
}

/// The effect of a recount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecountResult {
    /// Its number; `None` if `counts.db` already has the same and nothing was changed.
    pub id: Option<u64>,
    /// Number of replaced crossings.
    pub superseded: u64,
    /// Number of new crossings.
    pub counted: u64,
}

/// A stored crossing.
struct ExistingCrossings {
    id: i64,
    kind: RollupTable,
    wall_us: i64,
    /// For the comparison with the new crossings.
    mark: Mark,
}

/// Time, line, direction, class and score.
type Mark = (i64, u64, Direction, Arc<str>, u64);

fn new_mark(line: u64, direction: Direction, class: &Arc<str>, score: f64, wall_us: i64) -> Mark {
    (wall_us, line, direction, Arc::clone(class), score.to_bits())
}

/// The score as SQLite stores it, which has no NaN.
fn stored_score(score: f32) -> f64 {
    if score.is_finite() { f64::from(score) } else { 0.0 }
}

/// Replaces stored crossings with those of a recount.
pub(super) fn replace(
    tx: &CountsTransaction<'_>,
    calendar: &Calendar,
    recount: &Recount,
) -> Result<RecountResult, CountsFault> {
    check(recount)?;
    check_lines_unchanged(tx.connection, recount)?;
    let there = load_crossings(tx.connection, calendar, recount)?;
    let mut before: Vec<&Mark> = there.iter().map(|there| &there.mark).collect();
    before.sort_unstable();
    let marks = recount.crossings.iter().map(|found| {
        new_mark(found.line, found.direction, &found.class, stored_score(found.score), found.time_us as i64)
    });
    let mut after: Vec<Mark> = marks.collect();
    after.sort_unstable();
    let is_same = before.iter().copied().eq(&after);
    if is_same && is_already_covered(tx, recount)? {
        return Ok(RecountResult { id: None, superseded: 0, counted: 0 });
    }
    let (id, run) = insert_recount(tx, recount)?;
    if is_same {
        // The coverage is new: nobody crossed in this time.
        return Ok(RecountResult { id: Some(id as u64), superseded: 0, counted: 0 });
    }
    let mut sums = RollupChanges::new(calendar);
    if let Some(first) = reserve_numbers(tx.connection, there.len())? {
        keep_totals(tx.connection, recount)?;
        for (there, revised) in there.iter().zip(first..) {
            mark_superseded(tx.connection, id, there.id, revised)?;
        }
    }
    for there in &there {
        sums.add(there.kind.clone(), there.wall_us, there.id, -1);
    }
    insert(tx, run, recount, &mut sums)?;
    sums.write(tx.connection)?;
    let (superseded, counted) = (there.len() as u64, recount.crossings.len() as u64);
    Ok(RecountResult { id: Some(id as u64), superseded, counted })
}

/// Checks sizes, names, spans and crossings of the recount.
fn check(recount: &Recount) -> Result<(), EditError> {
    let wrong = |field: &'static str, words: String| Err(EditError::out_of_range(field, "", words));
    if recount.crossings.len() > MOST_RECOUNTED {
        return wrong("crossings", format!("a recount has at most {MOST_RECOUNTED} crossings"));
    }
    if recount.spans.is_empty() || recount.spans.len() > MOST_SPANS {
        return wrong("spans", format!("a recount has 1 to {MOST_SPANS} spans"));
    }
    if recount.lines.is_empty() || recount.lines.len() > MOST_LINES {
        return wrong("lines", format!("a recount has 1 to {MOST_LINES} lines"));
    }
    for (what, text) in
        [("camera", &recount.camera), ("recording", &recount.recording), ("model", &recount.model)]
    {
        if text.chars().count() > LONGEST_NAME || text.chars().any(is_unseen_control) {
            return wrong(
                what,
                format!("{what} has at most {LONGEST_NAME} letters, and none that are not seen"),
            );
        }
    }
    let mut end = None;
    for &(from, to) in &recount.spans {
        if from > to || end.is_some_and(|end| from <= end) || i64::try_from(to).is_err() {
            return wrong(
                "spans",
                String::from("the spans of a recount are in order and apart from each other"),
            );
        }
        end = Some(to);
    }
    let lines: BTreeSet<u64> = recount.lines.iter().map(|&(line, _)| line).collect();
    if lines.len() < recount.lines.len() {
        return wrong("lines", String::from("a recount has each line once"));
    }
    let mut seen = BTreeSet::new();
    for found in &recount.crossings {
        if !lines.contains(&found.line) {
            return wrong(
                "crossings",
                format!("a crossing is of line {}, which was not counted on", found.line),
            );
        }
        let at = recount.spans.partition_point(|&(_, to)| to < found.time_us);
        if recount.spans.get(at).is_none_or(|&(from, _)| from > found.time_us) {
            return wrong(
                "crossings",
                String::from("a crossing is at a time that the recording has no pictures of"),
            );
        }
        if found.ordinal == 0 || found.class.is_empty() || found.class.chars().count() > LONGEST_NAME {
            return wrong("crossings", String::from("a crossing has an ordinal from 1 and a class"));
        }
        if !seen.insert((found.line, found.track, found.ordinal)) {
            return wrong("crossings", String::from("two crossings have the same line, track and ordinal"));
        }
    }
    Ok(())
}

/// Checks that the lines still have the versions of the recount.
fn check_lines_unchanged(connection: &Connection, recount: &Recount) -> Result<(), CountsFault> {
    for &(id, version) in &recount.lines {
        let now: Option<(u64, bool)> = connection
            .query_row(
                "SELECT version, scene IS NULL OR scene = ?2 FROM lines WHERE id = ?1 AND NOT deleted",
                params![id as i64, recount.scene.as_str()],
                |row| Ok((unsigned(row, 0)?, row.get(1)?)),
            )
            .optional()?;
        match now {
            Some((now, true)) if now == version => {}
            Some((now, true)) => {
                return Err(EditError::Changed { what: "line", id, version: now }.into());
            }
            Some((_, false)) | None => return Err(EditError::Unknown { what: "line", id }.into()),
        }
    }
    Ok(())
}

/// The stored crossings that the recount replaces, by number.
fn load_crossings(
    connection: &Connection,
    calendar: &Calendar,
    recount: &Recount,
) -> Result<Vec<ExistingCrossings>, CountsRowError> {
    let (Some(&(from, _)), Some(&(_, to))) = (recount.spans.first(), recount.spans.last()) else {
        return Ok(Vec::new());
    };
    let (from, to) = (from as i64, to as i64);
    // The daily sums bound the numbers of all crossings on these days.
    let (first, last): (Option<i64>, Option<i64>) = connection.query_row(
        "SELECT min(first), max(last) FROM daily WHERE scene = ?1 AND start_us >= ?2 AND start_us <= ?3",
        params![recount.scene.as_str(), calendar.bucket(BucketSize::Day, from).0, to],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let (Some(first), Some(last)) = (first, last) else { return Ok(Vec::new()) };
    let mut query = connection.prepare(
        "SELECT id, line, class, direction, score, wall_us FROM crossings
         WHERE id >= ?1 AND id <= ?2 AND scene = ?3 AND wall_us >= ?4 AND wall_us <= ?5 ORDER BY id",
    )?;
    let mut rows = query.query(params![first, last, recount.scene.as_str(), from, to])?;
    let mut there = Vec::new();
    while let Some(row) = rows.next()? {
        let (line, wall_us): (u64, i64) = (unsigned(row, 1)?, row.get(5)?);
        let is_counted_on = recount.lines.iter().any(|&(id, _)| id == line);
        let at = recount.spans.partition_point(|&(_, to)| (to as i64) < wall_us);
        let is_in_span = recount.spans.get(at).is_some_and(|&(from, _)| from as i64 <= wall_us);
        if !is_counted_on || !is_in_span {
            continue;
        }
        let class: Arc<str> = row.get(2)?;
        let direction = direction_of(row.get_ref(3)?.as_str()?)?;
        let mark = new_mark(line, direction, &class, row.get(4)?, wall_us);
        let kind = RollupTable { scene: recount.scene, line, class, direction };
        there.push(ExistingCrossings { id: row.get(0)?, kind, wall_us, mark });
    }
    Ok(there)
}

/// Stores the recount. Returns its number and the number of its run.
fn insert_recount(tx: &CountsTransaction<'_>, recount: &Recount) -> Result<(i64, i64), CountsRowError> {
    let (connection, at) = (tx.connection, tx.moment);
    connection.execute(
        "INSERT INTO runs (boot, camera, ended) SELECT boot, ?2, 1 FROM runs WHERE id = ?1",
        params![at.run, recount.camera],
    )?;
    let run = connection.last_insert_rowid();
    connection.execute(
        "INSERT INTO recounts (run, scene, recording, model, lines, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            run,
            recount.scene.as_str(),
            recount.recording,
            recount.model,
            to_json(&recount.lines)?,
            at.mono_us,
            at.wall_us,
            at.is_sure
        ],
    )?;
    let id = connection.last_insert_rowid();
    // Times that may still move cover nothing, because the coverage would not move along.
    if has_final_times(tx, recount) {
        let mut row = connection
            .prepare("INSERT INTO recount_spans (recount, scene, from_us, to_us) VALUES (?1, ?2, ?3, ?4)")?;
        for &(from, to) in &recount.spans {
            row.execute(params![id, recount.scene.as_str(), from as i64, to as i64])?;
        }
    }
    Ok((id, run))
}

/// Whether earlier recounts cover the same times of the same lines.
fn is_already_covered(tx: &CountsTransaction<'_>, recount: &Recount) -> Result<bool, CountsRowError> {
    if !has_final_times(tx, recount) {
        return Ok(true);
    }
    let mut of_span = tx.connection.prepare(
        "SELECT DISTINCT recount FROM recount_spans WHERE to_us = ?3 AND from_us = ?2 AND scene = ?1 ORDER BY recount",
    )?;
    let mut lines_of = tx.connection.prepare("SELECT lines FROM recounts WHERE id = ?1")?;
    // Thousands of spans share a few recounts.
    let mut known: HashSet<Vec<i64>> = HashSet::new();
    for &(from, to) in &recount.spans {
        let asked = params![recount.scene.as_str(), from as i64, to as i64];
        let earlier = of_span.query_map(asked, |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        if known.contains(&earlier) {
            continue;
        }
        let mut on_record: BTreeSet<u64> = BTreeSet::new();
        for id in &earlier {
            let lines: String = lines_of.query_row([id], |row| row.get(0))?;
            on_record.extend(parse_line_ids(&lines)?);
        }
        if !recount.lines.iter().all(|(line, _)| on_record.contains(line)) {
            return Ok(false);
        }
        known.insert(earlier);
    }
    Ok(true)
}

/// Whether the recount's times stay when this boot's clock is set. Sure times stay, and so do those of an earlier
/// boot.
fn has_final_times(tx: &CountsTransaction<'_>, recount: &Recount) -> bool {
    let began_us = tx.moment.wall_us.saturating_sub(tx.moment.mono_us);
    recount.is_time_sure
        || tx.moment.is_sure
        || recount.spans.first().is_some_and(|&(from, _)| (from as i64) < began_us)
}

/// Keeps the totals of the recounted lines, below which they never fall.
fn keep_totals(connection: &Connection, recount: &Recount) -> Result<(), CountsRowError> {
    let mut keep = connection.prepare(
        "INSERT INTO least_totals (scene, line, direction, count)
         SELECT scene, line, direction, sum(count) FROM daily WHERE scene = ?1 AND line = ?2 GROUP BY direction
         ON CONFLICT DO UPDATE SET count = max(count, excluded.count)",
    )?;
    for &(line, _) in &recount.lines {
        keep.execute(params![recount.scene.as_str(), line as i64])?;
    }
    Ok(())
}

/// Moves a crossing to `superseded`.
fn mark_superseded(
    connection: &Connection,
    recount: i64,
    id: i64,
    revised: i64,
) -> Result<(), CountsRowError> {
    connection
        .prepare(
            "INSERT INTO superseded (id, recount, run, scene, line, track, ordinal, class, direction, score,
               mono_us, wall_us, sure, jpeg, revised, mark)
             SELECT id, ?2, run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure,
               (SELECT jpeg FROM thumbnails WHERE crossing = ?1), ?3, mark
             FROM crossings WHERE id = ?1",
        )?
        .execute([id, recount, revised])?;
    connection.prepare("DELETE FROM thumbnails WHERE crossing = ?1")?.execute([id])?;
    connection.prepare("DELETE FROM crossings WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Stores the crossings of the recount.
fn insert(
    tx: &CountsTransaction<'_>,
    run: i64,
    recount: &Recount,
    sums: &mut RollupChanges<'_>,
) -> Result<(), CountsRowError> {
    let offset_us = tx.moment.wall_us.saturating_sub(tx.moment.mono_us);
    let is_sure = has_final_times(tx, recount);
    let mut found: Vec<&FoundAgain> = recount.crossings.iter().collect();
    found.sort_by_key(|found| (found.time_us, found.line, found.track, found.ordinal));
    let mut row = tx.connection.prepare(
        "INSERT INTO crossings (run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for found in found {
        let wall_us = found.time_us as i64;
        row.execute(params![
            run,
            recount.scene.as_str(),
            found.line as i64,
            found.track as i64,
            found.ordinal,
            found.class,
            found.direction.as_str(),
            stored_score(found.score),
            wall_us.saturating_sub(offset_us),
            wall_us,
            is_sure
        ])?;
        let id = tx.connection.last_insert_rowid();
        let (class, direction) = (Arc::clone(&found.class), found.direction);
        sums.add(RollupTable { scene: recount.scene, line: found.line, class, direction }, wall_us, id, 1);
    }
    Ok(())
}
