//! `/api/v1/media/{id}/video` and `/api/v1/crossings/{id}/video`: a recording or a part of it as H.264 in MP4, made
//! by `ffmpeg` while it is sent.
//!
//! ```text
//! readers ─► film (Motion JPEG in MP4) ─► ffmpeg ─► fragments ─► one MP4 (Remux) ─► client
//! ```
//!
//! All steps are tasks of the server's thread on non-blocking pipes. They wait for the client: a slow one costs some
//! pieces of memory, and its place if another client wants one. If it leaves, `ffmpeg` is killed.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Method, Response, StatusCode};
use tokio::net::unix::pipe;
use tokio::sync::{mpsc, oneshot};

use crate::http::api::media::download::{PIECE, go_on, not_downloaded, piece, put, stopped, take_place};
use crate::http::api::media::thumbnail::seconds;
use crate::http::report::wire;
use crate::http::request::problem::Problem;
use crate::http::request::query::wrong_value;
use crate::http::request::range::disposition;
use crate::http::request::reply::{self, no_store};
use crate::http::server::body::{Body, BrokenBody};
use crate::http::server::link::{Link, LinkVerdict};
use crate::http::site::Site;
use crate::http::site::handler::Request;
use crate::http::site::readers::MediaReaders;
use crate::http::site::videos::{VideoPlace, Videos};
use crate::pipeline::video::{Transcoder, TranscoderPipes, VideoRequest};
use tallycam_base::Fault;
use tallycam_camera::media::film::h264::{NotFragmented, Remux};
use tallycam_camera::media::film::{Film, FilmFormat};
use tallycam_camera::media::zip::stem;
use tallycam_store::media::{self, Item, MediaError, MediaKind, MediaOrigin, MediaQuery, MediaReader, clip};

/// A crossing's clip starts this long before it and ends this long after it, in microseconds.
pub const AROUND_US: u64 = 5_000_000;

/// Recordings searched for one that covers a time.
pub const LOOKED_AT: usize = 50;

/// Pieces that may wait for a client: up to 2 MiB, so that one that is slow for a moment does not stop `ffmpeg`.
const WAITING: usize = 32;

/// Bytes kept of `ffmpeg`'s messages.
const WORDS: usize = 500;

/// `GET /api/v1/video`.
pub async fn status(request: Request) -> Result<Response<Body>, Problem> {
    request.site.media_readers()?;
    Ok(reply::json(wire::json(&request.site.videos.report().await)))
}

/// `GET /api/v1/media/{id}/video`.
pub async fn video(request: Request) -> Result<Response<Body>, Problem> {
    let (site, query) = (&request.site, &request.query);
    let from_us = seconds(query, "from")?;
    let to_us = seconds(query, "to")?;
    let is_download = query.is_set("download")?;
    let part = (from_us.unwrap_or(0), to_us.unwrap_or(u64::MAX));
    if part.1 <= part.0 {
        return Err(wrong_value("to", query.get("to").unwrap_or_default(), "more than `from`"));
    }
    let readers = site.media_readers()?;
    let id = request.id;
    let read = readers.read(move |reader| {
        let item = reader.item(id)?;
        if item.kind == MediaKind::Snapshot {
            return Ok((item, None));
        }
        let rows = reader.chunks(id)?;
        let film = clip(reader, &item, &rows, part, FilmFormat::Mp4)?;
        Ok((item, Some(film)))
    });
    let (item, Some(film)) = read.await? else {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "a snapshot is no video")
            .hint(format!("its picture is at /api/v1/media/{id}/content")));
    };
    let (film, cut, began_us) = film.map_err(not_downloaded)?;
    let encoder = site.videos.encoders().await.and_then(|encoders| encoders.best(film.size()));
    let Some(encoder) = encoder else {
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, "there is no ffmpeg here that makes H.264")
            .hint("install it (`sudo apt install ffmpeg`); `content?as=avi` gives Motion JPEG"));
    };
    let is_part = from_us.is_some() || to_us.is_some();
    let name = stem(&item.name);
    let name = if is_part { format!("{name} {}.mp4", clock_of(site, began_us)) } else { name + ".mp4" };
    let mut response = no_store(Response::new(Body::full("")));
    put(&mut response, CONTENT_TYPE, "video/mp4");
    put(&mut response, CONTENT_DISPOSITION, &disposition(is_download, &name));
    if request.method == Method::HEAD {
        return Ok(response);
    }
    take_place(&request)?;
    let place = site.videos.take_place(id, film.frames()).map_err(|left_s| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            match Videos::places() {
                1 => "another video is being made, and one is made at a time",
                _ => "two other videos are being made, and two are made at a time",
            },
        )
        .hint("try again when it is finished")
        .retry_after(left_s)
    })?;
    let seconds = film.duration_us() as f64 / 1e6;
    let options = VideoRequest { encoder, size: film.size(), fps: film.frames() as f64 / seconds.max(0.001) };
    let failed = |reason: String| {
        log::warn!("no video could be made of item {id}: {reason}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("no video could be made: {reason}"))
            .hint("`content?as=avi` gives the recording as it is")
    };
    // Starting a process copies this one's page tables: some milliseconds on a Raspberry Pi.
    let started = tokio::task::spawn_blocking(move || options.start()).await;
    let (transcoder, pipes) = match started {
        Ok(Ok(started)) => started,
        Ok(Err(error)) => return Err(failed(format!("ffmpeg could not be started: {error}"))),
        Err(error) => return Err(failed(error.to_string())),
    };
    let (sender, pieces) = mpsc::channel(WAITING);
    let (begin, begun) = oneshot::channel();
    let making = Making {
        readers,
        site: site.clone(),
        id,
        film: Arc::new(film),
        cut,
        began_us,
        sender,
        begin: Some(begin),
        place,
        link: request.link.clone(),
        running: Running(Some(transcoder)),
    };
    request.link.may_pause_briefly();
    // A client that sends its end has left.
    request.link.watches();
    tokio::task::spawn_local(making.all(pipes));
    // Faults before the first byte give an error; later the connection is cut.
    match begun.await {
        Ok(Ok(())) => *response.body_mut() = Body::pieces(pieces),
        Ok(Err(reason)) => return Err(failed(reason)),
        Err(_) => return Err(failed(String::from("the server stops"))),
    }
    Ok(response)
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
        limit: LOOKED_AT,
    };
    Ok(reader.list(&query)?.items)
}

