//! Applies the card's settings and password to the daemon's state directory, as the page would.
//!
//! A value is applied only when it has changed on the card, so that later changes on the page survive a start. The
//! same directory stores what was applied: after a factory reset everything is applied again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rustix::fs::{CWD, Gid, Uid};
use serde::{Deserialize, Serialize};

use crate::access::{self, Access, AccessGuard};
use crate::card::accounts::Ids;
use crate::card::{Entry, Password};
use crate::daemon::settings_file;
use crate::maintenance::PROVISIONED;
use tallycam_base::private;
use tallycam_base::unicode::hex;
use tallycam_config::{Saved, is_settable_on_page};

/// A longer file is refused.
const LONGEST: u64 = 1024 * 1024;

/// The values that were applied last. It holds no secrets, only the password's hash and digests of values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(default)]
    password: Option<String>,
    /// Digest of each value by its path.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// The daemon's state directory.
#[derive(Debug)]
pub struct CardStateDirectory(PathBuf);

/// Digest by which a value is recognised.
fn value_digest(toml: &str) -> String {
    hex(digest(&SHA256, toml.as_bytes()))
}

/// Opens the folder `path`, or creates it for `owner`. A symbolic link is refused.
fn folder(path: &Path, owner: Option<Ids>) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_dir() => return Ok(()),
        Ok(_) => return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no folder of its own")),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    fs::DirBuilder::new().mode(0o750).create(path)?;
    if let Some(Ids { user, group }) = owner.filter(|_| rustix::process::geteuid().is_root()) {
        rustix::fs::chownat(
            CWD,
            path,
            Some(Uid::from_raw(user)),
            Some(Gid::from_raw(group)),
            rustix::fs::AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    Ok(())
}

impl CardStateDirectory {
    /// Opens the directory at `path`, or creates it for `owner`.
    ///
    /// # Errors
    /// A sentence that says why the directory cannot be used.
    pub fn open(path: PathBuf, owner: Option<Ids>) -> Result<CardStateDirectory, String> {
        folder(&path, owner).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(CardStateDirectory(path))
    }

    /// Reads what was applied last. If it is unreadable, `entries` gets a report and everything is applied again.
    pub fn memory(&self, entries: &mut Vec<Entry>) -> Memory {
        let file = self.0.join(PROVISIONED);
        let read = || -> io::Result<Memory> {
            let mut text = Vec::new();
            private::options().read(true).open(&file)?.take(LONGEST).read_to_end(&mut text)?;
            Ok(serde_json::from_slice(&text)?)
        };
        read().unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                let name = file.display();
                entries.push(Entry::note(format!("{name} is invalid: all settings are applied again")));
            }
            Memory::default()
        })
    }

    /// Stores what was applied, if it differs from `before`.
    ///
    /// # Errors
    /// Why it cannot be stored.
    pub fn save_memory(&self, memory: &Memory, before: &Memory) -> io::Result<()> {
        if memory == before {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(memory)?;
        private::replace(&self.0.join(PROVISIONED), format!("{text}\n").as_bytes())
    }

    /// Sets every value of `given` that has changed since the last time, as if it were set on the page.
    ///
    /// A value that is gone from `given` is removed, unless the page has changed it or `is_kept` says that its
    /// absence is not certain. Returns the paths that the page has changed.
    ///
    /// # Errors
    /// A sentence that says why the settings cannot be stored; then nothing has changed.
    pub fn settings(
        &self,
        given: &Saved,
        is_kept: &dyn Fn(&str) -> bool,
        memory: &mut Memory,
    ) -> Result<Vec<String>, String> {
        let file = self.0.join(settings_file::NAME);
        if fs::symlink_metadata(&file).is_ok_and(|about| !about.is_file()) {
            return Err(format!("{} is no file", file.display()));
        }
        let found = settings_file::read(&self.0);
        let applied = memory.settings.clone();
        let mut saved = found.saved.clone();
        let (mut next, mut of_page) = (BTreeMap::new(), Vec::new());
        for path in given.paths().filter(|path| is_settable_on_page(path)) {
            let mark = value_digest(given.get(path).unwrap_or_default());
            let is_lost = found.is_faulty && found.saved.get(path).is_none();
            if applied.get(path) != Some(&mark) || is_lost {
                saved.copy(path, given);
            } else if found.saved.get(path) != given.get(path) {
                of_page.push(path.to_owned());
            }
            next.insert(path.to_owned(), mark);
        }
        let nothing = Saved::empty(file);
        for (path, mark) in applied.iter().filter(|(path, _)| given.get(path).is_none()) {
            if is_kept(path) {
                next.insert(path.clone(), mark.clone());
            } else if found.saved.get(path).map(value_digest).as_ref() == Some(mark) {
                saved.copy(path, &nothing);
            }
        }
        if saved.to_toml() != found.saved.to_toml() {
            settings_file::write(&self.0, &saved, found.is_faulty).map_err(|error| error.to_string())?;
        }
        memory.settings = next;
        Ok(of_page)
    }

    /// Makes `hash` the admin's password if it differs from the last one or no password is set.
    ///
    /// # Errors
    /// A sentence that says why it could not be set.
    pub fn password(&self, hash: &str, memory: &mut Memory) -> Result<(), String> {
        let access = Access::open(&self.0);
        if memory.password.as_deref() == Some(hash) && access.guard() != AccessGuard::Never {
            return Ok(());
        }
        access.set_hash(hash).map_err(|error| error.to_string())?;
        memory.password = Some(hash.to_owned());
        Ok(())
    }
}

/// The hash of a password. The last hash is returned again if it fits the same password.
///
/// # Errors
/// A sentence that says why no hash can be made.
pub fn hash(password: &Password, memory: &Memory) -> Result<String, String> {
    match password {
        Password::Hash(hash) => Ok(hash.clone()),
        Password::Plain(plain, _) => {
            let known = memory.password.as_ref().filter(|hash| access::verify_hash(hash, plain));
            known
                .map_or_else(|| access::hashed(plain).map_err(|error| error.to_string()), |it| Ok(it.clone()))
        }
    }
}
