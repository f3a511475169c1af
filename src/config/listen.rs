//! Addresses to listen on, as text.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::Listen;
use super::kind::quoted;

/// Bytes of a unix socket's path that Linux takes (`sockaddr_un`, without the final zero).
const LONGEST_PATH: usize = 107;

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Listen::Tcp(address) => address.fmt(f),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Reads `"0.0.0.0:8080"`, `"[::1]:80"` or `"unix:/run/tallycam/http.sock"`.
///
/// # Errors
/// What it must be, and what was probably meant.
pub(super) fn parse(text: &str) -> Result<Listen, (String, Option<String>)> {
    if let Some(path) = text.strip_prefix("unix:") {
        return unix(path);
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Listen::Tcp(address));
    }
    let message = format!("must list addresses as IP:PORT or unix:/PATH, not {}", quoted(text));
    let meant = meant(text).map(|m| format!("did you mean {}?", quoted(&m)));
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

/// The address that a near miss meant.
fn meant(text: &str) -> Option<String> {
    let text = text.strip_prefix("http://").unwrap_or(text).trim().trim_end_matches('/');
    if text.starts_with('/') {
        return Some(format!("unix:{text}"));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, 8080).to_string());
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
    fn what_is_written_is_read_again() {
        for text in ["0.0.0.0:8080", "[::1]:80", "127.0.0.1:0", "unix:/run/tallycam/http.sock"] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn near_misses_are_understood() {
        for (text, want) in [
            ("8080", Some("0.0.0.0:8080")),
            (":8080", Some("0.0.0.0:8080")),
            ("*:80", Some("0.0.0.0:80")),
            ("localhost:8080", Some("127.0.0.1:8080")),
            ("http://127.0.0.1:81/", Some("127.0.0.1:81")),
            ("192.168.1.5", Some("192.168.1.5:8080")),
            ("::1", Some("[::1]:8080")),
            ("/run/x.sock", Some("unix:/run/x.sock")),
            ("example.org:80", None),
            ("0.0.0.0:99999", None),
            ("", None),
        ] {
            assert_eq!(meant(text).as_deref(), want, "{text}");
            let (_, hint) = parse(text).unwrap_err();
            assert_eq!(hint.is_some(), want.is_some(), "{text}");
        }
        for bad in ["unix:", "unix:x", "unix:/", "unix:///run/x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&format!("unix:/{}", "x".repeat(107))).is_err());
    }
}
