//! Which names this machine answers to: those that no resolver outside the house leads here.
//!
//! A page anywhere can have its own name lead to an address of this network (DNS rebinding); for a browser both are one
//! site then, and the page may read whatever is open. So a name counts only if nobody outside can own it: an address, a
//! name without dots, `localhost`, what mDNS gives (`*.local`), this machine's own name in a zone that is nobody's, and
//! what the operator names (`[http] names`). A Unix socket is a web server's, which looks at names by itself. Pure, but
//! for the machine's own name.

use std::net::IpAddr;

use hyper::header::HOST;
use hyper::{HeaderMap, StatusCode};

use crate::http::request::problem::Problem;

/// Zones in which home routers and offices name their machines, and nobody else can (RFC 6762, RFC 8375, RFC 9476 and
/// ICANN's list of names that are not given away).
const ZONES: [&str; 9] =
    ["local", "localhost", "lan", "home.arpa", "internal", "home", "corp", "localdomain", "intranet"];

/// Refuses a request for a name that is not this machine's.
///
/// # Errors
/// 421, and what to do.
pub fn check(address: Option<IpAddr>, headers: &HeaderMap, names: &[String]) -> Result<(), Problem> {
    if address.is_none() {
        return Ok(());
    }
    let Some(name) = named(headers) else {
        // HTTP/1.0 asks for no name.
        let is_unnamed = !headers.contains_key(HOST);
        let no =
            || Problem::new(StatusCode::BAD_REQUEST, "the name of the host that is asked for cannot be read");
        return is_unnamed.then_some(()).ok_or_else(no);
    };
    if is_ours(&name, names) {
        return Ok(());
    }
    let name: String = name.chars().take(100).collect();
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, format!("this camera does not answer to the name {name:?}"))
        .hint(format!(
            "open it by its address, or as NAME.local; if {name:?} is meant to lead here, put it into `names` under \
             [http]"
        )))
}

/// The host that is asked for, without its port and brackets, in small letters.
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

fn is_ours(name: &str, names: &[String]) -> bool {
    let is_in_zone =
        || ZONES.iter().any(|zone| name.strip_suffix(zone).is_some_and(|rest| rest.ends_with('.')));
    name.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || is_in_zone()
        || names.iter().any(|own| own.eq_ignore_ascii_case(name))
        || rustix::system::uname().nodename().to_str().is_ok_and(|own| own.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_that_nobody_outside_can_own() {
        let names = [String::from("cam.example.org")];
        for ours in [
            "127.0.0.1",
            "192.168.1.7",
            "::1",
            "fe80::1",
            "localhost",
            "tallycam",
            "tallycam.local",
            "cam.lan",
            "cam.home.arpa",
            "a.localhost",
            "cam.example.org",
        ] {
            assert!(is_ours(ours, &names), "{ours}");
        }
        for other in [
            "evil.example",
            "local.evil.example",
            "evillocal.example",
            "x.cam.example.org",
            "127.0.0.1.evil.com",
        ] {
            assert!(!is_ours(other, &names), "{other}");
        }
    }
}
