//! The context and the result of an edit: the writer's connection and state, within its transaction.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;
use rusqlite::Connection;

use crate::clock_correction::WallClock;
use crate::media::MediaError;
use crate::media::retention::reclaim;
use crate::media::rows::{MediaRowError, StoredSums};
use crate::media::storage::{self, Totals};
use tallycam_base::{ClockTime, ballast};

/// An edit within the transaction. Returns the function that reports the outcome of the commit. Called with an error,
/// it only passes that error to its caller.
pub(crate) type MediaJob = Box<
    dyn FnOnce(Result<&mut MediaTransaction<'_>, MediaError>) -> Result<MediaOnCommit, MediaFault> + Send,
>;

/// Reports the outcome to the waiting caller.
pub(crate) type MediaOnCommit = Box<dyn FnOnce(Result<(), MediaError>) + Send>;

/// The context of an edit.
pub(crate) struct MediaTransaction<'a> {
    /// The writer's connection, within a transaction.
    pub connection: &'a Connection,
    /// The path of the store, for messages.
    pub file: &'a Path,
    pub now: ClockTime,
    /// The number of this boot's row.
    pub boot: i64,
    pub camera: &'a str,
    pub zone: &'a TimeZone,
    /// Bytes that stay free on the file system.
    pub min_free: Option<u64>,
    /// The writer's state if this turn commits.
    pub state: &'a mut MediaState,
    /// Bytes of pictures that this turn has stored.
    pub written: u64,
    /// Largest number of picture bytes that did not fit at once.
    pub refused: u64,
    /// The list of items has changed.
    pub is_changed: bool,
}

/// Why an edit failed.
#[derive(Debug)]
pub(crate) enum MediaFault {
    /// The edit is invalid; only it is refused.
    Edit(MediaError),
    /// The file failed, and with it the whole turn.
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
    /// The wall time of a stamp by this boot's clock. It is the stamp's own, unless the clock was set after it.
    pub fn wall_us(&self, stamp: ClockTime) -> i64 {
        let wall_us = self.state.wall.wall_us(stamp.monotonic_us as i64);
        let own_us = stamp.wall_us as i64;
        if (own_us - wall_us).abs() <= 1_000_000 { own_us } else { wall_us }
    }

    /// Gives a change that stores no pictures the room of the ballast, if the disk is full.
    pub(crate) fn allow_ballast(&self) {
        ballast::release_if_full(self.file.parent().unwrap_or(Path::new(".")));
    }

    /// Ensures that `bytes` of pictures fit without taking the room of `min_free`. Frees removed items if necessary.
    pub(crate) fn require_space(&mut self, bytes: u64) -> Result<(), MediaFault> {
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

/// Bytes by which the file would have to grow for `bytes` of pictures, if the file system has no room for that beside
/// `min_free`; 0 if they fit.
pub fn lacking(
    connection: &Connection,
    directory: &Path,
    min_free: Option<u64>,
    bytes: u64,
) -> Result<u64, MediaRowError> {
    let least =
        min_free.unwrap_or(0).max(ballast::LAST_BYTES).saturating_add(ballast::missing_bytes(directory));
    // Includes pages of rows and trees.
    let bytes = bytes + bytes / 16 + 65_536;
    let growth = bytes.saturating_sub(storage::pages(connection)?.1);
    let has_room =
        growth == 0 || ballast::space(directory).is_none_or(|(free, _)| free >= least.saturating_add(growth));
    Ok(if has_room { 0 } else { growth })
}

/// The writer's state, which a turn changes only if it commits.
#[derive(Debug, Clone)]
pub(crate) struct MediaState {
    pub wall: WallClock,
    /// Recordings under way with their sums.
    pub recordings: BTreeMap<u64, StoredSums>,
    pub totals: Totals,
    /// Removed items remain to be freed.
    pub is_freeing: bool,
}
