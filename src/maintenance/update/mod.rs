//! Updates of the program on a card, stored apart from the image, which is never written.
//!
//! ```text
//! program/current ─► 0.2.0-1/usr/bin/tallycam, …    absent: the program of the image
//! program/trial      the new program that has not answered yet, and the one before
//! program/status.json   progress of an update, for the page
//!
//! .deb ─► copied ─► signature ─► package, architecture, version ─► unpacked ─► runs? ─► synced
//!      ─► trial written ─► current switched ─► service restarted ─► answers within 45 s: trial removed
//!                                                              └─► does not: switched back, restarted
//! ```
//!
//! `current` changes by one rename. A power cut before it leaves the old program. A power cut after it leaves the
//! trial, which the next boot completes. Runs as root; [`Machine`] stands for all other programs.

mod debian;
mod install;
mod pending;
mod signature;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use tallycam_base::{Fault, clock, private};

pub use debian::Debian;
pub use install::{UpdateRequest, finish_interrupted, install, take_verified};
pub use pending::{Pending, is_pending, publish, take_once};
pub use signature::verify;

/// The file by which the image marks a card.
pub const CARD: &str = "/etc/tallycam/card";

/// The folder of programs on a card.
pub const PROGRAM: &str = "/state/program";

/// Maximum length of a package in bytes.
pub const LONGEST: u64 = 256 << 20;

/// The control fields of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageControl {
    /// `Package`.
    pub package: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// `Installed-Size`, in kibibytes; 0 if the package has no such field.
    pub size_kib: u64,
}

/// The operations that other programs do for an update. Errors are in words.
pub trait Machine {
    /// The control fields of the package `deb`.
    ///
    /// # Errors
    /// It is not a package, or is truncated.
    fn control(&self, deb: &Path) -> Result<PackageControl, String>;
    /// The architecture of packages that run here.
    ///
    /// # Errors
    /// dpkg fails.
    fn architecture(&self) -> Result<String, String>;
    /// Whether dpkg sorts `version` after `than`.
    ///
    /// # Errors
    /// dpkg fails.
    fn is_newer(&self, version: &str, than: &str) -> Result<bool, String>;
    /// Unpacks the files of `deb` into `to`.
    ///
    /// # Errors
    /// The package is damaged, or does not fit on the disk.
    fn unpack(&self, deb: &Path, to: &Path) -> Result<(), String>;
    /// The output of `program --version`.
    ///
    /// # Errors
    /// It does not run here.
    fn version_of(&self, program: &Path) -> Result<String, String>;
    /// The version of the image's own program, as a package version.
    fn image_version(&self) -> String;
    /// Restarts the service.
    ///
    /// # Errors
    /// The restart could not be requested.
    fn restart(&self) -> Result<(), String>;
    /// The version of the service, once it is ready and answers.
    fn running_version(&self) -> Option<String>;
    /// Seconds of a monotonic clock.
    fn monotonic_seconds(&self) -> u64;
    /// Sleeps for a second.
    fn sleep_second(&self);
    /// Stands between two changes to the disk. Tests cut the power here.
    ///
    /// # Errors
    /// The power is cut.
    fn power_cut_point(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// The phase of an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdatePhase {
    /// Signature, package and version are being checked.
    Checking,
    /// Its files are being written.
    Unpacking,
    /// The service is starting with it.
    Starting,
    /// The new version is in force.
    Done,
    /// The update was refused or taken back.
    Failed,
}

/// The state of an update, as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// The current phase.
    pub phase: UpdatePhase,
    /// The new version; empty while it is unknown.
    pub version: String,
    /// The outcome so far, in words.
    pub words: String,
    /// The time of the last change, RFC 3339.
    pub time: String,
}

impl UpdateStatus {
    /// A status with the current time.
    pub fn new(phase: UpdatePhase, version: &str, words: impl Into<String>) -> UpdateStatus {
        let time = clock::rfc3339(clock::wall_us());
        UpdateStatus { phase, version: version.to_owned(), words: words.into(), time }
    }

    /// The status in `program`; `None` if there was no update yet.
    pub fn read(program: &Path) -> Option<UpdateStatus> {
        serde_json::from_slice(&fs::read(program.join(STATUS)).ok()?).ok()
    }

    /// Writes the status to `program`, readable by everybody. A failure does not stop the update.
    fn write_to(&self, program: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let file = program.join(STATUS);
        let text = serde_json::to_vec(self).unwrap_or_default();
        let left = private::replace(&file, &text)
            .and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o644)));
        if let Err(error) = left {
            log::warn!("{}: {error}", file.display());
        }
    }
}

const STATUS: &str = "status.json";

/// The build date of this program, from `SOURCE_DATE_EPOCH` at build time; `None` if that was not set.
pub fn built() -> Option<String> {
    let seconds: i64 = option_env!("SOURCE_DATE_EPOCH")?.parse().ok()?;
    let day = jiff::Timestamp::from_second(seconds).ok()?.strftime("%Y-%m-%d").to_string();
    Some(day)
}

/// This program's version, with the build date if it is known: `0.1.0, built 2026-11-26`.
pub fn describe_version() -> String {
    built().map_or_else(|| super::VERSION.to_owned(), |day| format!("{}, built {day}", super::VERSION))
}

/// Whether this machine runs the card image.
pub fn is_card_image() -> bool {
    Path::new(CARD).exists()
}

/// Whether an update is on trial, and is taken back if the service does not become ready.
pub fn is_on_trial() -> bool {
    Path::new(PROGRAM).join(TRIAL).exists()
}

/// The folder in `program` that is in force; `None`: the program of the image.
fn current_folder(program: &Path) -> Option<String> {
    let target = fs::read_link(program.join(CURRENT)).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

const CURRENT: &str = "current";
const TRIAL: &str = "trial";

fn program_in(folder: &Path) -> PathBuf {
    folder.join("usr/bin/tallycam")
}

#[cfg(test)]
mod tests;
