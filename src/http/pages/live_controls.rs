//! The live page's controls for picture, light and lens; the pages of light, diagnosis and log.

use hyper::Response;

use crate::http::api::camera::lens;
use crate::http::api::machine::{diagnosis, logs};
use crate::http::auth::caller::Who;
use crate::http::pages::data_counting;
use crate::http::report;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::html::html;
use crate::ui::{self, DiagnosisPage, LightsPage, LiveControls, LogPage, ViewFacts};
use tallycam_base::clock;

/// Maximum number of log lines on the page.
const LINES: usize = 400;

/// The live page's controls.
pub async fn live(site: &Site, who: &Who) -> LiveControls {
    let view = site.pipeline.view().borrow().clone();
    LiveControls {
        view: ViewFacts {
            is_gray: view.gray,
            is_small: view.scale_eighths() < 8,
            is_mirrored: view.mirror,
            is_flipped: view.flip,
        },
        light: report::light::report(site, who),
        lens: lens::report(site, who).await,
        said: unsaved(site, who),
        light_said: unsaved(site, who),
        lens_said: String::new(),
    }
}

/// The message that a setting is not stored; may be empty.
fn unsaved(site: &Site, who: &Who) -> String {
    site.unsaved().filter(|_| who.sees_internals()).unwrap_or_default()
}

/// `GET /lights`.
pub async fn lights(request: Request) -> Response<Body> {
    html(ui::lights_page(&lights_page(&request)))
}

fn lights_page(request: &Request) -> LightsPage {
    LightsPage {
        head: data_counting::head(request),
        light: report::light::report(&request.site, &request.who),
        said: request
            .returned
            .as_ref()
            .map_or_else(|| unsaved(&request.site, &request.who), |form| form.said()),
    }
}

/// `GET /diagnosis`.
pub async fn diagnosis(request: Request) -> Response<Body> {
    let site = &request.site;
    html(ui::diagnosis_page(&DiagnosisPage {
        findings: diagnosis::diagnose(site).await,
        head: data_counting::head(&request),
        clock: site.clock(),
        // A clock that was set by hand can be corrected.
        has_clock_form: !clock::is_set_by_network(),
        refused: request.refused(),
    }))
}

/// `GET /log`.
pub async fn show_log(request: Request) -> Response<Body> {
    let site = &request.site;
    let asked = request.query.get("level").unwrap_or("info");
    let level = ui::LEVELS.iter().map(|(level, _)| *level).find(|level| *level == asked).unwrap_or("info");
    html(ui::log_page(&LogPage {
        head: data_counting::head(&request),
        clock: site.clock(),
        level,
        lines: logs::lines(site, level.parse().unwrap_or(log::Level::Info), LINES),
    }))
}
