//! A form of a page is a request to the API: `<form method="post" action="api/v1/lines/3">` with hidden fields. Pure.
//!
//! `_method` is the request's method, `_version` its `If-Match` (`*`: the name must be free), and `next` the page that
//! follows. `{name}` at the end of the address stands for the field `name`. The adapter wraps the handlers in
//! [`crate::http::dispatch`]: success leads to `next` (303), and a [`Problem`] is shown on `next` with the typed
//! values ([`ReturnedForm`]). A form with a file names `next` in its query, because its body is streamed.

use bytes::Bytes;
use hyper::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, HeaderValue, IF_MATCH,
    IF_NONE_MATCH, LOCATION,
};
use hyper::{HeaderMap, Method, Response, StatusCode, Uri};

use crate::http::request::form_data::boundary;
use crate::http::request::json_body::PayloadError;
use crate::http::request::problem::{Problem, WrongValueOf};
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::handler::{MadeId, Route};
use crate::http::site::html;
use crate::http::site::way::{ID, next_page, up_from};
use crate::ui::{self, RefusalReason, ReturnedForm};
use tallycam_base::unicode::percent_encoded;
use tallycam_config::may_be_secret;

/// The methods that a form may name.
const METHODS: [(&str, Method); 4] =
    [("post", Method::POST), ("put", Method::PUT), ("patch", Method::PATCH), ("delete", Method::DELETE)];

/// The adapter's own fields.
const OWN: [&str; 4] = ["_method", "_version", "_action", "next"];

/// `{name}` in an address, as a browser sends it.
const NAME: &str = "%7Bname%7D";

/// A checkbox. Browsers send nothing for an unchecked one: a hidden field of the same name before it gives the value
/// then.
const TICK: &str = "kept";

/// The encoding of a form's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormKind {
    /// URL-encoded fields.
    Fields,
    /// Multipart with a file.
    File,
}

/// A page's form as the request that it stands for.
#[derive(Debug, PartialEq, Eq)]
pub struct FormPost {
    /// The method of the request.
    pub method: Method,
    /// The page that follows, as a link from the root; `None`: the answer is the API's own.
    next: Option<String>,
    version: Option<HeaderValue>,
    /// The typed values, without the adapter's own fields.
    fields: Vec<(String, String)>,
}

