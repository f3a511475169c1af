//! The page of the first start.

use hyper::Response;

use crate::config::kind;
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::pages::{cameras, data_counting, data_settings};
use crate::http::preferences::PreferenceChanges;
use crate::http::report::state::StateReport;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::ui::{self, WelcomePage};

/// The key in the database that says the first start is finished.
const KEY: &str = "first_start_done";

/// Whether the first start is not finished yet.
pub fn is_new(site: &Site) -> bool {
    let counts = site.counting.as_ref().and_then(|counting| counting.counts().ok());
    counts.is_some_and(|counts| counts.setting(KEY).is_none())
}

/// `GET /welcome`.
pub async fn welcome(request: Request) -> Response<Body> {
    html(ui::welcome_page(&page(&request).await))
}

/// `POST /welcome`, from the page's forms: `name` sets the camera's name, `do=done` ends it for good.
pub async fn post_welcome(request: Request) -> Result<Response<Body>, Problem> {
    let fields = form(&request);
    if fields.get("do") == Some("done") {
        request.site.counts()?.set_setting(KEY, Some(String::from("1"))).await?;
        return Ok(see("./"));
    }
    let name = fields.get("name").ok_or_else(nothing_to_do)?;
    let change = (String::from("name"), Some(kind::quoted(name.trim())));
    match data_settings::change(&request.site, PreferenceChanges::from([change])).await {
        Ok(()) => Ok(see("welcome")),
        Err(problem) => {
            let page = WelcomePage {
                typed: Some(name.to_owned()),
                refused: Some(data_settings::refusal(&problem)),
                ..page(&request).await
            };
            Ok(again(&problem, ui::welcome_page(&page)))
        }
    }
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
        head: data_counting::head(&report),
        typed: None,
        refused: None,
    }
}
