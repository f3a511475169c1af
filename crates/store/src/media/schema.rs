//! Opens `media.db`: recognizes the file and migrates older versions.
//!
//! The file has a rollback journal (TRUNCATE), `synchronous=FULL`, pages of 4 KiB and `secure_delete=FAST`. This
//! writes the fewest bytes for a byte of pictures of all measured variants (docs/decisions/0015).
//! `auto_vacuum=INCREMENTAL` costs about a hundredth, and lets room return to the file system in small steps.
//!
//! A chunk's number is `item << 32 | its number in the item`, so a recording's chunks lie together in order, without
//! an index. The small columns come first and fit into the row's own page. The pictures come last and fill separate
//! pages, which are read only for them. During a recording only chunks are written. Its sums are in its newest chunk
//! and go into the item at the end.
//!
//! Nobody else in this process may open and close the file, because that would drop SQLite's locks: POSIX locks end
//! with the first descriptor that is closed.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::MediaError;
use super::file::vfs;
use crate::sqlite::{self, FileFault, LockFault, SchemaShape};
use tallycam_base::private::{Lock, match_folder_owner};

pub(super) const FILE_NAME: &str = "media.db";

/// A new store that will replace the one being set aside.
pub(super) const NEXT_NAME: &str = "media.next.db";

/// `application_id`: "tmed".
const APPLICATION: i32 = 0x746d_6564;

pub(crate) const SHAPE: SchemaShape = SchemaShape {
    name: FILE_NAME,
    application: APPLICATION,
    migrations: MIGRATIONS,
    foreign: (
        "it is a database, but not a store of tallycam's pictures",
        "`tallycam media new` sets the file aside and begins another; from-flask.py (docs/configuration.md) takes the \
         pictures \
         of the earlier Flask program. The file is left as it is",
    ),
    damaged: DAMAGED,
};

/// `state` of an item that is there and whole.
pub(super) const THERE: i64 = 0;
/// `state` of an item that is being recorded.
pub(super) const OPEN: i64 = 1;
/// `state` of a removed item whose room is not freed yet.
pub(super) const GOING: i64 = 2;

/// Migrations from version n to n + 1. Released entries never change.
///
/// Times are microseconds: `…_us` since 1970, `…mono_us` of `CLOCK_MONOTONIC` of `boot`.
///
/// In `items`, `boot` is the boot whose clock may still move the row's times. It is null if they are sure. `mono_us`
/// is null if a user has set `at_us`, which then does not move. With `dated`, the date was given and does not move
/// with the clock. `state` is 0 for a whole item, 1 while it is recorded, and 2 after its removal.
///
/// In `chunks`, `from_us` and `to_us` count from the recording's start. `…_before` are sums over the previous chunks.
/// `step_us` is the usual time between pictures. `frames_index` is described in `frames.rs`. `filling` has zeros
/// without a meaning, see `chunks.rs`. A snapshot has one chunk, number 0.
const MIGRATIONS: &[&str] = &["
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, offset_us INTEGER NOT NULL, sure INTEGER NOT \
NULL);
CREATE TABLE items (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, kind TEXT NOT NULL, date TEXT NOT NULL,
  at_us INTEGER NOT NULL, added_us INTEGER NOT NULL, state INTEGER NOT NULL, kept INTEGER NOT NULL DEFAULT 0,
  version INTEGER NOT NULL DEFAULT 1, duration_us INTEGER NOT NULL DEFAULT 0, frames INTEGER NOT NULL DEFAULT 0,
  gaps INTEGER NOT NULL DEFAULT 0, width INTEGER NOT NULL DEFAULT 0, height INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0, camera TEXT NOT NULL, source TEXT NOT NULL, origin TEXT NOT NULL, note TEXT NOT \
  NULL,
  ended TEXT, boot INTEGER REFERENCES boots(id), mono_us INTEGER, added_mono_us INTEGER NOT NULL,
  dated INTEGER NOT NULL);
CREATE UNIQUE INDEX items_by_name ON items(name) WHERE state < 2;
CREATE INDEX items_by_time ON items(at_us, id) WHERE state < 2;
CREATE INDEX items_unsettled ON items(state, id) WHERE state > 0;
CREATE INDEX items_unsure ON items(boot) WHERE boot IS NOT NULL;
CREATE TABLE chunks (id INTEGER PRIMARY KEY, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL, frames INTEGER NOT NULL,
  bytes INTEGER NOT NULL, width INTEGER NOT NULL, height INTEGER NOT NULL, gap INTEGER NOT NULL,
  frames_before INTEGER NOT NULL, bytes_before INTEGER NOT NULL, gaps_before INTEGER NOT NULL, step_us INTEGER NOT NULL,
  frames_index BLOB NOT NULL, jpegs BLOB NOT NULL);
CREATE VIEW media AS SELECT id, date, name AS filename, kind, at_us, duration_us, frames, bytes, note, kept
  FROM items WHERE state < 2;
CREATE VIEW pictures AS SELECT items.id, items.name AS filename, chunks.jpegs AS jpeg
  FROM items JOIN chunks ON chunks.id = items.id << 32 WHERE items.state = 0 AND items.kind = 'snapshot';
