//! What the page hands over: the daemon may write to its state only, and root takes it from there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};

use super::super::{file_error, sync_folder, system_error};
use crate::base::{Fault, private};

const FOLDER: &str = "update";
const DEB: &str = "tallycam.deb";
const SIGNATURE: &str = "tallycam.deb.minisig";
/// What systemd waits for.
const MARKER: &str = "pending";

/// A package and its signature, where the daemon puts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The package.
    pub deb: PathBuf,
    pub signature: PathBuf,
}

impl Pending {
    /// Their places in a state directory; the folder is made.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(state: &Path) -> Result<Pending, Fault> {
        let folder = state.join(FOLDER);
        private::make_directory(&folder).map_err(file_error(&folder))?;
        let pending = Pending { deb: folder.join(DEB), signature: folder.join(SIGNATURE) };
        for file in [&pending.deb, &pending.signature, &folder.join(MARKER)] {
            super::super::remove(file)?;
        }
        Ok(pending)
    }
}

/// Hands over what was written: root's `tallycam update --pending` begins with it.
///
/// # Errors
/// It cannot be written.
pub fn publish(state: &Path) -> Result<(), Fault> {
    let marker = state.join(FOLDER).join(MARKER);
    private::replace(&marker, b"").map_err(file_error(&marker))?;
    sync_folder(&state.join(FOLDER))
}

/// Whether something is handed over and not taken yet.
pub fn is_pending(state: &Path) -> bool {
    state.join(FOLDER).join(MARKER).exists()
}

/// Takes what was handed over, once. The folder is the service user's, who may put a link in its place: nothing is
/// followed there.
///
/// # Errors
/// It is no folder.
pub fn take_once(state: &Path) -> Result<Option<Pending>, Fault> {
    let path = state.join(FOLDER);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, &path, flags, Mode::empty()).map(File::from);
    let folder = folder.map_err(|error| system_error(path.display(), error))?;
    match unlinkat(&folder, MARKER, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(system_error(path.join(MARKER).display(), error)),
        Ok(()) => Ok(Some(Pending { deb: path.join(DEB), signature: path.join(SIGNATURE) })),
    }
}
