//! Counting: detectors, tracker and lines on real clips, simulated scenes and generated cases.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod accuracy;
mod advice;
mod crowd;
mod flows;
mod gate;
mod models;
mod motion;
mod network;
mod properties;
#[path = "../common/protobuf.rs"]
mod protobuf;
mod robustness;
mod scenes;
mod standing;
