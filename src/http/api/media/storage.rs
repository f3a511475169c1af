//! `/api/v1/media/…`: disk usage, retention, and the database file as a whole: start a new one, check, vacuum, copy.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Response, StatusCode};
use tokio::sync::mpsc;

use crate::config::keys;
use crate::http::api::media::download;
use crate::http::report::media::{CheckedReport, RetentionReport, StorageReport};
use crate::http::report::wire;
use crate::http::request::body_fields::{FieldError, Fields, wrong};
use crate::http::request::problem::Problem;
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::request::{reply, time_param};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::site::Site;
use crate::http::site::handler::{Request, Told};
use crate::http::site::preferences::NotSet;
use crate::store::media::{MediaStatus, RetentionRules, Storage};

/// A measurement stays valid for this time while no item is added or removed.
const FRESH: Duration = Duration::from_secs(10);

/// Shortest interval between measurements while items come and go.
const NO_OFTENER: Duration = Duration::from_secs(2);

/// Maximum number of listed items of a plan.
const MOST_PLANNED: usize = 1000;

/// Pieces of a copy that may wait for a slow client.
const WAITING: usize = 2;

const RULES: [&str; 5] = ["snapshots_age", "snapshots_size", "recordings_age", "recordings_size", "min_free"];

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
    let asked = request
        .query
        .pairs()
        .iter()
        .filter(|(key, value)| RULES.contains(&key.as_str()) && !value.trim().is_empty());
    let asked = asked.map(|(key, value)| match value.as_str() {
        "never" | "unlimited" | "none" => (key.clone(), serde_json::Value::Null),
        value => (key.clone(), value.into()),
    });
    let asked: serde_json::Map<_, _> = asked.collect();
    apply(&mut rules, &Fields::from(asked))?;
    plan(&request.site, rules).await
}

/// `PUT /api/v1/media/retention`: changes the named rules.
pub async fn set_retention(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let media = site.media()?;
    let fields = Fields::read(&request.headers, &request.body, &RULES)?;
    let pinned = &site.settings().pinned_retention;
    if let Some(key) = pinned.iter().find(|key| fields.has(key)) {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            format!("{key} is set by the operator's file and cannot be changed here"),
        )
        .hint(format!("change or remove `{key}` under [retention] in the configuration")));
    }
    let mut rules = media.retention();
    apply(&mut rules, &fields)?;
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

/// Applies `fields` to `rules`; `null` means no limit. The ranges are those of the configuration.
pub fn apply(rules: &mut RetentionRules, fields: &Fields) -> Result<(), FieldError> {
    let too_small = |key: &'static str, given: f64| {
        let kind = keys::find("retention", key)?.kind;
        (given < kind.shape().least?).then(|| fields.wrong(key, kind.describe_expected()))
    };
    let age = |key: &'static str| -> Result<Option<Duration>, FieldError> {
        let age = fields.time(key)?;
        age.and_then(|age| too_small(key, age.as_secs_f64())).map_or(Ok(age), Err)
    };
    let size = |key: &'static str| -> Result<Option<u64>, FieldError> {
        let bytes = fields.bytes(key)?;
        bytes.and_then(|bytes| too_small(key, bytes as f64)).map_or(Ok(bytes), Err)
    };
    if fields.has("snapshots_age") {
        rules.snapshots_age = age("snapshots_age")?;
    }
    if fields.has("snapshots_size") {
        rules.snapshots_bytes = size("snapshots_size")?;
    }
    if fields.has("recordings_age") {
        rules.recordings_age = age("recordings_age")?;
    }
    if fields.has("recordings_size") {
        rules.recordings_bytes = size("recordings_size")?;
    }
    if fields.has("min_free") {
        rules.min_free = size("min_free")?;
    }
    Ok(())
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
    let name = Fields::read(&request.headers, &request.body, &["name"])?.text("name")?;
    let name = name.ok_or_else(|| wrong("name", "the name of a file that was set aside"))?;
    media.delete_aside_file(name).await?;
    Ok(reply::no_content())
}

/// `POST /api/v1/media/check`.
pub async fn check(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let fields = Fields::read_or_nothing(&request.headers, &request.body, &["repair"])?;
    fields.no_null(&["repair"])?;
    let report = media.check(fields.flag("repair")?.unwrap_or(false)).await?;
    let mut response = reply::json(wire::json(&CheckedReport::from(report.clone())));
    response.extensions_mut().insert(Told(Arc::new(report)));
    Ok(response)
}

/// `POST /api/v1/media/vacuum`.
pub async fn vacuum(request: Request) -> Result<Response<Body>, Problem> {
    let media = request.site.media()?;
    let fields = Fields::read_or_nothing(&request.headers, &request.body, &["wipe"])?;
    let done = media.vacuum(fields.flag("wipe")?.unwrap_or(false)).await?;
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
