//! `/api/v1/media/{id}/video`, `/api/v1/crossings/{id}/video` and `/media/NAME.mp4`: a recording or a part of it as
//! H.264 in MP4, made by `ffmpeg`.
//!
//! ```text
//!                                              ┌─► file of the shelf ─► every client that asks for it
//! readers ─► film ─► ffmpeg ─► one MP4 (pieces)┤
//!                                              └─► its only client, if there is no room for a file
//! ```
//!
//! All steps are tasks of the server's thread on non-blocking pipes. A client that asks for a range, as a browser's
//! player does, waits until the file is whole. Others get the bytes as they come, without a length. When all clients
//! have left, `ffmpeg` is killed.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, HeaderValue, LOCATION, RANGE};
use hyper::{Method, Response, StatusCode};
use tokio::sync::{mpsc, oneshot};

use crate::http::api::media::download::{
    FileHead, PIECE, go_on, not_downloaded, piece, put, stopped, take_place,
};
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::http::request::range::disposition;
use crate::http::request::reply::{self, no_store};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::server::link::{Link, LinkVerdict};
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::readers::{MediaReaders, ReadError};
use crate::http::site::videos::shelf::{self, ClipKey, ClipState, ClipUse, ShelvedVideo};
use crate::http::site::videos::{VideoPlace, Videos};
use crate::pipeline::video::{NotMade, Transcoder, VideoEncoder, VideoRequest};
use tallycam_base::{Fault, clock};
use tallycam_camera::media::film::{Film, FilmFormat};
use tallycam_camera::media::zip::stem;
use tallycam_store::media::{self, Item, MediaError, MediaKind, MediaOrigin, MediaQuery, MediaReader, clip};

/// A crossing's clip starts this long before it and ends this long after it, in microseconds.
pub const AROUND_US: u64 = 5_000_000;

/// Recordings searched for one that covers a time.
pub const LOOKED_AT: usize = 50;

/// Pieces that may wait for a client: up to 2 MiB, so that one that is slow for a moment does not stop `ffmpeg`.
const WAITING: usize = 32;

/// A client that asks for a range waits this long for the whole video, then gets the bytes as they come. Firefox waits
/// for five minutes.
const PATIENCE: Duration = Duration::from_secs(240);

/// Interval between two attempts of an archive to have a video made.
const RETRY: Duration = Duration::from_secs(1);

/// A video has at most about this part of its recording's bytes.
const SMALLER: u64 = 2;

/// `GET /api/v1/video`.
pub async fn status(request: Request) -> Result<Response<Body>, Problem> {
    request.site.media_readers()?;
    Ok(reply::json(wire::json(&request.site.videos.report().await)))
}

/// `GET /api/v1/media/{id}/video`.
pub async fn video(request: Request) -> Result<Response<Body>, Problem> {
    let from_us = request.query.seconds("from")?;
    let to_us = request.query.seconds("to")?;
    let part = (from_us.unwrap_or(0), to_us.unwrap_or(u64::MAX));
    if part.1 <= part.0 {
        return Err(wrong_value("to", request.query.get("to").unwrap_or_default(), "more than `from`"));
    }
    let id = request.id;
    let item = request.site.media_readers()?.read(move |reader| reader.item(id)).await?;
    if item.kind == MediaKind::Snapshot {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a snapshot is no video")
            .hint(format!("its picture is at `/api/v1/media/{id}/content`")));
    }
    let is_part = from_us.is_some() || to_us.is_some();
    send(&request, item, part, is_part).await
}

/// The bytes of a video, in order. Without an error at the end they are all.
type Pieces = mpsc::Receiver<Result<Bytes, BrokenBody>>;

/// A recording that will be a video.
struct VideoSource {
    key: ClipKey,
    film: Film,
    cut: media::FootageCut,
    began_us: u64,
}

