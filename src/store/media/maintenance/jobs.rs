//! Long work on the writer's own connection, in small steps between other work: what reads or moves the whole file and
//! must not hold a recording up.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use crate::base::ClockTime;
use crate::store::media::rows::StoredSums;
use crate::store::media::storage::Totals;

/// What a step works with; no transaction is open.
pub struct JobDesk<'a> {
    /// The writer's connection.
    pub connection: &'a Connection,
    /// The store's file, for words about it.
    pub file: &'a Path,
    /// The present moment.
    pub now: ClockTime,
    /// The sums that the writer keeps in mind, to be set right by what changes items.
    pub totals: &'a mut Totals,
    /// Recordings under way, and what they have come to.
    pub recordings: &'a mut BTreeMap<u64, StoredSums>,
    /// To be set when the list of items has been changed.
    pub is_changed: &'a mut bool,
}

/// What comes after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another one, when this time has passed.
    After(Duration),
    /// None: whoever waits has been told.
    Done,
}

/// Long work. It is dropped unfinished when the store ends or is set aside.
pub trait Job: Send {
    /// One step of a few milliseconds. A transaction that it opens it ends.
    fn step(&mut self, tx: &mut JobDesk<'_>) -> Next;
}
