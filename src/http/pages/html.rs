//! What every page is answered with.

use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Method, Response, StatusCode};

use crate::access::Role;
use crate::http::auth::caller::Who;
use crate::http::request::handler::{Found, Request, Route, find};
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::reply::no_store;
use crate::http::request::right::Right;
use crate::http::server::body::Body;
use crate::ui;

/// Nothing from elsewhere, nothing inline; pictures may be kept by the script as data.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; script-src 'self'; \
    worker-src 'self'; style-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'";

/// The same of a page that stands at the API's address: its links are relative to its own.
pub const POLICY_WITH_BASE: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; script-src 'self'; \
    worker-src 'self'; style-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'self'; frame-ancestors 'self'";

/// A form without a button that is known.
pub fn nothing_to_do() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the form does not say what to do")
}

/// The fields of a page's form.
pub fn form(request: &Request) -> Query {
    Query::parse(&String::from_utf8_lossy(&request.body))
}

/// Back to `place`, relative to the page, with a GET.
pub fn see(place: &str) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The page again, with what went wrong.
pub fn again(problem: &Problem, page: String) -> Response<Body> {
    let mut response = html(page);
    *response.status_mut() = problem.status;
    retry_after(&mut response, problem);
    response
}

/// Says when to try again, where that is known.
pub fn retry_after(response: &mut Response<Body>, problem: &Problem) {
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// Whether somebody with a browser looks for a page beside the others.
pub fn is_asked_by_a_reader(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(ACCEPT).and_then(|types| types.to_str().ok()).unwrap_or_default();
    // Further down the relative addresses of a page would lead nowhere.
    !path.trim_start_matches('/').contains('/') && accepts.trim_start().starts_with("text/html")
}

/// The page that there is none.
pub fn not_found(path: &str) -> Response<Body> {
    let mut response = html(ui::not_found_page(path));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// A page as `who` may use it: forms to routes that `table` does not give them are locked. `sign_in` is the address that signs
/// in and leads back to the page at `path`.
pub fn locked(
    table: &'static [Route],
    who: &Who,
    path: &str,
    sign_in: &str,
    response: Response<Body>,
) -> Response<Body> {
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    if !kind.starts_with(b"text/html") || who.has(Right::Admin, false) {
        return response;
    }
    let role_for = |action: &str| {
        let address = match action.split(['?', '#']).next().unwrap_or_default() {
            "" => path.to_owned(),
            page => format!("/{}", page.trim_start_matches("./")),
        };
        let route = match find(table, &Method::POST, &address) {
            Ok(Found::Route(route, _)) => Some(route),
            _ => table.iter().find(|route| route.method != Method::GET && route.matches(&address).is_some()),
        };
        route.filter(|route| !who.has(route.right, false))?.right.role().map(Role::as_str)
    };
    let lock = |page: &[u8]| Some(ui::lock_forms(std::str::from_utf8(page).ok()?, sign_in, role_for)?.into());
    response.map(|body| body.map_whole(lock))
}

pub fn html(page: String) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full(page)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_comes_again_says_when_to_try_again() {
        let soon =
            Problem::from(crate::http::auth::caller::AuthError::TooSoon(std::time::Duration::from_secs(41)));
        let response = again(&soon, String::new());
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers().get("retry-after").and_then(|it| it.to_str().ok()), Some("42"));
        assert_eq!(soon.hint.as_deref(), Some("try again in 42 seconds"), "for people, too");
        let wrong = again(&Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "no"), String::new());
        assert_eq!(wrong.headers().get("retry-after"), None);
    }
}
