//! `counts.db`: every crossing a row, and everything else that must not be lost.
//!
//! ```text
//! [detect] ─ record ─►┐ 1024 commands                     ┌─► committed crossings (SSE)
//! API ──── edits ────►┴─► [counts], the one writer ─► SQLite ├─► lines, zones (detect thread, pages)
//!                                      readers ◄───────────┘─► today's tallies, totals
//! ```
//!
//! What holds:
//! - What is announced is on record: events leave after the commit, and a commit stays through `kill -9`
//!   and through a power cut. There are at most ten commits a second, so a power cut loses what the last
//!   tenth of a second brought (more only while the disk takes nothing, which [`Counts::error`] tells).
//! - A crossing is (run, line, track, ordinal): told twice, it counts once. Its number grows and is never
//!   given again.
//! - Sums by hour and day equal the crossings, in every committed state of the file. They are made for one
//!   local calendar, which the file knows, and again when that is another one.
//! - Time: a row has the run, the monotonic time and the wall time, which is monotonic time plus the offset
//!   of this boot of the machine. The writer looks at the clock every second. While it is not known to be
//!   right, rows are *not sure*, and setting the clock moves them (crossings, spans, resets, changes of
//!   lines) and the sums they are in; once it is synchronised they are sure and never move (`clock_correction`).
//! - Times in which nothing was counted are on record with their reason: no span, no claim. A span is at
//!   most 30 s behind, so what a power cut leaves is a gap `off` from the last known moment to the next
//!   start (`coverage`).
//! - Nothing that was counted is ever deleted: not by deleting a line, not by a reset; what a recount takes the place
//!   of
//!   is kept beside (`recounts`).
//! - How many were in a zone is on record in rows of five minutes (`occupancy`); what was seen while the disk took
//!   nothing is
//!   not.
//! - Who signed in, was refused or changed something is on a list of bounded length (`audit`). It gives way: a row that
//!   finds no place is dropped and counted, and holds up nobody.
//! - A file that is damaged, foreign or written by a newer tallycam is refused and left as it is.

mod audit;
mod check;
mod coverage;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod geometry;
mod handle;
mod occupancy;
mod reader;
mod recounts;
mod rows;
pub(in crate::store) mod schema;
mod shared;
mod sums;
#[cfg(test)]
mod tests;
mod types;
mod writer;

use std::path::PathBuf;

use super::{clock_correction, inbox, sqlite};

pub use audit::{AuditEntry, AuditKind, AuditRow};
pub use handle::Counts;
pub use reader::{CountsReader, MOST_BUCKETS};
pub use recounts::{FoundAgain, MOST_RECOUNTED, Recount, RecountResult};
pub use shared::Unpinned;
pub use sums::opening::{OpeningHours, is_open};
pub use types::*;

/// How counts.db is kept.
#[derive(Debug, Clone)]
pub struct CountsOptions {
    /// The directory in which `counts.db` lies; made if it is not there.
    pub directory: PathBuf,
    /// The camera's name.
    pub camera: String,
    /// The time zone that days and hours are told in.
    pub zone: jiff::tz::TimeZone,
    /// The hour, 0–23, at which a day begins.
    pub day_starts: u8,
}

/// counts.db could not be opened, read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// The writer has not kept up, or has ended.
    #[error("the writer of counts.db does not answer")]
    Busy,
    /// More was asked for than is read at once.
    #[error(
        "there are more than {MOST_BUCKETS} buckets between these times; ask for longer ones, or for less time"
    )]
    TooManyBuckets,
}

impl StoreError {
    /// What the user can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            StoreError::File { hint, .. } => hint.as_deref(),
            StoreError::Busy | StoreError::TooManyBuckets => None,
        }
    }
}

/// A line or zone could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// There is none of this number.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `line`, `zone` or `reset`.
        what: &'static str,
        /// The number.
        id: u64,
    },
    /// Somebody else has changed it meanwhile.
    #[error("{what} {id} has been changed meanwhile")]
    Changed {
        /// `line` or `zone`.
        what: &'static str,
        /// The number.
        id: u64,
        /// The version it has now.
        version: u64,
    },
    /// The operator's file sets it.
    #[error("{name:?} is set in {origin} and can be changed only there")]
    Pinned {
        /// Its name.
        name: String,
        /// File and line.
        origin: String,
    },
    /// Another one has this name.
    #[error("there is a {what} called {name:?} already; give each a name of its own")]
    SameName {
        /// `line` or `zone`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// What was drawn has the name that the operator's file gives to another one.
    #[error(
        "the {what} {name:?} of {origin} is left out, for one that was drawn is called so; rename or delete that one"
    )]
    Drawn {
        /// `line` or `zone`.
        what: &'static str,
        /// The name.
        name: String,
        /// File and line.
        origin: String,
    },
    /// The draft is none: equal ends, outside the picture, no name, too many.
    #[error("{words}")]
    Wrong {
        /// Which of its values; empty: none of them alone.
        field: &'static str,
        /// What is expected there; empty where that is not one of its values.
        range: String,
        /// What is wrong with it.
        words: String,
    },
    /// counts.db itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EditError {
    /// That `field` is not in `range`, in `words`.
    pub fn out_of_range(
        field: &'static str,
        range: impl Into<String>,
        words: impl Into<String>,
    ) -> EditError {
        EditError::Wrong { field, range: range.into(), words: words.into() }
    }

    /// That the whole is not what it may be.
    pub fn invalid_whole(words: impl Into<String>) -> EditError {
        EditError::out_of_range("", "", words)
    }
}
