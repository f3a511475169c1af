//! Decides who may do what, and counts wrong guesses: docs/ARCHITECTURE.md, "Who may do what".
//!
//! All of this lives on the server's thread, except hashing: one password at a time, on another thread (`turns`).

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::header::{HeaderValue, SET_COOKIE, USER_AGENT};
use hyper::{HeaderMap, Response, StatusCode};

use crate::access::{
    ADMIN, Access, AccessError, AccessGuard, Guessing, LONGEST, Person, Role, SHORTEST, SessionFacts,
};
use crate::http::auth::audit::Audit;
use crate::http::auth::caller::{AuthError, Caller, Who, basic, cookies};
use crate::http::auth::refusals::Refusal;
use crate::http::auth::turns::Turns;
use crate::http::request::problem::Problem;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use tallycam_base::clock;

/// Checks credentials and counts wrong guesses.
#[derive(Debug)]
pub struct Auth {
    access: Option<Access>,
    /// Guesses of passwords.
    passwords: Arc<Mutex<Guessing>>,
    /// Guesses of the old programs' key.
    pub(in crate::http) keys: RefCell<Guessing>,
    audit: Rc<Audit>,
    turns: Turns,
}

impl Auth {
    /// Without `access`, no credentials are needed.
    pub fn new(access: Option<Access>, audit: Rc<Audit>) -> Auth {
        Auth { access, passwords: Arc::default(), keys: RefCell::default(), audit, turns: Turns::default() }
    }

    /// The users and tokens, if there is access control.
    pub fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// True if no credentials are needed.
    pub fn is_open(&self) -> bool {
        self.access.as_ref().is_none_or(Access::is_open)
    }

    /// True until somebody on the network has set the first password: nobody else gets in before.
    pub fn is_unclaimed(&self) -> bool {
        self.access.as_ref().is_some_and(Access::is_unclaimed)
    }

    /// The caller, as far as microseconds allow: a password counts only if it was proven before in this run.
    pub fn who(&self, caller: Caller<'_>) -> Who {
        let Some(access) = self.access.as_ref().filter(|access| !access.is_open()) else { return Who::Owner };
        if caller.is_trusted() || (access.is_unclaimed() && caller.is_here()) {
            return Who::Owner;
        }
        let now_s = access.now_s();
        let session = self.session(caller.headers);
        if let Some(SessionFacts { person, .. }) = session.as_ref().filter(|session| session.page.is_empty())
        {
            return Who::Person(person.clone());
        }
        if let Some(token) = caller.token()
            && let Some((facts, is_news)) = access.token(&token, now_s)
        {
            if is_news {
                self.save_times();
            }
            return Who::Program(facts);
        }
        if let Some((until_s, signature, address)) = caller.link()
            && access.is_signed(&address, until_s, signature, now_s)
        {
            return Who::Linked(until_s);
        }
        let shown = basic(caller.headers).and_then(|(name, password)| access.recall_person(&name, &password));
        match (shown, session) {
            (Some(person), _) => Who::Person(person),
            (None, Some(SessionFacts { page, .. })) => Who::Guest(page),
            (None, None) => Who::Anybody,
        }
    }

    /// Saves the time and the uses of tokens.
    fn save_times(&self) {
        if let Some(access) = self.access.clone() {
            tokio::task::spawn_blocking(move || access.save_times());
        }
    }

    /// True if `caller` shows a session, a token, or a proven password. Nothing is hashed for strangers.
    pub fn knows(&self, caller: Caller<'_>) -> bool {
        matches!(self.who(caller), Who::Person(_) | Who::Guest(_) | Who::Program(_))
    }

    /// True while `caller`, who was admitted once, has `right` and, if needed, sees internals. Nothing is hashed.
    pub fn still_admits(&self, caller: Caller<'_>, right: Right, needs_internals: bool) -> bool {
        if !needs_internals && Who::Anybody.has(right, caller.is_view_open) {
            return true;
        }
        let who = self.who(caller).at(caller, right);
        who.has(right, caller.is_view_open) && (!needs_internals || who.sees_internals())
    }

