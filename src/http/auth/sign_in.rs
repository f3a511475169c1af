//! Signing in and out: the pages, and what is said of the password itself.

use std::rc::Rc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::header::{ORIGIN, USER_AGENT};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};
use serde::Serialize;

use crate::access::{ADMIN, Access, AccessError, AccessGuard, Person, Role, VIEWER, random_password};
use crate::base::clock;
use crate::http::auth::audit;
use crate::http::auth::authenticate::{fit_password, with_cookie};
use crate::http::auth::caller::{AuthError, Caller, Who};
use crate::http::auth::way::{next, sign_in_for, up_from};
use crate::http::forms::{self, FormPost};
use crate::http::pages::{data_counting, html};
use crate::http::preferences::{PreferenceChanges, Terms};
use crate::http::report::wire;
use crate::http::request::body_fields::{FieldError, Fields};
use crate::http::request::handler::{Found, Request, Route, Tag, find};
use crate::http::request::json_body::PayloadError;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::reply;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::server::https::HttpsReport;
use crate::http::site::Site;
use crate::store::AuditEntry;
use crate::ui::{self, AccessPage, RefusalReason, SignInPage};

/// `GET /sign-in`.
pub async fn show(request: Request) -> Response<Body> {
    if request.site.auth.is_unclaimed() {
        return html::see("claim");
    }
    html::html(ui::sign_in_page(&sign_in_page(
        &request,
        next(request.table, request.query.get("next")),
        request.refused(),
    )))
}

/// `POST /sign-in`, from the page's form: on to where one came from, with a cookie; or the page again.
pub async fn sign_in(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let form = html::form(&request);
    let next = next(request.table, form.get("next"));
    if form.get("again").is_some() {
        return change_password(&request, &form, next).await;
    }
    if site.auth.is_open() {
        return Ok(html::see(&next));
    }
    let field = |name: &str| form.get(name).unwrap_or_default().to_owned();
    let name = field("name").trim().to_owned();
    let denied = match site.auth.prove(request.caller(), name.clone(), field("password")).await {
        Ok(person) => {
            let cookie = site.auth.begin(request.caller(), person.clone(), site.settings().session).await?;
            let kept = show_kept(request, form.get("kept").unwrap_or_default(), Who::Person(person)).await;
            return Ok(with_cookie(kept.unwrap_or_else(|| html::see(&next)), Some(cookie)));
        }
        Err(denied) => denied,
    };
    let is_wrong = denied == AuthError::Wrong;
    let mut problem = Problem::from(denied);
    if is_wrong {
        // 401 would have to ask for Basic.
        problem.status = StatusCode::UNPROCESSABLE_ENTITY;
        problem = problem.wrong_secret("password", "the one that belongs to the name");
    }
    let refusal = data_counting::refusal(&problem);
    let kept = form.get("kept").unwrap_or_default().to_owned();
    let page = SignInPage { name, kept, ..sign_in_page(&request, next, Some(refusal)) };
    Ok(html::again(&problem, ui::sign_in_page(&page)))
}

/// The page of a form that was kept while its reader signed in, with what was typed.
async fn show_kept(request: Request, kept: &str, who: Who) -> Option<Response<Body>> {
    let fields = Query::parse(kept);
    let form = FormPost::read(request.table, &fields).ok()??;
    let problem =
        Problem::new(StatusCode::OK, "you were signed out, and nothing was changed").hint("send it again");
    let (uri, mut returned) = form.returned(&format!("/{}", fields.get("_action")?), Some(&problem))?;
    returned.base = returned.base.trim_start_matches("../").to_owned();
    let Ok(Found::Route(route, _)) = find(request.table, &Method::GET, uri.path()) else { return None };
    if !who.has(route.right, request.site.is_view_open()) {
        return None;
    }
    let query = Query::parse(uri.query().unwrap_or_default());
    let (method, returned) = (Method::GET, Some(Rc::new(returned)));
    let page = (route.handler)(Request { method, uri, query, who, returned, ..request }).await.ok()?;
    Some(forms::in_place_of(&Err(problem), page))
}

