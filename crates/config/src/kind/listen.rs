//! Addresses to listen on, as text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::{quoted, suggestion};
use crate::Listen;

/// Prefix of an address that serves HTTPS.
const HTTPS: &str = "https://";

/// Maximum bytes of a unix socket's path on Linux (`sockaddr_un`, without the final zero).
const LONGEST_PATH: usize = 107;

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Https(address) => write!(f, "{HTTPS}{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads `"0.0.0.0:8080"` or `"[::1]:80"`, optionally after `http://` or `https://`, or
/// `"unix:/run/tallycam/http.sock"`.
///
/// # Errors
/// The expected value and a suggestion.
pub fn parse(text: &str) -> Result<Listen, (String, Option<String>)> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    let (rest, is_https) = match text.strip_prefix(HTTPS) {
        Some(rest) => (rest, true),
        None => (text.strip_prefix("http://").unwrap_or(text), false),
    };
    if let Ok(address) = rest.parse::<SocketAddr>() {
        return Ok(if is_https { Listen::Https(address) } else { Listen::Tcp(address) });
    }
    if is_https && (rest.starts_with("unix:") || rest.starts_with('/')) {
        let message = "must name a unix socket without https://, which is spoken at IP:PORT only";
        let path = rest.trim_start_matches("unix:");
        return Err((String::from(message), Some(suggestion(&format!("unix:{path}")))));
    }
    let message =
        format!("must list addresses as IP:PORT, https://IP:PORT or unix:/PATH, not {}", quoted(text));
    let (scheme, port) = if is_https { (HTTPS, 8443) } else { ("", 8080) };
    let meant = suggest_address(rest, port).map(|meant| suggestion(&format!("{scheme}{meant}")));
    Err((message, meant))
}

fn unix(path: &str) -> Result<Listen, (String, Option<String>)> {
    if let Some(path) = path.strip_prefix("//") {
        let hint = format!("did you mean {}?", quoted(&format!("unix:{path}")));
        return Err((String::from("must name a unix socket as unix:/PATH, with one slash"), Some(hint)));
    }
    if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err((
            String::from("must name a unix socket by its whole path, as unix:/run/tallycam/http.sock"),
            None,
        ));
    }
    if path.len() > LONGEST_PATH {
        return Err((format!("must name a unix socket by a path of at most {LONGEST_PATH} bytes"), None));
    }
    Ok(Listen::Unix(PathBuf::from(path)))
}

/// The address that a near miss means; `port` fills in for a missing one.
fn suggest_address(text: &str, port: u16) -> Option<String> {
    let text = text.trim().trim_end_matches('/');
    if text.starts_with('/') {
        return Some(format!("unix:{text}"));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, port).to_string());
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let port: u16 = port.parse().ok()?;
    match host {
        "" | "*" => Some(format!("0.0.0.0:{port}")),
        "localhost" => Some(format!("127.0.0.1:{port}")),
        host => host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port).to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_written_address_is_read_back() {
        for text in
            ["0.0.0.0:8080", "[::1]:80", "127.0.0.1:0", "https://[::]:8443", "unix:/run/tallycam/http.sock"]
        {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn near_misses_get_a_suggestion() {
        for (text, want) in [
            ("8080", Some("0.0.0.0:8080")),
            (":8080", Some("0.0.0.0:8080")),
            ("*:80", Some("0.0.0.0:80")),
            ("localhost:8080", Some("127.0.0.1:8080")),
            ("http://127.0.0.1:81/", Some("127.0.0.1:81")),
            ("192.168.1.5", Some("192.168.1.5:8080")),
            ("::1", Some("[::1]:8080")),
            ("/run/x.sock", Some("unix:/run/x.sock")),
            ("https://*:443", Some("https://0.0.0.0:443")),
            ("https://192.168.1.5/", Some("https://192.168.1.5:8443")),
            ("https://unix:/run/x.sock", Some("unix:/run/x.sock")),
            ("https:///run/x.sock", Some("unix:/run/x.sock")),
            ("https://example.org", None),
            ("example.org:80", None),
            ("0.0.0.0:99999", None),
            ("", None),
        ] {
            let (_, hint) = parse(text).unwrap_err();
            assert_eq!(hint, want.map(suggestion), "{text}");
        }
        assert_eq!(parse("http://127.0.0.1:81"), parse("127.0.0.1:81"));
        for bad in ["unix:", "unix:x", "unix:/", "unix:///run/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }
}
