//! Refuses changes that another site makes through a visitor's browser.
//!
//! A page anywhere on the Internet can make a browser at home send `POST /stop_stream` to the camera. Browsers mark
//! such requests: `Sec-Fetch-Site` (Fetch Metadata, W3C; only over HTTPS and on localhost) and `Origin` (RFC 6454;
//! with every POST).
//!
//! The old addresses change things by GET, which an `<img>` can send over plain HTTP with neither header. There
//! `Referer` names the page. A page can suppress it (`referrerpolicy="no-referrer"`), but then the request is still
//! recognisable as a browser's that is not a visit. It does not ask for a page, or it lacks
//! `Upgrade-Insecure-Requests`: browsers send that with every visit, and scripts cannot (Fetch §2.2.2: `no-cors` does
//! not allow the header).
//!
//! Programs such as curl send none of these headers and are not affected. A link or frame on another page that hides
//! its own address looks like a typed address: [`may_be_led`]. Such a visit gets a page with a button instead, unless
//! it carries a session's cookie: only typed visits do. Reading pictures is never refused. Pure.

use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT, ACCEPT_LANGUAGE, HOST, HeaderValue, ORIGIN, REFERER, UPGRADE_INSECURE_REQUESTS, USER_AGENT,
};

use crate::http::request::problem::Problem;

/// Refuses a request that a browser sends on behalf of another site.
///
/// `Sec-Fetch-Site` decides if it is present. Otherwise host and port of `Origin`, or without one those of `Referer`,
/// must be the requested ones: `Host`, or one of `X-Forwarded-Host` and `X-Forwarded-Port` behind proxies. A host of
/// `names`, the operator's list, may have any port. `Origin: null` (sandboxed or hidden) is foreign. A browser without
/// any of these headers may only visit.
///
/// # Errors
/// The change is requested from another site (403).
pub fn check(headers: &HeaderMap, names: &[String]) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = |site: &str| {
        let site: String = site.chars().take(100).collect();
        let detail = format!("this request comes from another site ({site}) and was not carried out");
        let hint = "use the camera's own page; a reverse proxy has to pass the header Host with its port, or set \
             X-Forwarded-Host";
        Err(Problem::new(StatusCode::FORBIDDEN, detail).hint(hint))
    };
    let origin = text(ORIGIN.as_str());
    let fetched_by = text("sec-fetch-site");
    match fetched_by {
        Some("same-origin" | "none") => return Ok(()),
        // Another port, or another name in the same domain.
        Some("same-site") | None => {}
        Some(_) => return foreign(origin.unwrap_or("unnamed")),
    }
    let named_by = if headers.contains_key(ORIGIN) { ORIGIN } else { REFERER };
    if headers.get_all(&named_by).iter().count() > 1 {
        return foreign("two at once");
    }
    let Some(url) = text(named_by.as_str()).filter(|url| named_by == ORIGIN || !url.is_empty()) else {
        return match headers.get(&named_by) {
            Some(unreadable) if !unreadable.is_empty() => foreign("unreadable"),
            _ if fetched_by.is_some() || is_of_a_page(&text) => foreign("unnamed"),
            _ => Ok(()),
        };
    };
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let from = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Text before an "@" is a user name that may look like a host.
    if host(from).is_empty() || from.contains('@') {
        return foreign(url);
    }
    let usual = if scheme.eq_ignore_ascii_case("https") { "443" } else { "80" };
    let from_port = port(from).unwrap_or(usual);
    let list = |name: &str| text(name).unwrap_or_default().split(',').map(str::trim);
    let is_forwarded = list("x-forwarded-port").any(|port| port == from_port);
    // Each proxy on the way appends the host that it was asked for.
    let mut asked = list(HOST.as_str()).chain(list("x-forwarded-host"));
    let is_asked = asked.any(|to| {
        host(to).eq_ignore_ascii_case(host(from)) && (is_forwarded || port(to).unwrap_or(usual) == from_port)
    });
    let is_named = || names.iter().any(|name| name.eq_ignore_ascii_case(host(from)));
    if is_asked || is_named() { Ok(()) } else { foreign(url) }
}