/// Where a signed link leads to a page: to that page without it, with a session that ends when the link does.
pub async fn follow(site: &Site, caller: Caller<'_>, until_s: u64) -> Result<Response<Body>, Problem> {
    let left = Duration::from_secs(until_s.saturating_sub(clock::wall_s()));
    let guest = Person { name: String::new(), role: Role::Guest };
    let cookie = site.auth.begin(caller, guest, left).await?;
    let path = caller.uri.path().trim_start_matches('/');
    Ok(with_cookie(html::see(if path.is_empty() { "./" } else { path }), Some(cookie)))
}

/// `POST /sign-out`, from a form.
pub async fn sign_out(request: Request) -> Response<Body> {
    let cookie = request.site.auth.end(request.caller()).await;
    with_cookie(html::see("sign-in"), cookie)
}

/// Sets another password for whoever has signed in, from the form of a page, signs them in again, and lets an admin
/// say who may watch; on to `next`, or the page again.
async fn change_password(request: &Request, form: &Query, next: String) -> Result<Response<Body>, Problem> {
    let mut cookie = None;
    let done = async {
        let (role, own) = set_own(request, form).await?;
        cookie = Some(own);
        let row = audit::change(request.caller(), &request.who, request.uri.path());
        request.site.audit.keep(AuditEntry { what: String::from("changed the password"), ..row });
        match form.get("view").filter(|_| role == Role::Admin) {
            Some(word) => set_view(&request.site, word).await,
            None => Ok(()),
        }
    };
    let done = done.await;
    let response = match done {
        Ok(()) => html::see(&next),
        Err(problem) => {
            let refused = Some(data_counting::refusal(&problem));
            let page = match next.starts_with("access") {
                true => ui::access_page(&access_page(request, refused)?),
                false => ui::sign_in_page(&sign_in_page(request, next, refused)),
            };
            html::again(&problem, page)
        }
    };
    // A password that was set is set, whatever became of the rest.
    Ok(with_cookie(response, cookie))
}

/// `GET /claim`: asks for the first password, where nobody has chosen one; else on to where one signs in.
pub async fn show_claim(request: Request) -> Result<Response<Body>, Problem> {
    if !request.site.auth.is_unclaimed() {
        return Ok(html::see("sign-in"));
    }
    Ok(html::html(ui::claim_page(&access_page(&request, None)?)))
}

/// `POST /claim`, from the page's form: `password` and `again` are the first password, `view` who may watch. On to the
/// live page, signed in.
pub async fn post_claim(request: Request) -> Result<Response<Body>, Problem> {
    if !request.site.auth.is_unclaimed() {
        return Ok(html::see("sign-in"));
    }
    let form = html::form(&request);
    let cookie = match claim(&request, &form).await {
        Ok(cookie) => cookie,
        Err(problem) => {
            let page = access_page(&request, Some(data_counting::refusal(&problem)))?;
            return Ok(html::again(&problem, ui::claim_page(&page)));
        }
    };
    let view = match form.get("view") {
        Some(word) => set_view(&request.site, word).await,
        None => Ok(()),
    };
    // The password is set whatever became of that; the page says who may watch.
    let next = if view.is_ok() { "./" } else { "access" };
    Ok(with_cookie(html::see(next), Some(cookie)))
}

async fn claim(request: &Request, form: &Query) -> Result<HeaderValue, Problem> {
    if !request.caller().is_near(request.link.own_address()) {
        let detail = "the first password is chosen on the camera's own network";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail)
            .hint("`tallycam password set` on its machine sets one, too"));
    }
    let password = repeated(form)?;
    change(access(request)?, move |access| access.claim(&password)).await?;
    log::info!("the first password was chosen from {}", request.link.peer());
    let admin = Person { name: String::from(ADMIN), role: Role::Admin };
    request.site.auth.begin(request.caller(), admin, request.site.settings().session).await
}

