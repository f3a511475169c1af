//! The host names that this machine answers to: those that no resolver outside the house can lead here.
//!
//! Any page can point its own name at an address of this network (DNS rebinding). The browser then sees one site, and
//! the page may read everything that is open. A guest's machine on this network may take any free name in the router's
//! zone. A name is therefore accepted only if nobody else can own it. These are addresses, `localhost`, and this
//! machine's own name, alone or in a zone that nobody owns. The operator adds others with `[http] names`. A Unix socket
//! belongs to a web server, which checks names itself.
//!
//! Avahi adds a number to the own name if another machine has it, and is asked which name is this machine's.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use hyper::header::HOST;
use hyper::{HeaderMap, StatusCode};
use tokio::task::spawn_blocking;

use crate::http::request::problem::Problem;

/// Zones in which home routers and offices name their machines, and which nobody can register (RFC 6762, RFC 8375,
/// RFC 9476, ICANN's list of reserved names).
const ZONES: [&str; 8] = ["local", "lan", "home.arpa", "internal", "home", "corp", "localdomain", "intranet"];

/// Avahi's socket, and how long it may take to answer.
const AVAHI: &str = "/run/avahi-daemon/socket";
const AVAHI_WITHIN: Duration = Duration::from_secs(1);

/// Refuses a request for a foreign host name. `peer` is the client's address, `own` the one that it connected to.
///
/// # Errors
/// 421, with a remedy.
pub async fn check(
    peer: Option<IpAddr>,
    own: Option<IpAddr>,
    headers: &HeaderMap,
    names: &[String],
) -> Result<(), Problem> {
    if peer.is_none() {
        return Ok(());
    }
    let Some(name) = named(headers) else {
        // HTTP/1.0 needs no host name.
        let is_unnamed = !headers.contains_key(HOST);
        let no =
            || Problem::new(StatusCode::BAD_REQUEST, "the name of the host that is asked for cannot be read");
        return is_unnamed.then_some(()).ok_or_else(no);
    };
    let machine = rustix::system::uname().nodename().to_string_lossy().to_ascii_lowercase();
    if is_ours(&name, &machine, names) {
        return Ok(());
    }
    if is_numbered(&name, &machine)
        && let Some(own) = own
        && let Ok(Ok(held)) = spawn_blocking(move || held_name(Path::new(AVAHI), own)).await
        && held == name
    {
        return Ok(());
    }
    let name: String = name.chars().take(100).collect();
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, format!("this camera does not answer to the name {name:?}"))
        .hint(format!(
            "open it by its address, or as NAME.local; if {name:?} is meant to lead here, put it into `http.names`"
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

/// True for what may follow the own name: nothing, or a zone.
fn is_zone(rest: &str) -> bool {
    rest.is_empty() || rest.strip_prefix('.').is_some_and(|zone| ZONES.contains(&zone))
}

/// True for the own name with a number in `.local`: `door-2.local`.
fn is_numbered(name: &str, own: &str) -> bool {
    let rest = name.strip_prefix(short(own)).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    let number = rest.strip_suffix(".local").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The name that the Avahi behind this socket gives to one of this machine's addresses, in lower case.
fn held_name(socket: &Path, own: IpAddr) -> io::Result<String> {
    let mut avahi = UnixStream::connect(socket)?;
    avahi.set_read_timeout(Some(AVAHI_WITHIN))?;
    writeln!(avahi, "RESOLVE-ADDRESS {}", own.to_canonical())?;
    let mut answer = String::new();
    BufReader::new(avahi.take(500)).read_line(&mut answer)?;
    // `+ INTERFACE PROTOCOL ADDRESS NAME`, or `-NUMBER REASON`.
    let name = answer.strip_prefix('+').and_then(|answer| answer.split_whitespace().nth(3));
    Ok(name.unwrap_or_default().trim_end_matches('.').to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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
            "tallycam-2.local",
            "tallycam.evil.lan",
            "",
        ] {
            assert!(!is_ours(other, "tallycam", &names), "{other}");
        }
    }
    #[test]
    fn a_numbered_name_is_ours_while_avahi_gives_it_to_our_address() {
        for (name, is) in [
            ("tallycam-2.local", true),
            ("tallycam-12.local", true),
            ("tallycam-.local", false),
            ("tallycam-2", false),
            ("tallycam-2x.local", false),
            ("tallycam2.local", false),
            ("evil-2.local", false),
        ] {
            assert_eq!(is_numbered(name, "tallycam.example.net"), is, "{name}");
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("socket");
        let avahi = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let answers = ["+ 2 0 192.168.1.7 Tallycam-2.local\n", "-15 Timeout reached\n", ""];
        let server = std::thread::spawn(move || {
            answers.map(|answer| {
                let (mut client, _) = avahi.accept().unwrap();
                let mut asked = String::new();
                BufReader::new(&client).read_line(&mut asked).unwrap();
                client.write_all(answer.as_bytes()).unwrap();
                asked
            })
        });
        let own = "::ffff:192.168.1.7".parse().unwrap();
        let held = answers.map(|_| held_name(&socket, own).unwrap());
        assert_eq!(held, ["tallycam-2.local", "", ""]);
        assert_eq!(server.join().unwrap(), ["RESOLVE-ADDRESS 192.168.1.7\n"; 3]);
    }
}
