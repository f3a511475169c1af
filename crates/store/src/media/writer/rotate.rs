//! Sets the store aside and starts an empty one; deletes files that were set aside.
//!
//! The new file is made whole beside the old one. Then the old one gets a name with the date, and the new one takes
//! its place. A power cut between these renames leaves no `media.db`, and the next start renames the new one. Item
//! numbers continue after the old ones, so a link to an item never leads to another one.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::media::rows::MediaRowError;
use crate::media::schema::{FILE_NAME, NEXT_NAME, media_error, open_to_write};
use crate::media::storage::{aside_files, is_aside_name};
use crate::media::{AsideFile, MediaError};
use tallycam_base::without_error_number;

/// Completes the second rename. A half-made new store, recognized by its journal, is deleted instead. Renamed without
/// its journal it would be a damaged store.
pub fn complete(directory: &Path) -> Result<(), MediaError> {
    let (file, next) = (directory.join(FILE_NAME), directory.join(NEXT_NAME));
    if file.exists() || !next.exists() {
        return Ok(());
    }
    let left = journal(&next);
    if std::fs::metadata(&left).is_ok_and(|about| about.len() > 0) {
        for half in [next, left] {
            std::fs::remove_file(&half).map_err(|error| io_error(&half, &error))?;
        }
        return sync_directory(directory);
    }
    move_file(&next, &file)
}

/// Data carried over to the new store: the highest item number, and the settings.
type GoesOn = (i64, Vec<(String, String)>);

/// Makes the new store beside the old one, which `connection` has open.
pub fn prepare(connection: &Connection, directory: &Path) -> Result<(), MediaError> {
    let file = directory.join(FILE_NAME);
    let read = || Ok((last_number(connection)?, settings(connection)?));
    create(directory, read().map_err(|error| media_error(&file, &error))?)
}

/// Like [`prepare`] for a damaged old store. Unreadable parts start from nothing.
pub(crate) fn prepare_replacement(connection: &Connection, directory: &Path) -> Result<(), MediaError> {
    create(directory, (last_number(connection).unwrap_or(0), settings(connection).unwrap_or_default()))
}

fn last_number(connection: &Connection) -> Result<i64, MediaRowError> {
    let query = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = 'items'";
    connection.query_row(query, [], |row| row.get(0))
}

fn settings(connection: &Connection) -> Result<Vec<(String, String)>, MediaRowError> {
    let mut settings = connection.prepare("SELECT key, value FROM settings")?;
    settings.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn create(directory: &Path, (last, settings): GoesOn) -> Result<(), MediaError> {
    let next = directory.join(NEXT_NAME);
    for left in [next.clone(), journal(&next)] {
        match std::fs::remove_file(&left) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(io_error(&left, &error));
            }
            _ => {}
        }
    }
    let made = open_to_write(&next)?;
    (|| {
        let transaction = made.unchecked_transaction()?;
        transaction.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('items', ?1)", [last])?;
        for (key, value) in settings {
            transaction.execute("INSERT INTO settings (key, value) VALUES (?1, ?2)", [key, value])?;
        }
        transaction.commit()
    })()
    .map_err(|error| media_error(&next, &error))?;
    drop(made);
    // Useless without its file.
    let _ = std::fs::remove_file(journal(&next));
    Ok(())
}

/// Renames the closed old file to `media-DATE.db`, and puts the new one in its place.
pub fn exchange(directory: &Path, date: &str) -> Result<AsideFile, MediaError> {
    let (file, next) = (directory.join(FILE_NAME), directory.join(NEXT_NAME));
    let left = journal(&file);
    if std::fs::metadata(&left).is_ok_and(|about| about.len() > 0) {
        return Err(MediaError::File {
            file: left,
            reason: String::from("a write was cut off and has not been taken back"),
            hint: Some(String::from("restart `tallycam serve`: it does that")),
        });
    }
    let name = unused_name(directory, date);
    move_file(&file, &directory.join(&name))?;
    let _ = std::fs::remove_file(left);
    move_file(&next, &file)?;
    aside_files(directory).into_iter().find(|aside| aside.name == name).ok_or(MediaError::Unknown(name))
}

/// Like [`exchange`] for a damaged old file, which takes its journal along.
pub(crate) fn replace_damaged(directory: &Path, date: &str) -> Result<AsideFile, MediaError> {
    let aside = move_store_aside(directory, date)?;
    move_file(&directory.join(NEXT_NAME), &directory.join(FILE_NAME))?;
    Ok(aside)
}

/// Sets an unusable store aside, together with its journal.
pub(crate) fn move_store_aside(directory: &Path, date: &str) -> Result<AsideFile, MediaError> {
    let file = directory.join(FILE_NAME);
    let name = unused_name(directory, date);
    let aside = directory.join(&name);
    // The journal first, because without it the file would look whole.
    if journal(&file).exists() {
        move_file(&journal(&file), &journal(&aside))?;
    }
    move_file(&file, &aside)?;
    aside_files(directory).into_iter().find(|aside| aside.name == name).ok_or(MediaError::Unknown(name))
}

/// A free file name with the date.
fn unused_name(directory: &Path, date: &str) -> String {
    let name = |number: u64| match number {
        1 => format!("media-{date}.db"),
        number => format!("media-{date}-{number}.db"),
    };
    (1..).map(name).find(|name| !directory.join(name).exists()).unwrap_or_default()
}

/// Deletes a store that was set aside.
pub fn remove(directory: &Path, name: &str) -> Result<(), MediaError> {
    let file = directory.join(name);
    if !is_aside_name(name) || !file.is_file() {
        return Err(MediaError::Unknown(format!("called {name:?} among the files that were set aside")));
    }
    std::fs::remove_file(&file).map_err(|error| io_error(&file, &error))?;
    let _ = std::fs::remove_file(journal(&file));
    sync_directory(directory)
}

/// Renames a file within its directory, safely against a power cut.
fn move_file(from: &Path, to: &Path) -> Result<(), MediaError> {
    std::fs::rename(from, to).map_err(|error| io_error(from, &error))?;
    sync_directory(to.parent().unwrap_or(Path::new(".")))
}

fn sync_directory(directory: &Path) -> Result<(), MediaError> {
    std::fs::File::open(directory)
        .and_then(|open| open.sync_all())
        .map_err(|error| io_error(directory, &error))
}

fn journal(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

fn io_error(file: &Path, error: &std::io::Error) -> MediaError {
    if error.kind() == std::io::ErrorKind::StorageFull {
        return MediaError::Full;
    }
    MediaError::File {
        file: file.to_owned(),
        reason: without_error_number(error.to_string()),
        hint: Some(String::from("let the daemon's user write to its directory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_store_takes_its_place_if_it_was_made_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, next) = (folder.path().join(FILE_NAME), folder.path().join(NEXT_NAME));
        for (left, is_taken) in [(None, true), (Some(""), true), (Some("half"), false)] {
            std::fs::write(&next, "a store").expect("written");
            if let Some(left) = left {
                std::fs::write(journal(&next), left).expect("written");
            }
            complete(folder.path()).expect("completed");
            assert_eq!((file.exists(), next.exists()), (is_taken, false), "{left:?}");
            assert!(is_taken || !journal(&next).exists(), "{left:?}");
            for used in [&file, &journal(&next)] {
                let _ = std::fs::remove_file(used);
            }
        }
    }
}
