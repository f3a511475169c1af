//! Who may change something: not another site through a visitor's browser.
//!
//! A page anywhere on the Internet can make a browser at home send `POST /stop_stream` to the
//! camera. Browsers say so themselves: `Sec-Fetch-Site` (Fetch Metadata, W3C; only over HTTPS and
//! on localhost) and `Origin` (RFC 6454; with every POST). Programs such as curl send neither and
//! are not concerned. Looking at pictures is never refused. Pure.

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};

/// A request to change something that comes from another site.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this request comes from another site ({site}) and was not carried out")]
pub struct Foreign {
    site: String,
}

impl Foreign {
    /// What the user can do.
    pub fn hint(&self) -> &'static str {
        "use the camera's own page; a reverse proxy has to pass the header Host, or set X-Forwarded-Host"
    }
}

/// Refuses a request that a browser sends on behalf of another site.
///
/// `Sec-Fetch-Site` decides where the browser sends it; else the host of `Origin` must be the one
/// that was asked (`Host`, or `X-Forwarded-Host` behind a proxy). Ports are not compared: another
/// port of the same machine is the same site. `Origin: null` (sandboxed or hidden) is foreign.
///
/// # Errors
/// [`Foreign`].
pub fn check(headers: &HeaderMap) -> Result<(), Foreign> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign = |site: &str| Err(Foreign { site: site.chars().take(100).collect() });
    let origin = text(ORIGIN.as_str());
    match text("sec-fetch-site") {
        Some("same-origin" | "same-site" | "none") => return Ok(()),
        Some(_) => return foreign(origin.unwrap_or("unnamed")),
        None => {}
    }
    if headers.get_all(ORIGIN).iter().count() > 1 {
        return foreign("two at once");
    }
    let Some(origin) = origin else {
        return if headers.contains_key(ORIGIN) { foreign("unreadable") } else { Ok(()) };
    };
    // With an "@" what looks like the host is a user's name.
    let from = origin.split_once("://").filter(|(_, rest)| !rest.contains('@')).map(|(_, rest)| host(rest));
    let asked = [text(HOST.as_str()), text("x-forwarded-host")];
    if from.is_some_and(|from| asked.iter().flatten().any(|to| host(to).eq_ignore_ascii_case(from))) {
        Ok(())
    } else {
        foreign(origin)
    }
}

/// The host of `host[:port]`, with the brackets of an IPv6 address.
fn host(authority: &str) -> &str {
    if authority.starts_with('[') {
        return authority.split_once(']').map_or(authority, |(host, _)| &authority[..host.len() + 1]);
    }
    authority.split_once(':').map_or(authority, |(host, _)| host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use hyper::header::{HeaderName, HeaderValue};

    #[test]
    fn the_table() {
        let cases: &[(&[(&str, &str)], bool)] = &[
            (&[], true),
            (&[("host", "pi:8080")], true),
            (&[("sec-fetch-site", "same-origin")], true),
            (&[("sec-fetch-site", "none")], true),
            (&[("sec-fetch-site", "same-site")], true),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "something-new")], false),
            (&[("sec-fetch-site", "cross-site"), ("origin", "http://pi"), ("host", "pi")], false),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://a"), ("host", "b")], true),
            (&[("host", "pi:8080"), ("origin", "http://pi:8080")], true),
            (&[("host", "pi:8080"), ("origin", "http://PI")], true),
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
            (&[("host", "[::1]:8080"), ("origin", "http://[::1]:8080")], true),
            (&[("host", "[::1]:8080"), ("origin", "http://[::2]:8080")], false),
            (&[("origin", "http://pi")], false),
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
            assert_eq!(check(&map).is_ok(), *allowed, "{headers:?}");
        }
    }
}
