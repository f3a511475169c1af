//! Checks that a file is signed with the configured key (minisign, prehashed).

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use minisign_verify::{Error, PublicKey, Signature};

use tallycam_base::Fault;

/// Maximum length of a signature in bytes.
const LONGEST: u64 = 4096;

/// Checks that `signature` signs `file` with `key`, the second line of a `minisign.pub`.
///
/// # Errors
/// The reason why the signature is not accepted.
pub fn verify(file: &Path, signature: &Path, key: Option<&str>) -> Result<(), Fault> {
    let no_key = || Fault::wrong("the configuration names no key that updates are signed with");
    let key = key.map(str::trim).filter(|key| !key.is_empty()).ok_or_else(no_key)?;
    let wrong_key = |_| Fault::wrong("`update.key` is no public key of minisign");
    let key = PublicKey::from_base64(key).map_err(wrong_key)?;
    let none = |why: String| Fault::wrong(format!("there is no signature beside it: {why}"));
    let mut text = String::new();
    let opened = File::open(signature).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    opened.map_err(|error| none(error.to_string()))?;
    let signature =
        Signature::decode(&text).map_err(|_| none(String::from("it is no signature of minisign")))?;
    let mut verifier = key.verify_stream(&signature).map_err(|error| match error {
        Error::UnexpectedKeyId => Fault::wrong("it is signed with another key"),
        // Made by an old minisign, or with -l. Checking it would need the whole file in memory.
        _ => none(String::from("sign it with minisign 0.10 or later, without -l")),
    })?;
    let unread = |error: std::io::Error| Fault::wrong(format!("it could not be read: {error}"));
    let mut file = fs::File::open(file).map_err(unread)?;
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece).map_err(unread)? {
            0 => break,
            got => verifier.update(&piece[..got]),
        }
    }
    let wrong = |_| Fault::wrong("its signature is wrong: it is damaged, cut off, or not what was signed");
    verifier.finalize().map_err(wrong)
}
