//! Copies of the databases for a backup, and checks of restored ones.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::StoreError;
use super::counts::check::read_every_row as read_every_count;
use super::counts::schema as counts;
use super::media::rows::read_every_row as read_every_item;
use super::media::schema as media;
use super::sqlite::{SchemaShape, UnusableFile};
use tallycam_base::{Fault, FaultKind};

/// Copies `counts.db` in `directory` to `to`, without unused pages. A daemon may write meanwhile. `false` without
/// such a file.
///
/// The audit list stays behind, because a backup does not contain people's names and addresses. Without `pictures`
/// the thumbnails stay behind, too.
///
/// # Errors
/// The file cannot be read, or the copy cannot be written. No partial copy stays.
pub fn copy_counts(directory: &Path, to: &Path, pictures: bool) -> Result<bool, StoreError> {
    let file = directory.join(counts::FILE_NAME);
    if !file.exists() {
        return Ok(false);
    }
    let copied = copy(&file, to, pictures);
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied.map(|()| true)
}

fn copy(file: &Path, to: &Path, pictures: bool) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::File(
            Fault::new(FaultKind::Full, format!("`{}`: there is no room for a copy", file.display()))
                .hint("delete recordings, or make room on the disk"),
        ),
        _ => counts::store_error(file, &error),
    };
    let unfit = || StoreError::file(to, "the name of the directory is no UTF-8", None);
    let target = to.to_str().ok_or_else(unfit)?;
    counts::open_to_read(file)?.execute("VACUUM INTO ?1", [target]).map_err(failed)?;
    let copy = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    // A restored file is another one: its next crossings get numbers that the present file gives to others.
    let no_ledger = "DELETE FROM settings WHERE key = 'ledger';";
    let fewer = if pictures { "" } else { "DELETE FROM thumbnails; UPDATE superseded SET jpeg = NULL;" };
    copy.execute_batch(&format!(
        "PRAGMA journal_mode = memory; DELETE FROM audit; {no_ledger} {fewer} VACUUM;"
    ))
    .map_err(failed)
}

/// Checks that `file` is a sound `counts.db`.
///
/// # Errors
/// The reason why it is refused.
pub fn check_counts(file: &Path) -> Result<(), Fault> {
    check(file, &counts::SHAPE, read_every_count)
}

/// Checks that `file` is a sound `media.db`.
///
/// # Errors
/// The reason why it is refused.
pub fn check_media(file: &Path) -> Result<(), Fault> {
    check(file, &media::SHAPE, read_every_item)
}

/// Whether `counts.db` in `directory` needs a migration. Earlier programs cannot read it afterwards.
pub fn is_counts_outdated(directory: &Path) -> bool {
    is_older(&directory.join(counts::FILE_NAME), &counts::SHAPE)
}

/// Like [`is_counts_outdated`], for `media.db`. No other part of this process may have it open.
pub fn are_media_older(directory: &Path) -> bool {
    is_older(&directory.join(media::SHAPE.name), &media::SHAPE)
}

fn is_older(file: &Path, shape: &SchemaShape) -> bool {
    let version = open_immutable(file).and_then(|connection| shape.identify(&connection));
    matches!(version, Ok(Ok(version)) if (1..shape.migrations.len()).contains(&version))
}

/// Opens a file that nobody else writes to. SQLite writes nothing beside it, even if its header mentions a journal.
fn open_immutable(file: &Path) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(immutable(file), flags)
}