/// True for a browser's visit that does not say whether another site's link or frame led here.
pub fn may_be_led(headers: &HeaderMap) -> bool {
    let is_without = |name: &str| headers.get(name).is_none_or(HeaderValue::is_empty);
    is_browser(&|name: &str| headers.get(name).and_then(|value| value.to_str().ok()))
        && ["sec-fetch-site", ORIGIN.as_str(), REFERER.as_str()].into_iter().all(is_without)
}

/// Browsers send their user's languages with every request.
fn is_browser<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> bool {
    text(USER_AGENT.as_str()).is_some_and(|agent| agent.starts_with("Mozilla/"))
        && text(ACCEPT_LANGUAGE.as_str()).is_some()
}

/// True if a browser fetches this for a page (as a picture, a script, a style sheet) and does not visit it. On a visit
/// it prefers HTML and asks for HTTPS.
fn is_of_a_page<'a>(text: &impl Fn(&str) -> Option<&'a str>) -> bool {
    let may_be_visit = text(UPGRADE_INSECURE_REQUESTS.as_str()).is_some();
    // An unreadable header also counts as a script's.
    let is_of_html = text(ACCEPT.as_str()).is_some_and(|types| types.trim_start().starts_with("text/html"));
    is_browser(text) && !(may_be_visit && is_of_html)
}

