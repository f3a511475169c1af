//! The service over real sockets: routes, streams, limits, rights, and the old addresses byte for byte.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod audit;
mod buttons;
mod claim;
#[path = "../common/mod.rs"]
mod common;
mod counting;
mod counts_page;
mod document;
mod download;
mod events;
mod golden;
mod gzip;
mod https;
mod inside;
mod legacy_controls;
mod light;
mod locked;
mod mail;
mod mask;
mod mask_outputs;
mod media;
mod movement;
mod neighbours;
mod notifications;
mod old_media;
mod parts;
mod people;
mod places;
mod requests;
mod revoked;
mod rights;
mod streams;
#[path = "../common/webdriver.rs"]
mod webdriver;
mod zones;
