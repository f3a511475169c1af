//! The API of users, sessions, tokens and signed links.

use std::sync::Arc;

use hyper::header::IF_NONE_MATCH;
use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::access::{ADMIN, Access, AccessError, Role, Scope, SessionFacts, TokenFacts};
use crate::http::api::machine::password::{access, change, hidden, set_user};
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::authenticate::fit_password;
use crate::http::auth::caller::{AuthError, Who};
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::body;
use crate::http::request::body::wrong;
use crate::http::request::kinds::WholeIn;
use crate::http::request::problem::Problem;
use crate::http::request::query::LINK;
use crate::http::request::reply;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use crate::http::site::handler;
use crate::http::site::handler::{Changes, MadeId, Request, Route, Tag, Told};
use crate::ui::AccessMade;
use tallycam_base::json::Rfc3339;

const DAY_S: u64 = 86_400;

/// The longest life of a token with an end, in days, and of a link, in hours.
const MOST_DAYS: u64 = 3660;
const MOST_HOURS: u64 = 366 * 24;

/// Changes of a user, or a new one.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[schemars(extend("minProperties" = 1))]
pub struct UserDraft {
    #[schemars(extend("enum" = Role::ALL.map(Role::as_str)))]
    role: Option<String>,
    password: Option<String>,
    current: Option<String>,
}

/// A wanted token.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct TokenDraft {
    /// Its purpose.
    #[schemars(regex(pattern = "^[A-Za-z0-9._ -]{1,40}$"))]
    name: String,
    #[schemars(length(min = 1))]
    scopes: Vec<Scope>,
    days: Option<WholeIn<1, MOST_DAYS>>,
}

/// A wanted link.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct LinkDraft {
    #[schemars(description = EXAMPLE)]
    address: String,
    hours: Option<WholeIn<1, MOST_HOURS>>,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct UserReport {
    name: String,
    #[schemars(extend("enum" = Role::ALL.map(Role::as_str)))]
    role: &'static str,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct TokenReport {
    id: u64,
    name: String,
    scopes: Vec<Scope>,
    created: Rfc3339,
    until: Option<Rfc3339>,
    used: Option<Rfc3339>,
}

/// A new token; it is shown only once.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MadeToken {
    #[serde(flatten)]
    facts: TokenReport,
    token: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct SessionReport {
    id: u64,
    user: String,
    #[schemars(extend("enum" = ["guest", "viewer", "operator", "admin"]))]
    role: &'static str,
    begun: Rfc3339,
    until: Rfc3339,
    from: String,
    browser: String,
    own: bool,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct LinkReport {
    link: String,
    until: Rfc3339,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MeReport {
    name: String,
    #[schemars(extend("enum" = ["guest", "viewer", "operator", "admin", null]))]
    role: Option<&'static str>,
    #[schemars(extend("enum" = ["open", "password"]))]
    view: &'static str,
}

fn time(seconds: u64) -> Rfc3339 {
    Rfc3339(seconds * 1_000_000)
}

impl TokenReport {
    fn of(facts: TokenFacts) -> TokenReport {
        TokenReport {
            id: facts.number,
            name: facts.name,
            scopes: facts.scopes,
            created: time(facts.created_s),
            until: facts.until_s.map(time),
            used: facts.used_s.map(time),
        }
    }
}

/// `GET /api/v1/me`: the rights of the caller.
///
/// # Errors
/// The given password is wrong or could not be verified.
pub async fn me(request: Request) -> Result<Response<Body>, Problem> {
    // An open route alone would not verify a new password.
    let who = match request.site.auth.admit(request.caller(), Right::Viewer).await {
        Ok(who) => who,
        Err(AuthError::NotShown | AuthError::TooLow { .. }) => request.who.clone(),
        Err(denied) => return Err(denied.into()),
    };
    let role = who.role().map(Role::as_str);
    let view = if request.site.settings().is_view_open { "open" } else { "password" };
    Ok(reply::no_store(reply::json(wire::json(&MeReport { name: who.named().to_owned(), role, view }))))
}

/// `GET /api/v1/users`.
pub async fn users(request: Request) -> Result<Response<Body>, Problem> {
    Ok(user_list(access(&request)?))
}

fn user_list(access: &Access) -> Response<Body> {
    let users =
        access.users().into_iter().map(|user| UserReport { name: user.name, role: user.role.as_str() });
    reply::no_store(reply::json(wire::json(&List::whole(users))))
}

/// `PUT /api/v1/users/{name}`: adds a user, or changes the given values. A password is never returned.
pub async fn put_user(request: Request) -> Result<Response<Body>, Problem> {
    let read = body::read(&request.headers, &request.body);
    let UserDraft { role, password, current } = read.map_err(hidden)?;
    let of = |role: String| {
        let words = || format!("one of {}", Role::ALL.map(Role::as_str).join(", "));
        Role::parse(&role).ok_or_else(|| hidden(wrong("role", words(), None)))
    };
    let role = role.map(of).transpose()?;
    if role.is_none() && password.is_none() {
        return Err(Problem::missing(&[
            ("role", "viewer, operator or admin"),
            ("password", &fit_password()),
        ]));
    }
    let access = access(&request)?;
    let is_there = request.name == ADMIN || access.users().iter().any(|user| user.name == request.name);
    if is_there && request.headers.get(IF_NONE_MATCH).is_some_and(|tags| tags == "*") {
        let detail = format!("there is a user {} already", request.name);
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, detail));
    }
    set_user(&request, access, &request.name, role, password, current.unwrap_or_default()).await?;
    Ok(made(user_list(access), request.name))
}

