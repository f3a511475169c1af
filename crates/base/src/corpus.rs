//! Replay of the inputs that fuzzing has collected (`fuzz/corpus/`).

use std::path::Path;

/// Runs `check` on every file of a target's corpus, which must not be empty.
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
