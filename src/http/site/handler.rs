//! The request that a handler gets, the answer it gives, the routes, and the search for a route in a table of them.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::http::auth::caller::{Caller, Who};
use crate::http::request::form_data::boundary;
use crate::http::request::keys::QueryKey;
use crate::http::request::problem::{Problem, no_such_method, no_such_path};
use crate::http::request::query::Query;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use crate::http::server::incoming::{Received, Upload};
use crate::http::server::link::Link;
use crate::http::site::Site;
use crate::ui::{self, RefusalReason, ReturnedForm};
use tallycam_base::unicode::percent_decoded;

/// Reads `upload` with `read`, on a thread that may block. If the body breaks off, the sender gets that error and not
/// the one of `read`.
///
/// # Errors
/// The error of the body, else that of `read`.
pub async fn read_upload<T, E>(
    upload: Upload,
    read: impl FnOnce(Received) -> Result<T, E> + Send + 'static,
) -> Result<T, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + Send + 'static,
{
    let panicked = |reason| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, reason);
    match upload.read_by(read).await.map_err(panicked)? {
        (Ok(read), _) => Ok(read),
        (Err(_), Err(error)) => Err(error.into()),
        (Err(error), Ok(())) => Err(error.into()),
    }
}

/// The input of a handler.
#[derive(Debug)]
pub struct Request {
    pub site: Rc<Site>,
    /// The connection that carried the request.
    pub link: Rc<Link>,
    /// `GET`, the route's own method, or `HEAD`, which the same handler answers; hyper drops the body.
    pub method: Method,
    pub uri: Uri,
    /// The query, decoded.
    pub query: Query,
    /// The caller, as far as identified.
    pub who: Who,
    pub headers: Rc<HeaderMap>,
    /// The HTTP version.
    pub version: Version,
    /// The number in the path; 0 if the route has none.
    pub id: u64,
    /// The decoded name in the path; empty if the route has none.
    pub name: String,
    /// All routes.
    pub table: &'static [Route],
    /// The complete body; empty if there is none or it is streamed.
    pub body: Bytes,
    /// The body as a stream, for routes that take it so.
    pub upload: Option<Upload>,
    /// The refused form that this page shows again.
    pub returned: Option<Rc<ReturnedForm>>,
    /// The result of the form that led to this page.
    pub told: Option<Told>,
}

/// The ID of the created or changed row, for `{id}` in `next`. An answer without `Location` carries it in its
/// extensions.
#[derive(Debug, Clone)]
pub struct MadeId(pub String);

/// The result of a form, in the extensions of its answer. The page shows it in place of a link.
#[derive(Debug, Clone)]
pub struct Told(pub Arc<dyn Any + Send + Sync>);

impl Request {
    /// The multipart boundary, if the body is a form; `None` for a bare file.
    pub fn form_boundary(&self) -> Option<String> {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        boundary(kind)
    }

    /// Takes the body as a stream.
    ///
    /// # Errors
    /// The route takes the body complete.
    pub fn take_upload(&mut self) -> Result<Upload, Problem> {
        let none = || {
            Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "this address takes a file, not a form's fields")
        };
        self.upload.take().ok_or_else(none)
    }

    /// The caller, identified by credentials even if reading needs no password. Wrong credentials count as none. On a
    /// page it is [`Request::who`].
    pub async fn reader(&self) -> Who {
        if let Who::Part(_) = self.who {
            return self.who.clone();
        }
        self.site.auth.admit(self.caller(), Right::Operator).await.unwrap_or_else(|_| self.who.clone())
    }

    /// Why the form that this page shows again was refused.
    pub fn refused(&self) -> Option<RefusalReason> {
        self.returned.as_ref().and_then(|form| form.refusal.clone())
    }

    /// The result of the form that led to this page, if it is a `T`.
    pub fn told<T: Any>(&self) -> Option<&T> {
        self.told.as_ref()?.0.downcast_ref()
    }

    /// The caller's address and credentials.
    pub fn caller(&self) -> Caller<'_> {
        self.site.caller(&self.link, self.version, &self.method, &self.uri, &self.headers)
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Answers a request.
pub type Handler = fn(Request) -> Pin<Box<dyn Future<Output = Result<Response<Body>, Problem>>>>;

/// The output of a handler, with or without a possible problem.
pub trait Answered {
    /// Both as a `Result`.
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
    /// `GET` also stands for `HEAD`.
    pub method: Method,
    /// The exact path. `{id}` stands for a number from 1 on, and `{name}` at the end for one segment.
    pub path: &'static str,
    /// When the route changes something.
    pub changes: Changes,
    /// The right that the route requires. A change through a reading route requires the operator's.
    pub right: Right,
    /// The act in the words of the audit list; empty if the list leaves it out.
    pub did: &'static str,
    /// Its description in the OpenAPI document.
    pub doc: Doc,
    pub handler: Handler,
}

