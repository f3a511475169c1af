//! `kill -9`, faults and full disks, over and over: nothing acknowledged may be lost.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod counting;
mod counts_db;
mod full_disk;
mod media_db;
