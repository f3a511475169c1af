//! Addresses of pages: the one that signs in, and where a page may lead to. Pure.

use hyper::Method;

use crate::base::unicode::percent_encoded;
use crate::http::request::handler::{Route, Tag};

/// The page that signs in, seen from `path`, and from there back to the page that `path` belongs to, with its query.
pub fn sign_in_for(table: &[Route], path: &str, query: Option<&str>) -> String {
    let own = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let next = match query {
        Some(query) if is_page(table, own) => format!("{own}?{query}"),
        _ => String::from(if is_page(table, own) { own } else { "./" }),
    };
    format!("{}sign-in?next={}", up_from(path), percent_encoded(&next))
}

/// The way from `path` to where all addresses begin: `../`, as links have it.
pub fn up_from(path: &str) -> String {
    "../".repeat(path.trim_start_matches('/').matches('/').count())
}

/// Where a page may lead to after signing in: a page of ours, with a query perhaps; anything else is the live page.
pub fn next(table: &[Route], wanted: Option<&str>) -> String {
    let wanted = wanted.unwrap_or_default();
    let (path, query) = wanted.split_once('?').unwrap_or((wanted, ""));
    let is_plain = query.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~=&%+,:".contains(&b));
    if wanted.len() <= 500 && is_plain && is_page(table, path) {
        wanted.to_owned()
    } else {
        String::from("./")
    }
}

/// Whether `name`, as a link has it, is that of a page beside the live one.
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
    fn only_pages_of_ours_are_led_to() {
        for good in ["lines", "lines?line=2", "counts?range=7d&class=person", "media?q=a%20b+c"] {
            assert_eq!(next(ROUTES, Some(good)), good);
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
            "lines#x",
            "lines?next=//evil\\",
            "LINES",
        ] {
            assert_eq!(next(ROUTES, Some(bad)), "./", "{bad}");
        }
        assert_eq!(next(ROUTES, Some(&format!("lines?{}", "a".repeat(1000)))), "./");
        assert_eq!(next(ROUTES, None), "./");
    }

    #[test]
    fn the_way_to_sign_in_fits_any_depth_and_prefix() {
        assert_eq!(sign_in_for(ROUTES, "/lines", None), "sign-in?next=lines");
        assert_eq!(sign_in_for(ROUTES, "/pause", None), "sign-in?next=.%2F");
        assert_eq!(sign_in_for(ROUTES, "/media/upload", None), "../sign-in?next=media");
        assert_eq!(sign_in_for(ROUTES, "/lines", Some("zone=2")), "sign-in?next=lines%3Fzone%3D2");
    }
}
