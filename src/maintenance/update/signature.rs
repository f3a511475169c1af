//! Whether a file is signed by the key that the configuration names (minisign, prehashed).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use minisign_verify::{Error, PublicKey, Signature};

/// A longer signature is none.
const LONGEST: u64 = 4096;

/// Why a file is not taken for signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The configuration names no key.
    #[error("the configuration names no key that updates are signed with")]
    NoKey,
    /// What it names is none.
    #[error("[update] key is no public key of minisign")]
    WrongKey,
    /// There is no signature, or what there is is none.
    #[error("there is no signature beside it: {0}")]
    None(String),
    /// Somebody else has signed it.
    #[error("it is signed with another key")]
    OtherKey,
    /// The file is not what was signed.
    #[error("its signature is wrong: it is damaged, cut off, or not what was signed")]
    Wrong,
    /// It cannot be read.
    #[error("it could not be read: {0}")]
    Unread(String),
}

/// Whether `signature` is one of `file` by `key`, the second line of a `minisign.pub`.
///
/// # Errors
/// [`NotSigned`].
pub fn verify(file: &Path, signature: &Path, key: Option<&str>) -> Result<(), NotSigned> {
    let key = key.map(str::trim).filter(|key| !key.is_empty()).ok_or(NotSigned::NoKey)?;
    let key = PublicKey::from_base64(key).map_err(|_| NotSigned::WrongKey)?;
    let none = |why: String| NotSigned::None(why);
    let mut text = String::new();
    let opened = File::open(signature).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    opened.map_err(|error| none(error.to_string()))?;
    let signature =
        Signature::decode(&text).map_err(|_| none(String::from("it is no signature of minisign")))?;
    let mut verifier = key.verify_stream(&signature).map_err(|error| match error {
        Error::UnexpectedKeyId => NotSigned::OtherKey,
        // Signed by an old minisign, or with -l: such a file would have to be in memory as a whole.
        _ => none(String::from("sign it with minisign 0.10 or later, without -l")),
    })?;
    let unread = |error: std::io::Error| NotSigned::Unread(error.to_string());
    let mut file = fs::File::open(file).map_err(unread)?;
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece).map_err(unread)? {
            0 => break,
            got => verifier.update(&piece[..got]),
        }
    }
    verifier.finalize().map_err(|_| NotSigned::Wrong)
}
