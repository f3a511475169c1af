//! Helpers of the integration tests. Each test program uses a part of them.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

pub mod client;
pub mod counted;
pub mod daemon;
pub mod hung;
pub mod items;
pub mod kept;
pub mod mosquitto;
pub mod outbound;
pub mod served;
pub mod testcam;

use std::time::{Duration, Instant};

/// Longest wait for anything. Generous, because it only ends a test that has failed.
pub const DEADLINE: Duration = Duration::from_secs(120);

/// Prints to standard error even if the test succeeds, past the capture of `cargo test`.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Waits until `what` is true, polling often; panics with `name` after [`DEADLINE`].
#[track_caller]
pub fn wait_until(name: &str, mut what: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !what() {
        assert!(Instant::now() < until, "waited in vain until {name}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
