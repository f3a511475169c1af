//! A backup: the file as it is when it begins, page by page, while everything else goes on.
//!
//! It is no transaction: nobody waits for it, whoever takes it may be slow, and what is overwritten before it was read
//! is put aside ([`Frozen`]). Pages that nothing uses are given as zeros: what was deleted is not in a backup.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::frozen::{Bits, Frozen};
use super::jobs::{Job, JobDesk, Next};
use super::schema::media_error;
use super::vfs::WriterFile;
use super::{Backup, MediaError};

/// Bytes of a piece.
const PIECE: usize = 256 << 10;

/// Pieces that wait for their receiver at most.
const WAITING: usize = 4;

/// Pieces of one step.
const PIECES_A_STEP: usize = 4;

/// How soon a full channel is looked at again.
const RETRY: Duration = Duration::from_millis(10);

/// How long a receiver may take nothing.
const PATIENCE_US: u64 = 60_000_000;

/// Pages of the list of unused pages that are read at most: a gigabyte of room in pages of 4 KiB. Unused pages beyond
/// are copied like others.
const MOST_TRUNKS: u32 = 256;

/// The work of one backup.
pub(super) struct BackupJob {
    /// Told when the file is frozen.
    begun: Option<oneshot::Sender<Result<Backup, MediaError>>>,
    pieces: Option<mpsc::Sender<Result<Bytes, MediaError>>>,
    /// When the receiver took something last.
    moved_us: u64,
}

impl BackupJob {
    /// Work that tells when it has begun.
    pub(super) fn new(begun: oneshot::Sender<Result<Backup, MediaError>>) -> BackupJob {
        BackupJob { begun: Some(begun), pieces: None, moved_us: 0 }
    }

    fn begin(&mut self, desk: &mut JobDesk<'_>, begun: oneshot::Sender<Result<Backup, MediaError>>) -> Next {
        let frozen = match freeze(desk) {
            Ok(frozen) => frozen,
            Err(error) => {
                // Nobody waits any more: that is all right.
                let _ = begun.send(Err(error));
                return Next::Done;
            }
        };
        let (sender, receiver) = mpsc::channel(WAITING);
        if begun.send(Ok(Backup { len: frozen.len(), pieces: receiver })).is_err() {
            return Next::Done;
        }
        if let Some(mut file) = WriterFile::of(desk.connection) {
            file.freeze(frozen);
        }
        self.pieces = Some(sender);
        self.moved_us = desk.now.monotonic_us;
        Next::After(Duration::ZERO)
    }

    /// A few pieces, if they are taken.
    fn go_on(&mut self, desk: &mut JobDesk<'_>, file: &mut WriterFile<'_>) -> Next {
        let Some(pieces) = &self.pieces else { return Next::Done };
        for _ in 0..PIECES_A_STEP {
            let place = match pieces.try_reserve() {
                Ok(place) => place,
                Err(mpsc::error::TrySendError::Full(())) => {
                    if desk.now.monotonic_us.saturating_sub(self.moved_us) < PATIENCE_US {
                        return Next::After(RETRY);
                    }
                    log::warn!("a backup is given up: nothing of it was taken for a minute");
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
                    self.moved_us = desk.now.monotonic_us;
                }
                Err(error) => {
                    log::warn!("a backup is given up: {error}");
                    place.send(Err(MediaError::File {
                        file: desk.file.to_owned(),
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
    fn step(&mut self, desk: &mut JobDesk<'_>) -> Next {
        if let Some(begun) = self.begun.take() {
            return self.begin(desk, begun);
        }
        let Some(mut file) = WriterFile::of(desk.connection) else { return Next::Done };
        let next = self.go_on(desk, &mut file);
        if next == Next::Done {
            file.thaw();
        }
        next
    }
}

/// The file as it is now.
fn freeze(desk: &JobDesk<'_>) -> Result<Frozen, MediaError> {
    let tell = |error: rusqlite::Error| media_error(desk.file, &error);
    let connection: &Connection = desk.connection;
    // Reading takes back what a failed write may have left in the file.
    let pages: u32 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).map_err(tell)?;
    let page: u32 = connection.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(tell)?;
    let Some(mut file) = WriterFile::of(connection) else { return Err(MediaError::Busy) };
    if file.is_frozen() {
        return Err(MediaError::Wrong(String::from("another backup is being made; one at a time")));
    }
    let unused = unused_pages(&mut file, page as usize, pages).map_err(|error| MediaError::File {
        file: desk.file.to_owned(),
        reason: format!("it cannot be read: {error}"),
        hint: Some(String::from("look at the disk (`dmesg`)")),
    })?;
    Ok(Frozen::new(page as usize, pages, unused, &desk.file.with_extension("backup.tmp")))
}

/// Pages that the list of free pages names as leaves: their content means nothing (sqlite.org/fileformat2.html, 1.5).
/// What does not look like such a list ends the search; those pages are then copied as they are.
fn unused_pages(file: &mut WriterFile<'_>, page: usize, pages: u32) -> std::io::Result<Bits> {
    let mut unused = Bits::new(pages);
    let mut bytes = vec![0; page];
    file.read(0, &mut bytes)?;
    let number = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
    };
    let mut trunk = number(&bytes, 32);
    for _ in 0..MOST_TRUNKS {
        if trunk == 0 || trunk > pages {
            break;
        }
        file.read(u64::from(trunk - 1) * page as u64, &mut bytes)?;
        let count = number(&bytes, 4) as usize;
        if count > page / 4 - 2 {
            break;
        }
        for leaf in 0..count {
            // Pages are counted from 1; 0 would be none.
            match number(&bytes, 8 + 4 * leaf) {
                0 => {}
                leaf => unused.set(leaf - 1),
            }
        }
        trunk = number(&bytes, 0);
    }
    Ok(unused)
}

#[cfg(test)]
mod tests;
