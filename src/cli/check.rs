//! `tallycam check`.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::config::summary;
use super::failure::{CONFIGURATION, DEVICE, FAILED, IO};
use super::listening::{self, Address};
use super::{Failure, Given, devices, print, print_json, wiring};
use crate::config::{Config, DetectorKind, Listen, SourceKind};
use crate::daemon::counting::{state_directory, store_settings};
use crate::daemon::keeping::retention;
use crate::media::TroubleKind;
use crate::models::Models;
use crate::source::v4l2;
use crate::store::media::{MediaError, MediaReader};
use crate::store::{Reader, StoreError};

/// Check everything: configuration, devices, camera, model, ledger, addresses.
///
/// Opens the configured camera and takes a picture, and tries every address. The worst is told
/// first. A tallycam that is running is no fault.
#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    given: Given,
    /// Leave the camera alone
    #[arg(long)]
    no_camera: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How something was found; worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Bad,
    Skipped,
    Good,
}

impl Verdict {
    fn mark(self) -> char {
        match self {
            Verdict::Bad => '✗',
            Verdict::Skipped => '-',
            Verdict::Good => '✓',
        }
    }

    fn word(self) -> &'static str {
        match self {
            Verdict::Bad => "bad",
            Verdict::Skipped => "skipped",
            Verdict::Good => "good",
        }
    }
}

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    about: &'static str,
    verdict: Verdict,
    text: String,
    hint: Option<String>,
    /// Exit code that it asks for, when bad.
    code: u8,
}

impl Finding {
    fn good(about: &'static str, text: impl Into<String>) -> Finding {
        Finding { about, verdict: Verdict::Good, text: text.into(), hint: None, code: 0 }
    }

    fn skipped(about: &'static str, text: impl Into<String>) -> Finding {
        Finding { verdict: Verdict::Skipped, ..Finding::good(about, text) }
    }

    fn bad(about: &'static str, text: impl Into<String>, hint: Option<String>, code: u8) -> Finding {
        Finding { about, verdict: Verdict::Bad, text: text.into(), hint, code }
    }
}

/// A camera that is asleep in its own fashion is given so long for its first picture.
const PICTURE_WITHIN: Duration = Duration::from_secs(10);

impl Check {
    /// Looks at everything and tells what was found.
    pub fn run(&self, given: &Given) -> Result<(), Failure> {
        let mut findings = Vec::new();
        match given.and(&self.given).load() {
            Ok(resolved) => {
                findings.push(Finding::good("configuration", summary(&resolved)));
                let addresses = addresses(&resolved.config.http.listen);
                let is_running = addresses.iter().any(|(_, address)| *address == Address::Ours);
                findings.push(cameras(&resolved.config));
                findings.push(if self.no_camera {
                    Finding::skipped("camera", "left alone, as asked")
                } else {
                    camera(&resolved.config, is_running)
                });
                findings.push(model(&resolved.config));
                findings.push(ledger(&resolved.config));
                findings.push(pictures(&resolved.config));
                findings.extend(addresses.iter().map(|(listen, address)| listen_finding(listen, address)));
            }
            Err(complaints) => {
                let text = format!("{}\n\n{complaints}", complaints.summary());
                findings.push(Finding::bad("configuration", text, None, CONFIGURATION));
                findings.push(Finding::skipped("the rest", "depends on the configuration"));
            }
        }
        findings.sort_by_key(|finding| finding.verdict);
        // Of several, the configuration's code goes first: it is mended first.
        let code = findings.iter().map(|finding| finding.code).max().unwrap_or(0);
        if self.json {
            print_json(&as_json(&findings))?;
        } else {
            print(&as_text(&findings))?;
        }
        if code == 0 { Ok(()) } else { Err(Failure::Told(code)) }
    }
}

fn addresses(listens: &[Listen]) -> Vec<(&Listen, Address)> {
    listens.iter().map(|listen| (listen, listening::look(listen))).collect()
}

