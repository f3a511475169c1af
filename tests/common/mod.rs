//! What the integration tests share. Each test program uses a part of it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod counted;
pub mod daemon;
pub mod hung;
pub mod items;
pub mod kept;
pub mod served;
pub mod testcam;

use std::time::{Duration, Instant};

/// Longest wait for anything: generous, since it only ends a test that has failed.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Says something where it is seen though the test succeeds: past what `cargo test` catches.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Waits until `what` is so, looking often; panics with its name after [`DEADLINE`].
#[track_caller]
pub fn wait_until(name: &str, mut what: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !what() {
        assert!(Instant::now() < until, "waited in vain until {name}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
