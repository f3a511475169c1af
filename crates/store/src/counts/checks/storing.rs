//! Reads and writes checks.

use std::collections::HashSet;

use rusqlite::{OptionalExtension, Row, params};

use super::{
    CheckAdvice, CheckDraft, CheckRow, CheckTaps, LATEST_US, LineCheck, MOST_CHECKS, MOST_EVENTS, NewCheck,
    SELECT, merged, watched,
};
use crate::counts::reader::CountsReader;
use crate::counts::rows::{CountsRowError, direction_of, number, to_json, unsigned};
use crate::counts::writer::transaction::{CountsFault, CountsTransaction};
use crate::counts::{BucketSize, Counts, CrossingsQuery, EditError, Scene, StoreError};

impl CountsReader {
    /// A check of what was tapped: what counts.db says of its time.
    ///
    /// # Errors
    /// There is no such line, it was moved since, or nothing of that time was counted.
    pub fn new_check(&self, draft: CheckDraft) -> Result<Result<NewCheck, EditError>, StoreError> {
        let mut draft = draft;
        let CheckDraft { line: id, from_us, to_us, .. } = draft;
        let Some(line) = self.lines()?.into_iter().find(|line| line.id == id && line.deleted_us.is_none())
        else {
            return Ok(Err(EditError::Unknown { what: "line", id }));
        };
        if let Err(wrong) = draft.validate() {
            return Ok(Err(wrong));
        }
        // A line of the operator's file counts in every scene.
        let scene = line.scene.unwrap_or(draft.scene);
        draft.scene = scene;
        let gaps = self.gaps_of_lines(scene, &[id], from_us, to_us)?;
        let gaps = gaps.into_iter().map(|gap| (gap.from_us, gap.to_us));
        let left_out = merged(gaps.chain(draft.pauses.clone()).collect(), from_us, to_us);
        if watched(from_us, to_us, &left_out) < 1_000_000 {
            let words = "nothing was counted and watched in that time";
            return Ok(Err(EditError::out_of_range("from", "a time in which the line counted", words)));
        }
        self.map_error((|| {
            let (start_us, end_us) = (from_us.saturating_sub(LATEST_US), to_us + LATEST_US);
            let asked = CrossingsQuery {
                from_us: Some(start_us),
                to_us: Some(end_us),
                lines: vec![id],
                ..CrossingsQuery::newest(scene, 1)
            };
            let (first, last) = self.bounds(&asked)?.unwrap_or_default();
            let text = "SELECT id, wall_us, direction, class FROM crossings WHERE id BETWEEN ?1 AND ?2
                AND scene = ?3 AND line = ?4 AND wall_us >= ?5 AND wall_us < ?6 ORDER BY wall_us LIMIT ?7";
            let mut query = self.connection.prepare(text)?;
            let (start, end, most) = (number(start_us), number(end_us), MOST_EVENTS as i64 + 1);
            let mut is_people = true;
            let crossings = query.query_map(
                params![first, last, scene.as_str(), number(id), start, end, most],
                |row| {
                    is_people &= row.get_ref(3)?.as_str()? == "person";
                    Ok((unsigned(row, 0)?, unsigned(row, 1)?, direction_of(row.get_ref(2)?.as_str()?)?))
                },
            )?;
            let crossings = crossings.collect::<Result<Vec<_>, CountsRowError>>()?;
            if crossings.len() > MOST_EVENTS {
                let words = format!("more than {MOST_EVENTS} crossings were counted in that time");
                return Ok(Err(EditError::out_of_range("to", "a shorter time", words)));
            }
            draft.setup.objects =
                String::from(if is_people && !crossings.is_empty() { "people" } else { "crossings" });
            let recount = self.recount_of(scene, id, from_us, to_us)?;
            let is_moved = |us| us > from_us && recount.as_ref().is_none_or(|(_, made_us)| *made_us < us);
            let text = "SELECT max(wall_us) FROM line_changes WHERE line = ?1 AND what = 'turned' AND ?2";
            let turned: Option<i64> =
                self.connection.query_row(text, params![number(id), draft.is_as_shown], |row| row.get(0))?;
            if line.moved_us.max(turned.map(|us| us.max(0) as u64)).is_some_and(is_moved) {
                let words = format!("the line {:?} was moved after that time began", line.draft.name);
                return Ok(Err(EditError::out_of_range("from", "after the last move of the line", words)));
            }
            if let Some((model, _)) = recount {
                draft.setup.model = model;
            }
            let (version, drawn) = (line.version, line.draft);
            Ok(Ok(NewCheck { draft, version, drawn, left_out, crossings }))
        })())
    }

