//! Checks a copy of the store before a backup gets its final name.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use crate::media::MediaError;

/// Checks that a copy of the store is neither damaged nor truncated. Writes nothing.
///
/// # Errors
/// The fault.
pub fn verify_copy(file: &Path) -> Result<(), MediaError> {
    let wrong = |reason: String| MediaError::File {
        file: file.to_owned(),
        reason: format!("the copy is not whole: {reason}"),
        hint: Some(String::from(
            "try again; if it happens again, look at the disks (`dmesg`) and run `tallycam media check`",
        )),
    };
    // A new copy has no journal, and nobody else writes to it.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let found = Connection::open_with_flags(file, flags)
        .and_then(|connection| {
            let pages: u64 =
                connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? as u64;
            let size: u64 =
                connection.pragma_query_value(None, "page_size", |row| row.get::<_, i64>(0))? as u64;
            let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
            Ok((pages * size, found))
        })
        .map_err(|error| wrong(error.to_string()))?;
    let len = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?.len();
    match found {
        (_, found) if found != "ok" => Err(wrong(found)),
        (bytes, _) if bytes == 0 || bytes > len => Err(wrong(format!("it has {len} of {bytes} bytes"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_and_damaged_copies_are_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("copy.db");
        let connection = Connection::open(&file).expect("made");
        connection
            .execute_batch(
                "CREATE TABLE t (a);
                 WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
                 INSERT INTO t SELECT randomblob(500) FROM n;",
            )
            .expect("filled");
        drop(connection);
        let whole = std::fs::read(&file).expect("read");
        assert!(verify_copy(&file).is_ok());
        let mut damaged = whole.clone();
        damaged[4096 * 3..4096 * 4].fill(0x5a);
        for bytes in [&whole[..whole.len() - 4096], &whole[..100], &[], &damaged[..]] {
            std::fs::write(&file, bytes).expect("written");
            assert!(verify_copy(&file).is_err(), "{} bytes", bytes.len());
        }
    }
}
