//! `/api/v1/recordings` and `/api/v1/recording`: starts, shows and stops a recording.

use std::time::Duration;

use hyper::Response;
use serde_json::{Value, json};

use crate::http::api::media::items;
use crate::http::api::media::items::{ItemDate, ItemName, ItemNote};
use crate::http::report::media::RecordingReport;
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::kinds::{Amount, NumberIn, SentKind, Span, kinds};
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::handler::{MadeId, Request};
use crate::pipeline::recording::RecordingRequest;
use tallycam_base::json;

/// A wanted recording.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct RecordingDraft {
    name: Option<ItemName>,
    date: Option<ItemDate>,
    note: Option<ItemNote>,
    fps: Option<NumberIn<1, 100_000>>,
    every: Option<Every>,
    duration: Option<Span<true>>,
    bytes: Option<Amount<1>>,
    picture: Option<RecordedAs>,
}

json::words! { RecordedAs { Shown "shown", Original "original" } }

/// The pictures that are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordedAs {
    Shown,
    Original,
}

kinds!([] Every);

/// Interval of a time-lapse.
#[derive(Debug)]
struct Every(Duration);

impl SentKind for Every {
    fn of(given: &Value) -> Result<Every, String> {
        let Span::<false>(time) = Span::of(given)?;
        let is_fit = (Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&time);
        is_fit.then_some(Every(time)).ok_or_else(|| String::from("between a second and an hour"))
    }

    fn schema() -> Value {
        let words = "^([1-9][0-9]{0,2}s?|([1-9]|[1-5][0-9]|60)m|1h)$";
        json!({"type": ["number", "string"], "minimum": 1, "maximum": 3600, "pattern": words})
    }
}

/// `POST /api/v1/recordings`: 409 while recording.
pub async fn begin(request: Request) -> Result<Response<Body>, Problem> {
    let recorder = request.site.recorder()?;
    let options = options(body::read_or_nothing(&request.headers, &request.body)?);
    items::check_date(&request.site, options.date.as_deref())?;
    let item = recorder.record(options).await?;
    Ok(items::made(&item, "media/"))
}

fn options(draft: RecordingDraft) -> RecordingRequest {
    RecordingRequest {
        name: draft.name.map(|name| name.0).filter(|name| !name.is_empty()),
        date: draft.date.map(|date| date.0).filter(|date| !date.is_empty()),
        note: draft.note.map(|note| note.0).unwrap_or_default(),
        fps: draft.fps.map(|fps| fps.0),
        every: draft.every.map(|every| every.0),
        duration: draft.duration.map(|duration| duration.0),
        bytes: draft.bytes.map(|bytes| bytes.0),
        as_shown: draft.picture == Some(RecordedAs::Shown),
    }
}

/// `GET /api/v1/recording`.
pub async fn status(request: Request) -> Result<Response<Body>, Problem> {
    let status = request.site.recorder()?.status();
    Ok(reply::json(wire::json(&wire::redacted_for(&request.who, RecordingReport::from(&status)))))
}

/// `POST /api/v1/recording/stop`: answered when the last chunk is on the disk; 204 if there was no recording.
pub async fn stop(request: Request) -> Result<Response<Body>, Problem> {
    let ended = request.site.recorder()?.end_recording().await?;
    let mut response = ended.as_ref().map_or_else(reply::no_content, items::one);
    let id = ended.map_or_else(|| String::from("none"), |item| item.id.to_string());
    response.extensions_mut().insert(MadeId(id));
    Ok(response)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(body: &str) -> Result<RecordingRequest, body::FieldError> {
        body::read(&hyper::HeaderMap::new(), body.as_bytes()).map(options)
    }

    #[test]
    fn a_request_is_read_or_refused() {
        let options = of(r#"{"name":"a","note":"b","every":"90s","duration":7200,"bytes":"1GB"}"#).unwrap();
        assert_eq!((options.name.as_deref(), options.note.as_str()), (Some("a"), "b"));
        assert_eq!(options.every, Some(Duration::from_secs(90)));
        assert_eq!(options.duration, Some(Duration::from_secs(7200)));
        assert_eq!((options.bytes, options.fps), (Some(1_000_000_000), None));
        assert!(!options.as_shown && of(r#"{"picture":"shown"}"#).unwrap().as_shown);
        assert_eq!(of(r#"{"name":"","fps":null}"#).unwrap(), RecordingRequest::default());
        for wrong in [
            r#"{"fps":0}"#,
            r#"{"every":"500ms"}"#,
            r#"{"every":3601}"#,
            r#"{"duration":0}"#,
            r#"{"bytes":0}"#,
            r#"{"length":1}"#,
            r#"{"name":5}"#,
            r#"{"picture":"largest"}"#,
        ] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
