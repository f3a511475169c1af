//! The file's shape: opening it, knowing it for a ledger, and bringing older ones up to date.
//!
//! `PRAGMA user_version` is the number of the newest migration a file has had; each is one
//! transaction. A file that is newer, damaged or not a ledger is refused and left as it is.
//!
//! Journal mode WAL with `synchronous=FULL`: a commit is one append to the log and one `fsync`, so
//! it stays through a power cut, and it writes each touched page once (a rollback journal writes
//! the old page, the new page and two headers, and holds the writer up while anybody reads).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;

/// The ledger's name in its directory.
pub(super) const FILE_NAME: &str = "counts.db";

/// `application_id`: "taly".
const APPLICATION: i32 = 0x7461_6c79;

/// What brings a file from version n to n + 1. Entries are never changed once released.
///
/// Times are microseconds: `wall_us` since 1970, `mono_us` of `CLOCK_MONOTONIC` of the run's boot.
/// `sure`: the wall time will not be mended any more.
const MIGRATIONS: &[&str] = &["
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, offset_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE runs (id INTEGER PRIMARY KEY AUTOINCREMENT, boot INTEGER NOT NULL REFERENCES boots(id),
  camera TEXT NOT NULL, ended INTEGER NOT NULL DEFAULT 0);
CREATE TABLE lines (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, scene TEXT, name TEXT NOT NULL,
  ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL,
  in_name TEXT NOT NULL, out_name TEXT NOT NULL, classes TEXT NOT NULL, anchor TEXT NOT NULL, recrossing TEXT NOT NULL,
  pinned TEXT, deleted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE line_changes (id INTEGER PRIMARY KEY, line INTEGER NOT NULL REFERENCES lines(id), what TEXT NOT NULL,
  ax REAL NOT NULL, ay REAL NOT NULL, bx REAL NOT NULL, by REAL NOT NULL, anchor TEXT NOT NULL,
  run INTEGER NOT NULL REFERENCES runs(id), mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE INDEX line_changes_of ON line_changes(line);
CREATE TABLE zones (id INTEGER PRIMARY KEY AUTOINCREMENT, version INTEGER NOT NULL, scene TEXT, name TEXT NOT NULL,
  points TEXT NOT NULL, classes TEXT NOT NULL, anchor TEXT NOT NULL, pinned TEXT, deleted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE crossings (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id),
  scene TEXT NOT NULL, line INTEGER NOT NULL REFERENCES lines(id), track INTEGER NOT NULL, ordinal INTEGER NOT NULL,
  class TEXT NOT NULL, direction TEXT NOT NULL, score REAL NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL,
  UNIQUE (run, line, track, ordinal));
CREATE TABLE thumbnails (crossing INTEGER PRIMARY KEY REFERENCES crossings(id), jpeg BLOB NOT NULL);
CREATE TABLE hourly (scene TEXT NOT NULL, start_us INTEGER NOT NULL, line INTEGER NOT NULL, class TEXT NOT NULL,
  direction TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (scene, start_us, line, class, direction)) WITHOUT ROWID;
CREATE TABLE daily (scene TEXT NOT NULL, start_us INTEGER NOT NULL, line INTEGER NOT NULL, class TEXT NOT NULL,
  direction TEXT NOT NULL, count INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (scene, start_us, line, class, direction)) WITHOUT ROWID;
CREATE TABLE spans (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT, state TEXT NOT NULL,
  from_mono_us INTEGER NOT NULL, to_mono_us INTEGER NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
  sure INTEGER NOT NULL);
CREATE INDEX spans_by_end ON spans(to_us);
CREATE TABLE resets (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  line INTEGER REFERENCES lines(id), after INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
"];

/// Opens `file` for its one writer, made and migrated where need be.
pub(super) fn open_to_write(file: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags).map_err(|e| store_error(file, &e))?;
    let opened = (|| {
        connection.busy_timeout(Duration::from_secs(2))?;
        let version = identify(&connection)?;
        if let Ok(version) = version {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            // A log that one long reader made grow gives its place back afterwards.
            connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
            migrate(&mut connection, version)?;
        }
        Ok(version)
    })();
    refuse(file, opened)?;
    Ok(connection)
}

/// Opens `file` for reading only; it must be of this version.
pub(super) fn open_to_read(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(|e| store_error(file, &e))?;
    let opened = (|| {
        connection.busy_timeout(Duration::from_secs(2))?;
        identify(&connection)
    })();
    let version = refuse(file, opened)?;
    if version < MIGRATIONS.len() {
        return Err(StoreError::File {
            file: file.to_owned(),
            reason: String::from("an older tallycam wrote it, and it has not been brought up to date"),
            hint: Some(String::from("start `tallycam serve` once: it does that")),
        });
    }
    Ok(connection)
}

/// Why a file that SQLite can read is not used.
#[derive(Debug, Clone, Copy)]
enum Foreign {
    Newer,
    NoLedger,
}

fn refuse(file: &Path, opened: rusqlite::Result<Result<usize, Foreign>>) -> Result<usize, StoreError> {
    let (reason, hint) = match opened {
        Ok(Ok(version)) => return Ok(version),
        Ok(Err(Foreign::Newer)) => (
            "it was written by a newer tallycam",
            "install that version again, or give this one another state directory; the file is left as it is",
        ),
        Ok(Err(Foreign::NoLedger)) => (
            "it is a database, but not a ledger of tallycam",
            "move it away, or give tallycam another state directory; the file is left as it is",
        ),
        Err(error) => return Err(store_error(file, &error)),
    };
    Err(StoreError::File { file: file.to_owned(), reason: reason.to_owned(), hint: Some(hint.to_owned()) })
}

/// The version of the file; 0 for an empty one.
fn identify(connection: &Connection) -> rusqlite::Result<Result<usize, Foreign>> {
    let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (pragma("application_id")?, pragma("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != APPLICATION && (tables > 0 || version != 0 || application != 0) {
        return Ok(Err(Foreign::NoLedger));
    }
    match usize::try_from(version) {
        Ok(version) if version <= MIGRATIONS.len() => Ok(Ok(version)),
        _ => Ok(Err(Foreign::Newer)),
    }
}

fn migrate(connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
    for (from, step) in MIGRATIONS.iter().enumerate().skip(version) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION)?;
        transaction.pragma_update(None, "user_version", from as i64 + 1)?;
        transaction.commit()?;
        if from > 0 {
            log::info!("counts.db: brought from version {from} to {}", from + 1);
        }
    }
    Ok(())
}

/// Keeps a second writer away from the directory while it lives.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes the lock of `directory`, which is made if it is not there.
    pub(super) fn take(directory: &Path) -> Result<Lock, StoreError> {
        let file: PathBuf = directory.join("counts.lock");
        let opened = std::fs::create_dir_all(directory)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&file));
        let lock = opened.map_err(|error| StoreError::File {
            file: directory.to_owned(),
            reason: format!("nothing can be kept there: {error}"),
            hint: Some(String::from("give the daemon a state directory that it may write to")),
        })?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(lock)),
            Err(_) => Err(StoreError::File {
                file,
                reason: String::from("another tallycam keeps its counts there"),
                hint: Some(String::from("end it, or give each its own state directory")),
            }),
        }
    }
}

/// What SQLite said, with what the user can do about it.
pub(super) fn store_error(file: &Path, error: &rusqlite::Error) -> StoreError {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Some("make room on the disk; it is tried again by itself"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Some(
            "the file is damaged and left as it is: move it away to begin a new ledger, and keep it \
             (`sqlite3 counts.db .recover` saves what can be read)",
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
            Some("let the daemon's user read and write the file and its directory")
        }
        Some(ErrorCode::SystemIoFailure) => Some("look at the disk (`dmesg`): it does not take or give data"),
        _ => None,
    };
    StoreError::File { file: file.to_owned(), reason: error.to_string(), hint: hint.map(str::to_owned) }
}
