//! `media.db`: snapshots and recordings, index and bytes in one file.
//!
//! ```text
//! [record] ── chunks ──►┐ 2 waiting per recording         ┌─► committed items, revision (pages, SSE)
//! snapshots, edits ────►┴─► [media], the one writer ─► SQLite
//!                                    readers, one chunk a transaction ◄──┘
//! ```
//!
//! What holds:
//! - A snapshot is one row and its blob, in one transaction: both or neither. A recording is a row and chunks of
//!   about a second, each committed as it ends; of a recording no more than the chunk under way is in memory.
//! - What was answered is on the disk (rollback journal, `synchronous=FULL`). A kill or a power cut loses at most the
//!   chunk that was being filled and the one being written; what was being recorded is closed at the next start.
//! - Numbers of items are never given again. Names are unique among items that are there.
//! - Removing marks items; the writer frees their chunks one by one, within the transactions that write new ones (after
//!   the new one, so that freed pages are used again and hardly anything is written twice), or paced while idle.
//! - A reader holds the file for no longer than one chunk takes; the writer waits for it.
//! - A file that is damaged, foreign or written by a newer tallycam is refused and left as it is.

mod chunks;
mod error;
#[cfg(test)]
mod faults;
mod file;
mod footage;
mod frames;
mod handle;
mod maintenance;
mod names;
mod reader;
mod retention;
mod rows;
pub(in crate::store) mod schema;
mod storage;
#[cfg(test)]
mod tests;
mod types;
mod writer;

pub use error::MediaError;
pub use footage::{CutFootage, FootageCut, StoredFootage, clip, film};
pub use handle::{Media, RecordingHandle, RecordingProgress, RefusedChunk, Spare};
pub use maintenance::backup_verify::verify_copy;
pub use maintenance::check::check_offline;
pub use names::{ParsedDate, check_day, parse_date, wrong_field};
pub use reader::MediaReader;
pub use types::*;
