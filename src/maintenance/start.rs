//! The part of a restore or reset that runs at the next start, before anything is opened. It replaces the state with
//! a backup, or removes it.
//!
//! Both work file by file and can start over at every point. The file that requests them is removed last.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::restore::{PLAN, plan};
use super::update::is_pending;
use super::{
    LAST_GOOD_SETTINGS, PROVISIONED, file_error, lock, names, power_cut_point, remove, rename, sync_folder,
};
use tallycam_base::private::{self, Lock};
use tallycam_base::{Fault, FaultKind};
use tallycam_store::AuditEntry;

/// The result of [`finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// There was no request.
    Nothing,
    /// The state was replaced with a backup.
    Restored {
        /// The name of the backed-up camera.
        name: String,
        /// When the backup was made, RFC 3339.
        made: String,
        /// The user who asked for it, for the restored audit list.
        by: Option<Box<AuditEntry>>,
    },
    /// The state was removed.
    Reset,
}

/// Locks of the programs that hold files of the state open.
const HOLDERS: [&str; 3] = ["counts.lock", "media.lock", "access.lock"];

/// Root copies a package in seconds.
const COPIED_WITHIN: Duration = Duration::from_secs(3600);

/// Suffixes of SQLite's files; the first is the database itself.
const BESIDE: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// Whether a restore or reset is requested.
pub fn has_pending_work(state: &Path) -> bool {
    state.join(names::RESET).exists() || state.join(names::READY).join(PLAN).exists()
}

/// Carries out the request.
///
/// # Errors
/// A program holds files of the state open, or the disk fails. The next start tries again.
pub fn finish(state: &Path) -> Result<Finished, Fault> {
    // A missing state directory is not created here.
    if !state.is_dir() {
        return Ok(Finished::Nothing);
    }
    if !has_pending_work(state) {
        // A program that holds files of the state open may be writing what looks like a leftover.
        if !leftovers(state).is_empty()
            && let Ok(_lock) = lock(state)
            && let Ok(_held) = hold_all(state)
        {
            remove_leftovers(state);
        }
        return Ok(Finished::Nothing);
    }
    let _lock = lock(state)?;
    let _held = hold_all(state)?;
    remove_leftovers(state);
    if state.join(names::RESET).exists() {
        reset(state)?;
        return Ok(Finished::Reset);
    }
    restore(state)
}

fn hold_all(state: &Path) -> Result<Vec<Lock>, Fault> {
    HOLDERS.iter().map(|name| acquire_lock(state, name)).collect()
}

fn acquire_lock(state: &Path, name: &str) -> Result<Lock, Fault> {
    let lock = private::lock_file(state, name).map_err(file_error(state))?;
    Lock::acquire(lock).map_err(|_| {
        Fault::new(FaultKind::Busy, "another restore or reset is under way").hint("wait until that is done")
    })
}

/// Remnants of interrupted work, here and in the folders of models and of uploads.
fn leftovers(state: &Path) -> Vec<PathBuf> {
    let is_folder_or_copy = |name: &str| {
        let is_copy =
            BESIDE.iter().any(|ending| name.strip_suffix(ending).is_some_and(|it| it.ends_with(names::COPY)));
        [names::NEW, names::OLD, names::NEW_SETTINGS].contains(&name) || is_copy
    };
    // `NAME.PROCESS.part`, of a process that has ended.
    let is_part = |name: &str| {
        let process =
            name.strip_suffix(".part").and_then(|name| name.rsplit_once('.')).map(|(_, number)| number);
        process
            .is_some_and(|number| number.parse::<u32>().is_ok() && !Path::new("/proc").join(number).exists())
    };
    let upload = if is_pending(state) { Vec::new() } else { entries(&state.join(names::UPDATE)) };
    let upload = upload.into_iter().filter(|(_, path)| is_old(path));
    let models = entries(&state.join(names::MODELS)).into_iter().filter(|(name, _)| is_part(name));
    let own = entries(state).into_iter().filter(|(name, _)| is_folder_or_copy(name) || is_part(name));
    own.chain(models).chain(upload).map(|(_, path)| path).collect()
}

