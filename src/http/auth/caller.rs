//! The caller, as far as the connection and the request's head identify it: docs/ARCHITECTURE.md, "Who may do what".

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, COOKIE};
use hyper::{HeaderMap, Method, StatusCode, Uri, Version};

use crate::access::{Access, LimitedClient, Person, Role, TokenFacts};
use crate::http::auth::host_names;
use crate::http::request::problem::Problem;
use crate::http::request::query::{LINK, Query, TOKEN};
use crate::http::request::right::Right;
use tallycam_base::INSTANCE_FIELD;

/// Headers of proxies, besides those that begin with `x-forwarded`.
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

/// The caller, as far as the connection and the request's head identify it.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The peer's address; `None` over a Unix socket.
    pub address: Option<IpAddr>,
    /// The HTTP version.
    pub version: Version,
    pub headers: &'a HeaderMap,
    pub method: &'a Method,
    pub uri: &'a Uri,
    /// The connection is HTTPS to this server.
    pub over_tls: bool,
    /// `[access] local`: a loopback address proves enough.
    pub is_local_open: bool,
    /// `[access] view`: reading needs no password.
    pub is_view_open: bool,
}

/// The identified caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Unidentified.
    Anybody,
    /// The owner: a program of this machine, or anybody if there is no password.
    Owner,
    /// A person who has signed in or shown a password.
    Person(Person),
    /// A program with a token.
    Program(TokenFacts),
    /// The holder of a link signed for this address, with its expiry (seconds since 1970).
    Linked(u64),
    /// Somebody who has followed a link to the page with this path.
    Guest(String),
    /// A part of this service with this name, which calls the API for another machine: an operator.
    Part(&'static str),
}

/// Why a caller is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No password has been set yet.
    #[error("this camera has no password yet")]
    Unclaimed,
    /// No password and no valid session was shown.
    #[error("this takes a password")]
    NotShown,
    /// The credentials are right but not sufficient.
    #[error("this takes the role {}, and who asks is {has}", needed.as_str())]
    TooLow {
        needed: Role,
        /// The caller's role, in words.
        has: String,
    },
    #[error("the password is wrong")]
    Wrong,
    /// Too many wrong passwords came from that address.
    #[error("too many wrong passwords came from this address")]
    TooSoon(Duration),
    /// Too many passwords are being verified.
    #[error("too many passwords are being looked at")]
    Busy,
    /// The stored password cannot be read.
    #[error("the camera's password cannot be read")]
    Unreadable,
}

impl Who {
    /// The caller's role, if it has one.
    pub fn role(&self) -> Option<Role> {
        match self {
            Who::Anybody | Who::Program(_) => None,
            Who::Owner => Some(Role::Admin),
            Who::Person(person) => Some(person.role),
            Who::Linked(_) => Some(Role::Viewer),
            Who::Guest(_) => Some(Role::Guest),
            Who::Part(_) => Some(Role::Operator),
        }
    }

    /// The same for `caller`'s request of a route with `right`: a guest is one on the linked page and its parts only.
    pub fn at(self, caller: Caller<'_>, right: Right) -> Who {
        match self {
            Who::Guest(page) if page != caller.uri.path() && !right.is_of_page(&page) => Who::Anybody,
            who => who,
        }
    }

    /// True if the caller has `right`.
    pub fn has(&self, right: Right, is_view_open: bool) -> bool {
        let is_free = right.role().is_none() || (is_view_open && right.is_look());
        match self {
            Who::Program(token) => is_free || right.is_in(&token.scopes),
            _ => is_free || self.role() >= right.role(),
        }
    }

    /// True if the caller may see the machine's internals: addresses, paths, viewers.
    pub fn sees_internals(&self) -> bool {
        self.has(Right::Operator, false)
    }

    /// In words: `ann`, `the owner`.
    pub fn named(&self) -> &str {
        match self {
            Who::Anybody => "nobody in particular",
            Who::Owner => "the owner",
            Who::Guest(_) => "a guest",
            Who::Person(person) if person.role == Role::Guest => "a guest",
            Who::Person(person) => &person.name,
            Who::Program(_) => "a token",
            Who::Linked(_) => "a link",
            Who::Part(name) => name,
        }
    }

