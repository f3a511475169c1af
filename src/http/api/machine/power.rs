//! Switching the machine off and on again: who may, and that a recording is whole before. How it is done is the
//! business of whoever implements [`Power`](crate::http::Power).

use hyper::{Response, StatusCode};

use crate::access::constant_time_eq;
use crate::base::clock;
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::auth::caller::Caller;
use crate::http::request::body_fields::Fields;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::power_switch::PowerAction;

/// What `POST /api/v1/power` takes for `action`.
const ACTIONS: [(&str, PowerAction); 2] = [("off", PowerAction::Off), ("reboot", PowerAction::Reboot)];

/// `POST /api/v1/power`.
pub async fn power(request: Request) -> Result<Response<Body>, Problem> {
    let wanted = Fields::read(&request.headers, &request.body, &["action"])
        .and_then(|fields| fields.one_of("action", &ACTIONS))
        .map_err(Problem::unprocessable)?;
    let action = wanted.ok_or_else(|| Problem::missing(&[("action", "one of off, reboot")]))?;
    ask(&request, action).await?;
    let said = match action {
        PowerAction::Off => r#"{"action":"off"}"#,
        PowerAction::Reboot => r#"{"action":"reboot"}"#,
    };
    let mut response = no_store(reply::fixed("application/json", said));
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(noted(response, AuditNote::Did(format!("{action} the machine"))))
}

/// Closes what is being recorded and switches the machine, for whoever has shown the password or sits at it. Where
/// there is no password nobody else may: a camera that everybody may change is one thing, the computer it runs on
/// another.
///
/// # Errors
/// Who asks may not, or it cannot be done.
pub async fn ask(request: &Request, action: PowerAction) -> Result<(), Problem> {
    if request.site.auth.is_open() && !request.caller().is_here() {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "without a password this machine is switched from itself only",
        )
        .hint("`tallycam password set` on that machine sets one"));
    }
    switch(&request.site, action, request.link.peer()).await
}

/// The same for whoever says the key of `[power]`.
///
/// # Errors
/// The key is wrong, or it cannot be done.
pub async fn ask_by_key(request: &Request, action: PowerAction) -> Result<(), ByKey> {
    // Of two keys nobody knows which is meant: neither is right.
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

/// Whether the key of `[power]` was said; without one in the configuration no key is right.
fn check_key(site: &Site, caller: Caller<'_>, given: Option<&str>) -> Result<(), ByKey> {
    let client = caller.client();
    let attempt = site.auth.keys.borrow_mut().check_attempt(client, clock::monotonic_us());
    attempt.map_err(|wait| ByKey::TooSoon(wait.as_secs().saturating_add(1)))?;
    let settings = site.settings();
    let key = settings.power_key.as_deref();
    if !key.is_some_and(|key| !key.is_empty() && constant_time_eq(given.unwrap_or_default(), key)) {
        return Err(ByKey::Wrong);
    }
    site.auth.keys.borrow_mut().record_success(client);
    Ok(())
}

/// Why an old address has not switched the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByKey {
    /// It is wrong, or there is none that would be right.
    Wrong,
    /// Too many wrong ones came: so many seconds to wait.
    TooSoon(u64),
    /// The key is right, but the machine is not switched; why is in the log.
    NotDone,
}
