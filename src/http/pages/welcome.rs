//! The page of the first start.

use hyper::Response;

use crate::http::pages::{cameras, data_counting};
use crate::http::report::set_up;
use crate::http::report::state::StateReport;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::http::site::html::html;
use crate::ui::{self, WelcomePage};

/// `GET /welcome`.
pub async fn welcome(request: Request) -> Response<Body> {
    html(ui::welcome_page(&page(&request).await))
}

/// `POST /api/v1/welcome/done`: ends the first start, to which the pages then no longer lead.
pub async fn finish(request: Request) -> Result<Response<Body>, Problem> {
    request.site.counts()?.set_setting(set_up::ENDED, Some(String::from("1"))).await?;
    Ok(reply::no_content())
}

async fn page(request: &Request) -> WelcomePage {
    let site = &request.site;
    let report = StateReport::of(site, &request.who);
    let lines = site.counts().map(|counts| data_counting::lines(counts, &request.who)).unwrap_or_default();
    WelcomePage {
        camera: report.camera.clone().unwrap_or_default(),
        choices: cameras::choices(site, &report).await,
        has_picture: cameras::has_picture(site, &report),
        steps: set_up::steps(site, &report),
        line: lines
            .iter()
            .find(|line| !line.is_given())
            .map(|line| line.draft.name.clone())
            .unwrap_or_default(),
        head: data_counting::head_with(request, &report),
        typed: request.returned.as_ref().and_then(|form| form.get("name")).map(str::to_owned),
        refused: request.refused(),
    }
}
