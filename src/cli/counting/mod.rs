//! Commands for counting, counts and models.

pub(in crate::cli) mod advise;
pub(in crate::cli) mod count;
pub(in crate::cli) mod counts;
pub(in crate::cli) mod model;
pub(in crate::cli) mod prove;
pub(in crate::cli) mod recount;
