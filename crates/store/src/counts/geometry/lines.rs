//! Lines in `counts.db`, never lost.
//!
//! Every change is a row of `line_changes` with its time, so that a chart can show where a line was moved. A row also
//! marks the start and end of a time in which the detector looks for none of a line's classes. The count is then
//! unknown, not 0. A deleted line keeps its row and its number, because its counts stay. The writer calls this within
//! its transaction.

use rusqlite::{Connection, OptionalExtension, params};

use super::line_status::LineHistory;
use super::shapes::{self, ShapeChange, ShapeColumns, ShapeRow, Turn};
use super::validation::{self, MOST_LINES};
use crate::counts::rows::{
    CountsRowError, from_json, parse_anchor, parse_recrossing, parse_scene, to_json, unsigned,
};
use crate::counts::types::GIVEN_LINE;
use crate::counts::writer::transaction::{CountsFault, CountsTransaction, Moment};
use crate::counts::{EditError, LineDraft, LineRow, LineStatus, Scene};
use tallycam_camera::media::Geometry;

impl LineRow {
    /// The line's place in the camera's own pictures; `shown` turns them into the shown ones.
    pub fn in_originals(self, shown: &Geometry) -> LineRow {
        let turn = |point| shown.to_source(point);
        LineRow { draft: LineRow::turned(&self.draft, &turn, shown.orientation.mirrored), ..self }
    }
}

impl ShapeRow for LineRow {
    type Draft = LineDraft;
    const WHAT: &'static str = "line";
    const MOST: usize = MOST_LINES;

    fn load_all(connection: &Connection) -> Result<Vec<LineRow>, CountsRowError> {
        load_all(connection)
    }

    fn columns(&self) -> ShapeColumns<'_, LineDraft> {
        ShapeColumns {
            id: self.id,
            version: self.version,
            scene: self.scene,
            draft: &self.draft,
            pinned: self.pinned.as_deref(),
            is_deleted: self.deleted_us.is_some(),
        }
    }

    fn name(draft: &LineDraft) -> &str {
        &draft.name
    }

    fn validate(draft: LineDraft) -> Result<LineDraft, EditError> {
        validation::line(draft)
    }

    /// A mirrored picture swaps the ends, so that in stays in.
    fn turned(draft: &LineDraft, turn: Turn<'_>, is_mirrored: bool) -> LineDraft {
        let (a, b) = (turn(draft.a), turn(draft.b));
        let (a, b) = if is_mirrored { (b, a) } else { (a, b) };
        LineDraft { a, b, ..draft.clone() }
    }

    fn insert(
        tx: &CountsTransaction<'_>,
        scene: Option<Scene>,
        draft: &LineDraft,
        pinned: Option<&str>,
    ) -> Result<u64, CountsFault> {
        tx.connection.execute(
            "INSERT INTO lines (version, scene, name, ax, ay, bx, by, in_name, out_name, classes, anchor, recrossing, \
             pinned)
             VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
                scene.map(Scene::as_str),
                draft.name,
                draft.a[0],
                draft.a[1],
                draft.b[0],
                draft.b[1],
                draft.in_name,
                draft.out_name,
                to_json(&draft.classes)?,
                draft.anchor.as_str(),
                draft.recrossing.as_str(),
                pinned,
            ],
        )?;
        let id = tx.connection.last_insert_rowid() as u64;
        record_change(tx, id, "made", draft)?;
        Ok(id)
    }

    fn update(
        &self,
        tx: &CountsTransaction<'_>,
        draft: &LineDraft,
        pinned: Option<&str>,
        why: ShapeChange,
    ) -> Result<(), CountsFault> {
        tx.connection.execute(
            "UPDATE lines SET version = version + 1, name = ?2, ax = ?3, ay = ?4, bx = ?5, by = ?6, in_name = ?7,
               out_name = ?8, classes = ?9, anchor = ?10, recrossing = ?11, pinned = ?12 WHERE id = ?1",
            params![
                self.id as i64,
                draft.name,
                draft.a[0],
                draft.a[1],
                draft.b[0],
                draft.b[1],
                draft.in_name,
                draft.out_name,
                to_json(&draft.classes)?,
                draft.anchor.as_str(),
                draft.recrossing.as_str(),
                pinned,
            ],
        )?;
        if why == ShapeChange::Edited && (draft.a, draft.b) != (self.draft.a, self.draft.b) {
            forget_distances(tx, self.id)?;
        }
        let place = |draft: &LineDraft| (draft.a, draft.b, draft.anchor);
        let what = match why {
            _ if *draft == self.draft => return Ok(()),
            ShapeChange::Turned => "turned",
            ShapeChange::Edited if place(draft) == place(&self.draft) => "changed",
            ShapeChange::Edited => "moved",
        };
        record_change(tx, self.id, what, draft)
    }

    fn mark_deleted(&self, tx: &CountsTransaction<'_>) -> Result<(), CountsFault> {
        let text = "UPDATE lines SET deleted = 1, version = version + 1 WHERE id = ?1";
        tx.connection.execute(text, [self.id as i64])?;
        forget_distances(tx, self.id)?;
        record_change(tx, self.id, "deleted", &self.draft)
    }

    fn revive(&self, tx: &CountsTransaction<'_>, draft: &LineDraft) -> Result<(), CountsFault> {
        tx.connection.execute("UPDATE lines SET deleted = 0 WHERE id = ?1", [self.id as i64])?;
        record_change(tx, self.id, "revived", draft)
    }
}

