//! Since when the detector's verdict on a line has been valid.
//!
//! The counting thread sees a change of a line only later, up to a detection's time on a slow machine. Then it says
//! whether it can count on that version of the line. The verdict is valid since the first change that the thread had
//! not seen before. Plain data of the writer; each run starts with none.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::counts::rows::{CountsRowError, unsigned};

/// Maximum number of remembered changes of a line without a verdict.
const MOST_CHANGES: usize = 64;

/// The versions of the lines.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineHistory(BTreeMap<u64, Line>);

#[derive(Debug, Clone, Default)]
struct Line {
    /// The stored version.
    version: u64,
    /// The newest version with a verdict in this run; 0 for none.
    judged: u64,
    /// Versions without a verdict, and their start in microseconds of `CLOCK_MONOTONIC`; oldest first.
    changes: Vec<(u64, i64)>,
}

impl LineHistory {
    /// The lines at the start of a run.
    pub fn load(connection: &Connection) -> Result<LineHistory, CountsRowError> {
        let mut judging = LineHistory::default();
        judging.changed(connection, 0)?;
        judging.0.values_mut().for_each(|line| line.changes.clear());
        Ok(judging)
    }

    /// Reads the lines' versions; changed ones start at this time.
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
            // A verdict on the later version then holds from the earlier one on: rather a gap than a wrong 0.
            Some(last) => last.0 = version,
            None => line.changes.push((version, mono_us)),
        }
    }

    /// Records a verdict on this version of a line. Returns the time since which it holds, if the version is newer
    /// than the last verdict.
    pub(crate) fn record_verdict(&mut self, line: u64, version: u64) -> Option<i64> {
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
    fn a_verdict_holds_since_the_first_change_without_one() {
        let mut judging = LineHistory::default();
        judging.has_version(7, 1, 100);
        judging.has_version(7, 1, 105);
        judging.has_version(7, 2, 110);
        judging.has_version(7, 3, 120);
        assert_eq!(judging.record_verdict(7, 2), Some(100));
        assert_eq!(judging.record_verdict(7, 2), None, "nothing new");
        assert_eq!(judging.record_verdict(7, 1), None, "an old verdict");
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
