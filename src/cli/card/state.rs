//! The daemon's state directory: settings and the password go into it as the page's own do, and only when they have
//! changed on the card, so that what was changed on the page afterwards outlives a start. What was applied is
//! remembered in the same directory: a factory reset takes the memory along, and all is applied again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use ring::digest::{SHA256, digest};
use rustix::fs::{CWD, Gid, Uid};
use serde::{Deserialize, Serialize};

use crate::access::{self, Access, AccessGuard};
use crate::base::private;
use crate::base::unicode::hex;
use crate::card::accounts::Ids;
use crate::card::{Entry, Password};
use crate::config::{Saved, is_settable_on_page};
use crate::daemon::settings_file;
use crate::maintenance::PROVISIONED;

/// A longer one is none.
const LONGEST: u64 = 1024 * 1024;

/// What was applied last. No secrets: the password's hash, and digests of values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    #[serde(default)]
    password: Option<String>,
    /// By their paths.
    #[serde(default)]
    settings: BTreeMap<String, String>,
}

/// The daemon's state directory.
#[derive(Debug)]
pub struct CardStateDirectory(PathBuf);

/// A value of a setting, so that it is known again.
fn value_digest(toml: &str) -> String {
    hex(digest(&SHA256, toml.as_bytes()))
}

/// The folder `path`, made where it is missing, for `owner`. No link stands for it.
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
    /// The directory at `path`, which belongs to `owner`.
    ///
    /// # Errors
    /// It cannot be used, in words.
    pub fn open(path: PathBuf, owner: Option<Ids>) -> Result<CardStateDirectory, String> {
        folder(&path, owner).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(CardStateDirectory(path))
    }

    /// What was applied last. That it cannot be understood goes to `entries`: all is applied again then.
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

    /// Keeps what was applied, if it is something else than `before`.
    ///
    /// # Errors
    /// Why it cannot be kept.
    pub fn save_memory(&self, memory: &Memory, before: &Memory) -> io::Result<()> {
        if memory == before {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(memory)?;
        private::replace(&self.0.join(PROVISIONED), format!("{text}\n").as_bytes())
    }

    /// Sets those of `given` that have changed since the last time, as if they were set on the page; removes those that
    /// are gone, unless the page has changed them or `is_kept` says that it is not known. Gives the paths of those that
    /// the page has changed.
    ///
    /// # Errors
    /// They cannot be kept, in words; nothing has changed then.
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

    /// Makes `hash` the admin's password, if it is another one than last time or there never was one.
    ///
    /// # Errors
    /// It could not be set, in words.
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

/// The hash of a password; that of last time, where it is the same password.
///
/// # Errors
/// None can be made, in words.
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
