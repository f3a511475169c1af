//! Finds the helper that fits the installed libcamera.
//!
//! libcamera's soname changes with each minor version, without compatibility. There is one helper for each version;
//! the newest that the loader can start is used. After an upgrade of the system's libcamera, the next open takes
//! another helper.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tallycam_libcamera::{Camera, Orientation};

use super::choose;
use super::clean::sanitise_text;
use super::controls::LibcameraControls;
use super::helper::{Helper, HelperStartError};
use crate::media::{CameraFormat, Control, SourceError, SourceErrorKind};
use tallycam_base::Stop;

/// Prefix of the helpers' file names; libcamera's version follows.
const PREFIX: &str = "libcamera-";

/// Folder of the helpers: `lib/tallycam` beside the folder of this program, so `/usr/lib/tallycam` for
/// `/usr/bin/tallycam`.
pub fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let prefix = program.parent().and_then(Path::parent).unwrap_or(Path::new("/usr"));
    prefix.join("lib/tallycam")
}

/// The state of libcamera on this machine.
#[derive(Debug)]
pub struct Survey {
    /// The installed helpers, newest first: libcamera's version, and the path.
    pub helpers: Vec<(String, PathBuf)>,
    /// The installed versions of libcamera, newest first.
    pub libraries: Vec<String>,
    /// The helper in use with its cameras, or why there is none.
    pub used: Result<FittingHelper, SourceError>,
}

/// A helper that works.
#[derive(Debug)]
pub struct FittingHelper {
    /// Path of the helper.
    pub helper: PathBuf,
    /// libcamera's own version.
    pub libcamera: String,
    /// The cameras that it finds.
    pub cameras: Vec<Listed>,
}

/// A camera found by libcamera, for lists.
#[derive(Debug)]
pub struct Listed {
    /// libcamera's permanent id.
    pub id: String,
    /// The sensor's name.
    pub model: String,
    /// Formats and sizes.
    pub formats: Vec<CameraFormat>,
    /// Its controls, at their defaults.
    pub controls: Vec<Control>,
}

impl Listed {
    fn from_camera(camera: Camera) -> Listed {
        let formats = choose::formats(&camera);
        let (id, model) = (sanitise_text(&camera.id), sanitise_text(&camera.model));
        let controls =
            LibcameraControls::new(camera.controls, &camera.orientations, Orientation::default()).list();
        Listed { id, model, formats, controls }
    }
}

impl Survey {
    /// A sentence without a full stop: "libcamera 0.7.1 is read by /usr/lib/tallycam/libcamera-0.7".
    pub fn describe(&self) -> String {
        match &self.used {
            Ok(found) => format!("libcamera {} is read by {}", found.libcamera, found.helper.display()),
            Err(fault) => fault.what.clone(),
        }
    }
}

/// Surveys libcamera with the helpers in `folder`. Takes as long as libcamera needs to find its cameras.
pub fn survey_libcamera(folder: &Path) -> Survey {
    let used = start_helper(folder, &Stop::new()).map(|(helper, path, cameras)| FittingHelper {
        helper: path,
        libcamera: helper.libcamera().to_owned(),
        cameras: cameras.into_iter().map(Listed::from_camera).collect(),
    });
    Survey { helpers: find_helpers(folder), libraries: libraries(Path::new("/")), used }
}

/// Starts the helper that fits.
///
/// # Errors
/// None fits, with the reason; or it failed.
pub(super) fn start(folder: &Path, stop: &Stop) -> Result<(Helper, Vec<Camera>), SourceError> {
    start_helper(folder, stop).map(|(helper, _, cameras)| (helper, cameras))
}

fn start_helper(folder: &Path, stop: &Stop) -> Result<(Helper, PathBuf, Vec<Camera>), SourceError> {
    let helpers = find_helpers(folder);
    let mut whys = Vec::new();
    for (_, path) in &helpers {
        match Helper::start(path, stop) {
            Ok((helper, cameras)) => return Ok((helper, path.clone(), cameras)),
            Err(HelperStartError::NotInstalled(why)) => whys.push(why),
            Err(HelperStartError::Trouble(fault)) => return Err(fault),
        }
    }
    let helpers: Vec<String> = helpers.into_iter().map(|(version, _)| version).collect();
    let libraries = libraries(Path::new("/"));
    let fault = no_fitting_helper(&helpers, &libraries);
    // A library is installed but unusable: its loader knows why.
    let is_there = helpers.iter().any(|version| libraries.contains(version));
    Err(whys.into_iter().filter(|_| is_there).fold(fault, |fault, why| fault.because(why)))
}

