//! What both files of the house have in common: being known for what they are, being brought up to date, and
//! having one writer.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, lchown};
use std::path::{Path, PathBuf};

use rusqlite::Connection;

/// What a file is known by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// Its name, for the log.
    pub name: &'static str,
    /// `PRAGMA application_id`.
    pub application: i32,
    /// What brings a file from version n to n + 1; `PRAGMA user_version` is how many of them it has had. Entries are
    /// never changed once released.
    pub migrations: &'static [&'static str],
}

/// Why a file that SQLite can read is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    /// Its version is one that this program does not know.
    Newer,
    /// It is a database of something else.
    NotOurs,
}

impl Shape {
    /// The version of the file; 0 for an empty one.
    pub(super) fn identify(&self, connection: &Connection) -> rusqlite::Result<Result<usize, Foreign>> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, version) = (pragma("application_id")?, pragma("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != self.application && (tables > 0 || version != 0 || application != 0) {
            return Ok(Err(Foreign::NotOurs));
        }
        match usize::try_from(version) {
            Ok(version) if version <= self.migrations.len() => Ok(Ok(version)),
            _ => Ok(Err(Foreign::Newer)),
        }
    }

    /// Brings a file from `version` to the newest, one transaction for each step.
    pub(super) fn migrate(&self, connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
        for (from, step) in self.migrations.iter().enumerate().skip(version) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", self.application)?;
            transaction.pragma_update(None, "user_version", from as i64 + 1)?;
            transaction.commit()?;
            // Of a file that is just being made nobody needs to hear.
            if version > 0 {
                log::info!("{}: brought from version {from} to {}", self.name, from + 1);
            }
        }
        Ok(())
    }
}

/// What root makes for a service's user is to be that user's, as its folder is: else the service could not write to it.
/// By name: a descriptor that is closed takes SQLite's locks away. A file with another name somewhere else stays root's:
/// whoever owns the folder may have linked somebody's file into it.
pub(super) fn hand_over(file: &Path) {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let (Ok(ours), Ok(wanted)) = (std::fs::symlink_metadata(file), std::fs::metadata(folder))
        && ours.is_file()
        && ours.nlink() == 1
        && ours.uid() == 0
        && wanted.uid() != 0
    {
        // Only root may, and only for root does it matter.
        let _ = lchown(file, Some(wanted.uid()), Some(wanted.gid()));
    }
}

/// Keeps a second writer away from a directory while it lives.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started has the descriptor, too, until it is another program.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// Why there is no lock.
#[derive(Debug)]
pub(super) enum LockFault {
    /// Nothing can be made in the directory.
    Directory(std::io::Error),
    /// Another process (or another store of this one) has this lock.
    Taken(PathBuf),
}

impl Lock {
    /// Takes the lock `name` of `directory`, which is made if it is not there.
    pub(super) fn take(directory: &Path, name: &str) -> Result<Lock, LockFault> {
        let file = directory.join(name);
        let lock = std::fs::create_dir_all(directory)
            .and_then(|()| File::options().create(true).truncate(false).write(true).open(&file))
            .map_err(LockFault::Directory)?;
        hand_over(&file);
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Lock(lock)),
            Err(_) => Err(LockFault::Taken(file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `.cargo/config.toml` has it built: else the writer of pictures grows by what was meant for the others.
    #[test]
    fn each_connection_has_its_own_measure_of_pages() {
        let connection = Connection::open_in_memory().expect("memory");
        let mut statement = connection.prepare("PRAGMA compile_options").expect("a pragma");
        let options = statement.query_map((), |row| row.get(0)).expect("rows");
        let options: Vec<String> = options.map(|option| option.expect("text")).collect();
        assert!(!options.is_empty());
        assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
    }

    /// Only root can try it: for everybody else there is nothing to hand over.
    #[test]
    fn what_root_made_is_handed_over_and_nothing_that_was_linked_there() {
        let (folder, elsewhere) =
            (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let [own, linked, led] = ["media.db", "counts.db", "media.lock"].map(|name| folder.path().join(name));
        let secret = elsewhere.path().join("secret");
        std::fs::write(&own, "").expect("written");
        std::fs::write(&secret, "").expect("written");
        std::fs::hard_link(&secret, &linked).expect("linked");
        std::os::unix::fs::symlink(&secret, &led).expect("linked");
        if lchown(folder.path(), Some(1), Some(1)).is_err() {
            return;
        }
        for file in [&own, &linked, &led] {
            hand_over(file);
        }
        let owner = |file: &Path| std::fs::metadata(file).expect("there").uid();
        assert_eq!((owner(&own), owner(&secret)), (1, 0));
    }
}