/// When a route changes something. A change is closed to other sites and not answered for `HEAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changes {
    /// As its method says: never for `GET`, else always.
    AsUsual,
    /// Always, though the method is `GET`: an old address.
    Always,
    /// If the query has this key, though the method is `GET`: an old address.
    WithKey(&'static str),
    /// Never. In privacy mode the route is closed as if it did: it shows the only picture there is.
    ShownSeldom,
}

/// A route's description in the OpenAPI document.
pub struct Doc {
    /// The group that lists it.
    pub tag: Tag,
    /// One line.
    pub summary: &'static str,
    pub query: &'static [QueryKey],
    /// The expected body.
    pub body: Wanted,
    /// Status, description, and content of the body.
    pub answers: &'static [(u16, &'static str, Content)],
}

/// Groups of routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// HTML pages.
    Pages,
    /// Streams and snapshots.
    Pictures,
    /// This program's own API.
    Api,
    /// Addresses of older programs.
    Legacy,
}

/// The body that a request must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// None needed.
    Nothing,
    /// JSON with the document's schema of this name; the same fields as a form are also accepted.
    Json(&'static str),
    /// The same, with its own limit in bytes, which may exceed the default.
    LongJson(&'static str, usize),
    /// The same, or no body.
    JsonOrNothing(&'static str),
    /// A page's form.
    Form,
    /// A settings file.
    Toml,
    /// A file of any length, which the handler streams.
    File,
}

/// The content of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// None.
    Nothing,
    /// Plain text.
    Text,
    Html,
    /// One JPEG.
    Jpeg,
    /// An endless multipart stream of JPEGs.
    Multipart,
    /// Metrics for Prometheus.
    Metrics,
    /// JSON with the document's schema of this name, or CSV with `format=csv`.
    JsonOrCsv(&'static str),
    /// An endless event stream.
    Events,
    /// JSON with the document's schema of this name.
    Json(&'static str),
    /// JSON of no fixed shape.
    AnyJson,
    /// A settings file.
    Toml,
    /// A problem (RFC 9457).
    Problem,
    Svg,
    /// An SQLite file.
    Database,
    /// A file of one of these media types.
    OneOf(&'static [&'static str]),
}

/// The target of a request.
pub enum Found {
    /// A handler.
    Route(&'static Route, InPath),
    /// An embedded file.
    Asset(&'static ui::Asset),
    /// `OPTIONS`: the methods that the address knows.
    Options(String),
}

/// The variable parts of a path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InPath {
    /// The number, or 0.
    pub id: u64,
    /// The decoded name at the end.
    pub name: String,
}

impl Route {
    /// The variable parts of `path` if it matches this route.
    pub fn matches(&self, path: &str) -> Option<InPath> {
        if let Some(before) = self.path.strip_suffix("{name}") {
            let name = path.strip_prefix(before)?;
            let is_segment = !name.is_empty() && !name.contains('/');
            return is_segment.then(|| InPath { id: 0, name: percent_decoded(name) });
        }
        let Some((before, after)) = self.path.split_once("{id}") else {
            return (self.path == path).then(InPath::default);
        };
        let digits = path.strip_prefix(before)?.strip_suffix(after)?;
        // Only the canonical spelling: no sign, no leading zero.
        let is_plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        let id = digits.parse().ok().filter(|_| is_plain)?;
        Some(InPath { id, name: String::new() })
    }

    /// True if `HEAD` is answered: the route changes nothing, at least without its key.
    fn has_head(&self) -> bool {
        self.method == Method::GET && self.changes != Changes::Always
    }

    /// The right that a request needs, changing or not.
    pub fn right(&self, is_change: bool) -> Right {
        if is_change && self.right.is_look() { Right::Operator } else { self.right }
    }

    /// True if a request with this query changes something.
    pub fn is_change(&self, query: &Query) -> bool {
        match self.changes {
            Changes::AsUsual | Changes::ShownSeldom => self.method != Method::GET,
            Changes::Always => true,
            Changes::WithKey(key) => query.get(key).is_some(),
        }
    }
}

/// The route that answers `GET path`.
pub fn got(table: &'static [Route], path: &str) -> Option<&'static Route> {
    match find(table, &Method::GET, path) {
        Ok(Found::Route(route, _)) => Some(route),
        _ => None,
    }
}

/// True if one of our addresses lies behind leading folders of `path`, as a proxy sends it that keeps its prefix.
fn is_prefixed(table: &'static [Route], path: &str) -> bool {
    let is_ours = |path: &str| {
        let is_asset = path.strip_prefix('/').and_then(ui::asset).is_some();
        is_asset || table.iter().any(|route| route.method == Method::GET && route.matches(path).is_some())
    };
    !is_ours(path.trim_end_matches('/'))
        && path.match_indices('/').skip(1).any(|(at, _)| is_ours(&path[at..]))
}

/// The target of a request with this method and path.
///
/// # Errors
/// No route has this path (404), or none of them this method (405).
pub fn find(table: &'static [Route], method: &Method, path: &str) -> Result<Found, Problem> {
    let method = if method == Method::HEAD { &Method::GET } else { method };
    let mut methods: Vec<&str> = Vec::new();
    let mut by_name: Vec<&str> = Vec::new();
    let (mut has_head, mut has_named_head) = (false, false);
    for route in table {
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
    // A path with a route of its own has only that route's methods. A path that only `PUT` by name matches does not
    // exist.
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
        for route in table {
            has_head |= route.has_head();
            if !methods.contains(&route.method.as_str()) {
                methods.push(route.method.as_str());
            }
        }
    }
    if methods.is_empty() {
        return Err(no_such_path(path, is_prefixed(table, path)));
    }
    if has_head {
        methods.push("HEAD");
    }
    methods.push("OPTIONS");
    let allow = methods.join(", ");
    if *method == Method::OPTIONS { Ok(Found::Options(allow)) } else { Err(no_such_method(path, allow)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::routes::ROUTES;

    fn missed(method: &Method, path: &str) -> StatusCode {
        find(ROUTES, method, path).err().unwrap().status
    }

    // Addresses that scripts assemble are not covered.

    #[test]
    fn the_api_knows_every_key_of_the_addresses_in_pages() {
        let mut seen = 0;
        for (page, html) in crate::ui::fixtures::all() {
            for address in html.split('"').filter(|text| text.starts_with("api/") && text.contains('?')) {
                let address = address.replace("&amp;", "&");
                let (path, query) = address.split_once('?').unwrap();
                // A form with a file names its next page in the query and may use any method.
                let query =
                    query.split('&').filter(|pair| !pair.starts_with("next=")).collect::<Vec<_>>().join("&");
                let is_known = |method| match find(ROUTES, &method, &format!("/{path}")) {
                    Ok(Found::Route(route, _)) => Query::parse(&query).known(route.doc.query).is_ok(),
                    _ => false,
                };
                let mut methods =
                    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].into_iter();
                assert!(methods.any(is_known), "{address} of {page}");
                seen += 1;
            }
        }
        assert!(seen > 5, "{seen}");
    }

    #[test]
    fn every_route_is_found_by_itself_and_by_nothing_else() {
        for (n, route) in ROUTES.iter().enumerate() {
            let path = route.path.replace("{id}", "12").replace("{name}", "a%20b.jpg");
            let Ok(Found::Route(found, said)) = find(ROUTES, &route.method, &path) else {
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
            assert_eq!(missed(&Method::GET, path), StatusCode::NOT_FOUND, "{path}");
        }
        assert!(matches!(
            find(ROUTES, &Method::GET, "/api/v1/lines/18446744073709551615"),
            Ok(Found::Route(_, InPath { id: u64::MAX, .. }))
        ));
    }

    #[test]
    fn a_get_answers_head_and_a_post_does_not() {
        assert!(matches!(find(ROUTES, &Method::HEAD, "/health"), Ok(Found::Route(..))));
        assert_eq!(missed(&Method::HEAD, "/stop_stream"), StatusCode::METHOD_NOT_ALLOWED);
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
            // `PUT` of a file is possible under these names too, but is not mentioned.
            (Method::POST, "/api/v1/media/backup", "GET, HEAD, OPTIONS"),
            (Method::GET, "/api/v1/media/delete", "POST, OPTIONS"),
            (Method::POST, "/api/v1/media/7", "GET, PATCH, DELETE, HEAD, OPTIONS"),
            (Method::DELETE, "/sign-in", "GET, POST, HEAD, OPTIONS"),
            (Method::DELETE, "/media/a.jpg", "GET, HEAD, OPTIONS"),
        ] {
            match find(ROUTES, &method, path) {
                Err(miss) => assert_eq!(miss.allow.as_deref(), Some(want)),
                _ => panic!("{method} {path}"),
            }
        }
        assert!(
            matches!(find(ROUTES, &Method::OPTIONS, "/state"), Ok(Found::Options(allow)) if allow == "GET, HEAD, \
                OPTIONS")
        );
        assert!(matches!(find(ROUTES, &Method::OPTIONS, "*"), Ok(Found::Options(_))));
        let put = find(ROUTES, &Method::OPTIONS, "/api/v1/media/a.jpg");
        assert!(matches!(put, Ok(Found::Options(allow)) if allow == "PUT, OPTIONS"));
        assert!(matches!(find(ROUTES, &Method::PUT, "/api/v1/media/backup"), Ok(Found::Route(..))));
    }

    #[test]
    fn unknown_paths_are_not_found() {
        for method in [Method::GET, Method::PATCH, Method::DELETE, Method::POST] {
            assert_eq!(missed(&method, "/api/v1/media/a.jpg"), StatusCode::NOT_FOUND, "{method}");
        }
        for path in ["/nothing", "/stream/", "//", "/api/v1/", "", "/../etc/passwd", "*"] {
            assert_eq!(missed(&Method::GET, path), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