/// True if there is a helper in `folder`.
pub fn has_helpers(folder: &Path) -> bool {
    !find_helpers(folder).is_empty()
}

/// The helpers in `folder`, newest version first.
fn find_helpers(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let version = |path: &Path| Some(path.file_name()?.to_str()?.strip_prefix(PREFIX)?.to_owned());
    let mut helpers: Vec<(String, PathBuf)> = entries
        .filter_map(|entry| version(&entry.path()).map(|version| (version, entry.path())))
        .filter(|(version, _)| parse_version(version).is_some())
        .collect();
    helpers.sort_by_key(|(version, _)| std::cmp::Reverse(parse_version(version)));
    helpers
}

/// "0.7" as numbers.
fn parse_version(version: &str) -> Option<Vec<u32>> {
    version.split('.').map(|part| part.parse().ok()).collect()
}

/// The versions of libcamera's shared library under `root`, newest first.
fn libraries(root: &Path) -> Vec<String> {
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    // Debian has a subfolder for each architecture: aarch64-linux-gnu.
    let is_of_architecture = |path: &PathBuf| path.to_str().is_some_and(|path| path.contains("-linux-gnu"));
    let folders = ["usr/lib", "usr/local/lib"].map(|folder| root.join(folder));
    let folders = folders.iter().flat_map(|folder| {
        std::iter::once(folder.clone()).chain(below(folder.clone()).filter(is_of_architecture))
    });
    let version = |path: PathBuf| {
        let version = path.file_name()?.to_str()?.strip_prefix("libcamera.so.")?.to_owned();
        // The soname has two numbers; the file behind it has one more.
        (parse_version(&version)?.len() == 2).then_some(version)
    };
    let found: BTreeSet<String> = folders.flat_map(below).filter_map(version).collect();
    let mut found: Vec<String> = found.into_iter().collect();
    found.sort_by_key(|version| std::cmp::Reverse(parse_version(version)));
    found
}

fn no_fitting_helper(helpers: &[String], libraries: &[String]) -> SourceError {
    let list = |versions: &[String]| versions.join(" and ");
    let (what, hint) = match (helpers, libraries) {
        ([], []) => {
            ("libcamera is not installed", "apt install tallycam-libcamera, which brings both".to_owned())
        }
        ([], _) => {
            ("tallycam's part for libcamera is not installed", "apt install tallycam-libcamera".to_owned())
        }
        (_, []) => ("libcamera is not installed", format!("apt install libcamera{}", helpers[0])),
        (_, _) => {
            let what = format!(
                "libcamera {} is installed, and tallycam has helpers for {}",
                list(libraries),
                list(helpers)
            );
            return SourceError::new(SourceErrorKind::Unsupported, what)
                .hint("kind = \"auto\" reads a ribbon camera through rpicam-vid");
        }
    };
    SourceError::new(SourceErrorKind::Unsupported, what).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_and_libraries_are_listed_newest_first() {
        let root = tempfile::tempdir().unwrap();
        let put = |file: &str| {
            let file = root.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        };
        for name in ["libcamera-0.4", "libcamera-0.10", "libcamera-0.7", "libcamera-new", "other"] {
            put(&format!("usr/lib/tallycam/{name}"));
        }
        for name in ["libcamera.so.0.4", "libcamera.so.0.4.0", "libcamera-base.so.0.4", "libcamera.so"] {
            put(&format!("usr/lib/aarch64-linux-gnu/{name}"));
        }
        put("usr/local/lib/libcamera.so.0.10");
        let versions: Vec<String> = find_helpers(&root.path().join("usr/lib/tallycam"))
            .into_iter()
            .map(|(version, _)| version)
            .collect();
        assert_eq!(versions, ["0.10", "0.7", "0.4"]);
        assert_eq!(libraries(root.path()), ["0.10", "0.4"]);
    }

    #[test]
    fn the_error_names_what_is_missing() {
        let line = |helpers: &[&str], libraries: &[&str]| {
            let owned = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
            no_fitting_helper(&owned(helpers), &owned(libraries)).line()
        };
        assert!(
            line(&["0.7", "0.4"], &["0.5"])
                .contains("libcamera 0.5 is installed, and tallycam has helpers for 0.7 and 0.4")
        );
        assert!(line(&[], &["0.5"]).contains("apt install tallycam-libcamera"));
        assert!(line(&["0.7"], &[]).contains("apt install libcamera0.7"));
        assert!(line(&[], &[]).contains("libcamera is not installed"));
    }
}
