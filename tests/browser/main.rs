//! The pages in a real browser: headless Chromium, driven over WebDriver.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod alerts;
mod axe;
mod cameras;
mod checks;
#[path = "../common/mod.rs"]
mod common;
mod counting;
mod counts;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod focus;
mod foreign;
#[path = "../common/helper.rs"]
mod helper;
mod live;
mod media;
mod newcomer;
mod notifications;
mod pages;
mod settings;
mod video;
#[path = "../common/webdriver.rs"]
mod webdriver;
mod windows;
mod zones;

/// Settings of the simulation for most pages. Small and slow, because an unoptimised program draws it and the browser
/// draws it again.
const SCENE: [&str; 4] = ["source.kind=\"sim\"", "source.fps=10", "source.width=640", "source.height=360"];

/// [`SCENE`] and `more` settings, as arguments of the program.
fn scene<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SCENE.iter().chain(more).flat_map(|&set| ["--set", set]).collect()
}
