//! The part of `access.json` that goes into a backup: users and tokens with their hashes, so that people can sign in
//! after a restore.
//!
//! Sessions and the key that signs links stay behind. Users sign in again, and a stolen backup signs nothing.

use std::collections::HashSet;
use std::path::Path;

use super::file::{self, AccessFile, NAME};
use super::sessions::Sessions;
use super::tokens::{self, Token};
use super::{ADMIN, MOST_USERS, Role, TokenFacts, validate_name};

/// The backup's copy of `access.json` in `directory`; `None` without one.
///
/// # Errors
/// The file cannot be read, in words.
pub fn read_for_backup(directory: &Path) -> Result<Option<Vec<u8>>, String> {
    let file = directory.join(NAME);
    if !file.exists() {
        return Ok(None);
    }
    let kept = AccessFile { sessions: Sessions::default(), key: [0; 32], seen_s: 0, ..file::read(&file)? };
    serde_json::to_vec_pretty(&kept).map(Some).map_err(|error| error.to_string())
}

/// The users and tokens that a restore brings, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RestoredAccess {
    /// Users with their roles: `ann (viewer)`.
    pub users: Vec<String>,
    /// Tokens with their scopes: `hass (stream, counts)`.
    pub tokens: Vec<String>,
    /// The owner had removed the password: nobody is asked for one.
    pub is_open: bool,
}

/// Checks the `access.json` of an archive by the rules for new users and tokens. Removes its sessions and the key of
/// signed links, because its maker may have put them there.
///
/// # Errors
/// It is not one, or breaks a rule; the reason in words.
pub fn prepare_restored(file: &Path) -> Result<RestoredAccess, String> {
    let kept = AccessFile { sessions: Sessions::default(), key: [0; 32], seen_s: 0, ..file::read(file)? };
    let mut names = HashSet::from([ADMIN]);
    for user in &kept.users {
        validate_name(&user.name).map_err(|error| format!("user {:?}: {error}", user.name))?;
        if !names.insert(&user.name) || user.role == Role::Guest {
            return Err(format!("there are two users {:?}, or it has a role that no user has", user.name));
        }
    }
    let mut numbers = HashSet::new();
    for Token { facts, .. } in &kept.tokens {
        validate_name(&facts.name).map_err(|error| format!("token {:?}: {error}", facts.name))?;
        if facts.scopes.is_empty() || !numbers.insert(facts.number) {
            return Err(format!("token {:?} opens nothing, or has the number of another", facts.name));
        }
    }
    if kept.users.len() > MOST_USERS || kept.tokens.len() > tokens::MOST {
        return Err(format!("it has more than {MOST_USERS} users or {} tokens", tokens::MOST));
    }
    file::write(file, &kept).map_err(|error| error.to_string())?;
    let admin = kept.password.iter().map(|_| format!("{ADMIN} ({})", Role::Admin.as_str()));
    let others = kept.users.iter().map(|user| format!("{} ({})", user.name, user.role.as_str()));
    let token = |facts: &TokenFacts| {
        let scopes: Vec<_> = facts.scopes.iter().map(|scope| scope.as_str()).collect();
        format!("{} ({})", facts.name, scopes.join(", "))
    };
    Ok(RestoredAccess {
        users: admin.chain(others).collect(),
        tokens: kept.tokens.iter().map(|kept| token(&kept.facts)).collect(),
        is_open: kept.password.is_none(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::access::{Access, Scope};

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
        let found = prepare_restored(&other.path().join(NAME)).unwrap();
        assert_eq!(found.users, ["admin (admin)", "ann (viewer)"]);
        let restored = Access::open(other.path());
        assert_eq!(restored.users().len(), access.users().len());
        restored.ensure_link_key();
        drop(restored);
        let restored = Access::open(other.path());
        let own = restored.sign_link("/stream", 2);
        assert!(restored.is_signed("/stream", 2, &own, 1) && !restored.is_signed("/stream", 2, &link, 1));
        drop(restored);
        std::fs::write(other.path().join(NAME), "{}").unwrap();
        assert!(prepare_restored(&other.path().join(NAME)).is_err());
    }

    #[test]
    fn a_backup_without_a_password_is_told_as_such() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("a long password").unwrap();
        access.set_user("ann", None, Some("another password")).unwrap();
        access.remove().unwrap();
        drop(access);
        let found = prepare_restored(&folder.path().join(NAME)).unwrap();
        assert_eq!((found.users, found.is_open), (vec![String::from("ann (viewer)")], true));
        assert!(Access::open(folder.path()).is_open());
    }

    #[test]
    fn an_archive_brings_no_session_and_no_key_and_keeps_the_rules() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(NAME);
        let access = Access::open(folder.path());
        access.set("a long password").unwrap();
        access.set_user("ann", Some(Role::Operator), Some("another password")).unwrap();
        let ann = access.verify_password("ann", "another password").unwrap();
        let session = access.create_session(&ann, "192.0.2.9", "curl", "", (1, 100)).unwrap();
        access.add_token("hass", &[Scope::Stream, Scope::Counts], 1, None).unwrap();
        let link = access.sign_link("/stream", 100);
        drop(access);
        // As somebody could put it into an archive.
        let text = std::fs::read_to_string(&file).unwrap();
        let found = prepare_restored(&file).unwrap();
        assert_eq!(found.users, ["admin (admin)", "ann (operator)"]);
        assert_eq!((found.tokens, found.is_open), (vec![String::from("hass (stream, counts)")], false));
        let restored = Access::open(folder.path());
        assert!(restored.session(&session, 2).is_none() && restored.sessions(2).is_empty());
        assert!(!restored.is_signed("/stream", 100, &link, 2));
        assert!(restored.verify_password("ann", "another password").is_some());
        drop(restored);
        for (from, to, words) in [
            ("\"name\": \"ann\"", "\"name\": \"\\u001b[2J\"", "a name has 1 to"),
            ("\"name\": \"ann\"", "\"name\": \"admin\"", "two users \"admin\""),
            ("\"hass\"", "\"../hass\"", "a name has 1 to"),
            ("\"stream\"", "\"everything\"", "not understood"),
        ] {
            let odd = text.replace(from, to);
            assert_ne!(odd, text);
            std::fs::write(&file, &odd).unwrap();
            let refused = prepare_restored(&file).unwrap_err();
            assert!(refused.contains(words), "{to}: {refused}");
            assert_eq!(std::fs::read_to_string(&file).unwrap(), odd, "nothing is written");
        }
    }
}
