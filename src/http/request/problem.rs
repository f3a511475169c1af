//! Faults of a request: one type, one `From` per error, two formats. Under `/api/` a problem is
//! `application/problem+json` (RFC 9457), elsewhere plain text. Pure.

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};
use hyper::{Response, StatusCode};
use serde::Serialize;

use crate::access::Role;
use crate::http::server::body::Body;
use crate::http::server::incoming::BodyError;
use crate::pipeline::focus::FocusError;
use crate::pipeline::recording::RecordError;
use crate::pipeline::{NoPicture, NoRoom, Views};
use tallycam_base::{Fault, FaultKind};
use tallycam_store::media::MediaError;
use tallycam_store::{EditError, StoreError};

/// Why a request failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// One sentence: what could not be done.
    pub detail: String,
    /// A remedy for the caller.
    pub hint: Option<String>,
    /// Replaces both for callers who may not see the machine's internals; `None`: they see the same.
    pub outside: Option<&'static str>,
    /// Seconds after which a retry makes sense.
    pub retry_after: Option<u32>,
    /// The methods of the address, for 405.
    pub allow: Option<String>,
    /// Programs are asked for the password by HTTP Basic.
    pub challenge: bool,
    /// The change was made on a version of a row that somebody has changed meanwhile.
    pub is_outdated: bool,
    /// The role that the request needs, if the caller's is too low.
    pub needed: Option<Role>,
    /// The wrong value, if there is one.
    pub wrong: Option<Box<WrongField>>,
}

/// A wrong value. Its fields are members of the problem (RFC 9457 §3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WrongField {
    /// The key of the value: `brightness`, `lights.brightness`.
    pub field: String,
    /// The expected values: "a whole number from 0 to 255"; empty if unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub range: String,
    /// The given value as text, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub given: Option<String>,
    /// All wrong values, if the request may have several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<WrongValueOf>,
}

/// One of several wrong values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct WrongValueOf {
    /// The setting's key.
    pub path: String,
    /// The given value.
    pub given: String,
    /// A sentence that says what is wrong.
    pub message: String,
    /// A remedy.
    pub hint: Option<String>,
}

/// The JSON format (RFC 9457 §3.1); `hint`, `field`, `range`, `given` and `errors` are extension members.
#[derive(Serialize, schemars::JsonSchema)]
pub struct ProblemJson<'a> {
    #[schemars(extend("format" = "uri-reference"))]
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(flatten)]
    wrong: Option<&'a WrongField>,
}