/// Names the user, token or session for the page's message.
fn made(mut response: Response<Body>, name: String) -> Response<Body> {
    response.extensions_mut().insert(MadeId(name));
    response
}

/// `DELETE /api/v1/users/{name}`.
pub async fn delete_user(request: Request) -> Result<Response<Body>, Problem> {
    let name = request.name.clone();
    change(access(&request)?, move |access| access.remove_user(&name)).await?;
    Ok(made(reply::no_content(), request.name))
}

/// `GET /api/v1/tokens`.
pub async fn tokens(request: Request) -> Result<Response<Body>, Problem> {
    let tokens = access(&request)?.tokens().into_iter().map(TokenReport::of);
    Ok(reply::no_store(reply::json(wire::json(&List::whole(tokens)))))
}

/// `POST /api/v1/tokens`: makes a token and shows it only once.
pub async fn add_token(request: Request) -> Result<Response<Body>, Problem> {
    let access = access(&request)?;
    if !access.has_password() {
        return Err(AccessError::NoAdmin.into());
    }
    let read = body::read(&request.headers, &request.body);
    let TokenDraft { name, scopes, days } = read.map_err(Problem::unprocessable)?;
    if scopes.is_empty() {
        let some = format!("a list of some of {}", Scope::ALL.map(Scope::as_str).join(", "));
        return Err(Problem::missing(&[("scopes", &some)]));
    }
    let now_s = access.now_s();
    let until_s = days.map(|days| now_s + days.0 * DAY_S);
    let (token, facts) =
        change(access, move |access| access.add_token(&name, &scopes, now_s, until_s)).await?;
    let name = facts.name.clone();
    let shown = AccessMade::Token { facts: facts.clone(), token: token.clone() };
    let report = MadeToken { facts: TokenReport::of(facts), token };
    Ok(noted(shown_once(wire::json(&report), shown), AuditNote::Of(name)))
}

/// A secret, as JSON for a program and in the page of a form.
fn shown_once(report: String, shown: AccessMade) -> Response<Body> {
    let mut response = reply::no_store(reply::json(report));
    *response.status_mut() = StatusCode::CREATED;
    response.extensions_mut().insert(Told(Arc::new(shown)));
    response
}

/// `DELETE /api/v1/tokens/{id}`.
pub async fn revoke_token(request: Request) -> Result<Response<Body>, Problem> {
    let (access, id) = (access(&request)?, request.id);
    let name = access.tokens().into_iter().find(|token| token.number == id).map(|token| token.name);
    let is_there = change(access, move |access| access.revoke_token(id)).await?;
    gone(is_there, "token", id, name)
}

