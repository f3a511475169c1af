//! What of the file goes into a backup: hashes of passwords and tokens, without which nobody could sign in to what is
//! restored. Sessions stay behind: who comes back signs in again.

use std::path::Path;

use super::file::{self, Kept, NAME};
use super::sessions::Sessions;

/// The file in `directory` as a backup has it; `None`: there is none.
///
/// # Errors
/// It cannot be read, in words.
pub fn for_backup(directory: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = directory.join(NAME);
    if !file.exists() {
        return Ok(None);
    }
    let kept = Kept { sessions: Sessions::default(), ..file::read(&file)? };
    serde_json::to_vec_pretty(&kept).map(Some).map_err(|error| error.to_string())
}

/// Whether `file` is one of users and their passwords.
///
/// # Errors
/// It is not, in words.
pub fn verify(file: &Path) -> Result<(), String> {
    file::read(file).map(drop)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::access::{Access, Role};

    #[test]
    fn passwords_go_along_and_sessions_do_not() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(for_backup(folder.path()), Ok(None));
        let access = Access::open(folder.path());
        access.set("a long password").unwrap();
        access.set_user("ann", Some(Role::Viewer), Some("another password")).unwrap();
        let bytes = for_backup(folder.path()).unwrap().unwrap();
        std::fs::write(other.path().join(NAME), bytes).unwrap();
        assert_eq!(verify(&other.path().join(NAME)), Ok(()));
        let restored = Access::open(other.path());
        assert_eq!(restored.users().len(), access.users().len());
        std::fs::write(other.path().join(NAME), "{}").unwrap();
        assert!(verify(&other.path().join(NAME)).is_err());
    }
}
