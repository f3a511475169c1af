//! `counts.db`: every crossing a row, and everything else that must not be lost.
//!
//! ```text
//! [detect] ─ record ─►┐ 1024 commands                     ┌─► committed crossings (SSE)
//! API ──── edits ────►┴─► [counts], the one writer ─► SQLite ├─► lines, zones (detect thread, pages)
//!                                      readers ◄───────────┘─► today's tallies, totals
//! ```
//!
//! What is announced is on record: events leave after the commit.

mod types;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{broadcast, watch};

use crate::base::Worker;

pub use types::*;

/// How the ledger is kept.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The directory in which `counts.db` lies; made if it is not there.
    pub directory: PathBuf,
    /// The camera's name.
    pub camera: String,
    /// The time zone that days and hours are told in.
    pub zone: jiff::tz::TimeZone,
    /// The hour, 0–23, at which a day begins.
    pub day_starts: u8,
}

/// The ledger could not be opened, read or written.
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
    #[error("the ledger's writer does not answer")]
    Busy,
}

/// A line or zone could not be changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EditError {
    /// There is none of this number.
    #[error("there is no {what} {id}")]
    Unknown {
        /// `line` or `zone`.
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
    /// The draft is none: equal ends, outside the picture, no name, too many.
    #[error("{0}")]
    Wrong(String),
    /// The ledger itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The ledger. Clones share it.
#[derive(Debug, Clone)]
pub struct Counts {}

/// A read-only connection. Its methods block.
#[derive(Debug)]
pub struct Reader {}

#[allow(clippy::todo, clippy::unused_async, unused_variables, missing_docs)]
impl Counts {
    /// Opens the ledger, migrates and mends it, begins a run, and starts the thread `counts`. The thread ends,
    /// with everything written, after [`Counts::stop`].
    pub fn open(settings: Settings) -> Result<(Counts, Worker), StoreError> {
        todo!()
    }
    /// The number of this run of the daemon.
    pub fn run(&self) -> u64 {
        todo!()
    }
    /// Takes crossings for recording. Waits at most 2 s when 1024 commands are waiting.
    pub fn record(&self, crossings: Vec<NewCrossing>) -> Result<(), StoreError> {
        todo!()
    }
    /// Says whether counting runs from now on. Cheap to repeat.
    pub fn cover(&self, cover: Cover) {
        todo!()
    }
    /// The scene whose lines, zones and tallies are shown from now on.
    pub fn show(&self, scene: Scene) {
        todo!()
    }
    /// The scene that is shown.
    pub fn scene(&self) -> Scene {
        todo!()
    }
    /// All lines that are not deleted, pinned ones first, of all scenes; to look at and to wait for changes.
    pub fn lines(&self) -> watch::Receiver<Arc<Vec<LineRow>>> {
        todo!()
    }
    /// Likewise the zones.
    pub fn zones(&self) -> watch::Receiver<Arc<Vec<ZoneRow>>> {
        todo!()
    }
    /// Today's sums of the scene that is shown, after every commit, reset and change of day.
    pub fn tallies(&self) -> watch::Receiver<Arc<Tallies>> {
        todo!()
    }
    /// All crossings ever, of the scene that is shown, by line name, class and direction; never falls
    /// while the daemon runs.
    pub fn totals(&self) -> Vec<Count> {
        todo!()
    }
    /// Crossings that are on record, in order, as they are committed.
    pub fn committed(&self) -> broadcast::Receiver<Arc<Crossing>> {
        todo!()
    }
    /// Sets the lines and zones of the operator's file, each with its place there. A line that was there in an
    /// earlier run under the same name is the same line.
    pub fn pin(
        &self,
        lines: Vec<(LineDraft, String)>,
        zones: Vec<(ZoneDraft, String)>,
    ) -> Result<(), EditError> {
        todo!()
    }
    pub async fn add_line(&self, scene: Scene, draft: LineDraft) -> Result<LineRow, EditError> {
        todo!()
    }
    /// `version`: only if it still has this one.
    pub async fn change_line(
        &self,
        id: u64,
        version: Option<u64>,
        draft: LineDraft,
    ) -> Result<LineRow, EditError> {
        todo!()
    }
    pub async fn delete_line(&self, id: u64, version: Option<u64>) -> Result<(), EditError> {
        todo!()
    }
    pub async fn add_zone(&self, scene: Scene, draft: ZoneDraft) -> Result<ZoneRow, EditError> {
        todo!()
    }
    pub async fn change_zone(
        &self,
        id: u64,
        version: Option<u64>,
        draft: ZoneDraft,
    ) -> Result<ZoneRow, EditError> {
        todo!()
    }
    pub async fn delete_zone(&self, id: u64, version: Option<u64>) -> Result<(), EditError> {
        todo!()
    }
    /// Sets today's sums of a line (or of all of the scene that is shown) to zero from now on. Nothing is deleted.
    pub async fn reset(&self, line: Option<u64>) -> Result<Reset, EditError> {
        todo!()
    }
    /// Something small that outlives restarts, such as the model that was chosen on the page.
    pub fn setting(&self, key: &str) -> Option<String> {
        todo!()
    }
    pub async fn set_setting(&self, key: &'static str, value: Option<String>) -> Result<(), StoreError> {
        todo!()
    }
    /// Why the ledger does not take crossings at present.
    pub fn trouble(&self) -> Option<String> {
        todo!()
    }
    /// A connection of its own, to be used on a thread that may block.
    pub fn reader(&self) -> Result<Reader, StoreError> {
        todo!()
    }
    /// Everything that waits is written, then the thread ends.
    pub fn stop(&self) {
        todo!()
    }
}

#[allow(clippy::todo, unused_variables, missing_docs)]
impl Reader {
    /// A page of crossings.
    pub fn crossings(&self, query: &CrossingsQuery) -> Result<Vec<Crossing>, StoreError> {
        todo!()
    }
    /// One of them.
    pub fn crossing(&self, id: u64) -> Result<Option<Crossing>, StoreError> {
        todo!()
    }
    pub fn thumbnail(&self, id: u64) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }
    /// Buckets from the roll-ups; at most 20 000 of them.
    pub fn counts(&self, query: &CountsQuery) -> Result<Vec<BucketRow>, StoreError> {
        todo!()
    }
    /// Times without counting that meet `from_us..to_us`, oldest first.
    pub fn gaps(&self, scene: Scene, from_us: u64, to_us: u64) -> Result<Vec<Gap>, StoreError> {
        todo!()
    }
    pub fn resets(&self, from_us: u64, to_us: u64) -> Result<Vec<Reset>, StoreError> {
        todo!()
    }
    /// All lines, deleted ones too.
    pub fn lines(&self) -> Result<Vec<LineRow>, StoreError> {
        todo!()
    }
    /// Whether the file is sound and the roll-ups equal the crossings: every fault in a sentence.
    pub fn check(&self) -> Result<Vec<String>, StoreError> {
        todo!()
    }
}
