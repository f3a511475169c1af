//! Answers a server's login challenge: Digest (RFC 7616) if offered, else Basic (RFC 7617).
//!
//! Cameras write challenges in any case and any encoding, so everything here is bytes.

use std::hash::{BuildHasher, Hasher, RandomState};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use digest_auth::{Algorithm, AlgorithmType};

use super::address::Login;

/// The server's last challenge; every request answers it again.
#[derive(Debug)]
pub(super) struct Challenge {
    scheme: LoginScheme,
    /// The server says that names and passwords are UTF-8.
    is_utf8: bool,
}

#[derive(Debug)]
enum LoginScheme {
    Basic,
    Digest(Box<DigestTerms>),
}

#[derive(Debug)]
struct DigestTerms {
    algorithm: Algorithm,
    parameters: Parameters,
    /// `auth` or `auth-int`; `None` for a server of RFC 2069.
    qop: Option<&'static str>,
    /// Requests answered with this nonce.
    count: u32,
}

/// Encoding of a login in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Latin1,
}

impl Encoding {
    fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Encoding::Utf8 => text.as_bytes().to_vec(),
            Encoding::Latin1 => text.chars().map(|letter| u8::try_from(letter).unwrap_or(b'?')).collect(),
        }
    }
}

/// True if the login has other bytes in Latin-1 than in UTF-8.
pub(super) fn has_latin1_form(login: &Login) -> bool {
    let both = || login.user.chars().chain(login.password.chars());
    both().all(|letter| u8::try_from(letter).is_ok()) && !both().all(|letter| letter.is_ascii())
}

impl Challenge {
    /// The best of an answer's `WWW-Authenticate` fields.
    ///
    /// # Errors
    /// The offered kinds, if none is supported.
    pub(super) fn choose<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Result<Challenge, String> {
        let (mut basic, mut others) = (None, Vec::new());
        for (scheme, parameters) in fields.flat_map(split) {
            let is_utf8 = parameters.get("charset").is_some_and(|set| set.eq_ignore_ascii_case(b"utf-8"));
            match scheme.to_ascii_lowercase().as_str() {
                "digest" => match DigestTerms::new(parameters) {
                    Ok(digest) => {
                        return Ok(Challenge { scheme: LoginScheme::Digest(Box::new(digest)), is_utf8 });
                    }
                    Err(kind) => others.push(kind),
                },
                "basic" => basic = Some(Challenge { scheme: LoginScheme::Basic, is_utf8 }),
                _ => others.push(scheme),
            }
        }
        basic.ok_or_else(|| others.join(", "))
    }

    /// True if the server says that the last answer was right, but stale.
    pub(super) fn is_stale(&self) -> bool {
        let LoginScheme::Digest(digest) = &self.scheme else { return false };
        digest.parameters.is("stale", b"true")
    }

    /// True if the login may be in Latin-1.
    pub(super) fn may_be_latin1(&self) -> bool {
        !self.is_utf8
    }

    /// The value of the `Authorization` field for a GET of `path`.
    pub(super) fn authorization(&mut self, login: &Login, encoding: Encoding, path: &str) -> Vec<u8> {
        let (user, password) = (encoding.encode(&login.user), encoding.encode(&login.password));
        match &mut self.scheme {
            LoginScheme::Basic => {
                let both = [&user[..], b":", &password].concat();
                format!("Basic {}", STANDARD.encode(both)).into_bytes()
            }
            LoginScheme::Digest(digest) => {
                let random = format!("{:016x}", RandomState::new().build_hasher().finish());
                digest.respond(&user, &password, path, &random)
            }
        }
    }
}

impl DigestTerms {
    /// # Errors
    /// What is not supported.
    fn new(parameters: Parameters) -> Result<DigestTerms, String> {
        let text = |name| parameters.get(name).map(|value| String::from_utf8_lossy(value).into_owned());
        let name = text("algorithm").unwrap_or_else(|| String::from("MD5")).to_ascii_uppercase();
        let (kind, is_session) =
            name.strip_suffix("-SESS").map_or((name.as_str(), false), |kind| (kind, true));
        let kind = match kind {
            "MD5" => AlgorithmType::MD5,
            "SHA-256" => AlgorithmType::SHA2_256,
            "SHA-512-256" => AlgorithmType::SHA2_512_256,
            _ => return Err(format!("Digest with {name}")),
        };
        if parameters.get("nonce").is_none() {
            return Err(String::from("Digest without a nonce"));
        }
        let offered = text("qop");
        let has = |qop: &str| {
            offered.iter().flat_map(|all| all.split(',')).any(|one| one.trim().eq_ignore_ascii_case(qop))
        };
        let qop = match &offered {
            _ if has("auth") => Some("auth"),
            _ if has("auth-int") => Some("auth-int"),
            Some(qop) if !qop.trim().is_empty() => return Err(format!("Digest with qop {qop}")),
            _ => None,
        };
        Ok(DigestTerms { algorithm: Algorithm::new(kind, is_session), parameters, qop, count: 0 })
    }

