//! Parses addresses as people type them: `http://user:p@ss@camera/video feed?id=1`.

use std::fmt;

use tallycam_base::Fault;
use tallycam_base::redact::redact_path;
use tallycam_base::unicode::percent_decoded;

/// The address of a server and the path to request.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct CameraUrl {
    /// `https` rather than `http`.
    pub secure: bool,
    /// Name or IP address, without the brackets of IPv6.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Path and query, percent-encoded, beginning with `/`.
    pub path: String,
}

/// User name and password.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub user: String,
    pub password: String,
}

fn no_scheme() -> Fault {
    Fault::wrong("it has no scheme such as http://")
}

fn no_host() -> Fault {
    Fault::wrong("it names no host")
}

fn no_port(port: &str) -> Fault {
    Fault::wrong(format!("{port:?} is no port"))
}

/// The scheme in lower case and what follows `://`.
pub(super) fn split_scheme(url: &str) -> Result<(String, &str), Fault> {
    let (scheme, rest) = url.trim().split_once("://").ok_or_else(no_scheme)?;
    let valid = scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if scheme.is_empty() || !valid {
        return Err(no_scheme());
    }
    Ok((scheme.to_ascii_lowercase(), rest))
}

/// Splits the text after `://` into user information (still encoded), host with port, and the rest.
pub(super) fn split_authority(rest: &str) -> (Option<&str>, &str, &str) {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    // At the rightmost @, because people write passwords unencoded.
    match authority.rsplit_once('@') {
        Some((user, host)) => (Some(user), host, rest),
        None => (None, authority, rest),
    }
}

impl CameraUrl {
    /// Parses an `http` or `https` URL.
    pub(super) fn parse(url: &str) -> Result<(CameraUrl, Option<Login>), Fault> {
        let (scheme, rest) = split_scheme(url)?;
        let secure = match scheme.as_str() {
            "http" => false,
            "https" => true,
            _ => return Err(Fault::wrong(format!("{scheme}:// is not known here"))),
        };
        let (login, host, rest) = split_authority(rest);
        let (host, port) = match host.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or_else(no_host)?;
                if !port.is_empty() && !port.starts_with(':') {
                    return Err(no_port(port));
                }
                (host, port.strip_prefix(':'))
            }
            None => match host.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (host, None),
            },
        };
        if host.is_empty() {
            return Err(no_host());
        }
        if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:%".contains(&b)) {
            return Err(Fault::wrong("it has a character that no address has"));
        }
        let port = match port {
            None | Some("") => [80, 443][usize::from(secure)],
            Some(port) => port.parse().map_err(|_| no_port(port))?,
        };
        let path = rest.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{}", encode(path));
        Ok((CameraUrl { secure, host: host.to_owned(), port, path }, login.map(Login::parse)))
    }

    /// The target of a redirect's `Location` (RFC 3986 §5.2, without `..`, which servers resolve themselves).
    pub(super) fn resolve_redirect(&self, location: &str) -> Result<CameraUrl, Fault> {
        let location = location.trim();
        if split_scheme(location).is_ok() {
            return CameraUrl::parse(location).map(|(address, _)| address);
        }
        if let Some(rest) = location.strip_prefix("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return CameraUrl::parse(&format!("{scheme}://{rest}")).map(|(address, _)| address);
        }
        let location = encode(location.split('#').next().unwrap_or_default());
        let without_query = self.path.split('?').next().unwrap_or_default();
        let path = match location.as_bytes().first() {
            None => self.path.clone(),
            Some(b'/') => location,
            Some(b'?') => format!("{without_query}{location}"),
            Some(_) => {
                let folder = without_query.rfind('/').map_or("/", |slash| &without_query[..=slash]);
                format!("{folder}{location}")
            }
        };
        Ok(CameraUrl { path, ..self.clone() })
    }

    /// The value of the `Host` field.
    pub(super) fn host_field(&self) -> String {
        let (left, right) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        let usual = [80, 443][usize::from(self.secure)];
        let port = if self.port == usual { String::new() } else { format!(":{}", self.port) };
        format!("{left}{}{right}{port}", self.host)
    }

    /// True if both are paths of one server.
    pub(super) fn is_same_server(&self, other: &CameraUrl) -> bool {
        (self.secure, self.port) == (other.secure, other.port) && self.host.eq_ignore_ascii_case(&other.host)
    }

    /// True if this server may get the login meant for `first`: it is the same server, or the same machine over
    /// HTTPS.
    pub(super) fn may_share_login(&self, first: &CameraUrl) -> bool {
        let is_upgrade = self.secure && !first.secure && self.host.eq_ignore_ascii_case(&first.host);
        self.is_same_server(first) || is_upgrade
    }
}

