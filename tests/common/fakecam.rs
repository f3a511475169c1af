//! The fake V4L2 camera: a library that programs preload, built here from `tests/fakecam`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The library to name in `LD_PRELOAD`; built when it is older than its sources. Needs `cc`.
pub fn library() -> PathBuf {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(build).clone()
}

fn build() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fakecam");
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fakecam.so");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&sources)
        .expect("tests/fakecam cannot be read")
        .map(|entry| entry.expect("tests/fakecam cannot be read").path())
        .collect();
    files.sort();
    let newest = files.iter().map(|file| changed(file)).max();
    if library.exists() && Some(changed(&library)) > newest {
        return library;
    }
    // Another test binary may be building it too: each into a file of its own, moved when whole.
    let own = library.with_extension(format!("{}.so", std::process::id()));
    let is_c = |file: &&PathBuf| file.extension().is_some_and(|e| e == "c");
    let output = Command::new("cc")
        .args(["-O2", "-shared", "-fPIC", "-pthread", "-fvisibility=hidden", "-o"])
        .arg(&own)
        .args(files.iter().filter(is_c))
        .arg("-ldl")
        .output()
        .expect("the fake camera needs a C compiler (Debian: apt install gcc libc6-dev)");
    assert!(output.status.success(), "cc: {}", String::from_utf8_lossy(&output.stderr));
    std::fs::rename(&own, &library).expect("the library cannot be moved into place");
    library
}

fn changed(file: &Path) -> SystemTime {
    file.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}
