//! Puts files where they belong in one step.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use crate::base::private;

/// Writes `bytes` beside `path`, makes sure that they are on the disk, and moves them there: whoever
/// looks finds what was there before, or the whole of the new one. A power cut changes nothing of
/// that.
pub(super) fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.part", std::process::id()));
    let beside = Path::new(&beside);
    // One that was left behind may have another mode.
    let _ = fs::remove_file(beside);
    let written = (private::options().write(true).create_new(true).open(beside))
        .and_then(|mut part| part.write_all(bytes).and_then(|()| part.sync_all()))
        .and_then(|()| fs::rename(beside, path))
        .and_then(|()| path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all()));
    if written.is_err() {
        // What is left of the attempt; the attempt's own error is the one to tell.
        let _ = fs::remove_file(beside);
    }
    written
}
