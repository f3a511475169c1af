//! Addresses of pages: the sign-in page, and the pages that a form may lead to. Pure.

use hyper::Method;

use crate::http::request::query::{LINK, TOKEN};
use crate::http::site::handler::{Route, Tag};
use tallycam_base::unicode::{percent_decoded, percent_encoded};

/// Placeholder in an address for the ID of the new row.
pub const ID: &str = "{id}";

/// The longest accepted address.
const LONGEST: usize = 500;

/// The sign-in page as seen from `path`. It leads back to the page that `path` belongs to, with its query.
pub fn sign_in_for(table: &[Route], path: &str, query: Option<&str>) -> String {
    let own = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let query = without_secrets(query.unwrap_or_default());
    let next = match is_page(table, own) {
        true if query.is_empty() => own.to_owned(),
        true => format!("{own}?{query}"),
        false => String::from("./"),
    };
    format!("{}sign-in?next={}", up_from(path), percent_encoded(&next))
}

/// `query` without tokens and links: addresses stay in logs and histories.
fn without_secrets(query: &str) -> String {
    let key = |pair: &str| percent_decoded(pair.split('=').next().unwrap_or_default());
    let is_secret = |pair: &&str| [TOKEN, LINK].contains(&key(pair).as_str());
    query.split('&').filter(|pair| !is_secret(pair)).collect::<Vec<_>>().join("&")
}

/// The relative link from `path` to the root: `../` for each level.
pub fn up_from(path: &str) -> String {
    "../".repeat(path.trim_start_matches('/').matches('/').count())
}

/// The page that follows a form or signing in: one of our pages, optionally with query and fragment, which may
/// contain [`ID`]. Any other address gives the live page.
pub fn next_page(table: &[Route], wanted: Option<&str>) -> String {
    let wanted = wanted.unwrap_or_default();
    let (address, fragment) = wanted.split_once('#').unwrap_or((wanted, ""));
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    let is_plain = |text: &str, marks: &[u8]| {
        text.replace(ID, "").bytes().all(|b| b.is_ascii_alphanumeric() || marks.contains(&b))
    };
    let is_ours = wanted.len() <= LONGEST
        && is_plain(query, b"-._~=&%+,:")
        && is_plain(fragment, b"-._")
        // mjpg-streamer's `/?action=stream` is no page.
        && ((path == "./" && !query.contains("action=")) || is_page(table, path));
    if !is_ours {
        return String::from("./");
    }
    let query = without_secrets(query);
    let mark = |mark: &str, part: &str| if part.is_empty() { String::new() } else { format!("{mark}{part}") };
    format!("{path}{}{}", mark("?", &query), mark("#", fragment))
}

/// True if `name` is the link of a page beside the live page.
pub fn is_page(table: &[Route], name: &str) -> bool {
    let is_it = |route: &Route| {
        route.doc.tag == Tag::Pages
            && route.method == Method::GET
            && route.path.strip_prefix('/') == Some(name)
    };
    !name.is_empty() && table.iter().any(is_it)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::routes::ROUTES;

    #[test]
    fn only_our_own_pages_may_follow() {
        for good in [
            "lines",
            "lines?line=2",
            "counts?range=7d&class=person",
            "media?q=a%20b+c",
            "lines?line={id}#{id}",
            "./",
            "./?stored={id}#lens",
        ] {
            assert_eq!(next_page(ROUTES, Some(good)), good);
        }
        for bad in [
            "//evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/lines",
            "../lines",
            "lines/..",
            "\\\\evil",
            "lines?a=\r\nSet-Cookie:x",
            "lines?\"",
            "",
            "./",
            "stream",
            "api/v1/state",
            "lines#\"x",
            "./?action=stream",
            "/\\evil",
            "///lines",
            "//evil.example#x",
            "lines?next=//evil\\",
            "LINES",
        ] {
            assert_eq!(next_page(ROUTES, Some(bad)), "./", "{bad}");
        }
        assert_eq!(next_page(ROUTES, Some(&format!("lines?{}", "a".repeat(1000)))), "./");
        assert_eq!(next_page(ROUTES, None), "./");
    }

    #[test]
    fn the_way_to_sign_in_fits_any_depth_and_prefix() {
        assert_eq!(sign_in_for(ROUTES, "/lines", None), "sign-in?next=lines");
        assert_eq!(sign_in_for(ROUTES, "/pause", None), "sign-in?next=.%2F");
        assert_eq!(sign_in_for(ROUTES, "/media/upload", None), "../sign-in?next=media");
        assert_eq!(sign_in_for(ROUTES, "/lines", Some("zone=2")), "sign-in?next=lines%3Fzone%3D2");
    }

    #[test]
    fn no_address_of_ours_has_another_ones_token() {
        for query in ["token=tc_x&zone=2", "zone=2&%74oken=tc_x", "zone=2&link=7.abc&token=tc_x"] {
            assert_eq!(sign_in_for(ROUTES, "/lines", Some(query)), "sign-in?next=lines%3Fzone%3D2");
            assert_eq!(next_page(ROUTES, Some(&format!("lines?{query}#z"))), "lines?zone=2#z");
        }
        assert_eq!(sign_in_for(ROUTES, "/lines", Some("token=tc_x")), "sign-in?next=lines");
        assert_eq!(next_page(ROUTES, Some("lines?token=tc_x")), "lines");
    }
}