impl Problem {
    /// A problem with only a status and a sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            detail: detail.into(),
            hint: None,
            outside: None,
            retry_after: None,
            allow: None,
            challenge: false,
            is_outdated: false,
            needed: None,
            wrong: None,
        }
    }

    /// Names the wrong value, the expected values, and the given one.
    #[must_use]
    pub fn wrong(
        mut self,
        field: impl Into<String>,
        range: impl Into<String>,
        given: impl Into<String>,
    ) -> Problem {
        let (field, range, given) = (field.into(), range.into(), Some(given.into()));
        self.wrong = Some(Box::new(WrongField { field, range, given, ..WrongField::default() }));
        self
    }

    /// The problem of missing keys, each with its expected value.
    pub fn missing(keys: &[(&str, &str)]) -> Problem {
        let said = |(key, expected): &(&str, &str)| format!("`{key}` is missing; it should be {expected}");
        let detail = keys.iter().map(said).collect::<Vec<_>>().join(". ");
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        let Some((field, range)) = keys.first().map(|(key, range)| ((*key).to_owned(), (*range).to_owned()))
        else {
            return problem;
        };
        let of = |one: &(&str, &str)| WrongValueOf {
            path: one.0.to_owned(),
            given: String::new(),
            message: said(one),
            hint: None,
        };
        let errors = if keys.len() > 1 { keys.iter().map(of).collect() } else { Vec::new() };
        Problem { wrong: Some(Box::new(WrongField { field, range, given: None, errors })), ..problem }
    }

    /// Names the wrong value and the expected ones, but not the given one: it may be a secret.
    #[must_use]
    pub fn wrong_secret(mut self, field: impl Into<String>, range: impl Into<String>) -> Problem {
        let (field, range) = (field.into(), range.into());
        self.wrong = Some(Box::new(WrongField { field, range, ..WrongField::default() }));
        self
    }

    /// Marks the whole body as wrong.
    pub(in crate::http) fn wrong_body(self) -> Problem {
        self.wrong_secret("body", "an object of keys and values")
    }

    /// Adds a remedy for the caller.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the text for callers who may not see the machine's internals.
    #[must_use]
    pub fn outside(mut self, said: impl Into<Option<&'static str>>) -> Problem {
        self.outside = said.into();
        self
    }

    /// Adds the number of seconds until a retry makes sense.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after = Some(seconds);
        self
    }

    /// The response, as JSON or as text.
    pub fn respond(&self, as_json: bool) -> Response<Body> {
        let (kind, body) = if as_json { ("application/problem+json", self.json()) } else { self.text() };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.as_deref().and_then(|a| HeaderValue::from_str(a).ok()) {
            headers.insert(ALLOW, allow);
        }
        if self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"tallycam\""));
        }
        // The rest of the client's body is not awaited.
        if matches!(self.status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    fn json(&self) -> String {
        let wire = ProblemJson {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Problem"),
            status: self.status.as_u16(),
            detail: &self.detail,
            hint: self.hint.as_deref(),
            wrong: self.wrong.as_deref(),
        };
        // Texts and a number: this cannot fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }

    /// Without a line end, as in all texts of the old programs.
    fn text(&self) -> (&'static str, String) {
        let hint = self.hint.as_ref().map_or_else(String::new, |hint| format!("\nhint: {hint}"));
        ("text/plain; charset=utf-8", format!("{}{hint}", self.detail))
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Problem {
        let status = match fault.kind {
            FaultKind::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
            FaultKind::Unknown => StatusCode::NOT_FOUND,
            FaultKind::Unsupported => StatusCode::FORBIDDEN,
            FaultKind::Taken | FaultKind::Busy => StatusCode::CONFLICT,
            FaultKind::Full => StatusCode::INSUFFICIENT_STORAGE,
            FaultKind::File => StatusCode::INTERNAL_SERVER_ERROR,
            FaultKind::Unreachable | FaultKind::Passing => StatusCode::SERVICE_UNAVAILABLE,
            FaultKind::Foreign => StatusCode::BAD_GATEWAY,
        };
        Problem { hint: fault.hint.clone(), ..Problem::new(status, fault.to_string()) }
    }
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Problem {
        let status = match error {
            BodyError::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TooSlow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken => StatusCode::BAD_REQUEST,
        };
        Problem::new(status, error.to_string())
    }
}

/// The problem of a further view of the picture, beside the most that are made.
pub fn too_many_views() -> Problem {
    let most = Views::MOST;
    let detail = format!("{most} different views of the picture are being watched, and no more are made");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .hint("use a view that others use, too, or the unchanged stream")
        .retry_after(5)
}

impl From<FocusError> for Problem {
    fn from(error: FocusError) -> Problem {
        let detail = error.to_string();
        match error {
            FocusError::Unsupported(_) => Problem::new(StatusCode::FORBIDDEN, detail)
                .hint("`tallycam devices` lists what the camera has; `lens.kind` sets the focus control"),
            FocusError::Controls(error) => error.into(),
            FocusError::Fault(fault) => fault.into(),
        }
    }
}

/// The problem of a change that was made on an outdated version.
fn outdated(detail: String) -> Problem {
    let problem = Problem::new(StatusCode::PRECONDITION_FAILED, detail);
    Problem { is_outdated: true, ..problem.hint("read the current version, and change that") }
}

/// The problem of a server that does not count.
pub fn no_counting() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "counting is not available")
        .hint("`detect.backend` selects the detector")
}

