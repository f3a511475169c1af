//! Answers a request: finds its route in the one [table of routes](crate::http::routes), checks the request, reads its
//! body and calls the handler. The answers 404 and 405, `OPTIONS`, `HEAD` and the guard against other sites also follow
//! from the table. This module names no route.

mod inside;
mod permit;

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT_LANGUAGE, ALLOW, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::access::LimitedClient;
use crate::http::auth::audit::{AuditChange, AuditedRequest};
use crate::http::auth::caller::{AuthError, Caller, Who};
use crate::http::auth::refusals::Refusal;
use crate::http::auth::{csrf, host_names, redirect};
use crate::http::cors;
use crate::http::pages::{assets, counting, sign_in};
use crate::http::report::wire::Redact;
use crate::http::request::json_body;
use crate::http::request::problem::{Problem, no_such_method};
use crate::http::request::query::Query;
use crate::http::request::reply::RESOURCE_POLICY;
use crate::http::request::right::Right;
use crate::http::routes::ROUTES;
use crate::http::server::body::Body;
use crate::http::server::gzip::{self, AcceptedEncoding};
use crate::http::server::incoming::{BodyError, Upload};
use crate::http::server::link::{ConnectionUse, FILES, Link};
use crate::http::site::Site;
use crate::http::site::forms::{self, FormKind, FormPost};
use crate::http::site::handler::{Changes, Found, InPath, Request, Route, Tag, Told, Wanted, find};
use crate::http::site::{html, place};
use crate::http::{legacy, openapi};
use crate::ui::{self, ReturnedForm};
pub use inside::serve_inside;
use permit::RequestHead;
use tallycam_base::{INSTANCE_FIELD, instance_id};

/// The longest body in bytes; forms and settings need less.
const MAX_BODY: usize = 64 * 1024;

/// Answers from this many bytes on count while clients leave them in memory.
const LONG_ANSWER: usize = 64 << 10;

/// Maximum number of such bytes; a quarter of it for one address, and half for one network.
const MOST_UNSENT: usize = 32 << 20;

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
    // A host in the request line overrides `Host` (RFC 9112 §3.2.2); its user name is dropped.
    let named = uri.authority().and_then(|named| named.as_str().rsplit('@').next());
    if let Some(named) = named.and_then(|named| HeaderValue::from_str(named).ok()) {
        headers.insert(HOST, named);
    }
    let (origin, is_from_page) = (headers.get(ORIGIN).cloned(), headers.contains_key("x-page"));
    let accepted = AcceptedEncoding::of(&mut headers);
    let answered = if is_addressed {
        let (method, uri) = (method.clone(), uri.clone());
        Arrival { site: site.clone(), link: link.clone(), method, uri, version, headers }.answer(body).await
    } else {
        link.cut();
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "a request of HTTP/1.1 has one `Host`, and this has none or two",
        )
        .hint("RFC 9112, section 3.2"))
    };
    let refused = |problem| forms::in_words(problem, is_from_page).respond(path.starts_with("/api/"));
    // A change is always reported, however long the answer is.
    let held = |response| if is_read(&method) { held_back(&site, &link, response) } else { Ok(response) };
    let response = answered.and_then(held).unwrap_or_else(refused);
    let mut response = gzip::encoded(&accepted, response).await;
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Other sites get no referrer. Our own pages must send it: under `no-referrer`, browsers send `Origin: null` with
    // a form (Fetch §3.2), which the guard takes for another site.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    // A 304 would write this header into the browser's copy.
    if status != StatusCode::NOT_MODIFIED {
        let policy = if is_for_all_pages(headers) { "cross-origin" } else { "same-origin" };
        headers.entry(RESOURCE_POLICY).or_insert(HeaderValue::from_static(policy));
    }
    if let Some(age) = site.settings().hsts.filter(|_| link.is_tls())
        && let Ok(age) = HeaderValue::from_str(&format!("max-age={}", age.as_secs()))
    {
        headers.insert(STRICT_TRANSPORT_SECURITY, age);
    }
    html::allow_frames(headers, &site.settings().allow_frames);
    cors::allow(ROUTES, headers, &site.settings().allow_origins, &method, &uri, origin.as_ref());
    log::debug!("{} {method} {path} {}", link.peer(), status.as_u16());
    site.count_request(status);
    Ok(response.map(|body| body.tells(link)))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// A request without its body, on its way to its handler.
struct Arrival {
    site: Rc<Site>,
    link: Rc<Link>,
    method: Method,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
}