    /// Admits a caller with `right`.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn admit(&self, caller: Caller<'_>, right: Right) -> Result<Who, AuthError> {
        if self.access.as_ref().is_some_and(Access::is_time_news) {
            self.save_times();
        }
        let mut who = self.who(caller).at(caller, right);
        if who.has(right, caller.is_view_open) {
            return Ok(who);
        }
        if self.is_unclaimed() {
            return Err(AuthError::Unclaimed);
        }
        if who == Who::Anybody {
            let Some((name, password)) = basic(caller.headers) else {
                let guard = self.access.as_ref().map(Access::guard);
                return Err(match guard {
                    Some(AccessGuard::Unreadable(_)) => AuthError::Unreadable,
                    _ if caller.token().is_some() => self.wrong(caller, AuthError::Wrong),
                    _ => AuthError::NotShown,
                });
            };
            let person = self.prove(caller, name, password).await?;
            self.audit.signed_in(caller, &person);
            who = Who::Person(person);
        }
        if who.has(right, caller.is_view_open) {
            return Ok(who);
        }
        Err(AuthError::TooLow { needed: right.role().unwrap_or(Role::Admin), has: who.in_words() })
    }

    /// Verifies a password; returns its person.
    ///
    /// # Errors
    /// [`AuthError`].
    pub async fn prove(
        &self,
        caller: Caller<'_>,
        name: String,
        password: String,
    ) -> Result<Person, AuthError> {
        let Some(access) = &self.access else {
            return Ok(Person { name: String::from(ADMIN), role: Role::Admin });
        };
        if matches!(access.guard(), AccessGuard::Unreadable(_)) {
            return Err(AuthError::Unreadable);
        }
        let client = caller.client();
        if let Some(wait) = self.guessing().wait(client, clock::monotonic_us()) {
            return Err(self.wrong(caller, AuthError::TooSoon(wait)));
        }
        if let Some(person) = access.recall_person(&name, &password) {
            return Ok(person);
        }
        let now_us = clock::monotonic_us();
        let tries = self.guessing().count(client, now_us);
        let place = self.turns.enter(client, tries).ok_or(AuthError::Busy)?;
        self.guessing().take_shared(client, now_us).map_err(|_| AuthError::Busy)?;
        let user = access.named_user(&name);
        let attempt = self.guessing().check_attempt(client, &user, now_us);
        attempt.map_err(|wait| self.wrong(caller, AuthError::TooSoon(wait)))?;
        if !place.turn().await {
            return Err(AuthError::Busy);
        }
        // An earlier caller in the queue may have proven the same one.
        let proven = match access.recall_person(&name, &password) {
            Some(person) => Some(person),
            None => {
                let access = access.clone();
                // The place moves along: a client that leaves frees no place while its hash is running.
                let proven = tokio::task::spawn_blocking(move || {
                    let _held = place;
                    access.verify_password(&name, &password)
                });
                proven.await.map_err(|_| AuthError::Busy)?
            }
        };
        let Some(person) = proven else { return Err(self.wrong(caller, AuthError::Wrong)) };
        // The admin knows what a name without a user stands for.
        let is_sure = !user.is_empty() || person.role == Role::Admin;
        self.guessing().record_success(client, &user, is_sure);
        Ok(person)
    }

    /// Records a wrong password or token; returns `denied`.
    fn wrong(&self, caller: Caller<'_>, denied: AuthError) -> AuthError {
        if let Some(more) = self.audit.refused(Refusal::WrongPassword, caller, "") {
            log::warn!("wrong password from {}{more}", caller.named());
        }
        denied
    }

    fn guessing(&self) -> MutexGuard<'_, Guessing> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session of a request.
    pub fn session(&self, headers: &HeaderMap) -> Option<SessionFacts> {
        let access = self.access.as_ref()?;
        let found = || self.tokens(headers).filter_map(|token| access.session(token, access.now_s()));
        // A user's goes before a guest's, whose cookie may be the older one.
        found().find(|session| session.page.is_empty()).or_else(|| found().next())
    }

    /// The session tokens of a request.
    fn tokens<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = self.access.as_ref().map(|access| [false, true].map(|is| cookie_name(access, is)));
        let is_ours = move |name: &str| names.iter().flatten().any(|own| own == name);
        cookies(headers).filter(move |(name, _)| is_ours(name)).map(|(_, token)| token)
    }

    /// Starts a session of `person` with this length; returns its cookie.
    ///
    /// # Errors
    /// No random numbers are available.
    pub async fn begin(
        &self,
        caller: Caller<'_>,
        person: Person,
        length: Duration,
    ) -> Result<HeaderValue, Problem> {
        let no = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no session could be begun");
        let access = self.access.clone().ok_or_else(no)?;
        let now_s = access.now_s();
        let page = if person.role == Role::Guest { caller.uri.path().to_owned() } else { String::new() };
        let agent = caller.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let (from, browser) = (caller.named(), agent.to_owned());
        let begun = tokio::task::spawn_blocking({
            let (access, person) = (access.clone(), person.clone());
            let times = (now_s, now_s + length.as_secs());
            move || access.create_session(&person, &from, &browser, &page, times)
        });
        let token = begun.await.map_err(|_| no())??;
        self.audit.signed_in(caller, &person);
        set_cookie(&access, caller.is_https(), &token, length.as_secs()).ok_or_else(no)
    }

    /// Ends every session of a request, because a browser may have a cookie per prefix; returns the header that
    /// deletes the cookie.
    pub async fn end(&self, caller: Caller<'_>) -> Option<HeaderValue> {
        let access = self.access.clone()?;
        while let Some(session) = self.session(caller.headers) {
            let ending = access.clone();
            let ended = tokio::task::spawn_blocking(move || ending.end_session(session.number)).await;
            self.audit.signed_out(caller, &session.person);
            if !ended.unwrap_or(false) {
                break;
            }
        }
        set_cookie(&access, caller.is_https(), "", 0)
    }
}