/// The problem of an image in privacy mode.
pub fn counts_only() -> Problem {
    let detail = "this camera counts only: it shows no pictures and keeps none";
    Problem::new(StatusCode::FORBIDDEN, detail).hint("`privacy.counts_only` is on")
}

/// The remedy for a full disk.
pub const ROOM: &str = "delete what is not needed on the page Media";

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        let detail = error.to_string();
        if matches!(error, StoreError::TooManyBuckets) {
            return Problem::new(StatusCode::BAD_REQUEST, detail);
        }
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        match error {
            StoreError::File(Fault { kind: FaultKind::Full, .. }) => {
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, "the disk is full, and nothing was changed")
                    .hint(ROOM)
            }
            StoreError::File(Fault { hint, .. }) => {
                Problem { hint, ..problem.outside("what was counted cannot be read") }
            }
            StoreError::Busy => problem.retry_after(RETRY_COUNTS_DB),
            _ => problem,
        }
    }
}

impl From<MediaError> for Problem {
    fn from(error: MediaError) -> Problem {
        let status = match &error {
            MediaError::File { .. }
            | MediaError::Locked { .. }
            | MediaError::Busy
            | MediaError::BackingUp => StatusCode::SERVICE_UNAVAILABLE,
            MediaError::Full => StatusCode::INSUFFICIENT_STORAGE,
            MediaError::Unknown(_) => StatusCode::NOT_FOUND,
            MediaError::SameName(_) | MediaError::Open(_) => StatusCode::CONFLICT,
            MediaError::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            MediaError::Changed { .. } => return outdated(error.to_string()),
        };
        let retry_after =
            matches!(error, MediaError::Busy | MediaError::BackingUp).then_some(RETRY_COUNTS_DB);
        let is_of_a_file = matches!(error, MediaError::File { .. } | MediaError::Locked { .. });
        let outside = is_of_a_file.then_some("the store of pictures cannot be used");
        Problem {
            hint: error.hint().map(String::from),
            outside,
            retry_after,
            ..Problem::new(status, error.to_string())
        }
    }
}

/// The problem of a picture that there is no memory for.
pub fn no_room(none: &NoRoom, detail: String) -> Problem {
    if none.is_temporary() {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_PICTURE);
    }
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).hint("request a smaller one, with w=640")
}

impl From<RecordError> for Problem {
    fn from(error: RecordError) -> Problem {
        let detail = error.to_string();
        match error {
            RecordError::CountsOnly => counts_only(),
            RecordError::NoPicture(_, hint, outside) => {
                let problem =
                    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(RETRY_PICTURE);
                Problem { hint, outside, ..problem }
            }
            RecordError::NoRoom(none) => no_room(&none, detail),
            RecordError::Fault(fault) => fault.into(),
            RecordError::NotClosed { why, .. } => Problem { detail, ..Problem::from(why) },
            RecordError::Media(error) => Problem::from(error),
        }
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Problem {
        let detail = error.to_string();
        match error {
            EditError::Unknown { .. } => Problem::new(StatusCode::NOT_FOUND, detail),
            EditError::Changed { .. } => outdated(detail),
            EditError::SameName { name, .. } => {
                Problem::new(StatusCode::CONFLICT, detail).wrong("name", "a name that no other has", name)
            }
            EditError::Fault(fault) => fault.into(),
            EditError::Wrong { field: "", .. } => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
            EditError::Wrong { field, range, others, .. } => {
                let of = |(field, words): (&str, String)| WrongValueOf {
                    path: field.to_owned(),
                    given: String::new(),
                    message: words,
                    hint: None,
                };
                let first = (!others.is_empty()).then(|| of((field, detail.clone())));
                let errors = first.into_iter().chain(others.into_iter().map(of)).collect();
                let wrong = WrongField { field: field.to_owned(), range, errors, ..WrongField::default() };
                let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
                Problem { wrong: Some(Box::new(wrong)), ..problem }
            }
            EditError::Store(error) => Problem::from(error),
        }
    }
}

const PREFIX_HINT: &str = "a proxy in front must take its own path off: in nginx `proxy_pass http://HOST:PORT/;` with \
                           the slash at its end, in Caddy `handle_path`";

/// The problem of a path without a route. `is_prefixed`: leading folders hide one of our addresses, as if from a proxy
/// that keeps its prefix.
pub fn no_such_path(path: &str, is_prefixed: bool) -> Problem {
    let path: String = path.chars().take(200).collect();
    let problem = Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"));
    if is_prefixed { problem.hint(PREFIX_HINT) } else { problem }
}

/// The problem of a path without a route of this method. `allow` is the header: the allowed methods.
pub fn no_such_method(path: &str, allow: String) -> Problem {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} answers to {allow} only"));
    Problem { allow: Some(allow), ..problem }
}

