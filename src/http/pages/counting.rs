//! The pages, what their forms send, and the embedded files they refer to. A form that is carried out
//! leads back to its page (303); one that is not gets the page again, with what was typed and why.

use hyper::{Response, StatusCode};

use crate::http::api::counting::lines::{anchor, new_scene, recrossing};
use crate::http::api::counting::model;
use crate::http::api::counting::model::ModelList;
use crate::http::auth::audit::{AuditNote, UNDID_RESET, noted};
use crate::http::auth::caller::Who;
use crate::http::pages::html::{again, form, html, nothing_to_do, see};
use crate::http::pages::{data_counting, data_media, live_controls, welcome};
use crate::http::report::state::StateReport;
use crate::http::report::wire;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::store::{Counts, EditError, LineDraft, StoreError, ZoneDraft};
use crate::ui::{
    self, ChosenShape, LineAction, LineForm, LinesPage, LivePage, ModelsPage, RefusalReason, ShapeForm,
    ZoneForm,
};

/// `GET /`.
pub async fn live(request: Request) -> Response<Body> {
    let mut page = live_page(&request.site, &request.who).await;
    if let Some(recording) = &mut page.recording {
        recording.stored = request.query.get("stored").and_then(|id| id.parse().ok());
    }
    html(ui::live_page(&page))
}

async fn live_page(site: &Site, who: &Who) -> LivePage {
    LivePage {
        counting: data_counting::live(site, who).await,
        recording: data_media::live(site).await,
        controls: live_controls::live(site, who).await,
        is_counts_only: site.is_counts_only(),
        is_new: welcome::is_new(site),
        ..StateReport::of(site, who).page()
    }
}

/// The live page, with why something under its picture was not carried out.
pub async fn live_with(site: &Site, who: &Who, problem: Problem) -> Result<Response<Body>, Problem> {
    let mut page = live_page(site, who).await;
    let Some(recording) = &mut page.recording else { return Err(problem) };
    recording.said = said(&problem);
    Ok(again(&problem, ui::live_page(&page)))
}

/// The same, of something beside it.
pub async fn live_with_controls(site: &Site, who: &Who, problem: Problem) -> Result<Response<Body>, Problem> {
    let mut page = live_page(site, who).await;
    page.controls.said = said(&problem);
    Ok(again(&problem, ui::live_page(&page)))
}

/// The page in place of one that cannot be made.
pub fn problem(site: &Site, who: &Who, problem: &Problem) -> Response<Body> {
    let head = data_counting::head(&StateReport::of(site, who));
    again(problem, ui::problem_page(&head, &data_counting::refusal(problem)))
}

/// What went wrong and what to do about it, in one line.
fn said(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!(": {hint}"));
    problem.detail.clone() + &hint.unwrap_or_default()
}

/// `GET /lines`.
pub async fn lines(request: Request) -> Result<Response<Body>, Problem> {
    let chosen = ChosenShape::parse(request.query.get("line"), request.query.get("zone"));
    Ok(html(ui::lines_page(&lines_page(&request.site, &request.who, chosen)?)))
}

/// `POST /lines`, from the page's form: back to the page, or the page again with what was typed.
pub async fn post_line(request: Request) -> Result<Response<Body>, Problem> {
    let form = LineForm::from_fields(form(&request).pairs());
    let saved = save_line(&request.site, &form).await;
    let change = format!("{} line {}", verb(form.action, form.id), form.name);
    let chosen = form.id.map_or(ChosenShape::NewLine, ChosenShape::Line);
    answer(&request, saved, ("line", change), chosen, ShapeForm::Line(form))
}

/// `POST /zones`, likewise.
pub async fn post_zone(request: Request) -> Result<Response<Body>, Problem> {
    let form = ZoneForm::from_fields(form(&request).pairs());
    let saved = save_zone(&request.site, &form).await;
    let change = format!("{} zone {}", verb(form.action, form.id), form.name);
    let chosen = form.id.map_or(ChosenShape::NewZone, ChosenShape::Zone);
    answer(&request, saved, ("zone", change), chosen, ShapeForm::Zone(form))
}