/// How the request would carry a page's form, if it may be one: only its fields can tell.
pub fn kind(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<FormKind> {
    if *method != Method::POST || !uri.path().starts_with("/api/") {
        return None;
    }
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    if boundary(kind).is_some() {
        return Some(FormKind::File);
    }
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded").then_some(FormKind::Fields)
}

impl FormPost {
    /// The form with these fields; `None` if a program sent them.
    ///
    /// # Errors
    /// The named method does not exist.
    pub fn read(table: &[Route], fields: &Query) -> Result<Option<FormPost>, Problem> {
        // The last one counts: a button may override its form.
        let own =
            |name: &str| fields.pairs().iter().rfind(|(key, _)| key == name).map(|(_, text)| text.as_str());
        let (word, next) = (own("_method"), own("next"));
        if word.is_none() && next.is_none() {
            return Ok(None);
        }
        let wanted = word.unwrap_or("post");
        let method = METHODS.iter().find(|(known, _)| known.eq_ignore_ascii_case(wanted));
        let (_, method) = method.ok_or_else(|| {
            let wanted: String = wanted.chars().take(40).collect();
            Problem::new(StatusCode::BAD_REQUEST, format!("`_method` is {wanted:?}, and should be a method"))
                .wrong("_method", "one of post, put, patch, delete", wanted)
        })?;
        let version = own("_version").filter(|version| !version.is_empty());
        Ok(Some(FormPost {
            method: method.clone(),
            next: next.map(|next| next_page(table, Some(next))),
            version: version.map(|version| {
                // A malformed version matches no resource.
                HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
            }),
            fields: fields.pairs().iter().filter(|(key, _)| !OWN.contains(&key.as_str())).cloned().collect(),
        }))
    }

    /// Sets the address and the headers of the request and returns its body.
    pub fn request(&self, uri: &mut Uri, headers: &mut HeaderMap) -> Bytes {
        match &self.version {
            Some(_) if self.version() == "*" => {
                headers.insert(IF_NONE_MATCH, HeaderValue::from_static("*"));
            }
            Some(version) => {
                headers.insert(IF_MATCH, version.clone());
            }
            None => {}
        }
        let name = self.fields.iter().find(|(key, text)| key == "name" && !text.is_empty());
        let named = uri
            .path()
            .strip_suffix(NAME)
            .zip(name)
            .and_then(|(before, (_, name))| format!("{before}{}", percent_encoded(name)).parse().ok());
        let is_named = named.is_some();
        *uri = named.unwrap_or_else(|| uri.clone());
        let ticks = self.fields.iter().filter(|(key, _)| key == TICK).count();
        let sent = self.fields.iter().filter(|(key, _)| key != TICK && !(is_named && key == "name"));
        let tick = self.fields.iter().filter(|(key, _)| key == TICK).skip(ticks.saturating_sub(1));
        let pair =
            |(key, text): &(String, String)| format!("{}={}", percent_encoded(key), percent_encoded(text));
        sent.chain(tick).map(pair).collect::<Vec<_>>().join("&").into()
    }

    /// The answer to a form that was carried out at `path`: a file, or a redirect to the next page.
    pub fn done(&self, path: &str, answer: Response<Body>) -> Response<Body> {
        let is_done = answer.status().is_success() && !answer.headers().contains_key(CONTENT_DISPOSITION);
        let Some(next) = self.next.as_ref().filter(|_| is_done) else { return answer };
        let made = answer.extensions().get::<MadeId>().map(|MadeId(id)| id.clone()).or_else(|| {
            let place = answer.headers().get(LOCATION)?.to_str().ok()?;
            place.rsplit('/').next().map(str::to_owned)
        });
        // Names of tokens have blanks.
        let is_plain =
            |made: &&String| made.bytes().all(|b| b.is_ascii_alphanumeric() || b"._,- ".contains(&b));
        let place = match made.as_ref().filter(is_plain) {
            Some(made) => next.replace(ID, &made.replace(' ', "%20")),
            // There is no new ID: the row was deleted or did not change.
            None if next.contains(ID) || self.method == Method::DELETE => {
                let (address, fragment) = next.split_once('#').unwrap_or((next, ""));
                let fragment =
                    Some(fragment).filter(|fragment| !fragment.is_empty() && !fragment.contains(ID));
                let page = address.split('?').next().unwrap_or_default();
                fragment.map_or_else(|| page.to_owned(), |fragment| format!("{page}#{fragment}"))
            }
            None => next.clone(),
        };
        html::see(&format!("{}{place}", up_from(path)))
    }

    /// The form sent to `path` as one text, which the sign-in page sends along, without secrets.
    fn kept(&self, path: &str) -> String {
        let own = [
            ("_action", path.trim_start_matches('/')),
            ("_method", self.method.as_str()),
            ("_version", self.version()),
            ("next", self.next.as_deref().unwrap_or_default()),
        ];
        let fields = self.fields.iter().filter(|(key, _)| !may_be_secret(key));
        let all = own.into_iter().chain(fields.map(|(key, text)| (key.as_str(), text.as_str())));
        let pairs = all.map(|(key, text)| format!("{}={}", percent_encoded(key), percent_encoded(text)));
        pairs.collect::<Vec<_>>().join("&")
    }

    fn version(&self) -> &str {
        let version = self.version.as_ref().and_then(|version| version.to_str().ok()).unwrap_or_default();
        version.trim_matches('"')
    }

    /// The page of the form sent to `path`, and what that page shows of it: the refusal, if `problem` is given.
    /// `None`: the answer is the API's own. A signed-out caller gets the sign-in page.
    pub fn returned(&self, path: &str, problem: Option<&Problem>) -> Option<(Uri, ReturnedForm)> {
        // Pages use this name for a row that is not made yet.
        let next = self.next.as_ref()?.replace(ID, "new");
        let next = next.split('#').next().unwrap_or_default();
        // The address of success says what was done: of a refused form, nothing was.
        let (page, query) = next.split_once('?').unwrap_or((next, ""));
        let is_shown =
            |pair: &&str| problem.is_none() || !(pair.starts_with("done=") || pair.starts_with("of="));
        let query: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty()).filter(is_shown).collect();
        let address = if query.is_empty() { page.to_owned() } else { format!("{page}?{}", query.join("&")) };
        let denied = problem.and_then(denied);
        let role = problem.and_then(|problem| problem.needed);
        let role = role.map(|role| format!("&needed={}", role.as_str())).unwrap_or_default();
        let address = match denied {
            Some(_) => format!("sign-in?next={}{role}", percent_encoded(&address)),
            None => address,
        };
        let form = ReturnedForm {
            action: path.trim_start_matches('/').to_owned(),
            base: format!("{}{address}", up_from(path)),
            version: self.version().to_owned(),
            fields: self.fields.clone(),
            kept: self.kept(path),
            refusal: denied.or_else(|| problem.map(refusal)),
        };
        Some((format!("/{}", address.trim_start_matches("./")).parse().ok()?, form))
    }
}