impl From<&NoPicture> for Problem {
    fn from(none: &NoPicture) -> Problem {
        let detail = format!("{}. {}", none.state.headline(), none.state.reason());
        Problem {
            hint: none.state.remedy_hint(),
            outside: none.state.public_reason(),
            ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail.trim_end()).retry_after(RETRY_PICTURE)
        }
    }
}

/// Seconds until a retry for a picture makes sense: a camera that returns is opened within one.
pub const RETRY_PICTURE: u32 = 2;

/// Seconds until a retry on counts.db makes sense.
pub const RETRY_COUNTS_DB: u32 = 2;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::request::body;
    use crate::http::request::keys::{QueryKey, TEXT, key};
    use crate::http::request::kinds::WholeIn;
    use crate::http::request::query::Query;
    use crate::http::site::preferences::{NotSet, WrongSetting};
    use http_body_util::BodyExt;
    use hyper::HeaderMap;

    async fn read(response: Response<Body>) -> (hyper::http::response::Parts, String) {
        let (parts, body) = response.into_parts();
        (parts, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
    #[allow(dead_code)]
    struct Wide {
        w: Option<WholeIn<0, 255>>,
    }

    fn refused(body: &str) -> Problem {
        body::read::<Wide>(&HeaderMap::new(), body.as_bytes()).unwrap_err().into()
    }

    #[tokio::test]
    async fn a_problem_has_the_members_of_rfc_9457() {
        let problem = too_many_views();
        let (parts, body) = read(problem.respond(true)).await;
        assert_eq!(parts.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(parts.headers[RETRY_AFTER], "5");
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["type"], "about:blank");
        assert_eq!(json["title"], "Service Unavailable");
        assert_eq!(json["status"], 503);
        assert_eq!(json["detail"], problem.detail);
        assert!(json["hint"].as_str().unwrap().starts_with("use a view that others use"));
    }

    #[tokio::test]
    async fn a_wrong_value_is_named_with_its_range_and_what_was_given() {
        let problem = refused(r#"{"w": 300}"#);
        let json: serde_json::Value = serde_json::from_str(&read(problem.respond(true)).await.1).unwrap();
        assert_eq!(
            (&json["field"], &json["range"], &json["given"]),
            (&"w".into(), &"a whole number from 0 to 255".into(), &"300".into())
        );
    }

    #[tokio::test]
    async fn all_missing_keys_are_named() {
        let one = Problem::missing(&[("action", "one of off, reboot")]).wrong.unwrap();
        assert_eq!((one.field.as_str(), one.range.as_str()), ("action", "one of off, reboot"));
        assert_eq!((one.given, one.errors.len()), (None, 0));
        let two = Problem::missing(&[("a", "a place"), ("b", "a place")]);
        assert_eq!(two.detail, "`a` is missing; it should be a place. `b` is missing; it should be a place");
        let paths = two.wrong.unwrap().errors.into_iter().map(|error| error.path).collect::<Vec<_>>();
        assert_eq!(paths, ["a", "b"]);
    }

    #[tokio::test]
    async fn a_wrong_value_is_reported_as_it_was_given() {
        let setting = |path: &str, given: &str| {
            let (path, given) = (path.to_owned(), given.to_owned());
            let wrong = WrongSetting { path, given, message: String::from("no."), hint: None };
            Problem::from(NotSet::Wrong(vec![wrong]))
        };
        const KEYS: &[QueryKey] = &[key("w", TEXT, "")];
        let query = Query::parse("width=7").known(KEYS).unwrap_err();
        for (problem, field, range, given) in [
            (refused(r#"{"foo": 1}"#), "foo", "one of w", "1"),
            (refused(r#"{"foo": "x"}"#), "foo", "one of w", "x"),
            (refused(r#"{"w": 1, "w": "2"}"#), "w", "given once", "1 and 2"),
            (query, "width", "one of w", "7"),
            (setting("picture.foo", "1"), "picture.foo", "one of picture.gray, ", "1"),
            (setting("store.directory", "\"/x\""), "store.directory", "nothing", "/x"),
            (setting("lights.color", "\"NaN\""), "lights.color", "a colour", "NaN"),
            (setting("line 2, column 1", ""), "line 2, column 1", "TOML", ""),
            (setting("no.such", "1"), "no.such", "one of the sections ", "1"),
            (setting("controls.\"cam\".gain", "x"), "controls.\"cam\".gain", "a number", "x"),
        ] {
            let wrong = problem.wrong.unwrap();
            assert_eq!((wrong.field.as_str(), wrong.given.as_deref()), (field, Some(given)), "{wrong:?}");
            assert!(wrong.range.starts_with(range), "{wrong:?}");
            assert!(wrong.errors.iter().all(|one| one.given == given), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_second_backup_says_when_to_try_again() {
        let (parts, _) = read(Problem::from(MediaError::BackingUp).respond(true)).await;
        assert_eq!(parts.status, 503);
        assert!(parts.headers.contains_key("retry-after"));
    }

    #[tokio::test]
    async fn a_setting_that_was_not_changed_says_why() {
        let wrong = WrongSetting {
            path: "lights.pixels".into(),
            given: "0".into(),
            message: "must be more".into(),
            hint: Some("write 1".into()),
        };
        let pinned = NotSet::Pinned { path: "name".into(), place: "config.toml:1".into() };
        let rolled = NotSet::RolledBack(Fault::passing("no picture"));
        for (not, status, field) in [
            (NotSet::Wrong(vec![wrong.clone(), wrong]), 422, Some("lights.pixels")),
            (pinned, 409, Some("name")),
            (NotSet::Busy, 503, None),
            (NotSet::Changed, 412, None),
            (rolled, 409, None),
            (NotSet::Fault(Fault::new(FaultKind::Full, "the disk is full")), 507, None),
        ] {
            let detail = not.to_string();
            let (parts, body) = read(Problem::from(not).respond(true)).await;
            let json: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!((parts.status.as_u16(), json["detail"].as_str()), (status, Some(detail.as_str())));
            assert_eq!(json["field"].as_str(), field);
            let range = field.filter(|_| status == 422).map(|_| "a whole number from 1 to 1000");
            assert_eq!(json["range"].as_str(), range, "{body}");
            assert_eq!(json["errors"].as_array().map(Vec::len), range.map(|_| 2));
        }
    }

    #[tokio::test]
    async fn as_text_it_says_the_same() {
        let miss = no_such_method("/health", "GET, HEAD, OPTIONS".into());
        let (parts, body) = read(miss.respond(false)).await;
        assert_eq!(parts.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(parts.headers[ALLOW], "GET, HEAD, OPTIONS");
        assert_eq!(body, "/health answers to GET, HEAD, OPTIONS only");
        let (_, body) = read(too_many_views().respond(false)).await;
        assert!(body.contains("\nhint: ") && !body.ends_with('\n'), "{body:?}");
    }

    #[tokio::test]
    async fn a_body_that_is_not_awaited_closes_the_connection() {
        for error in [BodyError::TooLong { limit: 9 }, BodyError::TooSlow] {
            let (parts, _) = read(Problem::from(error).respond(true)).await;
            assert_eq!(parts.headers[CONNECTION], "close");
        }
    }
}
