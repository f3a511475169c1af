//! The pipeline on cameras that the test directs: demand, faults, counting, recording.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../common/mod.rs"]
mod common;
mod controls;
mod counting;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod focus;
#[path = "../common/helper.rs"]
mod helper;
mod libcamera;
mod lights;
mod mask;
mod picture;
mod recording;
mod running;
mod source;
