//! Opens `counts.db`: recognizes the file and migrates older versions.
//!
//! `PRAGMA user_version` is the number of the file's last migration. Each migration is one transaction. A file that
//! is newer, damaged or foreign is refused and left unchanged.
//!
//! The journal mode is WAL with `synchronous=FULL`. A commit is one append to the log and one `fsync`, so it survives
//! a power cut, and writes each touched page once. A rollback journal would write the old page, the new page and two
//! headers, and block the writer during reads.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::StoreError;
use super::sqlite::{self, FileFault, LockFault, SchemaShape};
use tallycam_base::private::{Lock, match_folder_owner};
use tallycam_base::{Fault, FaultKind};

pub(crate) const FILE_NAME: &str = "counts.db";

/// `application_id`: "taly".
const APPLICATION: i32 = 0x7461_6c79;

pub(crate) const SHAPE: SchemaShape = SchemaShape {
    name: FILE_NAME,
    application: APPLICATION,
    migrations: MIGRATIONS,
    foreign: (
        "it is a database, but not a counts database of tallycam",
        "move it away, or give tallycam another state directory; the file is left as it is",
    ),
    damaged: "the file is damaged and left as it is: move it away to start a new one, and keep it \
              (`sqlite3 counts.db .recover` saves what can be read)",
};

