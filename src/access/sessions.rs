//! Sessions of browsers. Only digests of their tokens are stored, so reading the file lets nobody in. Pure.

use ring::digest::{SHA256, digest as sha};
use serde::{Deserialize, Serialize};

use tallycam_base::unicode::hex;

/// Maximum number of sessions; a new one replaces the oldest.
pub(super) const MOST: usize = 100;

/// The SHA-256 of a token; stored as hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Digest([u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    #[serde(rename = "sha256")]
    pub digest: Digest,
    /// Identifies the session when it is to be ended.
    pub number: u64,
    /// The user's name; empty for a client with a signed link.
    #[serde(default)]
    pub user: String,
    /// Start, in seconds since 1970.
    #[serde(default, rename = "begun")]
    pub begun_s: u64,
    #[serde(rename = "until")]
    pub until_s: u64,
    /// The client's address at sign-in, and its browser.
    #[serde(default)]
    pub from: String,
    #[serde(default)]
    pub browser: String,
    /// The path of the page whose link began the session; empty for a user's.
    #[serde(default)]
    pub page: String,
}

/// All sessions, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Session>")]
pub(super) struct Sessions(Vec<Session>);

impl Digest {
    pub fn from_token(token: &str) -> Digest {
        let mut digest = [0; 32];
        digest.copy_from_slice(sha(&SHA256, token.as_bytes()).as_ref());
        Digest(digest)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        hex(digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(hex: String) -> Result<Digest, &'static str> {
        const NONE: &str = "a digest is 64 hexadecimal digits";
        let mut digest = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(NONE);
        }
        for (at, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).map_err(|_| NONE)?;
        }
        Ok(Digest(digest))
    }
}

impl From<Vec<Session>> for Sessions {
    /// Takes only the newest [`MOST`], and no guest's without a page.
    fn from(mut sessions: Vec<Session>) -> Sessions {
        sessions.retain(|session| !(session.user.is_empty() && session.page.is_empty()));
        sessions.drain(..sessions.len().saturating_sub(MOST));
        Sessions(sessions)
    }
}

impl Sessions {
    pub fn all(&self) -> &[Session] {
        &self.0
    }

    /// The session of `token`, unless it has ended.
    pub fn find(&self, token: &str, now_s: u64) -> Option<&Session> {
        let digest = Digest::from_token(token);
        self.0.iter().find(|session| session.digest == digest && now_s < session.until_s)
    }

    /// Adds a session with a new number, and removes those that have ended at `seen_s`, a time that is certain.
    pub fn insert(&mut self, session: Session, seen_s: u64) {
        self.0.retain(|other| seen_s < other.until_s);
        if self.0.len() >= MOST {
            self.evict_oldest();
        }
        let number = self.0.iter().map(|session| session.number).max().unwrap_or(0) + 1;
        self.0.push(Session { number, ..session });
    }

    /// Removes the oldest session of the user with the most sessions, so that repeated sign-ins end only one's own.
    fn evict_oldest(&mut self) {
        let count = |user: &str| self.0.iter().filter(|other| other.user == user).count();
        // Among users with equally many sessions, the one with the oldest session.
        let user = self.0.iter().rev().max_by_key(|session| count(&session.user));
        let oldest = user.and_then(|most| self.0.iter().position(|session| session.user == most.user));
        if let Some(oldest) = oldest {
            self.0.remove(oldest);
        }
    }

    pub fn retain(&mut self, stays: impl Fn(&Session) -> bool) {
        self.0.retain(stays);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn session(token: &str, begun_s: u64, until_s: u64) -> Session {
        Session {
            digest: Digest::from_token(token),
            number: 0,
            user: String::from("admin"),
            begun_s,
            until_s,
            from: String::new(),
            browser: String::new(),
            page: String::new(),
        }
    }

    #[test]
    fn many_sign_ins_of_one_user_end_no_other_session() {
        let mut sessions = Sessions::default();
        sessions.insert(session("the admin's", 0, 1000), 0);
        for n in 0..2 * MOST {
            let guest = Session { user: String::new(), ..session(&format!("guest {n}"), 1, 1000) };
            sessions.insert(guest, 1);
        }
        assert_eq!(sessions.all().len(), MOST);
        assert!(sessions.find("the admin's", 2).is_some());
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let mut sessions = Sessions::default();
        for n in 0..MOST as u64 + 5 {
            sessions.insert(session(&n.to_string(), 0, 100 + n), 0);
        }
        assert_eq!(sessions.all().len(), MOST);
        assert!(sessions.find("4", 0).is_none() && sessions.find("5", 0).is_some(), "the oldest went");
        sessions.insert(session("wild", 400, 500), 0);
        assert!(sessions.find("5", 0).is_none() && sessions.find("6", 0).is_some(), "a clock may be wrong");
        sessions.insert(session("late", 150, 500), 150);
        assert!(sessions.all().iter().all(|session| session.until_s > 150), "ended sessions go");
        let many = vec![session("x", 0, 1); MOST * 2];
        assert_eq!(Sessions::from(many).all().len(), MOST);
        let mut numbers: Vec<u64> = sessions.all().iter().map(|session| session.number).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), sessions.all().len());
    }

    #[test]
    fn a_digest_is_read_as_it_was_written() {
        let digest = Digest::from_token("x");
        assert_eq!(Digest::try_from(String::from(digest)).unwrap(), digest);
        for nonsense in ["", "zz", &"g".repeat(64), &"ä".repeat(32)] {
            assert!(Digest::try_from(String::from(nonsense)).is_err());
        }
    }
}
