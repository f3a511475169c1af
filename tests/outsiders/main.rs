//! Models, cameras, pictures and clients of other makers, each with tallycam's result.
//!
//! Each test ends in [`row`], a line of `docs/compatibility.md`. `UPDATE_TABLE=1 cargo test --test outsiders` writes
//! the changed lines into it; without that variable a line that differs fails its test.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod addresses;
mod cameras;
mod clients;
#[path = "../common/mod.rs"]
mod common;
mod counting;
#[path = "../common/fakecam.rs"]
mod fakecam;
mod files;
mod jpegs;
mod lights;
mod models;
mod odd_http;
mod old_clients;
#[path = "../common/protobuf.rs"]
mod protobuf;
mod rtsp;
mod storage;
mod usb;
#[path = "../common/webdriver.rs"]
mod webdriver;

use std::fs::{self, File};
use std::path::Path;

/// The heading in `docs/compatibility.md`, the sample, and tallycam's present result, without paths, ports or times.
#[track_caller]
fn row(kind: &str, sample: &str, now: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compatibility.md");
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let begins = format!("| {} |", cell(sample));
    let line = format!("{begins} {} |", cell(now));
    // Tests run side by side, in threads or in processes.
    let lock = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("compatibility.lock")).unwrap();
    lock.lock().unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let heading = format!("## {kind}");
    let at = text.lines().position(|line| line == heading);
    let at = at.unwrap_or_else(|| panic!("{} has no heading {heading:?}", path.display()));
    let mut lines: Vec<&str> = text.lines().collect();
    let end =
        lines[at + 1..].iter().position(|line| line.starts_with("## ")).map_or(lines.len(), |n| at + 1 + n);
    if lines[at..end].contains(&line.as_str()) {
        return;
    }
    assert!(
        std::env::var_os("UPDATE_TABLE").is_some(),
        "docs/compatibility.md does not say this; UPDATE_TABLE=1 writes it:\n{heading}\n{line}"
    );
    match lines[at..end].iter().position(|line| line.starts_with(&begins)) {
        Some(old) => lines[at + old] = &line,
        None => {
            let last = lines[at..end].iter().rposition(|line| line.starts_with('|'));
            lines.insert(at + last.expect("a table under the heading") + 1, &line);
        }
    }
    fs::write(&path, lines.join("\n") + "\n").unwrap();
}
