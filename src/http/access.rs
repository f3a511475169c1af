//! Who asks, and what they may do: docs/ARCHITECTURE.md, "Who may do what".
//!
//! All of this lives on the server's thread, except hashing: one password at a time, on another one (`turns`).

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, COOKIE, HeaderValue, ORIGIN, SET_COOKIE, USER_AGENT};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use super::Site;
use super::audit::Audit;
use super::body::Body;
use super::names;
use super::page;
use super::problem::Problem;
use super::query::Query;
use super::refusals::Refusal;
use super::right::Right;
use super::route::{Route, Tag};
use super::routes::ROUTES;
use super::turns::Turns;
use crate::access::{
    ADMIN, Access, AccessError, Client, Guard, Guessing, LONGEST, Person, Role, SHORTEST, SessionFacts,
    TokenFacts,
};
use crate::base::letters::percent_encoded;
use crate::base::{clock, own_mark};

/// The keys of a query that every address knows: a program's token; what a signed link ends with.
pub(super) const TOKEN: &str = "token";
pub(super) const LINK: &str = "link";

/// Headers that a proxy adds, beside all that begin with `x-forwarded`.
const MARKS: [&str; 8] = [
    "forwarded",
    "via",
    "x-real-ip",
    "x-client-ip",
    "x-ingress-path",
    "true-client-ip",
    "cf-connecting-ip",
    "x-original-host",
];

/// What decides, and who has guessed how often.
#[derive(Debug)]
pub struct Gate {
    access: Option<Access>,
    /// Guesses of passwords.
    passwords: Arc<Mutex<Guessing>>,
    /// Guesses of the key of old programs.
    pub(super) keys: RefCell<Guessing>,
    audit: Rc<Audit>,
    turns: Turns,
}

/// Who asks, as far as a connection and a request's head tell.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The peer's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// Of HTTP.
    pub version: Version,
    /// The request's.
    pub headers: &'a HeaderMap,
    /// By which method.
    pub method: &'a Method,
    /// What is asked for.
    pub uri: &'a Uri,
    /// Over TLS of this server's own.
    pub over_tls: bool,
    /// `[access] local`: a loopback address is proof enough.
    pub is_local_open: bool,
    /// `[access] view`: to look takes no password.
    pub is_view_open: bool,
}

/// Who asks, as far as that has been shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Nobody in particular.
    Anybody,
    /// Whoever sits at this machine; and anybody, where there is no password.
    Owner,
    /// Somebody who has signed in, or has shown a password.
    Person(Person),
    /// A program that has a token.
    Program(TokenFacts),
    /// Whoever has a link that is signed for this very address, until then (seconds since 1970).
    Linked(u64),
}

/// Why somebody does not get what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nobody has chosen a password yet.
    #[error("this camera has no password yet")]
    Unclaimed,
    /// No password was shown, and no session that goes on.
    #[error("this takes a password")]
    NotShown,
    /// The password is right, and that is not enough.
    #[error("this takes the role {}, and who asks is {has}", needed.word())]
    TooLow {
        /// What it takes.
        needed: Role,
        /// Who asks, in words.
        has: String,
    },
    /// It is another one.
    #[error("the password is wrong")]
    Wrong,
    /// Too many wrong ones came from there.
    #[error("too many wrong passwords came from this address")]
    TooSoon(Duration),
    /// Too many are being looked at.
    #[error("too many passwords are being looked at")]
    Busy,
    /// Nobody knows whether it is right.
    #[error("the camera's password cannot be read")]
    Unreadable,
}

impl Who {
    /// What they may do, where that is a role.
    pub fn role(&self) -> Option<Role> {
        match self {
            Who::Anybody | Who::Program(_) => None,
            Who::Owner => Some(Role::Admin),
            Who::Person(person) => Some(person.role),
            Who::Linked(_) => Some(Role::Viewer),
        }
    }

    /// Whether they have `right`.
    pub fn has(&self, right: Right, is_view_open: bool) -> bool {
        let is_free = right.role().is_none() || (is_view_open && right.is_look());
        match self {
            Who::Program(token) => is_free || right.is_in(&token.scopes),
            _ => is_free || self.role() >= right.role(),
        }
    }

