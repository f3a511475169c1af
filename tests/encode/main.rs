//! Pictures and films as bytes, judged by independent decoders.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../../fuzz/checks.rs"]
mod checks;
#[path = "../common/mod.rs"]
mod common;
mod corpus;
mod film;
mod raw;
mod reduce;
mod walk;
