//! Files of the state directory: only their owner reads them, and no symbolic link leads to them.
//!
//! The folder may be a link (the state moved to another disk). A file in it may not: whoever owns the folder could lead
//! a command that root runs elsewhere.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FlockOperation, Gid, Mode, OFlags, Uid, chownat, flock};
use rustix::io::Errno;

/// Makes `directory`, and those above it that are missing, for its owner and group.
pub fn make_directory(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// How such a file is made and opened. A pipe in its place is not waited for.
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32);
    options
}

/// An exclusive lock of a file (flock(2)), until it is dropped.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// # Errors
    /// `EWOULDBLOCK`: somebody else has it.
    pub fn acquire(file: File) -> Result<Lock, Errno> {
        flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Lock(file))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started has the descriptor, too, until it is another program.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

/// The file `name` of `directory` to be locked; made where it is missing.
pub fn lock_file(directory: &Path, name: &str) -> io::Result<File> {
    let file = resolve_without_links(&directory.join(name))?;
    let lock = options().create(true).truncate(false).write(true).open(&file)?;
    remove_group_and_other(&file);
    match_folder_owner(&file);
    Ok(lock)
}

/// Replaces `file` as a whole; when it returns, that outlives a power cut.
pub fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    replace_through(Path::new(&beside), file, bytes, true, || Ok(()))
}

/// The same by way of `beside`, which is made again; `before` is done when the bytes are written, and have no place
/// yet. What need not be `durable` may be lost to a power cut.
pub fn replace_through(
    beside: &Path,
    file: &Path,
    bytes: &[u8],
    durable: bool,
    before: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    // One that was left behind may have another mode.
    match fs::remove_file(beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut part = options().write(true).create_new(true).open(beside)?;
        part.write_all(bytes)?;
        if durable {
            part.sync_all()?;
        }
        before()?;
        match_folder_owner(beside);
        fs::rename(beside, file)
    })();
    written.inspect_err(|_| drop(fs::remove_file(beside)))?;
    file.parent().filter(|_| durable).map_or(Ok(()), sync_folder)
}

/// Has the names in `folder` be on the disk.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        // Some file systems cannot, and need not.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// `file` by a name in which nothing is a link.
///
/// # Errors
/// The file itself is one, or its folder is not there.
pub fn resolve_without_links(file: &Path) -> io::Result<PathBuf> {
    if file.is_symlink() {
        let message = format!("{} is a symbolic link: the file itself has to be there", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(file.file_name().unwrap_or_default()))
}

/// Makes `file` where it is missing; one that others may read is its owner's only from now on. It is not opened: a
/// descriptor that is closed takes SQLite's locks away.
pub fn ensure_private(file: &Path) -> io::Result<()> {
    match options().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            remove_group_and_other(file);
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Takes the rights of others away from `file`, if it may. One with another name is left: whoever owns the folder may
/// have linked somebody's file into it.
pub fn remove_group_and_other(file: &Path) {
    if let Some((found, about)) = open_plain(file)
        && about.mode() & 0o077 != 0
    {
        use std::os::fd::AsRawFd as _;
        // `chmod` follows links by name and takes no such descriptor, but the name of one.
        let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
        let _ = fs::set_permissions(itself, Permissions::from_mode(about.mode() & 0o700));
    }
}

/// What root makes for a service's user is to be that user's, as its folder is. One with another name is left, too.
pub fn match_folder_owner(file: &Path) {
    if let Some((found, _)) = open_plain(file) {
        chown_to_parent_owner(&found, file);
    }
}

/// The same of a folder that root has just made.
pub fn match_new_folder_owner(folder: &Path) {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    if let Ok(found) = rustix::fs::open(folder, flags, Mode::empty()) {
        chown_to_parent_owner(&File::from(found), folder);
    }
}

/// `found`, of this name, to whom the folder above belongs, if it is root's.
fn chown_to_parent_owner(found: &File, name: &Path) {
    let above = name.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if let (Ok(ours), Ok(wanted)) = (found.metadata(), fs::metadata(above))
        && ours.uid() == 0
        && wanted.uid() != 0
    {
        let (user, group) = (Uid::from_raw(wanted.uid()), Gid::from_raw(wanted.gid()));
        // Only root may, and only for root does it matter.
        let _ = chownat(found, "", Some(user), Some(group), AtFlags::EMPTY_PATH);
    }
}

/// `file` itself, if it is a plain one without another name. To close it takes no lock of SQLite's away (`O_PATH`).
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
    fn a_lock_ends_when_it_is_dropped_whoever_has_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let lock = || Lock::acquire(lock_file(folder.path(), "a.lock").unwrap());
        let ours = lock().unwrap();
        assert_eq!(lock().unwrap_err(), Errno::WOULDBLOCK);
        // As a child has it that is being started.
        let _descriptor = ours.0.try_clone().unwrap();
        drop(ours);
        assert!(lock().is_ok());
        assert!(lock_file(&folder.path().join("not there"), "a.lock").is_err());
    }
}