/// The body of a request, or its replacement.
enum Sent {
    /// A body still to be read.
    Coming(Incoming),
    /// The fields of a form.
    Fields(Bytes),
    /// None: a request for a form's page, to show the form again or its result.
    Returned(Rc<ReturnedForm>, Option<Told>),
}

/// The target of a request.
struct Destination {
    route: &'static Route,
    in_path: InPath,
    query: Query,
    /// The handler changes something.
    is_change: bool,
    /// Closed to pages of other sites, and needs the right of a change.
    is_guarded: bool,
    is_page: bool,
}

/// The body in the form that the route wants.
#[derive(Default)]
struct TakenBody {
    whole: Bytes,
    upload: Option<Upload>,
    returned: Option<Rc<ReturnedForm>>,
    told: Option<Told>,
}

/// The end of a request before its handler.
enum EarlyEnd {
    Answered(Box<Response<Body>>),
    Refused(Problem),
}

impl EarlyEnd {
    fn with(response: Response<Body>) -> EarlyEnd {
        EarlyEnd::Answered(Box::new(response))
    }

    fn answered(self) -> Result<Response<Body>, Problem> {
        match self {
            EarlyEnd::Answered(response) => Ok(*response),
            EarlyEnd::Refused(problem) => Err(problem),
        }
    }
}

impl<E: Into<Problem>> From<E> for EarlyEnd {
    fn from(error: E) -> EarlyEnd {
        EarlyEnd::Refused(error.into())
    }
}

impl Arrival {
    async fn answer(self, body: Incoming) -> Result<Response<Body>, Problem> {
        self.pass(body).await.or_else(EarlyEnd::answered)
    }

    /// The steps of a request, in their order. The first that ends it gives the answer.
    async fn pass(mut self, body: Incoming) -> Result<Response<Body>, EarlyEnd> {
        self.name_client();
        self.refuse_itself()?;
        self.check_host().await?;
        self.redirect_to_https()?;
        match self.take_form(body).await? {
            (None, sent) => self.go_on(sent).await,
            (Some(form), sent) => Ok(self.answer_form(form, sent).await?),
        }
    }

    /// The steps of a plain request, and of the request that a form stands for.
    async fn go_on(self, body: Sent) -> Result<Response<Body>, EarlyEnd> {
        let destination = self.find_destination()?;
        self.check_query(&destination)?;
        self.check_method(&destination)?;
        self.check_origin(&destination)?;
        let who = self.admit(&destination).await?;
        self.follow_link(&destination, &who).await?;
        self.ask_back(&destination, &who)?;
        let body = self.take_body(destination.route, body).await?;
        Ok(self.hand_over(destination, who, body).await?)
    }

    /// Reads the fields of a possible page form, which name its method. An unknown caller may be a reader whose
    /// session has ended: fields from a browser are read with the limits of `POST /sign-in`, so that typed text is
    /// not lost. Those from a program are not.
    async fn take_form(&mut self, body: Incoming) -> Result<(Option<FormPost>, Sent), EarlyEnd> {
        match forms::kind(&self.method, &self.uri, &self.headers) {
            Some(FormKind::File) => {
                let form = FormPost::read(ROUTES, &Query::parse(self.uri.query().unwrap_or_default()))?;
                self.uri = forms::without_next(&self.uri);
                Ok((form, Sent::Coming(body)))
            }
            Some(FormKind::Fields)
                if !self.is_body_taken_whole(&body)
                    && (self.site.auth.is_open()
                        || self.site.is_known(&self.caller())
                        || sign_in::is_browser(&self.headers)) =>
            {
                let whole = take(&self.link, body, MAX_BODY, self.site.settings().head_timeout).await;
                let whole = whole.inspect_err(|_| self.link.cut())?;
                // `curl -d` calls JSON a form, too.
                let fields = json_body::form_of(&self.headers, &whole);
                let form = fields.map(|fields| FormPost::read(ROUTES, &fields)).transpose()?.flatten();
                let fields =
                    form.as_ref().map_or(whole, |form| form.request(&mut self.uri, &mut self.headers));
                Ok((form, Sent::Fields(fields)))
            }
            _ => Ok((None, Sent::Coming(body))),
        }
    }

    /// True if this address takes a file, or this body is a long document for it, whatever its type is: `curl
    /// --data-binary` calls every body a form.
    fn is_body_taken_whole(&self, body: &Incoming) -> bool {
        let is_long = || body.size_hint().upper().is_none_or(|len| len > MAX_BODY as u64);
        let found = find(ROUTES, &self.method, self.uri.path());
        let Ok(Found::Route(route, _)) = found else { return false };
        match route.doc.body {
            Wanted::File => true,
            Wanted::LongJson(..) => is_long(),
            _ => false,
        }
    }

