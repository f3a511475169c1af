//! Checks of this machine for `tallycam check` and the page Diagnosis.
//!
//! Everything here may block for a moment (files under `/proc`, `/sys` and `/dev`, the folder of models). It runs on
//! the main thread of `tallycam check` and on tokio's pool in the daemon. Pure functions judge the values that were
//! read.

pub mod card;
pub mod machine;
pub mod permissions;

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::addresses::{Listening, MachineAddresses};
use super::parts::counting::{state_directory, store_settings};
use super::parts::models::as_path;
use super::parts::still::capture_picture;
use crate::http::{Diagnose, Finding, FoundCamera};
use tallycam_camera::lens::Drive;
use tallycam_camera::media::{Picture, SourceError};
use tallycam_camera::source::libcamera::Survey;
use tallycam_camera::source::{libcamera, v4l2};
use tallycam_config::{Config, DetectorKind, LensKind, SourceConfig, SourceKind};
use tallycam_vision::models::{
    BUILT_IN, FORMER_BUILT_IN, FORMER_BUILT_IN_HINT, FORMER_BUILT_IN_IS_GONE, Models,
};
use tallycam_vision::onnx::require_engine;

/// Diagnoses the machine for the server.
#[derive(Debug)]
pub struct MachineDiagnosis {
    /// The sockets of the page, and which of them serve IPv4 clients.
    listening: Vec<Listening>,
    /// The last survey of libcamera and its time. A survey starts a helper process, so it is reused for a while.
    surveyed: Mutex<Option<(Instant, Survey)>>,
}

/// Lifetime of a survey: nobody plugs in a ribbon cable while the machine runs.
const SURVEYED_FOR: Duration = Duration::from_secs(30);

impl MachineDiagnosis {
    /// For a server with these sockets.
    pub fn new(listening: Vec<Listening>) -> MachineDiagnosis {
        MachineDiagnosis { listening, surveyed: Mutex::default() }
    }
}

/// Requested size of a test picture in pixels, and its time limit. The limit is longer than the time after which a
/// camera counts as silent.
const STILL: (u32, u32) = (640, 360);
const STILL_WITHIN: Duration = Duration::from_secs(8);

impl Diagnose for MachineDiagnosis {
    fn look(&self, config: &Config) -> Vec<Finding> {
        let mut findings = machine_findings(config);
        let mut surveyed = self.surveyed.lock().unwrap_or_else(PoisonError::into_inner);
        surveyed.take_if(|(at, _)| at.elapsed() >= SURVEYED_FOR);
        let (_, survey) = surveyed
            .get_or_insert_with(|| (Instant::now(), libcamera::survey_libcamera(&libcamera::folder())));
        findings.extend([devices(config, survey), libcamera_finding(config, survey)]);
        findings.push(model(config));
        findings.push(addresses(&self.listening));
        findings
    }

    fn has_libcamera(&self) -> bool {
        libcamera::has_helpers(&libcamera::folder())
    }

    fn cameras(&self, _config: &Config) -> Vec<FoundCamera> {
        let nodes = v4l2::list();
        let usb = v4l2::usable_nodes(&nodes).map(|node| FoundCamera {
            kind: "v4l2",
            device: node.by_id.as_ref().unwrap_or(&node.path).display().to_string(),
            name: node.facts.as_ref().map_or_else(|_| String::from("Camera"), |facts| facts.card.clone()),
            about: describe_node(node),
        });
        let mut found: Vec<FoundCamera> = usb.collect();
        let survey = libcamera::survey_libcamera(&libcamera::folder());
        found.extend(survey.used.iter().flat_map(|used| &used.cameras).map(|camera| FoundCamera {
            kind: "libcamera",
            device: camera.id.clone(),
            name: camera.model.clone(),
            about: format!("{} (libcamera)", camera.id),
        }));
        found
    }