/// The recording `item`, or `part` of it, as H.264 in MP4.
///
/// # Errors
/// There is no `ffmpeg`, no place, or no picture.
pub async fn send(
    request: &Request,
    item: Item,
    part: (u64, u64),
    is_part: bool,
) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let is_download = request.query.is_set("download")?;
    let source = look_up(&site.media_readers()?, item.clone(), part).await?;
    let name = stem(&item.name);
    let name =
        if is_part { format!("{name} {}.mp4", clock_of(site, source.began_us)) } else { name + ".mp4" };
    let mut response = no_store(Response::new(Body::full("")));
    put(&mut response, CONTENT_TYPE, "video/mp4");
    put(&mut response, CONTENT_DISPOSITION, &disposition(is_download, &name));
    let clip = match site.videos.shelf.find(&source.key) {
        Some(clip) => clip,
        None => {
            let encoder = encoder(site, &source.film).await?;
            if request.method == Method::HEAD {
                return Ok(response);
            }
            take_place(request)?;
            match make(site, &request.link, source, encoder).await? {
                Made::Kept(clip) => clip,
                Made::Sent(pieces) => {
                    *response.body_mut() = Body::pieces(pieces);
                    return Ok(response);
                }
            }
        }
    };
    // A browser's player asks for a range, and needs the length.
    let is_whole_wanted = request.headers.contains_key(RANGE);
    request.link.may_pause();
    // A client that sends its end has left, and its wait ends with it.
    request.link.watches();
    let ready = |state: &ClipState| match state {
        ClipState::Growing(len) => *len > 0 && !is_whole_wanted,
        ClipState::Whole(_) | ClipState::Broken(_) => true,
    };
    let state = match tokio::time::timeout(PATIENCE, clip.wait(ready)).await {
        Ok(state) => state,
        Err(_) => clip.wait(|_| true).await,
    };
    let (range, len) = match state {
        ClipState::Broken(reason) => return Err(not_made(item.id, &reason)),
        ClipState::Growing(_) => (0..u64::MAX, None),
        ClipState::Whole(len) => {
            let file = FileHead { len, tag: &clip.tag, kind: "video/mp4", name: &name, is_download };
            let (whole, range) = file.answer(request);
            response = whole;
            let Some(range) = range else { return Ok(response) };
            (range, Some(len))
        }
    };
    put(&mut response, ETAG, &clip.tag);
    if request.method == Method::HEAD {
        return Ok(response);
    }
    take_place(request)?;
    let (sender, pieces) = mpsc::channel(1);
    *response.body_mut() = match len {
        Some(_) => Body::sized(range.end - range.start, pieces),
        None => Body::pieces(pieces),
    };
    tokio::task::spawn_local(pass(clip, range, sender, Rc::clone(site)));
    Ok(response)
}

/// The item's film and the key of its video.
async fn look_up(readers: &MediaReaders, item: Item, part: (u64, u64)) -> Result<VideoSource, Problem> {
    let read = readers.read(move |reader| {
        let rows = reader.chunks(item.id)?;
        let frames = rows.iter().map(|row| u64::from(row.frames)).sum();
        let bytes = rows.iter().map(|row| u64::from(row.bytes)).sum();
        let facts = [item.at_us, item.duration_us, frames, bytes];
        let made = clip(reader, &item, &rows, part, FilmFormat::Mov)?;
        let key = ClipKey { id: item.id, part, facts };
        Ok(made.map(|(film, cut, began_us)| VideoSource { key, film, cut, began_us }))
    });
    read.await?.map_err(not_downloaded)
}

async fn encoder(site: &Site, film: &Film) -> Result<VideoEncoder, Problem> {
    let encoder = site.videos.encoders().await.and_then(|encoders| encoders.best(film.size()));
    encoder.ok_or_else(no_encoder)
}

/// The problem of a machine that makes no videos.
pub fn no_encoder() -> Problem {
    Problem::new(StatusCode::NOT_IMPLEMENTED, "there is no ffmpeg here that makes H.264")
        .hint("install it (`sudo apt install ffmpeg`); `as=avi` gives Motion JPEG")
}

