//! `/api/v1/masks`: the areas of the privacy mask, a convenience over the setting `privacy.mask`. It changes through
//! [`crate::http::Preferences`] like all others.

use std::sync::Arc;

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::api::counting::shapes::as_it_was;
use crate::http::api::machine::settings;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::{body, etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::http::site::preferences::{NotSet, PreferenceChanges, SettingsInForce};
use crate::ui::ZoneForm;
use tallycam_camera::media::Geometry;

/// The setting.
const KEY: &str = "privacy.mask";

/// Maximum number of tries if others change settings meanwhile.
const TRIES: usize = 5;

/// Corners in fractions of a frame.
type Corners = Vec<[f64; 2]>;

/// An area of the privacy mask.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MaskArea {
    /// Its place in the list, from 1.
    id: u64,
    /// Its corners in fractions of the camera's own picture, before rotation and crop.
    points: Corners,
}

/// A new area.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct MaskDraft {
    /// 3 to 32 corners in fractions of the camera's own picture, before rotation and crop.
    points: Corners,
}

/// `GET /api/v1/masks`.
pub async fn list(request: Request) -> Result<Response<Body>, Problem> {
    let in_force = request.site.preferences()?.in_force();
    let areas = in_force.resolved.config.privacy.mask.iter().zip(1..);
    let areas = areas.map(|(points, id)| MaskArea { id, points: points.clone() });
    Ok(versioned(reply::json(wire::json(&wire::List::whole(areas))), &in_force))
}

/// `POST /api/v1/masks`.
pub async fn add(request: Request) -> Result<Response<Body>, Problem> {
    let points = read(&request)?;
    let add = |areas: &mut Vec<Corners>| {
        areas.push(points(None));
        Some(areas.len() as u64)
    };
    let (id, in_force) = change(&request, add).await?;
    let mut response = one(id, &in_force);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("masks/{id}")) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `PUT /api/v1/masks/{id}`.
pub async fn replace(request: Request) -> Result<Response<Body>, Problem> {
    let points = read(&request)?;
    let replace = |areas: &mut Vec<Corners>| {
        let area = areas.get_mut(place(request.id)?)?;
        *area = points(Some(area));
        Some(request.id)
    };
    let (id, in_force) = change(&request, replace).await?;
    Ok(one(id, &in_force))
}

/// `DELETE /api/v1/masks/{id}`.
pub async fn delete(request: Request) -> Result<Response<Body>, Problem> {
    let remove = |areas: &mut Vec<Corners>| {
        let at = place(request.id).filter(|&at| at < areas.len())?;
        Some(areas.remove(at))
    };
    change(&request, remove).await?;
    Ok(reply::no_content())
}

/// The index of the area with this number.
fn place(id: u64) -> Option<usize> {
    usize::try_from(id).ok()?.checked_sub(1)
}

/// Reads the corners. A page's form has them in per cent of the picture as it is shown; those of the former area that
/// were not moved keep all their digits.
fn read(request: &Request) -> Result<impl Fn(Option<&Corners>) -> Corners, Problem> {
    let form = json_body::form_of(&request.headers, &request.body);
    let typed = form.filter(|form| form.get("corners").is_some());
    let shown = request.site.pipeline.view().borrow().geometry();
    let points = match &typed {
        Some(form) => ZoneForm::from_fields(form.pairs()).points,
        None => {
            let read = body::read::<MaskDraft>(&request.headers, &request.body);
            read.map_err(Problem::unprocessable)?.points
        }
    };
    let is_typed = typed.is_some();
    Ok(
        move |former: Option<&Corners>| {
            if is_typed { original(&points, former, &shown) } else { points.clone() }
        },
    )
}

/// Corners of the shown picture as those of the camera's own.
fn original(points: &Corners, former: Option<&Corners>, shown: &Geometry) -> Corners {
    let former = former.filter(|former| former.len() == points.len());
    let corner = |(n, point): (usize, &[f64; 2])| {
        let Some(known) = former.map(|former| former[n]) else { return shown.to_source(*point) };
        let (mut typed, seen) = (*point, shown.from_source(known));
        as_it_was(&mut typed, seen);
        if typed == seen { known } else { shown.to_source(typed) }
    };
    points.iter().enumerate().map(corner).collect()
}

/// Changes the areas; 404 if `edit` finds none.
async fn change<T>(
    request: &Request,
    edit: impl Fn(&mut Vec<Corners>) -> Option<T>,
) -> Result<(T, Arc<SettingsInForce>), Problem> {
    let preferences = request.site.preferences()?;
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let named = settings::expected(&request.headers, in_force.version)?;
        let mut areas = in_force.resolved.config.privacy.mask.clone();
        let edited = edit(&mut areas).ok_or_else(|| {
            let what = format!("the privacy mask has no area {}", request.id);
            Problem::new(StatusCode::NOT_FOUND, what)
        })?;
        // A corner that is no number is refused by the setting.
        let toml = format!("{areas:?}").replace("NaN", "nan");
        let changes = PreferenceChanges::from([(KEY.into(), Some(toml).filter(|_| !areas.is_empty()))]);
        match preferences.change(changes, Some(in_force.version).into()).await {
            Err(NotSet::Changed) if named.is_none() && tries < TRIES => tries += 1,
            changed => return Ok((edited, changed?)),
        }
    }
}

fn one(id: u64, in_force: &SettingsInForce) -> Response<Body> {
    let points = place(id).and_then(|at| in_force.resolved.config.privacy.mask.get(at).cloned());
    let area = MaskArea { id, points: points.unwrap_or_default() };
    versioned(reply::json(wire::json(&area)), in_force)
}

fn versioned(mut response: Response<Body>, in_force: &SettingsInForce) -> Response<Body> {
    if let Some(tag) = etag::of(in_force.version) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use tallycam_camera::media::View;

    #[test]
    fn corners_of_the_shown_picture_become_those_of_the_original() {
        let crop = Some([0.0, 0.5, 1.0, 0.5]);
        let shown = View { rotate: 90, crop, ..View::default() }.geometry();
        let typed = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]];
        let kept = original(&typed, None, &shown);
        assert_eq!(kept, [[0.5, 1.0], [0.5, 0.0], [1.0, 0.0]]);
        // The form rounds; what was not moved stays as it is.
        let exact = vec![[0.500_12, 0.999_9], [0.5, 0.0], [0.9, 0.0]];
        let again = original(&typed, Some(&exact), &shown);
        assert_eq!(again, [[0.500_12, 0.999_9], [0.5, 0.0], [1.0, 0.0]]);
    }
}
