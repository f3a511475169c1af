//! `/api/v1/events`: server-sent events (WHATWG HTML §9.2), one task per client.
//!
//! ```text
//! counts.db ── after Last-Event-ID ──►┐
//! committed crossings ────────────►┼─► task ─► 4 pieces ─► body ─► hyper ─► socket
//! tallies, lines, overlay, state ─►┤   (newest only)
//! media, recording ───────────────►┘   (newest only, once a second)
//! ```
//!
//! **Crossings** come in the order of counts.db, each exactly once, starting after the ID that the client names. They
//! are sent as they are committed. A client that was slow or away gets them from counts.db, piece by piece, up to the
//! newest ID then. A client without an ID starts now and gets the current ID. Crossings are of all scenes, because
//! counts.db is one, and each names its scene. Lines, sums and overlay are those of the current scene.
//!
//! **Missing parts** give no events. Without counting or without a usable counts.db, the state of the camera, media
//! and recording are still sent. A client gets an error only if it requests nothing but missing parts.
//!
//! **Everything else** is newest only. An overlay is made only when nothing waits to be sent to the client, as with
//! pictures: see [`crate::http::server::viewers`].
//!
//! Bounded: a maximum number of clients with four pieces each; the server's sweep drops a stalled client with its
//! pieces. Listening does not keep the camera open.

mod since;
mod sse;

use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Response};
use sse::{CountedEvent, SseSession, Throttled};
use tokio::sync::mpsc;

use crate::http::request::problem::{Problem, no_counting};
use crate::http::request::query::{Query, wrong_value};
use crate::http::request::reply::no_store;
use crate::http::server::body::Body;
use crate::http::server::link::ConnectionUse;
use crate::http::site::handler::Request;
use crate::http::site::place;

/// The media type.
pub const CONTENT_TYPE_VALUE: &str = "text/event-stream";

/// Maximum number of clients, in addition to viewers.
const LISTENERS: usize = 100;

/// Pieces that may wait for a slow client.
const WAITING: usize = 4;

const ALL: [&str; 7] = ["crossing", "tally", "overlay", "lines", "state", "media", "recording"];

/// The requested events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Types {
    crossing: bool,
    tally: bool,
    overlay: bool,
    lines: bool,
    state: bool,
    media: bool,
    recording: bool,
}

impl Types {
    fn of(query: &Query) -> Result<Types, Problem> {
        let wanted = query.list("types");
        if let Some(unknown) = wanted.iter().find(|word| !ALL.contains(word)) {
            return Err(wrong_value("types", unknown, format!("any of {}, with commas", ALL.join(", "))));
        }
        let wants = |word: &str| wanted.is_empty() || wanted.contains(&word);
        Ok(Types {
            crossing: wants("crossing"),
            tally: wants("tally"),
            overlay: wants("overlay"),
            lines: wants("lines"),
            state: wants("state"),
            media: wants("media"),
            recording: wants("recording"),
        })
    }

    /// True if any event from counts.db is requested.
    fn of_counting(self) -> bool {
        self.crossing || self.tally || self.overlay || self.lines
    }

    /// The requested events that are available.
    fn that_are_there(self, counting: bool, media: bool, recording: bool) -> Types {
        Types {
            crossing: self.crossing && counting,
            tally: self.tally && counting,
            overlay: self.overlay && counting,
            lines: self.lines && counting,
            state: self.state,
            media: self.media && media,
            recording: self.recording && recording,
        }
    }

    fn is_none(self) -> bool {
        !(self.of_counting() || self.state || self.media || self.recording)
    }
}

