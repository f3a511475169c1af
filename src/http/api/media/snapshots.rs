//! `/api/v1/snapshots`, and snapshots with a view in the query: takes a picture, and stores or returns it.

use std::time::Duration;

use hyper::Response;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::http::api::camera::view_query;
use crate::http::api::media::items;
use crate::http::api::media::items::{ItemDate, ItemName, ItemNote};
use crate::http::api::media::thumbnail::wanted_change;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::json_body;
use crate::http::request::kinds::WholeIn;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::pipeline::recording::{PictureChange, RecordError, SnapshotRequest, Which};
use tallycam_camera::media::{Picture, View};

/// A wanted snapshot. The keys of its view are beside these.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct SnapshotDraft {
    name: Option<ItemName>,
    date: Option<ItemDate>,
    note: Option<ItemNote>,
    picture: Option<Which>,
    w: Option<WholeIn<16, 8192>>,
}

/// Allowed widths in pixels.
const WIDTHS: std::ops::RangeInclusive<u64> = 16..=8192;

/// Longest wait for an idle camera's first picture, also if the camera must be reopened for it.
const WAIT: Duration = Duration::from_secs(10);

/// `POST /api/v1/snapshots`; the keys are in the body, or in the query as for a live snapshot.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let recorder = request.site.recorder()?;
    let sent = json_body::read_or_nothing(&request.headers, &request.body).map_err(FieldError::from)?;
    let options = options(sent.unwrap_or_else(body::nothing), &request.query, &request.site.settings().zone)?;
    items::check_date(&request.site, options.date.as_deref())?;
    let item = recorder.snapshot(options).await?;
    Ok(items::made(&item, "media/"))
}

fn options(mut sent: Value, query: &Query, zone: &TimeZone) -> Result<SnapshotRequest, FieldError> {
    body::add_query::<SnapshotDraft>(&mut sent, query, &View::KEYS)?;
    let draft: SnapshotDraft = body::of(&sent, &View::KEYS)?;
    Ok(SnapshotRequest {
        name: draft.name.map(|name| name.0).filter(|name| !name.is_empty()),
        date: draft.date.map(|date| date.0).filter(|date| !date.is_empty()),
        note: draft.note.map(|note| note.0).unwrap_or_default(),
        which: draft.picture.unwrap_or_default(),
        change: PictureChange {
            width: draft.w.and_then(|width| u32::try_from(width.0).ok()),
            view: view_query::of_body(&sent, zone)?,
        },
    })
}

/// The picture in the view of the query, or why there is none; `None` if the query asks for no view. An old address
/// (`is_old`) ignores malformed values.
///
/// # Errors
/// The query is malformed, or views are not available.
pub async fn picture(
    request: &Request,
    is_old: bool,
) -> Result<Option<Result<Picture, RecordError>>, Problem> {
    let settings = request.site.settings();
    let zone = &settings.zone;
    let (which, change) =
        if is_old { asked_of_old(&request.query, zone) } else { asked(&request.query, zone)? };
    if which == Which::Shown && change == PictureChange::default() {
        return Ok(None);
    }
    Ok(Some(request.site.recorder()?.picture(which, change, WAIT).await))
}

fn asked(query: &Query, zone: &TimeZone) -> Result<(Which, PictureChange), Problem> {
    Ok((query.one_of("picture", &Which::WORDS)?.unwrap_or_default(), wanted_change(query, zone)?))
}

/// The picture and view that an old address asks for; malformed values are ignored.
pub fn asked_of_old(query: &Query, zone: &TimeZone) -> (Which, PictureChange) {
    let which = query.one_of("picture", &Which::WORDS).ok().flatten().unwrap_or_default();
    let width = query.whole("w", WIDTHS).ok().flatten().and_then(|width| u32::try_from(width).ok());
    (which, PictureChange { width, view: view_query::of_old_query(query, zone) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_query_chooses_the_picture() {
        let of = |text: &str| asked(&Query::parse(text), &TimeZone::UTC);
        let usual = (Which::Shown, PictureChange::default());
        assert_eq!(of(""), Ok(usual.clone()));
        assert_eq!(of("123&_=4&gray=0&rotate=0&picture=shown"), Ok(usual.clone()));
        let view = View { rotate: 90, gray: true, ..View::default() };
        let change = PictureChange { width: Some(320), view };
        assert_eq!(of("w=320&rotate=90&gray=1&picture=original"), Ok((Which::Original, change)));
        for wrong in ["w=15", "w=8193", "w=a", "rotate=45", "rotate=360", "gray=yes", "picture=best"] {
            assert!(of(wrong).is_err(), "{wrong}");
            assert_eq!(asked_of_old(&Query::parse(wrong), &TimeZone::UTC), usual, "{wrong}");
        }
        let old = Query::parse("w=huge&rotate=180&gray=maybe&picture=original");
        let asked = asked_of_old(&old, &TimeZone::UTC);
        let view = View { rotate: 180, ..View::default() };
        assert_eq!(asked, (Which::Original, PictureChange { width: None, view }));
    }
}
