//! Why users, passwords and tokens are not changed.

use super::{LONGEST, SHORTEST};

/// The longest name of a user or a token.
pub const LONGEST_NAME: usize = 40;

/// Something about the password was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// It is too short, too long, or nothing that can be typed.
    #[error("a password has {SHORTEST} to {LONGEST} characters, and none that cannot be typed")]
    Unfit,
    /// The file cannot be written.
    #[error("{file} could not be written: {reason}")]
    NotKept {
        file: String,
        /// What the operating system said.
        reason: String,
    },
    /// Another program has the file.
    #[error("another tallycam has {file}")]
    Claimed { file: String },
    /// A user's or token's name is none.
    #[error("a name has 1 to {LONGEST_NAME} letters, digits, dots, dashes and underscores")]
    UnfitName,
    /// A user of this name is not there, or cannot be changed so.
    #[error("there is no user of this name")]
    NoUser,
    /// The admin's role and name stay.
    #[error("the admin stays the admin: only the password can be changed")]
    Admin,
    /// Somebody else was first.
    #[error("somebody has chosen this camera's password already")]
    Late,
    /// Who has no admin has nobody else.
    #[error("there is no admin's password yet, and without one everybody may do everything")]
    NoAdmin,
    /// There are as many as there may be.
    #[error("there are {0} already, and not more than that can be")]
    TooMany(usize),
    /// A new user needs a password.
    #[error("a new user needs a password")]
    NoPassword,
    /// The operating system gives no random numbers, or not the memory that hashing takes.
    #[error("no hash could be made: {0}")]
    NoHash(&'static str),
}
