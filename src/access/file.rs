//! The file: JSON that only its owner can read, replaced as a whole.

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
use crate::base::private::{self, Lock};
use crate::base::unicode::hex;

pub(super) const NAME: &str = "access.json";

/// Who may write it holds a lock on this one: the file itself is another one after each change.
const CLAIM: &str = "access.lock";

/// A longer file is none.
const LONGEST: u64 = 256 * 1024;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AccessFile {
    /// Part of the cookie's name.
    pub mark: String,
    /// The admin's.
    pub password: Option<Hash>,
    /// That is the one that the program has made and shown, and nobody has changed it since.
    #[serde(default)]
    pub first: bool,
    /// There was a password, and its owner took it away.
    #[serde(skip)]
    pub was_removed: bool,
    /// All others.
    #[serde(default)]
    pub users: Vec<User>,
    pub sessions: Sessions,
    #[serde(default)]
    pub tokens: Vec<Token>,
    /// What signs links: another one with each new password of the admin.
    #[serde(default)]
    pub key: [u8; 32],
}

/// Somebody beside the admin who has a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct User {
    pub name: String,
    pub role: Role,
    pub password: Hash,
}

/// Takes the right to write in `directory`.
pub(super) fn lock_for_writing(directory: &Path) -> Option<Lock> {
    private::lock_file(directory, CLAIM).ok().and_then(|lock| Lock::acquire(lock).ok())
}

/// Whether another program has that right.
pub(super) fn is_claimed(directory: &Path) -> bool {
    let lock = private::lock_file(directory, CLAIM);
    lock.is_ok_and(|lock| matches!(Lock::acquire(lock), Err(Errno::WOULDBLOCK)))
}

impl AccessFile {
    /// Gives it a mark, and what signs links, where it has none.
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

/// What `file` says; nothing where there is none.
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

/// Replaces `file`; when it returns, that has outlived a power cut.
pub(super) fn write(file: &Path, kept: &AccessFile) -> io::Result<()> {
    private::replace(file, format!("{}\n", serde_json::to_string_pretty(kept)?).as_bytes())
}
