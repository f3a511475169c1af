//! `media.db`: snapshots and recordings, index and bytes in one file.
//!
//! ```text
//! [record] ── chunks ──►┐ 2 waiting per recording         ┌─► committed items, revision (pages, SSE)
//! snapshots, edits ────►┴─► [media], the one writer ─► SQLite
//!                                    readers, one chunk a transaction ◄──┘
//! ```
//!
//! Invariants:
//! - A snapshot is one row and its blob, in one transaction: both or neither. A recording is a row and chunks of
//!   about a second. Each chunk is committed when it ends, and only the current one is in memory.
//! - Confirmed data is on the disk (rollback journal, `synchronous=FULL`). A kill or a power cut loses at most the
//!   chunk being filled and the one being written. The next start closes the open recording.
//! - Numbers of items are never reused. Names of existing items are unique.
//! - Removal only marks an item. The writer frees the item's chunks later: in a transaction that writes new chunks,
//!   after these, or slowly while it is idle. New chunks reuse the freed pages, so hardly any page is written twice.
//! - A reader locks the file for at most one chunk. The writer waits that long.
//! - A file that is damaged, foreign, or of a newer tallycam is refused and left unchanged.

mod chunks;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod footage;
mod frames;
mod handle;
mod loan;
mod maintenance;
mod names;
mod reader;
mod retention;
pub(crate) mod rows;
pub(crate) mod schema;
mod storage;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub use error::MediaError;
pub use footage::{CutFootage, FootageCut, StoredFootage, clip, film};
pub use handle::{Media, RecordingHandle, RecordingProgress, RefusedChunk, Spare};
pub use loan::Loan;
pub use maintenance::backup_verify::verify_copy;
pub use maintenance::check::check_offline;
pub use names::{ParsedDate, check_day, parse_date, wrong_field};
pub use reader::MediaReader;
pub use types::*;
