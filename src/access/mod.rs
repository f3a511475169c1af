//! Passwords, users and their roles, sessions, tokens and signed links. Knows no HTTP.
//!
//! They are stored in `access.json`, not in `counts.db`, so that somebody can still sign in and repair a damaged
//! `counts.db`. While `access.json` cannot be read, every password is refused.
//!
//! Any thread may call these functions. Those that hash or write take 0.1 s and more: a thread of the async runtime
//! must not call them.

mod backup;
mod error;
mod file;
mod password;
mod rate_limit;
mod role;
mod seen_time;
mod sessions;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

pub use backup::{RestoredAccess, prepare_restored, read_for_backup};
pub use error::AccessError;
pub use password::{LONGEST, SHORTEST, constant_time_eq, hashed, is_hash, random_password, verify_hash};
pub use rate_limit::{Guessing, LimitedClient};
pub use role::{Role, Scope};

use error::LONGEST_NAME;
use file::{AccessFile, User};
use password::{Hash, random};
use seen_time::SeenTime;
use sessions::{Digest, Session};
use tallycam_base::private;
use tokens::Token;
pub use tokens::TokenFacts;

/// The name of the admin, who has the first password.
pub const ADMIN: &str = "admin";

/// A user of this name can sign in with the password alone, as the admin can: without a name, or with an unknown one.
pub const VIEWER: &str = "viewer";

/// Maximum number of users beside the admin.
const MOST_USERS: usize = 50;

/// Maximum number of remembered passwords: one for each user, and some more spellings of names.
const MOST_SHOWN: usize = 64;

/// Users, sessions and tokens of one camera. Clones share them.
#[derive(Debug, Clone)]
pub struct Access(Arc<AccessInner>);

#[derive(Debug)]
struct AccessInner {
    file: PathBuf,
    state: Mutex<AccessState>,
    /// Held while the file is written, so that concurrent changes do not overwrite each other.
    writing: Mutex<()>,
    /// Random key of this run for the tags in [`AccessState::shown`].
    key: hmac::Key,
    /// The writer's lock, held for the lifetime, so that two programs do not overwrite each other's changes.
    claim: Option<private::Lock>,
    /// If no password was ever set, everybody is refused until somebody claims the camera.
    awaits_claim: AtomicBool,
    seen: SeenTime,
}

#[derive(Debug, Default)]
struct AccessState {
    kept: AccessFile,
    /// Why the file could not be read.
    trouble: Option<String>,
    /// Recently verified passwords, the last used first. They save a program an Argon2 hash per request.
    shown: Vec<ShownPassword>,
}

/// A verified password. It is worthless outside this run, and once the user has another hash.
#[derive(Debug)]
struct ShownPassword {
    /// The keyed hash of the typed name and the password.
    tag: hmac::Tag,
    user: String,
    hash: Hash,
}

/// An authenticated user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The user's name; empty for a client with a signed link.
    pub name: String,
    /// The user's role.
    pub role: Role,
}

/// A session without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// Identifies the session to [`Access::end_session`].
    pub number: u64,
    /// The user who signed in.
    pub person: Person,
    /// Start, in seconds since 1970.
    pub begun_s: u64,
    /// End, in seconds since 1970.
    pub until_s: u64,
    /// The client's address at sign-in.
    pub from: String,
    /// The browser's `User-Agent` at sign-in.
    pub browser: String,
    /// The path of the page whose link began the session; empty for a user's.
    pub page: String,
}

/// Whether a password protects the camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccessGuard {
    /// No password was ever set.
    Never,
    /// The password was removed.
    Removed,
    /// A password is set.
    Password,
    /// `access.json` cannot be read, for this reason: everybody is refused.
    Unreadable(String),
}

