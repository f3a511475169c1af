//! The host names that this machine answers to: those that no resolver outside the house can lead here.
//!
//! Any page can point its own name at an address of this network (DNS rebinding). The browser then sees one site, and
//! the page may read everything that is open. A guest's machine on this network may take any free name in the router's
//! zone. A name is therefore accepted only if nobody else can own it. These are addresses, `localhost`, and this
//! machine's own name, alone or in a zone that nobody owns. The operator adds others with `[http] names`. A Unix socket
//! belongs to a web server, which checks names itself. Pure, except for the machine's own name.

use std::net::IpAddr;

use hyper::header::HOST;
use hyper::{HeaderMap, StatusCode};

use crate::http::request::problem::Problem;

/// Zones in which home routers and offices name their machines, and which nobody can register (RFC 6762, RFC 8375,
/// RFC 9476, ICANN's list of reserved names).
const ZONES: [&str; 8] = ["local", "lan", "home.arpa", "internal", "home", "corp", "localdomain", "intranet"];

/// Refuses a request for a foreign host name.
///
/// # Errors
/// 421, with a remedy.
pub fn check(address: Option<IpAddr>, headers: &HeaderMap, names: &[String]) -> Result<(), Problem> {
    if address.is_none() {
        return Ok(());
    }
    let Some(name) = named(headers) else {
        // HTTP/1.0 needs no host name.
        let is_unnamed = !headers.contains_key(HOST);
        let no =
            || Problem::new(StatusCode::BAD_REQUEST, "the name of the host that is asked for cannot be read");
        return is_unnamed.then_some(()).ok_or_else(no);
    };
    let own = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    if is_ours(&name, &own, names) {
        return Ok(());
    }
    let name: String = name.chars().take(100).collect();
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, format!("this camera does not answer to the name {name:?}"))
        .hint(format!(
            "open it by its address, or as NAME.local; if {name:?} is meant to lead here, put it into `names` under \
             [http]"
        )))
}

/// The requested host in lower case, without port and brackets.
pub fn named(headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return None };
    let host = host.to_str().ok()?;
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

/// `own` is the machine's name.
fn is_ours(name: &str, own: &str, names: &[String]) -> bool {
    name.parse::<IpAddr>().is_ok()
        || name == "localhost"
        || name.ends_with(".localhost")
        || name == own
        || names.iter().any(|other| other.eq_ignore_ascii_case(name))
        || name.strip_prefix(short(own)).is_some_and(is_zone)
}

/// The first label of a host name.
fn short(own: &str) -> &str {
    own.split('.').next().unwrap_or_default()
}

/// True for what may follow the own name: nothing, or a zone. mDNS adds a number if another machine has the name.
fn is_zone(rest: &str) -> bool {
    let unnumbered = rest.strip_prefix('-').map(|rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    rest.is_empty()
        || rest.strip_prefix('.').is_some_and(|zone| ZONES.contains(&zone))
        || unnumbered == Some(".local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_nobody_else_can_own_are_accepted() {
        let names = [String::from("cam.example.org"), String::from("nas"), String::from("cam.lan")];
        for ours in [
            "127.0.0.1",
            "192.168.1.7",
            "::1",
            "fe80::1",
            "localhost",
            "tallycam",
            "tallycam.local",
            "tallycam-2.local",
            "tallycam.lan",
            "tallycam.home.arpa",
            "a.localhost",
            "cam.example.org",
            "nas",
            "cam.lan",
        ] {
            assert!(is_ours(ours, "tallycam", &names), "{ours}");
            assert!(is_ours(ours, "tallycam.example.net", &names), "{ours}");
        }
        assert!(is_ours("tallycam.example.net", "tallycam.example.net", &[]));
        for other in [
            "evil.example",
            "local.evil.example",
            "evillocal.example",
            "x.cam.example.org",
            "127.0.0.1.evil.com",
            // Names that a guest's machine may take.
            "evil",
            "evil.local",
            "evil.lan",
            "tallycam2",
            "tallycam-evil.local",
            "tallycam.evil.lan",
            "",
        ] {
            assert!(!is_ours(other, "tallycam", &names), "{other}");
        }
    }
}
