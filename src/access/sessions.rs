//! Who is signed in: hashes of the tokens that browsers carry, and until when. Pure.
//!
//! A token is random and long, so a plain SHA-256 of it is enough: who reads the file cannot make a cookie of it.

use ring::digest::{SHA256, digest as sha};

/// The SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// So many at once; a new one takes the place of the oldest.
pub(super) const MOST: usize = 100;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Session {
    pub digest: Digest,
    /// Seconds since 1970.
    pub until_s: u64,
}

/// All of them, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sessions(Vec<Session>);

/// The digest of a token.
pub(super) fn digest(token: &str) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(sha(&SHA256, token.as_bytes()).as_ref());
    digest
}

impl Sessions {
    /// These, of which only the newest are taken if they are too many.
    pub fn new(mut sessions: Vec<Session>) -> Sessions {
        sessions.drain(..sessions.len().saturating_sub(MOST));
        Sessions(sessions)
    }

    pub fn all(&self) -> &[Session] {
        &self.0
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is one that has not ended.
    pub fn knows(&self, digest: &Digest, now_s: u64) -> bool {
        self.0.iter().any(|session| session.digest == *digest && now_s < session.until_s)
    }

    /// Adds one; those that have ended go.
    pub fn begin(&mut self, digest: Digest, now_s: u64, until_s: u64) {
        self.0.retain(|session| now_s < session.until_s);
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Session { digest, until_s });
    }

    pub fn end(&mut self, digest: &Digest) {
        self.0.retain(|session| session.digest != *digest);
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_never_too_many() {
        let mut sessions = Sessions::default();
        for n in 0..MOST as u64 + 5 {
            sessions.begin(digest(&n.to_string()), 0, 100 + n);
        }
        assert_eq!(sessions.len(), MOST);
        assert!(!sessions.knows(&digest("4"), 0) && sessions.knows(&digest("5"), 0), "the oldest went");
        sessions.begin(digest("late"), 150, 500);
        assert!(sessions.all().iter().all(|session| session.until_s > 150), "what has ended goes");
        let many = vec![Session { digest: [0; 32], until_s: 1 }; MOST * 2];
        assert_eq!(Sessions::new(many).len(), MOST);
    }
}
