//! `/api/v1/password`, and the rules for setting any password.

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::access::{ADMIN, Access, AccessError, AccessGuard, Role, random_password};
use crate::http::auth::authenticate::fit_password;
use crate::http::auth::caller::{AuthError, Who};
use crate::http::auth::redirect;
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::json_body::PayloadError;
use crate::http::request::problem::Problem;
use crate::http::request::reply::{self, no_store};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;

/// Sets the given values of the user `name`. From other machines, the admin's and the caller's own password also need
/// the current one, so that an abandoned browser session cannot lock anybody out.
pub async fn set_user(
    request: &Request,
    access: &Access,
    name: &str,
    role: Option<Role>,
    password: Option<String>,
    current: String,
) -> Result<(), Problem> {
    if password.is_some() {
        redirect::refuse_plain(request.site.https.as_ref(), request.caller())?;
    }
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

/// `/api/v1/password`. Callers who may not change the password see only `set`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PasswordReport {
    set: bool,
    /// It is in the log and should be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

/// A generated password.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct MadePassword {
    password: String,
}

/// The keys that errors may name.
const SHOWN: [&str; 3] = ["role", "password", "current"];

/// The problem without the given value and without unknown keys: either may be the password.
pub fn hidden(error: FieldError) -> Problem {
    let star = || String::from("***");
    let shown = |key: String| Some(key).filter(|key| SHOWN.contains(&key.as_str())).unwrap_or_else(star);
    Problem::unprocessable(match error {
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
    })
}

/// The new password and the current one.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct PasswordDraft {
    #[schemars(description = fit_password())]
    password: String,
    current: Option<String>,
}

/// `GET /api/v1/password`.
pub async fn password(request: Request) -> Result<Response<Body>, Problem> {
    Ok(report(&request, access(&request)?))
}

/// `PUT /api/v1/password`: sets it and ends all sessions. From other machines it needs the current one.
pub async fn set_password(request: Request) -> Result<Response<Body>, Problem> {
    let read = body::read(&request.headers, &request.body);
    let PasswordDraft { password, current } = read.map_err(hidden)?;
    let access = access(&request)?;
    set_user(&request, access, ADMIN, None, Some(password), current.unwrap_or_default()).await?;
    Ok(report(&request, access))
}

/// `POST /api/v1/password/random`: generates one. Only from this machine.
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

/// `DELETE /api/v1/password`: removes it. Only from this machine.
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

/// True if the caller may set the first password: on the machine itself, or on its own network if there never was
/// one. If an owner has removed it, no passer-by can lock the owner out.
pub fn may_begin(request: &Request, access: &Access) -> bool {
    let is_near = request.caller().is_near(request.link.own_address());
    is_owner(request) || (is_near && access.guard() == AccessGuard::Never)
}

/// True for the machine's owner: a program of this machine, and one that is trusted once there is a password.
pub fn is_owner(request: &Request) -> bool {
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

pub fn access(request: &Request) -> Result<&Access, Problem> {
    let none = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this server asks nobody for a password");
    request.site.auth.access().ok_or_else(none)
}

/// Runs `how` on another thread, because it hashes or writes.
pub async fn change<T: Send + 'static>(
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
        sessions: is_told.then(|| access.sessions(access.now_s()).len()),
        file: is_told.then(|| access.file().display().to_string()),
    };
    no_store(reply::fixed("application/json", wire::json(&report)))
}