    /// At most `limit` checks before the number `before`, of one line or of all, newest first and without their single
    /// crossings.
    pub fn checks(
        &self,
        line: Option<u64>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Vec<LineCheck>, StoreError> {
        self.map_error((|| {
            let text =
                format!("{SELECT} WHERE id < ?1 AND (?2 IS NULL OR line = ?2) ORDER BY id DESC LIMIT ?3");
            let mut query = self.connection.prepare(&text)?;
            let given =
                params![before.map_or(i64::MAX, number), line.map(number), limit.min(MOST_EVENTS) as i64];
            let rows = query.query_map(given, |row| self.check_of(row))?;
            rows.map(|row| Ok(LineCheck { crossings: Vec::new(), ..row? })).collect()
        })())
    }

    /// The newest check of each line.
    pub fn newest_checks(&self) -> Result<Vec<LineCheck>, StoreError> {
        self.map_error((|| {
            let text =
                format!("{SELECT} WHERE id IN (SELECT max(id) FROM checks GROUP BY line) ORDER BY line");
            let mut query = self.connection.prepare(&text)?;
            query.query_map([], |row| self.check_of(row))?.collect()
        })())
    }

    /// The check with this number.
    pub fn checked(&self, id: u64) -> Result<Option<LineCheck>, StoreError> {
        let text = format!("{SELECT} WHERE id = ?1");
        self.map_error(self.connection.query_row(&text, [number(id)], |row| self.check_of(row)).optional())
    }

    /// Those of these crossings that have a picture.
    pub fn with_thumbnail(&self, ids: &[u64]) -> Result<HashSet<u64>, StoreError> {
        self.map_error((|| {
            let text = "SELECT crossing FROM thumbnails WHERE crossing IN (SELECT value FROM json_each(?1))";
            let mut query = self.connection.prepare(text)?;
            query.query_map([to_json(&ids)?], |row| unsigned(row, 0))?.collect()
        })())
    }

    /// The taps of the check with this number.
    pub fn check_taps(&self, id: u64) -> Result<Option<CheckTaps>, StoreError> {
        let taps = |row: &Row<'_>| {
            let CheckRow { from_us, to_us, taps, left_out, setup, .. } = CheckRow::read(row)?;
            Ok::<_, CountsRowError>(CheckTaps { span: (from_us, to_us), taps, left_out, light: setup.light })
        };
        let text = format!("{SELECT} WHERE id = ?1");
        self.map_error(self.connection.query_row_and_then(&text, [number(id)], taps).optional())
    }

    /// Crossings of a line since the day of `from_us` began, and those of them that are marked as wrong.
    pub fn marked(&self, line: u64, from_us: u64) -> Result<(u64, u64), StoreError> {
        let text = "SELECT (SELECT ifnull(sum(count), 0) FROM daily WHERE line = ?1 AND start_us >= ?2),
            (SELECT count(*) FROM crossings WHERE line = ?1 AND wall_us >= ?2 AND mark > 0)";
        let from_us = self.calendar.bucket(BucketSize::Day, number(from_us)).0;
        let read = self.connection.query_row(text, params![number(line), from_us], |row| {
            Ok((unsigned(row, 0)?, unsigned(row, 1)?))
        });
        self.map_error(read)
    }