/// The pieces of the video of `item` as they are made, for an archive. Waits until it can be made.
///
/// # Errors
/// It cannot be made.
pub async fn pieces(site: &Rc<Site>, link: &Rc<Link>, item: Item) -> Result<Pieces, Problem> {
    loop {
        let source = look_up(&site.media_readers()?, item.clone(), (0, u64::MAX)).await?;
        let kept = match site.videos.shelf.find(&source.key) {
            Some(kept) => Ok(Made::Kept(kept)),
            None => {
                let encoder = encoder(site, &source.film).await?;
                make(site, link, source, encoder).await
            }
        };
        match kept {
            Ok(Made::Kept(clip)) => {
                let (sender, pieces) = mpsc::channel(1);
                tokio::task::spawn_local(pass(clip, 0..u64::MAX, sender, Rc::clone(site)));
                return Ok(pieces);
            }
            Ok(Made::Sent(pieces)) => return Ok(pieces),
            // Another video is being made.
            Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE => {
                go_on(site)?;
                tokio::time::sleep(RETRY).await;
            }
            Err(problem) => return Err(problem),
        }
    }
}

fn not_made(id: u64, reason: &str) -> Problem {
    log::warn!("no video could be made of item {id}: {reason}");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no video could be made: {reason}"))
        .hint("`content?as=avi` gives the recording as it is")
}

/// Sends `range` of a clip, or all of it while it grows. A client that leaves is no error.
async fn pass(
    clip: ClipUse,
    range: Range<u64>,
    sender: mpsc::Sender<Result<Bytes, BrokenBody>>,
    site: Rc<Site>,
) {
    let mut at = range.start;
    while at < range.end {
        let is_there = |state: &ClipState| !matches!(state, ClipState::Growing(len) if *len <= at);
        let end = tokio::select! {
            state = clip.wait(is_there) => match state {
                ClipState::Growing(len) => Ok(len),
                ClipState::Whole(len) if len <= at => return,
                ClipState::Whole(len) => Ok(len),
                ClipState::Broken(reason) => Err(reason),
            },
            () = sender.closed() => return,
        };
        let read = match end {
            Ok(end) => {
                let most = (end.min(range.end) - at).min(PIECE as u64) as usize;
                clip.read(at, most).await.map_err(|error| error.to_string())
            }
            Err(reason) => Err(reason),
        };
        let piece = read.and_then(|piece| {
            go_on(&site).map_err(|fault| fault.to_string())?;
            if piece.is_empty() { Err(String::from("it was removed")) } else { Ok(piece) }
        });
        match piece {
            Ok(piece) => {
                at += piece.len() as u64;
                if sender.send(Ok(piece)).await.is_err() {
                    return;
                }
            }
            Err(reason) => {
                log::warn!("a video was cut off: {reason}");
                // The client may have gone.
                let _ = sender.send(Err(BrokenBody)).await;
                return;
            }
        }
    }
}

/// A video that has begun.
enum Made {
    /// In a file, for everybody.
    Kept(ClipUse),
    /// For the client that asked for it.
    Sent(Pieces),
}

/// Begins to make a video.
async fn make(
    site: &Rc<Site>,
    link: &Rc<Link>,
    source: VideoSource,
    encoder: VideoEncoder,
) -> Result<Made, Problem> {
    let VideoSource { key, film, cut, began_us } = source;
    let place = take_video_place(site, link, &key, film.frames())?;
    let options = VideoRequest::of(encoder, &film);
    // Starting a process copies this one's page tables: some milliseconds on a Raspberry Pi.
    let started = tokio::task::spawn_blocking(move || options.start()).await;
    let transcoder = match started {
        Ok(Ok(started)) => started,
        Ok(Err(error)) => return Err(not_made(key.id, &format!("ffmpeg could not be started: {error}"))),
        Err(error) => return Err(not_made(key.id, &error.to_string())),
    };
    let media = site.media()?;
    let tag = format!("\"{:x}-{:x}-h264\"", key.id, clock::wall_us());
    let kept = site.videos.shelf.begin(media, key.clone(), tag, film.len() / SMALLER).await;
    let making = Making {
        readers: site.media_readers()?,
        site: Rc::clone(site),
        id: key.id,
        film: Arc::new(film),
        cut,
        began_us,
        place,
    };
    if let Some(kept) = kept {
        making.place.job.fills(kept.clip());
        tokio::task::spawn_local(making.keep(transcoder, kept.clip()));
        watch_shelf(site, media);
        return Ok(Made::Kept(kept));
    }
    let (sender, pieces) = mpsc::channel(WAITING);
    let (begin, begun) = oneshot::channel();
    link.may_pause_briefly();
    // A client that sends its end has left.
    link.watches();
    tokio::task::spawn_local(making.send(transcoder, sender, begin, Rc::clone(link)));
    // Faults before the first byte give an error; later the connection is cut.
    match begun.await {
        Ok(Ok(())) => Ok(Made::Sent(pieces)),
        Ok(Err(reason)) => Err(not_made(key.id, &reason)),
        Err(_) => Err(not_made(key.id, "the server stops")),
    }
}

