//! What every command stands on: where the configuration is, and what goes to standard output.

mod given;
mod output;

pub(in crate::cli) use given::Given;
pub(in crate::cli) use output::{print_json, print_stdout, write_stdout};
