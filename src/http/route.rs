//! The way of a request: looked up in the one [table of routes](super::routes), guarded, its body
//! taken, answered. 404, 405, `OPTIONS`, `HEAD` and the guard against other sites follow from the
//! table; nothing here knows any route.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};
use tokio::sync::Semaphore;

use super::access::{Asker, Denied, Who};
use super::audit::Change;
use super::body::Body;
use super::connection::{self, FILES, Link, Use};
use super::keys::Key;
use super::preferences::NotSet;
use super::problem::{BodyError, Miss, Problem};
use super::query;
use super::query::Query;
use super::refusals::Refusal;
use super::right::Right;
use super::routes::ROUTES;
use super::upload::Upload;
use super::wire::Inside;
use super::{Site, cors, guard, https, legacy, names, openapi, page, sign_in};
use crate::access::Client;
use crate::base::own_mark;
use crate::ui;

/// The media type of old text answers.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// Which pages may show what is answered (Fetch §3.7).
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// The longest body of a request: forms and settings need less.
const MAX_BODY: usize = 64 * 1024;

/// Answers from so many bytes on count when they lie in memory because nobody takes them.
const LONG_ANSWER: usize = 64 << 10;

/// And so many bytes of them may, of one address a quarter.
const MOST_UNSENT: usize = 32 << 20;

/// Changes that go on when whoever asked for them has gone: a connection that ends makes no room for another.
const AT_ONCE: usize = 16;

thread_local! {
    /// Places for them: a server has a thread of its own.
    static PLACES: Arc<Semaphore> = Arc::new(Semaphore::new(AT_ONCE));
}

/// What a handler gets.
#[derive(Debug)]
pub struct Request {
    /// The server's pieces.
    pub site: Rc<Site>,
    /// The connection it came over.
    pub link: Rc<Link>,
    /// `GET`, `HEAD` (answered by the same handler; hyper leaves the body away) or the route's own.
    pub method: Method,
    /// What was asked for.
    pub uri: Uri,
    /// The query, decoded.
    pub query: Query,
    /// Who asks, as far as that was shown.
    pub who: Who,
    /// The headers.
    pub headers: HeaderMap,
    /// Of HTTP.
    pub version: Version,
    /// The number in the path, where the route has one; else 0.
    pub id: u64,
    /// The name in the path, decoded, where the route has one; else empty.
    pub name: String,
    /// The body, complete; empty where there was none, and where it is to be streamed.
    pub body: Bytes,
    /// The body as it comes, of a route that takes it so.
    pub upload: Option<Upload>,
}

impl Request {
    /// Who asks, where looking takes no password, too: one that was shown is looked at. A wrong one is none.
    pub async fn reader(&self) -> Who {
        self.site.gate.admit(self.asker(), Right::Operator).await.unwrap_or_else(|_| self.who.clone())
    }

    /// Who asks.
    pub fn asker(&self) -> Asker<'_> {
        let settings = self.site.settings();
        Asker {
            address: self.link.address(),
            version: self.version,
            method: &self.method,
            headers: &self.headers,
            uri: &self.uri,
            over_tls: self.link.is_tls(),
            is_local_open: settings.is_local_open,
            is_view_open: self.site.is_view_open(),
        }
    }
}

/// What answers a request.
pub type Handler = fn(Request) -> Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>>>>;

/// What a handler gives: an answer, or an answer or a problem.
pub trait Answered {
    /// Both as the latter.
    fn answered(self) -> Result<Response<Body>, Problem>;
}

impl Answered for Response<Body> {
    fn answered(self) -> Result<Response<Body>, Problem> {
        Ok(self)
    }
}

impl Answered for Result<Response<Body>, Problem> {
    fn answered(self) -> Result<Response<Body>, Problem> {
        self
    }
}

/// One route.
pub struct Route {
    /// `GET` stands for `HEAD` too.
    pub method: Method,
    /// The path, exactly, but that `{id}` stands for a number from 1 on, and `{name}` at its end for one segment.
    pub path: &'static str,
    /// When it changes something.
    pub changes: Changes,
    /// What it asks of whoever asks for it. To change something by a route that is looked at is the operator's.
    pub right: Right,
    /// What it does, for the document.
    pub doc: Doc,
    /// What answers it.
    pub handler: Handler,
}

