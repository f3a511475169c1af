//! `POST /api/v1/media`: uploaded files become items. Bytes go from the network to the store as they come; memory
//! holds one picture and one chunk, however long the file is.
//!
//! A file is the body itself (`curl --data-binary @clip.avi`, `curl -T`), or one or several parts of a form
//! (`multipart/form-data`). A file that is refused does not affect the others. If the body breaks off, nothing is
//! stored, so that sending it again duplicates nothing.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use hyper::header::CONTENT_TYPE;
use hyper::{Response, StatusCode};
use tokio::time::timeout;

use crate::http::api::media::{items, storage};
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::form_data::{FormData, boundary};
use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::http::request::{reply, time_param};
use crate::http::server::body::Body;
use crate::http::server::incoming::BodyError;
use crate::http::site::handler::{Request, Told};
use crate::pipeline::recording::import::{ImportError, ImportRequest, import};
use tallycam_base::ClockTime;
use tallycam_base::clock::monotonic_us;
use tallycam_store::media::{Item, Media};

/// Longest wait of a request for a place.
const WAIT: Duration = Duration::from_secs(5);

/// Maximum number of parts of a form.
const MOST_PARTS: usize = 1000;

/// The longest text of a form's field, in bytes.
const MOST_TEXT: usize = 8 << 10;

/// `POST /api/v1/media`: 201 with the item, or with a list if a form had several files. 207 if some were refused,
/// with the fault of each.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let Taken { items, refused } = take(request, None).await?;
    if let ([item], []) = (&items[..], &refused[..]) {
        return Ok(items::made(item, "media/"));
    }
    let list = List::whole(items);
    let (mut response, status) = if refused.is_empty() {
        (reply::json(wire::json(&list)), StatusCode::CREATED)
    } else {
        let mut told = all_of(&refused);
        let (kept, all) = (list.items.len(), list.items.len() + refused.len());
        told.detail = format!("{kept} of {all} files are kept; {}", told.detail);
        let refused = refused.iter().map(RefusedReport::from).collect();
        let mut response = reply::json(wire::json(&TakenReport { list, refused }));
        response.extensions_mut().insert(Told(Arc::new(told)));
        (response, StatusCode::MULTI_STATUS)
    };
    *response.status_mut() = status;
    Ok(response)
}

/// `PUT /api/v1/media/NAME`: the same. `curl -T FILE` appends the name if the address ends with a slash.
pub async fn add_named(request: Request) -> Result<Response<Body>, Problem> {
    let name = request.name.clone();
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "an item cannot be replaced");
        let allow = Some(String::from("GET, PATCH, DELETE, HEAD, OPTIONS"));
        return Err(Problem { allow, ..problem }
            .hint(format!("`PUT /api/v1/media?name={name}` accepts a file with this name")));
    }
    let item = take(request, Some(name)).await?.items;
    item.first().map(|item| items::made(item, "")).ok_or_else(|| ImportError::Empty.into())
}

/// The results of a body's files.
#[derive(Default)]
struct Taken {
    items: Vec<Item>,
    refused: Vec<Refused>,
}

/// A refused file of a form.
struct Refused {
    name: String,
    error: ImportError,
}

/// The problem of several refused files: the fault of each by name, and the status of the first.
fn all_of(refused: &[Refused]) -> Problem {
    let status = refused.first().map_or(StatusCode::UNPROCESSABLE_ENTITY, |first| status_of(&first.error));
    let each: Vec<String> = refused.iter().map(|one| format!("{}: {}", one.name, one.error)).collect();
    let hint = refused.iter().find_map(|one| one.error.hint()).map(String::from);
    Problem { hint, ..Problem::new(status, each.join("; ")) }
}

#[derive(serde::Serialize, schemars::JsonSchema)]
pub struct TakenReport {
    #[serde(flatten)]
    list: List<Item>,
    refused: Vec<RefusedReport>,
}

#[derive(serde::Serialize, schemars::JsonSchema)]
pub struct RefusedReport {
    name: String,
    status: u16,
    detail: String,
    hint: Option<String>,
}

impl From<&Refused> for RefusedReport {
    fn from(refused: &Refused) -> RefusedReport {
        RefusedReport {
            name: refused.name.clone(),
            status: status_of(&refused.error).as_u16(),
            detail: refused.error.to_string(),
            hint: refused.error.hint().map(String::from),
        }
    }
}

