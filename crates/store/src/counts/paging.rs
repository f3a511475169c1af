//! Pages of crossings, by their numbers or by their places in the order of changes.
//!
//! A page walks the crossing numbers from the cursor on, within the bounds of the daily sums. Changes of stored
//! crossings have numbers from the same sequence, and a small index of their own.

use rusqlite::params_from_iter;
use rusqlite::types::Value;

use super::rows::{
    CountsRowError, SELECT_CROSSINGS, SELECT_GONE, SqlFilter, crossing, gone_crossing, number,
};
use super::{BucketSize, CountsReader, CrossingChange, CrossingsQuery, StoredCrossing};

/// Maximum number of crossings in a page.
const LARGEST_PAGE: usize = 10_000;

/// The conditions of a query on scene, line, class and direction.
fn kind(query: &CrossingsQuery) -> SqlFilter {
    let mut conditions = SqlFilter::of_scene("c.scene", query.scene);
    conditions.add_any_of("c.line", query.lines.iter().map(|&id| Value::Integer(number(id))));
    conditions.add_any_of("c.class", query.classes.iter().map(|class| Value::Text(class.clone())));
    if let Some(direction) = query.direction {
        conditions.add("c.direction = ?", direction.as_str().to_owned());
    }
    conditions
}

/// `conditions` with those of a query on time.
fn timed(mut conditions: SqlFilter, query: &CrossingsQuery) -> SqlFilter {
    if let Some(from_us) = query.from_us {
        conditions.add("c.wall_us >= ?", number(from_us));
    }
    if let Some(to_us) = query.to_us {
        conditions.add("c.wall_us < ?", number(to_us));
    }
    conditions
}

impl CountsReader {
    pub(super) fn read_changes(&self, query: &CrossingsQuery) -> Result<Vec<CrossingChange>, CountsRowError> {
        // One transaction, so that all queries see the same state.
        let _state = self.connection.unchecked_transaction()?;
        let (after, limit) = (number(query.after.unwrap_or(0)), query.limit.clamp(1, LARGEST_PAGE));
        // Crossings whose time was corrected have their new place only.
        let asked = CrossingsQuery { oldest_first: true, ..query.clone() };
        let new = self.read_page(&asked, "c.revised IS NULL")?.into_iter();
        let mut changes: Vec<CrossingChange> = new.map(CrossingChange::Stored).collect();
        let place = format!("AND c.revised > {after} ORDER BY c.revised LIMIT {limit}");
        let revised = timed(kind(query), query);
        let mut statement =
            self.connection.prepare(&format!("{SELECT_CROSSINGS} WHERE {} {place}", revised.text))?;
        for row in statement.query_map(params_from_iter(revised.values), crossing)? {
            changes.push(CrossingChange::Stored(row?));
        }
        let gone = kind(query);
        let mut statement = self.connection.prepare(&format!("{SELECT_GONE} WHERE {} {place}", gone.text))?;
        for row in statement.query_map(params_from_iter(gone.values), gone_crossing)? {
            changes.push(row?);
        }
        changes.sort_unstable_by_key(CrossingChange::seq);
        changes.truncate(limit);
        Ok(changes)
    }

    pub(super) fn count_changes(&self, after: u64) -> Result<u64, CountsRowError> {
        let text = "SELECT (SELECT count(*) FROM crossings WHERE id > ?1 AND revised IS NULL)
            + (SELECT count(*) FROM crossings WHERE revised > ?1)
            + (SELECT count(*) FROM superseded WHERE revised > ?1)";
        let count: i64 = self.connection.query_row(text, [number(after)], |row| row.get(0))?;
        Ok(count.max(0) as u64)
    }

