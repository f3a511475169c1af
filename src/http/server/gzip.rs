//! Compresses textual answers for clients that accept gzip (RFC 9110 §8.4, §12.5.3).
//!
//! The compressed form of an answer is another representation with its own entity tag: `"7-gzip"` for `"7"`.
//! Conditions with that tag are read as `"7"`, because handlers know only one tag per resource.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, VARY,
};
use hyper::{HeaderMap, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::http::server::body::Body;

/// Shorter answers are sent uncompressed: they fit into one packet.
const LEAST: usize = 1024;

/// Longer answers are compressed on another thread: a Pi Zero 2 W takes about a millisecond for these.
const AT_ONCE: usize = 16 << 10;

/// Longer answers are sent uncompressed, so that no client keeps a core busy for long.
const MOST: usize = 4 << 20;

/// Level of answers made per request. Higher levels take twice the time and save a tenth of the bytes.
const QUICK: u32 = 4;

/// Level of answers that are compressed once.
const BEST: u32 = 9;

/// Written before the closing quote of a tag.
const SUFFIX: &str = "-gzip";

/// The request's headers about encodings.
#[derive(Debug)]
pub struct AcceptedEncoding {
    takes_gzip: bool,
    /// `If-None-Match`, if it names a compressed form.
    known: Vec<HeaderValue>,
}

impl AcceptedEncoding {
    /// Reads `headers`, and strips the suffix of compressed forms from their conditions.
    pub fn of(headers: &mut HeaderMap) -> AcceptedEncoding {
        let known = without_suffix(headers, IF_NONE_MATCH);
        without_suffix(headers, IF_MATCH);
        AcceptedEncoding { takes_gzip: takes_gzip(headers), known }
    }

    /// True if the client has the compressed form of `tag`.
    fn is_known(&self, tag: &HeaderValue) -> bool {
        let is_tag = |known: &&str| known.trim().trim_start_matches("W/").as_bytes() == tag.as_bytes();
        self.known
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .any(|known| is_tag(&known))
    }
}

/// Strips the suffix from the tags of a condition. Returns the original condition if there was a suffix.
fn without_suffix(headers: &mut HeaderMap, name: HeaderName) -> Vec<HeaderValue> {
    let end = format!("{SUFFIX}\"");
    let has_suffix = |value: &HeaderValue| value.to_str().is_ok_and(|tags| tags.contains(&end));
    let before: Vec<HeaderValue> = headers.get_all(&name).iter().cloned().collect();
    if !before.iter().any(has_suffix) {
        return Vec::new();
    }
    headers.remove(&name);
    for value in &before {
        let bare = value.to_str().map(|tags| tags.replace(&end, "\""));
        headers.append(&name, bare.ok().and_then(|tags| tags.parse().ok()).unwrap_or_else(|| value.clone()));
    }
    before
}

/// True if `Accept-Encoding` allows gzip and does not prefer the plain form.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut plain) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    for coding in values.flat_map(|list| list.split(',')) {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        let weight: f32 = weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
        match name.as_str() {
            "gzip" | "x-gzip" => gzip = Some(weight),
            "*" => any = Some(weight),
            "identity" => plain = Some(weight),
            _ => {}
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= plain.unwrap_or(0.0)
}

/// True if clients that accept gzip get `len` bytes of this media type compressed.
pub fn has_two_forms(kind: &str, len: usize) -> bool {
    is_text(kind) && len > LEAST && len <= MOST
}

/// Text compressed once, as small as possible.
pub fn best(text: &[u8]) -> Option<Bytes> {
    compressed(text, BEST)
}

fn compressed(text: &[u8], level: u32) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 3), Compression::new(level));
    encoder.write_all(text).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}

/// Compresses long text on another thread, one at a time, so that clients with many requests take at most one core.
/// `None` if another text is being compressed: the client then gets the plain form at once.
async fn compressed_beside(text: Bytes) -> Option<Bytes> {
    static TURN: Semaphore = Semaphore::const_new(1);
    let turn = TURN.try_acquire().ok()?;
    let compressed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        compressed(&text, QUICK)
    });
    compressed.await.ok().flatten()
}

