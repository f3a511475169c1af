//! Files of the state directory. Only their owner reads them, and symbolic links to them are refused.
//!
//! The directory may be a link (state moved to another disk). A file in it may not: the directory's owner could
//! redirect a command that root runs.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, chownat, flock};
use rustix::io::Errno;

use crate::{ballast, clock};

/// Creates `directory` and its missing parents for owner and group.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// Options that create and open a private file. Opening a pipe in its place does not block.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    options
}

/// An unnamed file in `folder`, for reading and writing. It disappears when it is closed, also by a crash.
pub fn unnamed(folder: &Path) -> io::Result<File> {
    let mode = Mode::RUSR | Mode::WUSR;
    match rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, mode) {
        Ok(file) => return Ok(file.into()),
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    // File systems such as NFS and FUSE have no unnamed files.
    let named = folder.join(format!(".tallycam-{}-{}", std::process::id(), clock::monotonic_us()));
    let file = options().read(true).write(true).create_new(true).open(&named)?;
    fs::remove_file(&named)?;
    Ok(file)
}

/// An exclusive lock of a file (flock(2)); dropping it unlocks.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// # Errors
    /// `EWOULDBLOCK` if another process holds the lock.
    pub fn acquire(file: File) -> Result<Lock, Errno> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started holds the descriptor until it executes another
        // program.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// Opens the lock file `name` in `directory`; creates it if it is missing.
pub fn lock_file(directory: &Path, name: &str) -> io::Result<File> {
    let file = resolve_without_links(&directory.join(name))?;
    let lock = options().create(true).truncate(false).write(true).open(&file)?;
    remove_group_and_other(&file);
    match_folder_owner(&file);
    Ok(lock)
}

/// Replaces `file` atomically, with the room of the ballast beside it on a full disk. On return the new content
/// survives a power cut.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    replace_through(Path::new(&beside), file, bytes, true, || Ok(()))
}

/// Like [`replace`], by way of the temporary file `beside`, which is created for it.
///
/// `before` runs after the bytes are written and before `file` is replaced. If not `durable`, a power cut may lose
/// the change.
pub fn replace_through(
    beside: &Path,
    file: &Path,
    bytes: &[u8],
    durable: bool,
    before: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let write = || {
        // A leftover may have another mode.
        match fs::remove_file(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut part = options().write(true).create_new(true).open(beside)?;
        part.write_all(bytes)?;
        if durable { part.sync_all() } else { Ok(()) }
    };
    let written = (|| {
        match write() {
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                if !file.parent().is_some_and(ballast::release) {
                    return Err(error);
                }
                write()?;
            }
            written => written?,
        }
        before()?;
        match_folder_owner(beside);
        fs::rename(beside, file)
    })();
    written.inspect_err(|_| drop(fs::remove_file(beside)))?;
    file.parent().filter(|_| durable).map_or(Ok(()), sync_folder)
}

/// Flushes the names in `folder` to the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot flush a directory, and need not.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// The path of `file` with all links in its directory resolved.
///
/// # Errors
/// `file` itself is a link, or its directory does not exist.
pub fn resolve_without_links(file: &Path) -> io::Result<PathBuf> {
    if file.is_symlink() {
        let message = format!("{} is a symbolic link: the file itself has to be there", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(file.file_name().unwrap_or_default()))
}

/// Creates `file` if it is missing; otherwise removes the rights of group and others. Never opens an existing file
/// for reading or writing: closing a descriptor drops SQLite's locks.
pub fn ensure_private(file: &Path) -> io::Result<()> {
    match options().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_group_and_other(file);
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Removes the rights of group and others from `file`, if allowed. A file with a second hard link is left alone: the
/// directory's owner may have linked a foreign file into it.
pub fn remove_group_and_other(file: &Path) {
    if let Some((found, about)) = open_plain(file)
        && about.mode() & 0o077 != 0
    {
        use std::os::fd::AsRawFd as _;
        // `chmod` by name follows links and does not accept an `O_PATH` descriptor, but accepts the name of one in
        // /proc.
        let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
        let _ = fs::set_permissions(itself, Permissions::from_mode(about.mode() & 0o700));
    }
}

/// Gives a file that root created to the owner of its directory. A file with a second hard link is left alone.
pub fn match_folder_owner(file: &Path) {
    if let Some((found, _)) = open_plain(file) {
        chown_to_parent_owner(&found, file);
    }
}

/// Like [`match_folder_owner`], for a directory that root has just created.
pub fn match_new_folder_owner(folder: &Path) {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(found) = rustix::fs::open(folder, flags, Mode::empty()) {
        chown_to_parent_owner(&File::from(found), folder);
    }
}

/// Gives `found`, at the path `name`, to the owner of the directory above if it belongs to root.
fn chown_to_parent_owner(found: &File, name: &Path) {
    let above = name.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let (Ok(ours), Ok(wanted)) = (found.metadata(), fs::metadata(above))
        && ours.uid() == 0
        && wanted.uid() != 0
    {
        let (user, group) = (Uid::from_raw(wanted.uid()), Gid::from_raw(wanted.gid()));
        // Only root may do this, and only files of root need it.
        let _ = chownat(found, "", Some(user), Some(group), AtFlags::EMPTY_PATH);
    }
}

/// Opens `file` itself if it is a regular file with one name. Closing an `O_PATH` descriptor keeps SQLite's locks.
fn open_plain(file: &Path) -> Option<(File, Metadata)> {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = File::from(rustix::fs::open(file, flags, Mode::empty()).ok()?);
    let about = found.metadata().ok().filter(|about| about.is_file() && about.nlink() == 1)?;
    Some((found, about))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_dropped_lock_ends_while_a_child_holds_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let lock = || Lock::acquire(lock_file(folder.path(), "a.lock").unwrap());
        let ours = lock().unwrap();
        assert_eq!(lock().unwrap_err(), Errno::WOULDBLOCK);
        // A child that is being started holds the descriptor like this.
        let _descriptor = ours.0.try_clone().unwrap();
        drop(ours);
        assert!(lock().is_ok());
        assert!(lock_file(&folder.path().join("not there"), "a.lock").is_err());
    }
}
