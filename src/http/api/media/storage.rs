//! `/api/v1/media/…`: disk usage, retention, and the database file as a whole: start a new one, check, vacuum, copy.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::http::api::media::download;
use crate::http::report::media::{CheckedReport, RetentionReport, StorageReport};
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::body::FieldError;
use crate::http::request::kinds::{Amount, Given, Span};
use crate::http::request::problem::Problem;
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::request::{json_body, reply, time_param};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::site::Site;
use crate::http::site::handler::{Request, Told};
use crate::http::site::preferences::NotSet;
use tallycam_config::keys;
use tallycam_store::media::{MediaStatus, RetentionRules, Storage};

/// A measurement stays valid for this time while no item is added or removed.
const FRESH: Duration = Duration::from_secs(10);

/// Shortest interval between measurements while items come and go.
const NO_OFTENER: Duration = Duration::from_secs(2);

/// Maximum number of listed items of a plan.
const MOST_PLANNED: usize = 1000;

/// Pieces of a copy that may wait for a slow client.
const WAITING: usize = 2;

/// The words for no limit in a query.
const NO_LIMIT: [&str; 3] = ["never", "unlimited", "none"];

/// Changes of the rules; null means no limit.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
#[schemars(rename = "RetentionRules")]
pub struct RulesDraft {
    snapshots_age: Given<Option<Span<false>>>,
    snapshots_size: Given<Option<Amount<0>>>,
    recordings_age: Given<Option<Span<false>>>,
    recordings_size: Given<Option<Amount<0>>>,
    min_free: Given<Option<Amount<0>>>,
}

/// A file that was set aside.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct AsideName {
    /// The name of a file that was set aside.
    name: String,
}

/// A check of the database file.
#[derive(Debug, Default, serde::Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct CheckWish {
    repair: Given<bool>,
}

/// Shrinking the database file.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct VacuumWish {
    wipe: Option<bool>,
}

/// The disk usage, at most a few seconds old.
///
/// # Errors
/// The store cannot be read.
pub async fn room(site: &Site) -> Result<Rc<Storage>, Problem> {
    let media = site.media()?;
    let revision = media.status().borrow().revision;
    if let (Some(known), Some((at, seen))) = (site.storage_usage.known(), site.storage_usage.looked.get())
        && at.elapsed() < if seen == revision { FRESH } else { NO_OFTENER }
    {
        return Ok(known);
    }
    measure(site).await
}

/// The current disk usage.
///
/// # Errors
/// The store cannot be read.
pub async fn measure(site: &Site) -> Result<Rc<Storage>, Problem> {
    let media = site.media()?;
    let (rules, revision) = (media.retention(), media.status().borrow().revision);
    let storage = Rc::new(site.media_readers()?.read(move |reader| reader.storage(&rules)).await?);
    site.storage_usage.known.replace(Some(storage.clone()));
    site.storage_usage.looked.set(Some((Instant::now(), revision)));
    Ok(storage)
}

fn status(site: &Site) -> Result<Arc<MediaStatus>, Problem> {
    Ok(site.media()?.status().borrow().clone())
}

/// `GET /api/v1/media/storage`.
pub async fn storage(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let storage = measure(site).await?;
    let report = StorageReport::of(&storage, &site.media()?.retention(), &*status(site)?);
    Ok(reply::json(wire::json(&report)))
}

/// `GET /api/v1/media/retention`: the rules and their effect now; rules in the query are tried instead.
pub async fn retention(request: Request) -> Result<Response<Body>, Problem> {
    let mut rules = request.site.media()?.retention();
    let mut asked = body::nothing();
    body::add_query::<RulesDraft>(&mut asked, &request.query, &[])?;
    if let Some(asked) = asked.as_object_mut() {
        asked.retain(|_, value| value.as_str().is_some_and(|text| !text.trim().is_empty()));
        for value in asked.values_mut().filter(|value| NO_LIMIT.contains(&value.as_str().unwrap_or_default()))
        {
            *value = Value::Null;
        }
    }
    apply(&mut rules, &asked)?;
    plan(&request.site, rules).await
}

/// `PUT /api/v1/media/retention`: changes the named rules.
pub async fn set_retention(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let media = site.media()?;
    let sent: Value = json_body::read(&request.headers, &request.body).map_err(FieldError::from)?;
    let mut rules = media.retention();
    apply(&mut rules, &sent)?;
    let pinned = &site.settings().pinned_retention;
    if let Some(key) = pinned.iter().find(|key| sent.get(key.as_str()).is_some()) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("`retention.{key}` is set by the operator's file and cannot be changed here"),
        )
        .hint(format!("change or remove `retention.{key}` there")));
    }
    if !request.query.is_set("confirm")? {
        let (media, rules) = (media.clone(), rules.clone());
        let looked = tokio::task::spawn_blocking(move || media.deletions(&rules)).await;
        let plan = looked
            .map_err(|panicked| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()))??;
        if !plan.goes.is_empty() {
            return Err(NotSet::Deletes(Box::new(plan)).into());
        }
    }
    media.save_retention(rules.clone()).await?;
    plan(site, rules).await
}

