//! Another version of the program on a card, beside the one of the image, which is never written.
//!
//! ```text
//! program/current ─► 0.2.0-1/usr/bin/tallycam, …    absent: the program of the image
//! program/trial      what was switched to and has not answered yet, and what was in force before
//! program/status.json   how far an update is, for the page
//!
//! .deb ─► copied ─► signature ─► package, architecture, version ─► unpacked ─► runs? ─► synced
//!      ─► trial written ─► current switched ─► service restarted ─► answers within 45 s: trial removed
//!                                                              └─► does not: switched back, restarted
//! ```
//!
//! `current` changes by one rename. A power cut before it leaves the old program; one after it leaves the trial, which
//! is brought to its end at the next boot. Run as root; everything that is another program's to do is behind
//! [`Machine`].

mod debian;
mod install;
mod pending;
mod signature;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::base::{Fault, clock, private};

pub use debian::Debian;
pub use install::{UpdateRequest, finish_interrupted, install};
pub use pending::{Pending, is_pending, publish, take_once};
pub use signature::verify;

/// Where the image says that this is a card.
pub const CARD: &str = "/etc/tallycam/card";

/// Where programs are kept on a card.
pub const PROGRAM: &str = "/state/program";

/// A longer file is no package of tallycam.
pub const LONGEST: u64 = 256 << 20;

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageControl {
    /// `Package`.
    pub package: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// `Installed-Size`, in kibibytes; 0 where it is not said.
    pub size_kib: u64,
}

/// What other programs do for an update. Reasons are in words.
pub trait Machine {
    /// What the package `deb` says of itself.
    ///
    /// # Errors
    /// It is none, or cut off.
    fn control(&self, deb: &Path) -> Result<PackageControl, String>;
    /// The architecture that packages are taken of.
    ///
    /// # Errors
    /// dpkg does not say.
    fn architecture(&self) -> Result<String, String>;
    /// Whether `version` is newer than `than`, as dpkg sees it.
    ///
    /// # Errors
    /// dpkg does not say.
    fn is_newer(&self, version: &str, than: &str) -> Result<bool, String>;
    /// Unpacks the files of `deb` into `to`.
    ///
    /// # Errors
    /// It is damaged, or does not fit.
    fn unpack(&self, deb: &Path, to: &Path) -> Result<(), String>;
    /// What `program --version` says.
    ///
    /// # Errors
    /// It does not run here.
    fn version_of(&self, program: &Path) -> Result<String, String>;
    /// The version of the image's own program, as a package has it.
    fn image_version(&self) -> String;
    /// Has the service started again.
    ///
    /// # Errors
    /// It could not be asked for.
    fn restart(&self) -> Result<(), String>;
    /// The version of the service, when it is ready and answers.
    fn running_version(&self) -> Option<String>;
    /// Seconds of a clock that only runs forward.
    fn monotonic_seconds(&self) -> u64;
    /// Lets a second pass.
    fn sleep_second(&self);
    /// Between two changes to the disk. Tests cut the power here.
    ///
    /// # Errors
    /// The power is gone.
    fn power_cut_point(&self) -> Result<(), Fault> {
        Ok(())
    }
}

/// How far an update is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdatePhase {
    /// Signature, package and version are looked at.
    Checking,
    /// Its files are written.
    Unpacking,
    /// The service starts with it.
    Starting,
    /// It is in force.
    Done,
    /// It was not taken, or taken back.
    Failed,
}

/// What the page shows of an update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpdateStatus {
    /// How far it is.
    pub phase: UpdatePhase,
    /// The version that is to be in force; empty while it is not known.
    pub version: String,
    /// What came of it, in words.
    pub words: String,
    /// When that was said, RFC 3339.
    pub time: String,
}

impl UpdateStatus {
    /// Of now.
    pub fn new(phase: UpdatePhase, version: &str, words: impl Into<String>) -> UpdateStatus {
        let time = clock::rfc3339(clock::wall_us());
        UpdateStatus { phase, version: version.to_owned(), words: words.into(), time }
    }

    /// What stands in `program`; `None`: nothing was ever updated there.
    pub fn read(program: &Path) -> Option<UpdateStatus> {
        serde_json::from_slice(&fs::read(program.join(STATUS)).ok()?).ok()
    }

    /// Leaves it in `program`, to be read by everybody. That it cannot be is no reason to end an update.
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

/// The date on which this program was built, from `SOURCE_DATE_EPOCH` at that time; `None`: nobody said.
pub fn built() -> Option<String> {
    let seconds: i64 = option_env!("SOURCE_DATE_EPOCH")?.parse().ok()?;
    let day = jiff::Timestamp::from_second(seconds).ok()?.strftime("%Y-%m-%d").to_string();
    Some(day)
}

/// This program's version, and when it was built where that is known: `0.1.0, built 2026-11-26`.
pub fn describe_version() -> String {
    built().map_or_else(|| super::VERSION.to_owned(), |day| format!("{}, built {day}", super::VERSION))
}

/// Whether this is a card, of which the image says so.
pub fn is_card_image() -> bool {
    Path::new(CARD).exists()
}

/// Whether what runs has yet to prove itself, and is taken back if it does not.
pub fn is_on_trial() -> bool {
    Path::new(PROGRAM).join(TRIAL).exists()
}

/// The folder of `program` that is in force; `None`: the program of the image.
fn current_folder(program: &Path) -> Option<String> {
    let target = fs::read_link(program.join(CURRENT)).ok()?;
    Some(target.file_name()?.to_str()?.to_owned())
}

const CURRENT: &str = "current";
const TRIAL: &str = "trial";

/// The program in `folder`.
fn program_in(folder: &Path) -> PathBuf {
    folder.join("usr/bin/tallycam")
}

#[cfg(test)]
mod tests;