/// When a route changes something: then it is closed to other sites, and not answered for a mere `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// As its method says: never by `GET`, else always.
    AsUsual,
    /// Always, though its method is `GET`: an old address.
    Always,
    /// When the query has this key, though its method is `GET`: an old address.
    WithKey(&'static str),
    /// Never. But where only counts are wanted it is closed as if it did: it shows the one picture that there is.
    ShownSeldom,
}

/// What the document says of a route.
pub struct Doc {
    /// The group it is listed in.
    pub tag: Tag,
    /// One line.
    pub summary: &'static str,
    /// Keys of the query.
    pub query: &'static [Key],
    /// What is to be sent with it.
    pub body: Wanted,
    /// Status, words, and what the body is.
    pub answers: &'static [(u16, &'static str, Content)],
}

/// Groups of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// Pages for people.
    Pages,
    /// Streams and snapshots.
    Pictures,
    /// This program's own.
    Api,
    /// What older programs offered.
    Legacy,
}

/// What a request's body is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// There need be none.
    Nothing,
    /// JSON whose schema the document has under this name; the same as a form is taken, too.
    Json(&'static str),
    /// Likewise, of at most so many bytes, which may be more than usual.
    LongJson(&'static str, usize),
    /// Likewise, or nothing at all.
    JsonOrNothing(&'static str),
    /// What a page's form sends.
    Form,
    /// A file of settings.
    Toml,
    /// A file, of any length: the handler takes it as it comes.
    File,
}

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// There is none.
    Nothing,
    /// Words.
    Text,
    /// A page.
    Html,
    /// One picture.
    Jpeg,
    /// Pictures without end.
    Multipart,
    /// Figures for Prometheus.
    Metrics,
    /// JSON whose schema the document has under this name, or, with `format=csv`, a table.
    JsonOrCsv(&'static str),
    /// Events without end.
    Events,
    /// JSON whose schema the document has under this name.
    Json(&'static str),
    /// JSON of no fixed form.
    AnyJson,
    /// A file of settings.
    Toml,
    /// A problem (RFC 9457).
    Problem,
    /// An icon.
    Svg,
    /// A file of SQLite.
    Database,
    /// A file of one of these media types.
    OneOf(&'static [&'static str]),
}

/// Where a request goes.
enum Found {
    Route(&'static Route, InPath),
    Asset(&'static ui::Asset),
    Options(String),
}

/// What a path says beyond its route.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct InPath {
    id: u64,
    name: String,
}

impl Route {
    /// What `path` says if this route's path is like it.
    pub(super) fn matches(&self, path: &str) -> Option<InPath> {
        if let Some(before) = self.path.strip_suffix("{name}") {
            let name = path.strip_prefix(before)?;
            let is_segment = !name.is_empty() && !name.contains('/');
            return is_segment.then(|| InPath { id: 0, name: query::decode_path(name) });
        }
        let Some((before, after)) = self.path.split_once("{id}") else {
            return (self.path == path).then(InPath::default);
        };
        let digits = path.strip_prefix(before)?.strip_suffix(after)?;
        // Only as it is written by us: no sign, no zero in front.
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let id = digits.parse().ok().filter(|_| is_plain)?;
        Some(InPath { id, name: String::new() })
    }

    /// Whether it is answered for a mere `HEAD`, if not always: that is what changes nothing.
    fn has_head(&self) -> bool {
        self.method == Method::GET && self.changes != Changes::Always
    }

    /// What a request asks for that does, or does not, change something.
    pub(super) fn right(&self, is_change: bool) -> Right {
        if is_change && self.right.is_look() { Right::Operator } else { self.right }
    }

    /// Whether a request with this query changes something.
    pub(super) fn is_change(&self, query: &Query) -> bool {
        match self.changes {
            Changes::AsUsual | Changes::ShownSeldom => self.method != Method::GET,
            Changes::Always => true,
            Changes::WithKey(key) => query.get(key).is_some(),
        }
    }
}

/// The route by which something is got at `path`.
pub fn got(path: &str) -> Option<&'static Route> {
    match find(&Method::GET, path) {
        Ok(Found::Route(route, _)) => Some(route),
        _ => None,
    }
}

/// Whether something is got at `path`.
pub fn is_one(path: &str) -> bool {
    find(&Method::GET, path).is_ok()
}

fn find(method: &Method, path: &str) -> Result<Found, Miss> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut methods: Vec<&str> = Vec::new();
    let mut by_name: Vec<&str> = Vec::new();
    let (mut has_head, mut has_named_head) = (false, false);
    for route in ROUTES {
        let Some(said) = route.matches(path) else { continue };
        if route.method == *method {
            return Ok(Found::Route(route, said));
        }
        if route.path.ends_with("{name}") {
            has_named_head |= route.has_head();
            by_name.push(route.method.as_str());
        } else {
            has_head |= route.has_head();
            methods.push(route.method.as_str());
        }
    }
    // A path that is there by itself has its own methods only. And what can merely be put under a name is not there.
    if methods.is_empty() && (by_name != ["PUT"] || *method == Method::OPTIONS) {
        (methods, has_head) = (by_name, has_named_head);
    }
    let asset = path.strip_prefix('/').and_then(ui::asset);
    match asset {
        Some(asset) if *method == Method::GET => return Ok(Found::Asset(asset)),
        Some(_) => {
            methods.push("GET");
            has_head = true;
        }
        None => {}
    }
    if path == "*" && *method == Method::OPTIONS {
        for route in ROUTES {
            has_head |= route.has_head();
            if !methods.contains(&route.method.as_str()) {
                methods.push(route.method.as_str());
            }
        }
    }
    if methods.is_empty() {
        return Err(Miss::Path { path: path.chars().take(200).collect() });
    }
    if has_head {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    let allow = methods.join(", ");
    if *method == Method::OPTIONS {
        Ok(Found::Options(allow))
    } else {
        Err(Miss::Method { path: path.to_owned(), allow })
    }
}

/// Answers one request of one connection.
pub async fn serve(
    site: Rc<Site>,
    link: Rc<Link>,
    request: hyper::Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (Parts { method, uri, version, mut headers, .. }, body) = request.into_parts();
    let path = uri.path();
    let is_addressed = match headers.get_all(HOST).iter().count() {
        0 => version < Version::HTTP_11,
        hosts => hosts == 1,
    };
    // A name in the request line goes before `Host` (RFC 9112 §3.2.2), without who wants to be let in there.
    let named = uri.authority().and_then(|named| named.as_str().rsplit('@').next());
    if let Some(named) = named.and_then(|named| HeaderValue::from_str(named).ok()) {
        headers.insert(HOST, named);
    }
    let origin = headers.get(ORIGIN).cloned();
    let answered = if is_addressed {
        answer(&site, &link, &method, &uri, version, headers, body).await
    } else {
        link.cut();
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "a request of HTTP/1.1 has one `Host`, and this has none or two",
        )
        .hint("RFC 9112, section 3.2"))
    };
    // What has changed something is told of, however long the answer is.
    let is_read = matches!(method, Method::GET | Method::HEAD);
    let answered =
        answered.and_then(|response| if is_read { held_back(&site, &link, response) } else { Ok(response) });
    let mut response = answered.unwrap_or_else(|problem| problem.respond(path.starts_with("/api/")));
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Other sites learn nothing. Our own must: under `no-referrer` a browser calls the origin of a form `null` (Fetch
    // §3.2), and the guard would take it for another site's.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // What has not changed is as it was: this would go into the copy that the browser has.
    if status != StatusCode::NOT_MODIFIED {
        let policy = if is_for_all_pages(headers) { "cross-origin" } else { "same-origin" };
        headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static(policy));
    }
    cors::allow(headers, &site.settings().allow_origins, &method, &uri, origin.as_ref());
    log::debug!("{} {method} {path} {}", link.peer(), status.as_u16());
    site.count_request(status);
    Ok(response.map(|body| body.tells(link)))
}

