//! The part of `access.json` that goes into a backup: users and tokens with their hashes, so that people can sign in
//! after a restore.
//!
//! Sessions and the key that signs links stay behind. Users sign in again, and a stolen backup signs nothing.

use std::path::Path;

use super::file::{self, AccessFile, NAME};
use super::sessions::Sessions;

/// The backup's copy of `access.json` in `directory`; `None` without one.
///
/// # Errors
/// The file cannot be read, in words.
pub fn read_for_backup(directory: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = directory.join(NAME);
    if !file.exists() {
        return Ok(None);
    }
    let kept = AccessFile { sessions: Sessions::default(), key: [0; 32], ..file::read(&file)? };
    serde_json::to_vec_pretty(&kept).map(Some).map_err(|error| error.to_string())
}

/// Checks that `file` is a readable `access.json`.
///
/// # Errors
/// It is not; the reason in words.
pub fn verify(file: &Path) -> Result<(), String> {
    file::read(file).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::access::{Access, Role};

    #[test]
    fn a_backup_has_passwords_but_no_sessions_and_no_link_key() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(read_for_backup(folder.path()), Ok(None));
        let access = Access::open(folder.path());
        access.set("a long password").unwrap();
        access.set_user("ann", Some(Role::Viewer), Some("another password")).unwrap();
        let link = access.sign_link("/stream", 2);
        let bytes = read_for_backup(folder.path()).unwrap().unwrap();
        assert_eq!(serde_json::from_slice::<AccessFile>(&bytes).unwrap().key, [0; 32]);
        std::fs::write(other.path().join(NAME), bytes).unwrap();
        assert_eq!(verify(&other.path().join(NAME)), Ok(()));
        let restored = Access::open(other.path());
        assert_eq!(restored.users().len(), access.users().len());
        restored.ensure_link_key();
        drop(restored);
        let restored = Access::open(other.path());
        let own = restored.sign_link("/stream", 2);
        assert!(restored.is_signed("/stream", 2, &own, 1) && !restored.is_signed("/stream", 2, &link, 1));
        drop(restored);
        std::fs::write(other.path().join(NAME), "{}").unwrap();
        assert!(verify(&other.path().join(NAME)).is_err());
    }
}
