//! Commands for users, tokens, passwords and the audit list.

pub(in crate::cli) mod audit;
pub(in crate::cli) mod password;
pub(in crate::cli) mod users;
