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
        Some(icon) => asset(icon, &request.headers, ""),
        None => {
            let mut response = Response::new(Body::full(""));
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// An embedded file. Browsers revalidate it with each request, which transfers no body. The manifest has the `name` of
/// the camera, so that the installed pages of two cameras differ.
pub fn asset(asset: &'static Asset, asked: &HeaderMap, name: &str) -> Response<Body> {
    if asset.path == "manifest.webmanifest" {
        return reply::fixed(asset.content_type, with_name(asset.body, name));
    }
    reply::kept(asked, asset.content_type, asset.etag, Bytes::from_static(asset.body), || compressed(asset))
}

/// A manifest with this name.
fn with_name(manifest: &[u8], name: &str) -> String {
    let mut manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap_or_default();
    for key in ["name", "short_name"] {
        manifest[key] = name.into();
    }
    manifest.to_string()
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
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_manifest_has_the_name_of_the_camera() {
        let manifest = ui::asset("manifest.webmanifest").unwrap().body;
        let named: serde_json::Value = serde_json::from_str(&with_name(manifest, "Door \"2\"")).unwrap();
        assert_eq!([&named["name"], &named["short_name"]], ["Door \"2\""; 2]);
        assert_eq!(named["icons"].as_array().unwrap().len(), 4);
    }

    #[test]
    fn sheet_and_scripts_are_small_as_they_are_sent() {
        let all = compress_all();
        let is_counted = |path: &str| path.ends_with(".js") || path.ends_with(".css");
        let counted = || ui::assets().iter().filter(|asset| is_counted(asset.path));
        let sent: usize =
            counted().map(|asset| all.get(asset.path).map_or(asset.body.len(), Bytes::len)).sum();
        assert!(sent <= 55_000, "{sent} bytes");
        let has_two_forms = |asset: &&Asset| gzip::has_two_forms(asset.content_type, asset.body.len());
        assert!(
            counted().filter(has_two_forms).all(|asset| all.contains_key(asset.path)),
            "{:?}",
            all.keys()
        );
        assert!(!all.keys().any(|path| path.ends_with(".png")));
    }
}
