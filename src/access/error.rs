//! Errors of changes to users, passwords and tokens.

use super::{LONGEST, SHORTEST};

/// The longest name of a user or a token.
pub const LONGEST_NAME: usize = 40;

/// Why a change to passwords, users or tokens failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// The password is too short, too long, or has characters that cannot be typed.
    #[error("a password needs {SHORTEST} to {LONGEST} characters, without control characters")]
    Unfit,
    /// The file cannot be written.
    #[error("{file} could not be written: {reason}")]
    NotKept {
        file: String,
        /// The operating system's error.
        reason: String,
    },
    /// Another program holds the lock of the file.
    #[error("another tallycam has {file}")]
    Claimed { file: String },
    /// The name of a user or token is not allowed.
    #[error(
        "a name has 1 to {LONGEST_NAME} letters, digits, dots, dashes and underscores, and a token's also blanks"
    )]
    UnfitName,
    /// No user has this name.
    #[error("there is no user of this name")]
    NoUser,
    /// The admin's role and name cannot be changed.
    #[error("the admin cannot be removed or get another role; only the password can be changed")]
    Admin,
    /// Somebody else has claimed the camera before.
    #[error("this camera already has a password")]
    Late,
    /// A user cannot be added before the admin has a password.
    #[error("set the admin's password first: without it everybody may do everything")]
    NoAdmin,
    /// The maximum number of users or tokens is reached.
    #[error("there are {0} already, which is the maximum")]
    TooMany(usize),
    /// A new user needs a password.
    #[error("a new user needs a password")]
    NoPassword,
    /// The operating system gives no random numbers, or not the memory for hashing.
    #[error("no hash could be made: {0}")]
    NoHash(&'static str),
}
