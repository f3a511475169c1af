//! `tallycam update`: installs another version of the program.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use serde::Deserialize;

use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::{ConfigArgs, Failure, print_stdout};
use crate::daemon::counting::state_directory;
use crate::maintenance::update::{
    Debian, PROGRAM, UpdateRequest, finish_interrupted, install, is_card_image, take_once, take_verified,
};
use tallycam_base::{Fault, child};
use tallycam_config::Config;

/// Install another version of tallycam.
///
/// On a card the package is checked (signature FILE.minisig, architecture, version), unpacked beside the running
/// version, and started. If it is not ready within a minute, the former version starts again. Elsewhere apt installs
/// it, after a check of the signature if [update] key is set.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The package, tallycam_VERSION_ARCHITECTURE.deb
    #[arg(value_name = "FILE", required_unless_present = "pending")]
    package: Option<PathBuf>,
    /// Allow an older or the same version
    #[arg(long)]
    older: bool,
    /// Allow a package without signature
    #[arg(long)]
    unsigned: bool,
    /// Finish an upload from the page, or an interrupted update (used by systemd)
    #[arg(long, conflicts_with_all = ["package", "older", "unsigned"])]
    pending: bool,
}

impl UpdateArgs {
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        if !rustix::process::geteuid().is_root() {
            return Err(Failure::failed("installing another version needs root")
                .hint("sudo tallycam update FILE, or the page Update"));
        }
        // Settings of the page have no say in what may run here.
        let config = given.read().resolve(None)?.config;
        if !is_card_image() {
            return match &self.package {
                Some(package) => self.by_apt(package, config.update.key.as_deref()),
                None => Ok(()),
            };
        }
        let machine = Debian::new(|| running_version(&config));
        let program = Path::new(PROGRAM);
        if self.pending {
            return pending(&config, &machine, program);
        }
        let Some(package) = &self.package else { return Ok(()) };
        let signature = signature_beside(package);
        let options = self.request(package, &signature, config.update.key.as_deref());
        let version = install(&machine, program, options).map_err(install_failure)?;
        print_stdout(&format!("version {version} is in force\n"))
    }

    fn request<'a>(&self, deb: &'a Path, signature: &'a Path, key: Option<&'a str>) -> UpdateRequest<'a> {
        UpdateRequest { deb, signature, key, unsigned: self.unsigned, older: self.older }
    }

    fn by_apt(&self, package: &Path, key: Option<&str>) -> Result<(), Failure> {
        if key.is_none() || self.unsigned {
            return self.install_by_apt(package);
        }
        let signature = signature_beside(package);
        let incoming = PathBuf::from(format!("/run/tallycam-update.{}", std::process::id()));
        let taken = take_verified(&self.request(package, &signature, key), &incoming);
        let done = taken.map_err(install_failure).and_then(|package| self.install_by_apt(&package));
        // In memory; gone with the next boot at the latest.
        let _ = std::fs::remove_dir_all(&incoming);
        done
    }

    fn install_by_apt(&self, package: &Path) -> Result<(), Failure> {
        // apt takes a name without a slash for the name of a package.
        let package =
            package.canonicalize().map_err(|error| Failure::io(format!("{}: {error}", package.display())))?;
        let mut apt = child::command("apt-get");
        apt.arg("install").args(self.older.then_some("--allow-downgrades")).arg(package);
        let status = apt.stdin(Stdio::inherit()).status().map_err(|error| {
            Failure::failed(format!("apt-get could not be run: {error}"))
                .hint("install the package with this system's package manager")
        })?;
        if status.success() { Ok(()) } else { Err(Failure::AlreadyReported(1)) }
    }
}

/// `FILE.minisig`.
fn signature_beside(package: &Path) -> PathBuf {
    let mut signature = package.as_os_str().to_owned();
    signature.push(".minisig");
    PathBuf::from(signature)
}

fn install_failure(fault: Fault) -> Failure {
    Failure::Failed { message: format!("nothing was installed: {fault}"), hint: fault.hint }
}

/// Finishes an interrupted update, then installs an upload.
fn pending<F: Fn() -> Option<String>>(
    config: &Config,
    machine: &Debian<F>,
    program: &Path,
) -> Result<(), Failure> {
    if let Some(version) = finish_interrupted(machine, program).map_err(install_failure)? {
        print_stdout(&format!("version {version} is in force\n"))?;
    }
    let Some(taken) = take_once(&state_directory(config)).map_err(install_failure)? else { return Ok(()) };
    let options = UpdateRequest {
        deb: &taken.deb,
        signature: &taken.signature,
        key: config.update.key.as_deref(),
        unsigned: false,
        older: false,
    };
    let version = install(machine, program, options).map_err(install_failure)?;
    print_stdout(&format!("version {version} is in force\n"))
}

/// The version of the running service.
fn running_version(config: &Config) -> Option<String> {
    #[derive(Deserialize)]
    struct VersionAnswer {
        version: String,
    }
    let daemon = Daemon::find(config)?;
    daemon
        .json::<VersionAnswer>("GET", "/api/v1/state", RequestBody::Nothing, "it does not answer")
        .ok()
        .map(|state| state.version)
}