    /// The answer for a GET of `path`. `random` is the client's nonce.
    fn respond(&mut self, user: &[u8], password: &[u8], path: &str, random: &str) -> Vec<u8> {
        self.count += 1;
        let hash = |parts: &[&[u8]]| self.algorithm.hash(&parts.join(&b':')).into_bytes();
        let given = |name| self.parameters.get(name).unwrap_or_default();
        let (realm, nonce, random) = (given("realm"), given("nonce"), random.as_bytes());
        let count = format!("{:08x}", self.count);
        let mut login = hash(&[user, realm, password]);
        if self.algorithm.sess {
            login = hash(&[&login, nonce, random]);
        }
        let request = match self.qop {
            Some("auth-int") => hash(&[b"GET", path.as_bytes(), &hash(&[b""])]),
            _ => hash(&[b"GET", path.as_bytes()]),
        };
        let response = match self.qop {
            Some(qop) => hash(&[&login, nonce, count.as_bytes(), random, qop.as_bytes(), &request]),
            None => hash(&[&login, nonce, &request]),
        };
        let hides_user = self.parameters.is("userhash", b"true");
        let user = if hides_user { hash(&[user, realm]) } else { escape(user) };
        let mut answer = b"Digest ".to_vec();
        let mut add = |name: &str, value: &[u8], quote: &str| {
            let comma = if answer.ends_with(b" ") { "" } else { ", " };
            for part in [comma.as_bytes(), name.as_bytes(), b"=", quote.as_bytes(), value, quote.as_bytes()] {
                answer.extend_from_slice(part);
            }
        };
        for (name, value) in [("username", &user[..]), ("realm", realm), ("nonce", nonce)] {
            add(name, value, "\"");
        }
        add("uri", path.as_bytes(), "\"");
        add("response", &response, "\"");
        if let Some(algorithm) = self.parameters.get("algorithm") {
            add("algorithm", algorithm, "");
        }
        if let Some(opaque) = self.parameters.get("opaque") {
            add("opaque", opaque, "\"");
        }
        if let Some(qop) = self.qop {
            add("qop", qop.as_bytes(), "");
            add("nc", count.as_bytes(), "");
        }
        if self.qop.is_some() || self.algorithm.sess {
            add("cnonce", random, "\"");
        }
        if hides_user {
            add("userhash", b"true", "");
        }
        answer
    }
}

/// For a quoted string.
fn escape(text: &[u8]) -> Vec<u8> {
    let escaped = |&byte: &u8| if b"\"\\".contains(&byte) { vec![b'\\', byte] } else { vec![byte] };
    text.iter().flat_map(escaped).collect()
}

/// Names in lower case, and values without their quotes. Escapes in values stay, as curl hashes them.
#[derive(Debug, Default)]
struct Parameters(Vec<(String, Vec<u8>)>);

impl Parameters {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_slice())
    }

    fn is(&self, name: &str, value: &[u8]) -> bool {
        self.get(name).is_some_and(|own| own.eq_ignore_ascii_case(value))
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        let end = match value {
            [b'"', inside @ ..] => {
                let is_end = |at: &usize| inside[*at] == b'"' && (*at == 0 || inside[*at - 1] != b'\\');
                1 + (0..inside.len()).find(is_end).unwrap_or(inside.len())
            }
            _ => value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len()),
        };
        let value = value[..end].strip_prefix(b"\"").unwrap_or(&value[..end]);
        self.0.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
}

