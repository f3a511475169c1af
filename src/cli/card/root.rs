//! Files below a root directory. No symbolic link leads out of it (openat2(2), `RESOLVE_IN_ROOT`).

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, fchmod, fchown, mkdirat, openat, openat2,
    renameat, statat, symlinkat, unlinkat,
};
use rustix::io::Errno;

use crate::card::accounts::Ids;
use crate::card::files::{FileChange, Write};

/// Name of a new file until it is complete.
const PART: &str = ".tallycam-card.part";

/// A folder that stands for `/`.
#[derive(Debug)]
pub struct Root(OwnedFd);

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC
}

impl Root {
    /// Opens the folder at `path`.
    pub fn open(path: &Path) -> io::Result<Root> {
        Ok(Root(openat(CWD, path, folder_flags(), Mode::empty())?))
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let how = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(openat2(&self.0, path, flags | OFlags::CLOEXEC, Mode::empty(), how)?)
    }

    /// Reads at most `most` bytes of the file at `path`; `None` if it does not exist.
    pub fn read(&self, path: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
        let file = match self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(file) => File::from(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file"));
        }
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Reads the text at `path`; empty if there is no file.
    pub fn read_text(&self, path: &str) -> io::Result<String> {
        let bytes = self.read(path, 1024 * 1024)?.unwrap_or_default();
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
    }

    /// True if something exists at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.resolve(path, OFlags::PATH).is_ok()
    }

    /// Opens the folder at `path` and creates missing parts of it.
    fn folder(&self, path: &str) -> io::Result<OwnedFd> {
        let mut folder = self.resolve(".", folder_flags())?;
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        for end in 1..=parts.len() {
            let path = parts[..end].join("/");
            folder = match self.resolve(&path, folder_flags()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    mkdirat(&folder, parts[end - 1], Mode::from_raw_mode(0o755))?;
                    self.resolve(&path, folder_flags())?
                }
                found => found?,
            };
        }
        Ok(folder)
    }

    /// Writes one file, link or folder. A file or link replaces the old one atomically.
    pub fn write(&self, write: &Write) -> io::Result<()> {
        let (folder, name) = write.path.rsplit_once('/').unwrap_or(("", &write.path));
        let folder = self.folder(folder)?;
        match &write.what {
            FileChange::Folder(mode) => {
                match mkdirat(&folder, name, Mode::from_raw_mode(*mode)) {
                    Err(Errno::EXIST) | Ok(()) => {}
                    Err(error) => return Err(error.into()),
                }
                let made = openat(&folder, name, folder_flags() | OFlags::NOFOLLOW, Mode::empty())?;
                set_owner(&made, write.owner)?;
                fchmod(&made, Mode::from_raw_mode(*mode))?;
                Ok(())
            }
            FileChange::Link(target) => {
                remove(&folder, PART)?;
                symlinkat(target.as_str(), &folder, PART)?;
                Ok(renameat(&folder, PART, &folder, name)?)
            }
            FileChange::File(bytes, mode) => {
                remove(&folder, PART)?;
                let flags =
                    OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut part = File::from(openat(&folder, PART, flags, Mode::from_raw_mode(0o600))?);
                let written = (|| {
                    part.write_all(bytes)?;
                    set_owner(&part, write.owner.or_else(|| file_owner(&folder, name)))?;
                    fchmod(&part, Mode::from_raw_mode(*mode))?;
                    Ok(renameat(&folder, PART, &folder, name)?)
                })();
                // A half-written file is useless.
                written.inspect_err(|_: &io::Error| drop(remove(&folder, PART)))
            }
        }
    }
}

fn remove(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Err(Errno::NOENT) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// The owner of the file `name`; `None` if there is no such file.
fn file_owner(folder: &OwnedFd, name: &str) -> Option<Ids> {
    let about = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    let is_file = FileType::from_raw_mode(about.st_mode) == FileType::RegularFile;
    is_file.then_some(Ids { user: about.st_uid, group: about.st_gid })
}

/// Sets the owner of a file. Other users than root cannot, and keep their own files.
fn set_owner(file: impl AsFd, owner: Option<Ids>) -> io::Result<()> {
    match owner.filter(|_| rustix::process::geteuid().is_root()) {
        None => Ok(()),
        Some(Ids { user, group }) => Ok(fchown(file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;
    use std::os::unix::fs::symlink;
    use std::process::Command;

    use super::*;

    fn file(path: &str) -> Write {
        Write { path: path.to_owned(), what: FileChange::File(b"ours".to_vec(), 0o644), owner: None }
    }

    #[test]
    fn no_link_leads_out_of_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("hostname"), "theirs").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        symlink(outside.path(), folder.path().join("etc")).unwrap();
        assert!(root.read("etc/hostname", 10).unwrap().is_none());
        assert!(root.write(&file("etc/hostname")).is_err());
        fs::remove_file(folder.path().join("etc")).unwrap();
        fs::create_dir(folder.path().join("etc")).unwrap();
        symlink(outside.path().join("hostname"), folder.path().join("etc/hostname")).unwrap();
        root.write(&file("etc/hostname")).unwrap();
        assert_eq!(fs::read_to_string(outside.path().join("hostname")).unwrap(), "theirs");
        assert_eq!(root.read_text("etc/hostname").unwrap(), "ours");
        assert!(!folder.path().join("etc/hostname").is_symlink());
        let home = |what| Write { path: String::from("home/alice"), what, owner: None };
        fs::create_dir(folder.path().join("home")).unwrap();
        symlink(outside.path(), folder.path().join("home/alice")).unwrap();
        assert!(root.write(&home(FileChange::Folder(0o700))).is_err());
        // A link that stays inside is followed.
        fs::create_dir_all(folder.path().join("usr/lib")).unwrap();
        symlink("usr/lib", folder.path().join("lib")).unwrap();
        root.write(&file("lib/new/deep/file")).unwrap();
        assert_eq!(root.read_text("usr/lib/new/deep/file").unwrap(), "ours");
    }

    #[test]
    fn only_files_are_read_or_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::open(folder.path()).unwrap();
        fs::create_dir_all(folder.path().join("etc/hostname/full")).unwrap();
        assert!(root.read("etc/hostname", 10).is_err() && root.write(&file("etc/hostname")).is_err());
        assert!(!folder.path().join("etc").join(PART).exists(), "nothing is left");
        let made = Command::new("mkfifo").arg(folder.path().join("etc/fifo")).status().unwrap();
        assert!(made.success());
        assert!(root.read("etc/fifo", 10).is_err());
        fs::write(folder.path().join("etc/long"), "0123456789").unwrap();
        assert_eq!(root.read("etc/long", 4).unwrap().unwrap(), b"0123");
    }
}