/// The host of `host[:port]`, with the brackets of an IPv6 address.
pub(in crate::http) fn host(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_once(']').map_or(authority, |(host, _)| &authority[..host.len() + 1]);
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

/// The port of `host:port`; `None` if it names none.
fn port(authority: &str) -> Option<&str> {
    authority[host(authority).len()..].strip_prefix(':').filter(|port| !port.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::HeaderName;

    const BROWSER: (&str, &str) = ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36");
    const LANGUAGE: (&str, &str) = ("accept-language", "en-US,en;q=0.9");
    const VISIT: (&str, &str) = ("upgrade-insecure-requests", "1");

    #[test]
    fn the_table() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("host", "pi:8080")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://pi:81"), ("host", "pi:80")], false),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://pi"), ("host", "pi:80")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "something-new")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://pi"), ("host", "pi")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://a"), ("host", "b")], true),
            (&[("host", "pi:8080"), ("origin", "http://pi:8080")], true),
            (&[("host", "pi:8080"), ("origin", "http://PI:8080")], true),
            // Another program on the same machine.
            (&[("host", "pi:8080"), ("origin", "http://pi")], false),
            (&[("host", "pi:8080"), ("origin", "http://pi:8081")], false),
            (&[("host", "pi"), ("origin", "http://pi:81")], false),
            (&[("host", "[::1]"), ("origin", "http://[::1]:81")], false),
            (&[("host", "pi"), ("origin", "http://pi:80")], true),
            (&[("host", "pi:443"), ("origin", "https://pi")], true),
            (&[("host", "pi"), ("x-forwarded-port", "8443"), ("origin", "https://pi:8443")], true),
            (&[("host", "a"), ("x-forwarded-host", "pi:81"), ("origin", "http://pi:81")], true),
            (&[("host", "a"), ("origin", "http://listed.example:81")], true),
            (&[("host", "pi:8080"), ("origin", "http://pi.evil.example")], false),
            (&[("host", "pi:8080"), ("origin", "http://evil.example")], false),
            (&[("host", "pi:8080"), ("origin", "null")], false),
            (&[("host", "pi:8080"), ("origin", "")], false),
            (
                &[
                    ("host", "10.0.0.1:8080"),
                    ("x-forwarded-host", "cam.home"),
                    ("origin", "https://cam.home"),
                ],
                true,
            ),
            (&[("host", "pi"), ("x-forwarded-host", "cam.home, b:80"), ("origin", "https://cam.home")], true),
            (&[("host", "pi"), ("x-forwarded-host", "a, b"), ("origin", "https://cam.home")], false),
            (&[("host", "pi"), ("x-forwarded-host", "a,"), ("origin", "http:///")], false),
            (&[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")], true),
            (&[("host", "[::1]:8080"), ("origin", "http://[::2]:8080")], false),
            (&[("origin", "http://pi")], false),
            // An image on a page over plain HTTP, as Chromium and Firefox request it.
            (&[("host", "pi:8080"), ("referer", "http://evil.example/page")], false),
            (&[("host", "pi:8080"), ("referer", "http://pi.evil.example/")], false),
            (&[("host", "pi:8080"), ("referer", "http://pi@evil.example/")], false),
            (&[("host", "pi:8080"), ("referer", "http://evil.example?http://pi:8080/")], false),
            (&[("host", "pi:8080"), ("referer", "http://pi:8080/old.html?a=http://x")], true),
            (&[("host", "pi:8080"), ("referer", "http://PI:8080/old.html")], true),
            (&[("host", "pi:8080"), ("referer", "http://pi/old.html")], false),
            (&[("host", "[::1]:8080"), ("referer", "http://[::1]:8080/")], true),
            (&[("host", "pi"), ("x-forwarded-host", "cam.home"), ("referer", "https://cam.home/a")], true),
            (&[("host", "pi"), ("referer", "android-app://com.example/")], false),
            (&[("host", "pi"), ("referer", "nonsense")], false),
            (&[("host", "pi"), ("referer", "")], true),
            (&[("host", "pi"), ("referer", "http://pi/"), ("referer", "http://evil.example/")], false),
            // `Origin` or `Sec-Fetch-Site` overrides `Referer`.
            (&[("host", "pi"), ("origin", "http://pi"), ("referer", "http://evil.example/")], true),
            (&[("sec-fetch-site", "none"), ("host", "pi"), ("referer", "http://evil.example/")], true),
            // The page hides its address.
            (&[BROWSER, LANGUAGE, ("host", "pi"), ("accept", "image/avif,image/webp,*/*;q=0.8")], false),
            (&[BROWSER, LANGUAGE, ("host", "pi"), ("accept", "*/*")], false),
            (&[BROWSER, LANGUAGE, ("host", "pi"), ("accept", "text/css,*/*;q=0.1")], false),
            (&[BROWSER, LANGUAGE, ("host", "pi"), ("accept", "*/*"), ("referer", "http://pi/")], true),
            // Its script imitates a visit.
            (&[BROWSER, LANGUAGE, ("host", "pi"), ("accept", "text/html,*/*;q=0.8")], false),
            (&[BROWSER, LANGUAGE, VISIT, ("host", "pi"), ("accept", "*/*")], false),
            // A typed address; programs.
            (&[BROWSER, LANGUAGE, VISIT, ("host", "pi"), ("accept", "text/html,*/*;q=0.8")], true),
            (&[("user-agent", "curl/8.5.0"), ("host", "pi"), ("accept", "*/*")], true),
            (&[("user-agent", "Cam/3 CFNetwork/1494"), LANGUAGE, ("host", "pi"), ("accept", "*/*")], true),
            (&[("user-agent", "Mozilla/5.0 (Windows NT) WindowsPowerShell/5.1"), ("host", "pi")], true),
            (&[("user-agent", "python-requests/2.31"), ("host", "pi"), ("accept", "*/*")], true),
            (&[("host", "pi"), ("origin", "http://pi:80@evil.example")], false),
            (&[("host", "pi"), ("origin", "http://pi"), ("origin", "http://evil.example")], false),
        ];
        for (headers, allowed) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in *headers {
                map.append(
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                );
            }
            assert_eq!(check(&map, &[String::from("listed.example")]).is_ok(), *allowed, "{headers:?}");
        }
    }
}