async fn answer(
    site: &Rc<Site>,
    link: &Rc<Link>,
    method: &Method,
    uri: &Uri,
    version: Version,
    headers: HeaderMap,
    body: Incoming,
) -> Result<Response<Body>, Problem> {
    let settings = site.settings();
    let asker = Asker {
        address: link.address(),
        version,
        method,
        headers: &headers,
        uri,
        over_tls: link.is_tls(),
        is_local_open: settings.is_local_open,
        is_view_open: site.is_view_open(),
    };
    link.is_of(asker.client(), site.is_known(&asker));
    let path = uri.path();
    // Its own picture would go round for ever, and look like a camera's.
    if headers.get(own_mark::FIELD).is_some_and(|mark| mark == own_mark::mark()) {
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "this tallycam is asked by itself")
            .hint("its source must be a camera, or another tallycam"));
    }
    names::check(asker.address, &headers, &settings.names)?;
    if let Some(elsewhere) = https::redirect(site, asker) {
        return Ok(elsewhere);
    }
    let (route, InPath { id, name }) = match find(method, path)? {
        Found::Route(route, said) => (route, said),
        Found::Asset(asset) => return Ok(page::asset(asset, &headers)),
        Found::Options(allow) => return Ok(options(&allow)),
    };
    let query = Query::parse(uri.query().unwrap_or_default());
    let route = legacy::meant(route, &query);
    if path.starts_with("/api/") {
        query.known(route.doc.query)?;
        query.fits(route.doc.query)?;
    }
    let is_change = route.is_change(&query);
    if is_change && method == Method::HEAD {
        let allow = String::from("GET, OPTIONS");
        return Err(Miss::Method { path: path.to_owned(), allow }.into());
    }
    // A camera's address, or a redirect of it, that leads to what changes something.
    if is_change && headers.contains_key(own_mark::FIELD) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "another tallycam asks for a picture here, and this changes something",
        ));
    }
    let is_carried_out = is_change;
    let is_change = is_change || (route.changes == Changes::ShownSeldom && site.is_counts_only());
    if is_change {
        guard::check(&headers).inspect_err(|e| {
            if let Some(more) = site.audit.refused(Refusal::OtherSite, asker, "") {
                log::warn!("{method} {path} from {}: {e}{more}", link.peer());
            }
        })?;
    }
    let who = match site.gate.admit(asker, route.right(is_change)).await {
        Ok(who) => who,
        Err(denied) => {
            // What is still on its way is not waited for.
            link.cut();
            let refused = match &denied {
                Denied::TooLow { has, .. } => Some((Refusal::TooLow, has.as_str())),
                // To be led to the page that signs in is no refusal.
                Denied::NotShown if route.doc.tag != Tag::Pages => Some((Refusal::NotSignedIn, "")),
                _ => None,
            };
            if let Some((refusal, who)) = refused
                && let Some(more) = site.audit.refused(refusal, asker, who)
            {
                log::info!("{method} {path} from {}: {denied}{more}", link.peer());
            }
            return denied.answer(route, path, &headers);
        }
    };
    if let Who::Linked(until_s) = who
        && route.doc.tag == Tag::Pages
    {
        return sign_in::follow(site, asker, until_s).await;
    }
    let (mut upload, mut whole) = (None, Bytes::new());
    if route.doc.body == Wanted::File {
        upload = Some(Upload::new(body, link.clone(), site.settings().head_timeout));
    } else if !body.is_end_stream() {
        let mut limit = MAX_BODY;
        if let Wanted::LongJson(_, most) = route.doc.body
            && body.size_hint().upper().is_none_or(|len| len > MAX_BODY as u64)
        {
            limit = most;
            connection::take_place(site, link, Use::File, FILES).inspect_err(|_| link.cut())?;
        }
        whole = take(body, limit, site.settings().head_timeout).await.inspect_err(|_| link.cut())?;
    }
    let sees_inside = who.sees_inside();
    let object = if id > 0 { id.to_string() } else { name.clone() };
    let change =
        is_carried_out.then(|| Change::of(&site.audit, asker, &who, route, object, &query, &whole)).flatten();
    let (site, link, method, uri) = (site.clone(), link.clone(), method.clone(), uri.clone());
    let answered = (route.handler)(Request {
        site,
        link,
        method,
        version,
        uri,
        query,
        who,
        headers,
        id,
        name,
        body: whole,
        upload,
    })
    .await;
    if let Some(change) = change {
        change.answered(&answered);
    }
    // Every test of a route is one of its document, too.
    debug_assert!(openapi::has(route, &answered), "{} {}: {answered:?}", route.method, route.path);
    answered.map_err(|mut problem| {
        if !sees_inside {
            problem.leave_out();
        }
        problem
    })
}

