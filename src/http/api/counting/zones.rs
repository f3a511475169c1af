//! `/api/v1/zones`: areas of the frame with their occupancy, now and in the past. Like the
//! [lines](crate::http::api::counting::lines), except that a deleted zone is gone, because nothing refers to it.

use std::sync::Arc;

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};

use crate::http::api::counting::counts::{hours, span, too_many};
use crate::http::api::counting::lines::{
    anchor_of, as_it_was, classes, missing, new_scene, read, scene, typed,
};
use crate::http::auth::audit::{AuditNote, noted};
use crate::http::report::wire;
use crate::http::report::wire::{List, OccupancyReport};
use crate::http::request::body_fields::{Fields, PLACES};
use crate::http::request::etag::IfMatch;
use crate::http::request::problem::Problem;
use crate::http::request::{etag, reply};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::pipeline::counting::Overlay;
use crate::store::{Counts, EditError, StoreError, ZoneDraft, ZoneRow};
use crate::ui::{ZoneForm, ZoneNow};

/// Maximum number of tries of a partial change while others change the zone.
const TRIES: usize = 5;

/// The keys of a zone that may be set.
const SAID: [&str; 5] = ["name", "points", "classes", "anchor", "exclude"];

/// The read-only keys of a zone: they may be sent back and change nothing.
const TOLD: [&str; 4] = ["id", "scene", "pinned", "occupancy"];

/// The requested zone; missing values are those of `base`, or the defaults.
fn draft(fields: &Fields, base: Option<&ZoneDraft>, typed: Option<&ZoneForm>) -> Result<ZoneDraft, Problem> {
    let wrong = Problem::unprocessable;
    let name = fields.text("name").map_err(wrong)?.or_else(|| base.map(|base| base.name.clone()));
    let points = fields.places("points").map_err(wrong)?;
    let points = points.or_else(|| typed.map(|form| form.points.clone()));
    let points = points.or_else(|| base.map(|base| base.points.clone()));
    let needed = [("name", "a name", name.is_some()), ("points", PLACES, points.is_some())];
    let (Some(name), Some(points)) = (name, points) else { return Err(missing(&needed).given_in(fields)) };
    Ok(ZoneDraft {
        name,
        points,
        classes: classes(fields, base.map(|base| &base.classes))?,
        anchor: anchor_of(fields, base.map(|base| base.anchor))?,
        exclude: fields.flag("exclude").map_err(wrong)?.or(base.map(|base| base.exclude)).unwrap_or_default(),
    })
}

/// `GET /api/v1/zones`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let scene = scene(&request, counts)?;
    let (rows, overlay) = (counts.zones().borrow().clone(), overlay(&request)?);
    let (here, who) = (rows.iter().filter(|row| row.is_in_scene(scene)), request.reader().await);
    let reports = here.map(|row| wire::redacted_for(&who, drawn(row, &overlay)));
    Ok(reply::json(wire::json(&List::whole(reports))))
}

/// `GET /api/v1/zones/occupancy`.
pub async fn occupancy(request: Request) -> Result<Response<Body>, Problem> {
    let (counts, counts_db) = (request.site.counts()?, request.site.counts_readers()?);
    let scene = scene(&request, counts)?;
    let (from_us, to_us, bucket) = span(&request)?;
    let (hours, too_many) = (hours(&request.query)?, too_many(&request.query));
    let read = counts_db.read(move |reader| match reader.occupancy(scene, from_us, to_us, bucket, hours) {
        Err(StoreError::TooManyBuckets) => Ok(Err(too_many)),
        read => read.map(Ok),
    });
    let mut read = read.await??;
    let rows = counts.zones().borrow().clone();
    let counted = rows.iter().filter(|row| row.is_in_scene(scene) && !row.draft.exclude);
    let reports = counted.map(|row| OccupancyReport::of(row, read.remove(&row.id).unwrap_or_default()));
    Ok(reply::json(wire::json(&List::whole(reports))))
}

/// `POST /api/v1/zones`.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let draft = draft(&fields, None, typed(&request, "corners", ZoneForm::from_fields).as_ref())?;
    let scene = new_scene(&request.site).await?;
    let row = counts.add_zone(scene, draft).await.map_err(|error| Problem::from(error).given_in(&fields))?;
    let mut response = one(&request, &row).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("zones/{}", row.id)) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/zones/{id}`.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let row = known(request.site.counts()?, request.id)?;
    one(&request, &row).await
}

/// `PUT /api/v1/zones/{id}`: replaces the whole zone.
pub async fn replace(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let form = typed(&request, "corners", ZoneForm::from_fields);
    let mut draft = draft(&fields, None, form.as_ref())?;
    let known = known(counts, request.id)?;
    if form.is_some() && known.draft.points.len() == draft.points.len() {
        for (typed, known) in draft.points.iter_mut().zip(&known.draft.points) {
            *typed = as_it_was(*typed, *known);
        }
    }
    let version = version(&request, &known)?;
    let changed = counts.change_zone(request.id, version, draft).await;
    one(&request, &changed.map_err(|error| Problem::from(error).given_in(&fields))?).await
}

/// `PATCH /api/v1/zones/{id}`: changes the given keys only.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let fields = read(&request, &SAID, &TOLD)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let row = known(counts, request.id)?;
        let asked = version(&request, &row)?;
        let form = typed(&request, "corners", ZoneForm::from_fields);
        let draft = draft(&fields, Some(&row.draft), form.as_ref())?;
        match counts.change_zone(request.id, Some(row.version), draft).await {
            // The request names no version: it applies to the newer one.
            Err(EditError::Changed { .. }) if asked.is_none() && tries < TRIES => {}
            changed => {
                let changed = changed.map_err(|error| Problem::from(error).given_in(&fields))?;
                return one(&request, &changed).await;
            }
        }
    }
}

/// `DELETE /api/v1/zones/{id}`.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let row = known(counts, request.id)?;
    let version = version(&request, &row)?;
    counts.delete_zone(request.id, version).await?;
    Ok(noted(reply::no_content(), AuditNote::Of(row.draft.name)))
}

fn known(counts: &Counts, id: u64) -> Result<ZoneRow, EditError> {
    let rows = counts.zones();
    let row = rows.borrow().iter().find(|row| row.id == id).cloned();
    row.ok_or(EditError::Unknown { what: "zone", id })
}

/// The version that the zone must still have, if the request names one.
fn version(request: &Request, row: &ZoneRow) -> Result<Option<u64>, EditError> {
    match etag::if_match(&request.headers, row.version) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(row.version)),
        IfMatch::Other => Err(EditError::Changed { what: "zone", id: row.id, version: row.version }),
    }
}

/// A zone with its occupancy in the newest detection.
pub fn drawn(row: &ZoneRow, overlay: &Overlay) -> ZoneNow {
    let inside = overlay.zones.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, inside)| *inside);
    ZoneNow { row: row.clone(), occupancy: inside }
}

fn overlay(request: &Request) -> Result<Arc<Overlay>, Problem> {
    Ok(request.site.counting()?.overlay().borrow().clone())
}

async fn one(request: &Request, row: &ZoneRow) -> Result<Response<Body>, Problem> {
    let report = drawn(row, &*overlay(request)?);
    let mut response = reply::json(wire::json(&wire::redacted_for(&request.reader().await, report)));
    if let Some(tag) = etag::of(row.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(noted(response, AuditNote::Of(row.draft.name.clone())))
}
