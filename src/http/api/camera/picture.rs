//! `/api/v1/picture`: what is done to the picture for everyone. A convenience over the settings of `[picture]`, which are
//! changed through [`crate::http::Preferences`] like all others.

use hyper::Response;
use hyper::header::ETAG;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::http::api::machine::settings;
use crate::http::report::schema_parts::{maybe, object, text};
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::handler::Request;
use crate::http::request::problem::Problem;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::media::View;

/// What is done to the picture for everyone.
#[derive(Debug, Serialize)]
pub struct PictureReport {
    gray: bool,
    scale: &'static str,
    rotate: u16,
    mirror: bool,
    flip: bool,
    crop: Option<[f64; 4]>,
    text: Option<String>,
    timestamp: bool,
    unkept: Option<String>,
}

impl PictureReport {
    fn of(view: &View, unkept: Option<String>) -> PictureReport {
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
            unkept,
        }
    }

    /// Its JSON schema.
    pub fn schema() -> Value {
        let mut properties = properties();
        if let Some(properties) = properties.as_object_mut() {
            properties.insert(String::from("unkept"), maybe(text()));
        }
        object(properties)
    }

    pub fn change_schema() -> Value {
        let mut properties = properties();
        if let Some(properties) = properties.as_object_mut() {
            for schema in properties.values_mut() {
                *schema = maybe(schema.take());
            }
        }
        json!({"type": "object", "properties": properties, "additionalProperties": false})
    }
}

fn properties() -> Value {
    let flag = json!({"type": "boolean"});
    let crop = json!({"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "number", "minimum": 0, "maximum": 1}});
    json!({
        "gray": flag, "scale": {"type": "string", "enum": ["1", "1/2", "1/4", "1/8"]},
        "rotate": {"type": "integer", "enum": [0, 90, 180, 270]}, "mirror": flag, "flip": flag,
        "crop": maybe(crop), "text": maybe(text()), "timestamp": flag,
    })
}

impl Redact for PictureReport {
    fn redact(&mut self) {
        wire::redact_reason(&mut self.unkept, &mut None);
    }
}

/// `GET /api/v1/picture`.
pub async fn get(request: Request) -> Response<Body> {
    report(&request).await
}

/// `PATCH /api/v1/picture`: what is said, and nothing else; `null` is what the operator's file or the default says.
pub async fn change(request: Request) -> Result<Response<Body>, Problem> {
    let preferences = request.site.preferences()?;
    let sent: Map<String, Value> = json_body::read(&request.headers, &request.body)?;
    let sent = sent.into_iter().map(|(key, value)| (format!("picture.{key}"), value)).collect();
    let expected = settings::expected(&request.headers, preferences.in_force().version)?;
    preferences.change(settings::changes(sent)?, expected.into()).await?;
    Ok(report(&request).await)
}

async fn report(request: &Request) -> Response<Body> {
    let view = request.site.pipeline.view().borrow().clone();
    let report = PictureReport::of(&view, request.site.unkept());
    let mut response = reply::json(wire::json(&wire::redacted_for(&request.reader().await, report)));
    let version = request.site.preferences().ok().map(|preferences| preferences.in_force().version);
    if let Some(tag) = version.and_then(etag::of) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
