//! The page of cameras: shows those found, and selects one.

use hyper::Response;

use crate::http::pages::data_counting;
use crate::http::report::state::StateReport;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::html::html;
use crate::ui::{self, CameraChoice, CamerasPage};
use tallycam_base::unicode::percent_encoded;
use tallycam_config::SourceKind;

/// `GET /cameras`.
pub async fn cameras(request: Request) -> Response<Body> {
    html(ui::cameras_page(&cameras_page(&request).await))
}

/// True if there is a live picture that may be shown.
pub fn has_picture(site: &Site, report: &StateReport) -> bool {
    report.state == "live" && !site.is_counts_only()
}

/// The cameras of this machine, each with the address of its picture.
pub async fn choices(site: &Site, report: &StateReport) -> Vec<CameraChoice> {
    let (Some(machine), Ok(preferences)) = (site.machine.clone(), site.preferences()) else {
        return Vec::new();
    };
    let in_force = preferences.in_force();
    let source = in_force.resolved.config.source.clone();
    let look = move || machine.cameras(&in_force.resolved.config);
    let found = tokio::task::spawn_blocking(look).await.unwrap_or_default();
    let can_look = !site.is_counts_only() && report.state != "paused";
    let choices = found.into_iter().map(|camera| {
        let value = format!("{} {}", camera.kind, camera.device);
        let is_used =
            camera.kind == source.kind.as_str() && Some(camera.device.as_str()) == source.device.as_deref();
        // With the automatic choice, the shown camera is the first one that works.
        let is_shown = is_used || report.camera.as_ref().is_some_and(|shown| camera.about.starts_with(shown));
        let still = match is_shown {
            true => has_picture(site, report).then(|| String::from("snapshot.jpg?w=320")),
            false => can_look.then(|| format!("api/v1/cameras/still.jpg?camera={}", percent_encoded(&value))),
        };
        let kind = camera.kind.to_string();
        CameraChoice {
            kind,
            device: camera.device,
            name: camera.name,
            about: camera.about,
            is_used,
            is_shown,
            still,
        }
    });
    choices.collect()
}

async fn cameras_page(request: &Request) -> CamerasPage {
    let site = &request.site;
    let report = StateReport::of(site, &request.who);
    let kind = site.preferences().ok().map(|preferences| preferences.in_force().resolved.config.source.kind);
    CamerasPage {
        choices: choices(site, &report).await,
        is_auto: kind == Some(SourceKind::Auto),
        is_simulated: kind == Some(SourceKind::Sim),
        has_picture: has_picture(site, &report),
        what: report.camera.clone().unwrap_or_default(),
        typed: request
            .returned
            .as_ref()
            .and_then(|form| form.get("source.url"))
            .unwrap_or_default()
            .to_owned(),
        head: data_counting::head_with(request, &report),
        refused: request.refused(),
    }
}