    /// Crossings in and out. Whole hours have stored sums; only the ends of the time are read row by row.
    pub(super) fn read_sums(&self, query: &CrossingsQuery) -> Result<(u64, u64), CountsRowError> {
        // One transaction, so that all queries see the same state.
        let _state = self.connection.unchecked_transaction()?;
        let limited = |time_us| number(time_us).min(i64::MAX / 2);
        let (from, to) = (limited(query.from_us.unwrap_or(0)), limited(query.to_us.unwrap_or(u64::MAX)));
        let first = match self.calendar.bucket(BucketSize::Hour, from) {
            (start, _) if start == from => from,
            (_, next) => next.min(to),
        };
        let last = self.calendar.bucket(BucketSize::Hour, to).0.max(first);
        let within = |time: &str, from: i64, to: i64| {
            let mut conditions = kind(query);
            conditions.add(&format!("c.{time} >= ?"), from);
            conditions.add(&format!("c.{time} < ?"), to);
            conditions
        };
        let mut parts = Vec::new();
        for (columns, time, from, to) in self.tables(BucketSize::Total, first, last) {
            parts.push((columns, within(time, from, to)));
        }
        let mut excluded = within("wall_us", first, last);
        excluded.text.push_str(" AND c.mark = 2");
        parts.push(("wall_us, line, class, direction, -1 FROM crossings", excluded));
        for (from, to) in [(from, first), (last, to)] {
            let piece =
                CrossingsQuery { from_us: Some(from as u64), to_us: Some(to as u64), ..query.clone() };
            if from < to
                && let Some((low, high)) = self.bounds(&piece)?
            {
                let mut rows = within("wall_us", from, to);
                rows.text.push_str(" AND c.mark < 2");
                rows.add("c.id >= ?", low);
                rows.add("c.id <= ?", high);
                parts.push(("wall_us, line, class, direction, 1 FROM crossings", rows));
            }
        }
        let (mut count_in, mut all) = (0, 0);
        for (columns, conditions) in parts {
            let text = format!(
                "WITH found (time, line, class, direction, count) AS (SELECT {columns} c WHERE {})
                 SELECT ifnull(sum(iif(direction = 'in', count, 0)), 0), ifnull(sum(count), 0) FROM found",
                conditions.text
            );
            let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            let part = self.connection.query_row(&text, params_from_iter(conditions.values), read)?;
            (count_in, all) = (count_in + part.0, all + part.1);
        }
        Ok((count_in.max(0) as u64, (all - count_in).max(0) as u64))
    }

    pub(super) fn read_page(
        &self,
        query: &CrossingsQuery,
        which: &str,
    ) -> Result<Vec<StoredCrossing>, CountsRowError> {
        let mut conditions = timed(kind(query), query);
        let Some((first, last)) = self.bounds(query)? else {
            return Ok(Vec::new());
        };
        let (mut first, mut last) = (first, last);
        match query.after {
            Some(after) if query.oldest_first => first = first.max(number(after).saturating_add(1)),
            Some(after) => last = last.min(number(after).saturating_sub(1)),
            None => {}
        }
        conditions.add("c.id >= ?", first);
        conditions.add("c.id <= ?", last);
        let order = if query.oldest_first { "ASC" } else { "DESC" };
        let limit = query.limit.clamp(1, LARGEST_PAGE);
        let text = format!(
            "{SELECT_CROSSINGS} WHERE {which} AND {} ORDER BY c.id {order} LIMIT {limit}",
            conditions.text
        );
        let mut statement = self.connection.prepare(&text)?;
        statement.query_map(params_from_iter(conditions.values), crossing)?.collect()
    }

    /// The range of crossing numbers that can match the query; `None` without a match.
    pub(super) fn bounds(&self, query: &CrossingsQuery) -> Result<Option<(i64, i64)>, CountsRowError> {
        let mut conditions = SqlFilter::of_scene("scene", query.scene);
        if let Some(from_us) = query.from_us {
            conditions.add("start_us >= ?", self.calendar.bucket(BucketSize::Day, number(from_us)).0);
        }
        if let Some(to_us) = query.to_us {
            conditions.add("start_us < ?", number(to_us));
        }
        conditions.add_any_of("line", query.lines.iter().map(|&id| Value::Integer(number(id))));
        conditions.add_any_of("class", query.classes.iter().map(|class| Value::Text(class.clone())));
        let text = format!("SELECT min(first), max(last) FROM daily WHERE {}", conditions.text);
        self.connection.query_row(&text, params_from_iter(conditions.values), |row| {
            Ok(row.get::<_, Option<i64>>(0)?.zip(row.get::<_, Option<i64>>(1)?))
        })
    }
}