/// The new password of a form, which has it twice.
fn repeated(form: &Query) -> Result<String, Problem> {
    let field = |name: &str| form.get(name).unwrap_or_default().to_owned();
    if field("password") != field("again") {
        let detail = "the new password and its repetition are not the same";
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            .wrong_secret("again", "the new password once more"));
    }
    Ok(field("password"))
}

/// `GET /access`.
pub async fn show_access(request: Request) -> Result<Response<Body>, Problem> {
    Ok(html::html(ui::access_page(&access_page(&request, request.refused())?)))
}

/// Makes `word` who may watch, if it is another one.
async fn set_view(site: &Site, word: &str) -> Result<(), Problem> {
    let wanted = [("open", true), ("password", false)].into_iter().find(|(known, _)| *known == word);
    let (_, is_open) = wanted.ok_or_else(html::nothing_to_do)?;
    if is_open != site.settings().is_view_open {
        let change = (String::from(VIEW), Some(format!("\"{word}\"")));
        site.preferences()?.change(PreferenceChanges::from([change]), Terms::default()).await?;
    }
    Ok(())
}

/// The setting of who may watch.
const VIEW: &str = "access.view";

fn access_page(request: &Request, refused: Option<RefusalReason>) -> Result<AccessPage, Problem> {
    let (site, access) = (&request.site, access(request)?);
    let in_force = site.preferences().ok().map(|preferences| preferences.in_force());
    let origin = in_force.as_ref().and_then(|in_force| in_force.resolved.origin(VIEW));
    Ok(AccessPage {
        head: data_counting::head(request),
        has_password: !access.is_open() && !access.is_unclaimed(),
        is_first: access.is_first(),
        is_here: is_owner(request) || (access.is_open() && may_begin(request, access)),
        is_done: is_done(request),
        is_view_open: site.settings().is_view_open,
        pinned: origin.filter(|origin| origin.is_operators()).map(ToString::to_string),
        refused,
    })
}

/// Sets the caller's own password as a form says, and signs them in again: with this cookie.
async fn set_own(request: &Request, form: &Query) -> Result<(Role, HeaderValue), Problem> {
    let person = match &request.who {
        Who::Person(person) => person.clone(),
        _ => Person { name: String::from(ADMIN), role: Role::Admin },
    };
    if person.name == VIEWER {
        return Err(Problem::new(StatusCode::FORBIDDEN, "the viewers' password is set by an admin"));
    }
    let access = access(request)?;
    let current = form.get("current").unwrap_or_default().to_owned();
    set_user(request, access, &person.name, None, Some(repeated(form)?), current).await?;
    let role = person.role;
    Ok((role, request.site.auth.begin(request.caller(), person, request.site.settings().session).await?))
}

/// Sets what is given of the user `name`. The admin's password and the caller's own are set from other machines only
/// for who knows the one that holds now, so that a browser that somebody left signed in locks nobody out.
pub(in crate::http) async fn set_user(
    request: &Request,
    access: &Access,
    name: &str,
    role: Option<Role>,
    password: Option<String>,
    current: String,
) -> Result<(), Problem> {
    let is_own = name == ADMIN || matches!(&request.who, Who::Person(person) if person.name == name);
    let is_first = access.is_open();
    if is_own && password.is_some() && is_first && !may_begin(request, access) {
        return Err(only_here());
    }
    if is_own && password.is_some() && !is_first && !is_owner(request) {
        let proven = request.site.auth.prove(request.caller(), name.to_owned(), current).await;
        proven.map_err(|denied| {
            let problem = Problem::from(denied.clone());
            match denied {
                AuthError::Wrong => Problem {
                    status: StatusCode::FORBIDDEN,
                    detail: String::from("the current password is another one"),
                    hint: Some(String::from("type the one that you signed in with")),
                    ..problem.wrong_secret("current", "the password that holds now")
                },
                _ => problem,
            }
        })?;
    }
    let name = name.to_owned();
    change(access, move |access| access.set_user(&name, role, password.as_deref())).await
}