/// What has been done, for the audit list.
fn verb(action: LineAction, id: Option<u64>) -> &'static str {
    match (action, id) {
        (LineAction::Save, None) => "added",
        (LineAction::Save, Some(_)) => "changed",
        (LineAction::Delete, _) => "removed",
    }
}

/// Redirects to what was saved, with `change` for the audit list; or the page again.
fn answer(
    request: &Request,
    saved: Result<Option<u64>, Problem>,
    (kind, change): (&str, String),
    chosen: ChosenShape,
    form: ShapeForm,
) -> Result<Response<Body>, Problem> {
    let problem = match saved {
        Ok(saved) => {
            let place = saved.map_or_else(|| String::from("lines"), |id| format!("lines?{kind}={id}"));
            return Ok(noted(see(&place), AuditNote::Did(change)));
        }
        Err(problem) => problem,
    };
    let mut page = lines_page(&request.site, &request.who, chosen)?;
    page.refused = Some((form, data_counting::refusal(&problem)));
    Ok(again(&problem, ui::lines_page(&page)))
}

/// `GET /zones`: they are drawn on the page of the lines.
pub async fn zones(_: Request) -> Response<Body> {
    see("lines")
}

/// Carries out what the form wants; gives the number of the line that is there afterwards.
async fn save_line(site: &Site, form: &LineForm) -> Result<Option<u64>, Problem> {
    let counts = writable(site)?;
    let draft = || -> Result<LineDraft, EditError> {
        Ok(LineDraft {
            name: form.name.clone(),
            a: form.a,
            b: form.b,
            in_name: form.in_name.clone(),
            out_name: form.out_name.clone(),
            classes: form.classes.clone(),
            anchor: anchor(Some(&form.anchor), None)?,
            recrossing: recrossing(Some(&form.recrossing), None)?,
        })
    };
    Ok(match (form.action, form.id) {
        (LineAction::Save, None) => {
            let draft = draft()?;
            Some(counts.add_line(new_scene(site).await?, draft).await?.id)
        }
        (LineAction::Save, Some(id)) => {
            let mut draft = draft()?;
            let known = counts.lines().borrow().iter().find(|row| row.id == id).cloned();
            if let Some(known) = known {
                (draft.a, draft.b) = (as_it_was(draft.a, known.draft.a), as_it_was(draft.b, known.draft.b));
            }
            Some(counts.change_line(id, form.version, draft).await?.id)
        }
        (LineAction::Delete, Some(id)) => {
            counts.delete_line(id, form.version).await?;
            None
        }
        (LineAction::Delete, None) => None,
    })
}

/// The same of a zone.
async fn save_zone(site: &Site, form: &ZoneForm) -> Result<Option<u64>, Problem> {
    let counts = writable(site)?;
    let draft = || -> Result<ZoneDraft, EditError> {
        Ok(ZoneDraft {
            name: form.name.clone(),
            points: form.points.clone(),
            classes: form.classes.clone(),
            anchor: anchor(Some(&form.anchor), None)?,
            exclude: form.exclude,
        })
    };
    Ok(match (form.action, form.id) {
        (LineAction::Save, None) => {
            let draft = draft()?;
            Some(counts.add_zone(new_scene(site).await?, draft).await?.id)
        }
        (LineAction::Save, Some(id)) => {
            let mut draft = draft()?;
            let known = counts.zones().borrow().iter().find(|row| row.id == id).cloned();
            if let Some(known) = known.filter(|known| known.draft.points.len() == draft.points.len()) {
                for (typed, known) in draft.points.iter_mut().zip(known.draft.points) {
                    *typed = as_it_was(*typed, known);
                }
            }
            Some(counts.change_zone(id, form.version, draft).await?.id)
        }
        (LineAction::Delete, Some(id)) => {
            counts.delete_zone(id, form.version).await?;
            None
        }
        (LineAction::Delete, None) => None,
    })
}

/// counts.db, to draw in.
fn writable(site: &Site) -> Result<&Counts, Problem> {
    let counts = site.counting.as_ref().and_then(|counting| counting.counts().ok());
    counts.ok_or_else(|| EditError::from(StoreError::Busy).into())
}

