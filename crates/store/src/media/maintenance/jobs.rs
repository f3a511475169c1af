//! Long work on the writer's connection, in small steps between other work. For operations on the whole file that
//! must not delay a recording.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::media::rows::StoredSums;
use crate::media::storage::Totals;
use tallycam_base::ClockTime;

/// The context of a step; no transaction is open.
pub(crate) struct JobDesk<'a> {
    pub connection: &'a Connection,
    /// The path of the store, for messages.
    pub file: &'a Path,
    pub now: ClockTime,
    /// The writer's sums in memory. A step that changes items must update them.
    pub totals: &'a mut Totals,
    /// Recordings under way with their sums.
    pub recordings: &'a mut BTreeMap<u64, StoredSums>,
    /// A step that changes the list of items must set this.
    pub is_changed: &'a mut bool,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Continue after this time.
    After(Duration),
    /// The job is done and has answered its caller.
    Done,
}

/// A long job. It is dropped unfinished when the store ends or is set aside.
pub(crate) trait Job: Send {
    /// One step of a few milliseconds. It must end the transaction that it opens.
    fn step(&mut self, tx: &mut JobDesk<'_>) -> Next;
}
