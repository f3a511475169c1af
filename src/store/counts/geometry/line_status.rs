//! Since when a line has been what a detector finds it to be.
//!
//! The thread that counts hears of a line's change some time after it, up to a whole look on a slow machine, and says
//! then whether it can count anything on the line as it is. What it says holds since the line became so: the first
//! change of those that it had not heard of. Plain data of the writer; it begins again with each run.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::store::counts::rows::{CountsRowError, unsigned};

/// Changes of one line that are kept apart while nothing is said of it.
const MOST_CHANGES: usize = 64;

/// What is known of the lines' versions.
#[derive(Debug, Clone, Default)]
pub struct LineHistory(BTreeMap<u64, Line>);

#[derive(Debug, Clone, Default)]
struct Line {
    /// The version on record.
    version: u64,
    /// The newest version that something was said of in this run; 0 for none.
    judged: u64,
    /// Versions that nothing was said of, and since when they are there, in microseconds of `CLOCK_MONOTONIC`; oldest
    /// first.
    changes: Vec<(u64, i64)>,
}

impl LineHistory {
    /// The lines as a run finds them.
    pub fn load(connection: &Connection) -> Result<LineHistory, CountsRowError> {
        let mut judging = LineHistory::default();
        judging.changed(connection, 0)?;
        judging.0.values_mut().for_each(|line| line.changes.clear());
        Ok(judging)
    }

    /// Lines may have been drawn or changed at this moment.
    pub fn changed(&mut self, connection: &Connection, mono_us: i64) -> Result<(), CountsRowError> {
        let mut query = connection.prepare("SELECT id, version FROM lines")?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            self.has_version(unsigned(row, 0)?, unsigned(row, 1)?, mono_us);
        }
        Ok(())
    }

    fn has_version(&mut self, line: u64, version: u64, mono_us: i64) {
        let line = self.0.entry(line).or_default();
        if version <= line.version {
            return;
        }
        line.version = version;
        let is_full = line.changes.len() >= MOST_CHANGES;
        match line.changes.last_mut().filter(|_| is_full) {
            // What is said of the later of the two is then taken to be so since the earlier: rather a gap than a 0.
            Some(last) => last.0 = version,
            None => line.changes.push((version, mono_us)),
        }
    }

    /// Something is said of this version of a line: when it became so, if that was after the last word of it.
    pub fn record_verdict(&mut self, line: u64, version: u64) -> Option<i64> {
        let line = self.0.entry(line).or_default();
        line.judged = line.judged.max(version);
        let heard = line.changes.partition_point(|&(changed, _)| changed <= line.judged);
        line.changes.drain(..heard).next().map(|(_, mono_us)| mono_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_since_the_first_change_that_was_not_heard_of() {
        let mut judging = LineHistory::default();
        judging.has_version(7, 1, 100);
        judging.has_version(7, 1, 105);
        judging.has_version(7, 2, 110);
        judging.has_version(7, 3, 120);
        assert_eq!(judging.record_verdict(7, 2), Some(100));
        assert_eq!(judging.record_verdict(7, 2), None, "nothing new");
        assert_eq!(judging.record_verdict(7, 1), None, "an old word");
        assert_eq!(judging.record_verdict(7, 3), Some(120));
        assert_eq!(judging.record_verdict(8, 1), None, "of an earlier run");
    }

    #[test]
    fn a_line_that_is_dragged_for_ever_takes_no_memory() {
        let mut judging = LineHistory::default();
        for version in 1..10_000 {
            judging.has_version(7, version, version as i64);
        }
        assert_eq!(judging.0[&7].changes.len(), MOST_CHANGES);
        assert_eq!(judging.record_verdict(7, 1), Some(1));
        assert_eq!(judging.record_verdict(7, 9_999), Some(2));
        assert!(judging.0[&7].changes.is_empty());
    }
}