    /// Whether they are told how the machine is inside: its addresses, its paths, who watches.
    pub fn sees_inside(&self) -> bool {
        self.has(Right::Operator, false)
    }

    /// In words: `ann`, `the owner`.
    pub fn named(&self) -> &str {
        match self {
            Who::Anybody => "nobody in particular",
            Who::Owner => "the owner",
            Who::Person(person) if person.name.is_empty() => "a guest",
            Who::Person(person) => &person.name,
            Who::Program(_) => "a token",
            Who::Linked(_) => "a link",
        }
    }

    fn in_words(&self) -> String {
        match self {
            Who::Person(person) => format!("{} ({})", self.named(), person.role.word()),
            _ => self.named().to_owned(),
        }
    }
}

impl Gate {
    /// Without `access` nobody is asked for anything.
    pub fn new(access: Option<Access>, audit: Rc<Audit>) -> Gate {
        Gate { access, passwords: Arc::default(), keys: RefCell::default(), audit, turns: Turns::default() }
    }

    /// The password, where there may be one.
    pub fn access(&self) -> Option<&Access> {
        self.access.as_ref()
    }

    /// Whether nobody is asked for anything.
    pub fn is_open(&self) -> bool {
        self.access.as_ref().is_none_or(Access::is_open)
    }

    /// Whether nobody gets in before somebody on the network has chosen a password.
    pub fn is_unclaimed(&self) -> bool {
        self.access.as_ref().is_some_and(Access::is_unclaimed)
    }

    /// Who asks, as far as that costs microseconds: a password counts if it was shown before in this run.
    pub fn who(&self, asker: Asker<'_>) -> Who {
        let Some(access) = self.access.as_ref().filter(|access| !access.is_open()) else { return Who::Owner };
        if asker.is_trusted() || (access.is_unclaimed() && asker.is_here()) {
            return Who::Owner;
        }
        if let Some(session) = self.session(asker.headers) {
            return Who::Person(session.person);
        }
        let now_s = clock::wall_s();
        if let Some(token) = asker.token()
            && let Some((facts, is_news)) = access.token(&token, now_s)
        {
            if is_news {
                let access = access.clone();
                tokio::task::spawn_blocking(move || access.keep_uses());
            }
            return Who::Program(facts);
        }
        if let Some((until_s, signature, address)) = asker.link()
            && access.is_signed(&address, until_s, signature, now_s)
        {
            return Who::Linked(until_s);
        }
        let shown = basic(asker.headers).and_then(|(name, password)| access.remembers(&name, &password));
        shown.map_or(Who::Anybody, Who::Person)
    }

    /// Whether `asker` shows a session, a token, or a password that was proven before. Nothing is hashed for a stranger.
    pub fn knows(&self, asker: Asker<'_>) -> bool {
        matches!(self.who(asker), Who::Person(_) | Who::Program(_))
    }

