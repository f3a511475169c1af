//! Backup, restore and factory reset of the whole camera, in the API.
//!
//! A restore or reset is placed beside the state, and the next start carries it out; the service restarts by itself.

use std::io::{self, Read, Write};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::{JoinError, spawn_blocking};

use crate::access::RestoredAccess;
use crate::http::api::media::download;
use crate::http::api::media::download::{PIECE, WAITING, put};
use crate::http::auth::audit::{AuditNote, change, noted};
use crate::http::report::wire;
use crate::http::request::body;
use crate::http::request::form_data::FormData;
use crate::http::request::problem::{Problem, counts_only};
use crate::http::request::range::disposition;
use crate::http::request::reply::no_store;
use crate::http::request::{reply, time_param};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::site::Site;
use crate::http::site::handler::{Request, Told, read_upload};
use crate::maintenance::backup::{ArchiveHeader, MediaCopy, write};
use crate::maintenance::restore::{RestoreOptions, StagedRestore, stage_restore};
use crate::maintenance::{Maintenance, cut, request_reset, unfit};
use tallycam_base::{Fault, Stop};
use tallycam_camera::media::zip::stem;

/// Maximum number of parts of a form.
const MOST_PARTS: usize = 10;

/// The restored backup.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct RestoredReport {
    name: String,
    made: String,
    version: String,
    media: bool,
    /// The users who may sign in then, with their roles.
    users: Vec<String>,
    /// The tokens that are valid then, with their scopes.
    tokens: Vec<String>,
    /// The camera asks for no password then, and everybody who reaches it can change it.
    open: bool,
}

impl From<StagedRestore> for RestoredReport {
    fn from(StagedRestore { head, access }: StagedRestore) -> RestoredReport {
        let ArchiveHeader { name, made, version, media, .. } = head;
        let RestoredAccess { users, tokens, is_open } = access;
        RestoredReport { name, made, version, media, users, tokens, open: is_open }
    }
}

fn maintenance(site: &Site) -> Result<&Arc<Maintenance>, Problem> {
    let none = || {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "this program keeps nothing that could be backed up")
    };
    site.maintenance.as_ref().ok_or_else(none)
}

/// `GET /api/v1/backup`: the archive, made while it is sent.
pub async fn download(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let maintenance = maintenance(site)?;
    let wants_media = request.query.is_set("media")?;
    let settings = site.settings();
    let stored = site.preferences()?.stored();
    let contents = maintenance.contents(&settings.name, stored, !site.is_counts_only());
    let day = time_param::local(site.clock().now_us, &settings.zone);
    let name = format!("{} {} backup.tar", stem(&settings.name), day.get(..10).unwrap_or_default());
    let mut response = no_store(Response::new(Body::full("")));
    put(&mut response, CONTENT_TYPE, "application/x-tar");
    put(&mut response, CONTENT_DISPOSITION, &disposition(true, &name));
    if wants_media && site.is_counts_only() {
        return Err(counts_only());
    }
    if request.method == Method::HEAD {
        *response.body_mut() = Body::pieces(mpsc::channel(1).1);
        return Ok(response);
    }
    // A client that writes to a USB stick waits for it now and then.
    download::take_place(&request)?;
    request.link.may_pause();
    log::info!("{} takes a backup", request.link.peer());
    // Before the answer begins, so that a full disk is one.
    let copy = contents.clone();
    let counts = spawn_blocking(move || copy.copy_counts()).await;
    let panicked = |error: JoinError| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
    let counts = counts.map_err(panicked)??;
    let mut media = if wants_media { Some(MediaCopy::new(site.media()?.backup().await?)) } else { None };
    let (sender, pieces) = mpsc::channel(WAITING);
    *response.body_mut() = Body::pieces(pieces);
    let mut out = Out { to: sender, piece: BytesMut::new(), stop: site.stop.clone() };
    // It runs on by itself; a client that takes nothing for too long is disconnected, which ends it.
    drop(spawn_blocking(move || {
        if let Err(fault) = write(&contents, counts, media.as_mut(), &mut out) {
            log::warn!("a backup was cut off: {fault}");
            let _ = out.to.blocking_send(Err(BrokenBody));
        }
    }));
    Ok(response)
}

