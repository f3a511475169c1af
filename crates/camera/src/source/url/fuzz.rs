//! Invariants for any address and any login challenge, whatever their origin. For fuzzing (`fuzz/`) and the tests
//! that replay its findings.

use super::address::{CameraUrl, Login};
use super::cookies::Cookies;
use super::login::{Challenge, Encoding};
use super::{FormatRequest, UrlOpener};
use crate::source::Opener as _;

/// Reads the first line of `data` as a camera's address, the second as a redirect and a cookie, and the others as
/// login challenges.
pub fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let (typed, location) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    if let Ok(opener) = UrlOpener::new(typed, None, FormatRequest::ANYTHING) {
        let _ = opener.describe();
    }
    if let Ok((address, _)) = CameraUrl::parse(typed) {
        holds(&address);
        let mut cookies = Cookies::default();
        cookies.record(&address, location);
        let _ = cookies.field(&address);
        if let Ok(next) = address.resolve_redirect(location) {
            holds(&next);
        }
    }
    let login = Login { user: String::from("me"), password: String::from("pass") };
    if let Ok(mut challenge) = Challenge::choose(data.split(|&byte| byte == b'\n').skip(2)) {
        let _ = (challenge.is_stale(), challenge.authorization(&login, Encoding::Utf8, "/video"));
    }
}

/// The address can be requested, and is the same when parsed again.
fn holds(address: &CameraUrl) {
    let path = &address.path;
    assert!(path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
    assert!(!address.host.is_empty());
    let scheme = if address.secure { "https" } else { "http" };
    let text = format!("{scheme}://{}{path}", address.host_field());
    assert!(CameraUrl::parse(&text).is_ok_and(|(again, _)| again == *address), "{text}");
}

#[cfg(test)]
mod tests {
    #[test]
    fn findings_are_replayed() {
        tallycam_base::testing::replay("url", super::url);
    }
}
