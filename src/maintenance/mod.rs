//! What is done to the state directory as a whole: a backup of it, one restored, all of it removed.
//!
//! ```text
//! backup   state ─► tar: head, files, SHA256SUMS
//! restore  tar ─► restore.new/ ─► checked ─► rename to restore/ ─┐
//! reset                        factory-reset, an empty file ─────┴─► carried out by the next start, before all else
//! ```
//!
//! A request is one name in the directory, made by one rename: a power cut leaves it made or not made. What the next
//! start does about it can be begun again from the start at every moment, and nothing is opened before it is done: so
//! the state is the old one or the new one, never some of each.
//!
//! Everything here blocks.

pub mod backup;
pub mod restore;
pub mod start;
pub mod update;

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use tokio::sync::Notify;

use crate::base::private::{self, Lock};
use crate::base::{Fault, FaultKind};

/// The version of this program.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What `tallycam card apply` has applied to a state: it goes with it.
pub const PROVISIONED: &str = "provisioned.json";

/// Files of the state, by the names that they have there and in a backup.
mod names {
    pub const HEAD: &str = "tallycam-backup.json";
    pub const SUMS: &str = "SHA256SUMS";
    pub const CONFIG: &str = "config.toml";
    pub const SETTINGS: &str = "settings.toml";
    pub const ACCESS: &str = "access.json";
    pub const COUNTS: &str = "counts.db";
    pub const MEDIA: &str = "media.db";
    /// Models that were added, in a folder of their own.
    pub const MODELS: &str = "models";

    /// Where a backup is unpacked.
    pub const NEW: &str = "restore.new";
    /// One that was found to be whole, to be taken by the next start.
    pub const READY: &str = "restore";
    /// What is no longer of use.
    pub const OLD: &str = "restore.old";
    /// Says that everything is to be removed.
    pub const RESET: &str = "factory-reset";
    /// What the operator's file said where the backup was made.
    pub const OTHER_CONFIG: &str = "config.toml.restored";
    /// How a copy of the counts ends that is on its way into a backup.
    pub const COPY: &str = ".backup.tmp";
    /// Who works on the directory as a whole has this lock.
    pub const LOCK: &str = "maintenance.lock";
}

/// That an archive is not taken.
pub fn unfit(why: impl fmt::Display) -> Fault {
    let why = why.to_string();
    let hint = match why.contains("newer") {
        true => "update tallycam here first, then restore",
        false => "`tallycam backup` and the page Backup make what can be restored; nothing was changed",
    };
    Fault::wrong(format!("this backup is not taken: {why}")).hint(hint)
}

/// That it could not be read to its end: the sender is gone.
pub fn cut(why: impl fmt::Display) -> Fault {
    Fault::wrong(format!("the backup was cut off: {why}")).hint("send it again; nothing was changed")
}

/// That the system does not do it.
fn system_error(what: impl fmt::Display, error: impl fmt::Display) -> Fault {
    Fault::new(FaultKind::File, format!("{what}: {error}"))
}

/// The same with a file.
pub fn file_error(file: &Path) -> impl Fn(io::Error) -> Fault + '_ {
    |error| system_error(file.display(), error)
}

/// The state directory of a daemon that runs, and how that is told to begin again.
#[derive(Debug)]
pub struct Maintenance {
    state: PathBuf,
    config: Option<PathBuf>,
    again: Notify,
}

impl Maintenance {
    /// Of the daemon that keeps its state in `state` and has read `config`.
    pub fn new(state: PathBuf, config: Option<PathBuf>) -> Maintenance {
        Maintenance { state, config, again: Notify::new() }
    }

    /// The state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What goes into a backup of it, by what the camera is called now.
    pub fn contents(&self, name: &str, pictures: bool) -> backup::Contents {
        backup::Contents {
            state: self.state.clone(),
            name: name.to_owned(),
            config: self.config.clone(),
            pictures,
        }
    }

    /// Has the daemon stop in order and start again.
    pub fn request_restart(&self) {
        self.again.notify_one();
    }

    /// Ends when that is wanted.
    pub async fn wait_restart_requested(&self) {
        self.again.notified().await;
    }
}

/// Wants everything removed by the next start of the daemon.
///
/// # Errors
/// Another one is at it, or nothing can be written there.
pub fn request_reset(state: &Path) -> Result<(), Fault> {
    let _lock = lock(state)?;
    let marker = state.join(names::RESET);
    private::replace(&marker, b"Everything here is removed by the next start of tallycam.\n")
        .map_err(file_error(&marker))
}

/// Bytes that stay free in any case.
const SPARE: u64 = 16 << 20;

/// Whether `needed` bytes fit into the file system of `folder`, of which `floor` bytes are to stay free.
///
/// # Errors
/// There is not; or it cannot be asked.
pub fn has_room(folder: &Path, needed: u64, floor: u64) -> Result<(), Fault> {
    let room = rustix::fs::statvfs(folder).map_err(|error| system_error(folder.display(), error))?;
    let free = room.f_bavail.saturating_mul(room.f_frsize).saturating_sub(floor.saturating_add(SPARE));
    if needed <= free {
        return Ok(());
    }
    let (needed, free) = (needed.div_ceil(1_000_000), free / 1_000_000);
    let what = format!("there is no room for it: it takes {needed} MB, and {free} MB may be taken");
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

/// Brings the names in `folder` to the disk.
fn sync_folder(folder: &Path) -> Result<(), Fault> {
    power_cut_point()?;
    private::sync_folder(folder).map_err(file_error(folder))
}

/// Between two changes to the disk. Tests cut the power here.
fn power_cut_point() -> Result<(), Fault> {
    #[cfg(test)]
    tests::step()?;
    Ok(())
}

/// Gives a file or folder another name.
fn rename(from: &Path, to: &Path) -> Result<(), Fault> {
    power_cut_point()?;
    fs::rename(from, to).map_err(file_error(to))
}

/// Removes a file, a link or a folder, if it is there.
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