/// The challenges of one field: `Digest realm="a, b", nonce="c", Basic realm="d"`. A new one begins with a word that
/// is not followed by `=` (RFC 9110 §11.6.1).
fn split(field: &[u8]) -> Vec<(String, Parameters)> {
    let mut challenges: Vec<(String, Parameters)> = Vec::new();
    let mut is_quoted = false;
    let mut last = 0;
    let items = field.split(|&byte| {
        is_quoted ^= byte == b'"' && last != b'\\';
        last = byte;
        byte == b',' && !is_quoted
    });
    for item in items {
        let mut item = item.trim_ascii();
        while !item.is_empty() {
            let word = item.iter().position(|&b| b == b'=' || b.is_ascii_whitespace()).unwrap_or(item.len());
            let (word, rest) = (&item[..word], item[word..].trim_ascii_start());
            match (rest.strip_prefix(b"="), challenges.last_mut()) {
                (Some(value), Some((_, parameters))) => parameters.push(word, value.trim_ascii_start()),
                (None, _) => {
                    let scheme = String::from_utf8_lossy(word).into_owned();
                    challenges.push((scheme, Parameters::default()));
                    item = rest;
                    continue;
                }
                // A parameter of nothing.
                (Some(_), None) => {}
            }
            break;
        }
    }
    challenges
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    const DIGEST: &str = r#"Digest realm="a, b", nonce="7ypf", qop="auth, auth-int", algorithm=MD5"#;

    fn login(user: &str, password: &str) -> Login {
        Login { user: user.into(), password: password.into() }
    }

    fn choose(fields: &[&str]) -> Result<Challenge, String> {
        Challenge::choose(fields.iter().map(|field| field.as_bytes()))
    }

    fn is_digest(chosen: &Result<Challenge, String>) -> bool {
        matches!(chosen, Ok(Challenge { scheme: LoginScheme::Digest(_), .. }))
    }

    #[test]
    fn the_better_challenge_is_chosen() {
        let both = format!("Basic realm=\"x\", {DIGEST}");
        let other = format!("{DIGEST}, Basic realm=\"x\"");
        for fields in [vec!["Basic realm=\"x\"", DIGEST], vec![&both], vec![&other], vec![DIGEST]] {
            assert!(is_digest(&choose(&fields)), "{fields:?}");
        }
        for fields in [vec!["BASIC realm=x"], vec!["Digest broken", "Basic"], vec!["Basic"]] {
            assert!(
                matches!(choose(&fields), Ok(Challenge { scheme: LoginScheme::Basic, .. })),
                "{fields:?}"
            );
        }
    }

    #[test]
    fn other_kinds_are_named() {
        for (fields, kinds) in [
            (vec!["Negotiate, NTLM", "Bearer realm=\"y\""], "Negotiate, NTLM, Bearer"),
            (vec!["Digest realm=\"x\", nonce=\"n\", algorithm=SHA-1"], "Digest with SHA-1"),
            (vec!["Digest realm=\"x\", nonce=\"n\", qop=\"auth-conf\""], "Digest with qop auth-conf"),
            (vec!["Digest realm=\"x\""], "Digest without a nonce"),
            (vec!["NTLM TlRMTVNTUAACAAAA=="], "NTLM"),
            (vec![], ""),
        ] {
            assert_eq!(choose(&fields).err().as_deref(), Some(kinds));
        }
    }

    #[test]
    fn answers_are_those_of_the_rfcs() {
        // RFC 7617 §2 and §2.1, RFC 7616 §3.9.1.
        let answer = |field: &str, login: &Login, encoding| {
            String::from_utf8(choose(&[field]).unwrap().authorization(login, encoding, "/")).unwrap()
        };
        let aladdin = login("Aladdin", "open sesame");
        assert_eq!(answer("Basic", &aladdin, Encoding::Utf8), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let pound = login("test", "123£");
        assert_eq!(answer("Basic", &pound, Encoding::Utf8), "Basic dGVzdDoxMjPCow==");
        assert_eq!(answer("Basic", &pound, Encoding::Latin1), "Basic dGVzdDoxMjOj");
        for (algorithm, response) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
        ] {
            let field = format!(
                "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", algorithm={algorithm}, \
                 nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny\""
            );
            let LoginScheme::Digest(mut digest) = choose(&[&field]).unwrap().scheme else {
                panic!("{field}")
            };
            let random = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            let answer = digest.respond(b"Mufasa", b"Circle of Life", "/dir/index.html", random);
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.contains(&format!("response=\"{response}\"")), "{answer}");
            assert!(answer.contains("nc=00000001") && answer.contains("uri=\"/dir/index.html\""), "{answer}");
            let answer = digest.respond(b"Mufasa", b"", "/", random);
            assert!(String::from_utf8(answer).unwrap().contains("nc=00000002"));
        }
    }

    #[test]
    fn challenges_as_cameras_write_them() {
        for (field, realm) in [
            ("Digest Realm=\"cam\", Nonce=\"N\", Algorithm=MD5, Qop=\"auth\"", "cam"),
            ("digest realm=\"摄像机\",nonce=\"N\"", "摄像机"),
            ("Digest realm = \"cam\" , nonce = \"N\", qop=auth,", "cam"),
            ("Digest realm=\"cam \\\"A\\\", B\", nonce=\"N\"", "cam \\\"A\\\", B"),
            ("Digest nonce=\"N\", algorithm=\"md5\", realm=\"\"", ""),
            ("NTLM, Digest qop=\"auth\", realm=\"Digest cam, Basic x\", nonce=\"N\"", "Digest cam, Basic x"),
        ] {
            let Ok(Challenge { scheme: LoginScheme::Digest(digest), .. }) = choose(&[field]) else {
                panic!("{field}")
            };
            assert_eq!(digest.parameters.get("realm"), Some(realm.as_bytes()), "{field}");
            assert_eq!(digest.parameters.get("nonce"), Some(&b"N"[..]), "{field}");
        }
    }
}