    /// The model of the newest recount of a line that covers that time, but for a second at its ends, and when it was
    /// made.
    fn recount_of(
        &self,
        scene: Scene,
        line: u64,
        from_us: u64,
        to_us: u64,
    ) -> Result<Option<(String, u64)>, CountsRowError> {
        let text = "SELECT r.model, r.wall_us FROM recounts r JOIN recount_spans s ON s.recount = r.id
            WHERE s.scene = ?1 AND s.from_us <= ?2 AND s.to_us >= ?3
              AND EXISTS (SELECT 1 FROM json_each(r.lines) WHERE json_extract(value, '$[0]') = ?4)
            ORDER BY r.id DESC LIMIT 1";
        let (from, to) = (number(from_us + 1_000_000), number(to_us.saturating_sub(1_000_000)));
        let given = params![scene.as_str(), from, to, number(line)];
        self.connection.query_row(text, given, |row| Ok((row.get(0)?, unsigned(row, 1)?))).optional()
    }

    fn check_of(&self, row: &Row<'_>) -> Result<LineCheck, CountsRowError> {
        let row = CheckRow::read(row)?;
        // A recount keeps the marks of the crossings that it took back.
        let text = "SELECT c.id FROM json_each(?1) one JOIN crossings c ON c.id = one.value WHERE c.mark > 0
            UNION SELECT s.id FROM json_each(?1) one JOIN superseded s ON s.id = one.value WHERE s.mark > 0";
        let mut query = self.connection.prepare(text)?;
        let ids = to_json(&row.crossings.iter().map(|(id, ..)| *id).collect::<Vec<_>>())?;
        let wrong = query.query_map([ids], |row| unsigned(row, 0))?;
        Ok(row.judged(&wrong.collect::<Result<_, _>>()?))
    }
}

impl Counts {
    /// Stores a check; returns its number.
    ///
    /// # Errors
    /// The write failed.
    pub async fn add_check(&self, check: NewCheck) -> Result<u64, EditError> {
        self.edit(move |tx| insert(tx, &check)).await
    }

    /// Keeps the advice from a trial of the check with this number.
    ///
    /// # Errors
    /// The write failed.
    pub async fn set_advice(&self, id: u64, advice: CheckAdvice) -> Result<(), EditError> {
        let update = move |tx: &CountsTransaction<'_>| {
            let text = to_json(&advice)?;
            tx.connection
                .execute("UPDATE checks SET advice = ?2 WHERE id = ?1", params![number(id), text])?;
            Ok(())
        };
        self.edit(update).await
    }

    /// Deletes a check.
    ///
    /// # Errors
    /// There is none with this number.
    pub async fn delete_check(&self, id: u64) -> Result<(), EditError> {
        let delete = move |tx: &CountsTransaction<'_>| match tx
            .connection
            .execute("DELETE FROM checks WHERE id = ?1", [number(id)])?
        {
            0 => Err(EditError::Unknown { what: "check", id }.into()),
            _ => Ok(()),
        };
        self.edit(delete).await
    }
}

fn insert(tx: &CountsTransaction<'_>, check: &NewCheck) -> Result<u64, CountsFault> {
    let NewCheck { draft, version, drawn, left_out, crossings } = check;
    tx.connection.execute(
        "INSERT INTO checks (line, version, drawn, scene, from_us, to_us, made_us, recording, setup, left_out, taps,
           crossings)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            number(draft.line),
            number(*version),
            to_json(drawn)?,
            draft.scene.as_str(),
            number(draft.from_us),
            number(draft.to_us),
            tx.moment.wall_us,
            draft.recording.map(number),
            to_json(&draft.setup)?,
            to_json(left_out)?,
            to_json(&draft.taps)?,
            to_json(crossings)?,
        ],
    )?;
    let id = tx.connection.last_insert_rowid() as u64;
    tx.connection.execute("DELETE FROM checks WHERE id <= ?1", [number(id.saturating_sub(MOST_CHECKS))])?;
    Ok(id)
}
