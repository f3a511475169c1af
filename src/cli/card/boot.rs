//! The boot partition: FAT, mounted read-only, and writable only while a file on it is replaced.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::StatVfsMountFlags;
use rustix::mount::{MountFlags, mount_remount};

use crate::card::{LONGEST, Loaded};
use tallycam_base::private;

/// Name of a new file until it is complete.
const NEW: &str = "tallycam.new";

/// The folder of the partition.
#[derive(Debug)]
pub struct Boot {
    folder: PathBuf,
    /// The mount flags to restore, while the partition is writable.
    was: Option<MountFlags>,
}

impl Boot {
    /// Opens the partition that is mounted at `folder`.
    ///
    /// # Errors
    /// A sentence that says why there is no such partition. With `is_mounted`, a plain folder that is no file system
    /// of its own is refused.
    pub fn open(folder: &Path, is_mounted: bool) -> Result<Boot, String> {
        let none = |why: &str| Err(format!("there is no boot partition at {}: {why}", folder.display()));
        let about = match fs::metadata(folder) {
            Ok(about) if about.is_dir() => about,
            Ok(_) => return none("it is no folder"),
            Err(error) => return none(&error.to_string()),
        };
        if is_mounted && fs::metadata(folder.join("..")).is_ok_and(|above| above.dev() == about.dev()) {
            return none("it is not mounted");
        }
        Ok(Boot { folder: folder.to_owned(), was: None })
    }

    /// True if a file of this name exists.
    pub fn has(&self, name: &str) -> bool {
        fs::symlink_metadata(self.folder.join(name)).is_ok()
    }

    /// Reads the file `name`, at most one byte more than the largest allowed size; `None` if it does not exist.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub fn read(&self, name: &str) -> Loaded {
        let path = self.folder.join(name);
        let read = || -> io::Result<Vec<u8>> {
            let file = private::options().read(true).open(&path)?;
            if !file.metadata()?.is_file() {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
            }
            let mut bytes = Vec::new();
            file.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot be read: {error}")),
        }
    }

    /// Replaces the whole file `name`. The old content is overwritten first: it may hold a password, and FAT does not
    /// erase freed clusters. The partition stays writable until this value is dropped.
    pub fn write(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.remount_writable(&|folder, flags| Ok(mount_remount(folder, flags, "")?))?;
        let new = self.folder.join(NEW);
        let written = (|| {
            let _ = fs::remove_file(&new);
            let mut file = private::options().write(true).create_new(true).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            let old = private::options().write(true).open(self.folder.join(name));
            fs::rename(&new, self.folder.join(name))?;
            File::open(&self.folder)?.sync_all()?;
            let Ok(mut old) = old else { return Ok(()) };
            let bytes = old.metadata()?.len().min(LONGEST as u64);
            io::copy(&mut io::repeat(0).take(bytes), &mut old)?;
            old.sync_all()
        })();
        // A half-written file is useless.
        written.inspect_err(|_: &io::Error| drop(fs::remove_file(&new)))
    }

    fn remount_writable(&mut self, remount: &dyn Fn(&Path, MountFlags) -> io::Result<()>) -> io::Result<()> {
        let flags = rustix::fs::statvfs(&self.folder)?.f_flag;
        if !flags.contains(StatVfsMountFlags::RDONLY) {
            return Ok(());
        }
        // The other bits have the same values in statvfs(3) and mount(2).
        let kept = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::SYNCHRONOUS;
        let kept = (kept | MountFlags::NOATIME) & MountFlags::from_bits_truncate(flags.bits() as _);
        remount(&self.folder, kept)?;
        self.was = Some(kept | MountFlags::RDONLY);
        Ok(())
    }
}

impl Drop for Boot {
    fn drop(&mut self) {
        if let Some(was) = self.was.take()
            && let Err(error) = mount_remount(&self.folder, was, "")
        {
            log::error!("{} stays writable: {error}", self.folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_replaced_or_stays_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let mut boot = Boot::open(folder.path(), false).unwrap();
        assert_eq!(boot.read("a"), Ok(None));
        boot.write("a", b"one").unwrap();
        // A hard link still shows the clusters of the old file.
        fs::hard_link(folder.path().join("a"), folder.path().join("clusters")).unwrap();
        boot.write("a", b"two").unwrap();
        assert_eq!(boot.read("a").unwrap().unwrap(), b"two");
        assert_eq!(fs::read(folder.path().join("clusters")).unwrap(), [0; 3]);
        fs::create_dir_all(folder.path().join("b/full")).unwrap();
        assert!(boot.write("b", b"x").is_err() && !boot.has(NEW));
        assert!(boot.read("b").unwrap_err().contains("no file"));
        std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
        assert!(boot.read("link").is_err(), "links are not followed");
    }

    #[test]
    fn a_partition_that_is_not_there_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Boot::open(&folder.path().join("none"), false).unwrap_err().contains("no boot partition"));
        assert!(Boot::open(folder.path(), true).unwrap_err().contains("not mounted"));
    }

    /// Uses sysfs, which is read-only or cannot be remounted in a test: the failure is reported and nothing is
    /// written.
    #[test]
    fn a_partition_that_cannot_be_made_writable_is_reported() {
        let read_only = ["/sys", "/proc/sys", "/sys/fs/cgroup"].into_iter().find(|path| {
            rustix::fs::statvfs(*path).is_ok_and(|said| said.f_flag.contains(StatVfsMountFlags::RDONLY))
        });
        let Some(read_only) = read_only else { return };
        let mut boot = Boot { folder: PathBuf::from(read_only), was: None };
        let refused = |_: &Path, _: MountFlags| Err(io::Error::from_raw_os_error(30));
        assert!(boot.remount_writable(&refused).is_err() && boot.was.is_none());
    }
}
