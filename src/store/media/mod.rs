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

mod copied;
mod old;
mod types;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use crate::base::Worker;

pub use copied::verify_copy;
pub use old::{OldRow, old_rows};
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

/// The store. Clones share it.
#[derive(Debug, Clone)]
pub struct Media {
    file: PathBuf,
}

/// A recording under way; only the store's writer ends it for good.
#[derive(Debug)]
pub struct RecordingHandle {
    id: u64,
}

/// Why a chunk was not taken: two are waiting, or the disk takes nothing. Here it is back, its buffer to be used again.
#[derive(Debug)]
pub struct Refused(pub Chunk);

impl Media {
    /// Opens the store, migrates and mends it (a recording that was under way is closed), and starts the thread
    /// `media`, which ends with everything written after [`Media::stop`].
    ///
    /// # Errors
    /// The directory cannot be written to, another tallycam has it, or the file is damaged, foreign or newer.
    pub fn open(settings: MediaSettings) -> Result<(Media, Worker), MediaError> {
        let _ = settings;
        todo!()
    }

    /// Where it lies.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// A reader of its own.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn reader(&self) -> Result<MediaReader, MediaError> {
        MediaReader::open(&self.file)
    }

    /// How it is, to look at and to wait for changes.
    pub fn status(&self) -> watch::Receiver<Arc<MediaStatus>> {
        todo!()
    }

    /// Keeps a picture. Answers when it is on the disk.
    ///
    /// # Errors
    /// The name is none or taken, or the disk does not take it: then there is neither row nor picture.
    pub async fn add_snapshot(&self, snapshot: NewSnapshot) -> Result<Item, MediaError> {
        let _ = snapshot;
        todo!()
    }

    /// Begins a recording. Its row is there at once, open, without pictures. Blocks until then.
    ///
    /// # Errors
    /// As for a snapshot.
    pub fn begin_recording(&self, recording: NewRecording) -> Result<RecordingHandle, MediaError> {
        let _ = recording;
        todo!()
    }

    /// Changes an item; `version`: only if it still has this one.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn edit(&self, id: u64, version: Option<u64>, edit: MediaEdit) -> Result<Item, MediaError> {
        let _ = (id, version, edit);
        todo!()
    }

    /// Removes items, all or none; answers when they are gone from every list. Their room is freed in time.
    ///
    /// # Errors
    /// One is not there, or is being recorded.
    pub async fn remove(&self, ids: Vec<u64>) -> Result<(), MediaError> {
        let _ = ids;
        todo!()
    }

    /// Sets the file aside under a name with the date and begins an empty one. A recording under way is closed in the
    /// old one; [`RecordingHandle::append`] refuses from then on.
    ///
    /// # Errors
    /// [`MediaError`]; then the old one stays in use.
    pub async fn begin_anew(&self) -> Result<AsideFile, MediaError> {
        todo!()
    }

    /// Deletes a file that was set aside.
    ///
    /// # Errors
    /// There is none of this name.
    pub async fn remove_aside(&self, name: String) -> Result<(), MediaError> {
        let _ = name;
        todo!()
    }

    /// Other rules from now on. When less is to be kept than there is, the room goes back to the file system, paced so
    /// that nobody notices.
    pub fn set_retention(&self, rules: RetentionRules) {
        let _ = rules;
        todo!()
    }

    /// The rules in force.
    pub fn retention(&self) -> RetentionRules {
        todo!()
    }

    /// Gives all unused room of the file back to the file system, in small steps between other work. Answers when done,
    /// with the bytes given back.
    ///
    /// # Errors
    /// [`MediaError`].
    pub async fn vacuum(&self) -> Result<u64, MediaError> {
        todo!()
    }

    /// Looks at every invariant, in small steps between other work; with `repair` mends what can be.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn check(&self, repair: bool) -> Result<CheckReport, MediaError> {
        let _ = repair;
        todo!()
    }

    /// A copy of the file as it is now, whatever is written meanwhile: a whole SQLite file, in pieces, without a second
    /// copy on the disk. Reading is in small steps on the writer's own connection.
    ///
    /// # Errors
    /// Another backup runs.
    pub async fn backup(&self) -> Result<Backup, MediaError> {
        todo!()
    }

    /// Has the writer end once everything is written: recordings that are open are closed.
    pub fn stop(&self) {
        todo!()
    }
}

/// A copy of the store under way.
#[derive(Debug)]
pub struct Backup {
    /// Bytes it has in all.
    pub len: u64,
    /// Its pieces in order. An error ends it: what came is not a whole file.
    pub pieces: mpsc::Receiver<Result<Bytes, MediaError>>,
}