    /// Answers a page's form with a page, on success and on failure.
    async fn answer_form(mut self, form: FormPost, sent: Sent) -> Result<Response<Body>, Problem> {
        let path = self.uri.path().to_owned();
        let mut page = Arrival {
            site: self.site.clone(),
            link: self.link.clone(),
            method: Method::GET,
            uri: self.uri.clone(),
            version: self.version,
            headers: forms::page_headers(self.headers.clone()),
        };
        self.method = form.method.clone();
        let answered = self.go_on(sent).await.or_else(EarlyEnd::answered);
        let told = answered.as_ref().ok().and_then(|answer| answer.extensions().get::<Told>().cloned());
        if let (Ok(_), None) = (&answered, &told) {
            return answered.map(|answer| form.done(&path, answer));
        }
        // Text from another site's form is not shown.
        if csrf::check(&page.headers, &page.site.settings().names).is_err() {
            return answered;
        }
        let Some((place, returned)) = form.returned(&path, answered.as_ref().err()) else { return answered };
        page.uri = place.clone();
        match page.go_on(Sent::Returned(Rc::new(returned), told)).await.or_else(EarlyEnd::answered) {
            Ok(page) => forms::in_place_of(&answered, &place, page).map_or(answered, Ok),
            Err(_) => answered,
        }
    }

