//! What `/api/v1/lines` and `/api/v1/zones` do alike: drawn shapes are added, replaced, changed and deleted.
//!
//! A change may name the version that it was made on (`If-Match`); otherwise it applies to the current one.

use std::time::Duration;

use hyper::header::{ETAG, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::auth::audit::{AuditNote, noted};
use crate::http::report::wire;
use crate::http::report::wire::Redact;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::etag::IfMatch;
use crate::http::request::problem::Problem;
use crate::http::request::query::Query;
use crate::http::request::{etag, json_body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use tallycam_store::{Counts, EditError, Scene};

/// Maximum number of tries of a partial change while others change the shape.
const TRIES: usize = 5;

/// Longest wait for a camera's first picture, which tells its scene.
const SCENE_WAIT: Duration = Duration::from_secs(10);

/// The expected values of a form's places.
const PER_CENT: &str = "in per cent of the picture";

/// The keys of a page's form: ends and corners in per cent, and reversing a line.
const TYPED: [&str; 6] = ["ax", "ay", "bx", "by", "reverse", "corners"];

/// A drawn shape: a row of the store, and its own part of the API.
pub trait DrawnShape: Clone {
    /// The values that a body sets. The other keys of [`DrawnShape::Report`] may be sent back and change nothing.
    type Draft: Clone + Serialize + DeserializeOwned + JsonSchema;
    /// The shape as an answer.
    type Report: Serialize + JsonSchema + Redact;
    /// The word for it: `line`.
    const WHAT: &'static str;
    /// The key of a page's form that has its places.
    const TYPED: &'static [&'static str];
    /// The keys of a draft for places, with values until those of a page's form replace them.
    fn places() -> Value;
    /// Puts the places of a page's form into `draft`, unless the body has them; `known` is the stored shape.
    fn put_typed(
        draft: &mut Self::Draft,
        form: &[(String, String)],
        sent: &Value,
        known: Option<&Self::Draft>,
    );
    fn id(&self) -> u64;
    fn version(&self) -> u64;
    fn name(&self) -> &str;
    fn draft(&self) -> &Self::Draft;
    fn report(&self, site: &Site) -> Result<Self::Report, Problem>;
    /// The present shape with this ID.
    fn find(counts: &Counts, id: u64) -> Option<Self>;
    async fn add(counts: &Counts, scene: Scene, draft: Self::Draft) -> Result<Self, EditError>;
    async fn change(
        &self,
        counts: &Counts,
        version: Option<u64>,
        draft: Self::Draft,
    ) -> Result<Self, EditError>;
    async fn delete(&self, counts: &Counts, version: Option<u64>) -> Result<(), EditError>;
    /// The error, named for a sent key.
    fn named(error: EditError, _sent: &Value) -> EditError {
        error
    }
}

/// Implements the part of [`DrawnShape`] that is alike for its rows.
macro_rules! row {
    ($draft:ty, $what:literal: $rows:ident $add:ident $change:ident $delete:ident) => {
        type Draft = $draft;
        const WHAT: &'static str = $what;

        fn id(&self) -> u64 {
            self.id
        }

        fn version(&self) -> u64 {
            self.version
        }

        fn name(&self) -> &str {
            &self.draft.name
        }

        fn draft(&self) -> &$draft {
            &self.draft
        }

        fn find(counts: &Counts, id: u64) -> Option<Self> {
            counts.$rows().borrow().iter().find(|row| row.id == id).cloned()
        }

        async fn add(counts: &Counts, scene: Scene, draft: $draft) -> Result<Self, EditError> {
            counts.$add(scene, draft).await
        }

        async fn change(
            &self,
            counts: &Counts,
            version: Option<u64>,
            draft: $draft,
        ) -> Result<Self, EditError> {
            counts.$change(self.id, version, draft).await
        }

        async fn delete(&self, counts: &Counts, version: Option<u64>) -> Result<(), EditError> {
            counts.$delete(self.id, version).await
        }
    };
}
pub(super) use row;

/// The form has tenths of a per cent: a place that was not moved keeps all its digits.
pub fn as_it_was(typed: &mut [f64; 2], known: [f64; 2]) {
    if (0..2).all(|axis| (typed[axis] - known[axis]).abs() < 0.000_51) {
        *typed = known;
    }
}

/// The body of a request for a shape.
struct ShapeBody {
    /// Its keys that may be set.
    sent: Value,
    /// A page's form with places.
    form: Option<Query>,
}

impl ShapeBody {
    fn read<S: DrawnShape>(request: &Request) -> Result<ShapeBody, Problem> {
        let sent = json_body::read::<Map<String, Value>>(&request.headers, &request.body);
        let mut sent = sent.map_err(|error| Problem::unprocessable(error.into()))?;
        let (whole, own) = (body::schema_of::<S::Report>(), body::schema_of::<S::Draft>());
        let form = json_body::form_of(&request.headers, &request.body);
        sent.retain(|key, _| {
            let is_told = whole["properties"].get(key).is_some() && own["properties"].get(key).is_none();
            let is_typed = form.is_some() && TYPED.contains(&key.as_str());
            !is_told && !is_typed
        });
        let form = form.filter(|form| S::TYPED.iter().any(|key| form.get(key).is_some()));
        let lacking = |key: &&&str| form.as_ref().is_some_and(|form| form.get(key).is_none_or(str::is_empty));
        let lacking: Vec<_> = S::TYPED.iter().filter(lacking).map(|key| (*key, PER_CENT)).collect();
        if !lacking.is_empty() {
            return Err(Problem::missing(&lacking));
        }
        Ok(ShapeBody { sent: Value::Object(sent), form })
    }

    /// The requested shape. Missing values are those of `base`, or the defaults; `known` is the stored shape.
    fn draft<S: DrawnShape>(&self, base: Option<&S>, known: Option<&S>) -> Result<S::Draft, Problem> {
        let base_values = base.and_then(|base| serde_json::to_value(base.draft()).ok());
        let placed = self.form.as_ref().map(|_| S::places());
        let mut values = Map::new();
        for part in [base_values.as_ref(), placed.as_ref(), Some(&self.sent)] {
            values.extend(part.and_then(Value::as_object).cloned().unwrap_or_default());
        }
        let read = body::of(&Value::Object(values), &[]).map_err(|error| match error {
            // A change cannot lack a key: it is null.
            FieldError::Missing(keys) if base.is_some() => {
                body::null(keys.first().map_or("", |(key, _)| key.as_str()))
            }
            error => error,
        });
        let mut draft: S::Draft = read.map_err(|error| Problem::unprocessable(error).given_in(&self.sent))?;
        if let Some(form) = &self.form {
            S::put_typed(&mut draft, form.pairs(), &self.sent, known.map(S::draft));
        }
        Ok(draft)
    }

    fn refused<S: DrawnShape>(&self, error: EditError) -> Problem {
        Problem::from(S::named(error, &self.sent)).given_in(&self.sent)
    }
}

/// `POST`: draws a shape.
pub async fn add<S: DrawnShape>(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let drawn = ShapeBody::read::<S>(&request)?;
    let draft = drawn.draft::<S>(None, None)?;
    let scene = new_scene(&request.site).await?;
    let row = S::add(counts, scene, draft).await.map_err(|error| drawn.refused::<S>(error))?;
    let mut response = one(&request, &row).await?;
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(place) = HeaderValue::from_str(&format!("{}s/{}", S::WHAT, row.id())) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// `PUT`: replaces the whole shape.
pub async fn replace<S: DrawnShape>(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let drawn = ShapeBody::read::<S>(&request)?;
    let known = known::<S>(counts, request.id);
    let draft = drawn.draft(None, known.as_ref().ok())?;
    let row = known?;
    let changed = row.change(counts, version(&request, &row)?, draft).await;
    one(&request, &changed.map_err(|error| drawn.refused::<S>(error))?).await
}

/// `PATCH`: changes the given keys only.
pub async fn change<S: DrawnShape>(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let drawn = ShapeBody::read::<S>(&request)?;
    let mut tries = 0;
    loop {
        tries += 1;
        let row = known::<S>(counts, request.id)?;
        let asked = version(&request, &row)?;
        let draft = drawn.draft(Some(&row), None)?;
        match row.change(counts, Some(row.version()), draft).await {
            // The request names no version: it applies to the newer one.
            Err(EditError::Changed { .. }) if asked.is_none() && tries < TRIES => {}
            changed => return one(&request, &changed.map_err(|error| drawn.refused::<S>(error))?).await,
        }
    }
}

/// `DELETE`.
pub async fn delete<S: DrawnShape>(request: Request) -> Result<Response<Body>, Problem> {
    let counts = request.site.counts()?;
    let row = known::<S>(counts, request.id)?;
    row.delete(counts, version(&request, &row)?).await?;
    Ok(noted(reply::no_content(), AuditNote::Of(row.name().to_owned())))
}

/// The present shape with this ID.
pub fn known<S: DrawnShape>(counts: &Counts, id: u64) -> Result<S, EditError> {
    S::find(counts, id).ok_or(EditError::Unknown { what: S::WHAT, id })
}

/// The version that the shape must still have, if the request names one.
fn version<S: DrawnShape>(request: &Request, row: &S) -> Result<Option<u64>, EditError> {
    match etag::if_match(&request.headers, row.version()) {
        IfMatch::Any => Ok(None),
        IfMatch::This => Ok(Some(row.version())),
        IfMatch::Other => Err(EditError::Changed { what: S::WHAT, id: row.id(), version: row.version() }),
    }
}

/// The shape as an answer, with its version.
pub async fn one<S: DrawnShape>(request: &Request, row: &S) -> Result<Response<Body>, Problem> {
    let report = wire::redacted_for(&request.reader().await, row.report(&request.site)?);
    let mut response = reply::json(wire::json(&report));
    if let Some(tag) = etag::of(row.version()) {
        response.headers_mut().insert(ETAG, tag);
    }
    Ok(noted(response, AuditNote::Of(row.name().to_owned())))
}

/// The scene that `?scene=` names, or the current one.
pub fn scene(request: &Request, counts: &Counts) -> Result<Scene, Problem> {
    Ok(request.query.one_of("scene", &Scene::WORDS)?.unwrap_or_else(|| counts.scene()))
}

/// The scene for new lines and zones: the current or the next one.
async fn new_scene(site: &Site) -> Result<Scene, Problem> {
    site.counting()?.scene(SCENE_WAIT).await.map_err(|none| Problem::from(&none))
}
