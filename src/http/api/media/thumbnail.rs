//! Single pictures of stored items: small ones for lists, and any frame of a recording.
//!
//! Pictures are read and scaled on threads that may block, a few at a time: a page of a hundred thumbnails waits for
//! its turn, and streams go on.

use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderName};
use hyper::{Response, StatusCode};
use jiff::tz::TimeZone;

use crate::http::api::camera::view_query;
use crate::http::api::media::download::put;
use crate::http::request::problem::{Problem, no_room};
use crate::http::request::query::Query;
use crate::http::request::range;
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::pipeline::recording::PictureChange;
use crate::pipeline::{TransformError, change_picture};
use tallycam_base::ClockTime;
use tallycam_camera::media::zip;
use tallycam_store::media::{ChunkRow, Item, MediaError, MediaKind, MediaReader};

/// Maximum width of a thumbnail in pixels.
const WIDTH: u32 = 320;
/// JPEG quality of thumbnails.
const QUALITY: u8 = 75;
/// JPEG quality of other scaled pictures.
const FINE: u8 = 88;

/// A picture of an item.
pub struct ThumbnailSource {
    pub jpeg: Bytes,
    /// Its number in the recording, from 0.
    pub number: u64,
    /// Microseconds since the recording's first picture.
    pub at_us: u64,
    /// Microseconds since the recording's start: pictures before the first one may have been lost.
    pub since_us: u64,
}

/// The choice of a picture of a recording.
#[derive(Debug, Clone, Copy)]
pub enum ThumbnailRequest {
    /// The one shown at this time, in microseconds since the first picture.
    Time(u64),
    /// The one with this number, from 0.
    Number(u64),
}

/// The requested picture of `item`; `None` if it does not exist.
pub fn find(
    reader: &MediaReader,
    item: &Item,
    wanted: ThumbnailRequest,
) -> Result<Option<ThumbnailSource>, MediaError> {
    if item.kind == MediaKind::Snapshot {
        let is_there = matches!(wanted, ThumbnailRequest::Time(_) | ThumbnailRequest::Number(0));
        let jpeg = reader.snapshot(item.id)?;
        return Ok(is_there.then_some(ThumbnailSource { jpeg, number: 0, at_us: 0, since_us: 0 }));
    }
    let Some(first) = reader.chunk_at(item.id, 0)? else { return Ok(None) };
    let in_chunk = |row: &ChunkRow,
                    choose: &dyn Fn(&[u64]) -> usize|
     -> Result<Option<ThumbnailSource>, MediaError> {
        let frames = reader.frames(item.id, row.number)?;
        let times: Vec<u64> = frames.iter().map(|frame| frame.at_us).collect();
        let n = choose(&times);
        let Some(frame) = frames.get(n) else { return Ok(None) };
        let jpeg = reader.bytes(item.id, row.number, frame.offset, frame.len)?;
        let at_us = frame.at_us.saturating_sub(first.from_us);
        Ok(Some(ThumbnailSource { jpeg, number: row.first_frame + n as u64, at_us, since_us: frame.at_us }))
    };
    match wanted {
        ThumbnailRequest::Time(at_us) => {
            let at_us = first.from_us.saturating_add(at_us);
            let Some(row) = reader.chunk_at(item.id, at_us)? else { return Ok(None) };
            in_chunk(&row, &|times| times.partition_point(|time| *time <= at_us).saturating_sub(1))
        }
        ThumbnailRequest::Number(number) => {
            let rows = reader.chunks(item.id)?;
            let next = rows.partition_point(|row| row.first_frame <= number);
            let Some(row) = next.checked_sub(1).and_then(|n| rows.get(n)) else { return Ok(None) };
            in_chunk(row, &|_| (number - row.first_frame) as usize)
        }
    }
}

/// `GET /api/v1/media/{id}/thumbnail.jpg`: the first picture, at most 320 pixels wide.
pub async fn thumbnail(request: Request) -> Result<Response<Body>, Problem> {
    let change = PictureChange { width: Some(WIDTH), ..PictureChange::default() };
    let (item, found) = picture(&request, ThumbnailRequest::Number(0), change, QUALITY).await?;
    let tag = format!("\"{:x}-{:x}-{:x}-t\"", item.id, item.at_us, found.jpeg.len());
    let mut response = jpeg(&item, &found);
    put(&mut response, ETAG, &tag);
    // A first picture never changes, and an ID is never reused.
    put(&mut response, CACHE_CONTROL, "private, max-age=3600");
    if range::is_known(&request.headers, &tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::full("");
    }
    Ok(response)
}