/// The tables, indices, views and triggers of a database. Ours have no triggers.
fn schema_objects(connection: &Connection) -> rusqlite::Result<Vec<[Option<String>; 4]>> {
    let mut all =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")?;
    let rows = all.query_map((), |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

/// The latest time in a column, in microseconds: the end of the year 9999.
const LATEST_US: u64 = 253_402_300_799_999_999;

/// Reads every value, without the content of blobs. Returns the first one that does not have the type of its column:
/// SQLite stores any value in any column.
fn find_odd_value(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?;
    let tables: Vec<String> = tables.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?;
    for table in tables {
        let mut columns =
            connection.prepare("SELECT name, type, \"notnull\" OR pk > 0 FROM pragma_table_info(?1)")?;
        let columns: Vec<(String, String, bool)> = columns
            .query_map([&table], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        let read = columns.iter().map(|(name, kind, _)| match kind.as_str() {
            "BLOB" => format!("typeof(\"{name}\")"),
            _ => format!("\"{name}\""),
        });
        let read = read.collect::<Vec<_>>().join(", ");
        let mut query = connection.prepare(&format!("SELECT {read} FROM \"{table}\""))?;
        let mut rows = query.query(())?;
        while let Some(row) = rows.next()? {
            for (at, (name, kind, is_needed)) in columns.iter().enumerate() {
                let is_right = match (kind.as_str(), row.get_ref(at)?) {
                    ("BLOB", ValueRef::Text(kind)) => kind == b"blob" || (kind == b"null" && !is_needed),
                    (_, ValueRef::Null) => !is_needed,
                    ("INTEGER", ValueRef::Integer(number)) => {
                        !name.ends_with("_us") || number.unsigned_abs() <= LATEST_US
                    }
                    ("REAL", ValueRef::Real(number)) => number.is_finite(),
                    ("TEXT", ValueRef::Text(text)) => std::str::from_utf8(text).is_ok(),
                    _ => false,
                };
                if !is_right {
                    return Ok(Some(format!("{name} of a row in {table} is no {}", kind.to_lowercase())));
                }
            }
        }
    }
    Ok(None)
}

/// Reads every row with this program's own readers. For them an older file is brought up to date, and then left as it
/// was.
fn read_every_row(
    file: &Path,
    shape: &SchemaShape,
    version: usize,
    read: fn(&Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut connection = open_immutable(file)?;
    if version < shape.migrations.len() {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        connection = Connection::open_with_flags(file, flags)?;
        connection.pragma_update(None, "journal_mode", "memory")?;
    }
    let undone = connection.transaction()?;
    for step in &shape.migrations[version..] {
        undone.execute_batch(step)?;
    }
    read(&undone)
}

fn check(
    file: &Path,
    shape: &SchemaShape,
    read: fn(&Connection) -> rusqlite::Result<()>,
) -> Result<(), Fault> {
    let damaged = |reason: String| Fault::wrong(format!("it is damaged: {reason}"));
    let found = open_immutable(file).and_then(|connection| {
        let identity = shape.identify(&connection)?;
        if let Ok(version @ 1..) = identity {
            let mut ours = Connection::open_in_memory()?;
            SchemaShape { migrations: &shape.migrations[..version], ..*shape }.migrate(&mut ours, 0)?;
            if schema_objects(&ours)? != schema_objects(&connection)? {
                return Ok((identity, 0, String::from("its tables are not those of its version")));
            }
            let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let bytes = number("page_count")?.saturating_mul(number("page_size")?);
            let mut said: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
            if said == "ok" {
                said = find_odd_value(&connection)?.unwrap_or(said);
            }
            return Ok((identity, u64::try_from(bytes).unwrap_or_default(), said));
        }
        Ok((identity, 0, String::new()))
    });
    let (identity, bytes, said) = found.map_err(|error| damaged(error.to_string()))?;
    let version = match identity {
        Err(UnusableFile::Newer) => return Err(Fault::wrong("a newer tallycam wrote it")),
        // An empty file has version 0.
        Err(UnusableFile::NotOurs) | Ok(0) => return Err(Fault::wrong("it is no such file of tallycam")),
        Ok(version) => version,
    };
    let len = fs::metadata(file).map_err(|error| damaged(error.to_string()))?.len();
    match said {
        said if said != "ok" => Err(damaged(said)),
        _ if bytes == 0 || bytes > len => Err(damaged(format!("it has {len} of {bytes} bytes"))),
        _ => read_every_row(file, shape, version, read).map_err(|error| damaged(error.to_string())),
    }
}

/// SQLite's URI for `file` as an immutable file. Special characters are encoded as in RFC 3986.
fn immutable(file: &Path) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    let path = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let mut address = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                address.push(char::from(byte))
            }
            byte => address.push_str(&format!("%{byte:02X}")),
        }
    }
    PathBuf::from(address + "?immutable=1")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_copy_is_whole_and_small_and_names_no_people() {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("a b%.db");
        assert!(!copy_counts(folder.path(), &to, true).unwrap());
        let file = folder.path().join("counts.db");
        let connection = counts::open_to_write(&file).unwrap();
        connection
            .execute_batch(
                "INSERT INTO boots VALUES (1, 'b', 0, 1); INSERT INTO runs VALUES (1, 1, 'c', 0);
                 INSERT INTO audit SELECT NULL, 1, 'k', 'secret name', '', '192.0.2.9', '', '', '', '', 1, 1, 1, 1;
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                 INSERT INTO settings SELECT 'key ' || i, hex(randomblob(100)) FROM n;
                 DELETE FROM settings WHERE key <> 'key 7';",
            )
            .unwrap();
        // While a writer has it open.
        assert!(copy_counts(folder.path(), &to, true).unwrap());
        check_counts(&to).unwrap();
        let bytes = fs::read(&to).unwrap();
        let has = |what: &[u8]| bytes.windows(what.len()).any(|part| part == what);
        assert!(has(b"key 7") && !has(b"secret name") && !has(b"192.0.2.9") && !has(b"key 1999"));
        assert_eq!(check_media(&to), Err(Fault::wrong("it is no such file of tallycam")));
        assert_eq!(
            fs::read_dir(folder.path())
                .unwrap()
                .filter(|e| { e.as_ref().unwrap().file_name().to_string_lossy().starts_with("a b%") })
                .count(),
            1,
            "something lies beside the copy"
        );

        let mut damaged = bytes.clone();
        let middle = damaged.len() / 2 / 4096 * 4096;
        damaged[middle..middle + 900].fill(0x5a);
        for (bytes, is) in [
            (&bytes[..bytes.len() - 4096], "damaged"),
            (&bytes[..100], "damaged"),
            (&[][..], "no such file"),
            (&damaged[..], "damaged"),
            (b"not a database at all, but long enough to be looked at as one".as_slice(), "damaged"),
        ] {
            fs::write(&to, bytes).unwrap();
            let said = check_counts(&to).unwrap_err().to_string();
            assert!(said.contains(is), "{} bytes: {said}", bytes.len());
        }
        fs::remove_file(&to).unwrap();
        assert!(!is_counts_outdated(folder.path()) && !is_counts_outdated(&folder.path().join("none")));
        assert!(!are_media_older(folder.path()));
        connection.execute_batch("PRAGMA user_version = 1; PRAGMA wal_checkpoint(truncate)").unwrap();
        assert!(is_counts_outdated(folder.path()));
        connection.pragma_update(None, "user_version", 1000).unwrap();
        drop(connection);
        assert_eq!(check_counts(&file), Err(Fault::wrong("a newer tallycam wrote it")));
    }

    #[test]
    fn every_row_is_read_before_a_file_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let with = |name: &str, change: &str, check: fn(&Path) -> Result<(), Fault>| {
            let _ = fs::remove_file(place(name));
            let connection = match name {
                "counts.db" => counts::open_to_write(&place(name)).unwrap(),
                _ => media::open_to_write(&place(name)).unwrap(),
            };
            connection.execute_batch(change).unwrap();
            drop(connection);
            check(&place(name)).map_err(|fault| fault.to_string())
        };
        let line = |classes: &str, scene: &str| {
            format!(
                "INSERT INTO lines VALUES (1, 1, {scene}, 'door', 0, 0, 1, 1, 'in', 'out', {classes}, 'bottom',
                 'every', NULL, 0)"
            )
        };
        let counts = |change: &str| with("counts.db", change, check_counts);
        for (change, words) in [
            ("INSERT INTO boots VALUES (1, 'b', 'zero', 1)", "offset_us of a row in boots is no integer"),
            ("INSERT INTO boots VALUES (1, x'ff', 0, 1)", "boot of a row in boots is no text"),
            ("INSERT INTO boots VALUES (1, CAST(x'ff' AS TEXT), 0, 1)", "boot of a row in boots is no text"),
            (
                "INSERT INTO boots VALUES (1, 'b', 9223372036854775807, 1)",
                "offset_us of a row in boots is no integer",
            ),
            (&line("'no list'", "NULL"), "it is damaged: "),
            (&line("'[]'", "'moon'"), "no scene"),
            ("INSERT INTO hourly VALUES ('moon', 0, 1, 'car', 'in', 1)", "no scene"),
            ("INSERT INTO hourly VALUES ('sim', 0, 1, 'car', 'up', 1)", "no direction"),
        ] {
            let said = counts(change).expect_err(change);
            assert!(said.contains(words), "{change}: {said}");
        }
        assert_eq!(counts(&line("'[]'", "NULL")), Ok(()));
        let item = |name: &str, kind: &str, width: &str| {
            format!(
                "INSERT INTO items VALUES (1, '{name}', '{kind}', '', 0, 0, 0, 0, 1, 0, 1, 0, {width}, 1, 1, '', '',
                 'asked', '', NULL, NULL, NULL, 0, 0)"
            )
        };
        let media = |change: &str| with("media.db", change, check_media);
        for (change, words) in [
            (item("../../x", "snapshot", "1"), "no name: \"../../x\""),
            (item("\u{1b}[2J", "snapshot", "1"), "no name: \"\\u{1b}[2J\""),
            (item("a.jpg", "film", "1"), "no kind"),
            (item("a.jpg", "snapshot", "99999999999"), "it is damaged: "),
            (
                String::from(
                    "INSERT INTO chunks VALUES (1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 'x', x'', NULL)",
                ),
                "frames_index of a row in chunks is no blob",
            ),
            (
                String::from(
                    "INSERT INTO chunks VALUES (1, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, x'07', x'', NULL)",
                ),
                "no index of pictures",
            ),
        ] {
            let said = media(&change).expect_err(&change);
            assert!(said.contains(words), "{change}: {said}");
        }
        assert_eq!(media(&item("a.jpg", "snapshot", "1")), Ok(()));
    }

    #[test]
    fn an_older_file_is_read_as_this_version_would_and_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("counts.db");
        for version in 1..counts::SHAPE.migrations.len() {
            let _ = fs::remove_file(&file);
            let mut connection = Connection::open(&file).unwrap();
            let shape = SchemaShape { migrations: &counts::SHAPE.migrations[..version], ..counts::SHAPE };
            shape.migrate(&mut connection, 0).unwrap();
            drop(connection);
            let bytes = fs::read(&file).unwrap();
            assert_eq!(check_counts(&file), Ok(()), "version {version}");
            assert!(fs::read(&file).unwrap() == bytes, "version {version}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_file_with_other_tables_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let is = |change: &str| {
            let file = folder.path().join("other.db");
            let _ = fs::remove_file(&file);
            let connection = counts::open_to_write(&file).unwrap();
            connection.execute_batch(change).unwrap();
            drop(connection);
            check_counts(&file)
        };
        assert_eq!(is(""), Ok(()));
        let others = Err(Fault::wrong("it is damaged: its tables are not those of its version"));
        for change in [
            "CREATE TRIGGER t AFTER INSERT ON audit BEGIN DELETE FROM audit; END",
            "DROP TABLE thumbnails",
            "DROP INDEX spans_by_end",
            "ALTER TABLE zones ADD COLUMN more",
            "PRAGMA user_version = 3",
        ] {
            assert_eq!(is(change), others, "{change}");
        }
    }
}
