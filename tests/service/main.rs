//! The daemon as it is run, with everything that is said to it while it runs.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod hung;
mod lens;
mod power;
mod settings;
mod systemd;
