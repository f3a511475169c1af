//! tallycam shows what a camera sees to any number of browsers, and counts what crosses a line.
//!
//! # The map
//!
//! A layer imports only from layers below it; siblings in layer 2 never import each other
//! (`tests/architecture.rs` reads the `use` lines and fails on an arrow that points up).
//!
//! ```text
//! 4  cli
//! 3  daemon ─► http (+ ui) ─► pipeline, maintenance ─► store, models, card
//! 2  source   encode   vision   lens   lights   config   access
//! 1  media
//! 0  base
//! ```
//!
//! # The way of one frame
//!
//! ```text
//! driver ─► [capture thread]  Source ─► Frame ─► Encoder ─► Picture ─► Hub ─► viewers, snapshots
//! ```
//!
//! A [`media::Frame`] is scarce (it may pin a driver's buffer) and is lent; a [`media::Picture`] is
//! a finished JPEG that may be kept as long as a slow viewer likes.
//!
//! # As a library
//!
//! [`pipeline::Pipeline`] turns a [`source::Opener`] into pictures; [`media::Hub`] hands them out,
//! as an iterator or (through [`http::stream`]) as an HTTP body. `examples/embed.rs` shows both.

pub mod access;
pub mod base;
pub mod card;
pub mod cli;
pub mod config;
pub mod daemon;
pub mod encode;
pub mod http;
pub mod lens;
pub mod lights;
pub mod maintenance;
pub mod media;
pub mod models;
pub mod pipeline;
pub mod source;
pub mod store;
pub mod ui;
pub mod vision;
