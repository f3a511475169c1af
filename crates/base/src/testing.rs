//! Helpers of the tests of all crates. For tests only.
#![allow(clippy::expect_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;

use crate::child;

/// Runs `check` on every input that fuzzing has collected for a target (`fuzz/corpus/`), which must not be empty.
pub fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join("fuzz/corpus").join(target);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files = 0;
    for path in entries.map(|entry| entry.map(|entry| entry.path())) {
        let path = path.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let data = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(std::panic::catch_unwind(|| check(&data)).is_ok(), "{} fails", path.display());
        files += 1;
    }
    assert!(files > 0, "{} is empty", folder.display());
}

/// Writes a program that may be started at once. Another process writes it: a child that another thread has just
/// forked would inherit a file open here, and a file open for writing cannot be started ("Text file busy").
///
/// # Panics
/// It cannot be written.
pub fn write_executable(path: &Path, text: &str) {
    let mut install = child::command("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut child = install.spawn().expect("coreutils has install");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{} cannot be written", path.display());
}
