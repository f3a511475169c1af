//! The page of the first start.

use hyper::Response;

use crate::http::pages::{cameras, data_counting, data_settings};
use crate::http::report::state::StateReport;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::html::html;
use crate::ui::{self, WelcomePage};

/// Key in the database, set when the first start is finished.
const KEY: &str = "first_start_done";

/// True until the first start is finished.
pub fn is_new(site: &Site) -> bool {
    let counts = site.counting.as_ref().and_then(|counting| counting.counts().ok());
    counts.is_some_and(|counts| counts.setting(KEY).is_none())
}

/// `GET /welcome`.
pub async fn welcome(request: Request) -> Response<Body> {
    html(ui::welcome_page(&page(&request).await))
}

/// `POST /api/v1/welcome/done`: finishes the first start, which the live page then no longer offers.
pub async fn finish(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.set_setting(KEY, Some(String::from("1"))).await?;
    Ok(reply::no_content())
}

async fn page(request: &Request) -> WelcomePage {
    let site = &request.site;
    let report = StateReport::of(site, &request.who);
    let counts = site.counting.as_ref().and_then(|counting| counting.counts().ok());
    let lines = counts.map(|counts| data_counting::lines(counts, &request.who)).unwrap_or_default();
    let tallies = counts.map(data_counting::tallies).unwrap_or_default();
    WelcomePage {
        camera: report.camera.clone().unwrap_or_default(),
        choices: cameras::choices(site, &report).await,
        has_picture: cameras::has_picture(site, &report),
        has_password: !site.auth.is_open(),
        line: lines.first().map(|line| line.draft.name.clone()).unwrap_or_default(),
        crossings: tallies.iter().map(|tally| tally.count_in + tally.count_out).sum(),
        head: data_counting::head_with(request, &report),
        typed: request.returned.as_ref().and_then(|form| form.get("name")).map(str::to_owned),
        refused: request.refused().map(data_settings::refusal),
    }
}
