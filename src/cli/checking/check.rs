//! `tallycam check`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::cli::camera::devices;
use crate::cli::checking::port_check::{self, PortAddress};
use crate::cli::checking::report;
use crate::cli::common::atomic_file::{already_exists, write_bytes_atomically};
use crate::cli::common::daemon::{Daemon, RequestBody};
use crate::cli::common::failure::{CONFIGURATION, DEVICE, FAILED, IO};
use crate::cli::service::config::summary;
use crate::cli::{ConfigArgs, Failure, print_coloured, print_json, print_stdout};
use crate::daemon::counting::{state_directory, store_settings};
use crate::daemon::diagnosis;
use crate::daemon::recording::retention;
use crate::daemon::settings::Started;
use crate::daemon::still::capture_picture;
use crate::http::{Finding, Verdict, room_finding};
use crate::ui::as_sentence;
use tallycam_camera::media::SourceErrorKind;
use tallycam_config::{Config, Listen};
use tallycam_store::CountsReader;
use tallycam_store::media::{MediaError, MediaReader};

/// Check everything: configuration, devices, camera, lens, permissions, model, stores, the machine, addresses.
///
/// Opens the configured camera, takes a frame, and tries every address. The worst finding comes first. A running
/// service is no fault.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Do not open the camera
    #[arg(long)]
    no_camera: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Write a report for a maintainer to FILE, with details of machine and camera. It contains no image, password,
    /// address or name of yours
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    report: Option<PathBuf>,
    /// Overwrite FILE
    #[arg(long, requires = "report")]
    force: bool,
}

/// A finding, and the exit code for it if it is bad.
type Found = (Finding, u8);

/// Wait for the first frame: some cameras wake slowly.
const PICTURE_WITHIN: Duration = Duration::from_secs(10);

impl CheckArgs {
    /// Runs all checks and prints the findings.
    pub fn run(&self, given: &ConfigArgs) -> Result<(), Failure> {
        if let Some(file) = self.report.as_ref().filter(|file| !self.force && file.exists()) {
            return Err(already_exists(file));
        }
        let read = given.load_all();
        let mut found = match &read {
            Ok(read) => self.all(read),
            Err(complaints) => {
                let text = format!("{}\n\n{complaints}", complaints.count_text());
                vec![
                    (Finding::bad("configuration", text), CONFIGURATION),
                    (Finding::none("the rest", "depends on the configuration"), 0),
                ]
            }
        };
        found.sort_by_key(|(finding, _)| finding.verdict);
        // With several bad findings, the configuration's code wins: it must be mended first.
        let is_bad = |(finding, _): &&Found| finding.verdict == Verdict::Bad;
        let code = found.iter().filter(is_bad).map(|(_, code)| *code).max().unwrap_or(0);
        let findings: Vec<Finding> = found.into_iter().map(|(finding, _)| finding).collect();
        if let Some(file) = &self.report {
            let resolved = read.as_ref().ok().map(|read| &read.resolved);
            // Later lines of a complaint quote the file itself, so the report gets only the first.
            let first = |finding: Finding| {
                let message = finding.message.lines().next().unwrap_or_default().to_owned();
                Finding { message, ..finding }
            };
            let findings: Vec<Finding> = findings.into_iter().map(first).collect();
            let text = report::build_report(resolved, &as_text(&findings), &devices::report());
            write_bytes_atomically(file, text.as_bytes(), self.force)?;
            return print_stdout(&format!(
                "{}: fill in its first part, read the rest, and send it back\n",
                file.display()
            ));
        }
        if self.json {
            print_json(&as_json(findings))?;
        } else {
            print_coloured(&as_text(&findings))?;
        }
        if code == 0 { Ok(()) } else { Err(Failure::AlreadyReported(code)) }
    }