    pub(in crate::http) fn in_words(&self) -> String {
        match self {
            Who::Person(person) => format!("{} ({})", self.named(), person.role.as_str()),
            Who::Guest(_) => format!("{} ({})", self.named(), Role::Guest.as_str()),
            _ => self.named().to_owned(),
        }
    }
}

/// True if the browser speaks HTTPS with a proxy in front.
fn is_https(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let first = text("x-forwarded-proto").split(',').next().unwrap_or_default().trim();
    let forwarded = text("forwarded").to_ascii_lowercase();
    first.eq_ignore_ascii_case("https")
        || forwarded.split([';', ',']).any(|part| part.trim().replace('"', "") == "proto=https")
}

pub(in crate::http) fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='))
}

/// The value for this scheme in `Authorization`.
fn authorization<'a>(headers: &'a HeaderMap, scheme: &str) -> Option<&'a str> {
    let (own, rest) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    own.eq_ignore_ascii_case(scheme).then(|| rest.trim())
}

/// Name and password of `Authorization: Basic` (RFC 7617).
pub(in crate::http) fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization(headers, "basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

impl Caller<'_> {
    /// True for HTTPS to this server or to a proxy in front.
    pub fn is_https(&self) -> bool {
        self.over_tls || is_https(self.headers)
    }

    /// True for programs of this machine.
    pub fn is_here(&self) -> bool {
        let is_near = self.address.is_none_or(|address| address.to_canonical().is_loopback());
        // nginx speaks HTTP/1.0 to its backend by default, and marks nothing. A tallycam that reads a camera here
        // acts for the author of that camera's address, or of a redirect.
        let is_for_a_camera = self.headers.contains_key(INSTANCE_FIELD);
        is_near
            && !is_for_a_camera
            && self.version != Version::HTTP_10
            && !self.is_proxied()
            && names_loopback(self.headers)
    }

    /// True for programs of this machine that need no password.
    pub fn is_trusted(&self) -> bool {
        self.is_here() && (self.address.is_none() || self.is_local_open)
    }

    /// True for a client on this machine's own network, without a proxy. `own` is the address that it connected to.
    pub fn is_near(&self, own: Option<IpAddr>) -> bool {
        !self.is_proxied() && self.address.is_none_or(|address| is_near(address, own))
    }

    /// The token of a program: as Bearer, as the password of Basic, or in the query, for an `<img>`.
    pub(in crate::http) fn token(&self) -> Option<String> {
        // RFC 6750.
        authorization(self.headers, "bearer")
            .map(str::to_owned)
            .or_else(|| {
                basic(self.headers).map(|(_, password)| password).filter(|text| Access::is_token(text))
            })
            .or_else(|| Query::parse(self.uri.query()?).get(TOKEN).map(str::to_owned))
    }

    /// The expiry and the signature of a link, and the address that they sign.
    pub(in crate::http) fn link(&self) -> Option<(u64, &str, String)> {
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

    /// The client that guesses are counted for: the peer, or the last address that a proxy of this machine names.
    pub fn client(&self) -> LimitedClient {
        match LimitedClient::from_peer(self.address) {
            LimitedClient::Unnamed => {
                self.forwarded().map_or(LimitedClient::Unnamed, LimitedClient::from_address)
            }
            named => named,
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

/// True if `Host` is a name that no resolver can lead elsewhere.
fn names_loopback(headers: &HeaderMap) -> bool {
    let name = host_names::named(headers).unwrap_or_default();
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

impl From<AuthError> for Problem {
    fn from(denied: AuthError) -> Problem {
        let detail = denied.to_string();
        match denied {
            AuthError::TooLow { needed, .. } => {
                let problem = Problem::new(StatusCode::FORBIDDEN, detail)
                    .hint("sign in as a user with this right, or ask the camera's admin");
                Problem { needed: Some(needed), ..problem }
            }
            AuthError::Unclaimed => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("choose one on the page /claim, in a browser on the camera's network"),
            AuthError::NotShown => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("sign in at /sign-in, or send it by HTTP Basic with any user name; `tallycam password status` \
                    says where to find it"),
            AuthError::Wrong => Problem::new(StatusCode::UNAUTHORIZED, detail)
                .hint("`tallycam password status` on the camera's machine says where to find it"),
            AuthError::TooSoon(wait) => {
                let seconds = u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).saturating_add(1);
                let unit = if seconds == 1 { "second" } else { "seconds" };
                Problem::new(StatusCode::TOO_MANY_REQUESTS, detail)
                    .hint(format!("try again in {seconds} {unit}"))
                    .retry_after(seconds)
            }
            AuthError::Busy => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(1),
            AuthError::Unreadable => Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
                .hint("`tallycam password random` on the camera's machine makes a new one"),
        }
    }
}

/// True if `peer` is on one of this machine's networks. Its kind of address shows it (RFC 1918, 3927, 4193, 4291), or
/// it is `own`, the address it connected to, or shares its first 64 bits.
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

#[cfg(test)]
pub(in crate::http::auth) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::HeaderName;

    pub(in crate::http::auth) fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in lines {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                hyper::header::HeaderValue::from_str(value).unwrap(),
            );
        }
        map
    }

    pub(in crate::http::auth) fn caller(
        address: Option<IpAddr>,
        version: Version,
        headers: &HeaderMap,
    ) -> Caller<'_> {
        static URI: std::sync::LazyLock<Uri> = std::sync::LazyLock::new(|| Uri::from_static("/"));
        Caller {
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
        caller(address, version, &headers(lines)).is_here()
    }

    #[test]
    fn programs_of_this_machine_are_recognised() {
        let host: &[_] = &[("host", "localhost:8080")];
        for address in [None, Some("127.0.0.1"), Some("127.8.9.1"), Some("::1"), Some("::ffff:127.0.0.1")] {
            assert!(is_here(address, Version::HTTP_11, host), "{address:?}");
        }
        for address in ["192.168.1.7", "10.0.0.1", "0.0.0.0", "2001:db8::1", "fe80::1", "::ffff:10.0.0.1"] {
            assert!(!is_here(Some(address), Version::HTTP_11, host), "{address}");
        }
        assert!(!is_here(Some("127.0.0.1"), Version::HTTP_10, host), "nginx by default");
    }

    #[test]
    fn only_names_that_no_resolver_leads_elsewhere_are_local() {
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
    fn a_proxied_request_is_not_local() {
        for mark in
            ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "Via", "X-Real-IP", "CF-Connecting-IP"]
        {
            let lines = [("host", "localhost"), (mark, "1.2.3.4")];
            assert!(!is_here(Some("127.0.0.1"), Version::HTTP_11, &lines), "{mark}");
            assert!(!is_here(None, Version::HTTP_11, &lines), "{mark}");
        }
    }

    #[test]
    fn guesses_count_for_the_client_that_the_proxy_names() {
        let client = |address: Option<&str>, lines: &[(&str, &str)]| {
            let address = address.map(|address| address.parse().unwrap());
            caller(address, Version::HTTP_11, &headers(lines)).client()
        };
        let of = |address: &str| LimitedClient::from_address(address.parse().unwrap());
        let forged = &[("x-forwarded-for", "9.9.9.9, 10.0.0.7")];
        assert_eq!(client(Some("127.0.0.1"), forged), of("10.0.0.7"));
        assert_eq!(client(None, forged), of("10.0.0.7"));
        assert_eq!(client(Some("10.0.0.1"), forged), of("10.0.0.1"), "anybody can forge the header");
        assert_eq!(client(Some("127.0.0.1"), &[("x-forwarded-for", "unknown")]), LimitedClient::Unnamed);
    }

    #[test]
    fn basic_is_read_with_any_user_name() {
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
    fn a_client_that_is_on_the_same_network_is_near() {
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
    fn https_at_a_proxy_is_recognised() {
        assert!(is_https(&headers(&[("x-forwarded-proto", "https")])));
        assert!(is_https(&headers(&[("x-forwarded-proto", "https, http")])));
        assert!(is_https(&headers(&[("forwarded", "for=1.2.3.4;Proto=\"https\";by=x")])));
        assert!(!is_https(&headers(&[("x-forwarded-proto", "http")])));
        assert!(!is_https(&headers(&[])));
    }
}
