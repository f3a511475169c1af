//! The pages for signing in and out, and for passwords.

use std::rc::Rc;
use std::time::Duration;

use hyper::header::HeaderValue;
use hyper::header::{HOST, ORIGIN, USER_AGENT};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};

use crate::access::{ADMIN, Access, Person, Role, SessionFacts, VIEWER};
use crate::http::api::machine::password::{access, change, is_owner, may_begin, set_user};
use crate::http::auth::audit;
use crate::http::auth::authenticate::with_cookie;
use crate::http::auth::caller::{AuthError, Caller, Who};
use crate::http::auth::redirect;
use crate::http::pages::data_counting;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::server::https::HttpsReport;
use crate::http::site::Site;
use crate::http::site::forms::{self, FormPost, refusal};
use crate::http::site::handler::{Found, Request, Route, Tag, find};
use crate::http::site::html;
use crate::http::site::preferences::{PreferenceChanges, Terms};
use crate::http::site::way::{next_page, sign_in_for, up_from};
use crate::ui::{self, AccessPage, People, RefusalReason, SignInPage};
use tallycam_store::AuditEntry;

/// `GET /sign-in`.
pub async fn show(request: Request) -> Response<Body> {
    if request.site.auth.is_unclaimed() {
        return html::see("claim");
    }
    html::html(ui::sign_in_page(&sign_in_page(
        &request,
        next_page(request.table, request.query.get("next")),
        request.refused(),
    )))
}

/// `POST /sign-in`, from the page's form: redirects to the original page with a cookie, or shows the page again.
pub async fn sign_in(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let form = html::form(&request);
    let next = next_page(request.table, form.get("next"));
    if let Err(problem) = redirect::refuse_plain(site.https.as_ref(), request.caller()) {
        let page = sign_in_page(&request, next, Some(refusal(&problem)));
        return Ok(html::again(&problem, ui::sign_in_page(&page)));
    }
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
        // 401 would require a Basic challenge.
        problem.status = StatusCode::UNPROCESSABLE_ENTITY;
        problem = problem.wrong_secret("password", "the one that belongs to the name");
        // The page says below what to do about a lost one.
        problem.hint = None;
    }
    let refusal = refusal(&problem);
    let kept = form.get("kept").unwrap_or_default().to_owned();
    let page = SignInPage { name, kept, ..sign_in_page(&request, next, Some(refusal)) };
    Ok(html::again(&problem, ui::sign_in_page(&page)))
}

/// The page of a form that was kept during signing in, with the typed values.
async fn show_kept(request: Request, kept: &str, who: Who) -> Option<Response<Body>> {
    let fields = Query::parse(kept);
    let form = FormPost::read(request.table, &fields).ok()??;
    let problem =
        Problem::new(StatusCode::OK, "you were signed out, and nothing was changed").hint("send it again");
    let (uri, mut returned) = form.returned(&format!("/{}", fields.get("_action")?), Some(&problem))?;
    returned.base = returned.base.trim_start_matches("../").to_owned();
    let Ok(Found::Route(route, _)) = find(request.table, &Method::GET, uri.path()) else { return None };
    if !who.has(route.right, request.site.is_view_open()) {
        let low = AuthError::TooLow { needed: route.right.role()?, has: who.in_words() };
        let (uri, again) = form.returned(&format!("/{}", fields.get("_action")?), Some(&low.into()))?;
        let query = Query::parse(uri.query().unwrap_or_default());
        let request = Request { query, ..request };
        let next = next_page(request.table, request.query.get("next"));
        let page = SignInPage { kept: again.kept, ..sign_in_page(&request, next, again.refusal) };
        return Some(html::html(ui::sign_in_page(&page)));
    }
    let query = Query::parse(uri.query().unwrap_or_default());
    let (method, returned) = (Method::GET, Some(Rc::new(returned)));
    let asked = Request { method, uri: uri.clone(), query, who, returned, ..request };
    let page = (route.handler)(asked).await.ok()?;
    forms::in_place_of(&Err(problem), &uri, page)
}

/// Follows a signed link to a page: redirects to the page without the link, with a session that ends when the link
/// expires.
pub async fn follow(site: &Site, caller: Caller<'_>, until_s: u64) -> Result<Response<Body>, Problem> {
    let now_s = site.auth.access().map_or(until_s, Access::now_s);
    let left = Duration::from_secs(until_s.saturating_sub(now_s));
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

/// Sets the signed-in user's password from a page's form and signs the user in again; an admin may also set who can
/// view. Redirects to `next`, or shows the page again.
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
            let refused = Some(refusal(&problem));
            let page = match next.starts_with("access") {
                true => ui::access_page(&access_page(request, refused)?),
                false => ui::sign_in_page(&sign_in_page(request, next, refused)),
            };
            html::again(&problem, page)
        }
    };
    // The password stays set even if the rest failed.
    Ok(with_cookie(response, cookie))
}

/// `GET /claim`: asks for the first password if none is set; otherwise redirects to the sign-in page.
pub async fn show_claim(request: Request) -> Result<Response<Body>, Problem> {
    if !request.site.auth.is_unclaimed() {
        return Ok(html::see("sign-in"));
    }
    Ok(html::html(ui::claim_page(&access_page(&request, None)?)))
}

