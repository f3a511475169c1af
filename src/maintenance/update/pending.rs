//! The hand-over of an update from the page to root. The daemon may write only to its state directory, and root takes
//! the package from there.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};

use super::super::{file_error, sync_folder};
use tallycam_base::{Fault, private};

use super::super::names::UPDATE as FOLDER;
const DEB: &str = "tallycam.deb";
const SIGNATURE: &str = "tallycam.deb.minisig";
/// The file that systemd waits for.
const MARKER: &str = "pending";

/// The paths of a package and its signature that the daemon hands over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The package.
    pub deb: PathBuf,
    pub signature: PathBuf,
}

impl Pending {
    /// The paths in the state directory `state`. Creates the folder and removes an earlier package.
    ///
    /// # Errors
    /// The folder cannot be created, or an earlier package cannot be removed.
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

/// Hands the written package over: root's `tallycam update --pending` starts.
///
/// # Errors
/// The marker cannot be written.
pub fn publish(state: &Path) -> Result<(), Fault> {
    let marker = state.join(FOLDER).join(MARKER);
    private::replace(&marker, b"").map_err(file_error(&marker))?;
    sync_folder(&state.join(FOLDER))
}

/// Whether a package waits to be taken.
pub fn is_pending(state: &Path) -> bool {
    state.join(FOLDER).join(MARKER).exists()
}

/// Takes the package, once. The service user owns the folder and may put a link in its place, so no link is followed.
///
/// # Errors
/// It is not a folder.
pub fn take_once(state: &Path) -> Result<Option<Pending>, Fault> {
    let path = state.join(FOLDER);
    if fs::symlink_metadata(&path).is_err() {
        return Ok(None);
    }
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(CWD, &path, flags, Mode::empty()).map(File::from);
    let folder = folder.map_err(|error| file_error(&path)(error.into()))?;
    match unlinkat(&folder, MARKER, AtFlags::empty()) {
        Err(rustix::io::Errno::NOENT) => Ok(None),
        Err(error) => Err(file_error(&path.join(MARKER))(error.into())),
        Ok(()) => Ok(Some(Pending { deb: path.join(DEB), signature: path.join(SIGNATURE) })),
    }
}