/// Stores the files of a request's body. A file that is the body itself gets its name from the query or the path.
/// Fails if no file could be stored.
async fn take(mut request: Request, in_path: Option<String>) -> Result<Taken, Problem> {
    let site = request.site.clone();
    let media = site.media()?.clone();
    let query = &request.query;
    let text = |key: &'static str| query.given(key).map(|text| text.map(str::to_owned));
    let fps = query
        .given("fps")?
        .map(|text| read_fps(text).ok_or_else(|| wrong_value("fps", text, "a number from 0.01 to 1000")));
    let taken = text("taken")?.map(|text| time_param::instant("taken", &text, &site.clock())).transpose()?;
    let modified =
        text("modified")?.map(|text| time_param::instant("modified", &text, &site.clock())).transpose()?;
    let name = text("name")?.or(in_path);
    let options = ImportRequest {
        source: name.as_ref().map_or_else(|| String::from("file"), |name| format!("file {name}")),
        name,
        may_rename: true,
        date: text("date")?,
        note: text("note")?.unwrap_or_default(),
        stamp: taken.map(|wall_us| ClockTime { monotonic_us: monotonic_us(), wall_us, wall_trusted: true }),
        modified_us: modified,
        fps: fps.transpose()?,
        zone: site.settings().zone.clone(),
    };
    let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let boundary = boundary(kind);
    if boundary.is_none() && kind.trim_start().to_ascii_lowercase().starts_with("multipart/form-data") {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the form names no boundary"));
    }
    let mut upload = request.take_upload()?;
    // Retention can free space in the store, but not more than the disk has.
    let room = storage::room(&site).await?;
    let room = room.free_bytes.saturating_add(room.unused_bytes);
    upload.limit(room).map_err(|_| no_room(room))?;
    let places = Arc::clone(&site.uploading);
    let place = timeout(WAIT, places.acquire_owned()).await.ok().and_then(Result::ok).ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "other files are being taken at present").retry_after(5)
    })?;
    let store = media.clone();
    let ((taken, read), sent) = upload
        .read_by(move |received| {
            // Held until reading is over, even if nobody waits for it any more.
            let _place = place;
            let mut taken = Taken::default();
            let read = match boundary {
                None => one(&store, received, options, &mut taken),
                Some(boundary) => form(&store, received, &boundary, options, &mut taken),
            };
            (taken, read)
        })
        .await
        .map_err(|reason| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, reason))?;
    let problem = match (sent, read) {
        (Ok(()), Ok(())) if taken.items.is_empty() && !taken.refused.is_empty() => all_of(&taken.refused),
        (Ok(()), Ok(())) => return Ok(taken),
        (Err(BodyError::TooLong { .. }), _) => no_room(room),
        (Err(error), _) => error.into(),
        (Ok(()), Err(error)) => error.into(),
    };
    if !taken.items.is_empty() {
        // The client will send everything again, which must duplicate nothing.
        media.remove(taken.items.iter().map(|item| item.id).collect()).await?;
    }
    Err(problem)
}

/// Stores a body that is the file itself.
fn one(
    media: &Media,
    mut body: impl Read,
    options: ImportRequest,
    taken: &mut Taken,
) -> Result<(), ImportError> {
    taken.items.push(import(media, &mut body, options)?.item);
    // Bytes after a picture mean nothing, but their sender expects them to be read.
    io::copy(&mut body, &mut io::sink())?;
    Ok(())
}

/// Stores the files of a form. Fields apply to the files after them.
fn form(
    media: &Media,
    mut body: impl Read,
    boundary: &str,
    options: ImportRequest,
    taken: &mut Taken,
) -> Result<(), ImportError> {
    let mut form = FormData::new(&mut body, boundary);
    let mut options = options;
    for _ in 0..MOST_PARTS {
        let Some(part) = form.part()? else {
            io::copy(&mut body, &mut io::sink())?;
            let is_empty = taken.items.is_empty() && taken.refused.is_empty();
            return if is_empty { Err(ImportError::other_kind("a form without a file")) } else { Ok(()) };
        };
        if let Some(file) = part.file {
            // Browsers send an empty part for a file field without a file.
            if file.is_empty() {
                continue;
            }
            let name = options.name.clone().unwrap_or_else(|| file.clone());
            let options =
                ImportRequest { name: Some(name), source: format!("file {file}"), ..options.clone() };
            match import(media, form.body(), options) {
                Ok(imported) => taken.items.push(imported.item),
                Err(error) if error.is_file_fault() => taken.refused.push(Refused { name: file, error }),
                Err(error) => return Err(error),
            }
            continue;
        }
        let text = form.text(MOST_TEXT)?;
        let text = Some(text).filter(|text| !text.trim().is_empty());
        match part.name.as_str() {
            "name" => options.name = text.or(options.name),
            "date" => options.date = text.or(options.date),
            "note" => options.note = text.unwrap_or(options.note),
            "fps" => options.fps = text.and_then(|text| read_fps(&text)).or(options.fps),
            _ => {}
        }
    }
    Err(ImportError::other_kind("a form of too many parts"))
}

fn read_fps(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|fps| (0.01..=1000.0).contains(fps))
}

fn no_room(room: u64) -> Problem {
    let detail = format!("there is no room for it: at most {} MB are free", room / 1_000_000);
    Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail).hint("delete something, or tighten retention")
}

fn status_of(error: &ImportError) -> StatusCode {
    match error {
        ImportError::Read(_) => StatusCode::BAD_REQUEST,
        ImportError::Kind(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ImportError::Empty | ImportError::Jpeg(_) => StatusCode::UNPROCESSABLE_ENTITY,
        ImportError::Spool(_) => StatusCode::INSUFFICIENT_STORAGE,
        ImportError::TooBig => StatusCode::PAYLOAD_TOO_LARGE,
        ImportError::Media(error) => Problem::from(error.clone()).status,
    }
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Problem {
        if let ImportError::Media(error) = error {
            return Problem::from(error);
        }
        let status = status_of(&error);
        let hint = error.hint().map(String::from);
        Problem { hint, ..Problem::new(status, error.to_string()) }
    }
}
