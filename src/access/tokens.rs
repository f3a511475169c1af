//! Tokens for programs, and signed links. Both open a few routes without a password. Pure.
//!
//! A token is 256 random bits, shown once and stored as a digest. A link carries its end time and an HMAC-SHA256 (RFC
//! 2104) over that time and its address, so nothing is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::role::Scope;
use super::sessions::Digest;

/// Maximum number of tokens.
pub(super) const MOST: usize = 50;

/// Prefix of every token, so that a leaked one is recognized.
pub(super) const PREFIX: &str = "tc_";

/// Seconds after which another use of a token is saved.
const KEPT_EVERY_S: u64 = 3600;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Token {
    #[serde(rename = "sha256")]
    pub digest: Digest,
    #[serde(flatten)]
    pub facts: TokenFacts,
}

/// A token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    /// Identifies the token when it is revoked.
    pub number: u64,
    /// The name that its maker gave it.
    pub name: String,
    /// The routes that it opens.
    pub scopes: Vec<Scope>,
    /// When it was made, in seconds since 1970.
    #[serde(rename = "created")]
    pub created_s: u64,
    /// When it ends, in seconds since 1970; `None`: never.
    #[serde(rename = "until")]
    pub until_s: Option<u64>,
    /// When it was last used, in seconds since 1970, to the hour.
    #[serde(rename = "used")]
    pub used_s: Option<u64>,
}

impl Token {
    pub fn is_valid_at(&self, now_s: u64) -> bool {
        self.facts.until_s.is_none_or(|until_s| now_s < until_s)
    }

    /// Records a use. True if it should be saved.
    pub fn record_use(&mut self, now_s: u64) -> bool {
        let is_news = self.facts.used_s.is_none_or(|used_s| now_s.saturating_sub(used_s) >= KEPT_EVERY_S);
        if is_news {
            self.facts.used_s = Some(now_s);
        }
        is_news
    }
}

/// The signature of `address`, path and query as the client requests them, until `until_s`.
pub(super) fn sign_link(key: &[u8; 32], address: &str, until_s: u64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let tag = hmac::sign(&key, format!("{until_s}\n{address}").as_bytes());
    URL_SAFE_NO_PAD.encode(tag.as_ref())
}