/// Refuses an answer that would lie in memory where too much waits for clients that take nothing.
fn held_back(site: &Site, link: &Link, response: Response<Body>) -> Result<Response<Body>, Problem> {
    let bytes = response.body().whole();
    if bytes < LONG_ANSWER {
        return Ok(response);
    }
    let (all, own) = site.links.unsent(link.client());
    // One that is longer than all may be goes out where nothing waits.
    let is_full = |waiting: usize, most: usize| waiting > 0 && waiting + bytes > most;
    let is_own_full = link.client() != Client::Unnamed && is_full(own, MOST_UNSENT / 4);
    if !is_full(all, MOST_UNSENT) && !is_own_full {
        return Ok(response);
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be taken")
        .hint("read the answers to earlier requests first")
        .retry_after(2))
}

/// Does `work` to its end, also when whoever asked for it goes in the middle: what the camera is told is kept, or taken
/// back. At most [`AT_ONCE`] are under way.
///
/// # Errors
/// Those of `work`; [`NotSet::Busy`] where there is no place for it.
pub async fn to_its_end<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    let place = PLACES.with(Arc::clone).try_acquire_owned().map_err(|_| NotSet::Busy)?;
    let done = tokio::task::spawn_local(async move {
        let _place = place;
        work.await
    });
    let failed = |error: tokio::task::JoinError| {
        Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
    };
    done.await.unwrap_or_else(failed)
}

