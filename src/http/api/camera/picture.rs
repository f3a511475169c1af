//! `/api/v1/picture`: the changes to the picture for all viewers. A convenience over the settings of `[picture]`,
//! which change through [`crate::http::Preferences`] like all others.

use hyper::header::ETAG;
use hyper::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::api::machine::settings;
use crate::http::report::schema_parts::maybe;
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::problem::Problem;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::handler::Request;
use crate::http::site::preferences::NotSet;
use tallycam_camera::media::View;

/// Maximum number of tries if others change settings meanwhile.
const TRIES: usize = 5;

/// The changes to the picture for all viewers.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct PictureReport {
    gray: bool,
    #[schemars(extend("enum" = ["1", "1/2", "1/4", "1/8"]))]
    scale: &'static str,
    #[schemars(extend("enum" = [0, 90, 180, 270]))]
    rotate: u16,
    mirror: bool,
    flip: bool,
    #[schemars(inner(range(min = 0, max = 1)))]
    crop: Option<[f64; 4]>,
    #[schemars(length(max = 200))]
    text: Option<String>,
    timestamp: bool,
    unsaved: Option<String>,
}

impl PictureReport {
    fn of(view: &View, unsaved: Option<String>) -> PictureReport {
        PictureReport {
            gray: view.gray,
            scale: match view.scale_eighths() {
                1 => "1/8",
                2 => "1/4",
                4 => "1/2",
                _ => "1",
            },
            rotate: view.rotate,
            mirror: view.mirror,
            flip: view.flip,
            crop: view.crop,
            text: view.text.clone(),
            timestamp: view.timestamp.is_some(),
            unsaved,
        }
    }
}

/// The schema of a change; `picture` is that of the answer.
pub fn schema(picture: &Value) -> Value {
    let mut properties = picture["properties"].as_object().cloned().unwrap_or_default();
    properties.remove("unsaved");
    properties.values_mut().for_each(|schema| *schema = maybe(schema.take()));
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

impl Redact for PictureReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.unsaved, &mut None);
    }
}

/// `GET /api/v1/picture`.
pub async fn get(request: Request) -> Response<Body> {
    report(&request).await
}

/// `PATCH /api/v1/picture`: changes the given keys only; `null` returns to the operator's file or the default. A
/// page's form may send `turn`, degrees relative to the current rotation, so that simultaneous turns all count.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    let mut sent: Map<String, Value> = json_body::read(&request.headers, &request.body)?;
    let is_form = json_body::is_form(&request.headers, &request.body);
    let turn = sent.get("turn").filter(|_| is_form).map(turn_of).transpose()?;
    sent.retain(|key, _| turn.is_none() || key != "turn");
    let sent: Map<String, Value> =
        sent.into_iter().map(|(key, value)| (format!("picture.{key}"), value)).collect();
    let mut tries = 0;
    loop {
        let in_force = preferences.in_force();
        let named = settings::expected(&request.headers, in_force.version)?;
        let mut changes = settings::changes(sent.clone())?;
        if let Some(by) = turn {
            let rotate = (in_force.resolved.config.picture.rotate + by) % 360;
            changes.insert(String::from("picture.rotate"), Some(rotate.to_string()));
        }
        let expected = named.or(turn.map(|_| in_force.version));
        match preferences.change(changes, expected.into()).await {
            Err(NotSet::Changed) if named.is_none() && tries < TRIES => tries += 1,
            done => {
                done?;
                return Ok(report(&request).await);
            }
        }
    }
}

/// Degrees clockwise.
fn turn_of(given: &Value) -> Result<u16, Problem> {
    let given = given.as_str().unwrap_or_default();
    let by = given.parse().ok().filter(|by| [90, 180, 270].contains(by));
    by.ok_or_else(|| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "`turn` should be 90, 180 or 270").wrong(
            "turn",
            "90, 180 or 270",
            given,
        )
    })
}

async fn report(request: &Request) -> Response<Body> {
    let view = request.site.pipeline.view().borrow().clone();
    let report = PictureReport::of(&view, request.site.unsaved());
    let mut response = reply::json(wire::json(&wire::redacted_for(&request.reader().await, report)));
    let version = request.site.preferences().ok().map(|preferences| preferences.in_force().version);
    if let Some(tag) = version.and_then(etag::of) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
