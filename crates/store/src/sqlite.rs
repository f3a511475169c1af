//! The common part of both databases: recognition of the file, migrations, and the lock of the only writer.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use tallycam_base::private::{self, Lock};
use tallycam_base::without_error_number;

/// The identity of a database file.
#[derive(Debug, Clone, Copy)]
pub(super) struct SchemaShape {
    /// Its name, for the log.
    pub name: &'static str,
    /// `PRAGMA application_id`.
    pub application: i32,
    /// Migrations from version n to n + 1. `PRAGMA user_version` is the number of applied ones. Released entries
    /// never change.
    pub migrations: &'static [&'static str],
    /// The message about a foreign database, and the remedy.
    pub foreign: (&'static str, &'static str),
    /// The remedy for a file that SQLite finds damaged.
    pub damaged: &'static str,
}

/// Why a readable database is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnusableFile {
    /// Its version is newer than this program.
    Newer,
    /// It belongs to another program.
    NotOurs,
}

impl SchemaShape {
    /// The version of the file; 0 for an empty one.
    pub(super) fn identify(&self, connection: &Connection) -> rusqlite::Result<Result<usize, UnusableFile>> {
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, version) = (pragma("application_id")?, pragma("user_version")?);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != self.application && (tables > 0 || version != 0 || application != 0) {
            return Ok(Err(UnusableFile::NotOurs));
        }
        match usize::try_from(version) {
            Ok(version) if version <= self.migrations.len() => Ok(Ok(version)),
            _ => Ok(Err(UnusableFile::Newer)),
        }
    }

    /// Migrates a file from `version` to the newest, with one transaction per step.
    pub(super) fn migrate(&self, connection: &mut Connection, version: usize) -> rusqlite::Result<()> {
        for (from, step) in self.migrations.iter().enumerate().skip(version) {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "application_id", self.application)?;
            transaction.pragma_update(None, "user_version", from as i64 + 1)?;
            transaction.commit()?;
            // Nobody needs to know about the creation of a file.
            if version > 0 {
                log::info!("{}: upgraded from version {from} to {}", self.name, from + 1);
            }
        }
        Ok(())
    }

    /// The version of `file`, if it can be used.
    pub(super) fn accept(
        &self,
        file: &Path,
        identified: Result<usize, UnusableFile>,
    ) -> Result<usize, FileFault> {
        let (reason, hint) = match identified {
            Ok(version) => return Ok(version),
            Err(UnusableFile::Newer) => (
                "it was written by a newer tallycam",
                "install that version again, or give this one another state directory; the file is left as it is",
            ),
            Err(UnusableFile::NotOurs) => self.foreign,
        };
        Err(FileFault::new(file, reason, Some(hint)))
    }

    /// Checks that a file for reading has the newest version, because a reader does not migrate it.
    pub(super) fn accept_newest(&self, file: &Path, version: usize) -> Result<(), FileFault> {
        if version < self.migrations.len() {
            let reason = "an older tallycam wrote it, and it has not been brought up to date";
            return Err(FileFault::new(file, reason, Some("start `tallycam serve` once: it does that")));
        }
        Ok(())
    }

    /// SQLite's error with the remedy for it.
    pub(super) fn fault(&self, file: &Path, error: &rusqlite::Error) -> FileFault {
        if let Some(unlockable) = FileFault::of_locks(file, error) {
            return unlockable;
        }
        let hint = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Some("make room on the disk; it is tried again by itself"),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Some(self.damaged),
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => {
                Some("let the daemon's user read and write the file and its directory")
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Some(IN_USE),
            Some(ErrorCode::SystemIoFailure) => {
                Some("look at the disk (`dmesg`): it does not take or give data")
            }
            _ => None,
        };
        let is_full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
        FileFault { is_full, ..FileFault::new(file, error.to_string(), hint) }
    }
}

/// Opens `file` with `open`. Follows no link, and makes a new file readable by its owner only. SQLite gives its
/// journals the same mode.
pub(super) fn open_private(
    file: &Path,
    flags: OpenFlags,
    open: impl FnOnce(&Path, OpenFlags) -> rusqlite::Result<Connection>,
) -> rusqlite::Result<Connection> {
    let refused = |error: std::io::Error| {
        let code = ffi::Error::new(ffi::SQLITE_CANTOPEN);
        rusqlite::Error::SqliteFailure(code, Some(error.to_string()))
    };
    let file = private::resolve_without_links(file).map_err(refused)?;
    if flags.contains(OpenFlags::SQLITE_OPEN_CREATE) {
        private::ensure_private(&file).map_err(refused)?;
        for ending in ["-journal", "-wal", "-shm"] {
            let mut beside = file.clone().into_os_string();
            beside.push(ending);
            private::remove_group_and_other(Path::new(&beside));
        }
    }
    open(&file, flags | OpenFlags::SQLITE_OPEN_NOFOLLOW)
}

