//! What the next start does before it opens anything: puts a backup in the place of the state, or removes all of it.
//!
//! Both go file by file and can be begun again at every point. What says that they are wanted goes last.

use std::fs;
use std::path::{Path, PathBuf};

use super::restore::{PLAN, plan};
use super::{PROVISIONED, file_error, lock, names, power_cut_point, remove, rename, sync_folder};
use crate::base::private::{self, Lock};
use crate::base::{Fault, FaultKind};
use crate::store::AuditEntry;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finished {
    /// Nothing was wanted.
    Nothing,
    /// A backup is the state now.
    Restored {
        /// The camera that it is of.
        name: String,
        /// When it was made.
        made: String,
        /// Who wanted it, for the audit list that it brought.
        by: Option<Box<AuditEntry>>,
    },
    /// The state is as new.
    Reset,
}

/// The locks of those who keep a file open.
const HOLDERS: [&str; 3] = ["counts.lock", "media.lock", "access.lock"];

/// What stands beside a database.
const BESIDE: [&str; 4] = ["", "-journal", "-wal", "-shm"];

/// Whether the next start has something to do here.
pub fn has_pending_work(state: &Path) -> bool {
    state.join(names::RESET).exists() || state.join(names::READY).join(PLAN).exists()
}

/// Does what is wanted.
///
/// # Errors
/// Somebody has files of it open, or the disk refuses; the next start tries again.
pub fn finish(state: &Path) -> Result<Finished, Fault> {
    // Nothing is made where nothing is.
    if !state.is_dir() {
        return Ok(Finished::Nothing);
    }
    if !has_pending_work(state) {
        if !leftovers(state).is_empty()
            && let Ok(_lock) = lock(state)
        {
            remove_leftovers(state);
        }
        return Ok(Finished::Nothing);
    }
    let _lock = lock(state)?;
    let held: Result<Vec<Lock>, Fault> = HOLDERS.iter().map(|name| acquire_lock(state, name)).collect();
    let _held = held?;
    remove_leftovers(state);
    if state.join(names::RESET).exists() {
        reset(state)?;
        return Ok(Finished::Reset);
    }
    restore(state)
}

fn acquire_lock(state: &Path, name: &str) -> Result<Lock, Fault> {
    let lock = private::lock_file(state, name).map_err(file_error(state))?;
    Lock::acquire(lock).map_err(|_| {
        Fault::new(FaultKind::Busy, "another restore or reset is under way").hint("wait until that is done")
    })
}

/// What a power cut has left of something else.
fn leftovers(state: &Path) -> Vec<PathBuf> {
    let of_no_use = |name: &str| [names::NEW, names::OLD].contains(&name) || name.ends_with(names::COPY);
    entries(state).into_iter().filter(|(name, _)| of_no_use(name)).map(|(_, path)| path).collect()
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

/// `file` and what SQLite keeps beside it.
fn remove_database(state: &Path, file: &str, from: usize) -> Result<(), Fault> {
    BESIDE[from..].iter().try_for_each(|ending| remove(&state.join(format!("{file}{ending}"))))
}

fn restore(state: &Path) -> Result<Finished, Fault> {
    let ready = state.join(names::READY);
    let Some(plan) = plan(&ready)? else { return Ok(Finished::Nothing) };
    let is_in = |name: &str| plan.files.iter().any(|file| file == name);
    // The last good copy of other settings would be put in force where these are empty.
    remove(&state.join("settings.toml.last-good"))?;
    for name in [names::SETTINGS, names::ACCESS] {
        if is_in(name) { move_into_place(&ready, state, name, name)? } else { remove(&state.join(name))? }
    }
    if is_in(names::CONFIG) {
        move_into_place(&ready, state, names::CONFIG, names::OTHER_CONFIG)?;
    }
    // What is beside a database belongs to the old one: nothing has opened the new one yet.
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
    // Models of other backups and of before stay, where these have none of the name.
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

/// Moves a file to its place, unless that was done before.
fn move_into_place(ready: &Path, state: &Path, from: &str, to: &str) -> Result<(), Fault> {
    power_cut_point()?;
    match fs::rename(ready.join(from), state.join(to)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        moved => moved.map_err(file_error(&state.join(to))),
    }
}

fn reset(state: &Path) -> Result<(), Fault> {
    let all =
        [names::READY, names::MODELS, names::OTHER_CONFIG, "update", "import", "https.pem", "https.key"];
    for name in all.into_iter().chain([PROVISIONED]) {
        remove(&state.join(name))?;
    }
    for (name, path) in entries(state) {
        // Settings that were set aside, stores that were set aside, and what is beside them.
        let begins = [names::SETTINGS, names::ACCESS, "counts.db", "media.db", "media.next.db", "media-"];
        if begins.iter().any(|begin| name.starts_with(begin)) {
            remove(&path)?;
        }
    }
    sync_folder(state)?;
    remove(&state.join(names::RESET))?;
    sync_folder(state)
}
