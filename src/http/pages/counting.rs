//! The live page and the pages of counting.

use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

use crate::http::api::counting::checks::badges;
use crate::http::api::counting::model::ModelList;
use crate::http::auth::caller::Who;
use crate::http::pages::{data_counting, data_crossings, data_media, live_controls, machine};
use crate::http::report::set_up;
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::forms;
use crate::http::site::handler::Request;
use crate::http::site::html::{again, html, see};
use crate::ui::{
    self, ChosenShape, CountingReport, LinesPage, LivePage, MaskNow, ModelsPage, RefusalReason, ReturnedForm,
    ShapeForm,
};

/// `GET /`.
pub async fn live(request: Request) -> Response<Body> {
    let mut page = live_page(&request.site, &request.who).await;
    if let Some(recording) = &mut page.recording {
        let stored = request.query.get("stored");
        recording.stored = stored.and_then(|id| id.parse().ok());
        if stored == Some("none") {
            recording.said = String::from("No frame arrived: nothing is saved.");
        }
    }
    if let Some(form) = &request.returned {
        let is_of = |own: &[&str]| own.iter().any(|own| form.action.starts_with(own));
        let controls = &mut page.controls;
        *match &mut page.recording {
            Some(recording) if is_of(&["api/v1/snapshots", "api/v1/recording"]) => &mut recording.said,
            _ if is_of(&["api/v1/light"]) => &mut controls.light_said,
            _ if is_of(&["api/v1/lens"]) => &mut controls.lens_said,
            _ => &mut controls.said,
        } = form.said();
    }
    page.returned.clone_from(&request.returned);
    page.alerts = data_counting::alerts(&request, &page.alerts);
    machine::look_for_neighbours(&request.site);
    html(ui::live_page(&page))
}

async fn live_page(site: &Site, who: &Who) -> LivePage {
    let report = StateReport::of(site, who);
    LivePage {
        counting: data_counting::live(site, who).await,
        recording: data_media::live(site).await,
        controls: live_controls::live(site, who).await,
        is_counts_only: site.is_counts_only(),
        set_up: set_up::unfinished(site, &report),
        ..report.page()
    }
}

/// The page in place of one that cannot be made.
pub fn problem(site: &Site, who: &Who, problem: &Problem) -> Response<Body> {
    let head = data_counting::head_of(&StateReport::of(site, who));
    again(problem, ui::problem_page(&head, &forms::refusal(problem)))
}

/// `GET /lines`.
pub async fn lines(request: Request) -> Result<Response<Body>, Problem> {
    let get = |name| request.query.get(name);
    let chosen = ChosenShape::parse(get("line"), get("zone"), get("mask"));
    let checks = badges(&request.site, &request.who).await;
    Ok(html(ui::lines_page(&LinesPage { checks, ..lines_page(&request, chosen)? })))
}

/// `GET /zones`: redirects to the lines page, where zones are drawn.
pub async fn zones(_: Request) -> Response<Body> {
    see("lines")
}

fn lines_page(request: &Request, chosen: ChosenShape) -> Result<LinesPage, Problem> {
    let (site, who) = (&request.site, &request.who);
    let (counting, counts) = (site.counting()?, site.counts()?);
    let report = StateReport::of(site, who);
    let lines = data_counting::lines(counts, who);
    let zones = data_counting::zones(counting, counts, who);
    let mask = mask(site, who);
    let shape = |form: &ReturnedForm, refused: &RefusalReason| {
        let of_line = lines.iter().find(|line| Some(line.id) == form.id()).map(|line| line.version);
        let of_zone = zones.iter().find(|zone| Some(zone.row.id) == form.id()).map(|zone| zone.row.version);
        let current = match form.action.as_str() {
            action if action.contains("/zones") => of_zone,
            action if action.contains("/masks") => Some(mask.version),
            _ => of_line,
        };
        ShapeForm::returned(form, if refused.is_stale { current } else { form.version.parse().ok() })
    };
    let refused =
        request.returned.as_ref().and_then(|form| form.refusal.clone().map(|why| (shape(form, &why), why)));
    Ok(LinesPage {
        head: data_counting::head_with(request, &report),
        clock: site.clock(),
        lines,
        zones,
        tallies: data_counting::tallies(counts),
        checks: Vec::new(),
        mask,
        chosen,
        size: report.width.zip(report.height),
        counting: data_counting::counting(&counting.status(), who),
        is_counts_only: site.is_counts_only(),
        refused,
    })
}

/// The privacy mask on the shown picture, for readers who may see settings.
fn mask(site: &Site, who: &Who) -> MaskNow {
    let Some(in_force) = site.preferences().ok().filter(|_| who.sees_internals()).map(|own| own.in_force())
    else {
        return MaskNow::default();
    };
    let shown = site.pipeline.view().borrow().geometry();
    let on_shown = |area: &Vec<[f64; 2]>| area.iter().map(|corner| shown.from_source(*corner)).collect();
    MaskNow {
        areas: in_force.resolved.config.privacy.mask.iter().map(on_shown).collect(),
        version: in_force.version,
        pinned: site.pinned("privacy.mask"),
    }
}

/// `GET /counts`.
pub async fn counts(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::counts_page(&data_counting::counts_page(&request).await?)))
}

/// `GET /crossings`: the crossings of a day, or between `from` and `to`.
pub async fn crossings(request: Request) -> Result<Response<Body>, Problem> {
    match data_crossings::crossings_page(&request).await? {
        Some(page) => Ok(html(ui::crossings_page(&page))),
        None => {
            let line = request.query.get("line").unwrap_or_default();
            Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no line {line}")))
        }
    }
}

/// `GET /checks`: all checks, or one.
pub async fn checks(request: Request) -> Result<Response<Body>, Problem> {
    let Some(id) = request.query.whole("id", 1..=u64::MAX)? else {
        return Ok(html(ui::checks_page(&data_crossings::checks_page(&request).await?)));
    };
    let page = data_crossings::check_page(&request, id).await?;
    let mut answer = html(ui::check_page(&page));
    if page.check.trial.is_some() && request.returned.is_none() {
        answer.headers_mut().insert(HeaderName::from_static("refresh"), HeaderValue::from_static("3"));
    }
    Ok(answer)
}

/// `GET /check`: the page for tapping.
pub async fn check(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::taps_page(&data_crossings::taps_page(&request).await?)))
}

/// `GET /models`.
pub async fn models(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::models_page(&models_page(&request).await?)))
}

async fn models_page(request: &Request) -> Result<ModelsPage, Problem> {
    let (site, who) = (&request.site, &request.who);
    let model_store = wire::redacted_for(who, ModelList::of(site).await?);
    Ok(ModelsPage {
        head: data_counting::head(request),
        counting: CountingReport {
            pinned: site.pinned("detect.backend"),
            ..data_counting::counting(&model_store.status, who)
        },
        chosen: model_store.chosen,
        pinned: model_store.pinned,
        found: model_store.found,
        catalogue: model_store.catalogue,
        refused: request.refused(),
    })
}
