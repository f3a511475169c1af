//! `counts.db`: one row per crossing, and everything else that must not be lost.
//!
//! ```text
//! [detect] ─ record ─►┐ 1024 commands                     ┌─► committed crossings (SSE)
//! API ──── edits ────►┴─► [counts], the one writer ─► SQLite ├─► lines, zones (detect thread, pages)
//!                                      readers ◄───────────┘─► today's tallies, totals
//! ```
//!
//! Invariants:
//! - Only stored data is announced: events follow the commit, and a commit survives `kill -9` and a power cut. There
//!   are at most ten commits a second, so a power cut loses the last tenth of a second. It loses more only while the
//!   disk fails, which [`Counts::error`] reports.
//! - A crossing is identified by (run, line, track, ordinal); offered twice, it counts once. Its number grows and is
//!   never reused.
//! - Sums by hour and day equal the crossings in every committed state of the file. They belong to one local
//!   calendar, which the file names. Another calendar rebuilds them.
//! - A row has the run, the monotonic time and the wall time, which is the monotonic time plus this boot's offset.
//!   The writer checks the clock every second. Until it is known to be right, rows are *not sure*: setting the clock
//!   moves them (crossings, spans, resets, changes of lines) and their sums. Once it is synchronized they are sure
//!   and never move (`clock_correction`).
//! - Times without counting are stored with their reason; without a span nothing is claimed. A power cut leaves a gap
//!   `off` from the last known time to the next start. A span is at most 30 s behind (`coverage`).
//! - No crossing is ever deleted, neither with its line nor by a reset. A recount keeps the crossings that it
//!   replaces (`recounts`). A crossing that is marked as wrong stays in the stored sums; readers subtract it if it is
//!   excluded. Totals of all time keep it, because they never fall.
//! - A check of a line keeps the taps and what was counted then. Only marks change its figures (`checks`).
//! - Occupancy of zones is stored in rows of five minutes (`occupancy`). It is lost while the disk fails.
//! - Stays in zones and movement maps wait for the next transaction, at most 30 s. They cost no commit of their own
//!   (`writer/waiting`).
//! - Sign-ins, refusals and changes are on a list of bounded length (`audit`). An entry that finds no place is
//!   dropped and counted, and blocks nobody.
//! - A damaged or foreign file, or one of a newer tallycam, is refused and left unchanged.

mod audit;
pub(crate) mod check;
mod checks;
mod coverage;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod geometry;
mod handle;
mod occupancy;
mod paging;
mod reader;
mod recounts;
mod rows;
pub(crate) mod schema;
mod shared;
mod stays;
mod sums;
#[cfg(test)]
mod tests;
mod types;
mod writer;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use super::{clock_correction, inbox, sqlite};
use tallycam_base::{Fault, FaultKind};

pub use audit::{AuditEntry, AuditKind, AuditRow};
pub use checks::{
    CauseAdvice, CheckAdvice, CheckDraft, CheckEvent, CheckSetup, CheckTaps, CheckVerdict, CheckedShare,
    LineCheck, MOST_TRIED_FPS, NewCheck, TrialFigures,
};
pub use handle::Counts;
pub use reader::{CountsReader, MOST_BUCKETS};
pub use recounts::{FoundAgain, Recount, RecountResult};
pub use shared::Unpinned;
pub use stays::StayRow;
pub use sums::flows::{FlowCount, FlowEnds, FlowRow, LineCrossed};
pub use sums::opening::{OpeningHours, is_open};
pub use sums::speeds::{LineDistance, MeasuredSpeed, SpeedRow};
pub use types::*;
pub use writer::waiting::{NewMovement, NewStay};

/// Options of `counts.db`.
#[derive(Debug, Clone)]
pub struct CountsOptions {
    /// The directory of `counts.db`; created if missing.
    pub directory: PathBuf,
    /// The camera's name.
    pub camera: String,
    /// The time zone of days and hours.
    pub zone: jiff::tz::TimeZone,
    /// The hour, 0–23, at which a day starts.
    pub day_starts: u8,
}

/// An error of opening, reading or writing `counts.db`.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error(transparent)]
    File(Fault),
    /// The writer did not keep up, or has ended.
    #[error("the writer of counts.db does not answer")]
    Busy,
    /// The request exceeds the limit of one query.
    #[error(
        "there are more than {MOST_BUCKETS} buckets between these times; ask for longer ones, or for less time"
    )]
    TooManyBuckets,
}

impl StoreError {
    /// The `file` cannot be used for this reason.
    pub fn file(file: &Path, reason: impl Display, hint: Option<&str>) -> StoreError {
        let fault = Fault::new(FaultKind::File, format!("`{}`: {reason}", file.display()));
        StoreError::File(Fault { hint: hint.map(str::to_owned), ..fault })
    }

    /// The remedy, if known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            StoreError::File(fault) => fault.hint.as_deref(),
            StoreError::Busy | StoreError::TooManyBuckets => None,
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        match error {
            StoreError::File(fault) => fault,
            error => Fault::passing(error.to_string()),
        }
    }
}

/// A line or zone could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// There is no shape, crossing, reset or check with this number.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `line`, `zone`, `crossing`, `reset` or `check`.
        what: &'static str,
        /// The number.
        id: u64,
    },
    /// It was changed meanwhile.
    #[error("{what} {id} has been changed meanwhile")]
    Changed {
        /// `line` or `zone`.
        what: &'static str,
        /// The number.
        id: u64,
        /// Its current version.
        version: u64,
    },
    /// The operator's file sets it, or is left out for a drawn shape of the same name.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// Another shape has this name.
    #[error("there is a {what} called {name:?} already; give each a name of its own")]
    SameName {
        /// `line` or `zone`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// The draft is invalid: equal ends, outside the picture, no name, too many.
    #[error("{words}")]
    Wrong {
        /// The wrong value; empty if no single value is wrong.
        field: &'static str,
        /// The expected range; empty if no single value is wrong.
        range: String,
        /// The message.
        words: String,
        /// Other wrong values, each with its message.
        others: Vec<(&'static str, String)>,
    },
    /// An error of `counts.db` itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl EditError {
    /// A value of `field` outside `range`, with the message `words`.
    pub fn out_of_range(
        field: &'static str,
        range: impl Into<String>,
        words: impl Into<String>,
    ) -> EditError {
        EditError::Wrong { field, range: range.into(), words: words.into(), others: Vec::new() }
    }

    /// The first of these errors, with the others in it.
    ///
    /// # Errors
    /// There is one.
    pub(super) fn all<const N: usize>(checks: [Result<(), EditError>; N]) -> Result<(), EditError> {
        let mut found = checks.into_iter().filter_map(Result::err);
        let Some(mut first) = found.next() else { return Ok(()) };
        if let EditError::Wrong { others, .. } = &mut first {
            others.extend(found.filter_map(|other| match other {
                EditError::Wrong { field, words, .. } => Some((field, words)),
                _ => None,
            }));
        }
        Err(first)
    }

    /// A draft that is wrong as a whole.
    pub(crate) fn invalid_whole(words: impl Into<String>) -> EditError {
        EditError::out_of_range("", "", words)
    }
}