    fn still(&self, config: &Config, kind: &str, device: &str) -> Option<Result<Picture, SourceError>> {
        let is_it = |camera: &FoundCamera| camera.kind == kind && camera.device == device;
        let camera = self.cameras(config).into_iter().find(is_it)?;
        let source = SourceConfig {
            kind: if camera.kind == "v4l2" { SourceKind::V4l2 } else { SourceKind::Libcamera },
            device: Some(camera.device),
            width: Some(STILL.0),
            height: Some(STILL.1),
            ..Config::default().source
        };
        let config = Config { source, privacy: config.privacy.clone(), ..Config::default() };
        Some(capture_picture(&config, STILL_WITHIN).map(|taken| taken.picture))
    }
}

/// Permissions, disk, clock, temperature, power and memory; on a card also the result for its files.
pub fn machine_findings(config: &Config) -> Vec<Finding> {
    let directory = state_directory(config);
    let zone = store_settings(config).zone;
    let mut findings = vec![
        permissions::permissions_finding(config),
        machine::disk(&directory),
        machine::clock(&zone),
        machine::temperature(),
        machine::power(),
        machine::memory(),
    ];
    findings.extend(card::card_finding(Path::new("/")));
    findings
}

/// The cameras of this machine and the state of libcamera.
pub fn cameras(config: &Config) -> [Finding; 2] {
    let survey = libcamera::survey_libcamera(&libcamera::folder());
    [devices(config, &survey), libcamera_finding(config, &survey)]
}

/// A missing camera is a fault only if the configuration asks for one.
fn devices(config: &Config, survey: &Survey) -> Finding {
    let name = "devices";
    let nodes = v4l2::list();
    let mut lines: Vec<String> = v4l2::usable_nodes(&nodes).map(describe_node).collect();
    if lines.is_empty() && config.source.kind == SourceKind::Auto {
        let ribbon = survey.used.iter().flat_map(|used| &used.cameras);
        lines.extend(ribbon.map(|camera| format!("{} (libcamera)", camera.model)));
    }
    match lines.as_slice() {
        // A named device is judged by whether it opens.
        [] if config.source.kind == SourceKind::Auto
            || (config.source.kind == SourceKind::V4l2 && config.source.device.is_none()) =>
        {
            let trouble = v4l2::no_usable_camera(&nodes);
            Finding::bad(name, &trouble.what).maybe_hint(trouble.advice())
        }
        [] => Finding::none(name, format!("no camera on this machine; {}", configured(&config.source))),
        [one] => Finding::good(name, one.clone()),
        several => Finding::good(name, format!("{} cameras: {}", several.len(), several.join("; "))),
    }
}

fn libcamera_finding(config: &Config, survey: &Survey) -> Finding {
    let name = "libcamera";
    let said = survey.describe();
    match &survey.used {
        Ok(found) if found.cameras.is_empty() => {
            Finding::none(name, format!("{said}, and has found no camera"))
        }
        Ok(found) => {
            let models: Vec<&str> = found.cameras.iter().map(|camera| camera.model.as_str()).collect();
            Finding::good(name, format!("{said}: {}", models.join(", ")))
        }
        Err(trouble) if config.source.kind == SourceKind::Libcamera => {
            Finding::bad(name, said).maybe_hint(trouble.advice())
        }
        Err(_) => Finding::none(name, said),
    }
}

/// The configured source, unless it is any camera.
fn configured(source: &SourceConfig) -> String {
    let kind = match source.kind {
        SourceKind::Url => "a network camera",
        SourceKind::Exec => "a program that writes pictures",
        SourceKind::Files => "pictures or a clip from files",
        SourceKind::Sim => "the simulated scene",
        SourceKind::Libcamera => "a camera through libcamera",
        SourceKind::Auto | SourceKind::V4l2 => "a camera",
    };
    match &source.device {
        Some(device) if source.kind == SourceKind::V4l2 => {
            format!("configured is `source.device = \"{device}\"`, which is told under \"camera\"")
        }
        _ => format!("configured is {kind}"),
    }
}