    fn caller(&self) -> Caller<'_> {
        self.site.caller(&self.link, self.version, &self.method, &self.uri, &self.headers)
    }

    /// Tells the connection which client it serves.
    fn name_client(&self) {
        let caller = self.caller();
        self.link.is_of(caller.client(), self.site.is_known(&caller));
    }

    /// The mark of a request for a picture from another tallycam, or from this one.
    fn sender_mark(&self) -> Option<&HeaderValue> {
        self.headers.get(INSTANCE_FIELD)
    }

    /// A tallycam that reads its own picture would loop for ever and look like a camera.
    fn refuse_itself(&self) -> Result<(), Problem> {
        if self.sender_mark().is_some_and(|mark| mark == instance_id()) {
            return Err(Problem::new(StatusCode::LOOP_DETECTED, "this tallycam is asked by itself")
                .hint("its source must be a camera, or another tallycam"));
        }
        Ok(())
    }

    async fn check_host(&self) -> Result<(), EarlyEnd> {
        let (peer, own) = (self.link.address(), self.link.own_address());
        Ok(host_names::check(peer, own, &self.headers, &self.site.settings().names).await?)
    }

    fn redirect_to_https(&self) -> Result<(), EarlyEnd> {
        let is_wanted = self.site.settings().redirect || redirect::takes_password(self.uri.path());
        let https = self.site.https.as_ref().filter(|_| is_wanted);
        let elsewhere = https.and_then(|https| redirect::to_https(https, self.caller()));
        elsewhere.map_or(Ok(()), |elsewhere| Err(EarlyEnd::with(elsewhere)))
    }

    /// Finds the request in the table. Page assets, `OPTIONS` and missing pages end it here.
    fn find_destination(&self) -> Result<Destination, EarlyEnd> {
        let path = self.uri.path();
        let (route, in_path) = match find(ROUTES, &self.method, path) {
            Ok(Found::Route(route, in_path)) => (route, in_path),
            Ok(Found::Asset(asset)) => {
                let name = &self.site.settings().name;
                return Err(EarlyEnd::with(assets::asset(asset, &self.headers, name)));
            }
            Ok(Found::Options(allow)) => return Err(EarlyEnd::with(options(&allow))),
            Err(miss)
                if miss.status == StatusCode::NOT_FOUND
                    && is_read(&self.method)
                    && html::is_asked_by_a_reader(path, &self.headers) =>
            {
                return Err(EarlyEnd::with(html::not_found(path)));
            }
            Err(miss) => return Err(miss.into()),
        };
        let query = Query::parse(self.uri.query().unwrap_or_default());
        let route = legacy::meant(ROUTES, route, &query);
        let is_change = route.is_change(&query);
        let is_guarded = is_change || (route.changes == Changes::ShownSeldom && self.site.is_counts_only());
        let is_page = route.doc.tag == Tag::Pages;
        Ok(Destination { route, in_path, query, is_change, is_guarded, is_page })
    }

    fn check_query(&self, destination: &Destination) -> Result<(), EarlyEnd> {
        let Destination { route, query, .. } = destination;
        if self.uri.path().starts_with("/api/") {
            query.known(route.doc.query)?;
            query.fits(route.doc.query)?;
        }
        Ok(())
    }

    /// Neither `HEAD` nor another tallycam may change anything.
    fn check_method(&self, destination: &Destination) -> Result<(), Problem> {
        if !destination.is_change {
            return Ok(());
        }
        if self.method == Method::HEAD {
            let allow = String::from("GET, OPTIONS");
            return Err(no_such_method(self.uri.path(), allow));
        }
        // The address of a camera, or its redirect, points at a route that changes something.
        if self.sender_mark().is_some() {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "another tallycam asks for a picture here, and this changes something",
            ));
        }
        Ok(())
    }

    /// Refuses a request that a browser sends for another site's page.
    fn check_origin(&self, destination: &Destination) -> Result<(), EarlyEnd> {
        if !destination.is_guarded {
            return Ok(());
        }
        Ok(csrf::check(&self.headers, &self.site.settings().names).inspect_err(|e| {
            if let Some(more) = self.site.audit.refused(Refusal::OtherSite, self.caller(), "") {
                log::warn!(
                    "{} {} from {}: {}{more}",
                    self.method,
                    self.uri.path(),
                    self.link.peer(),
                    e.detail
                );
            }
        })?)
    }

    /// Identifies the caller, which must have the route's right.
    async fn admit(&self, destination: &Destination) -> Result<Who, EarlyEnd> {
        let Destination { route, is_guarded, is_page, .. } = *destination;
        let caller = self.caller();
        let denied = match self.site.auth.admit(caller, route.right(is_guarded)).await {
            Ok(who) => return Ok(who),
            Err(denied) => denied,
        };
        // The rest of the request is not awaited.
        self.link.cut();
        let refused = match &denied {
            AuthError::TooLow { has, .. } => Some((Refusal::TooLow, has.as_str())),
            // A redirect to the sign-in page is no refusal.
            AuthError::NotShown if !is_page => Some((Refusal::NotSignedIn, "")),
            _ => None,
        };
        if let Some((refusal, who)) = refused
            && let Some(more) = self.site.audit.refused(refusal, caller, who)
        {
            log::info!("{} {} from {}: {denied}{more}", self.method, self.uri.path(), self.link.peer());
        }
        Err(EarlyEnd::with(sign_in::refuse(denied, ROUTES, route, &self.uri, &self.headers)?))
    }

    /// On a page, a signed link becomes a session.
    async fn follow_link(&self, destination: &Destination, who: &Who) -> Result<(), EarlyEnd> {
        match who {
            Who::Linked(until_s) if destination.is_page => {
                Err(EarlyEnd::with(sign_in::follow(&self.site, self.caller(), *until_s).await?))
            }
            _ => Ok(()),
        }
    }

    /// A visit that changes something, and that another site may have led here, gets a page with a button. Nobody leads
    /// a session here: its cookie stays behind.
    fn ask_back(&self, destination: &Destination, who: &Who) -> Result<(), EarlyEnd> {
        let is_by_get = destination.is_change && self.method == Method::GET;
        let is_unasked = match who {
            Who::Owner => destination.route.right != Right::Key,
            Who::Person(_) => self.site.auth.session(&self.headers).is_none(),
            _ => false,
        };
        if is_by_get && is_unasked && csrf::may_be_led(&self.headers) {
            return Err(EarlyEnd::with(html::ask_back(self.uri.path(), &destination.query)));
        }
        Ok(())
    }

    /// Reads the body, except for files, which handlers stream.
    async fn take_body(&self, route: &Route, sent: Sent) -> Result<TakenBody, EarlyEnd> {
        let body = match sent {
            Sent::Coming(body) => body,
            Sent::Fields(whole) => return Ok(TakenBody { whole, ..TakenBody::default() }),
            Sent::Returned(form, told) => {
                return Ok(TakenBody { returned: Some(form), told, ..TakenBody::default() });
            }
        };
        let within = self.site.settings().head_timeout;
        if route.doc.body == Wanted::File {
            let upload = Some(Upload::new(body, self.link.clone(), within));
            return Ok(TakenBody { upload, ..TakenBody::default() });
        }
        let mut whole = Bytes::new();
        if !body.is_end_stream() {
            // The form that signs in keeps another one, encoded twice.
            let mut limit = if route.doc.body == Wanted::Form { 4 * MAX_BODY } else { MAX_BODY };
            if let Wanted::LongJson(_, most) = route.doc.body
                && body.size_hint().upper().is_none_or(|len| len > MAX_BODY as u64)
            {
                limit = most;
                place::take_place(&self.site, &self.link, ConnectionUse::File, FILES)
                    .inspect_err(|_| self.link.cut())?;
            }
            whole = take(&self.link, body, limit, within).await.inspect_err(|_| self.link.cut())?;
        }
        Ok(TakenBody { whole, ..TakenBody::default() })
    }

    /// Runs the handler and records its change in the audit list.
    async fn hand_over(
        self,
        destination: Destination,
        who: Who,
        body: TakenBody,
    ) -> Result<Response<Body>, Problem> {
        let right = destination.route.right(destination.is_guarded);
        let Destination { route, in_path: InPath { id, name }, query, is_change, is_page, .. } = destination;
        let Arrival { site, link, method, uri, version, headers } = self;
        let headers = Rc::new(headers);
        let is_for_browser = is_page && html::is_asked_by_a_reader(uri.path(), &headers);
        let mut request = Request {
            site: site.clone(),
            link: link.clone(),
            method: method.clone(),
            version,
            uri: uri.clone(),
            query,
            who,
            headers: headers.clone(),
            id,
            name,
            table: ROUTES,
            body: body.whole,
            upload: body.upload,
            returned: body.returned,
            told: body.told,
        };
        if is_page {
            request.who = request.reader().await;
        }
        let reader = request.who.clone();
        let change = if is_change { audited(&request, route) } else { None };
        let languages = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok().map(str::to_owned));
        let answered = ui::in_language(languages.as_deref(), (route.handler)(request)).await;
        if let Ok(answer) = &answered
            && answer.body().is_made_while_sent()
        {
            let head = RequestHead { method, uri, version, headers };
            link.is_allowed_by(head.permit(&site, &link, right, !is_for_all_pages(answer.headers())));
        }
        if let Some(change) = change {
            change.answered(&answered);
        }
        // Every test of a route also checks its description in the OpenAPI document.
        debug_assert!(openapi::has(route, &answered), "{} {}: {answered:?}", route.method, route.path);
        answered.or_else(|mut problem| {
            if !reader.sees_internals() {
                problem.redact();
            }
            if is_for_browser { Ok(counting::problem(&site, &reader, &problem)) } else { Err(problem) }
        })
    }
}