/// Why the lock is not held.
#[derive(Debug)]
pub(super) enum LockFault {
    /// Another process, or another store of this one, holds the lock.
    Taken(PathBuf),
    /// The directory is not writable, or the file system has no locks.
    Unusable(FileFault),
}

/// Locks `directory` against a second writer with the lock file `name`. Creates the directory if it is missing.
pub(super) fn lock(directory: &Path, name: &str) -> Result<Lock, LockFault> {
    let lock = private::make_directory(directory).and_then(|()| private::lock_file(directory, name));
    let lock = lock.map_err(|error| {
        let hint = "give the daemon a state directory that it may write to";
        let reason = format!("nothing can be kept there: {error}");
        LockFault::Unusable(FileFault::new(directory, reason, Some(hint)))
    })?;
    let file = directory.join(name);
    Lock::acquire(lock).map_err(|error| match error {
        Errno::WOULDBLOCK => LockFault::Taken(file),
        error => LockFault::Unusable(FileFault::without_locks(&file, error.into())),
    })
}

/// The remedy for a file system on which a database cannot work.
pub(super) const ELSEWHERE: &str = "set `store.directory` to a directory on a local disk, or mount this one with locks \
    (NFS: without `nolock`)";

/// The remedy for a file that another program is writing.
pub(super) const IN_USE: &str = "another program holds the file open in the middle of something; end it";

/// Why a file or directory cannot be used.
#[derive(Debug)]
pub(super) struct FileFault {
    pub file: PathBuf,
    pub reason: String,
    /// The remedy, if known.
    pub hint: Option<&'static str>,
    pub is_full: bool,
}

impl FileFault {
    pub(super) fn new(file: &Path, reason: impl Into<String>, hint: Option<&'static str>) -> FileFault {
        FileFault { file: file.to_owned(), reason: without_error_number(reason.into()), hint, is_full: false }
    }

    /// The fault of a file system without the locks or the shared memory that a database needs: network file systems
    /// with such mount options, and some of FUSE.
    fn without_locks(file: &Path, error: std::io::Error) -> FileFault {
        let (kind, place) =
            file_system(file).unwrap_or_else(|| (String::from("file system"), file.to_owned()));
        let place = place.display();
        let reason =
            format!("the {kind} at `{place}` does not give the locks that a database needs: {error}");
        FileFault::new(file, reason, Some(ELSEWHERE))
    }

    /// The fault if a missing lock is the reason why SQLite cannot use `file`. SQLite's words, "locked" or "disk I/O
    /// error", do not show it.
    fn of_locks(file: &Path, error: &rusqlite::Error) -> Option<FileFault> {
        let rusqlite::Error::SqliteFailure(code, _) = error else { return None };
        let is_lock = matches!(
            code.extended_code,
            ffi::SQLITE_IOERR_LOCK
                | ffi::SQLITE_IOERR_RDLOCK
                | ffi::SQLITE_IOERR_UNLOCK
                | ffi::SQLITE_IOERR_CHECKRESERVEDLOCK
                | ffi::SQLITE_IOERR_SHMLOCK
        );
        let is_memory = matches!(code.extended_code, ffi::SQLITE_IOERR_SHMMAP | ffi::SQLITE_IOERR_MMAP);
        if is_memory {
            return Some(FileFault::without_locks(file, Errno::NODEV.into()));
        }
        if !is_lock && code.code != ErrorCode::DatabaseBusy {
            return None;
        }
        // Tests the lock file beside it, because closing a descriptor of the database would drop SQLite's locks.
        let beside = File::options().write(true).open(file.with_extension("lock")).ok()?;
        match rustix::fs::fcntl_lock(&beside, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) | Err(Errno::WOULDBLOCK | Errno::ACCESS) => {
                is_lock.then(|| FileFault::without_locks(file, Errno::NOLCK.into()))
            }
            Err(error) => Some(FileFault::without_locks(file, error.into())),
        }
    }
}

