//! The running daemon, and everything that controls it: settings, signals, systemd.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod hung;
mod lens;
mod mqtt;
mod power;
mod settings;
mod systemd;
