//! `/api/v1/zones`: areas of the frame with their occupancy, now and in the past. Like the
//! [lines](crate::http::api::counting::lines), except that a deleted zone is gone, because nothing refers to it.

use std::sync::Arc;

use hyper::Response;
use serde_json::{Value, json};

use crate::http::api::counting::shapes::{DrawnShape, as_it_was, known, one, row, scene};
use crate::http::report::wire;
use crate::http::report::wire::List;
use crate::http::request::problem::Problem;
use crate::http::request::reply;
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::pipeline::counting::Overlay;
use crate::ui::{ZoneForm, ZoneNow};
use tallycam_store::{Counts, EditError, Scene, ZoneDraft, ZoneRow};

impl DrawnShape for ZoneRow {
    row!(ZoneDraft, "zone": zones add_zone change_zone delete_zone);

    type Report = ZoneNow;
    const TYPED: &'static [&'static str] = &["corners"];

    fn places() -> Value {
        json!({"points": []})
    }

    fn put_typed(draft: &mut ZoneDraft, form: &[(String, String)], sent: &Value, known: Option<&ZoneDraft>) {
        if sent.get("points").is_none() {
            draft.points = ZoneForm::from_fields(form).points;
        }
        if let Some(known) = known.filter(|known| known.points.len() == draft.points.len()) {
            for (typed, known) in draft.points.iter_mut().zip(&known.points) {
                as_it_was(typed, *known);
            }
        }
    }

    fn report(&self, site: &Site) -> Result<ZoneNow, Problem> {
        Ok(drawn(self, &*overlay(site)?))
    }
}

/// `GET /api/v1/zones`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let scene = scene(&request, counts)?;
    let (rows, overlay) = (counts.zones().borrow().clone(), overlay(&request.site)?);
    let (here, who) = (rows.iter().filter(|row| row.is_in_scene(scene)), request.reader().await);
    let reports = here.map(|row| wire::redacted_for(&who, drawn(row, &overlay)));
    Ok(reply::json(wire::json(&List::whole(reports))))
}

/// `GET /api/v1/zones/{id}`.
pub async fn get(request: Request) -> Result<Response<Body>, Problem> {
    let row = known::<ZoneRow>(request.site.counts()?, request.id)?;
    one(&request, &row).await
}

/// A zone with its occupancy in the newest detection.
pub fn drawn(row: &ZoneRow, overlay: &Overlay) -> ZoneNow {
    let inside = overlay.zones.iter().find(|(id, _)| *id == row.id).map_or(0, |(_, inside)| *inside);
    ZoneNow { row: row.clone(), occupancy: inside }
}

fn overlay(site: &Site) -> Result<Arc<Overlay>, Problem> {
    Ok(site.counting()?.overlay().borrow().clone())
}
