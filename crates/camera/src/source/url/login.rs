//! Answers a server's login challenge: Digest (RFC 7616) if offered, else Basic (RFC 7617).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use digest_auth::{AuthContext, WwwAuthenticateHeader};

use super::address::Login;

/// The server's last challenge; every request answers it again.
#[derive(Debug)]
pub(super) enum Challenge {
    Basic,
    Digest(Box<WwwAuthenticateHeader>),
}

impl Challenge {
    /// The best of an answer's `WWW-Authenticate` fields; `None` if none is supported.
    pub(super) fn choose<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Challenge> {
        let mut basic = false;
        // digest_auth counts characters but cuts at bytes: non-ASCII text would be a panic.
        for field in fields.filter(|field| field.is_ascii()) {
            for challenge in split(field) {
                let scheme = challenge.split_ascii_whitespace().next().unwrap_or_default();
                if scheme.eq_ignore_ascii_case("digest") {
                    match digest_auth::parse(&challenge[scheme.len()..]) {
                        Ok(digest) if is_supported_digest(&digest) => {
                            return Some(Challenge::Digest(Box::new(digest)));
                        }
                        Ok(digest) => log::debug!("Digest with {} is not known here", digest.algorithm),
                        Err(error) => log::debug!("a Digest challenge cannot be read: {error}"),
                    }
                }
                basic |= scheme.eq_ignore_ascii_case("basic");
            }
        }
        basic.then_some(Challenge::Basic)
    }

    /// True if the server says that the last answer was right, but stale.
    pub(super) fn is_stale(&self) -> bool {
        matches!(self, Challenge::Digest(digest) if digest.stale)
    }

    /// The value of the `Authorization` field for a GET of `path`; `None` if the challenge cannot be answered.
    pub(super) fn authorization(&mut self, login: &Login, path: &str) -> Option<String> {
        match self {
            Challenge::Basic => {
                let both = format!("{}:{}", login.user, login.password);
                Some(format!("Basic {}", STANDARD.encode(both)))
            }
            Challenge::Digest(digest) => {
                let context = AuthContext::new(&login.user, &login.password, path);
                Some(digest.respond(&context).ok()?.to_header_string())
            }
        }
    }
}

fn is_supported_digest(digest: &WwwAuthenticateHeader) -> bool {
    digest.clone().respond(&AuthContext::new("", "", "/")).is_ok()
}

/// Splits the challenges of one field: `Digest realm="a, b", nonce="c", Basic realm="d"`. A new one begins after a
/// comma with a word that is not followed by `=` (RFC 9110 §11.6.1).
fn split(field: &str) -> Vec<&str> {
    let mut challenges = Vec::new();
    let mut start = 0;
    let mut quoted = false;
    for (at, byte) in field.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                let next = field[at + 1..].trim_start();
                let word = next.find(|c: char| c == '=' || c == ',' || c.is_ascii_whitespace());
                let is_scheme = word.is_some_and(|end| {
                    let after = next[end..].trim_start();
                    end > 0 && next[end..].starts_with(' ') && !after.starts_with('=')
                });
                if is_scheme {
                    challenges.push(field[start..at].trim());
                    start = at + 1;
                }
            }
            _ => {}
        }
    }
    challenges.push(field[start..].trim());
    challenges
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const DIGEST: &str = r#"Digest realm="a, b", nonce="7ypf", qop="auth, auth-int", algorithm=MD5"#;

    fn login() -> Login {
        Login { user: "Aladdin".into(), password: "open sesame".into() }
    }

    #[test]
    fn the_better_challenge_is_chosen() {
        let both = format!("Basic realm=\"x\", {DIGEST}");
        let other = format!("{DIGEST}, Basic realm=\"x\"");
        for fields in [vec!["Basic realm=\"x\"", DIGEST], vec![&both], vec![&other], vec![DIGEST]] {
            let chosen = Challenge::choose(fields.iter().copied());
            assert!(matches!(chosen, Some(Challenge::Digest(_))), "{fields:?}");
        }
        assert!(matches!(Challenge::choose(["BASIC realm=x"].into_iter()), Some(Challenge::Basic)));
        assert!(matches!(Challenge::choose(["Digest broken", "Basic"].into_iter()), Some(Challenge::Basic)));
        assert!(Challenge::choose(["Negotiate", "Bearer realm=\"y\""].into_iter()).is_none());
    }

    #[test]
    fn answers_are_those_of_the_rfcs() {
        // RFC 7617 §2.
        let basic = Challenge::Basic.authorization(&login(), "/").unwrap();
        assert_eq!(basic, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let mut digest = Challenge::choose([DIGEST].into_iter()).unwrap();
        let first = digest.authorization(&login(), "/video?x=1").unwrap();
        assert!(first.contains("nc=00000001") && first.contains("uri=\"/video?x=1\""), "{first}");
        assert!(digest.authorization(&login(), "/").unwrap().contains("nc=00000002"));
    }
}