impl Access {
    /// Opens `access.json` in `directory`, which is created if missing. A failure to read the file shows in
    /// [`Access::guard`]. A lock that another program holds fails the next change.
    pub fn open(directory: &Path) -> Access {
        let file = directory.join(file::NAME);
        let _ = private::make_directory(directory);
        let claim = file::lock_for_writing(directory);
        let (kept, trouble) = match file::read(&file) {
            Ok(kept) => (kept, None),
            Err(why) => (AccessFile::default(), Some(why)),
        };
        let key = random::<32>().unwrap_or_default();
        Access(Arc::new(AccessInner {
            file,
            seen: SeenTime::new(kept.seen_s),
            state: Mutex::new(AccessState { kept, trouble, shown: Vec::new() }),
            writing: Mutex::new(()),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            claim,
            awaits_claim: AtomicBool::new(false),
        }))
    }

    /// The time that ends of sessions, tokens and links are measured against, in seconds since 1970.
    pub fn now_s(&self) -> u64 {
        self.0.seen.now_s()
    }

    /// True once for each time that [`Access::save_times`] should save, because something may end by it.
    pub fn is_time_news(&self) -> bool {
        self.has_password() && self.0.seen.is_news()
    }

    /// Makes the link key if a restored backup brought none. Writes.
    pub fn ensure_link_key(&self) {
        if self.state().kept.key == [0; 32] {
            self.update_in_memory(|_| ());
        }
    }

    /// The path of `access.json`.
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// Whether a password protects the camera.
    pub fn guard(&self) -> AccessGuard {
        let state = self.state();
        match (&state.trouble, &state.kept.password) {
            (Some(why), _) => AccessGuard::Unreadable(why.clone()),
            (None, Some(_)) => AccessGuard::Password,
            (None, None) if state.kept.was_removed => AccessGuard::Removed,
            (None, None) => AccessGuard::Never,
        }
    }

    /// Refuses everybody until [`Access::claim`] has set the first password. Without claim mode everybody is let in.
    pub fn start_claim_mode(&self) {
        self.0.awaits_claim.store(true, Ordering::Relaxed);
    }

    /// Claim mode is on and no password was ever set: everybody is refused.
    pub fn is_unclaimed(&self) -> bool {
        self.0.awaits_claim.load(Ordering::Relaxed) && self.guard() == AccessGuard::Never
    }

    /// No password is asked for.
    pub fn is_open(&self) -> bool {
        let is_without = {
            let state = self.state();
            state.trouble.is_none() && state.kept.password.is_none()
        };
        is_without && !self.is_unclaimed()
    }

    /// The admin has a password.
    pub fn has_password(&self) -> bool {
        self.state().kept.password.is_some()
    }

    /// A part of the cookie's name that tells this camera's cookies from another one's on the same machine. Cookies
    /// do not distinguish ports.
    pub fn cookie_id(&self) -> String {
        self.state().kept.mark.clone()
    }

    /// The user, if `name` and `password` were verified before in this run. Takes a microsecond. `None` does not mean
    /// that the password is wrong.
    pub fn recall_person(&self, name: &str, password: &str) -> Option<Person> {
        let said = password_cache_key(name, password);
        let mut state = self.state();
        let is_it = |shown: &ShownPassword| hmac::verify(&self.0.key, &said, shown.tag.as_ref()).is_ok();
        let at = state.shown.iter().position(is_it)?;
        let shown = state.shown.remove(at);
        if !state.kept.has_hash(name, &shown.user, &shown.hash) {
            return None;
        }
        let person = state.kept.find_person(&shown.user);
        state.shown.insert(0, shown);
        person
    }

    /// The user whose password `name` can only be shown with; empty for a name that stands for the admin and the user
    /// `viewer`.
    pub fn named_user(&self, name: &str) -> String {
        Some(name).filter(|name| self.state().kept.is_known(name)).unwrap_or_default().to_owned()
    }

    /// The user whose `password` this is. An empty or unknown name stands for the admin or the user `viewer`. Hashes.
    pub fn verify_password(&self, name: &str, password: &str) -> Option<Person> {
        if password.len() > LONGEST * 4 {
            return None;
        }
        let asked = self.state().kept.candidate_hashes(name);
        let (user, hash) = asked.into_iter().find(|(_, hash)| hash.matches(password))?;
        let mut state = self.state();
        // The password may have changed while it was hashed.
        if !state.kept.has_hash(name, &user, &hash) {
            return None;
        }
        let person = state.kept.find_person(&user);
        let tag = hmac::sign(&self.0.key, &password_cache_key(name, password));
        state.shown.truncate(MOST_SHOWN - 1);
        state.shown.insert(0, ShownPassword { tag, user, hash });
        person
    }

