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

mod apply_retention;
mod backup;
mod backup_verify;
mod check;
mod chunks;
mod direct;
mod edits;
#[cfg(test)]
mod faults;
mod footage;
mod frames;
mod free_list;
mod frozen;
mod handle;
mod jobs;
mod names;
mod old;
mod reader;
mod reclaim;
mod retention;
mod retime;
mod rotate;
mod rows;
mod rules;
pub(in crate::store) mod schema;
mod storage;
#[cfg(test)]
mod tests;
mod transaction;
mod types;
mod vacuum;
mod vfs;
mod writer;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use backup::BackupJob;
use check::CheckJob;
use vacuum::VacuumJob;

pub use backup_verify::verify_copy;
pub use check::check_offline;
pub use footage::{Cut, CutFootage, StoredFootage, clip, film};
pub use handle::{Media, RecordingHandle, RefusedChunk, Spare, Written, offline_retention_now};
pub use names::{Said, check_day, parse_date};
pub use old::{OldRow, read_old_rows};
pub use reader::MediaReader;
pub use types::*;

/// Something could not be kept, found or changed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MediaError {
    /// The file cannot be used, or the disk does not take or give data.
    #[error("{}: {reason}", file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        reason: String,
        /// What the user can do.
        hint: Option<String>,
    },
    /// There is no room on the disk.
    #[error("there is no room left on the disk for pictures")]
    Full,
    /// Another process writes to this store: most likely the daemon.
    #[error("{}: another tallycam keeps its pictures there", file.display())]
    Locked {
        /// The lock.
        file: PathBuf,
    },
    /// The writer has not kept up, or has ended.
    #[error("the store of pictures does not answer")]
    Busy,
    /// Another backup runs.
    #[error("another backup is being made; one at a time")]
    BackingUp,
    /// There is no such item.
    #[error("there is no item {0}")]
    Unknown(String),
    /// The name is taken.
    #[error("there is an item called {0:?} already")]
    SameName(String),
    /// Name, date, note or cursor is none.
    #[error("{0}")]
    Wrong(String),
    /// It has been changed meanwhile; the version it has now.
    #[error("item {id} has been changed meanwhile")]
    Changed {
        /// Its number.
        id: u64,
        /// Its version now.
        version: u64,
    },
    /// It is being recorded and cannot be removed.
    #[error("item {0} is still being recorded; stop the recording first")]
    Open(u64),
}

impl Media {
    /// Gives all unused room of the file back to the file system, in small steps between other work. Answers when done,
    /// with the bytes given back. `wipe`: what was deleted is freed and overwritten with zeros before.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn vacuum(&self, wipe: bool) -> Result<Vacuumed, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(VacuumJob::everything(wipe, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// Looks at every invariant, in small steps between other work; with `repair` mends what can be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn check(&self, repair: bool) -> Result<CheckReport, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(CheckJob::new(repair, tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }

    /// A copy of the file as it is now, whatever is written meanwhile: a whole SQLite file, in pieces, without a second
    /// copy on the disk. Reading is in small steps on the writer's own connection.
    ///
    /// # Errors
    /// Another backup runs.
    pub async fn backup(&self) -> Result<Backup, MediaError> {
        let (tell, told) = oneshot::channel();
        self.run(BackupJob::new(tell)).await?;
        told.await.unwrap_or(Err(MediaError::Busy))
    }
}

/// What became of unused room, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vacuumed {
    /// Given back to the file system.
    pub freed: u64,
    /// Overwritten with zeros.
    pub wiped: u64,
}

/// A copy of the store under way.
#[derive(Debug)]
pub struct Backup {
    /// Bytes it has in all.
    pub len: u64,
    /// Its pieces in order. An error ends it: what came is not a whole file.
    pub pieces: mpsc::Receiver<Result<Bytes, MediaError>>,
}

impl MediaError {
    /// What the user can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            MediaError::File { hint, .. } => hint.as_deref(),
            MediaError::Full => Some("delete something, or tighten retention"),
            MediaError::Locked { .. } => Some("end it, or give each its own state directory"),
            _ => None,
        }
    }

    /// The store's own file, where that is what cannot be used: it can be set aside as it is. None where the trouble is
    /// the directory's or the file system's, or another program is in the middle of writing the file.
    pub fn unusable_store_file(&self) -> Option<&Path> {
        match self {
            MediaError::File { file, hint, .. }
                if file.ends_with(schema::FILE_NAME)
                    && !matches!(hint.as_deref(), Some(schema::IN_USE | crate::store::sqlite::ELSEWHERE)) =>
            {
                Some(file)
            }
            _ => None,
        }
    }

    /// Whether SQLite has found what it read damaged.
    fn is_damage(&self) -> bool {
        self.hint() == Some(schema::DAMAGED)
    }
}
