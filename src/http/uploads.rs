//! `POST /api/v1/media`: files that are sent become items. The bytes go from the network to the store as they
//! come; what is in memory is a picture and a chunk, however long the file.
//!
//! A file is the body itself (a script's, `curl --data-binary @clip.avi`, `curl -T`), or part of a form
//! (`multipart/form-data`, also several). Of a body that breaks off nothing is kept.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use super::body::Body;
use super::form_data::{FormData, boundary};
use super::problem::{BodyError, Problem};
use super::query::WrongValue;
use super::route::{self, Request, TEXT};
use super::wire::{self, List};
use super::wire_media::ItemReport;
use super::{media, storage, v1};
use crate::pipeline::keeping::import::{ImportError, ImportWish, import};
use crate::store::media::{Item, Media};

/// Files that are taken in at the same time.
pub const PLACES: usize = 2;

/// A request waits so long for a place.
const WAIT: Duration = Duration::from_secs(5);

/// Parts of a form, at most.
const MOST_PARTS: usize = 1000;

/// The longest text of a form's field.
const MOST_TEXT: usize = 8 << 10;

/// `POST /api/v1/media`: 201 with the item; with the list of them where a form had several files.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let items = take(request).await?;
    if let [item] = &items[..] {
        return Ok(media::made(item, "media/"));
    }
    let list = List::whole(items.iter().map(ItemReport::from));
    let mut response = v1::json(wire::json(&list));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `POST /media/upload`, from the page's form without a script: back to the page.
pub async fn from_form(request: Request) -> Result<Response<Body>, Problem> {
    take(request).await?;
    let mut response = route::fixed(TEXT, "");
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    headers.insert(LOCATION, HeaderValue::from_static("../media"));
    Ok(response)
}

/// Takes the files of a request's body into the store: all, or none.
async fn take(mut request: Request) -> Result<Vec<Item>, Problem> {
    let site = request.site.clone();
    let media = site.media()?.clone();
    let query = &request.query;
    let text = |key: &str| query.get(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let fps = query
        .get("fps")
        .filter(|text| !text.is_empty())
        .map(|text| read_fps(text).ok_or_else(|| WrongValue::new("fps", text, "a number from 0.01 to 1000")));
    let name = text("name");
    let wish = ImportWish {
        source: name.as_ref().map_or_else(|| String::from("file"), |name| format!("file {name}")),
        name,
        may_rename: true,
        date: text("date"),
        note: text("note").unwrap_or_default(),
        stamp: None,
        fps: fps.transpose()?,
        zone: site.settings().zone.clone(),
    };
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = boundary(kind);
    if boundary.is_none() && kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the form names no boundary"));
    }
    let Some(mut upload) = request.upload.take() else {
        return Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the body cannot be taken as it comes"));
    };
    // Retention makes room; beyond what the disk has there is none to make.
    let room = storage::room(&site).await?;
    let room = room.free_bytes.saturating_add(room.unused_bytes);
    upload.limit(room).map_err(|_| no_room(room))?;
    let places = Arc::clone(&site.uploading);
    let place = timeout(WAIT, places.acquire_owned()).await.ok().and_then(Result::ok).ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other files are being taken at present").retry_after(5)
    })?;
    let store = media.clone();
    let (read, taken) = upload
        .read_by(move |received| {
            // Kept until the reading is over, even if nobody waits for it any more.
            let _place = place;
            let mut items = Vec::new();
            let read = match boundary {
                None => one(&store, received, wish, &mut items),
                Some(boundary) => form(&store, received, &boundary, wish, &mut items),
            };
            (items, read)
        })
        .await
        .map_err(|reason| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, reason))?;
    let (items, read) = read;
    let problem = match (taken, read) {
        (Ok(()), Ok(())) => return Ok(items),
        (Err(BodyError::TooLong { .. }), _) => no_room(room),
        (Err(error), _) => error.into(),
        (Ok(()), Err(error)) => error.into(),
    };
    if !items.is_empty() {
        // All or none: a form that is sent again doubles nothing.
        media.remove(items.iter().map(|item| item.id).collect()).await?;
    }
    Err(problem)
}

/// Takes a body that is the file itself.
fn one(
    media: &Media,
    mut body: impl Read,
    wish: ImportWish,
    items: &mut Vec<Item>,
) -> Result<(), ImportError> {
    items.push(import(media, &mut body, wish)?.item);
    // What follows a picture in its file says nothing, but whoever sends it wants to be heard to the end.
    io::copy(&mut body, &mut io::sink())?;
    Ok(())
}

/// Takes the files of a form. Fields hold for the files after them.
fn form(
    media: &Media,
    mut body: impl Read,
    boundary: &str,
    wish: ImportWish,
    items: &mut Vec<Item>,
) -> Result<(), ImportError> {
    let mut form = FormData::new(&mut body, boundary);
    let mut wish = wish;
    for _ in 0..MOST_PARTS {
        let Some(part) = form.part()? else {
            io::copy(&mut body, &mut io::sink())?;
            return if items.is_empty() { Err(ImportError::Kind("a form without a file")) } else { Ok(()) };
        };
        if let Some(file) = part.file {
            // A field for files that nobody chose one for is sent all the same.
            if file.is_empty() {
                continue;
            }
            let name = wish.name.clone().unwrap_or_else(|| file.clone());
            let wish = ImportWish { name: Some(name), source: format!("file {file}"), ..wish.clone() };
            items.push(import(media, form.body(), wish)?.item);
            continue;
        }
        let text = form.text(MOST_TEXT)?;
        let text = Some(text).filter(|text| !text.trim().is_empty());
        match part.name.as_str() {
            "name" => wish.name = text.or(wish.name),
            "date" => wish.date = text.or(wish.date),
            "note" => wish.note = text.unwrap_or(wish.note),
            "fps" => wish.fps = text.and_then(|text| read_fps(&text)).or(wish.fps),
            _ => {}
        }
    }
    Err(ImportError::Kind("a form of too many parts"))
}

fn read_fps(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|fps| (0.01..=1000.0).contains(fps))
}

fn no_room(room: u64) -> Problem {
    let detail = format!("there is no room for it: at most {} MB are free", room / 1_000_000);
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail)
        .hint("delete something, or let retention keep less")
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        let status = match &error {
            ImportError::Read(_) => StatusCode::BAD_REQUEST,
            ImportError::Kind(_) | ImportError::Avi(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ImportError::Empty | ImportError::Jpeg(_) => StatusCode::UNPROCESSABLE_ENTITY,
            ImportError::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
            ImportError::Media(error) => return Problem::from(error.clone()),
        };
        let hint = error.hint().map(String::from);
        Problem { hint, ..Problem::new(status, error.to_string()) }
    }
}
