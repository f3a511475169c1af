//! Passwords: random ones that people can read off a screen, and hashes that are expensive to guess.
//!
//! Argon2id (RFC 9106) with 19 MiB and two passes, the smallest memory in OWASP's password storage cheat sheet. It
//! takes 0.25 s on the slowest Pi, whose 512 MiB also hold frames and a model.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use super::AccessError;

/// Minimum number of characters of a chosen password.
pub const SHORTEST: usize = 8;

/// Maximum number of characters of a chosen password.
pub const LONGEST: usize = 200;

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// A stored hash with a higher cost was not made here. It is refused before it is computed.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 20;

/// Letters and digits that cannot be confused on a screen, in handwriting, or read out.
const LETTERS: &[u8; 25] = b"acdefghjkmnpqrtuvwxy34679";

/// A hashed password; stored as text in the PHC string format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hash {
    memory_kib: u32,
    passes: u32,
    salt: [u8; 16],
    hash: [u8; 32],
}

pub(super) fn random<const N: usize>() -> Result<[u8; N], AccessError>
where
    [u8; N]: Sized,
{
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| AccessError::NoHash("the operating system gives no random numbers"))?;
    Ok(bytes)
}

/// A password of 15 random letters and digits in groups of five, 69 bits: `k7mqx-hyetf-9rthn`.
///
/// # Errors
/// The operating system gives no random numbers.
pub fn random_password() -> Result<String, AccessError> {
    let mut password = String::with_capacity(17);
    while password.len() < 17 {
        for byte in random::<32>()? {
            // 250 is the largest multiple of 25 in a byte, so all letters are equally likely.
            if byte >= 250 || password.len() == 17 {
                continue;
            }
            password.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
            if matches!(password.len(), 5 | 11) {
                password.push('-');
            }
        }
    }
    Ok(password)
}

/// Checks the length and that all characters can be typed.
pub(super) fn validate_password(password: &str) -> Result<(), AccessError> {
    let length = password.chars().count();
    let is_fit = (SHORTEST..=LONGEST).contains(&length) && !password.chars().any(char::is_control);
    if is_fit { Ok(()) } else { Err(AccessError::Unfit) }
}

/// The hash of `password` in the PHC string format. Takes 0.1 s and more.
///
/// # Errors
/// The password is unfit, or hashing fails.
pub fn hashed(password: &str) -> Result<String, AccessError> {
    validate_password(password)?;
    Hash::from_password(password).map(String::from)
}

/// Whether `text` is a hash in the form that [`hashed`] returns.
pub fn is_hash(text: &str) -> bool {
    Hash::read(text).is_some()
}

/// Whether `hash` is the hash of `password`. Takes 0.1 s and more.
pub fn verify_hash(hash: &str, password: &str) -> bool {
    Hash::read(hash).is_some_and(|hash| hash.matches(password))
}

/// Compares two secrets in a time that does not depend on where they differ.
pub fn constant_time_eq(given: &str, right: &str) -> bool {
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let (given, right) = (digest(given), digest(right));
    let differing = given.as_ref().iter().zip(right.as_ref()).fold(0, |sum, (a, b)| sum | (a ^ b));
    std::hint::black_box(differing) == 0
}

impl Hash {
    /// Hashes `password` with a new salt. Takes 0.1 s and more.
    pub fn from_password(password: &str) -> Result<Hash, AccessError> {
        let mut hash = Hash { memory_kib: MEMORY_KIB, passes: PASSES, salt: random()?, hash: [0; 32] };
        hash.hash = hash.derive_key(password).ok_or(AccessError::NoHash("there is no memory for it"))?;
        Ok(hash)
    }

    /// Takes 0.1 s and more.
    pub fn matches(&self, password: &str) -> bool {
        let Some(made) = self.derive_key(password) else { return false };
        let differing = made.iter().zip(&self.hash).fold(0, |sum, (a, b)| sum | (a ^ b));
        std::hint::black_box(differing) == 0
    }

    fn derive_key(&self, password: &str) -> Option<[u8; 32]> {
        let params = Params::new(self.memory_kib, self.passes, 1, Some(32)).ok()?;
        let mut hash = [0; 32];
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon2.hash_password_into(password.as_bytes(), &self.salt, &mut hash).ok()?;
        Some(hash)
    }

    fn read(text: &str) -> Option<Hash> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?.replace(",t=", "$").replace(",p=1$", "$");
        let [memory, passes, salt, hash] = *rest.split('$').collect::<Vec<_>>() else { return None };
        let memory_kib = memory.parse().ok().filter(|kib| (8..=MOST_MEMORY_KIB).contains(kib))?;
        let passes = passes.parse().ok().filter(|passes| (1..=MOST_PASSES).contains(passes))?;
        let salt = STANDARD_NO_PAD.decode(salt).ok()?.try_into().ok()?;
        let hash = STANDARD_NO_PAD.decode(hash).ok()?.try_into().ok()?;
        Some(Hash { memory_kib, passes, salt, hash })
    }
}

impl From<Hash> for String {
    fn from(hash: Hash) -> String {
        format!(
            "$argon2id$v=19$m={},t={},p=1${}${}",
            hash.memory_kib,
            hash.passes,
            STANDARD_NO_PAD.encode(hash.salt),
            STANDARD_NO_PAD.encode(hash.hash)
        )
    }
}

impl TryFrom<String> for Hash {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Hash, &'static str> {
        Hash::read(&text).ok_or("this is no hash of a password")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn random_passwords_are_long_readable_and_differ() {
        let mut seen = std::collections::HashSet::new();
        let mut letters = std::collections::HashSet::new();
        for _ in 0..500 {
            let password = random_password().unwrap();
            assert_eq!(password.len(), 17);
            let groups: Vec<&str> = password.split('-').collect();
            assert!(groups.len() == 3 && groups.iter().all(|group| group.len() == 5), "{password}");
            assert!(!password.contains(|c| "0o1il5s2z8b".contains(c)), "{password}");
            letters.extend(password.chars().filter(|&c| c != '-'));
            assert!(seen.insert(password));
        }
        assert_eq!(letters.len(), 25, "every letter is used");
    }

    #[test]
    fn a_hash_is_written_and_read_and_has_a_salt_of_its_own() {
        let (a, b) =
            (Hash::from_password("correct horse").unwrap(), Hash::from_password("correct horse").unwrap());
        assert_ne!(a, b);
        assert!(
            String::from(a.clone()).starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{}",
            String::from(a.clone())
        );
        let read = Hash::read(&String::from(a.clone())).unwrap();
        assert_eq!(read, a);
        assert!(read.matches("correct horse") && !read.matches("wrong horse"));
    }

    #[test]
    fn nonsense_is_no_hash() {
        let good = String::from(Hash::from_password("correct horse").unwrap());
        for (from, to) in [
            ("argon2id", "argon2i"),
            ("m=19456", "m=1"),
            ("m=19456", "m=4000000000"),
            ("t=2", "t=0"),
            ("t=2", "t=1000"),
            ("p=1", "p=4"),
            ("v=19", "v=16"),
        ] {
            assert_eq!(Hash::read(&good.replace(from, to)), None, "{to}");
        }
        for cut in 0..good.len() {
            assert_eq!(Hash::read(&good[..cut]), None);
        }
    }

    #[test]
    fn secrets_are_the_same_or_not() {
        assert!(constant_time_eq("", "") && constant_time_eq("ünder", "ünder"));
        assert!(!constant_time_eq("a", "b") && !constant_time_eq("a", "aa") && !constant_time_eq("", "a"));
    }
}