/// As in "HD Webcam (/dev/video0): MJPG up to 1920×1080, YUYV up to 1280×720".
fn describe_node(node: &v4l2::VideoNode) -> String {
    let title = v4l2::node_title(node);
    let formats = node.facts.iter().flat_map(|facts| &facts.formats);
    let words: Vec<String> = formats
        .map(|format| {
            let largest =
                format.modes.iter().max_by_key(|mode| u64::from(mode.width) * u64::from(mode.height));
            match largest {
                Some(mode) => format!("{} up to {}×{}", format.fourcc, mode.width, mode.height),
                None => format.fourcc.to_string(),
            }
        })
        .collect();
    if words.is_empty() { title } else { format!("{title}: {}", words.join(", ")) }
}

/// The model that counting would use, judged by its files.
pub fn model(config: &Config) -> Finding {
    let name = "model";
    let detect = &config.detect;
    match detect.backend {
        DetectorKind::None => return Finding::none(name, "nothing is counted: `detect.backend` is \"none\""),
        DetectorKind::Motion => return Finding::good(name, "none is needed: motion is counted"),
        DetectorKind::Replay => return Finding::none(name, "none is needed: recorded detections are played"),
        DetectorKind::Auto if detect.model.is_none() && require_engine().is_err() => {
            return Finding::none(name, "this build has no model engine: motion is counted instead");
        }
        DetectorKind::Auto | DetectorKind::Onnx => {}
    }
    let wanted = detect.model.as_deref();
    let list = "`tallycam model list` names the models there are";
    if let Some(file) = wanted.and_then(as_path) {
        return match file.is_file() {
            true => Finding::good(name, format!("{}", file.display())),
            false => Finding::bad(name, format!("there is no {}", file.display())).hint(list),
        };
    }
    let found = Models::new(&state_directory(config)).list();
    // Without a name it is the built-in model, whatever others are installed.
    let looked_for = wanted.unwrap_or(BUILT_IN);
    match found.iter().find(|model| model.name == looked_for) {
        Some(model) => match &model.problem {
            None => Finding::good(name, format!("{} ({})", model.name, model.path.display())),
            Some(problem) => Finding::bad(name, format!("{}: {problem}", model.name))
                .hint(format!("`tallycam model check {}` tells more", model.name)),
        },
        None if looked_for == FORMER_BUILT_IN => {
            Finding::warning(name, FORMER_BUILT_IN_IS_GONE).hint(FORMER_BUILT_IN_HINT)
        }
        None if wanted.is_none() && detect.backend == DetectorKind::Auto => {
            Finding::none(name, "none was found: motion is counted instead")
        }
        None => Finding::bad(name, format!("there is no model {looked_for}")).hint(list),
    }
}

/// Focus support of the camera that would be opened, as far as it is known without opening it.
pub fn lens(config: &Config) -> Finding {
    let name = "lens";
    match (config.lens.kind, config.source.kind) {
        (LensKind::None, _) => return Finding::none(name, "it is set by hand: `lens.kind` is \"none\""),
        (_, SourceKind::Sim) => return Finding::good(name, "the simulated scene has one"),
        (_, SourceKind::Auto | SourceKind::V4l2) => {}
        _ => return Finding::none(name, "what the pictures come from has none"),
    }
    let nodes = v4l2::list();
    let device = config.source.device.as_deref();
    let is_it = |node: &&v4l2::VideoNode| {
        device.is_none_or(|device| {
            let paths = [Some(&node.path), node.by_id.as_ref()].into_iter().flatten();
            paths.into_iter().any(|path| path.ends_with(device))
                || node.path.ends_with(format!("video{device}"))
        })
    };
    let Some(node) = v4l2::usable_nodes(&nodes).find(is_it) else {
        return Finding::none(name, "there is no camera to look at");
    };
    let controls = node.facts.as_ref().map(|facts| facts.controls.as_slice()).unwrap_or_default();
    let title = v4l2::node_title(node);
    match Drive::from_controls(controls) {
        Some(drive) if drive.auto().is_some() => {
            Finding::good(name, format!("{title} can be focused, and by itself"))
        }
        Some(_) => Finding::good(name, format!("{title} can be focused")),
        None => Finding::none(name, format!("{title} has no control that focuses it")),
    }
}