/// True if it has not changed lately. A new package may be one that root copies at this moment.
fn is_old(path: &Path) -> bool {
    let changed = fs::symlink_metadata(path).and_then(|file| file.modified()).ok();
    changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age >= COPIED_WITHIN)
}

fn remove_leftovers(state: &Path) {
    for path in leftovers(state) {
        if let Err(error) = remove(&path) {
            log::warn!("{error}");
        }
    }
}

fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path()))).collect()
}

/// Removes `file` and its journals; only the journals if `from` is 1.
fn remove_database(state: &Path, file: &str, from: usize) -> Result<(), Fault> {
    BESIDE[from..].iter().try_for_each(|ending| remove(&state.join(format!("{file}{ending}"))))
}

fn restore(state: &Path) -> Result<Finished, Fault> {
    let ready = state.join(names::READY);
    let Some(plan) = plan(&ready)? else { return Ok(Finished::Nothing) };
    let is_in = |name: &str| plan.files.iter().any(|file| file == name);
    // Otherwise the last good copy of the old settings would be used in place of absent ones.
    remove(&state.join(LAST_GOOD_SETTINGS))?;
    for name in [names::SETTINGS, names::ACCESS] {
        if is_in(name) { move_into_place(&ready, state, name, name)? } else { remove(&state.join(name))? }
    }
    if is_in(names::CONFIG) {
        move_into_place(&ready, state, names::CONFIG, names::OTHER_CONFIG)?;
    }
    // The journals belong to the old database; the new one has not been opened yet.
    remove_database(state, names::COUNTS, usize::from(is_in(names::COUNTS)))?;
    if is_in(names::COUNTS) {
        sync_folder(state)?;
        move_into_place(&ready, state, names::COUNTS, names::COUNTS)?;
    }
    if is_in(names::MEDIA) {
        remove_database(state, names::MEDIA, 1)?;
        sync_folder(state)?;
        move_into_place(&ready, state, names::MEDIA, names::MEDIA)?;
    }
    // Models that the backup does not replace stay.
    let models = state.join(names::MODELS);
    for file in plan.files.iter().filter(|file| file.starts_with(names::MODELS)) {
        if !models.is_dir() {
            private::make_directory(&models).map_err(file_error(&models))?;
            private::match_new_folder_owner(&models);
        }
        move_into_place(&ready, state, file, file)?;
        sync_folder(&models)?;
    }
    sync_folder(state)?;
    let old = state.join(names::OLD);
    rename(&ready, &old)?;
    sync_folder(state)?;
    remove(&old)?;
    Ok(Finished::Restored { name: plan.head.name, made: plan.head.made, by: plan.by.map(Box::new) })
}

/// Moves a file to its place, unless an interrupted run has already moved it.
fn move_into_place(ready: &Path, state: &Path, from: &str, to: &str) -> Result<(), Fault> {
    power_cut_point()?;
    match fs::rename(ready.join(from), state.join(to)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(file_error(&state.join(to))),
    }
}

fn reset(state: &Path) -> Result<(), Fault> {
    let all = [
        names::READY,
        names::MODELS,
        names::OTHER_CONFIG,
        names::UPDATE,
        "import",
        "https.pem",
        "https.key",
        "notify.json",
    ];
    // mqtt.json stays: with it the camera keeps its id at the broker, and removes deleted lines from Home Assistant.
    for name in all.into_iter().chain([PROVISIONED]) {
        remove(&state.join(name))?;
    }
    for (name, path) in entries(state) {
        // Settings and stores that were set aside, and their journals.
        let begins = [names::SETTINGS, names::ACCESS, "counts.db", "media.db", "media.next.db", "media-"];
        if begins.iter().any(|begin| name.starts_with(begin)) {
            remove(&path)?;
        }
    }
    sync_folder(state)?;
    remove(&state.join(names::RESET))?;
    sync_folder(state)
}