/// The devices of this machine. That there is none is a fault only where one is configured.
fn cameras(config: &Config) -> Finding {
    let nodes = v4l2::list();
    let titles: Vec<String> = devices::usable(&nodes).map(devices::title).collect();
    let about = "devices";
    match titles.as_slice() {
        // A device that is named is judged by whether it opens.
        [] if config.source.kind == SourceKind::Auto
            || (config.source.kind == SourceKind::V4l2 && config.source.device.is_none()) =>
        {
            let trouble = devices::none_found(&nodes);
            Finding::bad(about, trouble.what.clone(), trouble.hint, DEVICE)
        }
        [] => Finding::skipped(about, "no camera on this machine, and none is configured"),
        [one] => Finding::good(about, one.clone()),
        several => Finding::good(about, format!("{} cameras: {}", several.len(), several.join(", "))),
    }
}

fn camera(config: &Config, is_running: bool) -> Finding {
    let about = "camera";
    match wiring::take_picture(config, PICTURE_WITHIN) {
        Ok(taken) => {
            let picture = &taken.picture;
            let size = format!("{}×{}, {} bytes", picture.width, picture.height, picture.jpeg_len());
            match taken.delivers {
                Some(delivers) => Finding::good(
                    about,
                    format!("{} gives pictures: {} {size}", delivers.name, delivers.fourcc),
                ),
                None => Finding::good(about, format!("gives pictures: {size}")),
            }
        }
        Err(Failure::Device(trouble)) if trouble.kind == TroubleKind::Busy && is_running => Finding::skipped(
            about,
            "in use, most likely by the tallycam that is running: its page tells more",
        ),
        Err(Failure::Device(mut trouble)) => {
            let hint = trouble.hint.take();
            Finding::bad(about, trouble.line(), hint, DEVICE)
        }
        Err(other) => Finding::bad(about, other.text().replacen("tallycam: ", "", 1), None, other.code()),
    }
}

/// The model that counting would use, as far as its files tell.
fn model(config: &Config) -> Finding {
    let about = "model";
    let detect = &config.detect;
    match detect.backend {
        DetectorKind::None => {
            return Finding::skipped(about, "nothing is counted: [detect] backend = \"none\"");
        }
        DetectorKind::Motion => return Finding::good(about, "none is needed: motion is counted"),
        DetectorKind::Replay => {
            return Finding::skipped(about, "none is needed: recorded detections are played");
        }
        DetectorKind::Auto | DetectorKind::Onnx => {}
    }
    let found = Models::new(&state_directory(config)).list();
    let wanted = detect.model.as_deref();
    let file = wanted.map(Path::new).filter(|path| path.extension().is_some_and(|e| e == "onnx"));
    if let Some(file) = file {
        return match file.is_file() {
            true => Finding::good(about, format!("{}", file.display())),
            false => Finding::bad(
                about,
                format!("there is no {}", file.display()),
                Some(String::from("`tallycam model list` names the models there are")),
                FAILED,
            ),
        };
    }
    match found.iter().find(|model| wanted.is_none_or(|name| name == model.name)) {
        Some(model) => match &model.problem {
            None => Finding::good(about, format!("{} ({})", model.name, model.path.display())),
            Some(problem) => Finding::bad(
                about,
                format!("{}: {problem}", model.name),
                Some(format!("`tallycam model check {}` tells more", model.name)),
                FAILED,
            ),
        },
        None if wanted.is_none() && detect.backend == DetectorKind::Auto => {
            Finding::skipped(about, "none was found: motion is counted instead")
        }
        None => Finding::bad(
            about,
            format!("there is no model {}", wanted.unwrap_or("at all")),
            Some(String::from("`tallycam model list` names the models there are")),
            FAILED,
        ),
    }
}