", "
ALTER TABLE chunks ADD COLUMN filling BLOB;
"];

/// Cache of the writer's connection in KiB: the pages of one chunk, so that none is written twice.
const WRITER_CACHE_KIB: i64 = 2560;

/// Cache of a reader in KiB.
const READER_CACHE_KIB: i64 = 512;

/// Time that the writer waits for readers of other programs.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);

/// Time that a reader waits for the writer; a commit on a slow card takes long.
const READER_PATIENCE: Duration = Duration::from_secs(10);

/// Opens `file` for its only writer. Creates or migrates it if necessary.
pub(crate) fn open_to_write(file: &Path) -> Result<Connection, MediaError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = vfs::open(file, flags).map_err(|e| media_error(file, &e))?;
    // Before the journal exists, because SQLite gives the journal the same owner.
    match_folder_owner(file);
    let opened = (|| {
        connection.busy_timeout(WRITER_PATIENCE)?;
        let version = SHAPE.identify(&connection)?;
        if let Ok(version) = version {
            if version == 0 {
                connection.pragma_update(None, "page_size", 4096)?;
                connection.pragma_update(None, "auto_vacuum", "incremental")?;
            }
            connection.pragma_update(None, "journal_mode", "truncate")?;
            connection.pragma_update(None, "synchronous", "full")?;
            // Zeroes deleted rows in pages that are written anyway; freed pages are not touched.
            connection.pragma_update(None, "secure_delete", "fast")?;
            connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
            // A page that is written before its transaction ends is written twice.
            connection.pragma_update(None, "cache_spill", false)?;
            SHAPE.migrate(&mut connection, version)?;
        }
        Ok(version)
    })();
    SHAPE.accept(file, opened.map_err(|error| media_error(file, &error))?)?;
    Ok(connection)
}

/// Opens `file` for reading only; it must have the newest version.
pub(super) fn open_to_read(file: &Path) -> Result<Connection, MediaError> {
    if !file.exists() {
        return Err(MediaError::File {
            file: file.to_owned(),
            reason: String::from("nothing is stored yet"),
            hint: Some(String::from("it is made when `tallycam serve` starts")),
        });
    }
    let open = |flags| {
        let connection = vfs::open(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(READER_PATIENCE)?;
        connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
        let identified = SHAPE.identify(&connection)?;
        Ok((connection, identified))
    };
    let mut opened = open(OpenFlags::SQLITE_OPEN_READ_ONLY);
    if opened.as_ref().is_err_and(needs_journal_replay) {
        // A write was interrupted, and nobody has opened the file since. The first reader rolls it back.
        opened = open(OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|_| open(OpenFlags::SQLITE_OPEN_READ_ONLY));
    }
    let (connection, identified) = opened.map_err(|error| media_error(file, &error))?;
    let version = SHAPE.accept(file, identified)?;
    if version == 0 {
        return Err(MediaError::File {
            file: file.to_owned(),
            reason: String::from("nothing is stored yet: the file is empty"),
            hint: Some(String::from("what is kept first makes a store of it")),
        });
    }
    SHAPE.accept_newest(file, version)?;
    Ok(connection)
}

/// Whether a read-only connection is refused because a journal must be played back first.
fn needs_journal_replay(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// Locks `directory` against a second writer. Creates it if it is missing.
pub(super) fn lock(directory: &Path) -> Result<Lock, MediaError> {
    sqlite::lock(directory, "media.lock").map_err(|fault| match fault {
        LockFault::Taken(file) => MediaError::Locked { file },
        LockFault::Unusable(fault) => fault.into(),
    })
}

impl From<FileFault> for MediaError {
    fn from(FileFault { file, reason, hint, is_full: _ }: FileFault) -> MediaError {
        MediaError::File { file, reason, hint: hint.map(str::to_owned) }
    }
}

/// The remedy for a file that SQLite finds damaged.
pub(super) const DAMAGED: &str = "the file is damaged and left as it is: `tallycam media check` says what can be \
    saved; \
                                  `tallycam media new` sets it aside and begins another";

/// The remedy for a file that the check cannot read at all.
const UNREADABLE: &str = "the file is left as it is; nothing of it can be checked. `tallycam media new` sets it aside \
    and \
                          begins another; `.recover` of the program sqlite3 reads what can be read of the one set \
                          aside";

/// Replaces the hint to run a check, for errors of the check itself.
pub(super) fn without_check_hint(error: MediaError) -> MediaError {
    match error {
        MediaError::File { file, reason, hint } if hint.as_deref() == Some(DAMAGED) => {
            MediaError::File { file, reason, hint: Some(UNREADABLE.to_owned()) }
        }
        other => other,
    }
}

/// SQLite's error with the remedy for it.
pub(super) fn media_error(file: &Path, error: &rusqlite::Error) -> MediaError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => MediaError::Full,
        _ => SHAPE.fault(file, error).into(),
    }
}

/// The number of a chunk in the file.
pub(super) fn chunk_id(item: u64, number: u64) -> i64 {
    ((item as i64) << 32) | (number as i64 & 0xffff_ffff)
}

/// The number in its item of a chunk in the file.
pub(super) fn chunk_number(id: i64) -> u64 {
    id as u64 & 0xffff_ffff
}