/// Forgets the distances to a line that lies elsewhere now, or nowhere.
fn forget_distances(tx: &CountsTransaction<'_>, id: u64) -> Result<(), CountsFault> {
    tx.connection.execute("DELETE FROM distances WHERE line = ?1 OR other = ?1", [id as i64])?;
    Ok(())
}

/// All lines, pinned ones first, then by number.
pub fn load_all(connection: &Connection) -> Result<Vec<LineRow>, CountsRowError> {
    let mut query = connection.prepare(
        "SELECT id, version, scene, name, ax, ay, bx, by, in_name, out_name, classes, anchor, recrossing, pinned,
           (SELECT min(wall_us) FROM line_changes WHERE line = lines.id AND what = 'made'),
           (SELECT max(wall_us) FROM line_changes WHERE line = lines.id AND what = 'moved'),
           iif(deleted, (SELECT max(wall_us) FROM line_changes WHERE line = lines.id AND what = 'deleted'), NULL)
         FROM lines ORDER BY scene IS NOT NULL, id",
    )?;
    let mut rows = query.query([])?;
    let mut lines = Vec::new();
    while let Some(row) = rows.next()? {
        let scene: Option<String> = row.get(2)?;
        let moment =
            |column| Ok::<_, CountsRowError>(row.get::<_, Option<i64>>(column)?.map(|us| us.max(0) as u64));
        lines.push(LineRow {
            id: unsigned(row, 0)?,
            version: unsigned(row, 1)?,
            scene: scene.map(|word| parse_scene(&word)).transpose()?,
            draft: LineDraft {
                name: row.get(3)?,
                a: [row.get(4)?, row.get(5)?],
                b: [row.get(6)?, row.get(7)?],
                in_name: row.get(8)?,
                out_name: row.get(9)?,
                classes: from_json(row.get_ref(10)?.as_str()?)?,
                anchor: parse_anchor(row.get_ref(11)?.as_str()?)?,
                recrossing: parse_recrossing(row.get_ref(12)?.as_str()?)?,
            },
            pinned: row.get(13)?,
            created_us: moment(14)?.unwrap_or(0),
            moved_us: moment(15)?,
            deleted_us: moment(16)?,
        });
    }
    Ok(lines)
}

/// Moves of lines between two wall times: line number and time, oldest first.
pub(crate) fn list_moves(
    connection: &Connection,
    from_us: i64,
    to_us: i64,
) -> Result<Vec<(u64, u64)>, CountsRowError> {
    let mut query = connection.prepare(
        "SELECT line, wall_us FROM line_changes WHERE what = 'moved' AND wall_us >= ?1 AND wall_us < ?2
         ORDER BY wall_us, id",
    )?;
    query.query_map([from_us, to_us], |row| Ok((unsigned(row, 0)?, unsigned(row, 1)?)))?.collect()
}

