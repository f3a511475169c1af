//! The pages, what their forms send, and the embedded files they refer to. A form that is carried out
//! leads back to its page (303); one that is not gets the page again, with what was typed and why.

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LOCATION,
    RETRY_AFTER,
};
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::audit::{Note, noted};
use crate::http::body::Body;
use crate::http::client::Who;
use crate::http::handler::Request;
use crate::http::lines::{anchor, new_scene, recrossing};
use crate::http::model::Shelf;
use crate::http::problem::Problem;
use crate::http::query::Query;
use crate::http::reply::no_store;
use crate::http::site::Site;
use crate::http::state::StateReport;
use crate::http::{facts, facts_media, model, page_hands, reply, wire};
use crate::store::{EditError, LineDraft, StoreError};
use crate::ui::{self, Asset, ChosenLine, LineAction, LineForm, LinesPage, LivePage, ModelsPage, Refusal};

/// Nothing from elsewhere, nothing inline; pictures may be kept by the script as data.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; script-src 'self'; \
    worker-src 'self'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// `GET /`.
pub async fn live(request: Request) -> Response<Body> {
    html(ui::live_page(&live_page(&request.site, &request.who).await))
}

async fn live_page(site: &Site, who: &Who) -> LivePage {
    LivePage {
        counting: facts::live(site, who).await,
        keeping: facts_media::live(site, who).await,
        hands: page_hands::live(site, who).await,
        is_counts_only: site.is_counts_only(),
        ..StateReport::of(site, who).page()
    }
}

/// The live page, with why something under its picture was not carried out.
pub async fn live_with(site: &Site, who: &Who, problem: Problem) -> Result<Response<Body>, Problem> {
    let mut page = live_page(site, who).await;
    let Some(keeping) = &mut page.keeping else { return Err(problem) };
    keeping.said = said(&problem);
    Ok(again(&problem, ui::live_page(&page)))
}

/// The same, of something beside it.
pub async fn live_with_hands(site: &Site, who: &Who, problem: Problem) -> Result<Response<Body>, Problem> {
    let mut page = live_page(site, who).await;
    page.hands.said = said(&problem);
    Ok(again(&problem, ui::live_page(&page)))
}

/// What went wrong and what to do about it, in one line.
fn said(problem: &Problem) -> String {
    let hint = problem.hint.as_ref().map(|hint| format!(": {hint}"));
    problem.detail.clone() + &hint.unwrap_or_default()
}

/// `GET /lines`.
pub async fn lines(request: Request) -> Result<Response<Body>, Problem> {
    let chosen = ChosenLine::of(request.query.get("line"));
    Ok(html(ui::lines_page(&lines_page(&request.site, &request.who, chosen)?)))
}

/// `POST /lines`, from the page's form: back to the page, or the page again with what was typed.
pub async fn post_line(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let form = LineForm::of(form(&request).pairs());
    let problem = match save_line(site, &form).await {
        Ok(saved) => {
            let verb = match (form.action, form.id) {
                (LineAction::Save, None) => "added",
                (LineAction::Save, Some(_)) => "changed",
                (LineAction::Delete, _) => "removed",
            };
            let place = saved.map_or_else(|| String::from("lines"), |id| format!("lines?line={id}"));
            return Ok(noted(see(&place), Note::Did(format!("{verb} line {}", form.name))));
        }
        Err(problem) => problem,
    };
    let chosen = form.id.map_or(ChosenLine::New, ChosenLine::Number);
    let mut page = lines_page(site, &request.who, chosen)?;
    page.refused = Some((form, facts::refusal(&problem)));
    Ok(again(&problem, ui::lines_page(&page)))
}

/// Carries out what the form wants; gives the number of the line that is there afterwards.
async fn save_line(site: &Site, form: &LineForm) -> Result<Option<u64>, Problem> {
    let counts = site.counting.as_ref().and_then(|counting| counting.counts().ok());
    let Some(counts) = counts else { return Err(EditError::from(StoreError::Busy).into()) };
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

/// The form has tenths of a per cent: an end that nobody has moved stays to the last digit where it is.
fn as_it_was(typed: [f64; 2], known: [f64; 2]) -> [f64; 2] {
    let is_same = (0..2).all(|axis| (typed[axis] - known[axis]).abs() < 0.000_51);
    if is_same { known } else { typed }
}

fn lines_page(site: &Site, who: &Who, chosen: ChosenLine) -> Result<LinesPage, Problem> {
    let (counting, counts) = (site.counting()?, site.counts()?);
    let report = StateReport::of(site, who);
    Ok(LinesPage {
        head: facts::head(&report),
        clock: site.clock(),
        lines: facts::lines(counts, who),
        tallies: facts::tallies(counts),
        chosen,
        size: report.width.zip(report.height),
        counting: facts::counting(&counting.status(), who),
        is_counts_only: site.is_counts_only(),
        refused: None,
    })
}

/// `GET /counts`.
pub async fn counts(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::counts_page(&facts::counts_page(&request, None).await?)))
}