/// Sends the archive as the pieces of a body.
struct Out {
    to: mpsc::Sender<Result<Bytes, BrokenBody>>,
    piece: BytesMut,
    stop: Stop,
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.stop.is_set() {
            return Err(io::Error::other("the server stops"));
        }
        if self.piece.is_empty() {
            return Ok(());
        }
        let sent = self.to.blocking_send(Ok(self.piece.split().freeze()));
        sent.map_err(|_| io::Error::new(io::ErrorKind::BrokenPipe, "nobody takes it any more"))
    }
}

/// `POST /api/v1/restore`: the archive is the body, or the file of a form.
pub async fn restore(mut request: Request) -> Result<Response<Body>, Problem> {
    let staged = take(&mut request).await?;
    let (note, told) = (AuditNote::Did(staged.head.restored()), Told(Arc::new(staged.clone())));
    let mut response = no_store(reply::json(wire::json(&RestoredReport::from(staged))));
    *response.status_mut() = StatusCode::ACCEPTED;
    response.extensions_mut().insert(told);
    Ok(noted(response, note))
}

/// Places the archive of a body beside the state, and restarts the service.
async fn take(request: &mut Request) -> Result<StagedRestore, Problem> {
    let maintenance = maintenance(&request.site)?.clone();
    let boundary = request.form_boundary();
    let upload = request.take_upload()?;
    let state = maintenance.state().to_owned();
    let floor = request.site.media().ok().and_then(|media| media.retention().min_free);
    let by = change(request.caller(), &request.who, request.uri.path());
    let terms = RestoreOptions { floor: floor.unwrap_or(0), by: Some(by) };
    let read = read_upload(upload, move |received| match boundary {
        None => stage_restore(&state, received, terms),
        Some(boundary) => {
            let mut form = FormData::new(received, &boundary);
            file_of(&mut form)?;
            stage_restore(&state, form.body(), terms)
        }
    });
    let staged = read.await?;
    log::warn!(
        "{} {}: the state is replaced by the next start, which comes now",
        request.link.peer(),
        staged.head.restored()
    );
    maintenance.request_restart();
    Ok(staged)
}

/// Advances to the first file of a form.
fn file_of<R: Read>(form: &mut FormData<R>) -> Result<(), Fault> {
    for _ in 0..MOST_PARTS {
        match form.part().map_err(cut)? {
            Some(part) if part.file.as_ref().is_some_and(|file| !file.is_empty()) => return Ok(()),
            Some(_) => {}
            None => break,
        }
    }
    Err(unfit("the form has no file"))
}

/// A factory reset.
#[derive(Debug, serde::Deserialize, schemars::JsonSchema)]
pub struct ResetWish {
    /// The camera's name, as a confirmation.
    name: String,
}

/// `POST /api/v1/factory-reset`: requires the camera's `name`, to prevent mistakes.
pub async fn factory_reset(request: Request) -> Result<Response<Body>, Problem> {
    let wish: ResetWish = body::read(&request.headers, &request.body).map_err(Problem::unprocessable)?;
    wipe(&request.site, &wish.name, request.link.peer()).await?;
    let mut response = no_store(reply::no_content());
    *response.status_mut() = StatusCode::ACCEPTED;
    response.extensions_mut().insert(Told(Arc::new(ResetBegun)));
    Ok(noted(response, AuditNote::Did(String::from("removed everything"))))
}

async fn wipe(site: &Site, typed: &str, peer: &str) -> Result<(), Problem> {
    let maintenance = maintenance(site)?.clone();
    let name = site.settings().name.clone();
    if typed.trim() != name.trim() {
        let detail = format!("{typed:?} is not the name of this camera");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            .wrong("name", format!("the camera's name, {name:?}"), typed)
            .hint("nothing was removed"));
    }
    let state = maintenance.state().to_owned();
    let wanted = spawn_blocking(move || request_reset(&state)).await;
    wanted.map_err(|panicked| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, panicked.to_string()))??;
    log::warn!("{peer} resets the camera: all of the state is removed by the next start, which comes now");
    maintenance.request_restart();
    Ok(())
}

/// The removal of all state has begun.
pub struct ResetBegun;
