//! Who may change the camera, until there are accounts: whoever knows its one password.
//!
//! What is kept (the password as a hash, sessions as hashes) lies in a file of its own beside the ledger, which
//! only its owner can read: it must be there when the ledger cannot be opened, for that is when somebody has to
//! sign in and mend it. Where the file cannot be read nobody gets in by a password, rather than everybody
//! without one.
//!
//! Every call may be made from any thread. Those that hash or write take a tenth of a second and more, and are not
//! for a runtime's own thread: [`Access::proves`], [`Access::set`], [`Access::remove`], [`Access::begin_session`]
//! and [`Access::end_session`]. At most one writes at a time.

mod file;
mod guessing;
mod password;
mod sessions;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

pub use guessing::{Client, Guessing};
pub use password::{LONGEST, SHORTEST, is_same, random_password};

use file::Kept;
use password::{Hash, random};
use sessions::Digest;

/// The one password and who has shown it.
#[derive(Debug, Clone)]
pub struct Access(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    state: Mutex<State>,
    /// Held while the file is written, so that no change is lost to another.
    writing: Mutex<()>,
    /// Of this run, for [`State::shown`].
    key: hmac::Key,
    /// Held as long as this lives, so that two programs do not write over each other.
    claim: Option<file::Claim>,
}

#[derive(Debug, Default)]
struct State {
    kept: Kept,
    /// Why the file could not be read.
    trouble: Option<String>,
    /// The password as it was last shown and found right, so that a program's every request does not cost a
    /// hash: a keyed hash of it, worth nothing outside this run.
    shown: Option<hmac::Tag>,
}

/// How a camera is guarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// There never was a password.
    Never,
    /// It was removed.
    Removed,
    /// There is one.
    Password,
    /// What is kept cannot be read, and nobody gets in.
    Unreadable(String),
}

/// Something about the password was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It is too short, too long, or nothing that can be typed.
    #[error("a password has {SHORTEST} to {LONGEST} characters, and none that cannot be typed")]
    Unfit,
    /// The file cannot be written.
    #[error("{file} could not be written: {reason}")]
    NotKept {
        /// The file.
        file: String,
        /// What the operating system said.
        reason: String,
    },
    /// Another program has the file.
    #[error("another tallycam has {file}")]
    Claimed {
        /// The file.
        file: String,
    },
    /// The operating system gives no random numbers, or not the memory that hashing takes.
    #[error("no hash could be made: {0}")]
    NoHash(&'static str),
}

impl Access {
    /// What is kept in `directory`, which is made where it is not there. What cannot be read or claimed is told by
    /// [`Access::guard`], and by whatever would change it.
    pub fn open(directory: &Path) -> Access {
        let file = directory.join(file::NAME);
        let _ = std::fs::create_dir_all(directory);
        let claim = file::claim(directory);
        let (kept, trouble) = match file::read(&file) {
            Ok(kept) => (kept, None),
            Err(why) => (Kept::default(), Some(why)),
        };
        let key = random::<32>().unwrap_or_default();
        Access(Arc::new(Inner {
            file,
            state: Mutex::new(State { kept, trouble, shown: None }),
            writing: Mutex::new(()),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            claim,
        }))
    }

    /// Where it is kept.
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// How the camera is guarded.
    pub fn guard(&self) -> Guard {
        let state = self.state();
        match (&state.trouble, &state.kept.password) {
            (Some(why), _) => Guard::Unreadable(why.clone()),
            (None, Some(_)) => Guard::Password,
            (None, None) if state.kept.was_removed => Guard::Removed,
            (None, None) => Guard::Never,
        }
    }

    /// No password is asked for.
    pub fn is_open(&self) -> bool {
        let state = self.state();
        state.trouble.is_none() && state.kept.password.is_none()
    }

    /// Tells this camera's cookies from those of another one on the same machine: cookies know no ports.
    pub fn mark(&self) -> String {
        self.state().kept.mark.clone()
    }

