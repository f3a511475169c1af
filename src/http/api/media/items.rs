//! `/api/v1/media`: stored items: list, read, change and delete.
//!
//! A change may name the version that it was made on (`If-Match`); otherwise it applies to the current one.

use hyper::Response;
use hyper::header::{ETAG, HeaderValue, LOCATION};
use serde_json::json;

use crate::http::report::schema_parts::name;
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::body;
use crate::http::request::etag::IfMatch;
use crate::http::request::keys::MayBe;
use crate::http::request::kinds::{Given, ItemIds, texts};
use crate::http::request::problem::Problem;
use crate::http::request::query::{FLAGS, wrong_value};
use crate::http::request::{etag, json_body, reply, time_param};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::{MadeId, Request};
use crate::http::site::readers::MediaReadError;
use tallycam_store::media::{Item, MediaEdit, MediaError, MediaKind, MediaQuery, check_day, wrong_field};

/// Default number of items on a page.
const USUAL_LIMIT: u64 = 100;

/// Maximum number of items on a page.
const MOST: u64 = 1000;

/// Maximum number of items that one request deletes or protects.
pub const MOST_AT_ONCE: usize = 10_000;

texts! {
    /// The name of an item.
    ItemName: name(200, "/");
    /// The day of an item.
    ItemDate: MayBe::Day.schema();
    /// The note of an item.
    ItemNote: json!({
        "type": "string", "maxLength": 2000, "pattern": r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
    });
}

/// Changes of an item.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct MediaPatch {
    name: Given<ItemName>,
    date: Given<ItemDate>,
    note: Given<ItemNote>,
    /// It is protected from retention.
    kept: Given<bool>,
}

/// The items to delete.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct MediaIds {
    pub ids: ItemIds<MOST_AT_ONCE>,
}

/// The items to protect from retention, or not.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct MediaKeep {
    ids: ItemIds<MOST_AT_ONCE>,
    kept: Option<bool>,
}

/// `GET /api/v1/media`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let readers = request.site.media_readers()?;
    let asked = query(&request)?;
    let page = match readers.read(move |reader| reader.list(&asked)).await {
        // The cursor is the only part of a query that only the store understands.
        Err(MediaReadError::Store(MediaError::Wrong(_))) => {
            let cursor = request.query.get("cursor").unwrap_or_default();
            return Err(wrong_value("cursor", cursor, "`next` of a page before"));
        }
        page => page?,
    };
    let items = page.items.into_iter().map(|item| wire::redacted_for(&request.who, item)).collect();
    Ok(reply::json(wire::json(&List { items, next: page.next })))
}

/// The store query of a request.
///
/// # Errors
/// A value is malformed.
pub fn query(request: &Request) -> Result<MediaQuery, Problem> {
    let query = &request.query;
    let clock = request.site.clock();
    let instant =
        |key: &'static str| query.given(key)?.map(|text| time_param::instant(key, text, &clock)).transpose();
    Ok(MediaQuery {
        kind: query.one_of("kind", &MediaKind::WORDS)?,
        text: query.given("q")?.map(str::to_owned),
        from_us: instant("from")?,
        to_us: instant("to")?,
        is_kept: query.one_of("kept", &FLAGS)?,
        cursor: query.given("cursor")?.map(str::to_owned),
        is_upward: false,
        // At most a thousand.
        limit: query.whole("limit", 1..=MOST)?.unwrap_or(USUAL_LIMIT) as usize,
    })
}

/// `GET /api/v1/media/{id}`.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let item = known(&request.site, request.id).await?;
    Ok(one(&wire::redacted_for(&request.who, item)))
}

/// `PATCH /api/v1/media/{id}`: changes the given keys only.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let patch: MediaPatch = body::read(&request.headers, &request.body)?;
    let item = known(&request.site, request.id).await?;
    // A page's form sends all keys: those that differ from the item count, and an emptied field is empty.
    let form = json_body::form_of(&request.headers, &request.body)
        .filter(|form| ["name", "date", "note", "kept"].iter().all(|key| form.get(key).is_some()));
    let typed = |key: &str, is: &str| {
        let typed = form.as_ref()?.get(key)?.replace("\r\n", "\n").trim().to_owned();
        (typed != is).then_some(typed)
    };
    let edit = match &form {
        Some(_) => MediaEdit {
            name: typed("name", &item.name),
            date: typed("date", &item.date),
            note: typed("note", &item.note),
            is_kept: patch.kept.0.filter(|is_kept| *is_kept != item.is_kept),
        },
        None => MediaEdit {
            name: patch.name.0.map(|name| name.0),
            date: patch.date.0.map(|date| date.0),
            note: patch.note.0.map(|note| note.0),
            is_kept: patch.kept.0,
        },
    };
    let version = version(&request, &item)?;
    if edit == MediaEdit::default() {
        return Ok(one(&item));
    }
    match media.edit(request.id, version, edit.clone()).await {
        Ok(item) => Ok(one(&item)),
        Err(error) => Err(match wrong_field(&edit).filter(|_| form.is_some()) {
            Some(field) => Problem::from(error).wrong_secret(field, ""),
            None => error.into(),
        }),
    }
}

/// Checks that a new item's date is a day or a time.
///
/// # Errors
/// It is neither.
pub fn check_date(site: &Site, date: Option<&str>) -> Result<(), Problem> {
    match date {
        Some(date) => Ok(check_day(date, &site.settings().zone)?),
        None => Ok(()),
    }
}

/// `DELETE /api/v1/media/{id}`.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let version = version(&request, &known(&request.site, request.id).await?)?;
    media.remove_one(request.id, version).await?;
    Ok(reply::no_content())
}

/// `POST /api/v1/media/delete`: all items or none.
pub async fn delete_many(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let MediaIds { ids } = body::read(&request.headers, &request.body)?;
    let ids = ids.taken()?;
    let count = ids.len();
    media.remove(ids).await?;
    Ok(done("deleted", count))
}

/// `POST /api/v1/media/keep`: protects items from retention, or ends that; all of them or none.
pub async fn keep_many(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let MediaKeep { ids, kept } = body::read(&request.headers, &request.body)?;
    let (ids, is_kept) = (ids.taken()?, kept.unwrap_or(true));
    let count = ids.len();
    media.set_kept(ids, is_kept).await?;
    Ok(done(if is_kept { "kept" } else { "unprotected" }, count))
}

/// 204 for a program. A page shows the change and its number of items.
fn done(what: &str, count: usize) -> Response<Body> {
    let mut response = reply::no_content();
    response.extensions_mut().insert(MadeId(format!("{what}-{count}")));
    response
}

/// The item with this ID.
///
/// # Errors
/// There is none.
pub async fn known(site: &Site, id: u64) -> Result<Item, Problem> {
    Ok(site.media_readers()?.read(move |reader| reader.item(id)).await?)
}

/// The version that the item must still have, if the request names one.
fn version(request: &Request, item: &Item) -> Result<Option<u64>, MediaError> {
    match etag::if_match(&request.headers, item.version) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(item.version)),
        IfMatch::Other => Err(MediaError::Changed { id: item.id, version: item.version }),
    }
}

/// The item as an answer, with its version.
pub fn one(item: &Item) -> Response<Body> {
    let mut response = reply::json(wire::json(item));
    if let Some(tag) = etag::of(item.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

/// The answer for a new item: 201 with its address, relative to `/api/v1/media`.
pub fn made(item: &Item, place: &str) -> Response<Body> {
    let mut response = one(item);
    *response.status_mut() = hyper::StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("{place}{}", item.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}