/// Migrations from version n to n + 1. Released entries never change.
///
/// Times are microseconds: `wall_us` since 1970, `mono_us` of `CLOCK_MONOTONIC` of the run's boot. `sure`: the wall
/// time is final.
const MIGRATIONS: &[&str] = &["
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE boots (id INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, offset_us INTEGER NOT NULL, sure INTEGER NOT \
NULL);
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
CREATE TABLE resets (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT \
NULL,
  line INTEGER REFERENCES lines(id), after INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
", "
CREATE TABLE recounts (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL UNIQUE REFERENCES runs(id),
  scene TEXT NOT NULL, recording TEXT NOT NULL, model TEXT NOT NULL, lines TEXT NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE TABLE recount_spans (recount INTEGER NOT NULL REFERENCES recounts(id), scene TEXT NOT NULL,
  from_us INTEGER NOT NULL, to_us INTEGER NOT NULL);
CREATE INDEX recount_spans_by_end ON recount_spans(to_us);
CREATE TABLE superseded (id INTEGER PRIMARY KEY, recount INTEGER NOT NULL REFERENCES recounts(id),
  run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL, line INTEGER NOT NULL REFERENCES lines(id),
  track INTEGER NOT NULL, ordinal INTEGER NOT NULL, class TEXT NOT NULL, direction TEXT NOT NULL, score REAL NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL, jpeg BLOB);
", "
-- Bounds of days were too narrow after a recount that found as many as before. The next one did not see what that had
-- found and was added to it: what should have given way does so now. A recount that said the same as the one before it
-- has neither crossings nor taken any place; what it confirmed stays. Without a calendar all sums are made again.
INSERT INTO superseded (id, recount, run, scene, line, track, ordinal, class, direction, score, mono_us, wall_us, \
sure, jpeg)
  SELECT c.id, min(later.id), c.run, c.scene, c.line, c.track, c.ordinal, c.class, c.direction, c.score, c.mono_us,
    c.wall_us, c.sure, (SELECT jpeg FROM thumbnails WHERE crossing = c.id)
  FROM recounts own JOIN crossings c ON c.run = own.run
    JOIN recounts later ON later.id > own.id AND later.scene = c.scene
    JOIN recount_spans s ON s.recount = later.id AND c.wall_us >= s.from_us AND c.wall_us <= s.to_us
  WHERE c.sure AND EXISTS (SELECT 1 FROM json_each(later.lines) WHERE json_extract(value, '$[0]') = c.line)
    AND (EXISTS (SELECT 1 FROM crossings WHERE run = later.run)
      OR EXISTS (SELECT 1 FROM superseded WHERE recount = later.id OR run = later.run))
  GROUP BY c.id;
DELETE FROM thumbnails WHERE crossing IN (SELECT id FROM superseded);
DELETE FROM crossings WHERE id IN (SELECT id FROM superseded);
DELETE FROM settings WHERE key = 'calendar';
", "
CREATE TABLE audit (id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL REFERENCES runs(id), kind TEXT NOT NULL,
  who TEXT NOT NULL, role TEXT NOT NULL, address TEXT NOT NULL, browser TEXT NOT NULL, method TEXT NOT NULL,
  route TEXT NOT NULL, what TEXT NOT NULL, count INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL);
CREATE INDEX audit_of_kind ON audit(kind, id);
CREATE INDEX audit_by_moment ON audit(mono_us);
CREATE INDEX audit_by_age ON audit(wall_us);
", "
ALTER TABLE zones ADD COLUMN exclude INTEGER NOT NULL DEFAULT 0;
CREATE TABLE occupancy (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  zone INTEGER NOT NULL, watched_us INTEGER NOT NULL, inside_us INTEGER NOT NULL, most INTEGER NOT NULL,
  most_after_us INTEGER NOT NULL, mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL, sure INTEGER NOT NULL,
  UNIQUE (run, zone, mono_us));
CREATE INDEX occupancy_by_moment ON occupancy(zone, wall_us);
INSERT OR IGNORE INTO settings SELECT 'first_start_done', '1' WHERE EXISTS (SELECT 1 FROM crossings);
", "
-- What is inside a line since then; without it the row sets all of its counters to zero.
ALTER TABLE resets ADD COLUMN inside INTEGER;
", "
-- A number from the sequence of the ids: when the row's time was corrected, or when a recount took its place.
ALTER TABLE crossings ADD COLUMN revised INTEGER;
CREATE INDEX crossings_revised ON crossings(revised) WHERE revised IS NOT NULL;
ALTER TABLE superseded ADD COLUMN revised INTEGER;
CREATE INDEX superseded_revised ON superseded(revised) WHERE revised IS NOT NULL;
-- What a line's total was before a recount took some of its crossings back.
CREATE TABLE least_totals (scene TEXT NOT NULL, line INTEGER NOT NULL, direction TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (scene, line, direction)) WITHOUT ROWID;
", "
-- Marks by people: 1, it did not happen; and 2, the sums leave it out.
ALTER TABLE crossings ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
CREATE INDEX crossings_excluded ON crossings(wall_us) WHERE mark = 2;
", "
-- Checks: what somebody tapped, and what was counted then; the texts are JSON.
CREATE TABLE checks (id INTEGER PRIMARY KEY AUTOINCREMENT, line INTEGER NOT NULL REFERENCES lines(id),
  version INTEGER NOT NULL, drawn TEXT NOT NULL, scene TEXT NOT NULL, from_us INTEGER NOT NULL, to_us INTEGER NOT NULL,
  made_us INTEGER NOT NULL, recording INTEGER, setup TEXT NOT NULL, left_out TEXT NOT NULL, taps TEXT NOT NULL,
  crossings TEXT NOT NULL, advice TEXT);
ALTER TABLE superseded ADD COLUMN mark INTEGER NOT NULL DEFAULT 0;
CREATE INDEX crossings_marked ON crossings(line, wall_us) WHERE mark > 0;
", "
-- Stays in zones that have ended. Their order is that of time, so that a row is a single change of a page.
CREATE TABLE stays (wall_us INTEGER NOT NULL, zone INTEGER NOT NULL, run INTEGER NOT NULL REFERENCES runs(id),
  track INTEGER NOT NULL, scene TEXT NOT NULL, class TEXT NOT NULL, length_ms INTEGER NOT NULL, cut INTEGER NOT NULL,
  mono_us INTEGER NOT NULL, sure INTEGER NOT NULL, PRIMARY KEY (wall_us, zone, run, track)) WITHOUT ROWID;
-- How many objects came into each cell of the picture, in an hour of a run.
CREATE TABLE movement (id INTEGER PRIMARY KEY, run INTEGER NOT NULL REFERENCES runs(id), scene TEXT NOT NULL,
  picture TEXT NOT NULL, cells BLOB NOT NULL, mono_us INTEGER NOT NULL, wall_us INTEGER NOT NULL,
  sure INTEGER NOT NULL);
CREATE INDEX movement_by_moment ON movement(wall_us);
CREATE INDEX movement_unsure ON movement(run) WHERE NOT sure;
CREATE INDEX stays_unsure ON stays(run) WHERE NOT sure;
-- The distance in metres between two lines, for speeds.
CREATE TABLE distances (line INTEGER PRIMARY KEY REFERENCES lines(id), other INTEGER NOT NULL REFERENCES lines(id),
  metres REAL NOT NULL);
-- The first and second side of a zone on the ground, in metres, and the speed of a crossing there in 100 m/h.
ALTER TABLE zones ADD COLUMN width REAL;
ALTER TABLE zones ADD COLUMN depth REAL;
ALTER TABLE crossings ADD COLUMN speed INTEGER;
"];

/// Opens `file` for its only writer. Creates or migrates it if necessary.
pub(crate) fn open_to_write(file: &Path) -> Result<Connection, StoreError> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection =
        sqlite::open_private(file, flags, |file, flags| Connection::open_with_flags(file, flags))
            .map_err(|e| store_error(file, &e))?;
    // Before the log exists, because SQLite gives the log the same owner.
    match_folder_owner(file);
    let opened = (|| {
        connection.busy_timeout(Duration::from_secs(2))?;
        let version = SHAPE.identify(&connection)?;
        if let Ok(version) = version {
            connection.pragma_update(None, "journal_mode", "wal")?;
            connection.pragma_update(None, "synchronous", "full")?;
            // The log shrinks again after a long reader has made it grow.
            connection.pragma_update(None, "journal_size_limit", 4 << 20)?;
            SHAPE.migrate(&mut connection, version)?;
            check_integrity(&connection)?;
        }
        Ok(version)
    })();
    SHAPE.accept(file, opened.map_err(|error| store_error(file, &error))?)?;
    Ok(connection)
}

/// Opens `file` for reading only; it must have the newest version.
pub(crate) fn open_to_read(file: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        sqlite::open_private(file, flags, |file, flags| Connection::open_with_flags(file, flags))
            .map_err(|e| store_error(file, &e))?;
    let opened = (|| {
        connection.busy_timeout(Duration::from_secs(2))?;
        SHAPE.identify(&connection)
    })();
    let version = SHAPE.accept(file, opened.map_err(|error| store_error(file, &error))?)?;
    SHAPE.accept_newest(file, version)?;
    Ok(connection)
}

/// If the last run did not end, checks the file and fails if it is damaged. Disks may lie in a power cut.
fn check_integrity(connection: &Connection) -> rusqlite::Result<()> {
    let has_ended: Option<bool> = connection
        .query_row(
            "SELECT ended FROM runs WHERE id NOT IN (SELECT run FROM recounts) ORDER BY id DESC LIMIT 1",
            [],
            |row| row.get(0),
        )
        .optional()?;
    if has_ended != Some(false) {
        return Ok(());
    }
    log::info!("counts.db: the last run did not end cleanly; checking the file");
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found != "ok" {
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
        return Err(rusqlite::Error::SqliteFailure(code, Some(found)));
    }
    Ok(())
}

/// Locks `directory` against a second writer, for the lifetime of the lock.
///
/// # Errors
/// The directory is not writable, or another process holds the lock.
pub(super) fn lock(directory: &Path) -> Result<Lock, StoreError> {
    sqlite::lock(directory, "counts.lock").map_err(|fault| match fault {
        LockFault::Taken(file) => {
            let hint = "end it, or give each its own state directory";
            StoreError::file(&file, "another tallycam keeps its counts there", Some(hint))
        }
        LockFault::Unusable(fault) => fault.into(),
    })
}

impl From<FileFault> for StoreError {
    fn from(FileFault { file, reason, hint, is_full }: FileFault) -> StoreError {
        match StoreError::file(&file, reason, hint) {
            StoreError::File(fault) if is_full => StoreError::File(Fault { kind: FaultKind::Full, ..fault }),
            error => error,
        }
    }
}

/// SQLite's error with the remedy for it.
pub(crate) fn store_error(file: &Path, error: &rusqlite::Error) -> StoreError {
    SHAPE.fault(file, error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &Path) -> String {
        match open_to_write(file) {
            Err(StoreError::File(fault)) => {
                assert!(fault.hint.is_some(), "{fault}: there is no hint");
                fault.what
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn other_files_are_refused_and_left_unchanged() {
        let folder = tempfile::tempdir().expect("a folder");
        let newer = folder.path().join("newer.db");
        let connection = open_to_write(&newer).expect("it is made");
        connection.pragma_update(None, "user_version", 1000).expect("set");
        drop(connection);
        let foreign = folder.path().join("foreign.db");
        let connection = Connection::open(&foreign).expect("it is made");
        connection.execute_batch("CREATE TABLE contacts (name TEXT)").expect("made");
        drop(connection);
        let rubbish = folder.path().join("rubbish.db");
        std::fs::write(&rubbish, "no database at all ".repeat(500)).expect("written");
        for (file, words) in
            [(newer, "newer tallycam"), (foreign, "not a counts database"), (rubbish, "not a database")]
        {
            let before = std::fs::read(&file).expect("read");
            let reason = refused(&file);
            assert!(reason.contains(words), "{reason}");
            assert_eq!(std::fs::read(&file).expect("read"), before);
            assert!(open_to_read(&file).is_err());
        }
    }

    #[test]
    fn damage_is_found_after_a_run_that_did_not_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join(FILE_NAME);
        let connection = open_to_write(&file).expect("it is made");
        connection
            .execute_batch(
                "INSERT INTO boots VALUES (1, 'b', 0, 1); INSERT INTO runs VALUES (1, 1, 'c', 0);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                 INSERT INTO settings SELECT 'key ' || i, hex(randomblob(100)) FROM n;",
            )
            .expect("filled");
        drop(connection);
        let mut bytes = std::fs::read(&file).expect("read");
        let place = bytes.len() - 3 * 4096;
        bytes[place..place + 4096].fill(0x5a);
        std::fs::write(&file, &bytes).expect("written");
        refused(&file);
        assert_eq!(std::fs::read(&file).expect("read"), bytes);
    }

    #[test]
    fn steps_are_taken_one_by_one_and_once() {
        let mut connection = Connection::open_in_memory().expect("a database");
        const STEPS: [&str; 2] = ["CREATE TABLE one (a)", "ALTER TABLE one ADD COLUMN b"];
        let migrate = |connection: &mut Connection, version, migrations| {
            SchemaShape { migrations, ..SHAPE }.migrate(connection, version)
        };
        migrate(&mut connection, 0, &STEPS[..1]).expect("the first");
        assert_eq!(SHAPE.identify(&connection).expect("read").expect("a counts database"), 1);
        connection.execute("INSERT INTO one (a) VALUES (7)", []).expect("a row");
        migrate(&mut connection, 1, &STEPS).expect("the second");
        let row: (i64, Option<i64>) = connection
            .query_row("SELECT a, b FROM one", [], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("kept");
        assert_eq!(row, (7, None));
        // A failing step leaves no trace.
        const FAILING: [&str; 3] = [STEPS[0], STEPS[1], "CREATE TABLE two (a); CREATE TABLE one (a)"];
        assert!(migrate(&mut connection, 2, &FAILING).is_err());
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).expect("read");
        assert_eq!(tables, 1);
    }

    #[test]
    fn one_writer_has_the_directory() {
        let folder = tempfile::tempdir().expect("a folder");
        let held = lock(folder.path()).expect("free");
        assert!(lock(folder.path()).is_err());
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
