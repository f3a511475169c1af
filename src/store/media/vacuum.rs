//! Giving room back to the file system: pages from the end of the file take unused places, and the file is cut.
//!
//! Each page that is moved is written twice (the journal has its place's old content, or the pages that point to it),
//! so it is done only on request, when a limit was lowered, or when the file system has too little: otherwise new
//! items use the room, and nothing is moved. A step is one small transaction; between two there is a pause, so that a
//! card has time for what matters.

use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::MediaError;
use super::jobs::{Job, JobDesk, Next};
use super::rows::ReadError;
use super::schema::media_error;

/// Pages that a step moves at most: a megabyte of pages of 4 KiB.
const PAGES_A_STEP: u64 = 256;

/// Between two steps: at most 10 MB a second.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 1 } else { 100 });

/// The work.
pub(super) struct VacuumJob {
    told: Option<oneshot::Sender<Result<u64, MediaError>>>,
    /// Bytes that are still to be given back; it ends sooner when nothing is unused.
    left: u64,
    given: u64,
}

impl VacuumJob {
    /// Gives everything back that nothing uses.
    pub(super) fn all(told: oneshot::Sender<Result<u64, MediaError>>) -> VacuumJob {
        VacuumJob { told: Some(told), left: u64::MAX, given: 0 }
    }

    /// Gives back so many bytes at most; nobody waits.
    pub(super) fn some(bytes: u64) -> VacuumJob {
        VacuumJob { told: None, left: bytes, given: 0 }
    }
}

impl Job for VacuumJob {
    fn step(&mut self, desk: &mut JobDesk<'_>) -> Next {
        let (answer, next) = match give_back(desk.connection, self.left) {
            Ok(0) => (Ok(self.given), Next::Done),
            Ok(bytes) => {
                self.given += bytes;
                self.left = self.left.saturating_sub(bytes);
                let next = if self.left == 0 { Next::Done } else { Next::After(PAUSE) };
                (Ok(self.given), next)
            }
            Err(error) => (Err(media_error(desk.file, &error)), Next::Done),
        };
        if next == Next::Done {
            match &answer {
                Ok(0) => {}
                Ok(bytes) => log::info!("media.db: {bytes} bytes are given back to the file system"),
                Err(error) => log::warn!("media.db: no more room can be given back now: {error}"),
            }
            if let Some(told) = self.told.take() {
                // Nobody waits any more: that is all right.
                let _ = told.send(answer);
            }
        }
        next
    }
}

/// One step: at most so many bytes, in one transaction. Tells how many; 0 when nothing is unused.
fn give_back(connection: &Connection, most: u64) -> Result<u64, ReadError> {
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