    fn all(&self, read: &Started) -> Vec<Found> {
        let config = &read.resolved.config;
        let addresses: Vec<(&Listen, PortAddress)> =
            config.http.listen.iter().map(|listen| (listen, port_check::check_address(listen))).collect();
        let is_running = addresses.iter().any(|(_, address)| *address == PortAddress::Ours);
        let mut found = vec![
            (Finding::good("configuration", summary(&read.resolved)), 0),
            (settings(read), CONFIGURATION),
        ];
        found.extend(diagnosis::cameras(config).map(|finding| (finding, DEVICE)));
        let told = if is_running { daemon_findings(config) } else { Vec::new() };
        if self.no_camera {
            found.push((Finding::none("camera", "left alone, as asked"), 0));
        } else if !told.iter().any(|finding| finding.name == "camera") {
            found.push(camera(config, is_running));
        }
        if told.is_empty() {
            found.push((diagnosis::lens(config), FAILED));
        }
        // A check reads the settings file afresh, so the running service's finding about it is left out.
        let is_told = |name| !(self.no_camera && name == "camera") && name != "settings";
        found.extend(
            told.iter().filter(|finding| is_told(finding.name)).cloned().map(|finding| (finding, DEVICE)),
        );
        if told.is_empty() {
            found.extend(ignored_lines_finding(config).map(|finding| (finding, CONFIGURATION)));
        }
        // The service looks for models beside its own working directory.
        if !told.iter().any(|finding| finding.name == "model") {
            found.push((diagnosis::model(config), FAILED));
        }
        found.push(check_counts(config));
        found.push(pictures(config));
        found.extend(diagnosis::machine_findings(config).into_iter().map(|finding| (finding, FAILED)));
        found.extend(addresses.iter().map(|(listen, address)| (listen_finding(listen, address), IO)));
        found
    }
}

/// Checks the settings that were made on the page.
fn settings(read: &Started) -> Finding {
    let name = "settings";
    let file = read.found.saved.file().display();
    let opened = std::fs::File::open(read.found.saved.file());
    if opened.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied) {
        return Finding::bad(name, format!("{file} may not be read by this user"))
            .hint("`sudo tallycam check` reads it");
    }
    match (read.found.complaint.as_str(), read.found.saved.paths().count()) {
        ("", 0) => Finding::none(name, "no settings were made on the page"),
        ("", n) => Finding::good(name, format!("{file} is good: {n} set on the page")),
        (complaint, _) => {
            Finding::bad(name, format!("the settings made on the page are invalid\n\n{complaint}"))
                .hint("repair the file, or change any setting: the file is then renamed and kept")
        }
    }
}

/// Findings of the running service, which alone has the camera and the light.
fn daemon_findings(config: &Config) -> Vec<Finding> {
    #[derive(Deserialize)]
    struct CheckItem {
        name: String,
        state: String,
        message: String,
        hint: Option<String>,
    }
    #[derive(Deserialize)]
    struct Items {
        items: Vec<CheckItem>,
    }
    const ITS_OWN: [&str; 6] = ["camera", "settings", "lens", "light", "counting", "model"];
    const VERDICTS: [Verdict; 4] = [Verdict::Bad, Verdict::Warning, Verdict::None, Verdict::Good];
    let asked = Daemon::find(config).map(|daemon| {
        daemon.json::<Items>("GET", "/api/v1/diagnosis", RequestBody::Nothing, "it was not asked")
    });
    let Some(Ok(Items { items })) = asked else { return Vec::new() };
    let finding = |item: CheckItem| {
        let name = ITS_OWN.into_iter().find(|name| *name == item.name)?;
        let verdict = VERDICTS.into_iter().find(|verdict| verdict.as_str() == item.state)?;
        Some(Finding { name, verdict, message: item.message, hint: item.hint })
    };
    items.into_iter().filter_map(finding).collect()
}

fn camera(config: &Config, is_running: bool) -> Found {
    let name = "camera";
    match capture_picture(config, PICTURE_WITHIN) {
        Ok(taken) => {
            let picture = &taken.picture;
            let size = format!("{}×{}, {} bytes", picture.width, picture.height, picture.jpeg_len());
            let said = match taken.delivers {
                Some(delivers) => format!("{} gives pictures: {} {size}", delivers.name, delivers.fourcc),
                None => format!("gives pictures: {size}"),
            };
            (Finding::good(name, said), 0)
        }
        Err(trouble) if trouble.kind == SourceErrorKind::Busy && is_running => {
            let said = "in use, most likely by the running service: see its page";
            (Finding::none(name, said), 0)
        }
        Err(trouble) => (Finding::bad(name, trouble.reason()).maybe_hint(trouble.advice()), DEVICE),
    }
}

/// Reports lines of the configuration that are not counted because a drawn line has the same name.
fn ignored_lines_finding(config: &Config) -> Option<Finding> {
    // `check_counts` reports faults of counts.db itself.
    let rows = CountsReader::open(&store_settings(config)).and_then(|reader| reader.lines()).ok()?;
    let is_drawn = |name: &str| {
        rows.iter().any(|row| row.scene.is_some() && row.deleted_us.is_none() && row.draft.name == name)
    };
    let taken: Vec<String> = config
        .lines
        .iter()
        .filter(|line| is_drawn(&line.name))
        .map(|line| {
            format!(
                "the line {:?} of {} is ignored, because a drawn line has the same name",
                line.name, line.origin
            )
        })
        .collect();
    let finding = (!taken.is_empty()).then(|| Finding::bad("lines", taken.join("; ")))?;
    Some(finding.hint("rename or delete the drawn one on the page /lines, or rename the one in the file"))
}

