//! The real machine: dpkg and systemd.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use super::super::VERSION;
use super::{CARD, Machine, PackageControl};
use tallycam_base::{child, clock};

/// dpkg, systemd, and a way to ask the service for its version.
pub struct Debian<F> {
    answers: F,
}

impl<F: Fn() -> Option<String>> Debian<F> {
    /// `answers` asks the service for its version, once systemd reports it ready.
    pub fn new(answers: F) -> Debian<F> {
        Debian { answers }
    }
}

const UNIT: &str = "tallycam.service";

impl<F: Fn() -> Option<String>> Machine for Debian<F> {
    fn control(&self, deb: &Path) -> Result<PackageControl, String> {
        control(deb)
    }

    fn architecture(&self) -> Result<String, String> {
        run_command("dpkg", [Path::new("--print-architecture")])
    }

    fn is_newer(&self, version: &str, than: &str) -> Result<bool, String> {
        let output = run("dpkg", ["--compare-versions", version, "gt", than].map(Path::new))?;
        Ok(output.status.success())
    }

    fn unpack(&self, deb: &Path, to: &Path) -> Result<(), String> {
        run_command("dpkg-deb", [Path::new("--extract"), deb, to]).map(drop)
    }

    fn version_of(&self, program: &Path) -> Result<String, String> {
        run_command(program, [Path::new("--version")])
    }

    fn image_version(&self) -> String {
        let text = std::fs::read_to_string(CARD).unwrap_or_default();
        let version = text.lines().find_map(|line| line.strip_prefix("version="));
        version.unwrap_or(VERSION).trim().to_owned()
    }

    fn restart(&self) -> Result<(), String> {
        // Stops and waits, so that the old service cannot answer for the new one. This also starts a unit that was
        // stopped by hand: the user wants to see the new version.
        run_command("systemctl", ["stop", UNIT].map(Path::new))?;
        run_command("systemctl", ["start", "--no-block", UNIT].map(Path::new)).map(drop)
    }

    fn running_version(&self) -> Option<String> {
        // With `Type=notify` a unit is active only after READY=1.
        let active = run("systemctl", ["is-active", "--quiet", UNIT].map(Path::new));
        if active.is_ok_and(|output| output.status.success()) { (self.answers)() } else { None }
    }

    fn monotonic_seconds(&self) -> u64 {
        clock::monotonic_us() / 1_000_000
    }

    fn sleep_second(&self) {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The control fields of the package `deb`.
pub(super) fn control(deb: &Path) -> Result<PackageControl, String> {
    let fields = ["Package", "Version", "Architecture", "Installed-Size"];
    let words = [&[Path::new("--field"), deb][..], &fields.map(Path::new)].concat();
    let text = run_command("dpkg-deb", words)?;
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned())
    };
    let needed = |name: &str| field(name).ok_or_else(|| format!("it says no {name}"));
    Ok(PackageControl {
        package: needed("Package")?,
        version: needed("Version")?,
        architecture: needed("Architecture")?,
        size_kib: field("Installed-Size").and_then(|size| size.parse().ok()).unwrap_or(0),
    })
}

fn run<'a>(program: impl AsRef<Path>, words: impl IntoIterator<Item = &'a Path>) -> Result<Output, String> {
    let program = program.as_ref();
    let mut command = child::command(program.as_os_str());
    command.args(words).stdin(Stdio::null()).env("LC_ALL", "C");
    command.output().map_err(|error| format!("{}: {error}", program.display()))
}

/// Runs a program. Returns its output, or the reason of its failure.
fn run_command<'a>(
    program: impl AsRef<Path>,
    words: impl IntoIterator<Item = &'a Path>,
) -> Result<String, String> {
    let output = run(&program, words)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let error = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = error.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    let name = program.as_ref().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(if lines.is_empty() { format!("{name}: {}", output.status) } else { lines.join("; ") })
}