/// Takes the body of a request, whether its route wants one or not: the connection's next request
/// comes after it.
async fn take(body: Incoming, limit: usize, within: std::time::Duration) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLong { limit });
    }
    match tokio::time::timeout(within, Limited::new(body, limit).collect()).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(BodyError::TooLong { limit }),
        Ok(Err(_)) => Err(BodyError::Broken),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// Whether pages of any site may show it: pictures are for `<img>` tags anywhere, also on pages that isolate themselves.
fn is_for_all_pages(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    ["image/", "video/", "multipart/x-mixed-replace"].iter().any(|picture| kind.starts_with(picture))
}

fn options(allow: &str) -> Response<Body> {
    let mut response = Response::new(Body::full(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    if let Ok(allow) = HeaderValue::from_str(allow) {
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

/// A response with a body that is part of the program.
pub fn fixed(kind: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The same response, which no page of another site may show, whatever it makes of it.
pub fn for_own_pages(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// The same response, which nobody is to keep.
pub fn no_store(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::task::{Context, Waker};

    use super::*;

    #[tokio::test]
    async fn what_is_begun_is_done_though_nobody_waits_for_it() {
        let tasks = tokio::task::LocalSet::new();
        let (go_on, told) = tokio::sync::oneshot::channel();
        let (done, is_done) = tokio::sync::oneshot::channel();
        tasks
            .run_until(async move {
                let mut asked = Box::pin(to_its_end(async move {
                    let _ = told.await;
                    done.send(()).map_err(|()| unreachable!())
                }));
                assert!(asked.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                drop(asked);
                go_on.send(()).unwrap();
                is_done.await.unwrap();
            })
            .await;
    }

    #[tokio::test]
    async fn no_more_are_begun_than_there_are_places_for_and_who_goes_makes_no_room() {
        let tasks = tokio::task::LocalSet::new();
        let free = || PLACES.with(|places| places.available_permits());
        let (go_on, told) = tokio::sync::watch::channel(false);
        let (count, begun) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let change = || {
            let (mut told, count, begun) = (told.clone(), Rc::clone(&count), Rc::clone(&begun));
            to_its_end(async move {
                begun.set(begun.get() + 1);
                let _ = told.wait_for(|go_on| *go_on).await;
                count.set(count.get() + 1);
                Ok(())
            })
        };
        tasks
            .run_until(async {
                let asked: Vec<_> = (0..AT_ONCE).map(|_| tokio::task::spawn_local(change())).collect();
                while begun.get() < AT_ONCE {
                    tokio::task::yield_now().await;
                }
                let busy = change().await.unwrap_err();
                assert_eq!((busy.status, busy.retry_after), (StatusCode::SERVICE_UNAVAILABLE, Some(5)));
                for one in asked {
                    one.abort();
                    assert!(one.await.is_err());
                }
                assert_eq!(change().await, Err(busy));
                go_on.send(true).unwrap();
                while free() < AT_ONCE {
                    tokio::task::yield_now().await;
                }
                assert_eq!((count.get(), begun.get()), (AT_ONCE, AT_ONCE));
                change().await.unwrap();
            })
            .await;
    }

    // Of what their scripts put together, none is here.
    #[test]
    fn the_api_knows_every_key_of_the_addresses_in_pages() {
        let mut seen = 0;
        for (page, html) in crate::ui::samples::all() {
            for address in html.split('"').filter(|text| text.starts_with("api/") && text.contains('?')) {
                let address = address.replace("&amp;", "&");
                let (path, query) = address.split_once('?').unwrap();
                let Ok(Found::Route(route, _)) = find(&Method::GET, &format!("/{path}")) else {
                    panic!("{address} of {page} is nothing");
                };
                assert_eq!(Query::parse(query).known(route.doc.query), Ok(()), "{address} of {page}");
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn every_route_is_found_by_itself_and_by_nothing_else() {
        for (n, route) in ROUTES.iter().enumerate() {
            let path = route.path.replace("{id}", "12").replace("{name}", "a%20b.jpg");
            let Ok(Found::Route(found, said)) = find(&route.method, &path) else {
                panic!("{} {path} is not found", route.method)
            };
            assert!(std::ptr::eq(found, &ROUTES[n]), "{} {path} is there twice", route.method);
            assert_eq!(said.id, if route.path.contains("{id}") { 12 } else { 0 }, "{path}");
            assert_eq!(said.name, if route.path.contains("{name}") { "a b.jpg" } else { "" }, "{path}");
        }
    }

    #[test]
    fn a_number_in_a_path_is_a_number() {
        for path in [
            "/api/v1/lines/{id}",
            "/api/v1/lines/abc",
            "/api/v1/lines/-1",
            "/api/v1/lines/+1",
            "/api/v1/lines/0",
            "/api/v1/lines/007",
            "/api/v1/lines/",
            "/api/v1/lines/1/",
            "/api/v1/lines/1/2",
            "/api/v1/lines/99999999999999999999",
        ] {
            assert!(matches!(find(&Method::GET, path), Err(Miss::Path { .. })), "{path}");
        }
        assert!(matches!(
            find(&Method::GET, "/api/v1/lines/18446744073709551615"),
            Ok(Found::Route(_, InPath { id: u64::MAX, .. }))
        ));
    }

    #[test]
    fn a_get_answers_head_and_a_post_does_not() {
        assert!(matches!(find(&Method::HEAD, "/health"), Ok(Found::Route(..))));
        assert!(matches!(find(&Method::HEAD, "/stop_stream"), Err(Miss::Method { .. })));
    }

    #[test]
    fn a_wrong_method_learns_the_right_ones() {
        for (method, path, want) in [
            (Method::POST, "/health", "GET, HEAD, OPTIONS"),
            (Method::GET, "/stop_stream", "POST, OPTIONS"),
            (Method::POST, "/light", "GET, OPTIONS"),
            (Method::POST, "/reboot", "GET, OPTIONS"),
            (Method::POST, "/snapshot", "GET, HEAD, OPTIONS"),
            (Method::DELETE, "/icon.svg", "GET, HEAD, OPTIONS"),
            (Method::POST, "/api/v1/lines/7", "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"),
            (Method::DELETE, "/api/v1/lines", "GET, POST, HEAD, OPTIONS"),
            // A file may be put under these names, too, and is not told of where something else is.
            (Method::POST, "/api/v1/media/backup", "GET, HEAD, OPTIONS"),
            (Method::GET, "/api/v1/media/delete", "POST, OPTIONS"),
            (Method::POST, "/api/v1/media/7", "GET, PATCH, DELETE, HEAD, OPTIONS"),
            (Method::DELETE, "/media/upload", "POST, OPTIONS"),
            (Method::DELETE, "/media/a.jpg", "GET, HEAD, OPTIONS"),
        ] {
            match find(&method, path) {
                Err(Miss::Method { allow, .. }) => assert_eq!(allow, want),
                _ => panic!("{method} {path}"),
            }
        }
        assert!(
            matches!(find(&Method::OPTIONS, "/state"), Ok(Found::Options(allow)) if allow == "GET, HEAD, OPTIONS")
        );
        assert!(matches!(find(&Method::OPTIONS, "*"), Ok(Found::Options(_))));
        let put = find(&Method::OPTIONS, "/api/v1/media/a.jpg");
        assert!(matches!(put, Ok(Found::Options(allow)) if allow == "PUT, OPTIONS"));
        assert!(matches!(find(&Method::PUT, "/api/v1/media/backup"), Ok(Found::Route(..))));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        for method in [Method::GET, Method::PATCH, Method::DELETE, Method::POST] {
            assert!(matches!(find(&method, "/api/v1/media/a.jpg"), Err(Miss::Path { .. })), "{method}");
        }
        for path in ["/nothing", "/stream/", "//", "/api/v1/", "", "/../etc/passwd", "*"] {
            assert!(matches!(find(&Method::GET, path), Err(Miss::Path { .. })), "{path}");
        }
    }
}
