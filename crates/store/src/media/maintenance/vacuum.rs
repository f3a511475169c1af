//! Returns room to the file system: pages from the end of the file move to unused places, and the file is cut. On
//! request it first overwrites deleted data ([`wipe_free_pages`]).
//!
//! Each moved page is written twice: the journal gets the old content of its place, or the pages that point to it.
//! Room is therefore returned only on request, after stricter limits, or when the file system has too little.
//! Otherwise new items use the room. A step is one small transaction, followed by a pause, so that a card has time
//! for other writes.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior, ffi};
use tokio::sync::oneshot;

use super::jobs::{Job, JobDesk, Next};
use crate::media::file::free_list::FreeListWalk;
use crate::media::file::vfs::WriterFile;
use crate::media::retention::reclaim;
use crate::media::rows::MediaRowError;
use crate::media::schema::media_error;
use crate::media::{MediaError, Vacuumed};

/// Maximum number of pages that a step moves: a megabyte of pages of 4 KiB.
const PAGES_A_STEP: u64 = 256;

/// Approximate bytes that a step overwrites.
const WIPED_A_STEP: u64 = 1 << 20;

/// Pause between two steps, for at most 10 MB a second.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });

pub(crate) struct VacuumJob {
    told: Option<oneshot::Sender<Result<Vacuumed, MediaError>>>,
    /// While deleted data is overwritten: the pages that are done.
    wiped: Option<BTreeSet<u32>>,
    /// Bytes that are still to be returned. The job ends earlier if no room is unused.
    left: u64,
    done: Vacuumed,
}

impl VacuumJob {
    /// Returns all unused room. `wipe` overwrites it first.
    pub fn everything(wipe: bool, told: oneshot::Sender<Result<Vacuumed, MediaError>>) -> VacuumJob {
        let wiped = wipe.then(BTreeSet::new);
        VacuumJob { told: Some(told), wiped, left: u64::MAX, done: Vacuumed::default() }
    }

    /// Returns at most `bytes` bytes; nobody waits for it.
    pub fn at_most(bytes: u64) -> VacuumJob {
        VacuumJob { told: None, wiped: None, left: bytes, done: Vacuumed::default() }
    }

    /// Runs one step. True if there is more to do.
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
            // Dropped if the caller has gone.
            let _ = told.send(answer);
        }
        Next::Done
    }
}

/// Overwrites unused pages with zeros, as many as one step may. `wiped` has the pages that are done. Returns the
/// number of bytes; 0 when nothing is left.
///
/// The writes bypass SQLite, whose free pages have no content, so a power cut does no harm. They run in a
/// transaction, so that no other program uses such a page meanwhile.
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
            // Neighbours are written together.
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
    // Drops cached trunk pages, because SQLite would write their old bytes again.
    connection.execute_batch("PRAGMA shrink_memory")?;
    Ok(bytes)
}

/// Converts to SQLite's error type.
fn to_read_error(error: io::Error) -> MediaRowError {
    MediaRowError::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_WRITE), Some(error.to_string()))
}

/// Runs one step: returns at most `most` bytes to the file system, in one transaction. Returns their number; 0 if no
/// room is unused.
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
