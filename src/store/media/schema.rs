//! The file's shape: opening it, knowing it for a store of pictures, and bringing older ones up to date.
//!
//! Rollback journal (TRUNCATE), `synchronous=FULL`, pages of 4 KiB, `secure_delete=FAST`: of all that was tried this
//! has the fewest bytes reach the disk for a byte of pictures (DESIGN §9). `auto_vacuum=INCREMENTAL` costs about a
//! hundredth and lets room go back to the file system in small steps.
//!
//! A chunk's number is `item << 32 | its number in the item`, so that a recording's chunks lie together in their order
//! and no index is written with them. The small columns come first and fit into the row's own page; the pictures come
//! last and fill pages of their own, which are read only for them. Of a recording under way nothing but chunks is
//! written: its sums are in its newest chunk, and go into the item at its end.
//!
//! Nobody else in this process may open and close the file: that would take SQLite's locks away (POSIX locks go with
//! the first descriptor that is closed).

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::MediaError;
use super::file::vfs;
use crate::base::private::{Lock, match_folder_owner};
use crate::store::sqlite::{self, FileFault, LockFault, SchemaShape};

/// The store's name in its directory.
pub(super) const FILE_NAME: &str = "media.db";

/// A new store that is to take the place of the one that is set aside.
pub(super) const NEXT_NAME: &str = "media.next.db";

/// `application_id`: "tmed".
const APPLICATION: i32 = 0x746d_6564;

/// What the file is known by.
pub(in crate::store) const SHAPE: SchemaShape = SchemaShape {
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

/// `state` in the file: the item is there and whole.
pub(super) const THERE: i64 = 0;
/// It is being recorded.
pub(super) const OPEN: i64 = 1;
/// It is gone; what is left of it is room to be freed.
pub(super) const GOING: i64 = 2;

/// What brings a file from version n to n + 1. Entries are never changed once released.
///
/// Times are microseconds: `…_us` since 1970, `…mono_us` of `CLOCK_MONOTONIC` of `boot`. `boot`: whose clock may still
/// move the row's times; none: they are sure. No `mono_us`: somebody has set `at_us`, and it does not move. `dated`:
/// the date was given by somebody and does not move with the clock. `state`: 0 there, 1 being recorded, 2 going. In
/// `chunks`: `from_us` and `to_us` since the recording's beginning; `…_before`: sums over the chunks before this one;
/// `step_us`: the usual time from one picture to the next; `frames_index`: see `frames.rs`; `filling`: zeros that mean
/// nothing, see `chunks.rs`. A snapshot has one chunk, number 0.
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

/// KiB of pages that the writer's connection holds: those of one chunk, so that none is written twice.
const WRITER_CACHE_KIB: i64 = 2560;

/// KiB of pages that a reader holds.
const READER_CACHE_KIB: i64 = 512;

/// How long the writer waits for readers of other programs.
const WRITER_PATIENCE: Duration = Duration::from_secs(2);

/// How long a reader waits for the writer: a commit on a slow card takes its time.
const READER_PATIENCE: Duration = Duration::from_secs(10);

/// Opens `file` for its one writer, made and migrated where need be.
pub(super) fn open_to_write(file: &Path) -> Result<Connection, MediaError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = vfs::open(file, flags).map_err(|e| media_error(file, &e))?;
    // Before there is a journal, which SQLite makes for the same user.
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
            // Zeroes deleted rows where their page is written anyway; pages that become free are left.
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

/// Opens `file` for reading only; it must be of this version.
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
        // A write was cut off and nobody has opened the file since: whoever reads first takes it back.
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

/// Whether a read-only connection is refused because a journal has to be played back first.
fn needs_journal_replay(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(code, _) if code.extended_code == ffi::SQLITE_READONLY_ROLLBACK)
}

/// Keeps a second writer away from `directory`, which is made if it is not there.
pub(super) fn lock(directory: &Path) -> Result<Lock, MediaError> {
    sqlite::lock(directory, "media.lock").map_err(|fault| match fault {
        LockFault::Taken(file) => MediaError::Locked { file },
        LockFault::Unusable(fault) => fault.into(),
    })
}

impl From<FileFault> for MediaError {
    fn from(FileFault { file, reason, hint }: FileFault) -> MediaError {
        MediaError::File { file, reason, hint: hint.map(str::to_owned) }
    }
}

/// What can be done about a file that SQLite finds damaged.
pub(super) const DAMAGED: &str = "the file is damaged and left as it is: `tallycam media check` says what can be \
    saved; \
                                  `tallycam media new` sets it aside and begins another";

/// What can be done about one of which a check could read nothing.
const UNREADABLE: &str = "the file is left as it is; nothing of it can be checked. `tallycam media new` sets it aside \
    and \
                          begins another; `.recover` of the program sqlite3 reads what can be read of the one set \
                          aside";

/// What is said where a check itself ends so: it is not sent back to where it comes from.
pub(super) fn without_check_hint(error: MediaError) -> MediaError {
    match error {
        MediaError::File { file, reason, hint } if hint.as_deref() == Some(DAMAGED) => {
            MediaError::File { file, reason, hint: Some(UNREADABLE.to_owned()) }
        }
        other => other,
    }
}

/// What SQLite said, with what the user can do about it.
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
