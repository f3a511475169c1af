//! A camera on a Raspberry Pi's ribbon cable: through libcamera, or through the program `rpicam-vid` if no helper
//! fits.

use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{CandidateCamera, Finder};
use crate::media::SourceError;
use crate::source::libcamera;
use crate::source::{FormatRequest, Opener, Source};
use tallycam_base::Stop;
use tallycam_base::child;

/// Time limit of `rpicam-hello --list-cameras`.
const LIST_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the opener of a program's MJPEG output. `{width}`, `{height}` and `{fps}` in the command stand for the
/// requested values.
pub type Run = fn(Vec<String>, FormatRequest) -> Box<dyn Opener>;

/// Finds the camera by asking libcamera. For `rpicam-vid` it relies on the kernel's nodes, then on `rpicam-hello`.
/// The camera's V4L2 node gives only raw sensor data.
pub(crate) struct CsiCamera {
    root: PathBuf,
    path: OsString,
    helpers: PathBuf,
    wanted: FormatRequest,
    run: Run,
}

impl Finder for CsiCamera {
    fn find<'a>(&'a self, stop: &'a Stop) -> Box<dyn Iterator<Item = CandidateCamera> + 'a> {
        Box::new(std::iter::once_with(|| self.find_cameras(stop)).flatten())
    }
}

impl CsiCamera {
    /// Searches under `root`, with programs from `path` and libcamera's helpers from `helpers`.
    pub fn new(root: &Path, path: &OsStr, helpers: PathBuf, wanted: FormatRequest, run: Run) -> CsiCamera {
        CsiCamera { root: root.to_owned(), path: path.to_owned(), helpers, wanted, run }
    }

    fn find_cameras(&self, stop: &Stop) -> Vec<CandidateCamera> {
        match libcamera::ribbon_cameras(&self.helpers, &self.wanted, stop) {
            Ok(cameras) => {
                let found = |opener| CandidateCamera { opener: Box::new(opener), note: None };
                cameras.into_iter().map(found).collect()
            }
            Err(fault) => {
                let by_program = self.find_by_rpicam_vid(&fault.what, stop);
                // Machines without a ribbon camera get no message about libcamera.
                let is_wanted = libcamera::has_helpers(&self.helpers) || has_csi_receiver(&self.root);
                let refused =
                    is_wanted.then(|| CandidateCamera { opener: Box::new(NotUsable(fault)), note: None });
                by_program.or(refused).into_iter().collect()
            }
        }
    }

    /// The camera through `rpicam-vid`; `why_not` is the reason against libcamera.
    fn find_by_rpicam_vid(&self, why_not: &str, stop: &Stop) -> Option<CandidateCamera> {
        let vid = program(&self.path, &["rpicam-vid", "libcamera-vid"])?;
        let is_there = has_csi_receiver(&self.root) || {
            let hello = program(&self.path, &["rpicam-hello", "libcamera-hello"])?;
            lists_a_camera(&hello, LIST_TIMEOUT, stop)
        };
        let name = vid.file_name()?.to_string_lossy().into_owned();
        is_there.then(|| CandidateCamera {
            opener: (self.run)(vid_command(&vid.to_string_lossy()), complete(&self.wanted)),
            note: Some(format!("The CSI camera is read through {name}: {why_not}.")),
        })
    }
}

/// A camera that cannot be used, with the reason.
struct NotUsable(SourceError);

impl Opener for NotUsable {
    fn describe(&self) -> String {
        String::from("the CSI camera")
    }

    fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
        Err(self.0.clone())
    }
}

/// True if a CSI receiver has video nodes; the kernel creates them when a sensor has answered.
fn has_csi_receiver(root: &Path) -> bool {
    let names = std::fs::read_dir(root.join("sys/class/video4linux")).into_iter().flatten();
    names
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("name")).ok())
        .any(|name| name.starts_with("unicam") || name.starts_with("rp1-cfe"))
}

/// The first of `names` found in the given `PATH`.
fn program(path: &OsStr, names: &[&str]) -> Option<PathBuf> {
    let folders: Vec<PathBuf> = std::env::split_paths(path).collect();
    names.iter().find_map(|name| folders.iter().map(|dir| dir.join(name)).find(|file| file.is_file()))
}

/// The command that writes the camera's frames to standard output as MJPEG; [`complete`] provides the values in
/// braces.
fn vid_command(vid: &str) -> Vec<String> {
    let fixed = [vid, "-t", "0", "-n", "--codec", "mjpeg", "--flush", "-o", "-"];
    let sized = ["--width", "{width}", "--height", "{height}", "--framerate", "{fps}"];
    fixed.into_iter().chain(sized).map(String::from).collect()
}

/// `wanted` with every value set. The codec accepts only even sizes.
fn complete(wanted: &FormatRequest) -> FormatRequest {
    let (width, height) = wanted.size();
    FormatRequest {
        width: Some(width & !1),
        height: Some(height & !1),
        fps: wanted.fps.or(Some(30.0)),
        ..wanted.clone()
    }
}

