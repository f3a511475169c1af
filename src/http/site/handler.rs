//! What a handler gets and gives, what a route is, and how one is found in a table of them.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Response, StatusCode, Uri, Version};

use crate::base::unicode::percent_decoded;
use crate::http::auth::caller::{Caller, Who};
use crate::http::request::form_data::boundary;
use crate::http::request::keys::QueryKey;
use crate::http::request::problem::{Miss, Problem};
use crate::http::request::query::Query;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use crate::http::server::incoming::{Received, Upload};
use crate::http::server::link::Link;
use crate::http::site::Site;
use crate::ui::{self, RefusalReason, ReturnedForm};

/// Reads `upload` by `read`, on a thread that may block. Of a body that breaks off the sender is told that, and not
/// what `read` makes of it.
///
/// # Errors
/// That of the body, else that of `read`.
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
    pub headers: HeaderMap,
    /// Of HTTP.
    pub version: Version,
    /// The number in the path, where the route has one; else 0.
    pub id: u64,
    /// The name in the path, decoded, where the route has one; else empty.
    pub name: String,
    /// Every route there is.
    pub table: &'static [Route],
    /// The body, complete; empty where there was none, and where it is to be streamed.
    pub body: Bytes,
    /// The body as it comes, of a route that takes it so.
    pub upload: Option<Upload>,
    /// The form that was not carried out and that this page shows again.
    pub returned: Option<Rc<ReturnedForm>>,
    /// What came of the form whose page this is.
    pub told: Option<Told>,
}

/// What was made or changed, in the extensions of an answer without `Location`: for `{id}` in `next`.
#[derive(Debug, Clone)]
pub struct MadeId(pub String);

/// What came of a form, in the extensions of its answer: its page tells it, in the place of a way on.
#[derive(Debug, Clone)]
pub struct Told(pub Arc<dyn Any + Send + Sync>);

impl Request {
    /// What the body is: one file, or a form with this boundary.
    pub fn form_boundary(&self) -> Option<String> {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        boundary(kind)
    }

    /// The body, to be read as it comes.
    ///
    /// # Errors
    /// The route takes it complete.
    pub fn take_upload(&mut self) -> Result<Upload, Problem> {
        let none = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the body cannot be taken as it comes");
        self.upload.take().ok_or_else(none)
    }

    /// Who asks, where looking takes no password, too: one that was shown is looked at. A wrong one is none. Of a page
    /// it is [`Request::who`].
    pub async fn reader(&self) -> Who {
        self.site.auth.admit(self.caller(), Right::Operator).await.unwrap_or_else(|_| self.who.clone())
    }

    /// Why the form was not carried out that this page shows again.
    pub fn refused(&self) -> Option<RefusalReason> {
        self.returned.as_ref().and_then(|form| form.refusal.clone())
    }

    /// What came of the form whose page this is.
    pub fn told<T: Any>(&self) -> Option<&T> {
        self.told.as_ref()?.0.downcast_ref()
    }

    /// Who asks.
    pub fn caller(&self) -> Caller<'_> {
        let settings = self.site.settings();
        Caller {
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

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
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
    /// What is done by it, in the words of the audit list; empty: nothing that goes on that list.
    pub did: &'static str,
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
    pub query: &'static [QueryKey],
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
pub enum Found {
    /// To a handler.
    Route(&'static Route, InPath),
    /// To an embedded file.
    Asset(&'static ui::Asset),
    /// To the methods that the address knows.
    Options(String),
}

/// What a path says beyond its route.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InPath {
    /// The number in it, or 0.
    pub id: u64,
    /// The name at its end, decoded.
    pub name: String,
}

impl Route {
    /// What `path` says if this route's path is like it.
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
    pub fn right(&self, is_change: bool) -> Right {
        if is_change && self.right.is_look() { Right::Operator } else { self.right }
    }

    /// Whether a request with this query changes something.
    pub fn is_change(&self, query: &Query) -> bool {
        match self.changes {
            Changes::AsUsual | Changes::ShownSeldom => self.method != Method::GET,
            Changes::Always => true,
            Changes::WithKey(key) => query.get(key).is_some(),
        }
    }
}

/// The route by which something is got at `path`.
pub fn got(table: &'static [Route], path: &str) -> Option<&'static Route> {
    match find(table, &Method::GET, path) {
        Ok(Found::Route(route, _)) => Some(route),
        _ => None,
    }
}

/// Whether an address of ours lies behind folders of `path`, as a proxy hands it on that keeps its own.
fn is_prefixed(table: &'static [Route], path: &str) -> bool {
    let is_ours = |path: &str| {
        let is_asset = path.strip_prefix('/').and_then(ui::asset).is_some();
        is_asset || table.iter().any(|route| route.method == Method::GET && route.matches(path).is_some())
    };
    !is_ours(path.trim_end_matches('/'))
        && path.match_indices('/').skip(1).any(|(at, _)| is_ours(&path[at..]))
}

/// Where a request of this method and path goes.
///
/// # Errors
/// [`Miss`].
pub fn find(table: &'static [Route], method: &Method, path: &str) -> Result<Found, Miss> {
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
        for route in table {
            has_head |= route.has_head();
            if !methods.contains(&route.method.as_str()) {
                methods.push(route.method.as_str());
            }
        }
    }
    if methods.is_empty() {
        let is_prefixed = is_prefixed(table, path);
        return Err(Miss::Path { path: path.chars().take(200).collect(), is_prefixed });
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::routes::ROUTES;

    // Of what their scripts put together, none is here.

    #[test]
    fn the_api_knows_every_key_of_the_addresses_in_pages() {
        let mut seen = 0;
        for (page, html) in crate::ui::fixtures::all() {
            for address in html.split('"').filter(|text| text.starts_with("api/") && text.contains('?')) {
                let address = address.replace("&amp;", "&");
                let (path, query) = address.split_once('?').unwrap();
                // A form with a file names the page after it in its query, and means any method.
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
            assert!(matches!(find(ROUTES, &Method::GET, path), Err(Miss::Path { .. })), "{path}");
        }
        assert!(matches!(
            find(ROUTES, &Method::GET, "/api/v1/lines/18446744073709551615"),
            Ok(Found::Route(_, InPath { id: u64::MAX, .. }))
        ));
    }

    #[test]
    fn a_get_answers_head_and_a_post_does_not() {
        assert!(matches!(find(ROUTES, &Method::HEAD, "/health"), Ok(Found::Route(..))));
        assert!(matches!(find(ROUTES, &Method::HEAD, "/stop_stream"), Err(Miss::Method { .. })));
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
            (Method::DELETE, "/sign-in", "GET, POST, HEAD, OPTIONS"),
            (Method::DELETE, "/media/a.jpg", "GET, HEAD, OPTIONS"),
        ] {
            match find(ROUTES, &method, path) {
                Err(Miss::Method { allow, .. }) => assert_eq!(allow, want),
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
    fn what_is_not_there_is_not_found() {
        for method in [Method::GET, Method::PATCH, Method::DELETE, Method::POST] {
            assert!(
                matches!(find(ROUTES, &method, "/api/v1/media/a.jpg"), Err(Miss::Path { .. })),
                "{method}"
            );
        }
        for path in ["/nothing", "/stream/", "//", "/api/v1/", "", "/../etc/passwd", "*"] {
            assert!(matches!(find(ROUTES, &Method::GET, path), Err(Miss::Path { .. })), "{path}");
        }
    }
}
