//! The way of a request: looked up in the one [table of routes](crate::http::routes), guarded, its body
//! taken, answered. 404, 405, `OPTIONS`, `HEAD` and the guard against other sites follow from the
//! table; nothing here knows any route.

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::access::LimitedClient;
use crate::base::instance_id;
use crate::http::auth::audit::{AuditChange, AuditedRequest};
use crate::http::auth::caller::{AuthError, Caller, Who};
use crate::http::auth::refusals::Refusal;
use crate::http::auth::{cors, csrf, host_names, sign_in};
use crate::http::pages::assets;
use crate::http::report::wire::Redact;
use crate::http::request::handler::{Changes, Found, InPath, Request, Tag, Wanted, find};
use crate::http::request::problem::{BodyError, Miss, Problem};
use crate::http::request::query::Query;
use crate::http::request::reply::RESOURCE_POLICY;
use crate::http::routes::ROUTES;
use crate::http::server::body::Body;
use crate::http::server::incoming::Upload;
use crate::http::server::link::{ConnectionUse, FILES, Link};
use crate::http::server::{https, place};
use crate::http::site::Site;
use crate::http::{legacy, openapi, pages};

/// The longest body of a request: forms and settings need less.
const MAX_BODY: usize = 64 * 1024;

/// Answers from so many bytes on count when they lie in memory because nobody takes them.
const LONG_ANSWER: usize = 64 << 10;

/// And so many bytes of them may, of one address a quarter.
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
    let answered = answered
        .and_then(|response| if is_read(&method) { held_back(&site, &link, response) } else { Ok(response) });
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
    cors::allow(ROUTES, headers, &site.settings().allow_origins, &method, &uri, origin.as_ref());
    log::debug!("{} {method} {path} {}", link.peer(), status.as_u16());
    site.count_request(status);
    Ok(response.map(|body| body.tells(link)))
}

fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
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
    let caller = Caller {
        address: link.address(),
        version,
        method,
        headers: &headers,
        uri,
        over_tls: link.is_tls(),
        is_local_open: settings.is_local_open,
        is_view_open: site.is_view_open(),
    };
    link.is_of(caller.client(), site.is_known(&caller));
    let path = uri.path();
    // Its own picture would go round for ever, and look like a camera's.
    if headers.get(instance_id::FIELD).is_some_and(|mark| mark == instance_id::instance_id()) {
        return Err(Problem::new(StatusCode::LOOP_DETECTED, "this tallycam is asked by itself")
            .hint("its source must be a camera, or another tallycam"));
    }
    host_names::check(caller.address, &headers, &settings.names)?;
    if let Some(elsewhere) =
        site.https.as_ref().filter(|_| settings.redirect).and_then(|https| https::redirect(https, caller))
    {
        return Ok(elsewhere);
    }
    let found = match find(ROUTES, method, path) {
        Err(Miss::Path { .. }) if is_read(method) && pages::html::is_asked_by_a_reader(path, &headers) => {
            return Ok(pages::html::not_found(path));
        }
        found => found?,
    };
    let (route, InPath { id, name }) = match found {
        Found::Route(route, said) => (route, said),
        Found::Asset(asset) => return Ok(assets::asset(asset, &headers)),
        Found::Options(allow) => return Ok(options(&allow)),
    };
    let query = Query::parse(uri.query().unwrap_or_default());
    let route = legacy::meant(ROUTES, route, &query);
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
    if is_change && headers.contains_key(instance_id::FIELD) {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "another tallycam asks for a picture here, and this changes something",
        ));
    }
    let is_carried_out = is_change;
    let is_change = is_change || (route.changes == Changes::ShownSeldom && site.is_counts_only());
    if is_change {
        csrf::check(&headers).inspect_err(|e| {
            if let Some(more) = site.audit.refused(Refusal::OtherSite, caller, "") {
                log::warn!("{method} {path} from {}: {e}{more}", link.peer());
            }
        })?;
    }
    let who = match site.auth.admit(caller, route.right(is_change)).await {
        Ok(who) => who,
        Err(denied) => {
            // What is still on its way is not waited for.
            link.cut();
            let refused = match &denied {
                AuthError::TooLow { has, .. } => Some((Refusal::TooLow, has.as_str())),
                // To be led to the page that signs in is no refusal.
                AuthError::NotShown if route.doc.tag != Tag::Pages => Some((Refusal::NotSignedIn, "")),
                _ => None,
            };
            if let Some((refusal, who)) = refused
                && let Some(more) = site.audit.refused(refusal, caller, who)
            {
                log::info!("{method} {path} from {}: {denied}{more}", link.peer());
            }
            return sign_in::refuse(denied, ROUTES, route, uri, &headers);
        }
    };
    let is_page = route.doc.tag == Tag::Pages;
    if let Who::Linked(until_s) = who
        && is_page
    {
        return sign_in::follow(site, caller, until_s).await;
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
            place::take_place(site, link, ConnectionUse::File, FILES).inspect_err(|_| link.cut())?;
        }
        whole = take(body, limit, site.settings().head_timeout).await.inspect_err(|_| link.cut())?;
    }
    let is_for_browser = is_page && pages::html::is_asked_by_a_reader(path, &headers);
    let mut request = Request {
        site: site.clone(),
        link: link.clone(),
        method: method.clone(),
        version,
        uri: uri.clone(),
        query,
        who,
        headers,
        id,
        name,
        table: ROUTES,
        body: whole,
        upload,
    };
    if is_page {
        request.who = request.reader().await;
    }
    let reader = request.who.clone();
    let asked = AuditedRequest {
        method: &route.method,
        path: route.path,
        right: route.right,
        takes_json: matches!(route.doc.body, Wanted::Json(_)),
    };
    let object = if id > 0 { id.to_string() } else { request.name.clone() };
    let change = is_carried_out
        .then(|| {
            let Request { query, body, .. } = &request;
            AuditChange::of(&site.audit, request.caller(), &reader, &asked, object, query, body)
        })
        .flatten();
    let answered = (route.handler)(request).await;
    if let Some(change) = change {
        change.answered(&answered);
    }
    // Every test of a route is one of its document, too.
    debug_assert!(openapi::has(route, &answered), "{} {}: {answered:?}", route.method, route.path);
    let answered = answered.or_else(|mut problem| {
        if !reader.sees_internals() {
            problem.redact();
        }
        if is_for_browser { Ok(pages::counting::problem(site, &reader, &problem)) } else { Err(problem) }
    });
    if !is_page {
        return answered;
    }
    let sign_in = sign_in::sign_in_for(ROUTES, path, uri.query().filter(|_| is_read(method)));
    answered.map(|response| pages::html::locked(ROUTES, &reader, path, &sign_in, response))
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
    let is_own_full = link.client() != LimitedClient::Unnamed && is_full(own, MOST_UNSENT / 4);
    if !is_full(all, MOST_UNSENT) && !is_own_full {
        return Ok(response);
    }
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be taken")
        .hint("read the answers to earlier requests first")
        .retry_after(2))
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