/// `POST /claim`, from the page's form: `password` and `again` are the first password, `view` is who may view.
/// Redirects to the live page, signed in.
pub async fn post_claim(request: Request) -> Result<Response<Body>, Problem> {
    if !request.site.auth.is_unclaimed() {
        return Ok(html::see("sign-in"));
    }
    let form = html::form(&request);
    let cookie = match claim(&request, &form).await {
        Ok(cookie) => cookie,
        Err(problem) => {
            let page = access_page(&request, Some(refusal(&problem)))?;
            return Ok(html::again(&problem, ui::claim_page(&page)));
        }
    };
    let view = match form.get("view") {
        Some(word) => set_view(&request.site, word).await,
        None => Ok(()),
    };
    // The password stays set even if this failed; the page `access` shows who may view.
    let next = if view.is_ok() { "./" } else { "access" };
    Ok(with_cookie(html::see(next), Some(cookie)))
}

async fn claim(request: &Request, form: &Query) -> Result<HeaderValue, Problem> {
    if !request.caller().is_near(request.link.own_address()) {
        let detail = "the first password is chosen on the camera's own network";
        return Err(Problem::new(StatusCode::FORBIDDEN, detail)
            .hint("`tallycam password set` on its machine sets one, too"));
    }
    redirect::refuse_plain(request.site.https.as_ref(), request.caller())?;
    let password = repeated(form)?;
    change(access(request)?, move |access| access.claim(&password)).await?;
    log::info!("the first password was chosen from {}", request.link.peer());
    let admin = Person { name: String::from(ADMIN), role: Role::Admin };
    request.site.auth.begin(request.caller(), admin, request.site.settings().session).await
}

/// The new password of a form, which contains it twice.
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
    // Forms of people say it in their own parts.
    let is_of_settings = request.returned.as_ref().is_some_and(|form| form.action == "api/v1/settings");
    let refused = request.refused().filter(|_| is_of_settings);
    Ok(html::html(ui::access_page(&access_page(&request, refused)?)))
}

/// Sets who may view to `word`, if that is a change.
async fn set_view(site: &Site, word: &str) -> Result<(), Problem> {
    let wanted = [("open", true), ("password", false)].into_iter().find(|(known, _)| *known == word);
    let (_, is_open) = wanted.ok_or_else(html::nothing_to_do)?;
    if is_open != site.settings().is_view_open {
        let change = (String::from(VIEW), Some(format!("\"{word}\"")));
        site.preferences()?.change(PreferenceChanges::from([change]), Terms::default()).await?;
    }
    Ok(())
}

/// The setting for who may view.
const VIEW: &str = "access.view";

fn access_page(request: &Request, refused: Option<RefusalReason>) -> Result<AccessPage, Problem> {
    let (site, access) = (&request.site, access(request)?);
    Ok(AccessPage {
        head: data_counting::head(request),
        has_password: !access.is_open() && !access.is_unclaimed(),
        is_first: access.is_first(),
        is_here: is_owner(request) || (access.is_open() && may_begin(request, access)),
        is_done: is_done(request),
        is_view_open: site.settings().is_view_open,
        pinned: site.pinned(VIEW),
        refused,
        people: people(request, access),
    })
}

fn people(request: &Request, access: &Access) -> People {
    let own = request.site.auth.session(&request.headers).map(|session| session.number);
    let is_own = |session: SessionFacts| {
        let is_own = own == Some(session.number);
        (session, is_own)
    };
    let said = |key: &str| request.query.get(key).map(str::to_owned);
    let scheme = if request.link.is_tls() { "https" } else { "http" };
    let host = request.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    People {
        clock: request.site.clock(),
        users: access.users(),
        tokens: access.tokens(),
        sessions: access.sessions(access.now_s()).into_iter().map(is_own).collect(),
        made: request.told().cloned(),
        done: said("done").zip(said("of")),
        root: format!("{scheme}://{host}/"),
    }
}

/// Sets the caller's own password from a form, and returns the cookie of a new session.
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

/// True if the reader has just set their own password: the address says so, and the session is a user's.
fn is_done(request: &Request) -> bool {
    let (auth, is_said) = (&request.site.auth, request.query.get("done") == Some("password"));
    is_said
        && !auth.is_open()
        && auth.session(&request.headers).is_some_and(|session| session.person.role > Role::Guest)
}

/// The answer to a caller without the right for `route`: a page redirects to the sign-in page, any other route fails.
///
/// # Errors
/// The problem of any other route.
pub fn refuse(
    denied: AuthError,
    table: &[Route],
    route: &Route,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Response<Body>, Problem> {
    let path = uri.path();
    // A sent form is not repeated.
    let query = uri.query().filter(|_| route.method == Method::GET);
    if route.doc.tag == Tag::Pages {
        match &denied {
            AuthError::Unclaimed => return Ok(html::see(&format!("{}claim", up_from(path)))),
            AuthError::NotShown => return Ok(html::see(&sign_in_for(table, path, query))),
            // A redirect would replace the page of a form; there a message says it.
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

/// True if a browser asks, not a program.
pub fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.starts_with("Mozilla/") || headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-mode")
}