/// A place for making a video.
///
/// # Errors
/// All are taken.
fn take_video_place(site: &Site, link: &Link, key: &ClipKey, frames: u64) -> Result<VideoPlace, Problem> {
    site.videos.take_place(key.clone(), link.client(), frames).map_err(|left_s| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            match Videos::places() {
                1 => "another video is being made, and one is made at a time",
                _ => "two other videos are being made, and two are made at a time",
            },
        )
        .hint("try again when it is finished")
        .retry_after(left_s)
    })
}

/// The time of day as part of a file name: "14.53.07".
fn clock_of(site: &Site, us: u64) -> String {
    let time = jiff::Timestamp::from_microsecond(us as i64).unwrap_or_default();
    time.to_zoned(site.clock().zone).strftime("%H.%M.%S").to_string()
}

/// `GET /api/v1/crossings/{id}/video`: redirects to a clip of the crossing.
pub async fn of_crossing(request: Request) -> Result<Response<Body>, Problem> {
    let site = &request.site;
    let readers = site.media_readers()?;
    let id = request.id;
    let crossing = site.counts_readers()?.read(move |reader| reader.crossing(id)).await?;
    let missing = |words: String| Problem::new(StatusCode::NOT_FOUND, words);
    let crossing = crossing.ok_or_else(|| missing(format!("there is no crossing {id}")))?;
    let at_us = crossing.time_us;
    let found = readers.read(move |reader| {
        for item in recordings_before(reader, at_us)?.iter().filter(|item| covers(item, at_us)) {
            let Some(base) = reader.chunk_at(item.id, 0)? else { continue };
            // The camera may have been away.
            let Some(row) = reader.chunk_at(item.id, at_us.saturating_sub(item.at_us))? else { continue };
            if item.at_us.saturating_add(row.to_us).saturating_add(AROUND_US) > at_us {
                return Ok(Some((item.id, item.at_us.saturating_add(base.from_us))));
            }
        }
        Ok(None)
    });
    let Some((item, first_us)) = found.await? else {
        return Err(missing(format!("no recording shows crossing {id}"))
            .hint("record all day, or on crossings: [record] on_crossing in the configuration"));
    };
    let second = |us: u64| us.saturating_sub(first_us) as f64 / 1e6;
    let (from, to) = (second(at_us.saturating_sub(AROUND_US)), second(at_us.saturating_add(AROUND_US)));
    let mut response = no_store(Response::new(Body::full("")));
    *response.status_mut() = StatusCode::SEE_OTHER;
    let place = format!("../../media/{item}/video?from={from:.3}&to={to:.3}&download=1");
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(LOCATION, place);
    }
    Ok(response)
}

/// Recordings that started before a time, newest first.
///
/// # Errors
/// The store cannot be read.
pub fn recordings_before(reader: &MediaReader, at_us: u64) -> Result<Vec<Item>, MediaError> {
    let query = MediaQuery {
        kind: Some(MediaKind::Recording),
        text: None,
        from_us: None,
        to_us: Some(at_us.saturating_add(1)),
        is_kept: None,
        cursor: None,
        is_upward: false,
        limit: LOOKED_AT,
    };
    Ok(reader.list(&query)?.items)
}

/// True if this recording covers that time and shows movement: time-lapses and imported files do not.
pub fn covers(item: &Item, at_us: u64) -> bool {
    let is_live = !matches!(item.origin, MediaOrigin::TimeLapse | MediaOrigin::Import);
    is_live && item.at_us <= at_us && (item.is_open || at_us <= item.at_us.saturating_add(item.duration_us))
}

