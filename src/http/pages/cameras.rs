//! The page of cameras: shows those found, and sets one.

use hyper::Response;

use crate::base::unicode::percent_encoded;
use crate::config::{SourceKind, kind};
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::pages::{data_counting, data_settings};
use crate::http::preferences::PreferenceChanges;
use crate::http::report::state::StateReport;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::ui::{self, CameraChoice, CamerasPage, RefusalReason};

const KIND: &str = "source.kind";
const DEVICE: &str = "source.device";
const URL: &str = "source.url";

/// `GET /cameras`.
pub async fn cameras(request: Request) -> Response<Body> {
    html(ui::cameras_page(&cameras_page(&request, None).await))
}

/// `POST /cameras`, from the page's forms: on to the live page.
pub async fn post_cameras(request: Request) -> Result<Response<Body>, Problem> {
    let changes = choice(&form(&request)).ok_or_else(nothing_to_do)?;
    match data_settings::change(&request.site, changes).await {
        Ok(()) => Ok(see("./")),
        Err(problem) => {
            let page = cameras_page(&request, Some(data_settings::refusal(&problem))).await;
            Ok(again(&problem, ui::cameras_page(&page)))
        }
    }
}

/// The settings that a button means.
fn choice(fields: &Query) -> Option<PreferenceChanges> {
    let text = |text: &str| Some(kind::quoted(text));
    let of = |kind: &str, device: Option<&str>| {
        PreferenceChanges::from([
            (String::from(KIND), text(kind)),
            (String::from(DEVICE), device.and_then(text)),
        ])
    };
    if let Some(url) = fields.get("url") {
        let mut changes = of("url", None);
        changes.insert(String::from(URL), text(url.trim()));
        return Some(changes);
    }
    match fields.get("camera")?.split_once(' ') {
        Some((kind @ ("v4l2" | "libcamera"), device)) if !device.is_empty() => Some(of(kind, Some(device))),
        Some(_) => None,
        None => match fields.get("camera")? {
            kind @ ("auto" | "sim") => Some(of(kind, None)),
            _ => None,
        },
    }
}

/// Whether there is a live picture that may be shown.
pub fn has_picture(site: &Site, report: &StateReport) -> bool {
    report.state == "live" && !site.is_counts_only()
}

/// The cameras of this machine, each with where a picture of it is.
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
        // Of all cameras the first that works may be the one that is shown.
        let is_shown = is_used || report.camera.as_ref().is_some_and(|shown| camera.about.starts_with(shown));
        let still = match is_shown {
            true => has_picture(site, report).then(|| String::from("snapshot.jpg?w=320")),
            false => can_look.then(|| format!("api/v1/cameras/still.jpg?camera={}", percent_encoded(&value))),
        };
        CameraChoice { value, name: camera.name, about: camera.about, is_used, is_shown, still }
    });
    choices.collect()
}

async fn cameras_page(request: &Request, refused: Option<RefusalReason>) -> CamerasPage {
    let site = &request.site;
    let report = StateReport::of(site, &request.who);
    let kind = site.preferences().ok().map(|preferences| preferences.in_force().resolved.config.source.kind);
    CamerasPage {
        choices: choices(site, &report).await,
        is_auto: kind == Some(SourceKind::Auto),
        is_simulated: kind == Some(SourceKind::Sim),
        has_picture: has_picture(site, &report),
        what: report.camera.clone().unwrap_or_default(),
        typed: form(request).get("url").unwrap_or_default().to_owned(),
        head: data_counting::head(&report),
        refused,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_button_means_a_source_and_nothing_else_is_one() {
        let of = |form: &str| choice(&Query::parse(form));
        let changes = of("camera=v4l2+/dev/v4l/by-id/usb%22x").unwrap();
        assert_eq!(changes[KIND].as_deref(), Some("\"v4l2\""));
        assert_eq!(changes[DEVICE].as_deref(), Some("\"/dev/v4l/by-id/usb\\\"x\""));
        assert_eq!(of("camera=auto").unwrap()[DEVICE], None, "the device of before goes");
        assert_eq!(of("url=+rtsp://cam/1").unwrap()[URL].as_deref(), Some("\"rtsp://cam/1\""));
        for wrong in ["", "camera=exec+rm", "camera=v4l2+", "camera=exec", "device=/dev/video0"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
