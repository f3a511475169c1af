//! What every command stands on: where the configuration is, the running service, what went wrong, what is printed.

pub(in crate::cli) mod atomic_file;
pub(in crate::cli) mod daemon;
pub(in crate::cli) mod failure;
mod given;
mod output;
pub(in crate::cli) mod session;
pub(in crate::cli) mod terminal;

pub(in crate::cli) use given::ConfigArgs;
pub(in crate::cli) use output::{print_json, print_stdout, write_stdout};
