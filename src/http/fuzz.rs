//! Properties that must hold for any request: its query and path, head fields, JSON and forms. For fuzzing (`fuzz/`)
//! and for the tests that replay its findings.

use std::io::{Cursor, Read as _};

use hyper::HeaderMap;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

use crate::http::api::camera::lens::LensPatch;
use crate::http::api::camera::light::LightPatch;
use crate::http::api::camera::view_query;
use crate::http::api::media::items::MediaIds;
use crate::http::api::media::recordings::RecordingDraft;
use crate::http::auth::csrf;
use crate::http::request::body;
use crate::http::request::form_data::{FormData, boundary};
use crate::http::request::json_body::MOST_KEYS;
use crate::http::request::query::Query;
use crate::http::request::{etag, json_body, range, time_param};
use crate::ui::LocalClock;
use tallycam_base::unicode::{percent_decoded, percent_encoded};
use tallycam_camera::media::View;
use tallycam_store::LineDraft;

/// Reads the first line of `data` as an address, the lines up to an empty one as head fields, and the rest as the
/// body.
pub fn request(data: &[u8]) {
    let head = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let body = data.get(head + 2..).unwrap_or_default();
    let mut lines = data[..head].split(|byte| *byte == b'\n');
    address(&String::from_utf8_lossy(lines.next().unwrap_or_default()));
    let mut headers = HeaderMap::new();
    for line in lines {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    fields_of_the_head(&headers);
    json(&headers, body);
    form(&headers, body);
}

fn address(text: &str) {
    let (path, query) = text.split_once('?').unwrap_or((text, ""));
    for segment in path.split('/') {
        let name = percent_decoded(segment);
        assert_eq!(percent_decoded(&percent_encoded(&name)), name);
        let disposition = range::disposition(true, &name);
        assert!(HeaderValue::from_str(&disposition).is_ok(), "{disposition:?} is no field's value");
    }
    let query = Query::parse(query);
    let again: Vec<String> =
        query.pairs().iter().map(|(k, v)| format!("{}={}", percent_encoded(k), percent_encoded(v))).collect();
    assert_eq!(Query::parse(&again.join("&")), query);
    if let Ok(view) = view_query::of_query(&query, &TimeZone::UTC) {
        shows_something(&view);
    }
    shows_something(&view_query::of_old_query(&query, &TimeZone::UTC));
    let clock = LocalClock { now_us: 1_767_225_600_000_000, zone: TimeZone::UTC, day_starts: 4 };
    for value in query.values("from") {
        let _ = time_param::instant("from", &value, &clock);
    }
}

fn shows_something(view: &View) {
    for size in [(1, 1), (641, 479), (8192, 1)] {
        let (width, height) = view.output_size(size);
        assert!(width > 0 && height > 0, "{view:?} makes {width}×{height} of {size:?}");
    }
}

fn fields_of_the_head(headers: &HeaderMap) {
    for len in [0, 1, 1000, u64::MAX] {
        if let range::FilePart::Bytes(wanted) = range::part(headers, len, "\"7\"") {
            assert!(wanted.start < wanted.end && wanted.end <= len, "{wanted:?} of {len}");
        }
    }
    let _ = (range::is_known(headers, "\"7\""), etag::if_match(headers, 7), csrf::check(headers, &[]));
}

fn json(headers: &HeaderMap, body: &[u8]) {
    if let Ok(pairs) = json_body::read_pairs(headers, body) {
        assert!(pairs.len() <= MOST_KEYS);
        let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
        keys.sort();
        assert!(keys.windows(2).all(|two| two[0] != two[1]), "a key is there twice");
    }
    let _ = json_body::read_long::<Map<String, Value>>(body);
    let Ok(sent) = json_body::read(headers, body) else { return };
    if let Ok(view) = view_query::of_body(&sent, &TimeZone::UTC) {
        shows_something(&view);
    }
    let _ = (body::of::<RecordingDraft>(&sent, &View::KEYS), body::of::<LightPatch>(&sent, &[]));
    let _ = (body::of::<LensPatch>(&sent, &[]), body::of::<LineDraft>(&sent, &[]));
    if let Ok(Ok(ids)) = body::of::<MediaIds>(&sent, &[]).map(|MediaIds { ids }| ids.taken()) {
        assert!(!ids.is_empty() && !ids.contains(&0), "{ids:?}");
    }
}

/// A form gives the same parts however its bytes are split, and no bytes that it does not contain.
fn form(headers: &HeaderMap, body: &[u8]) {
    let Some(boundary) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).and_then(boundary)
    else {
        return;
    };
    let all = |run: usize| {
        let mut form = FormData::new(Slowly(Cursor::new(body), run), &boundary);
        let mut found = Vec::new();
        while let Ok(Some(part)) = form.part() {
            let mut bytes = Vec::new();
            let end = form.body().read_to_end(&mut bytes).is_ok();
            found.push((part, bytes, end));
        }
        found
    };
    let found = all(usize::MAX);
    assert!(found.iter().map(|(_, bytes, _)| bytes.len()).sum::<usize>() <= body.len());
    assert_eq!(all(3), found);
}

/// Delivers at most this many bytes at a time.
struct Slowly<'a>(Cursor<&'a [u8]>, usize);

impl std::io::Read for Slowly<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_properties_hold_for_all_findings() {
        tallycam_base::testing::replay("request", super::request);
    }
}