    /// Sets the admin's first password. Hashes and writes.
    ///
    /// # Errors
    /// [`AccessError::Late`] if a password was set before, or another one. Nothing has changed then.
    pub fn claim(&self, password: &str) -> Result<(), AccessError> {
        password::validate_password(password)?;
        let hash = Hash::from_password(password)?;
        self.change(|kept| {
            if kept.password.is_some() || kept.was_removed {
                return Err(AccessError::Late);
            }
            kept.password = Some(hash);
            Ok(())
        })
    }

    /// Sets the admin's password, and ends all sessions and signed links. Hashes and writes.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn set(&self, password: &str) -> Result<(), AccessError> {
        self.replace(password, false)
    }

    /// Like [`Access::set`], for a password that the program made and wrote where others can read it.
    /// [`Access::is_first`] holds until somebody chooses another one.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn set_initial_password(&self, password: &str) -> Result<(), AccessError> {
        self.replace(password, true)
    }

    /// Whether the admin's password is still the one that the program made and showed.
    pub fn is_first(&self) -> bool {
        self.state().kept.first
    }

    /// Like [`Access::set`], from a hash that [`hashed`] made. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn set_hash(&self, hash: &str) -> Result<(), AccessError> {
        self.store_password(Hash::try_from(hash.to_owned()).map_err(AccessError::NoHash)?, false)
    }

    fn replace(&self, password: &str, is_first: bool) -> Result<(), AccessError> {
        password::validate_password(password)?;
        self.store_password(Hash::from_password(password)?, is_first)
    }

    fn store_password(&self, hash: Hash, is_first: bool) -> Result<(), AccessError> {
        self.change(|kept| {
            kept.password = Some(hash);
            kept.first = is_first;
            kept.was_removed = false;
            kept.sessions = Default::default();
            kept.end_links();
            Ok(())
        })
    }

    /// Like [`Access::set_initial_password`] for this run only, when the file could not be written. Hashes.
    ///
    /// # Errors
    /// [`AccessError::NoHash`].
    pub fn set_password_in_memory(&self, password: &str) -> Result<(), AccessError> {
        let hash = Hash::from_password(password)?;
        let mut state = self.state();
        state.kept.ensure_secrets()?;
        state.kept.password = Some(hash);
        state.kept.first = true;
        state.trouble = None;
        Ok(())
    }

    /// Removes the admin's password. From then on everybody who reaches the camera can change it. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn remove(&self) -> Result<(), AccessError> {
        self.change(|kept| {
            kept.password = None;
            kept.first = false;
            kept.was_removed = true;
            kept.sessions = Default::default();
            kept.end_links();
            Ok(())
        })
    }

    /// Everybody with a password, the admin first.
    pub fn users(&self) -> Vec<Person> {
        let state = self.state();
        let admin = state.kept.password.iter().map(|_| Person { name: ADMIN.into(), role: Role::Admin });
        admin.chain(state.kept.users.iter().map(User::to_person)).collect()
    }

    /// Adds a user, or changes the role or password of one and ends that user's sessions. Hashes and writes.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn set_user(
        &self,
        name: &str,
        role: Option<Role>,
        password: Option<&str>,
    ) -> Result<(), AccessError> {
        if name == ADMIN {
            return match (role, password) {
                (None | Some(Role::Admin), Some(password)) => self.set(password),
                _ => Err(AccessError::Admin),
            };
        }
        validate_name(name)?;
        if !self.has_password() {
            return Err(AccessError::NoAdmin);
        }
        let hash = password
            .map(|password| {
                password::validate_password(password).and_then(|()| Hash::from_password(password))
            })
            .transpose()?;
        self.change(|kept| {
            if let Some(user) = kept.users.iter_mut().find(|user| user.name == name) {
                // Links that this user may have made end.
                let has_links = user.role >= Role::Operator;
                user.role = role.unwrap_or(user.role);
                user.password = hash.unwrap_or_else(|| user.password.clone());
                if has_links {
                    kept.end_links();
                }
            } else if kept.users.len() >= MOST_USERS {
                return Err(AccessError::TooMany(MOST_USERS));
            } else {
                let password = hash.ok_or(AccessError::NoPassword)?;
                kept.users.push(User { name: name.to_owned(), role: role.unwrap_or(Role::Viewer), password });
            }
            kept.sessions.retain(|session| session.user != name);
            Ok(())
        })
    }

    /// Removes a user and ends that user's sessions. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; nothing has changed then.
    pub fn remove_user(&self, name: &str) -> Result<(), AccessError> {
        if name == ADMIN {
            return Err(AccessError::Admin);
        }
        self.change(|kept| {
            let at = kept.users.iter().position(|user| user.name == name).ok_or(AccessError::NoUser)?;
            if kept.users.swap_remove(at).role >= Role::Operator {
                // Links that this user may have made end.
                kept.end_links();
            }
            kept.sessions.retain(|session| session.user != name);
            Ok(())
        })
    }

    /// Starts a session of `person` from the first to the second of two times, in seconds since 1970. Returns its
    /// token, 256 random bits for a cookie. A guest's is for the page whose link was followed. If the file cannot be
    /// written, the session lasts until the daemon ends: a full disk locks nobody out. Writes.
    ///
    /// # Errors
    /// [`AccessError::NoHash`]: no random numbers.
    pub fn create_session(
        &self,
        person: &Person,
        from: &str,
        browser: &str,
        page: &str,
        (now_s, until_s): (u64, u64),
    ) -> Result<String, AccessError> {
        let token = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let session = Session {
            digest: Digest::from_token(&token),
            number: 0,
            user: person.name.clone(),
            begun_s: now_s,
            until_s,
            from: from.chars().take(100).collect(),
            browser: browser.chars().filter(|c| !c.is_control()).take(200).collect(),
            page: page.to_owned(),
        };
        let seen_s = self.0.seen.seen_s();
        self.update_in_memory(|kept| kept.sessions.insert(session.clone(), seen_s));
        Ok(token)
    }

    /// The session with this `token`, unless it has ended at `now_s`.
    pub fn session(&self, token: &str, now_s: u64) -> Option<SessionFacts> {
        let state = self.state();
        state.kept.password.as_ref()?;
        state.kept.session_facts(state.kept.sessions.find(token, now_s)?)
    }

    /// Ends the session with this number. False if there was none. Writes.
    pub fn end_session(&self, number: u64) -> bool {
        let is_there = self.state().kept.sessions.all().iter().any(|session| session.number == number);
        if is_there {
            self.update_in_memory(|kept| kept.sessions.retain(|session| session.number != number));
        }
        is_there
    }

    /// All sessions that have not ended at `now_s`.
    pub fn sessions(&self, now_s: u64) -> Vec<SessionFacts> {
        let state = self.state();
        let going = state.kept.sessions.all().iter().filter(|session| now_s < session.until_s);
        going.filter_map(|session| state.kept.session_facts(session)).collect()
    }

    /// Makes a token. Returns its text, which is shown only once. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; no token is added then.
    pub fn add_token(
        &self,
        name: &str,
        scopes: &[Scope],
        now_s: u64,
        until_s: Option<u64>,
    ) -> Result<(String, TokenFacts), AccessError> {
        // Programs are called "Home Assistant"; nobody types this name to sign in.
        let name = name.trim();
        validate_name(&name.replace(' ', "-"))?;
        let shown = format!("{}{}", tokens::PREFIX, URL_SAFE_NO_PAD.encode(random::<32>()?));
        let mut facts = TokenFacts {
            number: 0,
            name: name.to_owned(),
            scopes: scopes.to_vec(),
            created_s: now_s,
            until_s,
            used_s: None,
        };
        let seen_s = self.0.seen.seen_s();
        self.change(|kept| {
            kept.tokens.retain(|token| token.is_valid_at(seen_s));
            if kept.tokens.len() >= tokens::MOST {
                return Err(AccessError::TooMany(tokens::MOST));
            }
            facts.number = kept.tokens.iter().map(|token| token.facts.number).max().unwrap_or(0) + 1;
            kept.tokens.push(Token { digest: Digest::from_token(&shown), facts: facts.clone() });
            Ok(())
        })?;
        Ok((shown, facts))
    }

    /// Whether `text` looks like a token.
    pub fn is_token(text: &str) -> bool {
        text.starts_with(tokens::PREFIX)
    }

    /// The token with this `text`, if it is valid at `now_s`. The flag is true if its use should be saved with
    /// [`Access::save_times`].
    pub fn token(&self, text: &str, now_s: u64) -> Option<(TokenFacts, bool)> {
        if !Access::is_token(text) {
            return None;
        }
        let digest = Digest::from_token(text);
        let mut state = self.state();
        let token =
            state.kept.tokens.iter_mut().find(|token| token.digest == digest && token.is_valid_at(now_s))?;
        let is_news = token.record_use(now_s);
        Some((token.facts.clone(), is_news))
    }

    /// Saves when tokens were last used, and the greatest time ever seen. Writes.
    pub fn save_times(&self) {
        self.update_in_memory(|_| ());
    }

    /// All tokens.
    pub fn tokens(&self) -> Vec<TokenFacts> {
        self.state().kept.tokens.iter().map(|token| token.facts.clone()).collect()
    }

    /// Revokes the token with this number. False if there was none. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; the token stays valid then.
    pub fn revoke_token(&self, number: u64) -> Result<bool, AccessError> {
        let is_there = self.state().kept.tokens.iter().any(|token| token.facts.number == number);
        if is_there {
            self.change(|kept| {
                kept.tokens.retain(|token| token.facts.number != number);
                Ok(())
            })?;
        }
        Ok(is_there)
    }

    /// Signs `address`, path and query as the client will request them, until `until_s`. The link ends earlier if an
    /// admin or operator who may have made it is removed or gets another password.
    pub fn sign_link(&self, address: &str, until_s: u64) -> String {
        tokens::sign_link(&self.state().kept.key, address, until_s)
    }

    /// Whether `signature` is valid for `address` and `until_s`, and `until_s` is after `now_s`.
    pub fn is_signed(&self, address: &str, until_s: u64, signature: &str, now_s: u64) -> bool {
        let state = self.state();
        let is_keyed = state.kept.key != [0; 32] && state.kept.password.is_some();
        is_keyed
            && now_s < until_s
            && constant_time_eq(signature, &tokens::sign_link(&state.kept.key, address, until_s))
    }

    fn change(
        &self,
        change: impl FnOnce(&mut AccessFile) -> Result<(), AccessError>,
    ) -> Result<(), AccessError> {
        let name = || self.0.file.display().to_string();
        if self.0.claim.is_none() && self.0.file.parent().is_some_and(file::is_claimed) {
            return Err(AccessError::Claimed { file: name() });
        }
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.state().kept.clone();
        change(&mut kept)?;
        kept.ensure_secrets()?;
        kept.seen_s = self.0.seen.seen_s();
        file::write(&self.0.file, &kept)
            .map_err(|error| AccessError::NotKept { file: name(), reason: error.to_string() })?;
        let mut state = self.state();
        (state.kept, state.trouble) = (kept, None);
        Ok(())
    }

    /// Like [`Access::change`], but takes effect in memory even if the file cannot be written.
    fn update_in_memory(&self, change: impl Fn(&mut AccessFile)) {
        let changed = self.change(|kept| {
            change(kept);
            Ok(())
        });
        if let Err(error) = changed {
            log::warn!("{error}: signing in or out now lasts only until the next start");
            change(&mut self.state().kept);
        }
    }

    fn state(&self) -> MutexGuard<'_, AccessState> {
        // Every change replaces whole values, so a poisoned state is consistent.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessFile {
    /// The users, with hashes, whose password may match for `name`.
    fn candidate_hashes(&self, name: &str) -> Vec<(String, Hash)> {
        let admin = self.password.iter().map(|hash| (String::from(ADMIN), hash.clone()));
        let all = admin.chain(self.users.iter().map(|user| (user.name.clone(), user.password.clone())));
        let is_known = self.is_known(name);
        all.filter(
            |(other, _)| if is_known { other == name } else { [ADMIN, VIEWER].contains(&other.as_str()) },
        )
        .collect()
    }

    fn is_known(&self, name: &str) -> bool {
        name == ADMIN || self.users.iter().any(|user| user.name == name)
    }

    /// True if a client that types `name` may be `user`, and this is the hash of the user's password.
    fn has_hash(&self, name: &str, user: &str, hash: &Hash) -> bool {
        self.candidate_hashes(name).iter().any(|(other, known)| other == user && known == hash)
    }

    /// Ends all signed links, and the sessions that they began.
    fn end_links(&mut self) {
        self.key = [0; 32];
        self.sessions.retain(|session| !session.user.is_empty());
    }

    /// The user with this name. The empty name stands for a client with a signed link.
    fn find_person(&self, name: &str) -> Option<Person> {
        let role = match name {
            "" => Role::Guest,
            ADMIN => Role::Admin,
            _ => self.users.iter().find(|user| user.name == name)?.role,
        };
        Some(Person { name: name.to_owned(), role })
    }

    fn session_facts(&self, session: &Session) -> Option<SessionFacts> {
        Some(SessionFacts {
            number: session.number,
            person: self.find_person(&session.user)?,
            begun_s: session.begun_s,
            until_s: session.until_s,
            from: session.from.clone(),
            browser: session.browser.clone(),
            page: session.page.clone(),
        })
    }
}