/// True if this recording covers that time and shows movement: time-lapses and imported files do not.
pub fn covers(item: &Item, at_us: u64) -> bool {
    let is_live = !matches!(item.origin, MediaOrigin::TimeLapse | MediaOrigin::Import);
    is_live && item.at_us <= at_us && (item.is_open || at_us <= item.at_us.saturating_add(item.duration_us))
}

/// `ffmpeg`; dropping this ends it, on a thread that may block.
struct Running(Option<Transcoder>);

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(transcoder) = self.0.take() {
            // Reaping blocks until all its memory is freed.
            drop(tokio::task::spawn_blocking(move || drop(transcoder)));
        }
    }
}

/// A video being made for one client.
struct Making {
    readers: MediaReaders,
    site: Rc<Site>,
    id: u64,
    film: Arc<Film>,
    cut: media::FootageCut,
    began_us: u64,
    sender: mpsc::Sender<Result<Bytes, BrokenBody>>,
    /// Gets the arrival of the first bytes, or why there are none.
    begin: Option<oneshot::Sender<Result<(), String>>>,
    place: VideoPlace,
    link: Rc<Link>,
    running: Running,
}

/// Why a video was not completed.
#[derive(Debug, thiserror::Error)]
enum NotMade {
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("ffmpeg's pipes: {0}")]
    Pipe(#[from] std::io::Error),
    /// Its output is not fragmented MP4.
    #[error(transparent)]
    Output(#[from] NotFragmented),
    #[error("the client has left")]
    Left,
    #[error("its client took nothing, and another wanted a video")]
    GaveWay,
}

impl Making {
    /// Makes and sends the video; logs or reports a failure.
    async fn all(mut self, pipes: TranscoderPipes) {
        let mut words = Vec::new();
        let error = match self.run(pipes, &mut words).await {
            Ok(()) | Err(NotMade::Left) => return,
            Err(error) => error,
        };
        let words = String::from_utf8_lossy(&words);
        let last = words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
        let reason = if last.is_empty() { error.to_string() } else { format!("{error}: {last}") };
        if let Some(begin) = self.begin.take() {
            // The client may have gone; also below.
            let _ = begin.send(Err(reason));
        } else {
            log::warn!("a video of item {} was cut off: {reason}", self.id);
            // A client that takes nothing does not take the end either.
            if self.sender.try_send(Err(BrokenBody)).is_err() {
                self.link.call(LinkVerdict::Shed);
            }
        }
    }

    async fn run(&mut self, pipes: TranscoderPipes, words: &mut Vec<u8>) -> Result<(), NotMade> {
        let stdin = pipe::Sender::from_owned_fd(OwnedFd::from(pipes.stdin))?;
        let stdout = pipe::Receiver::from_owned_fd(OwnedFd::from(pipes.stdout))?;
        let stderr = pipe::Receiver::from_owned_fd(OwnedFd::from(pipes.stderr))?;
        let feeding = feed(&self.readers, &self.site, self.id, &self.film, self.cut, stdin);
        let made = VideoOutput {
            remux: Remux::default(),
            held: Vec::new(),
            sender: &self.sender,
            begin: &mut self.begin,
            place: &self.place,
        };
        let running = &mut self.running;
        let draining = async {
            let made = made.drain(stdout).await;
            if made.is_err() {
                // Ending it also closes the other pipes.
                *running = Running(None);
            }
            made
        };
        let (sender, site, job) = (self.sender.clone(), self.site.clone(), self.place.job.clone());
        let (fed, made) = tokio::select! {
            (fed, made, ()) = async { tokio::join!(feeding, draining, listen(stderr, words)) } => (fed, made),
            () = sender.closed() => return Err(NotMade::Left),
            () = job.give_way() => return Err(NotMade::GaveWay),
            () = site.stop.stopped() => return Err(stopped().into()),
        };
        let remux = made?;
        // If it stopped reading, its exit status tells more than the broken pipe.
        match fed {
            Err(NotMade::Pipe(_)) | Ok(()) => {}
            Err(error) => return Err(error),
        }
        if let Some(transcoder) = self.running.0.take() {
            let ended = tokio::task::spawn_blocking(move || transcoder.wait()).await;
            let why = match ended {
                Ok(status) => {
                    Some(status?).filter(|status| !status.success()).map(|status| status.to_string())
                }
                Err(panicked) => Some(panicked.to_string()),
            };
            if let Some(why) = why {
                return Err(Fault::passing(format!("ffmpeg ended ({why})")).into());
            }
        }
        let mut rest = Vec::new();
        remux.finish(self.began_us, self.film.duration_us(), &mut rest)?;
        for piece in rest.chunks(PIECE) {
            let piece = Bytes::copy_from_slice(piece);
            self.place.job.wait_for(self.sender.send(Ok(piece))).await.map_err(|_| NotMade::Left)?;
        }
        Ok(())
    }
}

/// The processing of `ffmpeg`'s output.
struct VideoOutput<'a> {
    remux: Remux,
    /// The bytes before the first picture, which shows that encoding works.
    held: Vec<u8>,
    sender: &'a mpsc::Sender<Result<Bytes, BrokenBody>>,
    begin: &'a mut Option<oneshot::Sender<Result<(), String>>>,
    place: &'a VideoPlace,
}