/// `GET /api/v1/sessions`.
pub async fn sessions(request: Request) -> Result<Response<Body>, Problem> {
    let own = request.site.auth.session(&request.headers).map(|session| session.number);
    let report = |session: SessionFacts| SessionReport {
        own: own == Some(session.number),
        id: session.number,
        user: session.person.name,
        role: session.person.role.as_str(),
        begun: time(session.begun_s),
        until: time(session.until_s),
        from: session.from,
        browser: session.browser,
    };
    let access = access(&request)?;
    let sessions = access.sessions(access.now_s()).into_iter().map(report);
    Ok(reply::no_store(reply::json(wire::json(&List::whole(sessions)))))
}

/// `DELETE /api/v1/sessions/{id}`.
pub async fn end_session(request: Request) -> Result<Response<Body>, Problem> {
    let (access, id) = (access(&request)?, request.id);
    let session = access.sessions(access.now_s()).into_iter().find(|session| session.number == id);
    let whose = session.map(|session| format!("of {}", Who::Person(session.person).named()));
    let is_there = change(access, move |access| Ok(access.end_session(id))).await?;
    gone(is_there, "session", id, whose)
}

fn gone(is_there: bool, what: &str, id: u64, name: Option<String>) -> Result<Response<Body>, Problem> {
    if is_there {
        let name = name.unwrap_or_else(|| id.to_string());
        return Ok(noted(
            made(reply::no_content(), name.trim_start_matches("of ").to_owned()),
            AuditNote::Of(name),
        ));
    }
    Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no {what} {id}")))
}

/// `POST /api/v1/links`: an address of this camera that needs no password until it expires.
pub async fn add_link(request: Request) -> Result<Response<Body>, Problem> {
    let access = access(&request)?;
    if !access.has_password() {
        return Err(AccessError::NoAdmin.into());
    }
    // A link would outlive the token that made it.
    if matches!(request.who, Who::Program(_)) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "people make links, not tokens"));
    }
    let read = body::read(&request.headers, &request.body);
    let LinkDraft { address, hours } = read.map_err(Problem::unprocessable)?;
    let hours = hours.map_or(24, |hours| hours.0);
    let until_s = access.now_s() + hours * 3600;
    let given = || Some(address.chars().take(100).collect());
    let link = sign_link(request.table, access, &address, until_s)
        .map_err(|expected| Problem::unprocessable(wrong("address", expected, given())))?;
    let report = LinkReport { link: link.clone(), until: time(until_s) };
    let response = shown_once(wire::json(&report), AccessMade::Link { link, until_s });
    Ok(noted(response, AuditNote::Of(format!("{address} for {hours} h"))))
}

/// Possible links, in words.
const EXAMPLE: &str =
    "what is looked at by GET: stream, snapshot.jpg?w=640, api/v1/media/7/content, or the live page (./)";

/// `address` with the expiry and the signature of a link.
///
/// # Errors
/// The address cannot be linked to; the error says which can.
fn sign_link(
    table: &'static [Route],
    access: &Access,
    address: &str,
    until_s: u64,
) -> Result<String, &'static str> {
    let relative = address.trim_start_matches("./").trim_start_matches('/');
    let path = relative.split('?').next().unwrap_or_default();
    let is_plain =
        relative.len() <= 2000 && relative.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    let is_signed =
        relative.split(['?', '&']).any(|pair| pair.starts_with("link=") || pair.starts_with("token="));
    let route = handler::got(table, &format!("/{path}")).ok_or(EXAMPLE)?;
    let is_looked_at = route.right.is_look() || (route.right == Right::Viewer && route.doc.tag != Tag::Pages);
    if !is_plain || is_signed || !is_looked_at || route.changes == Changes::Always {
        return Err(EXAMPLE);
    }
    let relative = if relative.is_empty() { "./" } else { relative };
    let mark = if relative.contains('?') { '&' } else { '?' };
    let signature = access.sign_link(&format!("/{}", relative.trim_start_matches("./")), until_s);
    Ok(format!("{relative}{mark}{LINK}={until_s}.{signature}"))
}