/// The headers of the request for the page that shows a problem.
pub fn page_headers(mut headers: HeaderMap) -> HeaderMap {
    for name in [CONTENT_TYPE, CONTENT_LENGTH, IF_MATCH, IF_NONE_MATCH] {
        headers.remove(name);
    }
    headers
}

/// `page` as the answer to a form with the result `answered`. It is served at the API's address, with links relative
/// to its own.
pub fn in_place_of(
    answered: &Result<Response<Body>, Problem>,
    place: &Uri,
    mut page: Response<Body>,
) -> Option<Response<Body>> {
    let is_html =
        page.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if page.status() != StatusCode::OK || !is_html {
        return Some(page).filter(|_| answered.is_ok() || is_html);
    }
    match answered {
        Ok(answer) => *page.status_mut() = answer.status(),
        Err(problem) => {
            *page.status_mut() = problem.status;
            html::retry_after(&mut page, problem);
        }
    }
    // By this a script sees the page that signs in.
    if let Some(place) = place.path_and_query().and_then(|place| HeaderValue::from_str(place.as_str()).ok()) {
        page.headers_mut().insert(CONTENT_LOCATION, place);
    }
    html::allow_base(&mut page);
    Some(page)
}

/// The words for a form whose sender must sign in first, if `problem` says so.
fn denied(problem: &Problem) -> Option<RefusalReason> {
    let (detail, hint) = match problem.needed {
        Some(role) => (
            format!("This takes the role {}: nothing was changed.", role.as_str()),
            "Sign in as a user with it: your form comes back.",
        ),
        None if problem.status == StatusCode::UNAUTHORIZED => {
            (String::from("You are not signed in: nothing was changed."), "Sign in: your form comes back.")
        }
        None => return None,
    };
    Some(RefusalReason { detail, hint: hint.into(), ..RefusalReason::default() })
}

/// The query without `next`, for a form with a file.
pub fn without_next(uri: &Uri) -> Uri {
    let kept = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("next="));
    let query = kept.collect::<Vec<_>>().join("&");
    let path = uri.path();
    let address = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    address.parse().unwrap_or_else(|_| uri.clone())
}

/// The problem, for a script of a page in the words of the pages.
pub fn in_words(problem: Problem, is_from_page: bool) -> Problem {
    if !is_from_page {
        return problem;
    }
    let hint = problem.hint.map(|hint| ui::in_page_words(&hint)).filter(|hint| !hint.is_empty());
    Problem { detail: ui::in_page_words(&problem.detail), hint, ..problem }
}