fn sign_in_page(request: &Request, next: String, refused: Option<RefusalReason>) -> SignInPage {
    let auth = &request.site.auth;
    SignInPage {
        head: data_counting::head(request),
        next,
        has_password: !auth.is_open(),
        is_view_open: request.site.settings().is_view_open,
        is_claimed_by_network: request.site.settings().is_claimed_by_network,
        signed_in: auth
            .session(&request.headers)
            .map(|session| session.person)
            .filter(|person| person.role > Role::Guest)
            .map(|person| (person.name, person.role.as_str())),
        is_done: is_done(request),
        needed: request.query.get("needed").and_then(Role::parse).map(Role::as_str),
        name: String::new(),
        kept: request.returned.as_ref().map(|form| form.kept.clone()).unwrap_or_default(),
        fingerprint: HttpsReport::of(request.site.https.as_ref()).map(|https| https.fingerprint),
        refused,
    }
}

/// Whether the reader comes from setting their password: the address says so, and they are signed in with one.
fn is_done(request: &Request) -> bool {
    let (auth, is_said) = (&request.site.auth, request.query.get("done") == Some("password"));
    is_said
        && !auth.is_open()
        && auth.session(&request.headers).is_some_and(|session| session.person.role > Role::Guest)
}

/// `/api/v1/password`: to whoever may not change it, only whether there is one.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PasswordReport {
    set: bool,
    /// It stands in the log, and is to be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// A password that was made.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MadePassword {
    password: String,
}

/// The error without what was given, nor keys that nobody knows: either may be the password.
pub(in crate::http) fn hidden(error: FieldError, known: &[&str]) -> FieldError {
    let star = || String::from("***");
    let shown = |key: String| Some(key).filter(|key| known.contains(&key.as_str())).unwrap_or_else(star);
    match error {
        FieldError::Wrong { key, expected, .. } => {
            let expected = if key == "password" { fit_password() } else { expected };
            FieldError::Wrong { key, expected, given: None }
        }
        FieldError::Unknown { known, .. } => FieldError::Unknown { key: star(), known, given: star() },
        FieldError::Payload(PayloadError::Repeated(key, _)) => {
            PayloadError::Repeated(shown(key), star()).into()
        }
        FieldError::Payload(PayloadError::NoNumber(key, _)) => {
            PayloadError::NoNumber(shown(key), star()).into()
        }
        error => error,
    }
}

/// What `PUT /api/v1/password` takes: the new password, and the one that holds now.
fn password_draft(request: &Request) -> Result<(String, String), Problem> {
    const KEYS: [&str; 2] = ["password", "current"];
    let read = Fields::read(&request.headers, &request.body, &KEYS)
        .and_then(|fields| Ok((fields.text("password")?, fields.text("current")?)));
    let (password, current) = read.map_err(|error| Problem::unprocessable(hidden(error, &KEYS)))?;
    let password = password.ok_or_else(|| Problem::missing(&[("password", &fit_password())]))?;
    Ok((password, current.unwrap_or_default()))
}

/// `GET /api/v1/password`: whether there is one.
pub async fn password(request: Request) -> Result<Response<Body>, Problem> {
    Ok(report(&request, access(&request)?))
}

/// `PUT /api/v1/password`: sets it, and ends all sessions. From other machines it takes the one that holds now.
pub async fn set_password(request: Request) -> Result<Response<Body>, Problem> {
    let (password, current) = password_draft(&request)?;
    let access = access(&request)?;
    set_user(&request, access, ADMIN, None, Some(password), current).await?;
    Ok(report(&request, access))
}

