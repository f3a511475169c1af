//! Giving room back to the file system: pages from the end of the file take unused places, and the file is cut. On
//! request what was deleted is overwritten before ([`wipe_free_pages`]).
//!
//! Each page that is moved is written twice (the journal has its place's old content, or the pages that point to it),
//! so it is done only on request, when a limit was lowered, or when the file system has too little: otherwise new
//! items use the room, and nothing is moved. A step is one small transaction; between two there is a pause, so that a
//! card has time for what matters.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};
use tokio::sync::oneshot;

use super::jobs::{Job, JobDesk, Next};
use crate::store::media::file::free_list::FreeListWalk;
use crate::store::media::file::vfs::WriterFile;
use crate::store::media::retention::reclaim;
use crate::store::media::rows::MediaRowError;
use crate::store::media::schema::media_error;
use crate::store::media::{MediaError, Vacuumed};

/// Pages that a step moves at most: a megabyte of pages of 4 KiB.
const PAGES_A_STEP: u64 = 256;

/// Bytes that a step overwrites, about.
const WIPED_A_STEP: u64 = 1 << 20;

/// Between two steps: at most 10 MB a second.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });

/// The work.
pub struct VacuumJob {
    told: Option<oneshot::Sender<Result<Vacuumed, MediaError>>>,
    /// What was deleted is overwritten first; the places where that is done.
    wiped: Option<BTreeSet<u32>>,
    /// Bytes that are still to be given back; it ends sooner when nothing is unused.
    left: u64,
    done: Vacuumed,
}

impl VacuumJob {
    /// Gives everything back that nothing uses; `wipe`: once it is overwritten.
    pub fn everything(wipe: bool, told: oneshot::Sender<Result<Vacuumed, MediaError>>) -> VacuumJob {
        let wiped = wipe.then(BTreeSet::new);
        VacuumJob { told: Some(told), wiped, left: u64::MAX, done: Vacuumed::default() }
    }

    /// Gives back so many bytes at most; nobody waits.
    pub fn at_most(bytes: u64) -> VacuumJob {
        VacuumJob { told: None, wiped: None, left: bytes, done: Vacuumed::default() }
    }

    /// One step; whether there is more to do.
    fn run_step(&mut self, tx: &mut JobDesk<'_>) -> Result<bool, MediaError> {
        let tell = |error: MediaRowError| media_error(tx.file, &error);
        if let Some(wiped) = &mut self.wiped {
            if reclaim::free_some(tx.connection, tx.totals).map_err(tell)? {
                return Ok(true);
            }
            let bytes = wipe_free_pages(tx.connection, wiped).map_err(tell)?;
            self.done.wiped += bytes;
            if bytes == 0 {
                self.wiped = None;
            }
            return Ok(true);
        }
        let bytes = free_pages(tx.connection, self.left).map_err(tell)?;
        self.done.freed += bytes;
        self.left = self.left.saturating_sub(bytes);
        Ok(bytes > 0 && self.left > 0)
    }
}

impl Job for VacuumJob {
    fn step(&mut self, tx: &mut JobDesk<'_>) -> Next {
        let answer = match self.run_step(tx) {
            Ok(true) => return Next::After(PAUSE),
            Ok(false) => Ok(self.done),
            Err(error) => Err(error),
        };
        match &answer {
            Ok(Vacuumed { freed: 0, wiped: 0 }) => {}
            Ok(Vacuumed { freed, wiped }) => {
                log::info!(
                    "media.db: {freed} bytes are given back to the file system, {wiped} were overwritten"
                );
            }
            Err(error) => log::warn!("media.db: compacting stopped: {error}"),
        }
        if let Some(told) = self.told.take() {
            // Nobody waits any more: that is all right.
            let _ = told.send(answer);
        }
        Next::Done
    }
}

/// Overwrites pages that nothing uses with zeros, as many as one step may; `wiped` are those that are done. Tells how
/// many bytes; 0 when nothing is left.
///
/// It is done past SQLite, whose free pages have no content: a cut in the middle of it harms nothing. In a transaction,
/// so that no other program takes one of them meanwhile.
fn wipe_free_pages(connection: &Connection, wiped: &mut BTreeSet<u32>) -> Result<u64, MediaRowError> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, u32>(0));
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let (page, pages) = (number("page_size")? as usize, number("page_count")?);
    let Some(mut file) = WriterFile::from_connection(connection) else { return Ok(0) };
    let bytes = (|| {
        let mut bytes = 0;
        let mut walk = FreeListWalk::start(page, pages, &mut |at, into| file.read(at, into))?;
        while let Some(trunk) = walk.next(&mut |at, into| file.read(at, into))? {
            let whole = trunk.leaves.iter().map(|&leaf| (leaf, 0));
            let mut places: Vec<_> = whole.chain([(trunk.number, trunk.used)]).collect();
            // Neighbours go to the disk in one piece.
            places.sort_unstable();
            for (number, used) in places {
                if bytes >= WIPED_A_STEP {
                    return Ok(bytes);
                }
                if wiped.insert(number) {
                    file.wipe(u64::from(number) * page as u64 + used as u64, page - used)?;
                    bytes += page as u64;
                }
            }
        }
        Ok(bytes)
    })();
    let bytes = bytes.and_then(|bytes| file.sync().map(|()| bytes)).map_err(to_read_error)?;
    transaction.commit()?;
    // Of a trunk that SQLite has in memory the old bytes would be written again.
    connection.execute_batch("PRAGMA shrink_memory")?;
    Ok(bytes)
}

/// As SQLite would say it.
fn to_read_error(error: io::Error) -> MediaRowError {
    MediaRowError::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), Some(error.to_string()))
}

/// One step: at most so many bytes, in one transaction. Tells how many; 0 when nothing is unused.
fn free_pages(connection: &Connection, most: u64) -> Result<u64, MediaRowError> {
    let count = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (page, before) = (count("page_size")?.max(1) as u64, count("page_count")?);
    let pages = (most.div_ceil(page)).min(PAGES_A_STEP).min(count("freelist_count")?.max(0) as u64);
    if pages == 0 {
        return Ok(0);
    }
    let mut vacuum = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = vacuum.query([])?;
    while rows.next()?.is_some() {}
    drop(rows);
    Ok((before - count("page_count")?).max(0) as u64 * page)
}