/// Checks that `counts.db` is sound. Opens it read-only, also beside a running service.
fn check_counts(config: &Config) -> Found {
    let name = "counts.db";
    let settings = store_settings(config);
    let file = settings.directory.join("counts.db");
    if !file.exists() {
        return (
            Finding::none(name, format!("{} does not exist yet: nothing was counted", file.display())),
            0,
        );
    }
    let finding = match CountsReader::open(&settings).and_then(|reader| reader.check()) {
        Ok(faults) if faults.is_empty() => Finding::good(name, format!("{} is sound", file.display())),
        Ok(faults) => Finding::bad(name, format!("{}: {}", file.display(), faults.join("; ")))
            .hint("make a copy of the file first"),
        Err(error) => Finding::bad(name, error.to_string()).maybe_hint(error.hint().map(str::to_owned)),
    };
    (finding, IO)
}

/// Checks that `media.db` can be read and reports its contents. Opens it read-only, also beside a running service.
/// `tallycam media check` checks each picture.
fn pictures(config: &Config) -> Found {
    let name = "pictures";
    let file = state_directory(config).join("media.db");
    if !file.exists() {
        return (
            Finding::none(name, format!("{} does not exist yet: nothing was stored", file.display())),
            0,
        );
    }
    match MediaReader::open(&file).and_then(|reader| reader.storage(&retention(config))) {
        Ok(storage) => (room_finding(name, &storage, false), IO),
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            let code =
                if matches!(error, MediaError::Locked { .. } | MediaError::Busy) { FAILED } else { IO };
            (Finding::bad(name, error.to_string()).maybe_hint(hint), code)
        }
    }
}

fn listen_finding(listen: &Listen, address: &PortAddress) -> Finding {
    let name = "address";
    match address {
        PortAddress::Free => Finding::good(name, format!("{listen} can be listened on")),
        PortAddress::Ours => Finding::good(name, format!("the running service listens on {listen}")),
        PortAddress::Taken(owner) => {
            let by = owner.as_deref().unwrap_or("another program");
            Finding::bad(name, format!("{listen} is in use by {by}"))
                .hint("stop that program, or set another address in [http] listen")
        }
        PortAddress::Refused(why, hint) => {
            Finding::bad(name, format!("{listen} cannot be listened on: {why}")).maybe_hint(hint.clone())
        }
    }
}

fn verdict_symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Bad => '✗',
        Verdict::Warning => '!',
        Verdict::None => '-',
        Verdict::Good => '✓',
    }
}

fn as_text(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Finding { name, verdict, message, hint } in findings {
        let message = if message.contains('\n') { message.clone() } else { as_sentence(message) };
        out.push_str(&format!("{} {name:<widest$}  {}\n", verdict_symbol(*verdict), message));
        if message.contains('\n') {
            out.push('\n');
        }
        if let Some(hint) = hint {
            out.push_str(&format!("{:1$}  hint: {hint}\n", "", widest + 2));
        }
    }
    out
}

/// The shape of `/api/v1/diagnosis`, and `ok`, which is true when nothing is bad.
fn as_json(findings: Vec<Finding>) -> serde_json::Value {
    let ok = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    json!({"ok": ok, "items": findings})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_is_first_and_hints_follow_their_line() {
        let mut findings = vec![
            Finding::good("configuration", "all is at its default"),
            Finding::none("camera", "left alone, as asked"),
            Finding::warning("clock", "not synchronised (no NTP)"),
            Finding::bad("address", "0.0.0.0:80 is in use by nginx").hint("stop that"),
        ];
        findings.sort_by_key(|finding| finding.verdict);
        assert_eq!(
            as_text(&findings),
            "✗ address        0.0.0.0:80 is in use by nginx.\n                 hint: stop that\n\
             ! clock          Not synchronised (no NTP).\n\
             - camera         Left alone, as asked.\n✓ configuration  All is at its default.\n"
        );
        let json = as_json(findings);
        assert_eq!((&json["ok"], &json["items"][0]["state"]), (&json!(false), &json!("bad")));
    }
}