impl User {
    fn to_person(&self) -> Person {
        Person { name: self.name.clone(), role: self.role }
    }
}

/// The bytes that [`AccessState::shown`] has a tag of. No name contains the zero byte between the two.
fn password_cache_key(name: &str, password: &str) -> Vec<u8> {
    [name.as_bytes(), password.as_bytes()].join(&0)
}

fn validate_name(name: &str) -> Result<(), AccessError> {
    let is_fit = |c: char| c.is_alphanumeric() || "._-".contains(c);
    let length = name.chars().count();
    if (1..=LONGEST_NAME).contains(&length) && name.chars().all(is_fit) {
        Ok(())
    } else {
        Err(AccessError::UnfitName)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: u64 = 1_795_000_000;

    fn begin(access: &Access) -> String {
        let admin = Person { name: ADMIN.into(), role: Role::Admin };
        access.create_session(&admin, "10.0.0.7", "Firefox", "", (NOW, NOW + 60)).unwrap()
    }

    fn role(access: &Access, name: &str, password: &str) -> Option<Role> {
        let proven = access.verify_password(name, password).map(|person| person.role);
        assert_eq!(access.recall_person(name, password).map(|person| person.role), proven, "{name}");
        proven
    }

    #[test]
    fn users_have_their_own_passwords_and_roles() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        assert_eq!(access.set_user("ann", None, Some("ann's horse")), Err(AccessError::NoAdmin));
        access.set("correct horse").unwrap();
        assert_eq!(access.set_user("ann", None, None), Err(AccessError::NoPassword));
        assert_eq!(access.set_user("a b", None, Some("ann's horse")), Err(AccessError::UnfitName));
        assert_eq!(access.set_user(ADMIN, Some(Role::Viewer), Some("ann's horse")), Err(AccessError::Admin));
        access.set_user("ann", Some(Role::Operator), Some("ann's horse")).unwrap();
        access.set_user(VIEWER, None, Some("only looking")).unwrap();
        drop(access);
        let access = Access::open(folder.path());
        assert_eq!(role(&access, "ann", "ann's horse"), Some(Role::Operator));
        assert_eq!(role(&access, "ann", "correct horse"), None, "a known name needs its own password");
        assert_eq!(role(&access, "", "ann's horse"), None);
        for name in ["", "anybody", VIEWER] {
            assert_eq!(role(&access, name, "only looking"), Some(Role::Viewer), "{name}");
        }
        for name in ["", "anybody", ADMIN] {
            assert_eq!(role(&access, name, "correct horse"), Some(Role::Admin), "{name}");
        }
        let ann = access.verify_password("ann", "ann's horse").unwrap();
        let (hers, admins) =
            (access.create_session(&ann, "", "", "", (NOW, NOW + 60)).unwrap(), begin(&access));
        access.set_user("ann", Some(Role::Viewer), None).unwrap();
        assert!(access.session(&hers, NOW).is_none() && access.session(&admins, NOW).is_some());
        assert_eq!(role(&access, "ann", "ann's horse"), Some(Role::Viewer), "the password is as it was");
        let numbers: Vec<u64> = access.sessions(NOW).iter().map(|session| session.number).collect();
        assert!(access.end_session(numbers[0]) && !access.end_session(numbers[0]));
        assert!(access.session(&admins, NOW).is_none());
        access.remove_user("ann").unwrap();
        assert_eq!(access.remove_user("ann"), Err(AccessError::NoUser));
        assert_eq!(role(&access, "ann", "ann's horse"), None);
        assert_eq!(access.users().len(), 2);
    }

    #[test]
    fn tokens_open_their_scopes_until_they_end_or_are_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let (shown, facts) = access.add_token("hass", &[Scope::Stream], NOW, Some(NOW + 60)).unwrap();
        let (other, _) = access.add_token("prometheus", &[Scope::Metrics], NOW, None).unwrap();
        assert!(!std::fs::read_to_string(access.file()).unwrap().contains(&shown), "only a digest is kept");
        drop(access);
        let access = Access::open(folder.path());
        let opened =
            |token: &str, now_s| access.token(token, now_s).map(|(facts, is_news)| (facts.scopes, is_news));
        assert_eq!(opened(&shown, NOW), Some((vec![Scope::Stream], true)));
        assert_eq!(opened(&shown, NOW + 59), Some((vec![Scope::Stream], false)));
        assert_eq!(access.token(&shown, NOW + 60), None, "its time is over");
        assert_eq!(opened(&other, NOW + 4000), Some((vec![Scope::Metrics], true)));
        assert_eq!((access.token("", NOW), access.token("tc_x", NOW)), (None, None));
        access.save_times();
        assert_eq!(access.tokens()[0].used_s, Some(NOW));
        assert_eq!(access.revoke_token(facts.number), Ok(true));
        assert_eq!((access.token(&shown, NOW), access.revoke_token(facts.number)), (None, Ok(false)));
    }

    #[test]
    fn a_link_is_good_for_its_address_until_its_end_or_another_password() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let signature = access.sign_link("/stream?fps=5", NOW + 60);
        assert!(access.is_signed("/stream?fps=5", NOW + 60, &signature, NOW + 59));
        assert!(!access.is_signed("/stream?fps=5", NOW + 60, &signature, NOW + 60), "its time is over");
        assert!(!access.is_signed("/stream?fps=5", NOW + 61, &signature, NOW), "its end is signed, too");
        assert!(!access.is_signed("/stream", NOW + 60, &signature, NOW));
        access.set("another horse").unwrap();
        assert!(!access.is_signed("/stream?fps=5", NOW + 60, &signature, NOW));
    }

    #[test]
    fn a_password_outlives_the_program_and_only_it_opens() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        assert_eq!((access.guard(), access.is_open()), (AccessGuard::Never, true));
        access.set("correct horse").unwrap();
        assert_eq!((access.guard(), access.is_open()), (AccessGuard::Password, false));
        drop(access);
        let access = Access::open(folder.path());
        assert_eq!(access.guard(), AccessGuard::Password);
        assert!(access.recall_person("", "correct horse").is_none(), "only passwords shown in this run");
        assert!(
            access.verify_password("", "correct hors").is_none()
                && access.verify_password("", "").is_none()
                && access.verify_password("", "Correct horse").is_none()
        );
        assert!(
            access.verify_password("", "correct horse").is_some()
                && access.recall_person("", "correct horse").is_some()
        );
        assert!(access.recall_person("", "correct hors").is_none());
        let kept = std::fs::read_to_string(access.file()).unwrap();
        assert!(!kept.contains("correct") && kept.contains("$argon2id$v=19$"), "{kept}");
        let mode = std::fs::metadata(access.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_first_password_is_known_as_such_until_another_one_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set_initial_password("made at random").unwrap();
        drop(access);
        let access = Access::open(folder.path());
        assert!(access.is_first() && access.verify_password("", "made at random").is_some());
        access.set("correct horse").unwrap();
        assert!(!access.is_first());
    }

    #[test]
    fn sessions_outlive_the_program_and_end_with_their_time_their_token_and_their_password() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let tokens: Vec<String> = (0..3).map(|_| begin(&access)).collect();
        assert!(tokens[0].len() == 43 && tokens[0] != tokens[1]);
        let kept = std::fs::read_to_string(access.file()).unwrap();
        assert!(!kept.contains(&tokens[0]), "only hashes are kept");
        drop(access);
        let access = Access::open(folder.path());
        assert!(tokens.iter().all(|token| access.session(token, NOW + 59).is_some()));
        assert!(access.session(&tokens[0], NOW + 60).is_none(), "its time is over");
        assert!(access.session("", NOW).is_none() && access.session(&"A".repeat(43), NOW).is_none());
        assert!(access.end_session(access.session(&tokens[0], NOW).unwrap().number));
        assert!(access.session(&tokens[0], NOW).is_none() && access.session(&tokens[1], NOW).is_some());
        access.set("another horse").unwrap();
        assert!(access.session(&tokens[1], NOW).is_none() && access.sessions(NOW).is_empty());
        let token = begin(&access);
        access.remove().unwrap();
        assert_eq!((access.guard(), access.is_open()), (AccessGuard::Removed, true));
        assert!(access.session(&token, NOW).is_none());
        assert!(access.verify_password("", "another horse").is_none());
        drop(access);
        assert_eq!(Access::open(folder.path()).guard(), AccessGuard::Removed, "and stays removed");
    }

    #[test]
    fn an_unreadable_file_lets_nobody_in_until_a_password_is_set() {
        let folder = tempfile::tempdir().unwrap();
        for nonsense in [
            "",
            "{",
            "{}",
            "[1]",
            r#"{"password":"secret"}"#,
            r#"{"mark":"a","password":"$argon2id$v=19$m=99999999,t=2,p=1$AAAA$AAAA","sessions":[]}"#,
        ] {
            std::fs::write(folder.path().join(file::NAME), nonsense).unwrap();
            let access = Access::open(folder.path());
            assert!(matches!(access.guard(), AccessGuard::Unreadable(_)), "{nonsense}");
            assert!(
                !access.is_open()
                    && access.verify_password("", "secret").is_none()
                    && access.session("x", NOW).is_none()
            );
        }
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        assert_eq!(access.guard(), AccessGuard::Password);
    }

    #[test]
    fn two_programs_do_not_write_over_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let daemon = Access::open(folder.path());
        let command = Access::open(folder.path());
        assert!(matches!(command.set("correct horse"), Err(AccessError::Claimed { .. })));
        assert!(daemon.is_open());
        drop(daemon);
        assert_eq!(Access::open(folder.path()).set("correct horse"), Ok(()));
    }

    #[test]
    fn with_a_full_disk_the_password_stays_and_people_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        // A file cannot replace a non-empty folder.
        std::fs::remove_file(access.file()).unwrap();
        std::fs::create_dir_all(access.file().join("in the way")).unwrap();
        assert!(matches!(access.set("another horse"), Err(AccessError::NotKept { .. })));
        assert!(
            access.verify_password("", "correct horse").is_some()
                && access.verify_password("", "another horse").is_none()
        );
        let token = begin(&access);
        assert!(access.session(&token, NOW).is_some());
        assert!(access.end_session(access.session(&token, NOW).unwrap().number));
        assert!(access.session(&token, NOW).is_none());
    }

    #[test]
    fn unfit_passwords_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        for unfit in ["", "seven77", "line\nbreak1", &"x".repeat(LONGEST + 1)] {
            assert_eq!(access.set(unfit), Err(AccessError::Unfit), "{unfit:?}");
        }
        assert!(access.is_open());
        access.set("hügel: 8 ").unwrap();
        assert!(
            access.verify_password("", "hügel: 8 ").is_some()
                && access.verify_password("", "hügel: 8").is_none()
        );
    }
}
