//! Shared parts of all commands: configuration options, the running service, failures, output.

pub(in crate::cli) mod atomic_file;
pub(in crate::cli) mod daemon;
pub(in crate::cli) mod failure;
mod given;
mod output;
pub(in crate::cli) mod session;
pub(in crate::cli) mod table;
pub(in crate::cli) mod terminal;

pub(in crate::cli) use given::ConfigArgs;
pub(in crate::cli) use output::{
    number_field, print_coloured, print_json, print_stdout, text_field, write_stdout,
};