/// `GET /api/v1/events`.
pub async fn events(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let wanted = Types::of(&request.query)?;
    let after = last_event_id(&request.headers, &request.query)?;
    let counting = wanted
        .of_counting()
        .then(|| Ok((site.counting()?.clone(), site.counts()?.clone(), site.counts_readers()?)));
    let media = wanted.media.then(|| site.media());
    let recording = wanted.recording.then(|| site.recorder());
    let is_there = (is_ok(&counting), is_ok(&media), is_ok(&recording));
    let types = wanted.that_are_there(is_there.0, is_there.1, is_there.2);
    if types.is_none() {
        // Each requested part is missing for its own reason; the first is reported.
        let reasons: [Option<Problem>; 3] =
            [counting.and_then(Result::err), media.and_then(Result::err), recording.and_then(Result::err)];
        return Err(reasons.into_iter().flatten().next().unwrap_or_else(no_counting));
    }
    if request.method == Method::HEAD {
        return Ok(head(Body::full("")));
    }
    place::take_place(site, &request.link, ConnectionUse::Events, LISTENERS)?;
    let counted = match counting {
        Some(Ok((counting, counts, counts_db))) => {
            Some(CountedEvent::new(&counting, counts, counts_db, after).await?)
        }
        _ => None,
    };
    let (pieces, body) = mpsc::channel(WAITING);
    let talk = SseSession {
        counted,
        states: site.pipeline.states(),
        media: media.and_then(Result::ok).map(|media| Throttled::new(media.status())),
        recording: recording.and_then(Result::ok).map(|recorder| Throttled::new(recorder.statuses())),
        types,
        link: request.link.clone(),
        pieces,
        stop: site.stop.clone(),
        site: site.clone(),
        who: request.reader().await,
        said: None,
    };
    request.link.watches();
    tokio::task::spawn_local(talk.run());
    Ok(head(Body::pieces(body)))
}

fn is_ok<T>(of: &Option<Result<T, Problem>>) -> bool {
    matches!(of, Some(Ok(_)))
}

fn head(body: Body) -> Response<Body> {
    let mut response = no_store(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE_VALUE));
    // Otherwise nginx collects events before it passes them on.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

/// The ID after which the client continues. Browsers repeat the last ID in a header; a malformed header is ignored.
/// Scripts that cannot set headers use the query.
fn last_event_id(headers: &HeaderMap, query: &Query) -> Result<Option<u64>, Problem> {
    let header = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    match header.and_then(|text| text.trim().parse().ok()) {
        Some(id) => Ok(Some(id)),
        None => query.whole("last_event_id", 0..=u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;
    use crate::http::site::listeners::CachedEvent;
    use bytes::Bytes;
    use std::sync::Arc;

    #[test]
    fn types_are_all_or_the_named_ones() {
        let of = |text: &str| Types::of(&Query::parse(text));
        let all = of("").unwrap();
        assert!(all.crossing && all.tally && all.overlay && all.lines && all.state);
        let two = of("types=crossing,tally").unwrap();
        assert!(two.crossing && two.tally && !two.overlay && !two.lines && !two.state);
        let wrong = of("types=crossing,pictures").unwrap_err().detail;
        assert_eq!(
            wrong,
            r#"`types` is "pictures", and should be any of crossing, tally, overlay, lines, state, media, recording, with commas"#
        );
    }

    #[test]
    fn missing_parts_are_left_out() {
        let of = |text: &str| Types::of(&Query::parse(text)).unwrap();
        let all = of("").that_are_there(false, true, true);
        assert!(!all.of_counting() && all.state && all.media && all.recording);
        assert_eq!(of("types=media,state").that_are_there(true, false, false), of("types=state"));
        assert!(of("types=crossing,overlay").that_are_there(false, true, true).is_none());
        assert!(of("types=media,recording").that_are_there(true, false, false).is_none());
        assert!(!of("types=state").that_are_there(false, false, false).is_none());
    }

    #[test]
    fn the_header_overrides_the_query_unless_malformed() {
        let of = |header: Option<&'static str>, query: &str| {
            let mut headers = HeaderMap::new();
            if let Some(text) = header {
                headers.insert("last-event-id", HeaderValue::from_static(text));
            }
            last_event_id(&headers, &Query::parse(query))
        };
        assert_eq!(of(None, ""), Ok(None));
        assert_eq!(of(Some("7"), "last_event_id=3"), Ok(Some(7)));
        assert_eq!(of(Some("abc"), "last_event_id=3"), Ok(Some(3)));
        assert_eq!(of(Some(""), ""), Ok(None));
        assert_eq!(of(None, "last_event_id=0"), Ok(Some(0)));
        assert!(of(None, "last_event_id=abc").is_err());
    }

    #[test]
    fn a_shared_event_is_rendered_once() {
        let said = CachedEvent::default();
        let made = Cell::new(0);
        let make = || {
            made.set(made.get() + 1);
            Bytes::from_static(b"x")
        };
        let (one, other) = (Arc::new(1), Arc::new(1));
        said.of(&one, make);
        said.of(&one, make);
        assert_eq!(made.get(), 1);
        said.of(&other, make);
        assert_eq!(made.get(), 2);
    }
}