/// The problem as the page shows it.
pub fn refusal(problem: &Problem) -> RefusalReason {
    let wrong = problem.wrong.as_deref().cloned().unwrap_or_default();
    let each = wrong.errors.into_iter().map(|WrongValueOf { path, message, hint, .. }| {
        let hint = hint.map(|hint| format!(". {hint}")).unwrap_or_default();
        (path, ui::in_page_words(&format!("{}{hint}", message.trim_end_matches('.'))))
    });
    let mut errors: Vec<(String, String)> = each.collect();
    if errors.is_empty() && !wrong.field.is_empty() {
        let takes = format!("{}{}", RefusalReason::TAKES, wrong.range);
        let words = if wrong.range.is_empty() { ui::in_page_words(&problem.detail) } else { takes };
        errors.push((wrong.field.clone(), words));
    }
    let is_stale = problem.status == StatusCode::PRECONDITION_FAILED;
    let (detail, hint) = match &*wrong.field {
        // The ticks of a list.
        "ids" => ("Select at least one item first.", ""),
        // An empty form has no body.
        "" if problem.detail == PayloadError::Missing.to_string() => ("Nothing was entered.", ""),
        _ if problem.is_outdated => {
            (&*problem.detail, "Yours is shown: save it again to replace the newer one.")
        }
        _ => (&*problem.detail, problem.hint.as_deref().unwrap_or_default()),
    };
    let (detail, hint) = (ui::in_page_words(detail), ui::in_page_words(hint));
    RefusalReason { detail, hint, field: wrong.field, errors, is_stale }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::auth::caller::AuthError;
    use crate::http::routes::ROUTES;

    fn read(form: &str) -> FormPost {
        FormPost::read(ROUTES, &Query::parse(form)).unwrap().unwrap()
    }

    #[test]
    fn a_form_names_its_method_its_version_and_the_page_after_it() {
        let form = read(
            "_method=put&next=lines%3Fline%3D%7Bid%7D&_version=7&kept=0&kept=1&name=a+b%26&classes=x&classes=y",
        );
        let (mut uri, mut headers) = (Uri::from_static("/api/v1/lines/3"), HeaderMap::new());
        let body = form.request(&mut uri, &mut headers);
        assert_eq!((&form.method, &*body), (&Method::PUT, &b"name=a%20b%26&classes=x&classes=y&kept=1"[..]));
        assert_eq!(headers.get(IF_MATCH).unwrap(), "\"7\"");
        assert_eq!(read("_method=put&_method=DELETE").method, Method::DELETE, "the button's own comes last");
        assert_eq!(read("next=lines").method, Method::POST);
        assert_eq!(FormPost::read(ROUTES, &Query::parse("name=a")).unwrap(), None, "sent by a program");
        let unknown = FormPost::read(ROUTES, &Query::parse("_method=get")).unwrap_err();
        assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
    }

    #[test]
    fn what_is_named_by_its_address_is_named_by_a_field_and_not_there_yet() {
        let (mut uri, mut headers) = (Uri::from_static("/api/v1/users/%7Bname%7D"), HeaderMap::new());
        let body = read("_method=put&_version=*&name=a%2Fb&role=viewer").request(&mut uri, &mut headers);
        assert_eq!((uri.path(), &*body), ("/api/v1/users/a%2Fb", &b"role=viewer"[..]));
        assert!(headers[IF_NONE_MATCH] == "*" && !headers.contains_key(IF_MATCH));
        let mut uri = Uri::from_static("/api/v1/users/%7Bname%7D");
        read("_method=put&name=").request(&mut uri, &mut headers);
        assert_eq!(uri.path(), "/api/v1/users/%7Bname%7D", "no name is none that fits");
    }

    #[test]
    fn success_leads_to_the_page_from_any_depth() {
        let made = |place: &'static str| {
            let mut answer = Response::new(Body::full("{}"));
            answer.headers_mut().insert(LOCATION, HeaderValue::from_static(place));
            answer
        };
        let led = |form: &str, answer| {
            let response = read(form).done("/api/v1/lines", answer);
            (response.status().as_u16(), response.headers()[LOCATION].to_str().unwrap().to_owned())
        };
        let next = "next=lines%3Fline%3D%7Bid%7D%23saved";
        assert_eq!(led(next, made("lines/12")), (303, String::from("../../lines?line=12#saved")));
        assert_eq!(led(next, made("lines/\"x")), (303, String::from("../../lines#saved")));
        let moved =
            Response::builder().status(307).header(LOCATION, "https://cam/").body(Body::full("")).unwrap();
        assert_eq!(led(next, moved), (307, String::from("https://cam/")), "only success leads there");
    }

    #[test]
    fn a_refused_form_is_shown_on_its_page_with_what_was_typed() {
        let form = read("_method=patch&next=lines%3Fline%3D%7Bid%7D%23form&name=x");
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no").wrong("name", "a name", "x");
        let (uri, form) = form.returned("/api/v1/lines/3", Some(&problem)).unwrap();
        assert_eq!(
            (uri.to_string(), &*form.base),
            (String::from("/lines?line=new"), "../../../lines?line=new")
        );
        assert_eq!((form.get("name"), form.refusal.as_ref().map(|it| &*it.field)), (Some("x"), Some("name")));
        assert!(read("_method=patch").returned("/api/v1/lines/3", None).is_none(), "no page is named");
        let out =
            read("next=lines%23x").returned("/api/v1/pause", Some(&AuthError::NotShown.into())).unwrap();
        assert_eq!(out.0.to_string(), "/sign-in?next=lines");
        let home = read("next=//evil").returned("/api/v1/pause", Some(&problem)).unwrap();
        assert_eq!((home.0.to_string(), &*home.1.base), (String::from("/"), "../.././"));
    }
}