/// Creates the simulation's first line, once in the life of `counts.db`, and only if no line was ever drawn there and
/// the operator's file has none.
pub(crate) fn create_sim_line(tx: &CountsTransaction<'_>) -> Result<bool, CountsFault> {
    const KEY: &str = "sim_line_made";
    let made: Option<i64> = tx
        .connection
        .query_row("SELECT 1 FROM settings WHERE key = ?1", [KEY], |row| row.get(0))
        .optional()?;
    if made.is_some() {
        return Ok(false);
    }
    tx.connection.execute("INSERT INTO settings (key, value) VALUES (?1, '1')", [KEY])?;
    let counts_there = |line: &LineRow| match line.scene {
        Some(scene) => scene == Scene::Sim,
        None => line.deleted_us.is_none(),
    };
    let is_drawn = load_all(tx.connection)?.iter().any(counts_there);
    let draft = LineDraft::new(GIVEN_LINE, [0.5, 1.0], [0.5, 0.0]);
    if is_drawn {
        return Ok(false);
    }
    match shapes::add::<LineRow>(tx, Scene::Sim, draft) {
        Ok(_) => Ok(true),
        // The operator's file has a line of this name.
        Err(CountsFault::Edit(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Stores which of these lines the current detector can count on since `since`, and which it cannot. Unchanged
/// verdicts are not repeated. A negative verdict on a new or changed line holds since that change, because the
/// detector thread learns of it later.
pub(crate) fn record_verdicts(
    tx: &CountsTransaction<'_>,
    judging: &mut LineHistory,
    judged: &[LineStatus],
    since: Moment,
) -> Result<(), CountsRowError> {
    let connection = tx.connection;
    let mut newest = connection.prepare(
        "SELECT what FROM line_changes WHERE line = ?1 AND what IN ('able', 'unable') ORDER BY id DESC LIMIT 1",
    )?;
    for &LineStatus { line, version, is_able } in judged {
        let changed_us = judging.record_verdict(line, version).map(|us| us.min(since.mono_us));
        let was: Option<String> = newest.query_row([line as i64], |row| row.get(0)).optional()?;
        if is_able == was.is_none_or(|word| word == "able") {
            continue;
        }
        connection.execute(
            "INSERT INTO line_changes (line, what, ax, ay, bx, by, anchor, run, mono_us, wall_us, sure)
             SELECT l.id, ?2, l.ax, l.ay, l.bx, l.by, l.anchor, ?3, ifnull(c.mono_us, ?4), ifnull(c.wall_us, ?5),
               ifnull(c.sure, ?6)
             FROM lines l LEFT JOIN line_changes c ON c.id = (SELECT min(id) FROM line_changes
               WHERE line = l.id AND what NOT IN ('able', 'unable') AND run = ?3 AND mono_us = ?7)
             WHERE l.id = ?1",
            params![
                line as i64,
                if is_able { "able" } else { "unable" },
                since.run,
                since.mono_us,
                since.wall_us,
                since.is_sure,
                // A negative verdict starts at the change, a positive one now.
                changed_us.filter(|_| !is_able),
            ],
        )?;
    }
    Ok(())
}

/// Stores a change of a line and its new position.
fn record_change(
    tx: &CountsTransaction<'_>,
    line: u64,
    what: &str,
    draft: &LineDraft,
) -> Result<(), CountsFault> {
    let at = tx.moment;
    tx.connection.execute(
        "INSERT INTO line_changes (line, what, ax, ay, bx, by, anchor, run, mono_us, wall_us, sure)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            line as i64,
            what,
            draft.a[0],
            draft.a[1],
            draft.b[0],
            draft.b[1],
            draft.anchor.as_str(),
            at.run,
            at.mono_us,
            at.wall_us,
            at.is_sure,
        ],
    )?;
    Ok(())
}