/// The audit entry of a request that changes something.
fn audited(request: &Request, route: &Route) -> Option<AuditChange> {
    let asked = AuditedRequest {
        method: &route.method,
        path: route.path,
        right: route.right,
        did: route.did,
        takes_json: matches!(route.doc.body, Wanted::Json(_)),
    };
    let object = if request.id > 0 { request.id.to_string() } else { request.name.clone() };
    AuditChange::of(&request.site.audit, request.caller(), &request.who, &asked, object, &request.body)
}

/// Refuses a long answer while too many bytes wait in memory for clients that take none.
fn held_back(site: &Site, link: &Link, response: Response<Body>) -> Result<Response<Body>, Problem> {
    let bytes = response.body().whole().len();
    if bytes < LONG_ANSWER {
        return Ok(response);
    }
    let [all, own, of_network] = site.links.unsent(link.client());
    // An answer above the limit is sent if none is waiting.
    let is_full = |waiting: usize, most: usize| waiting > 0 && waiting + bytes > most;
    let is_own_full = link.client() != LimitedClient::Unnamed
        && (is_full(own, MOST_UNSENT / 4) || is_full(of_network, MOST_UNSENT / 2));
    if !is_full(all, MOST_UNSENT) && !is_own_full {
        return Ok(response);
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be taken")
        .hint("read the answers to earlier requests first")
        .retry_after(2))
}

/// Reads the body even if the route needs none: the connection's next request follows it.
async fn take(
    link: &Link,
    body: Incoming,
    limit: usize,
    within: std::time::Duration,
) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > limit as u64 {
        return Err(BodyError::TooLong { limit });
    }
    link.awaits_body(true);
    let taken = tokio::time::timeout(within, Limited::new(body, limit).collect()).await;
    link.awaits_body(false);
    match taken {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(BodyError::TooLong { limit }),
        Ok(Err(_)) => Err(BodyError::Broken),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

/// True if pages of any site may embed it: pictures are for `<img>` tags anywhere, also on isolated pages.
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
