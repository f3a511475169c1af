//! Identifies callers and checks their rights.

pub(in crate::http) mod audit;
pub(in crate::http) mod authenticate;
pub(in crate::http) mod caller;
pub(in crate::http) mod csrf;
pub(in crate::http) mod host_names;
pub(in crate::http) mod redirect;
pub(in crate::http) mod refusals;
pub(in crate::http) mod turns;
