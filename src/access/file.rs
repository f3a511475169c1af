//! `access.json`: readable by its owner only, replaced as a whole.

use std::fs;
use std::io;
use std::path::Path;

use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::AccessError;
use super::password::{Hash, random};
use super::role::Role;
use super::sessions::Sessions;
use super::tokens::Token;
use tallycam_base::private::{self, Lock};
use tallycam_base::unicode::hex;

pub(super) const NAME: &str = "access.json";

/// The lock of the writer. A file of its own, because each change replaces `access.json`.
const CLAIM: &str = "access.lock";

/// Maximum length in bytes; a longer file is refused.
const LONGEST: u64 = 256 * 1024;

/// The content of `access.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccessFile {
    /// Part of the session cookie's name.
    pub mark: String,
    /// The admin's password.
    pub password: Option<Hash>,
    /// The admin's password is still the one that the program made and showed.
    #[serde(default)]
    pub first: bool,
    /// There was a password, and its owner removed it.
    #[serde(skip)]
    pub was_removed: bool,
    /// Users beside the admin.
    #[serde(default)]
    pub users: Vec<User>,
    pub sessions: Sessions,
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// The key that signs links. Each change of an admin or operator replaces it.
    #[serde(default)]
    pub key: [u8; 32],
    /// The greatest time that was saved, in seconds since 1970. Ends are measured against it.
    #[serde(default, rename = "seen")]
    pub seen_s: u64,
}

/// A user beside the admin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub name: String,
    pub role: Role,
    pub password: Hash,
}

/// Takes the writer's lock of `directory`.
pub(super) fn lock_for_writing(directory: &Path) -> Option<Lock> {
    private::lock_file(directory, CLAIM).ok().and_then(|lock| Lock::acquire(lock).ok())
}

/// Whether another program holds the writer's lock.
pub(super) fn is_claimed(directory: &Path) -> bool {
    let lock = private::lock_file(directory, CLAIM);
    lock.is_ok_and(|lock| matches!(Lock::acquire(lock), Err(Errno::WOULDBLOCK)))
}

impl AccessFile {
    /// Makes the cookie mark and the link key where they are missing.
    pub fn ensure_secrets(&mut self) -> Result<(), AccessError> {
        if self.mark.is_empty() {
            self.mark = hex(random::<4>()?);
        }
        if self.key == [0; 32] {
            self.key = random()?;
        }
        Ok(())
    }
}

/// The content of `file`; the default if there is no file.
pub(super) fn read(file: &Path) -> Result<AccessFile, String> {
    let text = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(AccessFile::default()),
        Ok(facts) if facts.len() > LONGEST => return Err(format!("{} is too long", file.display())),
        _ => fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?,
    };
    let kept: AccessFile =
        serde_json::from_slice(&text).map_err(|_| format!("{} is not understood", file.display()))?;
    let is_mark = kept.mark.len() == 8 && kept.mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    let was_removed = kept.password.is_none();
    is_mark
        .then_some(AccessFile { was_removed, ..kept })
        .ok_or_else(|| format!("{} is not understood", file.display()))
}

/// Replaces `file`. On return the new content is safe from a power cut.
pub(super) fn write(file: &Path, kept: &AccessFile) -> io::Result<()> {
    private::replace(file, format!("{}\n", serde_json::to_string_pretty(kept)?).as_bytes())
}