impl RecordingHandle {
    /// The recording's number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Hands a chunk to the writer and gets an empty one back, to be filled next: buffers go round. Never waits.
    ///
    /// # Errors
    /// [`Refused`]: two are waiting already, or the disk takes nothing at the moment: the caller drops what it has,
    /// goes on with this buffer and sets [`Chunk::is_after_gap`].
    pub fn append(&mut self, chunk: Chunk) -> Result<Chunk, Refused> {
        let _ = chunk;
        todo!()
    }

    /// The same for those who have time: waits until there is a place.
    ///
    /// # Errors
    /// The disk does not take it, or the store has ended.
    pub fn append_waiting(&mut self, chunk: Chunk) -> Result<Chunk, MediaError> {
        let _ = chunk;
        todo!()
    }

    /// Why the disk did not take the newest chunk, if so.
    pub fn trouble(&self) -> Option<MediaError> {
        todo!()
    }

    /// Ends it; answers when its last chunk is on the disk. Blocks. A recording without a picture leaves no row, and
    /// `None` is given.
    ///
    /// # Errors
    /// The disk does not take it: the row stays open and is closed when it does, or at the next start.
    pub fn end(self, ended: Ended) -> Result<Option<Item>, MediaError> {
        let _ = ended;
        todo!()
    }
}

/// Reads the store through a connection of its own; each call is one short read transaction. Blocks.
#[derive(Debug)]
pub struct MediaReader {
    _private: (),
}

impl MediaReader {
    /// Opens `file` read-only.
    ///
    /// # Errors
    /// It is not there, damaged, foreign, newer or older than this program.
    pub fn open(file: &Path) -> Result<MediaReader, MediaError> {
        let _ = file;
        todo!()
    }

    /// A page of items, newest first.
    ///
    /// # Errors
    /// The cursor is none, or the file cannot be read.
    pub fn list(&self, query: &MediaQuery) -> Result<MediaPage, MediaError> {
        let _ = query;
        todo!()
    }

    /// All items by number, oldest first, as the old program listed them: number, date, name.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn old_list(&self) -> Result<Vec<(u64, String, String)>, MediaError> {
        todo!()
    }

    /// One item.
    ///
    /// # Errors
    /// There is none, or the file cannot be read; so with all of these.
    pub fn item(&self, id: u64) -> Result<Item, MediaError> {
        let _ = id;
        todo!()
    }

    /// One item by its exact name.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn by_name(&self, name: &str) -> Result<Item, MediaError> {
        let _ = name;
        todo!()
    }

    /// The JPEG of a snapshot.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn snapshot(&self, id: u64) -> Result<Bytes, MediaError> {
        let _ = id;
        todo!()
    }

    /// The chunks of a recording in order, without their pictures.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn chunks(&self, id: u64) -> Result<Vec<ChunkRow>, MediaError> {
        let _ = id;
        todo!()
    }

    /// The newest chunk that begins at or before `at_us` (the first one if none does); `None` for a recording without
    /// chunks. Costs the same however long the recording is.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn chunk_at(&self, id: u64, at_us: u64) -> Result<Option<ChunkRow>, MediaError> {
        let _ = (id, at_us);
        todo!()
    }

    /// The index of one chunk.
    ///
    /// # Errors
    /// As [`MediaReader::item`]; [`MediaError::Unknown`] also when retention has taken it meanwhile.
    pub fn frames(&self, id: u64, chunk: u64) -> Result<Vec<ChunkFrame>, MediaError> {
        let _ = (id, chunk);
        todo!()
    }

    /// `len` bytes of a chunk's pictures from `offset` on.
    ///
    /// # Errors
    /// As [`MediaReader::frames`].
    pub fn bytes(&self, id: u64, chunk: u64, offset: u32, len: u32) -> Result<Bytes, MediaError> {
        let _ = (id, chunk, offset, len);
        todo!()
    }

    /// How much room there is and what has it, with what these rules leave.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn storage(&self, rules: &RetentionRules) -> Result<Storage, MediaError> {
        let _ = rules;
        todo!()
    }

    /// What retention by these rules would do now.
    ///
    /// # Errors
    /// As [`MediaReader::item`].
    pub fn plan(&self, rules: &RetentionRules) -> Result<RetentionPlan, MediaError> {
        let _ = rules;
        todo!()
    }
}

impl MediaError {
    /// What the user can do, where that is known.
    pub fn hint(&self) -> Option<&str> {
        match self {
            MediaError::File { hint, .. } => hint.as_deref(),
            MediaError::Full => Some("delete something, or let retention keep less"),
            MediaError::Locked { .. } => Some("end it, or give each its own state directory"),
            _ => None,
        }
    }
}