/// The page's addresses.
fn addresses(listening: &[Listening]) -> Finding {
    let name = "address";
    if listening.is_empty() {
        return Finding::none(name, "The page is served on a socket of this machine only.");
    }
    let machine = MachineAddresses::detect();
    let mut urls: Vec<String> = listening.iter().flat_map(|at| machine.urls(at)).collect();
    urls.dedup();
    let is_for_all = listening.iter().any(|at| !at.address.ip().is_loopback());
    let (scheme, port) = match listening.first() {
        Some(at) => (if at.is_https { "https://" } else { "" }, at.address.port()),
        None => ("", 8080),
    };
    let finding = Finding::good(name, format!("open {}", urls.join(" or ")));
    match (is_for_all, machine.addresses.is_empty()) {
        (false, _) => finding.hint(format!(
            "only this machine can open it; `http.listen = [\"{scheme}0.0.0.0:{port}\"]` lets others in"
        )),
        (true, true) => Finding::warning(
            name,
            format!("open {}; this machine has no address in a network", urls.join(" or ")),
        )
        .hint("plug the network in, or set up Wi-Fi"),
        (true, false) => finding,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::http::Verdict;

    #[test]
    fn a_page_for_this_machine_only_says_so() {
        let at = Listening { address: "127.0.0.1:8081".parse().unwrap(), with_ipv4: true, is_https: false };
        let alone = addresses(&[at]);
        assert_eq!((alone.verdict, alone.message.as_str()), (Verdict::Good, "open http://localhost:8081/"));
        assert!(alone.hint.unwrap().contains("\"0.0.0.0:8081\""));
        let secure = addresses(&[Listening { is_https: true, ..at }]);
        assert_eq!(secure.message, "open https://localhost:8081/");
        assert!(secure.hint.unwrap().contains("\"https://0.0.0.0:8081\""));
        assert_eq!(addresses(&[]).verdict, Verdict::None);
    }

    #[test]
    fn the_finding_names_the_model_that_counting_would_use() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        std::fs::create_dir(&models).unwrap();
        std::fs::write(models.join("aaa.onnx"), "no network").unwrap();
        let mut config = Config::default();
        config.store.directory = Some(folder.path().to_owned());
        let found = model(&config);
        assert!(!found.message.contains("aaa"), "{found:?}");
        config.detect.model = Some(String::from("aaa"));
        let found = model(&config);
        assert!(found.message.contains("aaa") && found.verdict == Verdict::Bad, "{found:?}");
    }

    #[test]
    fn without_a_camera_the_configured_source_is_named() {
        let of = |kind, device: Option<&str>| {
            configured(&SourceConfig { kind, device: device.map(String::from), ..Config::default().source })
        };
        assert!(of(SourceKind::V4l2, Some("/dev/video7")).contains("device = \"/dev/video7\""));
        assert_eq!(of(SourceKind::Url, Some("/dev/video7")), "configured is a network camera");
        assert_eq!(of(SourceKind::Sim, None), "configured is the simulated scene");
    }

    #[test]
    fn every_check_runs_once() {
        let findings = MachineDiagnosis::new(Vec::new()).look(&Config::default());
        let names: Vec<&str> = findings.iter().map(|finding| finding.name).collect();
        assert_eq!(
            names,
            [
                "permissions",
                "disk",
                "clock",
                "temperature",
                "power",
                "memory",
                "devices",
                "libcamera",
                "model",
                "address"
            ]
        );
        assert!(findings.iter().all(|finding| !finding.message.is_empty()));
    }
}
