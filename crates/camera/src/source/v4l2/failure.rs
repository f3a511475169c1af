//! Converts errors of camera calls to faults with hints.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

use crate::media::{SourceError, SourceErrorKind};

/// The fault for the system's `error` while `doing` ("open", "start") the camera at `path`.
pub(crate) fn io_fault(path: &Path, doing: &str, error: &io::Error) -> SourceError {
    let name = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENOTDIR) => absent_fault(path),
        Some(libc::ENXIO) => SourceError::new(SourceErrorKind::Absent, format!("nothing is behind {name}"))
            .because(error)
            .hint("plug the camera in again")
            .shell(
                "in a container, pass the camera that is there now (`--device`), and start it again after \
                    replugging",
            ),
        Some(libc::EBUSY) => busy(path, other_user_of(Path::new("/proc"), path)).because(error),
        Some(libc::EACCES | libc::EPERM) => {
            SourceError::new(SourceErrorKind::Denied, format!("{name} may not be used by this user"))
                .because(error)
                .hint("its user must be in the group video")
                .shell("`sudo usermod -aG video $USER`, and sign in again")
        }
        Some(libc::ENODEV) => unplugged_fault(path),
        Some(libc::ENOSPC) => SourceError::new(
            SourceErrorKind::Failed,
            format!("the USB bus has no room left for {name}"),
        )
        .because(error)
        .hint(
            "lower the resolution or the frames per second, choose the format MJPG, or use another USB port",
        ),
        _ => SourceError::new(SourceErrorKind::Failed, format!("could not {doing} {name}")).because(error),
    }
}

/// The fault if there is nothing at `path`.
pub(crate) fn absent_fault(path: &Path) -> SourceError {
    SourceError::new(SourceErrorKind::Absent, format!("{} does not exist", path.display()))
        .hint("plug it in, or choose another camera")
        .shell("`tallycam devices` lists the cameras")
}

/// The fault for a device that has disappeared.
pub(crate) fn unplugged_fault(path: &Path) -> SourceError {
    SourceError::new(SourceErrorKind::Unplugged, format!("{} was unplugged", path.display()))
        .hint("plug it in again; it is reopened automatically")
}

fn busy(path: &Path, holder: Option<String>) -> SourceError {
    let name = path.display();
    match holder {
        Some(holder) => SourceError::new(SourceErrorKind::Busy, format!("{name} is in use by {holder}"))
            .hint("end that program, or choose another camera"),
        None => SourceError::new(SourceErrorKind::Busy, format!("{name} is in use by another program"))
            .hint("end that program, or choose another camera")
            .shell(format!("`sudo fuser -v {name}` names it")),
    }
}

/// The first other process that has `device` open, as "ustreamer (process 812)", as far as this user may see under
/// `proc`.
fn other_user_of(proc: &Path, device: &Path) -> Option<String> {
    let device = std::fs::canonicalize(device).ok()?;
    let own = std::process::id().to_string();
    let mut numbers: Vec<u32> = std::fs::read_dir(proc)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| name != OsStr::new(&own))
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect();
    numbers.sort_unstable();
    let number = numbers.into_iter().find(|number| {
        std::fs::read_dir(proc.join(number.to_string()).join("fd"))
            .into_iter()
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .any(|target| target == device)
    })?;
    let name = std::fs::read_to_string(proc.join(number.to_string()).join("comm"));
    let name = name.as_deref().map_or("a program", str::trim);
    Some(format!("{name} (process {number})"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn each_error_has_its_kind_and_a_hint() {
        let path = Path::new("/dev/video9");
        for (number, kind, what) in [
            (libc::ENOENT, SourceErrorKind::Absent, "/dev/video9 does not exist"),
            (libc::ENXIO, SourceErrorKind::Absent, "nothing is behind /dev/video9"),
            (libc::EBUSY, SourceErrorKind::Busy, "/dev/video9 is in use by another program"),
            (libc::EACCES, SourceErrorKind::Denied, "/dev/video9 may not be used by this user"),
            (libc::ENODEV, SourceErrorKind::Unplugged, "/dev/video9 was unplugged"),
            (libc::ENOSPC, SourceErrorKind::Failed, "the USB bus has no room left for /dev/video9"),
        ] {
            let fault = io_fault(path, "open", &io::Error::from_raw_os_error(number));
            assert_eq!((fault.kind, fault.what.as_str()), (kind, what));
            assert!(fault.hint.is_some_and(|hint| !hint.contains('`')), "{what}: no page names a command");
        }
        let other = io_fault(path, "start", &io::Error::from_raw_os_error(libc::EIO));
        assert_eq!(other.line(), "could not start /dev/video9: Input/output error");
    }

    #[test]
    fn the_program_that_holds_a_camera_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("video0");
        std::fs::write(&device, "").unwrap();
        let own = std::process::id();
        for (number, comm, target) in
            [(own, "this test\n", "video0"), (4_000_001, "sh\n", "tty"), (4_000_002, "ustreamer\n", "video0")]
        {
            let process = dir.path().join(number.to_string());
            std::fs::create_dir_all(process.join("fd")).unwrap();
            std::fs::write(process.join("comm"), comm).unwrap();
            symlink(dir.path().join(target), process.join("fd/5")).unwrap();
        }
        let found = other_user_of(dir.path(), &device);
        assert_eq!(found.as_deref(), Some("ustreamer (process 4000002)"));
        assert_eq!(
            busy(Path::new("/dev/video0"), found).line(),
            "/dev/video0 is in use by ustreamer (process 4000002); end that program, or choose another camera"
        );
    }
}