    /// Lets through who has `right`.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn admit(&self, asker: Asker<'_>, right: Right) -> Result<Who, Denied> {
        let mut who = self.who(asker);
        if who.has(right, asker.is_view_open) {
            return Ok(who);
        }
        if self.is_unclaimed() {
            return Err(Denied::Unclaimed);
        }
        if who == Who::Anybody {
            let Some((name, password)) = basic(asker.headers) else {
                let guard = self.access.as_ref().map(Access::guard);
                return Err(match guard {
                    Some(Guard::Unreadable(_)) => Denied::Unreadable,
                    _ if asker.token().is_some() => self.wrong(asker, Denied::Wrong),
                    _ => Denied::NotShown,
                });
            };
            let person = self.prove(asker, name, password).await?;
            self.audit.signed_in(asker, &person);
            who = Who::Person(person);
        }
        if who.has(right, asker.is_view_open) {
            return Ok(who);
        }
        Err(Denied::TooLow { needed: right.role().unwrap_or(Role::Admin), has: who.in_words() })
    }

    /// Looks at a password, and whose it is.
    ///
    /// # Errors
    /// [`Denied`].
    pub async fn prove(&self, asker: Asker<'_>, name: String, password: String) -> Result<Person, Denied> {
        let Some(access) = &self.access else {
            return Ok(Person { name: String::from(ADMIN), role: Role::Admin });
        };
        if matches!(access.guard(), Guard::Unreadable(_)) {
            return Err(Denied::Unreadable);
        }
        let client = asker.client();
        if let Some(wait) = self.guessing().wait(client, clock::monotonic_us()) {
            return Err(self.wrong(asker, Denied::TooSoon(wait)));
        }
        if let Some(person) = access.remembers(&name, &password) {
            return Ok(person);
        }
        let tries = self.guessing().count(client);
        let place = self.turns.enter(client, tries).ok_or(Denied::Busy)?;
        let attempt = self.guessing().attempt(client, clock::monotonic_us());
        attempt.map_err(|wait| self.wrong(asker, Denied::TooSoon(wait)))?;
        if !place.turn().await {
            return Err(Denied::Busy);
        }
        // Somebody before in the queue may have shown the same one.
        let proven = match access.remembers(&name, &password) {
            Some(person) => Some(person),
            None => {
                loop {
                    let wait = self.guessing().spend(client, clock::monotonic_us());
                    let Some(wait) = wait else { break };
                    tokio::time::sleep(wait).await;
                }
                let access = access.clone();
                // The place goes along: a client that leaves does not make room while its hash is under way.
                let proven = tokio::task::spawn_blocking(move || {
                    let _held = place;
                    access.proves(&name, &password)
                });
                proven.await.map_err(|_| Denied::Busy)?
            }
        };
        let Some(person) = proven else { return Err(self.wrong(asker, Denied::Wrong)) };
        self.guessing().right(client);
        Ok(person)
    }

    /// Tells of a wrong password or token; gives `denied` back.
    fn wrong(&self, asker: Asker<'_>, denied: Denied) -> Denied {
        if let Some(more) = self.audit.refused(Refusal::WrongPassword, asker, "") {
            log::warn!("wrong password from {}{more}", asker.named());
        }
        denied
    }

    fn guessing(&self) -> MutexGuard<'_, Guessing> {
        self.passwords.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that a request belongs to.
    pub fn session(&self, headers: &HeaderMap) -> Option<SessionFacts> {
        let access = self.access.as_ref()?;
        self.tokens(headers).find_map(|token| access.session(token, clock::wall_s()))
    }

    /// The tokens of sessions that a request bears.
    fn tokens<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = self.access.as_ref().map(|access| [false, true].map(|is| cookie_name(access, is)));
        let is_ours = move |name: &str| names.iter().flatten().any(|own| own == name);
        cookies(headers).filter(move |(name, _)| is_ours(name)).map(|(_, token)| token)
    }

    /// Begins a session of `person` and this length: what sets its cookie.
    ///
    /// # Errors
    /// There are no random numbers.
    pub async fn begin(
        &self,
        asker: Asker<'_>,
        person: Person,
        length: Duration,
    ) -> Result<HeaderValue, Problem> {
        let no = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no session could be begun");
        let access = self.access.clone().ok_or_else(no)?;
        let now_s = clock::wall_s();
        let agent = asker.headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let (from, browser) = (asker.named(), agent.to_owned());
        let begun = tokio::task::spawn_blocking({
            let (access, person) = (access.clone(), person.clone());
            move || access.begin_session(&person, &from, &browser, now_s, now_s + length.as_secs())
        });
        let token = begun.await.map_err(|_| no())??;
        self.audit.signed_in(asker, &person);
        set_cookie(&access, asker.is_https(), &token, length.as_secs()).ok_or_else(no)
    }

    /// Ends each session that a request shows, for a browser may have a cookie for each prefix: what takes it away.
    pub async fn end(&self, asker: Asker<'_>) -> Option<HeaderValue> {
        let access = self.access.clone()?;
        while let Some(session) = self.session(asker.headers) {
            let ending = access.clone();
            let ended = tokio::task::spawn_blocking(move || ending.end_session(session.number)).await;
            self.audit.signed_out(asker, &session.person);
            if !ended.unwrap_or(false) {
                break;
            }
        }
        set_cookie(&access, asker.is_https(), "", 0)
    }
}

/// Over HTTPS it is another one: a browser takes no cookie over plain HTTP in the place of one that is `Secure`
/// (RFC 6265bis §5.7), and whoever had signed in over HTTPS could not over HTTP.
fn cookie_name(access: &Access, is_https: bool) -> String {
    format!("tallycam_{}{}", access.mark(), if is_https { "_s" } else { "" })
}