/// True if `hello --list-cameras` lists a camera within `timeout`.
fn lists_a_camera(hello: &Path, timeout: Duration, stop: &Stop) -> bool {
    let started = child::command(hello)
        .arg("--list-cameras")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = started else {
        return false;
    };
    let until = Instant::now() + timeout;
    let has_ended = loop {
        match child.try_wait() {
            Ok(Some(_)) => break true,
            Ok(None) if Instant::now() < until && !stop.sleep(Duration::from_millis(20)) => {}
            _ => break false,
        }
    };
    if !has_ended {
        // A program that cannot be killed has already ended.
        let _ = child.kill();
        let _ = child.wait();
        return false;
    }
    // The list is far shorter than a pipe, so the program did not wait for this read.
    let mut list = String::new();
    let read = child.stdout.take().map(|out| out.take(65_536).read_to_string(&mut list));
    matches!(read, Some(Ok(_))) && lists_camera(&list)
}

/// True if a line of the list looks like `0 : imx708 [4608x2592 10-bit RGGB] (/base/…)`.
fn lists_camera(list: &str) -> bool {
    list.lines().any(|line| {
        line.trim_start().split_once(" : ").is_some_and(|(number, _)| number.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::media::SourceErrorKind;
    use tallycam_base::testing::write_executable;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        write_executable(&file, text);
    }

    struct Pretended(String);

    impl Opener for Pretended {
        fn describe(&self) -> String {
            self.0.clone()
        }

        fn open(&mut self, _stop: &Stop) -> Result<Box<dyn Source>, SourceError> {
            Err(SourceError::new(SourceErrorKind::Ended, "it is only pretended"))
        }
    }

    /// Runs nothing; uses the command as its name.
    fn pretend(command: Vec<String>, _: FormatRequest) -> Box<dyn Opener> {
        Box::new(Pretended(command.join(" ")))
    }

    fn csi(root: &Path) -> CsiCamera {
        CsiCamera::new(
            root,
            root.join("bin").as_os_str(),
            root.join("helpers"),
            FormatRequest::ANYTHING,
            pretend,
        )
    }

    #[test]
    fn a_csi_camera_is_read_through_rpicam_vid() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let stop = Stop::new();
        let found = || csi(root).find_by_rpicam_vid("libcamera is too new", &stop);
        write(root, "sys/class/video4linux/video0/name", "rp1-cfe-csi2_ch0\n");
        assert!(found().is_none(), "there is no rpicam-vid");
        write(root, "bin/libcamera-vid", "");
        assert!(found().unwrap().note.unwrap().contains("libcamera-vid"));
        write(root, "bin/rpicam-vid", "");
        let found = found().unwrap();
        assert_eq!(found.note.unwrap(), "The CSI camera is read through rpicam-vid: libcamera is too new.");
        let command = found.opener.describe();
        let arguments =
            "-t 0 -n --codec mjpeg --flush -o - --width {width} --height {height} --framerate {fps}";
        assert!(command.ends_with(&format!("bin/rpicam-vid {arguments}")), "{command}");
        // The note names the missing helper, whether or not this machine has libcamera.
        let note = csi(root).find_cameras(&stop).remove(0).note.unwrap();
        assert!(note.starts_with("The CSI camera is read through rpicam-vid: "), "{note}");
        assert!(note.ends_with("is not installed."), "{note}");
    }

    #[test]
    fn rpicam_hello_is_asked_without_kernel_nodes() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        write(root, "bin/rpicam-vid", "");
        assert!(csi(root).find_cameras(&Stop::new()).is_empty(), "no program to ask");
        write(root, "bin/rpicam-hello", "#!/bin/sh\necho '0 : imx219 [3280x2464] (/base)'\n");
        // A new file cannot be executed while another thread's new child still has it open.
        assert!((0..1000).any(|_| !csi(root).find_cameras(&Stop::new()).is_empty()));
        write(root, "bin/rpicam-hello", "#!/bin/sh\necho 'No cameras available!'\n");
        assert!(csi(root).find_cameras(&Stop::new()).is_empty());
    }

    #[test]
    fn a_silent_rpicam_hello_is_not_waited_for() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "hello", "#!/bin/sh\nexec sleep 3600\n");
        assert!(!lists_a_camera(&root.path().join("hello"), Duration::ZERO, &Stop::new()));
        let stop = Stop::new();
        stop.set();
        assert!(!lists_a_camera(&root.path().join("hello"), Duration::from_secs(3600), &stop));
    }

    #[test]
    fn the_list_of_rpicam_hello_is_read() {
        assert!(lists_camera(
            "Available cameras\n-----------------\n0 : imx708 [4608x2592 10-bit RGGB] (/base/axi)\n    Modes: \
             'SRGGB10' : 1536x864\n"
        ));
        assert!(!lists_camera("No cameras available!\n"));
        assert!(!lists_camera("    Modes: 'SRGGB10' : 1536x864\n"));
    }

    #[test]
    fn sizes_for_rpicam_vid_are_even_and_complete() {
        let size = |width, height, fps| {
            let FormatRequest { width, height, fps, .. } =
                complete(&FormatRequest { width, height, fps, ..FormatRequest::ANYTHING });
            format!("{}x{} {}", width.unwrap(), height.unwrap(), fps.unwrap())
        };
        assert_eq!(size(None, None, None), "1280x720 30");
        assert_eq!(size(Some(641), Some(481), Some(12.5)), "640x480 12.5");
        assert_eq!(size(None, Some(1080), None), "1920x1080 30");
        assert_eq!(size(Some(640), None, None), "640x360 30");
    }
}
