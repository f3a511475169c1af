//! `/api/v1/diagnosis`: findings with remedies, in the words of `tallycam check`.
//!
//! The service's own state (camera, lens, light, counting, stores, settings) is reported at once. An implementation
//! of [`Diagnose`](crate::http::Diagnose) checks devices, permissions, files and temperature. It runs on a thread
//! that may block, one at a time, and its findings stay valid for a second.

use std::time::Instant;

use hyper::Response;

use crate::http::api::camera::lens;
use crate::http::api::media::storage;
use crate::http::auth::caller::Who;
use crate::http::report::light::LightSummary;
use crate::http::report::wire;
use crate::http::report::wire::WholeList;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::findings::{Finding, room_finding};
use crate::http::site::handler::Request;
use crate::pipeline::counting::CountingStatus;
use crate::pipeline::{CameraState, CameraStatus};
use tallycam_base::as_sentence;

/// All findings, worst first.
pub async fn diagnose(site: &Site) -> Vec<Finding> {
    let mut findings = looked_for(site).await;
    findings.extend(known(site).await);
    findings.sort_by_key(|finding| finding.verdict);
    findings
}

async fn looked_for(site: &Site) -> Vec<Finding> {
    let (Some(machine), Ok(settings)) = (site.machine.clone(), site.preferences()) else { return Vec::new() };
    let in_force = settings.in_force();
    let _turn = site.looked.turn.lock().await;
    if let Some(found) = site.looked.fresh() {
        return found;
    }
    let look = move || machine.look(&in_force.resolved.config);
    let found = tokio::task::spawn_blocking(look).await.unwrap_or_else(|error| {
        log::error!("the diagnosis could not be made: {error}");
        vec![Finding::bad("diagnosis", "It could not be made: see the log.")]
    });
    site.looked.found.replace(Some((Instant::now(), found.clone())));
    found
}

/// Findings from the service's own state.
async fn known(site: &Site) -> Vec<Finding> {
    let status = site.pipeline.status();
    let mut findings = vec![settings(site), camera(&status), lens(site).await, light(site)];
    findings.extend(site.counting.as_ref().map(|it| counting(it.status())));
    findings.extend(pictures(site).await);
    findings.extend(notifications(site));
    findings.extend(mqtt(site));
    findings
}

fn settings(site: &Site) -> Finding {
    let name = "settings";
    let Ok(settings) = site.preferences() else {
        return Finding::none(name, "They are read once, at the start: nothing is changed from the page.");
    };
    let now = settings.in_force();
    let faults = now.faults();
    match (faults.trim(), now.needs_restart.as_slice()) {
        ("", []) => Finding::good(name, "What the files say is in force."),
        ("", keys) => {
            Finding::warning(name, format!("Changed, and in force after a restart: {}.", keys.join(", ")))
                .hint("restart tallycam (`systemctl restart tallycam`) when convenient")
        }
        (complaint, _) => Finding::bad(name, complaint.to_owned()),
    }
}

/// The camera, according to its pictures.
fn camera(status: &CameraStatus) -> Finding {
    let name = "camera";
    let what = status.delivers.as_ref().map_or(&status.source, |delivers| &delivers.name);
    let format = status.delivers.as_ref().map(|delivers| delivers.fourcc.to_string()).unwrap_or_default();
    let size = status.size.map_or_else(String::new, |(width, height)| format!(" {width}×{height}"));
    match &status.state {
        CameraState::Live => {
            let said = format!("{what} gives pictures: {format}{size}, {:.1} a second", status.fps);
            match status.lost * 20 > status.frames && status.frames > 100 {
                true => Finding::warning(
                    name,
                    format!("{said}; {} of {} were lost", status.lost, status.frames + status.lost),
                )
                .hint(
                    "a camera at a hub, or a processor that is busy: a smaller size or a lower frame rate helps",
                ),
                false => Finding::good(name, said),
            }
        }
        CameraState::Asleep => Finding::good(name, format!("{what} is idle until somebody watches")),
        CameraState::Waking => Finding::none(name, format!("{what} is waking")),
        CameraState::Paused => {
            Finding::none(name, format!("{what} is paused")).hint("press Resume on the live page")
        }
        CameraState::Trouble(trouble) => Finding::bad(name, trouble.reason()).maybe_hint(trouble.advice()),
    }
}

async fn lens(site: &Site) -> Finding {
    let name = "lens";
    let lens = lens::report(site, &Who::Owner).await;
    if !lens.supported {
        return Finding::none(name, lens.reason.unwrap_or_default());
    }
    let place =
        lens.position.map_or_else(|| String::from("It takes steps"), |at| format!("It stands at {at:.2}"));
    let auto = match lens.auto {
        Some(true) => "autofocus is on",
        Some(false) => "autofocus is off",
        None => "there is no autofocus",
    };
    Finding::good(name, format!("{place}; {auto}."))
}

