//! Commands for who may do what.

pub(in crate::cli) mod audit;
pub(in crate::cli) mod password;
pub(in crate::cli) mod users;
