//! Power off and restart: checks the right, and completes recordings first. An implementation of
//! [`Power`](crate::http::Power) does the switching.

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::access::constant_time_eq;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Caller;
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::power_switch::PowerAction;
use tallycam_base::clock;

/// The body of `POST /api/v1/power`, and its answer.
#[derive(Debug, Deserialize, Serialize, schemars::JsonSchema)]
pub struct PowerWish {
    action: PowerAction,
}

/// `POST /api/v1/power`.
pub async fn power(request: Request) -> Result<Response<Body>, Problem> {
    let wish: PowerWish = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    let action = wish.action;
    ask(&request, action).await?;
    let mut response = no_store(reply::json(wire::json(&wish)));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(noted(response, AuditNote::Did(format!("{action} the machine"))))
}

/// Completes recordings and switches the machine, for callers who have shown the password or are on it. Without a
/// password, only programs of this machine may: everybody may change an open camera, but not the computer that it
/// runs on.
///
/// # Errors
/// The caller may not, or switching fails.
pub async fn ask(request: &Request, action: PowerAction) -> Result<(), Problem> {
    require_here(request, "without a password this machine is switched from itself only")?;
    switch(&request.site, action, request.link.peer()).await
}

/// Refuses, with these words, what only programs of this machine may do as long as there is no password.
///
/// # Errors
/// There is no password, and the caller is elsewhere.
pub fn require_here(request: &Request, words: &'static str) -> Result<(), Problem> {
    if request.site.auth.is_open() && !request.caller().is_here() {
        return Err(Problem::new(StatusCode::FORBIDDEN, words)
            .hint("set a password on the page Access, or by `tallycam password set` on that machine"));
    }
    Ok(())
}

/// The same for callers with the key of `[power]`.
///
/// # Errors
/// The key is wrong, or switching fails.
pub async fn ask_by_key(request: &Request, action: PowerAction) -> Result<(), ByKey> {
    // A repeated key is ambiguous and counts as wrong.
    let key = request.query.once("key").ok().flatten();
    check_key(&request.site, request.caller(), key)?;
    switch(&request.site, action, request.link.peer()).await.map_err(|_| ByKey::NotDone)
}

async fn switch(site: &Site, action: PowerAction, caller: &str) -> Result<(), Problem> {
    let none =
        || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this program cannot switch the machine it runs on");
    let power = site.power.clone().ok_or_else(none)?;
    log::warn!("the machine will be {action}, requested by {caller}");
    if let Ok(recorder) = site.recorder()
        && let Err(error) = recorder.end_recording().await
    {
        log::warn!("the recording could not be closed before: {error}");
    }
    let done = tokio::task::spawn_blocking(move || power.switch(action)).await;
    let done =
        done.map_err(|panicked| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()))?;
    Ok(done.inspect_err(|error| log::error!("{error}"))?)
}

/// Checks the key of `[power]`; if none is configured, every key is wrong.
fn check_key(site: &Site, caller: Caller<'_>, given: Option<&str>) -> Result<(), ByKey> {
    let client = caller.client();
    let attempt = site.auth.keys.borrow_mut().check_attempt(client, "", clock::monotonic_us());
    attempt.map_err(|wait| ByKey::TooSoon(wait.as_secs().saturating_add(1)))?;
    let settings = site.settings();
    let key = settings.power_key.as_deref();
    if !key.is_some_and(|key| !key.is_empty() && constant_time_eq(given.unwrap_or_default(), key)) {
        return Err(ByKey::Wrong);
    }
    site.auth.keys.borrow_mut().record_success(client, "", true);
    Ok(())
}

/// Why an old address has not switched the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByKey {
    /// The key is wrong, or none is configured.
    Wrong,
    /// Too many wrong keys; the seconds to wait.
    TooSoon(u64),
    /// The key is right, but switching failed; the log says why.
    NotDone,
}