impl VideoOutput<'_> {
    /// Sends `ffmpeg`'s output until it closes.
    async fn drain(mut self, stdout: pipe::Receiver) -> Result<Remux, NotMade> {
        let mut piece = vec![0; PIECE];
        loop {
            stdout.readable().await?;
            let got = match stdout.try_read(&mut piece) {
                Ok(0) => return Ok(self.remux),
                Ok(got) => got,
                Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error.into()),
            };
            self.remux.push(&piece[..got], &mut self.held)?;
            self.place.job.set_made(self.remux.pictures());
            if self.remux.pictures() == 0 || self.held.is_empty() {
                continue;
            }
            if let Some(begin) = self.begin.take() {
                let _ = begin.send(Ok(()));
            }
            let out = std::mem::take(&mut self.held);
            self.place.job.wait_for(self.sender.send(Ok(out.into()))).await.map_err(|_| NotMade::Left)?;
        }
    }
}

/// Feeds the recording to `ffmpeg`, then closes its input.
async fn feed(
    readers: &MediaReaders,
    site: &Site,
    id: u64,
    film: &Arc<Film>,
    cut: media::FootageCut,
    stdin: pipe::Sender,
) -> Result<(), NotMade> {
    let mut at = 0;
    while at < film.len() {
        let mut piece = piece(readers, id, film, Some(cut), at, PIECE).await?;
        go_on(site)?;
        at += piece.len() as u64;
        while !piece.is_empty() {
            stdin.writable().await?;
            match stdin.try_write(&piece) {
                Ok(written) => drop(piece.split_to(written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Reads `ffmpeg`'s messages and keeps their end.
async fn listen(stderr: pipe::Receiver, words: &mut Vec<u8>) {
    let mut piece = [0; WORDS];
    while stderr.readable().await.is_ok() {
        match stderr.try_read(&mut piece) {
            Ok(0) => return,
            Ok(got) => {
                words.extend_from_slice(&piece[..got]);
                words.drain(..words.len().saturating_sub(WORDS));
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
