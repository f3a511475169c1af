//! The file: JSON that only its owner can read, replaced as a whole.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, fchown};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::AccessError;
use super::password::{Hash, random};
use super::role::Role;
use super::sessions::Sessions;
use super::tokens::Token;

/// Its name.
pub(super) const NAME: &str = "access.json";

/// Who may write it holds a lock on this one: the file itself is another one after each change.
const CLAIM: &str = "access.lock";

/// A longer file is none.
const LONGEST: u64 = 256 * 1024;

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
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

/// The right to write in a folder, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim(File);

impl Drop for Claim {
    fn drop(&mut self) {
        // Closing is not enough: a child that is being started has the descriptor, too, until it is another program.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

impl Claim {
    /// # Errors
    /// `EWOULDBLOCK`: another program has it.
    fn of(lock: File) -> Result<Claim, Errno> {
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Claim(lock))
    }
}

/// Takes the right to write in `directory`.
pub(super) fn claim(directory: &Path) -> Option<Claim> {
    lock_file(directory).ok().and_then(|lock| Claim::of(lock).ok())
}

/// Whether another program has that right.
pub(super) fn is_claimed(directory: &Path) -> bool {
    lock_file(directory).is_ok_and(|lock| matches!(Claim::of(lock), Err(Errno::WOULDBLOCK)))
}

fn lock_file(directory: &Path) -> io::Result<File> {
    let lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        // Whoever owns the folder could lead root elsewhere.
        .custom_flags(OFlags::NOFOLLOW.bits() as i32)
        .open(directory.join(CLAIM))?;
    hand_over(&lock, directory);
    Ok(lock)
}

/// What root makes for a service's user is to be that user's, as the folder is. A file with another name somewhere else
/// is not touched: whoever owns the folder may have linked somebody's file into it.
fn hand_over(file: &File, folder: &Path) {
    if let (Ok(ours), Ok(wanted)) = (file.metadata(), fs::metadata(folder))
        && ours.nlink() == 1
        && (ours.uid(), ours.gid()) != (wanted.uid(), wanted.gid())
    {
        // Only root may, and only for root does it matter.
        let _ = fchown(file, Some(wanted.uid()), Some(wanted.gid()));
    }
}

impl Kept {
    /// Gives it a mark, and what signs links, where it has none.
    pub fn mark(&mut self) -> Result<(), AccessError> {
        if self.mark.is_empty() {
            self.mark = random::<4>()?.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        if self.key == [0; 32] {
            self.key = random()?;
        }
        Ok(())
    }
}

/// What `file` says; nothing where there is none.
pub(super) fn read(file: &Path) -> Result<Kept, String> {
    let text = match fs::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Ok(facts) if facts.len() > LONGEST => return Err(format!("{} is too long", file.display())),
        _ => fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?,
    };
    let kept: Kept =
        serde_json::from_slice(&text).map_err(|_| format!("{} is not understood", file.display()))?;
    let is_mark = kept.mark.len() == 8 && kept.mark.bytes().all(|byte| byte.is_ascii_hexdigit());
    let was_removed = kept.password.is_none();
    is_mark
        .then_some(Kept { was_removed, ..kept })
        .ok_or_else(|| format!("{} is not understood", file.display()))
}

/// Replaces `file`; when it returns, that has outlived a power cut.
pub(super) fn write(file: &Path, kept: &Kept) -> io::Result<()> {
    let text = serde_json::to_string_pretty(kept)?;
    let part = file.with_extension("part");
    // One that was left behind may have another mode.
    let _ = fs::remove_file(&part);
    let written =
        OpenOptions::new().create_new(true).write(true).mode(0o600).open(&part).and_then(|mut open| {
            file.parent().inspect(|folder| hand_over(&open, folder));
            open.write_all(format!("{text}\n").as_bytes())?;
            open.sync_all()
        });
    let placed = written
        .and_then(|()| fs::rename(&part, file))
        .and_then(|()| file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()));
    placed.inspect_err(|_| drop(fs::remove_file(&part)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_claim_ends_when_it_is_dropped_whoever_has_its_descriptor() {
        let folder = tempfile::tempdir().unwrap();
        let ours = claim(folder.path()).unwrap();
        assert!(is_claimed(folder.path()) && claim(folder.path()).is_none());
        // As a child has it that is being started.
        let _descriptor = ours.0.try_clone().unwrap();
        drop(ours);
        assert!(!is_claimed(folder.path()));
        assert!(claim(folder.path()).is_some());
        assert!(!is_claimed(&folder.path().join("not there")));
    }
}