/// A cookie for this host and for the folder that the page lies in: without `Path` it fits any prefix (RFC 6265
/// §5.1.4). No other site's page makes a browser send it.
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

/// Whether the browser speaks HTTPS with a proxy in front.
fn is_https(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = text("x-forwarded-proto").split(',').next().unwrap_or_default().trim();
    let forwarded = text("forwarded").to_ascii_lowercase();
    first.eq_ignore_ascii_case("https")
        || forwarded.split([';', ',']).any(|part| part.trim().replace('"', "") == "proto=https")
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// What follows this scheme in `Authorization`.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (own, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    own.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Name and password of `Authorization: Basic` (RFC 7617).
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization(headers, "basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

impl Asker<'_> {
    /// Whether it came over HTTPS, to this server or to a proxy in front.
    pub fn is_https(&self) -> bool {
        self.over_tls || is_https(self.headers)
    }

    /// Whether it is this machine's own.
    pub fn is_here(&self) -> bool {
        let is_near = self.address.is_none_or(|address| address.to_canonical().is_loopback());
        // nginx speaks HTTP/1.0 to what is behind it unless told otherwise, and marks nothing.
        // What a tallycam asks of its camera is asked for whoever wrote, or redirects, the camera's address.
        let is_for_a_camera = self.headers.contains_key(own_mark::FIELD);
        is_near
            && !is_for_a_camera
            && self.version != Version::HTTP_10
            && !self.is_proxied()
            && names_loopback(self.headers)
    }

    /// Whether it is this machine's own for sure, so that it needs no password where there is one.
    pub fn is_trusted(&self) -> bool {
        self.is_here() && (self.address.is_none() || self.is_local_open)
    }

    /// Whether it comes from this machine's own network, where it listens at `own`, through no proxy.
    pub fn is_near(&self, own: Option<IpAddr>) -> bool {
        !self.is_proxied() && self.address.is_none_or(|address| is_near(address, own))
    }

    /// The token of a program: as Bearer, as the password of Basic, or in the query, for an `<img>`.
    fn token(&self) -> Option<String> {
        // RFC 6750.
        authorization(self.headers, "bearer")
            .map(str::to_owned)
            .or_else(|| {
                basic(self.headers).map(|(_, password)| password).filter(|text| Access::is_token(text))
            })
            .or_else(|| Query::parse(self.uri.query()?).get(TOKEN).map(str::to_owned))
    }

    /// The end and the signature of a link, and the address that they are of.
    fn link(&self) -> Option<(u64, &str, String)> {
        if !matches!(*self.method, Method::GET | Method::HEAD) {
            return None;
        }
        let mut signed = None;
        let others = self.uri.query()?.split('&').filter(|pair| {
            let link = pair.split_once('=').filter(|(key, _)| *key == LINK);
            signed = signed.or(link.map(|(_, value)| value));
            link.is_none()
        });
        let others: Vec<&str> = others.collect();
        let (until_s, signature) = signed?.split_once('.')?;
        let mark = if others.is_empty() { "" } else { "?" };
        Some((until_s.parse().ok()?, signature, format!("{}{mark}{}", self.uri.path(), others.join("&"))))
    }

    fn is_proxied(&self) -> bool {
        self.headers
            .keys()
            .any(|name| name.as_str().starts_with("x-forwarded") || MARKS.contains(&name.as_str()))
    }

    /// Who is held to account for guesses: the peer, or, where that is a proxy of this machine, whom it names last.
    pub fn client(&self) -> Client {
        match self.address {
            Some(address) if !address.to_canonical().is_loopback() => Client::of(address),
            _ => self.forwarded().map_or(Client::Unnamed, Client::of),
        }
    }

    fn forwarded(&self) -> Option<IpAddr> {
        let last = self.headers.get_all("x-forwarded-for").into_iter().next_back()?.to_str().ok()?;
        last.rsplit(',').next()?.trim().parse().ok()
    }

    /// In words: `192.168.1.7`, `10.0.0.7, through 127.0.0.1`.
    pub fn named(&self) -> String {
        match (self.address, self.forwarded()) {
            (Some(address), None) => address.to_string(),
            (Some(address), Some(behind)) => format!("{behind}, through {address}"),
            (None, Some(behind)) => format!("{behind}, through a Unix socket"),
            (None, None) => String::from("a Unix socket"),
        }
    }
}

/// Whether `Host` is a name that no resolver can lead elsewhere.
fn names_loopback(headers: &HeaderMap) -> bool {
    let name = names::named(headers).unwrap_or_default();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a browser asks, and not a program.
fn is_browser(headers: &HeaderMap) -> bool {
    let agent = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.starts_with("Mozilla/") || headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-mode")
}

impl Denied {
    /// What the asker gets of `route`: a page's form leads to the page that signs in; everybody else is told.
    ///
    /// # Errors
    /// What is told.
    pub fn answer(self, route: &Route, path: &str, headers: &HeaderMap) -> Result<Response<Body>, Problem> {
        if route.doc.tag == Tag::Pages {
            match &self {
                Denied::Unclaimed => return Ok(page::see(&format!("{}claim", up_from(path)))),
                Denied::NotShown => return Ok(page::see(&sign_in_for(path))),
                // A form's answer would come in the place of the page: there it is said in words.
                Denied::TooLow { needed, .. } if route.method == Method::GET => {
                    return Ok(page::see(&format!("{}&needed={}", sign_in_for(path), needed.word())));
                }
                _ => {}
            }
        }
        let challenge = matches!(self, Denied::NotShown | Denied::Wrong) && !is_browser(headers);
        Err(Problem { challenge, ..self.into() })
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Problem {
        let detail = denied.to_string();
        match denied {
            Denied::TooLow { .. } => Problem::new(StatusCode::FORBIDDEN, detail)
                .hint("sign in as a user with this right, or ask the camera's admin"),
            Denied::Unclaimed => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("choose one on the page /claim, in a browser on the camera's network"),
            Denied::NotShown => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("sign in at /sign-in, or send it by HTTP Basic with any user name; `tallycam password show-how` says where to find it"),
            Denied::Wrong => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("`tallycam password show-how` on the camera's machine says where to find it"),
            Denied::TooSoon(wait) => {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                let unit = if seconds == 1 { "second" } else { "seconds" };
                Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                    .hint(format!("try again in {seconds} {unit}"))
                    .retry_after(seconds)
            }
            Denied::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1),
            Denied::Unreadable => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .hint("`tallycam password random` on the camera's machine makes a new one"),
        }
    }
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

/// What a password should be, in words.
pub fn fit_password() -> String {
    format!("a text of {SHORTEST} to {LONGEST} characters that can be typed")
}

/// The page that signs in, seen from `path`, and from there back to the page that `path` belongs to.
fn sign_in_for(path: &str) -> String {
    let own = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let next = if is_page(own) { own } else { "./" };
    format!("{}sign-in?next={}", up_from(path), percent_encoded(next))
}

/// The way from `path` to where all addresses begin: `../`, as links have it.
fn up_from(path: &str) -> String {
    "../".repeat(path.trim_start_matches('/').matches('/').count())
}

/// Whether `peer` is on a network of this machine's: by its kind of address, or since it is, or shares the first 64 bits with,
/// `own`, the address that it came to (RFC 1918, 3927, 4193, 4291).
fn is_near(peer: IpAddr, own: Option<IpAddr>) -> bool {
    let (peer, own) = (peer.to_canonical(), own.map(|own| own.to_canonical()));
    if own == Some(peer) {
        return true;
    }
    match (peer, own) {
        (IpAddr::V4(peer), _) => peer.is_private() || peer.is_link_local() || peer.is_loopback(),
        (IpAddr::V6(peer), own) => {
            let is_beside =
                matches!(own, Some(IpAddr::V6(own)) if own.segments()[..4] == peer.segments()[..4]);
            is_beside || peer.is_unique_local() || peer.is_unicast_link_local() || peer.is_loopback()
        }
    }
}

/// Where a page may lead to after signing in: a page of ours, with a query perhaps; anything else is the live page.
pub fn next(wanted: Option<&str>) -> String {
    let wanted = wanted.unwrap_or_default();
    let (path, query) = wanted.split_once('?').unwrap_or((wanted, ""));
    let is_plain = query.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~=&%+,:".contains(&b));
    if wanted.len() <= 500 && is_plain && is_page(path) { wanted.to_owned() } else { String::from("./") }
}

/// Whether `name`, as a link has it, is that of a page beside the live one.
fn is_page(name: &str) -> bool {
    let is_it = |route: &&Route| {
        route.doc.tag == Tag::Pages
            && route.method == hyper::Method::GET
            && route.path.strip_prefix('/') == Some(name)
    };
    !name.is_empty() && ROUTES.iter().any(|route| is_it(&route))
}

/// The camera can be changed by whoever reaches it, and it can be reached from other machines.
pub(super) fn is_open(site: &Site) -> bool {
    site.is_reached && site.gate.is_open()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::HeaderName;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    fn asker(address: Option<IpAddr>, version: Version, headers: &HeaderMap) -> Asker<'_> {
        static URI: std::sync::LazyLock<Uri> = std::sync::LazyLock::new(|| Uri::from_static("/"));
        Asker {
            address,
            version,
            method: &Method::GET,
            headers,
            uri: &URI,
            over_tls: false,
            is_local_open: false,
            is_view_open: true,
        }
    }

    fn is_here(address: Option<&str>, version: Version, lines: &[(&str, &str)]) -> bool {
        let address = address.map(|address| address.parse().unwrap());
        asker(address, version, &headers(lines)).is_here()
    }

    #[tokio::test]
    async fn tokens_and_proven_passwords_are_known() {
        let folder = tempfile::tempdir().unwrap();
        let access = Access::open(folder.path());
        access.set("correct horse").unwrap();
        let (token, _) =
            access.add_token("hass", &[crate::access::Scope::Stream], clock::wall_s(), None).unwrap();
        let gate = Gate::new(Some(access.clone()), Rc::new(Audit::new(None)));
        let knows = |line: &str| {
            let headers = headers(&[("authorization", line)]);
            gate.knows(asker(Some([10, 0, 0, 9].into()), Version::HTTP_11, &headers))
        };
        let basic = format!("Basic {}", STANDARD.encode("me:correct horse"));
        assert!(knows(&format!("Bearer {token}")) && !knows("Bearer tc_x"));
        assert!(!knows(&basic), "nothing is hashed");
        access.proves("me", "correct horse").unwrap();
        assert!(knows(&basic) && !knows("Basic bWU6d3Jvbmc="));
    }

    #[test]
    fn who_sits_at_this_machine() {
        let host: &[_] = &[("host", "localhost:8080")];
        for address in [None, Some("127.0.0.1"), Some("127.8.9.1"), Some("::1"), Some("::ffff:127.0.0.1")] {
            assert!(is_here(address, Version::HTTP_11, host), "{address:?}");
        }
        for address in ["192.168.1.7", "10.0.0.1", "0.0.0.0", "2001:db8::1", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(!is_here(Some(address), Version::HTTP_11, host), "{address}");
        }
        assert!(!is_here(Some("127.0.0.1"), Version::HTTP_10, host), "nginx as it comes");
    }

    #[test]
    fn only_names_that_lead_nowhere_else_are_this_machines() {
        for (host, is) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("cam.localhost:8080", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("rebound.example", false),
            ("localhost.example", false),
            ("notlocalhost", false),
            ("192.168.1.7", false),
            ("127.0.0.1.example", false),
            ("", false),
            ("[::1", false),
            ("::1", false),
        ] {
            assert_eq!(is_here(Some("127.0.0.1"), Version::HTTP_11, &[("host", host)]), is, "{host}");
        }
        assert!(!is_here(Some("127.0.0.1"), Version::HTTP_11, &[]), "without a name");
        assert!(!is_here(None, Version::HTTP_11, &[("host", "localhost"), ("host", "evil.example")]));
    }

    #[test]
    fn a_proxy_speaks_for_others() {
        for mark in
            ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"]
        {
            let lines = [("host", "localhost"), (mark, "1.2.3.4")];
            assert!(!is_here(Some("127.0.0.1"), Version::HTTP_11, &lines), "{mark}");
            assert!(!is_here(None, Version::HTTP_11, &lines), "{mark}");
        }
    }

    #[test]
    fn guesses_are_put_down_to_whom_the_proxy_names() {
        let client = |address: Option<&str>, lines: &[(&str, &str)]| {
            let address = address.map(|address| address.parse().unwrap());
            asker(address, Version::HTTP_11, &headers(lines)).client()
        };
        let of = |address: &str| Client::of(address.parse().unwrap());
        let forged = &[("x-forwarded-for", "9.9.9.9, 10.0.0.7")];
        assert_eq!(client(Some("127.0.0.1"), forged), of("10.0.0.7"));
        assert_eq!(client(None, forged), of("10.0.0.7"));
        assert_eq!(client(Some("10.0.0.1"), forged), of("10.0.0.1"), "anybody can say so");
        assert_eq!(client(Some("127.0.0.1"), &[("x-forwarded-for", "unknown")]), Client::Unnamed);
    }

    #[test]
    fn basic_is_read_whatever_the_user_is_called() {
        let of = |value: &str| basic(&headers(&[("authorization", value)])).map(|(_, password)| password);
        let coded = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert_eq!(of(&coded("admin:k7mqx")).as_deref(), Some("k7mqx"));
        assert_eq!(of(&coded(":a:b")).as_deref(), Some("a:b"));
        assert_eq!(of(&coded("x:ü")).as_deref(), Some("ü"));
        assert_eq!(of("basic YTpi").as_deref(), Some("b"));
        for nonsense in ["", "Basic", "Basic !!!", "Bearer YTpi", &coded("no colon"), "Basic YTpi YTpi"] {
            assert_eq!(of(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn cookies_are_read_one_by_one() {
        let headers = headers(&[("cookie", "a=1; tallycam_x=2;b"), ("cookie", " c = 3 ;;=; d==4")]);
        let all: Vec<_> = cookies(&headers).collect();
        assert_eq!(all, [("a", "1"), ("tallycam_x", "2"), ("c ", " 3"), ("", ""), ("d", "=4")]);
    }

    #[test]
    fn only_pages_of_ours_are_led_to() {
        for good in ["lines", "lines?line=2", "counts?range=7d&class=person", "media?q=a%20b+c"] {
            assert_eq!(next(Some(good)), good);
        }
        for bad in [
            "//evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/lines",
            "../lines",
            "lines/..",
            "\\\\evil",
            "lines?a=\r\nSet-Cookie:x",
            "lines?\"",
            "",
            "./",
            "stream",
            "api/v1/state",
            "lines#x",
            "lines?next=//evil\\",
            "LINES",
        ] {
            assert_eq!(next(Some(bad)), "./", "{bad}");
        }
        assert_eq!(next(Some(&format!("lines?{}", "a".repeat(1000)))), "./");
        assert_eq!(next(None), "./");
    }

    #[test]
    fn whoever_is_on_the_same_network_is_near() {
        let own = Some("2001:db8:1:2::5".parse().unwrap());
        for (peer, near) in [
            ("192.168.1.7", true),
            ("10.9.8.7", true),
            ("172.31.0.1", true),
            ("169.254.3.4", true),
            ("::ffff:192.168.1.7", true),
            ("fe80::1", true),
            ("fd12:3456::1", true),
            ("2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:3::9", false),
            ("203.0.113.9", false),
            ("::ffff:203.0.113.9", false),
            ("172.32.0.1", false),
        ] {
            assert_eq!(is_near(peer.parse().unwrap(), own), near, "{peer}");
        }
        assert!(!is_near("2001:db8:1:2::9".parse().unwrap(), None));
    }

    #[test]
    fn the_way_to_sign_in_fits_any_depth_and_prefix() {
        assert_eq!(sign_in_for("/lines"), "sign-in?next=lines");
        assert_eq!(sign_in_for("/pause"), "sign-in?next=.%2F");
        assert_eq!(sign_in_for("/media/upload"), "../sign-in?next=media");
    }

    #[test]
    fn https_in_front_is_seen() {
        assert!(is_https(&headers(&[("x-forwarded-proto", "https")])));
        assert!(is_https(&headers(&[("x-forwarded-proto", "https, http")])));
        assert!(is_https(&headers(&[("forwarded", "for=1.2.3.4;Proto=\"https\";by=x")])));
        assert!(!is_https(&headers(&[("x-forwarded-proto", "http")])));
        assert!(!is_https(&headers(&[])));
    }
}