/// `GET /api/v1/media/{id}/frame.jpg`: one picture, by time or by number.
pub async fn frame(request: Request) -> Result<Response<Body>, Problem> {
    let query = &request.query;
    let wanted = match (query.whole("n", 0..=u64::MAX)?, query.seconds("t")?) {
        (Some(number), _) => ThumbnailRequest::Number(number),
        (None, at_us) => ThumbnailRequest::Time(at_us.unwrap_or(0)),
    };
    let change = wanted_change(query, &request.site.settings().zone)?;
    let (item, found) = picture(&request, wanted, change, FINE).await?;
    let mut response = jpeg(&item, &found);
    // While an item is still recorded, a later picture may belong to the requested second.
    let kept = if item.is_open { "no-store" } else { "private, max-age=3600" };
    put(&mut response, CACHE_CONTROL, kept);
    let is_download = query.is_set("download")?;
    let end = if item.kind == MediaKind::Recording {
        format!("-{}.jpg", found.number)
    } else {
        String::from(".jpg")
    };
    let name = zip::joined(&zip::stem(&item.name), &end);
    put(&mut response, CONTENT_DISPOSITION, &range::disposition(is_download, &name));
    Ok(response)
}

/// `?w=` and the view, with times in `zone`.
///
/// # Errors
/// A value is malformed.
pub fn wanted_change(query: &Query, zone: &TimeZone) -> Result<PictureChange, Problem> {
    Ok(PictureChange {
        width: query.whole("w", 16..=8192)?.map(|width| width as u32),
        view: view_query::of_query(query, zone)?,
    })
}

/// Reads a picture and changes it when its turn comes.
async fn picture(
    request: &Request,
    wanted: ThumbnailRequest,
    wanted_change: PictureChange,
    quality: u8,
) -> Result<(Item, ThumbnailSource), Problem> {
    let readers = request.site.media_readers()?;
    let id = request.id;
    let place = request.site.thumbnails.clone().acquire_owned().await;
    let read = readers.read(move |reader| {
        let item = reader.item(id)?;
        Ok(find(reader, &item, wanted)?.map(|found| (item, found)))
    });
    let none = || Problem::new(StatusCode::NOT_FOUND, format!("item {id} has no such picture"));
    let (item, mut found) = read.await?.ok_or_else(none)?;
    if wanted_change == PictureChange::default() {
        return Ok((item, found));
    }
    // The written timestamp is the picture's own.
    let wall_us = item.at_us.saturating_add(found.since_us);
    let taken = ClockTime { monotonic_us: 0, wall_us, wall_trusted: item.is_sure };
    let made = tokio::task::spawn_blocking(move || {
        // Held until the picture is made, even if nobody waits for it any more.
        let _place = place;
        match change_picture(&found.jpeg, &wanted_change, &taken, quality) {
            Ok(made) => found.jpeg = made.jpeg,
            // A picture that cannot be scaled is better than none.
            Err(TransformError::Kind(_)) => {}
            Err(error) => return Err(error),
        }
        Ok(found)
    });
    let failed = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let made = made.await.map_err(|error| failed(error.to_string()))?;
    let broken = |error: TransformError| {
        let detail = format!("the picture cannot be changed: {error}");
        match error.out_of_memory() {
            Some(none) => no_room(none, detail),
            None => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail),
        }
    };
    Ok((item, made.map_err(broken)?))
}

fn jpeg(item: &Item, found: &ThumbnailSource) -> Response<Body> {
    let mut response = Response::new(Body::full(found.jpeg.clone()));
    put(&mut response, CONTENT_TYPE, "image/jpeg");
    let wall_us = item.at_us.saturating_add(found.since_us);
    let decimal = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    for (name, value) in [
        ("x-timestamp", decimal(wall_us)),
        ("x-frame", found.number.to_string()),
        ("x-time", decimal(found.at_us)),
    ] {
        put(&mut response, HeaderName::from_static(name), &value);
    }
    response
}
