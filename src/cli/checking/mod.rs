//! `tallycam check` and the report for a bug.

pub(in crate::cli) mod check;
pub(in crate::cli) mod port_check;
pub(in crate::cli) mod report;
