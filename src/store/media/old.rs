//! The index of the old Flask program: `media.db` with a table `media(id, date, fileName)`, its pictures and clips in
//! the folder beside it. Read only, and never written to.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::MediaError;

/// A row of the old index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OldRow {
    /// Its number: the order in which things were added.
    pub id: i64,
    /// The day as it stands there, usually `2018-01-31`; may be anything, or nothing.
    pub date: String,
    /// The name of the file beside it; may be anything, or nothing.
    pub file_name: String,
}

/// All rows of an old index, in the order in which they were added.
///
/// # Errors
/// The file cannot be read, or is no such index.
pub fn read_old_rows(file: &Path) -> Result<Vec<OldRow>, MediaError> {
    let error = |reason: String, hint: Option<&str>| MediaError::File {
        file: file.to_owned(),
        reason,
        hint: hint.map(str::to_owned),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let read = || {
        let connection = Connection::open_with_flags(file, flags)?;
        let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let mut columns = connection.prepare("SELECT lower(name) FROM pragma_table_info('media')")?;
        let columns = columns.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
        let has = |name: &str| columns.iter().any(|column| column == name);
        if application != 0 || !(has("id") && has("date") && has("filename")) {
            return Ok(None);
        }
        let mut rows = connection.prepare("SELECT id, date, fileName FROM media ORDER BY id, rowid")?;
        let rows = rows.query_map([], |row| {
            Ok(OldRow {
                id: row.get::<_, Option<i64>>(0)?.unwrap_or(0),
                date: column_text(row.get_ref(1)?),
                file_name: column_text(row.get_ref(2)?),
            })
        })?;
        rows.collect::<Result<Vec<OldRow>, _>>().map(Some)
    };
    match read() {
        Ok(Some(rows)) => Ok(rows),
        Ok(None) => Err(error(
            String::from(
                "it is not the old program's: it has no table media(id, date, fileName) of that program",
            ),
            Some(
                "a store of tallycam is copied with `tallycam media backup`; files alone are taken by `tallycam media add`",
            ),
        )),
        Err(wrong) => Err(error(wrong.to_string(), None)),
    }
}

/// What a column holds, whatever it was declared as: SQLite does not insist.
fn column_text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(sql: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("media.db");
        Connection::open(&file).expect("made").execute_batch(sql).expect("filled");
        (folder, file)
    }

    #[test]
    fn rows_are_read_as_they_stand() {
        let (_folder, file) = made(
            "CREATE TABLE media (id INTEGER PRIMARY KEY AUTOINCREMENT, date TEXT, fileName TEXT);
             INSERT INTO media VALUES (7, '2018-01-31', 'b.avi'), (3, '2018-01-30', 'a.jpg'), (9, NULL, 5);",
        );
        let before = std::fs::read(&file).expect("read");
        let row =
            |id, date: &str, name: &str| OldRow { id, date: date.to_owned(), file_name: name.to_owned() };
        assert_eq!(
            read_old_rows(&file).expect("read"),
            [row(3, "2018-01-30", "a.jpg"), row(7, "2018-01-31", "b.avi"), row(9, "", "5")]
        );
        assert_eq!(std::fs::read(&file).expect("read"), before);
    }

    #[test]
    fn what_is_no_old_index_is_refused() {
        let (_folder, other) = made("CREATE TABLE media (id INTEGER, name TEXT)");
        let (_folder2, own) =
            made("PRAGMA application_id = 5; CREATE TABLE media (id INTEGER, date TEXT, fileName TEXT)");
        for file in [&other, &own] {
            assert!(
                read_old_rows(file).expect_err("it is none").to_string().contains("not the old program's")
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let none = folder.path().join("media.db");
        assert!(read_old_rows(&none).is_err());
        assert!(!none.exists(), "nothing is made");
        std::fs::write(&none, "no database at all ".repeat(100)).expect("written");
        assert!(read_old_rows(&none).is_err());
    }
}