/// The type and the mount point of the file system of `file`.
fn file_system(file: &Path) -> Option<(String, PathBuf)> {
    let file = file.canonicalize().or_else(|_| file.parent().unwrap_or(file).canonicalize()).ok()?;
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mounted = mounts.lines().filter_map(|line| {
        let (head, tail) = line.split_once(" - ")?;
        let place = head.split(' ').nth(4)?.replace("\\040", " ");
        let place = PathBuf::from(place);
        file.starts_with(&place).then(|| (tail.split(' ').next().unwrap_or_default().to_owned(), place))
    });
    // If several are mounted at one place, the last one covers the others.
    mounted.max_by_key(|(_, place)| place.components().count())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};

    use super::*;

    /// Checks the build options of `.cargo/config.toml`. With shared memory management, the writer of media would
    /// grow by the memory meant for other connections.
    #[test]
    fn each_connection_has_its_own_measure_of_pages() {
        let connection = Connection::open_in_memory().expect("memory");
        let mut statement = connection.prepare("PRAGMA compile_options").expect("a pragma");
        let options = statement.query_map((), |row| row.get(0)).expect("rows");
        let options: Vec<String> = options.map(|option| option.expect("text")).collect();
        assert!(!options.is_empty());
        assert!(!options.iter().any(|option| option == "ENABLE_MEMORY_MANAGEMENT"), "{options:?}");
    }

    #[test]
    fn a_file_system_without_locks_is_named() {
        let (kind, place) = file_system(Path::new("/proc/self/status")).expect("a file system");
        assert_eq!((kind.as_str(), place.as_path()), ("proc", Path::new("/proc")));
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("counts.db");
        let _lock = lock(folder.path(), "counts.lock").expect("taken");
        let of = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            FileFault::of_locks(&file, &error).map(|found| found.reason)
        };
        let (kind, _) = file_system(&file).expect("a file system");
        for (code, words) in
            [(ffi::SQLITE_IOERR_SHMMAP, "No such device"), (ffi::SQLITE_IOERR_RDLOCK, "No locks available")]
        {
            let reason = of(code).expect("it is the file system");
            assert!(reason.starts_with(&format!("the {kind} at `/")) && reason.contains(words), "{reason}");
        }
        assert_eq!(of(ffi::SQLITE_BUSY), None, "somebody has it");
        assert_eq!(of(ffi::SQLITE_IOERR_WRITE), None);
    }

    #[test]
    fn a_link_in_a_files_place_is_named_and_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (there, elsewhere) = (folder.path().join("there"), folder.path().join("elsewhere"));
        std::fs::create_dir(&there).expect("made");
        for name in ["counts.lock", "counts.db"] {
            std::os::unix::fs::symlink(&elsewhere, there.join(name)).expect("linked");
        }
        let Err(LockFault::Unusable(fault)) = lock(&there, "counts.lock") else { panic!("no lock") };
        assert!(fault.reason.contains("counts.lock is a symbolic link"), "{fault:?}");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let open =
            |file: &Path| open_private(file, flags, |file, flags| Connection::open_with_flags(file, flags));
        let error = open(&there.join("counts.db")).expect_err("a link").to_string();
        assert!(error.contains("counts.db is a symbolic link"), "{error}");
        assert!(!elsewhere.exists());
        // The folder itself may have been moved.
        let moved = folder.path().join("moved");
        std::os::unix::fs::symlink(&there, &moved).expect("linked");
        lock(&moved, "media.lock").expect("taken");
        open(&moved.join("media.db")).expect("opened").execute_batch("CREATE TABLE a (b)").expect("written");
    }

    #[test]
    fn files_become_readable_by_their_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let (made, file, locked) =
            (folder.path().join("made"), folder.path().join("counts.db"), folder.path().join("counts.lock"));
        let mode = |file: &Path| std::fs::metadata(file).expect("there").mode() & 0o777;
        for file in [&file, &locked] {
            std::fs::write(file, "").expect("written");
            std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o644)).expect("set");
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let _open = open_private(&file, flags, |file, flags| {
            let open = Connection::open_with_flags(file, flags)?;
            open.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE a (b)")?;
            Ok(open)
        });
        let _locks = [&made, folder.path()].map(|folder| lock(folder, "counts.lock").expect("taken"));
        let wal = folder.path().join("counts.db-wal");
        assert_eq!([&file, &wal, &locked, &made.join("counts.lock")].map(|file| mode(file)), [0o600; 4]);
        assert_eq!(mode(&made) & 0o027, 0);
    }

    /// Only root can test this; other users have nothing to hand over.
    #[test]
    fn files_of_root_are_handed_over_but_nothing_linked() {
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
            private::match_folder_owner(file);
        }
        let owner = |file: &Path| std::fs::metadata(file).expect("there").uid();
        assert_eq!((owner(&own), owner(&secret)), (1, 0));
    }
}
