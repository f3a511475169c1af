//! `/api/v1/recordings` and `/api/v1/recording`: starts, shows and stops a recording.

use std::ops::RangeInclusive;
use std::time::Duration;

use hyper::Response;

use crate::http::api::media::items;
use crate::http::report::media::RecordingReport;
use crate::http::report::wire;
use crate::http::request::body_fields::{FieldError, Fields};
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::handler::{MadeId, Request};
use crate::pipeline::recording::RecordingRequest;

const KEYS: [&str; 8] = ["name", "date", "note", "fps", "every", "duration", "bytes", "picture"];

/// Pictures per second.
const RATES: RangeInclusive<f64> = 0.01..=1000.0;

/// Interval of a time-lapse.
const EVERY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(3600);

/// `POST /api/v1/recordings`: 409 while recording.
pub async fn begin(request: Request) -> Result<Response<Body>, Problem> {
    let recorder = request.site.recorder()?;
    let fields = Fields::read_or_nothing(&request.headers, &request.body, &KEYS)?;
    let options = options(&fields)?;
    items::check_date(&request.site, options.date.as_deref())?;
    let item = recorder.record(options).await?;
    Ok(items::made(&item, "media/"))
}

fn options(fields: &Fields) -> Result<RecordingRequest, FieldError> {
    let positive = |key: &'static str| match fields.time(key)? {
        Some(Duration::ZERO) => Err(fields.wrong(key, "longer than nothing")),
        time => Ok(time),
    };
    let every = fields.time("every")?;
    if every.is_some_and(|every| !EVERY.contains(&every)) {
        return Err(fields.wrong("every", "between a second and an hour"));
    }
    Ok(RecordingRequest {
        name: fields.text("name")?.filter(|name| !name.is_empty()),
        date: fields.text("date")?.filter(|date| !date.is_empty()),
        note: fields.text("note")?.unwrap_or_default(),
        fps: fields.number("fps", RATES)?,
        every,
        duration: positive("duration")?,
        bytes: match fields.bytes("bytes")? {
            Some(0) => return Err(fields.wrong("bytes", "more than nothing")),
            bytes => bytes,
        },
        as_shown: fields.one_of("picture", &[("shown", true), ("original", false)])?.unwrap_or(false),
    })
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

    fn of(body: &str) -> Result<RecordingRequest, FieldError> {
        options(&Fields::read(&hyper::HeaderMap::new(), body.as_bytes(), &KEYS)?)
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