    /// Whether `password` was found right before, in this run. Costs a microsecond; `false` says nothing.
    pub fn remembers(&self, password: &str) -> bool {
        let shown = self.state().shown;
        shown.is_some_and(|shown| hmac::verify(&self.0.key, password.as_bytes(), shown.as_ref()).is_ok())
    }

    /// Whether `password` is the one. Hashes.
    pub fn proves(&self, password: &str) -> bool {
        let Some(hash) = self.state().kept.password.clone() else { return false };
        let is_right = password.len() <= LONGEST * 4 && hash.is_of(password);
        if is_right {
            let mut state = self.state();
            // It may have been changed meanwhile.
            if state.kept.password.as_ref() == Some(&hash) {
                state.shown = Some(hmac::sign(&self.0.key, password.as_bytes()));
            }
        }
        is_right
    }

    /// Makes `password` the one, and ends all sessions. Hashes and writes.
    ///
    /// # Errors
    /// [`AccessError`]; then all is as it was.
    pub fn set(&self, password: &str) -> Result<(), AccessError> {
        password::fit(password)?;
        let hash = Hash::of(password)?;
        self.change(|kept| {
            kept.password = Some(hash);
            kept.was_removed = false;
            kept.sessions.clear();
        })
    }

    /// The same for this run only, where it could not be kept.
    ///
    /// # Errors
    /// [`AccessError::NoHash`].
    pub fn set_for_now(&self, password: &str) -> Result<(), AccessError> {
        let hash = Hash::of(password)?;
        let mut state = self.state();
        if state.kept.mark.is_empty() {
            state.kept.mark = file::mark()?;
        }
        state.kept.password = Some(hash);
        (state.trouble, state.shown) = (None, None);
        Ok(())
    }

    /// Takes the password away: whoever reaches the camera can change it. Writes.
    ///
    /// # Errors
    /// [`AccessError`]; then all is as it was.
    pub fn remove(&self) -> Result<(), AccessError> {
        self.change(|kept| {
            kept.password = None;
            kept.was_removed = true;
            kept.sessions.clear();
        })
    }

    /// Begins a session that lasts until `until_s` (seconds since 1970) and gives its token, 256 random bits for a
    /// cookie. Where it cannot be kept it lasts until the daemon ends; a full disk keeps nobody out. Writes.
    ///
    /// # Errors
    /// [`AccessError::NoHash`]: no random numbers.
    pub fn begin_session(&self, now_s: u64, until_s: u64) -> Result<String, AccessError> {
        let token = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let digest = sessions::digest(&token);
        self.change_anyway(|kept| kept.sessions.begin(digest, now_s, until_s));
        Ok(token)
    }

    /// Whether `token` is that of a session that has not ended at `now_s`.
    pub fn knows_session(&self, token: &str, now_s: u64) -> bool {
        let digest: Digest = sessions::digest(token);
        let state = self.state();
        state.kept.password.is_some() && state.kept.sessions.knows(&digest, now_s)
    }

    /// Ends the session of `token`, if there is one. Writes.
    pub fn end_session(&self, token: &str) {
        let digest = sessions::digest(token);
        self.change_anyway(|kept| kept.sessions.end(&digest));
    }

    /// How many sessions there are.
    pub fn sessions(&self) -> usize {
        self.state().kept.sessions.len()
    }

    fn change(&self, change: impl FnOnce(&mut Kept)) -> Result<(), AccessError> {
        let name = || self.0.file.display().to_string();
        if self.0.claim.is_none() && self.0.file.parent().is_some_and(file::is_claimed) {
            return Err(AccessError::Claimed { file: name() });
        }
        let _writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut kept = self.state().kept.clone();
        change(&mut kept);
        if kept.mark.is_empty() {
            kept.mark = file::mark()?;
        }
        file::write(&self.0.file, &kept)
            .map_err(|error| AccessError::NotKept { file: name(), reason: error.to_string() })?;
        *self.state() = State { kept, trouble: None, shown: None };
        Ok(())
    }