/// The answer in the form that the client accepts. Bodies made while they are sent stay as they are.
pub async fn encoded(accepted: &AcceptedEncoding, mut response: Response<Body>) -> Response<Body> {
    let is_encoded = response.headers().contains_key(CONTENT_ENCODING);
    if !is_encoded && !may_vary(&response) {
        return response;
    }
    let is_unchanged = response.status() == StatusCode::NOT_MODIFIED;
    let mut has_suffix = is_encoded;
    if accepted.takes_gzip && !is_encoded && !is_unchanged {
        let text = response.body().whole().clone();
        let encoded = match text.len() {
            ..=AT_ONCE => compressed(&text, QUICK),
            _ => compressed_beside(text).await,
        };
        if let Some(encoded) = encoded {
            has_suffix = true;
            *response.body_mut() = Body::full(encoded);
            let headers = response.headers_mut();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.remove(CONTENT_LENGTH);
        }
    }
    let headers = response.headers_mut();
    if is_unchanged {
        headers.remove(CONTENT_TYPE);
    }
    // Caches must not give this form to a client that asks for the other.
    headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Some(tag) = headers.get(ETAG).and_then(with_suffix)
        && (has_suffix || (is_unchanged && accepted.takes_gzip && accepted.is_known(&tag)))
    {
        headers.insert(ETAG, tag);
    }
    response
}

/// True if the answer has a compressed form, too: it is text, long enough, complete, and not part of a file.
fn may_vary(response: &Response<Body>) -> bool {
    let headers = response.headers();
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let is_part = headers.contains_key(ACCEPT_RANGES) || headers.contains_key(CONTENT_RANGE);
    match response.status() {
        StatusCode::NOT_MODIFIED => is_text(kind),
        _ => !is_part && has_two_forms(kind, response.body().whole().len()),
    }
}

fn is_text(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind.split_once('/') {
        Some(("text", kind)) => kind != "event-stream",
        Some((_, kind)) => {
            ["json", "javascript", "xml", "toml", "yaml"].contains(&kind)
                || kind.ends_with("+json")
                || kind.ends_with("+xml")
        }
        None => false,
    }
}

