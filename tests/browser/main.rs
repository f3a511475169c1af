//! The pages in a real browser: headless Chromium, driven over WebDriver.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod axe;
#[path = "../common/mod.rs"]
mod common;
mod counting;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod live;
mod media;
mod settings;
#[path = "../common/webdriver.rs"]
mod webdriver;