fn light(site: &Site) -> Finding {
    let name = "light";
    match LightSummary::of(site) {
        None => Finding::none(name, "None is set up.").hint("`lights.kind` sets the light type"),
        Some(LightSummary { reason: Some(reason), hint, .. }) => Finding::bad(name, reason).maybe_hint(hint),
        Some(light) => Finding::good(
            name,
            format!("It works ({}) and is {}.", light.kind.as_str(), light.shows.as_str()),
        ),
    }
}

/// The state of counting, with its notes: a class that the model does not know, a line too close to the edge.
fn counting(status: CountingStatus) -> Finding {
    let name = "counting";
    let by = match status.model.as_str() {
        "" => status.backend.to_owned(),
        model => format!("{} with {model}", status.backend),
    };
    let finding = match status.state {
        "counting" if status.notes.is_empty() => {
            let percent = status.detections_skipped * 100 / status.detections.max(1);
            let saved = match percent {
                0 => String::new(),
                _ => format!(", {percent} % skipped without motion"),
            };
            Finding::good(
                name,
                format!("Counting ({by}), {:.1} detections per second{saved}.", status.detections_per_second),
            )
        }
        "counting" => Finding::warning(name, status.notes.join(" ")),
        "fault" => Finding::bad(name, status.reason),
        _ if !status.notes.is_empty() => {
            Finding::warning(name, format!("{} {}", status.reason, status.notes.join(" ")))
        }
        _ => Finding::none(name, status.reason),
    };
    match finding.hint {
        None => finding.maybe_hint(status.hint),
        Some(_) => finding,
    }
}

async fn pictures(site: &Site) -> Option<Finding> {
    let name = "pictures";
    if site.is_counts_only() {
        return Some(Finding::none(name, "This camera counts only: none are kept."));
    }
    let media = match site.recorder.as_ref()?.media() {
        Ok(media) => media,
        Err(error) => {
            return Some(Finding::bad(name, error.to_string()).maybe_hint(error.hint().map(str::to_owned)));
        }
    };
    let status = media.status().borrow().clone();
    if let Some((trouble, hint)) = status.trouble.clone() {
        return Some(Finding::bad(name, trouble).maybe_hint(hint));
    }
    if let Some(unknown) = unknown_lines(site) {
        let hint = "name it so on the page of lines, or change `on_crossing`";
        return Some(Finding::warning(name, unknown).hint(hint));
    }
    Some(match storage::room(site).await {
        Ok(room) => room_finding(name, &room, status.is_full || room.lacks_ballast),
        Err(problem) => Finding::bad(name, problem.detail).maybe_hint(problem.hint),
    })
}

/// The rules of notifications, if there are any.
fn notifications(site: &Site) -> Option<Finding> {
    let (name, summary) = ("notifications", site.notifier.as_ref()?.summary()?);
    Some(match summary.faults.as_slice() {
        [] => Finding::good(name, "All rules work."),
        faults => {
            Finding::warning(name, faults.join(" ")).hint("the page Notifications says more, and tests rules")
        }
    })
}

/// MQTT, unless it is off.
fn mqtt(site: &Site) -> Option<Finding> {
    let (name, report) = ("mqtt", site.notifier.as_ref()?.mqtt().report()?);
    let words = as_sentence(report.words.as_deref().unwrap_or_default());
    Some(match (report.is_faulty, report.hint) {
        (false, _) => Finding::good(name, words),
        (true, None) => Finding::warning(name, words),
        (true, Some(hint)) => Finding::warning(name, words).hint(hint),
    })
}

/// Names in the recording rules that no line has.
fn unknown_lines(site: &Site) -> Option<String> {
    let (recorder, counts) = (site.recorder.as_ref()?, site.counting.as_ref()?.counts().ok()?);
    let lines = counts.lines().borrow().clone();
    recorder.unknown_lines(lines.iter().map(|row| row.draft.name.as_str()))
}

/// `GET /api/v1/diagnosis`.
pub async fn get(request: Request) -> Response<Body> {
    let items = diagnose(&request.site).await;
    reply::json(wire::json(&WholeList { items }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::site::findings::Verdict;

    #[test]
    fn a_line_too_close_to_the_edge_is_named() {
        let note = "line “Door”: 3 were first seen already past this line: move it away from the edge.";
        let status = CountingStatus {
            state: "counting",
            backend: "motion",
            detections_per_second: 10.0,
            detections: 1,
            notes: vec![note.to_owned()],
            ..CountingStatus::default()
        };
        assert_eq!(counting(status.clone()), Finding::warning("counting", note));
        let well = counting(CountingStatus { notes: Vec::new(), ..status });
        assert_eq!(well.verdict, Verdict::Good);
    }
}