/// The form has tenths of a per cent: an end that nobody has moved stays to the last digit where it is.
fn as_it_was(typed: [f64; 2], known: [f64; 2]) -> [f64; 2] {
    let is_same = (0..2).all(|axis| (typed[axis] - known[axis]).abs() < 0.000_51);
    if is_same { known } else { typed }
}

fn lines_page(site: &Site, who: &Who, chosen: ChosenShape) -> Result<LinesPage, Problem> {
    let (counting, counts) = (site.counting()?, site.counts()?);
    let report = StateReport::of(site, who);
    Ok(LinesPage {
        head: data_counting::head(&report),
        clock: site.clock(),
        lines: data_counting::lines(counts, who),
        zones: data_counting::zones(counting, counts, who),
        tallies: data_counting::tallies(counts),
        chosen,
        size: report.width.zip(report.height),
        counting: data_counting::counting(&counting.status(), who),
        is_counts_only: site.is_counts_only(),
        refused: None,
    })
}

/// `GET /counts`.
pub async fn counts(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::counts_page(&data_counting::counts_page(&request, None).await?)))
}

/// `GET /crossings?line=N`: a line crossing by crossing, of the last hour or between `from` and `to`.
pub async fn crossings(request: Request) -> Result<Response<Body>, Problem> {
    let line = request.query.whole("line", 1..=u64::MAX)?.unwrap_or(0);
    match data_counting::crossings_page(&request, line).await? {
        Some(page) => Ok(html(ui::crossings_page(&page))),
        None => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no line {line}"))),
    }
}

/// `POST /counts?do=reset`, from the page's form: a line, or all of them, begins again at zero; and `?do=undo`, which takes
/// that back.
pub async fn post_counts(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let done = match request.query.get("do") {
        Some("reset") => counts.reset(form(&request).whole("line", 1..=u64::MAX)?).await.map(drop),
        Some("undo") => counts.undo_reset(form(&request).whole("reset", 1..=u64::MAX)?.unwrap_or(0)).await,
        _ => return Err(nothing_to_do()),
    };
    match done {
        Ok(()) if request.query.get("do") == Some("undo") => {
            Ok(noted(see("counts#zero"), AuditNote::Did(String::from(UNDID_RESET))))
        }
        Ok(()) => Ok(see("counts#zero")),
        Err(error) => {
            let problem = Problem::from(error);
            let page = data_counting::counts_page(&request, Some(data_counting::refusal(&problem))).await?;
            Ok(again(&problem, ui::counts_page(&page)))
        }
    }
}

/// `GET /models`.
pub async fn models(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::models_page(&models_page(&request.site, &request.who, None).await?)))
}

/// `POST /models?do=use`, `fetch` and `motion`, from the page's forms and the banner's.
pub async fn post_models(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    site.counting()?;
    let name = form(&request).get("name").unwrap_or_default().trim().to_owned();
    let done = match request.query.get("do") {
        Some("use") => model::choose(site, Some(name).filter(|name| !name.is_empty())).await,
        Some("fetch") => model::fetch_model(site, name).await,
        Some("motion") => model::count_by_motion(site).await,
        _ => return Err(nothing_to_do()),
    };
    match done {
        Ok(()) => Ok(see("models")),
        Err(problem) => {
            let page = models_page(site, &request.who, Some(data_counting::refusal(&problem))).await?;
            Ok(again(&problem, ui::models_page(&page)))
        }
    }
}

async fn models_page(site: &Site, who: &Who, refused: Option<RefusalReason>) -> Result<ModelsPage, Problem> {
    let model_store = wire::redacted_for(who, ModelList::of(site).await?);
    Ok(ModelsPage {
        head: data_counting::head(&StateReport::of(site, who)),
        counting: data_counting::counting(&model_store.status, who),
        chosen: model_store.chosen,
        pinned: model_store.pinned,
        found: model_store.found,
        catalogue: model_store.catalogue,
        refused,
    })
}