impl fmt::Debug for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without the password.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({}:…)", self.user)
    }
}

/// For messages: secrets are removed.
impl fmt::Display for CameraUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host_field(), redact_path(&self.path))
    }
}

impl Login {
    /// Parses `user:password`, percent-encoded or not.
    pub(super) fn parse(text: &str) -> Login {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Login { user: percent_decoded(user), password: percent_decoded(password) }
    }
}

/// Encodes characters that are invalid in a path or query; existing percent encoding stays.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn address(url: &str) -> CameraUrl {
        CameraUrl::parse(url).unwrap().0
    }

    /// The whole address with its secrets.
    fn whole(address: &CameraUrl) -> String {
        let scheme = if address.secure { "https" } else { "http" };
        format!("{scheme}://{}{}", address.host_field(), address.path)
    }

    #[test]
    fn addresses_as_people_type_them() {
        for (url, shown, host, port) in [
            ("http://cam", "http://cam/", "cam", 80),
            ("HTTPS://cam:443/a", "https://cam/a", "cam", 443),
            (" http://10.0.0.5:8080?action=stream ", "http://10.0.0.5:8080/?action=stream", "10.0.0.5", 8080),
            ("http://[fe80::1]:81/x#top", "http://[fe80::1]:81/x", "fe80::1", 81),
            ("http://u:p@cam/ä b%20c?q={1}", "http://cam/%C3%A4%20b%20c?q=%7B1%7D", "cam", 80),
        ] {
            let address = address(url);
            assert_eq!((whole(&address), address.host.as_str(), address.port), (shown.into(), host, port));
        }
    }

    #[test]
    fn logins_encoded_or_not() {
        for (url, user, password) in [
            ("http://admin:secret@cam/", "admin", "secret"),
            ("http://admin:p%40s%3as@cam/", "admin", "p@s:s"),
            ("http://admin:p@ss:100%@cam/x@y", "admin", "p@ss:100%"),
            ("http://admin@cam/", "admin", ""),
        ] {
            let (address, login) = CameraUrl::parse(url).unwrap();
            let login = login.unwrap();
            assert_eq!((login.user.as_str(), login.password.as_str()), (user, password), "{url}");
            assert_eq!(address.host, "cam");
        }
    }

    #[test]
    fn invalid_addresses_are_named() {
        for (url, error) in [
            ("cam/video", "it has no scheme such as http://"),
            ("://cam", "it has no scheme such as http://"),
            ("gopher://cam", "gopher:// is not known here"),
            ("http://", "it names no host"),
            ("http://:80/", "it names no host"),
            ("http://[::1/", "it names no host"),
            ("http://[::1]8080/", "\"8080\" is no port"),
            ("http://cam:99999/", "\"99999\" is no port"),
            ("http://ca m/", "it has a character that no address has"),
        ] {
            assert_eq!(CameraUrl::parse(url).map(|(a, _)| a.to_string()), Err(Fault::wrong(error)), "{url}");
        }
    }

    #[test]
    fn redirects_are_relative_to_their_page() {
        let from = address("http://cam:81/a/b?id=1");
        for (location, to) in [
            ("http://other/x", "http://other/x"),
            ("//other/x", "http://other/x"),
            ("/x?y", "http://cam:81/x?y"),
            ("x y", "http://cam:81/a/x%20y"),
            ("?id=2", "http://cam:81/a/b?id=2"),
            ("", "http://cam:81/a/b?id=1"),
        ] {
            assert_eq!(from.resolve_redirect(location).map(|a| whole(&a)), Ok(to.to_owned()), "{location}");
        }
        assert!(address("http://CAM:81/z").may_share_login(&from));
        assert!(address("https://cam/z").may_share_login(&from));
        assert!(!address("http://cam/z").may_share_login(&from));
        assert!(!address("http://evil:81/z").may_share_login(&from));
        assert!(!from.may_share_login(&address("https://cam/z")));
    }

    #[test]
    fn passwords_in_queries_are_not_shown() {
        for (url, shown) in [
            ("http://cam/v?user=a&pwd=b&rate=0", "http://cam/***"),
            ("https://me:pw@cam:81/b", "https://cam:81/***"),
            ("http://cam", "http://cam/"),
        ] {
            assert_eq!(address(url).to_string(), shown);
            assert!(!address(url).path.contains('*'));
        }
    }
}
