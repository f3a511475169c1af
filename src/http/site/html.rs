//! Headers and helpers of every page's answer.

use hyper::header::{ACCEPT, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::ui;

/// No foreign and no inline content; scripts may hold pictures as data.
const POLICY: &str = "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; script-src 'self'; \
    worker-src 'self'; style-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors \
    'self'";

/// The problem of a form without a known button.
pub fn nothing_to_do() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the form does not say what to do")
}

/// The fields of a page's form.
pub fn form(request: &Request) -> Query {
    Query::parse(&String::from_utf8_lossy(&request.body))
}

/// A redirect to `place`, relative to the page, with GET (303).
pub fn see(place: &str) -> Response<Body> {
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}

/// The page again, with the problem's status.
pub fn again(problem: &Problem, page: String) -> Response<Body> {
    let mut response = html(page);
    *response.status_mut() = problem.status;
    retry_after(&mut response, problem);
    response
}

/// Allows a page at the API's address to have links relative to its own.
pub fn allow_base(page: &mut Response<Body>) {
    if let Ok(policy) = HeaderValue::from_str(&POLICY.replace("base-uri 'none'", "base-uri 'self'")) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Lets a page show pictures of these `origins`.
pub fn allow_images<'a>(page: &mut Response<Body>, origins: impl Iterator<Item = &'a str>) {
    const OWN: &str = "img-src 'self'";
    let all = origins.fold(String::from(OWN), |all, origin| all + " " + origin);
    if let Ok(policy) = HeaderValue::from_str(&POLICY.replace(OWN, &all)) {
        page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
}

/// Lets pages of these `origins` show ours in a frame.
pub fn allow_frames(headers: &mut HeaderMap, origins: &[String]) {
    const OWN: &str = "frame-ancestors 'self'";
    let policy = headers.get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let wider = policy.filter(|_| !origins.is_empty());
    let wider = wider.map(|policy| policy.replace(OWN, &format!("{OWN} {}", origins.join(" "))));
    if let Some(wider) = wider.and_then(|policy| HeaderValue::from_str(&policy).ok()) {
        headers.insert(CONTENT_SECURITY_POLICY, wider);
    }
}

/// Sets `Retry-After`, if the problem names a time.
pub fn retry_after(response: &mut Response<Body>, problem: &Problem) {
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// True if a browser asks for a page at the top level.
pub fn is_asked_by_a_reader(path: &str, headers: &HeaderMap) -> bool {
    let accepts = headers.get(ACCEPT).and_then(|types| types.to_str().ok()).unwrap_or_default();
    // Deeper down, the relative addresses of a page would lead nowhere.
    !path.trim_start_matches('/').contains('/') && accepts.trim_start().starts_with("text/html")
}

/// The 404 page.
pub fn not_found(path: &str) -> Response<Body> {
    let mut response = html(ui::not_found_page(path));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

/// The page that asks before an old address changes something. Its status says that nothing has changed.
pub fn ask_back(path: &str, query: &Query) -> Response<Body> {
    let mut response = html(ui::ask_back_page(path, query.pairs()));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
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