/// `POST /api/v1/password/random`: makes one. Only from this machine.
pub async fn random(request: Request) -> Result<Response<Body>, Problem> {
    let access = access(&request)?;
    here(&request)?;
    let password = random_password()?;
    let made = password.clone();
    change(access, move |access| access.set(&made)).await?;
    let mut response = no_store(reply::fixed("application/json", wire::json(&MadePassword { password })));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `DELETE /api/v1/password`: takes it away. Only from this machine.
pub async fn remove(request: Request) -> Result<Response<Body>, Problem> {
    let access = access(&request)?;
    here(&request)?;
    change(access, Access::remove).await?;
    log::warn!(
        "the password was removed by {}: whoever reaches this camera can change it",
        request.link.peer()
    );
    Ok(report(&request, access))
}

/// Whether a password may be set where there is none: on the machine itself; and on its own network if there never was
/// one. Who has removed it is not locked out by whoever comes by.
fn may_begin(request: &Request, access: &Access) -> bool {
    let is_near = request.caller().is_near(request.link.own_address());
    is_owner(request) || (is_near && access.guard() == AccessGuard::Never)
}

/// Whether it is the machine's owner who asks: on the machine itself, and for sure once there is a password.
fn is_owner(request: &Request) -> bool {
    let caller = request.caller();
    let is_free = request.site.auth.is_open() || request.site.auth.is_unclaimed();
    if is_free { caller.is_here() } else { caller.is_trusted() }
}

fn here(request: &Request) -> Result<(), Problem> {
    if is_owner(request) { Ok(()) } else { Err(only_here()) }
}

fn only_here() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "this is done on the camera's own machine only")
        .hint("`tallycam password set`, `random` or `remove` there")
}

pub(in crate::http) fn access(request: &Request) -> Result<&Access, Problem> {
    let none = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this server asks nobody for a password");
    request.site.auth.access().ok_or_else(none)
}

/// What hashes or writes, not on the server's thread.
pub(in crate::http) async fn change<T: Send + 'static>(
    access: &Access,
    how: impl FnOnce(&Access) -> Result<T, AccessError> + Send + 'static,
) -> Result<T, Problem> {
    let access = access.clone();
    match tokio::task::spawn_blocking(move || how(&access)).await {
        Ok(done) => Ok(done?),
        Err(panicked) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string())),
    }
}

fn report(request: &Request, access: &Access) -> Response<Body> {
    let is_told = request.who.role() == Some(Role::Admin);
    let report = PasswordReport {
        set: matches!(access.guard(), AccessGuard::Password),
        first: is_told.then(|| access.is_first()),
        sessions: is_told.then(|| access.sessions(clock::wall_s()).len()),
        file: is_told.then(|| access.file().display().to_string()),
    };
    no_store(reply::fixed("application/json", wire::json(&report)))
}

/// What the caller gets of `route`: a page's form leads to the page that signs in; everybody else is told.
///
/// # Errors
/// What is told.
pub fn refuse(
    denied: AuthError,
    table: &[Route],
    route: &Route,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let path = uri.path();
    // A form that was sent does not come again.
    let query = uri.query().filter(|_| route.method == Method::GET);
    if route.doc.tag == Tag::Pages {
        match &denied {
            AuthError::Unclaimed => return Ok(html::see(&format!("{}claim", up_from(path)))),
            AuthError::NotShown => return Ok(html::see(&sign_in_for(table, path, query))),
            // A form's answer would come in the place of the page: there it is said in words.
            AuthError::TooLow { needed, .. } if route.method == Method::GET => {
                return Ok(html::see(&format!(
                    "{}&needed={}",
                    sign_in_for(table, path, query),
                    needed.as_str()
                )));
            }
            _ => {}
        }
    }
    let challenge = matches!(denied, AuthError::NotShown | AuthError::Wrong) && !is_browser(headers);
    Err(Problem { challenge, ..denied.into() })
}

/// Whether a browser asks, and not a program.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.starts_with("Mozilla/") || headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-mode")
}
