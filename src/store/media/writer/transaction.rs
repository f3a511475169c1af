//! What a change works with, and what becomes of it: the writer's connection and state, within its transaction.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::base::ClockTime;
use crate::store::clock_correction::WallClock;
use crate::store::media::MediaError;
use crate::store::media::retention::reclaim;
use crate::store::media::rows::{MediaRowError, StoredSums};
use crate::store::media::storage::{self, Totals};

/// Pictures never take the last of the file system: removing something needs a journal.
const LAST_BYTES: u64 = 1 << 20;

/// A change, made within the transaction. It gives what is to be told once the commit is known. Called with an error it
/// is not made, and whoever waits is told why.
pub type MediaJob = Box<
    dyn FnOnce(Result<&mut MediaTransaction<'_>, MediaError>) -> Result<MediaOnCommit, MediaFault> + Send,
>;

/// Tells whoever waits how it ended.
pub type MediaOnCommit = Box<dyn FnOnce(Result<(), MediaError>) + Send>;

/// What an edit works with.
pub struct MediaTransaction<'a> {
    /// The writer's connection, within a transaction.
    pub connection: &'a Connection,
    /// The store's file, for words about it.
    pub file: &'a Path,
    /// The present moment.
    pub now: ClockTime,
    /// This boot's row.
    pub boot: i64,
    pub camera: &'a str,
    pub zone: &'a TimeZone,
    /// Bytes that the file system is to keep free.
    pub min_free: Option<u64>,
    /// What the writer will believe if this turn is committed.
    pub state: &'a mut MediaState,
    /// Bytes of pictures that this turn has put on record.
    pub written: u64,
    /// Bytes of pictures that were refused for want of room, the most at once.
    pub refused: u64,
    /// Whether the list of items has been changed.
    pub is_changed: bool,
}

/// Why an edit was not made.
#[derive(Debug)]
pub enum MediaFault {
    /// It is wrong: only it is refused.
    Edit(MediaError),
    /// The file does not take it: the whole turn has failed.
    File(MediaRowError),
}

impl From<MediaError> for MediaFault {
    fn from(error: MediaError) -> MediaFault {
        MediaFault::Edit(error)
    }
}

impl From<MediaRowError> for MediaFault {
    fn from(error: MediaRowError) -> MediaFault {
        MediaFault::File(error)
    }
}

impl MediaTransaction<'_> {
    /// The wall time of a stamp by this boot's clock. That of the stamp itself, unless the clock was set after it.
    pub fn wall_us(&self, stamp: ClockTime) -> i64 {
        let wall_us = self.state.wall.wall_us(stamp.monotonic_us as i64);
        let own_us = stamp.wall_us as i64;
        if (own_us - wall_us).abs() <= 1_000_000 { own_us } else { wall_us }
    }

    /// Sees to it that `bytes` of pictures find room without taking what the file system is to keep free; frees for it
    /// what is going.
    pub fn require_space(&mut self, bytes: u64) -> Result<(), MediaFault> {
        self.written += bytes;
        let directory = self.file.parent().unwrap_or(Path::new("."));
        let lacks = |connection: &Connection| lacking(connection, directory, self.min_free, bytes);
        let missing = lacks(self.connection)?;
        if missing == 0 {
            return Ok(());
        }
        if self.state.is_freeing {
            self.state.is_freeing = reclaim::free_up_to(self.connection, missing, &mut self.state.totals)?;
        }
        if lacks(self.connection)? == 0 {
            return Ok(());
        }
        self.refused = self.refused.max(bytes);
        Err(MediaFault::Edit(MediaError::Full))
    }
}

/// By how much the file would have to grow for `bytes` of pictures where the file system has no room for that beside
/// `min_free`; 0: they find room.
pub fn lacking(
    connection: &Connection,
    directory: &Path,
    min_free: Option<u64>,
    bytes: u64,
) -> Result<u64, MediaRowError> {
    let least = min_free.unwrap_or(0).max(LAST_BYTES);
    // Pages of rows and trees, too.
    let bytes = bytes + bytes / 16 + 65_536;
    let growth = bytes.saturating_sub(storage::pages(connection)?.1);
    let has_room = growth == 0
        || storage::file_system_space(directory).is_none_or(|(free, _)| free >= least.saturating_add(growth));
    Ok(if has_room { 0 } else { growth })
}

/// What the writer believes, changed by a turn only if that is committed.
#[derive(Debug, Clone)]
pub struct MediaState {
    pub wall: WallClock,
    /// Recordings under way and what they have come to.
    pub recordings: BTreeMap<u64, StoredSums>,
    pub totals: Totals,
    /// Whether something is going.
    pub is_freeing: bool,
}