/// The strong `tag` of a resource as that of its compressed form.
fn with_suffix(tag: &HeaderValue) -> Option<HeaderValue> {
    let inside = tag.to_str().ok()?.strip_prefix('"')?.strip_suffix('"')?;
    HeaderValue::from_str(&format!("\"{inside}{SUFFIX}\"")).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use http_body_util::BodyExt;
    use hyper::body::Body as _;

    use super::*;

    fn headers(lines: &[(HeaderName, &'static str)]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn answer(kind: &'static str, len: usize) -> Response<Body> {
        let mut response = Response::new(Body::full("0123456789\n".repeat(len / 11 + 1)[..len].to_owned()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response.headers_mut().insert(ETAG, HeaderValue::from_static("\"7\""));
        response
    }

    async fn sent(asked: &[(HeaderName, &'static str)], response: Response<Body>) -> Response<Body> {
        encoded(&AcceptedEncoding::of(&mut headers(asked)), response).await
    }

    fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
        headers.get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn gzip_is_used_if_it_is_accepted_and_plain_text_is_not_preferred() {
        for (value, want) in [
            ("gzip", true),
            ("gzip, deflate, br, zstd", true),
            ("x-gzip", true),
            ("GZIP;q=0.5", true),
            ("br;q=1.0, gzip; q=0.2, *;q=0", true),
            ("*", true),
            ("identity;q=0, *;q=0.5", true),
            ("", false),
            ("br", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000, *", false),
            ("*;q=0", false),
            ("identity, gzip;q=0.5", false),
            ("gzip;q=nonsense", false),
            ("gzippy", false),
        ] {
            assert_eq!(takes_gzip(&headers(&[(ACCEPT_ENCODING, value)])), want, "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[tokio::test]
    async fn text_is_compressed_and_the_same_text_comes_out() {
        for len in [LEAST + 1, AT_ONCE, AT_ONCE + 1, 300_000] {
            let response = sent(&[(ACCEPT_ENCODING, "gzip")], answer("text/html; charset=utf-8", len)).await;
            let (parts, body) = response.into_parts();
            assert_eq!(text(&parts.headers, CONTENT_ENCODING), Some("gzip"));
            assert_eq!(text(&parts.headers, VARY), Some("Accept-Encoding"));
            assert_eq!(text(&parts.headers, ETAG), Some("\"7-gzip\""));
            let exact = body.size_hint().exact().unwrap();
            let bytes = body.collect().await.unwrap().to_bytes();
            assert_eq!(exact, bytes.len() as u64);
            assert!(bytes.len() < len / 4, "{} of {len}", bytes.len());
            let mut out = String::new();
            GzDecoder::new(&bytes[..]).read_to_string(&mut out).unwrap();
            assert_eq!((out.len(), &out[..11]), (len, "0123456789\n"));
        }
    }

    #[tokio::test]
    async fn short_answers_and_binary_answers_stay_uncompressed() {
        let plain = async |response| {
            let response = sent(&[(ACCEPT_ENCODING, "gzip")], response).await;
            assert_eq!(text(response.headers(), CONTENT_ENCODING), None, "{response:?}");
            assert_eq!(text(response.headers(), VARY), None, "{response:?}");
            assert_eq!(text(response.headers(), ETAG), Some("\"7\""), "{response:?}");
        };
        plain(answer("text/html", LEAST)).await;
        plain(answer("text/html", MOST + 1)).await;
        for kind in
            ["image/jpeg", "video/mp4", "application/zip", "text/event-stream", "application/octet-stream"]
        {
            plain(answer(kind, 5000)).await;
        }
        let mut part = answer("text/plain", 5000);
        part.headers_mut().insert(CONTENT_RANGE, HeaderValue::from_static("bytes 0-4999/9000"));
        plain(part).await;
        for kind in
            ["application/json", "application/problem+json", "image/svg+xml", "text/csv; charset=utf-8"]
        {
            let response = sent(&[(ACCEPT_ENCODING, "gzip")], answer(kind, 5000)).await;
            assert_eq!(text(response.headers(), CONTENT_ENCODING), Some("gzip"), "{kind}");
        }
        // Caches learn that there is another form.
        let response = sent(&[], answer("text/html", 5000)).await;
        assert_eq!(text(response.headers(), CONTENT_ENCODING), None);
        assert_eq!(
            (text(response.headers(), VARY), text(response.headers(), ETAG)),
            (Some("Accept-Encoding"), Some("\"7\""))
        );
    }

    #[tokio::test]
    async fn conditions_with_the_compressed_tag_name_the_resource() {
        let mut asked = headers(&[
            (ACCEPT_ENCODING, "gzip"),
            (IF_NONE_MATCH, "\"6-gzip\", W/\"7-gzip\", \"5\""),
            (IF_MATCH, "\"7-gzip\""),
        ]);
        let accepted = AcceptedEncoding::of(&mut asked);
        assert_eq!(text(&asked, IF_NONE_MATCH), Some("\"6\", W/\"7\", \"5\""));
        assert_eq!(text(&asked, IF_MATCH), Some("\"7\""));
        // An unchanged copy keeps its tag.
        for (tag, want) in [("\"7\"", "\"7-gzip\""), ("\"5\"", "\"5\""), ("W/\"7\"", "W/\"7\"")] {
            let mut response = answer("text/html", 0);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response.headers_mut().insert(ETAG, HeaderValue::from_static(tag));
            let response = encoded(&accepted, response).await;
            assert_eq!(text(response.headers(), ETAG), Some(want));
            assert_eq!(text(response.headers(), VARY), Some("Accept-Encoding"));
        }
    }
}
