//! Cookies of a camera, kept while it is read (RFC 6265, without paths, domains and dates).

use super::address::CameraUrl;

/// Limits, so that a server cannot fill the memory.
const MOST_COOKIES: usize = 20;
const LONGEST: usize = 4096;

#[derive(Debug, Default)]
pub(super) struct Cookies(Vec<Cookie>);

#[derive(Debug)]
struct Cookie {
    host: String,
    /// Only for HTTPS.
    is_secure: bool,
    name: String,
    value: String,
}

impl Cookies {
    /// Keeps the cookie of a `Set-Cookie` field of the server at `address`, or forgets the one that it ends.
    pub(super) fn record(&mut self, address: &CameraUrl, field: &str) {
        let mut parts = field.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        let attributes: Vec<String> = parts.map(str::to_ascii_lowercase).collect();
        self.0.retain(|cookie| cookie.name != name || !cookie.host.eq_ignore_ascii_case(&address.host));
        let age = attributes.iter().find_map(|attribute| attribute.strip_prefix("max-age="));
        let is_over =
            value.is_empty() || age.and_then(|age| age.parse().ok()).is_some_and(|age: i64| age <= 0);
        if is_over || name.is_empty() || field.len() > LONGEST || self.0.len() >= MOST_COOKIES {
            return;
        }
        self.0.push(Cookie {
            host: address.host.clone(),
            is_secure: attributes.iter().any(|attribute| attribute == "secure"),
            name: name.to_owned(),
            value: value.to_owned(),
        });
    }

    /// The value of the `Cookie` field for the server at `address`; `None` without a cookie.
    pub(super) fn field(&self, address: &CameraUrl) -> Option<String> {
        let is_for = |cookie: &&Cookie| {
            cookie.host.eq_ignore_ascii_case(&address.host) && (address.secure || !cookie.is_secure)
        };
        let pairs: Vec<String> =
            self.0.iter().filter(is_for).map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_gets_its_own_cookies() {
        let address = |url: &str| CameraUrl::parse(url).unwrap().0;
        let (plain, secure, other) = (address("http://cam"), address("https://cam"), address("http://other"));
        let mut cookies = Cookies::default();
        for field in ["a=1; Path=/; HttpOnly", "b=x=y", "s=2; Secure", "a=3", "nothing", "=x"] {
            cookies.record(&secure, field);
        }
        assert_eq!(cookies.field(&plain).unwrap(), "b=x=y; a=3");
        assert_eq!(cookies.field(&secure).unwrap(), "b=x=y; s=2; a=3");
        assert_eq!(cookies.field(&other), None);
        cookies.record(&plain, "a=3; Max-Age=0");
        cookies.record(&plain, "b=");
        assert_eq!(cookies.field(&plain), None);
        for n in 0..100 {
            cookies.record(&plain, &format!("c{n}={}", "x".repeat(4000)));
        }
        assert!(cookies.field(&plain).unwrap().len() < 100_000);
    }
}
