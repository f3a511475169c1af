//! Assets of the pages: style sheet, scripts, icon.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hyper::{HeaderMap, Response, StatusCode};

use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::server::gzip;
use crate::http::site::handler::Request;
use crate::ui::{self, Asset};

/// `GET /favicon.ico`: the icon, with its media type.
pub async fn favicon(request: Request) -> Response<Body> {
    match ui::asset("icon.svg") {
        Some(icon) => asset(icon, &request.headers),
        None => {
            let mut response = Response::new(Body::full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// An embedded file. Browsers revalidate it with each request, which transfers no body.
pub fn asset(asset: &'static Asset, asked: &HeaderMap) -> Response<Body> {
    reply::kept(asked, asset.content_type, asset.etag, Bytes::from_static(asset.body), || compressed(asset))
}

/// The gzip form of a text file. All files are compressed once, off the server's thread, after the first request;
/// until then each answer is compressed separately.
fn compressed(asset: &Asset) -> Option<Bytes> {
    static ALL: OnceLock<HashMap<&str, Bytes>> = OnceLock::new();
    static IS_BEGUN: AtomicBool = AtomicBool::new(false);
    if !IS_BEGUN.swap(true, Ordering::Relaxed) {
        drop(tokio::task::spawn_blocking(|| ALL.get_or_init(compress_all)));
    }
    ALL.get()?.get(asset.path).cloned()
}

fn compress_all() -> HashMap<&'static str, Bytes> {
    let texts = ui::assets().iter().filter(|asset| gzip::has_two_forms(asset.content_type, asset.body.len()));
    texts.filter_map(|asset| Some((asset.path, gzip::best(asset.body)?))).collect()
}

/// `GET /robots.txt`: keeps search engines away.
pub async fn robots(_: Request) -> Response<Body> {
    reply::fixed(reply::TEXT, "User-agent: *\nDisallow: /\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sheet_and_scripts_are_small_as_they_are_sent() {
        let all = compress_all();
        let is_counted = |path: &str| path.ends_with(".js") || path.ends_with(".css");
        let counted = || ui::assets().iter().filter(|asset| is_counted(asset.path));
        let sent: usize =
            counted().map(|asset| all.get(asset.path).map_or(asset.body.len(), Bytes::len)).sum();
        assert!(sent <= 55_000, "{sent} bytes");
        assert!(counted().all(|asset| all.contains_key(asset.path)), "{:?}", all.keys());
        assert!(!all.keys().any(|path| path.ends_with(".png")));
    }
}