/// A video being made.
struct Making {
    readers: MediaReaders,
    site: Rc<Site>,
    id: u64,
    film: Arc<Film>,
    cut: media::FootageCut,
    began_us: u64,
    place: VideoPlace,
}

impl Making {
    /// Writes it to `clip`, until it is whole or nobody wants it any more.
    async fn keep(self, transcoder: Transcoder, clip: Rc<ShelvedVideo>) {
        let made = tokio::select! {
            made = self.run(transcoder, async |piece| {
                clip.append(piece).await.map_err(|error| Fault::passing(format!("its file: {error}")))
            }) => made,
            () = clip.abandoned() => Err(Fault::passing("nobody waits for it")),
        };
        match made {
            Ok(()) => clip.finish(),
            Err(error) => {
                log::debug!("a video of item {} was given up: {error}", self.id);
                clip.break_off(&error.to_string());
                self.site.videos.shelf.remove(&clip);
            }
        }
    }

    /// Sends it to its only client; logs or reports a failure. `begin` gets the arrival of the first bytes, or why
    /// there are none.
    async fn send(
        self,
        transcoder: Transcoder,
        sender: mpsc::Sender<Result<Bytes, BrokenBody>>,
        begin: oneshot::Sender<Result<(), String>>,
        link: Rc<Link>,
    ) {
        let mut begin = Some(begin);
        let made = tokio::select! {
            made = self.run(transcoder, async |piece| {
                if let Some(begin) = begin.take() {
                    // The client may have gone; also below.
                    let _ = begin.send(Ok(()));
                }
                let sent = self.place.job.wait_for(sender.send(Ok(piece))).await;
                sent.map_err(|_| Fault::passing("the client has left"))
            }) => made,
            () = sender.closed() => return,
        };
        let Err(error) = made else { return };
        if let Some(begin) = begin.take() {
            let _ = begin.send(Err(error.to_string()));
        } else {
            log::warn!("a video of item {} was cut off: {error}", self.id);
            // A client that takes nothing does not take the end either.
            if sender.try_send(Err(BrokenBody)).is_err() {
                link.call(LinkVerdict::Shed);
            }
        }
    }

    /// Converts the recording; `take` gets the pieces.
    async fn run(
        &self,
        mut transcoder: Transcoder,
        mut take: impl AsyncFnMut(Bytes) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let read = async |at| {
            let piece = piece(&self.readers, self.id, &self.film, Some(self.cut), at, PIECE).await?;
            go_on(&self.site)?;
            Ok(piece)
        };
        let take = async |piece, pictures| {
            self.place.job.set_made(pictures);
            take(piece).await
        };
        let made = tokio::select! {
            made = transcoder.convert(&self.film, self.began_us, read, take) => made,
            () = self.place.job.give_way() => return Err(Fault::passing("another client wanted a video")),
            () = self.site.stop.stopped() => return Err(stopped()),
        };
        made.map_err(|error| match error {
            NotMade::Ended(fault) => fault,
            NotMade::Failed(reason) => Fault::passing(reason),
        })
    }
}

/// Sweeps the shelf until it is empty: the age of the videos, the room on the disk, privacy mode, and the recordings.
fn watch_shelf(site: &Rc<Site>, media: &media::Media) {
    if site.videos.shelf.is_swept.replace(true) {
        return;
    }
    let (site, media) = (Rc::clone(site), media.clone());
    tokio::task::spawn_local(async move {
        let shelf = &site.videos.shelf;
        while !shelf.ids().is_empty() {
            tokio::select! {
                () = tokio::time::sleep(shelf::SWEEP) => {}
                () = site.stop.stopped() => break,
            }
            let store = media.clone();
            let room = tokio::task::spawn_blocking(move || store.lendable_bytes()).await.unwrap_or(0);
            shelf.sweep(room, site.is_counts_only());
            let Ok(readers) = site.media_readers() else { continue };
            for id in shelf.ids() {
                let item = readers.read(move |reader| reader.item(id)).await;
                if let Err(ReadError::Store(MediaError::Unknown(_))) = item {
                    shelf.remove_item(id);
                }
            }
        }
        shelf.is_swept.set(false);
    });
}
