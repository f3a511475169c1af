//! The ballast: a file of the state directory that only occupies room. On a full disk it is removed, so that deleting,
//! ending a recording, changing settings and storing crossings still work. Pictures never get its room.
//!
//! Any of its steps may be cut off. A file that is too short counts as missing, and is completed or removed later.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

use crate::private;

/// The file's name.
pub const NAME: &str = "ballast.bin";

/// The file's bytes.
const BYTES: u64 = 4 << 20;

/// A file system with less than this in all has no ballast.
const LEAST_TOTAL: u64 = 4 * BYTES;

/// Less free room than this may be too little for the journal of a deletion.
pub const LAST_BYTES: u64 = 1 << 20;

/// Bytes free to this user, and bytes in all, on the file system of `directory`; `None` if unknown.
pub fn space(directory: &Path) -> Option<(u64, u64)> {
    let said = rustix::fs::statvfs(directory).ok()?;
    Some((said.f_bavail.saturating_mul(said.f_frsize), said.f_blocks.saturating_mul(said.f_frsize)))
}

/// Bytes that pictures leave free, because the ballast is to be made again from them.
pub fn missing_bytes(directory: &Path) -> u64 {
    let is_large = space(directory).is_some_and(|(_, total)| total >= LEAST_TOTAL);
    if is_large && !is_there(directory) { BYTES } else { 0 }
}

/// Makes the file if there is room for it.
pub fn make(directory: &Path) {
    let free = space(directory).map_or(0, |(free, _)| free);
    if missing_bytes(directory) == 0 || free < BYTES + LAST_BYTES {
        return;
    }
    let file = directory.join(NAME);
    let made =
        private::options().create(true).truncate(false).write(true).open(&file).and_then(|mut open| {
            private::match_folder_owner(&file);
            match rustix::fs::fallocate(&open, FallocateFlags::empty(), 0, BYTES) {
                Ok(()) if is_there(directory) => Ok(()),
                // Some file systems set the length only.
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => fill(&mut open),
                Err(error) => Err(error.into()),
            }
        });
    if let Err(error) = made {
        log::debug!("{}: {error}", file.display());
        let _ = fs::remove_file(&file);
    }
}

/// Fills the file on a file system that reserves no room, with bytes that it cannot compress. A further byte tells that
/// these are stored, because not every file system counts its blocks.
fn fill(open: &mut File) -> io::Result<()> {
    io::copy(&mut File::open("/dev/urandom")?.take(BYTES), open)?;
    open.sync_all()?;
    open.write_all(&[0])
}

/// Removes the file. True if that gave room.
pub fn release(directory: &Path) -> bool {
    let is_gone = fs::remove_file(directory.join(NAME)).is_ok();
    if is_gone {
        log::warn!("{}: the disk is full; its ballast of 4 MiB was removed", directory.display());
    }
    is_gone
}

/// Removes the file if hardly any room is left. For writes that must work on a full disk.
pub fn release_if_full(directory: &Path) {
    if space(directory).is_some_and(|(free, _)| free < LAST_BYTES) {
        release(directory);
    }
}

fn is_there(directory: &Path) -> bool {
    fs::symlink_metadata(directory.join(NAME))
        .is_ok_and(|file| file.is_file() && (file.len() > BYTES || file.blocks() * 512 >= BYTES))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn it_is_made_released_and_completed_after_a_cut() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        if missing_bytes(at) == 0 {
            println!("skipped: the file system is too small");
            return;
        }
        make(at);
        assert_eq!((is_there(at), missing_bytes(at)), (true, 0));
        release_if_full(at);
        assert!(is_there(at), "there is room");
        assert!(release(at) && !release(at) && missing_bytes(at) == BYTES);
        // A kill can leave an empty file, or one with holes.
        let cut = File::create(at.join(NAME)).unwrap();
        cut.set_len(BYTES).unwrap();
        assert_eq!(missing_bytes(at), BYTES, "holes give no room");
        make(at);
        assert!(is_there(at));
        // A file system that compresses has fewer blocks.
        let mut filled = File::create(at.join(NAME)).unwrap();
        fill(&mut filled).unwrap();
        assert_eq!(filled.metadata().unwrap().len(), BYTES + 1);
        filled.set_len(0).unwrap();
        filled.set_len(BYTES + 1).unwrap();
        assert!(is_there(at));
    }
}
