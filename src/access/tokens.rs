//! Tokens for programs, and signed links: what opens a few routes without a password.
//!
//! A token is 256 random bits, shown once and kept as a digest. A link bears its own end and a keyed hash (HMAC-SHA256,
//! RFC 2104) of that and of the address, so that nothing is kept of it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::role::Scope;
use super::sessions::Digest;

/// So many at once.
pub(super) const MOST: usize = 50;

/// What a token begins with, so that one knows it where it turns up.
pub(super) const PREFIX: &str = "tc_";

/// Its last use is kept when so many seconds have gone since the one that is kept.
const KEPT_EVERY_S: u64 = 3600;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    #[serde(rename = "sha256")]
    pub digest: Digest,
    #[serde(flatten)]
    pub facts: TokenFacts,
}

/// A token, as far as it may be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// To revoke it by.
    pub number: u64,
    /// What it is for, as whoever made it says.
    pub name: String,
    /// What it opens.
    pub scopes: Vec<Scope>,
    /// Seconds since 1970.
    #[serde(rename = "created")]
    pub created_s: u64,
    /// When it ends, if ever.
    #[serde(rename = "until")]
    pub until_s: Option<u64>,
    /// When it was used last, to the hour.
    #[serde(rename = "used")]
    pub used_s: Option<u64>,
}

impl Token {
    /// Whether it is good at `now_s`.
    pub fn is_valid_at(&self, now_s: u64) -> bool {
        self.facts.until_s.is_none_or(|until_s| now_s < until_s)
    }

    /// Notes a use: whether that is to be kept.
    pub fn record_use(&mut self, now_s: u64) -> bool {
        let is_news = self.facts.used_s.is_none_or(|used_s| now_s.saturating_sub(used_s) >= KEPT_EVERY_S);
        if is_news {
            self.facts.used_s = Some(now_s);
        }
        is_news
    }
}

/// The signature of `address` (path and query as they are asked for) until `until_s`.
pub(super) fn sign_link(key: &[u8; 32], address: &str, until_s: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, format!("{until_s}\n{address}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref())
}