/// `POST /counts?do=reset`, from the page's form: a line, or all of them, begins again at zero.
pub async fn post_counts(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    if request.query.get("do") != Some("reset") {
        return Err(nothing_to_do());
    }
    let line = form(&request).whole("line", 1..=u64::MAX)?;
    match counts.reset(line).await {
        Ok(_) => Ok(see("counts")),
        Err(error) => {
            let problem = Problem::from(error);
            let page = facts::counts_page(&request, Some(facts::refusal(&problem))).await?;
            Ok(again(&problem, ui::counts_page(&page)))
        }
    }
}

/// `GET /models`.
pub async fn models(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html(ui::models_page(&models_page(&request.site, &request.who, None).await?)))
}

/// `POST /models?do=use` and `POST /models?do=fetch`, from the page's forms.
pub async fn post_models(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    site.counting()?;
    let name = form(&request).get("name").unwrap_or_default().trim().to_owned();
    let done = match request.query.get("do") {
        Some("use") => model::choose(site, Some(name).filter(|name| !name.is_empty())).await,
        Some("fetch") => model::fetch_model(site, name).await,
        _ => return Err(nothing_to_do()),
    };
    match done {
        Ok(()) => Ok(see("models")),
        Err(problem) => {
            let page = models_page(site, &request.who, Some(facts::refusal(&problem))).await?;
            Ok(again(&problem, ui::models_page(&page)))
        }
    }
}

async fn models_page(site: &Site, who: &Who, refused: Option<Refusal>) -> Result<ModelsPage, Problem> {
    let shelf = wire::told(who, Shelf::of(site).await?);
    Ok(ModelsPage {
        head: facts::head(&StateReport::of(site, who)),
        counting: facts::counting(&shelf.status, who),
        chosen: shelf.chosen,
        pinned: shelf.pinned,
        found: shelf.found,
        catalogue: shelf.catalogue,
        refused,
    })
}

pub fn nothing_to_do() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the form does not say what to do")
}

/// The fields of a page's form.
pub fn form(request: &Request) -> Query {
    Query::parse(&String::from_utf8_lossy(&request.body))
}

/// Back to `place`, relative to the page, with a GET.
pub fn see(place: &str) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The page again, with what went wrong.
pub fn again(problem: &Problem, page: String) -> Response<Body> {
    let mut response = html(page);
    *response.status_mut() = problem.status;
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

pub fn html(page: String) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(page)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// `GET /favicon.ico`: the icon; its media type says what it is.
pub async fn favicon(request: Request) -> Response<Body> {
    match ui::asset("icon.svg") {
        Some(icon) => asset(icon, &request.headers),
        None => {
            let mut response = Response::new(Body::full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// An embedded file. Browsers ask each time whether it is still the same, which costs no bytes.
pub fn asset(asset: &'static Asset, asked: &HeaderMap) -> Response<Body> {
    let mut response = reply::fixed(asset.content_type, asset.body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, HeaderValue::from_static(asset.etag));
    if is_known(asked, asset.etag) {
        headers.remove(CONTENT_TYPE);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::full("");
    }
    response
}

/// Whether `If-None-Match` names `etag` (RFC 9110 §13.1.2, weak comparison).
fn is_known(asked: &HeaderMap, etag: &str) -> bool {
    let tags = asked.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|list| list.split(','))
        .map(|tag| tag.trim())
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// `GET /robots.txt`: a camera is nothing for search engines.
pub async fn robots(_: Request) -> Response<Body> {
    reply::fixed(reply::TEXT, "User-agent: *\nDisallow: /\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_again_says_when_to_try_again() {
        let soon = Problem::from(crate::http::client::Denied::TooSoon(std::time::Duration::from_secs(41)));
        let response = again(&soon, String::new());
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get("retry-after").and_then(|it| it.to_str().ok()), Some("42"));
        assert_eq!(soon.hint.as_deref(), Some("try again in 42 seconds"), "for people, too");
        let wrong = again(&Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no"), String::new());
        assert_eq!(wrong.headers().get("retry-after"), None);
    }
}