/// The effect of `rules`.
async fn plan(site: &Site, rules: RetentionRules) -> Result<Response<Body>, Problem> {
    let asked = rules.clone();
    let now = site.media()?.retention_now();
    let plan = site.media_readers()?.read(move |reader| reader.plan(&asked, now)).await?;
    let pinned = &site.settings().pinned_retention;
    let report = RetentionReport::of(&rules, pinned, &plan, now.wall_trusted, MOST_PLANNED);
    Ok(reply::json(wire::json(&report)))
}

/// Applies the body `sent` to `rules`. The ranges are those of the configuration.
pub fn apply(rules: &mut RetentionRules, sent: &Value) -> Result<(), FieldError> {
    let draft: RulesDraft = body::of(sent, &[])?;
    let put_age = |key, rule: &mut Option<Duration>, age: Given<Option<Span<false>>>| {
        let Some(age) = age.0 else { return Ok(()) };
        *rule = age.map(|age| age.0);
        fit(sent, key, rule.map(|age| age.as_secs_f64()))
    };
    let put_size = |key, rule: &mut Option<u64>, size: Given<Option<Amount<0>>>| {
        let Some(size) = size.0 else { return Ok(()) };
        *rule = size.map(|size| size.0);
        fit(sent, key, rule.map(|bytes| bytes as f64))
    };
    put_age("snapshots_age", &mut rules.snapshots_age, draft.snapshots_age)?;
    put_size("snapshots_size", &mut rules.snapshots_bytes, draft.snapshots_size)?;
    put_age("recordings_age", &mut rules.recordings_age, draft.recordings_age)?;
    put_size("recordings_size", &mut rules.recordings_bytes, draft.recordings_size)?;
    put_size("min_free", &mut rules.min_free, draft.min_free)
}

/// Checks that a rule is not below its range.
fn fit(sent: &Value, key: &str, rule: Option<f64>) -> Result<(), FieldError> {
    let Some(kind) = keys::find("retention", key).map(|key| key.kind) else { return Ok(()) };
    match (rule, kind.shape().least) {
        (Some(rule), Some(least)) if rule < least => {
            Err(body::wrong(key, kind.describe_expected(), body::given_in(sent, key)))
        }
        _ => Ok(()),
    }
}

/// `POST /api/v1/media/new`: sets the file aside, even one that cannot be opened, and starts an empty one.
pub async fn start_new(request: Request) -> Result<Response<Body>, Problem> {
    let aside = request.site.recorder()?.recreate_store(&request.site.settings().zone).await?;
    let mut response = reply::json(wire::json(&aside));
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// `POST /api/v1/media/aside/delete`: deletes a file that was set aside.
pub async fn delete_aside(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let AsideName { name } = body::read(&request.headers, &request.body)?;
    media.delete_aside_file(name).await?;
    Ok(reply::no_content())
}

/// `POST /api/v1/media/check`.
pub async fn check(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let CheckWish { repair } = body::read_or_nothing(&request.headers, &request.body)?;
    let report = media.check(repair.0.unwrap_or(false)).await?;
    let mut response = reply::json(wire::json(&CheckedReport::from(report.clone())));
    response.extensions_mut().insert(Told(Arc::new(report)));
    Ok(response)
}

/// `POST /api/v1/media/vacuum`.
pub async fn vacuum(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let VacuumWish { wipe } = body::read_or_nothing(&request.headers, &request.body)?;
    let done = media.vacuum(wipe.unwrap_or(false)).await?;
    let mut response = reply::json(wire::json(&done));
    response.extensions_mut().insert(Told(Arc::new(done)));
    Ok(response)
}

/// `GET /api/v1/media/backup`: the whole file as it is now.
pub async fn backup(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let media = site.media()?;
    let day = time_param::local(site.clock().now_us, &site.settings().zone);
    let name = format!("tallycam-media-{}.db", day.get(..10).unwrap_or_default());
    let body = if request.method == Method::HEAD {
        // The length is known only when the copy starts.
        Body::pieces(mpsc::channel(1).1)
    } else {
        // A client that writes to a USB stick waits for it now and then.
        download::take_place(&request)?;
        request.link.may_pause();
        let mut backup = media.backup().await?;
        let len = backup.len;
        let (sender, pieces) = mpsc::channel(WAITING);
        let stop = site.stop.clone();
        tokio::task::spawn_local(async move {
            while let Some(piece) = backup.pieces.recv().await {
                let piece = match piece {
                    Ok(_) if stop.is_set() => Err(BrokenBody),
                    Ok(piece) => Ok(piece),
                    Err(error) => {
                        log::warn!("a backup of media.db was cut off: {error}");
                        Err(BrokenBody)
                    }
                };
                let is_over = piece.is_err();
                // The dropped channel tells the store that the client has left.
                if sender.send(piece).await.is_err() || is_over {
                    break;
                }
            }
        });
        Body::sized(len, pieces)
    };
    let mut response = no_store(Response::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/vnd.sqlite3"));
    if let Ok(value) = HeaderValue::from_str(&disposition(true, &name)) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