    /// The same, in memory at least.
    fn change_anyway(&self, change: impl Fn(&mut Kept)) {
        let shown = self.state().shown;
        match self.change(&change) {
            Ok(()) => self.state().shown = shown,
            Err(error) => {
                log::warn!("{error}: who signs in or out now does so until the next start only");
                change(&mut self.state().kept);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // What is in it is whole at all times.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: u64 = 1_795_000_000;

    #[test]
    fn a_password_outlives_the_program_and_only_it_opens() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        assert_eq!((access.guard(), access.is_open()), (Guard::Never, true));
        access.set("correct horse").unwrap();
        assert_eq!((access.guard(), access.is_open()), (Guard::Password, false));
        drop(access);
        let access = Access::open(folder.path());
        assert_eq!(access.guard(), Guard::Password);
        assert!(!access.remembers("correct horse"), "only what was shown in this run");
        assert!(!access.proves("correct hors") && !access.proves("") && !access.proves("Correct horse"));
        assert!(access.proves("correct horse") && access.remembers("correct horse"));
        assert!(!access.remembers("correct hors"));
        let kept = std::fs::read_to_string(access.file()).unwrap();
        assert!(!kept.contains("correct") && kept.contains("$argon2id$v=19$"), "{kept}");
        let mode = std::fs::metadata(access.file()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn sessions_outlive_the_program_and_end_with_their_time_their_token_and_their_password() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let tokens: Vec<String> = (0..3).map(|_| access.begin_session(NOW, NOW + 60).unwrap()).collect();
        assert!(tokens[0].len() == 43 && tokens[0] != tokens[1]);
        let kept = std::fs::read_to_string(access.file()).unwrap();
        assert!(!kept.contains(&tokens[0]), "only hashes are kept");
        drop(access);
        let access = Access::open(folder.path());
        assert!(tokens.iter().all(|token| access.knows_session(token, NOW + 59)));
        assert!(!access.knows_session(&tokens[0], NOW + 60), "its time is over");
        assert!(!access.knows_session("", NOW) && !access.knows_session(&"A".repeat(43), NOW));
        access.end_session(&tokens[0]);
        assert!(!access.knows_session(&tokens[0], NOW) && access.knows_session(&tokens[1], NOW));
        access.set("another horse").unwrap();
        assert!(!access.knows_session(&tokens[1], NOW) && access.sessions() == 0);
        let token = access.begin_session(NOW, NOW + 60).unwrap();
        access.remove().unwrap();
        assert_eq!((access.guard(), access.is_open()), (Guard::Removed, true));
        assert!(!access.knows_session(&token, NOW));
        assert!(!access.proves("another horse"));
        drop(access);
        assert_eq!(Access::open(folder.path()).guard(), Guard::Removed, "and stays away");
    }

    #[test]
    fn what_cannot_be_read_lets_nobody_in_until_a_password_is_set() {
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
            assert!(matches!(access.guard(), Guard::Unreadable(_)), "{nonsense}");
            assert!(!access.is_open() && !access.proves("secret") && !access.knows_session("x", NOW));
        }
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        assert_eq!(access.guard(), Guard::Password);
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
    fn a_disk_that_takes_nothing_keeps_the_password_and_lets_people_sign_in() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        // No file can take the place of a folder that is not empty.
        std::fs::remove_file(access.file()).unwrap();
        std::fs::create_dir_all(access.file().join("in the way")).unwrap();
        assert!(matches!(access.set("another horse"), Err(AccessError::NotKept { .. })));
        assert!(access.proves("correct horse") && !access.proves("another horse"));
        let token = access.begin_session(NOW, NOW + 60).unwrap();
        assert!(access.knows_session(&token, NOW));
        access.end_session(&token);
        assert!(!access.knows_session(&token, NOW));
    }

    #[test]
    fn passwords_that_are_none_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        for unfit in ["", "seven77", "line\nbreak1", &"x".repeat(LONGEST + 1)] {
            assert_eq!(access.set(unfit), Err(AccessError::Unfit), "{unfit:?}");
        }
        assert!(access.is_open());
        access.set("hügel: 8 ").unwrap();
        assert!(access.proves("hügel: 8 ") && !access.proves("hügel: 8"));
    }
}
