//! Files of the state directory: only their owner reads them, and no symbolic link leads to them.
//!
//! The folder may be a link (the state moved to another disk). A file in it may not: whoever owns the folder could lead
//! a command that root runs elsewhere.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

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

/// `file` by a name in which nothing is a link.
///
/// # Errors
/// The file itself is one, or its folder is not there.
pub fn name_without_links(file: &Path) -> io::Result<PathBuf> {
    if file.is_symlink() {
        let message = format!("{} is a symbolic link: the file itself has to be there", file.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(folder.canonicalize()?.join(file.file_name().unwrap_or_default()))
}

/// Makes `file` where it is missing; one that others may read is its owner's only from now on. It is not opened: a
/// descriptor that is closed takes SQLite's locks away.
pub fn make(file: &Path) -> io::Result<()> {
    match options().write(true).create_new(true).open(file) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            tighten(file);
            Ok(())
        }
        made => made.map(drop),
    }
}

/// Takes the rights of others away from `file`, if it may. One with another name is left: whoever owns the folder may
/// have linked somebody's file into it.
pub fn tighten(file: &Path) {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(found) = rustix::fs::open(file, flags, Mode::empty()).map(File::from) else { return };
    let Ok(about) = found.metadata() else { return };
    if about.is_file() && about.nlink() == 1 && about.mode() & 0o077 != 0 {
        use std::os::fd::AsRawFd as _;
        // `chmod` follows links by name and takes no such descriptor, but the name of one.
        let itself = format!("/proc/self/fd/{}", found.as_raw_fd());
        let _ = fs::set_permissions(itself, Permissions::from_mode(about.mode() & 0o700));
    }
}
