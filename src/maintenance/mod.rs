//! Work on the whole state directory: backup, restore, reset.
//!
//! ```text
//! backup   state ─► tar: head, files, SHA256SUMS
//! restore  tar ─► restore.new/ ─► checked ─► rename to restore/ ─┐
//! reset                        factory-reset, an empty file ─────┴─► carried out by the next start, before all else
//! ```
//!
//! The request for a restore or reset is one name in the directory. It appears by one rename, so a power cut cannot
//! leave half a request. The next start carries out the request before it opens anything. If that is interrupted, the
//! start after it begins again. A service never runs with a mixture of the old state and the new one.
//!
//! All functions here block.

pub mod backup;
pub mod restore;
pub mod start;
pub mod update;

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::sync::Notify;

use tallycam_base::private::{self, Lock};
use tallycam_base::{Fault, FaultKind};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The record of the last `tallycam card apply`. It is part of the state, and a reset removes it.
pub const PROVISIONED: &str = "provisioned.json";

/// The copy of the last good settings, in the state directory.
pub const LAST_GOOD_SETTINGS: &str = "settings.toml.last-good";

/// Names of files, in the state directory and in a backup.
mod names {
    pub const HEAD: &str = "tallycam-backup.json";
    pub const SUMS: &str = "SHA256SUMS";
    pub const CONFIG: &str = "config.toml";
    pub const SETTINGS: &str = "settings.toml";
    pub const ACCESS: &str = "access.json";
    pub const COUNTS: &str = "counts.db";
    pub const MEDIA: &str = "media.db";
    /// The folder of added models.
    pub const MODELS: &str = "models";

    /// The folder of an upload that root installs.
    pub const UPDATE: &str = "update";
    /// New settings until they are complete.
    pub const NEW_SETTINGS: &str = "settings.toml.new";

    /// The folder into which a backup is unpacked.
    pub const NEW: &str = "restore.new";
    /// A checked backup that waits for the next start.
    pub const READY: &str = "restore";
    /// The previous restore folder, to be removed.
    pub const OLD: &str = "restore.old";
    /// Present when the next start should remove everything.
    pub const RESET: &str = "factory-reset";
    /// The operator's file of the restored backup.
    pub const OTHER_CONFIG: &str = "config.toml.restored";
    /// Suffix of a temporary copy of `counts.db` for a backup.
    pub const COPY: &str = ".backup.tmp";
    /// The lock for work on the whole directory.
    pub const LOCK: &str = "maintenance.lock";
}

/// The fault of an archive that is refused.
pub fn unfit(why: impl fmt::Display) -> Fault {
    let why = why.to_string();
    let hint = match why.contains("newer") {
        true => "update tallycam here first, then restore",
        false => "choose a file that a backup wrote; nothing was changed",
    };
    Fault::wrong(format!("this backup cannot be used: {why}")).hint(hint)
}

/// The fault of an archive that ended early because the sender is gone.
pub fn cut(why: impl fmt::Display) -> Fault {
    Fault::wrong(format!("the backup was cut off: {why}")).hint("send it again; nothing was changed")
}

/// The fault of an operation that the system refused.
fn system_error(what: impl fmt::Display, error: impl fmt::Display) -> Fault {
    Fault::new(FaultKind::File, format!("{what}: {error}"))
}

/// The fault of a failed operation on `file`.
pub fn file_error(file: &Path) -> impl Fn(io::Error) -> Fault + '_ {
    |error| system_error(format_args!("`{}`", file.display()), error)
}

/// The state directory of the running daemon, and the way to restart the daemon.
#[derive(Debug)]
pub struct Maintenance {
    state: PathBuf,
    config: Option<PathBuf>,
    again: Notify,
}

impl Maintenance {
    /// For a daemon with its state in `state` that has read the file `config`.
    pub fn new(state: PathBuf, config: Option<PathBuf>) -> Maintenance {
        Maintenance { state, config, again: Notify::new() }
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The contents of a backup of this state. `name` is the camera's current name, `settings` the text of
    /// `settings.toml`; `pictures` includes thumbnails.
    pub fn contents(&self, name: &str, settings: String, pictures: bool) -> backup::Contents {
        backup::Contents {
            state: self.state.clone(),
            name: name.to_owned(),
            config: self.config.clone(),
            settings,
            pictures,
        }
    }

    /// Makes the daemon stop in order and start again.
    pub fn request_restart(&self) {
        self.again.notify_one();
    }

    /// Waits until a restart is requested.
    pub async fn wait_restart_requested(&self) {
        self.again.notified().await;
    }
}

/// Requests that the daemon's next start removes everything.
///
/// # Errors
/// Another restore or reset is under way, or the directory is not writable.
pub fn request_reset(state: &Path) -> Result<(), Fault> {
    let _lock = lock(state)?;
    let marker = state.join(names::RESET);
    private::replace(&marker, b"Everything here is removed by the next start of tallycam.\n")
        .map_err(file_error(&marker))
}

/// Bytes that always stay free.
const SPARE: u64 = 16 << 20;

/// Checks that `needed` bytes fit into the file system of `folder` while `floor` bytes stay free.
///
/// # Errors
/// There is not enough room, or the file system cannot be queried.
pub fn has_room(folder: &Path, needed: u64, floor: u64) -> Result<(), Fault> {
    let room = rustix::fs::statvfs(folder)
        .map_err(|error| system_error(format_args!("`{}`", folder.display()), error))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize).saturating_sub(floor.saturating_add(SPARE));
    if needed <= free {
        return Ok(());
    }
    let (needed, free) = (needed.div_ceil(1_000_000), free / 1_000_000);
    let what = format!("there is no room for it: it needs {needed} MB, and {free} MB are available");
    let hint = "delete recordings, or restore onto a larger disk; a backup without recordings is small";
    Err(Fault::new(FaultKind::Full, what).hint(hint))
}

fn lock(state: &Path) -> Result<Lock, Fault> {
    private::make_directory(state).map_err(file_error(state))?;
    let lock = private::lock_file(state, names::LOCK).map_err(file_error(state))?;
    Lock::acquire(lock).map_err(|_| {
        Fault::new(FaultKind::Busy, "another restore or reset is under way").hint("wait until that is done")
    })
}

/// Syncs the names in `folder` to the disk.
fn sync_folder(folder: &Path) -> Result<(), Fault> {
    power_cut_point()?;
    private::sync_folder(folder).map_err(file_error(folder))
}

/// Stands between two changes to the disk. Tests cut the power here.
fn power_cut_point() -> Result<(), Fault> {
    #[cfg(test)]
    tests::step()?;
    Ok(())
}

fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    power_cut_point()?;
    fs::rename(from, to).map_err(file_error(to))
}

/// Removes a file, a link or a folder, if it exists.
fn remove(path: &Path) -> Result<(), Fault> {
    power_cut_point()?;
    let removed = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => Err(error),
        Ok(about) if about.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(file_error(path)),
    }
}

#[cfg(test)]
mod tests;
