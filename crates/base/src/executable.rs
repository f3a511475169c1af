//! Programs that tests write and then start. For tests only.
#![allow(clippy::expect_used)]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a program that may be started at once. Another process writes it: a child that another thread has just
/// forked would inherit a file open here, and a file open for writing cannot be started ("Text file busy").
///
/// # Panics
/// It cannot be written.
pub fn write_executable(path: &Path, text: &str) {
    let mut install = Command::new("install");
    install.args(["-m", "755", "/dev/stdin"]).arg(path).stdin(Stdio::piped());
    let mut child = install.spawn().expect("coreutils has install");
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    assert!(child.wait().expect("it ends").success(), "{} cannot be written", path.display());
}
