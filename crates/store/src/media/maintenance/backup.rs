//! A backup: the file page by page as it was at the start, while everything else continues.
//!
//! It is not a transaction. Nobody waits for it, and its receiver may be slow. Pages are saved before they are
//! overwritten ([`Frozen`]). Deleted data is not in a backup: removed items are freed first, and unused bytes are
//! sent as zeros.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::jobs::{Job, JobDesk, Next};
use crate::media::file::free_list::FreeListWalk;
use crate::media::file::frozen::Frozen;
use crate::media::file::vfs::WriterFile;
use crate::media::retention::reclaim;
use crate::media::schema::media_error;
use crate::media::{Backup, MediaError};

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// Maximum number of pieces that wait for the receiver.
const WAITING: usize = 4;

/// Pieces per step.
const PIECES_A_STEP: usize = 4;

/// Pause before a full channel is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// Time in microseconds after which a receiver that takes nothing is given up.
const PATIENCE_US: u64 = 60_000_000;

/// Trunk pages of the free list that one step reads.
const TRUNKS_A_STEP: usize = 64;

/// Pause between two steps of freeing.
const FREEING_PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 20 });

/// One backup.
pub(crate) struct BackupJob {
    /// Answered when the file is frozen.
    begun: Option<oneshot::Sender<Result<Backup, MediaError>>>,
    /// The position in the free list, until all of it is read.
    unused: Option<FreeListWalk>,
    pieces: Option<mpsc::Sender<Result<Bytes, MediaError>>>,
    /// When the receiver last took a piece.
    moved_us: u64,
}

impl BackupJob {
    /// Answers `begun` once the file is frozen.
    pub fn new(begun: oneshot::Sender<Result<Backup, MediaError>>) -> BackupJob {
        BackupJob { begun: Some(begun), unused: None, pieces: None, moved_us: 0 }
    }

    fn start(&mut self, tx: &mut JobDesk<'_>, begun: oneshot::Sender<Result<Backup, MediaError>>) -> Next {
        match reclaim::free_some(tx.connection, tx.totals) {
            Ok(true) => {
                self.begun = Some(begun);
                return Next::After(FREEING_PAUSE);
            }
            Ok(false) => {}
            Err(error) => {
                log::warn!("backup aborted: deleted items cannot be freed first");
                // Dropped if the caller has gone.
                let _ = begun.send(Err(media_error(tx.file, &error)));
                return Next::Done;
            }
        }
        let (len, unused) = match freeze(tx) {
            Ok(frozen) => frozen,
            Err(error) => {
                // Dropped if the caller has gone.
                let _ = begun.send(Err(error));
                return Next::Done;
            }
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        if begun.send(Ok(Backup { len, pieces: receiver })).is_err() {
            if let Some(mut file) = WriterFile::from_connection(tx.connection) {
                file.thaw();
            }
            return Next::Done;
        }
        self.unused = Some(unused);
        self.pieces = Some(sender);
        self.moved_us = tx.now.monotonic_us;
        Next::After(Duration::ZERO)
    }

    /// Continues reading the free list. True if there is more.
    fn list(&mut self, file: &mut WriterFile<'_>) -> std::io::Result<bool> {
        let Some(walk) = &mut self.unused else { return Ok(false) };
        for _ in 0..TRUNKS_A_STEP {
            match walk.next(&mut |at, into| file.read_frozen_at(at, into))? {
                Some(trunk) => file.exclude_free_pages(&trunk),
                None => {
                    self.unused = None;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Sends a few pieces, if the receiver takes them.
    fn copy_pieces(&mut self, tx: &mut JobDesk<'_>, file: &mut WriterFile<'_>) -> Next {
        match self.list(file) {
            Ok(false) => {}
            Ok(true) => return Next::After(Duration::ZERO),
            Err(error) => {
                log::warn!("backup aborted: {error}");
                return Next::Done;
            }
        }
        let Some(pieces) = &self.pieces else { return Next::Done };
        for _ in 0..PIECES_A_STEP {
            let place = match pieces.try_reserve() {
                Ok(place) => place,
                Err(mpsc::error::TrySendError::Full(())) => {
                    if tx.now.monotonic_us.saturating_sub(self.moved_us) < PATIENCE_US {
                        return Next::After(RETRY);
                    }
                    log::warn!("backup aborted: the client received nothing for a minute");
                    return Next::Done;
                }
                Err(mpsc::error::TrySendError::Closed(())) => return Next::Done,
            };
            let mut bytes = vec![0; PIECE];
            match file.read_frozen(&mut bytes) {
                Ok(0) => return Next::Done,
                Ok(count) => {
                    bytes.truncate(count);
                    place.send(Ok(Bytes::from(bytes)));
                    self.moved_us = tx.now.monotonic_us;
                }
                Err(error) => {
                    log::warn!("backup aborted: {error}");
                    place.send(Err(MediaError::File {
                        file: tx.file.to_owned(),
                        reason: format!("the backup cannot be finished: {error}"),
                        hint: Some(String::from("make room on the disk, and begin again")),
                    }));
                    return Next::Done;
                }
            }
        }
        Next::After(Duration::ZERO)
    }
}

impl Job for BackupJob {
    fn step(&mut self, tx: &mut JobDesk<'_>) -> Next {
        if let Some(begun) = self.begun.take() {
            return self.start(tx, begun);
        }
        let Some(mut file) = WriterFile::from_connection(tx.connection) else { return Next::Done };
        let next = self.copy_pieces(tx, &mut file);
        if next == Next::Done {
            file.thaw();
        }
        next
    }
}

/// Freezes the file. Returns its length, and the start of its free list.
fn freeze(tx: &JobDesk<'_>) -> Result<(u64, FreeListWalk), MediaError> {
    let tell = |error: rusqlite::Error| media_error(tx.file, &error);
    let connection: &Connection = tx.connection;
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0)).map_err(tell);
    // This read rolls back the remains of a failed write.
    let (pages, page) = (number("page_count")?, number("page_size")? as usize);
    let has_kinds = number("auto_vacuum")? != 0;
    let Some(mut file) = WriterFile::from_connection(connection) else { return Err(MediaError::Busy) };
    if file.is_frozen() {
        return Err(MediaError::BackingUp);
    }
    let unused = FreeListWalk::start(page, pages, &mut |at, into| file.read(at, into));
    let unused = unused.map_err(|error| MediaError::File {
        file: tx.file.to_owned(),
        reason: format!("it cannot be read: {error}"),
        hint: Some(String::from("look at the disk (`dmesg`)")),
    })?;
    let frozen = Frozen::new(page, pages, has_kinds, &tx.file.with_extension("backup.tmp"));
    let len = frozen.len();
    file.freeze(frozen);
    Ok((len, unused))
}

#[cfg(test)]
mod tests;
