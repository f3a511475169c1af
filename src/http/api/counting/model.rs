//! `/api/v1/model`: the model in use, the installed ones, and those that can be downloaded. An implementation of
//! [`ModelLibrary`](crate::http::ModelLibrary) knows their files and downloads.

use hyper::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use crate::http::report::wire;
use crate::http::report::wire::{Redact, milliseconds};
use crate::http::request::problem::Problem;
use crate::http::request::{body, reply};
use crate::http::server::body::Body;
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::preferences::{PreferenceChanges, Terms};
use crate::pipeline::counting::{Counting, CountingStatus, MODEL_SETTING};
use crate::ui::{CatalogueModel, ModelRow};
use tallycam_config::{DetectorKind, kind};

/// All facts on models at one moment.
#[derive(Debug)]
pub struct ModelList {
    /// The detector in use, and its rate.
    pub status: CountingStatus,
    /// The model chosen here.
    pub chosen: Option<String>,
    /// See [`ModelLibrary::pinned`](crate::http::ModelLibrary::pinned).
    pub pinned: Option<String>,
    /// See [`ModelLibrary::found`](crate::http::ModelLibrary::found).
    pub found: Vec<ModelRow>,
    /// See [`ModelLibrary::catalogue`](crate::http::ModelLibrary::catalogue).
    pub catalogue: Vec<CatalogueModel>,
}

impl ModelList {
    /// The current list.
    pub async fn of(site: &Site) -> Result<ModelList, Problem> {
        let counting = site.counting()?;
        let (pinned, mut found, catalogue) = match site.models.clone() {
            Some(models) => blocking(move || (models.pinned(), models.found(), models.catalogue())).await?,
            None => (None, Vec::new(), Vec::new()),
        };
        let status = counting.status();
        for model in &mut found {
            model.is_in_use = model.name == status.model;
        }
        Ok(ModelList { chosen: chosen(counting), status, pinned, found, catalogue })
    }
}

impl Redact for ModelList {
    fn redact(&mut self) {
        wire::redact_place(&mut self.pinned);
        self.found.iter_mut().for_each(|model| wire::redact_reason(&mut model.problem, &mut None));
    }
}

/// The model chosen here, which survives restarts.
fn chosen(counting: &Counting) -> Option<String> {
    counting.counts().ok()?.setting(MODEL_SETTING)
}

/// Uses the model `name` from now on; `None`: the one in the configuration. Ends counting by motion if that was
/// chosen.
pub async fn choose(site: &Site, name: Option<String>) -> Result<(), Problem> {
    let counting = site.counting()?;
    let models = site.models.clone().ok_or_else(no_models)?;
    if let Some(origin) = blocking(move || models.pinned()).await? {
        let detail = format!("the model is set in `{origin}` and can be changed only there");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let Some(preferences) = site.preferences().ok().filter(|preferences| {
        let resolved = &preferences.in_force().resolved;
        let is_pages = resolved.origin(BACKEND).is_some_and(|origin| !origin.is_operators());
        is_pages && resolved.config.detect.backend == DetectorKind::Motion
    }) else {
        return Ok(counting.use_model(name).await?);
    };
    // Both or neither: without a model, motion continues to be counted.
    let model = (String::from(MODEL), name.map(|name| kind::quoted(&name)));
    preferences
        .change(PreferenceChanges::from([(String::from(BACKEND), None), model]), Terms::default())
        .await?;
    Ok(())
}

/// The setting of the detector.
const BACKEND: &str = "detect.backend";

/// The setting of the model.
const MODEL: &str = "detect.model";

/// Downloads the model `name` of the catalogue.
pub async fn fetch_model(site: &Site, name: String) -> Result<(), Problem> {
    let models = site.models.clone().ok_or_else(no_models)?;
    let turn = site.fetching.clone().try_acquire_owned().map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "another model is being fetched")
            .hint("wait until that one is here")
    })?;
    let fetch = move || {
        // Held until the download ends, even if nobody waits for it any more.
        let _turn = turn;
        models.fetch(&name)
    };
    Ok(blocking(fetch).await??)
}

/// This service has no model folder.
fn no_models() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "models are not available")
}

async fn blocking<T: Send + 'static>(ask: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let asked = tokio::task::spawn_blocking(ask).await;
    asked.map_err(|e| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()))
}

/// The model to use; without a name, that of the configuration.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ModelChoice {
    name: Option<String>,
}

/// A model to download.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
pub struct ModelName {
    /// The name of a model in the catalogue.
    name: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct ModelReport {
    backend: &'static str,
    model: String,
    labels: Vec<String>,
    tells_classes: bool,
    detections_per_second: f64,
    detection_ms: f64,
    inference_ms: f64,
    chosen: Option<String>,
    pinned: Option<String>,
    items: Vec<ModelRow>,
    catalogue: Vec<CatalogueModel>,
    next: Option<String>,
}

/// `GET /api/v1/model`.
pub async fn model(request: Request) -> Result<Response<Body>, Problem> {
    let model_store = wire::redacted_for(&request.reader().await, ModelList::of(&request.site).await?);
    let status = model_store.status;
    Ok(reply::json(wire::json(&ModelReport {
        backend: status.backend,
        model: status.model,
        labels: status.labels,
        tells_classes: status.tells_classes,
        detections_per_second: (status.detections_per_second * 10.0).round() / 10.0,
        detection_ms: milliseconds(status.detection_s),
        inference_ms: milliseconds(status.inference_s),
        chosen: model_store.chosen,
        pinned: model_store.pinned,
        items: model_store.found,
        catalogue: model_store.catalogue,
        next: None,
    })))
}

/// `PUT /api/v1/model`: answered when the model is in use.
pub async fn put(request: Request) -> Result<Response<Body>, Problem> {
    let wanted: ModelChoice = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    choose(&request.site, wanted.name).await?;
    model(request).await
}

/// `POST /api/v1/model/fetch`: answered when the model is installed.
pub async fn fetch(request: Request) -> Result<Response<Body>, Problem> {
    let wanted: ModelName = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    request.site.counting()?;
    fetch_model(&request.site, wanted.name).await?;
    model(request).await
}