/// HTTPS has its own cookie. Browsers do not replace a `Secure` cookie over plain HTTP (RFC 6265bis §5.7), so after
/// signing in over HTTPS nobody could sign in over HTTP.
fn cookie_name(access: &Access, is_https: bool) -> String {
    format!("tallycam_{}{}", access.cookie_id(), if is_https { "_s" } else { "" })
}

/// A cookie for this host and the page's folder: without `Path` it fits any prefix (RFC 6265 §5.1.4).
/// `SameSite=Strict` keeps pages of other sites from sending it.
fn set_cookie(access: &Access, is_https: bool, token: &str, max_age: u64) -> Option<HeaderValue> {
    let secure = if is_https { "; Secure" } else { "" };
    let name = cookie_name(access, is_https);
    let text = format!("{name}={token}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).ok()
}

/// The same response with a cookie.
pub fn with_cookie(mut response: Response<Body>, cookie: Option<HeaderValue>) -> Response<Body> {
    if let Some(cookie) = cookie {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Problem {
        let status = match error {
            AccessError::Unfit
            | AccessError::UnfitName
            | AccessError::NoPassword
            | AccessError::Admin
            | AccessError::NoAdmin => StatusCode::UNPROCESSABLE_ENTITY,
            AccessError::NoUser => StatusCode::NOT_FOUND,
            AccessError::TooMany(_) | AccessError::Late => StatusCode::CONFLICT,
            AccessError::NotKept { .. } => StatusCode::INSUFFICIENT_STORAGE,
            AccessError::Claimed { .. } => StatusCode::CONFLICT,
            AccessError::NoHash(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Problem::new(status, error.to_string());
        match error {
            AccessError::Unfit => problem.wrong_secret("password", fit_password()),
            _ => problem,
        }
    }
}

/// The rules for a password, in words.
pub fn fit_password() -> String {
    format!("a text of {SHORTEST} to {LONGEST} characters that can be typed")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hyper::Version;

    use super::*;
    use crate::http::auth::caller::tests::{caller, headers};

    #[tokio::test]
    async fn tokens_and_proven_passwords_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let (token, _) =
            access.add_token("hass", &[crate::access::Scope::Stream], clock::wall_s(), None).unwrap();
        let auth = Auth::new(Some(access.clone()), Rc::new(Audit::new(None)));
        let knows = |line: &str| {
            let headers = headers(&[("authorization", line)]);
            auth.knows(caller(Some([10, 0, 0, 9].into()), Version::HTTP_11, &headers))
        };
        let basic = format!("Basic {}", STANDARD.encode("me:correct horse"));
        assert!(knows(&format!("Bearer {token}")) && !knows("Bearer tc_x"));
        assert!(!knows(&basic), "nothing is hashed");
        access.verify_password("me", "correct horse").unwrap();
        assert!(knows(&basic) && !knows("Basic bWU6d3Jvbmc="));
    }
}
