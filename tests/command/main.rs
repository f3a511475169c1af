//! The commands of the program, their output and exit codes, and its configuration.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod backup;
mod card;
mod cli;
mod clip;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod count;
mod counts;
mod fleet;
mod from_flask;
mod https;
mod media;
mod model;
mod password;
mod private;
mod prove;
mod recount;
