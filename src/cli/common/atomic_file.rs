//! Files that commands write. Each is made beside its name and renamed, so that nobody sees half a file.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::cli::Failure;
use tallycam_camera::media::zip::joined;

/// The failure for a file that exists and must not be replaced.
pub fn already_exists(file: &Path) -> Failure {
    Failure::io(format!("{} is there already", file.display())).hint("--force replaces it")
}

/// Lets `write` fill a file beside `file`, syncs it and renames it to `file`. `write` gets the open file and its
/// temporary name.
///
/// # Errors
/// The error of `write`; the disk fails; or `file` exists and must not be replaced. Then no temporary file is left.
pub fn write_atomically<T>(
    file: &Path,
    replace: bool,
    write: impl FnOnce(&mut File, &Path) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let beside = part_path(file);
    let placed = (|| {
        let mut part = File::create_new(&beside).map_err(|error| write_failure(file, &error))?;
        let made = write(&mut part, &beside)?;
        part.sync_all().map_err(|error| write_failure(file, &error))?;
        move_to(&beside, file, replace).map_err(|error| write_failure(file, &error))?;
        Ok(made)
    })();
    if placed.is_err() {
        // The attempt's own error is the one to report.
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// The temporary name `NAME.PID.part`; a long name is cut to fit.
fn part_path(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(joined(&name, &format!(".{}.part", std::process::id())))
}

/// Writes `bytes` with [`write_atomically`].
///
/// # Errors
/// As [`write_atomically`].
pub fn write_bytes_atomically(file: &Path, bytes: &[u8], replace: bool) -> Result<(), Failure> {
    write_atomically(file, replace, |part, _| {
        part.write_all(bytes).map_err(|error| write_failure(file, &error))
    })
}

/// The failure for a file that could not be written.
pub fn write_failure(file: &Path, error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::AlreadyExists => already_exists(file),
        _ => Failure::io(format!("{} could not be written: {error}", file.display())),
    }
}

fn move_to(from: &Path, to: &Path, replace: bool) -> io::Result<()> {
    if replace {
        return fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // The file system has no such rename (some network ones): check, then rename.
        Err(Errno::INVAL | Errno::NOSYS) if to.exists() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(Errno::INVAL | Errno::NOSYS) => fs::rename(from, to),
        done => Ok(done?),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        write_bytes_atomically(&file, b"one", false).unwrap();
        assert!(
            write_bytes_atomically(&file, b"two", false).unwrap_err().to_text().contains("is there already")
        );
        assert_eq!(fs::read(&file).unwrap(), b"one");
        write_bytes_atomically(&file, b"three", true).unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left behind");
    }

    #[test]
    fn a_name_of_the_largest_length_works() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ä".repeat(125) + "x.jpg", "x".repeat(255)] {
            write_bytes_atomically(&folder.path().join(&name), b"one", false).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        fs::write(&file, "old").unwrap();
        let failed = write_atomically(&file, true, |part, beside| {
            part.write_all(b"half").unwrap();
            assert_eq!(fs::read(beside).unwrap(), b"half");
            Err::<(), _>(Failure::failed("no more"))
        });
        assert_eq!(failed.unwrap_err().to_text(), "tallycam: no more");
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_named() {
        let failure = write_bytes_atomically(Path::new("/nowhere/a.jpg"), b"", false).unwrap_err();
        assert_eq!(
            failure.to_text(),
            "tallycam: /nowhere/a.jpg could not be written: No such file or directory"
        );
        assert_eq!(failure.code(), 74);
    }
}