/// Whether `counts.db` is sound; read only, beside a daemon that runs.
fn ledger(config: &Config) -> Finding {
    let about = "ledger";
    let settings = store_settings(config);
    let file = settings.directory.join("counts.db");
    if !file.exists() {
        return Finding::skipped(about, format!("{} is not there yet: nothing was counted", file.display()));
    }
    match Reader::open(&settings).and_then(|reader| reader.check()) {
        Ok(faults) if faults.is_empty() => Finding::good(about, format!("{} is sound", file.display())),
        Ok(faults) => Finding::bad(
            about,
            format!("{}: {}", file.display(), faults.join("; ")),
            Some(String::from("keep a copy of the file before anything else is done with it")),
            IO,
        ),
        Err(error) => {
            let hint = match &error {
                StoreError::File { hint, .. } => hint.clone(),
                StoreError::Busy | StoreError::TooManyBuckets => None,
            };
            Finding::bad(about, error.to_string(), hint, IO)
        }
    }
}

/// Whether `media.db` can be read, and what is in it; read only, beside a daemon that runs. What every picture is worth
/// is looked at by `tallycam media check`.
fn pictures(config: &Config) -> Finding {
    let about = "pictures";
    let file = state_directory(config).join("media.db");
    if !file.exists() {
        return Finding::skipped(about, format!("{} is not there yet: nothing was kept", file.display()));
    }
    match MediaReader::open(&file).and_then(|reader| reader.storage(&retention(config))) {
        Ok(storage) => {
            let (snapshots, recordings) = (storage.snapshots.0, storage.recordings.0);
            let megabytes = |bytes: u64| bytes.div_ceil(1_000_000);
            Finding::good(
                about,
                format!(
                    "{}: {snapshots} snapshots, {recordings} recordings, {} MB; {} MB are free",
                    file.display(),
                    megabytes(storage.file_bytes),
                    megabytes(storage.free_bytes)
                ),
            )
        }
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            let code =
                if matches!(error, MediaError::Locked { .. } | MediaError::Busy) { FAILED } else { IO };
            Finding::bad(about, error.to_string(), hint, code)
        }
    }
}

fn listen_finding(listen: &Listen, address: &Address) -> Finding {
    let about = "address";
    match address {
        Address::Free => Finding::good(about, format!("{listen} can be listened on")),
        Address::Ours => Finding::good(about, format!("a tallycam listens on {listen} already")),
        Address::Taken(owner) => {
            let by = owner.as_deref().unwrap_or("another program");
            let hint = String::from("stop that, or set another address in [http] listen");
            Finding::bad(about, format!("{listen} is in use by {by}"), Some(hint), IO)
        }
        Address::Refused(why, hint) => {
            Finding::bad(about, format!("{listen} cannot be listened on: {why}"), hint.clone(), IO)
        }
    }
}

fn as_text(findings: &[Finding]) -> String {
    let widest = findings.iter().map(|finding| finding.about.len()).max().unwrap_or(0);
    let mut out = String::new();
    for Finding { about, verdict, text, hint, .. } in findings {
        out.push_str(&format!("{} {about:<widest$}  {text}\n", verdict.mark()));
        if text.contains('\n') {
            out.push('\n');
        }
        if let Some(hint) = hint {
            out.push_str(&format!("{:1$}  hint: {hint}\n", "", widest + 2));
        }
    }
    out
}

fn as_json(findings: &[Finding]) -> serde_json::Value {
    let item = |finding: &Finding| {
        json!({
            "about": finding.about,
            "verdict": finding.verdict.word(),
            "text": finding.text,
            "hint": finding.hint,
        })
    };
    let ok = findings.iter().all(|finding| finding.verdict != Verdict::Bad);
    json!({"ok": ok, "items": findings.iter().map(item).collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_stands_first_and_hints_under_their_line() {
        let mut findings = vec![
            Finding::good("configuration", "all is at its default"),
            Finding::skipped("camera", "left alone, as asked"),
            Finding::bad("address", "0.0.0.0:80 is in use by nginx", Some("stop that".into()), IO),
        ];
        findings.sort_by_key(|finding| finding.verdict);
        assert_eq!(
            as_text(&findings),
            "✗ address        0.0.0.0:80 is in use by nginx\n                 hint: stop that\n\
             - camera         left alone, as asked\n✓ configuration  all is at its default\n"
        );
        let json = as_json(&findings);
        assert_eq!((&json["ok"], &json["items"][0]["verdict"]), (&json!(false), &json!("bad")));
    }
}
